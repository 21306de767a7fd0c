"""Updates over bad lines: whatever happens, every device ends with the right image, and little comes twice."""
import contextlib
import pathlib
import random
import sqlite3
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from scene import KIB, Scene  # noqa: E402
from harness import PATIENCE, wait_until  # noqa: E402
from proxy import Link  # noqa: E402
from side_by_side import main  # noqa: E402

CASES = []
# Image data over the line to the image's size.
WITH_CUTS = 1.05
WITH_CORRUPTION = WITH_SWITCHES = 1.15


def case(function):
    CASES.append(function)
    return function


def at_most(what, bytes_sent, bound):
    if bytes_sent > bound:
        raise AssertionError(
            f"{what}: {bytes_sent} bytes of image data went over the line, at most {bound} were expected"
        )


def update(link, size, chunk_kib, timeout, count=2, settings=None):
    """All devices of a fleet get the image over `link`, each byte once."""
    with Scene(link, settings) as scene:
        data = scene.firmware(size)
        scene.update(scene.agent("device", count), data, chunk_kib, timeout)
        at_most("nothing was lost", scene.http.file, count * size)


# --- slow lines


@case
def delay_50_ms():
    update(Link(delay=0.05), 1024 * KIB, 128, timeout=60)


@case
def delay_300_ms():
    update(Link(delay=0.3), 512 * KIB, 128, timeout=90)


@case
def rate_64_kbit():
    update(Link(rate=8000), 96 * KIB, 16, timeout=120)


# --- lines that break


@case
def cut_at_random():
    link = Link(rate=300 * KIB)
    with Scene(link) as scene:
        data = scene.firmware(1536 * KIB)
        link.cut_at_random(4, up=(1, 4), down=(0.2, 3), frozen=0.3)
        scene.update(scene.agent("device", 2), data, 32, timeout=150)
        at_most("links cut", scene.http.file, WITH_CUTS * 2 * len(data))


@case
def cut_amid_large_chunks():
    """The line never holds for as long as one chunk takes."""
    link = Link(rate=100 * KIB)
    with Scene(link) as scene:
        data = scene.firmware(1024 * KIB)
        link.cut_at_random(4, up=(2, 4), down=(0.2, 0.5))
        scene.update(scene.agent("device"), data, 512, timeout=150)
        at_most("links cut", scene.http.file, WITH_CUTS * len(data))


@case
def reset_at_random():
    link = Link(rate=600 * KIB)
    with Scene(link) as scene:
        data, luck = scene.firmware(1024 * KIB), random.Random(5)
        agent = start(scene, "device", 64)
        resets = at_points(scene, luck, 5, len(data), lambda: (scene.http.reset(), scene.mqtt.reset()))
        agent.finish(data, 90)
        at_most("resets", scene.http.file, len(data) + resets * 64 * KIB)


# --- one way of two


@case
def http_refused():
    one_way(lambda scene: scene.http.refuse(), "mqtt")


@case
def http_swallowed():
    one_way(lambda scene: scene.http.swallow(), "mqtt")


@case
def mqtt_refused():
    one_way(lambda scene: scene.mqtt.refuse(), "http")


@case
def mqtt_swallowed():
    one_way(lambda scene: scene.mqtt.swallow(), "http")


def one_way(block, other):
    """From the first moment and for good one of the two doesn't work; the other brings all."""
    with Scene(Link(rate=512 * KIB)) as scene:
        data = scene.firmware(1024 * KIB)
        block(scene)
        scene.update(scene.agent("device", 2), data, 64, timeout=110)
        at_most("one way", getattr(scene, other).file, WITH_SWITCHES * 2 * len(data))


@case
def http_lost_and_found():
    """HTTP goes amid the download and comes back: MQTT takes over in between."""
    with Scene(Link(rate=128 * KIB)) as scene:
        data = scene.firmware(2048 * KIB)
        agent = start(scene, "device", 64)
        for share, strike in ((0.2, scene.http.refuse), (0.5, scene.http.open), (0.7, scene.http.refuse)):
            came = share * len(data)
            wait_until(lambda: scene.http.file + scene.mqtt.file >= came, f"{share:.0%} of the image", 100)
            strike()
        agent.finish(data, 110)
        assert scene.http.file and scene.mqtt.file, f"{scene.http.file} over HTTP, {scene.mqtt.file} over MQTT"
        at_most("HTTP lost", scene.http.file + scene.mqtt.file, WITH_SWITCHES * len(data))


