#!/usr/bin/env bash
# Starts a daemon on a free port and runs run.py against it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${HG_BUILD:-$here/../../build/release}
python=${PYTHON:-python3}
work=$(mktemp -d)
"$build/headgate" serve --data-dir "$work" --port 0 >"$work/ready" &
trap 'kill $! 2>/dev/null || true; wait; rm -rf "$work"' EXIT
until url=$(sed -n 's/.*listening on \([^,]*\),.*/\1/p' "$work/ready") && [ -n "$url" ]; do kill -0 $!; sleep 0.05; done
FELDERA_HOST=$url "$python" "$here/run.py"
