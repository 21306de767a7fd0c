#!/usr/bin/env python3
"""Scale: the price of each step with 1,000, 100,000 and 1,000,000 tasks waiting for as many devices.

Three daemons run side by side, one a size, and take their turns at each step: POST /firmware/upgrade; a device's
request that is granted its slot; the verify that ends its task; a hundred of GET /tasks?state=queued, the first page
and the last; GET /summary; `otactl status`; and a start. CPU is what the daemon used for a step, all its threads; times
hold the disk's sync as well.
Debian package: mosquitto.
"""
import base64
import contextlib
import pathlib
import sqlite3
import statistics
import subprocess
import time

from common import (MIB, PATIENT, Broker, Daemon, Report, exact_seconds, folder, harness, memory, options, running,
                    subfolder)

OTACTL = str(pathlib.Path(harness.OTAD).resolve().parent / "otactl")
GRID = 65536
IMAGE = bytes(4 * GRID)
FILL = f"""
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT INTO devices (id, hardware, current_version, registered, transports, created, last_seen, present_until_tl)
SELECT printf('gw-%07d', i), 'bench', '1.0', 1, 1, :now - 1000, :now, :now - 600000 FROM n;

WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT INTO tasks (number, day, device, firmware, version, hardware, checksum, size, chunk_bytes, priority, state,
                   attempt, max_attempts, confirm, force, reason, from_version, created_by, retry_of, created, updated,
                   queued_at_tl, stalls, heard, parked, chunks_have, bytes_sent, percent, wait_reason)
SELECT i + 1, 20261122, printf('gw-%07d', i), f.id, f.version, f.hardware, f.checksum, f.size, {GRID},
       i % 4, 0, 1, 3, 0, 0, '', '1.0', 'operator', 0, :now - 1000, :now - 1000, :now - 1000, 0, 0, 0, 0, 0, 0, 2
FROM n JOIN firmware AS f ON f.version = '2.0';
"""


def fill(database, count):
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA cache_size=-400000")
        indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type='index' AND sql IS NOT NULL "
                             "AND tbl_name IN ('tasks', 'devices')").fetchall()
        db.execute("BEGIN")
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        for statement in FILL.strip().split(";\n"):
            db.execute(statement, {"now": int(time.time() * 1000), "count": count})
        for _, sql in indexes:
            db.execute(sql)
        db.execute("COMMIT")
        harness.count_again(db)


