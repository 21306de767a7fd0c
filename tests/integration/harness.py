"""What the integration tests stand on: a real Mosquitto, a real otad, a REST client, and waits with deadlines.

The daemon is found through OTAD_BIN, or in the build folder named by OTAD_BUILD (default: build/release). Everything a
test writes lies in one temporary folder; everything it starts is ended by its process id. OTAD_PATIENCE stretches all
deadlines (sanitizers, slow machines), OTAD_SANITIZED skips memory limits, OTAD_KEEP keeps the temporary folder.
"""
import atexit
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from urllib.parse import urlencode

from contract import contract

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("OTAD_BUILD", ROOT / "build" / "release"))
OTAD = os.environ.get("OTAD_BIN", str(BUILD / "otad"))
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
PATIENCE = float(os.environ.get("OTAD_PATIENCE", "1"))
SANITIZED = bool(os.environ.get("OTAD_SANITIZED"))
BROKEN = re.compile(
    r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|terminate called|Assertion .* failed"
)
MIB = 1024 * 1024
# Variables that begin with OTAD_ are settings to the daemon; ours are none.
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("OTAD_")} | {"TZ": "UTC"}


def image(name, size):
    """The same `size` bytes each time for one `name`."""
    return random.Random(name).randbytes(size)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def memory(pid, field="VmRSS"):
    """Bytes; VmHWM for the peak."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(field + r":\s+(\d+)", status).group(1)) * 1024


def wait_until(condition, what, timeout=10.0, pause=0.02):
    """Returns the first true value of `condition()`, asked every `pause` seconds; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(pause)


GUARDS = []  # of the ports that are this process's


