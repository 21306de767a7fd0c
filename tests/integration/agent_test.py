"""ota-agent on an A/B pair of slots, restarted at every turn: what the server says of it is what the device is.

The device is a folder: two slots (files, whose first line is the version that runs from them), the name of the one that
runs and of the one to boot next. The ready install command for such pairs writes them. A restart of the machine is a
killed agent, another slot (or not), and a new agent.
"""
import json
import os
import pathlib
import pty
import signal
import subprocess

from harness import ENVIRONMENT, OTAD, ROOT, Process, ServerCase, image, main, wait_until

AGENT = str(pathlib.Path(OTAD).parent / "ota-agent")
HARDWARE = "gw-ab"
OLD, NEW = "1.0.0", "2.0.0"


def firmware(version, size=300_000):
    return f"{version}\n".encode() + image(version, size)


class AbDevice(Process):
    """One device with two slots. `options` are words for its agent, `install` its install command."""

    def __init__(self, folder, name, broker_port, options=(), install=str(ROOT / "config/agent/install-dd")):
        self.id, self.folder = name, folder / name
        self.folder.mkdir()
        super().__init__(self.folder / "agent.log")
        self.broker_port, self.options, self.install, self.told_before = broker_port, list(options), install, 0
        self.slots = {slot: self.folder / f"slot-{slot}" for slot in "ab"}
        self.slots["a"].write_bytes(firmware(OLD, 1000))
        self.slots["b"].write_bytes(b"0.9.0\n")
        for what in ("running", "next"):
            self.point(what, "a")

    def point(self, what, slot):
        (self.folder / what).write_text(f"{self.slots[slot]}\n")

    def at(self, what):
        return pathlib.Path((self.folder / what).read_text().strip())

    def runs(self):
        return self.at("running").read_bytes().split(b"\n", 1)[0].decode()

    def start(self, *more):
        """Powers it on."""
        self.told_before = len(self.log())
        environment = {
            **ENVIRONMENT,
            "SLOT_A": str(self.slots["a"]), "SLOT_B": str(self.slots["b"]),
            "RUNNING": f"cat {self.folder}/running",
            "ACTIVATE": f"sh -c 'echo {self.folder}/slot-$1 > {self.folder}/next' activate",
        }
        self.launch(
            [AGENT, "--id", self.id, "--hardware", HARDWARE, "--broker", f"tcp://127.0.0.1:{self.broker_port}",
             "--state-dir", str(self.folder / "state"), "--poll", "2", "--report", "json",
             "--version-command", f"head -n 1 $(cat {self.folder}/running)",
             "--install", self.install, *self.options, *more],
            environment)
        return self

    def power_cycle(self, into_new=True, more=()):
        """The machine restarts, from the slot that is to be next, or from the old one where that doesn't boot."""
        self.kill()
        if into_new:
            (self.folder / "running").write_text((self.folder / "next").read_text())
        else:
            (self.folder / "next").write_text((self.folder / "running").read_text())
        return self.start(*more)

    def events(self, name):
        """Of that name, since it was powered on."""
        lines = self.log()[self.told_before:].splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [event for event in events if event["event"] == name]


