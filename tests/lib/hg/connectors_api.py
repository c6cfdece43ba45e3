"""The HTTP API of `headgate connectors`: every answer is held against its shape, as in shapes.py."""
import re

import requests

from . import PATIENCE
from .shapes import ANY, check_value, opt, parse

STATUSES = {"starting", "running", "stopping", "stopped", "error"}
FORMATS = {"json", "yaml", "toml", "text"}
SCHEMAS = {"json", "raw", "text", "proto", "flat_buffer", "avro"}
_STREAM = {"stream": "str", "schema": SCHEMAS, "avro_schema_json": opt("str"), "avro_schema_path": opt("str"), "batch_length": opt("count"),
           "codec?": "object"}
STREAM = ("any", {**_STREAM, "topics": ["str"], "poll_interval": opt("str"), "consumer_group": opt("str")},
          {**_STREAM, "topic": "str", "linger_time": opt("str")})
INFO = {"id": "count", "key": "str", "name": "str", "path": "str", "enabled": "bool", "status": STATUSES, "plugin_config_format?": FORMATS,
        "last_error?": {"message": "str", "timestamp": "count"},
        # headgate's
        "why?": "str", "last_batch_at?": "count"}
CONFIG = {"key": "str", "enabled": "bool", "version": "u64", "name": "str", "path": "str", "transforms": opt("object"), "streams": [STREAM],
          "plugin_config_format": opt(FORMATS), "plugin_config": ANY, "verbose": "bool", "benchmark": "bool", "active": "bool",
          "error?": "str", "labels?": ["str"], "start_after?": ANY, "paused?": "bool", "isolation?": {"process", "thread"},
          "offset_commit?": {"after_consuming", "after_polling"}, "errors?": "object", "restart?": "object"}
_COUNTED = {"key": "str", "name": "str", "version": "str", "version_semver?": "count", "status": STATUSES, "enabled": "bool",
            "messages_filtered": "u64", "errors": "u64", "dead_letters": "u64", "skipped": "u64", "retries": "u64", "restarts": "u64"}
STATS = {"connectors_runtime_version": "str", "connectors_runtime_version_semver": "count", "process_id": "count", "cpu_usage": ANY,
         "total_cpu_usage": ANY, "memory_usage": "u64", "plugin_processes": "u64", "plugin_memory_usage": "u64", "total_memory": "u64", "available_memory": "u64", "run_time": "count", "start_time": "count",
         "sources_total": "count", "sources_running": "count", "sinks_total": "count", "sinks_running": "count",
         "connectors": [("any", {**_COUNTED, "connector_type": {"source"}, "messages_produced": "u64", "messages_sent": "u64"},
                         {**_COUNTED, "connector_type": {"sink"}, "messages_consumed": "u64", "messages_processed": "u64"})]}
ERROR = {"code": "str", "reason": "str"}
CODES = {400: {"invalid_configuration", "error"}, 404: {"sink_not_found", "source_not_found", "sink_config_not_found", "source_config_not_found"},
         500: {"http_request_failed", "error"}}
TEXT, JSON = "text/plain; charset=utf-8", "application/json"
K = r"/(?:sinks|sources)"
ROUTES = [  # method, path, status of success, content type, shape
    ("GET", r"/", 200, TEXT, None), ("GET", r"/health", 200, JSON, {"status": {"healthy"}}), ("GET", r"/stats", 200, JSON, STATS),
    ("GET", r"/metrics", 200, TEXT, None), ("GET", r"/orchestration", 200, JSON, "object"), ("GET", K, 200, JSON, [INFO]),
    ("GET", K + r"/[^/]+", 200, JSON, {**INFO, "streams": [STREAM]}),
    ("GET", K + r"/[^/]+/transforms", 200, JSON, [{"type": "str", "config": ANY}]),
    ("GET", K + r"/[^/]+/configs", 200, JSON, [CONFIG]), ("POST", K + r"/[^/]+/configs", 200, JSON, CONFIG),
    ("DELETE", K + r"/[^/]+/configs", 204, None, None), ("GET", K + r"/[^/]+/configs/plugin", 200, ANY, None),
    ("GET", K + r"/[^/]+/configs/active", 200, JSON, CONFIG), ("PUT", K + r"/[^/]+/configs/active", 204, None, None),
    ("GET", K + r"/[^/]+/configs/[^/]+", 200, JSON, CONFIG),
    ("POST", K + r"/[^/]+/(?:restart|pause|start|stop)", 204, None, None)]
seen = set()  # (method, path) of the rows that succeeded


def check(method, path, r):
    where = f"{method} {path} -> {r.status_code}"
    kind = r.headers.get("content-type")
    if r.status_code in (200, 204):
        row = next((x for x in ROUTES if x[0] == method and re.fullmatch(x[1], path.split("?")[0])), None)
        assert row, f"{where}: no such route"
        assert (r.status_code, kind) == (row[2], kind if row[3] is ANY else row[3]), (where, kind)
        if row[4] is not None:
            check_value(parse(r.text), row[4], where)
        seen.add(row[:2])
    elif kind == JSON:
        check_value(parse(r.text), ERROR, where)
        assert r.json()["code"] in CODES[r.status_code], where + r.text
    else:
        assert (kind == TEXT and r.text) if r.status_code in (400, 413, 415, 422) else not r.text, where + r.text
    return r


class Api:
    def __init__(self, url, key=None, verify=None):
        self.url, self.session = url, requests.Session()
        self.session.trust_env = False  # no other authority, no proxy
        self.session.verify = verify
        if key:
            self.session.headers["api-key"] = key

    def ask(self, method, path, **more):
        """The answer, whatever its status."""
        return check(method, path, self.session.request(method, self.url + path, timeout=PATIENCE, **more))

    def ok(self, method, path, **more):
        """What a success says."""
        r = self.ask(method, path, **more)
        assert r.ok, (method, path, r.status_code, r.text)
        return r.json() if r.headers.get("content-type") == JSON else r.text

    def get(self, path):
        return self.ok("GET", path)

    def fails(self, method, path, status, code=None, **more):
        r = self.ask(method, path, **more)
        assert r.status_code == status and (code is None or r.json()["code"] == code), (method, path, r.status_code, r.text)
        return r.text
