"""The description of the messages over MQTT: each example is like a message that is seen here."""

import hashlib

from contract import SOURCE, closed, load, validator
from harness import ServerCase, digest, main

SENT = ("request", "progress", "verify", "chunkGet")


def document():
    return load(SOURCE.with_name("asyncapi.yaml"))


def word_of(channel):
    """The last levels of a topic, behind the device's id."""
    return channel["address"].removeprefix("/ota/{id}/")


class AsyncApi(ServerCase):
    settings = {"tasks.max_attempts": 2, "tasks.retry_backoff_s": 1}

    def test_examples_are_as_described(self):
        for name, message in document()["components"]["messages"].items():
            check = validator(closed(message["payload"], document()))
            for example in message.get("examples", []):
                with self.subTest(message=name):
                    self.assertEqual([error.message for error in check.iter_errors(example["payload"])], [])

    def test_each_topic_is_described(self):
        """The topics of the device protocol, as its table of messages has them."""
        table = (
            SOURCE.with_name("device-protocol.md").read_text().split("| topic | from | content |")[1].split("\n\n")[0]
        )
        topics = {row.split("`")[1] for row in table.splitlines() if row.startswith("| `/ota")}
        self.assertEqual({channel["address"] for channel in document()["channels"].values()}, topics)

    def test_each_example_is_like_a_message_that_came(self):
        seen = self.all_kinds()
        for name, message in document()["components"]["messages"].items():
            for example in message.get("examples", []):
                if name in SENT:
                    continue
                payload = example["payload"]
                with self.subTest(message=name):
                    kinds = [set(one) for one in seen if one["type"] == payload["type"]]
                    self.assertIn(set(payload), kinds)

    def test_examples_of_devices_are_taken(self):
        """Each is understood: what is refused is refused for another reason than its form."""
        device = self.device("examples")
        for name in SENT:
            message = document()["components"]["messages"][name]
            for example in message["examples"]:
                with self.subTest(message=name):
                    device.drain()
                    device.send(word_of(document()["channels"][name]), example["payload"])
                    answer = device.wait()
                    self.assertIn(answer.get("code", "unknown_task"), ("unknown_task", "task_ended"), answer)

    def all_kinds(self):
        """One message of each type at least."""
        self.firmware("1.4.0", "aa")
        self.rest.call("PUT", "/channels/aa", {})
        one = self.device("kinds", hardware="aa", version="1.3.2")
        one.request("up_to_date")
        one.send("verify", {"task_id": "OTA_20200101_000001", "checksum": digest(b"")})
        one.wait("error")
        self.wrong_then_failed(one)
        self.cancelled(one)
        self.held(one)
        return [self.plain(message) for message in one.seen]

    @staticmethod
    def plain(message):
        return {name: value for name, value in message.items() if name != "…"}

    def wrong_then_failed(self, device):
        task = self.upgrade(device.id, "1.4.0")
        metadata = device.wait("metadata", task_id=task)
        device.send("chunk/get", {"task_id": task, "chunks": [[0, 0]]})
        chunk = device.wait("chunk")["payload"]
        self.assertEqual(hashlib.sha256(chunk[32:]).digest(), chunk[:32])
        retry = device.verify(metadata, "retry", checksum=digest(b"wrong"))
        device.verify(retry, "failed", checksum=digest(b"wrong again"))

    def cancelled(self, device):
        task = self.upgrade(device.id, "1.4.0")
        device.wait("metadata", task_id=task)
        self.reload({"tasks.max_active": 1})
        other = self.device("waits", hardware="aa", version="1.3.2")
        other.request("up_to_date")
        self.upgrade(other.id, "1.4.0")
        device.seen.append(other.request("queued"))
        self.rest.call("POST", f"/tasks/{task}/cancel")
        device.wait("cancel", task_id=task)
        self.reload({"tasks.max_active": 100})

    def held(self, device):
        """A rollout that is paused amid a download; when it goes on, the device may install."""
        self.firmware("1.5.0", "aa")
        self.rest.call("PUT", f"/devices/{device.id}", {"channel": "aa"})
        made = self.rest.call("POST", "/rollouts", {"channel": "aa", "version": "1.5.0", "hardware": "aa"})
        rollout = made.json["rollout_id"]
        metadata = device.request("metadata")
        device.download(metadata)
        self.rest.call("POST", f"/rollouts/{rollout}/pause")
        device.verify(metadata, "hold")
        self.rest.call("POST", f"/rollouts/{rollout}/resume")
        device.wait("success")


if __name__ == "__main__":
    main()
