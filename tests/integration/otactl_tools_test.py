"""otactl doctor, audit, events and completion."""
import http.server
import json
import shutil
import subprocess
import threading
import unittest
from urllib.parse import parse_qs, urlsplit

from harness import free_port, main, wait_until
from otactl_case import LIMIT, OTACTL, OtactlCase, OtactlRunner


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
