"""Avro over Kafka with a schema registry: what fastavro writes we read, and what we write fastavro reads."""
import datetime
import decimal
import json
import uuid

import fastavro
import pytest

from hg import until, whole_lines
from hg.kafka import Topic
from hg.registry import Registry, message
from hg.run import headgate, run
from hg.sql import connector, file_in, kafka_in, kafka_out, table, view
from test_durable import checkpoint, kill
from test_exactly_once import EXACTLY

EOF = {"enable.partition.eof": "true", "start_from": "earliest"}


@pytest.fixture
def registry():
    r = Registry()
    yield r
    r.stop()


def record(name, *fields, **more):
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields], **more}


def registered(r, **more):
    return {"registry_urls": [r.url], **more}


# Columns of every type that has an Avro type, the schema that headgate makes of them, and values at the edges.
COLUMNS = [
    ("b", "BOOLEAN", "boolean", [True, False]),
    ("i1", "TINYINT", "int", [-128, 127]),
    ("i2", "SMALLINT", "int", [-32768, 32767]),
    ("i4", "INT", "int", [-2**31, 2**31 - 1]),
    ("i8", "BIGINT", "long", [-2**63, 2**63 - 1]),
    ("u1", "TINYINT UNSIGNED", "int", [0, 255]),
    ("u2", "SMALLINT UNSIGNED", "int", [0, 65535]),
    ("u4", "INT UNSIGNED", "long", [0, 2**32 - 1]),
    ("u8", "BIGINT UNSIGNED", "string", ["0", str(2**64 - 1)]),
    ("r", "REAL", "float", [1.5, -0.25]),
    ("d", "DOUBLE", "double", [0.1, -1e300]),
    ("n", "DECIMAL(38, 10)", {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 10},
     [decimal.Decimal("-9999999999999999999999999999.9999999999"), decimal.Decimal("0.0000000001")]),
    ("s", "VARCHAR", "string", ["", "zwölf Boxkämpfer \U0001f94a"]),
    ("c", "CHAR(3)", "string", ["ab ", "äöü"]),
    ("y", "VARBINARY", "bytes", [b"", bytes(range(256))]),
    ("y3", "BINARY(3)", "bytes", [b"\0\x80\xff", b"abc"]),
    ("t", "TIME", {"type": "long", "logicalType": "time-micros"},
     [datetime.time(0), datetime.time(23, 59, 59, 999999)]),
    ("da", "DATE", {"type": "int", "logicalType": "date"}, [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
    ("ts", "TIMESTAMP", {"type": "long", "logicalType": "timestamp-micros"},
     [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, datetime.timezone.utc),
      datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)]),
    ("tz", "TIMESTAMP WITH TIME ZONE", {"type": "long", "logicalType": "timestamp-micros"},
     [datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc), datetime.datetime(2024, 2, 29, 12, 0, 0, 1, datetime.timezone.utc)]),
    ("id", "UUID", "string", [str(uuid.UUID(int=0)), str(uuid.UUID(int=2**128 - 1))]),
    ("j", "VARIANT", "string", ["null", '{"a":[1,2.5,"x"]}']),
    ("a", "INT ARRAY", {"type": "array", "items": ["null", "int"]}, [[], [1, None, -3]]),
    ("m", "MAP<VARCHAR, BIGINT>", {"type": "map", "values": ["null", "long"]}, [{}, {"x": 1, "y": None}]),
    # two records of one name, in their places; a name of its own per path
    ("p", "ROW(q INT, p ROW(q VARCHAR NULL) NULL) NULL",
     record("p", ("q", "int"), ("p", ["null", record("p", ("q", ["null", "string"]), namespace="v.p")]), namespace="v"),
     [{"q": 1, "p": {"q": "x"}}, {"q": -2, "p": None}]),
    ("l", "ROW(k MAP<VARCHAR, ROW(x DATE)> NULL) ARRAY",
     {"type": "array", "items": ["null", record("l", ("k", ["null", {"type": "map", "values": ["null", record("k", ("x", {"type": "int", "logicalType": "date"}), namespace="v.l")]}]),
                                                namespace="v")]},
     [[], [None, {"k": None}, {"k": {"a": None, "b": {"x": datetime.date(2024, 2, 29)}}}]]),
]
ALL = record("v", *((n, ["null", avro]) for n, _, avro, _ in COLUMNS))
ROWS = [{n: values[k] for n, _, _, values in COLUMNS} for k in (0, 1)] + [{n: None for n, *_ in COLUMNS}]


