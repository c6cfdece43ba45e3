"""Schemas of streams and transforms in connector files: what a sink is given of a message, and what a source's message is in the topic. One runtime has
them all, each a topic and a connector of its own."""
import base64
import io
import json
import re
import signal
import struct

import fastavro
import pytest
from hg import BUILD, ROOT, bulk, until
from hg.connectors import Runtime
from hg.iggy import Server

HTTP = BUILD / "plugins" / "libiggy_connector_http_sink.so"
PROTO = {"schema_path": str(ROOT / "tests/unit/iggy_codec/event.proto"), "message_type": "shop.Event"}
FLAT = {"schema_path": str(ROOT / "tests/unit/iggy_codec/event.fbs")}
AVRO = {"type": "record", "name": "E", "fields": [{"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"]}]}
AVRO_TEXT = json.dumps(AVRO)
EVENT = b"\x08\x07\x12\x02hi"  # of PROTO: {"id":7,"name":"hi"}
ANY = b"\x0a\x01t\x12\x01x"
OPTIONS = {"pretty_json": False, "include_metadata": False, "strict_mode": False}
PROTO_OPTIONS = OPTIONS | {"validate_messages": False, "type_url_prefix": "p"}
FLAT_OPTIONS = OPTIONS | {"verify_buffers": True, "buffer_size_hint": 1024}


def avro(value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(AVRO), value)
    return out.getvalue()


def other(data):
    """As http_sink tells bytes that are neither JSON nor text."""
    return json.dumps({"data": base64.b64encode(data).decode(), "iggy_payload_encoding": "base64"}, separators=(",", ":")).encode()


def static(key, value, **more):
    return {"key": key, "value": {"static": value}} | more


def computed(key, kind):
    return {"key": key, "value": {"computed": kind}}


def convert(kind, source, target, **more):
    common = {"source_format": source, "target_format": target, "conversion_options": {"avro": OPTIONS, "proto": PROTO_OPTIONS, "flat_buffer": FLAT_OPTIONS}[kind]}
    return {f"{kind}_convert": common | ({} if kind == "avro" else {"include_paths": ["."], "preserve_unknown_fields": False}) | more}


def filter_fields(patterns, **more):
    return {"filter_fields": {"patterns": patterns} | more}


def value_pattern(p, **more):
    return filter_fields([{"value_pattern": p}], **more)


