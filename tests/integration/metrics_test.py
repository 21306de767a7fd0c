"""Metrics: what Prometheus asks of their form, histograms, and that dashboard and alerts name what there is."""

import json
import re
import shutil
import subprocess
import time
import unittest

import yaml

from harness import MIB, ROOT, ServerCase, main, wait_until
from sse import Reader

RULES = ROOT / "config" / "prometheus" / "otad-rules.yml"
DASHBOARD = ROOT / "config" / "grafana" / "otad.json"
PROMTOOL = shutil.which("promtool")
NAME = re.compile(r"\b(?:otad|process)_[a-z_]+\b")


def samples(text):
    """Name with labels -> value."""
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in rows}


def introduced(text):
    """The names of series, those of histograms with what they end in."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M):
        names |= {f"{name}_{end}" for end in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


class Metrics(ServerCase):
    settings = {"tasks.retry_backoff_s": 1}

    def page(self):
        answer = self.rest.call("GET", "/metrics")
        self.assertEqual(answer.status, 200)
        return answer.body.decode()

    def test_an_update_is_counted(self):
        self.firmware("1.4.0", "me", size=2 * MIB)
        device = self.device("measured", hardware="me", version="1.3.0")
        device.request("up_to_date")
        before = samples(self.page())
        self.upgrade("measured", "1.4.0")
        self.assertEqual(device.run()["type"], "success")
        now = wait_until(lambda: self.ended(before), "the end of the task is counted")
        self.assertEqual(now["otad_delivery_seconds_count"], before["otad_delivery_seconds_count"] + 1)
        self.assertEqual(
            now["otad_delivery_bytes_per_second_count"], before["otad_delivery_bytes_per_second_count"] + 1
        )
        self.assertGreater(now["otad_delivery_bytes_per_second_sum"], before["otad_delivery_bytes_per_second_sum"])
        self.assertGreater(now["otad_engine_commit_seconds_count"], before["otad_engine_commit_seconds_count"])
        self.assertEqual(now['otad_engine_commit_seconds_bucket{le="+Inf"}'], now["otad_engine_commit_seconds_count"])
        self.assertGreaterEqual(now["otad_devices"], 1)
        self.assertGreaterEqual(now["otad_devices_online"], 1)
        self.assertEqual(now["otad_slots_max"], 100)
        self.assertLess(abs(now["process_start_time_seconds"] - time.time()), 3600)

    def ended(self, before):
        now = samples(self.page())
        name = 'otad_tasks_ended_total{state="succeeded",reason=""}'
        return now if now.get(name, 0) > before.get(name, 0) else None

    def test_events_webhooks_and_the_database_are_measured(self):
        self.rest.call("PUT", "/devices/eventful", {"hardware": "me"})
        webhooks = {}
        for state, changes in (("good", None), ("disabled", {"enabled": False})):
            order = {"url": f"https://{state}.invalid/hook", "types": ["server.started"]}
            made = self.rest.call("POST", "/webhooks", order)
            webhooks[state] = made.json["id"]
            self.addCleanup(self.rest.call, "DELETE", f"/webhooks/{made.json['id']}")
            if changes:
                self.rest.call("PATCH", f"/webhooks/{made.json['id']}", changes)
        reader = Reader(self.daemon.port)
        self.addCleanup(reader.close)
        now = wait_until(lambda: (page := samples(self.page()))["otad_event_readers"] == 1 and page, "it counts")
        self.assertEqual(now["otad_events_total"], self.rest.get("/events", limit=1)["newest"])
        counts = [now[f'otad_webhooks{{state="{state}"}}'] for state in ("good", "failing", "disabled")]
        self.assertEqual(counts, [1, 0, 1])
        self.assertEqual(now["otad_event_readers_cut_total"], 0)
        entries = self.rest.items("/audit")
        now = samples(self.page())
        self.assertEqual(now["otad_audit_entries"], len(entries))
        self.assertGreater(now["otad_database_bytes"], 100_000)
        # The disabled one stays behind: its events are not looked at.
        self.rest.call("PUT", "/devices/eventful-2", {"hardware": "me"})
        behind = 'otad_webhook_events_behind{{webhook="{}"}}'.format
        self.assertGreaterEqual(samples(self.page())[behind(webhooks["disabled"])], 1)

    def test_the_oldest_waiting_task_is_measured(self):
        self.assertEqual(samples(self.page())["otad_queue_oldest_seconds"], 0)
        self.firmware("1.5.0", "mq")
        self.rest.call("PUT", "/devices/absent", {"hardware": "mq"})
        task = self.upgrade("absent", "1.5.0")
        now = wait_until(lambda: (page := samples(self.page()))["otad_queue_oldest_seconds"] > 0.5 and page, "it ages")
        self.assertLess(now["otad_queue_oldest_seconds"], 60)
        self.assertEqual(now["otad_queue_oldest_ready_seconds"], 0, "the device is absent, so no slot would help")
        self.rest.call("POST", f"/tasks/{task}/cancel")

    def test_polls_of_hawkbits_interface_are_counted(self):
        base = "/DEFAULT/controller/v1"
        for path in (f"{base}/polls", f"{base}/polls", f"{base}/polls/deploymentBase/99", "/OTHER/controller/v1/polls"):
            self.rest.call("GET", path)
        now = samples(self.page())
        self.assertEqual((now["otad_ddi_polls_total"], now["otad_ddi_reports_total"]), (2, 0))
        refused = [now[f'otad_ddi_refused_total{{code="{code}"}}'] for code in ("unknown_task", "not_found")]
        self.assertEqual(refused, [1, 1])

    def test_calls_are_counted_by_route_and_status(self):
        for _ in range(3):
            self.rest.call("GET", "/devices/nobody")
        now = samples(self.page())
        self.assertGreaterEqual(now['otad_api_request_seconds_count{method="GET",route="/devices/{}"}'], 3)
        self.assertGreaterEqual(now['otad_api_requests_total{status="404"}'], 3)
        buckets = [
            value
            for name, value in now.items()
            if name.startswith('otad_api_request_seconds_bucket{method="GET",route="/devices/{}"')
        ]
        self.assertEqual(buckets, sorted(buckets), "cumulative")
        self.assertEqual(buckets[-1], now['otad_api_request_seconds_count{method="GET",route="/devices/{}"}'])

    def test_each_name_in_rules_and_dashboard_is_a_series(self):
        known = introduced(self.page()) | {
            "otad_last_backup_timestamp_seconds",  # once there was a backup (backup_test.py)
            "otad_tls_certificate_expiry_timestamp_seconds",  # with TLS (tls_test.py)
        }
        rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
        alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
        board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
        shown = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
        asked = [variable["query"] for variable in board["templating"]["list"] if variable["type"] == "query"]
        self.assertGreater(len(alerts), 8)
        self.assertGreater(len(shown), 20)
        for expression in alerts + shown + asked:
            names = set(NAME.findall(expression))
            self.assertTrue(names or "up{" in expression, expression)
            self.assertEqual(names - known, set(), expression)

    @unittest.skipUnless(PROMTOOL, "promtool is not installed")
    def test_promtool_has_nothing_to_say(self):
        for command, text in (
            (["check", "rules", str(RULES)], None),
            (["check", "metrics"], self.page()),
        ):
            done = subprocess.run([PROMTOOL, *command], input=text, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done)
            if text:
                self.assertEqual(done.stdout + done.stderr, "", "promtool check metrics")


if __name__ == "__main__":
    main()
