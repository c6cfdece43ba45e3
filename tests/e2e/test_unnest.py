"""UNNEST in FROM: views that follow the changes of arrays and maps, and queries over the same tables, against a model in Python that
makes every view anew from the tables it holds. test-labels: threads

Each push is waited for and is a step of its own; what a view has written is folded: inserts minus deletes."""
import json
import os
import random
from collections import Counter

import pytest

from hg import until, whole_lines
from hg.daemon import Daemon
from hg.run import run
from hg.sql import file_out, table, view
from test_durable import checkpoint, kill
from test_exactly_once import EXACTLY

SEED = int(os.environ.get("HG_SEED", "7"))
TYPE = "CREATE TYPE item AS (sku VARCHAR, n INT);\nSET FELDERA_IGNORE_WARNING_UNUSED_COLUMN = 1;\n"
COLUMNS = "id BIGINT NOT NULL{}, who VARCHAR, tags VARCHAR ARRAY, items item ARRAY, prices MAP<VARCHAR, BIGINT>, grid INT ARRAY ARRAY"

# --- the model: a row of a table → the rows of the view ---------------------------------------------------------------


def some(list_):
    return list_ or []


VIEWS = {
    "tags": ("SELECT id, tag FROM {t} CROSS JOIN UNNEST(tags) AS u(tag)",
             lambda r: [{"id": r["id"], "tag": t} for t in some(r["tags"])]),
    "named": ("SELECT UPPER(tag) AS tag, x.who FROM {t} AS x, UNNEST(x.tags) AS tag WHERE tag <> 'b' AND id % 3 > 0",
              lambda r: [{"tag": t.upper(), "who": r["who"]} for t in some(r["tags"]) if t is not None and t != "b" and r["id"] % 3]),
    "items": ("SELECT i.*, who FROM {t} AS t CROSS JOIN UNNEST(t.items) WITH ORDINALITY AS i(sku, n, pos)",
              lambda r: [{"pos": p + 1, "sku": (i or {}).get("sku"), "n": (i or {}).get("n"), "who": r["who"]}
                         for p, i in enumerate(some(r["items"]))]),
    "prices": ("SELECT k, v, id FROM {t}, UNNEST(prices) AS p(k, v)",
               lambda r: [{"k": k, "v": v, "id": r["id"]} for k, v in (r["prices"] or {}).items()]),
    "cells": ("SELECT id, y, x, cell FROM {t}, UNNEST(grid) WITH ORDINALITY AS g(line, y), UNNEST(g.line) WITH ORDINALITY AS h(cell, x)",
              lambda r: [{"id": r["id"], "y": y + 1, "x": x + 1, "cell": c} for y, line in enumerate(some(r["grid"])) for x, c in enumerate(some(line))]),
    "pairs": ("SELECT id, a, k FROM {t} CROSS JOIN UNNEST(tags) AS u(a) CROSS JOIN UNNEST(MAP_KEYS(prices)) AS p(k)",
              lambda r: [{"id": r["id"], "a": a, "k": k} for a in some(r["tags"]) for k in (r["prices"] or {})]),
    "made": ("SELECT who, n FROM (SELECT who, id FROM {t}) AS s, UNNEST(ARRAY[s.id, NULL, 7]) AS u(n)",
             lambda r: [{"who": r["who"], "n": n} for n in (r["id"], None, 7)]),
    "nothing_of_the_row": ("SELECT 1 AS one FROM {t}, UNNEST(tags) AS u(t)", lambda r: [{"one": 1} for _ in some(r["tags"])]),
}


def row(r, id):
    def maybe(x):
        return None if r.random() < 0.12 else x
    return {"id": id, "who": maybe(r.choice("xyz") * r.randint(1, 9)), "tags": maybe([maybe(r.choice("abcd")) for _ in range(r.choice([0, 0, 1, 2, 5]))]),
            "items": maybe([maybe({"sku": maybe(r.choice("pq")), "n": maybe(r.randint(-5, 5))}) for _ in range(r.randint(0, 3))]),
            "prices": maybe({k: maybe(r.randint(-2**63, 2**63 - 1)) for k in r.sample("klmn", r.randint(0, 4))}),
            "grid": maybe([maybe([maybe(r.randint(0, 3)) for _ in range(r.randint(0, 3))]) for _ in range(r.randint(0, 3))])}


