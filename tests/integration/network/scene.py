"""One place with a broker, a daemon and devices that reach both over a bad line only.

`Scene` starts all and is a context; `Agent` is an ota-agent process (a fleet, where `count` is more than one) that can
be killed and started again on the same folder.
"""
import contextlib
import http.client
import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import ENVIRONMENT, OTAD, PATIENCE, Broker, Daemon, Process, digest, image, wait_until  # noqa: E402
from proxy import Link, http_door, mqtt_door  # noqa: E402

AGENT = str(pathlib.Path(OTAD).parent / "ota-agent")
KIB = 1024
HARDWARE = "gw-a"
OLD, NEW = "1.0.0", "2.0.0"


class Agent(Process):
    def __init__(self, scene, name, count=1, options=()):
        super().__init__(scene.folder / f"{name}.log")
        self.scene, self.name, self.count, self.options = scene, name, count, list(options)
        self.state = scene.folder / "agents"
        self.kills = 0

    def ids(self):
        return [self.name] if self.count == 1 else [f"{self.name}-{i:03}" for i in range(1, self.count + 1)]

    def start(self):
        command = [AGENT, "--id", self.name, "--count", str(self.count), "--state-dir", str(self.state)]
        command += ["--broker", self.scene.broker_url, "--gateway", self.scene.gateway, "--poll", "5"]
        command += ["--hardware", HARDWARE, "--current-version", OLD]
        command += ["--report", "json", "--once", *self.options]
        self.launch([*self.scene.before_agents, *command], ENVIRONMENT)
        return self

    def kill(self):
        super().kill()
        self.kills += 1

    def events(self, *names):
        found = []
        for line in self.log().splitlines():
            if line.startswith("{") and line.endswith("}"):
                event = json.loads(line)
                if not names or event["event"] in names:
                    found.append(event)
        return found

    def ended(self):
        """Whether the update of every device is over; fails if one's went wrong."""
        if self.running():
            return False
        status = self.process.returncode
        if status != 0:
            raise AssertionError(f"{self.name} ended with {status}: {self.log()[-3000:]}")
        return True

    def finish(self, data, timeout):
        """Waits for the end, then compares every device's image with `data`."""
        try:
            wait_until(self.ended, f"{self.name} has its update", timeout)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.log()[-3000:]}\n{self.scene.daemon.log()[-3000:]}") from None
        for name in self.ids():
            got = (self.state / name / f"image-{NEW}").read_bytes()
            if got != data:
                raise AssertionError(f"{name} has a wrong image: {digest(got)}, not {digest(data)}")


class Scene:
    """`settings` are the daemon's. The doors of `link`: `http` to the daemon, `mqtt` to the broker."""

    before_agents = ()  # words before an agent's command
    listen = None  # the devices' address of the daemon, where it is one of its own

    def __init__(self, link=None, settings=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-net-"))
        self.agents = []
        self.link = link or Link()
        self.http, self.mqtt = http_door(self.link), mqtt_door(self.link)
        self.broker_url, self.gateway = f"tcp://127.0.0.1:{self.mqtt.port}", f"http://127.0.0.1:{self.http.port}"
        self.broker = Broker(self.folder, persistence=True)
        settings = {"http.public_url": self.gateway, **(settings or {})}
        self.daemon = Daemon(self.folder, self.broker.port, settings)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        self.broker.start()
        self.mqtt.lead_to(self.broker.port)
        self.daemon.start()
        self.http.lead_to(self.daemon.port)

    def __exit__(self, *_):
        for process in (*self.agents, self.daemon, self.broker):
            process.kill()
        self.close_line()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close_line(self):
        self.link.calm()
        self.http.close()
        self.mqtt.close()

    @property
    def rest(self):
        return self.daemon.rest

    def agent(self, name, count=1, options=()):
        self.agents.append(Agent(self, name, count, options))
        return self.agents[-1]

    def firmware(self, size):
        data = image(str(self.folder), size)
        answer = self.rest.upload(NEW, data, HARDWARE)
        assert answer.status == 201, answer
        return data

    def upgrade(self, device, chunk_kib):
        answer = self.rest.upgrade(device, NEW, chunk_size=chunk_kib, hardware=HARDWARE)
        assert answer.status == 201, answer
        return answer.json["task_id"]

    def metadata(self, device):
        """What a device that asks over HTTP is told; its URLs lead over the line."""
        wanted = {"current_version": OLD, "hardware": HARDWARE, "version": NEW}
        connection = http.client.HTTPConnection(self.listen or f"127.0.0.1:{self.daemon.port}", timeout=30 * PATIENCE)
        with contextlib.closing(connection):
            connection.request("POST", f"/ota/{device}/request", json.dumps(wanted))
            reply = connection.getresponse()
            offer = json.loads(reply.read())
        assert reply.status == 200 and offer["type"] == "metadata", offer
        return offer

    def update(self, agent, data, chunk_kib, timeout):
        """The whole update of an agent that is started now."""
        tasks = [self.upgrade(device, chunk_kib) for device in agent.ids()]
        agent.start()
        agent.finish(data, timeout)
        for task in tasks:
            self.rest.wait_state(task, "succeeded", timeout=30)
        return tasks

    def log_of(self, task):
        return self.rest.items(f"/tasks/{task}/log")


class SpacedScene(Scene):
    """The same with a Network between, for a thread that is inside() it."""

    def __init__(self, network, settings=None):  # no doors
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-net-"))
        self.agents, self.before_agents = [], network.in_device
        # Ports are free here: nobody else is.
        self.broker_url, self.listen = f"tcp://{network.server}:1883", f"{network.server}:8080"
        self.gateway = f"http://{self.listen}"
        extra = f"listener 1883 {network.server}\nallow_anonymous true\n"
        self.broker = Broker(self.folder, persistence=True, extra=extra)
        settings = {"http.listen": self.listen, "http.admin_listen": "127.0.0.1:8081", **(settings or {})}
        self.daemon = Daemon(self.folder, self.broker.port, settings)

    def start(self):
        self.broker.start()
        self.daemon.start()

    def close_line(self):
        pass
