"""Iggy's bytes, for both sides of the tests: numbers, names, identifiers, message batches, the hashes. Little-endian throughout."""
import ctypes
import ctypes.util
import struct

try:
    import numpy as np
except ImportError:  # the tests have it; the example runs without
    np = None

_xx = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
_xx.XXH3_64bits.restype = ctypes.c_uint64
_xx.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_xx_at = _xx["XXH3_64bits"]  # another object of the same function, for addresses
_xx_at.restype, _xx_at.argtypes = ctypes.c_uint64, [ctypes.c_void_p, ctypes.c_size_t]
_xx.XXH32.restype = ctypes.c_uint32
_xx.XXH32.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32]

HEADER = 256          # of a VSR frame, and of a batch
FRAME = 48            # of a message in a batch
CLASSIC = 64          # of a message of the classic protocol
NOBODY = 0xffffffff   # partition of a poll answered to one that does not own it

# What one asks, by the name the tests use: (VSR operation, command code). Reads share operation 2.
COMMANDS = {
    "ping": (2, 1), "stats": (2, 10), "snapshot": (2, 11), "cluster": (2, 12), "options": (2, 13), "me": (2, 20), "client": (2, 21),
    "clients": (2, 22), "user": (2, 31), "users": (2, 32), "tokens": (2, 41), "poll": (2, 100), "flush": (2, 102), "get_offset": (2, 120),
    "stream": (2, 200), "streams": (2, 201), "topic": (2, 300), "topics": (2, 301), "group": (2, 600), "groups": (2, 601), "sync": (2, 606),
    "login": (1, 38), "login_token": (1, 44), "logout": (3, 39),
    "create_stream": (128, 202), "update_stream": (129, 204), "delete_stream": (130, 203), "purge_stream": (131, 205),
    "create_topic": (132, 302), "update_topic": (133, 304), "delete_topic": (134, 303), "purge_topic": (135, 305),
    "create_partitions": (136, 402), "delete_partitions": (137, 403), "delete_segments": (138, 503),
    "create_group": (139, 602), "delete_group": (140, 603), "create_user": (141, 33), "update_user": (142, 35), "delete_user": (143, 34),
    "change_password": (144, 37), "update_permissions": (145, 36), "create_token": (146, 42), "delete_token": (147, 43),
    "join": (148, 604), "leave": (149, 605), "send": (160, 101), "store_offset": (161, 121), "delete_offset": (162, 122),
}
BY_OPERATION = {op: name for name, (op, _) in reversed(COMMANDS.items()) if op != 2}
BY_CODE = {code: name for name, (_, code) in COMMANDS.items()}
RESULT_FRAMED = {op for op in BY_OPERATION if op >= 128 and op not in (138, 160)}


class Error(Exception):
    """An answer that is one of Iggy's error codes."""

    def __init__(self, code, why=""):
        super().__init__(f"error {code} {why}".rstrip())
        self.code = code


def xxh3(data):
    return _xx.XXH3_64bits(bytes(data), len(data))


def xxh32(data):
    return _xx.XXH32(data, len(data), 0)


def u8(v): return struct.pack("<B", v)
def u32(v): return struct.pack("<I", v)
def u64(v): return struct.pack("<Q", v)


def name(s):
    b = s.encode() if isinstance(s, str) else s
    return u8(len(b)) + b


def str32(s):
    b = s.encode() if isinstance(s, str) else s
    return u32(len(b)) + b


def ident(v):
    """An identifier: numeric or by name."""
    return b"\x01\x04" + u32(v) if isinstance(v, int) else b"\x02" + name(v)


def consumer(v, group=False):
    return (b"\x02" if group else b"\x01") + ident(v)


def some_partition(p):
    return b"\x00" + u32(0) if p is None else b"\x01" + u32(p)


def strategy(kind, value=0):
    return u8({"offset": 1, "timestamp": 2, "first": 3, "last": 4, "next": 5}[kind]) + u64(value)


def partitioning(partition=None, key=None):
    if key is not None:
        return b"\x03" + name(key)
    return b"\x01\x00" if partition is None else b"\x02\x04" + u32(partition)


