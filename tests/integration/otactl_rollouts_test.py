"""Rollouts with otactl: figures, questions, and what is watched on terminals and without one."""
import json
import os
import re
import shutil
import subprocess
import unittest

from harness import main, wait_until
from otactl_case import LIMIT, OTACTL, DayCase, lines_of


class Rollouts(DayCase):
    def test_a_dry_run_shows_the_figures_and_a_question_has_them_too(self):
        self.channel("dry")
        self.fleet("dry", 3)
        self.upload("2.0.0", "hw-dry")
        start = ("rollout", "start", "dry", "2.0.0", "--hardware", "hw-dry", "--stages", "canary,50%,100%",
                 "--max-failures", "1")
        told = self.otactl(*start, "--dry-run").stdout
        self.assertIn("3 of 3 living devices get it", told)
        self.assertIn("halts when 1 device failed", told)
        self.assertIn("Nothing was started", told)
        self.assertIn("needs --yes", self.otactl(*start, status=2).stderr)
        screen = self.screen(*start)
        screen.wait_for(r"3 of 3 living devices get it(.|\n)*Start it\? \[y/N\] ")
        screen.type("n\r")
        self.assertEqual(screen.wait(), 1)
        self.assertEqual(self.json("rollout", "list", "--channel", "dry")["items"], [])

    def test_watched_on_a_terminal_it_draws_stages_until_it_is_completed(self):
        self.channel("watch")
        devices = self.fleet("watch", 3)
        self.upload("2.0.0", "hw-watch")
        screen = self.screen("rollout", "start", "watch", "2.0.0", "--hardware", "hw-watch", "--yes", "--watch",
                             "--stages", "1,100%", "--max-failures", "100%", columns=72)
        screen.wait_for("stage 2 ")
        screen.resize(50)
        for _ in devices:
            device = wait_until(lambda: next((one for one in devices if one.version == "1.0.0" and
                                              one.peek("metadata")), None), "an offer", 20)
            self.update(device)
        self.assertEqual(screen.wait(), 0, screen.text)
        last = lines_of(screen.text)
        self.assertIn("completed", screen.text)
        self.assertTrue(any(re.search(r"stage 2 +█{10} 3/3  3 healthy", line) for line in last), last[-12:])
        self.assertTrue(all(len(line) <= 72 for line in last), last)

    @unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
    def test_a_real_terminal_shows_each_line_once(self):
        self.channel("tmux")
        (device,) = self.fleet("tmux", 1)
        self.upload("2.0.0", "hw-tmux")
        rollout = self.start("tmux", "2.0.0", "--stages", "100%")

        def tmux(*arguments):
            return subprocess.run(["tmux", "-L", f"otactl-{os.getpid()}", "-f", "/dev/null", *arguments], check=True,
                                  capture_output=True, text=True, env=self.env, timeout=LIMIT).stdout

        tmux("new-session", "-d", "-x", "60", "-y", "16",
             f"{OTACTL} rollout status {rollout} --watch; echo ended with $?; exec cat")
        self.addCleanup(tmux, "kill-server")

        def shown():
            return tmux("capture-pane", "-p")

        wait_until(lambda: "stage 1 " in shown(), "the stage is drawn", 20)
        tmux("resize-window", "-x", "50", "-y", "12")
        self.update(device)
        wait_until(lambda: "ended with 0" in shown(), "otactl ends", 20)
        lines = shown().splitlines()
        self.assertRegex(lines[0], rf"^{rollout}  completed")
        self.assertEqual(len([line for line in lines if line.startswith("stage 1 ")]), 1, lines)

    def test_plain_lines_json_and_exit_status_of_a_halted_one(self):
        self.channel("halt")
        (device,) = self.fleet("halt", 1)
        self.upload("2.0.0", "hw-halt")
        rollout = self.start("halt", "2.0.0", "--stages", "100%", "--max-failures", "1")

        watch = self.otactl_running("rollout", "status", rollout, "--watch", "--timeout", "60")
        told = watch.stdout.readline()
        metadata = device.wait("metadata", timeout=20)
        device.download(metadata)
        device.verify(metadata, "success")
        device.progress(metadata, state="failed", reason="it does not boot")
        told += watch.communicate(timeout=LIMIT)[0]
        self.assertEqual(watch.returncode, 3)
        self.assertRegex(told, rf"(?m)^\d\d:\d\d:\d\d  {rollout} running, stage 1 of 1: ")
        self.assertRegex(told, rf"(?m)^\d\d:\d\d:\d\d  {rollout} halted: budget_spent, stage 1 of 1: 1 failed\n\Z")
        lines = self.otactl("-o", "json", "rollout", "status", rollout, "--watch", status=3).stdout.splitlines()
        self.assertEqual(json.loads(lines[-1])["state"], "halted")
        shown = self.otactl("rollout", "status", rollout).stdout
        self.assertIn("failed: device_failed, 1 device (halt-0)", shown)
        self.assertIn(f"! {rollout} of 2.0.0 halted: budget_spent", self.otactl("status").stdout)
        members = self.otactl("rollout", "devices", rollout, "--bucket", "failed").stdout
        self.assertRegex(members, r"(?m)^halt-0 .*it does not boot")
        self.assertIn("(still_halted)", self.otactl("rollout", "resume", rollout, status=1).stderr)
        self.otactl("rollout", "retry", rollout, "halt-0")
        self.assertIn(": running", self.otactl("rollout", "resume", rollout, "--max-failures", "5").stdout)
        asked = self.otactl("rollout", "cancel", rollout, status=2)
        self.assertIn("1 update will be cancelled", asked.stderr)
        self.otactl("rollout", "cancel", rollout, "--yes")
        self.otactl("rollout", "status", rollout, "--watch", status=3)
        self.assertRegex(self.otactl("rollout", "history", rollout).stdout, r"^AT +HEALTHY")

    def test_pause_advance_finish_and_rollback(self):
        self.channel("verbs")
        self.fleet("verbs", 2)
        self.upload("1.0.0", "hw-verbs")
        self.upload("2.0.0", "hw-verbs")
        first = self.start("verbs", "1.0.0")
        self.assertIn(": completed", self.otactl("rollout", "finish", first).stdout)
        second = self.start("verbs", "2.0.0", "--stages", "1,100%")
        self.assertIn(": paused", self.otactl("rollout", "pause", second).stdout)
        self.assertIn("(wrong_state)", self.otactl("rollout", "pause", second, status=1).stderr)
        self.assertIn(": running", self.otactl("rollout", "resume", second).stdout)
        self.assertIn(": running", self.otactl("rollout", "advance", second).stdout)
        self.assertRegex(self.otactl("rollout", "list", "--channel", "verbs").stdout, rf"(?m)^{second} +2\.0\.0 +verbs")
        asked = self.otactl("rollout", "rollback", second, status=2)
        self.assertIn("a rollout of 1.0.0 made for devices that run 2.0.0", asked.stderr)
        back = self.otactl("rollout", "rollback", second, "--yes").stdout
        self.assertRegex(back, r"^RO_\d+_\d+ of 1\.0\.0 to verbs, hardware hw-verbs is made: running")
        self.assertEqual(self.json("rollout", "status", second)["state"], "cancelled")

    def test_approval_is_another_persons(self):
        self.otactl("channel", "set", "four", "--approval", "on")
        self.fleet("four", 1)
        self.upload("2.0.0", "hw-four")
        rollout = self.start("four", "2.0.0")
        self.assertIn("waits for approval", self.otactl("status").stdout)
        self.assertIn("(same_person)", self.otactl("rollout", "approve", rollout, status=1).stderr)
        self.assertIn(": cancelled", self.otactl("rollout", "deny", rollout).stdout)

    def test_a_watch_ends_by_time_and_by_a_signal_and_outlives_a_restart(self):
        self.channel("long")
        self.fleet("long", 1)
        self.upload("2.0.0", "hw-long")
        rollout = self.start("long", "2.0.0")
        told = self.otactl("rollout", "status", rollout, "--watch", "--timeout", "1s", status=124)
        self.assertIn("not ended after 1 s; the rollout goes on", told.stderr)
        screen = self.screen("rollout", "status", rollout, "--watch")
        screen.wait_for("stage 1 ")
        self.assertEqual(self.daemon.stop(), 0)
        screen.wait_for("can't reach .*; trying again")
        self.daemon.start()
        screen.wait_for("connected again")
        screen.type("\x03")
        self.assertEqual(screen.wait(), 130)
        self.assertIn("interrupted; the rollout goes on", screen.text)
        self.assertEqual(self.json("rollout", "status", rollout)["state"], "running")


if __name__ == "__main__":
    main()
