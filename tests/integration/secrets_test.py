"""No secret where it doesn't belong: everything that the daemon writes, says or is started with is searched for those
that were used, in each form they could have; and it refuses to start on one that others can read."""
import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from urllib.parse import quote, urlsplit

from device import Device
from harness import ENVIRONMENT, OTAD, PATIENCE, Broker, Daemon, Rest, digest, image, database_of, main, wait_until

PASSWORD = "pass+word/of=the broker 7261"


class KeyRest(Rest):
    """Calls with an operator's key. Keeps every answer."""

    def __init__(self, port, key):
        super().__init__(port)
        self.key, self.answers = key, []

    def call(self, method, path, body=None, headers=None, **options):
        headers = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        answer = super().call(method, path, body, headers, **options)
        self.answers.append((f"{method} {path.partition('?')[0]}", answer))
        return answer


def forms(secret):
    """The ways in which a text could show."""
    raw = secret.encode()
    yield secret
    yield quote(secret, safe="")
    yield raw.hex()
    yield base64.b64encode(raw).decode().rstrip("=")
    yield json.dumps(secret)[1:-1]


class Secrets(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-secrets-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        passwords = self.folder / "passwords"
        passwords.touch(mode=0o600)
        subprocess.run(["mosquitto_passwd", "-b", passwords, "otad", PASSWORD], check=True, capture_output=True)
        subprocess.run(["mosquitto_passwd", "-b", passwords, "device", "d"], check=True, capture_output=True)
        self.broker = Broker(self.folder, extra=f"allow_anonymous true\npassword_file {passwords}")
        self.addCleanup(self.broker.kill)
        self.broker.start()
        self.password_file = self.folder / "broker.password"
        self.password_file.write_text(PASSWORD + "\n")
        self.password_file.chmod(0o600)
        self.daemon = Daemon(self.folder, self.broker.port, {
            "mqtt.username": "otad", "mqtt.password_file": str(self.password_file), "log.level": "trace",
            "security.api_auth": "required", "devices.token_required": True})
        self.addCleanup(self.daemon.kill)
        self.secrets = {"the broker's password": PASSWORD}

    def otad(self, *arguments, status=0):
        done = subprocess.run([OTAD, "--config", str(self.daemon.config), *arguments], capture_output=True, text=True,
                              env=ENVIRONMENT, check=False, timeout=60 * PATIENCE)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def start(self):
        """The daemon, and a key of each role."""
        self.daemon.start()
        for role in ("viewer", "operator", "admin"):
            done = self.otad("keys", "add", "--name", f"{role}-1", "--role", role)
            key = self.secrets[f"the {role}'s key"] = done.stdout.strip()
            self.assertRegex(key, r"^otad_[\w-]{43}$")
            self.assertNotIn(key, done.stderr)
        self.said = self.otad("keys", "list").stdout + self.otad("--print-config").stdout
        self.rest = KeyRest(self.daemon.port, self.secrets["the admin's key"])
        return self.rest

    def issue(self, name):
        token = self.rest.call("POST", f"/devices/{name}/token").json["token"]
        self.secrets[f"{name}'s token"] = token
        self.rest.answers.pop()  # the one answer that holds it
        return token

    def use_everything(self):
        rest = self.start()
        arguments = pathlib.Path(f"/proc/{self.daemon.process.pid}/cmdline").read_bytes()
        # The process can't be dumped or traced: only root may read that of it.
        environment = b""
        if os.geteuid() == 0:
            environment = pathlib.Path(f"/proc/{self.daemon.process.pid}/environ").read_bytes()
        self.said += (arguments + environment).decode(errors="replace")
        for number, name in enumerate(("gw-1", "gw-2")):
            self.assertEqual(rest.call("PUT", f"/devices/{name}", {"hardware": "gw-a"}).status, 201)
            token = self.issue(name)
            version = f"2.0.{number}"
            self.assertEqual(rest.upload(version, image(version, 300_000), "gw-a").status, 201)
            rest.upgrade(name, version, chunk_size=64)
            device = Device(name, self.broker.port, hardware="gw-a", token=token).connect()
            self.addCleanup(device.close)
            metadata = device.request("metadata")
            for place in ("url", "chunk_url", "manifest_url"):
                signature = re.search(r"sig=([\w-]+)", metadata[place])[1]
                self.secrets[f"{name}'s {place}"] = signature
            # Right, wrong, elsewhere: what is refused is logged, and must not say more than that.
            path = urlsplit(metadata["url"])
            plain = Rest(self.daemon.port)
            plain.call("GET", f"{path.path}?{path.query}x")
            plain.call("GET", f"/nowhere?{path.query}")
            plain.call("POST", f"/tasks/x/cancel?{path.query}", headers={"Authorization": f"Bearer {token}"})
            plain.call("POST", f"/ota/{name}/request", "{", {"Authorization": f"Bearer {token}"})
            plain.call("POST", f"/ota/{name}/request", {"token": token, "hardware": 5})
            plain.call("POST", "/ota/other/request", {"token": token})
            plain.call("POST", f"/ota/{name}/request", {"token": [token]})
            device.send("progress", {"task_id": token})
            device.send("request", token)
            for _ in range(2):
                device.wait("error")
            for key in (self.secrets["the viewer's key"], self.secrets["the operator's key"]):
                for method, where in (("POST", "/devices/gw-1/token"), ("GET", "/audit"), ("PUT", "/nowhere")):
                    rest.call(method, where, headers={"Authorization": f"Bearer {key}"})
            if number == 0:
                self.assertEqual(device.run()["type"], "success")
            else:
                own = {"Authorization": f"Bearer {token}"}
                answer = plain.call("GET", path.path, headers=own)
                self.assertEqual(digest(answer.body), metadata["checksum"])
                plain.call("GET", path.path + "?task=OTA_20200101_000001", headers=own)
                answer = plain.call("POST", f"/ota/{name}/verify", {"task_id": metadata["task_id"],
                                                                    "checksum": metadata["checksum"]}, own)
                self.assertEqual(answer.json["type"], "success")
        own = self.secrets["the token that a device brought"] = "chosen-by-the-device"
        answer = plain.call("POST", "/ota/gw-3/request", {"token": own})
        self.assertEqual(answer.json["type"], "up_to_date", answer)
        for where in ("/tasks", "/devices", "/devices/gw-1", "/firmware", "/audit", "/metrics", "/readyz", "/healthz"):
            self.assertEqual(rest.call("GET", where).status, 200, where)
        self.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: self.daemon.log_lines("read again"), "the settings were read again")
        for number, line in enumerate((self.folder / "download.key").read_text().split()):
            self.secrets[f"signing key {number}"] = line

    def test_no_secret_is_written_or_said(self):
        self.use_everything()
        backup = self.folder / "backup.otad"
        self.otad("backup", str(backup))
        database_of(backup, self.folder / "of-the-backup.db")
        self.assertEqual(self.daemon.stop(), 0)
        places = {"what the programs said": self.said, "the log": self.daemon.log()}
        for what, answer in self.rest.answers:
            places[f"{what} -> {answer.status}"] = str(answer.headers) + answer.body.decode("latin-1")
        own = {"download.key", "webhook.key", backup.name, "broker.password", "passwords", "mosquitto.conf"}
        for file in self.folder.rglob("*"):
            if file.is_file() and file.name not in own and "firmware/" not in str(file):
                places[file.name] = file.read_bytes().decode("latin-1")
        self.assertIn("otad.db", places)
        self.assertGreater(len(places["the log"]), 1000)
        self.assertEqual(len(self.secrets), 1 + 3 + 2 * (1 + 3) + 1 + 1)
        for name, secret in self.secrets.items():
            for form in forms(secret):
                for place, text in places.items():
                    self.assertNotIn(form, text, f"{name} shows in {place}")
        # The search would have found them: what is stored is their SHA-256.
        key = hashlib.sha256(self.secrets["the admin's key"].encode()).digest()
        database = b"".join(file.read_bytes() for file in self.folder.glob("otad.db*"))
        self.assertIn(key, database)

    def test_it_does_not_start_on_a_secret_that_others_can_read(self):
        self.start()
        self.assertEqual(self.daemon.stop(), 0)
        key = self.folder / "tls.key"
        crt = self.folder / "tls.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=x", "-keyout", key, "-out", crt], check=True, capture_output=True)
        self.daemon.settings |= {"http.tls_cert": str(crt), "http.tls_key": str(key)}
        self.daemon.write_config()
        for file in (self.folder / "download.key", self.password_file, key):
            before = file.stat().st_mode & 0o777
            self.assertEqual(before, 0o600, file)
            for mode in (0o604, 0o644, 0o606) + ((0o640,) if file.name == "download.key" else ()):
                with self.subTest(file.name, mode=oct(mode)):
                    file.chmod(mode)
                    done = self.otad(status=2)
                    self.assertIn(str(file), done.stderr)
                    self.assertIn("chmod", done.stderr)
                    self.assertNotIn(file.read_text().split()[-1], done.stderr)
            file.chmod(before)
        self.otad("--check-config")
        for file in (self.folder / "download.key", self.password_file, key, crt):
            with self.subTest(file.name, kind="a FIFO"):
                kept = file.rename(f"{file}.kept")
                os.mkfifo(file, 0o600)
                self.assertIn(f"{file} is no regular file", self.otad(status=2).stderr)
                kept.rename(file)
        self.otad("--check-config")

    @unittest.skipIf(os.geteuid() != 0, "only root can give files away")
    def test_it_does_not_start_on_a_secret_of_another_user(self):
        self.start()
        self.assertEqual(self.daemon.stop(), 0)
        for file in (self.folder / "download.key", self.password_file):
            with self.subTest(file.name):
                os.chown(file, 12345, -1)
                done = self.otad(status=2)
                self.assertIn(str(file), done.stderr)
                self.assertIn("chown", done.stderr)
                os.chown(file, 0, -1)
        # Root checks for the user that otad runs as, who has its folder.
        os.chown(self.password_file, 12345, -1)
        self.otad("--check-config", status=2)
        database = self.folder / "otad.db"
        places = (self.folder, self.folder / "firmware", database)
        for place in places:
            os.chown(place, 12345, -1)
        self.otad("--check-config")
        os.chown(database, 0, -1)
        self.assertIn(f"user 12345 can't write to the file {database}", self.otad("--check-config", status=2).stderr)
        for place in places:
            os.chown(place, 0, -1)
        os.chown(self.password_file, 0, -1)
        self.otad("--check-config")

    def test_a_reload_holds_the_key_to_what_a_start_demands(self):
        key, crt = self.folder / "tls.key", self.folder / "tls.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=x", "-keyout", key, "-out", crt], check=True, capture_output=True)
        self.daemon.settings |= {"http.tls_cert": str(crt), "http.tls_key": str(key)}
        self.daemon.start(ready=False)
        for spoil in (lambda: key.chmod(0o644), lambda: os.chown(key, 12345, -1), key.unlink):
            if spoil is not key.unlink and os.geteuid() != 0:
                continue
            spoil()
            mark = len(self.daemon.log())
            self.daemon.send_signal(signal.SIGHUP)
            told = wait_until(lambda m=mark: self.daemon.log_lines("certificates are unchanged", m), "it says so")
            self.assertIn(str(key), told[0])
            if key.exists():
                key.chmod(0o600)
                os.chown(key, os.geteuid(), -1)
        self.assertTrue(self.daemon.running())

    def test_the_signing_key_is_rotated_with_the_old_one_honoured_for_a_while(self):
        rest = self.start()
        rest.call("PUT", "/devices/gw-1", {"hardware": "gw-a"})
        token = self.issue("gw-1")
        rest.upload("2.0.0", image("rotate", 100_000), "gw-a")
        rest.upgrade("gw-1", "2.0.0")

        def request():
            answer = Rest(self.daemon.port).call("POST", "/ota/gw-1/request", {}, {"Authorization": f"Bearer {token}"})
            parts = urlsplit(answer.json["url"])
            return f"{parts.path}?{parts.query}"

        def status(address):
            return Rest(self.daemon.port).call("GET", address).status

        file = self.folder / "download.key"
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        first = request()
        old = file.read_text().strip()
        new = subprocess.run(["openssl", "rand", "-hex", "32"], check=True, capture_output=True, text=True).stdout.strip()
        file.write_text(f"{new}\n{old}\n")
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        second = request()
        self.assertNotEqual(first.partition("sig=")[2], second.partition("sig=")[2])
        self.assertEqual((status(first), status(second)), (200, 200))
        file.write_text(f"{new}\n")
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        self.assertEqual((status(first), status(second)), (403, 200))


if __name__ == "__main__":
    main()
