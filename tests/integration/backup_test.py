"""Backups: made, refused with a reason, restored; and databases that are not what they should be."""
import contextlib
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import unittest

from harness import BUILD, ENVIRONMENT, OTAD, PATIENCE, ServerCase, database_of, main, wait_until


def number_of(task_id):
    return int(task_id.split("_")[2])


class Backup(ServerCase):
    @property
    def database(self):
        return pathlib.Path(self.daemon.settings["storage.database"])

    def put_back(self, copy):
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.database}{ending}")
        shutil.copy(copy, self.database)

    def test_what_cannot_be_written_is_said(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        for target, status in (
            (self.folder, 1),
            (fifo, 1),
            (self.database, 1),
            ("/dev/full", 1),
            (self.folder / "nowhere" / "copy.db", 1),
            (self.database / "copy.db", 1),
            (self.folder / ("x" * 300), 1),
            ("", 2),
            (f"{self.folder}/copy/", 2),
        ):
            with self.subTest(str(target)):
                done = self.otad("backup", str(target), status=status)
                self.assertRegex(done.stderr, r"^otad: .+\n$")
                self.assertNotIn("terminate", done.stderr)
        self.assertEqual(list(self.folder.glob("*.part*")), [])
        link = self.folder / "link"
        link.symlink_to(self.folder / "nothing")
        self.otad("backup", str(link))
        self.assertFalse(link.is_symlink(), "replaced, not followed")

    def test_numbers_go_on_above_all_that_were_given_out(self):
        self.firmware("2.0.0", "hw-numbers")

        def order(name):
            return self.upgrade(name, "2.0.0", hardware="hw-numbers")

        order("numbers-1")
        copy = self.folder / "copy.db"
        self.otad("backup", str(self.folder / "copy.otad"))
        database_of(self.folder / "copy.otad", copy)
        raw = self.folder / "raw.db"
        self.assertEqual(self.daemon.stop(), 0)
        shutil.copy(self.database, raw)
        self.daemon.start()
        given = [order(f"numbers-{number}") for number in range(2, 6)]
        # A copy by cp, put back beside the file with the numbers; one by backup; and that where the file is gone too.
        for source, marks in ((raw, True), (copy, False)):
            self.assertEqual(self.daemon.stop(), 0)
            self.put_back(source)
            if not marks:
                os.unlink(f"{self.database}.numbers")
            mark = len(self.daemon.log())
            self.daemon.start()
            self.assertTrue(self.daemon.log_lines("none is given out twice", mark))
            fresh = [order(f"numbers-{number}") for number in range(2, 4)]
            self.assertEqual(number_of(fresh[1]), number_of(fresh[0]) + 1)
            self.assertGreater(number_of(fresh[0]), max(map(number_of, given)))
            # What a device says of a task of the time after the copy is not taken for a new one.
            answer = self.rest.call("POST", "/ota/numbers-2/progress", {"task_id": given[0], "state": "failed"})
            self.assertEqual((answer.status, answer.json["code"]), (404, "unknown_task"))
            given += fresh
        self.assertEqual(self.daemon.stop(), 0)
        mark = len(self.daemon.log())
        self.daemon.start()
        self.assertEqual(self.daemon.log_lines("none is given out twice", mark), [], "once for each copy")

    def test_a_database_that_is_not_whole_is_not_started_on(self):
        self.assertEqual(self.daemon.stop(), 0)
        good = self.database.read_bytes()
        page = 4096
        for name, bad in (
            ("a page amid it", good[: 5 * page] + b"\xff" * page + good[6 * page :]),
            ("its end", good[: len(good) // page // 2 * page]),
            ("its header", b"\0" * 100 + good[100:]),
            ("another file", b"#!/bin/sh\n" + b"echo\n" * 1000),
        ):
            with self.subTest(name):
                self.database.write_bytes(bad)
                done = self.otad(status=1)
                self.assertIn(str(self.database), done.stderr)
                self.assertRegex(done.stderr, r"(?i)restore a backup")
                self.assertEqual(self.database.read_bytes(), bad, "nothing is changed")
        self.database.write_bytes(b"")
        with contextlib.closing(sqlite3.connect(self.database)) as other:
            other.execute("CREATE TABLE bookmarks (url TEXT)")
        bad = self.database.read_bytes()
        self.assertIn("another program", self.otad(status=1).stderr)
        self.assertEqual(self.database.read_bytes(), bad)
        self.database.write_bytes(good)
        self.daemon.start()

    def test_a_row_that_cannot_be_read_is_passed_over_and_named(self):
        self.firmware("2.0.0", "hw-row")
        ids = [self.upgrade(f"row-{number}", "2.0.0", hardware="hw-row") for number in range(3)]
        device = self.device("row-1", hardware="hw-row", version="1.0.0")
        self.assertEqual(self.daemon.stop(), 0)
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            database.execute("UPDATE tasks SET state = 77, due = 1, wait_reason = 1 WHERE number = ?", [number_of(ids[0])])
            database.commit()
        self.daemon.start(ready=False)
        listed = [task["task_id"] for task in self.rest.items("/tasks", version="2.0.0", limit=1)]
        self.assertNotIn(ids[0], listed)
        self.assertLessEqual(set(ids[1:]), set(listed))
        check = self.rest.call("GET", "/readyz").json["checks"]["database"]
        self.assertEqual((check["ok"], check["code"]), (False, "bad_rows"))
        self.assertIn(f"tasks {number_of(ids[0])}", check["detail"])
        self.assertIn("can't be read", self.assert_problem(self.rest.call("GET", f"/tasks/{ids[0]}"), 503)["detail"])
        self.assertEqual(device.run()["task_id"], ids[1])
        self.assertEqual(self.daemon.stop(), 0)
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            database.execute("DELETE FROM tasks WHERE state = 77")
            database.commit()
        self.daemon.start()

    @unittest.skipIf(os.geteuid() != 0, "only root may look into a process that can't be dumped")
    def test_closed_descriptors_are_nothing(self):
        """What is written to standard error must not end in a file that got its number."""
        self.assertEqual(self.daemon.stop(), 0)
        lock = pathlib.Path(f"{self.database}.lock")
        log = self.folder / "own.log"
        self.daemon.settings["log.file"] = str(log)
        self.daemon.write_config()
        agent = [str(BUILD / "ota-agent"), "--id", "x", "--broker", "tcp://127.0.0.1:1", "--current-version", "1",
                 "--state-dir", str(self.folder / "agent"), "--install", "/bin/true"]  # fmt: skip
        for command in ([OTAD, "--config", str(self.daemon.config)], agent):
            for closed in ((2,), (1, 2), (0, 1, 2)):
                with self.subTest(command[0], closed=closed):
                    program = subprocess.Popen(
                        ["sh", "-c", 'exec "$@" ' + " ".join(f"{number}>&-" for number in closed), "sh", *command],
                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
                    )  # fmt: skip
                    try:
                        running = pathlib.Path(os.path.realpath(command[0]))
                        exe = pathlib.Path(f"/proc/{program.pid}/exe")
                        wait_until(lambda: exe.exists() and exe.resolve() == running, "it runs")
                        descriptors = f"/proc/{program.pid}/fd"
                        wait_until(lambda: len(os.listdir(descriptors)) > 3, "it has opened files of its own")
                        # What a sanitizer opens before main() takes one of them for a moment.
                        nothing = lambda: all(os.path.realpath(f"{descriptors}/{n}") == "/dev/null" for n in closed)
                        wait_until(nothing, f"{closed} are nothing: {os.listdir(descriptors)}")
                        limits = pathlib.Path(f"/proc/{program.pid}/limits").read_text()
                        self.assertRegex(limits, r"Max core file size +0 +0")
                    finally:
                        program.terminate()
                        program.wait(20 * PATIENCE)
        self.assertRegex(lock.read_text(), r"^\d+\n$")
        del self.daemon.settings["log.file"]
        self.daemon.start()

    def test_a_reload_says_what_changed(self):
        kept = dict(self.daemon.settings)
        mark = len(self.daemon.log())
        self.daemon.settings |= {"tasks.max_active": 7, "http.threads": 3}
        self.daemon.write_config()
        self.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: self.daemon.log_lines("settings were read again", mark), "it was read")
        self.assertTrue(self.daemon.log_lines("tasks.max_active: 100 -> 7", mark))
        self.assertIn("restart", self.daemon.log_lines("http.threads: 0 -> 3", mark)[0])
        self.daemon.settings = kept
        self.daemon.write_config()
        self.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: self.daemon.log_lines("tasks.max_active: 7 -> 100", mark), "and back")


if __name__ == "__main__":
    main()
