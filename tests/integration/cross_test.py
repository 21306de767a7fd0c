"""The packages of other machines, which `test.sh --cross` made: what is in them, and that the programs carry out updates.

A minimal Debian 12 of this machine takes them as packages of a foreign architecture, with the libraries that they depend
on (multiarch), and qemu-user runs the programs: that works where the kernel knows no foreign programs (binfmt).
"""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from harness import PATIENCE, ROOT, Broker, Process, Rest, digest, free_port, image, main, wait_until
from packages_test import PROGRAMS, ReadmeLines, inside, make_root, run

EMULATORS = {"arm64": "qemu-aarch64-static", "armhf": "qemu-arm-static"}
GIB = 1024**3
LONGEST = 1200  # seconds for an update; three times each byte is hashed, by the emulator


def packages(architecture):
    """A package's path by its name."""
    return {path.name.partition("_")[0]: path for path in (ROOT / f"build/package-{architecture}").glob("*.deb")}


@unittest.skipUnless(os.environ.get("OTAD_CROSS"), "test.sh --cross makes these packages")
class OtherMachines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-cross-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.root = make_root(cls, cls.folder, *EMULATORS)
        for emulator in EMULATORS.values():
            shutil.copy2(shutil.which(emulator), cls.root / "usr/bin")
        cls.broker = Broker(cls.folder).start()
        cls.addClassCleanup(cls.broker.kill)
        cls.rest = Rest(free_port())

    def test_what_is_in_them(self):
        for architecture in EMULATORS:
            self.assertEqual(set(packages(architecture)), set(PROGRAMS))
            for name, path in packages(architecture).items():
                with self.subTest(path.name):
                    self.assertEqual(run("dpkg-deb", "-f", path, "Architecture").strip(), architecture)
                    self.assertIn("libc6", run("dpkg-deb", "-f", path, "Depends"))
                    self.assertNotIn("libarchive", run("dpkg-deb", "-f", path, "Depends"), "it is linked statically")
                    files = [line.split()[5] for line in run("dpkg-deb", "-c", path).splitlines()]
                    page = run("sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -xOf - "$2" | zcat', "sh", path,
                               f"./usr/share/man/man1/{name}.1.gz")
                    self.assertIn(f".TH {name.upper()}", page.replace('"', "").replace("\\-", "-"))
                    self.assertNotIn("qemu", page.lower(), "written by the emulated program, not about it")
                    if name == "otactl":
                        self.assertIn("./usr/share/bash-completion/completions/otactl", files)
                        self.assertIn("./usr/share/zsh/vendor-completions/_otactl", files)
                        self.assertIn("./usr/share/fish/vendor_completions.d/otactl.fish", files)
                    version = run("dpkg-deb", "-f", path, "Version").strip()
                    self.assertTrue(path.with_name(f"{name}-dbgsym_{version}_{architecture}.ddeb").exists())

    def test_lintian_finds_nothing(self):
        for architecture in EMULATORS:
            with self.subTest(architecture):
                paths = map(str, packages(architecture).values())
                told = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", *paths],
                                      capture_output=True, text=True, check=False)
                self.assertEqual((told.returncode, told.stdout), (0, ""), told.stderr)

    def start(self, architecture):
        """The daemon out of its package; a device that runs 0.0.1."""
        shutil.rmtree(self.root / "tmp/agent", ignore_errors=True)
        (self.root / "tmp/version").write_text("0.0.1")
        for path in packages(architecture).values():
            shutil.copy2(path, self.root / "tmp")
        inside(self.root, "apt-get", "install", "-y", "-qq", "--no-install-recommends",
               *(f"/tmp/{path.name}" for path in packages(architecture).values()))
        self.addCleanup(inside, self.root, "apt-get", "purge", "-y", "-qq", *PROGRAMS)
        self.emulator = f"/usr/bin/{EMULATORS[architecture]}"
        daemon = Process(self.folder / "otad.log")
        daemon.launch(["chroot", "--userspec=otad:otad", str(self.root), "env", "PATH=/usr/bin",
                       f"OTAD_HTTP_LISTEN=127.0.0.1:{self.rest.port}",
                       f"OTAD_MQTT_URL=tcp://127.0.0.1:{self.broker.port}", self.emulator, "/usr/bin/otad"])
        self.addCleanup(daemon.stop)
        wait_until(self.answers, "the installed daemon answers", 60)

    def answers(self):
        try:
            return self.rest.call("GET", "/healthz").status == 200
        except OSError:
            return False

    def agent(self, version):
        """The agent out of its package carries out the update that waits for it; what it installed."""
        self.assertEqual(self.rest.upgrade("gw-1", version, hardware="gw-a").status, 201)
        inside(self.root, "timeout", str(LONGEST * PATIENCE), self.emulator, "/usr/bin/ota-agent", "--id", "gw-1",
               "--hardware", "gw-a", "--broker", f"tcp://127.0.0.1:{self.broker.port}", "--state-dir", "/tmp/agent", "--once",
               "--version-file", "/tmp/version", "--install", f"mv $1 /tmp/installed; echo {version} >/tmp/version")
        return self.root / "tmp/installed"

    def small_update(self):
        data = image("cross", 300_000)
        self.assertEqual(self.rest.upload("1.0.0", data, "gw-a").status, 201)
        self.assertEqual(digest(self.agent("1.0.0").read_bytes()), digest(data))
        self.assertIn("1.0.0", inside(self.root, self.emulator, "/usr/bin/otactl", "firmware", "list",
                                      OTACTL_URL=f"http://127.0.0.1:{self.rest.port}"))

    def test_an_update_on_arm64(self):
        self.start("arm64")
        self.small_update()

    def test_an_update_on_armhf(self):
        self.start("armhf")
        self.small_update()
        self.large_update()

    def large_update(self):
        """An image beyond 2 GiB on a 32-bit system, all but its end a hole."""
        large = self.folder / "large"
        with open(large, "wb") as file:
            file.truncate(2 * GIB)
            file.seek(2 * GIB)
            file.write(b"beyond" * 1000)
        with open(large, "rb") as file:
            answer = self.rest.call("POST", "/firmware?version=2.0.0&hardware=gw-a", file, {
                "Content-Type": "application/octet-stream", "Content-Length": str(large.stat().st_size)}, timeout=900)
        self.assertEqual(answer.status, 201, answer)
        sizes = {firmware["version"]: firmware["size"] for firmware in self.rest.items("/firmware")}
        self.assertEqual(sizes["2.0.0"], large.stat().st_size)
        run("cmp", large, self.agent("2.0.0"))


