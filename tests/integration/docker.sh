#!/usr/bin/env bash
# Builds both images, brings docker/compose.yaml and compose.secure.yaml up and runs an upgrade through each, with podman
# instead of a Docker engine and without a registry. As root, on Debian 12. Takes minutes. Leaves nothing but
# build/docker/base.tar, the base image for the next time. With an argument: the folder of Debian packages for the image,
# which are built in it otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. docker/packages.sh
. tests/debian.sh
(($(id -u) == 0)) || { echo "docker.sh: containers are made as root here" >&2; exit 1; }
# shellcheck disable=SC2086
install_missing $docker_packages curl u-boot-qemu

cache=$PWD/build/docker
work=$(mktemp -d /var/tmp/otad-docker-XXXXXX)
mkdir -p "$cache" "$work/device" "$work/tmp"
project=otad-test-$$
say() { printf '%(%H:%M:%S)T  %s\n' -1 "$*"; }
fail() { say "FAILED: $*"; exit 1; }

# Everything that podman keeps lies in $work.
export TMPDIR=$work/tmp CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
export DISABLE_HC_SYSTEMD=true  # health checks by hand: systemd may not run here
cat >"$CONTAINERS_CONF" <<END
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=8192:8192"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "$work/libpod"
[network]
network_backend = "netavark"
network_config_dir = "$work/networks"
END
cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "overlay"
graphroot = "$work/storage"
runroot = "$work/run"
END