_SIZES = {3: 1, 4: 1, 5: 2, 6: 4, 7: 8, 8: 16, 9: 1, 10: 2, 11: 4, 12: 8, 13: 16, 14: 4, 15: 8}


def headers(h):
    """User headers as TLV: {name: text, or (kind, bytes)}."""
    out = b""
    for k, v in (h or {}).items():
        kind, value = v if isinstance(v, tuple) else (2, v.encode() if isinstance(v, str) else v)
        kk, key = k if isinstance(k, tuple) else (2, k.encode() if isinstance(k, str) else k)
        out += u8(kk) + u32(len(key)) + key + u8(kind) + u32(len(value)) + value
    return out


class Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, n):
        if n < 0 or self.at + n > len(self.data):
            raise Error(3, "the body is too short")
        self.at += n
        return bytes(self.data[self.at - n:self.at])

    def _num(self, fmt, n):
        if self.at + n > len(self.data):
            raise Error(3, "the body is too short")
        self.at += n
        return struct.unpack_from(fmt, self.data, self.at - n)[0]

    def u8(self): return self._num("<B", 1)
    def u16(self): return self._num("<H", 2)
    def u32(self): return self._num("<I", 4)
    def u64(self): return self._num("<Q", 8)
    def f32(self): return self._num("<f", 4)
    def u128(self): return int.from_bytes(self.take(16), "little")

    def text(self, data):
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Error(4, "not UTF-8") from None

    def name(self, least=1):
        n = self.u8()
        if n < least:
            raise Error(3, "an empty name")
        return self.text(self.take(n))

    def bytes8(self): return self.take(self.u8())
    def str32(self): return self.text(self.take(self.u32()))
    def rest(self): return self.take(len(self.data) - self.at)
    def more(self): return self.at < len(self.data)

    def done(self):
        if self.more():
            raise Error(3, f"{len(self.data) - self.at} bytes too many")

    def ident(self):
        kind = self.u8()
        value = self.bytes8()
        if kind == 1 and len(value) == 4:
            return int.from_bytes(value, "little")
        if kind == 2 and value:
            return self.text(value)
        raise Error(6, "identifier")

    def consumer(self):
        kind = self.u8()
        if kind not in (1, 2):
            raise Error(3, "kind of consumer")
        return kind == 2, self.ident()

    def some_partition(self):
        flag, p = self.u8(), self.u32()
        return p if flag else None

    def partitioning(self):
        kind = self.u8()
        return kind, self.bytes8()

    def headers(self):
        """The rest as TLV: {key: value} as text where they are text, else (kind, bytes)."""
        out = {}
        while self.more():
            kk, key = self.u8(), self.take(self.u32())
            kind, value = self.u8(), self.take(self.u32())
            if not kk or not kind or not 1 <= len(key) <= 255 or not 1 <= len(value) <= 255 or _SIZES.get(kind, len(value)) != len(value):
                raise Error(4019, "user header")
            out[key.decode() if kk == 2 else (kk, key)] = value.decode() if kind == 2 else (kind, value)
        return out


def walk(blob, count):
    """Where each of the frames of a batch begins, and the end; None when they do not tile it."""
    at, end, out = 0, len(blob), []
    if np and count and end >= FRAME and end % count == 0:  # equal sizes, as most tests have them: looked at in one go
        stride = end // count
        if stride >= FRAME:
            table = np.frombuffer(blob, np.uint8).reshape(count, stride)[:, 32:40].copy().view("<u4")
            if (table.sum(axis=1, dtype=np.int64) == stride - FRAME).all():
                return range(0, end + 1, stride)
    unpack = struct.Struct("<II").unpack_from
    for _ in range(count):
        if at + FRAME > end:
            return None
        out.append(at)
        a, b = unpack(blob, at + 32)
        at += FRAME + a + b
    out.append(at)
    return out if at == end else None


def sums(blob, at):
    """The checksum fields of the frames, back to back."""
    if isinstance(at, range):
        return np.frombuffer(blob, np.uint8).reshape(len(at) - 1, at.step)[:, :8].tobytes()
    return b"".join([bytes(blob[p:p + 8]) for p in at[:-1]])


def batch_header(partition, base_offset, base_time, origin, blob, at):
    fields = struct.pack("<QQQQQ", partition, base_offset, base_time, origin, HEADER + len(blob))
    count = u32(len(at) - 1)
    return fields + u64(xxh3(fields + count + sums(blob, at))) + count + bytes(204)


