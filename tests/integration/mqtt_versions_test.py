"""Which version of MQTT the daemon connects with: 5, and 3.1.1 where the broker refuses 5 or hangs up on it."""
import tempfile
import pathlib
import unittest

from device import Device
from harness import Broker, Daemon, main, wait_until
from strict_broker import StrictBroker


class Versions(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="otad-it-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.broker = Broker(self.folder).start()
        self.addCleanup(self.broker.kill)

    def start(self, connects, version="auto", ready=True):
        self.strict = StrictBroker(self.broker.port, connects=connects)
        self.addCleanup(self.strict.close)
        self.daemon = Daemon(self.folder, self.strict.port, {"mqtt.version": version})
        self.addCleanup(self.daemon.kill)
        self.daemon.start(ready)

    def reconnect(self):
        """The broker goes and comes; the level of what was accepted then."""
        tried = len(self.strict.levels)
        self.broker.kill()
        wait_until(lambda: not self.daemon.ready(), "the loss is seen")
        self.broker.start()
        wait_until(self.daemon.ready, "connected again", 30)
        return self.strict.levels[tried:]

    def check_update(self):
        device = Device("gw-1", self.broker.port, version="1.0.0").connect()
        self.addCleanup(device.close)
        self.assertEqual(device.request()["type"], "up_to_date")

    def test_5_first(self):
        self.start(lambda level: "take")
        self.assertEqual(self.strict.levels, [5])
        self.check_update()
        self.assertTrue(self.daemon.log_lines("with MQTT 5"))

    def test_refused_5_is_remembered(self):
        self.start(lambda level: "take" if level == 4 else "refuse")
        self.assertEqual(self.strict.levels, [5, 4])
        self.check_update()
        self.assertTrue(self.daemon.log_lines("with MQTT 3.1.1"))
        self.assertEqual(set(self.reconnect()), {4})
        self.assertFalse(self.daemon.log_lines("warn  mqtt: not connected"), "a version that isn't there is no fault")

    def test_hanging_up_on_5_is_tried_twice_and_remembered(self):
        self.start(lambda level: "take" if level == 4 else "hang up")
        self.assertEqual(self.strict.levels, [5, 4, 5, 4])
        self.check_update()

    def test_one_network_error_is_no_reason(self):
        first = iter(["hang up"])
        self.start(lambda level: next(first, "take"))
        self.assertEqual(self.strict.levels, [5, 4, 5])
        self.assertTrue(self.daemon.log_lines("with MQTT 5"))
        self.check_update()

    def test_network_errors_while_it_is_away_are_none_either(self):
        self.start(lambda level: "take")
        levels = self.reconnect()
        self.assertEqual(levels[-1], 5, levels)
        self.check_update()

    def test_a_version_that_is_set_stays(self):
        self.start(lambda level: "take", "3.1.1")
        self.assertEqual(self.strict.levels, [4])
        self.check_update()

    def test_5_alone_says_what_to_do(self):
        self.start(lambda level: "take" if level == 4 else "refuse", "5", ready=False)
        wait_until(lambda: len(self.strict.levels) > 2, "it tries again")
        self.assertEqual(set(self.strict.levels), {5})
        detail = self.daemon.rest.call("GET", "/readyz").json["checks"]["broker"]["detail"]
        self.assertIn("does not support MQTT 5", detail)
        self.assertIn("mqtt.version", detail)


if __name__ == "__main__":
    main()
