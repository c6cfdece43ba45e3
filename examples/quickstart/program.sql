-- A table filled by a generator, a view over it, a file that gets every change of the view.
CREATE TABLE product (
    id    BIGINT NOT NULL PRIMARY KEY,
    name  VARCHAR,
    price DECIMAL(8, 2)
) WITH ('materialized' = 'true', 'connectors' = '[
  { "name": "gen",
    "transport": { "name": "datagen", "config": { "seed": 1, "plan": [ { "limit": 1000, "fields": {
        "id": { "strategy": "increment" },
        "name": { "values": ["bolt", "nut", "washer"] },
        "price": { "values": ["1.50", "20.00", "3.25", "7.00"] } } } ] } } }
]');

CREATE MATERIALIZED VIEW cheap WITH ('connectors' = '[
  { "name": "out",
    "transport": { "name": "file_output", "config": { "path": "cheap.json" } },
    "format": { "name": "json" } }
]') AS SELECT id, upper(name) AS name, price, CAST(price * 1.19 AS DECIMAL(8, 2)) AS gross FROM product WHERE price < 5;
