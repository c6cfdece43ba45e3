"""fda against a daemon: the life of a pipeline, output and exit codes, and the commands that only this fda has."""
import http.server
import json
import os
import re
import signal
import subprocess
import threading

import pytest

from hg import FDA, PATIENCE, until
from hg.pprof import Profile

PROGRAM = """
CREATE TABLE price (part BIGINT NOT NULL, price INT) WITH ('materialized' = 'true', 'connectors' = '[
  {"name": "hist", "labels": ["price.backfill"],
   "transport": {"name": "datagen", "config": {"plan": [{"limit": 10, "fields": {"part": {"range": [0, 10]}}}]}}},
  {"name": "slow", "labels": ["price.slow"],
   "transport": {"name": "datagen", "config": {"plan": [{"limit": 1000000, "rate": 1}]}}},
  {"name": "live", "start_after": ["price.slow"],
   "transport": {"name": "datagen", "config": {"plan": [{"limit": 5}]}}},
  {"name": "next", "start_after": ["price.backfill"],
   "transport": {"name": "datagen", "config": {"plan": [{"limit": 5}]}}}
]');
CREATE VIEW out_view WITH ('connectors' = '[{"name": "sink", "transport": {"name": "null_output"}}]') AS SELECT * FROM price;
"""
FINITE = """
CREATE TABLE t (a BIGINT NOT NULL) WITH ('materialized' = 'true', 'connectors' = '[
  {"name": "g", "transport": {"name": "datagen", "config": {"plan": [{"limit": 100}]}}}]');
"""


class Fda:
    def __init__(self, url):
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("FELDERA_")}
        self.env["FELDERA_HOST"] = url

    def run(self, *args, stdin="", timeout=PATIENCE):
        return subprocess.run([FDA, *args], input=stdin, env=self.env, capture_output=True, text=True, timeout=timeout)

    def __call__(self, *args, stdin=""):
        r = self.run(*args, stdin=stdin)
        assert r.returncode == 0, f"fda {' '.join(args)}: {r.returncode}\n{r.stdout}{r.stderr}"
        assert r.stderr == ""
        return r.stdout

    def json(self, *args):
        return json.loads(self(*args, "--format", "json"))

    def fails(self, code, *args, stdin=""):
        r = self.run(*args, stdin=stdin)
        assert r.returncode == code, f"fda {' '.join(args)}: {r.returncode}\n{r.stdout}{r.stderr}"
        assert r.stderr.endswith("\n")
        return r.stderr


@pytest.fixture(scope="module")
def fda(daemon):
    return Fda(daemon.overheard)


@pytest.fixture(scope="module")
def price(fda, tmp_path_factory):
    """The pipeline `price`, running; hist has ended and next has followed it."""
    path = tmp_path_factory.mktemp("fda") / "price.sql"
    path.write_text(PROGRAM)
    assert fda("create", "price", str(path), "dev", "--tag", "b", "--tag", "a", "--tag", "b") == "Pipeline created successfully.\n"
    assert fda("start", "price") == "Pipeline started successfully.\n"
    assert fda("wait", "price", "price", "next", "--for", "end_of_input") == ""
    yield fda
    fda("stop", "price")
    fda("delete", "-f", "price")


# --- the life of a pipeline ---

def test_life(fda, tmp_path):
    path = tmp_path / "p.sql"
    path.write_text(FINITE)
    assert fda("create", "life", str(path)) == "Pipeline created successfully.\n"
    assert "A pipeline named 'life' already exists" in fda.fails(1, "create", "life", str(path))
    until("life is compiled", lambda: fda("program", "status", "life").startswith("Success (version 1, last updated 2"))
    assert fda("start", "life", "--initial", "paused") == "Pipeline started successfully.\n"
    assert fda.json("status", "life")["deployment_status"] == "Paused"
    assert fda("resume", "life") == "Pipeline resumed successfully.\n"
    assert fda("wait", "life", "--for", "complete") == ""
    assert fda("wait", "life", "--for", "end_of_input") == ""
    assert len(fda("query", "life", "SELECT a FROM t", "--format", "json").splitlines()) == 101  # and the final blank line
    assert fda("pause", "life") == "Pipeline paused successfully.\n"
    assert fda("restart", "life") == "Pipeline stop successful.\nPipeline started successfully.\n"
    assert "only once it is stopped" in fda.fails(1, "delete", "life")
    assert fda("shutdown", "life") == "Pipeline stopped successfully.\n"
    assert "life" in fda.fails(1, "wait", "life", "--for", "complete")
    assert "storage" in fda.fails(1, "delete", "life")
    assert fda("clear", "life") == "Pipeline cleared successfully.\n"
    assert fda("copy", "life", "life2") == "Pipeline copied successfully.\n"
    assert fda("delete", "life") == "Pipeline deleted successfully.\n"
    assert fda("del", "-f", "life2") == "Pipeline cleared successfully.\nPipeline deleted successfully.\n"
    assert fda.fails(1, "status", "life") == "Unknown pipeline name 'life'\n"


