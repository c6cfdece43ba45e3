"""What tables and outputs offer beside rows: DEFAULT values, soft deletes, buffered outputs, indexes, each as a user meets it."""
import json

import pytest

from hg import until, whole_lines
from hg.daemon import Daemon
from hg.run import run
from hg.sql import file_in, file_out, table, view


def lines(path):
    return [json.loads(x) for x in whole_lines(path)]


DEFAULTS = [("a INT DEFAULT 7", "7"), ("a BIGINT UNSIGNED DEFAULT 18446744073709551615", "18446744073709551615"),
            ("a DECIMAL(38, 10) NOT NULL DEFAULT 1234567890123456789012345678.0123456789", "1234567890123456789012345678.0123456789"),
            ("a VARCHAR DEFAULT 'it''s'", '"it\'s"'), ("a TIME DEFAULT TIME '23:59:59.123456789'", '"23:59:59.123456789"'),
            ("a TIMESTAMP DEFAULT '2024-02-29 01:02:03'", '"2024-02-29 01:02:03"'), ("a INT ARRAY DEFAULT ARRAY[1, NULL]", "[1,null]"),
            ("a MAP<VARCHAR, INT> DEFAULT MAP['b', 2, 'a', 1]", '{"a":1,"b":2}'), ("a addr DEFAULT addr('x', 1)", '{"street":"x","zip":1}'),
            ("a VARIANT DEFAULT PARSE_JSON('{\"x\":[1.50]}')", '{"x":[1.5]}'), ("a BOOLEAN DEFAULT 1 + 1 = 2", "true"),
            ("a VARCHAR DEFAULT CAST(CONNECTOR_METADATA()['kafka_topic'] AS VARCHAR)", "null"),
            ("a BOOLEAN DEFAULT COALESCE(CAST(CONNECTOR_METADATA()['is_delete'] AS BOOLEAN), FALSE)", "false")]


def test_default_where_a_record_lacks_the_column(tmp_path):
    """An absent member takes the DEFAULT, a null stays NULL (or is refused where the column is NOT NULL)."""
    (tmp_path / "in.json").write_text('{"id":1}\n{"id":2,"a":null}\n')
    program = "CREATE TYPE addr AS (street VARCHAR, zip INT);\n"
    for i, (column, _) in enumerate(DEFAULTS):
        program += table(f"t{i}", f"id INT, {column}", file_in("i", tmp_path / "in.json")) + view(
            f"v{i}", f"SELECT * FROM t{i}", file_out("o", tmp_path / f"o{i}"))
    r = run(tmp_path, program, "--until-complete")
    assert r.code == 0, r
    for i, (column, want) in enumerate(DEFAULTS):
        expected = ['{"insert":{"id":1,"a":%s}}' % want] + (['{"insert":{"id":2,"a":null}}'] if "NOT NULL" not in column else [])
        assert sorted((tmp_path / f"o{i}").read_text().splitlines()) == sorted(expected), column


@pytest.mark.parametrize("update_format, records", [
    ("insert_delete", ['{"insert":{"id":1,"s":"a"}}', '{"delete":{"id":1,"s":"a"}}', '{"delete":{"id":2,"gone":false}}']),
    ("debezium", ['{"payload":{"op":"c","before":null,"after":{"id":1,"s":"a"}}}', '{"payload":{"op":"d","before":{"id":1,"s":"a"},"after":null}}',
                  '{"payload":{"op":"d","before":{"id":2,"gone":false},"after":null}}'])])
def test_soft_delete(tmp_path, update_format, records):
    """A delete is a row like any other, told apart by a DEFAULT where the record says nothing itself."""
    (tmp_path / "in.json").write_text("".join(x + "\n" for x in records))
    columns = ("id INT, s VARCHAR DEFAULT 'none', gone BOOLEAN DEFAULT CAST(CONNECTOR_METADATA()['is_delete'] AS BOOLEAN), "
               "how VARCHAR DEFAULT COALESCE(TO_JSON(CONNECTOR_METADATA()), 'insert')")
    src = file_in("i", tmp_path / "in.json", fmt_config={"update_format": update_format}, soft_delete=True)
    r = run(tmp_path, table("t", columns, src) + view("v", "SELECT * FROM t", file_out("o", tmp_path / "o")), "--until-complete")
    assert r.code == 0, r
    deleted = {"s": "a", "gone": True, "how": '{"is_delete":true}'}
    want = [{"id": 1, "s": "a", "gone": None, "how": "insert"}, {"id": 1, **deleted}, {"id": 2, **deleted, "s": "none", "gone": False}]
    assert sorted((x["insert"] for x in lines(tmp_path / "o")), key=str) == sorted(want, key=str)


def test_what_metadata_cannot_say_is_refused(tmp_path):
    kafka = {"name": "k", "transport": {"name": "kafka_input", "config": {"topic": "t", "bootstrap.servers": "x:1", "include_topic": True}},
             "format": {"name": "json"}}
    column = "a VARCHAR DEFAULT CAST(CONNECTOR_METADATA()['kafka_topic'] AS VARCHAR)"
    r = run(tmp_path, table("t", "id INT, " + column, {**kafka, "journal": "payload"}), "--until-complete")
    assert r.code != 0 and "'include_topic' is not offered together with 'journal': 'payload'" in r.err, r
    r = run(tmp_path, table("t", "id INT, " + column.replace(" DEFAULT", " NOT NULL DEFAULT"), kafka), "--until-complete")
    assert r.code != 0 and "may be NULL" in r.err or "is NULL" in r.err, r
    r = run(tmp_path, table("t", "id INT") + "CREATE VIEW v AS SELECT CONNECTOR_METADATA() AS m FROM t;", "--until-complete")
    assert r.code != 0 and "stands only in the DEFAULT of a column" in r.err, r


def push(d, *rows):
    d.wait_token("p", d.ingress("p", "t", "\n".join(json.dumps(r) for r in rows), format="json", update_format="insert_delete").json()["token"])


def test_buffered_output(tmp_path):
    """An output buffer nets what comes and goes, and is written once it is full, or when the pipeline stops."""
    d = Daemon()
    try:
        o = tmp_path / "o"
        d.run("p", table("t", "id INT NOT NULL PRIMARY KEY, x INT") + view("v", "SELECT * FROM t", file_out(
            "o", o, enable_output_buffer=True, max_output_buffer_size_records=3)))
        stats = lambda: d.stats("p")["outputs"][0]["metrics"]
        for n, record in enumerate(['{"insert":{"id":1,"x":1}}', '{"delete":{"id":1}}'], 1):
            r = d.ingress("p", "t", record, format="json", update_format="insert_delete")
            until("it is buffered", lambda: stats()["buffered_records"] == n)
        d.ingress("p", "t", '{"insert":{"id":2,"x":2}}', format="json", update_format="insert_delete")
        until("the first two are netted", lambda: stats()["buffered_records"] == 1)
        assert lines(o) == []
        push(d, *({"insert": {"id": i, "x": i}} for i in (3, 4)))
        d.wait_token("p", r.json()["token"])
        assert sorted(x["insert"]["id"] for x in lines(o)) == [2, 3, 4]
        d.ingress("p", "t", '{"insert":{"id":5,"x":5}}', format="json", update_format="insert_delete")
        until("it is buffered", lambda: stats()["buffered_records"] == 1)
        d.stop_pipeline("p", force=False)
        assert sorted(x["insert"]["id"] for x in lines(o)) == [2, 3, 4, 5]
    finally:
        d.close()
