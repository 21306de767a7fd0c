"""otad simulate: what it prints of the sample files, and how it refuses others."""
import json
import pathlib
import subprocess
import tempfile
import unittest

from harness import ENVIRONMENT, OTAD, PATIENCE, ROOT, main

FLEET = "config/simulate/fleet.toml"
ROLLOUT = "config/simulate/rollout.toml"


class Simulate(unittest.TestCase):
    def simulate(self, *arguments, fleet=FLEET, rollout=ROLLOUT):
        return subprocess.run(
            [OTAD, "simulate", "--fleet", str(fleet), "--rollout", str(rollout), *arguments],
            capture_output=True, text=True, timeout=60 * PATIENCE, stdin=subprocess.DEVNULL, env=ENVIRONMENT,
            cwd=ROOT, check=False)

    def file(self, text):
        folder = tempfile.TemporaryDirectory(prefix="otad-it-")
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name) / "file.toml"
        path.write_text(text)
        return path

    def test_it_prints_what_the_document_shows(self):
        told = self.simulate()
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn(told.stdout.strip(), (ROOT / "docs/simulate.md").read_text())

    def test_json_has_the_same_numbers_and_each_run(self):
        told = json.loads(self.simulate("--runs", "20", "--seed", "5", "--json").stdout)
        self.assertEqual((told["devices"], told["runs"], told["budget"]), (1000, 20, 10))
        self.assertEqual([run["seed"] for run in told["outcomes"]], list(range(5, 25)))
        harmed = sorted(run["harmed"] for run in told["outcomes"])
        self.assertEqual(told["harmed"], {"median": harmed[9], "p95": harmed[18], "worst": harmed[19]})
        halted = [run for run in told["outcomes"] if run["state"] == "halted"]
        self.assertEqual(told["halted"], len(halted))
        self.assertEqual(sum(told["reasons"].values()), len(halted))

    def test_a_seed_repeats_its_run(self):
        first = json.loads(self.simulate("--runs", "3", "--json").stdout)["outcomes"]
        again = json.loads(self.simulate("--runs", "1", "--seed", "3", "--json").stdout)["outcomes"]
        self.assertEqual(first[2:], again)

    def test_a_good_firmware_completes(self):
        told = json.loads(self.simulate("--runs", "5", "--json", fleet=self.file("[[group]]\ndevices = 50\n")).stdout)
        self.assertEqual((told["completed"], told["halted"], told["open"]), (5, 0, 0))
        self.assertIsNone(told["hours_halted"])

    def test_bad_files_are_refused_with_line_and_key(self):
        told = self.simulate(fleet=self.file("dead = \"2%\"\n[[group]]\ndevices = 0\n"))
        self.assertEqual(told.returncode, 2)
        self.assertIn("file.toml:3: group[0].devices must be a whole number from 1", told.stderr)
        told = self.simulate(rollout=self.file("stages = [\"50%\", \"10%\"]\n"))
        self.assertEqual(told.returncode, 2)
        self.assertIn("stages[1] must not be smaller", told.stderr)

    def test_bad_arguments_are_refused(self):
        self.assertEqual(self.simulate(fleet="/does/not/exist").returncode, 2)
        self.assertEqual(self.simulate("--runs", "0").returncode, 2)
        self.assertEqual(self.simulate("--seed", "-1").returncode, 2)


if __name__ == "__main__":
    main()
