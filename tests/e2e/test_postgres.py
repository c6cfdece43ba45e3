"""postgres_input and postgres_output against a real server: every type both ways, errors named, restarts, lost connections, kill -9.
test-labels: long"""
import json
import os
import re
import subprocess

import pytest

from hg import HEADGATE, until
from hg.certs import make as make_certs
from hg.postgres import PASSWORD, Server, sink, source
from hg.proxy import Proxy
from hg.run import run
from hg.sql import file_in, table, view
from test_durable import checkpoint, kill

EXACTLY = {"fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}}
LEAST = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}
ROWS = 60000  # of `wide`: about 10 MB, more than sockets, proxy and queues hold together


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    return make_certs(tmp_path_factory.mktemp("pgtls"))


@pytest.fixture(scope="module")
def pg(certs):
    s = Server(tls=certs)
    s.sql(f"CREATE TABLE wide AS SELECT g::bigint AS id, repeat(md5(g::text), 5) AS s FROM generate_series(1, {ROWS}) g;"
          "ALTER TABLE wide ADD PRIMARY KEY (id)")
    yield s
    s.close()


@pytest.fixture
def proxy(pg):
    p = Proxy(pg.port)
    yield p
    p.close()


def rows(d, name="p", relation="t"):
    return d.query(name, f"SELECT count(*) AS n, count(DISTINCT id) AS m FROM {relation}")[0]


def wait_rows(d, n, m=None, name="p"):
    until(f"{n} rows", lambda: rows(d, name) == {"n": n, "m": n if m is None else m})


def started(d, name="p"):
    """Some rows are in, and the proxy holds up the others."""
    until("rows come", lambda: rows(d, name)["n"] > 0)


# --- types ---

# column, type in SQL, type in PostgreSQL, values (NULL comes by itself)
TYPES = [
    ("c_bool", "BOOLEAN", "boolean", ["true", "false"]),
    ("c_tiny", "TINYINT", "smallint", ["-128", "127"]),
    ("c_small", "SMALLINT", "smallint", ["-32768", "32767"]),
    ("c_int", "INTEGER", "integer", ["-2147483648", "2147483647"]),
    ("c_big", "BIGINT", "bigint", ["-9223372036854775808", "9223372036854775807"]),
    ("c_big4", "BIGINT", "integer", ["-5", "5"]),
    ("c_utiny", "TINYINT UNSIGNED", "smallint", ["0", "255"]),
    ("c_uint", "INTEGER UNSIGNED", "bigint", ["0", "4294967295"]),
    ("c_ubig", "BIGINT UNSIGNED", "numeric", ["0", "9223372036854775808", "18446744073709551615"]),
    ("c_dec", "DECIMAL(38, 10)", "numeric(38,10)", ["-1234567890123456789012345678.0123456789", "0.0000000001", "9999999999999999999999999999.9999999999", "100000000"]),
    ("c_dec38", "DECIMAL(38, 0)", "numeric", ["99999999999999999999999999999999999999", "-10000", "0"]),
    ("c_deci", "DECIMAL(12, 2)", "integer", ["-7", "12"]),
    ("c_real", "REAL", "real", ["1.1", "-3.4e38", "'NaN'", "'Infinity'"]),
    ("c_double", "DOUBLE", "double precision", ["0.1", "-1.7976931348623157e308", "'NaN'"]),
    ("c_char", "CHAR(5)", "character(5)", ["'ab'", "'äöü'"]),
    ("c_text", "VARCHAR", "text", ["''", "'it''s \"quoted\" \\ €'"]),
    ("c_vc", "VARCHAR(10)", "character varying(10)", ["'0123456789'"]),
    ("c_enum", "VARCHAR", "mood", ["'sad'", "'happy'"]),
    ("c_inet", "VARCHAR", "inet", ["'10.1.2.0/24'"]),
    ("c_bytes", "VARBINARY", "bytea", ["'\\x'", "'\\x00ff10'"]),
    ("c_date", "DATE", "date", ["'0001-01-01'", "'2024-02-29'", "'9999-12-31'"]),
    ("c_time", "TIME", "time", ["'00:00:00'", "'23:59:59.999999'"]),
    ("c_ts", "TIMESTAMP", "timestamp", ["'0001-01-01 00:00:00'", "'2024-02-29 01:02:03.456789'"]),
    ("c_tstz", "TIMESTAMP", "timestamp with time zone", ["'2024-07-01 12:00:00+02'"]),
    ("c_tz", "TIMESTAMP WITH TIME ZONE", "timestamp with time zone", ["'1969-12-31 23:59:59.5-07'"]),
    ("c_uuid", "UUID", "uuid", ["'00112233-4455-6677-8899-aabbccddeeff'"]),
    ("c_json", "VARIANT", "json", ["'{\"a\": [1, 2.50, null, \"x\"]}'", "'[]'"]),
    ("c_jsonb", "VARIANT", "jsonb", ["'{\"n\": 12345678901234567890123}'", "'null'"]),
    ("c_ints", "INTEGER ARRAY", "integer[]", ["'{}'", "'{1,NULL,-3}'"]),
    ("c_texts", "VARCHAR ARRAY", "text[]", ["'{\"a b\",\"\",NULL,\"q\\\"\"}'"]),
    ("c_nums", "DECIMAL(20, 3) ARRAY", "numeric[]", ["'{1.5,-12345678901234567.125}'"]),
    ("c_nested", "BIGINT ARRAY ARRAY", "bigint[]", ["'{{1,2},{3,4}}'"]),
    ("c_days", "DATE ARRAY", "date[]", ["'{2020-01-01}'"]),
    ("c_row", "ROW(a INT NULL, b VARCHAR NULL)", "pair", ["ROW(1, 'x')", "ROW(NULL, '')"]),
    ("c_map", "MAP<VARCHAR, INT>", "jsonb", ["'{\"k\": 1, \"l\": 2}'"]),
]
# Those that the server's table has as the encoder writes them: new rows go there without a stop on the way.
SAME = ["c_bool", "c_tiny", "c_small", "c_int", "c_big", "c_utiny", "c_uint", "c_ubig", "c_dec", "c_dec38", "c_real", "c_double", "c_char", "c_text", "c_vc",
        "c_bytes", "c_date", "c_time", "c_ts", "c_tz", "c_uuid", "c_json", "c_ints", "c_texts", "c_nums", "c_days"]
