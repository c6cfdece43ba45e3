"""plugins/iceberg_sink: tables as PyIceberg reads them. The catalog is a stand-in whose tables are PyIceberg's (hg/iceberg.py). test-labels: threads"""
import datetime
import decimal
import itertools
import json
import signal
import subprocess
import uuid

import pyarrow
import pytest
from hg import BUILD, HEADGATE, PATIENCE, ROOT, iceberg, s3, until
from hg.connectors import Runtime
from hg.iceberg import Catalog
from hg.iggy import Server
from hg.iggy_plugin import ERROR, RAW, TEXT, WARN, Host
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType, ListType, LongType, MapType,
                             NestedField, StringType, StructType, TimestampType, TimestamptzType, TimeType, UUIDType)

QUICK = {"retry_delay": "1ms", "max_retry_delay": "5ms", "max_retries": 9}
T0 = 1710064800000000
PLAIN = Schema(NestedField(1, "n", LongType(), required=True), NestedField(2, "text", StringType(), required=False))
SINK = BUILD / "plugins" / "libiggy_connector_iceberg_sink.so"


@pytest.fixture
def host():
    hosts = []

    def make(**kw):
        hosts.append(Host("iceberg_sink", **kw))
        return hosts[-1]
    yield make
    for h in hosts:
        h.close()


@pytest.fixture
def catalog(tmp_path):
    catalogs = []

    def make(**kw):
        catalogs.append(Catalog(tmp_path / "lake", **kw))
        return catalogs[-1]
    yield make
    for c in catalogs:
        c.close()


def config(c, tables=("db.t",), **kw):
    return {"uri": c.url, "warehouse": "w", "catalog_type": "rest", "tables": list(tables), "store_class": "fs", **QUICK, **kw}


def docs(n, first=0):
    return [{"n": first + i, "text": f"é {first + i}"} for i in range(n)]


def numbers(c, table="db.t"):
    return sorted(r["n"] for r in c.rows(table))


# --- what is in a table --------------------------------------------------------------------------------------------------------------------------

def test_append(host, catalog):
    c, h = catalog(), host()
    c.create("db.t", PLAIN)
    assert h.open_sink(config(c)) == 0 and c.warehouse == "w"
    for k in range(5):
        assert h.consume(docs(100, 100 * k), first=100 * k) == 0
    assert sorted(c.rows("db.t"), key=lambda r: r["n"]) == docs(500)
    assert (c.commits, c.loads) == (5, 2)  # ours once, and PyIceberg's
    last = c.summaries("db.t")[-1]
    assert (last.operation.value, last["added-records"], last["total-records"], last["total-data-files"], last["added-data-files"]) == ("append", "100", "500", "5", "1")
    assert [last[f"headgate.{k}"] for k in ("writer", "stream", "topic", "partition", "offset", "timestamp")] == \
        ["headgate", "stream", "topic", "1", "499", "1710064800000099"]
    assert [s.sequence_number for s in c.tables["db.t"].metadata.snapshots] == [1, 2, 3, 4, 5]
    table = c.client().load_table("db.t")
    files = table.inspect.files().to_pylist()
    assert [f["record_count"] for f in files] == [100] * 5 and {f["file_format"] for f in files} == {"PARQUET"}
    assert {tuple(f["value_counts"]) for f in files} == {((1, 100), (2, 100))} and {tuple(f["null_value_counts"]) for f in files} == {((1, 0), (2, 0))}
    assert sorted(f["readable_metrics"]["n"]["lower_bound"] for f in files) == [0, 100, 200, 300, 400]
    assert sorted(f["readable_metrics"]["n"]["upper_bound"] for f in files) == [99, 199, 299, 399, 499]
    assert sorted(f["readable_metrics"]["text"]["lower_bound"] for f in files)[0] == "é 0"
    assert len(list(table.scan(row_filter="n >= 450").plan_files())) == 1  # the bounds say where to look
    assert [r["n"] for r in table.scan(row_filter="n >= 498").to_arrow().to_pylist()] == [498, 499]


