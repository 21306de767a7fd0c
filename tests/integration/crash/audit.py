"""Holds the server, after each start, against the books: tasks, images, files, and the database itself."""
import collections
import contextlib
import hashlib
import os
import shutil
import sqlite3
import time

from books import STATES

PRIORITIES = ("security", "high", "normal", "low")
CALLS = 20  # tasks looked at over REST after each start; all of them at the end
FILES = 12  # images read from the disk after each start; all of them at the end

# Open tasks that nothing will ever wake: no timer, not in the queue, not parked, nobody before them, device present.
STUCK = """
SELECT number FROM tasks AS t WHERE state < 5 AND (state > 0 AND state_due IS NULL OR state = 0 AND wait_reason <> 1
  AND parked = 0 AND wait_due IS NULL AND state_due IS NULL
  AND EXISTS (SELECT 1 FROM devices WHERE id = t.device AND present_until_tl > :now AND ready_task IS NULL)
  AND NOT EXISTS (SELECT 1 FROM tasks AS o WHERE o.device = t.device AND o.state IN (1, 2, 3, 4)))
"""
STUCK_FOR = 3.0  # s: longer than whatever is just being decided


class Audit:
    def __init__(self, daemon, books):
        self.daemon, self.books = daemon, books
        self.images_read = set()
        self.before = set()

    @property
    def images(self):
        return self.daemon.folder / "firmware"

    def files(self, folder):
        return {path.name for path in folder.iterdir() if path.is_file()} if folder.exists() else set()

    def read(self, path, mode="ro"):
        database = sqlite3.connect(f"file:{path}?mode={mode}", uri=True, timeout=30)
        return contextlib.closing(database)

    # --- while the daemon is dead

    def after_kill(self):
        """What lies on the disk, looked at on a copy, since to open the database would repair it."""
        self.left = self.files(self.images / "tmp")
        self.before = self.files(self.images)
        source = self.daemon.folder / "otad.db"
        copy = self.daemon.folder / "after-kill.db"
        for tail in ("", "-wal"):
            part = copy.with_name(copy.name + tail)
            part.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{source}{tail}", part)
        with self.read(copy, "rw") as database:
            whole = database.execute("PRAGMA integrity_check").fetchall()
            self.books.check(whole == [("ok",)], f"the database after the kill: {whole}")

    # --- while it runs

    def after_start(self, luck, everything=False):
        tasks, firmware, _ = self.books.copy()
        rows = self.rows()
        self.books.compare(tasks, rows)
        self.check_wanted(rows)
        self.check_stuck()
        self.check_firmware(firmware, everything)
        told = [task_id for task_id, task in tasks.items() if task.fields]
        chosen = told if everything else told[-CALLS // 2 :] + luck.sample(told, min(len(told), CALLS // 2))
        for task_id in chosen:
            self.check_fields(task_id, tasks[task_id])

    def rows(self):
        with self.read(self.daemon.folder / "otad.db") as database:
            found = database.execute("SELECT day, number, device, version, state, attempt, priority FROM tasks")
            return {
                f"OTA_{day}_{number:06d}": {
                    "device": device, "version": version, "state": STATES[state], "attempt": attempt,
                    "priority": PRIORITIES[priority],
                }
                for day, number, device, version, state, attempt, priority in found
            }  # fmt: skip

    def check_wanted(self, rows):
        """Nothing made twice: no two open for one purpose, no more than were asked for."""
        there = collections.Counter((row["device"], row["version"]) for row in rows.values())
        still = collections.Counter(
            (row["device"], row["version"]) for row in rows.values() if STATES.index(row["state"]) < 5
        )
        for what, count in still.items():
            self.books.check(count == 1, f"{count} open tasks for {what}")
        with self.books.lock:
            for what, count in there.items():
                asked = self.books.wanted[what]
                self.books.check(count <= asked, f"{count} tasks for {what}, asked for {asked} times")

    def stuck(self):
        with self.read(self.daemon.folder / "otad.db") as database:
            return {number for (number,) in database.execute(STUCK, {"now": time.time() * 1000})}

    def check_stuck(self):
        found, deadline = self.stuck(), time.monotonic() + STUCK_FOR
        while found and time.monotonic() < deadline and self.daemon.running():
            time.sleep(0.25)
            found &= self.stuck()
        for number in found:
            self.books.fault(f"task {number} is open, and nothing will ever wake it: {self.whole_row(number)}")

    def whole_row(self, number):
        with self.read(self.daemon.folder / "otad.db") as database:
            database.row_factory = sqlite3.Row
            row = dict(database.execute("SELECT * FROM tasks WHERE number=?", (number,)).fetchone())
            log = database.execute(
                "SELECT at, kind, event, reason, from_state, to_state FROM transfer_log WHERE task=?", (number,)
            )
            return {**row, "checksum": row["checksum"].hex()[:8], "log": [tuple(entry) for entry in log]}

    def check_fields(self, task_id, told):
        task = self.daemon.rest.call("GET", f"/tasks/{task_id}")
        if task.status != 200:
            self.books.fault(f"{task_id} was answered 201, now: {task}")
            return
        for name, value in told.fields.items():
            self.books.check(task.json[name] == value, f"{task_id}: {name} is {task.json[name]}, not {value}")

    # --- images

    def check_firmware(self, facts, everything):
        now = {(item["version"], item["hardware"]): item for item in self.daemon.rest.items("/firmware", limit=1000)}
        for what, entry in facts.items():
            item, live = now.get(what), self.books.firmware[what]
            if entry.id and not entry.removing and not live.removing:
                self.books.check(item, f"firmware {what} was answered 201 and is gone")
            self.books.check(not (entry.removed and item), f"firmware {what} was removed and is there")
            if item and not live.whole:
                self.books.fault(f"firmware {what} was never sent as a whole and is there: {item}")
            if item:
                same = (item["checksum"], item["size"]) == (entry.checksum, entry.size)
                self.books.check(same and (not entry.id or entry.id == item["id"]), f"{what} is {item}, not {entry}")
                self.books.check(not item.get("damaged"), f"{what} is damaged: {item}")
        orphans = {item["name"][:64] for item in self.daemon.rest.get("/firmware/orphans")["items"]}
        self.check_files({item["checksum"][7:]: item for item in now.values()}, everything, orphans)

    def check_files(self, catalogue, everything, orphans=()):
        there = self.files(self.images)
        for name in there & self.before:
            known = name[:64] in catalogue or name[:64] in orphans or self.being_removed(name[:64])
            self.books.check(known, f"the file {name} belongs to nothing and is not named as an orphan")
        old = self.left & self.files(self.images / "tmp")
        self.books.check(not old, f"temporary files outlived the start: {sorted(old)[:5]}")
        self.left = set()
        unread = [digest for digest in catalogue if everything or digest not in self.images_read]
        for digest in unread if everything else unread[-FILES:]:
            self.check_image(digest)

    def being_removed(self, digest):
        with self.books.lock:
            return any(entry.checksum[7:] == digest and entry.removing for entry in self.books.firmware.values())

    def check_image(self, digest):
        try:
            with open(self.images / f"{digest}.img", "rb") as image:
                found = hashlib.file_digest(image, "sha256").hexdigest()
        except FileNotFoundError:
            self.books.check(self.being_removed(digest), f"the image {digest} is not on the disk")
            return
        self.books.check(found == digest, f"the image {digest} has the digest {found}")
        self.images_read.add(digest)

    def size(self):
        return os.path.getsize(self.daemon.folder / "otad.db")
