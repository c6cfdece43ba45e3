"""A transaction that the broker aborts takes its messages with it: a new instance of the output, which takes the transactional id over, sends
them again, without being asked, as often as it gets on and ten times in vain. One that another producer has ended stays so; the broker ends those
that are too old in the same words, and these are done again."""
import json

import pytest

from hg import until
from hg.sql import file_in, kafka_out, table, view

ONCE = {"fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}}
RAW = {"update_format": "raw"}
OUT = "/v0/pipelines/p/views/v/connectors/o"
PRODUCE, ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT = 0, 24, 25, 26, 28
TOPIC_AUTHORIZATION_FAILED, GROUP_AUTHORIZATION_FAILED, INVALID_PRODUCER_EPOCH, CONCURRENT_TRANSACTIONS, PRODUCER_FENCED = 29, 30, 47, 51, 90


def add(path, ids):
    with open(path, "a") as f:
        f.writelines(json.dumps({"id": i}) + "\n" for i in ids)


@pytest.fixture
def options():
    return {}


@pytest.fixture
def mock(own, tmp_path, mock_broker, options):
    """A pipeline into a mock cluster; its first rows are there."""
    m = mock_broker("out:1")
    m.src = tmp_path / "in.json"
    add(m.src, range(5))
    own.run("p", table("t", "id BIGINT", file_in("f", m.src, fmt_config=RAW, follow=True), materialized=True) +
            view("v", "SELECT id FROM t", kafka_out("o", m.bootstrap, "out", options=options), materialized=True), runtime_config=ONCE)
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


FENCED = [(PRODUCE, INVALID_PRODUCER_EPOCH), (PRODUCE, PRODUCER_FENCED),
          (ADD_PARTITIONS_TO_TXN, INVALID_PRODUCER_EPOCH), (ADD_PARTITIONS_TO_TXN, PRODUCER_FENCED),
          (ADD_OFFSETS_TO_TXN, INVALID_PRODUCER_EPOCH), (ADD_OFFSETS_TO_TXN, PRODUCER_FENCED),
          (TXN_OFFSET_COMMIT, INVALID_PRODUCER_EPOCH), (TXN_OFFSET_COMMIT, PRODUCER_FENCED),
          (END_TXN, INVALID_PRODUCER_EPOCH), (END_TXN, PRODUCER_FENCED)]


def test_fenced_is_for_the_user_to_decide(own, mock):
    """Wherever it is told. A transaction is open for milliseconds then, of five minutes."""
    for n, (request, error) in enumerate(FENCED, 1):
        mock.fail(request, error, 1)
        add(mock.src, range(5 * n, 5 * n + 5))
        until(f"request {request} with error {error} has failed it", lambda: output(own)["fatal_error"])
        assert output(own)["health"]["description"].endswith("start the connector to try again")
        own.ok("POST", f"{OUT}/start")
        wait_delivered(own, 5 * n + 5)
        assert output(own)["fatal_error"] is None


@pytest.mark.parametrize("options", [{"transaction.timeout.ms": 1000}])
def test_too_old_is_done_again(own, mock):
    """Two answers that ask for patience take 600 ms each, so the third one comes after the transaction's time."""
    for n, (request, error) in enumerate([x for x in FENCED if x[0] in (ADD_OFFSETS_TO_TXN, END_TXN)], 1):
        mock.fail(request, CONCURRENT_TRANSACTIONS, 2, ms=600)
        mock.fail(request, error, 1)
        add(mock.src, range(5 * n, 5 * n + 5))
        wait_delivered(own, 5 * n + 5)
        assert output(own)["fatal_error"] is None
    errors = [e["message"] for e in own.ok("GET", f"{OUT}/stats").json()["transport_errors"]]
    assert [e for e in errors if "with transaction.timeout.ms 1000: " in e], errors


@pytest.mark.parametrize("options", [{"queue.buffering.max.messages": 1}])
def test_a_message_that_comes_behind_the_end(own, mock):
    """The second message has no room before the first is gone, and then its transaction has failed already: the reason is told, not that."""
    mock.fail(ADD_PARTITIONS_TO_TXN, TOPIC_AUTHORIZATION_FAILED, 1)
    add(mock.src, range(5, 10))
    assert "authorization failed" in until("it has failed", lambda: output(own)["fatal_error"])
    own.ok("POST", f"{OUT}/start")
    wait_delivered(own, 10)
