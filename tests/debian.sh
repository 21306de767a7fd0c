# shellcheck shell=bash
# make_debian ROOT LOG: a minimal Debian 12 in the folder ROOT, from the mirrors and through the proxy that this machine's
# apt uses, as those are known to be reached from here; its own apt uses them too, and its npm the registry and the
# certificates of this machine's. As root, with debootstrap installed.
make_debian() {
  local root=$1 log=$2 mirrors mirror proxy cafile include=()
  # shellcheck disable=SC2016
  mirrors=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    grep -E ' bookworm(-updates|-security)? main$' | sort -u) || true
  mirror=$(awk '$2 == "bookworm" {print $1; exit}' <<<"$mirrors")
  [[ $mirror ]] || { echo "apt's sources name no mirror of Debian 12 (bookworm)" >&2; return 1; }
  proxy=$(apt-config dump | sed -n 's/^Acquire::http::Proxy "\(.*\)";$/\1/p')
  proxy=${http_proxy:-$proxy}
  [[ $mirrors != *https:* ]] || include=(--include=ca-certificates)
  http_proxy=$proxy debootstrap --variant=minbase ${include[@]+"${include[@]}"} bookworm "$root" "$mirror" >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; return 1; }
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
  rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb
}
