"""The daemon's arguments and settings: what stops the start, with which exit status and which words."""
import pathlib
import signal
import subprocess
import tempfile
import unittest

from authority import Authority, openssl
from harness import BUILD, ENVIRONMENT, OTAD, PATIENCE, ROOT, Daemon, free_port, main, wait_until


class Settings(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="otad-it-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def otad(self, *arguments, **environment):
        return subprocess.run(
            [OTAD, *arguments],
            capture_output=True,
            text=True,
            timeout=20 * PATIENCE,
            stdin=subprocess.DEVNULL,
            env={**ENVIRONMENT, **environment},
            check=False,
        )

    def config(self, text):
        path = self.folder / "otad.toml"
        path.write_text(text)
        return str(path)

    def test_good_settings(self):
        self.assertEqual(
            self.otad("--config", self.config("[tasks]\nmax_active = 5\n"), "--check-config").returncode, 0
        )
        self.assertEqual(self.otad("--config", str(ROOT / "config" / "otad.toml"), "--check-config").returncode, 0)

    def test_bad_settings_name_file_line_and_key(self):
        for text, line, key in (
            ("[tasks]\n\nmax_activ = 5\n", 3, "max_activ"),
            ("[tasks]\nmax_active = 'five'\n", 2, "max_active"),
            ("[tasks]\nmax_active = 0\n", 2, "max_active"),
            ("[tasks]\nmax_active = -1\n", 2, "max_active"),
            ("[mqtt]\nqos = 3\n", 2, "qos"),
            ("[task]\nmax_active = 5\n", 1, "task"),
            ("[http]\nlisten = 'nowhere'\n", 2, "listen"),
            ("[mqtt]\nurl = 'ftp://x'\n", 2, "url"),
            ("[log]\nlevel = 'loud'\n", 2, "level"),
            ("[tasks]\nmax_attempts = 1.5\n", 2, "max_attempts"),
            ("[tasks\n", 1, ""),
            ("[devices]\nregistration = 'maybe'\n", 2, "registration"),
        ):
            with self.subTest(text):
                path = self.config(text)
                for arguments in (("--check-config",), ()):
                    done = self.otad("--config", path, *arguments)
                    self.assertEqual(done.returncode, 2, done)
                    told = done.stdout + done.stderr
                    self.assertIn(path, told)
                    self.assertRegex(told, rf"\b{line}\b")
                    self.assertIn(key, told)

    def test_bad_arguments(self):
        for arguments in (
            ("--nonsense",),
            ("--config",),
            ("--config", "/nonexistent/otad.toml"),
            ("backup",),
            ("frobnicate",),
        ):
            with self.subTest(arguments):
                done = self.otad(*arguments)
                self.assertEqual(done.returncode, 2, done)
                self.assertTrue(done.stderr)

    def test_what_was_meant_is_named(self):
        for text, meant in (
            ("[tasks]\nmax_activ = 5\n", 'did you mean "max_active"?'),
            ("[task]\nmax_active = 5\n", 'did you mean "tasks"?'),
            ("max_active = 5\n", "belongs below [tasks]"),
            ("[log]\ncolour = true\n", "there are: level, file, format"),
        ):
            with self.subTest(text):
                self.assertIn(meant, self.otad("--config", self.config(text), "--check-config").stderr)
        for arguments, meant in (
            (("bakup", "x"), "did you mean backup?"),
            (("--chek-config",), "did you mean --check-config?"),
            (("keys", "ad", "--name", "x", "--role", "viewer"), "did you mean add?"),
            (("keys", "add", "--nam", "x", "--role", "viewer"), "did you mean --name?"),
            (("frobnicate",), "backup"),
        ):
            with self.subTest(arguments):
                done = self.otad(*arguments)
                self.assertEqual(done.returncode, 2, done)
                self.assertIn(meant, done.stderr)

    def test_unknown_variables_are_named_and_have_no_effect(self):
        path = self.config("")
        done = self.otad("--config", path, "--check-config", OTAD_MQTT_URI="tcp://two:1884")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("OTAD_MQTT_URI", done.stderr)
        self.assertIn("did you mean OTAD_MQTT_URL?", done.stderr)
        # Kubernetes makes such of a service named otad.
        done = self.otad("--config", path, "--check-config", OTAD_PORT_8080_TCP_PROTO="tcp")
        self.assertEqual(done.returncode, 0, done)

    def test_check_config_names_a_data_folder_that_cannot_be_created(self):
        obstacle = self.folder / "file"
        obstacle.touch()
        config = self.config("")
        good = {
            "OTAD_STORAGE_DATABASE": str(self.folder / "new/otad.db"),
            "OTAD_STORAGE_FIRMWARE_DIR": str(self.folder / "new/firmware"),
        }
        self.assertEqual(self.otad("--config", config, "--check-config", **good).returncode, 0)
        self.assertFalse((self.folder / "new").exists(), "checking creates nothing")
        for variable, value, key in (
            ("OTAD_STORAGE_DATABASE", obstacle / "otad.db", "storage.database"),
            ("OTAD_STORAGE_DATABASE", obstacle / "below/otad.db", "storage.database"),
            ("OTAD_STORAGE_FIRMWARE_DIR", obstacle, "storage.firmware_dir"),
        ):
            with self.subTest(variable):
                done = self.otad("--config", config, "--check-config", **(good | {variable: str(value)}))
                self.assertEqual(done.returncode, 2, done)
                self.assertIn(key, done.stderr)
                self.assertIn(f"{obstacle} is not a folder", done.stderr)

    def refused(self, text, *parts):
        """Both by the check and by the start, with exit status 2: the service manager doesn't start it again."""
        path = self.config(text)
        for arguments in (("--check-config",), ()):
            with self.subTest(text, arguments=arguments):
                done = self.otad("--config", path, *arguments)
                self.assertEqual(done.returncode, 2, done)
                for part in parts:
                    self.assertIn(part, done.stderr)

    def data(self):
        return f"[storage]\ndatabase = '{self.folder}/otad.db'\nfirmware_dir = '{self.folder}/firmware'\n"

    def test_certificates_that_cannot_be_used(self):
        ca, other = Authority(self.folder), Authority(self.folder, "other")
        crt, key = ca.issue("server")
        encrypted, der, empty = (self.folder / name for name in ("encrypted.key", "server.der", "empty.crt"))
        openssl("pkey", "-in", key, "-aes128", "-passout", "pass:x", "-out", encrypted)
        openssl("x509", "-in", crt, "-outform", "der", "-out", der)
        empty.touch()
        for file in (other.key, encrypted):
            file.chmod(0o600)
        for names, parts in (
            ((self.folder / "none.crt", key, ""), ("none.crt", "No such file")),
            ((self.folder, key, ""), (str(self.folder), "is no regular file")),
            ((der, key, ""), (str(der), "no certificate in PEM form", "-inform der")),
            ((crt, other.key, ""), (str(other.key), f"does not match the certificate {crt}")),
            ((crt, encrypted, ""), (str(encrypted), "is encrypted", "openssl pkey")),
            ((crt, key, empty), (str(empty), "no certificate in PEM form")),
        ):
            self.refused("[http]\nlisten = '127.0.0.1:0'\ntls_cert = '{}'\ntls_key = '{}'\ntls_client_ca = '{}'\n"
                         .format(*names) + self.data(), *parts)

    def test_two_listeners_on_one_port(self):
        port = free_port()
        self.refused(f"[http]\nlisten = '0.0.0.0:{port}'\nadmin_listen = '127.0.0.1:{port}'\n" + self.data(),
                     ":3: ", f"http.admin_listen (127.0.0.1:{port})", f"http.listen (0.0.0.0:{port})")

    def test_stages_that_no_rollout_could_have(self):
        self.refused(self.data() + "[rollouts]\nstages = ['5%', '1%']\n",
                     ":5: rollouts.stages[1] must not be smaller than the stage before it: 1% follows 5%")
        done = self.otad("--config", self.config(self.data()), "--check-config", OTAD_ROLLOUTS_STAGES="100%," * 21)
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("environment variable OTAD_ROLLOUTS_STAGES: rollouts.stages must be at most 20", done.stderr)

    def test_files_that_cannot_be_written(self):
        data, folder = self.data(), str(self.folder)
        self.refused(data.replace(f"{folder}/otad.db", folder), "storage.database", f"{folder} is a folder")
        self.refused(data.replace(f"{folder}/otad.db", "/dev/null"), "storage.database", "/dev/null is no ordinary file")
        self.refused(f"[log]\nfile = '{folder}'\n" + data, "log.file", folder)
        self.refused(f"[log]\nfile = '{folder}/none/log'\n" + data, "log.file", f"{folder}/none")
        obstacle = self.folder / "file"
        obstacle.touch()
        self.refused(f"[security]\ntrusted_keys_dir = '{obstacle}'\n" + data, str(obstacle))
        (self.folder / "download.key").write_text("short\n")
        (self.folder / "download.key").chmod(0o600)
        self.refused(data, "download.key", "too short")

    def test_a_folder_that_only_the_start_finds_wrong(self):
        """Nobody can make a folder in /proc, and no mode says so."""
        done = self.otad("--config", self.config(self.data().replace(f"{self.folder}/firmware", "/proc/otad/firmware")))
        self.assertEqual(done.returncode, 2, done)
        self.assertIn("storage.firmware_dir", done.stderr)

    def test_unknown_arguments_are_named_in_their_order(self):
        done = self.otad("--confg", "x")
        self.assertEqual(done.returncode, 2, done)
        first, second = done.stderr.splitlines()
        self.assertEqual(first, "otad: unknown argument --confg; did you mean --config?")
        self.assertTrue(second.startswith("otad: unknown argument x; known are keys, firmware, backup, "), second)
        done = self.otad("backup", "file", "--x")
        known = done.stderr.strip().partition("; known are ")[2].split(", ")
        self.assertEqual(known[:2], ["--help", "--without-images"])
        self.assertEqual(len(known), len(set(known)), "none twice")

    def test_keys_are_not_named_as_what_acts_without_a_key(self):
        path = self.config(self.data())
        for name in ("anonymous", "device", "engine", "otad", "Engine"):
            with self.subTest(name):
                done = self.otad("--config", path, "keys", "add", "--name", name, "--role", "viewer")
                self.assertEqual(done.returncode, 2, done)
                self.assertIn("nor anonymous, device, engine or otad", done.stderr)
                self.assertEqual(done.stdout, "")

    def test_print_config_and_environment(self):
        path = self.config("[tasks]\nmax_active = 7\n[mqtt]\nurl = 'tcp://one:1883'\n")
        done = self.otad(
            "--config", path, "--print-config", OTAD_MQTT_URL="tcp://two:1884", OTAD_TASKS_OFFER_TIMEOUT_S="77"
        )
        self.assertEqual(done.returncode, 0, done)
        for part in ("max_active", "7", "tcp://two:1884", "77", "stall_timeout_s"):
            self.assertIn(part, done.stdout)
        self.assertNotIn("tcp://one", done.stdout)
        again = self.otad("--config", self.config(done.stdout), "--check-config")  # what it prints, it reads
        self.assertEqual(again.returncode, 0, again)
        wrong = self.otad("--check-config", "--config", path, OTAD_TASKS_MAX_ACTIVE="many")
        self.assertEqual(wrong.returncode, 2, wrong)
        self.assertIn("OTAD_TASKS_MAX_ACTIVE", wrong.stdout + wrong.stderr)

    def test_sample_file_shows_every_key(self):
        sample = (ROOT / "config" / "otad.toml").read_text()
        printed = self.otad("--config", self.config(""), "--print-config").stdout
        keys = [line.split("=")[0].strip() for line in printed.splitlines() if "=" in line and not line.startswith("#")]
        self.assertGreater(len(keys), 35)
        self.assertEqual([key for key in keys if key not in sample], [])

    def test_passwords_are_not_shown(self):
        secret = self.folder / "password"
        secret.write_text("correct horse battery staple\n")
        done = self.otad(
            "--print-config", "--config", self.config(f"[mqtt]\nusername = 'otad'\npassword_file = '{secret}'\n")
        )
        self.assertEqual(done.returncode, 0, done)
        self.assertNotIn("horse", done.stdout + done.stderr)

    def test_version(self):
        done = self.otad("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^otad \d+\.\d+\.\d+\n$")
        agent = subprocess.run(
            [BUILD / "ota-agent", "--version"], capture_output=True, text=True, timeout=20 * PATIENCE, check=False
        )
        self.assertEqual(agent.stdout, "ota-agent" + done.stdout.removeprefix("otad"))

    def test_the_default_channel_is_looked_for(self):
        daemon = Daemon(self.folder, 1, {"devices.default_channel": "beta"}).start(ready=False)
        self.addCleanup(daemon.kill)
        warning = "there is no channel beta; new devices follow default until PUT /channels/beta makes it"
        wait_until(lambda: daemon.log_lines(warning), "the warning")
        self.assertEqual(daemon.rest.call("PUT", "/channels/beta", {}).status, 201)
        for channel, warned in (("gamma", True), ("beta", False)):
            begun = len(daemon.log())
            daemon.settings["devices.default_channel"] = channel
            daemon.write_config()
            daemon.send_signal(signal.SIGHUP)
            wait_until(lambda: daemon.log_lines("the settings were read again", begun), "the reload")
            self.assertEqual(bool(daemon.log_lines(f"there is no channel {channel}", begun)), warned)
        begun = len(daemon.log())
        daemon.settings["rollouts.stages"] = ["5%", "1%"]
        daemon.write_config()
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: daemon.log_lines("the settings are unchanged", begun), "the refusal")

    def test_port_in_use_and_unwritable_storage(self):
        daemon = Daemon(self.folder, 1).start(ready=False)
        self.addCleanup(daemon.kill)
        self.assertEqual(daemon.rest.call("GET", "/healthz").status, 200)
        text = f"[http]\nlisten = '127.0.0.1:{daemon.port}'\n[storage]\ndatabase = '{self.folder}/2.db'\nfirmware_dir = '{self.folder}/f2'\n"
        done = self.otad("--config", self.config(text))
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(str(daemon.port), done.stdout + done.stderr)
        wait_until(daemon.running, "the first one lives")


if __name__ == "__main__":
    main()