def test_types(host, catalog):
    c, h = catalog(), host()
    types = [("b", BooleanType()), ("i", IntegerType()), ("l", LongType()), ("f", FloatType()), ("d", DoubleType()), ("dec", DecimalType(20, 3)),
             ("date", DateType()), ("time", TimeType()), ("ts", TimestampType()), ("tz", TimestamptzType()), ("s", StringType()), ("u", UUIDType()),
             ("bin", BinaryType()), ("list", ListType(50, IntegerType(), element_required=False)),
             ("map", MapType(51, StringType(), 52, LongType(), value_required=False)),
             ("st", StructType(NestedField(53, "x", IntegerType()), NestedField(54, "y", ListType(55, StringType()))))]
    c.create("db.t", Schema(*(NestedField(i + 1, name, t, required=False) for i, (name, t) in enumerate(types))))
    assert h.open_sink(config(c)) == 0, h.log
    u = "12345678-9abc-def0-1234-56789abcdef0"
    row = {"b": True, "i": -7, "l": 2**62, "f": 1.5, "d": -0.1, "dec": "12345678901234567.891", "date": "2024-02-29", "time": "12:34:56.789012",
           "ts": "2024-02-29T12:34:56.000001", "tz": "2024-02-29T12:34:56+02:00", "s": "é", "u": u, "bin": [0, 255], "list": [1, None, 3], "map": {"k": 5, "a": None},
           "st": {"x": 1, "y": ["p", "q"]}}
    assert h.consume([row, {}, {"i": None, "other": {"deep": [1, {}]}, "S": "by any case"}]) == 0, h.log
    a, b, other = c.rows("db.t")
    want = {**row, "dec": decimal.Decimal("12345678901234567.891"), "date": datetime.date(2024, 2, 29), "time": datetime.time(12, 34, 56, 789012),
            "ts": datetime.datetime(2024, 2, 29, 12, 34, 56, 1), "tz": datetime.datetime(2024, 2, 29, 10, 34, 56, tzinfo=datetime.timezone.utc),
            "bin": b"\0\xff", "map": [("a", None), ("k", 5)]}
    assert {**a, "u": str(a["u"]) if isinstance(a["u"], uuid.UUID) else str(uuid.UUID(bytes=a["u"])), "map": sorted(a["map"])} == want
    assert set(b.values()) == {None} and other["s"] == "by any case"


def test_bad_records_cost_themselves(host, catalog):
    c, h = catalog(), host()
    c.create("db.t", PLAIN)
    assert h.open_sink(config(c)) == 0
    assert h.consume([b'{"n": 1}', b"no JSON", b'{"text": "no n"}', b'{"n": "two"}', b"[3]", b'{"n": 5}\n{"n": 6}', b' {"n":\n7} ']) == 0
    assert numbers(c) == [1, 7]
    said = [t for t in h.lines(ERROR) if "is left out" in t]
    for offset, part in [(1, "no JSON object"), (2, "`n`"), (3, "'n'"), (4, "no JSON object"), (5, "no JSON object")]:
        assert any(f"offset {offset} " in t and part in t for t in said), (offset, said)
    assert any("5 of 7 messages from offset 0" in t for t in h.lines(WARN)), h.log
    assert h.consume([b'{"n": "x"}'] * 9 + [b'{"n": 8}'], first=7) == 0 and any("without a line each" in t for t in h.lines(ERROR))
    assert numbers(c) == [1, 7, 8]
    before = c.commits
    assert h.consume([b"no JSON"] * 3, first=17) == 0 and c.commits == before  # nothing is left to commit
    assert h.consume([b'{"n": 9}'], first=20, schema=RAW) == 0 and h.consume([b'{"n": 10}'], first=21, schema=TEXT) == 0
    assert numbers(c) == [1, 7, 8, 9, 10]


def test_another_writer(host, catalog):
    """PyIceberg and we append in turns; its manifest lists are compressed, and its commits are in between."""
    c, h = catalog(), host()
    c.create("db.t", PLAIN)
    theirs = pyarrow.table({"n": pyarrow.array([1000], pyarrow.int64()), "text": ["theirs"]},
                           schema=pyarrow.schema([pyarrow.field("n", pyarrow.int64(), nullable=False), pyarrow.field("text", pyarrow.string())]))
    assert h.open_sink(config(c)) == 0
    for k in range(4):
        c.client().load_table("db.t").append(theirs)
        assert h.consume(docs(10, 10 * k), first=10 * k) == 0
    assert numbers(c) == sorted([*range(40), *[1000] * 4])
    assert c.summaries("db.t")[-1]["total-records"] == "44"
    with c.client().load_table("db.t").update_schema() as change:
        change.add_column("more", IntegerType())
    assert h.consume([{"n": 40, "more": 4}], first=40) == 0  # its columns are not known yet
    assert h.consume([{"n": 41, "more": 5}], first=41) == 0
    assert {r["n"]: r["more"] for r in c.rows("db.t") if r["n"] in (39, 40, 41)} == {39: None, 40: None, 41: 5}


