"""The HTTP API of `headgate connectors` beside that of Apache Iggy's own runtime: the same configuration, plugins and questions; statuses, content
types, headers, members, their types and their values are compared, and what differs on purpose is in DIFFERENT with its reason.

What the other one answers was recorded (RECORD) from its 0.5.0-edge.4 (commit cc269ef). With IGGY_CONNECTORS naming its binary it is asked anew and
must still answer so; HG_RECORD=1 writes the file then."""
import collections
import http.client
import json
import os
import pathlib
import re
import signal
import tomllib

import pytest
from hg import BUILD, until
from hg.connectors import THEIRS, Runtime, TheirRuntime
from hg.iggy import Server

RECORD = pathlib.Path(__file__).with_name("iggy_runtime_answers.json")
MESSAGES = 5
JSON = {"content-type": "application/json"}
BODY = {"enabled": True, "name": "Second", "path": "nowhere", "streams": [{"stream": "s", "topics": ["t"], "schema": "json"}]}
SOURCE = BODY | {"streams": [{"stream": "s", "topic": "t", "schema": "raw"}], "plugin_config": {"b": [1, {"c": "d"}], "a": 2.5}, "verbose": True}

# What is beside the members of Iggy's runtime; docs/connectors-runtime.md says what they mean.
OURS = {"why", "last_batch_at", "dead_letters", "skipped", "retries", "restarts", "plugin_processes", "plugin_memory_usage"}
# Members whose values say nothing here: their types are compared.
VOLATILE = {"id", "process_id", "cpu_usage", "total_cpu_usage", "memory_usage", "total_memory", "available_memory", "run_time", "start_time", "timestamp",
            "connectors_runtime_version", "connectors_runtime_version_semver", "version_semver", "messages_produced", "messages_sent"}
# Headers that clients look at.
HEADERS = ("content-type", "allow", "vary", "access-control-allow-origin", "access-control-allow-methods", "access-control-allow-headers",
           "access-control-allow-credentials", "access-control-expose-headers", "access-control-allow-private-network", "access-control-max-age")


def get(*paths):
    return [("GET", p, {}, None) for p in paths]


def body(method, path, value, headers=JSON):
    return method, path, headers, value if isinstance(value, str) else json.dumps(value)


