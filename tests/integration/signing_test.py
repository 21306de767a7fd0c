"""The walk through signing in docs/security.md with openssl alone, run as it stands there, on server and device."""
import base64
import os
import pathlib
import re
import subprocess
import unittest

from harness import BUILD, ENVIRONMENT, ROOT, ServerCase, digest, image, main


def blocks():
    """The shell blocks of its part on signed firmware, in their order."""
    part = (ROOT / "docs" / "security.md").read_text().partition("\n## Signed firmware")[2]
    return re.findall(r"```sh\n(.*?)```", part, re.S)


class Signing(ServerCase):
    settings = {"security.require_signed_firmware": True}

    @classmethod
    def setUpClass(cls):
        # The folder is known only once it is made; the daemon reads its keys at each start.
        super().setUpClass()
        cls.keys = cls.folder / "keys"
        cls.keys.mkdir()
        cls.daemon.settings["security.trusted_keys_dir"] = str(cls.keys)
        cls.work = cls.folder / "vendor"
        cls.work.mkdir()
        cls.image = image("signed", 150_000)
        (cls.work / "image.bin").write_bytes(cls.image)
        (cls.work / "install.sh").write_text('#!/bin/sh\ncp "$1" installed && echo "$OTA_VERSION" > version\n')
        (cls.work / "version").write_text("1.3.0\n")
        (cls.work / "install.sh").chmod(0o755)

    def run_block(self, text, **replaced):
        for old, new in {"http://gw:8080": f"http://127.0.0.1:{self.daemon.port}", "/etc/otad/keys": str(self.keys),
                         "systemctl reload otad": "true", **replaced}.items():
            text = text.replace(old, new)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=self.work, capture_output=True, text=True,
                              check=False, timeout=60,
                              env={**ENVIRONMENT, "KEY": "none", "PATH": f"{BUILD}:{os.environ['PATH']}"})
        return done

    def test_as_documented(self):
        make, serve, device, permit = blocks()
        done = self.run_block(make)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "Signature Verified Successfully"), done.stderr)
        self.assertEqual((self.work / "vendor.key").stat().st_mode & 0o777, 0o600)

        # Before the server knows the key, and without a signature, it takes nothing.
        upload = serve[serve.index("base64"):]
        refused = self.run_block(upload)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("signature_invalid", refused.stdout)
        self.assertEqual(self.rest.upload("1.4.0", self.image, "gw-a").status, 422)

        self.assertEqual(self.run_block(serve.splitlines()[0]).returncode, 0)
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()
        done = self.run_block(upload)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn('"key_id":"vendor-2026"', done.stdout)
        # Another version with that signature is another firmware.
        self.assertNotEqual(self.run_block(upload, **{"version=1.4.0": "version=1.4.1"}).returncode, 0)

        self.assertEqual(self.run_block(permit).returncode, 0)
        self.assertEqual((self.work / "permission.sig").stat().st_size, 64)

        self.rest.call("PUT", "/devices/gw-17", {"hardware": "gw-a"})
        task = self.upgrade("gw-17", "1.4.0")
        agent = device.strip() + f" --once --broker tcp://127.0.0.1:{self.broker.port}"
        done = self.run_block(agent)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(pathlib.Path(self.work / "installed").read_bytes(), self.image)
        self.rest.wait_state(task, "succeeded")
        # With the key of another vendor the device installs nothing.
        self.run_block("openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out other.pem; rm installed")
        self.upgrade("gw-17", "1.4.0", force=True)
        stranger = agent.replace("vendor-2026.pem", "other.pem").replace("--state-dir state", "--state-dir s2")
        done = self.run_block(stranger)
        # The broker may deliver the first agent's last answer again, where that ended before it acknowledged it.
        if "event=up_to_date" in done.stdout + done.stderr:
            done = self.run_block(stranger)
        self.assertNotEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertFalse((self.work / "installed").exists())


