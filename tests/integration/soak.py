"""A mixed load for as long as wanted; memory, descriptors and database have to stay level.

    soak.py MINUTES

Each minute is a day to the daemon's wall clock, and logs are kept for two days: what is older has to go. Exit status 0
when all stayed level, 1 when not.
"""
import itertools
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time

from clock_test import FAKETIME, ShiftedDaemon
from device import Device, Refused
from harness import BROKEN, MIB, PATIENCE, SANITIZED, Broker, Rest, image

DAY = 86_400
GRID = 65536
SETTINGS = {
    "storage.keep_logs_days": 2,
    "tasks.max_active": 8,
    "tasks.retry_backoff_s": 1,
    "tasks.retry_backoff_max_s": 1,
    "mqtt.reconnect_max_s": 1,
}
FLEET = 12
WARM_UP = 0.35  # of the time: caches fill, and the first logs grow old
LOOK_EVERY = 5.0  # s
# What may be added between the middle and the end, beside a row for each task, which stays as the record of it.
MORE_MEMORY = 24 * MIB
MORE_FILES = 40
MORE_DATABASE = 2 * MIB
BYTES_A_TASK = 2_500
GONE = (OSError, AssertionError, RuntimeError, Refused, KeyError, ValueError)


class Soak:
    def __init__(self, minutes, folder):
        self.minutes, self.folder, self.over = minutes, folder, threading.Event()
        self.broker = Broker(folder)
        self.daemon = ShiftedDaemon(folder, self.broker.port, SETTINGS)
        self.versions, self.counts, self.faults = itertools.count(1), {}, []
        self.stored = []  # versions that may be posted
        self.samples = []  # (time, resident bytes, descriptors, database bytes, tasks)

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    # --- the load

    def keep_on(self, work, *arguments):
        luck = random.Random(f"soak {work.__name__} {arguments}")
        while not self.over.is_set():
            try:
                work(luck, *arguments)
            except GONE as gone:
                self.count(f"{work.__name__} broke off: {type(gone).__name__}")
                self.over.wait(0.2)

    def update(self, luck, number):
        """A device takes whatever is there for it, now and then badly."""
        device = Device(f"soak-{number}", self.broker.port, "gw-a", "0.0.1")
        device.connect()
        try:
            for _ in range(30):
                if self.over.is_set():
                    return
                message = device.request()
                if message["type"] == "metadata" and luck.random() < 0.2:
                    index = luck.randrange(message["chunk_count"])
                    device.progress(message, chunk=index, status="mismatch")
                    device.verify(message, checksum="sha256:" + "0" * 64, bad_chunks=[[index, index]])
                if message["type"] in ("metadata", "retry"):
                    self.count(device.run(timeout=20)["type"])
                    device.version = "0.0.1"
                    device.forget()
                self.over.wait(luck.uniform(0.05, 0.3))
        finally:
            device.close()

    def post(self, luck):
        self.over.wait(luck.uniform(0.2, 0.6))
        device = f"soak-{luck.randrange(FLEET)}"
        answer = self.daemon.rest.upgrade(
            device, luck.choice(self.stored), hardware="gw-a", force=True, chunk_size=64,
            priority=luck.choice(("security", "normal", "low")), confirm=luck.random() < 0.2,
        )  # fmt: skip
        self.count(f"upgrade {answer.status}")
        if answer.status == 201 and luck.random() < 0.2:
            self.daemon.rest.call("POST", f"/tasks/{answer.json['task_id']}/cancel")

    def look(self, luck):
        """Reads, and calls that are refused: each leaves a line in the audit log."""
        rest = self.daemon.rest
        for path in ("/tasks?limit=200", "/devices", "/firmware", "/metrics", "/readyz", "/audit?limit=50"):
            self.count(f"GET {rest.call('GET', path).status}")
        rest.call("POST", "/firmware/upgrade", {"device_id": "soak-x", "firmware_version": "no.such"})
        for _ in range(20):
            rest.call("POST", "/tasks/OTA_20200101_000001/cancel")
        self.over.wait(luck.uniform(0.1, 0.5))

    def turn_firmware_over(self, luck):
        version = f"1.0.{next(self.versions)}"
        answer = self.daemon.rest.upload(version, image(version, luck.randrange(GRID, 20 * GRID)), "gw-a")
        self.count(f"upload {answer.status}")
        self.stored.append(version)
        for item in self.daemon.rest.items("/firmware"):
            if item["version"] not in self.stored[-4:]:
                self.count(f"removal {self.daemon.rest.call('DELETE', '/firmware/%d' % item['id']).status}")
        del self.stored[:-4]
        self.over.wait(luck.uniform(1.0, 3.0))

    def talk_nonsense(self, luck):
        device = Device(f"odd-{luck.randrange(5)}", self.broker.port)
        device.connect()
        try:
            for _ in range(50):
                device.send(luck.choice(("request", "progress", "verify")), luck.choice(("", "[1", '{"a": 1}', "\x00")))
                self.over.wait(0.02)
        finally:
            device.close()

    # --- the watch

    def database_bytes(self):
        return sum(path.stat().st_size for path in self.folder.glob("otad.db*"))

    def look_at_it(self, begun):
        pid = self.daemon.process.pid
        tasks = int(re.search(r"^otad_tasks_created_total (\d+)", self.metrics(), re.M).group(1))
        files = len(os.listdir(f"/proc/{pid}/fd"))
        self.samples.append((time.monotonic() - begun, self.daemon.rss(), files, self.database_bytes(), tasks))

    def metrics(self):
        return Rest(self.daemon.port).call("GET", "/metrics").body.decode()

    def run(self):
        self.broker.start()
        self.daemon.start()
        for _ in range(4):
            version = f"1.0.{next(self.versions)}"
            assert self.daemon.rest.upload(version, image(version, 5 * GRID), "gw-a").status == 201
            self.stored.append(version)
        loads = [(self.update, number) for number in range(FLEET)]
        loads += [(self.post,), (self.look,), (self.turn_firmware_over,), (self.talk_nonsense,)]
        threads = [threading.Thread(target=self.keep_on, args=load, daemon=True) for load in loads]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        while (now := time.monotonic() - begun) < self.minutes * 60 and self.daemon.running():
            self.daemon.shift(int(now / 60 * DAY))
            self.look_at_it(begun)
            if len(self.samples) % 12 == 1:
                at, memory, files, database, tasks = self.samples[-1]
                print(
                    f"{at:.0f} s: {memory / MIB:.1f} MiB, {files} descriptors, database {database / MIB:.1f} MiB, {tasks} tasks",
                    flush=True,
                )
            time.sleep(LOOK_EVERY)
        self.over.set()
        for thread in threads:
            thread.join(60 * PATIENCE)
        status = self.daemon.stop()
        self.check(status == 0, f"otad ended with {status}")
        self.check(not BROKEN.search(self.daemon.log()), "otad's log shows a fault of its own")
        self.judge()

    def check(self, good, what):
        if not good:
            self.faults.append(what)

    def judge(self):
        """The middle of the time after the warm-up against the end."""
        settled = [sample for sample in self.samples if sample[0] > self.minutes * 60 * WARM_UP]
        if len(settled) < 6:
            self.faults.append("too short to judge: give it some minutes more")
            return
        third = len(settled) // 3
        # Peaks of a third each: a single look may fall on a moment of much or little work.
        first, last = ([max(part[i] for part in side) for i in range(5)] for side in (settled[:third], settled[-third:]))
        memory, files, database, tasks = (last[i] - first[i] for i in range(1, 5))
        print(
            f"from the first third to the last: memory {memory / MIB:+.1f} MiB, descriptors {files:+d}, "
            f"database {database / MIB:+.1f} MiB with {tasks} tasks more; peak memory {max(s[1] for s in self.samples) / MIB:.0f} MiB"
        )
        self.check(SANITIZED or memory < MORE_MEMORY, f"memory grew by {memory / MIB:.1f} MiB")
        self.check(files < MORE_FILES, f"{files} descriptors more")
        allowed = MORE_DATABASE + tasks * BYTES_A_TASK
        self.check(database < allowed, f"the database grew by {database / MIB:.1f} MiB, {allowed / MIB:.1f} MiB are allowed")
        self.check(self.counts.get("success", 0) > self.minutes * 10, f"too little was done: {self.counts}")

    def end(self):
        self.over.set()
        self.daemon.kill()
        self.broker.kill()


def main():
    minutes = float(sys.argv[1])
    if not FAKETIME:
        print("needs Debian's libfaketime")
        return 1
    folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-soak-"))
    soak = Soak(minutes, folder)
    try:
        soak.run()
    finally:
        soak.end()
        if not os.environ.get("OTAD_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
    print(", ".join(f"{count} {what}" for what, count in sorted(soak.counts.items())))
    for fault in soak.faults:
        print(f"FAULT {fault}")
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
