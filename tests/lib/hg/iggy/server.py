"""A stand-in for an Iggy server: VSR 0.11 or classic 0.8, TLS, and on request every kind of trouble a server can be for its clients.

    python -m hg.iggy --port 8090 --dir /tmp/iggy          (root: iggy / iggy; everything else: --help)

One line of JSON on standard input is one order (see Server.order), answered by one line on standard output; the first line it prints says where
it listens. One thread: what a batch costs is a read, a hash over its checksums, a write; without --dir the files live in a temporary folder."""
import argparse
import asyncio
import json
import os
import signal
import socket
import ssl
import struct
import sys
import time

from . import store, wire
from .wire import Error, Reader, name, str32, u8, u32, u64

VERSION, PROTOCOL, LOWEST = "0.9.0-stand-in", 11 << 10, 11 << 10
EVICTION = {40: 12, 42: 9, 47: 11, 53: 10, 54: 10, 30: 13, 14003: 14, 4: 15}
LIMIT = 64 << 20
NEEDS = {"create_stream": "manage_streams", "update_stream": "manage_streams", "delete_stream": "manage_streams", "purge_stream": "manage_streams",
         "create_user": "manage_users", "delete_user": "manage_users", "update_user": "manage_users", "update_permissions": "manage_users",
         "user": "read_users", "users": "read_users", "stats": "read_servers", "create_topic": "manage_topics", "update_topic": "manage_topics",
         "delete_topic": "manage_topics", "purge_topic": "manage_topics", "create_partitions": "manage_topics",
         "delete_partitions": "manage_topics", "send": "send_messages", "poll": "poll_messages"}


