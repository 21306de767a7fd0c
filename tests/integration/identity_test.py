"""Who devices are: what strangers can't do under a device's name, with an operator's key, or by their number; and what
devices may write otherwise than the protocol says without losing what they report."""
import json
import subprocess
import time

from harness import ENVIRONMENT, OTAD, PATIENCE, ServerCase, digest, main, wait_until

TOKEN = "a-secret-of-its-own-0123456789"


class Calls(ServerCase):
    """Devices over HTTP, as bytes."""

    def post(self, name, payload=b"{}", word="request", token=None):
        body = payload if isinstance(payload, bytes) else json.dumps(payload)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.rest.call("POST", f"/ota/{name}/{word}", body, headers)

    def assert_error(self, answer, status, code, *parts):
        self.assertEqual((answer.status, answer.json["type"], answer.json["code"]), (status, "error", code), answer)
        for part in parts:
            self.assertIn(part, answer.json["message"])


class Secrets(Calls):
    settings = {"log.level": "debug"}

    def test_wrong_secrets_keep_no_right_one_out(self):
        self.rest.call("PUT", "/devices/guarded", {"hardware": "gw-a"})
        token = self.rest.call("POST", "/devices/guarded/token").json["token"]
        for number in range(60):
            answer = self.post("guarded", {"token": f"wrong-{number}-0123456789"})
            self.assertIn(answer.json["code"], ("not_authorized", "overloaded"))
        self.assertEqual(answer.json["code"], "overloaded", "failures are slowed down")
        self.assertEqual(self.post("guarded", token=token).status, 200, "its first message since the start")
        self.daemon.restart()
        for number in range(60):
            self.post("guarded", {"token": f"wrong-{number}-0123456789"})
        self.assertEqual(self.post("guarded", token=token).status, 200)
        self.assertEqual(self.device("guarded").request()["type"], "up_to_date", "the broker knows it")

    def test_a_new_device_with_an_unfit_token(self):
        for token in ("fifteen-letters", "sixteen letters and blanks", "x" * 200, "ä" * 20):
            with self.subTest(token[:16]):
                answer = self.post("unfit", {"token": token})
                self.assert_error(answer, 403, "not_authorized", "device unfit is new", "16 to 128 visible characters")
        self.assertEqual(self.rest.call("GET", "/devices/unfit").status, 404, "nobody may speak as it now")
        device = self.device("unfit")
        self.assertIn("16 to 128 visible", device.request("error", token="short")["message"], "over MQTT, too")
        self.assertEqual(self.post("unfit", {"token": TOKEN}).status, 200)
        self.assertTrue(self.rest.get("/devices/unfit")["has_token"])

    def test_claims_are_audited_with_their_address(self):
        self.post("claimer", token=TOKEN)
        rows = [row for row in self.rest.items("/audit") if row["target"] == "claimer"]
        self.assertEqual([row["action"] for row in rows], ["device.token"], rows)
        self.assertRegex(rows[0]["from"], r"^127\.0\.0\.1:\d+$")

    def test_debug_tells_each_message_and_no_secret(self):
        mark = len(self.daemon.log())
        self.post("talker", {"token": TOKEN, "current_version": "1.0.0"})
        self.device("talker", token=TOKEN, hardware="gw-a").request("up_to_date")
        for part in ("received device=talker over http: /ota/talker/request",
                     "sent device=talker over http: /ota/talker/request",
                     "received device=talker over mqtt: /ota/talker/request",
                     "sent device=talker over mqtt: /ota/talker/up_to_date"):
            wait_until(lambda part=part: self.daemon.log_lines(part, mark), part)
        self.assertNotIn(TOKEN, self.daemon.log())

    def test_ids_that_no_url_can_name(self):
        for name in (".", "..", "%2e", "%2E%2E"):
            with self.subTest(name):
                self.assert_error(self.post(name), 400, "bad_message", "neither . nor ..")
        answer = self.rest.upgrade("..", "1.0.0")
        self.assertEqual((answer.status, answer.json["errors"][0]["field"]), (422, "device_id"))


