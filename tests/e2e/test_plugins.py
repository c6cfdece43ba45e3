"""The connectors of plugins/, each at its boundary (include/headgate/iggy_plugin.h), without a runtime around it. test-labels: threads long"""
import json
import os
import subprocess
import threading

import pytest

from hg import BUILD, PATIENCE, ROOT, aws, bulk, iggy_plugin, mongo, postgres, s3, until
from hg.iggy_plugin import ERROR, JSON, RAW, TEXT, WARN, Host, varint

QUICK = {"retry_delay": "1ms", "max_retry_delay": "20ms"}
PG_QUICK = {"retry_delay": "1ms"}


@pytest.fixture
def host():
    hosts = []

    def make(name, **kw):
        hosts.append(Host(name, **kw))
        return hosts[-1]
    yield make
    for h in hosts:
        h.close()


@pytest.fixture
def receiver():
    r = bulk.Receiver()
    yield r
    r.close()


def every_third(n, request):
    return (503, {}, b"busy") if n % 3 == 0 else None


def docs(n, first=0):
    return [{"n": first + i, "text": f"é {first + i}"} for i in range(n)]


# --- what all share ------------------------------------------------------------------------------------------------------------------------------

def test_instances(host):
    """Ids: taken once, freed by close, also after an open that failed; nothing is known of what is not open."""
    h = host("stdout_sink")
    assert h.call("version", "sink") == 0
    assert h.consume(docs(1)) == -1
    assert h.open_sink(b"null") == 0 and h.open_sink({}) == -1
    assert h.open_sink({"print_payload": True}, id=2) == 0
    assert h.consume(docs(2)) == 0 and h.consume([b"hi"], id=2, schema=TEXT) == 0
    assert h.close_sink() == 0 and h.close_sink() == -1 and h.consume(docs(1)) == -1
    assert h.open_sink(b"{not json", id=3) == -1 and h.open_sink({}, id=3) == -1
    assert h.close_sink(3) == -1 and h.open_sink({}, id=3) == 0
    assert any("plugin_config is not JSON" in t for t in h.lines(ERROR))
    assert any(t == "offset 0: hi" for t in h.lines()) and any("2 messages of stream/topic, partition 1, offset 0, schema json, call 1" in t for t in h.lines())
    assert {target for _, target, _ in h.log} == {"stdout_sink"}


def test_configuration_is_told(host):
    h = host("http_sink")
    for config, said in [({}, "url"), ({"url": "ftp://x"}, "http://"), ({"url": "http://x", "timeout": "soon"}, "'soon' is not a duration"),
                         ({"url": "http://x", "batch_mode": "nd"}, "batch_mode"), ({"url": "http://x", "method": "HEAD"}, "a HEAD has no body"),
                         ({"url": "http://x", "retry_delay": "1 fortnight"}, "'1 fortnight' is not a duration"), ({"url": "http://x", "headers": {"a": 1}}, "'a'"),
                         ({"url": "http://x", "success_status_codes": [1]}, "100 to 599"), ([], "an array")]:
        assert h.open_sink(config, id=9) in (1, -1)
        assert any(said in t for t in h.lines(ERROR)), (said, h.log)
        h.call("sink_close", 9)
        h.log.clear()
    assert h.open_sink({"url": "http://127.0.0.1:1", "max_retrys": 1, "timeout": "1min 30sec", "retry_delay": "2 seconds"}) == 0
    assert any("max_retrys" in t and "max_retries" in t for t in h.lines(WARN))


def test_undecodable(host):
    h = host("stdout_sink")
    assert h.open_sink({}) == 0
    good = [iggy_plugin.topic(), iggy_plugin.meta(), iggy_plugin.messages(docs(3))]
    assert h.call("consume", 1, *good) == 0
    for at, bytes_ in [(0, b""), (0, b"\x05ab"), (0, b"\x01\xff\x01a"), (1, b"\x01"), (1, varint(1) + varint(0) + b"\x06"), (2, b""), (2, b"\x00"),
                       (2, good[2][:-1]), (2, b"\x00\xff\xff\xff\xff\x0f")]:
        words = list(good)
        words[at] = bytes_
        assert h.call("consume", 1, *words) == -1
    assert h.call("consume", 1, *good[:2], good[2] + b"x") == 0  # what follows the value is not looked at
    assert h.call("consume", 1, *good[:2], b"\x00\x00") == 0  # an empty batch


def test_level_of_log(host):
    h = host("stdout_sink", env={"RUST_LOG": "error,hyper=trace"})
    assert h.open_sink({}) == 0 and h.consume(docs(1)) == 0
    assert not h.log


# --- random source -------------------------------------------------------------------------------------------------------------------------------

def test_random_source(host):
    h = host("random_source")
    config = {"interval": "0ms", "messages_range": [2, 3], "payload_size": 10, "max_count": 5}
    h.run_source(config)
    id, n, b = h.batch()
    assert (id, n, b.schema, len(b.payloads), b.state) == (1, 1, JSON, 2, b"\x91\x02")
    doc = b.json()[0]
    assert list(doc) == ["id", "title", "name", "text"] and len(doc["text"]) == 10 and doc["id"][14] == "4" and b.ids == [None, None]
    assert h.result(7) == -1 and h.result(1, id=4) == -1  # not in flight; no such instance
    assert h.result(1, code=1) == 0  # refused: the same position again, as the next batch
    _, n, b = h.batch()
    assert (n, b.state) == (2, b"\x91\x02")
    assert h.result(1) == -1 and h.result(2) == 0
    _, n, b = h.batch()
    assert (n, b.state) == (3, b"\x91\x04")
    assert h.result(3) == 0
    _, n, b = h.batch()
    assert (n, b.state, len(b.payloads)) == (4, b"\x91\x05", 1)
    assert h.ended.empty() and h.result(4) == 0
    assert h.ended.get(timeout=60) == 1
    assert h.call("source_close", 1) == 0 and h.call("source_close", 1) == -1 and h.result(4) == -1


