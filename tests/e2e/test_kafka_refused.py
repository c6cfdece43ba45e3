"""What a Kafka broker refuses for good is not lost without a word: the connector fails, and goes on when the reason is gone; or, for a single
invalid record, counts and names it."""
import json

import pytest

from hg import until
from hg.kafka import Topic
from hg.sql import file_in, kafka_out, table, view
from test_durable import FT

ONCE = {**FT, "fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}}
RAW = {"update_format": "raw"}
OUT = "/v0/pipelines/p/views/v/connectors/o"
PRODUCE, INVALID_RECORD = 0, 87


def add(path, ids, size=10):
    with open(path, "a") as f:
        f.writelines(json.dumps({"id": i, "s": "x" * size}) + "\n" for i in ids)


def run(d, src, bootstrap, topic, config, **out):
    src.touch()
    d.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR", file_in("f", src, fmt_config=RAW, follow=True), materialized=True) +
          view("v", "SELECT id, s FROM t", kafka_out("o", bootstrap, topic, **out), materialized=True), runtime_config=config)


def wait_rows(d, n):
    until(f"there are {n} rows", lambda: d.query("p", "SELECT count(*) AS n FROM t")[0]["n"] == n)


def output(d):
    return d.stats("p")["outputs"][0]


def wait_failed(d):
    return until("the connector has failed", lambda: output(d)["fatal_error"])


def ids(topic):
    return sorted(json.loads(m)["insert"]["id"] for m in topic.read() if m)


@pytest.mark.parametrize("config", [FT, ONCE], ids=["at_least_once", "exactly_once"])
def test_too_large(own, tmp_path, broker, config):
    src, topic = tmp_path / "in.json", Topic(broker, config=["max.message.bytes=2000"])
    run(own, src, broker, topic.name, config)
    add(src, range(5))
    until("the small ones are there", lambda: set(ids(topic)) == set(range(5)))
    add(src, [5], size=4000)
    add(src, range(6, 9))
    wait_rows(own, 9)
    why = wait_failed(own)
    assert topic.name in why and "max.message.bytes" in why and "too large" in why.lower(), why
    errors = own.ok("GET", f"{OUT}/stats").json()["transport_errors"]
    assert any("max.message.bytes" in e["message"] for e in errors), errors
    assert output(own)["metrics"]["num_transport_errors"] >= 1
    topic.configure(max_message_bytes=1000000)

    def there():
        if output(own)["fatal_error"]:  # the broker has answered, and may take the topic's new limit into account a while after that
            own.ok("POST", f"{OUT}/start")
        return set(ids(topic)) == set(range(9))
    until("all are there", there)
    assert config is FT or ids(topic) == list(range(9))
    add(src, [9])
    until("and it goes on", lambda: 9 in ids(topic))
    assert output(own)["fatal_error"] is None


def test_too_large_for_the_client(own, tmp_path, broker):
    """message.max.bytes: buffers are made to fit; a record that does not by itself is an encode error, which names both sizes."""
    src, topic = tmp_path / "in.json", Topic(broker)
    run(own, src, broker, topic.name, FT, options={"message.max.bytes": "2000"})
    add(src, range(100))
    until("the small ones are there", lambda: set(ids(topic)) == set(range(100)))
    add(src, [100], size=4000)
    add(src, [101])
    until("it is told", lambda: output(own)["metrics"]["num_encode_errors"] == 1)
    until("all that fit are there", lambda: set(ids(topic)) == set(range(100)) | {101})
    assert output(own)["metrics"]["num_encode_errors"] == 1 and output(own)["fatal_error"] is None
    e = own.ok("GET", f"{OUT}/stats").json()["encode_errors"][0]["message"]
    assert "exceeds maximum buffer size" in e and "at most 1936" in e, e


def test_large_messages_where_everybody_takes_them(own, tmp_path, broker):
    src, topic = tmp_path / "in.json", Topic(broker, config=["max.message.bytes=3000000"])
    run(own, src, broker, topic.name, ONCE, options={"message.max.bytes": "3000000"})
    add(src, [0], size=2000000)
    until("it is there", lambda: ids(topic) == [0])


def test_a_compacted_topic_needs_keys(own, tmp_path, broker):
    src, topic = tmp_path / "in.json", Topic(broker, config=["cleanup.policy=compact"])
    run(own, src, broker, topic.name, {})  # without fault tolerance too
    add(src, [0])
    why = wait_failed(own)
    assert "A compacted topic needs keys" in why, why


def test_a_single_invalid_record_is_left_out_and_named(own, tmp_path, mock_broker):
    src, mock = tmp_path / "in.json", mock_broker("out:1")
    run(own, src, mock.bootstrap, "out", FT, fmt_config={"update_format": "debezium", "key_fields": ["id"]})
    mock.fail(PRODUCE, INVALID_RECORD, 1)
    add(src, [7])
    e = until("it is told of", lambda: own.ok("GET", f"{OUT}/stats").json()["transport_errors"])[0]
    assert '"payload":{"id":7}' in e["message"] and "it is left out" in e["message"], e
    assert output(own)["fatal_error"] is None and output(own)["metrics"]["num_transport_errors"] == 1
    add(src, [8])
    own.wait_token("p", own.ok("GET", "/v0/pipelines/p/tables/t/connectors/f/completion_token").json()["token"])
