"""Rows that can't be read, whatever column is odd: they stop no start, no list and no other device."""
import contextlib
import pathlib
import shutil
import sqlite3

from harness import ServerCase, main

LISTS = ("/tasks", "/tasks?where=state=queued", "/devices", "/firmware", "/rollouts", "/channels", "/events", "/audit",
         "/summary", "/metrics", "/fleet")  # fmt: skip
# Counters are kept by the engine; odd ones are passed over or counted again.
COUNTERS = ("task_counts", "rollout_counts", "fleet", "device_minutes")


class BadRows(ServerCase):
    @property
    def database(self):
        return pathlib.Path(self.daemon.settings["storage.database"])

    def change(self, statements):
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()

    def columns(self, table):
        """Names of those that aren't the key."""
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            return [row[1] for row in database.execute(f"PRAGMA table_info({table})") if not row[5]]

    def keys(self, table, key):
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            return [row[0] for row in database.execute(f"SELECT {key} FROM {table} ORDER BY 1")]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        self = cls()
        self.firmware("2.0.0", "hw-good")
        for number in range(20):
            self.firmware(f"1.0.{number}", "hw-odd", size=1_000)
        self.rest.call("PUT", "/channels/odd", {"notes": "x"})
        for number in range(70):
            self.upgrade(f"task-{number}", "1.0.0", hardware="hw-odd")
            self.rest.call("POST", f"/ota/device-{number}/request", {"hardware": "hw-odd", "current_version": "1.0.0"})
        rollout = {"channel": "odd", "version": "2.0.0", "hardware": "hw-good", "stages": [{"to": 1}, {"to": "100%"}]}
        assert self.rest.call("POST", "/rollouts", rollout).status == 201
        assert cls.daemon.stop() == 0
        shutil.copy(self.database, cls.folder / "whole.db")

    def run_with(self, name, statements):
        for ending in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                (self.database.parent / (self.database.name + ending)).unlink()
        shutil.copy(self.folder / "whole.db", self.database)
        self.change(statements)
        self.daemon.start(ready=False)
        try:
            for path in LISTS:
                with self.subTest(name, path=path):
                    self.assertEqual(self.rest.call("GET", path).status, 200)
            task = self.upgrade(name, "2.0.0", hardware="hw-good")
            self.assertEqual(self.device(name, hardware="hw-good", version="1.0.0").run()["task_id"], task)
            self.rest.wait_state(task, "succeeded")
            return self.rest.call("GET", "/readyz").json["checks"]["database"]
        finally:
            if self.daemon.running():
                self.assertEqual(self.daemon.stop(), 0)

    def test_one_column_of_each_row(self):
        for table, key in (("tasks", "number"), ("devices", "id"), ("firmware", "id")):
            for kind, odd in (("text", "'odd'"), ("blob", "x'00ff'"), ("negative", "-5")):
                keys = self.keys(table, key)
                if table == "devices":
                    keys = [device for device in keys if device.startswith("device-")]
                if table == "firmware":
                    keys = keys[1:]  # the first is what the good device gets
                statements = [f"UPDATE {table} SET {column}={odd} WHERE {key}='{row}'"
                              for column, row in zip(self.columns(table), keys, strict=False)]  # fmt: skip
                self.assertGreater(len(statements), 10)
                check = self.run_with(f"{table}-{kind}", statements)
                self.assertEqual((check["ok"], check["code"]), (False, "bad_rows"))
                self.assertIn(table, check["detail"])

    def test_tables_with_few_rows(self):
        tables = [(table, column) for table in ("rollout_stages", "kept_values") for column in self.columns(table)]
        for table, column in tables:
            with self.subTest(table, column=column):
                self.run_with(f"{table}-{column}", [f"UPDATE {table} SET {column}=x'00ff'"])

    def test_stages_that_are_not_there(self):
        for stage in (-5, 99):
            self.run_with(f"stage{stage}", [f"UPDATE rollouts SET stage={stage}"])

    def test_counters(self):
        for kind, odd in (("text", "'odd'"), ("blob", "x'00ff'")):
            self.run_with(f"counters-{kind}", [f"UPDATE OR IGNORE {table} SET n={odd}" for table in COUNTERS])


if __name__ == "__main__":
    main()
