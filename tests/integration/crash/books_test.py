"""The books themselves: every kind of loss is found in a state that has it, and none in one that hasn't."""
import contextlib
import io
import pathlib
import sqlite3
import sys
import tempfile
import time
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from audit import Audit  # noqa: E402
from books import Books  # noqa: E402
from harness import ROOT  # noqa: E402

TASK = "OTA_20261122_000007"


def row(**changes):
    return {"device": "a", "version": "2", "state": "downloading", "attempt": 1, "priority": "normal", **changes}


class BooksTest(unittest.TestCase):
    def setUp(self):
        quiet = contextlib.redirect_stderr(io.StringIO())
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)
        self.books = Books()
        self.books.ask("a", "2")
        self.books.created(
            {"task_id": TASK, "device_id": "a", "firmware_version": "2", "priority": "normal", "created_at": "now"}
        )

    def message(self, kind, **fields):
        self.books.firmware_entry("2", "hw", "sha256:x", 9)
        image = {"version": "2", "hardware": "hw", "checksum": "sha256:x", "size": 9, "max_attempts": 3}
        self.books.message("a", {"type": kind, "task_id": TASK, **image, **fields})

    def faults(self, *rows):
        """What the books say to a server that has these rows."""
        self.books.faults.clear()
        facts, _, _ = self.books.copy()
        self.books.compare(facts, dict(rows))
        return len(self.books.faults)

    def test_what_was_told_stands(self):
        self.assertEqual(self.faults((TASK, row())), 0)
        self.assertEqual(self.faults(), 1, "vanished")
        self.assertEqual(self.faults((TASK, row(device="b"))), 1)
        self.assertEqual(self.faults((TASK, row(priority="high"))), 1)

    def test_an_end_is_an_end(self):
        for kind, fields, good, bad in (
            ("success", {}, "succeeded", "queued"),
            ("failed", {"attempts": 1}, "failed", "downloading"),
            ("cancel", {"reason": "cancelled"}, "cancelled", "succeeded"),
        ):
            with self.subTest(kind):
                self.setUp()
                self.message(kind, **fields)
                self.assertEqual(self.faults((TASK, row(state=bad))), 1 if bad != "succeeded" else 2)
                self.setUp()
                self.message(kind, **fields)
                self.assertEqual(self.faults((TASK, row(state=good))), 0)
                self.message("metadata", attempt=1)
                self.assertEqual(len(self.books.faults), 1, "it runs twice")

    def test_preempted_is_no_end(self):
        self.message("cancel", reason="preempted")
        self.assertEqual(self.faults((TASK, row(state="queued"))), 0)

    def test_attempts_need_evidence(self):
        self.assertEqual(self.faults((TASK, row(attempt=2))), 1)
        self.books.evidence(TASK, wrong=1)
        self.books.evidence(TASK, wrong=1)  # repeated: the same evidence
        self.assertEqual(self.faults((TASK, row(attempt=2))), 0)
        self.assertEqual(self.faults((TASK, row(attempt=3))), 1)
        self.message("retry", attempt=2)
        self.assertEqual(self.faults((TASK, row(attempt=1))), 1, "it went down")

    def test_an_image_is_what_was_uploaded(self):
        self.message("metadata", attempt=1, checksum="sha256:y")
        self.assertEqual(len(self.books.faults), 1)


class AuditTest(unittest.TestCase):
    def setUp(self):
        quiet = contextlib.redirect_stderr(io.StringIO())
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.books = Books()
        self.audit = Audit(types.SimpleNamespace(folder=self.folder), self.books)
        self.database = sqlite3.connect(self.folder / "otad.db", isolation_level=None)
        self.addCleanup(self.database.close)
        for step in sorted((ROOT / "migrations").glob("*.sql")):
            self.database.executescript(step.read_text())

    def insert(self, table, **values):
        kinds = self.database.execute(f"PRAGMA table_info({table})").fetchall()
        needed = {
            name: "" if kind == "TEXT" else 0
            for _, name, kind, strict, default, _ in kinds
            if strict and default is None
        }
        values = {**needed, **values}
        marks = ",".join("?" * len(values))
        self.database.execute(f"INSERT INTO {table} ({','.join(values)}) VALUES ({marks})", list(values.values()))

    def test_finds_what_nothing_wakes(self):
        soon = int(time.time() * 1000) + 60_000
        for name in "abcdefg":
            self.insert("devices", id=name, present_until_tl=0 if name == "b" else soon)
        self.insert("tasks", number=1, device="a", state=0)  # nothing wakes it
        self.insert("tasks", number=2, device="b", state=0)  # its device is absent
        self.insert("tasks", number=3, device="c", state=0, parked=1)
        self.insert("tasks", number=4, device="d", state=0, wait_due=soon)
        self.insert("tasks", number=5, device="e", state=2, state_due=soon)
        self.insert("tasks", number=6, device="e", state=0)  # waits behind 5
        self.insert("tasks", number=7, device="f", state=1)  # active without a timer
        self.insert("tasks", number=8, device="g", state=0, wait_reason=1)
        self.assertEqual(self.audit.stuck(), {1, 7})

    def test_finds_what_was_made_twice(self):
        self.books.ask("a", "2")
        self.insert("tasks", number=1, device="a", version="2", state=6)
        self.audit.check_wanted(self.audit.rows())
        self.assertEqual(self.books.faults, [])
        self.insert("tasks", number=2, device="a", version="2", state=0)
        self.audit.check_wanted(self.audit.rows())
        self.assertEqual(len(self.books.faults), 1)  # asked for once
        self.books.ask("a", "2")
        self.books.ask("a", "2")
        self.books.faults.clear()
        self.insert("tasks", number=3, device="a", version="2", state=0)
        self.audit.check_wanted(self.audit.rows())
        self.assertEqual(len(self.books.faults), 1)  # two are open

    def test_finds_files_that_are_wrong(self):
        images = self.folder / "firmware"
        (images / "tmp").mkdir(parents=True)
        name = "ab" * 32
        (images / f"{name}.img").write_bytes(b"other")
        (images / "tmp" / "upload-1").write_bytes(b"half")
        self.audit.left, self.audit.before = {"upload-1"}, {f"{name}.img"}
        self.audit.check_files({name: {}}, True)
        self.assertEqual(len(self.books.faults), 2)  # the temporary file, the digest
        self.books.faults.clear()
        self.audit.check_files({}, True)
        self.assertEqual(len(self.books.faults), 1)  # belongs to nothing
        self.books.faults.clear()
        self.audit.before = set()
        self.audit.check_files({"cd" * 32: {}}, True)
        self.assertEqual(len(self.books.faults), 1)  # not on the disk


if __name__ == "__main__":
    unittest.main(verbosity=2)
