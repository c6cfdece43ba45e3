"""ARRAY, MAP, ROW, types of the user's and VARIANT: expressions on them, kept in tables over a crash, out and in again in every form.

What a value is is said by JSON texts; numbers are compared as they are written, so that no digit is lost on the way."""
import json
import random
import re
from types import SimpleNamespace

import pytest

from hg import until
from hg.daemon import Daemon
from hg.run import run
from hg.sql import file_in, file_out, table, view
from test_durable import FT, checkpoint, kill

BIG = "1234567890123456789012345678.0123456789"
TYPE = "CREATE TYPE addr AS (street VARCHAR, zip INT NOT NULL);\nSET FELDERA_IGNORE_WARNING_UNUSED_COLUMN = 1;\n"
COLUMNS = ("id BIGINT NOT NULL PRIMARY KEY, m MAP<VARCHAR, INT>, r ROW(a INT, b VARCHAR) NULL, u addr, v VARIANT, aa INT ARRAY ARRAY, "
           "mr MAP<BIGINT, ROW(x DECIMAL(38, 10) NULL)>, tt ROW(t TIME, u BIGINT UNSIGNED) ARRAY")
ROW_1 = ('{"id":1,"m":{"b":2,"a":1},"r":{"a":1,"b":"x"},"u":{"street":"s","zip":12},'
         '"v":{"z":1.50,"n":18446744073709551615,"a":[1,2,{"q":null,"d":"2024-02-29"}]},"aa":[[1,2],null,[]],'
         '"mr":{"9":null,"7":{"x":%s}},"tt":[{"t":"23:59:59.999999999","u":18446744073709551615},null]}' % BIG)
ROW_2 = '{"id":2,"m":null,"r":null,"u":null,"v":null,"aa":null,"mr":{},"tt":[]}'
# as it is kept: members of maps and variants in order, one spelling per number
KEPT_1 = (ROW_1.replace('{"b":2,"a":1}', '{"a":1,"b":2}').replace('{"9":null,"7":{"x":%s}}' % BIG, '{"7":{"x":%s},"9":null}' % BIG)
          .replace('{"z":1.50,"n":18446744073709551615,"a":[1,2,{"q":null,"d":"2024-02-29"}]}',
                   '{"a":[1,2,{"d":"2024-02-29","q":null}],"n":18446744073709551615,"z":1.5}'))

