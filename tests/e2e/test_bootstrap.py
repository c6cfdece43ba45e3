"""A program changed between stop and start: what is unchanged goes on with its state, what changed is computed anew, or refused with
the reason. One test per row of the table in docs/program-changes.md, and what happens around it. test-labels: long"""
import glob
import json
import os
import subprocess

import pytest
from feldera import FelderaClient, Pipeline
from feldera.enums import BootstrapPolicy, PipelineStatus

from hg import FDA, PATIENCE, until
from hg.changes import (COLS, FT, Lines, P, approve, asked, awaiting, count, d, diff, failed, first, go_on, ids, kill, patch, src, src_in, start,
                        status, wait_count, wait_ids)
from hg.kafka import KCAT, Topic
from hg.sql import file_in, file_out, kafka_out, table, view


# --- rows of the table --------------------------------------------------------------------------------------------------------------

def test_nothing_changed(d, src):
    program = table("t", COLS, src_in(src, labels=["a", "b"]), materialized=True) + view("v", "SELECT id, s FROM t WHERE id >= 0", materialized=True)
    same = "-- a remark\n" + program.replace("SELECT id, s FROM t", "select\n  ID, /* which */ S\nfrom T").replace("CREATE TABLE t", "create  table T")
    first(d, program, "v", 100)
    for text in (program, same):
        assert asked(d, text) == diff()
        patch(d, text)
        src.add(10)
        start(d, "reject")
        d.wait_status("p", "Running")
        wait_count(d, "v", src.n)
        assert d.input("p", "t.src")["metrics"]["total_records"] == src.n  # nothing was read twice
        d.stop_pipeline("p", force=False)


def test_flow_control_is_no_difference(d, src):
    first(d, table("t", COLS, src_in(src), materialized=True), "t", 100)
    other = {"transport": {"config": {"follow": True, "path": src.path}, "name": "file_input"}, "max_queued_records": 5000, "paused": True,
             "max_batch_size": 7, "max_queued_bytes": 100000, "max_worker_batch_size": 3,
             "format": {"config": {"update_format": "raw"}, "name": "json"}, "name": "src"}  # members in another order, too
    program = table("t", COLS, other, materialized=True)
    assert asked(d, program) == diff()
    patch(d, program)
    src.add(10)
    start(d, "reject")
    d.wait_status("p", "Running")
    wait_count(d, "t", 110)  # that it runs stands in the checkpoint
    assert not d.input("p", "t.src")["paused"]


def test_view_added(d, src, tmp_path):
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base, "t", 100)
    out = tmp_path / "hot.json"
    program = base + view("hot", "SELECT id, s FROM t WHERE id < 50", file_out("o", out), materialized=True) + view("hot2", "SELECT id FROM hot", materialized=True)
    go_on(d, program, diff(added_views=["hot", "hot2"], added_output_connectors=["hot.o"]))
    assert count(d, "hot") == count(d, "hot2") == 50
    wait_ids(out, range(50))
    src.add(10)
    wait_count(d, "t", 110)
    assert count(d, "hot2") == 50
    kill(d)  # the new state is on disk: no second approval, nothing is computed again
    d.start_pipeline("p")
    wait_count(d, "t", 110)
    assert count(d, "hot") == count(d, "hot2") == 50
    wait_ids(out, range(50))


def test_view_modified(d, src, tmp_path):
    one, two, other = tmp_path / "one.json", tmp_path / "two.json", tmp_path / "other.json"

    def program(limit):
        return (table("t", COLS, src_in(src), materialized=True) + view("v", f"SELECT id, s FROM t WHERE id < {limit}", file_out("o", one), materialized=True) +
                view("w", "SELECT id FROM v", file_out("o", two)) + view("u", "SELECT id FROM t", file_out("o", other), materialized=True))
    first(d, program(10), "v", 10)
    go_on(d, program(20), diff(modified_views=["v", "w"]))
    assert count(d, "v") == 20
    src.add(5)
    wait_count(d, "u", 105)
    wait_ids(one, [*range(10), *range(20)])  # all of it, behind what was there: nothing is taken back
    wait_ids(two, [*range(10), *range(20)])
    wait_ids(other, range(105))  # unchanged: each row once


