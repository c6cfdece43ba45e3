"""A user's pause of an output is remembered, and takes nothing from the sink that it had."""
import json

import pytest

from hg import until, whole_lines
from hg.sql import file_in, file_out, table, view
from test_durable import checkpoint, kill

RAW = {"update_format": "raw"}
EXACTLY = {"fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None},
           "dev_tweaks": {"headgate": {"restart": "never"}}}
LEAST = {**EXACTLY, "fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}
OUT = "/v0/pipelines/p/views/v/connectors/o"


def add(path, ids):
    with open(path, "a") as f:
        f.writelines(json.dumps({"id": i}) + "\n" for i in ids)


def written(path):
    return [json.loads(line)["insert"]["id"] for line in whole_lines(path)]


def program(src, out, **output):
    return (table("t", "id BIGINT", file_in("f", src, fmt_config=RAW, follow=True), materialized=True) +
            view("v", "SELECT id FROM t", file_out("o", out, **output), materialized=True))


class Pipeline:
    """Rows 0..n in its source; `n` of them are in the table and done with."""

    def __init__(self, d, folder, config, **output):
        self.d, self.src, self.out, self.n = d, folder / "in.json", folder / "out.json", 0
        self.src.touch()
        d.run("p", program(self.src, self.out, **output), runtime_config=config)

    def more(self, n):
        ids = list(range(self.n, self.n + n))
        add(self.src, ids)
        self.n += n
        until("the rows are in the table", lambda: self.d.query("p", "SELECT count(*) AS n FROM t")[0]["n"] == self.n)
        token = self.d.ok("GET", "/v0/pipelines/p/tables/t/connectors/f/completion_token").json()["token"]
        self.d.wait_token("p", token)
        return ids

    def say(self, word):
        self.d.ok("POST", f"{OUT}/{word}")

    def paused(self):
        one = next(o for o in self.d.stats("p")["outputs"] if o["endpoint_name"] == "v.o")
        assert one["paused"] == (self.d.ok("GET", f"{OUT}/why").json()["reason"] == "user"), one
        return one["paused"]


@pytest.fixture(params=["graceful stop", "kill", "kill behind a checkpoint"])
def end(request):
    """Ends the pipeline and starts it again."""
    def again(p):
        if request.param == "graceful stop":
            p.d.stop_pipeline("p", force=False)
        else:
            if "checkpoint" in request.param:
                checkpoint(p.d)
            kill(p.d)
        p.d.start_pipeline("p")
    return again


@pytest.mark.parametrize("config", [EXACTLY, LEAST], ids=["exactly_once", "at_least_once"])
def test_a_paused_output_stays_paused(own, tmp_path, end, config):
    p = Pipeline(own, tmp_path, config)
    want = p.more(100)
    p.say("pause")
    p.more(50)
    end(p)
    assert p.paused()
    p.more(25)
    p.say("start")
    assert not p.paused()
    want += p.more(10)
    end(p)
    assert not p.paused()
    want += p.more(5)
    until("the sink has its rows", lambda: len(written(p.out)) >= len(want))
    assert written(p.out) == want


@pytest.mark.parametrize("config", [EXACTLY, LEAST], ids=["exactly_once", "at_least_once"])
def test_words_between_two_checkpoints(own, tmp_path, config):
    """The file is cut back to the checkpoint: what it had behind that is written again, as far as it was wanted."""
    p = Pipeline(own, tmp_path, config)
    want = p.more(10)
    checkpoint(own)
    for _ in range(3):
        want += p.more(10)
        p.say("pause")
        p.more(10)
        p.say("start")
    want += p.more(10)
    p.say("pause")
    p.more(10)
    kill(own)
    own.start_pipeline("p")
    until("the journal is done again", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] == p.n)
    assert p.paused()
    kill(own)  # in the same journal once more
    own.start_pipeline("p")
    assert p.paused()
    p.more(10)
    p.say("start")
    want += p.more(10)
    until("the sink has its rows", lambda: len(written(p.out)) >= len(want))
    assert written(p.out) == want


@pytest.mark.parametrize("config", [LEAST, {}], ids=["at_least_once", "not fault tolerant"])
def test_a_graceful_stop_keeps_the_pause(own, tmp_path, config):
    p = Pipeline(own, tmp_path, config)
    want = p.more(10)
    p.say("pause")
    p.more(10)
    own.stop_pipeline("p", force=False)
    own.start_pipeline("p")
    assert p.paused()
    p.more(10)
    p.say("start")
    want += p.more(10)
    until("the sink has its rows", lambda: len(written(p.out)) >= len(want))
    assert written(p.out) == want


def test_who_starts_a_connector_that_is_configured_as_paused_has_the_last_word(own, tmp_path):
    p = Pipeline(own, tmp_path, EXACTLY, paused=True)
    assert p.paused()
    p.more(5)
    p.say("start")
    want = p.more(5)
    kill(own)
    own.start_pipeline("p")
    assert not p.paused()
    own.stop_pipeline("p", force=False)
    own.start_pipeline("p")
    assert not p.paused()
    want += p.more(5)
    until("the sink has its rows", lambda: len(written(p.out)) >= len(want))
    assert written(p.out) == want


def test_another_sink_is_not_paused(own, tmp_path):
    p = Pipeline(own, tmp_path, LEAST)
    p.more(10)
    p.say("pause")
    own.stop_pipeline("p", force=False)
    p.out = tmp_path / "other.json"
    own.ok("PATCH", "/v0/pipelines/p", json={"program_code": program(p.src, p.out)})
    until("the program is compiled", lambda: own.get("/v0/pipelines/p").json()["program_status"] == "Success")
    own.start_pipeline("p", bootstrap_policy="allow")
    assert not p.paused()
    want = p.more(10)
    until("the sink has its rows", lambda: set(want) <= set(written(p.out)))