class TrustNow(ServerCase):
    """Trust is judged at each order and each offer, by the keys that are there now."""

    settings = {"security.require_signed_firmware": True}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = cls.folder / "keys"
        cls.keys.mkdir()
        cls.vendor = cls.folder / "vendor.key"
        cls.openssl("genpkey", "-algorithm", "ed25519", "-out", cls.vendor)
        cls.public = cls.openssl("pkey", "-in", cls.vendor, "-pubout")

    @staticmethod
    def openssl(*arguments):
        return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True).stdout

    def sign(self, text):
        (self.folder / "text").write_text(text)
        made = self.openssl("pkeyutl", "-sign", "-inkey", self.vendor, "-rawin", "-in", self.folder / "text")
        return base64.b64encode(made).decode()

    def described(self, version, data):
        return f"hardware:gw-a\nversion:{version}\nsize:{len(data)}\nsha256:{digest(data)[7:]}\n"

    def signed(self, version):
        data = image(f"signed {version}", 50_000)
        signature = self.sign("otad-firmware-v1\n" + self.described(version, data))
        answer = self.rest.upload(version, data, "gw-a", signature=signature, key_id="vendor")
        self.assertEqual(answer.status, 201, answer)
        return data

    def trust(self, *names):
        for file in self.keys.iterdir():
            file.unlink()
        for name in names:
            (self.keys / f"{name}.pem").write_bytes(self.public)
        self.reload({"security.trusted_keys_dir": str(self.keys)})

    def test_a_key_that_is_taken_out_stops_orders_and_offers(self):
        self.trust("vendor")
        self.signed("3.0.0")
        device = self.device("trusts", hardware="gw-a", version="1.0.0")
        self.assertEqual(device.request()["type"], "up_to_date")
        task = self.upgrade("trusts", "3.0.0")
        self.assertEqual(device.wait("metadata")["task_id"], task)
        self.trust("another")
        cancel = device.wait("cancel")
        self.assertEqual((cancel["task_id"], cancel["reason"]), (task, "preempted"))
        problem = self.assert_problem(self.rest.upgrade("trusts-2", "3.0.0"), 409)
        self.assertEqual(problem["code"], "untrusted_firmware")
        self.assertEqual(device.request()["type"], "queued")
        shown = self.rest.task(task)
        self.assertEqual((shown["state"], shown["reason"]), ("queued", "untrusted_firmware"))
        self.assertIn("the key vendor, which is not trusted", shown["explanation"])
        self.assertEqual(self.rest.call("GET", "/readyz").status, 200)
        self.daemon.restart()
        self.assertEqual(device.request()["type"], "queued")
        self.trust("vendor")
        self.assertEqual(device.request("metadata")["task_id"], task)
        device.run()
        self.rest.wait_state(task, "succeeded")

    def test_the_vendor_permits_a_downgrade(self):
        self.trust("vendor")
        data = self.signed("2.0.0")
        device = self.device("goes-back", hardware="gw-a", version="2.5.0")
        device.request()
        self.assertEqual(self.assert_problem(self.rest.upgrade("goes-back", "2.0.0"), 409)["code"], "downgrade")
        permit = {"key_id": "vendor", "device": "goes-back", "expires": "2099-01-01T00:00:00Z"}
        text = f"otad-downgrade-v1\n{self.described('2.0.0', data)}device:goes-back\nexpires:{permit['expires']}\n"
        permit["value"] = self.sign(text)
        for wrong, status in (({"device": "*"}, 422), ({"expires": "2098-01-01T00:00:00Z"}, 422), ({"value": "AAAA"}, 422),
                              ({"key_id": "another"}, 422)):
            with self.subTest(wrong):
                answer = self.rest.upgrade("goes-back", "2.0.0", downgrade_permission=permit | wrong)
                self.assert_problem(answer, status, "downgrade_permission")
        task = self.upgrade("goes-back", "2.0.0", downgrade_permission=permit)
        metadata = device.request("metadata")
        self.assertEqual((metadata["task_id"], metadata["downgrade"]), (task, {"algorithm": "ed25519", **permit}))
        device.run()
        self.rest.wait_state(task, "succeeded")


if __name__ == "__main__":
    main()
