"""Messages that the broker doesn't take, and messages that are none: each costs one log line and stops nobody else."""
import json
import re
import subprocess
import unittest.mock

import harness
from harness import ServerCase, main, wait_until
from strict_broker import BehindStrictBroker

GRID = 16 * 1024


class BrokerCase(ServerCase):
    broker_settings = ""

    @classmethod
    def setUpClass(cls):
        made = harness.Broker
        with unittest.mock.patch("harness.Broker", lambda folder, kept: made(folder, kept, cls.broker_settings)):
            super().setUpClass()

    def lines(self, *parts, since=0):
        return [line for line in self.daemon.log()[since:].splitlines() if all(part in line for part in parts)]

    def metric(self, name):
        page = self.rest.call("GET", "/metrics").body.decode()
        return float(next(line.split()[1] for line in page.splitlines() if line.startswith(name + " ")))

    def update(self, name, hardware):
        """Order to success, all by the device itself."""
        self.upgrade(name, "2.0.0", hardware=hardware)
        device = self.device(name, hardware=hardware, version="1.0.0")
        self.assertEqual(device.run()["type"], "success")


class Small(BrokerCase):
    """The broker names its limit, which an offer with the digests of its chunks passes."""

    broker_settings = "max_packet_size 3000"

    def test_metadata_keeps_within_the_packet_size(self):
        self.firmware("2.0.0", "hw-small", 44 * GRID)
        task = self.upgrade("small", "2.0.0", chunk_size=16, hardware="hw-small")
        device = self.device("small", hardware="hw-small", version="1.0.0")
        metadata = device.request("metadata")
        self.assertNotIn("chunks", metadata)
        self.assertEqual(metadata["chunk_count"], 44)
        self.assertEqual(device.run()["type"], "success")
        self.rest.wait_state(task, "succeeded")
        other = self.device("small-good", hardware="hw-small", version="2.0.0")
        self.assertEqual(other.request()["type"], "up_to_date")
        self.assertEqual(self.metric("otad_mqtt_connects_total"), 1, "the connection never broke")
        self.assertEqual(self.metric("otad_mqtt_dropped_total"), 0)


class SmallDevice(BrokerCase):
    """The device names its limit, once."""

    def test_every_answer_keeps_within_it(self):
        self.firmware("2.0.0", "hw-tiny", 44 * GRID)
        self.upgrade("tiny", "2.0.0", chunk_size=16, hardware="hw-tiny")
        device = self.device("tiny", hardware="hw-tiny", version="1.0.0")
        self.assertIn("chunks", device.request("metadata"))
        metadata = device.request("metadata", max_message_bytes=1024)
        self.assertNotIn("chunks", metadata)
        self.assertLessEqual(len(metadata["…"]["raw"]), 1024)
        self.daemon.restart()
        metadata = device.request("metadata")
        self.assertLessEqual(len(metadata["…"]["raw"]), 1024)
        over_http = self.rest.call("POST", "/ota/tiny/request", device.about_me())
        self.assertEqual((over_http.status, over_http.json["type"]), (200, "metadata"))
        self.assertLessEqual(len(over_http.body), 1024)
        since = len(self.daemon.log())
        refused = self.rest.call("POST", "/ota/tiny/request", device.about_me(max_message_bytes=1))
        self.assertEqual((refused.status, refused.json["code"]), (400, "bad_message"))
        self.assertEqual(refused.json["task_id"], metadata["task_id"])
        self.assertLessEqual(len(refused.body), 256)
        device.drain()
        error = device.request("error")
        self.assertLessEqual(len(error["…"]["raw"]), 256)
        self.assertTrue(self.lines("not sent", "device=tiny", f"task={metadata['task_id']}", since=since))
        self.assertEqual(device.request("metadata", max_message_bytes=1024)["task_id"], metadata["task_id"])


class Hanging(BehindStrictBroker, BrokerCase):
    """The broker hangs up on what it doesn't allow."""

    settings = {"mqtt.reconnect_min_s": 1, "tasks.offer_timeout_s": 600}

    @staticmethod
    def forbids(topic, size):
        return "/bad" in topic or size > 3000


