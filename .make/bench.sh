#!/bin/sh
# bench.sh BUILD [OPTION...]: `agad bench` with these options, beside PyTorch where $AGAD_PEER_PYTHON (or else python3)
# has it. Its rows are added to spec/figures/measured/bench.jsonl.
set -eu
build=$1 python=${AGAD_PEER_PYTHON:-python3}
shift
if "$python" -c 'import torch' > /dev/null 2>&1; then set -- "$@" --peer "$python"
else echo "bench: without PyTorch: $python cannot import torch (set AGAD_PEER_PYTHON)"; fi
exec "$build/agad" bench --markdown --append spec/figures/measured/bench.jsonl "$@"
