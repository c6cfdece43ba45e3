"""The tests' own Iggy server is held to what Iggy is: its published clients work with it, and bytes recorded from real servers and clients
come out of it, or out of the tests' client, as they were recorded. With IGGY_SERVER what is true of both is asked of the real one."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys

import pytest

from hg import CACHE, PATIENCE, ROOT, until
from hg.iggy import Client, Error, Server, wire


@pytest.fixture(scope="module")
def vsr():
    s = Server()
    yield s
    s.close()


@pytest.fixture(scope="module")
def classic():
    s = Server("classic")
    yield s
    s.close()


@pytest.fixture
def fresh():
    """A server for one test: fresh(...) as Server(standin=True, ...). real: may be the real one."""
    started = []

    def start(*args, real=False, **kw):
        started.append(Server(*args, standin=not real, **kw))
        return started[-1]
    yield start
    for s in started:
        s.close()


def hexed(text):
    """Bytes of a dump in which 00*N stands for N zero bytes."""
    return b"".join(bytes(int(w[3:])) if w.startswith("00*") else bytes.fromhex(w) for w in text.split())


class Recorder:
    """A socket that keeps what is written and answers what it was given."""

    def __init__(self, *answers):
        self.written, self.answers = b"", b"".join(answers)

    def sendall(self, data):
        self.written += data

    def recv_into(self, view):
        n = min(len(view), len(self.answers))
        view[:n], self.answers = self.answers[:n], self.answers[n:]
        return n


def client_of(protocol="vsr", session=0, *answers):
    c = Client.__new__(Client)
    c.classic, c.sock, c.id, c.session, c.request = protocol == "classic", Recorder(*answers), bytes(range(1, 17)), session, 0
    return c


def exchange(port, *frames):
    """Raw bytes in, the answering frames out."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
        f = s.makefile("rb")
        out = []
        for data in frames:
            s.sendall(data)
            head = f.read(256)
            out.append((head, f.read(struct.unpack_from("<I", head, 48)[0] - 256)))
        return out


CLIENT = "01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10"
PING = hexed(f"00*49 01 00*10 05 00*67 {CLIENT} 00*24 01 00*7 02 00*19 01 00*59")
LOGIN_BODY = hexed("002c0000 08 6865616467617465 05 302e312e30 04 69676779 04 69676779 00000000")
LOGIN = hexed(f"00*48 21 01 00*10 05 00*67 {CLIENT} 4d 91 fa ce d9 3f f5 05 00*24 01 00*79") + LOGIN_BODY
STREAM, TOPIC, GROUP = "02 09 68672d73747265616d", "02 08 68672d746f706963", "02 08 68672d67726f7570"
SEND = hexed(f"1f000000 {STREAM} {TOPIC} 0204 00000000 02000000 00*25 40 1e 18 24 0a 06 00 87 01 00*6 fc 7e ed 2f e2 a9 48 f9 02 00*207 "
             "43c90273a228db800100000000000000000000000000000000000000000000001d00000005000000000000000000000068656c6c6f02020000006b310202000000"
             "763102010000006e0b0400000007000000 "
             "c590c02ce7d1353c02000000000000000000000000000000010000000500000000000000050000000000000000000000776f726c64")


# The hashes of the specification: XXH3-64 of the first N bytes of 00 01 .. ff 00 01 .., xxHash32 of texts
@pytest.mark.parametrize("n, value", [
    (0, "2d06800538d394c2"), (1, "c44bdff4074eecdb"), (3, "5f4299fc161c9cbb"), (8, "3a1c2d7c85af88f8"), (16, "8355e3a6f61770db"),
    (17, "9ef341a99de37328"), (128, "85c6174c7ff4c46b"), (129, "ec7642b431ba3e5a"), (240, "375a384d957fe865"), (241, "02e8cd95421c6d02"),
    (256, "9408a4433b952d71"), (1024, "a870f92984398d22"), (1025, "78c86e91ee939852"), (2048, "dd420471ff96bd00")])
