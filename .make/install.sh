#!/bin/sh
# install.sh BUILD DESTDIR LUADIR CLUADIR SHLIBDIR BINDIR FROM_BIN LINK: copies what agad needs to run.
#
#   LUADIR/agad/     Lua files            SHLIBDIR/   libagad.so, agad_cuda.so, libtorch's libraries
#   CLUADIR/agad/    core.so              BINDIR/     agad
# libagad.so is linked once more (LINK, the command without -o) so that it looks beside itself only.
set -eu
build=$1 dest=$2 luadir=$3 cluadir=$4 shlibdir=$5 bindir=$6 from_bin=$7 link=$8
for d in "$luadir" "$cluadir" "$shlibdir" "$bindir"; do
  case $d in /*) ;; *) echo "install: PREFIX must be an absolute path, not $d" >&2; exit 1;; esac
done
up() { realpath -sm --relative-to="$1" "$2"; }   # folder $2, seen from folder $1

mkdir -p "$dest$luadir/agad" "$dest$cluadir/agad" "$dest$shlibdir" "$dest$bindir"
(cd lua && find agad -name '*.lua') | while read -r f; do
  mkdir -p "$dest$luadir/$(dirname "$f")"
  install -m 644 "lua/$f" "$dest$luadir/$f"
done

# libtorch's own libraries, wherever its rpath finds them; the system's stay the system's.
torch=$(readlink -f "$TORCH")
copy_needed() {
  LD_LIBRARY_PATH="$torch/lib:${LD_LIBRARY_PATH:-}" ldd "$1" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | while read -r lib; do
    case $(readlink -f "$lib") in
      "$torch"/*|"$(dirname "$torch")"/nvidia/*) install -m 644 "$lib" "$dest$shlibdir/$(basename "$lib")";;
    esac
  done
}
copy_needed "$build/lib/libagad.so"
if [ -f "$build/lib/agad_cuda.so" ]; then
  copy_needed "$build/lib/agad_cuda.so"
  install -m 755 "$build/lib/agad_cuda.so" "$dest$shlibdir/agad_cuda.so"
fi
sh -c "$link -Wl,-rpath,'\$ORIGIN' -o '$dest$shlibdir/libagad.so'"
install -m 755 "$build/lib/agad/core.so" "$dest$cluadir/agad/core.so"
[ -n "$from_bin" ] || from_bin="$(up "$bindir" "$luadir") $(up "$bindir" "$cluadir")"
"$(dirname "$0")/launcher.sh" "$dest$bindir/agad" "$LUA" "${from_bin% *}" "${from_bin#* }"
echo "installed: $bindir/agad"