class Size:
    """One daemon with so many waiting tasks; devices are taken one after the other, spread over all."""

    def __init__(self, where, broker, count):
        self.count, self.next = count, 0
        self.daemon = Daemon(subfolder(where, str(count)), broker.port, {
            **PATIENT, "http.threads": 1, "mqtt.client_id": f"otad-{count}", "mqtt.topic_root": f"/ota{count}",
            "tasks.max_active": 100_000})
        self.daemon.start()
        for version in ("2.0", "3.0"):
            if self.daemon.rest.upload(version, IMAGE, "bench").status != 201:
                raise AssertionError("upload")
        self.daemon.stop()
        fill(self.daemon.folder / "otad.db", count)
        self.start()

    def start(self):
        self.daemon.start()

    def restart(self):
        self.daemon.stop()
        begun = time.monotonic()
        self.start()
        return {"ms": (time.monotonic() - begun) * 1e3, "cpu_ms": exact_seconds(self.daemon.process.pid) * 1e3}

    def step(self, work):
        """What one call took, in milliseconds."""
        pid = self.daemon.process.pid
        cpu, begun = exact_seconds(pid), time.monotonic()
        work()
        took = (time.monotonic() - begun) * 1e3
        return {"ms": took, "cpu_ms": (exact_seconds(pid) - cpu) * 1e3}

    def call(self, method, path, body=None, wanted=(200,)):
        answer = self.daemon.rest.call(method, path, body)
        if answer.status not in wanted:
            raise AssertionError(f"{method} {path}: {answer}")
        return answer

    def life(self):
        """Add one, grant it its slot, finish it: each step by itself."""
        device = f"gw-{self.next * 7919 % self.count:07d}"
        self.next += 1
        path = f"/ota{self.count}/{device}"
        steps, heard = {}, {}

        def request():
            heard.update(self.call("POST", path + "/request", {"hardware": "bench", "current_version": "1.0"}).json)

        def verify():
            body = {"task_id": heard["task_id"], "attempt": 1, "checksum": harness.digest(IMAGE)}
            heard.update(self.call("POST", path + "/verify", body).json)

        order = {"device_id": device, "firmware_version": "3.0"}
        steps["add one"] = self.step(lambda: self.call("POST", "/firmware/upgrade", order, wanted=(201,)))
        steps["grant a slot"] = self.step(request)
        if heard["type"] != "metadata":
            raise AssertionError(heard)
        steps["finish one"] = self.step(verify)
        if heard["type"] != "success":
            raise AssertionError(heard)
        return steps

    def pages(self):
        first = "/tasks?state=queued&limit=100"
        # Lists go from the newest to the oldest: what is below number 151 are the last hundred and those that ended.
        following = self.call("GET", first).json["next"]
        place = base64.urlsafe_b64decode(following + "=" * (-len(following) % 4)).rsplit(b":", 1)[0] + b":151"
        last = first + "&cursor=" + base64.urlsafe_b64encode(place).decode().rstrip("=")
        return {"first page": self.step(lambda: self.call("GET", first)),
                "last page": self.step(lambda: self.call("GET", last)),
                "summary": self.step(lambda: self.call("GET", "/summary")),
                "otactl status": self.step(self.status)}

    def status(self):
        env = {"OTACTL_URL": f"http://127.0.0.1:{self.daemon.port}", "HOME": "/"}
        shown = subprocess.run([OTACTL, "status"], env=env, capture_output=True, text=True, check=True).stdout
        if f"Devices   {self.count:,}" not in shown:
            raise AssertionError(shown)


def main():
    arguments = options(__doc__, rounds=100, starts=5)
    counts = (200, 2000) if arguments.quick else (1_000, 100_000, 1_000_000)
    rounds, starts = (5, 1) if arguments.quick else (arguments.rounds, arguments.starts)
    report = Report(arguments, "scale", f"{rounds} of each step by turns, medians")
    with folder() as where, running(Broker(where)) as broker, contextlib.ExitStack() as stack:
        broker.start()
        sizes = [Size(where, broker, count) for count in counts]
        for size in sizes:
            stack.enter_context(running(size.daemon))
        idle = [memory(size.daemon.process.pid) for size in sizes]
        found = [{} for _ in sizes]
        for round_number in range(rounds + 3):
            for place, size in enumerate(sizes):
                for name, took in {**size.life(), **size.pages()}.items():
                    if round_number >= 3:  # warm by then
                        found[place].setdefault(name, []).append(took)
        peak = [memory(size.daemon.process.pid, "VmHWM") for size in sizes]
        for _ in range(starts):
            for place, size in enumerate(sizes):
                found[place].setdefault("a start", []).append(size.restart())
        for name in found[0]:
            for figure in ("cpu_ms", "ms"):
                medians = [statistics.median(took[figure] for took in each[name]) for each in found]
                report.add(**{"step": f"{name}, {'CPU ' if figure == 'cpu_ms' else ''}ms",
                              **{f"{count:,}": value for count, value in zip(counts, medians)},
                              "ratio": medians[-1] / medians[0]})
        for name, values in (("MiB after the start", idle), ("MiB at most", peak)):
            values = [value / MIB for value in values]
            report.add(**{"step": name, **{f"{count:,}": value for count, value in zip(counts, values)},
                          "ratio": values[-1] / values[0]})
    report.done()


if __name__ == "__main__":
    main()
