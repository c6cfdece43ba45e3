"""Each type in each format as a user's program writes and reads it, byte by byte: JSON in all its flavors, CSV, Parquet. What a cell has to be is spelled
here a second time, in Python and by hand, on purpose."""
import datetime as dt
import decimal
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hg import until
from hg.egress import Egress
from hg.kafka import Topic
from hg.run import run
from hg.sql import file_in, file_out, kafka_out, table, view

D = decimal.Decimal
UUID = "67e55044-10b1-426f-9247-bb680e5fe0c8"
UTC = dt.timezone.utc


def days(y, m, d):
    return (dt.date(y, m, d) - dt.date(1970, 1, 1)).days


# --- JSON ------------------------------------------------------------------------------------------------------------

# flavor: TIME, DATE, TIMESTAMP (and with time zone), DECIMAL out, VARIANT, BINARY
FLAVORS = {
    "default": ("text", "text", "sql", "number", "inline", "array"),
    "debezium_mysql": ("us", "days", "z", "string", "string", "array"),
    "debezium_postgres": ("us", "days", "ms", "string", "string", "array"),
    "snowflake": ("text", "text", "offset", "string", "string", "array"),
    "kafka_connect_json_converter": ("ms", "days", "ms", "string", "string", "array"),
    "pandas": ("text", "text", "ms", "string", "string", "array"),
    "blockchain": ("text", "text", "sql", "number", "string", "base58"),
    "c_hex": ("text", "text", "sql", "number", "string", "0x"),
    "ClockInput": ("text", "text", "ms", "number", "string", "array"),
    "datagen": ("text", "text", "offset", "number", "inline", "array"),
    "postgres": ("text", "text", "sql", "string", "inline", "\\x"),
}
# Values that each unit holds, and such as only the texts hold: (text, microseconds, milliseconds)
TIMES = [("23:59:59.123", 86399123000, 86399123), ("00:00:00", 0, 0)]
FINE_TIMES = [("23:59:59.123456789", None, None), ("00:00:00.000001", None, None)]
DATES = [("0001-01-01", days(1, 1, 1)), ("9999-12-31", days(9999, 12, 31))]
STAMPS = [("1969-12-31", "23:59:59.500", -500), ("2024-02-29", "12:00:00", 1709208000000)]
FINE_STAMPS = [("1969-12-31", "23:59:59.999999", None), ("9999-12-31", "23:59:59.000001", None)]
BYTES = [b"\0\0\x01\xff", b""]


def base58(data):
    letters, n, text = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", int.from_bytes(data, "big"), ""
    while n:
        n, r = divmod(n, 58)
        text = letters[r] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def spell(flavor, kind, k):
    """Row k of the kind, as JSON text."""
    time, date, stamp, number, variant, binary = FLAVORS[flavor]
    if kind == "TIME":
        text, us, ms = (TIMES if time != "text" else FINE_TIMES)[k]
        return {"text": f'"{text}"', "us": us, "ms": ms}[time]
    if kind == "DATE":
        return {"text": f'"{DATES[k][0]}"', "days": DATES[k][1]}[date]
    if kind in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        d, t, ms = (STAMPS if stamp == "ms" else FINE_STAMPS)[k]
        zone = "+00:00" if kind != "TIMESTAMP" else ""
        return {"sql": f'"{d} {t}{zone}"', "z": f'"{d}T{t}Z"', "offset": f'"{d}T{t}+00:00"', "ms": ms}[stamp]
    if kind == "DECIMAL(38, 10)":
        text = ("-1234567890123456789012345678.0123456789", "1.5")[k]
        return text if number == "number" else f'"{text}"'
    if kind == "VARIANT":
        text = ('{"a":[1,null,2.5,"x"]}', "18446744073709551616")[k]
        return text if variant == "inline" else json.dumps(text)
    if kind in ("VARBINARY", "BINARY(4)"):
        data = BYTES[k if kind == "VARBINARY" else 0]
        return {"array": json.dumps([*data], separators=(",", ":")), "base58": f'"{base58(data)}"', "0x": f'"0x{data.hex()}"', "\\x": f'"\\\\x{data.hex()}"'}[binary]
    if kind == "BIGINT UNSIGNED" and flavor == "kafka_connect_json_converter":  # Connect has no such type: its schema says string
        return f'"{PLAIN[kind][k]}"'
    return PLAIN[kind][k]


