#!/usr/bin/env bash
# A pipeline and a connectors runtime on one Iggy server, started at once and ordered by labels alone:
#
#   runtime   history ─► live ─► topic shop/orders            (live starts after history)
#   pipeline  archive ─► shop/orders ─► view ─► shop/seen     (the topic after the archive)
#   runtime   shop/seen ─► bill                               (bill after live)
#
# On a stand-in for an Iggy server, or on an empty one of yours: IGGY_ADDRESS=127.0.0.1:8090 examples/iggy_alongside/run.sh.
# HG_BUILD names another build folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
build=$(cd "${HG_BUILD:-$here/../../build/release}" && pwd -P)
work=$(mktemp -d)
cleanup() { kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"; }
trap cleanup EXIT
cd "$work"

. "$here/../iggy/server.sh"
export IGGY_ADDRESS IGGY_PASSWORD=${IGGY_PASSWORD:-iggy}
export IGGY_CONNECTORS_IGGY_ADDRESS=$IGGY_ADDRESS IGGY_CONNECTORS_IGGY_PASSWORD=$IGGY_PASSWORD
export IGGY_CONNECTORS_STATE_PATH=$work/state IGGY_CONNECTORS_CONNECTORS_CONFIG_DIR=$here/connectors
for i in 1 2 3; do echo "{\"id\": \"archived-$i\", \"origin\": \"archive\"}"; done >archive.json

: >runtime.log
"$build/headgate" run "$here/program.sql" >pipeline.log &
pipeline=$!
"$build/headgate" connectors --config "$here/config.toml" 2>runtime.log &
runtime=$!
until grep -q 'listening url=' runtime.log; do kill -0 $runtime; sleep 0.05; done
url=$(sed -n 's/.*listening url="\([^"]*\)".*/\1/p' runtime.log)
until curl -s "$url/stats" | grep -q '"messages_processed":1503,'; do kill -0 $runtime; kill -0 $pipeline; sleep 0.05; done

grep -h 'orders\.' pipeline.log
for key in sources/history sources/live sinks/bill; do
    echo "$key  $(curl -s "$url/$key" | grep -o '"status":"[^"]*"\|"why":"[^"]*"' | paste -sd' ')"
done
kill $runtime $pipeline
wait $runtime $pipeline

"$build/headgate" run "$here/show.sql" --until-complete >show.log
echo
echo "seen, by its place in the topic of orders:"
sed 's/.*"origin":"\([a-z]*\)","place":\([0-9null]*\).*/\2 \1/; s/^null/-1/' seen.json | sort -n | cut -d' ' -f2 | uniq -c
