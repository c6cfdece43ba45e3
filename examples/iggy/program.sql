-- History from a file, then the topic; what is cheap goes to another topic.
CREATE TABLE price (part BIGINT NOT NULL PRIMARY KEY, price DECIMAL(10, 2)) WITH ('connectors' = '[{
  "name": "hist", "labels": ["price.hist"],
  "transport": {"name": "file_input", "config": {"path": "hist.json"}},
  "format": {"name": "json", "config": {"update_format": "raw"}}
}, {
  "name": "live", "start_after": "price.hist",
  "transport": {"name": "iggy_input", "config": {
    "address": "${env:IGGY_ADDRESS}", "username": "iggy", "password": "${env:IGGY_PASSWORD}",
    "stream": "shop", "topic": "live", "start_from": "earliest", "until_end": true}},
  "format": {"name": "json"}}]');

CREATE VIEW cheap WITH ('connectors' = '[{
  "name": "out",
  "transport": {"name": "iggy_output", "config": {
    "address": "${env:IGGY_ADDRESS}", "username": "iggy", "password": "${env:IGGY_PASSWORD}",
    "stream": "shop", "topic": "cheap", "create": true}},
  "format": {"name": "json"}}]')
AS SELECT part, price FROM price WHERE price <= 100;