def test_random_source_goes_on(host):
    h = host("random_source")
    h.run_source({"interval": "0ms", "messages_range": [300, 301], "payload_size": 1}, state=b"\x91\x0a")
    assert h.batch()[2].state == b"\x91\xcd\x01\x36"  # 310
    assert h.call("source_close", 1) == 0  # with a batch in flight: refused
    h.run_source({"interval": "0ms", "messages_range": [1, 2]}, state=b"rubbish", id=2)
    assert h.batch()[2].state == b"\x91\x01" and any("state" in t for t in h.lines(WARN))
    assert h.call("source_close", 2) == 0


def test_source_is_never_given_up(host):
    """A host that refuses, by its results and by send itself, gets the same again, more than five times."""
    h = host("random_source")
    h.run_source({"interval": "0ms", "messages_range": [1, 2]})
    for k in range(1, 6):  # the pauses double: each further one is as long as all before
        _, n, b = h.batch()
        assert (n, b.state) == (k, b"\x91\x01")
        assert h.result(k, code=1 if k % 2 else 7) == (0 if k % 2 else -1)
    h.call("accept", -1)
    h.batch()
    assert h.batch()[2].state == b"\x91\x01"
    assert h.call("source_close", 1) == 0


# --- HTTP ----------------------------------------------------------------------------------------------------------------------------------------

def bodies(receiver):
    return [b for _, _, _, b in receiver.requests]


def test_http_ndjson_every_third_fails(host, receiver):
    h = host("http_sink")
    receiver.fail = every_third
    assert h.open_sink({"url": receiver.url + "/in", "batch_mode": "ndjson", "include_checksum": True, "headers": {"X-Key": "k"}, **QUICK}) == 0
    for k in range(8):
        assert h.consume(docs(100, 100 * k), first=100 * k, headers=[("string", "trace", b"abc"), ("uint32", "retry", b"\x07\0\0\0"), ("raw", "r", b"\xff")]) == 0
    got = [json.loads(line) for b in bodies(receiver) for line in b.splitlines()]
    assert [g["payload"]["n"] for g in got] == list(range(800)) and receiver.refused
    assert got[5]["metadata"] == {"iggy_id": f"{(7 << 64) + 6:032x}", "iggy_offset": 5, "iggy_timestamp": 1710064800000005, "iggy_stream": "stream",
                                  "iggy_topic": "topic", "iggy_partition_id": 1, "iggy_checksum": 99,
                                  "iggy_headers": {"trace": "abc", "retry": "7", "r": {"data": "/w==", "iggy_header_encoding": "base64"}}}
    method, path, headers, _ = receiver.requests[0]
    assert (method, path, headers["Content-Type"], headers["X-Key"]) == ("POST", "/in", "application/x-ndjson", "k")


@pytest.mark.parametrize("mode,schema,payload,want,type_", [
    ("json_array", JSON, b'{\n "a": 1e400 }', b'[{  "a": 1e400 }]', "application/json"), ("individual", JSON, b"[1]", b"[1]", "application/json"),
    ("individual", TEXT, 'a"é'.encode(), '"a\\"é"'.encode(), "application/json"), ("raw", RAW, b"\xff\0", b"\xff\0", "application/octet-stream"),
    ("ndjson", RAW, b"\xff", b'{"data":"/w==","iggy_payload_encoding":"base64"}\n', "application/x-ndjson")])
def test_http_bodies(host, receiver, mode, schema, payload, want, type_):
    h = host("http_sink")
    assert h.open_sink({"url": receiver.url, "batch_mode": mode, "include_metadata": False}) == 0
    assert h.consume([payload], schema=schema) == 0
    assert bodies(receiver) == [want] and receiver.requests[0][2]["Content-Type"] == type_


@pytest.mark.parametrize("mode,end", [("ndjson", b"\n"), ("json_array", b"]")])
def test_http_bodies_are_no_larger_than_told(host, receiver, mode, end):
    h = host("http_sink")
    assert h.open_sink({"url": receiver.url, "batch_mode": mode, "include_metadata": False, "max_payload_size_bytes": 40}) == 0
    assert h.consume([b'"%s"' % (b"x" * n) for n in (10, 10, 9, 30, 1, 38, 2, 39, 7, 21)]) == 0
    assert all(b.endswith(end) for b in bodies(receiver))
    got = [[json.loads(line) for line in b.splitlines()] if mode == "ndjson" else json.loads(b) for b in bodies(receiver)]
    assert [[len(x) for x in b] for b in got] == [[10, 10, 9], [30, 1], [38], [2, 7, 21]]
    assert [len(b) for b in bodies(receiver) if len(b) > 40] == [41 if mode == "ndjson" else 42]  # one message alone, with what goes around it


def test_http_answers_tell_the_truth(host, receiver):
    h = host("http_sink")
    assert h.open_sink({"url": receiver.url, "batch_mode": "ndjson", **QUICK, "max_retries": 2}) == 0
    for status, answer, tries in [(429, 1, 3), (503, 1, 3), (0, 1, 3), (400, -1, 1), (401, -1, 1), (301, -1, 1)]:
        receiver.refused.clear()
        receiver.fail = lambda n, r: (status, {}, b"why not")
        assert h.consume(docs(2)) == answer, status
        assert len(receiver.refused) == tries or status == 0, status  # a kept connection that ends without an answer is tried once more by libcurl
    receiver.fail = lambda n, r: None
    assert not receiver.requests and h.consume(docs(2)) == 0
    assert any("status 400: why not" in t for t in h.lines(ERROR))


def test_http_retry_after(host, receiver):
    """The server's wish counts, but not beyond max_retry_delay; and a close ends the wait."""
    h = host("http_sink")
    assert h.open_sink({"url": receiver.url, "retry_delay": "1ms", "max_retry_delay": "1h"}) == 0
    receiver.fail = lambda n, r: (429, {"Retry-After": "3000"}, b"")
    answer = h.begin_consume(docs(1))
    h.wait_log("the next one in 3000000 ms")
    assert h.close_sink() == 0 and answer() == 1


def test_http_one_bad_message_costs_itself(host, receiver):
    h = host("http_sink")
    assert h.open_sink({"url": receiver.url, "include_metadata": False, "max_payload_size_bytes": 60}) == 0
    receiver.fail = lambda n, r: (422, {}, b"odd") if b"odd" in r[3] else None
    assert h.consume([b'{"a":1}', b"{broken", b'"odd"', b'"' + b"x" * 100 + b'"', b'{"a":2}']) == 0
    assert bodies(receiver) == [b'{"a":1}', b'{"a":2}']
    said = [t for t in h.lines(ERROR) if "is left out" in t]
    assert [("offset 1 " in said[0] and "not JSON" in said[0]), ("offset 2 " in said[1] and "422" in said[1]), "101" not in said[2] and "102 bytes" in said[2]] == [True] * 3


def test_what_is_left_out_is_told_to_a_host_that_asks(host, receiver):
    h = host("http_sink")
    assert h.call("on_reject", 1) != 0  # no such instance
    assert h.open_sink({"url": receiver.url, "include_metadata": False}) == 0 == h.call("on_reject", 1)
    receiver.fail = lambda n, r: (422, {}, b"odd") if b"odd" in r[3] else None
    assert h.consume([b'{"a":1}', b"{broken", b'"odd"', *[b"no" for _ in range(7)]]) == 0
    assert [(i, at) for i, at, _ in h.rejected] == [(1, at) for at in range(1, 10)]
    assert "not JSON" in h.rejected[0][2] and "422" in h.rejected[1][2]
    assert not any("left out" in t for t in h.lines())


GATED = {"http_sink": {"batch_mode": "ndjson", "include_metadata": False, "max_payload_size_bytes": 40},
         "quickwit_sink": {"index": "index_id: i", "max_body_bytes": 10},
         "elasticsearch_sink": {"index": "i", "batch_size": 1}}


@pytest.mark.parametrize("sink", GATED)
def test_nothing_of_a_batch_leaves_before_its_gate(host, receiver, sink):
    """Three requests of one batch: it asks once, and before the first one."""
    h = host(sink)
    receiver.answer = lambda request: (200, {}, b'{"errors":false}')
    assert h.call("on_gate", 1) != 0  # no such instance
    assert h.open_sink({"url": receiver.url, **GATED[sink], **QUICK}) == 0 == h.call("on_gate", 1)
    before, said = len(receiver.requests), len(h.lines())
    answer = h.begin_consume(docs(3))
    assert h.gates.get(timeout=PATIENCE) == 1 and len(receiver.requests) == before
    assert h.call("pass", 1) == 0 and answer() != 0  # taken back
    assert len(receiver.requests) == before and len(h.lines()) == said
    answer = h.begin_consume(docs(3))
    assert h.gates.get(timeout=PATIENCE) == 1 and len(receiver.requests) == before
    assert h.call("pass", 0) == 0 and answer() == 0
    assert len(receiver.requests) == before + 3 and h.gates.empty()


def test_a_sink_without_gates_says_so(host):
    h = host("stdout_sink")
    assert h.open_sink({}) == 0 and h.call("on_gate", 1) != 0


def test_http_close_during_a_batch(host, receiver):
    """Close waits for what is under way; nothing is promised that was not done."""
    h = host("http_sink")
    receiver.gate = threading.Event()
    assert h.open_sink({"url": receiver.url}) == 0
    answer = h.begin_consume(docs(1))
    assert receiver.arrived.acquire(timeout=60)
    closed = h.begin("sink_close", 1)
    until("the instance is off the list", lambda: h.consume([]) == -1)  # an empty batch: what still gets in asks for nothing
    receiver.gate.set()
    assert answer() == 0 and closed() == 0 and len(receiver.requests) == 1


def test_http_many_at_once(host, receiver):
    h = host("http_sink")
    receiver.fail = every_third
    assert h.open_sink({"url": receiver.url, "batch_mode": "ndjson", "include_metadata": False, "max_connections": 3, **QUICK, "max_retries": 50}) == 0
    answers = [h.begin_consume(docs(10, 10 * k), first=10 * k, partition=k) for k in range(20)]
    assert [a() for a in answers] == [0] * 20
    assert sorted(json.loads(line)["n"] for b in bodies(receiver) for line in b.splitlines()) == list(range(200))


def test_http_health_check(host, receiver):
    h = host("http_sink")
    receiver.fail = lambda n, r: (500, {}, b"") if n == 1 else (404, {}, b"") if n > 2 else None
    assert h.open_sink({"url": receiver.url, "health_check_enabled": True, "headers": {"a": "b"}, **QUICK}) == 0
    assert receiver.requests[0][0] == "HEAD" and receiver.requests[0][2]["a"] == "b"
    assert h.open_sink({"url": receiver.url, "health_check_enabled": True}, id=2) == 1


# --- Quickwit ------------------------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def quickwit():
    q = bulk.Quickwit()
    yield q
    q.close()


INDEX = "version: 0.8\n# index_id: no\nindex_id: 'events'  # its name\ndoc_mapping:\n  mode: dynamic\n"


def test_quickwit(host, quickwit):
    h = host("quickwit_sink")
    quickwit.fail = every_third
    assert h.open_sink({"url": quickwit.url + "/", "index": INDEX, **QUICK}) == 0
    assert quickwit.configs == [INDEX] and h.open_sink({"url": quickwit.url, "index": INDEX, **QUICK}, id=2) == 0 and len(quickwit.configs) == 1
    for k in range(6):
        assert h.consume(docs(50, 50 * k), first=50 * k) == 0
    assert [d["n"] for d in quickwit.indexes["events"]] == list(range(300)) and len(quickwit.refused) > 2
    assert h.consume([b'{\n"n": 300}', b"not json", b'{"n":301}'], first=300) == 0
    assert [d["n"] for d in quickwit.indexes["events"]][300:] == [300, 301]
    assert any("offset 301" in t and "not JSON" in t for t in h.lines(ERROR))
    assert h.consume([b"x"], schema=TEXT) == 0 and len(quickwit.indexes["events"]) == 302


