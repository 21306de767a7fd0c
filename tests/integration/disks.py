"""Small file systems for the tests to fill and break, and a daemon whose disk calls fail on command."""
import contextlib
import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

from harness import BUILD, MIB, SANITIZED, Daemon

SHIM = BUILD / "tests" / "libfault_shim.so"
CLONE_NEWNS = 0x20000
SKIPPED = 77  # SKIP_RETURN_CODE in tests/integration.cmake


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


class Disk:
    """A file system of its own: `tmpfs`, or `ext4` on a file."""

    def __init__(self, folder, mebibytes, kind="tmpfs"):
        self.folder, self.kind, self.size = pathlib.Path(folder), kind, mebibytes
        self.folder.mkdir(parents=True, exist_ok=True)
        self.image = self.folder.with_suffix(".ext4")
        self.filler = self.folder / "filler"
        if kind == "ext4":
            with open(self.image, "wb") as image:
                image.truncate(mebibytes * MIB)
            self.must("mkfs.ext4", "-q", "-m", "0", self.image)
        self.mount()

    @staticmethod
    def must(*command):
        done = run(*command)
        if done.returncode:
            raise OSError(f"{command}: {done.stderr or done.stdout}")

    def mount(self):
        if self.kind == "ext4":
            self.must("mount", "-o", "loop", self.image, self.folder)
        else:
            self.must("mount", "-t", "tmpfs", "-o", f"size={self.size}m", "otad-test", self.folder)

    def unmount(self):
        if os.path.ismount(self.folder):
            self.must("umount", self.folder)

    def break_down(self):
        """What ext4 does by itself after an error of its device: read-only at once, whoever writes."""
        self.must("mount", "-o", "remount,abort", self.folder)

    def repair(self):
        self.unmount()
        if run("fsck.ext4", "-fy", self.image).returncode > 1:
            raise OSError("fsck could not repair the file system")
        self.mount()

    def free(self):
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def fill(self, leave=0):
        """Until at most `leave` bytes are free."""
        piece = bytes(MIB)
        with open(self.filler, "ab", buffering=0) as filler:
            while self.free() > leave:
                try:
                    filler.write(piece[: min(MIB, self.free() - leave)])
                except OSError:
                    return

    @contextlib.contextmanager
    def kept_full(self):
        """Whatever becomes free is taken at once: a database that is opened afresh cuts its log back, which leaves room.
        There is room again afterwards."""
        over = threading.Event()

        def take():
            while not over.wait(0.002):
                self.fill()

        self.fill()
        taker = threading.Thread(target=take)
        taker.start()
        try:
            yield
        finally:
            over.set()
            taker.join()
            self.make_room()

    def make_room(self):
        self.filler.unlink(missing_ok=True)


def mounts_work():
    """Whether file systems may be mounted here: as root, outside of strict containers. What this process and its
    children mount from now on is theirs alone and goes with them."""
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
        return False
    with tempfile.TemporaryDirectory(prefix="otad-mount-") as folder:
        try:
            Disk.must("mount", "--make-rprivate", "/")
            disk = Disk(pathlib.Path(folder) / "probe", 8, "ext4")
        except OSError as why:
            print(f"no mounts here: {why}", file=sys.stderr)
            return False
        disk.unmount()
        return True


class FailingDaemon(Daemon):
    """Its writes and syncs fail while told so; see tests/support/fault_shim.cpp."""

    def __init__(self, folder, *arguments):
        super().__init__(folder, *arguments)
        if not SHIM.exists():  # the loader says so in one line of the daemon's log, and goes on without
            raise FileNotFoundError(f"{SHIM} is missing: build the target fault_shim")
        self.rule = folder / "fault"

    def launch(self, command, env=None):
        fault = {"LD_PRELOAD": str(SHIM), "FAULT_FILE": str(self.rule)}
        if SANITIZED:
            fault["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        super().launch(command, {**env, **fault})

    def restart_unready(self):
        """kill -9 and a start after which something is amiss."""
        self.kill()
        return self.start(ready=False)

    def fail(self, what, number, path):
        """`sync` or `write` on that file, or on all below a path that ends with a slash."""
        new = self.rule.with_suffix(".new")
        new.write_text(f"{what} {number} {path}\n")
        new.rename(self.rule)

    def heal(self):
        self.rule.unlink(missing_ok=True)
