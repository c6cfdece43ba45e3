"""Ad-hoc results as Arrow IPC streams and Parquet files: every type, read by pyarrow over HTTP and WebSocket, and through the Feldera Python SDK."""
import datetime as dt
import decimal
import io
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
import websocket
from feldera import FelderaClient, Pipeline
from feldera.rest.errors import FelderaAPIError

from hg import PATIENCE
from hg.daemon import Daemon

D = decimal.Decimal
END = b"\xff\xff\xff\xff\0\0\0\0"
UUID = "550e8400-e29b-41d4-a716-446655440000"

# SQL type: Arrow's, then cells as SQL literals with the value that pyarrow reads. Every column has NULLs besides.
TYPES = [
    ("BOOLEAN", pa.bool_(), [("true", True), ("false", False)]),
    ("TINYINT", pa.int8(), [("-128", -128), ("127", 127)]),
    ("SMALLINT", pa.int16(), [("-32768", -32768), ("32767", 32767)]),
    ("INTEGER", pa.int32(), [("-2147483648", -2**31), ("2147483647", 2**31 - 1)]),
    ("BIGINT", pa.int64(), [("-9223372036854775808", -2**63), ("9223372036854775807", 2**63 - 1)]),
    ("TINYINT UNSIGNED", pa.uint8(), [("0", 0), ("255", 255)]),
    ("SMALLINT UNSIGNED", pa.uint16(), [("65535", 65535)]),
    ("INTEGER UNSIGNED", pa.uint32(), [("4294967295", 2**32 - 1)]),
    ("BIGINT UNSIGNED", pa.uint64(), [("18446744073709551615", 2**64 - 1)]),
    ("DECIMAL(38, 10)", pa.decimal128(38, 10), [("1234567890123456789012345678.0123456789", D("1234567890123456789012345678.0123456789")), ("-0.0000000001", D("-1E-10"))]),
    ("DECIMAL(5, 0)", pa.decimal128(5, 0), [("99999", D(99999)), ("-99999", D(-99999))]),
    ("REAL", pa.float32(), [("1.5", 1.5), ("'-Infinity'", float("-inf"))]),
    ("DOUBLE", pa.float64(), [("0.1", 0.1), ("'Infinity'", float("inf"))]),
    ("CHAR(3)", pa.string(), [("'ab'", "ab ")]),
    ("VARCHAR", pa.string(), [("''", ""), ("'grün, 水'", "grün, 水")]),
    ("VARBINARY", pa.large_binary(), [("x'00ff10'", b"\0\xff\x10"), ("x''", b"")]),
    ("DATE", pa.date32(), [("'0001-01-01'", dt.date(1, 1, 1)), ("'9999-12-31'", dt.date(9999, 12, 31))]),
    ("TIME", pa.time64("ns"), [("'00:00:00'", dt.time()), ("'23:59:59.123456'", dt.time(23, 59, 59, 123456))]),
    ("TIMESTAMP", pa.timestamp("us"), [("'1969-12-31 23:59:59.999999'", dt.datetime(1969, 12, 31, 23, 59, 59, 999999)), ("'9999-12-31 00:00:00'", dt.datetime(9999, 12, 31))]),
    ("UUID", pa.string(), [(f"'{UUID}'", UUID)]),
    ("VARCHAR ARRAY", pa.large_list(pa.string()), [("ARRAY['a', NULL, '']", ["a", None, ""])]),
    ("BIGINT ARRAY ARRAY", pa.large_list(pa.large_list(pa.int64())), [("ARRAY[ARRAY[1, 2], NULL, ARRAY[NULL, 3]]", [[1, 2], None, [None, 3]])]),
    ("BINARY(3)", pa.large_binary(), [("x'00ff10'", b"\0\xff\x10")]),
    ("TIMESTAMP WITH TIME ZONE", pa.timestamp("us", "UTC"), [("'2024-02-29 12:00:00.000001+02:00'", dt.datetime(2024, 2, 29, 10, 0, 0, 1, dt.timezone.utc))]),
    ("VARIANT", pa.string(), [("PARSE_JSON('{\"b\": [1, null, 2.50], \"a\": \"x\"}')", '{"a":"x","b":[1,null,2.5]}')]),
    ("MAP<VARCHAR, INTEGER>", pa.map_(pa.string(), pa.int32()), [("MAP['b', 2, 'a', NULL]", [("a", None), ("b", 2)])]),
    ("ROW(a INTEGER NULL, b VARCHAR NULL) NULL", pa.struct([("a", pa.int32()), ("b", pa.string())]), [("ROW(1, 'x')", {"a": 1, "b": "x"})]),
    ("DECIMAL(20, 2) ARRAY", pa.large_list(pa.decimal128(20, 2)), [("ARRAY[123456789012345678.25, -0.01]", [D("123456789012345678.25"), D("-0.01")])]),
]


