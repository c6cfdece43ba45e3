"""s3_input against a server that checks every signature and misbehaves on purpose (tests/lib/hg/s3.py). Against servers of others: test_s3_real.py."""
import gzip
import json
import os
import subprocess
import threading

import pytest

from hg import FDA, PATIENCE, s3, until
from hg.kafka import free_port
from hg.run import Foreground, headgate, run
from hg.sql import datagen, file_out, s3_in, table, view
from test_durable import checkpoint, kill
from test_exactly_once import EXACTLY, LEAST, durable, wait_count, written

HIDDEN = [s3.SECRET, "wrong-secret", s3.TOKEN]


@pytest.fixture
def server():
    s = s3.Server()
    yield s
    s.close()


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch, tmp_path):
    """The credentials of whoever runs the tests are none of ours."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def lines(*ids):
    return b"".join(b'{"n": %d}\n' % i for i in ids)


def program(tmp_path, *connectors):
    return table("t", "n BIGINT NOT NULL", *connectors) + view("v", "SELECT n FROM t", file_out("o", tmp_path / "out.json"))


def result(tmp_path):
    return [json.loads(line)["insert"]["n"] for line in (tmp_path / "out.json").read_text().splitlines()]


def reads(tmp_path, n, *connectors, **kw):
    r = run(tmp_path, program(tmp_path, *connectors), "--until-complete", **kw)
    assert r.code == 0, r
    assert sorted(result(tmp_path)) == list(range(n))
    return r


def fails(tmp_path, connector, *words, **kw):
    r = run(tmp_path, program(tmp_path, connector), "--until-complete", **kw)
    assert r.code == 1 and "t.s failed" in r.err and all(w in r.err for w in words), r
    assert not any(h in r.err + r.out for h in HIDDEN), r
    return r


def fill(server, n, each=10, name="p/{:05d}", **kw):
    """n objects with `each` lines; how many lines."""
    return [server.add(name.format(i), lines(*range(i * each, (i + 1) * each)), **kw) for i in range(n)]


# --- what is read ------------------------------------------------------------------------------------------------------

ODD = ["a b", "a+b", "a%b", "a%2Bb", "year=2024/day=1/x.json", "ä/ö€😀.json", "..", "a/../b", "a//b", "/lead", "q?x=1&y#z", "tab\there", '"quote"',
       "<xml>&amp;", "~tilde-_.", "plus+ and%20", "(parens)!*'", "a:b;c,d@e$", "\x01control", "back\\slash", "{}[]|^`"]


def test_pages_and_odd_keys(tmp_path, server):
    server.page = 4
    for i, key in enumerate(ODD):
        server.add("p/" + key, lines(*range(10 * i, 10 * i + 10)))
    server.add("p/folder/", b"")
    server.add("other", b"this is not asked for\n")
    reads(tmp_path, 10 * len(ODD), s3_in("s", server, prefix="p/"))
    assert len(server.lists) == (len(ODD) + 1 + 3) // 4 and not server.refused
    assert not server.objects["p/folder/"].requests


def test_an_odd_prefix(tmp_path, server):
    server.add("a+b =/ä/1", lines(0))
    server.add("a b =/ä/1", lines(5))
    reads(tmp_path, 1, s3_in("s", server, prefix="a+b =/ä"))


def test_one_key(tmp_path, server):
    server.add("a/b c.json", lines(0, 1, 2))
    server.add("a/b c.json.old", lines(5))
    reads(tmp_path, 3, s3_in("s", server, key="a/b c.json"))
    assert not server.lists


def test_the_whole_bucket_and_nothing_at_all(tmp_path, server):
    fill(server, 3)
    reads(tmp_path, 30, s3_in("s", server, prefix=""))
    (tmp_path / "out.json").unlink()
    r = run(tmp_path, program(tmp_path, s3_in("s", server, prefix="none/")), "--until-complete")
    assert r.code == 0 and "t.s" in r.out and " 0 records" in r.out, r


def test_thousands_of_small_objects(tmp_path, server):
    """More than a page, and more than are begun before the first ones are taken."""
    fill(server, 2500, each=1)
    r = reads(tmp_path, 2500, s3_in("s", server, prefix="p/", max_concurrent_fetches=16))
    assert len(server.lists) == 3 and server.most_open <= 16, r


def test_csv_with_a_header_in_each_object(tmp_path, server):
    for i in range(3):
        server.add(f"{i}.csv", f"n\n{2 * i}\n{2 * i + 1}".encode())  # no newline at the end
    reads(tmp_path, 6, s3_in("s", server, "csv", {"headers": True}, prefix=""))


def test_one_at_a_time_keeps_the_order_of_keys(tmp_path, server):
    fill(server, 50)
    reads(tmp_path, 500, s3_in("s", server, prefix="p/", max_concurrent_fetches=1))
    assert result(tmp_path) == list(range(500)) and server.most_open == 1


def test_as_many_at_a_time_as_allowed(tmp_path, server):
    gate = threading.Event()
    objects = fill(server, 12, gate=gate, gate_at=5)
    with Foreground(tmp_path, program(tmp_path, s3_in("s", server, prefix="p/", max_concurrent_fetches=3)), "--until-complete") as p:
        until("three are open", lambda: server.open == 3)
        assert sum(len(o.requests) for o in objects) == 3
        gate.set()
        assert p.wait().code == 0
    assert sorted(result(tmp_path)) == list(range(120)) and server.most_open == 3


def test_large_objects_in_parallel(tmp_path, server):
    """Together more than the byte budget; order holds within each."""
    each, n = 10000, 6
    for i in range(n):
        server.add(f"p/{i}", b"".join(b'{"n": %d, "pad": "%s"}\n' % (j, b"x" * 500) for j in range(i * each, (i + 1) * each)))
    reads(tmp_path, n * each, s3_in("s", server, prefix="p/"))
    got = result(tmp_path)
    for i in range(n):
        assert [x for x in got if x // each == i] == list(range(i * each, (i + 1) * each))


def test_a_limit_that_is_smaller_than_what_is_fetched(tmp_path, server):
    """64 lanes hold more than the byte budget, and the queue takes 100 records."""
    fill(server, 80, each=500)
    reads(tmp_path, 40000, s3_in("s", server, prefix="p/", max_concurrent_fetches=64, max_queued_records=100))


def test_what_comes_slowly_is_not_held_back(tmp_path, server):
    gate = threading.Event()
    server.add("k", lines(*range(100)), gate=gate, gate_at=500)
    with Foreground(tmp_path, program(tmp_path, s3_in("s", server, key="k")), "--until-complete") as p:
        until("the first records are in", lambda: p.input("t.s")["metrics"]["total_records"] > 10)
        gate.set()
        assert p.wait().code == 0


def test_labels(tmp_path, server):
    fill(server, 5)
    after = datagen("d", {"limit": 10, "fields": {"n": {"range": [50, 60]}}}, start_after=["hist"])
    reads(tmp_path, 60, s3_in("s", server, prefix="p/", labels=["hist"]), after)
    assert sorted(result(tmp_path)[:50]) == list(range(50))


def test_pause(tmp_path, server):
    gate = threading.Event()
    fill(server, 8, each=20000, gate=gate, gate_at=100000)
    with Foreground(tmp_path, program(tmp_path, s3_in("s", server, prefix="p/")), "--until-complete") as p:
        until("it reads", lambda: p.input("t.s")["metrics"]["total_records"] > 1000)
        p.request("GET", "/input_endpoints/t.s/pause")
        gate.set()
        assert p.input("t.s")["metrics"]["end_of_input"] is False
        p.request("GET", "/input_endpoints/t.s/start")
        assert p.wait().code == 0
    assert sorted(result(tmp_path)) == list(range(160000))


# --- who may read ------------------------------------------------------------------------------------------------------

def test_wrong_credentials(tmp_path, server):
    server.add("k", lines(0))
    fails(tmp_path, s3_in("s", server, key="k", aws_secret_access_key="wrong-secret"), "status 403 SignatureDoesNotMatch", "s3://bucket/k")
    fails(tmp_path, s3_in("s", server, prefix="", aws_access_key_id="AKIDOTHER"), "ListObjectsV2", "403 InvalidAccessKeyId")
    fails(tmp_path, s3_in("s", server, key="k", creds=False, no_sign_request=True), "403 AccessDenied: Access Denied")
    fails(tmp_path, s3_in("s", server, key="k", region="us-east-1"), "the bucket is in region 'eu-test-1', option 'region' says 'us-east-1'")
    fails(tmp_path, s3_in("s", server, prefix="", bucket="absent"), "404 NoSuchBucket")
    fails(tmp_path, s3_in("s", server, key="absent"), "404 NoSuchKey")
    fails(tmp_path, s3_in("s", server, key="k", aws_session_token=s3.TOKEN), "InvalidToken")
    assert len(server.refused) == 7, "what trying again cannot mend is not tried again"


def test_anonymous(tmp_path, server):
    server.anonymous = True
    o = server.add("k", lines(0))
    reads(tmp_path, 1, s3_in("s", server, prefix="", creds=False, no_sign_request=True))
    assert "Authorization" not in o.requests[0]


def test_session_token(tmp_path, server):
    server.token = s3.TOKEN
    server.add("k", lines(0))
    reads(tmp_path, 1, s3_in("s", server, prefix="", aws_session_token=s3.TOKEN))


def test_credentials_of_the_surroundings(tmp_path, server):
    server.add("k", lines(0))
    fails(tmp_path, s3_in("s", server, key="k", creds=False), "there are no AWS credentials", "profile 'default'", "no_sign_request")
    named = {"AWS_ACCESS_KEY_ID": s3.KEY_ID, "AWS_SECRET_ACCESS_KEY": s3.SECRET}
    reads(tmp_path, 1, s3_in("s", server, key="k", creds=False), env={**os.environ, **named})
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(f"[default]\naws_access_key_id = no\naws_secret_access_key = wrong-secret\n"
                                                   f"[p]\naws_access_key_id = {s3.KEY_ID}\naws_secret_access_key = {s3.SECRET}\n")
    reads(tmp_path, 1, s3_in("s", server, key="k", creds=False), env={**os.environ, "AWS_PROFILE": "p"})
    reads(tmp_path, 1, s3_in("s", server, key="k", creds=False), env={**os.environ, **named})  # comes before the file
    fails(tmp_path, s3_in("s", server, key="k", creds=False), "InvalidAccessKeyId")
    (tmp_path / ".aws" / "credentials").write_text("[default\n")
    fails(tmp_path, s3_in("s", server, key="k", creds=False), ".aws/credentials': line 1: expected ']'")


def test_references(tmp_path, server):
    server.add("k", lines(0))
    refs = {"aws_access_key_id": "${env:HG_TEST_ID}", "aws_secret_access_key": "${env:HG_TEST_SECRET}", "endpoint_url": "${env:HG_TEST_URL}",
            "bucket_name": "${env:HG_TEST_BUCKET}"}
    env = {"HG_TEST_ID": s3.KEY_ID, "HG_TEST_SECRET": s3.SECRET, "HG_TEST_URL": server.url, "HG_TEST_BUCKET": "bucket"}
    reads(tmp_path, 1, s3_in("s", server, key="k", **refs), env={**os.environ, **env})
    r = run(tmp_path, program(tmp_path, s3_in("s", server, key="k", **refs)), env={**os.environ, **env, "HG_TEST_BUCKET": "s3://no"})
    assert r.code == 2 and "${env:HG_TEST_BUCKET}" in r.err and "s3://no" not in r.err, r


def test_expired_credentials_are_looked_up_again(tmp_path, server):
    """Somebody has written new ones meanwhile."""
    folder = tmp_path / ".aws"
    folder.mkdir()
    file = folder / "credentials"
    file.write_text(f"[default]\naws_access_key_id = {s3.KEY_ID}\naws_secret_access_key = {s3.SECRET}\naws_session_token = old\n")
    server.token = "old"
    gate = threading.Event()
    fill(server, 3, gate=gate, gate_at=1)
    late = server.add("q", lines(30), statuses=[(400, "ExpiredToken")])
    with Foreground(tmp_path, program(tmp_path, s3_in("s", server, prefix="", creds=False, max_concurrent_fetches=3)), "--until-complete") as p:
        until("three are open", lambda: server.open == 3)
        file.write_text(file.read_text().replace("= old", "= new"))
        server.token = None  # either is fine from here on
        server.accept_any_token = True
        gate.set()
        assert p.wait().code == 0, p.err
    assert [r["x-amz-security-token"] for r in late.requests] == ["old", "new"]
    assert sorted(result(tmp_path)) == list(range(31))


def test_secrets_are_shown_nowhere(own, server):
    server.add("k", lines(0))
    server.token = s3.TOKEN
    own.run("p", table("t", "n BIGINT", s3_in("s", server, key="k", aws_session_token=s3.TOKEN)))
    own.wait_complete("p")
    for path in ("/v0/pipelines/p/stats", "/v0/pipelines/p/logs?follow=false", "/v0/pipelines/p/orchestration"):
        text = own.ok("GET", path).text if "logs" not in path else ""
        assert not any(h in text for h in HIDDEN), text
    for folder, _, names in os.walk(own.data_dir):
        for name in names:
            if name == "log":
                text = open(os.path.join(folder, name)).read()
                assert "t.s" in text and not any(h in text for h in HIDDEN), text


# --- what goes wrong ---------------------------------------------------------------------------------------------------

def test_cut_bodies_are_taken_up_again(tmp_path, server):
    data = lines(*range(50000))
    o = server.add("p/k", data, cut_after=[1, 100000, 65536, 3, 200000])
    reads(tmp_path, 50000, s3_in("s", server, prefix="p/"))
    starts = [int(r["Range"][6:].split("-")[0]) for r in o.requests[1:]]
    assert len(o.requests) == 6 and starts == [1, 100001, 165537, 165540, 365540]
    assert all(r["If-Match"] == f'"{o.etag}"' for r in o.requests[1:]) and "If-Match" not in o.requests[0]


def test_several_cut_at_once(tmp_path, server):
    fill(server, 20, each=5000, cut_after=[7, 20000])
    reads(tmp_path, 100000, s3_in("s", server, prefix="p/"))


def test_attempts_are_counted_and_told(tmp_path, server):
    o = server.add("k", lines(0, 1), statuses=[(503, "SlowDown")] * 3 + [(500, "InternalError")] * 3)
    fails(tmp_path, s3_in("s", server, key="k"), "failed after 6 attempts", "500 InternalError")
    assert len(o.requests) == 6
    o = server.add("k", lines(0, 1), statuses=[(503, "SlowDown")])
    fails(tmp_path, s3_in("s", server, key="k", max_retries=0), "503 SlowDown")
    assert len(o.requests) == 1
    server.add("k", lines(0, 1), statuses=[(503, "SlowDown")] * 2)
    reads(tmp_path, 2, s3_in("s", server, key="k"))


def test_nobody_listens_for_a_while(tmp_path):
    port = free_port()
    nobody = type("Nobody", (), {"url": f"http://127.0.0.1:{port}"})
    with Foreground(tmp_path, program(tmp_path, s3_in("s", nobody, prefix="", max_retries=1000)), "--until-complete") as p:
        health = until("it complains", lambda: p.input("t.s")["health"])
        assert health["status"] == "Unhealthy" and "retrying since" in health["description"], health
        assert p.input("t.s")["metrics"]["end_of_input"] is False
        server = s3.Server(port=port)
        fill(server, 3)
        r = p.wait()
        server.close()
    assert r.code == 0, r
    assert sorted(result(tmp_path)) == list(range(30))


@pytest.mark.parametrize("what", ["refused", "not xml", "half"])
def test_a_list_that_fails_is_no_end(tmp_path, server, what):
    server.page = 2
    fill(server, 6)
    if what == "refused":
        server.list_statuses = [(503, "SlowDown")]
    else:
        server.list_bodies = ["<html>busy</html>" if what == "not xml" else "<ListBucketResult><Contents><Key>p/000"]
    reads(tmp_path, 60, s3_in("s", server, prefix="p/"))
    assert len(server.lists) == 4
    server.list_bodies = ["<html>busy</html>"] * 99
    fails(tmp_path, s3_in("s", server, prefix="p/", max_retries=2), "failed after 3 attempts", "expected <ListBucketResult>")


def page(*keys, token=None):
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return "<ListBucketResult>" + more + "".join(f"<Contents><Key>{k}</Key><Size>0</Size></Contents>" for k in keys) + "</ListBucketResult>"


def test_lists_that_make_no_sense(tmp_path, server):
    server.list_bodies = [page("b", "a")]
    fails(tmp_path, s3_in("s", server, prefix=""), "the server lists 'a' behind 'b'")
    server.list_bodies = [page(token="x")] * 2
    fails(tmp_path, s3_in("s", server, prefix=""), "the same page of the list again")


def test_changed_while_it_is_read(tmp_path, server):
    gate = threading.Event()
    data = lines(*range(20000))
    o = server.add("k", data, cut_after=[len(data) // 2 + 1], gate=gate, gate_at=len(data) // 2)
    with Foreground(tmp_path, program(tmp_path, s3_in("s", server, prefix=""))) as p:
        until("half of it is in", lambda: p.input("t.s")["metrics"]["total_records"] > 9000)
        o.put(b"x" + data[1:])
        gate.set()
        error = until("it has failed", lambda: p.input("t.s")["fatal_error"])
        assert "object 'k' has changed since" in error and p.input("t.s")["metrics"]["end_of_input"] is False, error


def test_changed_and_deleted_before_it_is_read(tmp_path, server):
    """What is there when an object is opened counts; one that is not there any more is told."""
    gate = threading.Event()
    server.add("a", lines(0), gate=gate, gate_at=1)
    server.add("b", lines(99, 98))
    server.add("c", lines(5))
    with Foreground(tmp_path, program(tmp_path, s3_in("s", server, prefix="", max_concurrent_fetches=1)), "--until-complete") as p:
        until("the first is open", lambda: server.open)
        server.objects["b"].put(lines(1))
        del server.objects["c"]
        gate.set()
        r = p.wait()
    assert r.code == 0 and sorted(result(tmp_path)) == [0, 1], r
    assert "deleted after it was listed" in r.out + r.err, r


def test_compressed_objects(tmp_path, server):
    data = [lines(*range(i * 20000, i * 20000 + 20000)) for i in range(3)]
    packed = gzip.compress(data[0])
    server.add("p/a.json.gz", packed, cut_after=[len(packed) // 2])
    server.add("p/b.gz", gzip.compress(data[1][:5000]) + gzip.compress(data[1][5000:]), cut_after=[1, 100])
    server.add("p/c", data[2])
    server.add("p/empty.gz", b"")
    reads(tmp_path, 60000, s3_in("s", server, prefix="p/"))
    server.add("p/a.json.gz", packed[:-20])
    fails(tmp_path, s3_in("s", server, prefix="p/"), "object 'p/a.json.gz'", "ends")
    server.add("p/a.json.gz", data[0])
    fails(tmp_path, s3_in("s", server, prefix="p/"), "object 'p/a.json.gz'", "gzip")
    server.add("p/b.gz", data[1])
    reads(tmp_path, 60000, s3_in("s", server, prefix="p/", compression="none"))


# --- positions, checkpoints, replay ------------------------------------------------------------------------------------

def stored(tmp_path, *connectors):
    return (table("t", "id BIGINT", *connectors, materialized=True) +
            view("v", "SELECT id FROM t", file_out("o", tmp_path / "out.json"), materialized=True))


def ids(*values):
    return b"".join(b'{"id": %d}\n' % i for i in values)


@pytest.mark.parametrize("config", [EXACTLY, LEAST], ids=["exactly_once", "at_least_once"])
def test_killed_in_the_middle(own, tmp_path, server, config):
    """Of twelve objects some are done, some partly read, some not begun; then kill -9. Each row is there once, and what is done is not read again."""
    gate, each, server.page = threading.Event(), 3000, 5
    objects = [server.add(f"p/{i:02d}", ids(*range(i * each, (i + 1) * each))) for i in range(12)]
    for o in objects[5:8]:
        o.gate, o.gate_at = gate, len(o.body) // 2
    own.run("p", stored(tmp_path, s3_in("s", server, prefix="p/", max_concurrent_fetches=3)), runtime_config=config)
    until("three wait half way", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] > 5 * each + 3 * each // 2 - 300)
    checkpoint(own)
    position = own.ok("GET", "/v0/pipelines/p/tables/t/connectors/s/position").json()["position"]
    assert position["after"] == "p/04" and [o["key"] for o in position["objects"]] == ["p/05", "p/06", "p/07"], position
    assert all(o["etag"] == server.objects[o["key"]].etag and o["size"] == len(server.objects[o["key"]].body) for o in position["objects"])
    for round in range(2):
        kill(own)
        for o in objects:
            o.requests.clear()
        if round:
            gate.set()
        own.start_pipeline("p")
        if not round:
            until("all three are open again", lambda: all(o.requests for o in objects[5:8]))
    wait_count(own, "t", 12 * each)
    wait_count(own, "v", 12 * each)
    own.wait_complete("p")
    assert not any(o.requests for o in objects[:5])
    assert all(r.get("If-Match") == f'"{o.etag}"' and "Range" in r for o in objects[5:8] for r in o.requests)
    until("the file has all", lambda: len(set(written(tmp_path / "out.json"))) == 12 * each)
    if config is EXACTLY:
        assert sorted(written(tmp_path / "out.json")) == list(range(12 * each))
    checkpoint(own)
    kill(own)
    server.lists.clear()
    own.start_pipeline("p")
    assert own.input("p", "t.s")["metrics"]["end_of_input"] is True and not server.lists


def test_killed_in_the_middle_of_compressed_objects(own, tmp_path, server):
    """Offsets count uncompressed bytes: what was taken of a stream is read again, and not given again."""
    gate, each = threading.Event(), 40000
    for i in range(3):
        members = [ids(*range(i * each + j * each // 4, i * each + (j + 1) * each // 4)) for j in range(4)]
        body = b"".join(gzip.compress(m, 0) for m in members)  # members of about 100 KB: some are where a resume may begin
        server.add(f"{i}.gz", body, gate=gate, gate_at=len(body) * 3 // 4)
    own.run("p", stored(tmp_path, s3_in("s", server, prefix="")), runtime_config=EXACTLY)
    until("three wait", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] > 2 * each)
    checkpoint(own)
    kill(own)
    gate.set()
    own.start_pipeline("p")
    wait_count(own, "t", 3 * each)
    own.wait_complete("p")
    assert all(r["If-Match"] for o in server.objects.values() for r in o.requests[1:] if "Range" in r)
    until("the file has all", lambda: len(written(tmp_path / "out.json")) >= 3 * each)
    assert sorted(written(tmp_path / "out.json")) == list(range(3 * each))


def test_replay_without_a_checkpoint(own, tmp_path, server):
    """Everything comes from the journal's ranges; new objects in between do not get in its way."""
    gate = threading.Event()
    objects = [server.add(f"p/{i:03d}", ids(*range(i * 10, i * 10 + 10))) for i in range(100, 500)]
    objects[-1].gate, objects[-1].gate_at = gate, 50
    own.run("p", stored(tmp_path, s3_in("s", server, prefix="p/")), runtime_config=EXACTLY)
    until("all but the last", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] >= 3990)
    durable(own, "t", "s")
    kill(own)
    for i in range(600, 1000):  # in the order of keys these come before, and are more than may be begun at once
        server.add(f"p/0-{i:03d}", ids(*range(i * 10, i * 10 + 10)))
    gate.set()
    own.start_pipeline("p")
    wait_count(own, "t", 8000)
    own.wait_complete("p")
    until("the file has all", lambda: len(written(tmp_path / "out.json")) >= 8000)
    assert sorted(written(tmp_path / "out.json")) == [*range(1000, 5000), *range(6000, 10000)]


