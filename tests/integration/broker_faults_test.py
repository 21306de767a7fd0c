"""A broker that freezes, ends, drops connections, refuses and forgets: nothing said is lost, and every device finishes.

OTAD_FREEZE_S: how long the broker stands still (30).
"""
import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
import unittest.mock

import paho.mqtt.client as mqtt

from device import Device
from harness import PATIENCE, SANITIZED, Broker, ServerCase, main, wait_until

FREEZE = float(os.environ.get("OTAD_FREEZE_S", "30"))
GRID = 65536
KEEPALIVE = 5  # s


class Listener:
    """Hears everything that the daemon says to devices."""

    def __init__(self, port):
        self.heard = []
        self.mqtt = mqtt.Client(client_id="listener", protocol=mqtt.MQTTv5)
        self.ready = threading.Event()
        words = ("metadata", "cancel", "success", "retry", "failed", "queued", "up_to_date", "error")
        self.mqtt.on_connect = lambda client, *_: client.subscribe([(f"/ota/+/{word}", 1) for word in words])
        self.mqtt.on_subscribe = lambda *_: self.ready.set()
        self.mqtt.on_message = lambda _client, _data, message: self.heard.append(tuple(message.topic.split("/")[2:]))
        self.mqtt.connect("127.0.0.1", port, keepalive=300)
        self.mqtt.loop_start()
        assert self.ready.wait(10 * PATIENCE)

    def of(self, word):
        return {device for device, said in list(self.heard) if said == word}

    def close(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


class BrokerCase(ServerCase):
    settings = {
        "mqtt.keepalive_s": KEEPALIVE,
        "tasks.max_active": 1000,
        "tasks.offer_timeout_s": 600,
        "tasks.stall_timeout_s": 600,
    }

    def metric(self, name):
        page = self.rest.call("GET", "/metrics").body.decode()
        return float(next(line.split()[1] for line in page.splitlines() if line.startswith(name + " ")))

    def cause(self):
        """Why the broker's check fails, if it does."""
        check = self.rest.call("GET", "/readyz").json["checks"]["broker"]
        return None if check["ok"] else check["detail"]

    def present(self, name, hardware, version="1.0.0"):
        """A device that asks over HTTP, whatever the broker does, and is up to date."""
        answer = self.rest.call("POST", f"/ota/{name}/request", {"current_version": version, "hardware": hardware})
        self.assertEqual((answer.status, answer.json["type"]), (200, "up_to_date"), answer)

    @contextlib.contextmanager
    def fleet(self, name, count, pace=0.05):
        """Devices that update by themselves meanwhile; all have to finish with the right image."""
        hardware = f"hw-{name}"
        data = self.firmware("2.0.0", hardware, 40 * GRID)
        devices = [Device(f"{name}-{number}", self.broker.port, hardware, "1.0.0") for number in range(count)]
        ended, faults = {}, []

        def live(device):
            try:
                metadata = None
                deadline = time.monotonic() + 90 * PATIENCE
                while ended.get(device.id) != "success" and time.monotonic() < deadline:
                    # A device repeats what isn't answered, for as long as it takes.
                    with contextlib.suppress(AssertionError, RuntimeError):
                        if metadata is None:
                            metadata = device.request("metadata")
                        for index in range(metadata["chunk_count"]):
                            if index not in device.chunks:
                                device.fetch(metadata, index)
                                time.sleep(pace)
                        ended[device.id] = device.verify(metadata)["type"]
                if device.assembled(metadata) != data:
                    faults.append(f"{device.id} has another image")
            except Exception as fault:  # pylint: disable=broad-except
                faults.append(f"{device.id}: {fault!r}")

        for device in devices:
            device.connect()
            self.addCleanup(device.close)
        tasks = [self.upgrade(device.id, "2.0.0", chunk_size=64, hardware=hardware) for device in devices]
        threads = [threading.Thread(target=live, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        try:
            yield devices
        finally:
            for thread in threads:
                thread.join()
        self.assertEqual(faults, [])
        self.assertEqual(ended, {device.id: "success" for device in devices})
        for device, task in zip(devices, tasks):
            self.present(device.id, hardware, "2.0.0")  # confirms
            self.assertEqual(self.rest.wait_state(task, "succeeded")["attempt"], 1)


class Frozen(BrokerCase):
    def test_all_that_was_said_meanwhile_arrives(self):
        listener = Listener(self.broker.port)
        self.addCleanup(listener.close)
        self.firmware("2.0.0", "hw-many", 3 * GRID)
        names = [f"many-{number}" for number in range(300)]
        for name in names:
            self.present(name, "hw-many")
        with self.fleet("frozen", 6) as devices:
            wait_until(lambda: all(device.chunks for device in devices), "all are amid their downloads", 30)
            self.broker.send_signal(signal.SIGSTOP)
            try:
                begun = time.monotonic()
                tasks = {name: self.upgrade(name, "2.0.0") for name in names}
                for name in names[:100]:
                    self.assertEqual(self.rest.call("POST", f"/tasks/{tasks[name]}/cancel").status, 200)
                wait_until(self.cause, "readyz says that the broker is silent", KEEPALIVE * 3 + 5)
                self.assertEqual(self.rest.call("GET", "/healthz").status, 200)
                waiting = self.metric("otad_mqtt_outbox")
                self.assertGreaterEqual(waiting, 100)
                self.assertLessEqual(waiting, 1000, "each message once, however often it connects")
                time.sleep(max(0.0, FREEZE - (time.monotonic() - begun)))
            finally:
                self.broker.send_signal(signal.SIGCONT)
            wait_until(lambda: not self.cause(), "the daemon is back", 40)
        wait_until(lambda: self.metric("otad_mqtt_outbox") == 0, "all is delivered", 20)
        wait_until(lambda: listener.of("metadata") >= set(names), "every offer arrived", 20)
        wait_until(lambda: listener.of("cancel") >= set(names[:100]), "every cancel arrived", 20)
        self.assertEqual(self.metric("otad_mqtt_refused_total"), 0)


class Full(BrokerCase):
    """More is to be said than may wait for the broker: 64 MiB."""

    DEVICES = 16
    MEMORY = 224 << 20  # the whole daemon

    def test_what_does_not_fit_is_refused_and_counted(self):
        names = [f"full-{number}" for number in range(self.DEVICES)]
        self.firmware("2.0.0", "hw-full", 64 * GRID)
        heard = set()

        def on_message(_client, _data, message):
            _, _, device, word = message.topic.split("/")
            if device in names:
                heard.add((word, re.search(rb'"task_id":"(\w+)"', message.payload)[1]))

        listener = Listener(self.broker.port)
        self.addCleanup(listener.close)
        listener.mqtt.on_message = on_message
        for name in names:
            self.present(name, "hw-full")
        # The digests are in memory from here on: each upgrade is offered at once.
        warm = self.upgrade(names[0], "2.0.0", chunk_size=64)
        wait_until(lambda: ("metadata", warm.encode()) in heard, "the first is offered")
        self.rest.call("POST", f"/tasks/{warm}/cancel")
        wait_until(lambda: ("cancel", warm.encode()) in heard, "and cancelled")
        heard.clear()
        said, faults, enough = [], [], threading.Event()

        def fill(name):
            """An upgrade and its cancel, again and again: each is said to the device."""
            line = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60 * PATIENCE)
            body = json.dumps({"device_id": name, "firmware_version": "2.0.0", "chunk_size": 64})
            with contextlib.closing(line):
                while not enough.is_set():
                    line.request("POST", "/firmware/upgrade", body)
                    reply = line.getresponse()
                    answer = json.loads(reply.read())
                    if reply.status != 201:
                        return faults.append(answer)
                    task = answer["task_id"]
                    said.append(task)
                    line.request("POST", f"/tasks/{task}/cancel", "")
                    reply = line.getresponse()
                    answer = reply.read()
                    if reply.status != 200:
                        return faults.append(answer)
                    said.append(task)

        with self.fleet("beside", 4) as devices:
            wait_until(lambda: all(device.chunks for device in devices), "all are amid their downloads", 30)
            self.broker.send_signal(signal.SIGSTOP)
            try:
                begun = time.monotonic()
                threads = [threading.Thread(target=fill, args=(name,)) for name in names]
                for thread in threads:
                    thread.start()
                wait_until(lambda: faults or self.metric("otad_mqtt_refused_total") >= 1000, "the outbox is full", 240)
                enough.set()
                for thread in threads:
                    thread.join()
                self.assertEqual(faults, [])
                took = time.monotonic() - begun
                waiting, refused = self.metric("otad_mqtt_outbox"), self.metric("otad_mqtt_refused_total")
                self.assertEqual(self.metric("otad_device_unsent_total"), refused)
                self.assertLessEqual(waiting, 100_000)
                wait_until(self.cause, "readyz says that the broker is silent", KEEPALIVE * 3 + 5)
                self.assertEqual(self.rest.call("GET", "/healthz").status, 200)
            finally:
                enough.set()
                self.broker.send_signal(signal.SIGCONT)
            wait_until(lambda: not self.cause(), "the daemon is back", 60)
        wait_until(lambda: self.metric("otad_mqtt_outbox") == 0, "all is delivered", 60)
        # What was taken arrived, all of it, cancels too; what was refused didn't.
        accepted = len(said) - int(refused)
        wait_until(lambda: len(heard) >= accepted, "what was taken is heard", 60)
        self.assertEqual(len(heard), accepted)
        self.assertGreaterEqual(accepted, waiting)
        peak = self.daemon.peak_rss()
        print(f"full after {took:.1f} s: {waiting:.0f} messages waited, {refused:.0f} refused, all {accepted} others heard; "
              f"peak memory {peak >> 20} MiB", flush=True)
        if not SANITIZED:
            self.assertLess(peak, self.MEMORY)
        # Whoever missed something asks again, as devices do.
        for name in names[:4]:
            task = self.upgrade(name, "2.0.0", chunk_size=64)
            device = self.device(name, hardware="hw-full", version="1.0.0")
            self.assertEqual(device.run(timeout=60)["type"], "success")
            self.assertEqual(self.rest.task(task)["attempt"], 1)


class Ended(BrokerCase):
    """Without persistence: the broker knows nobody after its restart."""

    def test_starts_anew_without_its_state(self):
        with self.fleet("forgotten", 6):
            for _ in range(3):
                time.sleep(1)
                self.broker.kill()
                wait_until(self.cause, "readyz says that the broker is away")
                time.sleep(0.5)
                self.broker.start()
                wait_until(lambda: not self.cause(), "the daemon is back", 20)


class Proxy:
    """Carries bytes between the daemon and its broker, and cuts lines on demand."""

    def __init__(self, target):
        self.target, self.lines, self.over = target, [], False
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.accepted = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while not self.over:
                near, _ = self.server.accept()
                self.accepted += 1
                try:
                    far = socket.create_connection(("127.0.0.1", self.target()), 5)
                except OSError:
                    near.close()
                    continue
                self.lines.append((near, far))
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    @staticmethod
    def carry(one, other):
        with contextlib.suppress(OSError):
            while piece := one.recv(65536):
                other.sendall(piece)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self, reset):
        lines, self.lines = self.lines, []
        for near, far in lines:
            with contextlib.suppress(OSError):
                if reset:
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                near.shutdown(socket.SHUT_RDWR)
            near.close()
            far.close()

    def close(self):
        self.over = True
        self.server.close()
        self.cut(True)


class Dropping(BrokerCase):
    @classmethod
    def setUpClass(cls):
        from harness import Daemon

        def behind_proxy(folder, port, settings):
            cls.proxy = Proxy(lambda: port)
            return Daemon(folder, cls.proxy.port, settings)

        with unittest.mock.patch("harness.Daemon", behind_proxy):
            super().setUpClass()

    @classmethod
    def clean(cls):
        cls.proxy.close()
        super().clean()

    def test_lines_that_break_again_and_again(self):
        luck = random.Random(7)
        connects = self.metric("otad_mqtt_connects_total")
        with self.fleet("dropping", 8, pace=0.3):
            for number in range(5):
                wait_until(lambda: not self.cause(), "the daemon is back", 20)
                time.sleep(luck.uniform(0.0, 0.6))
                self.proxy.cut(reset=number % 2 == 0)
                wait_until(self.cause, "it sees that the line is cut")
        wait_until(lambda: not self.cause(), "the daemon is back", 30)
        self.assertGreaterEqual(self.metric("otad_mqtt_connects_total"), connects + 4)
        wait_until(lambda: self.metric("otad_mqtt_outbox") == 0, "nothing waits any more", 20)


class Refusing(BrokerCase):
    """The broker doesn't know the daemon's password at first; devices need none."""

    @classmethod
    def setUpClass(cls):
        from harness import Daemon

        def guarded(folder, persistence):
            cls.passwords = folder / "passwords"
            cls.give_password("another-5678")
            return Broker(folder, persistence, f"allow_anonymous true\npassword_file {cls.passwords}")

        def unready(folder, port, settings):
            secret = folder / "secret"
            secret.write_text("right-1234\n")
            secret.chmod(0o600)
            names = {"mqtt.username": "otad", "mqtt.password_file": str(secret)}
            daemon = Daemon(folder, port, {**settings, **names})
            start = daemon.start
            daemon.start = lambda ready=False: start(ready)
            return daemon

        with unittest.mock.patch("harness.Daemon", unready), unittest.mock.patch("harness.Broker", guarded):
            super().setUpClass()

    @classmethod
    def give_password(cls, password):
        cls.passwords.unlink(missing_ok=True)
        command = ["mosquitto_passwd", "-b", "-c", str(cls.passwords), "otad", password]
        subprocess.run(command, check=True, capture_output=True)
        cls.passwords.chmod(0o644)

    def test_refuses_and_then_takes_it(self):
        wait_until(lambda: "password" in (self.cause() or "").lower(), "readyz names the password")
        with self.fleet("refused", 4):
            time.sleep(1)
            self.assertTrue(self.cause())
            self.give_password("right-1234")
            self.broker.send_signal(signal.SIGHUP)
            wait_until(lambda: not self.cause(), "taken without a restart", 15)
        self.assertNotIn("right-1234", self.daemon.log())


if __name__ == "__main__":
    main()