class Agent(ServerCase):
    settings = {"tasks.retry_backoff_s": 1, "tasks.retry_backoff_max_s": 1, "tasks.confirm_timeout_s": 600}

    def setUp(self):
        if not getattr(type(self), "uploaded", False):
            type(self).uploaded = self.firmware(NEW, HARDWARE, data=firmware(NEW))

    def device_named(self, name, *options, **more):
        device = AbDevice(self.folder, name, self.broker.port, options, **more)
        self.addCleanup(device.kill)
        device.start()
        wait_until(lambda: self.registry(device).get("current_version") == OLD, f"{name} was heard")
        return device

    def registry(self, device):
        answer = self.rest.call("GET", f"/devices/{device.id}")
        return answer.json if answer.status == 200 else {}

    def installed_and_waiting(self, device):
        """Ordered, fetched, installed into the other slot; the restart is still to come."""
        task = self.upgrade(device.id, NEW, chunk_size=16)
        wait_until(lambda: device.events("rebooting"), "the install command asked for a restart", 60)
        self.assertEqual(device.at("next").read_bytes(), self.uploaded)
        self.assertEqual(self.rest.state(task), "installing")
        self.assertEqual(self.registry(device)["current_version"], OLD, "the new version doesn't run yet")
        return task

    def ended(self, task, state):
        return self.rest.wait_state(task, state, timeout=60)

    def test_into_the_new_slot(self):
        device = self.device_named("new")
        task = self.installed_and_waiting(device)
        device.power_cycle()
        self.ended(task, "succeeded")
        self.assertEqual(device.runs(), NEW)
        wait_until(lambda: self.registry(device)["current_version"] == NEW, "the registry has the new version")

    def test_back_into_the_old_slot(self):
        device = self.device_named("old")
        task = self.installed_and_waiting(device)
        device.power_cycle(into_new=False)
        ended = self.ended(task, "failed")
        self.assertEqual(ended["reason"], "rolled_back")
        self.assertIn(f"{NEW} is in slot b, next to boot", ended["detail"])
        self.assertEqual(device.runs(), OLD)
        wait_until(lambda: self.registry(device)["current_version"] == OLD, "the registry has the old version")

    def test_into_a_newer_version_than_the_ordered_one(self):
        device = self.device_named("beyond")
        task = self.installed_and_waiting(device)
        device.slots["b"].write_bytes(b"2.5.0\n")
        device.power_cycle()
        self.assertEqual(self.ended(task, "cancelled")["reason"], "superseded")
        wait_until(lambda: device.events("superseded"), "the device says so, too")
        self.assertFalse(device.events("rolled_back") + device.events("failed"))
        seen = self.registry(device)
        self.assertEqual((seen["current_version"], seen["version_confirmed"]), ("2.5.0", True))

    def test_again_after_a_rollback(self):
        device = self.device_named("again")
        task = self.installed_and_waiting(device)
        device.power_cycle(into_new=False)
        self.ended(task, "failed")
        task = self.installed_and_waiting(device)
        device.power_cycle()
        self.ended(task, "succeeded")

    def test_killed_in_the_middle_of_the_download(self):
        device = self.device_named("middle", "--rate", "100000")
        task = self.upgrade(device.id, NEW, chunk_size=16)
        for percent in (20, 60):
            wait_until(lambda: self.rest.task(task)["progress"]["percent"] >= percent, f"{percent} % are there", 60)
            device.kill()
            device.start()
        wait_until(lambda: device.events("rebooting"), "the install command asked for a restart", 60)
        self.assertEqual(device.at("next").read_bytes(), self.uploaded)
        device.power_cycle()
        self.ended(task, "succeeded")

    def test_an_install_command_that_fails(self):
        device = self.device_named("broken", install="echo writing; echo no room on slot b >&2; exit 1")
        task = self.upgrade(device.id, NEW, chunk_size=16)
        ended = self.ended(task, "failed")
        self.assertEqual(ended["reason"], "device_failed")
        self.assertIn("no room on slot b", ended["detail"])
        self.assertEqual(self.registry(device)["current_version"], OLD)

    def test_a_new_version_that_is_not_well(self):
        device = self.device_named("unwell")
        task = self.installed_and_waiting(device)
        device.power_cycle(more=("--health-command", "echo no modem; exit 1", "--health-timeout", "1"))
        ended = self.ended(task, "failed")
        self.assertEqual(ended["reason"], "device_failed")
        self.assertIn("no modem", ended["detail"])
        seen = self.registry(device)["last_seen"]
        wait_until(lambda: self.registry(device)["last_seen"] != seen, "it was heard again")
        self.assertEqual(self.rest.state(task), "failed", "being heard from is no confirmation")

    def test_an_install_command_that_only_says_so(self):
        device = self.device_named("liar", install="exit 0")
        task = self.upgrade(device.id, NEW, chunk_size=16)
        ended = self.ended(task, "failed")
        self.assertEqual(ended["reason"], "device_failed")
        self.assertIn(f"{OLD} runs, not {NEW}", ended["detail"])
        self.assertEqual(self.registry(device)["current_version"], OLD)

    def test_the_server_is_away_while_the_device_restarts(self):
        device = self.device_named("alone")
        task = self.installed_and_waiting(device)
        self.daemon.kill()
        device.power_cycle(into_new=False)
        wait_until(lambda: device.events("rolled_back"), "the device knows", 30)
        self.daemon.start()
        self.assertEqual(self.ended(task, "failed")["reason"], "rolled_back")

    def test_signals_that_end_nothing(self):
        device = self.device_named("signals")
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            device.send_signal(number)
            wait_until(lambda: f"signal {number.value} has no effect" in device.log(), f"it says so of {number.name}")
        task = self.installed_and_waiting(device)
        device.power_cycle()
        self.ended(task, "succeeded")

    def test_a_closed_terminal_ends_it(self):
        ours, its = pty.openpty()
        self.addCleanup(os.close, ours)
        with subprocess.Popen([AGENT, "--id", "on-terminal", "--broker", f"tcp://127.0.0.1:{self.broker.port}",
                               "--state-dir", str(self.folder / "on-terminal")], stdin=its, env=ENVIRONMENT,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as agent:
            os.close(its)
            wait_until(lambda: self.rest.call("GET", "/devices/on-terminal").status == 200, "it was heard")
            agent.send_signal(signal.SIGHUP)
            self.assertEqual(agent.wait(30), 0)

    def test_a_secret_does_not_follow_an_offer(self):
        """To the host that an offer names, in clear: only to the gateway that the device's owner named."""
        self.assertIn(self.rest.call("PUT", "/devices/secret", {"hardware": HARDWARE}).status, (200, 201))
        token = self.folder / "secret.token"
        token.write_text(self.rest.call("POST", "/devices/secret/token").json["token"] + "\n")
        token.chmod(0o600)
        device = self.device_named("secret", "--token-file", str(token))
        self.installed_and_waiting(device)
        self.assertIn(f"messages will not go over HTTP to http://127.0.0.1:{self.daemon.port}", device.log())

    def test_versions_are_told_alike(self):
        told = [subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
                for program in (OTAD, AGENT)]
        self.assertEqual(told[1], told[0].replace("otad ", "ota-agent "))


if __name__ == "__main__":
    main()
