"""A bad network between devices and servers, made of TCP proxies: `Link` is the line, a `Door` one port over it.

Everything can be switched while connections run. All doors of a process live on one event loop in a thread of its own;
every public method may be called from any thread.
"""
import asyncio
import atexit
import contextlib
import random
import socket
import struct
import threading
import time

from wire import HttpWatch, MqttWatch

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
PIECE = 64 * 1024
BUFFER = 16 * 1024  # bytes that the sockets beside a slow line may hold
WINDOW = 64  # pieces under way in one direction of one connection
LAG = 0.02  # s of line time that may be made good, besides how late a wake-up came
MOST_LATE = 1.0

_loop = asyncio.new_event_loop()
threading.Thread(target=_loop.run_forever, name="network", daemon=True).start()


def on_loop(function):
    """Runs it on the loop's thread; its result."""

    async def call():
        return function()

    return asyncio.run_coroutine_threadsafe(call(), _loop).result(30)


class Link:
    """Latency, rate and outages that all its doors share. `delay` in seconds each way, `rate` in bytes/s each way."""

    def __init__(self, delay=0.0, rate=None):
        self.delay, self.rate = delay, rate
        self.doors, self.outages = [], 0
        self.down_seconds, self.down_since = 0.0, None
        self.free_at = {"up": 0.0, "down": 0.0}
        self.late = {"up": 0.0, "down": 0.0}
        self.flows = on_loop(asyncio.Event)
        on_loop(self.flows.set)
        self.chaos = None

    def door(self, watch, host="127.0.0.1"):
        return Door(self, watch, host)

    def cut(self):
        """Every connection is closed (by RST) and new ones are refused, until mend()."""
        on_loop(self._cut)

    def mend(self):
        on_loop(self._mend)

    def freeze(self):
        """Nothing passes any more, but connections stand and are taken, until thaw()."""
        on_loop(self.flows.clear)

    def thaw(self):
        on_loop(self.flows.set)

    def cut_at_random(self, seed, up, down, frozen=0.0):
        """From now on whole for `up` and cut for `down` seconds by turns, each (shortest, longest); a share `frozen` of
        the outages swallows what is sent in place of closing connections."""
        self.chaos = asyncio.run_coroutine_threadsafe(self._chaos(random.Random(seed), up, down, frozen), _loop)

    def calm(self):
        """No more outages; the line is whole."""
        if self.chaos:
            self.chaos.cancel()
            self.chaos = None
        self.mend()
        self.thaw()

    def downtime(self):
        """Seconds that it was cut or frozen by cut() or cut_at_random(), until now."""
        since = self.down_since
        return self.down_seconds + (time.monotonic() - since if since else 0.0)

    def _cut(self):
        if self.down_since is None:
            self.down_since = time.monotonic()
            self.outages += 1
        for door in self.doors:
            door.update()
            door.drop()

    def _mend(self):
        if self.down_since is not None:
            self.down_seconds += time.monotonic() - self.down_since
            self.down_since = None
        for door in self.doors:
            door.update()

    async def _chaos(self, luck, up, down, frozen):
        while True:
            await asyncio.sleep(luck.uniform(*up))
            if luck.random() < frozen:
                self.down_since, self.outages = time.monotonic(), self.outages + 1
                self.flows.clear()
                await asyncio.sleep(luck.uniform(*down))
                self.flows.set()
            else:
                self._cut()
                await asyncio.sleep(luck.uniform(*down))
            self._mend()

    async def turn(self, way, size):
        """Waits until the line has taken `size` bytes; when they come out at its other end."""
        if self.rate is None:
            return time.monotonic() + self.delay
        now = time.monotonic()
        done = max(self.free_at[way], now - LAG - self.late[way]) + size / self.rate
        self.free_at[way] = done
        if done > now:
            await asyncio.sleep(done - now)
        self.late[way] = min(MOST_LATE, max(0.0, time.monotonic() - done))
        return done + self.delay

    def piece(self):
        return PIECE if self.rate is None else max(256, min(PIECE, int(self.rate / 50)))


