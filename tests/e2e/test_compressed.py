"""gzip and zstd files and URLs: what is read, what is refused, what damage does, and going on after kill -9."""
import gzip
import random
import subprocess
import threading

import pytest

from hg import until
from hg.run import headgate, run
from hg.sql import connector, file_in, file_out, table, url_in, view
from test_durable import checkpoint, kill
from test_exactly_once import EXACTLY, durable, wait_count, written


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c", "-3", "--check"], input=data, capture_output=True, check=True).stdout


PACK = {"gz": gzip.compress, "zst": zstd}
KINDS = pytest.mark.parametrize("ext", PACK)


def body(first, last):
    return b"".join(b'{"id": %d}\n' % i for i in range(first, last))


def noise(first, last, seed=7):
    """Lines that do not compress well: a member of them is far above 256 KiB."""
    r = random.Random(seed)
    return b"".join(b'{"id": %d, "s": "%s"}\n' % (i, r.randbytes(150).hex().encode()) for i in range(first, last))


def packed_in(path, **options):
    return connector("f", "file_input", {"path": str(path), **options}, "json", {"update_format": "raw"})


def program(out, *inputs):
    return table("t", "id BIGINT NOT NULL", *inputs) + view("v", "SELECT id FROM t", file_out("o", out))


def reads(tmp_path, source, n):
    out = tmp_path / "out.json"
    r = run(tmp_path, program(out, source), "--until-complete")
    assert r.code == 0, r
    assert sorted(written(out)) == list(range(n))


def fails(tmp_path, source, *words):
    r = run(tmp_path, program(tmp_path / "out.json", source), "--until-complete")
    assert r.code == 1 and all(w in r.err for w in words), r
    assert "end_of_input" not in r.err


@KINDS
def test_a_file_of_several_members(tmp_path, ext):
    path = tmp_path / f"in.json.{ext}"
    path.write_bytes(PACK[ext](body(0, 50000)) + PACK[ext](b"") + PACK[ext](body(50000, 50001)[:4]) + PACK[ext](body(50000, 70000)[4:]))
    reads(tmp_path, packed_in(path), 70000)


@KINDS
def test_the_option_goes_before_the_name(tmp_path, ext):
    named, plain = tmp_path / f"named.{ext}", tmp_path / "plain.json"
    plain.write_bytes(PACK[ext](body(0, 10)))
    reads(tmp_path, packed_in(plain, compression={"gz": "gzip", "zst": "zstd"}[ext]), 10)
    named.write_bytes(body(0, 10))
    reads(tmp_path, packed_in(named, compression="none"), 10)
    fails(tmp_path, packed_in(named), "named." + ext, "this is no", "Set 'compression'")


@KINDS
def test_a_bomb_is_taken_in_pieces(tmp_path, ext):
    """A hundred megabytes, nearly all of it blanks, in little: it runs through."""
    path = tmp_path / f"bomb.{ext}"
    path.write_bytes(PACK[ext](b"".join(b'{"id": %d}%s\n' % (i, b" " * 65536) for i in range(1500))))
    assert path.stat().st_size < 1 << 19
    reads(tmp_path, packed_in(path), 1500)


@KINDS
def test_a_cut_file_is_no_end(tmp_path, ext):
    path = tmp_path / f"cut.{ext}"
    data = PACK[ext](body(0, 5000))
    for n, words in ((len(data) - 3, "is cut off"), (5, "is cut off"), (0, "it is empty")):
        path.write_bytes(data[:n])
        fails(tmp_path, packed_in(path), f"cut.{ext}", words)


@KINDS
def test_a_damaged_file_is_no_end(tmp_path, ext):
    path = tmp_path / f"bad.{ext}"
    data = bytearray(PACK[ext](noise(0, 5000)))
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)
    fails(tmp_path, packed_in(path), "damaged", "of the compressed data", "uncompressed)")