WIDE = b'{"a_id":1,"b":"xay","c_id":5.5,"d":null,"e":[1],"f":{"x":1},"g":true,"h":-2}'
# name: (stream, transforms, payload, what the sink is given; None: the message is none, and the error has these words)
SINKS = {
    "json": ({}, {}, b' {"b" : 1, "a":"\\u00e9\\/"}', b'{"b":1,"a":"\\u00e9\\/"}'),
    "json-bad": ({}, {}, b"{broken", None),
    "raw": ({"schema": "raw"}, {}, b"\xff\0", other(b"\xff\0")),
    "text": ({"schema": "text"}, {}, "é\"".encode(), '"é\\""'.encode()),
    "text-bad": ({"schema": "text"}, {}, b"\xff", None),
    "avro": ({"schema": "avro", "avro_schema_json": AVRO_TEXT}, {}, avro({"id": 7, "name": "hi"}), b'{"id":7,"name":"hi"}'),
    "avro-bad": ({"schema": "avro", "avro_schema_json": AVRO_TEXT}, {}, avro({"id": 7, "name": "hi"}) + b"x", None),
    "proto-any": ({"schema": "proto"}, {}, ANY, b'{"type_url":"t","value":"eA=="}'),
    "proto-bad": ({"schema": "proto"}, {}, b"\xff", None),
    "proto-schema": ({"schema": "proto", "codec": PROTO | {"field_mappings": {"name": "called"}}}, {}, EVENT, b'{"id":7,"called":"hi"}'),
    "flat": ({"schema": "flat_buffer"}, {}, b"abcd", b'{"buffer_size":4,"has_root_table":true,"raw_data_base64":"YWJjZA=="}'),
    "flat-other-name": ({"schema": "flatbuffer", "codec": {"extract_as_json": False}}, {}, b"abcd", other(b"abcd")),
    "flat-bad": ({"schema": "flat_buffer", "codec": FLAT}, {}, b"abcd", None),
    # transforms of JSON objects
    "add": ({}, {"add_fields": {"fields": [static("a", 2), static("b", [1, {"x": 0.5}]), static("c", "s")]}}, b'{"a":1,"z":0}',
            b'{"a":2,"z":0,"b":[1,{"x":0.5}],"c":"s"}'),
    "add-no-object": ({}, {"add_fields": {"fields": [static("a", 2)]}}, b"[1,2]", b"[1,2]"),
    "add-to-text": ({"schema": "text"}, {"add_fields": {"fields": [static("a", 2)]}}, b"hi", b'"hi"'),
    "add-nothing": ({}, {"add_fields": {}}, b"{}", b"{}"),
    "update": ({}, {"update_fields": {"fields": [static("a", 2, condition="key_exists"), static("b", 3, condition="key_exists"), static("b", 4, condition="key_not_exists"),
                                                 static("b", 5, condition="key_exists"), static("c", 6, condition="always"), static("d", 7)]}}, b'{"a":1}',
               b'{"a":2,"b":5,"c":6,"d":7}'),
    "delete": ({}, {"delete_fields": {"fields": ["a", "c", "none"]}}, b'{"a":1,"b":{"a":1},"c":3,"d":4}', b'{"b":{"a":1},"d":4}'),
    "unwrap": ({}, {"unwrap_envelope": {"field": "b"}}, b'{"a":1,"b":[1, 2]}', b"[1,2]"),
    "unwrap-none": ({}, {"unwrap_envelope": {"field": "c"}}, b'{"a":1}', b'{"a":1}'),
    "disabled": ({}, {"delete_fields": {"enabled": False, "fields": 7}}, b'{"a":1}', b'{"a":1}'),
    "order-of-the-file": ({}, {"unwrap_envelope": {"field": "p"}, "delete_fields": {"fields": ["a"]}, "add_fields": {"fields": [static("a", 1)]},
                               "filter_fields": {"keep_fields": ["a"]}}, b'{"a":0,"p":{"a":2,"b":3}}', b'{"a":1}'),
    "other-order": ({}, {"filter_fields": {"keep_fields": ["a", "p"]}, "add_fields": {"fields": [static("a", 1)]}, "delete_fields": {"fields": ["a"]},
                         "unwrap_envelope": {"field": "p"}}, b'{"a":0,"p":{"a":2,"b":3},"x":0}', b'{"a":2,"b":3}'),
    "filter-keep": ({}, {"filter_fields": {"keep_fields": ["b", "a_id"]}}, WIDE, b'{"a_id":1,"b":"xay"}'),
    "filter-exact": ({}, filter_fields([{"key_pattern": {"exact": "b"}}]), WIDE, b'{"b":"xay"}'),
    "filter-starts": ({}, filter_fields([{"key_pattern": {"starts_with": "a"}}, {"key_pattern": {"contains": "_"}, "value_pattern": {"greater_than": 5}}]), WIDE,
                      b'{"a_id":1,"c_id":5.5}'),
    "filter-ends-out": ({}, filter_fields([{"key_pattern": {"ends_with": "_id"}}, {"value_pattern": "is_not_null"}], keep_fields=["g"], include_matching=False), WIDE,
                        b'{"d":null,"g":true}'),
    "filter-regex": ({}, filter_fields([{"key_pattern": {"regex": "^[ac]_"}}]), WIDE, b'{"a_id":1,"c_id":5.5}'),
    "filter-any": ({}, filter_fields([{}]), WIDE, WIDE),
    "filter-none": ({}, filter_fields([]), WIDE, WIDE),
    "value-equals": ({}, value_pattern({"equals": {"x": 1}}), WIDE, b'{"f":{"x":1}}'),
    "value-contains": ({}, value_pattern({"contains": "a"}), WIDE, b'{"b":"xay"}'),
    "value-regex": ({}, value_pattern({"regex": "^x.y$"}), WIDE, b'{"b":"xay"}'),
    "value-less": ({}, value_pattern({"less_than": 1}), WIDE, b'{"h":-2}'),
    "value-between": ({}, value_pattern({"between": [1, 5.5]}), WIDE, b'{"a_id":1,"c_id":5.5}'),
    **{f"value-{word}": ({}, value_pattern(word), WIDE, want) for word, want in [
        ("is_null", b'{"d":null}'), ("is_string", b'{"b":"xay"}'), ("is_number", b'{"a_id":1,"c_id":5.5,"h":-2}'), ("is_boolean", b'{"g":true}'),
        ("is_object", b'{"f":{"x":1}}'), ("is_array", b'{"e":[1]}')]},
    # conversions, with every key that Iggy's own needs
    "proto-to-json": ({"schema": "raw"}, convert("proto", "proto", "json", **PROTO, field_mappings={}), EVENT, b'{"id":7,"name":"hi"}'),
    "proto-any-to-json": ({"schema": "raw"}, convert("proto", "proto", "json"), ANY, b'{"type_url":"t","value":"eA=="}'),
    "proto-decoded-already": ({"schema": "proto"}, convert("proto", "proto", "json"), ANY, b'{"type_url":"t","value":"eA=="}'),
    "json-to-proto": ({}, convert("proto", "json", "proto", **PROTO, field_mappings={"called": "name"}), b'{"called":"hi","id":7}', other(EVENT)),
    "json-to-text": ({}, convert("proto", "json", "text", conversion_options=PROTO_OPTIONS | {"pretty_json": True}), b'{"a":[1]}', json.dumps('{\n  "a": [\n    1\n  ]\n}').encode()),
    "text-to-json": ({"schema": "text"}, convert("proto", "text", "json"), b'{"a": 1}', b'{"a":1}'),
    "json-to-raw": ({}, convert("proto", "json", "raw"), b"[1]", other(b"[1]")),
    "misfit": ({"schema": "text"}, convert("proto", "json", "proto"), b"hi", None),
    "json-to-avro": ({}, convert("avro", "json", "avro", schema_json=AVRO_TEXT, field_mappings={"n": "name"}), b'{"n":"hi","id":7}', other(avro({"id": 7, "name": "hi"}))),
    "json-to-avro-bad": ({}, convert("avro", "json", "avro", schema_json=AVRO_TEXT), b'{"name":"hi"}', None),
    "text-to-avro": ({"schema": "text"}, convert("avro", "text", "avro", schema_json=AVRO_TEXT), b'{"id":7}', other(avro({"id": 7, "name": None}))),
    "misfit-later": ({"schema": "raw"}, convert("avro", "raw", "avro") | convert("proto", "json", "text"), b"hi", None),
    "flat-to-text": ({"schema": "flat_buffer", "codec": {"extract_as_json": False}}, convert("flat_buffer", "flat_buffer", "text"), b"abcd", b'"YWJjZA=="'),
    "flat-to-raw": ({"schema": "flat_buffer", "codec": {"extract_as_json": False}}, convert("flat_buffer", "flat_buffer", "raw"), b"abcd", other(b"abcd")),
    "flat-and-back": ({}, convert("flat_buffer", "json", "flat_buffer", **FLAT, root_table_name="shop.Event", field_mappings={"called": "name"}),
                      b'{"id":7,"called":"hi","color":"Green"}', ...),
}
COMPUTED = {"date_time": r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.(\d{3}){1,3})?\+00:00"', "timestamp_nanos": r"\d{19}", "timestamp_micros": r"\d{16}", "timestamp_millis": r"\d{13}",
            "timestamp_seconds": r"\d{10}", "uuid_v4": '"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"',
            "uuid_v7": '"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"'}
