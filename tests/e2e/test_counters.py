"""What a checkpoint holds beside tables and positions: counters, recent errors, the end of an input, which outputs have had their first
content. After a restart they go on as if there had been none."""
import glob
import json
import os
import re
import signal
import subprocess

import pytest

from hg import PATIENCE, until, whole_lines
from hg.kafka import KCAT, MockBroker, Topic, shared
from test_durable import checkpoint, kill

MODELS = ["at_least_once", "exactly_once"]
FT = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}


def ft(model):
    return {"fault_tolerance": {"model": model, "checkpoint_interval_secs": None}}


def file_in(path, follow=True):
    return {"transport": {"name": "file_input", "config": {"path": str(path), "follow": follow}},
            "format": {"name": "json", "config": {"update_format": "raw"}}}


def file_out(path):
    return {"transport": {"name": "file_output", "config": {"path": str(path)}},
            "format": {"name": "json", "config": {"update_format": "insert_delete"}}}


def table(**connectors):
    conns = [{"name": n, **c} for n, c in connectors.items()]
    return f"CREATE TABLE b (id BIGINT, s VARCHAR) WITH ('materialized' = 'true', 'connectors' = '{json.dumps(conns)}');\n"


def view(**connectors):
    conns = [{"name": n, **c} for n, c in connectors.items()]
    return f"CREATE MATERIALIZED VIEW v WITH ('connectors' = '{json.dumps(conns)}') AS SELECT id, s FROM b;"


def append(path, first, n, bad=()):
    with open(path, "a") as f:
        for i in range(first, first + n):
            f.write(json.dumps({"id": i, "s": f"row {i}"}) + "\n")
        for text in bad:
            f.write(text + "\n")


def wait_rows(d, n):
    until(f"{n} rows", lambda: d.query("p", "SELECT count(*) AS n FROM b")[0]["n"] == n)


def manifest(d):
    (path,) = glob.glob(os.path.join(d.data_dir, "**", "storage"), recursive=True)
    newest = sorted(glob.glob(os.path.join(path, "checkpoint-*.json")))[-1]
    with open(newest) as f:
        return json.loads(f.read().split("\n", 1)[1])


def one(d, way, endpoint):
    return next(x for x in d.stats("p")[way] if x["endpoint_name"] == endpoint)


LASTING_IN = ["total_records", "total_bytes", "num_parse_errors", "num_transport_errors", "end_of_input"]
LASTING_OUT = ["transmitted_records", "transmitted_bytes", "num_encode_errors", "num_transport_errors", "total_processed_input_records"]
LASTING = ["total_input_records", "total_input_bytes", "total_processed_records", "total_processed_bytes", "total_completed_records",
           "initial_start_time"]


def detail(d, way, endpoint):
    """The connector's own page: it has the lists of errors."""
    relation, name = endpoint.split(".", 1)
    kind = {"inputs": "tables", "outputs": "views"}[way]
    return d.ok("GET", f"/v0/pipelines/p/{kind}/{relation}/connectors/{name}/stats").json()


def lasting(d, ins=("b.src",), outs=("v.dst",)):
    g = d.stats("p")["global_metrics"]
    r = {k: g[k] for k in LASTING}
    for e in ins:
        x = detail(d, "inputs", e)
        r[e] = {k: x["metrics"][k] for k in LASTING_IN}, x["parse_errors"], x["transport_errors"]
    for e in outs:
        x = detail(d, "outputs", e)
        r[e] = {k: x["metrics"][k] for k in LASTING_OUT}, x["encode_errors"], x["transport_errors"]
    return r


def settled(d, n, **kw):
    """Everything is delivered: what the counters say then."""
    wait_rows(d, n)

    def done():
        g = d.stats("p")["global_metrics"]
        return g["total_completed_records"] == g["total_input_records"] == g["total_processed_records"]
    until("all is completed", done)
    return lasting(d, **kw)


def counters_of_metrics(d):
    text = d.ok("GET", "/v0/pipelines/p/metrics").text
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    return {k: float(v) for k, v in re.findall(r"^(\S+\{[^}]*\}) (\S+)$", text, re.M) if kinds.get(k.split("{")[0]) == "counter"}


