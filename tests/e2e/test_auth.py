"""API keys, roles and TLS of the daemon (rest-api §1.2)."""
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import urllib.parse

import pytest
import requests
import websocket
from feldera import FelderaClient, PipelineBuilder

from hg import FDA, HEADGATE, PATIENCE, ROOT, certs, until
from hg.daemon import Daemon

PROGRAM = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR) WITH ('materialized' = 'true');"


def admin_key(d):
    with open(os.path.join(d.data_dir, "admin-key")) as f:
        return f.read().strip()


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    """A daemon with TLS that wants keys; its requests come with the admin key."""
    cert, key = certs.make(tmp_path_factory.mktemp("tls"))
    d = Daemon(args=["--auth", "keys", "--tls-cert", str(cert), "--tls-key", str(key)], verify=cert)
    d.key = admin_key(d)
    yield d
    d.close()


@pytest.fixture(scope="module")
def keys(safe):
    """One key per role, and a pipeline."""
    made = {role: safe.ok("POST", "/v0/api_keys", json={"name": f"a-{role}", "role": role}).json()["api_key"] for role in ("read", "write")}
    safe.run("p", PROGRAM)
    return {**made, "admin": safe.key}


def ask(d, key, method, path, **kw):
    """The status code with this key (None: without any), and the error code."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    r = requests.request(method, d.url + path, headers={**headers, **kw.pop("headers", {})}, verify=str(d.verify), timeout=PATIENCE, **kw)
    return r.status_code, r.json().get("error_code") if r.status_code >= 400 else None


def test_admin_key_is_for_the_user_only(safe):
    assert re.fullmatch(r"apikey:[A-Za-z0-9]{128}", safe.key)
    assert stat.S_IMODE(os.stat(os.path.join(safe.data_dir, "admin-key")).st_mode) == 0o600
    with open(os.path.join(safe.data_dir, "control.db"), "rb") as f:
        assert safe.key[7:].encode() not in f.read()


def test_who_may_do_what(safe, keys):
    calls = [("GET", "/v0/pipelines", {}, 200), ("GET", "/v0/pipelines/p/stats", {}, 200), ("GET", "/v0/metrics", {}, 200),
             ("POST", "/v0/pipelines/p/pause", {}, 202), ("POST", "/v0/pipelines/p/resume", {}, 202),
             ("PATCH", "/v0/pipelines/p", {"json": {"description": "d"}}, 200),
             ("POST", "/v0/pipelines/p/ingress/t?format=json&update_format=raw", {"data": '{"id": 1, "v": "x"}'}, 200),
             ("DELETE", "/v0/pipelines/none", {}, 404), ("GET", "/v0/nothing", {}, 404)]
    for method, path, kw, status in calls:
        assert ask(safe, None, method, path, **kw) == (401, "InvalidApiKey"), path
        assert ask(safe, "apikey:" + "x" * 128, method, path, **kw) == (401, "InvalidApiKey"), path
        assert ask(safe, keys["write"], method, path, **kw)[0] == status, path
        assert ask(safe, keys["admin"], method, path, **kw)[0] == status, path
        read = ask(safe, keys["read"], method, path, **kw)
        assert read[0] == status if method == "GET" else read == (403, "InsufficientPermissions"), (path, read)
    # what is an admin's
    for role in ("read", "write"):
        assert ask(safe, keys[role], "POST", "/v0/tenants", json={"name": "x"}) == (403, "InsufficientPermissions")


def test_every_route_asks_for_a_key(safe, keys):
    """What changes something is not for keys that read, and what is the administrator's is not for others; on every route there is."""
    routes = re.findall(r"^\| ([A-Z]+) \| `(/v0/[^`]+)` \|", (ROOT / "docs" / "api.md").read_text(), re.M)
    assert len(routes) > 90
    with contextlib.ExitStack() as stack:
        asking = {}
        for role in (None, "read", "write"):
            s = asking[role] = stack.enter_context(requests.Session())
            s.verify, s.trust_env = str(safe.verify), False
            s.headers.update({"Authorization": f"Bearer {keys[role]}"} if role else {})

        def status(role, method, path):
            with asking[role].request(method, safe.url + path, json={} if method != "GET" else None, timeout=PATIENCE, stream=True) as r:
                return r.status_code
        for method, pattern in routes:
            path = re.sub(r"\{\w+\}", "none", pattern)  # no pipeline, key or tenant of this name exists
            assert status(None, method, path) == 401, (method, pattern)
            read, write = status("read", method, path), status("write", method, path)
            if method == "GET":
                assert read == write and read not in (401, 403), (method, pattern, read, write)
            else:
                admin = re.match(r"/v0/(tenants?|oidc_trust)\b", path)
                assert (read, write == 403) == (403, bool(admin)) and write != 401, (method, pattern, read, write)


def test_open_to_all(safe):
    assert ask(safe, None, "GET", "/healthz")[0] == 200
    assert ask(safe, None, "GET", "/config/authentication")[0] == 200
    assert ask(safe, None, "OPTIONS", "/v0/pipelines", headers={"Origin": "http://x"})[0] == 200


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "apikey:abc", "Bearer  ", ""])
def test_headers_that_are_no_key(safe, header):
    r = safe.get("/v0/pipelines", headers={"Authorization": header})
    assert r.status_code == 401 and r.headers["WWW-Authenticate"] == "Bearer", r.text


def test_the_scheme_is_without_case(safe):
    assert safe.get("/v0/pipelines", headers={"Authorization": "bearer " + safe.key}).status_code == 200


def test_session_names_the_role(safe, keys):
    for role, key in keys.items():
        assert safe.get("/v0/config/session", headers={"Authorization": f"Bearer {key}"}).json()["role"] == role


