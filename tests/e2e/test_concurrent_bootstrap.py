"""A changed program whose inputs run while its new views are computed (concurrent_bootstrap). test-labels: long"""
import json
import os
import subprocess

import pytest
import requests
from feldera import FelderaClient, Pipeline
from feldera.enums import BootstrapPolicy, PipelineStatus

from hg import FDA, PATIENCE, until, whole_lines
from hg.changes import (COLS, FT, Lines, P, approve, asked, awaiting, count, d, diff, failed, first, ids, kill, patch, src, src_in, start, status,
                        wait_count)
from hg.iggy import Server
from hg.sql import datagen, file_in, file_out, iggy_out, table, view

ROWS = 200_000
PAD = "REPEAT('-', 400) AS s"


class Held:
    """A sink that is away until somebody says so: a view whose output waits for it is not computed to its end before."""

    def __init__(self):
        self.server = Server(standin=True)
        with self.server.client() as c:
            c.create("s", "t")
        self.server.stop()

    def output(self):
        return iggy_out("o", self.server, "s", "t", max_queued_records=100)

    def release(self):
        self.server.start()

    def changes(self):
        with self.server.client() as c:
            return [json.loads(line) for m in c.read("s", "t") for line in m.payload.splitlines()]

    def ids(self):
        return [m["insert"]["id"] for m in self.changes()]


@pytest.fixture
def sink():
    held = Held()
    yield held
    held.server.close()


def old_program(src, tmp_path):
    return (table("t", COLS, src_in(src), materialized=True) +
            view("old", "SELECT id FROM t", file_out("o", tmp_path / "old.json"), materialized=True))


SOME = "SELECT id, REPEAT(s, 150) AS s FROM t WHERE MOD(id, 10) = 0"  # more than an output has room for


def some(n):
    return list(range(0, n, 10))


def settled(d):
    """The state of the changed program is durable: a start needs no approval any more."""
    until("it is over", lambda: not d.stats("p")["global_metrics"]["bootstrap_in_progress"])


def wait_lines(path, n):
    until(f"{n} lines in {path}", lambda: len(whole_lines(path)) == n)


def changed(d, src, tmp_path, sink, config=FT):
    """The pipeline has been stopped with many rows, and computes a new view beside its steps."""
    src.add(ROWS)
    base = old_program(src, tmp_path)
    first(d, base, "old", src.n, config)
    patch(d, base + view("v", SOME, sink.output(), materialized=True))
    start(d, "allow", concurrent_bootstrap="true")
    d.wait_status("p", "ConcurrentBootstrapping")


def refused(d, method, path, **more):
    r = d.request(method, P + path, **more)
    assert r.status_code == 503 and r.json()["error_code"] == "BootstrapInProgress", (path, r.text)
    return r.json()["message"]


def test_inputs_run_meanwhile(d, src, tmp_path, sink):
    changed(d, src, tmp_path, sink)
    until("rows of the new view wait", lambda: d.stats("p")["global_metrics"]["concurrent_bootstrap_progress"]["in_progress_processed_records"] > 0)
    src.add(1000)
    wait_lines(tmp_path / "old.json", src.n)  # the old view goes on, table and all
    assert count(d, "t") == count(d, "old") == src.n
    g = d.stats("p")["global_metrics"]
    assert g["concurrent_bootstrap_phase"] == "ConcurrentBootstrapping" and g["bootstrap_in_progress"] and g["state"] == "Running"
    progress = g["concurrent_bootstrap_progress"]
    assert (progress["completed"], progress["in_progress"], progress["remaining"]) == (0, 1, 0)
    assert 0 < progress["in_progress_processed_records"] < progress["in_progress_total_records"] == src.n
    assert d.stats("p")["suspend_error"] == {"Temporary": ["Bootstrapping"]}
    assert "rows read" in status(d)["deployment_runtime_status_details"]["reason"]
    assert "'v'" in refused(d, "GET", "/query?sql=select+count(*)+from+v&format=json")
    for path in ("/ingress/t?format=json", "/checkpoint", "/start_transaction"):
        refused(d, "POST", path, data='{"id": 1, "s": "x"}')
    assert "BootstrapInProgress" in d.get(P + "/query?sql=insert+into+t+values+(1,'x')&format=json").text
    d.ok("POST", P + "/tables/t/connectors/src/pause")
    src.add(10)
    d.ok("POST", P + "/tables/t/connectors/src/start")
    wait_lines(tmp_path / "old.json", src.n)
    sink.release()
    d.wait_status("p", "Running")
    until("the sink has all", lambda: sorted(sink.ids()) == some(src.n))
    settled(d)
    g = d.stats("p")["global_metrics"]
    assert g["concurrent_bootstrap_phase"] == "Inactive" and g["concurrent_bootstrap_progress"] is None
    assert count(d, "v") == len(some(src.n))
    src.add(100)
    d.ok("POST", P + "/ingress/t?format=json&update_format=raw", data=json.dumps({"id": 10 * src.n, "s": "pushed"}))
    wait_count(d, "v", len(some(src.n)) + 1)
    kill(d)  # the new state is there, with what came since
    d.start_pipeline("p")
    for relation, n in (("t", src.n + 1), ("old", src.n + 1), ("v", len(some(src.n)) + 1)):
        wait_count(d, relation, n)
    assert asked(d) == diff()


