"""Chunks over MQTT: whole images, changes of transport amid a task, windows, refusals, and nobody held up."""
import hashlib
import threading
import time
import urllib.request

from device import Device, indexes
from harness import PATIENCE, Broker, Daemon, ServerCase, main, wait_until

KIB = 1024
WINDOW_CHUNKS, WINDOW_BYTES = 32, 1024 * KIB


class ChunkDevice(Device):
    """Fetches chunks over MQTT too, from the protocol's text alone."""

    def ask_chunks(self, metadata, ranges):
        self.send("chunk/get", {"task_id": metadata["task_id"], "chunks": ranges}, qos=0)

    def take(self, metadata, message):
        """Checks one chunk and keeps it; its index."""
        task_id, index = message["topic"].split("/")[-2:]
        assert task_id == metadata["task_id"], message["topic"]
        index, carried, body = int(index), message["payload"][:32], message["payload"][32:]
        size = min(metadata["chunk_bytes"], metadata["size"] - index * metadata["chunk_bytes"])
        assert len(body) == size, f"chunk {index} has {len(body)} bytes, not {size}"
        assert hashlib.sha256(body).digest() == carried, f"chunk {index} has another digest"
        if "chunks" in metadata:
            assert carried.hex() == metadata["chunks"][index]
        self.fetched[index] += 1
        self.chunks[index] = body
        return index

    def fetch_window(self, metadata, ranges):
        """Asks once; the indexes that came until it went quiet."""
        self.drain()
        self.ask_chunks(metadata, ranges)
        return self.take_all(metadata)

    def take_all(self, metadata, quiet=1.0):
        came = []
        while True:
            with self.arrived:
                if not self.arrived.wait_for(lambda: self.inbox, quiet * PATIENCE):
                    return came
            message = self.wait(timeout=quiet)
            if message["type"] == "chunk":
                came.append(self.take(metadata, message))

    def download_mqtt(self, metadata, only=None):
        """Fetches what is missing, window by window, asking again for what doesn't come; reports what came."""
        self.use(metadata)
        wanted = [i for i in (only or range(metadata["chunk_count"])) if i not in self.chunks]
        deadline = time.monotonic() + 60 * PATIENCE
        while wanted:
            assert time.monotonic() < deadline, f"{self.id}: {len(wanted)} chunks never came"
            fit = max(1, min(WINDOW_CHUNKS, WINDOW_BYTES // metadata["chunk_bytes"]))
            window = wanted[:fit]
            self.ask_chunks(metadata, [[i, i] for i in window])
            came = set()
            while len(came) < len(window):
                try:
                    came.add(self.take(metadata, self.wait("chunk", timeout=5)))
                except AssertionError as late:
                    assert "no chunk" in str(late), late
                    break
            self.progress(metadata, chunks=[[i, i] for i in sorted(came)], status="ok", transport="mqtt")
            wanted = [i for i in wanted if i not in came]


class MqttChunks(ServerCase):
    def chunk_device(self, name, **options):
        device = ChunkDevice(name, self.broker.port, **options)
        self.addCleanup(device.close)
        return device.connect()

    def begin(self, name, size, chunk_kib, **options):
        """A device with an offer: itself, the image, the metadata."""
        version = f"2.0.{name}"
        data = self.firmware(version, "hw-" + name, size)
        device = self.chunk_device(name, hardware="hw-" + name, version="1.0", **options)
        task = self.upgrade(name, version, chunk_size=chunk_kib, hardware="hw-" + name)
        metadata = device.request("metadata")
        self.assertEqual(metadata["task_id"], task)
        return device, data, metadata

    def refused(self, device, metadata, ranges, code, words=""):
        device.drain()
        device.ask_chunks(metadata, ranges)
        error = device.wait("error")
        self.assertEqual((error["code"], error["task_id"]), (code, metadata["task_id"]), error)
        self.assertIn(words, error["message"])
        self.assertFalse(device.peek("chunk"))

    def metric(self, name):
        page = self.rest.call("GET", "/metrics").body.decode()
        return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name + " "))