# expression, its value in row 1, in row 2
EXPRESSIONS = [
    ("m['a']", "1", "null"),
    ("m['zz']", "null", "null"),
    ("CARDINALITY(m)", "2", "null"),
    ("m = MAP['b', 2, 'a', 1]", "true", "null"),
    ("MAP['k', id, 'j', 2, 'k', 9]", '{"j":2,"k":9}', '{"j":2,"k":9}'),
    ("MAP[id, u]", '{"1":{"street":"s","zip":12}}', '{"2":null}'),
    ("MAP[DATE '2024-02-29', m]", '{"2024-02-29":{"a":1,"b":2}}', '{"2024-02-29":null}'),
    ("MAP[1, 'a', 2, 'b'][2]", '"b"', '"b"'),
    ("MAP_KEYS(mr)", "[7,9]", "[]"),
    ("MAP_VALUES(m)", "[1,2]", "null"),
    ("MAP_CONTAINS_KEY(m, 'a')", "true", "null"),
    ("CAST(m AS MAP<VARCHAR, VARCHAR>)", '{"a":"1","b":"2"}', "null"),
    ("mr[7].x", BIG, "null"),
    ("mr[8].x", "null", "null"),
    ("r.a", "1", "null"),
    ("t.r.b", '"x"', "null"),
    ("(r).b || '!'", '"x!"', "null"),
    ("u.zip", "12", "null"),
    ("addr('q', id)", '{"street":"q","zip":1}', '{"street":"q","zip":2}'),
    ("COALESCE(u, addr('none', 0))", '{"street":"s","zip":12}', '{"street":"none","zip":0}'),
    ("ROW(id, 'x')", '{"EXPR$0":1,"EXPR$1":"x"}', '{"EXPR$0":2,"EXPR$1":"x"}'),
    ("r < ROW(1, 'y')", "true", "null"),
    ("r IS NOT DISTINCT FROM ROW(1, 'x')", "true", "false"),
    ("CAST(r AS ROW(q BIGINT NULL, w VARCHAR NULL))", '{"q":1,"w":"x"}', "null"),
    ("aa[1][2]", "2", "null"),
    ("aa[2][1]", "null", "null"),
    ("CARDINALITY(aa)", "3", "null"),
    ("tt[1].t", '"23:59:59.999999999"', "null"),
    ("tt[1].u", "18446744073709551615", "null"),
    ("ARRAY[r, ROW(5, 'five')]", '[{"a":1,"b":"x"},{"a":5,"b":"five"}]', '[null,{"a":5,"b":"five"}]'),
    ("CASE WHEN id = 1 THEN m ELSE MAP['n', 0] END", '{"a":1,"b":2}', '{"n":0}'),
    ("v['a'][3]['d']", '"2024-02-29"', "null"),
    ("v.a[2]", "2", "null"),
    ("v.\"A\"", "null", "null"),
    ("v['a'][3].q IS NULL", "false", "true"),
    ("v['a'][4] IS NULL", "true", "true"),
    ("CAST(v['n'] AS BIGINT UNSIGNED)", "18446744073709551615", "null"),
    ("CAST(v['n'] AS BIGINT)", "null", "null"),
    ("CAST(v['z'] AS DECIMAL(8, 2)) + 1", "2.5", "null"),
    ("CAST(v['a'][3]['d'] AS DATE) + INTERVAL 1 DAY", '"2024-03-01"', "null"),
    ("CAST(v['a'] AS INT ARRAY)", "[1,2,null]", "null"),
    ("CAST(mr AS VARIANT)", '{"7":{"x":%s},"9":null}' % BIG, "{}"),
    ("CAST(CAST(mr AS VARIANT) AS MAP<BIGINT, ROW(x DECIMAL(38, 10) NULL)>)[7].x", BIG, "null"),
    ("CAST(CAST(tt AS VARIANT) AS ROW(t TIME, u BIGINT UNSIGNED) ARRAY)[1].t", '"23:59:59.999999999"', "null"),
    ("CAST(PARSE_JSON('{\"street\":\"x\",\"zip\":5}') AS addr)", '{"street":"x","zip":5}', '{"street":"x","zip":5}'),
    ("CAST(PARSE_JSON('{\"street\":\"x\"}') AS addr)", "null", "null"),
    ("PARSE_JSON('{\"b\":1, \"a\":[1.0,2.50]}')", '{"a":[1,2.5],"b":1}', '{"a":[1,2.5],"b":1}'),
    ("PARSE_JSON('{')", "null", "null"),
    ("PARSE_JSON('{\"a\":1,\"b\":2}') = PARSE_JSON('{\"b\":2,\"a\":1}')", "true", "true"),
    ("TO_JSON(v['a'])", '"[1,2,{\\"d\\":\\"2024-02-29\\",\\"q\\":null}]"', "null"),
    ("TO_JSON(PARSE_JSON('null'))", '"null"', '"null"'),
    ("TO_JSON(CAST(TIMESTAMP '2020-01-01 10:00:00' AS VARIANT))", '"\\"2020-01-01 10:00:00\\""', '"\\"2020-01-01 10:00:00\\""'),
    ("VARIANTNULL() IS NULL", "false", "false"),
    ("VARIANTNULL() = VARIANTNULL()", "true", "true"),
    ("TYPEOF(v['n'])", '"BIGINT UNSIGNED"', "null"),
    ("CAST(MAP[1, 'a', 2, 'b'] AS VARIANT)[1]", '"a"', '"a"'),
    ("CAST(ARRAY[1, 2, 3] AS VARIANT)['name']", "null", "null"),
]


