"""EXPLAIN: a statement's plan as rows, in every format of a result, by our fda and the SDK's way."""
import pytest

from hg.daemon import Daemon
from hg.sql import table, view



@pytest.fixture
def d():
    d = Daemon()
    d.run("p", table("t", "id INT NOT NULL PRIMARY KEY, s VARCHAR, x DECIMAL(10, 2) ARRAY") + view("v", "SELECT id, UPPER(s) AS u FROM t WHERE s IS NOT NULL", materialized=True))
    yield d
    d.close()


def plan(d, sql):
    rows = d.query("p", "EXPLAIN " + sql)
    assert {r["plan_type"] for r in rows} == {"logical_plan"}
    return [r["plan"] for r in rows]


PLANS = [
    ("SELECT id FROM t", ["TableScan: t projection=[id]"]),
    ("SELECT u AS name, COUNT(DISTINCT id) FILTER (WHERE id > 1) AS n FROM v GROUP BY u HAVING COUNT(*) > 2 ORDER BY n DESC LIMIT 5 OFFSET 1",
     ["Limit: skip=1, fetch=5", "  Sort: count(DISTINCT v.id) FILTER (WHERE v.id > 1) DESC NULLS LAST",
      "    Projection: v.u AS name, count(DISTINCT v.id) FILTER (WHERE v.id > 1) AS n", "      Filter: count(*) > 2",
      "        Aggregate: groupBy=[[v.u]], aggr=[[count(DISTINCT v.id) FILTER (WHERE v.id > 1), count(*)]]", "          TableScan: v projection=[u, id]"]),
    ("SELECT CASE WHEN id IN (1, 2) THEN 'a' ELSE s END, NOT (id = 3 AND s IS NOT NULL), COALESCE(s, 'it''s'), x[1], SAFE_CAST(s AS DATE), s LIKE 'a%', ARRAY[id] FROM t",
     ["Projection: CASE WHEN t.id IN (1, 2) THEN 'a' ELSE t.s END AS EXPR$0, NOT ((t.id = 3) AND t.s IS NOT NULL) AS EXPR$1, coalesce(t.s, 'it''s') AS EXPR$2, "
      "t.x[1] AS EXPR$3, SAFE_CAST(t.s AS DATE) AS EXPR$4, t.s LIKE 'a%' AS EXPR$5, ARRAY[t.id] AS EXPR$6", "  TableScan: t projection=[id, s, x]"]),
    ("INSERT INTO t (id) SELECT id + 1 FROM v", ["Dml: op=[Insert Into] table=[t]", "  Projection: v.id + 1, NULL, NULL", "    Projection: v.id + 1", "      TableScan: v projection=[id]"]),
]


@pytest.mark.parametrize("sql, want", PLANS, ids=["scan", "group", "expressions", "insert"])
def test_plans(d, sql, want):
    assert plan(d, sql) == want
    assert d.query("p", "SELECT COUNT(*) AS n FROM t") == [{"n": 0}], "nothing runs"


def test_formats(d):
    text = d.get("/v0/pipelines/p/query", params={"sql": "EXPLAIN SELECT id FROM t", "format": "text"}).text
    assert "| logical_plan | TableScan: t projection=[id] |" in text
    assert d.get("/v0/pipelines/p/query", params={"sql": "EXPLAIN SELECT id FROM t", "format": "arrow_ipc"}).status_code == 200
    r = d.get("/v0/pipelines/p/query", params={"sql": "EXPLAIN SELECT id FROM nope", "format": "json"})
    assert r.status_code == 400 and "table 'nope' not found" in r.json()["message"]
