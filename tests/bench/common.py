"""What the benchmarks stand on: the daemon and broker of the integration tests, CPU times, side-by-side runs, reports.

Absolute times of a shared machine mean little: each benchmark runs what it compares by turns in one go and reports the
ratio of the medians. Each takes --quick (a run of seconds, to see that it works) and --json FILE.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402
from harness import BUILD, MIB, Broker, Daemon, memory  # noqa: E402, F401

TICK = os.sysconf("SC_CLK_TCK")
GIB = 1 << 30
# Nothing times out while a benchmark looks at something else.
PATIENT = {"tasks.stall_timeout_s": 3600, "tasks.offer_timeout_s": 3600, "devices.present_s": 86400,
           "http.idle_timeout_s": 3600, "devices.unproven_per_minute": 1_000_000}


def options(description, **more):
    """The command line; `more` are further whole numbers with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="tiny, a few seconds: only shows that it works")
    parser.add_argument("--json", metavar="FILE", help="write the results there as well")
    for name, default in more.items():
        parser.add_argument("--" + name, type=int, default=default, help=f"default {default}")
    return parser.parse_args()


def need(program, package):
    """Where a program is; ends with the Debian package to install where it is missing."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        sys.exit(f"{program} is missing: apt-get install {package}")
    return found


def built(name):
    """A program of this folder, as CMake built it beside the daemon."""
    path = pathlib.Path(harness.OTAD).parent / "tests" / name
    if not path.exists():
        sys.exit(f"{path} is missing: build the target {name}, and name its build folder in OTAD_BUILD")
    return str(path)


@contextlib.contextmanager
def folder():
    """A temporary folder; harness.Process ends by itself what was started in it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="otad-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(process):
    """A started harness.Process, killed in the end."""
    try:
        yield process
    finally:
        process.kill()


def subfolder(parent, name):
    path = parent / name
    path.mkdir()
    return path


def stat_seconds(pid):
    """CPU seconds that a process has used, of /proc/PID/stat."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def exact_seconds(pid):
    """The same to the nanosecond where the kernel keeps it; only of threads that still run."""
    total = 0
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(path.read_text().split()[0])
    return total / 1e9 if total else stat_seconds(pid)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def by_turns(rounds, *sides):
    """Runs each side once a round, the order turned around each time: their results, one list a side."""
    results = [[] for _ in sides]
    for number in range(rounds):
        order = list(enumerate(sides))
        for place, side in order if number % 2 == 0 else reversed(order):
            results[place].append(side())
    return results


def medians(results):
    """Of a list of dicts with the same keys: one dict of the medians."""
    return {name: statistics.median(result[name] for result in results) for name in results[0]}


def metrics(rest):
    """/metrics as {name with labels: value}."""
    text = rest.call("GET", "/metrics").body.decode()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines() if line and not line.startswith("#")}


def ask(rest, device, **request):
    """A device's `request` over HTTP; the answer."""
    answer = rest.call("POST", f"/ota/{device}/request", request)
    if answer.status != 200:
        raise AssertionError(f"request of {device}: {answer}")
    return answer.json


def offered(rest, device, version, hardware="bench"):
    """The metadata of a fresh task of `device`."""
    answer = rest.upgrade(device, version, hardware=hardware)
    if answer.status != 201:
        raise AssertionError(f"upgrade of {device}: {answer}")
    metadata = ask(rest, device, hardware=hardware)
    if metadata["type"] != "metadata":
        raise AssertionError(f"{device} was not offered {version}: {metadata}")
    return metadata


