"""The Debian packages: what is in them, and installing, upgrading, removing and purging them in a minimal Debian 12.

The latter takes minutes and is done by root with `test.sh --packages` (OTAD_PACKAGES).
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from booted import Booted
from harness import ENVIRONMENT, OTAD, PATIENCE, ROOT, SANITIZED, Broker, Process, Rest, digest, free_port, image, main, \
    wait_until

BUILD = pathlib.Path(OTAD).resolve().parent
PROGRAMS = ("otad", "otactl", "ota-agent")
VERSION = "0.1.0"
NEXT = "0.1.1"


def run(*command, status=0, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def make_packages(folder):
    """Of the programs that were built, in `folder`; a package's path by its name."""
    run("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DCMAKE_INSTALL_PREFIX=/usr", "-DOTAD_TESTS=OFF",
        "-DOTAD_PACKAGES=ON", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", env=ENVIRONMENT)
    for program in PROGRAMS:
        shutil.copy2(BUILD / program, folder / program)
    # The pages follow from the programs; nothing is compiled.
    (folder / "generated/otactl.1").write_text(run(BUILD / "otactl", "manual"))
    for program, what, option in (("otad", "server", "--help-all"), ("ota-agent", "device client", "--help")):
        run("help2man", "--no-info", "--section=1", f"--name={what}", f"--version-string={VERSION}",
            f"--help-option={option}", f"--output={folder}/debian/{program}.1", BUILD / program)
    run("cpack", "-G", "DEB", cwd=folder, env=ENVIRONMENT)
    return {path.name.partition("_")[0]: path for path in folder.glob("*.deb")}


def unmount(root):
    for name in ("proc", "dev"):
        if os.path.ismount(root / name):
            run("umount", "-l", root / name)


def make_root(case, folder, *architectures):
    """A minimal Debian 12 with the files of the kernel and the lists of its packages and of other architectures' ones."""
    root = folder / "root"
    root.mkdir()
    run("bash", "-c", '. tests/debian.sh; make_debian "$@"', "bash", root, folder / "log", *architectures, cwd=ROOT)
    (root / "etc/resolv.conf").write_bytes(pathlib.Path("/etc/resolv.conf").read_bytes())
    case.addClassCleanup(unmount, root)  # before the folder is removed
    for name in ("proc", "dev"):
        run("mount", "--rbind", f"/{name}", root / name)
    inside(root, "apt-get", "update", "-qq")
    return root


def inside(root, *command, status=0, **variables):
    settings = [f"{key}={value}" for key, value in variables.items()]
    proxies = [f"{key}={value}" for key, value in os.environ.items() if key.lower().endswith("_proxy")]
    return run("chroot", root, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
               *proxies, *settings, *command, status=status)


@unittest.skipIf(SANITIZED, "sanitizers build otherwise")
class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-packages-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.packages = make_packages(cls.folder)

    def field(self, package, name):
        return run("dpkg-deb", "-f", self.packages[package], name).strip()

    def files(self, package):
        listed = run("dpkg-deb", "-c", self.packages[package]).splitlines()
        return {line.split()[5].removeprefix("."): line.split()[0] for line in listed if not line.startswith("d")}

    def test_one_package_for_each_program(self):
        self.assertEqual(set(self.packages), set(PROGRAMS))
        architecture = run("dpkg", "--print-architecture").strip()
        for name, path in self.packages.items():
            with self.subTest(name):
                self.assertEqual(path.name, f"{name}_{VERSION}_{architecture}.deb")
                self.assertIn("libc6", self.field(name, "Depends"))
                self.assertIn(f"/usr/bin/{name}", self.files(name))
                self.assertIn(f"/usr/share/man/man1/{name}.1.gz", self.files(name))
                self.assertIn(f"/usr/share/doc/{name}/copyright", self.files(name))
                self.assertTrue((self.folder / f"{name}-dbgsym_{VERSION}_{architecture}.ddeb").exists())

    def test_no_link_in_the_documents_is_dead(self):
        """But for architecture.md, which is for readers of the source."""
        run("dpkg-deb", "-x", self.packages["otad"], self.folder / "tree")
        documents = self.folder / "tree/usr/share/doc/otad"
        links = [(path, link) for path in documents.rglob("*.md") if path.name != "architecture.md"
                 for link in re.findall(r"\]\(([^)#\s]+)", path.read_text()) if "://" not in link]
        self.assertGreater(len(links), 80)
        for path, link in links:
            with self.subTest(path.relative_to(documents), link=link):
                target = (path.parent / link).resolve()
                self.assertTrue(target.exists() and target.is_relative_to(documents.resolve()), target)

    def test_manual_of_otad_has_the_options_of_its_commands(self):
        page = run("sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -xOf - ./usr/share/man/man1/otad.1.gz | zcat', "sh",
                   self.packages["otad"]).replace("\\-", "-")
        for option in ("--config", "--undo", "--non-interactive", "--role", "--without-images", "--credentials"):
            self.assertIn(f"\\fB{option}\\fR", page)

    def test_archives_need_no_other_library(self):
        """The shared libarchive brings ICU, 37 MB."""
        self.assertNotIn("libarchive", self.field("otad", "Depends"))
        self.assertNotIn("libarchive", run("readelf", "-d", OTAD))

    def test_only_what_debian_12_has(self):
        for name in self.packages:
            run("apt-get", "satisfy", "-s", "-qq", self.field(name, "Depends"))

    def test_settings_are_kept_by_dpkg(self):
        for name, settings in (("otad", ["/etc/otad/otad.toml", "/etc/logrotate.d/otad"]),
                               ("ota-agent", ["/etc/ota-agent.toml"])):
            self.assertLessEqual(set(settings), set(self.files(name)))
            self.assertEqual(run("dpkg-deb", "-I", self.packages[name], "conffiles").split(), settings)

    def test_no_file_is_in_two_packages(self):
        seen = {}
        for name in self.packages:
            for path in self.files(name):
                self.assertNotIn(path, seen, f"{name} and {seen.get(path)}")
                seen[path] = name

    def test_lintian_finds_nothing(self):
        told = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", *map(str, self.packages.values())],
                              capture_output=True, text=True, check=False)
        self.assertEqual((told.returncode, told.stdout), (0, ""), told.stderr)