# How the two sides are compared where text says too much: only the values count.
COMPARE = {"c_json": "::jsonb", "c_nums": "::numeric[]"}


def note_statements(pg, name):
    """What wrote into the table, by a trigger: statements as [kind, rows]."""
    pg.sql(f"CREATE TABLE {name}_by (what text); CREATE FUNCTION {name}_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO "
           f"{name}_by VALUES (CASE WHEN current_query() LIKE '%COPY%{name}%' THEN 'COPY' ELSE TG_OP END); RETURN NULL; END $$; "
           f"CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION {name}_note();")
    return lambda: pg.sql(f"SELECT what, count(*) FROM {name}_by GROUP BY what ORDER BY what")


@pytest.mark.parametrize("same", [False, True])
def test_every_type_both_ways(pg, tmp_path, same):
    pg.sql("DROP TABLE IF EXISTS types_in, types_out, types_out_by; DROP FUNCTION IF EXISTS types_out_note; DROP TYPE IF EXISTS mood, pair;"
           "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text);")
    types = [t for t in TYPES if not same or t[0] in SAME]
    n = max(len(v) for *_, v in types)
    columns = ", ".join(f"{c} {t}" for c, _, t, _ in types)
    pg.sql(f"CREATE TABLE types_in (id bigint PRIMARY KEY, {columns}); CREATE TABLE types_out (id bigint PRIMARY KEY, {columns});")
    written = note_statements(pg, "types_out")
    pg.sql("INSERT INTO types_in VALUES (0" + ", NULL" * len(types) + ")")
    for i in range(n):
        pg.sql(f"INSERT INTO types_in VALUES ({i + 1}, " + ", ".join(f"({v[i % len(v)]})::{t}" for _, _, t, v in types) + ")")
    program = table("t", "id BIGINT NOT NULL PRIMARY KEY, " + ", ".join(f"{c} {s}" for c, s, _, _ in types), source("pg", pg, "SELECT * FROM types_in"))
    program += view("v", "SELECT * FROM t", sink("o", pg, "types_out", "i")) + "CREATE INDEX i ON v(id);"
    r = run(tmp_path, program, "--until-complete")
    assert r.code == 0 and "0 errors" in r.out, r.out
    assert written() == [["COPY" if same else "INSERT", str(n + 1)]]
    for c, _, t, _ in types:
        as_ = COMPARE.get(c, "::text")
        wrong = pg.sql(f"SELECT id, a.{c}::text, b.{c}::text FROM types_in a FULL JOIN types_out b USING (id) WHERE a.{c}{as_} IS DISTINCT FROM b.{c}{as_}")
        assert wrong == [], (c, t, wrong)