def test_list_is_a_box(fda):
    fda("create", "box", "-s", stdin="")
    lines = fda("pipelines").splitlines()
    assert re.fullmatch("╭─+┬─+╮", lines[0])
    assert re.fullmatch("│ name +│ status +│", lines[1])
    assert any(re.fullmatch("│ box +│ Stopped +│", line) for line in lines[3:-1])
    assert re.fullmatch("╰─+┴─+╯", lines[-1])
    assert len({len(line) for line in lines}) == 1
    assert "box" in [p["name"] for p in fda.json("pipelines")]
    fda("delete", "box")


def test_program(fda, tmp_path):
    path = tmp_path / "p.sql"
    path.write_text("CREATE TABLE t (a INT);\nCREATE VIEW v AS SELECT b FROM t;\n")
    fda("create", "prog", str(path))
    until("prog is refused", lambda: fda("program", "status", "prog").startswith("SqlError (version 1, "))
    assert fda("program", "get", "prog") == path.read_text() + "\n"
    errors = fda("program", "errors", "prog")
    assert errors.startswith("SQL compiler exit code: 1\nerror: ") and "(line 2, column 25)" in errors and "^" in errors
    assert fda.json("program", "errors", "prog")["sql_compilation"]["messages"][0]["start_line_number"] == 2
    assert "does not compile" in fda.fails(1, "start", "prog")
    assert "does not compile" in fda.fails(1, "wait", "prog", "--for", "running")
    assert "is not compiled" in fda.fails(1, "connector", "prog", "t", "c", "start")
    assert fda("program", "set", "prog", "-s", stdin="CREATE TABLE t (a INT);") == "Program updated successfully.\n"
    until("prog is compiled", lambda: fda("program", "status", "prog").startswith("Success (version 2, "))
    assert fda.json("program", "info", "prog")["schema"]["inputs"][0]["name"] == "t"
    assert fda("program", "set-config", "prog", "-p", "dev") == (
        "Program config updated successfully.\n"
        "+-----------------------+-------+\n"
        "| cache                 | true  |\n"
        "+-----------------------+-------+\n"
        "| profile               | dev   |\n"
        "+-----------------------+-------+\n"
        "| use_platform_compiler | false |\n"
        "+-----------------------+-------+\n")
    assert fda.json("program", "config", "prog") == {"cache": True, "profile": "dev", "use_platform_compiler": False}
    assert fda.json("program", "set-config", "prog", "-p", "optimized_symbols")["profile"] == "optimized_symbols"
    fda("delete", "prog")


def test_runtime_config(fda):
    fda("create", "conf")
    assert fda("set-config", "conf", "workers", "3").startswith("Runtime config updated successfully.\n+---")
    assert fda.json("set-config", "conf", "memory_mb_min", "18446744073709551615")["resources"]["memory_mb_min"] == 2**64 - 1
    assert fda.json("set-config", "conf", "dev_tweaks", '{"a": {"b": 1}}')["dev_tweaks"] == {"a": {"b": 1}}
    config = fda.json("config", "conf")
    assert config["workers"] == 3 and config["fault_tolerance"]["model"] == "none"
    table = fda("config", "conf").splitlines()
    assert len({len(line) for line in table}) == 1
    assert any(re.fullmatch(r"\| dev_tweaks +\| a \| b \| 1 +\|", line) for line in table)
    assert fda.fails(1, "set-config", "conf", "workers", "x") == (
        "Failed to parse value 'x' for updating key Workers: expected a whole number\n")
    assert "invalid value 'wrokers' for '<KEY>'" in fda.fails(2, "set-config", "conf", "wrokers", "3")
    for cores, shown in (("2", "2.0"), ("2.5", "2.5"), ("1e1", "1e1")):
        assert re.search(rf"\| cpu_cores_max +\| {shown} +\|", fda("set-config", "conf", "cpu_cores_max", cores))
    for model, stored in (("true", "exactly_once"), ("false", "none"), ("at_least_once", "at_least_once")):
        assert fda.json("set-config", "conf", "fault_tolerance", model)["fault_tolerance"]["model"] == stored
    fda("delete", "conf")