def test_every_table(host, catalog):
    c, h = catalog(), host()
    for name in ("db.a", "db.b"):
        c.create(name, PLAIN)
    assert h.open_sink(config(c, ["db.a", "db.none", "db.b"])) == 0
    assert any("db.none" in t for t in h.lines(WARN))
    fail = {"n": 0}

    def second_table_is_busy(n):
        fail["n"] = n
        return 503 if n > 1 and fail.get("on") else None
    c.fault, fail["on"] = second_table_is_busy, True
    assert h.consume(docs(10)) == 1  # one has them, the other not
    fail["on"] = False
    assert h.consume(docs(10)) == 0  # so it comes again: nothing is doubled
    assert numbers(c, "db.a") == numbers(c, "db.b") == list(range(10))


def test_dynamic_routing(host, catalog):
    c, h = catalog(), host()
    for name in ("db.a", "x.y.b"):
        c.create(name, PLAIN)
    assert h.open_sink(config(c, [""], dynamic_routing=True, dynamic_route_field="to")) == 0
    rows = [{"n": i, "to": ["db.a", "x.y.b", "db.none", "nonsense", 5][i % 5]} for i in range(20)] + [{"n": 20}, {"n": 21, "to": "wrong", "t\u006f": "db.a"}]
    assert h.consume(rows) == 0
    assert numbers(c, "db.a") == [0, 5, 10, 15, 21] and numbers(c, "x.y.b") == [1, 6, 11, 16]
    said = [t for t in h.lines(ERROR) if "is left out" in t]
    assert any("'to'" in t for t in said) and any("13 of 22" in t for t in h.lines(WARN)), h.log


def test_store_of_objects(host, catalog):
    c, h, store = catalog(prefix="a/b"), host(), s3.Server()
    try:
        iceberg.BUCKETS[store.url] = store
        c.create("db.t", PLAIN, location="s3://bucket/lake/k=1/t")
        store.put_fail = lambda n: (503, "SlowDown") if n % 3 == 0 else None
        keys = {"store_class": "s3", "store_url": store.url, "store_region": s3.REGION, "store_access_key_id": s3.KEY_ID, "store_secret_access_key": s3.SECRET}
        assert h.open_sink(config(c, **keys)) == 0, h.log
        for k in range(3):
            assert h.consume(docs(50, 50 * k), first=50 * k) == 0, h.log
        h.close_sink()
        assert h.open_sink(config(c, **keys), id=2) == 0  # reads what it has written
        assert h.consume(docs(50, 150), first=150, id=2) == 0, h.log
        rows = c.client(**{"py-io-impl": "hg.iceberg.BucketIO", "s3.endpoint": store.url}).load_table("db.t").scan().to_arrow().to_pylist()
        assert sorted(r["n"] for r in rows) == list(range(200)) and not [r for r in store.refused if r[0] != 503]
        # lent by the catalog, with each load
        c.tables["db.t"].config = {"s3.access-key-id": s3.KEY_ID, "s3.secret-access-key": s3.SECRET, "s3.endpoint": store.url, "client.region": s3.REGION}
        assert h.open_sink(config(c, store_class="s3"), id=3) == 0 and h.consume(docs(1, 200), first=200, id=3) == 0, h.log
        assert h.open_sink(config(c), id=4) == 1 and any("store_class" in t for t in h.lines(ERROR))
    finally:
        store.close()


# --- nothing is lost, nothing is doubled ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("fault", [409, 503, 500, "before", "after", (500, "after"), (502, "after"), (503, "after")])
def test_commits_that_go_wrong(host, catalog, fault):
    """Every second commit does; its outcome is told, or not, or told wrongly."""
    c, h = catalog(), host()
    c.create("db.t", PLAIN)
    c.fault = lambda n: fault if n % 2 else None
    assert h.open_sink(config(c)) == 0
    for k in range(6):
        assert h.consume(docs(20, 20 * k), first=20 * k) == 0, h.log
    assert numbers(c) == list(range(120)) and len(c.tables["db.t"].metadata.snapshots) == 6


