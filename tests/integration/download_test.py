"""Chunks, whole images and manifests over HTTP: ranges, headers, digests, and who may fetch them."""
import base64
import contextlib
import hashlib
import http.client
import json
import pathlib
import re
import shutil
import subprocess
import unittest
from urllib.parse import parse_qs, urlsplit

from harness import ServerCase, digest, main

GRID = 65536
SIZE = 5 * GRID + 1234


def structured(data):
    """A digest as RFC 9530 writes it."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


class Download(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        from device import Device
        from harness import image

        cls.data = image("download", SIZE)
        rest = cls.daemon.rest
        assert rest.upload("2.0.0", cls.data).status == 201
        assert rest.upgrade("loads", "2.0.0", chunk_size=64).status == 201
        cls.loader = Device("loads", cls.broker.port, hardware="any", version="1.0.0").connect()
        cls.metadata = cls.loader.request("metadata")
        cls.url = cls.metadata["url"]

    @classmethod
    def tearDownClass(cls):
        cls.loader.close()
        super().tearDownClass()

    def get(self, url=None, method="GET", **headers):
        return self.loader.get(
            url or self.url, {name.replace("_", "-"): value for name, value in headers.items()}, method
        )

    def chunk_url(self, index):
        return self.metadata["chunk_url"].replace("{index}", str(index))

    def assert_headers(self, headers, length):
        self.assertEqual(headers["content-length"], str(length))
        self.assertNotIn("transfer-encoding", headers)
        self.assertNotIn("content-encoding", headers)
        self.assertEqual(headers["accept-ranges"], "bytes")
        self.assertRegex(headers["etag"], f'^"(sha256:)?{hashlib.sha256(self.data).hexdigest()}"$')
        self.assertRegex(headers["cache-control"], r"max-age=\d{3,}")
        self.assertNotRegex(headers["cache-control"], r"no-store|private")

    def test_image(self):
        status, headers, body = self.get(Accept_Encoding="gzip, br")
        self.assertEqual((status, body), (200, self.data))
        self.assert_headers(headers, SIZE)
        self.assertEqual(headers["repr-digest"], structured(self.data))

    def test_chunks(self):
        for index in range(6):
            part = self.data[index * GRID : (index + 1) * GRID]
            status, headers, body = self.get(self.chunk_url(index))
            self.assertEqual((status, body), (200, part))
            self.assertEqual(headers["content-length"], str(len(part)))
            self.assertNotIn("transfer-encoding", headers)
            self.assertEqual(headers["content-digest"], structured(part))
            self.assertRegex(headers["cache-control"], r"max-age=\d{3,}")
            self.assertRegex(headers["etag"], r'^"[^"]+"$')
        for index in ("6", "999999", "-1", "x", "1e3", "99999999999999999999", "%30%30"):
            with self.subTest(index):
                self.assertIn(self.get(self.chunk_url(index))[0], (400, 403, 404, 422))

    def test_manifest(self):
        status, headers, body = self.get(self.metadata["manifest_url"])
        self.assertEqual((status, headers["content-type"].split(";")[0]), (200, "application/json"))
        manifest = json.loads(body)
        hashes = [hashlib.sha256(self.data[i : i + GRID]) for i in range(0, SIZE, GRID)]
        expected = {
            "checksum": digest(self.data),
            "size": SIZE,
            "chunk_bytes": GRID,
            "chunk_count": 6,
            "chunks": [sha.hexdigest() for sha in hashes],
        }
        self.assertEqual({key: manifest.get(key) for key in expected}, expected)
        status, headers, body = self.get(self.metadata["manifest_url"], Accept="application/octet-stream")
        self.assertEqual((status, headers["content-type"]), (200, "application/octet-stream"))
        self.assertEqual(body, b"".join(sha.digest() for sha in hashes))

    def test_head_answers_like_get(self):
        for url in (self.url, self.chunk_url(2), self.metadata["manifest_url"]):
            status, headers, body = self.get(url, "HEAD")
            self.assertEqual((status, body), (200, b""))
            got = self.get(url)[1]
            for name in (
                "content-length",
                "etag",
                "content-type",
                "content-digest",
                "repr-digest",
                "accept-ranges",
                "cache-control",
            ):
                self.assertEqual(headers.get(name), got.get(name), f"{name} of {url}")

    def test_one_range(self):
        for text, first, last in (
            ("0-0", 0, 0),
            ("100-65635", 100, 65635),
            (f"{SIZE - 1}-", SIZE - 1, SIZE - 1),
            ("-500", SIZE - 500, SIZE - 1),
            (f"1000-{SIZE * 10}", 1000, SIZE - 1),
            (f"-{SIZE * 10}", 0, SIZE - 1),
            ("70000-", 70000, SIZE - 1),
        ):
            with self.subTest(text):
                status, headers, body = self.get(Range=f"bytes={text}")
                self.assertEqual((status, body), (206, self.data[first : last + 1]))
                self.assertEqual(headers["content-range"], f"bytes {first}-{last}/{SIZE}")
                self.assert_headers(headers, last - first + 1)

    def test_several_ranges(self):
        status, headers, body = self.get(Range="bytes=0-99, 70000-70099,-50")
        self.assertEqual(status, 206)
        self.assertNotIn("transfer-encoding", headers)
        self.assertEqual(len(body), int(headers["content-length"]))
        boundary = (
            re.fullmatch(r'multipart/byteranges; ?boundary="?([^"]+)"?', headers["content-type"]).group(1).encode()
        )
        sections = body.split(b"--" + boundary)
        self.assertEqual(sections[-1].strip(), b"--")
        found = []
        for section in sections[1:-1]:
            head, _, content = section.partition(b"\r\n\r\n")
            first, last, size = re.search(rb"(?i)content-range: bytes (\d+)-(\d+)/(\d+)", head).groups()
            self.assertEqual(int(size), SIZE)
            self.assertEqual(content[:-2], self.data[int(first) : int(last) + 1])
            self.assertEqual(content[-2:], b"\r\n")
            found.append((int(first), int(last)))
        self.assertEqual(found, [(0, 99), (70000, 70099), (SIZE - 50, SIZE - 1)])

    def test_unsatisfiable_range(self):
        for text in (f"{SIZE}-", f"{SIZE + 5}-{SIZE + 9}", "-0", "99999999999999999999999-"):
            with self.subTest(text):
                status, headers, _ = self.get(Range=f"bytes={text}")
                if text.startswith("9999") and status == 200:
                    continue  # too large for a number: nonsense may be ignored
                self.assertEqual((status, headers["content-range"]), (416, f"bytes */{SIZE}"))

    def test_nonsense_range_is_ignored_or_416(self):
        for text in (
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "lines=1-2",
            "bytes=1-2-3",
            "bytes=--5",
            "=",
            "bytes=0x0-0x5",
            "bytes=1 - 2",
            "bytes=18446744073709551616-18446744073709551617",
        ):
            with self.subTest(text):
                status, _, body = self.get(Range=text)
                self.assertIn(status, (200, 416))
                self.assertTrue(status == 416 or body == self.data)

    def test_greedy_ranges_do_not_multiply_the_image(self):
        for text in (
            ",".join(f"{n}-{n}" for n in range(500)),
            "0-" + ",0-" * 500,
            ",".join(f"{n}-{n}" for n in range(5000)),
        ):
            with self.subTest(text[:20]):
                status, _, body = self.get(Range="bytes=" + text)
                self.assertIn(status, (200, 206, 416, 400, 431))
                self.assertLess(len(body), 2 * SIZE)

    def test_if_range(self):
        tag = self.get(None, "HEAD")[1]["etag"]
        self.assertEqual(self.get(Range="bytes=0-9", If_Range=tag)[0], 206)
        for stale in ('"something-else"', "W/" + tag, "Sat, 29 Oct 1994 19:43:31 GMT"):
            status, _, body = self.get(Range="bytes=0-9", If_Range=stale)
            self.assertEqual((status, body), (200, self.data))

    def test_if_none_match(self):
        tag = self.get(None, "HEAD")[1]["etag"]
        status, headers, body = self.get(If_None_Match=tag)
        self.assertEqual((status, body, headers["etag"]), (304, b"", tag))
        self.assertEqual(self.get(If_None_Match='"other"')[0], 200)

    def test_only_the_signed_query_opens(self):
        for url in (self.url, self.chunk_url(0), self.metadata["manifest_url"]):
            plain = url.split("?")[0]
            query = parse_qs(urlsplit(url).query)
            self.assertTrue({"task", "exp", "sig"} <= set(query), query)
            sig, exp, task = (query[name][0] for name in ("sig", "exp", "task"))
            flipped = sig[:-2] + ("A" if sig[-2] != "A" else "B") + sig[-1]
            for wrong in (
                plain,
                url.replace(sig, flipped),
                url.replace(sig, ""),
                url.replace(f"exp={exp}", f"exp={exp}0"),
                url.replace(task, "OTA_20200101_000001"),
                url.replace(f"sig={sig}", "sig=" + "A" * 500),
                url.replace(f"exp={exp}", "exp=1"),
                url.replace(f"sig={sig}", ""),
            ):
                status, _, body = self.get(wrong)
                self.assertEqual(status, 403, wrong)
                self.assertNotIn(self.data[:64], body)
        # Signed for one chunk grid, it doesn't open another.
        self.assertIn(self.get(self.chunk_url(0).replace(f"bytes={GRID}", "bytes=1024"))[0], (403, 404, 422))

    def test_another_image_needs_its_own_query(self):
        other = self.firmware("3.0.0")
        own = hashlib.sha256(self.data).hexdigest()
        url = self.url.replace(own, hashlib.sha256(other).hexdigest())
        if own in self.url:
            self.assertIn(self.get(url)[0], (403, 404))
        for path in (
            "/download/../../etc/passwd",
            "/download/%2e%2e/%2e%2e/otad.toml",
            "/download/" + "0" * 64 + "/image",
            "/download/",
        ):
            parts = urlsplit(self.url)
            status, _, _ = self.get(f"{parts.scheme}://{parts.netloc}{path}?{parts.query}")
            self.assertIn(status, (400, 403, 404))

    def test_writing_is_refused(self):
        for method in ("POST", "PUT", "DELETE"):
            self.assertEqual(self.get(self.url, method)[0], 405)

    @unittest.skipUnless(shutil.which("curl"), "no curl here")
    def test_curl_resumes(self):
        target = pathlib.Path(self.folder, "curl.bin")
        target.write_bytes(self.data[:100_001])
        subprocess.run(
            ["curl", "-sS", "--fail", "--noproxy", "*", "-C", "-", "-o", str(target), self.url], check=True, timeout=30
        )
        self.assertEqual(target.read_bytes(), self.data)

    def test_zz_rot_on_the_disk_is_never_handed_out(self):
        """Last: it spoils an image and restarts the daemon."""
        data = self.firmware("4.0.0", size=SIZE)
        task = self.upgrade("rotten", "4.0.0", chunk_size=64)
        files = [
            path
            for path in pathlib.Path(self.folder, "firmware").rglob("*")
            if path.is_file() and path.stat().st_size == SIZE and path.read_bytes() == data
        ]
        self.assertEqual(len(files), 1)
        with open(files[0], "r+b") as spoilt:
            spoilt.seek(2 * GRID + 7)
            spoilt.write(bytes([data[2 * GRID + 7] ^ 1]))
        self.daemon.restart(ready=False)  # it isn't once the rot was found
        device = self.device("rotten", hardware="any", version="1.0.0")
        answer = device.request("metadata", "failed", "error", "up_to_date")
        if answer["type"] == "metadata":
            with contextlib.suppress(OSError, http.client.HTTPException):  # a reply broken off is fine, too
                status, _, _ = device.get(answer["chunk_url"].replace("{index}", "2"))
                self.assertGreaterEqual(status, 400)
            self.assertEqual(device.wait("failed")["reason"], "image_damaged")
        self.assertRegex(
            str(self.rest.wait_state(task, "failed")) + str(self.rest.get(f"/tasks/{task}/log")), "image_damaged"
        )


if __name__ == "__main__":
    main()
