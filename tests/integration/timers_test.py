"""What happens when nobody speaks: offers, stalls, confirmations, expiry, waiting for a time, URLs that grow old."""
import datetime

from harness import ServerCase, main, wait_until

GRID = 65536


def in_seconds(seconds):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def chunk_url(metadata, index):
    return metadata["chunk_url"].replace("{index}", str(index))


class Timers(ServerCase):
    """Each test sets the one timer that it is about to a second, and back before what must be in time again."""

    settings = {"tasks.retry_backoff_s": 1, "tasks.retry_backoff_max_s": 1}
    PATIENT = {f"tasks.{name}_timeout_s": 600 for name in ("offer", "stall", "confirm")}

    def setUp(self):
        self.reload(self.PATIENT)

    def short(self, name):
        self.reload({f"tasks.{name}_timeout_s": 1})

    def offered(self, name, **fields):
        self.firmware("2.0.0", f"hw-{name}", 4 * GRID)
        device = self.device(name, hardware=f"hw-{name}", version="1.0.0")
        device.request("up_to_date")
        task = self.upgrade(name, "2.0.0", chunk_size=64, **fields)
        return device, device.wait("metadata", task_id=task)

    def states(self, task):
        return [entry["state"] for entry in self.rest.task(task)["timeline"]]

    def test_offer_without_a_word_goes_back(self):
        self.short("offer")
        device, metadata = self.offered("mute")
        task = self.rest.wait_state(metadata["task_id"], "queued")
        self.assertEqual(task["attempt"], 1)
        self.assertTrue(device.silent(1.5, ("metadata",)))  # nothing is offered until it is heard
        self.reload(self.PATIENT)
        again = device.request("metadata")
        self.assertEqual((again["task_id"], again["attempt"], again["missing"]), (metadata["task_id"], 1, [[0, 3]]))
        device.download(again)
        self.assertEqual(device.verify(again)["type"], "success")

    def test_stall_is_told_then_waits_for_the_device(self):
        self.short("stall")
        device, metadata = self.offered("stalls")
        device.download(metadata, only=[0])
        retry = device.wait("retry")
        self.assertEqual((retry["reason"], retry["attempt"], retry["missing"]), ("stalled", 1, [[1, 3]]))
        task = self.rest.wait_state(metadata["task_id"], "queued")
        self.assertEqual(task["attempt"], 1)  # absence spends none
        self.reload(self.PATIENT)
        again = device.request("metadata")
        self.assertEqual((again["task_id"], again["attempt"], again["missing"]), (metadata["task_id"], 1, [[1, 3]]))
        device.download(again)
        self.assertEqual(device.fetched, {0: 1, 1: 1, 2: 1, 3: 1})
        self.assertEqual(device.verify(again)["type"], "success")

    def test_heard_without_a_new_chunk_spends_attempts(self):
        self.short("stall")
        device, metadata = self.offered("dawdles")
        device.download(metadata, only=[0])

        def failed():
            device.send("request", device.about_me())  # heard, yet brings nothing
            device.progress(metadata, state="downloading")
            return device.peek("failed")

        wait_until(failed, "the attempts are spent", 40, pause=0.3)
        seen = [message["attempt"] for message in device.seen if message["type"] == "retry"]
        self.assertEqual(sorted(set(seen)), [1, 2, 3], "each attempt was told")
        self.assertEqual(seen, sorted(seen))
        failed = device.wait("failed")
        self.assertEqual((failed["reason"], failed["attempts"]), ("stalled", 3))
        self.assertEqual(self.rest.state(metadata["task_id"]), "failed")

    def test_confirmation_does_not_come(self):
        self.short("confirm")
        device, metadata = self.offered("vanishes", confirm=True)
        device.download(metadata)
        self.assertIn("confirm_by", device.verify(metadata, "success"))
        failed = device.wait("failed")
        self.assertEqual((failed["task_id"], failed["reason"]), (metadata["task_id"], "confirm_timeout"))
        self.assertEqual(self.rest.state(metadata["task_id"]), "failed")

    def test_expires_while_the_device_is_away(self):
        self.firmware("2.0.0", "hw-absent")
        task = self.upgrade("absent", "2.0.0", hardware="hw-absent", expires_at=in_seconds(2))
        self.rest.wait_state(task, "expired")
        self.assertEqual(self.states(task), ["queued", "expired"])
        device = self.device("absent", hardware="hw-absent", version="1.0.0")
        self.assertEqual(device.request()["type"], "up_to_date")
        self.assert_problem(self.rest.call("POST", f"/tasks/{task}/cancel"), 409)

    def test_expires_amid_the_download(self):
        self.firmware("2.0.0", "hw-slow", 4 * GRID)
        device = self.device("slow", hardware="hw-slow", version="1.0.0")
        device.request("up_to_date")

        def expired(seconds):
            """The offer of a task that expires after its first chunk; None where it was over before."""
            task = self.upgrade("slow", "2.0.0", chunk_size=64, expires_at=in_seconds(seconds))
            metadata = device.wait("metadata", "cancel", task_id=task)
            began = metadata["type"] == "metadata" and device.get(chunk_url(metadata, 0))[0] == 200
            self.rest.wait_state(task, "expired", timeout=seconds + 10)
            return metadata if began and "downloading" in self.states(task) else None

        metadata = next((found for seconds in (3, 6, 12, 24) if (found := expired(seconds))), None)
        self.assertTrue(metadata, "each task expired before its first chunk came")
        self.assertEqual(device.get(chunk_url(metadata, 1))[0], 410)

    def test_not_before(self):
        self.firmware("2.0.0", "hw-early")
        device = self.device("early", hardware="hw-early", version="1.0.0")
        device.request("up_to_date")
        task = self.upgrade("early", "2.0.0", not_before=in_seconds(3600))
        self.assertIn(device.request()["type"], ("queued", "up_to_date"))
        self.assertEqual(self.rest.state(task), "queued")
        self.rest.call("POST", f"/tasks/{task}/cancel")

        when = in_seconds(3)
        task = self.upgrade("early", "2.0.0", not_before=when)
        device.wait("metadata", task_id=task)
        self.assertGreaterEqual(in_seconds(0), when, "no sooner, by the clock that both have")

    def test_retry_of_an_ended_task(self):
        device, metadata = self.offered("second-chance", confirm=True)
        device.download(metadata)
        self.short("confirm")
        device.verify(metadata, "success")
        self.assert_problem(self.rest.call("POST", f"/tasks/{metadata['task_id']}/retry"), 409)  # not while it runs
        device.wait("failed")
        self.reload(self.PATIENT)
        answer = self.rest.call("POST", f"/tasks/{metadata['task_id']}/retry")
        self.assertIn(answer.status, (200, 201, 202), answer)
        task = answer.json["task_id"]
        again = device.request("metadata", "retry")
        self.assertEqual((again["task_id"], again["attempt"]), (task, 1))
        device.download(again)
        device.verify(again, "success")
        device.progress(again, state="installed")
        self.rest.wait_state(task, "succeeded")


