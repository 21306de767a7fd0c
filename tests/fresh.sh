#!/usr/bin/env bash
# ./test.sh --fresh: makes a minimal Debian 12, or the one of SUITE, in build/fresh/root, clones the commit HEAD into it, and
# runs there, as root in namespaces of its own, ./test.sh with the given options and ./run.sh --once. Only what these two
# install is there.
# The logs stay in build/fresh/*.log; the root stays where something failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. docker/packages.sh
. tests/debian.sh
say() { printf '%(%H:%M:%S)T  %s\n' -1 "$*"; }
fail() { say "FAILED: $*"; echo "0 passed, 1 failed"; exit 1; }

(($(id -u) == 0)) || fail "--fresh makes and mounts a root file system: run it as root"
# shellcheck disable=SC2086
install_missing $fresh_packages
here=$PWD/build/fresh
root=$here/root
home=/root/otad

say "a minimal Debian: ${SUITE:-bookworm}"
rm -rf --one-file-system "$here"
mkdir -p "$root"
make_debian "$root" "$here/debootstrap.log" || fail "debootstrap"
cat /etc/resolv.conf >"$root/etc/resolv.conf"

printf '[safe]\n\tdirectory = *\n' >"$here/gitconfig"  # root may clone what is another's
export GIT_CONFIG_GLOBAL=$here/gitconfig
[[ -z $(git status --porcelain) ]] || say "what isn't committed is left out"
git clone -q --depth 1 "file://$PWD" "$root$home" || fail "git clone"
say "commit $(git -C "$root$home" log -1 --format='%h %s')"

# A compiler cache that the environment names is shared with the root; otherwise everything is compiled.
settings=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
shared=()
if [[ ${CCACHE_DIR:-} ]]; then
  mkdir -p "$CCACHE_DIR"
  shared=("$CCACHE_DIR")
  settings+=(CCACHE_DIR="$CCACHE_DIR" CCACHE_BASEDIR="$home" CCACHE_NOHASHDIR=1)
fi

# inside LOG COMMAND...: in the root.
inside() {
  local log=$1
  shift
  enter_debian "$root" "$home" ${shared[@]+"${shared[@]}"} -- env -i "${settings[@]}" "$@" >"$log" 2>&1 </dev/null &
  space=$!
  tail -n +1 -f --pid="$space" "$log"
  wait "$space"
}
space=''
trap '[[ ! $space ]] || kill -KILL "$space" 2>/dev/null; exit 130' INT TERM

say "./test.sh $*"
inside "$here/test.log" ./test.sh "$@" || true
passed=0 failed=1
if [[ $(tail -n 1 "$here/test.log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
  passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}
fi
say "./run.sh --once"
if inside "$here/run.log" ./run.sh --once; then
  ((++passed))
else
  ((++failed))
fi
for preset in "$root$home"/build/*/; do
  for log in "$preset"*.log; do
    [[ ! -e $log ]] || cp "$log" "$here/$(basename "$preset")-${log##*/}"
  done
done
((failed > 0)) || rm -rf --one-file-system "$root"
say "done in ${SECONDS} s; all output is in build/fresh/*.log"
echo "$passed passed, $failed failed"
((passed > 0 && failed == 0))
