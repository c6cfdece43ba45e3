"""What each request to the stand-in does (see server.py): the body in, the body of the answer out. Both wires share it; how they frame it is
connection.py's."""
import os
import struct
import time

from . import store, wire
from .wire import Error, Reader, name, str32, u8, u32, u64

VERSION = "0.9.0-stand-in"
NEEDS = {"create_stream": "manage_streams", "update_stream": "manage_streams", "delete_stream": "manage_streams", "purge_stream": "manage_streams",
         "create_user": "manage_users", "delete_user": "manage_users", "update_user": "manage_users", "update_permissions": "manage_users",
         "user": "read_users", "users": "read_users", "stats": "read_servers", "create_topic": "manage_topics", "update_topic": "manage_topics",
         "delete_topic": "manage_topics", "purge_topic": "manage_topics", "create_partitions": "manage_topics",
         "delete_partitions": "manage_topics", "send": "send_messages", "poll": "poll_messages"}


class Silence(Exception):
    """No answer at all."""


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
