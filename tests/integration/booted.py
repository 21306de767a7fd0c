"""A Debian 12 in a folder that boots with its own systemd, in namespaces of its own, with no network but loopback."""
import os
import pathlib
import subprocess

from harness import PATIENCE, Process, wait_until


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Booted(Process):
    """As root, with systemd-nspawn. The root has systemd-sysv and dbus."""

    def __init__(self, root, log):
        super().__init__(log)
        self.root = root

    def boot(self, name):
        """`name`: the full host name, as Debian's installer puts it into /etc/hosts."""
        host = name.partition(".")[0]
        (self.root / "etc/hostname").write_text(f"{host}\n")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name} {host}\n::1 localhost\n")
        self.launch(["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--console=pipe",
                     f"--hostname={host}", "--resolv-conf=off", "-D", str(self.root), "--boot"])
        wait_until(lambda: self.state() in ("running", "degraded"), f"it boots: {self.log()[-2000:]}", 90, 0.2)
        return self

    def inside(self, *command, **options):
        leader = children(self.process.pid)[0]
        return subprocess.run(["nsenter", "--target", str(leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                               "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", *map(str, command)],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
                              timeout=300 * PATIENCE, **options)

    def state(self):
        assert self.running(), self.log()
        if not children(self.process.pid):
            return ""
        return self.inside("systemctl", "is-system-running").stdout.strip()

    def typed(self, user, line):
        """A line that the user types after a login."""
        return self.inside("su", "-", user, "-c", line)

    def shut_down(self):
        if self.running() and children(self.process.pid):
            self.inside("systemctl", "--no-block", "poweroff")
            try:
                self.process.wait(30 * PATIENCE)
            except subprocess.TimeoutExpired:
                pass
        self.kill()


def possible():
    return os.geteuid() == 0 and pathlib.Path("/usr/bin/systemd-nspawn").exists()
