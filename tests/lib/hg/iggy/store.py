"""What the stand-in keeps: users, streams, topics, partitions, groups, offsets. One file per partition holds the batches as they are served,
so that a poll is one read; what is acknowledged has been written (the kernel keeps it when the process is killed)."""
import base64
import bisect
import json
import os
import secrets
import shutil
import struct
import tempfile
import time

from . import wire
from .wire import Error

NEVER = 2**64 - 1
TOPIC_OPTIONS = {  # key: (kinds, least value that the default does not need)
    "compression_algorithm": (2,), "message_expiry": (12, 2), "max_topic_size": (12, 2), "segment_size": (12,), "messages_required_to_save": (11,),
    "size_of_messages_required_to_save": (12,), "preallocate_segments": (3,), "enforce_fsync": (3,), "durability": (2,),
    "consumer_offset_durability": (2,),
}
GLOBAL = ("manage_servers", "read_servers", "manage_users", "read_users", "manage_streams", "read_streams", "manage_topics", "read_topics",
          "poll_messages", "send_messages")


def now():
    return time.time_ns() // 1000


class Partition:
    """base[i], time[i], at[i]: offset, time and place in the file of batch i; the last of `at` is the end."""

    def __init__(self, id_, created, path):
        self.id, self.created, self.path = id_, created, path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.base, self.time, self.count, self.at = [], [], [], [0]
        self.first = self.next = 0   # first kept, next to be given
        self.consumers, self.groups, self.polled = {}, {}, {}

    def load(self):
        """The batches of the file; a last one that is cut off was never acknowledged and goes."""
        size, at = os.fstat(self.fd).st_size, 0
        while at + wire.HEADER <= size:
            head = os.pread(self.fd, wire.HEADER, at)
            _, base, when, _, length, _, count = struct.unpack_from("<QQQQQQI", head)
            if at + length > size:
                break
            self._add(base, when, count, length)
            at += length
        os.ftruncate(self.fd, at)
        self.next = max(self.next, self.base[-1] + self.count[-1] if self.base else 0)

    def _add(self, base, when, count, length):
        self.base.append(base)
        self.time.append(when)
        self.count.append(count)
        self.at.append(self.at[-1] + length)

    @property
    def size(self):
        return self.at[-1]

    @property
    def messages(self):
        return self.next - self.first

    @property
    def current(self):
        return self.next - 1 if self.next else 0

    def append(self, origin, blob, at):
        when = max(now(), self.time[-1] if self.time else 0)
        base = self.next
        data = wire.batch_header(self.id, base, when, origin, blob, at) + blob
        os.pwrite(self.fd, data, self.at[-1])
        self._add(base, when, len(at) - 1, len(data))
        self.next += len(at) - 1
        return base

    def read(self, start, count):
        """Batches with the messages [start, start + count) as far as there are: (bytes, how many, last offset)."""
        start, end = max(start, self.first), min(max(start, self.first) + count, self.next)
        if start >= end:
            return b"", 0, None
        i, j = bisect.bisect_right(self.base, start) - 1, bisect.bisect_left(self.base, end) - 1
        data = os.pread(self.fd, self.at[j + 1] - self.at[i], self.at[i])
        cut = self.at[j] - self.at[i]
        if end < self.base[j] + self.count[j]:
            low = start - self.base[j] if i == j else 0
            data = data[:cut] + self._slice(data[cut:], low, end - self.base[j])
            if i == j:
                return data, end - start, end - 1
        if start > self.base[i]:
            n = self.at[i + 1] - self.at[i]
            data = self._slice(data[:n], start - self.base[i], self.count[i]) + data[n:]
        return data, end - start, end - 1

    @staticmethod
    def _slice(data, low, high):
        partition, base, when, origin, _, _, n = struct.unpack_from("<QQQQQQI", data)
        blob = data[wire.HEADER:]
        at = wire.walk(blob, n)
        blob = blob[at[low]:at[high]]
        return wire.batch_header(partition, base, when, origin, blob, wire.walk(blob, high - low)) + blob

    def start_of(self, kind, value, count, stored):
        if kind == 1:
            return value
        if kind == 2:
            i = bisect.bisect_left(self.time, value)
            return self.base[i] if i < len(self.base) else self.next
        if kind == 3:
            return self.first
        if kind == 4:
            return max(self.first, self.next - count)
        if kind == 5:
            return self.first if stored is None else stored + 1
        raise Error(3, "kind of strategy")

    def forget(self, before):
        """As retention does: what is before this offset is served no more."""
        self.first = min(max(self.first, before), self.next)

    def purge(self):
        os.ftruncate(self.fd, 0)
        self.base, self.time, self.count, self.at = [], [], [], [0]
        self.first = self.next = 0
        for table in (self.consumers, self.groups, self.polled):
            table.clear()

    def close(self):
        os.close(self.fd)


