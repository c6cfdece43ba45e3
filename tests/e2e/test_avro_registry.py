"""Avro with any schema registry (tests/lib/hg/registry_real.py): with one of others these find out what a stand-in cannot, because it has our ideas of the API.

Subjects have names of their own in each test: the registry may be one that stays."""
import uuid

import fastavro
import pytest

from hg import registry_real, until
from hg.kafka import Topic
from hg.registry import message
from hg.run import run
from hg.sql import kafka_in, kafka_out, table, view
from test_avro import ALL, COLUMNS, EOF, ROWS, as_text, record, without_defaults


@pytest.fixture(scope="module", params=registry_real.KINDS)
def registry(request):
    r = registry_real.Real(request.param)
    yield r
    r.close()


@pytest.fixture
def name():
    """Of a view, and so of the subjects that it makes."""
    return "v" + uuid.uuid4().hex[:12]


def renamed(schema, old, new):
    """The schema of a view by another name; its records carry the view's name in theirs."""
    if isinstance(schema, dict):
        return {k: new + v[len(old):] if k in ("name", "namespace") and isinstance(v, str) and (v == old or v.startswith(old + ".")) else renamed(v, old, new)
                for k, v in schema.items()}
    return [renamed(x, old, new) for x in schema] if isinstance(schema, list) else schema


def test_every_type_both_ways(tmp_path, broker, registry, name):
    """fastavro → headgate → fastavro by way of the registry's own text of the schemas."""
    there, back = Topic(broker), Topic(broker)
    schema = registry.add(f"{name}-in", ALL)
    there.produce_bytes(*(message(schema, ALL, r) for r in ROWS))
    r = run(tmp_path, table("src", ", ".join(f"{n} {sql}" for n, sql, *_ in COLUMNS), kafka_in("k", broker, there.name, "avro", registry.config(), options=EOF)) +
            view(name, "SELECT * FROM src", kafka_out("o", broker, back.name, "avro", registry.config())), "--until-complete")
    assert r.code == 0, r
    assert as_text(registry.read(payload) for _, payload, _ in back.read_bytes()) == as_text(ROWS)
    assert without_defaults(registry.schema(name)) == renamed(ALL, "v", name)


def test_references_and_evolution(own, broker, registry, name):
    """Writers go on to a schema that refers to another subject, which refers to a third one, while the pipeline runs."""
    t = Topic(broker)
    v1 = record("r", ("id", "int"))
    color = {"type": "enum", "name": "color", "namespace": "x.y", "symbols": ["red", "blue"]}
    part = record("part", ("color", "x.y.color"), ("n", ["null", "int"]), namespace="x.y")
    v2 = record("r", ("note", ["null", "string"]), ("id", "long"), ("part", ["null", "x.y.part"]))
    i1 = registry.add(f"{name}-value", v1)
    t.produce_bytes(message(i1, v1, {"id": 1}))
    own.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY, note VARCHAR, part ROW(color VARCHAR NULL, n INT NULL) NULL",
                       kafka_in("k", broker, t.name, "avro", registry.config(), options={"start_from": "earliest"}), materialized=True))
    until("the first is in", lambda: own.query("p", "SELECT * FROM t") == [{"id": 1, "note": None, "part": None}])
    registry.add(f"{name}-color", color)
    registry.add(f"{name}-part", part, [("x.y.color", f"{name}-color")])
    registry.compatibility(f"{name}-value", "NONE")
    i2 = registry.add(f"{name}-value", v2, [("x.y.part", f"{name}-part")])
    assert i2 != i1
    named = {}
    for s in (color, part):
        fastavro.parse_schema(s, named_schemas=named)
    t.produce_bytes(message(i2, v2, {"note": "x", "id": 2**40, "part": {"color": "blue", "n": None}}, named), message(i1, v1, {"id": 3}))
    until("both are in", lambda: own.query("p", "SELECT * FROM t ORDER BY id") == [
        {"id": 1, "note": None, "part": None}, {"id": 3, "note": None, "part": None}, {"id": 2**40, "note": "x", "part": {"color": "blue", "n": None}}])
    assert own.input("p", "t.k")["metrics"]["num_parse_errors"] == 0


def test_an_id_that_it_does_not_have(tmp_path, broker, registry, name):
    """The record is refused with the registry's words, the others are read."""
    t, out = Topic(broker), Topic(broker)
    schema = record("r", ("id", "long"))
    i = registry.add(f"{name}-value", schema)
    t.produce_bytes(message(2**31 - 7, schema, {"id": 1}), message(i, schema, {"id": 2}))
    r = run(tmp_path, table("t", "id BIGINT", kafka_in("k", broker, t.name, "avro", registry.config(), options=EOF)) +
            view(name, "SELECT * FROM t", kafka_out("o", broker, out.name, "avro", registry.config())), "--until-complete")
    assert r.code == 0 and "schema 2147483641: the schema registry answers 404" in r.out, r
    assert [registry.read(v) for _, v, _ in out.read_bytes()] == [{"id": 2}]


def test_keys_and_their_subjects(own, broker, registry, name):
    """Both schemas of a keyed output, a delete without a value; the same schemas are registered once."""
    out = Topic(broker, name=f"{name}.topic")
    own.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY, x DECIMAL(10, 2)") +
            view(name, "SELECT * FROM t", kafka_out("o", broker, out.name, "avro", registry.config(update_format="confluent_jdbc", namespace="com.x"), index="ix")) +
            f"CREATE INDEX ix ON {name}(id);")
    for change in ('{"insert":{"id":1,"x":1.5}}', '{"insert":{"id":1,"x":null}}', '{"delete":{"id":1}}'):
        own.wait_token("p", own.ingress("p", "t", change, format="json", update_format="insert_delete").json()["token"])
    got = [(registry.read(k), v and registry.read(v)) for k, v, _ in out.read_bytes()]
    assert [(k, v and (v["id"], v["x"] and str(v["x"]))) for k, v in got] == [({"id": 1}, (1, "1.50")), ({"id": 1}, (1, None)), ({"id": 1}, None)]
    assert registry.subjects(name) == [f"{out.name}-key", f"{out.name}-value"]
    before = [registry.ask("GET", f"/subjects/{s}/versions") for s in registry.subjects(name)]
    own.stop_pipeline("p")
    own.start_pipeline("p")
    own.wait_token("p", own.ingress("p", "t", '{"insert":{"id":2,"x":2}}', format="json", update_format="insert_delete").json()["token"])
    assert [registry.ask("GET", f"/subjects/{s}/versions") for s in registry.subjects(name)] == before == [[1], [1]]


def test_an_incompatible_schema_fails_the_output(own, broker, registry, name):
    registry.add(name, record(name, ("other", "string")))
    registry.compatibility(name, "FULL")
    out = Topic(broker)
    own.run("p", table("t", "id BIGINT NOT NULL") + view(name, "SELECT * FROM t", kafka_out("o", broker, out.name, "avro", registry.config())))
    why = until("the output has failed", lambda: next(c["fatal_error"] for c in own.stats("p")["outputs"] if c["endpoint_name"] == f"{name}.o"))
    assert f"schema of subject '{name}': the schema registry answers 409" in why
    assert out.read_bytes() == []
