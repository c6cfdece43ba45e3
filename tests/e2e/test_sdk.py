"""The Feldera Python SDK 0.349.0, unchanged, against the daemon. test-labels: long"""
import contextlib
import datetime
import decimal
import threading
import uuid

import pandas
import pytest
from feldera import FelderaClient, Pipeline, PipelineBuilder
from feldera.enums import CompletionTokenStatus, FaultToleranceModel, PipelineStatus, ProgramStatus, StorageStatus, TransactionStatus
from feldera.rest.errors import FelderaAPIError
from feldera.runtime_config import RuntimeConfig

from hg import PATIENCE, until
from hg.firefox import CpuProfile
from hg.sql import datagen, file_out, table, view

PEOPLE = ("CREATE TABLE people (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR, paid DECIMAL(38, 10)) WITH ('materialized' = 'true');\n"
          "CREATE MATERIALIZED VIEW adults AS SELECT id, UPPER(name) AS name, paid FROM people WHERE id >= 18;\n")


@pytest.fixture(scope="module")
def client(daemon):
    return FelderaClient(daemon.url)


@pytest.fixture
def build(client, request):
    """create_or_replace a pipeline named after the test; gone afterwards."""
    made = []

    def make(sql, **kw):
        p = PipelineBuilder(client, request.node.name.replace("test_", "sdk-").replace("[", "-").replace("]", ""), sql, **kw).create_or_replace()
        made.append(p)
        return p
    yield make
    for p in made:
        try:
            p.stop(force=True)
            p.clear_storage()
            p.delete()
        except FelderaAPIError as e:
            assert e.error_code == "UnknownPipelineName", e


def test_client_knows_the_version(client):
    config = client.get_config()
    assert config.version == "0.349.0" and str(config.edition.value).lower() in ("enterprise", "open source")


def test_life_of_a_pipeline(build, client):
    p = build(PEOPLE, description="people", tags=["a", "b|00ff00"])
    assert p.status() == PipelineStatus.STOPPED
    assert p.program_status() == ProgramStatus.Success
    assert p.description() == "people" and p.tags() == ["a", "b|00ff00"]
    assert p.storage_status() == StorageStatus.CLEARED
    p.start()
    assert p.status() == PipelineStatus.RUNNING
    p.pause()
    assert p.status() == PipelineStatus.PAUSED
    p.resume()
    assert p.status() == PipelineStatus.RUNNING
    p.restart()
    assert p.status() == PipelineStatus.RUNNING
    p.stop(force=False)
    assert p.status() == PipelineStatus.STOPPED
    assert p.storage_status() == StorageStatus.INUSE
    p.clear_storage()
    p.delete()
    with pytest.raises(FelderaAPIError) as e:
        Pipeline.get(p.name, client)
    assert e.value.error_code == "UnknownPipelineName"
    assert p.status() == PipelineStatus.NOT_FOUND


def test_create_refuses_an_existing_name(build, client):
    p = build(PEOPLE)
    with pytest.raises(RuntimeError, match="already exists"):
        PipelineBuilder(client, p.name, PEOPLE).create()
    assert p.name in [x.name for x in Pipeline.all(client)]


def test_create_or_replace_of_a_running_pipeline(build, client):
    p = build(PEOPLE)
    p.start()
    p.input_json("people", {"id": 20, "name": "x"})
    again = build("CREATE TABLE other (a INT) WITH ('materialized' = 'true');")
    assert again.name == p.name and again.status() == PipelineStatus.STOPPED
    again.start()
    assert list(again.query("SELECT COUNT(*) AS n FROM other")) == [{"n": 0}]


def test_start_paused_and_force(build):
    p = build(PEOPLE)
    p.start_paused()
    assert p.status() == PipelineStatus.PAUSED
    with pytest.raises(RuntimeError, match="force"):
        p.input_json("people", {"id": 1})
    p.input_json("people", [{"id": 1, "name": "a"}, {"id": 2}], force=True)
    assert sorted(x["id"] for x in p.query("SELECT id FROM people")) == [1, 2]
    p.resume()
    p.input_json("people", {"id": 3})
    assert list(p.query("SELECT COUNT(*) AS n FROM people")) == [{"n": 3}]