def fold(changes, key="id"):
    """What a sink has that keeps rows by key; a row that is deleted must be there."""
    rows = {}
    for change in changes:
        if "delete" in change:
            assert rows.pop(change["delete"][key]) == change["delete"], change
        else:
            assert change["insert"][key] not in rows, change
            rows[change["insert"][key]] = change["insert"]
    return rows


def test_rows_change_before_they_are_read(d, tmp_path, sink):
    """What is updated and deleted while contents are read reaches the new view behind them: nothing leaves before it came."""
    path = tmp_path / "in.json"
    n = 200_000
    def write(lines, mode="a"):
        with open(path, mode) as f:
            f.writelines(json.dumps(x) + "\n" for x in lines)
    write(({"insert": {"id": i, "v": 0}} for i in range(n)), "w")
    fmt = {"update_format": "insert_delete"}
    base = (table("k", "id BIGINT NOT NULL PRIMARY KEY, v BIGINT", file_in("src", path, fmt_config=fmt, follow=True), materialized=True) +
            view("old", "SELECT * FROM k", materialized=True))
    first(d, base, "k", n)
    more = table("w", "id BIGINT NOT NULL PRIMARY KEY, v BIGINT", file_in("more", path, fmt_config=fmt, follow=True), materialized=True)
    patch(d, base + more + view("v", f"SELECT id, v, {PAD} FROM k WHERE v < 2 AND MOD(id, 10) < 3 UNION ALL SELECT id + 1000000, v, 'w' FROM w WHERE MOD(id, 10) < 3",
                                sink.output(), materialized=True))
    start(d, "allow", concurrent_bootstrap="true")
    d.wait_status("p", "ConcurrentBootstrapping")
    write([{"insert": {"id": i, "v": 1}} for i in range(0, n, 3)] + [{"delete": {"id": i}} for i in range(1, n, 3)] +
          [{"insert": {"id": i, "v": 2}} for i in range(2, n, 3)] + [{"insert": {"id": n + i, "v": 1}} for i in range(5)])
    left = len(range(0, n, 3)) + len(range(2, n, 3)) + 5
    wait_count(d, "k", left)
    wait_count(d, "w", left)  # a table that is new has read all of it meanwhile
    sink.release()
    d.wait_status("p", "Running")
    rows = {**{i: 1 for i in [*range(0, n, 3), *range(n, n + 5)]}, **{i: 2 for i in range(2, n, 3)}}
    want = {i: {"id": i, "v": v, "s": 400 * "-"} for i, v in rows.items() if v < 2 and i % 10 < 3}
    want |= {1000000 + i: {"id": 1000000 + i, "v": v, "s": "w"} for i, v in rows.items() if i % 10 < 3}
    until("the sink has the view", lambda: fold(sink.changes()) == want)
    assert count(d, "v") == len(want)


def test_killed_meanwhile(d, src, tmp_path, sink):
    """The state of the old program is there with its positions: everything since comes again."""
    changed(d, src, tmp_path, sink)
    src.add(500)
    wait_count(d, "old", src.n)
    kill(d)
    assert asked(d) == diff(added_views=["v"], added_output_connectors=["v.o"])
    start(d, "allow", concurrent_bootstrap="true")
    d.wait_status("p", "ConcurrentBootstrapping")
    wait_count(d, "old", src.n)
    kill(d)
    start(d, "allow")  # and the other way, too
    sink.release()
    d.wait_status("p", "Running")
    wait_count(d, "v", len(some(src.n)))
    assert count(d, "t") == src.n
    until("each row has come", lambda: set(sink.ids()) == set(some(src.n)))
    assert set(ids(tmp_path / "old.json")) == set(range(src.n))


