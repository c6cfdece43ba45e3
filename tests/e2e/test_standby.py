"""A pipeline in standby: it follows the checkpoints that another one sends to a bucket, and takes over when it is activated. Two daemons are the two
machines; the bucket is the stand-in of test_checkpoint_sync. test-labels: long"""
import glob
import json
import os
import signal
import threading

import pytest
from feldera import FelderaClient, Pipeline
from feldera.enums import PipelineStatus

from hg import s3, until
from test_checkpoint_sync import began, config, log, newest, server, sync, two  # noqa: F401 (fixtures)
from test_durable import Lines, checkpoint, kill, program, storage, wait_out, wait_rows
from test_fda import Fda


def stand_by(d, program, server, **more):  # noqa: F811
    """A pipeline in standby on machine d, which looks into the bucket every second."""
    d.create("p", program, config(server, **{"pull_interval": 1, **more}))
    d.start_pipeline("p", "standby")


def reason(d):
    return (d.ok("GET", "/v0/pipelines/p").json()["deployment_runtime_status_details"] or {}).get("reason", "")


def has(d, uuid):
    until(f"checkpoint {uuid} is there", lambda: f"checkpoint {uuid}" in reason(d))


def activate(d, initial="running"):
    r = d.ok("POST", f"/v0/pipelines/p/activate?initial={initial}")
    assert r.status_code == 202 and isinstance(r.json(), str)
    d.wait_status("p", initial.capitalize())


def test_follows_and_takes_over(two, server, tmp_path):  # noqa: F811
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a, b = two(), two()
    first = began(a, server, lines, out)
    stand_by(b, program(lines, out), server)
    has(b, first)
    assert storage(b) and f"checkpoint_pulled uuid={first}" in log(b)
    lines.add(1)
    wait_rows(a, 201)
    checkpoint(a)
    second = sync(a)
    has(b, second)
    asked = [k for k, o in server.objects.items() if "/files/" in k and len(o.requests) > 1]
    assert asked == [], "what is here already does not come again"
    lines.add(9)
    wait_rows(a, 210)  # after the checkpoint: read again by whoever takes over
    wait_out(a, out, 210)
    kill(a)
    activate(b)
    lines.add(5)
    wait_rows(b, 215)
    wait_out(b, out, 215)
    assert newest(b) == second and log(b).count("activated initial=running") == 1
    assert b.input("p", "b.src")["metrics"]["total_records"] == 215
    assert b.ok("POST", "/v0/pipelines/p/activate").status_code == 202  # once more changes nothing
    assert b.post("/v0/pipelines/p/activate?initial=paused").json()["error_code"] == "InvalidTransition"
    checkpoint(b)
    assert sync(b) != second