def test_what_cannot_be(tmp_path):
    def refused(sql, *words):
        path = tmp_path / "p.sql"
        path.write_text(sql)
        r = headgate("check", path)
        assert r.code == 1 and all(w in r.out + r.err for w in words), r
    f = tmp_path / "x.json.gz"
    refused(program(tmp_path / "o", packed_in(f, follow=True)), "option 'follow'", "gzip, by its name")
    refused(program(tmp_path / "o", packed_in(f, compression="lz4")), "compression", "auto", "zstd")
    waiting = file_in("late", f, labels=["l"], start_after="h", handoff="overlap")
    refused(program(tmp_path / "o", file_in("h", tmp_path / "h.json", labels=["h"]), waiting), "cannot mark its position", "'compression'")


@KINDS
def test_a_url(tmp_path, web, ext):
    """Cut twice: the rest of the compressed bytes is asked for."""
    data = PACK[ext](noise(0, 20000))
    res = web.add(f"/in.json.{ext}", data, cut_after=[100000, 300000])
    reads(tmp_path, url_in("u", f"{web.url}/in.json.{ext}"), 20000)
    assert [q.get("Range") for q in res.requests] == [None, "bytes=100000-", "bytes=400000-"]


def test_a_url_whose_server_says_how_it_is_compressed(tmp_path, web):
    """Content-Encoding of a stored .gz: it is decoded once, not twice."""
    web.add("/a.json.gz", gzip.compress(body(0, 1000)), encoding="gzip")
    reads(tmp_path, url_in("u", web.url + "/a.json.gz"), 1000)


def test_the_query_of_a_url_is_not_its_name(tmp_path, web):
    web.add("/a.json.gz?sig=x.y", gzip.compress(body(0, 10)))
    web.add("/b.json?of=a.gz", body(0, 10))
    reads(tmp_path, url_in("u", web.url + "/a.json.gz?sig=x.y"), 10)
    reads(tmp_path, url_in("u", web.url + "/b.json?of=a.gz"), 10)


@KINDS
def test_a_url_that_is_no_such_stream(tmp_path, web, ext):
    web.add(f"/a.{ext}", body(0, 1000))
    fails(tmp_path, url_in("u", f"{web.url}/a.{ext}"), "this is no")
    web.add(f"/b.{ext}", PACK[ext](body(0, 1000))[:-3])
    fails(tmp_path, url_in("u", f"{web.url}/b.{ext}"), "is cut off")


@KINDS
def test_a_killed_pipeline_goes_on_within_the_stream(own, tmp_path, web, ext):
    """Exactly once over kill -9, with and without a checkpoint; then reading begins at the last member, not at the start."""
    members = [PACK[ext](noise(i * 5000, (i + 1) * 5000, seed=i)) for i in range(4)]
    gate, out = threading.Event(), tmp_path / "out.json"
    data = b"".join(members)
    res = web.add(f"/in.{ext}", data, gate=gate, gate_at=len(members[0]) * 5 // 2)
    src = tmp_path / f"in.{ext}"
    src.write_bytes(data)
    own.run("p", table("t", "id BIGINT", url_in("u", f"{web.url}/in.{ext}"), materialized=True) +
            table("f", "id BIGINT", packed_in(src), materialized=True) + view("v", "SELECT id FROM t", file_out("o", out)),
            runtime_config=EXACTLY)
    until("more than two members are read", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] > 10000)
    kill(own)
    own.start_pipeline("p")
    until("as far again", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] > 10000)
    checkpoint(own)
    durable(own, "t", "u")
    kill(own)
    gate.set()
    asked = len(res.requests)
    own.start_pipeline("p")
    wait_count(own, "t", 20000)
    wait_count(own, "f", 20000)
    until("the file has all", lambda: len(written(out)) >= 20000)
    assert sorted(written(out)) == list(range(20000))
    assert int(res.requests[asked]["Range"].split("=")[1].rstrip("-")) in (len(members[0]), len(members[0] + members[1]))