class Whole(MqttChunks):
    def test_image_without_http(self):
        chunks, sent = self.metric("otad_mqtt_chunks_total"), self.metric("otad_mqtt_chunk_bytes_total")
        device, data, metadata = self.begin("whole", 333_333, 16)
        device.download_mqtt(metadata)
        self.assertEqual(device.assembled(metadata), data)
        self.assertTrue(all(count == 1 for count in device.fetched.values()), device.fetched)
        self.assertEqual(device.verify(metadata)["type"], "success")
        task = self.rest.wait_state(metadata["task_id"], "installing")
        self.assertEqual(task["progress"]["bytes"], len(data), task)
        lines = self.rest.items(f"/tasks/{metadata['task_id']}/log")
        self.assertIn("mqtt", [line.get("transport") for line in lines if line["kind"] == "chunks"], lines)
        # A chunk counts once it is written, which its receiver may see first.
        wait_until(lambda: self.metric("otad_mqtt_chunk_bytes_total") - sent >= len(data), "all chunks are counted")
        self.assertEqual(self.metric("otad_mqtt_chunks_total") - chunks, metadata["chunk_count"])
        self.assertEqual(self.metric("otad_mqtt_chunk_bytes_total") - sent, len(data))

    def test_many_chunks_whose_digests_come_with_them(self):
        device, data, metadata = self.begin("many", 200_000, 1)
        self.assertNotIn("chunks", metadata)
        device.download_mqtt(metadata)
        self.assertEqual(device.assembled(metadata), data)
        self.assertEqual(device.verify(metadata)["type"], "success")

    def test_largest_chunk(self):
        device, data, metadata = self.begin("large", 2_500_000, 1024)
        self.assertEqual(metadata["chunk_bytes"], WINDOW_BYTES)
        device.download_mqtt(metadata)
        self.assertEqual(device.assembled(metadata), data)


class Changeover(MqttChunks):
    def test_no_chunk_is_fetched_twice(self):
        device, data, metadata = self.begin("change", 640_000, 16)
        count = metadata["chunk_count"]
        third = count // 3
        device.download(metadata, range(third))
        self.missing_is(device, [[third, count - 1]])
        device.download_mqtt(metadata, range(third, 2 * third))
        self.missing_is(device, [[2 * third, count - 1]])
        self.daemon.restart()
        device.drain()
        metadata = device.request("metadata")
        self.assertEqual(metadata["missing"], [[2 * third, count - 1]])
        device.download_mqtt(metadata, range(2 * third, 2 * third + 2))
        device.download(metadata, indexes([[2 * third + 2, count - 1]]))
        self.assertEqual(device.assembled(metadata), data)
        self.assertEqual(sorted(device.fetched.items()), [(i, 1) for i in range(count)])
        self.assertEqual(device.verify(metadata)["type"], "success")
        kinds = [line["transport"] for line in self.rest.items(f"/tasks/{metadata['task_id']}/log") if
                 line["kind"] == "transport"]
        self.assertEqual(kinds[0], "mqtt", kinds)

    def missing_is(self, device, ranges):
        wait_until(lambda: device.request("metadata")["missing"] == ranges, f"only {ranges} is missing")

    def test_what_was_sent_counts_once_the_device_says_so(self):
        device, _, metadata = self.begin("unsaid", 160_000, 16)
        self.assertEqual(sorted(device.fetch_window(metadata, [[0, 4]])), [0, 1, 2, 3, 4])
        self.assertEqual(device.request("metadata")["missing"], [[0, metadata["chunk_count"] - 1]])
        device.progress(metadata, chunks=[[0, 4]], status="ok", transport="mqtt")
        self.missing_is(device, [[5, metadata["chunk_count"] - 1]])
        self.assertEqual(self.rest.task(metadata["task_id"])["progress"]["transport"], "mqtt")


