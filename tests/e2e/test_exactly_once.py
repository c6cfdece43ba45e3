"""exactly_once: every step is in the journal. After kill -9 the same steps are done again, and what outputs wrote is there once.
test-labels: threads"""
import glob
import json
import os

import pytest

from hg import until, whole_lines
from hg.daemon import Daemon
from hg.kafka import Topic
from hg.sql import datagen, file_in, file_out, kafka_in, kafka_out, table, view
from test_durable import checkpoint, kill

EXACTLY = {"fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None},
           "dev_tweaks": {"headgate": {"restart": "never"}}}
LEAST = {**EXACTLY, "fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}
RAW = {"update_format": "raw"}


def add(path, ids):
    with open(path, "a") as f:
        f.writelines(json.dumps({"id": i}) + "\n" for i in ids)


def count(d, relation, name="p"):
    return d.query(name, f"SELECT count(*) AS n, count(DISTINCT id) AS m FROM {relation}")[0]


def wait_count(d, relation, n):
    until(f"{n} rows in {relation}, each once", lambda: count(d, relation) == {"n": n, "m": n})


def written(path):
    return [json.loads(line)["insert"]["id"] for line in whole_lines(path)]


def durable(d, table, connector, name="p"):
    """What the connector has read so far is in the journal, and delivered."""
    d.wait_token(name, d.ok("GET", f"/v0/pipelines/{name}/tables/{table}/connectors/{connector}/completion_token").json()["token"])


def test_killed_before_and_after_checkpoints(own, tmp_path, broker):
    src, out, live, done = tmp_path / "in.json", tmp_path / "out.json", Topic(broker, partitions=2), Topic(broker)
    src.touch()
    own.run("p", table("t", "id BIGINT", file_in("f", src, fmt_config=RAW, follow=True),
                       kafka_in("k", broker, live.name, fmt_config=RAW, options={"start_from": "earliest"}), materialized=True) +
            view("v", "SELECT id FROM t", file_out("o", out), kafka_out("ko", broker, done.name), materialized=True),
            runtime_config=EXACTLY)
    n = 0
    for round in range(5):
        add(src, range(n, n + 300))
        live.produce([json.dumps({"id": i}) for i in range(n + 300, n + 350)], partition=0)
        live.produce([json.dumps({"id": i}) for i in range(n + 350, n + 400)], partition=1)
        n += 400
        if round != 1:
            wait_count(own, "t", n)
        if round == 2:
            checkpoint(own)
        kill(own)
        own.start_pipeline("p")
    wait_count(own, "t", n)
    wait_count(own, "v", n)
    until("the file has all", lambda: len(written(out)) >= n)
    assert sorted(written(out)) == list(range(n))

    def there():
        return [json.loads(m)["insert"]["id"] for m in done.read() if m]
    assert sorted(until("the topic has all", lambda: len(x := there()) >= n and x)) == list(range(n))


def test_two_servers_share_a_cluster(own, tmp_path, broker):
    """A pipeline's name is its server's own: outputs of the same name on another server do not fence this one's off."""
    topics, servers = [Topic(broker), Topic(broker)], [own, Daemon()]
    try:
        for d, topic in zip(servers, topics):
            src = tmp_path / f"{topic.name}.json"
            src.touch()
            d.run("p", table("t", "id BIGINT", file_in("f", src, fmt_config=RAW, follow=True)) +
                  view("v", "SELECT id FROM t", kafka_out("o", broker, topic.name)), runtime_config=EXACTLY)
        for n in range(0, 30, 10):
            for d, topic in zip(servers, topics):
                add(tmp_path / f"{topic.name}.json", range(n, n + 10))
                until("the topic has all", lambda: len([m for m in topic.read() if m]) >= n + 10)
        for topic in topics:
            assert sorted(json.loads(m)["insert"]["id"] for m in topic.read() if m) == list(range(30))
    finally:
        servers[1].close()


@pytest.mark.parametrize("config", [EXACTLY, LEAST], ids=["exactly_once", "at_least_once"])
def test_what_cannot_be_read_again_is_in_the_journal(own, tmp_path, config):
    out = tmp_path / "out.json"
    own.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR", materialized=True) +
            table("u", "id BIGINT, d DECIMAL(38, 10)", materialized=True) +
            view("v", "SELECT id, s FROM t", file_out("o", out), materialized=True), runtime_config=config)
    n = 0
    for round in range(4):
        token = own.ingress("p", "t", "".join(f'{{"id":{i},"s":"{round}"}}\n' for i in range(n, n + 50)), format="json",
                            update_format="raw").json()["token"]
        own.wait_token("p", token)  # durable now
        own.query("p", f"INSERT INTO t VALUES ({n + 50}, 'inserted'), ({n + 51}, NULL)")
        own.query("p", f"INSERT INTO u VALUES ({round}, 12345678901234567890123456.0123456789)")
        n += 52
        if round == 1:
            checkpoint(own)
        kill(own)
        own.start_pipeline("p")
        wait_count(own, "t", n)
        wait_count(own, "u", round + 1)
    assert {r["d"] for r in own.query("p", "SELECT CAST(d AS VARCHAR) AS d FROM u")} == {"12345678901234567890123456.0123456789"}
    assert own.query("p", "SELECT s, count(*) AS n FROM t GROUP BY s ORDER BY s NULLS LAST") == [
        {"s": str(i), "n": 50} for i in range(4)] + [{"s": "inserted", "n": 4}, {"s": None, "n": 4}]
    until("the file has all", lambda: len(set(written(out))) == n)
    if config is EXACTLY:
        assert sorted(written(out)) == list(range(n))
        assert own.post("/v0/pipelines/p/tables/t/connectors/x/start").status_code == 404


