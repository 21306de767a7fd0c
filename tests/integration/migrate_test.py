"""A database of the first otad, with all that it knew: migrated by the daemon, killed at any moment of that or not."""
import contextlib
import hashlib
import pathlib
import random
import signal
import sqlite3
import subprocess
import time

from harness import ENVIRONMENT, OTAD, ROOT, Daemon, ServerCase, database_of, digest, image, main, wait_until

GRID = 65536
MIGRATIONS = sorted((ROOT / "migrations").glob("[0-9]*.sql"))
DAY = 20261120
MS = 1_795_000_000_000
QUEUED, DOWNLOADING, SUCCEEDED, FAILED = 0, 2, 5, 6
KEY = "otad_key-of-the-first-days"
DEVICES = 3_000


def insert(database, table, **row):
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    return database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*row.values()]).lastrowid


class FirstDatabase:
    """Schema 1, and what a daemon of that time would have left."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "otad.db"
        self.data = image("first", 6 * GRID)
        self.firmware_dir = folder / "firmware"
        self.firmware_dir.mkdir(parents=True)
        (self.firmware_dir / f"{digest(self.data)[7:]}.img").write_bytes(self.data)
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.executescript(MIGRATIONS[0].read_text())
            database.execute("PRAGMA user_version=1")
            self.fill(database)
            database.commit()

    def fill(self, database):
        sha = bytes.fromhex(digest(self.data)[7:])
        self.firmware = insert(
            database, "firmware", version="2.0.0", hardware="gw-a", size=len(self.data), checksum=sha, security=0,
            notes="of the first days", created=MS,
        )  # fmt: skip
        for number in range(DEVICES):
            insert(
                database, "devices", id=f"old-{number}", hardware="gw-a", current_version="1.0.0", registered=1,
                tags="site\x1fnorth\x1f", transports=1, created=MS, last_seen=MS + number, present_until_tl=0,
            )  # fmt: skip
        self.task(database, "old-0", QUEUED)
        half = self.task(database, "old-1", DOWNLOADING, attempt=2, chunks_have=3, offered=MS, state_due=1000, due=1000)
        insert(database, "task_chunks", task=half, bitmap=bytes([0b000111]))
        self.task(database, "old-2", SUCCEEDED, ended=MS + 5, chunks_have=6)
        self.task(database, "old-3", FAILED, attempt=3, ended=MS + 5, reason="checksum_mismatch")
        for number in range(4, DEVICES):
            self.task(database, f"old-{number}", QUEUED)
        insert(
            database, "transfer_log", task=2, at=MS, kind="created", by="anna", to_state=QUEUED, event="", reason="",
            attempt=1, chunks="", bytes=0, ms=0,
        )  # fmt: skip
        insert(database, "api_keys", name="anna", role=2, secret=hashlib.sha256(KEY.encode()).digest(), created=MS)
        insert(database, "kept_values", name="timeline_ms", value="123456")

    def task(self, database, device, state, **fields):
        row = {
            "day": DAY, "device": device, "firmware": self.firmware, "version": "2.0.0", "hardware": "gw-a",
            "checksum": bytes.fromhex(digest(self.data)[7:]), "size": len(self.data), "chunk_bytes": GRID, "priority": 2,
            "state": state, "attempt": 1, "max_attempts": 3, "confirm": 0, "force": 0, "reason": "",
            "from_version": "1.0.0", "created_by": "anna", "retry_of": 0, "created": MS, "updated": MS,
            "queued_at_tl": 0, "stalls": 0, "heard": 0, "parked": 0, "chunks_have": 0, "bytes_sent": 0, "percent": 0,
            **fields,
        }  # fmt: skip
        return insert(database, "tasks", **row)

    def daemon(self, broker_port):
        return Daemon(self.folder, broker_port, {"mqtt.client_id": self.folder.name, "mqtt.reconnect_max_s": 1})


class Migrate(ServerCase):
    def first_database(self, name):
        folder = self.folder / name
        folder.mkdir()
        database = FirstDatabase(folder)
        daemon = database.daemon(self.broker.port)
        self.addCleanup(daemon.kill)
        return database, daemon

    def assert_migrated(self, path):
        with contextlib.closing(sqlite3.connect(path)) as database:
            self.assertEqual(database.execute("PRAGMA user_version").fetchone()[0], len(MIGRATIONS))
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(database.execute("SELECT COUNT(*) FROM tasks").fetchone()[0], DEVICES)
            self.assertEqual(database.execute("SELECT COUNT(*) FROM devices").fetchone()[0], DEVICES)

    def test_all_that_it_knew_is_there_and_goes_on(self):
        self.daemon.stop()  # one broker, one daemon that answers
        self.addCleanup(self.daemon.start)
        database, daemon = self.first_database("old")
        daemon.start()
        self.assert_migrated(database.path)
        rest = daemon.rest
        name = f"OTA_{DAY}_{{:06d}}".format
        states = [rest.task(name(number))["state"] for number in (1, 2, 3, 4, 5)]
        self.assertEqual(states, ["queued", "downloading", "succeeded", "failed", "queued"])
        half = rest.task(name(2))
        self.assertEqual((half["attempt"], half["progress"]["chunks"], half["priority"]), (2, 3, "normal"))
        self.assertEqual(rest.task(name(4))["reason"], "checksum_mismatch")
        self.assertEqual(rest.get(f"/tasks/{name(2)}/log")["items"][0]["by"], "anna")
        device = rest.get("/devices/old-7")
        self.assertEqual((device["hardware"], device["current_version"]), ("gw-a", "1.0.0"))
        self.assertEqual(device["tags"], {"site": "north"})
        self.assertEqual(rest.items("/firmware")[0]["notes"], "of the first days")
        first = wait_until(lambda: next((i for i in rest.items("/firmware") if i["md5"]), None), "the scrub reads the image")
        self.assertEqual(
            (first["filename"], first["sha1"], first["md5"]),
            ("gw-a-2.0.0.bin", hashlib.sha1(database.data).hexdigest(), hashlib.md5(database.data).hexdigest()),
        )
        self.assertEqual(len(rest.items("/tasks", state="queued", limit=1000)), DEVICES - 3)

        going_on = self.device("old-1", hardware="gw-a", version="1.0.0")
        metadata = going_on.request("metadata")
        self.assertEqual((metadata["task_id"], metadata["attempt"], metadata["missing"]), (name(2), 2, [[3, 5]]))
        self.assertEqual(going_on.run()["type"], "success")
        self.assertEqual(going_on.assembled(metadata), database.data)
        self.assertEqual(self.device("old-0", hardware="gw-a", version="1.0.0").run()["task_id"], name(1))
        self.assertEqual(rest.upgrade("new-1", "2.0.0", hardware="gw-a").json["task_id"].split("_")[2], f"{DEVICES + 1:06d}")
        self.assertEqual(daemon.stop(), 0)
        daemon.settings["security.api_auth"] = "required"
        daemon.start()
        headers = {"Authorization": f"Bearer {KEY}"}
        self.assertEqual(rest.call("GET", "/tasks").status, 401)
        self.assertEqual(rest.call("GET", "/tasks", headers=headers).status, 200)
        self.assertEqual(daemon.stop(), 0)

    def otad(self, daemon, *arguments):
        return subprocess.run(
            [OTAD, "--config", str(daemon.config), *arguments],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def test_only_the_daemon_migrates_and_it_keeps_a_copy(self):
        database, daemon = self.first_database("commands")
        daemon.write_config()

        def schema(path):
            with contextlib.closing(sqlite3.connect(path)) as opened:
                return opened.execute("PRAGMA user_version").fetchone()[0]

        old = schema(database.path)
        self.assertLess(old, len(MIGRATIONS))
        for arguments in (
            ("keys", "add", "--name", "anna", "--role", "admin"),
            ("keys", "list"),
            ("keys", "remove", "anna"),
            ("firmware", "orphans"),
        ):
            with self.subTest(arguments):
                done = self.otad(daemon, *arguments)
                self.assertEqual(done.returncode, 1, done)
                self.assertIn(f"schema {old}", done.stderr)
                self.assertIn("restart the daemon", done.stderr)
                self.assertEqual(schema(database.path), old)
        copy = database.folder / "copy.otad"
        self.assertEqual(self.otad(daemon, "backup", str(copy)).returncode, 0, "a copy before the new version starts")
        self.assertEqual(schema(database_of(copy, database.folder / "copy.db")), old)
        daemon.start(ready=False)
        self.assertTrue(daemon.log_lines(f"went from {old} to {len(MIGRATIONS)} in "))
        kept = database.path.with_name(f"{database.path.name}.before-{len(MIGRATIONS):04d}")
        self.assertIn(str(kept), daemon.log())
        self.assertEqual(schema(kept), old)
        with contextlib.closing(sqlite3.connect(kept)) as opened:
            self.assertEqual(opened.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(opened.execute("SELECT COUNT(*) FROM tasks").fetchone()[0], DEVICES)
        self.assertEqual(self.otad(daemon, "keys", "add", "--name", "berta", "--role", "admin").returncode, 0)
        daemon.kill()

    def test_killed_amid_the_migration(self):
        luck = random.Random(11)
        for turn in range(12):
            database, daemon = self.first_database(f"killed-{turn}")
            daemon.write_config()
            for _ in range(2):
                daemon.launch([OTAD, "--config", str(daemon.config)], ENVIRONMENT)
                time.sleep(luck.uniform(0.0, 0.06))
                daemon.kill()
            daemon.start(ready=False)
            self.assert_migrated(database.path)
            daemon.kill()

    def test_a_backup_that_is_killed_leaves_no_copy(self):
        luck = random.Random(12)
        database, daemon = self.first_database("copied")
        daemon.start(ready=False)
        copy = database.folder / "copy.otad"
        command = [OTAD, "--config", str(daemon.config), "backup", str(copy)]
        whole = 0
        for _ in range(15):
            program = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            time.sleep(luck.uniform(0.0, 0.05))
            program.send_signal(signal.SIGKILL)
            program.communicate()
            if copy.exists():  # it was faster
                whole += 1
                self.assert_migrated(database_of(copy, database.folder / "copy.db"))
                copy.unlink()
        self.assertLess(whole, 15, "some were killed in time")
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_migrated(database_of(copy, database.folder / "copy.db"))
        self.assertEqual(daemon.rest.call("GET", "/healthz").status, 200)


if __name__ == "__main__":
    main()
