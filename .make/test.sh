#!/bin/sh
# test.sh [BUSTED OPTION...]: runs every spec file (or those in $SPEC), each in a process of its own, and
# ends with the line "N passed, N failed, N skipped".  Exit status 0 only if nothing failed.
#
# $AGAD_BUILD: the build to test (build); $LUA; $SPEC_TIMEOUT: seconds for one file (1200);
# $SPEC_PRELOAD: libraries to preload into the interpreter (AddressSanitizer).
set -u
build=${AGAD_BUILD:-build}
export AGAD_BUILD="$build"
root=$PWD
counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# The program that the specs start.
export AGAD="${AGAD:-$root/$build/agad}"
export AGAD_COUNTS="$counts"
export LUA_PATH_5_4="$root/lua/?.lua;$root/lua/?/init.lua;${LUA_PATH_5_4:-${LUA_PATH:-;}}"
export LUA_CPATH_5_4="$root/$build/lib/?.so;${LUA_CPATH_5_4:-${LUA_CPATH:-;}}"
passed=0 failed=0 skipped=0 bad=

for file in ${SPEC:-$(find spec -name '*_spec.lua' | LC_ALL=C sort)}; do
  : > "$counts"
  env ${SPEC_PRELOAD:+LD_PRELOAD="$SPEC_PRELOAD"} timeout --foreground "${SPEC_TIMEOUT:-1200}" \
    "${LUA:-lua5.4}" spec/support/busted.lua --ignore-lua "$@" "$file"
  status=$?
  [ $status = 130 ] && exit 130
  if read -r p f s < "$counts"; then :; else p=0 f=0 s=0; fi
  if [ $status != 0 ] && [ "$f" = 0 ]; then       # it died, before or after its last test
    case $status in
    124) echo "  FAILED  $file: not done after ${SPEC_TIMEOUT:-1200} s";;
    *)   echo "  FAILED  $file: the process ended with status $status";;
    esac
    f=1
  fi
  [ "$f" = 0 ] || bad="$bad $file"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done

[ -z "$bad" ] || echo "failed in:$bad"
if [ $((passed + failed + skipped)) = 0 ]; then echo "no tests were run"; failed=1; fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
