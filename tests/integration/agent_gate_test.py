"""ota-agent before the gate, over MQTT and over HTTP: hold, a pushed success, a postponement, a cancelled rollout.

The server is played here, from docs/device-protocol.md alone: through a real Mosquitto, or over HTTP while the agent
has no broker. What it answers to `verify` and `postponed` is a message that the test sets; what it pushes goes to the topic
or to an open `next`.
"""
import http.server
import json
import pathlib
import queue
import shutil
import socket
import tempfile
import threading
import time
import unittest

import paho.mqtt.client as mqtt

from harness import ENVIRONMENT, OTAD, Broker, Process, digest, free_port, image, main, wait_until

AGENT = str(pathlib.Path(OTAD).parent / "ota-agent")
TASK, VERSION, CHUNK = "OTA_20261126_000001", "2.0.0", 16_384
IMAGE = image("gate", 100_000)


class Server:
    """Answers one device. `gate` is the answer to verify and to postponed."""

    def __init__(self):
        self.gate, self.heard, self.chunks, self.pushed = None, [], [], queue.Queue()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, body, status=200):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def next(self, wait):
                try:
                    message = server.pushed.get(timeout=wait)
                except queue.Empty:
                    return self.reply(b"", 204)
                if self.left():
                    return server.push(message)
                return self.reply(json.dumps(message).encode())

            def left(self):
                """Whether the agent was killed in the meantime."""
                try:
                    return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
                except BlockingIOError:
                    return False
                except OSError:
                    return True

            def do_GET(self):
                if "/next" in self.path:
                    return self.next(float(self.path.rsplit("=", 1)[1]))
                index = int(self.path.rsplit("/", 1)[1])
                server.chunks.append(index)
                return self.reply(IMAGE[index * CHUNK:(index + 1) * CHUNK])

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = server.answer(self.path.rsplit("/", 1)[1], body)
                self.reply(json.dumps(answer).encode() if answer else b"", 200 if answer else 204)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # a connection of a killed agent
        self.origin = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    def push(self, message):
        self.pushed.put(message)

    def answer(self, kind, message):
        self.heard.append((kind, message))
        if kind == "request":
            return self.metadata()
        return self.gate if kind == "verify" or message.get("state") == "postponed" else None

    def metadata(self):
        count = -(-len(IMAGE) // CHUNK)
        chunks = [digest(IMAGE[at:at + CHUNK]).removeprefix("sha256:") for at in range(0, len(IMAGE), CHUNK)]
        return {"type": "metadata", "task_id": TASK, "version": VERSION, "hardware": "", "priority": "normal",
                "attempt": 1, "max_attempts": 3, "size": len(IMAGE), "checksum": digest(IMAGE), "chunk_bytes": CHUNK,
                "chunk_count": count, "missing": [[0, count - 1]], "chunk_url": f"{self.origin}/chunks/{{index}}",
                "chunks": chunks, "transports": ["http"]}

    def of(self, kind, state=None):
        return [message for what, message in list(self.heard) if what == kind and state in (None, message.get("state"))]


class MqttServer(Server):
    def __init__(self, port):
        super().__init__()
        self.mqtt = mqtt.Client(client_id="server")
        self.mqtt.on_message = self.on_message
        self.mqtt.connect("127.0.0.1", port)
        self.mqtt.subscribe([(f"/ota/+/{kind}", 1) for kind in ("request", "progress", "verify")])
        self.mqtt.loop_start()

    def on_message(self, _client, _data, received):
        answer = self.answer(received.topic.rsplit("/", 1)[1], json.loads(received.payload))
        if answer:
            self.push(answer)

    def push(self, message):
        self.mqtt.publish(f"/ota/gw/{message['type']}", json.dumps(message), 1)

    def stop(self):
        self.mqtt.loop_stop()
        self.mqtt.disconnect()
        super().stop()


def hold(retry_after_s, reason="pace", until=None):
    return {"type": "hold", "task_id": TASK, "reason": reason, "until": until, "retry_after_s": retry_after_s}


SUCCESS = {"type": "success", "task_id": TASK, "version": VERSION, "confirm_by": "2030-01-01T00:00:00Z"}
CANCEL = {"type": "cancel", "task_id": TASK, "reason": "rollout_cancelled"}


class OverMqtt(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-gate-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.server, self.broker_port = self.serve()
        self.addCleanup(self.server.stop)
        self.agent = Process(self.folder / "agent.log")
        self.addCleanup(self.agent.kill)

    def serve(self):
        broker = Broker(self.folder).start()
        self.addCleanup(broker.kill)
        return MqttServer(broker.port), broker.port

    def start(self, *more):
        self.agent.launch(
            [AGENT, "--id", "gw", "--broker", f"tcp://127.0.0.1:{self.broker_port}", "--gateway", self.server.origin,
             "--state-dir", str(self.folder / "state"), "--current-version", "1.0.0", "--once", "--report", "json",
             "--install", f"cp $1 {self.folder}/installed", *more], ENVIRONMENT)

    def verified(self, times, patience=30):
        wait_until(lambda: len(self.server.of("verify")) >= times, f"{times} times verify", patience)

    def installed(self):
        return (self.folder / "installed").exists()

    def ends(self, status):
        wait_until(lambda: not self.agent.running(), "the agent ended", 30)
        self.assertEqual(self.agent.process.returncode, status, self.agent.log()[-2000:])

    def test_held_until_success_is_pushed(self):
        self.server.gate = hold(1)
        self.start()
        self.verified(3)
        self.assertFalse(self.installed())
        self.server.gate = hold(3600, "window", "2030-01-01T00:00:00Z")
        wait_until(lambda: "window until 2030-01-01" in self.agent.log(), "the agent knows", 30)
        asked = len(self.server.of("verify"))
        time.sleep(1)
        self.server.push(SUCCESS)
        self.ends(0)
        self.assertEqual((self.folder / "installed").read_bytes(), IMAGE)
        self.assertEqual(len(self.server.of("verify")), asked, "the pushed success was enough")
        self.assertEqual(sorted(self.server.chunks), list(range(-(-len(IMAGE) // CHUNK))), "each chunk once")

    def test_a_restart_while_it_is_held(self):
        self.server.gate = hold(3600)
        self.start()
        self.verified(1)
        wait_until(lambda: '"event":"hold"' in self.agent.log(), "the agent knows", 10)
        self.agent.kill()
        self.start()
        self.verified(2)
        self.assertFalse(self.installed())
        time.sleep(1)
        self.server.push(SUCCESS)
        self.ends(0)
        self.assertEqual(len(self.server.chunks), -(-len(IMAGE) // CHUNK), "nothing was fetched again")

    def test_a_rollout_that_is_cancelled(self):
        self.server.gate = hold(3600)
        self.start()
        self.verified(1)
        wait_until(lambda: '"event":"hold"' in self.agent.log(), "the agent knows", 10)
        self.server.push(CANCEL)
        self.ends(3)
        self.assertFalse(self.installed())
        self.assertFalse(list((self.folder / "state" / "gw").glob("*.part")), "its image is gone")

    def test_an_owner_who_postpones(self):
        busy = self.folder / "busy"
        busy.touch()
        self.server.gate = SUCCESS
        self.start("--may-install", f"test ! -e {busy} || {{ echo 4; exit 1; }}")
        wait_until(lambda: self.server.of("progress", "postponed"), "it is postponed", 30)
        postponed = self.server.of("progress", "postponed")[0]
        self.server.gate = hold(1, "postponed", postponed["until"])
        self.assertEqual(postponed["task_id"], TASK)
        self.assertFalse(self.installed())
        busy.unlink()
        time.sleep(1)
        self.server.gate = SUCCESS
        self.ends(0)
        self.assertGreater(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1)), postponed["until"])
        self.assertEqual((self.folder / "installed").read_bytes(), IMAGE)


class OverHttp(OverMqtt):
    """The agent has no broker."""

    def serve(self):
        return Server(), free_port()


if __name__ == "__main__":
    main()