class Door:
    """A port of ours that leads to `target` over the link. `mode`: open; refuse (closed port); swallow (connections are
    taken, and nothing passes). Counts what it forwarded: `up` and `down` in bytes, `file` of `down` in image data."""

    def __init__(self, link, watch, host):
        self.link, self.watch = link, watch
        self.host, self.target = host, None
        self.mode = "open"
        self.up = self.down = self.file = self.dials = self.corrupted = 0
        self.corrupt(None)
        self.listener, self.accepting = None, None
        self.connections = set()
        # Keeps the port ours while it refuses: bound, never listening.
        self.claim = self._bound(0)
        self.port = self.claim.getsockname()[1]
        link.doors.append(self)
        atexit.register(self.close)
        on_loop(self.update)

    def lead_to(self, port, host="127.0.0.1"):
        self.target = (host, port)

    def open(self):
        self._switch("open")

    def refuse(self):
        """Closes what runs and refuses what comes."""
        self._switch("refuse", drop=True)

    def swallow(self):
        """What runs and what comes stands, and nothing passes."""
        self._switch("swallow")

    def reset(self):
        """RST to every connection, at both ends; new ones are welcome."""
        on_loop(self.drop)

    def corrupt(self, every, seed=0):
        """From now on one byte in each `every` bytes of image data is wrong; None: no more."""
        self.luck, self.corrupt_every, self.stretch = random.Random(seed), every, self.file
        self.bad_at = self.stretch + self.luck.randrange(every) if every else None

    def close(self):
        with contextlib.suppress(Exception):
            self.refuse()
            self.claim.close()

    def _switch(self, mode, drop=False):
        def switch():
            self.mode = mode
            self.update()
            if drop:
                self.drop()
            for connection in self.connections:
                connection.wake()

        on_loop(switch)

    def _bound(self, port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((self.host, port))
        return listener

    def drop(self):
        for connection in list(self.connections):
            connection.abort()

    def update(self):
        """Listens or not, as mode and link say."""
        wanted = self.mode != "refuse" and self.link.down_since is None
        if wanted and not self.listener:
            self.listener = self._bound(self.port)
            self.listener.listen(64)
            self.listener.setblocking(False)
            self.accepting = _loop.create_task(self._accept(self.listener))
        elif not wanted and self.listener:
            self.accepting.cancel()
            self.listener.close()
            self.listener = None

    async def _accept(self, listener):
        while True:
            client, _ = await _loop.sock_accept(listener)
            self.dials += 1
            connection = Connection(self, client)
            self.connections.add(connection)
            connection.task = _loop.create_task(connection.run())

    def passed(self, way, data, spans):
        """Counts, and spoils what is to be spoilt."""
        if way == "up":
            self.up += len(data)
            return data
        self.down += len(data)
        for begin, end in spans:
            while self.corrupt_every and self.bad_at < self.file + end - begin:
                data = bytearray(data)
                data[begin + self.bad_at - self.file] ^= 0x55
                self.corrupted += 1
                self.stretch += self.corrupt_every
                self.bad_at = self.stretch + self.luck.randrange(self.corrupt_every)
            self.file += end - begin
        return data


class Connection:
    def __init__(self, door, client):
        self.door, self.client, self.server = door, client, None
        self.seen = door.watch()
        self.go = asyncio.Event()
        self.task = None
        client.setblocking(False)
        self.wake()

    def wake(self):
        (self.go.clear if self.door.mode == "swallow" else self.go.set)()

    def abort(self):
        for line in (self.client, self.server):
            if line:
                with contextlib.suppress(OSError):
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        if self.task:
            self.task.cancel()

    async def flows(self):
        await self.go.wait()
        await self.door.link.flows.wait()

    async def run(self):
        try:
            await self.flows()
            await asyncio.sleep(2 * self.door.link.delay)  # SYN and its answer
            self.server = socket.socket()
            self.server.setblocking(False)
            if self.door.link.rate:  # the line holds what is under way, not our buffers
                self.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            await _loop.sock_connect(self.server, self.door.target)
            for line in (self.client, self.server):
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.gather(
                self.one_way("up", self.client, self.server), self.one_way("down", self.server, self.client)
            )
        except (OSError, asyncio.CancelledError):
            self.abort()
        finally:
            self.door.connections.discard(self)
            for line in (self.client, self.server):
                if line:
                    line.close()

    async def one_way(self, way, source, sink):
        queue = asyncio.Queue(WINDOW)
        reading = _loop.create_task(self.read(way, source, queue))
        try:
            while True:
                due, data = await queue.get()
                if due > (now := time.monotonic()):
                    await asyncio.sleep(due - now)
                await self.flows()
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                spans = self.seen.up(data) if way == "up" else self.seen.down(data)
                await _loop.sock_sendall(sink, self.door.passed(way, data, spans))
            await reading
        finally:
            reading.cancel()

    async def read(self, way, source, queue):
        while True:
            await self.flows()
            try:
                data = await _loop.sock_recv(source, self.door.link.piece())
            except OSError:
                self.abort()
                return
            due = await self.door.link.turn(way, len(data)) if data else time.monotonic() + self.door.link.delay
            await queue.put((due, data))
            if not data:
                return


def http_door(link):
    return link.door(HttpWatch)


def mqtt_door(link):
    return link.door(MqttWatch)
