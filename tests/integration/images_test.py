"""Images and the catalogue that knows them: nothing that can't be made again is removed without being asked, what isn't
there makes its tasks wait, and what comes back whole is used again."""
import contextlib
import pathlib
import sqlite3

from harness import ServerCase, digest, image, main, wait_until

GRID = 65536


class ImagesCase(ServerCase):
    """Each test has a daemon and folders of its own on the class's broker."""

    @property
    def store(self):
        return pathlib.Path(self.daemon.settings["storage.firmware_dir"])

    def names(self):
        return sorted(path.name for path in self.store.iterdir() if path.suffix == ".img")

    def name_of(self, data):
        return digest(data)[7:] + ".img"

    def images_check(self):
        return self.rest.call("GET", "/readyz").json["checks"]["images"]

    def orphans(self):
        """Their names, but for what was set aside."""
        return [i["name"] for i in self.rest.get("/firmware/orphans")["items"] if i["name"].endswith(".img")]

    def stopped(self):
        self.assertEqual(self.daemon.stop(), 0)

    def waiting(self, name, chunks=4):
        """A device that asked once, and a task for it that only waits for its turn or goes on."""
        hardware = f"hw-{name}"
        data = self.firmware("2.0.0", hardware, chunks * GRID)
        device = self.device(name, hardware=hardware, version="1.0.0")
        device.request("up_to_date")
        return device, data

    def finishes(self, device, task, data):
        device.drain()  # the cancel that came when the image was missing
        metadata = device.request("metadata")
        self.assertEqual((metadata["task_id"], metadata["attempt"]), (task, 1))
        device.download(metadata)
        self.assertEqual(device.assembled(metadata), data)
        self.assertEqual(device.verify(metadata)["type"], "success")


