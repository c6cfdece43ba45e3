#!/usr/bin/env bash
# History over HTTP, then a Kafka topic, on embedded parts: a small web server and librdkafka's mock broker.
# Usage: run.sh [rows of history]      HG_BUILD names another build folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${HG_BUILD:-$here/../../build/release}
rows=${1:-500000}
work=$(mktemp -d)
cleanup() { kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT

# The history: one row per part. Every seventh price is low.
awk -v n="$rows" 'BEGIN { for (i = 0; i < n; i++) printf "{\"part\": %d, \"vendor\": %d, \"price\": %d.%02d}\n", i, i % 97, (i % 7 ? 10 + i % 500 : i % 10), i % 100 }' \
    >"$work/price.json"
python3 -u "$here/history.py" "$work" >"$work/http.out" &
server=$!
port=
until [ -n "$port" ]; do kill -0 $server; sleep 0.05; port=$(sed -n 's/^port //p' "$work/http.out"); done

# The live topic.
mkfifo "$work/broker.in"
"$build/tests/mock_broker" price:2 <"$work/broker.in" >"$work/broker.out" &
broker=$!
exec 3>"$work/broker.in"
bootstrap=
until [ -n "$bootstrap" ]; do kill -0 $broker; sleep 0.05; bootstrap=$(sed -n 's/^bootstrap //p' "$work/broker.out"); done
flushes=0
flush() { # wait until the broker has what was produced
    flushes=$((flushes + 1))
    echo flush >&3
    until [ "$(grep -c flushed "$work/broker.out")" -ge $flushes ]; do sleep 0.02; done
}

sed "s|@HISTORY_URL@|http://127.0.0.1:$port/price.json|; s|@BOOTSTRAP@|$bootstrap|; s|@OUT_FILE@|$work/low_price.json|" "$here/program.sql" >"$work/price.sql"

# A message from before the start: the pipeline marks behind it, the history already holds what it says.
echo 'produce price 0 {"part": 3, "vendor": 1, "price": 1.11}' >&3
flush

# Messages that arrive while the history is being read: they must not be missed. The web server says that half of it is out, and
# holds the other half back until they are in the topic.
(
    until [ -e "$work/half" ]; do sleep 0.02; done
    echo 'produce price 0 {"part": 0, "vendor": 5, "price": 99.50}' >&3
    echo "produce price 1 {\"part\": $rows, \"vendor\": 5, \"price\": 0.05}" >&3
    echo flush >&3
    until [ "$(grep -c flushed "$work/broker.out")" = 2 ]; do sleep 0.02; done
    touch "$work/arrived"
) &

"$build/headgate" run "$work/price.sql" --until-complete

echo
echo "low_price, first and last changes:"
head -n 2 "$work/low_price.json"
tail -n 2 "$work/low_price.json" | sort # of two partitions either may come first
