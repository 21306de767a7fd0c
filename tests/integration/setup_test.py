"""otad setup on a machine in a folder: what it makes is used by a real Mosquitto, otad, otactl and devices, undone to the
byte, and completed or undone after a kill."""
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import time
import unittest

from broker_config_test import NOT_AUTHORIZED, Client
from harness import ENVIRONMENT, MOSQUITTO, OTAD, PATIENCE, ROOT, Process, digest, free_port, image, main, wait_until
from otactl_case import Screen
from tls_test import TlsRest

BUILD = pathlib.Path(OTAD).resolve().parent


def tree(root):
    """Each file and folder below the root: mode, and content."""
    return {str(path.relative_to(root)): (oct(path.stat().st_mode), path.read_bytes() if path.is_file() else None)
            for path in root.rglob("*")}


class Machine:
    """The files of Debian's otad and mosquitto in a folder; both users are the one that runs the test."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="otad-setup-"))
        self.http, self.mqtt, self.mqtts = free_port(), free_port(), free_port()
        for folder in ("etc/mosquitto/conf.d", "etc/mosquitto/certs", "etc/mosquitto/ca_certificates", "etc/otad",
                       "var/lib/otad", "home/me"):
            (self.root / folder).mkdir(parents=True)
        self.write("etc/passwd", "".join(f"{name}:x:{os.geteuid()}:{os.getegid()}::/home/{name}:/bin/sh\n"
                                         for name in ("otad", "mosquitto", "me")))
        self.write("etc/mosquitto/mosquitto.conf", "include_dir /etc/mosquitto/conf.d\n")
        sample = (ROOT / "config/otad.toml").read_text()
        self.write("etc/otad/otad.toml", sample.replace("0.0.0.0:8080", f"0.0.0.0:{self.http}"))
        self.write("answers.toml", 'name = "localhost"\nnames = ["gw.example"]\nuser = "me"\n')
        self.env = ENVIRONMENT | {"HOME": str(self.root / "home/me")}

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def write(self, path, text):
        (self.root / path).write_text(text)

    def read(self, path):
        return (self.root / path).read_text()

    def command(self, *arguments):
        return [OTAD, *arguments, "--root", str(self.root)]

    def otad(self, *arguments, status=0):
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False, env=self.env,
                              stdin=subprocess.DEVNULL, timeout=60 * PATIENCE)
        assert done.returncode == status, done
        return done.stdout + done.stderr

    def setup(self, *options, **expected):
        return self.otad("setup", "--non-interactive", *options, **expected)

    def moved(self, text):
        """What setup wrote, with paths and ports of this test."""
        for old, new in (("/etc/", f"{self.root}/etc/"), ("/var/lib/otad", f"{self.root}/var/lib/otad"),
                         ("listener 1883 ", f"listener {self.mqtt} "), ("listener 8883", f"listener {self.mqtts}"),
                         ("127.0.0.1:1883", f"127.0.0.1:{self.mqtt}")):
            text = text.replace(old, new)
        return text

    def launch(self, case):
        """Mosquitto and otad as they are set up."""
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        self.write("mosquitto.conf", f"user {user}\nlog_dest stdout\npersistence_location {self.root}/\n"
                   + self.moved(self.read("etc/mosquitto/conf.d/otad.conf")))
        self.broker = Process(self.root / "broker.log")
        self.broker.launch([MOSQUITTO, "-c", str(self.root / "mosquitto.conf")])
        case.addClassCleanup(self.broker.kill)
        self.write("otad.toml", self.moved(self.read("etc/otad/otad.toml")))
        self.daemon = Process(self.root / "otad.log")
        self.daemon.launch([OTAD, "--config", str(self.root / "otad.toml")], ENVIRONMENT)
        case.addClassCleanup(self.daemon.kill)
        self.rest = TlsRest(self.http, self.root / "etc/otad/tls/ca.crt")
        wait_until(self.ready, "otad is ready with its broker", 30)

    def ready(self):
        assert self.daemon.running(), self.daemon.log()
        try:
            return self.rest.call("GET", "/readyz").status == 200
        except OSError:
            return False

    def otactl(self, *arguments):
        done = subprocess.run([BUILD / "otactl", *arguments], capture_output=True, text=True, check=False, env=self.env,
                              stdin=subprocess.DEVNULL, timeout=60 * PATIENCE)
        assert done.returncode == 0, done
        return done.stdout

    def served_certificate(self, port):
        context = ssl.create_default_context(cafile=str(self.root / "etc/otad/tls/ca.crt"))
        with socket.create_connection(("127.0.0.1", port), 10) as line, \
                context.wrap_socket(line, server_hostname="gw.example") as secure:
            return secure.getpeercert()

    def served_bytes(self, port):
        """Of a certificate that may be valid at another time only."""
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))


class Used(unittest.TestCase):
    """One machine that is set up and runs."""

    @classmethod
    def setUpClass(cls):
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.remove)
        cls.root = cls.machine.root
        cls.told = cls.machine.setup("--answers", str(cls.root / "answers.toml"))
        cls.machine.launch(cls)
        (cls.root / "fleet.csv").write_text("id,hardware\ngw-1,gw-a\ngw-2,gw-a\n")
        cls.credentials = cls.root / "creds"
        cls.imported = cls.machine.otad("devices", "import", str(cls.root / "fleet.csv"), "--credentials",
                                        str(cls.credentials))
        cls.machine.broker.send_signal(signal.SIGHUP)  # without systemd, setup can't

    def client(self, port, *arguments):
        client = Client(port, *arguments)
        self.addCleanup(client.close)
        assert client.connected.wait(10 * PATIENCE), "no answer to CONNECT"
        return client

    def test_the_key_is_this_users_otactls(self):
        self.assertIn("connected", self.machine.otactl("doctor"))
        self.assertIn("DEVICE", self.machine.otactl("device", "list"))

    def test_no_secret_is_shown(self):
        secrets = [self.machine.read(path).strip() for path in
                   ("etc/otad/mqtt.password", "home/me/.config/otactl/" + self.key_file())]
        secrets += self.machine.read("etc/otad/tls/ca.key").splitlines()[1:2]
        for secret in secrets:
            self.assertGreater(len(secret), 20)
            self.assertNotIn(secret, self.told)

    def key_file(self):
        return next(path.name for path in (self.root / "home/me/.config/otactl").glob("*.key"))

    def test_import_makes_all_credentials_in_one_go(self):
        self.assertIn("2 certificates", self.imported)
        names = {path.name for path in self.credentials.iterdir()}
        self.assertEqual(names, {"ca.crt", "mosquitto.passwd"} | {f"gw-{number}.{kind}" for number in (1, 2)
                                                                 for kind in ("token", "password", "key", "crt")})
        self.assertEqual(stat.S_IMODE((self.credentials / "gw-1.key").stat().st_mode), 0o600)
        users = [line.partition(":")[0] for line in self.machine.read("etc/mosquitto/otad.passwd").splitlines()]
        self.assertEqual(users, ["otad", "gw-1", "gw-2"])

    def test_importing_again_changes_nothing(self):
        before = tree(self.credentials), self.machine.read("etc/mosquitto/otad.passwd")
        told = self.machine.otad("devices", "import", str(self.root / "fleet.csv"), "--credentials", str(self.credentials))
        self.assertIn("0 certificates", told)
        self.assertEqual((tree(self.credentials), self.machine.read("etc/mosquitto/otad.passwd")), before)

    def test_a_device_is_updated_over_tls_with_its_own_password(self):
        data = image("setup", 300_000)
        (self.root / "image").write_bytes(data)
        self.machine.otactl("firmware", "upload", str(self.root / "image"), "--version", "1.1.0", "--hardware", "gw-a")
        self.machine.otactl("upgrade", "gw-1", "1.1.0")
        (self.root / "version").write_text("1.0.0")
        done = subprocess.run(
            [BUILD / "ota-agent", "--id", "gw-1", "--hardware", "gw-a", "--broker",
             f"ssl://localhost:{self.machine.mqtts}", "--ca", self.credentials / "ca.crt", "--user", "gw-1",
             "--password-file", self.credentials / "gw-1.password", "--token-file", self.credentials / "gw-1.token",
             "--state-dir", self.root / "agent", "--version-file", self.root / "version", "--once", "--install",
             f"cp $1 {self.root}/installed; echo 1.1.0 >{self.root}/version"],
            capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=120 * PATIENCE)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(digest((self.root / "installed").read_bytes()), digest(data))
        self.assertIn("succeeded", self.machine.otactl("task", "list", "--where", "id=gw-1"))

    def test_a_client_certificate_is_taken_for_the_device(self):
        own = TlsRest(self.machine.http, self.credentials / "ca.crt",
                      (self.credentials / "gw-2.crt", self.credentials / "gw-2.key"))
        request = {"current_version": "1.0.0", "hardware": "gw-a"}
        self.assertEqual(own.call("POST", "/ota/gw-2/request", request).status, 200)
        self.assertIn(own.call("POST", "/ota/gw-1/request", request).status, (401, 403))
        self.assertIn(self.machine.rest.call("POST", "/ota/gw-2/request", request).status, (401, 403))

    def test_strangers_are_refused_at_both_listeners(self):
        ca = self.credentials / "ca.crt"
        for port, authority in ((self.machine.mqtts, ca), (self.machine.mqtt, None)):
            for name, password in ((None, None), ("gw-1", "wrong"), ("otad", "otad")):
                self.assertEqual(self.client(port, "x", name, password, authority).reason.value, NOT_AUTHORIZED, name)
        password = (self.credentials / "gw-2.password").read_text().strip()
        self.client(self.machine.mqtts, "gw-2", "gw-2", password, ca).ready()

    def test_readiness_tells_the_end_of_the_certificate(self):
        check = self.machine.rest.get("/readyz")["checks"]["certificate"]
        self.assertEqual((check["ok"], check.get("warning")), (True, None))
        self.assertRegex(check["detail"], r"ends at \d{4}-")

    def test_operators_need_the_key(self):
        self.assertEqual(self.machine.rest.call("GET", "/tasks").status, 401)

    def test_only_loopback_is_spoken_to_without_tls(self):
        def addresses(port):
            listed = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True)
            return {line.split()[3].rpartition(":")[0] for line in listed.stdout.splitlines()}
        self.assertEqual(addresses(self.machine.mqtt), {"127.0.0.1"})
        self.assertIn("0.0.0.0", addresses(self.machine.mqtts))

    def test_the_server_has_all_its_names(self):
        for port in (self.machine.http, self.machine.mqtts):
            names = self.machine.served_certificate(port)["subjectAltName"]
            self.assertEqual({name for _, name in names}, {"localhost", "gw.example", "127.0.0.1", "0:0:0:0:0:0:0:1"})


class Renewal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.remove)
        cls.machine.setup("--answers", str(cls.machine.root / "answers.toml"))
        cls.machine.launch(cls)

    def renew(self, days):
        return subprocess.run(["faketime", "-f", f"+{days}d", *self.machine.command("setup", "--renew")],
                              capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout

    def test_a_certificate_near_its_end_is_replaced_and_taken_into_use(self):
        def served():
            return {self.machine.served_bytes(port) for port in (self.machine.http, self.machine.mqtts)}
        def kept():
            return {ssl.PEM_cert_to_DER_cert(self.machine.read(path)) for path in
                    ("etc/otad/tls/server.crt", "etc/mosquitto/certs/otad.crt")}
        before = kept()
        self.assertEqual((served(), len(before)), (before, 1))
        self.assertIn("nothing was changed", self.renew(690))
        told = self.renew(705)
        self.assertIn("wrote /etc/otad/tls/server.crt", told)
        self.assertIn("wrote /etc/mosquitto/certs/otad.crt", told)
        self.assertNotEqual(kept(), before)
        for process in (self.machine.daemon, self.machine.broker):
            process.send_signal(signal.SIGHUP)  # as systemctl reload does
        wait_until(lambda: served() == kept(), "both serve the new certificate", 20)
        self.assertIn("nothing was changed", self.renew(705))


class Changes(unittest.TestCase):
    def setUp(self):
        self.machine = Machine()
        self.addCleanup(self.machine.remove)
        self.root = self.machine.root
        self.answers = ("--answers", str(self.root / "answers.toml"))

    def data(self):
        """All but the database, which keeps its audit log."""
        return {path: state for path, state in tree(self.root).items() if not path.startswith("var/lib/otad/")}

    def test_a_second_run_changes_nothing(self):
        self.machine.setup(*self.answers)
        self.machine.write("user.toml", 'user = "me"\n')
        before = self.data()
        self.assertIn("nothing was changed", self.machine.setup(*self.answers))
        self.assertIn("nothing was changed", self.machine.setup("--answers", str(self.root / "user.toml")))
        self.assertEqual(self.data(), before)

    def test_undo_brings_back_every_byte(self):
        before = self.data()
        self.machine.setup(*self.answers)
        self.assertNotEqual(self.data(), before)
        told = self.machine.setup("--undo")
        self.assertIn("restored /etc/otad/otad.toml", told)
        self.assertIn("API key me@otactl", told)
        self.assertEqual(self.data(), before)
        keys = subprocess.run([OTAD, "keys", "list"], capture_output=True, text=True, check=True, env=ENVIRONMENT
                              | {"OTAD_STORAGE_DATABASE": str(self.root / "var/lib/otad/otad.db")}).stdout
        self.assertNotIn("me@otactl", keys)
        self.assertIn("nothing to undo", self.machine.setup("--undo"))

    def test_a_dry_run_changes_nothing(self):
        before = tree(self.root)
        told = self.machine.otad("setup", "--dry-run", *self.answers)
        self.assertIn("/etc/mosquitto/conf.d/otad.conf", told)
        self.assertIn('+public_url = "https://localhost:', told)
        self.assertEqual(tree(self.root), before)

    def test_it_asks_once(self):
        before = self.data()
        for answer, status in (("n", 1), ("", 1), ("y", 0)):
            screen = Screen([], self.machine.env, program=self.machine.command("setup", *self.answers))
            self.addCleanup(screen.close)
            screen.wait_for(r"Make these changes\? \[y/N\]")
            if answer == "n":
                self.assertEqual(self.without_journal(), before)
            screen.type(answer + "\n")
            self.assertEqual(screen.wait(), status)
            if status:
                self.assertIn("nothing was changed", screen.text)
                self.assertEqual(self.without_journal(), before)
        self.assertTrue((self.root / "etc/otad/tls/ca.crt").exists())

    def without_journal(self):
        return {path: state for path, state in self.data().items() if not path.startswith("var/lib/otad-setup")}

    def test_without_a_terminal_it_does_nothing_unasked(self):
        before = self.data()
        told = self.machine.otad("setup", *self.answers, status=1)
        self.assertIn("--non-interactive", told)
        self.assertEqual(self.without_journal(), before)

    def test_wrong_answers_are_named(self):
        self.machine.write("answers.toml", 'nmae = "gw"\n')
        told = self.machine.setup(*self.answers, status=1)
        self.assertIn("answers.toml:1: unknown key nmae; did you mean name?", told)
        self.machine.write("answers.toml", 'user = "nobody-here"\n')
        self.assertIn("no user nobody-here", self.machine.setup(*self.answers, status=1))

    def test_import_needs_a_setup(self):
        (self.root / "fleet.csv").write_text("id\ngw-1\n")
        told = self.machine.otad("devices", "import", str(self.root / "fleet.csv"), "--credentials",
                                 str(self.root / "creds"), status=1)
        self.assertIn("run otad setup first", told)
        self.assertFalse((self.root / "creds").exists())

    def test_a_kill_at_any_moment_is_completed_or_undone(self):
        self.machine.setup(*self.answers)  # so that the database is there
        self.machine.setup("--undo")
        before = self.data()
        begun = time.monotonic()
        self.machine.setup(*self.answers)
        took = time.monotonic() - begun
        self.machine.setup("--undo")
        killed = 0
        for turn in range(24):
            process = subprocess.Popen(self.machine.command("setup", "--non-interactive", *self.answers),
                                       env=self.machine.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(took * (turn + 0.5) / 24)
            process.kill()
            killed += process.wait() == -signal.SIGKILL
            if turn % 2:
                self.machine.setup(*self.answers)
                self.assertIn("nothing was changed", self.machine.setup(*self.answers))
            self.machine.setup("--undo")
            # A kill before the first change leaves the journal's folder alone.
            self.assertEqual(self.without_journal(), before, turn)
        self.assertGreater(killed, 0)


if __name__ == "__main__":
    main()
