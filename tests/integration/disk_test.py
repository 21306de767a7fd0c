"""Disks that are full, read-only or failing: nothing half-written shows, the cause is told, and all goes on afterwards."""
import contextlib
import errno
import pathlib
import sqlite3
import subprocess
import sys
import threading
import unittest.mock

from disks import SKIPPED, Disk, FailingDaemon, mounts_work
from harness import ENVIRONMENT, MIB, OTAD, ServerCase, digest, image, main, wait_until

GRID = 65536


class DiskCase(ServerCase):
    """`disks`: folder below the test's own, size in MiB, kind. `places`: settings of folders and files there."""

    disks = {}
    places = {"storage.database": "data/otad.db", "storage.firmware_dir": "images/store"}
    daemon_class = FailingDaemon

    @classmethod
    def setUpClass(cls):
        cls.mounted = {}

        def prepared(folder, port, settings):
            for name, (size, kind) in cls.disks.items():
                cls.mounted[name] = Disk(folder / name, size, kind)
            places = {key: str(folder / place) for key, place in cls.places.items()}
            return cls.daemon_class(folder, port, {**settings, **places})

        with unittest.mock.patch("harness.Daemon", prepared):
            super().setUpClass()

    @classmethod
    def clean(cls):
        for process in (cls.daemon, cls.broker):
            if process:
                process.kill()
        for disk in cls.mounted.values():
            disk.unmount()
        super().clean()

    def checks(self):
        """readyz: its status, and what fails there, with why."""
        answer = self.rest.call("GET", "/readyz")
        return answer.status, {name: c["detail"] for name, c in answer.json["checks"].items() if not c["ok"]}

    def versions(self, hardware):
        return {item["version"] for item in self.rest.items("/firmware") if item["hardware"] == hardware}

    def images(self):
        folder = pathlib.Path(self.daemon.settings["storage.firmware_dir"])
        return {path.name for path in folder.rglob("*") if path.is_file()}

    def started(self, name, chunks=6):
        """A device amid its download."""
        hardware = f"hw-{name}"
        data = self.firmware("2.0.0", hardware, chunks * GRID)
        device = self.device(name, hardware=hardware, version="1.0.0")
        device.request("up_to_date")
        task = self.upgrade(name, "2.0.0", chunk_size=64)
        metadata = device.wait("metadata", task_id=task)
        device.download(metadata, only=[0, 1])
        self.rest.wait_state(task, "downloading")  # before anything breaks
        return device, metadata, data

    def finishes(self, device, metadata, data):
        """Without an attempt lost."""
        again = device.request("metadata")
        self.assertEqual((again["task_id"], again["attempt"]), (metadata["task_id"], 1))
        device.download(again, only=range(again["chunk_count"]))
        self.assertEqual(device.assembled(again), data)
        self.assertEqual(device.verify(again)["type"], "success")
        self.assertEqual(self.rest.state(metadata["task_id"]), "installing")

    def post_until_refused(self, name, most=20_000):
        """Upgrades until one is refused; the ids of those that were taken."""
        taken = []
        for number in range(most):
            answer = self.rest.upgrade(f"{name}-{number}", "9.0.0", hardware="hw-posts")
            if answer.status != 201:
                self.assert_problem(answer, 503)
                self.assertGreater(int(answer.headers["retry-after"]), 0)
                return taken
            taken.append(answer.json["task_id"])
        raise AssertionError(f"{most} upgrades were taken")

    def assert_stand(self, taken):
        """All of them are there, in a whole database."""
        stored = {task["task_id"] for task in self.rest.items("/tasks", version="9.0.0", limit=1000)}
        self.assertLessEqual(set(taken), stored)
        with contextlib.closing(sqlite3.connect(self.daemon.settings["storage.database"])) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(database.execute("PRAGMA foreign_key_check").fetchall(), [])


