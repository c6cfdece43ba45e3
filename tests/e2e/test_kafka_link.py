"""A link to the broker that is held up at a set request.

A transaction that the broker has timed out, because its link was cut or the process stood still, is done again by a new instance of the output,
without being asked. To librdkafka it looks like another producer with the same id; a real one fails the connector, until the user starts it.
test-labels: long"""
import json
import os
import signal

import pytest

from hg import until
from hg.kafka import Broker, Topic, free_port
from hg.proxy import KafkaProxy
from hg.sql import file_in, kafka_in, kafka_out, table, view
from test_exactly_once import EXACTLY, RAW, add

PRODUCE, FETCH, LIST_OFFSETS, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT = 0, 1, 2, 25, 26, 28
OPTIONS = {"transaction.timeout.ms": 2000, "reconnect.backoff.max.ms": 100}


@pytest.fixture(scope="module")
def behind():
    """A broker behind a proxy."""
    back = free_port()
    proxy = KafkaProxy(back)
    b = Broker(proxied=proxy.port, back_port=back)
    b.proxy = proxy
    yield b
    proxy.close()
    b.close()


def ids(topic):
    """What readers see of committed transactions."""
    return [json.loads(m)["insert"]["id"] for m in topic.read() if m and m != "plain"]


def pipeline(d, name, src, bootstrap, topic, **options):
    d.run(name, table("t", "id BIGINT", file_in("f", src, fmt_config=RAW, follow=True), materialized=True) +
          view("v", "SELECT id FROM t", kafka_out("o", bootstrap, topic.name, options={**OPTIONS, **options})), runtime_config=EXACTLY)


def fatal(d, name="p"):
    return d.stats(name)["outputs"][0]["fatal_error"]


def wait_arrived(d, topic, n, name="p"):
    """Each once, and nobody was asked for it."""
    assert sorted(until("all are there", lambda: len(x := ids(topic)) >= n and x)) == list(range(n))
    assert fatal(d, name) is None


def broker_has_ended_it(topic):
    """Readers of committed messages see nothing of a partition behind an open transaction."""
    topic.produce(["plain"])
    until("the broker has ended the transaction", lambda: "plain" in topic.read())


@pytest.mark.parametrize("request_", [ADD_OFFSETS_TO_TXN, TXN_OFFSET_COMMIT, END_TXN], ids=["add_offsets", "offsets", "end"])
def test_the_link_was_held_up(own, tmp_path, behind, request_):
    src, topic = tmp_path / "in.json", Topic(behind.bootstrap)
    add(src, range(10))
    pipeline(own, "p", src, f"127.0.0.1:{behind.proxy.port}", topic)
    wait_arrived(own, topic, 10)
    behind.proxy.hold_before(request_)
    add(src, range(10, 20))
    until("the transaction is held up", lambda: behind.proxy.held)
    broker_has_ended_it(topic)
    behind.proxy.heal()
    wait_arrived(own, topic, 20)
    add(src, range(20, 30))
    wait_arrived(own, topic, 30)


def test_the_process_stood_still(own, tmp_path, behind):
    """While a part of its messages, of some fifty rows each, was under way: each is a request of its own."""
    src, topic = tmp_path / "in.json", Topic(behind.bootstrap)
    add(src, range(10))
    pipeline(own, "p", src, f"127.0.0.1:{behind.proxy.port}", topic, **{"message.max.bytes": 1000, "batch.num.messages": 1})
    wait_arrived(own, topic, 10)
    behind.proxy.hold_before(PRODUCE, after=1)
    add(src, range(10, 200))
    until("the second message is held up", lambda: behind.proxy.held)
    pid = own.pid_of("p")
    os.kill(pid, signal.SIGSTOP)
    broker_has_ended_it(topic)
    behind.proxy.heal()
    os.kill(pid, signal.SIGCONT)
    wait_arrived(own, topic, 200)


def test_two_that_live_do_not_fight(own, tmp_path, broker):
    """The one that came later has the id; the other one does not take it back."""
    topic, srcs = Topic(broker), [tmp_path / "p.json", tmp_path / "q.json"]
    same = {"transactional.id": topic.name, "transaction.timeout.ms": 300000}
    add(srcs[0], range(10))
    pipeline(own, "p", srcs[0], broker, topic, **same)
    wait_arrived(own, topic, 10)
    add(srcs[1], range(10, 20))
    pipeline(own, "q", srcs[1], broker, topic, **same)
    wait_arrived(own, topic, 20, "q")
    add(srcs[0], range(100, 110))
    assert "fence" in until("the first has failed", lambda: fatal(own))
    add(srcs[1], range(20, 30))
    wait_arrived(own, topic, 30, "q")
    assert fatal(own)


def test_a_lost_position_is_met_while_something_is_asked(own, behind):
    """How much waits for a paused connector is asked for, and the answer is late; started again, it finds its place deleted meanwhile."""
    t = Topic(behind.bootstrap)
    t.produce([json.dumps({"id": i}) for i in range(5)])
    own.run("p", table("t", "id BIGINT", kafka_in("k", f"127.0.0.1:{behind.proxy.port}", t.name, fmt_config=RAW,
                                                  options={"start_from": "earliest"}), materialized=True))
    until("the rows are in", lambda: own.query("p", "SELECT count(*) AS n FROM t") == [{"n": 5}])
    behind.proxy.hold_before(FETCH, alone=True)
    until("it looks for more", lambda: FETCH in behind.proxy.held)
    own.ok("POST", "/v0/pipelines/p/tables/t/connectors/k/pause")
    behind.proxy.hold_before(LIST_OFFSETS, alone=True)
    until("it asks for the topic's end", lambda: LIST_OFFSETS in behind.proxy.held)
    t.produce([json.dumps({"id": i}) for i in range(5, 10)])
    t.delete_before(0, 8)
    own.ok("POST", "/v0/pipelines/p/tables/t/connectors/k/start")
    behind.proxy.release(FETCH)
    until("it asks what is left", lambda: (own.input("p", "t.k")["health"] or {}).get("status") == "Unhealthy")
    behind.proxy.heal()
    assert "is gone, oldest is 8" in until("it fails", lambda: own.input("p", "t.k")["fatal_error"])