class HangsUp(Hanging):
    """Without a word."""

    def test_one_bad_topic_stops_nobody(self):
        self.firmware("2.0.0", "hw-hang", 4 * GRID)
        since = len(self.daemon.log())
        task = self.upgrade("bad-topic", "2.0.0", hardware="hw-hang")
        good = [self.device(f"good-{number}", hardware="hw-hang", version="2.0.0") for number in range(5)]
        bad = self.device("bad-topic", hardware="hw-hang", version="1.0.0")
        bad.send("request", bad.about_me())
        wait_until(lambda: "/ota/bad-topic/metadata" in self.strict.hung_up, "the broker hung up")
        for device in good:
            self.assertEqual(device.request(timeout=30)["type"], "up_to_date")
        line = wait_until(lambda: self.lines("not sent", "device=bad-topic", since=since), "it is given up", 30)
        self.assertEqual(len(line), 1)
        self.assertIn(f"task={task}", line[0])
        self.assertIn("access list", line[0])
        self.assertGreaterEqual(self.strict.hung_up.count("/ota/bad-topic/metadata"), 2)
        wait_until(self.daemon.ready, "ready again", 30)
        # It asks again, as devices do: nobody hears of it.
        connects, hung_up = self.metric("otad_mqtt_connects_total"), len(self.strict.hung_up)
        for _ in range(3):
            bad.send("request", bad.about_me())
        wait_until(lambda: self.metric("otad_mqtt_dropped_total") >= 4, "its answers are dropped")
        self.update("good-6", "hw-hang")
        self.assertEqual(self.metric("otad_mqtt_connects_total"), connects)
        self.assertEqual(len(self.strict.hung_up), hung_up)

    def test_several_bad_ones_amid_a_crowd(self):
        since = len(self.daemon.log())
        devices = [self.device(f"crowd-{number}", version="1.0.0") for number in range(10)]
        bad = [self.device(f"bad-{number}", version="1.0.0") for number in range(3)]
        for device in bad + devices:
            device.send("request", device.about_me())
        for device in devices:
            self.assertEqual(device.request(timeout=60)["type"], "up_to_date")
        for device in bad:
            wait_until(lambda: self.lines("not sent", f"device={device.id}:", since=since), "it is given up", 60)
        wait_until(self.daemon.ready, "ready again", 30)
        self.assertEqual(self.lines("another client may use", since=since), [])


class HangsUpOn311(HangsUp):
    version = "3.1.1"


class SaysWhy(Hanging):
    """With MQTT 5's DISCONNECT, which has a reason."""

    farewell = bytes([0xE0, 2, 0x97, 0])  # quota exceeded

    def test_readyz_keeps_the_reason(self):
        bad = self.device("bad-reason", version="1.0.0")
        bad.send("request", bad.about_me())

        def cause():
            check = self.rest.call("GET", "/readyz").json["checks"]["broker"]
            return None if check["ok"] else check["detail"]

        for breaks in (1, 2):
            wait_until(lambda: self.strict.hung_up.count("/ota/bad-reason/up_to_date") >= breaks, "the broker hung up", 20)
            self.assertIn("quota", wait_until(cause, "readyz has the cause"))
        wait_until(lambda: self.lines("not sent", "device=bad-reason"), "it is given up")
        wait_until(self.daemon.ready, "ready again", 30)


class Refuses(BrokerCase):
    """The broker refuses by a reason code what its access list doesn't have."""

    @classmethod
    def setUpClass(cls):
        made = harness.Broker

        def listed(folder, kept):
            (folder / "acl").write_text("topic readwrite /ota/+/request\ntopic read #\ntopic write /ota/good/#\n")
            # Without a bound Mosquitto 2.0.11 ends the connection after each refusal.
            return made(folder, kept, f"max_queued_messages 100000\nacl_file {folder / 'acl'}")

        with unittest.mock.patch("harness.Broker", listed):
            super(BrokerCase, cls).setUpClass()

    def test_named_and_dropped(self):
        bad = self.device("refused", version="1.0.0")
        bad.send("request", bad.about_me())
        line = wait_until(lambda: self.lines("not sent", "device=refused"), "it is given up")[0]
        self.assertIn("up_to_date: the broker refused it (not authorised)", line)
        good = self.device("good", version="1.0.0")
        self.assertEqual(good.request()["type"], "up_to_date")
        self.assertEqual(self.metric("otad_mqtt_connects_total"), 1)
        self.assertEqual(self.metric("otad_mqtt_dropped_total"), 1)
        wait_until(lambda: self.metric("otad_mqtt_outbox") == 0, "the broker acknowledged the answer")