def test_quickwit_splits_and_gives_up(host, quickwit):
    h = host("quickwit_sink")
    assert h.open_sink({"url": quickwit.url, "index": INDEX, "max_body_bytes": 500, **QUICK}) == 0
    assert h.consume(docs(100)) == 0
    assert [d["n"] for d in quickwit.indexes["events"]] == list(range(100)) and all(len(r[3]) < 600 for r in quickwit.requests[2:])
    quickwit.fail = lambda n, r: (429, {"Retry-After": "0"}, b"")
    assert h.consume(docs(1)) == 1
    quickwit.fail = lambda n, r: (400, {}, b"bad")
    assert h.consume(docs(1)) == -1
    for index in ["a: b", "index_id:", "index_id: a/b", "index_id: {}"]:
        assert h.open_sink({"url": quickwit.url, "index": index}, id=5) == 1 and h.close_sink(5) == -1
    assert any("'index_id: NAME'" in t for t in h.lines(ERROR))


# --- Elasticsearch -------------------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def es():
    e = bulk.Elasticsearch()
    yield e
    e.close()


def test_elasticsearch_sink(host, es):
    h = host("elasticsearch_sink")
    es.auth = "Basic dTpwOnc="
    es.fail = every_third
    config = {"url": es.url, "index": "logs", "username": "u", "password": "p:w", "index_mapping": {"mappings": {}}, **QUICK}
    assert h.open_sink(config) == 0 and es.mappings == {"logs": {"mappings": {}}}
    for k in range(4):
        assert h.consume(docs(50, 50 * k), first=50 * k, headers=[("string", "trace", b"abc")]) == 0
    assert h.consume(docs(50), first=0) == 0  # a batch that comes again
    got = es.indexes["logs"]
    assert sorted(d["n"] for d in got.values()) == list(range(200)) and es.refused
    d = got[f"{(7 << 64) + 8:032x}"]
    assert d.pop("_iggy_timestamp") > 1.7e12
    assert d == {"n": 7, "text": "é 7", "_iggy_offset": 7, "_iggy_stream": "stream", "_iggy_topic": "topic", "_iggy_partition": 1} | \
        ({"_iggy_headers": d["_iggy_headers"]} if "_iggy_headers" in d else {})
    es.auth = "other"
    assert h.consume(docs(1)) == -1


@pytest.mark.parametrize("schema,payload,want", [
    (JSON, b"{ }", {}), (JSON, b' {"a": 1 } ', {"a": 1}), (JSON, b'{"_iggy_offset": 5, "a": "x"}', {"a": "x"}), (TEXT, b"hi", {"text": "hi", "data_type": "text"}),
    (RAW, b'{"a":2}', {"a": 2}), (RAW, b"[1]", {"data": "WzFd", "data_type": "raw"}), (RAW, b"\xff", {"data": "/w==", "data_type": "raw"})])
def test_elasticsearch_documents(host, es, schema, payload, want):
    h = host("elasticsearch_sink")
    assert h.open_sink({"url": es.url, "index": "x", **QUICK}) == 0
    assert h.consume([payload], schema=schema, ids=[0], first=9) == 0
    (name, d), = es.indexes["x"].items()
    assert name.startswith("made-") and {k: v for k, v in d.items() if not k.startswith("_iggy_")} == want and d["_iggy_offset"] == 9