def rows_of(data):
    """The table of a whole stream: nothing is missing at its end and nothing follows it."""
    assert data.endswith(END)
    reader = pa.ipc.open_stream(data)
    t = reader.read_all()
    t.validate(full=True)
    return t


def over_ws(daemon, p, sql, fmt="arrow_ipc"):
    ws = websocket.create_connection(daemon.url.replace("http", "ws") + f"/v0/pipelines/{p}/query", timeout=PATIENCE)
    try:
        ws.send(json.dumps({"sql": sql, "format": fmt}))
        binary, text = [], None
        while True:
            op, data = ws.recv_data()
            if op == websocket.ABNF.OPCODE_CLOSE:
                return b"".join(binary), text, int.from_bytes(data[:2], "big")
            assert len(data) <= 2 << 20
            if op == websocket.ABNF.OPCODE_BINARY:
                binary.append(data)
            else:
                text = json.loads(data)
    finally:
        ws.close()


def over_http(daemon, p, sql, fmt="arrow_ipc"):
    return daemon.get(f"/v0/pipelines/{p}/query", params={"sql": sql, "format": fmt})


@pytest.fixture(scope="module")
def many(daemon):
    """A table with a column per type; row 0 has NULLs only, row 1 the first value of each, row 2 the last."""
    columns = ", ".join(f"c{i} {t}" for i, (t, _, _) in enumerate(TYPES))
    daemon.create("arrow", f"CREATE TABLE t (id INT NOT NULL PRIMARY KEY, {columns});\n"
                  "CREATE TABLE big (id BIGINT NOT NULL PRIMARY KEY, s VARCHAR);\n")
    daemon.start_pipeline("arrow")
    for row, pick in ((1, 0), (2, -1)):
        cells = ", ".join(f"CAST({v[pick][0]} AS {t})" if v[pick][0][0] not in "AMRP" else v[pick][0] for t, _, v in TYPES)
        r = daemon.get("/v0/pipelines/arrow/query", params={"sql": f"INSERT INTO t VALUES ({row}, {cells})", "format": "json"})
        assert r.text == '{"count":1}\n', r.text
    assert daemon.get("/v0/pipelines/arrow/query", params={"sql": "INSERT INTO t (id) VALUES (0)", "format": "json"}).status_code == 200
    yield "arrow"
    daemon.stop_pipeline("arrow")


def test_every_type(daemon, many):
    sql = "SELECT * FROM t ORDER BY id"
    r = over_http(daemon, many, sql)
    assert r.status_code == 200 and r.headers["content-type"] == "application/octet-stream"
    data, error, code = over_ws(daemon, many, sql)
    assert (data, error, code) == (r.content, None, 1000)
    t = rows_of(r.content)
    assert t.schema.field("id") == pa.field("id", pa.int32(), nullable=False)
    for i, (name, arrow, values) in enumerate(TYPES):
        column = t.column(f"c{i}")
        assert column.type == arrow, name
        assert t.schema.field(f"c{i}").nullable, name
        assert column.to_pylist() == [None, values[0][1], values[-1][1]], name


