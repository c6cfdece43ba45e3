"""A stand-in for MongoDB, by OP_MSG and the older handshake: it keeps what is inserted and fails on request. It is no MongoDB."""
import datetime
import socketserver
import struct
import threading


def decode(b, at=0):
    """(document, position behind it): BSON of the types that are sent here."""
    size, = struct.unpack_from("<i", b, at)
    end, at, out = at + size - 1, at + 4, {}
    while at < end:
        kind, stop = b[at], b.index(0, at + 1)
        key, at = b[at + 1:stop].decode(), stop + 1
        if kind == 1:
            out[key], at = struct.unpack_from("<d", b, at)[0], at + 8
        elif kind == 2:
            n, = struct.unpack_from("<i", b, at)
            out[key], at = b[at + 4:at + 3 + n].decode(), at + 4 + n
        elif kind in (3, 4):
            v, at = decode(b, at)
            out[key] = list(v.values()) if kind == 4 else v
        elif kind == 5:
            n, = struct.unpack_from("<i", b, at)
            out[key], at = b[at + 5:at + 5 + n], at + 5 + n
        elif kind == 8:
            out[key], at = bool(b[at]), at + 1
        elif kind == 9:
            ms, = struct.unpack_from("<q", b, at)
            out[key], at = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc), at + 8
        elif kind == 10:
            out[key] = None
        elif kind == 16:
            out[key], at = struct.unpack_from("<i", b, at)[0], at + 4
        elif kind in (17, 18):
            out[key], at = struct.unpack_from("<q", b, at)[0], at + 8
        else:
            raise AssertionError(f"BSON type {kind}")
    assert at == end and b[end] == 0
    return out, end + 1


def encode(d):
    out = b""
    for k, v in d.items():
        name = k.encode() + b"\0"
        if isinstance(v, bool):
            out += b"\x08" + name + bytes([v])
        elif isinstance(v, int):
            out += b"\x10" + name + struct.pack("<i", v)
        elif isinstance(v, float):
            out += b"\x01" + name + struct.pack("<d", v)
        elif isinstance(v, str):
            out += b"\x02" + name + struct.pack("<i", len(v.encode()) + 1) + v.encode() + b"\0"
        elif isinstance(v, list):
            out += b"\x04" + name + encode({str(i): x for i, x in enumerate(v)})
        else:
            out += b"\x03" + name + encode(v)
    return struct.pack("<i", len(out) + 5) + out + b"\0"


class Server:
    """collections: {"db.name": {_id: document}}. fail(n, command) → None, {…} to answer to the n-th insert instead, or "cut" to end the connection after the
    documents are in. item(document) → None or (code, message) for that document."""

    def __init__(self):
        self.collections, self.inserts, self.commands = {}, 0, []
        self.fail, self.item = lambda n, command: None, lambda doc: None
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.mongo = self
        self.uri = f"mongodb://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def run(self, q):
        name = next(iter(q))
        self.commands.append(name)
        if name.lower() in ("hello", "ismaster"):
            return {"ok": 1.0, "ismaster": True, "isWritablePrimary": True, "helloOk": True, "maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000,
                    "maxWriteBatchSize": 100000, "minWireVersion": 0, "maxWireVersion": 13, "readOnly": False}
        if name == "create":
            full = f"{q['$db']}.{q['create']}"
            if full in self.collections:
                return {"ok": 0.0, "code": 48, "errmsg": "Collection already exists"}
            self.collections[full] = {}
        if name == "insert":
            return self.insert(q)
        return {"ok": 1.0}

    def insert(self, q):
        with self.lock:
            self.inserts += 1
            instead = self.fail(self.inserts, q)
            if instead and instead != "cut":
                return instead
            assert q["ordered"] is False
            known, errors = self.collections.setdefault(f"{q['$db']}.{q['insert']}", {}), []
            for i, d in enumerate(q["documents"]):
                bad = (11000, "duplicate key") if d["_id"] in known else self.item(d)
                if bad:
                    errors.append({"index": i, "code": bad[0], "errmsg": bad[1]})
                else:
                    known[d["_id"]] = d
            return "cut" if instead else {"ok": 1.0, "n": len(q["documents"]) - len(errors), **({"writeErrors": errors} if errors else {})}


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            head = self.rfile.read(16)
            if len(head) < 16:
                return
            size, request, _, op = struct.unpack("<4i", head)
            body = self.rfile.read(size - 16)
            if op == 2004:  # OP_QUERY: the first handshake
                q, _ = decode(body, body.index(0, 4) + 9)
                answer = struct.pack("<iqii", 8, 0, 0, 1) + encode(self.server.mongo.run(q))
                self.send(request, 1, answer)
                continue
            assert op == 2013, op
            q, at, sequences = {}, 4, {}
            while at < len(body):
                kind, at = body[at], at + 1
                if kind == 0:
                    q, at = decode(body, at)
                    continue
                end, stop = at + struct.unpack_from("<i", body, at)[0], body.index(0, at + 4)
                name, at = body[at + 4:stop].decode(), stop + 1
                sequences[name] = []
                while at < end:
                    d, at = decode(body, at)
                    sequences[name].append(d)
            answer = self.server.mongo.run({**q, **sequences})
            if answer == "cut":
                return
            self.send(request, 2013, struct.pack("<i", 0) + b"\0" + encode(answer))

    def send(self, request, op, body):
        self.wfile.write(struct.pack("<4i", 16 + len(body), 0, request, op) + body)