def write(path, *lines):
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_expressions(tmp_path):
    src = file_in("i", write(tmp_path / "in.json", ROW_1, ROW_2))
    views = "".join(view(f"w{i}", f"SELECT id, {e[0]} AS y FROM t", file_out("o", tmp_path / f"o{i}")) for i, e in enumerate(EXPRESSIONS))
    r = run(tmp_path, TYPE + table("t", COLUMNS, src) + views, "--until-complete")
    assert r.code == 0, r
    wrong = []
    for i, (e, *want) in enumerate(EXPRESSIONS):
        got = dict(re.fullmatch(r'\{"insert":\{"id":(\d),"y":(.*)\}\}', line).groups() for line in (tmp_path / f"o{i}").read_text().splitlines())
        if [got["1"], got["2"]] != want:
            wrong.append(f"{e}: {got['1']} | {got['2']}, not {want}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("what, says", [
    ("r['a']", "Cannot apply indexing to arguments of type r['a']"),
    ("u.ziq", "Unknown field 'ziq'"),
    ("m[1]", "Cannot apply '[]' to arguments of type '[](<MAP<VARCHAR, INTEGER>>, <INTEGER>)'"),
    ("MAP['a']", "an even number of them"),
    ("MAP[NULL, 1]", "The keys of a MAP must be of the same type"),
    ("MAP[1, 'a', 2, 3]", "Cannot convert 'a' to INTEGER"),
    ("MAP[1, TRUE, 2, 3]", "The values of a MAP must be of the same type"),
    ("addr('x')", "has 2 fields, not 1"),
    ("addr('x', NULL)", "The field 'zip' of type 'addr' is NOT NULL"),
    ("addr(1, 2)", "The field 'street' of type 'addr' is VARCHAR, which INTEGER is not"),
    ("r = r", "Cannot apply '='"),
    ("(id).x", "A value of type BIGINT has no fields: 'x'"),
    ("CAST(rr AS addr)", "Cast function cannot convert value of type ROW(a INTEGER NULL, b INTEGER NULL)"),
    ("CAST(m AS VARCHAR)", "Cast function cannot convert value of type MAP<VARCHAR, INTEGER> to type VARCHAR"),
    ("CAST(id AS GEOMETRY)", "GEOMETRY"),
])
def test_what_is_refused(tmp_path, what, says):
    program = TYPE + f"CREATE TABLE t ({COLUMNS}, rr ROW(a INT NULL, b INT NULL));\nCREATE VIEW w AS SELECT {what} AS y FROM t;"
    r = run(tmp_path, program, "--until-complete")
    assert r.code != 0 and says in r.err and re.search(r":\d+:\d+: error", r.err), r