def test_an_object_that_changed_is_not_replayed(own, tmp_path, server):
    gate = threading.Event()
    o = server.add("k", ids(*range(100, 200)), gate=gate, gate_at=900)
    own.run("p", stored(tmp_path, s3_in("s", server, prefix="")), runtime_config=EXACTLY)
    until("half of it is in", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] > 70)
    durable(own, "t", "s")
    kill(own)
    before = o.body
    gate.set()
    for body, words in ((before.replace(b"150", b"999"), "content has changed"), (before[:100], "the source ends at 100 now")):
        o.put(body)
        own.ok("POST", "/v0/pipelines/p/start")
        e = until("it does not go on with other data", lambda: own.get("/v0/pipelines/p").json()["deployment_error"])
        assert e["error_code"] == "ReplayFailure" and "t.s" in e["message"] and words in e["message"], e
    del server.objects["k"]
    own.ok("POST", "/v0/pipelines/p/start")
    e = until("it does not go on without it", lambda: own.get("/v0/pipelines/p").json()["deployment_error"])
    assert e["error_code"] == "ReplayFailure" and "the source has ended before it" in e["message"], e
    server.objects["k"] = o
    o.put(before)
    own.start_pipeline("p")
    wait_count(own, "t", 100)


@pytest.mark.parametrize("change", ["other", "gone"])
def test_changed_over_a_restart(own, tmp_path, server, change):
    """A position that has begun an object knows it by ETag and size."""
    gate = threading.Event()
    o = server.add("k", ids(*range(100, 200)), gate=gate, gate_at=900)
    own.run("p", stored(tmp_path, s3_in("s", server, prefix="")), runtime_config=LEAST)
    until("half of it is in", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] > 70)
    checkpoint(own)
    kill(own)
    gate.set()
    if change == "other":
        o.put(o.body.replace(b"199", b"999"))
    else:
        del server.objects["k"]
    own.start_pipeline("p")
    error = until("it has failed", lambda: own.input("p", "t.s")["fatal_error"])
    assert ("has changed since" if change == "other" else "is not there any more") in error, error
    assert own.input("p", "t.s")["metrics"]["end_of_input"] is False


