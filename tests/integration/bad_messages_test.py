"""Whatever a device says wrong gets its error and one log line; no state changes, nothing grows."""
import json

from bad_values import BAD_CHECKSUMS, BAD_JSON, BAD_RANGES, BAD_VERSIONS, CHECKSUM
from harness import MIB, SANITIZED, ServerCase, main, wait_until

GRID = 65536


class BadMessages(ServerCase):
    """A device amid a task, and everything that it could say wrong."""

    def setUp(self):
        name = self.id().rsplit(".", 1)[-1].replace("test_", "bad-")
        self.firmware("2.0.0", name, 6 * GRID)
        self.gw = self.device(name, hardware=name, version="1.0.0")
        self.task = self.upgrade(name, "2.0.0", chunk_size=64, hardware=name)
        self.metadata = self.gw.request("metadata")
        self.gw.download(self.metadata, only=[0])
        self.rest.wait_state(self.task, "downloading")
        wait_until(lambda: self.rest.task(self.task)["progress"]["chunks"] == 1, "the chunk is counted")

    def books(self):
        """What must not change: the task, its log's length, which tasks and devices there are."""
        task = self.rest.task(self.task)
        return (
            task["state"],
            task["attempt"],
            task["priority"],
            task["progress"]["chunks"],
            task["progress"]["bytes"],
            [item["task_id"] for item in self.rest.items("/tasks")],
            [item["device_id"] for item in self.rest.items("/devices")],
        )

    def assert_refused(self, word, payload, *codes):
        """An error with one of `codes`, a short log line that names the device, and the books as they were.

        A flood may be summed up in the log; that a single refusal is one line is for LogLines to see.
        """
        before, mark = self.books(), len(self.daemon.log())
        self.gw.drain()
        self.gw.send(word, payload if isinstance(payload, (bytes, dict)) else json.dumps(payload))
        error = self.gw.wait()
        self.assertEqual(error["type"], "error", error)
        self.assertIn(error["code"], codes, error)
        self.assertTrue(error["message"])
        self.assertLess(len(error["message"]), 500, "the message doesn't repeat the whole input")
        self.assertEqual(self.books(), before)
        told = self.daemon.log_lines(self.gw.id, mark)
        self.assertLessEqual(len(told), 1, told)
        for line in told:
            self.assertRegex(line.lower(), "warn")
            self.assertLess(len(line), 1000)

    def test_not_json(self):
        for word in ("request", "progress", "verify"):
            for payload in BAD_JSON:
                with self.subTest(word=word, payload=payload[:10]):
                    self.assert_refused(word, payload, "bad_message")

    def test_empty(self):
        for word in ("progress", "verify"):
            with self.subTest(word):
                self.assert_refused(word, b"", "bad_message")

    def test_ten_megabytes(self):
        for word, payload in (
            ("request", b'{"version": "' + b"1" * (10 * MIB) + b'"}'),
            ("verify", bytes(10 * MIB)),
            ("progress", b" " * (10 * MIB)),
        ):
            with self.subTest(word):
                self.assert_refused(word, payload, "bad_message")

    def test_request_fields(self):
        for field, values in (
            ("version", [value for value in BAD_VERSIONS if value != ""]),
            ("current_version", BAD_VERSIONS[8:]),
            ("hardware", (5, "a\nb", "x" * 10_000)),
            ("max_chunk_bytes", (0, -1, "65536", 2**63, 10**30, 1.5, True)),
            ("transports", ("http", [5], {"a": 1})),
            ("token", (5, [5], {"a": 1})),
        ):
            for value in values:
                with self.subTest(field=field, value=str(value)[:20]):
                    codes = ("bad_message", "not_authorized") if field == "token" else ("bad_message",)
                    self.assert_refused("request", {field: value}, *codes)

    def test_progress_fields(self):
        for fields in (
            {"chunk": "17", "status": "ok"},
            {"chunk": -1, "status": "ok"},
            {"chunk": 1.5, "status": "ok"},
            {"chunk": 1, "status": "maybe"},
            {"chunk": 1, "status": 5},
            {"percent": "half"},
            {"percent": -1},
            {"percent": 101},
            {"state": "sleeping"},
            {"state": 5},
            *({"chunks": ranges, "status": "ok"} for ranges in BAD_RANGES),
        ):
            with self.subTest(str(fields)):
                self.assert_refused("progress", {"task_id": self.task, **fields}, "bad_message", "bad_chunk_range")

    def test_progress_beyond_the_grid(self):
        for status in ("ok", "mismatch"):
            for fields in ({"chunk": 6}, {"chunk": 2**40}, {"chunks": [[0, 6]]}, {"chunks": [[1, 1], [7, 9]]}):
                with self.subTest(str(fields)):
                    self.assert_refused(
                        "progress", {"task_id": self.task, "status": status, **fields}, "bad_chunk_range", "bad_message"
                    )

    def test_verify_fields(self):
        for checksum in BAD_CHECKSUMS:
            with self.subTest(str(checksum)[:20]):
                self.assert_refused("verify", {"task_id": self.task, "attempt": 1, "checksum": checksum}, "bad_message")
        self.assert_refused("verify", {"task_id": self.task, "attempt": 1}, "bad_message")
        for attempt in (0, -1, "1", 1.5, 2**63, 99):
            with self.subTest(attempt):
                self.assert_refused(
                    "verify", {"task_id": self.task, "attempt": attempt, "checksum": CHECKSUM}, "bad_message"
                )
        for ranges in (*BAD_RANGES, [[6, 6]], [[0, 6]]):
            with self.subTest(str(ranges)):
                self.assert_refused(
                    "verify",
                    {"task_id": self.task, "attempt": 1, "checksum": CHECKSUM, "bad_chunks": ranges},
                    "bad_message",
                    "bad_chunk_range",
                )

    def test_tasks_that_are_not_ours(self):
        other = self.device("bystander", hardware="elsewhere", version="1.0.0")
        other.request("up_to_date")
        for word, fields in (
            ("verify", {"checksum": self.metadata["checksum"], "attempt": 1}),
            ("verify", {"checksum": CHECKSUM}),
            ("progress", {"chunk": 1, "status": "mismatch"}),
            ("progress", {"state": "failed"}),
        ):
            before = self.books()
            other.send(word, {"task_id": self.task, **fields})
            error = other.wait()
            self.assertEqual((error["type"], error.get("code")), ("error", "unknown_task"), error)
            self.assertEqual(self.books(), before)
        for task, codes in (
            ("OTA_20200101_000001", ("unknown_task",)),
            ("x" * 5000, ("unknown_task", "bad_message")),
            (5, ("bad_message",)),
            ("OTA_20200101_000001\n", ("unknown_task", "bad_message")),
            (None, ("bad_message",)),
        ):
            with self.subTest(str(task)[:25]):
                self.assert_refused("verify", {"task_id": task, "checksum": CHECKSUM, "attempt": 1}, *codes)

    def test_longest_ids_are_fine(self):
        for name in ("x" * 128, "...", "A-Z_a.z:0@9-"):
            with self.subTest(name[:12]):
                self.assertEqual(self.device(name).request()["type"], "up_to_date")

    def test_retained_and_server_words_are_not_obeyed(self):
        before = self.books()
        for word in ("success", "cancel", "failed", "retry"):
            self.gw.mqtt.publish(
                f"/ota/{self.gw.id}/{word}", json.dumps({"type": word, "task_id": self.task}), 1
            ).wait_for_publish(10)
        self.assertEqual(self.gw.request("metadata")["task_id"], self.task)
        self.assertEqual(self.books(), before)
        self.gw.unlike = None  # the test's own messages came back before

    def test_duplicates_and_late_ones(self):
        self.gw.download(self.metadata)
        for _ in range(50):
            self.gw.progress(self.metadata, chunks=[[0, 5]], status="ok")
        for _ in range(20):
            self.gw.send("verify", {"task_id": self.task, "attempt": 1, "checksum": self.metadata["checksum"]})
        for _ in range(20):
            self.assertEqual(self.gw.wait("success", "retry", "failed", "error")["type"], "success")
        self.assertEqual(self.rest.state(self.task), "installing")
        before = self.books()
        self.gw.send("verify", {"task_id": self.task, "attempt": 1, "checksum": CHECKSUM})
        self.assertEqual(self.gw.wait()["type"], "success")  # answered success again
        self.assertEqual(self.books(), before)

    def test_flood_of_nonsense_does_not_grow_memory(self):
        before = self.books()

        def flood(count):
            for number in range(count):
                payload = BAD_JSON[number % 9]
                info = self.gw.mqtt.publish(
                    f"/ota/{self.gw.id}/{('request', 'progress', 'verify')[number % 3]}", payload, 1
                )
                if number % 200 == 199:
                    info.wait_for_publish(30)
            self.gw.drain()
            self.assertEqual(self.gw.request("metadata", timeout=60)["task_id"], self.task)

        flood(3000)
        level = self.daemon.rss()
        flood(9000)
        if not SANITIZED:
            self.assertLess(self.daemon.rss() - level, 16 * MIB)
        self.assertEqual(self.books(), before)


