-- The topic `cheap`, as it is now, in a file.
CREATE TABLE cheap (part BIGINT NOT NULL PRIMARY KEY, price DECIMAL(10, 2)) WITH ('connectors' = '[{
  "name": "in", "transport": {"name": "iggy_input", "config": {
    "address": "${env:IGGY_ADDRESS}", "username": "iggy", "password": "${env:IGGY_PASSWORD}",
    "stream": "shop", "topic": "cheap", "start_from": "earliest", "until_end": true}},
  "format": {"name": "json"}}]');

CREATE VIEW v WITH ('connectors' = '[{
  "name": "out", "transport": {"name": "file_output", "config": {"path": "cheap.json"}}, "format": {"name": "json"}}]')
AS SELECT part, price FROM cheap;
