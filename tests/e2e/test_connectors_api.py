"""`headgate connectors`: its HTTP API (every route of Apache Iggy's runtime, and ours), its configuration, and the service that keeps it."""
import http.server
import json
import os
import re
import signal
import subprocess
import threading

import pytest
from hg import BUILD, HEADGATE, PATIENCE, until
from hg.certs import make
from hg.connectors import Runtime
from hg.connectors_api import ROUTES, Api, seen
from hg.iggy import Server


class Nowhere:
    """No Iggy server: what is asked here does not need one."""
    address = "127.0.0.1:1"


@pytest.fixture
def runtime(tmp_path):
    made = []

    def start(iggy=Nowhere, fill=lambda r: None, key=None, verify=None, **sections):
        r = Runtime(tmp_path, iggy, **sections)
        made.append(r)
        fill(r)
        r.start()
        r.api = Api(r.url, key, verify)
        return r

    yield start
    for r in made:
        r.stop(signal.SIGKILL)


def stream(**more):
    return {"stream": "s", "topics": ["t"], "schema": "json"} | more


BODY = {"enabled": True, "name": "Second", "path": "nowhere", "streams": [stream()], "plugin_config": {"secret": "geheim", "n": 2}}


def two(r):
    """A sink whose library is not there, and a source that is switched off."""
    r.sink("out", plugin={"n": 1, "password": "geheim"}, path="/nowhere/lib", transforms={"zeta": {}, "alpha": {"enabled": False}},
           plugin_config_format="json")
    r.source("in", enabled=False)


# --- what is configured, and what is wrong with it
def check(config, cwd, expect=0, **env):
    p = subprocess.run([HEADGATE, "connectors", "--config", config, "--check"], capture_output=True, text=True, cwd=cwd, timeout=PATIENCE,
                       env={**os.environ, **env})
    assert p.returncode == expect, p.stdout + p.stderr
    return json.loads(p.stdout), p.stderr


def test_check(tmp_path):
    r = Runtime(tmp_path, Nowhere)
    two(r)
    config = tmp_path / "config.toml"
    config.write_text('[connectors]\nconfig_dir = "connectors"\n[http]\nadress = "x"\n')
    said, err = check(config, tmp_path, IGGY_CONNECTORS_HTTP_API_KEY="4711", IGGY_CONNECTORS_SINK_OUT_STREAMS_0_TOPICS="[a, b]",
                      IGGY_CONNECTORS_SINK_OUT_PLUGIN_CONFIG_N="5")
    assert said["ok"] and said["runtime"]["http"]["api_key"] == "***"
    assert said["messages"] == [{"level": "warning", "file": str(config), "line": 4, "column": 1,
                                 "message": 'unknown field "adress"; did you mean "address"?'}]
    assert f'{config}:4:1: unknown field "adress"' in err
    assert [(c["key"], c["enabled"]) for c in said["sources"]] == [("in", False)]
    sink = said["sinks"][0]
    assert sink["streams"][0]["topics"] == ["a", "b"] and sink["streams"][0]["stream"] == "s"  # merged, not replaced
    assert sink["plugin_config"] == {"n": 5, "password": "***"} and list(sink["transforms"]) == ["zeta", "alpha"]
    (tmp_path / "connectors" / "bad.toml").write_text('type = "sink"\nkey = "bad"\nenabled = 1\n')
    said, err = check(config, tmp_path, 1)
    assert not said["ok"] and "bad.toml:3:11: option 'enabled': expected true or false, found a number" in err
    assert [c["key"] for c in said["sinks"]] == ["bad", "out"] and "error" in said["sinks"][0] and "error" not in said["sinks"][1]
    said, err = check(tmp_path / "none.toml", tmp_path, 1)
    assert said["runtime"] is None and "none.toml is not there" in err
    (tmp_path / ".env").write_text("IGGY_CONNECTORS_IGGY_USERNAME=ann\n")
    (tmp_path / "connectors" / "bad.toml").unlink()
    assert check(config, tmp_path)[0]["runtime"]["iggy"]["username"] == "ann"


