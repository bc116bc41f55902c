#!/bin/sh
# asan.sh BUILD: each C driver spec/asan/*.c, checked for leaks too; then the quick specs (or $SPEC) on a build
# with AddressSanitizer and UBSan.  With $RUN ("FILE.lua ARGUMENT...") only that script.  A driver either includes the
# C files that it tests or is linked with all objects ($OBJECTS, $LIBS), for libagad.so exports only what agad.h
# declares; one that includes lua.h gets the bindings ($BINDING_OBJECTS) and Lua too.
set -eu
build=$1 status=0
# Memory that is too large to allocate is NULL, as without the sanitizers, so that what follows from it is tested too.
options=halt_on_error=1:abort_on_error=0:strict_string_checks=1:detect_stack_use_after_return=0
options=$options:allocator_may_return_null=1
lib() { "${CC:-gcc}" -print-file-name="$1"; }

# libstdc++ is preloaded as well: the sanitizer must find __cxa_throw before libtorch is loaded.
# Lua keeps memory until the end, so leaks are looked for in the drivers only.
preload="$(lib libasan.so) $(lib libubsan.so) $(lib libstdc++.so)"
lua_options=$options:detect_leaks=0 ubsan=print_stacktrace=1:halt_on_error=1
if [ -n "${RUN:-}" ]; then
  ASAN_OPTIONS=$lua_options UBSAN_OPTIONS=$ubsan LD_PRELOAD=$preload exec "$build/agad" $RUN
fi

# What libtorch keeps until the end by design is no leak of ours.
printf 'leak:libtorch_cpu.so\nleak:libc10.so\nleak:libgomp\nleak:_dl_init\n' > "$build/leaks.txt"
for driver in spec/asan/*.c; do
  [ -e "$driver" ] || continue
  name=$build/$(basename "$driver" .c)
  case $(grep '^#include' "$driver") in
    *'.c"'*)     with=$DEPS;;
    *'<lua.h>'*) with="$DEPS $OBJECTS $BINDING_OBJECTS $LIBS $(pkg-config --cflags --libs lua5.4)";;
    *)           with="$DEPS $OBJECTS $LIBS";;
  esac
  if "${CC:-gcc}" -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -Icsrc \
       -o "$name" "$driver" $with -lm &&
     ASAN_OPTIONS=$options:detect_leaks=1 LSAN_OPTIONS=suppressions=$build/leaks.txt:print_suppressions=0 \
     UBSAN_OPTIONS=$ubsan "$name"; then echo "$driver: clean"
else echo "$driver: FAILED"; status=1; fi
done

# The specs of the set-up and of fetching start hundreds of other programs and none of our C: left out.
export SPEC="${SPEC:-$(find spec -name '*_spec.lua' ! -name 'setup_spec.lua' ! -name 'fetch*_spec.lua' |
  LC_ALL=C sort | tr '\n' ' ')}"
ASAN_OPTIONS=$lua_options UBSAN_OPTIONS=$ubsan SPEC_PRELOAD=$preload AGAD_BUILD=$build \
  "$(dirname "$0")/test.sh" --exclude-tags=slow || status=1
exit $status
