"""Whatever is malformed gets its error and one log line; no state changes, nothing grows, the good are served meanwhile."""
import json
import socket
import time
from urllib.parse import quote

from harness import MIB, SANITIZED, ServerCase, digest, main, wait_until

GRID = 65536
CHECKSUM = digest(b"x")
BAD_CHECKSUMS = (CHECKSUM.upper(), "sha256:" + CHECKSUM[7:].upper(), CHECKSUM[7:], CHECKSUM[:-1], CHECKSUM + "0", "sha512:" + CHECKSUM[7:], "", 5, None)
BAD_VERSIONS = ("1/2", "..", "../1.0", "1.0\n2", "1" * 10_000, "", "1.0 ", "1\x000", 5, ["1.0"])
BAD_JSON = (b"{", b"nonsense", b"[]", b'"text"', b"5", b"null", b"\xff\xfe\x00", b"{}{}", b'{"a":1,}', b"[" * 100_000, b'{"a":' * 50_000)
BAD_RANGES = ([[0, 2**63]], [[5, 2]], [[0]], [[0, 1, 2]], "x", [["0", "1"]], [[-1, 2]], [[0.5, 2]], [0, 1], [[0, 10**30]])


class BadMessages(ServerCase):
    """A device amid a task, and everything that it could say wrong."""

    def setUp(self):
        name = self.id().rsplit(".", 1)[-1].replace("test_", "bad-")
        self.firmware("2.0.0", name, 6 * GRID)
        self.gw = self.device(name, hardware=name, version="1.0.0")
        self.task = self.upgrade(name, "2.0.0", chunk_size=64, hardware=name)
        self.metadata = self.gw.request("metadata")
        self.gw.download(self.metadata, only=[0])
        wait_until(lambda: self.rest.task(self.task)["progress"]["chunks"], "a chunk is counted")

    def books(self):
        """What must not change: the task, its log's length, which tasks and devices there are."""
        task = self.rest.task(self.task)
        return (task["state"], task["attempt"], task["priority"], task["progress"]["chunks"], task["progress"]["bytes"],
                [item["task_id"] for item in self.rest.items("/tasks")], [item["device_id"] for item in self.rest.items("/devices")])

    def assert_refused(self, word, payload, *codes, lines=1):
        """An error with one of `codes`, one log line that names the device, and the books as they were."""
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
        self.assertEqual(len(told), lines, told)
        self.assertRegex(told[0].lower(), "warn")
        self.assertLess(len(told[0]), 1000)

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
        for word, payload in (("request", b'{"version": "' + b"1" * (10 * MIB) + b'"}'), ("verify", bytes(10 * MIB)),
                              ("progress", b" " * (10 * MIB))):
            with self.subTest(word):
                self.assert_refused(word, payload, "bad_message")

    def test_request_fields(self):
        for field, values in (("version", BAD_VERSIONS), ("current_version", BAD_VERSIONS[3:5] + BAD_VERSIONS[8:]), ("hardware", (5, "a\nb", "x" * 10_000)),
                              ("max_chunk_bytes", (0, -1, "65536", 2**63, 10**30, 1.5, True)), ("transports", ("http", [5], {"a": 1})),
                              ("token", (5, [], {}))):
            for value in values:
                with self.subTest(field=field, value=str(value)[:20]):
                    codes = ("bad_message", "not_authorized") if field == "token" else ("bad_message",)
                    self.assert_refused("request", {field: value}, *codes)

    def test_progress_fields(self):
        for fields in ({"chunk": "17", "status": "ok"}, {"chunk": -1, "status": "ok"}, {"chunk": 1.5, "status": "ok"}, {"chunk": 1, "status": "maybe"},
                       {"chunk": 1, "status": 5}, {"percent": "half"}, {"percent": -1}, {"percent": 101}, {"state": "sleeping"}, {"state": 5},
                       *({"chunks": ranges, "status": "ok"} for ranges in BAD_RANGES)):
            with self.subTest(str(fields)):
                self.assert_refused("progress", {"task_id": self.task, **fields}, "bad_message", "bad_chunk_range")

    def test_progress_beyond_the_grid(self):
        for status in ("ok", "mismatch"):
            for fields in ({"chunk": 6}, {"chunk": 2**40}, {"chunks": [[0, 6]]}, {"chunks": [[1, 1], [7, 9]]}):
                with self.subTest(str(fields)):
                    self.assert_refused("progress", {"task_id": self.task, "status": status, **fields}, "bad_chunk_range", "bad_message")

    def test_verify_fields(self):
        for checksum in BAD_CHECKSUMS:
            with self.subTest(str(checksum)[:20]):
                self.assert_refused("verify", {"task_id": self.task, "attempt": 1, "checksum": checksum}, "bad_message")
        self.assert_refused("verify", {"task_id": self.task, "attempt": 1}, "bad_message")
        for attempt in (0, -1, "1", 1.5, 2**63, 99):
            with self.subTest(attempt):
                self.assert_refused("verify", {"task_id": self.task, "attempt": attempt, "checksum": CHECKSUM}, "bad_message")
        for ranges in (*BAD_RANGES, [[6, 6]], [[0, 6]]):
            with self.subTest(str(ranges)):
                self.assert_refused("verify", {"task_id": self.task, "attempt": 1, "checksum": CHECKSUM, "bad_chunks": ranges},
                                    "bad_message", "bad_chunk_range")

    def test_tasks_that_are_not_ours(self):
        other = self.device("bystander", hardware="elsewhere", version="1.0.0")
        other.request("up_to_date")
        for word, fields in (("verify", {"checksum": self.metadata["checksum"], "attempt": 1}), ("verify", {"checksum": CHECKSUM}),
                             ("progress", {"chunk": 1, "status": "mismatch"}), ("progress", {"state": "failed"})):
            before = self.books()
            other.send(word, {"task_id": self.task, **fields})
            error = other.wait()
            self.assertEqual((error["type"], error.get("code")), ("error", "unknown_task"), error)
            self.assertEqual(self.books(), before)
        for task, codes in (("OTA_20200101_000001", ("unknown_task",)), ("x" * 5000, ("unknown_task", "bad_message")), (5, ("bad_message",)),
                            ("OTA_20200101_000001\n", ("unknown_task", "bad_message")), (None, ("bad_message",))):
            with self.subTest(str(task)[:25]):
                self.assert_refused("verify", {"task_id": task, "checksum": CHECKSUM, "attempt": 1}, *codes)

    def test_odd_ids_and_topics(self):
        before = self.books()
        odd = ["", " ", "a b", "ä", "x" * 129, "x" * 20_000, "a%2fb", "a'b", 'a"b', "$SYS", "a\tb", "<b>"]
        for name in odd:
            mark = len(self.daemon.log())
            self.gw.mqtt.publish(f"/ota/{name}/request", b"{}", 1).wait_for_publish(10)
            wait_until(lambda mark=mark: len(self.daemon.log()) > mark, f"the log tells of {name[:20]!r}")
        for topic in ("/ota/a/b/request", "/ota/request", "/ota/bad/metadata", "ota/bad/request", "/ota/bad/reques"):
            self.gw.mqtt.publish(topic, b"{}", 1).wait_for_publish(10)
        self.assertEqual(self.gw.request("metadata")["task_id"], self.task)
        self.assertEqual(self.books(), before)

    def test_longest_ids_are_fine(self):
        for name in ("x" * 128, "..", "A-Z_a.z:0@9-"):
            with self.subTest(name[:12]):
                self.assertEqual(self.device(name).request()["type"], "up_to_date")

    def test_retained_and_server_words_are_not_obeyed(self):
        before = self.books()
        for word in ("success", "cancel", "failed", "retry"):
            self.gw.mqtt.publish(f"/ota/{self.gw.id}/{word}", json.dumps({"type": word, "task_id": self.task}), 1).wait_for_publish(10)
        self.assertEqual(self.gw.request("metadata")["task_id"], self.task)
        self.assertEqual(self.books(), before)

    def test_duplicates_and_late_ones(self):
        self.gw.download(self.metadata)
        for _ in range(50):
            self.gw.progress(self.metadata, chunks=[[0, 5]], status="ok")
        for _ in range(20):
            self.gw.send("verify", {"task_id": self.task, "attempt": 1, "checksum": self.metadata["checksum"]})
        for _ in range(20):
            self.assertEqual(self.gw.wait("success", "retry", "failed", "error")["type"], "success")
        self.assertEqual(self.rest.state(self.task), "succeeded")
        before = self.books()
        self.gw.send("verify", {"task_id": self.task, "attempt": 1, "checksum": CHECKSUM})
        self.assertEqual(self.gw.wait()["type"], "success")  # answered success again
        self.assertEqual(self.books(), before)

    def test_flood_of_nonsense_does_not_grow_memory(self):
        before = self.books()

        def flood(count):
            for number in range(count):
                payload = BAD_JSON[number % 9]
                info = self.gw.mqtt.publish(f"/ota/{self.gw.id}/{('request', 'progress', 'verify')[number % 3]}", payload, 1)
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