class Commands:
    """What each request does: the body in, the body of the answer out. `c` is the connection that asks."""

    def __init__(self, server):
        self.server, self.store, self.classic = server, server.store, server.classic

    def run(self, what, c, body):
        r = Reader(body)
        do = getattr(self, "do_" + what, None)
        if do is None:
            raise Error(3, what)
        return do(c, r) or b""

    def check(self, c, what, stream=None, topic=None):
        if not c.user.may(NEEDS[what], stream, topic):
            raise Error(41)

    def place(self, r):
        """stream and topic of a request, and where reading goes on"""
        return r.ident(), r.ident()

    # -- server
    def do_ping(self, c, r):
        r.done()

    def do_cluster(self, c, r):
        if self.classic:
            raise Error(5)
        nodes = self.server.nodes or [("iggy-node", "127.0.0.1", self.server.port, 0, 0)]
        return str32("single-node" if len(nodes) == 1 else "cluster") + u32(len(nodes)) + b"".join(
            str32(n) + str32(ip) + struct.pack("<HHHHBB", port, 0, 0, 0, role, status) for n, ip, port, role, status in nodes)

    def do_stats(self, c, r):
        self.check(c, "stats")
        s = self.store.streams.values()
        topics = [t for x in s for t in x.topics.values()]
        parts = [p for t in topics for p in t.partitions]
        n = self.server
        out = struct.pack("<IffQQQQQQQQIIIIQII", os.getpid(), 0, 0, 0, 0, 0, int((time.time() - n.started) * 1e6), int(n.started * 1e6), n.bytes_in,
                          n.bytes_out, sum(p.size for p in parts), len(s), len(topics), len(parts), len(parts), sum(p.messages for p in parts),
                          len(n.clients), sum(len(t.groups) for t in topics))
        u = os.uname()
        out += b"".join(map(str32, (u.nodename, u.sysname, u.release, u.version, VERSION))) + u32(9000)
        return out + u32(0) + u32(1) + u64(0) + u64(0)

    def do_flush(self, c, r):
        if not self.classic:
            raise Error(5)
        self.store.topic(*self.place(r)).partition(r.u32())

    def do_options(self, c, r):
        keys = [k for k in self.server.topic_options] if r.u8() == 1 else []
        return u32(len(keys)) + b"".join(name(k) + u8(store.TOPIC_OPTIONS[k][0]) + u32(0) + u32(0) for k in keys)

    def client_entry(self, x):
        groups = [(s.id, t.id, g.id) for s in self.store.streams.values() for t in s.topics.values() for g in t.groups.values() if x in g.members]
        return u32(x.number) + u32(x.user.id if x.user else store.NEVER & 0xffffffff) + u8(1) + str32(x.address) + u32(len(groups)), groups

    def do_me(self, c, r):
        head, groups = self.client_entry(c)
        return head + b"".join(struct.pack("<III", *g) for g in groups)

    def do_client(self, c, r):
        number = r.u32()
        return next((self.do_me(x, r) for x in self.server.clients if x.number == number), b"")

    def do_clients(self, c, r):
        return b"".join(self.client_entry(x)[0] for x in self.server.clients)

    # -- users
    def user_entry(self, u):
        return u32(u.id) + u64(u.created) + u8(u.status) + name(u.name) + (b"" if self.classic else u32(0))

    def user_details(self, u):
        return self.user_entry(u) + (u8(1) + u32(len(u.permissions)) + u.permissions if u.permissions else u8(0) if self.classic else bytes(4))

    def do_user(self, c, r):
        which = r.ident()
        if which not in (c.user.id, c.user.name):
            self.check(c, "user")
        u = self.store.user(which, False)
        return self.user_details(u) if u else b""

    def do_users(self, c, r):
        self.check(c, "users")
        return b"".join(map(self.user_entry, self.store.users.values()))

    def permissions(self, r):
        if not r.u8():
            return None
        data = r.take(r.u32())
        store.permissions_of(data)
        return data

    def do_create_user(self, c, r):
        self.check(c, "create_user")
        who, password, status = r.name(), r.bytes8(), r.u8()
        permissions = self.permissions(r)
        if not 3 <= len(who) <= 50:
            raise Error(43)
        if not 3 <= len(password) <= 100:
            raise Error(44)
        if self.store.user(who, False):
            raise Error(46)
        u = self.store.users[self.store.next_user] = store.User(self.store.next_user, who, password, status, permissions)
        self.store.next_user += 1
        self.store.save()
        return self.user_details(u)

    def do_delete_user(self, c, r):
        self.check(c, "delete_user")
        u = self.store.user(r.ident())
        if u.id == 0:
            raise Error(48)
        del self.store.users[u.id]
        self.store.save()

    def do_update_user(self, c, r):
        self.check(c, "update_user")
        u = self.store.user(r.ident())
        if r.u8():
            self.store.rename(u, self.store.users.values(), r.name(), 46)
        if r.u8():
            u.status = r.u8()
        self.store.save()

    def do_update_permissions(self, c, r):
        self.check(c, "update_permissions")
        u = self.store.user(r.ident())
        if u.id == 0:
            raise Error(49)
        u.permissions = self.permissions(r)
        self.store.save()

    def do_change_password(self, c, r):
        u, old, new = self.store.user(r.ident()), r.bytes8(), r.bytes8()
        if u is not c.user:
            self.check(c, "update_user")
        self.store.login(u.name, old)
        u.password = new
        self.store.save()

    def do_create_token(self, c, r):
        return name(self.store.create_token(c.user, r.name(), r.u64()))

    def do_delete_token(self, c, r):
        if c.user.tokens.pop(r.name(), None) is None:
            raise Error(53)
        self.store.save()

    def do_tokens(self, c, r):
        return b"".join(name(n) + u64(expiry) for n, (_, expiry) in c.user.tokens.items())

    # -- streams and topics
    def stream_entry(self, s):
        return struct.pack("<IQIQQ", s.id, s.created, len(s.topics), sum(t.size for t in s.topics.values()),
                           sum(t.messages for t in s.topics.values())) + name(s.name) + (b"" if self.classic else u32(0))

    def topic_head(self, t):
        """Options are kept as VSR writes them; the classic fields are made of the same."""
        o = Reader(t.options).headers()
        expiry = int.from_bytes(o["message_expiry"][1], "little") if isinstance(o.get("message_expiry"), tuple) else 0
        size = int.from_bytes(o["max_topic_size"][1], "little") if isinstance(o.get("max_topic_size"), tuple) else 0
        head = struct.pack("<IQIQBQ", t.id, t.created, len(t.partitions), expiry or store.NEVER, 2 if o.get("compression_algorithm") == "gzip" else 1,
                           size or store.NEVER)
        if self.classic:
            return head + u8(1) + u64(t.size) + u64(t.messages) + name(t.name)
        return head + u64(t.size) + u64(t.messages) + name(t.name) + u32(len(t.options)) + t.options + u32(0)

    def topic_details(self, t):
        return self.topic_head(t) + b"".join(struct.pack("<IQIQQQ", p.id, p.created, 1, p.current, p.size, p.messages) for p in t.partitions)

    def do_stream(self, c, r):
        s = self.store.stream(r.ident(), False)
        r.done()
        return self.stream_entry(s) + b"".join(map(self.topic_head, s.topics.values())) if s else b""

    def do_streams(self, c, r):
        return b"".join(map(self.stream_entry, self.store.streams.values()))

    def no_options(self, r):
        if not self.classic and Reader(r.rest()).headers():
            raise Error(4041)
        r.done()

    def do_create_stream(self, c, r):
        self.check(c, "create_stream")
        n = r.name()
        self.no_options(r)
        return self.stream_entry(self.store.create_stream(n))

    def do_update_stream(self, c, r):
        self.check(c, "update_stream")
        s = self.store.stream(r.ident())
        self.store.rename(s, self.store.streams.values(), r.name(), 1012)

    def do_delete_stream(self, c, r):
        self.check(c, "delete_stream")
        self.store.delete_stream(self.store.stream(r.ident()))

    def do_purge_stream(self, c, r):
        self.check(c, "purge_stream")
        s = self.store.stream(r.ident())
        for t in s.topics.values():
            self.purge(s, t)

    def do_topic(self, c, r):
        sid, tid = self.place(r)
        r.done()
        s = self.store.stream(sid, False)
        t = s and s.topic(tid, False)
        return self.topic_details(t) if t else b""

    def do_topics(self, c, r):
        s = self.store.stream(r.ident(), False)
        topics = s.topics.values() if s else []
        return (b"" if self.classic else u32(len(topics))) + b"".join(map(self.topic_head, topics))

    def topic_options(self, r):
        data = r.rest()
        for k, v in Reader(data).headers().items():
            if k not in self.server.topic_options:
                raise Error(4041, str(k))
            kind = v[0] if isinstance(v, tuple) else 2
            if kind not in store.TOPIC_OPTIONS[k] or k == "compression_algorithm" and v not in ("none", "gzip"):
                raise Error(4042, k)
        return data

    def classic_options(self, r):
        compression, expiry, size, _ = r.u8(), r.u64(), r.u64(), r.u8()
        h = {"compression_algorithm": "gzip"} if compression == 2 else {}
        h |= {k: (12, u64(v)) for k, v in (("message_expiry", expiry), ("max_topic_size", size)) if v not in (0, store.NEVER)}
        return wire.headers(h)

    def do_create_topic(self, c, r):
        sid, partitions = r.ident(), r.u32()
        options = self.classic_options(r) if self.classic else None
        n = r.name()
        options = self.topic_options(r) if options is None else options
        s = self.store.stream(sid)
        self.check(c, "create_topic", s)
        return self.topic_details(self.store.create_topic(s, n, partitions, options))

    def do_update_topic(self, c, r):
        sid, tid = self.place(r)
        s = self.store.stream(sid)
        t = s.topic(tid)
        self.check(c, "update_topic", s, t)
        options = self.classic_options(r) if self.classic else None
        n = r.name()
        t.options = self.topic_options(r) if options is None else options
        self.store.rename(t, s.topics.values(), n, 2013)

    def of_topic(self, c, r, what):
        sid, tid = self.place(r)
        s = self.store.stream(sid)
        t = s.topic(tid)
        self.check(c, what, s, t)
        return s, t

    def do_delete_topic(self, c, r):
        self.store.delete_topic(*self.of_topic(c, r, "delete_topic"))

    def purge(self, s, t):
        for p in t.partitions:
            for group, table in ((False, p.consumers), (True, p.groups)):
                for key in list(table):
                    self.store.store_offset(s, t, p, group, key, None)
            p.purge()
        self.store.save()

    def do_purge_topic(self, c, r):
        self.purge(*self.of_topic(c, r, "purge_topic"))

    def do_create_partitions(self, c, r):
        s, t = self.of_topic(c, r, "create_partitions")
        self.store.add_partitions(s, t, r.u32())

    def do_delete_partitions(self, c, r):
        s, t = self.of_topic(c, r, "delete_partitions")
        self.store.drop_partitions(t, r.u32())

    def do_delete_segments(self, c, r):
        s, t = self.of_topic(c, r, "purge_topic")
        p = t.partition(r.u32())
        if r.u32():
            p.forget(p.next)
            self.store.save()

    # -- groups
    @staticmethod
    def group_head(t, g):
        return struct.pack("<III", g.id, len(t.partitions), len(g.members)) + name(g.name)

    def do_group(self, c, r):
        t = self.store.topic(*self.place_or(r))
        g = t.group(r.ident(), False)
        if not g:
            return b""
        out = self.group_head(t, g)
        for who, number in g.members.items():
            mine = g.owned(who)
            out += struct.pack(f"<II{len(mine)}I", number, len(mine), *mine)
        return out

    def place_or(self, r):
        """Of these requests a missing stream is a missing topic too."""
        sid, tid = self.place(r)
        if not self.store.stream(sid, False):
            raise Error(2010)
        return sid, tid

    def do_groups(self, c, r):
        t = self.store.topic(*self.place_or(r))
        return b"".join(self.group_head(t, g) for g in t.groups.values())

    def do_create_group(self, c, r):
        t = self.store.topic(*self.place_or(r))
        return self.group_head(t, self.store.create_group(t, r.name()))

    def do_delete_group(self, c, r):
        t = self.store.topic(*self.place_or(r))
        g = t.group(r.ident())
        del t.groups[g.id]
        self.store.save()

    def do_join(self, c, r):
        t = self.store.topic(*self.place_or(r))
        t.group(r.ident()).join(c, t)
        self.server.keep_members()

    def do_leave(self, c, r):
        t = self.store.topic(*self.place_or(r))
        t.group(r.ident()).leave(c, t)
        self.server.keep_members()

    def do_sync(self, c, r):
        if self.classic:
            raise Error(3)
        t = self.store.topic(*self.place_or(r))
        g = t.group(r.ident())
        if c not in g.members:
            return b""
        mine = g.owned(c)
        return u64(g.generation) + u32(len(mine)) + struct.pack(f"<{len(mine)}I", *mine)

    # -- messages
    def do_send(self, c, r):
        meta = r.u32()
        begin = r.at
        sid, tid = self.place(r)
        kind, value = r.partitioning()
        count = r.u32()
        if r.at - begin != meta:
            raise Error(3, "length of the metadata")
        try:
            s = self.store.stream(sid)
            t = s.topic(tid)
            self.check(c, "send", s, t)
            n = len(t.partitions)
            if not n:
                raise Error(3008)
            if kind == 1 and not value:
                t.turn += 1
                p = t.partitions[(t.turn - 1) % n]
            elif kind == 3 and value:
                p = t.partitions[wire.xxh32(value) % n]
            elif kind == 2 and len(value) == 4:
                p = t.partition(int.from_bytes(value, "little"))
            else:
                raise Error(3, "partitioning")
        except Error as e:
            if not self.classic and e.code in (1009, 2010, 3007):
                raise Error(20) from None
            raise
        if self.classic:
            self.append_classic(p, r, count)
            return b""
        data = memoryview(r.data)[r.at:]
        if len(data) < wire.HEADER:
            raise Silence
        origin, = struct.unpack_from("<Q", data, 24)
        blob = bytes(data[wire.HEADER:])
        at = wire.check_batch(data[:wire.HEADER], blob, count, self.server.check)
        if at is None:
            self.server.malformed += 1
            raise Silence
        return u32(1) + struct.pack("<IIIQ", s.id, t.id, p.id, p.append(origin, blob, at))

    @staticmethod
    def append_classic(p, r, count):
        index = r.take(16 * count)
        messages = wire.classic_messages(r.rest())
        ends = [struct.unpack_from("<I", index, 16 * i + 4)[0] for i in range(count)]
        if len(messages) != count or not count:
            raise Error(4009)
        total = 0
        for m, end in zip(messages, ends):
            total += wire.CLASSIC + len(m.payload) + len(m.tlv)
            if end != total:
                raise Error(4035)
        origin = min(m.origin for m in messages)
        blob = b"".join(wire.frame(m.payload, m.id or int.from_bytes(os.urandom(16), "little"), i, m.origin - origin, m.tlv)
                        for i, m in enumerate(messages))
        p.append(origin, blob, wire.walk(blob, count))

    def do_poll(self, c, r):
        group, who = r.consumer()
        sid, tid = self.place(r)
        partition, kind, value, count, auto = r.some_partition(), r.u8(), r.u64(), r.u32(), r.u8()
        s = self.store.stream(sid)
        t = s.topic(tid)
        self.check(c, "poll", s, t)
        if group:
            g = t.group(who)
            key = g.id
            if self.classic:
                if c not in g.members:
                    raise Error(5006)
                mine = g.owned(c)
                if not mine:
                    return struct.pack("<IQI", 0, 0, 0)
                if partition is None:
                    c.turn += 1
                    partition = mine[c.turn % len(mine)]
            elif partition is None:
                return struct.pack("<IQI", 0, 0, 0)
            p = t.partition(partition)
            if not g.owns(c, p.id):
                return struct.pack("<IQI", wire.NOBODY, 0, 0)
            stored = p.groups.get(key)
        else:
            key = self.store.key(who)
            p = t.partition(partition or 0)
            stored = p.consumers.get(key)
        data, n, last = p.read(p.start_of(kind, value, count, stored), count) if count else (b"", 0, None)
        if n and group:
            p.polled[key] = max(last, p.polled.get(key, -1))
        if n and auto:
            self.store.store_offset(s, t, p, group, key, last)
        if n and self.classic:
            data = b"".join(map(wire.classic_message, wire.messages_of(data)))
        return struct.pack("<IQI", p.id, p.current, n) + data

    # -- offsets
    def of_offset(self, c, r, own):
        group, who = r.consumer()
        sid, tid = self.place(r)
        partition = r.some_partition()
        s = self.store.stream(sid)
        t = s.topic(tid)
        if partition is None:
            raise Error(20)
        p = t.partition(partition)
        if not group:
            return s, t, p, False, self.store.key(who)
        g = t.group(who)
        if own and not g.may_store(c, p.id):
            raise Error(20)
        return s, t, p, True, g.id

    def do_get_offset(self, c, r):
        try:
            _, _, p, group, key = self.of_offset(c, r, False)
        except Error as e:
            if e.code in (1009, 2010, 5000):
                return b""
            raise
        stored = (p.groups if group else p.consumers).get(key)
        return b"" if stored is None else struct.pack("<IQQ", p.id, p.current, stored)

    def do_store_offset(self, c, r):
        s, t, p, group, key = self.of_offset(c, r, True)
        value = r.u64()
        if not self.classic:
            r.u8()
        if value > p.current:
            raise Error(4100)
        self.store.store_offset(s, t, p, group, key, value)

    def do_delete_offset(self, c, r):
        s, t, p, group, key = self.of_offset(c, r, True)
        if key not in (p.groups if group else p.consumers):
            raise Error(3021)
        self.store.store_offset(s, t, p, group, key, None)