@pytest.mark.parametrize("sql, query, message", [
    ("DECIMAL(5, 2)", "'NaN'::numeric", "NaN is no DECIMAL(5, 2)"),
    ("DECIMAL(5, 2)", "1000.5::numeric", "decimal number 1000.5 is outside the value range of DECIMAL(5, 2)"),
    ("DECIMAL(38, 2)", "1e40::numeric", "more than 38 digits"),
    ("TINYINT", "128", "128 is out of range for type TINYINT"),
    ("BIGINT UNSIGNED", "-1", "outside the value range of BIGINT UNSIGNED"),
    ("DATE", "'infinity'::date", "infinity is no DATE"),
    ("TIMESTAMP", "'20000-01-01'::timestamp", "a TIMESTAMP outside the years 1 to 9999"),
    ("TIME", "'24:00'::time", "24:00:00 is no time of the day"),
    ("INT NOT NULL", "NULL::int", "NULL in a column that is NOT NULL"),
    ("INT ARRAY", "'{{1}}'::int[]", "an array with 2 dimensions in a column with 1"),
    ("ROW(a INT)", "'[]'::jsonb", "invalid length 0"),
])
def test_refused_values_cost_no_neighbour(pg, tmp_path, sql, query, message):
    out = tmp_path / "out.json"
    good = {"INT NOT NULL": "1", "ROW(a INT)": "'{\"a\": 1}'::jsonb"}.get(sql, "NULL")
    r = run(tmp_path, table("t", f"id INT, c {sql}", source("pg", pg, f"SELECT 1 AS id, {query} AS c UNION ALL SELECT 2, {good}")) +
            view("v", "SELECT id FROM t", {"name": "o", "transport": {"name": "file_output", "config": {"path": str(out)}}, "format": {"name": "json"}}),
            "--until-complete")
    assert r.code == 0 and message in r.out and "column 'c'" in r.out, r
    assert [json.loads(line)["insert"]["id"] for line in open(out)] == [2]


# --- what is wrong is named ---

@pytest.mark.parametrize("columns, config, message", [
    ("id INT", {"query": "SELECT id\n  FROM nosuch"}, "'query' (line 2, column 8): relation \"nosuch\" does not exist [42P01]"),
    ("id INT", {"query": "SELECT 'a'::text AS id"}, "'query': its column 'id' has type text, which does not go into column 'id' of type INTEGER"),
    ("id INT", {"query": "SELECT 1 AS x"}, "'query' gives none of the columns of 't'"),
    ("id INT", {"query": "SELECT 1/0 AS id"}, "'query': division by zero [22012]"),
    ('id INT, "Id2" INT', {"query": "SELECT 1 AS id, 2 AS id2"}, "incorrect case-sensitive field name: expected: Id2"),
    ("id INT", {"query": "SELECT 1 AS id", "database": "nosuch"}, "database \"nosuch\" does not exist"),
    ("id INT", {"query": "SELECT 1 AS id", "user": "guarded", "password": "wrong-4712"}, "password authentication failed for user \"guarded\""),
    ("id INT", {"query": "SELECT 1 AS id", "key_column": "k"}, "'key_column': the query has no column 'k'"),
    ("id INT", {"query": "SELECT 1 AS id, '{}'::jsonb AS k", "key_column": "k", "parallel": 2}, "'parallel' needs a 'key_column' of an integer type, numeric, text"),
    ("id INT", {"query": "SELECT g/2 AS id FROM generate_series(1, 9) g", "key_column": "id"}, "'id' is no unique key, two rows have '1'"),
    ("id INT", {"query": "VALUES (1), (NULL)", "key_column": "column1"}, "'query' gives none of the columns"),
    ("id INT", {"query": "SELECT * FROM (VALUES (1), (NULL)) v(id)", "key_column": "id"}, "'id' is NULL in a row"),
    ("id INT", {"query": "SELECT 1 AS id", "snapshot": "00000003-0000001B-1"}, "'snapshot'"),
    ("id INT", {"query": "SELECT 1 AS id", "ssl_ca_location": "/nonexistent/ca"}, "/nonexistent/ca"),
])
def test_mistakes_are_named(pg, tmp_path, columns, config, message):
    c = source("pg", pg, config.pop("query"), **config)
    r = run(tmp_path, table("t", columns, c) + view("v", "SELECT * FROM t"), "--until-complete")
    assert r.code == 1 and message in r.err, r
    assert "wrong-4712" not in r.out + r.err, r


@pytest.mark.parametrize("config, index, message", [
    ({"table": "nosuch"}, "i", "relation \"nosuch\" does not exist"),
    ({"table": "public.wide"}, "i", "table public.wide has no column 'x'"),
    ({"table": "no key"}, "i", "'no key' is no table"),
    ({"table": "out_nokey"}, "i", "no unique or exclusion constraint matching the ON CONFLICT specification"),
    ({"table": "out_nokey", "mode": "cdc"}, "i", "'cdc_op_column': table out_nokey has no column '__feldera_op'"),
    ({"table": "out_nokey", "cdc_ts_column": "y"}, "i", "'cdc_ts_column' needs"),
    ({"table": "out_nokey", "mode": "cdc", "on_conflict_do_nothing": True}, "i", "cannot be used with"),
    ({"table": "out_nokey"}, None, "requires the view to have a unique key"),
])
def test_mistakes_of_outputs_are_named(pg, tmp_path, config, index, message):
    pg.sql("CREATE TABLE IF NOT EXISTS out_nokey (id int, x int)")
    c = sink("o", pg, index=index, **config)
    if index is None:
        del c["index"]
    r = run(tmp_path, table("t", "id INT NOT NULL PRIMARY KEY, x INT", source("pg", pg, "SELECT 1 AS id, 2 AS x")) +
            view("v", "SELECT * FROM t", c) + "CREATE INDEX i ON v(id);", "--until-complete")
    assert r.code != 0 and message in r.out + r.err, r


