"""iggy_input and iggy_output against an Iggy server: the real one when IGGY_SERVER names it, else the tests' own. Where it begins, hand-over
after a backfill, sessions, what is refused, lost servers, kill -9, exactly once. test-labels: long"""
import collections
import json
import threading
import time

import pytest

from hg import certs, until
from hg.iggy import Server
from hg.run import headgate, run
from hg.sql import connector, file_out, iggy_in, iggy_out, table, view
from test_durable import checkpoint, kill
from test_positions import pause, put, start
from test_positions import refused as not_set
from test_exactly_once import EXACTLY, LEAST, wait_count, written

PASSWORD = "geheim-3310"


@pytest.fixture(scope="module")
def iggy():
    s = Server()
    yield s
    s.close()


@pytest.fixture
def another():
    """another(...): a server for one test."""
    made = []

    def make(*a, **kw):
        made.append(Server(*a, **kw))
        return made[-1]
    yield make
    for s in made:
        s.close()


def rows(first, last):
    return [json.dumps({"id": i}) for i in range(first, last)]


def program(s, *outs):
    return table("t", "id BIGINT NOT NULL", s, materialized=True) + view("v", "SELECT id FROM t", *outs)


def ids(d, name="p"):
    return sorted(r["id"] for r in d.query(name, "SELECT id FROM t"))


def is_there(d, name, want):
    until(f"{len(want)} rows", lambda: ids(d, name) == want)


def health(d, name="p"):
    return json.dumps(d.stats(name)["inputs"])


def fails(tmp_path, program, *words):
    r = run(tmp_path, program, "--until-complete")
    assert r.code == 1 and all(w in r.err for w in words), r
    assert PASSWORD not in r.out + r.err


def refused(tmp_path, program, *words):
    path = tmp_path / "p.sql"
    path.write_text(program)
    r = headgate("check", path)
    assert r.code == 1 and all(w in r.out + r.err for w in words), r


def offsets(d, name="p"):
    p = d.ok("GET", f"/v0/pipelines/{name}/tables/t/connectors/i/position").json()["position"]
    return [o["end"] for o in p["offsets"]] if p and "offsets" in p else None


def sent(c, stream, topic):
    """Ids in the order they stand in the partitions; [] when there is no topic."""
    return inserted(c.read(stream, topic)) if c.partitions(stream, topic) else []


def inserted(messages):
    return [json.loads(line)["insert"]["id"] for m in messages for line in m.payload.splitlines()]


EARLIEST = {"start_from": "earliest"}