def frame(payload, ident_, delta, time_delta, user_headers=b""):
    rest = ident_.to_bytes(16, "little") + struct.pack("<IIIIQ", delta, time_delta, len(user_headers), len(payload), 0) + payload + user_headers
    return u64(xxh3(rest)) + rest


def batch(messages, origin):
    """A batch as a client sends it: messages as (payload, id, user headers as TLV)."""
    blob = b"".join(frame(p, i, n, 0, h) for n, (p, i, h) in enumerate(messages))
    return batch_header(0, 0, 0, origin, blob, walk(blob, len(messages))) + blob


def check_batch(head, blob, count, every):
    """What admission looks at: the positions of the frames, or None if the batch is not one. `every`: also the checksum of each frame."""
    partition, base, time, origin, length, checksum, n = struct.unpack_from("<QQQQQQI", head)
    if partition or base or time or length != HEADER + len(blob) or n != count or not n or any(head[52:HEADER]):
        return None
    at = walk(blob, count)
    if at is None or bytes(batch_header(0, 0, 0, origin, blob, at)[40:48]) != bytes(head[40:48]):
        return None
    if every:
        data = blob if isinstance(blob, bytes) else bytes(blob)
        base = ctypes.cast(data, ctypes.c_void_p).value
        hashes, xx = struct.unpack(f"<{count}Q", sums(data, at)), _xx_at
        for i, want in enumerate(hashes):
            if xx(base + at[i] + 8, at[i + 1] - at[i] - 8) != want or any(data[at[i] + 40:at[i] + 48]) or data[at[i] + 24:at[i] + 28] != u32(i):
                return None
    return at


class Message:
    """A message as a reader has it."""
    __slots__ = ("offset", "time", "origin", "id", "payload", "tlv")

    def __init__(self, offset, time, origin, ident_, payload, tlv):
        self.offset, self.time, self.origin, self.id, self.payload, self.tlv = offset, time, origin, ident_, payload, tlv

    @property
    def headers(self):
        return Reader(self.tlv).headers()


def messages_of(data):
    """The messages of batches back to back, checked as strictly as a reader can."""
    out, at = [], 0
    while at < len(data):
        partition, base, time, origin, length, checksum, n = struct.unpack_from("<QQQQQQI", data, at)
        assert length >= HEADER and at + length <= len(data) and not any(data[at + 52:at + HEADER]), "batch header"
        blob = bytes(data[at + HEADER:at + length])
        frames = walk(blob, n)
        assert frames is not None, "the frames do not tile their batch"
        assert batch_header(partition, base, time, origin, blob, frames)[40:48] == data[at + 40:at + 48], "checksum of the batch"
        for i in range(n):
            p = frames[i]
            ident_ = int.from_bytes(blob[p + 8:p + 24], "little")
            delta, later, hl, pl = struct.unpack_from("<IIII", blob, p + 24)
            assert u64(xxh3(blob[p + 8:frames[i + 1]])) == blob[p:p + 8], "checksum of a message"
            body = p + FRAME
            out.append(Message(base + delta, time, origin + later, ident_, blob[body:body + pl], blob[body + pl:body + pl + hl]))
        at += length
    return out


def classic_message(m):
    rest = m.id.to_bytes(16, "little") + struct.pack("<QQQIIQ", m.offset, m.time, m.origin, len(m.tlv), len(m.payload), 0) + m.payload + m.tlv
    return u64(xxh3(rest)) + rest


def classic_messages(data):
    out, at = [], 0
    while at < len(data):
        if at + CLASSIC > len(data):
            raise Error(4037, "a message that is cut off")
        ident_ = int.from_bytes(data[at + 8:at + 24], "little")
        offset, time, origin, hl, pl, reserved = struct.unpack_from("<QQQIIQ", data, at + 24)
        body = at + CLASSIC
        if reserved or body + hl + pl > len(data):
            raise Error(4036, "sizes of a message")
        out.append(Message(offset, time, origin, ident_, bytes(data[body:body + pl]), bytes(data[body + pl:body + pl + hl])))
        at = body + pl + hl
    return out