def test_kept_over_a_crash_and_asked_for(tmp_path):
    """Keyed and unkeyed tables: stored, queried, checkpointed, killed; an equal row spelled otherwise is the same row."""
    d = Daemon()
    try:
        out = tmp_path / "out.json"
        program = (TYPE + table("k", COLUMNS, materialized=True) + table("b", COLUMNS.replace(" PRIMARY KEY", ""), materialized=True)
                   + view("w", "SELECT * FROM b", file_out("o", out), materialized=True))
        d.run("p", program, runtime_config=FT)
        for name in ("k", "b"):
            d.wait_token("p", d.ingress("p", name, ROW_1 + "\n" + ROW_2, format="json", update_format="raw").json()["token"])
        checkpoint(d)
        kill(d)
        d.start_pipeline("p")
        for name in ("k", "b", "w"):
            text = d.get(f"/v0/pipelines/p/query?format=json&sql=SELECT * FROM {name} ORDER BY id").text.splitlines()
            assert text[1] == ROW_2
            assert json.loads(text[0]) == {**json.loads(KEPT_1), "v": json.loads(text[0])["v"]} and BIG in text[0]
            assert json.loads(json.loads(text[0])["v"]) == json.loads(KEPT_1)["v"]
        text = d.get("/v0/pipelines/p/query?format=text&sql=SELECT m, r, aa FROM k WHERE id = 1").text
        assert "{a: 1, b: 2}" in text and "{a: 1, b: x}" in text and "[[1, 2], , []]" in text, text
        for name, key in (("k", '{"id":1}'), ("b", KEPT_1)):
            d.wait_token("p", d.ingress("p", name, '{"delete":%s}' % key, format="json", update_format="insert_delete").json()["token"])
            assert [x["id"] for x in d.query("p", f"SELECT id FROM {name}")] == [2]
        d.query("p", "INSERT INTO k (id, m, r, u, v, aa) VALUES (3, MAP['x', 1], ROW(7, 'y'), addr('z', 1), PARSE_JSON('[1]'), ARRAY[ARRAY[1]])")
        assert d.query("p", "SELECT m['x'] AS a, r.b AS b, u.zip AS c, v[1] AS d, aa[1][1] AS e FROM k WHERE id = 3") == [
            {"a": 1, "b": "y", "c": 1, "d": "1", "e": 1}]
        until("the deletes are written", lambda: '{"delete":' + KEPT_1 + "}" in out.read_text())
    finally:
        d.close()


def test_csv_carries_them_as_json(tmp_path):
    """Through CSV and back: the same rows."""
    src = file_in("i", write(tmp_path / "in.json", ROW_1, ROW_2))
    csv = file_out("o", tmp_path / "mid.csv", "csv")
    r = run(tmp_path, TYPE + table("t", COLUMNS, src) + view("w", "SELECT * FROM t", csv), "--until-complete")
    assert r.code == 0, r
    text = (tmp_path / "mid.csv").read_text()
    again = tmp_path / "again.csv"
    again.write_text(re.sub(r",1$", "", text, flags=re.M) if re.search(r",1$", text, re.M) else text)
    back = file_in("i", again, "csv")
    r = run(tmp_path, TYPE + table("t", COLUMNS, back) + view("w", "SELECT * FROM t", file_out("o", tmp_path / "out.json")),
            "--until-complete", name="again")
    assert r.code == 0, r
    assert sorted((tmp_path / "out.json").read_text().splitlines()) == ['{"insert":%s}' % KEPT_1, '{"insert":%s}' % ROW_2]


def test_jsonstring_as_a_type(tmp_path):
    """A text of JSON as a value of a type; what is none is NULL."""
    texts = ['{"street":"s","zip":7,"tags":["x",null],"more":1}', "{nope", None, '{"ZIP":8}', "[1]", "null", '{"zip":"9"}']
    (tmp_path / "in").write_text("".join(json.dumps({"id": i, "j": t}) + "\n" for i, t in enumerate(texts)))
    r = run(tmp_path, "CREATE TYPE addr AS (street VARCHAR, zip INT, tags VARCHAR ARRAY);\nCREATE FUNCTION jsonstring_as_addr(x VARCHAR) RETURNS addr;\n"
            + table("t", "id INT, j VARCHAR", file_in("i", tmp_path / "in"))
            + view("v", "SELECT id, jsonstring_as_addr(j) AS a, (jsonstring_as_addr(j)).zip + 1 AS z FROM t", file_out("o", tmp_path / "o")), "--until-complete")
    assert r.code == 0, r
    got = {x["insert"]["id"]: (x["insert"]["a"], x["insert"]["z"]) for x in map(json.loads, (tmp_path / "o").read_text().splitlines())}
    nothing = {"street": None, "zip": None, "tags": None}
    assert got == {0: ({"street": "s", "zip": 7, "tags": ["x", None]}, 8), 1: (None, None), 2: (None, None), 3: (nothing, None), 4: (None, None),
                   5: (None, None), 6: (nothing, None)}


