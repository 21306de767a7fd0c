"""A receiver of webhooks, written from docs/events.md: checks signatures, answers as it is told."""
import base64
import hashlib
import hmac
import http.server
import json
import ssl
import threading
import time


def verify(secret, headers, body):
    """As docs/events.md has it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    sent = headers["webhook-timestamp"]
    if abs(time.time() - int(sent)) > 300:
        raise ValueError("too old, or from the future")
    signed = f"{headers['webhook-id']}.{sent}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(wanted, given) for given in headers["webhook-signature"].split()):
        raise ValueError("not signed by this secret")


class Receiver:
    """`answer(handler)` decides; by default 204. `seen`: numbers in the order of their coming, those that were answered
    2xx. `tls`: certificate and key, for https."""

    def __init__(self, tls=None):
        self.seen, self.requests, self.secret, self.answer = [], [], None, None
        self.arrived = threading.Condition()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.take(self, body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "https" if tls else "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}/hook?key=topsecret"

    def take(self, handler, body):
        event = json.loads(body)
        wrong = None
        if self.secret:
            try:
                verify(self.secret, handler.headers, body)
            except ValueError as error:
                wrong = str(error)
        with self.arrived:
            self.requests.append((dict(handler.headers), body, wrong))
        status = self.answer(handler, event) if self.answer else 204
        if status is None:
            return
        if 200 <= status < 300:
            with self.arrived:
                if event["id"].isdigit():
                    self.seen.append(int(event["id"]))
                self.arrived.notify_all()
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
