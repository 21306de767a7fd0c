"""hawkBit's device interface: rauc-hawkbit-updater's and Zephyr's messages, downloads, cancels, bad input."""
import concurrent.futures
import json
import unittest

from ddi import Client, Rauc, Zephyr
from harness import ServerCase, image, main, wait_until


class DdiCase(ServerCase):
    settings = {"tasks.retry_backoff_s": 0, "ddi.poll_s": 60}

    def client(self, name, kind=Client, **options):
        return kind(self.daemon.port, name, **options)

    def offered(self, name, version, data=None, kind=Client, **options):
        """A device that is shown an update to `version`: client, task, links and the deployment."""
        client = self.client(name, kind, **options)
        client.poll()
        data = self.firmware(version, data=data)
        task = self.upgrade(name, version)
        links = client.poll()
        self.assertIn("deploymentBase", links)
        return client, task, links, client.deployment(links["deploymentBase"]), data


class Clients(DdiCase):
    def test_rauc_hawkbit_updater(self):
        device = self.client("rauc-1", Rauc)
        self.assertEqual(device.cycle(), "idle")
        data = self.firmware("r1.0")
        task = self.upgrade("rauc-1", "r1.0")
        got = []
        self.assertEqual(device.cycle(lambda bundle: got.append(bundle) or True), "updated")
        self.assertEqual(got, [data])
        done = self.rest.task(task)
        self.assertEqual((done["state"], done["confirmed"]), ("succeeded", True))
        self.assertEqual(device.cycle(), "idle")
        self.assertEqual(self.rest.get("/devices/rauc-1")["current_version"], "r1.0")
        log = [entry.get("detail") for entry in self.rest.items(f"/tasks/{task}/log")]
        self.assertIn("File checksum OK.", log)

    def test_rauc_that_fails_three_times(self):
        device = self.client("rauc-2", Rauc)
        device.cycle()
        self.firmware("r2.0")
        task = self.upgrade("rauc-2", "r2.0")
        for _ in range(3):
            wait_until(lambda: device.cycle(lambda bundle: False) == "failed", "the next attempt is offered")
        failed = self.rest.task(task)
        self.assertEqual((failed["state"], failed["reason"], failed["attempt"]), ("failed", "device_failed", 3))
        self.assertEqual(failed["detail"], "Failed to install software bundle.")
        self.assertEqual(device.cycle(), "idle")

    def test_zephyr(self):
        device = self.client("frdm_k64f-2200abcdef", Zephyr)
        self.assertEqual(device.cycle(), "idle")
        data = self.firmware("z1.0")
        task = self.upgrade(device.name, "z1.0")
        self.assertEqual(device.cycle(), "restarts")
        self.assertEqual(device.installed, data)
        self.rest.wait_state(task, "installing")
        self.assertEqual(device.cycle(), "reported")
        self.assertEqual(self.rest.state(task), "succeeded")
        self.assertEqual(device.cycle(), "idle")

    def test_zephyr_that_never_gets_it_right(self):
        """It says nothing of that: what counts are its downloads."""
        device = self.client("zephyr-2", Zephyr)
        device.cycle()
        self.firmware("z2.0", size=50_000)
        task = self.upgrade("zephyr-2", "z2.0")
        seen = set()

        def tries():
            links = device.poll()
            seen.add(links.get("deploymentBase"))
            if "deploymentBase" in links:
                self.assertEqual(device.cycle(lambda image: False), "failed")
            return self.rest.state(task) == "failed"

        def fails():
            try:
                return tries()
            except AssertionError:  # a download that began as the attempt ended
                return self.rest.state(task) == "failed"

        wait_until(fails, "the attempts are used up", 60)
        self.assertEqual(self.rest.task(task)["reason"], "downloaded_again")
        self.assertEqual(len(seen - {None}), 3, "an action for each attempt")

    def test_both_cancel(self):
        for kind, name in ((Rauc, "cancel-r"), (Zephyr, "cancel-z")):
            with self.subTest(name):
                device, task, links, *_ = self.offered(name, f"c1.{kind.__name__}", kind=kind)
                device.call("PUT", "/configData", {"data": {"a": "b"}})
                self.assertEqual(self.rest.call("POST", f"/tasks/{task}/cancel").status, 200)
                self.daemon.restart()
                device.port = self.daemon.port
                self.assertIn("cancelAction", device.poll(), "kept over a crash")
                self.assertEqual(device.cycle(), "cancelled")
                self.assertNotIn("cancelAction", device.poll())
                self.assertEqual(device.feedback(links["deploymentBase"], "closed", "success").status, 410)


    def test_a_cancel_that_nobody_answers_is_given_up(self):
        device, task, links, *_ = self.offered("cancel-n", "c2.0")
        self.assertEqual(self.rest.call("POST", f"/tasks/{task}/cancel").status, 200)
        cancel = device.poll()["cancelAction"]
        self.assertEqual(self.rest.call("POST", f"/tasks/{task}/cancel").status, 200)
        links_now = device.poll()
        self.assertFalse({"cancelAction", "deploymentBase"} & set(links_now), links_now)
        self.assertEqual(device.feedback(cancel, "closed", "success").status, 410)
        self.assertEqual(device.feedback(links["deploymentBase"], "closed", "success").status, 410)
        self.assert_problem(self.rest.call("POST", f"/tasks/{task}/cancel"), 409)
        events = [entry["event"] for entry in self.rest.items(f"/tasks/{task}/log") if entry["kind"] == "action"]
        self.assertEqual(events, ["shown", "given_up"])


