"""kill -9 while devices and operators work at full load, again and again, and the books compared after every start.

    campaign.py [--kills N] [--seed N] [--keep]

Also by OTAD_CRASH_KILLS and OTAD_CRASH_SEED. Kills hit at random moments, on the heels of a chosen answer, amid
uploads and backups, while the daemon starts, and while it makes its first database. At the end the load turns honest,
and every device has to finish. Exit status 1 with any fault.
"""
import argparse
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from audit import Audit  # noqa: E402
from books import Books, Pace  # noqa: E402
from fleet import CrashDevice  # noqa: E402
from harness import BROKEN, ENVIRONMENT, MIB, OTAD, PATIENCE, Broker, Daemon  # noqa: E402
from operators import GHOSTS, Operators  # noqa: E402

HARDWARE = {"gw-a": (30_000, 400_000), "gw-b": (100_000, 700_000), "big": (3 * MIB, 12 * MIB)}
FLEET = {"gw-a": 6, "gw-b": 4, "big": 2}
SETTINGS = {
    "tasks.max_active": 5,
    "tasks.retry_backoff_s": 1,
    "tasks.retry_backoff_max_s": 1,
    "tasks.offer_timeout_s": 3,
    "tasks.stall_timeout_s": 3600,  # a stall spends attempts without evidence of ours
    "tasks.confirm_timeout_s": 30,
    "devices.present_s": 6,
    "mqtt.reconnect_max_s": 1,
    "shutdown_grace_s": 3,
}
# After which event the daemon is killed; None: at some moment.
MOMENTS = (
    *(None,) * 8, "201", "201", "metadata", "retry", "success", "success", "failed", "cancel", "cancelled", "patched",
    "uploaded", "removed", "copied", "…half an upload", "…half an upload", "…a backup begins",
)  # fmt: skip
# Errors in the log that are none here: uploads broken off, and a lock that a starved `otad backup` held for seconds.
TOLERATED = ("the sender went away", "database is locked", "the database can't be written now")
FRESH_EVERY = 8  # of so many kills one hits a first start
SECONDS_A_KILL = 30  # no campaign takes longer than this, and a quarter of an hour