@pytest.mark.parametrize("point", ["state.pack.written", "manifest.written", "manifest.renamed", "manifest.done"])
def test_killed_while_the_state_is_stored(d, tmp_path, point):
    """Old or new state, and every row that was read meanwhile, from a source with an end, too: its end is not known before its rows are."""
    hist = Lines(tmp_path / "hist.json", 20)
    live = Lines(tmp_path / "live.json", 7)
    inputs = (file_in("hist", hist.path, labels=["hist"]), src_in(live, "live", start_after=["hist"]))
    keep = table("keep", COLS, src_in(live, "keep"), materialized=True)
    first(d, keep, "keep", 7)
    new = keep + table("t", COLS, *inputs, materialized=True) + view("v", "SELECT id FROM t UNION ALL SELECT id FROM keep", materialized=True)
    patch(d, new)
    d.ok("PATCH", P, json={"runtime_config": {**FT, "env": {"HG_FAULT": f"kill:{point}"}}})
    start(d, "allow", concurrent_bootstrap="true")
    assert failed(d)["error_code"] == "PipelineProcessCrashed"
    d.ok("PATCH", P, json={"runtime_config": FT})
    durable = point in ("manifest.renamed", "manifest.done")
    assert (asked(d) == diff()) == durable
    live.add(3)
    start(d, "allow", concurrent_bootstrap="true")
    d.wait_status("p", "Running")
    wait_count(d, "t", 20 + 10)
    wait_count(d, "v", 20 + 10 + 10)
    assert d.input("p", "t.hist")["metrics"]["end_of_input"]
    settled(d)
    kill(d)
    d.start_pipeline("p")
    wait_count(d, "v", 20 + 10 + 10)


@pytest.mark.parametrize("point", ["manifest.written", "manifest.done"])
def test_steps_while_the_state_is_stored(d, src, tmp_path, point):
    """Steps between the checkpoint's cut and its end are not on disk before it is: there would be a gap before them."""
    base = old_program(src, tmp_path)
    first(d, base, "old", 100)
    patch(d, base + view("v", "SELECT id FROM t", materialized=True))
    d.ok("PATCH", P, json={"runtime_config": {**FT, "env": {"HG_FAULT": f"hang:{point}"}}})
    src.add(50)
    start(d, "allow", concurrent_bootstrap="true")
    wait_lines(tmp_path / "old.json", src.n)
    d.wait_status("p", "Running")
    wait_count(d, "v", src.n)
    src.add(70)
    wait_count(d, "v", src.n)
    wait_lines(tmp_path / "old.json", src.n)
    assert d.stats("p")["global_metrics"]["bootstrap_in_progress"]
    refused(d, "POST", "/checkpoint")
    kill(d)
    d.ok("PATCH", P, json={"runtime_config": FT})
    assert (asked(d) == diff()) == (point == "manifest.done")
    start(d, "allow", concurrent_bootstrap="true")
    d.wait_status("p", "Running")
    for relation in ("t", "old", "v"):
        wait_count(d, relation, src.n)


def test_transactions_meanwhile(d, src, tmp_path, sink):
    """A connector's transactions open and commit while a view is computed; it takes over between two of them."""
    n = 40_000
    made = datagen("gen", {"limit": n, "rate": 20_000, "fields": {"id": {"strategy": "increment"}}}, transaction_size=700)
    base = old_program(src, tmp_path) + table("g", "id BIGINT NOT NULL PRIMARY KEY", made, materialized=True)
    src.add(ROWS)
    first(d, base, "old", src.n)
    patch(d, base + view("v", f"{SOME} UNION ALL SELECT id + 10000000, 'g' FROM g", sink.output(), materialized=True))
    start(d, "allow", concurrent_bootstrap="true")
    d.wait_status("p", "ConcurrentBootstrapping")
    wait_count(d, "g", n)
    sink.release()
    d.wait_status("p", "Running")
    assert count(d, "v") == len(some(src.n)) + n
    until("the sink has all", lambda: len(sink.ids()) == len(some(src.n)) + n)
    assert sorted(sink.ids()) == some(src.n) + list(range(10_000_000, 10_000_000 + n))


def test_stopped_meanwhile(d, src, tmp_path, sink):
    """A graceful stop ends what is computed; one with force gives it up."""
    changed(d, src, tmp_path, sink)
    d.stop_pipeline("p", force=True)
    assert asked(d) != diff()
    start(d, "allow", concurrent_bootstrap="true")
    d.wait_status("p", "ConcurrentBootstrapping")
    src.add(10)
    wait_count(d, "old", src.n)
    d.ok("POST", P + "/stop?force=false")
    sink.release()
    d.wait_status("p", "Stopped")
    assert status(d)["deployment_error"] is None and asked(d) == diff()
    start(d, "reject")
    d.wait_status("p", "Running")
    assert count(d, "old") == src.n and count(d, "v") == len(some(src.n))
    until("the sink has all", lambda: set(sink.ids()) == set(some(src.n)))


