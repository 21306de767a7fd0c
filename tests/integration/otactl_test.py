"""otactl as its users run it: tables, JSON, questions, terminals, pipes and full disks."""
import os
import re
import signal
import stat
import subprocess

from harness import main
from otactl_case import LIMIT, OTACTL, OtactlCase, lines_of


class Basics(OtactlCase):
    def test_status_shows_devices_and_versions(self):
        self.seen("st-1", hardware="st", version="1.2.0")
        told = self.otactl("status").stdout
        self.assertRegex(told, r"^http://127\.0\.0\.1:\d+  ready\n")
        self.assertRegex(told, r"(?m)^Devices   \d+, \d+ online")
        self.assertRegex(told, r"(?m)^  default +st +1\.2\.0 +1 ")

    def test_json_is_the_answer_unchanged(self):
        self.seen("js-1", hardware="js")
        for path, arguments in (("/devices?where=hardware%3Djs&limit=5",
                                 ["device", "list", "--where", "hardware=js", "--limit", "5"]),
                                ("/devices/js-1", ["device", "show", "js-1"]),
                                ("/devices/js-1/explain", ["device", "explain", "js-1"])):
            body = self.rest.call("GET", path).body.decode()
            self.assertEqual(self.otactl("-o", "json", *arguments).stdout, body)

    def test_lists_are_tables_of_as_many_rows_as_asked_for(self):
        for number in range(12):
            self.rest.call("PUT", f"/devices/ls-{number:02}", {"hardware": "ls", "tags": {"site": "berlin"}})
        found = self.otactl("device", "list", "--where", "hardware=ls").stdout.splitlines()
        self.assertEqual(len(found), 13)
        self.assertRegex(found[0], r"^DEVICE +HARDWARE +VERSION")
        self.assertRegex(found[1], r"^ls-00 +ls +- .*site=berlin$")
        some = self.otactl("device", "list", "--where", "hardware=ls", "--limit", "3")
        self.assertEqual(len(some.stdout.splitlines()), 4)
        self.assertIn("There are more", some.stderr)
        self.assertEqual(self.otactl("device", "list", "--where", "hardware=ls", "--count").stdout, "12\n")
        self.assertEqual(self.json("device", "list", "--where", "hardware=ls", "--count"), {"count": 12})
        page = self.json("device", "list", "--where", "hardware=ls", "--limit", "10")
        rest = self.json("device", "list", "--where", "hardware=ls", "--cursor", page["next"])
        self.assertEqual(len(rest["items"]), 2)

    def test_explain_and_show_say_why(self):
        told = self.otactl("device", "explain", "no-such").stdout
        self.assertRegex(told, r"^no-such  there is no such device")
        self.seen("ex-1", hardware="ex", version="1.0.0")
        self.assertRegex(self.otactl("device", "show", "ex-1").stdout, r"(?m)^runs +1\.0\.0$")

    def test_devices_are_moved_pinned_given_tokens_and_removed(self):
        for number in range(3):
            self.rest.call("PUT", f"/devices/mv-{number}", {"hardware": "mv"})
        self.rest.call("PUT", "/channels/mv-beta", {})
        self.assertEqual(self.otactl("device", "move", "mv-0", "--to", "mv-beta").stdout,
                         "1 moved to mv-beta; 0 get an update there\n")
        unasked = self.otactl("device", "move", "--where", "hardware=mv", "--to", "mv-beta", status=2)
        self.assertIn("3 devices would move to mv-beta", unasked.stderr)
        self.assertEqual(self.rest.get("/devices/mv-1")["channel"], "default")
        self.otactl("device", "move", "--where", "hardware=mv", "--to", "mv-beta", "--yes")
        self.assertEqual(self.rest.get("/devices/mv-1")["channel"], "mv-beta")
        self.assertIn("there is no device nobody", self.otactl("device", "move", "nobody", "--to", "default",
                                                               status=1).stderr)
        self.otactl("device", "pin", "mv-1")
        self.assertTrue(self.rest.get("/devices/mv-1")["pinned"])
        self.otactl("device", "unpin", "mv-1")
        self.assertFalse(self.rest.get("/devices/mv-1")["pinned"])
        self.assertRegex(self.otactl("device", "token", "mv-1").stdout, r"^[\w-]{20,}\n$")
        self.assertIn("needs --yes", self.otactl("device", "remove", "mv-1", status=2).stderr)
        self.otactl("device", "remove", "mv-1", "--yes")
        self.assertEqual(self.rest.call("GET", "/devices/mv-1").status, 404)

    def test_import_keeps_credentials_in_files_of_their_own(self):
        fleet = self.home / "fleet.csv"
        fleet.write_text("id,hardware,tag.site\nim-1,im,berlin\nim 2,im,berlin\nim-3,im,munich\n")
        stopped = self.otactl("device", "import", "fleet.csv", "--credentials", "creds", status=1)
        self.assertIn("im 2", stopped.stdout)
        self.assertIn("Nothing was changed", stopped.stdout)
        dry = self.otactl("device", "import", "fleet.csv", "--dry-run", "--skip-bad", status=1)
        self.assertIn("2 new", dry.stdout)
        self.assertEqual(self.rest.call("GET", "/devices/im-1").status, 404)
        done = self.otactl("device", "import", "fleet.csv", "--skip-bad", "--credentials", "creds")
        self.assertIn("2 new, 0 changed, 0 unchanged, 1 refused", done.stdout)
        self.assertNotRegex(done.stdout + done.stderr, r"[\w-]{40}")
        names = sorted(path.name for path in (self.home / "creds").iterdir())
        self.assertEqual(names, ["im-1.password", "im-1.token", "im-3.password", "im-3.token", "mosquitto.passwd"])
        for path in (self.home / "creds").iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)
        users = [line.split(":")[0] for line in (self.home / "creds/mosquitto.passwd").read_text().splitlines()]
        self.assertEqual(users, ["im-1", "im-3"])
        self.assertTrue(self.rest.get("/devices/im-1")["has_token"])

    def test_import_asks_for_no_token_that_it_could_not_keep(self):
        (self.home / "fleet.csv").write_text("id\nno-room-1\n")
        told = self.otactl("device", "import", "fleet.csv", "--credentials", "/dev/full/creds", status=1)
        self.assertIn("no device was imported", told.stderr)
        self.assertEqual(self.rest.call("GET", "/devices/no-room-1").status, 404)

    def test_usage_is_said_with_what_was_meant(self):
        self.assertIn("did you mean list?", self.otactl("device", "lst", status=2).stderr)
        self.assertIn("did you mean device?", self.otactl("devise", status=2).stderr)
        self.assertIn("--limit must be a number", self.otactl("device", "list", "--limit", "x", status=2).stderr)
        self.assertIn("DEVICE", self.otactl("device", "show", status=2).stderr)
        self.assertIn("json", self.otactl("-o", "xml", "status", status=2).stderr)
        self.otactl(status=2)
        self.assertIn("otactl device list", self.otactl("device", "list", "--help").stdout)
        self.assertRegex(self.otactl("--version").stdout, r"^otactl \d+\.\d+\.\d+\n$")

    def test_the_man_page_has_every_verb(self):
        page = self.otactl("manual").stdout
        self.assertTrue(page.startswith(".TH OTACTL 1"))
        nouns = re.findall(r"(?m)^  (\w+)  ", self.otactl("--help").stdout.partition("Subcommands:")[2])
        self.assertIn("device", nouns)
        for noun in nouns:
            for verb in re.findall(r"(?m)^  (\S+)  ", self.otactl(noun, "--help").stdout.partition("Subcommands:")[2]):
                self.assertIn(f".B {noun} {verb}".replace("-", "\\-"), page)
        rendered = subprocess.run(["man", "-l", "-"], input=page, capture_output=True, text=True, check=False,
                                  env=self.env | {"MANWIDTH": "80"}) if os.path.exists("/usr/bin/man") else None
        if rendered:
            self.assertEqual(rendered.stderr, "")