def test_the_last_checkpoint_counts(two, server, tmp_path):  # noqa: F811
    """It is looked for once more at the activation, whatever the interval."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a, b = two(), two()
    first = began(a, server, lines, out)
    stand_by(b, program(lines, out), server, pull_interval=100000)
    has(b, first)
    lines.add(1)
    wait_rows(a, 201)
    checkpoint(a)
    second = sync(a)
    a.stop_pipeline("p")
    activate(b, "paused")
    assert newest(b) == second
    assert b.query("p", "SELECT count(*) AS n FROM b") == [{"n": 201}]
    b.ok("POST", "/v0/pipelines/p/resume")
    lines.add(1)
    wait_rows(b, 202)


def test_what_it_answers(two, server, tmp_path):  # noqa: F811
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    b = two()
    stand_by(b, program(lines, out), server)
    until("it has looked", lambda: "nothing newer in s3://bucket/prod/shop" in reason(b))
    p = b.ok("GET", "/v0/pipelines/p").json()
    assert (p["deployment_status"], p["deployment_desired_status"], p["deployment_runtime_status"]) == ("Standby", "Standby", "Standby")
    for method, path in (("GET", "stats"), ("GET", "query?sql=SELECT+1"), ("POST", "ingress/b?format=json"), ("POST", "checkpoint"), ("GET", "metrics")):
        r = b.request(method, f"/v0/pipelines/p/{path}", data="{}" if method == "POST" else None)
        assert r.status_code == 503 and r.json()["error_code"] == "Initializing" and "activate it first" in r.json()["message"], (path, r.text)
    for word in ("pause", "resume"):
        r = b.post(f"/v0/pipelines/p/{word}")
        assert r.status_code == 400 and r.json()["error_code"] == "InvalidTransition", r.text
    r = b.post("/v0/pipelines/p/activate?initial=standby")
    assert r.status_code == 400 and r.json()["error_code"] == "InvalidActivateStatus", r.text
    r = b.post("/v0/pipelines/p/start?initial=running")
    assert r.status_code == 400 and r.json()["error_code"] == "InitialImmutableUnlessStopped", r.text
    b.stop_pipeline("p", force=False)
    b.start_pipeline("p", "standby")
    b.stop_pipeline("p", force=True)
    b.start_pipeline("p")
    r = b.post("/v0/pipelines/p/activate")
    assert r.status_code == 400 and r.json()["error_code"] == "InvalidTransition", r.text


def test_needs_a_bucket(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    own.create("p", program(lines, out))
    r = own.post("/v0/pipelines/p/start?initial=standby")
    assert r.status_code == 400 and r.json()["error_code"] == "InitialStandbyNotAllowed", r.text


def test_nothing_is_in_the_bucket(two, server, tmp_path):  # noqa: F811
    """As for any start: it begins with nothing, unless that is refused."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(10)
    b = two()
    stand_by(b, program(lines, out), server, fail_if_no_checkpoint=True)
    b.ok("POST", "/v0/pipelines/p/activate")
    e = until("it cannot take over", lambda: b.get("/v0/pipelines/p").json()["deployment_error"])
    assert "there is no checkpoint in s3://bucket/prod/shop" in e["message"], e
    b.wait_status("p", "Stopped")
    b.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": config(server)})
    b.start_pipeline("p", "standby")
    activate(b)
    wait_rows(b, 10)


def test_the_bucket_is_away(two, server, tmp_path):  # noqa: F811
    """It waits on, and says why nothing comes; what it has is enough to take over with."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a, b = two(), two()
    first = began(a, server, lines, out)
    stand_by(b, program(lines, out), server)
    has(b, first)
    server.buckets["other"] = server.buckets.pop("bucket")
    until("it says why", lambda: "NoSuchBucket" in reason(b))
    assert b.ok("GET", "/v0/pipelines/p").json()["deployment_status"] == "Standby"
    server.buckets["bucket"] = server.buckets.pop("other")
    until("it is there again", lambda: "NoSuchBucket" not in reason(b))
    assert log(b).count("NoSuchBucket") == 1
    server.buckets.clear()
    a.stop_pipeline("p")
    activate(b)
    assert newest(b) == first and f"checkpoint {first}, which is here, takes over" in log(b)
    lines.add(3)
    wait_rows(b, 203)


def test_what_a_bucket_says_has_no_secret(two, server, tmp_path):  # noqa: F811
    """Neither why a standby waits, nor why it could not start, shows the key that a server's answer repeats."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    b = two()
    server.list_statuses = [(403, "AccessDenied", f"not with {s3.SECRET}")] * 1000
    stand_by(b, program(lines, out), server)
    until("it says why", lambda: "AccessDenied" in reason(b))
    b.ok("POST", "/v0/pipelines/p/activate")
    e = until("it cannot take over", lambda: b.get("/v0/pipelines/p").json()["deployment_error"])
    assert "AccessDenied" in e["message"] and "not with ***" in e["message"], e
    (path,) = glob.glob(os.path.join(b.data_dir, "**", "log"), recursive=True)
    with open(path) as f:
        text = f.read()
    assert text.count("not with ***") >= 2 and s3.SECRET not in text + json.dumps(b.ok("GET", "/v0/pipelines/p/events?selector=all").json())


def test_nothing_was_ever_seen(two, server, tmp_path):  # noqa: F811
    """A bucket that does not answer is never taken for an empty one."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    b = two()
    server.buckets.clear()
    stand_by(b, program(lines, out), server)
    b.ok("POST", "/v0/pipelines/p/activate")
    e = until("it cannot take over", lambda: b.get("/v0/pipelines/p").json()["deployment_error"])
    assert "NoSuchBucket" in e["message"], e


def test_both_buckets_are_followed(two, server, tmp_path):  # noqa: F811
    """The other pipeline's bucket is only read; what this one sends goes elsewhere."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a, b = two(), two()
    has_first = began(a, server, lines, out)
    stand_by(b, program(lines, out), server, bucket="bucket/copy", read_bucket="bucket/prod/shop")
    has(b, has_first)
    checkpoint(a)
    second = sync(a)
    has(b, second)
    a.stop_pipeline("p")
    activate(b)
    checkpoint(b)
    third = sync(b)
    assert f"copy/checkpoints/{third}.json" in server.objects and f"prod/shop/checkpoints/{third}.json" not in server.objects


