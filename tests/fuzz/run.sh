#!/usr/bin/env bash
# run.sh FOLDER SECONDS [TARGET...]: drives each target for so long, two at once, from its corpus and from what earlier runs
# found. FOLDER holds the program "fuzz"; there what breaks a target is left in found/, and output in NAME.log.
# Prints "ok NAME runs" or "FAILED NAME" for each. Exit status 0 if all went well.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1 seconds=$2
shift 2
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(ls "$here/corpus")
mkdir -p "$folder/found" "$folder/corpus"

drive() {
  local name=$1 dict=json
  case $name in http_* | download | operator_query) dict=http ;; settings | values) dict='' ;; esac
  mkdir -p "$folder/corpus/$name"
  if "$folder/fuzz" "$name" -max_total_time="$seconds" -timeout=20 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$folder/found/$name-" ${dict:+-dict="$here/$dict.dict"} \
    "$folder/corpus/$name" "$here/corpus/$name" >"$folder/$name.log" 2>&1; then
    echo "ok $name $(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$name.log")"
  else
    echo "FAILED $name"
    grep -aE 'broken promise|ERROR|runtime error|SUMMARY|found/' "$folder/$name.log" | head -20 >&2
  fi
}
export -f drive
export folder seconds here
# shellcheck disable=SC2016
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P 2 bash -c 'drive "$1"' drive | tee "$folder/result.log"
! grep -q '^FAILED' "$folder/result.log"