def test_materialized_is_part_of_a_view(d, src):
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base + view("v", "SELECT id FROM t"), "t", 100)
    go_on(d, base + view("v", "SELECT id FROM t", materialized=True), diff(modified_views=["v"]))
    assert count(d, "v") == 100


def test_view_over_views_that_keep_nothing(d, src):
    """What lies between a new view and the stored rows is evaluated along, but its own outputs hear nothing."""
    base = (table("t", COLS, src_in(src), materialized=True) + table("k", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR", src_in(src)) +
            "CREATE LOCAL VIEW l AS SELECT id, s FROM t WHERE id < 30;\n" + view("m", "SELECT id, s FROM l WHERE id >= 10"))
    first(d, base, "k", 100)
    program = base + view("n", "SELECT id, s FROM m UNION ALL SELECT id, s FROM k UNION ALL SELECT id, s FROM l", materialized=True)
    go_on(d, program, diff(added_views=["n"]))
    assert count(d, "n") == 20 + 100 + 30
    src.add(1)
    wait_count(d, "n", 151)


@pytest.mark.parametrize("change", ["column", "type", "order", "key", "materialized", "append_only", "skip_unused_columns"])
def test_table_modified(d, src, tmp_path, change):
    out = tmp_path / "out.json"

    def program(columns, **properties):
        props = {"connectors": json.dumps([src_in(src)]), **properties}
        quoted = ", ".join(f"'{k}' = '{v}'" for k, v in props.items())
        return (f"CREATE TABLE t ({columns}) WITH ({quoted});\n" + table("other", COLS, src_in(src), materialized=True) +
                view("v", "SELECT id FROM t", file_out("o", out), materialized=True))
    before = program(COLS, materialized="true")
    after = {"column": program(COLS + ", x INT", materialized="true"), "type": program("id INT NOT NULL, s VARCHAR", materialized="true"),
             "order": program("s VARCHAR, id BIGINT NOT NULL", materialized="true"), "key": program("id BIGINT NOT NULL PRIMARY KEY, s VARCHAR", materialized="true"),
             "materialized": program(COLS), "append_only": program(COLS, materialized="true", append_only="true"),
             "skip_unused_columns": program(COLS, materialized="true", skip_unused_columns="true")}[change]
    first(d, before, "v", 100)
    wait_ids(out, range(100))
    src.add(5)
    go_on(d, after, diff(modified_tables=["t"], modified_views=["v"]))
    wait_count(d, "v", 105)  # read again from the beginning of the file
    wait_count(d, "other", 105)
    assert d.input("p", "t.src")["metrics"]["total_records"] == 105
    assert d.input("p", "other.src")["metrics"]["total_records"] == 105
    wait_ids(out, [*range(100), *range(105)])


def test_table_renamed(d, src):
    first(d, table("t", COLS, src_in(src), materialized=True), "t", 100)
    go_on(d, table("t2", COLS, src_in(src), materialized=True),
          diff(added_tables=["t2"], removed_tables=["t"], added_input_connectors=["t2.src"], removed_input_connectors=["t.src"]))
    wait_count(d, "t2", 100)


def test_removed(d, src, tmp_path):
    out = tmp_path / "out.json"
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base + table("gone", COLS, src_in(src), materialized=True) + view("v", "SELECT id FROM gone", file_out("o", out), materialized=True), "v", 100)
    go_on(d, base, diff(removed_tables=["gone"], removed_views=["v"], removed_input_connectors=["gone.src"], removed_output_connectors=["v.o"]))
    wait_count(d, "t", 100)
    (path,) = glob.glob(os.path.join(d.data_dir, "**", "storage"), recursive=True)
    newest = sorted(glob.glob(path + "/checkpoint-*.json"))[-1]
    stored = json.loads(open(newest).read().split("\n", 1)[1])
    assert "gone" not in [r["name"] for r in stored["stores"]["relations"]]
    # back again: it begins anew
    d.stop_pipeline("p", force=False)
    src.add(1)
    go_on(d, base + table("gone", COLS, src_in(src), materialized=True), diff(added_tables=["gone"], added_input_connectors=["gone.src"]))
    wait_count(d, "gone", 101)