def test_storage_that_is_on_stays_as_it_is(fda, daemon):
    fda("create", "conf")
    sync = {"bucket": "b", "region": "r"}
    daemon.ok("PATCH", "/v0/pipelines/conf", json={"runtime_config": {"storage": {"backend": {"name": "file", "config": {"sync": sync}}}}})
    fda("set-config", "conf", "min_storage_bytes", "1000")
    storage = fda.json("set-config", "conf", "storage", "true")["storage"]
    assert storage["backend"]["config"]["sync"] == sync and storage["min_storage_bytes"] == 1000
    assert fda.json("set-config", "conf", "storage", "false")["storage"] is None
    assert "`fda set-config conf storage true` comes first" in fda.fails(1, "set-config", "conf", "min_storage_bytes", "1000")
    assert fda.json("config", "conf")["storage"] is None
    assert fda.json("set-config", "conf", "storage", "true")["storage"]["backend"] == {"name": "default"}
    fda("delete", "conf")


@pytest.mark.parametrize("other, command", [line.split(" = ") for line in """clone = copy
shutdown = stop
statistics = stats
log = logs
cfg = config
set-cfg = set-config
del = delete
exec = query
generate-token = completion-token
generate-completion-token = completion-token
check-token = completion-status
check-completion-token = completion-status
transaction-start = start-transaction
commit = commit-transaction
transaction-commit = commit-transaction
clock-set = clock-advance
set-clock = clock-advance
program cfg = program config
program set-cfg = program set-config
apikey del = apikey delete
tenant del = tenant delete
oidc-trust del = oidc-trust delete
member rm = member remove""".splitlines()])
def test_commands_have_the_other_names_that_feldera_gives_them(fda, other, command):
    assert fda(*other.split(), "--help") == fda(*command.split(), "--help")


def test_a_certificate_that_cannot_be_used_is_told(fda, tmp_path):
    path = tmp_path / "ca.pem"
    assert f"Failed to read '{path}'" in fda.fails(1, "--tls-cert", str(path), "pipelines")
    path.write_text("")
    assert "has no certificates" in fda.fails(1, "--tls-cert", str(path), "pipelines")
    path.write_text("something else\n")
    assert "has no certificates" in fda.fails(1, "--tls-cert", str(path), "pipelines")
    assert "cannot be used with '--insecure'" in fda.fails(2, "--tls-cert", str(path), "-k", "pipelines")


# --- a running pipeline ---

def test_query_into_a_file(price, tmp_path, monkeypatch):
    """--format parquet: result.parquet, or the next name that is free; nothing is left of a result that failed."""
    monkeypatch.chdir(tmp_path)
    for name in ("result.parquet", "result_1.parquet"):
        assert price("query", "price", "SELECT part FROM price", "--format", "parquet") == f"Query result saved to '{name}'\n"
        assert (tmp_path / name).read_bytes()[:4] == b"PAR1"
    error = price.run("query", "price", "SELECT nope FROM price", "--format", "parquet")
    assert error.returncode == 1 and error.stderr.startswith("ERROR: ") and "nope" in error.stderr
    error = price.run("query", "price", "SELECT 1 / (part - part) FROM price", "--format", "parquet")
    assert error.returncode == 1 and "division by zero" in error.stderr
    (tmp_path / "result_2.parquet").mkdir()
    (tmp_path / "result.parquet").unlink()
    (tmp_path / "result.parquet").symlink_to("/nonexistent/x")  # a name that is taken, whatever is behind it
    assert price("query", "price", "SELECT part FROM price", "--format", "parquet") == "Query result saved to 'result_3.parquet'\n"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["result.parquet", "result_1.parquet", "result_2.parquet", "result_3.parquet"]


