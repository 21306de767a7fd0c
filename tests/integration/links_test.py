"""Caps on downloads: their rate, who shares them, who comes first, and that they change while downloads run."""
import http.client
import signal
import threading
import time
import unittest
from urllib.parse import urlsplit

from harness import ServerCase, main, wait_until

SIZE = 6_000_000


class Download(threading.Thread):
    """Reads one reply as fast as it comes; stops when told."""

    def __init__(self, url):
        super().__init__(daemon=True)
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self.target = parts.path + "?" + parts.query
        self.got, self.over = 0, False
        self.start()

    def run(self):
        try:
            self.connection.request("GET", self.target)
            reply = self.connection.getresponse()
            while not self.over and (piece := reply.read1(65536)):
                self.got += len(piece)
        finally:
            self.connection.close()

    def stop(self):
        self.over = True
        self.join(60)


class Rates(ServerCase):
    """What a device gets is measured over whole seconds, when it flows already."""

    settings = {"tasks.max_active": 20}

    def setUp(self):
        self.addCleanup(self.caps)

    def caps(self, whole=0, each=0):
        self.daemon.settings |= {"http.max_rate": whole, "http.max_rate_per_device": each}
        self.daemon.write_config()
        told = len(self.daemon.log_lines("settings were read again"))
        self.daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.daemon.log_lines("settings were read again")) > told, "SIGHUP was heard")

    def offers(self, version, priorities):
        """Metadata of one new device for each priority."""
        self.firmware(version, size=SIZE)
        found = []
        for number, priority in enumerate(priorities):
            name = f"{version}-{number}"
            device = self.device(name, version="0.1")
            self.upgrade(name, version, priority=priority)
            found.append(device.request("metadata"))
        return found

    def start(self, metadata):
        download = Download(metadata["url"])
        self.addCleanup(download.stop)
        return download

    def rates(self, downloads, seconds=4.0):
        """Bytes/s of each."""
        time.sleep(0.5)
        began, before = time.monotonic(), [download.got for download in downloads]
        time.sleep(seconds)
        took = time.monotonic() - began
        return [(download.got - start) / took for download, start in zip(downloads, before)]

    def test_cap_on_all_is_shared_and_changes_while_downloads_run(self):
        first, second = self.offers("10.0", ["normal", "normal"])
        self.caps(whole=300_000)
        downloads = [self.start(first), self.start(second)]
        one, two = self.rates(downloads)
        self.assertAlmostEqual(one + two, 300_000, delta=30_000)
        self.assertAlmostEqual(one, two, delta=45_000)
        self.caps(whole=600_000)
        self.assertAlmostEqual(sum(self.rates(downloads)), 600_000, delta=60_000)
        self.caps()
        wait_until(lambda: all(download.got == SIZE for download in downloads), "all comes once the cap is gone", 30)

    def test_cap_on_each_device_holds_over_its_connections(self):
        first, second = self.offers("11.0", ["normal", "normal"])
        self.caps(each=200_000)
        downloads = [self.start(first), self.start(first), self.start(second)]
        one, again, two = self.rates(downloads)
        self.assertAlmostEqual(one + again, 200_000, delta=20_000)
        self.assertAlmostEqual(two, 200_000, delta=20_000)

    def test_security_comes_first_and_the_rest_does_not_starve(self):
        offers = self.offers("12.0", ["low", "normal", "security"])
        self.caps(whole=320_000)
        downloads = [self.start(offer) for offer in offers]
        rates = self.rates(downloads, 6.0)
        self.assertGreater(rates[2], 0.85 * 320_000)
        self.assertLess(rates[0] + rates[1], 0.12 * 320_000)
        wait_until(lambda: downloads[0].got > 0 and downloads[1].got > 0, "routine downloads get a little", 30)

    def test_64_kbit_flow_evenly(self):
        (offer,) = self.offers("13.0", ["normal"])
        self.caps(each=8_000)
        download = self.start(offer)
        wait_until(lambda: download.got > 0, "the first bytes")
        longest, last, seen = 0.0, time.monotonic(), download.got
        began, start = last, seen
        while time.monotonic() - began < 5:
            time.sleep(0.02)
            if download.got != seen:
                longest = max(longest, time.monotonic() - last)
                last, seen = time.monotonic(), download.got
        self.assertLess(longest, 1.0)
        self.assertAlmostEqual((seen - start) / (last - began), 8_000, delta=800)


if __name__ == "__main__":
    main()
