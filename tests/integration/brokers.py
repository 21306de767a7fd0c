"""Other brokers than Mosquitto, each an ordinary process on loopback with its data in one folder: RabbitMQ with its MQTT
plug-in and ejabberd, both Debian's, and aedes from npm.

OTAD_AEDES names the folder whose node_modules holds aedes.
"""
import contextlib
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from harness import ROOT, Process, free_port, wait_until

ERL = shutil.which("erl")
EPMD = shutil.which("epmd")
NODE = shutil.which("node")
RABBITMQ = next(iter(sorted(glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"))), None)
EJABBERD = next(iter(sorted(glob.glob("/usr/lib/*/ejabberd-*/ebin/ejabberd.app"))), None)
AEDES = pathlib.Path(os.environ.get("OTAD_AEDES", "/nonexistent"))


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class OtherBroker(Process):
    """Keeps its port over restarts, and its sessions where it can."""

    def __init__(self, folder):
        super().__init__(folder / "broker.log")
        self.folder, self.port = folder, free_port()

    def answers(self):
        if not self.running():
            raise AssertionError(f"{type(self).__name__} ended: {self.log()[-2000:]}")
        return listens(self.port)


class RabbitMq(OtherBroker):
    missing = None if RABBITMQ and ERL and EPMD else "rabbitmq-server is not installed"

    def __init__(self, folder):
        super().__init__(folder)
        self.names = Process(folder / "epmd.log")  # Erlang's name server, which would outlive the broker
        self.names_port, self.nodes_port = free_port(), free_port()

    def start(self):
        (self.folder / "rabbitmq.conf").write_text(
            "listeners.tcp = none\nlog.console = true\nlog.console.level = info\n"
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "mqtt.allow_anonymous = true\nmqtt.default_user = guest\nmqtt.default_pass = guest\n"
        )
        (self.folder / "plugins").write_text("[rabbitmq_mqtt].\n")
        (self.folder / "empty.conf").touch()
        environment = os.environ | {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"otad{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self.nodes_port),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "empty.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        if not self.names.running():
            self.names.launch([EPMD, "-port", str(self.names_port), "-address", "127.0.0.1"])
            wait_until(lambda: listens(self.names_port), "epmd listens", 60)  # else Erlang starts another, as a daemon
        with open(self.log_path, "ab") as out:  # a script that waits for Erlang, hence a group of its own
            self.process = subprocess.Popen(
                [RABBITMQ], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True
            )
        wait_until(self.answers, "RabbitMQ listens", 60)
        return self

    def kill(self):
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        super().kill()
        self.names.kill()


class Ejabberd(OtherBroker):
    missing = None if EJABBERD and ERL else "ejabberd is not installed"

    def start(self):
        config = self.folder / "ejabberd.yml"
        config.write_text(
            f"""hosts: [localhost]
loglevel: info
log_rotate_count: 0
auth_method: anonymous
anonymous_protocol: both
allow_multiple_connections: true
listen:
  - {{port: {self.port}, ip: "127.0.0.1", module: mod_mqtt, backlog: 1000}}
modules:
  mod_mqtt: {{}}
"""
        )
        libraries = pathlib.Path(EJABBERD).parents[2]
        environment = os.environ | {
            "HOME": str(self.folder),
            "ERL_LIBS": str(libraries),
            "EJABBERD_CONFIG_PATH": str(config),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
        }
        spool = self.folder / "spool"
        self.launch([ERL, "-noinput", "-mnesia", "dir", f'"{spool}"', "-s", "ejabberd"], environment)
        wait_until(self.answers, "ejabberd listens", 60)
        return self


class Aedes(OtherBroker):
    missing = None if NODE and (AEDES / "node_modules" / "aedes").is_dir() else "aedes is not installed (OTAD_AEDES)"

    def start(self):
        script = ROOT / "tests" / "integration" / "aedes.js"
        self.launch([NODE, str(script), str(self.port)], os.environ | {"NODE_PATH": str(AEDES / "node_modules")})
        wait_until(self.answers, "aedes listens", 60)
        return self
