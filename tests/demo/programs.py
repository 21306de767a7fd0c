"""Starting, watching and ending what the demonstration runs."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Failed(Exception):
    """What went wrong, for the person before the terminal."""


class Programs:
    """Owns the processes that it started and one temporary folder; end() leaves nothing of either."""

    def __init__(self, folder):
        self.folder, self.started = folder, []
        # A variable meant for another otad must not reach this one.
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("OTAD_")}

    def start(self, name, command, out=None, **variables):
        """Standard error, and standard output where `out` isn't given, go to NAME.log."""
        log = self.folder / f"{name}.log"
        with open(log, "ab") as errors, open(out or log, "ab") as output:
            # In a session of its own, so that Ctrl-C reaches this program alone and things end in their order.
            process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=errors, env={**self.environment, **variables}, start_new_session=True,
                                       cwd=self.folder)
        self.started.append((name, process))
        return process

    def log(self, name):
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def check(self):
        """Fails where one of them is gone."""
        for name, process in self.started:
            if process.poll() is not None:
                raise Failed(f"{name} ended with status {process.returncode}:\n{self.log(name)[-2000:]}")

    def wait(self, condition, what, seconds=30.0):
        """The first true value of `condition()`."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            self.check()
            if time.monotonic() > deadline:
                raise Failed(f"not within {seconds:.0f} s: {what}\n" +
                             "\n".join(self.log(name)[-1500:] for name, _ in self.started[:2]))
            time.sleep(0.05)
        return value

    def end(self):
        """Devices first, then the server, then the broker."""
        for name, process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            if name in ("otad", "mosquitto"):
                self.wait_for_end(process)
        for _, process in self.started:
            self.wait_for_end(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def wait_for_end(process):
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def start_broker(programs):
    """Mosquitto with the project's own settings on a free port; its URL."""
    port = free_port()
    text = (ROOT / "config/mosquitto/otad.conf").read_text()
    text = text.replace("listener 1883 ", f"listener {port} ")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    config = programs.folder / "mosquitto.conf"
    config.write_text(f"{text}\nuser {user}\npersistence_location {programs.folder}/\nlog_dest stdout\n")
    programs.start("mosquitto", [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", config])
    programs.wait(lambda: answers(port), "Mosquitto listens")
    return f"tcp://127.0.0.1:{port}"


def start_daemon(programs, otad, broker, topic_root, slots):
    """otad with fresh data on a port that it picks; its URL."""
    settings = {"mqtt.url": broker, "mqtt.client_id": f"otad-demo-{os.getpid()}", "mqtt.topic_root": topic_root,
                "http.listen": "127.0.0.1:0", "storage.database": programs.folder / "otad.db",
                "storage.firmware_dir": programs.folder / "firmware", "tasks.max_active": slots,
                "security.trusted_keys_dir": programs.folder / "keys"}
    (programs.folder / "keys").mkdir()
    programs.start("otad", [otad],
                   **{"OTAD_" + key.replace(".", "_").upper(): str(value) for key, value in settings.items()})
    found = programs.wait(lambda: re.search(r"(?i)listen[^\n]*?127\.0\.0\.1:([1-9]\d*)", programs.log("otad")),
                          "otad says where it listens")
    return f"http://127.0.0.1:{found.group(1)}"
