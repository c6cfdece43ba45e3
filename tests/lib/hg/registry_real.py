"""Schema registries as their users speak to them, by HTTP alone: our stand-in, and any that runs: SCHEMA_REGISTRY=URL, with
SCHEMA_REGISTRY_USER=name:password where it asks for one (CONTRIBUTING.md). What passes on both holds the stand-in to account."""
import io
import json
import os

import fastavro
import requests

from . import PATIENCE, until
from .registry import Registry

KINDS = ["stand-in", *(["running"] if os.environ.get("SCHEMA_REGISTRY") else [])]


class Real:
    def __init__(self, kind):
        self.own, self.session = None, requests.Session()
        self.session.headers["Content-Type"] = "application/vnd.schemaregistry.v1+json"
        if kind == "running":
            self.url = os.environ["SCHEMA_REGISTRY"].rstrip("/")
            user = os.environ.get("SCHEMA_REGISTRY_USER")
        else:
            self.own, user = Registry(), "me:geheim 4711"
            self.url, self.own.user = self.own.url, user
        self.session.auth = tuple(user.split(":", 1)) if user else None
        until("the registry answers", self._answers)

    def _answers(self):
        try:
            return self.session.get(self.url + "/subjects", timeout=PATIENCE).status_code == 200
        except requests.exceptions.ConnectionError:
            return False

    def config(self, **more):
        """What a connector needs to reach it."""
        if self.session.auth:
            more = {"registry_username": self.session.auth[0], "registry_password": self.session.auth[1], **more}
        return {"registry_urls": [self.url], **more}

    def ask(self, method, path, body=None):
        r = self.session.request(method, self.url + path, data=None if body is None else json.dumps(body), timeout=PATIENCE)
        assert r.status_code == 200, (method, path, r.status_code, r.text)
        return r.json()

    def add(self, subject, schema, references=()):
        """Registers a schema and returns its id. References: (name, subject), their newest version."""
        refers = [{"name": n, "subject": s, "version": self.ask("GET", f"/subjects/{s}/versions/latest")["version"]} for n, s in references]
        return self.ask("POST", f"/subjects/{subject}/versions", {"schema": json.dumps(schema), **({"references": refers} if refers else {})})["id"]

    def compatibility(self, subject, level):
        self.ask("PUT", f"/config/{subject}", {"compatibility": level})

    def subjects(self, part):
        return sorted(s for s in self.ask("GET", "/subjects") if part in s)

    def schema(self, subject):
        return json.loads(self.ask("GET", f"/subjects/{subject}/versions/latest")["schema"])

    def read(self, message):
        """What a message of Confluent's wire format holds, by the schema that the registry has for its id."""
        assert message[0] == 0, message
        schema = json.loads(self.ask("GET", f"/schemas/ids/{int.from_bytes(message[1:5], 'big')}")["schema"])
        body = io.BytesIO(message[5:])
        value = fastavro.schemaless_reader(body, fastavro.parse_schema(schema))
        assert not body.read(), message
        return value

    def close(self):
        self.session.close()
        if self.own:
            self.own.stop()
