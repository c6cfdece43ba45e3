"""Do the shapes of tests/lib/hg/shapes.py see what is wrong? Real answers, one of each kind, are damaged in every way that a client would stumble
over, member by member; each damage must be found."""
import copy
import json
import os
import subprocess
import urllib.parse

import pytest
import requests

from hg import FDA, PATIENCE, shapes, until
from hg.sql import datagen, file_out, table, view

PROGRAM = (table("t", "n BIGINT NOT NULL PRIMARY KEY, s VARCHAR", datagen("g", {"limit": 10}, labels=["a"]), datagen("h", {"limit": 5}, start_after="a"),
                 materialized=True))


class Answer:
    """As much of an answer as shapes.check looks at."""

    def __init__(self, of, status=None, headers=None, text=None):
        self.status_code = of.status_code if status is None else status
        self.headers = {**of.headers, **(headers or {})}
        self.text = of.text if text is None else text
        self.content = self.text.encode()


@pytest.fixture(scope="module")
def answers_of_all(daemon, tmp_path_factory):
    """{what was asked: (method, path, answer)}"""
    got, d, p = {}, daemon, "/v0/pipelines/shapes"
    text = PROGRAM + view("v", "SELECT n FROM t", file_out("o", tmp_path_factory.mktemp("shapes") / "o.json"))

    def ask(method, path, **kw):
        r = d.request(method, path, **kw)
        got[f"{method} {path.replace(p, '')} {r.status_code}"] = method, path, r
        return r
    body = {"name": "shapes", "program_code": text, "runtime_config": {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}}
    ask("GET", p)
    ask("POST", "/v0/pipelines", json={"name": ""})
    ask("POST", "/v0/pipelines", json=body)
    until("it is compiled", lambda: d.get(p).json()["program_status"] == "Success")
    ask("GET", f"{p}/stats")
    ask("POST", f"{p}/start")
    d.wait_status("shapes", "Running")
    d.wait_complete("shapes")
    ask("PATCH", p, json={"tags": ["x"]})
    ask("POST", f"{p}/checkpoint")
    until("the checkpoint is there", lambda: d.get(f"{p}/checkpoints").json())
    token = d.ingress("shapes", "t", '{"n": 100}').json()["token"]
    d.ingress("shapes", "t", '{"n": "x"}')  # for the lists of errors
    for path in ("", "?selector=status", "/stats", "/stats?include_connector_errors=true", "/tables/t/connectors/g/stats", "/views/v/connectors/o/stats",
                 "/tables/t/connectors/g/completion_token", "/completion_status?" + urllib.parse.urlencode({"token": token}), "/completion_status?token=x",
                 "/tables/t/connectors/g/position", "/checkpoint_status", "/checkpoints", "/suspendable", "/time_series", "/events", "/events/latest",
                 "/orchestration", "/dataflow_graph", "/circuit_json_profile", "/tables/t/connectors/g/why", "/tables/t/connectors/zz/why", "/metrics", "/metrics?format=json",
                 "/query?format=json&sql=SELECT+1", "/query?format=json&sql=SELEC"):
        ask("GET", p + path)
    ask("POST", f"{p}/diff", json={})
    ask("POST", f"{p}/views/v/connectors/o/pause")
    ask("POST", f"{p}/pause")
    for path in ("/v0/pipelines", "/v0/pipelines?selector=status", "/v0/config", "/config/authentication", "/healthz", "/v0/cluster_healthz",
                 "/v0/cluster/events", "/v0/cluster/events/latest", "/v0/tenants", "/v0/config/session", "/v0/nothing"):
        ask("GET", path)
    ask("POST", "/v0/api_keys", json={"name": "shapes", "role": "read"})
    ask("GET", "/v0/api_keys")
    ask("DELETE", "/v0/api_keys/shapes")
    d.stop_pipeline("shapes")
    bad = {**body, "name": "shapes2", "program_code": "CREATE VIEW v AS SELECT x FROM y;"}
    ask("PUT", "/v0/pipelines/shapes2", json=bad)
    until("it is refused", lambda: d.get("/v0/pipelines/shapes2").json()["program_status"] == "SqlError")
    ask("GET", "/v0/pipelines/shapes2")
    return got


