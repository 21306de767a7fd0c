"""Which bytes of a connection are image data: for HTTP/1.1 the bodies of image and chunk replies, for MQTT 5 the
payloads of the server's `…/chunk/{task}/{index}`. Fed with what passes, in order; knows nothing else of either.
"""
import collections
import re

FILE_PATH = re.compile(rb"/download/[0-9a-f]+/(image|chunks/)")
MAX_HEAD = 64 * 1024
PUBLISH, QOS = 3, 6


class HttpSide:
    """One direction: heads and bodies by turns. `head(lines)` tells the body's length and whether it is image data."""

    def __init__(self, head):
        self.head, self.pending, self.left, self.kind = head, b"", 0, False

    def feed(self, data):
        """The spans of `data` that are in bodies of the wanted kind."""
        spans, at = [], 0
        while at < len(data):
            if self.left:
                end = min(len(data), at + self.left)
                if self.kind:
                    spans.append((at, end))
                self.left -= end - at
                at = end
                continue
            before = len(self.pending)
            self.pending += data[at : at + MAX_HEAD]
            stop = self.pending.find(b"\r\n\r\n")
            if stop < 0:
                return spans
            at += stop + 4 - before
            self.left, self.kind = self.head(self.pending[:stop].split(b"\r\n"))
            self.pending = b""
        return spans


def length_of(lines):
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


class HttpWatch:
    def __init__(self):
        self.asked = collections.deque()
        self.requests, self.replies = HttpSide(self.request), HttpSide(self.reply)

    def request(self, lines):
        method, path = (lines[0].split(b" ") + [b""])[:2]
        self.asked.append((method, bool(FILE_PATH.search(path))))
        return length_of(lines), False

    def reply(self, lines):
        status = int(lines[0].split(b" ")[1])
        if status < 200:
            return 0, False
        method, file = self.asked.popleft() if self.asked else (b"GET", False)
        if method == b"HEAD" or status in (204, 304):
            return 0, False
        return length_of(lines), file and status in (200, 206)

    def up(self, data):
        self.requests.feed(data)
        return []

    def down(self, data):
        return self.replies.feed(data)


class MqttWatch:
    """The broker's PUBLISH packets whose topic has `/chunk/` in it; the client has to speak MQTT 5."""

    def __init__(self):
        self.head, self.skip, self.file = b"", 0, 0

    def up(self, _data):
        return []

    def down(self, data):
        spans, at = [], 0
        while at < len(data):
            if self.skip:
                step = min(self.skip, len(data) - at)
                self.skip -= step
            elif self.file:
                step = min(self.file, len(data) - at)
                self.file -= step
                spans.append((at, at + step))
            else:
                step = 1
                self.head += data[at : at + 1]
                self.understand()
            at += step
        return spans

    def understand(self):
        """Once enough of a packet's head is here: how many bytes are to be skipped, and how many are image data."""
        length, at = varint(self.head, 1)
        if at is None:
            return
        end, begin = at + length, None
        if self.head[0] >> 4 == PUBLISH:
            topic_end = at + 2 + int.from_bytes(self.head[at : at + 2], "big")
            properties, after = varint(self.head, topic_end + (2 if self.head[0] & QOS else 0))
            if len(self.head) < at + 2 or after is None:
                return
            if b"/chunk/" in self.head[at + 2 : topic_end]:
                begin = after + properties
        self.skip = (end if begin is None else begin) - len(self.head)
        self.file = 0 if begin is None else end - begin
        self.head = b""


def varint(data, at):
    """MQTT's variable byte integer at `at`: value and the place after it; None for that if it isn't all here."""
    value, shift = 0, 0
    while at < len(data) and shift < 28:
        value |= (data[at] & 127) << shift
        at += 1
        if not data[at - 1] & 128:
            return value, at
        shift += 7
    return 0, None