@case
def blocked_by_turns():
    with Scene(Link(rate=128 * KIB)) as scene:
        data, doors = scene.firmware(2048 * KIB), [scene.http, scene.mqtt]
        agent = start(scene, "device", 16)
        while agent.running():
            doors[0].refuse()
            doors[1].open()
            doors.reverse()
            with contextlib.suppress(AssertionError):
                wait_until(lambda: not agent.running(), "the end, or the next turn", 6 / PATIENCE)
        agent.finish(data, 1)
        at_most("blocked by turns", scene.http.file + scene.mqtt.file, WITH_SWITCHES * len(data))


@case
def late_over_mqtt():
    """HTTP is blocked, and MQTT silent for longer than the device waits: what comes then is not fetched again."""
    with Scene(Link(rate=512 * KIB)) as scene:
        data, times = scene.firmware(4096 * KIB), 2
        scene.http.refuse()
        agent = start(scene, "device", 64)
        for number in range(times):
            came = (number + 0.5) * len(data) / times
            wait_until(lambda: scene.mqtt.file >= came, f"{int(came)} bytes came", 60)
            scene.mqtt.swallow()
            before = len(silences(agent))
            wait_until(lambda: len(silences(agent)) > before, "the device gave up waiting", 60)
            scene.mqtt.open()
        agent.finish(data, 110)
        # One is asked for again each time, to find out.
        at_most("late chunks", scene.mqtt.file, len(data) + times * 2 * 64 * KIB)


def silences(agent):
    return [event for event in agent.events("error") if "none received" in event["detail"]]


# --- lines that lie


@case
def corrupt_bytes():
    """More than one byte in a megabyte, so that the small image has its share."""
    with Scene(Link(rate=1024 * KIB)) as scene:
        data = scene.firmware(2048 * KIB)
        scene.http.corrupt(256 * KIB)
        scene.mqtt.corrupt(256 * KIB)
        scene.update(scene.agent("device", 2), data, 16, timeout=90)
        assert scene.http.corrupted + scene.mqtt.corrupted >= 10, "too few corrupted bytes: the case tests nothing"
        at_most("corrupt bytes", scene.http.file + scene.mqtt.file, WITH_CORRUPTION * 2 * len(data))


@case
def corrupt_in_large_chunks():
    """Each second transfer of a chunk is wrong: tries are told apart by the evidence, and the update ends well."""
    with Scene(Link()) as scene:
        data = scene.firmware(2048 * KIB)
        scene.http.corrupt(512 * KIB)
        scene.mqtt.corrupt(512 * KIB)
        scene.update(scene.agent("device"), data, 256, timeout=90)


# --- what dies at random points of the download


def start(scene, name, chunk_kib):
    agent = scene.agent(name)
    scene.task = scene.upgrade(name, chunk_kib)
    return agent.start()


def at_points(scene, luck, times, size, strike):
    """Strikes so many times, each when a random share more of the image came; how often it was."""
    for number in range(times):
        point = size * (number + luck.uniform(0.1, 0.9)) / times
        wait_until(lambda: scene.http.file >= point, f"{int(point)} bytes came, not {scene.http.file}", 60)
        strike()
    return times


@case
def device_killed():
    with Scene(Link(rate=600 * KIB)) as scene:
        data, luck = scene.firmware(1024 * KIB), random.Random(6)
        agent = start(scene, "device", 64)
        kills = at_points(scene, luck, 4, len(data), lambda: (agent.kill(), agent.start()))
        agent.finish(data, 90)
        at_most("device killed", scene.http.file, len(data) + kills * 2 * 64 * KIB)


@case
def server_killed():
    with Scene(Link(rate=600 * KIB)) as scene:
        data, luck = scene.firmware(1024 * KIB), random.Random(7)
        agent = start(scene, "device", 64)
        kills = at_points(scene, luck, 4, len(data), scene.daemon.restart)
        agent.finish(data, 120)
        at_most("server killed", scene.http.file, len(data) + kills * 64 * KIB)
        assert scene.rest.task(scene.task)["attempt"] == 1, scene.rest.task(scene.task)


