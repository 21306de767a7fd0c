"""`otad backup` and `otad restore`: everything comes back elsewhere, and nothing that is not whole is taken."""
import io
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import unittest

from device import Device
from harness import ENVIRONMENT, OTAD, ROOT, Daemon, ServerCase, image, main

# What is a clock, or of one process.
CLOCKS = re.compile(rb'"(age_s|uptime_s|seconds_ago|now|living|present|online|until|next_at|free_bytes|at)": ?("[^"]*"|[\d.]+)')
ROUTES = ("/firmware", "/devices", "/tasks", "/channels", "/rollouts", "/devices/gw-1")


class BackupCase(ServerCase):
    def elsewhere(self, **settings):
        """A server without data, with its settings."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-elsewhere-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        daemon = Daemon(folder, self.broker.port, {
            "mqtt.client_id": folder.name, "security.trusted_keys_dir": str(folder / "keys"), **settings})
        self.addCleanup(daemon.kill)
        daemon.write_config()
        return daemon


class Restore(BackupCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        keys = cls.folder / "keys"
        keys.mkdir()
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(cls.folder / "vendor.key")], check=True)
        subprocess.run(["openssl", "pkey", "-in", str(cls.folder / "vendor.key"), "-pubout", "-out",
                        str(keys / "vendor.pem")], check=True)
        cls.daemon.settings["security.trusted_keys_dir"] = str(keys)
        cls.daemon.restart()
        for version in ("1.0.0", "1.1.0"):
            assert cls.daemon.rest.upload(version, image(version, 300_000), "gw-a").status == 201
        device = Device("gw-1", cls.broker.port, hardware="gw-a", version="0.9.0").connect()
        assert cls.daemon.rest.upgrade("gw-1", "1.0.0").status == 201
        device.run()
        device.close()
        assert cls.daemon.rest.upgrade("gw-2", "1.1.0", hardware="gw-a").status == 201
        cls.backup = cls.folder / "backup.otad"
        cls.made = subprocess.run([OTAD, "--config", str(cls.daemon.config), "backup", str(cls.backup)],
                                  capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout

    def restore(self, daemon, *arguments, file=None, status=0):
        done = subprocess.run([OTAD, "--config", str(daemon.config), "restore", *arguments, str(file or self.backup)],
                              capture_output=True, text=True, check=False, env=ENVIRONMENT)
        self.assertEqual(done.returncode, status, done)
        return done.stdout + done.stderr

    def answers(self, rest):
        found = {}
        for route in ROUTES:
            answer = rest.call("GET", route)
            self.assertEqual(answer.status, 200, route)
            found[route] = CLOCKS.sub(rb"", answer.body)
        return found

    def test_everything_is_there_after_a_restore(self):
        there = self.elsewhere()
        self.assertRegex(self.restore(there), r"backup of .* by otad .*, schema \d+: \d+ files, .* MiB, 2 images\nrestored to")
        there.start()
        before, after = self.answers(self.daemon.rest), self.answers(there.rest)
        for route in ROUTES:
            self.assertEqual(after[route], before[route], route)
        for name in ("download.key", "webhook.key"):
            self.assertEqual((there.folder / name).read_bytes(), (self.folder / name).read_bytes())
        self.assertEqual((there.folder / "keys/vendor.pem").read_bytes(), (self.folder / "keys/vendor.pem").read_bytes())
        self.assertEqual(pathlib.Path(f"{there.settings['storage.database']}.settings").read_bytes(),
                         self.daemon.config.read_bytes(), "other settings are there, so these lie beside the database")
        self.assertFalse(list(there.folder.rglob(".restore")))
        self.assertEqual(there.rest.call("GET", "/readyz").status, 200)

    def test_a_backup_is_private_and_is_named_when_it_is_whole(self):
        self.assertEqual(self.backup.stat().st_mode & 0o777, 0o600)
        self.assertRegex(self.made, r"2 images\n$")
        self.assertFalse(list(self.folder.glob("*.part*")))

    def test_check_changes_nothing(self):
        there = self.elsewhere()
        before = sorted(there.folder.rglob("*"))
        self.assertIn("2 images", self.restore(there, "--check"))
        self.assertEqual(sorted(there.folder.rglob("*")), before)

    def test_without_images(self):
        file = self.folder / "small.otad"
        self.otad("backup", "--without-images", str(file))
        self.addCleanup(file.unlink)
        there = self.elsewhere()
        self.assertIn("without images", self.restore(there, file=file))
        there.start(ready=False)
        self.assertEqual(there.rest.call("GET", "/readyz").json["checks"]["images"]["ok"], False)
        self.assertEqual(len(there.rest.items("/firmware")), 2)

    def test_a_database_that_is_there_stays(self):
        there = self.elsewhere()
        there.start()
        self.assertIn("already uses the database", self.restore(there, status=1))
        there.stop()
        before = pathlib.Path(there.settings["storage.database"]).read_bytes()
        self.assertIn("move it away first", self.restore(there, status=1))
        self.assertEqual(pathlib.Path(there.settings["storage.database"]).read_bytes(), before)

    def archive(self, *files, name="made.otad"):
        """One of the test's own, of (name, bytes, type), compressed as otad does it."""
        plain = self.folder / "made.tar"
        with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as out:
            for file, data, kind in files:
                item = tarfile.TarInfo(file)
                item.size, item.type = len(data), kind
                item.linkname = "/etc/passwd" if kind == tarfile.SYMTYPE else ""
                out.addfile(item, io.BytesIO(data))
        path = self.folder / name
        subprocess.run(["bsdtar", "-cf", str(path), "--zstd", f"@{plain}"], check=True)
        return path

    def test_what_is_no_whole_backup_is_refused(self):
        whole = self.backup.read_bytes()
        flipped = bytearray(whole)
        flipped[len(flipped) // 2] ^= 1
        plain = tarfile.REGTYPE
        bad = {
            "empty": b"",
            "text": b"otad\n" * 1000,
            "half": whole[: len(whole) // 2],
            "its end is missing": whole[:-200],
            "a bit": bytes(flipped),
            "the database itself": pathlib.Path(self.daemon.settings["storage.database"]).read_bytes(),
        }
        made = {
            "a link": [("otad.db", b"", tarfile.SYMTYPE)],
            "a path outside": [("../otad.db", b"x", plain)],
            "an absolute path": [("/etc/cron.d/x", b"x", plain)],
            "a hidden name": [("firmware/..", b"x", plain)],
            "no list": [("otad.db", b"x", plain)],
            "an empty list": [("otad.db", b"x", plain), ("backup.json", b"{}", plain)],
            "a list of nothing": [("otad.db", b"x", plain), ("backup.json", b'{"otad": "1", "schema": 1, "created_at": '
                                                             b'"2026-11-27T00:00:00Z", "images": true, "files": []}', plain)],
            "a newer schema": [("otad.db", b"", plain),
                               ("backup.json", b'{"otad": "9.0.0", "schema": 9999, "created_at": "2026-11-27T00:00:00Z", '
                                b'"images": true, "files": [{"name": "otad.db", "size": 0, "sha256": "e3b0c44298fc1c149afb'
                                b'f4c8996fb92427ae41e4649b934ca495991b7852b855"}]}', plain)],
            "no database": [("otad.db", b"", plain),
                            ("backup.json", b'{"otad": "0.1.0", "schema": 1, "created_at": "2026-11-27T00:00:00Z", '
                             b'"images": true, "files": [{"name": "otad.db", "size": 0, "sha256": "e3b0c44298fc1c149afb'
                             b'f4c8996fb92427ae41e4649b934ca495991b7852b855"}]}', plain)],
        }
        reasons = {
            "a link": "holds more than plain files", "a path outside": "it holds \"../otad.db\"",
            "an absolute path": "it holds \"/etc/cron.d/x\"", "a hidden name": "it holds \"firmware/..\"",
            "no list": "its end is missing", "an empty list": "its list backup.json can't be read",
            "a list of nothing": "differ from its list", "a newer schema": "made by otad 9.0.0, whose schema 9999 is newer",
            "no database": "database",
        }
        files = {}
        for number, (what, content) in enumerate(bad.items()):
            files[what] = self.folder / f"bad-{number}.otad"
            files[what].write_bytes(content)
        for number, (what, content) in enumerate(made.items()):
            files[what] = self.archive(*content, name=f"made-{number}.otad")
        there = self.elsewhere()
        for what, file in files.items():
            with self.subTest(what):
                said = self.restore(there, file=file, status=1)
                self.assertRegex(said, r"^otad: .+\n$")
                self.assertRegex(said, reasons.get(what, "can't be read as a backup|no whole backup"))
                self.assertFalse(pathlib.Path(there.settings["storage.database"]).exists())
                self.assertFalse(list(there.folder.rglob("*.img")))
                self.assertFalse(list(there.folder.rglob(".restore")))

    def test_killed_at_any_moment_it_is_done_or_not_there(self):
        luck = random.Random(5)
        begun = time.monotonic()
        self.restore(self.elsewhere())
        takes = time.monotonic() - begun
        done = 0
        for _ in range(20):
            there = self.elsewhere()
            program = subprocess.Popen([OTAD, "--config", str(there.config), "restore", str(self.backup)],
                                       env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(luck.uniform(0.0, takes))
            program.send_signal(signal.SIGKILL)
            program.wait()
            if pathlib.Path(there.settings["storage.database"]).exists():
                done += 1
            else:
                self.restore(there)
            there.start()
            self.assertEqual(self.answers(there.rest)["/tasks"], self.answers(self.daemon.rest)["/tasks"])
            self.assertEqual(there.rest.call("GET", "/readyz").status, 200, "all images are there")
            there.kill()
        self.assertLess(done, 20, "some were killed in time")

    def test_the_age_of_the_last_backup_is_a_metric(self):
        shown = self.rest.call("GET", "/metrics").body.decode()
        taken = float(re.search(r"^otad_last_backup_timestamp_seconds (\S+)$", shown, re.MULTILINE)[1])
        self.assertLess(abs(time.time() - taken), 600)


class Standby(BackupCase):
    def standby(self, daemon, status=0):
        done = subprocess.run(["sh", str(ROOT / "docs/examples/standby.sh"), str(self.fresh), str(daemon.config)],
                              capture_output=True, text=True, check=False,
                              env=ENVIRONMENT | {"PATH": f"{pathlib.Path(OTAD).resolve().parent}:{ENVIRONMENT['PATH']}"})
        self.assertEqual(done.returncode, status, done)
        return done.stderr

    def test_a_standby_is_kept_warm_and_takes_over(self):
        daemon = self.elsewhere()
        self.firmware("3.0.0", "hw-standby")
        self.fresh = self.folder / "standby.otad"
        for turn in range(2):
            self.fresh.unlink(missing_ok=True)
            self.assertEqual(self.rest.call("PUT", f"/channels/turn-{turn}", {}).status, 201)
            self.otad("backup", str(self.fresh))
            self.standby(daemon)
        late = self.upgrade("standby-late", "3.0.0", hardware="hw-standby")  # the backup doesn't have it
        daemon.start()
        again = daemon.rest.upgrade("standby-again", "3.0.0", hardware="hw-standby")
        self.assertEqual(again.status, 201, again)
        numbers = [int(task.split("_")[2]) for task in (late, again.json["task_id"])]
        self.assertGreater(numbers[1], numbers[0] + 100_000)
        channels = {channel["name"] for channel in daemon.rest.get("/channels")["items"]}
        self.assertLessEqual({"turn-0", "turn-1"}, channels)
        self.assertIn("otad runs here", self.standby(daemon, status=1))
        self.assertEqual(daemon.rest.call("GET", "/channels/turn-1").status, 200)


if __name__ == "__main__":
    main()
