"""`headgate run`: a pipeline in the foreground, as a user types it."""
import csv
import json
import os
import re
import signal
import subprocess

import pytest

from hg import HEADGATE, PATIENCE, until
from hg.run import Foreground, headgate, run
from hg.sql import connector, datagen, file_in, file_out, table, view


def ndjson(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))


def inserted(path):
    rows = []
    for line in path.read_text().splitlines():
        (op, row), = json.loads(line).items()
        assert op == "insert", line
        rows.append(row)
    return rows


def test_file_to_view_to_file(tmp_path):
    ndjson(tmp_path / "in.json", [{"id": i, "name": f"n{i}", "price": i * 10} for i in range(1000)])
    r = run(tmp_path, table("t", "id BIGINT NOT NULL, name VARCHAR, price INTEGER", file_in("src", tmp_path / "in.json")) +
            view("v", "SELECT id, UPPER(name) AS name, price + 1 AS price FROM t WHERE price >= 5000",
                 file_out("sink", tmp_path / "out.json")),
            "--until-complete")
    assert r.code == 0, r
    assert inserted(tmp_path / "out.json") == [{"id": i, "name": f"N{i}", "price": i * 10 + 1} for i in range(500, 1000)]
    # what it says: a line when the input ended and a line at the end, counts with thousands separators
    assert any("t.src" in line and "ended" in line and "1,000 records" in line for line in r.out.splitlines()), r
    assert "complete: 1,000 records in, 500 rows out" in r.out.splitlines()[-1], r
    assert r.err == "", r


def test_paths_count_from_the_working_directory(tmp_path):
    ndjson(tmp_path / "in.json", [{"a": 1}])
    (tmp_path / "p.sql").write_text(table("t", "a INT", file_in("i", "in.json")) + view("v", "SELECT a FROM t", file_out("o", "out.json")))
    r = headgate("run", "p.sql", "--until-complete", cwd=tmp_path)
    assert r.code == 0, r
    assert (tmp_path / "out.json").read_text() == '{"insert":{"a":1}}\n'


