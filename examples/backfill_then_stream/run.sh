#!/usr/bin/env bash
# History over HTTP, then a Kafka topic, on embedded parts: Python's web server and librdkafka's mock broker.
# Usage: run.sh [rows of history]      HG_BUILD names another build folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${HG_BUILD:-$here/../../build/release}
rows=${1:-500000}
work=$(mktemp -d)
cleanup() { kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT

# The history: one row per part. Every seventh price is low.
mkdir "$work/www"
awk -v n="$rows" 'BEGIN { for (i = 0; i < n; i++) printf "{\"part\": %d, \"vendor\": %d, \"price\": %d.%02d}\n", i, i % 97, (i % 7 ? 10 + i % 500 : i % 10), i % 100 }' \
    >"$work/www/price.json"
python3 -u -m http.server --bind 127.0.0.1 --directory "$work/www" 0 >"$work/http.out" 2>/dev/null &
until port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$work/http.out") && [ -n "$port" ]; do kill -0 $!; sleep 0.05; done

# The live topic: new prices for parts that the history has too, and one part that it has not.
mkfifo "$work/broker.in"
"$build/tests/mock_broker" price:2 <"$work/broker.in" >"$work/broker.out" &
exec 3>"$work/broker.in"
until bootstrap=$(sed -n 's/^bootstrap //p' "$work/broker.out") && [ -n "$bootstrap" ]; do kill -0 $!; sleep 0.05; done

sed "s|@HISTORY_URL@|http://127.0.0.1:$port/price.json|; s|@BOOTSTRAP@|$bootstrap|; s|@OUT_FILE@|$work/low_price.json|" "$here/program.sql" >"$work/price.sql"

# Messages from before the start: the pipeline marks behind them, the history already holds them.
echo 'produce price 0 {"part": 3, "vendor": 1, "price": 1.11}' >&3
echo flush >&3
until grep -q flushed "$work/broker.out"; do sleep 0.05; done

# Messages that arrive while the history is being read: they must not be missed.
(
    until [ -e "$work/low_price.json" ]; do sleep 0.02; done
    echo 'produce price 0 {"part": 0, "vendor": 5, "price": 99.50}' >&3
    echo "produce price 1 {\"part\": $rows, \"vendor\": 5, \"price\": 0.05}" >&3
    echo flush >&3
) &

"$build/headgate" run "$work/price.sql" --until-complete

echo
echo "low_price, first and last changes:"
head -n 2 "$work/low_price.json"
tail -n 2 "$work/low_price.json"