def without_defaults(schema):
    """Also those of the records inside."""
    if isinstance(schema, dict):
        return {k: without_defaults(v) for k, v in schema.items() if k != "default"}
    return [without_defaults(x) for x in schema] if isinstance(schema, list) else schema


def as_text(rows):
    return sorted(repr(sorted(r.items())) for r in rows)


def test_every_type_both_ways(tmp_path, broker, registry):
    """fastavro → headgate → fastavro: the same values, and the schema that the view's types stand for."""
    there, back = Topic(broker), Topic(broker)
    schema = registry.add("in", ALL)
    there.produce_bytes(*(message(schema, ALL, r) for r in ROWS))
    program = (table("src", ", ".join(f"{n} {sql}" for n, sql, *_ in COLUMNS),
                     kafka_in("k", broker, there.name, "avro", registered(registry), options=EOF)) +
               view("v", "SELECT * FROM src", kafka_out("o", broker, back.name, "avro", registered(registry))))
    r = run(tmp_path, program, "--until-complete")
    assert r.code == 0, r
    got = back.read_bytes()
    assert as_text(registry.read(payload) for _, payload, _ in got) == as_text(ROWS)
    assert {json.dumps(h) for _, _, h in got} == {'{"op": "insert"}'} and all(k is None for k, _, _ in got)
    assert without_defaults(registry.schema("v")) == ALL
    assert all(f["default"] is None for f in registry.schema("v")["fields"])


@pytest.mark.parametrize("given", [None, "with ids", "bare"])
def test_schema_id_in_defaults(tmp_path, broker, registry, given):
    """CONNECTOR_METADATA() of each message, beside what Kafka says; 0 where the schema is given, nothing without ids."""
    t, n = Topic(broker), record("r", ("n", "long"))
    more = record("r", ("n", "long"), ("id", "int"))
    a, b = registry.add("a", n), registry.add("b", more)
    if given is None:
        t.produce_bytes(message(a, n, {"n": 1}), message(b, more, {"n": 2, "id": 7}), message(a, n, {"n": 3}))
    else:
        t.produce_bytes(*(message(a, n, {"n": i})[0 if given == "with ids" else 5:] for i in (1, 2, 3)))
    config = registered(registry) if given is None else {"schema": json.dumps(n), "skip_schema_id": given == "bare"}
    r = run(tmp_path, table("t", "n BIGINT, id INT UNSIGNED DEFAULT CAST(CONNECTOR_METADATA()['avro_schema_id'] AS INT UNSIGNED), m VARIANT DEFAULT CONNECTOR_METADATA()",
                            kafka_in("k", broker, t.name, "avro", config, options={**EOF, "include_offset": True})) +
            view("v", "SELECT * FROM t", connector("o", "file_output", {"path": str(tmp_path / "o")}, "json")), "--until-complete")
    assert r.code == 0, r
    got = sorted((x["insert"] for x in map(json.loads, (tmp_path / "o").read_text().splitlines())), key=lambda x: x["n"])
    ids = {None: [a, b, a], "with ids": [0, 0, 0], "bare": [None] * 3}[given]
    assert [x["m"] for x in got] == [{**({} if i is None else {"avro_schema_id": i}), "kafka_offset": o} for o, i in enumerate(ids)]
    assert [x["id"] for x in got] == [ids[0], 7 if given is None else ids[1], ids[2]]


# --- schemas ---------------------------------------------------------------------------------------------------------

