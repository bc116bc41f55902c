#!/bin/sh
# lint.sh: luacheck, clang-format, and the rooms' rules.  Tools that are absent are said and passed over,
# unless AGAD_LINT=strict.
set -u
bad=0
fail() { echo "lint: $*"; bad=1; }
tool() { command -v "$1" > /dev/null && return 0; [ "${AGAD_LINT:-}" = strict ] && fail "$1 is not installed" || echo "lint: no $1; passed over"; return 1; }

lua_rooms=$(for d in lua spec examples; do [ -d $d ] && echo $d; done)
sources=$(find csrc -name '*.[ch]' -o -name '*.cpp' -o -name '*.cu')

tool luacheck && { luacheck -q $lua_rooms .luacheckrc || bad=1; }
tool clang-format && { clang-format --dry-run -Werror $sources || bad=1; }

found=$(grep -lE '#include *[<"](lua|lauxlib|lualib)\.h' $sources | grep -v '^csrc/lua/')
[ -z "$found" ] || fail "lua.h outside csrc/lua:" $found
found=$(find csrc -name '*.cpp' -o -name '*.cu' | grep -vE '^csrc/(at|cuda)/')
[ -z "$found" ] || fail "C++ outside csrc/at and csrc/cuda:" $found
found=$(grep -nE '#include *[<"](torch|ATen|c10)/' $sources | grep -vE '^csrc/(at|cuda)/' | cut -d: -f1 | sort -u)
[ -z "$found" ] || fail "libtorch's headers outside csrc/at and csrc/cuda:" $found
found=$(grep -nE '\b(malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|strn?dup|v?asprintf) *\(' $sources |
  grep -v '^csrc/base/memory\.c:')
[ -z "$found" ] || fail "memory that base/memory.h did not check: $found"
found=$(grep -nE '\bjson_(dump|load)[a-z_]* *\(' $sources | grep -v '^csrc/net/json\.c:')
[ -z "$found" ] || fail "jansson's text outside csrc/net/json.c: $found"

# Arrows point downwards only: a room may include itself, base and those named after it.
rooms() { # rooms ROOM ALLOWED...
  room=$1; shift
  allowed=$(echo "$room base $*" | tr ' ' '|')
  found=$(grep -rnE '#include *"([a-z]+/|\.\.)' "csrc/$room" | grep -vE "#include *\"($allowed)/")
  [ -z "$found" ] || fail "an arrow that points upwards: $found"
}
rooms base; rooms cpu; rooms cuda at; rooms at cpu; rooms data at; rooms net at; rooms train net at; rooms score net data at

# The same in lua/agad, from the lowest room up: a room may require itself, those before it, and the C core.  What is
# at the top may require any; `require "agad"` alone gives operators, so its parts may not be used from below.
below=core parts=
for room in base tensor nn nets methods data task evaluate train bench campaign teach cli; do
  below="$below|$room"
  [ $room != cli ] || below="$below|options"
  found=$(grep -rnoE "require\(? ?[\"']agad\.[a-z_.]+" "lua/agad/$room" | grep -vE "agad\.($below)(\.|$)" |
    grep -v 'agad\.loss$')
  [ -z "$found" ] || fail "an arrow that points upwards: $found"
done
for pair in "base:nn|loss|data|task|trainer|model|plot" "tensor:nn|loss|data|task|trainer|model|plot" \
  "nn:data|task|trainer|model|plot" "data:task|trainer|model|plot" "task:trainer|model|plot" "evaluate:trainer"; do
  found=$(grep -rnE "^[^-]*[^.\"\`_a-z]agad\.(${pair#*:})[.( ]" "lua/agad/${pair%%:*}" | grep -vE '^[^:]*:[0-9]*: *--|"[^"]*agad\.')
  [ -z "$found" ] || fail "an arrow that points upwards: $found"
done

for f in $sources $(find $lua_rooms .make -type f -name '*.*' ! -name '*.json' ! -name '*.safetensors' ! -name '*.svg'); do
  n=$(wc -l < "$f")
  [ "$n" -le 500 ] || fail "$f has $n lines; 500 at most"
done
[ $bad = 0 ] && echo "lint: clean"
exit $bad