def test_output_added(d, src, tmp_path):
    later, all_of_it = tmp_path / "later.json", tmp_path / "all.json"
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base + view("v", "SELECT id FROM t", materialized=True), "v", 100)
    program = base + view("v", "SELECT id FROM t", file_out("later", later), file_out("all", all_of_it, send_snapshot=True), materialized=True)
    go_on(d, program, diff(added_output_connectors=["v.later", "v.all"]))
    src.add(7)
    wait_ids(later, range(100, 107))  # only what changes from now on
    wait_ids(all_of_it, range(107))
    d.stop_pipeline("p", force=False)
    d.start_pipeline("p")  # a snapshot is sent once
    src.add(1)
    wait_ids(later, range(100, 108))
    wait_ids(all_of_it, range(108))


def test_output_modified(d, src, tmp_path):
    out = tmp_path / "out.json"

    def program(**members):
        return (table("t", COLS, src_in(src), materialized=True) +
                view("v", "SELECT id FROM t", file_out("o", out, **members), materialized=True))
    first(d, program(), "v", 100)
    go_on(d, program(enable_output_buffer=True, max_output_buffer_time_millis=10), diff(modified_output_connectors=["v.o"]))
    src.add(3)
    wait_ids(out, range(100, 103))  # fresh: the file was emptied
    d.stop_pipeline("p", force=False)
    go_on(d, program(send_snapshot=True), diff(modified_output_connectors=["v.o"]))
    wait_ids(out, range(103))


def test_inputs_added_modified_removed_renamed(d, src, tmp_path):
    more = Lines(tmp_path / "more.json", 10)
    one = table("t", COLS, src_in(src), materialized=True)
    two = table("t", COLS, src_in(src), src_in(more, "more"), materialized=True)
    first(d, one, "t", 100)
    go_on(d, two, diff(added_input_connectors=["t.more"]))
    wait_count(d, "t", 110)  # earlier rows stay, the new one reads all of its file
    d.stop_pipeline("p", force=False)
    changed = table("t", COLS, src_in(src), src_in(more, "more", labels=["x"]), materialized=True)
    go_on(d, changed, diff(modified_input_connectors=["t.more"]))
    wait_count(d, "t", 120)  # labels count as a change: from the beginning again
    assert d.input("p", "t.src")["metrics"]["total_records"] == 100
    d.stop_pipeline("p", force=False)
    go_on(d, one, diff(removed_input_connectors=["t.more"]))
    src.add(1)
    wait_count(d, "t", 121)  # what it had read stays
    d.stop_pipeline("p", force=False)
    go_on(d, table("t", COLS, src_in(src, "renamed"), materialized=True),
          diff(added_input_connectors=["t.renamed"], removed_input_connectors=["t.src"]))
    wait_count(d, "t", 121 + 101)


def test_ended_and_paused_connectors_stay_so(d, src, tmp_path):
    """A backfill that has ended is not read again because something else changed, and its dependent goes on where it was."""
    hist = Lines(tmp_path / "hist.json", 20)
    base = (table("t", COLS, file_in("hist", hist.path, labels=["hist"]), src_in(src, "live", start_after=["hist"]), materialized=True) +
            table("q", COLS, src_in(src, "held"), materialized=True))
    d.run("p", base, runtime_config=FT)
    wait_count(d, "t", 120)
    wait_count(d, "q", 100)
    d.ok("POST", P + "/tables/q/connectors/held/pause")
    d.stop_pipeline("p", force=False)
    hist.add(5)
    src.add(5)
    go_on(d, base + view("v", "SELECT id FROM t", materialized=True), diff(added_views=["v"]))
    wait_count(d, "v", 125)
    assert d.input("p", "q.held")["paused"] and count(d, "q") == 100
    kill(d)  # the checkpoint of the bootstrap has the positions, too
    d.start_pipeline("p")
    wait_count(d, "v", 125)
    assert d.input("p", "q.held")["paused"] and count(d, "q") == 100


# --- refused --------------------------------------------------------------------------------------------------------------------------