def test_named_by_the_environment(runtime, tmp_path):
    """As with Iggy's runtime: by a variable, which may stand in a file that another one names."""
    def fill(r):
        two(r)
        (tmp_path / "vars").write_text(f"IGGY_CONNECTORS_CONFIG_PATH='{tmp_path / 'config.toml'}'\n")
        r.command, r.env = [HEADGATE, "connectors"], {"IGGY_CONNECTORS_ENV_PATH": str(tmp_path / "vars")}
    assert runtime(fill=fill).api.get("/sinks/out")["key"] == "out"
    p = subprocess.run([HEADGATE, "connectors", "--check"], capture_output=True, text=True, timeout=PATIENCE,
                       env=os.environ | {"IGGY_CONNECTORS_CONFIG_PATH": str(tmp_path / "config.toml")})
    assert p.returncode == 0 and json.loads(p.stdout)["file"] == str(tmp_path / "config.toml")
    p = subprocess.run([HEADGATE, "connectors", "--check"], capture_output=True, text=True, timeout=PATIENCE)
    assert p.returncode == 2 and "IGGY_CONNECTORS_CONFIG_PATH" in p.stderr


def test_older_layout(runtime, tmp_path):
    config = tmp_path / "old.toml"
    config.write_text('[connectors]\nconfig_dir = ""\n[sinks.audit]\nenabled = true\nname = "A"\npath = "lib"\n[[sinks.audit.streams]]\nstream = "s"\n'
                      'topics = ["t"]\nschema = "json"\nbatch_size = 500\n[sinks.audit.config]\nlevel = 2\n')
    said, err = check(config, tmp_path, IGGY_CONNECTORS_SINK_AUDIT_STREAMS_0_TOPICS="[u]", IGGY_CONNECTORS_SINK_AUDIT_STREAMS_0_TOPIKS="x")
    assert "IGGY_CONNECTORS_SINK_AUDIT_STREAMS_0_TOPIKS: no option has this variable; did you mean IGGY_CONNECTORS_SINK_AUDIT_STREAMS_0_TOPICS?" in err
    assert err.count("no option has") == 1 and said["sinks"][0]["streams"][0]["topics"] == ["u"]
    assert "old.toml:3:1: [sinks.KEY] is the older layout" in err or "older layout" in err
    sink = said["sinks"][0]
    assert (sink["key"], sink["version"], sink["streams"][0]["batch_length"], sink["plugin_config"]) == ("audit", 0, 500, {"level": 2})


# --- the API
def test_reading(runtime):
    r = runtime(fill=two, http={"address": "127.0.0.1:0", "metrics": {"enabled": True}})
    a = r.api
    assert a.get("/") == "Connector Runtime API" and a.get("/health") == {"status": "healthy"}
    sink = until("the library was looked for", lambda: next((s for s in a.get("/sinks") if s["status"] == "error"), None))
    assert (sink["key"], sink["path"]) == ("out", "/nowhere/lib") and sink["last_error"]["message"] and sink["plugin_config_format"] == "json"
    source = a.get("/sources/in")  # Iggy's runtime does not know it
    assert (source["enabled"], source["status"], source["why"]) == (False, "stopped", "disabled")
    assert source["streams"][0] == {"stream": "s", "topic": "t", "schema": "json", "avro_schema_json": None, "avro_schema_path": None,
                                    "batch_length": None, "linger_time": "0"}
    assert [t["type"] for t in a.get("/sinks/out/transforms")] == ["zeta", "alpha"]
    assert a.get("/sources/in/transforms") == []
    stats = a.get("/stats")
    assert (stats["sources_total"], stats["sinks_total"], stats["sinks_running"]) == (1, 1, 0) and stats["process_id"] == r.proc.pid
    assert 0 < stats["memory_usage"] < stats["total_memory"] and stats["available_memory"] <= stats["total_memory"]
    assert [c["connector_type"] for c in stats["connectors"]] == ["source", "sink"]
    assert stats["connectors"][1]["version"] == "unknown"
    text = a.get("/metrics")
    assert text.endswith("# EOF\n") and "\niggy_connectors_sinks_total 1\n" in text
    assert '\niggy_connector_errors_total{connector_key="out",connector_type="sink"} ' in text
    assert a.get("/orchestration")
    assert a.get("/sinks/out/configs/plugin") == {"n": 1, "password": "***"}
    assert a.get("/sinks/out/configs/plugin?format=toml") == 'n = 1\npassword = "***"\n'
    assert a.ask("GET", "/sinks/out/configs/plugin?format=yaml").headers["content-type"] == "application/yaml"
    for path, status, code in (("/sinks/x", 404, "sink_not_found"), ("/sources/x/transforms", 404, "source_not_found"),
                               ("/sinks/out/configs/7", 404, "sink_config_not_found"), ("/sinks/out/configs/x", 400, None),
                               ("/sinks/out/configs/plugin?format=x", 400, None), ("/nothing", 404, None)):
        a.fails("GET", path, status, code)
    a.fails("POST", "/stats", 405)
    a.fails("POST", "/sinks/x/restart", 404, "sink_not_found")