PLAIN = {  # the same in every flavor, but for that one
    "BOOLEAN": ("true", "false"), "TINYINT": ("-128", "127"), "SMALLINT": ("-32768", "32767"), "INTEGER": ("-2147483648", "2147483647"),
    "BIGINT": ("-9223372036854775808", "9223372036854775807"), "TINYINT UNSIGNED": ("255", "0"), "SMALLINT UNSIGNED": ("65535", "0"),
    "INTEGER UNSIGNED": ("4294967295", "0"), "BIGINT UNSIGNED": ("18446744073709551615", "0"), "REAL": ("0.1", "-1.5"), "DOUBLE": ("5e-324", "1.7976931348623157e308"),
    "CHAR(3)": ('"ab "', '"äöü"'), "VARCHAR": ('"grün, \\"q\\" \\\\ \\n\\u0000"', '""'), "UUID": (f'"{UUID}"', '"00000000-0000-0000-0000-000000000000"'),
    "INTEGER ARRAY": ("[1,null,-3]", "[]"), "MAP<VARCHAR, INTEGER>": ('{"a":1,"b":null}', "{}"), "MAP<BIGINT, BOOLEAN>": ('{"-5":true,"7":false}', "{}"),
}
FLAVORED = ("TIME", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "DECIMAL(38, 10)", "VARIANT", "VARBINARY", "BINARY(4)")
KINDS = [*PLAIN, *FLAVORED]


def nested(flavor, k):
    """A flavor reaches into arrays, maps and rows: (SQL type, JSON)."""
    inner = [(f"f{i}", t, spell(flavor, t, k)) for i, t in enumerate(FLAVORED)]
    row = "{" + ",".join(f'"{n}":{v}' for n, _, v in inner) + "}"
    members = ", ".join(f"{n} {t} NULL" for n, t, _ in inner)
    return [(f"ROW({members}) NULL", row), (f"MAP<VARCHAR, ROW({members})>", '{"k":%s,"l":null}' % row), ("DATE ARRAY", f"[{spell(flavor, 'DATE', k)},null]"),
            ("DECIMAL(38, 10) ARRAY ARRAY", f"[[{spell(flavor, 'DECIMAL(38, 10)', k)}],null,[]]")]


def json_rows(flavor):
    cells = [[(t, spell(flavor, t, k)) for t in KINDS] + nested(flavor, k) for k in (0, 1)]
    columns = ", ".join(f"c{i} {t}" for i, (t, _) in enumerate(cells[0]))
    rows = ["{" + ",".join(f'"c{i}":{v}' for i, (_, v) in enumerate(c)) + "}" for c in cells]
    return columns, rows + ["{" + ",".join(f'"c{i}":null' for i in range(len(cells[0]))) + "}"]


def test_json_flavors(tmp_path):
    """In and out by each flavor, nested too: the same bytes."""
    assert base58(BYTES[0]) == "119p"  # by hand: 0x01ff is 8 · 58 + 47, and a 1 for each zero byte before it
    program, want = "", {}
    for f in FLAVORS:
        columns, rows = json_rows(f)
        want[f] = "".join('{"insert":%s}\n' % r for r in rows)
        (tmp_path / f"{f}.in").write_text("".join(r + "\n" for r in rows))
        program += table(f"t_{f}", columns, file_in("i", tmp_path / f"{f}.in", fmt_config={"update_format": "raw", "json_flavor": f}))
        program += view(f"v_{f}", f"SELECT * FROM t_{f}", file_out("o", tmp_path / f"{f}.out", fmt_config={"json_flavor": f}))
    r = run(tmp_path, program, "--until-complete")
    assert r.code == 0 and "bad record" not in r.out, r
    for f in FLAVORS:
        assert (tmp_path / f"{f}.out").read_text() == want[f], f


