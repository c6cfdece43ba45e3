"""at_least_once over kill -9: what an output was told is told again, so that its final state is the table's, whatever came and went in
between. Where a source cannot give the same again, the pipeline goes on and says so."""
import collections
import glob
import json
import os

import pytest

from hg import until, whole_lines
from hg.kafka import Topic
from hg.sql import datagen, file_in, file_out, kafka_in, kafka_out, table, url_in, view
from test_durable import checkpoint, kill

LEAST = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}, "dev_tweaks": {"headgate": {"restart": "never"}}}
CHANGES = {"update_format": "insert_delete"}


def append(path, *changes):
    with open(path, "a") as f:
        f.writelines(json.dumps(c) + "\n" for c in changes)


def put(i, v):
    return {"insert": {"id": i, "v": v}}


def gone(i):
    return {"delete": {"id": i}}


def told(topic):
    return [json.loads(m) for m in topic.read() if m]


def final(changes):
    """Who keeps the rows as a bag of whole rows would have this: a repeated insert is one row, a row that was never taken back stays."""
    rows = collections.defaultdict(dict)
    for c in changes:
        (op, r), = c.items()
        if op == "insert":
            rows[r["id"]][r["v"]] = True
        else:
            rows[r["id"]].pop(r["v"], None)
    return {i: sorted(v) for i, v in rows.items() if v}


def keyed(src, bootstrap, topic, *more):
    return (table("t", "id BIGINT NOT NULL PRIMARY KEY, v BIGINT", file_in("f", src, fmt_config=CHANGES, follow=True), materialized=True) +
            view("v", "SELECT id, v FROM t", kafka_out("k", bootstrap, topic, "json", CHANGES), *more, materialized=True))


def rows(d):
    return {r["id"]: r["v"] for r in d.query("p", "SELECT id, v FROM t")}


def test_what_came_and_went_is_told_again(own, tmp_path, broker):
    """Written to the topic after the checkpoint, taken back at the source before the pipeline is up again: read again in one step that
    nets to nothing, so only a replay of the steps tells the topic."""
    src, done = tmp_path / "in.json", Topic(broker)
    append(src, put(1, 10), put(2, 20))
    own.run("p", keyed(src, broker, done.name), runtime_config=LEAST)
    until("the topic has what was there", lambda: final(told(done)) == {1: [10], 2: [20]})
    checkpoint(own)
    append(src, put(7, 70), put(1, 11))
    until("the topic has what came", lambda: final(told(done)) == {1: [11], 2: [20], 7: [70]})
    kill(own)
    append(src, gone(7), put(1, 10), put(9, 90))
    own.start_pipeline("p")
    until("the table is up to date", lambda: rows(own) == {1: 10, 2: 20, 9: 90})
    until("the topic has what came last", lambda: 9 in final(told(done)))
    assert final(told(done)) == {1: [10], 2: [20], 9: [90]}


def holes(d):
    logs = glob.glob(os.path.join(d.data_dir, "**", "log"), recursive=True)
    return [line for path in logs for line in open(path) if "replay_hole" in line]


def test_a_source_that_changed_is_read_again(own, tmp_path, broker):
    """What cannot be replayed is read from where the replay ended: the table is as the source is now, and each further start agrees."""
    src, done = tmp_path / "in.json", Topic(broker)
    append(src, put(1, 10))
    own.run("p", keyed(src, broker, done.name), runtime_config=LEAST)
    until("the topic has what was there", lambda: final(told(done)) == {1: [10]})
    checkpoint(own)
    append(src, put(2, 20))
    until("the topic has the second", lambda: final(told(done)) == {1: [10], 2: [20]})
    append(src, put(3, 30), gone(1))
    until("the topic has the third", lambda: final(told(done)) == {2: [20], 3: [30]})
    kill(own)
    text = src.read_text()
    src.write_text(text.replace('"v": 30', '"v": 33'))  # of the same length
    own.start_pipeline("p")
    until("the table is as the source is now", lambda: rows(own) == {2: 20, 3: 33})
    assert len(holes(own)) == 1 and "connector=t.f" in holes(own)[0] and "content has changed" in holes(own)[0]
    append(src, put(4, 40))
    until("the topic goes on", lambda: 4 in final(told(done)))
    assert own.stats("p")["global_metrics"]["state"] == "Running"
    kill(own)
    append(src, put(4, 41))
    own.start_pipeline("p")
    until("the steps behind the hole are replayed", lambda: rows(own).get(4) == 41)
    until("the topic has what came last", lambda: 41 in final(told(done)).get(4, []))
    assert final(told(done))[4] == [41], "the step that wrote 40 was told again, then taken back"
    assert len(holes(own)) == 1, "what could not be replayed once is not asked for again"
    assert own.query("p", "SELECT count(*) AS n FROM t") == [{"n": 3}]


def test_a_source_that_is_gone_holds_up_nobody(own, tmp_path):
    """The file of one connector is gone: it fails, as at any start; the other one's rows and what was pushed are there."""
    a, b, out = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "out.json"
    append(a, *[{"id": i} for i in range(50)])
    append(b, *[{"id": i} for i in range(100, 150)])
    own.run("p", table("t", "id BIGINT", file_in("a", a, follow=True), file_in("b", b, follow=True), materialized=True) +
            view("v", "SELECT id FROM t", file_out("o", out)), runtime_config=LEAST)
    until("all is there", lambda: own.query("p", "SELECT count(*) AS n FROM t") == [{"n": 100}])
    own.wait_token("p", own.ingress("p", "t", "".join(f'{{"id":{i}}}\n' for i in range(200, 250)), format="json",
                                    update_format="raw").json()["token"])
    kill(own)
    a.rename(tmp_path / "away")
    own.start_pipeline("p")
    until("it says so", lambda: own.input("p", "t.a")["fatal_error"])
    until("the others are there", lambda: own.query(
        "p", "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t WHERE id >= 100")[0] == {"n": 100, "m": 100})
    (tmp_path / "away").rename(a)
    own.ok("POST", "/v0/pipelines/p/tables/t/connectors/a/start")
    until("it is there again", lambda: own.query("p", "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t")[0] == {"n": 150, "m": 150})