class OneSlot(ServerCase):
    """With one slot the order shows."""

    settings = {"tasks.max_active": 1}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.rest.upload("2.0.0", bytes(range(256)) * 1024)

    def tearDown(self):
        """The slot is free for the next test, whatever became of this one."""
        for item in self.rest.items("/tasks"):
            if item["state"] in ("queued", "offered", "downloading", "retry_wait", "installing"):
                self.rest.call("POST", f"/tasks/{item['task_id']}/cancel")

    def present(self, name):
        device = self.device(name, hardware="any", version="1.0.0")
        device.request("up_to_date")
        return device

    def finish(self, device, metadata=None):
        metadata = metadata or device.wait("metadata")
        device.download(metadata)
        self.assertEqual(device.verify(metadata)["type"], "success")

    def test_priority_then_age_and_what_patch_does(self):
        names = ("first", "low", "normal-1", "normal-2", "high", "raised")
        devices = {name: self.present(name) for name in names}
        tasks = {
            name: self.upgrade(name, "2.0.0", priority=priority)
            for name, priority in zip(names, ("normal", "low", "normal", "normal", "high", "low"))
        }
        held = devices["first"].wait("metadata")
        queued = devices["low"].request("queued")
        self.assertEqual(queued["task_id"], tasks["low"])
        self.assertGreater(queued["retry_after_s"], 0)
        self.assertGreaterEqual(queued["position"], 1)
        patched = self.rest.call("PATCH", f"/tasks/{tasks['raised']}", {"priority": "high"})
        self.assertEqual(patched.status, 200, patched)
        self.assertEqual(self.rest.task(tasks["raised"])["priority"], "high")
        # Raised from low, it stands among the high ones by its age: behind the older one.
        order = ["high", "raised", "normal-1", "normal-2", "low"]
        positions = [devices[name].request("queued")["position"] for name in order]
        self.assertEqual(positions, sorted(positions))
        self.finish(devices["first"], held)
        for name in order:
            waiting = [other for other in order if devices[other].peek("metadata") and other != name]
            self.assertEqual(waiting, [], f"offered before {name}")
            self.finish(devices[name])

    def test_security_takes_the_slot_of_a_routine_task(self):
        routine, urgent = self.present("routine"), self.present("urgent")
        task = self.upgrade("routine", "2.0.0", chunk_size=64)
        metadata = routine.wait("metadata")
        routine.download(metadata, only=[0, 1])
        security = self.upgrade("urgent", "2.0.0", priority="security")
        cancel = routine.wait("cancel")
        self.assertEqual((cancel["task_id"], cancel["reason"]), (task, "preempted"))
        first = urgent.wait("metadata")
        self.assertEqual((first["task_id"], first["priority"]), (security, "security"))
        self.assertEqual(self.rest.state(task), "queued")
        self.assertEqual(routine.request()["type"], "queued")
        self.finish(urgent, first)
        again = routine.wait("metadata")
        self.assertEqual((again["task_id"], again["attempt"], again["missing"]), (task, 1, [[2, 3]]))
        self.finish(routine, again)
        self.assertEqual(routine.fetched, {0: 1, 1: 1, 2: 1, 3: 1})

    def test_security_preempts_on_its_own_device(self):
        self.rest.upload("2.0.1", b"security fix" * 1000, security="true")
        device = self.present("both")
        task = self.upgrade("both", "2.0.0", chunk_size=64, force=True)
        metadata = device.wait("metadata")
        device.download(metadata, only=[0])
        posted = self.rest.upgrade("both", "2.0.1")
        self.assertEqual((posted.status, posted.json["priority"]), (201, "security"), posted)
        self.assertEqual(device.wait("cancel")["reason"], "preempted")
        urgent = device.wait("metadata")
        self.assertEqual(urgent["task_id"], posted.json["task_id"])
        routine_chunks, routine_store = device.chunks, device.store
        self.finish(device, urgent)
        device.version = "2.0.1"
        again = device.request("metadata")  # forced, so not superseded
        self.assertEqual((again["task_id"], again["missing"]), (task, [[1, 3]]))
        device.chunks, device.store = routine_chunks, routine_store
        self.finish(device, again)

    def test_answer_comes_before_the_next_task(self):
        device = self.present("ordered")
        tasks = [self.upgrade("ordered", "2.0.0", priority="high", confirm=False), None]
        metadata = device.wait("metadata")
        self.rest.upload("2.1.0", b"the one after" * 1000)
        tasks[1] = self.upgrade("ordered", "2.1.0", priority="low")
        device.download(metadata)
        device.send("verify", {"task_id": tasks[0], "attempt": 1, "checksum": metadata["checksum"]})
        told = [device.wait("success", "metadata") for _ in tasks]
        self.assertEqual([(m["type"], m["task_id"]) for m in told], [("success", tasks[0]), ("metadata", tasks[1])])
        self.finish(device, told[1])

    def test_absent_devices_hold_nothing(self):
        for number in range(5):
            self.upgrade(f"nowhere-{number}", "2.0.0", priority="high", hardware="any")
        device = self.present("here")
        self.upgrade("here", "2.0.0", priority="low")
        self.finish(device)


if __name__ == "__main__":
    main()
