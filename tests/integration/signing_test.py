"""The walk through signing in docs/security.md with openssl alone, run as it stands there, on server and device."""
import os
import pathlib
import re
import subprocess
import unittest

from harness import BUILD, ENVIRONMENT, ROOT, ServerCase, image, main


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
        (cls.work / "install.sh").write_text('#!/bin/sh\ncp "$1" installed\n')
        (cls.work / "install.sh").chmod(0o755)

    def run_block(self, text, **replaced):
        for old, new in {"http://gw:8080": f"http://127.0.0.1:{self.daemon.port}", "/etc/otad/keys": str(self.keys),
                         "systemctl restart otad": "true", **replaced}.items():
            text = text.replace(old, new)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=self.work, capture_output=True, text=True,
                              check=False, timeout=60,
                              env={**ENVIRONMENT, "OTAD_KEY": "none", "PATH": f"{BUILD}:{os.environ['PATH']}"})
        return done

    def test_as_documented(self):
        make, serve, device = blocks()
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

        self.rest.call("PUT", "/devices/gw-17", {"hardware": "gw-a"})
        self.upgrade("gw-17", "1.4.0")
        agent = device.strip() + f" --once --broker tcp://127.0.0.1:{self.broker.port}"
        done = self.run_block(agent)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(pathlib.Path(self.work / "installed").read_bytes(), self.image)
        # With the key of another vendor the device installs nothing.
        self.run_block("openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out other.pem; rm installed")
        self.upgrade("gw-17", "1.4.0", force=True)
        done = self.run_block(agent.replace("vendor-2026.pem", "other.pem").replace("--state-dir state", "--state-dir s2"))
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse((self.work / "installed").exists())


if __name__ == "__main__":
    main()