BAD = ['{"id": "x"}', '{"id": []}', '{"id": 1, "s": 5}']


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("graceful", [True, False])
def test_counters_and_errors_go_on(own, tmp_path, graceful, model):
    path = tmp_path / "in.json"
    append(path, 0, 100, BAD)
    own.run("p", table(src=file_in(path)) + view(dst=file_out(tmp_path / "out.json")), runtime_config=ft(model))
    wait_rows(own, 100)
    own.ingress("p", "b", '{"id": 1000}\n{"id": 1001}\nnonsense\n', format="json", update_format="raw")
    own.query("p", "INSERT INTO b VALUES (2000, 'by hand')")
    before = settled(own, 103)
    (m, errors, _) = before["b.src"]
    assert m["total_records"] == 100 and m["num_parse_errors"] == 3 and [e["index"] for e in errors] == [1, 2, 3]
    assert before["total_input_records"] == 103
    metrics = counters_of_metrics(own)
    if graceful:
        own.stop_pipeline("p", force=False)
    else:
        checkpoint(own)
        append(path, 100, 50, BAD)  # beyond the checkpoint: they come again
        wait_rows(own, 153)
        until("the errors are counted", lambda: own.input("p", "b.src")["metrics"]["num_parse_errors"] == 6)
        kill(own)
        append(path, 150, 0)
    own.start_pipeline("p")
    if graceful:
        assert settled(own, 103) == before
    after = settled(own, 103 if graceful else 153)
    more = 0 if graceful else 50
    (m2, errors2, _) = after["b.src"]
    assert m2["total_records"] == 100 + more and m2["num_parse_errors"] == len(errors2) == 3 + (3 if more else 0)
    assert errors2[:3] == errors, "texts, numbers and times of the errors before"
    assert [e["index"] for e in errors2] == list(range(1, len(errors2) + 1))
    if more:  # event numbers go on: record 104 of the first 103 lines is the first of the next
        assert re.search(r"event #(\d+)", errors2[3]["message"])[1] == "154", errors2[3]
    assert after["total_input_records"] == after["total_processed_records"] == 103 + more
    assert after["initial_start_time"] == before["initial_start_time"]
    assert after["v.dst"][0]["transmitted_records"] == 103 + more
    now = counters_of_metrics(own)
    lower = {k: (v, now.get(k)) for k, v in metrics.items() if "process_cpu" not in k and "api-ingress" not in k and now.get(k, 0) < v}
    assert not lower, lower
    samples = own.ok("GET", "/v0/pipelines/p/time_series").json()["samples"]
    assert all(s["r"] >= 103 for s in samples), samples


@pytest.mark.parametrize("model", MODELS)
def test_an_input_that_has_ended_says_so(own, tmp_path, model):
    path = tmp_path / "in.json"
    append(path, 0, 10, BAD[:1])
    own.run("p", table(src=file_in(path, follow=False)) + view(dst=file_out(tmp_path / "out.json")), runtime_config=ft(model))
    own.wait_complete("p")
    before = settled(own, 10)
    checkpoint(own)
    kill(own)
    own.start_pipeline("p")
    own.wait_complete("p")
    assert lasting(own) == before and before["b.src"][0]["end_of_input"]


@pytest.mark.parametrize("model", MODELS)
def test_a_word_about_an_input_that_ended_after_the_checkpoint_loses_nothing(own, tmp_path, model):
    hist, live = tmp_path / "hist.json", tmp_path / "live.json"
    append(hist, 0, 5)
    append(live, 100, 5)
    own.run("p", table(hist={**file_in(hist, follow=False), "labels": ["h"], "paused": True}, live={**file_in(live), "start_after": ["h"]}),
            runtime_config=ft(model))
    checkpoint(own)
    own.ok("POST", "/v0/pipelines/p/tables/b/connectors/hist/start")
    wait_rows(own, 10)
    for c in ("hist", "live"):  # these words are behind the end and the hand-over, the checkpoint is before both
        own.ok("POST", f"/v0/pipelines/p/tables/b/connectors/{c}/pause")
    kill(own)
    own.start_pipeline("p")
    for c in ("hist", "live"):
        own.ok("POST", f"/v0/pipelines/p/tables/b/connectors/{c}/start")
    wait_rows(own, 10)