def test_xxh3(n, value):
    assert wire.xxh3(bytes(i % 256 for i in range(n))) == int(value, 16)


@pytest.mark.parametrize("text, value", [("", 0x02cc5d05), ("a", 0x550d7456), ("key-1", 0x39636a09), ("headgate-consumer", 0x8c20ddde),
                                         ("0123456789abcdef0123456789abcdef", 0xeb888d30)])
def test_xxh32(text, value):
    assert wire.xxh32(text.encode()) == value


def test_a_ping_and_a_login_byte_by_byte(vsr):
    """The session and the version are the server's own; everything else is as recorded."""
    (pong, nothing), (head, body) = exchange(vsr.port, PING, LOGIN)
    assert pong[:176] == hexed(f"00*49 01 00*10 08 00*99 {CLIENT}") and pong[200:] == hexed("01 00*7 02 00*47") and nothing == b""
    assert head[60] == 8 and head[128:136] == LOGIN[144:152] and head[208] == 1
    assert body[:8] == bytes(8) and body[16:20] == hexed("002c0000") and struct.unpack_from("<Q", body, 8)[0] > 0
    c = client_of("vsr", 0, pong, head, body)
    c.ask("ping")
    r = c.sock
    assert r.written == PING
    r.written = b""
    c.ask("login", LOGIN_BODY)
    # the tests' client leaves the checksum out, which is allowed
    assert r.written[:144] == LOGIN[:144] and r.written[152:] == LOGIN[152:]


def test_a_login_a_client_recorded(vsr):
    """Of Iggy's Python client 0.9.0, its checksum with it."""
    body = hexed("002c0000 08 727573742d73646b 06 302e31312e30 04 69676779 04 69676779 00000000")
    checksum = hexed("95 80 3f 2a 3c 20 de 8f 00*8")
    assert wire.u64(wire.xxh3(body)) == checksum[:8]
    head, answer = exchange(vsr.port, LOGIN[:48] + wire.u32(256 + len(body)) + LOGIN[52:128] + os.urandom(16) + checksum + LOGIN[160:256] + body)[0]
    assert head[60] == 8 and answer[:8] == bytes(8)


def answer(op, body=b"", result=True):
    head = bytearray(256)
    body = bytes(4) + body if result else body
    struct.pack_into("<I", head, 48, 256 + len(body))
    head[60], head[208] = 8, op
    return bytes(head) + body


ZERO = bytes(64)


