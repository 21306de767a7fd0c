#!/usr/bin/env python3
"""Connections: what 10,000 idle downloads cost in memory, and whether they slow down the active ones.

Each idle connection has fetched a range and is kept alive. Two daemons take their turns under the same 100 active
downloads, one with the idle connections and one without. Debian packages: mosquitto wrk.
"""
import contextlib
import resource
import socket
import time

from chunks import SIZE, TARGETS, measure, target_of
from common import (MIB, PATIENT, Broker, Daemon, Report, by_turns, exact_seconds, folder, harness, medians, memory,
                    need, options, running, subfolder)

ACTIVE, RANGE = 100, 65536
SPARE = 200  # descriptors beside the connections


class Server:
    def __init__(self, where, broker, name, image, connections):
        self.daemon = Daemon(subfolder(where, name), broker.port, {
            **PATIENT, "http.threads": 1, "http.max_connections": connections + 2 * ACTIVE, "mqtt.client_id": name,
            "mqtt.topic_root": "/" + name, "tasks.max_active": 100_000})
        self.name, self.offers = name, 0
        self.daemon.start()
        if self.daemon.rest.upload("2.0", image, "bench").status != 201:
            raise AssertionError("upload")
        self.idle = []

    def offered(self):
        """The address of a new task."""
        self.offers += 1
        device = f"gw-{self.offers}"
        self.daemon.rest.upgrade(device, "2.0", hardware="bench")
        return target_of(self.daemon.rest.call("POST", f"/{self.name}/{device}/request", {"hardware": "bench"}).json)

    def connect(self, count):
        """Idle keep-alive connections, each with one range behind it."""
        request = f"GET {self.offered()} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-4095\r\n\r\n".encode()
        for _ in range(count):
            line = socket.create_connection(("127.0.0.1", self.daemon.port), 30)
            line.sendall(request)
            received = b""
            while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < 4096:
                part = line.recv(65536)
                if not part:
                    raise AssertionError(received)
                received += part
            if b" 206 " not in received[:20]:
                raise AssertionError(received[:200])
            self.idle.append(line)

    def load(self, where, seconds):
        return measure(self.daemon.process.pid, f"http://127.0.0.1:{self.daemon.port}",
                       [self.offered() for _ in range(TARGETS)], RANGE, where, ACTIVE, seconds)


def main():
    arguments = options(__doc__, rounds=9, seconds=4, connections=10_000)
    count, rounds, seconds = ((200, 1, 1) if arguments.quick else
                              (arguments.connections, arguments.rounds, arguments.seconds))
    need("wrk", "wrk")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + SPARE:
        raise SystemExit(f"{count + SPARE} open files are needed, {hard} are allowed: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    report = Report(arguments, "connections", f"{count} idle, {ACTIVE} active, {rounds} rounds of {seconds} s")
    with folder() as where, running(Broker(where)) as broker, contextlib.ExitStack() as stack:
        broker.start()
        image = harness.image("bench", SIZE)
        servers = [Server(where, broker, name, image, count) for name in ("full", "bare")]
        for server in servers:
            stack.enter_context(running(server.daemon))
        full, bare = servers
        for server in servers:
            server.load(where, 1)  # every block checked, every pool filled
        pid = full.daemon.process.pid
        before = memory(pid)
        full.connect(count)
        each = (memory(pid) - before) / count
        cpu = exact_seconds(pid)
        time.sleep(1 if arguments.quick else 10)
        idle_cpu = (exact_seconds(pid) - cpu) / (1 if arguments.quick else 10)
        report.add(**{"idle": f"{count}", "bytes each": each, "MiB before": before / MIB,
                      "MiB with them": memory(pid) / MIB, "idle CPU %": idle_cpu * 100})
        with_idle, without = map(medians, by_turns(rounds, lambda: full.load(where, seconds),
                                                   lambda: bare.load(where, seconds)))
        report.add(**{"active": f"{ACTIVE} of {RANGE // 1024} KiB", "with idle/s": with_idle["rate"],
                      "without/s": without["rate"], "rate ratio": with_idle["rate"] / without["rate"],
                      "CPU ratio": with_idle["cpu_gib"] / without["cpu_gib"],
                      "p99 ms": with_idle["p99_ms"], "p99 ratio": with_idle["p99_ms"] / without["p99_ms"]})
        for line in full.idle:
            line.close()
    report.done()


if __name__ == "__main__":
    main()
