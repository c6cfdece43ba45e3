"""Large records, many clients, slow sinks: what must stay flat stays flat."""
import concurrent.futures
import json
import os
import socket
import time

import pytest
import requests

from hg import HEADGATE, until
from hg.run import Foreground, RssSampler, run
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
            s = socket.create_connection(("127.0.0.1", port), 60)
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


# --- slow sinks --------------------------------------------------------------------------------------------------------

def slow_reader(daemon, p, relation):
    """An egress client that takes nothing until it is told to."""
    port = int(daemon.url.rsplit(":", 1)[1])
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.connect(("127.0.0.1", port))
    s.sendall(f"POST /v0/pipelines/{p}/egress/{relation}?format=json&backpressure=true HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    assert s.recv(15) == b"HTTP/1.1 200 OK"
    return s


def test_slow_sink_keeps_memory_flat(daemon, gone):
    """A generator without end against a reader of 1 MB/s, through the manager: both processes stay small, and input waits."""
    release_only()
    p = gone("slow")
    daemon.run(p, table("t", "n BIGINT NOT NULL, s VARCHAR", datagen("g", {"fields": {"s": {"strategy": "uniform", "range": [90, 100]}}}, paused=True)) +
               view("v", "SELECT n, s FROM t"))
    pid = daemon.pid_of(p)
    s = slow_reader(daemon, p, "v")
    samplers = [RssSampler(pid), RssSampler(daemon.proc.pid)]
    base = [x.peak for x in samplers]
    daemon.ok("POST", f"/v0/pipelines/{p}/tables/t/connectors/g/start")
    read, end = 0, time.monotonic() + 8
    while time.monotonic() < end:
        read += len(s.recv(50000))
        time.sleep(0.05)
    stats = daemon.stats(p)
    peaks = [x.stop() for x in samplers]
    s.close()
    assert read > 500000
    assert stats["inputs"][0]["metrics"]["total_bytes"] < 400e6, "the source was not held back"
    limit = BUDGET + (32 << 20)
    assert peaks[0] < limit, f"pipeline: {peaks[0] >> 20} MiB of {limit >> 20}"
    assert peaks[1] < (32 << 20) + base[1], f"manager: {peaks[1] >> 20} MiB"


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


def test_slow_file_sink_of_run(tmp_path):
    """A pipe that nobody reads for a while as the sink."""
    release_only()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with Foreground(tmp_path, table("t", "n BIGINT NOT NULL", datagen("g", {"limit": 3000000})) +
                    view("v", "SELECT n FROM t", file_out("o", fifo)), "--until-complete") as p:
        fd = os.open(fifo, os.O_RDONLY)
        sampler = RssSampler(p.proc.pid)
        until("the source is held back", lambda: p.get("/stats")["global_metrics"]["output_stall_msecs"] > 500 or p.proc.poll() is not None)
        lines = 0
        while True:
            got = os.read(fd, 1 << 20)
            if not got:
                break
            lines += got.count(b"\n")
        os.close(fd)
        r = p.wait()
        assert r.code == 0 and lines == 3000000, (r, lines)
        assert sampler.stop() < BUDGET + (32 << 20), sampler.peak >> 20
