"""The Mosquitto files of config/ in a real Mosquitto: what they bound, who may do what, who gets in at all."""
import contextlib
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from harness import MOSQUITTO, ROOT, Process, free_port, main, wait_until

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

FILES = ROOT / "config" / "mosquitto"
NOT_AUTHORIZED = 0x87


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


class Client:
    """An MQTT 5 client that remembers what it got."""

    def __init__(self, port, client_id, user=None, password=None, ca=None, clean=True, expiry=0):
        self.got, self.codes, self.connected, self.lost = [], {}, threading.Event(), threading.Event()
        self.reason = None
        self.paho = paho.Client(client_id=client_id, protocol=paho.MQTTv5)
        if user:
            self.paho.username_pw_set(user, password)
        if ca:
            self.paho.tls_set(str(ca), tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.paho.on_connect = self.on_connect
        self.paho.on_disconnect = lambda *_: self.lost.set()
        self.paho.on_message = lambda _, __, message: self.got.append((message.topic, message.payload))
        self.paho.on_subscribe = lambda _, __, mid, codes, ___: self.codes.__setitem__(mid, codes)
        self.paho.on_publish = lambda _, __, mid: self.codes.__setitem__(mid, True)
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = expiry
        self.paho.connect("127.0.0.1", port, clean_start=clean, properties=properties)
        self.paho.loop_start()

    def on_connect(self, _, __, ___, reason, ____):
        self.reason = reason
        self.connected.set()

    def ready(self):
        assert self.connected.wait(10), "no answer to CONNECT"
        assert self.reason.value == 0, self.reason
        return self

    def subscribe(self, topic):
        _, mid = self.paho.subscribe(topic, 1)
        return wait_until(lambda: self.codes.get(mid), f"an answer to SUBSCRIBE {topic}")[0].value

    def publish(self, topic, payload="x", qos=1):
        info = self.paho.publish(topic, payload, qos)
        wait_until(info.is_published, f"an answer to PUBLISH {topic}")

    def close(self):
        with contextlib.suppress(Exception):
            self.paho.disconnect()
        self.paho.loop_stop()


class BrokerCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-broker-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def start(self, name, changes):
        """Mosquitto with a file of config/, other paths and a port of its own."""
        self.port, self.local = free_port(), free_port()
        text = (FILES / name).read_text()
        plain = self.local if "\nlistener 8883" in text else self.port
        for old, new in {**changes, "\nlistener 1883 ": f"\nlistener {plain} ",
                         "\nlistener 8883\n": f"\nlistener {self.port} 127.0.0.1\n"}.items():
            text = text.replace(old, new)
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        config = self.folder / "mosquitto.conf"
        config.write_text(f"user {user}\nlog_dest stdout\npersistence_location {self.folder}/\n{text}")
        broker = Process(self.folder / "log")
        broker.launch([MOSQUITTO, "-c", str(config)])
        self.addCleanup(broker.kill)
        wait_until(lambda: (self.listens(self.port) and self.listens(plain)) or not broker.running(), "mosquitto runs")
        self.assertTrue(broker.running(), broker.log())

    @staticmethod
    def listens(port):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    def client(self, client_id, *args, **options):
        client = Client(self.port, client_id, *args, **options)
        self.addCleanup(client.close)
        return client


class Plain(BrokerCase):
    def test_a_burst_for_one_who_is_away_arrives_whole(self):
        self.start("otad.conf", {})
        away = self.client("otad", clean=False, expiry=3600).ready()
        self.assertEqual(away.subscribe("/ota/+/verify"), 1)
        away.close()
        device = self.client("gw-17").ready()
        for number in range(5000):
            device.paho.publish("/ota/gw-17/verify", str(number), 1)
        device.publish("/ota/gw-17/verify", "5000")
        back = self.client("otad", clean=False, expiry=3600).ready()
        wait_until(lambda: len(back.got) >= 5001, "all messages", 30)
        self.assertEqual([int(payload) for _, payload in back.got], list(range(5001)))


class Secure(BrokerCase):
    def setUp(self):
        super().setUp()
        folder = self.folder
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "crt")
        passwords = folder / "passwords"
        passwords.touch()
        for user in ("otad", "gw-17", "gw-18"):
            run("mosquitto_passwd", "-b", passwords, user, f"{user}'s")
        self.start("otad-secure.conf", {"/etc/mosquitto/ca_certificates/otad-ca.crt": str(folder / "crt"),
                                        "/etc/mosquitto/certs/otad.crt": str(folder / "crt"),
                                        "/etc/mosquitto/certs/otad.key": str(folder / "key"),
                                        "/etc/mosquitto/otad.passwd": str(passwords),
                                        "/etc/mosquitto/otad.acl": str(FILES / "otad.acl")})

    def user(self, name, client_id=None):
        return self.client(client_id or name, name, f"{name}'s", self.folder / "crt").ready()

    def test_only_who_knows_a_password_gets_in(self):
        for name, password in ((None, None), ("gw-17", "gw-18's"), ("gw-99", "gw-99's")):
            stranger = self.client("x", name, password, self.folder / "crt")
            self.assertTrue(stranger.connected.wait(10))
            self.assertEqual(stranger.reason.value, NOT_AUTHORIZED, name)

    def test_this_machine_needs_a_password_too(self):
        stranger = Client(self.local, "x")
        self.addCleanup(stranger.close)
        self.assertTrue(stranger.connected.wait(10))
        self.assertEqual(stranger.reason.value, NOT_AUTHORIZED)
        daemon = Client(self.local, "other", "otad", "otad's").ready()
        self.addCleanup(daemon.close)
        self.assertEqual(daemon.subscribe("/ota/+/verify"), 1)
        device = self.user("gw-17")
        device.publish("/ota/gw-17/verify", "v")
        wait_until(lambda: daemon.got, "what the device said over TLS")

    def test_only_tls(self):
        plain = self.client("gw-17", "gw-17", "gw-17's")
        self.assertTrue(plain.lost.wait(10))
        self.assertFalse(plain.connected.is_set())

    def test_device_and_daemon_reach_each_other(self):
        daemon, device = self.user("otad"), self.user("gw-17")
        for word in ("request", "progress", "verify", "chunk/get"):
            self.assertEqual(daemon.subscribe(f"/ota/+/{word}"), 1)
        self.assertEqual(device.subscribe("/ota/gw-17/metadata"), 1)
        self.assertEqual(device.subscribe("/ota/gw-17/#"), 1)
        for word in ("request", "progress", "verify", "chunk/get"):
            device.publish(f"/ota/gw-17/{word}")
        wait_until(lambda: len(daemon.got) == 4, "what the device said")
        daemon.publish("/ota/gw-17/metadata", "m")
        daemon.publish("/ota/gw-17/chunk/OTA_20261122_000001/0", "c")
        wait_until(lambda: ("/ota/gw-17/chunk/OTA_20261122_000001/0", b"c") in device.got, "what the daemon said")

    def test_a_device_has_its_own_topics_alone(self):
        daemon, own, other = self.user("otad"), self.user("gw-17"), self.user("gw-18")
        daemon.subscribe("/ota/+/verify")
        other.subscribe("/ota/gw-18/#")
        # Mosquitto takes the subscription and checks each message that would be delivered.
        for topic in ("/ota/gw-18/success", "/ota/gw-18/#", "/ota/+/success", "/ota/#", "#"):
            own.subscribe(topic)
        for topic in ("/ota/gw-18/verify", "/ota/gw-18/metadata", "/ota/gw-17/success", "/ota/gw-17", "other"):
            own.publish(topic, "forged")
        own.publish("/ota/gw-17/verify", "own")
        daemon.publish("/ota/gw-18/success", "true")
        daemon.publish("/ota/gw-17/queued", "last")
        wait_until(lambda: other.got and daemon.got and ("/ota/gw-17/queued", b"last") in own.got, "what is allowed")
        self.assertEqual(daemon.got, [("/ota/gw-17/verify", b"own")])
        self.assertEqual(other.got, [("/ota/gw-18/success", b"true")])
        self.assertEqual({topic for topic, _ in own.got}, {"/ota/gw-17/verify", "/ota/gw-17/queued"})

    def test_nobody_takes_over_a_session(self):
        daemon = self.user("otad")
        daemon.subscribe("/ota/+/verify")
        thief = self.user("gw-17", client_id="otad")
        thief.publish("/ota/gw-17/verify", "x")
        wait_until(lambda: daemon.got, "the daemon still listens")
        self.assertFalse(daemon.lost.is_set())


if __name__ == "__main__":
    main()
