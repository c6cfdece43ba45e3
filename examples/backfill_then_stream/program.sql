-- Prices: history from a URL, then the live topic. The live connector marks its position before the history is read (gapless) and
-- opens by itself once the history is in. The view keeps the low prices, the file gets every change of it.
CREATE TABLE price (
    part   BIGINT NOT NULL PRIMARY KEY,
    vendor BIGINT NOT NULL,
    price  DECIMAL(10, 2)
) WITH ('materialized' = 'true', 'connectors' = '[
  { "name": "hist",
    "labels": ["price.backfill"],
    "transport": { "name": "url_input", "config": { "path": "@HISTORY_URL@" } },
    "format": { "name": "json", "config": { "update_format": "raw" } } },
  { "name": "live",
    "start_after": ["price.backfill"],
    "handoff": "gapless",
    "transport": { "name": "kafka_input", "config": {
        "topic": "price", "bootstrap.servers": "@BOOTSTRAP@", "enable.partition.eof": "true" } },
    "format": { "name": "json", "config": { "update_format": "raw" } } }
]');

CREATE MATERIALIZED VIEW low_price WITH ('connectors' = '[
  { "name": "out",
    "transport": { "name": "file_output", "config": { "path": "@OUT_FILE@" } },
    "format": { "name": "json" } }
]') AS SELECT part, vendor, price FROM price WHERE price < 10;