class Rules(DdiCase):
    """hawkbit-ddi's compliance list."""

    def test_a_device_registers_by_polling(self):
        links = self.client("new-1").poll()
        self.assertEqual(list(links), ["configData"])
        self.assertIn("last_seen", self.rest.get("/devices/new-1"))

    def test_the_sleep_follows_the_setting(self):
        self.assertTrue(all(45 <= self.client(f"sleep-{i}").sleep() <= 57 for i in range(20)))
        self.assertGreater(len({self.client(f"sleep-{i}").sleep() for i in range(20)}), 5, "spread")

    def test_the_tenant_in_any_case_and_no_other(self):
        links = self.client("tenant-1", tenant="default").poll()
        self.assertIn("/default/controller/v1/tenant-1/", links["configData"], "as the client spells it")
        self.assertEqual(self.client("tenant-1", tenant="other").call("GET", "").status, 404)

    def test_the_end_is_taken_once(self):
        device, task, links, deployment, data = self.offered("end-1", "e1.0")
        self.assertEqual(device.download(deployment).body, data)
        self.assertIn("deploymentBase", device.poll(), "still shown after the last byte")
        first = device.feedback(links["deploymentBase"], "closed", "success")
        self.assertEqual((first.status, first.body, first.headers["content-length"]), (200, b"", "0"))
        self.assertEqual(device.feedback(links["deploymentBase"], "closed", "success").status, 410)
        after = device.poll()
        self.assertNotIn("deploymentBase", after)
        self.assertIn("configData", after, "asked for after an update")
        self.assertEqual(device.deployment(after["installedBase"])["id"], deployment["id"])
        self.assertEqual(self.rest.state(task), "succeeded")

    def test_what_was_skipped_is_no_success(self):
        device, task, links, *_ = self.offered("skip-1", "s1.0")
        self.assertEqual(device.feedback(links["deploymentBase"], "closed", "success", ["Skipped Update."]).status, 200)
        skipped = self.rest.task(task)
        self.assertEqual((skipped["state"], skipped["reason"]), ("retry_wait", "not_downloaded"))
        self.assertNotEqual(self.rest.get("/devices/skip-1")["current_version"], "s1.0")

    def test_a_device_that_refuses_to_stop(self):
        device, task, links, deployment, _ = self.offered("refuse-1", "n1.0")
        device.download(deployment)
        self.rest.call("POST", f"/tasks/{task}/cancel")
        cancel = device.poll()["cancelAction"]
        self.assertEqual(device.call("GET", cancel).json, {"id": deployment["id"],
                                                           "cancelAction": {"stopId": deployment["id"]}})
        self.assertEqual(device.call("GET", links["deploymentBase"]).status, 404)
        self.assertEqual(device.feedback(cancel, "rejected", "success").status, 200)
        self.assertIn("deploymentBase", device.poll(), "offered again")
        self.assertEqual(device.feedback(cancel, "closed", "success").status, 405)
        self.assertEqual(device.feedback(links["deploymentBase"], "closed", "success").status, 200)
        self.assertEqual(self.rest.get("/devices/refuse-1")["current_version"], "n1.0")

    def test_two_connections_of_one_device(self):
        device, _, _, deployment, data = self.offered("two-1", "t1.0", data=image("two", 5_000_000))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            download = pool.submit(device.download, deployment)
            while not download.done():
                self.assertIn("deploymentBase", device.poll())
            self.assertEqual(download.result().body, data)

    def test_confirmation_is_off(self):
        device, _, links, *_ = self.offered("confirm-1", "f1.0")
        base = device.call("GET", "/confirmationBase")
        self.assertEqual(base.json["autoConfirm"], {"active": False})
        action = links["deploymentBase"].split("/")[-1].split("?")[0]
        self.assertEqual(device.call("GET", f"/confirmationBase/{action}").status, 404)
        self.assertEqual(device.call("POST", f"/confirmationBase/{action}/feedback",
                                     {"confirmation": "confirmed"}).status, 404)
        self.assertEqual(device.call("POST", "/confirmationBase/activateAutoConfirm").status, 200)
        self.assertEqual(device.call("POST", "/confirmationBase/deactivateAutoConfirm").status, 200)

    def test_history(self):
        device, _, links, *_ = self.offered("history-1", "h1.0")
        for text in ("first", "second"):
            device.feedback(links["deploymentBase"], "proceeding", "none", [text])
        self.assertNotIn("actionHistory", device.deployment(links["deploymentBase"]))
        self.assertEqual(device.deployment(links["deploymentBase"] + "&actionHistory=1")["actionHistory"],
                         {"status": "RUNNING", "messages": ["second"]})
        self.assertEqual(device.deployment(links["deploymentBase"] + "&actionHistory=-1&other=x")["actionHistory"]
                         ["messages"], ["second", "first"])

    def test_the_device_says_what_it_runs(self):
        device = self.client("runs-1")
        device.poll()
        self.assertEqual(device.call("PUT", "/installedBase", {"name": "app", "version": "3.2.1"}).status, 200)
        self.assertEqual(self.rest.get("/devices/runs-1")["current_version"], "3.2.1")


