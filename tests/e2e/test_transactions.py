"""Transactions: what many steps change shows at once, to outputs, readers and counters, and outlives kill -9 where steps are journalled.
test-labels: long"""
import glob
import json
import os
import subprocess

import pytest
import requests

from hg import BUILD, until, whole_lines
from hg.daemon import Daemon
from hg.kafka import Topic
from hg.sql import datagen, file_in, file_out, kafka_out, table, view
from test_durable import checkpoint, kill
from test_limits import sanitized

EXACTLY = {"fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}}
LEAST = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}
DELTAS = {"update_format": "insert_delete"}


def metrics(d, name="p"):
    return d.stats(name)["global_metrics"]


def start(d, name="p"):
    return d.ok("POST", f"/v0/pipelines/{name}/start_transaction").json()["transaction_id"]


def commit(d, name="p", wait=True):
    id = metrics(d, name)["transaction_id"]
    assert d.ok("POST", f"/v0/pipelines/{name}/commit_transaction").json() == "Transaction commit initiated"
    if wait:
        until(f"transaction {id} is committed", lambda: metrics(d, name)["transaction_id"] != id)


def push(d, *rows, table="t", update="insert_delete"):
    body = "\n".join(json.dumps(r) for r in rows)
    r = d.ingress("p", table, body, update_format=update)
    assert r.status_code == 200, r.text
    return r.json()["token"]


def rows(*ids, s="x"):
    return [{"insert": {"id": i, "s": s}} for i in ids]


def stepped(d, n, name="p"):
    """The open transaction has n records."""
    until(f"{n} records in the transaction", lambda: metrics(d, name)["transaction_records"] == n)


def lines(path):
    return [json.loads(x) for x in whole_lines(path)]


def ids(d, relation="v"):
    return [r["id"] for r in d.query("p", f"SELECT id FROM {relation} ORDER BY id")]


KEYED = "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR"