READING = [
    *get("/", "/health", "/stats", "/metrics", "/nothing", "/sinks/", "/sinks/show/", "/sinks/show/nothing"),
    *get("/sinks", "/sources", "/sinks/show", "/sources/gen", "/sinks/none", "/sources/none", "/sinks/gen", "/sinks/sh%6fw", "/sinks/off"),
    *(q for k, key in (("sinks", "show"), ("sources", "gen")) for q in get(
        f"/{k}/{key}/transforms", f"/{k}/none/transforms", f"/{k}/{key}/configs", f"/{k}/none/configs", f"/{k}/{key}/configs/0",
        f"/{k}/none/configs/0", f"/{k}/{key}/configs/7", f"/{k}/{key}/configs/x", f"/{k}/{key}/configs/-1", f"/{k}/{key}/configs/active",
        f"/{k}/none/configs/active", f"/{k}/{key}/configs/plugin", f"/{k}/none/configs/plugin", f"/{k}/{key}/configs/plugin?format=json",
        f"/{k}/{key}/configs/plugin?format=toml", f"/{k}/{key}/configs/plugin?format=yaml", f"/{k}/{key}/configs/plugin?format=text",
        f"/{k}/{key}/configs/plugin?format=xml", f"/{k}/{key}/configs/plugin?format=")),
    ("HEAD", "/sinks", {}, None), ("HEAD", "/", {}, None), ("HEAD", "/nothing", {}, None), ("OPTIONS", "/sinks", {}, None),
    ("POST", "/stats", {}, None), ("DELETE", "/sinks", {}, None), ("PUT", "/sinks/show/configs", {}, None), ("POST", "/sinks/show", {}, None),
    ("GET", "/sinks/show/restart", {}, None), ("POST", "/sinks/show/configs/active", {}, None), ("POST", "/metrics", {}, None),
]
WRITING = [
    ("POST", "/sinks/show/restart", {}, None), ("POST", "/sinks/none/restart", {}, None), ("POST", "/sources/none/restart", {}, None),
    body("POST", "/sinks/show/restart", {"a": 1}),
    body("POST", "/sinks/show/configs", BODY), body("POST", "/sources/gen/configs", SOURCE), body("POST", "/sinks/fresh/configs", BODY),
    body("POST", "/sinks/show/configs", BODY | {"transforms": {"add_fields": {"enabled": True, "fields": []}}, "plugin_config_format": "yaml", "benchmark": True,
                                                "plugin_config": {}}),
    *get("/sinks/show/configs", "/sinks/show/configs/1", "/sinks/show/configs/2", "/sinks/show/configs/active", "/sinks/show", "/sinks/fresh", "/sinks/fresh/configs"),
    *get("/sources/gen/configs"),
    body("POST", "/sinks/show/configs", "{"), body("POST", "/sinks/show/configs", ""), body("POST", "/sinks/show/configs", {"name": "x"}),
    body("POST", "/sinks/show/configs", BODY | {"enabled": "yes"}), body("POST", "/sinks/show/configs", BODY | {"streams": [{"stream": "s"}]}),
    body("POST", "/sinks/show/configs", BODY | {"plugin_config_format": "xml"}), body("POST", "/sinks/show/configs", BODY, {}),
    body("POST", "/sinks/show/configs", BODY, {"content-type": "text/plain"}),
    body("POST", "/sources/gen/configs", BODY),
    body("PUT", "/sinks/show/configs/active", {"version": 0}), body("PUT", "/sinks/show/configs/active", {"version": 9}),
    body("PUT", "/sinks/none/configs/active", {"version": 0}), body("PUT", "/sinks/show/configs/active", {"version": "0"}),
    body("PUT", "/sinks/show/configs/active", {"version": -1}), body("PUT", "/sinks/show/configs/active", {}), body("PUT", "/sinks/show/configs/active", "["),
    body("PUT", "/sinks/show/configs/active", {"version": 0}, {}),
    ("DELETE", "/sinks/show/configs?version=2", {}, None), ("DELETE", "/sinks/show/configs?version=2", {}, None),
    ("DELETE", "/sinks/show/configs?version=x", {}, None), ("DELETE", "/sinks/none/configs", {}, None), ("DELETE", "/sources/gen/configs", {}, None),
    ("DELETE", "/sinks/show/configs", {}, None), *get("/sinks/show/configs", "/sources/gen/configs"),
]
ORIGIN = {"origin": "https://shop.example"}
PREFLIGHT = {"access-control-request-method": "PUT", "access-control-request-headers": "api-key"}
KEY = {"api-key": "k"}


def crossing(headers):
    return [("GET", "/", {**headers, **KEY}, None), ("GET", "/sinks", {**headers, **KEY}, None), ("GET", "/sinks/none", {**headers, **KEY}, None),
            ("GET", "/nothing", {**headers, **KEY}, None), ("GET", "/sinks", headers, None), ("DELETE", "/sinks", {**headers, **KEY}, None),
            ("OPTIONS", "/sinks", {**headers, **PREFLIGHT}, None), ("OPTIONS", "/nothing", {**headers, **PREFLIGHT}, None), ("OPTIONS", "/sinks", headers, None),
            ("OPTIONS", "/sinks", {**headers, **PREFLIGHT, "access-control-request-private-network": "true"}, None)]


GUARDED = [*get("/", "/health", "/stats", "/metrics", "/sinks", "/nothing"), ("GET", "/sinks", {"api-key": "kk"}, None), ("GET", "/sinks", KEY, None),
           ("GET", "/metrics", KEY, None), ("GET", "/nothing", KEY, None), ("POST", "/sinks/show/restart", {}, None), ("HEAD", "/sinks", {}, None),
           *crossing({}), *crossing(ORIGIN), *crossing({"origin": "https://other.example"})]