@case
def broker_killed():
    with Scene(Link(rate=600 * KIB)) as scene:
        data, luck = scene.firmware(1024 * KIB), random.Random(8)
        agent = start(scene, "device", 64)
        at_points(scene, luck, 3, len(data), lambda: (scene.broker.kill(), scene.broker.start()))
        agent.finish(data, 120)
        at_most("broker killed", scene.http.file, len(data))


@case
def server_remembers_plain_downloads():
    """A device that reports nothing: the server knows from its downloads what it has, and still after kill -9."""
    with Scene() as scene:
        data = scene.firmware(1024 * KIB)
        offer = scene.metadata("plain")
        size = offer["chunk_bytes"]
        first = [fetch(offer["chunk_url"].replace("{index}", str(index))) for index in (0, 1)]
        assert first == [data[:size], data[size:]] and offer["missing"] == [[0, 1]], offer["missing"]
        offer = scene.metadata("half")
        fetch(offer["chunk_url"].replace("{index}", "1"))
        wait_until(lambda: kept(scene, offer["task_id"]) == 1, "the record is on disk")
        scene.daemon.restart()
        assert scene.metadata("half")["missing"] == [[0, 0]], scene.metadata("half")["missing"]


def fetch(url):
    with urllib.request.urlopen(url, timeout=30 * PATIENCE) as reply:
        return reply.read()


def kept(scene, task):
    """Chunks that the database knows of."""
    with contextlib.closing(sqlite3.connect(f"file:{scene.daemon.folder}/otad.db?mode=ro", uri=True)) as database:
        number = int(task.rsplit("_", 1)[1])
        return database.execute("SELECT chunks_have FROM tasks WHERE number = ?", (number,)).fetchone()[0]


# --- plain clients resume by themselves


def plain_client(command, again):
    """`command(url, file)` fetches through a line that is cut, of a server that is killed; `again`: until it ends well."""
    link = Link(rate=600 * KIB)
    with Scene(link) as scene:
        data = scene.firmware(3 * 1024 * KIB)
        offer, file = scene.metadata("plain"), scene.folder / "image"
        link.cut_at_random(9, up=(0.4, 1.2), down=(0.1, 0.5))
        tries = 0
        kill = threading.Thread(
            target=at_points, args=(scene, random.Random(10), 1, len(data), scene.daemon.restart), daemon=True
        )
        kill.start()

        def fetched():
            nonlocal tries
            tries += 1
            run = subprocess.run(command(offer["url"], file), capture_output=True, timeout=100 * PATIENCE, check=False)
            if run.returncode and not again:
                raise AssertionError(f"{run.args[0]} ended with {run.returncode}: {run.stdout} {run.stderr}")
            return run.returncode == 0

        wait_until(fetched, "the client ends well", 100)
        kill.join()
        assert file.read_bytes() == data, f"a wrong image after {tries} tries"
        assert link.outages >= 2, f"only {link.outages} outages: the case tests nothing"
        # Each cut costs what lay in the buffers of both ends.
        at_most("plain client", scene.http.file, len(data) + (link.outages + 1) * 4 * 64 * KIB)


@case
def curl_resumes():
    plain_client(lambda url, file: ["curl", "-sS", "--fail", "-C", "-", "-o", file, url], again=True)


@case
def wget_resumes():
    options = ["--tries=0", "--waitretry=1", "--retry-connrefused", "--timeout=10"]
    plain_client(lambda url, file: ["wget", "-nv", "-c", *options, "-O", file, url], again=False)


@case
def aria2c_resumes():
    options = [
        "--max-tries=0",
        "--retry-wait=1",
        "--connect-timeout=5",
        "--min-split-size=1M",
        "--file-allocation=none",
    ]

    def command(url, file):
        return ["aria2c", "-q", "-x4", "-s4", *options, "-d", file.parent, "-o", file.name, url]

    plain_client(command, again=True)


if __name__ == "__main__":
    main(CASES, at_once=8)
