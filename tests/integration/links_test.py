"""Links: caps on downloads, what is known of a device's link, and what the server makes of it."""
import http.client
import threading
import time
import unittest
from urllib.parse import urlsplit

from harness import ServerCase, main, wait_until

SIZE = 6_000_000


class Download(threading.Thread):
    """Reads one reply as fast as it comes; stops when told."""

    def __init__(self, url):
        super().__init__(daemon=True)
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self.target = parts.path + "?" + parts.query
        self.got, self.over = 0, False
        self.start()

    def run(self):
        try:
            self.connection.request("GET", self.target)
            reply = self.connection.getresponse()
            while not self.over and (piece := reply.read1(65536)):
                self.got += len(piece)
        finally:
            self.connection.close()

    def stop(self):
        self.over = True
        self.join(60)


class Rates(ServerCase):
    """What a device gets is measured over whole seconds, when it flows already."""

    settings = {"tasks.max_active": 20}

    def setUp(self):
        self.addCleanup(self.caps)

    def offers(self, version, priorities):
        """Metadata of one new device for each priority."""
        self.firmware(version, size=SIZE)
        found = []
        for number, priority in enumerate(priorities):
            name = f"{version}-{number}"
            device = self.device(name, version="0.1")
            self.upgrade(name, version, priority=priority)
            found.append(device.request("metadata"))
        return found

    def start(self, metadata):
        download = Download(metadata["url"])
        self.addCleanup(download.stop)
        return download

    def rates(self, downloads, seconds=4.0):
        """Bytes/s of each."""
        time.sleep(0.5)
        began, before = time.monotonic(), [download.got for download in downloads]
        time.sleep(seconds)
        took = time.monotonic() - began
        return [(download.got - start) / took for download, start in zip(downloads, before)]

    def test_cap_on_all_is_shared_and_changes_while_downloads_run(self):
        first, second = self.offers("10.0", ["normal", "normal"])
        self.caps(whole=300_000)
        downloads = [self.start(first), self.start(second)]
        one, two = self.rates(downloads)
        self.assertAlmostEqual(one + two, 300_000, delta=30_000)
        self.assertAlmostEqual(one, two, delta=45_000)
        self.caps(whole=600_000)
        self.assertAlmostEqual(sum(self.rates(downloads)), 600_000, delta=60_000)
        self.caps()
        wait_until(lambda: all(download.got == SIZE for download in downloads), "all comes once the cap is gone", 30)

    def test_cap_on_each_device_holds_over_its_connections(self):
        first, second = self.offers("11.0", ["normal", "normal"])
        self.caps(each=200_000)
        downloads = [self.start(first), self.start(first), self.start(second)]
        one, again, two = self.rates(downloads)
        self.assertAlmostEqual(one + again, 200_000, delta=20_000)
        self.assertAlmostEqual(two, 200_000, delta=20_000)

    def test_security_comes_first_and_the_rest_does_not_starve(self):
        offers = self.offers("12.0", ["low", "normal", "security"])
        self.caps(whole=320_000)
        downloads = [self.start(offer) for offer in offers]
        rates = self.rates(downloads, 6.0)
        self.assertGreater(rates[2], 0.85 * 320_000)
        self.assertLess(rates[0] + rates[1], 0.12 * 320_000)
        wait_until(lambda: downloads[0].got > 0 and downloads[1].got > 0, "routine downloads get a little", 30)

    def test_64_kbit_flow_evenly(self):
        (offer,) = self.offers("13.0", ["normal"])
        self.caps(each=8_000)
        download = self.start(offer)
        wait_until(lambda: download.got > 0, "the first bytes")
        longest, last, seen = 0.0, time.monotonic(), download.got
        began, start = last, seen
        while time.monotonic() - began < 5:
            time.sleep(0.02)
            if download.got != seen:
                longest = max(longest, time.monotonic() - last)
                last, seen = time.monotonic(), download.got
        self.assertLess(longest, 1.0)
        self.assertAlmostEqual((seen - start) / (last - began), 8_000, delta=800)


