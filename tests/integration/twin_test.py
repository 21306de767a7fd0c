"""Every conversation over HTTP gives, word by word, what MQTT gives: only ids, signatures and times differ."""
import http.client
import json
import re
import threading
import time
from urllib.parse import quote

from device import Device
from harness import PATIENCE, ServerCase, digest, main

GRID = 65536


class HttpDevice(Device):
    """The same device without MQTT: an answer comes with the POST, what is pushed through next?wait=."""

    def __init__(self, name, port, **options):
        super().__init__(name, 0, **options)
        self.port = port

    def connect(self):
        return self

    def close(self):
        pass

    def call(self, method, path, body=None, timeout=40):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)
        try:
            headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            link.request(method, f"/ota/{quote(self.id)}/{path}", body, headers)
            reply = link.getresponse()
            return reply.status, reply.read()
        finally:
            link.close()

    def send(self, word, payload=None, qos=1):
        body = payload if isinstance(payload, (bytes, str)) else json.dumps(payload or {})
        self.status, answer = self.call("POST", word, body)
        if answer:
            message = json.loads(answer)
            self.inbox.append(message)
            self.seen.append(message)

    def wait(self, *types, timeout=10.0, **fields):
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            if not self.inbox and time.monotonic() < deadline:
                status, answer = self.call("GET", "next?wait=2")
                if status == 200:
                    self.inbox.append(json.loads(answer))
                    self.seen.append(self.inbox[-1])
            else:
                return super().wait(*types, timeout=0.1, **fields)


def wording(message):
    """A message without what may differ: ids, times, jitter, signatures, and which device it was."""
    text = json.dumps({key: value for key, value in message.items() if key != "…"}, sort_keys=True, ensure_ascii=False)
    text = re.sub(r"OTA_\d{8}_\d+", "TASK", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", text)
    text = re.sub(r"exp=\d+", "exp=…", re.sub(r"sig=[\w%=-]+", "sig=…", text))
    text = re.sub(r'"retry_after_s": [\d.]+', '"retry_after_s": …', text)
    return re.sub(r"twin-(mqtt|http)", "twin", text)


class Twin(ServerCase):
    settings = {"tasks.retry_backoff_s": 1, "tasks.retry_backoff_max_s": 1}

    def pair(self, case):
        for kind in ("mqtt", "http"):
            name = f"{case}-twin-{kind}"
            options = {"hardware": case, "version": "1.0.0"}
            yield self.device(name, **options) if kind == "mqtt" else HttpDevice(name, self.daemon.port, **options)

    def compare(self, case, conversation):
        """Runs the conversation over either and compares all that came, in order."""
        self.firmware("2.0.0", case, 6 * GRID)
        heard = {}
        for device in self.pair(case):
            conversation(device)
            heard[type(device).__name__] = [wording(message) for message in device.seen]
        self.assertTrue(heard["Device"])
        self.assertEqual(heard["HttpDevice"], heard["Device"])

    def test_main_job(self):
        def conversation(device):
            device.request("up_to_date")
            task = self.upgrade(device.id, "2.0.0", chunk_size=64)
            metadata = device.wait("metadata", task_id=task)  # pushed
            device.download(metadata)
            device.request("metadata")
            device.verify(metadata, "success")
            device.verify(metadata, "success")

        self.compare("main", conversation)

    def test_wrong_images(self):
        def conversation(device):
            metadata = device.request("metadata", version="2.0.0", max_chunk_bytes=GRID)
            device.download(metadata)
            device.progress(metadata, chunk=1, status="mismatch")
            device.wait("retry")
            retry = metadata
            for _ in range(3):
                retry = device.verify(retry, checksum=digest(b"wrong"), bad_chunks=[[0, 1]])
            self.assertEqual(retry["type"], "failed")

        self.compare("wrong", conversation)

    def test_confirmation(self):
        def conversation(device):
            task = self.upgrade(device.id, "2.0.0", chunk_size=64, confirm=True, hardware="confirm")
            metadata = device.request("metadata")
            device.download(metadata)
            device.verify(metadata, "success")
            device.request("success")
            device.version = "2.0.0"
            device.request("up_to_date")
            self.assertEqual(self.rest.state(task), "succeeded")

        self.compare("confirm", conversation)

    def test_cancel_is_pushed(self):
        def conversation(device):
            metadata = device.request("metadata", version="2.0.0")
            self.rest.call("POST", f"/tasks/{metadata['task_id']}/cancel")
            device.wait("cancel")

        self.compare("cancel", conversation)

    def test_refusals(self):
        def conversation(device):
            for payload in (b"{", b"[]", {"version": 5}, {"version": "../x"}, {"version": "9.9.9"}):
                device.send("request", payload)
                device.wait("error")
            device.send("verify", {"task_id": "OTA_20200101_000001", "checksum": digest(b"x")})
            device.wait("error")
            device.send("progress", {})
            device.wait("error")

        self.compare("refusals", conversation)

    def test_status_codes(self):
        self.firmware("2.0.0", "codes", 6 * GRID)
        device = HttpDevice("codes", self.daemon.port, hardware="codes", version="1.0.0")
        metadata = device.request("metadata", version="2.0.0")
        self.assertEqual(device.status, 200)
        device.progress(metadata, chunk=0, status="ok")
        self.assertEqual(device.status, 204)
        device.send("request", b"{")
        self.assertTrue(400 <= device.status < 500, device.status)
        self.assertEqual(device.call("GET", "next?wait=0")[0], 204)
        for query in ("wait=-1", "wait=x", "wait=99999999999999999999"):
            self.assertIn(device.call("GET", f"next?{query}")[0], (204, 400, 422))
        for name in ("a%20b", "x" * 129, "a%2Fb"):
            device.id = name
            self.assertTrue(400 <= device.call("POST", "request", b"{}")[0] < 500)

    def test_next_holds_the_line(self):
        self.firmware("2.0.0", "holds")
        device = HttpDevice("holds", self.daemon.port, hardware="holds", version="1.0.0")
        device.request("up_to_date")
        begun = time.monotonic()
        self.assertEqual(device.call("GET", "next?wait=1")[0], 204)
        self.assertGreater(time.monotonic() - begun, 0.8)
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(device.call("GET", "next?wait=20")))
        waiter.start()
        time.sleep(0.3)  # so that it most likely waits already; the outcome is the same if not
        begun = time.monotonic()
        task = self.upgrade("holds", "2.0.0")
        waiter.join()
        self.assertLess(time.monotonic() - begun, 5 * PATIENCE)
        self.assertEqual((answers[0][0], json.loads(answers[0][1])["task_id"]), (200, task))

    def test_change_over_amid_a_task(self):
        data = self.firmware("2.0.0", "changes", 6 * GRID)
        first = self.device("changes", hardware="changes", version="1.0.0")
        metadata = first.request("metadata", version="2.0.0", max_chunk_bytes=GRID)
        first.download(metadata, only=[0, 1, 2])
        second = HttpDevice("changes", self.daemon.port, hardware="changes", version="1.0.0")
        again = second.request("metadata")
        self.assertEqual((again["task_id"], again["missing"]), (metadata["task_id"], [[3, 5]]))
        second.use(again)
        second.chunks = first.chunks
        second.download(again)
        self.assertEqual(second.assembled(again), data)
        self.assertEqual(second.verify(again)["type"], "success")


if __name__ == "__main__":
    main()