class Terminals(OtactlCase):
    def test_tables_fit_40_columns(self):
        self.rest.call("PUT", "/devices/narrow-device-with-a-long-name-0001", {"hardware": "narrow",
                                                                              "tags": {"site": "a" * 200}})
        screen = self.screen("device", "list", "--where", "hardware=narrow", columns=40)
        self.assertEqual(screen.wait(), 0)
        shown = lines_of(screen.text)
        self.assertTrue(all(len(line) <= 40 for line in shown), shown)
        self.assertIn("…", screen.text)
        screen = self.screen("status", columns=40)
        self.assertEqual(screen.wait(), 0)

    def test_colours_only_on_a_terminal_that_wants_them(self):
        self.assertNotIn("\x1b", self.otactl("device", "list").stdout)
        for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
            screen = self.screen("device", "list", **env)
            self.assertEqual(screen.wait(), 0)
            self.assertEqual("\x1b" in screen.text, coloured, env)

    def test_plain_characters_without_utf_8(self):
        self.seen("ascii-1", hardware="ascii", version="1.0.0")
        told = self.otactl("status", LC_ALL="C").stdout
        self.assertTrue(told.isascii(), told)
        self.assertIn("#", told)

    def test_a_question_is_answered(self):
        for answer, status, there in (("n\r", 1, 200), ("\r", 1, 200), ("\x04", 1, 200), ("y\r", 0, 404)):
            self.rest.call("PUT", "/devices/asked", {"hardware": "asked"})
            screen = self.screen("device", "remove", "asked")
            screen.wait_for(r"\[y/N\] ")
            screen.type(answer)
            self.assertEqual(screen.wait(), status, screen.text)
            self.assertEqual(self.rest.call("GET", "/devices/asked").status, there)

    def test_an_interrupted_question_does_nothing(self):
        self.rest.call("PUT", "/devices/asked-2", {"hardware": "asked"})
        screen = self.screen("device", "remove", "asked-2")
        screen.wait_for(r"\[y/N\] ")
        screen.type("\x03")
        self.assertEqual(screen.wait(), -signal.SIGINT)
        self.assertEqual(self.rest.call("GET", "/devices/asked-2").status, 200)

    def test_names_with_control_characters_are_escaped(self):
        self.rest.call("PUT", "/devices/escape-1", {"hardware": "escape", "tags": {"site": "a\u009b2J\u202ex"}})
        told = self.otactl("device", "list", "--where", "hardware=escape").stdout
        self.assertIn("site=a\\u009b2J\\u202ex", told.replace("\\x9b", "\\u009b"))

    def test_a_closed_pipe_ends_it_silently(self):
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([OTACTL, "device", "list"], stdout=write, stderr=subprocess.PIPE, env=self.env,
                              check=False, timeout=LIMIT)
        os.close(write)
        self.assertEqual((done.returncode, done.stderr), (-signal.SIGPIPE, b""))

    def test_a_full_disk_is_said(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([OTACTL, "device", "list"], stdout=full, stderr=subprocess.PIPE, env=self.env,
                                  check=False, timeout=LIMIT)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"can't write to standard output: No space left on device", done.stderr)


if __name__ == "__main__":
    main()