def test_view_over_rows_that_are_not_kept(d, src):
    base = table("t", COLS, src_in(src)) + view("v", "SELECT id FROM t", materialized=True)
    first(d, base, "v", 100)
    program = base + view("w", "SELECT s FROM t", materialized=True)
    answer = asked(d, program)
    assert answer["program_diff"]["added_views"] == ["w"]
    for words in ("not materialized", "'t'", "'w'", "clear the state", "added views: w"):
        assert words in answer["program_diff_error"]
    patch(d, program)
    for policy in ("await_approval", "allow", "reject"):
        start(d, policy)
        error = failed(d)
        assert error["error_code"] == "BootstrapNotAllowed" and "not materialized" in error["message"] and "'t'" in error["message"]
    # the state is still there: the old program goes on
    patch(d, base)
    src.add(1)
    d.start_pipeline("p")
    wait_count(d, "v", 101)
    d.stop_pipeline("p", force=False)
    # cleared, the new one starts anew
    patch(d, program)
    d.ok("POST", P + "/clear")
    until("the storage is cleared", lambda: status(d)["storage_status"] == "Cleared")
    d.start_pipeline("p")
    wait_count(d, "w", 101)
    wait_count(d, "v", 101)


def test_lateness(d, src):
    late = f"CREATE TABLE t (id BIGINT NOT NULL LATENESS 1, s VARCHAR) WITH ('materialized' = 'true', 'connectors' = '{json.dumps([src_in(src)])}');\n"
    first(d, late, "t", 100)
    patch(d, late + view("v", "SELECT id FROM t"))
    start(d, "allow")
    error = failed(d)
    assert error["error_code"] == "BootstrapNotAllowed" and "relations with lateness" in error["message"] and "'t'" in error["message"]
    # connectors alone may change
    program = late.replace('"name": "src"', '"name": "other"')
    assert program != late
    patch(d, program)
    start(d, "allow")
    d.wait_status("p", "Running")
    wait_count(d, "t", 102)  # the waterline is still 98: of what is read once more only two rows are not late


def test_reject(d, src):
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base, "t", 100)
    patch(d, base + view("hot2", "SELECT id FROM t"))
    start(d, "reject")
    error = failed(d)
    assert error["error_code"] == "BootstrapRejected" and "added views: hot2" in error["message"]
    patch(d, base)
    start(d, "reject")
    d.wait_status("p", "Running")
    wait_count(d, "t", 100)


def test_allow_and_silent(d, src, tmp_path):
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base, "t", 100)
    out = tmp_path / "out.json"
    patch(d, base + view("v", "SELECT id FROM t", file_out("o", out), materialized=True))
    start(d, "allow", silent_bootstrap="true")
    d.wait_status("p", "Running")
    p = status(d)
    assert p["bootstrap_policy"] == "allow" and p["silent_bootstrap"] is True
    assert count(d, "v") == 100
    src.add(4)
    wait_ids(out, range(100, 104))  # nothing of what was computed anew
    d.stop_pipeline("p", force=False)
    # the flag of the approval counts, not that of the start
    loud, quiet = tmp_path / "loud.json", tmp_path / "quiet.json"
    for path, silent in ((loud, "false"), (quiet, "true")):
        patch(d, base + view("v", "SELECT id, 1 AS c FROM t" if silent == "true" else "SELECT id, 2 AS c FROM t", file_out(path.stem, path), materialized=True))
        start(d)
        awaiting(d)
        approve(d, silent_bootstrap=silent)
        d.wait_status("p", "Running")
        src.add(1)
        wait_ids(path, range(src.n) if silent == "false" else [src.n - 1])
        d.stop_pipeline("p", force=False)


# --- exactly once ---------------------------------------------------------------------------------------------------------------------

