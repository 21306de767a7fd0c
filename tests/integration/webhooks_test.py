"""Webhooks: deliveries, signatures, bad receivers, bad URLs, and kill -9 (docs/events.md, Webhooks)."""
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time
import unittest.mock

from authority import Authority
from harness import Daemon, ServerCase, main, wait_until
from receiver import Receiver, verify
from registrations import Registrations
from sse import event_numbers


class WebhookCase(ServerCase):
    settings = {"webhooks.allow_http": True, "webhooks.allow_private": True}

    def receiver(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        return receiver

    def webhook(self, receiver, **fields):
        answer = self.rest.call("POST", "/webhooks", {"url": receiver.url, **fields})
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.headers["location"], f"/webhooks/{answer.json['id']}")
        receiver.secret = answer.json["secret"]
        self.addCleanup(self.rest.call, "DELETE", f"/webhooks/{answer.json['id']}")
        return answer.json["id"]

    def device_event(self, name):
        answer = self.rest.call("PUT", f"/devices/{name}", {"hardware": "gw-w"})
        self.assertIn(answer.status, (200, 201), answer)

    def numbers(self, since, **query):
        return event_numbers(self.rest, since, **query)

    def newest(self):
        return self.rest.get("/events", limit=1)["newest"]

    def shown(self, webhook):
        return self.rest.get(f"/webhooks/{webhook}")


