"""Debian's SWUpdate against otad: its whole cycle, interrupted, failing, cancelled, badly signed; a fleet of them."""
import contextlib
import unittest

from harness import ServerCase, image, main, wait_until
from swupdate import USABLE, Swupdate, Vendor


@unittest.skipUnless(USABLE, "swupdate is not installed, or has no network of its own")
class SwupdateCase(ServerCase):
    settings = {"tasks.retry_backoff_s": 0, "ddi.version_attribute": "version", "ddi.poll_s": 30}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vendor = Vendor(cls.folder)

    def swupdate(self, name, *options):
        one = Swupdate(self.folder, name, self.daemon.port, self.vendor, options)
        self.addCleanup(one.kill)
        return one.start()

    def known(self, device):
        wait_until(lambda: self.rest.call("GET", f"/devices/{device.name}").status == 200
                   and self.rest.get(f"/devices/{device.name}")["current_version"], "it reports its version", 120)

    def update(self, device, version, data=None, **image_options):
        """The task, and what the image holds."""
        data = image(version, 400_000) if data is None else data
        self.firmware(version, data=self.vendor.swu(version, data, **image_options))
        self.known(device)
        task = self.upgrade(device.name, version)
        device.restart()  # it polls at its start
        return task, data


    def fails(self, device, task):
        """Every attempt, each begun by a restart; the task."""
        for attempt in (2, 3):
            wait_until(lambda: self.rest.task(task)["attempt"] == attempt, f"attempt {attempt}", 120)
            device.restart()
        return self.rest.wait_state(task, "failed", timeout=120)


class Cycle(SwupdateCase):
    def test_poll_download_install_restart_success(self):
        device = self.swupdate("sw-1")
        task, data = self.update(device, "2.0.1")
        self.rest.wait_state(task, "installing", timeout=120)
        wait_until(lambda: device.slot.exists() and device.slot.read_bytes() == data, "it is installed")
        wait_until(lambda: self.rest.get("/devices/sw-1")["attributes"] == {"version": "1.0.0", "serial": "sw-1"},
                   "its attributes are known")
        shown = self.rest.get("/devices/sw-1")
        self.assertEqual((shown["protocol"], shown["client"].split("/")[0]), ("ddi", "libcurl-agent"))
        device.restart("2.0.1", confirm=2)
        done = self.rest.wait_state(task, "succeeded", timeout=120)
        self.assertTrue(done["confirmed"])
        wait_until(lambda: self.rest.get("/devices/sw-1")["current_version"] == "2.0.1", "the registry follows")
        self.assertIn("Installing Update Chunk Artifacts.",
                      " ".join(entry["detail"] or "" for entry in self.rest.items(f"/tasks/{task}/log")))

    def test_a_download_that_is_interrupted(self):
        """By a crash of the server; SWUpdate goes on where it was."""
        self.caps(each=1_000_000)
        self.addCleanup(self.caps)
        device = self.swupdate("sw-2", "-r", "50")
        task, data = self.update(device, "2.0.2", image("2.0.2", 6_000_000))
        wait_until(lambda: self.rest.task(task)["progress"]["bytes"] > 1_500_000, "some of it is there", 120)
        self.daemon.restart()
        self.rest.wait_state(task, "installing", timeout=120)
        sent = self.rest.task(task)["progress"]["bytes_sent"]
        self.assertLess(sent, 9_000_000, "it didn't begin again")
        wait_until(lambda: device.slot.read_bytes() == data, "it is installed")
        self.assertEqual(self.rest.task(task)["attempt"], 1)
        device.restart("2.0.2", confirm=2)
        self.rest.wait_state(task, "succeeded", timeout=120)

    def test_an_installation_that_fails(self):
        device = self.swupdate("sw-3")
        task, _ = self.update(device, "2.0.3", script="#!/bin/sh\nexit 1\n")
        failed = self.fails(device, task)
        self.assertEqual((failed["reason"], failed["attempt"]), ("device_failed", 3))
        self.assertTrue(failed["detail"])
        self.assertEqual(self.rest.get("/devices/sw-3")["current_version"], "1.0.0")

    def test_a_failure_after_the_restart(self):
        device = self.swupdate("sw-4")
        task, _ = self.update(device, "2.0.4")
        self.rest.wait_state(task, "installing", timeout=120)
        device.wait_log("SWUPDATE successful")
        device.restart(confirm=3)
        wait_until(lambda: self.rest.task(task)["attempt"] == 2, "a failed attempt", 120)
        # It may poll, and be offered it again, by now.
        self.assertIn("device_failed", [entry["reason"] for entry in self.rest.task(task)["timeline"]])

    def test_cancelled_amid_the_download(self):
        self.caps(each=100_000)
        self.addCleanup(self.caps)
        device = self.swupdate("sw-5")
        task, _ = self.update(device, "2.0.5", image("2.0.5", 12_000_000))
        wait_until(lambda: self.rest.task(task)["progress"]["bytes"] > 100_000, "some of it is there", 120)
        self.assertEqual(self.rest.call("POST", f"/tasks/{task}/cancel").status, 200)

        def closed():
            return any(entry["kind"] == "report" and entry["event"] == "cancel: closed"
                       for entry in self.rest.items(f"/tasks/{task}/log"))

        try:
            wait_until(closed, "it says that it stopped", 40)
        except AssertionError:
            # SWUpdate 2022.12 at times waits for its own threads for ever after the abort. Once it is started again, it
            # is given the cancel again.
            device.wait_log("Waiting for requests")
            device.restart()
            wait_until(closed, "it says that it stopped", 120)
        self.assertEqual(self.rest.state(task), "cancelled")
        self.caps()
        next_task, data = self.update(device, "2.0.51")
        self.rest.wait_state(next_task, "installing", timeout=120)
        wait_until(lambda: device.slot.exists() and device.slot.read_bytes() == data, "the next one is installed", 120)

    def test_a_bad_signature(self):
        device = self.swupdate("sw-6")
        stranger = self.folder / "stranger"
        stranger.mkdir()
        self.firmware("2.0.6", data=Vendor(stranger).swu("2.0.6", image("2.0.6", 400_000)))
        self.known(device)
        task = self.upgrade("sw-6", "2.0.6")
        device.restart()
        failed = self.fails(device, task)
        self.assertEqual(failed["reason"], "device_failed")
        self.assertFalse(device.slot.exists())