def test_debug(fda, tmp_path):
    """Files are read without a server."""
    f = tmp_path / "f"
    f.write_bytes(bytes.fromhex("83a16101a16293c0c3c2a163c40201ff" "81e0cfffffffffffffffff" "d1fffb" "d605010203ff" "ca3dcccccd" "cb4000000000000000" "a3220a5c" "dc000190" "c70200aabb"))
    assert fda("debug", "msgp-cat", str(f)) == (
        '{"a": 1, "b": [nil, true, false], "c": [1, 255]}\n{-32: 18446744073709551615}\n-5\n[5, [1, 2, 3, 255]]\n0.1\n2\n"\\"\\n\\\\"\n[[]]\n[0, [170, 187]]\n')
    for data, error in (("9301", "the file ends within a value, at byte 2"), ("c1", "the byte 0xc1 begins no value, at byte 1"),
                        ("91" * 600, "values are nested too deeply, at byte 513"), ("dbffffffff", "the file ends within a value, at byte 5")):
        f.write_bytes(bytes.fromhex(data))
        assert fda.fails(1, "debug", "msgp-cat", str(f)) == f"{f}: {error}\n"
    f.write_text('# TYPE a counter\nb{pipeline="1",endpoint="t.c"} 2\na{pipeline="1",endpoint="t.c"} 0.5\na_bucket{le="1"} 3\na{pipeline="1"} 3\nc NaN\n')
    assert fda("debug", "metrics", str(f)) == (
        "a".ljust(40) + ":            3.00\n" + "c".ljust(40) + ":             nan\n"
        + '\n[("endpoint", "t.c")]\n' + "a".ljust(40) + ":            0.50\n" + "b".ljust(40) + ":            2.00\n")
    for text in ("a{b=", 'a{b="c} 1', "a", "{} 1"):
        f.write_text("a 1\n" + text)
        assert fda.fails(1, "debug", "metrics", str(f)) == f"{f}: line 2 is no Prometheus metric: {text}\n"


def test_heap_profile(price, tmp_path):
    assert price("heap-profile", "price", "-o", str(tmp_path / "h.pb.gz"), "-p", "false") == ""  # where it is written it is not shown
    assert Profile((tmp_path / "h.pb.gz").read_bytes()).period == (("space", "bytes"), 512 << 10)
    assert price.fails(1, "heap-profile", "nope") == "Unknown pipeline name 'nope'\n"
    assert "Failed to write" in price.fails(1, "heap-profile", "price", "-o", str(tmp_path / "no" / "folder"))


def test_heap_profile_of_another_server(tmp_path):
    """What Feldera's daemon answers goes to a file, or to the command that shows it."""
    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"bytes")

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fda = Fda(f"http://127.0.0.1:{server.server_port}")
        assert fda("heap-profile", "p", "-o", str(tmp_path / "h")) == ""
        assert (tmp_path / "h").read_text() == "bytes"
        assert fda("heap-profile", "p", "-p", "cat") == "bytes"
        assert "get pprof from" in fda.fails(1, "heap-profile", "p", "-p", "false")
        server.shutdown()


def test_query(price):
    text = price("query", "price", "SELECT part FROM price WHERE part < 0")
    assert text.splitlines()[1] == "| part |"
    rows = [json.loads(x) for x in price("exec", "price", "-s", "--format", "json",
                                         stdin="SELECT part FROM price").splitlines() if x]
    assert len(rows) >= 15 and set(rows[0]) == {"part"}
    error = price.run("query", "price", "SELECT nope FROM price")
    assert error.returncode == 1 and error.stdout == "" and error.stderr.startswith("ERROR: ") and "nope" in error.stderr
    error = price.run("query", "price", "SELECT nope FROM price", "--format", "json")
    assert error.returncode == 1 and "nope" in json.loads(error.stdout)["error"]
    assert price.fails(1, "query", "nope", "SELECT 1") == "Unknown pipeline name 'nope'\n"
    assert price.fails(1, "query", "price", "SELECT 1", "--format", "prometheus") == (
        "Unsupported output format: prometheus; a query's result comes as text, json, arrow_ipc, parquet or hash\n")
    long = "x" * 100
    assert f"| {long} |" in price("query", "price", f"SELECT '{long}' AS x", "--format", "arrow_ipc")
    assert f"| {long[:64]}... |" in price("query", "price", f"SELECT '{long}' AS x")
    assert re.fullmatch("[0-9A-F]{64}\n?", price("query", "price", "SELECT 1", "--format", "hash"))
    assert price.fails(1, "query", "price", stdin=" \n") == "The SQL query is empty\n"