def test_evolution_while_it_runs(own, broker, registry):
    """The registry is away at first: health says so, nothing is lost, nothing is refused. Then writers change the schema."""
    t = Topic(broker)
    v1 = record("r", ("id", "int"))
    v2 = record("r", ("note", ["null", "string"]), ("id", "long"), ("gone", {"type": "array", "items": "e"}),
                ("e", "e"))
    e = {"type": "enum", "name": "e", "symbols": ["red", "blue"]}
    i1 = registry.add("t-value", v1)
    registry.stop()
    t.produce_bytes(message(i1, v1, {"id": 1}))
    own.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY, note VARCHAR, e VARCHAR",
                       kafka_in("k", broker, t.name, "avro", registered(registry), options={"start_from": "earliest"}), materialized=True))

    def health():
        return own.input("p", "t.k").get("health") or {}
    until("health tells of the registry", lambda: "schema registry" in (health().get("description") or ""))
    assert "retrying since" in health()["description"] and health()["status"] == "Unhealthy"
    registry.start()
    until("the record is in", lambda: own.query("p", "SELECT * FROM t") == [{"id": 1, "note": None, "e": None}])
    until("health is good", lambda: health().get("status") == "Healthy")
    registry.add("e", e)
    i2 = registry.add("t-value", v2, [{"name": "e", "subject": "e", "version": 1}])
    named = {}
    fastavro.parse_schema(e, named_schemas=named)
    t.produce_bytes(message(i2, v2, {"note": "x", "id": 2**40, "gone": ["red", "blue"], "e": "blue"}, named), message(i1, v1, {"id": 3}))
    until("both are in", lambda: own.query("p", "SELECT * FROM t ORDER BY id") == [
        {"id": 1, "note": None, "e": None}, {"id": 3, "note": None, "e": None}, {"id": 2**40, "note": "x", "e": "blue"}])
    metrics = own.input("p", "t.k")["metrics"]
    assert metrics["num_parse_errors"] == 0 and metrics["total_records"] == 3
    assert registry.asked.count(f"GET /schemas/ids/{i1}") == 1  # kept for ever


def test_bad_records_are_told_and_cost_no_neighbour(own, broker, registry):
    t = Topic(broker, partitions=2)
    good, other = record("r", ("id", "long"), ("s", "string")), record("r", ("id", "string"))
    g, o = registry.add("good", good), registry.add("other", other)
    t.produce_bytes(message(g, good, {"id": 1, "s": "a"}), b"\0\0", b"x" * 20, message(g, good, {"id": 2, "s": "b"})[:-1],
                    message(o, other, {"id": "7"}), message(77, good, {"id": 3, "s": "c"}), message(g, good, {"id": 4, "s": "d"}), partition=1)
    own.run("p", table("t", "id BIGINT NOT NULL, s VARCHAR",
                       kafka_in("k", broker, t.name, "avro", registered(registry), options={"start_from": "earliest"}), materialized=True))
    until("the good ones are in", lambda: own.query("p", "SELECT id, s FROM t ORDER BY id") == [{"id": 1, "s": "a"}, {"id": 4, "s": "d"}])
    errors = own.ok("GET", "/v0/pipelines/p/stats?include_connector_errors=true").json()["inputs"][0]["parse_errors"]
    said = [e["message"].split("\n")[0] for e in errors]
    assert [e["message"].split("\n")[-1] for e in errors] == [f"Record: {t.name}[1]@{n}" for n in range(1, 6)]
    assert errors[0]["message"].split("\n")[1] == "Invalid bytes: [0, 0]"
    start = "Parse error (event #{}): error deserializing Avro record: "
    assert said == [
        start.format(2) + "a message of 2 bytes is too short: expected 0, a schema id of 4 bytes and the record",
        start.format(3) + "the message begins with byte 120, not with 0 and a schema id; consider 'skip_schema_id'",
        start.format(4) + "error parsing field 's': a length of 1 where 0 bytes are left",
        start.format(5) + "error validating Avro schema: error validating schema for column 'id': Avro type 'string' cannot be read into "
                          "BIGINT: expected long or int",
        start.format(6) + "schema 77: the schema registry answers 404: Schema 77 not found"], said


