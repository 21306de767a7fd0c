"""kill -9, restarts of either side, and backups: what was answered stands, what was sent arrives."""
import contextlib
import http.client
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from device import Refused
from harness import ENVIRONMENT, Daemon, MIB, OTAD, PATIENCE, ServerCase, database_of, digest, image, main, wait_until

GRID = 65536


class Restart(ServerCase):
    persistence = True
    settings = {"shutdown_grace_s": 3, "tasks.retry_backoff_s": 1, "tasks.retry_backoff_max_s": 1}

    def started(self, name, chunks=6, **fields):
        hardware = f"hw-{name}"
        data = self.firmware("2.0.0", hardware, chunks * GRID)
        device = self.device(name, hardware=hardware, version="1.0.0")
        device.request("up_to_date")
        task = self.upgrade(name, "2.0.0", chunk_size=64, **fields)
        return device, device.wait("metadata", task_id=task), data

    def test_what_was_answered_stands(self):
        data = image("stands", 500_000)
        self.assertEqual(self.rest.upload("2.0.0", data, "hw-stands").status, 201)
        self.daemon.restart()
        posted = self.rest.upgrade("stands", "2.0.0", {"Idempotency-Key": "stands-1"}, hardware="hw-stands")
        self.assertEqual(posted.status, 201, posted)
        self.daemon.restart()
        task = posted.json["task_id"]
        again = self.rest.upgrade("stands", "2.0.0", {"Idempotency-Key": "stands-1"}, hardware="hw-stands")
        self.assertEqual((again.status, again.json), (201, posted.json))
        self.assertEqual(self.rest.call("PATCH", f"/tasks/{task}", {"priority": "high"}).status, 200)
        self.daemon.restart()
        self.assertEqual(self.rest.task(task)["priority"], "high")
        device = self.device("stands", hardware="hw-stands", version="1.0.0")
        metadata = device.request("metadata")
        device.download(metadata)
        self.assertEqual(device.assembled(metadata), data)
        self.assertEqual(device.verify(metadata)["type"], "success")
        self.daemon.restart()
        self.assertEqual(self.rest.state(task), "installing")
        self.assertEqual(device.verify(metadata)["type"], "success")
        self.assertNotEqual(self.upgrade("stands-2", "2.0.0", hardware="hw-stands"), task)

    def test_attempts_and_waits_survive(self):
        device, metadata, _ = self.started("tries")
        device.download(metadata)
        retry = device.verify(metadata, checksum=digest(b"x"), bad_chunks=[[2, 2]])
        self.daemon.restart()
        self.assertEqual(self.rest.task(metadata["task_id"])["attempt"], 2)
        again = device.verify(metadata, checksum=digest(b"x"), bad_chunks=[[2, 2]])
        self.assertEqual((again["type"], again["attempt"], again["missing"]), ("retry", 2, retry["missing"]))

    def test_killed_amid_a_download(self):
        device, metadata, data = self.started("amid", 60)
        for kill_at in (10, 30, 50):
            device.download(metadata, only=range(kill_at))
            self.rest.wait_state(metadata["task_id"], "downloading")  # known before the kill
            killer = threading.Thread(target=self.daemon.restart)
            killer.start()
            with contextlib.suppress(OSError, http.client.HTTPException, Refused):
                device.download(metadata)
            killer.join()
            self.assertEqual(self.rest.state(metadata["task_id"]), "downloading")
            metadata = device.request("metadata")
            self.assertEqual(metadata["attempt"], 1)
        device.download(metadata, only=range(60))
        self.assertEqual(device.assembled(metadata), data)
        self.assertLessEqual(sum(device.fetched.values()), 60 + 3, "no good chunk twice")
        self.assertEqual(device.verify(metadata)["type"], "success")

    def test_killed_around_verify(self):
        for number, wait in enumerate((0.0, 0.005, 0.02, 0.05)):
            device, metadata, _ = self.started(f"verify-{number}")
            device.download(metadata)
            device.send("verify", {"task_id": metadata["task_id"], "attempt": 1, "checksum": metadata["checksum"]})
            time.sleep(wait)
            self.daemon.kill()
            told = device.peek("success")
            self.daemon.start()
            if told:
                self.assertEqual(self.rest.state(metadata["task_id"]), "installing")
            self.assertEqual(device.verify(metadata)["type"], "success")
            self.assertEqual(self.rest.task(metadata["task_id"])["attempt"], 1)

    def test_killed_amid_uploads(self):
        data = image("uploads", 8 * MIB)
        before = self.images()
        answers = {}
        for number in range(4):

            def put(number=number):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    answers[number] = self.rest.upload(f"1.0.{number}", data, "hw-uploads").status

            thread = threading.Thread(target=put)
            thread.start()
            time.sleep(0.03 * number)
            self.daemon.restart()
            thread.join()
            stored = {
                item["version"]: item["checksum"]
                for item in self.rest.items("/firmware")
                if item["hardware"] == "hw-uploads"
            }
            for done, status in answers.items():
                self.assertEqual((status, stored.get(f"1.0.{done}")), (201, digest(data)))
            self.assertEqual(set(stored.values()) - {digest(data)}, set())
        for number in range(4):
            self.assertIn(self.rest.upload(f"1.0.{number}", data, "hw-uploads").status, (200, 201))
        broken = [path for path in self.images() - before if 64 * 1024 <= path.stat().st_size != len(data)]
        self.assertEqual(broken, [], "broken uploads are cleaned away")

    def images(self):
        return {path for path in (self.folder / "firmware").rglob("*") if path.is_file()}

    def test_messages_sent_meanwhile_arrive(self):
        device, metadata, _ = self.started("patient")
        device.download(metadata)
        self.daemon.kill()
        device.send("verify", {"task_id": metadata["task_id"], "attempt": 1, "checksum": metadata["checksum"]})
        self.daemon.start()
        self.assertEqual(device.wait("success")["task_id"], metadata["task_id"])  # without asking again

    def test_stops_as_told(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                self.daemon.send_signal(number)
                self.assertEqual(self.daemon.process.wait(10 * PATIENCE), 0)
                self.daemon.start()

    def test_signals_of_other_daemons_end_nothing(self):
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            with self.subTest(number.name):
                mark = len(self.daemon.log())
                self.daemon.send_signal(number)
                wait_until(lambda: self.daemon.log_lines("SIGHUP reads the settings again", mark), "the log says which")
                self.assertEqual(self.rest.call("GET", "/healthz").status, 200)

    def test_stops_within_the_grace_under_load(self):
        """A reader that takes nothing holds the line; the daemon doesn't wait for it longer than it was told."""
        device, metadata, _ = self.started("leech", 500)
        address = metadata["url"].split("/", 3)
        with socket.create_connection(("127.0.0.1", self.daemon.port), 10) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.sendall(f"GET /{address[3]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self.assertIn(b"200", line.recv(100))
            begun = time.monotonic()
            self.assertEqual(self.daemon.stop(), 0)
            self.assertLess(time.monotonic() - begun, 3 + 2 * PATIENCE)
        self.daemon.start()
        self.assertIn(self.rest.state(metadata["task_id"]), ("offered", "downloading", "queued"))

    def test_hangup_names_what_cannot_change(self):
        kept = dict(self.daemon.settings)
        self.addCleanup(self.daemon.settings.update, kept)
        mark = len(self.daemon.log())
        self.daemon.settings["storage.database"] = str(self.folder / "another.db")
        self.daemon.settings["log.level"] = "debug"
        self.daemon.write_config()
        self.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: self.daemon.log_lines("storage.database", mark), "the log names the key")
        self.assertEqual(self.rest.call("GET", "/healthz").status, 200)
        mark = len(self.daemon.log())
        self.daemon.config.write_text("[tasks]\nmax_activ = 5\n")
        self.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: self.daemon.log_lines("max_activ", mark), "the log names the misspelt key")
        self.assertEqual(self.rest.call("GET", "/healthz").status, 200)
        self.daemon.settings.update(kept, **{"log.level": "info"})
        self.daemon.write_config()
        self.daemon.send_signal(signal.SIGHUP)

    def test_backup_under_load(self):
        self.firmware("2.0.0", "hw-backup")
        over, posted = threading.Event(), []

        def load():
            number = 0
            while not over.is_set():
                answer = self.rest.upgrade(f"backup-{number}", "2.0.0", hardware="hw-backup")
                posted.append(answer.json["task_id"])
                number += 1

        loader = threading.Thread(target=load)
        loader.start()
        try:
            for number in range(3):
                wait_until(lambda count=len(posted): len(posted) > count + 20, "upgrades are posted")
                before = len(posted)
                backup, copy = self.folder / f"backup-{number}.otad", self.folder / f"backup-{number}.db"
                done = subprocess.run(
                    [OTAD, "--config", str(self.daemon.config), "backup", str(backup)],
                    capture_output=True,
                    text=True,
                    timeout=60,
                    env=ENVIRONMENT,
                    check=False,
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                with contextlib.closing(sqlite3.connect(database_of(backup, copy))) as database:
                    self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
                    self.assertEqual(database.execute("PRAGMA foreign_key_check").fetchall(), [])
        finally:
            over.set()
            loader.join()
        folder = self.folder / "restored"
        shutil.copytree(self.folder / "firmware", folder / "firmware")
        restored = Daemon(folder, self.broker.port, {"storage.database": str(copy), "mqtt.client_id": "restored"})
        self.addCleanup(restored.kill)
        restored.start()
        self.assertEqual(restored.rest.task(posted[before - 1])["device_id"], f"backup-{before - 1}")
        self.assertEqual(restored.stop(), 0)


if __name__ == "__main__":
    main()
