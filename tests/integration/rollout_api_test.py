"""Channels and rollouts as operators drive them, over REST, with devices that obey, fail or fall silent."""
import csv
import datetime
import time

from harness import ServerCase, main, wait_until


class RolloutCase(ServerCase):
    settings = {
        "rollouts.soak_s": 1,
        "rollouts.stage_delay_s": 0,
        "tasks.retry_backoff_s": 1,
        "tasks.retry_backoff_max_s": 1,
    }

    def channel(self, name, **fields):
        answer = self.rest.call("PUT", f"/channels/{name}", fields)
        self.assertIn(answer.status, (200, 201), answer)
        return answer.json

    def fleet(self, channel, count, version="1.0.0"):
        """Devices of the channel that were seen once."""
        devices = []
        for number in range(count):
            device = self.device(f"{channel}-{number}", hardware=f"hw-{channel}", version=version)
            device.request("up_to_date", channel=channel)
            devices.append(device)
        return devices

    def rollout(self, channel, version, status=201, **fields):
        order = {"channel": channel, "version": version, "hardware": f"hw-{channel}", **fields}
        answer = self.rest.call("POST", "/rollouts", order)
        self.assertEqual(answer.status, status, answer)
        return answer.json["rollout_id"] if status < 300 else answer.json

    def shown(self, rollout):
        return self.rest.get(f"/rollouts/{rollout}")

    def order(self, rollout, verb, status=200, **fields):
        answer = self.rest.call("POST", f"/rollouts/{rollout}/{verb}", fields or None)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def wait_state(self, rollout, state, timeout=20.0):
        return wait_until(
            lambda: (lambda seen: seen if seen["state"] == state else None)(self.shown(rollout)),
            f"{rollout} is {state}: {self.shown(rollout)}",
            timeout,
        )

    def offered(self, device):
        """Whether the device has been offered its update."""
        return device.peek("metadata")

    def fetch(self, device, metadata=None):
        """Downloads what was offered; the answer to verify: success or hold."""
        metadata = metadata or device.wait("metadata", timeout=20)
        self.assertTrue(device.download(metadata))
        answer = device.verify(metadata, "success", "hold")
        return metadata, answer

    def install(self, device, version):
        """Says that it runs the version, at once and again when it has proved itself."""
        device.version = version
        device.request("up_to_date")
        time.sleep(1.2)
        device.request("up_to_date")