def test_query_of_a_stopped_pipeline_says_so(fda):
    fda("create", "still")
    assert fda.fails(1, "query", "still", "SELECT 1") == (
        "Pipeline 'still' is not running (status: 'Stopped'): start it with `fda start still`\n")
    for command in ("stats", "graph", "top"):  # nor is it asked again and again
        r = fda.run("--retries", "1000", command, "still")
        assert r.returncode == 1 and "start it first" in r.stderr
    fda("delete", "still")


def test_connector(price):
    stats = price.json("connector", "price", "price", "slow", "stats")
    assert stats["endpoint_name"] == "price.slow" and stats["paused"] is False
    table = price("connector", "price", "price", "slow", "status").splitlines()
    assert len({len(line) for line in table}) == 1
    assert any(re.fullmatch(r'\| endpoint_name +\| "price.slow" +\|', line) for line in table)
    assert price("connector", "price", "price", "slow", "pause") == "Table price connector slow paused successfully.\n"
    assert price.json("connector", "price", "price", "slow", "stats")["paused"] is True
    assert price("connector", "price", "price", "slow", "why").startswith("price.slow is paused by user")
    assert price("connector", "price", "price", "slow", "start") == "Table price connector slow started successfully.\n"
    assert price("connector", "price", "out_view", "sink", "stop") == "View out_view connector sink paused successfully.\n"
    assert price("connector", "price", "out_view", "sink", "start") == "View out_view connector sink started successfully.\n"
    assert price.fails(1, "connector", "price", "price", "slwo", "start") == (
        "No connector named slwo found for relation price in pipeline price; did you mean 'price.slow'?\n")
    assert "; it has price.hist" in price.fails(1, "connector", "price", "elsewhere", "zzzzzzzz", "why")


def test_why(price):
    text = price("connector", "price", "price", "live", "why")
    assert text.startswith("price.live is paused: waiting for label 'price.slow'\n")
    assert "price.slow" in text.splitlines()[1]
    why = price.json("connector", "price", "price", "live", "why")
    assert why["reason"] == "waiting" and why["waiting_for"][0]["connector"] == "price.slow"
    assert price("connector", "price", "out_view", "sink", "why").startswith("out_view.sink is ")


def test_position_and_rerun(fda, tmp_path):
    (tmp_path / "p.sql").write_text(PROGRAM)
    fda("create", "again", str(tmp_path / "p.sql"))
    fda("start", "again")
    hist, slow = ("connector", "again", "price", "hist"), ("connector", "again", "price", "slow")
    fda("wait", "again", "price", "hist", "--for", "end_of_input")
    shown = fda(*slow, "position").splitlines()
    assert re.fullmatch(r'price.slow goes on from \{"rows":\d+,"seed":\d+\}', shown[0])
    assert shown[1] == "It cannot be set now: price.slow is running: pause it first"
    assert fda.fails(1, *slow, "position", "reset") == "price.slow is running: pause it first\n"
    fda(*slow, "pause")
    assert fda(*slow, "position", "get").splitlines()[1:] == [
        "Set it with: fda connector again price slow position set JSON",
        '  {"rows": n, "seed": s}: the next row is number n, counted from 0 over all plans. Without seed: the configured one, or another one '
        "at every start."]
    assert fda(*slow, "position", "set", '{"rows": 7, "seed": 1}') == (
        'Position of price.slow set to {"rows":7,"seed":1}.\nA crash forgets it: fault_tolerance is none.\n')
    assert fda(*slow, "position", "set", "-", stdin='{"rows": 8}').startswith('Position of price.slow set to {"rows":8}.')
    assert "last change: set, " in fda(*slow, "position")
    v = fda.json(*slow, "position")
    assert v["position"]["rows"] == 8 and v["settable"] is True
    assert fda(*slow, "position", "reset").startswith("Position of price.slow reset: it begins as configured.\n")
    assert fda.json(*slow, "position", "reset")["last_change"]["change"] == "reset"
    assert "no member 'row'" in fda.fails(1, *slow, "position", "set", '{"row": 7}')
    assert "the position is missing" in fda.fails(2, *slow, "position", "set")
    assert "is not valid JSON" in fda.fails(2, *slow, "position", "set", "{rows}")
    assert "takes no position" in fda.fails(2, *slow, "position", "reset", "{}")
    assert "an output" in fda.fails(1, "connector", "again", "out_view", "sink", "position")
    assert "only what has finished runs again" in fda.fails(1, *slow, "rerun")
    fda(*slow, "start")
    assert fda(*hist, "rerun") == "Table price connector hist runs again from its start.\n"
    fda("wait", "again", "price", "hist", "--for", "end_of_input")
    assert fda(*hist, "rerun", "--wait").endswith("from its start; the connectors that wait for it wait until it has ended.\n")
    fda("wait", "again", "price", "hist", "--for", "end_of_input")
    assert fda.json(*hist, "rerun")["last_change"]["change"] == "rerun"
    fda("wait", "again", "price", "hist", "--for", "end_of_input")
    assert "had it run again" in fda(*hist, "why")
    fda("stop", "again")
    assert fda(*hist, "position").startswith(
        "price.hist begins as configured\nIt cannot be set now: the pipeline has no checkpoint (fault_tolerance none)")
    fda("delete", "-f", "again")


