#!/usr/bin/env python3
"""clang-tidy with .clang-tidy's checks, and clang's thread-safety analysis, over all that the programs are made of.

tidy.py BUILD_FOLDER [REGEX]: only units whose path matches. OTAD_JOBS at once, else one for each core. Exit status 77
where clang-tidy is missing.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

TOOL = "clang-tidy-14"
ROOT = pathlib.Path(__file__).resolve().parent.parent


def units(build, wanted):
    """What is compiled for the programs: not the tests, which are checked by being run."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"])
        real = path.resolve()
        made = real.relative_to(build).as_posix() if real.is_relative_to(build) else ""
        inside = real.is_relative_to(ROOT / "src") or re.match(r"CMakeFiles/(ota_|otad|ota-agent)[^/]*\.dir/", made)
        if inside and re.search(wanted, str(path)):
            yield path


def check(build, path):
    ran = subprocess.run([TOOL, "-p", str(build), "--quiet", "--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-error",
                          "--extra-arg=-Wthread-safety", "--extra-arg=-Wthread-safety-beta", str(path)],
                         capture_output=True, text=True)
    return ran.returncode, path, ran.stdout + ("" if ran.returncode == 0 else ran.stderr)


def main():
    if not shutil.which(TOOL):
        print(f"{TOOL} is missing: apt-get install {TOOL}")
        return 77
    build = pathlib.Path(sys.argv[1]).resolve()
    found = sorted(set(units(build, sys.argv[2] if len(sys.argv) > 2 else "")))
    if not found:
        print("nothing to check")
        return 1
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("OTAD_JOBS") or os.cpu_count())) as pool:
        for code, path, text in pool.map(lambda path: check(build, path), found):
            if code:
                failed += 1
                print(f"{os.path.relpath(path, ROOT)}:\n{text}")
    print(f"{len(found)} units, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