class Fleet(SwupdateCase):
    """Twenty devices and a firmware that fails after the restart: the rollout halts."""

    settings = {**SwupdateCase.settings, "rollouts.soak_s": 3, "rollouts.stage_delay_s": 0}
    count = 20

    def test_a_bad_firmware_halts(self):
        devices = [self.swupdate(f"fleet-{i}") for i in range(self.count)]
        for device in devices:
            self.known(device)
        for version in ("3.0.0", "3.0.1"):
            self.firmware(version, data=self.vendor.swu(version, image(version, 200_000)))
        bad = self.rest.call("POST", "/rollouts", {"channel": "default", "version": "3.0.0", "stages": ["100%"],
                                                   "max_failures": 2})
        self.assertEqual(bad.status, 201, bad)
        rollout = bad.json["rollout_id"]
        for device in devices:
            device.restart()
        restarted = set()

        def restart_installed():
            """As their watchdogs do, each once: back to the version before, as it doesn't start."""
            for device in devices:
                if device.name not in restarted and "SWUPDATE successful" in device.log():
                    restarted.add(device.name)
                    device.restart(confirm=3)
            return self.rest.get(f"/rollouts/{rollout}")["state"] == "halted"

        wait_until(restart_installed, "the rollout halts", 120)
        halted = self.rest.get(f"/rollouts/{rollout}")
        self.assertEqual(halted["reason"], "budget_spent")
        self.assertLessEqual(len(restarted), 2, "no more than the budget were harmed")
        self.assertEqual(halted["buckets"]["failed"], 2)
        installed = [device.name for device in devices if device.slot.exists()]
        self.assertEqual(sorted(installed), sorted(restarted), "all others were never shown it")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