def test_a_source_that_changed_is_named(own, tmp_path):
    src = tmp_path / "in.json"
    add(src, range(1000))
    own.run("p", table("t", "id BIGINT", file_in("f", src, fmt_config=RAW, follow=True), materialized=True), runtime_config=EXACTLY)
    wait_count(own, "t", 1000)
    durable(own, "t", "f")
    kill(own)
    text = src.read_text()
    src.write_text(text.replace('"id": 500}', '"id": 999}'))
    own.ok("POST", "/v0/pipelines/p/start")
    e = until("it does not go on with other data", lambda: own.get("/v0/pipelines/p").json()["deployment_error"])
    assert e["error_code"] == "ReplayFailure" and "t.f" in e["message"] and "content has changed" in e["message"], e
    src.write_text(text)
    own.start_pipeline("p")
    wait_count(own, "t", 1000)


def test_steps_of_another_program_are_refused(own, tmp_path):
    src = tmp_path / "in.json"
    add(src, range(10))
    text = table("t", "id BIGINT", file_in("f", src, fmt_config=RAW, follow=True), materialized=True)
    own.run("p", text, runtime_config=EXACTLY)
    wait_count(own, "t", 10)
    durable(own, "t", "f")
    kill(own)
    other = text + view("v", "SELECT id + 1 AS id FROM t", materialized=True)
    own.ok("PATCH", "/v0/pipelines/p", json={"program_code": other})
    own.ok("POST", "/v0/pipelines/p/start")
    e = until("it is refused", lambda: own.get("/v0/pipelines/p").json()["deployment_error"])
    assert e["error_code"] == "ReplayFailure" and "another program" in e["message"] and "journal-" in e["message"], e
    own.ok("PATCH", "/v0/pipelines/p", json={"program_code": text})
    own.start_pipeline("p")
    wait_count(own, "t", 10)


def test_generated_rows_are_the_same_again(own, tmp_path):
    out = tmp_path / "out.json"
    own.run("p", table("t", "id BIGINT, x BIGINT", datagen("g", {"rate": 2000, "fields": {"x": {"strategy": "uniform"}}})) +
            view("v", "SELECT id, x FROM t", file_out("o", out)), runtime_config=EXACTLY)
    for _ in range(3):
        n = len(written(out))
        until("rows go on", lambda: len(written(out)) > n + 500)
        kill(own)
        own.start_pipeline("p")
    own.stop_pipeline("p", force=False)
    ids = written(out)
    assert ids == list(range(len(ids)))


def test_without_storage_it_is_refused(own):
    own.create("q", table("t", "id BIGINT", materialized=True), {"storage": False, **EXACTLY})
    own.ok("POST", "/v0/pipelines/q/start")
    e = until("it is refused", lambda: own.get("/v0/pipelines/q").json()["deployment_error"])
    assert e["error_code"] == "FtRequiresStorage", e


