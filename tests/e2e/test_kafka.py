"""Kafka in and out against a real broker, and against one that is not there yet. test-labels: threads"""
import datetime
import json
import re
import subprocess
import time

import pytest

from hg import BUILD, HEADGATE, PATIENCE, until
from hg.daemon import Daemon
from hg.kafka import KCAT, Topic, free_port
from hg.run import run
from hg.sql import connector, datagen, file_in, kafka_in, kafka_out, table, view

T = "n BIGINT NOT NULL"
KAFKA_ONCE = BUILD / "tests" / "kafka_once"
EOF = {"enable.partition.eof": "true"}


def messages(*ns):
    return [json.dumps({"n": n}) for n in ns]


def read_all(tmp_path, *kafka_args, columns=T, **kafka_kw):
    """Everything that one Kafka input gives until its end, in order of arrival."""
    options = {**EOF, **kafka_kw.pop("options", {})}
    r = run(tmp_path, table("t", columns, kafka_in("k", *kafka_args, options=options, **kafka_kw)) +
            view("v", "SELECT * FROM t", connector("o", "file_output", {"path": str(tmp_path / "out.json")}, "json")), "--until-complete")
    assert r.code == 0, r
    return [json.loads(line)["insert"] for line in (tmp_path / "out.json").read_text().splitlines()]


def ns(rows):
    return [r["n"] for r in rows]


def total(daemon, p, endpoint):
    return daemon.input(p, endpoint)["metrics"]["total_records"]


# --- where it starts ---------------------------------------------------------------------------------------------------

