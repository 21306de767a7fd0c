"""Events: as JSON and live, filtered, resumed, with bad input, and over kill -9 (docs/events.md)."""
import os
import random
import socket
import time

from harness import ServerCase, main, wait_until
from registrations import Registrations
from sse import Reader, event_numbers


class Events(ServerCase):
    def newest(self):
        return self.rest.get("/events", limit=1)["newest"]

    def device_event(self, name):
        """One event, device.registered."""
        answer = self.rest.call("PUT", f"/devices/{name}", {"hardware": "gw-e"})
        self.assertIn(answer.status, (200, 201), answer)

    def reader(self, since=None, **query):
        reader = Reader(self.daemon.port, since, **query)
        self.addCleanup(reader.close)
        wait_until(lambda: reader.connects, "the stream is open")
        return reader

    def all_since(self, since, **query):
        found = []
        while True:
            page = self.rest.get("/events", since=since, **query)
            found += page["items"]
            since = page["next"]
            if since == page["newest"]:
                return found

    def test_an_update_is_a_story(self):
        since = self.newest()
        live = self.reader(since, types="task.*,device.*")
        self.firmware("1.1.0", "gw-story")
        device = self.device("story-1", hardware="gw-story", version="1.0.0")
        task = self.upgrade("story-1", "1.1.0")
        device.run()
        self.rest.wait_state(task, "succeeded")
        types = [e["type"] for e in self.all_since(since, device_id="story-1")]
        order = [t for t in types if t.startswith("otad.task.")]
        self.assertEqual(order[0], "otad.task.created")
        self.assertEqual(order[-1], "otad.task.succeeded")
        self.assertIn("otad.task.offered", order)
        last = self.all_since(since, device_id="story-1", types="task.succeeded")[-1]
        self.assertEqual(last["subject"], task)
        self.assertEqual(last["specversion"], "1.0")
        self.assertTrue(last["source"].startswith("/otad/"))
        self.assertEqual(last["data"]["device_id"], "story-1")
        self.assertEqual(last["data"]["channel"], "default")
        self.assertEqual(last["data"]["firmware_version"], "1.1.0")
        live.wait(lambda r: int(last["id"]) in r.seen, "the same came live")
        self.assertEqual(live.seen, sorted(set(live.seen)))
        self.assertFalse([e for e in live.events if not e["type"].startswith(("otad.task.", "otad.device."))])

    def test_pages_go_on_and_filters_hold(self):
        since = self.newest()
        for i in range(7):
            self.device_event(f"page-{i}")
        first = self.rest.get("/events", since=since, limit=3, types="device.registered")
        self.assertEqual(len(first["items"]), 3)
        self.assertEqual(first["next"], int(first["items"][-1]["id"]))
        rest = self.rest.get("/events", since=first["next"], types="device.registered")
        self.assertEqual(len(rest["items"]), 4)
        self.assertEqual(rest["next"], rest["newest"])
        self.assertEqual(self.rest.get("/events", since=rest["newest"])["items"], [])
        self.assertEqual(len(self.all_since(since, device_id="page-3")), 1)
        self.assertEqual(self.all_since(since, channel="elsewhere"), [])

    def test_a_stream_resumes_without_loss(self):
        reader = self.reader()
        self.device_event("resume-0")
        reader.wait(lambda r: r.seen, "the first")
        reader.close()
        for i in range(1, 30):
            self.device_event(f"resume-{i}")
        again = self.reader(reader.last)
        again.wait(lambda r: any(e["subject"] == "resume-29" for e in r.events), "what came meanwhile")
        names = [e["subject"] for e in again.events if e["subject"].startswith("resume-")]
        self.assertEqual(names, [f"resume-{i}" for i in range(1, 30)])

    def test_a_quiet_stream_gets_comments(self):
        reader = self.reader(types="firmware.blocked")
        wait_until(lambda: reader.comments, "a comment", 30)
        self.assertEqual(reader.connects, 1)

    def test_places_of_other_databases(self):
        self.device_event("places")
        future = self.reader(self.newest() + 1000)
        gap = future.wait(lambda r: r.gaps, "a gap")[0]
        self.assertEqual(set(gap), {"oldest", "newest"})
        self.device_event("places-2")
        future.wait(lambda r: r.seen, "it goes on with what comes")
        self.assert_problem(self.rest.call("GET", f"/events?since={self.newest() + 1000}"), 422, "since")

    def test_bad_input_is_refused_by_name(self):
        stream = {"Accept": "text/event-stream"}
        for query, field in (("since=-1", "since"), ("since=x", "since"), ("since=1.5", "since"),
                             ("since=99999999999999999999", "since"), ("types=task.fail", "types"), ("types=*", "types"),
                             ("types=task.failed,,", "types"), ("channel=No%20Such", "channel"), ("device_id=..", "device_id"),
                             ("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=1", "cursor")):
            with self.subTest(query=query):
                self.assert_problem(self.rest.call("GET", f"/events?{query}"), 422, field)
                self.assert_problem(self.rest.call("GET", f"/events?{query}", headers=stream), 422, field)
        for last in ("-1", "abc", "1 2", "99999999999999999999"):
            with self.subTest(last=last):
                self.assert_problem(self.rest.call("GET", "/events", headers={**stream, "Last-Event-ID": last}), 422,
                                    "Last-Event-ID")
        self.assert_problem(self.rest.call("POST", "/events", {}), 405)
        head = self.rest.call("HEAD", "/events", headers=stream)
        self.assertEqual((head.status, head.headers["content-type"]), (200, "text/event-stream"))

    def test_readers_that_never_read_harm_nobody(self):
        mute = []
        for _ in range(50):
            one = socket.create_connection(("127.0.0.1", self.daemon.port))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.sendall(b"GET /events?since=0 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
            mute.append(one)
        reader = self.reader()
        for i in range(200):
            self.device_event(f"mute-{i}")
        reader.wait(lambda r: any(e["subject"] == "mute-199" for e in r.events), "others are served")
        for one in mute:
            one.close()

    def test_it_stops_with_streams_open(self):
        newest = self.newest()
        readers = [self.reader(newest) for _ in range(20)]
        begun = time.monotonic()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertLess(time.monotonic() - begun, 8, "no stream is waited for")
        self.daemon.start()
        self.device_event("after-stop")
        for reader in readers:
            reader.wait(lambda r: any(e["subject"] == "after-stop" for e in r.events), "it resumed")


class Health(ServerCase):
    def test_a_broker_that_stays_away_is_said(self):
        reader = Reader(self.daemon.port, types="server.*")
        self.addCleanup(reader.close)
        wait_until(lambda: reader.connects, "the stream is open")
        self.broker.kill()
        event = reader.wait(lambda r: r.events and r.events[-1], "after 30 s", 60)
        self.assertEqual((event["type"], event["data"]["component"]), ("otad.server.degraded", "broker"))
        self.broker.start()
        event = reader.wait(lambda r: len(r.events) == 2 and r.events[-1], "it is back", 30)
        self.assertEqual((event["type"], event["data"]["component"]), ("otad.server.recovered", "broker"))


class Kills(ServerCase):
    """OTAD_EVENT_KILLS kills (8) at moments that OTAD_EVENT_SEED decides, with readers that come and go."""

    def test_each_event_once_and_in_order_over_kills(self):
        luck = random.Random(os.environ.get("OTAD_EVENT_SEED", "1"))
        port = self.daemon.port
        steady = [Reader(port, 0) for _ in range(8)]
        filtered = Reader(port, 0, types="device.registered")
        with Registrations(port, "kill") as load:
            for _ in range(int(os.environ.get("OTAD_EVENT_KILLS", "8"))):
                visitor = Reader(port, steady[0].last)
                time.sleep(luck.uniform(0.05, 0.6))
                self.daemon.kill()
                visitor.close()
                self.assertEqual(visitor.seen, sorted(set(visitor.seen)))
                self.daemon.start()
        self.assertEqual(load.unknown, [], "a registration that was answered is there")
        page = self.rest.get("/events", limit=1)
        true = event_numbers(self.rest)
        for reader in steady:
            reader.wait(lambda r: r.seen and r.seen[-1] == page["newest"], "it has all", 30)
            self.assertEqual(reader.seen, true, "each once, in order, and nothing that isn't there")
            self.assertEqual(reader.gaps, [])
        registered = event_numbers(self.rest, types="device.registered")
        filtered.wait(lambda r: r.seen and r.seen[-1] == registered[-1], "it has all", 30)
        self.assertEqual(filtered.seen, registered)
        # What is announced is true: each device that was announced is there.
        known = {device["device_id"] for device in self.rest.items("/devices", limit=1000)}
        announced = {event["subject"] for event in filtered.events}
        self.assertEqual(announced, known)
        for reader in [*steady, filtered]:
            reader.close()


if __name__ == "__main__":
    main()
