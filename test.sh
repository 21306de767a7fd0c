#!/usr/bin/env bash
# Builds and runs every test, from nothing, on Debian 12; as root or with sudo where packages are missing.
# The last line counts: "N passed, N failed". Exit status 0 only if something passed and nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. docker/packages.sh

usage() {
  cat <<'END'
./test.sh [--fresh[=SUITE]] [--sanitize address|thread] [--docker] [--fuzz SECONDS] [--crash N] [--soak MINUTES] [--brokers]
          [--packages] [--cross] [--fleet N] [--filter REGEX]
  --fresh                    make a minimal Debian 12 (debootstrap, as root), clone HEAD into it, and there run
                             ./test.sh with the other options, and ./run.sh --once; --fresh=trixie: Debian 13
  --sanitize address|thread  build with ASan and UBSan, or with TSan, and run the same tests
  --docker                   also build the container image and bring the compose file up (minutes; as root)
  --fuzz SECONDS             also fuzz each parser of external data with libFuzzer for SECONDS (60 is a good start)
  --crash N                  kill -9 the daemon N times in the crash campaign instead of 50 (1000: about an hour)
  --packages                 also install, upgrade, remove and purge the Debian packages in a minimal Debian 12 (as root)
  --cross                    also make the packages for arm64 and armhf, and carry out updates with them in qemu (as root)
  --fleet N                  play the large simulated fleets that take long N times instead of 20 (300: 5 minutes)
  --soak MINUTES             also run a mixed load for MINUTES: memory, descriptors and database must not grow
  --brokers                  also run the whole flow over RabbitMQ, ejabberd and aedes: installs them (80 MB, and npm)
  --filter REGEX             only tests whose name matches
END
}

# The tests start these brokers themselves, on loopback.
install_brokers() {
  # shellcheck disable=SC2086
  install_idle $broker_packages
  # shellcheck disable=SC2086
  npm install --prefix "$1" --no-audit --no-fund --loglevel=error $broker_npm_packages
}

preset=release  # the tree of ./run.sh
fresh=''
given=()
docker=''
fuzz=''
filter=()
crash=50
soak=''
fleet=20
brokers=''
packages=''
cross=''
for option; do
  case $option in
    --fresh) fresh=bookworm ;;
    --fresh=[a-z]*) fresh=${option#*=} ;;
    *) given+=("$option") ;;
  esac
done
while (($#)); do
  case $1 in
    --fresh | --fresh=[a-z]*) ;;
    --sanitize)
      [[ ${2:-} == @(address|thread) ]] || { usage >&2; exit 2; }
      preset=$2; shift ;;
    --docker) docker=yes ;;
    --fuzz)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
      fuzz=$2; shift ;;
    --crash)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
      crash=$2; shift ;;
    --soak)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
      soak=$2; shift ;;
    --fleet)
      [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
      fleet=$2; shift ;;
    --brokers) brokers=yes ;;
    --packages) packages=yes ;;
    --cross) cross=yes ;;
    --filter)
      [[ -n ${2:-} ]] || { usage >&2; exit 2; }
      filter=(-R "$2"); shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

[[ ! $fresh ]] || SUITE=$fresh exec tests/fresh.sh ${given[@]+"${given[@]}"}

say() { printf '%(%H:%M:%S)T  %s\n' -1 "$*"; }

# shellcheck disable=SC2086
install_missing $build_packages $web_packages $test_packages ${docker:+$docker_packages} ${fuzz:+$fuzz_packages} \
  ${packages:+$booted_packages} ${cross:+$cross_packages}
# shellcheck disable=SC2086
install_idle $idle_packages
export PATH=$PATH:/usr/sbin

# A compiler takes up to 1.5 GB.
memory=$(awk '/^MemTotal/ {print int($2 / 1500000)}' /proc/meminfo)
jobs=$(nproc)
((jobs <= memory)) || jobs=$((memory > 0 ? memory : 1))

build=$PWD/build/$preset
say "building into build/$preset with $jobs jobs"
mkdir -p "$build"
# Not another Python that comes first in PATH: Debian's has the MQTT library.
cmake --preset "$preset" -DOTAD_TESTS=ON -DPython3_EXECUTABLE=/usr/bin/python3 >"$build/configure.log" 2>&1 ||
  { cat "$build/configure.log"; echo "0 passed, 1 failed"; exit 1; }
cmake --build --preset "$preset" -j "$jobs" >"$build/build.log" 2>&1 ||
  { grep -E -A20 'error|FAILED' "$build/build.log" | head -200; echo "0 passed, 1 failed"; exit 1; }

