"""Transforms of a pipeline's connectors: before the parser, behind the encoder, refused where they make no sense, and the same in a replay."""
import json

import pytest

from hg import BUILD, until, whole_lines
from hg.kafka import Topic
from hg.run import headgate, run
from hg.sql import datagen, file_in, file_out, kafka_in, kafka_out, table, view
from test_durable import kill
from test_exactly_once import EXACTLY, wait_count

SCHEMA = '{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}'


def need(module):
    if not (BUILD / f"headgate-{module}.so").exists():
        pytest.skip(f"headgate-{module}.so was not built")


def lines(path):
    return whole_lines(path)


def through(tmp_path, text, transforms, columns="a BIGINT, src VARCHAR", fmt_config=None, out=None):
    (tmp_path / "in.json").write_text(text)
    src = file_in("i", tmp_path / "in.json", fmt_config={"update_format": "raw", **(fmt_config or {})}, transforms=transforms)
    dst = file_out("o", tmp_path / "out.json", **({"transforms": out} if out else {}))
    r = run(tmp_path, table("t", columns, src) + view("v", "SELECT * FROM t", dst), "--until-complete")
    assert r.code == 0, r
    return lines(tmp_path / "out.json"), r


def test_in_the_order_of_the_list(tmp_path):
    got, _ = through(tmp_path, '{"id":1,"payload":{"a":1}}\n{"id":2, "payload" : {"a":9223372036854775807,"b":"x"}}',
                     [{"type": "unwrap_envelope", "field": "payload"}, {"type": "add_fields", "fields": [{"key": "src", "value": {"static": "f"}}]}],
                     out=[{"type": "unwrap_envelope", "field": "insert"}, {"type": "add_fields", "enabled": False, "fields": 7},
                          {"type": "update_fields", "fields": [{"key": "src", "value": {"static": "o"}, "condition": "key_exists"}]}])
    assert got == ['{"a":1,"src":"o"}', '{"a":9223372036854775807,"src":"o"}']


@pytest.mark.parametrize("by", ["single", "multiple"])
def test_bad_records_cost_no_good_neighbour(tmp_path, by):
    """What is no JSON is the parser's to complain of; what cannot be transformed is left out, and said."""
    convert = [{"type": "avro_convert", "source_format": "json", "target_format": "avro", "schema_json": SCHEMA},
               {"type": "avro_convert", "source_format": "avro", "target_format": "json", "schema_json": SCHEMA}]
    got, r = through(tmp_path, '{"a":1,"x":0}\n{"a":"one"}\nnonsense\n{"a":2}\n', convert, "a BIGINT", {"lines": by})
    assert got == ['{"insert":{"a":1}}', '{"insert":{"a":2}}']
    assert "avro_convert: field 'a': the Avro schema wants int, found string \"one\"" in r.out, r
    assert "2 errors" in r.out, r


def test_many_records(tmp_path):
    n = 60000
    got, _ = through(tmp_path, "".join('{"d":{"a":%d}}\n' % i for i in range(n)), [{"type": "unwrap_envelope", "field": "d"},
                     {"type": "add_fields", "fields": [{"key": "src", "value": {"static": "s" * 20}}]}])
    assert sorted(json.loads(x)["insert"]["a"] for x in got) == list(range(n))


def test_computed_values(tmp_path):
    got, _ = through(tmp_path, '{"a":1}\n{"a":2}\n', [{"type": "add_fields", "fields": [{"key": "src", "value": {"computed": "uuid_v7"}}]}])
    ids = [json.loads(x)["insert"]["src"] for x in got]
    assert len(set(ids)) == 2 and all(len(i) == 36 and i[14] == "7" for i in ids) and ids == sorted(ids)


def test_protobuf_messages_from_kafka(tmp_path, broker):
    """Messages of a .proto file become rows, and rows JSON messages of another shape."""
    need("protobuf")
    (tmp_path / "e.proto").write_text('syntax = "proto3"; message E { sint64 id = 1; string s = 2; }')
    src, dst = Topic(broker), Topic(broker)
    src.produce_bytes(b"\x08\x03\x12\x01x", b"\x08", b"\x08\x04")
    convert = {"type": "proto_convert", "source_format": "proto", "target_format": "json", "schema_path": str(tmp_path / "e.proto")}
    r = run(tmp_path, table("t", "id BIGINT, s VARCHAR", kafka_in("k", broker, src.name, options={"start_from": "earliest", "enable.partition.eof": "true"},
                                                                  transforms=[convert])) +
            view("v", "SELECT * FROM t", kafka_out("o", broker, dst.name, fmt_config={"buffer_size_records": 1},
                                                   transforms=[{"type": "unwrap_envelope", "field": "insert"}])), "--until-complete")
    assert r.code == 0 and "no message of type E" in r.out, r
    assert sorted(filter(None, dst.read())) == ['{"id":-2,"s":"x"}', '{"id":2,"s":null}']


