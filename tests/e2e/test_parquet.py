"""The Parquet format: every type from the Arrow types that hold it, row groups as positions, errors with their place, files out.
test-labels: long"""
import datetime as dt
import decimal
import io
import json
import os
import subprocess
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hg import BUILD, s3, until, whole_lines
from hg.daemon import Daemon
from hg.kafka import Topic
from hg.sql import file_in, file_out, kafka_in, kafka_out, s3_in, table, url_in, view
from test_durable import checkpoint, kill
from test_limits import sanitized

D = decimal.Decimal
UUID = "550e8400-e29b-41d4-a716-446655440000"
UUID_BYTES = bytes.fromhex(UUID.replace("-", ""))
T0 = dt.datetime(2024, 2, 29, 1, 2, 3)
EXACTLY = {"fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}, "dev_tweaks": {"headgate": {"restart": "never"}}}

# SQL type, Arrow type of the file, values there, what a query shows as JSON (None: the same)
IN = [
    ("BOOLEAN", pa.bool_(), [True, False], None),
    ("TINYINT", pa.int8(), [-128, 127], None), ("TINYINT", pa.uint64(), [0, 127], None),
    ("SMALLINT", pa.int16(), [-2**15, 2**15 - 1], None),
    ("INT", pa.int32(), [-2**31, 2**31 - 1], None), ("INT", pa.int64(), [-2**31, 2**31 - 1], None),
    ("BIGINT", pa.int64(), [-2**63, 2**63 - 1], None),
    ("TINYINT UNSIGNED", pa.uint8(), [255], None), ("SMALLINT UNSIGNED", pa.uint16(), [2**16 - 1], None),
    ("INT UNSIGNED", pa.uint32(), [2**32 - 1], None), ("BIGINT UNSIGNED", pa.uint64(), [2**64 - 1], None),
    ("DECIMAL(38, 0)", pa.decimal128(38, 0), [D(10**38 - 1), D(1 - 10**38)], ["9" * 38, "-" + "9" * 38]),
    ("DECIMAL(20, 4)", pa.decimal128(10, 2), [D("-0.05"), D("99999999.99")], ["-0.0500", "99999999.9900"]),
    ("DECIMAL(20, 4)", pa.decimal256(50, 6), [D("1.500000")], ["1.5000"]), ("DECIMAL(20, 2)", pa.int64(), [7], ["7.00"]),
    ("REAL", pa.float32(), [1.5, -0.25], None), ("REAL", pa.float64(), [0.1], None),
    ("DOUBLE", pa.float64(), [0.1, 1e300], None), ("DOUBLE", pa.float32(), [0.5], None), ("DOUBLE", pa.int32(), [7], ["7.0"]),
    ("VARCHAR", pa.string(), ["", "grün, 水", "x" * 1000], None), ("VARCHAR", pa.large_string(), ["large"], None),
    ("VARCHAR", pa.string_view(), ["short", "longer than twelve bytes"], None), ("VARCHAR", pa.dictionary(pa.int8(), pa.string()), ["d", "e", "d"], None),
    ("VARBINARY", pa.binary(), [b"\0\xff"], ["00ff"]), ("VARBINARY", pa.large_binary(), [b""], [""]), ("VARBINARY", pa.binary(3), [b"abc"], ["616263"]),
    ("DATE", pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31)], ["0001-01-01", "9999-12-31"]), ("DATE", pa.date64(), [dt.date(2024, 2, 29)], ["2024-02-29"]),
    ("TIME", pa.time64("ns"), [dt.time(23, 59, 59, 999999)], ["23:59:59.999999"]), ("TIME", pa.time64("us"), [dt.time(1, 2, 3, 4)], ["01:02:03.000004"]),
    ("TIME", pa.time32("ms"), [dt.time(1, 2, 3, 4000)], ["01:02:03.004"]),
    ("TIMESTAMP", pa.timestamp("us"), [T0.replace(microsecond=1)], ["2024-02-29T01:02:03.000001"]), ("TIMESTAMP", pa.timestamp("ms"), [T0], ["2024-02-29T01:02:03"]),
    ("TIMESTAMP", pa.timestamp("ns"), [T0.replace(microsecond=7)], ["2024-02-29T01:02:03.000007"]), ("TIMESTAMP", pa.timestamp("s"), [T0], ["2024-02-29T01:02:03"]),
    ("TIMESTAMP", pa.timestamp("us", "UTC"), [T0.replace(tzinfo=dt.timezone.utc)], ["2024-02-29T01:02:03"]),
    ("UUID", pa.string(), [UUID], None), ("UUID", pa.binary(16), [UUID_BYTES], [UUID]),
    ("VARCHAR ARRAY", pa.list_(pa.string()), [[], ["a", None, ""]], None), ("BIGINT ARRAY ARRAY", pa.large_list(pa.list_(pa.int32())), [[[1, None], None, []]], None),
    ("DECIMAL(5, 2) ARRAY", pa.list_(pa.decimal128(3, 1), 2), [[D("1.5"), D("-2.0")]], ["[1.50,-2.00]"]),
]


