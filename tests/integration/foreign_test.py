"""One device against another: whatever it sends on whichever way, it neither reads nor moves the other's task."""
import json
from urllib.parse import urlsplit

from harness import ServerCase, digest, main


class Foreign(ServerCase):
    settings = {"devices.token_required": True}

    def setUp(self):
        self.tokens = {}
        # Names of its own for each test: how often wrong secrets may be tried is counted by name.
        self.victim_id, self.thief_id = (f"{name}-{self._testMethodName}" for name in ("victim", "thief"))
        for name in (self.victim_id, self.thief_id):
            self.rest.call("PUT", f"/devices/{name}", {"hardware": "gw-a"})
            self.tokens[name] = self.rest.call("POST", f"/devices/{name}/token").json["token"]
        if not self.rest.items("/firmware"):
            type(self).image = self.firmware("2.0.0", "gw-a")
            type(self).other = self.firmware("3.0.0", "gw-a")
        self.victim, self.thief = (self.device(name, hardware="gw-a", token=self.tokens[name])
                                   for name in (self.victim_id, self.thief_id))
        # Both are downloading, each its own.
        self.task = self.upgrade(self.victim_id, "2.0.0", chunk_size=64)
        self.own_task = self.upgrade(self.thief_id, "3.0.0", chunk_size=64)
        self.metadata = self.victim.request("metadata")
        self.own_metadata = self.thief.request("metadata")
        self.addCleanup(lambda: [self.rest.call("POST", f"/tasks/{task}/cancel") for task in (self.task, self.own_task)])

    def shown(self):
        """What operators see of the victim's task, but for times."""
        task = self.rest.task(self.task)
        log = self.rest.items(f"/tasks/{self.task}/log")
        return {key: task[key] for key in ("state", "attempt", "progress")}, len(log)

    def post(self, device, word, body, token=None):
        headers = {"Authorization": f"Bearer {self.tokens[token]}"} if token else {}
        return self.rest.call("POST", f"/ota/{device}/{word}", body, headers)

    def bodies(self):
        """Every message that moves a task, with the victim's."""
        for more in ({"chunks": [[0, 3]], "status": "ok"}, {"chunk": 0, "status": "mismatch"}, {"percent": 100},
                     {"state": "downloading"}, {"state": "installed"}, {"state": "rolled_back"},
                     {"state": "failed", "reason": "by another"}):
            yield "progress", {"task_id": self.task, **more}
        for checksum in (digest(self.image), digest(self.other)):
            yield "verify", {"task_id": self.task, "attempt": 1, "checksum": checksum}

    def test_http_messages(self):
        before = self.shown()
        for word, body in (*self.bodies(), ("request", {}), ("request", {"current_version": "9.9.9"})):
            for token in (self.thief_id, None):
                answer = self.post(self.victim_id, word, body, token)
                self.assertEqual((answer.status, answer.json["code"]), (403, "not_authorized"), (word, body, answer))
        # Said under its own name, the task is none of its own.
        for word, body in self.bodies():
            answer = self.post(self.thief_id, word, body, self.thief_id)
            self.assertEqual((answer.status, answer.json["code"]), (404, "unknown_task"), (word, body, answer))
            self.assertNotIn(b"2.0.0", answer.body)
        for token in (self.thief_id, None):
            headers = {"Authorization": f"Bearer {self.tokens[token]}"} if token else {}
            answer = self.rest.call("GET", f"/ota/{self.victim_id}/next?wait=0", headers=headers)
            self.assertEqual((answer.status, answer.json["code"]), (403, "not_authorized"), answer)
        self.assertEqual(self.shown(), before)

    def test_token_in_the_payload_of_another(self):
        before = self.shown()
        for word, body in self.bodies():
            answer = self.post(self.victim_id, word, {"token": self.tokens[self.thief_id], **body})
            self.assertEqual(answer.status, 403, answer)
        self.assertEqual(self.shown(), before)

    def test_mqtt_messages(self):
        before = self.shown()
        for word, body in self.bodies():
            self.thief.send(word, body)
            refused = self.thief.wait("error", timeout=20)
            self.assertEqual(refused["code"], "unknown_task", (word, body))
        # Under the other's topic: the refusal goes there, and the victim hears nothing but refusals.
        for token in (self.thief_id, None):
            for word, body in (*self.bodies(), ("request", {"current_version": "9.9.9"})):
                if token:
                    body = {**body, "token": self.tokens[token]}
                self.thief.mqtt.publish(f"/ota/{self.victim_id}/{word}", json.dumps(body), 1).wait_for_publish(20)
                self.assertEqual(self.victim.wait("error", timeout=20)["code"], "not_authorized", (word, body))
        self.assertEqual(self.shown(), before)

    def test_chunks_over_mqtt(self):
        before = self.shown()
        wanted = {"task_id": self.task, "chunks": [[0, 3]]}

        def chunks_of(device):
            return [message for message in device.seen if message["type"] == "chunk"]

        # Said under its own name, the task is none of its own; with its own task it works, so silence below means something.
        self.thief.send("chunk/get", wanted)
        refused = self.thief.wait("error", timeout=20)
        self.assertEqual((refused["code"], refused["task_id"]), ("unknown_task", self.task))
        # Under the other's topic it is told no more than that; the refusal goes to the victim.
        for token in (self.tokens[self.thief_id], "wrong", None):
            body = {**wanted, "token": token} if token else wanted
            self.thief.mqtt.publish(f"/ota/{self.victim_id}/chunk/get", json.dumps(body), 1).wait_for_publish(20)
            refused = self.victim.wait("error", timeout=20)
            self.assertEqual((refused["code"], refused["task_id"]), ("not_authorized", self.task), token)
        self.thief.send("chunk/get", {"task_id": self.own_task, "chunks": [[0, 0]]})
        self.thief.wait("chunk", timeout=20)
        self.assertEqual([one["topic"] for one in chunks_of(self.thief)], [f"/ota/{self.thief_id}/chunk/{self.own_task}/0"])
        self.assertEqual(chunks_of(self.victim), [])
        self.assertEqual(self.shown(), before)
        # Nor with a task that is ended or that doesn't exist.
        self.rest.call("POST", f"/tasks/{self.task}/cancel")
        for task in (self.task, "OTA_20200101_000001"):
            self.thief.send("chunk/get", {"task_id": task, "chunks": [[0, 0]]})
            refused = self.thief.wait("error", timeout=20)
            self.assertEqual((refused["code"], refused["task_id"]), ("unknown_task", task))
        self.assertEqual(len(chunks_of(self.thief)), 1)

    def test_downloads(self):
        before = self.shown()
        mine, theirs = self.own_metadata, self.metadata
        self.assertNotEqual(mine["checksum"], theirs["checksum"])
        bearer = {"Authorization": f"Bearer {self.tokens[self.thief_id]}"}

        def get(url, headers=None):
            parts = urlsplit(url)
            path = parts.path + ("?" + parts.query if parts.query else "")
            return self.rest.call("GET", path, headers=headers)

        for name in ("url", "chunk_url", "manifest_url"):
            own, foreign = (message[name].replace("{index}", "0") for message in (mine, theirs))
            signed = urlsplit(own).query
            unsigned = f"bytes=65536&task={self.task}"
            place = foreign.partition("?")[0]
            self.assertEqual(get(f"{own.partition('?')[0]}?task={self.own_task}", bearer).status, 200, name)
            for query in (signed, unsigned, "", signed.replace(self.own_task, self.task)):
                for headers in (bearer, {}, {"Authorization": "Bearer wrong"}):
                    answer = get(f"{place}?{query}", headers)
                    self.assertEqual((answer.status, answer.json["code"]), (403, "not_authorized"), (name, query))
            # Its own permission and the other's task or image.
            answer = get(f"{own.partition('?')[0]}?task={self.task}", bearer)
            self.assertEqual(answer.status, 403, answer)
        self.assertEqual(self.shown(), before)

    def test_token_downloads_all_and_ends_with_the_task(self):
        bearer = {"Authorization": f"Bearer {self.tokens[self.victim_id]}"}
        base = urlsplit(self.metadata["url"]).path.rpartition("/")[0]
        parts = [self.rest.call("GET", f"{base}/chunks/{index}", headers=bearer) for index in range(4)]
        self.assertEqual([part.status for part in parts], [200] * 4, parts)
        self.assertEqual(b"".join(part.body for part in parts), self.image)
        self.assertIn("private", parts[0].headers["cache-control"])
        self.assertEqual(self.rest.task(self.task)["progress"]["chunks"], 4)
        answer = self.post(self.victim_id, "verify", {"task_id": self.task, "checksum": digest(self.image)}, self.victim_id)
        self.assertEqual(answer.json["type"], "success", answer)
        ended = self.rest.call("GET", f"{base}/chunks/0?task={self.task}", headers=bearer)
        self.assert_problem(ended, 410)
        foreign = self.rest.call("GET", f"{base}/chunks/0?task={self.task}",
                                 headers={"Authorization": f"Bearer {self.tokens[self.thief_id]}"})
        self.assert_problem(foreign, 403)

    def test_a_new_device_needs_a_token_that_can_be_its_secret(self):
        new = f"new-{self._testMethodName}"
        for token in (None, "too-short"):
            answer = self.contact(new, token)
            self.assertEqual((answer.status, answer.json["code"]), (403, "not_authorized"), token)
        self.assert_problem(self.rest.call("GET", f"/devices/{new}"), 404)
        self.assertEqual(self.contact(new, "chosen-by-itself").json["type"], "up_to_date")
        self.assertEqual(self.contact(new, "chosen-by-others").status, 403)
        self.assertEqual(self.contact(self.thief_id, "chosen-by-itself").status, 403)

    def contact(self, device, token):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.rest.call("POST", f"/ota/{device}/request", {}, headers)