# name: (stream, transforms, what {"n":0} of a source is in the topic)
SOURCES = {
    "json": ({}, {}, b'{"n":0}'),
    "text": ({"schema": "text"}, {}, b'{"n":0}'),
    "raw": ({"schema": "raw"}, convert("proto", "json", "raw"), b'{"n":0}'),
    "json-of-text": ({}, convert("proto", "json", "text"), b'"{\\"n\\":0}"'),
    "avro": ({"schema": "avro", "avro_schema_json": AVRO_TEXT}, {"add_fields": {"fields": [static("id", 7), static("name", "hi")]}}, avro({"id": 7, "name": "hi"})),
    "proto": ({"schema": "proto", "codec": PROTO}, {"add_fields": {"fields": [static("name", "hi"), static("id", 7)]}}, EVENT),
    "proto-any": ({"schema": "proto"}, {}, b'\x0a\x2ftype.googleapis.com/google.protobuf.StringValue\x12\x07{"n":0}'),
    "flat": ({"schema": "flat_buffer", "codec": FLAT}, {"add_fields": {"fields": [static("id", 7), static("name", "hi")]}}, ...),
}


# A message of three cannot be transformed: {"n":1} loses its n, and Avro wants one.
POLICIES = ["skip", "dead_letter", "fail"]
NEEDS_N = json.dumps({"type": "record", "name": "N", "fields": [{"name": "n", "type": "long"}]})
FAILS = value_pattern({"equals": 1}, include_matching=False) | convert("avro", "json", "avro", schema_json=NEEDS_N)