def test_given_up_and_brought_again(host, catalog):
    """No commit is answered, and no load is either: what consume says is unknown to it, and the next one finds out."""
    c, h = catalog(), host()
    c.create("db.t", PLAIN)
    assert h.open_sink(config(c, max_retries=1)) == 0
    c.fault = lambda n: "after"
    c.load_fault = lambda n: 503
    assert h.consume(docs(20)) == 1
    c.fault = c.load_fault = lambda n: None
    assert h.consume(docs(20)) == 0 and any("20 messages up to offset 19 are in table 'db.t' already" in t for t in h.lines())
    assert h.consume(docs(20, 20), first=20) == 0
    assert numbers(c) == list(range(40))
    c.fault = lambda n: 403
    assert h.consume(docs(1, 40), first=40) == -1  # no further attempt will help


def test_batches_with_other_borders(host, catalog):
    """After a crash batches may begin and end elsewhere."""
    c = catalog()
    c.create("db.t", PLAIN)
    for first, n in [(0, 50), (0, 30), (20, 60), (79, 2), (0, 100)]:
        h = host()
        assert h.open_sink(config(c)) == 0 and h.consume(docs(n, first), first=first, time=T0 + first) == 0
    assert numbers(c) == list(range(100))
    assert h.consume(docs(10, 1000), partition=2) == 0 and h.consume(docs(10, 2000), stream="other") == 0  # others' offsets
    assert numbers(c) == [*range(100), *range(1000, 1010), *range(2000, 2010)]
    assert h.consume(docs(10, 3000), time=1710064900000000) == 0  # a topic that was made again
    assert numbers(c)[-10:] == list(range(3000, 3010))
    assert h.open_sink(config(c, writer="two"), id=2) == 0 and h.consume(docs(5), id=2) == 0  # another sink, which wants them as well
    assert len(numbers(c)) == 135


def test_many_at_once(host, catalog):
    c, h = catalog(), host()
    c.create("db.t", PLAIN)
    assert h.open_sink(config(c)) == 0
    for k in range(3):
        answers = [h.begin_consume(docs(10, 100 * p + 10 * k), first=10 * k, partition=p) for p in range(6)]
        assert [a() for a in answers] == [0] * 6
    assert numbers(c) == [100 * p + i for p in range(6) for i in range(30)]


# --- what cannot be -------------------------------------------------------------------------------------------------------------------------------

def test_open(host, catalog):
    c, h = catalog(token=iceberg.TOKEN), host()
    c.create("db.t", PLAIN)
    c.create("db.parts", PLAIN, spec=PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "n")))
    c.create("db.old", PLAIN, version=1)
    c.create("db.fixed", Schema(NestedField(1, "n", LongType()), NestedField(2, "x", FixedType(4), required=True)))
    c.create("db.twice", Schema(NestedField(1, "n", LongType()), NestedField(2, "N", LongType())))
    good = {"token": iceberg.TOKEN}
    for more, said in [({}, "401"), ({"token": "x"}, "401"), ({**good, "uri": "ftp://x"}, "'uri'"), ({**good, "uri": "http://127.0.0.1:1", "max_retries": 0}, "127.0.0.1:1"),
                       ({**good, "tables": []}, "'tables'"), ({**good, "tables": ["db.none"]}, "none of them"), ({**good, "tables": ["t"]}, "namespace.table"),
                       ({**good, "tables": ["db..t"]}, "empty"), ({**good, "tables": ["db.parts"]}, "partitioned by 'n'"), ({**good, "tables": ["db.old"]}, "format-version 1"),
                       ({**good, "tables": ["db.fixed"]}, "fixed[4]"), ({**good, "tables": ["db.twice"]}, "'n'"), ({**good, "catalog_type": "glue"}, "catalog_type"),
                       ({**good, "store_class": "gcs"}, "'gcs' cannot be had"), ({**good, "store_access_key_id": "x"}, "one is given"),
                       ({**good, "dynamic_routing": True}, "dynamic_route_field")]:
        assert h.open_sink(config(c, **more), id=9) in (1, -1), more
        assert any(said in t for t in h.lines(ERROR)), (said, h.log)
        h.close_sink(9)
        h.log.clear()
    assert h.open_sink(config(c, **good)) == 0
    c.create("db.some", Schema(NestedField(1, "n", LongType()), NestedField(2, "x", FixedType(4), required=False)))
    assert h.open_sink(config(c, ["db.some"], **good), id=2) == 0 and any("stay null: x" in t for t in h.lines(WARN))
    assert h.consume([{"n": 1, "x": "any"}], id=2) == 0 and c.rows("db.some") == [{"n": 1, "x": None}]