@pytest.mark.parametrize("what, want, do", [
    ("create_stream", "09 68672d73747265616d", lambda c: c.create_stream("hg-stream")),
    ("stream", STREAM, lambda c: c.ask("stream", wire.ident("hg-stream"))),
    ("stream", "01 04 03000000", lambda c: c.ask("stream", wire.ident(3))),
    ("create_topic", f"{STREAM} 02000000 08 68672d746f706963", lambda c: c.create_topic("hg-stream", "hg-topic", 2)),
    ("create_topic", f"{STREAM} 02000000 08 68672d746f706963 020e0000006d6573736167655f6578706972790c0800000000a493d600000000 "
     "020e0000006d61785f746f7069635f73697a650c0800000000ca9a3b00000000",
     lambda c: c.create_topic("hg-stream", "hg-topic", 2, {"message_expiry": (12, wire.u64(3600 * 10**6)),
                                                           "max_topic_size": (12, wire.u64(10**9))})),
    ("create_topic", f"{STREAM} 02000000 08 68672d746f706963 021a000000636f6e73756d65725f6f66667365745f6475726162696c697479 "
     "020a0000007265706c696361746564 020a0000006475726162696c697479 020a0000007265706c696361746564",
     lambda c: c.create_topic("hg-stream", "hg-topic", 2, {"consumer_offset_durability": "replicated", "durability": "replicated"})),
    ("topic", f"{STREAM} {TOPIC}", lambda c: c.ask("topic", wire.ident("hg-stream") + wire.ident("hg-topic"))),
    ("create_group", f"{STREAM} {TOPIC} 08 68672d67726f7570", lambda c: c.create_group("hg-stream", "hg-topic", "hg-group")),
    ("join", f"{STREAM} {TOPIC} {GROUP}", lambda c: c.join("hg-stream", "hg-topic", "hg-group")),
    ("poll", f"010104 01000000 {STREAM} {TOPIC} 01 00000000 05 00*8 0a000000 01", lambda c: c.poll("hg-stream", "hg-topic", 0, "next", 0, 10, auto=True)),
    ("poll", f"02 {GROUP} {STREAM} {TOPIC} 01 00000000 05 00*8 0a000000 00",
     lambda c: c.poll("hg-stream", "hg-topic", 0, "next", 0, 10, "hg-group", True)),
    ("poll", f"01 0203 632d31 {STREAM} {TOPIC} 01 01000000 01 2a00000000000000 64000000 00",
     lambda c: c.poll("hg-stream", "hg-topic", 1, "offset", 42, 100, "c-1")),
    ("store_offset", f"02 {GROUP} {STREAM} {TOPIC} 01 00000000 05 00*7 01", lambda c: c.store_offset("hg-stream", "hg-topic", 5, 0, "hg-group", True)),
    ("get_offset", f"010104 01000000 {STREAM} {TOPIC} 01 00000000", lambda c: c.offset("hg-stream", "hg-topic")),
    ("create_token", "03 746f6b 00a493d600000000", lambda c: c.token("tok", 3600 * 10**6)),
])
def test_requests_as_recorded(what, want, do):
    op = wire.COMMANDS[what][0]
    empty = {"poll": bytes(16), "get_offset": b"", "create_token": b"\x01x"}.get(what, b"")
    c = client_of("vsr", 7, answer(op, empty, op in wire.RESULT_FRAMED))
    do(c)
    assert c.sock.written[256:] == hexed(want)
    if what == "create_stream":
        assert c.sock.written[:256] == hexed(f"00*48 0a 01 00*10 05 00*67 {CLIENT} 79 f9 d2 63 18 97 6f a5 00*16 01 00*7 80 00*7 07 00*71")


@pytest.mark.parametrize("want, do", [
    ("04000000 01000000", lambda c: c.ask("ping")),
    ("1c000000 26000000 04 69676779 04 69676779 06000000 302e31302e30 00000000",
     lambda c: c.ask("login", wire.name("iggy") * 2 + wire.str32("0.10.0") + wire.u32(0))),
    ("0a000000 2c000000 05 746f6b2d31", lambda c: c.login("tok-1")),
    ("0e000000 ca000000 09 68672d73747265616d", lambda c: c.create_stream("hg-stream")),
    (f"2e000000 2e010000 {STREAM} 02000000 01 00*8 00*8 00 08 68672d746f706963", lambda c: c.create_topic("hg-stream", "hg-topic", 2)),
    (f"31000000 79000000 02 {GROUP} {STREAM} {TOPIC} 01 00000000 05 00*7", lambda c: c.store_offset("hg-stream", "hg-topic", 5, 0, "hg-group", True)),
    (f"37000000 64000000 02 {GROUP} {STREAM} {TOPIC} 00 00000000 05 00*8 0a000000 00",
     lambda c: c.poll("hg-stream", "hg-topic", None, "next", 0, 10, "hg-group", True)),
])
def test_classic_requests_as_recorded(want, do):
    c = client_of("classic", 0, bytes(4) + wire.u32(16) + bytes(16))
    do(c)
    assert c.sock.written == hexed(want)


