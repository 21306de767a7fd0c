#!/usr/bin/env python3
"""Operators: POST /firmware/upgrade at 100 a second for a minute, beside the time of one commit; the most that it holds.

The calls leave at their appointed times whether or not earlier ones were answered, and an answer's time counts from the
appointed one, so that a stall shows in all calls that it held up. The commit that they are held against is the
daemon's own mean of the same minute, and that of a bare SQLite program on the same disk. The highest rate is that of
64 callers without a pause, by wrk. Debian packages: mosquitto wrk.
"""
import collections
import json
import selectors
import socket
import sqlite3
import statistics
import subprocess
import time

from common import (PATIENT, Broker, Daemon, Report, folder, harness, metrics, need, options, percentile, running,
                    subfolder)

LINES = 16
CALLERS = 64
SCRIPT = """
local number = 0
function request()
  number = number + 1
  return wrk.format("POST", "/firmware/upgrade", {["Content-Type"] = "application/json"},
    string.format('{"device_id":"gw-wrk-%d","firmware_version":"2.0","hardware":"bench"}', number))
end
function done(summary, latency)
  local e = summary.errors
  print(string.format('FIGURES {"requests": %d, "us": %d, "p99_us": %d, "errors": %d}', summary.requests,
    summary.duration, latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def order(device):
    body = json.dumps({"device_id": device, "firmware_version": "2.0", "hardware": "bench"})
    return (f"POST /firmware/upgrade HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def answered(data):
    """One whole answer's status, None where it isn't complete."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return None
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return int(head.split()[1]) if len(body) >= length else None


def alive(_):
    """A call that decides and keeps nothing: what client, loopback and sleeping processors take by themselves."""
    return b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def upgrade(number):
    return order(f"gw-{number}")


def at_rate(port, rate, seconds, call, expected):
    """Milliseconds from each call's appointed time to its answer. One thread, a few kept connections."""
    selector = selectors.SelectSelector()  # epoll's waits are whole milliseconds
    free, took, received, appointed, late = collections.deque(), [], {}, {}, collections.deque()
    for _ in range(LINES):
        line = socket.create_connection(("127.0.0.1", port))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(line, selectors.EVENT_READ)
        free.append(line)
    begun, sent, count = time.monotonic(), 0, rate * seconds
    while len(took) < count:
        now = time.monotonic()
        while sent < count and begun + sent / rate <= now:
            late.append((sent, begun + sent / rate))
            sent += 1
        while late and free:
            line, (number, due) = free.popleft(), late.popleft()
            line.sendall(call(number))
            appointed[line], received[line] = due, b""
        wait = begun + sent / rate - time.monotonic() if sent < count else 1
        for key, _ in selector.select(max(wait, 0)):
            line = key.fileobj
            received[line] += line.recv(65536)
            status = answered(received[line])
            if status is None:
                continue
            if status != expected:
                raise AssertionError(received[line])
            took.append((time.monotonic() - appointed[line]) * 1e3)
            free.append(line)
    for line in free:
        line.close()
    return took


def bare_commits(path, count):
    """Milliseconds of each commit of one small row, as durable as the daemon's."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS t (a TEXT)")
    took = []
    for _ in range(count):
        begun = time.monotonic()
        database.execute("INSERT INTO t VALUES (?)", ("x" * 500,))
        took.append((time.monotonic() - begun) * 1e3)
    database.close()
    return took


def highest(where, port, seconds):
    script = where / "upgrade.lua"
    script.write_text(SCRIPT)
    shown = subprocess.run([need("wrk", "wrk"), "-t1", f"-c{CALLERS}", f"-d{seconds}s", "-s", script,
                            f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True).stdout
    found = json.loads(next(line for line in shown.splitlines() if line.startswith("FIGURES"))[8:])
    if found["errors"] or not found["requests"]:
        raise AssertionError(shown)
    return found


def main():
    arguments = options(__doc__, rate=100, seconds=60)
    rate, seconds = (50, 2) if arguments.quick else (arguments.rate, arguments.seconds)
    report = Report(arguments, "operators", f"{rate} a second for {seconds} s, then {CALLERS} callers")
    need("wrk", "wrk")
    with folder() as where, running(Broker(where)) as broker:
        broker.start()
        daemon = Daemon(subfolder(where, "otad"), broker.port, PATIENT)
        with running(daemon):
            daemon.start()
            if daemon.rest.upload("2.0", harness.image("bench", 200_000), "bench").status != 201:
                raise AssertionError("upload")
            before = metrics(daemon.rest)
            bare = bare_commits(daemon.folder / "bare.db", 5 * seconds)
            idle = at_rate(daemon.port, rate, max(2, seconds // 4), alive, 200)
            took = at_rate(daemon.port, rate, seconds, upgrade, 201)
            bare += bare_commits(daemon.folder / "bare.db", 5 * seconds)
            after = metrics(daemon.rest)
            commits, spent = (after[name] - before[name] for name in
                              ("otad_engine_commits_total", "otad_engine_commit_seconds_sum"))
            commit = spent / commits * 1e3
            report.add(**{"calls": f"{rate}/s, {seconds} s", "median ms": statistics.median(took),
                          "p99 ms": percentile(took, 0.99), "/healthz ms": statistics.median(idle),
                          "/healthz p99 ms": percentile(idle, 0.99), "mean commit ms": commit,
                          "bare commit ms": statistics.mean(bare), "bare p99 ms": percentile(bare, 0.99),
                          "median - commit": statistics.median(took) - commit,
                          "p99 - bare p99": percentile(took, 0.99) - percentile(bare, 0.99)})
            most = highest(where, daemon.port, 1 if arguments.quick else 20)
            now = metrics(daemon.rest)
            report.add(**{"calls": f"{CALLERS} callers", "calls/s": most["requests"] / most["us"] * 1e6,
                          "p99 ms": most["p99_us"] / 1e3,
                          "calls a commit": most["requests"] / (now["otad_engine_commits_total"]
                                                                - after["otad_engine_commits_total"])})
    report.done()


if __name__ == "__main__":
    main()
