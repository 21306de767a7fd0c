"""A fleet of 500 devices of which some say wrong checksums, fail to install, roll back, or go offline: what GET /tasks and
GET /devices say is what the devices are, device by device."""
import http.client
import json
import queue
import socket
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt

from device import indexes
from harness import PATIENCE, ServerCase, digest, image, main, wait_until

WORDS = ("metadata", "success", "retry", "failed", "queued", "up_to_date", "cancel", "error")
OLD, NEW = "1.0.0", "2.0.0"
FLEET = 500
EACH = FLEET // 50  # 2 %


class Unit:
    """One device: what it is, what it does after each answer, and what the server must say of it in the end."""

    expected = ("succeeded", None, None, True)  # state, reason, detail, confirmed
    tells = True

    def __init__(self, fleet, name):
        self.fleet, self.id, self.version = fleet, name, OLD

    def ask(self):
        about = {"current_version": self.version} if self.tells else {}
        self.fleet.send(self, "request", {"hardware": "gw-a", **about})

    def report(self, task, **fields):
        self.fleet.send(self, "progress", {"task_id": task, **fields})

    def metadata(self, message):
        wanted = indexes(message["missing"])
        for index in wanted:
            self.fleet.fetch(message, index)
            self.report(message["task_id"], chunk=index, status="ok", transport="http")
        self.verify(message)

    retry = metadata

    def verify(self, message):
        self.fleet.send(self, "verify", {"task_id": message["task_id"], "attempt": message["attempt"],
                                         "checksum": self.checksum(message)})

    def checksum(self, message):
        return message["checksum"]

    def success(self, message):
        self.version = NEW
        self.ask()

    def queued(self, message):
        pass  # its turn comes by itself

    up_to_date = failed = cancel = error = queued

    def runs(self):
        """What GET /devices must say: the version, and whether the device said so itself."""
        return self.version, True


class WrongChecksum(Unit):
    expected = ("failed", "checksum_mismatch", None, False)

    def checksum(self, message):
        return digest(b"worn flash " + self.id.encode())


class InstallFails(Unit):
    expected = ("failed", "device_failed", "exit 3: no space left\non /dev/mmcblk0p2", False)

    def success(self, message):
        self.report(message["task_id"], state="installing")
        self.report(message["task_id"], state="failed", reason=self.expected[2])

    def runs(self):
        return OLD, False  # what it said before is a guess now


class RollsBack(Unit):
    """Comes up with the new version, says so, and is thrown back by its watchdog."""

    expected = ("failed", "rolled_back", "watchdog: no link for 60 s", False)

    def success(self, message):
        self.report(message["task_id"], state="rebooting")
        self.report(message["task_id"], state="installed")
        self.report(message["task_id"], state="rolled_back", reason=self.expected[2])

    def runs(self):
        return OLD, False  # it said that it went back, not to what


class ComesBackOld(Unit):
    """Confirms, and the next time it asks it runs the old version."""

    expected = ("failed", "rolled_back", f"runs {OLD}", False)

    def success(self, message):
        super().success(message)
        self.version = OLD
        self.ask()


class OfflineAfterSuccess(Unit):
    expected = ("failed", "confirm_timeout", None, False)

    def success(self, message):
        pass


class LateConfirmation(OfflineAfterSuccess):
    """Is back after confirm_timeout, with the new version."""

    expected = Unit.expected

    def failed(self, message):
        self.version = NEW
        self.ask()


class OfflineInDownload(Unit):
    expected = ("queued", "stalled", None, False)

    def metadata(self, message):
        self.report(message["task_id"], chunk=0, status="ok", transport="http")

    retry = queued = Unit.queued


class NeverTells(Unit):
    expected = ("succeeded", None, None, False)
    tells = False

    def success(self, message):
        self.version = NEW

    def runs(self):
        return NEW, False


class NeverTellsAndFails(InstallFails):
    tells = False

    def runs(self):
        return None, False