def there(stream, transforms):
    """Is the library that this one needs among what was built?"""
    text = json.dumps([stream, transforms])
    needed = [m for m, word in [("protobuf", "event.proto"), ("flatbuffers", "event.fbs"), ("regex", '"regex"')] if word in text]
    return all((BUILD / f"headgate-{m}.so").exists() for m in needed)


def flat_event(buffer):
    """(id, name) of an Event, by the layout of FlatBuffers."""
    table, = struct.unpack_from("<I", buffer)
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    id_at, name_at = struct.unpack_from("<HH", buffer, vtable + 4)
    text = table + name_at + struct.unpack_from("<I", buffer, table + name_at)[0]
    n, = struct.unpack_from("<I", buffer, text)
    return struct.unpack_from("<Q", buffer, table + id_at)[0], buffer[text + 4:text + 4 + n]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Everything at once: (the runtime, what was sent to each sink's address, what is in each source's topic)."""
    iggy, receiver = Server(), bulk.Receiver()
    r = Runtime(tmp_path_factory.mktemp("codecs"), iggy)
    try:
        sinks = {k: v for k, v in SINKS.items() if there(*v[:2])} | {"computed": ({}, {"add_fields": {"fields": [computed(k, k) for k in COMPUTED]}}, b"{}", ...)}
        with iggy.client() as c:
            for name, (stream, transforms, payload, _) in sinks.items():
                c.create(f"sink-{name}", "t")
                c.send(f"sink-{name}", "t", [payload])
                r.connector("sink", name, {"stream": f"sink-{name}", "topics": ["t"], "poll_interval": "2ms"} | stream,
                            {"url": f"{receiver.url}/{name}", "include_metadata": False}, path=HTTP, isolation="thread", transforms=transforms)
        for name, (stream, transforms, _) in SOURCES.items():
            if there(stream, transforms):
                r.connector("source", name, {"stream": f"source-{name}", "topic": "t", "linger_time": "0"} | stream, {"messages": 1, "batches": 1}, isolation="thread",
                            transforms=transforms)
        with iggy.client() as c:
            for p in POLICIES:
                errors = {"on_record": p, "dead_letter_topic": "dead"}
                c.create(f"fails-{p}", "t")
                c.send(f"fails-{p}", "t", [b'{"n":%d}' % n for n in range(3)])
                r.connector("sink", f"fails-{p}", {"stream": f"fails-{p}", "topics": ["t"], "poll_interval": "2ms"}, {"url": f"{receiver.url}/fails-{p}", "include_metadata": False},
                            path=HTTP, isolation="thread", transforms=FAILS, errors=errors)
                r.connector("source", f"fails-{p}", {"stream": f"from-{p}", "topic": "t", "linger_time": "0", "schema": "avro", "avro_schema_json": NEEDS_N},
                            {"messages": 3, "batches": 1}, isolation="thread", transforms=FAILS, errors=errors | {"dead_letter_stream": f"from-{p}", "backoff": "10ms"})
        r.start()
        until("all were dealt with", lambda: all(c["messages_processed"] + c["errors"] for c in r.get("/stats")["connectors"] if c["connector_type"] == "sink"))
        until("all have ended", lambda: all(c.get("why") == "ended" for c in r.get("/sources") if c["key"] != "fails-fail"))
        topics = {}
        with iggy.client() as c:
            for name in SOURCES:
                if c.partitions(f"source-{name}", "t"):
                    topics[name] = [m.payload for m in c.read(f"source-{name}", "t")]
        yield r, receiver, topics
        assert r.stop() == 0
    finally:
        r.stop(signal.SIGKILL)
        receiver.close()
        iggy.close()


def sent(world, name):
    r, receiver, _ = world
    if not there(*SINKS.get(name, ({}, {}))[:2]):
        pytest.skip("its library was not built")
    assert r.get(f"/sinks/{name}")["status"] == "running", r.log
    return [body for _, path, _, body in receiver.requests if path == f"/{name}"]


@pytest.mark.parametrize("name", [k for k, v in SINKS.items() if v[3] is not ...])
def test_what_a_sink_is_given(world, name):
    want = SINKS[name][3]
    assert sent(world, name) == ([want] if want is not None else [])
    assert world[0].stats(name)["errors"] == (want is None)


def test_a_sink_is_given_a_flat_buffer(world):
    body, = sent(world, "flat-and-back")
    assert flat_event(base64.b64decode(json.loads(body)["data"])) == (7, b"hi")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_message_that_cannot_be_transformed(world, policy):
    r, receiver, _ = world
    key = f"fails-{policy}"

    def given():
        return [base64.b64decode(json.loads(body)["data"]) for _, path, _, body in receiver.requests if path == f"/{key}"]

    def source():
        return next(c for c in r.get("/stats")["connectors"] if c["key"] == key and c["connector_type"] == "source")

    def inside(stream, topic):
        with r.iggy.client() as c:
            return c.read(stream, topic) if c.partitions(stream, topic) else []

    if policy == "fail":  # the sink stops before the batch, the source brings it again
        until("it stops", lambda: "avro_convert" in str(r.get(f"/sinks/{key}")["last_error"]))
        until("it came again", lambda: source()["errors"] >= 2)
        assert given() == inside(f"from-{policy}", "t") == []
        with r.iggy.client() as c:
            assert c.offset(f"fails-{policy}", "t", 0, f"iggy-connect-sink-{key}", True) is None
        return
    until("the third came", lambda: len(given()) == 2)
    assert given() == [b"\0", b"\4"]
    assert [m.payload for m in inside(f"from-{policy}", "t")] == [b"\0", b"\4"]
    for stream in (f"fails-{policy}", f"from-{policy}"):
        if policy == "dead_letter":
            dead, = until("the dead letter is there", lambda s=stream: inside(s, "dead"))
            assert dead.payload == b'{"n":1}' and "transform" in str(dead.headers)
        else:
            assert inside(stream, "dead") == []


def test_computed_values(world):
    body, = sent(world, "computed")
    assert re.fullmatch("{" + ",".join(f'"{k}":{v}' for k, v in COMPUTED.items()) + "}", body.decode()), body


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_source_leaves_in_the_topic(world, name):
    r, _, topics = world
    stream, transforms, want = SOURCES[name]
    if not there(stream, transforms):
        pytest.skip("its library was not built")
    assert r.get(f"/sources/{name}")["why"] == "ended", r.log
    got, = topics[name]
    assert flat_event(got) == (7, b"hi") if want is ... else got == want
