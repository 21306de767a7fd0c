"""otactl with keys, TLS, contexts, and with servers that are none."""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

from authority import Authority
from harness import free_port, main, wait_until
from otactl_case import LIMIT, OTACTL, OtactlCase, OtactlRunner
from tls_test import TlsDaemon


class Keys(OtactlCase):
    settings = {"security.api_auth": "required"}

    def key(self, role):
        """A file with a new key."""
        name = f"{role}-{self.id()[-40:]}"
        file = self.home / f"{name}.key"
        file.write_text(self.otad("keys", "add", "--name", name, "--role", role).stdout)
        file.chmod(0o600)
        headers = {"Authorization": f"Bearer {file.read_text().strip()}"}
        # Seldom asked: calls without a valid key are throttled together.
        wait_until(lambda: self.rest.call("GET", "/channels", headers=headers).status == 200, "the key is known",
                   pause=0.5)
        return str(file)

    def test_without_a_key_with_a_wrong_one_and_without_the_role(self):
        wait_until(lambda: self.rest.call("GET", "/channels").status == 401, "calls are not throttled", 60, pause=1)
        told = self.otactl("status", status=4).stderr
        self.assertIn("(unauthenticated)", told)
        self.assertIn("No key was sent", told)
        wrong = self.home / "wrong.key"
        wrong.write_text("otad_" + "x" * 43 + "\n")
        wrong.chmod(0o600)
        told = self.otactl("status", "--key-file", str(wrong), status=4).stderr
        self.assertIn(f"The key was read from {wrong}", told)
        self.assertNotIn("xxxx", told)
        viewer = self.key("viewer")
        self.otactl("status", OTACTL_KEY_FILE=viewer)
        told = self.otactl("device", "pin", "gw-1", OTACTL_KEY_FILE=viewer, status=4).stderr
        self.assertIn("needs the role admin", told)

    def test_key_files_must_be_private(self):
        viewer = self.key("viewer")
        os.chmod(viewer, 0o644)
        self.assertIn("chmod 600", self.otactl("status", OTACTL_KEY_FILE=viewer, status=2).stderr)
        self.assertIn("can't be used", self.otactl("status", OTACTL_KEY_FILE="/nowhere", status=2).stderr)

    def test_contexts_carry_url_and_key_and_take_a_key_from_a_pipe(self):
        url, key = self.env.pop("OTACTL_URL"), pathlib.Path(self.key("viewer")).read_text()
        self.otactl("context", "add", "here", "--url", url, "--key-file", "-", given=key)
        kept = self.home / ".config/otactl/here.key"
        self.assertEqual((kept.read_text(), kept.stat().st_mode & 0o777), (key, 0o600))
        self.assertEqual((self.home / ".config/otactl").stat().st_mode & 0o777, 0o700)
        self.otactl("status")
        self.otactl("context", "add", "gone", "--url", f"http://127.0.0.1:{free_port()}")
        self.assertRegex(self.otactl("context", "list").stdout, r"(?m)^here +yes +http")
        self.otactl("status", "--context", "gone", status=4)
        self.otactl("context", "use", "gone")
        self.otactl("status", status=4)
        self.otactl("--context", "here", "status")
        self.assertIn("no context other", self.otactl("context", "use", "other", status=2).stderr)
        self.assertIn("no key", self.otactl("context", "add", "x", "--url", url, "--key-file", "-", status=2).stderr)
        # The key goes to the server of its context only.
        self.assertIn("No key was sent", self.otactl("--url", url, "status", status=4).stderr)

    def test_no_key_is_shown(self):
        viewer = self.key("viewer")
        key = pathlib.Path(viewer).read_text().strip()
        done = self.otactl("context", "list", OTACTL_KEY_FILE=viewer)
        for arguments, status in ((("status",), 0), (("device", "pin", "x"), 4), (("rollout", "status", "x"), 1)):
            done = self.otactl(*arguments, status=status, OTACTL_KEY_FILE=viewer)
            self.assertNotIn(key, done.stdout + done.stderr)