def test_where_it_begins(daemon, gone, iggy):
    with iggy.client() as c:
        c.create("where", "t", 2)
        c.send("where", "t", rows(0, 5), 0)
        c.send("where", "t", rows(5, 10), 1)
        when = c.poll("where", "t", 1, "offset", 4, 1)[2][0].time // 1000 + 1
        until("another millisecond", lambda: time.time_ns() // 10**6 > when)
        c.send("where", "t", rows(10, 12), 0)
        starts = {"earliest": (EARLIEST, [*range(12)]), "latest": ({}, []), "offsets": ({"start_from": {"offsets": [6, 4]}}, [9, 11]),
                  "time": ({"start_from": {"timestamp": when}}, [10, 11]), "one": ({**EARLIEST, "partitions": [1]}, [*range(5, 10)]),
                  "small": ({**EARLIEST, "batch_size": 1}, [*range(12)])}
        for name, (options, _) in starts.items():
            daemon.run(gone(name), program(iggy_in("i", iggy, "where", "t", options=options)))
        for name, (_, want) in starts.items():
            is_there(daemon, name, want)
        until("latest has its numbers", lambda: offsets(daemon, "latest") == [7, 5])
        c.send("where", "t", rows(12, 14), 0)
        c.send("where", "t", rows(14, 15), 1)
        for name, (_, want) in starts.items():
            is_there(daemon, name, sorted([*want, *([14] if name == "one" else [12, 13, 14])]))


def test_until_end(tmp_path, iggy):
    with iggy.client() as c:
        c.create("ends", "t", 3)
        c.send("ends", "t", rows(0, 2500), 0)
        c.send("ends", "t", rows(2500, 2600), 2)
    out = tmp_path / "out.json"
    r = run(tmp_path, program(iggy_in("i", iggy, "ends", "t", options={**EARLIEST, "until_end": True}), file_out("o", out)), "--until-complete")
    assert r.code == 0 and sorted(written(out)) == list(range(2600)), r


def test_many_messages_and_a_pause(daemon, gone, iggy):
    with iggy.client() as c:
        c.create("many", "t", 3)
        for p in range(3):
            c.send("many", "t", rows(p * 10000, p * 10000 + 10000), p)
    name = gone("many")
    daemon.run(name, program(iggy_in("i", iggy, "many", "t", options=EARLIEST, max_queued_records=1500)))
    daemon.ok("POST", f"/v0/pipelines/{name}/tables/t/connectors/i/pause")
    daemon.ok("POST", f"/v0/pipelines/{name}/tables/t/connectors/i/start")
    until("all are there", lambda: daemon.query(name, "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t") == [{"n": 30000, "m": 30000}])


def test_backfill_then_stream(daemon, gone, web, iggy):
    """Marks before the backfill opens; what is sent while it runs is read after it, all of it, and nothing from before."""
    c = iggy.client()
    c.create("price", "live", 2)
    c.send("price", "live", rows(1000, 1003), 0)
    hist = "".join(r + "\n" for r in rows(0, 2000)).encode()
    gate = threading.Event()
    web.add("/hist.json", hist, gate=gate, gate_at=len(hist) // 2)
    name = gone("price")
    source = connector("hist", "url_input", {"path": web.url + "/hist.json"}, "json", {"update_format": "raw"}, labels=["backfill"])
    live = iggy_in("live", iggy, "price", "live", start_after="backfill", handoff="gapless")
    daemon.create(name, table("t", "id BIGINT NOT NULL PRIMARY KEY", source, live, materialized=True))
    daemon.start_pipeline(name)
    until("it waits at its mark", lambda: daemon.input(name, "t.live").get("mark") == {"live[0]": 3, "live[1]": 0})
    assert daemon.input(name, "t.live")["paused"] is True
    c.send("price", "live", rows(2000, 2500), 0)
    c.send("price", "live", rows(2500, 2600), 1)
    gate.set()
    until("everything is there", lambda: ids(daemon, name) == list(range(2600)))
    c.send("price", "live", rows(2600, 2601), 1)
    is_there(daemon, name, list(range(2601)))
    c.close()


@pytest.mark.parametrize("how", ["user", "token", "connection_string"])
def test_sessions(tmp_path, own, another, how):
    s = another()
    with s.client() as c:
        token = c.token("of-the-test")
        c.ask("create_user", b"\x03mex" + bytes([len(PASSWORD)]) + PASSWORD.encode() + b"\x01\x01" + (11).to_bytes(4, "little") + b"\x01" * 10 + b"\0")
        c.create("s", "t")
        c.send("s", "t", rows(0, 10))
    options = {"user": {"username": "mex", "password": PASSWORD}, "token": {"token": token},
               "connection_string": {"connection_string": f"iggy://mex:{PASSWORD}@{s.address}"}}[how]
    own.run("p", program(iggy_in("i", s, "s", "t", options={**EARLIEST, **options}),
                         iggy_out("o", s, "s", "out", options={**options, "create": True})))
    is_there(own, "p", list(range(10)))
    with s.client() as c:
        until("they are written", lambda: sorted(sent(c, "s", "out")) == list(range(10)))
    said = own.ok("GET", "/v0/pipelines/p/stats").text + own.ok("GET", "/v0/pipelines/p").text
    assert how != "user" or PASSWORD not in own.ok("GET", "/v0/pipelines/p/stats").text and said
    wrong = {"user": {"username": "mex", "password": "not this"}, "token": {"token": "not-this-one"},
             "connection_string": {"connection_string": f"iggy://mex:wrong@{s.address}"}}[how]
    fails(tmp_path, program(iggy_in("i", s, "s", "t", options={**EARLIEST, **wrong})), "InvalidPersonalAccessToken" if how == "token" else "InvalidCredentials")


def test_tls(tmp_path, own, another):
    cert, key = certs.make(tmp_path)
    s = another(tls=(cert, key))
    with s.client() as c:
        c.create("s", "t")
        c.send("s", "t", rows(0, 1000))
    tls = {"tls": True, "tls_ca_file": str(cert)}
    own.run("p", program(iggy_in("i", s, "s", "t", options={**EARLIEST, **tls}),
                         iggy_out("o", s, "s", "out", options={**tls, "create": True})))
    is_there(own, "p", list(range(1000)))
    with s.client() as c:
        until("they are written", lambda: sorted(sent(c, "s", "out")) == list(range(1000)))
    fails(tmp_path, program(iggy_in("i", s, "s", "t", options={**EARLIEST, "tls": True})), "the certificate of the server is refused")


def test_a_server_of_another_protocol(tmp_path, another):
    """It says at login which versions it takes: nothing is tried again."""
    s = another(standin=True)
    s.fault("login", "evict", reason=14)
    fails(tmp_path, program(iggy_in("i", s, "s", "t")), "speaks version 0.11.0 of Iggy's protocol; this client speaks 0.11.0, as servers 0.9 do")


def test_configurations_that_are_refused(tmp_path):
    s = type("S", (), {"address": "h:1"})

    def one(*words, stream="s", topic="t", **options):
        refused(tmp_path, program(iggy_in("i", s, stream, topic, options=options)), *words)

    def out(*words, **options):
        refused(tmp_path, program(iggy_in("i", s, "s", "t"), iggy_out("o", s, "s", "t", options=options)), *words)
    one("'address' is host[:port]", address="user:pass@h")
    one("address", address="h:port")
    one("exclude each other", connection_string="iggy://user:pass@h", address="h")
    one("exclude each other", token="x", username="user", password="pass")
    one("needs \"tls\": true", tls_ca_file="/x.pem")
    one("password", username="mex")
    one("start_from", start_from="newest")
    one("start_from", start_from={"timestamp": "yesterday"})
    one("partition numbers", partitions=[-1])
    one("is there twice", partitions=[1, 1])
    one("1 offsets are given for 2 partitions", partitions=[0, 1], start_from={"offsets": [1]})
    one("'stream'", stream="")
    one("'topic'", topic="x" * 256)
    one("'consumer'", consumer="")
    out("a header is", headers=[{"key": "k"}])
    out("expected a list", headers={})
    out("exclude each other", partition=1, partitioning="balanced")


def test_what_is_not_there(own, another, tmp_path):
    """A topic is waited for, with the reason; one that is made anew under the same name is another one."""
    s = another()
    own.run("p", program(iggy_in("i", s, "late", "t", options=EARLIEST)))
    until("it says what it waits for", lambda: "retrying" in health(own) and "there is no topic" in health(own))
    with s.client() as c:
        c.create("late", "t", 1)
        c.send("late", "t", rows(0, 10))
        is_there(own, "p", list(range(10)))
        until("it says that all is well", lambda: "retrying" not in health(own))
        own.run("q", program(iggy_in("i", s, "late", "t", options={"partitions": [1]})))
        until("it says what it waits for", lambda: "there is no partition 1" in health(own, "q"))
        fails(tmp_path, program(iggy_in("i", s, "late", "t", options={"start_from": {"offsets": [1, 2]}})), "gives 2 offsets")
        fails(tmp_path, program(iggy_in("i", s, "late", "t", options={"start_from": {"offsets": [11]}})), "position 11 of t[0] is gone, newest is 10")
        c.ask("delete_topic", b"\x02\x04late\x02\x01t")
        c.create_topic("late", "t", 1)
        c.send("late", "t", rows(10, 13))
        until("it is not read on", lambda: "was made anew" in health(own))
    assert ids(own) == list(range(10))


@pytest.mark.parametrize("resume", [False, True])
def test_what_comes_next_is_gone(own, another, resume):
    s = another(standin=True)
    options = {**EARLIEST, "resume_earliest_if_data_expires": resume}
    with s.client() as c:
        c.create("s", "t", 1)
        c.send("s", "t", rows(0, 10))
        own.run("p", program(iggy_in("i", s, "s", "t", options=options)), runtime_config=EXACTLY)
        is_there(own, "p", list(range(10)))
        checkpoint(own)
        own.stop_pipeline("p", force=False)
        c.send("s", "t", rows(10, 20))
        s.order("forget", stream="s", topic="t", partition=0, before=15)
        own.start_pipeline("p")
        if resume:
            is_there(own, "p", [*range(10), *range(15, 20)])
        else:
            until("it says what is missing", lambda: "position 10 of t[0] is gone, oldest is 15" in health(own))


def test_metadata(tmp_path, iggy):
    with iggy.client() as c:
        c.create("meta", "t", 2)
        c.send("meta", "t", [('{"id": 1}', {"kind": "new", "n": (6, (-5).to_bytes(4, "little", signed=True)), "raw": (1, b"ab")}), '{"id": 2}'], 1)
        when = c.poll("meta", "t", 1)[2][0].time
    out = tmp_path / "out.json"
    members = {"topic": "VARCHAR", "stream": "VARCHAR", "partition": "INT", "offset": "BIGINT", "timestamp": "TIMESTAMP"}
    columns = "".join(f", m_{k} {t} DEFAULT CAST(CONNECTOR_METADATA()['iggy_{k}'] AS {t})" for k, t in members.items())
    columns += "".join(f", h_{k} {t} DEFAULT CAST(CONNECTOR_METADATA()['iggy_headers']['{k}'] AS {t})"
                       for k, t in {"kind": "VARCHAR", "n": "INT", "raw": "VARBINARY"}.items())
    options = {**EARLIEST, "until_end": True, "include_headers": True, **{f"include_{k}": True for k in members}}
    r = run(tmp_path, table("t", "id BIGINT NOT NULL" + columns, iggy_in("i", iggy, "meta", "t", options=options)) +
            view("v", "SELECT id, m_topic, m_stream, m_partition, m_offset, m_timestamp, h_kind, h_n, h_raw FROM t", file_out("o", out)),
            "--until-complete")
    assert r.code == 0, r
    first, second = sorted((json.loads(line)["insert"] for line in out.read_text().splitlines()), key=lambda r: r["id"])
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when // 10**6))
    for row, offset in ((first, 0), (second, 1)):
        assert row["m_timestamp"].replace("T", " ").startswith(at), row
        assert [row[f"m_{k}"] for k in ("topic", "stream", "partition", "offset")] == ["t", "meta", 1, offset]
    assert (first["h_kind"], first["h_n"], second["h_kind"]) == ("new", -5, None) and first["h_raw"] in ([97, 98], "6162"), first


def test_a_topic_that_is_made_anew_meanwhile(own, iggy):
    """While the pipeline was stopped, and with more messages than were read: its age tells."""
    with iggy.client() as c:
        c.create("anew", "t", 1)
        c.send("anew", "t", rows(0, 10))
        own.run("p", program(iggy_in("i", iggy, "anew", "t", options=EARLIEST)), runtime_config=LEAST)
        is_there(own, "p", list(range(10)))
        own.stop_pipeline("p", force=False)
        c.ask("delete_topic", b"\x02\x04anew\x02\x01t")
        c.create_topic("anew", "t", 1)
        c.send("anew", "t", rows(10, 40))
        own.start_pipeline("p")
        until("it is not read on", lambda: "was made anew" in health(own))
        assert ids(own) == list(range(10))


def test_positions_by_hand(own, iggy):
    with iggy.client() as c:
        c.create("hand", "t", 2)
        c.send("hand", "t", rows(0, 10), 0)
        c.send("hand", "t", rows(10, 20), 1)
    own.run("p", program(iggy_in("i", iggy, "hand", "t", options=EARLIEST)), runtime_config=LEAST)
    is_there(own, "p", list(range(20)))
    pause(own, "t.i")
    for bad, words in (({"offset": 1}, "no member 'offset'"), ({}, "needs 'offsets'"), ({"offsets": [{"end": -1}]}, "whole number"),
                       ({"offsets": [{"start": 1}]}, "needs 'end'"), ({"offsets": [], "topic_created": "x"}, "whole number")):
        not_set(own, 400, words, "PUT", "t.i", p=bad)
    put(own, "t.i", {"offsets": [{"end": 8}, {"end": 9}]})
    start(own, "t.i")
    is_there(own, "p", sorted([*range(20), 8, 9, 19]))
    until("it is at both ends", lambda: offsets(own) == [10, 10])  # queries see the rows of a step before it is done
    pause(own, "t.i")
    put(own, "t.i", {"offsets": [{"end": 11}, {"end": 0}]})
    start(own, "t.i")
    until("it says what is not there", lambda: "position 11 of t[0] is gone, newest is 10" in health(own))


def test_partitions_that_are_added(own, iggy):
    """They are read from their beginning, and a restart knows them."""
    with iggy.client() as c:
        c.create("grows", "t", 1)
        c.send("grows", "t", rows(0, 10), 0)
        own.run("p", program(iggy_in("i", iggy, "grows", "t")), runtime_config=LEAST)
        until("it is at the end", lambda: offsets(own) == [10])
        c.ask("create_partitions", b"\x02\x05grows\x02\x01t\x01\0\0\0")
        c.send("grows", "t", rows(10, 20), 1)
        is_there(own, "p", list(range(10, 20)))
        until("it is at both ends", lambda: offsets(own) == [10, 10])
        checkpoint(own)
        kill(own)
        c.ask("create_partitions", b"\x02\x05grows\x02\x01t\x01\0\0\0")
        c.send("grows", "t", rows(20, 30), 2)
        own.start_pipeline("p")
        is_there(own, "p", list(range(10, 30)))


def test_a_server_that_is_killed(own, another):
    s = another()
    with s.client() as c:
        c.create("s", "t", 2)
        c.create("s", "out")
    own.run("p", program(iggy_in("i", s, "s", "t", options=EARLIEST), iggy_out("o", s, "s", "out")))
    for n in range(3):
        with s.client() as c:
            c.send("s", "t", rows(n * 1000, n * 1000 + 1000), n % 2)
        until("they are there", lambda: len(ids(own)) == n * 1000 + 1000)
        with s.client() as c:
            until("they are written", lambda: {*sent(c, "s", "out")} == {*range(n * 1000 + 1000)})
        s.stop()
        until("it says that it tries again", lambda: "retrying" in health(own))
        s.start()
    until("it says that all is well", lambda: "retrying" not in health(own))
    with s.client() as c:
        c.send("s", "t", rows(3000, 3001))
    is_there(own, "p", list(range(3001)))


def test_exactly_once(own, tmp_path, another):
    """kill -9 of pipeline and server in turn: what was read is in the file, once."""
    s, out = another(), tmp_path / "out.json"
    with s.client() as c:
        c.create("s", "t", 2)
    own.run("p", program(iggy_in("i", s, "s", "t", options={**EARLIEST, "consumer": "me"}), file_out("o", out)), runtime_config=EXACTLY)
    n = 0
    for round in range(5):
        with s.client() as c:
            for part in range(3):
                c.send("s", "t", rows(n, n + 200), part % 2)
                n += 200
        if round != 1:
            wait_count(own, "t", n)
        if round == 2:
            checkpoint(own)
            with s.client() as c:
                until("the server is told", lambda: [c.offset("s", "t", p, "me") for p in (0, 1)] == [1199, 599])
        if round == 3:
            s.stop()
            s.start()
        kill(own)
        own.start_pipeline("p")
    wait_count(own, "t", n)
    until("the file has all", lambda: len(written(out)) >= n)
    assert sorted(written(out)) == list(range(n))


def test_output_is_at_least_once(own, another):
    """kill -9 of pipeline and server while rows flow from topic to topic: nothing is lost. A pipeline that wants more is told."""
    s = another()
    with s.client() as c:
        c.create("s", "t", 2)
        c.create("s", "out", 3)
    text = program(iggy_in("i", s, "s", "t", options=EARLIEST), iggy_out("o", s, "s", "out"))
    own.run("p", text, runtime_config=LEAST)
    n = 0
    for round in range(4):
        with s.client() as c:
            c.send("s", "t", rows(n, n + 3000), round % 2)
        n += 3000
        if round == 1:
            checkpoint(own)
        if round == 2:
            s.stop()
            s.start()
        kill(own)
        own.start_pipeline("p")
    wait_count(own, "t", n)
    with s.client() as c:
        until("all are written", lambda: {*sent(c, "s", "out")} == {*range(n)})
    own.stop_pipeline("p")
    own.create("q", text, EXACTLY)
    own.ok("POST", "/v0/pipelines/q/start")
    e = until("it is refused", lambda: own.get("/v0/pipelines/q").json()["deployment_error"])
    assert "v.o only supplies at_least_once" in e["message"], e


AVRO = {"update_format": "raw", "skip_schema_id": True,
        "schema": json.dumps({"type": "record", "name": "r", "fields": [{"name": "id", "type": "long"}, {"name": "s", "type": "string"}]})}


@pytest.mark.parametrize("fmt, config", [("json", {"update_format": "insert_delete"}), ("csv", {"delimiter": ";"}), ("avro", AVRO)])
def test_formats_there_and_back(own, iggy, fmt, config):
    own.run("p", table("a", "id BIGINT NOT NULL, s VARCHAR NOT NULL") +
            view("v", "SELECT id, s FROM a", iggy_out("o", iggy, "formats", fmt, fmt, config, {"create": True})) +
            table("b", "id BIGINT NOT NULL, s VARCHAR NOT NULL", iggy_in("i", iggy, "formats", fmt, fmt, config, EARLIEST), materialized=True))
    rows = [{"id": i, "s": f"a; \"{i}\" \u00e4"} for i in range(500)]
    own.ingress("p", "a", "".join(json.dumps(r) + "\n" for r in rows))
    until("they are back", lambda: own.query("p", "SELECT id, s FROM b ORDER BY id") == rows)


def test_partitioning_and_headers(own, another):
    s = another()
    debezium = {"update_format": "debezium", "key_fields": ["k"]}
    by_key = iggy_out("key", s, "s", "by_key", "json", debezium, {"create": True, "create_partitions": 4, "key_header": "k",
                                                                  "headers": [{"key": "from", "value": "hg"}]})
    fixed = iggy_out("fixed", s, "s", "fixed", options={"create": True, "create_partitions": 2, "partition": 1})
    turn = iggy_out("turn", s, "s", "turn", "json", debezium, {"create": True, "create_partitions": 2, "partitioning": "balanced",
                                                               "batch_size": 10, "linger": 0})
    with s.client() as c:
        c.create("s", "t", 1)
        own.run("p", table("t", "k BIGINT NOT NULL PRIMARY KEY, x BIGINT", iggy_in("i", s, "s", "t", fmt_config={"update_format": "insert_delete"}, options=EARLIEST),
                           materialized=True) + view("v", "SELECT k, x FROM t", by_key, fixed, turn))
        for x in range(5):
            c.send("s", "t", [json.dumps({"insert": {"k": k, "x": x}}) for k in range(100)])
            until("they are there", lambda: own.query("p", "SELECT count(*) AS n FROM t WHERE x = %d" % x) == [{"n": 100}])

        def changes(partition):
            for m in c.read("s", "by_key", partition):
                after = json.loads(m.payload)["payload"].get("after")
                if after:
                    assert m.headers["from"] == "hg" and json.loads(m.headers["k"][1])["payload"] == {"k": after["k"]}, m.headers
                    yield after["k"], after["x"]

        def last():
            return dict(kv for p in range(4) for kv in changes(p)) if c.partitions("s", "by_key") else {}
        until("the last word about each key is its last", lambda: last() == {k: 4 for k in range(100)})
        places = collections.defaultdict(set)
        for p in range(4):
            for k, _ in changes(p):
                places[k].add(p)
        assert all(len(p) == 1 for p in places.values()) and len(set().union(*places.values())) > 1, places
        until("some are written", lambda: (p := c.partitions("s", "fixed")) and p[1][0])
        assert c.partitions("s", "fixed")[0] == (0, 0)
        until("both have some", lambda: all(n for n, _ in c.partitions("s", "turn")))


def test_a_server_that_is_trouble(own, another):
    """Connections that end before and after the append, answers that are cut off or do not come, evictions, 57 and 58."""
    s = another(standin=True)
    with s.client() as c:
        c.create("s", "t", 2)
        own.run("p", program(iggy_in("i", s, "s", "t", options={**EARLIEST, "request_timeout": "2s"}),
                             iggy_out("o", s, "s", "out", options={"create": True, "request_timeout": "2s"})))
        n = 0
        for on, topic in (("poll", "t"), ("send", "out")):
            for action, more in (("drop_before", {}), ("drop_after", {}), ("cut", {}), ("evict", {"reason": 13}), ("silent", {}),
                                 ("status", {"code": 58, "times": 3}), ("status_after", {"code": 57})):
                if on == "poll" and action.startswith("status"):
                    continue
                s.fault(on, action, topic=topic, **more)
                c.send("s", "t", rows(n, n + 100), n // 100 % 2)
                n += 100
                until("they are there", lambda: len(ids(own)) == n)
                until("the last is written", lambda: n - 1 in sent(c, "s", "out"))
        until("all are written", lambda: {*sent(c, "s", "out")} == {*range(n)})
        assert ids(own) == list(range(n)) and s.told()["faults"] == 0


def test_classic_protocol(own, another):
    s = another("classic")
    with s.client() as c:
        c.create("s", "t", 2)
        c.send("s", "t", rows(0, 1500), 0)
        c.send("s", "t", rows(1500, 2000), 1)
        own.run("p", program(iggy_in("i", s, "s", "t", options=EARLIEST), iggy_out("o", s, "s", "out", options={"create": True})))
        is_there(own, "p", list(range(2000)))
        until("all are written", lambda: sorted(sent(c, "s", "out")) == list(range(2000)))
    s.stop()
    s.start()
    with s.client() as c:
        c.send("s", "t", rows(2000, 2001), 1)
    is_there(own, "p", list(range(2001)))


def test_it_is_published_as_kafka(own, iggy):
    """Feldera's clients know no such transport: they see a topic, and whose."""
    own.create("p", program(iggy_in("i", iggy, "s", "t", options=EARLIEST), iggy_out("o", iggy, "s", "out")))
    info = own.ok("GET", "/v0/pipelines/p").json()["program_info"]
    assert info["input_connectors"]["t.i"]["transport"] == {"name": "kafka_input", "config": {"topic": "t", "headgate.transport": "iggy_input"}}
    assert info["output_connectors"]["v.o"]["transport"] == {"name": "kafka_output", "config": {"topic": "out", "headgate.transport": "iggy_output"}}