CORS = {"enabled": True, "allowed_methods": ["GET", "put"], "allowed_origins": ["https://shop.example", "https://a.example"],
        "allowed_headers": ["content-type", "", "api-key"], "exposed_headers": ["x-a", "x-b"], "allow_credentials": True, "allow_private_network": True}
CASES = {  # what it is configured with, what is asked
    "reading": ({"metrics": {"enabled": True}}, READING),
    "writing": ({}, WRITING),
    "guarded": ({"api_key": "k", "metrics": {"enabled": True}, "cors": CORS}, GUARDED),
    "any_origin": ({"cors": {"enabled": True}}, crossing(ORIGIN) + crossing({})),
}
# (case, question) -> why ours is another answer. Each must still be one.
SHOWN, GONE, ORDER = "it is switched off, and shown", "no such version: that is a 404", "in the order of the file; texts of YAML in quotes"
DIFFERENT = {
    ("reading", "GET /sinks/off"): SHOWN,
    ("reading", "GET /sinks/show/configs/7"): GONE,
    ("reading", "GET /sources/gen/configs/7"): GONE,
    ("reading", "GET /sinks/show/configs/plugin?format=yaml"): ORDER,
    ("reading", "GET /sinks/show/configs/plugin?format=text"): ORDER,
    ("reading", "GET /sources/gen/configs/plugin?format=yaml"): ORDER,
    ("writing", 'PUT /sinks/show/configs/active {"version": 9}'): GONE,
    ("writing", 'PUT /sinks/none/configs/active {"version": 0}'): GONE,
    ("writing", "DELETE /sinks/show/configs?version=2 again"): GONE,
    ("writing", "DELETE /sinks/none/configs"): GONE,
    ("writing", "DELETE /sources/gen/configs"): GONE,
}


def shape(value, name=None):
    """Without what is never the same."""
    if isinstance(value, dict):
        return {k: shape(v, k) for k, v in sorted(value.items()) if k not in OURS}
    if isinstance(value, list):
        made = [shape(v, name) for v in value if not (isinstance(v, dict) and v.get("key") == "off")]  # SHOWN
        key = next((k for k in ("version", "key", "type") if made and all(isinstance(m, dict) and k in m for m in made)), None)
        return sorted(made, key=lambda m: str(m[key])) if key else made
    if name in VOLATILE:
        return "a number" if isinstance(value, (int, float)) else type(value).__name__
    return os.path.basename(value) if name == "path" and isinstance(value, str) else value


def said(answer, text):
    kind = answer.getheader("content-type")
    if kind == "application/json":
        return shape(json.loads(text)) if text else ""
    if kind == "application/toml":
        return tomllib.loads(text)
    if text.endswith("# EOF\n"):  # names and labels
        lines = [line if line.startswith("#") else re.sub(r" \S+$", "", line) for line in text.splitlines()]
        return sorted(line for line in lines if not re.search('headgate_|connector_key="off"', line))
    return text if answer.status == 200 or not text else "a sentence"  # of the web framework's


def put(runtime, question):
    method, path, headers, data = question
    c = http.client.HTTPConnection(runtime.url.removeprefix("http://"), timeout=60)
    try:
        c.request(method, path, data, headers)
        r = c.getresponse()
        text = r.read().decode()
    except (http.client.HTTPException, ConnectionError):
        return {"status": "the connection was closed"}
    finally:
        c.close()
    found = {h: r.getheader(h) for h in HEADERS if r.getheader(h) is not None}
    if "vary" in found:  # names of headers
        found["vary"] = found["vary"].lower()
    if method == "OPTIONS" and r.status == 200:
        found.pop("allow", None)  # on preflights there, which are asked for the other headers
    if "allow" in found:
        found["allow"] = ",".join(sorted(found["allow"].replace(" ", "").split(",")))
    return {"status": r.status, **found, "says": said(r, text) if method != "HEAD" else ""}


def plain(runtime, path, headers):
    c = http.client.HTTPConnection(runtime.url.removeprefix("http://"), timeout=60)
    try:
        c.request("GET", path, headers=headers)
        return c.getresponse().read().decode()
    finally:
        c.close()


