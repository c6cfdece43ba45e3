CREATE TABLE rocket (n BIGINT NOT NULL PRIMARY KEY) WITH ('connectors' = '[
  { "name": "count",
    "transport": { "name": "countdown_input", "config": { "from": 5 } },
    "format": { "name": "json", "config": { "update_format": "raw" } } }
]');

CREATE MATERIALIZED VIEW call WITH ('connectors' = '[
  { "name": "out",
    "transport": { "name": "file_output", "config": { "path": "call.json" } },
    "format": { "name": "json" } }
]') AS SELECT n, CASE WHEN n > 3 THEN 'wait' ELSE 'ready' END AS word FROM rocket;
