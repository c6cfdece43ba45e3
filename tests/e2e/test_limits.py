"""Large records, many clients, slow sinks: what must stay flat stays flat. test-labels: long"""
import concurrent.futures
import http.client
import json
import os
import socket
import time

import pytest
import requests

from hg import HEADGATE, PATIENCE, until
from hg.run import Foreground, RssSampler, rss_bytes, run
from hg.sql import datagen, file_in, file_out, table, view

BUDGET = 16 << 20  # default byte budget of a pipeline's queues


def sanitized():
    with open(HEADGATE, "rb") as f:
        blob = f.read()
    return b"__asan_init" in blob or b"__tsan_init" in blob


def release_only():
    if sanitized():
        pytest.skip("memory of a sanitized build says nothing")


# --- 100 MB records ----------------------------------------------------------------------------------------------------

LARGE = 100_000_000


def write_record(path, size):
    """A short record, one whose text is `size` long, a short one."""
    with open(path, "w") as f:
        f.write('{"n": 1, "s": "a"}\n{"n": 2, "s": "')
        for _ in range(size // 1_000_000):
            f.write("x" * 1_000_000)
        f.write('"}\n{"n": 3, "s": "b"}\n')


def lengths(tmp_path):
    return (table("t", "n BIGINT NOT NULL, s VARCHAR", file_in("f", tmp_path / "in.json")) +
            view("v", "SELECT n, CHAR_LENGTH(s) AS len FROM t", file_out("o", tmp_path / "out.json")))


def test_100_mb_record_in_a_file(tmp_path):
    write_record(tmp_path / "in.json", LARGE)
    r = run(tmp_path, lengths(tmp_path), "--until-complete")
    assert r.code == 0, r
    assert [json.loads(x)["insert"] for x in (tmp_path / "out.json").read_text().splitlines()] == [
        {"n": 1, "len": 1}, {"n": 2, "len": LARGE}, {"n": 3, "len": 1}]


def test_record_above_the_limit_is_refused_in_a_sentence(tmp_path):
    write_record(tmp_path / "in.json", 2 * LARGE)
    r = run(tmp_path, lengths(tmp_path), "--until-complete")
    assert r.code == 1 and "t.f failed" in r.err and "record" in r.err, r


@pytest.mark.parametrize("size, status", [(LARGE, 200), (2 * LARGE, 413)])
def test_large_record_over_http(daemon, gone, size, status):
    p = gone(f"large{status}")
    daemon.run(p, table("t", "n BIGINT NOT NULL, s VARCHAR", materialized=True))

    def body():
        yield b'{"n": 1, "s": "'
        for _ in range(size // 1_000_000):
            yield b"x" * 1_000_000
        yield b'"}\n'
    r = daemon.ingress(p, "t", body())
    assert r.status_code == status, r.text
    if status == 200:
        daemon.wait_token(p, r.json()["token"])
        assert daemon.query(p, "SELECT n, CHAR_LENGTH(s) AS len FROM t") == [{"n": 1, "len": LARGE}]
    r = daemon.ingress(p, "t", '{"n": 2, "s": "y"}')  # it goes on working
    daemon.wait_token(p, r.json()["token"])
    assert daemon.query(p, "SELECT COUNT(*) AS n FROM t WHERE n = 2") == [{"n": 1}]


# --- 1,000 clients -----------------------------------------------------------------------------------------------------

def test_1000_clients_on_one_ingress_endpoint(daemon, gone):
    """All connected and in the middle of their bodies at once, then each finishes."""
    p = gone("clients")
    n = 1000
    daemon.run(p, table("t", "n BIGINT NOT NULL", materialized=True))
    port = int(daemon.url.rsplit(":", 1)[1])
    socks = []
    try:
        for i in range(n):
            s = socket.create_connection(("127.0.0.1", port), PATIENCE)
            head = f"POST /v0/pipelines/{p}/ingress/t?format=json&update_format=raw HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n"
            s.sendall(head.encode() + b'{"n": %d' % (10000 + i))
            socks.append(s)
        for s in socks:
            s.sendall(b"}")
        tokens = []
        for s in socks:
            answer = b""
            while b"token" not in answer or not answer.endswith(b"}"):
                block = s.recv(4096)
                assert block, answer
                answer += block
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            tokens.append(json.loads(answer.split(b"\r\n\r\n", 1)[1])["token"])
    finally:
        for s in socks:
            s.close()
    daemon.wait_token(p, tokens[-1])
    until("all rows are in", lambda: daemon.query(p, "SELECT COUNT(*) AS n, MIN(n) AS lo, MAX(n) AS hi FROM t") == [
        {"n": n, "lo": 10000, "hi": 10000 + n - 1}])
    assert len(daemon.stats(p)["inputs"]) == 1


def test_many_clients_at_once_with_many_records(daemon, gone):
    p = gone("busy")
    daemon.run(p, table("t", "n BIGINT NOT NULL", materialized=True))

    def client(k):
        r = daemon.ingress(p, "t", "".join('{"n": %d}\n' % i for i in range(k * 1000, k * 1000 + 1000)))
        assert r.status_code == 200, r.text
        return r.json()["token"]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for token in pool.map(client, range(64)):
            daemon.wait_token(p, token)
    assert daemon.query(p, "SELECT COUNT(*) AS n, SUM(n) AS s FROM t") == [{"n": 64000, "s": sum(range(64000))}]


# --- large bodies: the pipeline's process reads them from the client itself ------------------------------------------------

def some_rows(first, n):
    return "".join('{"n": %d}\n' % i for i in range(first, first + n)).encode()


def test_large_bodies_and_small_ones_on_one_connection(daemon, gone):
    p, n = gone("lent"), 100_000
    daemon.run(p, table("t", "n BIGINT NOT NULL", materialized=True))
    c = http.client.HTTPConnection("127.0.0.1", int(daemon.url.rsplit(":", 1)[1]), timeout=PATIENCE)
    c.connect()
    sock, at = c.sock, 0
    for rows in (n, 1, n, n, 1):
        c.request("POST", f"/v0/pipelines/{p}/ingress/t?format=json&update_format=raw", some_rows(at, rows))
        r = c.getresponse()
        token = json.loads(r.read())["token"]
        assert r.status == 200 and c.sock is sock, r.headers
        assert not [k for k in r.headers if k.lower().startswith("x-headgate")]
        at += rows
    c.close()
    daemon.wait_token(p, token)
    assert daemon.query(p, "SELECT COUNT(*) AS n, SUM(n) AS s FROM t") == [{"n": at, "s": sum(range(at))}]


def test_large_body_waits_for_a_paused_pipeline(daemon, gone):
    p, n = gone("lentpaused"), 300_000
    daemon.run(p, table("t", "n BIGINT NOT NULL", materialized=True), "paused")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        blocked = pool.submit(daemon.ingress, p, "t", some_rows(0, n))
        for _ in range(20):  # others are answered meanwhile
            assert daemon.query(p, "SELECT COUNT(*) AS n FROM t") == [{"n": 0}] and not blocked.done()
        daemon.ok("POST", f"/v0/pipelines/{p}/resume")
        r = blocked.result(timeout=PATIENCE)
    assert r.status_code == 200, r.text
    daemon.wait_token(p, r.json()["token"])
    assert daemon.query(p, "SELECT COUNT(*) AS n FROM t") == [{"n": n}]


def test_client_that_leaves_in_the_middle_of_a_large_body(daemon, gone):
    p, n = gone("lentleft"), 50_000
    daemon.run(p, table("t", "n BIGINT NOT NULL", materialized=True))
    rows = some_rows(0, n)
    s = socket.create_connection(("127.0.0.1", int(daemon.url.rsplit(":", 1)[1])), PATIENCE)
    s.sendall(f"POST /v0/pipelines/{p}/ingress/t?format=json&update_format=raw HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n".encode())
    s.sendall(rows + b'{"n": 7')
    s.close()
    until("whole records are in", lambda: daemon.query(p, "SELECT COUNT(*) AS n FROM t") == [{"n": n}])
    r = daemon.ingress(p, "t", '{"n": -1}')
    daemon.wait_token(p, r.json()["token"])
    assert daemon.query(p, "SELECT COUNT(*) AS n, MAX(n) AS hi FROM t") == [{"n": n + 1, "hi": n - 1}]


# --- slow sinks --------------------------------------------------------------------------------------------------------

def egress(daemon, p, relation):
    """A change stream, connected; whoever has it reads when he likes."""
    c = http.client.HTTPConnection("127.0.0.1", int(daemon.url.rsplit(":", 1)[1]), PATIENCE)
    c.request("POST", f"/v0/pipelines/{p}/egress/{relation}?format=json&backpressure=true")
    r = c.getresponse()
    assert r.status == 200
    return r


OFFERED = 1_000_000_000
ROW = 100  # bytes of a row in JSON, without its number
ROWS = OFFERED // ROW


class Sink:
    """Reads from read(n) as fast as it can, then at a share of that speed, then freely again; counts rows."""

    def __init__(self, read):
        self.read, self.rows, self.total, self.rate, self.tail = read, 0, 0, 0, b""

    def block(self, n):
        data = self.read(n)
        mark = b'{"insert"'
        self.rows += (self.tail + data).count(mark)
        self.tail = (self.tail + data)[1 - len(mark):]
        self.total += len(data)
        return len(data)

    def free(self, until_bytes):
        start = time.monotonic()
        while self.total < until_bytes:
            assert self.block(1 << 20)
        self.rate = self.total / (time.monotonic() - start)

    def throttled(self, share, seconds):
        """The pace is what is tested with: it decides nothing."""
        start, done = time.monotonic(), 0
        while (now := time.monotonic() - start) < seconds:
            time.sleep(max(0, done / (self.rate * share) - now))
            done += self.block(8192)

    def rest(self, rows):
        while self.rows < rows and self.block(1 << 20):
            pass


def one_percent(sink, held_back, samplers, limits):
    """1 GB is offered: a part passes freely, then the sink takes 1 % of that speed, then all the rest. Memory is sampled throughout."""
    sink.free(60_000_000)
    sink.throttled(0.01, 10)
    taken = held_back()
    assert taken - sink.total < BUDGET + (32 << 20), f"the source was not held back: {taken} bytes taken in, {sink.total} read"
    sink.rest(ROWS)
    peaks = [x.stop() for x in samplers]
    print(f"{sink.rate / 1e6:.0f} MB/s freely, then 1 % of it; peaks {[p >> 20 for p in peaks]} MiB of {[x >> 20 for x in limits]}")  # pytest -s
    assert sink.rows == ROWS
    for peak, limit in zip(peaks, limits):
        assert peak < limit, f"{[p >> 20 for p in peaks]} MiB of {[x >> 20 for x in limits]}"


def test_sink_of_one_percent_through_the_manager(daemon, gone):
    """Both legs go through the proxy: a body of 1 GB comes in, a change stream with back-pressure goes out."""
    release_only()
    p = gone("slow")
    daemon.run(p, table("t", "n BIGINT NOT NULL, s VARCHAR") + view("v", "SELECT n, s FROM t"))
    stream = egress(daemon, p, "v")
    samplers = [RssSampler(daemon.pid_of(p)), RssSampler(daemon.proc.pid)]
    manager = rss_bytes(daemon.proc.pid)
    block = b'{"n":1234567,"s":"%s"}\n' % (b"x" * (ROW - 21)) * 10_000
    assert len(block) == ROW * 10_000
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        offered = pool.submit(daemon.ingress, p, "t", (block for _ in range(OFFERED // len(block))))
        one_percent(Sink(stream.read1), lambda: daemon.stats(p)["inputs"][0]["metrics"]["total_bytes"], samplers,
                    [BUDGET + (32 << 20), manager + (32 << 20)])
        assert offered.result(timeout=PATIENCE).status_code == 200
    stream.close()


def test_slow_pipeline_keeps_the_manager_small(daemon, gone):
    """A body of 300 MB offered to a pipeline that does not take it: the manager passes it on no faster than it is taken."""
    release_only()
    p = gone("blocked")
    daemon.run(p, table("t", "n BIGINT NOT NULL"), "paused")
    pid = daemon.pid_of(p)
    samplers = [RssSampler(pid), RssSampler(daemon.proc.pid)]
    offered = 0
    block = b'{"n": 1}\n' * 10000

    def body():
        nonlocal offered
        for _ in range(300_000_000 // len(block)):
            offered += len(block)
            yield block
    with pytest.raises(requests.RequestException):  # a paused pipeline takes nothing until it is resumed
        requests.post(f"{daemon.url}/v0/pipelines/{p}/ingress/t?format=json&update_format=raw", data=body(), timeout=3)
    peaks = [x.stop() for x in samplers]
    assert offered < 100_000_000
    assert max(peaks) < BUDGET + (32 << 20), peaks


def test_sink_of_one_percent_in_the_foreground(tmp_path):
    """`headgate run`, with a pipe as the file it writes."""
    release_only()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    text = {"fields": {"s": {"values": ["x" * (ROW - 21)]}}, "limit": ROWS}
    with Foreground(tmp_path, table("t", "n BIGINT NOT NULL, s VARCHAR", datagen("g", text)) +
                    view("v", "SELECT n, s FROM t", file_out("o", fifo)), "--until-complete") as p:
        fd = os.open(fifo, os.O_RDONLY)
        sink = Sink(lambda n: os.read(fd, n))
        one_percent(sink, lambda: p.input("t.g")["metrics"]["total_records"] * ROW, [RssSampler(p.proc.pid)], [BUDGET + (32 << 20)])
        r = p.wait()
        os.close(fd)
        assert r.code == 0 and f"complete: {ROWS:,} records in, {ROWS:,} rows out" in r.out, r
