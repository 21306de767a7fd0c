#!/usr/bin/python3
"""Updates over bad lines, each beside plain `curl -C -` in a loop on the same line: time, bytes, transport switches.

    network.py [--quick] [--json FILE] [--at-once N] [CASE...]

`best` is what no client can beat: connecting and asking, the image at the line's rate, and the time that the line was
down. `data` is image data that went over the line to the image's size, `wire` all bytes towards the device. OTAD_BIN or
OTAD_BUILD name the programs, as for the tests. Loss needs namespaces, so root.
"""
import argparse
import concurrent.futures
import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration" / "network"))

from netns import Network, why_not  # noqa: E402
from proxy import Link  # noqa: E402
from scene import KIB, Scene, SpacedScene  # noqa: E402

MIB = 1024 * KIB
LIMIT = 900  # s for one client on one line
SEGMENT = 1448 / 1514  # of a full packet, what is data


@dataclasses.dataclass
class Case:
    name: str
    size: int
    rate: int  # bytes/s each way
    chunk_kib: int = 64
    delay: float = 0.0
    loss: float = 0.0  # in namespaces
    cuts: dict = None
    corrupt: int = None  # one byte in so many
    blocked: str = ""  # http, mqtt, turns

    def best(self, downtime):
        """Two round trips, then the line's rate."""
        rate = self.rate * (1 - self.loss) * (SEGMENT if self.loss else 1)
        return 4 * self.delay + self.size / rate + downtime

    def quick(self):
        """The same in seconds, only to see that it works."""
        cuts = self.cuts and {"up": (2, 4), "down": (0.2, 0.5)}
        return dataclasses.replace(self, size=max(64 * KIB, self.size // 32), cuts=cuts, chunk_kib=16)


OFTEN = {"up": (2, 10), "down": (1, 10)}
LONG = {"up": (5, 20), "down": (1, 60)}
CASES = [
    Case("delay 50 ms", 16 * MIB, 2 * MIB, 512, delay=0.05),
    Case("delay 300 ms", 8 * MIB, 1 * MIB, 512, delay=0.3),
    Case("loss 1 %", 8 * MIB, 1 * MIB, 512, loss=0.01),
    Case("loss 5 %", 8 * MIB, 1 * MIB, 512, loss=0.05),
    Case("loss 10 %", 4 * MIB, 1 * MIB, 512, loss=0.1),
    Case("loss 30 %", 1 * MIB, 1 * MIB, loss=0.3),
    Case("64 kbit/s", 512 * KIB, 8000),
    Case("cut 1 to 10 s", 8 * MIB, 256 * KIB, 512, cuts=OFTEN),
    Case("cut 1 to 60 s", 16 * MIB, 256 * KIB, 512, cuts=LONG),
    Case("cut 1 to 10 s, half unheard", 8 * MIB, 256 * KIB, cuts=OFTEN | {"frozen": 0.5}),
    Case("64 kbit/s, cut 1 to 10 s", 256 * KIB, 8000, cuts=OFTEN),
    Case("one byte a MiB corrupt", 16 * MIB, 2 * MIB, corrupt=MIB),
    Case("HTTP blocked", 8 * MIB, 1 * MIB, blocked="http"),
    Case("MQTT blocked", 8 * MIB, 1 * MIB, blocked="mqtt"),
    Case("blocked by turns of 10 s", 16 * MIB, 256 * KIB, blocked="turns"),
]


class Line:
    """The scene of one case for one client: trouble() while it downloads, and what was counted."""

    def __init__(self, case, stack):
        self.case, self.over = case, threading.Event()
        if case.loss:
            self.network = stack.enter_context(Network())
            stack.enter_context(self.network.inside())
            self.network.bound(case.rate)
            self.network.lose(case.loss)
            self.scene = stack.enter_context(SpacedScene(self.network))
            self.link = None
        else:
            self.link = Link(case.delay, case.rate)
            self.scene = stack.enter_context(Scene(self.link))
        self.data = self.scene.firmware(case.size)
        self.turns = threading.Thread(target=self.take_turns, daemon=True)

    @contextlib.contextmanager
    def trouble(self):
        case, scene = self.case, self.scene
        self.begun = time.monotonic()
        if case.cuts:
            self.link.cut_at_random(1, **case.cuts)
        if case.corrupt:
            scene.http.corrupt(case.corrupt)
            scene.mqtt.corrupt(case.corrupt)
        if case.blocked in ("http", "mqtt"):
            getattr(scene, case.blocked).refuse()
        if case.blocked == "turns":
            self.turns.start()
        try:
            yield
        finally:
            self.seconds = time.monotonic() - self.begun
            self.downtime = self.link.downtime() if self.link else 0.0
            self.over.set()

    def take_turns(self):
        doors = [self.scene.http, self.scene.mqtt]
        while not self.over.is_set():
            doors[0].refuse()
            doors[1].open()
            doors.reverse()
            self.over.wait(10)

    def figures(self, fetched):
        """`fetched`: image bytes as the client counted them, for lines without a proxy."""
        size = self.case.size
        if self.link:
            doors = (self.scene.http, self.scene.mqtt)
            data, wire = sum(door.file for door in doors), sum(door.down for door in doors)
        else:
            data, wire = fetched, self.network.sent()
        best = self.case.best(self.downtime)
        return {"seconds": round(self.seconds, 1), "best_seconds": round(best, 1), "data": round(data / size, 3),
                "wire": round(wire / size, 3), "outages": self.link.outages if self.link else 0}  # fmt: skip


def with_agent(case):
    with contextlib.ExitStack() as stack:
        line = Line(case, stack)
        agent = line.scene.agent("device")
        task = line.scene.upgrade("device", case.chunk_kib)
        agent.start()
        with line.trouble():
            agent.finish(line.data, LIMIT)
        fetched = max(event.get("bytes_fetched", 0) for event in agent.events())
        switches = [entry for entry in line.scene.log_of(task) if entry["kind"] == "transport"]
        return line.figures(fetched) | {"switches": len(switches)}


def with_curl(case):
    """`curl -C -` until it ends well, as scripts do it; nothing where it can't."""
    with contextlib.ExitStack() as stack:
        line = Line(case, stack)
        url, file = line.scene.metadata("curl")["url"], line.scene.folder / "image"
        before = list(line.scene.before_agents)
        command = [*before, "curl", "-sS", "--fail", "-C", "-", "--connect-timeout", "10", "--speed-limit", "1",
                   "--speed-time", "20", "-w", "%{size_download}", "-o", str(file), url]  # fmt: skip
        fetched, tries, done = 0, 0, False
        with line.trouble():
            while not done and time.monotonic() - line.begun < LIMIT and case.blocked != "http":
                run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
                fetched += int(run.stdout or 0)
                tries, done = tries + 1, run.returncode == 0
                if not done:
                    time.sleep(1)
        right = file.exists() and file.read_bytes() == line.data
        return line.figures(fetched) | {"tries": tries, "done": done, "right": right}


def measure(run, case):
    try:
        found = run(case)
    except AssertionError as fault:
        found = {"fault": f"{case.name}, {run.__name__}: {fault}"[:3000]}
    print(f"{case.name}, {run.__name__}: done", file=sys.stderr, flush=True)
    return found


def measure_all(cases, at_once):
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        running = [
            (case, pool.submit(measure, with_agent, case), pool.submit(measure, with_curl, case)) for case in cases
        ]
        return [
            {"case": case.name, "size": case.size, "rate": case.rate, "chunk_kib": case.chunk_kib}
            | {"agent": agent.result(), "curl": curl.result()}
            for case, agent, curl in running
        ]


def pace(figures):
    seconds, best = figures["seconds"], figures["best_seconds"]
    return f"{seconds:.1f} s ({seconds / best:.2f})"


def row(found):
    """A line of the table."""
    agent, curl = found["agent"], found["curl"]
    cells = [found["case"], f"{found['size'] / MIB:g} MiB"]
    if "fault" in agent:
        cells += ["-", "not done", "-", "-", "-"]
    else:
        cells += [f"{agent['best_seconds']:.1f} s", pace(agent), f"{agent['data']:.3f}", f"{agent['wire']:.3f}"]
        cells += [str(agent["switches"])]
    if "fault" in curl:
        cells += ["fault", "-", "-"]
    elif curl["done"]:
        cells += [pace(curl), f"{curl['data']:.3f}", "right" if curl["right"] else "wrong image"]
    else:
        cells += ["never", "-", "-"]
    return cells


def print_table(results):
    head = ["case", "image", "best", "ota-agent (to best)", "data", "wire", "switches"]
    head += ["curl -C - (to best)", "data", "outcome"]
    rows = [head, *(row(found) for found in results)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(head))]
    for line in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there")
    parser.add_argument("--at-once", type=int, default=8, help="so many side by side (they mostly wait)")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(case.name for case in CASES)}")
    parser.add_argument("--quick", action="store_true", help="tiny images: only shows that it works")
    options = parser.parse_args()
    wanted = [case for case in CASES if not options.cases or case.name in options.cases]
    if options.quick:
        wanted = [case.quick() for case in wanted]
    if missing := why_not():
        print(f"without loss, for there can be no namespaces here: {missing}", file=sys.stderr)
        wanted = [case for case in wanted if not case.loss]
    results = measure_all(wanted, options.at_once)
    print_table(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    faults = [found[client]["fault"] for found in results for client in ("agent", "curl") if "fault" in found[client]]
    sys.exit("\n".join(faults) if faults else 0)


if __name__ == "__main__":
    main()
