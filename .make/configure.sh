#!/bin/sh
# configure.sh FILE GOALS: finds or installs all that the build needs, says what it found, and writes FILE,
# a piece of Makefile.  Run by make when FILE is missing or no longer true.
set -eu
out=$1; goals=${2:-all}
here=$(dirname "$0")
sets=build
case " $goals " in *" test "*|*" check "*|*" asan "*|*" gpu-check "*) sets="$sets test";; esac
"$here/libtorch.sh" --check > /dev/null 2>&1 || [ -n "$LIBTORCH" ] || sets="$sets pip"
"$here/packages.sh" $sets
torch=$("$here/libtorch.sh")
version=$(sed -n 's/^#define TORCH_VERSION_\(MAJOR\|MINOR\|PATCH\) *\([0-9]*\).*/\2/p' \
  "$torch/include/torch/headeronly/version.h" | paste -sd.)
gomp=$(cd "$torch/lib" && ls libgomp*.so.1 2> /dev/null | head -1)

have() { command -v "$1" > /dev/null 2>&1; }
pc() { have pkg-config && pkg-config "$@" 2> /dev/null; }

lua=lua5.4; have lua5.4 || lua=lua
lua_cflags=$(pc --cflags lua5.4 || pc --cflags lua-5.4 || pc --cflags lua54 || true)
cflags= libs=
for l in jansson:jansson libxxhash:xxhash libpng:png libjpeg:jpeg zlib:z; do
  cflags="$cflags $(pc --cflags "${l%:*}" || true)"
  libs="$libs $(pc --libs "${l%:*}" || echo "-l${l#*:}")"
done
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2> /dev/null || true)
cuda="no CUDA compiler"
[ -z "$nvcc" ] || cuda="nvcc $("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')"

found="$CC $("$CC" -dumpfullversion), libtorch $version, $("$lua" -e 'print(_VERSION)'), $cuda"
mkdir -p "$(dirname "$out")"
cat > "$out.new" <<END
# Written by .make/configure.sh.
TORCH := $torch
GOMP := ${gomp:-libgomp.so.1}
LUA := $lua
LUA_CFLAGS := $(echo $lua_cflags)
DEPS_CFLAGS := $(echo $cflags | tr ' ' '\n' | sort -u | tr '\n' ' ')
DEPS_LIBS := $(echo $libs)
NVCC := $nvcc
FOUND := $found
CONFIGURED_LIBTORCH := $LIBTORCH
CONFIGURED_CC := $CC
CONFIGURED_CXX := $CXX
END
mv "$out.new" "$out"
echo "found: $found"