def test_a_batch_as_computed_by_hand(fresh):
    """The worked example of two messages: our encoder makes these bytes, the stand-in takes them, and gives them back."""
    tlv = wire.headers({"k1": "v1", "n": (11, wire.u32(7))})
    blob = wire.frame(b"hello", 1, 0, 0, tlv) + wire.frame(b"world", 2, 1, 5)
    assert wire.batch_header(0, 0, 0, 1700000000000000, blob, wire.walk(blob, 2)) + blob == SEND[35:]
    s = fresh(real=True)
    c = s.client()
    c.create("hg-stream", "hg-topic", 1)
    assert c.ask("send", SEND) == hexed("01000000 00*20")
    part, current, messages = c.poll("hg-stream", "hg-topic")
    assert (part, current) == (0, 1)
    assert [(m.payload, m.id, m.origin) for m in messages] == [(b"hello", 1, 1700000000000000), (b"world", 2, 1700000000000005)]
    assert messages[0].headers == {"k1": "v1", "n": (11, wire.u32(7))} and messages[0].time == messages[1].time > 1700000000000000


@pytest.mark.parametrize("protocol", ["vsr", "classic"])
def test_who_is_asked_for_the_partition(fresh, protocol):
    """A number, a key, or none: what clients of ours resolve themselves, servers can, too."""
    assert wire.partitioning(1) == hexed("02 04 01 00 00 00")
    key = hexed("03 05 6b 65 79 2d 31")
    assert wire.xxh32(b"key-1") % 2 == 1
    with fresh(protocol, real=True).client() as c:
        c.create("s", "t", 2)
        for how, want in ((wire.partitioning(1), [0, 1]), (key, [0, 2]), (key, [0, 3])):
            c.send_parts("s", "t", how, [(b"x", 1, b"")])
            assert [n for n, _ in c.partitions("s", "t")] == want
        for _ in range(2):
            c.send_parts("s", "t", hexed("01 00"), [(b"x", 1, b"")])
        assert [n for n, _ in c.partitions("s", "t")] == [1, 4]


def test_frames_a_client_recorded():
    """Checksums of the published client's own messages and batch."""
    frames = hexed("03cbfa9fcf276bf9 149392e9b62f42e6aa61c5de4b492f61 00000000 00000000 00000000 05000000 0000000000000000 68656c6c6f "
                   "a6ae5ae8b9de6a60 67c1c06c09d948eebd0afe04de2e0d05 01000000 02000000 00000000 05000000 0000000000000000 776f726c64")
    head = hexed("00*24 c6cf9816be600600 6a01000000000000 43090940404e35d4 02000000 00*204")
    assert wire.check_batch(head, frames, 2, True) == range(0, 107, 53)
    for at in range(len(frames)):  # any byte that is another is seen
        bad = bytearray(frames)
        bad[at] ^= 1
        assert wire.check_batch(head, bytes(bad), 2, True) is None, at


def test_a_classic_batch_as_recorded(classic):
    c = classic.client()
    c.create("hg-stream", "hg-topic", 2)
    c.sock.sendall(hexed(f"d1000000 65000000 1f000000 {STREAM} {TOPIC} 020400000000 02000000 00000000 45000000 00*8 00000000 8a000000 00*8 "
                         "00*40 44e96b18be600600 00000000 05000000 00*8 68656c6c6f 00*40 46e96b18be600600 00000000 05000000 00*8 776f726c64"))
    assert c._read(8) == bytes(8)
    part, current, messages = c.poll("hg-stream", "hg-topic", 0)
    assert (part, current, [(m.payload, m.offset) for m in messages]) == (0, 1, [(b"hello", 0), (b"world", 1)])
    assert messages[1].origin - messages[0].origin == 2 and all(m.id for m in messages)


def test_what_a_vsr_ping_gets_from_a_classic_server(classic):
    """Six times "invalid command", one for each eight zeros, then silence: how clients tell the two apart."""
    with socket.create_connection(("127.0.0.1", classic.port), PATIENCE) as s:
        s.sendall(PING)
        f = s.makefile("rb")
        assert f.read(48) == hexed("03 00*7") * 6
        s.settimeout(0.2)
        with pytest.raises(TimeoutError):
            s.recv(1)


