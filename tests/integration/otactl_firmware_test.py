"""otactl with firmware, channels and the tasks of single devices."""
import signal

from harness import image, main
from otactl_case import DayCase


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
        self.channel("fw")
        rollout = self.rest.call("POST", "/rollouts", {"channel": "fw", "version": "1.1.0", "hardware": "fw"}).json
        blocked = self.otactl("firmware", "block", "1.1.0", "--hardware", "fw", "--reason", "it bricks", "--yes")
        self.assertIn(f"0 devices run it; open rollouts: {rollout['rollout_id']} (running)", blocked.stderr)
        self.assertTrue(self.json("firmware", "show", "1.1.0", "--hardware", "fw")["blocked"])
        self.otactl("firmware", "unblock", "1.1.0", "--hardware", "fw")
        self.otactl("rollout", "cancel", rollout["rollout_id"], "--yes")
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
