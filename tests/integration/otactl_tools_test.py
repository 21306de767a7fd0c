"""otactl doctor, keys, audit, events, webhooks and completion."""
import http.server
import json
import shutil
import subprocess
import threading
import unittest
from urllib.parse import parse_qs, urlsplit

from harness import free_port, main, wait_until
from otactl_case import LIMIT, OTACTL, OtactlCase, OtactlRunner
from receiver import Receiver


class Doctor(OtactlCase):
    settings = {"http.public_url": f"http://127.0.0.1:{free_port()}"}

    def findings(self, status=0):
        return {finding["check"]: finding for finding in self.json("doctor", status=status)}

    def test_it_checks_from_the_address_to_the_public_url(self):
        found = self.findings(status=1)
        for check in ("address", "version", "clock", "key", "broker", "database", "disk", "images"):
            self.assertEqual(found[check]["verdict"], "ok", found[check])
        # Nobody listens there.
        self.assertEqual(found["public URL"]["verdict"], "wrong")
        self.assertIn("set http.public_url", found["public URL"]["remedy"])
        told = self.otactl("doctor", status=1).stdout
        self.assertRegex(told, r"(?m)^✓ broker +connected$")
        self.assertRegex(told, r"(?m)^✗ public URL +can't reach")

    def test_a_broker_that_is_away_is_named(self):
        self.broker.kill()
        try:
            wait_until(lambda: self.rest.call("GET", "/readyz").status == 503, "otad knows it")
            self.assertEqual(self.findings(status=1)["broker"]["verdict"], "wrong")
        finally:
            self.broker.start()
            wait_until(self.daemon.ready, "otad is ready again", 20)

    def test_nobody_there(self):
        found = self.json("doctor", "--url", f"http://127.0.0.1:{free_port()}", status=1)
        self.assertEqual([(one["check"], one["verdict"]) for one in found], [("port", "wrong")])
        found = self.json("doctor", "--url", "http://no-such-host.invalid", status=1)
        self.assertEqual([(one["check"], one["verdict"]) for one in found], [("name", "wrong")])


class Audit(OtactlCase):
    def test_who_did_what(self):
        self.rest.call("PUT", "/devices/audited", {"hardware": "au"})
        told = self.otactl("audit", "--since", "1h").stdout
        self.assertRegex(told, r"(?m)^\S+ +anonymous .*audited")
        self.assertRegex(told, r"^AT +ACTOR +ACTION +TARGET +OUTCOME")
        self.assertEqual(len(self.otactl("audit", "--actor", "nobody").stdout.splitlines()), 1)

    def test_filters(self):
        self.rest.call("PUT", "/devices/filtered", {"hardware": "au"})
        self.rest.call("DELETE", "/devices/filtered")
        self.rest.call("DELETE", "/devices/filtered")  # 404

        def found(*options, target="filtered"):
            return [entry["action"] for entry in self.json("audit", "--target", target, *options)["items"]]

        self.assertEqual(found(), ["device.remove", "device.put"])
        self.assertEqual(found("--action", "device.put", "--outcome", "done"), ["device.put"])
        self.assertEqual(found("--outcome", "unknown_device", target="/devices/filtered"), ["DELETE"])
        self.assertEqual(found("--until", "1h"), [])
        self.assertEqual(found("--until", "2099-01-01T00:00:00Z", "--actor", "anonymous", "--limit", "1"),
                         ["device.remove"])
        self.assertIn("--since must be a time", self.otactl("audit", "--since", "yesterday", status=2).stderr)