def test_input_json_and_query(build):
    p = build(PEOPLE)
    p.start()
    p.input_json("people", [{"id": i, "name": f"n{i}", "paid": i} for i in range(40)])
    p.input_json("people", [{"insert": {"id": 40, "name": "last"}}, {"delete": {"id": 39}}], update_format="insert_delete")
    p.input_json("people", [])
    rows = sorted(p.query("SELECT * FROM adults"), key=lambda x: x["id"])
    assert [x["id"] for x in rows] == list(range(18, 39)) + [40]
    assert rows[0] == {"id": 18, "name": "N18", "paid": 18} and rows[-1] == {"id": 40, "name": "LAST", "paid": None}
    text = "\n".join(p.query_tabular("SELECT id, name FROM people WHERE id < 2 ORDER BY id"))
    assert text == "+----+------+\n| id | name |\n+----+------+\n| 0  | n0   |\n| 1  | n1   |\n+----+------+"


def test_exact_decimals(build):
    p = build(PEOPLE)
    p.start()
    exact = decimal.Decimal("1234567890123456789012345678.0123456789")
    out = p.listen("adults")
    p.input_json("people", {"id": 18, "name": "x", "paid": str(exact)})
    assert list(p.query("SELECT paid FROM adults")) == [{"paid": exact}]
    row = until("the change arrives", lambda: out.to_dict(clear_buffer=False))[0]
    assert row["paid"] == exact and row["insert_delete"] == 1


def test_bad_input(build):
    p = build(PEOPLE)
    p.start()
    with pytest.raises(FelderaAPIError) as e:
        p.input_json("people", [{"id": 1}, {"id": "x"}], update_format="raw")
    assert e.value.error_code == "ParseErrors" and e.value.details["num_errors"] == 1
    with pytest.raises(FelderaAPIError) as e:
        p.input_json("nobody", {"id": 1})
    assert e.value.error_code == "ConfigError.UnknownInputStream"
    with pytest.raises(FelderaAPIError) as e:
        list(p.query("SELECT nothing FROM people"))
    assert e.value.error_code == "AdHocQueryError" and "nothing" in e.value.message


def test_input_pandas_and_csv(build, client):
    p = build("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, at TIMESTAMP, s VARCHAR) WITH ('materialized' = 'true');")
    p.start()
    p.input_pandas("t", pandas.DataFrame({"id": [1, 2], "at": pandas.to_datetime(["2024-02-29 12:00:00.500", "1969-12-31 23:59:59.000"]), "s": ["x", None]}))
    token = client.push_to_pipeline(p.name, "t", "csv", "3,2025-01-01 00:00:00,\"a,b\"\n")
    p.wait_for_token(token if isinstance(token, str) else token["token"])
    assert sorted(p.query("SELECT * FROM t"), key=lambda x: x["id"]) == [
        {"id": 1, "at": "2024-02-29T12:00:00.500", "s": "x"}, {"id": 2, "at": "1969-12-31T23:59:59", "s": None},
        {"id": 3, "at": "2025-01-01T00:00:00", "s": "a,b"}]


def test_listen(build):
    p = build(PEOPLE)
    p.start_paused()
    out, table_out = p.listen("adults"), p.listen("people")
    p.resume()
    p.input_json("people", [{"id": 17, "name": "no"}, {"id": 18, "name": "yes"}])
    p.input_json("people", [{"delete": {"id": 18}}], update_format="insert_delete")
    rows = []

    def both():
        rows.extend(out.to_dict())
        return len(rows) >= 2
    until("both changes are there", both)
    assert [(r["id"], r["name"], r["insert_delete"]) for r in rows] == [(18, "YES", 1), (18, "YES", -1)]
    assert len(until("the table's changes are there", lambda: len(x := table_out.to_dict(clear_buffer=False)) >= 3 and x)) == 3


def test_foreach_chunk(build):
    p = build(PEOPLE)
    p.start()
    seen, done = [], threading.Event()

    def chunk(df, seq):
        seen.append((seq, len(df)))
        if sum(n for _, n in seen) == 100:
            done.set()
    p.foreach_chunk("adults", chunk)
    p.input_json("people", [{"id": i} for i in range(18, 118)])
    assert done.wait(PATIENCE)
    numbers = [s for s, _ in seen]
    assert numbers == sorted(set(numbers))


def test_wait_for_completion_and_stats(build, tmp_path):
    p = build(table("t", "n BIGINT NOT NULL", datagen("gen", {"limit": 5000})) +
              view("v", "SELECT n FROM t WHERE n >= 1000", file_out("sink", tmp_path / "out.json")))
    p.start()
    p.wait_for_completion(timeout_s=PATIENCE)
    assert p.is_complete()
    g = p.stats().global_metrics
    assert g.total_input_records == g.total_processed_records == g.total_completed_records == 5000
    assert p.input_connector_stats("t", "gen").metrics.end_of_input is True
    assert p.input_connector_stats("t", "gen").metrics.total_records == 5000
    assert p.output_connector_stats("v", "sink").metrics.transmitted_records == 4000
    assert (tmp_path / "out.json").read_text().count("\n") == 4000
    assert "records_processed_total" in p.metrics()
    p.wait_for_completion(force_stop=True, timeout_s=PATIENCE)
    assert p.status() == PipelineStatus.STOPPED