class Downloads(DdiCase):
    def setUp(self):
        name = self.id().rsplit(".", 1)[-1].replace("_", "-")[-40:]
        self.name = name
        self.one, self.task, self.links, self.deployment, self.data = self.offered(
            name, f"d-{name}"[:60], data=image(name, 3_000_000))
        self.href = self.one.artifact(self.deployment)["_links"]["download"]["href"]

    def get(self, method="GET", href=None, **headers):
        return self.one.call(method, href or self.href, headers={name.replace("_", "-"): value
                                                                 for name, value in headers.items()})

    def test_whole(self):
        reply = self.get()
        self.assertEqual((reply.status, reply.body), (200, self.data))
        self.assertEqual(reply.headers["content-type"], "application/octet-stream")
        self.assertEqual(reply.headers["content-length"], str(len(self.data)))
        self.assertEqual(reply.headers["accept-ranges"], "bytes")
        self.assertIn("attachment;filename=", reply.headers["content-disposition"])
        self.assertEqual(reply.headers["x-content-type-options"], "nosniff")
        self.rest.wait_state(self.task, "installing")

    def test_ranges(self):
        size = len(self.data)
        for asked, first, last in (("0-99", 0, 99), ("2999900-", 2_999_900, size - 1), ("-50", size - 50, size - 1),
                                   ("100-9999999", 100, size - 1)):
            reply = self.get(Range=f"bytes={asked}")
            self.assertEqual(reply.status, 206, asked)
            self.assertEqual(reply.headers["content-range"], f"bytes {first}-{last}/{size}")
            self.assertEqual(reply.body, self.data[first:last + 1])
        past = self.get(Range=f"bytes={size}-")
        self.assertEqual((past.status, past.headers["content-range"]), (416, f"bytes */{size}"))
        self.assertEqual(self.get(Range="bytes=0--1").status, 200, "RFC 9110: ignored")

    def test_many_ranges_in_one_request(self):
        reply = self.get(Range="bytes=0-9, 1000-1009,2000-2009")
        self.assertEqual(reply.status, 206)
        self.assertIn("multipart/byteranges; boundary=", reply.headers["content-type"])
        for first in (0, 1000, 2000):
            self.assertIn(f"bytes {first}-{first + 9}/".encode(), reply.body)
            self.assertIn(self.data[first:first + 10], reply.body)

    def test_conditions(self):
        tag = self.get("HEAD").headers["etag"]
        self.assertEqual(self.get(Range="bytes=0-9", If_Range=tag).status, 206)
        self.assertEqual(self.get(Range="bytes=0-9", If_Range='"other"').status, 200)
        self.assertEqual(self.get(If_Match='"other"').status, 412)

    def test_head(self):
        reply = self.get("HEAD")
        self.assertEqual((reply.status, reply.body), (200, b""))
        self.assertEqual(reply.headers["content-length"], str(len(self.data)))

    def test_md5_and_the_list(self):
        artifact = self.one.artifact(self.deployment)
        reply = self.one.call("GET", artifact["_links"]["md5sum"]["href"])
        self.assertEqual(reply.body.decode(), f"{artifact['hashes']['md5']}  {artifact['filename']}")
        self.assertEqual(self.one.call("GET", self.href.rsplit("/", 1)[0]).json, [artifact])

    def test_only_what_is_offered_to_this_device(self):
        other = self.client(self.name + "-o")
        other.poll()
        self.assertEqual(other.call("GET", self.href.replace(self.name, other.name)).status, 404)
        self.assertEqual(self.get(href=self.href + "x").status, 404)
        self.assertEqual(self.one.call("GET", "/softwaremodules/999999/artifacts/a.bin").status, 404)

    def test_many_small_ranges_are_no_flood(self):
        """As RAUC's streaming reads: 300 at once, and the log doesn't grow by them."""
        before = len(self.rest.items(f"/tasks/{self.task}/log"))
        for i in range(300):
            reply = self.get(Range=f"bytes={i * 9000}-{i * 9000 + 8999}")
            self.assertEqual(reply.status, 206)
        self.assertLess(len(self.rest.items(f"/tasks/{self.task}/log")), before + 10)

    def test_resumed(self):
        half = self.get(Range="bytes=0-1499999").body
        rest = self.get(Range="bytes=1500000-").body
        self.assertEqual(half + rest, self.data)
        self.rest.wait_state(self.task, "installing")