class Keys(OtactlCase):
    settings = {"security.api_auth": "required"}

    def setUp(self):
        super().setUp()
        if not hasattr(type(self), "root"):
            type(self).root = self.otad("keys", "add", "--name", "root", "--role", "admin").stdout
        self.keep("root", self.root)

    def keep(self, name, key):
        """Calls with that key from now on."""
        file = self.home / f"{name}.key"
        file.write_text(key)
        file.chmod(0o600)
        self.env["OTACTL_KEY_FILE"] = str(file)

    def test_made_shown_changed_and_removed(self):
        made = self.otactl("key", "add", "field", "--role", "operator", "--scope", "tag.site=lab", "--scope",
                           "hardware=gw-a", "--expires", "90d")
        self.assertRegex(made.stdout, r"^otad_\S+\n$")
        self.assertRegex(made.stderr, "key field, shown this once")
        told = self.otactl("key", "list").stdout
        self.assertRegex(told, r"(?m)^field +operator +tag.site=lab, hardware=gw-a +- +in (89|90) d +-$")
        self.assertRegex(told, r"(?m)^root +admin +all +\d+ s +- +-$")
        self.assertNotIn(made.stdout.strip(), told)
        self.assertIn("a key named field already", self.otactl("key", "add", "field", "--role", "viewer", status=1).stderr)
        told = self.otactl("key", "set", "field", "--role", "viewer", "--all-devices", "--expires", "never").stdout
        self.assertRegex(told, r"(?m)^field +viewer +all +- +- +-$")
        self.assertIn("say what to set", self.otactl("key", "set", "field", status=2).stderr)
        self.otactl("key", "set", "field", "--scope", "hardware=gw-a", "--all-devices", status=2)
        self.otactl("key", "set", "field", "--scope", "no such condition", status=1)
        self.otactl("key", "add", "other", "--role", "king", status=2)
        self.otactl("key", "add", "other", "--role", "viewer", "--expires", "soon", status=2)
        self.assertIn("--yes", self.otactl("key", "remove", "field", status=2).stderr)
        removed = self.otactl("key", "remove", "field", "--yes")
        self.assertEqual(removed.stdout, "key field is removed\n")
        self.assertEqual(removed.stderr, "key field: viewer, last used -\n")
        self.assertIn("there is no key named field", self.otactl("key", "remove", "field", "--yes", status=1).stderr)

    def test_rotated_with_grace_and_ended(self):
        first = self.otactl("key", "add", "turned", "--role", "admin").stdout
        second = self.otactl("key", "rotate", "turned", "--grace", "1h")
        self.assertRegex(second.stderr, r"the former is good until \S")
        third = self.json("key", "rotate", "turned", "--grace", "0s")
        self.assertIsNone(third["former_until"])
        self.otactl("key", "rotate", "turned", "--grace", "31d", status=1)
        for secret, status in ((first, 4), (second.stdout, 4), (third["key"], 0)):
            self.keep("turned", secret)
            self.otactl("status", status=status)
        self.otactl("key", "set", "turned", "--expires", "0s")
        self.otactl("status", status=4)