def test_wait_for_idle(build):
    p = build(PEOPLE)
    p.start()
    p.input_json("people", [{"id": 1}], wait=False)
    p.wait_for_idle(idle_interval_s=0.3, poll_interval_s=0.05, timeout_s=PATIENCE)
    assert list(p.query("SELECT COUNT(*) AS n FROM people")) == [{"n": 1}]


def test_pause_and_resume_connectors(build):
    p = build(table("t", "n BIGINT NOT NULL", datagen("gen", {"rate": 1000}, paused=True)) +
              view("v", "SELECT n FROM t", file_out("sink", "/dev/null")))
    p.start()
    assert p.input_connector_stats("t", "gen").paused is True
    assert p.input_connector_stats("t", "gen").metrics.total_records == 0
    with pytest.deprecated_call():
        p.resume_connector("t", "gen")
    until("rows flow", lambda: p.input_connector_stats("t", "gen").metrics.total_records > 0)
    with pytest.deprecated_call():
        p.pause_connector("t", "gen")
    assert p.input_connector_stats("t", "gen").paused is True
    token = p.generate_completion_token("t", "gen")
    p.wait_for_token(token)
    assert p.completion_token_status(token) == CompletionTokenStatus.COMPLETE
    p.start_input_connector("t", "gen")
    assert p.input_connector_stats("t", "gen").paused is False
    p.pause_input_connector("t", "gen")
    p.pause_output_connector("v", "sink")
    assert p.output_connector_stats("v", "sink").paused is True
    p.start_output_connector("v", "sink")
    assert p.output_connector_stats("v", "sink").paused is False
    with pytest.raises(FelderaAPIError):
        p.pause_input_connector("t", "nobody")


def test_compile_errors_surface(client, daemon):
    with pytest.raises(RuntimeError, match="nothing"):
        PipelineBuilder(client, "sdk-broken", "CREATE TABLE t (a INT);\nCREATE VIEW v AS SELECT nothing FROM t;").create()
    p = Pipeline.get("sdk-broken", client)
    assert p.program_status() == ProgramStatus.SqlError
    (e,) = [x for x in p.errors() if x]
    message = e["sql_compilation"]["messages"][0] if "sql_compilation" in e else e["messages"][0]
    assert message["start_line_number"] == 2 and message["start_column"] == 25 and message["warning"] is False
    with pytest.raises((FelderaAPIError, RuntimeError)):
        p.start()
    p.delete(clear_storage=True)


def test_deployment_error_surfaces(build):
    p = build("CREATE TABLE t (a INT NOT NULL); CREATE VIEW v AS SELECT 1 / a AS q FROM t;")
    p.start()
    with contextlib.suppress(FelderaAPIError):  # 410: its row has ended the pipeline before the answer
        p.input_json("t", {"a": 0}, wait=False)
    until("the pipeline has stopped", lambda: p.status() == PipelineStatus.STOPPED)
    assert "ivision by zero" in p.deployment_error()["message"]
    assert p.deployment_error()["error_code"] == "RuntimeError.WorkerPanic"
    p.dismiss_error()
    p.start()
    assert p.status() == PipelineStatus.RUNNING


def test_every_attribute(build):
    p = build(PEOPLE, runtime_config=RuntimeConfig(workers=2))

    def all_of_them():
        assert isinstance(uuid.UUID(str(p.id())), uuid.UUID) and isinstance(p.created_at(), datetime.datetime)
        for f in (p.description, p.tags, p.version, p.program_version, p.program_status, p.program_status_since, p.platform_version,
                  p.storage_status, p.storage_status_details, p.bootstrap_policy, p.deployment_status_since, p.deployment_desired_status,
                  p.deployment_resources_status, p.deployment_resources_desired_status, p.deployment_runtime_status,
                  p.deployment_runtime_desired_status, p.deployment_runtime_status_details, p.deployment_error, p.program_code, p.udf_rust,
                  p.udf_toml, p.program_config, p.runtime_config, p.tables, p.views, p.program_info, p.program_error, p.errors):
            try:
                f()
            except AttributeError as e:  # the SDK cannot read the runtime status of a pipeline that is not there
                assert p.status() == PipelineStatus.STOPPED and str(e) == "'NoneType' object has no attribute 'lower'", (f, e)
    all_of_them()
    assert [t.name for t in p.tables()] == ["people"] and "adults" in [v.name for v in p.views()]
    assert p.runtime_config().workers == 2
    p.start()
    all_of_them()
    p.stop(force=True)
    all_of_them()