class Retained(BrokerCase):
    persistence = True
    version = "auto"

    @classmethod
    def setUpClass(cls):
        cls.settings = {"mqtt.version": cls.version}
        super().setUpClass()

    def retain(self, topic, payload):
        command = ["mosquitto_pub", "-p", str(self.broker.port), "-q", "1", "-r", "-t", topic, "-m", json.dumps(payload)]
        subprocess.run(command, check=True)

    def test_speaks_once(self):
        self.firmware("2.0.0", "hw-kept")
        task = self.upgrade("kept", "2.0.0", hardware="hw-kept")
        device = self.device("kept", hardware="hw-kept", version="1.0.0")
        device.request("metadata")
        self.retain("/ota/kept/progress", {"task_id": task, "state": "failed", "reason": "no space"})
        wait_until(lambda: self.rest.task(task)["attempt"] == 2, "it is heard when it is said")
        self.retain("/ota/kept/request", {"current_version": "1.0.0"})
        for _ in range(2):
            since = self.restart()
            self.assertEqual(self.rest.task(task)["attempt"], 2)
            self.check_warning(since, "kept", {"progress", "request"})

    def test_orders_once(self):
        """A request that names a version is an order."""
        self.firmware("2.0.0", "hw-asks")
        request = {"version": "2.0.0", "hardware": "hw-asks", "current_version": "1.0.0"}
        self.retain("/ota/asks/request", request)
        tasks = wait_until(lambda: self.rest.items("/tasks", device_id="asks"), "it is heard when it is said")
        task = tasks[0]["task_id"]
        self.assertEqual(self.rest.call("POST", f"/tasks/{task}/cancel").status, 200)
        self.rest.wait_state(task, "cancelled")
        for _ in range(2):
            since = self.restart()
            self.assertEqual([one["task_id"] for one in self.rest.items("/tasks", device_id="asks")], [task])
            self.check_warning(since, "asks", {"request"})

    def restart(self):
        """Until another device was heard; where the log was."""
        self.daemon.stop()
        since = len(self.daemon.log())
        self.daemon.start()
        self.assertEqual(self.device("witness", version="1.0.0").request()["type"], "up_to_date")
        return since

    def check_warning(self, since, device, words):
        lines = self.lines("retained", f"device={device} ", since=since)
        self.assertEqual(len(lines), len(words), lines)
        for word in words:
            self.assertTrue(any(f"/ota/{device}/{word}" in line for line in lines), lines)


class RetainedOn311(Retained):
    version = "3.1.1"


class Debug(BrokerCase):
    settings = {"log.level": "debug"}

    def test_each_message_is_logged_without_its_secret(self):
        device = self.device("talks", version="1.0.0", token="secret-1234567890")
        device.request("up_to_date")
        received = self.lines("received device=talks over mqtt: /ota/talks/request, ")
        self.assertEqual(len(received), 1)
        size = len(json.dumps({"token": "secret-1234567890", **device.about_me()}))
        self.assertTrue(received[0].endswith(f"{size} bytes"), received)
        self.assertRegex(self.lines("sent device=talks over mqtt: /ota/talks/up_to_date, ")[0], r"\d+ bytes$")
        headers = {"Authorization": "Bearer secret-1234567890"}
        self.rest.call("POST", "/ota/talks/request", {"current_version": "1.0.0"}, headers)
        self.assertEqual(len(self.lines("received device=talks over http: /ota/talks/request, ")), 1)
        self.assertNotIn("secret-1234567890", self.daemon.log())


class OddTopics(BrokerCase):
    def test_one_line_and_nothing_else(self):
        witness = self.device("odd-witness", version="1.0.0")
        for topic in ("/ota//request", "/ota/a b/progress", "/ota/\u00e4/verify"):
            since = len(self.daemon.log())
            witness.mqtt.publish(topic, "{}", 1).wait_for_publish(10)
            wait_until(lambda: self.lines("refused", "bad_message", since=since), f"{topic} is refused")
        for payload in (b"", b"\xff\xfe", b"{\"chunk\":", b"[]", b"\0"):
            since = len(self.daemon.log())
            witness.send("progress", payload)
            wait_until(lambda: self.lines("refused", "device=odd-witness", since=since), f"{payload} is refused")
        self.assertEqual(witness.request("up_to_date")["type"], "up_to_date")
        self.assertEqual(self.metric("otad_mqtt_connects_total"), 1)
        self.assertFalse(re.search("mqtt: handling .* failed", self.daemon.log()))


if __name__ == "__main__":
    main()