class Completion(OtactlCase):
    def complete(self, *words):
        done = subprocess.run([OTACTL, "complete", "--", *words], capture_output=True, text=True, env=self.env,
                              check=False, timeout=LIMIT)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_ids_versions_and_channels_come_from_the_server(self):
        for name in ("co-1", "co-2", "other-1"):
            self.rest.call("PUT", f"/devices/{name}", {"hardware": "co"})
        self.rest.call("PUT", "/channels/co-beta", {})
        self.firmware("4.5.6", "co")
        self.assertEqual(self.complete("device", "show", "co-"), ["co-1", "co-2"])
        self.assertEqual(self.complete("rollout", "start", "co"), ["co-beta"])
        self.assertEqual(self.complete("rollout", "start", "co-beta", "4."), ["4.5.6"])
        self.assertEqual(self.complete("firmware", "show", "4.5.6", "--hardware", ""), ["co"])
        self.assertEqual(self.complete("rol"), ["rollout"])
        self.assertEqual(self.complete("firmware", "upload", ""), [":file"])
        self.assertEqual(self.complete("device", "show", "--url", "http://127.0.0.1:1", ""), [])
        self.rest.call("POST", "/keys", {"name": "co-key", "role": "viewer"})
        self.assertEqual(self.complete("key", "rotate", "co"), ["co-key"])
        webhook = self.rest.call("POST", "/webhooks", {"url": "https://receiver.example/hook"}).json["id"]
        self.assertEqual(self.complete("webhook", "test", ""), [str(webhook)])

    def bash(self, line):
        """What bash would offer at the end of the line."""
        script = f"""
            export PATH={str(OTACTL).rpartition("/")[0]}:$PATH
            source <(otactl completion bash)
            COMP_LINE={line!r} COMP_POINT={len(line)}
            # bash's own words: cut at blanks, and at : and @
            read -ra COMP_WORDS <<< "${{COMP_LINE//:/ : }}"
            [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            _otactl 2>/dev/null
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=self.env, check=True,
                              timeout=LIMIT)
        return done.stdout.split()

    @unittest.skipUnless(shutil.which("bash"), "bash is not installed")
    def test_in_bash(self):
        for name in ("ba:1", "ba:2"):
            self.rest.call("PUT", f"/devices/{name}", {"hardware": "ba"})
        self.assertEqual(self.bash("otactl rollout sta"), ["start", "status"])
        self.assertEqual(self.bash("otactl device show ba"), ["ba:1", "ba:2"])
        self.assertEqual(self.bash("otactl device show ba:"), ["1", "2"])  # behind the colon
        self.assertEqual(self.bash("otactl device "), sorted(self.complete("device", "")))

    def test_scripts_of_other_shells(self):
        for shell, check in (("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])):
            script = self.otactl("completion", shell).stdout
            self.assertIn("otactl complete --", script)
            if shutil.which(check[0]):
                file = self.home / shell
                file.write_text(script)
                subprocess.run([*check, file], check=True, timeout=LIMIT)
        self.otactl("completion", "csh", status=2)


def cloud_event(number, kind="rollout.halted", **data):
    return json.dumps({"specversion": "1.0", "id": str(number), "source": "/otad/test", "type": f"otad.{kind}",
                       "time": "2026-11-27T10:00:00Z", "subject": f"RO_{number}", "data": data})


class RealEvents(OtactlCase):
    """Against the daemon itself."""

    settings = {"webhooks.allow_http": True, "webhooks.allow_private": True}

    def registered(self, *names):
        for name in names:
            self.assertEqual(self.rest.call("PUT", f"/devices/{name}", {"hardware": "ev"}).status, 201)

    def receiver(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        return receiver

    def test_the_newest_are_shown(self):
        self.registered("ev-1", "ev-2", "ev-3")
        told = self.otactl("events", "--types", "device.*", "--limit", "2").stdout.splitlines()
        self.assertRegex(told[0], r"device\.registered +ev-2 +.*hardware=ev by=operator")
        self.assertRegex(told[1], r"device\.registered +ev-3 ")
        self.assertEqual(len(told), 2)
        self.assertRegex(self.otactl("events", "--device", "ev-1").stdout, r"^\S.* device\.registered +ev-1 .*\n$")
        page = self.json("events", "--types", "device.registered", "--since", "0", "--limit", "1")
        self.assertEqual(len(page["items"]), 1)
        self.assertIn("otad.device.registered", page["items"][0]["type"])
        self.assertIn("next", page)
        self.assertIn("must be one of rollout.*", self.otactl("events", "--types", "none", status=1).stderr)
        self.assertIn("newest", self.otactl("events", "--since", "99999999", status=1).stderr)

    def test_followed_over_a_restart(self):
        newest = self.rest.get("/events", limit=1)["newest"]
        process = self.otactl_running("events", "-f", "--types", "device.registered", "--since", str(newest))
        self.addCleanup(process.stdout.close)
        self.registered("fo-1")
        self.assertRegex(process.stdout.readline(), r"device\.registered +fo-1 ")
        self.daemon.restart()
        self.registered("fo-2")
        self.assertRegex(process.stdout.readline(), r"device\.registered +fo-2 ")

    def test_a_webhook_from_its_making_to_its_end(self):
        receiver = self.receiver()
        made = self.otactl("webhook", "add", receiver.url, "--types", "device.registered,rollout.*")
        self.assertRegex(made.stdout, r"^whsec_\S+\n$")
        receiver.secret = made.stdout.strip()
        webhook = made.stderr.split()[1]
        self.registered("wh-1")
        wait_until(lambda: receiver.seen, "it comes")
        first = receiver.seen[0]
        self.assertRegex(self.otactl("webhook", "test", webhook).stdout, r"^delivered in \d+ ms\n$")
        self.otactl("webhook", "replay", webhook, "--since", str(first - 1))
        wait_until(lambda: receiver.seen.count(first) == 2, "it comes again")
        receiver.secret = self.otactl("webhook", "rotate", webhook).stdout.strip()
        self.otactl("webhook", "test", webhook)
        self.assertEqual([wrong for _, _, wrong in receiver.requests], [None] * len(receiver.requests))
        receiver.answer = lambda *_: 500
        refused = self.otactl("webhook", "test", webhook, status=1)
        self.assertRegex(refused.stdout, "not delivered: answered 500")
        self.registered("wh-2")
        wait_until(lambda: "failing for" in self.otactl("webhook", "list").stdout, "its failure is shown")
        self.assertIn("--yes", self.otactl("webhook", "remove", webhook, status=2).stderr)
        self.assertEqual(self.otactl("webhook", "remove", webhook, "--yes").stdout, f"webhook {webhook} is removed\n")
        self.assertIn("not_found", self.otactl("webhook", "test", webhook, status=1).stderr)
        self.assertIn("url", self.otactl("webhook", "add", "ftp://x", "--types", "device.*", status=1).stderr)


class Feed(http.server.BaseHTTPRequestHandler):
    """A stream that breaks after each event."""

    asked = []

    def do_GET(self):
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        Feed.asked.append(query)
        since = int(query.get("since", "10"))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(f": hello\n\nid: {since + 1}\ndata: {cloud_event(since + 1, reason='a')}\n\n".encode())

    def log_message(self, *_):
        pass


class Events(unittest.TestCase, OtactlRunner):
    def setUp(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Feed)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        Feed.asked = []
        self.make_home(f"http://127.0.0.1:{server.server_port}")

    def test_a_stream_that_breaks_is_resumed_behind_the_last_event(self):
        process = self.otactl_running("-o", "json", "events", "-f", "--types", "rollout.*")
        self.addCleanup(process.stdout.close)
        found = [json.loads(process.stdout.readline())["id"] for _ in range(3)]
        self.assertEqual(found, ["11", "12", "13"])
        self.assertEqual([query.get("since") for query in Feed.asked[:3]], [None, "11", "12"])
        self.assertEqual(Feed.asked[0]["types"], "rollout.*")

    def test_lines_for_people(self):
        process = self.otactl_running("events", "--follow")
        self.addCleanup(process.stdout.close)
        self.assertRegex(process.stdout.readline(), r"rollout\.halted +RO_11  reason=a\n$")


if __name__ == "__main__":
    main()
