"""A broker that hangs up on the chunks of some devices: these use HTTP, and nobody else notices for long."""
import threading

from harness import PATIENCE, main, wait_until
from mqtt_chunks_test import MqttChunks
from strict_broker import BehindStrictBroker

KIB = 1024


class HangsUp(BehindStrictBroker, MqttChunks):
    settings = {"mqtt.reconnect_min_s": 1, "tasks.offer_timeout_s": 600, "tasks.stall_timeout_s": 600}

    @staticmethod
    def forbids(topic, size):
        return topic.startswith("/ota/bad") and "/chunk/" in topic

    def asking(self, device, metadata):
        """The device asks for all of its chunks again and again, until the test ends."""
        over = threading.Event()

        def ask():
            while not over.wait(0.3):
                device.ask_chunks(metadata, [[0, metadata["chunk_count"] - 1]])

        thread = threading.Thread(target=ask)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)

    def given_up(self, device, since):
        return [line for line in self.daemon.log()[since:].splitlines() if f"not sent device={device.id} " in line]

    def check(self, names):
        since, hung_up = len(self.daemon.log()), len(self.strict.hung_up)
        bad = [(*self.begin(f"bad-{name}", 200 * KIB, 16),) for name in names]
        good = [(*self.begin(f"good-{name}", 500 * KIB, 16),) for name in names]
        for device, _, metadata in bad:
            self.asking(device, metadata)
        for device, data, metadata in good:
            device.download_mqtt(metadata)
            self.assertEqual(device.assembled(metadata), data)
            self.assertEqual(device.verify(metadata)["type"], "success")
        for device, _, metadata in bad:
            line, = wait_until(lambda: self.given_up(device, since), "it is given up", 60)
            self.assertIn(f"task={metadata['task_id']}: chunk/", line)
            self.assertIn("access list", line)
        self.assertLessEqual(len(self.strict.hung_up) - hung_up, 3 * len(names))
        wait_until(self.daemon.ready, "ready again", 30)
        # They go on asking.
        connects, lost = self.metric("otad_mqtt_connects_total"), self.metric("otad_mqtt_chunks_lost_total")
        device, data, metadata = self.begin(f"good-last-{names[0]}", 500 * KIB, 16)
        device.download_mqtt(metadata)
        self.assertEqual(device.assembled(metadata), data)
        wait_until(lambda: self.metric("otad_mqtt_chunks_lost_total") >= lost + 3, "and are not served")
        self.assertEqual(self.metric("otad_mqtt_connects_total"), connects)
        for device, data, metadata in bad:
            self.assertEqual(len(self.given_up(device, since)), 1)
            device.download(metadata)
            self.assertEqual(device.assembled(metadata), data)
            self.assertEqual(device.verify(metadata)["type"], "success")
        text = self.daemon.log()[since:]
        self.assertNotIn("not sent device=good", text)

    def test_one_device(self):
        self.check(["one"])

    def test_several_at_once(self):
        self.check(["a", "b", "c"])


class HangsUpOn311(HangsUp):
    version = "3.1.1"


if __name__ == "__main__":
    main()