class Rollouts(RolloutCase):
    def test_a_good_rollout_reaches_all_and_becomes_the_target(self):
        self.channel("good", notes="all well")
        devices = self.fleet("good", 3)
        self.firmware("2.0.0", "hw-good")
        order = {"channel": "good", "version": "2.0.0", "hardware": "hw-good", "stages": ["canary", "100%"]}
        plan = self.rest.call("POST", "/rollouts?dry_run=true", order)
        self.assertEqual(plan.status, 200, plan)
        self.assertEqual((plan.json["living"], plan.json["eligible"]), (3, 3), plan.json)
        self.assertEqual(plan.json["replaces"], None)

        key = {"Idempotency-Key": "good-1"}
        first = self.rest.call("POST", "/rollouts", order, key)
        self.assertEqual(first.status, 201, first)
        rollout = first.json["rollout_id"]
        self.assertTrue(first.headers["location"].endswith(f"/rollouts/{rollout}"))
        again = self.rest.call("POST", "/rollouts", order, key)
        self.assertEqual((again.status, again.json["rollout_id"]), (201, rollout))
        open_one = self.rest.call("POST", "/rollouts", order)
        self.assertEqual((open_one.status, open_one.json["rollout_id"]), (200, rollout))
        self.assertEqual(self.rest.call("POST", "/rollouts", {**order, "soak_s": 5}, key).json["code"], "key_reused")

        for _ in devices:  # one by one: the failure budget is 1
            self.one_more(devices)
        done = self.wait_state(rollout, "completed")
        self.assertEqual(done["buckets"]["healthy"], 3, done)
        channel = self.rest.get("/channels/good")
        self.assertEqual(channel["hardware"][0]["target"], {"version": "2.0.0", "rollout_id": rollout})
        self.assertEqual(channel["devices"], {"all": 3, "living": 3})

    def one_more(self, devices):
        """The next device that is offered the update installs it and proves it."""

        def next_offer():
            return next((device for device in devices if device.version == "1.0.0" and self.offered(device)), None)

        device = wait_until(next_offer, "a device is offered the update", 20)
        metadata, answer = self.fetch(device)
        if answer["type"] == "hold":
            device.wait("success", timeout=20)
        self.install(device, metadata["version"])

    def test_refusals(self):
        self.channel("refuse")
        self.fleet("refuse", 1)
        self.firmware("2.0.0", "hw-refuse")
        self.firmware("2.1.0", "hw-refuse")
        self.firmware("2.0.0", "hw-other")
        call = self.rest.call
        self.assert_problem(call("POST", "/rollouts", {"channel": "nowhere", "version": "2.0.0"}), 404)
        self.assert_problem(call("POST", "/rollouts", {"channel": "refuse", "version": "9.9.9"}), 404)
        self.assert_problem(call("POST", "/rollouts", {"channel": "refuse", "version": "2.0.0", "x": 1}), 422, "x")
        rollout = self.rollout("refuse", "2.0.0")
        several = call("POST", "/rollouts", {"channel": "refuse", "version": "2.0.0"})
        self.assert_problem(several, 422, "hardware")
        other = {"channel": "refuse", "version": "2.1.0", "hardware": "hw-refuse"}
        problem = self.assert_problem(call("POST", "/rollouts", other), 409)
        self.assertEqual(problem["code"], "rollout_active")
        self.assertIn(rollout, problem["detail"])
        self.assertEqual(self.order(rollout, "resume", 409)["code"], "wrong_state")
        second = self.rollout("refuse", "2.1.0", supersede=True)
        self.assertEqual(self.shown(rollout)["state"], "superseded")
        self.assertEqual(self.order(rollout, "pause", 409)["code"], "wrong_state")
        self.order(second, "finish")
        self.assertEqual(self.rollout("refuse", "2.0.0", 409)["code"], "downgrade")
        self.assert_problem(call("DELETE", "/channels/refuse"), 409)
        self.assert_problem(call("DELETE", "/channels/default"), 409)
        self.assert_problem(call("DELETE", "/channels/refuse/targets/nothing"), 404)
        self.assertEqual(call("DELETE", "/channels/refuse/targets/hw-refuse").status, 204)
        self.assertEqual(self.rest.get("/channels/refuse")["hardware"][0]["target"], None)

    def test_pause_change_and_cancel(self):
        self.channel("pause")
        devices = self.fleet("pause", 2)
        self.firmware("2.0.0", "hw-pause")
        rollout = self.rollout("pause", "2.0.0", stages=["100%"], max_failures="100%")
        self.assertEqual(self.order(rollout, "pause")["state"], "paused")
        self.assertEqual(self.shown(rollout)["waiting_for"]["what"], "operator")
        metadata, answer = self.fetch(devices[0])
        self.assertEqual((answer["type"], answer["reason"]), ("hold", "paused"))
        changed = self.rest.call("PATCH", f"/rollouts/{rollout}", {"notes": "slowly", "max_soaking": 1})
        self.assertEqual((changed.status, changed.json["notes"], changed.json["max_soaking"]), (200, "slowly", 1))
        self.order(rollout, "resume")
        devices[0].wait("success", timeout=20)
        _, answer = self.fetch(devices[1])
        self.assertEqual((answer["type"], answer["reason"]), ("hold", "pace"))  # one soaks already
        ended = self.order(rollout, "cancel")
        self.assertEqual((ended["state"], ended["reason"]), ("cancelled", "cancelled"))
        self.assertEqual(devices[1].wait("cancel")["reason"], "rollout_cancelled")
        self.install(devices[0], metadata["version"])  # who passed the gate is still counted
        self.assertEqual(self.shown(rollout)["buckets"]["healthy"], 1)

    def test_halt_retry_resume_and_rollback(self):
        self.channel("halt")
        devices = self.fleet("halt", 2)
        self.firmware("1.0.0", "hw-halt")
        self.firmware("2.0.0", "hw-halt")
        first = self.rollout("halt", "1.0.0")
        self.order(first, "finish")
        rollout = self.rollout("halt", "2.0.0", stages=["100%"], max_failures=1)
        self.assertEqual(self.shown(rollout)["replaces"], "1.0.0")
        bad = wait_until(lambda: next((d for d in devices if self.offered(d)), None), "an offer", 20)
        _, answer = self.fetch(bad)
        self.assertEqual(answer["type"], "success")
        time.sleep(1.2)
        bad.request()  # it runs the old version after soak_s: rolled back
        halted = self.wait_state(rollout, "halted")
        self.assertEqual(halted["reason"], "budget_spent")
        self.assertEqual(halted["failures"], [{"reason": "rolled_back", "count": 1, "devices": [bad.id]}])
        self.assertEqual(halted["waiting_for"]["what"], "operator")
        self.assertEqual(self.order(rollout, "resume", 409)["code"], "still_halted")
        self.order(rollout, "retry", devices=[bad.id])
        self.assertEqual(self.order(rollout, "resume")["state"], "running")
        bad.drain()
        bad.request("metadata")
        back = self.order(rollout, "rollback", 201)
        self.assertEqual((back["version"], back["only_from"], back["force"]), ("1.0.0", ["2.0.0"], True))
        self.assertEqual(self.shown(rollout)["state"], "cancelled")

    def test_a_window_holds_the_installation_only(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        ahead = [(now + datetime.timedelta(hours=hours)).strftime("%H:%M") for hours in (2, 3)]
        self.channel("window", window={"from": ahead[0], "to": ahead[1], "timezone": "UTC"})
        (device,) = self.fleet("window", 1)
        self.firmware("2.0.0", "hw-window")
        rollout = self.rollout("window", "2.0.0", stages=["100%"])
        _, answer = self.fetch(device)
        self.assertEqual((answer["type"], answer["reason"]), ("hold", "window"))
        self.assertIn(ahead[0], answer["until"])
        shown = self.shown(rollout)
        self.assertEqual((shown["waiting_for"]["what"], shown["buckets"]["staged"]), ("window", 1), shown)
        self.assertEqual(shown["waiting_for"]["until"], answer["until"])
        self.assertEqual(self.explain(device.id)["verdict"], "window")
        self.assertFalse(self.rest.get("/channels/window")["window_open"])
        self.channel("window", window=None)
        device.wait("success", timeout=20)
        self.install(device, "2.0.0")
        self.wait_state(rollout, "completed")

    def explain(self, device):
        return self.rest.get(f"/devices/{device}/explain")

    def test_moves_pins_and_what_explain_says(self):
        for name in ("here", "there"):
            self.channel(name)
        devices = [
            self.device(f"mover-{number}", hardware="hw-there", version="1.0.0") for number in range(3)
        ]
        for device in devices:
            device.request("up_to_date", channel="here")
        self.firmware("2.0.0", "hw-there")
        self.assertEqual(self.explain("nobody")["verdict"], "unknown_device")
        self.assertEqual(self.explain("mover-0")["verdict"], "no_target")
        self.order(self.rollout("there", "2.0.0", max_failures="100%"), "finish")

        move = {"channel": "there", "where": ["id~mover-*", "channel=here"]}
        dry = self.rest.call("POST", "/devices/move?dry_run=true", move)
        self.assertEqual((dry.status, dry.json["moved"], dry.json["will_update"]), (200, 3, 3), dry)
        self.assertEqual(self.rest.get("/devices/mover-0")["channel"], "here")
        pinned = self.rest.call("PATCH", "/devices/mover-2", {"pinned": True, "timezone": "Europe/Berlin"})
        self.assertEqual((pinned.status, pinned.json["pinned"], pinned.json["timezone"]), (200, True, "Europe/Berlin"))
        self.assert_problem(self.rest.call("PATCH", "/devices/mover-2", {"timezone": "No/Where"}), 422, "timezone")
        moved = self.rest.call("POST", "/devices/move", move)
        self.assertEqual((moved.json["moved"], moved.json["will_update"]), (3, 2), moved)
        self.assertEqual(self.rest.call("POST", "/devices/move", {"channel": "nowhere", "devices": []}).status, 404)
        named = self.rest.call("POST", "/devices/move", {"channel": "there", "devices": ["mover-0", "ghost"]})
        self.assertEqual((named.json["moved"], named.json["unknown"]), (1, ["ghost"]))

        told = self.explain("mover-0")
        self.assertEqual((told["verdict"], told["by"], told["should_run"]), ("admitted", "target", "2.0.0"), told)
        told = self.explain("mover-2")
        self.assertEqual((told["verdict"], told["checks"][-1]["check"]), ("pinned", "pinned"), told)
        self.assertEqual(devices[2].request()["type"], "up_to_date")
        devices[0].request("metadata")
        told = self.explain("mover-0")
        self.assertEqual(told["verdict"], "downloading", told)
        _, answer = self.fetch(devices[1], devices[1].request("metadata"))
        self.assertEqual(answer["type"], "success")
        self.install(devices[1], "2.0.0")
        self.assertEqual(self.explain("mover-1")["verdict"], "up_to_date")

    def test_a_blocked_firmware_halts_its_rollouts(self):
        self.channel("block")
        (device,) = self.fleet("block", 1)
        self.firmware("2.0.0", "hw-block")
        firmware = next(one for one in self.rest.items("/firmware") if one["hardware"] == "hw-block")
        self.assertFalse(firmware["blocked"])
        rollout = self.rollout("block", "2.0.0", stages=["100%"])
        call = self.rest.call
        blocked = call("PATCH", f"/firmware/{firmware['id']}", {"blocked": True, "reason": "it bricks"})
        self.assertEqual((blocked.status, blocked.json["blocked_reason"]), (200, "it bricks"))
        self.assertEqual(self.wait_state(rollout, "halted")["reason"], "blocked")
        self.assertEqual(self.rest.upgrade(device.id, "2.0.0").json["code"], "blocked")
        self.assertEqual(self.order(rollout, "resume", 409)["code"], "still_halted")
        self.order(rollout, "cancel")
        self.assertEqual(self.rollout("block", "2.0.0", 409)["code"], "blocked")
        self.assertEqual(call("PATCH", f"/firmware/{firmware['id']}", {"blocked": False}).json["blocked"], False)
        self.rollout("block", "2.0.0")

    def test_lists_history_report_and_metrics(self):
        self.channel("lists")
        devices = self.fleet("lists", 2)
        self.firmware("2.0.0", "hw-lists")
        rollout = self.rollout("lists", "2.0.0", stages=["100%"], max_failures="100%")
        metadata, _ = self.fetch(devices[0])
        self.install(devices[0], metadata["version"])
        self.assertEqual(self.shown(rollout)["buckets"]["healthy"], 1)
        healthy = self.rest.items(f"/rollouts/{rollout}/devices", bucket="healthy")
        self.assertEqual([one["device_id"] for one in healthy], [devices[0].id])
        waiting = self.rest.items(f"/rollouts/{rollout}/devices", bucket="assigned")
        self.assertEqual([one["device_id"] for one in waiting], [devices[1].id])
        report = self.rest.call("GET", f"/rollouts/{rollout}/report", headers={"Accept": "text/csv"})
        lines = list(csv.DictReader(report.body.decode().splitlines()))
        self.assertEqual({line["device_id"]: line["bucket"] for line in lines},
                         {devices[0].id: "healthy", devices[1].id: "assigned"})
        first = next(line for line in lines if line["bucket"] == "healthy")
        self.assertEqual((first["from"], first["to"], first["attempts"]), ("1.0.0", "2.0.0", "1"))
        wait_until(lambda: self.rest.items(f"/rollouts/{rollout}/history"), "the history has a point")
        page = self.rest.call("GET", "/metrics").body.decode()
        self.assertIn(f'otad_rollout_devices{{rollout="{rollout}",bucket="healthy"}} 1', page)
        self.assertIn(f'otad_rollout_state{{rollout="{rollout}",state="running"}} 1', page)
        self.assertIn('otad_fleet_devices{channel="lists",hardware="hw-lists",version="2.0.0"} 1', page)
        fleet = self.rest.get("/fleet", channel="lists")
        self.assertEqual((fleet["devices"], fleet["living"], fleet["present"]), (2, 2, 2), fleet)
        self.assertEqual({one["version"]: one["devices"] for one in fleet["versions"]}, {"1.0.0": 1, "2.0.0": 1})
        summary = self.rest.get("/summary")["rollouts"]
        mine = next(one for one in summary if one["rollout_id"] == rollout)
        self.assertEqual((mine["state"], mine["buckets"]["healthy"]), ("running", 1))
        listed = self.rest.get("/rollouts", channel="lists", state="running")["items"]
        self.assertEqual([one["rollout_id"] for one in listed], [rollout])

    def test_a_device_that_is_ordered_with_pin_leaves_its_channel_alone(self):
        self.channel("pin")
        (device,) = self.fleet("pin", 1)
        self.firmware("2.0.0", "hw-pin")
        self.firmware("1.5.0", "hw-pin")
        self.order(self.rollout("pin", "2.0.0"), "finish")
        posted = self.rest.upgrade(device.id, "1.5.0", pin=True)
        self.assertEqual(posted.status, 201, posted)
        self.assertTrue(self.rest.get(f"/devices/{device.id}")["pinned"])
        metadata = device.request("metadata", timeout=20)
        while metadata["version"] != "1.5.0":  # that of the channel was offered before
            metadata = device.wait("metadata")
        self.assertTrue(device.download(metadata))
        device.verify(metadata, "success")
        self.install(device, "1.5.0")
        self.assertEqual(self.explain(device.id)["verdict"], "pinned")
        self.assertEqual(device.request()["type"], "up_to_date")


if __name__ == "__main__":
    main()
