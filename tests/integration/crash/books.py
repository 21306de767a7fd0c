"""What the outside was told, written down when it was told, and what of it must hold ever after.

Facts only grow: an end stays an end (but for what a device itself reports of an image that it verified, which may turn
success into failure and back), an attempt never goes down, what is stored is there until somebody asks for its
removal. So a copy of the facts taken before the server's state is read must be true of that state, whatever goes on
meanwhile. What a device or operator does to cause something (a wrong digest, a cancel) is noted before it is sent, so
that a state may be held against all causes that there can be.
"""
import collections
import copy
import dataclasses
import sys
import threading
import time

STATES = ("queued", "offered", "downloading", "retry_wait", "installing", "succeeded", "failed", "cancelled", "expired")
ENDED = frozenset(STATES[5:])
VERIFIED = frozenset(("installing", "succeeded", "failed"))
REPORTED = frozenset(("succeeded", "failed"))  # a device's last word on a verified image, also after the end
UNDESERVED = ("bad_chunk_range", "unknown_task", "not_authorized")  # by our devices
FIELDS = ("device_id", "firmware_version", "created_at")  # told with 201, never changed


@dataclasses.dataclass
class Task:
    device: str = None
    version: str = None
    fields: dict = dataclasses.field(default_factory=dict)  # exactly as told, and as they must stay
    priorities: set = None  # those it may have; None: nobody said
    attempt: int = 1  # the highest told
    max_attempts: int = 3
    wrong: set = dataclasses.field(default_factory=set)  # attempts in which a wrong digest was sent
    failures: int = 0  # times the device said that it failed
    mismatches: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    right: bool = False  # the right digest was sent: from then on the device's reports decide between REPORTED
    verified: bool = False  # `success` that waits for a confirmation was told
    ends: frozenset = None  # the end states that what was told leaves open
    end_message: str = None  # how the device was told of it

    def attempts_possible(self):
        """The attempt that all evidence sent so far can have led to."""
        thirds = sum(count // 3 for count in self.mismatches.values())
        return min(self.max_attempts, 1 + len(self.wrong) + self.failures + thirds)


@dataclasses.dataclass
class Firmware:
    checksum: str
    size: int
    whole: bool = False  # the last byte went out, so it may have been stored
    id: int = None  # told with 201 or 200: it is stored
    removing: bool = False  # a DELETE was sent
    removed: bool = False  # and answered


class Books:
    def __init__(self):
        self.lock = threading.RLock()
        self.tasks, self.firmware = collections.defaultdict(Task), {}
        self.wanted = collections.Counter()  # (device, version): how often somebody asked for such a task
        self.told = collections.Counter()  # what came, by kind
        self.faults = []
        self.trap = None

    def fault(self, text):
        with self.lock:
            if text in self.faults:
                return
            self.faults.append(text)
        print(f"FAULT {text}", file=sys.stderr, flush=True)

    def check(self, good, text):
        if not good:
            self.fault(text)

    def happened(self, kind):
        """Counts, and springs the trap that waits for it."""
        with self.lock:
            self.told[kind] += 1
            trap = self.trap if self.trap and self.trap[0] == kind else None
            if trap:
                self.trap = None
        if trap:
            trap[1]()

    def set_trap(self, kind, spring):
        """`spring()` runs in the thread that sees the next event of that kind."""
        with self.lock:
            self.trap = (kind, spring) if kind else None

    # --- tasks

    def ask(self, device, version):
        with self.lock:
            self.wanted[device, version] += 1

    def created(self, answer, priority=None, **fields):
        """A 201 for an upgrade or a repeated task."""
        with self.lock:
            task = self.tasks[answer["task_id"]]
            task.device, task.version = answer["device_id"], answer["firmware_version"]
            task.fields.update({name: answer[name] for name in FIELDS}, **fields)
            if task.priorities is None:
                task.priorities = {priority or answer["priority"]}
        self.happened("201")

    def message(self, device, message):
        """From the server to a device, in the order in which it came."""
        kind, task_id = message["type"], message.get("task_id")
        with self.lock:
            if task_id and kind != "error" and kind != "chunk":
                task = self.tasks[task_id]
                where = f"{task_id} of {device}: {kind} {message.get('reason', '')}"
                self.check(task.device in (None, device), f"{where} was told, but it is {task.device}'s")
                task.device = device
                getattr(self, f"on_{kind}")(task, message, where)
        if kind == "error":
            self.check(message["code"] not in UNDESERVED, f"{device} was told {message}")
        self.happened(f"error {message['code']}" if kind == "error" else kind)

    def on_metadata(self, task, message, where):
        self.check(not task.end_message, f"{where} after {task.end_message}: it runs twice")
        self.check(message["attempt"] >= task.attempt, f"{where}: attempt {message['attempt']} after {task.attempt}")
        task.version, task.max_attempts = message["version"], message["max_attempts"]
        task.attempt = max(task.attempt, message["attempt"])
        self.check_attempt(task, task.attempt, where)
        stored = self.firmware.get((message["version"], message["hardware"]))
        if stored is None or (stored.checksum, stored.size) != (message["checksum"], message["size"]):
            self.fault(f"{where}: its image is not what was uploaded: {message['checksum']}, but {stored}")

    on_retry = on_metadata

    def on_queued(self, task, _message, where):
        self.check(not task.end_message, f"{where} after {task.end_message}")

    def on_success(self, task, message, where):
        self.check(task.end_message in (None, "success", "failed"), f"{where} after {task.end_message}")
        if "confirm_by" in message:
            task.verified = True
        else:
            self.end(task, where, "succeeded")
            task.end_message = "success"

    def on_failed(self, task, message, where):
        may_follow = (None, "failed", "success") if task.right else (None, "failed")
        self.check(task.end_message in may_follow, f"{where} after {task.end_message}")
        self.end(task, where, "failed")
        task.attempt, task.end_message = max(task.attempt, message["attempts"]), "failed"

    def on_cancel(self, task, message, where):
        if message["reason"] != "preempted":
            self.end(task, where, "cancelled", *(() if message["reason"] == "superseded" else ("expired",)))
            task.end_message = "cancel"

    def end(self, task, where, *states):
        if task.right and REPORTED & set(states):
            states = (*states, *REPORTED)
        left = frozenset(states) & (task.ends or frozenset(states))
        self.check(left, f"{where}: ended {'/'.join(states)}, but was told to have ended {task.ends}")
        task.ends = left or task.ends

    def ended(self, task_id, state):
        """An end that an operator was told."""
        with self.lock:
            self.end(self.tasks[task_id], task_id, state)

    def check_attempt(self, task, attempt, where):
        most = task.attempts_possible()
        self.check(attempt <= most, f"{where}: attempt {attempt}, but the evidence sent allows {most}: {task}")

    def evidence(self, task_id, wrong=None, failed=0, mismatch=None, right=False):
        """Before it is sent: what may cost an attempt, or lets the device's reports decide."""
        with self.lock:
            task = self.tasks[task_id]
            if right and not task.right:
                task.right = True
                task.ends = task.ends and (task.ends | REPORTED if task.ends & REPORTED else task.ends)
            task.failures += failed
            if wrong:
                task.wrong.add(wrong)
            if mismatch is not None:
                task.mismatches[mismatch] += 1

    def open_tasks(self, device=None):
        with self.lock:
            return [i for i, t in self.tasks.items() if not t.ends and (device is None or t.device == device)]

    def copy(self):
        with self.lock:
            return copy.deepcopy(dict(self.tasks)), copy.deepcopy(self.firmware), collections.Counter(self.wanted)

    def firmware_entry(self, version, hardware, checksum, size):
        with self.lock:
            return self.firmware.setdefault((version, hardware), Firmware(checksum, size))

    # --- against the server's state

    def compare(self, facts, rows):
        """`rows`: all tasks of the server by id, each with state, attempt, priority, device, version; `facts` older."""
        for task_id, task in facts.items():
            row = rows.get(task_id)
            if row is None:
                self.fault(f"{task_id} vanished: {task}")
                continue
            where = f"{task_id}: {row}"
            self.check(task.device in (None, row["device"]), f"{where}, but it was told for {task.device}")
            self.check(task.version in (None, row["version"]), f"{where}, but it was told for {task.version}")
            self.check(row["attempt"] >= task.attempt, f"{where}, but attempt {task.attempt} was told")
            if task.ends:
                self.check(row["state"] in task.ends, f"{where}, but it was told to be {'/'.join(task.ends)}")
            elif task.verified and not self.tasks[task_id].failures:
                self.check(row["state"] in VERIFIED, f"{where}, but success was told")
        with self.lock:
            for task_id, row in rows.items():
                task = self.tasks[task_id]  # unknown so far: the answer was lost
                task.device, task.version = task.device or row["device"], task.version or row["version"]
                self.check_attempt(task, row["attempt"], f"{task_id}: {row}")
                if row["state"] in ENDED:
                    self.end(task, f"{task_id} on disk", row["state"])
                told = (task.priorities or set()) | (facts[task_id].priorities or set() if task_id in facts else set())
                self.check(not task.priorities or row["priority"] in told, f"{task_id}: {row}, but told {told}")

    def figures(self):
        with self.lock:
            answered = sum(count for kind, count in self.told.items() if not kind.startswith("…"))
            stored = sum(1 for firmware in self.firmware.values() if firmware.id)
            return {"answered": answered, "tasks": len(self.tasks), "uploads": stored, "faults": len(self.faults)}


class Pace:
    """What all threads look at: whether the campaign goes on, and whether it is nasty."""

    def __init__(self):
        self.nasty, self.over = threading.Event(), threading.Event()
        self.nasty.set()

    def sleep(self, seconds):
        """False once all is over."""
        return not self.over.wait(seconds)

    def until(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while not (value := condition()) and time.monotonic() < deadline and self.sleep(0.05):
            pass
        return value