class Tolerance(Calls):
    """docs/device-protocol.md, request: what only informs is never a reason to refuse the rest."""

    def setUp(self):
        self.name = self.id().rsplit(".", 1)[-1].replace("test_", "tolerant-")
        self.data = self.firmware("2.0.0", self.name)
        self.post(self.name, {"hardware": self.name, "current_version": "1.0.0"})
        self.task = self.upgrade(self.name, "2.0.0", chunk_size=64)
        self.assertEqual(self.post(self.name).json["type"], "metadata")

    def test_odd_figures_spoil_no_chunks(self):
        for number, odd in enumerate(({"rtt_ms": -1}, {"rssi": "-70"}, {"loss": 2}, {"transport": "lte"})):
            answer = self.post(self.name, {"task_id": self.task, "chunk": number, "status": "ok", **odd}, "progress")
            self.assertEqual(answer.status, 204, answer)
        wait_until(lambda: self.rest.task(self.task)["progress"]["chunks"] == 4, "all four chunks are counted")

    def test_long_reasons_are_taken_down(self):
        said = {"task_id": self.task, "state": "failed", "reason": "é" * 5000}
        self.assertEqual(self.post(self.name, said, "progress").json["type"], "retry")
        self.assertEqual(self.rest.task(self.task)["attempt"], 2)
        log = json.dumps(self.rest.items(f"/tasks/{self.task}/log"), ensure_ascii=False)
        self.assertIn("é" * 512, log)
        self.assertNotIn("é" * 513, log)

    def test_blank_fields_erase_nothing(self):
        for blank in (None, "", [], {}):
            fields = ("version", "current_version", "hardware", "transports", "max_chunk_bytes", "token")
            self.assertEqual(self.post(self.name, dict.fromkeys(fields, blank)).status, 200)
        device = self.rest.get(f"/devices/{self.name}")
        self.assertEqual((device["hardware"], device["current_version"]), (self.name, "1.0.0"))

    def test_what_runs_may_be_any_text(self):
        for text in ("factory (dirty)", "1.0/2", "v 1", "x" * 1000):
            self.assertEqual(self.post(self.name, {"current_version": text}).json["type"], "metadata", text)
            self.assertEqual(self.rest.get(f"/devices/{self.name}")["current_version"][:15], text[:15])

    def test_zeros_marks_and_capitals(self):
        self.assertEqual(self.post(self.name, b"{}\0").status, 200)
        self.assertEqual(self.post(self.name, b"\xef\xbb\xbf{}").status, 200)
        self.assert_error(self.post(self.name, b"{}\0{}"), 400, "bad_message", "zero byte")
        device = self.device(self.name)
        device.send("request", b'{"hardware":"' + self.name.encode() + b'"}\0')
        self.assertEqual(device.wait()["type"], "metadata")
        said = {"task_id": self.task, "checksum": digest(self.data).upper(), "attempt": 1}
        self.assertEqual(self.post(self.name, said, "verify").json["type"], "success")


class Numbers(Calls):
    """Ids cost their maker nothing."""

    settings = {"devices.unproven_per_minute": 20, "tasks.max_active": 3, "tasks.stall_timeout_s": 2}

    def test_new_ids_have_a_rate(self):
        answers = [self.post(f"new-{number}") for number in range(60)]
        taken = [answer for answer in answers if answer.status == 200]
        self.assertGreaterEqual(len(taken), 20)
        self.assertLess(len(taken), 30)
        refused = next(answer for answer in answers if answer.status != 200)
        self.assert_error(refused, 503, "overloaded", "is new", "devices.unproven_per_minute", "PUT /devices/")
        self.assertGreater(refused.json["retry_after_s"], 0)
        self.assertEqual(self.post("new-0").status, 200, "who is known is heard")
        device = self.device("late")
        told = device.ask("request", {}, "error")
        self.assertEqual(told["code"], "overloaded", "over MQTT, too")
        self.rest.call("PUT", "/devices/late", {})
        self.assertEqual(device.request("up_to_date")["type"], "up_to_date")
        self.assertEqual([row for row in self.rest.items("/audit") if row["target"].startswith("new-")], [])


class Slots(Calls):
    settings = {"tasks.max_active": 3, "tasks.stall_timeout_s": 2}

    def test_strangers_give_way_to_orders(self):
        self.firmware("2.0.0", "gw-s", 200_000)
        ask = {"hardware": "gw-s", "version": "2.0.0", "max_chunk_bytes": 512}
        fakes = {name: self.post(name, ask).json["task_id"] for name in ("fake-1", "fake-2", "fake-3")}
        for name, task in fakes.items():
            self.post(name, {"task_id": task, "chunk": 0, "status": "ok"}, "progress")
        for task in fakes.values():
            self.rest.wait_state(task, "downloading")
        self.post("real", {"hardware": "gw-s", "current_version": "1.0.0"})
        ordered = self.upgrade("real", "2.0.0", priority="low")
        self.rest.wait_state(ordered, "offered")
        self.assertEqual(self.rest.state(fakes["fake-3"]), "queued", "the youngest gave way")
        # What they claim to have moves nothing: without a byte from here they are told, and lose their attempts.
        count, deadline = 1, time.monotonic() + 40 * PATIENCE
        while self.rest.task(fakes["fake-1"])["attempt"] == 1 and time.monotonic() < deadline:
            self.post("fake-1", {"task_id": fakes["fake-1"], "chunk": count, "status": "ok"}, "progress")
            count += 1
            time.sleep(0.2)
        self.assertEqual(self.rest.task(fakes["fake-1"])["attempt"], 2)


