"""The main job and the device's conversation: request, metadata, progress, verify, and every repeat of them."""
import re
import time

from device import Device, indexes
from harness import ServerCase, digest, main, wait_until

GRID = 65536


class Flow(ServerCase):
    settings = {"tasks.retry_backoff_s": 1, "tasks.retry_backoff_max_s": 1}

    def offered(self, name, version="2.0.0", size=5 * GRID + 100, **fields):
        """A device in the middle of an update of 6 chunks: device, its metadata, the image."""
        hardware = f"hw-{name}"
        data = self.firmware(version, hardware, size)
        device = self.device(name, hardware=hardware, version="1.0.0")
        device.request("up_to_date")
        task = self.upgrade(name, version, chunk_size=GRID // 1024, **fields)
        metadata = device.wait("metadata", task_id=task)
        return device, metadata, data

    def test_main_job(self):
        data = self.firmware("1.4.0", "gw-a", 20 * GRID + 1)
        device = self.device("gw-17", hardware="gw-a", version="1.3.2")
        self.assertEqual(device.request()["type"], "up_to_date")

        posted = self.rest.upgrade("gw-17", "1.4.0", chunk_size=64, checksum=digest(data), priority="high")
        self.assertEqual(posted.status, 201, posted)
        task = posted.json["task_id"]
        self.assertRegex(task, r"^OTA_\d{8}_\d{6,}$")
        self.assertEqual(posted.headers["location"].split("/")[-2:], ["tasks", task])
        self.assertEqual(
            {k: posted.json[k] for k in ("status", "device_id", "firmware_version", "priority")},
            {"status": "queued", "device_id": "gw-17", "firmware_version": "1.4.0", "priority": "high"},
        )
        self.assertRegex(posted.json["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")

        metadata = device.wait("metadata")
        self.check_metadata(metadata, task, data)
        self.assertTrue(device.download(metadata))
        self.assertEqual(device.assembled(metadata), data)
        success = device.verify(metadata)
        self.assertEqual((success["type"], success["task_id"], success["version"]), ("success", task, "1.4.0"))
        self.assertIn("confirm_by", success)  # it tells its version, so it can confirm
        self.assertEqual(self.rest.state(task), "installing")  # on disk before it was answered

        device.version = "1.4.0"
        self.assertEqual(device.request()["type"], "up_to_date")
        self.assertEqual(self.rest.state(task), "succeeded")
        self.check_books(task, data)

    def check_metadata(self, metadata, task, data):
        expected = {
            "task_id": task,
            "version": "1.4.0",
            "hardware": "gw-a",
            "priority": "high",
            "attempt": 1,
            "max_attempts": 3,
            "size": len(data),
            "checksum": digest(data),
            "chunk_bytes": GRID,
            "chunk_count": 21,
            "missing": [[0, 20]],
        }
        self.assertEqual({key: metadata.get(key) for key in expected}, expected)
        self.assertEqual(metadata["chunks"], [digest(data[i : i + GRID])[7:] for i in range(0, len(data), GRID)])
        self.assertEqual(metadata["transports"][0], "http")
        self.assertIn("{index}", metadata["chunk_url"])
        self.assertTrue(metadata["url"].startswith(f"http://127.0.0.1:{self.daemon.port}/"), metadata["url"])
        self.assertRegex(metadata["urls_expire_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
        self.assertEqual((metadata["…"]["qos"], metadata["…"]["retained"]), (1, 0))

    def check_books(self, task, data):
        """What the operators see of the update afterwards."""
        shown = self.rest.task(task)
        self.assertEqual(
            (shown["task_id"], shown["state"], shown["priority"], shown["attempt"]), (task, "succeeded", "high", 1)
        )
        self.assertEqual(shown["progress"]["percent"], 100)
        self.assertEqual(shown["progress"]["bytes"], len(data))
        self.assertTrue({"chunks", "rate"} <= set(shown["progress"]), shown["progress"])
        self.assertIn("link", shown)
        timeline = str(shown["timeline"])
        for state in ("queued", "offered", "downloading", "succeeded"):
            self.assertIn(state, timeline)
        entries = self.rest.get(f"/tasks/{task}/log")["items"]
        self.assertGreaterEqual(len(entries), 4)
        self.assertIn(("queued", "offered"), [(entry["from"], entry["to"]) for entry in entries])
        runs = [entry for entry in entries if entry["kind"] == "chunks"]
        self.assertEqual(sorted(index for run in runs for index in indexes(run["chunks"])), list(range(21)))
        self.assertEqual(sum(run["bytes"] for run in runs), len(data))
        registered = self.rest.get("/devices/gw-17")
        self.assertEqual((registered["hardware"], registered["current_version"]), ("gw-a", "1.4.0"))
        self.assertIn("gw-17", [item["device_id"] for item in self.rest.items("/devices")])

    def test_device_names_the_version(self):
        self.firmware("3.1.0", "hw-named")
        device = self.device("named", hardware="hw-named", version="3.0.0")
        metadata = device.request("metadata", version="3.1.0", max_chunk_bytes=40000)
        self.assertEqual((metadata["version"], metadata["priority"]), ("3.1.0", "normal"))
        self.assertLessEqual(metadata["chunk_bytes"], 40000)
        self.assertEqual(device.request("metadata", version="9.9.9")["task_id"], metadata["task_id"])  # amid a task
        device.download(metadata)
        self.assertEqual(device.verify(metadata)["type"], "success")
        device.version = "3.1.0"
        self.assertEqual(device.request(version="3.1.0")["type"], "up_to_date")

    def test_device_names_what_it_cannot_have(self):
        self.firmware("3.1.0", "hw-mine")
        self.firmware("7.0.0", "hw-foreign")
        device = self.device("wishes", hardware="hw-mine", version="3.2.0")
        for version, code in (("8.8.8", "no_such_firmware"), ("7.0.0", "wrong_hardware"), ("3.1.0", "downgrade")):
            with self.subTest(version):
                error = device.request("error", version=version)
                self.assertEqual(error["code"], code)
                self.assertTrue(error["message"])
        self.assertEqual(self.rest.items("/tasks", device_id="wishes"), [])

    def test_whole_update_by_itself(self):
        for name, mqtt5 in (("auto5", True), ("auto3", False)):
            with self.subTest(name):
                self.firmware("2.0.0", f"hw-{name}", 300_000)
                task = self.upgrade(name, "2.0.0", hardware=f"hw-{name}")
                device = self.device(name, hardware=f"hw-{name}", version="1.0.0", mqtt5=mqtt5)
                self.assertEqual(device.run()["type"], "success")
                self.rest.wait_state(task, "succeeded")

    def test_empty_payload_is_an_empty_object(self):
        device = self.device("empty")
        device.send("request", b"")
        self.assertEqual(device.wait()["type"], "up_to_date")

    def test_many_chunks_come_by_manifest(self):
        data = self.firmware("2.0.0", "hw-many", 200 * 1024)
        device = self.device("many", hardware="hw-many", version="1.0.0")
        task = self.upgrade("many", "2.0.0", chunk_size=1, hardware="hw-many")
        metadata = device.request("metadata")
        self.assertEqual((metadata["task_id"], metadata["chunk_count"]), (task, 200))
        self.assertNotIn("chunks", metadata)
        device.download(metadata)
        self.assertEqual(device.assembled(metadata), data)
        self.assertEqual(device.verify(metadata)["type"], "success")

    def test_request_again_gives_the_same_task(self):
        device, metadata, _ = self.offered("again")
        for _ in range(3):
            repeat = device.request("metadata")
            self.assertEqual((repeat["task_id"], repeat["attempt"]), (metadata["task_id"], 1))
        self.assertEqual(len(self.rest.items("/tasks", device_id="again")), 1)

    def test_restarted_device_resumes(self):
        device, metadata, data = self.offered("resumes")
        device.download(metadata, only=[0, 1, 4])
        flash = device.chunks
        device.close()
        reborn = self.device("resumes", hardware="hw-resumes", version="1.0.0")
        again = reborn.request("metadata")
        self.assertEqual((again["task_id"], again["attempt"]), (metadata["task_id"], 1))
        self.assertEqual(again["missing"], [[2, 3], [5, 5]])
        reborn.use(again)
        reborn.chunks = flash
        reborn.download(again)
        self.assertEqual(sorted(reborn.fetched), [2, 3, 5])
        self.assertEqual(reborn.assembled(again), data)
        self.assertEqual(reborn.verify(again)["type"], "success")

    def test_forgetful_device_knows_better(self):
        device, metadata, data = self.offered("forgets")
        device.download(metadata)
        device.forget()
        again = device.request("metadata")
        device.download(again, only=range(again["chunk_count"]))
        self.assertEqual(device.assembled(again), data)
        self.assertEqual(device.verify(again)["type"], "success")

    def test_progress_in_ranges_and_percent_is_shown(self):
        device, metadata, _ = self.offered("shown")
        device.progress(metadata, chunks=[[0, 2]], status="ok", transport="http", rtt_ms=48, rssi=-71, loss=0.02)
        wait_until(lambda: self.rest.task(metadata["task_id"])["progress"]["percent"] >= 50, "half is shown")
        self.rest.wait_state(metadata["task_id"], "downloading")
        self.assertEqual(device.request("metadata")["missing"], [[3, 5]])
        device.progress(metadata, percent=80)
        device.progress(metadata, state="downloading", some_new_field={"a": 1})
        self.assertTrue(device.silent())

    def pause_long(self):
        """retry_after_s longer than any machine takes, for repeats within it."""
        self.addCleanup(self.reload, dict(self.settings))
        self.reload({"tasks.retry_backoff_s": 3600, "tasks.retry_backoff_max_s": 3600})

    def test_wrong_checksum_three_times(self):
        self.pause_long()
        device, metadata, _ = self.offered("wrong")
        device.download(metadata)
        wrong = digest(b"wrong")
        retry = device.verify(metadata, checksum=wrong)
        self.check_retry(retry, metadata, 2, "checksum_mismatch")
        self.assertEqual(retry["missing"], [[0, 5]])
        self.assertEqual(self.rest.state(metadata["task_id"]), "retry_wait")

        again = device.verify(metadata, checksum=wrong)  # attempt 1: a repeat
        self.assertEqual((again["type"], again["attempt"], again["missing"]), ("retry", 2, [[0, 5]]))
        again = device.verify(metadata, checksum=wrong, attempt=None)  # no attempt, within retry_after_s: a repeat
        self.assertEqual((again["type"], again["attempt"]), ("retry", 2))

        third = device.verify(retry, checksum=wrong, bad_chunks=[[1, 2]])
        self.check_retry(third, metadata, 3, "checksum_mismatch")
        self.assertEqual(third["missing"], [[1, 2]])
        for _ in range(2):
            failed = device.verify(third, checksum=wrong)
            self.assertEqual(
                (failed["type"], failed["task_id"], failed["reason"], failed["attempts"]),
                ("failed", metadata["task_id"], "checksum_mismatch", 3),
            )
            self.assertEqual(self.rest.state(metadata["task_id"]), "failed")
        self.assertEqual(device.request()["type"], "up_to_date")

    def test_late_repeat_of_a_wrong_verify_spends_nothing(self):
        self.pause_long()
        device, metadata, _ = self.offered("echoes")
        device.download(metadata)
        wrong = digest(b"wrong")
        retry = device.verify(metadata, checksum=wrong, bad_chunks=[[2, 2]])
        self.assertEqual((retry["type"], retry["attempt"]), ("retry", 2))
        device.chunks.pop(2)
        device.download(retry)  # sooner than it was told
        device.progress(retry, chunk=2, status="ok")
        repeat = device.verify(metadata, checksum=wrong, attempt=None)
        self.assertEqual((repeat["type"], repeat["attempt"]), ("retry", 2))
        self.assertEqual(self.rest.task(metadata["task_id"])["attempt"], 2)

    def check_retry(self, retry, metadata, attempt, reason):
        self.assertEqual(
            (retry["type"], retry["task_id"], retry["attempt"], retry["max_attempts"], retry["reason"]),
            ("retry", metadata["task_id"], attempt, 3, reason),
        )
        self.assertGreaterEqual(retry["retry_after_s"], 0)
        lacking = set(metadata) - set(retry)
        self.assertFalse(lacking, "retry carries every field of metadata")

    def test_right_image_after_a_wrong_one(self):
        device, metadata, data = self.offered("mends")
        device.download(metadata)
        good = device.chunks[3]
        device.chunks[3] = bytes(len(good))
        retry = device.verify(metadata, bad_chunks=[[3, 3]])
        self.assertEqual((retry["type"], retry["missing"]), ("retry", [[3, 3]]))
        device.chunks.pop(3)
        device.download(retry)
        self.assertEqual(device.fetched, {0: 1, 1: 1, 2: 1, 3: 2, 4: 1, 5: 1})
        self.assertEqual(device.assembled(retry), data)
        for _ in range(2):  # and again: success again
            self.assertEqual(device.verify(retry)["type"], "success")
        self.assertEqual(self.rest.task(metadata["task_id"])["attempt"], 2)

    def test_chunk_mismatch(self):
        device, metadata, _ = self.offered("spoilt")
        device.download(metadata)
        for attempt in (1, 2, 3):
            for count in (1, 2):
                device.progress(metadata, chunk=1, status="mismatch")
                retry = device.wait()
                self.check_retry(retry, metadata, attempt, "chunk_mismatch")
                self.assertIn(1, indexes(retry["missing"]))
                if attempt == 1:
                    self.assertEqual(retry["missing"], [[1, 1]])
            device.progress(metadata, chunk=1, status="mismatch")
            if attempt < 3:
                self.check_retry(device.wait(), metadata, attempt + 1, "chunk_mismatch")
        failed = device.wait()
        self.assertEqual((failed["type"], failed["reason"], failed["attempts"]), ("failed", "chunk_mismatch", 3))
        self.assertEqual(self.rest.state(metadata["task_id"]), "failed")

    def test_device_reports_failed(self):
        device, metadata, _ = self.offered("fails")
        retry = metadata
        for attempt in (2, 3):
            device.download(retry, only=[attempt])
            device.progress(metadata, state="failed", reason="flash is worn out")
            retry = device.wait()
            self.check_retry(retry, metadata, attempt, "device_failed")
            device.progress(metadata, state="failed", reason="flash is worn out")  # at once again: a repeat
            repeat = device.wait()
            self.assertEqual((repeat["type"], repeat["attempt"]), ("retry", attempt))
            time.sleep(retry["retry_after_s"])
        device.download(retry, only=[4])
        device.progress(metadata, state="failed", reason="flash is worn out")
        failed = device.wait()
        self.assertEqual((failed["type"], failed["reason"], failed["attempts"]), ("failed", "device_failed", 3))
        self.assertRegex(str(self.rest.get(f"/tasks/{metadata['task_id']}/log")), "flash is worn out")

    def test_confirmation_by_progress(self):
        device, metadata, _ = self.offered("confirms", confirm=True)
        self.install(device, metadata)
        device.progress(metadata, state="installing")
        device.progress(metadata, state="rebooting")
        again = device.request("success")  # with the old version: still waiting
        self.assertEqual(again["task_id"], metadata["task_id"])
        self.assertEqual(self.rest.state(metadata["task_id"]), "installing")
        device.progress(metadata, state="installed")
        self.rest.wait_state(metadata["task_id"], "succeeded")

    def test_confirmation_by_request(self):
        device, metadata, _ = self.offered("returns", confirm=True)
        self.install(device, metadata)
        device.version = metadata["version"]
        self.assertEqual(device.request()["type"], "up_to_date")
        self.assertEqual(self.rest.state(metadata["task_id"]), "succeeded")

    def test_rolled_back_ends_at_once(self):
        device, metadata, _ = self.offered("throws", confirm=True)
        self.install(device, metadata)
        device.progress(metadata, state="rolled_back", reason="watchdog")
        task = self.rest.wait_state(metadata["task_id"], "failed")
        self.assertEqual(task["attempt"], 1)
        self.assertRegex(str(self.rest.get(f"/tasks/{metadata['task_id']}/log")), "rolled_back")
        self.assertEqual(device.request()["type"], "up_to_date")

    def install(self, device, metadata):
        device.download(metadata)
        for _ in range(2):
            success = device.verify(metadata)
            self.assertEqual(success["type"], "success")
            self.assertRegex(success["confirm_by"], r"^\d{4}-\d\d-\d\dT.*Z$")
        self.assertEqual(self.rest.state(metadata["task_id"]), "installing")

    def test_cancelled(self):
        device, metadata, _ = self.offered("stops")
        device.download(metadata, only=[0, 1])
        answer = self.rest.call("POST", f"/tasks/{metadata['task_id']}/cancel")
        self.assertIn(answer.status, (200, 202, 204), answer)
        cancel = device.wait()
        self.assertEqual(
            (cancel["type"], cancel["task_id"], cancel["reason"]), ("cancel", metadata["task_id"], "cancelled")
        )
        self.assertEqual(self.rest.state(metadata["task_id"]), "cancelled")
        self.assertEqual(device.get(metadata["url"])[0], 410)
        self.assertEqual(device.get(metadata["chunk_url"].replace("{index}", "3"))[0], 410)
        late = device.verify(metadata, "error", "cancel", checksum=metadata["checksum"])
        if late["type"] == "error":
            self.assertEqual(late["code"], "task_ended")
        problem = self.assert_problem(self.rest.call("POST", f"/tasks/{metadata['task_id']}/cancel"), 409)
        self.assertIn("cancelled", str(problem))
        self.assertEqual(self.rest.state(metadata["task_id"]), "cancelled")

    def test_superseded(self):
        for version in ("2.0.0", "1.9.0"):
            self.firmware(version, "hw-newer")
        device = Device("newer", self.broker.port, hardware="hw-newer", version="1.0.0")
        new = self.upgrade("newer", "2.0.0", priority="high", hardware="hw-newer")
        old = self.upgrade("newer", "1.9.0", hardware="hw-newer")
        self.addCleanup(device.close)
        device.connect()
        success = device.run()
        self.assertEqual((success["type"], success["task_id"]), ("success", new))
        task = self.rest.wait_state(old, "cancelled")
        self.assertRegex(str(task) + str(self.rest.get(f"/tasks/{old}/log")), "superseded")

    def test_late_chunks_change_nothing_and_a_late_failure_does(self):
        device, metadata, _ = self.offered("late", confirm=False)
        device.download(metadata)
        self.assertEqual(device.verify(metadata)["type"], "success")
        device.progress(metadata, chunk=1, status="mismatch")
        self.assertEqual(device.verify(metadata)["type"], "success")
        task = self.rest.get(f"/tasks/{metadata['task_id']}")
        self.assertEqual((task["state"], task["confirmed"]), ("succeeded", False))
        device.progress(metadata, state="rolled_back", reason="no DNS\nafter the restart")
        self.assertEqual(device.wait()["reason"], "rolled_back")
        self.assertEqual(device.verify(metadata, "failed")["reason"], "rolled_back")
        task = self.rest.get(f"/tasks/{metadata['task_id']}")
        self.assertEqual((task["state"], task["reason"], task["detail"]),
                         ("failed", "rolled_back", "no DNS\nafter the restart"))
        self.assertIn("no DNS after the restart", task["explanation"])
        self.assertEqual(self.rest.get("/devices/late")["current_version"], device.version)
        self.assertEqual(self.rest.call("POST", "/firmware/upgrade",
                                        {"device_id": "late", "firmware_version": metadata["version"]}).status, 201)

    def test_topics_and_types_agree(self):
        device, metadata, _ = self.offered("types")
        device.verify(metadata, checksum=digest(b"x"))
        device.request(version="none")
        for message in device.seen:
            self.assertEqual(message["type"], message["…"]["topic"])
            self.assertFalse(message["…"]["retained"])

    def test_health_and_metrics(self):
        self.assertEqual(self.rest.call("GET", "/healthz").status, 200)
        ready = self.rest.call("GET", "/readyz")
        self.assertEqual(ready.status, 200)
        for part in ("broker", "database", "disk"):
            self.assertIn(part, ready.body.decode())
        metrics = self.rest.call("GET", "/metrics")
        self.assertTrue(metrics.headers["content-type"].startswith("text/plain"), metrics.headers)
        lines = metrics.body.decode().splitlines()
        sample = re.compile(r'^[a-zA-Z_:][\w:]*(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-+0-9.eEnfaNI]+$')
        self.assertTrue([line for line in lines if line.startswith("# TYPE")])
        self.assertEqual([line for line in lines if line and line[0] != "#" and not sample.match(line)], [])


if __name__ == "__main__":
    main()