class Group:
    """Who reads a topic together. A partition whose last poll is not stored yet stays with nobody until its old owner stored it, left, or the
    time is over."""

    def __init__(self, id_, name):
        self.id, self.name, self.generation = id_, name, 0
        self.members, self.owner, self.draining, self.serial = {}, {}, {}, 0

    def join(self, who, topic):
        if who not in self.members:
            self.members[who] = self.serial
            self.serial += 1
            self.balance(topic)

    def leave(self, who, topic):
        if who not in self.members:
            raise Error(5006)
        del self.members[who]
        self.balance(topic)

    def balance(self, topic, timeout=30):
        self.generation += 1
        order = list(self.members)
        fresh = {p.id: order[i % len(order)] for i, p in enumerate(topic.partitions)} if order else {}
        for p in topic.partitions:
            old = self.owner.get(p.id)
            if old in self.members and fresh.get(p.id) is not old and p.polled.get(self.id, -1) > p.groups.get(self.id, -1):
                self.draining.setdefault(p.id, (old, time.monotonic() + timeout))
        for p, (old, _) in list(self.draining.items()):
            if old not in self.members or fresh.get(p) is old:
                del self.draining[p]
        self.owner = fresh

    def drained(self):
        """Partitions whose old owner is done are handed over."""
        over = [p for p, (old, until) in self.draining.items() if old not in self.members or time.monotonic() > until]
        for p in over:
            del self.draining[p]
        self.generation += bool(over)

    def replace(self, old, new):
        """The same member on another connection."""
        if old in self.members:
            self.members = {new if w is old else w: n for w, n in self.members.items()}
            self.owner = {p: new if w is old else w for p, w in self.owner.items()}
            self.draining = {p: (new if w is old else w, until) for p, (w, until) in self.draining.items()}

    def owned(self, who):
        self.drained()
        return [p for p, w in sorted(self.owner.items()) if w is who and p not in self.draining]

    def owns(self, who, partition):
        return partition in self.owned(who)

    def may_store(self, who, partition):
        return self.owns(who, partition) or self.draining.get(partition, (None,))[0] is who


class Ghost:
    """A member whose connection the server does not have any more: it was killed. Whoever logs in with its client id is it again."""

    def __init__(self, client):
        self.client = client


class Topic:
    def __init__(self, id_, name, created, options):
        self.id, self.name, self.created, self.options = id_, name, created, options
        self.partitions, self.groups, self.next_group, self.turn = [], {}, 0, 0

    @property
    def size(self):
        return sum(p.size for p in self.partitions)

    @property
    def messages(self):
        return sum(p.messages for p in self.partitions)

    def partition(self, id_):
        if id_ >= len(self.partitions):
            raise Error(3007)
        return self.partitions[id_]

    def group(self, which, need=True):
        for g in self.groups.values():
            if which in (g.id, g.name):
                return g
        if need:
            raise Error(5000)


class Stream:
    def __init__(self, id_, name, created):
        self.id, self.name, self.created, self.topics, self.next_topic = id_, name, created, {}, 0

    def topic(self, which, need=True):
        for t in self.topics.values():
            if which in (t.id, t.name):
                return t
        if need:
            raise Error(2010)


class User:
    def __init__(self, id_, name, password, status=1, permissions=None, created=None):
        self.id, self.name, self.password, self.status, self.permissions = id_, name, password, status, permissions
        self.created, self.tokens = created or now(), {}

    def may(self, what, stream=None, topic=None):
        """what: a word of GLOBAL; the same words, or their singular, count for one stream or topic."""
        if self.permissions is None:
            return self.id == 0
        everywhere, streams = permissions_of(self.permissions)
        if everywhere.get(what) or what == "read_streams" and everywhere.get("manage_streams"):
            return True
        of_stream, topics = streams.get(stream.id, ({}, {})) if stream else ({}, {})
        of_topic = topics.get(topic.id, {}) if topic else {}
        one = what.rstrip("s") if what.endswith(("streams", "topics")) else what
        return bool(of_stream.get(what) or of_stream.get(one) or of_topic.get(what) or of_topic.get(one))


