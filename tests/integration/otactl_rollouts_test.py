"""A day's work with otactl: firmware, channels, rollouts that are watched, tasks of single devices."""
import json
import re
import signal
import threading
import time

from harness import image, main, wait_until
from otactl_case import LIMIT, OtactlCase, lines_of


class DayCase(OtactlCase):
    settings = {"rollouts.soak_s": 1, "rollouts.stage_delay_s": 0, "tasks.retry_backoff_s": 1,
                "tasks.retry_backoff_max_s": 1}

    def channel(self, name):
        self.otactl("channel", "set", name)

    def fleet(self, channel, count, version="1.0.0"):
        devices = [self.device(f"{channel}-{number}", hardware=f"hw-{channel}", version=version)
                   for number in range(count)]
        for device in devices:
            device.request("up_to_date", channel=channel)
        return devices

    def upload(self, version, hardware, *options, size=50_000):
        file = self.home / f"{hardware}-{version}.img"
        file.write_bytes(image(f"{hardware} {version}", size))
        return self.otactl("firmware", "upload", str(file), "--version", version, "--hardware", hardware, *options)

    def start(self, channel, version, *options, status=0):
        """The rollout's id."""
        told = self.otactl("rollout", "start", channel, version, "--hardware", f"hw-{channel}", "--yes", *options,
                           status=status).stdout
        return re.match(r"(RO_\d+_\d+) is made", told).group(1)

    def update(self, device):
        """The device takes its update and proves it."""
        device.run()
        time.sleep(1.2)
        device.request("up_to_date")

    def in_background(self, work):
        thread = threading.Thread(target=work)
        thread.start()
        self.addCleanup(thread.join)


class Firmware(DayCase):
    def test_upload_list_show_block_and_remove(self):
        told = self.upload("1.1.0", "fw", "--notes", "first").stdout
        self.assertRegex(told, r"^firmware 1\.1\.0 for fw is in the catalogue: 48\.8 KiB, sha256:[0-9a-f]{64}\n$")
        self.assertIn("was there already", self.upload("1.1.0", "fw").stdout)
        (self.home / "other.img").write_bytes(b"other")
        refused = self.otactl("firmware", "upload", "other.img", "--version", "1.1.0", "--hardware", "fw", status=1)
        self.assertIn("(version_exists)", refused.stderr)
        self.assertRegex(self.otactl("firmware", "list").stdout, r"(?m)^1\.1\.0 +fw +48\.8 KiB ")
        self.assertRegex(self.otactl("firmware", "show", "1.1.0", "--hardware", "fw").stdout, r"(?m)^notes +first$")
        blocked = self.otactl("firmware", "block", "1.1.0", "--hardware", "fw", "--reason", "it bricks", "--yes")
        self.assertIn("0 devices run it; open rollouts: none", blocked.stderr)
        self.assertTrue(self.json("firmware", "show", "1.1.0", "--hardware", "fw")["blocked"])
        self.otactl("firmware", "unblock", "1.1.0", "--hardware", "fw")
        self.otactl("firmware", "remove", "1.1.0", "--hardware", "fw", status=2)
        self.otactl("firmware", "remove", "1.1.0", "--hardware", "fw", "--yes")
        self.assertIn("there is no firmware 1.1.0 for fw",
                      self.otactl("firmware", "show", "1.1.0", "--hardware", "fw", status=1).stderr)

    def test_a_version_of_several_types_needs_its_type(self):
        for hardware in ("fa", "fb"):
            self.upload("3.0.0", hardware)
        told = self.otactl("firmware", "show", "3.0.0", status=2).stderr
        self.assertIn("choose by --hardware: fa, fb", told)

    def test_files_that_are_none_are_refused(self):
        for file, words in (("/nowhere", "No such file"), (str(self.home), "no regular file"),
                            ("/dev/zero", "no regular file")):
            self.assertIn(words, self.otactl("firmware", "upload", file, "--version", "1", status=2).stderr)

    def test_a_bar_is_shown_on_a_terminal_and_an_interruption_leaves_nothing(self):
        file = self.home / "large.img"
        file.write_bytes(image("large", 1 << 20) * 64)
        screen = self.screen("firmware", "upload", str(file), "--version", "7.0.0", "--hardware", "bar")
        screen.wait_for("reading .*100 %")
        self.assertEqual(screen.wait(), 0, screen.text)
        self.assertRegex(screen.text, r"sending .*100 %  64\.0 MiB of 64\.0 MiB")
        # A server that takes nothing: the body stays in the socket's buffers.
        self.daemon.send_signal(signal.SIGSTOP)
        try:
            screen = self.screen("firmware", "upload", str(file), "--version", "7.0.1", "--hardware", "bar")
            screen.wait_for("sending ")
            screen.type("\x03")
            self.assertEqual(screen.wait(), 130)
        finally:
            self.daemon.send_signal(signal.SIGCONT)
        self.assertIn("interrupted: the firmware is not in the catalogue", screen.text)
        self.otactl("firmware", "show", "7.0.1", "--hardware", "bar", status=1)

    def test_signed_with_a_new_key_it_is_what_the_server_demands(self):
        told = self.otactl("key", "new-signing", "vendor-2026").stdout
        self.assertIn("--sign vendor-2026.key", told)
        self.assertEqual((self.home / "vendor-2026.key").stat().st_mode & 0o777, 0o600)
        self.assertIn("no key is ever overwritten", self.otactl("key", "new-signing", "vendor-2026", status=1).stderr)
        keys = self.folder / "keys"
        keys.mkdir()
        self.reload({"security.trusted_keys_dir": str(keys), "security.require_signed_firmware": True})
        self.addCleanup(self.reload, {"security.require_signed_firmware": False})
        (keys / "vendor-2026.pem").write_bytes((self.home / "vendor-2026.pem").read_bytes())
        self.reload({})
        self.addCleanup((keys / "vendor-2026.pem").unlink)
        (self.home / "plain.img").write_bytes(b"plain")
        self.assertIn("signature_invalid", self.otactl("firmware", "upload", "plain.img", "--version", "5.0.0",
                                                       status=1).stderr)
        told = self.upload("5.0.0", "signed", "--sign", "vendor-2026.key").stdout
        self.assertIn("signed by vendor-2026", told)


