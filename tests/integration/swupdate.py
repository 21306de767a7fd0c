"""Debian's SWUpdate as a device of the tests: its images, and the program with its hawkBit client, without privileges."""
import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import own_network
from harness import ENVIRONMENT, Process, wait_until

SWUPDATE = shutil.which("swupdate")
USABLE = SWUPDATE and subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode == 0


def cpio(files):
    """An archive in the format that SWUpdate takes ("crc")."""
    out = b""
    for inode, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")], 1):
        fields = (inode, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, sum(data) & 0xFFFFFFFF)
        head = b"070702" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
    return out + b"\0" * (-len(out) % 512)


class Vendor:
    """Signs images; SWUpdate takes no others."""

    def __init__(self, folder):
        self.folder = folder
        self.certificate = folder / "vendor.pem"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "vendor.key", "-out", self.certificate,
                     "-subj", "/CN=vendor", "-addext", "extendedKeyUsage=emailProtection")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, check=True, capture_output=True)

    def swu(self, version, data, digest=None, script=None):
        """An image that writes `data` into the file `slot` of the device's folder, where it lies as rootfs; `script`:
        a shell script that runs after it."""
        files = {"rootfs": data, **({"script.sh": script.encode()} if script else {})}
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        scripts = (f'scripts: ({{ filename = "script.sh"; type = "shellscript"; sha256 = "{digests["script.sh"]}"; }});'
                   if script else "")
        (self.folder / "sw-description").write_text(f"""software = {{
  version = "{version}";
  hardware-compatibility: ("1.0");
  files: ({{ filename = "rootfs"; path = "slot"; sha256 = "{digest or digests["rootfs"]}"; }});
  {scripts}
}}
""")
        self.openssl("cms", "-sign", "-in", "sw-description", "-out", "signature", "-signer", self.certificate,
                     "-inkey", "vendor.key", "-outform", "DER", "-nosmimecap", "-binary")
        return cpio({"sw-description": (self.folder / "sw-description").read_bytes(),
                     "sw-description.sig": (self.folder / "signature").read_bytes(), **files})


class Swupdate(Process):
    """One device. What its bootloader would keep, the test tells it at its start: `-c 2` after a successful update."""

    def __init__(self, folder, name, port, vendor, options=()):
        self.gate = folder / "gate"
        if not self.gate.exists():  # one for all devices of a test's folder
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self.gate))
            listener.listen(64)
            own_network.forward(listener, lambda: socket.create_connection(("127.0.0.1", port)))
        self.folder = folder / name
        self.folder.mkdir()
        super().__init__(self.folder / "swupdate.log")
        self.name, self.port, self.vendor, self.options = name, port, vendor, options
        self.version = "1.0.0"
        self.slot = self.folder / "slot"

    def start(self, confirm=None):
        config = self.folder / "swupdate.cfg"
        config.write_text(f'globals: {{ verbose = true; }};\nidentify: ( {{ name = "version"; value = "{self.version}"; }}, '
                          f'{{ name = "serial"; value = "{self.name}"; }} );\n')
        suricatta = ["-t", "DEFAULT", "-u", f"http://127.0.0.1:{self.port}", "-i", self.name, "-p", "1", "-w", "1",
                     *self.options, *(["-c", str(confirm)] if confirm else [])]
        command = [SWUPDATE, "-v", "-M", "-m", "-k", str(self.vendor.certificate), "-H", "gw-a:1.0", "-f", str(config),
                   "-u", " ".join(suricatta)]
        own = str(pathlib.Path(__file__).with_name("own_network.py"))
        self.launch(["unshare", "-Urn", sys.executable, "-B", own, str(self.port), str(self.gate), *command],
                    {**ENVIRONMENT, "TMPDIR": str(self.folder)})
        return self

    def launch(self, command, env=None):
        with open(self.log_path, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                            cwd=self.folder, start_new_session=True)

    def kill(self):
        """With the programs that it started."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def restart(self, version=None, confirm=None):
        """As the device does after an update."""
        self.kill()
        self.version = version or self.version
        return self.start(confirm)

    def wait_log(self, text, timeout=40, since=0):
        return wait_until(lambda: text in self.log()[since:], f"{self.name}: {text!r} in {self.log()[-1500:]}", timeout)
