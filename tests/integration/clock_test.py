"""The wall clock of the daemon set back and forth by hours (libfaketime): no task expires, repeats, freezes; ids stay unique."""
import datetime
import glob
import threading
import time
import unittest
import unittest.mock

from device import Refused
from harness import PATIENCE, Daemon, ServerCase, main, wait_until

GRID = 65536
HOUR = 3600
FAKETIME = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [None])[0]
STALL = 4  # s, whatever the patience


class ShiftedDaemon(Daemon):
    """Its CLOCK_REALTIME is off by what `shift` says; its CLOCK_MONOTONIC is the true one."""

    def shift(self, seconds):
        self.offset = seconds
        self.offset_file.write_text(f"{seconds:+d}\n")

    def launch(self, command, env=None):
        self.offset_file = self.folder / "clock"
        if not self.offset_file.exists():
            self.shift(0)
        fake = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(self.offset_file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # A sanitizer's runtime wants to be the first library.
            "ASAN_OPTIONS": env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
            # Beside libfaketime TSan takes Paho's recursive mutexes for plain ones.
            "TSAN_OPTIONS": env.get("TSAN_OPTIONS", "") + ":report_mutex_bugs=0:detect_deadlocks=0",
        }
        super().launch(command, {**env, **fake})

    def wall(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.offset)