def change(d, program):
    d.ok("PATCH", "/v0/pipelines/p", json={"program_code": program})
    until("it is compiled", lambda: d.get("/v0/pipelines/p").json()["program_status"] == "Success")
    d.start_pipeline("p", bootstrap_policy="allow")


def lines_of(path):
    return sorted(json.loads(x)["insert"]["id"] for x in whole_lines(path))


@pytest.mark.parametrize("model", MODELS)
def test_a_changed_output_starts_afresh_and_counts_on(own, tmp_path, model):
    src, a, b = tmp_path / "in.json", tmp_path / "a.json", tmp_path / "b.json"
    append(src, 0, 10)
    t = table(src=file_in(src))
    own.run("p", t + view(dst=file_out(a)), runtime_config=ft(model))
    settled(own, 10)
    own.stop_pipeline("p", force=False)
    # another file, and with the content so far: all of it, once
    snap = {**file_out(b), "send_snapshot": True}
    change(own, t + view(dst=snap))
    until("the content is there", lambda: os.path.exists(b) and lines_of(b) == list(range(10)))
    until("counted on", lambda: one(own, "outputs", "v.dst")["metrics"]["transmitted_records"] == 20)
    append(src, 10, 5)
    until("then the changes", lambda: lines_of(b) == list(range(15)))
    for graceful in (True, False):  # and not again
        if graceful:
            own.stop_pipeline("p", force=False)
        else:
            checkpoint(own)
            assert manifest(own)["outputs"][0]["snapshot_sent"] is True
            kill(own)
        n = len(lines_of(b))
        append(src, n, 1)
        own.start_pipeline("p")
        until("only what is new", lambda: lines_of(b) == list(range(n + 1)))
    until("counted on", lambda: one(own, "outputs", "v.dst")["metrics"]["transmitted_records"] == 27)
    own.stop_pipeline("p", force=False)
    change(own, t + view(dst={**snap, "max_queued_records": 77}))  # limits of queues are no change
    append(src, 17, 1)
    until("only what is new", lambda: lines_of(b) == list(range(18)))
    own.stop_pipeline("p", force=False)
    change(own, t + view(dst=file_out(b)))  # afresh, without the content so far
    append(src, 18, 1)
    until("what comes from now on", lambda: lines_of(b) == [18])
    until("counted on", lambda: one(own, "outputs", "v.dst")["metrics"]["transmitted_records"] == 29)


def test_a_new_output_gets_the_content_while_paused(own, tmp_path):
    src, out = tmp_path / "in.json", tmp_path / "out.json"
    append(src, 0, 3000)
    t = table(src=file_in(src))
    own.run("p", t + view(), runtime_config=FT)
    wait_rows(own, 3000)
    own.stop_pipeline("p", force=False)
    own.ok("PATCH", "/v0/pipelines/p", json={"program_code": t + view(dst={**file_out(out), "send_snapshot": True})})
    until("it is compiled", lambda: own.get("/v0/pipelines/p").json()["program_status"] == "Success")
    own.start_pipeline("p", initial="paused", bootstrap_policy="allow")
    until("the content is there", lambda: os.path.exists(out) and lines_of(out) == list(range(3000)))