def bag_of(rows):
    return Counter(json.dumps(x, sort_keys=True) for x in rows)


def folded(path):
    """What the file comes to; -1 of a row that is not there stays, and differs from any model."""
    z = Counter()
    for line in whole_lines(path):
        for what, x in json.loads(line).items():
            z[json.dumps(x, sort_keys=True)] += 1 if what == "insert" else -1
    return Counter({k: n for k, n in z.items() if n})


class Model:
    def __init__(self):
        self.keyed, self.bag = {}, Counter()

    def change(self, r, n):
        """n random changes of both tables, as the lines that are pushed."""
        keyed, bag = [], []
        for _ in range(n):
            x = row(r, r.randint(0, 40))
            if x["id"] in self.keyed and r.random() < 0.3:
                del self.keyed[x["id"]]
                keyed.append({"delete": {"id": x["id"]}})
            else:
                self.keyed[x["id"]] = x
                keyed.append({"insert": x})
            old = r.choice(sorted(self.bag)) if self.bag and r.random() < 0.4 else None
            self.bag[old or json.dumps(x)] += -1 if old else 1
            self.bag = +self.bag
            bag.append({"delete": json.loads(old)} if old else {"insert": x})
        return keyed, bag

    def rows(self, name):
        return list(self.keyed.values()) if name == "k" else [json.loads(x) for x in self.bag.elements()]


def push(d, name, changes):
    body = "\n".join(json.dumps(c) for c in changes)
    d.wait_token("p", d.ingress("p", name, body, format="json", update_format="insert_delete").json()["token"])


def check(d, model):
    for t in ("k", "b"):
        for name, (sql, f) in VIEWS.items():
            want = bag_of(x for r in model.rows(t) for x in f(r))
            assert bag_of(d.query("p", f"SELECT * FROM {t}_{name}")) == want, (t, name, "view")
            assert bag_of(d.query("p", sql.format(t=t))) == want, (t, name, "query")


def test_views_and_queries_against_a_model(tmp_path):
    """Random changes, a checkpoint, kill -9, and the journal played again: views, queries and files say what the model says."""
    r, model, d = random.Random(SEED), Model(), Daemon()
    print("HG_SEED =", SEED)
    out = {f"{t}_{name}": tmp_path / f"{t}_{name}.json" for t in "kb" for name in VIEWS}
    program = (TYPE + table("k", COLUMNS.format(" PRIMARY KEY"), materialized=True) + table("b", COLUMNS.format(""), materialized=True)
               + "".join(view(f"{t}_{name}", sql.format(t=t), file_out("o", out[f"{t}_{name}"]), materialized=True)
                         for t in "kb" for name, (sql, _) in VIEWS.items()))
    try:
        d.run("p", program, runtime_config=EXACTLY)
        for step in range(6):
            keyed, bag = model.change(r, 25)
            push(d, "k", keyed)
            push(d, "b", bag)
            if step in (0, 3):
                check(d, model)
            if step == 2:
                checkpoint(d)
            if step in (2, 4):
                kill(d)
                d.start_pipeline("p")
        check(d, model)
        for t in ("k", "b"):
            for name, (_, f) in VIEWS.items():
                want = bag_of(x for x_ in model.rows(t) for x in f(x_))
                until(f"{t}_{name}.json has it all", lambda: folded(out[f"{t}_{name}"]) == want)
    finally:
        d.close()