class FullImages(DiskCase):
    disks = {"images": (120, "tmpfs")}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.disk = cls.mounted["images"]

    def run(self, result=None):
        super().run(result)
        if getattr(self, "disk", None):
            self.disk.make_room()

    def upload_in_pieces(self, version, pieces):
        return self.rest.call(
            "POST",
            f"/firmware?version={version}&hardware=hw-full",
            pieces,
            {"Transfer-Encoding": "chunked"},
            encode_chunked=True,
            timeout=60,
        )

    def test_too_large_by_its_length(self):
        before = self.images()
        self.assert_problem(self.rest.upload("1.0.0", bytes(110 * MIB), "hw-full"), 507)
        self.assertEqual(self.images(), before)

    def test_full_amid_an_upload(self):
        before = self.images()
        answer = self.upload_in_pieces("2.0.0", (bytes(MIB) for _ in range(200)))
        self.assert_problem(answer, 507)
        self.assertIn("full", answer.json["title"])
        self.assertNotIn("2.0.0", self.versions("hw-full"))
        wait_until(lambda: self.images() == before, "the half-written image is gone")
        self.assertEqual(self.upload_in_pieces("2.0.0", (bytes(MIB) for _ in range(3))).status, 201)

    def test_filled_by_others_amid_an_upload(self):
        device, metadata, data = self.started("full-images")
        before = self.images()

        def pieces():
            for number in range(40):
                if number == 20:
                    self.disk.fill()
                yield image(f"piece {number}", MIB)

        self.assert_problem(self.upload_in_pieces("3.0.0", pieces()), 507)
        wait_until(lambda: self.images() == before, "the half-written image is gone")
        self.disk.fill()
        status, causes = self.checks()
        self.assertEqual((status, list(causes)), (503, ["disk"]))
        self.assertIn("MiB free", causes["disk"])
        self.assert_problem(self.rest.upload("3.0.0", b"small", "hw-full"), 507)
        self.assertNotIn("3.0.0", self.versions("hw-full"))
        device.download(metadata, only=[2, 3])  # what is there is served
        self.disk.make_room()
        self.assertEqual(self.checks(), (200, {}))
        self.assertEqual(self.rest.upload("3.0.0", b"small", "hw-full").status, 201)
        self.finishes(device, metadata, data)


class FullBackup(DiskCase):
    disks = {"copies": (1, "tmpfs")}
    places = {}

    def test_a_copy_for_which_there_is_no_room(self):
        folder = self.mounted["copies"].folder
        self.mounted["copies"].fill()
        target = folder / "copy.db"
        done = subprocess.run(
            [OTAD, "--config", str(self.daemon.config), "backup", str(target)],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr, "^otad: .*full.*\n$")
        self.assertEqual([path.name for path in folder.iterdir()], ["filler"])


class FullDatabase(DiskCase):
    disks = {"data": (24, "ext4")}

    def test_full_amid_commits(self):
        disk = self.mounted["data"]
        self.firmware("9.0.0", "hw-posts", 1000)
        device, metadata, data = self.started("full-data")
        taken = []
        for turn in range(2):
            with disk.kept_full():
                taken += self.post_until_refused(f"full-{turn}")
                causes = wait_until(lambda: (found := self.checks())[0] == 503 and found[1], "the cause is told")
                self.assertEqual(list(causes), ["database"])
                self.assertRegex(causes["database"], "full|disk I/O error")
                self.assertEqual(self.rest.call("GET", "/healthz").status, 200)
                self.assertEqual(self.rest.state(metadata["task_id"]), "downloading")
                device.download(metadata, only=[2 + turn])
                before = self.images()
                upload = self.rest.upload(f"1.{turn}.0", image(f"full {turn}", MIB), "hw-full")
                self.assert_problem(upload, 503)
                self.assertNotIn(f"1.{turn}.0", self.versions("hw-full"))
            wait_until(lambda: self.checks() == (200, {}), "it goes on when there is room")
            wait_until(lambda: self.images() == before, "the image that could not be recorded is gone")
            self.assertEqual(self.rest.upload(f"1.{turn}.0", b"x", "hw-full").status, 201)
            taken.append(self.upgrade(f"full-{turn}-after", "9.0.0", hardware="hw-posts"))
        self.finishes(device, metadata, data)
        self.daemon.restart()
        self.assert_stand(taken)


class LoggingDaemon(FailingDaemon):
    """Logs into a file; what comes out besides is read as well."""

    def log(self):
        file = self.folder / "logs" / "otad.log"
        return super().log() + (file.read_text(errors="replace") if file.exists() else "")


class FullLog(DiskCase):
    disks = {"logs": (1, "tmpfs")}
    places = {**DiskCase.places, "log.file": "logs/otad.log"}
    daemon_class = LoggingDaemon

    def test_goes_on_without_and_then_with_it(self):
        disk, log = self.mounted["logs"], self.folder / "logs" / "otad.log"
        self.firmware("9.0.0", "hw-posts", 1000)
        disk.fill()
        for number in range(300):
            task = self.upgrade(f"log-{number}", "9.0.0", hardware="hw-posts")
            self.assertEqual(self.rest.call("POST", f"/tasks/{task}/cancel").status, 200)  # a line each
        self.assertEqual(self.checks(), (200, {}))
        disk.make_room()
        task = self.upgrade("log-again", "9.0.0", hardware="hw-posts")
        self.rest.call("POST", f"/tasks/{task}/cancel")
        wait_until(lambda: task in log.read_text(), "the log goes on")


