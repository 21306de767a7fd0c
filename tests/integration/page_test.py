"""The operators' page in a real browser (tests/web), against a real daemon with real agents.

Pictures of the views are in OTAD_PAGE_PICTURES (default: page/ in the build folder).
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

from device import Device
from harness import ENVIRONMENT, OTAD, PATIENCE, ROOT, Process, ServerCase, main, wait_until
from otactl_case import Screen, lines_of
from receiver import Receiver

WEB = ROOT / "tests/web"
AGENT = str(pathlib.Path(OTAD).parent / "ota-agent")
PICTURES = os.environ.get("OTAD_PAGE_PICTURES", str(pathlib.Path(OTAD).parent / "page"))
CHROMIUM = shutil.which("chromium")
INSTALL = """if [ "$OTA_VERSION" = 2.0.0 ]; then echo "install: no space left on /dev/mmcblk0p3" >&2; exit 1; fi"""
MARKUP = "<img src=x onerror=window.harmed=1>"


def install_packages():
    """What the scenes need of npm, once for each change of the lock file."""
    lock, installed = WEB / "package-lock.json", WEB / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=WEB, check=True)


class PageCase(ServerCase):
    settings = {"rollouts.soak_s": 1, "rollouts.stage_delay_s": 0, "tasks.retry_backoff_s": 1, "tasks.retry_backoff_max_s": 1}

    def setUp(self):
        super().setUp()
        self.otad("backup", str(self.folder / f"{self.id()}.otad"), "--without-images")  # else it asks for one

    def scene(self, name, timeout=240, **facts):
        """Plays tests/web/scenes/NAME.mjs; what it asks for is done by the method ask_…."""
        env = ENVIRONMENT | {
            "PAGE_SCENE": name, "PAGE_URL": f"http://127.0.0.1:{self.daemon.port}/", "PAGE_FACTS": json.dumps(facts),
            "PAGE_OUT": PICTURES, "PAGE_CHROMIUM": CHROMIUM, "OTAD_PATIENCE": str(PATIENCE)}
        with subprocess.Popen(["timeout", str(int(timeout * PATIENCE)), "node", str(WEB / "browser.mjs")], env=env,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as browser:
            passed = False
            for line in browser.stdout:
                told = json.loads(line)
                passed = passed or told.get("passed") == name
                if "ask" in told:
                    browser.stdin.write(json.dumps(getattr(self, "ask_" + told["ask"])()) + "\n")
                    browser.stdin.flush()
        self.assertEqual((browser.returncode, passed), (0, True), f"the scene {name}")

    def fleet(self, count):
        """An ota-agent that plays `count` devices of the channel `stable`; installing 2.0.0 fails on all of them."""
        self.rest.call("PUT", "/channels/stable", {"notes": "what most devices follow"})
        agent = Process(self.folder / "agent.log")
        self.addCleanup(agent.kill)
        agent.launch([AGENT, "--id", "fleet", "--count", str(count), "--broker", f"tcp://127.0.0.1:{self.broker.port}",
                      "--state-dir", str(self.folder / "agents"), "--hardware", "gw-a", "--current-version", "1.0.0",
                      "--channel", "stable", "--poll", "1", "--install", INSTALL, "--allow-downgrade", "--report", "plain"])
        wait_until(lambda: self.rest.get("/devices", count="true", where="online=true")["count"] >= count,
                   "the fleet was heard", 60)
        return agent


    def roll_out(self, version, state):
        made = self.rest.call("POST", "/rollouts", {"channel": "stable", "version": version, "stages": [3, "100%"], "max_failures": 3})
        self.assertEqual(made.status, 201, made)
        rollout = made.json["rollout_id"]
        wait_until(lambda: self.rest.get(f"/rollouts/{rollout}")["state"] == state, f"{version} is {state}", 60)
        return rollout


class Jobs(PageCase):
    def test_a_rollout_from_upload_to_rollback_by_clicks(self):
        self.fleet(8)
        self.scene("rollout", devices=8)


class Restart(PageCase):
    def ask_kill(self):
        self.daemon.kill()
        return True

    def ask_start(self):
        self.daemon.start()
        self.firmware("7.7.7", "gw-a")
        return True

    def ask_upload(self):
        self.firmware("8.8.8", "gw-a")
        return True

    def test_a_restart_and_a_cut_line_under_the_page(self):
        self.scene("restart", version="7.7.7", next="8.8.8")


class Strangers(PageCase):
    def test_markup_of_a_device_stays_text(self):
        name = "gw:evil"
        device = self.device(name, hardware="gw-a", version=MARKUP)
        device.request("up_to_date")
        tagged = self.rest.call("PATCH", f"/devices/{name}", {"tags": {"site": MARKUP}})
        self.assertEqual(tagged.status, 200, tagged)
        self.firmware("3.0.0", "gw-a", notes=MARKUP)
        self.scene("markup", device=name)


class Keys(PageCase):
    settings = PageCase.settings | {"security.api_auth": "required"}

    def test_what_a_key_may_not_do_is_absent(self):
        Device("gw-1", self.broker.port, hardware="gw-a").connect().request("up_to_date")
        keys = {role: self.otad("keys", "add", "--name", role, "--role", role).stdout.strip() for role in ("viewer", "admin")}
        self.scene("keys", device="gw-1", **keys)


class Approval(PageCase):
    settings = PageCase.settings | {"security.api_auth": "required"}

    def ask_revoke(self):
        self.otad("keys", "remove", "other")
        return True

    def test_a_second_key_approves(self):
        keys = {name: self.otad("keys", "add", "--name", name, "--role", role).stdout.strip()
                for name, role in (("maker", "operator"), ("other", "operator"), ("admin", "admin"))}
        admin = {"Authorization": f"Bearer {keys.pop('admin')}"}
        made = self.rest.call("PUT", "/channels/stable", {"approval": True}, admin)
        self.assertEqual(made.status, 201, made)
        uploaded = self.rest.call("POST", "/firmware?version=4.0.0&hardware=gw-a", b"image" * 1000, admin)
        self.assertEqual(uploaded.status, 201, uploaded)
        self.scene("approval", **keys)


class Administration(PageCase):
    settings = PageCase.settings | {
        "security.api_auth": "required", "webhooks.allow_http": True, "webhooks.allow_private": True}

    def ask_settings(self):
        """Two changes: one that a reload applies, one that takes a restart."""
        self.reload({"tasks.max_active": 7, "mqtt.qos": 2})
        return True

    def ask_event(self):
        made = self.rest.call("POST", "/firmware?version=5.0.0&hardware=gw-a", b"image" * 1000, self.admin)
        self.assertEqual(made.status, 201, made)
        self.wait_for_events(1)
        return True

    def ask_replayed(self):
        self.wait_for_events(2)
        return True

    def ask_refuse(self):
        self.receiver.answer = lambda *_: 500
        return True

    def wait_for_events(self, count):
        with self.receiver.arrived:
            self.assertTrue(self.receiver.arrived.wait_for(lambda: len(self.receiver.seen) >= count, 30 * PATIENCE))

    def test_keys_settings_and_webhooks_by_clicks(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        key = self.otad("keys", "add", "--name", "admin", "--role", "admin").stdout.strip()
        self.admin = {"Authorization": f"Bearer {key}"}
        self.scene("administration", admin=key, receiver=self.receiver.url,
                   broker=f"tcp://127.0.0.1:{self.broker.port}")


class Channels(PageCase):
    def test_channels_by_clicks(self):
        self.fleet(4)
        self.firmware("1.1.0", "gw-a")
        self.roll_out("1.1.0", "completed")
        self.scene("channels", devices=4)


class Keyboard(PageCase):
    def test_a_rollout_by_keys_alone(self):
        self.fleet(4)
        self.firmware("1.1.0", "gw-a")
        self.scene("keyboard", devices=4)


class Large(PageCase):
    def test_ten_thousand_devices(self):
        lines = ["id,hardware,channel,tag.site", *(f"gw-{number:05},gw-a,default,s{number % 10}" for number in range(10_000))]
        done = self.rest.call("POST", "/devices/import", "\n".join(lines) + "\n", {"Content-Type": "text/csv"}, timeout=120)
        self.assertEqual(done.status, 200, done)
        before = self.daemon.rss()
        self.scene("large", devices=10_000)
        print(f"the daemon's memory grew by {(self.daemon.rss() - before) / 1024:.0f} KiB", file=sys.stderr)


class Views(PageCase):
    def draw_status(self, rollout):
        """The same on a terminal, for people: rollout-status.txt beside the pictures."""
        screen = Screen(["rollout", "status", rollout, "--watch"], ENVIRONMENT | {
            "OTACTL_URL": f"http://127.0.0.1:{self.daemon.port}", "TERM": "xterm", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}, columns=110)
        self.assertEqual(screen.wait(), 3, screen.text)  # it halted
        text = "\n".join(lines_of(screen.text)).strip("\n") + "\n"
        self.assertIn("halted", text)
        pathlib.Path(PICTURES).mkdir(parents=True, exist_ok=True)
        (pathlib.Path(PICTURES) / "rollout-status.txt").write_text(text)

    def test_every_view_in_light_dark_and_on_a_phone(self):
        self.fleet(12)
        self.firmware("1.1.0", "gw-a", size=3_000_000)
        self.firmware("2.0.0", "gw-a", size=1_000_000)
        self.roll_out("1.1.0", "completed")
        rollout = self.roll_out("2.0.0", "halted")
        failed = self.rest.get("/tasks", state="failed")["items"][0]
        self.draw_status(rollout)
        self.scene("views", rollout=rollout, device=failed["device_id"], task=failed["task_id"], timeout=400)


if __name__ == "__main__":
    if not CHROMIUM:
        print("chromium is not installed (Debian: apt-get install chromium)")
        sys.exit(77)
    install_packages()
    main()
