#!/usr/bin/env python3
"""hawkBit's device interface: idle polls of many devices by turns, all of them in one burst after a restart, and
artifacts compared with the images of otad's own interface. Debian package: wrk."""
import json
import resource
import select
import socket
import subprocess
import time

from common import (PATIENT, Broker, Daemon, Report, by_turns, folder, harness, medians, metrics, need, offered, options,
                    percentile, running, stat_seconds, subfolder)

CONNECTIONS = 32
TARGETS = 256  # tasks whose images a run fetches by turns: a device that fetches the same over and over is slowed down
SIZE = 64 * harness.MIB
COMMITS = "otad_engine_commits_total"

SCRIPT = """
local headers = {%s}
local targets = {%s}
local at, id = 0, 0
function setup(thread) thread:set("first", id); id = id + %d end
function request()
  at = at + 1
  return wrk.format("GET", targets and #targets > 0 and targets[at %% #targets + 1]
    or "/DEFAULT/controller/v1/dev-" .. (first + at) %% %d, headers)
end
function done(summary, latency)
  local e = summary.errors
  print(string.format('FIGURES {"requests": %%d, "bytes": %%d, "us": %%d, "p99_us": %%d, "errors": %%d}', summary.requests,
    summary.bytes, summary.duration, latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def wrk(where, daemon, seconds, devices, threads=2, targets=(), step=0):
    """One run, and the CPU that the server took meanwhile."""
    script = where / "run.lua"
    header = f'Range = "bytes=0-{step - 1}"' if step else ""
    script.write_text(SCRIPT % (header, ", ".join(f'"{target}"' for target in targets), devices // threads, devices))
    before = stat_seconds(daemon.process.pid)
    shown = subprocess.run([need("wrk", "wrk"), f"-t{threads}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s",
                            "-s", script, f"http://127.0.0.1:{daemon.port}"],
                           capture_output=True, text=True, check=True).stdout
    found = json.loads(next(line for line in shown.splitlines() if line.startswith("FIGURES"))[8:])
    if found["errors"] or not found["requests"]:
        raise AssertionError(shown)
    return {"rate": found["requests"] / found["us"] * 1e6, "p99_ms": found["p99_us"] / 1e3,
            "cpu_us": (stat_seconds(daemon.process.pid) - before) / found["requests"] * 1e6}


def burst(daemon, devices):
    """All poll at once, each on a connection that is open; the seconds until each has its answer, and its `sleep`."""
    ends = []
    for _ in range(devices):
        ends.append(socket.create_connection(("127.0.0.1", daemon.port)))
    poll = select.epoll()
    began, waits, sleeps = time.monotonic(), [], []
    for number, end in enumerate(ends):
        end.sendall(f"GET /DEFAULT/controller/v1/dev-{number} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        poll.register(end.fileno(), select.EPOLLIN)
    sent = time.monotonic() - began
    by_number = {end.fileno(): end for end in ends}
    while len(waits) < devices:
        for number, _ in poll.poll(60):
            reply = by_number[number].recv(4096)
            if not reply.startswith(b"HTTP/1.1 200"):
                raise AssertionError(reply)
            hours, minutes, seconds = map(int, reply.partition(b'"sleep":"')[2][:8].split(b":"))
            sleeps.append(hours * 3600 + minutes * 60 + seconds)
            waits.append(time.monotonic() - began)
            poll.unregister(number)
    for end in ends:
        end.close()
    return {"devices": devices, "sent_s": sent, "half_s": percentile(waits, 0.5), "all_s": max(waits),
            "next_from_s": min(sleeps), "next_to_s": max(sleeps)}


def idle(report, where, daemon, devices, seconds, rounds):
    for number in range(devices):  # they register
        if daemon.rest.call("GET", f"/DEFAULT/controller/v1/dev-{number}").status != 200:
            raise AssertionError("poll")
    commits = metrics(daemon.rest)[COMMITS]
    runs = [wrk(where, daemon, seconds, devices) for _ in range(rounds)]
    commits = metrics(daemon.rest)[COMMITS] - commits
    found = medians(runs)
    report.add(what="idle polls", devices=devices, rate=found["rate"], p99_ms=found["p99_ms"], cpu_us=found["cpu_us"],
               commits_s=commits / (seconds * rounds), rss_mib=daemon.rss() / harness.MIB)


def artifacts(report, where, daemon, seconds, rounds, sizes):
    targets = {"image": [], "artifact": []}
    daemon.rest.upload("2.0", harness.image("bench", SIZE), "bench")
    for number in range(TARGETS):
        url = offered(daemon.rest, f"own-{number}", "2.0")["url"]
        targets["image"].append("/" + url.split("/", 3)[3])
        device = f"ddi-{number}"
        daemon.rest.call("GET", f"/DEFAULT/controller/v1/{device}")
        daemon.rest.upgrade(device, "2.0", hardware="bench")
        shown = daemon.rest.get(f"/DEFAULT/controller/v1/{device}")["_links"]["deploymentBase"]["href"]
        chunk = daemon.rest.get("/" + shown.split("/", 3)[3].split("?")[0])["deployment"]["chunks"][0]
        href = chunk["artifacts"][0]["_links"]["download"]["href"]
        targets["artifact"].append("/" + href.split("/", 3)[3])
    for step in sizes:
        sides = [lambda kind=kind: wrk(where, daemon, seconds, 2, 1, targets[kind], step) for kind in targets]
        image, artifact = map(medians, by_turns(rounds, *sides))
        report.add(what=f"ranges of {step // 1024} KiB", image_rate=image["rate"], artifact_rate=artifact["rate"],
                   ratio=artifact["rate"] / image["rate"], image_cpu_us=image["cpu_us"], cpu_us=artifact["cpu_us"])


def main():
    arguments = options(__doc__, rounds=3, seconds=8, devices=10_000)
    quick = arguments.quick
    rounds, seconds, devices = (1, 1, 5_000) if quick else (arguments.rounds, arguments.seconds, arguments.devices)
    report = Report(arguments, "ddi", f"{CONNECTIONS} connections, {rounds} rounds of {seconds} s")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with folder() as where, running(Broker(where)) as broker:
        broker.start()
        daemon = Daemon(subfolder(where, "otad"), broker.port, {**PATIENT, "tasks.max_active": 100_000,
                                                                "http.max_connections": 20_000})
        with running(daemon):
            daemon.start()
            idle(report, where, daemon, devices, seconds, rounds)
            daemon.restart()  # nothing is known of their polls
            report.add(what="all at once", **burst(daemon, devices))
            artifacts(report, where, daemon, min(seconds, 2), rounds, [65536] if quick else [4096, 65536, 524288])
    report.done()


if __name__ == "__main__":
    main()
