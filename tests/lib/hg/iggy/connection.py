"""A client's connection to the stand-in (see server.py): frames of both wires, sessions, and what a fault makes of an answer."""
import asyncio
import socket
import struct
import time

from . import store, wire
from .commands import VERSION, Silence
from .wire import Error, Reader, name, u32, u64

PROTOCOL, LOWEST = 11 << 10, 11 << 10
EVICTION = {40: 12, 42: 9, 47: 11, 53: 10, 54: 10, 30: 13, 14003: 14, 4: 15}
LIMIT = 64 << 20


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