def write(path, columns, groups=1, **kw):
    """columns: name → pyarrow array. Returns where each row group ends."""
    t = pa.table(columns)
    pq.write_table(t, str(path), row_group_size=-(-t.num_rows // groups), **kw)
    ends = []
    m = pq.ParquetFile(str(path)).metadata
    for g in range(m.num_row_groups):
        cols = [m.row_group(g).column(c) for c in range(m.num_columns)]
        ends.append(max((c.dictionary_page_offset or c.data_page_offset) + c.total_compressed_size for c in cols))
    return ends


def parquet(name, path, **members):
    return file_in(name, path, fmt="parquet", **members)


def result(d, sql, p="p"):
    text = d.get(f"/v0/pipelines/{p}/query", params={"sql": sql, "format": "json"}).text
    return [json.loads(line, parse_float=str, parse_int=str) for line in text.splitlines()]


def errors(d, endpoint, p="p"):
    r = d.ok("GET", f"/v0/pipelines/{p}/tables/{endpoint.split('.')[0]}/connectors/{endpoint.split('.')[1]}/stats").json()
    return [e["message"] for e in r.get("parse_errors") or []], r


def test_every_type(own, tmp_path):
    """Rows: NULLs in all columns, then the values, then NULLs again; dictionary pages and plain ones."""
    n = 2 + max(len(v) for _, _, v, _ in IN)
    columns = {"id": pa.array(range(n), pa.int32())}
    for i, (_, arrow, values, _) in enumerate(IN):
        columns[f"C{i}"] = pa.array([None, *values, *[None] * (n - 1 - len(values))], arrow)  # names without case
    sql = ", ".join(["id INT NOT NULL PRIMARY KEY", *(f"c{i} {t}" for i, (t, *_) in enumerate(IN)), "absent VARCHAR"])
    sources = []
    for k, kw in enumerate(({}, {"use_dictionary": False, "compression": "zstd"}, {"version": "2.6", "data_page_version": "2.0", "compression": "gzip"})):
        write(tmp_path / f"{k}.parquet", columns, groups=k + 1, **kw)
        sources.append(table(f"t{k}", sql, parquet("src", tmp_path / f"{k}.parquet"), materialized=True))
    own.run("p", "".join(sources))
    own.wait_complete("p")
    for k in range(3):
        assert errors(own, f"t{k}.src")[0] == []
        rows = result(own, f"SELECT * FROM t{k} ORDER BY id")
        assert len(rows) == n
        for i, (name, arrow, values, shown) in enumerate(IN):
            want = shown if shown is not None else [json.dumps(v, separators=(",", ":"), ensure_ascii=False) if not isinstance(v, str) else v for v in values]
            got = [r[f"c{i}"] for r in rows]
            got = [json.dumps(v, separators=(",", ":")).replace('"', "") if isinstance(v, list) else str(v).lower() if isinstance(v, bool) else v for v in got]
            want = [w.replace('"', "") if "ARRAY" in name else w for w in want]
            if name in ("REAL", "DOUBLE"):
                assert [float(g) for g in got[1:1 + len(want)]] == [float(w) for w in want], (name, arrow)
            else:
                assert got[1:1 + len(want)] == want, (name, arrow)
            assert got[0] is None and got[-1] is None, (name, arrow)
        assert all(r["absent"] is None for r in rows)


def test_a_bad_value_costs_its_row(own, tmp_path):
    n = 30000
    ends = write(tmp_path / "in.parquet", {"id": pa.array(range(n), pa.int64()), "v": pa.array([300 if i % 10000 == 7 else None if i == 12345 else i % 100 for i in range(n)], pa.int16())}, groups=3)
    assert len(ends) == 3
    own.run("p", table("t", "id BIGINT NOT NULL, v TINYINT NOT NULL", parquet("src", tmp_path / "in.parquet"), materialized=True))
    own.wait_complete("p")
    assert result(own, "SELECT count(*) AS n, count(DISTINCT id) AS m, max(v) AS v FROM t") == [{"n": str(n - 4), "m": str(n - 4), "v": "99"}]
    told, _ = errors(own, "t.src")
    for words in ("row group 0, row 8: error parsing field 'v': 300 is out of range for type TINYINT", "row group 1, row 2346: error parsing field 'v': invalid type: null, expected TINYINT",
                  "row group 2, row 8: "):
        assert any(words in m for m in told), (words, told)
    assert len(told) == 4 and all("event #" in m for m in told)


def test_a_damaged_column_is_named(own, tmp_path):
    path = tmp_path / "in.parquet"
    write(path, {"id": pa.array(range(9000), pa.int64()), "s": pa.array([f"text {i}" for i in range(9000)])}, groups=3, use_dictionary=False, compression="none")
    c = pq.ParquetFile(str(path)).metadata.row_group(1).column(1)
    data = bytearray(path.read_bytes())
    data[c.data_page_offset:c.data_page_offset + 40] = b"\xff" * 40
    path.write_bytes(data)
    own.run("p", table("t", "id BIGINT, s VARCHAR", parquet("src", path), materialized=True))
    own.wait_complete("p")
    assert result(own, "SELECT count(*) AS n FROM t") == [{"n": "6000"}]
    told, _ = errors(own, "t.src")
    assert len(told) == 1 and "error parsing parquet data (row group 1, column 's'): " in told[0], told


@pytest.mark.parametrize("content, columns, words", [
    (b"PAR1 no Parquet at all PAR1", "id BIGINT", "error parsing Parquet data: "),
    (b"", "id BIGINT", "error parsing Parquet data: "),
    (None, "id BIGINT, must BIGINT NOT NULL", "missing field `must`"),
    (None, "id DATE", "column 'id': Arrow type 'int64' does not become DATE"),
    (None, 'id BIGINT, "S" VARCHAR', "incorrect case-sensitive field name: expected: S, found: s"),
], ids=["garbage", "empty", "missing", "type", "case"])
def test_files_that_do_not_fit_fail_the_connector(own, tmp_path, content, columns, words):
    path = tmp_path / "in.parquet"
    if content is None:
        write(path, {"id": pa.array([1], pa.int64()), "s": pa.array(["x"])})
    else:
        path.write_bytes(content)
    own.run("p", table("t", columns, parquet("src", path), materialized=True))
    why = until("the connector has failed", lambda: (lambda w: w if "failed" in w["text"] else None)(own.ok("GET", "/v0/pipelines/p/tables/t/connectors/src/why").json()))
    assert words in why["text"] and f"file '{path}': " in why["text"]


def test_positions_are_row_groups(own, tmp_path):
    """A position is where a row group ends. Set by hand, only what is behind it is read; one inside a row group leaves that one out and says so."""
    ends = write(tmp_path / "in.parquet", {"id": pa.array(range(40000), pa.int64())}, groups=4)
    own.run("p", table("t", "id BIGINT", parquet("src", tmp_path / "in.parquet", paused=True), materialized=True),
            runtime_config={"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}})
    at = "/v0/pipelines/p/tables/t/connectors/src/"
    own.ok("PUT", at + "position", json={"offset": ends[2]})
    own.ok("POST", at.replace("/connectors/src/", "/connectors/src/start"))
    own.wait_complete("p")
    assert result(own, "SELECT count(*) AS n, min(id) AS lo FROM t") == [{"n": "10000", "lo": "30000"}]
    until("it is behind the whole file", lambda: own.ok("GET", at + "position").json()["position"]["offset"] == os.path.getsize(tmp_path / "in.parquet"))
    own.ok("POST", at + "rerun")
    until("all rows are read again", lambda: result(own, "SELECT count(*) AS n FROM t") == [{"n": "50000"}])


def test_killed_in_the_middle_of_a_file(own, tmp_path):
    """exactly_once: what was in the journal is decoded again, the rest follows, each row is there once."""
    n, groups = 120000, 60
    write(tmp_path / "in.parquet", {"id": pa.array(range(n), pa.int64()), "s": pa.array([f"row {i}" for i in range(n)])}, groups=groups)
    out = tmp_path / "out.json"
    own.run("p", table("t", "id BIGINT, s VARCHAR", parquet("src", tmp_path / "in.parquet", max_queued_records=2000), materialized=True) +
            view("v", "SELECT id FROM t", file_out("o", out), materialized=True), runtime_config=EXACTLY)
    counts = []
    for round in range(3):
        counts.append(until("some rows", lambda: int(result(own, "SELECT count(*) AS n FROM t")[0]["n"])))
        if round == 1:
            checkpoint(own)
        kill(own)
        own.start_pipeline("p")
    own.wait_complete("p")
    assert result(own, "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t") == [{"n": str(n), "m": str(n)}]
    until("all is written", lambda: len(whole_lines(out)) == n)
    assert {json.loads(line)["insert"]["id"] for line in open(out)} == set(range(n))


@pytest.fixture
def bucket():
    s = s3.Server()
    yield s
    s.close()


class Remote:
    """The same file behind a URL, and in a bucket."""

    def __init__(self, kind, web, bucket):
        self.kind, self.web, self.bucket = kind, web, bucket

    def add(self, data, **kw):
        self.thing = self.web.add("/in.parquet", data, **kw) if self.kind == "url" else self.bucket.add("p/in.parquet", data, **kw)

    def connector(self, **kw):
        if self.kind == "url":
            return url_in("src", self.web.url + "/in.parquet", fmt="parquet", fmt_config={}, **kw)
        return s3_in("src", self.bucket, prefix="p/", fmt="parquet", fmt_config={}, **kw)

    def ranges(self):
        return [h.get("Range") for h in self.thing.requests]

    def change(self, data):
        if self.kind == "url":
            self.thing.body, self.thing.etag = data, '"v2"'
        else:
            self.thing.put(data)


@pytest.fixture(params=["url", "s3"])
def remote(request, web, bucket):
    return Remote(request.param, web, bucket)


def why_failed(d):
    return until("the connector has failed", lambda: (lambda w: w["text"] if "failed" in w["text"] else None)(d.ok("GET", "/v0/pipelines/p/tables/t/connectors/src/why").json()))


def test_remote_files_come_by_row_groups(own, tmp_path, remote):
    """The end is asked for first. A step has a row group then, long before the whole file is there; a kill in the middle goes on at one."""
    n, groups = 40000, 8
    ends = write(tmp_path / "in.parquet", {"id": pa.array(range(n), pa.int64()), "s": pa.array([f"row {i} " * 20 for i in range(n)])}, groups=groups, compression="none",
                 use_dictionary=False)
    data = (tmp_path / "in.parquet").read_bytes()
    gate = threading.Event()
    remote.add(data, gate=gate, gate_at=ends[3] + 1000)
    own.run("p", table("t", "id BIGINT, s VARCHAR", remote.connector(), materialized=True) + view("v", "SELECT id FROM t", file_out("o", tmp_path / "out.json")),
            runtime_config=EXACTLY)
    until("four row groups", lambda: result(own, "SELECT count(*) AS n FROM t") == [{"n": str(n // 2)}])
    assert remote.ranges() == ["bytes=-65536", None]
    checkpoint(own)
    kill(own)
    gate.set()
    own.start_pipeline("p")
    own.wait_complete("p")
    assert result(own, "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t") == [{"n": str(n), "m": str(n)}]
    until("all is written", lambda: len(whole_lines(tmp_path / "out.json")) == n)
    assert remote.ranges()[2:] == ["bytes=-65536", f"bytes={ends[3]}-"]


def test_remote_footers_of_any_size(own, tmp_path, remote):
    """More than 64 KiB of footer: the rest of it is asked for once."""
    cols = {f"c{i}": pa.array(range(300), pa.int64()) for i in range(300)}
    write(tmp_path / "in.parquet", {"id": pa.array(range(300), pa.int64()), **cols}, groups=6)
    data = (tmp_path / "in.parquet").read_bytes()
    footer = int.from_bytes(data[-8:-4], "little") + 8
    assert footer > 100000
    remote.add(data)
    own.run("p", table("t", "id BIGINT, c299 BIGINT", remote.connector(), materialized=True))
    own.wait_complete("p")
    assert result(own, "SELECT count(*) AS n, sum(c299) AS s FROM t") == [{"n": "300", "s": str(sum(range(300)))}]
    assert remote.ranges() == ["bytes=-65536", f"bytes={len(data) - footer}-", None]


def test_remote_file_changes_between(own, tmp_path, remote):
    write(tmp_path / "in.parquet", {"id": pa.array(range(3000), pa.int64())}, groups=3)
    write(tmp_path / "other.parquet", {"id": pa.array(range(4000), pa.int64())}, groups=2)
    remote.add((tmp_path / "in.parquet").read_bytes())
    remote.thing.at_end = lambda: remote.change((tmp_path / "other.parquet").read_bytes())
    own.run("p", table("t", "id BIGINT", remote.connector(), materialized=True))
    assert "changed" in why_failed(own)
    assert result(own, "SELECT count(*) AS n FROM t") == [{"n": "0"}]


@pytest.mark.parametrize("data, words", [
    (b"PAR1 no Parquet at all PAR1", "error parsing Parquet data: "),
    (b"PAR1" + b"x" * 200000 + (10**9).to_bytes(4, "little") + b"PAR1", "error parsing Parquet data: "),
], ids=["garbage", "long footer"])
def test_remote_files_that_are_none(own, remote, data, words):
    remote.add(data)
    own.run("p", table("t", "id BIGINT", remote.connector(), materialized=True))
    assert words in why_failed(own)


def test_remote_end_is_asked_for_again(own, tmp_path, remote):
    write(tmp_path / "in.parquet", {"id": pa.array(range(3000), pa.int64())}, groups=3)
    remote.add((tmp_path / "in.parquet").read_bytes(), cut_after=[100], statuses=[503] if remote.kind == "url" else [(503, "SlowDown")])
    own.run("p", table("t", "id BIGINT", remote.connector(), materialized=True))
    own.wait_complete("p")
    assert result(own, "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t") == [{"n": "3000", "m": "3000"}]
    assert remote.ranges() == ["bytes=-65536"] * 3 + [None]


def test_server_without_ranges_sends_it_whole(own, tmp_path, web):
    write(tmp_path / "in.parquet", {"id": pa.array(range(3000), pa.int64())}, groups=3)
    r = web.add("/in.parquet", (tmp_path / "in.parquet").read_bytes(), ranges=False)
    own.run("p", table("t", "id BIGINT", url_in("src", web.url + "/in.parquet", fmt="parquet", fmt_config={}), materialized=True))
    own.wait_complete("p")
    assert result(own, "SELECT count(*) AS n FROM t") == [{"n": "3000"}]
    assert [h.get("Range") for h in r.requests] == ["bytes=-65536", None]


def test_many_objects(own, tmp_path, bucket):
    for i in range(30):
        write(tmp_path / "o", {"id": pa.array(range(i * 1000, i * 1000 + 1000), pa.int64())}, groups=4)
        bucket.add(f"p/{i:02}", (tmp_path / "o").read_bytes())
    own.run("p", table("t", "id BIGINT", s3_in("src", bucket, prefix="p/", fmt="parquet", fmt_config={}), materialized=True))
    own.wait_complete("p")
    assert result(own, "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t") == [{"n": "30000", "m": "30000"}]


def test_installed(tmp_path):
    """The module stands where the installed program looks for it by itself."""
    if sanitized():
        pytest.skip("a sanitized build is not installed")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", tmp_path / "root"], check=True, capture_output=True)
    write(tmp_path / "in.parquet", {"id": pa.array(range(10), pa.int64())})
    program = tmp_path / "p.sql"
    program.write_text(table("t", "id BIGINT", parquet("src", tmp_path / "in.parquet")) + view("v", "SELECT id FROM t", file_out("o", tmp_path / "out.json")))
    env = {k: v for k, v in os.environ.items() if k != "HEADGATE_MODULES"}
    r = subprocess.run([tmp_path / "root/bin/headgate", "run", program, "--until-complete"], env=env, capture_output=True, text=True)
    assert r.returncode == 0 and len((tmp_path / "out.json").read_text().splitlines()) == 10, r


def test_whole_files_from_elsewhere(own, tmp_path, web, broker):
    """An HTTP body, a message of Kafka: each is a file."""
    write(tmp_path / "in.parquet", {"id": pa.array(range(5000), pa.int64())}, groups=5)
    data = (tmp_path / "in.parquet").read_bytes()
    web.add("/in.parquet", data)
    topic = Topic(broker)
    own.run("p", table("u", "id BIGINT", url_in("src", web.url + "/in.parquet", fmt="parquet", fmt_config={}), materialized=True) + table("h", "id BIGINT", materialized=True) +
            table("k", "id BIGINT", kafka_in("src", broker, topic.name, fmt="parquet", fmt_config={}, options={"start_from": "earliest"}), materialized=True) +
            view("kv", "SELECT id FROM h", kafka_out("o", broker, topic.name, fmt="parquet", fmt_config={"buffer_size_records": 2000}), materialized=True))
    r = own.post("/v0/pipelines/p/ingress/h?format=parquet", data=data)
    assert r.status_code == 200, r.text
    own.wait_token("p", r.json()["token"])
    for t in ("u", "h", "k"):
        until(f"the rows of {t}", lambda t=t: result(own, f"SELECT count(*) AS n, count(DISTINCT id) AS m FROM {t}") == [{"n": "5000", "m": "5000"}])
    r = own.post("/v0/pipelines/p/ingress/h?format=parquet", data=data[:-1])
    assert r.status_code == 400 and "error parsing Parquet data: " in r.json()["details"]["errors"][0]["description"]


def test_output(own, tmp_path):
    """A transaction is one file. Deletes cannot be said: they are counted, the rest is written."""
    out = tmp_path / "out.parquet"
    own.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY, d DECIMAL(20, 3), tags VARCHAR ARRAY", materialized=True) +
            view("v", "SELECT * FROM t", file_out("o", out, fmt="parquet", fmt_config={}), materialized=True))
    own.ok("POST", "/v0/pipelines/p/start_transaction")
    for i in range(0, 300000, 100000):
        body = "".join(f'{{"insert":{{"id":{k},"d":{k}.125,"tags":["a",null]}}}}\n' for k in range(i, i + 100000))
        assert own.ingress("p", "t", body, update_format="insert_delete").status_code == 200
    own.ok("POST", "/v0/pipelines/p/commit_transaction")
    until("the file is whole", lambda: own.stats("p")["global_metrics"]["total_completed_records"] == 300000)
    assert own.ok("GET", "/v0/pipelines/p/views/v/connectors/o/stats").json()["metrics"]["transmitted_records"] == 300000
    t = pq.read_table(str(out))
    assert t.num_rows == 300000 and sorted(t.column("id").to_pylist()) == list(range(300000))
    assert pq.ParquetFile(str(out)).metadata.num_row_groups == 3
    assert str(t.schema.field("d").type) == "decimal128(20, 3)" and t.slice(0, 1).to_pylist()[0]["tags"] == ["a", None]
    size = out.stat().st_size
    own.wait_token("p", own.ingress("p", "t", '{"delete":{"id":5}}{"insert":{"id":-1}}', update_format="insert_delete").json()["token"])
    stats = until("the encode error", lambda: (lambda m: m if m["metrics"]["num_encode_errors"] else None)(own.ok("GET", "/v0/pipelines/p/views/v/connectors/o/stats").json()))
    assert stats["metrics"]["num_encode_errors"] == 1 and "deletes are not supported by the parquet format" in json.dumps(stats)
    until("the insert beside it is written", lambda: out.stat().st_size > size)
    assert pq.read_table(io.BytesIO(out.read_bytes()[size:])).to_pylist() == [{"id": -1, "d": None, "tags": None}]


def test_rows_that_are_null_with_fields_that_are_not(own, tmp_path):
    out = tmp_path / "out.parquet"
    own.run("p", table("t", "id BIGINT NOT NULL, r ROW(a INT NOT NULL, b VARCHAR NULL, c ROW(d DATE NOT NULL) NOT NULL) NULL", materialized=True) +
            view("v", "SELECT * FROM t", file_out("o", out, fmt="parquet", fmt_config={}), materialized=True))
    body = '{"id":1,"r":null}\n{"id":2,"r":{"a":5,"b":null,"c":{"d":"2024-02-29"}}}\n'
    own.wait_token("p", own.ingress("p", "t", body).json()["token"])
    rows = [{"id": 1, "r": None}, {"id": 2, "r": {"a": 5, "b": None, "c": {"d": dt.date(2024, 2, 29)}}}]
    assert sorted(pq.read_table(str(out)).to_pylist(), key=lambda r: r["id"]) == rows
    arrow = own.get("/v0/pipelines/p/query", params={"sql": "SELECT * FROM t ORDER BY id", "format": "arrow_ipc"}).content
    t = pa.ipc.open_stream(arrow).read_all()
    t.validate(full=True)
    assert t.to_pylist() == rows


def test_refused_at_compile_time(tmp_path):
    d = Daemon(env={"HEADGATE_MODULES": str(tmp_path)})
    try:
        for program, words in (
                (table("t", "id BIGINT", parquet("src", "/in.parquet")), "Parquet needs the module headgate-parquet.so"),
                (table("t", "id BIGINT") + view("v", "SELECT id FROM t", file_out("o", "/out.parquet", fmt="parquet")), "Parquet needs the module headgate-parquet.so")):
            with pytest.raises(AssertionError, match=words):
                d.create("p", program)
            d.request("DELETE", "/v0/pipelines/p")
    finally:
        d.close()