def test_schema_that_comes_to_be_under_replay(own, tmp_path, broker, registry):
    """A record was refused, its schema unknown; at the replay the registry has it. exactly_once makes no second truth of the step: it says so. Once a
    checkpoint is behind it, the schema is welcome."""
    t, out = Topic(broker), tmp_path / "out.json"
    schema = record("r", ("id", "long"))
    i = registry.add("t-value", schema)
    t.produce_bytes(message(i, schema, {"id": 1}), message(77, schema, {"id": 2}), message(i, schema, {"id": 3}))
    own.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY",
                       kafka_in("k", broker, t.name, "avro", registered(registry), options={"start_from": "earliest"}), materialized=True) +
            view("v", "SELECT id FROM t", connector("o", "file_output", {"path": str(out)}, "json")), runtime_config=EXACTLY)
    until("two are written", lambda: len(whole_lines(out)) == 2)
    kill(own)
    registry.schemas[77] = {"schema": json.dumps(schema)}
    own.ok("POST", "/v0/pipelines/p/start")
    e = until("it does not go on with other rows", lambda: own.get("/v0/pipelines/p").json()["deployment_error"])
    assert e["error_code"] == "ReplayFailure" and "t.k" in e["message"] and "it has 3 records now" in e["message"], e
    del registry.schemas[77]
    own.start_pipeline("p")
    until("as it was", lambda: own.query("p", "SELECT id FROM t ORDER BY id") == [{"id": 1}, {"id": 3}])
    checkpoint(own)  # what came before it is not read again
    kill(own)
    registry.schemas[77] = {"schema": json.dumps(schema)}
    own.start_pipeline("p")
    t.produce_bytes(message(77, schema, {"id": 4}))
    until("the new one", lambda: own.query("p", "SELECT id FROM t ORDER BY id") == [{"id": 1}, {"id": 3}, {"id": 4}])
    until("it is written, too", lambda: len(whole_lines(out)) == 3)


def test_debezium(tmp_path, broker, registry):
    t = Topic(broker)
    row = record("Value", ("id", {"type": "int", "connect.default": 0}), ("at", {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}),
                 ("price", ["null", {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2,
                                     "connect.name": "org.apache.kafka.connect.data.Decimal"}]))
    source = record("Source", ("db", "string"), ("lsn", ["null", "long"]))
    envelope = record("Envelope", ("before", ["null", row]), ("after", ["null", "Value"]), ("source", source), ("op", "string"),
                      ("ts_ms", ["null", "long"]), **{"connect.name": "s.Envelope"})
    i = registry.add("t-value", envelope)
    src = {"db": "x", "lsn": 2**40}

    def event(op, before, after):
        def image(r):
            return r and {"id": r[0], "at": r[1], "price": decimal.Decimal(r[2])}
        return message(i, envelope, {"before": image(before), "after": image(after), "source": src, "op": op, "ts_ms": 7})
    t.produce_bytes(event("c", None, (1, 0, "1.50")), event("c", None, (2, 5, "2.50")), event("u", (1, 0, "1.50"), (1, 9, "3.00")),
                    event("d", (2, 5, "2.50"), None), b"", event("r", None, (3, -1, "-0.01")))
    r = run(tmp_path, table("t", "id INT NOT NULL PRIMARY KEY, at TIMESTAMP, price DECIMAL(10, 2)",
                            kafka_in("k", broker, t.name, "avro", registered(registry, update_format="debezium"), options=EOF)) +
            view("v", "SELECT * FROM t", connector("o", "file_output", {"path": str(tmp_path / "o")}, "json")), "--until-complete")
    assert r.code == 0, r
    rows = {}
    for line in (tmp_path / "o").read_text().splitlines():
        change = json.loads(line)
        if "insert" in change:
            rows[change["insert"]["id"]] = (change["insert"]["at"], change["insert"]["price"])
        elif rows.get(change["delete"]["id"]) == (change["delete"]["at"], change["delete"]["price"]):
            del rows[change["delete"]["id"]]
    assert rows == {1: ("1970-01-01 00:00:00.000009", 3), 3: ("1969-12-31 23:59:59.999999", -0.01)}


