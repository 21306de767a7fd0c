"""A real network for the tests: three namespaces, server, router and device, and the kernel's TCP over veth pairs.

The router drops at random (netem where the kernel has it, else iptables), bounds the rate (tc tbf), or swallows all.
For root on Linux; `why_not()` says what is missing elsewhere.
"""
import atexit
import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess

_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
TBF_LATENCY = "500ms"  # of packets that wait for the line
TOOLS = ("ip", "tc", "iptables")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | {"PATH": PATH})
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def why_not():
    """Why there can be no such network here, or nothing."""
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=PATH)]
    if missing:
        return f"no {', '.join(missing)}"
    try:
        with Network() as network:
            network.lose(0.01)
            network.bound(1_000_000)
    except OSError as error:
        return str(error)
    return None


class Network:
    """`server` and `device` are addresses; `in_router` and `in_device` the words before a command that runs there."""

    def __init__(self):
        number = next(_numbers)
        mark = f"{os.getpid()}-{number}"
        self.spaces = [f"otad-{part}-{mark}" for part in ("server", "router", "device")]
        # Addresses are seen in these namespaces alone.
        self.server, self.device = "10.99.1.2", "10.99.2.2"
        self.in_router, self.in_device = (["ip", "netns", "exec", space] for space in self.spaces[1:])

    def __enter__(self):
        atexit.register(self.close)
        server, router, device = self.spaces
        try:
            for space in self.spaces:
                run("ip", "netns", "add", space)
                run("ip", "-n", space, "link", "set", "lo", "up")
            for space, near, address in ((server, "to-server", "10.99.1"), (device, "to-device", "10.99.2")):
                # One segment a packet: what is lost or delayed is one, as on a line.
                run("ip", "-n", space, "link", "add", "line", "gso_max_segs", "1", "type", "veth",
                    "peer", "name", near, "netns", router)  # fmt: skip
                run("ip", "-n", router, "link", "set", near, "gso_max_segs", "1")
                run("ip", "-n", space, "addr", "add", f"{address}.2/24", "dev", "line")
                run("ip", "-n", router, "addr", "add", f"{address}.1/24", "dev", near)
                run("ip", "-n", space, "link", "set", "line", "up")
                run("ip", "-n", router, "link", "set", near, "up")
                run("ip", "-n", space, "route", "add", "default", "via", f"{address}.1")
            run(*self.in_router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for space in self.spaces:
            with contextlib.suppress(OSError):
                run("ip", "netns", "del", space)

    @contextlib.contextmanager
    def inside(self):
        """The calling thread, and what it starts, is on the server's side meanwhile."""
        with open("/proc/thread-self/ns/net", "rb") as before, open(f"/run/netns/{self.spaces[0]}", "rb") as here:
            self._enter(here)
            try:
                yield
            finally:
                self._enter(before)

    @staticmethod
    def _enter(space):
        if _libc.setns(space.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def lose(self, share):
        """So many packets of either direction are dropped, at random."""
        try:
            for line in ("to-server", "to-device"):
                run(
                    "tc", "-n", self.spaces[1], "qdisc", "replace", "dev", line, "root", "netem", "loss", f"{share:.2%}"
                )
        except OSError:
            rule = ["-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP"]
            run(*self.in_router, "iptables", "-A", "FORWARD", *rule)

    def bound(self, rate):
        """At most `rate` bytes/s in either direction."""
        burst = max(3000, rate // 50)
        for line in ("to-server", "to-device"):
            run("tc", "-n", self.spaces[1], "qdisc", "replace", "dev", line, "root", "tbf", "rate", f"{rate * 8}bit",
                "burst", str(burst), "latency", TBF_LATENCY)  # fmt: skip

    def swallow(self, all_of_it=True):
        """Nothing passes any more, and nobody is told; or all passes again."""
        run(*self.in_router, "iptables", "-P", "FORWARD", "DROP" if all_of_it else "ACCEPT")

    def block(self, port, blocked=True):
        """Nothing to or from this port of the server's passes, and nobody is told; or it passes again."""
        for side in ("--dport", "--sport"):
            run(*self.in_router, "iptables", "-I" if blocked else "-D", "FORWARD", "-p", "tcp", side, str(port), "-j",
                "DROP")  # fmt: skip

    def sent(self):
        """Bytes that the router sent to the device, with headers."""
        line = "to-device"
        return int(run(*self.in_router, "cat", f"/sys/class/net/{line}/statistics/tx_bytes"))
