"""The REST API as rest-api clients see it, byte by byte where it counts. (tests/lib/hg/shapes.py checks every answer besides.)
test-labels: long"""
import concurrent.futures
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest
import requests
import websocket

from hg import HEADGATE, PATIENCE, until
from hg.egress import Egress
from hg.sql import connector, datagen, file_in, file_out, kafka_in, table, view


@pytest.fixture
def pipeline(daemon, request):
    """Makes and starts pipelines named after the test."""
    names = []

    def make(program, initial="running", runtime_config=None):
        name = request.node.name.replace("test_", "").replace("[", "-").replace("]", "")[:60].strip("-_")
        names.append(name)
        daemon.run(name, program, initial, runtime_config)
        return name
    yield make
    for n in names:
        daemon.stop_pipeline(n)


def error(r, status, code):
    body = r.json()
    assert (r.status_code, body["error_code"]) == (status, code), r.text
    return body


# --- platform ----------------------------------------------------------------------------------------------------------

def test_platform(daemon):
    assert daemon.get("/v0/config").json()["version"] == "0.349.0"
    assert daemon.get("/healthz").text == '{"status":"healthy"}'
    assert daemon.get("/config/authentication").json() == {}
    for path in ("/v0/config/demos", "/v0/config/session", "/v0/config/owners", "/v0/cluster_healthz", "/v0/cluster/events", "/v0/api_keys", "/v0/tenants",
                 "/v0/tenant/users", "/v0/oidc_trust", "/v0/metrics", "/v0/cluster/events/latest"):
        assert daemon.get(path).status_code == 200, path
    latest = daemon.get("/v0/cluster/events/latest").json()
    assert daemon.get("/v0/cluster/events").json()[0] == latest == daemon.get(f"/v0/cluster/events/{latest['id']}").json()
    error(daemon.get("/v0/nothing"), 404, "NotFound")
    error(daemon.get("/v0/pipelines/nobody"), 404, "UnknownPipelineName")
    r = daemon.request("OPTIONS", "/v0/pipelines", headers={"Origin": "http://x", "Access-Control-Request-Method": "GET"}, raw=True)
    assert r.status_code == 200 and r.headers["Access-Control-Allow-Origin"] == "http://x"