export OTAD_BUILD=$build OTAD_CRASH_KILLS=$crash OTAD_FLEET_RUNS=$fleet OTAD_JOBS=$jobs
[[ ! $packages ]] || export OTAD_PACKAGES=1
if [[ $cross ]]; then
  say "packages for arm64 and armhf"
  JOBS=$jobs tests/cross.sh arm64 armhf || { echo "0 passed, 1 failed"; exit 1; }
  export OTAD_CROSS=1
fi
if [[ $brokers ]]; then
  say "installing other brokers"
  install_brokers "$build/brokers"
  export OTAD_BROKERS=1 OTAD_AEDES=$build/brokers
fi
case $preset in
  address)
    export OTAD_SANITIZED=1 OTAD_PATIENCE=4 ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 ;;
  thread)
    export OTAD_SANITIZED=1 OTAD_PATIENCE=8
    export TSAN_OPTIONS=second_deadlock_stack=1:suppressions=$PWD/tests/thread.supp ;;
esac

unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY  # from here on all goes to loopback
say "running the tests"
report=$build/junit.xml
rm -f "$report"
# The limit is for tests without one of their own: the campaign, whose length is an option.
ctest --test-dir "$build" -j 2 --timeout $((1800 + 60 * crash)) --output-on-failure --no-tests=error \
  --output-junit "$report" --test-output-size-passed 1000000 "${filter[@]}" >"$build/test.log" 2>&1 || true
# All of what failed, and the summary.
sed -n '/\*\*\*/,/^ *Start\|^[0-9 ]*\/[0-9 ]* Test/p; /The following tests/,$p' "$build/test.log" | tail -n 400

# How many passed, how many failed, then a line for each test that was left out, with its reason.
counted=$(/usr/bin/python3 - "$report" <<'END'
import re
import sys
import xml.etree.ElementTree as xml
passed, failed, left_out = 0, 0, []
try:
    for case in xml.parse(sys.argv[1]).getroot().iter("testcase"):
        name, why = case.get("name"), case.find("skipped")
        said = case.findtext("system-out") or ""
        left_out += [f"{name}: {part}: {reason}" for part, _, reason in re.findall(
            r"^(\S+).* \.\.\. skipped (['\"])(.*)\2$", said, re.MULTILINE)]
        # A test whose program is missing is "notrun" as well; that is a failure.
        if case.get("status") == "disabled" or (why is not None and why.get("message", "").startswith("SKIP_")):
            left_out.append(f"{name}: {(said.strip() or 'disabled').splitlines()[-1]}")
        elif case.get("status") == "run":
            passed += 1
        else:
            failed += 1
except (OSError, xml.ParseError):
    pass
print(passed, failed, *left_out, sep="\n")
END
)
{ read -r passed; read -r failed; left_out=$(cat); } <<<"$counted"
[[ ! $left_out ]] || printf 'skipped: %s\n' "${left_out//$'\n'/$'\nskipped: '}"

if [[ $soak ]]; then
  say "a mixed load for $soak minutes"
  if OTAD_BIN=$build/otad /usr/bin/python3 -B tests/integration/soak.py "$soak" >"$build/soak.log" 2>&1; then
    tail -n 3 "$build/soak.log"
    ((++passed))
  else
    tail -n 60 "$build/soak.log"
    ((++failed))
  fi
fi

if [[ $docker ]]; then
  say "container image and compose file"
  if tests/integration/docker.sh >"$build/docker.log" 2>&1; then
    ((++passed))
  else
    tail -n 60 "$build/docker.log"
    ((++failed))
  fi
fi

if [[ $fuzz ]]; then
  say "fuzzing, each target for $fuzz s"
  mkdir -p build/fuzz
  if cmake --preset fuzz -DPython3_EXECUTABLE=/usr/bin/python3 >build/fuzz/configure.log 2>&1 &&
    cmake --build --preset fuzz -j "$jobs" >build/fuzz/build.log 2>&1; then
    tests/fuzz/run.sh "$PWD/build/fuzz/tests" "$fuzz" || true
    passed=$((passed + $(grep -c '^ok' build/fuzz/tests/result.log || true)))
    failed=$((failed + $(grep -c '^FAILED' build/fuzz/tests/result.log || true)))
  else
    tail -n 60 build/fuzz/build.log
    ((++failed))
  fi
fi

say "done in ${SECONDS} s; all output is in build/$preset/*.log"
echo "$passed passed, $failed failed"
((passed > 0 && failed == 0))
