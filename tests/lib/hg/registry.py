"""A schema registry under test control: the part of Confluent's REST API that clients use, with failures on demand.

Not `srfake` (a Go module): the tests need no second tool chain, and this one can be down, refuse, and remember what it was asked."""
import base64
import io
import json
import urllib.parse

import fastavro

from . import web
from .kafka import free_port


class Registry:
    def __init__(self, start=True):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.schemas, self.subjects = {}, {}  # id → answer; subject → ids
        self.asked = []  # "GET /schemas/ids/1"
        self.statuses = []  # answers to give first
        self.incompatible = set()  # subjects that take no other schema
        self.user = None  # "name:password" or "Bearer …" that is asked for
        self.server = None
        if start:
            self.start()

    def start(self):
        self.server = web.Server(_Handler, self, self.port)

    def stop(self):
        if self.server:
            self.server.close()
        self.server = None

    def add(self, subject, schema, references=()):
        """Registers a schema (as Python or as text) and returns its id."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        for i, s in self.schemas.items():
            if s["schema"] == text and s.get("references", []) == list(references):
                break
        else:
            i = 1000 + len(self.schemas)
            self.schemas[i] = {"schema": text, **({"references": list(references)} if references else {})}
        if i not in self.subjects.setdefault(subject, []):
            self.subjects[subject].append(i)
        return i

    def parse(self, text, references, named):
        """Is it a schema, with what it refers to?"""
        for ref in references:
            other = self.schemas[self.subjects[ref["subject"]][ref["version"] - 1]]
            self.parse(other["schema"], other.get("references", ()), named)
        fastavro.parse_schema(json.loads(text), named_schemas=named)

    def schema(self, subject):
        """The newest schema of a subject, as Python."""
        return json.loads(self.schemas[self.subjects[subject][-1]]["schema"])

    def read(self, message):
        """What a message of Confluent's wire format holds."""
        assert message[0] == 0, message
        schema = json.loads(self.schemas[int.from_bytes(message[1:5], "big")]["schema"])
        body = io.BytesIO(message[5:])
        value = fastavro.schemaless_reader(body, fastavro.parse_schema(schema))
        assert not body.read(), message
        return value


def message(schema_id, schema, value, named=None):
    """Confluent's wire format; schema_id None: the value alone."""
    out = io.BytesIO()
    parsed = fastavro.parse_schema(schema, named_schemas=named if named is not None else {})
    fastavro.schemaless_writer(out, parsed, value)
    return (b"" if schema_id is None else b"\0" + schema_id.to_bytes(4, "big")) + out.getvalue()


class _Handler(web.Handler):
    def say(self, status, value):
        self.answer(status, json.dumps(value), "application/vnd.schemaregistry.v1+json")

    def refused(self):
        r = self.owner
        r.asked.append(f"{self.command} {self.path}")
        if r.statuses:
            self.say(r.statuses.pop(0), {"error_code": 50002, "message": "not now"})
            return True
        want = r.user and (r.user if r.user.startswith("Bearer ") else "Basic " + base64.b64encode(r.user.encode()).decode())
        if want and self.headers.get("Authorization") != want:
            self.say(401, {"error_code": 40101, "message": "Unauthorized"})
            return True
        return False

    def do_GET(self):
        if self.refused():
            return
        r, parts = self.owner, [urllib.parse.unquote(p) for p in self.path.strip("/").split("/")]
        if parts == ["subjects"]:
            self.say(200, list(r.subjects))
        elif parts[0] == "subjects" and parts[1] in r.subjects and parts[2:] == ["versions"]:
            self.say(200, [i + 1 for i in range(len(r.subjects[parts[1]]))])
        elif parts[:2] == ["schemas", "ids"] and int(parts[2]) in r.schemas:
            self.say(200, r.schemas[int(parts[2])])
        elif parts[:1] == ["schemas"]:
            self.say(404, {"error_code": 40403, "message": f"Schema {parts[2]} not found"})
        elif parts[0] == "subjects" and parts[1] in r.subjects:
            version = len(r.subjects[parts[1]]) if parts[3] == "latest" else int(parts[3])
            i = r.subjects[parts[1]][version - 1]
            self.say(200, {"subject": parts[1], "version": version, "id": i, **r.schemas[i]})
        else:
            self.say(404, {"error_code": 40401, "message": f"Subject '{parts[1]}' not found."})

    def do_PUT(self):
        """A subject's compatibility: here any level but NONE takes no other schema."""
        level = json.loads(self.body_sent())["compatibility"]
        if self.refused():
            return
        r, subject = self.owner, urllib.parse.unquote(self.path.split("/")[2])
        (r.incompatible.discard if level == "NONE" else r.incompatible.add)(subject)
        self.say(200, {"compatibility": level})

    def do_POST(self):
        body = json.loads(self.body_sent())
        if self.refused():
            return
        r, subject = self.owner, urllib.parse.unquote(self.path.split("/")[2])
        try:
            r.parse(body["schema"], body.get("references", ()), {})
        except Exception as e:
            self.say(422, {"error_code": 42201, "message": f"Invalid schema: {e}"})
            return
        if subject in r.incompatible and body["schema"] not in (r.schemas[i]["schema"] for i in r.subjects[subject]):
            self.say(409, {"error_code": 409, "message": "Schema being registered is incompatible with an earlier schema"})
            return
        self.say(200, {"id": r.add(subject, body["schema"], body.get("references", ()))})