def test_cross_origin(daemon, pipeline):
    """A page of another origin may read whatever the manager or the pipeline answers, refusals included."""
    p = pipeline(T)
    for method, path, status in (("GET", "/v0/pipelines", 200), ("GET", f"/v0/pipelines/{p}/stats", 200), ("GET", f"/v0/pipelines/{p}/logs", 200),
                                 ("GET", f"/v0/pipelines/{p}/query?sql=SELECT%20*%20FROM%20t", 200), ("POST", f"/v0/pipelines/{p}/ingress/nobody", 404),
                                 ("POST", f"/v0/pipelines/{p}/egress/t?format=json", 200), ("GET", "/v0/nothing", 404)):
        r = daemon.request(method, path, headers={"Origin": "http://x"}, stream=True)
        assert r.status_code == status, (path, r.status_code)
        allow = {k: v for k, v in r.headers.items() if k.startswith("Access-Control") or k == "Vary"}
        assert allow == {"Access-Control-Allow-Origin": "http://x", "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}, (path, allow)
        r.close()
    assert "Access-Control-Allow-Origin" not in daemon.get(f"/v0/pipelines/{p}/stats").headers


def test_api_keys(daemon):
    made = daemon.post("/v0/api_keys", json={"name": "k1", "role": "write"}).json()
    assert made["api_key"].startswith("apikey:") and len(made["api_key"]) == 7 + 128
    assert daemon.get("/v0/api_keys/k1").json()[0]["role"] == "write"
    error(daemon.post("/v0/api_keys", json={"name": "k1"}), 409, "DuplicateName")
    assert daemon.request("DELETE", "/v0/api_keys/k1").status_code == 200
    error(daemon.request("DELETE", "/v0/api_keys/k1"), 404, "UnknownApiKey")


# --- life --------------------------------------------------------------------------------------------------------------

def test_lifecycle(daemon):
    r = daemon.post("/v0/pipelines", json={"name": "life", "program_code": "CREATE TABLE t (a INT);"})
    assert r.status_code == 201 and r.json()["version"] == 1
    error(daemon.post("/v0/pipelines", json={"name": "life", "program_code": ""}), 409, "DuplicateName")
    until("it is compiled", lambda: daemon.get("/v0/pipelines/life").json()["program_status"] == "Success")
    assert daemon.get("/v0/pipelines/life").json()["refresh_version"] == 3
    assert daemon.post("/v0/pipelines/life/start?initial=paused").status_code == 202
    assert daemon.get("/v0/pipelines/life?selector=status").json()["deployment_desired_status"] == "Paused"
    daemon.wait_status("life", "Paused")
    assert daemon.get("/v0/pipelines/life?selector=status").json()["storage_status_details"] == {"checkpoints": []}
    assert daemon.post("/v0/pipelines/life/start?initial=paused").status_code == 202
    error(daemon.post("/v0/pipelines/life/start?initial=running"), 400, "InitialImmutableUnlessStopped")
    error(daemon.post("/v0/pipelines/life/start?initial=sideways"), 405, "UnsupportedPipelineAction")
    error(daemon.post("/v0/pipelines/life/testing?set_platform_version=x"), 405, "UnsupportedPipelineAction")
    daemon.ok("POST", "/v0/pipelines/life/resume")
    daemon.wait_status("life", "Running")
    error(daemon.request("PATCH", "/v0/pipelines/life", json={"program_code": "CREATE TABLE u (a INT);"}), 400, "UpdateRestrictedToStopped")
    assert daemon.request("PATCH", "/v0/pipelines/life", json={"tags": ["x"], "description": "d"}).status_code == 200
    error(daemon.request("DELETE", "/v0/pipelines/life"), 400, "DeleteRestrictedToFullyStopped")
    error(daemon.post("/v0/pipelines/life/clear"), 400, "StorageStatusImmutableUnlessStopped")
    daemon.stop_pipeline("life", force=False)
    assert daemon.post("/v0/pipelines/life/stop?force=true").status_code == 202
    error(daemon.get("/v0/pipelines/life/stats"), 503, "PipelineInteractionNotDeployed")
    error(daemon.post("/v0/pipelines/life/pause"), 503, "PipelineInteractionNotDeployed")
    error(daemon.request("DELETE", "/v0/pipelines/life"), 400, "DeleteRestrictedToClearedStorage")
    body = error(daemon.request("PATCH", "/v0/pipelines/life", json={"runtime_config": {"workers": 3}}), 400, "EditRestrictedToClearedStorage")
    assert body["details"]["not_allowed"] == ["`runtime_config.workers`"]
    assert daemon.post("/v0/pipelines/life/clear").status_code == 202
    until("storage is cleared", lambda: daemon.get("/v0/pipelines/life?selector=status").json()["storage_status"] == "Cleared")
    assert daemon.post("/v0/pipelines/life/clear").status_code == 202
    assert daemon.post("/v0/pipelines/life/dismiss_error").status_code == 200
    assert daemon.request("PATCH", "/v0/pipelines/life", json={"runtime_config": {"workers": 3}}).json()["version"] == 2
    assert "life" in [p["name"] for p in daemon.get("/v0/pipelines?selector=status_with_connectors").json()]
    events = daemon.get("/v0/pipelines/life/events").json()
    assert daemon.get("/v0/pipelines/life/events/latest").json() == events[0]
    assert daemon.request("DELETE", "/v0/pipelines/life").status_code == 200
    error(daemon.get("/v0/pipelines/life"), 404, "UnknownPipelineName")


@pytest.mark.parametrize("body, code", [
    ({"name": "", "program_code": ""}, "EmptyName"), ({"name": "x" * 64, "program_code": ""}, "TooLongName"),
    ({"name": "a b", "program_code": ""}, "NameDoesNotMatchPattern"), ({"name": "t", "program_code": "", "tags": ["ü"]}, "InvalidTag"),
    ({"name": "t", "program_code": "", "tags": ["t"] * 51}, "TooManyTags"), ({"name": "t", "program_code": "", "description": "d" * 301}, "TooLongDescription"),
    ({"name": "t", "program_code": "", "runtime_config": {"workers": "x"}}, "InvalidRuntimeConfig"),
    ({"name": "t", "program_code": "", "runtime_config": {"env": {"FELDERA_X": "1"}}}, "InvalidRuntimeConfig"),
    ({"name": "t", "program_code": "", "program_config": {"profile": "fast"}}, "InvalidProgramConfig")])
def test_bad_descriptors(daemon, body, code):
    error(daemon.post("/v0/pipelines", json=body), 400, code)


def test_malformed_bodies(daemon):
    for data in ("{", "[]", '{"name": 5, "program_code": ""}', '{"program_code": ""}', "\xff"):
        assert daemon.post("/v0/pipelines", data=data.encode("latin1")).status_code == 400, data
    assert daemon.post("/v0/pipelines/x/start?initial=1").status_code in (400, 404, 405)


def test_early_start_and_failed_compilation(daemon):
    daemon.ok("PUT", "/v0/pipelines/early", json={"name": "early", "program_code": "CREATE VIEW v AS SELECT x FROM nowhere;"})
    r = daemon.post("/v0/pipelines/early/start")
    if r.status_code == 202:  # it was not compiled yet
        e = until("the start has failed", lambda: daemon.get("/v0/pipelines/early?selector=status").json()["deployment_error"])
        assert e["error_code"] == "StartFailedDueToFailedCompilation"
    else:
        error(r, 400, "CannotStartWithCompilationError")
    until("the error is there", lambda: daemon.get("/v0/pipelines/early").json()["program_status"] == "SqlError")
    error(daemon.post("/v0/pipelines/early/start"), 400, "CannotStartWithCompilationError")
    daemon.post("/v0/pipelines/early/stop?force=true")


# --- data in -----------------------------------------------------------------------------------------------------------

T = table("t", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR", materialized=True)


def rows(daemon, p, relation="t"):
    return daemon.query(p, f"SELECT * FROM {relation} ORDER BY id")


def test_ingress_formats(daemon, pipeline):
    p = pipeline(T)

    def put(body, **params):
        r = daemon.ingress(p, "t", body, **params)
        assert r.status_code == 200, r.text
        daemon.wait_token(p, r.json()["token"])
    put('{"id": 1, "s": "a"}{"id": 2}\n\n{"id": 3}')
    put('[{"id": 4}, {"id": 5}][]', array="true")
    put('{"insert": {"id": 6}}\n{"delete": {"id": 5}}\n{"update": {"id": 4, "s": "u"}}', update_format="insert_delete")
    put('{"payload": {"op": "c", "before": null, "after": {"id": 7, "s": null}}}', update_format="debezium")
    put('8,"x, ""y"""\n9,\n', format="csv", update_format="raw")
    put("id;s\n# none\n 10 ;'x;\\'y'\n", format="csv", headers="true", delimiter=";", quote="'", escape="\\", comment="#", trim="all")
    assert rows(daemon, p) == [{"id": i, "s": s} for i, s in
                               ((1, "a"), (2, None), (3, None), (4, "u"), (6, None), (7, None), (8, 'x, "y"'), (9, None), (10, "x;'y"))]
    names = [i["endpoint_name"] for i in daemon.stats(p)["inputs"]]
    assert len(names) == 6 and all(n.startswith("t.api-ingress-") and len(n) == 14 + 16 for n in names), names


def test_ingress_errors_keep_good_neighbours(daemon, pipeline):
    p = pipeline(T)
    body = error(daemon.ingress(p, "t", '{"id": 1}\n{"id": "x"}\n{"nope": 1}\n{"id": 2}\n'), 400, "ParseErrors")
    assert body["details"]["num_errors"] == 2 and len(body["details"]["errors"]) == 2
    assert body["message"].splitlines()[0] == "Errors parsing input data (2 errors):" and len(body["message"].splitlines()) >= 3
    first = body["details"]["errors"][0]
    assert first["description"] and first["event_number"] == 2 and first["field"] == "id"
    until("the good ones are in", lambda: [r["id"] for r in rows(daemon, p)] == [1, 2])
    assert daemon.stats(p)["inputs"][0]["metrics"]["num_parse_errors"] == 2
    details = daemon.get(f"/v0/pipelines/{p}/stats?include_connector_errors=true").json()["inputs"][0]["parse_errors"]
    assert [e["index"] for e in details] == [1, 2]
    many = error(daemon.ingress(p, "t", "{}\n" * 1500), 400, "ParseErrors")
    assert many["details"]["num_errors"] == 1500 and len(many["details"]["errors"]) == 1000
    assert many["message"].startswith("Errors parsing input data (reporting 1000 out of 1500 total errors):")


def test_ingress_refusals(daemon, pipeline):
    p = pipeline(T)
    def refused(r, status, code):  # Feldera's details: what is wrong with a configuration, one level down
        details = error(r, status, code)["details"]
        assert list(details) == ["config_error"] and "t.api-ingress-" in details["config_error"]["endpoint_name"].replace("nobody", "t"), details
        return details["config_error"]
    assert refused(daemon.ingress(p, "nobody", "{}"), 404, "ConfigError.UnknownInputStream")["stream_name"] == "nobody"
    assert refused(daemon.ingress(p, "t", "{}", format="xml"), 400, "ConfigError.UnknownInputFormat")["format_name"] == "xml"
    d = refused(daemon.ingress(p, "t", "{}", update_format="snowflake"), 400, "ConfigError.ParserConfigParseError")
    assert "Snowflake" in d["error"] and json.loads(d["config"]) == {"update_format": "snowflake"}
    for params in ({"update_format": "snowflake"}, {"update_format": "weighted"}, {"array": "True"}, {"json_flavor": "vanilla"}):
        assert daemon.ingress(p, "t", "{}", **params).status_code == 400, params
    assert daemon.ingress(p, "t", "{}", force="1").status_code == 400
    assert daemon.ingress(p, "T", '{"ID": 1}').status_code == 200  # identifiers fold
    assert daemon.ingress(p, '"T"', '{"id": 1}').status_code == 404


def test_ingress_while_paused(daemon, pipeline):
    p = pipeline(T, "paused")
    r = daemon.ingress(p, "t", '{"id": 1}', force="true")
    assert r.status_code == 200
    daemon.wait_token(p, r.json()["token"])
    with concurrent.futures.ThreadPoolExecutor() as pool:
        blocked = pool.submit(daemon.ingress, p, "t", '{"id": 2}')
        for _ in range(50):  # others are answered meanwhile
            assert [x["id"] for x in rows(daemon, p)] == [1] and not blocked.done()
        daemon.ok("POST", f"/v0/pipelines/{p}/resume")
        r = blocked.result(timeout=PATIENCE)
    assert r.status_code == 200
    daemon.wait_token(p, r.json()["token"])
    assert [x["id"] for x in rows(daemon, p)] == [1, 2]


def test_ingress_streams(daemon, pipeline):
    """A chunked body is parsed as it arrives; the answer comes after its end."""
    p = pipeline(T)
    seen, more = threading.Event(), threading.Event()

    def body():
        yield b'{"id": 1}\n{"id": 2}\n{"i'
        until("the first two are in", lambda: [x["id"] for x in rows(daemon, p)] == [1, 2])
        seen.set()
        yield b'd": 3}\n'
    r = daemon.ingress(p, "t", body())
    assert seen.is_set() and r.status_code == 200, r.text
    daemon.wait_token(p, r.json()["token"])
    assert [x["id"] for x in rows(daemon, p)] == [1, 2, 3]


def raw_request(daemon, head, body=b""):
    s = socket.create_connection(("127.0.0.1", int(daemon.url.rsplit(":", 1)[1])), PATIENCE)
    s.sendall(head.encode() + body)
    return s


def test_client_that_leaves_in_the_middle(daemon, pipeline):
    p = pipeline(T)
    s = raw_request(daemon, f"POST /v0/pipelines/{p}/ingress/t?format=json&update_format=raw HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
                    b'{"id": 1}\n{"id": 2}\n{"id": ')
    until("whole records are in", lambda: [x["id"] for x in rows(daemon, p)] == [1, 2])
    s.close()
    r = daemon.ingress(p, "t", '{"id": 3}')
    daemon.wait_token(p, r.json()["token"])
    assert [x["id"] for x in rows(daemon, p)] == [1, 2, 3]


@pytest.mark.parametrize("head", [
    "GARBAGE\r\n\r\n", "GET /v0/config HTTP/1.1\r\n\r\n", "GET /v0/config HTTP/9.9\r\nHost: x\r\n\r\n",
    "POST /v0/pipelines HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "POST /v0/pipelines HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /v0/pipelines HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "GET /v0/config HTTP/1.1\r\nHost: x\r\nX: " + "y" * 200000 + "\r\n\r\n",
    "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_bad_http_is_refused(daemon, head):
    s = raw_request(daemon, head)
    s.settimeout(PATIENCE)
    try:
        answer = s.recv(65536)
    except ConnectionResetError:
        answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4") or answer.startswith(b"HTTP/1.1 5"), answer[:200]
    s.close()
    assert daemon.get("/healthz").status_code == 200


def test_expect_continue(daemon, pipeline):
    p = pipeline(T)
    s = raw_request(daemon, f"POST /v0/pipelines/{p}/ingress/t?format=json&update_format=raw HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
                            "Expect: 100-continue\r\n\r\n")
    s.settimeout(PATIENCE)
    assert s.recv(1000).startswith(b"HTTP/1.1 100 ")
    s.sendall(b'{"id": 1}')
    assert s.recv(1000).startswith(b"HTTP/1.1 200 ")
    s.close()


def test_completion_tokens(daemon, pipeline):
    p = pipeline(T)
    token = daemon.ingress(p, "t", '{"id": 1}').json()["token"]
    daemon.wait_token(p, token)
    error(daemon.get(f"/v0/pipelines/{p}/completion_status?token=nonsense"), 400, "InvalidParam")
    error(daemon.get(f"/v0/pipelines/{p}/completion_status"), 400, "InvalidParam")
    daemon.stop_pipeline(p)
    daemon.start_pipeline(p)
    error(daemon.get(f"/v0/pipelines/{p}/completion_status?token={token}"), 410, "PipelineRestarted")


# --- data out ----------------------------------------------------------------------------------------------------------

def test_egress_frames(daemon, pipeline):
    p = pipeline(T + view("v", "SELECT id, s FROM t WHERE id > 1"))
    r = requests.post(f"{daemon.url}/v0/pipelines/{p}/egress/v?format=json&array=false", stream=True, timeout=PATIENCE)
    assert r.headers["Transfer-Encoding"] == "chunked" and r.headers["Content-Type"] == "application/json"
    chunks = r.raw.read_chunked()
    assert next(chunks) == b'{"sequence_number":0,"snapshot":false}\r\n'
    assert next(chunks) == b'{"sequence_number":1,"snapshot":false}\r\n'  # alive, though nothing happens
    daemon.ingress(p, "t", '{"id": 1, "s": "x"}\n{"id": 2, "s": "y"}\n{"id": 3, "s": "z"}')
    data = next(c for c in chunks if b"json_data" in c)
    assert data.endswith(b'"snapshot":false,"json_data":[{"insert":{"id":2,"s":"y"}},{"insert":{"id":3,"s":"z"}}]}\r\n'), data
    daemon.ingress(p, "t", '{"insert": {"id": 2, "s": "new"}}', update_format="insert_delete")
    updates = []
    while len(updates) < 2:  # in one chunk or in two
        updates += json.loads(next(c for c in chunks if b"json_data" in c))["json_data"]
    assert updates == [{"delete": {"id": 2, "s": "y"}}, {"insert": {"id": 2, "s": "new"}}]
    daemon.stop_pipeline(p)
    assert all(b"json_data" not in c for c in chunks)  # the stream ends with the pipeline


@pytest.mark.parametrize("initial", ["running", "paused"])
@pytest.mark.parametrize("backpressure", ["true", "false"])
def test_egress_snapshot(daemon, pipeline, initial, backpressure):
    """The whole view first, then its changes; it works while the pipeline is paused, and for bags counts each row."""
    p = pipeline(T + table("bag", "n BIGINT NOT NULL", materialized=True) + view("v", "SELECT id * 10 AS ten FROM t", materialized=True), initial)

    def put(relation, body):
        daemon.wait_token(p, daemon.ingress(p, relation, body, force="true").json()["token"])
    put("t", "".join('{"id": %d}' % i for i in range(100)))
    put("t", '{"id": 7, "s": "new"}')
    put("bag", '{"n": 1}{"n": 1}{"n": 2}')
    e = Egress(daemon, p, "v", send_snapshot="true", backpressure=backpressure)
    assert sorted(int(r["ten"]) for _, r in e.wait_updates(100)) == [10 * i for i in range(100)]
    assert all(c["snapshot"] for c in e.all_chunks() if "json_data" in c) and not e.all_chunks()[0]["snapshot"]
    put("t", '{"id": 500}')
    assert e.wait_updates(101)[100] == ("insert", {"ten": "5000"}) and not e.all_chunks()[-1]["snapshot"]
    b = Egress(daemon, p, "bag", "csv", send_snapshot="true", backpressure=backpressure)
    until("the bag is there", lambda: sorted(b.text().splitlines()) in (["1,1", "1,1", "2,1"], ["1,2", "2,1"]))
    e.close()
    b.close()


def test_output_with_snapshot(daemon, pipeline, tmp_path):
    """A connector with send_snapshot sends the whole view: it is there from the pipeline's first step on."""
    src = table("t", "n BIGINT NOT NULL", datagen("g", {"limit": 1000}), materialized=True)
    p = pipeline(src + view("v", "SELECT n FROM t UNION ALL SELECT -1 - n AS n FROM t",
                            file_out("o", tmp_path / "o.csv", "csv", send_snapshot=True), materialized=True))
    daemon.wait_complete(p)
    daemon.stop_pipeline(p, force=False)
    assert sorted((tmp_path / "o.csv").read_text().splitlines()) == sorted(f"{n},1" for n in range(-1000, 1000))
    r = daemon.request("PUT", "/v0/pipelines/refused", json={"name": "refused", "program_code": src + view(
        "v", "SELECT n FROM t", file_out("o", tmp_path / "x.csv", "csv", send_snapshot=True))})
    assert r.status_code == 201
    until("it is refused", lambda: "requires a materialized output view" in json.dumps(daemon.get("/v0/pipelines/refused").json()["program_error"]))


def test_egress_snapshot_needs_contents(daemon, pipeline):
    p = pipeline(T + table("plain", "id BIGINT") + view("v", "SELECT id FROM t"))
    for what in ("v", "plain"):
        body = error(daemon.post(f"/v0/pipelines/{p}/egress/{what}?send_snapshot=true&format=json"), 400, "ConfigError.InvalidTransportConfig")
        assert "materialized" in body["message"] and "materialized" in body["details"]["config_error"]["error"]


def test_egress_snapshot_has_no_gap(daemon, pipeline):
    """Streams that begin while rows pour in: each sees every row once, whenever it came."""
    n = 400_000
    p = pipeline(table("t", "n BIGINT NOT NULL", datagen("g", {"limit": n, "rate": 200_000}), materialized=True))
    streams = []
    for at in (0, 50_000, 150_000, 300_000):
        until(f"{at} rows are in", lambda at=at: daemon.stats(p)["global_metrics"]["total_processed_records"] >= at)
        streams.append(Egress(daemon, p, "t", send_snapshot="true"))
    for e in streams:
        rows = [int(r["n"]) for _, r in e.wait_updates(n)]
        assert len(rows) == n and len(set(rows)) == n
        kinds = [c["snapshot"] for c in e.all_chunks() if "json_data" in c]
        assert kinds == sorted(kinds, reverse=True), "the snapshot comes first"
        e.close()


def test_egress_csv_and_errors(daemon, pipeline):
    p = pipeline(T)
    e = Egress(daemon, p, "t", "csv")
    daemon.ingress(p, "t", '{"id": 1, "s": "a,b"}')
    until("the row arrives", lambda: e.text() == '1,"a,b",1\n')
    e.close()
    post = lambda what, **kw: daemon.post(f"/v0/pipelines/{p}/egress/{what}", **kw)  # noqa: E731
    d = error(post("nobody"), 404, "ConfigError.UnknownOutputStream")["details"]["config_error"]
    assert d["stream_name"] == "nobody" and d["endpoint_name"].startswith("nobody.api-")
    d = error(post("t?format=xml"), 400, "ConfigError.UnknownOutputFormat")["details"]["config_error"]
    assert d["format_name"] == "xml" and d["endpoint_name"].startswith("t.api-")
    d = error(post("t?format=json&update_format=odd"), 400, "ConfigError.EncoderConfigParseError")["details"]["config_error"]
    assert d["error"] and json.loads(d["config"])["update_format"] == "odd"
    assert post("t?backpressure=1").status_code == 400


def test_egress_configured_by_a_body(daemon, pipeline):
    p = pipeline(T)
    daemon.ok("POST", f"/v0/pipelines/{p}/ingress/t?format=json&update_format=raw", data='{"id": 1, "s": "a"}')
    until("it is in", lambda: len(rows(daemon, p)) == 1)
    path = f"/v0/pipelines/{p}/egress/t"
    http = {"name": "http_output", "config": {"backpressure": True}}
    for body, line in (({"format": {"name": "csv", "config": {"delimiter": "|"}}, "transport": http, "send_snapshot": True}, '1|a|1\n'),
                       ({"format": {"name": "json", "config": {"array": True}}, "send_snapshot": True}, [{"insert": {"id": 1, "s": "a"}}])):
        with daemon.post(path, json=body, stream=True) as r:
            assert r.status_code == 200
            chunks = (json.loads(x) for x in r.iter_lines())
            c = next(c for c in chunks if c["snapshot"])
            assert c.get("text_data", c.get("json_data")) == line, c
    for body, query, what in (({"format": {"name": "json"}}, "", "needs"), ({"format": {"name": "csv"}}, "?format=csv", "Can't mix"),
                              ({"format": {"name": "csv"}}, "?backpressure=true", "Can't mix"), ({}, "", "expected"), ([], "", "expected an object"),
                              ({"format": {"name": "csv"}, "transport": {"name": "file_output", "config": {}}}, "", "http_output"),
                              ({"format": {"name": "csv", "config": {"delimiter": [1]}}}, "", "'delimiter' is an array")):
        assert what in error(daemon.post(path + query, json=body), 400, "InvalidParam")["message"], body
    assert "connector's configuration" in error(daemon.post(path, data="{"), 400, "InvalidParam")["message"]


def test_egress_endpoints_vanish_with_their_clients(daemon, pipeline):
    p = pipeline(T)
    a, b = Egress(daemon, p, "t"), Egress(daemon, p, "t")
    until("both are shown", lambda: len(daemon.stats(p)["outputs"]) == 2)
    assert all(o["endpoint_name"].startswith("t.api-") for o in daemon.stats(p)["outputs"])
    a.close()
    until("one is gone", lambda: len(daemon.stats(p)["outputs"]) == 1)
    daemon.ingress(p, "t", '{"id": 1}')
    assert b.wait_updates(1) == [("insert", {"id": "1", "s": None})]
    b.close()


def test_output_connector_pause_discards(daemon, pipeline, tmp_path):
    p = pipeline(T + view("v", "SELECT id FROM t", file_out("o", tmp_path / "out.json")))
    def push(i):
        daemon.wait_token(p, daemon.ingress(p, "t", '{"id": %d}' % i).json()["token"])
    push(1)
    daemon.ok("POST", f"/v0/pipelines/{p}/views/v/connectors/o/pause")
    push(2)
    daemon.ok("POST", f"/v0/pipelines/{p}/views/v/connectors/o/start")
    push(3)
    daemon.stop_pipeline(p, force=False)
    assert (tmp_path / "out.json").read_text() == '{"insert":{"id":1}}\n{"insert":{"id":3}}\n'


def test_why_of_outputs(daemon, pipeline, tmp_path):
    p = pipeline(T + view("v", "SELECT id FROM t", file_out("o", tmp_path / "out.json"), file_out("bad", tmp_path / "no" / "folder")))

    def why(c):
        return daemon.ok("GET", f"/v0/pipelines/{p}/views/v/connectors/{c}/why").json()
    daemon.wait_token(p, daemon.ingress(p, "t", '{"id": 1}').json()["token"])
    w = why("o")
    assert w["reason"] == "running" and w["text"] == "v.o is running\n  1 records sent, 0 waiting to be sent" and w["waiting_for"] == [], w
    daemon.ok("POST", f"/v0/pipelines/{p}/views/v/connectors/o/pause")
    paused = why("o")
    assert paused["reason"] == "user" and paused["text"].startswith("v.o is paused by user") and paused["since"] > w["since"], paused
    failed = until("it has failed", lambda: (x := why("bad"))["reason"] == "failed" and x)
    assert failed["text"].startswith("v.bad failed: ") and "No such file" in failed["error"] and failed["since"] > w["since"], failed
    error(daemon.get(f"/v0/pipelines/{p}/views/v/connectors/zz/why"), 404, "UnknownOutputEndpoint")


# --- queries -----------------------------------------------------------------------------------------------------------

def ws_query(daemon, p, sql, fmt="text"):
    ws = websocket.create_connection(daemon.url.replace("http", "ws") + f"/v0/pipelines/{p}/query", timeout=PATIENCE)
    try:
        ws.send(json.dumps({"sql": sql, "format": fmt}))
        got = []
        while True:
            op, data = ws.recv_data()
            if op == websocket.ABNF.OPCODE_CLOSE:
                return b"".join(got).decode(), int.from_bytes(data[:2], "big") if data else 1000
            assert op == websocket.ABNF.OPCODE_TEXT and len(data) <= 2 << 20, op
            got.append(data)
    finally:
        ws.close()


def http_query(daemon, p, sql, fmt="text"):
    return daemon.get(f"/v0/pipelines/{p}/query", params={"sql": sql, "format": fmt, "pipeline_name": ""})


def test_queries(daemon, pipeline):
    p = pipeline(T + view("v", "SELECT id * 10 AS ten FROM t", materialized=True) + view("plain", "SELECT id FROM t"))
    daemon.wait_token(p, daemon.ingress(p, "t", '{"id": 1, "s": "a"}{"id": 2, "s": null}{"id": 3, "s": "a"}').json()["token"])
    cases = [
        ("SELECT id, s FROM t ORDER BY id LIMIT 2", "text", "+----+---+\n| id | s |\n+----+---+\n| 1  | a |\n| 2  |   |\n+----+---+"),
        ("SELECT id, s FROM t ORDER BY id DESC LIMIT 2", "json", '{"id":3,"s":"a"}\n{"id":2,"s":null}\n'),
        ("SELECT id FROM t WHERE id > 10", "text", "+----+\n| id |\n+----+\n+----+"),
        ("SELECT id FROM t WHERE id > 10", "json", ""),
        ("SELECT s, COUNT(*) AS n, SUM(id) AS total, MIN(id) AS lo, MAX(id) AS hi FROM t GROUP BY s ORDER BY n", "json",
         '{"s":null,"n":1,"total":2,"lo":2,"hi":2}\n{"s":"a","n":2,"total":4,"lo":1,"hi":3}\n'),
        ("SELECT ten FROM v ORDER BY ten", "json", '{"ten":10}\n{"ten":20}\n{"ten":30}\n'),
    ]
    for sql, fmt, expected in cases:
        r = http_query(daemon, p, sql, fmt)
        assert r.status_code == 200 and r.text == expected, (sql, r.text)
        assert ws_query(daemon, p, sql, fmt) == (expected, 1000), sql
    for sql in ("SELECT nothing FROM t", "SELEC", "SELECT id FROM plain", "CREATE TABLE x (a INT)", ""):
        body = error(http_query(daemon, p, sql), 400, "AdHocQueryError")
        text, code = ws_query(daemon, p, sql)
        assert code == 1011 and json.loads(text)["error"], (sql, text, body)
    assert http_query(daemon, p, "SELECT 1", "arrow").status_code == 400


def test_hash(daemon, pipeline):
    """One number for the rows in any order, as text without a line end."""
    p = pipeline(T)
    daemon.wait_token(p, daemon.ingress(p, "t", '{"id": 1, "s": "a"}{"id": 2, "s": null}{"id": 3, "s": "a"}').json()["token"])

    def h(sql):
        text = http_query(daemon, p, sql, "hash").text
        assert re.fullmatch("[0-9A-F]{64}", text) and ws_query(daemon, p, sql, "hash") == (text, 1000)
        return text
    assert h("SELECT * FROM t ORDER BY id") == h("SELECT * FROM t ORDER BY id DESC") == h("SELECT id, s FROM t")
    others = [h(q) for q in ("SELECT * FROM t", "SELECT id FROM t", "SELECT id AS n FROM t", "SELECT s FROM t", "SELECT s FROM t WHERE id < 3",
                             "SELECT id FROM t WHERE id > 9", "SELECT s FROM t UNION ALL SELECT s FROM t")]
    assert len(set(others)) == len(others)
    assert http_query(daemon, p, "SELECT 1 / (id - id) FROM t", "hash").text.startswith("ERROR: ")


def test_large_result(daemon, pipeline):
    p = pipeline(table("t", "id BIGINT NOT NULL, s VARCHAR", datagen("g", {"limit": 100000}), materialized=True))
    daemon.wait_complete(p)
    r = http_query(daemon, p, "SELECT id FROM t", "json")
    ids = sorted(json.loads(x)["id"] for x in r.text.splitlines())
    assert ids == list(range(100000))
    text, code = ws_query(daemon, p, "SELECT id FROM t", "json")
    assert code == 1000 and len(text.splitlines()) == 100000


def test_several_statements(daemon, pipeline):
    """They run in order, the last one answers, and reads what was there before the first."""
    p = pipeline(T + table("u", "n BIGINT NOT NULL", materialized=True))
    assert http_query(daemon, p, "INSERT INTO t VALUES (1, 'a'), (2, 'b');\n INSERT INTO u VALUES (7);", "json").text == '{"count":1}\n'
    assert http_query(daemon, p, "INSERT INTO u SELECT id * 10 FROM t; INSERT INTO u VALUES (8); SELECT n FROM u", "json").text == '{"n":7}\n'
    assert ws_query(daemon, p, "INSERT INTO u SELECT n FROM u; SELECT COUNT(*) AS n FROM u", "json") == ('{"n":4}\n', 1000)
    assert sorted(r["n"] for r in daemon.query(p, "SELECT n FROM u")) == [7, 7, 8, 8, 10, 10, 20, 20]
    # what is wrong is found before the first one runs; what fails later keeps what is done
    for sql in ("INSERT INTO u VALUES (1); SELECT nope FROM u", "INSERT INTO u VALUES (1); CREATE TABLE x (a INT)", "SELECT 1; SELECT 2",
                "EXPLAIN SELECT 1; SELECT 1"):
        error(http_query(daemon, p, sql), 400, "AdHocQueryError")
    assert "error" in http_query(daemon, p, "INSERT INTO u VALUES (9); INSERT INTO u SELECT 1 / (n - n) FROM u; SELECT 1", "json").json()
    assert daemon.query(p, "SELECT COUNT(*) AS n FROM u") == [{"n": 9}]


def test_insert_waits_for_a_slow_sink(daemon, pipeline):
    """As any input does: the queues of outputs are bounded."""
    p = pipeline(table("src", "id BIGINT NOT NULL, s VARCHAR", datagen("g", {"limit": 20, "fields": {"s": {"values": ["x" * 100000]}}}), materialized=True) +
                 table("t", "id BIGINT NOT NULL, s VARCHAR"))
    daemon.wait_complete(p)
    stuck = requests.post(f"{daemon.url}/v0/pipelines/{p}/egress/t?format=json&backpressure=true", stream=True, timeout=PATIENCE)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        inserts = [pool.submit(http_query, daemon, p, "INSERT INTO t SELECT * FROM src", "json") for _ in range(20)]  # 40 MB
        until("the sink stalls", lambda: daemon.stats(p)["global_metrics"]["output_stall_msecs"] > 300)
        assert not all(i.done() for i in inserts)
        stuck.close()  # a reader that leaves holds up nobody
        assert [i.result(timeout=PATIENCE).text for i in inserts] == ['{"count":20}\n'] * 20


def test_insert_by_query(daemon, pipeline):
    p = pipeline(T)
    r = http_query(daemon, p, "INSERT INTO t VALUES (1, 'a'), (2, 'b')", "json")
    assert r.text == '{"count":2}\n'
    until("the rows are in", lambda: [x["id"] for x in rows(daemon, p)] == [1, 2])


# --- exact values through every path -----------------------------------------------------------------------------------

COLUMNS = ("id BIGINT NOT NULL PRIMARY KEY, d38 DECIMAL(38, 0), d10 DECIMAL(38, 10), u BIGINT UNSIGNED, i BIGINT, ti TIME, ts TIMESTAMP, da DATE, "
           "b BOOLEAN, f DOUBLE, s VARCHAR")
VALUES = {"id": "1", "d38": "12345678901234567890123456789012345678", "d10": "-9999999999999999999999999999.0123456789",
          "u": "18446744073709551615", "i": "-9223372036854775808", "ti": '"23:59:59.999999999"', "ts": '"9999-12-31 23:59:59.999999"',
          "da": '"0001-01-01"', "b": "true", "f": "0.1", "s": '"\\u0001 \\" \\\\ é 😀"'}
ROW = "{" + ",".join(f'"{k}":{v}' for k, v in VALUES.items()) + "}"
SECOND = ROW.replace('"id":1', '"id":2').replace("18446744073709551615", "9223372036854775808").replace("-9223372036854775808", "9223372036854775807")


def test_exact_values(daemon, pipeline, broker, tmp_path):
    """ingress, file and Kafka → table → view → query, egress, file, Kafka; text compared, never numbers."""
    from hg.kafka import Topic
    source, sink = Topic(broker), Topic(broker)
    source.produce([ROW.replace('"id":1', '"id":3')])
    (tmp_path / "in.json").write_text(ROW.replace('"id":1', '"id":4') + "\n")
    csv_row = ('5,12345678901234567890123456789012345678,-9999999999999999999999999999.0123456789,18446744073709551615,-9223372036854775808,'
               '23:59:59.999999999,9999-12-31 23:59:59.999999,0001-01-01,true,0.1,x\n')
    (tmp_path / "in.csv").write_text(csv_row)
    p = pipeline(table("t", COLUMNS, kafka_in("k", broker, source.name, options={"start_from": "earliest"}), file_in("f", tmp_path / "in.json"),
                       file_in("c", tmp_path / "in.csv", "csv", {}), materialized=True) +
                 view("v", "SELECT * FROM t", file_out("o", tmp_path / "out.json"), file_out("oc", tmp_path / "out.csv", "csv"),
                      connector("ok", "kafka_output", {"topic": sink.name, "bootstrap.servers": broker}, "json", {"buffer_size_records": 1}),
                      materialized=True), "paused")
    e = Egress(daemon, p, "v")
    daemon.ok("POST", f"/v0/pipelines/{p}/resume")
    for row in (ROW, SECOND):
        daemon.wait_token(p, daemon.ingress(p, "t", row).json()["token"])
    e.wait_updates(5)

    def wire(i):
        base = SECOND if i == 2 else ROW.replace('"id":1', f'"id":{i}')
        if i == 5:
            base = base.replace(VALUES["s"], '"x"')
        return base
    expected = {wire(i) for i in range(1, 6)}
    streamed = {x for c in e.all_chunks() if "json_data" in c for x in re.findall(r'\{"insert":(.*?\})\}(?=[,\]])', c["_raw"])}
    assert streamed == expected
    # query: the same but for the T of timestamps
    got = set(http_query(daemon, p, "SELECT * FROM v", "json").text.splitlines())
    assert got == {x.replace("9999-12-31 23", "9999-12-31T23") for x in expected}
    assert ws_query(daemon, p, "SELECT d38, u, i, ti FROM t WHERE id = 2", "json") == (
        '{"d38":12345678901234567890123456789012345678,"u":9223372036854775808,"i":9223372036854775807,"ti":"23:59:59.999999999"}\n', 1000)
    daemon.stop_pipeline(p, force=False)
    assert {x[len('{"insert":'):-1] for x in (tmp_path / "out.json").read_text().splitlines()} == expected
    assert csv_row.rstrip("\n") + ",1" in (tmp_path / "out.csv").read_text()
    assert {x[len('{"insert":'):-1] for x in sink.read() if x} == expected
    e.close()


def test_values_out_of_range_are_refused(daemon, pipeline):
    p = pipeline(table("t", "id BIGINT NOT NULL, u BIGINT UNSIGNED, d DECIMAL(38, 0)", materialized=True))
    for bad in ('{"id": 9223372036854775808}', '{"id": 1, "u": 18446744073709551616}', '{"id": 1, "u": -1}', '{"id": 1.5}', '{"id": null}',
                '{"id": 1, "d": 123456789012345678901234567890123456789}'):
        error(daemon.ingress(p, "t", bad), 400, "ParseErrors")
    assert daemon.query(p, "SELECT COUNT(*) AS n FROM t") == [{"n": 0}]


# --- stats, metrics, logs ----------------------------------------------------------------------------------------------

def test_stats_add_up(daemon, pipeline, tmp_path):
    p = pipeline(table("t", "n BIGINT NOT NULL", datagen("a", {"limit": 1000}), datagen("b", {"limit": 500})) +
                 view("v", "SELECT n FROM t WHERE n < 10", file_out("o", tmp_path / "o.json")))
    daemon.wait_complete(p)
    s = daemon.stats(p)
    g = s["global_metrics"]
    assert g["total_input_records"] == g["total_processed_records"] == g["total_completed_records"] == 1500
    assert [i["endpoint_name"] for i in s["inputs"]] == ["t.a", "t.b"]
    assert s["outputs"][0]["metrics"]["transmitted_records"] == 20
    assert s["outputs"][0]["metrics"]["transmitted_bytes"] == os.path.getsize(tmp_path / "o.json")
    one = daemon.get(f"/v0/pipelines/{p}/tables/T/connectors/a/stats").json()
    assert one["endpoint_name"] == "t.a" and one["parse_errors"] == [] and one["transport_errors"] == []
    assert daemon.get(f"/v0/pipelines/{p}/views/v/connectors/o/stats").json()["encode_errors"] == []
    error(daemon.get(f"/v0/pipelines/{p}/tables/t/connectors/zz/stats"), 404, "UnknownInputEndpoint")
    error(daemon.get(f"/v0/pipelines/{p}/views/v/connectors/zz/stats"), 404, "UnknownOutputEndpoint")
    error(daemon.post(f"/v0/pipelines/{p}/tables/t/connectors/a/START"), 400, "InvalidConnectorAction")
    error(daemon.post(f"/v0/pipelines/{p}/tables/t/connectors/zz/start"), 404, "UnknownInputEndpoint")
    details = until("the details follow", lambda: daemon.get(f"/v0/pipelines/{p}?selector=status").json()["deployment_runtime_status_details"])
    assert details["connector_stats"]["num_errors"] == 0


def test_metrics(daemon, pipeline):
    p = pipeline(table("t", "n BIGINT NOT NULL", datagen("a", {"limit": 1000})))
    daemon.wait_complete(p)
    text = daemon.get(f"/v0/pipelines/{p}/metrics").text
    assert "# TYPE records_processed_total counter" in text
    line = next(x for x in text.splitlines() if x.startswith("input_connector_records_total{"))
    assert 'endpoint="t.a"' in line and line.endswith(" 1000")
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    assert {f"records_{x}" for x in ("input_total", "input_bytes_total", "input_buffered", "processed_bytes_total", "late_total")} | {
        "output_stall_seconds", "output_stall_seconds_total", "dbsp_steps_total", "storage_usage_bytes", "max_rss_bytes", "memory_pressure",
        "process_start_time_seconds", "process_virtual_memory_bytes", "process_open_fds", "process_max_fds"} <= set(kinds)
    as_json = {m["key"]: m for m in daemon.get(f"/v0/pipelines/{p}/metrics?format=json").json()}
    assert set(as_json) == set(kinds)
    for latency in ("input_connector_processing_latency_seconds", "input_connector_completion_latency_seconds"):
        assert kinds[latency] == "histogram"
        buckets = [(float(le), int(n)) for le, n in re.findall(latency + r'_bucket\{.*,endpoint="t.a",le="([^"]+)"\} (\d+)', text)]
        assert buckets == sorted(buckets) and [n for _, n in buckets] == sorted(n for _, n in buckets) and buckets[-1][0] == float("inf")
        assert f'{latency}_count{{pipeline="{p}",pipeline_name="{p}",endpoint="t.a"}} {buckets[-1][1]}' in text and buckets[-1][1] > 0
        assert as_json[latency]["values"][0]["value"]["count"] == buckets[-1][1]
    assert daemon.get(f"/v0/pipelines/{p}/metrics?format=xml").status_code == 400
    assert "records_processed_total" in daemon.get("/v0/metrics").text


def test_completion_is_when_the_outputs_have_it(daemon, pipeline, tmp_path):
    """An output that keeps its rows back for 300 ms makes completion late, not processing."""
    out = connector("o", "file_output", {"path": str(tmp_path / "out")}, "json", {}, enable_output_buffer=True, max_output_buffer_time_millis=300)
    p = pipeline(T + view("v", "SELECT * FROM t", out))
    daemon.wait_token(p, daemon.ingress(p, "t", '{"id": 1}').json()["token"])
    found = {m["key"]: m for m in daemon.get(f"/v0/pipelines/{p}/metrics?format=json").json()}["input_connector_completion_latency_seconds"]
    took = next(v["value"] for v in found["values"] if v["value"]["count"])
    assert took["count"] == 1 and took["sum"] > 0.29  # timers count whole milliseconds


@pytest.mark.parametrize("what", ["start_compaction", "rebalance"])
def test_upkeep(daemon, pipeline, what):
    p = pipeline(T)
    for i in range(3):
        daemon.wait_token(p, daemon.ingress(p, "t", "".join('{"id": %d}' % n for n in range(1000))).json()["token"])
    daemon.ok("POST", f"/v0/pipelines/{p}/{what}")
    assert daemon.query(p, "SELECT COUNT(*) AS n FROM t") == [{"n": 1000}]
    daemon.stop_pipeline(p)
    assert daemon.post(f"/v0/pipelines/{p}/{what}").json()["error_code"] == "PipelineInteractionNotDeployed"


def test_time_series(daemon, pipeline):
    p = pipeline(T)
    daemon.wait_token(p, daemon.ingress(p, "t", '{"id": 1}{"id": 2}').json()["token"])
    path = f"/v0/pipelines/{p}/time_series"
    series = until("a sample shows them", lambda: (x := daemon.get(path).json())["samples"][-1]["r"] == 2 and x)
    times = [s["t"] for s in series["samples"]]
    assert times == sorted(times) and abs(series["now"] - times[-1]) < 60_000 and series["samples"][-1]["m"] > 1 << 20
    streams = [daemon.get(path + "_stream", stream=True) for _ in range(3)]
    streams[1].close()  # one leaves: nobody minds
    lines = streams[0].iter_lines()
    n = len(series["samples"])
    got = [json.loads(next(lines)) for _ in range(n + 2)]  # what was there, then what comes
    assert got[:n] == series["samples"] and got[n]["t"] > got[n - 1]["t"]
    daemon.stop_pipeline(p)
    for s in (streams[0], streams[2]):
        assert all(json.loads(line)["r"] == 2 for line in list(s.iter_lines())[-1:])  # they end with the pipeline


def test_limit_of_api_endpoints(daemon, pipeline):
    p = pipeline(T)
    assert daemon.ingress(p, "t", '{"id": 1}').status_code == 200
    streams = [Egress(daemon, p, "t") for _ in range(99)]
    for _ in range(2):
        assert "100" in error(daemon.post(f"/v0/pipelines/{p}/egress/t"), 429, "ApiConnectionLimit")["message"]
        error(daemon.ingress(p, "t", "2,", format="csv"), 429, "ApiConnectionLimit")
    assert daemon.ingress(p, "t", '{"id": 3}').status_code == 200  # an endpoint that is there serves on
    streams[0].close()
    until("there is room again", lambda: daemon.ingress(p, "t", "4,", format="csv").status_code == 200)
    for s in streams[1:]:
        s.close()


def test_logs(daemon, pipeline):
    p = pipeline(T)
    r = daemon.get(f"/v0/pipelines/{p}/logs", stream=True)
    assert any("running" in line for line, _ in zip(r.iter_lines(decode_unicode=True), range(50)))
    r.close()


# --- kill -9, ports, disks ---------------------------------------------------------------------------------------------

def test_killed_pipeline_is_told_and_starts_again(own):
    own.run("p", T)
    own.run("neighbour", T)
    os.kill(own.pid_of("p"), signal.SIGKILL)
    e = until("the error is stored", lambda: own.get("/v0/pipelines/p?selector=status").json()["deployment_error"])
    assert "signal" in e["message"] or "crash" in e["message"] or "killed" in e["message"], e
    own.wait_status("p", "Stopped")
    assert own.get("/v0/pipelines/neighbour?selector=status").json()["deployment_status"] == "Running"
    assert own.ingress("neighbour", "t", '{"id": 1}').status_code == 200
    error(own.post("/v0/pipelines/p/start?dismiss_error=false"), 400, "CannotStartWithUndismissedError")
    own.start_pipeline("p")
    assert own.ingress("p", "t", '{"id": 1}').status_code == 200


def test_killed_manager_finds_its_pipelines_again(own):
    own.run("p", T)
    own.wait_token("p", own.ingress("p", "t", '{"id": 1}').json()["token"])
    pid = own.pid_of("p")
    own.kill()
    own.start()
    assert "1 pipeline" in own.ready_line
    own.wait_status("p", "Running")
    assert own.pid_of("p") == pid
    assert rows(own, "p") == [{"id": 1, "s": None}]
    own.stop_pipeline("p")
    assert own.pid_of("p") is None


def test_stopped_manager_leaves_nothing_open(own):
    own.run("p", T)
    own.stop(signal.SIGTERM)
    assert own.proc.returncode == 0
    own.start()
    until("the pipeline is in a settled state", lambda: own.get("/v0/pipelines/p?selector=status").json()["deployment_status"] in
          ("Stopped", "Running"))


def serve(*args):
    return subprocess.run([HEADGATE, "serve", *args], capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)


def one_sentence(r, *words):
    assert r.returncode == 1, (r.returncode, r.stdout, r.stderr)
    assert len(r.stderr.strip().splitlines()) == 1 and all(w in r.stderr for w in words), r.stderr


def test_occupied_port(own, tmp_path):
    port = own.url.rsplit(":", 1)[1]
    one_sentence(serve("--data-dir", str(tmp_path / "d"), "--port", port), port)


def test_same_data_directory_twice(own):
    one_sentence(serve("--data-dir", own.data_dir, "--port", "0"), own.data_dir)
    assert own.get("/healthz").status_code == 200


def test_data_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    one_sentence(serve("--data-dir", str(tmp_path / "file"), "--port", "0"), "file")
    one_sentence(serve("--data-dir", str(tmp_path / "file" / "below"), "--port", "0"), "file")


def test_serve_usage():
    assert serve("--nonsense").returncode == 2
    assert serve("--port", "many").returncode == 2
    assert serve("--help").returncode == 0


def test_store_survives_restarts(own):
    own.create("kept", T)
    before = own.get("/v0/pipelines/kept").json()
    own.stop()
    own.start()
    after = own.get("/v0/pipelines/kept").json()
    assert {k: v for k, v in after.items() if k != "refresh_version"} == {k: v for k, v in before.items() if k != "refresh_version"}