@pytest.mark.parametrize("fmt", ["json", "csv"])
@pytest.mark.parametrize("key", ["INTEGER ARRAY", "VARBINARY", "ROW(a INTEGER NULL)"])
def test_map_keys_that_are_no_names(tmp_path, fmt, key):
    """Members of objects have texts for names: such a MAP is refused in the program, in and out, at the connector's format."""
    words = f"a MAP with keys of type {key.replace('(a INTEGER NULL)', '')}"
    for program in (table("t", f"x ROW(m MAP<{key}, INTEGER> NULL) ARRAY", file_in("c", "/dev/null", fmt)),
                    table("t", f"k {key}, v INTEGER") + view("v", "SELECT MAP[k, v] AS m FROM t", file_out("c", tmp_path / "o", fmt))):
        r = run(tmp_path, program, "--until-complete")
        assert r.code != 0 and re.search(r"prog.sql:[12]:\d+: error: relation '[tv]': connector 'c': .*" + re.escape(words), r.err), r


def test_debezium_messages(tmp_path, broker):
    """Key and value with the schema that Kafka Connect reads them by, for each type."""
    t, logical = Topic(broker), "org.apache.kafka.connect.data."
    connect = {"BOOLEAN": "boolean", "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64", "TINYINT UNSIGNED": "int16", "SMALLINT UNSIGNED": "int32",
               "INTEGER UNSIGNED": "int64", "REAL": "float", "DOUBLE": "double", "VARBINARY": "bytes", "BINARY(4)": "bytes", "TIME": "int64", "DATE": "int32", "TIMESTAMP": "int64",
               "TIMESTAMP WITH TIME ZONE": "int64"}  # the others are strings
    nested_ = {"INTEGER ARRAY": {"type": "array", "items": {"type": "int32", "optional": True}},
               "MAP<VARCHAR, INTEGER>": {"type": "map", "keys": {"type": "string", "optional": False}, "values": {"type": "int32", "optional": True}},
               "MAP<BIGINT, BOOLEAN>": {"type": "map", "keys": {"type": "int64", "optional": False}, "values": {"type": "boolean", "optional": True}}}
    names = {"TIME": "Time", "DATE": "Date", "TIMESTAMP": "Timestamp", "TIMESTAMP WITH TIME ZONE": "Timestamp"}
    columns, rows = json_rows("kafka_connect_json_converter")
    (tmp_path / "in").write_text("".join(r + "\n" for r in rows))
    r = run(tmp_path, table("t", columns, file_in("i", tmp_path / "in", fmt_config={"update_format": "raw", "json_flavor": "kafka_connect_json_converter"})) +
            view("v", "SELECT * FROM t", kafka_out("o", broker, t.name, "json", {"update_format": "debezium", "key_fields": ["c3"]})), "--until-complete")
    assert r.code == 0, r
    fields = [{"field": f"c{i}", **nested_.get(k, {"type": connect.get(k, "string")}), **({"name": logical + names[k]} if k in names else {}), "optional": True}
              for i, k in enumerate(KINDS)]
    got = [(json.loads(k), json.loads(v)) for k, v, _ in t.read_bytes()]
    for (key, value), text in zip(got, rows, strict=True):
        row = json.loads(text)
        assert key == {"schema": {"type": "struct", "fields": [fields[3]], "optional": False}, "payload": {"c3": row["c3"]}}
        assert value["payload"] == {"op": "c", "after": row}
        after, op = value["schema"]["fields"]
        assert op == {"field": "op", "type": "string", "optional": False} and (value["schema"]["type"], value["schema"]["name"]) == ("struct", "Envelope")
        assert after["fields"][:len(KINDS)] == fields and (after["field"], after["type"], after["optional"]) == ("after", "struct", True)


