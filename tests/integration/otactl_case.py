"""otactl run by tests: in scripts and on a terminal of its own."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time

from harness import ENVIRONMENT, OTAD, PATIENCE, ServerCase, image, wait_until

OTACTL = os.environ.get("OTACTL_BIN", str(pathlib.Path(OTAD).resolve().parent / "otactl"))
LIMIT = 30 * PATIENCE


class Screen:
    """otactl, or another command, on a terminal of its own. `text` is all that it has written so far."""

    def __init__(self, arguments, env, columns=100, rows=30, program=None):
        self.text = ""
        command = program or [OTACTL, *arguments]
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(command[0], command, env)
        os.set_blocking(self.terminal, False)
        self.status = None

    def read(self):
        with contextlib.suppress(OSError):
            while select.select([self.terminal], [], [], 0.05)[0]:
                data = os.read(self.terminal, 65536)
                if not data:
                    break
                self.text += data.decode()
        return self.text

    def wait_for(self, pattern):
        return wait_until(lambda: re.search(pattern, self.read()), f"{pattern} on the terminal: {self.text}", 30)

    def type(self, text):
        os.write(self.terminal, text.encode())

    def resize(self, columns, rows=30):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def ended(self):
        self.read()
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.read()
        return self.status is not None

    def wait(self):
        """The exit status."""
        wait_until(self.ended, f"otactl ends: {self.text}", 30)
        os.close(self.terminal)
        return self.status

    def close(self):
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def lines_of(text):
    """The lines as a terminal shows them, without colours."""
    return [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line) for line in text.replace("\r", "").split("\n")]


class OtactlRunner:
    """Of a test case: otactl with a home of its own."""

    def make_home(self, url):
        folder = tempfile.TemporaryDirectory(prefix="otactl-")
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        self.env = {key: value for key, value in ENVIRONMENT.items()
                    if key not in ("XDG_CONFIG_HOME", "NO_COLOR") and not key.startswith("OTACTL_")}
        self.env |= {"HOME": str(self.home), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "OTACTL_URL": url}

    def otactl(self, *arguments, status=0, given="", **env):
        done = subprocess.run([OTACTL, *arguments], input=given, capture_output=True, text=True, timeout=LIMIT,
                              env=self.env | env, cwd=self.home, check=False)
        self.assertEqual(done.returncode, status, done)
        return done

    def otactl_running(self, *arguments):
        """A process whose output is read while it runs."""
        process = subprocess.Popen([OTACTL, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                   env=self.env, cwd=self.home)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def json(self, *arguments, **options):
        return json.loads(self.otactl("-o", "json", *arguments, **options).stdout)

    def screen(self, *arguments, columns=100, **env):
        screen = Screen(arguments, self.env | env, columns)
        self.addCleanup(screen.close)
        return screen


class OtactlCase(ServerCase, OtactlRunner):
    def setUp(self):
        self.make_home(f"http://127.0.0.1:{self.daemon.port}")

    def seen(self, name, **options):
        """A device that sent a request."""
        device = self.device(name, **options)
        device.request("up_to_date")
        return device


class DayCase(OtactlCase):
    settings = {"rollouts.soak_s": 1, "rollouts.stage_delay_s": 0, "tasks.retry_backoff_s": 1,
                "tasks.retry_backoff_max_s": 1}

    def channel(self, name):
        self.otactl("channel", "set", name)

    def fleet(self, channel, count, version="1.0.0"):
        devices = [self.device(f"{channel}-{number}", hardware=f"hw-{channel}", version=version)
                   for number in range(count)]
        for device in devices:
            device.request("up_to_date", channel=channel)
        return devices

    def upload(self, version, hardware, *options, size=50_000):
        file = self.home / f"{hardware}-{version}.img"
        file.write_bytes(image(f"{hardware} {version}", size))
        return self.otactl("firmware", "upload", str(file), "--version", version, "--hardware", hardware, *options)

    def start(self, channel, version, *options, status=0):
        """The rollout's id."""
        told = self.otactl("rollout", "start", channel, version, "--hardware", f"hw-{channel}", "--yes", *options,
                           status=status).stdout
        return re.match(r"(RO_\d+_\d+) is made", told).group(1)

    def update(self, device):
        """The device takes its update and proves it."""
        device.run()
        time.sleep(1.2)
        device.request("up_to_date")

    def in_background(self, work):
        thread = threading.Thread(target=work)
        thread.start()
        self.addCleanup(thread.join)