def test_graph(price):
    lines = price("graph", "price").splitlines()
    assert [re.sub(r"  .*", "", line) for line in lines] == [
        "price.hist", "└─ price.backfill", "", "price.slow", "└─ price.slow", ""]
    assert re.fullmatch(r"price\.hist +datagen  ended +10", lines[0])
    assert re.fullmatch(r"   └─ price\.next  datagen  ended +5", lines[2])
    assert re.fullmatch(r"price\.slow +datagen  running +\d+, 0 %, .* left", lines[3])
    assert re.fullmatch(r"   └─ price\.live  datagen  waiting for price\.slow", lines[5])
    assert {e["label"] for e in price.json("graph", "price")["edges"]} == {"price.backfill", "price.slow"}


def test_top_once(price):
    lines = price("top", "price").splitlines()
    assert re.fullmatch(r"price · Running · [\d,]+ in · [\d,]+ processed · [\d.]+ MiB", lines[0])
    assert lines[1].split() == ["connector", "transport", "state", "records", "rate/s", "queue", "errors", "done"]
    assert {line.split()[0] for line in lines[2:]} == {"price.hist", "price.slow", "price.live", "price.next", "out_view.sink"}


def test_wait(price):
    assert price("wait", "price", "--for", "running") == ""
    assert price("wait", "price", "price", "slow", "--for", "running") == ""
    assert price("wait", "price", "price", "hist", "--for", "complete") == ""
    assert price.fails(1, "wait", "price", "price", "live", "--for", "running", "--timeout", "1") == (
        "price.live did not come to 'running' within 1 s\n")
    assert price.fails(1, "wait", "price", "price", "nope", "--for", "running") == (
        "Pipeline 'price' has no input connector price.nope\n")
    assert "--for <WHAT>" in price.fails(2, "wait", "price")
    assert "<CONNECTOR>" in price.fails(2, "wait", "price", "price", "--for", "running")


def test_wait_ends_when_the_pipeline_stops(fda):
    fda("create", "stopping", "-s", stdin=PROGRAM)
    fda("start", "stopping")
    waiter = subprocess.Popen([FDA, "wait", "stopping", "--for", "complete"], env=fda.env, stderr=subprocess.PIPE, text=True)
    fda("stop", "stopping")
    assert waiter.wait(PATIENCE) == 1
    assert waiter.stderr.read().startswith("Pipeline 'stopping' is stopped")
    waiter.stderr.close()
    fda("delete", "-f", "stopping")


def test_wait_ends_when_a_connector_failed(fda, tmp_path):
    fda("create", "failing", "-s", stdin=f"""
CREATE TABLE t (a INT) WITH ('connectors' = '[
  {{"name": "a", "labels": ["l"], "transport": {{"name": "file_input", "config": {{"path": "{tmp_path}/absent"}}}}, "format": {{"name": "json"}}}},
  {{"name": "b", "start_after": ["l"], "transport": {{"name": "datagen", "config": {{"plan": [{{"limit": 1}}]}}}}}}]');""")
    fda("start", "failing")
    assert fda.fails(1, "wait", "failing", "t", "a", "--for", "end_of_input").startswith("Connector t.a failed: ")
    assert "which failed" in fda.fails(1, "wait", "failing", "t", "b", "--for", "running")
    assert fda.run("wait", "failing", "--for", "complete").returncode == 1
    assert "blocked by t.a (failed)" in fda("graph", "failing")
    fda("stop", "failing")
    fda("delete", "-f", "failing")


