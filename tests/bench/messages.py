#!/usr/bin/env python3
"""Messages: whole life cycles of devices over Mosquitto, otad beside a server that only echoes.

A cycle is request, metadata, four times progress, verify, success, at QoS 1, with 1, 32 and 256 devices in flight. Each
is that of a new device which never tells what it runs, so that the verified image ends it. otad
commits each of its answers durably; the echo server stands on the same MQTT library, keeps nothing and answers
constants. Broker and load generator are the same for both. Debian package: mosquitto.
"""
import json
import subprocess

from common import (PATIENT, Broker, Daemon, Report, ask, built, by_turns, exact_seconds, folder, harness, medians,
                    metrics, options, running, subfolder)

CHUNK = 65536
COMMITS = ("otad_engine_commits_total", "otad_engine_commit_seconds_sum", "otad_engine_commands_total")


class Echo(harness.Process):
    def __init__(self, where, port, metadata):
        super().__init__(where / "echo.log")
        (where / "metadata.json").write_text(json.dumps(metadata, separators=(",", ":")))
        self.command = [built("bench_echo"), str(port), "/echo", str(where / "metadata.json")]

    def start(self):
        self.launch(self.command)
        harness.wait_until(lambda: "ready" in self.log(), "the echo server is connected")
        return self


def drive(port, root, in_flight, cycles, checksum):
    shown = subprocess.run([built("bench_load"), str(port), root, str(in_flight), str(cycles), checksum],
                           capture_output=True, text=True, check=False)
    if shown.returncode:
        raise AssertionError(shown.stderr)
    return json.loads(shown.stdout)


def side(port, root, pid, in_flight, cycles, checksum, rest=None):
    """One run; with `rest` also what the commits did."""
    counted = metrics(rest) if rest else {}
    cpu = exact_seconds(pid)
    run = drive(port, root, in_flight, cycles, checksum)
    run["cpu_ms"] = (exact_seconds(pid) - cpu) / cycles * 1e3
    run["rate"] = cycles / run["seconds"]
    if rest:
        now = metrics(rest)
        commits, seconds, _ = (now[name] - counted[name] for name in COMMITS)
        run |= {"cycles_commit": cycles / commits, "commits_s": commits / run["seconds"],
                "commit_ms": seconds / commits * 1e3}
    return run


def main():
    arguments = options(__doc__, rounds=5, cycles=0)
    plan = {1: 20, 32: 64} if arguments.quick else {1: 500, 32: 6000, 256: 12000}
    rounds = 1 if arguments.quick else arguments.rounds
    report = Report(arguments, "messages", f"{rounds} rounds by turns, QoS 1, one connection for all devices")
    with folder() as where, running(Broker(where)) as broker:
        broker.start()
        daemon = Daemon(subfolder(where, "otad"), broker.port,
                        {**PATIENT, "tasks.max_active": 1000, "http.threads": 1})
        with running(daemon):
            daemon.start()
            image = harness.image("bench", 4 * CHUNK)
            if daemon.rest.upload("2.0", image, "bench").status != 201:
                raise AssertionError("upload")
            metadata = ask(daemon.rest, "gw-first", hardware="bench", version="2.0", current_version="1.0",
                           max_chunk_bytes=CHUNK)
            checksum = harness.digest(image)
            echo = Echo(where, broker.port, metadata)
            with running(echo):
                echo.start()
                for in_flight, cycles in plan.items():
                    cycles = arguments.cycles or cycles
                    ours = lambda: side(broker.port, "/ota", daemon.process.pid, in_flight, cycles, checksum, daemon.rest)
                    theirs = lambda: side(broker.port, "/echo", echo.process.pid, in_flight, cycles, checksum)
                    ours(), theirs()  # warm
                    otad, constant = map(medians, by_turns(rounds, ours, theirs))
                    report.add(**{
                        "in flight": f"{in_flight}", "otad cycles/s": otad["rate"], "echo cycles/s": constant["rate"],
                        "rate ratio": otad["rate"] / constant["rate"], "CPU ms a cycle": otad["cpu_ms"],
                        "echo CPU ms": constant["cpu_ms"], "CPU ratio": otad["cpu_ms"] / constant["cpu_ms"],
                        "median ms": otad["median_ms"], "echo median ms": constant["median_ms"],
                        "ms a commit": otad["commit_ms"], "cycles a commit": otad["cycles_commit"],
                        "commits/s": otad["commits_s"]})
    report.done()


if __name__ == "__main__":
    main()