class Channels(DayCase):
    def test_set_show_list_and_delete(self):
        self.otactl("channel", "set", "night", "--window", "sat,sun 23:00-04:00 Europe/Berlin", "--window",
                    "01:00-02:00", "--approval", "on", "--notes", "field")
        told = self.otactl("channel", "show", "night").stdout
        self.assertRegex(told, r"(?m)^installs +sat, sun 23:00-04:00 Europe/Berlin; .*01:00-02:00 UTC$")
        self.assertRegex(told, r"(?m)^needs approval +yes$")
        self.otactl("channel", "set", "night", "--no-window", "--approval", "off")
        self.assertRegex(self.otactl("channel", "list").stdout, r"(?m)^night +0 +0 +- +- +always")
        self.assertIn("a window looks like", self.otactl("channel", "set", "night", "--window", "x", status=2).stderr)
        self.assertIn("timezone", self.otactl("channel", "set", "night", "--window", "01:00-02:00 No/Where",
                                              status=1).stderr)
        self.otactl("channel", "delete", "night", status=2)
        self.otactl("channel", "delete", "night", "--yes")
        self.assertIn("(not_found)", self.otactl("channel", "show", "night", status=1).stderr)


class Rollouts(DayCase):
    def test_a_dry_run_shows_the_figures_and_a_question_has_them_too(self):
        self.channel("dry")
        self.fleet("dry", 3)
        self.upload("2.0.0", "hw-dry")
        start = ("rollout", "start", "dry", "2.0.0", "--hardware", "hw-dry", "--stages", "canary,50%,100%", "--max-failures", "1")
        told = self.otactl(*start, "--dry-run").stdout
        self.assertIn("3 of 3 living devices get it", told)
        self.assertIn("halts when 1 device failed", told)
        self.assertIn("Nothing was started", told)
        self.assertIn("needs --yes", self.otactl(*start, status=2).stderr)
        screen = self.screen(*start)
        screen.wait_for(r"3 of 3 living devices get it(.|\n)*Start it\? \[y/N\] ")
        screen.type("n\r")
        self.assertEqual(screen.wait(), 1)
        self.assertEqual(self.json("rollout", "list", "--channel", "dry")["items"], [])

    def test_watched_on_a_terminal_it_draws_stages_until_it_is_completed(self):
        self.channel("watch")
        devices = self.fleet("watch", 3)
        self.upload("2.0.0", "hw-watch")
        screen = self.screen("rollout", "start", "watch", "2.0.0", "--hardware", "hw-watch", "--yes", "--watch", "--stages", "1,100%",
                             "--max-failures", "100%", columns=72)
        screen.wait_for("stage 2 ")
        screen.resize(50)
        for _ in devices:
            device = wait_until(lambda: next((one for one in devices if one.version == "1.0.0" and
                                              one.peek("metadata")), None), "an offer", 20)
            self.update(device)
        self.assertEqual(screen.wait(), 0, screen.text)
        last = lines_of(screen.text)
        self.assertIn("completed", screen.text)
        self.assertTrue(any(re.search(r"stage 2 +█{10} 3/3  3 healthy", line) for line in last), last[-12:])
        self.assertTrue(all(len(line) <= 72 for line in last), last)

    def test_plain_lines_json_and_exit_status_of_a_halted_one(self):
        self.channel("halt")
        (device,) = self.fleet("halt", 1)
        self.upload("2.0.0", "hw-halt")
        rollout = self.start("halt", "2.0.0", "--stages", "100%", "--max-failures", "1")

        watch = self.otactl_running("rollout", "status", rollout, "--watch", "--timeout", "60")
        told = watch.stdout.readline()
        metadata = device.wait("metadata", timeout=20)
        device.download(metadata)
        device.verify(metadata, "success")
        device.progress(metadata, state="failed", reason="it does not boot")
        told += watch.communicate(timeout=LIMIT)[0]
        self.assertEqual(watch.returncode, 3)
        self.assertRegex(told, rf"(?m)^\d\d:\d\d:\d\d  {rollout} running, stage 1 of 1: ")
        self.assertRegex(told, rf"(?m)^\d\d:\d\d:\d\d  {rollout} halted: budget_spent, stage 1 of 1: 1 failed\n\Z")
        lines = self.otactl("-o", "json", "rollout", "status", rollout, "--watch", status=3).stdout.splitlines()
        self.assertEqual(json.loads(lines[-1])["state"], "halted")
        shown = self.otactl("rollout", "status", rollout).stdout
        self.assertIn("failed: device_failed, 1 device (halt-0)", shown)
        self.assertIn(f"! {rollout} of 2.0.0 halted: budget_spent", self.otactl("status").stdout)
        members = self.otactl("rollout", "devices", rollout, "--bucket", "failed").stdout
        self.assertRegex(members, r"(?m)^halt-0 .*it does not boot")
        self.assertIn("(still_halted)", self.otactl("rollout", "resume", rollout, status=1).stderr)
        self.otactl("rollout", "retry", rollout, "halt-0")
        self.assertIn(": running", self.otactl("rollout", "resume", rollout, "--max-failures", "5").stdout)
        asked = self.otactl("rollout", "cancel", rollout, status=2)
        self.assertIn("1 update will be cancelled", asked.stderr)
        self.otactl("rollout", "cancel", rollout, "--yes")
        self.otactl("rollout", "status", rollout, "--watch", status=3)
        self.assertRegex(self.otactl("rollout", "history", rollout).stdout, r"^AT +HEALTHY")

    def test_pause_advance_finish_and_rollback(self):
        self.channel("verbs")
        self.fleet("verbs", 2)
        self.upload("1.0.0", "hw-verbs")
        self.upload("2.0.0", "hw-verbs")
        first = self.start("verbs", "1.0.0")
        self.assertIn(": completed", self.otactl("rollout", "finish", first).stdout)
        second = self.start("verbs", "2.0.0", "--stages", "1,100%")
        self.assertIn(": paused", self.otactl("rollout", "pause", second).stdout)
        self.assertIn("(wrong_state)", self.otactl("rollout", "pause", second, status=1).stderr)
        self.assertIn(": running", self.otactl("rollout", "resume", second).stdout)
        self.assertIn(": running", self.otactl("rollout", "advance", second).stdout)
        self.assertRegex(self.otactl("rollout", "list", "--channel", "verbs").stdout, rf"(?m)^{second} +2\.0\.0 +verbs")
        asked = self.otactl("rollout", "rollback", second, status=2)
        self.assertIn("a rollout of 1.0.0 made for devices that run 2.0.0", asked.stderr)
        back = self.otactl("rollout", "rollback", second, "--yes").stdout
        self.assertRegex(back, r"^RO_\d+_\d+ of 1\.0\.0 to verbs, hardware hw-verbs is made: running")
        self.assertEqual(self.json("rollout", "status", second)["state"], "cancelled")

    def test_approval_is_another_persons(self):
        self.otactl("channel", "set", "four", "--approval", "on")
        self.fleet("four", 1)
        self.upload("2.0.0", "hw-four")
        rollout = self.start("four", "2.0.0")
        self.assertIn("waits for approval", self.otactl("status").stdout)
        self.assertIn("(same_person)", self.otactl("rollout", "approve", rollout, status=1).stderr)
        self.assertIn(": cancelled", self.otactl("rollout", "deny", rollout).stdout)

    def test_a_watch_ends_by_time_and_by_a_signal_and_outlives_a_restart(self):
        self.channel("long")
        self.fleet("long", 1)
        self.upload("2.0.0", "hw-long")
        rollout = self.start("long", "2.0.0")
        told = self.otactl("rollout", "status", rollout, "--watch", "--timeout", "1s", status=124)
        self.assertIn("not ended after 1 s; the rollout goes on", told.stderr)
        screen = self.screen("rollout", "status", rollout, "--watch")
        screen.wait_for("stage 1 ")
        self.assertEqual(self.daemon.stop(), 0)
        screen.wait_for("can't reach .*; trying again")
        self.daemon.start()
        screen.wait_for("connected again")
        screen.type("\x03")
        self.assertEqual(screen.wait(), 130)
        self.assertIn("interrupted; the rollout goes on", screen.text)
        self.assertEqual(self.json("rollout", "status", rollout)["state"], "running")


