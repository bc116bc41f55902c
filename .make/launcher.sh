#!/bin/sh
# launcher.sh FILE LUA LUA_DIR LIB_DIR: writes the program's launcher; the two folders are relative to FILE's.
set -eu
mkdir -p "$(dirname "$1")"
sed -e "s|@LUA@|$2|" -e "s|@LUA_DIR@|$3|" -e "s|@LIB_DIR@|$4|" "$(dirname "$0")/agad.in" > "$1.new"
chmod 755 "$1.new"
mv "$1.new" "$1"
