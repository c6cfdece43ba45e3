#!/usr/bin/env bash
# Starts a daemon on a free port and runs run.py against it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${HG_BUILD:-$here/../../build/release}
python=${PYTHON:-python3}
work=$(mktemp -d)
# The SDK: pip install feldera==0.349.0; PYTHON names the interpreter that has it.
"$build/headgate" serve --data-dir "$work" --port 0 >"$work/ready" &
daemon=$!
trap 'kill $daemon 2>/dev/null || true; wait; rm -rf "$work"' EXIT
url=
until [ -n "$url" ]; do kill -0 $daemon; sleep 0.05; url=$(sed -n 's/.*listening on \([^,]*\),.*/\1/p' "$work/ready"); done
FELDERA_HOST=$url "$python" "$here/run.py"