class Presence(DdiCase):
    """Two and a half polls are longer than devices.present_s."""

    settings = {**DdiCase.settings, "devices.present_s": 2, "ddi.poll_s": 120}

    def online(self, value):
        return {device["device_id"] for device in self.rest.items("/devices", where=f"online={value}")}

    def test_it_is_measured_in_a_devices_own_polls(self):
        self.client("polls-1").poll()
        self.device("talks-1", hardware="gw-a").request("up_to_date")
        wait_until(lambda: "talks-1" in self.online("false"), "the other one is away", 20)
        self.assertEqual((self.online("true"), self.online("false")), ({"polls-1"}, {"talks-1"}))
        self.assertEqual(self.rest.get("/devices", where="online=true", count="true")["count"], 1)


class Identity(DdiCase):
    gateway = "a-gateway-token-for-tests"

    @classmethod
    def setUpClass(cls):
        import pathlib
        import tempfile
        cls.secrets = pathlib.Path(tempfile.mkdtemp(prefix="otad-ddi-"))
        (cls.secrets / "gateway").write_text(cls.gateway + "\n")
        (cls.secrets / "gateway").chmod(0o600)
        cls.settings = {**DdiCase.settings, "ddi.gateway_token_file": str(cls.secrets / "gateway"),
                        "devices.token_required": True, "ddi.trusted_proxies": ["127.0.0.1"]}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        import shutil
        shutil.rmtree(cls.secrets)
        super().tearDownClass()

    def refused(self, answer):
        self.assertEqual((answer.status, answer.body, answer.headers["content-length"]), (401, b"", "0"), answer)

    def test_tokens(self):
        self.refused(self.client("id-1").call("GET", ""))
        self.refused(self.client("id-1", token="TargetToken short").call("GET", ""))
        own = self.client("id-1", token="TargetToken one-of-my-own-0123")
        self.assertIn("configData", own.poll(), "a new device chooses its own, as others do")
        self.refused(self.client("id-1", token="TargetToken another-token-0123").call("GET", ""))
        self.refused(self.client("id-1", token=f"GatewayToken {self.gateway}").call("GET", ""))
        self.assertEqual(self.client("id-1", token="targettoken   one-of-my-own-0123").call("GET", "").status, 200)
        self.refused(self.client("id-1", token="Basic eDp5").call("GET", ""))

    def test_the_token_of_another_device(self):
        issued = {}
        for name in ("id-8", "id-9"):
            self.rest.call("PUT", f"/devices/{name}", {"hardware": "gw-a"})
            issued[name] = "TargetToken " + self.rest.call("POST", f"/devices/{name}/token").json["token"]
        self.refused(self.client("id-8", token=issued["id-9"]).call("GET", ""))
        self.assertEqual(self.client("id-8", token=issued["id-8"]).call("GET", "").status, 200)
        self.assertIsNone(self.rest.get("/devices/id-9")["last_seen"], "it wasn't heard by that")

    def test_the_gateway(self):
        by_gateway = self.client("id-2", token=f"GatewayToken {self.gateway}")
        self.assertIn("configData", by_gateway.poll())
        self.refused(self.client("id-2", token="GatewayToken wrong").call("GET", ""))
        self.refused(self.client("id-2", token="GatewayToken").call("GET", ""))
        issued = self.rest.call("POST", "/devices/id-2/token").json["token"]
        self.refused(by_gateway.call("GET", ""))
        self.assertEqual(self.client("id-2", token=f"TargetToken {issued}").call("GET", "").status, 200)

    def test_downloads_need_it_too(self):
        device, _, _, deployment, data = self.offered("id-3", "i3.0", token=f"GatewayToken {self.gateway}")
        self.assertEqual(device.download(deployment).body, data)
        for token in (None, "TargetToken another-token-0123", "GatewayToken wrong"):
            device.token = token
            self.refused(device.download(deployment))

    def test_a_trusted_proxy_names_the_certificate_and_the_host(self):
        device = self.client("id-4")
        device.headers = {"X-Controller-Id": "id-4", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "ota.example"}
        answer = device.call("GET", "")
        self.assertEqual(answer.json["_links"]["configData"]["href"],
                         "https://ota.example/DEFAULT/controller/v1/id-4/configData")
        device.headers = {"X-Controller-Id": "id-5"}
        self.refused(device.call("GET", ""))

    def test_guesses_are_slowed_down(self):
        device = self.client("id-6", token="TargetToken one-of-my-own-0123")
        device.poll()
        guesser = self.client("id-6", token="TargetToken another-token-0123")
        statuses = [guesser.call("GET", "").status for _ in range(40)]
        self.assertEqual(set(statuses), {401, 429})
        self.assertEqual(device.call("GET", "").status, 200, "who has the token is not")


