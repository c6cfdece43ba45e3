"""Support bundles: what is in them, of pipelines in any state, and that no secret leaves with them. The dataflow graph and the circuit's profile."""
import gzip
import io
import json
import pathlib
import re
import subprocess
import urllib.parse
import zipfile

import pytest

from hg import FDA, ROOT, until
from hg.daemon import Daemon
from hg.pprof import Profile
from hg.sql import connector, datagen, file_in, kafka_in, table, url_in, view

PROGRAM = (table("t", "n BIGINT NOT NULL PRIMARY KEY, s VARCHAR", datagen("g", {"limit": 10}), materialized=True) +
           view("few", "SELECT n FROM t WHERE n < 3", materialized=True) + view("u", "SELECT n FROM few UNION ALL SELECT n FROM t"))
ALL = {"circuit_profile.json", "metrics.txt", "logs.txt", "stats.json", "pipeline_config.json", "system_config.json", "dataflow_graph.json",
       "pipeline_events.json", "heap_profile.pb.gz"}
LIVE = {"circuit_profile.json", "metrics.txt", "stats.json", "heap_profile.pb.gz"}  # what only a process knows


def bundle(d, name, **params):
    r = d.ok("GET", f"/v0/pipelines/{name}/support_bundle?" + urllib.parse.urlencode(params))
    z = zipfile.ZipFile(io.BytesIO(r.content))
    assert z.testzip() is None
    return {n: gzip.decompress(z.read(n)).decode("latin-1") if n.endswith(".gz") else z.read(n).decode() for n in z.namelist()}


def collected(files):
    """{file: text} of the one collection, and what it misses."""
    meta = json.loads(files["metadata.json"])
    (c,) = meta["collections"]
    return ({n.split("/", 1)[1]: t for n, t in files.items() if n.startswith(c["directory"] + "/")},
            {m["file"]: m["reason"] for m in c["missing"]}, meta)


def test_of_a_running_pipeline(daemon):
    daemon.run("b1", PROGRAM)
    daemon.wait_complete("b1")
    files, missing, meta = collected(bundle(daemon, "b1"))
    assert set(files) == ALL and not missing
    assert meta["metadata_version"] == 1 and meta["pipeline"]["name"] == "b1" and meta["pipeline"]["status"] == "Running"
    assert json.loads(files["stats.json"])["global_metrics"]["total_input_records"] == 10
    assert json.loads(files["pipeline_config.json"])["program_code"] == PROGRAM
    assert json.loads(files["system_config.json"])["config"]["version"] == "0.349.0"
    events = json.loads(files["pipeline_events.json"])
    assert events == daemon.get("/v0/pipelines/b1/events?selector=all").json()[-len(events):]
    assert "records_processed_total" in files["metrics.txt"] and "b1: created" in files["logs.txt"]
    assert json.loads(files["dataflow_graph.json"]) == daemon.get("/v0/pipelines/b1/dataflow_graph").json()
    assert Profile(files["heap_profile.pb.gz"].encode("latin-1")).period == (("space", "bytes"), 512 << 10)  # of so little there may be no sample
    profile = {r["name"]: r for r in json.loads(files["circuit_profile.json"])["relations"]}
    assert profile["t"]["rows"] == 10 and profile["few"]["rows_out"] == 3 and profile["u"]["steps"] > 0
    daemon.stop_pipeline("b1")
    files, missing, meta = collected(bundle(daemon, "b1"))
    assert set(files) == ALL - LIVE and set(missing) == LIVE
    assert missing["stats.json"] == "the pipeline is Stopped" and meta["pipeline"]["status"] == "Stopped"