@pytest.mark.parametrize("option", ["synchronize_partitions", None])
def test_what_cannot_be_replayed_by_its_options(own, tmp_path, broker, option):
    live, done = Topic(broker, partitions=2), Topic(broker)
    own.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY, v BIGINT",
                       kafka_in("k", broker, live.name, fmt_config=CHANGES, options={"start_from": "earliest", **({option: True} if option else {})}),
                       materialized=True) +
            view("v", "SELECT id, v FROM t", kafka_out("k", broker, done.name, "json", CHANGES), materialized=True), runtime_config=LEAST)
    for partition in (0, 1):
        live.produce([json.dumps(put(i * 2 + partition, i)) for i in range(50)], partition=partition)
    want = {i: [i // 2] for i in range(0, 100, 2)}  # merged by time the other partition's are later, and wait

    def there():
        return want.items() <= final(told(done)).items()
    until("the topic has them", there)
    kill(own)
    own.start_pipeline("p")
    for partition in (0, 1):
        live.produce([json.dumps(put(i * 2 + partition, i)) for i in range(50, 60)], partition=partition)
    want = {i: [i // 2] for i in range(100)}
    until("the topic has them all", there)
    assert [("cannot give an earlier range again" in line) for line in holes(own)] == ([True] if option else [])


PAYLOAD = {"journal": "payload"}
BOTH = pytest.mark.parametrize("config", [LEAST, {**LEAST, "fault_tolerance": {**LEAST["fault_tolerance"], "model": "exactly_once"}}],
                               ids=["at_least_once", "exactly_once"])


def ids(path):
    return sorted(json.loads(line)["insert"]["id"] for line in whole_lines(path))


@BOTH
def test_a_url_whose_content_changes(own, tmp_path, web, config):
    """What was read of it is in the journal, so it need not be asked for again; the whole of it was read, so it is over."""
    out, src = tmp_path / "out.json", tmp_path / "in.json"
    src.touch()
    web.add("/x", "".join(f'{{"id":{i}}}\n' for i in range(20000)).encode())
    own.run("p", table("t", "id BIGINT", url_in("u", web.url + "/x", **PAYLOAD), file_in("f", src, follow=True, **PAYLOAD), materialized=True) +
            view("v", "SELECT id FROM t", file_out("o", out)), runtime_config=config)
    until("all of it", lambda: len(ids(out)) == 20000)
    for n in range(3):
        kill(own)
        web.add("/x", "".join(f'{{"id":{7 * i}}}\n' for i in range(30000 + n)).encode())
        append(src, {"id": 20000 + n})
        own.start_pipeline("p")
        until("what came since follows", lambda: len(ids(out)) >= 20001 + n)
        until("it has ended", lambda: own.input("p", "t.u")["metrics"]["end_of_input"])
        assert own.query("p", "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t") == [{"n": 20001 + n, "m": 20001 + n}]
    assert ids(out) == list(range(20003))
    assert not holes(own)


@BOTH
@pytest.mark.parametrize("merged", [False, True])
def test_records_that_are_deleted_from_the_topic(own, tmp_path, broker, config, merged):
    """As compaction or retention does it: what was read is in the journal, with the boundaries of the messages."""
    live, out = Topic(broker, partitions=3), tmp_path / "out.json"
    options = {"start_from": "earliest", **({"synchronize_partitions": True} if merged else {})}
    own.run("p", table("t", "id BIGINT", kafka_in("k", broker, live.name, options=options, **PAYLOAD), materialized=True) +
            view("v", "SELECT id FROM t", file_out("o", out)), runtime_config=config)

    def put_some(partition, first):
        live.produce([json.dumps({"id": i}) for i in range(first, first + 100)], partition=partition)
    for round in range(3):
        for partition in range(3):
            put_some(partition, 1000 * round + 300 * partition)
        sure = 300 * round + 100 if merged else 300 * (round + 1)  # merged by time, the last ones of the others wait
        until("they are written", lambda: len(ids(out)) >= sure)
        kill(own)
        live.delete_before(0, 100 * (round + 1))
        own.start_pipeline("p")
        until("nothing of it is missing", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] >= sure)
    for partition in range(3):  # merged, those of the others are for the first one's to pass
        put_some(partition, 5000 + 300 * partition)
    want = sorted([1000 * r + 300 * p + i for r in range(3) for p in range(3) for i in range(100)] + list(range(5000, 5100)))

    def before(rows):
        return sorted(i for i in rows if i < 5300)
    until("all is written", lambda: len(before(ids(out))) >= len(want))
    assert before(ids(out)) == want
    assert before(r["id"] for r in own.query("p", "SELECT id FROM t")) == want
    assert own.input("p", "t.k")["fatal_error"] is None and not holes(own)


@pytest.mark.parametrize("connector, words", [
    (datagen("g", {"limit": 1}, journal="payload"), "is not offered for 'datagen'"),
    (file_in("f", "/x", journal="everything"), "journal"),
])
def test_what_has_no_payload_is_refused(own, connector, words):
    own.ok("PUT", "/v0/pipelines/p", json={"name": "p", "program_code": table("t", "id BIGINT", connector)})
    p = until("it does not compile", lambda: (p := own.get("/v0/pipelines/p").json())["program_status"] == "SqlError" and p)
    assert words in json.dumps(p["program_error"])