def name_of(question):
    method, path, headers, data = question
    extra = " ".join(f"{k}={v}" for k, v in headers.items() if headers is not JSON)
    return " ".join(w for w in (method, path, extra, data) if w)


def files(folder):
    """What the API has left in the folder of configurations."""
    found = {p.name: tomllib.loads(p.read_text()) for p in sorted(folder.iterdir()) if p.suffix == ".toml"}
    for config in found.values():
        config.pop("path", None)
    # what is false or empty is written there, and left out here
    return {name: {k: v for k, v in config.items() if v is not False and v != {}} for name, config in found.items()}


def answers(kind, folder, case):
    http_config, questions = CASES[case]
    server = Server()
    r = kind(folder, server, http={"address": "127.0.0.1:0"} | http_config)
    try:
        with server.client() as c:
            c.create("s", "t")
            c.send("s", "t", [f'{{"n":{i}}}' for i in range(MESSAGES)])
        plugins = BUILD / "plugins"
        r.sink("show", plugin={"print_payload": False, "list": [1, 2], "nested": {"b": "x: y", "a": 1.5}}, path=plugins / "libiggy_connector_stdout_sink",
               transforms={"add_fields": {"fields": [{"key": "a", "value": {"static": 1}}]}, "filter_fields": {"enabled": False}})
        r.source("gen", topic="made", plugin={"interval": "10ms", "messages_range": [1, 2]}, path=plugins / "libiggy_connector_random_source",
                 plugin_config_format="json")
        r.sink("off", path=plugins / "libiggy_connector_stdout_sink", enabled=False)
        r.start()
        ask = KEY if "api_key" in http_config else {}

        def through():
            counted = {x["key"]: x for x in json.loads(plain(r, "/stats", ask))["connectors"]}
            if counted["show"]["messages_processed"] < MESSAGES or not counted["gen"]["messages_sent"]:
                return False
            # the last stage of both is timed behind that
            return "metrics" not in http_config or plain(r, "/metrics", ask).count('le="+Inf"') == 4 + 5
        until("messages went both ways", through)
        got, names = [], collections.Counter()
        for q in questions:
            names[name_of(q)] += 1
            got.append([name_of(q) + " again" * (names[name_of(q)] - 1), put(r, q)])
        if case == "writing":
            got.append(["files", files(r.dir / "connectors")])
        return got
    finally:
        r.stop(signal.SIGKILL)
        server.close()


@pytest.fixture(scope="module")
def recorded():
    found = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    yield found
    if os.environ.get("HG_RECORD") == "1":
        assert THEIRS, "HG_RECORD=1 records Apache Iggy's runtime: IGGY_CONNECTORS names its binary"
        RECORD.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def differences(case, one, other):
    for (question, a), (same, b) in zip(one, other, strict=True):
        assert question == same
        if a != b:
            yield question, "".join(f"\n    {k}: {a.get(k)!r}\n    {' ' * len(k)}  {b.get(k)!r}" for k in sorted({*a, *b}) if a.get(k) != b.get(k))


@pytest.mark.parametrize("case", CASES)
def test_answers_are_the_same(tmp_path, recorded, case):
    if THEIRS:
        theirs = json.loads(json.dumps(answers(TheirRuntime, tmp_path / "theirs", case)))
        if os.environ.get("HG_RECORD") == "1":
            recorded[case] = theirs
        changed = [q + d for q, d in differences(case, recorded[case], theirs)]
        assert not changed, "\n".join(["it answers otherwise than recorded:", *changed])
    ours = json.loads(json.dumps(answers(Runtime, tmp_path / "ours", case)))
    found = dict(differences(case, recorded[case], ours))
    expected = {q for c, q in DIFFERENT if c == case}
    assert not found.keys() - expected, "\n".join(["theirs and ours:", *(q + d for q, d in found.items() if q not in expected)])
    assert not expected - found.keys(), f"no difference any more: {expected - found.keys()}"