def read_topic(bootstrap, topic):
    cmd = [*KCAT, "-b", bootstrap, "-t", topic, "-C", "-o", "beginning", "-e", "-f", "%s\\n"]
    return subprocess.run(cmd, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.splitlines()


@pytest.mark.parametrize("model", MODELS[:1])
def test_a_content_that_was_under_way_comes_whole(own, tmp_path, model):
    src, broker = tmp_path / "in.json", MockBroker("out")
    try:
        append(src, 0, 50)
        t = table(src=file_in(src))
        dst = {"transport": {"name": "kafka_output", "config": {"topic": "out", "bootstrap.servers": broker.bootstrap}},
               "format": {"name": "json", "config": {"update_format": "insert_delete"}}, "send_snapshot": True}
        own.run("p", t + view(), runtime_config=FT)
        wait_rows(own, 50)
        own.stop_pipeline("p", force=False)
        broker.proc.send_signal(signal.SIGSTOP)
        change(own, t + view(dst=dst))
        append(src, 50, 10)
        wait_rows(own, 60)
        checkpoint(own)  # does not wait for the broker
        assert manifest(own)["outputs"][0]["snapshot_sent"] is False and manifest(own)["outputs"][0]["owed"] is None
        kill(own)
        broker.proc.send_signal(signal.SIGCONT)
        own.start_pipeline("p")

        def ids():
            return [json.loads(m)["insert"]["id"] for m in read_topic(broker.bootstrap, "out") if m]

        def there():
            return sorted(ids()) == list(range(60))
        until("all is there", there)
        settled(own, 60)  # the output has heard so
        checkpoint(own)
        assert manifest(own)["outputs"][0]["snapshot_sent"] is True
        kill(own)
        own.start_pipeline("p")
        append(src, 60, 1)
        until("one more, and no second content", lambda: sorted(ids()) == list(range(61)))
    finally:
        broker.close()


@pytest.mark.parametrize("option", ["synchronize_partitions", "enable.partition.eof"])
def test_what_cannot_come_again_is_refused_with_exactly_once(own, option):
    src = {"transport": {"name": "kafka_input", "config": {"topic": "t", "bootstrap.servers": "127.0.0.1:1", option: True}},
           "format": {"name": "json", "config": {"update_format": "raw"}}}
    own.create("p", table(src=src), {"fault_tolerance": {"model": "exactly_once"}})
    own.ok("POST", "/v0/pipelines/p/start")
    e = until("it is refused", lambda: own.get("/v0/pipelines/p").json()["deployment_error"])
    assert "b.src" in e["message"] and option in e["message"] and "exactly_once" in e["message"], e


def committed(topic):
    cmd = [*KCAT, "-b", topic.bootstrap, "-t", topic.name, "-C", "-o", "beginning", "-e", "-f", "%s\\n", "-X", "isolation.level=read_committed"]
    out = subprocess.run(cmd, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.splitlines()
    return sorted(json.loads(m)["insert"]["id"] for m in out if m)


def kafka_out(topic, **more):
    return {"transport": {"name": "kafka_output", "config": {"topic": topic.name, "bootstrap.servers": topic.bootstrap}},
            "format": {"name": "json", "config": {"update_format": "insert_delete"}}, **more}


def test_an_output_that_starts_afresh_does_not_believe_the_step_of_another_life(own, tmp_path):
    """Kafka keeps the last step of exactly once under the connector's name; steps count from 1 again after a clear, and a changed
    connector has not written what the one before it had."""
    src, topic = tmp_path / "in.json", Topic(shared())
    append(src, 0, 1)
    t = table(src=file_in(src))
    own.run("p", t + view(dst=kafka_out(topic)), runtime_config=ft("exactly_once"))
    for i in range(1, 8):  # several steps
        until("it is written", lambda: committed(topic) == list(range(i)))
        append(src, i, 1)
    until("all is written", lambda: committed(topic) == list(range(8)))
    own.stop_pipeline("p")
    own.ok("POST", "/v0/pipelines/p/clear")
    until("the storage is cleared", lambda: own.get("/v0/pipelines/p").json()["storage_status"] == "Cleared")
    own.start_pipeline("p")
    until("all is written again", lambda: committed(topic) == sorted(2 * list(range(8))))
    own.stop_pipeline("p", force=False)
    change(own, t + view(dst=kafka_out(topic, send_snapshot=True)))
    until("and the content of a new one", lambda: committed(topic) == sorted(3 * list(range(8))))
    kill(own)
    own.start_pipeline("p")
    append(src, 8, 1)
    until("once", lambda: committed(topic) == sorted(3 * list(range(8)) + [8]))