def stamp(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@unittest.skipUnless(FAKETIME, "needs Debian's libfaketime")
class Clock(ServerCase):
    persistence = True
    settings = {
        "tasks.stall_timeout_s": STALL,
        "tasks.offer_timeout_s": STALL,
        "tasks.retry_backoff_s": 1,
        "tasks.retry_backoff_max_s": 1,
    }

    @classmethod
    def setUpClass(cls):
        with unittest.mock.patch("harness.Daemon", ShiftedDaemon):
            super().setUpClass()

    def setUp(self):
        self.addCleanup(self.daemon.shift, 0)
        self.firmware("9.9.9", "hw-time", 1000)

    def started(self, name, **fields):
        hardware = f"hw-{name}"
        data = self.firmware("2.0.0", hardware, 4 * GRID)
        device = self.device(name, hardware=hardware, version="1.0.0")
        device.request("up_to_date")
        task = self.upgrade(name, "2.0.0", chunk_size=64, **fields)
        return device, device.wait("metadata", task_id=task), data

    def told_time(self):
        """What the daemon takes for the time."""
        answer = self.rest.upgrade(f"asks-{time.monotonic_ns()}", "9.9.9", hardware="hw-time").json
        return datetime.datetime.fromisoformat(answer["created_at"].replace("Z", "+00:00"))

    def jump(self, seconds):
        """Shifts the clock, and makes sure that the daemon goes by it."""
        self.daemon.shift(seconds)
        wait_until(lambda: abs((self.told_time() - self.daemon.wall()).total_seconds()) < 60, "the clock is set")

    def test_active_task_goes_on(self):
        for name, hours in (("forth", 7), ("back", -9)):
            with self.subTest(name):
                device, metadata, data = self.started(name)
                device.download(metadata, only=[0, 1])
                self.jump(hours * HOUR)
                time.sleep(1)
                task = self.rest.task(metadata["task_id"])
                self.assertEqual((task["state"], task["attempt"]), ("downloading", 1))
                again = device.request("metadata")  # URLs may have grown old
                self.assertEqual((again["attempt"], again["missing"]), (1, [[2, 3]]))
                try:
                    device.download(again, only=[2, 3])
                except Refused as refused:
                    self.fail(f"fresh URLs are refused: {refused}")
                self.assertEqual(device.assembled(again), data)
                self.assertEqual(device.verify(again)["type"], "success")
                self.jump(0)
                self.assertEqual(self.rest.state(metadata["task_id"]), "installing")
                self.assertTrue(device.silent(0.5, ("metadata", "retry")), "it isn't repeated")

    def test_timers_neither_fire_early_nor_freeze(self):
        for name, hours in (("timer-forth", 7), ("timer-back", -9)):
            with self.subTest(name):
                device, metadata, _ = self.started(name)
                device.download(metadata, only=[0])
                begun = time.monotonic()
                self.daemon.shift(hours * HOUR)
                self.assertTrue(device.silent(STALL * 0.5 / PATIENCE, ("retry",)), "a stall is seen too early")
                retry = device.wait("retry", timeout=STALL * 3)
                self.assertEqual((retry["reason"], retry["attempt"]), ("stalled", 1))
                self.assertGreater(time.monotonic() - begun, STALL * 0.5)
                self.rest.wait_state(metadata["task_id"], "queued", timeout=STALL * 3)
                self.daemon.shift(0)
                self.assertEqual(device.run()["type"], "success")

    def test_expiry_and_start_keep_their_distance(self):
        self.firmware("2.0.0", "hw-later", GRID)
        hour = self.daemon.wall() + datetime.timedelta(hours=1)
        soon = self.daemon.wall() + datetime.timedelta(seconds=5)
        lasting = self.upgrade("lasting", "2.0.0", hardware="hw-later", expires_at=stamp(hour))
        brief = self.upgrade("brief", "2.0.0", hardware="hw-later", expires_at=stamp(soon))
        device = self.device("later", hardware="hw-later", version="1.0.0")
        device.request("up_to_date")
        begun = time.monotonic()
        waiting = self.upgrade("later", "2.0.0", not_before=stamp(self.daemon.wall() + datetime.timedelta(seconds=5)))
        self.jump(5 * HOUR)
        self.assertEqual({self.rest.state(task) for task in (lasting, brief, waiting)}, {"queued"})
        self.jump(-5 * HOUR)
        self.assertEqual(device.wait("metadata", timeout=15)["task_id"], waiting)
        self.assertGreater(time.monotonic() - begun, 3)
        self.rest.wait_state(brief, "expired", timeout=15)
        self.assertEqual(self.rest.state(lasting), "queued")
        self.daemon.shift(0)
        self.assertEqual(device.run()["type"], "success")

    def test_restart_with_the_clock_set_back(self):
        device, metadata, _ = self.started("rebooted")
        device.download(metadata, only=[0])
        wait_until(lambda: self.rest.task(metadata["task_id"])["progress"]["chunks"] == 1, "the chunk is known")
        self.daemon.stop()
        self.daemon.shift(-6 * HOUR)
        self.daemon.start()
        retry = device.wait("retry", timeout=STALL * 4)  # its timer lives
        self.assertEqual((retry["task_id"], retry["attempt"], retry["missing"]), (metadata["task_id"], 1, [[1, 3]]))
        self.assertEqual(device.run()["type"], "success")
        # Its last message has no answer that would say that it is committed: the kill could come first.
        self.rest.wait_state(metadata["task_id"], "succeeded")
        self.daemon.shift(0)
        self.daemon.restart()
        self.assertEqual(self.rest.state(metadata["task_id"]), "succeeded")

    def test_ids_are_unique_across_midnight_and_restarts(self):
        self.firmware("2.0.0", "hw-night", GRID)
        ids, over = [], threading.Event()

        def post():
            number = 0
            while not over.is_set():
                number += 1
                try:
                    ids.append(self.rest.upgrade(f"night-{number}", "2.0.0", hardware="hw-night").json["task_id"])
                except (OSError, AttributeError, KeyError):
                    time.sleep(0.02)

        poster = threading.Thread(target=post)
        poster.start()
        try:
            for kill in (False, True, False):
                now = datetime.datetime.now(datetime.timezone.utc)
                midnight = (now + datetime.timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
                self.daemon.shift(round((midnight - now).total_seconds()) - 1)  # 23:59:59
                count = len(ids)
                today, tomorrow = now.strftime("OTA_%Y%m%d_"), midnight.strftime("OTA_%Y%m%d_")
                wait_until(
                    lambda day=today, from_=count: any(i.startswith(day) for i in ids[from_:]), "before midnight"
                )
                wait_until(lambda day=tomorrow, from_=count: any(i.startswith(day) for i in ids[from_:]), "after it")
                if kill:
                    self.daemon.restart()
        finally:
            over.set()
            poster.join()
        self.assertEqual(len(ids), len(set(ids)))
        numbers = [int(task.split("_")[2]) for task in ids]
        self.assertEqual(numbers, sorted(set(numbers)))
        stored = {task["task_id"] for task in self.rest.items("/tasks", limit=1000)}
        self.assertLessEqual(set(ids), stored)


if __name__ == "__main__":
    main()
