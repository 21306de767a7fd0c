#!/usr/bin/env python3
"""Runs a program in a network of its own, in which one port of 127.0.0.1 leads to a socket in the file system.

unshare -Urn own_network.py PORT SOCKET COMMAND...   SWUpdate's processes share an abstract socket, of which a network
has only one: so several can run on a machine, without privileges.
"""
import contextlib
import fcntl
import socket
import struct
import subprocess
import sys
import threading


def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING


def copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def join(one, other):
    def both():
        with one, other:
            back = threading.Thread(target=copy, args=(other, one), daemon=True)
            back.start()
            copy(one, other)
            back.join()
    threading.Thread(target=both, daemon=True).start()


def forward(listener, connect):
    """Each connection to `listener` goes on to what `connect()` opens."""
    def accept():
        while True:
            one = listener.accept()[0]
            try:
                join(one, connect())
            except OSError:
                one.close()
    threading.Thread(target=accept, daemon=True).start()


def to_unix(path):
    end = socket.socket(socket.AF_UNIX)
    end.connect(path)
    return end


def main():
    port, path, *command = sys.argv[1:]
    raise_loopback()
    forward(socket.create_server(("127.0.0.1", int(port)), backlog=64), lambda: to_unix(path))
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main())