def test_a_given_schema(tmp_path):
    """Without a registry: one record per file, with and without the five bytes."""
    schema = record("r", ("id", "long"))
    for skip in (True, False):
        (tmp_path / "in").write_bytes(message(None if skip else 3, schema, {"id": -2**63}))
        r = run(tmp_path, table("t", "id BIGINT", file_in("f", tmp_path / "in", "avro", {"schema": json.dumps(schema), "skip_schema_id": skip})) +
                view("v", "SELECT * FROM t", connector("o", "file_output", {"path": str(tmp_path / "o")}, "json")), "--until-complete")
        assert r.code == 0, r
        assert json.loads((tmp_path / "o").read_text()) == {"insert": {"id": -2**63}}


def test_http(daemon, gone):
    """A body is one record, of a schema that comes with it; a request names no server, and a change stream is text."""
    p, schema = gone("avro-http"), record("r", ("id", "long"))
    daemon.run(p, table("t", "id BIGINT", materialized=True) + view("v", "SELECT * FROM t"))
    given = {"format": "avro", "skip_schema_id": "true", "schema": json.dumps(schema)}
    daemon.wait_token(p, daemon.ingress(p, "t", message(None, schema, {"id": 7}), **given).json()["token"])
    assert daemon.query(p, "SELECT * FROM t") == [{"id": 7}]
    r = daemon.ingress(p, "t", b"\x80", **given)
    assert r.status_code == 400 and "the record ends in the middle of a value" in r.text, r.text
    r = daemon.ingress(p, "t", b"x", format="avro", registry_urls="http://localhost")
    assert r.status_code == 400 and "option 'registry_urls' cannot be given with a request" in r.text, r.text
    r = daemon.post(f"/v0/pipelines/{p}/egress/v?format=avro")
    assert r.status_code == 400 and "unknown output format 'avro'; known here: json, csv" in r.text, r.text


# --- the registry ----------------------------------------------------------------------------------------------------

def test_a_server_that_is_away_is_left_for_the_next(tmp_path, broker, registry):
    away, t = Registry(start=False), Topic(broker)
    schema = record("r", ("id", "long"))
    i = registry.add("t-value", schema)
    registry.user = "me:secret"
    registry.statuses = [503]
    t.produce_bytes(message(i, schema, {"id": 5}))
    config = {"registry_urls": [away.url, registry.url + "/"], "registry_username": "me", "registry_password": "secret"}
    r = run(tmp_path, table("t", "id BIGINT", kafka_in("k", broker, t.name, "avro", config, options=EOF)) +
            view("v", "SELECT * FROM t", connector("o", "file_output", {"path": str(tmp_path / "o")}, "json")), "--until-complete")
    assert r.code == 0, r
    assert json.loads((tmp_path / "o").read_text()) == {"insert": {"id": 5}}


def test_what_the_registry_refuses_fails_the_connector(own, broker, registry):
    """A wrong password, and a schema that is incompatible: told in the registry's words; nothing is read or written meanwhile."""
    t, out = Topic(broker), Topic(broker)
    schema = record("r", ("id", "long"))
    i = registry.add("t-value", schema)
    t.produce_bytes(message(i, schema, {"id": 5}))
    registry.add("v", record("v", ("other", "string")))
    registry.incompatible.add("v")
    registry.user = "Bearer right"
    own.run("p", table("t", "id BIGINT NOT NULL", kafka_in("k", broker, t.name, "avro", registered(registry, registry_authorization_token="wrong"),
                                                  options={"start_from": "earliest"}), materialized=True) +
            view("v", "SELECT * FROM t", kafka_out("o", broker, out.name, "avro", registered(registry, registry_authorization_token="right"))))

    def fatal(kind):
        return next(c["fatal_error"] for c in own.stats("p")[kind] if c["endpoint_name"] in ("t.k", "v.o"))
    until("the input has failed", lambda: fatal("inputs"))
    assert fatal("inputs") == f"schema {i}: the schema registry answers 401: Unauthorized"
    until("the output has failed", lambda: fatal("outputs"))
    assert fatal("outputs") == "schema of subject 'v': the schema registry answers 409: Schema being registered is incompatible with an earlier schema"
    registry.user = None
    own.ok("POST", "/v0/pipelines/p/tables/t/connectors/k/start")
    until("the record is in", lambda: own.query("p", "SELECT id FROM t") == [{"id": 5}])
    assert out.read_bytes() == []


# --- out -------------------------------------------------------------------------------------------------------------