class Tasks(DayCase):
    def test_an_upgrade_is_watched_until_it_succeeds(self):
        device = self.seen("up-1", hardware="up", version="1.0.0")
        self.upload("2.0.0", "up", size=600_000)
        self.in_background(lambda: (device.wait("metadata", timeout=20) and self.update(device)))
        told = self.otactl("upgrade", "up-1", "2.0.0", "--security", "--watch", "--timeout", "60").stdout
        self.assertRegex(told, r"^OTA_\d+_\d+ is made: up-1 to 2\.0\.0, queued\n")
        self.assertRegex(told, r"up-1  1\.0\.0 → 2\.0\.0  succeeded\n\Z")
        task = self.json("task", "list", "--where", "id=up-1")["items"][0]
        self.assertEqual(task["priority"], "security")
        shown = self.otactl("task", "show", task["task_id"]).stdout
        self.assertIn("100 %  585.9 KiB of 585.9 KiB", shown)
        self.assertRegex(self.otactl("task", "log", task["task_id"]).stdout, r"^AT +KIND")
        self.assertEqual(self.otactl("task", "watch", task["task_id"]).stdout.count("succeeded"), 1)
        self.assertIn("(already_installed)", self.otactl("upgrade", "up-1", "2.0.0", status=1).stderr)

    def test_cancel_and_retry(self):
        self.upload("2.0.0", "ca")
        made = self.otactl("upgrade", "ca-1", "2.0.0", "--hardware", "ca").stdout
        task = made.split()[0]
        self.otactl("task", "cancel", task, status=2)
        self.assertIn(": cancelled", self.otactl("task", "cancel", task, "--yes").stdout)
        self.otactl("task", "watch", task, status=3)
        again = self.otactl("task", "retry", task).stdout
        self.assertRegex(again, r"^OTA_\d+_\d+ is made: ca-1 to 2\.0\.0")
        screen = self.screen("task", "watch", again.split()[0], columns=60)
        screen.wait_for(r"0 %  0 B of 48\.8 KiB")
        screen.type("\x03")
        self.assertEqual(screen.wait(), 130)
        self.assertIn("(unknown_task)", self.otactl("task", "show", "OTA_20200101_000001", status=1).stderr)


if __name__ == "__main__":
    main()