class ReadOnly(DiskCase):
    disks = {"data": (96, "ext4")}
    places = {"storage.database": "data/otad.db", "storage.firmware_dir": "data/images"}

    def test_a_file_system_that_breaks_down(self):
        disk = self.mounted["data"]
        self.firmware("9.0.0", "hw-posts", 1000)
        device, metadata, data = self.started("read-only")
        taken = [self.upgrade(f"before-{number}", "9.0.0", hardware="hw-posts") for number in range(20)]
        disk.break_down()
        self.assertEqual(self.post_until_refused("read-only"), [])
        status, causes = self.checks()
        self.assertEqual(status, 503)
        self.assertIn("database", causes)
        self.assertRegex(causes["database"], "(?i)read-?only|disk I/O error")
        self.assertGreaterEqual(self.rest.upload("1.0.0", b"x", "hw-ro").status, 500)
        self.assertNotIn("1.0.0", self.versions("hw-ro"))
        device.download(metadata, only=[2, 3])
        self.assertEqual(self.daemon.stop(), 0)
        disk.repair()
        self.daemon.start()
        self.assert_stand(taken)
        self.finishes(device, metadata, data)


class Failing(DiskCase):
    """Errors of single calls, and none after them."""

    def test_commands(self):
        self.firmware("9.0.0", "hw-posts", 1000)
        device, metadata, data = self.started("failing")
        taken = []
        for turn, (what, number) in enumerate(
            (("sync", errno.EIO), ("write", errno.EIO), ("write", errno.EROFS), ("write", errno.ENOSPC))
        ):
            with self.subTest(what, errno=errno.errorcode[number]):
                self.daemon.fail(what, number, f"{self.folder}/data/")
                self.assertEqual(self.post_until_refused(f"failing-{turn}"), [])
                self.assertEqual([*self.checks()[1]], ["database"])
                device.download(metadata, only=[2 + turn])
                self.daemon.heal()
                wait_until(lambda: self.checks() == (200, {}), "it goes on")
                taken.append(self.upgrade(f"failing-{turn}", "9.0.0", hardware="hw-posts"))
        self.finishes(device, metadata, data)
        self.daemon.restart()
        self.assert_stand(taken)

    def test_uploads(self):
        for turn, (what, number, status) in enumerate(
            (
                ("sync", errno.EIO, 503),
                ("write", errno.EIO, 503),
                ("sync", errno.ENOSPC, 507),
                ("write", errno.EROFS, 503),
            )
        ):
            with self.subTest(what, errno=errno.errorcode[number]):
                before, data = self.images(), image(f"failing {turn}", MIB)
                self.daemon.fail(what, number, f"{self.folder}/images/")
                problem = self.assert_problem(self.rest.upload(f"1.{turn}.0", data, "hw-failing"), status)
                self.assertNotEqual(problem["code"], "image_damaged")
                self.assertNotIn(f"1.{turn}.0", self.versions("hw-failing"))
                wait_until(lambda before=before: self.images() == before, "nothing is left of it")
                self.daemon.heal()
                self.assertEqual(self.rest.upload(f"1.{turn}.0", data, "hw-failing").status, 201)

    def test_a_checkpoint_that_fails(self):
        """The commit stands on the log; the database's own file is written from the log anew."""
        self.firmware("9.0.0", "hw-posts", 1000)
        mark, taken = len(self.daemon.log()), []
        self.daemon.fail("sync", errno.EIO, self.folder / "data/otad.db")
        over = threading.Event()

        def post(name):
            number = 0
            while not over.is_set():
                number += 1
                key = {"Idempotency-Key": f"{name}-{number}"}
                answer = self.rest.upgrade(f"{name}-{number}", "9.0.0", key, hardware="hw-posts")
                if answer.status == 201:
                    taken.append(answer.json["task_id"])
                else:
                    over.set()

        posters = [threading.Thread(target=post, args=(f"checkpoint-{number}",)) for number in range(4)]
        for poster in posters:
            poster.start()
        wait_until(over.is_set, "a checkpoint came due and failed", 60)
        for poster in posters:
            poster.join()
        self.assertTrue(self.daemon.log_lines("write-ahead log", mark))
        self.assertEqual([*self.checks()[1]], ["database"])
        self.daemon.heal()
        wait_until(lambda: self.checks() == (200, {}), "it goes on", 20)
        self.assertTrue(self.daemon.log_lines("opened afresh", mark))
        taken.append(self.upgrade("checkpoint-after", "9.0.0", hardware="hw-posts"))
        self.daemon.restart()
        self.assert_stand(taken)