class FirstContact(ServerCase):
    """Tokens that devices choose themselves, where registration is open and none is required."""

    contact = Foreign.contact

    def test_over_mqtt_it_is_kept_for_http_too(self):
        secret = "a-secret-of-its-own"
        device = self.device("first-mqtt", token=secret)
        device.request("up_to_date")
        self.assertTrue(self.rest.get("/devices/first-mqtt")["has_token"])
        self.assertEqual(self.contact("first-mqtt", secret).status, 200)
        for token in ("another-of-that-length", None):
            self.assertEqual(self.contact("first-mqtt", token).json["code"], "not_authorized", token)
        device.token = "another-of-that-length"
        self.assertEqual(device.request("error")["code"], "not_authorized")
        # It stands after a crash, and is nowhere to be read.
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.contact("first-mqtt", "another-of-that-length").status, 403)
        self.assertEqual(self.contact("first-mqtt", secret).status, 200)
        self.assertNotIn(secret, self.daemon.log())
        entry, = (entry for entry in self.rest.items("/audit", actor="device") if entry["target"] == "first-mqtt")
        self.assertEqual((entry["action"], entry["from"], entry["outcome"]), ("device.token", "mqtt", "done"))
        # An operator's goes before it.
        issued = self.rest.call("POST", "/devices/first-mqtt/token").json["token"]
        self.assertEqual(self.contact("first-mqtt", secret).status, 403)
        self.assertEqual(self.contact("first-mqtt", issued).status, 200)

    def test_who_is_known_without_one_gets_none_this_way(self):
        self.rest.call("PUT", "/devices/known-registered", {"hardware": "gw-a"})
        self.assertEqual(self.contact("known-silent", None).status, 200)
        for name in ("known-registered", "known-silent"):
            for token in ("a-secret-of-its-own", "another-of-that-length", None):
                self.assertEqual(self.contact(name, token).status, 200, (name, token))
            self.assertFalse(self.rest.get(f"/devices/{name}")["has_token"], name)

    def test_one_that_is_too_short_is_refused(self):
        refused = self.contact("first-short", "short")
        self.assertEqual((refused.status, refused.json["code"]), (403, "not_authorized"))
        self.assertIn("16 to 128 visible characters", refused.json["message"])
        self.assert_problem(self.rest.call("GET", "/devices/first-short"), 404)
        self.assertEqual(self.contact("first-short", None).status, 200)
        self.assertFalse(self.rest.get("/devices/first-short")["has_token"])


if __name__ == "__main__":
    main()