def test_killed_in_standby(two, server, tmp_path):  # noqa: F811
    """A pipeline that dies in standby is in standby again; so is one whose daemon dies."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a, b = two(), two()
    first = began(a, server, lines, out)
    c = config(server, pull_interval=1)
    c["dev_tweaks"]["headgate"]["restart"] = "on_failure"
    b.create("p", program(lines, out), c)
    b.start_pipeline("p", "standby")
    has(b, first)
    pid = b.pid_of("p")
    os.kill(pid, signal.SIGKILL)
    until("another process", lambda: b.pid_of("p") not in (pid, None))
    b.wait_status("p", "Standby")
    b.kill()
    b.start()
    b.wait_status("p", "Standby")
    a.stop_pipeline("p")
    activate(b)
    lines.add(4)
    wait_rows(b, 204)
    pid = b.pid_of("p")
    os.kill(pid, signal.SIGKILL)  # now it is active, and stays so
    until("another process", lambda: b.pid_of("p") not in (pid, None))
    b.wait_status("p", "Running")
    wait_rows(b, 204)


@pytest.mark.parametrize("force", [False, True])
def test_stopped_while_a_checkpoint_comes(two, server, tmp_path, force):  # noqa: F811
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a, b = two(), two()
    began(a, server, lines, out)
    gate = threading.Event()
    slow = [o for k, o in server.objects.items() if "/files/" in k][0]
    slow.gate, slow.gate_at = gate, 1
    try:
        stand_by(b, program(lines, out), server)
        until("it is coming", lambda: slow.requests)
        b.stop_pipeline("p", force=force)
    finally:
        gate.set()
    b.start_pipeline("p", "standby")
    activate(b)
    wait_rows(b, 200)


def test_sdk(two, server, tmp_path):  # noqa: F811
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a, b = two(), two()
    first = began(a, server, lines, out)
    b.create("p", program(lines, out), config(server, pull_interval=1))
    p = Pipeline.get("p", FelderaClient(b.url))
    p.start_standby()
    assert p.status() == PipelineStatus.STANDBY
    has(b, first)
    a.stop_pipeline("p")
    p.activate()
    assert p.status() == PipelineStatus.RUNNING
    assert json.loads(json.dumps(list(p.query("SELECT count(*) AS n FROM b")))) == [{"n": 200}]


def test_fda(two, server, tmp_path):  # noqa: F811
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    a, b = two(), two()
    began(a, server, lines, out)
    b.create("p", program(lines, out), config(server))
    fda = Fda(b.url)
    assert fda("start", "p", "-i", "standby") == "Pipeline started successfully.\n"
    assert "| Standby " in fda("status", "p")
    a.stop_pipeline("p")
    r = fda.run("activate", "p", "-i", "standby")
    assert r.returncode == 1 and "one of running, paused" in r.stderr
    assert fda("activate", "p", "--initial", "paused") == "Pipeline activated successfully.\n"
    r = fda.run("activate", "p")
    assert r.returncode == 1 and "Only a pipeline in Standby can be activated (it is 'Paused')" in r.stderr
    assert fda("query", "p", "SELECT count(*) AS n FROM b", "--format", "json").strip() == '{"n":200}'


def test_to_and_fro(two, server, tmp_path):  # noqa: F811
    """Two machines take turns: whoever was killed comes back as the standby of the other."""
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    active, waits = two(), two()
    uuid = began(active, server, lines, out, pull_interval=1)
    stand_by(waits, program(lines, out), server)
    for _ in range(4):
        has(waits, uuid)
        lines.add(20)  # behind the checkpoint
        wait_rows(active, lines.n)
        kill(active)
        activate(waits)
        active, waits = waits, active
        waits.start_pipeline("p", "standby")
        lines.add(10)
        wait_rows(active, lines.n)
        wait_out(active, out, lines.n)
        checkpoint(active)
        uuid = sync(active)
    assert active.input("p", "b.src")["metrics"]["total_records"] == lines.n