def test_array_functions(tmp_path):
    """Against Python, on arrays and elements that may be NULL; constants and mixed types, too."""
    r = random.Random(7)
    rows = [{"id": i, "a": r.choice([None, *([[r.choice([None, *range(4)]) for _ in range(r.randint(0, 5))]] * 9)]), "x": r.choice([None, *range(4)]),
             "s": r.choice([None, ["b", "a", None], [], ["ä"]])} for i in range(300)]
    (tmp_path / "in").write_text("".join(json.dumps(x) + "\n" for x in rows))
    calls = {"contains": "ARRAY_CONTAINS(a, x)", "position": "ARRAY_POSITION(a, x)", "append": "ARRAY_APPEND(a, x)", "prepend": "ARRAY_PREPEND(a, x)",
             "reverse": "ARRAY_REVERSE(a)", "compact": "ARRAY_COMPACT(a)", "most": "ARRAY_MAX(a)", "least": "ARRAY_MIN(a)", "texts": "ARRAY_MAX(s)",
             "found": "ARRAY_CONTAINS(s, 'a')", "wide": "ARRAY_APPEND(a, CAST(x AS BIGINT) * 10000000000)", "const": "ARRAY_POSITION(ARRAY[3, 1, 2, 1], x)",
             "nested": "ARRAY_CONTAINS(ARRAY[a, ARRAY[9]], a)", "always": "ARRAY_APPEND(a, NULL)"}
    r = run(tmp_path, table("t", "id INT, a INT ARRAY, x INT, s VARCHAR ARRAY", file_in("i", tmp_path / "in"))
            + view("v", "SELECT id, " + ", ".join(f'{e} AS "{n}"' for n, e in calls.items()) + " FROM t", file_out("o", tmp_path / "o")), "--until-complete")
    assert r.code == 0, r
    got = {x["id"]: x for x in (json.loads(line)["insert"] for line in (tmp_path / "o").read_text().splitlines())}
    for row in rows:
        a, x, s = row["a"], row["x"], row["s"]
        there = [e for e in a or [] if e is not None]
        want = {"contains": None if a is None or x is None else x in a, "position": None if a is None or x is None else a.index(x) + 1 if x in a else 0,
                "append": None if a is None else a + [x], "prepend": None if a is None else [x] + a, "reverse": None if a is None else a[::-1],
                "compact": None if a is None else there, "most": max(there, default=None), "least": min(there, default=None),
                "texts": max((e for e in s or [] if e is not None), default=None), "found": None if s is None else "a" in s,
                "wide": None if a is None else a + [x if x is None else x * 10**10], "const": None if x is None else ([3, 1, 2, 1].index(x) + 1 if x in (1, 2, 3) else 0),
                "nested": None if a is None else True, "always": None if a is None else a + [None]}
        assert got[row["id"]] == {"id": row["id"], **want}, row


def rising(elements):
    return sorted(elements, key=lambda e: (e is not None, e))


def insert_at(a, at, x):
    if at > 0:
        a = a + [None] * (at - 1 - len(a))
        return a[:at - 1] + [x] + a[at - 1:]
    before = len(a) + at + 1
    return a[:before] + [x] + a[before:] if before >= 0 else [x] + [None] * -before + a


def overlap(a, b):
    if {*a} & {*b} - {None}:
        return True
    return None if a and b and None in a + b else False


