#!/bin/sh
# gpu-check.sh BUILD LUA: the specs tagged gpu, one line that says how it went, and if it went well, the table of
# speeds on the device: what is measured within five minutes.
set -u
device=$(nvidia-smi --query-gpu=name --format=csv,noheader 2> /dev/null | head -1)
line=$(AGAD_BUILD=$1 LUA=$2 SPEC=$(grep -l '#gpu' spec/*_spec.lua | tr '\n' ' ') \
  "$(dirname "$0")/test.sh" --tags=gpu | tee /dev/stderr | tail -1)
case $line in
  "0 passed, 0 failed, "*)
    if [ -z "$device" ]; then echo "gpu-check: built; no GPU here, so nothing was run on one"; exit 0; fi
    echo "gpu-check: FAILED on $device: every test was skipped, for the reason above"; exit 1;;
  *" 0 failed"*) echo "gpu-check: passed on ${device:-a GPU}: $line"
    timeout 300 "$(dirname "$0")/bench.sh" "$1" --device cuda --rounds 3
    status=$?
    [ $status = 0 ] || [ $status = 124 ] || { echo "gpu-check: FAILED: its speed could not be measured"; exit 1; };;
  *) echo "gpu-check: FAILED on ${device:-no GPU}: $line"; exit 1;;
esac