def test_a_failed_output_loses_nothing(own, tmp_path):
    """Its directory goes away: it fails. What it has not written is owed, over a restart too, and written once it is started."""
    src, folder = tmp_path / "in.json", tmp_path / "here"
    folder.mkdir()
    src.touch()
    out = folder / "out.json"
    own.run("p", table("t", "id BIGINT", file_in("f", src, fmt_config=RAW, follow=True), materialized=True) +
            view("v", "SELECT id FROM t", file_out("o", out)), runtime_config=EXACTLY)
    add(src, range(10))
    until("it is written", lambda: len(written(out)) == 10)
    own.stop_pipeline("p", force=False)
    folder.rename(tmp_path / "away")
    own.start_pipeline("p")
    add(src, range(10, 20))
    wait_count(own, "t", 20)
    fatal = until("the output fails", lambda: own.stats("p")["outputs"][0]["fatal_error"])
    assert "out.json" in fatal
    checkpoint(own)
    add(src, range(20, 30))
    wait_count(own, "t", 30)
    kill(own)
    own.start_pipeline("p")
    wait_count(own, "t", 30)
    until("it fails again", lambda: own.stats("p")["outputs"][0]["fatal_error"])
    (tmp_path / "away").rename(folder)
    own.ok("POST", "/v0/pipelines/p/views/v/connectors/o/start")
    until("all is written", lambda: len(written(out)) >= 30)
    assert written(out) == list(range(30))
    assert own.stats("p")["outputs"][0]["fatal_error"] is None
    add(src, range(30, 40))
    until("it goes on", lambda: written(out) == list(range(40)))


def journals(d):
    return sorted(glob.glob(os.path.join(d.data_dir, "**", "journal-*.log"), recursive=True))


def test_a_torn_end_is_cut_off_and_damage_is_named(own, tmp_path):
    src, out = tmp_path / "in.json", tmp_path / "out.json"
    src.touch()
    own.run("p", table("t", "id BIGINT", file_in("f", src, fmt_config=RAW, follow=True), materialized=True) +
            view("v", "SELECT id FROM t", file_out("o", out)), runtime_config=EXACTLY)
    for n in (0, 10, 20):
        add(src, range(n, n + 10))
        wait_count(own, "t", n + 10)
        durable(own, "t", "f")
    kill(own)
    (journal,) = journals(own)
    whole = open(journal, "rb").read()
    with open(journal, "wb") as f:
        f.write(whole[:-3])  # as if the last write had not come to its end
    own.start_pipeline("p")
    wait_count(own, "t", 30)  # the last step's rows are read again
    until("each row is written once", lambda: sorted(written(out)) == list(range(30)))
    own.stop_pipeline("p", force=True)
    at = len(whole) // 2
    with open(journal, "r+b") as f:
        f.seek(at)
        f.write(bytes([whole[at] ^ 0x55]))
    own.ok("POST", "/v0/pipelines/p/start")
    e = until("it is refused", lambda: own.get("/v0/pipelines/p").json()["deployment_error"])
    assert "is damaged" in e["message"] and os.path.basename(journal) in e["message"] and "byte" in e["message"], e
    with open(journal, "r+b") as f:
        f.seek(at)
        f.write(bytes([whole[at]]))
    own.start_pipeline("p")
    wait_count(own, "t", 30)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lanes_that_overtake_each_other(monkeypatch, broker, seed):
    """Chunks of four partitions are parsed in any order; what is done again begins where the connector began, not where the first that was cut stands."""
    monkeypatch.setenv("HG_FAULT", f"disorder:{seed}")
    t = Topic(broker, partitions=4)
    d = Daemon()
    try:
        d.create("p", table("t", "id BIGINT", kafka_in("k", broker, t.name, fmt_config=RAW, options={"start_from": "earliest"}), materialized=True), EXACTLY)
        for round in range(4):
            for part in range(4):
                t.produce([json.dumps({"id": 400 * round + 100 * part + i}) for i in range(100)], partition=part)
            d.start_pipeline("p")
            wait_count(d, "t", 400 * (round + 1))
            durable(d, "t", "k")
            kill(d)
    finally:
        d.close()


@pytest.mark.parametrize("point", ["journal.written", "journal.synced"])
def test_killed_while_the_journal_is_written(tmp_path, monkeypatch, point):
    src, out = tmp_path / "in.json", tmp_path / "out.json"
    add(src, range(100))
    monkeypatch.setenv("HG_FAULT", f"kill:{point}")
    d = Daemon()
    try:
        d.create("p", table("t", "id BIGINT", file_in("f", src, fmt_config=RAW, follow=True), materialized=True) +
                 view("v", "SELECT id FROM t", file_out("o", out)), EXACTLY)
        d.ok("POST", "/v0/pipelines/p/start")
        until("it has died", lambda: d.get("/v0/pipelines/p").json()["deployment_error"])
        d.stop()
        monkeypatch.delenv("HG_FAULT")
        d.start()
        d.wait_status("p", "Stopped")
        d.start_pipeline("p")
        wait_count(d, "t", 100)
        until("each row is written once", lambda: sorted(written(out)) == list(range(100)))
    finally:
        d.close()