class Images(ImagesCase):
    def test_a_disk_that_comes_late(self):
        device, data = self.waiting("late")
        task = self.upgrade("late", "2.0.0", chunk_size=64)
        device.wait("metadata", task_id=task)
        absent = self.upgrade("late-absent", "2.0.0", hardware="hw-late")
        before = self.names()
        self.stopped()
        away = self.store.with_name("away")
        self.store.rename(away)
        self.daemon.start(ready=False)
        wait_until(lambda: not self.images_check()["ok"], "readyz says so")
        check = self.images_check()
        self.assertEqual(check["code"], "image_missing")
        self.assertIn("mounted", check["detail"])
        self.rest.wait_state(task, "queued")
        self.assertEqual(device.request("queued")["task_id"], task)
        self.assertEqual(self.rest.state(absent), "queued")
        # An order for it waits as well.
        later = self.upgrade("late-2", "2.0.0", hardware="hw-late")
        self.assertEqual(self.rest.state(later), "queued")
        # The disk is mounted over the folder that otad made, while it runs.
        for path in away.iterdir():
            if path.name != "tmp":
                path.rename(self.store / path.name)
        wait_until(lambda: self.images_check()["ok"], "they are found", 20)
        self.assertEqual(self.names(), before)
        self.finishes(device, task, data)
        self.daemon.restart()
        self.assertEqual(self.names(), before)
        for number in (absent, later):
            self.assertEqual(self.rest.state(number), "queued")

    def test_a_disk_that_comes_late_and_a_start(self):
        device, data = self.waiting("start")
        task = self.upgrade("start", "2.0.0", chunk_size=64)
        before = self.names()
        self.stopped()
        away = self.store.with_name("away-2")
        self.store.rename(away)
        self.daemon.start(ready=False)
        wait_until(lambda: self.images_check().get("code") == "image_missing", "readyz says so")
        self.stopped()
        for path in self.store.rglob("*"):
            self.assertFalse(path.is_file(), path)
        (self.store / "tmp").rmdir()
        self.store.rmdir()
        away.rename(self.store)
        self.daemon.start()
        self.assertEqual(self.names(), before)
        self.finishes(device, task, data)

    def test_one_image_that_is_gone(self):
        device, data = self.waiting("gone")
        other, _ = self.waiting("there")
        path = self.store / self.name_of(data)
        self.stopped()
        path.rename(self.folder / "kept.img")
        self.daemon.start(ready=False)
        wait_until(lambda: not self.images_check()["ok"], "readyz says so")
        check = self.images_check()
        self.assertEqual(check["code"], "image_missing")
        self.assertIn("firmware 2.0.0 for hardware 'hw-gone'", check["detail"])
        task = self.upgrade("gone", "2.0.0", chunk_size=64)
        self.assertEqual(device.request("queued")["task_id"], task)
        self.upgrade("there", "2.0.0")
        self.assertEqual(other.run()["type"], "success")
        # Uploading it again does as well as putting it back.
        self.assertEqual(self.rest.upload("2.0.0", data, "hw-gone").status, 200)
        wait_until(self.daemon.ready, "ready")
        device.wait("metadata", task_id=task)
        self.finishes(device, task, data)

    def test_another_database_takes_nothing_away(self):
        data = self.firmware("2.0.0", "hw-slip")
        before = self.names()
        right = dict(self.daemon.settings)
        self.addCleanup(self.daemon.settings.update, right)
        self.stopped()
        self.daemon.settings["storage.database"] = str(self.folder / "otda.db")
        mark = len(self.daemon.log())
        self.daemon.start()
        self.assertEqual(self.names(), before)
        self.assertEqual(self.orphans(), before)
        self.assertTrue(self.daemon.log_lines("is storage.database right?", mark))
        item = next(i for i in self.rest.get("/firmware/orphans")["items"] if i["name"] == self.name_of(data))
        self.assertEqual(item["size"], len(data))
        self.assertRegex(item["since"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.stopped()
        self.daemon.settings.update(right)
        self.daemon.start()
        self.assertEqual(self.orphans(), [])
        self.assertEqual(self.rest.upload("2.0.0", data, "hw-slip").status, 200)

    def test_a_damaged_image_whose_file_is_whole_is_used_again(self):
        device, data = self.waiting("healed")
        path = self.store / self.name_of(data)
        self.stopped()
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        self.daemon.start(ready=False)
        wait_until(lambda: self.images_check().get("code") == "image_damaged", "the scrub finds it", 20)
        self.assertFalse(path.exists())
        self.assertTrue(path.with_suffix(".damaged").exists(), "kept as evidence")
        self.assert_problem(self.rest.upgrade("healed", "2.0.0"), 503)
        path.write_bytes(good)  # from a backup
        wait_until(lambda: self.images_check()["ok"], "it is used again", 20)
        task = self.upgrade("healed", "2.0.0", chunk_size=64)
        self.finishes(device, task, data)

    def test_orphans_are_adopted_or_purged_when_asked(self):
        data = self.firmware("2.0.0", "hw-adopt", 3 * GRID)
        useless = self.firmware("2.1.0", "hw-adopt", 2 * GRID)
        name, other = self.name_of(data), self.name_of(useless)
        self.assertIn("stop it first", self.otad("firmware", "orphans", status=1).stderr)
        self.assertIn("stop it first", self.otad("firmware", "purge", name, status=1).stderr)
        self.stopped()
        with contextlib.closing(sqlite3.connect(self.daemon.settings["storage.database"])) as database:
            database.execute("DELETE FROM firmware WHERE hardware = 'hw-adopt'")
            database.commit()
        listed = self.otad("firmware", "orphans").stdout
        self.assertIn(name, listed)
        self.assertIn(other, listed)
        self.assertIn("not an orphan", self.otad("firmware", "purge", "0" * 64 + ".img", status=1).stderr)
        self.assertIn("not an orphan", self.otad("firmware", "purge", "../otad.db", status=1).stderr)
        self.otad("firmware", "adopt", name, "--version", "not a version", status=2)
        self.otad("firmware", "adopt", name, status=2)
        self.otad("firmware", "adopt", name, "--version", "2.0.0", "--hardware", "hw-adopt")
        self.assertIn("not an orphan", self.otad("firmware", "adopt", name, "--version", "3", status=1).stderr)
        self.assertIn(
            "exists with different content", self.otad("firmware", "adopt", other, "--version", "2.0.0", "--hardware", "hw-adopt", status=1).stderr
        )
        self.otad("firmware", "purge", other)
        self.assertFalse((self.store / other).exists())
        self.daemon.start()
        self.assertEqual(self.orphans(), [])
        device = self.device("adopted", hardware="hw-adopt", version="1.0.0")
        device.request("up_to_date")
        self.upgrade("adopted", "2.0.0")
        self.assertEqual(device.run()["type"], "success")
        offer = next(message for message in reversed(device.seen) if message["type"] == "metadata")
        self.assertEqual(device.assembled(offer), data)
        self.assertIn("firmware.adopt", [entry["action"] for entry in self.rest.items("/audit")])

    def test_a_damaged_orphan_is_not_adopted(self):
        self.stopped()
        name = "ab" * 32 + ".img"
        (self.store / name).write_bytes(image("other bytes", 1000))
        self.assertIn("corrupted", self.otad("firmware", "adopt", name, "--version", "9", status=1).stderr)
        self.assertTrue((self.store / name).exists())
        self.otad("firmware", "purge", name)
        self.daemon.start()


if __name__ == "__main__":
    main()