def test_versions(runtime, tmp_path):
    r = runtime(fill=two)
    a = r.api
    assert a.get("/sinks/out/configs/active")["plugin_config"] == {"n": 1, "password": "***"}
    made = a.ok("POST", "/sinks/out/configs", json=BODY)
    assert (made["version"], made["active"], made["plugin_config"]["secret"]) == (1, False, "***")
    text = (tmp_path / "connectors" / "sink_out_1.toml").read_text()
    assert 'type = "sink"' in text and 'secret = "geheim"' in text  # only answers are redacted
    assert [(c["version"], c["active"]) for c in a.get("/sinks/out/configs")] == [(0, True), (1, False)]
    a.ok("PUT", "/sinks/out/configs/active", json={"version": 0})
    assert (tmp_path / "connectors" / ".active_versions.toml").read_text() == "[sinks]\nout = 0\n"
    assert r.stop() == 0
    r.start()
    a = Api(r.url)
    assert a.get("/sinks/out/configs/active")["version"] == 0  # the recorded one, not the highest
    a.ok("PUT", "/sinks/out/configs/active", json={"version": 1})
    a.ok("DELETE", "/sinks/out/configs?version=0")
    a.fails("DELETE", "/sinks/out/configs?version=0", 404, "sink_config_not_found")
    assert a.ok("POST", "/sources/neu/configs", json=BODY | {"streams": [{"stream": "s", "topic": "t", "schema": "raw"}]})["version"] == 0
    a.fails("POST", "/sinks/out/configs", 422, json={"name": "x"})
    a.fails("POST", "/sinks/out/configs", 400, data="{", headers={"content-type": "application/json"})
    a.fails("POST", "/sinks/out/configs", 415, data="{}")
    a.fails("POST", "/sinks/out/configs", 400, "invalid_configuration", json=BODY | {"plugin_config": {"a": None}})
    a.fails("PUT", "/sinks/out/configs/active", 404, "sink_config_not_found", json={"version": 9})
    a.fails("PUT", "/sinks/out/configs/active", 422, json={"version": "x"})


def test_one_wrong_file(runtime, tmp_path):
    def fill(r):
        two(r)
        (r.dir / "connectors" / "wrong.toml").write_text('type = "sink"\nkey = "wrong"\nversion = 0\nenabled = true\nname = "W"\npath = "p"\n')
        (r.dir / "connectors" / "broken.toml").write_text("= 1\n")
    a = runtime(fill=fill).api
    wrong = a.get("/sinks/wrong")
    assert wrong["status"] == "error" and "wrong.toml: missing field `streams`" in wrong["last_error"]["message"]
    assert a.get("/sinks/out")["key"] == "out"


def test_display_of_the_configuration(runtime):
    def fill(r):
        two(r)
        r.env = {"IGGY_DISPLAY_CONFIG": "true"}
    r = runtime(fill=fill)
    shown = {m[1]: json.loads(json.loads(m[2])) for m in re.finditer(r" iggy (\S+) config json=(.*)", r.log)}
    assert shown["runtime"]["iggy"]["password"] == "***" and shown["out"]["plugin_config"] == {"n": 1, "password": "***"}


def test_key_and_tls(runtime, tmp_path):
    cert, key = make(tmp_path)
    r = runtime(fill=two, key="k", verify=str(cert), http={"address": "127.0.0.1:0", "api_key": "k", "metrics": {"enabled": True},
                                                           "tls": {"enabled": True, "cert_file": str(cert), "key_file": str(key)}})
    assert r.url.startswith("https://") and r.api.get("/sinks") and r.api.get("/metrics")
    bare = Api(r.url, verify=str(cert))
    assert bare.get("/") and bare.get("/health")
    for path in ("/sinks", "/metrics", "/nothing"):
        bare.fails("GET", path, 401)
    Api(r.url, "kk", str(cert)).fails("GET", "/stats", 401)


