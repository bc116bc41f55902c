#!/bin/sh
# asan.sh BUILD: the quick specs (or $SPEC) on a build with AddressSanitizer and UBSan; then each C driver
# spec/asan/*.c, which includes the parsers it tests and is checked for leaks too.
set -eu
build=$1
options=halt_on_error=1:abort_on_error=0:strict_string_checks=1:detect_stack_use_after_return=0
lib() { "${CC:-gcc}" -print-file-name="$1"; }
# libstdc++ is preloaded as well: the sanitizer must find __cxa_throw before libtorch is loaded.
# Lua and libtorch keep memory until the end by design, so leaks are not looked for here.
# The set-up's spec starts hundreds of shells and none of our C: left out.
export SPEC="${SPEC:-$(find spec -name '*_spec.lua' ! -name 'setup_spec.lua' | LC_ALL=C sort | tr '\n' ' ')}"
ASAN_OPTIONS=$options:detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
SPEC_PRELOAD="$(lib libasan.so) $(lib libubsan.so) $(lib libstdc++.so)" AGAD_BUILD=$build \
  "$(dirname "$0")/test.sh" --exclude-tags=slow || status=1
for driver in spec/asan/*.c; do
  [ -e "$driver" ] || continue
  name=$build/$(basename "$driver" .c)
  "${CC:-gcc}" -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -Icsrc -o "$name" "$driver" ${DEPS:-} -lm
  ASAN_OPTIONS=$options:detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1 "$name" || { echo "$driver: failed"; status=1; }
done
exit ${status:-0}
