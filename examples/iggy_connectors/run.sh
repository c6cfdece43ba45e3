#!/usr/bin/env bash
# Two connectors of Apache Iggy's kind, one after the other: a source fills a topic, then a sink reads it through two
# transforms. On a stand-in for an Iggy server, or on yours: IGGY_ADDRESS=127.0.0.1:8090 examples/iggy_connectors/run.sh.
# HG_BUILD names another build folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
build=$(cd "${HG_BUILD:-$here/../../build/release}" && pwd -P)
work=$(mktemp -d)
cleanup() { kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"; }
trap cleanup EXIT
cd "$work"

. "$here/../iggy/server.sh"
export IGGY_CONNECTORS_IGGY_ADDRESS=$IGGY_ADDRESS IGGY_CONNECTORS_STATE_PATH=$work/state
export IGGY_CONNECTORS_CONNECTORS_CONFIG_DIR=$here/connectors

"$build/headgate" connectors --config "$here/config.toml" --check >checked.json
"$build/headgate" connectors --config "$here/config.toml" 2>log &
runtime=$!
until grep -q 'listening url=' log; do kill -0 $runtime; sleep 0.05; done
url=$(sed -n 's/.*listening url="\([^"]*\)".*/\1/p' log)
until curl -s "$url/stats" | grep -q '"messages_processed":100,'; do kill -0 $runtime; sleep 0.05; done

echo "sources:  $(curl -s "$url/sources" | grep -o '"key":"[^"]*"\|"why":"[^"]*"' | paste -sd' ')"
echo "sinks:    $(curl -s "$url/sinks" | grep -o '"key":"[^"]*"\|"status":"[^"]*"' | paste -sd' ')"
curl -s -X POST "$url/sinks/show/pause"
echo "paused:   $(curl -s "$url/sinks/show" | grep -o '"status":"[^"]*"\|"why":"[^"]*"' | paste -sd' ')"
kill $runtime
wait $runtime
echo "log:      $(grep -o '[0-9]* messages of demo/random' log)"