def test_earliest(tmp_path, broker):
    t = Topic(broker, partitions=3)
    for part in range(3):
        t.produce(messages(*range(part * 100, part * 100 + 50)), partition=part)
    got = ns(read_all(tmp_path, broker, t.name, options={"start_from": "earliest"}))
    assert sorted(got) == [p * 100 + i for p in range(3) for i in range(50)]
    for p in range(3):  # in order within each partition
        mine = [n for n in got if n // 100 == p]
        assert mine == sorted(mine)


def test_latest_is_the_default(daemon, broker, gone):
    t = Topic(broker)
    t.produce(messages(1, 2))
    p = gone("k-latest")
    daemon.run(p, table("t", T, kafka_in("k", broker, t.name), materialized=True))
    # latest is resolved once, some time after the start: from then on nothing is missed
    sent = 0

    def one_more_came():
        nonlocal sent
        sent += 1
        t.produce(messages(1000 + sent))
        return total(daemon, p, "t.k")
    until("one is read", one_more_came)
    until("all since then are in", lambda: max((r["n"] for r in daemon.query(p, "SELECT n FROM t")), default=0) == 1000 + sent)
    got = sorted(r["n"] for r in daemon.query(p, "SELECT n FROM t"))
    assert got == list(range(got[0], 1000 + sent + 1)) and got[0] > 1000


def test_offsets(tmp_path, broker):
    t = Topic(broker, partitions=2)
    t.produce(messages(0, 1, 2, 3), partition=0)
    t.produce(messages(10, 11, 12), partition=1)
    assert sorted(ns(read_all(tmp_path, broker, t.name, options={"start_from": {"offsets": [2, 3]}}))) == [2, 3]


def test_offset_that_is_not_there_is_a_clear_error(daemon, broker, gone):
    t = Topic(broker)
    t.produce(messages(0))
    p = gone("k-offset")
    daemon.run(p, table("t", T, kafka_in("k", broker, t.name, options={"start_from": {"offsets": [99]}})))
    error = until("it has failed", lambda: daemon.input(p, "t.k")["fatal_error"])
    assert "99" in error and "not currently in partition '0'" in error
    t.produce(messages(*range(1, 102)))
    daemon.ok("POST", f"/v0/pipelines/{p}/tables/t/connectors/k/start")
    until("it reads from there", lambda: total(daemon, p, "t.k") == 3)
    assert daemon.input(p, "t.k")["fatal_error"] is None


def test_offsets_deleted_by_retention_are_a_clear_error(daemon, broker, gone):
    t = Topic(broker)
    t.produce(messages(*range(10)))
    t.delete_before(0, 5)
    p = gone("k-retention")
    daemon.run(p, table("t", T, kafka_in("k", broker, t.name, options={"start_from": {"offsets": [2]}})))
    error = until("it has failed", lambda: daemon.input(p, "t.k")["fatal_error"])
    assert "2" in error and "partition" in error
    assert total(daemon, p, "t.k") == 0  # never a silent jump
    assert daemon.get(f"/v0/pipelines/{p}?selector=status").json()["deployment_status"] == "Running"


def test_retention_that_overtakes_a_paused_reader_is_a_clear_error(daemon, broker, gone):
    t = Topic(broker)
    t.produce(messages(*range(10)))
    p = gone("k-overtaken")
    daemon.run(p, table("t", T, kafka_in("k", broker, t.name, options={"start_from": "earliest", "queued.max.messages.kbytes": "64"})))
    until("the first are in", lambda: total(daemon, p, "t.k") == 10)
    daemon.ok("POST", f"/v0/pipelines/{p}/tables/t/connectors/k/pause")
    big = "x" * 100_000  # far more than a client fetches ahead
    t.produce(json.dumps({"n": n, "s": big}) for n in range(10, 210))
    t.delete_before(0, 209)
    daemon.ok("POST", f"/v0/pipelines/{p}/tables/t/connectors/k/start")
    error = until("it has failed", lambda: daemon.input(p, "t.k")["fatal_error"])
    assert f"of {t.name}[0] is gone, oldest is 209" in error and "reset the position" in error
    assert total(daemon, p, "t.k") < 209


def test_synchronized_partitions_and_header_filter(tmp_path, broker):
    t = Topic(broker, partitions=3)
    for n in range(12):
        stamp = int(time.time() * 1000)
        while int(time.time() * 1000) == stamp:  # the next message is younger
            time.sleep(0.001)
        subprocess.run([*KCAT, "-b", broker, "-t", t.name, "-p", str(n * 7 % 3), "-P", "-H", f"kind={'odd' if n % 2 else 'even'}"],
                       input=json.dumps({"n": n}), text=True, check=True)
    options = {"start_from": "earliest", "synchronize_partitions": True}
    assert ns(read_all(tmp_path, broker, t.name, options=options)) == list(range(12))
    options["header_filter"] = {"header": {"name": "kind", "pattern": "od+"}}
    assert ns(read_all(tmp_path, broker, t.name, options=options)) == list(range(1, 12, 2))


def test_earliest_behind_deleted_offsets(tmp_path, broker):
    t = Topic(broker)
    t.produce(messages(*range(10)))
    t.delete_before(0, 7)
    assert ns(read_all(tmp_path, broker, t.name, options={"start_from": "earliest"})) == [7, 8, 9]


def test_what_waits_for_a_paused_connector_is_told(own, broker):
    t = Topic(broker)
    t.produce(messages(*range(5)))
    own.run("p", table("t", T, kafka_in("k", broker, t.name, options={"start_from": "earliest"})))

    def progress():
        return own.ok("GET", "/v0/pipelines/p/orchestration").json()["connectors"][0].get("progress")

    until("all is read", lambda: (progress() or {}).get("done") == 5)
    own.ok("POST", "/v0/pipelines/p/tables/t/connectors/k/pause")
    t.produce(messages(*range(5, 12)))
    p = until("seven wait", lambda: (lambda p: p["total"] == 12 and p)(progress()))
    assert p["done"] == 5
    own.ok("POST", "/v0/pipelines/p/tables/t/connectors/k/start")
    until("they are read", lambda: progress()["done"] == 12)


def test_timestamp(tmp_path, broker):
    t = Topic(broker, partitions=2)
    t.produce(messages(0), partition=0)
    t.produce(messages(1), partition=1)
    stamps = [int(x) for x in t.read(2, "%T\\n")]
    between = max(stamps) + 1
    while int(time.time() * 1000) <= between:
        time.sleep(0.001)
    t.produce(messages(2), partition=0)
    assert ns(read_all(tmp_path, broker, t.name, options={"start_from": {"timestamp": between}})) == [2]
    assert sorted(ns(read_all(tmp_path, broker, t.name, options={"start_from": {"timestamp": 0}}))) == [0, 1, 2]


def test_legacy_spelling(tmp_path, broker):
    t = Topic(broker)
    t.produce(messages(1, 2, 3))
    assert ns(read_all(tmp_path, broker, None, options={"topics": [t.name], "auto.offset.reset": "earliest", "group.id": "old"})) == [1, 2, 3]


def test_some_partitions(tmp_path, broker):
    t = Topic(broker, partitions=3)
    for part in range(3):
        t.produce(messages(part), partition=part)
    assert sorted(ns(read_all(tmp_path, broker, t.name, options={"start_from": "earliest", "partitions": [0, 2]}))) == [0, 2]
    assert ns(read_all(tmp_path, broker, t.name, options={"start_from": {"offsets": [0]}, "partitions": [1]})) == [1]


@pytest.mark.parametrize("options, place", [
    ({"start_from": "yesterday"}, "start_from"), ({"start_from": {"offsets": ["x"]}}, "start_from"), ({"nonsense": "1"}, "nonsense"),
    ({"no.such.option": "1"}, "no.such.option"), ({"fetch.min.bytes": "many"}, "fetch.min.bytes"), ({"partitions": []}, "partitions"),
    ({"header_filter": {"header": {"name": "h", "pattern": "("}}}, "header_filter"), ({"header_filter": {"and": []}}, "and"),
    ({"start_from": {"offsets": [1, 2]}, "partitions": [0]}, "offsets"), ({"topic": None}, "topic")])
def test_bad_options_are_refused_at_compile(tmp_path, options, place):
    r = run(tmp_path, table("t", T, kafka_in("k", "127.0.0.1:1", "x", options=options)))
    assert r.code == 2 and place in r.err and "^" in r.err, r


# --- what it carries ---------------------------------------------------------------------------------------------------

def test_empty_topic_ends_at_once(tmp_path, broker):
    assert read_all(tmp_path, broker, Topic(broker, partitions=4).name, options={"start_from": "earliest"}) == []


def test_bad_messages_cost_no_good_neighbour(daemon, broker, gone):
    t = Topic(broker)
    t.produce(['{"n": 1}', "garbage", '{"n": "x"}', '{"n": 2', '{"n": 3}'])
    p = gone("k-bad")
    daemon.run(p, table("t", T, kafka_in("k", broker, t.name, options={"start_from": "earliest", **EOF}), materialized=True))
    daemon.wait_complete(p)
    assert [r["n"] for r in daemon.query(p, "SELECT n FROM t ORDER BY n")] == [1, 3]
    one = daemon.ok("GET", f"/v0/pipelines/{p}/tables/t/connectors/k/stats").json()
    assert one["metrics"]["num_parse_errors"] == 3 and len(one["parse_errors"]) == 3


def test_tombstones_are_no_records(tmp_path, broker):
    t = Topic(broker)
    t.produce(["a|{\"n\": 1}", "a|", "b|{\"n\": 2}"], key_delimiter="|")
    assert ns(read_all(tmp_path, broker, t.name, options={"start_from": "earliest"})) == [1, 2]


def test_csv_messages(tmp_path, broker):
    t = Topic(broker)
    t.produce(["1,a", '2,"b, c"'])
    rows = read_all(tmp_path, broker, t.name, "csv", {}, columns=T + ", s VARCHAR", options={"start_from": "earliest"})
    assert rows == [{"n": 1, "s": "a"}, {"n": 2, "s": "b, c"}]


def test_debezium(tmp_path, broker):
    t = Topic(broker)
    t.produce(json.dumps({"payload": x}) for x in (
        {"op": "c", "before": None, "after": {"n": 1, "s": "a"}}, {"op": "r", "before": None, "after": {"n": 2, "s": "b"}},
        {"op": "u", "before": {"n": 1, "s": "a"}, "after": {"n": 1, "s": "c"}}, {"op": "d", "before": {"n": 2, "s": "b"}, "after": None}))
    r = run(tmp_path, table("t", "n BIGINT NOT NULL PRIMARY KEY, s VARCHAR", kafka_in(
        "k", broker, t.name, "json", {"update_format": "debezium"}, options={"start_from": "earliest", **EOF})) +
            view("v", "SELECT * FROM t", connector("o", "file_output", {"path": str(tmp_path / "out.json")}, "json")), "--until-complete")
    assert r.code == 0, r
    weights = {}
    for line in (tmp_path / "out.json").read_text().splitlines():
        (op, row), = json.loads(line).items()
        k = (row["n"], row["s"])
        weights[k] = weights.get(k, 0) + (1 if op == "insert" else -1)
    assert {k: w for k, w in weights.items() if w} == {(1, "c"): 1}


def test_kafka_to_kafka(tmp_path, broker):
    a, b = Topic(broker, partitions=2), Topic(broker)
    a.produce(messages(*range(0, 5000)), partition=0)
    a.produce(messages(*range(5000, 10000)), partition=1)
    r = run(tmp_path, table("t", T, kafka_in("k", broker, a.name, options={"start_from": "earliest", **EOF})) +
            view("v", "SELECT n * 2 AS n FROM t WHERE n >= 100", kafka_out("o", broker, b.name, "json")), "--until-complete")
    assert r.code == 0, r
    got = [json.loads(x)["insert"]["n"] for x in b.read() if x]  # a message holds many rows, each with its line's end
    assert sorted(got) == [n * 2 for n in range(100, 10000)]
    low = [n for n in got if n < 10000]
    assert low == sorted(low)


META = {"include_topic": True, "include_partition": True, "include_offset": True, "include_timestamp": True, "include_headers": True}


def default(name, type_, member):
    return f"{name} {type_} DEFAULT CAST(CONNECTOR_METADATA()['{member}'] AS {type_})"


ALL_META = ", ".join([T, default("topic", "VARCHAR", "kafka_topic"), default("p", "INT", "kafka_partition"), default("o", "BIGINT", "kafka_offset"),
                      default("ts", "TIMESTAMP", "kafka_timestamp"),
                      "kind VARBINARY DEFAULT CAST(CONNECTOR_METADATA()['kafka_headers']['kind'] AS VARBINARY)",
                      "h VARCHAR NOT NULL DEFAULT COALESCE(TO_JSON(CONNECTOR_METADATA()['kafka_headers']), '-')"])


def kcat(broker, topic, line, partition, *headers):
    subprocess.run([*KCAT, "-b", broker, "-t", topic, "-p", str(partition), "-P", *(x for h in headers for x in ("-H", h))],
                   input=line, text=True, check=True)


def test_metadata_in_defaults(tmp_path, broker):
    """What the options ask for, message by message, in records that lack the column; of equal headers the last."""
    t = Topic(broker, partitions=2)
    before = int(time.time() * 1000)
    kcat(broker, t.name, '{"n":1}', 0, "kind=a", "b=2", "kind=ab")
    kcat(broker, t.name, '{"n":2,"topic":"mine","p":null,"h":"x"}', 0, "kind=c")
    kcat(broker, t.name, '{"n":3}', 1)
    got = {r["n"]: r for r in read_all(tmp_path, broker, t.name, columns=ALL_META, options={"start_from": "earliest", **META})}
    for r in got.values():
        stamp = datetime.datetime.strptime((r.pop("ts") + ".000")[:23], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=datetime.timezone.utc)
        assert before - 1 <= stamp.timestamp() * 1000 <= time.time() * 1000 + 1
    assert got == {1: {"n": 1, "topic": t.name, "p": 0, "o": 0, "kind": [97, 98], "h": '{"b":[50],"kind":[97,98]}'},
                   2: {"n": 2, "topic": "mine", "p": None, "o": 1, "kind": [99], "h": "x"},
                   3: {"n": 3, "topic": t.name, "p": 1, "o": 0, "kind": None, "h": "{}"}}


def test_only_the_metadata_that_was_asked_for(tmp_path, broker):
    t = Topic(broker)
    kcat(broker, t.name, '{"n":1}', 0, "kind=a")
    columns = T + ", m VARIANT DEFAULT CONNECTOR_METADATA()"
    assert read_all(tmp_path, broker, t.name, columns=columns, options={"start_from": "earliest"}) == [{"n": 1, "m": None}]
    (tmp_path / "out.json").unlink()
    options = {"start_from": "earliest", "include_offset": True, "include_topic": True}
    assert read_all(tmp_path, broker, t.name, columns=columns, options=options) == [{"n": 1, "m": {"kafka_offset": 0, "kafka_topic": t.name}}]


def test_metadata_of_deletes_and_a_default_that_fails(tmp_path, broker):
    """soft_delete adds is_delete. A DEFAULT that is not to be computed ends its connector with the reason."""
    t = Topic(broker)
    t.produce(['{"insert":{"n":1}}', '{"delete":{"n":2}}', '{"delete":{"n":3,"m":"here"}}'])
    columns = T + ", m VARCHAR DEFAULT TO_JSON(CONNECTOR_METADATA())"
    options = {"start_from": "earliest", "include_offset": True}
    got = read_all(tmp_path, broker, t.name, "json", {"update_format": "insert_delete"}, columns=columns, options=options, soft_delete=True)
    assert sorted((r["n"], r["m"]) for r in got) == [(1, '{"kafka_offset":0}'), (2, '{"is_delete":true,"kafka_offset":1}'), (3, "here")]
    columns = T + ", m INT DEFAULT 1 / CAST(CONNECTOR_METADATA()['kafka_offset'] AS INT)"
    r = run(tmp_path, table("t", columns, kafka_in("k", broker, t.name, options={**options, **EOF})) + view("v", "SELECT * FROM t"), "--until-complete")
    assert r.code != 0 and "DEFAULT of column 'm' of table 't'" in r.out + r.err and "division by zero" in r.out + r.err, r


@pytest.mark.parametrize("fmt, config, message", [("csv", {"delimiter": ","}, "5"), ("raw", {"mode": "blob", "column_name": "b"}, "5")])
def test_metadata_in_other_formats(tmp_path, broker, fmt, config, message):
    """raw has one column of each message; a CSV record has all columns, so nothing is missing."""
    t = Topic(broker)
    t.produce([message, message])
    options = {"start_from": "earliest", "include_offset": True}
    if fmt == "raw":
        columns = "b VARBINARY, " + default("o", "BIGINT", "kafka_offset")
        assert [r["o"] for r in read_all(tmp_path, broker, t.name, fmt, config, columns=columns, options=options)] == [0, 1]
    else:
        columns = default("o", "BIGINT", "kafka_offset")
        assert [r["o"] for r in read_all(tmp_path, broker, t.name, fmt, config, columns=columns, options=options)] == [5, 5]


def test_output_headers_and_deletes(tmp_path, broker):
    t = Topic(broker)
    (tmp_path / "in.json").write_text('{"insert":{"n":1}}\n{"insert":{"n":2}}\n')
    r = run(tmp_path, table("t", "n BIGINT NOT NULL PRIMARY KEY", file_in("f", tmp_path / "in.json", fmt_config={})) +
            view("v", "SELECT n FROM t", kafka_out("o", broker, t.name, "json", {"buffer_size_records": 1}, {"headers": [{"key": "from", "value": "here"}]})),
            "--until-complete")
    assert r.code == 0, r
    assert [x for x in t.read(fmt="%h %s\\n") if x] == ['from=here {"insert":{"n":1}}', 'from=here {"insert":{"n":2}}']


def test_debezium_output(tmp_path, broker):
    t = Topic(broker)
    (tmp_path / "in.json").write_text('{"insert":{"n":7}}\n')
    r = run(tmp_path, table("t", T, file_in("f", tmp_path / "in.json", fmt_config={})) +
            view("v", "SELECT n FROM t", kafka_out("o", broker, t.name, "json", {"update_format": "debezium", "key_fields": ["n"]})),
            "--until-complete")
    assert r.code == 0, r
    (line,) = (x for x in t.read(fmt="%k|%s\\n") if x)
    key, value = (json.loads(x) for x in line.split("|"))
    assert key["payload"] == {"n": 7} and value["payload"]["op"] == "c" and value["payload"]["after"] == {"n": 7}


# --- exactly once ------------------------------------------------------------------------------------------------------

def committed(t):
    return [int(x) for x in t.read() if x]


def test_a_killed_output_loses_nothing_and_repeats_nothing(broker):
    t = Topic(broker)
    steps = 600
    for kill in (1, 120, 180, 420):
        r = subprocess.run([KAFKA_ONCE, broker, t.name, str(steps), str(kill)], capture_output=True, text=True, timeout=PATIENCE)
        assert r.returncode == -9, r
        # A broker answers the end of a transaction before its mark is in the topic, so what is committed may show late.
        done = until("what was delivered is there", lambda: len(x := committed(t)) >= kill * 3 and x)
        assert done == [n for s in range(1, len(done) // 3 + 1) for n in range(s * 10, s * 10 + 3)]
    subprocess.run([KAFKA_ONCE, broker, t.name, str(steps)], check=True, timeout=PATIENCE)
    expected = [n for s in range(1, steps + 1) for n in range(s * 10, s * 10 + 3)]
    assert until("all is there", lambda: len(x := committed(t)) >= len(expected) and x) == expected
    subprocess.run([KAFKA_ONCE, broker, t.name, str(steps)], check=True, timeout=PATIENCE)  # everything is there already
    assert committed(t) == expected


# --- brokers that are not there ----------------------------------------------------------------------------------------

RETRYING = re.compile(r"retrying since \S+Z, attempt \d+, next in \d+ m?s: ")

def test_missing_topic_is_told_and_found_later(daemon, broker, gone):
    p = gone("k-topic")
    name = "later" + str(time.monotonic_ns())
    daemon.run(p, table("t", T, kafka_in("k", broker, name, options={"start_from": "earliest", "allow.auto.create.topics": "false"})))
    health = until("it complains", lambda: (h := daemon.input(p, "t.k")["health"]) and h["status"] == "Unhealthy" and h)
    assert name in health["description"]
    until("it says when it tries again", lambda: RETRYING.match(daemon.input(p, "t.k")["health"]["description"]))
    Topic(broker, name=name).produce(messages(1))
    until("it has read", lambda: total(daemon, p, "t.k") == 1)
    until("it is well", lambda: daemon.input(p, "t.k")["health"]["status"] == "Healthy")


def test_unreachable_broker(daemon, gone):
    """Nothing listens: the pipeline runs, the connector says why it does not, a stop is quick."""
    p = gone("k-down")
    daemon.run(p, table("t", T, kafka_in("k", f"127.0.0.1:{free_port()}", "x", options={"start_from": "earliest"})) +
               table("u", T, datagen("g", {"limit": 5}), materialized=True) +
               view("v", "SELECT n FROM u", kafka_out("o", f"127.0.0.1:{free_port()}", "y", "json")))
    until("the input complains", lambda: (daemon.input(p, "t.k")["health"] or {}).get("status") == "Unhealthy")
    outputs = lambda: next(o for o in daemon.stats(p)["outputs"] if o["endpoint_name"] == "v.o")  # noqa: E731
    told = re.compile(r"retrying since \S+Z, attempt at least \d+, next within 10 s: ")
    until("the output complains", lambda: (h := outputs().get("health") or {}).get("status") == "Unhealthy" and told.match(h["description"]))
    until("neighbours work", lambda: daemon.query(p, "SELECT COUNT(*) AS n FROM u") == [{"n": 5}])
    assert daemon.get(f"/v0/pipelines/{p}?selector=status").json()["deployment_status"] == "Running"
    daemon.stop_pipeline(p)


def test_a_partition_that_the_broker_does_not_know_for_a_while(daemon, mock_broker, gone):
    """As one does that has just been elected, or is about to give up: what its metadata names is asked for again."""
    list_offsets, unknown_topic_or_partition = 2, 3
    b = mock_broker("in:1")
    b.produce("in", messages(1, 2))
    b.fail(list_offsets, unknown_topic_or_partition, 30)
    p = gone("k-unknown")
    daemon.run(p, table("t", T, kafka_in("k", b.bootstrap, "in", options={"start_from": "earliest"}), materialized=True))
    until("both are in", lambda: total(daemon, p, "t.k") == 2)
    assert daemon.input(p, "t.k")["fatal_error"] is None


def test_broker_that_goes_and_comes_back(daemon, mock_broker, gone):
    b = mock_broker("in:1", "out:1")
    b.produce("in", messages(1, 2))
    p = gone("k-back")
    options = {"start_from": "earliest", "reconnect.backoff.max.ms": "500"}
    daemon.run(p, table("t", T, kafka_in("k", b.bootstrap, "in", options=options), materialized=True) +
               view("v", "SELECT n FROM t", kafka_out("o", b.bootstrap, "out", "json", options={"reconnect.backoff.max.ms": "500"})))
    until("both are in", lambda: total(daemon, p, "t.k") == 2)
    b.say("down")
    told = re.compile(r"retrying since \S+Z, attempt at least \d+, next within 500 ms: ")  # librdkafka tries by itself
    until("the input complains", lambda: told.match((daemon.input(p, "t.k")["health"] or {}).get("description") or ""))
    b.say("up")
    b.produce("in", messages(3))
    until("the third is in", lambda: total(daemon, p, "t.k") == 3)
    until("it is well", lambda: daemon.input(p, "t.k")["health"]["status"] == "Healthy")
    until("all went out", lambda: next(o for o in daemon.stats(p)["outputs"] if o["endpoint_name"] == "v.o")["metrics"]["transmitted_records"] == 3)
    assert [r["n"] for r in daemon.query(p, "SELECT n FROM t ORDER BY n")] == [1, 2, 3]


def test_pause_and_resume_lose_nothing(daemon, broker, gone):
    t = Topic(broker, partitions=2)
    p = gone("k-pause")
    daemon.run(p, table("t", T, kafka_in("k", broker, t.name, options={"start_from": "earliest"}), materialized=True))
    for i in range(5):
        t.produce(messages(*range(i * 1000, i * 1000 + 1000)), partition=i % 2)
        daemon.ok("POST", f"/v0/pipelines/{p}/tables/t/connectors/k/{'pause' if i % 2 == 0 else 'start'}")
    daemon.ok("POST", f"/v0/pipelines/{p}/tables/t/connectors/k/start")
    until("all are in", lambda: total(daemon, p, "t.k") == 5000)
    until("each once", lambda: daemon.query(p, "SELECT COUNT(*) AS n, SUM(n) AS s FROM t") == [{"n": 5000, "s": sum(range(5000))}])


def test_clock_ahead_of_the_broker(tmp_path, broker):
    """A broker takes nothing from more than an hour ahead: such messages wait until the clock is set, they are not lost."""
    if "libasan" in subprocess.run(["ldd", HEADGATE], capture_output=True, text=True).stdout:
        pytest.skip("a preloaded clock says nothing in a sanitized build")
    clock, topic = tmp_path / "clock", Topic(broker)
    clock.write_bytes((7200 * 10**9).to_bytes(8, "little"))
    d = Daemon(env={"CHAOS_CLOCK": str(clock), "LD_PRELOAD": str(BUILD / "tests" / "chaos_clock.so")})
    try:
        d.run("p", table("t", T) + view("v", "SELECT n FROM t", kafka_out("o", broker, topic.name, "json")))
        d.ingress("p", "t", "".join(m + "\n" for m in messages(*range(10))))
        until("the connector says why it retries", lambda: "timestamp" in json.dumps(d.stats("p")["outputs"][0].get("health")))
        assert topic.read() == []
        with open(clock, "r+b") as f:
            f.write(bytes(8))
        until("all messages are there", lambda: sorted(json.loads(m)["insert"]["n"] for m in topic.read() if m) == list(range(10)))
    finally:
        d.close()
