# shellcheck shell=sh disable=SC2034
# The packages of Debian 12 and 13 that otad needs, for run.sh, test.sh and the Dockerfile: the one list of them. For any sh.

build_tools="cmake ninja-build ccache python3 python3-yaml"
# Debian 12 has two of Boost, and the other is too old; Debian 13 has one. Its clang-tidy warns of more than that of 12,
# for which the checks were chosen.
boost="libboost-dev libboost-url-dev"
tidy=''
! grep -q '^VERSION_CODENAME=bookworm$' /etc/os-release || { boost=libboost1.81-dev; tidy=clang-tidy-14; }
build_libraries="libarchive-dev $boost libcctz-dev libcli11-dev libcurl4-openssl-dev libfmt-dev libgmock-dev
  libgtest-dev libpaho-mqtt-dev libpaho-mqttpp-dev libspdlog-dev libsqlite3-dev libsqlitecpp-dev libssl-dev
  libtomlplusplus-dev libzstd-dev nlohmann-json3-dev zlib1g-dev"
build_packages="g++ $build_tools $build_libraries"

# For the Debian packages of otad itself, besides.
package_packages="dpkg-dev help2man"

# --packages: a minimal Debian 12, which boots.
booted_packages="debootstrap systemd-container util-linux"

# Packages for other machines, made in a root file system of their own (tests/cross.sh); the emulator runs what was built.
cross_packages="debootstrap mount util-linux qemu-user-static lintian"

# The operators' page is bundled by npm's packages; a node and npm that are there already do, too.
web_packages=$(command -v npm >/dev/null || echo "nodejs npm")

# What ./run.sh starts, calls and sends.
run_packages="mosquitto curl python3 tzdata u-boot-qemu opensbi"

test_packages="mosquitto mosquitto-clients curl wget aria2 openssl python3 python3-jsonschema
  python3-paho-mqtt systemd faketime iproute2 iptables e2fsprogs mount slowhttptest sslscan binutils wrk jq
  libarchive-tools zsync zchunk cpio tzdata $tidy dpkg-dev help2man lintian tmux chromium
  fonts-dejavu-core"

# Called by tests too, but their packages bring services, which stay off: swupdate-progress even reboots the machine, and
# of prometheus only promtool is needed.
idle_packages="swupdate prometheus"

# --docker: containers without a Docker engine.
docker_packages="podman buildah runc podman-compose debootstrap netavark aardvark-dns iptables uidmap"

# --fresh: a root file system of its own, with a clone in it.
fresh_packages="debootstrap git mount util-linux"

# --fuzz: libFuzzer.
fuzz_packages="clang-14 libclang-rt-14-dev"

# --brokers: other brokers than Mosquitto, and one of npm.
broker_packages="rabbitmq-server ejabberd"
broker_npm_packages="aedes@0.51.3"

# install_missing NAME...: as root or by sudo; says nothing where nothing is missing.
install_missing() {
  missing=
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  sudo=
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "missing packages, and neither root nor sudo:$missing" >&2; return 1; }
    sudo=sudo
  fi
  echo "installing$missing" >&2
  $sudo apt-get update -qq >&2 || return 1
  # shellcheck disable=SC2086
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Use-Pty=0 $missing >&2 </dev/null
}

# install_idle NAME...: the same, but the services of those that were missing are neither started nor enabled.
install_idle() {
  absent=
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || absent="$absent $package"
  done
  [ -n "$absent" ] || return 0
  policy=/usr/sbin/policy-rc.d made='' as=''
  [ "$(id -u)" -eq 0 ] || as=sudo
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as install -m 755 /dev/stdin $policy && made=yes
  fi
  installed=0
  install_missing "$@" || installed=$?
  [ -z "$made" ] || $as rm -f $policy
  [ $installed -eq 0 ] || return $installed
  # shellcheck disable=SC2086
  units=$(dpkg -L $absent | sed -n 's#^/lib/systemd/system/\([^/@]*\.\(service\|socket\)\)$#\1#p')
  # shellcheck disable=SC2086
  [ -z "$units" ] || ! command -v systemctl >/dev/null || $as systemctl disable -q $units 2>/dev/null || true
}