ONCE = {**FT, "fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}}


@pytest.mark.parametrize("point", [None, "state.pack.written", "manifest.written", "manifest.renamed"])
def test_exactly_once(d, src, tmp_path, point):
    out = tmp_path / "out.json"

    def program(limit):
        return table("t", COLS, src_in(src), materialized=True) + view("v", f"SELECT id FROM t WHERE id < {limit}", file_out("o", out), materialized=True)
    first(d, program(10), "v", 10, ONCE)
    patch(d, program(20))
    src.add(5)
    if point:
        d.ok("PATCH", P, json={"runtime_config": {**ONCE, "env": {"HG_FAULT": f"kill:{point}"}}})
        start(d, "allow")
        assert failed(d)["error_code"] == "PipelineProcessCrashed"
        d.ok("PATCH", P, json={"runtime_config": ONCE})
    start(d, "allow")
    d.wait_status("p", "Running")
    wait_count(d, "t", 105)
    wait_ids(out, [*range(10), *range(20)])  # what a crash interrupted was cut off
    d.stop_pipeline("p", force=False)
    assert asked(d) == diff()


@pytest.mark.parametrize("point", [None, "journal.synced:3", "journal.written:5", "state.pack.written", "manifest.written", "manifest.renamed"])
def test_exactly_once_into_kafka(d, src, broker, point):
    """Also where it is killed in the middle of it: what the topic has had of the new view does not come again."""
    topic = Topic(broker)

    def program(limit):
        return (table("t", COLS, src_in(src), materialized=True) +
                view("v", f"SELECT id FROM t WHERE id < {limit}", kafka_out("o", broker, topic.name, "json", {"update_format": "insert_delete"}), materialized=True))

    def sent():
        cmd = [*KCAT, "-b", broker, "-t", topic.name, "-C", "-o", "beginning", "-e", "-X", "isolation.level=read_committed", "-f", "%s\\n"]
        lines = subprocess.run(cmd, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.splitlines()
        return sorted(json.loads(x)["insert"]["id"] for x in lines if x)
    many = point and point.startswith("journal")
    n = 400000 if many else 100  # several parts, each a step
    src.add(n - src.n)
    first(d, program(10), "v", 10, ONCE)
    patch(d, program(1000000))
    if point:
        d.ok("PATCH", P, json={"runtime_config": {**ONCE, "env": {"HG_FAULT": f"kill:{point}"}}})
        start(d, "allow")
        assert failed(d)["error_code"] == "PipelineProcessCrashed"
        d.ok("PATCH", P, json={"runtime_config": ONCE})
    start(d, "allow")
    d.wait_status("p", "Running")
    until("all of the new view follows", lambda: len(sent()) >= n + 10)
    src.add(5)
    until("then what changes", lambda: len(sent()) >= n + 15)
    assert sent() == sorted([*range(10), *range(n + 5)])


@pytest.mark.parametrize("kind", ["file", "kafka"])
def test_killed_in_the_middle_of_a_first_content(d, src, tmp_path, broker, kind):
    """exactly_once: an output that begins with the whole view is killed on the way, again and again; its sink has the view once."""
    topic, out, n = Topic(broker), tmp_path / "out.json", 300000
    src.add(n - src.n)
    sink = (file_out("o", out, send_snapshot=True) if kind == "file" else
            kafka_out("o", broker, topic.name, "json", {"update_format": "insert_delete"}, send_snapshot=True))

    def sent():
        return ids(out) if kind == "file" else [json.loads(m)["insert"]["id"] for m in topic.read() if m]
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base + view("v", "SELECT id FROM t", materialized=True), "v", n, ONCE)
    patch(d, base + view("v", "SELECT id FROM t", sink, materialized=True))
    src.add(10)
    for point in ("written", "synced", "synced"):  # it is sent in steps, before anything is read
        d.ok("PATCH", P, json={"runtime_config": {**ONCE, "env": {"HG_FAULT": f"kill:journal.{point}"}}})
        start(d, "allow")
        assert failed(d)["error_code"] == "PipelineProcessCrashed"
    d.ok("PATCH", P, json={"runtime_config": ONCE})
    start(d, "allow")
    d.wait_status("p", "Running")
    until("what came since then follows", lambda: len(sent()) >= n + 10)
    assert sorted(sent()) == list(range(n + 10))
    kill(d)
    start(d, "allow")
    d.wait_status("p", "Running")
    src.add(1)
    until("it goes on", lambda: len(sent()) >= n + 11)
    assert sorted(sent()) == list(range(n + 11))


def test_journal_of_the_old_program(d, src):
    base = table("t", COLS, src_in(src), materialized=True) + view("v", "SELECT id FROM t", materialized=True)
    first(d, base, "v", 100, ONCE)
    d.start_pipeline("p")
    src.add(5)
    wait_count(d, "v", 105)
    kill(d)  # five rows are in the journal only
    patch(d, base + view("w", "SELECT s FROM t"))
    start(d, "allow")
    error = failed(d)
    assert error["error_code"] in ("BootstrapNotAllowed", "ReplayFailure") and "clear" in error["message"] and "start" in error["message"]
    patch(d, "-- a remark changes nothing\n" + base)
    d.start_pipeline("p")
    wait_count(d, "v", 105)
    d.stop_pipeline("p", force=False)
    patch(d, base + view("w", "SELECT s FROM t"))
    start(d, "allow")
    d.wait_status("p", "Running")
    wait_count(d, "v", 105)


def test_pushed_rows_behind_the_checkpoint(d):
    base = table("t", COLS, materialized=True)
    d.run("p", base, runtime_config=FT)
    d.stop_pipeline("p", force=False)
    d.start_pipeline("p")
    d.wait_token("p", d.ingress("p", "t", '{"id": 1, "s": "x"}').json()["token"])
    kill(d)
    patch(d, base + view("v", "SELECT id FROM t", materialized=True))
    start(d, "allow")
    error = failed(d)
    assert error["error_code"] == "BootstrapNotAllowed" and "start once with the old program" in error["message"]
    patch(d, base)
    d.start_pipeline("p")
    assert count(d, "t") == 1
    d.stop_pipeline("p", force=False)
    patch(d, base + view("v", "SELECT id FROM t", materialized=True))
    start(d, "allow")
    d.wait_status("p", "Running")
    assert count(d, "v") == 1


# --- around it ------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("force", [True, False])
def test_stop_instead_of_an_approval(d, src, force):
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base, "t", 100)
    patch(d, base + view("v", "SELECT id FROM t", materialized=True))
    start(d)
    awaiting(d)
    for method, path in (("GET", "/stats"), ("POST", "/ingress/t?format=json"), ("GET", "/query?sql=select+1"), ("POST", "/checkpoint"),
                         ("POST", "/tables/t/connectors/src/pause"), ("POST", "/egress/t?format=json")):
        r = d.request(method, P + path)
        assert r.status_code == 503 and r.json()["error_code"] == "AwaitingApproval", (path, r.text)
    events = [e for e in d.get(P + "/events?selector=all").json() if e["deployment_runtime_status"] == "AwaitingApproval"]
    assert events[0]["deployment_runtime_status_details"]["approval_diff"]["program_diff"]["added_views"] == ["v"]
    d.stop_pipeline("p", force=force)
    assert status(d)["deployment_error"] is None
    patch(d, base)
    src.add(1)
    start(d, "reject")
    d.wait_status("p", "Running")
    wait_count(d, "t", 101)


