#!/bin/sh
# A device in some 20 lines, over HTTP with curl, jq and sha256sum:
#   device.sh http://GATEWAY:8080 ID HARDWARE VERSION_FILE INSTALL_COMMAND
# The install command gets the image as $1 and writes the new version into VERSION_FILE. A download that breaks off
# resumes, also after a restart.
set -u
gw=$1 id=$2 hardware=$3 version=$4 install=$5 image=$2.image wait=1
send() { curl -fsS "$gw/ota/$id/$1" --json "$2"; }
get() { printf %s "$answer" | jq -r ".$1 // empty"; }
while :; do
  answer=$(send request "{\"current_version\": \"$(cat "$version")\", \"hardware\": \"$hardware\", \"transports\": [\"http\"]}")
  while [ "$(get type)" = metadata ] || [ "$(get type)" = retry ]; do
    [ "$(get type)" = metadata ] || rm -f "$image" # it was wrong
    [ "$(cat "$image.task" 2>/dev/null)" = "$(get task_id)" ] || { rm -f "$image"; get task_id >"$image.task"; }
    [ "$(wc -c 2>/dev/null <"$image")" = "$(get size)" ] || curl -fsS -C - -o "$image" "$(get url)" || break
    sum=$(sha256sum "$image" | cut -d' ' -f1)
    answer=$(send verify "{\"task_id\": \"$(get task_id)\", \"attempt\": $(get attempt), \"checksum\": \"sha256:$sum\"}")
  done
  if [ "$(get type)" = success ]; then
    sh -c "$install" sh "$image" || send progress "{\"task_id\": \"$(get task_id)\", \"state\": \"failed\", \"reason\": \"install\"}"
    rm -f "$image" "$image.task" && wait=1 && continue # the next request reports the version
  fi
  curl -fsS -o /dev/null "$gw/ota/$id/next?wait=30" || sleep $((wait = wait < 60 ? wait * 2 : 60))
done
