#!/bin/sh
# Keeps a second gateway ready: a backup of the first replaces the data of its otad, which doesn't run. For a timer, after
# the newest backup was copied here. As root: standby.sh BACKUP [SETTINGS]
set -eu
backup=$1 settings=${2:-/etc/otad/otad.toml}
otad restore --check "$backup" # before what is here is given up
database=$(otad --config "$settings" --print-config | sed -n '/^\[storage\]/,/^\[/s/^database = "\(.*\)"/\1/p')
flock --nonblock "$database.lock" true || { echo "standby: otad runs here, so its data isn't replaced" >&2; exit 1; }
rm -f "$database" "$database-wal" "$database-shm"
otad --config "$settings" restore "$backup"
