"""Checkpoints in a bucket: sent, listed, gone on from. The stand-in (tests/lib/hg/s3.py) checks every signature and fails on request; what servers of
others make of it is asked at the end. test-labels: long"""
import json
import os
import shutil
import time

import pytest
from feldera import FelderaClient, Pipeline
from feldera.enums import CheckpointStatus
from feldera.rest.errors import FelderaAPIError

from hg import s3, s3_real, until
from hg.daemon import Daemon
from test_durable import Lines, checkpoint, kill, program, storage, wait_out, wait_rows
from test_s3 import no_surroundings  # noqa: F401 (fixture)


@pytest.fixture
def server():
    s = s3.Server()
    yield s
    s.close()


@pytest.fixture
def two():
    """Machines: each has a data folder of its own."""
    made = []

    def machine(**kw):
        made.append(Daemon(**kw))
        return made[-1]
    yield machine
    for d in made:
        d.close()


def config(server, model="at_least_once", **sync):
    sync = {"bucket": "bucket/prod/shop", "endpoint": server.url, "region": s3.REGION, "access_key": s3.KEY_ID, "secret_key": s3.SECRET, **sync}
    return {"fault_tolerance": {"model": model, "checkpoint_interval_secs": None}, "dev_tweaks": {"headgate": {"restart": "never"}},
            "storage": {"backend": {"name": "file", "config": {"sync": sync}}}}


def newest(d, name="p"):
    return d.ok("GET", f"/v0/pipelines/{name}/checkpoints").json()[0]["uuid"]


def status(d, name="p"):
    return d.ok("GET", f"/v0/pipelines/{name}/checkpoint/sync_status").json()


def sync(d, name="p"):
    """Sends the newest checkpoint; its uuid."""
    r = d.ok("POST", f"/v0/pipelines/{name}/checkpoint/sync")
    uuid = r.json()["checkpoint_uuid"]
    assert r.status_code == 202 and r.json()["incarnation_uuid"]

    def sent():
        s = status(d, name)
        assert uuid in s["running"] or (s["failure"] or {}).get("uuid") != uuid, s
        return s["success"] == uuid and uuid not in s["running"]
    until("the checkpoint is in the bucket", sent)
    return uuid


def remote(d, name="p"):
    return [c["uuid"] for c in d.ok("GET", f"/v0/pipelines/{name}/checkpoints/remote").json()]


def refused(d, name, *words):
    """A start that fails; the message."""
    d.ok("POST", f"/v0/pipelines/{name}/start")

    def failed():
        return d.get(f"/v0/pipelines/{name}").json()["deployment_error"]
    e = until("the start is refused", failed)
    assert all(w in e["message"] for w in words), e
    d.wait_status(name, "Stopped")
    return e["message"]


def clear(d, name="p"):
    d.stop_pipeline(name)
    d.ok("POST", f"/v0/pipelines/{name}/clear")
    until("the storage is cleared", lambda: d.get(f"/v0/pipelines/{name}").json()["storage_status"] == "Cleared")


def log(d, name="p"):
    with open(os.path.join(os.path.dirname(storage(d)), "log")) as f:
        return f.read()


def began(own, server, lines, out, n=200, **more):
    """A pipeline with n rows and a checkpoint of them in the bucket; its uuid."""
    lines.add(n)
    own.run("p", program(lines, out), runtime_config=config(server, **more))
    wait_rows(own, lines.n)
    wait_out(own, out, lines.n)
    checkpoint(own)
    return sync(own)


def files(server):
    return {k for k in server.objects if k.startswith("prod/shop/files/")}


