"""WATERMARK and emit_final: rows wait until the waterline has passed them, and go on waiting after a crash.

Each ingress call is waited for, so what came before is another step."""
import json

import pytest

from hg import until, whole_lines
from hg.daemon import Daemon
from hg.sql import file_out, table, view
from test_durable import checkpoint, kill
from test_lateness import FT, insert, push, rows


@pytest.fixture
def d():
    d = Daemon()
    yield d
    d.close()


def ids(d, relation):
    return [i for i, in rows(d, f"SELECT id FROM {relation} ORDER BY id")]


def test_watermark_delays_views(d, tmp_path):
    """A row is in views once one comes that is at least the watermark above it; the table has it at once. Deletes wait as inserts do."""
    out = tmp_path / "out.json"
    program = (table("t", "id INT, ts TIMESTAMP WATERMARK INTERVAL 1 HOUR", materialized=True)
               + view("v", "SELECT id, ts FROM t", file_out("o", out, fmt_config={"update_format": "insert_delete"}), materialized=True)
               + view("w", "SELECT id FROM v WHERE id <> 2", materialized=True))
    d.run("p", program, runtime_config=FT)
    push(d, "t", *insert({"id": 1, "ts": "2024-01-01 10:00:00"}, {"id": 2, "ts": "2024-01-01 09:00:00"}, {"id": 3, "ts": None}))
    assert ids(d, "t") == [1, 2, 3]
    assert ids(d, "v") == [2, 3]  # 2 is an hour below 1; NULL never waits
    push(d, "t", *insert({"id": 4, "ts": "2024-01-01 10:59:59.999999"}))
    assert ids(d, "v") == [2, 3]
    push(d, "t", {"delete": {"id": 4, "ts": "2024-01-01 10:59:59.999999"}}, *insert({"id": 5, "ts": "2024-01-01 08:00:00"}))
    assert ids(d, "v") == [2, 3, 5]
    checkpoint(d)
    kill(d)
    d.start_pipeline("p")
    assert ids(d, "t") == [1, 2, 3, 5] and ids(d, "v") == [2, 3, 5]
    push(d, "t", *insert({"id": 6, "ts": "2024-01-01 10:59:59.999999"}))
    assert ids(d, "v") == [2, 3, 5]  # the line was not forgotten, and has not moved
    push(d, "t", *insert({"id": 7, "ts": "2024-01-01 11:00:00"}), {"delete": {"id": 6, "ts": "2024-01-01 10:59:59.999999"}})
    assert ids(d, "v") == [1, 2, 3, 5] and ids(d, "w") == [1, 3, 5]
    push(d, "t", *insert({"id": 8, "ts": "2024-01-02 00:00:00"}))
    assert ids(d, "v") == [1, 2, 3, 5, 7]
    until("each row goes out once", lambda: sorted(json.loads(x)["insert"]["id"] for x in whole_lines(out)) == [1, 2, 3, 5, 7])


def test_watermark_of_a_keyed_table(d):
    """A new row for a key waits while the old one's delete does not: views have neither in between."""
    d.run("p", table("k", "id INT NOT NULL PRIMARY KEY, x INT WATERMARK 10, s VARCHAR") + view("v", "SELECT id, s FROM k", materialized=True))
    push(d, "k", *insert({"id": 1, "x": 100, "s": "a"}, {"id": 2, "x": 90, "s": "a"}))
    assert rows(d, "SELECT * FROM v") == [(2, "a")]
    push(d, "k", *insert({"id": 2, "x": 105, "s": "b"}))
    assert rows(d, "SELECT * FROM v") == []
    assert rows(d, "SELECT id, s FROM k ORDER BY id") == [(1, "a"), (2, "b")]
    push(d, "k", {"delete": {"id": 1}}, *insert({"id": 3, "x": 115, "s": "c"}))
    assert rows(d, "SELECT * FROM v") == [(2, "b")]


def test_emit_final(d, tmp_path):
    """Rows leave once they are below the waterline, in the step that moves it; views that read the view do not wait."""
    out = tmp_path / "out.json"
    program = (table("purchase", "id INT, ts TIMESTAMP NOT NULL LATENESS INTERVAL 1 HOUR")
               + "CREATE MATERIALIZED VIEW f WITH ('emit_final' = 'D', 'connectors' = '%s') AS SELECT id, TIMESTAMP_TRUNC(ts, DAY) AS d FROM purchase WHERE id < 100;\n"
               % json.dumps([file_out("o", out, fmt_config={"update_format": "insert_delete"})])
               + view("now_", "SELECT id FROM f", materialized=True))
    d.run("p", program, runtime_config=FT)
    push(d, "purchase", *insert({"id": 1, "ts": "2020-01-01 01:00:00"}))
    push(d, "purchase", *insert({"id": 2, "ts": "2020-01-01 02:00:00"}, {"id": 3, "ts": "2020-01-01 03:00:00"}))
    push(d, "purchase", *insert({"id": 4, "ts": "2020-01-02 00:59:59"}), {"delete": {"id": 3, "ts": "2020-01-01 03:00:00"}})
    assert ids(d, "f") == [] and ids(d, "now_") == [1, 2, 4]
    checkpoint(d)
    kill(d)
    d.start_pipeline("p")
    push(d, "purchase", *insert({"id": 100, "ts": "2020-01-02 01:00:00"}))  # not in the view, and moves its line
    assert ids(d, "f") == [1, 2]
    push(d, "purchase", *insert({"id": 5, "ts": "2020-01-04 00:00:00"}))
    assert ids(d, "f") == [1, 2, 4]
    until("final rows go out, once", lambda: [json.loads(x) for x in whole_lines(out)] == [
        {"insert": {"id": i, "d": f"2020-01-0{day} 00:00:00"}} for i, day in ((1, 1), (2, 1), (4, 2))])


def test_emit_final_takes_the_lowest_line(d):
    """Of a union, and of columns that LATENESS of a view bounds."""
    d.run("p", table("a", "id INT, x INT LATENESS 5") + table("b", "id INT, y BIGINT LATENESS 0")
          + "CREATE MATERIALIZED VIEW u WITH ('emit_final' = '1') AS SELECT id, x + 100 AS z FROM a UNION ALL SELECT id, y FROM b;\n"
          + "CREATE MATERIALIZED VIEW l WITH ('emit_final' = 'q') AS SELECT id, x * 2 AS q FROM a;\nLATENESS l.q 1;\n")
    push(d, "a", *insert({"id": 1, "x": 10}, {"id": 2, "x": 20}))  # lines: 15 + 100; l: 39
    assert ids(d, "u") == [] and ids(d, "l") == [1]
    push(d, "b", *insert({"id": 3, "y": 111}))
    assert ids(d, "u") == [1]  # 110 < 111
    push(d, "b", *insert({"id": 4, "y": 200}))
    assert ids(d, "u") == [1, 3]  # below 115
    push(d, "a", *insert({"id": 5, "x": 106}))
    assert ids(d, "u") == [1, 2, 3] and ids(d, "l") == [1, 2]