class BadCalls(ServerCase):
    settings = {"http.idle_timeout_s": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        assert cls.daemon.rest.upload("2.0.0", b"firmware" * 1000, "bad").status == 201

    def tearDown(self):
        self.assertEqual(self.rest.items("/tasks"), [])
        self.assertEqual([item["version"] for item in self.rest.items("/firmware") if item["hardware"] == "bad"], ["2.0.0"])

    def test_upgrade_fields(self):
        table = [("chunk_size", value) for value in (0, -1, "512", 2**63, 10**30, 1.5, 16385, True, [512])]
        table += [("checksum", value) for value in BAD_CHECKSUMS[:-1]]
        table += [("firmware_version", value) for value in BAD_VERSIONS]
        table += [("device_id", value) for value in ("", "a b", "a/b", "x" * 129, "ä", "a\nb", "+", "#", 5, ["x"])]
        table += [("priority", value) for value in ("urgent", "SECURITY", 1, "")]
        table += [("not_before", value) for value in ("tomorrow", 5, "2026-13-01T00:00:00Z", "2026-11-22", "")]
        table += [("expires_at", value) for value in ("never", 5, "2026-02-30T00:00:00Z")]
        table += [("confirm", "yes"), ("force", 1), ("hardware", 5), ("hardware", "a\nb"), ("chunksize", 512), ("Checksum", CHECKSUM)]
        for field, value in table:
            with self.subTest(field=field, value=str(value)[:20]):
                body = {"device_id": "bad-1", "firmware_version": "2.0.0", "hardware": "bad", field: value}
                self.assert_problem(self.rest.call("POST", "/firmware/upgrade", body), 422, field)

    def test_upgrade_lacks_fields_and_names_all(self):
        problem = self.assert_problem(self.rest.call("POST", "/firmware/upgrade", {}), 422, "device_id")
        self.assertIn("firmware_version", [error["field"] for error in problem["errors"]])
        both = self.rest.call("POST", "/firmware/upgrade", {"device_id": "", "firmware_version": "2.0.0", "chunk_size": 0})
        self.assertEqual({error["field"] for error in both.json["errors"]}, {"device_id", "chunk_size"})

    def test_bodies_that_are_no_object(self):
        for body in (b"", *BAD_JSON):
            with self.subTest(body[:10]):
                answer = self.rest.call("POST", "/firmware/upgrade", body, {"Content-Type": "application/json"})
                self.assertIn(answer.status, (400, 422), answer)
                self.assert_problem(answer, answer.status)

    def test_body_of_ten_megabytes(self):
        body = b'{"device_id": "' + b"x" * (10 * MIB) + b'"}'
        self.assert_problem(self.rest.call("POST", "/firmware/upgrade", body, {"Content-Type": "application/json"}), 413)

    def test_tiny_grid_for_a_large_image(self):
        self.assertEqual(self.rest.upload("3.0.0", bytes(64 * MIB + 1), "large").status, 201)
        answer = self.rest.upgrade("bad-1", "3.0.0", hardware="large", chunk_size=1)
        self.assert_problem(answer, 422, "chunk_size")

    def test_upload_queries(self):
        table = [("version", "version=" + quote(str(value), safe="")) for value in BAD_VERSIONS[:-2]]
        table += [("version", ""), ("security", "version=9&security=maybe"), ("hardware", "version=9&hardware=a%0Ab"), ("hardware", "version=9&hardware=" + "x" * 5000),
                  ("hardwear", "version=9&hardwear=x"), *(("checksum", f"version=9&checksum={quote(str(c), safe='')}") for c in BAD_CHECKSUMS[:6])]
        for field, query in table:
            with self.subTest(query[:40]):
                answer = self.rest.call("POST", f"/firmware?{query}", b"content")
                if len(query) > 8000 and answer.status in (414, 431):
                    continue
                self.assert_problem(answer, 422, field)
        self.assertEqual(len([item for item in self.rest.items("/firmware") if item["version"] not in ("2.0.0", "3.0.0")]), 0)

    def raw(self, request, timeout=10):
        """Sends bytes as they are; the first line that comes back, empty if the line was just closed."""
        with socket.create_connection(("127.0.0.1", self.daemon.port), timeout) as line:
            try:
                line.sendall(request)
                return line.recv(4096).split(b"\r\n")[0]
            except ConnectionError:
                return b""

    def test_broken_http(self):
        for request in (b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
                        b"GET /tasks HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
                        b"GET /tasks HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
                        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /tasks HTTP/1.1\r\nHost: x\r\nbroken header\r\n\r\n",
                        b"POST /firmware/upgrade HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                        b"POST /firmware/upgrade HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                        b"POST /firmware/upgrade HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                        b"POST /firmware/upgrade HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
                        b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /tasks?limit=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"GET //tasks//.. HTTP/1.1\r\nHost: x\r\n\r\n"):
            with self.subTest(request[:50]):
                self.assertRegex(self.raw(request), rb"^$|^HTTP/1\.[01] (4\d\d|501|505) ")
        self.assertEqual(self.rest.call("GET", "/healthz").status, 200)

    def test_idle_lines_are_closed(self):
        for begin in (b"", b"GET /tasks HTT", b"POST /firmware/upgrade HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"):
            with self.subTest(begin[:10]), socket.create_connection(("127.0.0.1", self.daemon.port), 15) as line:
                line.sendall(begin)
                begun = time.monotonic()
                while line.recv(4096):
                    pass
                self.assertLess(time.monotonic() - begun, 10)

    def test_a_refused_call_is_one_log_line(self):
        mark = len(self.daemon.log())
        self.rest.upgrade("bad-logged", "2.0.0", hardware="bad", chunk_size=0)
        wait_until(lambda: self.daemon.log_lines("chunk_size", mark) or self.daemon.log_lines("/firmware/upgrade", mark), "the refusal is logged")
        self.assertEqual(len(self.daemon.log()[mark:].splitlines()), 1)

    def test_thousands_do_not_grow_memory(self):
        def call(count):
            for number in range(count):
                self.rest.upgrade("bad-1", "2.0.0", chunk_size=-number, checksum="x" * 1000)
        call(1000)
        level = self.daemon.rss()
        call(3000)
        if not SANITIZED:
            self.assertLess(self.daemon.rss() - level, 8 * MIB)


if __name__ == "__main__":
    main()
