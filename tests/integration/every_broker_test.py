"""The whole flow over other brokers: RabbitMQ with its MQTT plug-in, ejabberd, aedes; and over Mosquitto, as a measure.

An option of test.sh (--brokers), which installs them. Without them this is skipped, and says so.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness
from brokers import Aedes, Ejabberd, RabbitMq
from device import Device
from harness import PATIENCE, Broker, Daemon, ServerCase, main, wait_until

GRID = 16 * 1024
USER = ("guest", "guest")


class Flow:
    """Mixed into a ServerCase for each broker."""

    version = "5"  # that the daemon ends on
    user = None
    keeps_sessions = True
    persistence = True

    @classmethod
    def setUpClass(cls):
        if cls.maker.missing:
            raise unittest.SkipTest(cls.maker.missing)
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-it-"))
        cls.daemon, cls.devices = None, []
        cls.broker = cls.maker(cls.folder)
        settings = {"mqtt.critical_qos": 2, "log.level": "debug"}
        if cls.user:
            secret = cls.folder / "secret"
            secret.write_text(cls.user[1] + "\n")
            secret.chmod(0o600)
            settings |= {"mqtt.username": cls.user[0], "mqtt.password_file": str(secret)}
        try:
            cls.broker.start()
            cls.daemon = Daemon(cls.folder, cls.broker.port, settings).start()
        except BaseException:
            cls.clean()
            raise

    def device(self, name, **options):
        device = Device(name, self.broker.port, mqtt5=self.version == "5", **options)
        if self.user:
            device.mqtt.username_pw_set(*self.user)
        self.addCleanup(device.close)
        return device.connect()

    def test_1_whole_update(self):
        self.assertTrue(self.daemon.log_lines(f"with MQTT {self.version}"), self.daemon.log())
        data = self.firmware("2.0.0", "hw-flow", 5 * GRID)
        task = self.upgrade("flow", "2.0.0", chunk_size=16, hardware="hw-flow")
        device = self.device("flow", hardware="hw-flow", version="1.0.0")
        self.assertEqual(device.run()["type"], "success")
        self.rest.wait_state(task, "succeeded")
        self.assertEqual(len(data), 5 * GRID)

    def test_2_chunks_over_the_broker(self):
        data = self.firmware("2.0.0", "hw-chunks", 5 * GRID)
        self.upgrade("chunks", "2.0.0", chunk_size=16, hardware="hw-chunks")
        device = self.device("chunks", hardware="hw-chunks", version="1.0.0")
        metadata = device.request("metadata", transports=["mqtt"])
        missing = set(range(metadata["chunk_count"]))
        while missing:
            device.send("chunk/get", {"task_id": metadata["task_id"], "chunks": [[min(missing), max(missing)]]})
            for _ in sorted(missing):
                chunk = device.wait("chunk")
                index = int(chunk["topic"].rsplit("/", 1)[1])
                self.assertEqual(chunk["payload"][32:], data[index * GRID : (index + 1) * GRID])
                missing.discard(index)

    def test_3_the_daemon_restarts(self):
        self.firmware("2.0.0", "hw-restart", 5 * GRID)
        self.upgrade("restart", "2.0.0", chunk_size=16, hardware="hw-restart")
        device = self.device("restart", hardware="hw-restart", version="1.0.0")
        metadata = device.request("metadata")
        device.download(metadata, only=[0, 1])
        self.daemon.stop()
        device.send("request", device.about_me())  # kept for it, where the broker keeps sessions
        self.daemon.start()
        if self.keeps_sessions:
            self.assertEqual(device.wait("metadata", timeout=20)["task_id"], metadata["task_id"])
        self.assertEqual(device.run()["type"], "success")

    def test_4_the_broker_restarts(self):
        self.firmware("2.0.0", "hw-broker", 5 * GRID)
        task = self.upgrade("broker", "2.0.0", chunk_size=16, hardware="hw-broker")
        device = self.device("broker", hardware="hw-broker", version="1.0.0")
        metadata = device.request("metadata")
        device.download(metadata, only=[0, 1])
        self.broker.kill()
        wait_until(lambda: not self.daemon.ready(), "readyz says that it is away")
        self.broker.start()
        wait_until(self.daemon.ready, "the daemon is back", 60)
        wait_until(device.mqtt.is_connected, "the device is back", 60)
        self.assertEqual(device.run()["type"], "success")
        self.rest.wait_state(task, "succeeded")

    def test_5_bad_messages(self):
        device = self.device("bad", version="1.0.0")
        other = self.device("bad-witness", version="1.0.0")
        connects = len(self.daemon.log_lines("mqtt: connected"))
        for payload in (b"", b"\xff\xfe\x00", b"{", b"x" * 300_000):
            device.send("verify", payload)
            self.assertEqual(device.wait("error")["code"], "bad_message")
        self.assertEqual(other.request()["type"], "up_to_date")
        for topic in ("/ota/a b/request", "/ota/a%b/request"):
            device.mqtt.publish(topic, b"{}", 1).wait_for_publish(10)
        wait_until(lambda: len(self.daemon.log_lines("the topic's device id must")) >= 2, "named")
        self.assertEqual(other.request()["type"], "up_to_date")
        self.assertEqual(len(self.daemon.log_lines("mqtt: connected")), connects)

    def test_6_retained(self):
        self.firmware("2.0.0", "hw-kept")
        task = self.upgrade("kept", "2.0.0", hardware="hw-kept")
        device = self.device("kept", hardware="hw-kept", version="1.0.0")
        device.request("metadata")
        payload = json.dumps({"task_id": task, "state": "failed", "reason": "no space"})
        device.mqtt.publish("/ota/kept/progress", payload, 1, retain=True).wait_for_publish(10)
        wait_until(lambda: self.rest.task(task)["attempt"] == 2, "it is heard when it is said")
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(self.device("kept-witness", version="1.0.0").request()["type"], "up_to_date")
        self.assertEqual(self.rest.task(task)["attempt"], 2)


class OverMosquitto(Flow, ServerCase):
    maker = type("Mosquitto", (Broker,), {"missing": None, "__init__": lambda self, folder: Broker.__init__(self, folder, True)})


class OverRabbitMq(Flow, ServerCase):
    maker = RabbitMq
    version = "3.1.1"
    user = USER


class OverEjabberd(Flow, ServerCase):
    maker = Ejabberd
    user = USER


class OverAedes(Flow, ServerCase):
    maker = Aedes
    version = "3.1.1"
    keeps_sessions = True


if __name__ == "__main__":
    if not os.environ.get("OTAD_BROKERS"):
        print("skipped: test.sh --brokers installs RabbitMQ, ejabberd and aedes for this")
        sys.exit(77)
    main()