# Everything the published clients see is the same with a real server of their time.
SEEN = {"stream": [0, "hg-stream", 1], "topic": [0, "hg-topic", 2], "first": [[0, "0.0", 1], [1, "0.1", 1]],
        "last": [[2998, "2.998", 1], [2999, "2.999", 1]], "offset": [[999, "0.999", 1], [1000, "1.0", 1], [1001, "1.1", 1]], "all": 3000,
        "future": [], "next": [[[0, "0.0", 1], [1, "0.1", 1]], [[2, "0.2", 1], [3, "0.3", 1]]], "empty": [], "group": [0, 249, 250, 249]}


@pytest.mark.parametrize("protocol, version, folder, more", [
    ("vsr", "0.9.0", None, {"confirmed": [[1, 3000]], "stats": [1, 1, 2, 3001], "duplicate": "Stream with name:  already exists."}),
    ("classic", "0.8.0", "iggy-classic", {"duplicate": 'StreamNameAlreadyExists("")'})])
def test_published_client(fresh, protocol, version, folder, more):
    s = fresh(protocol)
    env = dict(os.environ, PYTHONPATH=str(CACHE / "venv" / folder) if folder else "")
    p = subprocess.run([sys.executable, ROOT / "tests" / "lib" / "hg" / "iggy" / "official.py", s.address, version], env=env, text=True,
                       capture_output=True, timeout=PATIENCE)
    assert p.returncode == 0, p.stderr
    assert json.loads(p.stdout) == {**SEEN, **more}


def test_smoke_sequence(fresh):
    """The happy path of the specification, from ping to logout."""
    c = fresh(real=True).client()
    assert len(c.ask("cluster")) > 0
    c.create("s", "t", 2)
    c.send("s", "t", ["a", "b"])
    assert [m.offset for m in c.poll("s", "t", 0, "next", 0, 10, auto=True)[2]] == [0, 1]
    until("the offset is stored", lambda: c.offset("s", "t") == 1)
    c.create_group("s", "t", "g")
    c.join("s", "t", "g")
    assert c.sync("s", "t", "g") == (1, [0, 1])
    assert len(c.poll("s", "t", 0, "next", 0, 10, "g", True)[2]) == 2
    c.store_offset("s", "t", 1, 0, "g", True)
    c.leave("s", "t", "g")
    assert c.sync("s", "t", "g") is None
    with pytest.raises(Error, match="20"):  # after leaving it is too late
        c.store_offset("s", "t", 1, 0, "g", True)
    c.ask("delete_stream", wire.ident("s"))
    c.ask("logout")
    c.ask("ping")
    with pytest.raises(Error, match="40"):
        c.ask("streams")


@pytest.mark.parametrize("do, code", [
    (lambda c: c.create_stream("there"), 1012), (lambda c: c.create_topic("there", "t"), 2013), (lambda c: c.create_topic("gone", "t"), 1009),
    (lambda c: c.create_topic("there", "t2", 1001), 2015), (lambda c: c.poll("gone", "t"), 1009), (lambda c: c.poll("there", "gone"), 2010),
    (lambda c: c.poll("there", "t", 9), 3007), (lambda c: c.send("there", "t", ["x"], 9), 20), (lambda c: c.send("gone", "t", ["x"]), 20),
    (lambda c: c.join("there", "gone", "g"), 2010), (lambda c: c.join("there", "t", "gone"), 5000), (lambda c: c.create_group("there", "t", "g"), 5004),
    (lambda c: c.store_offset("there", "t", 1), 4100), (lambda c: c.create_topic("there", "t2", 1, {"nonsense": (3, b"\1")}), 4041),
    (lambda c: c.create_topic("there", "t2", 1, {"compression_algorithm": "lz4"}), 4042),
    (lambda c: c.ask("delete_topic", wire.ident("there") + wire.ident("gone")), 2010), (lambda c: c.ask("stream", b"\1"), 3),
    (lambda c: c.offset("there", "t", 9), 3007), (lambda c: c.ask("flush", wire.ident(0) + wire.ident(0) + bytes(5)), 5),
    (lambda c: c.ask("change_password", wire.ident("iggy") + wire.name("no") + wire.name("secret")), 42)])
