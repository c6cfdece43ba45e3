"""The little of an Iggy client that tests need, in both protocols: to fill topics, to read them, to look at offsets."""
import os
import socket
import ssl
import struct
import time

from .. import PATIENCE
from . import wire
from .wire import Error, Reader, name, u8, u32, u64


class Client:
    """login: (user, password), (token,), or () for none. ca: file of the authority, for TLS."""

    def __init__(self, port, login=("iggy", "iggy"), protocol="vsr", ca=None, host="127.0.0.1", patience=PATIENCE):
        self.classic = protocol == "classic"
        self.sock = socket.create_connection((host, port), patience)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ca:
            self.sock = ssl.create_default_context(cafile=str(ca)).wrap_socket(self.sock, server_hostname=host)
        self.id, self.session, self.request = os.urandom(16), 0, 0
        if login:
            self.login(*login)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _read(self, n):
        out = bytearray(n)
        view, at = memoryview(out), 0
        while at < n:
            got = self.sock.recv_into(view[at:])
            if not got:
                raise OSError("closed")
            at += got
        return bytes(out)

    def ask(self, what, body=b"", again=False):
        """The answer's payload; Error if it is one. again: with the request id of the last."""
        op, code = wire.COMMANDS[what]
        if self.classic:
            self.sock.sendall(u32(4 + len(body)) + u32(code) + body)
            status, length = struct.unpack("<II", self._read(8))
            if status:
                raise Error(status, what)
            return self._read(length)
        head = bytearray(wire.HEADER)
        struct.pack_into("<I", head, 48, wire.HEADER + len(body))
        head[60] = 5
        head[128:144] = self.id
        if op not in (1, 2) and not again:
            self.request += 1
        if op not in (2, 3) and op < 160:
            struct.pack_into("<Q", head, 144, wire.xxh3(body))
        struct.pack_into("<Q", head, 168, 0 if op == 1 else self.request + (op == 2))
        head[176] = op
        struct.pack_into("<Q", head, 184, 0 if op == 1 else self.session)
        if op == 2:
            struct.pack_into("<I", head, 196, code)
        self.sock.sendall(bytes(head) + body)
        return self._answer(what, op)

    def _answer(self, what, op):
        head = self._read(wire.HEADER)
        size, = struct.unpack_from("<I", head, 48)
        body = self._read(size - wire.HEADER)
        if head[60] == 13:
            raise Error({9: 42, 10: 53, 13: 30, 14: 14003, 15: 4}.get(head[255], 40), f"evicted, reason {head[255]}")
        assert head[60] == 8, head[60]
        status, = struct.unpack_from("<I", head, 216)
        if status:
            raise Error(status, what)
        if op in wire.RESULT_FRAMED or op == 1 and body:
            count, = struct.unpack_from("<I", body)
            if count:
                raise Error(struct.unpack_from("<I", body, 8)[0], what)
            body = body[4:]
        return body

    def login(self, *who):
        if self.classic:
            return self.ask("login_token", name(who[0])) if len(who) == 1 else self.ask("login", name(who[0]) + name(who[1]) + u32(0) + u32(0))
        r = Reader(self.ask("login", u32(11 << 10) + name("hg-tests") + name("1") + b"".join(map(name, who)) + u32(0)))
        r.u32()
        self.session = r.u64()

    def token(self, called, expiry=0):
        return Reader(self.ask("create_token", name(called) + u64(expiry))).name()

    def create_stream(self, stream):
        self.ask("create_stream", name(stream))

    def create_topic(self, stream, topic, partitions=1, options=()):
        if self.classic:
            self.ask("create_topic", wire.ident(stream) + u32(partitions) + u8(1) + u64(0) + u64(0) + u8(0) + name(topic))
        else:
            self.ask("create_topic", wire.ident(stream) + u32(partitions) + name(topic) + wire.headers(dict(options)))

    def create(self, stream, topic, partitions=1):
        """The topic, and the stream if there is none. What it acknowledges outlives a kill -9 of the real server, too."""
        try:
            self.create_stream(stream)
        except Error as e:
            if e.code != 1012:
                raise
        self.create_topic(stream, topic, partitions, {"messages_required_to_save": (11, u32(1))})

    def partitions(self, stream, topic):
        """[(messages, current offset)] of a topic; None if there is none."""
        data = self.ask("topic", wire.ident(stream) + wire.ident(topic))
        if not data:
            return None
        n, = struct.unpack_from("<I", data, 12)
        return [(m, current) for _, _, _, current, _, m in struct.iter_unpack("<IQIQQQ", data[len(data) - 40 * n:])]

    def send(self, stream, topic, payloads, partition=0, key=None, headers=None, batch=1000):
        """payloads: bytes, text, or (payload, headers); each is in the topic when this returns."""
        for i in range(0, len(payloads), batch):
            part = []
            for p in payloads[i:i + batch]:
                p, h = p if isinstance(p, tuple) else (p, headers)
                part.append((p.encode() if isinstance(p, str) else p, int.from_bytes(os.urandom(16), "little"), wire.headers(h)))
            to = wire.partitioning(partition if key is None else None, key)
            self.send_parts(stream, topic, to, part)

    def send_parts(self, stream, topic, to, part, again=False):
        meta = wire.ident(stream) + wire.ident(topic) + to + u32(len(part))
        origin = time.time_ns() // 1000
        if self.classic:
            data, index, at = b"", b"", 0
            for p, ident, h in part:
                m = bytes(8) + ident.to_bytes(16, "little") + struct.pack("<QQQIIQ", 0, 0, origin, len(h), len(p), 0) + p + h
                at += len(m)
                data, index = data + m, index + struct.pack("<IIQ", 0, at, 0)
            return self.ask("send", u32(len(meta)) + meta + index + data)
        return self.ask("send", u32(len(meta)) + meta + wire.batch(part, origin), again)

    def poll(self, stream, topic, partition=0, kind="offset", value=0, count=1000, consumer=1, group=False, auto=False):
        """(partition, current offset, messages)"""
        body = self.ask("poll", wire.consumer(consumer, group) + wire.ident(stream) + wire.ident(topic) + wire.some_partition(partition) +
                        wire.strategy(kind, value) + u32(count) + u8(auto))
        p, current, n = struct.unpack_from("<IQI", body)
        messages = wire.classic_messages(body[16:]) if self.classic else wire.messages_of(body[16:])
        assert len(messages) == n, (len(messages), n)
        return p, current, messages

    def read(self, stream, topic, partition=None):
        """Every message of one partition, or of all of them one after the other."""
        out = []
        for p in range(len(self.partitions(stream, topic))) if partition is None else [partition]:
            at = 0
            while messages := self.poll(stream, topic, p, "offset", at)[2]:
                out += messages
                at = messages[-1].offset + 1
        return out

    def create_group(self, stream, topic, group):
        self.ask("create_group", wire.ident(stream) + wire.ident(topic) + name(group))

    def join(self, stream, topic, group):
        self.ask("join", wire.ident(stream) + wire.ident(topic) + wire.ident(group))

    def leave(self, stream, topic, group):
        self.ask("leave", wire.ident(stream) + wire.ident(topic) + wire.ident(group))

    def sync(self, stream, topic, group):
        """(generation, partitions); None if we are no member."""
        body = self.ask("sync", wire.ident(stream) + wire.ident(topic) + wire.ident(group))
        if not body:
            return None
        generation, n = struct.unpack_from("<QI", body)
        return generation, list(struct.unpack_from(f"<{n}I", body, 12))

    def _offset(self, stream, topic, partition, consumer, group):
        return wire.consumer(consumer, group) + wire.ident(stream) + wire.ident(topic) + wire.some_partition(partition)

    def offset(self, stream, topic, partition=0, consumer=1, group=False):
        """The stored offset; None if there is none."""
        body = self.ask("get_offset", self._offset(stream, topic, partition, consumer, group))
        return struct.unpack("<IQQ", body)[2] if body else None

    def store_offset(self, stream, topic, offset, partition=0, consumer=1, group=False):
        self.ask("store_offset", self._offset(stream, topic, partition, consumer, group) + u64(offset) + (b"" if self.classic else u8(1)))
