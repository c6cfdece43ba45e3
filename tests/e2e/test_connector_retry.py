"""A connector that failed stays visible with its error, and the user's start tries it again. What a failed output of a fault-tolerant
pipeline owes is kept for it, over a crash too."""
import json
import subprocess

import pytest

from hg import FDA, PATIENCE, until
from hg.kafka import KCAT, Topic
from test_durable import FT, Lines, checkpoint, kill, program, wait_out, wait_rows


def start(d, kind, relation, connector, name="p"):
    r = subprocess.run([FDA, "--host", d.url, "connector", name, relation, connector, "start"], capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 0, (kind, r)


def output(d, name="p"):
    return d.stats(name)["outputs"][0]


def wait_failed(d, of):
    e = until("the connector has failed", lambda: of()["fatal_error"])
    health = of()["health"]
    assert health["status"] == "Unhealthy" and health["description"] == f"failed: {e}; start the connector to try again", health
    return e


def failures_in_log(d, name="p"):
    """How often the log tells of a failed connector."""
    r = d.get(f"/v0/pipelines/{name}/logs", stream=True, raw=True)
    text = b""
    for chunk in r.iter_content(None):
        text += chunk
        break  # what is there comes at once
    r.close()
    return sum(1 for line in text.decode().splitlines() if "failed" in line)


def told_once(d):
    until("the log tells it", lambda: failures_in_log(d))
    assert failures_in_log(d) == 1


def table(transport, config):
    c = [{"name": "c", "transport": {"name": transport, "config": config}, "format": {"name": "json", "config": {"update_format": "raw"}}}]
    return f"CREATE TABLE b (id BIGINT, s VARCHAR) WITH ('materialized' = 'true', 'connectors' = '{json.dumps(c)}');"


def test_file_input(own, tmp_path):
    path = tmp_path / "late.json"
    own.run("p", table("file_input", {"path": str(path)}))
    assert str(path) in wait_failed(own, lambda: own.input("p", "b.c"))
    told_once(own)
    path.write_text('{"id": 1, "s": "x"}\n')
    start(own, "input", "b", "c")
    wait_rows(own, 1)
    assert own.input("p", "b.c")["fatal_error"] is None


def test_url_input(own, web):
    own.run("p", table("url_input", {"path": web.url + "/late"}))
    assert "404" in wait_failed(own, lambda: own.input("p", "b.c"))
    told_once(own)
    web.add("/late", b'{"id": 1, "s": "x"}\n')
    start(own, "input", "b", "c")
    wait_rows(own, 1)


def test_failed_output_of_a_durable_pipeline_owes_what_came(own, tmp_path):
    lines, folder = Lines(tmp_path / "in.json"), tmp_path / "late"
    out = folder / "out.json"
    lines.add(100)
    own.run("p", program(lines, out), runtime_config=FT)
    assert str(out) in wait_failed(own, lambda: output(own))
    told_once(own)
    wait_rows(own, 100)
    assert not own.stats("p")["global_metrics"]["pipeline_complete"]
    start(own, "output", "v", "dst")  # nothing has changed: it fails again
    wait_failed(own, lambda: output(own))
    checkpoint(own)
    lines.add(50)
    wait_rows(own, 150)
    kill(own)  # what it owes is in the checkpoint, the rest is read again
    own.start_pipeline("p")
    wait_rows(own, 150)
    wait_failed(own, lambda: output(own))
    folder.mkdir()
    start(own, "output", "v", "dst")
    wait_out(own, out, 150)
    assert output(own)["fatal_error"] is None
    lines.add(10)
    wait_rows(own, 160)
    wait_out(own, out, 160)
    checkpoint(own)
    kill(own)
    own.start_pipeline("p")
    lines.add(1)
    wait_out(own, out, 161)


def test_output_that_fails_in_the_middle_goes_on_where_it_was(own, tmp_path):
    lines, out = Lines(tmp_path / "in.json"), tmp_path / "out.json"
    lines.add(100)
    own.run("p", program(lines, out), runtime_config=FT)
    wait_out(own, out, 100)
    checkpoint(own)
    kill(own)
    text = out.read_bytes()
    out.write_bytes(text[:50])  # shorter than the sink has confirmed
    own.start_pipeline("p")
    assert "fewer than" in wait_failed(own, lambda: output(own))
    lines.add(20)
    wait_rows(own, 120)
    out.write_bytes(text)  # put back
    start(own, "output", "v", "dst")
    wait_out(own, out, 120)


def test_pausing_a_failed_output_gives_up_what_it_owes(own, tmp_path):
    lines, folder = Lines(tmp_path / "in.json"), tmp_path / "late"
    out = folder / "out.json"
    lines.add(100)
    own.run("p", program(lines, out), runtime_config=FT)
    wait_failed(own, lambda: output(own))
    wait_rows(own, 100)
    own.ok("POST", "/v0/pipelines/p/views/v/connectors/dst/pause")
    assert output(own)["metrics"]["queued_records"] == 0
    folder.mkdir()
    start(own, "output", "v", "dst")
    until("it writes again", lambda: output(own)["fatal_error"] is None and out.exists())
    lines.add(1)
    until("the new row is there", lambda: out.read_text().endswith("\n"))
    assert json.loads(out.read_text())["insert"]["id"] == 100


def test_failed_output_without_fault_tolerance_goes_on_from_now(own, tmp_path):
    lines, folder = Lines(tmp_path / "in.json"), tmp_path / "late"
    out = folder / "out.json"
    lines.add(100)
    own.run("p", program(lines, out))
    wait_failed(own, lambda: output(own))
    wait_rows(own, 100)
    folder.mkdir()
    start(own, "output", "v", "dst")
    until("it is open", lambda: output(own)["fatal_error"] is None and out.exists())
    lines.add(2)
    until("the new rows are there", lambda: out.exists() and out.read_text().count("\n") == 2)
    assert [json.loads(x)["insert"]["id"] for x in out.read_text().splitlines()] == [100, 101]
    own.stop_pipeline("p", force=False)


@pytest.mark.parametrize("force", [True, False])
def test_pipelines_with_a_failed_output_stop(own, tmp_path, force):
    lines, folder = Lines(tmp_path / "in.json"), tmp_path / "late"
    lines.add(100)
    own.run("p", program(lines, folder / "out.json"), runtime_config=FT)
    wait_failed(own, lambda: output(own))
    wait_rows(own, 100)
    own.stop_pipeline("p", force=force)
    assert own.get("/v0/pipelines/p").json()["deployment_error"] is None
    folder.mkdir()
    own.start_pipeline("p")
    wait_out(own, folder / "out.json", 100)


def test_kafka_output_that_was_fenced(own, tmp_path, broker):
    """Another producer took the transactional id: that is for good, until the user says that this one is the right one."""
    lines, topic = Lines(tmp_path / "in.json"), Topic(broker)
    dst = {"name": "dst", "transport": {"name": "kafka_output", "config": {"topic": topic.name, "bootstrap.servers": broker, "transactional.id": topic.name}},
           "format": {"name": "json", "config": {"update_format": "insert_delete"}}}
    text = program(lines, tmp_path / "unused")
    once = {"fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}}
    lines.add(10)
    own.run("p", text[:text.index("CREATE MATERIALIZED")] + f"CREATE MATERIALIZED VIEW v WITH ('connectors' = '{json.dumps([dst])}') AS SELECT id, s FROM b;",
            runtime_config=once)

    def ids():
        cmd = [*KCAT, "-b", broker, "-t", topic.name, "-C", "-o", "beginning", "-e", "-f", "%s\\n", "-X", "isolation.level=read_committed"]
        out = subprocess.run(cmd, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
        return sorted(json.loads(m)["insert"]["id"] for m in out.splitlines() if m)
    until("the first are there", lambda: ids() == list(range(10)))
    other = Topic(broker)
    subprocess.run([*KCAT, "-b", broker, "-t", other.name, "-P", "-X", f"transactional.id={topic.name}"], input="x\n", text=True, check=True)
    lines.add(10)
    wait_failed(own, lambda: output(own))
    lines.add(10)
    wait_rows(own, 30)
    start(own, "output", "v", "dst")
    until("all are there, once", lambda: ids() == list(range(30)))