def test_snowflake_lines(tmp_path):
    """A row as the flavor has it, then what happened, of which stream, and its number there."""
    (tmp_path / "in").write_text('{"insert":{"id":1,"d":1.5}}\n{"insert":{"id":2,"d":null}}\n')
    r = run(tmp_path, table("t", "id BIGINT NOT NULL PRIMARY KEY, d DECIMAL(5, 2)", file_in("i", tmp_path / "in", fmt_config={"update_format": "insert_delete"})) +
            view("v", "SELECT * FROM t", file_out("o", tmp_path / "o", fmt_config={"update_format": "snowflake"})), "--until-complete")
    assert r.code == 0, r
    lines = (tmp_path / "o").read_text().splitlines()
    stream = re.search(r'"__stream_id":(\d+)', lines[0])[1]
    assert int(stream) < 2**63
    assert lines == [f'{{"id":{i},"d":{d},"__action":"insert","__stream_id":{stream},"__seq_number":{n}}}' for n, (i, d) in enumerate([(1, '"1.5"'), (2, "null")])]


# --- CSV -------------------------------------------------------------------------------------------------------------

def csv_field(text):
    """As little quoting as can be; quotes are doubled."""
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n\r') else text


def csv_cell(kind, k):
    """A text is what stands in it, numbers and truth are as in JSON, all that JSON has no name for is its JSON."""
    text = spell("default", kind, k)
    return csv_field(json.loads(text) if text.startswith('"') else text)


def test_csv(tmp_path):
    """In and out; out has the weight behind the columns. NULL is an empty field, and so is an empty text."""
    rows = [[csv_cell(t, k) for t in KINDS] for k in (0, 1)] + [[""] * len(KINDS)]
    (tmp_path / "in.csv").write_text("".join(",".join(r) + "\n" for r in rows))
    columns = ", ".join(f"c{i} {t}" for i, t in enumerate(KINDS))
    r = run(tmp_path, table("t", columns, file_in("i", tmp_path / "in.csv", "csv")) + view("v", "SELECT * FROM t", file_out("o", tmp_path / "out.csv", "csv")), "--until-complete")
    assert r.code == 0 and "bad record" not in r.out, r
    assert (tmp_path / "out.csv").read_text() == "".join(",".join(r) + ",1\n" for r in rows)


def test_http(daemon, gone):
    """The same through ingress and a change stream, which take flavor and format from their queries."""
    p = gone("encodings")
    columns, _ = json_rows("default")
    daemon.run(p, table("t", columns) + view("v", "SELECT * FROM t") + table("c", ", ".join(f"c{i} {t}" for i, t in enumerate(KINDS))) + view("w", "SELECT * FROM c"))

    def push(name, body, **params):
        r = daemon.ingress(p, name, body.encode(), **params)
        assert r.status_code == 200, r.text
    for f in FLAVORS:
        rows = json_rows(f)[1]
        e = Egress(daemon, p, "v", json_flavor=f)
        push("t", "".join(rows), json_flavor=f)
        e.wait_updates(3)
        texts = [c["_raw"].split('"json_data":', 1)[1][1:-2] for c in e.all_chunks() if "json_data" in c]
        assert ",".join(texts) == ",".join('{"insert":%s}' % r for r in rows), f
        e.close()
    rows = [[csv_cell(t, k) for t in KINDS] for k in (0, 1)] + [[""] * len(KINDS)]
    e = Egress(daemon, p, "w", "csv")
    push("c", "".join(",".join(r) + "\n" for r in rows), format="csv")
    until("three lines have come", lambda: e.text().count(",1\n") >= 3)
    assert e.text() == "".join(",".join(r) + ",1\n" for r in rows)
    e.close()


# --- Parquet ---------------------------------------------------------------------------------------------------------

