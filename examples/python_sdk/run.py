"""The Feldera Python SDK against headgate. Needs a daemon: headgate serve --data-dir ./data, and FELDERA_HOST."""
import os

from feldera import FelderaClient, PipelineBuilder

PROGRAM = """
CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, amount DECIMAL(38, 2)) WITH ('materialized' = 'true');
CREATE MATERIALIZED VIEW large AS SELECT id, amount FROM t WHERE amount >= 100;
"""

client = FelderaClient(os.environ.get("FELDERA_HOST", "http://127.0.0.1:8080"))
pipeline = PipelineBuilder(client, name="python_sdk", sql=PROGRAM).create_or_replace()
pipeline.start()
pipeline.input_json("t", [{"id": 1, "amount": 99.5}, {"id": 2, "amount": 100}, {"id": 3, "amount": 12345}], wait=True)
for row in pipeline.query("SELECT id, amount FROM large ORDER BY id"):
    print(row)
pipeline.stop(force=True)
pipeline.delete(clear_storage=True)
