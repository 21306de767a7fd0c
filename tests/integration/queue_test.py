"""Fifty devices, five slots, one security task put in last."""
import threading
import time

from device import Device
from harness import MIB, PATIENCE, ServerCase, digest, image, main, wait_until

DEVICES, SLOTS, SIZE = 50, 5, 10 * MIB
HOLDING = ("offered", "downloading", "retry_wait")


class FiftyDevices(ServerCase):
    settings = {"tasks.max_active": SLOTS, "tasks.stall_timeout_s": 120, "tasks.offer_timeout_s": 120}

    def test_security_first_never_more_than_the_slots_all_finish(self):
        routine, urgent = image("routine", SIZE), image("urgent", SIZE)
        self.firmware("2.0.0", "fleet", data=routine)
        self.firmware("2.0.1", "fleet", data=urgent, security="true")
        devices = [Device(f"fleet-{n:02}", self.broker.port, hardware="fleet", version="1.0.0") for n in range(DEVICES)]
        self.offers, self.ends, self.faults, self.gate = [], {}, [], threading.Event()
        for device in devices:
            self.addCleanup(device.close)
            device.connect().request("up_to_date")
        tasks = {device.id: self.upgrade(device.id, "2.0.0", chunk_size=1024) for device in devices[:-1]}
        threads = [threading.Thread(target=self.live, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(self.offers) >= SLOTS, "all slots are held")
        most = Sampler(self.rest)
        most.start()
        offered_before = {task for _, task, _ in self.offers}

        last = devices[-1]
        posted = self.rest.upgrade(last.id, "2.0.1", chunk_size=1024)
        self.assertEqual((posted.status, posted.json["priority"]), (201, "security"), posted)
        security = tasks[last.id] = posted.json["task_id"]
        wait_until(lambda: any(task == security for _, task, _ in self.offers), "the security task is offered")
        newcomers = [task for _, task, _ in self.offers if task not in offered_before]
        self.assertEqual(newcomers[0], security, "nothing is offered before the security task")
        self.assertEqual(
            sum(
                message["type"] == "cancel" and message["reason"] == "preempted"
                for device in devices
                for message in device.seen
            ),
            1,
            "one routine download gives way",
        )
        self.gate.set()
        for thread in threads:
            thread.join(180 * PATIENCE)
        most.end()

        self.assertEqual(self.faults, [])
        self.assertEqual(self.ends, {device.id: "success" for device in devices})
        self.assertTrue(0 < most.peak <= SLOTS, f"{most.peak} tasks held a slot in {most.samples} samples")
        self.assertEqual(
            {item["task_id"] for item in self.rest.items("/tasks", state="succeeded", limit=1000)}, set(tasks.values())
        )
        for device in devices:  # also the one that gave way fetched no chunk twice
            self.assertEqual(set(device.fetched.values()), {1}, device.id)

    def live(self, device):
        """One device's life: the first chunk, then nothing until the gate opens, then the rest."""

        def held(metadata):
            self.offers.append((time.monotonic(), metadata["task_id"], device.id))
            first = metadata["missing"][0][0] if metadata["missing"] else None
            if first is not None and first not in device.chunks:
                device.download(metadata, only=[first])
            while not self.gate.is_set() and not device.peek("cancel"):
                time.sleep(0.02)

        try:
            end = self.obey(device, held)
            self.assertEqual(end["type"], "success")
            content = b"".join(device.chunks[index] for index in sorted(device.chunks))
            self.assertEqual(digest(content), digest(image("urgent" if end["version"] == "2.0.1" else "routine", SIZE)))
            device.forget()
            self.ends[device.id] = end["type"]
        except Exception as fault:  # a thread's fault is the test's
            self.faults.append(f"{device.id}: {fault!r}")

    def obey(self, device, held):
        """As run(), but the last device is without a task at first: up_to_date is not its end."""
        while True:
            end = device.run(timeout=170, before_chunks=held)
            if end["type"] != "up_to_date":
                return end
            wait_until(lambda: device.peek("metadata"), "a task is pushed", 60)


class Sampler(threading.Thread):
    """Counts again and again, in one consistent list each, the tasks that hold a slot."""

    def __init__(self, rest):
        super().__init__(daemon=True)
        self.rest, self.peak, self.samples, self.over = rest, 0, 0, threading.Event()

    def run(self):
        while not self.over.is_set():
            items = self.rest.get("/tasks", limit=1000)["items"]
            self.peak = max(self.peak, sum(item["state"] in HOLDING for item in items))
            self.samples += 1
            time.sleep(0.05)

    def end(self):
        self.over.set()
        self.join(10)


if __name__ == "__main__":
    main()