def test_reading_keys_do_not_insert(safe, keys):
    """An INSERT goes with GET as well, over HTTP and WebSocket; a parameter of the client's own does not help."""
    sql = urllib.parse.quote("INSERT INTO t VALUES (77, 'no')")
    for more in ("", "&headgate.read_only=false"):
        assert ask(safe, keys["read"], "GET", f"/v0/pipelines/p/query?format=json&sql={sql}{more}") == (400, "AdHocQueryError")
    ws = websocket.create_connection(safe.url.replace("https", "wss") + "/v0/pipelines/p/query", header=[f"Authorization: Bearer {keys['read']}"],
                                     sslopt={"ca_certs": str(safe.verify)}, timeout=PATIENCE)
    ws.send(json.dumps({"sql": "INSERT INTO t VALUES (78, 'no')", "format": "json"}))
    assert "role 'write'" in ws.recv()
    ws.close()
    count = f"/v0/pipelines/p/query?format=json&sql={urllib.parse.quote('SELECT count(*) AS n FROM t WHERE id > 70')}"
    assert safe.get(count, headers={"Authorization": f"Bearer {keys['read']}"}).json() == {"n": 0}
    assert ask(safe, keys["write"], "GET", f"/v0/pipelines/p/query?format=json&sql={sql}")[0] == 200
    assert safe.get(count).json() == {"n": 1}


def test_a_deleted_key_is_no_key(safe):
    key = safe.ok("POST", "/v0/api_keys", json={"name": "gone"}).json()["api_key"]
    assert ask(safe, key, "GET", "/v0/pipelines")[0] == 200
    safe.ok("DELETE", "/v0/api_keys/gone")
    assert ask(safe, key, "GET", "/v0/pipelines")[0] == 401


def test_fda_and_sdk(safe, keys):
    env = {**os.environ, "FELDERA_HOST": safe.url, "FELDERA_API_KEY": keys["write"]}
    r = subprocess.run([FDA, "--tls-cert", safe.verify, "query", "p", "SELECT count(*) AS n FROM t WHERE id = 4711"], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 0 and "| 0 |" in r.stdout, r
    r = subprocess.run([FDA, "--tls-cert", safe.verify, "pipelines"], env={**env, "FELDERA_API_KEY": "apikey:no"}, capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 1 and "Unknown API key" in r.stderr, r
    client = FelderaClient(safe.url, api_key=keys["write"], requests_verify=str(safe.verify))
    p = PipelineBuilder(client, "sdk-auth", PROGRAM).create_or_replace()
    p.start()
    p.input_json("t", [{"id": 1, "v": "a"}], update_format="raw")
    assert list(p.query("SELECT id FROM t")) == [{"id": 1}]
    p.stop(force=True)
    p.clear_storage()
    p.delete()


def peer(d):
    """The certificate that a new connection is shown."""
    host, port = d.url.split("//")[1].split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((host, int(port))) as s, context.wrap_socket(s) as t:
        return ssl.DER_cert_to_PEM_cert(t.getpeercert(binary_form=True))


def test_certificates_are_read_again(tmp_path):
    cert, key = certs.make(tmp_path, "old")
    old = cert.read_text()
    d = Daemon(args=["--tls-cert", str(cert), "--tls-key", str(key)], verify=cert)
    with requests.Session() as s:
        s.verify, s.trust_env = str(cert), False
        assert s.get(d.url + "/healthz", timeout=PATIENCE).status_code == 200
        new_cert, new_key = certs.make(tmp_path, "new")
        # a certificate without its key changes nothing, and is said
        cert.write_text(new_cert.read_text())
        d.proc.send_signal(signal.SIGHUP)
        until("the daemon says so", lambda: "certificate_not_reloaded" in open(d.err.name).read())
        assert peer(d).strip() == old.strip()
        key.write_text(new_key.read_text())
        d.proc.send_signal(signal.SIGHUP)
        until("the new certificate is shown", lambda: peer(d).strip() == new_cert.read_text().strip())
        assert s.get(d.url + "/healthz", timeout=PATIENCE).status_code == 200  # the connection that was open goes on
    d.close()


@pytest.mark.parametrize("args, says", [
    (["--tls-cert", "/nonexistent/c"], "--tls-key is missing"),
    (["--tls-key", "/nonexistent/k"], "--tls-cert is missing"),
    (["--auth", "maybe"], "possible values: none, keys"),
])
def test_wrong_options(tmp_path, args, says):
    r = subprocess.run([HEADGATE, "serve", "--data-dir", tmp_path / "d", "--port", "0", *args], capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 2 and says in r.stderr and not (tmp_path / "d").exists(), r


def test_files_that_cannot_be_used(tmp_path):
    r = subprocess.run([HEADGATE, "serve", "--data-dir", tmp_path / "d", "--port", "0", "--tls-cert", "/nonexistent/c", "--tls-key", "/nonexistent/k"],
                       capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 1 and "cannot use the TLS certificate '/nonexistent/c'" in r.stderr and not (tmp_path / "d").exists(), r
    data = tmp_path / "e"
    data.mkdir()
    (data / "admin-key").write_text("hello\n")
    r = subprocess.run([HEADGATE, "serve", "--data-dir", data, "--port", "0", "--auth", "keys"], capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 1 and "admin-key' holds no admin key" in r.stderr, r
    assert (data / "admin-key").read_text() == "hello\n"


def test_the_admin_key_stays(tmp_path):
    d = Daemon(data_dir=str(tmp_path), args=["--auth", "keys"])
    first = d.key = admin_key(d)
    assert "without TLS" in open(d.err.name).read()
    d.ok("POST", "/v0/api_keys", json={"name": "k"})
    d.stop()
    d.start()
    assert admin_key(d) == first and d.get("/v0/api_keys/k").json()[0]["role"] == "read"
    d.close()