def damages(value, shape):
    """Each way to break `value` that its shape has to see: a list of functions that return a broken copy of the whole."""
    found = []

    def visit(v, s, put, where, nullable=False):
        """put(x): the whole with x instead of v"""
        if isinstance(s, tuple) and s[0] == "?":
            return visit(v, s[1], put, where, True) if v is not None else None
        if isinstance(s, str):
            wrong = {"int": 1.0, "count": -1, "u64": 2.0, "bool": "true", "str": 5, "object": [], "time": "2026-01-01 00:00:00", "uuid": "x"}[s]
            found.append((f"{where} = {wrong!r}", put(wrong)))
            if s in ("count", "u64"):
                found.append((f"{where} with a point", put(float(v or 1))))
            if not nullable:
                found.append((f"{where} = null", put(None)))
        elif isinstance(s, (set, frozenset)):
            found.append((f"{where} = a new word", put("Sideways")))
        elif isinstance(s, list):
            found.append((f"{where} is an object", put({})))
            for i, x in enumerate(v[:2]):
                visit(x, s[0], lambda y, i=i: put([*v[:i], y, *v[i + 1:]]), f"{where}[{i}]")
        elif isinstance(s, tuple):  # any, map
            found.append((f"{where} = 7", put(7)))
        elif isinstance(s, dict):
            found.append((f"{where} is a list", put([])))
            for k, inner in s.items():
                name = k.rstrip("?")
                if name not in v:
                    continue
                if not k.endswith("?"):
                    found.append((f"{where} without {name}", put({a: b for a, b in v.items() if a != name})))
                visit(v[name], inner, lambda y, name=name: put({**v, name: y}), f"{where}.{name}")
    visit(value, shape, lambda x: x, "answer")
    return found


def shape_of(method, path, status):
    if status >= 400:
        return shapes.ERROR
    url = urllib.parse.urlsplit(path)
    shape = shapes.route(method, url.path)[-1]
    if shape in ("list", "selected"):
        one = shapes.STATUS if "selector=status" in url.query else shapes.ALL
        return [one] if shape == "list" else one
    return shapes.METRICS if "/metrics?format=json" in path else shape


def passes(method, path, answer):
    try:
        shapes.check(method, path, answer)
    except AssertionError:
        return False
    return True


def test_every_damage_is_seen(answers_of_all):
    tried = 0
    unseen = []
    for name, (method, path, r) in answers_of_all.items():
        assert passes(method, path, Answer(r)), name
        wrong = [("status", Answer(r, status=299 if r.status_code < 400 else 418)), ("status", Answer(r, status=502))]
        if r.text:
            wrong += [("content type", Answer(r, headers={"Content-Type": t})) for t in ("text/html", "application/json; charset=utf-8", None)]
        else:
            wrong += [("a body where none belongs", Answer(r, text="{}")), ("length", Answer(r, headers={"Content-Length": "2"}))]
        if method == "GET" and "Cache-Control" in r.headers and r.status_code < 400:
            wrong.append(("may be cached", Answer(r, headers={"Cache-Control": "public"})))
        if "Retry-After" in r.headers:
            wrong.append(("no Retry-After", Answer(r, headers={"Retry-After": None})))
        shape = shape_of(method, path, r.status_code)
        if r.headers.get("Content-Type") == "application/json" and shape is not None:
            value = json.loads(r.text)
            wrong += [(what, Answer(r, text=json.dumps(v))) for what, v in damages(copy.deepcopy(value), shape)]
            if r.status_code >= 400:
                wrong.append(("an unknown code", Answer(r, text=json.dumps({**value, "error_code": "Sideways"}))))
                wrong.append(("another status", Answer(r, status=409 if r.status_code != 409 else 400)))
        tried += len(wrong)
        unseen += [f"{name}: {what}" for what, a in wrong if passes(method, path, a)]
    assert not unseen, "\n".join(unseen)
    assert tried > 1500, tried


def test_calls_of_others_are_checked(web):
    """As the SDK calls: with requests, nothing of ours between. What is wrong is noted, for a thread's exception is seen by nobody."""
    web.add("/healthz", b'{"status":"healthy"}')  # with no content type
    shapes.watch(web.url)
    with pytest.raises(AssertionError, match="Content-Type"):
        requests.get(web.url + "/healthz")
    assert len(shapes.wrong) == 1
    shapes.wrong.clear()


def test_programs_are_overheard(own, monkeypatch):
    """fda's own calls: each is judged, a stream that it leaves too, and what is wrong fails the daemon's end."""
    def fda(*args):
        return subprocess.run([FDA, *args], env={**os.environ, "FELDERA_HOST": own.overheard}, capture_output=True, text=True, timeout=PATIENCE)
    assert fda("pipelines").returncode == 0
    listing = next(r for r in shapes.ROUTES if r[1] == r"/v0/pipelines" and r[0] == "GET")
    until("the calls are judged", lambda: own._witness.exchanges)
    assert not shapes.wrong
    monkeypatch.setattr(shapes, "ROUTES", [r for r in shapes.ROUTES if r is not listing])
    assert fda("pipelines").returncode == 0
    assert "no shape is written down for this call" in until("it is told", lambda: list(shapes.wrong))[0]
    shapes.wrong.clear()