class Campaign:
    def __init__(self, kills, seed, folder):
        self.wanted, self.seed, self.folder = kills, seed, folder
        self.luck = random.Random(seed)
        self.books, self.pace = Books(), Pace()
        self.kills, self.starts, self.peak_rss = 0, [], 0
        self.broker = Broker(folder)
        self.daemon = Daemon(folder, self.broker.port, SETTINGS)
        self.audit = Audit(self.daemon, self.books)
        self.devices, self.operators = [], None

    # --- the parts

    def begin(self):
        self.broker.start()
        self.daemon.start()
        homes = {f"{hardware}-{number}": hardware for hardware, count in FLEET.items() for number in range(count)}
        ghosts = {f"ghost-{number}": "gw-a" for number in range(GHOSTS)}
        self.operators = Operators(self.daemon, self.books, self.pace, HARDWARE, {**homes, **ghosts}, self.seed)
        for hardware, (least, _) in HARDWARE.items():
            for _ in range(3):
                version = f"1.0.{next(self.operators.versions)}"
                self.operators.store(version, hardware, least, self.luck)
        for name, hardware in homes.items():
            device = CrashDevice(
                name, self.broker.port, self.books, self.pace, self.seed, hardware=hardware, version="1.0.0"
            )
            self.devices.append(device.connect())
        for thread in [device.thread for device in self.devices] + self.operators.threads:
            thread.start()

    def strike(self):
        """kill -9 at a moment of its own."""
        event = self.luck.choice(MOMENTS)
        victim = self.daemon.process
        self.peak_rss = max(self.peak_rss, self.daemon.rss())
        if event:
            struck = threading.Event()
            delay = self.luck.choice((0, 0, 0.001, 0.01, 0.05))

            def spring():
                time.sleep(delay)
                victim.kill()
                struck.set()

            time.sleep(self.luck.uniform(0.1, 0.5))
            self.books.set_trap(event, spring)
            struck.wait(2.0)
            self.books.set_trap(None, None)
        else:
            time.sleep(self.luck.uniform(0.05, 2.0))
        self.books.check(
            victim.poll() in (None, -9), f"otad ended by itself: {victim.poll()} {self.daemon.log()[-3000:]}"
        )
        self.daemon.kill()
        self.kills += 1

    def rise(self):
        """Starts it again; now and then that start is killed as well."""
        self.look_at_log()
        self.audit.after_kill()
        while self.luck.random() < 0.15 and self.kills < self.wanted:
            self.daemon.launch([OTAD, "--config", str(self.daemon.config)], ENVIRONMENT)
            time.sleep(self.luck.uniform(0.0, 0.3))
            self.daemon.kill()
            self.kills += 1
            self.audit.after_kill()
        begun = time.monotonic()
        self.daemon.start()
        self.starts.append(time.monotonic() - begun)

    def look_at_log(self):
        log = self.daemon.log()
        broken = BROKEN.search(log)
        self.books.check(not broken, f"otad's log: {log[broken.start():][:2000] if broken else ''}")
        for line in log.splitlines():
            if " error " in line[:40] and not any(part in line for part in TOLERATED):
                self.books.fault(f"otad's log: {line[25:]}")
        self.daemon.log_path.unlink(missing_ok=True)

    def kill_a_first_start(self):
        """A daemon of its own, killed while it makes its database, then started for good."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="first-", dir=self.folder))
        names = {"mqtt.client_id": folder.name, "mqtt.topic_root": "/first"}
        daemon = Daemon(folder, self.broker.port, names)
        daemon.write_config()
        for _ in range(2):
            daemon.launch([OTAD, "--config", str(daemon.config)], ENVIRONMENT)
            time.sleep(self.luck.uniform(0.0, 0.2))
            daemon.kill()
            self.kills += 1
        daemon.start()
        with Audit(daemon, self.books).read(folder / "otad.db") as database:
            whole = database.execute("PRAGMA integrity_check").fetchall()
        self.books.check(whole == [("ok",)], f"a database whose making was killed: {whole}")
        status = daemon.stop()
        self.books.check(status == 0, f"after a killed first start: {status} {daemon.log()[-2000:]}")
        shutil.rmtree(folder)

    def finish(self):
        """Honest from now on: everything that is open for a device that exists has to end."""
        self.pace.nasty.clear()
        for thread in self.operators.threads:
            thread.join(120)
        self.audit.after_start(self.luck)
        left = lambda: [task for task in self.open_rows() if not task["device_id"].startswith("ghost")]  # noqa: E731
        done = self.pace.until(lambda: not left(), 120 * PATIENCE)
        if not done:
            for task in left():
                self.books.fault(f"did not finish: {task} {self.audit.whole_row(int(task['task_id'].split('_')[2]))}")
        self.pace.over.set()
        for device in self.devices:
            device.thread.join(60)
            self.books.check(not device.thread.is_alive(), f"the thread of {device.id} hangs")
            device.close()
        self.audit.before = set()
        self.audit.after_start(self.luck, everything=True)
        self.look_at_log()
        status = self.daemon.stop()
        self.books.check(status == 0, f"at the end: {status} {self.daemon.log()[-2000:]}")

    def open_rows(self):
        rest = self.daemon.rest
        states = ("queued", "offered", "downloading", "retry_wait", "installing")
        return [task for state in states for task in rest.items("/tasks", state=state, limit=1000)]

    # --- the whole

    def run(self):
        begun = time.monotonic()
        self.begin()
        while self.kills < self.wanted:
            self.strike()
            self.rise()
            self.audit.after_start(self.luck)
            if self.kills % FRESH_EVERY == FRESH_EVERY - 1:
                self.kill_a_first_start()
            if len(self.starts) % 10 == 0:
                print(f"{self.kills} kills, {self.books.figures()}", flush=True)
        self.finish()
        figures = self.books.figures()
        return (
            f"{self.kills} kills, {figures['answered']} answers and messages, {figures['tasks']} tasks, "
            f"{figures['uploads']} uploads, {self.books.told['copied']} backups, faults = {figures['faults']}, "
            f"slowest restart {max(self.starts):.2f} s, peak memory {self.peak_rss / MIB:.0f} MiB, "
            f"{time.monotonic() - begun:.0f} s, seed {self.seed}"
        )

    def end(self):
        self.pace.nasty.clear()
        self.pace.over.set()
        self.daemon.kill()
        self.broker.kill()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("OTAD_CRASH_KILLS") or 50))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("OTAD_CRASH_SEED") or time.time_ns() % 10**9))
    parser.add_argument("--keep", action="store_true", help="keep the folder with database, images and logs")
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    wanted = arguments()
    print(f"seed {wanted.seed}, {wanted.kills} kills", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-crash-"))
    campaign = Campaign(wanted.kills, wanted.seed, folder)

    def too_long():
        print("the campaign takes too long", file=sys.stderr, flush=True)
        campaign.end()
        os._exit(1)

    limit = threading.Timer((900 + SECONDS_A_KILL * wanted.kills) * PATIENCE, too_long)
    limit.daemon = True
    limit.start()
    try:
        line = campaign.run()
    except BaseException:
        print(f"otad's log: {campaign.daemon.log()[-3000:]}", file=sys.stderr)
        raise
    finally:
        campaign.end()
        if not wanted.keep:
            shutil.rmtree(folder, ignore_errors=True)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(campaign.books.told.items()))
    print(kinds)
    for fault in campaign.books.faults[:20]:
        print(f"FAULT {fault[:1500]}")
    print(line)
    return 1 if campaign.books.faults else 0


if __name__ == "__main__":
    sys.exit(main())
