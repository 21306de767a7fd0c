"""The daemon and its broker: away, back, refusing; and what the settings change between them."""
import subprocess

from harness import Broker, Daemon, ServerCase, main, wait_until

GRID = 65536


class BrokerGoesAndComes(ServerCase):
    persistence = True

    def test_broker_restarts(self):
        data = self.firmware("2.0.0", "hw-broker", 6 * GRID)
        self.upgrade("broker", "2.0.0", chunk_size=64, hardware="hw-broker")
        device = self.device("broker", hardware="hw-broker", version="1.0.0")
        metadata = device.request("metadata")
        device.download(metadata, only=[0, 1])
        self.broker.stop()
        wait_until(lambda: not self.daemon.ready(), "readyz says that the broker is away")
        answer = self.rest.call("GET", "/readyz")
        self.assertEqual(answer.status, 503)
        self.assertIn("broker", answer.body.decode())
        self.assertEqual(self.rest.call("GET", "/healthz").status, 200)
        for index in (2, 3):
            device.fetch(metadata, index)  # downloads don't need it
        self.broker.start()
        wait_until(self.daemon.ready, "the daemon is back on the broker", 15)
        wait_until(device.mqtt.is_connected, "the device is back on the broker", 15)
        metadata = device.request("metadata")
        device.download(metadata, only=range(6))
        self.assertEqual(device.assembled(metadata), data)
        self.assertEqual(device.verify(metadata)["type"], "success")

    def test_starts_without_a_broker(self):
        self.daemon.stop()
        self.broker.stop()
        mark = len(self.daemon.log())
        self.daemon.start(ready=False)
        self.assertEqual(self.rest.call("GET", "/healthz").status, 200)
        self.assertEqual(self.rest.call("GET", "/readyz").status, 503)
        wait_until(lambda: self.daemon.log_lines("refused", mark), "the log names the cause")
        self.firmware("2.0.0", "hw-brokerless")
        task = self.upgrade("brokerless", "2.0.0", hardware="hw-brokerless")
        self.broker.start()
        wait_until(self.daemon.ready, "ready once there is a broker", 15)
        device = self.device("brokerless", hardware="hw-brokerless", version="1.0.0")
        self.assertEqual(device.run()["task_id"], task)


class BrokerRefuses(ServerCase):
    def test_wrong_password_is_told_and_right_one_works(self):
        folder = self.folder / "guarded"
        folder.mkdir()
        secret, passwords = folder / "secret", folder / "passwords"
        secret.write_text("right-1234\n")
        subprocess.run(
            ["mosquitto_passwd", "-b", "-c", str(passwords), "otad", "right-1234"], check=True, capture_output=True
        )
        passwords.chmod(0o644)
        broker = Broker(folder, extra=f"allow_anonymous false\npassword_file {passwords}")
        self.addCleanup(broker.kill)
        broker.start()
        wrong = folder / "wrong"
        wrong.write_text("wrong-5678\n")
        for private in (secret, wrong):
            private.chmod(0o600)
        daemon = Daemon(folder, broker.port, {"mqtt.username": "otad", "mqtt.password_file": str(wrong)})
        self.addCleanup(daemon.kill)
        daemon.start(ready=False)
        told = wait_until(
            lambda: [
                line for line in daemon.log().splitlines() if "password" in line.lower() or "authori" in line.lower()
            ],
            "the log names the cause",
        )
        self.assertRegex(told[0], "(?i)check .*(user name|password)")  # the remedy
        self.assertEqual(daemon.rest.call("GET", "/readyz").status, 503)
        self.assertEqual(daemon.stop(), 0)
        daemon.settings["mqtt.password_file"] = str(secret)
        daemon.start()
        self.assertNotIn("right-1234", daemon.log())
        self.assertNotIn("wrong-5678", daemon.log())
        self.assertEqual(daemon.stop(), 0)


class OtherTopicsAndQos(ServerCase):
    settings = {"mqtt.topic_root": "/fleet/updates", "mqtt.critical_qos": 2}

    def test_whole_update(self):
        self.firmware("2.0.0", "hw-root", 6 * GRID)
        task = self.upgrade("root", "2.0.0", hardware="hw-root")
        device = self.device("root", hardware="hw-root", version="1.0.0", root="/fleet/updates", qos=2)
        self.assertEqual(device.run()["type"], "success")
        self.rest.wait_state(task, "succeeded")
        for message in device.seen:
            self.assertEqual(
                message["…"]["qos"],
                2 if message["type"] in ("success", "retry", "failed", "cancel") else 1,
                message["type"],
            )


if __name__ == "__main__":
    main()
