#!/usr/bin/env python3
"""Chunks: otad beside nginx, ranges of one 64 MiB image at 4, 64 and 512 KiB over 32 connections, plain and TLS.

otad does its whole work meanwhile: it checks the signed query, has the digests in its headers, and counts the transfer.
nginx sends the same bytes of the same path: one worker, sendfile, tcp_nopush, no access log, open file cache. Each has
one thread, and wrk one. Debian packages: nginx-light wrk openssl.
"""
import json
import os
import pathlib
import ssl
import subprocess
import urllib.request
from urllib.parse import urlsplit

from common import (GIB, MIB, PATIENT, Broker, Daemon, Report, by_turns, folder, harness, medians, need, offered,
                    options, running, stat_seconds, subfolder)

CONNECTIONS = 32
TARGETS = 64  # tasks whose addresses a run uses by turns: a device that fetches the same over and over is slowed

SCRIPT = """
local size, step = %d, %d
local targets = {%s}
local requests, at = {}, 0
function init()
  for i = 0, math.min(size / step, 512) - 1 do
    local first = (i * 7919 * step) %% size
    requests[i] = wrk.format("GET", targets[i %% #targets + 1], {Range = string.format("bytes=%%d-%%d", first, first + step - 1)})
  end
end
function request() at = (at + 1) %% (#requests + 1); return requests[at] end
function done(summary, latency)
  local e = summary.errors
  print(string.format('FIGURES {"requests": %%d, "bytes": %%d, "us": %%d, "p99_us": %%d, "errors": %%d}', summary.requests,
    summary.bytes, summary.duration, latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
{user}
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=100 inactive=3600s;
  open_file_cache_valid 3600s;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  default_type application/octet-stream;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{plain}; root {folder}/root; }}
  server {{
    listen 127.0.0.1:{tls} ssl; root {folder}/root;
    ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
  }}
}}
"""


SIZE = 64 * MIB


def target_of(metadata):
    """Path and query of the image's signed address."""
    url = urlsplit(metadata["url"])
    return f"{url.path}?{url.query}"


class Nginx(harness.Process):
    def __init__(self, where, cert, key):
        super().__init__(where / "nginx.log")
        self.plain, self.tls = harness.free_port(), harness.free_port()
        user = "user root;" if os.getuid() == 0 else ""
        (where / "nginx.conf").write_text(
            NGINX.format(folder=where, plain=self.plain, tls=self.tls, cert=cert, key=key, user=user))
        self.command = [need("nginx", "nginx-light"), "-p", str(where), "-c", str(where / "nginx.conf")]

    def start(self):
        self.launch(self.command)
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.worker = int(harness.wait_until(lambda: self.running() and children.read_text().split(),
                                             "nginx has its worker")[0])
        return self

    def kill(self):
        if self.running():
            self.stop()


def certificate(where):
    cert, key = where / "cert.pem", where / "key.pem"
    subprocess.run([need("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", cert, "-days", "7", "-subj", "/CN=localhost"],
                   check=True, capture_output=True)
    return cert, key


def cipher(port):
    shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}"], input="", capture_output=True,
                           text=True, timeout=20).stdout
    return next(line.split("Cipher is ")[1] for line in shown.splitlines() if "Cipher is " in line)