def test_names_with_upper_case(fda):
    fda("create", "case", "-s", stdin="""
CREATE TABLE "Big" ("A" INT) WITH ('connectors' = '[
  {"name": "X", "labels": ["l", "m"], "transport": {"name": "datagen", "config": {"plan": [{"limit": 100000, "rate": 1}]}}},
  {"name": "Y", "start_after": ["l", "m"], "transport": {"name": "datagen", "config": {"plan": [{"limit": 1}]}}}]');""")
    fda("start", "case")
    for relation in ("Big", '"Big"'):
        assert fda.json("connector", "case", relation, "X", "stats")["endpoint_name"] == "Big.X"
        assert fda("connector", "case", relation, "Y", "why").startswith("Big.Y is paused: waiting for label")
        assert fda("wait", "case", relation, "X", "--for", "running") == ""
    lines = fda("graph", "case").splitlines()
    assert sum("waiting for Big.X" in line for line in lines) == 2  # below each label, and Big.X is named once
    assert not any("Big.X, Big.X" in line for line in lines)
    fda("stop", "case")
    fda("delete", "-f", "case")


def test_stats_metrics_logs_tokens_tags(price):
    stats = price.json("stats", "price")
    assert stats["global_metrics"]["state"] == "Running" and len(stats["inputs"]) == 4
    table = price("statistics", "price").splitlines()
    assert len({len(line) for line in table}) == 1
    assert any('"price.live"' in line for line in table)
    assert "# TYPE" in price("metrics", "price", "--format", "prometheus")
    assert isinstance(price.json("metrics", "price"), list)
    assert "not supported as a metrics format" in price.fails(1, "metrics", "price")
    assert "price.hist" in price("logs", "price")
    token = price("completion-token", "price", "price", "hist").strip()
    until("it is complete", lambda: price("completion-status", "price", token) == "complete\n")  # a row of the slow one may be under way
    assert price.json("check-token", "price", token)["status"] == "complete"
    assert "token" in price.fails(1, "completion-status", "price", "abc")
    assert price("tags", "price") == "a,b\n"


