#!/usr/bin/env bash
# tests/cross.sh ARCHITECTURE...: makes the Debian packages for arm64 or armhf in build/package-ARCHITECTURE, by Debian 12's
# cross compilers and multiarch libraries, in a root file system of their own in build/cross/root-ARCHITECTURE, which stays
# for the next time. As root. The compiler cache is the one of this machine's ccache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. docker/packages.sh
. tests/debian.sh
(($(id -u) == 0)) || { echo "cross.sh makes and mounts a root file system: run it as root" >&2; exit 1; }
(($#)) || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
# shellcheck disable=SC2086
install_missing $cross_packages

here=$PWD/build/cross
cache=${CCACHE_DIR:-$HOME/.cache/ccache}
mkdir -p "$here" "$cache"

for architecture; do
  root=$here/root-$architecture
  if [[ ! -e $root/made ]]; then
    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    make_debian "$root" "$here/debootstrap.log" "$architecture"
    touch "$root/made"
  fi
  cat /etc/resolv.conf >"$root/etc/resolv.conf"
  (enter_debian "$root" "$PWD" "$PWD" "$cache" -- env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    CCACHE_DIR="$cache" JOBS="${JOBS:-$(nproc)}" DEB_HOST_ARCH="$architecture" sh -ec '
      . docker/packages.sh
      apt-get update -qq
      needed="crossbuild-essential-$DEB_HOST_ARCH:native"
      for name in $build_tools $package_packages qemu-user-static nodejs npm; do needed="$needed, $name:native"; done
      for name in $build_libraries; do needed="$needed, $name"; done
      DEBIAN_FRONTEND=noninteractive apt-get satisfy -y -qq --no-install-recommends -a "$DEB_HOST_ARCH" "$needed"
      cmake --preset "package-$DEB_HOST_ARCH"
      cmake --build --preset "package-$DEB_HOST_ARCH" -j "$JOBS"
      rm -f "build/package-$DEB_HOST_ARCH"/*.*deb
      cpack --preset "package-$DEB_HOST_ARCH"
      "$(dpkg-architecture -a "$DEB_HOST_ARCH" -q DEB_HOST_GNU_TYPE)-gcc" -std=gnu11 -Os -static \
        -o "build/package-$DEB_HOST_ARCH/device" docs/examples/device.c') >"$here/$architecture.log" 2>&1 </dev/null ||
    { tail -n 40 "$here/$architecture.log" >&2; exit 1; }
  ls "build/package-$architecture"/*.deb
done
