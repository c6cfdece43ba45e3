"""LATENESS: rows below the waterline are dropped and told in error_view; the waterline moves with the step, and outlives a crash.

Each ingress call is waited for, so what came before is another step."""
import json

import pytest

from hg import until
from hg.daemon import Daemon
from hg.sql import file_out, table, view
from test_durable import checkpoint, kill

FT = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}


def push(d, name, *rows, **params):
    params = {"format": "json", "update_format": "insert_delete", **params}
    d.wait_token("p", d.ingress("p", name, "\n".join(json.dumps(r) for r in rows), **params).json()["token"])


def insert(*rows):
    return [{"insert": r} for r in rows]


def rows(d, sql):
    return [tuple(r.values()) for r in d.query("p", sql)]


@pytest.fixture
def d():
    d = Daemon()
    yield d
    d.close()


COLUMN = [("INT", "5", [100, 95, 94, 200, 195, 194]), ("DECIMAL(38, 2)", "0.01", ["10.00", "9.99", "9.98", "20", "19.99", "19.98"]),
          ("TIMESTAMP", "INTERVAL 1 HOUR", [f"2024-01-01 {t}" for t in ("10:00:00", "09:00:00", "08:59:59.999999", "12:00:00", "11:00:00", "10:59:59.999999")]),
          ("DATE", "INTERVAL 1 DAY", ["2024-03-01", "2024-02-29", "2024-02-28", "2024-05-01", "2024-04-30", "2024-04-29"]),
          ("DOUBLE", "0.5", [1.0, 0.5, 0.25, 8.5, 8.0, 7.75])]


@pytest.mark.parametrize("type_, lateness, v", COLUMN, ids=[c[0].split("(")[0] for c in COLUMN])
def test_late_rows_are_dropped(d, tmp_path, type_, lateness, v):
    """Two waterlines, across a checkpoint and a crash. v: max, at the line, late; then the same for the second step."""
    program = (table("t", f"id INT, ts {type_} LATENESS {lateness}", materialized=True)
               + view("e", "SELECT * FROM error_view", file_out("o", tmp_path / "late.json"), materialized=True))
    d.run("p", program, runtime_config=FT)
    push(d, "t", *insert({"id": 1, "ts": v[0]}, {"id": 2, "ts": v[2]}))  # late only to its own step
    push(d, "t", *insert({"id": 3, "ts": v[1]}, {"id": 4, "ts": v[2]}, {"id": 5, "ts": None}))
    assert rows(d, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,), (5,)]
    push(d, "t", {"delete": {"id": 2, "ts": v[2]}}, {"delete": {"id": 3, "ts": v[1]}})  # the first one is late too
    assert rows(d, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (5,)]
    checkpoint(d)
    push(d, "t", *insert({"id": 6, "ts": v[3]}))
    kill(d)
    d.start_pipeline("p")
    push(d, "t", *insert({"id": 7, "ts": v[5]}, {"id": 8, "ts": v[4]}, {"id": 9, "ts": v[0]}))
    assert rows(d, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (5,), (6,), (8,)]
    late = rows(d, "SELECT table_or_view_name, message, metadata FROM e")
    assert sorted(json.loads(m)["id"] for _, _, m in late) == [2, 4, 7, 9]
    assert all(t == "t" and "is below the waterline" in s and s.startswith("ts ") for t, s, _ in late)
    until("error_view goes out", lambda: len((tmp_path / "late.json").read_text().splitlines()) >= 4)


def test_keyed_table(d):
    """A new row that is late, and whatever would replace or remove an old row that is, is dropped as a whole."""
    d.run("p", table("k", "id INT NOT NULL PRIMARY KEY, ts INT LATENESS 10, s VARCHAR", materialized=True)
          + view("e", "SELECT * FROM error_view", materialized=True))
    push(d, "k", *insert(*({"id": i, "ts": 100 * i, "s": "a"} for i in (1, 2, 3))))
    push(d, "k", *insert({"id": 1, "ts": 500, "s": "new"}))  # the old row is below 290
    push(d, "k", {"delete": {"id": 2}})
    push(d, "k", {"update": {"id": 1, "s": "new"}})
    push(d, "k", *insert({"id": 4, "ts": 10, "s": "late"}))
    push(d, "k", {"update": {"id": 3, "ts": 20}})
    assert rows(d, "SELECT id, ts, s FROM k ORDER BY id") == [(1, 100, "a"), (2, 200, "a"), (3, 300, "a")]
    assert len(rows(d, "SELECT message FROM e")) == 5
    push(d, "k", {"update": {"id": 3, "s": "new"}}, *insert({"id": 5, "ts": 480, "s": "b"}))
    assert rows(d, "SELECT id, s FROM k WHERE id > 2 ORDER BY id") == [(3, "new"), (5, "b")]
    push(d, "k", {"delete": {"id": 5}})
    assert len(rows(d, "SELECT id FROM k")) == 3


def test_of_a_view(d):
    """LATENESS v.c: the view's own rows; what reads it sees what it keeps. The table keeps all."""
    d.run("p", table("t", "id INT, x INT", materialized=True) + view("v", "SELECT id, x * 2 AS y FROM t WHERE x > 0", materialized=True)
          + "LATENESS v.y 10;\n" + view("w", "SELECT id FROM v", materialized=True) + view("e", "SELECT * FROM error_view", materialized=True))
    push(d, "t", *insert({"id": 1, "x": 50}))
    push(d, "t", *insert({"id": 2, "x": 44}, {"id": 3, "x": 45}))
    assert rows(d, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]
    assert rows(d, "SELECT id FROM v ORDER BY id") == rows(d, "SELECT id FROM w ORDER BY id") == [(1,), (3,)]
    assert rows(d, "SELECT * FROM e") == [("v", "y 88 is below the waterline 90: the row was dropped", '{"id":2,"y":88}')]


def test_two_columns_and_nobody_who_reads_the_errors(d):
    d.run("p", table("t", "id INT, a INT LATENESS 0, b INT LATENESS 0", materialized=True))
    push(d, "t", *insert({"id": 1, "a": 5, "b": 5}))
    push(d, "t", *insert({"id": 2, "a": 4, "b": 6}, {"id": 3, "a": 6, "b": 4}, {"id": 4, "a": 5, "b": 5}))
    assert rows(d, "SELECT id FROM t ORDER BY id") == [(1,), (4,)]
    push(d, "t", *insert({"id": 5, "a": -2**31, "b": 7}, {"id": 6, "a": 5, "b": 6}))  # dropped rows moved nothing
    assert rows(d, "SELECT id FROM t ORDER BY id") == [(1,), (4,), (6,)]


def test_late_rows_are_counted(d):
    """Also where no view reads them: what is dropped can be seen."""
    d.run("p", table("t", "ts INT LATENESS 5", materialized=True))
    push(d, "t", *insert({"ts": 100}))
    push(d, "t", *insert({"ts": 1}, {"ts": 2}, {"ts": 96}))
    late = next(m for m in d.get("/v0/pipelines/p/metrics?format=json").json() if m["key"] == "records_late_total")
    assert late["values"][0]["value"] == 2 and rows(d, "SELECT ts FROM t ORDER BY ts") == [(96,), (100,)]