def test_arrays_as_lists_and_sets(tmp_path):
    """Against Python: order, sets, texts; NULL arrays and elements, empty ones, arrays of arrays, columns and constants."""
    r = random.Random(11)

    def maybe(x):
        return None if r.random() < 0.1 else x

    def array(most):
        return maybe([maybe(r.randint(0, 3)) for _ in range(r.randint(0, most))])
    rows = [{"id": i, "a": array(6), "b": array(4), "x": maybe(r.randint(0, 3)), "n": maybe(r.choice([-7, -3, -2, -1, 1, 2, 3, 7])), "up": maybe(r.random() < 0.5),
             "s": maybe([maybe(r.choice(["", "a", "ä", "b,"])) for _ in range(r.randint(0, 3))]), "sep": maybe(r.choice(["", ", "])),
             "m": maybe({k: maybe(r.randint(0, 9)) for k in r.sample("pqr", r.randint(0, 3))})} for i in range(400)]
    calls = {  # name: expression, columns that must not be NULL, the model
        "concat": ("ARRAY_CONCAT(a, b, ARRAY[x])", "ab", lambda v: v.a + v.b + [v.x]),
        "one": ("ARRAY_CONCAT(a)", "a", lambda v: v.a),
        "distinct": ("ARRAY_DISTINCT(a)", "a", lambda v: list(dict.fromkeys(v.a))),
        "lines": ("ARRAY_DISTINCT(ARRAY[a, b, a, NULL])", "", lambda v: [y for i, y in enumerate([v.a, v.b, v.a, None]) if y not in [v.a, v.b, v.a, None][:i]]),
        "sorted": ("SORT_ARRAY(a)", "a", lambda v: rising(v.a)),
        "falling": ("SORT_ARRAY(a, FALSE)", "a", lambda v: rising(v.a)[::-1]),
        "either": ("SORT_ARRAY(a, up)", "a up", lambda v: rising(v.a)[::1 if v.up else -1]),
        "texts": ("SORT_ARRAY(s)", "s", lambda v: rising(v.s)),
        "except": ("ARRAY_EXCEPT(a, b)", "ab", lambda v: rising({*v.a} - {*v.b})),
        "both": ("ARRAY_INTERSECT(a, b)", "ab", lambda v: rising({*v.a} & {*v.b})),
        "union": ("ARRAY_UNION(a, ARRAY[2, NULL])", "a", lambda v: rising({*v.a, 2, None})),
        "wide": ("ARRAY_UNION(a, ARRAY[20000000000])", "a", lambda v: rising({*v.a, 20000000000})),
        "overlap": ("ARRAYS_OVERLAP(a, b)", "ab", lambda v: overlap(v.a, v.b)),
        "removed": ("ARRAY_REMOVE(a, x)", "ax", lambda v: [e for e in v.a if e != v.x]),
        "inserted": ("ARRAY_INSERT(a, n, x)", "an", lambda v: insert_at(v.a, v.n, v.x)),
        "repeated": ("ARRAY_REPEAT(x, n)", "n", lambda v: [v.x] * v.n),
        "lists": ("ARRAY_REPEAT(s, 2)", "", lambda v: [v.s] * 2),
        "numbers": ("SEQUENCE(x, n)", "xn", lambda v: list(range(v.x, v.n + 1))),
        "far": ("SEQUENCE(9223372036854775804 + x, 9223372036854775807)", "x", lambda v: list(range(2**63 - 4 + v.x, 2**63))),
        "joined": ("ARRAY_TO_STRING(s, sep)", "s sep", lambda v: v.sep.join(e for e in v.s if e is not None)),
        "shown": ("ARRAY_JOIN(a, '-', '*')", "a", lambda v: "-".join("*" if e is None else str(e) for e in v.a)),
        "unshown": ("ARRAY_TO_STRING(a, sep, NULL)", "a sep", lambda v: v.sep.join(str(e) for e in v.a if e is not None)),
        "only": ("ELEMENT(ARRAY_DISTINCT(ARRAY_REPEAT(x, 3)))", "", lambda v: v.x),
        "none": ("ELEMENT(ARRAY_REPEAT(x, 0))", "", lambda v: None),
        "offset": ("a[SAFE_OFFSET(n)]", "an", lambda v: v.a[v.n] if 0 <= v.n < len(v.a) else None),
        "maps": ("MAP_CONCAT(m, MAP['q', x, 'z', 1])", "m", lambda v: dict(sorted({**v.m, "q": v.x, "z": 1}.items())))}
    (tmp_path / "in").write_text("".join(json.dumps(x) + "\n" for x in rows))
    out = run(tmp_path, table("t", "id INT, a INT ARRAY, b INT ARRAY, x INT, n INT, up BOOLEAN, s VARCHAR ARRAY, sep VARCHAR, m MAP<VARCHAR, INT>", file_in("i", tmp_path / "in"))
              + view("v", "SELECT id, " + ", ".join(f'{e} AS "{n}"' for n, (e, _, _) in calls.items()) + " FROM t", file_out("o", tmp_path / "o")), "--until-complete")
    assert out.code == 0, out
    got = {x["id"]: x for x in (json.loads(line)["insert"] for line in (tmp_path / "o").read_text().splitlines())}
    for row in rows:
        for name, (_, needs, model) in calls.items():
            null = any(row[c] is None for c in (needs.split() if " " in needs or needs in row else needs))
            assert got[row["id"]][name] == (None if null else model(SimpleNamespace(**row))), (name, row)


