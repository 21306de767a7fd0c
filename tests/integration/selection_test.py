"""Selection: conditions, order, counts, CSV and gzip of lists; import, tags of many, the summary."""
import csv
import gzip
import io
import json
from urllib.parse import urlencode

from harness import ServerCase, main


class Selection(ServerCase):
    def ids(self, *where, path="/devices", key="device_id", **query):
        """All that these conditions select, page after page."""
        found, cursor = [], {}
        while True:
            parts = [("where", one) for one in where] + [*query.items(), *cursor.items()]
            answer = self.rest.call("GET", f"{path}?{urlencode(parts)}")
            self.assertEqual(answer.status, 200, answer)
            found += [item[key] for item in answer.json["items"]]
            if answer.json["next"] is None:
                return found
            cursor = {"cursor": answer.json["next"]}

    def count(self, *where, path="/devices"):
        parts = [("count", "true")] + [("where", one) for one in where]
        return self.rest.call("GET", f"{path}?{urlencode(parts)}").json["count"]

    def import_(self, text, query="", kind="text/csv"):
        return self.rest.call("POST", "/devices/import" + query, text.encode(), {"Content-Type": kind})

    def register(self, prefix, count=6):
        rows = [f"{prefix}-{i},{prefix},{'north' if i % 2 else 'south'},{i}" for i in range(count)]
        answer = self.import_("id,hardware,tag.site,tag.rack\n" + "\n".join(rows) + "\n")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["new"], count)
        return [f"{prefix}-{i}" for i in range(count)]

    def test_devices_by_what_they_are_and_report(self):
        ids = self.register("sel-a")
        for name, version in zip(ids[:4], ("1.2.0", "1.10.0", "1.9.0-rc.1", "1.9.0")):
            self.device(name, version=version).request("up_to_date")
        mine = "hardware=sel-a"
        self.assertEqual(self.ids(mine), ids)
        self.assertEqual(self.ids(mine, "version<1.9.0"), [ids[0], ids[2]])
        self.assertEqual(self.ids(mine, "version >= 1.9.0", sort="-version"), [ids[1], ids[3]])
        self.assertEqual(self.ids(mine, "version=unknown"), ids[4:])
        self.assertEqual(self.ids(mine, "online=true", sort="id", limit=1), ids[:4])
        self.assertEqual(self.ids(mine, "last_seen=never"), ids[4:])
        self.assertEqual(self.ids(mine, "tag.site=north", "tag.rack!=3"), [ids[1], ids[5]])
        self.assertEqual(self.ids("id~SEL-A-?", "tag.rack>=4"), ids[4:])
        self.assertEqual(self.ids(mine, "outcome=none", "channel=default"), ids)
        self.assertEqual(self.count(mine), 6)
        self.assertEqual(self.count(mine, "online=false"), 2)

    def test_tasks_by_themselves_and_their_devices(self):
        self.firmware("3.0.0", "sel-b")
        ids = self.register("sel-b")
        for name in ids[:3]:
            self.upgrade(name, "3.0.0")
        device = self.device(ids[0], hardware="sel-b")
        self.assertEqual(device.run()["type"], "success")
        tasks = {"path": "/tasks"}
        self.assertEqual(self.ids("hardware=sel-b", **tasks), ids[2::-1])
        self.assertEqual(self.ids("hardware=sel-b", "state=succeeded", **tasks), ids[:1])
        self.assertEqual(self.ids("tag.site=south", "hardware=sel-b", "version=v3.0.0", **tasks), [ids[2], ids[0]])
        self.assertEqual(self.ids("hardware=sel-b", sort="id", limit=2, **tasks), ids[:3])
        self.assertEqual(self.ids("hardware=sel-b", "outcome=succeeded"), ids[:1])
        self.assertEqual(self.ids("hardware=sel-b", "outcome=queued"), ids[1:3])
        self.assertEqual(self.count("id=" + ids[1], "rollout=none", **tasks), 1)

    def test_refusals_name_what_there_is(self):
        for query, said in (
            ({"where": "hardwar=x"}, "did you mean hardware?"),
            ({"where": "id==x"}, "known are = != < <= > >= ~"),
            ({"where": "link<fair"}, "it has = !="),
            ({"sort": "hardwar"}, "must be one of id, hardware, version"),
        ):
            answer = self.rest.call("GET", "/devices?" + urlencode(query))
            self.assert_problem(answer, 422, next(iter(query)))
            self.assertIn(said, answer.json["errors"][0]["message"])

    def test_csv_and_gzip(self):
        ids = self.register("sel-c", 30)
        query = "/devices?" + urlencode({"where": "hardware=sel-c", "limit": 20})
        answer = self.rest.call("GET", query, None, {"Accept": "text/csv", "Accept-Encoding": "gzip"})
        self.assertEqual(answer.headers["content-encoding"], "gzip")
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(answer.body).decode())))
        self.assertEqual([row["id"] for row in rows], sorted(ids)[:20])
        self.assertEqual(json.loads(rows[0]["tags"])["site"], "south")
        self.assertIn('rel="next"', answer.headers["link"])

    def test_import_is_all_or_nothing(self):
        text = "id,hardware\nsel-d-1,sel-d\nsel-d-2,not ok\n"
        answer = self.import_(text)
        self.assert_problem(answer, 422)
        self.assertEqual([line["result"] for line in answer.json["lines"]], ["new", "refused"])
        self.assertEqual(self.ids("hardware=sel-d"), [])
        self.assertEqual(self.import_(text, "?dry_run=true&skip_bad=true").json["applied"], False)
        answer = self.import_(text, "?skip_bad=true&tokens=true")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.ids("hardware=sel-d"), ["sel-d-1"])
        token = answer.json["lines"][0]["token"]
        device = self.device("sel-d-1", hardware="sel-d", token=token)
        device.request("up_to_date")
        again = self.import_('{"id": "sel-d-1", "hardware": "sel-d", "tags": {"a": "b"}}\n', kind="application/x-ndjson")
        self.assertEqual(again.json["lines"][0]["result"], "changed")

    def test_tags_of_many(self):
        ids = self.register("sel-e", 250)
        order = {"where": ["hardware=sel-e", "tag.site=north"], "set": {"site": "east"}, "remove": ["rack"]}
        answer = self.rest.call("POST", "/devices/tags", order)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((answer.json["matched"], answer.json["changed"], answer.json["refused"]), (125, 125, 0))
        self.assertEqual(self.count("hardware=sel-e", "tag.site=east", "tag.rack="), 125)
        self.assertEqual(self.count("hardware=sel-e", "tag.site=south"), 125)
        self.assertEqual(self.rest.get(f"/devices/{ids[1]}")["tags"], {"site": "east"})
        self.assertEqual(self.rest.call("POST", "/devices/tags", order).json["matched"], 0)

    def test_summary(self):
        before = self.rest.get("/summary")
        self.firmware("4.0.0", "sel-f")
        self.register("sel-f", 5)
        self.device("sel-f-0", version="3.9.0").request("up_to_date")
        self.upgrade("sel-f-1", "4.0.0")
        after = self.rest.get("/summary")
        self.assertEqual(after["devices"]["total"] - before["devices"]["total"], 5)
        self.assertEqual(after["devices"]["online"] - before["devices"]["online"], 1)
        self.assertEqual(after["devices"]["living"] - before["devices"]["living"], 1)
        self.assertEqual(after["tasks"]["queued"] - before["tasks"]["queued"], 1)
        self.assertIn(
            {"channel": "default", "hardware": "sel-f", "version": "3.9.0", "devices": 1, "living": 1},
            after["versions"],
        )
        self.assertEqual(after["health"]["status"], "ready")


if __name__ == "__main__":
    main()