class Webhooks(WebhookCase):
    def test_events_come_signed_and_in_order(self):
        receiver = self.receiver()
        since = self.newest()
        webhook = self.webhook(receiver, types=["device.registered"])
        for i in range(30):
            self.device_event(f"order-{i}")
        wanted = self.numbers(since, types="device.registered")
        wait_until(lambda: len(receiver.seen) == len(wanted), "all came")
        self.assertEqual(receiver.seen, wanted)
        for headers, body, wrong in receiver.requests:
            self.assertIsNone(wrong)
            self.assertEqual(headers["Content-Type"], "application/cloudevents+json")
            self.assertIn(f'"id":"{headers["webhook-id"]}"'.encode(), body)
        wait_until(lambda: self.shown(webhook)["cursor"] >= wanted[-1], "the cursor is kept")
        shown = self.shown(webhook)
        self.assertEqual((shown["last_status"], shown["failures"], shown["last_error"]), (204, 0, None))
        self.assertNotIn("secret", shown)
        self.assertNotIn("topsecret", self.daemon.log())
        self.assertNotIn(receiver.secret, self.daemon.log())

    def test_only_what_it_asks_for(self):
        receiver = self.receiver()
        self.rest.call("PUT", "/channels/hooked", {})
        self.webhook(receiver, types=["device.*"], channel="hooked")
        self.device_event("other-1")
        self.rest.call("PUT", "/devices/hooked-1", {"channel": "hooked"})
        wait_until(lambda: receiver.seen, "it came")
        self.assertEqual([r[1] for r in receiver.requests if b"other-1" in r[1]], [])

    def test_a_failure_is_repeated_and_the_cursor_stays(self):
        receiver = self.receiver()
        receiver.answer = lambda handler, event: 500 if len(receiver.requests) == 1 else 200
        webhook = self.webhook(receiver, types=["device.registered"])
        self.device_event("fails-1")
        failing = wait_until(lambda: (w := self.shown(webhook))["failures"] == 1 and w, "the failure is shown")
        self.assertEqual(failing["last_status"], 500)
        self.assertEqual(failing["last_error"], "answered 500")
        self.assertIsNotNone(failing["failing_since"])
        self.assertIsNotNone(failing["next_attempt_at"])
        self.device_event("fails-2")
        wait_until(lambda: len(receiver.seen) == 2, "after 5 to 6 s it is tried again", 15)
        self.assertEqual(receiver.seen, sorted(receiver.seen))
        ids = [headers["webhook-id"] for headers, _, _ in receiver.requests]
        self.assertEqual(ids[0], ids[1], "the same event")
        self.assertEqual([wrong for _, _, wrong in receiver.requests], [None] * 3)
        wait_until(lambda: self.shown(webhook)["failing_since"] is None, "it has recovered")

    def test_redirects_are_not_followed(self):
        elsewhere, receiver = self.receiver(), self.receiver()

        def redirect(handler, _):
            handler.send_response(302)
            handler.send_header("Location", elsewhere.url)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        receiver.answer = redirect
        webhook = self.webhook(receiver, types=["device.registered"])
        self.device_event("redirected")
        shown = wait_until(lambda: (w := self.shown(webhook))["failures"] and w, "it failed")
        self.assertEqual(shown["last_error"], "answered 302; redirects are not followed")
        self.assertEqual(elsewhere.requests, [])

    def test_410_disables_at_once_and_a_patch_resumes(self):
        receiver = self.receiver()
        receiver.answer = lambda *_: 410
        webhook = self.webhook(receiver, types=["device.registered"])
        since = self.newest()
        self.device_event("gone-1")
        shown = wait_until(lambda: not (w := self.shown(webhook))["enabled"] and w, "it is disabled")
        self.assertIn("410", shown["disabled_reason"])
        degraded = self.rest.get("/events", since=since, types="server.degraded")["items"]
        self.assertEqual(degraded[-1]["data"]["component"], "webhook")
        self.assertNotIn("topsecret", str(degraded))
        receiver.answer = None
        answer = self.rest.call("PATCH", f"/webhooks/{webhook}", {"enabled": True})
        self.assertEqual(answer.status, 200, answer)
        wait_until(lambda: receiver.seen, "what waited comes")

    def test_retry_after_is_obeyed(self):
        receiver = self.receiver()

        def busy(handler, _):
            handler.send_response(503)
            handler.send_header("Retry-After", "3600")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        receiver.answer = busy
        webhook = self.webhook(receiver, types=["device.registered"])
        self.device_event("busy-1")
        shown = wait_until(lambda: (w := self.shown(webhook))["failures"] and w, "it failed")
        at = time.strptime(shown["next_attempt_at"][:19], "%Y-%m-%dT%H:%M:%S")
        self.assertGreater(time.mktime(at) - time.timezone - time.time(), 3000)

    def test_answers_of_10_gb_and_drips_are_cut(self):
        def endless(handler, _):
            handler.send_response(200)
            handler.send_header("Content-Length", str(10 << 30))
            handler.end_headers()
            try:
                while True:
                    handler.wfile.write(b"x" * 65536)
            except OSError:
                handler.close_connection = True

        receiver = self.receiver()
        receiver.answer = endless
        webhook = self.webhook(receiver, types=["device.registered"])
        before = self.daemon.rss()
        self.device_event("endless-1")
        self.device_event("endless-2")
        wait_until(lambda: len(receiver.requests) == 2, "the status line counts, the body doesn't", 15)
        wait_until(lambda: self.shown(webhook)["last_status"] == 200, "delivered")
        self.assertEqual(self.shown(webhook)["failures"], 0)
        self.assertLess(self.daemon.rss() - before, 20 << 20)

    def test_one_that_closes_without_an_answer(self):
        def close(handler, _):
            if len(receiver.requests) > 1:
                return 204
            handler.wfile.write(b"HTTP/1.1 2")  # half a status line
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return None

        receiver = self.receiver()
        receiver.answer = close
        webhook = self.webhook(receiver, types=["device.registered"])
        self.device_event("closes-1")
        shown = wait_until(lambda: (w := self.shown(webhook))["failures"] and w, "it failed")
        self.assertIsNone(shown["last_status"])
        self.assertTrue(shown["last_error"])
        wait_until(lambda: receiver.seen, "the next attempt delivers it", 15)

    def test_one_that_hangs_holds_up_no_other(self):
        hangs, well = self.receiver(), self.receiver()
        hangs.answer = lambda *_: time.sleep(60)
        webhook = self.webhook(hangs, types=["device.registered"])
        self.webhook(well, types=["device.registered"])
        for i in range(5):
            self.device_event(f"hang-{i}")
        wait_until(lambda: len(well.seen) >= 5, "the other has all")
        shown = wait_until(lambda: (w := self.shown(webhook))["failures"] and w, "15 s are over", 25)
        self.assertIsNone(shown["last_status"])
        self.assertIn("timed out", shown["last_error"])

    def test_test_replay_and_rotate(self):
        receiver = self.receiver()
        since = self.newest()
        webhook = self.webhook(receiver, types=["device.registered"])
        tested = self.rest.call("POST", f"/webhooks/{webhook}/test").json
        self.assertEqual((tested["delivered"], tested["status"], tested["error"]), (True, 204, None))
        headers, body, wrong = receiver.requests[-1]
        self.assertIsNone(wrong)
        self.assertIn(b"otad.webhook.test", body)
        self.device_event("again-1")
        wait_until(lambda: len(receiver.seen) == 1, "it came")
        answer = self.rest.call("POST", f"/webhooks/{webhook}/replay", {"since": since})
        self.assertEqual((answer.status, answer.json["cursor"]), (200, since), answer)
        wait_until(lambda: len(receiver.seen) == 2, "it came again")
        self.assertEqual(receiver.seen[0], receiver.seen[1])
        old = receiver.secret
        rotated = self.rest.call("POST", f"/webhooks/{webhook}/rotate").json
        self.assertNotEqual(rotated["secret"], old)
        self.assertIsNotNone(rotated["old_secret_until"])
        self.device_event("again-2")
        wait_until(lambda: len(receiver.seen) == 3, "it came")
        headers, body, _ = receiver.requests[-1]
        self.assertEqual(len(headers["webhook-signature"].split()), 2)
        verify(old, headers, body)
        verify(rotated["secret"], headers, body)
        receiver.answer = lambda *_: 500
        failed = self.rest.call("POST", f"/webhooks/{webhook}/test").json
        self.assertEqual((failed["delivered"], failed["status"], failed["error"]), (False, 500, "answered 500"))

    def test_changes(self):
        receiver, other = self.receiver(), self.receiver()
        webhook = self.webhook(receiver, types=["device.registered"])
        path = f"/webhooks/{webhook}"
        self.assertEqual(self.rest.call("PATCH", path, {"enabled": False}).json["enabled"], False)
        self.device_event("changed-1")
        answer = self.rest.call("PATCH", path, {"url": other.url, "types": ["device.*"], "channel": "default"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((answer.json["types"], answer.json["channel"], answer.json["enabled"]),
                         (["device.*"], "default", True))
        wait_until(lambda: other.seen, "the other gets it")
        self.assertEqual(receiver.seen, [])
        self.assertIsNone(self.rest.call("PATCH", path, {"channel": None}).json["channel"])
        listed = [w["id"] for w in self.rest.get("/webhooks")["items"]]
        self.assertIn(webhook, listed)
        self.assertEqual(self.rest.call("DELETE", path).status, 204)
        for method, where, body in (("GET", path, None), ("PATCH", path, {}), ("DELETE", path, None),
                                    ("POST", path + "/test", None), ("POST", path + "/rotate", None),
                                    ("POST", path + "/replay", {"since": 0}), ("GET", "/webhooks/x", None)):
            with self.subTest(method=method, where=where):
                self.assert_problem(self.rest.call(method, where, body), 404)

    def test_bad_orders_are_refused_by_name(self):
        receiver = self.receiver()
        for body, field in (({}, "url"), ({"url": 1}, "url"), ({"url": receiver.url, "types": ["nothing"]}, "types"),
                            ({"url": receiver.url, "types": "task.failed"}, "types"),
                            ({"url": receiver.url, "channel": "No Such"}, "channel"),
                            ({"url": receiver.url, "secret": "mine"}, "secret")):
            with self.subTest(body=body):
                self.assert_problem(self.rest.call("POST", "/webhooks", body), 422, field)
        webhook = self.webhook(receiver)
        for body in ({}, {"since": -1}, {"since": "x"}, {"since": self.newest() + 1000}):
            with self.subTest(body=body):
                self.assert_problem(self.rest.call("POST", f"/webhooks/{webhook}/replay", body), 422, "since")

    def test_there_are_a_hundred_at_most(self):
        receiver = self.receiver()
        made = []
        while len(made) < 101:
            answer = self.rest.call("POST", "/webhooks", {"url": receiver.url, "types": ["firmware.blocked"]})
            if answer.status != 201:
                break
            made.append(answer.json["id"])
        self.assertEqual(self.assert_problem(answer, 409)["code"], "in_use")
        for one in made:
            self.rest.call("DELETE", f"/webhooks/{one}")
        self.assertLessEqual(len(made), 100)


class Rules(ServerCase):
    """As the settings are by default."""

    def test_urls_of_every_bad_kind(self):
        for url in ("", "x", "example.com", "http://example.com/", "ftp://example.com/", "file:///etc/passwd",
                    "gopher://example.com/", "https://", "https:///x", "https://user:pass@example.com/", "https://a b/",
                    "https://example.com/\r\nX: y", "https://example.com/#x", "https://example.com:22/",
                    "https://example.com:0/", "https://example.com:99999/", "https://127.0.0.1/", "https://10.0.0.1/",
                    "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data/", "https://[::1]/",
                    "https://[fe80::1]/", "https://[fd00::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::a00:1]/",
                    "https://0.0.0.0/", "https://100.64.0.1/", "https://localhost/", "https://LOCALHOST:8443/",
                    "https://224.0.0.1/", "https://exämple.com/", "https://example.com\\@10.0.0.1/",
                    "https://example.com/" + "x" * 3000):
            with self.subTest(url=url):
                self.assert_problem(self.rest.call("POST", "/webhooks", {"url": url}), 422, "url")

    def test_names_that_lead_inside_are_not_connected_to(self):
        # All of these are this machine to its resolver.
        for host in ("localhost.", "ip6-localhost", "2130706433", "0x7f000001", "127.1", "017700000001"):
            with self.subTest(host=host):
                answer = self.rest.call("POST", "/webhooks", {"url": f"https://{host}:{self.daemon.port}/"})
                if answer.status == 422:
                    continue
                self.assertEqual(answer.status, 201, answer)
                tested = self.rest.call("POST", f"/webhooks/{answer.json['id']}/test").json
                self.assertEqual((tested["delivered"], tested["status"]), (False, None), tested)
                self.assertTrue("private address" in tested["error"] or "resolve" in tested["error"], tested)


STORE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


def may_mount():
    tried = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    return STORE.exists() and tried.returncode == 0


class TrustingDaemon(Daemon):
    """The system's authorities are that one."""

    authority = None

    def launch(self, command, env=None):
        mount = 'mount --bind "$0" "$1" && shift && exec "$@"'
        super().launch(["unshare", "-Urm", "sh", "-c", mount, str(self.authority), str(STORE), *command], env)


@unittest.skipUnless(may_mount(), "mount namespaces or the package ca-certificates are missing")
class Tls(WebhookCase):
    """Receivers with certificates of a private authority, without webhooks.allow_http."""

    settings = {"webhooks.allow_private": True}

    @classmethod
    def setUpClass(cls):
        cls.certificates = pathlib.Path(tempfile.mkdtemp(prefix="otad-hook-"))
        cls.addClassCleanup(shutil.rmtree, cls.certificates, ignore_errors=True)
        cls.known, cls.other = Authority(cls.certificates), Authority(cls.certificates, "other")
        TrustingDaemon.authority = cls.known.crt
        with unittest.mock.patch("harness.Daemon", TrustingDaemon):
            super().setUpClass()

    def receiver_of(self, authority):
        receiver = Receiver(authority.issue(f"receiver-{authority.name}"))
        self.addCleanup(receiver.close)
        return receiver

    def test_an_authority_of_the_system_vouches(self):
        receiver = self.receiver_of(self.known)
        webhook = self.webhook(receiver, types=["device.registered"])
        tested = self.rest.call("POST", f"/webhooks/{webhook}/test").json
        self.assertEqual((tested["delivered"], tested["status"]), (True, 204), tested)
        self.device_event("over-tls")
        wait_until(lambda: receiver.seen, "it came")
        self.assertEqual([wrong for _, _, wrong in receiver.requests], [None, None])

    def test_nothing_is_sent_to_others(self):
        stranger, known = self.receiver_of(self.other), self.receiver_of(self.known)
        plain = self.receiver()
        for receiver, url in ((stranger, stranger.url), (known, known.url.replace("127.0.0.1", "localhost")),
                              (plain, plain.url.replace("http:", "https:"))):
            with self.subTest(url):
                webhook = self.rest.call("POST", "/webhooks", {"url": url}).json["id"]
                self.addCleanup(self.rest.call, "DELETE", f"/webhooks/{webhook}")
                tested = self.rest.call("POST", f"/webhooks/{webhook}/test").json
                self.assertEqual((tested["delivered"], tested["status"]), (False, None), tested)
                self.assertRegex(tested["error"], "(?i)certificate|ssl|tls")
                self.assertEqual(receiver.requests, [])
        refused = self.rest.call("POST", "/webhooks", {"url": plain.url})
        self.assertIn("allow_http", self.assert_problem(refused, 422)["detail"])


class Kills(WebhookCase):
    """OTAD_WEBHOOK_KILLS kills (6) at moments that OTAD_WEBHOOK_SEED decides."""

    def test_at_least_once_and_in_order_over_kills(self):
        luck = random.Random(os.environ.get("OTAD_WEBHOOK_SEED", "1"))
        since = self.newest()
        receivers = [self.receiver() for _ in range(3)]
        for receiver in receivers:
            self.webhook(receiver, types=["device.registered"])
        with Registrations(self.daemon.port, "hook-kill") as load:
            for _ in range(int(os.environ.get("OTAD_WEBHOOK_KILLS", "6"))):
                time.sleep(luck.uniform(0.05, 0.8))
                self.daemon.restart()
        self.assertEqual(load.unknown, [], "a registration that was answered is there")
        true = self.numbers(since, types="device.registered")
        for receiver in receivers:
            wait_until(lambda r=receiver: r.seen and r.seen[-1] == true[-1], "it has all", 30)
            self.assertEqual(list(dict.fromkeys(receiver.seen)), true, "in order, all, and nothing that isn't true")
            # What comes again begins at an earlier place and goes on from there in order.
            place = {number: at for at, number in enumerate(true)}
            for before, after in zip(receiver.seen, receiver.seen[1:]):
                self.assertTrue(after <= before or place[after] == place[before] + 1, (before, after))
            self.assertEqual([wrong for _, _, wrong in receiver.requests if wrong], [])


if __name__ == "__main__":
    main()