@pytest.mark.parametrize("call, says", [
    ("ELEMENT(ARRAY[1, 2])", "ELEMENT of an array of 2 elements"), ("ARRAY_INSERT(ARRAY[1], 0, 2)", "ARRAY_INSERT at position 0"),
    ("ARRAY_INSERT(ARRAY[1], -2000000, 2)", "ARRAY_INSERT makes an array of more than 1048576 elements"), ("ARRAY_REPEAT(1, 2000000)", "ARRAY_REPEAT makes an array"),
    ("SEQUENCE(1, 2000000)", "SEQUENCE makes an array")])
def test_array_functions_fail(tmp_path, call, says):
    """Where they run, with the place."""
    (tmp_path / "in").write_text('{"x": 1}\n')
    r = run(tmp_path, table("t", "x INT", file_in("i", tmp_path / "in")) + view("v", f"SELECT {call} AS y FROM t"), "--until-complete")
    assert r.code != 0 and says in r.err and "prog.sql:2:" in r.err, r


@pytest.mark.parametrize("call, words", [("ARRAY_CONTAINS(a, 'x')", "ARRAY_CONTAINS"), ("ARRAY_APPEND(1, 2)", "ARRAY_APPEND"), ("ARRAY_MAX(1)", "ARRAY_MAX"),
                                         ("ARRAY_REVERSE(a, 1)", "ARRAY_REVERSE"), ("ARRAY_REVERSE(NULL)", "ARRAY_REVERSE"), ("ARRAY_UNION(a, ARRAY['x'])", "ARRAY_UNION"),
                                         ("ARRAY_UNION(NULL, NULL)", "ARRAY_UNION"), ("ARRAY_INSERT(a, 1, TRUE)", "ARRAY_INSERT"), ("MAP_CONCAT(MAP[1, 2], MAP['x', 2])", "MAP_CONCAT"),
                                         ("SORT_ARRAY(a, 1)", "SORT_ARRAY"), ("ARRAY_TO_STRING(ARRAY[a], ',')", "ARRAY_TO_STRING"), ("a[SAFE_OFFSET(1, 2)]", "SAFE_OFFSET"),
                                         ("MAP[1, 2][SAFE_OFFSET(1)]", "SAFE_OFFSET STANDS IN"), ("TRANSFORM(a, 1)", "TRANSFORM IS NOT YET"), ("SEQUENCE(1, 'x')", "SEQUENCE")])
def test_array_functions_refuse(tmp_path, call, words):
    r = run(tmp_path, table("t", "a INT ARRAY") + view("v", f"SELECT {call} AS y FROM t"), "--until-complete")
    assert r.code != 0 and words in r.err.upper() and "prog.sql:" in r.err, r