def test_errors(vsr, do, code):
    with vsr.client() as c:
        if not c.ask("stream", wire.ident("there")):
            c.create("there", "t")
            c.create_group("there", "t", "g")
        with pytest.raises(Error) as e:
            do(c)
        assert e.value.code == code
        c.ask("ping")


def test_who_may_in(vsr):
    for who, code in ((("iggy", "wrong"), 42), (("tok-1",), 53)):
        with pytest.raises(Error) as e:
            vsr.client(*who)
        assert e.value.code == code
    with vsr.client() as c:
        token = c.token("mine")
        c.ask("create_user", hexed("03 626f62 06 736563726574 01 00"))  # may do nothing
        with pytest.raises(Error, match="41"), vsr.client("bob", "secret") as bob:
            bob.create_stream("of-bob")
        c.ask("delete_user", wire.ident("bob"))
        # sends and reads, creates nothing
        c.ask("create_user", hexed("03 626f62 06 736563726574 01 01 20000000 00010000000100010101 01 00000000 000100010101 01 00000000 00010101 00 00"))
    with vsr.client(token) as c:
        c.create("of-token", "t")
    with vsr.client("bob", "secret") as c:
        c.send("of-token", "t", ["x"])
        assert len(c.poll("of-token", "t")[2]) == 1
        with pytest.raises(Error, match="41"):
            c.create_stream("of-bob")


def test_a_version_that_is_not_ours(vsr):
    head, _ = exchange(vsr.port, LOGIN[:128] + os.urandom(16) + bytes(16) + LOGIN[160:256] + hexed("00300000") + LOGIN_BODY[4:])[0]
    assert head[60] == 13 and head[255] == 14 and head[144:152] == hexed("002c0000 002c0000")


def test_groups_are_balanced(fresh):
    s = fresh()
    a = s.client()
    a.create("s", "t", 2)
    a.send("s", "t", ["x"] * 10, 1)
    a.create_group("s", "t", "g")
    a.join("s", "t", "g")
    assert a.sync("s", "t", "g") == (1, [0, 1])
    assert len(a.poll("s", "t", 1, "next", 0, 4, "g", True)[2]) == 4
    b = s.client()
    b.join("s", "t", "g")
    assert a.sync("s", "t", "g") == (2, [0])
    assert b.sync("s", "t", "g") == (2, [])  # what a has read of partition 1 is not stored yet
    assert a.poll("s", "t", 1, "next", 0, 4, "g", True)[0] == wire.NOBODY
    a.store_offset("s", "t", 3, 1, "g", True)
    assert b.sync("s", "t", "g") == (3, [1])
    assert [m.offset for m in b.poll("s", "t", 1, "next", 0, 4, "g", True)[2]] == [4, 5, 6, 7]
    b.store_offset("s", "t", 7, 1, "g", True)
    b.close()
    until("a has everything again", lambda: a.sync("s", "t", "g") == (4, [0, 1]))
    # a that is silent is evicted, unasked
    s.order("heartbeat", seconds=0.2)
    assert a._read(256)[255] == 13
    with pytest.raises(Error, match="40"):
        a.ask("streams")


@pytest.mark.parametrize("protocol", ["vsr", "classic"])
def test_killed_it_has_what_it_acknowledged(fresh, protocol):
    s = fresh(protocol, real=True)
    with s.client() as c:
        c.create("s", "t", 2)
        c.send("s", "t", [str(i) for i in range(2500)], 1, headers={"h": "v"})
        c.store_offset("s", "t", 99, 1)
    s.stop(signal.SIGKILL)
    s.start()
    with s.client() as c:
        assert c.partitions("s", "t") == [(0, 0), (2500, 2499)] and c.offset("s", "t", 1) == 99
        got = c.read("s", "t", 1)
        assert [m.payload.decode() for m in got] == [str(i) for i in range(2500)] and got[-1].headers == {"h": "v"}
        c.send("s", "t", ["next"], 1)
        assert c.poll("s", "t", 1, "last", 0, 1)[2][0].offset == 2500


