"""Where a connector goes on, in the user's hands: asked for, set, set back, and a finished one run again; while its pipeline runs and while
it is stopped. What was answered with success is there after kill -9."""
import glob
import json
import os

import pytest

from hg import until
from hg.kafka import Topic
from hg.sql import connector, datagen, file_in, kafka_in, table, url_in, view
from test_durable import checkpoint, kill

ALO = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}, "dev_tweaks": {"headgate": {"restart": "never"}}}
EO = {**ALO, "fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}}
MODELS = pytest.mark.parametrize("model", [ALO, EO], ids=["at_least_once", "exactly_once"])
NONE = {"fault_tolerance": {"model": "none"}}


def path(c, what="position", name="p"):
    t, c = c.split(".")
    return f"/v0/pipelines/{name}/tables/{t}/connectors/{c}/{what}"


def position(d, c):
    return d.ok("GET", path(c)).json()


def put(d, c, p):
    r = d.ok("PUT", path(c), data=json.dumps(p)).json()
    assert r["position"] == p and r["last_change"]["change"] == "set", r
    return r


def refused(d, status, words, method, c, what="position", p=None):
    r = d.request(method, path(c, what), data=None if p is None else json.dumps(p))
    assert r.status_code == status and words in r.json()["message"], r.text
    return r.json()


def pause(d, c):
    d.ok("POST", path(c, "pause"))


def start(d, c):
    d.ok("POST", path(c, "start"))


def reason(d, c):
    return {x["name"]: x["reason"] for x in d.ok("GET", "/v0/pipelines/p/orchestration").json()["connectors"]}[c]


def counts(d, t="t"):
    """How often each row is in the table."""
    return {r["id"]: r["n"] for r in d.query("p", f"SELECT id, count(*) AS n FROM {t} GROUP BY id")}


def wait_counts(d, want, t="t"):
    until(f"{t} has {want}", lambda: counts(d, t) == want)


def crash(d):
    kill(d)
    d.start_pipeline("p")


def journalled(d, c):
    d.wait_token("p", d.ok("GET", path(c, "completion_token")).json()["token"])


def log(d):
    return "".join(open(x).read() for x in glob.glob(os.path.join(d.data_dir, "**", "log"), recursive=True))


def lines(first, last):
    return b"".join(b'{"id": %03d}\n' % (100 + i) for i in range(first, last))


LINE = len(lines(0, 1))


def append(path, data):
    with open(path, "ab") as f:
        f.write(data)


def at(p):
    """Lines before this position: the end of the last one need not have been read."""
    return -(-p["position"]["offset"] // LINE)


def wait_at(d, c, n):
    """The position behind n lines: queries see the rows of a step before it is done."""
    return until(f"{c} is behind line {n}", lambda: (p := position(d, c))["position"] and at(p) == n and p)


def rows(first, last, n=1):
    return {100 + i: n for i in range(first, last)}


def follow(tmp_path, name="src", **more):
    (tmp_path / "in.json").write_bytes(lines(0, 10))
    return table("t", "id BIGINT", file_in(name, tmp_path / "in.json", follow=True, **more), materialized=True)


def test_file_is_read_from_where_the_user_says(own, tmp_path):
    own.run("p", follow(tmp_path), runtime_config=ALO)
    wait_counts(own, rows(0, 10))
    refused(own, 409, "pause it first", "PUT", "t.src", p={"offset": 0})
    refused(own, 409, "pause it first", "DELETE", "t.src")
    p = wait_at(own, "t.src", 10)
    assert p["origin"] == "running" and not p["settable"] and "pause it first" in p["obstacle"]
    assert "next byte" in p["members"] and p["last_change"] is None and p["durable"]
    pause(own, "t.src")
    assert position(own, "t.src")["settable"]
    for bad, status, words in (({"ofset": 1}, 400, "no member 'ofset'"), ({"offset": 11 * LINE}, 400, "behind the end of"),
                               ({"offset": -1}, 400, "whole number"), ([1], 400, "JSON object, this is an array")):
        refused(own, status, words, "PUT", "t.src", p=bad)
    assert own.request("PUT", path("t.src"), data="{").json()["error_code"] == "ParseError"
    assert "DELETE" in own.request("PUT", path("t.src")).json()["message"]
    assert at(position(own, "t.src")) == 10  # nothing of that changed it
    put(own, "t.src", {"offset": 7 * LINE})
    put(own, "t.src", {"offset": 8 * LINE})  # at once again: the last word holds
    wait_counts(own, rows(0, 10))  # paused, and the rows stay
    start(own, "t.src")
    wait_counts(own, {**rows(0, 8), **rows(8, 10, 2)})
    why = own.ok("GET", path("t.src", "why")).json()
    assert why["last_change"]["change"] == "set" and "Its position was set by the user at" in why["text"]
    node = own.ok("GET", "/v0/pipelines/p/orchestration").json()["connectors"][0]
    assert node["last_change"] == why["last_change"]
    pause(own, "t.src")
    r = own.ok("DELETE", path("t.src")).json()
    assert r["position"] is None and r["origin"] == "configuration" and r["last_change"]["change"] == "reset"
    start(own, "t.src")
    wait_counts(own, {**rows(0, 8, 2), **rows(8, 10, 3)})


@MODELS
def test_set_position_survives_a_crash(own, tmp_path, model):
    own.run("p", follow(tmp_path), runtime_config=model)
    wait_counts(own, rows(0, 10))
    pause(own, "t.src")
    put(own, "t.src", {"offset": 9 * LINE})  # no checkpoint was asked for: all that was read before must be safe too
    crash(own)
    p = position(own, "t.src")
    assert p["position"] == {"offset": 9 * LINE} and p["last_change"]["change"] == "set" and reason(own, "t.src") == "user"
    assert counts(own) == rows(0, 10)
    crash(own)  # and again, before it was ever opened for reading
    start(own, "t.src")
    wait_counts(own, {**rows(0, 9), **rows(9, 10, 2)})
    own.stop_pipeline("p", force=False)
    own.start_pipeline("p")
    append(tmp_path / "in.json", lines(10, 12))
    wait_counts(own, {**rows(0, 9), 109: 2, **rows(10, 12)})  # goes on behind: the word counted once
    assert position(own, "t.src")["last_change"]["change"] == "set"  # is in the checkpoint


@pytest.mark.parametrize("point, kept", [("events.synced", True), ("manifest.synced", False), ("manifest.done", False)])
def test_a_crash_while_it_is_set_leaves_the_old_or_the_new_one(own, tmp_path, point, kept):
    own.run("p", follow(tmp_path), runtime_config=ALO)
    wait_counts(own, rows(0, 10))
    own.ok("POST", "/v0/pipelines/p/checkpoint")
    own.stop_pipeline("p", force=False)
    own.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": {**ALO, "env": {"HG_FAULT": f"kill:{point}"}}})
    own.start_pipeline("p", initial="paused")
    own.request("PUT", path("t.src"), data=json.dumps({"offset": 9 * LINE}), raw=True)
    own.wait_status("p", "Stopped")
    own.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": ALO})
    assert at(position(own, "t.src")) == (9 if kept else 10)
    own.ok("POST", "/v0/pipelines/p/start?dismiss_error=true")
    own.wait_status("p", "Running")
    wait_counts(own, {**rows(0, 9), 109: 2 if kept else 1})


def test_journal_goes_on_behind_a_checkpoint(own, tmp_path):
    own.run("p", follow(tmp_path), runtime_config=EO)
    wait_counts(own, rows(0, 10))
    own.ok("POST", "/v0/pipelines/p/checkpoint")
    pause(own, "t.src")
    put(own, "t.src", {"offset": 8 * LINE})
    start(own, "t.src")
    wait_counts(own, {**rows(0, 8), **rows(8, 10, 2)})
    append(tmp_path / "in.json", lines(10, 11))
    want = {**rows(0, 8), **rows(8, 10, 2), 110: 1}
    wait_counts(own, want)
    journalled(own, "t.src")
    kill(own)
    own.start_pipeline("p", initial="paused")  # the steps of the old and of the new instance are done again
    assert counts(own) == want and at(position(own, "t.src")) == 11
    put(own, "t.src", {"offset": 10 * LINE})
    crash(own)
    wait_counts(own, {**want, 110: 2})
    own.stop_pipeline("p", force=False)
    put(own, "t.src", {"offset": 10 * LINE})
    own.start_pipeline("p")
    wait_counts(own, {**want, 110: 3})


@MODELS
@pytest.mark.parametrize("checkpointed", [True, False], ids=["checkpoint", "journal"])
def test_killed_pipeline(own, tmp_path, model, checkpointed):
    """What it had brought comes again first, then the user's word counts; and each of them once, however often it dies."""
    own.run("p", follow(tmp_path), runtime_config=model)
    wait_counts(own, rows(0, 10))
    if checkpointed:
        checkpoint(own)
    append(tmp_path / "in.json", lines(10, 12))
    wait_counts(own, rows(0, 12))
    journalled(own, "t.src")
    kill(own)
    p = position(own, "t.src")
    assert p["settable"] and (p["origin"] == "checkpoint") == checkpointed
    put(own, "t.src", {"offset": 11 * LINE})
    assert position(own, "t.src")["origin"] == "user"
    want = {**rows(0, 12), 111: 2}
    for _ in range(2):  # what was read behind the word is in the journal by the second time
        own.start_pipeline("p")
        wait_counts(own, want)
        journalled(own, "t.src")
        kill(own)
    own.start_pipeline("p")
    append(tmp_path / "in.json", lines(12, 13))
    want[112] = 1
    wait_counts(own, want)
    journalled(own, "t.src")
    kill(own)
    put(own, "t.src", {"offset": 0})
    put(own, "t.src", {"offset": 12 * LINE})  # the later word counts
    own.start_pipeline("p")
    want[112] = 2
    wait_counts(own, want)
    kill(own)
    own.ok("DELETE", path("t.src"))
    own.start_pipeline("p")
    wait_counts(own, {i: n + 1 for i, n in want.items()})


def test_a_word_that_would_lose_rows_is_not_taken(own, tmp_path):
    """at_least_once, and what was read before the word cannot be replayed: it is read again instead, and the log says so."""
    own.run("p", follow(tmp_path), runtime_config=ALO)
    wait_counts(own, rows(0, 10))
    checkpoint(own)
    append(tmp_path / "in.json", lines(10, 12))
    wait_counts(own, rows(0, 12))
    journalled(own, "t.src")
    kill(own)
    put(own, "t.src", {"offset": 12 * LINE})
    text = (tmp_path / "in.json").read_text()
    (tmp_path / "in.json").write_text(text.replace("110", "910"))
    own.start_pipeline("p")
    wait_counts(own, {**rows(0, 10), 910: 1, 111: 1})
    assert "position_not_taken" in log(own)
    again = {**rows(0, 10), 910: 1, 111: 2}
    pause(own, "t.src")
    put(own, "t.src", {"offset": 11 * LINE})
    start(own, "t.src")
    wait_counts(own, again)


def test_stopped_pipeline(own, tmp_path):
    own.create("p", follow(tmp_path), ALO)
    p = position(own, "t.src")
    assert p["position"] is None and p["origin"] == "configuration" and p["checkpoint"] is None and "no checkpoint" in p["obstacle"]
    refused(own, 400, "no checkpoint (fault_tolerance at_least_once)", "PUT", "t.src", p={"offset": 0})
    own.start_pipeline("p")
    wait_counts(own, rows(0, 10))
    own.stop_pipeline("p", force=False)
    p = position(own, "t.src")
    assert at(p) == 10 and p["origin"] == "checkpoint" and p["settable"] and p["checkpoint"]
    refused(own, 400, "behind the end of", "PUT", "t.src", p={"offset": 11 * LINE})
    refused(own, 400, "no member", "PUT", "t.src", p={"off": 1})
    refused(own, 409, "has not reached its end of input", "POST", "t.src", "rerun")
    refused(own, 404, "t.nobody", "PUT", "t.nobody", p={"offset": 1})
    put(own, "t.src", {"offset": 2 * LINE})
    assert own.ok("DELETE", path("t.src")).json()["position"] is None
    r = put(own, "t.src", {"offset": 8 * LINE})
    assert r["origin"] == "user" and position(own, "t.src") == r
    own.stop()
    own.start()
    assert position(own, "t.src") == r
    own.start_pipeline("p")
    wait_counts(own, {**rows(0, 8), **rows(8, 10, 2)})
    crash(own)  # the step that followed is lost and comes again; the word too
    wait_counts(own, {**rows(0, 8), **rows(8, 10, 2)})
    own.stop_pipeline("p", force=False)
    assert at(position(own, "t.src")) == 10
    # a connector that is configured anew begins as configured, whatever was said about it before
    put(own, "t.src", {"offset": 8 * LINE})
    own.ok("PATCH", "/v0/pipelines/p", json={"program_code": follow(tmp_path, labels=["x"])})
    assert position(own, "t.src")["origin"] == "configuration"


def test_start_waits_for_whoever_holds_the_folder(own, tmp_path):
    own.run("p", follow(tmp_path), runtime_config=ALO)
    wait_counts(own, rows(0, 10))
    own.stop_pipeline("p", force=False)
    for i in range(5):
        put(own, "t.src", {"offset": i * LINE})
        own.start_pipeline("p", initial="paused")
        assert position(own, "t.src")["position"] == {"offset": i * LINE}
        own.stop_pipeline("p", force=bool(i % 2))


def test_without_fault_tolerance_a_crash_forgets_positions(own, tmp_path):
    own.run("p", follow(tmp_path), runtime_config=NONE)
    wait_counts(own, rows(0, 10))
    pause(own, "t.src")
    assert not put(own, "t.src", {"offset": 8 * LINE})["durable"]
    start(own, "t.src")
    wait_counts(own, {**rows(0, 8), **rows(8, 10, 2)})
    own.stop_pipeline("p")  # by force
    p = position(own, "t.src")
    assert p["origin"] == "configuration" and "fault_tolerance none" in p["obstacle"]
    refused(own, 400, "no checkpoint (fault_tolerance none)", "PUT", "t.src", p={"offset": 0})
    own.start_pipeline("p")
    wait_counts(own, rows(0, 10))
    own.stop_pipeline("p", force=False)  # which takes a checkpoint
    put(own, "t.src", {"offset": 7 * LINE})
    own.start_pipeline("p")
    wait_counts(own, {**rows(0, 7), **rows(7, 10, 2)})


def test_paused_pipeline_is_enough(own, tmp_path):
    own.run("p", follow(tmp_path), runtime_config=ALO)
    wait_counts(own, rows(0, 10))
    own.ok("POST", "/v0/pipelines/p/pause")
    own.wait_status("p", "Paused")
    put(own, "t.src", {"offset": 9 * LINE})
    own.ok("POST", "/v0/pipelines/p/resume")
    wait_counts(own, {**rows(0, 9), 109: 2})


@MODELS
def test_datagen(own, model):
    own.run("p", table("t", "id BIGINT", datagen("g", {"limit": 10}), materialized=True), runtime_config=model)
    own.wait_complete("p")
    once = {i: 1 for i in range(10)}
    wait_counts(own, once)
    refused(own, 409, "has ended, and would read again at once", "PUT", "t.g", p={"rows": 3})
    pause(own, "t.g")
    refused(own, 400, "the plans make 10 rows", "PUT", "t.g", p={"rows": 11})
    put(own, "t.g", {"rows": 7, "seed": 1})
    assert reason(own, "t.g") == "user"  # it has not ended any more
    crash(own)
    start(own, "t.g")
    own.wait_complete("p")
    wait_counts(own, {**once, 7: 2, 8: 2, 9: 2})


@MODELS
def test_url(own, web, model):
    web.add("/x", lines(0, 10))
    own.run("p", table("t", "id BIGINT", url_in("u", web.url + "/x"), materialized=True), runtime_config=model)
    own.wait_complete("p")
    pause(own, "t.u")
    saved = wait_at(own, "t.u", 10)["position"]
    assert saved["validator"] == '"v1"'
    refused(own, 400, "behind the end", "PUT", "t.u", p={"offset": 11 * LINE, "length": 10 * LINE})
    put(own, "t.u", {**saved, "offset": 6 * LINE})
    start(own, "t.u")
    own.wait_complete("p")
    wait_counts(own, {**rows(0, 6), **rows(6, 10, 2)})
    assert web.resources["/x"].requests[-1]["Range"] == f"bytes={6 * LINE}-"
    own.stop_pipeline("p", force=False)
    put(own, "t.u", {"offset": 9 * LINE})
    own.start_pipeline("p")
    assert reason(own, "t.u") in ("running", "ended")  # the user's last word was start
    wait_counts(own, {**rows(0, 6), **rows(6, 9, 2), 109: 3})


@MODELS
def test_kafka(own, broker, model):
    topic = Topic(broker, partitions=2)
    for part in range(2):
        topic.produce([json.dumps({"id": part * 10 + i}) for i in range(5)], partition=part)
    first = {p * 10 + i: 1 for p in range(2) for i in range(5)}
    own.run("p", table("t", "id BIGINT", kafka_in("k", broker, topic.name, options={"start_from": "earliest"}), materialized=True),
            runtime_config=model)
    wait_counts(own, first)
    pause(own, "t.k")
    until("it is at both ends", lambda: [o["end"] for o in position(own, "t.k")["position"]["offsets"]] == [5, 5])
    refused(own, 400, "needs 'offsets'", "PUT", "t.k", p={})
    refused(own, 400, "no member 'offset'", "PUT", "t.k", p={"offset": 3})
    refused(own, 400, "no member 'at'", "PUT", "t.k", p={"offsets": [{"at": 3}]})
    put(own, "t.k", {"offsets": [{"end": 4}, {"end": 5}]})
    crash(own)
    start(own, "t.k")
    wait_counts(own, {**first, 4: 2})
    own.stop_pipeline("p", force=False)
    put(own, "t.k", {"offsets": [{"end": 5}, {"end": 3}]})
    own.start_pipeline("p")
    wait_counts(own, {**first, 4: 2, 13: 2, 14: 2})
    # the topic does not reach that far: a failure that says so, and a way out of it
    pause(own, "t.k")
    put(own, "t.k", {"offsets": [{"end": 50}, {"end": 5}]})
    start(own, "t.k")
    until("it fails", lambda: reason(own, "t.k") == "failed")
    assert "newest is 5" in own.ok("GET", path("t.k", "why")).json()["text"]
    put(own, "t.k", {"offsets": [{"end": 5}, {"end": 4}]})
    assert reason(own, "t.k") == "failed"
    start(own, "t.k")
    wait_counts(own, {**first, 4: 2, 13: 2, 14: 3})


def backfill(tmp_path):
    (tmp_path / "hist.json").write_bytes(lines(0, 3))
    (tmp_path / "live.json").write_bytes(lines(10, 11))
    return table("t", "id BIGINT", file_in("hist", tmp_path / "hist.json", labels=["h"]),
                 file_in("live", tmp_path / "live.json", follow=True, start_after=["h"]), materialized=True) + \
        view("v", "SELECT id FROM t", connector("o", "null_output"))


@MODELS
def test_rerun(own, tmp_path, model):
    own.run("p", backfill(tmp_path), runtime_config=model)
    wait_counts(own, {**rows(0, 3), 110: 1})
    refused(own, 409, "has not reached its end of input (it is running)", "POST", "t.live", "rerun")
    r = own.request("POST", "/v0/pipelines/p/views/v/connectors/o/rerun")
    assert r.status_code == 400 and "is an output" in r.json()["message"]
    assert own.request("GET", "/v0/pipelines/p/views/v/connectors/o/position").status_code == 400
    assert own.ok("POST", path("t.hist", "rerun")).json()["last_change"]["change"] == "rerun"
    assert reason(own, "t.live") == "running"
    wait_counts(own, {**rows(0, 3, 2), 110: 1})
    assert "had it run again at" in own.ok("GET", path("t.hist", "why")).json()["text"]
    crash(own)
    wait_counts(own, {**rows(0, 3, 2), 110: 1})  # once more, not twice
    # with wait: the stream is closed until the backfill has ended
    own.ok("POST", "/v0/pipelines/p/pause")
    own.wait_status("p", "Paused")
    until("it has ended", lambda: reason(own, "t.hist") == "ended")
    own.ok("POST", path("t.hist", "rerun?wait=true"))
    assert (reason(own, "t.hist"), reason(own, "t.live")) == ("running", "waiting")
    append(tmp_path / "live.json", lines(11, 12))
    kill(own)
    own.start_pipeline("p", initial="paused")
    assert (reason(own, "t.hist"), reason(own, "t.live")) == ("running", "waiting")
    own.ok("POST", "/v0/pipelines/p/resume")
    wait_counts(own, {**rows(0, 3, 3), 110: 1, 111: 1})
    assert reason(own, "t.hist") == "ended" and reason(own, "t.live") == "running"


def test_rerun_of_a_stopped_pipeline(own, tmp_path):
    own.run("p", backfill(tmp_path), runtime_config=ALO)
    wait_counts(own, {**rows(0, 3), 110: 1})
    own.stop_pipeline("p", force=False)
    refused(own, 409, "only what has finished runs again", "POST", "t.live", "rerun")
    assert own.ok("POST", path("t.hist", "rerun?wait=true")).json()["position"] is None
    own.start_pipeline("p", initial="paused")
    assert (reason(own, "t.hist"), reason(own, "t.live")) == ("running", "waiting")
    own.ok("POST", "/v0/pipelines/p/resume")
    wait_counts(own, {**rows(0, 3, 2), 110: 1})
    until("the stream is open", lambda: reason(own, "t.live") == "running")


def test_clear_forgets_positions(own, tmp_path):
    own.run("p", follow(tmp_path), runtime_config=ALO)
    wait_counts(own, rows(0, 10))
    own.stop_pipeline("p", force=False)
    put(own, "t.src", {"offset": 9 * LINE})
    own.ok("POST", "/v0/pipelines/p/clear")
    until("the storage is cleared", lambda: own.get("/v0/pipelines/p").json()["storage_status"] == "Cleared")
    assert position(own, "t.src")["origin"] == "configuration"
    own.start_pipeline("p")
    wait_counts(own, rows(0, 10))