def test_no_rows_have_a_schema(daemon, many):
    whole, none = (rows_of(over_http(daemon, many, f"SELECT * FROM t{where}").content) for where in ("", " WHERE id > 9"))
    assert none.num_rows == 0 and none.schema == whole.schema
    assert rows_of(over_ws(daemon, many, "SELECT * FROM t WHERE id > 9")[0]).schema == whole.schema


def test_computed_columns(daemon, many):
    sql = ("SELECT NULL AS n, INTERVAL '1 02:03:04.5' DAY TO SECOND AS i, INTERVAL '-1-2' YEAR TO MONTH AS m, id, count(*) AS n2 FROM t WHERE id = 1 GROUP BY id")
    data = over_http(daemon, many, sql).content
    reader = pa.ipc.open_stream(data)
    assert [str(f.type) for f in reader.schema] == ["null", "day_time_interval", "month_interval", "int32", "int64"]
    b = reader.read_next_batch()
    assert b.column(0).null_count == 1 and b.column(4).to_pylist() == [1]
    for value in ((1).to_bytes(4, "little") + (7384500).to_bytes(4, "little"), (-14).to_bytes(4, "little", signed=True)):
        assert value + bytes(64 - len(value)) in data  # a buffer of its own; pyarrow has no Python type for these two
    assert rows_of(over_http(daemon, many, "INSERT INTO t (id) VALUES (0)").content).to_pylist() == [{"count": 1}]


def test_errors(daemon, many):
    """Before the first byte the answer is an error with its reason, also where the other formats would have begun."""
    for sql, reason in (("SELECT nope FROM t", "nope"), ("SELECT 1 / (id - id) FROM t", "division by zero"),
                        ("SELECT INTERVAL '0.000001' SECOND AS x", "column 'x': the interval")):
        r = over_http(daemon, many, sql)
        assert r.status_code == 400 and r.json()["error_code"] == "AdHocQueryError" and reason in r.json()["message"], r.text
        data, error, code = over_ws(daemon, many, sql)
        assert data == b"" and reason in error["error"] and code == 1011


def test_large_results_and_late_errors(daemon, many):
    n = 200_000
    lines = "".join(f'{{"insert":{{"id":{i},"s":"row {i} of the many"}}}}\n' for i in range(n))
    daemon.wait_token(many, daemon.ingress(many, "big", lines, update_format="insert_delete").json()["token"])
    for data in (over_http(daemon, many, "SELECT * FROM big").content, over_ws(daemon, many, "SELECT * FROM big")[0]):
        t = rows_of(data).sort_by("id")
        assert t.num_rows == n
        assert t.column("s").to_pylist() == [f"row {i} of the many" for i in range(n)]
    late = f"SELECT s, 1 / (CASE WHEN id < {n - 1} THEN 1 ELSE 0 END) AS x FROM big"
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        over_http(daemon, many, late)
    data, error, code = over_ws(daemon, many, late)
    assert data and not data.endswith(END) and "division by zero" in error["error"] and code == 1011


def test_sdk(daemon, many):
    p = Pipeline.get(many, FelderaClient(daemon.url))
    batches = list(p.query_arrow("SELECT id, c4 FROM t ORDER BY id"))
    assert pa.Table.from_batches(batches).to_pylist() == [{"id": 0, "c4": None}, {"id": 1, "c4": -2**63}, {"id": 2, "c4": 2**63 - 1}]
    assert list(p.query_arrow_dicts("SELECT c9 AS d FROM t WHERE id = 1")) == [{"d": D("1234567890123456789012345678.0123456789")}]
    assert list(p.query_arrow("SELECT id FROM t WHERE id > 9")) == []
    with pytest.raises(FelderaAPIError, match="division by zero"):
        list(p.query_arrow("SELECT 1 / (id - id) FROM t"))


