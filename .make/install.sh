#!/bin/sh
# install.sh BUILD DESTDIR: copies what agad needs to run, to the folders named by the environment:
#
#   LUADIR/agad/     Lua, *.py, *.md      SHLIBDIR/   libagad.so, agad_cuda.so, libtorch's libraries
#   CLUADIR/agad/    core.so              BINDIR/     agad            INCDIR/     agad.h
# The libraries are linked once more (LINK_AGAD, LINK_CORE, LINK_CUDA: the commands without -o and rpath), so that they
# look for others in SHLIBDIR only.
set -eu
umask 022                                        # an administrator's own may keep others from what is installed
build=$1 dest=$2
for d in "$LUADIR" "$CLUADIR" "$SHLIBDIR" "$BINDIR" "$INCDIR"; do
  case $d in /*) ;; *) echo "install: PREFIX must be an absolute path, not $d" >&2; exit 1;; esac
done
up() { realpath -sm --relative-to="$1" "$2"; }   # folder $2, seen from folder $1

mkdir -p "$dest$LUADIR/agad" "$dest$CLUADIR/agad" "$dest$SHLIBDIR" "$dest$BINDIR" "$dest$INCDIR/base"
(cd lua && find agad -name '*.lua' -o -name '*.py' -o -name '*.md') | while read -r f; do
  mkdir -p "$dest$LUADIR/$(dirname "$f")"
  install -m 644 "lua/$f" "$dest$LUADIR/$f"
done
install -m 644 csrc/score/agad.h "$dest$INCDIR/agad.h"
install -m 644 csrc/base/error.h "$dest$INCDIR/base/error.h"   # agad.h includes it

# libtorch's own libraries, wherever its rpath finds them; the system's stay the system's.
torch=$(readlink -f "$TORCH")
copy() { install -m 644 "$1" "$dest$SHLIBDIR/$(basename "$1")"; }
copy_needed() {
  ldd "$1" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | while read -r lib; do
    case $(readlink -f "$lib") in "$torch"/*|"$(dirname "$torch")"/nvidia/*) ;; *) continue;; esac
    copy "$lib"
    case $lib in */libcudnn.so.*)                # loads its parts by name
      for part in "$(dirname "$lib")"/libcudnn_*.so.*; do copy "$part"; done;;
    esac
  done
}
link() { sh -c "$1"' -Wl,-rpath,"$2" -o "$1"' sh "$dest$2" "\$ORIGIN/$(up "$(dirname "$2")" "$SHLIBDIR")"; }
copy_needed "$build/lib/libagad.so"
link "$LINK_AGAD" "$SHLIBDIR/libagad.so"
link "$LINK_CORE" "$CLUADIR/agad/core.so"
if [ -f "$build/lib/agad_cuda.so" ]; then
  copy_needed "$build/lib/agad_cuda.so"
  link "$LINK_CUDA" "$SHLIBDIR/agad_cuda.so"
fi
[ -n "$FROM_BIN" ] || FROM_BIN="$(up "$BINDIR" "$LUADIR") $(up "$BINDIR" "$CLUADIR")"
"$(dirname "$0")/launcher.sh" "$dest$BINDIR/agad" "$LUA" "${FROM_BIN% *}" "${FROM_BIN#* }"
echo "installed: $BINDIR/agad"
