-- Two months of prices that lie in a bucket. The credentials are those of the environment, as Amazon's own tools find them.
CREATE TABLE price (part INT NOT NULL PRIMARY KEY, vendor VARCHAR NOT NULL, price DECIMAL(10, 2)) WITH ('connectors' = '[{
  "name": "hist", "labels": ["price.hist"],
  "transport": {"name": "s3_input", "config": {
    "endpoint_url": "${env:S3_URL}", "region": "eu-test-1", "bucket_name": "warehouse", "prefix": "price/year=2024/"}},
  "format": {"name": "csv", "config": {"headers": true}}}]');

CREATE VIEW cheap WITH ('connectors' = '[{
  "name": "out", "transport": {"name": "file_output", "config": {"path": "cheap.json"}}, "format": {"name": "json"}}]')
AS SELECT part, vendor, price FROM price WHERE price < 5;