class Refused(MqttChunks):
    def test_past_the_end_and_broken(self):
        device, _, metadata = self.begin("end", 100_000, 16)
        last = metadata["chunk_count"] - 1
        self.refused(device, metadata, [[last, last + 1]], "bad_chunk_range", f"0 to {last}")
        for broken in ([[3, 1]], [[0]], "all", [[0, 10**9]]):
            self.refused(device, metadata, broken, "bad_chunk_range")
        self.refused(device, metadata, [], "bad_message", "chunks")  # an empty field counts as absent
        self.assertEqual(device.fetch_window(metadata, [[last, last]]), [last])

    def test_large_grid(self):
        device, _, metadata = self.begin("grid", 5_000_000, 2048)
        self.refused(device, metadata, [[0, 0]], "bad_chunk_range", "HTTP")

    def test_foreign_devices_and_tasks(self):
        device, _, metadata = self.begin("owner", 100_000, 16)
        thief = self.chunk_device("thief")
        thief.request()
        self.refused(thief, metadata, [[0, 1]], "unknown_task")
        self.refused(device, {"task_id": "OTA_20200101_000001"}, [[0, 1]], "unknown_task")
        self.assertFalse(thief.peek("chunk"))
        self.rest.call("POST", f"/tasks/{metadata['task_id']}/cancel")
        device.wait("cancel")
        self.refused(device, metadata, [[0, 1]], "task_ended")

    def test_secrets(self):
        device, _, metadata = self.begin("secret", 100_000, 16)
        token = self.rest.call("POST", "/devices/secret/token").json["token"]
        device.token = "wrong"
        self.refused(device, metadata, [[0, 0]], "not_authorized")
        device.token = token
        self.assertEqual(sorted(device.fetch_window(metadata, [[0, 1]])), [0, 1])

    def test_rotten_chunks_never_leave(self):
        device, data, metadata = self.begin("rotten", 1_000_000, 16)
        self.assertEqual(sorted(device.fetch_window(metadata, [[0, 1]])), [0, 1])
        stored = self.daemon.folder / "firmware"
        file, = stored.rglob(hashlib.sha256(data).hexdigest() + ".img")
        with open(file, "r+b") as out:
            out.seek(5 * 16 * KIB + 7)
            out.write(bytes([data[5 * 16 * KIB + 7] ^ 1]))
        came = device.fetch_window(metadata, [[4, 6]])
        self.assertNotIn(5, came)
        self.rest.wait_state(metadata["task_id"], "failed")
        self.assertEqual(self.rest.task(metadata["task_id"])["reason"], "image_damaged")


