"""Clients that fetch an image by ranges, as Debian has them: zsync, zckdl, SWUpdate's delta handler, curl, aria2c, wget.

Each fetches from the signed address of an image, ends with the right bytes, and is seen as a download that goes on.
"""
import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import ENVIRONMENT, MIB, PATIENCE, ServerCase, digest, main, wait_until

BLOCK = 64 * 1024
SIZE = 6 * MIB
GRID_KIB = 512


def versions():
    """An old image and a new one that differs in a third of its blocks."""
    source = random.Random("delta")
    old = bytearray(source.randbytes(SIZE))
    new = bytearray(old)
    for at in range(0, SIZE, 3 * BLOCK):
        new[at : at + BLOCK] = source.randbytes(BLOCK)
    return bytes(old), bytes(new)


class Ranges(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old, cls.new = versions()
        cls.folder.joinpath("old.bin").write_bytes(cls.old)
        cls.folder.joinpath("new.bin").write_bytes(cls.new)
        cls.number = 0

    def offer(self, data):
        """A task of its own for these bytes: device, task id, signed address of the image, folder to work in."""
        type(self).number += 1
        version, name = f"1.0.{self.number}", f"ranges-{self.number}"
        self.firmware(version, name, data=data)
        task = self.upgrade(name, version, hardware=name, chunk_size=GRID_KIB)
        device = self.device(name, hardware=name, version="0.9")
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        return device, task, device.request("metadata"), folder

    def call(self, folder, *command, status=0):
        done = subprocess.run(
            [str(part) for part in command], cwd=folder, env=ENVIRONMENT | {"TMPDIR": str(folder)}, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=120 * PATIENCE, errors="replace",
        )
        if status is not None:
            self.assertEqual(done.returncode, status, f"{command}: {done.stdout[-1500:]} {done.stderr[-1500:]}")
        return done.stdout + done.stderr

    def progress(self, task):
        return self.rest.task(task)["progress"]

    def wait_for_bytes(self, task, least):
        return wait_until(
            lambda: (now := self.progress(task))["bytes_sent"] >= least and now, f"{least} bytes of {task} were sent"
        )

    def assert_delta(self, device, task, metadata, data, most):
        """A part of the bytes went, is shown as a download that goes on, and the image is verified."""
        shown = wait_until(lambda: (now := self.rest.task(task))["state"] == "downloading" and now, "it downloads")
        progress = shown["progress"]
        self.assertGreater(progress["bytes_sent"], 0)
        self.assertLess(progress["bytes_sent"], most * len(data))
        self.assertGreater(progress["bytes"], 0.5 * progress["bytes_sent"])
        self.assertLessEqual(progress["bytes"], progress["bytes_sent"] + GRID_KIB * 1024)  # the last chunk is shorter
        self.assertAlmostEqual(progress["percent"], progress["bytes"] * 100 / len(data), delta=9)  # of whole chunks
        self.assertEqual(shown["attempt"], 1)
        answer = device.verify(metadata, "success", checksum=digest(data))
        self.assertEqual(answer["task_id"], task)
        if "confirm_by" in answer:
            device.progress(metadata, state="installed")
        ended = self.rest.wait_state(task, "succeeded")
        self.assertEqual(ended["progress"]["percent"], 100)
        self.assertEqual(ended["progress"]["bytes"], len(data))
        self.assertEqual([e for e in self.rest.items(f"/tasks/{task}/log") if e["kind"] == "repeats"], [])

    # --- whole images

    def assert_whole(self, device, task, metadata, got, most=1.1):
        self.assertEqual(got, self.new)
        progress = self.wait_for_bytes(task, SIZE)
        self.assertLess(progress["bytes_sent"], most * SIZE)
        wait_until(lambda: self.progress(task)["chunks"] == SIZE // (GRID_KIB * 1024), "all chunks are recorded")
        self.assertEqual(device.verify(metadata, "success", checksum=digest(got))["task_id"], task)

    def test_curl_ranges(self):
        device, task, metadata, folder = self.offer(self.new)
        for text, expected in (("0-9", self.new[:10]), ("-7", self.new[-7:]), ("100-", self.new[100:])):
            self.call(folder, "curl", "-sSf", "-r", text, "-o", "part", metadata["url"])
            self.assertEqual(folder.joinpath("part").read_bytes(), expected)
        self.call(folder, "curl", "-sSf", "-r", "0-9,20-29", "-D", "head", "-o", "parts", metadata["url"])
        head, body = folder.joinpath("head").read_text(), folder.joinpath("parts").read_bytes()
        self.assertIn(" 206 ", head)
        self.assertEqual(int(re.search(r"(?i)content-length: (\d+)", head).group(1)), len(body))
        boundary = re.search(r"(?i)content-type: multipart/byteranges; boundary=(\S+)", head).group(1).encode()
        # As nginx and Apache have it, from the empty line on.
        part = b"\r\n--%s\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%s"
        self.assertEqual(body, b"".join(part % (boundary, at, at + 9, SIZE, self.new[at : at + 10]) for at in (0, 20))
                         + b"\r\n--" + boundary + b"--\r\n")
        # In parts that fit no chunk, each by itself: they add up.
        step = 700_001
        for at in range(0, SIZE, step):
            self.call(folder, "curl", "-sSf", "-r", f"{at}-{at + step - 1}", "-o", f"{at:08}", metadata["url"])
        got = b"".join(part.read_bytes() for part in sorted(folder.glob("0*")))
        self.assert_whole(device, task, metadata, got, most=2.2)

    def test_wget_goes_on(self):
        device, task, metadata, folder = self.offer(self.new)
        folder.joinpath("image").write_bytes(self.new[:1_234_567])
        self.call(folder, "wget", "-q", "-c", "-O", "image", metadata["url"])
        self.assertEqual(folder.joinpath("image").read_bytes(), self.new)
        self.assertEqual(self.wait_for_bytes(task, SIZE - 1_234_567)["bytes_sent"], SIZE - 1_234_567)
        self.assertEqual(device.verify(metadata, "success", checksum=digest(self.new))["task_id"], task)

    def test_aria2_fetches_over_several_connections(self):
        device, task, metadata, folder = self.offer(self.new)
        self.call(folder, "aria2c", "-q", "-x", "4", "-s", "4", "-k", "1M", "-o", "image", metadata["url"])
        # It cuts the first reply where the others began, with much of it on its way.
        self.assert_whole(device, task, metadata, folder.joinpath("image").read_bytes(), most=2.5)

    def test_150_ranges_are_one_reply(self):
        """As SWUpdate's delta handler asks; then what no client needs."""
        device, task, metadata, folder = self.offer(self.new)
        for count, status in ((150, 206), (255, 206), (1000, 200)):
            ranges = [(at * 6000, at * 6000 + 999) for at in range(count)]
            text = ",".join(f"{first}-{last}" for first, last in ranges)
            self.call(folder, "curl", "-sSf", "-r", text, "-D", "head", "-o", "body", metadata["url"])
            head, body = folder.joinpath("head").read_text(), folder.joinpath("body").read_bytes()
            self.assertIn(f" {status} ", head, count)
            self.assertEqual(int(re.search(r"(?i)content-length: (\d+)", head).group(1)), len(body))
            if status == 206:
                parts = re.findall(rb"(?s)Content-Range: bytes (\d+)-\d+/\d+\r\n\r\n(.{1000})\r\n--", body)
                self.assertEqual([(int(at), part) for at, part in parts],
                                 [(at, self.new[at : last + 1]) for at, last in ranges])
            else:
                self.assertEqual(body, self.new)
        # Overlapping ranges never bring more than the image.
        for text in ("0-,0-", ",".join(["0-99999"] * 100), ",".join(f"{at}-{at + 999999}" for at in range(100))):
            self.call(folder, "curl", "-sSf", "-r", text, "-o", "body", metadata["url"])
            self.assertLessEqual(folder.joinpath("body").stat().st_size, SIZE + 1000)

    def test_who_fetches_the_same_over_and_over_is_slowed_and_named(self):
        data = self.new[:MIB]
        device, task, metadata, folder = self.offer(data)
        allowance = 4 * len(data) + 16 * MIB
        fetch = ["curl", "-sSf", "-o", "got", metadata["url"]]
        for _ in range(allowance // len(data) + 1):
            self.call(folder, *fetch)
        begun = time.monotonic()
        self.call(folder, "curl", "-sSf", "-r", "0-999999", "-o", "slow", metadata["url"])
        self.assertGreater(time.monotonic() - begun, 2.0, "a million bytes at 256 KiB/s")
        self.assertEqual(folder.joinpath("slow").read_bytes(), data[:1_000_000])
        wait_until(lambda: "the same data repeatedly" in self.rest.task(task)["explanation"], "the explanation names it")
        lines = self.daemon.log_lines("the same data repeatedly")
        self.assertEqual(len([line for line in lines if f"task={task}" in line and f"device={device.id}" in line]), 1)
        self.assertEqual(len([e for e in self.rest.items(f"/tasks/{task}/log") if e["kind"] == "repeats"]), 1)
        # Others have what they had, and the slowed one can still end well.
        other, other_task, offered, place = self.offer(self.new)
        self.call(place, "curl", "-sSf", "-o", "image", offered["url"])
        self.assert_whole(other, other_task, offered, place.joinpath("image").read_bytes())
        self.assertEqual(device.verify(metadata, "success", checksum=digest(data))["task_id"], task)

    # --- deltas

    def test_zsync(self):
        device, task, metadata, folder = self.offer(self.new)
        shutil.copy(self.folder / "new.bin", folder / "new.bin")
        self.call(folder, "zsyncmake", "-b", "2048", "-u", metadata["url"], "-o", "new.zsync", "new.bin")
        folder.joinpath("new.bin").unlink()
        self.call(folder, "zsync", "-q", "-i", self.folder / "old.bin", "-o", "got", "new.zsync")
        self.assertEqual(folder.joinpath("got").read_bytes(), self.new)
        self.assert_delta(device, task, metadata, self.new, 0.45)

    def chunked(self, folder, name):
        """The file as zchunk, uncompressed inside, as SWUpdate wants it."""
        self.call(folder, "zck", "-u", "-h", "sha256", "-o", f"{name}.zck", self.folder / f"{name}.bin")
        return folder.joinpath(f"{name}.zck")

    def test_zckdl(self):
        made = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        old, new = self.chunked(made, "old"), self.chunked(made, "new").read_bytes()
        device, task, metadata, folder = self.offer(new)
        self.call(folder, "zckdl", "-q", "-s", old, metadata["url"])
        got = max(folder.iterdir(), key=lambda file: file.stat().st_size)
        self.assertEqual(got.read_bytes(), new)
        self.assert_delta(device, task, metadata, new, 0.75)  # its chunks are larger than what changed

    @unittest.skipUnless(shutil.which("swupdate") and os.geteuid() == 0, "needs swupdate and root")
    def test_swupdate_delta(self):
        made = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        new = self.chunked(made, "new")
        data = new.read_bytes()
        told = self.call(made, "zck_read_header", "-v", new)
        device, task, metadata, folder = self.offer(data)
        header = folder / "new.header"
        header.write_bytes(data[: int(re.search(r"Header size: (\d+)", told).group(1))])
        target = folder / "slot-b"
        target.write_bytes(b"")
        description = f"""software = {{
  version = "1.0";
  hardware-compatibility: ["1.0"];
  images: ({{ filename = "new.header"; type = "delta"; device = "{target}"; sha256 = "{hashlib.sha256(header.read_bytes()).hexdigest()}";
    properties: {{ url = "{metadata["url"]}"; chain = "raw"; source = "{self.folder / "old.bin"}"; zckloglevel = "error"; max-ranges = "150"; }}; }});
}};
"""
        folder.joinpath("sw-description").write_text(description)
        self.sign(folder)
        names = [name for name in ("sw-description", "sw-description.sig", "new.header") if folder.joinpath(name).exists()]
        with open(folder / "update.swu", "wb") as out:
            subprocess.run(["cpio", "-o", "-H", "crc", "--quiet"], cwd=folder, input="\n".join(names).encode(),
                           stdout=out, stderr=subprocess.DEVNULL, check=True)
        # Its status is now and then 1 after a success, by a race with its own children at the end.
        told = self.call(folder, "swupdate", "-M", "-m", "-H", "test:1.0", "-k", "key.pem", "-i", "update.swu", status=None)
        self.assertIn("SWUPDATE successful", told)
        self.assertEqual(target.read_bytes(), self.new)
        self.assert_delta(device, task, metadata, data, 0.75)

    def sign(self, folder):
        """Debian's swupdate takes signed packages only."""
        self.call(folder, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "private.pem", "-out",
                  "key.pem", "-subj", "/CN=vendor", "-addext", "extendedKeyUsage=emailProtection",
                  "-addext", "keyUsage=digitalSignature")
        self.call(folder, "openssl", "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig", "-signer",
                  "key.pem", "-inkey", "private.pem", "-outform", "DER", "-nosmimecap", "-binary")


if __name__ == "__main__":
    main()
