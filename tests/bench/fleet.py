#!/usr/bin/env python3
"""Fleet: what operators' calls about a whole fleet cost with 1,000 and with 1,000,000 registered devices.

Two daemons run side by side and are called by turns: the overviews, a rollout over all devices from its plan to its
end, and a stage of half the fleet that opens. Memory is the most that each daemon took, the stage's tasks included.
Debian package: mosquitto.
"""
import contextlib
import sqlite3
import statistics
import time

from common import MIB, PATIENT, Broker, Daemon, Report, exact_seconds, folder, harness, memory, options, running, subfolder

FILL = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT INTO devices (id, hardware, current_version, version_key, registered, transports, created, last_seen, ring,
                     gap_ms, present_until_tl)
SELECT printf('gw-%07d', i), 'bench', '1.0', (SELECT version_key FROM devices WHERE id = 'first'), 1, 1, :now - 1000,
       :now, random() & 4294967295, 60000, :now + 86400000 FROM n;
DELETE FROM devices WHERE id = 'first';
"""


class Fleet:
    def __init__(self, where, broker, count):
        self.count = count
        self.daemon = Daemon(subfolder(where, str(count)), broker.port, {
            **PATIENT, "http.threads": 1, "mqtt.client_id": f"otad-{count}", "mqtt.topic_root": f"/ota{count}"})
        self.daemon.start()
        for version in ("2.0", "3.0"):
            if self.daemon.rest.upload(version, bytes(4096), "bench").status != 201:
                raise AssertionError("upload")
        self.call("POST", f"/ota{count}/first/request", {"hardware": "bench", "current_version": "1.0"})
        self.daemon.stop()
        with contextlib.closing(sqlite3.connect(self.daemon.folder / "otad.db", isolation_level=None)) as db:
            db.execute("PRAGMA synchronous=OFF")
            db.execute("BEGIN")
            for statement in FILL.strip().split(";\n"):
                db.execute(statement, {"now": int(time.time() * 1000), "count": count})
            db.execute("COMMIT")
            harness.count_again(db)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.daemon.start()

    def call(self, method, path, body=None, wanted=(200,)):
        answer = self.daemon.rest.call(method, path, body)
        if answer.status not in wanted:
            raise AssertionError(f"{method} {path}: {answer}")
        return answer

    def step(self, *call, **more):
        """What a call answered, and what it took, in milliseconds."""
        pid = self.daemon.process.pid
        cpu, begun = exact_seconds(pid), time.monotonic()
        answer = self.call(*call, **more)
        took = (time.monotonic() - begun) * 1e3
        return answer, {"ms": took, "cpu_ms": (exact_seconds(pid) - cpu) * 1e3}

    def round(self):
        steps = {}

        def measured(name, *call, **more):
            answer, steps[name] = self.step(*call, **more)
            return answer

        measured("GET /summary", "GET", "/summary")
        measured("GET /fleet", "GET", "/fleet")
        measured("GET /metrics", "GET", "/metrics")
        measured("GET /devices, a page", "GET", "/devices?where=version%3C2.0&limit=100")
        order = {"channel": "default", "version": "2.0", "stages": [{"to": "canary"}, {"to": "50%"}]}
        measured("plan", "POST", "/rollouts?dry_run=true", order)
        rollout = "/rollouts/" + measured("create", "POST", "/rollouts", order, wanted=(201,)).json["rollout_id"]
        measured("GET /rollouts/{id}", "GET", rollout)
        measured("pause", "POST", rollout + "/pause")
        measured("resume", "POST", rollout + "/resume")
        measured("cancel", "POST", rollout + "/cancel")
        return steps

    def opens_half(self):
        """Until the tasks of half of the fleet are there: seconds, and how long an overview took meanwhile at most."""
        order = {"channel": "default", "version": "3.0", "stages": [{"to": "canary"}, {"to": "50%", "delay_s": 0}]}
        rollout = "/rollouts/" + self.call("POST", "/rollouts", order, wanted=(201,)).json["rollout_id"]
        _, took = self.step("POST", rollout + "/advance")
        begun, slowest, admitted = time.monotonic(), 0.0, 0
        while admitted < self.count // 2:
            if time.monotonic() - begun > 1_800:
                raise AssertionError(f"{admitted} devices admitted")
            answer, asked = self.step("GET", rollout)
            slowest = max(slowest, asked["ms"])
            admitted = sum(answer.json["buckets"].values())
            time.sleep(0.05)
        return {"advance, ms": took["ms"], "admits half, s": time.monotonic() - begun, "GET at most, ms": slowest}


def main():
    arguments = options(__doc__, rounds=30)
    counts = (200, 2_000) if arguments.quick else (1_000, 1_000_000)
    rounds = 3 if arguments.quick else arguments.rounds
    report = Report(arguments, "fleet", f"{rounds} of each step by turns, medians")
    with folder() as where, running(Broker(where)) as broker, contextlib.ExitStack() as stack:
        broker.start()
        fleets = [Fleet(where, broker, count) for count in counts]
        for fleet in fleets:
            stack.enter_context(running(fleet.daemon))
        found = [{} for _ in fleets]
        for number in range(rounds + 2):
            for place, fleet in enumerate(fleets):
                for name, took in fleet.round().items():
                    if number >= 2:  # warm by then
                        found[place].setdefault(name, []).append(took)
        for name in found[0]:
            for figure in ("ms", "cpu_ms"):
                medians = [statistics.median(took[figure] for took in each[name]) for each in found]
                report.add(**{"step": f"{name}, {'CPU ' if figure == 'cpu_ms' else ''}ms",
                              **{f"{count:,}": value for count, value in zip(counts, medians)},
                              "ratio": medians[-1] / medians[0]})
        halves = [fleet.opens_half() for fleet in fleets]
        for name in halves[0]:
            report.add(step=name, **{f"{count:,}": half[name] for count, half in zip(counts, halves)}, ratio="")
        peak = [memory(fleet.daemon.process.pid, "VmHWM") / MIB for fleet in fleets]
        report.add(step="MiB at most", **{f"{count:,}": value for count, value in zip(counts, peak)}, ratio="")
    report.done()


if __name__ == "__main__":
    main()