def test_pushed_meanwhile(d, src, tmp_path, sink):
    """Without fault tolerance pushes and INSERT are taken, and a graceful stop keeps them."""
    changed(d, src, tmp_path, sink, config={"storage": True, "dev_tweaks": FT["dev_tweaks"]})
    d.ok("POST", P + "/ingress/t?format=json&update_format=raw", data=json.dumps({"id": src.n, "s": "pushed"}))
    d.query("p", f"INSERT INTO t VALUES ({src.n + 1}, 'inserted')")
    wait_count(d, "old", src.n + 2)
    d.ok("POST", P + "/stop?force=false")
    sink.release()
    d.wait_status("p", "Stopped")
    start(d, "reject")
    d.wait_status("p", "Running")
    assert count(d, "t") == src.n + 2 and count(d, "v") == len(some(src.n + 2))


def test_changes_are_followed_meanwhile(d, src, tmp_path, sink):
    """Who listens to a view that is being computed gets all of it in the end."""
    changed(d, src, tmp_path, sink)
    seen = {}
    with requests.post(d.url + P + "/egress/v?format=json&backpressure=true&send_snapshot=true", stream=True, timeout=PATIENCE) as r:
        assert r.status_code == 200, r.text
        sink.release()
        for line in r.iter_lines():
            for change in json.loads(line).get("json_data") or []:
                row = change["insert"]["id"]
                assert row not in seen
                seen[row] = True
            if len(seen) == len(some(src.n)):
                break
    d.wait_status("p", "Running")


def test_a_view_that_fails_on_old_rows(d, src, tmp_path):
    base = old_program(src, tmp_path)
    first(d, base, "old", 100)
    patch(d, base + view("v", "SELECT 10 / (id - 50) AS x FROM t", materialized=True))
    start(d, "allow", concurrent_bootstrap="true")
    assert failed(d)["error_code"] == "RuntimeError.WorkerPanic"
    patch(d, base)
    start(d, "reject")
    d.wait_status("p", "Running")
    wait_count(d, "old", 100)


def test_refused(d, src, tmp_path):
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base, "t", 100, {**FT, "fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}})
    patch(d, base + view("v", "SELECT id FROM t", materialized=True))
    start(d, "allow", concurrent_bootstrap="true")
    error = failed(d)
    assert error["error_code"] == "BootstrapNotAllowed" and "exactly_once" in error["message"]
    start(d)
    awaiting(d)
    r = d.post(P + "/approve?concurrent_bootstrap=true")
    assert r.status_code == 400 and r.json()["error_code"] == "BootstrapNotAllowed", r.text
    r = d.post(P + "/approve?concurrent_bootstrap=true&silent_bootstrap=true")
    assert r.status_code == 400 and r.json()["error_code"] == "InvalidBootstrapConfig"
    assert status(d)["deployment_status"] == "AwaitingApproval"
    approve(d)
    d.wait_status("p", "Running")
    r = d.post(P + "/approve")
    assert r.status_code == 400 and r.json()["error_code"] == "InvalidTransition"


def test_clients(d, src, tmp_path):
    def fda(*args):
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("FELDERA_")}, "FELDERA_HOST": d.url}
        r = subprocess.run([FDA, *args], env=env, capture_output=True, text=True, timeout=PATIENCE)
        assert r.returncode == 0, f"fda {' '.join(args)}: {r.returncode}\n{r.stdout}{r.stderr}"
        return r.stdout
    base = old_program(src, tmp_path)
    first(d, base, "old", 100)
    patch(d, base + view("v", "SELECT id FROM t", materialized=True))
    start(d)
    awaiting(d)
    assert fda("approve", "p", "--concurrent-bootstrap") == "Pipeline changes approved successfully.\n"
    d.wait_status("p", "Running")
    wait_count(d, "v", 100)
    d.stop_pipeline("p", force=False)
    patch(d, base)
    p = Pipeline.get("p", FelderaClient(d.url))
    p.start(bootstrap_policy=BootstrapPolicy.ALLOW, concurrent_bootstrap=True)
    assert p.status() == PipelineStatus.RUNNING
    p.stop(force=False)
    patch(d, base + view("v", "SELECT id + 1 AS id FROM t", materialized=True))
    assert fda("start", "p", "--bootstrap-policy", "allow", "--concurrent-bootstrap") == "Pipeline started successfully.\n"
    wait_count(d, "v", 100)
