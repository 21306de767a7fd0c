"""ota-agent where HTTP or MQTT is blocked: it goes on over the other, comes back, and fetches little twice."""
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from scene import KIB, Scene  # noqa: E402
from harness import wait_until  # noqa: E402
from proxy import Link  # noqa: E402
from side_by_side import main  # noqa: E402

CASES = []
WINDOW = 1024 * KIB  # what may be on its way over MQTT when it breaks off


def case(function):
    CASES.append(function)
    return function


def sent(scene):
    return scene.http.file + scene.mqtt.file


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def begin(scene, size, chunk_kib, *options):
    data = scene.firmware(size)
    agent = scene.agent("device", options=options)
    scene.task = scene.upgrade("device", chunk_kib)
    return data, agent.start()


def came(scene, count):
    wait_until(lambda: sent(scene) >= count, f"{count} bytes came, not {sent(scene)}", 60)


def ways(agent):
    return [event["detail"] for event in agent.events("transport")]


def done(scene, agent, data, timeout=90):
    agent.finish(data, timeout)
    return scene.rest.wait_state(scene.task, "succeeded", timeout=30)


@case
def http_refused_for_good():
    with Scene() as scene:
        scene.http.refuse()
        data, agent = begin(scene, 500 * KIB, 16)
        done(scene, agent, data)
        expect(scene.mqtt.file <= 1.05 * len(data), f"{scene.mqtt.file} bytes for {len(data)}")


@case
def http_swallowed_for_good_and_digests_unknown():
    with Scene() as scene:
        scene.http.swallow()
        data, agent = begin(scene, 200 * KIB, 1)
        done(scene, agent, data)


@case
def mqtt_refused_for_good():
    with Scene() as scene:
        scene.mqtt.refuse()
        data, agent = begin(scene, 500 * KIB, 16)
        done(scene, agent, data)
        expect(scene.http.file == len(data), f"{scene.http.file} bytes for {len(data)}")


@case
def mqtt_refused_for_good_with_a_secret():
    with Scene(settings={"devices.token_required": True}) as scene:
        scene.mqtt.refuse()
        data = scene.firmware(300 * KIB)
        scene.rest.call("PUT", "/devices/device", {"hardware": "gw-a"})
        token = scene.folder / "token"
        token.write_text(scene.rest.call("POST", "/devices/device/token").json["token"] + "\n")
        token.chmod(0o600)
        agent = scene.agent("device", options=("--token-file", str(token)))
        scene.task = scene.upgrade("device", 16)
        agent.start()
        done(scene, agent, data)


@case
def http_dies_amid_the_download():
    with Scene(Link(rate=300 * KIB)) as scene:
        data, agent = begin(scene, 1024 * KIB, 32)
        came(scene, len(data) // 3)
        scene.http.swallow()
        done(scene, agent, data, 120)
        expect(ways(agent) == ["mqtt"], ways(agent))
        expect(sent(scene) <= 1.05 * len(data) + 2 * 32 * KIB, f"{sent(scene)} bytes for {len(data)}")


@case
def mqtt_dies_amid_the_download():
    with Scene(Link(rate=300 * KIB)) as scene:
        data, agent = begin(scene, 1024 * KIB, 32)
        came(scene, len(data) // 3)
        scene.mqtt.refuse()
        done(scene, agent, data)
        expect(scene.http.file <= len(data) + 32 * KIB, f"{scene.http.file} bytes for {len(data)}")


@case
def both_die_by_turns():
    with Scene(Link(rate=200 * KIB)) as scene:
        data, agent = begin(scene, 1024 * KIB, 32)
        for part, blocked, free in ((1, scene.http, scene.mqtt), (2, scene.mqtt, scene.http), (3, scene.http, scene.mqtt)):
            came(scene, part * len(data) // 5)
            free.open()
            blocked.refuse()
        done(scene, agent, data, 150)
        expect(sent(scene) <= 1.15 * len(data) + WINDOW // 4, f"{sent(scene)} bytes for {len(data)}")


@case
def http_comes_back():
    with Scene() as scene:
        scene.http.refuse()
        data, agent = begin(scene, 1024 * KIB, 16, "--rate", str(24 * KIB))
        wait_until(lambda: "mqtt" in ways(agent), "it goes over MQTT", 60)
        scene.http.open()
        wait_until(lambda: ways(agent)[-1] == "http", "it is back", 60)
        done(scene, agent, data, 120)
        expect(scene.http.file > 0, "nothing came over HTTP")
        expect(sent(scene) <= len(data) + 33 * 1024 + 32 * 16 * KIB, f"{sent(scene)} bytes for {len(data)}")


@case
def killed_amid_chunks_over_mqtt():
    with Scene(Link(rate=100 * KIB)) as scene:
        scene.http.refuse()
        data, agent = begin(scene, 300 * KIB, 1)
        luck = random.Random(3)
        for number in range(3):
            came(scene, (number + luck.uniform(0.3, 0.7)) * len(data) / 4)
            agent.kill()
            agent.start()
        done(scene, agent, data)
        # Each chunk carries 32 bytes; a kill costs a window at most.
        expect(scene.mqtt.file <= len(data) * 1.04 + 3 * 33 * KIB, f"{scene.mqtt.file} bytes for {len(data)}")


if __name__ == "__main__":
    main(CASES, at_once=4)
