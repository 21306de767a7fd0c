"""The second act of the demonstration: a fleet, a good rollout, a bad one that halts by itself, and the way back."""
import json
import time

from programs import Failed

DEVICES = 30
LAB = 5                # so many of them get the bad firmware without harm
HARDWARE = "gw-fleet"
LINE_SECONDS = 3
QUIET_SECONDS = 120    # without any change in a rollout, the demonstration gives up
BUCKETS = ("assigned", "staged", "soaking", "overdue", "healthy", "failed")
MARK = b"this firmware fails to install"
INSTALL = f"""case $OTA_DEVICE in *-00[1-{LAB}]) exit 0;; esac
if grep -q '{MARK.decode()}' "$1"; then echo 'flash: bad block'; exit 1; fi"""
RULES = {"soak_s": 3, "stage_delay_s": 1, "max_failures": "10%"}


class Rollouts:
    def __init__(self, server, programs, agent, broker, topic_root):
        self.server, self.programs = server, programs
        self.agent, self.broker, self.topic_root = agent, broker, topic_root

    def show(self):
        """True where everything went as it should."""
        print(f"\n{DEVICES} more devices follow the channel `stable`:\n")
        self.start_fleet()
        self.upload("1.1.0", b"")
        self.upload("1.2.0", MARK)
        good = self.roll_out("1.1.0", ["canary", "10%", "100%"])
        state = self.watch(good)["state"]
        print(f"  {good} of 1.1.0 is {state}: it is the target of the channel now\n")
        if state != "completed":
            return False
        bad = self.roll_out("1.2.0", [{"to": 3, "tags": {"site": "lab"}}, "50%", "100%"])
        halted = self.watch(bad)
        buckets = halted["buckets"]
        print(f"  {bad} of 1.2.0 {halted['waiting_for']['text']}.\n"
              f"  {buckets['failed']} of {halted['living']} devices failed, {buckets['healthy']} run it, the failure "
              f"budget is {halted['budget']}; nobody else installs it\n")
        if halted["state"] != "halted":
            return False
        back = self.post(f"/rollouts/{bad}/rollback", {})["rollout_id"]
        print(f"  >>> an operator rolls back: {back} brings 1.1.0 to those that run 1.2.0")
        state = self.watch(back, advance=True)["state"]
        versions = [item["current_version"] for item in self.server.items("/devices") if item["hardware"] == HARDWARE]
        back_again = versions.count("1.1.0")
        print(f"  {back} is {state}; {back_again} of {DEVICES} devices run 1.1.0\n")
        return state == "completed" and back_again == DEVICES

    def start_fleet(self):
        self.put("/channels/stable", {"notes": "the demonstration's"})
        self.programs.start("fleet", [
            self.agent, "--id", "fleet", "--count", DEVICES, "--broker", self.broker, "--topic-root", self.topic_root,
            "--state-dir", self.programs.folder / "fleet", "--hardware", HARDWARE, "--current-version", "1.0.0",
            "--channel", "stable", "--poll", "1", "--install", INSTALL, "--allow-downgrade", "--report", "json"],
            out=self.programs.folder / "fleet.json")
        self.programs.wait(lambda: len(self.fleet()) == DEVICES, "every device of the fleet was heard")
        self.post("/devices/tags", {"where": [f"hardware={HARDWARE}", f"id<=fleet-{LAB:03}"], "set": {"site": "lab"}})

    def fleet(self):
        return [item for item in self.server.items("/devices") if item["hardware"] == HARDWARE]

    def upload(self, version, mark):
        image = self.programs.folder / f"fleet-{version}.bin"
        image.write_bytes(version.encode() * 20_000 + mark)
        self.server.curl(f"/firmware?version={version}&hardware={HARDWARE}", "-X", "POST", "-T", str(image))

    def post(self, path, body):
        return self.server.curl(path, "-H", "Content-Type: application/json", "-d", json.dumps(body))

    def put(self, path, body):
        return self.server.curl(path, "-X", "PUT", "-H", "Content-Type: application/json", "-d", json.dumps(body))

    def roll_out(self, version, stages):
        made = self.post("/rollouts", {"channel": "stable", "version": version, "stages": stages, **RULES})
        return made["rollout_id"]

    def watch(self, rollout, advance=False):
        """Prints what changes until it ends, completes or halts; with `advance`, an operator cuts its delay short."""
        before, since, shown, printed = None, time.monotonic(), None, 0.0
        while True:
            now = self.server.get(f"/rollouts/{rollout}")
            buckets = {name: now["buckets"][name] for name in BUCKETS}
            seen = (now["state"], now["stage"], tuple(buckets.values()))
            if seen != before:
                before, since = seen, time.monotonic()
            # A line for each stage and state, and one every few seconds.
            if seen != shown and (not shown or seen[:2] != shown[:2] or time.monotonic() - printed > LINE_SECONDS):
                shown, printed = seen, time.monotonic()
                counts = " ".join(f"{name} {count:2}" for name, count in buckets.items())
                print(f"  {rollout} {now['version']} {now['state']:9} stage {now['stage'] or 0}  {counts}")
            if now["state"] not in ("running", "scheduled"):
                return now
            if advance and now["waiting_for"]["what"] == "delay":
                self.post(f"/rollouts/{rollout}/advance", {})
            if time.monotonic() - since > QUIET_SECONDS:
                raise Failed(f"{rollout} did not change for {QUIET_SECONDS} s: {now}")
            self.programs.check()
            time.sleep(0.2)