class Links(ServerCase):
    """A transport that brings nothing is noticed after a third of the stall timeout."""

    settings = {"tasks.stall_timeout_s": 12, "tasks.retry_backoff_s": 0}

    def link(self, name):
        return self.rest.get(f"/devices/{name}")["link"]

    def metric(self, name):
        text = self.rest.call("GET", "/metrics").body.decode()
        return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(name + " ")))

    def transport_lines(self, metadata):
        log = self.rest.items(f"/tasks/{metadata['task_id']}/log")
        return [(entry["by"], entry["transport"]) for entry in log if entry["kind"] == "transport"]

    def offer(self, name, version, size=400_000, **fields):
        self.firmware(version, size=size)
        device = self.device(name, version="0.1")
        self.upgrade(name, version, chunk_size=64, **fields)
        return device, device.request("metadata")

    def test_a_link_is_measured_and_judged(self):
        device, metadata = self.offer("measured", "1.0")
        self.assertEqual(self.link("measured")["verdict"], "unknown")
        self.assertTrue(device.download(metadata))
        wait_until(lambda: self.link("measured")["measured"]["rtt_ms"] is not None, "the round trip is known")
        wait_until(lambda: self.link("measured")["verdict"] == "good", "a loopback link is good")
        self.assertEqual(self.rest.task(metadata["task_id"])["link"]["verdict"], "good")
        self.assertGreaterEqual(self.metric('otad_device_links{verdict="good"}'), 1)

        def told():
            device.progress(metadata, chunk=0, status="ok", loss=0.4, rtt_ms=90, rssi=-70)
            time.sleep(0.3)
            return self.link("measured")["verdict"] == "poor"

        wait_until(told, "what the device says counts", 20)
        self.assertEqual(self.link("measured")["loss"], 0.4)
        self.daemon.restart()
        self.assertEqual(self.link("measured")["verdict"], "poor")

    def test_http_that_stalls_gives_way_to_mqtt_and_comes_back(self):
        device, metadata = self.offer("stalls", "2.0")
        self.assertEqual(metadata["transports"], ["http", "mqtt"])
        orders = self.metric("otad_transport_orders_total")
        device.fetch(metadata, 0)

        def heard():  # HTTP brings nothing more; MQTT gets through
            device.progress(metadata, state="downloading")
            time.sleep(0.3)
            return device.peek("metadata")

        wait_until(heard, "the order changes", 20)
        turned = device.wait("metadata")
        self.assertEqual(turned["task_id"], metadata["task_id"])
        self.assertEqual(turned["transports"], ["mqtt", "http"])
        self.assertEqual(turned["attempt"], 1)
        self.assertIn(("engine", "mqtt"), self.transport_lines(metadata))
        self.assertTrue(self.link("stalls")["mqtt_first"])
        self.assertGreater(self.metric("otad_transport_orders_total"), orders)
        # MQTT brings nothing either: HTTP is tried again.
        wait_until(heard, "the order changes back", 20)
        self.assertEqual(device.wait("metadata")["transports"], ["http", "mqtt"])
        device.drain()
        self.assertEqual(device.run()["type"], "success")

    def test_chunks_that_keep_arriving_wrong_become_smaller(self):
        device, metadata = self.offer("loses", "3.0")
        device.fetch(metadata, 0)
        device.progress(metadata, chunk=0, status="ok", transport="http")
        retry = {"attempt": 1}
        while retry["attempt"] < 3:  # the smaller grid is made ready beside this: in the second attempt, or the third
            attempt, spent = retry["attempt"], 0
            while retry["attempt"] == attempt:
                self.assertEqual(retry.get("chunk_bytes", 65536), 65536, "never inside an attempt")
                device.progress(metadata, chunk=5, status="mismatch", transport="http")
                retry, spent = device.wait("retry"), spent + 1
            self.assertEqual(spent, 3)
            if retry["chunk_bytes"] != 65536:
                break
        self.assertEqual(retry["chunk_bytes"], 32768)
        self.assertEqual(retry["missing"], [[2, retry["chunk_count"] - 1]])
        self.assertEqual(device.run()["type"], "success")

    def test_two_at_a_time_behind_a_poor_uplink(self):
        self.firmware("4.0")
        devices = []
        for number in range(4):
            name = f"mast-{number}"
            answer = self.rest.call("PUT", f"/devices/{name}", {"hardware": "", "tags": {"uplink": "mast"}})
            self.assertEqual(answer.status, 201, answer)
            device = self.device(name, version="0.1")
            device.request("up_to_date")
            devices.append(device)
        self.firmware("3.9")
        for device in devices:  # each has a first task, in which it says how bad its link is
            task = self.upgrade(device.id, "3.9")
            metadata = device.request("metadata")
            device.progress(metadata, chunk=0, status="ok", loss=0.5)
            wait_until(lambda: self.link(device.id)["verdict"] == "poor", "the link is poor")
            self.assertEqual(self.rest.call("POST", f"/tasks/{task}/cancel").status, 200)
            device.wait("cancel")
        tasks = [self.upgrade(device.id, "4.0") for device in devices]
        states = [self.rest.state(task) for task in tasks]
        self.assertEqual(states.count("offered"), 2, states)
        waiting = self.rest.task(tasks[states.index("queued")])
        self.assertIn("uplink mast", waiting["explanation"])
        security = self.upgrade("urgent", "4.0", priority="security")
        urgent = self.device("urgent", version="0.1")
        self.assertEqual(urgent.request("metadata")["task_id"], security)
        for task, device in sorted(zip(tasks, devices), key=lambda pair: self.rest.state(pair[0]) != "offered"):
            self.assertEqual(device.run()["type"], "success")
            held = [self.rest.state(other) for other in tasks]
            self.assertLessEqual(sum(state in ("offered", "downloading", "retry_wait") for state in held), 2, held)


if __name__ == "__main__":
    main()