REFUSED = [
    (file_in("c", "/x", "csv", {}, transforms=[]), "they need the format 'json', not 'csv'"),
    (file_in("c", "/x", fmt_config={"array": True}, transforms=[]), '"array": true'),
    (datagen("c", transforms=[]), "'datagen' has none"),
    (file_in("c", "/x", transforms=[{"type": "ad_fields"}]), "did you mean 'add_fields'?"),
    (file_in("c", "/x", transforms=[{"type": "delete_fields", "fields": "a"}]), "option 'fields': expected an array of strings"),
    (file_in("c", "/x", transforms=[{"type": "proto_convert", "source_format": "proto", "target_format": "json"}]), "reads a stream of bytes"),
    (file_in("c", "/x", transforms=[{"type": "proto_convert", "source_format": "json", "target_format": "text"}]), "has to be JSON in the end"),
]


@pytest.mark.parametrize("given, words", REFUSED, ids=[w for _, w in REFUSED])
def test_refused_at_its_place(tmp_path, given, words):
    (tmp_path / "p.sql").write_text("CREATE TABLE t (a INT) WITH ('connectors' = '\n" + json.dumps([given]) + "');\nCREATE VIEW v AS SELECT a FROM t;\n")
    r = headgate("check", tmp_path / "p.sql")
    assert r.code == 1 and words in r.err + r.out, r
    assert "p.sql:2:" in r.err + r.out, r


def test_an_output_has_json(tmp_path):
    out = file_out("c", "/x", transforms=[{"type": "proto_convert", "source_format": "text", "target_format": "json"}])
    (tmp_path / "p.sql").write_text(table("t", "a INT") + view("v", "SELECT a FROM t", out))
    r = headgate("check", tmp_path / "p.sql")
    assert r.code == 1 and "what an output has is JSON" in r.err + r.out, r


def test_files_that_programs_may_not_read(tmp_path):
    """A schema is a file like any other: --allow-path."""
    from test_access import compile_error, limited
    (tmp_path / "ok").mkdir()
    (tmp_path / "e.avsc").write_text(SCHEMA)
    convert = {"type": "avro_convert", "source_format": "json", "target_format": "avro", "schema_path": str(tmp_path / "e.avsc")}
    program = "CREATE TABLE t (a INT) WITH ('connectors' = '\n" + json.dumps([file_in("c", tmp_path / "ok" / "x", transforms=[convert])]) + "');"
    with limited("--allow-path", str(tmp_path / "ok")) as d:
        message, _ = compile_error(d, program)
        assert "e.avsc" in message and "--allow-path" in message, message


def test_the_same_in_a_replay(own, tmp_path):
    """exactly_once: killed on the way, again and again; each record is there once, transformed."""
    src, out = tmp_path / "in.json", tmp_path / "out.json"
    src.touch()
    ins = [{"type": "unwrap_envelope", "field": "d"}, {"type": "add_fields", "fields": [{"key": "s", "value": {"static": "x"}}]}]
    outs = [{"type": "unwrap_envelope", "field": "insert"}, {"type": "delete_fields", "fields": ["s"]}]
    own.run("p", table("t", "id BIGINT, s VARCHAR", file_in("f", src, follow=True, transforms=ins), materialized=True) +
            view("v", "SELECT * FROM t", file_out("o", out, transforms=outs)), runtime_config=EXACTLY)
    n = 0
    for _ in range(3):
        with open(src, "a") as f:
            f.writelines(json.dumps({"d": {"id": i}}) + "\n" for i in range(n, n + 200))
        n += 200
        wait_count(own, "t", n)
        kill(own)
        own.start_pipeline("p")
    wait_count(own, "t", n)
    until("the file has all", lambda: len(lines(out)) >= n)
    assert sorted(json.loads(x)["id"] for x in lines(out)) == list(range(n)) and '"s"' not in out.read_text()


def test_what_varies_is_no_match_for_exactly_once(own, tmp_path):
    vary = [{"type": "add_fields", "fields": [{"key": "s", "value": {"computed": "uuid_v4"}}]}]
    own.create("p", table("t", "id BIGINT, s VARCHAR", file_in("f", tmp_path / "in.json", transforms=vary)), runtime_config=EXACTLY)
    own.ok("POST", "/v0/pipelines/p/start")
    error = until("it is refused", lambda: own.get("/v0/pipelines/p").json()["deployment_error"])
    assert "the transform add_fields of endpoint t.f puts in times or random values" in error["message"], error
