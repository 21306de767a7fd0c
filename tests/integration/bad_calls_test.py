"""Whatever an operator or a stranger calls wrong is refused by name; no state changes, nothing grows."""
import socket
import time
from urllib.parse import quote

from bad_values import BAD_CHECKSUMS, BAD_JSON, BAD_VERSIONS, CHECKSUM
from harness import MIB, SANITIZED, ServerCase, main, wait_until


class BadCalls(ServerCase):
    settings = {"http.idle_timeout_s": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        assert cls.daemon.rest.upload("2.0.0", b"firmware" * 1000, "bad").status == 201

    def tearDown(self):
        self.assertEqual(self.rest.items("/tasks"), [])
        self.assertEqual(
            [item["version"] for item in self.rest.items("/firmware") if item["hardware"] == "bad"], ["2.0.0"]
        )

    def test_upgrade_fields(self):
        table = [("chunk_size", value) for value in (0, -1, "512", 2**63, 10**30, 1.5, 16385, True, [512])]
        table += [("checksum", value) for value in BAD_CHECKSUMS[:-1]]
        table += [("firmware_version", value) for value in BAD_VERSIONS]
        table += [("device_id", value) for value in ("", "a b", "a/b", "x" * 129, "ä", "a\nb", "+", "#", 5, ["x"])]
        table += [("priority", value) for value in ("urgent", "SECURITY", 1, "")]
        table += [("not_before", value) for value in ("tomorrow", 5, "2026-13-01T00:00:00Z", "2026-11-22", "")]
        table += [("expires_at", value) for value in ("never", 5, "2026-02-30T00:00:00Z")]
        table += [
            ("confirm", "yes"),
            ("force", 1),
            ("hardware", 5),
            ("hardware", "a\nb"),
            ("chunksize", 512),
            ("Checksum", CHECKSUM),
        ]
        for field, value in table:
            with self.subTest(field=field, value=str(value)[:20]):
                body = {"device_id": "bad-1", "firmware_version": "2.0.0", "hardware": "bad", field: value}
                self.assert_problem(self.rest.call("POST", "/firmware/upgrade", body), 422, field)

    def test_upgrade_lacks_fields_and_names_all(self):
        problem = self.assert_problem(self.rest.call("POST", "/firmware/upgrade", {}), 422, "device_id")
        self.assertIn("firmware_version", [error["field"] for error in problem["errors"]])
        both = self.rest.call(
            "POST", "/firmware/upgrade", {"device_id": "", "firmware_version": "2.0.0", "chunk_size": 0}
        )
        self.assertEqual({error["field"] for error in both.json["errors"]}, {"device_id", "chunk_size"})

    def test_bodies_that_are_no_object(self):
        for body in (b"", *BAD_JSON):
            with self.subTest(body[:10]):
                answer = self.rest.call("POST", "/firmware/upgrade", body, {"Content-Type": "application/json"})
                self.assertIn(answer.status, (400, 422), answer)
                self.assert_problem(answer, answer.status)

    def test_body_of_ten_megabytes(self):
        body = b'{"device_id": "' + b"x" * (10 * MIB) + b'"}'
        self.assert_problem(
            self.rest.call("POST", "/firmware/upgrade", body, {"Content-Type": "application/json"}), 413
        )

    def test_tiny_grid_for_a_large_image(self):
        self.assertEqual(self.rest.upload("3.0.0", bytes(64 * MIB + 1), "large").status, 201)
        answer = self.rest.upgrade("bad-1", "3.0.0", hardware="large", chunk_size=1)
        self.assert_problem(answer, 422, "chunk_size")

    def test_upload_queries(self):
        table = [("version", "version=" + quote(str(value), safe="")) for value in BAD_VERSIONS[:-2]]
        table += [
            ("version", ""),
            ("security", "version=9&security=maybe"),
            ("hardware", "version=9&hardware=a%0Ab"),
            ("hardware", "version=9&hardware=" + "x" * 1000),
            ("hardwear", "version=9&hardwear=x"),
            *(("checksum", f"version=9&checksum={quote(str(c), safe='')}") for c in BAD_CHECKSUMS[:6]),
        ]
        for field, query in table:
            with self.subTest(query[:40]):
                answer = self.rest.call("POST", f"/firmware?{query}", b"content")
                if len(query) > 8000 and answer.status in (414, 431):
                    continue
                self.assert_problem(answer, 422, field)
        self.assertEqual(
            len([item for item in self.rest.items("/firmware") if item["version"] not in ("2.0.0", "3.0.0")]), 0
        )

    def raw(self, request, timeout=10):
        """Sends bytes as they are; the first line that comes back, empty if the line was just closed."""
        with socket.create_connection(("127.0.0.1", self.daemon.port), timeout) as line:
            try:
                line.sendall(request)
                return line.recv(4096).split(b"\r\n")[0]
            except ConnectionError:
                return b""

    def test_broken_http(self):
        for request in (
            b"nonsense\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
            b"GET /tasks HTTP/1.1\r\nHost: localhost\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
            b"GET /tasks HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
            b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /tasks HTTP/1.1\r\nHost: localhost\r\nbroken header\r\n\r\n",
            b"POST /firmware/upgrade HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
            b"POST /firmware/upgrade HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"POST /firmware/upgrade HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST /firmware/upgrade HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
            b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /tasks?limit=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET //tasks//.. HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ):
            with self.subTest(request[:50]):
                self.assertRegex(self.raw(request), rb"^$|^HTTP/1\.[01] (4\d\d|501|505) ")
        self.assertEqual(self.rest.call("GET", "/healthz").status, 200)

    def test_idle_lines_are_closed(self):
        for begin in (
            b"",
            b"GET /tasks HTT",
            b"POST /firmware/upgrade HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
        ):
            with self.subTest(begin[:10]), socket.create_connection(("127.0.0.1", self.daemon.port), 15) as line:
                line.sendall(begin)
                begun = time.monotonic()
                while line.recv(4096):
                    pass
                self.assertLess(time.monotonic() - begun, 10)

    def test_a_refused_call_is_one_log_line(self):
        mark = len(self.daemon.log())
        self.rest.upgrade("bad-logged", "2.0.0", hardware="bad", chunk_size=0)
        wait_until(
            lambda: self.daemon.log_lines("chunk_size", mark) or self.daemon.log_lines("/firmware/upgrade", mark),
            "the refusal is logged",
        )
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