def test_a_row_is_taken_back_with_all_its_elements(tmp_path):
    d = Daemon()
    try:
        d.run("p", table("t", "id INT NOT NULL PRIMARY KEY, a INT ARRAY") + view("v", "SELECT id, x FROM t, UNNEST(a) AS u(x)", file_out("o", tmp_path / "o"), materialized=True))
        for change in ({"insert": {"id": 1, "a": [1, 1, 2]}}, {"insert": {"id": 1, "a": [2, 1]}}, {"insert": {"id": 1, "a": []}}, {"delete": {"id": 1}}):
            push(d, "t", [change])
        assert d.query("p", "SELECT * FROM v") == []
        until("both changes are out", lambda: (tmp_path / "o").read_text().count("\n") == 6)
        lines = [json.loads(line) for line in (tmp_path / "o").read_text().splitlines()]
        assert lines[3] == {"delete": {"id": 1, "x": 1}}, "the elements that stay are not told again"
        assert sorted(json.dumps(x) for x in lines[4:]) == ['{"delete": {"id": 1, "x": 1}}', '{"delete": {"id": 1, "x": 2}}']
    finally:
        d.close()


def test_large_arrays(tmp_path):
    """More elements than a part has rows; a wide column beside them that is asked for, and one that is not."""
    n, wide = 150_000, "w" * 1000
    (tmp_path / "in").write_text(json.dumps({"id": 1, "a": list(range(n)), "w": wide, "b": list(range(3000))}) + "\n")
    src = {"name": "i", "transport": {"name": "file_input", "config": {"path": str(tmp_path / "in")}}, "format": {"name": "json", "config": {"update_format": "raw"}}}
    r = run(tmp_path, table("t", "id INT, a INT ARRAY, w VARCHAR, b INT ARRAY", src) + view("v", "SELECT id, x FROM t, UNNEST(a) AS u(x)", file_out("o", tmp_path / "o", fmt="csv"))
            + view("x", "SELECT w, x FROM t, UNNEST(b) AS u(x)", file_out("o", tmp_path / "x", fmt="csv")), "--until-complete")
    assert r.code == 0, r
    numbers = [int(line.split(",")[1]) for line in (tmp_path / "o").read_text().splitlines()]
    assert len(numbers) == n and all(i == x for i, x in enumerate(numbers))
    lines = [line.split(",") for line in (tmp_path / "x").read_text().splitlines()]
    assert len(lines) == 3000 and all(line[0] == wide and int(line[1]) == i for i, line in enumerate(lines))


@pytest.fixture(scope="module")
def d():
    d = Daemon()
    d.run("p", TYPE + table("t", COLUMNS.format(" PRIMARY KEY") + ", v VARIANT", materialized=True)
          + view("w", "SELECT id, tag FROM t, UNNEST(tags) AS tag", materialized=True))
    push(d, "t", [{"insert": {"id": 1, "who": "x", "tags": ["a", "b"], "items": [], "prices": {"k": 1}, "grid": None, "v": [1, "z"]}},
                  {"insert": {"id": 2, "who": "y", "tags": ["b"], "items": [{"sku": "s", "n": 3}], "prices": {"k": 5}, "grid": [[1]], "v": None}}])
    yield d
    d.close()


@pytest.mark.parametrize("sql, want", [
    ("SELECT * FROM UNNEST(ARRAY[3, 1, 2]) WITH ORDINALITY AS u(x, n) ORDER BY x", [{"x": 1, "n": 2}, {"x": 2, "n": 3}, {"x": 3, "n": 1}]),
    ("SELECT * FROM UNNEST(MAP['a', 1])", [{"KEY": "a", "VALUE": 1}]),
    ("SELECT * FROM UNNEST(ARRAY[1]) WITH ORDINALITY", [{"EXPR$0": 1, "ORDINALITY": 1}]),
    ("SELECT tag, COUNT(*) AS n, SUM(id) AS s FROM t, UNNEST(tags) AS tag GROUP BY tag HAVING COUNT(*) > 1", [{"tag": "b", "n": 2, "s": 3}]),
    ("SELECT COUNT(*) AS n FROM t, UNNEST(tags) AS tag", [{"n": 3}]),
    ("SELECT DISTINCT tag FROM t, UNNEST(tags) AS tag ORDER BY tag DESC LIMIT 1", [{"tag": "b"}]),
    ("SELECT t.id, u.* FROM t, UNNEST(items) AS u", [{"id": 2, "sku": "s", "n": 3}]),
    ("SELECT id, x FROM t, UNNEST(CAST(v AS VARIANT ARRAY)) AS u(x) ORDER BY 2", [{"id": 1, "x": '"z"'}, {"id": 1, "x": "1"}]),
    ("SELECT t.who || u.tag AS s FROM (SELECT * FROM t WHERE id = 1) AS t CROSS JOIN UNNEST(t.tags) AS u(tag) ORDER BY s", [{"s": "xa"}, {"s": "xb"}]),
    ("WITH c AS (SELECT id, tags FROM t) SELECT id FROM c, UNNEST(tags) AS x WHERE x = 'a'", [{"id": 1}]),
    ("SELECT u.x FROM UNNEST(ARRAY[1, 2]) AS u(x), UNNEST(ARRAY[u.x, u.x * 10]) AS v(y) ORDER BY y", [{"x": 1}, {"x": 2}, {"x": 1}, {"x": 2}]),
])
def test_queries(d, sql, want):
    assert d.query("p", sql) == want