def test_tokens_for_a_credential(host, catalog):
    """OAuth2: one token for all, another one when it is taken back or grows old; whether a commit was sent is known."""
    c, h = catalog(credential=iceberg.CREDENTIAL), host()
    c.create("db.t", PLAIN)
    good = {"credential": iceberg.CREDENTIAL}
    for more, said in [({}, "401"), ({"credential": "who:else"}, "no token for the catalog"), ({**good, "scope": "less"}, "Client authentication failed"),
                       ({**good, "token": "x"}, "'token' and 'credential'"), ({"oauth2_server_uri": c.url}, "'credential' is needed"),
                       ({**good, "oauth2_server_uri": "ftp://x"}, "'oauth2_server_uri'"), ({**good, "oauth2_server_uri": c.url + "/v1/config"}, "status 401"),
                       ({**good, "oauth2_server_uri": "http://127.0.0.1:1", "max_retries": 0}, "127.0.0.1:1")]:
        assert h.open_sink(config(c, **more), id=9) == 1 and any(said in t for t in h.lines(ERROR)), (said, h.log)
        h.close_sink(9)
        h.log.clear()
    c.given, c.token_fault = 0, lambda n: 503 if n == 1 else None
    assert h.open_sink(config(c, **good)) == 0 and h.consume(docs(10)) == 0 and c.given == 2
    c.live.clear()  # taken back: the commit is refused, and made again
    assert h.consume(docs(10, 10), first=10) == 0 and c.given == 3
    c.live.clear()
    c.token_fault = lambda n: 503 if n < 6 else 401
    assert h.consume(docs(10, 20), first=20) == -1 and c.given == 6  # tried again while it may help, and not longer
    c.token_fault = lambda n: None
    assert h.consume(docs(10, 20), first=20) == 0 and numbers(c) == list(range(30)) and c.commits == 3
    c.life, c.given = 1, 0
    assert h.open_sink(config(c, **good, oauth2_server_uri=c.url + "/elsewhere"), id=2) == 0 and c.requests[-3][1] == "/elsewhere"
    more = itertools.count(30)
    until("it grew old", lambda: h.consume(docs(1, n := next(more)), first=n, id=2) == 0 and c.given > 1)
    assert not any("4711" in line for line in map(str, h.log))


def test_example():
    p = subprocess.run([HEADGATE, "connectors", "--config", "config.toml", "--check"], cwd=ROOT / "examples" / "iceberg_sink", capture_output=True, text=True, timeout=PATIENCE)
    said = json.loads(p.stdout)
    assert p.returncode == 0 and said["ok"] and not said["messages"], p.stderr
    assert said["sinks"][0]["plugin_config"]["tables"] == ["sales.orders"]


# --- in headgate's runtime ------------------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def iggy():
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("point", ["written", "listed", "committed"])
def test_kill_9_of_the_plugins_process(catalog, iggy, tmp_path, monkeypatch, point):
    """Each process of the plugin dies by SIGKILL at a set point of its third batch, and while some answers are lost."""
    stream, n = f"kill-{point}", 1500
    c = catalog()
    c.create("db.t", PLAIN)
    c.fault = lambda k: ["after", 409, None, None][k % 4]
    with iggy.client() as client:
        client.create(stream, "t")
    monkeypatch.setenv("HG_FAULT", f"kill:iceberg.{point}:3")
    r = Runtime(tmp_path, iggy)
    try:
        r.source("gen", stream, plugin={"messages": 100, "batches": n // 100})
        r.sink("lake", stream, plugin=config(c), path=SINK, batch_length=100, errors={"backoff": "1ms"}, restart={"backoff": "10ms", "max_backoff": "50ms"})
        r.start()
        until("all is there", lambda: sum(int(s["added-records"]) for s in c.summaries("db.t")) >= n)
        assert r.stats("lake")["restarts"] >= 3, r.log
        assert r.stop() == 0
        assert numbers(c) == list(range(n))
    finally:
        r.stop(signal.SIGKILL)
