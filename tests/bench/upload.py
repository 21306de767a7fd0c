#!/usr/bin/env python3
"""Upload: a 1 GiB image beside sha256sum and beside writing and syncing the same file, and the daemon's memory.

The three take their turns. An upload hashes and syncs all of it before it is answered, so neither of the others can be
beaten by much. Debian packages: mosquitto curl coreutils.
"""
import pathlib
import subprocess
import time

from common import (MIB, Broker, Daemon, Report, by_turns, exact_seconds, folder, harness, medians, memory, options,
                    running, subfolder)


def timed(command):
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{command[0]}: {done.stderr}")
    return time.monotonic() - begun, done.stdout


class Bench:
    def __init__(self, where, daemon, size):
        self.where, self.daemon, self.size, self.number = where, daemon, size, 0
        self.source = where / "image"
        self.copy = pathlib.Path(daemon.settings["storage.firmware_dir"]).parent / "copy"  # the same disk
        block = harness.image("upload", MIB)
        with open(self.source, "wb") as file:
            for part in range(size // MIB):
                file.write(part.to_bytes(8, "little") + block[8:])

    def upload(self):
        """A new image each time: the first bytes differ."""
        self.number += 1
        with open(self.source, "r+b") as file:
            file.seek(16)
            file.write(self.number.to_bytes(8, "little"))
        cpu = exact_seconds(self.daemon.process.pid)
        seconds, status = timed([
            "curl", "-s", "-S", "-o", self.where / "answer", "-w", "%{http_code}", "-H", "Expect:", "-X", "POST", "-T",
            self.source, f"http://127.0.0.1:{self.daemon.port}/firmware?version=1.0.{self.number}&hardware=bench"])
        if status != "201":
            raise AssertionError(status + (self.where / "answer").read_text())
        found = {"s": seconds, "cpu": exact_seconds(self.daemon.process.pid) - cpu}
        number = self.daemon.rest.get("/firmware")["items"][0]["id"]
        self.daemon.rest.call("DELETE", f"/firmware/{number}")
        return found

    def hash(self):
        return {"s": timed(["sha256sum", self.source])[0]}

    def write(self):
        seconds = timed(["dd", f"if={self.source}", f"of={self.copy}", "bs=1M", "conv=fsync"])[0]
        self.copy.unlink()
        return {"s": seconds}


def main():
    arguments = options(__doc__, rounds=5, mib=1024)
    rounds, size = (1, 16 * MIB) if arguments.quick else (arguments.rounds, arguments.mib * MIB)
    report = Report(arguments, "upload", f"{size // MIB} MiB, {rounds} rounds by turns")
    with folder() as where, running(Broker(where)) as broker:
        broker.start()
        daemon = Daemon(subfolder(where, "otad"), broker.port)
        with running(daemon):
            daemon.start()
            bench = Bench(where, daemon, size)
            bench.hash()  # into the page cache
            before = memory(daemon.process.pid)
            upload, hashed, written = map(medians, by_turns(rounds, bench.upload, bench.hash, bench.write))
            slower = max(hashed["s"], written["s"])
            report.add(**{"size": f"{size // MIB} MiB", "upload s": upload["s"], "sha256sum s": hashed["s"],
                          "dd + fsync s": written["s"], "ratio to slower": upload["s"] / slower,
                          "CPU s": upload["cpu"], "MiB before": before / MIB,
                          "MiB at most": memory(daemon.process.pid, "VmHWM") / MIB})
    report.done()


if __name__ == "__main__":
    main()
