"""An Iceberg REST catalog under test control. A stand-in: its paths and its faults are of the tests' own. What a table is, whether the requirements of a
commit hold and what its updates make of the table is decided by PyIceberg, whose REST client also reads (and appends to) the same tables."""
import json
import pathlib
import threading
import urllib.parse
import uuid

import pyarrow
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io import FileIO, InputFile
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.table import CommitTableRequest
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import update_table_metadata

from . import web

TOKEN = "geheim/4711"
CREDENTIAL = "who am/I:se:cret&=/4711"  # the secret begins behind the first colon


class Table:
    def __init__(self, metadata):
        self.metadata, self.version, self.config = metadata, 0, {}

    def answer(self):
        return {"metadata-location": f"{self.metadata.location}/metadata/{self.version:05}.metadata.json", "metadata": json.loads(self.metadata.model_dump_json()),
                "config": self.config}


class Catalog:
    """tables: {"ns.name": Table}. fault: called with the number of each commit (from 1); what it says is done:
    a status (nothing is changed), "before" (the connection goes, nothing is changed), "after" (it goes, all is done), (status, "after") (done, and refused).
    token: the one that is asked for. credential: tokens are given for it, and asked for; `live` ones, each for `life` seconds, as it says.
    token_fault: the same as fault, of requests for a token; a status."""

    def __init__(self, folder, port=0, prefix="", token=None, overrides=None, credential=None):
        self.folder, self.prefix, self.token, self.overrides = pathlib.Path(folder), prefix, token, overrides or {}
        self.credential, self.live, self.life, self.given, self.token_fault = credential, set(), 3600, 0, lambda n: None
        self.tables, self.lock = {}, threading.Lock()
        self.fault, self.load_fault = lambda n: None, lambda n: None
        self.commits = self.loads = 0
        self.requests = []
        self.server = web.Server(_Handler, self, port)
        self.url = self.server.url

    def create(self, name, schema, location=None, spec=UNPARTITIONED_PARTITION_SPEC, version=2, **properties):
        location = location or f"file://{self.folder}/{name}"
        metadata = new_table_metadata(schema=schema, partition_spec=spec, sort_order=UNSORTED_SORT_ORDER, location=location, table_uuid=uuid.uuid4(),
                                      properties={"format-version": str(version)} | properties)
        self.tables[name] = Table(metadata)
        return self.tables[name]

    def client(self, **more):
        """PyIceberg's, for the same tables."""
        who = {"token": self.token} if self.token else {"credential": self.credential, "oauth2-server-uri": self.url + "/v1/oauth/tokens"} if self.credential else {}
        return RestCatalog("test", uri=self.url, **who, **more)

    def rows(self, name, **more):
        return self.client(**more).load_table(name).scan().to_arrow().to_pylist()

    def summaries(self, name):
        return [s.summary for s in self.tables[name].metadata.snapshots]

    def close(self):
        self.server.close()


class _Handler(web.Handler):
    def say(self, status, value):
        self.answer(status, json.dumps(value), "application/json")

    def error(self, status, type_, message):
        self.say(status, {"error": {"message": message, "type": type_, "code": status}})

    def do_GET(self):
        self.handle_request(None)

    def do_POST(self):
        self.handle_request(self.body_sent())

    def handle_request(self, body):
        c = self.owner
        url = urllib.parse.urlsplit(self.path)
        c.requests.append((self.command, self.path))
        if c.credential and url.path in ("/v1/oauth/tokens", "/elsewhere"):
            self.give_token(c, dict(urllib.parse.parse_qsl(body.decode())))
            return
        live = {c.token} if c.token else c.live if c.credential else None
        if live is not None and self.headers.get("Authorization", "").removeprefix("Bearer ") not in live:
            self.error(401, "NotAuthorizedException", "no, or another token")
            return
        if url.path == "/v1/config":
            c.warehouse = dict(urllib.parse.parse_qsl(url.query)).get("warehouse")
            self.say(200, {"defaults": {}, "overrides": ({"prefix": c.prefix} if c.prefix else {}) | c.overrides})
            return
        start = f"/v1/{c.prefix}/namespaces/" if c.prefix else "/v1/namespaces/"
        parts = url.path.removeprefix(start).split("/")
        if not url.path.startswith(start) or len(parts) != 3 or parts[1] != "tables":
            self.error(404, "NotFoundException", f"there is nothing at {url.path}")
            return
        name = ".".join([*urllib.parse.unquote(parts[0]).split("\x1f"), urllib.parse.unquote(parts[2])])
        with c.lock:
            table = c.tables.get(name)
            if not table:
                self.error(404, "NoSuchTableException", f"Table does not exist: {name}")
            elif body is None:
                self.load(c, table)
            else:
                self.commit(c, table, body)

    def give_token(self, c, form):
        name, _, secret = c.credential.partition(":")
        with c.lock:
            c.given += 1
            n, status = c.given, c.token_fault(c.given)
        if status:
            self.say(status, {"error": "temporarily_unavailable"})
        elif form != {"grant_type": "client_credentials", "client_id": name, "client_secret": secret, "scope": "catalog"}:
            self.say(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        else:
            c.live.add(f"token-{n}")
            self.say(200, {"access_token": f"token-{n}", "token_type": "bearer", "expires_in": c.life,
                           "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})

    def load(self, c, table):
        c.loads += 1
        status = c.load_fault(c.loads)
        if status:
            self.error(status, "ServiceUnavailableException", "busy")
        else:
            self.say(200, table.answer())

    def commit(self, c, table, body):
        c.commits += 1
        fault = c.fault(c.commits)
        if isinstance(fault, int):
            self.error(fault, "Exception", "as the test wants it")
            return
        if fault == "before":
            self.cut()
            return
        try:
            request = CommitTableRequest.model_validate_json(body)
            for r in request.requirements:
                r.validate(table.metadata)
            table.metadata = update_table_metadata(table.metadata, request.updates)
            table.version += 1
        except CommitFailedException as e:
            self.error(409, "CommitFailedException", str(e))
            return
        except Exception as e:  # what no catalog takes
            self.error(400, "BadRequestException", f"{type(e).__name__}: {e}")
            return
        if fault == "after":
            self.cut()
        elif fault:
            self.error(fault[0], "Exception", "as the test wants it")
        else:
            answer = table.answer()
            del answer["config"]
            self.say(200, answer)


# --- PyIceberg's files in the bucket of the S3 stand-in ------------------------------------------------------------------------------------------

BUCKETS = {}  # address of the stand-in → the stand-in


class _Object(InputFile):
    def __init__(self, location, body):
        super().__init__(location)
        self.body = body

    def __len__(self):
        return len(self.body)

    def exists(self):
        return True

    def open(self, seekable=True):
        return pyarrow.BufferReader(self.body)


class BucketIO(FileIO):
    """Reads objects where the stand-in has them."""

    def new_input(self, location):
        bucket, _, key = location.removeprefix("s3://").partition("/")
        return _Object(location, BUCKETS[self.properties["s3.endpoint"]].buckets[bucket][key].body)

    def new_output(self, location):
        raise NotImplementedError

    def delete(self, location):
        raise NotImplementedError