# SQL type, Arrow's type of a file that is written, the values (as JSON: spell) as pyarrow reads them
ARROW = [
    ("BOOLEAN", pa.bool_(), [True, False]), ("TINYINT", pa.int8(), [-128, 127]), ("SMALLINT", pa.int16(), [-2**15, 2**15 - 1]),
    ("INTEGER", pa.int32(), [-2**31, 2**31 - 1]), ("BIGINT", pa.int64(), [-2**63, 2**63 - 1]), ("TINYINT UNSIGNED", pa.uint8(), [255, 0]),
    ("SMALLINT UNSIGNED", pa.uint16(), [2**16 - 1, 0]), ("INTEGER UNSIGNED", pa.uint32(), [2**32 - 1, 0]), ("BIGINT UNSIGNED", pa.uint64(), [2**64 - 1, 0]),
    ("DECIMAL(38, 10)", pa.decimal128(38, 10), [D("-1234567890123456789012345678.0123456789"), D("1.5000000000")]),
    ("REAL", pa.float32(), [0.10000000149011612, -1.5]), ("DOUBLE", pa.float64(), [5e-324, 1.7976931348623157e308]),
    ("CHAR(3)", pa.string(), ["ab ", "äöü"]), ("VARCHAR", pa.string(), ['grün, "q" \\ \n\0', ""]),
    ("VARBINARY", pa.large_binary(), [b"\0\0\x01\xff", b""]), ("BINARY(4)", pa.large_binary(), [b"\0\0\x01\xff"] * 2),
    ("DATE", pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31)]), ("TIME", pa.time64("ns"), [86399123456789, 1000]),
    ("TIMESTAMP", pa.timestamp("us"), [dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(9999, 12, 31, 23, 59, 59, 1)]),
    ("TIMESTAMP WITH TIME ZONE", pa.timestamp("us", "UTC"),
     [dt.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), dt.datetime(9999, 12, 31, 23, 59, 59, 1, UTC)]),
    ("UUID", pa.string(), [UUID, "00000000-0000-0000-0000-000000000000"]), ("VARIANT", pa.string(), ['{"a":[1,null,2.5,"x"]}', "18446744073709551616"]),
    ("INTEGER ARRAY", pa.large_list(pa.int32()), [[1, None, -3], []]),
    ("MAP<VARCHAR, INTEGER>", pa.map_(pa.string(), pa.int32()), [[("a", 1), ("b", None)], []]),
    ("MAP<BIGINT, BOOLEAN>", pa.map_(pa.int64(), pa.bool_()), [[(-5, True), (7, False)], []]),
    ("ROW(a INTEGER NULL, b VARCHAR NULL) NULL", pa.struct([("a", pa.int32()), ("b", pa.string())]), [{"a": 1, "b": "x"}, {"a": None, "b": ""}]),
]


def arrow_type(t):
    """Parquet has its own names for what a list and a map hold."""
    return re.sub(r" not null| \('\w+'\)", "", str(t)).replace("element: ", "item: ")


def plain(column):
    return column.cast(pa.int64()).to_pylist() if pa.types.is_time(column.type) else column.to_pylist()


def test_parquet(tmp_path):
    """Written by us, read by pyarrow; written by pyarrow, read by us: JSON on our side."""
    assert {t for t, _, _ in ARROW} > {*KINDS}
    texts = [[spell("default", t, k) if t in KINDS else ('{"a":1,"b":"x"}', '{"a":null,"b":""}')[k] for t, _, _ in ARROW] for k in (0, 1)] + [["null"] * len(ARROW)]
    lines = ["{" + ",".join(f'"c{i}":{v}' for i, v in enumerate(r)) + "}" for r in texts]
    (tmp_path / "in.json").write_text("".join(x + "\n" for x in lines))
    columns = ", ".join(f"c{i} {t}" for i, (t, _, _) in enumerate(ARROW))
    out = tmp_path / "out.parquet"
    r = run(tmp_path, table("t", columns, file_in("i", tmp_path / "in.json")) + view("v", "SELECT * FROM t", file_out("o", out, "parquet")), "--until-complete")
    assert r.code == 0 and "bad record" not in r.out, r
    read = pq.read_table(str(out))
    read.validate(full=True)
    for i, (name, type_, values) in enumerate(ARROW):
        assert arrow_type(read.column(i).type) == arrow_type(type_), name
        assert plain(read.column(i)) == [*values, None], name
    pq.write_table(pa.table({f"c{i}": pa.array([*v, None], t) for i, (_, t, v) in enumerate(ARROW)}), str(tmp_path / "theirs.parquet"))
    for name in ("out", "theirs"):
        back = run(tmp_path, table("t", columns, file_in("i", tmp_path / f"{name}.parquet", "parquet")) + view("v", "SELECT * FROM t", file_out("o", tmp_path / "back.json")),
                   "--until-complete")
        assert back.code == 0 and "bad record" not in back.out, back
        assert (tmp_path / "back.json").read_text() == "".join('{"insert":%s}\n' % x for x in lines), name
