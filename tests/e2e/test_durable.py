"""Checkpoints and resuming: a pipeline that is killed or stopped goes on where it was. State is kept with at_least_once; what is
in tables is there once, also after kill -9. test-labels: long"""
import glob
import json
import os
import signal

import pytest

from hg import until, whole_lines
from hg.kafka import Broker, Topic

FT = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}


class Lines:
    """A file that a followed file_input reads."""

    def __init__(self, path):
        self.path, self.n = str(path), 0
        open(self.path, "w").close()

    def add(self, n):
        with open(self.path, "a") as f:
            for i in range(self.n, self.n + n):
                f.write(json.dumps({"id": i, "s": f"row {i}"}) + "\n")
        self.n += n


def program(lines, out):
    src = {"name": "src", "transport": {"name": "file_input", "config": {"path": lines.path, "follow": True}},
           "format": {"name": "json", "config": {"update_format": "raw"}}}
    dst = {"name": "dst", "transport": {"name": "file_output", "config": {"path": str(out)}},
           "format": {"name": "json", "config": {"update_format": "insert_delete"}}}
    return (f"CREATE TABLE b (id BIGINT, s VARCHAR) WITH ('materialized' = 'true', 'connectors' = '{json.dumps([src])}');\n"
            f"CREATE MATERIALIZED VIEW v WITH ('connectors' = '{json.dumps([dst])}') AS SELECT id, s FROM b;")


def wait_rows(d, n, name="p"):
    def there():
        return d.query(name, "SELECT count(*) AS n, count(DISTINCT id) AS m FROM b")[0] == {"n": n, "m": n}
    until(f"{n} rows, each once", there)


def wait_out(d, out, n):
    def there():
        ids = [json.loads(line)["insert"]["id"] for line in whole_lines(out)]
        assert len(ids) == len(set(ids)), "a row was written twice"
        return sorted(ids) == list(range(n))
    until(f"{n} rows in {out}", there)


def checkpoint(d, name="p"):
    r = d.ok("POST", f"/v0/pipelines/{name}/checkpoint").json()

    def done():
        s = d.ok("GET", f"/v0/pipelines/{name}/checkpoint_status?incarnation_uuid={r['incarnation_uuid']}").json()
        assert not s["failure"], s
        return s["success"] == r["checkpoint_sequence_number"]
    until("the checkpoint is durable", done)


def kill(d, name="p"):
    os.kill(d.pid_of(name), signal.SIGKILL)
    d.wait_status(name, "Stopped")


def storage(d):
    (path,) = glob.glob(os.path.join(d.data_dir, "**", "storage"), recursive=True)
    return path


