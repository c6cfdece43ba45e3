-- The topic `seen`, as it is now, in a file.
CREATE TABLE seen (origin VARCHAR, place BIGINT) WITH ('connectors' = '[{
  "name": "in", "transport": {"name": "iggy_input", "config": {
    "address": "${env:IGGY_ADDRESS}", "username": "iggy", "password": "${env:IGGY_PASSWORD}",
    "stream": "shop", "topic": "seen", "start_from": "earliest", "until_end": true}},
  "format": {"name": "json"}}]');

CREATE VIEW v WITH ('connectors' = '[{
  "name": "out", "transport": {"name": "file_output", "config": {"path": "seen.json"}}, "format": {"name": "json"}}]')
AS SELECT origin, place FROM seen;
