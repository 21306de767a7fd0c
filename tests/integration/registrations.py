"""Devices that are registered over REST by several callers at once, whatever happens to the server meanwhile."""
import http.client
import threading
import time

from harness import PATIENCE, Rest

CALLERS = 3


class Registrations:
    """While it is entered, devices `NAME-CALLER-NUMBER` are made one after the other. `unknown`: those whose making was
    answered, and which the server doesn't know at the end."""

    def __init__(self, port, name):
        self.port, self.name = port, name
        self.made, self.unknown, self.wrong = [], [], []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(caller,), daemon=True) for caller in range(CALLERS)]

    def run(self, caller):
        rest, number = Rest(self.port), 0
        while not self.ended.is_set():
            try:
                answer = rest.call("PUT", f"/devices/{self.name}-{caller}-{number}", {"hardware": "gw-k"}, timeout=5)
            except (OSError, http.client.HTTPException):  # it is away; the order may have been taken
                time.sleep(0.01)
            else:
                if answer.status in (200, 201):
                    self.made.append(f"{self.name}-{caller}-{number}")
                elif answer.status != 503:  # it stops
                    self.wrong.append(answer)
                    return
            number += 1
            self.ended.wait(0.01)  # receivers and readers, in Python, keep up

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(30 * PATIENCE)
        if kind:
            return
        if self.wrong:
            raise AssertionError(self.wrong[0])
        known = {device["device_id"] for device in Rest(self.port).items("/devices", limit=1000)}
        self.unknown = [device for device in self.made if device not in known]
