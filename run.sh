#!/usr/bin/env bash
# Shows a whole update on this machine: broker, server, devices, real firmware. Debian 12, from nothing; as root or with
# sudo where packages are missing.
set -euo pipefail
root=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
. "$root/docker/packages.sh"

usage() {
  cat <<'END'
./run.sh [--firmware FILE]... [--devices N] [--broker URL] [--once]

Builds otad, ota-agent and otactl, starts Mosquitto and otad on free loopback ports with fresh data, uploads firmware, starts
devices, posts routine upgrades and, while they run, a security upgrade, shows every download, and checks that each
device has its image, bit for bit. Then 30 more devices get a good rollout and one whose firmware fails on install, which
halts by itself and is rolled back. Exit status 0 only if all of this went as it should. Then it runs until Ctrl-C.

  --firmware FILE  image to send; may be repeated: one version each, the last one is the security upgrade
                   (default: boot loaders for QEMU machines from the Debian packages u-boot-qemu and opensbi)
  --devices N      how many devices, 2 to 100 (default 6)
  --broker URL     use this broker (tcp://host:port) instead of starting one; all topics are below /ota-demo-...
  --once           exit after the table
END
}

die() { echo "run.sh: $1" >&2; exit 2; }

arguments=()
while (($#)); do
  case $1 in
    --firmware)
      [[ -f ${2:-} && -r $2 && -s $2 ]] || die "--firmware needs a file that can be read and isn't empty: ${2:-}"
      arguments+=(--firmware "$(realpath "$2")"); shift ;;
    --devices)
      [[ ${2:-} =~ ^([2-9]|[1-9][0-9]|100)$ ]] || die "--devices needs a number from 2 to 100"
      arguments+=(--devices "$2"); shift ;;
    --broker)
      [[ ${2:-} == @(tcp|mqtt|ssl|mqtts)://?* ]] || die "--broker needs a URL such as tcp://127.0.0.1:1883"
      arguments+=(--broker "$2"); shift ;;
    --once) arguments+=(--once) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown argument $1" ;;
  esac
  shift
done

# shellcheck disable=SC2086
install_missing $build_packages $web_packages $run_packages
export PATH=$PATH:/usr/sbin

cd "$root"
build=build/release  # the tree of ./test.sh
mkdir -p "$build"
echo "building (the first time takes minutes) ..."
{ cmake --preset release -DPython3_EXECUTABLE=/usr/bin/python3 &&
  cmake --build --preset release --target otad ota-agent otactl; } >"$build/run-build.log" 2>&1 ||
  { tail -n 60 "$build/run-build.log" >&2; exit 1; }

unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY  # from here on all goes to loopback
exec /usr/bin/python3 tests/demo/demo.py --build "$build" ${arguments[@]+"${arguments[@]}"}