def test_logs_are_watched_until_interrupted(price):
    p = subprocess.Popen([FDA, "logs", "price", "-w"], env=price.env, stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline()
    assert p.poll() is None
    p.send_signal(signal.SIGINT)
    assert p.wait(PATIENCE) == -signal.SIGINT
    p.stdout.close()


# --- the command line ---

@pytest.mark.parametrize("args, words", [
    (["stts", "p"], ["unrecognized subcommand 'stts'", "a similar subcommand exists: 'stats'"]),
    (["start"], ["<NAME>", "Usage: fda start [OPTIONS] <NAME>"]),
    (["start", "p", "q"], ["unexpected argument 'q' found"]),
    (["start", "p", "--no-wiat"], ["unexpected argument '--no-wiat' found", "'--no-wait'"]),
    (["stop", "-x", "p"], ["unexpected argument '-x' found"]),
    (["start", "p", "-i"], ["a value is required for '--initial <INITIAL>'"]),
    (["--format", "xml", "pipelines"], ["invalid value 'xml' for '--format <FORMAT>'", "arrow_ipc"]),
    (["--timeout", "x", "pipelines"], ["invalid value 'x' for '--timeout'"]),
    (["connector", "p", "t", "c"], ["requires a subcommand", "start, pause, stats, why, position, rerun, help"]),
    (["connector", "p", "t"], ["<CONNECTOR_NAME>"]),
    (["connector", "p", "t", "c", "wyh"], ["unrecognized subcommand 'wyh'", "'why'"]),
    (["program"], ["Commands:", "set-config"]),
    ([], ["Usage: fda [OPTIONS] <COMMAND>", "pipelines"]),
    (["debug", "p"], ["unrecognized subcommand 'p'", "Usage: fda debug"]),
    (["create", "p", "x.sql", "-s"], ["cannot be used with"]),
    (["create", "p", "x.sql", "fast"], ["invalid value 'fast' for '[PROFILE]'"]),
    (["tenant", "delete", "me"], ["invalid value 'me' for '<TENANT_ID>': expected a UUID"]),
    (["tenant", "rename", "00000000-0000-7000-8000-00000000000", "x"], ["expected a UUID"]),
    (["member", "set-role", "00000000-0000-7000-8000-0000000000010", "read"], ["expected a UUID"]),
    (["member", "remove", "00000000-0000-7000-8000_000000000001"], ["for '<USER_ID>': expected a UUID"]),
])
def test_wrong_usage(fda, args, words):
    error = fda.fails(2, *args)
    for w in words:
        assert w in error


@pytest.mark.parametrize("command", ["", "create", "start", "stop", "connector", "program set", "wait", "graph", "top", "query"])
def test_help(fda, command):
    text = fda(*command.split(), "--help")
    assert f"Usage: fda {command + ' ' if command else ''}[OPTIONS]" in text
    assert "Global Options:" in text and "FELDERA_HOST" in text
    assert max(len(line) for line in text.splitlines()) < 400
    assert fda("help", *command.split()) == text or not command


def test_no_daemon(fda):
    error = fda.fails(1, "--host", "http://127.0.0.1:1", "--retries", "0", "pipelines")
    assert error.startswith("Failed to list pipelines: ") and "headgate serve" in error
    assert "is no URL" in fda.fails(1, "--host", "127.0.0.1:8080", "pipelines")


def test_options_after_the_command_and_joined(fda):
    url = fda.env["FELDERA_HOST"]
    r = subprocess.run([FDA, "pipelines", f"--host={url}/", "--format=json", "--retries=0"],
                       env={k: v for k, v in fda.env.items() if k != "FELDERA_HOST"}, capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 0 and isinstance(json.loads(r.stdout), list)


def test_credentials_stay_at_home_without_https(fda):
    r = fda.run("--auth", "apikey:secret", "pipelines")
    assert r.returncode == 0 and "does not use `https`" in r.stderr and "secret" not in r.stderr


def test_missing_file(fda):
    assert fda.fails(1, "create", "x", "/nonexistent/p.sql") == "Failed to read '/nonexistent/p.sql': No such file or directory\n"


# --- a daemon that refuses for a while ---

class Moody(http.server.BaseHTTPRequestHandler):
    """Answers 503 `bad` times, then 200; notes every request."""
    protocol_version = "HTTP/1.1"
    bad = 0
    seen = []

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        Moody.seen.append((self.command, self.path, dict(self.headers), body))
        refuse = len(Moody.seen) <= Moody.bad
        text = json.dumps({"message": "not now", "error_code": "Busy", "details": {}} if refuse else []).encode()
        self.send_response(503 if refuse else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def log_message(self, *args):
        pass


@pytest.fixture
def moody():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Moody.seen = []
    yield Fda(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_refused_question_is_repeated(moody):
    Moody.bad = 2
    assert moody("pipelines").splitlines()[1].split() == ["│", "name", "│", "status", "│"]
    assert len(Moody.seen) == 3
    headers = {k.lower(): v for k, v in Moody.seen[0][2].items()}
    assert headers["api-version"] == "0.349.0" and headers["accept"] == "application/json"


def test_retries_are_limited(moody):
    Moody.bad = 9
    assert moody.fails(1, "--retries", "1", "pipelines") == "not now\n"
    assert len(Moody.seen) == 2


def test_create_is_not_repeated(moody):
    Moody.bad = 9
    assert moody.fails(1, "create", "p") == "not now\n"
    assert [(s[0], s[1]) for s in Moody.seen] == [("POST", "/v0/pipelines")]
    assert json.loads(Moody.seen[0][3]) == {"name": "p", "program_code": "", "program_config": {
        "cache": True, "profile": "optimized", "use_platform_compiler": False}}


def test_output_that_cannot_be_written(fda):
    with open("/dev/full", "w") as full:
        r = subprocess.run([FDA, "pipelines"], env=fda.env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert r.returncode == 1 and "No space left on device" in r.stderr
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        r = subprocess.run([FDA, "pipelines"], env=fda.env, stdout=closed, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert r.returncode == 1 and r.stderr == ""