def free_port():
    """A loopback port for this process alone: no other test is given it, nor is it among those that the kernel hands out
    to any connection, so that what is started again finds it free."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 1000):
        guard = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError), socket.socket() as probe:
            guard.bind(f"\0otad-test-port-{port}")
            probe.bind(("127.0.0.1", port))
            GUARDS.append(guard)
            return port
        guard.close()
    raise AssertionError("no free port")


def database_of(backup, target):
    """Writes the database of a backup of `otad backup` to `target`."""
    with open(target, "wb") as out:
        subprocess.run(["bsdtar", "-xOf", str(backup), "otad.db"], stdout=out, check=True)
    return target


def count_again(database):
    """What otad counts of devices and tasks (migrations 0013, 0014, 0022), after rows were written by SQL."""
    database.executescript("""
        DELETE FROM device_minutes; DELETE FROM task_counts; DELETE FROM failure_counts; DELETE FROM fleet;
        INSERT INTO device_minutes (minute, poll_s, channel, hardware, n)
            SELECT COALESCE(last_seen, 0) / 60000, poll_s, channel, hardware, COUNT(*) FROM devices GROUP BY 1, 2, 3, 4;
        INSERT INTO task_counts SELECT state, version, COUNT(*) FROM tasks GROUP BY 1, 2;
        INSERT INTO failure_counts SELECT COALESCE(ended, updated) / 3600000, reason, COUNT(*) FROM tasks
            WHERE state = 6 GROUP BY 1, 2;
        INSERT INTO fleet (channel, hardware, version, pinned, day, n)
            SELECT channel, hardware, current_version, pinned, COALESCE(last_seen / 86400000, -1), COUNT(*)
            FROM devices GROUP BY 1, 2, 3, 4, 5;""")


class Process:
    """One program that the test started, its output in a file."""

    def __init__(self, log):
        self.log_path = log
        self.process = None
        atexit.register(self.kill)

    def launch(self, command, env=None):
        with open(self.log_path, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def send_signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """kill -9, and wait until it is gone."""
        if self.running():
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self, timeout=20.0):
        """SIGTERM; the exit status."""
        if self.running():
            self.process.terminate()
        try:
            return self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.process.args[0]} did not end within {timeout} s of SIGTERM") from None


class Broker(Process):
    """A Mosquitto of its own on a loopback port that stays the same over restarts."""

    def __init__(self, folder, persistence=False, extra=""):
        super().__init__(folder / "mosquitto.log")
        self.folder, self.port = folder, free_port()
        self.persistence, self.extra = persistence, extra

    def start(self):
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        config = self.folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"user {user}",
            "set_tcp_nodelay true",
            "max_queued_messages 0",
            "max_inflight_messages 1000",
            "log_dest stdout",
        ]
        if "allow_anonymous" not in self.extra:
            lines.append("allow_anonymous true")
        if self.persistence:
            lines += ["persistence true", f"persistence_location {self.folder}/", "autosave_interval 1"]
        config.write_text("\n".join(lines) + "\n" + self.extra + "\n")
        self.launch([MOSQUITTO, "-c", str(config)])
        wait_until(self.answers, "the broker listens")
        return self

    def answers(self):
        if not self.running():
            raise AssertionError("mosquitto ended: " + self.log()[-2000:])
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


class Answer:
    """What the REST side said."""

    def __init__(self, reply, body):
        self.status, self.body = reply.status, body
        self.headers = {name.lower(): value for name, value in reply.getheaders()}

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise AssertionError(f"not JSON ({self.status}): {self.body[:200]!r}") from None

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Rest:
    """Calls of an operator, one connection each; each is held against docs/openapi.yaml."""

    def __init__(self, port):
        self.port = port

    def call(self, method, path, body=None, headers=None, timeout=30.0, encode_chunked=False):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)
        with contextlib.closing(connection):
            with contextlib.suppress(
                BrokenPipeError, ConnectionResetError
            ):  # refused amid the body: the answer is there
                connection.request(method, path, body, headers, encode_chunked=encode_chunked)
            reply = connection.getresponse()
            answer = Answer(reply, reply.read())
        contract().check(method, path, headers.get("Content-Type"), body, answer)
        return answer

    def get(self, path, **query):
        answer = self.call("GET", path + ("?" + urlencode(query) if query else ""))
        if answer.status != 200:
            raise AssertionError(f"GET {path} {query}: {answer}")
        return answer.json

    def upload(self, version, data, hardware=None, **query):
        query = {"version": version, **({"hardware": hardware} if hardware else {}), **query}
        return self.call(
            "POST", "/firmware?" + urlencode(query), data, {"Content-Type": "application/octet-stream"}, timeout=120
        )

    def upgrade(self, device, version, headers=None, **fields):
        return self.call(
            "POST", "/firmware/upgrade", {"device_id": device, "firmware_version": version, **fields}, headers
        )

    def task(self, task_id):
        return self.get(f"/tasks/{task_id}")

    def state(self, task_id):
        return self.task(task_id)["state"]

    def items(self, path, **query):
        """All items of a list, page by page."""
        found, cursor = [], None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next"]
            if not cursor:
                return found

    def wait_state(self, task_id, *states, timeout=10.0):
        return wait_until(
            lambda: (task := self.task(task_id))["state"] in states and task,
            f"{task_id} is {' or '.join(states)}, not {self.state(task_id)}",
            timeout,
        )


# Tests are in a hurry; the rate of new devices has tests of its own.
MANY_NEW = {"devices.unproven_per_minute": 1_000_000}


class Daemon(Process):
    """An otad with fresh data, on a port that stays the same over restarts."""

    def __init__(self, folder, broker_port, settings=None):
        super().__init__(folder / "otad.log")
        self.folder, self.config = folder, folder / "otad.toml"
        self.settings = {
            "mqtt.url": f"tcp://127.0.0.1:{broker_port}",
            "mqtt.reconnect_max_s": 2,
            "http.listen": f"127.0.0.1:{free_port()}",
            "storage.database": str(folder / "otad.db"),
            "storage.firmware_dir": str(folder / "firmware"),
            **(settings or {}),
        }
        self.port, self.rest, self.starts = None, None, []

    def write_config(self):
        sections = {}
        for key, value in self.settings.items():
            section, name = key.split(".") if "." in key else ("", key)
            sections.setdefault(section, []).append(f"{name} = {json.dumps(value)}")
        lines = sections.pop("", [])
        for section, keys in sections.items():
            lines += [f"[{section}]", *keys]
        self.config.write_text("\n".join(lines) + "\n")

    def start(self, ready=True):
        self.write_config()
        begun = len(self.log())
        self.launch([OTAD, "--config", str(self.config)], ENVIRONMENT)
        found = wait_until(lambda: self.listening(begun), "otad says where it listens", 20)
        self.port = int(found.group(1))
        self.settings["http.listen"] = f"127.0.0.1:{self.port}"
        self.rest = Rest(self.port)
        if ready:
            wait_until(self.ready, "otad is ready", 20)
        return self

    def listening(self, begun):
        text = self.log()[begun:]
        found = re.search(r"(?i)listen[^\n]*?127\.0\.0\.1:([1-9]\d*)", text)
        if not found and not self.running():
            raise AssertionError(f"otad ended with {self.process.returncode}: {text[-3000:]}")
        return found

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.rest.call("GET", "/readyz", timeout=5).status == 200

    def restart(self, ready=True):
        """kill -9 and start again on the same data and port."""
        self.kill()
        return self.start(ready)

    def rss(self):
        """Resident memory in bytes."""
        return memory(self.process.pid)

    def peak_rss(self):
        """The most that it ever was."""
        return memory(self.process.pid, "VmHWM")

    def log_lines(self, part, since=0):
        return [line for line in self.log()[since:].splitlines() if part in line]


class ServerCase(unittest.TestCase):
    """A broker and a daemon for all tests of a class; each test uses device ids and versions of its own."""

    settings = {}
    persistence = False

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-it-"))
        cls.daemon, cls.devices = None, []
        cls.broker = Broker(cls.folder, cls.persistence)
        try:
            cls.broker.start()
            cls.daemon = Daemon(cls.folder, cls.broker.port, {**MANY_NEW, **cls.settings}).start()
        except BaseException:
            cls.clean()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            if cls.daemon.running():
                status = cls.daemon.stop()
                assert status == 0, f"otad ended with {status}: {cls.daemon.log()[-2000:]}"
            broken = BROKEN.search(cls.daemon.log())
            assert not broken, f"otad's log: {cls.daemon.log()[broken.start():][:3000]}"
        finally:
            cls.clean()

    @classmethod
    def clean(cls):
        for process in (cls.daemon, cls.broker):
            if process:
                process.kill()
        if not os.environ.get("OTAD_KEEP"):
            shutil.rmtree(cls.folder, ignore_errors=True)

    def otad(self, *arguments, status=0, **options):
        """A command beside the daemon, with its settings."""
        done = subprocess.run(
            [OTAD, "--config", str(self.daemon.config), *arguments],
            capture_output=True,
            text=True,
            timeout=30 * PATIENCE,
            stdin=subprocess.DEVNULL,
            env=ENVIRONMENT,
            check=False,
            **options,
        )
        self.assertEqual(done.returncode, status, done)
        return done

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        start = len(self.daemon.log()) if getattr(self, "daemon", None) else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print(f"--- otad's log during {self.id()}\n{self.daemon.log()[start:][-4000:]}---", file=sys.stderr)

    @property
    def rest(self):
        return self.daemon.rest

    def device(self, name, **options):
        """A connected device that is gone when the test ends."""
        from device import Device

        device = Device(name, self.broker.port, **options)
        self.addCleanup(device.close)
        return device.connect()

    def firmware(self, version, hardware=None, size=200_000, data=None, **query):
        """Uploads; the image's bytes."""
        data = image(f"{hardware} {version}", size) if data is None else data
        answer = self.rest.upload(version, data, hardware, **query)
        self.assertIn(answer.status, (200, 201), answer)
        return data

    def upgrade(self, device, version, **fields):
        """Posts an upgrade; the task id."""
        answer = self.rest.upgrade(device, version, **fields)
        self.assertEqual(answer.status, 201, answer)
        return answer.json["task_id"]

    def caps(self, whole=0, each=0):
        """Other caps on downloads, bytes/s, while all goes on."""
        self.reload({"http.max_rate": whole, "http.max_rate_per_device": each})

    def reload(self, settings):
        """Other values of live settings, while all goes on."""
        self.daemon.settings |= settings
        self.daemon.write_config()
        told = len(self.daemon.log_lines("settings were read again"))
        self.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.daemon.log_lines("settings were read again")) > told, "SIGHUP was heard")

    def assert_problem(self, answer, status, field=None):
        """RFC 9457 with the stable code of docs/rest.md, and the wrong field by name."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers.get("content-type", "").split(";")[0], "application/problem+json", answer)
        problem = answer.json
        for name in ("type", "title", "detail", "code"):
            self.assertIsInstance(problem.get(name), str, f"{name} in {problem}")
        self.assertEqual(problem["status"], status)
        self.assertRegex(problem["code"], r"^[a-z][a-z0-9_]+$")
        if field:
            fields = [error["field"] for error in problem.get("errors", [])]
            self.assertIn(field, fields, problem)
            self.assertTrue(all(error["message"] for error in problem["errors"]), problem)
        return problem


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    unittest.main(verbosity=2)
