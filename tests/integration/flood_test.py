"""Floods: more than the daemon can do, from the broker, from devices, from one device, from an operator.

Its memory stays within MEMORY, who behaves is served meanwhile, and who is refused is told when to come back.
"""
import asyncio
import collections
import json
import pathlib
import socket
import struct
import threading
import time
import unittest.mock

from harness import MIB, PATIENCE, SANITIZED, Broker, ServerCase, main, wait_until
from stop_test import held

GRID = 65536
MEMORY = 160 * MIB  # docs/reliability.md
MESSAGES = 100_000
DEVICES = 10_000


class MemoryWatch:
    """The daemon's highest resident memory, looked at often."""

    def __init__(self, daemon):
        self.daemon, self.peak, self.over = daemon, daemon.rss(), threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.over.wait(0.05):
            self.peak = max(self.peak, self.daemon.rss())

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.peak


class Hose:
    """Publishes at QoS 1 as fast as the broker takes it: MQTT 3.1.1 by hand, for a client library is the slower end."""

    def __init__(self, port):
        self.line = socket.create_connection(("127.0.0.1", port), 60 * PATIENCE)
        self.sent, self.taken = 0, 0
        self.line.sendall(bytes.fromhex("101000044d5154540402012c0004686f7365"))  # client id hose, keepalive 300 s
        assert self.line.recv(4) == b"\x20\x02\0\0"
        self.reader = threading.Thread(target=self.count, daemon=True)
        self.reader.start()

    def count(self):
        left = b""
        while piece := self.line.recv(65536):
            left += piece
            self.taken += len(left) // 4  # PUBACKs have four bytes each
            left = left[len(left) // 4 * 4 :]

    def packet(self, topic, payload):
        self.sent += 1
        body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", self.sent % 65535 + 1) + payload
        length, head = len(body), b"\x32"
        while length > 127:
            head += bytes([length & 127 | 128])
            length >>= 7
        return head + bytes([length]) + body

    def publish(self, messages):
        """Returns when the broker has acknowledged them."""
        packets = [self.packet(topic.encode(), payload.encode()) for topic, payload in messages]
        for at in range(0, len(packets), 1000):
            self.line.sendall(b"".join(packets[at : at + 1000]))
        wait_until(lambda: self.taken >= self.sent, f"the broker took {self.taken} of {self.sent}", 100)

    def close(self):
        self.line.shutdown(socket.SHUT_RDWR)
        self.reader.join()
        self.line.close()


class FloodCase(ServerCase):
    settings = {"tasks.max_active": 50, "tasks.offer_timeout_s": 600, "tasks.stall_timeout_s": 600}

    def metrics(self):
        page = self.rest.call("GET", "/metrics").body.decode()
        return {line.split()[0]: float(line.split()[1]) for line in page.splitlines() if not line.startswith("#")}

    def watched(self, what, flood):
        """Runs `flood()`; says what it cost."""
        watch, begun = MemoryWatch(self.daemon), time.monotonic()
        try:
            result = flood()
        finally:
            peak = watch.stop()
        print(f"{what}: {time.monotonic() - begun:.1f} s, peak memory {peak / MIB:.0f} MiB", flush=True)
        if not SANITIZED:
            self.assertLess(peak, MEMORY)
        return result

    def good_device(self, name):
        """A well-behaved device and what it is to install."""
        hardware = f"hw-{name}"
        data = self.firmware("2.0.0", hardware, 6 * GRID)
        task = self.upgrade(name, "2.0.0", hardware=hardware, chunk_size=64)
        return self.device(name, hardware=hardware, version="1.0.0"), task, data

    def assert_served(self, device, task):
        begun = time.monotonic()
        while True:  # what a broker or a full queue drops is asked again, for as long as it takes
            try:
                ended = device.run(timeout=40)["type"]
                break
            except AssertionError:
                if time.monotonic() - begun > 100 * PATIENCE:
                    raise
        self.assertEqual(ended, "success")
        self.assertEqual(self.rest.task(task)["attempt"], 1)
        return time.monotonic() - begun

    def quiet(self):
        """Until the daemon has dealt with all that the broker delivers."""
        last = [None]

        def settled():
            shown = self.metrics()
            now = (shown["otad_mqtt_received_total"], shown["otad_device_messages_total"])
            before, last[0] = last[0], now
            if before != now:
                time.sleep(0.5)
            return before == now and shown["otad_engine_commands_waiting"] == 0 and shown["otad_mqtt_outbox"] == 0 and shown

        return wait_until(settled, "the flood is over", 60)

    def flood_with_requests(self):
        device, task, _ = self.good_device("good")
        before = self.metrics()
        names = [f"flood-{number}" for number in range(2_000)]
        payload = json.dumps({"current_version": "1.0.0", "hardware": "hw-flood"})
        messages = [(f"/ota/{names[number % len(names)]}/request", payload) for number in range(MESSAGES)]

        def flood():
            hose = Hose(self.broker.port)
            flooding = threading.Thread(target=lambda: (hose.publish(messages), hose.close()))
            flooding.start()
            arrived = "otad_mqtt_received_total"
            wait_until(lambda: self.metrics()[arrived] > before[arrived] + MESSAGES / 200, "the flood is there", 60)
            took = self.assert_served(device, task)
            flooding.join()
            return took, self.quiet()

        took, after = self.watched(f"{MESSAGES} messages", flood)
        rise = {name: int(after[name] - before.get(name, 0)) for name in after if name.startswith("otad_")}
        print(
            f"the good device took {took:.1f} s; received {rise['otad_mqtt_received_total']}, dropped with the queue full "
            f"{rise['otad_device_dropped_total']}, answers published {rise['otad_mqtt_published_total']}",
            flush=True,
        )
        return rise

    def lasting_device(self):
        """After the flood it still works."""
        device, task, _ = self.good_device("afterwards")
        self.assert_served(device, task)


class Messages(FloodCase):
    """With the broker's settings as in config/mosquitto."""

    def test_as_fast_as_the_broker_delivers(self):
        rise = self.flood_with_requests()
        self.assertGreaterEqual(rise["otad_mqtt_received_total"], MESSAGES)
        told = rise["otad_device_messages_total"]
        self.assertGreaterEqual(told, MESSAGES)
        self.assertEqual(rise["otad_device_unsent_total"], 0)
        self.assertGreaterEqual(
            rise["otad_mqtt_published_total"], told - rise["otad_device_dropped_total"] - MESSAGES // 1000
        )
        self.lasting_device()


class DefaultBroker(Broker):
    """Mosquitto as it comes: a bound of 1000 waiting messages, beyond which it drops in silence, and 20 in flight."""

    def launch(self, command, env=None):
        config = self.folder / "mosquitto.conf"
        kept = [
            line
            for line in config.read_text().splitlines()
            if not line.startswith(("max_queued_messages", "max_inflight_messages", "set_tcp_nodelay"))
        ]
        config.write_text("\n".join(kept) + "\n")
        super().launch(command, env)


class MessagesThroughADefaultBroker(FloodCase):
    @classmethod
    def setUpClass(cls):
        with unittest.mock.patch("harness.Broker", DefaultBroker):
            super().setUpClass()

    def test_what_it_drops_is_asked_again(self):
        rise = self.flood_with_requests()
        self.assertLessEqual(rise["otad_mqtt_received_total"], MESSAGES + 1000)
        self.lasting_device()


class OneDevice(FloodCase):
    def test_a_device_that_repeats_itself(self):
        """1,000 requests a second for ten seconds: one task, no attempt spent, others served."""
        self.firmware("2.0.0", "hw-loud", 6 * GRID)
        loud = self.upgrade("loud", "2.0.0", hardware="hw-loud", chunk_size=64)
        device, task, _ = self.good_device("quiet")
        hose, over = Hose(self.broker.port), threading.Event()
        payload = json.dumps({"current_version": "1.0.0", "hardware": "hw-loud", "version": "2.0.0"})
        def shout():
            begun = time.monotonic()
            while not over.is_set():
                due = int((time.monotonic() - begun) * 1000) - hose.sent
                hose.publish([("/ota/loud/request", payload)] * due)
                time.sleep(0.005)
            hose.close()

        def flood():
            shouting = threading.Thread(target=shout)
            shouting.start()
            try:
                took = self.assert_served(device, task)
                over.wait(max(0.0, 10 - took))
            finally:
                over.set()
                shouting.join()
            self.quiet()
            return took

        took = self.watched("one loud device", flood)
        print(f"{hose.sent} requests; the quiet device took {took:.1f} s", flush=True)
        shown = self.rest.task(loud)
        self.assertEqual((shown["state"], shown["attempt"]), ("offered", 1))
        self.assertEqual(len(self.rest.items("/tasks", device_id="loud")), 1)
        self.assertLess(len(self.rest.items(f"/tasks/{loud}/log")), 20, "repeats are not logged")
        last = self.device("loud", hardware="hw-loud", version="1.0.0")
        self.assertEqual(last.run(timeout=40)["task_id"], loud)


class Caller:
    """Many HTTP calls at once over a few kept connections: status, headers, body each, in order of the calls."""

    def __init__(self, port, lines=64):
        self.port, self.lines = port, lines

    def __call__(self, calls):
        return asyncio.run(self.all(calls))

    async def all(self, calls):
        waiting, answers = collections.deque(enumerate(calls)), [None] * len(calls)

        async def line():
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            while waiting:
                number, (method, path, body, headers) = waiting.popleft()
                content = json.dumps(body).encode()
                lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}", *headers]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
                answers[number] = await asyncio.wait_for(self.answer(reader), 60 * PATIENCE)
            writer.close()

        await asyncio.gather(*(line() for _ in range(min(self.lines, len(calls)))))
        return answers

    @staticmethod
    async def answer(reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, json.loads(body) if body else None


class PowerCut(FloodCase):
    def test_ten_thousand_devices_ask_at_once(self):
        """Each with a task: 50 are served, the others told to come back, spread so that they don't come together."""
        self.firmware("2.0.0", "hw-power", 6 * GRID)
        names = [f"power-{number}" for number in range(DEVICES)]
        order = {"firmware_version": "2.0.0", "hardware": "hw-power"}
        posted = Caller(self.daemon.port)([("POST", "/firmware/upgrade", {"device_id": n, **order}, ()) for n in names])
        self.assertEqual({status for status, _, _ in posted}, {201})
        self.daemon.restart()
        about = {"current_version": "1.0.0", "hardware": "hw-power"}

        def flood():
            return Caller(self.daemon.port, 500)([("POST", f"/ota/{name}/request", about, ()) for name in names])

        answers = self.watched(f"{DEVICES} devices at once", flood)
        said = collections.Counter(body["type"] if body["type"] != "error" else body["code"] for _, _, body in answers)
        print(dict(said), flush=True)
        self.assertEqual(said["metadata"], 50)
        self.assertLessEqual(set(said), {"metadata", "queued", "overloaded"})
        waits = [body["retry_after_s"] for _, _, body in answers if "retry_after_s" in body]
        self.assertEqual(len(waits), DEVICES - 50)
        seconds = collections.Counter(waits)
        print(f"told to come back in {min(waits)} to {max(waits)} s, at most {max(seconds.values())} in one second", flush=True)
        self.assertLess(max(waits), 300, "before they count as absent")
        self.assertGreaterEqual(max(waits) - min(waits), 60)
        self.assertLess(max(seconds.values()), DEVICES / 20, "no second brings a twentieth of them")
        device, task, _ = self.good_device("power-good")
        self.assertEqual(self.rest.call("PATCH", f"/tasks/{task}", {"priority": "security"}).status, 200)
        self.assert_served(device, task)

    def test_more_than_the_queue_takes(self):
        """With the engine held fast until its queue is full: who is refused is told when to come back, each another time."""
        about = {"current_version": "1.0.0", "hardware": "hw-more"}
        messages = [(f"/ota/more-{number}/request", json.dumps(about)) for number in range(30_000)]
        calls = [("POST", f"/ota/other-{number}/request", about, ()) for number in range(500)]
        engine = next(
            int(name.parent.name)
            for name in pathlib.Path(f"/proc/{self.daemon.process.pid}/task").glob("*/comm")
            if name.read_text().strip() == "otad-engine"
        )
        dropped = "otad_device_dropped_total"
        before = self.metrics()[dropped]

        def flood():
            hose = Hose(self.broker.port)
            with held(engine):
                hose.publish(messages)
                wait_until(lambda: self.metrics()[dropped] > before, "the queue is full", 30)
                answers = Caller(self.daemon.port, 50)(calls)
                order = self.rest.upgrade("more-0", "9.9.9")
            hose.close()
            return answers, order, self.quiet()

        answers, order, _ = self.watched("30,000 messages for an engine that stands still", flood)
        self.assert_problem(order, 503)
        self.assertGreater(int(order.headers["retry-after"]), 0)
        for status, headers, body in answers:
            self.assertEqual((status, body["code"]), (503, "overloaded"))
            self.assertEqual(headers["retry-after"], str(body["retry_after_s"]))
        waits = collections.Counter(body["retry_after_s"] for _, _, body in answers)
        self.assertGreaterEqual(len(waits), 15, "spread over many seconds")
        self.assertLess(max(waits.values()), len(answers) / 5)
        device, task, _ = self.good_device("more-good")
        self.assert_served(device, task)


class Operator(FloodCase):
    def test_the_same_upgrade_a_thousand_times_at_once(self):
        self.firmware("2.0.0", "hw-once", GRID)
        device, task, _ = self.good_device("meanwhile")
        order = {"device_id": "once", "firmware_version": "2.0.0", "hardware": "hw-once"}

        def flood():
            serving = []
            server = threading.Thread(target=lambda: serving.append(self.assert_served(device, task)))
            server.start()
            answers = Caller(self.daemon.port, 1000)([("POST", "/firmware/upgrade", order, ())] * 1000)
            server.join()
            self.assertEqual(len(serving), 1)
            return answers

        answers = self.watched("1,000 equal upgrades", flood)
        self.assertEqual(collections.Counter(status for status, _, _ in answers), {201: 1, 200: 999})
        self.assertEqual(len({body["task_id"] for _, _, body in answers}), 1)
        self.assertEqual(len(self.rest.items("/tasks", device_id="once")), 1)


if __name__ == "__main__":
    main()