class Tls(unittest.TestCase, OtactlRunner):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otactl-tls-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.ca, cls.other = Authority(cls.folder), Authority(cls.folder, "other")
        crt, key = cls.ca.issue("server")
        cls.daemon = TlsDaemon(cls.folder, free_port(), {"http.tls_cert": str(crt), "http.tls_key": str(key)})
        cls.daemon.ca = cls.ca.crt
        cls.addClassCleanup(cls.daemon.kill)
        cls.daemon.start(ready=False)

    def setUp(self):
        self.make_home(f"https://127.0.0.1:{self.daemon.port}")

    def test_a_private_ca_is_named_once_in_a_context(self):
        self.assertIn("--ca-file FILE", self.otactl("status", status=4).stderr)
        self.assertIn("not ready", self.otactl("status", "--ca-file", str(self.ca.crt)).stdout)
        self.otactl("context", "add", "tls", "--url", self.env.pop("OTACTL_URL"), "--ca-file", str(self.ca.crt))
        self.otactl("status")

    def test_another_ca_a_missing_one_and_plain_http_are_said(self):
        told = self.otactl("status", "--ca-file", str(self.other.crt), status=4).stderr
        self.assertIn(f"The CA certificates were read from {self.other.crt}", told)
        self.assertIn("/nowhere", self.otactl("status", OTACTL_CA_FILE="/nowhere", status=4).stderr)
        plain = f"http://127.0.0.1:{self.daemon.port}"
        self.assertIn("https", self.otactl("status", "--url", plain, status=4).stderr)

    @unittest.skipUnless(shutil.which("faketime"), "faketime is not installed")
    def test_a_wrong_clock_is_named(self):
        command = ["faketime", "2035-01-01", OTACTL, "status", "--ca-file", str(self.ca.crt)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.env, check=False, timeout=LIMIT)
        self.assertEqual(done.returncode, 4, done)
        self.assertIn("expired", done.stderr)
        self.assertIn("clock", done.stderr)


class Page(http.server.BaseHTTPRequestHandler):
    """Not otad."""

    def do_GET(self):
        if self.path.startswith("/older"):
            return self.be_older()
        redirect, huge = self.path.startswith("/redirect"), self.path.startswith("/huge")
        self.send_response(302 if redirect else 200 if huge or self.path.startswith("/bad") else 404)
        self.send_header("Content-Type", "application/json" if self.path.startswith("/bad") else "text/html")
        if redirect:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"x" * (80 << 20) if huge else b"<h1>\x1b[2Jnginx</h1>")

    def be_older(self):
        """An otad that knows nothing of what is asked for."""
        known = self.path == "/older/healthz"
        body = {"version": "0.0.1", "status": "ok"} if known else {
            "type": "about:blank", "title": "Not Found", "status": 404, "code": "not_found", "detail": "no such route"}
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json" if known else "application/problem+json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


class Strangers(unittest.TestCase, OtactlRunner):
    def setUp(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.make_home(self.url)

    def test_what_is_not_otad_is_said_and_cannot_steer_the_terminal(self):
        told = self.otactl("status", status=4).stderr
        self.assertIn("which is not otad's answer", told)
        self.assertIn("\\x1b[2Jnginx", told)
        self.assertIn("redirects elsewhere", self.otactl("status", "--url", self.url + "/redirect", status=4).stderr)
        self.assertIn("no JSON", self.otactl("status", "--url", self.url + "/bad", status=4).stderr)
        self.otactl("status", "--url", self.url + "/huge", status=4)

    def test_another_version_is_said_where_it_may_be_the_cause(self):
        told = self.otactl("device", "show", "gw-1", "--url", self.url + "/older", status=1).stderr
        self.assertIn("The server is otad 0.0.1, this is otactl", told)
        found = {one["check"]: one for one in self.json("doctor", "--url", self.url + "/older", status=1)}
        self.assertEqual(found["version"]["verdict"], "warning")
        self.assertIn("install the same version", found["version"]["remedy"])

    def test_nobody_there_and_no_such_name(self):
        told = self.otactl("status", "--url", f"http://127.0.0.1:{free_port()}", status=4).stderr
        self.assertIn("Is otad running there", told)
        told = self.otactl("status", "--url", "http://no-such-host.invalid", status=4).stderr
        self.assertIn("DNS", told)

    def test_bad_settings_are_said_with_their_place(self):
        folder = self.home / ".config/otactl"
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text("[contexts.a]\nurl = 1\n")
        self.assertIn("config.toml:2: url must be a text", self.otactl("status", status=2).stderr)
        (folder / "config.toml").unlink()
        self.assertIn("must be http://", self.otactl("status", "--url", "gw:8080", status=2).stderr)


if __name__ == "__main__":
    main()