class Sized:
    """A daemon with versions 2.0 and 3.0 for `bench` and rows that `fill` writes: one of the sizes to compare."""
    settings = {}
    image = bytes(4096)
    fill = ""  # SQL, with :count and :now

    def __init__(self, where, broker, count):
        self.count = count
        self.daemon = Daemon(subfolder(where, str(count)), broker.port, {
            **PATIENT, "http.threads": 1, "mqtt.client_id": f"otad-{count}", "mqtt.topic_root": f"/ota{count}",
            **self.settings})
        self.daemon.start()
        for version in ("2.0", "3.0"):
            if self.daemon.rest.upload(version, self.image, "bench").status != 201:
                raise AssertionError("upload")
        self.before_fill()
        self.daemon.stop()
        self.write_rows()
        self.daemon.start()

    def before_fill(self):
        """What the daemon does itself before the rows are written."""

    def round(self):
        """One round: what each step took, as step() says it, by name."""
        raise NotImplementedError

    def write_rows(self):
        with contextlib.closing(sqlite3.connect(self.daemon.folder / "otad.db", isolation_level=None)) as db:
            db.execute("PRAGMA synchronous=OFF")
            db.execute("PRAGMA cache_size=-400000")
            indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type='index' AND sql IS NOT NULL "
                                 "AND tbl_name IN ('tasks', 'devices')").fetchall()
            db.execute("BEGIN")
            for name, _ in indexes:
                db.execute(f"DROP INDEX {name}")
            for statement in self.fill.strip().split(";\n"):
                db.execute(statement, {"now": int(time.time() * 1000), "count": self.count})
            for _, sql in indexes:
                db.execute(sql)
            db.execute("COMMIT")
            harness.count_again(db)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def call(self, method, path, body=None, wanted=(200,)):
        answer = self.daemon.rest.call(method, path, body)
        if answer.status not in wanted:
            raise AssertionError(f"{method} {path}: {answer}")
        return answer

    def step(self, work, *arguments, **more):
        """What `work` answered, and what it took, in milliseconds."""
        pid = self.daemon.process.pid
        cpu, begun = exact_seconds(pid), time.monotonic()
        answer = work(*arguments, **more)
        took = (time.monotonic() - begun) * 1e3
        return answer, {"ms": took, "cpu_ms": (exact_seconds(pid) - cpu) * 1e3}


def measured_rounds(sizes, rounds, warm):
    """The rounds of all sizes by turns, after `warm` that don't count: for each size the results of each step."""
    found = [{} for _ in sizes]
    for number in range(warm + rounds):
        for place, size in enumerate(sizes):
            for name, took in size.round().items():
                if number >= warm:
                    found[place].setdefault(name, []).append(took)
    return found


class Report:
    """A table on stdout, and the same rows as JSON."""

    def __init__(self, arguments, title, note=""):
        self.arguments, self.rows = arguments, []
        self.head = {"benchmark": title, "quick": arguments.quick, "cores": os.cpu_count(),
                     "load_before": round(os.getloadavg()[0], 2), "began": time.strftime("%FT%TZ", time.gmtime())}
        print(f"{title}{': ' + note if note else ''}\n{os.cpu_count()} cores, load {self.head['load_before']} before")

    def add(self, **row):
        """One row; it is shown at once."""
        if self.rows and list(self.rows[-1]) == list(row):
            self.line(row.values())
        else:
            print()
            self.line(row)
            self.line(row.values())
        self.rows.append(row)

    def compare(self, step, sizes, values, ratio=True):
        """A row with one value for each size."""
        self.add(**{"step": step, **{f"{size.count:,}": value for size, value in zip(sizes, values)},
                    "ratio": values[-1] / values[0] if ratio else ""})

    def compare_steps(self, sizes, found):
        """The medians of what measured_rounds() found."""
        for name in found[0]:
            for unit, title in (("cpu_ms", "CPU ms"), ("ms", "ms")):
                self.compare(f"{name}, {title}", sizes,
                             [statistics.median(took[unit] for took in each[name]) for each in found])

    @staticmethod
    def line(values):
        cells = [f"{value:.4g}" if isinstance(value, float) and abs(value) < 1000 else
                 f"{value:,.0f}" if isinstance(value, float) else str(value) for value in values]
        print("".join(f"{cell:<24}" if place == 0 else f"{cell:>18}" for place, cell in enumerate(cells)), flush=True)

    def done(self):
        if self.arguments.json:
            pathlib.Path(self.arguments.json).write_text(json.dumps({**self.head, "rows": self.rows}, indent=1) + "\n")
