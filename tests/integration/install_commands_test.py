"""The ready install commands of config/agent: SWUpdate for real, RAUC and Mender against stand-ins of their command
lines, the plain A/B pair on files. What counts is the exit status that ota-agent sees, and what was written."""
import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import ENVIRONMENT, PATIENCE, ROOT, image, main

COMMANDS = ROOT / "config" / "agent"
REBOOT = 10


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-install-commands-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        self.image = self.folder / "image-2.0.0"
        self.image.write_bytes(image("install", 300_001))

    def stand_in(self, name, body):
        """A program of that name that writes down its arguments, then does `body`."""
        program = self.bin / name
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {self.folder}/{name}.calls\n{body}\n')
        program.chmod(0o755)

    def calls(self, name):
        file = self.folder / f"{name}.calls"
        return file.read_text().splitlines() if file.exists() else []

    def run_command(self, name, *arguments, **variables):
        """Exit status and output, as ota-agent starts it."""
        environment = {
            **ENVIRONMENT, "PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin", "OTA_VERSION": "2.0.0",
            "OTA_REBOOT_STATUS": str(REBOOT), **{key: str(value) for key, value in variables.items()},
        }
        done = subprocess.run([str(COMMANDS / name), *map(str, arguments)], capture_output=True, text=True, check=False,
                              env=environment, stdin=subprocess.DEVNULL, timeout=60 * PATIENCE)
        return done.returncode, done.stdout + done.stderr


class Rauc(Case):
    def test_an_installed_bundle_needs_a_restart(self):
        self.stand_in("rauc", "echo installing")
        self.assertEqual(self.run_command("install-rauc", self.image)[0], REBOOT)
        self.assertEqual(self.calls("rauc"), [f"install {self.image}"])
        self.assertEqual(self.run_command("install-rauc", self.image, OTA_REBOOT_STATUS=3)[0], 3)

    def test_a_refused_bundle(self):
        self.stand_in("rauc", "echo 'LastError: signature verification failed' >&2; exit 1")
        status, said = self.run_command("install-rauc", self.image)
        self.assertEqual(status, 1)
        self.assertIn("signature verification failed", said)

    def test_settings(self):
        self.stand_in("rauc", "exit 0")
        self.run_command("install-rauc", self.image, RAUC="rauc --conf=/a.conf",
                         RAUC_INSTALL_ARGUMENTS="--ignore-compatible")
        self.assertEqual(self.calls("rauc"), [f"--conf=/a.conf install --ignore-compatible {self.image}"])

    def test_rauc_is_missing(self):
        status, said = self.run_command("install-rauc", self.image)
        self.assertEqual(status, 127)
        self.assertIn("rauc", said)


class Mender(Case):
    def test_statuses(self):
        for own, wanted in ((0, 0), (1, 1), (2, 2), (4, REBOOT), (REBOOT, 1)):
            self.stand_in("mender-update", f"exit {own}")
            self.assertEqual(self.run_command("install-mender", self.image)[0], wanted, own)
        self.assertEqual(self.calls("mender-update")[0], f"install --reboot-exit-code {self.image}")

    def test_an_older_client(self):
        self.stand_in("mender", "exit 4")
        self.assertEqual(self.run_command("install-mender", self.image, MENDER_ARGUMENTS="--config /m.conf")[0], REBOOT)
        self.assertEqual(self.calls("mender"), [f"--config /m.conf install --reboot-exit-code {self.image}"])


class Dd(Case):
    def setUp(self):
        super().setUp()
        self.slots = {slot: self.folder / f"slot-{slot}" for slot in "ab"}
        for slot in self.slots.values():
            slot.write_bytes(bytes(400_000))
        (self.folder / "running").write_text(str(self.slots["a"]))
        self.settings = {"SLOT_A": self.slots["a"], "SLOT_B": self.slots["b"], "RUNNING": f"cat {self.folder}/running",
                         "ACTIVATE": "activate slot"}
        self.stand_in("activate", "")

    def test_writes_the_slot_that_does_not_run(self):
        for running, other in ("ab", "ba"):
            (self.folder / "running").write_text(str(self.slots[running]))
            for slot in self.slots.values():
                slot.write_bytes(bytes(400_000))
            self.assertEqual(self.run_command("install-dd", self.image, **self.settings)[0], REBOOT)
            data = self.image.read_bytes()
            self.assertEqual(self.slots[other].read_bytes(), data + bytes(400_000 - len(data)))
            self.assertEqual(self.slots[running].read_bytes(), bytes(400_000), "the slot that runs is not touched")
        self.assertEqual(self.calls("activate"), ["slot b", "slot a"])

    def refused(self, word, **settings):
        status, said = self.run_command("install-dd", self.image, **{**self.settings, **settings})
        self.assertEqual(status, 1, said)
        self.assertIn(word, said)

    def test_refuses_what_it_cannot_be_sure_of(self):
        self.refused("neither", RUNNING="echo /dev/other")
        self.refused("can't find out what runs", RUNNING="false")
        self.refused("both slots", SLOT_B=self.slots["a"])
        self.refused("missing", SLOT_B=self.folder / "none")
        self.refused("can't make slot b", ACTIVATE="false")
        self.assertEqual(self.calls("activate"), [])

    def test_a_slot_that_does_not_keep_what_was_written(self):
        self.stand_in("dd", "exit 0")
        self.refused("holds something else")
        self.assertEqual(self.calls("activate"), [])

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_a_full_slot(self):
        self.refused("can't write", SLOT_B="/dev/full")