def test_secrets_are_not_told(daemon, gone, pg):
    c = source("pg", pg, "SELECT 1 AS id")
    c["transport"]["config"]["uri"] = pg.uri(user=f"guarded:{PASSWORD}")
    name = gone("secrets")
    daemon.run(name, table("t", "id INT NOT NULL", c, materialized=True))
    wait_rows(daemon, 1, name=name)
    for path in ("stats", "logs", "orchestration"):
        if path != "logs":
            assert PASSWORD not in daemon.ok("GET", f"/v0/pipelines/{name}/{path}").text
    for folder, _, files in os.walk(daemon.data_dir):
        for f in files:
            if f == "log":
                assert PASSWORD not in open(os.path.join(folder, f), errors="replace").read()


# --- TLS ---

def test_tls(pg, certs, tmp_path):
    cert, _ = certs
    program = "CREATE VIEW v AS SELECT * FROM t;"
    query = "SELECT 1 AS id, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl"

    def go(**config):
        return run(tmp_path, table("t", "id INT", source("pg", pg, query, **config)) + program, "--until-complete")
    for config in ({"ssl_ca_location": str(cert)}, {"ssl_ca_pem": cert.read_text()}):
        r = go(**config)
        assert r.code == 0 and "1 records in" in r.out, r
    r = go(ssl_ca_pem=cert.read_text(), host="localhost")
    assert r.code == 1 and "does not match host name" in r.err, r
    r = go(ssl_ca_pem=cert.read_text(), host="localhost", verify_hostname=False)
    assert r.code == 0, r
    r = go(ssl_ca_pem="-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    assert r.code == 1, r


# --- reading goes on ---

def test_parallel_ranges_see_one_snapshot(pg, tmp_path):
    out = tmp_path / "out.json"
    r = run(tmp_path, table("t", "id BIGINT, s VARCHAR", source("pg", pg, "SELECT * FROM wide", key_column="id", parallel=4)) +
            view("v", "SELECT id FROM t", {"name": "o", "transport": {"name": "file_output", "config": {"path": str(out)}}, "format": {"name": "json"}}),
            "--until-complete")
    assert r.code == 0, r
    assert sorted(json.loads(line)["insert"]["id"] for line in open(out)) == list(range(1, ROWS + 1))


# Keys whose values are far from evenly spread: dense runs, long gaps, texts that quoting has to get right.
KEYS = {
    "bigint": "CASE WHEN id % 50 = 0 THEN id * 1000000000000 ELSE id - 30000 END",
    "numeric": "CASE WHEN id % 50 = 0 THEN id * 1e30 ELSE id / 7.0 END",
    "text": r"CASE WHEN id % 50 = 0 THEN E'it''s \"ä\" \\ ' || id ELSE 'order/' || id END",
    "char(24)": "CASE WHEN id % 50 = 0 THEN 'z' || id ELSE 'a' || id END",
    "date": "date '1900-01-01' + CASE WHEN id % 50 = 0 THEN id * 40 ELSE id END::int",
    "time": "time '00:00' + id * interval '1 microsecond' * CASE WHEN id % 50 = 0 THEN 1000000 ELSE 1 END",
    "timestamp": "timestamp '2020-01-01' + id * CASE WHEN id % 50 = 0 THEN interval '1 day' ELSE interval '1 microsecond' END",
    "timestamptz": "timestamptz '2020-01-01 00:00+05' - id * CASE WHEN id % 50 = 0 THEN interval '1 day' ELSE interval '1 microsecond' END",
    "uuid": "CASE WHEN id % 50 = 0 THEN md5(id::text)::uuid ELSE ('00000000-0000-0000-0000-' || lpad(to_hex(id), 12, '0'))::uuid END",
}


def ranges_of(d, name):
    return d.ok("GET", f"/v0/pipelines/{name}/tables/t/connectors/pg/position").json()["position"]["ranges"]


def whole_ranges(d, name, n):
    """Of all n rows: queries see those of a step before it is done."""
    def there():
        ranges = ranges_of(d, name)
        return sum(r["rows"] for r in ranges) == n and ranges
    return until("the ranges have all rows", there)


@pytest.mark.parametrize("type", KEYS)
def test_ranges_of_every_type_of_key(daemon, gone, pg, type):
    """Every row once, and as many in each range, whatever the key is and however its values are spread."""
    name, n = gone("keys" + re.sub(r"\W", "", type)), 8000
    pg.sql(f"DROP TABLE IF EXISTS keyed; CREATE TABLE keyed AS SELECT id, ({KEYS[type]})::{type} AS k FROM wide WHERE id <= {n}; CREATE UNIQUE INDEX ON keyed (k); ANALYZE keyed")
    daemon.run(name, table("t", "id BIGINT", source("pg", pg, "SELECT * FROM keyed", key_column="k", parallel=4), materialized=True))
    daemon.wait_complete(name)
    assert rows(daemon, name) == {"n": n, "m": n}
    ranges = whole_ranges(daemon, name, n)
    assert [r["rows"] for r in ranges] == [n // 4 - 1, n // 4, n // 4, n // 4 + 1], ranges
    # a part of the keys decides where there are many of them
    pg.sql(f"INSERT INTO keyed SELECT id, ({KEYS[type]})::{type} FROM wide WHERE id > {n} AND id <= 50000; ANALYZE keyed")
    name = gone("sampled" + re.sub(r"\W", "", type))
    daemon.run(name, table("t", "id BIGINT", source("pg", pg, "SELECT * FROM keyed", key_column="k", parallel=4), materialized=True))
    daemon.wait_complete(name)
    assert rows(daemon, name) == {"n": 50000, "m": 50000}
    ranges = whole_ranges(daemon, name, 50000)
    assert all(11500 < r["rows"] < 13500 for r in ranges), ranges


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_null_among_the_keys_is_refused_before_the_first_row(pg, tmp_path, parallel):
    """Comparisons would leave it out: of a range, and of what is behind a key."""
    pg.sql("DROP TABLE IF EXISTS nulls; CREATE TABLE nulls AS SELECT id, CASE WHEN id <> 700 THEN id::text END AS k FROM wide")
    r = run(tmp_path, table("t", "id BIGINT", source("pg", pg, "SELECT * FROM nulls", key_column="k", parallel=parallel)) + view("v", "SELECT * FROM t"),
            "--until-complete")
    assert r.code == 1 and "'k' is NULL in a row; a key has to be NOT NULL" in r.err and " 0 records" in r.out + r.err, r


@pytest.mark.parametrize("rows_there", [0, 1, 3])
def test_more_ranges_than_rows(own, pg, rows_there):
    """What is behind the end of an empty range is not read after a restart either: each range was done."""
    pg.sql(f"DROP TABLE IF EXISTS few; CREATE TABLE few AS SELECT id, 'k' || id AS k FROM wide WHERE id <= {rows_there}")
    own.run("p", table("t", "id BIGINT", source("pg", pg, "SELECT * FROM few", key_column="k", parallel=8), materialized=True), runtime_config=EXACTLY)
    own.wait_complete("p")
    assert rows(own) == {"n": rows_there, "m": rows_there}
    checkpoint(own)
    kill(own)
    pg.sql("INSERT INTO few VALUES (9, 'k9')")
    own.start_pipeline("p")
    own.wait_complete("p")
    assert rows(own) == {"n": rows_there, "m": rows_there}


@pytest.mark.parametrize("type", ["text", "date", "timestamptz", "uuid"])
def test_killed_in_the_middle_goes_on_in_each_range(own, pg, proxy, type):
    pg.sql(f"DROP TABLE IF EXISTS keyed; CREATE TABLE keyed AS SELECT id, s, ({KEYS[type]})::{type} AS k FROM wide; CREATE UNIQUE INDEX ON keyed (k)")
    proxy.hold_in = 3 << 20
    own.run("p", table("t", "id BIGINT, s VARCHAR", source("pg", pg, "SELECT * FROM keyed", proxy.port, key_column="k", parallel=3), materialized=True),
            runtime_config=EXACTLY)
    started(own)
    checkpoint(own)
    before = ranges_of(own, "p")
    assert 0 < sum(r["rows"] for r in before) < ROWS, before
    kill(own)
    proxy.heal()
    own.start_pipeline("p")
    own.wait_complete("p")
    assert rows(own) == {"n": ROWS, "m": ROWS}
    assert [(r.get("from"), r.get("to")) for r in ranges_of(own, "p")] == [(r.get("from"), r.get("to")) for r in before]


@pytest.mark.parametrize("model", [LEAST, EXACTLY])
@pytest.mark.parametrize("parallel", [1, 3])
def test_killed_in_the_middle_goes_on_by_key(own, pg, proxy, model, parallel):
    """A table without a key would show every row that comes twice."""
    proxy.delay = 0.02
    own.run("p", table("t", "id BIGINT, s VARCHAR", source("pg", pg, "SELECT * FROM wide", proxy.port, key_column="id", parallel=parallel),
                       materialized=True), runtime_config=model)
    started(own)
    proxy.hold()
    checkpoint(own)
    kill(own)
    proxy.heal()
    own.start_pipeline("p")
    wait_rows(own, ROWS)
    until("the query has ended", lambda: own.input("p", "t.pg")["metrics"]["end_of_input"])
    checkpoint(own)
    kill(own)
    own.start_pipeline("p")  # what was read to its end is not read again
    until("the pipeline is complete", lambda: own.input("p", "t.pg")["metrics"]["end_of_input"])
    assert rows(own) == {"n": ROWS, "m": ROWS}


def test_lost_connections(daemon, gone, pg, proxy):
    name = gone("lost")
    proxy.cut_in = 3 << 20
    daemon.run(name, table("t", "id BIGINT, s VARCHAR", source("pg", pg, "SELECT * FROM wide", proxy.port, key_column="id"), materialized=True))
    wait_rows(daemon, ROWS, name=name)
    assert proxy.cuts and daemon.input(name, "t.pg")["metrics"]["num_transport_errors"] > 0


def test_lost_connection_without_a_key(daemon, gone, pg, proxy):
    name = gone("lost2")  # a PRIMARY KEY: read again from the beginning
    proxy.cut_in = 3 << 20
    daemon.run(name, table("t", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR", source("pg", pg, "SELECT * FROM wide", proxy.port), materialized=True))
    wait_rows(daemon, ROWS, name=name)
    name = gone("lost3")  # none: rows would come twice
    proxy.cut_in = 3 << 20
    daemon.run(name, table("t", "id BIGINT, s VARCHAR", source("pg", pg, "SELECT * FROM wide", proxy.port), materialized=True))
    until("the connector has failed", lambda: "without 'key_column' reading cannot go on" in (daemon.input(name, "t.pg")["fatal_error"] or ""))


def test_exactly_once_needs_a_key(own, pg):
    own.create("p", table("t", "id BIGINT", source("pg", pg, "SELECT 1 AS id"), materialized=True), runtime_config=EXACTLY)
    own.ok("POST", "/v0/pipelines/p/start")
    p = until("the start has failed", lambda: own.get("/v0/pipelines/p?selector=status").json().get("deployment_error"))
    assert "key_column" in p["message"], p


def test_paused_connector_stops_reading(daemon, gone, pg, proxy):
    """The server has more to send than fits on the way, and nobody takes it."""
    name, n = gone("held"), 20 * ROWS
    proxy.hold_in = 1 << 20
    query = "SELECT id, s FROM wide, generate_series(1, 20) held"
    daemon.run(name, table("t", "id BIGINT, s VARCHAR", source("pg", pg, query, proxy.port), materialized=True))
    started(daemon, name)
    daemon.ok("POST", f"/v0/pipelines/{name}/tables/t/connectors/pg/pause")
    until("it is paused", lambda: daemon.input(name, "t.pg")["paused"])
    before = proxy.moved
    proxy.heal()

    def stuck():
        now = proxy.moved
        return now > before and pg.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 20) held%' AND wait_event = 'ClientWrite'") and proxy.moved == now
    until("the server waits", stuck)
    held = daemon.input(name, "t.pg")["metrics"]["total_records"]
    assert held < n
    daemon.ok("POST", f"/v0/pipelines/{name}/tables/t/connectors/pg/start")
    until("it goes on", lambda: rows(daemon, name)["n"] > held)


# --- writing ---

def fresh(pg, name, columns="id bigint PRIMARY KEY, x bigint"):
    pg.sql(f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} ({columns})")
    return name


def test_updates_and_deletes(daemon, gone, pg):
    name, dst = gone("upserts"), fresh(pg, '"Odd "" name"', 'id bigint PRIMARY KEY, "X" text, more int DEFAULT 7')
    daemon.run(name, table("t", 'id BIGINT NOT NULL PRIMARY KEY, "X" VARCHAR', materialized=True) +
               view("v", "SELECT * FROM t", sink("o", pg, dst, "i")) + "CREATE INDEX i ON v(id);")

    def table_is(*want):
        until(f"the table is {want}", lambda: [tuple(r) for r in pg.sql(f"SELECT id, \"X\", more FROM {dst} ORDER BY id")] == list(want))

    def change(*rows):
        assert daemon.ingress(name, "t", "\n".join(map(json.dumps, rows)), update_format="insert_delete").status_code == 200
    change(*({"insert": {"id": i, "X": f"x{i}"}} for i in range(3)))
    table_is(("0", "x0", "7"), ("1", "x1", "7"), ("2", "x2", "7"))
    pg.sql(f"UPDATE {dst} SET more = 8 WHERE id = 1")
    change({"insert": {"id": 1, "X": None}}, {"delete": {"id": 2}}, {"insert": {"id": 3, "X": "new"}})
    table_is(("0", "x0", "7"), ("1", None, "8"), ("3", "new", "7"))


@pytest.mark.parametrize("type, more", [("smallint", "smallint out of range"), ("integer", "value too long for type character varying(5)")])
def test_refused_rows_cost_no_neighbour(daemon, gone, pg, type, more):
    """smallint: by the table in between; integer: copied straight into the table."""
    name, dst = gone("refused" + type), fresh(pg, "checked", f"id bigint PRIMARY KEY, x {type} CHECK (x <> 13), s varchar(5)")
    daemon.run(name, table("t", "id BIGINT NOT NULL PRIMARY KEY, x INT, s VARCHAR", materialized=True) +
               view("v", "SELECT * FROM t", sink("o", pg, dst, "i")) + "CREATE INDEX i ON v(id);")
    bad = {17: {"x": 13}, 500: {"x": 40000, "s": "longer"}, 999: {"x": 13}}
    body = "\n".join(json.dumps({"id": i, "x": 1, **bad.get(i, {})}) for i in range(1000))
    assert daemon.ingress(name, "t", body).status_code == 200
    until("all but three are there", lambda: pg.one(f"SELECT count(*) FROM {dst}") == "997")
    until("three are counted", lambda: daemon.stats(name)["outputs"][0]["metrics"]["num_transport_errors"] == 3)
    text = json.dumps(daemon.ok("GET", f"/v0/pipelines/{name}/views/v/connectors/o/stats").json())
    assert "violates check constraint" in text and more in text, text


@pytest.mark.parametrize("more, how", [
    ("", "COPY"),
    ("CREATE RULE r AS ON DELETE TO {} WHERE OLD.id < 0 DO INSTEAD NOTHING", "INSERT"),
    ("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", "INSERT"),
    ("ALTER TABLE {} ALTER x TYPE numeric", "INSERT"),
])
def test_new_rows_are_copied_where_copy_does_the_same(daemon, gone, pg, more, how):
    n = sum(map(ord, more + how))
    name, dst = gone(f"copied{n}"), fresh(pg, f"copied{n}", "id bigint PRIMARY KEY, x bigint, d int DEFAULT 7")
    written = note_statements(pg, dst)
    pg.sql(more.format(dst))
    daemon.run(name, table("t", "id BIGINT NOT NULL PRIMARY KEY, x BIGINT", materialized=True) +
               view("v", "SELECT * FROM t", sink("o", pg, dst, "i", max_records_in_buffer=100)) + "CREATE INDEX i ON v(id);")

    def change(*rows):
        assert daemon.ingress(name, "t", "\n".join(map(json.dumps, rows)), update_format="insert_delete").status_code == 200
    change(*({"insert": {"id": i, "x": i}} for i in range(1000)))
    until("all are there", lambda: pg.one(f"SELECT count(*) FROM {dst}") == "1000")
    assert written() == [[how, "1000"]]
    change({"insert": {"id": 1, "x": -1}}, {"delete": {"id": 2}}, {"insert": {"id": 1000, "x": 1}})  # in one chunk: all by the table in between
    until("all are there", lambda: pg.sql(f"SELECT id, x FROM {dst} WHERE id IN (1, 2, 1000) ORDER BY id") == [["1", "-1"], ["1000", "1"]])
    assert dict(written()) == {"DELETE": "1", "UPDATE": "1", **({"COPY": "1000", "INSERT": "1"} if how == "COPY" else {"INSERT": "1001"})}
    pg.sql(f"INSERT INTO {dst} VALUES (2000, 0)")  # there already: taken back, and replaced
    change({"insert": {"id": 2000, "x": 1}}, {"insert": {"id": 2001, "x": 1}})
    until("all are there", lambda: pg.sql(f"SELECT id, x, d FROM {dst} WHERE id >= 2000 ORDER BY id") == [["2000", "1", "7"], ["2001", "1", "7"]])
    assert daemon.stats(name)["outputs"][0]["metrics"]["num_transport_errors"] == 0


@pytest.mark.parametrize("nothing", [False, True])
def test_rows_that_are_there_already(daemon, gone, pg, nothing):
    name, dst = gone(f"there{nothing}"), fresh(pg, f"there{nothing}")
    pg.sql(f"INSERT INTO {dst} VALUES (5, -1), (5000, -1)")
    daemon.run(name, table("t", "id BIGINT NOT NULL PRIMARY KEY, x BIGINT", materialized=True) +
               view("v", "SELECT * FROM t", sink("o", pg, dst, "i", on_conflict_do_nothing=nothing)) + "CREATE INDEX i ON v(id);")
    assert daemon.ingress(name, "t", "\n".join(json.dumps({"id": i, "x": i}) for i in range(1000))).status_code == 200
    until("all are there", lambda: pg.one(f"SELECT count(*) FROM {dst}") == "1001")
    assert pg.sql(f"SELECT x FROM {dst} WHERE id IN (5, 5000) ORDER BY id") == [["-1" if nothing else "5"], ["-1"]]
    assert daemon.stats(name)["outputs"][0]["metrics"]["num_transport_errors"] == 0


def test_output_outlives_its_server(daemon, gone, pg, proxy):
    name, dst = gone("restarts"), fresh(pg, "outlives")
    daemon.run(name, table("t", "id BIGINT NOT NULL PRIMARY KEY, x BIGINT", materialized=True) +
               view("v", "SELECT * FROM t", sink("o", pg, dst, "i", proxy.port)) + "CREATE INDEX i ON v(id);")

    def out():
        return daemon.stats(name)["outputs"][0]

    def add(ids):
        assert daemon.ingress(name, "t", "\n".join(json.dumps({"id": i, "x": i}) for i in ids)).status_code == 200
    add(range(100))
    until("they are there", lambda: pg.one(f"SELECT count(*) FROM {dst}") == "100")
    proxy.refuse = True
    pg.stop()
    add(range(100, 200))
    until("it says that it tries again", lambda: "retrying" in json.dumps(out().get("health")))
    pg.start()
    proxy.heal()
    until("all are there", lambda: pg.one(f"SELECT count(*) FROM {dst}") == "200")
    proxy.cut_in = 2000
    add(range(200, 1200))
    until("all are there", lambda: pg.one(f"SELECT count(*) FROM {dst}") == "1200")


def test_index_that_is_no_key(daemon, gone, pg):
    name, dst = gone("nokey"), fresh(pg, "twice")
    daemon.run(name, table("t", "id BIGINT, x BIGINT", materialized=True) +
               view("v", "SELECT * FROM t", sink("o", pg, dst, "i")) + "CREATE INDEX i ON v(id);")
    assert daemon.ingress(name, "t", '{"id":1,"x":1}\n{"id":1,"x":2}').status_code == 200
    until("an encode error", lambda: daemon.stats(name)["outputs"][0]["metrics"]["num_encode_errors"] == 1)
    text = json.dumps(daemon.ok("GET", f"/v0/pipelines/{name}/views/v/connectors/o/stats").json())
    assert "the index is no unique key of 'v'" in text, text


def test_change_log(daemon, gone, pg):
    name, dst = gone("log"), fresh(pg, "log", "id bigint, x bigint, __feldera_op text, __feldera_ts bigint, n serial")
    daemon.run(name, table("t", "id BIGINT NOT NULL PRIMARY KEY, x BIGINT", materialized=True) +
               view("v", "SELECT * FROM t", sink("o", pg, dst, "i", mode="cdc")) + "CREATE INDEX i ON v(id);")
    for n, row in enumerate(({"insert": {"id": 1, "x": 1}}, {"insert": {"id": 1, "x": 2}}, {"delete": {"id": 1}}), 1):
        assert daemon.ingress(name, "t", json.dumps(row), update_format="insert_delete").status_code == 200
        until("it is logged", lambda: pg.one(f"SELECT count(*) FROM {dst}") == str(n))
    assert pg.sql(f"SELECT id, x, __feldera_op, __feldera_ts > 1700000000000000 FROM {dst} ORDER BY n") == [
        ["1", "1", "i", "t"], ["1", "2", "u", "t"], ["1", "2", "d", "t"]]


def test_exactly_once_into_a_log(own, pg, proxy, tmp_path):
    """A log without a key shows every row that is lost and every one that comes twice; kill -9, lost commits, a restarted server."""
    src, dst = tmp_path / "in.json", fresh(pg, "once", "id bigint, __feldera_op text, __feldera_ts bigint")
    src.touch()
    own.run("p", table("t", "id BIGINT NOT NULL", file_in("f", src, follow=True), materialized=True) +
            view("v", "SELECT * FROM t", sink("o", pg, dst, "i", proxy.port, mode="cdc", max_records_in_buffer=100)) + "CREATE INDEX i ON v(id);",
            runtime_config=EXACTLY)
    n = 0
    for round in range(6):
        if round in (1, 4):
            proxy.cut_in = 5000
        with open(src, "a") as f:
            f.writelines(json.dumps({"id": i}) + "\n" for i in range(n, n + 400))
        n += 400
        if round != 3:
            until("all are read", lambda: rows(own)["n"] == n)
        if round == 2:
            checkpoint(own)
            pg.stop()
            pg.start()
        kill(own)
        own.start_pipeline("p")
        proxy.heal()
    until("all are there", lambda: int(pg.one(f"SELECT count(DISTINCT id) FROM {dst}")) == n)
    assert pg.sql(f"SELECT count(*), count(DISTINCT id), min(id), max(id) FROM {dst}") == [[str(n), str(n), "0", str(n - 1)]]
    assert int(pg.one("SELECT count(*) FROM headgate_progress")) == 1


def test_connectors_as_they_are_published(daemon, gone, pg):
    name = gone("published")
    parts = source("pg", pg, "SELECT 1 AS id", key_column="id", host="127.0.0.1", user="guarded", password=PASSWORD, database="postgres")
    del parts["transport"]["config"]["uri"]
    parts["transport"]["config"]["port"] = pg.port
    daemon.create(name, table("t", "id BIGINT NOT NULL PRIMARY KEY", parts) +
                  view("v", "SELECT * FROM t", sink("o", pg, "wide", "i")) + "CREATE INDEX i ON v(id);")
    info = daemon.get(f"/v0/pipelines/{name}").json()["program_info"]
    transport = info["input_connectors"]["t.pg"]["transport"]
    assert transport["name"] == "postgres_input" and transport["config"]["uri"] == f"postgresql://guarded@127.0.0.1:{pg.port}/postgres", info
    assert {"uri", "table"} <= set(info["output_connectors"]["v.o"]["transport"]["config"]), info
    r = subprocess.run([HEADGATE, "connectors", "postgres_output"], capture_output=True, text=True)
    assert r.returncode == 0 and "`max_buffer_size_bytes`" in r.stdout