def test_parts_and_limits(daemon):
    daemon.create("b2", PROGRAM)
    off = {p: "false" for p in ("circuit_profile", "heap_profile", "metrics", "logs", "stats", "pipeline_config", "system_config", "dataflow_graph",
                                "pipeline_events")}
    assert set(bundle(daemon, "b2", **off)) == set(bundle(daemon, "b2", collect="false")) == {"metadata.json", "metadata.txt"}
    files, missing, _ = collected(bundle(daemon, "b2", limit=1, **{**off, "logs": "true"}))
    assert set(files) == {"logs.txt"} and not missing
    r = daemon.get("/v0/pipelines/b2/support_bundle?limit=0")
    assert r.status_code == 400 and r.json()["error_code"] == "InvalidSupportBundleParameter"
    for query in ("limit=x", "logs=maybe", "collect=1"):
        assert daemon.get("/v0/pipelines/b2/support_bundle?" + query).status_code == 400, query
    assert daemon.get("/v0/pipelines/none/support_bundle").status_code == 404


def test_of_a_program_that_does_not_compile(daemon):
    daemon.ok("PUT", "/v0/pipelines/b3", json={"name": "b3", "program_code": "CREATE TABLE t (a INTT); -- \"password\": \"hunter22\""})
    until("it is refused", lambda: daemon.get("/v0/pipelines/b3").json()["program_status"] == "SqlError")
    files, _, _ = collected(bundle(daemon, "b3"))
    assert "hunter22" not in str(files) and json.loads(files["dataflow_graph.json"])["exit_code"] == 1
    assert daemon.get("/v0/pipelines/b3/dataflow_graph").status_code == 404


# Each stands somewhere in the program or beside it; none may be in the bundle, in no form.
SECRETS = {
    "sasl": "kafka-p'w\"1", "key": "-----BEGIN KEY-----\nabc+/=\n-----END KEY-----", "uri": "ur1-s3cret", "url": "p%40ss-w0rd", "decoded": "p@ss-w0rd",
    "parameter": "t0k3n-in-a-url", "env": "from-the-environment", "config env": "runtime-conf-env", "file": "from-a-secret-file", "short": "zq9",
    "password": "pg \\ p\u00e4ssword", "comment": "commented-0ut", "header": "Bearer abcdef.123",
    "listed": "Bearer of-a-list", "user": "t0ken-as-a-user", "unquoted": "un quoted'one"}


def leaks(files):
    """Which secrets are in which file, plain, or as they are written in JSON, in SQL, or in a URL."""
    found = []
    for what, s in SECRETS.items():
        forms = {s, s.replace("'", "''"), urllib.parse.quote(s, safe="")}
        for _ in range(3):
            forms |= {json.dumps(f)[1:-1] for f in forms} | {json.dumps(f, ensure_ascii=False)[1:-1] for f in forms}
        found += [(what, n) for n, text in files.items() for f in forms if f in text]
    return found