def cpio(files):
    """The format of a .swu: cpio with checksums (`crc`)."""
    out = b""
    for number, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        name = name.encode() + b"\0"
        fields = [number, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), sum(data) & 0xFFFFFFFF]
        out += ("070702" + "".join(f"{field:08X}" for field in fields)).encode() + name
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return out + bytes(-len(out) % 512)


class Swupdate(Case):
    """Debian's is built for signed descriptions and with its sockets in /tmp."""

    nowhere = {"SWUPDATE_SOCKET": "/nonexistent/socket"}

    def swu(self, data, digest=None):
        slot = self.folder / "slot"
        slot.write_bytes(b"")
        description = self.folder / "sw-description"
        description.write_text(f"""software =
{{
  version = "2.0.0";
  hardware-compatibility: ("1.0");
  images: ({{ filename = "rootfs"; type = "raw"; device = "{slot}"; sha256 = "{digest or
              hashlib.sha256(data).hexdigest()}"; }});
}}
""")
        pem = self.folder / "vendor.pem"
        if not pem.exists():
            self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "vendor.key", "-out", pem, "-subj",
                         "/CN=vendor", "-addext", "extendedKeyUsage=emailProtection")
        self.openssl("cms", "-sign", "-in", description, "-out", "signature", "-signer", pem, "-inkey", "vendor.key",
                     "-outform", "DER", "-nosmimecap", "-binary")
        self.image.write_bytes(cpio({"sw-description": description.read_bytes(),
                                     "sw-description.sig": (self.folder / "signature").read_bytes(), "rootfs": data}))
        return slot

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, check=True, capture_output=True)

    def settings(self):
        return {**self.nowhere, "SWUPDATE_ARGUMENTS": f"-k {self.folder}/vendor.pem -H gw-a:1.0"}

    @unittest.skipUnless(shutil.which("swupdate"), "swupdate is not installed")
    def test_swupdate_itself(self):
        data = image("rootfs", 100_000)
        slot = self.swu(data)
        status, said = self.run_command("install-swupdate", self.image, **self.settings())
        self.assertEqual(status, REBOOT, said)
        self.assertEqual(slot.read_bytes(), data)

    @unittest.skipUnless(shutil.which("swupdate"), "swupdate is not installed")
    def test_swupdate_refuses(self):
        slot = self.swu(image("rootfs", 100_000), digest="0" * 64)
        status, said = self.run_command("install-swupdate", self.image, **self.settings())
        self.assertEqual(status, 1, said)
        self.assertRegex(said, "(?i)hash|failed")
        self.image.write_bytes(b"no archive")
        self.assertEqual(self.run_command("install-swupdate", self.image, **self.settings())[0], 1)
        self.assertNotEqual(slot.read_bytes(), image("rootfs", 100_000))

    def test_a_success_that_ends_with_status_1(self):
        """As that of Debian 12 does at times."""
        self.stand_in("swupdate", "echo '[INFO ] : SWUPDATE successful ! SWUPDATE successful !'; exit 1")
        self.assertEqual(self.run_command("install-swupdate", self.image, **self.nowhere)[0], REBOOT)
        self.stand_in("swupdate", "echo '[ERROR] : SWUPDATE failed'; exit 0")
        self.assertEqual(self.run_command("install-swupdate", self.image, **self.nowhere)[0], 1)
        self.stand_in("swupdate", "exit 1")
        self.assertEqual(self.run_command("install-swupdate", self.image, **self.nowhere)[0], 1)

    def test_a_daemon_gets_it_through_its_client(self):
        path = self.folder / "socket"
        daemon = socket.socket(socket.AF_UNIX)
        self.addCleanup(daemon.close)
        daemon.bind(str(path))
        self.stand_in("swupdate", "exit 1")
        for own, wanted in ((0, REBOOT), (1, 1)):
            self.stand_in("swupdate-client", f"exit {own}")
            self.assertEqual(self.run_command("install-swupdate", self.image, SWUPDATE_SOCKET=path)[0], wanted)
        self.assertEqual(self.calls("swupdate-client")[0], f"-v {self.image}")
        self.assertEqual(self.calls("swupdate"), [])


class Shell(unittest.TestCase):
    def test_each_says_what_it_wants(self):
        for command in sorted(COMMANDS.glob("install-*")):
            with self.subTest(command.name):
                self.assertTrue(os.access(command, os.X_OK))
                done = subprocess.run([command], capture_output=True, text=True, check=False, env=ENVIRONMENT)
                self.assertNotIn(done.returncode, (0, REBOOT))
                self.assertIn("usage: ", done.stderr)


if __name__ == "__main__":
    main()