def test_paused_start(d, src):
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base, "t", 100)
    patch(d, base + view("v", "SELECT id FROM t", materialized=True))
    src.add(1)
    start(d, initial="paused")
    awaiting(d)
    approve(d)
    d.wait_status("p", "Paused")
    assert count(d, "v") == 100
    d.ok("POST", P + "/resume")
    wait_count(d, "v", 101)
    # the wish may also come while it waits
    d.stop_pipeline("p", force=False)
    patch(d, base)
    start(d)
    awaiting(d)
    assert d.post(P + "/pause").status_code == 202
    assert status(d)["deployment_status"] == "AwaitingApproval"
    approve(d)
    d.wait_status("p", "Paused")


def test_while_bootstrapping(d, src):
    """A sink that takes nothing holds the bootstrap up."""
    src.add(300_000)
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base, "t", src.n)
    patch(d, base + view("v", "SELECT id, s || s || s || s || s || s || s || s AS s FROM t", file_out("o", "/dev/full"), materialized=True))
    src.add(1)
    start(d)
    awaiting(d)
    approve(d)
    p = status(d)
    assert p["deployment_status"] == "Bootstrapping" and "rows read" in p["deployment_runtime_status_details"]["reason"]
    s = d.stats("p")
    assert s["global_metrics"]["bootstrap_in_progress"]
    for method, path in (("POST", "/ingress/t?format=json"), ("GET", "/query?sql=select+1"), ("POST", "/checkpoint"), ("POST", "/egress/t?format=json"),
                         ("POST", "/tables/t/connectors/src/pause")):
        r = d.request(method, P + path)
        assert r.status_code == 503 and r.json()["error_code"] == "BootstrapInProgress", (path, r.text)
    until("the output is full", lambda: d.stats("p")["global_metrics"]["output_stall_msecs"] > 0)
    assert d.input("p", "t.src")["metrics"]["total_records"] == src.n - 1  # inputs do not flow
    assert status(d)["deployment_status"] == "Bootstrapping"
    d.stop_pipeline("p", force=False)  # what was computed is given up
    assert status(d)["deployment_error"] is None
    patch(d, base)
    start(d, "reject")
    d.wait_status("p", "Running")
    wait_count(d, "t", src.n)


