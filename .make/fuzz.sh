#!/bin/sh
# fuzz.sh SECONDS [NAME...]: builds the harnesses spec/fuzz/NAME.c with clang, libFuzzer, AddressSanitizer and UBSan
# and runs each for SECONDS, one at a time; 0: only the kept inputs.  A crash, leak, or an input that takes over a
# second fails.  What is learned goes to build/fuzz/NAME, what is found to build/fuzz/found.
# `operators` is no such harness: $CALLS (100000) random calls from Lua, seed $SEED (1).
set -eu
[ "${2:-}" != operators ] || exec nice -n 10 build/agad spec/fuzz/operators.lua "${CALLS:-100000}" "${SEED:-1}"
seconds=$1; shift
out=build/fuzz status=0
sanitize=-fsanitize=fuzzer,address,undefined
mkdir -p $out/found
command -v "${CLANG:=clang}" > /dev/null || { echo "fuzz: no clang; apt-get install clang, or CLANG=..." >&2; exit 1; }
echo 'int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return !b && n; }' |
  "$CLANG" $sanitize -o $out/probe -x c - 2> $out/probe.log ||
  { echo "fuzz: clang cannot link libFuzzer (see $out/probe.log); apt-get install libclang-rt-dev" >&2; exit 1; }
how=-max_total_time=$seconds
[ "$seconds" != 0 ] || how=-runs=0

for name in ${*:-$(ls spec/fuzz/*.c | sed 's|.*/||; s|\.c$||')}; do
  "$CLANG" -std=gnu11 -D_GNU_SOURCE -O1 -g $sanitize -fno-sanitize-recover=all -fno-omit-frame-pointer \
    -Icsrc $DEPS_CFLAGS -o "$out/$name.run" "spec/fuzz/$name.c" csrc/base/*.c csrc/data/decode.c csrc/data/exif.c \
    csrc/data/idx.c csrc/data/images.c csrc/data/jpeg.c csrc/data/png.c csrc/data/resample.c $DEPS_LIBS -lm
  mkdir -p "$out/$name"
  seeds=spec/fuzz/kept/$name
  [ "$name" = idx ] || seeds="$seeds spec/data/decode"
  echo "fuzz: $name"
  if nice -n 10 "$out/$name.run" $how -timeout=1 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 -verbosity=1 \
    -artifact_prefix="$out/found/$name-" "$out/$name" $seeds > "$out/$name.log" 2>&1
  then grep -E 'stat::(number_of_executed_units|slowest_unit)' "$out/$name.log"
  else echo "fuzz: $name: FAILED; see $out/$name.log and $out/found"; status=1; fi
done
exit $status