class Strangers(DdiCase):
    def test_headers_of_proxies_from_strangers_are_ignored(self):
        device = self.client("x-1")
        device.headers = {"X-Controller-Id": "x-2", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        for _ in range(3):
            links = device.poll()
            self.assertTrue(links["configData"].startswith(f"http://127.0.0.1:{self.daemon.port}/"), links)
        told = self.daemon.log_lines("counts from addresses in ddi.trusted_proxies only")
        self.assertEqual(len(told), 1, "one line for each peer")
        self.assertIn("from=127.0.0.1 path=/DEFAULT/controller/v1/x-1: the header X-Controller-Id", told[0])

    def test_bad_bodies(self):
        device, task, links, deployment, data = self.offered("bad-1", "b1.0")
        feedback = links["deploymentBase"].split("?")[0] + "/feedback"
        good = {"status": {"execution": "proceeding", "result": {"finished": "none"}}}
        for body in (b"", b"{", b"[]", b"null", b"1", b"\xff\xfe", b"{}", json.dumps({"status": []}).encode(),
                     json.dumps({"status": {"execution": "closed"}}).encode(),
                     json.dumps({"status": {"execution": 1, "result": {"finished": "none"}}}).encode(),
                     json.dumps({"status": {"execution": "closed", "result": {"finished": "yes"}}}).encode(),
                     json.dumps({"status": {"execution": "x" * 1000, "result": {"finished": "none"}}}).encode(),
                     b'{"a":' * 2000):
            answer = device.call("POST", feedback, body)
            self.assertEqual(answer.status, 400, (body[:80], answer))
            self.assertIn("message", answer.json)
        self.assertEqual(device.call("POST", feedback, b"x" * 70_000).status, 413)
        self.assertEqual(device.call("POST", feedback, json.dumps(good), {"Content-Type": "text/plain"}).status, 415)
        for odd in ({"id": -1}, {"id": {"a": 1}}, {"time": 5}, {"timestamp": "x"}, {"more": None}):
            self.assertEqual(device.call("POST", feedback, {**good, **odd}).status, 200, odd)
        for details in (None, 5, "alone", [1, None, {"a": "b"}], ["x" * 10_000] * 5, [["y"]]):
            body = {"status": {**good["status"], "details": details}}
            self.assertEqual(device.call("POST", feedback, body).status, 200, details)
        for progress in ({"cnt": -1, "of": 0}, {"cnt": 1e300}, {"cnt": "x"}):
            body = {"status": {"execution": "proceeding", "result": {"finished": "none", "progress": progress}}}
            self.assertEqual(device.call("POST", feedback, body).status, 200, progress)
        device.download(deployment)
        unescaped = (b'{"id":11,"status":{"result":{"finished":"failure"},"execution":"closed",'
                     b'"details":["cannot open "/dev/x" \\q"]}}')
        self.assertEqual(device.call("POST", feedback, unescaped).status, 200, "an end that can be read")
        self.assertEqual(self.rest.task(task)["reason"], "device_failed")

    def test_bad_bodies_of_the_other_calls(self):
        device, task, links, *_ = self.offered("bad-4", "b4.0")
        self.rest.call("POST", f"/tasks/{task}/cancel")
        cancel = device.poll()["cancelAction"] + "/feedback"
        nonsense = [b"", b"{", b"[]", b"null", b"1", b"\xff\xfe", b'{"a":' * 2000]
        calls = {
            ("POST", cancel): [{}, {"status": 1}, {"status": {"execution": "closed"}},
                               {"status": {"execution": -1, "result": {"finished": "none"}}},
                               {"status": {"execution": "closed", "result": {"finished": 5}}}],
            ("PUT", "/configData"): [{"data": 1}, {"data": ["a"]}, {"mode": 1, "data": {}}, {"mode": "x", "data": {}},
                                     {"data": {"a": {"b": 1}}}, {"data": {"k" * 129: "v"}}, {"data": {"k": "v" * 129}},
                                     {"data": {f"k{i}": "v" for i in range(101)}}],
            ("PUT", "/installedBase"): [{}, {"name": "x"}, {"name": "x", "version": None}, {"name": "x", "version": -1},
                                        {"name": "x", "version": "v" * 10_000}],
        }
        for (method, path), bodies in calls.items():
            for body in nonsense + bodies:
                with self.subTest(f"{method} {path} {str(body)[:80]}"):
                    answer = device.call(method, path, body)
                    self.assertEqual(answer.status, 400, answer)
                    self.assertIn("message", answer.json)
            self.assertEqual(device.call(method, path, b"x" * 70_000).status, 413)
        self.assertIn("cancelAction", device.poll(), "nothing was taken for an answer")
        shown = self.rest.get("/devices/bad-4")
        self.assertEqual((shown.get("attributes"), shown["current_version"]), ({}, None))

    def test_two_devices_with_one_id(self):
        one, _, links, deployment, data = self.offered("twin-1", "t1.0")
        other = self.client("twin-1")
        self.assertEqual(other.poll()["deploymentBase"].split("?")[0], links["deploymentBase"].split("?")[0])
        self.assertEqual([device.download(deployment).body for device in (one, other)], [data, data])
        self.assertEqual(one.feedback(links["deploymentBase"], "closed", "success").status, 200)
        self.assertEqual(other.feedback(links["deploymentBase"], "closed", "failure").status, 410)
        self.assertEqual(self.rest.get("/devices/twin-1")["current_version"], "t1.0")
        self.assertNotIn("deploymentBase", other.poll())

    def test_bad_paths_methods_and_ids(self):
        device, _, links, *_ = self.offered("bad-2", "b2.0")
        own = int(links["deploymentBase"].split("/")[-1].split("?")[0])
        other = self.client("bad-3")
        other.poll()
        self.assertEqual(other.feedback(f"/deploymentBase/{own}", "closed", "success").status, 404)
        for number in (0, 1, own + 1, 2**31, 2**63, 10**30):
            self.assertEqual(device.call("GET", f"/deploymentBase/{number}").status, 404, number)
            self.assertEqual(device.feedback(f"/deploymentBase/{number}", "closed", "success").status, 404, number)
            self.assertEqual(device.call("GET", f"/cancelAction/{number}").status, 404, number)
        for path in ("/", "/nothing", "/deploymentBase", "/deploymentBase/x", "/deploymentBase/-1", "/configData/x"):
            self.assertEqual(device.call("GET", path).status, 404, path)
        for method, path in (("POST", ""), ("DELETE", ""), ("POST", "/configData"), ("GET", "/configData"),
                             ("PUT", f"/deploymentBase/{own}"), ("GET", f"/deploymentBase/{own}/feedback")):
            answer = device.call(method, path)
            self.assertEqual(answer.status, 405, (method, path))
            self.assertTrue(answer.headers["allow"])
        for name in ("a%20b", "a%2Fb", "%00", "x" * 129, ".."):
            self.assertIn(self.client(name).call("GET", "").status, (400, 404), name)

    def test_polls_with_bodies(self):
        self.assertEqual(self.client("body-1").call("GET", "", b"x" * 1000).status, 200)

    def test_a_flood_of_feedback_ends_and_the_end_counts(self):
        device, task, links, deployment, _ = self.offered("flood-1", "fl1.0")
        device.download(deployment)
        statuses = [device.feedback(links["deploymentBase"], "proceeding", "none", ["again"]).status
                    for _ in range(1010)]
        self.assertEqual(statuses[:1000], [200] * 1000)
        self.assertEqual(set(statuses[1000:]), {429})
        self.assertEqual(device.feedback(links["deploymentBase"], "closed", "success").status, 200)
        self.assertEqual(self.rest.state(task), "succeeded")

    def test_nothing_goes_over_mqtt(self):
        heard = self.device("quiet-1")
        device, task, *_ = self.offered("quiet-1", "q1.0")
        self.rest.call("POST", f"/tasks/{task}/cancel")
        self.assertIn("cancelAction", device.poll())
        heard.send("progress", {})  # the answer to this comes after whatever was sent before
        self.assertEqual(heard.wait("error", "metadata", "cancel")["type"], "error")


if __name__ == "__main__":
    main()