free_port() { /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
OTAD_HTTP_PORT=$(free_port) OTAD_MQTT_PORT=$(free_port)
export OTAD_HTTP_PORT OTAD_MQTT_PORT OTAD_PUBLIC_URL=http://otad:8080
url=http://127.0.0.1:$OTAD_HTTP_PORT

file=compose.yaml
compose() { podman-compose -p "$project" -f "docker/$file" "$@"; }

clean() {
  status=$?
  trap '' INT TERM
  ((status == 0)) || podman ps -a --format '{{.Names}}' | xargs -r -n1 podman logs --tail 40 2>&1 || true
  compose down -v >/dev/null 2>&1 || true
  podman rm -fa >/dev/null 2>&1 || true
  buildah rm -a >/dev/null 2>&1 || true
  awk -v work="$work/" 'index($2, work) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount || true
  rm -rf "$work"
  exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

until_true() {  # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.3
  done
}

if [[ ! -s $cache/base.tar ]]; then
  say "base image by debootstrap"
  make_debian "$work/base" "$work/debootstrap.log" || fail "debootstrap"
  tar -C "$work/base" -cf "$cache/base.tar.part" . && mv "$cache/base.tar.part" "$cache/base.tar"
  rm -rf "$work/base"
fi
podman import -q "$cache/base.tar" docker.io/library/debian:bookworm-slim >/dev/null

dockerfile=docker/Dockerfile context=()
if [[ ${1:-} ]]; then
  # buildah makes the first stage even where another folder takes its place.
  mkdir "$work/packages" && cp "$1"/*.deb "$work/packages"
  dockerfile=$work/Dockerfile context=(--build-context "packages=$work/packages")
  sed '/^FROM .* AS build$/,/^COPY --from=build/d' docker/Dockerfile >"$dockerfile"
fi
for target in mosquitto otad; do
  name=otad; [[ $target == otad ]] || name=otad-$target
  say "image $name"
  buildah bud --isolation chroot --network host --format docker --layers --target "$target" \
    -f "$dockerfile" ${context[@]+"${context[@]}"} -t "localhost/$name:latest" . >"$work/$target.log" 2>&1 ||
    { tail -n 40 "$work/$target.log"; fail "image $name"; }
done

size_of() { podman image inspect "$1" --format '{{.Size}}'; }
added=$((($(size_of localhost/otad:latest) - $(size_of docker.io/library/debian:bookworm-slim)) / 1000000))
say "the image of otad is $added MB more than its base"
((added <= 60)) || fail "the image is more than 60 MB larger than its base"

say "compose up"
compose up -d --no-build
container() { podman ps -a --filter "label=io.podman.compose.project=$project" --format '{{.Names}}' | grep "[_-]$1[_-]"; }
network_of() { podman inspect "$1" --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}'; }
otad=$(container otad) broker=$(container mosquitto)
network=$(network_of "$otad")
until_true 60 curl -fsS -o /dev/null "$url/readyz" 2>/dev/null || fail "$url/readyz: $(curl -sS "$url/readyz" 2>&1)"
for container in "$otad" "$broker"; do
  until_true 30 podman healthcheck run "$container" >/dev/null || fail "$container is not healthy"
  [[ $(podman exec "$container" id -u) != 0 ]] || fail "$container runs as root"
  ! podman exec "$container" touch /etc/touched 2>/dev/null || fail "$container can write to its root"
done

say "an operator without and with a key"
[[ $(curl -sS -o /dev/null -w '%{http_code}' "$url/tasks") == 401 ]] || fail "operators got in without a key"
new_key() { compose exec -T otad otad keys add --name test --role admin 2>/dev/null | grep -oE 'otad_[A-Za-z0-9_.-]{20,}' | tail -n 1; }
key=$(new_key)
[[ -n $key ]] || fail "no key"
call() { curl -sS --fail-with-body -H "Authorization: Bearer $key" "$@"; }

say "an upgrade"
image=/usr/lib/u-boot/qemu_arm64/u-boot.bin
call -X POST -T "$image" "$url/firmware?version=2023.01&hardware=qemu-arm64" >/dev/null
task=$(call -d '{"device_id": "gw-17", "firmware_version": "2023.01", "hardware": "qemu-arm64", "chunk_size": 64}' \
  "$url/firmware/upgrade" | grep -oE 'OTA_[0-9]+_[0-9]+' | head -n 1)
chown 990:990 "$work/device"  # the image's user: the agent takes no state folder but its own
timeout 120 podman run --rm --network "$network" -v "$work/device:/device" --entrypoint ota-agent localhost/otad:latest \
  --id gw-17 --broker tcp://mosquitto:1883 --state-dir /device --hardware qemu-arm64 --current-version 2022.10 \
  --report json --once | tail -n 1
cmp "$image" "$work/device/gw-17/image-2023.01" || fail "the device holds another image"

say "the data outlives the containers"
compose down
compose up -d --no-build
until_true 60 curl -fsS -o /dev/null "$url/readyz" 2>/dev/null || fail "not ready again"
call "$url/tasks/$task" | grep -q '"state": *"succeeded"' || fail "$(call "$url/tasks/$task")"
compose down -v

say "compose.secure.yaml up"
file=compose.secure.yaml
compose up -d --no-build
url=https://gw.example:$OTAD_HTTP_PORT ca=$work/ca.crt
otad=$(container otad) broker=$(container mosquitto)
curl() { command curl --cacert "$ca" --resolve "gw.example:$OTAD_HTTP_PORT:127.0.0.1" "$@"; }
until_true 60 podman exec "$otad" cat /etc/otad/tls/ca.crt >"$ca" 2>/dev/null || fail "no authority"
until_true 60 curl -fsS -o /dev/null "$url/readyz" 2>/dev/null || fail "$url/readyz: $(curl -sS "$url/readyz" 2>&1)"
for name in "$otad" "$broker"; do
  until_true 30 podman healthcheck run "$name" >/dev/null || fail "$name is not healthy"
  [[ $(podman exec "$name" id -u) != 0 ]] || fail "$name runs as root"
  ! podman exec "$name" touch /etc/touched 2>/dev/null || fail "$name can write to its root"
done
! podman exec "$otad" cat /etc/otad/tls/ca.key >/dev/null 2>&1 || fail "otad can read the authority's key"

say "strangers, and a device with credentials"
stranger=0
podman exec "$broker" mosquitto_pub -h mosquitto -p 8883 --cafile /etc/mosquitto/ca_certificates/otad-ca.crt -q 1 -t x -n \
  2>/dev/null || stranger=$?
((stranger == 5)) || fail "a stranger's status is $stranger, not 5"
[[ $(curl -sS -o /dev/null -w '%{http_code}' "$url/tasks") == 401 ]] || fail "operators got in without a key"
key=$(new_key)
printf '%s\n' "$key" >"$work/key" && chmod 600 "$work/key"
printf 'id,hardware\ngw-17,qemu-arm64\n' >"$work/fleet.csv"
network=$(network_of "$otad")
address=$(podman inspect "$otad" --format "{{(index .NetworkSettings.Networks \"$network\").IPAddress}}")
inside() {  # PROGRAM ARGUMENTS...: in the network, by the name that devices use
  local program=$1
  shift
  timeout 120 podman run --rm --network "$network" --add-host "gw.example:$address" --user root -v "$work:/work" -w /work \
    --entrypoint "$program" localhost/otad:latest "$@"
}
inside otactl --url https://gw.example:8080 --ca-file ca.crt --key-file key device import fleet.csv --credentials creds
# As `docker compose run setup`; podman's builds the image anew first.
podman run --rm -i --user root --entrypoint sh -v "${project}_broker-settings:/etc/mosquitto" localhost/otad:latest \
  -c 'cat >>/etc/mosquitto/otad.passwd' <"$work/creds/mosquitto.passwd"
podman kill --signal HUP "$broker" >/dev/null
call --data-binary @"$image" "$url/firmware?version=2023.01&hardware=qemu-arm64" -H 'Content-Type: application/octet-stream' \
  >/dev/null
task=$(call -d '{"device_id": "gw-17", "firmware_version": "2023.01"}' "$url/firmware/upgrade" | grep -oE 'OTA_[0-9]+_[0-9]+' |
  head -n 1)
mkdir "$work/secure"
inside ota-agent --id gw-17 --hardware qemu-arm64 --broker ssl://mosquitto:8883 --ca ca.crt --user gw-17 \
  --password-file creds/gw-17.password --token-file creds/gw-17.token --state-dir secure --current-version 2022.10 \
  --report json --once | tail -n 1
cmp "$image" "$work/secure/gw-17/image-2023.01" || fail "the device holds another image"

say "an upgrade by another tag"
for name in otad otad-mosquitto; do podman tag "localhost/$name:latest" "localhost/$name:next"; done
cp "$ca" "$work/before.crt"
compose down
OTAD_TAG=next compose up -d --no-build
otad=$(container otad)
[[ $(podman inspect "$otad" --format '{{.ImageName}}') == *:next ]] || fail "the tag is not in use"
until_true 60 curl -fsS -o /dev/null "$url/readyz" 2>/dev/null || fail "not ready again"
podman exec "$otad" cat /etc/otad/tls/ca.crt | cmp - "$work/before.crt" || fail "another authority"
call "$url/tasks/$task" | grep -q '"state": *"succeeded"' || fail "$(call "$url/tasks/$task")"
say "passed: $task succeeded over TLS, kept over the upgrade"
