"""`cmake --install` as a distribution does it: what lands where, and what systemd thinks of the unit."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import ENVIRONMENT, OTAD, ROOT, SANITIZED, main, wait_until

BUILD = pathlib.Path(OTAD).resolve().parent


def run(*command, **variables):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False,
                          env={**ENVIRONMENT, **variables})
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout + done.stderr


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        # The build's own targets as they are, with the prefix of a distribution.
        run("cmake", "-S", ROOT, "-B", cls.folder / "build", "-G", "Ninja", "-DCMAKE_INSTALL_PREFIX=/usr",
            "-DOTAD_TESTS=OFF")
        for program in ("otad", "ota-agent", "otactl"):
            shutil.copy2(BUILD / program, cls.folder / "build" / program)
        for name, what in (("otactl.1", ["manual"]), ("bash/otactl", ["completion", "bash"]),
                           ("_otactl", ["completion", "zsh"]), ("otactl.fish", ["completion", "fish"])):
            (cls.folder / "build/generated" / name).write_text(run(BUILD / "otactl", *what))
        cls.root = cls.folder / "root"
        cls.install()

    @classmethod
    def install(cls):
        return run("cmake", "--install", cls.folder / "build", DESTDIR=str(cls.root))

    def test_everything_is_where_it_belongs(self):
        installed = {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}
        self.assertEqual(installed, {
            "usr/bin/otad", "usr/bin/ota-agent", "usr/bin/otactl", "usr/share/man/man1/otactl.1",
            "usr/share/bash-completion/completions/otactl", "usr/share/zsh/vendor-completions/_otactl",
            "usr/share/fish/vendor_completions.d/otactl.fish",
            "etc/otad/otad.toml", "usr/share/otad/otad.toml", "etc/logrotate.d/otad",
            "usr/lib/systemd/system/otad.service", "usr/lib/sysusers.d/otad.conf",
            "usr/lib/systemd/system/otad-renew.service", "usr/lib/systemd/system/otad-renew.timer",
            "etc/ota-agent.toml", "usr/share/otad/agent/ota-agent.toml", "usr/lib/systemd/system/ota-agent.service",
            *(f"usr/share/otad/agent/install-{kind}" for kind in ("dd", "mender", "rauc", "swupdate")),
            "usr/share/otad/mosquitto/otad.conf", "usr/share/otad/mosquitto/otad-secure.conf",
            "usr/share/otad/mosquitto/otad.acl", "usr/share/otad/simulate/fleet.toml",
            "usr/share/otad/simulate/rollout.toml", "usr/share/otad/prometheus/otad-rules.yml",
            "usr/share/otad/grafana/otad.json", "usr/share/doc/otad/README.md", "usr/share/doc/otad/LICENSE",
            *(f"usr/share/doc/otad/docs/{path.relative_to(ROOT / 'docs')}" for path in (ROOT / "docs").rglob("*")
              if path.is_file())})

    def test_the_installed_programs_run_and_take_the_installed_settings(self):
        self.assertRegex(run(self.root / "usr/bin/otad", "--version"), r"\d+\.\d+\.\d+")
        self.assertRegex(run(self.root / "usr/bin/ota-agent", "--help"), "--broker")
        self.assertRegex(run(self.root / "usr/bin/otactl", "--help"), "rollout")
        run(self.root / "usr/bin/otad", "--config", self.root / "etc/otad/otad.toml", "--check-config")
        agent = [str(self.root / "usr/bin/ota-agent"), "--config", str(self.root / "etc/ota-agent.toml")]
        told = subprocess.run(agent, capture_output=True, text=True, check=False, env=ENVIRONMENT)
        self.assertEqual(told.returncode, 2)
        self.assertIn("--id is required", told.stderr)
        for command in (self.root / "usr/share/otad/agent").glob("install-*"):
            self.assertTrue(os.access(command, os.X_OK), command)

    def test_settings_that_were_changed_stay(self):
        changes = {"etc/otad/otad.toml": "shutdown_grace_s = 3\n", "etc/ota-agent.toml": 'id = "gw-17"\n'}
        for name, change in changes.items():
            settings = self.root / name
            self.addCleanup(settings.write_text, settings.read_text())
            settings.write_text(change)
        self.install()
        for name, change in changes.items():
            self.assertEqual((self.root / name).read_text(), change)

    @unittest.skipIf(SANITIZED, "sanitizers build otherwise")
    def test_the_programs_are_hardened(self):
        for program in ("otad", "ota-agent", "otactl"):
            with self.subTest(program):
                told = run("readelf", "-hldW", self.root / "usr/bin" / program)
                self.assertRegex(told, r"Type: +DYN \(Position-Independent Executable")
                self.assertRegex(told, r"FLAGS_1\) +Flags: [^\n]*\bNOW\b")
                self.assertRegex(told, r"GNU_RELRO +0x")
                self.assertRegex(told, r"GNU_STACK +(0x\w+ +){5}RW +0x")
                self.assertNotRegex(told, r"(?m)^ +LOAD .* RWE ")
                self.assertNotRegex(told, r"\((RPATH|RUNPATH|TEXTREL)\)")
                symbols = run("readelf", "-sW", self.root / "usr/bin" / program)
                self.assertIn("__stack_chk_fail", symbols)
                self.assertRegex(symbols, r"\b__\w+_chk@", "_FORTIFY_SOURCE")

    def test_no_root_is_needed(self):
        """Nor a home, nor anything else that a user without rights hasn't."""
        data = self.folder / "nobody"
        data.mkdir()
        program = data / "otad"
        shutil.copy2(self.root / "usr/bin/otad", program)
        who = {}
        if os.geteuid() == 0:
            for path in (self.folder, data):
                path.chmod(0o755)
            os.chown(data, 65534, 65534)
            who = {"user": 65534, "group": 65534, "extra_groups": []}
        settings = {"OTAD_HTTP_LISTEN": "127.0.0.1:0", "OTAD_STORAGE_DATABASE": str(data / "otad.db"),
                    "OTAD_STORAGE_FIRMWARE_DIR": str(data / "firmware"), "OTAD_LOG_FILE": str(data / "otad.log"),
                    "OTAD_MQTT_URL": "tcp://127.0.0.1:1"}
        process = subprocess.Popen([program], cwd="/", env={**ENVIRONMENT, "HOME": "/nonexistent", **settings},
                                   stdin=subprocess.DEVNULL, **who)
        self.addCleanup(process.kill)
        log = data / "otad.log"
        wait_until(lambda: log.exists() and "listening on" in log.read_text(), "otad listens", 20)
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        self.assertRegex(status, r"CapEff:\s+0+\n")
        process.terminate()
        self.assertEqual(process.wait(30), 0)
        for file in data.rglob("*"):
            if file.name not in ("otad", "firmware"):
                self.assertEqual(file.stat().st_mode & 0o027, 0, f"{file} is open to others")
        self.assertEqual((data / "download.key").stat().st_mode & 0o777, 0o600)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_systemd_finds_nothing_wrong_with_the_unit(self):
        unit = (self.root / "usr/lib/systemd/system/otad.service").read_text()
        self.assertIn("ExecStart=/usr/bin/otad --config /etc/otad/otad.toml\n", unit)
        self.assertNotIn("@", unit.replace("@system-service", "").replace("@privileged @resources @obsolete", ""))
        # The programs are not in /usr/bin of this machine.
        here = self.folder / "otad.service"
        here.write_text(unit.replace("/usr/bin/otad", str(self.root / "usr/bin/otad")))
        self.assertEqual(run("systemd-analyze", "verify", "--man=no", here), "")
        told = run("systemd-analyze", "security", "--offline=true", "--no-pager", here)
        exposure = float(re.search(r"Overall exposure level for otad.service: ([\d.]+)", told).group(1))
        self.assertLessEqual(exposure, 1.5)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_systemd_finds_nothing_wrong_with_the_renewal(self):
        units = self.root / "usr/lib/systemd/system"
        here = self.folder / "otad-renew.service"
        here.write_text((units / here.name).read_text().replace("/usr/bin/otad", str(self.root / "usr/bin/otad")))
        timer = self.folder / "otad-renew.timer"
        timer.write_text((units / timer.name).read_text())
        self.assertEqual(run("systemd-analyze", "verify", "--man=no", here, timer), "")
        told = run("systemd-analyze", "security", "--offline=true", "--no-pager", here)
        # It is root and writes to /etc.
        exposure = float(re.search(r"Overall exposure level for otad-renew.service: ([\d.]+)", told).group(1))
        self.assertLessEqual(exposure, 3.0)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_systemd_finds_nothing_wrong_with_the_unit_of_the_agent(self):
        unit = (self.root / "usr/lib/systemd/system/ota-agent.service").read_text()
        self.assertIn("ExecStart=/usr/bin/ota-agent --config /etc/ota-agent.toml\n", unit)
        self.assertIn("RestartPreventExitStatus=2\n", unit)
        here = self.folder / "ota-agent.service"
        here.write_text(unit.replace("/usr/bin/ota-agent", str(self.root / "usr/bin/ota-agent")))
        self.assertEqual(run("systemd-analyze", "verify", "--man=no", here), "")
        told = run("systemd-analyze", "security", "--offline=true", "--no-pager", here)
        # It is root and writes to block devices.
        exposure = float(re.search(r"Overall exposure level for ota-agent.service: ([\d.]+)", told).group(1))
        self.assertLessEqual(exposure, 5.0)

    @unittest.skipUnless(shutil.which("systemd-sysusers"), "systemd is not installed")
    def test_the_user_can_be_made(self):
        root = self.folder / "sysusers"
        (root / "etc").mkdir(parents=True)
        run("systemd-sysusers", f"--root={root}", self.root / "usr/lib/sysusers.d/otad.conf")
        self.assertRegex((root / "etc/passwd").read_text(), r"(?m)^otad:x:\d+:\d+:Over-the-air updates:/var/lib/otad:")


if __name__ == "__main__":
    main()