@unittest.skipUnless(os.environ.get("OTAD_CROSS"), "test.sh --cross makes these packages")
class ReadmeOnArm64(ReadmeLines, unittest.TestCase):
    """A script in place of each program runs it in the emulator, as the kernel of a test machine may not know how."""

    LONGEST = 1800  # emulated, so that it says nothing
    architectures = ("arm64",)

    @classmethod
    def packages(cls, folder):
        shutil.copy2(shutil.which(EMULATORS["arm64"]), cls.root / "usr/bin")
        for name in PROGRAMS:
            inside(cls.root, "dpkg-divert", "--no-rename", "--divert", f"/usr/libexec/{name}.arm64", f"/usr/bin/{name}")
            script = cls.root / "usr/bin" / name
            script.write_text(f'#!/bin/sh\nexec /usr/bin/{EMULATORS["arm64"]} /usr/libexec/{name}.arm64 "$@"\n')
            script.chmod(0o755)
        for unit in ("otad", "otad-renew"):  # the emulator writes what it executes
            drop_in = cls.root / f"usr/lib/systemd/system/{unit}.service.d/emulator.conf"
            drop_in.parent.mkdir(parents=True)
            drop_in.write_text("[Service]\nMemoryDenyWriteExecute=no\nSystemCallFilter=\n")
        return packages("arm64")


if __name__ == "__main__":
    main()
