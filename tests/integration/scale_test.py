"""A million tasks and a hundred thousand devices in the database: ready at once, and no slower or larger for it."""
import contextlib
import sqlite3
import time

from harness import MIB, PATIENCE, SANITIZED, ServerCase, count_again, main, wait_until

TASKS, DEVICES, PRESENT, ACTIVE = 1_000_000, 100_000, 20_000, 100
GRID = 65536
STARTS = 3
READY_WITHIN = 2.0  # s
MEMORY = 150 * MIB

# Device d has the tasks d+1, d+1+DEVICES, …: seven ended and three waiting, each for a firmware of its own.
FILL = f"""
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {DEVICES})
INSERT INTO devices (id, hardware, current_version, registered, tagged, transports, created, last_seen, present_until_tl,
                     ready_task)
SELECT printf('gw-%06d', i), 'gw-a', '1.0.0', 1, 1, 1, :now - 1000, :now,
       CASE WHEN i < {PRESENT} THEN :now + 600000 ELSE :now - 600000 END,
       CASE WHEN i >= {ACTIVE} AND i < {PRESENT} THEN 7 * {DEVICES} + i + 1 END
FROM n;

INSERT INTO device_tags (device, key, value)
SELECT id, 'site', CAST(CAST(substr(id, 4) AS INTEGER) % 50 AS TEXT) FROM devices;

WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {TASKS})
INSERT INTO tasks (number, day, device, firmware, version, hardware, checksum, size, chunk_bytes, priority, state,
                   attempt, max_attempts, confirm, force, reason, from_version, created_by, retry_of, created, updated,
                   offered, ended, queued_at_tl, expiry_due, state_due, due, stalls, heard, parked, chunks_have,
                   bytes_sent, percent, wait_reason)
SELECT i + 1, 20261122, printf('gw-%06d', i % {DEVICES}), f.id, f.version, f.hardware, f.checksum, f.size, {GRID},
       i % 4, state, 1, 3, 0, 0, '', '1.0.0', 'operator', 0, :now - 1000, :now - 1000,
       CASE WHEN state <> 0 THEN :now - 900 END, CASE WHEN state > 4 THEN :now - 500 END, :now - 1000,
       CASE WHEN state = 0 AND i % 3 = 0 THEN :now + 86400000 + i END, CASE WHEN state = 2 THEN :now + 60000 END,
       CASE WHEN state = 2 THEN :now + 60000 WHEN state = 0 AND i % 3 = 0 THEN :now + 86400000 + i END,
       0, 0, 0, 0, 0, 0,
       CASE WHEN state <> 0 THEN 0 WHEN i % {DEVICES} >= {PRESENT} THEN 2 WHEN i / {DEVICES} = 7 THEN 1 ELSE 9 END
FROM (SELECT i, CASE WHEN i < 7 * {DEVICES} THEN 5 + (i / 7) % 4
                     WHEN i < 7 * {DEVICES} + {ACTIVE} THEN 2 ELSE 0 END AS state FROM n)
JOIN firmware AS f ON f.version = '1.0.' || (i / {DEVICES} + 1);
"""


class Scale(ServerCase):
    settings = {"tasks.max_active": ACTIVE, "tasks.stall_timeout_s": 600}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.fill()
        except BaseException:
            cls.clean()
            raise

    @classmethod
    def fill(cls):
        for number in range(1, 12):
            answer = cls.daemon.rest.upload(f"1.0.{number}", bytes([number]) * 4 * GRID, "gw-a")
            assert answer.status == 201, answer
        assert cls.daemon.stop() == 0
        with contextlib.closing(sqlite3.connect(cls.folder / "otad.db", isolation_level=None)) as database:
            database.execute("PRAGMA synchronous=OFF")
            database.execute("PRAGMA cache_size=-400000")
            indexes = database.execute(
                "SELECT name, sql FROM sqlite_master WHERE type='index' AND sql IS NOT NULL "
                "AND tbl_name IN ('tasks', 'devices')"
            ).fetchall()
            database.execute("BEGIN")
            for name, _ in indexes:
                database.execute(f"DROP INDEX {name}")
            for statement in FILL.strip().split(";\n"):
                database.execute(statement, {"now": int(time.time() * 1000)})
            for _, sql in indexes:
                database.execute(sql)
            database.execute("COMMIT")
            count_again(database)
            assert database.execute("SELECT COUNT(*) FROM tasks").fetchone() == (TASKS,)

    def started(self):
        """Seconds until it is ready."""
        begun = time.monotonic()
        self.daemon.start()
        return time.monotonic() - begun

    def test_ready_at_once(self):
        stopped, killed = [], []
        for _ in range(STARTS):
            stopped.append(self.started())
            self.assertEqual(self.daemon.stop(), 0)
        for _ in range(STARTS):
            killed.append(self.started())
            self.rest.upgrade("fresh", "1.0.11", hardware="gw-a")
            self.daemon.kill()
        self.daemon.start()
        print(
            f"ready after {min(stopped):.2f} s with {TASKS} tasks, after kill -9 in {min(killed):.2f} s; all: "
            f"{[round(seconds, 2) for seconds in stopped + killed]}, {self.daemon.rss() / MIB:.0f} MiB"
        )
        self.assertLess(min(stopped), READY_WITHIN * PATIENCE)
        self.assertLess(min(killed), READY_WITHIN * PATIENCE)

    def test_serves_as_with_a_few(self):
        if not self.daemon.running():
            self.daemon.start()
        metrics = self.rest.call("GET", "/metrics")
        self.assertEqual(metrics.status, 200)
        device = self.device("gw-000000", hardware="gw-a", version="1.0.0")
        metadata = device.request("metadata")
        self.assertEqual(metadata["task_id"], f"OTA_20261122_{7 * DEVICES + 1:06d}")
        device.download(metadata)
        begun = time.monotonic()
        self.assertEqual(device.verify(metadata)["type"], "success")
        self.assertLess(time.monotonic() - begun, 1.0 * PATIENCE)
        wait_until(
            lambda: self.rest.state(f"OTA_20261122_{7 * DEVICES + ACTIVE + 1:06d}") != "queued"
            or len(self.rest.get("/tasks", state="offered")["items"]) > 0,
            "the next in the queue has the slot",
        )
        absent = self.device(f"gw-{DEVICES - 1:06d}", hardware="gw-a", version="1.0.0")
        self.assertEqual(absent.request("metadata", "queued")["task_id"][:4], "OTA_")
        listed = self.rest.get("/tasks", limit=1000, state="queued")
        self.assertEqual(len(listed["items"]), 1000)
        if not SANITIZED:
            self.assertLess(self.daemon.rss(), MEMORY)


if __name__ == "__main__":
    main()
