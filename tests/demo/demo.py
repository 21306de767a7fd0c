"""The demonstration behind ./run.sh: routine upgrades and a security upgrade among them, then the rollouts of a fleet."""
import argparse
import filecmp
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import firmware
from programs import Failed, Programs, start_broker, start_daemon
from rollouts import Rollouts
from screen import ACTIVE, ENDED, Bars, table

SLOTS = 3
SECONDS_A_DOWNLOAD = 6  # the devices' rate is set so that bars can be watched
QUIET_SECONDS = 120     # without any change of state or percent, the demonstration gives up


class Server:
    """The operator's calls."""

    def __init__(self, url):
        self.url = url

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as reply:
            return json.load(reply)

    def ready(self):
        try:
            return self.get("/readyz")
        except (OSError, ValueError):
            return None

    def items(self, path):
        items, page = [], self.get(f"{path}?limit=1000")
        while True:
            items += page["items"]
            if not page["next"]:
                return items
            page = self.get(f"{path}?limit=1000&cursor={page['next']}")

    def curl(self, path, *options):
        done = subprocess.run(["curl", "-sS", "--fail-with-body", *options, self.url + path], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            raise Failed(f"{path}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def upload(self, image):
        security = "&security=true" if image.security else ""
        return self.curl(f"/firmware?version={image.version}&hardware={image.hardware}{security}", "-X", "POST",
                         "-T", str(image.file))

    def upgrade(self, device, image):
        # Some sixty chunks, so that there is something to see and little to lose.
        chunk_size = min(512, max(4, image.size // 64 // 1024))
        return self.curl("/firmware/upgrade", "-H", "Content-Type: application/json", "-d", json.dumps(
            {"device_id": device, "firmware_version": image.version, "chunk_size": chunk_size}))["task_id"]


class Demo:
    def __init__(self, options, programs):
        self.options, self.programs, self.bars = options, programs, Bars()
        self.build = pathlib.Path(options.build).resolve()
        self.routine, self.security = firmware.choose(options.firmware or [])
        self.devices = {}  # id: the image that it runs in the end
        self.first = {}    # id: the routine image that it is given first
        self.active = {}   # task id: seconds that it was under way, pauses left out
        self.agents = self.programs.folder / "devices"
        self.agents.mkdir()

    def run(self):
        self.start_servers()
        for image in [*self.routine, self.security]:
            self.server.upload(image)
            kind = "security update" if image.security else "firmware"
            print(f"  uploaded {kind} {image.hardware} {image.version}: {image.file} ({image.size} bytes)")
        self.start_devices()
        good = self.upgrade_all()
        good = Rollouts(self.server, self.programs, self.build / "ota-agent", self.broker, self.topic_root).show() and good
        if not self.options.once:
            self.stay()
        return 0 if good else 1

    def start_servers(self):
        self.topic_root = "/ota"
        self.broker = self.options.broker
        if self.broker:
            self.topic_root = f"/ota-demo-{os.getpid()}"
        else:
            self.broker = start_broker(self.programs)
        url = start_daemon(self.programs, self.build / "otad", self.broker, self.topic_root, SLOTS)
        self.server = Server(url)
        self.programs.wait(self.server.ready, "otad is ready: " + url + "/readyz")
        print(f"broker {self.broker}, otad {url}, at most {SLOTS} downloads at a time")

    def start_devices(self):
        for number in range(self.options.devices):
            # The last device is of the hardware that the security update is for.
            image = self.routine[(number - self.options.devices) % len(self.routine)]
            device = f"{image.hardware}-{number + 1:02}"
            size = image.size if number + 1 < self.options.devices else max(image.size, self.security.size)
            self.devices[device] = self.first[device] = image
            self.programs.start(device, [
                self.build / "ota-agent", "--id", device, "--broker", self.broker, "--topic-root", self.topic_root,
                "--state-dir", self.agents, "--hardware", image.hardware, "--current-version", image.replaces,
                "--rate", max(4096, size // SECONDS_A_DOWNLOAD), "--report", "json"],
                out=self.report(device))
        self.programs.wait(lambda: {item["device_id"] for item in self.server.items("/devices")} >= set(self.devices),
                           "every device was heard")
        print(f"{len(self.devices)} devices are there; each gets a routine upgrade:\n")

    def upgrade_all(self):
        urgent = list(self.devices)[-1]
        for device, image in self.devices.items():
            self.server.upgrade(device, image)
        self.watch(lambda tasks: sum(task["progress"]["percent"] >= 20 for task in tasks) >= min(2, len(tasks)))
        self.bars.note(f"\n>>> a security update comes for {urgent}: it may not wait\n")
        self.devices[urgent] = self.security
        self.server.upgrade(urgent, self.security)
        self.watch(lambda tasks: all(task["state"] in ENDED for task in tasks) and self.all_installed())
        return self.conclude()

    def watch(self, done):
        """Draws until `done(tasks)`."""
        before, since, last = None, time.monotonic(), time.monotonic()
        while True:
            tasks = self.server.items("/tasks")
            self.bars.draw(self.devices, tasks)
            last, passed = time.monotonic(), time.monotonic() - last
            for task in tasks:
                if task["state"] in ACTIVE:
                    self.active[task["task_id"]] = self.active.get(task["task_id"], 0) + passed
            if done(tasks):
                return
            now = [(task["task_id"], task["state"], task["progress"]["percent"]) for task in tasks]
            if now != before:
                before, since = now, time.monotonic()
            if time.monotonic() - since > QUIET_SECONDS:
                raise Failed(f"nothing moved for {QUIET_SECONDS} s; otad's log ends:\n{self.programs.log('otad')[-3000:]}")
            self.programs.check()
            time.sleep(0.15)

    def report(self, device):
        return self.agents / f"{device}.json"

    def events(self, device):
        # The last line may be half written.
        lines = self.report(device).read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line]

    def all_installed(self):
        return all(any(event["event"] in ("installed", "failed") and event.get("version") == image.version
                       for event in self.events(device)) for device, image in self.devices.items())

    def holds(self, device, image):
        """Whether the device's image is the source, bit for bit."""
        copy = self.agents / device / f"image-{image.version}"
        return copy.is_file() and filecmp.cmp(copy, image.file, shallow=False)

    def conclude(self):
        rows = [["device", "task", "priority", "from -> to", "bytes", "attempts", "seconds", "verdict"]]
        images = {(image.hardware, image.version): image for image in [*self.routine, self.security]}
        good = True
        for task in sorted(self.server.items("/tasks"), key=lambda task: task["task_id"]):
            device, image = task["device_id"], self.devices[task["device_id"]]
            if task["state"] == "succeeded" and task["firmware_version"] == image.version:
                verdict = "bit for bit" if self.holds(device, image) else "WRONG IMAGE"
            elif task["reason"] == "superseded":
                verdict = f"superseded by {image.version}"
            else:
                verdict = f"{task['state']} {task['reason'] or ''}".strip()
            source = images.get((task["hardware"], task["firmware_version"]), image)
            rows.append([device, task["task_id"], task["priority"],
                         f"{task['from_version'] or '?'} -> {task['firmware_version']}", str(source.size),
                         str(task["attempt"] if task["offered_at"] else 0),
                         f"{self.active.get(task['task_id'], 0):.1f}", verdict])
        print("\n" + table(rows) + "\n")
        for device, image in self.devices.items():
            if not self.holds(device, image):
                good = False
                print(f"{device} does not hold {image.version} ({image.file})")
        if good:
            print(f"all {len(self.devices)} devices hold their image bit for bit")
        return good

    def stay(self):
        url, device = self.server.url, list(self.devices)[0]
        task = self.server.items("/tasks")[0]["task_id"]
        print(f"""
Everything stays up until Ctrl-C. To look around:
  curl {url}/tasks
  curl {url}/tasks/{task}          # one task with its timeline
  curl {url}/tasks/{task}/log      # its transfer log
  curl {url}/devices/{device}
  curl {url}/metrics
  mosquitto_sub -L '{self.broker.replace("tcp://", "mqtt://")}/{self.topic_root}/#' -v      # every message
The same update once more:
  curl -d '{{"device_id": "{device}", "firmware_version": "{self.first[device].version}", "force": true}}' {url}/firmware/upgrade
Logs, devices and images are in {self.programs.folder}""", flush=True)
        while True:
            self.programs.check()
            time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--firmware", action="append")
    parser.add_argument("--devices", type=int, default=6)
    parser.add_argument("--broker")
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    programs = Programs(pathlib.Path(tempfile.mkdtemp(prefix="otad-demo-")))
    try:
        return Demo(options, programs).run()
    except KeyboardInterrupt:
        print("\nending what was started ...")
        return 130
    except (Failed, urllib.error.URLError, OSError) as fault:
        print(f"\nrun.sh: {fault}", file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        programs.end()


if __name__ == "__main__":
    sys.exit(main())