def test_elasticsearch_items(host, es):
    """Items are judged alone: busy ones again, without the others; bad ones left out and told."""
    h = host("elasticsearch_sink")
    assert h.open_sink({"url": es.url, "index": "x", **QUICK}) == 0
    busy = {3: 2, 7: 1}  # document → how often it is refused

    def item(doc):
        n = doc["n"]
        if busy.get(n, 0):
            busy[n] -= 1
            return 429, "es_rejected_execution_exception", "queue is full"
        return (400, "mapper_parsing_exception", "no number") if n == 5 else None
    es.item = item
    assert h.consume(docs(10)) == 0
    assert sorted(d["n"] for d in es.indexes["x"].values()) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    bulks = [r[3].count(b"\n") // 2 for r in es.requests if r[1].endswith("_bulk")]
    assert bulks == [10, 2, 1]
    assert any("offset 5 " in t and "mapper_parsing_exception: no number" in t for t in h.lines(ERROR))
    es.item = lambda doc: (503, "unavailable_shards_exception", "gone") if doc["n"] == 1 else None
    assert h.consume(docs(3, 20), first=20) == 0 and h.consume(docs(3)) == 1  # not all of it is there: the host brings it again
    assert h.consume([b"[1]", b"7"]) == 0 and any("no JSON object" in t for t in h.lines(ERROR))


def test_elasticsearch_open(host, es):
    h = host("elasticsearch_sink")
    assert h.open_sink({"url": es.url, "index": "none", "create_index_if_not_exists": False}) == 1
    assert any("there is no index 'none'" in t for t in h.lines(ERROR))
    assert h.open_sink({"url": "http://127.0.0.1:1", "index": "x", "max_retries": 0}, id=2) == 1


def test_elasticsearch_source(host, es):
    """More documents of one time than a batch has room for; refusals; a restart in the middle of them."""
    es.indexes["logs"] = {f"d{k:02}": {"at": f"2026-01-01T00:00:{k // 10:02}Z", "n": k} for k in range(35)}
    es.indexes["logs"]["lost"] = {"n": -1}
    es.fail = every_third
    config = {"url": es.url, "index": "logs", "timestamp_field": "at", "batch_size": 4, "polling_interval": "1ms", **QUICK}
    h = host("elasticsearch_source")
    h.run_source(config)
    got, state = [], None
    for k in range(1, 6):
        _, n, b = h.batch()
        refuse = k == 2
        assert h.result(n, code=int(refuse)) == 0
        if not refuse:
            got += [d["n"] for d in b.json()]
            state = b.state
    assert got == list(range(16))
    assert h.call("source_close", 1) == 0
    h.run_source(config, state=state, id=2)
    for _ in range(5):
        _, n, b = h.batch()
        got += [d["n"] for d in b.json()]
        assert h.result(n, id=2) == 0
    assert got == list(range(35))
    es.indexes["logs"]["late"] = {"at": "2026-01-01T00:00:03Z", "n": 35}
    assert h.batch()[2].json() == [{"at": "2026-01-01T00:00:03Z", "n": 35}]
    assert h.call("source_close", 2) == 0
    assert h.open_source({"url": es.url, "index": "absent", "max_retries": 0}, id=3) == 1


# --- PostgreSQL: a real server -------------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def pg():
    if not postgres.bindir():
        pytest.skip("no PostgreSQL server is installed")
    s = postgres.Server()
    yield s
    s.close()


def test_postgres_sink(host, pg):
    h = host("postgres_sink")
    config = {"connection_string": pg.uri(), "target_table": "Made Here", "auto_create_table": True, "batch_size": 30, "payload_format": "json", **PG_QUICK}
    assert h.open_sink(config) == 0
    for k in range(4):
        assert h.consume(docs(100, 100 * k), first=100 * k) == 0
    assert h.consume(docs(100, 100), first=100) == 0  # once more: nothing is added
    assert pg.sql('SELECT count(*), count(DISTINCT id), sum((payload->>\'n\')::int) FROM "Made Here"') == [["400", "400", str(sum(range(400)))]]
    assert pg.sql('SELECT id, iggy_offset, iggy_timestamp AT TIME ZONE \'UTC\', iggy_stream, iggy_topic, iggy_partition_id, iggy_checksum, '
                  'iggy_origin_timestamp IS NOT NULL, payload->>\'text\', created_at IS NOT NULL FROM "Made Here" WHERE iggy_offset = 7') == \
        [[str((7 << 64) + 8), "7", "2024-03-10 10:00:00.000007", "stream", "topic", "1", "99", "t", "é 7", "t"]]


def test_postgres_sink_one_bad_row(host, pg):
    """What the server refuses costs itself, wherever it stands; what is no JSON does not even get there."""
    h = host("postgres_sink")
    config = {"connection_string": pg.uri(), "target_table": "bad", "auto_create_table": True, "batch_size": 7, "payload_format": "jsonb", **PG_QUICK}
    assert h.open_sink(config) == 0
    rows = docs(40)
    rows[11] = {"n": 11, "t": "\0"}  # jsonb cannot hold it
    rows[39] = b"no json"
    assert h.consume(rows) == 0
    assert pg.one("SELECT count(*) FROM bad") == "38" and pg.sql("SELECT 1 FROM bad WHERE iggy_offset IN (11, 39)") == []
    said = [t for t in h.lines(ERROR) if "is left out" in t]
    assert len(said) == 2 and any("offset 11 " in t and "22P05" in t for t in said) and any("offset 39 " in t and "not JSON" in t for t in said)


def test_postgres_sink_formats(host, pg):
    h = host("postgres_sink")
    base = {"connection_string": pg.uri(), "auto_create_table": True, "include_metadata": False, "include_checksum": False, "include_origin_timestamp": False}
    assert h.open_sink({**base, "target_table": "b", "payload_format": "avro"}) == 0 and any("bytea is taken" in t for t in h.lines(WARN))
    assert h.consume([b"\x00\xff'\\"], schema=RAW) == 0
    assert pg.sql("SELECT id, payload FROM b") == [[str((7 << 64) + 1), "\\x00ff275c"]]
    assert h.open_sink({**base, "target_table": "t", "payload_format": "text"}, id=2) == 0
    assert h.consume([b"it's \\n", b"\xff", b"a\0b"], id=2, schema=TEXT) == 0
    assert pg.sql("SELECT payload FROM t") == [["it's \\n"]]


def test_postgres_sink_server_goes(host, pg):
    """A server that restarts in between is waited for; one that is away is told, and the host brings the batch again."""
    h = host("postgres_sink")
    config = {"connection_string": pg.uri(), "target_table": "gone", "auto_create_table": True, "batch_size": 10, **PG_QUICK}
    assert h.open_sink(config) == 0 and h.consume(docs(50)) == 0
    pg.stop()
    try:
        assert h.consume(docs(50, 50), first=50) == 1
    finally:
        pg.start()
    assert h.consume(docs(50, 50), first=50) == 0 and h.consume(docs(50, 50), first=50) == 0
    assert pg.one("SELECT count(*) FROM gone") == "100"
    for uri, table, said in [(pg.uri(), "absent", "42P01"), ("postgresql://127.0.0.1:1/x", "t", "127.0.0.1"), ("postgresql://[", "t", 'matching')]:
        assert h.open_sink({**config, "connection_string": uri, "target_table": table, "auto_create_table": False}, id=9) == 1
        assert any(said in t for t in h.lines(ERROR)), h.log
        h.close_sink(9)


def test_postgres_sink_many_at_once(host, pg):
    h = host("postgres_sink")
    assert h.open_sink({"connection_string": pg.uri(), "target_table": "many", "auto_create_table": True, "max_connections": 2}) == 0
    answers = [h.begin_consume(docs(20, 20 * k), first=20 * k) for k in range(10)]
    assert [a() for a in answers] == [0] * 10 and pg.one("SELECT count(*) FROM many") == "200"


def test_postgres_source(host, pg):
    pg.sql(
        "CREATE TABLE src (id int PRIMARY KEY, b bool, \"camelCase\" numeric, j jsonb, x bytea, ts timestamptz, t timestamp, a int[], s text[], u uuid, n float8);"
        "INSERT INTO src SELECT g, true, 1.50, '{\"k\": [1, null]}', '\\x00ff', '2026-01-01 10:00:00.5+02', '2026-01-01 10:00:00', ARRAY[[1, NULL], [2, 3]],"
        "ARRAY['a\"b', 'null', NULL], '00000000-0000-0000-0000-000000000001', 'NaN' FROM generate_series(1, 25) g;"
        "CREATE TABLE \"Other\" (id int, \"userID\" int, \"HTTPCode a-b\" int); INSERT INTO \"Other\" SELECT g, 1, 2 FROM generate_series(1, 3) g")
    h = host("postgres_source")
    config = {"connection_string": pg.uri(), "mode": "polling", "tables": ["public.src", "Other"], "batch_size": 10, "poll_interval": "1ms", "snake_case_columns": True,
              **PG_QUICK}
    h.run_source(config)
    _, n, first = h.batch()
    assert (n, len(first.payloads), first.schema) == (1, 13, JSON)
    assert h.result(1, code=1) == 0
    _, n, b = h.batch()
    assert b.ids == first.ids and len(set(b.ids)) == 13  # the same rows have the same ids
    row = b.json()[0]
    assert (row["table_name"], row["operation_type"], row["old_data"]) == ("public.src", "SELECT", None)
    assert row["data"] == {"id": 1, "b": True, "camel_case": 1.5, "j": {"k": [1, None]}, "x": "AP8=", "ts": "2026-01-01T08:00:00.5+00:00", "t": "2026-01-01 10:00:00",
                           "a": [[1, None], [2, 3]], "s": ['a"b', "null", None], "u": "00000000-0000-0000-0000-000000000001", "n": "NaN"}
    assert [r["data"]["id"] for r in b.json()] == list(range(1, 11)) + [1, 2, 3]
    assert b.json()[10]["data"] == {"id": 1, "user_id": 1, "httpcode a-b": 2}
    assert h.result(2) == 0 and b.state[0] == 0x93
    assert h.call("source_close", 1) == 0
    h.run_source(config, state=b.state, id=2)
    got = []
    while len(got) < 15:
        _, n, b = h.batch()
        got += [r["data"]["id"] for r in b.json()]
        assert h.result(n, id=2) == 0
    assert got == list(range(11, 26))
    pg.sql("INSERT INTO src (id) VALUES (100)")
    assert h.batch()[2].json()[0]["data"]["id"] == 100
    assert h.call("source_close", 2) == 0


def test_postgres_source_ties_and_marks(host, pg):
    """Rows that share a cursor are not cut; rows are deleted or marked when they are acknowledged and not before."""
    pg.sql("CREATE TABLE ties (k int, at timestamptz, done bool DEFAULT false); INSERT INTO ties SELECT g, '2026-01-01+00'::timestamptz + (g / 10) * interval '1 s' "
           "FROM generate_series(0, 29) g; INSERT INTO ties VALUES (99, NULL)")
    config = {"connection_string": pg.uri(), "mode": "polling", "tables": ["ties"], "batch_size": 4, "poll_interval": "1ms", "tracking_column": "at",
              "primary_key_column": "k", "include_metadata": False, **PG_QUICK}
    h = host("postgres_source")
    h.run_source({**config, "processed_column": "done"})
    for code, n in [(1, 1), (0, 2), (0, 3)]:
        _, batch, b = h.batch()
        assert batch == n and len(b.payloads) == 10
        assert pg.one("SELECT count(*) FROM ties WHERE done") == str(10 * max(0, n - 2))
        assert h.result(n, code=code) == 0
    assert [d["k"] for d in h.batch()[2].json()] == list(range(20, 30))
    assert h.call("source_close", 1) == 0 and pg.one("SELECT count(*) FROM ties WHERE done") == "20"
    h.run_source({**config, "delete_after_read": True, "initial_offset": "2026-01-01 00:00:01+00"}, id=2)
    _, n, b = h.batch()
    assert [d["k"] for d in b.json()] == list(range(20, 30)) and pg.one("SELECT count(*) FROM ties") == "31"
    assert h.result(n, id=2) == 0
    until("the rows are gone", lambda: pg.one("SELECT count(*) FROM ties") == "21")
    assert h.call("source_close", 2) == 0


def test_postgres_source_payloads(host, pg):
    pg.sql("CREATE TABLE pay (id int, p bytea, j text); INSERT INTO pay VALUES (1, '\\x01ff', '{\"a\": 1}'), (2, NULL, 'no json'), (3, '\\x02', '[2]')")
    base = {"connection_string": pg.uri(), "mode": "polling", "tables": ["pay"], "poll_interval": "1ms", **PG_QUICK}
    h = host("postgres_source")
    h.run_source({**base, "payload_column": "p", "payload_format": "bytea"})
    _, _, b = h.batch()
    assert (b.schema, b.payloads) == (RAW, [b"\x01\xff", b"\x02"]) and any("id 2" in t for t in h.lines(ERROR))
    assert h.call("source_close", 1) == 0
    h.run_source({**base, "payload_column": "j", "payload_format": "json_direct"}, id=2)
    _, _, b = h.batch()
    assert (b.schema, b.json()) == (JSON, [{"a": 1}, [2]])
    assert h.call("source_close", 2) == 0
    pg.sql("CREATE TABLE jpay (id int, p bytea); INSERT INTO jpay VALUES (1, '{\"a\": 1}')")
    h.run_source({**base, "tables": ["jpay"], "payload_column": "p", "payload_format": "JSON"}, id=4)
    _, _, b = h.batch()
    assert (b.schema, b.payloads) == (JSON, [b'{"a": 1}'])
    assert h.call("source_close", 4) == 0
    h.run_source({**base, "custom_query": "SELECT id, '$table $limit' AS q, $now_unix > 1e9 AS late FROM $table WHERE id > $offset ORDER BY id LIMIT 1",
                  "include_metadata": False, "batch_size": 5}, id=3)
    _, n, b = h.batch()
    assert b.json() == [{"id": 1, "q": "pay 5", "late": True}] and h.result(n, id=3) == 0
    assert h.batch()[2].json()[0]["id"] == 2
    assert h.call("source_close", 3) == 0
    for change, said in [({"mode": "cdc"}, "'polling' is"), ({"payload_format": "xml"}, "'xml' is none of"), ({"tables": []}, "at least one table")]:
        assert h.open_source({**base, **change}, id=9) == 1
        assert any(said in t for t in h.lines(ERROR)), h.log
        h.call("source_close", 9)
    assert h.open_source({**base, "tracking_column": "nope"}, id=8) == 0 and h.call("handle", 8) == 0
    h.wait_log("nope")
    assert h.call("source_close", 8) == 0


# --- S3 ------------------------------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def bucket():
    s = s3.Server()
    yield s
    s.close()


def s3_config(server, **kw):
    return {"bucket": "bucket", "region": s3.REGION, "endpoint": server.url, "access_key_id": s3.KEY_ID, "secret_access_key": s3.SECRET, "retry_delay": "1ms", **kw}


def test_s3_sink(host, bucket):
    h = host("s3_sink")
    bucket.put_fail = lambda n: (503, "SlowDown") if n % 3 == 0 else None
    assert h.open_sink(s3_config(bucket, prefix="in=1/", path_template="{stream}/{topic}/{partition}/{date}/{hour}/{other}")) == 0
    for k in [0, 1, 2, 3, 1]:  # one of them twice: it replaces itself
        assert h.consume(docs(100, 100 * k), first=100 * k, stream="a/b é", headers=[("string", "x", b"y")]) == 0
    assert len(bucket.objects) == 4 and len(bucket.puts) > 5
    name = "in=1/a_b___/topic/1/2024-03-10/10/{other}/00001-00000000000000000100-00000000000000000199.jsonl"
    lines = [json.loads(x) for x in bucket.objects[name].body.splitlines()]
    assert lines[7] == {"offset": 107, "timestamp": "2024-03-10T10:00:00.000007Z", "stream": "a/b é", "topic": "topic", "partition_id": 1,
                        "payload": {"n": 107, "text": "é 107"}}
    got = [json.loads(x)["payload"]["n"] for o in bucket.objects.values() for x in o.body.splitlines()]
    assert sorted(got) == list(range(400))


@pytest.mark.parametrize("config,schema,payloads,want", [
    ({"output_format": "json_array", "include_metadata": False}, TEXT, [b"a", b"b"], {"00001-%020d-%020d.json" % (0, 1): b'[{"payload":"a"},{"payload":"b"}]'}),
    ({"output_format": "jsonl", "include_metadata": False, "prefix": "/p/"}, RAW, [b"[1]", b"\xff"],
     {"p/00001-%020d-%020d.jsonl" % (0, 1): b'{"payload":[1]}\n{"payload":"/w=="}\n'}),
    ({"output_format": "raw"}, RAW, [b"\xff", b"\0"], {"00001-%020d-%020d.bin" % (0, 1): b"\xff\0"}),
    ({"include_metadata": False, "file_rotation": "messages", "max_messages_per_file": 2}, JSON, [b"1", b"2", b"3"],
     {"00001-%020d-%020d.jsonl" % (0, 1): b'{"payload":1}\n{"payload":2}\n', "00001-%020d-%020d.jsonl" % (2, 2): b'{"payload":3}\n'}),
    ({"include_metadata": False, "max_file_size": "16b"}, JSON, [b"1", b"no", b"2", b"3"],
     {"00001-%020d-%020d.jsonl" % (0, 2): b'{"payload":1}\n{"payload":2}\n', "00001-%020d-%020d.jsonl" % (3, 3): b'{"payload":3}\n'})])
def test_s3_objects(host, bucket, config, schema, payloads, want):
    h = host("s3_sink")
    assert h.open_sink(s3_config(bucket, path_template="", **config)) == 0
    assert h.consume(payloads, schema=schema) == 0
    assert {k: o.body for k, o in bucket.objects.items()} == want


def test_s3_headers(host, bucket):
    h = host("s3_sink")
    assert h.open_sink(s3_config(bucket, path_template="", include_metadata=False, include_headers=True)) == 0
    headers = [("string", "s", b"1"), ("raw", "r", b"\xff"), ("bool", "b", b"\1"), ("int32", "i", b"\xfe\xff\xff\xff"), ("uint64", "u", b"\xff" * 8),
               ("float64", "f", b"\0\0\0\0\0\0\xf8?"), ("float64", "nan", b"\0\0\0\0\0\0\xf8\x7f"), ("uint32", "short", b"\1")]
    assert h.consume([b"1"], headers=headers) == 0 and h.consume([b"2"], first=1) == 0
    one, two = (json.loads(o.body) for o in bucket.objects.values())
    assert one == {"headers": {"s": "1", "r": "/w==", "b": True, "i": -2, "u": 2**64 - 1, "f": 1.5, "nan": "nan", "short": "AQ=="}, "payload": 1} and two == {"payload": 2}


def test_s3_sink_with_a_role(host, bucket, monkeypatch):
    """Credentials that a container's service gives, renewed when they have expired; without one the plugin says what it tried."""
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    config = {k: v for k, v in s3_config(bucket).items() if k not in ("access_key_id", "secret_access_key")}
    services, bucket.accept_any_token = aws.Services(), True
    try:
        h = host("s3_sink")
        assert h.open_sink(config, id=8) == 1 and any("there are no AWS credentials" in t for t in h.lines(ERROR)), h.log
        h.close_sink(8)
        for name, value in services.container().items():
            monkeypatch.setenv(name, value)
        services.life = 1
        h = host("s3_sink")
        assert h.open_sink(config) == 0
        until("they were renewed", lambda: h.consume(docs(1)) == 0 and services.given > 1)
        assert not any(hidden in line for hidden in aws.HIDDEN for line in map(str, h.log))
    finally:
        services.close()


def test_s3_answers(host, bucket):
    h = host("s3_sink")
    assert h.open_sink(s3_config(bucket, max_attempts=2)) == 0
    for status, answer, tries in [(503, 1, 2), (500, 1, 2), (403, -1, 1)]:
        bucket.puts.clear()
        bucket.put_fail = lambda n: (status, "Code")
        assert (h.consume(docs(3)), len(bucket.puts)) == (answer, tries)
    for change, said in [({"bucket": "absent"}, "404"), ({"secret_access_key": "x"}, "403"), ({"max_file_size": "6GiB"}, "no size"), ({"bucket": "a/b"}, "letters"),
                         ({"access_key_id": None}, "one is given"), ({"file_rotation": "messages"}, "max_messages_per_file")]:
        config = {k: v for k, v in s3_config(bucket, **change).items() if v is not None}
        assert h.open_sink(config, id=9) == 1 and any(said in t for t in h.lines(ERROR)), (said, h.log)
        h.close_sink(9)


# --- MongoDB: a stand-in that speaks its protocol, driven by the real libmongoc ------------------------------------------------------------------

@pytest.fixture
def mongodb():
    m = mongo.Server()
    yield m
    m.close()


def mongo_config(server, **kw):
    return {"connection_uri": server.uri, "database": "db", "collection": "c", "retry_delay": "1ms", **kw}


def test_mongodb_sink(host, mongodb):
    """Inserts that are refused, and some whose answer is lost: their documents are there once."""
    busy = {"ok": 0.0, "code": 91, "errmsg": "going down"}
    mongodb.fail = lambda n, q: {2: busy, 3: "cut", 6: busy, 7: "cut"}.get(n)  # libmongoc waits half a second before it comes back
    h = host("mongodb_sink")
    assert h.open_sink(mongo_config(mongodb, auto_create_collection=True, batch_size=60, payload_format="json", max_retries=9)) == 0
    assert mongodb.collections == {"db.c": {}}
    for k in [0, 1, 0]:
        assert h.consume(docs(100, 100 * k), first=100 * k) == 0
    got = mongodb.collections["db.c"]
    assert sorted(d["payload"]["n"] for d in got.values()) == list(range(200)) and mongodb.inserts > 6
    d = got[f"stream:topic:1:{(7 << 64) + 8}"]
    assert (d["iggy_offset"], d["iggy_timestamp"].isoformat(), d["iggy_stream"], d["iggy_topic"], d["iggy_partition_id"], d["iggy_checksum"]) == \
        (7, "2024-03-10T10:00:00+00:00", "stream", "topic", 1, 99)


def test_mongodb_answers(host, mongodb):
    h = host("mongodb_sink")
    assert h.open_sink(mongo_config(mongodb, payload_format="string")) == 0
    mongodb.item = lambda d: (121, "Document failed validation") if d["payload"] == "odd" else None
    assert h.consume([b"a", b"odd", b"\xff", b"b"], schema=TEXT) == 0
    assert [d["payload"] for d in mongodb.collections["db.c"].values()] == ["a", "b"]
    said = [t for t in h.lines(ERROR) if "is left out" in t]
    assert any("offset 1 " in t and "121" in t for t in said) and any("offset 2 " in t and "UTF-8" in t for t in said) and len(said) == 2
    for code, answer in [(13, -1), (10107, 1)]:
        mongodb.fail = lambda n, q: {"ok": 0.0, "code": code, "errmsg": "no"}
        assert h.consume([b"c"], schema=TEXT) == answer
    mongodb.fail = lambda n, q: {"ok": 1.0, "n": 1, "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}
    assert h.consume([b"d"], schema=TEXT) == 1
    mongodb.fail = lambda n, q: None
    assert h.open_sink(mongo_config(mongodb, payload_format="xml", collection="bin"), id=2) == 0 and h.consume([b"\xff"], id=2, schema=RAW) == 0
    assert [d["payload"] for d in mongodb.collections["db.bin"].values()] == [b"\xff"] and any("binary is taken" in t for t in h.lines(WARN))
    assert h.open_sink(mongo_config(mongodb, connection_uri="nonsense"), id=3) == 1 and any("connection_uri" in t for t in h.lines(ERROR))
    assert h.open_sink(mongo_config(mongodb, connection_uri="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50"), id=4) == 1


# --- documentation -------------------------------------------------------------------------------------------------------------------------------

def test_pages_of_options(tmp_path):
    subprocess.run([ROOT / "plugins" / "pages.sh", tmp_path], check=True, env={**os.environ, "HG_BUILD": str(BUILD)}, timeout=PATIENCE)
    made, kept = ({p.name: p.read_text() for p in d.glob("*.md")} for d in (tmp_path, ROOT / "docs" / "plugins"))
    assert made and made == kept, "docs/plugins is not what the plugins say: run plugins/pages.sh"


def test_plugin_of_the_page(tmp_path, host):
    """The example of docs/iggy-plugins.md, built as it says, by its header alone."""
    page = (ROOT / "docs" / "iggy-plugins.md").read_text()
    source, library = tmp_path / "count_sink.c", tmp_path / "libiggy_connector_count_sink.so"
    source.write_text(page.split("```c\n")[1].split("```")[0])
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I", ROOT / "include", "-o", library, source], check=True, timeout=PATIENCE)
    h = host(str(library))
    assert h.open_sink({}) == 0 and h.open_sink({}) == -1 and h.open_sink({}, id=2) == 0
    assert h.consume([b"abc", b"de"], headers=[("string", "k", b"v")]) == 0 and h.consume([b"f"] * 300) == 0
    assert h.lines() == ["2 messages, 5 bytes", "302 messages, 305 bytes"]
    assert h.call("consume", 1, b"", b"", b"\x00\x05\x01") == -1 and h.consume([b"x"], id=7) == -1
    assert h.close_sink() == 0 and h.close_sink() == -1
