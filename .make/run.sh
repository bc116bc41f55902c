#!/bin/sh
# run.sh BUILD LUA FILE...: runs a Lua file with this tree's modules.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd); build=$1; lua=$2; shift 2
export LUA_PATH_5_4="$root/lua/?.lua;$root/lua/?/init.lua;${LUA_PATH_5_4:-${LUA_PATH:-;}}"
export LUA_CPATH_5_4="$root/$build/lib/?.so;${LUA_CPATH_5_4:-${LUA_CPATH:-;}}"
[ -e "$1" ] || { echo "$1: no such file"; exit 0; }
exec "$lua" "$@"