def test_every_slice_of_batches(fresh):
    """Batches of messages of equal and of different sizes, cut anywhere."""
    with fresh(real=True).client() as c:
        c.create("s", "t", 1)
        want = []
        for n, width in ((1, 3), (7, 0), (5, 2), (1, 9)):
            part = [f"{len(want) + i}:{'x' * (width or i)}" for i in range(n)]
            c.send("s", "t", part)
            want += part
        for at in range(len(want) + 2):
            for n in range(1, len(want) + 2):
                got = c.poll("s", "t", 0, "offset", at, n)[2]
                assert [m.payload.decode() for m in got] == want[at:at + n] and [m.offset for m in got] == list(range(len(want)))[at:at + n]
        when = c.poll("s", "t", 0, "offset", 8, 1)[2][0].time
        assert c.poll("s", "t", 0, "timestamp", when, 1)[2][0].offset <= 8
        assert c.poll("s", "t", 0, "timestamp", when + 10**9)[2] == []


def test_faults(fresh):
    s = fresh()
    c = s.client()
    c.create("s", "t", 1)
    s.fault("send", "drop_before")
    with pytest.raises(OSError):
        c.send("s", "t", ["never"])
    c = s.client()
    s.fault("send", "drop_after")
    with pytest.raises(OSError):
        c.send("s", "t", ["there"])
    c = s.client()
    s.fault("send", "status", code=58, skip=1)
    c.send("s", "t", ["first"])
    part = [(b"second", 5, b"")]
    with pytest.raises(Error, match="58"):
        c.send_parts("s", "t", wire.partitioning(0), part)
    s.fault("send", "status_after", code=57)
    with pytest.raises(Error, match="57"):
        c.send_parts("s", "t", wire.partitioning(0), part, again=True)
    c.send_parts("s", "t", wire.partitioning(0), part, again=True)  # with the same id: it was done
    assert [m.payload for m in c.read("s", "t")] == [b"there", b"first", b"second"]
    s.fault("poll", "cut")
    with pytest.raises(OSError):
        c.read("s", "t")
    c = s.client()
    s.fault("ping", "evict", reason=13)
    with pytest.raises(Error, match="30"):
        c.ask("ping")
    c = s.client()
    s.order("evict", reason=13)
    assert c._read(256)[255] == 13
    s.order("refuse", on=True)
    with pytest.raises(OSError):
        s.client()
    s.order("refuse", on=False)
    s.order("forget", stream="s", topic="t", partition=0, before=2)
    assert [m.payload for m in s.client().read("s", "t")] == [b"second"]
    assert s.told()["faults"] == 0


def test_what_is_no_batch_is_not_answered(vsr):
    with vsr.client() as c:
        c.create("dropped", "t", 1)
        bad = bytearray(wire.batch([(b"x", 1, b"")], 1))
        bad[60] = 1
        c.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            meta = wire.ident("dropped") + wire.ident("t") + wire.partitioning(0) + wire.u32(1)
            c.ask("send", wire.u32(len(meta)) + meta + bytes(bad))
        c.sock.settimeout(PATIENCE)
        assert c.partitions("dropped", "t") == [(0, 0)] and (vsr.real or vsr.told()["malformed"] == 1)


def test_a_newer_login_with_a_client_id_ends_the_older_session(vsr):
    with vsr.client() as c:
        c.create("fenced", "t", 1)
    older, newer = Client(vsr.port, ()), Client(vsr.port, ())
    newer.id = older.id
    older.login("iggy", "iggy")
    older.send("fenced", "t", ["a"])
    newer.login("iggy", "iggy")
    assert newer.session > older.session
    with pytest.raises(Error, match="40"):
        older.send("fenced", "t", ["b"])
    newer.request = older.request
    newer.send("fenced", "t", ["c"])
    assert [m.payload for m in newer.read("fenced", "t")] == [b"a", b"c"]
    older.close(), newer.close()