class Operators(Calls):
    settings = {"security.api_auth": "required"}

    def key(self, name, role):
        done = subprocess.run([OTAD, "--config", str(self.daemon.config), "keys", "add", "--name", name, "--role", role],
                              capture_output=True, text=True, env=ENVIRONMENT, check=True, timeout=60 * PATIENCE)
        return {"Authorization": f"Bearer {done.stdout.strip()}"}

    def test_no_key_fills_log_or_audit(self):
        viewer, admin = self.key("dashboard", "viewer"), self.key("admin-1", "admin")
        wait_until(lambda: self.rest.call("GET", "/tasks", headers=viewer).status == 200, "the key is known")
        mark = len(self.daemon.log())
        for _ in range(400):
            self.assertIn(self.rest.call("POST", "/firmware/upgrade", {}, viewer).status, (403, 429))
        self.rest.call("PUT", "/nowhere", {}, admin)
        wait_until(lambda: self.daemon.log_lines("/nowhere", mark), "one key's noise hides no other's call")
        self.assertLess(len(self.daemon.log_lines("dashboard", mark)), 300)

        def rows():
            page = self.rest.call("GET", "/audit?limit=1000", headers=admin).json
            self.assertIsNone(page["next"])
            return page["items"]

        found = wait_until(lambda: [row for row in rows() if row["target"] == "/nowhere"], "the call is recorded")
        self.assertEqual([row["actor"] for row in found], ["admin-1"])
        self.assertLess(len([row for row in rows() if row["actor"] == "dashboard"]), 100)


class Registry(Calls):
    def test_what_is_not_given_stays(self):
        put = self.rest.call("PUT", "/devices/kept", {"hardware": "gw-a", "tags": {"site": "north", "rack": "7"}})
        self.assertEqual(put.status, 201)
        self.rest.call("PUT", "/devices/kept", {"tags": {"row": "2"}})
        device = self.rest.get("/devices/kept")
        self.assertEqual((device["hardware"], device["tags"]), ("gw-a", {"site": "north", "rack": "7", "row": "2"}))
        self.rest.call("PATCH", "/devices/kept", {"hardware": "gw-b"})
        self.rest.call("PATCH", "/devices/kept", {"tags": {"rack": None}})
        device = self.rest.get("/devices/kept")
        self.assertEqual((device["hardware"], device["tags"]), ("gw-b", {"site": "north", "row": "2"}))
        self.rest.call("PUT", "/devices/kept", {"hardware": None, "tags": None})
        device = self.rest.get("/devices/kept")
        self.assertEqual((device["hardware"], device["tags"]), (None, {}))
        answer = self.rest.call("PATCH", "/devices/nobody", {"hardware": "gw-a"})
        self.assertEqual((answer.status, answer.json["code"]), (404, "unknown_device"))

    def test_the_way_of_the_last_message_is_shown(self):
        self.device("speaks", hardware="gw-a", version="1.0.0").request("up_to_date")
        device = self.rest.get("/devices/speaks")
        self.assertEqual((device["protocol"], device["client"], device["attributes"]), ("mqtt", None, {}))
        headers = {"Content-Type": "application/json", "User-Agent": "modem/7.1 \u00e4" + "x" * 100}
        self.assertEqual(self.rest.call("POST", "/ota/speaks/request", "{}", headers).status, 200)
        device = self.rest.get("/devices/speaks")
        self.assertEqual((device["protocol"], device["client"]), ("http", "modem/7.1 ?" + "x" * 53))

    def test_unknown_words_are_answered_with_what_there_is(self):
        for path, part in (("/tasks?state=bogus", "must be one of queued, offered"),
                           ("/tasks?state=fialed", "did you mean failed?"),
                           ("/tasks?stat=failed", "did you mean state?"),
                           ("/devices?limt=1", "did you mean limit?"),
                           ("/audit?since=yesterday", "RFC 3339")):
            with self.subTest(path):
                answer = self.rest.call("GET", path)
                self.assertEqual(answer.status, 422, answer)
                self.assertIn(part, answer.json["detail"])
        answer = self.rest.call("PUT", "/devices/gw-1", {"hardwar": "gw-a"})
        self.assertIn("did you mean hardware?", answer.json["detail"])


if __name__ == "__main__":
    main()
