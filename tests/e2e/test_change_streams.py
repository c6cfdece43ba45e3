"""Resumable change streams: a client that comes back with a sequence number gets exactly what followed it, also after kill -9."""
import json
import random

import pytest

from hg import until
from hg.egress import Egress
from hg.sql import file_in, table, view
from test_durable import checkpoint, kill

EXACTLY = {"fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None},
           "dev_tweaks": {"headgate": {"restart": "never"}}}
KEYED = table("t", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR", materialized=True) + view("v", "SELECT id, s FROM t", materialized=True)


def tweaked(**tweaks):
    return {**EXACTLY, "dev_tweaks": {"headgate": {"restart": "never", **tweaks}}}


def push(d, rows, name="p", wait=True):
    r = d.ingress(name, "t", "".join(json.dumps({"id": i, "s": s}) + "\n" for i, s in rows))
    assert r.status_code == 200, r.text
    if wait:
        d.wait_token(name, r.json()["token"])


class Client:
    """Keeps the relation from its changes. A change that does not fit (twice, lost) fails it."""

    def __init__(self, d, relation="v", name="p", **params):
        self.d, self.relation, self.name, self.params = d, relation, name, params
        self.rows, self.place, self.stream, self.taken = {}, None, None, 0

    def connect(self, **params):
        self.stream = Egress(self.d, self.name, self.relation, **{"resumable": "true", **self.params, **(self.place or params)})
        self.taken = 0
        return self

    def take(self):
        """What has come so far."""
        for c in self.stream.all_chunks()[self.taken:]:
            self.taken += 1
            for u in c.get("json_data", ()):
                (op, row), = u.items()
                assert (row["id"] in self.rows) == (op == "delete"), f"{op} of {row} in {c['sequence_number']}"
                if op == "delete":
                    assert self.rows.pop(row["id"]) == row["s"], row
                else:
                    self.rows[row["id"]] = row["s"]
            if not c["snapshot"]:
                assert self.place is None or int(c["sequence_number"]) >= int(self.place["after"])
                self.place = {"after": c["sequence_number"], "stream": c["stream"]}
        return self.rows

    def wait(self, rows):
        until("the client has what the view has", lambda: self.take() == {str(i): s for i, s in rows.items()})

    def cut(self):
        """As a client that dies: what it has not taken is lost to it."""
        self.stream.close()


def refused(d, status, code, relation="v", name="p", **params):
    r = d.post(f"/v0/pipelines/{name}/egress/{relation}", params={"format": "json", "resumable": "true", **params})
    assert r.status_code == status and r.json()["error_code"] == code, r.text
    return r.json()


def test_a_plain_stream_counts_from_0(own):
    own.run("p", KEYED)
    e = Egress(own, "p", "v")
    push(own, [(1, "a")])
    e.wait_updates(1)
    push(own, [(1, "b")])
    e.wait_updates(3)
    chunks = e.all_chunks()
    assert [int(c["sequence_number"]) for c in chunks] == list(range(len(chunks)))
    assert not any("stream" in c for c in chunks)
    e.close()


@pytest.mark.parametrize("fmt", ["json", "csv"])
def test_every_number_can_be_gone_on_from(own, tmp_path, fmt):
    """Steps of many chunks, deletes among them, rows in several copies: from each line's number on the rest comes, exactly."""
    (tmp_path / "in.json").write_text("".join(f'{{"id": {i % 7000}, "s": "{i}"}}\n' for i in range(20000)))
    own.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR",
                       file_in("f", tmp_path / "in.json", fmt_config={"update_format": "raw"}, paused=True), materialized=True) +
            view("v", "SELECT id, s FROM t UNION ALL SELECT id, s FROM t UNION ALL SELECT id, s FROM t WHERE id < 3000"))
    whole = Egress(own, "p", "v", fmt, resumable="true", buffer_size_records="700")
    until("it has begun", lambda: whole.all_chunks())
    own.ok("POST", "/v0/pipelines/p/tables/t/connectors/f/start")
    own.wait_complete("p")
    push(own, [(i, "x") for i in range(2000, 5000)])
    push(own, [(100000, "last")])

    def flat(chunks):
        return [json.dumps(u) for c in chunks for u in c.get("json_data", ())] if fmt == "json" else \
            "".join(c.get("text_data", "") for c in chunks).splitlines()
    until("the last row is there", lambda: any("100000" in u for u in flat(whole.all_chunks())[-3:]))
    weights = {line.rsplit(",", 1)[1] for c in whole.all_chunks() for line in c.get("text_data", "").splitlines()}
    assert fmt == "json" or {"-2", "-3", "2", "3"} <= weights, "no rows in several copies"
    until("it is over", lambda: int(whole.place()["after"]) % (1 << 20) == 0)
    lines = whole.all_chunks()
    numbers = [int(c["sequence_number"]) for c in lines]
    assert numbers == sorted(numbers) and len([n for n in numbers if n % (1 << 20)]) > (10 if fmt == "json" else 1), "no step of several chunks"
    for i in range(0, len(lines), max(1, len(lines) // 12)):
        rest = flat(lines[i + 1:])
        e = Egress(own, "p", "v", fmt, after=lines[i]["sequence_number"], stream=lines[i]["stream"])
        until("the rest comes", lambda e=e, rest=rest: len(flat(e.all_chunks())) >= len(rest))
        assert flat(e.all_chunks()) == rest, numbers[i]
        assert int(e.all_chunks()[0]["sequence_number"]) == numbers[i]  # its last may be behind ours: steps without changes count, too
        e.close()
    whole.close()


def test_snapshot_then_changes(own):
    """The first line that counts says where the snapshot stands: behind it everything follows, nothing twice."""
    own.run("p", KEYED)
    rows = {i: "a" for i in range(5000)}
    push(own, rows.items())
    a = Client(own).connect(send_snapshot="true")
    a.wait(rows)
    until("the snapshot is whole", lambda: a.take() is not None and a.place)
    assert any(c["snapshot"] for c in a.stream.all_chunks())
    a.cut()
    rows.update({i: "b" for i in range(4000, 6000)})
    push(own, [(i, "b") for i in range(4000, 6000)])
    a.connect().wait(rows)
    a.cut()


def test_cut_again_and_again_while_rows_pour_in(own):
    own.run("p", KEYED)
    rows, dice = {}, random.Random(7)
    c = Client(own).connect(send_snapshot="true")
    until("it knows where it is", lambda: c.take() is not None and c.place)
    for k in range(15):
        some = {dice.randrange(3000): f"{k}.{i}" for i in range(1000)}
        rows.update(some)
        push(own, some.items(), wait=False)
        if dice.random() < 0.7:
            c.take()
            c.cut()
            c.connect()
    c.wait(rows)
    c.cut()


@pytest.mark.parametrize("at_checkpoint", [False, True], ids=["no_checkpoint", "checkpoints"])
def test_killed_in_exactly_once(own, at_checkpoint):
    """kill -9, again and again: the client goes on by number, nothing is lost, nothing comes twice."""
    own.run("p", KEYED, runtime_config=EXACTLY)
    rows, dice = {}, random.Random(11)
    c = Client(own).connect(send_snapshot="true")
    until("it knows where it is", lambda: c.take() is not None and c.place)
    for k in range(5):
        some = {dice.randrange(500): f"{k}.{i}" for i in range(300)}
        rows.update(some)
        push(own, some.items())
        if at_checkpoint and k % 2:
            c.wait(rows)
            checkpoint(own)
        if k % 3:
            c.take()  # else what it has is behind, and comes from the replay
        more = {dice.randrange(500): f"{k}+{i}" for i in range(300)}
        rows.update(more)
        push(own, more.items())
        kill(own)
        c.stream.ended.wait(30)
        own.start_pipeline("p")
        c.connect()
    c.wait(rows)
    c.cut()


def test_stopped_and_started_in_exactly_once(own):
    """A graceful stop: the number goes on from the checkpoint, although the view had not changed for some steps."""
    own.run("p", KEYED + table("other", "id BIGINT"), runtime_config=EXACTLY)
    c = Client(own).connect(send_snapshot="true")
    push(own, [(1, "a")])
    c.wait({1: "a"})
    c.cut()
    for i in range(5):
        own.wait_token("p", own.ingress("p", "other", f'{{"id": {i}}}').json()["token"])
    own.stop_pipeline("p", force=False)
    own.start_pipeline("p")
    push(own, [(2, "b")])
    c.connect().wait({1: "a", 2: "b"})
    c.cut()


def test_what_is_not_kept_is_410(own):
    """Too old a number names the oldest one; that one, and a snapshot, are ways to go on."""
    own.run("p", KEYED, runtime_config=tweaked(change_stream_mib=1))
    c = Client(own).connect(send_snapshot="true")
    until("it knows where it is", lambda: c.take() is not None and c.place)
    c.cut()
    for k in range(6):
        push(own, [(i, "x" * 40 + str(k)) for i in range(8000)])
    old = refused(own, 410, "SequenceNumberGone", **c.place)
    oldest = old["details"]["oldest_sequence_number"]
    assert int(c.place["after"]) < oldest and str(oldest) in old["message"] and "send_snapshot=true" in old["message"]
    assert old["details"]["stream"] == c.place["stream"]
    e = Egress(own, "p", "v", after=oldest, stream=c.place["stream"])
    until("it goes on from the oldest", lambda: e.place())
    e.close()
    refused(own, 410, "SequenceNumberGone", after=oldest - 1, stream=c.place["stream"])
    fresh = Client(own).connect(send_snapshot="true")
    fresh.wait({i: "x" * 40 + "5" for i in range(8000)})
    fresh.cut()


@pytest.mark.parametrize("config", [None, {**EXACTLY, "fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}],
                         ids=["none", "at_least_once"])
def test_another_life_refuses_old_numbers(own, config):
    own.run("p", KEYED, runtime_config=config)
    c = Client(own).connect(send_snapshot="true")
    push(own, [(1, "a")])
    c.wait({1: "a"})
    until("it knows where it is", lambda: c.take() and c.place)
    c.cut()
    c.connect()  # in the same life: fine
    c.cut()
    own.stop_pipeline("p", force=config is None)
    own.start_pipeline("p")
    r = refused(own, 410, "SequenceNumberGone", **c.place)
    assert c.place["stream"] in r["message"] and r["details"]["stream"] != c.place["stream"]


def test_cleared_state_refuses_old_numbers(own):
    own.run("p", KEYED, runtime_config=EXACTLY)
    c = Client(own).connect(send_snapshot="true")
    push(own, [(1, "a")])
    c.wait({1: "a"})
    until("it knows where it is", lambda: c.take() and c.place)
    own.stop_pipeline("p")
    own.ok("POST", "/v0/pipelines/p/clear")
    until("it is cleared", lambda: own.get("/v0/pipelines/p").json()["storage_status"] == "Cleared")
    own.start_pipeline("p")
    for i in range(20):
        push(own, [(i, "b")])
    refused(own, 410, "SequenceNumberGone", **c.place)


def test_refusals(own):
    own.run("p", KEYED)
    c = Client(own).connect(send_snapshot="true")
    until("it knows where it is", lambda: c.take() is not None and c.place)
    c.cut()
    for params in ({"after": "5"}, {"stream": "x"}, {"backpressure": "false"}, {**c.place, "send_snapshot": "true"},
                   {**c.place, "resumable": "false"}, {**c.place, "after": "-1"}, {**c.place, "after": str(int(c.place["after"]) + (1 << 30))}):
        refused(own, 400, "InvalidParam", **params)
    refused(own, 410, "SequenceNumberGone", relation="t", **c.place)
    refused(own, 410, "SequenceNumberGone", **{**c.place, "format": "csv"})
    assert own.stats("p")["outputs"] == [] or until("refused streams vanish", lambda: own.stats("p")["outputs"] == [])


def test_a_transaction_is_one_place(own):
    """A stream that was cut inside one gets its net change at the commit; one that is asked for meanwhile begins behind it."""
    own.run("p", KEYED, runtime_config=EXACTLY)
    c = Client(own).connect(send_snapshot="true")
    push(own, [(1, "a"), (2, "a")])
    c.wait({1: "a", 2: "a"})
    own.ok("POST", "/v0/pipelines/p/start_transaction")
    c.cut()
    for k in range(3):
        own.ingress("p", "t", "".join(json.dumps({"id": i, "s": str(k)}) + "\n" for i in range(2, 50)))
    own.ok("POST", "/v0/pipelines/p/commit_transaction")
    rows = {1: "a", **{i: "2" for i in range(2, 50)}}
    c.connect().wait(rows)
    c.cut()
    kill(own)
    own.start_pipeline("p")
    fresh = Client(own).connect(send_snapshot="true")
    push(own, [(100, "b")])
    rows[100] = "b"
    c.connect().wait(rows)
    fresh.wait(rows)
    c.cut()
    fresh.cut()
