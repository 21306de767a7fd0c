#!/usr/bin/env python3
"""Scale: the price of each step with 1,000, 100,000 and 1,000,000 tasks waiting for as many devices.

Three daemons run side by side, one a size, and take their turns at each step: POST /firmware/upgrade; a device's
request that is granted its slot; the verify that ends its task; a hundred of GET /tasks?state=queued, the first page
and the last; GET /summary; `otactl status`; and a start. CPU is what the daemon used for a step, all its threads; times
hold the disk's sync as well.
Debian package: mosquitto.
"""
import base64
import contextlib
import pathlib
import subprocess
import time

from common import (MIB, Broker, Report, Sized, exact_seconds, folder, harness, measured_rounds, memory, options,
                    running)

OTACTL = str(pathlib.Path(harness.OTAD).resolve().parent / "otactl")
GRID = 65536
IMAGE = bytes(4 * GRID)
FILL = f"""
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT INTO devices (id, hardware, current_version, registered, transports, created, last_seen, present_until_tl)
SELECT printf('gw-%07d', i), 'bench', '1.0', 1, 1, :now - 1000, :now, :now - 600000 FROM n;

WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
INSERT INTO tasks (number, day, device, firmware, version, hardware, checksum, size, chunk_bytes, priority, state,
                   attempt, max_attempts, confirm, force, reason, from_version, created_by, retry_of, created, updated,
                   queued_at_tl, stalls, heard, parked, chunks_have, bytes_sent, percent, wait_reason)
SELECT i + 1, 20261122, printf('gw-%07d', i), f.id, f.version, f.hardware, f.checksum, f.size, {GRID},
       i % 4, 0, 1, 3, 0, 0, '', '1.0', 'operator', 0, :now - 1000, :now - 1000, :now - 1000, 0, 0, 0, 0, 0, 0, 2
FROM n JOIN firmware AS f ON f.version = '2.0';
"""


class Waiting(Sized):
    """So many waiting tasks; devices are taken one after the other, spread over all."""
    settings = {"tasks.max_active": 100_000}
    image = IMAGE
    fill = FILL

    def __init__(self, where, broker, count):
        super().__init__(where, broker, count)
        self.next = 0

    def restart(self):
        self.daemon.stop()
        begun = time.monotonic()
        self.daemon.start()
        return {"ms": (time.monotonic() - begun) * 1e3, "cpu_ms": exact_seconds(self.daemon.process.pid) * 1e3}

    def took(self, work, *arguments, **more):
        return self.step(work, *arguments, **more)[1]

    def round(self):
        return {**self.life(), **self.pages()}

    def life(self):
        """Add one, grant it its slot, finish it: each step by itself."""
        device = f"gw-{self.next * 7919 % self.count:07d}"
        self.next += 1
        path = f"/ota{self.count}/{device}"
        steps, heard = {}, {}

        def request():
            heard.update(self.call("POST", path + "/request", {"hardware": "bench", "current_version": "1.0"}).json)

        def verify():
            body = {"task_id": heard["task_id"], "attempt": 1, "checksum": harness.digest(IMAGE)}
            heard.update(self.call("POST", path + "/verify", body).json)

        order = {"device_id": device, "firmware_version": "3.0"}
        steps["add one"] = self.took(self.call, "POST", "/firmware/upgrade", order, wanted=(201,))
        steps["grant a slot"] = self.took(request)
        if heard["type"] != "metadata":
            raise AssertionError(heard)
        steps["finish one"] = self.took(verify)
        if heard["type"] != "success":
            raise AssertionError(heard)
        return steps

    def pages(self):
        first = "/tasks?state=queued&limit=100"
        # Lists go from the newest to the oldest: what is below number 151 are the last hundred and those that ended.
        following = self.call("GET", first).json["next"]
        place = base64.urlsafe_b64decode(following + "=" * (-len(following) % 4)).rsplit(b":", 1)[0] + b":151"
        last = first + "&cursor=" + base64.urlsafe_b64encode(place).decode().rstrip("=")
        return {"first page": self.took(self.call, "GET", first),
                "last page": self.took(self.call, "GET", last),
                "summary": self.took(self.call, "GET", "/summary"),
                "otactl status": self.took(self.status)}

    def status(self):
        env = {"OTACTL_URL": f"http://127.0.0.1:{self.daemon.port}", "HOME": "/"}
        shown = subprocess.run([OTACTL, "status"], env=env, capture_output=True, text=True, check=True).stdout
        if f"Devices   {self.count:,}" not in shown:
            raise AssertionError(shown)


def main():
    arguments = options(__doc__, rounds=100, starts=5)
    counts = (200, 2000) if arguments.quick else (1_000, 100_000, 1_000_000)
    rounds, starts = (5, 1) if arguments.quick else (arguments.rounds, arguments.starts)
    report = Report(arguments, "scale", f"{rounds} of each step by turns, medians")
    with folder() as where, running(Broker(where)) as broker, contextlib.ExitStack() as stack:
        broker.start()
        sizes = [Waiting(where, broker, count) for count in counts]
        for size in sizes:
            stack.enter_context(running(size.daemon))
        idle = [memory(size.daemon.process.pid) / MIB for size in sizes]
        found = measured_rounds(sizes, rounds, warm=3)
        peak = [memory(size.daemon.process.pid, "VmHWM") / MIB for size in sizes]
        for _ in range(starts):
            for place, size in enumerate(sizes):
                found[place].setdefault("a start", []).append(size.restart())
        report.compare_steps(sizes, found)
        report.compare("MiB after the start", sizes, idle)
        report.compare("MiB at most", sizes, peak)
    report.done()


if __name__ == "__main__":
    main()
