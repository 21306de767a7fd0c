"""Operators at full load: upgrades, cancels, repeats, priorities, uploads small, big and broken off, removals, backups."""
import contextlib
import datetime
import http.client
import itertools
import random
import sqlite3
import subprocess
import threading
from urllib.parse import urlencode

from books import ENDED
from harness import ENVIRONMENT, OTAD, database_of, digest

AWAY = (OSError, http.client.HTTPException, AttributeError)  # the last: http.client after its socket was closed
PIECE = 65536
PRIORITIES = ("security", "high", "normal", "normal", "low")
BUSY = (429, 503)
GHOSTS = 6


def in_seconds(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


class Operators:
    def __init__(self, daemon, books, pace, hardware, devices, seed):
        self.daemon, self.books, self.pace, self.seed = daemon, books, pace, seed
        self.hardware = hardware  # name: (smallest, largest image)
        self.devices = devices  # id: hardware
        self.versions = itertools.count(1)
        self.noise = random.Random(seed).randbytes(max(most for _, most in hardware.values()))
        self.backups = 0
        self.config = daemon.folder / "backup.toml"  # the daemon's own is written anew at each start
        self.config.write_bytes(daemon.config.read_bytes())
        self.threads = [
            threading.Thread(target=self.keep_on, args=(work, name), name=name, daemon=True)
            for work, name in (
                (self.post, "poster 1"),
                (self.post, "poster 2"),
                (self.meddle, "meddler"),
                (self.upload, "uploader 1"),
                (self.upload, "uploader 2"),
                (self.remove, "remover"),
                (self.back_up, "backups"),
            )
        ]

    def keep_on(self, work, name):
        luck = random.Random(f"{self.seed} {name}")
        while self.pace.nasty.is_set():
            try:
                work(luck)
            except AWAY:
                self.pace.sleep(0.05)

    def call(self, method, path, body=None, headers=None):
        answer = self.daemon.rest.call(method, path, body, headers, timeout=20)
        if answer.status >= 500 and answer.status not in BUSY:
            self.books.fault(f"{method} {path}: {answer}")
        if answer.status >= 300:
            self.books.happened(f"{method} {answer.status}")
        return answer

    # --- tasks

    def post(self, luck):
        self.pace.sleep(luck.uniform(0.0, 0.08))
        device = luck.choice(list(self.devices))
        with self.books.lock:
            stored = [
                v
                for (v, hw), f in self.books.firmware.items()
                if hw == self.devices[device] and f.id and not f.removing
            ]
        if not stored or len(self.books.open_tasks(device)) > 4:
            return
        order = {
            "device_id": device,
            "firmware_version": luck.choice(stored[-6:]),
            "hardware": self.devices[device],
            "force": luck.random() < 0.6,
            "confirm": luck.random() < 0.2,
        }
        if luck.random() < 0.7:
            order["priority"] = luck.choice(PRIORITIES)
        if luck.random() < 0.7:
            order["chunk_size"] = luck.choice((64, 128, 1024))
        if luck.random() < 0.08:
            order["not_before"] = in_seconds(luck.randint(1, 4))
        if luck.random() < 0.05:
            order["expires_at"] = in_seconds(luck.randint(6, 30))
        self.send_order(order, luck)

    def send_order(self, order, luck):
        key = f"key-{luck.getrandbits(64):x}" if luck.random() < 0.5 else None
        told = None
        for _ in range(60):
            self.books.ask(order["device_id"], order["firmware_version"])
            try:
                answer = self.call("POST", "/firmware/upgrade", order, {"Idempotency-Key": key} if key else None)
            except AWAY:
                if not key or not self.pace.sleep(0.2):
                    return
                continue  # nobody knows whether it was done: the key makes asking safe
            if answer.status in BUSY:
                self.pace.sleep(0.2)
                continue
            if answer.status == 201:
                asked = {name: order[name] for name in ("force", "confirm", "hardware")}
                self.books.created(answer.json, order.get("priority"), **asked)
            if told and not self.same(told, answer):
                self.books.fault(f"{key} was answered {told}, then {answer}")
            if told or not key or answer.status >= 300 or luck.random() < 0.7:
                return
            told = answer  # and once more, some time later
            self.pace.sleep(luck.uniform(0.0, 2.0))

    def same(self, first, second):
        """The same answer to the same key; but the task's priority may have been changed since."""
        before, after = dict(first.json), dict(second.json)
        with self.books.lock:
            task = self.books.tasks.get(before.get("task_id"))
            if task and task.priorities and after.get("priority") in task.priorities:
                after["priority"] = before["priority"]
        return (first.status, before) == (second.status, after)

    def meddle(self, luck):
        self.pace.sleep(luck.uniform(0.0, 0.2))
        with self.books.lock:
            known = list(self.books.tasks)
        if not known:
            return
        task_id = luck.choice(known if luck.random() < 0.3 else known[-40:])
        luck.choice((self.cancel, self.repeat, self.hurry, self.hurry, self.look, self.look, self.look))(task_id, luck)

    def cancel(self, task_id, _luck):
        answer = self.call("POST", f"/tasks/{task_id}/cancel")
        if answer.status == 200:
            self.books.ended(task_id, "cancelled")
            self.books.happened("cancelled")

    def repeat(self, task_id, _luck):
        with self.books.lock:
            task = self.books.tasks[task_id]
            device, version = task.device, task.version
        if device is None or version is None:
            return
        self.books.ask(device, version)
        answer = self.call("POST", f"/tasks/{task_id}/retry")
        if answer.status == 201:
            self.books.created(answer.json, None, retry_of=task_id)

    def hurry(self, task_id, luck):
        wanted = luck.choice(PRIORITIES)
        with self.books.lock:
            task = self.books.tasks[task_id]
            before = set(task.priorities or PRIORITIES)
            task.priorities = before | {wanted}
        answer = self.call("PATCH", f"/tasks/{task_id}", {"priority": wanted})
        with self.books.lock:
            if answer.status in (200, 409):
                task.priorities = {wanted} if answer.status == 200 else before
        if answer.status == 200:
            self.books.happened("patched")

    def look(self, task_id, _luck):
        with self.books.lock:
            ends, attempt = self.books.tasks[task_id].ends, self.books.tasks[task_id].attempt
        answer = self.call("GET", f"/tasks/{task_id}")
        if answer.status != 200:
            self.books.check(answer.status in BUSY, f"GET {task_id}: {answer}")
            return
        task = answer.json
        self.books.check(not ends or task["state"] in ends, f"{task_id} is {task['state']}, but was told to be {ends}")
        self.books.check(task["attempt"] >= attempt, f"{task_id} is in attempt {task['attempt']} after {attempt}")
        if task["state"] in ENDED:
            self.books.ended(task_id, task["state"])
        self.books.happened("GET 200")

    # --- firmware

    def upload(self, luck):
        self.pace.sleep(luck.uniform(0.1, 0.8))
        hardware = luck.choice(list(self.hardware))
        size = luck.randint(*self.hardware[hardware])
        self.store(f"1.0.{next(self.versions)}", hardware, size, luck, luck.random() < 0.2)

    def store(self, version, hardware, size, luck, broken=False):
        """Uploads an image of its own kind; `broken`: stops somewhere."""
        name = f"{hardware} {version}".encode()
        data = name + self.noise[len(name) : size]
        entry = self.books.firmware_entry(version, hardware, digest(data), len(data))
        stop_at = luck.randrange(len(data)) if broken else None

        def body():
            for at in range(0, len(data), PIECE):
                if stop_at is not None and at + PIECE > stop_at:
                    raise ConnectionAbortedError("broken off by the test")
                if at + PIECE >= len(data):
                    entry.whole = True
                if at // PIECE == len(data) // PIECE // 2:
                    self.books.happened("…half an upload")
                yield data[at : at + PIECE]

        query = urlencode({"version": version, "hardware": hardware})
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(data))}
        answer = self.call("POST", f"/firmware?{query}", body(), headers)
        if answer.status in (200, 201):
            told = answer.json
            good = (told["version"], told["hardware"], told["checksum"], told["size"]) == (
                version,
                hardware,
                entry.checksum,
                entry.size,
            )
            self.books.check(good and entry.whole, f"upload of {version} for {hardware}: {answer}, not {entry}")
            entry.id = told["id"]
            self.books.happened("uploaded")
        else:
            self.books.check(answer.status in BUSY, f"upload of {version} for {hardware}: {answer}")

    def remove(self, luck):
        self.pace.sleep(luck.uniform(0.5, 2.0))
        with self.books.lock:
            stored = [f for f in self.books.firmware.values() if f.id and not f.removing]
            if len(stored) < 30:
                return
            entry = luck.choice(stored[:-12])
            entry.removing = True
        answer = self.call("DELETE", f"/firmware/{entry.id}")
        if answer.status == 204:
            entry.removed = True
            self.books.happened("removed")
        elif answer.status == 409:  # a task needs it: it stays
            entry.removing = False

    # --- copies

    def back_up(self, luck):
        self.pace.sleep(luck.uniform(2.0, 5.0))
        with self.books.lock:
            facts = [task_id for task_id, task in self.books.tasks.items() if task.fields]
        backup = self.daemon.folder / f"copy-{self.backups}.otad"
        copy = self.daemon.folder / f"copy-{self.backups}.db"
        self.backups += 1
        self.books.happened("…a backup begins")
        command = [OTAD, "--config", str(self.config), "backup", str(backup)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False)
        if done.returncode:
            self.books.fault(f"backup: {done.returncode} {done.stderr}")
            return
        database_of(backup, copy)
        backup.unlink()
        with contextlib.closing(sqlite3.connect(copy)) as database:
            whole = database.execute("PRAGMA integrity_check").fetchall()
            self.books.check(whole == [("ok",)], f"{copy.name}: {whole}")
            there = {f"OTA_{day}_{number:06d}" for day, number in database.execute("SELECT day, number FROM tasks")}
        self.books.check(there.issuperset(facts), f"{copy.name} lacks {sorted(set(facts) - there)[:5]}")
        copy.unlink()
        self.books.happened("copied")
