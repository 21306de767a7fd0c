"""Stop and go: SIGTERM finishes what is in flight, a newer database is refused, systemd's watchdog sees a hanging engine."""
import contextlib
import ctypes
import hashlib
import http.client
import os
import pathlib
import socket
import sqlite3
import threading
import time
import unittest
import unittest.mock
from urllib.parse import urlsplit

from harness import MIB, PATIENCE, Daemon, ServerCase, image, main, wait_until

GRID = 65536
GRACE = 8  # s


class Stop(ServerCase):
    settings = {"shutdown_grace_s": GRACE}

    def setUp(self):
        if not self.daemon.running():
            self.daemon.start()

    def stopped(self):
        """SIGTERM without waiting; call the result for the seconds that it took, exit status 0."""
        begun = time.monotonic()
        self.daemon.send_signal(15)

        def wait():
            status = self.daemon.process.wait((GRACE + 2) * PATIENCE)
            self.assertEqual(status, 0, self.daemon.log()[-2000:])
            return time.monotonic() - begun

        return wait

    def test_downloads_in_flight_are_finished(self):
        data = self.firmware("2.0.0", "hw-slow", 24 * MIB)
        device = self.device("slow", hardware="hw-slow", version="1.0.0")
        device.request("up_to_date")
        self.upgrade("slow", "2.0.0")
        url = urlsplit(device.wait("metadata")["url"])
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            line.settimeout(10 * PATIENCE)
            line.connect((url.hostname, url.port))
            line.sendall(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            received = line.recv(4096)
            wait = self.stopped()
            pace = len(data) / (GRACE / 4)  # bytes a second
            begun = time.monotonic()
            while piece := line.recv(MIB):
                received += piece
                time.sleep(max(0.0, len(received) / pace - (time.monotonic() - begun)))
        head, _, body = received.partition(b"\r\n\r\n")
        self.assertIn(b" 200 ", head.split(b"\r\n")[0])
        self.assertEqual((len(body), hashlib.sha256(body).digest()), (len(data), hashlib.sha256(data).digest()))
        self.assertLess(wait(), GRACE)

    def test_uploads_in_flight_are_finished(self):
        data, half = image("late", 4 * MIB), threading.Event()

        def slowly():
            for at in range(0, len(data), MIB):
                if at == 2 * MIB:
                    half.set()
                    time.sleep(1.0)
                yield data[at : at + MIB]

        answers = []

        def upload():
            answers.append(
                self.rest.call(
                    "POST", "/firmware?version=3.0.0&hardware=hw-late", slowly(), {"Content-Length": str(len(data))}
                )
            )

        uploader = threading.Thread(target=upload)
        uploader.start()
        half.wait(10)
        wait = self.stopped()
        uploader.join()
        self.assertLess(wait(), GRACE)
        self.assertEqual(answers[0].status, 201, answers)
        self.daemon.start()
        stored = [item["version"] for item in self.rest.items("/firmware") if item["hardware"] == "hw-late"]
        self.assertEqual(stored, ["3.0.0"])

    def test_commands_under_load_are_answered_or_not_done(self):
        self.firmware("2.0.0", "hw-many")
        told, lost = [], []

        def post(name):
            for number in range(10_000):
                try:
                    answer = self.rest.upgrade(f"{name}-{number}", "2.0.0", hardware="hw-many")
                except ConnectionRefusedError:
                    return  # it doesn't listen any more
                except (OSError, http.client.HTTPException, AttributeError) as gone:
                    lost.append(gone)  # the line was closed before an answer: nobody knows
                    return
                if answer.status != 201:
                    self.assertEqual(answer.status, 503, answer)
                    return
                told.append(answer.json["task_id"])

        posters = [threading.Thread(target=post, args=(f"many-{number}",)) for number in range(8)]
        for poster in posters:
            poster.start()
        wait_until(lambda: len(told) > 100, "upgrades are posted", 30)
        wait = self.stopped()
        self.assertLess(wait(), GRACE)
        for poster in posters:
            poster.join()
        self.daemon.start()
        stored = {task["task_id"] for task in self.rest.items("/tasks", version="2.0.0", limit=1000)}
        self.assertLessEqual(set(told), stored)
        self.assertLessEqual(len(lost), len(posters))

    def test_a_newer_database_is_refused(self):
        self.assertEqual(self.daemon.stop(), 0)
        path = self.folder / "otad.db"

        def schema(number=None):
            with contextlib.closing(sqlite3.connect(path)) as database:
                if number is not None:
                    database.execute(f"PRAGMA user_version={number}")
                return database.execute("PRAGMA user_version").fetchone()[0]

        known = schema()
        schema(known + 7)
        try:
            mark = len(self.daemon.log())
            with self.assertRaises(AssertionError):
                self.daemon.start()
            self.assertEqual(self.daemon.process.wait(), 1)
            said = self.daemon.log()[mark:]
            for part in (str(path), f"schema {known + 7}", "newer otad", f"up to {known}"):
                self.assertIn(part, said)
            self.assertEqual(schema(), known + 7, "and it is left as it was")
        finally:
            schema(known)
        self.daemon.start()


class ShortGrace(ServerCase):
    settings = {"shutdown_grace_s": 1}

    def files(self):
        return {path for path in (self.folder / "firmware").rglob("*") if path.is_file()}

    def test_uploads_that_outlast_the_grace_leave_nothing(self):
        before = self.files()
        head = b"POST /firmware?version=4.0.0&hardware=hw-cut HTTP/1.1\r\nHost: localhost\r\n"
        with contextlib.ExitStack() as lines:
            for length in (b"Content-Length: 4000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n200000\r\n"):
                line = lines.enter_context(socket.create_connection(("127.0.0.1", self.daemon.port), 10 * PATIENCE))
                line.sendall(head + length + image("cut", MIB))
            wait_until(lambda: len(self.files()) == len(before) + 2, "both are being written")
            self.assertEqual(self.daemon.stop(1 + 5), 0, "the uploader still has the connection")
        self.assertEqual(self.files(), before)
        self.daemon.start()
        self.assertNotIn("4.0.0", [item["version"] for item in self.rest.items("/firmware")])
        self.assertEqual(self.rest.upload("4.0.0", b"whole", "hw-cut").status, 201)


class Notified(Daemon):
    """Started as systemd does it with Type=notify and WatchdogSec=; `notes` are what it says, with their times."""

    LIMIT = 4.0  # s

    def launch(self, command, env=None):
        name = self.where()
        self.line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.line.bind(name.replace("@", "\0"))
        self.notes = []
        threading.Thread(target=self.listen, args=(self.line, self.notes), daemon=True).start()
        limit = str(int(self.LIMIT * 1e6))
        super().launch(command, {**env, "NOTIFY_SOCKET": name, "WATCHDOG_USEC": limit, **self.watched()})

    def where(self):
        path = self.folder / "notify"
        path.unlink(missing_ok=True)
        return str(path)

    def watched(self):
        return {}

    @staticmethod
    def listen(line, notes):
        with contextlib.suppress(OSError):
            while True:
                notes.append((time.monotonic(), line.recv(4096).decode().splitlines()))

    def times(self, word):
        return [at for at, lines in list(self.notes) if word in lines]


class Unwatched(Notified):
    """As in a service with several processes, of which systemd watches another; the socket is no file."""

    def where(self):
        return f"@otad-test-{os.getpid()}-{time.monotonic_ns()}"

    def watched(self):
        return {"WATCHDOG_PID": "1"}


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


@contextlib.contextmanager
def held(thread):
    """One thread of another process stands still; the others go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long

    def ask(what):
        if libc.ptrace(what, thread, None, None):
            number = ctypes.get_errno()
            if number in (1, 38):  # EPERM, ENOSYS: containers that forbid it
                raise unittest.SkipTest(f"ptrace: {os.strerror(number)}")
            raise OSError(number, os.strerror(number))

    ask(PTRACE_SEIZE)
    ask(PTRACE_INTERRUPT)
    os.waitpid(thread, 0x40000000)  # __WALL: until it stands
    try:
        yield
    finally:
        ask(PTRACE_DETACH)


class Watchdog(ServerCase):
    @classmethod
    def setUpClass(cls):
        with unittest.mock.patch("harness.Daemon", Notified):
            super().setUpClass()

    def gaps(self, since):
        at = [since] + [ping for ping in self.daemon.times("WATCHDOG=1") if ping > since] + [time.monotonic()]
        return [after - before for before, after in zip(at, at[1:])]

    def engine(self):
        for name in pathlib.Path(f"/proc/{self.daemon.process.pid}/task").glob("*/comm"):
            if name.read_text().strip() == "otad-engine":
                return int(name.parent.name)
        raise AssertionError("no thread named otad-engine")

    def test_ready_and_alive(self):
        self.assertEqual(len(self.daemon.times("READY=1")), 1)
        begun = time.monotonic()
        wait_until(lambda: len(self.gaps(begun)) > 3, "three pings", 3 * self.daemon.LIMIT)
        gaps = self.gaps(begun)
        self.assertLess(max(gaps), self.daemon.LIMIT * PATIENCE)
        # It pings at half of the limit, give or take what the machine takes.
        self.assertLess(min(gaps[1:-1]), self.daemon.LIMIT * 0.75)

    def test_busy_is_alive(self):
        self.firmware("2.0.0", "hw-busy")
        posted = []

        @contextlib.contextmanager
        def posters(run):
            over = threading.Event()

            def post(name):
                number = 0
                while not over.is_set():
                    number += 1
                    posted.append(self.rest.upgrade(f"{name}-{number}", "2.0.0", hardware="hw-busy").status)

            threads = [threading.Thread(target=post, args=(f"{run}-{number}",)) for number in range(4)]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                over.set()
                for thread in threads:
                    thread.join()

        begun = time.monotonic()
        with posters("busy"):
            time.sleep(3)
        with contextlib.closing(sqlite3.connect(self.folder / "otad.db", isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")  # a commit of three seconds
            with posters("waiting"):
                time.sleep(3)
                database.execute("ROLLBACK")
                time.sleep(2)
        self.assertEqual(set(posted), {201})
        self.assertLess(max(self.gaps(begun)), self.daemon.LIMIT * PATIENCE)

    def test_hanging_is_told_by_silence(self):
        limit = self.daemon.LIMIT
        with held(self.engine()):
            begun = time.monotonic()
            wait_until(
                lambda: time.monotonic() - max(self.daemon.times("WATCHDOG=1")) > limit,
                "the pings end, and systemd would end the daemon",
                limit + 10,
            )
            self.assertEqual(self.rest.call("GET", "/healthz").status, 200)
            self.assertGreater(time.monotonic() - begun, limit)
        back = time.monotonic()
        wait_until(lambda: max(self.daemon.times("WATCHDOG=1")) > back, "it goes on where it stood")


class AnotherIsWatched(ServerCase):
    @classmethod
    def setUpClass(cls):
        with unittest.mock.patch("harness.Daemon", Unwatched):
            super().setUpClass()

    def test_it_tells_how_it_is_but_does_not_ping(self):
        wait_until(lambda: self.daemon.times("READY=1"), "it says that it is ready")
        self.daemon.stop()
        wait_until(lambda: self.daemon.times("STOPPING=1"), "it says that it stops")
        self.assertEqual(self.daemon.times("WATCHDOG=1"), [])


if __name__ == "__main__":
    main()
