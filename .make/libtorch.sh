#!/bin/sh
# libtorch.sh: prints the folder of a usable libtorch (it has include/ and lib/) on stdout.
#
# LIBTORCH=/path: that one (the root of a libtorch archive, or a torch Python package), checked.
# Else the pinned wheels (wheels.txt), fetched once into ${XDG_CACHE_HOME:-~/.cache}/agad.
# libtorch.sh --check: exit status 0 if nothing has to be fetched.   --cuda: with its CUDA libraries.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
wanted=2.11

refuse() { echo "libtorch: $*" >&2; exit 1; }

# version DIR: prints major.minor.patch from the headers of DIR.
version() {
  for h in torch/headeronly/version.h torch/csrc/api/include/torch/version.h; do
    [ -f "$1/include/$h" ] || continue
    v=$(sed -n 's/^#define TORCH_VERSION_\(MAJOR\|MINOR\|PATCH\) *\([0-9][0-9]*\).*/\2/p' "$1/include/$h" | paste -sd.)
    case $v in *.*.*) echo "$v"; return;; esac
  done
}

check() {
  [ -d "$1" ] || refuse "LIBTORCH=$1 is not a folder"
  [ -d "$1/include/ATen" ] && [ -f "$1/lib/libtorch_cpu.so" ] && [ -f "$1/lib/libc10.so" ] || refuse \
    "$1 has no include/ATen, lib/libtorch_cpu.so and lib/libc10.so; LIBTORCH takes the root of a libtorch archive or a torch Python package"
  v=$(version "$1")
  [ -n "$v" ] || refuse "$1/include names no version (torch/headeronly/version.h is missing or truncated)"
  case $v in
    $wanted.*) ;;
    *) refuse "$1 is version $v; agad is written for the operators of $wanted and refuses another";;
  esac
  grep -q __cxx11 "$1/lib/libc10.so" || refuse "$1 was built with the C++ ABI before C++11; take a build with the new one"
}

if [ -n "${LIBTORCH:-}" ]; then
  dir=$(readlink -f "$LIBTORCH" || echo "$LIBTORCH")
  check "$dir"
  [ "${1:-}" = --check ] && exit 0
  if [ "${1:-}" = --cuda ] && ! [ -f "$dir/lib/libtorch_cuda.so" ]; then
    refuse "$dir has no lib/libtorch_cuda.so: it is a build without CUDA"
  fi
  echo "libtorch $(version "$dir") at $dir" >&2
else
  case ${XDG_CACHE_HOME:-} in
  /*) root=$XDG_CACHE_HOME;;
  *)  case ${HOME:-} in /*) root=$HOME/.cache;; *) refuse "HOME is not set; set it, or give LIBTORCH=/path";; esac;;
  esac
  root=$root/agad/libtorch-2.11.0
  dir=$root/torch
  if [ "${1:-}" = --check ]; then exec "$here/fetch.py" --check "$root" 2>/dev/null; fi
  [ "$(uname -sm)" = "Linux x86_64" ] || refuse "the pinned wheels are for Linux on x86-64; give LIBTORCH=/path"
  python3 "$here/fetch.py" ${1:-} "$root" >&2 || exit 1
  check "$dir"
  echo "libtorch $(version "$dir") at $dir" >&2
fi
echo "$dir"