def refused(case, device, word, payload):
    """The log lines that one bad message brings."""
    mark = len(case.daemon.log())
    device.send(word, payload)
    case.assertEqual(device.wait()["type"], "error")
    wait_until(lambda: case.daemon.log_lines(f"device={device.id}", mark), f"{device.id} is named in the log")
    return case.daemon.log_lines("", mark)


class LogLines(ServerCase):
    """Each refusal is one line."""

    def test_one_line_each(self):
        device = self.device("clumsy", version="1.0.0")
        for word, payload in (
            ("request", b"{"),
            ("request", {"version": "../x"}),
            ("progress", b""),
            ("verify", {"task_id": "OTA_20200101_000001", "checksum": CHECKSUM}),
        ):
            with self.subTest(word=word, payload=payload):
                lines = refused(self, device, word, payload)
                self.assertEqual(len(lines), 1, lines)
                self.assertRegex(lines[0], " warn")

    def test_odd_ids_and_topics(self):
        device = self.device("publisher", version="1.0.0")
        odd = ["", " ", "a b", "ä", "x" * 129, "x" * 20_000, "a%2fb", "a'b", 'a"b', "$SYS", "<b>", ".", ".."]
        for name in odd:
            mark = len(self.daemon.log())
            device.mqtt.publish(f"/ota/{name}/request", b"{}", 1).wait_for_publish(10)
            wait_until(lambda mark=mark: len(self.daemon.log()) > mark, f"the log tells of {name[:20]!r}")
            self.assertEqual(len(self.daemon.log_lines("", mark)), 1)
            self.assertLess(len(self.daemon.log()) - mark, 1000)
        for topic in ("/ota/a/b/request", "/ota/request", "/ota/bad/metadata", "ota/bad/request", "/ota/bad/reques"):
            device.mqtt.publish(topic, b"{}", 1).wait_for_publish(10)
        self.assertEqual(device.request()["type"], "up_to_date")
        self.assertFalse({item["device_id"] for item in self.rest.items("/devices")} & {*odd, "a", "bad"})


class Noise(ServerCase):
    """Apart from the others: what it stirs up outlasts it."""

    def test_noise_of_one_does_not_hide_another(self):
        noisy, quiet = self.device("noisy"), self.device("quiet")
        for _ in range(200):
            noisy.send("verify", b"nonsense")
        for _ in range(200):
            noisy.wait("error")
        lines = refused(self, quiet, "verify", b"nonsense")
        self.assertEqual(len([line for line in lines if "device=quiet" in line]), 1, lines)


if __name__ == "__main__":
    main()