class Fleet:
    """All devices over one connection to the broker, driven by one thread."""

    def __init__(self, broker_port):
        self.units, self.inbox, self.links, self.image = {}, queue.Queue(), {}, {}
        self.mqtt = mqtt.Client(client_id="fleet", protocol=mqtt.MQTTv311)
        self.mqtt.max_inflight_messages_set(1000)
        ready = queue.Queue()
        self.mqtt.on_connect = lambda client, *_: client.subscribe([(f"/ota/+/{word}", 1) for word in WORDS])
        self.mqtt.on_subscribe = lambda *_: ready.put(True)
        self.mqtt.on_socket_open = lambda _c, _d, line: line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.mqtt.on_message = lambda _c, _d, message: self.inbox.put((message.topic, message.payload))
        self.mqtt.connect("127.0.0.1", broker_port)
        self.mqtt.loop_start()
        ready.get(timeout=10 * PATIENCE)

    def add(self, kind, count):
        for number in range(count):
            unit = kind(self, f"{kind.__name__}-{number}")
            self.units[unit.id] = unit

    def send(self, unit, word, payload):
        self.mqtt.publish(f"/ota/{unit.id}/{word}", json.dumps(payload), 1)

    def fetch(self, message, index):
        """Each chunk of each device comes over the line, and is right."""
        parts = urlsplit(message["chunk_url"].replace("{index}", str(index)))
        link = self.links.get(parts.netloc) or http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        self.links[parts.netloc] = link
        link.request("GET", parts.path + "?" + parts.query)
        reply = link.getresponse()
        body = reply.read()
        assert reply.status == 200, (reply.status, body[:200])
        assert digest(body) == "sha256:" + message["chunks"][index], f"chunk {index} is wrong"

    def drive(self, seconds):
        """Handles what comes until nothing came for so long."""
        while True:
            try:
                topic, payload = self.inbox.get(timeout=seconds)
            except queue.Empty:
                return
            _, _, name, word = topic.split("/")
            if name in self.units:
                getattr(self.units[name], word)(json.loads(payload))

    def close(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()
        for link in self.links.values():
            link.close()


class FleetTruth(ServerCase):
    settings = {
        "tasks.stall_timeout_s": 15,
        "tasks.confirm_timeout_s": 20,
        "tasks.retry_backoff_s": 0,
        "tasks.retry_backoff_max_s": 0,
    }

    def test_what_the_server_says_is_what_the_devices_are(self):
        self.assertEqual(self.rest.upload(NEW, image("fleet", 10_000), "gw-a").status, 201)
        fleet = Fleet(self.broker.port)
        self.addCleanup(fleet.close)
        fleet.add(WrongChecksum, EACH)
        fleet.add(InstallFails, EACH // 2)
        fleet.add(NeverTellsAndFails, EACH - EACH // 2)
        fleet.add(RollsBack, EACH // 2)
        fleet.add(ComesBackOld, EACH - EACH // 2)
        fleet.add(OfflineAfterSuccess, 3)
        fleet.add(LateConfirmation, 3)
        fleet.add(OfflineInDownload, EACH - 6)
        fleet.add(NeverTells, EACH)
        fleet.add(Unit, FLEET - len(fleet.units))
        for unit in fleet.units.values():
            answer = self.rest.upgrade(unit.id, NEW, hardware="gw-a", chunk_size=4)
            self.assertEqual(answer.status, 201, answer)
        for unit in fleet.units.values():
            unit.ask()

        def settled():
            fleet.drive(0.5)
            return not self.differences(fleet)

        try:
            wait_until(settled, "what the server says is what the devices are", 80)
        except AssertionError:
            self.fail("\n".join(self.differences(fleet)[:20]))
        # A failure is found by its device's own words, and refuses no repair.
        failed = self.rest.items("/tasks", state="failed", limit=100)
        texts = {task["detail"] for task in failed if task["reason"] == "device_failed"}
        self.assertEqual(texts, {InstallFails.expected[2]})
        for name in ("InstallFails-0", "RollsBack-0", "ComesBackOld-0", "NeverTellsAndFails-0", "OfflineAfterSuccess-0"):
            self.assertEqual(self.rest.upgrade(name, NEW, hardware="gw-a").status, 201, name)
        problem = self.assert_problem(self.rest.upgrade("Unit-0", NEW), 409)
        self.assertEqual(problem["code"], "already_installed")

    def differences(self, fleet):
        """Where GET /tasks or GET /devices says something else than the device is."""
        tasks = {task["device_id"]: task for task in self.rest.items("/tasks", limit=1000)}
        devices = {device["device_id"]: device for device in self.rest.items("/devices", limit=1000)}
        found = []
        for name, unit in fleet.units.items():
            task, device = tasks[name], devices[name]
            said = (task["state"], task["reason"], task["detail"], task["confirmed"])
            if said != unit.expected:
                found.append(f"task of {name}: {said}, expected {unit.expected}")
            runs = (device["current_version"], device["version_confirmed"])
            if runs != unit.runs():
                found.append(f"{name} runs {runs}, expected {unit.runs()}")
        return found


if __name__ == "__main__":
    main()