def measure(pid, url, targets, step, where, connections, seconds):
    """One run of wrk, with one thread, and the CPU that the server took meanwhile: ranges of `step` bytes."""
    script = where / "ranges.lua"
    script.write_text(SCRIPT % (SIZE, step, ", ".join(f'"{target}"' for target in targets)))
    before = stat_seconds(pid)
    shown = subprocess.run([need("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s",
                            script, url], capture_output=True, text=True, check=True).stdout
    cpu = stat_seconds(pid) - before
    found = json.loads(next(line for line in shown.splitlines() if line.startswith("FIGURES"))[8:])
    if found["errors"] or not found["requests"]:
        raise AssertionError(f"{url}: {shown}")
    return {"rate": found["requests"] / found["us"] * 1e6, "bytes": found["bytes"] / found["us"] * 1e6,
            "cpu_gib": cpu / found["bytes"] * GIB, "p99_ms": found["p99_us"] / 1e3}


def read_all(url):
    context = ssl._create_unverified_context() if url.startswith("https") else None
    with urllib.request.urlopen(url, context=context) as reply:
        return reply.read()


def compare(report, kind, otad, nginx, sets, sizes, where, rounds, seconds):
    """`otad` and `nginx`: process id and where they listen; `sets` of addresses, one for each run."""
    if read_all(otad[1] + sets[0][0]) != read_all(nginx[1] + sets[0][0]):
        raise AssertionError("the two send different bytes")
    for size in sizes:
        ours, theirs = map(medians, by_turns(rounds, *(
            lambda side=side: measure(*side, sets.pop(), size, where, CONNECTIONS, seconds) for side in (otad, nginx))))
        report.add(**{"ranges": f"{kind} {size // 1024} KiB", "otad/s": ours["rate"], "nginx/s": theirs["rate"],
                      "MiB/s": ours["bytes"] / MIB, "rate ratio": ours["rate"] / theirs["rate"],
                      "CPU s/GiB": ours["cpu_gib"], "nginx CPU": theirs["cpu_gib"],
                      "CPU ratio": ours["cpu_gib"] / max(theirs["cpu_gib"], 1e-9), "p99 ms": ours["p99_ms"],
                      "p99 ratio": ours["p99_ms"] / theirs["p99_ms"]})


def main():
    arguments = options(__doc__, rounds=7, seconds=4, size=0)
    need("wrk", "wrk")
    rounds, seconds = (1, 1) if arguments.quick else (arguments.rounds, arguments.seconds)
    sizes = [4096] if arguments.quick else [size * 1024 for size in (4, 64, 512)]
    sizes = [arguments.size * 1024] if arguments.size else sizes
    report = Report(arguments, "chunks", f"{CONNECTIONS} connections, {rounds} rounds of {seconds} s, one thread each")
    with folder() as where, running(Broker(where)) as broker:
        cert, key = certificate(where)
        broker.start()
        daemon = Daemon(subfolder(where, "otad"), broker.port, {**PATIENT, "http.threads": 1, "tasks.max_active": 100_000})
        nginx = Nginx(subfolder(where, "nginx"), cert, key)
        with running(daemon), running(nginx):
            daemon.start()
            image = harness.image("bench", SIZE)
            if daemon.rest.upload("2.0", image, "bench").status != 201:
                raise AssertionError("upload")
            runs = 2 * rounds * len(sizes)
            sets = [[target_of(offered(daemon.rest, f"gw-{run}-{number}", "2.0")) for number in range(TARGETS)]
                    for run in range(2 * runs)]
            path = where / "nginx" / "root" / sets[0][0].split("?")[0].lstrip("/")
            path.parent.mkdir(parents=True)
            path.write_bytes(image)
            nginx.start()
            compare(report, "plain", (daemon.process.pid, f"http://127.0.0.1:{daemon.port}"),
                    (nginx.worker, f"http://127.0.0.1:{nginx.plain}"), sets[:runs], sizes, where, rounds, seconds)

            daemon.stop()
            daemon.settings |= {"http.tls_cert": str(cert), "http.tls_key": str(key)}
            daemon.start(ready=False)
            ciphers = cipher(daemon.port), cipher(nginx.tls)
            if ciphers[0] != ciphers[1]:
                raise AssertionError(f"not the same cipher: {ciphers}")
            compare(report, "TLS", (daemon.process.pid, f"https://127.0.0.1:{daemon.port}"),
                    (nginx.worker, f"https://127.0.0.1:{nginx.tls}"), sets[runs:], sizes, where, rounds, seconds)
            print(f"TLS cipher: {ciphers[0]}")
    report.done()


if __name__ == "__main__":
    main()