def test_plans(d):
    def plan(sql):
        return [r["plan"] for r in d.query("p", "EXPLAIN " + sql)]
    assert plan("SELECT who, x FROM t, UNNEST(tags) AS u(x) WHERE x > 'a'") == [
        "Projection: t.who, unnest(t.tags) AS x", "  Filter: unnest(t.tags) > 'a'", "    Unnest: t.tags, projection=[t.who]", "      TableScan: t projection=[tags, who]"]
    assert plan("SELECT k, n FROM t, UNNEST(prices) WITH ORDINALITY AS p(k, v, n)") == [
        "Projection: unnest(t.prices).key AS k, unnest(t.prices).ordinality AS n", "  Unnest: t.prices WITH ORDINALITY, projection=[]", "    TableScan: t projection=[prices]"]
    flow = d.get("/v0/pipelines/p/dataflow_graph").json()
    assert [r["relOp"] for r in flow["calcite_plan"]["w"]["rels"]] == ["LogicalTableScan", "LogicalCorrelate", "LogicalProject"]
    assert "flat_map" in [n["operation"] for n in flow["mir"].values()]


@pytest.mark.parametrize("frm, place, says", [
    ("t LEFT JOIN UNNEST(tags) AS u(x) ON TRUE", "3:46", "LEFT JOIN UNNEST is not supported"),
    ("t, UNNEST(who) AS u(x)", "3:37", "Cannot apply 'UNNEST' to arguments of type 'UNNEST(<VARCHAR>)'"),
    ("t, UNNEST(v) AS u(x)", "3:37", "say what the VARIANT holds: UNNEST(CAST(v AS VARIANT ARRAY))"),
    ("t, UNNEST(tags, tags) AS u(x)", "3:37", "UNNEST takes one argument"),
    ("t, UNNEST(tags) AS u(x, y)", "3:37", "table has 1 columns, whereas alias list has 2 columns"),
    ("t, UNNEST(tags) AS t(x)", "3:37", "Duplicate relation name 't' in FROM clause"),
    ("t, UNNEST(s.tags) AS u(x)", "3:44", "Table 's' not found"),
    ("t, UNNEST(tags) AS u(who)", "3:25", "Column 'who' is ambiguous"),
    ("UNNEST(ARRAY[1]) AS u(who)", "3:34", "UNNEST in a view without a table before it"),
    ("t, UNNEST(CAST(MAX(who) AS VARIANT ARRAY)) AS u(x)", "3:49", "Aggregate expression is illegal in FROM clause"),
    ("t, UNNEST(tags) AS u(x), t AS s", "3:59", "A join of several tables in FROM"),
])
def test_what_is_refused(tmp_path, frm, place, says):
    program = TYPE.splitlines()[0] + "\n" + f"CREATE TABLE t ({COLUMNS.format('')}, v VARIANT);\n" + f"CREATE VIEW w AS SELECT who FROM {frm};\n"
    r = run(tmp_path, program, "--until-complete")
    assert r.code != 0 and says in r.err and f":{place}: error" in r.err, r