class FlippedBit(DiskCase):
    def flip(self, data, at):
        path = self.folder / "images" / "store" / f"{digest(data)[7:]}.img"
        with open(path, "r+b") as stored:
            stored.seek(at)
            byte = stored.read(1)[0]
            stored.seek(at)
            stored.write(bytes([byte ^ 1]))
        return path

    def pass_a_tick(self):
        """The clock of a file system has steps of some milliseconds: what changes from now on has a later time."""
        probe = self.folder / "images" / "probe"
        probe.touch()
        begun = probe.stat().st_ctime_ns

        def later():
            probe.touch()
            return probe.stat().st_ctime_ns > begun

        wait_until(later, "the clock of the file system goes on", pause=0.001)
        probe.unlink()

    def metric(self, name):
        page = self.rest.call("GET", "/metrics").body.decode()
        return float(next(line.split()[1] for line in page.splitlines() if line.startswith(name + " ")))

    def assert_told(self, version):
        wait_until(lambda: self.metric("otad_firmware_damaged") == 1, "the metric tells")
        wait_until(lambda: [*self.checks()[1]] == ["images"], "readyz tells")
        status, causes = self.checks()
        self.assertEqual(status, 503)
        self.assertIn(version, causes["images"])

    def found_and_healed(self, name, data, found):
        """`found(device, metadata)` has the flip found; then a restart, a new upload, and the update itself."""
        hardware = f"hw-{name}"
        device = self.device(name, hardware=hardware, version="1.0.0")
        device.request("up_to_date")
        task = self.upgrade(name, "2.0.0", chunk_size=512)
        waiting = self.upgrade(f"{name}-absent", "2.0.0", hardware=hardware)
        metadata = device.wait("metadata", task_id=task)
        path = found(device, metadata)
        failed = device.wait("failed", timeout=20)
        self.assertEqual((failed["task_id"], failed["reason"]), (task, "image_damaged"))
        for ended in (task, waiting):
            self.assertEqual(self.rest.wait_state(ended, "failed")["reason"], "image_damaged")
        self.assert_told("2.0.0")
        self.assertFalse(path.exists(), "it is set aside")
        self.assert_problem(self.rest.upgrade(f"{name}-2", "2.0.0", hardware=hardware), 503)
        self.daemon.restart_unready()
        self.assert_told("2.0.0")
        self.assertEqual(self.rest.upload("2.0.0", data, hardware).status, 200)
        wait_until(lambda: self.checks() == (200, {}), "ready again")
        self.assertEqual(self.metric("otad_firmware_damaged"), 0)
        self.daemon.restart()
        again = self.upgrade(name, "2.0.0")
        self.assertEqual(device.run()["task_id"], again)
        offer = next(message for message in reversed(device.seen) if message["type"] == "metadata")
        self.assertEqual(device.assembled(offer), data)

    def test_found_by_a_download(self):
        # The scrub begins with the smallest digest and takes a while for it.
        large = self.firmware("1.0.0", "hw-large", data=bytes(256 * MIB))
        number = 0
        while digest(data := image(f"flipped {number}", 3 * MIB)) < digest(large):
            number += 1
        self.firmware("2.0.0", "hw-flip", data=data)

        def found(device, metadata):
            path = self.flip(data, 2 * MIB + 77)
            self.daemon.restart()
            device.use(metadata)
            for index in range(4):
                device.fetch(metadata, index)  # good blocks are served
            status, _, body = device.get(metadata["chunk_url"].replace("{index}", "4"))
            self.assertIn(status, (410, 503), body)
            self.assertLess(len(body), 2000, "not a byte of it")
            return path

        self.found_and_healed("flip", data, found)

    def test_found_after_it_was_served(self):
        data = self.firmware("2.0.0", "hw-changed", 3 * MIB)

        def found(device, metadata):
            device.use(metadata)
            device.fetch(metadata, 4)
            self.pass_a_tick()
            path = self.flip(data, 2 * MIB + 77)
            status, _, body = device.get(metadata["chunk_url"].replace("{index}", "4"))
            self.assertIn(status, (410, 503), body)
            self.assertLess(len(body), 2000, "not a byte of it")
            return path

        self.found_and_healed("changed", data, found)

    def test_found_by_the_scrub(self):
        data = self.firmware("2.0.0", "hw-scrub", 3 * MIB)

        def found(_device, _metadata):
            path = self.flip(data, len(data) - 1)
            self.daemon.restart_unready()  # it reads all images at the start, and each day
            return path

        self.found_and_healed("scrub", data, found)


if __name__ == "__main__":
    if not mounts_work():
        sys.exit(SKIPPED)
    main()