def test_a_failed_one_goes_on_where_it_was(own, tmp_path, server):
    objects = [server.add(f"p/{i}", ids(*range(i * 10, i * 10 + 10))) for i in range(6)]
    objects[4].statuses = [(403, "AccessDenied")]
    own.run("p", stored(tmp_path, s3_in("s", server, prefix="p/", max_concurrent_fetches=1)))
    error = until("it has failed", lambda: own.input("p", "t.s")["fatal_error"])
    assert "s3://bucket/p/4: status 403 AccessDenied" in error
    r = subprocess.run([FDA, "--host", own.url, "connector", "p", "t", "s", "start"], capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 0, r.stderr
    wait_count(own, "t", 60)
    assert [len(o.requests) for o in objects] == [1, 1, 1, 1, 2, 1]


def test_positions_by_hand(own, tmp_path, server):
    [server.add(f"p/{i}", ids(*range(i * 10, i * 10 + 10))) for i in range(6)]
    own.run("p", stored(tmp_path, s3_in("s", server, prefix="p/")), initial="paused", runtime_config=LEAST)
    url = "/v0/pipelines/p/tables/t/connectors/s/position"

    def put(position):
        return own.request("PUT", url, data=json.dumps(position))
    for bad, words in [({"offset": 1}, "has no member 'offset'"), ({"after": ""}, "'after' is not the key of an object"), ({"objects": {}}, "is not an array"),
                       ({"objects": [{"key": "p/1", "offset": 9, "size": 5}]}, "'offset' is behind the end of 'p/1'"),
                       ({"done": ["q/1"]}, "does not begin with 'p/'"), ({"objects": [{"key": "p/1", "offset": 1}]}, "needs 'size'")]:
        r = put(bad)
        assert r.status_code == 400 and words in r.json()["message"], (bad, r.text)
    size = len(server.objects["p/4"].body)
    assert put({"after": "p/2", "objects": [{"key": "p/4", "offset": size // 2, "size": size}], "done": ["p/3"]}).status_code == 200
    own.ok("POST", "/v0/pipelines/p/resume")
    wait_count(own, "t", 15)
    own.wait_complete("p")
    assert own.query("p", "SELECT min(id) AS a, max(id) AS b FROM t")[0] == {"a": 45, "b": 59}


# --- configuration -----------------------------------------------------------------------------------------------------

def checked(tmp_path, change, drop=()):
    config = {"region": "eu-west-1", "bucket_name": "bucket", "prefix": "p", **change}
    for d in drop:
        del config[d]
    source = {"name": "s", "transport": {"name": "s3_input", "config": config}, "format": {"name": "json"}}
    path = tmp_path / "p.sql"
    path.write_text(f"CREATE TABLE t (n BIGINT) WITH ('connectors' = '{json.dumps([source])}');")
    return headgate("check", path)


@pytest.mark.parametrize("change, drop, words", [
    ({}, ["prefix"], "either 'key' or 'prefix' property must be specified"),
    ({"key": "k"}, [], "'key' and 'prefix' exclude each other"),
    ({"key": ""}, ["prefix"], "option 'key': a key has 1 to 1024 bytes"),
    ({}, ["region"], "region"),
    ({}, ["bucket_name"], "bucket_name"),
    ({"bucket_name": "s3://bucket"}, [], "no s3://"),
    ({"region": "eu west"}, [], "expected the name of a region"),
    ({"endpoint_url": "127.0.0.1:9000"}, [], "expected a URL that begins with http://"),
    ({"aws_access_key_id": "x"}, [], "'aws_access_key_id' set but 'aws_secret_access_key' not set"),
    ({"aws_secret_access_key": "geheim"}, [], "'aws_secret_access_key' set but 'aws_access_key_id' not set"),
    ({"aws_session_token": "x"}, [], "'aws_session_token' needs 'aws_access_key_id'"),
    ({"max_concurrent_fetches": 0}, [], "max_concurrent_fetches"),
    ({"max_retries": -1}, [], "max_retries"),
])
def test_refused_when_compiled(tmp_path, change, drop, words):
    r = checked(tmp_path, change, drop)
    assert r.code == 1 and words in r.out + r.err and "p.sql:1:" in r.out + r.err, r


def test_accepted_when_compiled(tmp_path):
    assert checked(tmp_path, {"prefix": "", "endpoint_url": "https://h/path/"}).code == 0
    r = checked(tmp_path, {"no_sign_request": True, "aws_access_key_id": "x", "aws_secret_access_key": "y", "prefixes": "z"})
    assert r.code == 0 and "requests are not signed" in r.out + r.err and 'did you mean "prefix"?' in r.out + r.err, r
