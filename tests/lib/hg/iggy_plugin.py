"""A host for connector plugins under test control (tests/tools/iggy_plugin_host.c), and the batches that cross to them: a codec of its own, after the
layouts of docs/iggy-plugins.md, so that the one in C is not measured against itself."""
import base64
import itertools
import json
import os
import queue
import subprocess
import threading

from . import BUILD, PATIENCE

JSON, RAW, TEXT, PROTO, FLAT_BUFFER, AVRO = range(6)
KINDS = {"raw": 0, "string": 1, "bool": 2, "int32": 5, "uint32": 10, "uint64": 11, "float64": 14}
WARN, ERROR = 3, 4


def varint(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    return bytes(out + bytes([v]))


def blob(b):
    return varint(len(b)) + b


def field(kind, raw):
    return varint(KINDS[kind]) + blob(base64.b64encode(raw))


def topic(stream="stream", name="topic"):
    return blob(stream.encode()) + blob(name.encode())


def meta(schema=JSON, partition=1, current=0):
    return varint(partition) + varint(current) + varint(schema)


def messages(payloads, schema=JSON, first=0, ids=None, headers=(), time=1710064800000000):
    """headers: [(kind, key, value bytes)] of every message. time: of the first."""
    block = varint(len(headers)) + b"".join(field("string", k.encode()) + field(kind, v) for kind, k, v in headers) if headers else b""
    out = [varint(schema), varint(len(payloads))]
    for i, p in enumerate(payloads):
        p = p if isinstance(p, bytes) else json.dumps(p).encode()
        out += [varint(ids[i] if ids else (7 << 64) + first + i + 1), varint(first + i), varint(99), varint(time + i), varint(1710064700000000),
                blob(block), blob(p)]
    return b"".join(out)


class In:
    def __init__(self, b):
        self.b, self.at = b, 0

    def varint(self):
        v = shift = 0
        while True:
            c = self.b[self.at]
            self.at += 1
            v |= (c & 0x7F) << shift
            shift += 7
            if c < 0x80:
                return v

    def blob(self):
        n = self.varint()
        self.at += n
        assert self.at <= len(self.b)
        return self.b[self.at - n:self.at]

    def option(self, read):
        has = self.varint()
        assert has in (0, 1)
        return read() if has else None

    def headers(self):
        def one():
            kind = self.varint()
            return kind, base64.b64decode(self.blob(), validate=True)
        return [(one(), one()) for _ in range(self.varint())]


class Batch:
    """ProducedMessages."""

    def __init__(self, b):
        i = In(b)
        self.schema = i.varint()
        self.ids, self.headers, self.payloads = [], [], []
        for _ in range(i.varint()):
            self.ids.append(i.option(i.varint))
            assert [i.option(i.varint) for _ in range(3)] == [None, None, None]
            self.headers.append(i.option(i.headers))
            self.payloads.append(bytes(i.blob()))
        self.state = i.option(i.blob)
        assert i.at == len(b)

    def json(self):
        return [json.loads(p) for p in self.payloads]


class Host:
    """One process with one plugin. Answers: 0, 1, -1. batches: (id, batch id, Batch); log: (level, target, text); rejected: (id, place,
    reason), all there when the consume that they belong to is answered."""

    def __init__(self, name, env=None):
        path = name if "/" in name else os.path.join(BUILD, "plugins", f"libiggy_connector_{name}.so")
        self.proc = subprocess.Popen([os.path.join(BUILD, "tests", "iggy_plugin_host"), path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     env={**os.environ, **(env or {})})
        self.tags, self.replies, self.lock = itertools.count(), {}, threading.Lock()
        self.batches, self.log, self.ended, self.rejected = queue.Queue(), [], queue.Queue(), []
        self.gates = queue.Queue()  # of a consume that waits for `pass`
        self.logged = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.proc.stdout:
            kind, *w = line.decode().rstrip("\n").split(" ")
            if kind == "reply":
                self.replies[w[0]].put(int(w[1]))
            elif kind == "batch":
                self.batches.put((int(w[0]), int(w[1]), Batch(bytes.fromhex(w[2]))))
            elif kind == "log":
                with self.logged:
                    self.log.append((int(w[0]), bytes.fromhex(w[1]).decode(), bytes.fromhex(w[2]).decode()))
                    self.logged.notify_all()
            elif kind == "reject":
                self.rejected.append((int(w[0]), int(w[1]), bytes.fromhex(w[2]).decode()))
            elif kind == "gate":
                self.gates.put(int(w[0]))
            elif kind == "ended":
                self.ended.put(int(w[0]))
        for q in list(self.replies.values()):
            q.put(None)

    def begin(self, *words):
        """Sends a command; what it returns waits for the answer."""
        tag = str(next(self.tags))
        q = self.replies[tag] = queue.Queue()
        line = " ".join([tag, *(w.hex() or "-" if isinstance(w, bytes) else "-" if w is None else str(w) for w in words)]) + "\n"
        with self.lock:
            self.proc.stdin.write(line.encode())
            self.proc.stdin.flush()

        def answer():
            rc = q.get(timeout=PATIENCE)
            assert rc is not None, f"the host died: {self.proc.wait()}"
            return rc
        return answer

    def call(self, *words):
        return self.begin(*words)()

    def open_sink(self, config, id=1):
        return self.call("sink_open", id, config if isinstance(config, bytes) else json.dumps(config).encode())

    def begin_consume(self, payloads, id=1, schema=JSON, first=0, stream="stream", name="topic", partition=1, **kw):
        return self.begin("consume", id, topic(stream, name), meta(schema, partition, first + max(len(payloads), 1) - 1), messages(payloads, schema, first, **kw))

    def consume(self, payloads, **kw):
        return self.begin_consume(payloads, **kw)()

    def close_sink(self, id=1):
        return self.call("sink_close", id)

    def open_source(self, config, state=None, id=1):
        return self.call("source_open", id, json.dumps(config).encode(), state)

    def run_source(self, config, state=None, id=1):
        self.current = id
        assert self.open_source(config, state, id) == 0, self.log
        assert self.call("on_end", id) == 0
        assert self.call("handle", id) == 0

    def result(self, batch, code=0, id=1):
        return self.call("result", id, batch, code)

    def batch(self):
        """The next one of the source that was started last: one of those before it may have left a batch that nobody wanted."""
        while True:
            got = self.batches.get(timeout=PATIENCE)
            if got[0] == self.current:
                return got

    def lines(self, level=0):
        return [text for lv, _, text in list(self.log) if lv >= level]

    def wait_log(self, part):
        with self.logged:
            assert self.logged.wait_for(lambda: any(part in t for _, _, t in self.log), PATIENCE), self.log

    def close(self):
        """The process must end well: sanitizers speak at its end."""
        self.proc.stdin.close()
        rc = self.proc.wait(PATIENCE)
        self.reader.join(PATIENCE)
        assert rc == 0
