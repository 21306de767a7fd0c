"""A small device written from docs/device-protocol.md alone: an MQTT library, an HTTP client, and nothing of otad's.

`run()` obeys every answer by itself; each step can also be driven by hand: `send` any payload, `wait` for the next
message of a type, `fetch` one chunk. Not thread-safe, apart from the inbox that paho's thread fills.
"""
import base64
import collections
import hashlib
import http.client
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt

from contract import check_device_message
from harness import PATIENCE, digest

ANSWERS = {
    "request": ("metadata", "queued", "up_to_date", "success", "hold", "error", "retry"),
    "verify": ("success", "hold", "retry", "failed", "error"),
}
LIVE = 10.0


def indexes(ranges):
    """Inclusive ranges to single chunk indexes."""
    return [index for first, last in ranges for index in range(first, last + 1)]


class Refused(Exception):
    """A download was answered with another status than 200."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body[:300]!r}")
        self.status = status


class Device:
    def __init__(
        self,
        name,
        broker_port,
        hardware=None,
        version=None,
        root="/ota",
        mqtt5=True,
        keep_session=False,
        token=None,
        qos=1,
    ):
        self.id, self.hardware, self.version, self.root, self.token = name, hardware, version, root, token
        self.broker_port, self.keep_session = broker_port, keep_session
        self.inbox, self.seen = collections.deque(), []
        self.unlike = None  # why a message was not as docs/asyncapi.yaml has it
        self.arrived = threading.Condition()
        self.subscribed = threading.Event()
        self.link = None
        self.fetched = collections.Counter()  # chunk index -> times it came over the line
        self.forget()
        if mqtt5:
            self.mqtt = mqtt.Client(client_id=f"device-{name}", protocol=mqtt.MQTTv5)
        else:
            self.mqtt = mqtt.Client(client_id=f"device-{name}", clean_session=not keep_session, protocol=mqtt.MQTTv311)
        self.mqtt5 = mqtt5
        self.mqtt.on_connect = lambda client, *_: client.subscribe(
            [
                (f"{root}/{name}/{word}", qos)
                for word in (
                    "metadata",
                    "success",
                    "hold",
                    "retry",
                    "failed",
                    "queued",
                    "up_to_date",
                    "cancel",
                    "error",
                    "chunk/+/+",
                )
            ]
        )
        self.mqtt.on_subscribe = lambda *_: self.subscribed.set()
        self.mqtt.on_message = self.on_message
        self.mqtt.on_socket_open = lambda _client, _data, line: line.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        self.mqtt.reconnect_delay_set(1, 1)

    # --- the line

    def connect(self):
        self.subscribed.clear()
        options = {}
        if self.mqtt5:
            options["clean_start"] = not self.keep_session
            if self.keep_session:
                options["properties"] = mqtt.Properties(mqtt.PacketTypes.CONNECT)
                options["properties"].SessionExpiryInterval = 3600
        self.mqtt.connect("127.0.0.1", self.broker_port, keepalive=30, **options)
        self.mqtt.loop_start()
        if not self.subscribed.wait(LIVE * PATIENCE):
            raise AssertionError(f"{self.id} could not subscribe")
        return self

    def close(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()
        if self.link:
            self.link.close()
        assert not self.unlike, self.unlike

    def on_message(self, _client, _data, message):
        word = message.topic[len(f"{self.root}/{self.id}/") :]
        if word.startswith("chunk/"):
            answer = {"type": "chunk", "topic": message.topic, "payload": message.payload}
        else:
            answer = json.loads(message.payload)
            self.unlike = self.unlike or check_device_message(answer)
            answer["…"] = {"topic": word, "retained": message.retain, "qos": message.qos, "raw": message.payload}
        with self.arrived:
            self.inbox.append(answer)
            self.seen.append(answer)
            self.arrived.notify_all()

    def send(self, word, payload=None, qos=1):
        """Publishes to our topic `word`; a dict goes as JSON, bytes as they are. Waits until the broker has it."""
        if isinstance(payload, dict) and self.token:
            payload = {"token": self.token, **payload}
        body = payload if isinstance(payload, (bytes, str)) else json.dumps(payload or {})
        sent = self.mqtt.publish(f"{self.root}/{self.id}/{word}", body, qos)
        sent.wait_for_publish(LIVE * PATIENCE)
        assert sent.is_published(), f"{self.id}: the broker didn't take {word}"

    # --- the inbox

    def wait(self, *types, timeout=LIVE, **fields):
        """Takes the next message of one of `types` (any without) that has these fields; drops what came before it."""

        def take():
            while self.inbox:
                message = self.inbox.popleft()
                if (not types or message["type"] in types) and all(message.get(k) == v for k, v in fields.items()):
                    return message
            return None

        with self.arrived:
            found = []
            if not self.arrived.wait_for(lambda: found.append(take()) or found[-1], timeout * PATIENCE):
                raise AssertionError(
                    f"{self.id}: no {'/'.join(types)} {fields or ''} within {timeout} s; came: "
                    f"{[{k: v for k, v in m.items() if k != '…'} for m in self.seen[-3:]]}"
                )
            return found[-1]

    def peek(self, *types):
        """Whether a message of one of `types` waits."""
        with self.arrived:
            return any(message["type"] in types for message in self.inbox)

    def silent(self, seconds=0.5, types=()):
        """True if nothing (of `types`) comes for so long; for 'is not answered', where only time can tell."""
        with self.arrived:
            return not self.arrived.wait_for(
                lambda: any(not types or message["type"] in types for message in self.inbox), seconds * PATIENCE
            )

    def drain(self):
        with self.arrived:
            self.inbox.clear()

    # --- the messages

    def about_me(self, **fields):
        me = {"current_version": self.version, "hardware": self.hardware}
        return {**{key: value for key, value in me.items() if value is not None}, **fields}

    def ask(self, word, payload, *types, timeout=LIVE, **fields):
        """Sends and waits for an answer; repeats every 3 s until it is there (the end-to-end rule)."""
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            self.send(word, payload)
            try:
                left = max(0.1, (deadline - time.monotonic()) / PATIENCE)
                return self.wait(*(types or ANSWERS[word]), timeout=min(3.0, left), **fields)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise

    def request(self, *types, timeout=LIVE, **fields):
        return self.ask("request", self.about_me(**fields), *types, timeout=timeout)

    def progress(self, metadata, **fields):
        self.send("progress", {"task_id": metadata["task_id"], **fields})

    def verify(self, metadata, *types, checksum=None, **fields):
        payload = {
            "task_id": metadata["task_id"],
            "checksum": checksum or digest(self.assembled(metadata)),
            "attempt": metadata["attempt"],
            **fields,
        }
        return self.ask("verify", {k: v for k, v in payload.items() if v is not None}, *types)

    # --- chunks

    def forget(self):
        """Loses everything that was downloaded, as a device with a fresh flash does."""
        self.chunks, self.store = {}, None

    def use(self, metadata):
        """Another image or grid makes the old chunks useless."""
        store = (metadata["checksum"], metadata["chunk_bytes"])
        if self.store != store:
            self.store, self.chunks = store, {}

    def get(self, url, headers=None, method="GET"):
        """One HTTP request over a kept connection: status, headers, body."""
        parts = urlsplit(url)
        for attempt in (1, 2):
            try:
                if self.link is None or (self.link.host, self.link.port) != (parts.hostname, parts.port):
                    self.link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=LIVE * PATIENCE)
                self.link.request(
                    method, parts.path + ("?" + parts.query if parts.query else ""), headers=headers or {}
                )
                reply = self.link.getresponse()
                return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()
            except (OSError, http.client.HTTPException):
                self.link.close()
                self.link = None
                if attempt == 2:
                    raise

    def hashes(self, metadata):
        """The SHA-256 of every chunk: from metadata or, for many chunks, from the manifest."""
        if metadata.get("chunks"):
            return metadata["chunks"]
        status, _, body = self.get(metadata["manifest_url"])
        if status != 200:
            raise Refused(status, body)
        return json.loads(body)["chunks"]

    def fetch(self, metadata, index, hashes=None):
        """One chunk over HTTP, its size and digest checked before it is kept."""
        self.use(metadata)
        status, headers, body = self.get(metadata["chunk_url"].replace("{index}", str(index)))
        if status != 200:
            raise Refused(status, body)
        size = min(metadata["chunk_bytes"], metadata["size"] - index * metadata["chunk_bytes"])
        assert len(body) == size, f"chunk {index} has {len(body)} bytes, not {size}"
        sha = hashlib.sha256(body)
        assert sha.hexdigest() == (hashes or self.hashes(metadata))[index], f"chunk {index} has another digest"
        assert headers["content-digest"] == f"sha-256=:{base64.b64encode(sha.digest()).decode()}:", headers
        self.chunks[index] = body
        self.fetched[index] += 1
        return body

    def download(self, metadata, only=None, report=True):
        """Fetches what is missing here, reporting each chunk; stops early when told to cancel. True if complete."""
        self.use(metadata)
        hashes = self.hashes(metadata)
        for index in indexes(metadata["missing"]) if only is None else only:
            if index in self.chunks:
                continue
            if self.peek("cancel", "failed"):
                return False
            self.fetch(metadata, index, hashes)
            if report:
                self.progress(metadata, chunk=index, status="ok", transport="http")
        return self.complete(metadata)

    def complete(self, metadata):
        return len(self.chunks) == metadata["chunk_count"]

    def assembled(self, metadata):
        return b"".join(self.chunks[index] for index in range(metadata["chunk_count"]))

    # --- the whole update, obeying every answer

    def run(self, timeout=60.0, before_chunks=None):
        """Asks for an update and carries it through; the message that ended it. `before_chunks(metadata)` may hold it."""
        deadline = time.monotonic() + timeout * PATIENCE
        message = self.request()
        while True:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.id}: not done within {timeout} s, last {message['type']}")
            kind = message["type"]
            if kind in ("metadata", "retry"):
                message = self.obey_metadata(message, before_chunks)
            elif kind == "success":
                self.version = message["version"]
                if "confirm_by" in message:
                    self.progress(message, state="installed")
                return message
            elif kind in ("failed", "up_to_date"):
                return message
            elif kind == "cancel" and message["reason"] != "preempted":
                return message
            elif kind == "error" and "retry_after_s" not in message:
                return message
            else:  # queued, preempted, overloaded: our turn comes by itself, or we ask again
                message = self.wait_or_ask(message.get("retry_after_s", 3))

    def wait_or_ask(self, seconds):
        try:
            return self.wait(timeout=seconds / PATIENCE)
        except AssertionError:
            return self.request()

    def obey_metadata(self, metadata, before_chunks):
        if before_chunks:
            before_chunks(metadata)
        if metadata["type"] == "retry":
            time.sleep(metadata.get("retry_after_s", 0))
        self.use(metadata)
        if metadata.get("reason") in ("checksum_mismatch", "chunk_mismatch"):
            for index in indexes(metadata["missing"]):
                self.chunks.pop(index, None)
        try:
            if not self.complete(metadata):
                lacking = [index for index in range(metadata["chunk_count"]) if index not in self.chunks]
                if not self.download(metadata, lacking):
                    return self.wait("cancel", "failed")
            return self.verify(metadata, "success", "retry", "failed", "error", "cancel")
        except Refused as refused:
            if refused.status == 403:  # the URLs are too old
                return self.request()
            if refused.status == 410:  # the task ended or was taken away: the message that says so is on its way
                return self.wait_or_ask(3)
            raise