def test_killed_pipeline_goes_on(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(1000)
    own.run("p", program(lines, out), runtime_config=FT)
    wait_rows(own, 1000)
    checkpoint(own)
    lines.add(500)  # after the checkpoint: read again after the crash
    wait_rows(own, 1500)
    for n in (1600, 1700):
        kill(own)
        own.start_pipeline("p")
        lines.add(100)
        wait_rows(own, n)
        wait_out(own, out, n)
        assert own.input("p", "b.src")["metrics"]["total_records"] == n
        checkpoint(own)


def test_graceful_stop_keeps_everything(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(300)
    own.run("p", program(lines, out), runtime_config=FT)
    wait_rows(own, 300)
    own.stop_pipeline("p", force=False)
    lines.add(10)
    own.start_pipeline("p")
    wait_rows(own, 310)
    wait_out(own, out, 310)
    own.stop_pipeline("p")  # by force: as a crash
    own.start_pipeline("p")
    wait_rows(own, 310)
    own.stop_pipeline("p")
    own.ok("POST", "/v0/pipelines/p/clear")
    until("the storage is cleared", lambda: own.get("/v0/pipelines/p").json()["storage_status"] == "Cleared")
    own.start_pipeline("p")
    wait_rows(own, 310)  # from the beginning
    assert own.input("p", "b.src")["metrics"]["total_records"] == 310


def test_orchestration_is_remembered(own, tmp_path):
    hist, live, held = (Lines(tmp_path / f"{n}.json") for n in ("hist", "live", "held"))
    for f in (hist, live, held):
        f.add(5)

    def conn(name, lines, **more):
        follow = name != "hist"
        return {"name": name, "transport": {"name": "file_input", "config": {"path": lines.path, "follow": follow}},
                "format": {"name": "json", "config": {"update_format": "raw"}}, **more}
    conns = [conn("hist", hist, labels=["h"]), conn("live", live, start_after=["h"]), conn("held", held)]
    own.run("p", f"CREATE TABLE b (id BIGINT, s VARCHAR) WITH ('materialized' = 'true', 'connectors' = '{json.dumps(conns)}');",
            runtime_config=FT)
    until("all are read", lambda: own.query("p", "SELECT count(*) AS n FROM b")[0]["n"] == 15)
    own.ok("POST", "/v0/pipelines/p/tables/b/connectors/held/pause")

    def states():
        return {c["name"]: c["reason"] for c in own.ok("GET", "/v0/pipelines/p/orchestration").json()["connectors"]}
    before = {"b.hist": "ended", "b.live": "running", "b.held": "user"}
    assert states() == before
    checkpoint(own)
    own.ok("POST", "/v0/pipelines/p/tables/b/connectors/live/pause")  # after the checkpoint: in the log of events
    before["b.live"] = "user"
    kill(own)
    own.start_pipeline("p")
    until("the same states", lambda: states() == before)
    own.ok("POST", "/v0/pipelines/p/tables/b/connectors/live/start")
    for f in (live, held):
        f.add(1)
    until("the stream goes on, nothing is read twice", lambda: own.query("p", "SELECT count(*) AS n FROM b")[0]["n"] == 16)
    assert own.input("p", "b.hist")["metrics"]["total_records"] == 5


def test_damaged_checkpoint_is_named_and_passed_over(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(50)
    own.run("p", program(lines, out), runtime_config=FT)
    wait_rows(own, 50)
    checkpoint(own)
    lines.add(50)
    wait_rows(own, 100)
    checkpoint(own)
    kill(own)
    manifests = sorted(glob.glob(os.path.join(storage(own), "checkpoint-*.json")))
    assert len(manifests) == 2
    with open(manifests[1], "r+b") as f:
        f.seek(200)
        c = f.read(1)
        f.seek(200)
        f.write(bytes([c[0] ^ 1]))
    own.start_pipeline("p")
    wait_rows(own, 100)
    log = open(os.path.join(os.path.dirname(storage(own)), "log")).read()
    assert "checkpoint_damaged" in log and os.path.basename(manifests[1]) in log
    kill(own)
    for m in glob.glob(os.path.join(storage(own), "checkpoint-*.json")):
        with open(m, "r+b") as f:
            f.truncate(100)
    own.ok("POST", "/v0/pipelines/p/start")
    e = until("it refuses to begin anew", lambda: own.get("/v0/pipelines/p").json()["deployment_error"])
    assert "is damaged" in e["message"] and "checkpoint-" in e["message"], e


@pytest.mark.parametrize("model", ["at_least_once", "exactly_once"])
def test_damaged_rows_are_named_and_passed_over(own, tmp_path, model):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(50)
    own.run("p", program(lines, out), runtime_config={"fault_tolerance": {**FT["fault_tolerance"], "model": model}})
    wait_rows(own, 50)
    checkpoint(own)
    lines.add(50)
    wait_rows(own, 100)
    checkpoint(own)
    lines.add(50)
    wait_rows(own, 150)
    own.stop_pipeline("p")
    packs = sorted(glob.glob(os.path.join(storage(own), "pack-*.hgp")))
    assert len(packs) == 2
    with open(packs[1], "r+b") as f:
        f.seek(60)
        c = f.read(1)
        f.seek(60)
        f.write(bytes([c[0] ^ 1]))
    own.start_pipeline("p")
    wait_rows(own, 150)
    log = open(os.path.join(os.path.dirname(storage(own)), "log")).read()
    assert "checkpoint_damaged" in log and os.path.basename(packs[1]) + " is damaged at offset" in log
    lines.add(50)
    wait_rows(own, 200)
    wait_out(own, out, 200)
    checkpoint(own)
    own.stop_pipeline("p")
    own.start_pipeline("p")
    wait_rows(own, 200)


def test_what_is_not_offered_is_refused(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    own.create("q", program(lines, out), {"storage": False, "fault_tolerance": {"model": "at_least_once"}})
    own.ok("POST", "/v0/pipelines/q/start")
    e = until("it is refused", lambda: own.get("/v0/pipelines/q").json()["deployment_error"])
    assert e["error_code"] == "FtRequiresStorage", e


def test_what_an_output_owes_is_in_the_checkpoint(own, tmp_path):
    lines, broker = Lines(tmp_path / "in.json"), Broker()
    try:
        topic = Topic(broker.bootstrap)
        broker.stop(signal.SIGKILL)
        dst = {"name": "dst", "transport": {"name": "kafka_output", "config": {"topic": topic.name, "bootstrap.servers": broker.bootstrap}},
               "format": {"name": "json", "config": {"update_format": "insert_delete"}}}
        text = program(lines, tmp_path / "unused")
        lines.add(100)
        own.run("p", text[:text.index("CREATE MATERIALIZED")] + "CREATE MATERIALIZED VIEW v WITH ('connectors' = "
                f"'{json.dumps([dst])}') AS SELECT id, s FROM b;", runtime_config=FT)
        wait_rows(own, 100)
        checkpoint(own)  # does not wait for the broker
        assert glob.glob(os.path.join(storage(own), "owed-*.hgo"))
        kill(own)
        broker.start()
        own.start_pipeline("p")
        until("all that was owed is there", lambda: sorted({json.loads(m)["insert"]["id"] for m in topic.read() if m}) == list(range(100)))
        until("the output has heard so", lambda: own.stats("p")["global_metrics"]["total_completed_records"] == 100)
        checkpoint(own)
        checkpoint(own)  # the second one that owes nothing: the file is not needed any more
        assert not glob.glob(os.path.join(storage(own), "owed-*.hgo"))
    finally:
        broker.close()
