"""A reader of server-sent events, written from docs/events.md: it resumes by itself and keeps what it saw."""
import contextlib
import json
import socket
import threading
import time
from urllib.parse import urlencode

from harness import PATIENCE


def event_numbers(rest, since=0, **query):
    """Of all events above that one, in their order."""
    found = []
    while True:
        page = rest.get("/events", since=since, limit=1000, **query)
        found += [int(event["id"]) for event in page["items"]]
        since = page["next"]
        if since == page["newest"]:
            return found


class Reader:
    """Follows GET /events on a thread of its own until close(). `seen`: the numbers, in the order of their coming."""

    def __init__(self, port, since=None, **query):
        self.port, self.query, self.last = port, query, since
        self.seen, self.events, self.gaps, self.comments, self.connects = [], [], [], 0, 0
        self.arrived = threading.Condition()
        self.closed, self.connection = False, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.closed:
            with contextlib.suppress(OSError, ValueError):
                self.read_once()
            time.sleep(0.02)

    def read_once(self):
        wanted = f"GET /events?{urlencode(self.query)} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
        if self.last is not None:
            wanted += f"Last-Event-ID: {self.last}\r\n"
        self.connection = socket.create_connection(("127.0.0.1", self.port), 5 * PATIENCE)
        with contextlib.closing(self.connection), self.connection.makefile("rb") as stream:
            self.connection.settimeout(30 * PATIENCE)
            self.connection.sendall((wanted + "\r\n").encode())
            head = list(iter(lambda: stream.readline().strip(), b""))
            if not head or b" 200 " not in head[0]:
                raise ValueError(head)
            self.connects += 1
            fields = {}
            for line in self.lines(stream):
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    self.take(fields)
                    fields = {}

    @staticmethod
    def lines(stream):
        """Of a chunked body, without their ends; what an early end leaves unfinished is dropped."""
        rest = b""
        while size := int(stream.readline() or b"0", 16):
            piece = stream.read(size)
            if len(piece) < size or stream.readline() != b"\r\n":
                return
            *whole, rest = (rest + piece).split(b"\n")
            yield from (line.decode() for line in whole)

    def take(self, fields):
        with self.arrived:
            if "retry" in fields and self.last is None:
                self.arrived.notify_all()
            if "id" in fields:
                self.last = int(fields["id"])
            if fields.get("event") == "gap":
                self.gaps.append(json.loads(fields["data"]))
            elif "data" in fields:
                event = json.loads(fields["data"])
                event["at"] = time.time()
                self.seen.append(int(event["id"]))
                self.events.append(event)
            self.arrived.notify_all()

    def wait(self, condition, what, timeout=20.0):
        """The first true value of `condition(self)`."""
        deadline = time.monotonic() + timeout * PATIENCE
        with self.arrived:
            while not (value := condition(self)):
                if not self.arrived.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    raise AssertionError(f"not within {timeout} s: {what}; seen {self.seen[-5:]}")
            return value

    def close(self):
        self.closed = True
        with contextlib.suppress(OSError, AttributeError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
