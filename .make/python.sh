#!/bin/sh
# python.sh DIR PACKAGE...: puts Python packages that some tests read our files with into DIR; quick when they are there.
# Nothing that agad does needs them.
set -eu
dir=$1; shift
for package in "$@"; do
  PYTHONPATH="$dir" python3 -c "import ${package%%=*}" 2> /dev/null || missing="${missing:-} $package"
done
[ -n "${missing:-}" ] || exit 0
echo "python: installing$missing into $dir"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$dir" $missing