@unittest.skipUnless(os.environ.get("OTAD_PACKAGES"), "test.sh --packages makes a minimal Debian 12 for this")
class InAMinimalDebian(unittest.TestCase):
    """One after the other, as their names are sorted."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-root-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.root = make_root(cls, cls.folder)
        packages = cls.folder / "packages"
        packages.mkdir()
        cls.old = make_packages(packages)
        cls.new = {name: cls.raise_version(path) for name, path in cls.old.items()}
        for path in (*cls.old.values(), *cls.new.values()):
            shutil.copy2(path, cls.root / "tmp")
        cls.broker = Broker(cls.folder).start()
        cls.addClassCleanup(cls.broker.kill)
        cls.rest = Rest(free_port())

    @classmethod
    def raise_version(cls, path):
        """The same package as it would be in the version after."""
        tree = cls.folder / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        run("dpkg-deb", "-R", path, tree)
        for name in ("control", "preinst"):
            control = tree / "DEBIAN" / name
            if control.exists():
                control.write_text(control.read_text().replace(VERSION, NEXT))
        raised = path.with_name(path.name.replace(VERSION, NEXT))
        run("dpkg-deb", "--root-owner-group", "-b", tree, raised)
        return raised

    @classmethod
    def inside(cls, *command, status=0, **variables):
        return inside(cls.root, *command, status=status, **variables)

    def install(self, packages, status=0):
        return self.inside("apt-get", "install", "-y", "-qq", "--no-install-recommends",
                           *(f"/tmp/{path.name}" for path in packages.values()), status=status)

    def start(self):
        self.daemon = Process(self.folder / "otad.log")
        self.daemon.launch(["chroot", "--userspec=otad:otad", str(self.root), "env", "PATH=/usr/bin",
                            f"OTAD_HTTP_LISTEN=127.0.0.1:{self.rest.port}",
                            f"OTAD_MQTT_URL=tcp://127.0.0.1:{self.broker.port}", "otad"])
        self.addCleanup(self.daemon.kill)
        wait_until(lambda: self.answers(), "the installed daemon answers", 30)

    def answers(self):
        try:
            return self.rest.call("GET", "/healthz").status == 200
        except OSError:
            return False

    def update(self, version):
        """By the installed agent."""
        data = image(version, 300_000)
        self.assertEqual(self.rest.upload(version, data, "gw-a").status, 201)
        self.assertEqual(self.rest.upgrade("gw-1", version, hardware="gw-a").status, 201)
        (self.root / "tmp/version").write_text("0.0.1")
        self.inside("ota-agent", "--id", "gw-1", "--broker", f"tcp://127.0.0.1:{self.broker.port}", "--hardware", "gw-a",
                    "--state-dir", "/tmp/agent", "--once", "--version-file", "/tmp/version", "--install",
                    f"cp $1 /tmp/installed; echo {version} >/tmp/version")
        self.assertEqual(digest((self.root / "tmp/installed").read_bytes()), digest(data))

    def test_1_install_and_first_update(self):
        told = self.install(self.old)
        self.assertIn("sudo otad setup", told, "the next step")
        self.assertRegex(self.inside("stat", "-c", "%U %a", "/var/lib/otad"), "otad 750")
        self.assertTrue((self.root / "etc/systemd/system/multi-user.target.wants/otad.service").is_symlink())
        self.start()
        self.update("1.0.0")
        self.assertIn("1.0.0", self.inside("otactl", "firmware", "list",
                                           OTACTL_URL=f"http://127.0.0.1:{self.rest.port}"))
        self.daemon.stop()

    def test_2_upgrade_keeps_data_and_settings(self):
        settings = self.root / "etc/otad/otad.toml"
        settings.write_text(settings.read_text() + "\n# ours\n")
        self.install(self.new)
        self.assertIn(f"Version: {NEXT}", self.inside("dpkg", "-s", "otad"))
        self.assertTrue(settings.read_text().endswith("# ours\n"))
        self.start()
        self.assertEqual([firmware["version"] for firmware in self.rest.items("/firmware")], ["1.0.0"])
        self.update("1.1.0")
        self.daemon.stop()

    def test_3_downgrade_is_refused_clearly(self):
        told = self.inside("dpkg", "-i", f"/tmp/{self.old['otad'].name}", status=1)
        self.assertIn("a downgrade is not possible", told)
        self.assertRegex(self.inside("dpkg", "-s", "otad"), rf"Status: install ok installed(.|\n)*Version: {NEXT}")
        self.start()
        self.daemon.stop()

    def test_4_remove_keeps_data_and_purge_removes_it(self):
        self.inside("apt-get", "remove", "-y", "-qq", *PROGRAMS)
        self.assertTrue((self.root / "var/lib/otad/otad.db").exists())
        self.assertTrue((self.root / "etc/otad/otad.toml").exists())
        self.assertFalse((self.root / "usr/bin/otad").exists())
        self.inside("apt-get", "purge", "-y", "-qq", *PROGRAMS)
        left = self.inside("find", "/etc", "/var/lib", "/usr", "-xdev", "(", "-name", "*otad*", "-o", "-name",
                           "*ota-agent*", "-o", "-name", "*otactl*", ")").split()
        self.assertEqual([path for path in left if "/dpkg/" not in path and "/apt/" not in path], [])
        self.assertNotRegex(self.inside("getent", "passwd"), "otad")

    def test_5_install_again(self):
        self.install(self.new)
        self.start()
        self.assertEqual(self.rest.items("/firmware"), [])
        self.daemon.stop()


class ReadmeLines:
    """What the README says under Start, typed line by line on a Debian 12 that boots with systemd."""

    LONGEST = 60  # seconds for all lines; what they download is there already
    architectures = ()  # others than this machine's

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otad-readme-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.root = make_root(cls, cls.folder, *cls.architectures)
        built = cls.packages(cls.folder / "packages")
        cls.inside("apt-get", "install", "-y", "-qq", "--no-install-recommends", "systemd-sysv", "dbus", "sudo")
        cls.inside("useradd", "-m", "-s", "/bin/bash", "me")
        (cls.root / "etc/sudoers.d/me").write_text("me ALL=(ALL) NOPASSWD: ALL\n")
        for path in built.values():
            shutil.copy2(path, cls.root / "home/me")
        cls.inside("apt-get", "install", "-y", "-qq", "--download-only", "mosquitto",
                   *(f"/home/me/{path.name}" for path in built.values()))
        unmount(cls.root)
        cls.machine = Booted(cls.root, cls.folder / "console.log")
        cls.addClassCleanup(cls.machine.kill)
        cls.machine.boot("gw.example")

    @classmethod
    def inside(cls, *command):
        return inside(cls.root, *command)

    @staticmethod
    def lines():
        start = (ROOT / "README.md").read_text().partition("\n## Start\n")[2].partition("\n## ")[0]
        return re.search(r"```sh\n(.*?)```", start, re.DOTALL).group(1).replace("\\\n", "").splitlines()

    def test_its_lines_end_with_an_updated_device(self):
        lines = self.lines()
        self.assertIn(len(lines), range(5, 11))
        times = {}
        for line in lines:
            begun = time.monotonic()
            done = self.machine.typed("me", line)
            times[line] = round(time.monotonic() - begun, 1)
            self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        print(f"{sum(times.values()):.1f} s:", *(f"\n  {took:5} s  {line}" for line, took in times.items()))
        self.assertIn("succeeded", self.machine.typed("me", "otactl task list --where id=gw-18").stdout)
        self.assertEqual((self.root / "home/me/version").read_text().strip(), "1.1.0")
        self.assertLess(sum(times.values()), self.LONGEST * PATIENCE)
        self.check_services()
        self.check_purge()
        self.machine.shut_down()

    def check_services(self):
        for unit in ("otad.service", "mosquitto.service", "otad-renew.timer"):
            self.assertEqual(self.machine.inside("systemctl", "is-active", unit).stdout.strip(), "active", unit)
        renewed = self.machine.inside("systemctl", "start", "otad-renew.service")
        told = self.machine.inside("journalctl", "-u", "otad-renew", "-o", "cat").stdout
        self.assertEqual((renewed.returncode, "nothing was changed" in told), (0, True), told)
        again = self.machine.typed("me", "sudo otad setup --non-interactive")
        self.assertIn("nothing was changed", again.stdout)
        undone = self.machine.typed("me", "sudo otad setup --non-interactive --undo")
        self.assertIn("everything is as it was before", undone.stdout, undone.stderr)

    def check_purge(self):
        """It removes what setup made, and the broker goes on."""
        self.machine.typed("me", "sudo otad setup --non-interactive")
        purged = self.machine.typed("me", "sudo apt-get purge -y -qq otad otactl ota-agent")
        self.assertEqual(purged.returncode, 0, purged.stdout + purged.stderr)
        left = self.machine.inside("find", "/etc", "/var/lib", "-xdev", "-name", "*otad*").stdout.split()
        self.assertEqual([path for path in left if "/dpkg/" not in path and "/apt/" not in path], [])
        self.assertEqual(self.machine.inside("systemctl", "is-active", "mosquitto").stdout.strip(), "active")


@unittest.skipUnless(os.environ.get("OTAD_PACKAGES"), "test.sh --packages makes a minimal Debian 12 for this")
class Readme(ReadmeLines, unittest.TestCase):
    @staticmethod
    def packages(folder):
        folder.mkdir()
        return make_packages(folder)


if __name__ == "__main__":
    main()