CHANGES = ['{"insert":{"id":1,"name":"a"}}', '{"insert":{"id":2,"name":"b"}}', '{"insert":{"id":1,"name":"c"}}', '{"delete":{"id":2}}']


def changes(own, broker, registry, index, **config):
    """Messages of a view over CHANGES, one step each: [(key, value, header)]."""
    out = Topic(broker)
    members = {"index": "ix"} if index else {}
    own.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY, name VARCHAR NOT NULL") +
            view("v", "SELECT * FROM t", kafka_out("o", broker, out.name, "avro", registered(registry, **config), **members)) +
            ("CREATE INDEX ix ON v(id);" if index else ""))
    for c in CHANGES:
        own.wait_token("p", own.ingress("p", "t", c, format="json", update_format="insert_delete").json()["token"])

    def side(x):
        return x and registry.read(x)
    return out, [(side(k), side(v), h.get("op")) for k, v, h in out.read_bytes()]


A, B, C = ({"id": i, "name": n} for i, n in ((1, "a"), (2, "b"), (1, "c")))


def test_raw_without_an_index(own, broker, registry):
    out, got = changes(own, broker, registry, False, namespace="com.x", subject_name_strategy="topic_record_name")
    assert got == [(None, A, "insert"), (None, B, "insert"), (None, A, "delete"), (None, C, "insert"), (None, B, "delete")]
    assert list(registry.subjects) == [f"{out.name}-com.x.v"]
    assert registry.schema(f"{out.name}-com.x.v") == record("v", ("id", "long"), ("name", "string"), namespace="com.x")


def test_raw_with_an_index(own, broker, registry):
    out, got = changes(own, broker, registry, True, cdc_field="op", subject_name_strategy="topic_name")
    assert got == [({"id": 1}, {**A, "op": "I"}, "insert"), ({"id": 2}, {**B, "op": "I"}, "insert"), ({"id": 1}, {**C, "op": "U"}, "update"),
                   ({"id": 2}, {**B, "op": "D"}, "delete")]
    assert registry.schema(f"{out.name}-key") == record("ix", ("id", "long"))
    value = registry.schema(f"{out.name}-value")
    assert without_defaults(value) == record("v", ("id", "long"), ("name", ["null", "string"]), ("op", "string"))


def test_confluent_jdbc(own, broker, registry):
    out, got = changes(own, broker, registry, True, update_format="confluent_jdbc")
    assert got == [({"id": 1}, A, None), ({"id": 2}, B, None), ({"id": 1}, C, None), ({"id": 2}, None, None)]
    assert sorted(registry.subjects) == [f"{out.name}-key", f"{out.name}-value"]


def test_jdbc_without_an_index(own, broker, registry):
    _, got = changes(own, broker, registry, False, update_format="confluent_jdbc")
    assert got == [(A, A, None), (B, B, None), (A, None, None), (C, C, None), (B, None, None)]


def test_a_given_schema_out(own, broker, registry):
    given = record("Mine", ("NAME", "string"), ("id", ["long", "null"]))
    _, got = changes(own, broker, registry, False, schema=json.dumps(given))
    assert got[0] == (None, {"NAME": "a", "id": 1}, "insert")
    assert registry.schema("Mine") == given


def test_an_output_waits_for_the_registry(own, broker):
    registry, out = Registry(start=False), Topic(broker)
    own.run("p", table("t", "id BIGINT NOT NULL") +
            view("v", "SELECT * FROM t", kafka_out("o", broker, out.name, "avro", registered(registry))))
    own.ingress("p", "t", '{"id":1}', format="json", update_format="raw")

    def health():
        return (own.stats("p")["outputs"][0].get("health") or {}).get("description") or ""
    until("health tells of the registry", lambda: "schema registry" in health())
    registry.start()
    until("it is written", lambda: [registry.read(v) for _, v, _ in out.read_bytes()] == [{"id": 1}])
    registry.stop()


# --- after a crash ---------------------------------------------------------------------------------------------------

