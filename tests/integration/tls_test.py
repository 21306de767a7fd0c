"""TLS to devices, operators and the broker: what is spoken, who is believed, and new certificates on SIGHUP."""
import contextlib
import http.client
import json
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import warnings

from authority import Authority
from harness import ENVIRONMENT, OTAD, PATIENCE, Broker, Daemon, Rest, digest, image, main, wait_until

AGENT = str(pathlib.Path(OTAD).parent / "ota-agent")


class TlsRest(Rest):
    """The harness's REST calls over TLS, as the holder of a certificate or as nobody."""

    def __init__(self, port, ca, own=None):
        super().__init__(port)
        self.context = ssl.create_default_context(cafile=str(ca))
        if own:
            self.context.load_cert_chain(*map(str, own))

    def connect(self, timeout=30):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE, context=self.context)

    def call(self, method, path, body=None, headers=None, timeout=30.0, encode_chunked=False):
        from harness import Answer

        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        with contextlib.closing(self.connect(timeout)) as line:
            line.request(method, path, body, headers, encode_chunked=encode_chunked)
            reply = line.getresponse()
            return Answer(reply, reply.read())


class TlsDaemon(Daemon):
    ca = None

    def listening(self, begun):
        found = super().listening(begun)
        if found:
            self.port = int(found.group(1))
        return found

    def ready(self):
        if not isinstance(self.rest, TlsRest):
            self.rest = TlsRest(self.port, self.ca)
        return super().ready()


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-tls-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.ca = Authority(cls.folder)
        cls.other = Authority(cls.folder, "other")
        cls.server_crt, cls.server_key = cls.ca.issue("server")
        cls.broker_crt, cls.broker_key = cls.ca.issue("broker")
        cls.broker = Broker(cls.folder)
        cls.broker.extra = "\n".join((f"certfile {cls.broker_crt}", f"keyfile {cls.broker_key}"))
        cls.addClassCleanup(cls.broker.kill)
        cls.broker.start()
        cls.daemon = TlsDaemon(cls.folder, cls.broker.port, {
            "mqtt.url": f"ssl://127.0.0.1:{cls.broker.port}", "mqtt.ca_file": str(cls.ca.crt),
            "http.tls_cert": str(cls.server_crt), "http.tls_key": str(cls.server_key),
            "http.tls_client_ca": str(cls.ca.crt), "devices.token_required": True})
        cls.daemon.ca = cls.ca.crt
        cls.addClassCleanup(cls.daemon.kill)
        cls.daemon.start()
        cls.rest = TlsRest(cls.daemon.port, cls.ca.crt)

    def test_the_broker_is_reached_over_tls(self):
        checks = self.rest.get("/readyz")["checks"]
        self.assertEqual(checks["broker"], {"ok": True, "detail": "connected"})

    def test_a_broker_of_another_authority_is_a_clear_cause(self):
        folder = self.folder / "wrong"
        folder.mkdir()
        daemon = Daemon(folder, self.broker.port, {
            "mqtt.url": f"ssl://127.0.0.1:{self.broker.port}", "mqtt.ca_file": str(self.other.crt)})
        self.addCleanup(daemon.kill)
        daemon.start(ready=False)
        answer = wait_until(lambda: (got := daemon.rest.call("GET", "/readyz")).status == 503
                            and "TLS" in got.json["checks"]["broker"]["detail"] and got, "the cause is told", 20)
        detail = answer.json["checks"]["broker"]["detail"]
        self.assertIn(str(self.other.crt), detail)
        self.assertIn("not signed by", detail)

    def test_a_broker_with_old_tls_is_not_talked_to(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(self.broker_crt, self.broker_key)
        folder = self.folder / "old"
        folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            daemon = Daemon(folder, 0, {"mqtt.url": f"ssl://127.0.0.1:{listener.getsockname()[1]}",
                                        "mqtt.ca_file": str(self.ca.crt)})
            self.addCleanup(daemon.kill)
            daemon.start(ready=False)
            listener.settimeout(20 * PATIENCE)
            with listener.accept()[0] as line:
                line.settimeout(20 * PATIENCE)
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    context.wrap_socket(line, server_side=True)

    @unittest.skipUnless(shutil.which("sslscan"), "sslscan is not installed")
    def test_sslscan_finds_nothing_to_say(self):
        told = subprocess.run(["sslscan", "--no-colour", "--xml=-", f"127.0.0.1:{self.daemon.port}"],
                              capture_output=True, text=True, timeout=120 * PATIENCE, check=True).stdout
        enabled = {f"{kind} {version}": on for kind, version, on in
                   re.findall(r'<protocol type="(\w+)" version="([\d.]+)" enabled="(\d)"', told)}
        self.assertEqual({name for name, on in enabled.items() if on == "1"}, {"tls 1.2", "tls 1.3"}, told)
        self.assertGreaterEqual(len(enabled), 6)
        ciphers = re.findall(r'<cipher status="\w+" sslversion="([^"]+)" bits="(\d+)" cipher="([^"]+)"', told)
        self.assertGreaterEqual(len(ciphers), 5, told)
        for version, bits, cipher in ciphers:
            self.assertGreaterEqual(int(bits), 128, cipher)
            self.assertRegex(cipher, r"GCM|CHACHA20", version)
            if version == "TLSv1.2":
                self.assertRegex(cipher, r"^ECDHE-")
        groups = re.findall(r'<group [^>]*name="([^"]+)"', told)
        self.assertIn("x25519", groups)
        for group in groups:
            self.assertRegex(group, r"(?i)^(x25519|x448|secp256r1|secp384r1|secp521r1)", told)
        # What isn't there can't be vulnerable: no renegotiation at all, no compression, no heartbeat.
        self.assertIn('<renegotiation supported="0"', told)
        self.assertNotRegex(told, r'vulnerable="1"|<compression supported="1"')

    def test_a_certificate_is_its_devices_and_no_others(self):
        own = TlsRest(self.daemon.port, self.ca.crt, self.ca.issue("gw-1"))
        foreign = TlsRest(self.daemon.port, self.ca.crt, self.ca.issue("gw-2"))
        self.assertEqual(own.call("POST", "/ota/gw-1/request", {"hardware": "gw-a"}).json["type"], "up_to_date")
        data = image("tls", 100_000)
        self.assertEqual(self.rest.upload("2.0.0", data, "gw-a").status, 201)
        task = self.rest.upgrade("gw-1", "2.0.0").json["task_id"]
        metadata = own.call("POST", "/ota/gw-1/request", {}).json
        self.assertEqual((metadata["type"], metadata["task_id"]), ("metadata", task))
        self.assertTrue(metadata["url"].startswith("https://"), metadata["url"])
        path = f"/download/{metadata['checksum'][7:]}/image?task={task}"
        for rest in (foreign, self.rest):
            for answer in (rest.call("POST", "/ota/gw-1/request", {}),
                           rest.call("POST", "/ota/gw-1/verify", {"task_id": task, "checksum": digest(data)}),
                           rest.call("GET", "/ota/gw-1/next?wait=0"), rest.call("GET", path)):
                self.assertEqual((answer.status, answer.json["code"]), (403, "not_authorized"), answer)
        self.assertEqual(own.call("GET", path).body, data)
        answer = own.call("POST", "/ota/gw-1/verify", {"task_id": task, "checksum": digest(data)})
        self.assertEqual(answer.json["type"], "success")

    def agent(self, name, *options):
        """ota-agent with its own certificate; its exit status and what it said."""
        cert, key = self.ca.issue(name)
        command = [AGENT, "--id", name, "--hardware", "gw-agent", "--current-version", "1.0.0", "--once", "--poll", "1",
                   "--state-dir", str(self.folder / "agents"), "--cert", str(cert), "--key", str(key), *options]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60 * PATIENCE, env=ENVIRONMENT)
        return ended.returncode, ended.stdout + ended.stderr

    def test_the_agent_updates_over_tls_alone(self):
        data = image("agent", 300_000)
        self.assertEqual(self.rest.upload("2.0.0", data, "gw-agent").status, 201)
        gateway = ("--gateway", f"https://127.0.0.1:{self.daemon.port}")
        ways = {"gw-broker": ("--broker", f"ssl://127.0.0.1:{self.broker.port}", "--ca", str(self.ca.crt)),
                "gw-gateway": ("--broker", "tcp://127.0.0.1:1", *gateway, "--http-ca", str(self.ca.crt))}
        for name, way in ways.items():
            with self.subTest(name):
                task = self.rest.upgrade(name, "2.0.0", hardware="gw-agent", chunk_size=64).json["task_id"]
                if name == "gw-broker":  # which doesn't tell otad who showed it which certificate
                    secret = self.folder / "agent-token"
                    secret.write_text(self.rest.call("POST", f"/devices/{name}/token").json["token"] + "\n")
                    secret.chmod(0o600)
                    way += ("--token-file", str(secret))
                status, said = self.agent(name, *way)
                self.assertEqual((status, self.rest.state(task)), (0, "succeeded"), said)
                self.assertEqual((self.folder / "agents" / name / "image-2.0.0").read_bytes(), data)

    def test_a_certificate_of_another_authority_opens_nothing(self):
        stranger = TlsRest(self.daemon.port, self.ca.crt, self.other.issue("gw-3"))
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            stranger.call("POST", "/ota/gw-3/request", {})

    def serial(self):
        with contextlib.closing(self.rest.connect()) as line:
            line.connect()
            return line.sock.getpeercert()["serialNumber"]

    def test_new_certificates_on_sighup_drop_nobody(self):
        data = image("large", 20_000_000)
        self.assertEqual(self.rest.upload("3.0.0", data, "gw-r").status, 201)
        own = TlsRest(self.daemon.port, self.ca.crt, self.ca.issue("gw-reload"))
        own.call("POST", "/ota/gw-reload/request", {"hardware": "gw-r"})
        task = self.rest.upgrade("gw-reload", "3.0.0").json["task_id"]
        before = self.serial()
        with contextlib.closing(own.connect(60)) as busy, contextlib.closing(self.rest.connect(60)) as idle:
            idle.request("GET", "/healthz")
            idle.getresponse().read()
            busy.request("GET", f"/download/{digest(data)[7:]}/image?task={task}")
            reply = busy.getresponse()
            part = reply.read(100_000)
            # First some that can't be used: what serves goes on serving.
            certificate, key = self.server_crt.read_bytes(), self.server_key.read_bytes()
            other = self.ca.issue("server-other", "server")
            for label, spoil, why in (
                    ("nonsense", lambda: self.server_crt.write_text("nonsense"), "the TLS certificate"),
                    ("not there", self.server_crt.unlink, "the TLS certificate"),
                    ("another's key", lambda: self.server_key.write_bytes(other[1].read_bytes()), "does not match"),
                    ("a key for all", lambda: self.server_key.chmod(0o644), "http.tls_key")):
                with self.subTest(label):
                    mark = len(self.daemon.log())
                    spoil()
                    self.daemon.send_signal(signal.SIGHUP)
                    wait_until(lambda: self.daemon.log_lines("the settings were read again", mark), "it was heard")
                    line, = self.daemon.log_lines("the certificates are unchanged", mark)
                    self.assertIn("error", line)
                    self.assertIn(why, line)
                    self.assertEqual(self.serial(), before)
                self.server_crt.write_bytes(certificate)
                self.server_key.chmod(0o600)
                self.server_key.write_bytes(key)
            self.ca.issue("server-again", "server", file="server")
            self.daemon.send_signal(signal.SIGHUP)
            wait_until(lambda: self.serial() != before, "new lines get the new certificate")
            self.assertEqual(part + reply.read(), data)
            idle.request("GET", "/healthz")
            self.assertEqual(idle.getresponse().status, 200)
        page = self.rest.call("GET", "/metrics").body.decode()
        end = re.search(r"^otad_tls_certificate_expiry_timestamp_seconds (\S+)$", page, re.M)
        self.assertLess(abs(float(end.group(1)) - time.time() - 2 * 24 * 3600), 3600, "that of the certificate in use")


if __name__ == "__main__":
    main()