def test_sent_and_listed(own, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(200)
    own.run("p", program(lines, out), runtime_config=config(server))
    wait_rows(own, 200)
    r = own.post("/v0/pipelines/p/checkpoint/sync")
    assert r.status_code == 400 and "no checkpoint yet" in r.json()["message"], r.text
    assert remote(own) == [] and status(own) == {"success": None, "failure": None, "periodic": None, "running": []}
    checkpoint(own)
    first = sync(own)
    assert first == newest(own) and remote(own) == [first]
    assert set(server.objects) == files(server) | {f"prod/shop/checkpoints/{first}.json"}
    assert server.puts[-1] == f"prod/shop/checkpoints/{first}.json"  # it counts when all else is there
    assert sync(own) == first and len(server.puts) == len(files(server)) + 2  # the same again: only that it is there
    before, had = files(server), len(server.puts)
    lines.add(1)
    wait_rows(own, 201)
    checkpoint(own)
    second = sync(own)
    assert remote(own) == [second, first]
    new = set(server.puts[had:]) - {f"prod/shop/checkpoints/{second}.json"}
    assert new == files(server) - before  # nothing twice
    described = json.loads(server.objects[f"prod/shop/checkpoints/{second}.json"].body.split(b"\n", 1)[1])
    assert {f"prod/shop/files/{f['sha256']}" for f in described["files"]} & before, "rows of the first one are not sent again"
    bad = own.get("/v0/pipelines/p/checkpoint/sync_status?incarnation_uuid=00000000-0000-7000-8000-000000000000", raw=True)
    assert bad.status_code == 400 and bad.json()["error_code"] == "IncarnationUuidMismatch"


def test_goes_on_on_another_machine(two, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a = two()
    uuid = began(a, server, lines, out)
    a.stop()
    shutil.rmtree(os.path.join(a.data_dir, "pipelines"))
    lines.add(50)
    b = two()
    b.run("p", program(lines, out), runtime_config=config(server, start_from_checkpoint="latest"))
    wait_rows(b, 250)
    wait_out(b, out, 250)  # the file is cut back to where the checkpoint has it
    assert newest(b) == uuid and f"checkpoint_pulled uuid={uuid}" in log(b)
    assert b.input("p", "b.src")["metrics"]["total_records"] == 250
    checkpoint(b)
    assert remote(b) == [uuid] and sync(b) != uuid and len(remote(b)) == 2


def test_without_the_file_that_was_written(own, server, tmp_path):
    """It belongs to the pipeline's state: without it the output says so, and all else goes on."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    began(own, server, lines, out, start_from_checkpoint="latest")
    clear(own)
    os.rename(out, tmp_path / "away")
    own.start_pipeline("p")
    lines.add(10)
    wait_rows(own, 210)
    until("the output has failed", lambda: "No such file" in (own.stats("p")["outputs"][0]["fatal_error"] or ""))


def test_cleared_and_started_again(own, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    uuid = began(own, server, lines, out, start_from_checkpoint="latest")  # there was none: that is no error
    assert "there is no checkpoint in s3://bucket/prod/shop" in log(own)
    clear(own)
    own.start_pipeline("p")
    wait_rows(own, 200)
    assert newest(own) == uuid
    lines.add(10)
    wait_rows(own, 210)
    checkpoint(own)
    kill(own)  # what is here is newer than what is there
    own.start_pipeline("p")
    wait_rows(own, 210)
    assert newest(own) != uuid and log(own).count("checkpoint_pulled") == 1


def test_exactly_once_begins_another_life(own, server, tmp_path):
    """Steps behind the checkpoint are others: what is written goes on behind the checkpoint, and none of it is taken for written already."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    began(own, server, lines, out, model="exactly_once", start_from_checkpoint="latest")

    def lives():
        with open(sorted(os.path.join(storage(own), f) for f in os.listdir(storage(own)) if f.startswith("checkpoint-"))[-1]) as f:
            return [o["life"] for o in json.loads(f.read().split("\n", 1)[1])["outputs"]]
    life = lives()
    lines.add(30)
    wait_out(own, out, 230)
    clear(own)
    own.start_pipeline("p")
    wait_out(own, out, 230)
    assert life and lives() != life
    kill(own)
    own.start_pipeline("p")
    lines.add(5)
    wait_out(own, out, 235)


def test_the_newer_one_counts(two, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a, b = two(), two()
    first = began(a, server, lines, out, start_from_checkpoint="latest")
    a.stop_pipeline("p")
    b.run("p", program(lines, out), runtime_config=config(server, start_from_checkpoint="latest"))
    assert newest(b) == first
    lines.add(20)
    wait_rows(b, 220)
    checkpoint(b)
    second = sync(b)
    b.stop_pipeline("p")
    a.start_pipeline("p")
    assert newest(a) == second and os.path.isdir(storage(a) + ".before")
    wait_rows(a, 220)


def test_a_certain_one(own, server, tmp_path):
    """It is gone back to once: afterwards the folder goes on where it is."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    first = began(own, server, lines, out)
    lines.add(50)
    wait_rows(own, 250)
    checkpoint(own)
    second = sync(own)
    own.stop_pipeline("p")
    shorter = Lines(tmp_path / "other.json")
    os.rename(shorter.path, lines.path)  # what followed the first one is not there any more
    lines.n = 0
    lines.add(200)
    own.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": config(server, start_from_checkpoint=first)})
    own.start_pipeline("p")
    wait_rows(own, 200)
    lines.add(7)
    wait_rows(own, 207)
    checkpoint(own)
    third = newest(own)
    assert remote(own) == [second, first]
    kill(own)
    own.start_pipeline("p")
    assert newest(own) == third
    wait_rows(own, 207)
    absent = "00000000-0000-7000-8000-000000000000"
    own.stop_pipeline("p")
    own.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": config(server, start_from_checkpoint=absent, fail_if_no_checkpoint=True)})
    refused(own, "p", f"there is no checkpoint {absent} in s3://bucket/prod/shop")


def test_none_is_there(own, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    own.create("p", program(lines, out), config(server, start_from_checkpoint="latest", fail_if_no_checkpoint=True))
    refused(own, "p", "there is no checkpoint in s3://bucket/prod/shop")


def test_read_bucket(two, server, tmp_path):
    """Only read, and only where there is nothing else."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a, b = two(), two()
    uuid = began(a, server, lines, out)
    a.stop_pipeline("p")
    had = set(server.objects)
    b.run("p", program(lines, out), runtime_config=config(server, bucket="bucket/copy", read_bucket="bucket/prod/shop", start_from_checkpoint="latest"))
    wait_rows(b, 200)
    assert newest(b) == uuid and remote(b) == []
    checkpoint(b)
    sync(b)
    assert len(remote(b)) == 1 and {k for k in server.objects if not k.startswith("copy/")} == had


def test_old_ones_go(own, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    began(own, server, lines, out, retention_min_count=2, retention_min_age=0)
    for n in range(3):
        lines.add(1)
        wait_rows(own, lines.n)
        checkpoint(own)
        last = sync(own)
    uuids = remote(own)
    assert len(uuids) == 2 and uuids[0] == last
    needed = {f"prod/shop/files/{f['sha256']}" for u in uuids
              for f in json.loads(server.objects[f"prod/shop/checkpoints/{u}.json"].body.split(b"\n", 1)[1])["files"]}
    assert files(server) == needed  # all of it, and nothing else
    clear(own)
    own.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": config(server, start_from_checkpoint=uuids[1])})
    own.start_pipeline("p")
    assert newest(own) == uuids[1]
    wait_rows(own, lines.n)


def test_young_ones_stay(own, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    began(own, server, lines, out, retention_min_count=1, retention_min_age=1)
    checkpoint(own)
    sync(own)
    assert len(remote(own)) == 2 and server.deletes == []


def test_by_itself(own, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(10)
    own.run("p", program(lines, out), runtime_config=config(server, push_interval=1))
    wait_rows(own, 10)
    checkpoint(own)
    until("it was sent", lambda: status(own)["periodic"] == newest(own))
    assert status(own)["success"] is None and remote(own) == [newest(own)]


def test_sdk(own, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(10)
    own.run("p", program(lines, out), runtime_config=config(server))
    wait_rows(own, 10)
    p = Pipeline.get("p", FelderaClient(own.url))
    with pytest.raises(FelderaAPIError, match="no checkpoint yet"):
        p.sync_checkpoint()
    with pytest.raises(RuntimeError, match="no checkpoints have been synced yet"):
        p.last_successful_checkpoint_sync()
    p.checkpoint(wait=True)
    uuid = p.sync_checkpoint(wait=True)
    assert p.sync_checkpoint_status(uuid) == CheckpointStatus.Success
    assert str(p.last_successful_checkpoint_sync()) == uuid and p.remote_checkpoints() == [{"uuid": uuid}]
    server.buckets.clear()
    p.checkpoint(wait=True)
    with pytest.raises(RuntimeError, match="failed to sync checkpoint"):
        p.sync_checkpoint(wait=True)


def test_not_configured(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    own.run("p", program(lines, out), runtime_config={"fault_tolerance": {"model": "at_least_once"}})
    r = own.post("/v0/pipelines/p/checkpoint/sync")
    assert r.status_code == 400 and "sync is not set" in r.json()["message"], r.text
    r = own.get("/v0/pipelines/p/checkpoints/remote", raw=True)
    assert r.status_code == 500 and r.json()["error_code"] == "CheckpointFetchError", r.text
    assert status(own) == {"success": None, "failure": None, "periodic": None, "running": []}


@pytest.mark.parametrize("sync, words", [
    ({"standby": True}, "sync.standby: true is not supported"),
    ({"start_from_checkpoint": "yesterday"}, "sync.start_from_checkpoint: expected latest"),
    ({"read_bucket": "bucket/prod/shop"}, "sync.read_bucket: it must be another one"),
    ({"secret_key": None}, "sync.access_key: give both"),
    ({"bucket": "s3://bucket"}, "sync.bucket: the name of a bucket"),
    ({"endpoint": "ftp://x"}, "expected a URL that begins with http"),
    ({"push_interval": "soon"}, "sync.push_interval: expected a whole number"),
])
def test_refused_configurations(own, server, tmp_path, sync, words):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    r = own.request("PUT", "/v0/pipelines/p", json={"name": "p", "program_code": program(lines, out), "runtime_config": config(server, **sync), "program_config": {}})
    if r.status_code < 300:
        own.create("p", program(lines, out), config(server, **sync))
        refused(own, "p", words)
    else:
        assert r.status_code == 400 and words in r.json()["message"], r.text


def test_wrong_keys(own, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(10)
    own.run("p", program(lines, out), runtime_config=config(server, secret_key="wrong-secret"))
    wait_rows(own, 10)
    checkpoint(own)
    uuid = own.ok("POST", "/v0/pipelines/p/checkpoint/sync").json()["checkpoint_uuid"]
    f = until("it failed", lambda: status(own)["failure"])
    assert f["uuid"] == uuid and "SignatureDoesNotMatch" in f["error"] and "wrong-secret" not in f["error"]
    r = own.get("/v0/pipelines/p/checkpoints/remote", raw=True)
    assert r.status_code == 500 and r.json()["error_code"] == "CheckpointFetchError" and "SignatureDoesNotMatch" in r.json()["message"]
    own.stop_pipeline("p")
    own.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": config(server, secret_key="wrong-secret", start_from_checkpoint="latest")})
    refused(own, "p", "SignatureDoesNotMatch")
    assert "wrong-secret" not in log(own)


def test_keys_by_reference(own, server, tmp_path, monkeypatch):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    folder = tmp_path / "secrets" / "kubernetes" / "store"
    folder.mkdir(parents=True)
    (folder / "key").write_text(s3.SECRET)
    own.stop()
    own.env = {"HEADGATE_SECRETS_DIR": str(tmp_path / "secrets"), "STORE_ID": s3.KEY_ID}
    own.start()
    began(own, server, lines, out, access_key="${env:STORE_ID}", secret_key="${secret:kubernetes:store/key}")
    assert s3.SECRET not in json.dumps(own.get("/v0/pipelines/p").json()) and s3.SECRET not in log(own)


def test_the_bucket_fails_midway(own, server, tmp_path):
    """What was asked for fails and says so; the pipeline goes on, and the next attempt sends only the rest."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(200)
    own.run("p", program(lines, out), runtime_config=config(server))
    wait_rows(own, 200)
    checkpoint(own)
    server.put_fail = lambda n: None if n == 1 else (403, "AccessDenied")
    uuid = own.ok("POST", "/v0/pipelines/p/checkpoint/sync").json()["checkpoint_uuid"]
    f = until("it failed", lambda: status(own)["failure"])
    assert f["uuid"] == uuid and "AccessDenied" in f["error"] and remote(own) == []
    lines.add(5)
    wait_rows(own, 205)
    server.put_fail = lambda n: None
    server.fails = 2  # and a server that is busy is asked again
    assert sync(own) == uuid and status(own)["failure"] is None
    first = server.puts[0]
    assert server.puts.count(first) == 1


def test_files_stay_while_they_are_sent(own, server, tmp_path):
    """Checkpoints that come meanwhile remove nothing that is still to go."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(200)
    own.run("p", program(lines, out), runtime_config=config(server, retention_min_count=1, retention_min_age=0))
    wait_rows(own, 200)
    checkpoint(own)
    gate = []

    def hold(n):
        until("it may go on", lambda: gate)
    server.lock = type("None", (), {"__enter__": lambda s: s, "__exit__": lambda s, *a: None})()  # one put waits, the rest is served
    server.put_fail = hold
    uuid = own.ok("POST", "/v0/pipelines/p/checkpoint/sync").json()["checkpoint_uuid"]
    until("it is on its way", lambda: server.puts and uuid in status(own)["running"])
    for _ in range(3):
        lines.add(50)
        wait_rows(own, lines.n)
        checkpoint(own)
    gate.append(1)
    until("it was sent", lambda: status(own)["success"] == uuid)
    clear(own)
    own.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": config(server, start_from_checkpoint="latest")})
    own.start_pipeline("p")
    assert newest(own) == uuid
    wait_rows(own, lines.n)


def test_a_stop_does_not_wait(own, server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(200)
    own.run("p", program(lines, out), runtime_config=config(server))
    wait_rows(own, 200)
    checkpoint(own)
    gate = []
    server.put_fail = lambda n: until("it may go on", lambda: gate) and None
    own.ok("POST", "/v0/pipelines/p/checkpoint/sync")
    until("it is on its way", lambda: server.puts)
    own.stop_pipeline("p", force=False)
    gate.append(1)
    own.start_pipeline("p")
    wait_rows(own, 200)
    server.put_fail = lambda n: None
    sync(own)


@pytest.mark.parametrize("what", ["flipped", "shorter", "absent", "description"])
def test_damage_is_named(own, server, tmp_path, what):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    uuid = began(own, server, lines, out)
    own.stop_pipeline("p")
    key = max(files(server), key=lambda k: len(server.objects[k].body))
    if what == "description":
        key = f"prod/shop/checkpoints/{uuid}.json"
    body = server.objects[key].body
    at = len(body) // 2
    if what == "absent":
        del server.objects[key]
    else:
        server.objects[key].put(body[:-1] if what == "shorter" else body[:at] + bytes([body[at] ^ 1]) + body[at + 1:])
    had = sorted(os.listdir(storage(own)))
    clear(own)
    own.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": config(server, start_from_checkpoint="latest")})
    refused(own, "p", key, uuid, "NoSuchKey" if what == "absent" else "damaged")
    server.add(key, body)  # whole again
    own.start_pipeline("p")
    wait_rows(own, 200)
    assert had


def test_limits_hold_for_the_endpoint(server, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    d = Daemon(args=["--deny-private-hosts"])
    try:
        d.create("p", program(lines, out), config(server, start_from_checkpoint="latest"))
        refused(d, "p", "127.0.0.1")
        assert server.lists == []
    finally:
        d.close()


def big_rows(lines, n=100000):
    with open(lines.path, "a") as f:
        for i in range(lines.n, lines.n + n):
            f.write(json.dumps({"id": i, "s": f"{i} " + os.urandom(300).hex()}) + "\n")
    lines.n += n


def test_in_parts(own, server, tmp_path):
    """A segment of more than one part; the bytes are those of the disk."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    big_rows(lines)
    own.run("p", program(lines, out), runtime_config=config(server))
    wait_rows(own, lines.n)
    checkpoint(own)
    sync(own)
    assert max(len(o.body) for o in server.objects.values()) > 8 << 20 and server.uploads == {}
    clear(own)
    own.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": config(server, start_from_checkpoint="latest")})
    own.start_pipeline("p")
    wait_rows(own, lines.n)


@pytest.fixture(scope="module", params=s3_real.KINDS or ["none"])
def real(request):
    if request.param == "none":
        pytest.skip("no S3 server of others here: ./dev setup test, or see CONTRIBUTING.md")
    r = s3_real.Real(request.param)
    yield r
    r.close()


def test_servers_of_others(own, real, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    big_rows(lines)
    keys = {"bucket": f"{real.bucket}/a folder/{time.time_ns()}", "region": real.region, "access_key": real.id, "secret_key": real.secret,
            "retention_min_count": 1, "retention_min_age": 0}
    own.run("p", program(lines, out), runtime_config=config(real, **keys))
    wait_rows(own, lines.n)
    checkpoint(own)
    sync(own)
    lines.add(10)
    wait_rows(own, lines.n)
    checkpoint(own)
    uuid = sync(own)
    assert remote(own) == [uuid]
    clear(own)
    own.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": config(real, **keys, start_from_checkpoint="latest")})
    own.start_pipeline("p")
    assert newest(own) == uuid
    wait_rows(own, lines.n)
