"""GET /firmware/latest, by clients that only fetch: curl and wget, without any code of a device."""
import json
import shutil
import subprocess
import unittest

from harness import ENVIRONMENT, PATIENCE, ROOT, ServerCase, digest, main

CURL = shutil.which("curl")
WGET = shutil.which("wget")


@unittest.skipUnless(CURL, "needs curl")
class Latest(ServerCase):
    settings = {"tasks.max_active": 4, "http.max_rate": 0}

    def url(self, path="/firmware/latest", **query):
        pairs = "&".join(f"{name}={value}" for name, value in query.items())
        return f"http://127.0.0.1:{self.daemon.rest.port}{path}?{pairs}"

    def curl(self, *arguments):
        """The status and the headers of the first reply, and what curl wrote about the last one."""
        dump = self.folder / "headers"
        done = subprocess.run(
            [CURL, "-sS", "-D", str(dump), "-w", "%{http_code}", *arguments],
            capture_output=True, text=True, timeout=60 * PATIENCE, env=ENVIRONMENT, check=False,
        )
        self.assertIn(done.returncode, (0, 18, 28, 63), done)
        first = dump.read_text().split("\n\n")[0].splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in first[1:])}
        return int(first[0].split()[1]), headers, done.stdout

    def ask(self, device=None, current="1.0.0", hardware="esp-a", token=None, **query):
        """Only the question: status and headers."""
        query |= {"id": device} if device else {}
        header = ["-H", f"Authorization: Bearer {token}"] if token else []
        url = self.url(hardware=hardware, current=current, **query)
        status, headers, _ = self.curl("-o", "/dev/null", *header, url)
        return status, headers

    def fetch(self, device, *more, current="1.0.0", to="image"):
        """Question and download in one, as a client does it."""
        path = self.folder / to
        url = self.url(id=device, hardware="esp-a", current=current)
        _, _, last = self.curl("-L", "-o", str(path), *more, url)
        return int(last), path

    def order(self, device, version):
        data = self.firmware(version, "esp-a", size=600_000)
        return data, self.upgrade(device, version, hardware="esp-a")

    def test_a_whole_update(self):
        self.assertEqual(self.ask("whole")[0], 304)
        device = self.rest.get("/devices/whole")
        self.assertEqual((device["hardware"], device["current_version"]), ("esp-a", "1.0.0"))
        self.assertEqual(device["protocol"], "latest")
        self.assertRegex(device["client"], r"^curl/\d")
        data, task = self.order("whole", "2.0.0")
        status, headers = self.ask("whole")
        self.assertEqual(status, 302)
        self.assertLessEqual(len(headers["location"]), 255)
        status, path = self.fetch("whole")
        self.assertEqual((status, path.read_bytes() == data), (200, True))
        self.rest.wait_state(task, "installing")  # it has the image, and proved nothing
        self.assertEqual(self.ask("whole", current="2.0.0")[0], 304)
        done = self.rest.wait_state(task, "succeeded")
        self.assertTrue(done["confirmed"])
        self.assertEqual(self.rest.get("/devices/whole")["current_version"], "2.0.0")

    def test_a_download_is_resumed_by_ranges(self):
        data, task = self.order("resumes", "2.1.0")
        status, path = self.fetch("resumes", "-r", "0-199999", to="part")
        self.assertEqual((status, path.stat().st_size), (206, 200_000))
        status, path = self.fetch("resumes", "-C", "-", to="part")
        self.assertEqual((status, path.read_bytes() == data), (206, True))
        self.assertEqual(self.ask("resumes", current="2.1.0")[0], 304)
        self.rest.wait_state(task, "succeeded")

    def test_the_device_is_known_by_its_token(self):
        data, task = self.order("owner", "2.2.0")
        secret = self.rest.call("POST", "/devices/owner/token").json["token"]
        self.assertEqual(self.ask("owner")[0], 403)
        self.assertEqual(self.ask("owner", token="wrong-token-of-somebody")[0], 403)
        self.assertEqual(self.ask(token="wrong-token-of-somebody")[0], 403)
        self.assertEqual(self.ask()[0], 403)
        self.assertEqual(self.ask("owner", token=secret)[0], 302)
        status, headers = self.ask(token=secret)
        self.assertEqual(status, 302)
        last = self.curl("-o", str(self.folder / "owned"), headers["location"])[2]
        self.assertEqual((last, (self.folder / "owned").read_bytes() == data), ("200", True))
        self.assertEqual(self.ask(token=secret, current="2.2.0")[0], 304)
        self.rest.wait_state(task, "succeeded")

    def test_not_its_turn(self):
        self.firmware("2.3.0", "esp-a")
        for other in self.rest.items("/tasks", limit=100):  # of the other tests
            self.rest.call("POST", f"/tasks/{other['task_id']}/cancel")
        self.reload({"tasks.max_active": 1})
        self.addCleanup(self.reload, {"tasks.max_active": 4})
        first = self.upgrade("turn-1", "2.3.0", hardware="esp-a")
        second = self.upgrade("turn-2", "2.3.0", hardware="esp-a")
        self.assertEqual(self.ask("turn-1")[0], 302)
        status, headers = self.ask("turn-2")
        self.assertEqual(status, 503)
        self.assertGreaterEqual(int(headers["retry-after"]), 1)
        self.assertEqual(self.rest.state(second), "queued")
        self.assertEqual(self.ask("turn-1", current="2.3.0")[0], 304)
        self.rest.wait_state(first, "succeeded")
        self.assertEqual(self.ask("turn-2")[0], 302)

    def test_hardware(self):
        self.assertEqual(self.ask("hard-1", hardware="esp-none")[0], 304)
        _, task = self.order("hard-2", "2.4.0")
        status, _ = self.ask("hard-2", hardware="esp-none")
        self.assertEqual(status, 409)
        self.assertEqual(self.rest.task(task)["reason"], "wrong_hardware")
        self.assertEqual(self.ask("hard-2", hardware="esp-none")[0], 304)

    def test_two_devices_with_one_id(self):
        data, task = self.order("twin", "2.5.0")
        for copy in ("one", "other"):
            status, path = self.fetch("twin", to=copy)
            self.assertEqual((status, path.read_bytes() == data), (200, True))
        self.assertEqual(self.ask("twin", current="2.5.0")[0], 304)
        self.rest.wait_state(task, "succeeded")
        self.assertEqual(self.ask("twin", current="1.0.0")[0], 304)  # the other one comes back as it was
        self.assertEqual(self.rest.task(task)["reason"], "rolled_back")
        self.assertEqual(self.ask("twin", current="2.5.0")[0], 304)
        self.rest.wait_state(task, "succeeded")

    def test_a_manifest(self):
        path = "/firmware/latest/manifest.json"
        self.firmware("2.6.0", "esp-a")
        query = {"id": "espy", "hardware": "esp-a", "current": "1.0.0", "chip": "ESP32-C3"}

        def manifest():
            status, headers, _ = self.curl("-o", str(self.folder / "manifest"), self.url(path, **query))
            self.assertEqual((status, headers["content-type"]), (200, "application/json"))
            return json.loads((self.folder / "manifest").read_text())

        self.assertEqual(manifest()["version"], "1.0.0")
        self.upgrade("espy", "2.6.0")
        told = manifest()
        self.assertEqual(told["version"], "2.6.0")
        build = told["builds"][0]
        self.assertEqual(build["chipFamily"], "ESP32-C3")
        stored = next(item for item in self.rest.items("/firmware") if item["version"] == "2.6.0")
        self.assertEqual(build["ota"]["md5"], stored["md5"])
        last = self.curl("-L", "-o", str(self.folder / "flash"), build["ota"]["path"])[2]
        self.assertEqual((last, (self.folder / "flash").stat().st_size), ("200", stored["size"]))

    def test_bad_questions(self):
        for query in ("", "id=x", "id=a%2Fb&current=1", "id=x&current=%00", f"id=x&current={'1' * 129}"):
            status, _, _ = self.curl("-o", "/dev/null", f"{self.url()}{query}")
            self.assertEqual(status, 400, query)
        self.assertEqual(self.curl("-o", "/dev/null", "-X", "POST", self.url(id="x", current="1"))[0], 405)
        self.assertEqual(self.rest.call("GET", "/devices/x").status, 404)

    def test_a_closed_registration(self):
        self.daemon.settings["devices.registration"] = "closed"
        self.daemon.restart()
        try:
            self.assertEqual(self.ask("stranger")[0], 404)
        finally:
            self.daemon.settings["devices.registration"] = "open"
            self.daemon.restart()

    @staticmethod
    def wget(url, path):
        command = [WGET, "-q", "-O", str(path), url]
        return subprocess.run(command, timeout=60 * PATIENCE, env=ENVIRONMENT, check=False).returncode

    def script(self, current, server=None):
        """The one of docs/simple-clients.md; its exit status."""
        document = (ROOT / "docs" / "simple-clients.md").read_text()
        (self.folder / "update.sh").write_text(document.split("```sh\n")[1].split("```")[0])
        server = server or f"http://127.0.0.1:{self.daemon.rest.port}"
        environment = {
            **ENVIRONMENT, "SERVER": server, "ID": "script", "HARDWARE": "esp-a", "CURRENT": current,
            "DIR": str(self.folder), "INSTALL": f"cp -t {self.folder / 'installed'}",
        }
        command = ["sh", str(self.folder / "update.sh")]
        return subprocess.run(command, timeout=60 * PATIENCE, env=environment, check=False).returncode

    def test_the_shell_script_of_the_document(self):
        data, task = self.order("script", "2.8.0")
        folder = self.folder / "installed"
        folder.mkdir()
        part = self.folder / f"{digest(data)[7:]}.part"
        self.fetch("script", "-r", "0-123455", to=part.name)  # of a run that was interrupted
        self.assertEqual(self.script("1.0.0"), 0)
        installed = folder / part.name
        self.assertEqual(installed.read_bytes(), data)
        self.rest.wait_state(task, "installing")
        installed.unlink()
        part.write_bytes(b"x" * len(data))  # other bytes: thrown away, and fetched at the next run
        self.assertEqual(self.script("1.0.0"), 75)
        self.assertEqual(self.script("2.8.0"), 0)
        self.assertEqual(list(folder.iterdir()), [])
        self.rest.wait_state(task, "succeeded")
        self.assertEqual(self.script("", "http://127.0.0.1:9"), 75)  # nobody is there

    @unittest.skipUnless(WGET, "needs wget")
    def test_wget_alone(self):
        data, task = self.order("wget", "2.7.0")
        path = self.folder / "wgot"
        url = self.url(id="wget", hardware="esp-a", current="1.0.0")
        self.assertEqual(self.wget(url, path), 0)
        self.assertEqual(path.read_bytes(), data)
        url = self.url(id="wget", hardware="esp-a", current="2.7.0")
        self.assertEqual(self.wget(url, "/dev/null"), 8)  # the server answered with an error: 304
        self.rest.wait_state(task, "succeeded")


if __name__ == "__main__":
    main()
