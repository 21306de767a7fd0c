#!/usr/bin/env python3
"""Live events: from the commit to a reader, and what many readers cost.

An event is a device that an operator registers (PUT /devices/{id}): its answer comes after the commit. First, with one
reader, how long after that answer the event arrives (it may also arrive before it). Then READERS readers on RATE events a
second: the daemon's CPU and memory, beside the same without readers, and the time in COMMIT of both.
"""
import contextlib
import http.client
import json
import multiprocessing
import selectors
import socket
import statistics
import threading
import time

from common import (MIB, PATIENT, Broker, Daemon, Report, exact_seconds, folder, memory, metrics, options, percentile,
                    running)

COMMITS = ("otad_engine_commits_total", "otad_engine_commit_seconds_sum")
ASK = b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


def read_all(port, count, ready, stop, seen):
    """In a process of its own: `count` streams, read and counted by events."""
    selector = selectors.DefaultSelector()
    tails = {}
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(ASK)
        one.setblocking(False)
        selector.register(one, selectors.EVENT_READ)
        tails[one] = b""
    ready.set()
    events = 0
    while not stop.is_set():
        for key, _ in selector.select(0.2):
            with contextlib.suppress(BlockingIOError):
                got = key.fileobj.recv(1 << 18)
                if not got:
                    raise AssertionError("a stream ended")
                # What may be cut is looked at again with what follows.
                events += (tails[key.fileobj] + got).count(b"\nid: ") - tails[key.fileobj].count(b"\nid: ")
                tails[key.fileobj] = got[-5:]
    seen.value = events


class Writer:
    """Registers devices on one connection."""

    def __init__(self, port):
        self.connection, self.number = http.client.HTTPConnection("127.0.0.1", port), 0

    def event(self, name):
        self.connection.request("PUT", f"/devices/{name}", "{}", {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        reply.read()
        if reply.status not in (200, 201):
            raise AssertionError(f"PUT /devices/{name}: {reply.status}")

    def at_rate(self, name, rate, seconds):
        begun = time.monotonic()
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            self.event(f"{name}-{number}")
        return time.monotonic() - begun


def latencies(daemon, count):
    """ms from the commit's answer to the event; negative: the event was first."""
    arrived, done = {}, threading.Event()

    def read():
        with socket.create_connection(("127.0.0.1", daemon.port)) as one, one.makefile("rb") as stream:
            one.sendall(ASK)
            for line in stream:
                if line.startswith(b"data: "):
                    arrived[json.loads(line[6:])["subject"]] = time.monotonic()
                    if len(arrived) == count:
                        done.set()
                        return
                elif line.startswith(b"retry"):
                    opened.set()

    opened = threading.Event()
    threading.Thread(target=read, daemon=True).start()
    opened.wait(10)
    writer, answered = Writer(daemon.port), {}
    for number in range(count):
        writer.event(f"latency-{number}")
        answered[f"latency-{number}"] = time.monotonic()
        time.sleep(0.03)
    if not done.wait(10):
        raise AssertionError(f"{len(arrived)} of {count} events came")
    return [(arrived[name] - at) * 1e3 for name, at in answered.items()]


def cost(daemon, name, readers, rate, seconds):
    context = multiprocessing.get_context("fork")
    ready, stop, seen = context.Event(), context.Event(), context.Value("q", 0)
    reading = context.Process(target=read_all, args=(daemon.port, readers, ready, stop, seen), daemon=True)
    reading.start()
    ready.wait(30)
    time.sleep(0.5)
    before, cpu = metrics(daemon.rest), exact_seconds(daemon.process.pid)
    took = Writer(daemon.port).at_rate(name, rate, seconds)
    time.sleep(0.5)
    cpu = exact_seconds(daemon.process.pid) - cpu
    now, rss = metrics(daemon.rest), memory(daemon.process.pid)
    stop.set()
    reading.join(10)
    commits, spent = (now[key] - before[key] for key in COMMITS)
    return {"events_s": int(rate * seconds) / took, "cores": cpu / took, "rss_mib": rss / MIB, "commit_ms": spent / commits * 1e3,
            "events_read": seen.value, "events_wanted": readers * int(rate * seconds)}


def main():
    arguments = options(__doc__, readers=1000, rate=100, seconds=20)
    if arguments.quick:
        arguments.readers, arguments.seconds = 20, 1
    report = Report(arguments, "events", f"{arguments.readers} readers, {arguments.rate} events a second")
    with folder() as where, running(Broker(where)) as broker:
        broker.start()
        with running(Daemon(where, broker.port, PATIENT)) as daemon:
            daemon.start()
            times = latencies(daemon, 20 if arguments.quick else 200)
            report.add(what="commit's answer to event", median_ms=statistics.median(times),
                       p99_ms=percentile(times, 0.99), most_ms=max(times))
            for name, readers in (("none", 0), ("many", arguments.readers), ("none again", 0)):
                figures = cost(daemon, name.replace(" ", "-"), readers, arguments.rate, arguments.seconds)
                if figures["events_read"] != figures["events_wanted"]:
                    raise AssertionError(f"lost: {figures}")
                report.add(readers=f"{readers} ({name})", **figures)
    report.done()


if __name__ == "__main__":
    main()
