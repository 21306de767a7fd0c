# shellcheck shell=bash
# make_debian ROOT LOG [ARCHITECTURE...]: a minimal Debian 12, or the one whose name is in SUITE, in the folder ROOT, from
# the mirrors and through the proxy that this machine's apt uses, as those are known to be reached from here; its own apt
# uses them too, and its npm the registry and the certificates of this machine's. It takes packages of the other
# architectures, too. As root, with debootstrap installed.
make_debian() {
  local root=$1 log=$2 suite=${SUITE:-bookworm} architecture mirrors mirror proxy cafile include=()
  shift 2
  # shellcheck disable=SC2016
  mirrors=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    grep -E ' bookworm(-updates|-security)? main$' | sort -u) || true
  mirror=$(awk '$2 == "bookworm" {print $1; exit}' <<<"$mirrors")
  [[ $mirror ]] || { echo "apt's sources name no mirror of Debian 12 (bookworm)" >&2; return 1; }
  mirrors=${mirrors//bookworm/$suite}
  proxy=$(apt-config dump | sed -n 's/^Acquire::http::Proxy "\(.*\)";$/\1/p')
  proxy=${http_proxy:-$proxy}
  [[ $mirrors != *https:* ]] || include=(--include=ca-certificates)
  http_proxy=$proxy debootstrap --variant=minbase ${include[@]+"${include[@]}"} "$suite" "$root" "$mirror" >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; return 1; }
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/throwaway"
  # A library has one version for all architectures, and mirrors don't get each one's security updates at the same time.
  (($# == 0)) || mirrors=$(grep " $suite main$" <<<"$mirrors")
  printf 'deb %s\n' "${mirrors//$'\n'/$'\ndeb '}" >"$root/etc/apt/sources.list"
  {
    apt-config dump | grep -E '^Acquire::(https?|Retries|Check-)' || true
    [[ ! $proxy ]] || printf 'Acquire::http::Proxy "%s";\n' "$proxy"
  } >"$root/etc/apt/apt.conf.d/90machine"
  if command -v npm >/dev/null; then
    cafile=$(npm config get cafile)
    echo "registry=$(npm config get registry)" >"$root/etc/npmrc"
    if [[ -f $cafile ]]; then
      install -D -m 644 "$cafile" "$root/etc/ssl/npm-registry.crt"
      echo "cafile=/etc/ssl/npm-registry.crt" >>"$root/etc/npmrc"
    fi
  fi
  for architecture; do chroot "$root" dpkg --add-architecture "$architecture"; done
  rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb
}

# enter_debian ROOT DIRECTORY FOLDER... -- COMMAND...: runs the command in that directory of the root file system, in
# namespaces of its own, so that nothing stays mounted and nothing goes on running. Each folder of this machine is there
# under its own name. The process id is the one to kill where this runs in the background.
enter_debian() {
  # shellcheck disable=SC2016
  exec unshare --mount --pid --ipc --uts --fork --kill-child sh -ec '
    root=$1 directory=$2; shift 2
    mount --bind "$root" "$root"  # so that / is a mount there, as on a machine
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    while [ "$1" != -- ]; do
      mkdir -p "$root$1"
      mount --bind "$1" "$root$1"
      shift
    done
    shift
    # Process 1 stays, and reaps what loses its parent.
    chroot "$root" sh -ec "cd $directory; exec \"\$@\"" sh "$@" && exit 0 || exit "$?"' sh "$@"
}
