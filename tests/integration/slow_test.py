"""Peers that are slow on purpose: slowhttptest in its four modes, and each limit with its own answer."""
import concurrent.futures
import contextlib
import re
import shutil
import socket
import subprocess
import time
import unittest

from harness import PATIENCE, ServerCase, main, wait_until

CONNECTIONS = 120
SECONDS = 10


class Slow(ServerCase):
    settings = {"http.idle_timeout_s": 2, "http.max_connections": 600}

    def connections(self):
        metrics = self.rest.call("GET", "/metrics").body.decode()
        return int(re.search(r"^otad_http_connections(?:_open)? (\d+)", metrics, re.M).group(1))

    def raw(self, request, timeout=20):
        """What comes back until the line is closed."""
        with socket.create_connection(("127.0.0.1", self.daemon.port), timeout * PATIENCE) as line:
            with contextlib.suppress(ConnectionError):
                line.sendall(request)
            got = b""
            with contextlib.suppress(ConnectionError):
                while part := line.recv(65536):
                    got += part
            return got

    @unittest.skipUnless(shutil.which("slowhttptest"), "slowhttptest is not installed")
    def test_slowhttptest_leaves_others_answered(self):
        self.firmware("2.0.0", "slow", size=8_000_000)
        device = self.device("slow-1", hardware="slow")
        self.upgrade("slow-1", "2.0.0")
        device.request("metadata")
        self.upgrade("slow-0", "2.0.0", hardware="slow")
        metadata = self.device("slow-0", hardware="slow").request("metadata")
        base = f"http://127.0.0.1:{self.daemon.port}"
        modes = {
            "slow headers": ["-H", "-i", "1", "-u", f"{base}/tasks"],
            "slow bodies": ["-B", "-i", "1", "-s", "8192", "-t", "POST", "-u", f"{base}/firmware/upgrade"],
            "ranges": ["-R", "-u", metadata["url"]],
            "slow reading": ["-X", "-n", "1", "-w", "16", "-y", "64", "-z", "16", "-k", "3", "-u", metadata["url"]],
        }
        base_command = ["slowhttptest", "-c", str(CONNECTIONS), "-r", "100", "-l", str(SECONDS), "-p", str(round(5 * PATIENCE))]
        slowest, calls = 0.0, 0
        with concurrent.futures.ThreadPoolExecutor(len(modes)) as attack:
            attacks = {name: attack.submit(subprocess.run, [*base_command, *options], capture_output=True, text=True,
                                           check=False, stdin=subprocess.DEVNULL, timeout=120 * PATIENCE)
                       for name, options in modes.items()}
            while not all(one.done() for one in attacks.values()):
                begun = time.monotonic()
                self.assertEqual(self.rest.call("GET", "/tasks").status, 200)
                slowest, calls = max(slowest, time.monotonic() - begun), calls + 1
                time.sleep(0.05)
        self.assertGreater(calls, 10)
        self.assertLess(slowest, 5 * PATIENCE)
        for name, one in attacks.items():
            told = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", one.result().stdout)  # its colours
            verdicts = re.findall(r"service available:\s*(\w+)", told)
            self.assertTrue(verdicts, (name, told))
            if metadata["url"] not in modes[name]:  # there it asks as the device that it keeps busy itself
                self.assertEqual(set(verdicts), {"YES"}, (name, told))
        # Whoever is still there when the tool goes is dropped.
        wait_until(lambda: self.connections() <= 3, "the slow lines are dropped", 20)
        self.assertEqual(device.run(timeout=60)["type"], "success")

    def test_a_head_that_never_ends_is_dropped(self):
        with socket.create_connection(("127.0.0.1", self.daemon.port), 20) as line:
            line.sendall(b"GET /tasks HTTP/1.1\r\nHost: localhost\r\n")
            begun = time.monotonic()
            with contextlib.suppress(ConnectionError):
                while time.monotonic() - begun < 20 * PATIENCE:
                    line.sendall(b"X: y\r\n")
                    line.settimeout(0.2)
                    with contextlib.suppress(TimeoutError):
                        self.assertEqual(line.recv(10), b"")
                        break
            self.assertLess(time.monotonic() - begun, 10 * PATIENCE)

    def test_a_body_that_trickles_is_dropped(self):
        for path in (b"/firmware/upgrade", b"/firmware?version=9&hardware=slow", b"/ota/slow-2/request"):
            with self.subTest(path), socket.create_connection(("127.0.0.1", self.daemon.port), 30) as line:
                line.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n")
                begun = time.monotonic()
                line.settimeout(0.2)
                while time.monotonic() - begun < 30 * PATIENCE:
                    try:
                        line.sendall(b"x")
                        if not line.recv(4096):
                            break
                    except TimeoutError:
                        continue
                    except ConnectionError:
                        break
                self.assertLess(time.monotonic() - begun, 20 * PATIENCE)
        self.assertEqual([item for item in self.rest.items("/firmware") if item["version"] == "9"], [])

    def test_each_limit_has_its_answer(self):
        table = (
            (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"414"),
            (b"GET /tasks?x=" + b"a" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"414"),
            (b"GET /tasks HTTP/1.1\r\nHost: localhost\r\nA: " + b"b" * 17000 + b"\r\n\r\n", b"431"),
            (b"GET /tasks HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 65 + b"\r\n", b"431"),
            (b"POST /firmware/upgrade HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n", b"413"),
            (b"POST /ota/x/request HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n", b"413"),
            (b"POST /firmware?version=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
            (b"POST /firmware/upgrade HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n"
             + b"x" * 65537 + b"\r\n0\r\n\r\n", b"413"),
            (b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", b"501"),
            (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", b"505"),
        )
        for request, status in table:
            with self.subTest(request[:40], status=status):
                self.assertTrue(self.raw(request).startswith(b"HTTP/1.1 " + status + b" "), self.raw(request)[:200])


class Crowded(ServerCase):
    settings = {"http.idle_timeout_s": 3600, "http.max_connections": 20, "http.threads": 1}

    def line(self, request):
        line = socket.create_connection(("127.0.0.1", self.daemon.port), 20 * PATIENCE)
        self.addCleanup(line.close)
        line.sendall(request)
        return line

    def test_idle_lines_make_room_for_newcomers(self):
        ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        held = []
        for _ in range(20):
            held.append(self.line(ask))
            self.assertIn(b" 200 ", held[-1].recv(4096))
        held.append(held.pop(0))  # used again, so the second is idle for longest
        held[-1].sendall(ask)
        self.assertIn(b" 200 ", held[-1].recv(4096))
        for gone in range(3):
            held.append(self.line(ask))
            self.assertIn(b" 200 ", held[-1].recv(4096))
            self.assertEqual(held[gone].recv(1), b"", gone)
        for line in held[3:]:
            line.sendall(ask)
            self.assertIn(b" 200 ", line.recv(4096))

    def test_who_never_finishes_a_request_makes_room_first(self):
        ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        used = self.line(ask)
        self.assertIn(b" 200 ", used.recv(4096))
        post = b"POST /ota/half/request HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        for half in (b"", ask[:-2], post):
            held = [self.line(half) for _ in range(19)]
            for _ in range(8):  # more are half than aren't, even if no line that left was noticed yet
                newcomer = self.line(ask)
                self.assertIn(b" 200 ", newcomer.recv(4096))
                newcomer.close()
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(held[0].recv(1), b"", "the eldest")
            for line in held:
                line.close()
        used.sendall(ask)
        self.assertIn(b" 200 ", used.recv(4096))

    def test_one_line_too_many_is_told_to_come_back(self):
        ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        half = [self.line(ask + ask[:-2]) for _ in range(20)]
        for line in half:  # and then they are amid a request
            self.assertIn(b" 200 ", line.recv(4096))
        answer = self.line(ask).recv(4096)
        self.assertTrue(answer.startswith(b"HTTP/1.1 503 "), answer)
        self.assertIn(b"Retry-After: ", answer)
        half.pop().close()
        wait_until(lambda: self.line(ask).recv(4096).startswith(b"HTTP/1.1 200 "), "there is room again", 20)
        for line in half:
            line.sendall(ask[-2:])
            self.assertIn(b" 200 ", line.recv(4096))


if __name__ == "__main__":
    main()