@pytest.fixture
def piped(daemon, gone, tmp_path):
    out = tmp_path / "out.json"
    daemon.run(gone("p"), table("t", KEYED, materialized=True) +
               view("v", "SELECT id, s FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True))
    yield daemon, out
    daemon.ok("POST", "/v0/pipelines/p/stop?force=true")


def test_all_at_once_and_netted(piped):
    d, out = piped
    d.wait_token("p", push(d, *rows(1, 2, 3)))
    assert len(lines(out)) == 3
    id = start(d)
    m = metrics(d)
    assert (m["transaction_status"], m["transaction_id"]) == ("TransactionInProgress", id)
    assert m["transaction_initiators"] == {"transaction_id": id, "initiated_by_api": "Started", "initiated_by_connectors": {}}
    token = push(d, *rows(10, 11), {"delete": {"id": 1, "s": "x"}})
    push(d, *rows(2, s="y"))               # an update,
    push(d, *rows(20, 21))                 # and rows that come
    push(d, {"delete": {"id": 20, "s": "x"}}, {"delete": {"id": 21, "s": "x"}})   # and go again
    push(d, *rows(3, s="z"))
    push(d, *rows(3, s="x"))               # an update and back
    stepped(d, 10)
    m = metrics(d)
    assert m["total_processed_records"] == m["total_completed_records"] == 3 and m["total_input_records"] == 13
    assert ids(d) == ids(d, "t") == [1, 2, 3], "readers see the state before the transaction"
    status = d.ok("GET", f"/v0/pipelines/p/completion_status?token={token}").json()
    assert status["status"] == "inprogress" and status["step"]
    assert len(lines(out)) == 3, "outputs get nothing of it"
    commit(d)
    d.wait_token("p", token)
    batch = lines(out)[3:]
    kinds = ["delete" if "delete" in x else "insert" for x in batch]
    assert kinds == sorted(kinds), f"deletes come first: {batch}"
    assert sorted(map(json.dumps, batch)) == sorted(map(json.dumps, [
        {"delete": {"id": 1, "s": "x"}}, {"delete": {"id": 2, "s": "x"}}, {"insert": {"id": 2, "s": "y"}},
        {"insert": {"id": 10, "s": "x"}}, {"insert": {"id": 11, "s": "x"}}]))
    assert ids(d) == ids(d, "t") == [2, 3, 10, 11]
    m = metrics(d)
    assert (m["transaction_status"], m["transaction_id"], m["transaction_records"]) == ("NoTransaction", 0, None)
    assert m["total_processed_records"] == m["total_completed_records"] == 13
    assert start(d) == id + 1
    commit(d)


def test_refusals(piped):
    d, _ = piped
    r = d.post("/v0/pipelines/p/commit_transaction")
    assert (r.status_code, r.json()["error_code"]) == (400, "NoTransactionInProgress")
    start(d)
    r = d.post("/v0/pipelines/p/start_transaction")
    assert (r.status_code, r.json()["error_code"]) == (409, "TransactionInProgress")
    commit(d)
    r = d.post("/v0/pipelines/p/commit_transaction")
    assert (r.status_code, r.json()["error_code"]) == (400, "NoTransactionInProgress")


def test_what_is_buffered_belongs_to_it(piped):
    """Each push is acknowledged before the commit is asked for; all of them are in it, none of those after it."""
    d, out = piped
    for round in range(5):
        start(d)
        for i in range(20):
            push(d, *rows(round * 1000 + i))
        commit(d, wait=False)
        d.wait_token("p", push(d, *rows(round * 1000 + 500)))
        got = [x["insert"]["id"] for x in lines(out)][round * 21:]
        assert sorted(got[:20]) == [round * 1000 + i for i in range(20)] and got[20:] == [round * 1000 + 500]


def test_insert_pause_and_orchestration(daemon, gone, tmp_path):
    """An INSERT joins it and is answered at once; a pause changes nothing; a backfill that ends inside it opens its dependent."""
    d, out, a, b = daemon, tmp_path / "out.json", tmp_path / "a.json", tmp_path / "b.json"
    a.write_text("".join(f'{{"id": {i}}}\n' for i in range(100)))
    b.write_text("".join(f'{{"id": {i}}}\n' for i in range(100, 150)))
    d.run(gone("p"), table("t", "id BIGINT", file_in("a", a, labels=["history"]), file_in("b", b, start_after=["history"]), materialized=True) +
          view("v", "SELECT id FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True), initial="paused")
    start(d)
    assert d.query("p", "INSERT INTO t VALUES (1000)") == [{"count": 1}]
    d.ok("POST", "/v0/pipelines/p/resume")
    until("both are read", lambda: all(i["metrics"]["end_of_input"] for i in d.stats("p")["inputs"]))
    stepped(d, 151)
    assert not metrics(d)["pipeline_complete"] and ids(d) == [] and lines(out) == []
    d.ok("POST", "/v0/pipelines/p/pause")
    d.wait_status("p", "Paused")
    commit(d)
    until("all is written", lambda: len(lines(out)) == 151)
    assert ids(d) == [*range(150), 1000]
    d.wait_complete("p")


def test_streams_that_come_in_the_middle(piped):
    """One that is opened inside gets nothing of it; with a snapshot it begins with the state behind the commit. Neither misses anything later."""
    d, _ = piped
    d.wait_token("p", push(d, *rows(1)))
    start(d)
    push(d, *rows(2))
    stepped(d, 1)
    plain = d.post("/v0/pipelines/p/egress/v?format=json&backpressure=true", stream=True)
    whole = d.post("/v0/pipelines/p/egress/v?format=json&backpressure=true&send_snapshot=true", stream=True)

    def read(r, until_id):
        got = []
        for line in r.iter_lines():
            got += [x["insert"]["id"] for x in json.loads(line).get("json_data", [])]
            if until_id in got:
                return got
    commit(d)
    push(d, *rows(3))
    assert read(plain, 3) == [3]
    assert read(whole, 3) == [1, 2, 3]
    plain.close()
    whole.close()


def wide(n, **members):
    """n rows of some 50 bytes in order."""
    plan = {"limit": n, "fields": {"id": {"strategy": "increment", "range": [0, n]},
                                   "s": {"strategy": "increment", "values": ["abcdefghijklmnopqrstuvwxyz"]}}}
    return table("t", "id BIGINT, s VARCHAR", datagen("g", plan, **members))


def first_column(path):
    with open(path) as f:
        return [int(line.split(",")[0]) for line in f]


@pytest.mark.parametrize("ft", [{}, EXACTLY], ids=["none", "exactly_once"])
def test_larger_than_memory(own, tmp_path, ft):
    """Far more than the queue budget and than what is kept in memory: memory stays flat, and the output gets the net change as one batch."""
    d, out, n, peak = own, tmp_path / "out.json", 1_500_000, 0
    d.create("p", wide(n) + view("v", "SELECT id, s FROM t", file_out("o", out, fmt="csv")), ft)
    d.start_pipeline("p", initial="paused")
    start(d)
    d.ok("POST", "/v0/pipelines/p/resume")
    while metrics(d)["transaction_records"] < n:
        peak = max(peak, metrics(d)["rss_bytes"])
    commit(d)
    d.wait_complete("p")
    peak = max(peak, metrics(d)["rss_bytes"])
    assert sanitized() or peak < (96 << 20), f"{peak >> 20} MiB"
    assert first_column(out) == list(range(n)), "in the order of the rows"


def test_a_large_one_is_owed(own, tmp_path):
    """A sink that is away: the checkpoint stores the commit in pieces, and the next start sends it as the one batch that it is, deletes first."""
    d, out, n = own, tmp_path / "out.json", 600_000
    os.symlink("/dev/full", out)
    d.create("p", wide(n) + view("v", "SELECT id, s FROM t", file_out("o", out, fmt="csv")), LEAST)
    d.start_pipeline("p", initial="paused")
    start(d)
    d.ok("POST", "/v0/pipelines/p/resume")
    stepped(d, n)
    commit(d)
    checkpoint(d)
    kill(d)
    files = glob.glob(f"{d.data_dir}/**/owed-*.hgo", recursive=True)
    assert len(files) == 1 and os.path.getsize(files[0]) > 10 << 20
    out.unlink()
    d.start_pipeline("p")
    d.wait_complete("p")
    assert first_column(out) == list(range(n))
    assert sanitized() or metrics(d)["rss_bytes"] < 96 << 20


def test_where_its_changes_cannot_be_kept(tmp_path):
    """Inputs are held, why and health say why; when the disk takes files again it goes on, and nothing is lost."""
    out, temp, n = tmp_path / "out.json", tmp_path / "temp", 600_000
    d = Daemon(env={"TMPDIR": str(temp)})
    try:
        d.create("p", wide(n) + view("v", "SELECT id, s FROM t", file_out("o", out, fmt="csv")), {"storage": False})
        d.start_pipeline("p", initial="paused")
        start(d)
        d.ok("POST", "/v0/pipelines/p/resume")
        held = until("it is told", lambda: d.input("p", "t.g")["health"])
        assert held["status"] == "Unhealthy" and str(temp) in held["description"] and "No such file" in held["description"], held
        assert "held" in d.ok("GET", "/v0/pipelines/p/tables/t/connectors/g/why").json()["text"]
        before = metrics(d)["transaction_records"]
        commit(d, wait=False)
        until("the commit waits, too", lambda: metrics(d)["transaction_status"] == "CommitInProgress")
        assert before < n
        temp.mkdir()
        until("it is committed", lambda: metrics(d)["transaction_id"] == 0)
        until("it is well", lambda: d.input("p", "t.g")["health"] is None)
        d.wait_complete("p")
        assert first_column(out) == list(range(n))
    finally:
        d.close()


def test_one_kafka_transaction(own, tmp_path, broker):
    """With exactly_once a commit is one transaction of the broker's, whoever dies when: a reader sees all of it or nothing."""
    d, done = own, Topic(broker)
    d.run("p", table("t", KEYED, materialized=True) +
          view("v", "SELECT id, s FROM t", kafka_out("o", broker, done.name, fmt_config=DELTAS), materialized=True),
          runtime_config=EXACTLY)
    want = []

    def there():
        return [json.loads(x)["insert"]["id"] for x in done.read() if x]
    for round in range(3):
        start(d)
        for i in range(5):
            push(d, *rows(*range(round * 100 + i * 10, round * 100 + i * 10 + 10)))
        stepped(d, 50)
        d.query("p", f"INSERT INTO t VALUES ({round * 100 + 99}, 'x')")
        assert there() == want
        if round == 1:
            kill(d)
            d.start_pipeline("p")
        commit(d, wait=False)
        if round == 2:
            until("it is committed", lambda: metrics(d)["transaction_id"] == 0)
            kill(d)
            d.start_pipeline("p")
        want += [*range(round * 100, round * 100 + 50), round * 100 + 99]
        until("a transaction is there", lambda: len(there()) != len(want) - 51)
        assert there() == want, "all of it"


POINTS = [f"kill:journal.{what}:{n}" for what in ("written", "synced") for n in range(1, 9)]


@pytest.mark.parametrize("point", POINTS)
def test_dies_at_each_write_of_the_journal(tmp_path, point):
    """A client that goes by the answers and the stats: after a death at any moment it finds where it was, and all is there once."""
    out = tmp_path / "out.json"
    program = (table("t", KEYED, materialized=True) +
               view("v", "SELECT id, s FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True))
    d = Daemon(env={"HG_FAULT": point})
    try:
        d.create("p", program, EXACTLY)
        died, committed, inserted = False, False, 0
        try:
            d.start_pipeline("p")
            start(d)
            for inserted in range(1, 4):
                d.query("p", f"INSERT INTO t VALUES ({inserted}, 'x')")
            commit(d)
            committed = True
            d.query("p", "INSERT INTO t VALUES (10, 'x')")
        except (AssertionError, requests.RequestException):
            died = True
        if not died:
            return  # the point is behind all of this
        until("it is seen", lambda: d.get("/v0/pipelines/p").json()["deployment_status"] == "Stopped")
        d.stop()
        d.env = {}
        d.start()
        d.start_pipeline("p")
        m = metrics(d)
        if m["transaction_initiators"]["initiated_by_api"] == "Committed":  # that was in the journal: it goes on by itself
            until("it is committed", lambda: metrics(d)["transaction_id"] == 0)
        elif m["transaction_id"]:
            assert not committed, "what was seen as committed stays so"
            seen, n = ids(d), m["transaction_records"]
            assert seen == [] and inserted - 1 <= n <= inserted
            commit(d)
        there = ids(d)
        assert there in ([*range(1, k + 1)] for k in (inserted - 1, inserted)) or there == [1, 2, 3, 10]
        until("all is written", lambda: len(lines(out)) >= len(there))
        assert [x["insert"]["id"] for x in lines(out)] == there
    finally:
        d.close()


def test_checkpoint_waits(own, tmp_path):
    d, out = own, tmp_path / "out.json"
    d.run("p", table("t", KEYED, materialized=True) +
          view("v", "SELECT id, s FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True), runtime_config=LEAST)
    start(d)
    push(d, *rows(1, 2))
    r = d.ok("POST", "/v0/pipelines/p/checkpoint").json()
    s = d.stats("p")
    assert s["suspend_error"] == {"Temporary": ["TransactionInProgress"]}
    until("the checkpoint is delayed", lambda: d.stats("p")["checkpoint_activity"]["status"] == "delayed")
    assert d.stats("p")["checkpoint_activity"]["reasons"] == ["TransactionInProgress"]
    status = f"/v0/pipelines/p/checkpoint_status?incarnation_uuid={r['incarnation_uuid']}"
    assert d.ok("GET", status).json()["success"] is None
    commit(d)
    until("the checkpoint is taken", lambda: d.ok("GET", status).json()["success"] == r["checkpoint_sequence_number"])
    # A graceful stop waits for the commit, too; and the ids go on.
    id = start(d)
    push(d, *rows(3))
    d.ok("POST", "/v0/pipelines/p/stop?force=false")
    until("the stop waits", lambda: d.stats("p")["checkpoint_activity"]["status"] == "delayed")
    commit(d, wait=False)
    d.wait_status("p", "Stopped")
    assert [x["insert"]["id"] for x in lines(out)] == [1, 2, 3]
    d.start_pipeline("p")
    assert ids(d) == [1, 2, 3]
    assert start(d) == id + 1


def test_forced_stop_leaves_it_out(own, tmp_path):
    d, out = own, tmp_path / "out.json"
    d.run("p", table("t", KEYED, materialized=True) + view("v", "SELECT id, s FROM t", file_out("o", out, fmt_config=DELTAS)))
    start(d)
    push(d, *rows(1, 2))
    stepped(d, 2)
    d.stop_pipeline("p")
    assert lines(out) == []


@pytest.mark.parametrize("ft", [EXACTLY, LEAST], ids=["exactly_once", "at_least_once"])
@pytest.mark.parametrize("when", ["open", "committed"])
def test_killed_in_the_middle(own, tmp_path, ft, when):
    """What is in the journal is there; the transaction is as it was: still open, or committed, and written once."""
    d, out = own, tmp_path / "out.json"
    d.run("p", table("t", KEYED, materialized=True) +
          view("v", "SELECT id, s FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True), runtime_config=ft)
    d.wait_token("p", push(d, *rows(1)))
    id = start(d)
    push(d, *rows(2, 3))
    push(d, {"delete": {"id": 1, "s": "x"}}, *rows(4))
    stepped(d, 4)
    d.query("p", "INSERT INTO t VALUES (6, 'x')")  # its answer says that this and all before it is in the journal
    if when == "committed":
        commit(d)
    kill(d)
    d.start_pipeline("p")
    until("it runs", lambda: d.get("/v0/pipelines/p?selector=status").json()["deployment_status"] == "Running")
    if when == "open":
        m = metrics(d)
        assert (m["transaction_status"], m["transaction_id"], m["transaction_records"]) == ("TransactionInProgress", id, 5)
        assert ids(d) == [1]
        r = d.post("/v0/pipelines/p/start_transaction")
        assert r.status_code == 409
        push(d, *rows(5))
        commit(d)
    last = [2, 3, 4, 5, 6] if when == "open" else [2, 3, 4, 6]
    assert ids(d) == last
    until("all is written", lambda: len(lines(out)) >= 2 + len(last))
    got = lines(out)
    if ft is EXACTLY:
        assert [x.get("insert", x.get("delete"))["id"] for x in got] == [1, 1, *last] and "delete" in got[1]
    assert metrics(d)["transaction_id"] == 0
    assert start(d) == id + 1


@pytest.mark.parametrize("ft", [EXACTLY, LEAST], ids=["exactly_once", "at_least_once"])
def test_killed_when_it_has_just_begun(own, tmp_path, ft):
    """Nothing is in it yet; it is open all the same, in each life after."""
    d, out = own, tmp_path / "out.json"
    d.run("p", table("t", KEYED, materialized=True) +
          view("v", "SELECT id, s FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True), runtime_config=ft)
    id = start(d)

    def written():
        return any(b'"begin"' in open(f, "rb").read() for f in glob.glob(f"{d.data_dir}/**/journal-*", recursive=True))
    until("the journal has it", written)
    kill(d)
    d.start_pipeline("p")
    assert metrics(d)["transaction_id"] == id and metrics(d)["transaction_status"] == "TransactionInProgress"
    d.query("p", "INSERT INTO t VALUES (1, 'x'), (2, 'x')")  # its answer says that the journal has it
    kill(d)
    d.start_pipeline("p")
    assert metrics(d)["transaction_id"] == id and lines(out) == []
    commit(d)
    until("all of it is written", lambda: len(lines(out)) == 2)


def test_fda(piped):
    d, out = piped

    def fda(*args):
        return subprocess.run([BUILD / "fda", "--host", d.url, *args], capture_output=True, text=True)
    r = fda("commit-transaction", "p")
    assert r.returncode == 1 and "no transaction" in r.stderr
    r = fda("start-transaction", "p")
    assert r.returncode == 0 and r.stdout.startswith("Transaction started successfully with ID: ")
    id = r.stdout.split()[-1]
    token = push(d, *rows(1))
    assert fda("start-transaction", "p").returncode == 1
    r = fda("commit-transaction", "p", "--tid", str(int(id) + 1))
    assert r.returncode == 1 and id in r.stderr
    r = fda("commit-transaction", "p", "-t", id)
    assert (r.returncode, r.stdout) == (0, "Transaction committed successfully.\n")
    d.wait_token("p", token)
    assert len(lines(out)) == 1
    r = fda("--format", "json", "start-transaction", "p")
    assert json.loads(r.stdout) == {"transaction_id": int(id) + 1}
    r = fda("commit", "p", "--no-wait")
    assert r.returncode == 0


def counting(limit, size, **plan):
    """A keyed table with one row whose value counts up: all that shows of a transaction is the last value in it."""
    g = datagen("g", {"limit": limit, **plan, "fields": {"k": {"values": [0]}, "n": {"strategy": "increment", "range": [1, 1000000]}}})
    g["transport"]["config"]["transaction_size"] = size
    return table("t", "k BIGINT NOT NULL PRIMARY KEY, n BIGINT", g, materialized=True)


def shown(out):
    return [x["insert"]["n"] for x in lines(out) if "insert" in x]


def test_connectors_of_their_own(daemon, gone, tmp_path):
    """datagen's transaction_size: each transaction is one batch; the API joins the one that is open, and all of them commit it."""
    d, out = daemon, tmp_path / "out.json"
    d.run(gone("p"), counting(2500, 1000) + view("v", "SELECT n FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True), initial="paused")
    id = start(d)
    d.ok("POST", "/v0/pipelines/p/resume")
    until("the connector has committed its part", lambda: metrics(d)["transaction_initiators"] == {
        "transaction_id": id, "initiated_by_api": "Started", "initiated_by_connectors": {"t.g": {"phase": "Committed", "label": None}}})
    stepped(d, 1000)
    assert d.query("p", "SELECT * FROM v") == []
    commit(d)
    d.wait_complete("p")
    assert shown(out) == [1000, 2000, 2500]
    assert metrics(d)["transaction_id"] == 0


@pytest.mark.parametrize("ft", [EXACTLY, LEAST], ids=["exactly_once", "at_least_once"])
def test_a_connectors_part_is_over_in_the_next_life_too(own, tmp_path, ft):
    """It waits for the commit with what belongs to its next transaction, whoever dies meanwhile."""
    d, out = own, tmp_path / "out.json"
    d.run("p", counting(2500, 1000) + table("u", "id BIGINT", materialized=True) +
          view("v", "SELECT n FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True), runtime_config=ft, initial="paused")
    id = start(d)
    d.ok("POST", "/v0/pipelines/p/resume")
    committed = {"transaction_id": id, "initiated_by_api": "Started", "initiated_by_connectors": {"t.g": {"phase": "Committed", "label": None}}}
    for life in range(1, 4):
        until("the connector has committed its part", lambda: metrics(d)["transaction_initiators"] == committed)
        d.query("p", f"INSERT INTO u VALUES ({life})")  # its answer says that this and all before it is in the journal
        stepped(d, 1000 + life)
        until("the connector has more", lambda: d.input("p", "t.g")["metrics"]["total_records"] > 1000)
        assert metrics(d)["transaction_initiators"] == committed and metrics(d)["transaction_records"] == 1000 + life
        kill(d)
        d.start_pipeline("p")
    commit(d)
    d.wait_complete("p")
    assert shown(out) == [1000, 2000, 2500]


@pytest.mark.parametrize("ft", [EXACTLY, LEAST], ids=["exactly_once", "at_least_once"])
def test_a_connectors_transaction_over_a_kill(own, tmp_path, ft):
    d, out = own, tmp_path / "out.json"
    d.run("p", counting(40000, 4000, rate=20000, worker_chunk_size=100) +
          view("v", "SELECT n FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True), runtime_config=ft)
    for round in range(3):
        until("it goes on", lambda: (metrics(d)["transaction_records"] or 0) > 1000 or metrics(d)["pipeline_complete"])
        kill(d)
        d.start_pipeline("p")
    d.wait_complete("p")
    got, all = shown(out), [4000 * i for i in range(1, 11)]
    assert set(got) == set(all), "nobody ever sees a part of a transaction"
    assert ft is LEAST or got == all


@pytest.mark.parametrize("initial", ["running", "paused"])
def test_a_graceful_stop_in_the_life_after(own, tmp_path, initial):
    """The connector began its transaction in the life before: it ends it first. One that is held cannot, which is said; nothing is lost by it."""
    d, out = own, tmp_path / "out.json"
    d.run("p", counting(900000, 4000, rate=4000, worker_chunk_size=100) +
          view("v", "SELECT n FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True), runtime_config=EXACTLY)
    until("one is open", lambda: (metrics(d)["transaction_records"] or 0) > 100)
    kill(d)
    before = shown(out)
    d.start_pipeline("p", initial=initial)
    d.ok("POST", "/v0/pipelines/p/stop?force=false")
    d.wait_status("p", "Stopped")
    error = d.get("/v0/pipelines/p").json()["deployment_error"]
    got = shown(out)
    if initial == "running":
        assert not error and len(got) > len(before)
    else:
        assert "t.g is in the middle of a transaction and does not run" in error["message"] and got == before, error
    d.start_pipeline("p")
    got = until("it goes on", lambda: len(x := shown(out)) > len(got) + 1 and x)
    assert got == [4000 * i for i in range(1, len(got) + 1)]


def test_a_graceful_stop_ends_a_connectors_transaction(own, tmp_path):
    """Half of one can be neither kept nor shown: the connector ends what it has begun, begins no other, and goes on behind it."""
    d, out = own, tmp_path / "out.json"
    d.run("p", counting(900000, 4000, rate=10000, worker_chunk_size=100) +  # more than there is time for
          view("v", "SELECT n FROM t", file_out("o", out, fmt_config=DELTAS), materialized=True))
    for round in range(2):
        until("one is open", lambda: (metrics(d)["transaction_records"] or 0) > 100)
        d.stop_pipeline("p", force=False)
        got = shown(out)
        assert got == [4000 * i for i in range(1, len(got) + 1)]
        d.start_pipeline("p", initial="paused")  # running, it would commit the next one meanwhile
        assert [r["n"] for r in d.query("p", "SELECT n FROM v")] == got[-1:]
        d.ok("POST", "/v0/pipelines/p/resume")
    got = until("it goes on", lambda: len(x := shown(out)) > len(got) + 1 and x)
    assert got == [4000 * i for i in range(1, len(got) + 1)]