def test_parquet(daemon, many, tmp_path):
    """The same types in a file; the SDK saves one."""
    sql = "SELECT * FROM t ORDER BY id"
    r = over_http(daemon, many, sql, "parquet")
    assert r.status_code == 200 and r.headers["content-type"] == "application/octet-stream"
    assert re.fullmatch(r'attachment; filename="results_\d{8}_\d{6}\.parquet"', r.headers["content-disposition"])
    data, error, code = over_ws(daemon, many, sql, "parquet")
    assert (data, error, code) == (r.content, None, 1000)
    t = pq.read_table(io.BytesIO(data))
    t.validate(full=True)
    for i, (name, arrow, values) in enumerate(TYPES):
        column = t.column(f"c{i}")
        # Parquet has names of its own for the elements of a list and the entries of a map
        assert re.sub(r" \('\w+'\)", "", str(column.type)).replace("element: ", "item: ") == str(arrow), name
        assert column.to_pylist() == [None, values[0][1], values[-1][1]], name
    assert pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0).compression == "SNAPPY"
    empty = pq.read_table(io.BytesIO(over_http(daemon, many, "SELECT * FROM t WHERE id > 9", "parquet").content))
    assert empty.num_rows == 0 and empty.schema == t.schema
    Pipeline.get(many, FelderaClient(daemon.url)).query_parquet("SELECT id FROM t ORDER BY id", str(tmp_path / "ids"))
    assert pq.read_table(tmp_path / "ids.parquet").to_pydict() == {"id": [0, 1, 2]}
    r = over_http(daemon, many, "SELECT INTERVAL '1' DAY AS x", "parquet")
    assert r.status_code == 400 and "cannot be written as Parquet: " in r.json()["message"] and "day_time_interval" in r.text


def test_without_the_module(tmp_path):
    """Arrow needs nothing; Parquet says what it misses and where it looked, and nothing else is wrong."""
    d = Daemon(env={"HEADGATE_MODULES": str(tmp_path)})
    try:
        d.create("bare", "CREATE TABLE t (id INT) WITH ('materialized' = 'true');")
        d.start_pipeline("bare")
        r = over_http(d, "bare", "SELECT * FROM t", "parquet")
        assert r.status_code == 400 and r.json()["error_code"] == "AdHocQueryError"
        assert f"Parquet needs the module headgate-parquet.so, which is not in {tmp_path}; HEADGATE_MODULES names its folder" in r.json()["message"]
        assert rows_of(over_http(d, "bare", "SELECT * FROM t").content).num_rows == 0
    finally:
        d.close()
    (tmp_path / "headgate-parquet.so").write_bytes(b"no library")
    d = Daemon(env={"HEADGATE_MODULES": f"/nowhere:{tmp_path}"})
    try:
        d.create("bare", "CREATE TABLE t (id INT) WITH ('materialized' = 'true');")
        d.start_pipeline("bare")
        assert "the Parquet module cannot be loaded: " in over_http(d, "bare", "SELECT * FROM t", "parquet").json()["message"]
    finally:
        d.close()


def test_an_idle_pipeline_maps_no_arrow(daemon, many):
    """The libraries come with the first use, in the process that has one."""
    daemon.create("idle", "CREATE TABLE t (id INT) WITH ('materialized' = 'true');")
    daemon.start_pipeline("idle")
    over_http(daemon, many, "SELECT 1", "parquet")
    assert rows_of(over_http(daemon, "idle", "SELECT 1 AS one").content).to_pylist() == [{"one": 1}]

    def mapped(pid):
        with open(f"/proc/{pid}/maps") as f:
            return "libarrow" in f.read()
    assert mapped(daemon.pid_of(many)) and not mapped(daemon.pid_of("idle")) and not mapped(daemon.proc.pid)