POINTS = ["state.pack.written", "manifest.written", "manifest.synced", "manifest.renamed", "manifest.done"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("back", [True, False])
def test_killed_while_bootstrapping(d, src, tmp_path, point, back):
    """Afterwards the folder holds the old state or the new one, whichever program comes next."""
    out = tmp_path / "out.json"
    old = table("t", COLS, src_in(src), materialized=True) + view("v", "SELECT id FROM t WHERE id < 10", file_out("o", out), materialized=True)
    new = table("t", COLS, src_in(src), materialized=True) + view("v", "SELECT id FROM t WHERE id < 20", file_out("o", out), materialized=True)
    first(d, old, "v", 10)
    wait_ids(out, range(10))
    patch(d, new)
    d.ok("PATCH", P, json={"runtime_config": {**FT, "env": {"HG_FAULT": f"kill:{point}"}}})
    src.add(5)
    start(d, "allow")
    assert failed(d)["error_code"] == "PipelineProcessCrashed"
    d.ok("PATCH", P, json={"runtime_config": FT, **({"program_code": old} if back else {})})
    until("compiled", lambda: d.get(P).json()["program_status"] == "Success")
    durable = point in ("manifest.renamed", "manifest.done")
    assert asked(d) == (diff(modified_views=["v"]) if durable == back else diff())
    start(d, "allow")
    d.wait_status("p", "Running")
    wait_count(d, "t", 105)
    assert count(d, "v") == (10 if back else 20)
    assert d.input("p", "t.src")["metrics"]["total_records"] == 105
    got = until("the file has all", lambda: (x := ids(out)) and set(x) == set(range(20 if not back or durable else 10)) and x)
    assert got[:10] == list(range(10))


def test_a_view_that_fails_on_old_rows(d, src):
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base, "t", 100)
    patch(d, base + view("v", "SELECT 10 / (id - 50) AS x FROM t", materialized=True))
    start(d, "allow")
    assert failed(d)["error_code"] == "RuntimeError.WorkerPanic"
    patch(d, base)
    start(d, "reject")
    d.wait_status("p", "Running")
    wait_count(d, "t", 100)


def test_diff_without_state(d, src):
    base = table("t", COLS, src_in(src), materialized=True)
    d.create("p", base)
    program = base + view("v", "SELECT id FROM t")
    assert asked(d) == diff()
    assert asked(d, program) == diff(added_views=["v"])
    r = d.post(P + "/diff", json={"program_code": "CREATE TABEL t (x INT);"})
    assert r.status_code == 400 and r.json()["error_code"] == "InvalidNewProgramSql"


def test_fixed_settings(d, src):
    first(d, table("t", COLS, src_in(src), materialized=True), "t", 100)
    for config, field in (({**FT, "workers": 3}, "workers"), ({"fault_tolerance": {"model": "none"}}, "fault_tolerance"),
                          ({**FT, "clock_timezone_offset": "+02:00"}, "clock_timezone_offset")):
        r = d.request("PATCH", P, json={"runtime_config": config})
        assert r.status_code == 400 and r.json()["error_code"] == "EditRestrictedToClearedStorage", r.text
        assert r.json()["details"]["not_allowed"] == [f"`runtime_config.{field}`"]
    d.ok("PATCH", P, json={"runtime_config": {**FT, "min_batch_size_records": 5}})


