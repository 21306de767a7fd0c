#!/usr/bin/env python3
"""Checks that each module includes only modules below it, and that a library is included by its own modules alone.

Also that nobody but the storage knows SQL, and that docs/architecture.md shows the modules as they are, and links files
that are there; --picture prints what it has to show.
"""
import pathlib
import re
import sys

# What each module may include, from the bottom to the top. The agent is a program of its own.
BELOW = {
    "base": set(),
    "domain": {"base"},
    "storage": {"base", "domain"},
    "firmware": {"base", "domain"},
    "simulate": {"base", "domain"},
    "engine": {"base", "domain", "storage", "firmware"},
    "backup": {"base", "domain", "storage", "firmware"},
    "http": {"base"},
    "mqtt": {"base"},
    "curl": set(),
    "credentials": {"base"},
    "setup": {"base", "credentials"},
    "wire": {"base", "domain", "http"},
    "events": {"base", "domain", "storage", "firmware", "engine", "http", "curl", "wire"},
    "download": {"base", "domain", "firmware", "engine", "http", "wire"},
    "device": {"base", "domain", "firmware", "engine", "http", "wire", "download"},
    "ddi": {"base", "domain", "firmware", "engine", "http", "wire", "download"},
    "rest": {"base", "domain", "storage", "firmware", "engine", "http", "mqtt", "wire", "download", "events"},
    "web": {"base", "http", "wire"},
    "app": {"base", "domain", "storage", "firmware", "engine", "http", "mqtt", "wire", "download", "device", "ddi",
            "rest", "events", "web", "simulate", "backup", "credentials", "setup"},
    "otactl": {"base", "curl", "credentials"},
    "agent": {"base", "curl", "domain", "firmware", "mqtt"},
}
LEVELS = [["app", "agent", "otactl"], ["device", "ddi", "rest"], ["download", "events", "web"], ["wire"], ["engine", "http", "mqtt", "backup"],
          ["storage", "firmware", "simulate", "setup"], ["domain", "credentials"], ["base", "curl"]]
# Which modules' src/ may include a library.
OWNERS = {
    "spdlog/": {"base"}, "toml++/": {"base", "agent", "otactl", "simulate", "setup"}, "SQLiteCpp/": {"storage"}, "sqlite3.h": {"storage"},
    "openssl/": {"credentials", "firmware", "http", "otactl"}, "boost/url": {"base"}, "boost/beast": {"http"},
    "boost/asio": {"http", "download", "device", "ddi", "events", "rest"},
    "mqtt/async": {"mqtt"}, "mqtt/": {"mqtt"}, "MQTT": {"mqtt"}, "nlohmann/": {"wire", "backup", "rest", "agent", "otactl"},
    "archive": {"backup"}, "zlib.h": {"rest", "web"}, "cctz/": {"domain"}, "CLI/": {"app", "agent", "otactl"}, "curl/": {"agent", "curl", "events", "otactl"},
}
# Besides, these may show in interfaces.
IN_INTERFACES = re.compile(r"boost/(system/result|asio/awaitable)\.hpp$")
# And these in one interface each: the await that is a template, the type that json_fields points to, what handles are.
IN_ONE_INTERFACE = {("include/ota/http/await.hpp", "boost/asio"),
                    ("include/ota/wire/json_fields.hpp", "nlohmann/json_fwd.hpp"),
                    ("include/ota/curl/handle.hpp", "curl/curl.h")}


# SQL and SQLite's types are the storage's own. The engine's models read the tables themselves, so that they don't trust
# what they check.
SQL = re.compile(r'"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|PRAGMA)\s|SQLite::|sqlite3|SQLiteCpp|["<]storage/')
SQL_TOO = {"tests/unit/engine/model_driver.cpp", "tests/unit/engine/fleet_history_checks.cpp"}


def check_sql(root):
    wrong = []
    for path in sorted([*root.glob("include/ota/*/*.hpp"), *root.glob("src/*/*.?pp"), *root.glob("tests/unit/*/*.?pp")]):
        relative = path.relative_to(root)
        if path.parent.name == "storage" or str(relative) in SQL_TOO:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if SQL.search(line):
                wrong.append(f"{relative}:{number}: SQL and SQLite belong to storage")
    return wrong


def check(root):
    wrong = check_sql(root)
    for path in sorted([*root.glob("include/ota/*/*.hpp"), *root.glob("src/*/*.?pp")]):
        relative = path.relative_to(root)
        interface = relative.parts[0] == "include"
        module = relative.parts[2] if interface else relative.parts[1]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if found:
                what = check_include(str(relative), module, interface, found.group(1))
                if what:
                    wrong.append(f"{relative}:{number}: {what}")
    return wrong


def check_include(file, module, interface, name):
    own = re.match(r"ota/(\w+)/", name) or re.match(r"(\w+)/[\w]+\.hpp$", name)
    if own and own.group(1) in BELOW:
        other = own.group(1)
        public = name.startswith("ota/")
        if other != module and (other not in BELOW[module] or not public):
            return f"{module} may not include {name}"
        if public or other == module:
            return None
    library = next((library for library in OWNERS if name.startswith(library)), None)
    if not library or IN_INTERFACES.search(name):
        return None
    if interface and not any(file == where and name.startswith(what) for where, what in IN_ONE_INTERFACE):
        return f"{name} may not show in an interface"
    if not interface and module not in OWNERS[library]:
        return f"{name} belongs to {', '.join(sorted(OWNERS[library]))}"
    return None


def picture():
    """A line for each module, the highest first: its level, what it includes, and the libraries that it owns."""
    lines = ["level  module      includes"]
    for level, modules in reversed(list(enumerate(reversed(LEVELS)))):
        for module in modules:
            below = [name for name in BELOW if name in BELOW[module]]
            lines.append(f"{level:5}  {module:<11} {', '.join(below) or '-'}")
    return "\n".join(lines)


def main():
    if sys.argv[1:] == ["--picture"]:
        print(picture())
        return 0
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    wrong = check(root)
    document = root / "docs/architecture.md"
    text = document.read_text()
    if picture() not in text:
        wrong.append("docs/architecture.md doesn't show the modules as they are: paste what tests/rooms.py --picture prints")
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in link and not (document.parent / link).exists():
            wrong.append(f"docs/architecture.md links {link}, which isn't there")
    print("\n".join(wrong) if wrong else "modules: every include is in its place")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
