"""A stand-in for an Iggy server: VSR 0.11 or classic 0.8, TLS, and on request every kind of trouble a server can be for its clients.

    python -m hg.iggy --port 8090 --dir /tmp/iggy          (root: iggy / iggy; everything else: --help)

One line of JSON on standard input is one order (see Server.order), answered by one line on standard output; the first line it prints says where
it listens. One thread: what a batch costs is a read, a hash over its checksums, a write; without --dir the files live in a temporary folder."""
import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
import time

from . import store, wire
from .commands import Commands
from .connection import Connection


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
