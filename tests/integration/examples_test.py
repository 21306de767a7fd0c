"""The devices of docs/examples carry out updates, also interrupted ones."""
import shutil
import unittest

from harness import ENVIRONMENT, ROOT, Process, ServerCase, digest, image, main, wait_until

EXAMPLES = ROOT / "docs" / "examples"


class Examples(ServerCase):
    settings = {"http.max_rate": 400_000}  # slow enough to be interrupted

    def example(self, name, command):
        folder = self.folder / name
        folder.mkdir()
        (folder / "version").write_text("1.0.0\n")
        device = Process(folder / "log")
        self.addCleanup(device.kill)
        return folder, device, lambda: device.launch(
            ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(folder), *command,
             'cp "$1" installed && echo $NEXT >version'], {**ENVIRONMENT, "NEXT": "2.0.0"})

    def check(self, name, command, began):
        data = image(name, 2_000_000)
        self.assertEqual(self.rest.upload("2.0.0", data, f"hw-{name}").status, 201)
        folder, device, start = self.example(name, command)
        start()
        wait_until(lambda: self.rest.call("GET", f"/devices/{name}").status == 200, "it is registered")
        task = self.rest.upgrade(name, "2.0.0").json["task_id"]
        wait_until(lambda: began(folder), "it downloads", 30)
        device.kill()
        start()
        self.rest.wait_state(task, "succeeded", timeout=60)
        self.assertEqual(digest((folder / "installed").read_bytes()), digest(data))
        self.assertEqual(self.rest.call("GET", f"/devices/{name}").json["current_version"], "2.0.0")
        return device

    @unittest.skipUnless(shutil.which("jq"), "jq is not installed")
    def test_shell_over_http(self):
        url = f"http://127.0.0.1:{self.daemon.port}"
        self.check("sh-1", [str(EXAMPLES / "device.sh"), url, "sh-1", "hw-sh-1", "version"],
                   lambda folder: (folder / "sh-1.image").exists())

    def test_python_over_mqtt(self):
        device = ["/usr/bin/python3", str(EXAMPLES / "device.py"), "127.0.0.1", str(self.broker.port)]
        self.check("py-1", [*device, "py-1", "hw-py-1", "version"], lambda folder: (folder / "py-1.chunks").exists())


if __name__ == "__main__":
    main()
