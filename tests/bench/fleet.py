#!/usr/bin/env python3
"""Fleet: what operators' calls about a whole fleet cost with 1,000 and with 1,000,000 registered devices.

Two daemons run side by side and are called by turns: the overviews, a rollout over all devices from its plan to its
end, and a stage of half the fleet that opens. Memory is the most that each daemon took, the stage's tasks included.
Debian package: mosquitto.
"""
import contextlib
import time

from common import MIB, Broker, Report, Sized, folder, measured_rounds, memory, options, running

FILL = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT INTO devices (id, hardware, current_version, version_key, registered, transports, created, last_seen, ring,
                     gap_ms, present_until_tl)
SELECT printf('gw-%07d', i), 'bench', '1.0', (SELECT version_key FROM devices WHERE id = 'first'), 1, 1, :now - 1000,
       :now, random() & 4294967295, 60000, :now + 86400000 FROM n;
DELETE FROM devices WHERE id = 'first';
"""


class Fleet(Sized):
    fill = FILL

    def before_fill(self):
        self.call("POST", f"/ota{self.count}/first/request", {"hardware": "bench", "current_version": "1.0"})

    def round(self):
        steps = {}

        def measured(name, *call, **more):
            answer, steps[name] = self.step(self.call, *call, **more)
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
        _, took = self.step(self.call, "POST", rollout + "/advance")
        begun, slowest, admitted = time.monotonic(), 0.0, 0
        while admitted < self.count // 2:
            if time.monotonic() - begun > 1_800:
                raise AssertionError(f"{admitted} devices admitted")
            answer, asked = self.step(self.call, "GET", rollout)
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
        report.compare_steps(fleets, measured_rounds(fleets, rounds, warm=2))
        halves = [fleet.opens_half() for fleet in fleets]
        for name in halves[0]:
            report.compare(name, fleets, [half[name] for half in halves], ratio=False)
        peak = [memory(fleet.daemon.process.pid, "VmHWM") / MIB for fleet in fleets]
        report.compare("MiB at most", fleets, peak, ratio=False)
    report.done()


if __name__ == "__main__":
    main()
