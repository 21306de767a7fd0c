"""The bad network does what it says: delay, rate, cuts, resets, stalls, blocks, corruption, and its counts."""
import contextlib
import pathlib
import socket
import socketserver
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import PATIENCE, main, wait_until  # noqa: E402
from proxy import Link, http_door, mqtt_door  # noqa: E402
from wire import HttpWatch, MqttWatch  # noqa: E402


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


class Proxies(unittest.TestCase):
    def setUp(self):
        self.server = Server(("127.0.0.1", 0), Echo)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def door(self, **options):
        self.link = Link(**options)
        door = http_door(self.link)
        door.lead_to(self.server.server_address[1])
        self.addCleanup(door.close)
        return door

    def dial(self, door):
        line = socket.create_connection(("127.0.0.1", door.port), 20 * PATIENCE)
        self.addCleanup(line.close)
        return line

    def echo(self, line, data):
        """Seconds until all of it came back."""
        begun = time.monotonic()
        line.sendall(data)
        got = b""
        while len(got) < len(data):
            piece = line.recv(65536)
            if not piece:
                raise ConnectionError(f"ended after {len(got)} bytes")
            got += piece
        self.assertEqual(got, data)
        return time.monotonic() - begun

    def test_passes_and_counts(self):
        door = self.door()
        self.echo(self.dial(door), b"x" * 90_000)
        self.assertEqual((door.up, door.down, door.file, door.dials), (90_000, 90_000, 0, 1))

    def test_delay_is_each_way(self):
        door = self.door(delay=0.1)
        line = self.dial(door)
        self.assertGreaterEqual(self.echo(line, b"x"), 0.4)  # connecting takes a round trip too
        self.assertGreaterEqual(self.echo(line, b"x"), 0.2)
        self.link.delay = 0
        self.assertLess(min(self.echo(line, b"x") for _ in range(20)), 0.2 * PATIENCE)  # a busy machine holds some up

    def test_rate_is_shared(self):
        door = self.door(rate=50_000)
        first, second = self.dial(door), self.dial(door)
        begun = time.monotonic()
        other = threading.Thread(target=self.echo, args=(second, b"y" * 25_000))
        other.start()
        self.echo(first, b"x" * 25_000)
        other.join()
        self.assertGreater(time.monotonic() - begun, 0.9)
        self.assertLess(time.monotonic() - begun, 3 * PATIENCE)

    def test_cut_and_mended(self):
        door = self.door()
        line = self.dial(door)
        self.echo(line, b"x")
        self.link.cut()
        with self.assertRaises(ConnectionError):
            self.echo(line, b"x")
        with self.assertRaises(ConnectionRefusedError):
            self.dial(door)
        self.link.mend()
        self.echo(self.dial(door), b"x")
        self.assertEqual(self.link.outages, 1)
        self.assertGreater(self.link.downtime(), 0)

    def test_reset(self):
        door = self.door()
        line = self.dial(door)
        self.echo(line, b"x")
        door.reset()
        with self.assertRaises(ConnectionResetError):
            self.echo(line, b"x")
        self.echo(self.dial(door), b"x")

    def test_frozen_and_swallowing_lose_nothing(self):
        door = self.door()
        line = self.dial(door)
        self.echo(line, b"x")
        for stop, go in ((self.link.freeze, self.link.thaw), (door.swallow, door.open)):
            stop()
            line.settimeout(0.2)
            with self.assertRaises(TimeoutError):
                self.echo(line, b"late")
            newcomer = self.dial(door)
            go()
            line.settimeout(20 * PATIENCE)
            self.assertEqual(line.recv(4), b"late")
            self.echo(newcomer, b"x")

    def test_one_door_refuses_and_the_other_is_open(self):
        door = self.door()
        other = mqtt_door(self.link)
        other.lead_to(self.server.server_address[1])
        self.addCleanup(other.close)
        door.refuse()
        with self.assertRaises(ConnectionRefusedError):
            self.dial(door)
        self.dial(other)
        door.open()
        self.echo(self.dial(door), b"x")

    def test_cuts_at_random(self):
        door = self.door()
        self.link.cut_at_random(1, (0.05, 0.1), (0.01, 0.05))
        wait_until(lambda: self.link.outages >= 3, "three outages")
        self.link.calm()
        self.echo(self.dial(door), b"x")


def http_reply(body, status=b"200 OK"):
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


class Wires(unittest.TestCase):
    """However a stream is cut into pieces, the same bytes are image data."""

    def file_bytes(self, watch, stream):
        for size in (1, 7, 1000, len(stream)):
            seen, found = watch(), b""
            for at in range(0, len(stream), size):
                piece = stream[at : at + size]
                found += b"".join(piece[begin:end] for begin, end in seen.down(piece))
            yield found

    def test_http(self):
        def watch():
            seen = HttpWatch()
            image = b"/download/" + b"ab" * 32
            seen.up(b"POST /ota/x/request HTTP/1.1\r\nContent-Length: 5\r\n\r\n{   }")
            seen.up(b"GET %s/manifest HTTP/1.1\r\n\r\nGET %s/chunks/3?bytes=5 HTTP/1.1\r\n\r\n" % (image, image))
            seen.up(b"HEAD %s/image HTTP/1.1\r\n\r\nGET %s/image HTTP/1.1\r\n\r\n" % (image, image))
            seen.up(b"GET %s/image HTTP/1.1\r\n\r\n" % image)
            return seen

        stream = http_reply(b"{json}") + http_reply(b"digests") + http_reply(b"chunk", b"206 Partial")
        stream += b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
        stream += http_reply(b"gone", b"410 Gone") + http_reply(b"i" * 3000)
        for found in self.file_bytes(watch, stream):
            self.assertEqual(found, b"chunk" + b"i" * 3000)

    def test_mqtt(self):
        def publish(topic, payload, qos):
            body = len(topic).to_bytes(2, "big") + topic + (b"\0\7" if qos else b"") + b"\3\x26ab" + payload
            length, digits = len(body), b""
            while length > 127:
                digits, length = digits + bytes([length & 127 | 128]), length >> 7
            return bytes([0x30 | qos << 1]) + digits + bytes([length]) + body

        stream = b"\x20\3\0\0\0" + publish(b"/ota/x/metadata", b"{}" * 100, 1) + b"\xd0\0"
        for qos in (0, 1):
            stream += publish(b"/ota/x/chunk/OTA_1/0", b"d" * 70_000, qos) + publish(b"/ota/x/chunk/OTA_1/1", b"", qos)
        for found in self.file_bytes(MqttWatch, stream):
            self.assertEqual(found, b"d" * 140_000)

    def test_one_wrong_byte_in_so_many(self):
        link = Link()
        door = mqtt_door(link)
        self.addCleanup(door.close)
        door.corrupt(1000, seed=3)
        for _ in range(100):
            door.passed("down", b"\0" * 777, [(77, 277), (300, 777)])
        self.assertEqual(door.file, 67_700)
        self.assertIn(door.corrupted, (67, 68))
        door.corrupt(None)
        self.assertEqual(door.passed("down", b"\0" * 5000, [(0, 5000)]), b"\0" * 5000)


if __name__ == "__main__":
    main()
