#!/usr/bin/env python3
"""Checks that each room includes only rooms below it, and that a library is included by its own room alone."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
BELOW = {
    "base": set(),
    "domain": {"base"},
    "storage": {"base", "domain"},
    "firmware": {"base", "domain"},
    "engine": {"base", "domain", "storage", "firmware"},
    "http": {"base"},
    "mqtt": {"base"},
    "api": {"base", "domain", "storage", "firmware", "engine", "http", "mqtt"},
    "app": {"base", "domain", "storage", "firmware", "engine", "http", "mqtt", "api"},
    "agent": {"base", "domain", "firmware", "mqtt"},
}
# Which rooms' src/ may include a library.
OWNERS = {
    "spdlog/": {"base"}, "toml++/": {"base", "agent"}, "SQLiteCpp/": {"storage"}, "sqlite3.h": {"storage"},
    "openssl/": {"firmware", "http"}, "boost/beast": {"http"}, "boost/asio": {"http", "api"}, "mqtt/async": {"mqtt"},
    "mqtt/": {"mqtt"}, "MQTT": {"mqtt"}, "nlohmann/": {"api", "agent"}, "prometheus/": {"api"}, "CLI/": {"app", "agent"},
    "curl/": {"agent"},
}
# Besides, these may show in interfaces.
IN_INTERFACES = re.compile(r"boost/(system/result|asio/awaitable)\.hpp$")

wrong = []
for path in sorted([*ROOT.glob("include/ota/*/*.hpp"), *ROOT.glob("src/*/*.?pp")]):
    relative = path.relative_to(ROOT)
    interface = relative.parts[0] == "include"
    room = relative.parts[2] if interface else relative.parts[1]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if not found:
            continue
        name = found.group(1)
        where = f"{relative}:{number}"
        own = re.match(r"ota/(\w+)/", name) or re.match(r"(\w+)/[\w]+\.hpp$", name)
        if own and own.group(1) in BELOW:
            other = own.group(1)
            public = name.startswith("ota/")
            if other != room and (other not in BELOW[room] or not public):
                wrong.append(f"{where}: {room} may not include {name}")
                continue
            if public or other == room:
                continue
        for library, owners in OWNERS.items():
            if name.startswith(library):
                http_await = str(relative) == "include/ota/http/await.hpp" and library == "boost/asio"
                if interface and not IN_INTERFACES.search(name) and not http_await:
                    wrong.append(f"{where}: {name} may not show in an interface")
                elif not interface and room not in owners and not IN_INTERFACES.search(name):
                    wrong.append(f"{where}: {name} belongs to {', '.join(sorted(owners))}")
                break

print("\n".join(wrong) if wrong else "rooms: every include is in its place")
sys.exit(1 if wrong else 0)