def permissions_of(data):
    r = wire.Reader(data)
    everywhere, streams = {k: r.u8() for k in GLOBAL}, {}
    more = r.u8()
    while more:
        sid = r.u32()
        mine = {k: r.u8() for k in ("manage_stream", "read_stream", "manage_topics", "read_topics", "poll_messages", "send_messages")}
        topics, inner = {}, r.u8()
        while inner:
            tid = r.u32()
            topics[tid] = {k: r.u8() for k in ("manage_topic", "read_topic", "poll_messages", "send_messages")}
            inner = r.u8()
        streams[sid] = (mine, topics)
        more = r.u8()
    r.done()
    return everywhere, streams


class Store:
    """dir: where it lives on; without one it lives in a folder of its own until it is closed."""

    def __init__(self, folder=None, root=("iggy", "iggy")):
        self.own = folder is None
        self.dir = folder or tempfile.mkdtemp(prefix="hgi")
        os.makedirs(self.dir, exist_ok=True)
        self.users, self.streams, self.next_user, self.next_stream = {0: User(0, *root)}, {}, 1, 0
        self._load()
        self.offsets = open(os.path.join(self.dir, "offsets"), "ab", buffering=0)
        self.save()

    def close(self):
        if self.own:
            shutil.rmtree(self.dir, ignore_errors=True)

    # -- files
    def save(self):
        """Everything but batches and offsets, replaced as a whole."""
        def b64(b): return base64.b64encode(b).decode() if b is not None else None
        doc = {
            "next_user": self.next_user, "next_stream": self.next_stream,
            "users": [{"id": u.id, "name": u.name, "password": b64(u.password if isinstance(u.password, bytes) else u.password.encode()),
                       "status": u.status, "permissions": b64(u.permissions), "created": u.created, "tokens": u.tokens}
                      for u in self.users.values()],
            "streams": [{"id": s.id, "name": s.name, "created": s.created, "next_topic": s.next_topic, "topics": [
                {"id": t.id, "name": t.name, "created": t.created, "options": b64(t.options), "next_group": t.next_group,
                 "partitions": [[p.id, p.created, p.first] for p in t.partitions], "groups": [[g.id, g.name] for g in t.groups.values()]}
                for t in s.topics.values()]} for s in self.streams.values()]}
        path = os.path.join(self.dir, "state.json")
        with open(path + ".new", "w") as f:
            json.dump(doc, f)
        os.replace(path + ".new", path)

    def _load(self):
        try:
            with open(os.path.join(self.dir, "state.json")) as f:
                doc = json.load(f)
        except FileNotFoundError:
            return
        def raw(t): return base64.b64decode(t) if t is not None else None
        self.next_user, self.next_stream = doc["next_user"], doc["next_stream"]
        self.users = {}
        for u in doc["users"]:
            self.users[u["id"]] = User(u["id"], u["name"], raw(u["password"]), u["status"], raw(u["permissions"]), u["created"])
            self.users[u["id"]].tokens = u["tokens"]
        for s in doc["streams"]:
            stream = self.streams[s["id"]] = Stream(s["id"], s["name"], s["created"])
            stream.next_topic = s["next_topic"]
            for t in s["topics"]:
                topic = stream.topics[t["id"]] = Topic(t["id"], t["name"], t["created"], raw(t["options"]))
                topic.next_group = t["next_group"]
                topic.groups = {i: Group(i, n) for i, n in t["groups"]}
                for i, created, first in t["partitions"]:
                    p = Partition(i, created, self._path(stream, topic, i))
                    p.load()
                    p.first = min(first, p.next)
                    topic.partitions.append(p)
        try:
            with open(os.path.join(self.dir, "offsets"), "rb") as f:
                for line in f.read().split(b"\n")[:-1]:
                    sid, tid, pid, group, key, value = json.loads(line)
                    topic = self.streams[sid].topics.get(tid) if sid in self.streams else None
                    if topic and pid < len(topic.partitions):
                        p = topic.partitions[pid]
                        self._put(p, group, key, min(value, p.current) if value is not None else None)
        except FileNotFoundError:
            pass

    def _path(self, stream, topic, partition):
        return os.path.join(self.dir, f"{stream.id}-{topic.id}-{partition}.log")

    # -- finding
    def stream(self, which, need=True):
        for s in self.streams.values():
            if which in (s.id, s.name):
                return s
        if need:
            raise Error(1009)

    def topic(self, stream, topic):
        return self.stream(stream).topic(topic)

    def user(self, which, need=True):
        for u in self.users.values():
            if which in (u.id, u.name):
                return u
        if need:
            raise Error(20)

    # -- changing
    def create_stream(self, name):
        if self.stream(name, False):
            raise Error(1012)
        s = self.streams[self.next_stream] = Stream(self.next_stream, name, now())
        self.next_stream += 1
        self.save()
        return s

    def rename(self, thing, others, name, taken):
        if any(o is not thing and o.name == name for o in others):
            raise Error(taken)
        thing.name = name
        self.save()

    def create_topic(self, stream, name, partitions, options):
        if stream.topic(name, False):
            raise Error(2013)
        if partitions > 1000:
            raise Error(2015)
        t = stream.topics[stream.next_topic] = Topic(stream.next_topic, name, now(), options)
        stream.next_topic += 1
        self.add_partitions(stream, t, partitions)
        return t

    def add_partitions(self, stream, topic, count):
        if count > 1000:
            raise Error(2015)
        for _ in range(count):
            i = len(topic.partitions)
            path = self._path(stream, topic, i)
            if os.path.exists(path):
                os.unlink(path)
            topic.partitions.append(Partition(i, now(), path))
        self._partitions_changed(topic)

    def drop_partitions(self, topic, count):
        if count > len(topic.partitions):
            raise Error(2019)
        for p in topic.partitions[len(topic.partitions) - count:]:
            p.close()
            os.unlink(p.path)
        del topic.partitions[len(topic.partitions) - count:]
        self._partitions_changed(topic)

    def _partitions_changed(self, topic):
        for g in topic.groups.values():
            if g.members:
                g.balance(topic)
        self.save()

    def delete_topic(self, stream, topic):
        for p in topic.partitions:
            p.close()
            os.unlink(p.path)
        del stream.topics[topic.id]
        self.save()

    def delete_stream(self, stream):
        for t in list(stream.topics.values()):
            self.delete_topic(stream, t)
        del self.streams[stream.id]
        self.save()

    def create_group(self, topic, name):
        if topic.group(name, False):
            raise Error(5004)
        g = topic.groups[topic.next_group] = Group(topic.next_group, name)
        topic.next_group += 1
        self.save()
        return g

    def create_token(self, user, name, expiry):
        if name in user.tokens:
            raise Error(51)
        token = secrets.token_hex(34)
        user.tokens[name] = [token, now() + expiry if 0 < expiry < NEVER else 0]
        self.save()
        return token

    def login(self, name, password):
        u = self.user(name, False)
        if not u or (u.password if isinstance(u.password, bytes) else u.password.encode()) != password:
            raise Error(42)
        if u.status != 1:
            raise Error(47)
        return u

    def login_token(self, token):
        for u in self.users.values():
            for value, expiry in u.tokens.values():
                if value.encode() == token:
                    if expiry and expiry < now():
                        raise Error(54)
                    return u
        raise Error(53)

    # -- offsets
    @staticmethod
    def key(who):
        """A named consumer and one whose number is the hash of that name are the same."""
        return who if isinstance(who, int) else wire.xxh32(who.encode())

    @staticmethod
    def _put(partition, group, key, value):
        table = partition.groups if group else partition.consumers
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value

    def store_offset(self, stream, topic, partition, group, key, value):
        self._put(partition, group, key, value)
        self.offsets.write(json.dumps([stream.id, topic.id, partition.id, group, key, value]).encode() + b"\n")
        if group and key in topic.groups:
            g = topic.groups[key]
            if partition.id in g.draining and value is not None and value >= partition.polled.get(key, -1):
                del g.draining[partition.id]
                g.generation += 1
