"""A transaction that the broker aborts takes its messages with it: a new instance of the output, which takes the transactional id over, sends
them again, without being asked, as often as it gets on and ten times in vain."""
import json

import pytest

from hg import until
from hg.sql import file_in, kafka_out, table, view

ONCE = {"fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}}
RAW = {"update_format": "raw"}
OUT = "/v0/pipelines/p/views/v/connectors/o"
ADD_OFFSETS_TO_TXN, GROUP_AUTHORIZATION_FAILED = 25, 30


def add(path, ids):
    with open(path, "a") as f:
        f.writelines(json.dumps({"id": i}) + "\n" for i in ids)


@pytest.fixture
def mock(own, tmp_path, mock_broker):
    """A pipeline into a mock cluster; its first rows are there."""
    m = mock_broker("out:1")
    m.src = tmp_path / "in.json"
    add(m.src, range(5))
    own.run("p", table("t", "id BIGINT", file_in("f", m.src, fmt_config=RAW, follow=True), materialized=True) +
            view("v", "SELECT id FROM t", kafka_out("o", m.bootstrap, "out"), materialized=True), runtime_config=ONCE)
    wait_delivered(own, 5)
    return m


def output(d):
    return d.stats("p")["outputs"][0]


def wait_delivered(d, rows):
    until("the rows are read", lambda: d.query("p", "SELECT count(*) AS n FROM t")[0]["n"] == rows)
    d.wait_token("p", d.ok("GET", "/v0/pipelines/p/tables/t/connectors/f/completion_token").json()["token"])


def failures(d):
    """Of all instances of the output."""
    errors = d.ok("GET", f"{OUT}/stats").json()["transport_errors"]
    return sum("the transaction was not committed" in e["message"] for e in errors)


@pytest.mark.parametrize("times", [1, 3])
def test_an_aborted_transaction_is_done_again(own, mock, times):
    mock.fail(ADD_OFFSETS_TO_TXN, GROUP_AUTHORIZATION_FAILED, times)
    add(mock.src, range(5, 10))
    wait_delivered(own, 10)
    assert failures(own) == times and output(own)["fatal_error"] is None
    add(mock.src, range(10, 15))
    wait_delivered(own, 15)
    assert failures(own) == times


def test_not_for_ever(own, mock):
    mock.fail(ADD_OFFSETS_TO_TXN, GROUP_AUTHORIZATION_FAILED, 11)
    add(mock.src, range(5, 10))
    until("it has given up", lambda: failures(own) == 11 and output(own)["fatal_error"])
    assert output(own)["health"]["description"].endswith("start the connector to try again")
    own.ok("POST", f"{OUT}/start")  # by the user: and nothing is lost
    wait_delivered(own, 10)
    assert output(own)["fatal_error"] is None
    mock.fail(ADD_OFFSETS_TO_TXN, GROUP_AUTHORIZATION_FAILED, 2)  # it got on: the count begins anew
    add(mock.src, range(10, 15))
    wait_delivered(own, 15)
    assert failures(own) == output(own)["metrics"]["num_transport_errors"] == 13