def test_exactly_once_replays(own, broker, registry):
    """Killed between steps, with the registry away when it comes back: the same records, each once, in and out."""
    t, out = Topic(broker), Topic(broker)
    v1, v2 = record("r", ("id", "long")), record("r", ("x", "string"), ("id", "long"))
    ids = [registry.add("a", v1), registry.add("b", v2)]
    own.run("p", table("t", "id BIGINT NOT NULL",
                       kafka_in("k", broker, t.name, "avro", registered(registry), options={"start_from": "earliest"}), materialized=True) +
            view("v", "SELECT id FROM t", kafka_out("o", broker, out.name, "avro", registered(registry)), materialized=True), runtime_config=EXACTLY)
    n = 0
    for round in range(3):
        t.produce_bytes(*(message(ids[i % 2], (v1, v2)[i % 2], {"id": i, "x": "y"}) for i in range(n, n + 40)), b"bad")
        n += 40
        until("all are in", lambda: own.query("p", "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t") == [{"n": n, "m": n}])
        kill(own)
        registry.stop()
        registry.start()
        own.start_pipeline("p")
    until("all are there again", lambda: own.query("p", "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t") == [{"n": n, "m": n}])
    got = until("all are out", lambda: len(x := [registry.read(v)["id"] for _, v, _ in out.read_bytes() if v]) >= n and x)
    assert sorted(got) == list(range(n))


@pytest.mark.parametrize("config", [{}, EXACTLY], ids=["none", "exactly_once"])
def test_a_graceful_stop_while_the_registry_is_away(own, broker, config):
    registry, t, out = Registry(start=False), Topic(broker), Topic(broker)
    schema = record("r", ("id", "long"))
    t.produce_bytes(message(registry.add("a", schema), schema, {"id": 1}))
    own.run("p", table("t", "id BIGINT NOT NULL",
                       kafka_in("k", broker, t.name, "avro", registered(registry), options={"start_from": "earliest"}), materialized=True) +
            view("v", "SELECT * FROM t", kafka_out("o", broker, out.name, "avro", registered(registry))), runtime_config=config)
    until("both wait", lambda: all((c.get("health") or {}).get("status") == "Unhealthy" for k in ("inputs", "outputs") for c in own.stats("p")[k]))
    own.ok("POST", "/v0/pipelines/p/stop?force=false")
    own.wait_status("p", "Stopped")
    registry.start()
    own.start_pipeline("p")
    until("it is in", lambda: own.query("p", "SELECT id FROM t") == [{"id": 1}])
    until("and out", lambda: [registry.read(v) for _, v, _ in out.read_bytes() if v] == [{"id": 1}])
    registry.stop()


# --- configuration ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("config, place, words", [
    ({}, '{"update_format"', None),
    ({"schema": "{", "update_format": "raw"}, '"{"', "error parsing Avro schema: expected a member name in quotes at line 1 column 2"),
    ({"schema": '"int"'}, '"\\"int', "error validating Avro schema: the schema is 'int': expected a record"),
    ({"registry_urls": ["http://r"], "registry_password": "x"}, '"x"', "'registry_password' requires 'registry_username' to be set"),
    ({"registry_urls": ["http://r"], "registry_urlz": 1}, '"registry_urlz"', 'unknown field "registry_urlz"; did you mean "registry_urls"?'),
])
def test_a_wrong_configuration_has_its_place(tmp_path, config, place, words):
    if not config:
        config, words = {"update_format": "raw"}, "the Avro format needs a schema: set 'registry_urls', or 'schema' if all records have the same"
    program = table("t", "id BIGINT", file_in("f", "/dev/null", "avro", config))
    (tmp_path / "p.sql").write_text(program)
    r = headgate("check", tmp_path / "p.sql")
    assert r.code == 1 and words in r.err, r
    line = program.splitlines()[0]
    assert f":1:{line.index(place) + 1}: error" in r.err, (r, line)


def test_an_output_without_messages_is_refused(tmp_path):
    (tmp_path / "p.sql").write_text(table("t", "id BIGINT") + view("v", "SELECT * FROM t", connector("o", "file_output", {"path": "/dev/null"}, "avro", {})))
    r = headgate("check", tmp_path / "p.sql")
    assert r.code == 1 and "this output transport does not support key-value pairs, which the format 'avro' needs" in r.err, r
