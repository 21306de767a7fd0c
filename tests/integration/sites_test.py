"""Under whose name a request comes, and from whose page: other names are 421, other sites' pages 403, on every route."""
import json
import re
import socket

from harness import Daemon, ServerCase, digest, main

FOREIGN = "http://evil.example"
# What a browser adds to `<img src>` and to a link on a page of another site.
IMAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
DDI = "/DEFAULT/controller/v1/victim"
LATEST = "/firmware/latest?id=victim&current="
ROUTES = (
    ("GET", "/"), ("GET", "/nowhere"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"), ("GET", "/audit"),
    ("GET", "/firmware"), ("POST", "/firmware?version=6.6.6&hardware=gw-a"), ("POST", "/firmware/upgrade"),
    ("DELETE", "/firmware/1"), ("GET", "/tasks"), ("GET", "/tasks/OTA_20261126_000001"),
    ("PATCH", "/tasks/OTA_20261126_000001"), ("POST", "/tasks/OTA_20261126_000001/cancel"), ("GET", "/devices"),
    ("PUT", "/devices/victim"), ("DELETE", "/devices/victim"), ("POST", "/devices/victim/token"),
    ("POST", "/ota/victim/request"), ("POST", "/ota/victim/progress"), ("POST", "/ota/victim/verify"),
    ("GET", "/ota/victim/next?wait=0"), ("GET", "/ota/victim"), ("GET", "/download/" + "0" * 64 + "/image"),
    ("OPTIONS", "/ota/victim/request"), ("OPTIONS", "/firmware/upgrade"), ("TRACE", "/"),
    ("GET", LATEST), ("HEAD", LATEST), ("GET", "/firmware/latest/manifest.json?id=victim&current="),
    ("GET", DDI), ("PUT", f"{DDI}/configData"),
    ("GET", f"{DDI}/deploymentBase/11"), ("POST", f"{DDI}/deploymentBase/11/feedback"),
    ("GET", f"{DDI}/cancelAction/11"), ("POST", f"{DDI}/cancelAction/11/feedback"),
    ("GET", f"{DDI}/softwaremodules/1/artifacts"),
    ("GET", f"{DDI}/softwaremodules/1/artifacts/image"), ("GET", f"{DDI}/softwaremodules/1/artifacts/image.MD5SUM"),
    ("GET", f"{DDI}/installedBase/11"), ("PUT", f"{DDI}/installedBase"), ("GET", f"{DDI}/confirmationBase"),
    ("POST", f"{DDI}/confirmationBase/activateAutoConfirm"), ("OPTIONS", f"{DDI}/configData"),
)


class Sites(ServerCase):
    """Operators' routes on loopback, where no key is asked for."""

    def known(self):
        return sorted(item["device_id"] for item in self.rest.items("/devices"))

    def call(self, method, path, headers, body=None):
        body = "{}" if method in ("POST", "PUT", "PATCH") and body is None else body
        return self.rest.call(method, path, body, headers)

    def test_every_route_is_for_its_own_names_only(self):
        before = self.known()
        for method, path in ROUTES:
            for host in (f"evil.example:{self.daemon.port}", "evil.example", "10.9.8.7", "localhost.evil.example",
                         "0.0.0.0"):
                answer = self.call(method, path, {"Host": host, "Origin": f"http://{host}",
                                                  "X-Forwarded-Host": "localhost"})
                self.assertEqual(answer.status, 421, (method, path, host, answer))
                if method != "HEAD":
                    self.assertIn(b"http.hosts", answer.body)
                self.assertIn("json", answer.headers["content-type"])
            for host in ("a b", "localhost@evil.example", "x:y"):
                self.assertEqual(self.call(method, path, {"Host": host}).status, 400, (method, path, host))
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3:99", "[::1]:8080", socket.gethostname()):
            self.assertEqual(self.rest.call("GET", "/healthz", headers={"Host": host}).status, 200, host)
        self.assertEqual(self.known(), before)
        self.assertNotIn("6.6.6", [item["version"] for item in self.rest.items("/firmware")])

    def test_pages_of_other_sites_neither_read_nor_change(self):
        before = self.known()
        port = self.daemon.port
        for method, path in ROUTES:
            for headers in ({"Origin": FOREIGN}, {"Origin": "null"}, {"Origin": "http://localhost:3"},
                            {"Origin": f"{FOREIGN}:{port}"}, IMAGE, {**IMAGE, "Origin": FOREIGN},
                            {"Origin": FOREIGN, "Content-Type": "text/plain"}):
                answer = self.call(method, path, headers)
                self.assertEqual(answer.status, 403, (method, path, headers, answer))
        for own in (f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
            self.assertEqual(self.rest.call("GET", "/tasks", headers={"Origin": own}).status, 200, own)
        self.assertEqual(self.rest.call("GET", "/tasks", headers=LINK).status, 200)
        for path in ("/ota/victim/next?wait=0", LATEST, DDI):  # a device's call is news of it
            self.assertEqual(self.rest.call("GET", path, headers=LINK).status, 403, path)
        self.assertEqual(self.known(), before)

    def test_a_page_is_no_device(self):
        self.firmware("1.0.0", "gw-a")
        body = json.dumps({"version": "1.0.0", "current_version": "0.0.1", "hardware": "gw-a"})
        for headers, status in (({"Origin": FOREIGN, "Content-Type": "text/plain"}, 403),
                                ({"Content-Type": "text/plain"}, 415),
                                ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
                                ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415)):
            answer = self.rest.call("POST", "/ota/gw-9/request", body, headers)
            self.assertEqual((answer.status, answer.json["type"]), (status, "error"), headers)
        self.assertEqual(self.rest.items("/tasks", device_id="gw-9"), [])
        for headers in ({}, {"Content-Type": "application/json; charset=utf-8"},
                        {"Content-Type": "application/x.ota+json"}):
            answer = self.rest.call("POST", "/ota/gw-9/request", body, headers)
            self.assertEqual((answer.status, answer.json["type"]), (200, "metadata"), headers)

    def test_an_absolute_target_names_the_host(self):
        for target, host, status in (("http://evil.example/devices", "localhost", b"421"),
                                     ("http://localhost/devices", "evil.example", b"200"),
                                     ("http://localhost:1/devices", "x", b"200"),
                                     ("http://localhost@evil.example/devices", "localhost", b"400")):
            answer = self.raw(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            self.assertTrue(answer.startswith(b"HTTP/1.1 " + status), (target, host, answer[:300]))

    def test_http_1_0_may_name_none_on_loopback(self):
        self.assertIn(b" 200 ", self.raw(b"GET /healthz HTTP/1.0\r\n\r\n")[:20])
        self.assertIn(b" 400 ", self.raw(b"GET /healthz HTTP/1.1\r\n\r\n")[:20])

    def raw(self, request):
        with socket.create_connection(("127.0.0.1", self.daemon.port), 10) as line:
            line.sendall(request)
            answer = b""
            while part := line.recv(65536):
                answer += part
            return answer

    def test_a_body_comes_as_it_is(self):
        for coding in ("gzip", "zstd", "x"):
            answer = self.rest.call("POST", "/firmware?version=5.0.0&hardware=gw-a", b"\x1f\x8b packed",
                                    {"Content-Encoding": coding})
            self.assert_problem(answer, 415)
            self.assertEqual(answer.headers["accept-encoding"], "identity")
        self.assertNotIn("5.0.0", [item["version"] for item in self.rest.items("/firmware")])

    def test_a_device_is_given_the_address_that_it_called(self):
        image = self.firmware("2.0.0", "gw-b")
        port = self.daemon.port
        for number, host in enumerate((f"localhost:{port}", f"127.0.0.1:{port}", f"localhost.:{port}")):
            body = {"version": "2.0.0", "hardware": "gw-b", "current_version": "1.0.0"}
            metadata = self.rest.call("POST", f"/ota/near-{number}/request", body, {"Host": host}).json
            for name in ("url", "chunk_url", "manifest_url"):
                self.assertTrue(metadata[name].startswith(f"http://{host}/download/"), metadata)
            self.assertEqual(digest(image), metadata["checksum"])

    def test_an_unknown_path_says_what_was_meant(self):
        answer = self.rest.call("GET", "/task")
        self.assert_problem(answer, 404)
        self.assertIn("did you mean /tasks?", answer.json["detail"])


class Named(ServerCase):
    settings = {"http.hosts": ["gw.example", "192.0.2.10"], "http.public_url": "https://proxy.example:8443/ota-server",
                "security.api_auth": "off"}

    def test_names_of_the_settings(self):
        for host in ("gw.example", "GW.example:80", "192.0.2.10:8080", "proxy.example", "proxy.example:8443"):
            self.assertEqual(self.rest.call("GET", "/tasks", headers={"Host": host}).status, 200, host)
            # A proxy that ends TLS: its name, whatever the port; and with the Host that it makes.
            for other in (host, f"127.0.0.1:{self.daemon.port}"):
                page = f"https://{host.partition(':')[0]}"
                answer = self.rest.call("GET", "/tasks", headers={"Host": other, "Origin": page})
                self.assertEqual(answer.status, 200, (host, other))
        for host in ("x.gw.example", "192.0.2.11", "ota-server"):
            self.assertEqual(self.rest.call("GET", "/tasks", headers={"Host": host}).status, 421, host)

    def test_what_was_made_is_found_behind_the_proxy(self):
        self.firmware("1.0.0", "gw-a")
        answer = self.rest.upload("1.1.0", b"another", "gw-a")
        self.assertRegex(answer.headers["location"], r"^/ota-server/firmware/\d+$")
        answer = self.rest.upgrade("p-1", "1.0.0", hardware="gw-a")
        self.assertEqual(answer.headers["location"], "/ota-server/tasks/" + answer.json["task_id"])
        answer = self.rest.call("PUT", "/devices/p-2", {"hardware": "gw-a"})
        self.assertEqual(answer.headers["location"], "/ota-server/devices/p-2")
        metadata = self.rest.call("POST", "/ota/p-1/request", {"hardware": "gw-a", "current_version": "0.9.0"}).json
        self.assertTrue(metadata["url"].startswith("https://proxy.example:8443/ota-server/download/"), metadata)


class EveryAddress(ServerCase):
    """One that listens on all addresses of this machine."""

    class Open(Daemon):
        def listening(self, begun):
            return re.search(r"listening on http://0\.0\.0\.0:(\d+)", self.log()[begun:])

    def open_daemon(self, **settings):
        daemon = self.Open(self.folder, self.broker.port, {
            "http.listen": "0.0.0.0:0", "security.api_auth": "off", "mqtt.client_id": "open",
            "storage.database": f"{self.folder}/open/otad.db", "storage.firmware_dir": f"{self.folder}/open/firmware",
            **settings})
        daemon.log_path = self.folder / f"{self._testMethodName}.log"
        daemon.config = self.folder / "open.toml"
        self.addCleanup(daemon.kill)
        return daemon.start()

    def test_a_public_url_of_loopback_is_warned_of(self):
        daemon = self.open_daemon(**{"http.public_url": "http://localhost:8080"})
        warning, = daemon.log_lines("http://localhost:8080, which is reachable from this machine only")
        self.assertIn("warn", warning)
        self.assertEqual(daemon.stop(), 0)

    def test_addresses_and_names_of_this_machine(self):
        daemon = self.open_daemon()
        name = socket.gethostname()
        addresses = {info[4][0] for info in socket.getaddrinfo(name, None, socket.AF_INET)}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("127.0.0.1", 9))
            addresses.add(probe.getsockname()[0])
        for host in (*addresses, name, name.partition(".")[0], f"{name.partition('.')[0]}.local", "127.0.0.1:80"):
            self.assertEqual(daemon.rest.call("GET", "/healthz", headers={"Host": host}).status, 200, host)
        for host in ("0.0.0.0", "192.0.2.77", f"{name}.evil.example"):
            self.assertEqual(daemon.rest.call("GET", "/healthz", headers={"Host": host}).status, 421, host)
        if "." not in name:  # may mean nothing to devices
            warning, = daemon.log_lines("set http.public_url")
            self.assertIn("warn", warning)
            self.assertIn(name, warning)
        self.assertEqual(daemon.stop(), 0)

    def test_listen_takes_localhost_and_no_other_name(self):
        daemon = Daemon(self.folder, self.broker.port, {
            "http.listen": "localhost:0", "mqtt.client_id": "local", "storage.database": f"{self.folder}/local/otad.db",
            "storage.firmware_dir": f"{self.folder}/local/firmware"})
        daemon.log_path = self.folder / "local.log"
        daemon.config = self.folder / "local.toml"
        self.addCleanup(daemon.kill)
        daemon.start()
        self.assertEqual(daemon.rest.call("GET", "/tasks").status, 200, "no key is asked for")
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    main()
