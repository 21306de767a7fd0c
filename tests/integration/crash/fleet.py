"""Devices that never rest: they obey, lose their memory, fall silent, and lie about images at known moments."""
import http.client
import random
import threading
import time

from device import Device, Refused, indexes
from harness import PATIENCE, digest

ASK_AGAIN = 1.0  # s


class CrashDevice(Device):
    def __init__(self, name, broker_port, books, pace, seed, **options):
        super().__init__(name, broker_port, **options)
        self.books, self.pace, self.random = books, pace, random.Random(f"{seed} {name}")
        self.rounds = 0
        self.thread = threading.Thread(target=self.live, name=name, daemon=True)

    def on_message(self, client, data, message):
        super().on_message(client, data, message)
        del self.seen[:-20]
        self.books.message(self.id, self.seen[-1])

    def ask(self, word, payload, *types, timeout=20.0, **fields):
        """As the end-to-end rule says, but impatiently: the daemon is often away."""
        from device import ANSWERS

        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            self.send(word, payload)
            try:
                return self.wait(*(types or ANSWERS[word]), timeout=ASK_AGAIN / PATIENCE, **fields)
            except AssertionError:
                if time.monotonic() > deadline or self.pace.over.is_set():
                    raise

    def fetch(self, metadata, index, hashes=None):
        try:
            return super().fetch(metadata, index, hashes)
        except AssertionError as fault:
            self.books.fault(f"{self.id}, {metadata['task_id']}: {fault}")
            raise

    def live(self):
        while not self.pace.over.is_set():
            try:
                self.one_round()
                self.rounds += 1
            except (OSError, http.client.HTTPException, AssertionError, Refused):
                self.pace.sleep(0.1)  # the daemon is away, or the task was taken from us: ask

    def chance(self, share):
        return self.pace.nasty.is_set() and self.random.random() < share

    def one_round(self):
        named = {}
        if self.chance(0.05):
            version = self.books_version()
            if version:
                self.books.ask(self.id, version)
                named = {"version": version}
        message = self.request(**named)
        while message and not self.pace.over.is_set():
            message = self.obey(message)

    def books_version(self):
        with self.books.lock:
            mine = [v for (v, hw), f in self.books.firmware.items() if hw == self.hardware and f.id and not f.removing]
        return self.random.choice(mine) if mine else None

    def obey(self, message):
        """What follows from a message; the next one, or None to ask."""
        kind = message["type"]
        if kind in ("metadata", "retry"):
            return self.work(message)
        if kind == "success":
            return self.installed(message)
        if kind in ("queued", "up_to_date"):
            with_luck = ("metadata", "retry")
            try:
                return self.wait(*with_luck, timeout=self.random.uniform(0.1, 0.8) / PATIENCE)
            except AssertionError:
                return None
        self.pace.sleep(0.1)
        return None

    def work(self, metadata):
        task_id = metadata["task_id"]
        if metadata["type"] == "retry":
            self.pace.sleep(min(metadata.get("retry_after_s", 0), 3))
            if metadata["reason"] in ("checksum_mismatch", "chunk_mismatch"):
                for index in indexes(metadata["missing"]):
                    self.chunks.pop(index, None)
        if self.chance(0.06):
            self.pace.sleep(self.random.uniform(0.2, 4.0))  # silent
        if self.chance(0.05):
            self.forget()
        if self.chance(0.04):
            self.books.evidence(task_id, failed=1)
            self.progress(metadata, state="failed", reason="flash")
            return None
        if self.chance(0.08):
            self.books.evidence(task_id, wrong=metadata["attempt"])
            bad = {"bad_chunks": [[0, 0]]} if self.chance(0.5) else {}
            return self.verify(
                metadata, "success", "retry", "failed", "error", "cancel", "queued", checksum=digest(b"wrong"), **bad
            )
        if not self.download_all(metadata):
            return None
        self.books.evidence(task_id, right=True)
        return self.verify(metadata, "success", "retry", "failed", "error", "cancel", "queued")

    def download_all(self, metadata):
        self.use(metadata)
        hashes = self.hashes(metadata)
        for index in range(metadata["chunk_count"]):
            if self.peek("cancel", "failed") or self.pace.over.is_set():
                return False
            if index not in self.chunks:
                self.fetch(metadata, index, hashes)
                if self.chance(0.03):
                    self.books.evidence(metadata["task_id"], mismatch=index)
                    self.progress(metadata, chunk=index, status="mismatch")
                self.progress(metadata, chunk=index, status="ok", transport="http")
            if self.chance(0.01):
                return False  # asks again amid the download
        whole = digest(self.assembled(metadata))
        self.books.check(whole == metadata["checksum"], f"{self.id}, {metadata['task_id']}: the image is {whole}")
        return True

    def installed(self, success):
        if "confirm_by" not in success:
            self.version = success["version"]
            return None
        if self.chance(0.1):
            self.progress(success, state="rolled_back")
            return None
        if self.chance(0.3):
            self.pace.sleep(self.random.uniform(0.1, 1.0))
        self.version = success["version"]
        if self.chance(0.5):
            self.progress(success, state="installed")
        return None  # and the request says what runs now
