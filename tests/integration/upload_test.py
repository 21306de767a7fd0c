"""Uploads: streamed, checked, published whole or not at all."""
import hashlib
import socket
import threading
from urllib.parse import urlencode

from harness import MIB, SANITIZED, ServerCase, digest, image, main, wait_until


class Upload(ServerCase):
    settings = {"http.max_upload_bytes": 400 * MIB}

    def versions(self):
        return [item["version"] for item in self.rest.items("/firmware", limit=100)]

    def leftovers(self):
        """Files below the firmware folder."""
        return {path for path in (self.folder / "firmware").rglob("*") if path.is_file()}

    def test_known_length_and_same_again(self):
        data = image("known", 3 * MIB + 17)
        first = self.rest.upload("1.0.0", data, "up-a", checksum=digest(data))
        self.assertEqual(first.status, 201, first)
        self.assertEqual(
            (first.json["version"], first.json["hardware"], first.json["size"], first.json["checksum"]),
            ("1.0.0", "up-a", len(data), digest(data)),
        )
        self.assertEqual(
            (first.json["filename"], first.json["sha1"], first.json["md5"]),
            ("up-a-1.0.0.bin", hashlib.sha1(data).hexdigest(), hashlib.md5(data).hexdigest()),
        )
        self.assertEqual(self.rest.upload("1.0.0", data, "up-a").status, 200)
        self.assert_problem(self.rest.upload("1.0.0", data + b"x", "up-a"), 409)
        other = self.rest.upload("1.0.0", data + b"x", "up-b", filename="up.swu")  # other hardware, other firmware
        self.assertEqual((other.status, other.json["filename"]), (201, "up.swu"))

    def test_chunked_length(self):
        data = image("chunked", 2 * MIB + 5)
        pieces = (data[i : i + 100_000] for i in range(0, len(data), 100_000))
        answer = self.rest.call(
            "POST",
            "/firmware?version=1.1.0&hardware=up-a",
            pieces,
            {"Transfer-Encoding": "chunked"},
            encode_chunked=True,
        )
        self.assertEqual((answer.status, answer.json.get("checksum")), (201, digest(data)), answer)

    def test_wrong_checksum_leaves_nothing(self):
        before = self.leftovers()
        self.assert_problem(self.rest.upload("1.2.0", b"content", "up-a", checksum=digest(b"other")), 422, "checksum")
        self.assertNotIn("1.2.0", self.versions())
        wait_until(lambda: self.leftovers() == before, "nothing is left on the disk")

    def test_signature_that_cannot_be_checked_is_refused(self):
        answer = self.rest.upload("1.3.0", b"content", "up-a", signature="AAAA", key_id="nobody")
        self.assert_problem(answer, 422)
        self.assertNotIn("1.3.0", self.versions())

    def test_empty_image_is_refused(self):
        self.assert_problem(self.rest.upload("1.4.0", b"", "up-a"), 422)

    def test_too_large(self):
        """Refused by the announced length at once, and by counting where none was announced."""
        with socket.create_connection(("127.0.0.1", self.daemon.port), 10) as line:
            line.sendall(
                b"POST /firmware?version=1.5.0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (500 * MIB)
            )
            line.sendall(b"x" * 1000)
            self.assertIn(b" 413 ", line.recv(4096).split(b"\r\n")[0])
        self.assertEqual(self.send_without_length("1.6.0", 401), 413)
        self.assertFalse({"1.5.0", "1.6.0"} & set(self.versions()))

    def send_without_length(self, version, mebibytes):
        """Streams chunked until it is all out or refused; the status."""
        piece = image("large", MIB)
        with socket.create_connection(("127.0.0.1", self.daemon.port), 30) as line:
            line.sendall(
                f"POST /firmware?version={version} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            )
            try:
                for _ in range(mebibytes):
                    line.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                line.sendall(b"0\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            return int(line.recv(4096).split()[1])

    def test_cut_off_is_invisible(self):
        before = self.leftovers()
        for head in ("Content-Length: 1000000", "Transfer-Encoding: chunked"):
            with socket.create_connection(("127.0.0.1", self.daemon.port), 10) as line:
                line.sendall(
                    f"POST /firmware?version=1.7.0&hardware=up-a HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode()
                )
                line.sendall((b"" if "Length" in head else b"80000\r\n") + bytes(400_000))
        wait_until(lambda: self.leftovers() == before, "the cut-off upload is cleaned away")
        self.assertNotIn("1.7.0", self.versions())
        self.assertEqual(self.rest.upload("1.7.0", b"whole", "up-a").status, 201)

    def test_same_version_at_once(self):
        for label, contents, expected in (
            ("same", [image("same", MIB)] * 4, [200, 200, 200, 201]),
            ("different", [image(f"other {n}", MIB) for n in range(4)], [201, 409, 409, 409]),
        ):
            with self.subTest(label):
                answers = []
                threads = [
                    threading.Thread(
                        target=lambda data=data: answers.append(
                            (self.rest.upload(f"1.8.0-{label}", data, "up-a"), data)
                        )
                    )
                    for data in contents
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                self.assertEqual(sorted(answer.status for answer, _ in answers), expected)
                stored = [
                    item for item in self.rest.items("/firmware", limit=100) if item["version"] == f"1.8.0-{label}"
                ]
                winner = next(data for answer, data in answers if answer.status == 201)
                self.assertEqual([item["checksum"] for item in stored], [digest(winner)])

    def test_same_content_in_two_versions_outlives_one(self):
        data = image("shared", 100_000)
        first = self.rest.upload("1.9.0", data, "up-a").json
        second = self.rest.upload("1.9.1", data, "up-a").json
        name = "id" if "id" in first else "firmware_id"
        self.assertIn(self.rest.call("DELETE", f"/firmware/{first[name]}").status, (200, 204))
        self.assertEqual(self.rest.get(f"/firmware/{second[name]}")["checksum"], digest(data))
        self.upgrade("shares", "1.9.1", hardware="up-a")
        self.assertEqual(self.device("shares", hardware="up-a", version="1.0.0").run()["type"], "success")

    def test_large_one_does_not_fill_memory(self):
        before = self.daemon.rss()
        peak, over = [before], threading.Event()

        def watch():
            while not over.wait(0.05):
                peak.append(self.daemon.rss())

        watcher = threading.Thread(target=watch)
        watcher.start()
        piece, sha = image("large", MIB), hashlib.sha256()
        for _ in range(300):
            sha.update(piece)
        query = urlencode({"version": "2.0.0", "hardware": "up-large", "checksum": "sha256:" + sha.hexdigest()})
        answer = self.rest.call(
            "POST", f"/firmware?{query}", (piece for _ in range(300)), {"Content-Length": str(300 * MIB)}, timeout=120
        )
        over.set()
        watcher.join()
        self.assertEqual((answer.status, answer.json.get("size")), (201, 300 * MIB), answer)
        if not SANITIZED:
            self.assertLess(max(peak) - before, 48 * MIB)

    def test_expect_continue(self):
        """curl asks first for large bodies."""
        with socket.create_connection(("127.0.0.1", self.daemon.port), 10) as line:
            line.sendall(
                b"POST /firmware?version=2.1.0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            )
            self.assertIn(b" 100 ", line.recv(4096).split(b"\r\n")[0])
            line.sendall(b"hello")
            self.assertIn(b" 201 ", line.recv(4096).split(b"\r\n")[0])


if __name__ == "__main__":
    main()
