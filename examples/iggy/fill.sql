-- A topic of prices, made and filled.
CREATE TABLE price (part BIGINT NOT NULL PRIMARY KEY, price DECIMAL(10, 2)) WITH ('connectors' = '[{
  "name": "gen", "transport": {"name": "datagen", "config": {"seed": 1, "plan": [
    {"limit": 1000, "fields": {"price": {"strategy": "increment", "range": [1, 1001]}}}]}}}]');

CREATE VIEW live WITH ('connectors' = '[{
  "name": "out",
  "transport": {"name": "iggy_output", "config": {
    "address": "${env:IGGY_ADDRESS}", "username": "iggy", "password": "${env:IGGY_PASSWORD}",
    "stream": "shop", "topic": "live", "create": true, "create_partitions": 2}},
  "format": {"name": "json"}}]')
AS SELECT part, price FROM price;
