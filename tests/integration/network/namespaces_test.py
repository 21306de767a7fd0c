"""Updates over real TCP that loses packets: through a router in a namespace that drops, bounds and swallows."""
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from netns import Network, why_not  # noqa: E402
from scene import KIB, SpacedScene  # noqa: E402
from side_by_side import Skip, main  # noqa: E402

CASES = []
MISSING = why_not()


def case(function):
    def try_it():
        if MISSING:
            raise Skip(f"no namespaces here: {MISSING}")
        with Network() as network, network.inside(), SpacedScene(network) as scene:
            function(network, scene)

    try_it.__name__ = function.__name__
    CASES.append(try_it)
    return function


def update(scene, size, chunk_kib, timeout, count=2):
    """All devices get the image, and none fetches a good byte twice."""
    data = scene.firmware(size)
    agent = scene.agent("device", count)
    scene.update(agent, data, chunk_kib, timeout)
    for device in agent.ids():
        fetched = max(event.get("bytes_fetched", 0) for event in agent.events() if event["device"] == device)
        assert fetched == size, f"{device} fetched {fetched} bytes for an image of {size}"


@case
def loss_1_percent(network, scene):
    network.lose(0.01)
    update(scene, 1024 * KIB, 128, timeout=60)


@case
def loss_5_percent(network, scene):
    network.lose(0.05)
    update(scene, 1024 * KIB, 128, timeout=60)


@case
def loss_10_percent(network, scene):
    network.lose(0.1)
    update(scene, 512 * KIB, 64, timeout=90)


@case
def loss_30_percent(network, scene):
    network.lose(0.3)
    update(scene, 64 * KIB, 16, timeout=120, count=1)


@case
def rate_64_kbit(network, scene):
    network.bound(8000)
    update(scene, 96 * KIB, 16, timeout=120)


@case
def swallowed_for_seconds(network, scene):
    network.bound(200 * KIB)
    over = threading.Event()

    def outages():
        while not over.wait(2.5):
            network.swallow()
            over.wait(2)
            network.swallow(False)

    outage = threading.Thread(target=outages, daemon=True)
    outage.start()
    try:
        update(scene, 768 * KIB, 64, timeout=120)
    finally:
        over.set()
        outage.join()


if __name__ == "__main__":
    main(CASES, at_once=6)
