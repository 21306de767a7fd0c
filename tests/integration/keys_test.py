"""API keys over REST against a real daemon: rotation, expiry, scope; and pages of other origins."""

import datetime

from harness import ServerCase, main

DASHBOARD = "https://dashboard.example"


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


class Keys(ServerCase):
    settings = {"security.api_auth": "required", "http.cors_origins": [DASHBOARD]}

    admin = None

    def setUp(self):
        if not self.admin:
            type(self).admin = self.otad("keys", "add", "--name", "root", "--role", "admin").stdout.strip()

    def call(self, method, path, body=None, key=None, **headers):
        return self.rest.call(method, path, body, {**bearer(key or self.admin), **headers})

    def made(self, name, role="operator", **fields):
        answer = self.call("POST", "/keys", {"name": name, "role": role, **fields})
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.headers["location"], f"/keys/{name}")
        return answer.json["key"]

    def status(self, key, path="/devices"):
        return self.call("GET", path, key=key).status

    def assert_status(self, key, status):
        self.assertEqual(self.status(key), status)

    def code(self, answer, status):
        return self.assert_problem(answer, status)["code"]


    def test_made_changed_and_removed(self):
        key = self.made("alice", "viewer")
        self.assert_status(key, 200)
        self.assertEqual(self.code(self.call("POST", "/keys", {"name": "alice", "role": "viewer"}), 409), "in_use")
        self.assertEqual(self.code(self.call("GET", "/keys", key=key), 403), "forbidden")
        self.assertEqual(self.call("PATCH", "/keys/alice", {"role": "admin"}).json["role"], "admin")
        self.assertEqual(self.status(key, "/keys"), 200)
        self.assertEqual(self.call("DELETE", "/keys/alice").status, 204)
        self.assert_status(key, 401)
        self.assertEqual(self.code(self.call("DELETE", "/keys/alice"), 404), "not_found")
        self.assertEqual(self.code(self.call("GET", "/keys/alice"), 404), "not_found")
        self.assertNotIn("secret", self.call("GET", "/keys").body.decode())
        done = self.call("GET", "/audit?target=alice&outcome=done").json["items"]
        self.assertEqual([entry["action"] for entry in done], ["key.remove", "key.change", "key.add"])
        self.assertNotIn(key, self.daemon.log())

    def test_rotated_with_and_without_grace(self):
        old = self.made("bob", "viewer")
        self.assert_status(old, 200)
        new = self.call("POST", "/keys/bob/rotate").json
        self.assert_status(new["key"], 200)
        self.assertEqual(self.status(old), 200)
        self.assertIsNotNone(new["former_until"])
        newest = self.call("POST", "/keys/bob/rotate", {"grace_s": 0}).json
        self.assertIsNone(newest["former_until"])
        self.assert_status(newest["key"], 200)
        self.assert_status(new["key"], 401)
        self.assert_status(old, 401)

    def test_expired(self):
        past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
        key = self.made("carol", "viewer", expires_at=past.strftime("%Y-%m-%dT%H:%M:%SZ"))
        answer = self.call("GET", "/devices", key=key)
        self.assertEqual(self.code(answer, 401), "unauthenticated")
        self.assertEqual(self.call("PATCH", "/keys/carol", {"expires_at": None}).status, 200)
        self.assert_status(key, 200)

    def test_a_scope_holds(self):
        self.call("PUT", "/devices/lab-1", {"hardware": "k", "tags": {"site": "lab"}})
        self.call("PUT", "/devices/prod-1", {"hardware": "k", "tags": {"site": "prod"}})
        self.rest.call("POST", "/firmware?version=1.0.0&hardware=k", b"x" * 1000, bearer(self.admin))
        key = self.made("field", "admin", scope=["tag.site=lab"])
        self.assert_status(key, 200)
        self.assertEqual([one["device_id"] for one in self.call("GET", "/devices", key=key).json["items"]], ["lab-1"])
        order = {"device_id": "lab-1", "firmware_version": "1.0.0"}
        task = self.call("POST", "/firmware/upgrade", order, key)
        self.assertEqual(task.status, 201, task)
        other = self.call("POST", "/firmware/upgrade", {**order, "device_id": "prod-1"}).json["task_id"]
        tasks = self.call("GET", "/tasks", key=key).json["items"]
        self.assertEqual([one["device_id"] for one in tasks], ["lab-1"])
        for method, path, body in (
            ("GET", "/devices/prod-1", None),
            ("PATCH", "/devices/lab-1", {"tags": {"site": "prod"}}),
            ("POST", "/firmware/upgrade", {**order, "device_id": "prod-1"}),
            ("POST", f"/tasks/{other}/cancel", None),
            ("GET", f"/tasks/{other}/log", None),
            ("PUT", "/channels/theirs", {}),
            ("PATCH", "/firmware/1", {"blocked": True}),
            ("POST", "/keys", {"name": "more", "role": "admin"}),
            ("GET", "/audit", None),
        ):
            with self.subTest(call=f"{method} {path}"):
                self.assertEqual(self.code(self.call(method, path, body, key), 403), "not_authorized")
        self.rollouts_of(key)

    def rollouts_of(self, key):
        """It orders for its devices only, and leaves the rollouts of others alone."""
        order = {"channel": "default", "version": "1.0.0", "hardware": "k"}
        whole = self.call("POST", "/rollouts", order).json["rollout_id"]
        self.assertEqual(self.code(self.call("POST", f"/rollouts/{whole}/pause", {}, key), 403), "not_authorized")
        self.assertEqual(self.call("GET", f"/rollouts/{whole}", key=key).status, 200)
        self.assertEqual(self.call("POST", f"/rollouts/{whole}/cancel", {}).status, 200)
        mine = self.call("POST", "/rollouts", order, key).json
        self.assertEqual(mine["where"], ["tag.site=lab"])
        self.assertEqual(self.call("POST", f"/rollouts/{mine['rollout_id']}/cancel", {}, key).status, 200)

    def test_audit_by_time_action_target_and_outcome(self):
        self.call("PUT", "/devices/audited", {"hardware": "k"})
        self.assertEqual(self.rest.call("GET", "/audit").status, 401)
        entry = self.call("GET", "/audit?target=audited").json["items"][0]
        self.assertEqual(entry["outcome"], "done")
        for query, there in (
            (f"action={entry['action']}&actor=root", True),
            ("outcome=forbidden", False),
            (f"until={entry['at']}", False),
            (f"since={entry['at']}", True),
        ):
            with self.subTest(query=query):
                items = self.call("GET", f"/audit?target=audited&{query}").json["items"]
                self.assertEqual(bool(items), there, items)
        csv = self.call("GET", "/audit?target=audited", Accept="text/csv").body.decode()
        self.assertTrue(csv.startswith("id,at,actor,from,action,target,outcome\r\n"), csv)
        self.assert_problem(self.call("GET", "/audit?until=yesterday"), 422, "until")

    def test_a_page_of_a_named_origin(self):
        page = {"Origin": DASHBOARD, "Sec-Fetch-Site": "cross-site"}
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
        preflight = self.rest.call("OPTIONS", "/rollouts", headers={**page, **asks})
        self.assertEqual(preflight.status, 204)
        self.assertEqual(preflight.headers["access-control-allow-origin"], DASHBOARD)
        self.assertEqual(self.call("GET", "/devices", **page).headers["access-control-allow-origin"], DASHBOARD)
        foreign = {**page, "Origin": "https://evil.example"}
        for answer in (
            self.rest.call("OPTIONS", "/rollouts", headers={**foreign, **asks}),
            self.call("GET", "/devices", **foreign),
        ):
            self.assertEqual(self.code(answer, 403), "forbidden")
            self.assertNotIn("access-control-allow-origin", answer.headers)


if __name__ == "__main__":
    main()