def test_modify_and_events(build):
    p = build(PEOPLE)
    version = p.version()
    p.modify(sql="CREATE TABLE t (a INT) WITH ('materialized' = 'true');", description="other")
    until("it is compiled again", lambda: p.program_status() == ProgramStatus.Success)
    assert p.version() == version + 1 and p.description() == "other" and [t.name for t in p.tables()] == ["t"]
    p.start()
    with pytest.raises(FelderaAPIError) as e:
        p.modify(sql=PEOPLE)
    assert e.value.error_code == "UpdateRestrictedToStopped"
    p.modify(tags=["while-running"])
    assert p.tags() == ["while-running"]
    events = p.events()
    assert p.event(events[0]["event_id"])["event_id"] == events[0]["event_id"]


def test_ad_hoc_insert(build):
    p = build(PEOPLE)
    p.start()
    p.execute("INSERT INTO people VALUES (18, 'a', 1.5), (19, 'b', NULL)", wait=True)
    assert list(p.query("SELECT id, name, paid FROM adults ORDER BY id")) == [
        {"id": 18, "name": "A", "paid": decimal.Decimal("1.5")}, {"id": 19, "name": "B", "paid": None}]


def test_cpu_profile(build, tmp_path):
    p = build(PEOPLE)
    p.start()
    with pytest.raises(FelderaAPIError, match="There is no CPU profile"):
        p.get_samply_profile()
    p.start_samply_profile(duration=1)
    got = []

    def taken():
        with contextlib.suppress(FelderaAPIError):
            got.append(p.get_samply_profile(str(tmp_path / "cpu.json.gz")))
        return got
    until("the profile is complete", taken)
    assert CpuProfile(got[0]).json["meta"]["product"].startswith("headgate ")
    assert (tmp_path / "cpu.json.gz").read_bytes() == got[0]


def test_checkpoint_and_graceful_stop(build):
    p = build(PEOPLE, runtime_config=RuntimeConfig(fault_tolerance_model=FaultToleranceModel.AtLeastOnce))
    p.start()
    p.input_json("people", [{"id": 20, "name": "a", "paid": 1}], update_format="raw")
    p.checkpoint(wait=True)
    assert len(p.checkpoints()) == 1
    got = p.checkpoints()[0]
    assert got.steps > 0 and got.size > 0 and got.processed_records == 1 and uuid.UUID(str(got.uuid))
    p.input_json("people", [{"id": 21, "name": "b", "paid": 1}], update_format="raw")
    p.stop(force=False)
    assert p.status() == PipelineStatus.STOPPED and len(p.checkpoints()) == 2
    p.start()
    assert [r["id"] for r in p.query("SELECT id FROM adults ORDER BY id")] == [20, 21]


def test_transactions(build, tmp_path):
    p = build(PEOPLE)
    p.start()
    with pytest.raises(RuntimeError):
        p.commit_transaction()
    tid = p.start_transaction()
    with pytest.raises(FelderaAPIError) as e:
        p.start_transaction()
    assert (e.value.status_code, e.value.error_code) == (409, "TransactionInProgress")
    p.input_json("people", [{"id": 20, "name": "ann", "paid": 1}, {"id": 30, "name": "bob", "paid": 2}], wait=False)
    until("the rows are in the transaction", lambda: p.stats().global_metrics.transaction_records == 2)
    m = p.stats().global_metrics
    assert m.transaction_status == TransactionStatus.TransactionInProgress and m.transaction_id == tid
    assert m.transaction_initiators["initiated_by_api"] == "Started"
    assert list(p.query("SELECT name FROM adults")) == []
    with pytest.raises(ValueError):
        p.commit_transaction(tid + 1)
    p.commit_transaction(tid, timeout_s=PATIENCE)
    assert sorted(r["name"] for r in p.query("SELECT name FROM adults")) == ["ANN", "BOB"]
    assert p.stats().global_metrics.transaction_status == TransactionStatus.NoTransaction
    p.start_transaction()
    p.commit_transaction(wait=False)
    p.wait_for_idle(idle_interval_s=0.2)