def test_no_secret_leaves(tmp_path):
    folder = tmp_path / "secrets" / "kubernetes" / "sink"
    folder.mkdir(parents=True)
    (folder / "key").write_text(SECRETS["file"] + "\n")
    s = SECRETS
    (tmp_path / "in.json").write_text("")
    sasl = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "postgres", "sasl.password": s["sasl"],
            "ssl.key.pem": s["key"], "ssl.key.password": s["short"], "sasl.oauthbearer.config": "${env:HG_BUNDLE}"}
    program = (
        table("a", "n INT", kafka_in("k", "127.0.0.1:1", "x", options=sasl)) +
        table("b", "n INT", connector("p", "postgres_input", {"uri": f"postgresql://me:{s['uri']}@127.0.0.1:1/db", "query": "SELECT 1 AS n"})) +
        table("c", "n INT", connector("p", "postgres_input", {"host": "127.0.0.1", "port": 1, "user": "me", "password": s["password"], "database": "db",
                                                              "query": "SELECT 1 AS n"})) +
        table("d", "n INT", url_in("u", f"http://me:{s['url']}@127.0.0.1:1/x.json?a=1&access_token={s['parameter']}&b=2")) +
        table("e", "n INT", file_in("f", "${env:HG_BUNDLE_FILE}")) +
        table("f", "n INT", kafka_in("k", "127.0.0.1:1", "y", options={**sasl, "sasl.password": "${secret:kubernetes:sink/key}"}, paused=True)) +
        f"-- once: \"password\" : \"{s['comment']}\"\n-- \"authorization\": \"{s['header']}\"\n" +
        table("g", "n INT", url_in("t", f"http://{s['user']}@127.0.0.1:1/"), url_in("m", f"http://me:{s['unquoted']}@127.0.0.1:x/")) +
        view("v", "SELECT n FROM a", connector("h", "kafka_output", {"topic": "x", "bootstrap.servers": "127.0.0.1:1",
                                                                   "headers": [{"key": "authorization", "value": s["listed"]}]}, "json")))
    d = Daemon(env={"HG_BUNDLE": s["env"], "HEADGATE_SECRETS_DIR": str(tmp_path / "secrets")})
    try:
        env = {"HG_BUNDLE_FILE": str(tmp_path / "in.json"), "OWN": s["config env"], "FLAG": "1"}
        d.run("s", program, runtime_config={"env": env})
        def told():
            """What everybody who may read is told, and what is written for whoever keeps the machine."""
            p = "/v0/pipelines/s"
            texts = {x: d.get(f"{p}/{x}").text for x in ("stats?include_connector_errors=true", "orchestration", "events?selector=all", "metrics", "dataflow_graph")}
            for e in ("a/connectors/k", "b/connectors/p", "c/connectors/p", "d/connectors/u", "g/connectors/t", "g/connectors/m"):
                texts[e] = d.get(f"{p}/tables/{e}/why").text + d.get(f"{p}/tables/{e}/stats").text
            for path in pathlib.Path(d.data_dir).rglob("log"):
                texts[str(path)] = path.read_text()
            return {**texts, "daemon.err": pathlib.Path(d.err.name).read_text(), "status": d.get(f"{p}?selector=status").text}
        for endpoint in ("b.p", "c.p", "d.u", "g.t", "g.m"):
            until(f"{endpoint} complains of its source", lambda e=endpoint: d.input("s", e)["metrics"]["num_transport_errors"])
        texts = told()
        assert "http://me:***@127.0.0.1:1/x.json?a=1&access_token=***&b=2" in texts["d/connectors/u"] and "'http://***@127.0.0.1:1/'" in texts["g/connectors/t"]
        assert leaks(texts) == []
        running = bundle(d, "s")
        d.stop_pipeline("s")
        stopped = bundle(d, "s")
        for files in (running, stopped):
            assert leaks(files) == []
            text = files[next(n for n in files if n.endswith("pipeline_config.json"))]
            config = json.loads(text)
            # What is left is readable, and only values are gone.
            assert config["runtime_config"]["env"] == {"HG_BUNDLE_FILE": "***", "OWN": "***", "FLAG": "***"}
            assert '"sasl.username": "postgres"' in config["program_code"] and '"sasl.password": "***"' in config["program_code"]
            assert "http://me:***@127.0.0.1:1/x.json?a=1&access_token=***&b=2" in config["program_code"]
            assert '"ssl.key.password": "***"' in config["program_code"] and "postgres_input" in config["program_code"]
            assert json.loads(files["metadata.json"])["secrets_left_out"] > 10
        # The check sees a leak: the answer that is not meant to leave has them.
        plain = {"x": d.get("/v0/pipelines/s").text}
        assert {w for w, _ in leaks(plain)} >= {"sasl", "key", "url", "parameter", "password", "short"}
    finally:
        d.close()


def test_every_option_that_is_declared_secret(daemon):
    options = {o for page in (ROOT / "docs" / "connectors").glob("*.md") for o in re.findall(r"^\| `([^`]+)` .*Never printed", page.read_text(), re.M)}
    assert {"uri", "password", "ssl_client_key"} <= options
    config = {o: f"hidden-{i}-value" for i, o in enumerate(sorted(options))}
    program = table("t", "n INT", connector("x", "no_such_input", config))
    daemon.ok("PUT", "/v0/pipelines/secret", json={"name": "secret", "program_code": program})
    until("it is refused", lambda: daemon.get("/v0/pipelines/secret").json()["program_status"] == "SqlError")
    files = bundle(daemon, "secret")
    assert [(o, n) for o, v in config.items() for n, text in files.items() if v in text] == []