def test_cannot_listen(tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as taken:
        r = Runtime(tmp_path, Nowhere)
        two(r)
        (tmp_path / "config.toml").write_text(f'[http]\naddress = "127.0.0.1:{taken.server_port}"\n[connectors]\nconfig_dir = "connectors"\n')
        p = subprocess.run([HEADGATE, "connectors", "--config", "config.toml"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
        assert p.returncode == 1 and "HTTP API at 127.0.0.1:" in p.stderr and "Address already in use" in p.stderr


# --- with messages
@pytest.fixture(scope="module")
def iggy():
    s = Server()
    yield s
    s.close()


def test_commands(runtime, iggy, tmp_path):
    with iggy.client() as c:
        c.create("api", "t")
    out = tmp_path / "out"

    def fill(r):
        r.source("gen", "api", plugin={"messages": 10, "batches": 3})
        r.sink("file", "api", plugin={"file": str(out)})
    r = runtime(iggy, fill, http={"address": "127.0.0.1:0", "metrics": {"enabled": True}}, headgate={"apply_on_activation": True})
    a = r.api
    until("all is there", lambda: out.exists() and out.read_bytes().count(b"\n") == 30)
    until("all is counted", lambda: r.stats("file")["messages_processed"] == 30 == r.stats("gen")["messages_sent"])
    until("the batch is", lambda: a.get("/sinks/file").get("last_batch_at"))
    text = a.get("/metrics")
    assert '\niggy_connector_messages_sent_total{connector_key="gen",connector_type="source"} 30\n' in text
    assert '\niggy_connector_messages_processed_total{connector_key="file",connector_type="sink"} 30\n' in text
    bucket = 'iggy_connector_stage_duration_seconds_bucket{le="+Inf",connector_key="file",connector_type="sink",stage="ffi"} '
    assert bucket in text
    before = a.get("/sinks/file")
    assert before["status"] == "running" and before["last_batch_at"]
    a.ok("POST", "/sinks/file/pause")
    assert (a.get("/sinks/file")["status"], a.get("/sinks/file")["why"]) == ("stopped", "user")
    a.ok("POST", "/sinks/file/start")
    until("it runs again", lambda: a.get("/sinks/file")["status"] == "running")
    a.ok("POST", "/sinks/file/restart")
    after = until("it runs again", lambda: (i := a.get("/sinks/file"))["status"] == "running" and i)
    assert after["id"] > before["id"]  # another instance of the plugin
    a.ok("POST", "/sinks/file/stop")
    assert a.get("/sinks/file")["status"] == "stopped"
    a.ok("POST", "/sinks/file/start")
    # a version that is activated is applied, as the runtime's file asks for
    second = tmp_path / "second"
    config = a.get("/sinks/file/configs/active")
    a.ok("POST", "/sinks/file/configs", json={k: config[k] for k in ("enabled", "name", "path", "streams")} | {"plugin_config": {"file": str(second)}})
    a.ok("PUT", "/sinks/file/configs/active", json={"version": 1})
    assert a.get("/sinks/file/configs/active")["version"] == 1
    until("it runs with that", lambda: a.get("/sinks/file")["status"] == "running")
    assert out.read_bytes().count(b"\n") == 30 and r.stop() == 0


# --- a service that keeps configurations
class Service(http.server.ThreadingHTTPServer):
    """{"data": …, "error": …} around everything, under /v2."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.configs = {}  # (kind, key, version) -> config
        self.active, self.statuses, self.requests, self.error = {}, [], [], None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def put(self, kind, key, version, config):
        self.configs[kind, key, version] = {"key": key, "version": version} | config
        self.active.setdefault((kind, key), version)
        return self.configs[kind, key, version]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def answer(self, status, data=None):
        body = json.dumps({"data": data, "error": self.server.error}).encode() if status == 200 else b"busy"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def any(self):
        s = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        s.requests.append((self.command, self.path, dict(self.headers), body))
        if s.statuses:
            return self.answer(s.statuses.pop(0))
        path, _, query = self.path.partition("?")
        part = path.split("/")[2:]
        if part == ["live"]:
            found = {"sinks": {}, "sources": {}}
            for (kind, key), version in s.active.items():
                found[kind][key] = s.configs[kind, key, version]
            return self.answer(200, found)
        kind, key = part[0], part[1]
        if part[2:] == ["configs"] and self.command == "GET":
            return self.answer(200, [c for k, c in s.configs.items() if k[:2] == (kind, key)])
        if part[2:] == ["configs"] and self.command == "POST":
            return self.answer(200, s.put(kind, key, 1 + max([k[2] for k in s.configs if k[:2] == (kind, key)], default=-1), json.loads(body)))
        if part[2:] == ["configs"]:
            del s.configs[kind, key, int(query.removeprefix("version="))]
            return self.answer(200)
        if self.command == "PUT":
            s.active[kind, key] = json.loads(body)["version"]
            return self.answer(200)
        version = s.active.get((kind, key)) if part[3] == "active" else int(part[3])
        found = s.configs.get((kind, key, version))
        return self.answer(200 if found else 404, found)

    do_GET = do_POST = do_PUT = do_DELETE = any


@pytest.fixture
def service():
    s = Service()
    yield s
    s.shutdown()
    s.server_close()


def of_service(s, **more):
    return {"connectors": {"config_type": "http", "base_url": f"http://127.0.0.1:{s.server_port}/v2/", "request_headers": {"x-tenant": "acme"},
                           "url_templates": {"get_active_configs": "/live"}, "response": {"data_path": "data", "error_path": "error"},
                           "retry": {"enabled": True, "max_attempts": 3, "initial_backoff": "1ms", "max_backoff": "2ms", "backoff_multiplier": 2}} | more}


CONFIG = {"enabled": True, "name": "Kept", "path": "/nowhere/lib", "streams": [stream()], "plugin_config": None, "transforms": None}


def test_service(runtime, service):
    service.put("sinks", "out", 0, CONFIG)
    service.put("sinks", "wrong", 0, CONFIG | {"streams": 3})
    service.statuses = [503, 429, 408]  # repeated as often as allowed
    r = runtime(**of_service(service))
    a = r.api
    assert [x[1] for x in service.requests] == ["/v2/live"] * 4 and service.requests[0][2]["x-tenant"] == "acme"
    assert [s["key"] for s in a.get("/sinks")] == ["out", "wrong"]
    assert "/v2/live:1:" in a.get("/sinks/wrong")["last_error"]["message"]
    assert a.ok("POST", "/sinks/out/configs", json=BODY)["version"] == 1
    none = dict.fromkeys(("avro_schema_json", "avro_schema_path", "batch_length", "poll_interval", "consumer_group"))
    assert json.loads(service.requests[-1][3]) == {"transforms": None, "plugin_config_format": None, "verbose": None, "benchmark": None} | BODY | {
        "streams": [none | BODY["streams"][0]]}  # as Iggy's runtime asks a service
    asked = len(service.requests)
    a.fails("POST", "/sinks/out/configs", 422, json={"name": "x"})
    assert len(service.requests) == asked  # what is no configuration is not sent
    assert [(c["version"], c["active"]) for c in a.get("/sinks/out/configs")] == [(0, True), (1, False)]
    assert a.get("/sinks/out/configs/1")["name"] == "Second"
    a.fails("GET", "/sinks/out/configs/9", 404, "sink_config_not_found")
    a.ok("PUT", "/sinks/out/configs/active", json={"version": 1})
    assert service.active["sinks", "out"] == 1
    a.ok("DELETE", "/sinks/out/configs?version=0")
    assert service.requests[-1][:2] == ("DELETE", "/v2/sinks/out/configs?version=0") and ("sinks", "out", 0) not in service.configs
    service.error = "the database sleeps"
    assert "HTTP request failed: the database sleeps" in a.fails("GET", "/sinks/out/configs", 500, "http_request_failed")
    service.error = None
    service.statuses = [400]  # not repeated
    assert "HTTP request failed: HTTP 400 - busy" in a.fails("GET", "/sinks/out/configs", 500, "http_request_failed")
    service.statuses = [500] * 4
    assert "HTTP request failed: HTTP 500 - busy" in a.fails("GET", "/sinks/out/configs", 500, "http_request_failed")
    assert not service.statuses


def test_service_is_down(tmp_path, service):
    port = service.server_port
    service.shutdown()
    service.server_close()
    (tmp_path / "config.toml").write_text(f'[connectors]\nconfig_type = "http"\nbase_url = "http://127.0.0.1:{port}"\n[connectors.retry]\nenabled = false\n')
    said, err = check("config.toml", tmp_path, 1)
    assert "HTTP request failed" in err and said["runtime"]["connectors"]["config_type"] == "http" and said["sinks"] == []


def test_every_route_was_asked():
    """Last: the tests above have seen a success of each."""
    missing = {row[:2] for row in ROUTES} - seen
    if os.environ.get("PYTEST_XDIST_WORKER") is None and len(seen) > 10:
        assert not missing, missing
