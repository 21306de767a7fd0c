"""The operators' side: upgrades and why they are refused, devices, the catalogue, lists, the audit."""
import contextlib
import sqlite3
import subprocess
import threading

from harness import ENVIRONMENT, OTAD, ServerCase, digest, image, main, wait_until


def firmware_id(answer):
    """The catalogue's name for what was uploaded."""
    return answer.json.get("id") or answer.json["firmware_id"]


class Operator(ServerCase):
    def known(self, name, hardware, version):
        device = self.device(name, hardware=hardware, version=version)
        device.request("up_to_date")
        return device

    def test_refusals(self):
        data = self.firmware("2.0.0", "op-a")
        self.firmware("1.0.0", "op-a")
        self.firmware("2.5.0", "op-b")
        self.known("refuses", "op-a", "2.0.0")
        for status, version, fields in (
            (404, "9.9.9", {}),
            (409, "2.0.0", {}),
            (409, "1.0.0", {}),
            (409, "2.5.0", {}),
            (409, "2.0.0", {"checksum": digest(b"x"), "force": True}),
        ):
            with self.subTest(version=version, **fields):
                self.assert_problem(self.rest.upgrade("refuses", version, **fields), status)
        self.assertEqual(self.rest.items("/tasks", device_id="refuses"), [])
        codes = {self.rest.upgrade("refuses", version).json["code"] for version in ("9.9.9", "2.0.0", "1.0.0", "2.5.0")}
        self.assertEqual(len(codes), 4, f"each cause has a code of its own: {codes}")
        self.upgrade("refuses", "2.0.0", force=True, checksum=digest(data))

    def test_forced_downgrade(self):
        self.firmware("1.0.0", "op-down")
        device = self.known("down", "op-down", "2.0.0")
        task = self.upgrade("down", "1.0.0", force=True)
        self.assertEqual(device.run()["type"], "success")
        self.rest.wait_state(task, "succeeded")

    def test_hardware_is_needed_only_where_it_is_ambiguous(self):
        self.firmware("5.0.0", "op-c")
        self.firmware("5.0.0", "op-d")
        refused = self.rest.upgrade("ambiguous", "5.0.0")
        self.assertIn(refused.status, (409, 422), refused)
        self.assertIn("hardware", refused.body.decode())
        self.upgrade("ambiguous", "5.0.0", hardware="op-c")
        self.firmware("5.1.0")  # fits every device
        self.known("any-hardware", "whatever", "1.0.0")
        self.upgrade("any-hardware", "5.1.0")

    def test_same_upgrade_again_is_the_same_task(self):
        self.firmware("2.0.0", "op-e")
        task = self.upgrade("twice", "2.0.0", hardware="op-e")
        again = self.rest.upgrade("twice", "2.0.0", hardware="op-e")
        self.assertEqual((again.status, again.json["task_id"]), (200, task))

    def test_same_upgrade_at_once_is_one_task(self):
        self.firmware("2.0.0", "op-f")
        answers, threads = [], []
        for _ in range(20):
            threads.append(
                threading.Thread(target=lambda: answers.append(self.rest.upgrade("storm", "2.0.0", hardware="op-f")))
            )
            threads[-1].start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answer.status for answer in answers), [200] * 19 + [201])
        self.assertEqual(len({answer.json["task_id"] for answer in answers}), 1)

    def test_idempotency_key(self):
        self.firmware("2.0.0", "op-g")
        key = {"Idempotency-Key": "order-4711"}
        first = self.rest.upgrade("keyed", "2.0.0", key, hardware="op-g")
        self.assertEqual(first.status, 201, first)
        self.assertEqual(self.rest.call("POST", f"/tasks/{first.json['task_id']}/cancel").status // 100, 2)
        again = self.rest.upgrade("keyed", "2.0.0", key, hardware="op-g")
        self.assertEqual((again.status, again.json), (first.status, first.json))
        self.assertEqual(len(self.rest.items("/tasks", device_id="keyed")), 1)

    def test_task_ids_are_in_order_and_unique(self):
        self.firmware("2.0.0", "op-h")
        tasks = [self.upgrade(f"order-{n}", "2.0.0", hardware="op-h") for n in range(5)]
        self.assertEqual(tasks, sorted(set(tasks)))

    def test_lists_page_by_cursor(self):
        self.firmware("2.0.0", "op-i")
        tasks = {self.upgrade(f"page-{n}", "2.0.0", hardware="op-i") for n in range(7)}
        page = self.rest.get("/tasks", limit=3, state="queued")
        self.assertEqual(len(page["items"]), 3)
        self.assertIsInstance(page["next"], str)
        found = [item["task_id"] for item in self.rest.items("/tasks", limit=3)]
        self.assertEqual(len(found), len(set(found)))
        self.assertTrue(tasks <= set(found))
        one = self.rest.items("/tasks", device_id="page-3", version="2.0.0", state="queued")
        self.assertEqual([item["device_id"] for item in one], ["page-3"])
        for query in ("limit=0", "limit=1001", "limit=x", "cursor=%00nonsense", "state=asleep"):
            with self.subTest(query):
                self.assert_problem(self.rest.call("GET", f"/tasks?{query}"), 422)

    def test_patch(self):
        self.firmware("2.0.0", "op-j")
        task = self.upgrade("patched", "2.0.0", hardware="op-j", priority="low")
        for body, field in (
            ({"priority": "urgent"}, "priority"),
            ({"priorty": "high"}, "priorty"),
            ({"priority": 1}, "priority"),
        ):
            self.assert_problem(self.rest.call("PATCH", f"/tasks/{task}", body), 422, field)
        self.assertEqual(self.rest.task(task)["priority"], "low")
        self.assertEqual(self.rest.call("PATCH", f"/tasks/{task}", {"priority": "high"}).status, 200)
        self.rest.call("POST", f"/tasks/{task}/cancel")
        self.assert_problem(self.rest.call("PATCH", f"/tasks/{task}", {"priority": "low"}), 409)

    def test_what_is_not_there(self):
        for method, path in (
            ("GET", "/tasks/OTA_20200101_000001"),
            ("GET", "/tasks/OTA_20200101_000001/log"),
            ("POST", "/tasks/OTA_20200101_000001/cancel"),
            ("POST", "/tasks/OTA_20200101_000001/retry"),
            ("GET", "/devices/nobody"),
            ("DELETE", "/devices/nobody"),
            ("GET", "/firmware/999999"),
            ("DELETE", "/firmware/999999"),
            ("GET", "/nowhere"),
        ):
            with self.subTest(f"{method} {path}"):
                self.assert_problem(self.rest.call(method, path), 404)
        wrong = self.rest.call("PUT", "/tasks")
        self.assert_problem(wrong, 405)
        self.assertIn("GET", wrong.headers["allow"])

    def test_devices(self):
        put = self.rest.call("PUT", "/devices/reg-1", {"hardware": "op-k", "tags": {"site": "north"}})
        self.assertIn(put.status, (200, 201), put)
        shown = self.rest.get("/devices/reg-1")
        self.assertEqual((shown["device_id"], shown["hardware"], shown["tags"]), ("reg-1", "op-k", {"site": "north"}))
        self.assertIn(self.rest.call("PUT", "/devices/reg-1", {"hardware": "op-l", "tags": {}}).status, (200, 204))
        self.assertEqual(self.rest.get("/devices/reg-1")["hardware"], "op-l")
        for body, field in (({"hardware": 5}, "hardware"), ({"tags": "x"}, "tags"), ({"hardwar": "x"}, "hardwar")):
            self.assert_problem(self.rest.call("PUT", "/devices/reg-1", body), 422, field)
        self.assertIn(self.rest.call("DELETE", "/devices/reg-1").status, (200, 204))
        self.assert_problem(self.rest.call("GET", "/devices/reg-1"), 404)

    def test_device_secret(self):
        self.rest.call("PUT", "/devices/secretive", {"hardware": "op-m"})
        answer = self.rest.call("POST", "/devices/secretive/token")
        self.assertIn(answer.status, (200, 201), answer)
        token = answer.json["token"]
        device = self.device("secretive", hardware="op-m", version="1.0.0")
        self.assertEqual(device.request("error", token="x" * len(token))["code"], "not_authorized")
        device.token = token
        self.assertEqual(device.request()["type"], "up_to_date")
        self.assertNotIn(token, self.rest.call("GET", "/devices/secretive").body.decode())
        self.assertNotIn(token, self.daemon.log())

    def test_firmware_catalogue(self):
        data = image("catalogue", 10_000)
        uploaded = self.rest.upload("1.0.0+build.7", data, "op-n", notes="first light")
        self.assertEqual(uploaded.status, 201, uploaded)
        firmware = firmware_id(uploaded)
        shown = self.rest.get(f"/firmware/{firmware}")
        self.assertEqual(
            (shown["version"], shown["hardware"], shown["size"], shown["checksum"], shown["notes"]),
            ("1.0.0+build.7", "op-n", len(data), digest(data), "first light"),
        )
        self.assertIn(
            firmware, [item.get("id") or item["firmware_id"] for item in self.rest.items("/firmware", limit=2)]
        )
        task = self.upgrade("needs", "1.0.0+build.7", hardware="op-n")
        self.assert_problem(self.rest.call("DELETE", f"/firmware/{firmware}"), 409)
        self.rest.call("POST", f"/tasks/{task}/cancel")
        self.assertIn(self.rest.call("DELETE", f"/firmware/{firmware}").status, (200, 204))
        self.assert_problem(self.rest.call("GET", f"/firmware/{firmware}"), 404)
        self.assert_problem(self.rest.upgrade("needs", "1.0.0+build.7", hardware="op-n"), 404)

    def test_every_change_is_in_the_audit_log(self):
        began = self.rest.get("/audit", limit=1)["items"]
        last = began[0]["id"] if began else 0
        calls = (
            lambda: self.rest.call("PUT", "/devices/audited", {"hardware": "op-au"}),
            lambda: self.rest.call("POST", "/devices/audited/token"),
            lambda: self.rest.upload("2.0.0", b"audited", "op-au"),
            lambda: self.rest.upgrade("audited", "2.0.0"),
            lambda: self.rest.call("PATCH", f"/tasks/{task()}", {"priority": "high"}),
            lambda: self.rest.call("POST", f"/tasks/{task()}/cancel"),
            lambda: self.rest.call("POST", f"/tasks/{task()}/retry"),
            lambda: self.rest.call("DELETE", "/devices/audited"),
            lambda: self.rest.call("DELETE", f"/firmware/{firmware()}"),
        )
        task = lambda: self.rest.items("/tasks", device_id="audited")[-1]["task_id"]
        firmware = lambda: next(item["id"] for item in self.rest.items("/firmware") if item["hardware"] == "op-au")
        for call in calls:
            answer = call()
            self.assertLess(answer.status, 300, answer)
        entries = [entry for entry in self.rest.items("/audit") if entry["id"] > last][::-1]
        mine = [entry for entry in entries if entry["outcome"] == "done"]
        self.assertEqual([entry["action"] for entry in mine],
                         ["device.put", "device.token", "firmware.add", "upgrade", "task.priority", "task.cancel",
                          "task.retry", "device.remove", "firmware.remove"])
        for entry in mine:
            self.assertTrue(entry["target"], entry)
            self.assertRegex(entry["from"], r"^127\.0\.0\.1:\d+$")
            self.assertRegex(entry["at"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual(entry["actor"], "anonymous")

    def test_the_audit_log_can_be_filtered(self):
        self.rest.call("POST", "/tasks/OTA_20200101_000001/cancel")
        # What was refused is written down a moment after it was answered.
        newest = wait_until(lambda: next((entry for entry in self.rest.get("/audit", limit=10)["items"]
                                          if entry["target"] == "/tasks/OTA_20200101_000001/cancel"), None),
                            "the refused call is audited")
        self.assertEqual((newest["action"], newest["outcome"]), ("POST", "unknown_task"))
        self.assertIn(newest["id"], [entry["id"] for entry in self.rest.items("/audit", since=newest["at"])])
        self.assertEqual(self.rest.items("/audit", since="2100-01-01T00:00:00Z"), [])
        self.assertEqual(self.rest.items("/audit", actor="nobody"), [])
        self.assertTrue(self.rest.items("/audit", actor="anonymous"))
        for query in ("since=yesterday", "who=me", "actor=a&actor=b"):
            self.assert_problem(self.rest.call("GET", f"/audit?{query}"), 422)

    def test_nobody_changes_what_the_audit_log_says(self):
        self.rest.call("PUT", "/devices/audited-for-good", {"hardware": "op-au"})
        with contextlib.closing(sqlite3.connect(self.daemon.settings["storage.database"], timeout=20)) as database:
            for change in ("DELETE FROM audit", "UPDATE audit SET actor = 'another'"):
                with self.assertRaisesRegex(sqlite3.DatabaseError, "only added to"):
                    database.execute(change)

    def test_keys_made_at_the_command_line_are_audited(self):
        for arguments in (("add", "--name", "audited-key", "--role", "viewer"), ("remove", "audited-key")):
            subprocess.run([OTAD, "--config", self.daemon.config, "keys", *arguments], check=True, capture_output=True,
                           env=ENVIRONMENT)
        entries = [entry for entry in self.rest.items("/audit") if entry["target"] == "audited-key"]
        self.assertEqual([entry["action"] for entry in entries], ["key.remove", "key.add"])
        for entry in entries:
            self.assertRegex(entry["actor"], r"^otad keys, user \S+$")
            self.assertEqual((entry["from"], entry["outcome"]), ("this machine", "done"))


class Closed(ServerCase):
    settings = {"devices.registration": "closed"}

    def test_only_registered_devices(self):
        self.firmware("2.0.0", "closed-a")
        stranger = self.device("stranger", hardware="closed-a", version="1.0.0")
        error = stranger.request()
        self.assertEqual((error["type"], error["code"]), ("error", "unknown_device"))
        self.assertIn("stranger", error["message"])
        self.assert_problem(self.rest.upgrade("stranger", "2.0.0"), 404)
        self.assert_problem(self.rest.call("GET", "/devices/stranger"), 404)
        self.assertIn(self.rest.call("PUT", "/devices/stranger", {"hardware": "closed-a"}).status, (200, 201))
        self.upgrade("stranger", "2.0.0")
        self.assertEqual(stranger.run()["type"], "success")


if __name__ == "__main__":
    main()
