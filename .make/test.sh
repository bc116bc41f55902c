#!/bin/sh
# test.sh [BUSTED OPTION...]: runs every spec file (or those in $SPEC), each in a process of its own and as many beside
# each other as there are cores, and ends with the line "N passed, N failed, N skipped".  Exit status 0 only if
# nothing failed.
#
# $AGAD_BUILD: the build to test (build); $LUA; $SPEC_TIMEOUT: seconds for one file (1200); $SPEC_JOBS: files at a
# time; $SPEC_PRELOAD: libraries to preload into the interpreter (AddressSanitizer).
set -u

if [ "${1:-}" = --one ]; then           # DIR FILE OPTION...: one file; its output in one piece, its counts into DIR
  dir=$2 file=$3; shift 3
  name=$(basename "$file" .lua)
  export AGAD_COUNTS="$dir/$name.count"
  : > "$AGAD_COUNTS"
  env ${SPEC_PRELOAD:+LD_PRELOAD="$SPEC_PRELOAD"} timeout "${SPEC_TIMEOUT:-1200}" \
    "${LUA:-lua5.4}" spec/support/busted.lua --ignore-lua "$@" "$file" > "$dir/$name.out" 2>&1 < /dev/null
  status=$?
  if read -r p f s < "$AGAD_COUNTS"; then :; else p=0 f=0 s=0; fi
  if [ $status != 0 ] && [ "$f" = 0 ]; then       # it died, before or after its last test
    case $status in
    124) echo "  FAILED  $file: not done after ${SPEC_TIMEOUT:-1200} s";;
    *)   echo "  FAILED  $file: the process ended with status $status";;
    esac >> "$dir/$name.out"
    f=1
  fi
  echo "$p $f $s $file" > "$AGAD_COUNTS"
  flock "$dir/lock" cat "$dir/$name.out"
  exit 0
fi

build=${AGAD_BUILD:-build}
export AGAD_BUILD="$build"
root=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# The program that the specs start.
export AGAD="${AGAD:-$root/$build/agad}"
export LUA_PATH_5_4="$root/lua/?.lua;$root/lua/?/init.lua;${LUA_PATH_5_4:-${LUA_PATH:-;}}"
export LUA_CPATH_5_4="$root/$build/lib/?.so;${LUA_CPATH_5_4:-${LUA_CPATH:-;}}"
jobs=${SPEC_JOBS:-$(nproc)}
# One thread for each: they share the cores.
[ "$jobs" = 1 ] || export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

# The longest first, so that none is left over at the end.
for file in ${SPEC:-$(ls -S spec/*_spec.lua)}; do printf '%s\n' "$file"; done |
  xargs -P "$jobs" -I FILE sh .make/test.sh --one "$dir" FILE "$@"

passed=0 failed=0 skipped=0 bad=
for counts in "$dir"/*.count; do
  read -r p f s file < "$counts" || continue
  [ "$f" = 0 ] || bad="$bad $file"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
[ -z "$bad" ] || echo "failed in:$bad"
if [ $((passed + failed + skipped)) = 0 ]; then echo "no tests were run"; failed=1; fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
