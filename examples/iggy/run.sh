#!/usr/bin/env bash
# A topic that is filled, read after a file, and answered with another topic. On a stand-in for an Iggy server, or on yours:
# IGGY_ADDRESS=127.0.0.1:8090 IGGY_PASSWORD=… examples/iggy/run.sh. HG_BUILD names another build folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
build=${HG_BUILD:-$here/../../build/release}
work=$(mktemp -d)
cleanup() { kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT
cd "$work"

. "$here/../iggy/server.sh"
export IGGY_ADDRESS IGGY_PASSWORD=${IGGY_PASSWORD:-iggy}
for part in $(seq 2000 2009); do echo "{\"part\": $part, \"price\": $((part - 1950))}"; done >hist.json

"$build/headgate" run "$here/fill.sql" --until-complete
"$build/headgate" run "$here/program.sql" --until-complete
"$build/headgate" run "$here/show.sql" --until-complete

echo
echo "cheap, sorted by part, first and last:"
sort -t: -k3n cheap.json | sed -n '1p;$p'