def test_csv_in_and_out(tmp_path):
    rows = [(1, "plain"), (2, 'quo"ted'), (3, "with, comma"), (4, "two\nlines"), (5, "")]
    with open(tmp_path / "in.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["id", "s"])
        w.writerows(rows)
    r = run(tmp_path, table("t", "id BIGINT NOT NULL, s VARCHAR", file_in("i", tmp_path / "in.csv", "csv", {"headers": True})) +
            view("v", "SELECT id * 2 AS id, s FROM t", file_out("o", tmp_path / "out.csv", "csv")), "--until-complete")
    assert r.code == 0, r
    with open(tmp_path / "out.csv", newline="") as f:
        assert [(int(a), b, int(weight)) for a, b, weight in csv.reader(f)] == [(a * 2, b, 1) for a, b in rows]


def test_views_over_views_and_union(tmp_path):
    r = run(tmp_path, table("t", "n BIGINT NOT NULL", datagen("g", {"limit": 10})) + "CREATE LOCAL VIEW half AS SELECT n FROM t WHERE n < 5;\n" +
            view("v", "SELECT n FROM half UNION ALL SELECT n + 100 FROM t WHERE n >= 8", file_out("o", tmp_path / "out.json")),
            "--until-complete")
    assert r.code == 0, r
    assert sorted(x["n"] for x in inserted(tmp_path / "out.json")) == [0, 1, 2, 3, 4, 108, 109]


def test_datagen_is_reproducible(tmp_path):
    def once(out):
        r = run(tmp_path, table("t", "id BIGINT NOT NULL, d DOUBLE, s VARCHAR, e DECIMAL(12, 2), at TIMESTAMP", datagen(
            "g", {"limit": 20000, "fields": {"d": {"strategy": "uniform", "range": [0, 1]}, "s": {"strategy": "zipf", "values": ["a", "b", "c"]},
                                             "e": {"strategy": "uniform", "range": [0, 1000]}}}, seed=7)) +
                view("v", "SELECT * FROM t", file_out("o", out)), "--until-complete")
        assert r.code == 0, r
        return inserted(out)
    rows = once(tmp_path / "a.json")
    assert [x["id"] for x in rows] == list(range(20000))
    assert {x["s"] for x in rows} == {"a", "b", "c"} and all(0 <= x["d"] < 1 for x in rows)
    assert once(tmp_path / "b.json") == rows


def test_labels_order_the_inputs(tmp_path):
    ndjson(tmp_path / "hist.json", [{"n": i} for i in range(50000)])
    ndjson(tmp_path / "live.json", [{"n": i} for i in range(50000, 50010)])
    r = run(tmp_path, table("t", "n BIGINT NOT NULL", file_in("live", tmp_path / "live.json", start_after=["h"]),
                            file_in("hist", tmp_path / "hist.json", labels=["h"])) +
            view("v", "SELECT n FROM t", file_out("o", tmp_path / "out.json")), "--until-complete")
    assert r.code == 0, r
    assert [x["n"] for x in inserted(tmp_path / "out.json")] == list(range(50010))
    said = [line.split(" ", 1)[1] for line in r.out.splitlines()]
    order = [next(i for i, line in enumerate(said) if line.startswith(who) and what in line)
             for who, what in (("t.live", "waiting for"), ("t.hist", "ended"), ("t.live", "started"), ("t.live", "ended"))]
    assert order == sorted(order), r


def test_updates_and_deletes_of_a_keyed_table(tmp_path):
    (tmp_path / "in.json").write_text('{"insert":{"id":1,"v":"a"}}\n{"insert":{"id":2,"v":"b"}}\n{"insert":{"id":1,"v":"c"}}\n'
                                      '{"delete":{"id":2}}\n{"update":{"id":1,"v":"d"}}\n')
    r = run(tmp_path, table("t", "id BIGINT NOT NULL PRIMARY KEY, v VARCHAR", file_in("i", tmp_path / "in.json", fmt_config={})) +
            view("v", "SELECT id, v FROM t", file_out("o", tmp_path / "out.json")), "--until-complete")
    assert r.code == 0, r
    weights = {}
    for line in (tmp_path / "out.json").read_text().splitlines():
        (op, row), = json.loads(line).items()
        key = (row["id"], row["v"])
        weights[key] = weights.get(key, 0) + (1 if op == "insert" else -1)
    assert {k: w for k, w in weights.items() if w} == {(1, "d"): 1}


# --- what goes wrong ---------------------------------------------------------------------------------------------------

def test_compile_error_points_at_the_place(tmp_path):
    program = "CREATE TABLE t (a INT);\nCREATE VIEW v AS\n  SELECT b FROM t;\n"
    r = run(tmp_path, program, "--until-complete")
    assert r.code == 2, r
    lines = r.err.splitlines()
    assert lines[0].startswith(f"{tmp_path}/prog.sql:3:10: error: ") and "b" in lines[0], r
    assert "3 |   SELECT b FROM t;" in lines[1], r
    assert lines[2].index("^") == lines[1].index("SELECT b") + len("SELECT "), r


def test_compile_error_inside_the_connectors_text(tmp_path):
    program = ("CREATE TABLE t (a INT) WITH ('connectors' = '[{\n  \"name\": \"x\", \"start_after\": [\"price.backfil\"],\n"
               "  \"transport\": {\"name\": \"empty_input\"}},\n {\"name\": \"y\", \"labels\": [\"price.backfill\"],\n"
               "  \"transport\": {\"name\": \"empty_input\"}}]');\n")
    r = run(tmp_path, program)
    assert r.code == 2, r
    assert ":2:32: error: " in r.err and "did you mean 'price.backfill'" in r.err and "^^^" in r.err, r


@pytest.mark.parametrize("where, member, known", [
    ("transport", "file_inptu", "file_input"), ("format", "jsn", "json"), ("option", "pth", "path")])
def test_unknown_names_are_refused_with_the_nearest(tmp_path, where, member, known):
    c = file_in("i", "x.json")
    if where == "option":
        c["transport"]["config"] = {"pth": "x.json"}
    else:
        c[where]["name"] = member
    r = run(tmp_path, table("t", "a INT", c))
    assert r.code == 2 and member in r.err and known in r.err, r


def underlined(r):
    """The piece of the program that the first error points at."""
    lines = r.err.splitlines()
    at = next(i for i, line in enumerate(lines) if ": error: " in line)
    start = lines[at + 2].index("^")
    return lines[at + 1][start:start + lines[at + 2].count("^")]


@pytest.mark.parametrize("inputs, outputs, place, text", [
    ([datagen("c", {"fields": {"nope": {}}})], [], '"nope"', "does not exist in the table schema"),
    ([datagen("c", {}, {"fields": {"S": {}, "n": {"strategy": "word"}}})], [], '"n"', "Invalid strategy `word`"),
    ([datagen("c", {"fields": {"n": {"range": [5, 1]}}})], [], '"n"', "min > max"),
    ([datagen("c", {"fields": {'"N"': {}}})], [], '"\\"N\\""', "does not exist in the table schema"),
    ([file_in("c", "")], [], '""', "'path' is empty"),
    ([], [file_out("c", "file://x")], '"file://x"', "not an absolute file:// URL"),
    ([file_in("c", "x", "csv", {"headers": True, "delimiter": ";;"})], [], '";;"', "one ASCII character"),
    ([file_in("c", "x", "json", {"update_format": "redis"})], [], '"redis"', "not supported for JSON input"),
    ([file_in("c", "x", "raw", {"mode": "lines", "column_name": "zz"})], [], '"zz"', "column 'zz' not found"),
    ([], [file_out("c", "x", "json", {"key_fields": ["n"]})], "[", "'key_fields' is only for"),
    ([], [file_out("c", "x", index="i")], '"i"', "cannot be attached to an index"),
    ([], [file_out("c", "x", "csv", index="i")], '"i"', "cannot be attached to an index"),
])
def test_bad_options_are_refused_at_their_place(tmp_path, inputs, outputs, place, text):
    r = run(tmp_path, table("t", "n INT, s VARCHAR", *inputs) + view("v", "SELECT n FROM t", *outputs) + "CREATE INDEX i ON v(n);")
    assert r.code == 2 and text in r.err and underlined(r) == place, r


def test_a_member_that_is_given_twice_is_told(tmp_path):
    r = run(tmp_path, "CREATE TABLE t (n INT) WITH ('connectors' = '[{\"name\": \"a\", \"paused\": true, \"paused\": false, \"transport\": "
            "{\"name\": \"datagen\", \"config\": {\"plan\": [{\"limit\": 3}]}}}]');", "--until-complete")
    assert r.code == 0 and 'field "paused" is given again below; this one is ignored' in r.err, r


def test_datagen_takes_names_as_sql_writes_them(tmp_path):
    out = tmp_path / "out.json"
    r = run(tmp_path, table("t", '"Big" INT, small INT', datagen("g", {"limit": 1, "fields": {'"Big"': {"range": [7, 9]}, "SMALL": {"range": [5, 9]}}})) +
            view("v", "SELECT * FROM t", file_out("o", out)), "--until-complete")
    assert r.code == 0 and json.loads(out.read_text()) == {"insert": {"Big": 7, "small": 5}}, r


def test_cycle_is_refused(tmp_path):
    r = run(tmp_path, table("a", "x INT", connector("x", "empty_input", labels=["h1"], start_after="h2")) +
            table("b", "x INT", connector("y", "empty_input", labels=["h2"], start_after="h1")))
    assert r.code == 2 and "a.x" in r.err and "b.y" in r.err and "h1" in r.err and "h2" in r.err, r


@pytest.mark.parametrize("text", ["", "\0\1\2garbage", "CREATE TABLE t (", "CREATE TABLE t (a INT) WITH ('connectors' = '[{');", "SELECT"])
def test_garbage_programs(tmp_path, text):
    r = run(tmp_path, text, "--until-complete")
    if text == "":  # nothing to do is done
        assert r.code == 0, r
    else:
        assert r.code == 2 and "error: " in r.err, r


def test_runtime_error_has_its_place(tmp_path):
    ndjson(tmp_path / "in.json", [{"a": 1, "b": 1}, {"a": 1, "b": 0}])
    r = run(tmp_path, table("t", "a INT NOT NULL, b INT NOT NULL", file_in("i", tmp_path / "in.json")) +
            "CREATE VIEW v AS SELECT\n    a / b AS q FROM t;\n", "--until-complete")
    assert r.code == 1, r
    last = r.err.splitlines()[-1]
    assert f"{tmp_path}/prog.sql:3:" in last and "ivision by zero" in last, r
    assert "failed:" in r.out.splitlines()[-1], r


def test_bad_records_cost_no_good_neighbour(tmp_path):
    good = [{"a": i} for i in range(100)]
    lines = [json.dumps(g) for g in good]
    lines[50:50] = ['{"a": "n/a"}', '{"a": 1', '{"b": 1', "]", '{"a": 99999999999}']
    (tmp_path / "in.json").write_text("\n".join(lines) + "\n")
    r = run(tmp_path, table("t", "a INT", file_in("i", tmp_path / "in.json", fmt_config={"update_format": "raw", "lines": "single"})) +
            view("v", "SELECT a FROM t", file_out("o", tmp_path / "out.json")), "--until-complete")
    assert r.code == 0, r
    assert inserted(tmp_path / "out.json") == good
    assert "bad record skipped" in r.out and "5 bad records skipped" in r.out, r


def test_bad_csv_records(tmp_path):
    (tmp_path / "in.csv").write_text("1,a\nx,b\n3,c\n,d\n5\n6,e\n")
    r = run(tmp_path, table("t", "n INT NOT NULL, s VARCHAR NOT NULL", file_in("i", tmp_path / "in.csv", "csv", {})) +
            view("v", "SELECT n, s FROM t", file_out("o", tmp_path / "out.csv", "csv")), "--until-complete")
    assert r.code == 0, r
    assert (tmp_path / "out.csv").read_text() == "1,a,1\n3,c,1\n6,e,1\n"
    assert "3 bad records skipped" in r.out, r


def test_missing_input_file_fails_its_connector(tmp_path):
    with Foreground(tmp_path, table("t", "a INT", file_in("gone", tmp_path / "nothing.json", labels=["h"]),
                                    connector("next", "empty_input", start_after="h"))) as p:
        until("the connector has failed", lambda: p.input("t.gone")["fatal_error"])
        assert "nothing.json" in p.input("t.gone")["fatal_error"] and "No such file" in p.input("t.gone")["fatal_error"]
        assert p.input("t.next")["paused"] is True
        p.signal()
        assert p.wait().code == 0
    assert "t.gone" in p.out and "failed" in p.out


def test_failed_input_makes_until_complete_fail(tmp_path):
    """Input that will never come is no success, and nothing to wait for."""
    r = run(tmp_path, table("t", "a INT", file_in("gone", tmp_path / "nothing.json")), "--until-complete", timeout=PATIENCE)
    assert r.code == 1 and "nothing.json" in r.out + r.err, r


@pytest.mark.parametrize("until_complete", [True, False])
@pytest.mark.parametrize("what", ["input", "output"])
def test_a_failure_is_told_once(tmp_path, what, until_complete):
    """Its reason, that is; as the command's own reason to end, or as the connector's news."""
    (tmp_path / "in.json").write_text('{"a": 1}\n')
    source = file_in("i", tmp_path / ("nothing" if what == "input" else "in.json"))
    program = table("t", "a INT", source) + view("v", "SELECT a FROM t", file_out("o", tmp_path / ("nothing/x" if what == "output" else "out")))
    with Foreground(tmp_path, program, *(["--until-complete"] if until_complete else [])) as p:
        if not until_complete:
            until("it is told", lambda: "No such file" in (tmp_path / "prog.out").read_text())
            p.signal()
        assert p.wait().code == (1 if until_complete else 0)
    assert (p.out + p.err).count("No such file") == 1, p.out + p.err
    assert ("No such file" in p.err) == until_complete


def test_an_evaluation_error_is_told_once(tmp_path):
    ndjson(tmp_path / "in.json", [{"a": 0}])
    r = run(tmp_path, table("t", "a INT NOT NULL", file_in("i", tmp_path / "in.json")) + view("v", "SELECT 1 / a AS q FROM t"))
    assert r.code == 1 and (r.out + r.err).count("ivision by zero") == 1, r


def test_vanished_file_is_read_to_its_end(tmp_path):
    """The file is open: removing its name takes nothing away from the reader."""
    src = tmp_path / "in.json"
    ndjson(src, [{"a": i} for i in range(10)])
    with Foreground(tmp_path, table("t", "a INT", file_in("i", src, follow=True)) +
                    view("v", "SELECT a FROM t", file_out("o", tmp_path / "out.json"))) as p:
        until("all is in", lambda: p.input("t.i")["metrics"]["total_records"] == 10)
        with open(src, "a") as f:
            os.unlink(src)
            f.write('{"a": 10}\n')
        until("the added line is in", lambda: p.input("t.i")["metrics"]["total_records"] == 11)
        p.signal()
        assert p.wait().code == 0
    assert [x["a"] for x in inserted(tmp_path / "out.json")] == list(range(11))


def test_truncated_followed_file_is_a_clear_error(tmp_path):
    src = tmp_path / "in.json"
    ndjson(src, [{"a": i} for i in range(10)])
    with Foreground(tmp_path, table("t", "a INT", file_in("i", src, follow=True))) as p:
        until("all is in", lambda: p.input("t.i")["metrics"]["total_records"] == 10)
        os.truncate(src, 3)
        until("the connector has failed", lambda: p.input("t.i")["fatal_error"])
        assert "truncated" in p.input("t.i")["fatal_error"]


def test_unwritable_output_is_told(tmp_path):
    r = run(tmp_path, table("t", "n BIGINT", datagen("g", {"limit": 5})) +
            view("v", "SELECT n FROM t", file_out("o", tmp_path / "no" / "such" / "folder")), "--until-complete", timeout=PATIENCE)
    assert r.code != 0 and "such/folder" in r.out + r.err, r


@pytest.fixture
def small_disk(tmp_path):
    d = tmp_path / "small"
    d.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", d], capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield d
    subprocess.run(["umount", "-l", d], check=True)


def test_full_disk_waits_for_room(tmp_path, small_disk):
    n = 100000
    with Foreground(tmp_path, table("t", "n BIGINT NOT NULL", datagen("g", {"limit": n})) +
                    view("v", "SELECT n FROM t", file_out("o", small_disk / "out.json")), "--until-complete") as p:
        until("the output complains", lambda: (p.output("v.o").get("health") or {}).get("status") == "Unhealthy")
        told = r"retrying since \S+Z, attempt \d+, next in \d+ m?s: .*No space left"
        until("it says when it tries again", lambda: re.match(told, p.output("v.o")["health"]["description"]))
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        assert p.wait().code == 0, p.err
        assert [x["n"] for x in inserted(small_disk / "out.json")] == list(range(n))


def test_ctrl_c_drains(tmp_path):
    with Foreground(tmp_path, table("t", "n BIGINT NOT NULL", datagen("g", {"rate": 20000})) +
                    view("v", "SELECT n FROM t", file_out("o", tmp_path / "out.json"))) as p:
        until("rows flow", lambda: p.input("t.g")["metrics"]["total_records"] > 100)
        p.signal(signal.SIGINT)
        r = p.wait()
    assert r.code == 0, r
    rows = [x["n"] for x in inserted(tmp_path / "out.json")]
    assert rows == list(range(len(rows))) and len(rows) > 100
    # all that it says came in has gone out
    assert f"stopped: {len(rows):,} records in, {len(rows):,} rows out" in r.out, r


def test_a_bad_record_of_the_last_moment_is_told(tmp_path):
    f = tmp_path / "in.json"
    f.write_text('{"n": 1}\n')
    with Foreground(tmp_path, table("t", "n INT", file_in("f", f, follow=True))) as p:
        until("the first is in", lambda: p.input("t.f")["metrics"]["total_records"] == 1)
        with f.open("a") as more:
            more.write('{"n": "x"}\n')
        until("it is counted", lambda: p.input("t.f")["metrics"]["num_parse_errors"] == 1)
        p.signal(signal.SIGINT)
        r = p.wait()
    assert r.code == 0 and r.out.count("bad record skipped") == 1, r


def test_usage(tmp_path):
    assert headgate("run").code == 2
    assert headgate("run", "--nonsense", "x.sql").code == 2
    r = headgate("run", tmp_path / "missing.sql")
    assert r.code != 0 and "missing.sql" in r.err
    assert headgate("run", "--help").code == 0
    r = headgate("nonsense")
    assert r.code == 2 and "nonsense" in r.err


def test_bad_runtime_config(tmp_path):
    r = run(tmp_path, "CREATE TABLE t (a INT);", "--config", '{"workers": "many"}')
    assert r.code == 1 and "workers" in r.err, r
    for ft, word in (('{"checkpoint_interval_secs": "30"}', "checkpoint_interval_secs"), ('{"model": 2}', "fault_tolerance"), ("true", "fault_tolerance")):
        r = run(tmp_path, "CREATE TABLE t (a INT);", "--config", '{"fault_tolerance": %s}' % ft)
        assert r.code == 1 and word in r.err, r
    r = run(tmp_path, "CREATE TABLE t (a INT);", "--config", "{")
    assert r.code == 1 and "--config" in r.err, r


def test_pause_and_start_of_a_connector(tmp_path):
    with Foreground(tmp_path, table("t", "n BIGINT NOT NULL", datagen("g", {"limit": 10}, paused=True)), "--until-complete") as p:
        assert p.input("t.g")["paused"] is True
        p.request("GET", "/input_endpoints/t.g/start")
        assert p.wait().code == 0
        assert "complete: 10 records in" in p.out


def test_live_table_on_a_terminal(tmp_path):
    import pty
    path = tmp_path / "p.sql"
    path.write_text(table("t", "n BIGINT NOT NULL", datagen("gen", {"limit": 1000})))
    master, slave = pty.openpty()
    p = subprocess.Popen([HEADGATE, "run", path, "--until-complete"], stdout=slave, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    os.close(slave)
    said = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:
            break
        if not block:
            break
        said += block
    os.close(master)
    assert p.wait(PATIENCE) == 0, p.stderr.read()
    p.stderr.close()
    assert b"table.connector" in said and b"t.gen" in said and b"complete: 1,000 records in" in said