def test_fda_writes_it(daemon, tmp_path):
    daemon.create("b4", PROGRAM)
    r = subprocess.run([FDA, "--host", daemon.url, "support-bundle", "b4", "-o", tmp_path / "b.zip", "--no-logs", "-n", "1"], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    with zipfile.ZipFile(tmp_path / "b.zip") as z:
        names = {n.split("/")[-1] for n in z.namelist()}
    assert "pipeline_config.json" in names and "logs.txt" not in names
    daemon.start_pipeline("b4")
    for name in ("b4-circuit-profile.zip", "b4-circuit-profile_1.zip"):
        r = subprocess.run([FDA, "--host", daemon.url, "circuit-profile", "b4"], capture_output=True, text=True, cwd=tmp_path)
        assert r.stdout == f"Circuit profile written to {name}\n" and zipfile.is_zipfile(tmp_path / name), r
    daemon.stop_pipeline("b4")


def test_fda_makes_its_pipelines_anew(daemon, tmp_path):
    def fda(*args, code=0):
        r = subprocess.run([FDA, "--host", daemon.url, *map(str, args)], capture_output=True, text=True)
        assert r.returncode == code, r
        return r
    daemon.create("b5", PROGRAM, {"workers": 2})
    zip_file = tmp_path / "b.zip"
    fda("support-bundle", "b5", "-o", zip_file)
    with zipfile.ZipFile(zip_file) as z:
        folder = next(n.split("/")[0] for n in z.namelist() if n.endswith("/pipeline_config.json"))
    name = "b5_unbundled_" + folder.replace(".", "-")
    said = fda("debug", "unbundle", zip_file, "--dry-run").stdout
    assert said.startswith(f"[DRY RUN] Create: {name}\n") and "No pipelines were created." in said
    assert f"    {PROGRAM.splitlines()[0]}\n" in said and daemon.get(f"/v0/pipelines/{name}").status_code == 404
    assert "its own version only" in fda("debug", "unbundle", zip_file).stderr
    old, new = (daemon.get(f"/v0/pipelines/{p}").json() for p in ("b5", name))
    assert all(old[m] == new[m] for m in ("program_code", "runtime_config", "description")) and new["deployment_status"] == "Stopped"
    assert "already exists" in fda("debug", "unbundle", zip_file, code=1).stderr
    assert fda("debug", "unbundle", zip_file, "--force").stdout == "Pipeline cleared successfully.\nPipeline deleted successfully.\n"
    # Collections of one content are one pipeline, the newest; another program is another pipeline.
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as z:
        for when, code in (("2026-01-01T00-00-00.1Z", "-- a"), ("2026-01-03T00-00-00.1Z", "-- b"), ("2026-01-02T00-00-00.1Z", "-- a")):
            z.writestr(f"{when}/pipeline_config.json", json.dumps({"name": "c", "program_code": code, "udf_toml": "xyz", "udf_rust": "é"}))
            z.writestr(f"{when}/logs.txt", "x" * 1000)
    said = fda("debug", "unbundle", tmp_path / "c.zip", "--dry-run").stdout
    assert [line.split()[-1] for line in said.splitlines() if "Create" in line] == ["c_unbundled_2026-01-03T00-00-00-1Z", "c_unbundled_2026-01-02T00-00-00-1Z"]
    assert "  UDF code: 1 characters\n  UDF config: 3 characters\n" in said


@pytest.mark.parametrize("files, says", [
    (None, "No such file"), ("text", "Not a zip archive"), ({"x.txt": "{}"}, "No pipeline config files"), ({"a/pipeline_config.json": "{"}, "a/pipeline_config.json"),
    ({"a/pipeline_config.json": '{"program_code": ""}'}, "Pipeline name not found"), ({"a/pipeline_config.json": '{"name": "x"}'}, "Program code not found")])
def test_fda_refuses_other_files(daemon, tmp_path, files, says):
    path = tmp_path / "x.zip"
    if isinstance(files, str):
        path.write_text(files)
    elif files:
        with zipfile.ZipFile(path, "w") as z:
            for name, text in files.items():
                z.writestr(name, text)
    r = subprocess.run([FDA, "--host", daemon.url, "debug", "unbundle", path, "--dry-run"], capture_output=True, text=True)
    assert r.returncode == (0 if files == {"x.txt": "{}"} else 1) and says in r.stderr, r
    assert r.returncode == 0 or str(path) in r.stderr, r


# --- the graph, the profile ---

def test_dataflow_graph(daemon):
    daemon.create("g", PROGRAM)
    g = daemon.ok("GET", "/v0/pipelines/g/dataflow_graph").json()
    assert set(g["calcite_plan"]) >= {"few", "u"}
    few = g["calcite_plan"]["few"]["rels"]
    assert [r["relOp"] for r in few] == ["LogicalTableScan", "LogicalFilter", "LogicalProject"] and few[0]["table"] == ["t"] and few[-1]["fields"] == ["n"]
    by = {n.get("table") or n.get("view"): (i, n) for i, n in g["mir"].items()}
    assert by["t"][1]["operation"] == "source_multiset" and by["t"][1]["positions"][0]["start_line_number"] == 1
    assert all(x["node"] in g["mir"] for n in g["mir"].values() for x in n["inputs"])

    def above(i):
        return {i}.union(*(above(x["node"]) for x in g["mir"][i]["inputs"]))
    assert {by["t"][0], by["few"][0]} <= above(by["u"][0])
    assert "sum" in {g["mir"][i]["operation"] for i in above(by["u"][0])}
    ir = daemon.ok("POST", "/v0/validate_program", json={"program_code": PROGRAM, "ir": True}).json()
    assert ir["Success"]["program_info"]["dataflow"] == g
    assert daemon.ok("POST", "/v0/validate_program", json={"program_code": PROGRAM}).json()["Success"]["program_info"]["dataflow"] is None


def test_profile(daemon):
    daemon.create("pr", PROGRAM)
    for kind in ("circuit_profile", "circuit_json_profile"):
        assert daemon.get(f"/v0/pipelines/pr/{kind}").status_code == 503
    daemon.start_pipeline("pr")
    daemon.wait_complete("pr")
    daemon.wait_token("pr", daemon.ingress("pr", "t", '{"n": 100, "s": "x"}').json()["token"])
    first = daemon.ok("GET", "/v0/pipelines/pr/circuit_json_profile").json()
    assert first == daemon.ok("GET", "/v0/pipelines/pr/circuit_json_profile").json()
    rows = {r["name"]: r for r in first["relations"]}
    assert rows["t"]["rows_out"] == 11 and rows["u"]["rows_out"] == 14 and rows["few"]["rows_out"] == 3 and rows["few"]["steps"] == rows["t"]["steps"]
    r = daemon.ok("GET", "/v0/pipelines/pr/circuit_profile")
    assert r.headers["Transfer-Encoding"] == "chunked" and "Content-Length" not in r.headers
    with zipfile.ZipFile(io.BytesIO(r.content)) as z:
        assert json.loads(z.read("circuit_profile.json")) == first
    daemon.stop_pipeline("pr")


@pytest.mark.parametrize("method, path", [("POST", "views/few/connectors/x/command")])
def test_what_is_not_offered_says_so(daemon, method, path):
    if daemon.get("/v0/pipelines/no").status_code == 404:
        daemon.run("no", PROGRAM, "paused")
    r = daemon.request(method, f"/v0/pipelines/no/{path}")
    assert r.status_code == 501 and r.json()["error_code"] == "NotSupported" and "headgate" in r.json()["message"]
