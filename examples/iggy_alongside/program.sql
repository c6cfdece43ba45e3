-- Orders: an archive from a file, then the topic that the connectors runtime fills. All of them go to another topic, which
-- the runtime reads: one in each message, as its connectors have it.
CREATE TABLE orders (
  id VARCHAR NOT NULL PRIMARY KEY,
  origin VARCHAR,
  place BIGINT DEFAULT CAST(CONNECTOR_METADATA()['iggy_offset'] AS BIGINT)
) WITH ('connectors' = '[{
  "name": "archive", "labels": ["orders.archive"],
  "transport": {"name": "file_input", "config": {"path": "archive.json"}},
  "format": {"name": "json", "config": {"update_format": "raw"}}
}, {
  "name": "topic", "start_after": "orders.archive",
  "transport": {"name": "iggy_input", "config": {
    "address": "${env:IGGY_ADDRESS}", "username": "iggy", "password": "${env:IGGY_PASSWORD}",
    "stream": "shop", "topic": "orders", "start_from": "earliest", "include_offset": true}},
  "format": {"name": "json", "config": {"update_format": "raw"}}}]');

CREATE VIEW seen WITH ('connectors' = '[{
  "name": "out",
  "transport": {"name": "iggy_output", "config": {
    "address": "${env:IGGY_ADDRESS}", "username": "iggy", "password": "${env:IGGY_PASSWORD}",
    "stream": "shop", "topic": "seen", "create": true}},
  "format": {"name": "json", "config": {"buffer_size_records": 1}}}]')
AS SELECT origin, place FROM orders;