class Silence(Exception):
    """No answer at all."""


class Connection(asyncio.BufferedProtocol):
    def __init__(self, server):
        self.server, self.user, self.session, self.client = server, None, 0, 0
        self.head = bytearray(8 if server.classic else wire.HEADER)
        self.at, self.body, self.frame = 0, None, None
        self.last, self.evicted, self.turn, self.busy = None, False, 0, False
        self.beat = time.monotonic()

    def connection_made(self, transport):
        self.transport = transport
        self.address = "%s:%d" % transport.get_extra_info("peername")[:2]
        self.number = self.server.serial = self.server.serial + 1
        if self.server.refusing:
            self.server.refused += 1
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.clients.add(self)

    def connection_lost(self, exc):
        self.server.clients.discard(self)
        self.leave_all()

    def leave_all(self):
        mine = [(t, g) for _, t, g in self.server.groups() if self in g.members]
        for t, g in mine:
            g.leave(self, t)
        if mine:
            self.server.keep_members()

    def take_over(self, other):
        for _, _, g in self.server.groups():
            g.replace(other, self)

    @property
    def member(self):
        return any(self in g.members for _, _, g in self.server.groups())

    def get_buffer(self, hint):
        return memoryview(self.head if self.body is None else self.body)[self.at:]

    def buffer_updated(self, n):
        self.at += n
        self.server.bytes_in += n
        if self.body is None:
            if self.at < len(self.head):
                return
            self.at = 0
            size = self.classic_size() if self.server.classic else struct.unpack_from("<I", self.head, 48)[0] - wire.HEADER
            if size is None:
                return
            if not 0 <= size <= LIMIT:
                self.transport.abort()
                return
            self.body = bytearray(size)
        if self.at < len(self.body):
            return
        body, self.body, self.at = self.body, None, 0
        self.beat = time.monotonic()
        self.arrived(bytes(self.head), body)

    def classic_size(self):
        """A length that cannot be is answered, and reading goes on with the next 8 bytes."""
        length, = struct.unpack_from("<I", self.head)
        if length >= 4:
            return length - 4
        self.transport.write(u32(3) + u32(0))

    # -- faults
    def arrived(self, head, body):
        if self.server.classic:
            what = wire.BY_CODE.get(struct.unpack_from("<I", head, 4)[0], "unknown")
        else:
            op = head[176]
            what = wire.BY_CODE.get(struct.unpack_from("<I", head, 196)[0], "unknown") if op == 2 else wire.BY_OPERATION.get(op, "unknown")
        self.server.counts[what] = self.server.counts.get(what, 0) + 1
        fault = self.server.fault_for(what, body)
        delay = (fault or {}).get("seconds", 0) if fault and fault["action"] == "delay" else 0
        if self.server.rate:
            delay += (len(head) + len(body)) / self.server.rate
        if delay:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(delay, self.later, what, head, body, fault)
        else:
            self.act(what, head, body, fault)

    def later(self, what, head, body, fault):
        if not self.transport.is_closing():
            self.act(what, head, body, fault)
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def act(self, what, head, body, fault):
        action = fault["action"] if fault else None
        if action == "drop_before":
            return self.transport.abort()
        if action == "silent":
            return
        if action == "evict":
            return self.evict(fault.get("reason", 13))
        answer = self.answer_status(head, fault["code"]) if action == "status" else self.answer(what, head, body)
        if action == "status_after":  # done, and says that it may not have been
            answer = self.answer_status(head, fault["code"])
        if action == "drop_after":
            return self.transport.abort()
        if action == "cut":
            self.transport.write(answer[:max(1, len(answer) // 2)])
            return self.transport.close()
        if answer:
            self.server.bytes_out += len(answer)
            self.transport.write(answer)

    # -- answers
    def answer_status(self, head, code):
        return u32(code) + u32(0) if self.server.classic else self.reply(head, code, b"")

    def reply(self, head, status, body):
        out = bytearray(wire.HEADER)
        struct.pack_into("<I", out, 48, wire.HEADER + len(body))
        out[60] = 8
        out[128:144] = head[144:160]
        out[160:176] = head[128:144]
        struct.pack_into("<QQQ", out, 176, 0 if head[176] == 2 else self.server.commit, self.server.commit, store.now())
        out[200:208] = head[168:176]
        out[208] = head[176]
        struct.pack_into("<I", out, 216, status)
        return bytes(out) + body

    def evict(self, reason):
        """Terminal: the session is gone, the socket stays open."""
        out = bytearray(wire.HEADER)
        struct.pack_into("<I", out, 48, wire.HEADER)
        out[60] = 13
        out[128:144] = self.client.to_bytes(16, "little")
        if reason == 14:
            struct.pack_into("<II", out, 144, PROTOCOL, LOWEST)
        out[255] = reason
        self.leave_all()
        self.user, self.session, self.last = None, 0, None
        if self.server.classic:
            self.transport.abort()
        else:
            self.transport.write(bytes(out))

    def answer(self, what, head, body):
        return self.answer_classic(what, body) if self.server.classic else self.answer_vsr(what, head, body)

    def answer_classic(self, what, body):
        try:
            if what in ("login", "login_token"):
                r = Reader(body)
                self.user = self.server.store.login(r.name(), r.bytes8()) if what == "login" else self.server.store.login_token(r.bytes8())
                out = u32(self.user.id)
            elif what == "logout":
                self.user, out = None, b""
            elif what != "ping" and self.user is None:
                raise Error(40)
            else:
                out = self.server.commands.run(what, self, body)
            return u32(0) + u32(len(out)) + out
        except Error as e:
            return u32(e.code) + u32(0)

    def answer_vsr(self, what, head, body):
        client, checksum = int.from_bytes(head[128:144], "little"), int.from_bytes(head[144:160], "little")
        request, = struct.unpack_from("<Q", head, 168)
        op, (session,) = head[176], struct.unpack_from("<Q", head, 184)
        if head[60] != 5 or not client or not op:
            return None
        if op == 1:
            return None if session or request else self.register(head, client, body)
        if op != 2:
            if not session or not request:
                return None
            if self.last and self.last[0] == (client, request) and (op != 160 or self.server.dedupe):
                return self.last[1]
            if not self.user or session != self.session or client != self.client:
                self.evict(1)
                return None
            if checksum and checksum != wire.xxh3(body):
                return self.reply(head, 3, b"")
        elif what != "ping" and not self.user:
            return self.reply(head, 40, b"")
        result = op in wire.RESULT_FRAMED
        try:
            if what == "logout":
                self.user, self.session, out = None, 0, b""
            else:
                out = self.server.commands.run(what, self, body)
            if op != 2:
                self.server.commit += 1
            answer = self.reply(head, 0, (u32(0) if result else b"") + out)
        except Silence:
            return None
        except Error as e:
            if result and op not in (161, 162):
                answer = self.reply(head, 0, struct.pack("<III", 1, 0, e.code))
            else:
                answer = self.reply(head, e.code, b"")
        if op != 2:
            self.last = ((client, request), answer)
        return answer

    def register(self, head, client, body):
        if self.user and client == self.client:
            return self.registered(head)
        self.client = client
        try:
            version = Reader(body).u32()
            if not LOWEST >> 10 <= version >> 10 <= PROTOCOL >> 10:
                return self.evict(14)
            self.user = self.credentials(body)
        except Error as e:
            return self.evict(EVICTION.get(e.code, 15))
        self.server.commit += 1
        self.session = self.server.commit
        for c in self.server.clients:  # a newer session of the same client ends the older one
            if c is not self and c.client == client and c.user:
                c.user, c.session, c.last = None, 0, None
                self.take_over(c)
        for ghost in [m for _, _, g in self.server.groups() for m in g.members if isinstance(m, store.Ghost) and m.client == client]:
            self.take_over(ghost)
        return self.registered(head)

    def credentials(self, body):
        """First as user and password, then as a token: the body alone says which."""
        r = Reader(body, 4)
        try:
            r.name(), r.name()
            user, password = r.name(), r.bytes8()
            r.take(r.u32())
            r.done()
        except Error:
            r = Reader(body, 4)
            try:
                r.name(), r.name()
                token = r.bytes8()
                r.take(r.u32())
                r.done()
            except Error:
                raise Error(4) from None
            return self.server.store.login_token(token)
        return self.server.store.login(user, password)

    def registered(self, head):
        return self.reply(head, 0, u32(0) + u32(self.user.id) + u64(self.session) + u32(PROTOCOL) + name(VERSION))


class Server:
    def __init__(self, options):
        self.store = store.Store(options.dir, tuple(options.root.split(":", 1)))
        self.classic, self.check, self.dedupe, self.heartbeat = options.wire == "classic", options.check == "every", options.dedupe, options.heartbeat
        self.topic_options = [k for k in store.TOPIC_OPTIONS if not (k in options.refuse_options.split(","))]
        self.clients, self.serial, self.commit, self.started = set(), 0, 20, time.time()
        self.faults, self.counts, self.refusing, self.refused, self.rate, self.malformed, self.fired = [], {}, False, 0, 0, 0, 0
        self.bytes_in = self.bytes_out = 0
        self.nodes, self.port, self.options = [], options.port, options
        self.commands = Commands(self)
        self.members = os.path.join(self.store.dir, "members.json")
        self.load_members()

    def groups(self):
        return [(s, t, g) for s in self.store.streams.values() for t in s.topics.values() for g in t.groups.values()]

    def keep_members(self):
        """As the real server of protocol 0.11 does: killed, it comes back with the members that its groups had."""
        if self.classic:
            return
        with open(self.members + ".new", "w") as f:
            json.dump([[s.id, t.id, g.id, [m.client for m in g.members]] for s, t, g in self.groups() if g.members], f)
        os.replace(self.members + ".new", self.members)

    def load_members(self):
        if self.classic or not os.path.exists(self.members):
            return
        with open(self.members) as f:
            kept = {(s, t, g): clients for s, t, g, clients in json.load(f)}
        for s, t, g in self.groups():
            for client in kept.get((s.id, t.id, g.id), []):
                g.join(store.Ghost(client), t)

    def fault_for(self, what, body):
        for f in self.faults:
            if f["on"] in (what, "*") and wire.name(f.get("topic", ""))[1:] in body[:600]:
                if f.get("skip", 0):
                    f["skip"] -= 1
                    return None
                f["times"] = f.get("times", 1) - 1
                if not f["times"]:
                    self.faults.remove(f)
                self.fired += 1
                return f
        return None

    def order(self, o):
        """One order of the test; what it answers."""
        do = o.pop("do")
        if do == "fault":          # on: name of a request or *, topic (of any), action, times, skip, code | seconds | reason
            assert o["action"] in ("drop_before", "drop_after", "delay", "status", "status_after", "evict", "silent", "cut"), o
            assert o["on"] == "*" or o["on"] in wire.COMMANDS, o
            self.faults.append(o)
        elif do == "clear":
            self.faults.clear()
        elif do == "refuse":       # new connections are closed at once
            self.refusing = o["on"]
        elif do == "throttle":     # bytes per second of each connection; 0: as fast as it goes
            self.rate = o["rate"]
        elif do == "drop":         # every connection
            for c in list(self.clients):
                c.transport.abort()
        elif do == "evict":        # unsolicited, to every session
            for c in list(self.clients):
                if c.user:
                    c.evict(o.get("reason", 13))
        elif do == "forget":       # as retention does
            self.store.topic(o["stream"], o["topic"]).partition(o["partition"]).forget(o["before"])
            self.store.save()
        elif do == "heartbeat":    # who is silent for 1.2 times this is evicted
            self.heartbeat = o["seconds"]
        elif do == "nodes":        # what the cluster is said to be: [[name, ip, port, role, status], …]
            self.nodes = o["nodes"]
        elif do == "ask":
            return {"counts": self.counts, "connections": len(self.clients), "refused": self.refused, "malformed": self.malformed,
                    "fired": self.fired, "faults": len(self.faults)}
        else:
            raise ValueError(do)
        return {}

    async def beats(self):
        """Members of groups that are silent for too long are evicted."""
        while True:
            await asyncio.sleep(min(0.1, self.heartbeat / 10))
            for c in list(self.clients):
                if c.user and time.monotonic() - c.beat > 1.2 * self.heartbeat and c.member:
                    c.evict(13)

    async def orders(self):
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 20)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            try:
                out = self.order(json.loads(line))
            except Exception as e:  # the test has it from the answer
                out = {"error": repr(e)}
            print(json.dumps(out), flush=True)

    async def run(self):
        tls = None
        if self.options.tls:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*self.options.tls)
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: Connection(self), self.options.host, self.options.port, ssl=tls, backlog=256)
        self.port = listener.sockets[0].getsockname()[1]
        over = asyncio.Event()
        for s in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(s, over.set)
        tasks = []
        if not self.classic and self.heartbeat:
            tasks.append(asyncio.create_task(self.beats()))
        print(json.dumps({"port": self.port, "wire": self.options.wire}), flush=True)
        if self.options.orders:
            tasks.append(asyncio.create_task(self.orders()))
        await over.wait()
        listener.close()
        self.store.close()


def main(argv):
    p = argparse.ArgumentParser(prog="hg.iggy", description="a stand-in for an Iggy server")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=8090, help="0: any that is free")
    p.add_argument("--dir", help="where it keeps its state (a temporary folder)")
    p.add_argument("--wire", choices=("vsr", "classic"), default="vsr")
    p.add_argument("--root", default="iggy:iggy", metavar="USER:PASSWORD")
    p.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    p.add_argument("--heartbeat", type=float, default=30, metavar="SECONDS", help="group members silent for 1.2 times this are evicted; 0: never")
    p.add_argument("--check", choices=("every", "batch"), default="every", help="verify the checksum of every message, or of batches only")
    p.add_argument("--dedupe", action=argparse.BooleanOptionalAction, default=True, help="a send repeated with its request id is not appended again")
    p.add_argument("--refuse-options", default="enforce_fsync", metavar="KEYS", help="topic options this version does not know")
    p.add_argument("--orders", action="store_true", help="take orders on standard input")
    asyncio.run(Server(p.parse_args(argv)).run())