def test_large_state(d, src, tmp_path):
    """More rows than one part, through an output whose queue is smaller."""
    src.add(200_000)
    base = table("t", COLS, src_in(src), materialized=True) + table("k", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR", src_in(src), materialized=True)
    first(d, base, "k", src.n)
    out = tmp_path / "out.json"
    go_on(d, base + view("v", "SELECT id FROM t UNION ALL SELECT id FROM k", file_out("o", out), materialized=True),
          diff(added_views=["v"], added_output_connectors=["v.o"]))
    assert count(d, "v") == 2 * src.n
    until("all rows are out", lambda: len(ids(out)) == 2 * src.n)
    assert sorted(ids(out)) == sorted([*range(src.n)] * 2)


# --- clients --------------------------------------------------------------------------------------------------------------------------

def test_fda(d, src, tmp_path):
    def fda(*args, code=0, stdin=""):
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("FELDERA_")}, "FELDERA_HOST": d.url}
        r = subprocess.run([FDA, *args], input=stdin, env=env, capture_output=True, text=True, timeout=PATIENCE)
        assert r.returncode == code, f"fda {' '.join(args)}: {r.returncode}\n{r.stdout}{r.stderr}"
        return r.stderr if code else r.stdout
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base, "t", 100)
    program = base + view("v", "SELECT id FROM t", materialized=True)
    path = tmp_path / "new.sql"
    path.write_text(program)
    want = {k: v for k, v in diff(added_views=["v"]).items() if v is not None}
    assert json.loads(fda("diff", "p", str(path))) == json.loads(fda("diff", "p", "--stdin", stdin=program)) == want
    assert fda("diff", "nope", code=1) == "Unknown pipeline name 'nope'\n"
    assert "Invalid runtime version 'v9'" in fda("diff", "p", "--runtime-version", "v9", code=1)
    assert fda("program", "set", "p", str(path)) == "Program updated successfully.\n"
    assert "added views: v" in fda("start", "p", "-b", "reject", code=1)
    said = fda("start", "p")
    assert "`fda approve`" in said and 'added_views | "v"' in said.replace(" " * 2, " ")
    assert "program_diff_error" in fda("start", "p", "--format", "json")
    assert "exclude each other" in fda("approve", "p", "--silent-bootstrap", "--concurrent-bootstrap", code=1)
    assert fda("approve", "p", "--silent-bootstrap") == "Pipeline changes approved successfully.\n"
    d.wait_status("p", "Running")
    assert "does not wait for an approval" in fda("approve", "p", code=1)
    assert fda("stop", "-c", "p") == "Pipeline stopped successfully.\n"
    fda("program", "set", "p", "--stdin", stdin=base)
    assert fda("start", "p", "--bootstrap-policy", "allow") == "Pipeline started successfully.\n"


def test_sdk(d, src):
    base = table("t", COLS, src_in(src), materialized=True)
    first(d, base, "t", 100)
    client = FelderaClient(d.url)
    p = Pipeline.get("p", client)
    p.modify(sql=base + view("v", "SELECT id FROM t", materialized=True))
    p.start(bootstrap_policy=BootstrapPolicy.AWAIT_APPROVAL)
    assert p.status() == PipelineStatus.AWAITINGAPPROVAL and p.bootstrap_policy() == BootstrapPolicy.AWAIT_APPROVAL
    p.approve()
    until("it runs", lambda: p.status() == PipelineStatus.RUNNING)
    assert len(list(p.query("SELECT * FROM v"))) == 100
    p.stop(force=False)
    p.modify(sql=base)
    with pytest.raises(RuntimeError, match="removed views: v"):
        p.start(bootstrap_policy=BootstrapPolicy.REJECT)
    p.start(bootstrap_policy=BootstrapPolicy.ALLOW)
    assert p.status() == PipelineStatus.RUNNING
