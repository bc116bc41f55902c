#!/bin/sh
# packages.sh SET...: sees to it that what building and testing need is installed; quick when it is.
#
# Sets: build, pip, test, lint, extras.  Things are looked for by what they do (a command, a header, a Lua
# module), never by a package's name.  What is missing comes from apt, as root or through sudo; otherwise
# the one command to run is printed and the exit status is 1.  AGAD_APT=no: never call apt.
set -eu
CC=${CC:-gcc}; CXX=${CXX:-g++}
missing= optional=
need() { missing="$missing $1"; }
like() { optional="$optional $1"; }
have() { command -v "$1" > /dev/null 2>&1; }

find_lua() { have lua5.4 && echo lua5.4 || { have lua && [ "$(lua -e 'print(_VERSION)')" = "Lua 5.4" ] && echo lua; } || true; }

lua_modules() {                                  # modules of the system's Lua that cannot be found
  [ -n "$(find_lua)" ] || { echo "$@"; return; }
  "$(find_lua)" -e 'for _, m in ipairs(arg) do
    if not package.searchpath(m, package.cpath) and not package.searchpath(m, package.path) then print(m) end
  end' /dev/null "$@" 2> /dev/null || true
}

headers() {                                      # headers that the compiler cannot find
  flags=$(pkg-config --cflags-only-I lua5.4 jansson libxxhash libpng libjpeg zlib 2> /dev/null) || \
    flags="$(pkg-config --cflags-only-I lua5.4 2> /dev/null || true) -I/usr/include/lua5.4"
  for h in "$@"; do
    printf '#if !__has_include(<%s>)\nabsent:%s\n#endif\n' "$h" "$h"
  done | "$CC" $flags -E -P - 2> /dev/null | sed -n 's/^absent://p'
}

for set in "$@"; do
  case $set in
  build)
    have "$CC"  || need gcc
    have "$CXX" || need g++
    have pkg-config || like pkg-config
    [ -n "$(find_lua)" ] || need lua5.4
    for m in $(lua_modules lfs argparse luv readline); do
      case $m in lfs) need lua-filesystem;; *) need "lua-$m";; esac
    done
    if have "$CC"; then absent=$(headers lua.h jansson.h xxhash.h png.h jpeglib.h zlib.h)
    else absent="lua.h jansson.h xxhash.h png.h jpeglib.h zlib.h"; fi
    for h in $absent; do
      case $h in
      lua.h) need liblua5.4-dev;;
      jansson.h) need libjansson-dev;;
      xxhash.h) need libxxhash-dev;;
      png.h) need libpng-dev;;
      jpeglib.h) need libjpeg-dev;;
      zlib.h) need zlib1g-dev;;
      esac
    done
    have gnuplot || like gnuplot-nox;;
  pip) { have python3 && python3 -c 'import pip' 2> /dev/null; } || have pip3 || need python3-pip;;
  test)
    have curl || like curl
    { have localedef && [ -f /usr/share/i18n/locales/de_DE ]; } || like locales
    [ -z "$(lua_modules busted.runner)" ] && have busted || need lua-busted;;
  lint)
    have luacheck || need lua-check
    have clang-format || need clang-format;;
  extras)
    have tmux || need tmux
    (PATH=$PATH:/usr/sbin:/sbin; have slurmctld && have slurmd && have sbatch && have munged) ||
      like "slurmctld slurmd slurm-client munge"
    { python3 -c 'import ipykernel, nbclient' || /usr/bin/python3 -c 'import ipykernel, nbclient'; } 2> /dev/null ||
      like "python3-ipykernel python3-nbclient"
    [ -z "$(lua_modules luasql.sqlite3)" ] || need lua-sql-sqlite3;;
  *) echo "packages: no such set: $set" >&2; exit 1;;
  esac
done

[ -n "$missing$optional" ] || exit 0

as_root=
if ! have apt-get || [ "${AGAD_APT:-}" = no ]; then as_root=none
elif [ "$(id -u)" = 0 ]; then as_root=
elif have sudo && { sudo -n true 2> /dev/null || [ -t 0 ]; }; then as_root=sudo
else as_root=none; fi

if [ "$as_root" != none ]; then
  echo "packages: installing$missing$optional"
  apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::http::Timeout=20 "$@" > /dev/null; }
  if apt update && apt install -y --no-install-recommends $missing $optional; then exit 0; fi
  if [ -n "$missing" ]; then echo "packages: apt-get could not install$missing" >&2; exit 1; fi
elif [ -n "$missing" ]; then
  if have apt-get && [ "${AGAD_APT:-}" != no ]; then
    echo "packages: missing; run this, then make again:" >&2
    echo "  sudo apt-get install$missing$optional" >&2
  else
    echo "packages: missing (by their names in Debian):$missing" >&2
  fi
  exit 1
fi
echo "packages: going on without$optional" >&2