class Window(MqttChunks):
    def test_first_that_fit(self):
        device, _, metadata = self.begin("small", 200_000, 1)
        self.assertEqual(sorted(device.fetch_window(metadata, [[0, 190]])), list(range(WINDOW_CHUNKS)))
        self.assertEqual(sorted(device.fetch_window(metadata, [[100, 101], [5, 5]])), [5, 100, 101])
        device, _, metadata = self.begin("medium", 3_000_000, 128)
        self.assertEqual(sorted(device.fetch_window(metadata, [[0, 20]])), list(range(WINDOW_BYTES // (128 * KIB))))


class Sharing(MqttChunks):
    """One device asks for more than it can take, again and again."""

    def setUp(self):
        self.greedy, _, metadata = self.begin(f"greedy-{self._testMethodName}", 8_000_000, 64)
        self.over = threading.Event()

        def ask():
            while not self.over.is_set():
                self.greedy.ask_chunks(metadata, [[0, metadata["chunk_count"] - 1]])
                time.sleep(0.005)

        asking = threading.Thread(target=ask)
        asking.start()
        self.addCleanup(asking.join)
        self.addCleanup(self.over.set)
        wait_until(lambda: self.greedy.peek("chunk"), "the greedy one is served")

    def test_another_device_gets_its_image(self):
        device, data, metadata = self.begin("modest", 1_000_000, 16)
        began = time.monotonic()
        device.download_mqtt(metadata)
        self.assertEqual(device.assembled(metadata), data)
        self.assertLess(time.monotonic() - began, 20 * PATIENCE)

    def test_control_messages_pass(self):
        device = self.chunk_device("talks")
        waits = []
        for _ in range(20):
            began = time.monotonic()
            device.request("up_to_date")
            waits.append(time.monotonic() - began)
        self.assertLess(sorted(waits)[10], 1.0 * PATIENCE, waits)


class Capped(MqttChunks):
    """The caps on downloads hold for chunks over MQTT too, and for both ways together."""

    def setUp(self):
        self.addCleanup(self.caps)

    def least(self, size, rate):
        """Seconds; a cap lets a little pass at once."""
        return 0.85 * size / rate

    def test_cap_on_all(self):
        device, data, metadata = self.begin("capped", 600_000, 16)
        self.caps(whole=200_000)
        began = time.monotonic()
        device.download_mqtt(metadata)
        self.assertGreater(time.monotonic() - began, self.least(len(data), 200_000))
        self.assertEqual(device.assembled(metadata), data)
        self.assertTrue(all(count == 1 for count in device.fetched.values()), device.fetched)

    def test_cap_on_each_device_holds_over_both_ways(self):
        device, data, metadata = self.begin("both", 400_000, 16)
        other, other_data, other_metadata = self.begin("beside", 400_000, 16)
        self.caps(each=200_000)
        over_http = []

        def fetch():
            with urllib.request.urlopen(metadata["url"], timeout=60 * PATIENCE) as reply:
                over_http.append(reply.read())

        beside = threading.Thread(target=other.download_mqtt, args=(other_metadata,))
        threads = [threading.Thread(target=fetch), beside]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        device.download_mqtt(metadata)
        for thread in threads:
            thread.join()
        self.assertGreater(time.monotonic() - began, self.least(2 * len(data), 200_000))
        self.assertEqual(over_http, [data])
        self.assertEqual(device.assembled(metadata), data)
        self.assertEqual(other.assembled(other_metadata), other_data, "others are not held back by it")

    def test_security_first(self):
        self.caps(whole=300_000)
        version, size = "2.0.urgent", 900_000
        data = self.firmware(version, "hw-urgent", size)
        urgent = self.chunk_device("urgent", hardware="hw-urgent", version="1.0")
        self.upgrade("urgent", version, chunk_size=16, hardware="hw-urgent", priority="security")
        offer = urgent.request("metadata")
        routine, _, metadata = self.begin("routine", 4_000_000, 16)
        routine.ask_chunks(metadata, [[0, WINDOW_CHUNKS - 1]])
        wait_until(lambda: routine.peek("chunk"), "the routine one is served")
        urgent.download_mqtt(offer)
        came = sum(message["type"] == "chunk" for message in routine.seen)
        self.assertEqual(urgent.assembled(offer), data)
        self.assertLess(came * 16 * KIB, 0.3 * size)
        wait_until(lambda: sum(message["type"] == "chunk" for message in routine.seen) == WINDOW_CHUNKS,
                   "the routine one gets all that it asked for", 30)  # fmt: skip

    def test_cap_changes_while_chunks_wait(self):
        device, _, metadata = self.begin("lifted", 500_000, 16)
        self.caps(whole=4_000)
        device.ask_chunks(metadata, [[0, 19]])
        wait_until(lambda: device.peek("chunk"), "the first comes", 30)
        self.caps()
        self.assertEqual(sorted(device.take_all(metadata)), list(range(20)))


class SmallPackets(MqttChunks):
    """A broker that takes no packets of 50 KB."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.stop()
        cls.broker.stop()
        cls.broker = Broker(cls.folder, extra="max_packet_size 50000").start()
        cls.daemon = Daemon(cls.folder, cls.broker.port).start()

    def test_chunks_that_dont_fit(self):
        device, _, metadata = self.begin("fits", 100_000, 32)
        self.assertEqual(sorted(device.fetch_window(metadata, [[0, 1]])), [0, 1])
        device, _, metadata = self.begin("bulky", 200_000, 64)
        self.refused(device, metadata, [[0, 0]], "bad_chunk_range", "max_packet_size")
        self.assertEqual(self.metric("otad_mqtt_connects_total"), 1, "the broker never hung up")


if __name__ == "__main__":
    main()
