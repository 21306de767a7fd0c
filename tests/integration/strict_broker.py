"""A broker that hangs up: a proxy before a real one that reads what its client says, and closes the connection where it
doesn't like that, as AWS IoT does for a topic that its policy doesn't name."""
import contextlib
import socket
import threading
import unittest.mock

import harness

CONNECT, PUBLISH = 1, 3
REFUSED_VERSION = bytes([0x20, 2, 0, 1])  # CONNACK of 3.1.1: unacceptable protocol version


class HungUp(Exception):
    pass


def packets(read):
    """The packets of one direction as (type, flags, whole packet, body); `read(count)` gives exactly so many bytes."""
    while True:
        head = read(1)
        length, shift, raw = 0, 0, b""
        while True:
            byte = read(1)
            raw += byte
            length |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80:
                break
        body = read(length)
        yield head[0] >> 4, head[0] & 15, head + raw + body, body


class StrictBroker:
    """Forwards to a broker on the loopback port `target`. `forbids(topic, size)` says of each message, with its packet's
    size, whether to hang up on it; `connects(level)` of each CONNECT, with MQTT's level (4 or 5): "take", "refuse" or
    "hang up". `farewell` is what it sends before it hangs up on a message. `hung_up` has the topics on which it did, `levels` the level of each CONNECT."""

    def __init__(self, target, forbids=lambda topic, size: False, connects=lambda level: "take", farewell=b""):
        self.target, self.forbids, self.connects, self.farewell = target, forbids, connects, farewell
        self.hung_up, self.levels = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError, HungUp), client, socket.create_connection(("127.0.0.1", self.target)) as broker:
            for line in (client, broker):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._back, args=(broker, client), daemon=True).start()
            try:
                self._forth(client, broker)
            finally:
                for line in (client, broker):
                    with contextlib.suppress(OSError):
                        line.shutdown(socket.SHUT_RDWR)

    def _back(self, broker, client):
        with contextlib.suppress(OSError):
            while data := broker.recv(65536):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _forth(self, client, broker):
        stream = client.makefile("rb")

        def read(count):
            data = stream.read(count)
            if len(data) < count:
                raise HungUp
            return data

        for kind, _, packet, body in packets(read):
            if kind == CONNECT:
                level = body[6]
                self.levels.append(level)
                what = self.connects(level)
                if what == "refuse":
                    client.sendall(REFUSED_VERSION)
                if what != "take":
                    raise HungUp
            elif kind == PUBLISH:
                topic = body[2 : 2 + int.from_bytes(body[:2], "big")].decode(errors="replace")
                if self.forbids(topic, len(packet)):
                    self.hung_up.append(topic)
                    client.sendall(self.farewell)
                    raise HungUp
            broker.sendall(packet)


class BehindStrictBroker:
    """For a ServerCase: otad's connection to the broker leads through one that hangs up on what `forbids` says."""

    version = "5"
    farewell = b""

    @staticmethod
    def forbids(topic, size):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        made = harness.Daemon

        def behind(folder, port, settings):
            cls.strict = StrictBroker(port, cls.forbids, farewell=cls.farewell)
            return made(folder, cls.strict.port, {**settings, "mqtt.version": cls.version})

        with unittest.mock.patch("harness.Daemon", behind):
            super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        cls.strict.close()
        super().tearDownClass()
