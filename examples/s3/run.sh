#!/usr/bin/env bash
# Reads two objects of a bucket, on an embedded S3 server. HG_BUILD names another build folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${HG_BUILD:-$here/../../build/release}
work=$(mktemp -d)
cleanup() { kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT
cd "$work"

"${PYTHON:-python3}" -u "$here/server.py" >server.out &
server=$!
until [ -s server.out ]; do kill -0 $server; sleep 0.05; done
read -r S3_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY <server.out
export S3_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

"$build/headgate" run "$here/program.sql" --until-complete

echo
echo "cheap, sorted by part, first and last:"
sort -t: -k3n cheap.json | sed -n '1p;$p'
