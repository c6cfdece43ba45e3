"""Stand-ins for services that take records over HTTP: a plain receiver, Elasticsearch's bulk and search, Quickwit's ingest. They are no such services: they
keep what the tests ask for, and fail on request."""
import json
import re
import threading
import urllib.parse

from . import web


class Receiver:
    """Keeps every request: (method, path, headers, body). fail(n, request) → None, or (status, headers, body) to answer to the n-th (from 1) instead;
    what was refused is in `refused`, not in `requests`. gate: an Event that every answer waits for."""

    def __init__(self):
        self.requests, self.refused, self.n = [], [], 0
        self.fail, self.gate = lambda n, request: None, None
        self.lock = threading.Lock()
        self.arrived = threading.Semaphore(0)
        self.server = web.Server(_Handler, self)
        self.url = self.server.url

    def answer(self, request):
        return 200, {}, b""

    def close(self):
        if self.gate:
            self.gate.set()
        self.server.close()

    def take(self, request):
        self.arrived.release()
        if self.gate:
            self.gate.wait()
        with self.lock:
            self.n += 1
            instead = self.fail(self.n, request)
            (self.refused if instead else self.requests).append(request)
            return instead or self.answer(request)


class Elasticsearch(Receiver):
    """indexes: {name: {id: document}}. item(doc) → None, or (status, type, reason) for that item of a bulk."""

    def __init__(self):
        super().__init__()
        self.indexes, self.mappings, self.item, self.auth = {}, {}, lambda doc: None, None
        self.made = 0

    def answer(self, request):
        method, path, headers, body = request
        parts = [urllib.parse.unquote(p) for p in path.split("?")[0].strip("/").split("/")]
        if self.auth and headers.get("Authorization") != self.auth:
            return 401, {}, b'{"error":"security_exception"}'
        if parts == [""]:
            return 200, {}, b'{"version":{"number":"8.0.0"}}'
        if parts[-1] == "_bulk":
            return self.bulk(parts[0], body)
        if parts[-1] == "_search":
            return self.search(parts[0], json.loads(body))
        if method == "HEAD":
            return (200 if parts[0] in self.indexes else 404), {}, b""
        if method == "PUT":
            if parts[0] in self.indexes:
                return 400, {}, b'{"error":{"type":"resource_already_exists_exception"}}'
            self.indexes[parts[0]], self.mappings[parts[0]] = {}, json.loads(body or b"null")
            return 200, {}, b"{}"
        return 404, {}, b"{}"

    def bulk(self, index, body):
        lines = body.split(b"\n")
        assert lines[-1] == b""
        items, errors = [], False
        for action, doc in zip(lines[0:-1:2], lines[1:-1:2]):
            action, doc = json.loads(action), json.loads(doc)
            assert list(action) == ["index"], action
            bad = self.item(doc)
            if bad:
                errors = True
                items.append({"index": {"status": bad[0], "error": {"type": bad[1], "reason": bad[2]}}})
                continue
            self.made += 1
            name = action["index"].get("_id", f"made-{self.made}")
            known = name in self.indexes[index]
            self.indexes[index][name] = doc
            items.append({"index": {"_id": name, "status": 200 if known else 201}})
        return 200, {}, json.dumps({"took": 1, "errors": errors, "items": items}).encode()

    def search(self, index, q):
        """A bool of range filters, terms on _id, and match_all; one sort field; size."""
        if index not in self.indexes:
            return 404, {}, b'{"error":{"type":"index_not_found_exception"}}'
        (sort, order), = q["sort"][0].items()
        docs = [(name, d) for name, d in self.indexes[index].items() if self.matches(q["query"], name, d)]
        docs.sort(key=lambda nd: nd[1].get(sort, ""))
        hits = [{"_id": name, "_source": d, "sort": [d.get(sort)]} for name, d in docs[:q["size"]]]
        return 200, {}, json.dumps({"hits": {"total": {"value": len(docs)}, "hits": hits}}).encode()

    def matches(self, q, name, d):
        (kind, arg), = q.items()
        if kind == "match_all":
            return True
        if kind == "range":
            (f, bounds), = arg.items()
            return all({"gt": d.get(f, "") > v, "gte": d.get(f, "") >= v}[op] for op, v in bounds.items() if op in ("gt", "gte"))
        if kind == "exists":
            return arg["field"] in d
        if kind == "ids":
            return name in arg["values"]
        if kind == "term":
            (f, v), = arg.items()
            return d.get(f) == v
        if kind == "bool":
            assert set(arg) <= {"filter", "must", "must_not"}, arg
            return all(self.matches(x, name, d) for part in ("filter", "must") for x in arg.get(part, [])) and \
                not any(self.matches(x, name, d) for x in arg.get("must_not", []))
        raise AssertionError(q)


class Quickwit(Receiver):
    """indexes: {id: [documents]}."""

    def __init__(self):
        super().__init__()
        self.indexes, self.configs = {}, []

    def answer(self, request):
        method, path, headers, body = request
        ingest = re.fullmatch(r"/api/v1/([^/]+)/ingest\?commit=auto", path)
        if ingest:
            self.indexes[ingest[1]] += [json.loads(line) for line in body.split(b"\n")[:-1]]
            return 200, {}, b'{"num_docs_for_processing": 1}'
        if method == "POST" and path == "/api/v1/indexes":
            assert headers["Content-Type"] == "application/yaml"
            self.configs.append(body.decode())
            self.indexes[re.search(r"^index_id:\s*['\"]?([\w.-]+)", body.decode(), re.M)[1]] = []
            return 200, {}, b"{}"
        name = path.rsplit("/", 1)[1]
        return (200 if name in self.indexes else 404), {}, b"{}"


class _Handler(web.Handler):
    def serve(self):
        status, headers, answer = self.owner.take((self.command, self.path, self.headers, self.body_sent()))
        if status == 0:
            self.cut()
        else:
            self.answer(status, answer, **headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve
