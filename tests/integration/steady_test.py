"""Peers that are slow and never pause are served to the end, plain and over TLS; those that take nothing are dropped.

The idle timeout is short, the readers' segments and receive buffers are small: their window opens in steps of some seconds.
"""
import concurrent.futures
import contextlib
import pathlib
import re
import shutil
import socket
import ssl
import tempfile
import time
import unittest
from urllib.parse import urlsplit

from authority import Authority
from harness import PATIENCE, Broker, ServerCase, image, main, wait_until
from tls_test import TlsDaemon

IDLE = 6
# bytes/s: with the buffers below, Linux opens the window in steps of some 5.6 KB, so a reader pauses for 5 s. The server
# allows two idle timeouts; at a quarter of this rate it would rightly drop the reader, depending on the kernel's steps.
RATE = 1200


def connect(port, segment=1400, buffer=4096):
    line = socket.socket()
    if segment:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    line.settimeout(60 * PATIENCE)
    line.connect(("127.0.0.1", port))
    return line


def open_now(rest):
    """Connections that the daemon has, our question's among them."""
    metrics = rest.call("GET", "/metrics").body.decode()
    return int(re.search(r"^otad_http_connections(?:_open)? (\d+)", metrics, re.M).group(1))


def get(url, *fields):
    parts = urlsplit(url)
    return "\r\n".join((f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}", *fields, "", "")).encode()


def read_steadily(line, seconds, rate=RATE):
    """What comes at that rate, a piece each 0.2 s; less than `seconds` worth where the server hung up."""
    got, begun, turn = b"", time.monotonic(), 0
    while len(got) < seconds * rate:
        piece = line.recv(min(rate // 5, seconds * rate - len(got)))
        if not piece:
            break
        got, turn = got + piece, turn + 1
        time.sleep(max(0, begun + turn / 5 - time.monotonic()))
    return got


def is_open(line):
    """Whether the server has neither closed nor reset the connection; what is in the kernel's buffers would still come."""
    return line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 1  # TCP_ESTABLISHED


def together(*calls):
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [one.result() for one in [pool.submit(call) for call in calls]]


class Steady(ServerCase):
    settings = {"http.idle_timeout_s": IDLE}

    def url_of(self, version, size):
        self.firmware(version, "slow", size=size)
        self.upgrade(f"slow-{version}", version, hardware="slow")
        return self.device(f"slow-{version}", hardware="slow").request("metadata")["url"]

    def test_readers_that_never_pause_are_served(self):
        url = self.url_of("1.0.0", 4_000_000)
        seconds = 5 * IDLE // 2

        def read(segment, buffer, *fields):
            with contextlib.closing(connect(self.daemon.port, segment, buffer)) as line:
                line.sendall(get(url, *fields))
                return len(read_steadily(line, seconds)), is_open(line)

        outcomes = together(
            lambda: read(1400, 4096),
            lambda: read(536, 2304),
            lambda: read(1400, 4096, "Connection: close"),
            lambda: read(1400, 4096, "Range: bytes=100-3000000"),
            lambda: read(1400, 4096, "Range: bytes=0-9,100-1000000,2000000-3000000"),
        )
        # Each at its own end: who is done reads no more, and is dropped while others still read.
        self.assertEqual(outcomes, [(seconds * RATE, True)] * len(outcomes))

    def test_small_replies_arrive_whole(self):
        """The kernel takes them at once, and the server is done long before their reader is."""
        url = self.url_of("1.1.0", 30_000)

        def read(url, *fields):
            with contextlib.closing(connect(self.daemon.port)) as line:
                line.sendall(get(url, *fields))
                got = read_steadily(line, 2 * IDLE, rate=3000)
                head, _, body = got.partition(b"\r\n\r\n")
                self.assertIn(b" 200 ", head)
                return body

        whole = image("slow 1.1.0", 30_000)
        self.assertEqual(together(lambda: read(url), lambda: read(url, "Connection: close")), [whole, whole])

    def test_who_takes_nothing_is_dropped(self):
        url = self.url_of("1.2.0", 4_000_000)
        with contextlib.closing(connect(self.daemon.port)) as line:
            line.sendall(get(url))
            begun = time.monotonic()
            wait_until(lambda: open_now(self.rest) <= 1, "it is dropped", 5 * IDLE)
            self.assertGreater(time.monotonic() - begun, IDLE / 2)
            with self.assertRaises(ConnectionError):  # and what it didn't take is thrown away
                while line.recv(65536):
                    pass

    def test_a_slow_upload_is_taken(self):
        body = image("upload", 2 * IDLE * RATE)
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.daemon.port), 60 * PATIENCE)) as line:
            line.sendall(f"POST /firmware?version=2.0.0&hardware=slow HTTP/1.1\r\nHost: 127.0.0.1:{self.daemon.port}\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n".encode())
            for at in range(0, len(body), RATE):
                line.sendall(body[at : at + RATE])
                time.sleep(1)
            self.assertIn(b" 201 ", line.recv(4096))


class SteadyTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-steady-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.ca = Authority(cls.folder)
        certificate, key = cls.ca.issue("server")
        cls.broker = Broker(cls.folder)
        cls.addClassCleanup(cls.broker.kill)
        cls.broker.start()
        cls.daemon = TlsDaemon(cls.folder, cls.broker.port, {
            "http.tls_cert": str(certificate), "http.tls_key": str(key), "http.idle_timeout_s": IDLE})
        cls.daemon.ca = cls.ca.crt
        cls.addClassCleanup(cls.daemon.kill)
        cls.daemon.start()

    def handshake(self):
        """A connection whose TLS we drive ourselves, so that what leaves can leave slowly."""
        line, came, leaves = connect(self.daemon.port), ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = ssl.create_default_context(cafile=str(self.ca.crt)).wrap_bio(came, leaves, server_hostname="127.0.0.1")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                line.sendall(leaves.read())
                came.write(line.recv(4096))
        line.sendall(leaves.read())
        return line, came, leaves, tls

    def test_readers_and_senders_that_never_pause_are_served(self):
        rest = self.daemon.rest
        self.assertEqual(rest.upload("1.0.0", image("tls", 4_000_000), "slow").status, 201)
        self.assertEqual(rest.upgrade("slow-1", "1.0.0", hardware="slow").status, 201)
        metadata = rest.call("POST", "/ota/slow-1/request", {"hardware": "slow"}).json
        seconds = 5 * IDLE // 2

        def read():
            line, _, leaves, tls = self.handshake()
            with contextlib.closing(line):
                tls.write(get(metadata["url"]))
                line.sendall(leaves.read())
                return len(read_steadily(line, seconds)), is_open(line)

        def send():
            """One record of 16 KiB comes over more than an idle timeout."""
            line, came, leaves, tls = self.handshake()
            body = image("tls upload", 16_000)
            with contextlib.closing(line):
                tls.write(f"POST /firmware?version=2.0.0&hardware=slow HTTP/1.1\r\nHost: 127.0.0.1:{self.daemon.port}\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n".encode())
                line.sendall(leaves.read())
                tls.write(body)
                raw = leaves.read()
                for at in range(0, len(raw), len(raw) // (2 * IDLE)):
                    line.sendall(raw[at : at + len(raw) // (2 * IDLE)])
                    time.sleep(1)
                while True:
                    piece = line.recv(4096)
                    self.assertTrue(piece, "the server hung up")
                    came.write(piece)
                    with contextlib.suppress(ssl.SSLWantReadError):
                        return tls.read(4096)

        outcome, answer = together(read, send)
        self.assertEqual(outcome, (seconds * RATE, True))
        self.assertIn(b" 201 ", answer)


if __name__ == "__main__":
    main()
