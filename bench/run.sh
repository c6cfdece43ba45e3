#!/usr/bin/env bash
# Benchmarks: run.sh [name…], without a name all of them; run.sh --list names them. docs/BENCHMARKS.md says what each one measures.
# HG_BUILD names the build folder, HG_BENCH_ROWS the records of the files (1,000,000), HG_BENCH_UPSERTS the rows of the upserts.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export HG_BUILD=${HG_BUILD:-$here/../build/release} HG_CACHE=${HG_CACHE:-$here/../.cache}
venv=$HG_CACHE/bench-venv
if [ ! -e "$venv/.stamp" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check duckdb==2.0.0 fastavro==1.13.1 requests
    touch "$venv/.stamp"
fi
if [ "${1:-}" != --list ]; then
    ninja -C "$HG_BUILD" headgate benches >/dev/null
fi
PYTHONPATH=$here/../tests/lib exec "$venv/bin/python" "$here/bench.py" "$@"
