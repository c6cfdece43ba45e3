"""`headgate connectors`: plugins between an Iggy server and a file. What is delivered, and what after which accident."""
import collections
import os
import random
import re
import shutil
import signal

import pytest
from hg import BUILD, s3, until
from hg.connectors import SCRIPTED, Runtime
from hg.iggy import Server

BATCH = 100
TOGETHER = 4  # batches that go together, of a source that works ahead of results


@pytest.fixture(scope="module")
def iggy():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def runtime(tmp_path, iggy):
    runtimes = []

    def make(server=iggy, **more):
        runtimes.append(Runtime(tmp_path, server, **more))
        return runtimes[-1]

    yield make
    for r in runtimes:
        r.stop(signal.SIGKILL)


@pytest.fixture
def topic(iggy, request):
    """A stream of the test's own."""
    name = re.sub(r"\W", "-", request.node.name)[:60]
    with iggy.client() as c:
        c.create(name, "t")
    return name


@pytest.fixture
def bucket():
    server = s3.Server()
    yield server
    server.close()


def numbers(path):
    """The n of each message a sink has written; of a line that a kill has cut nothing."""
    return [int(n) for n in re.findall(rb'\{"n":(\d+)[^\n{]*\}\n', path.read_bytes())] if path.exists() else []


def in_topic(server, stream, topic="t"):
    with server.client() as c:
        return [int(re.match(rb'\{"n":(\d+)', m.payload)[1]) for m in c.read(stream, topic)]


def check(got, n, repeats=0):
    """0 … n-1 are all there; so many were repeated at most."""
    seen = collections.Counter(got)
    assert sorted(seen) == list(range(n)), (len(seen), n)
    assert sum(seen.values()) - n <= repeats, f"{sum(seen.values()) - n} repeats"


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_through_a_topic(runtime, topic, tmp_path, isolation):
    r, out, n = runtime(), tmp_path / "out", 50 * BATCH
    r.env = {"RUST_LOG": "some::module=warn,debug"}
    r.source("gen", topic, plugin={"messages": BATCH, "batches": 50}, isolation=isolation)
    r.sink("file", topic, plugin={"file": str(out), "fail_every": 3}, isolation=isolation, batch_length=BATCH, errors={"backoff": "1ms"},
           transforms={"add_fields": {"fields": [{"key": "by", "value": {"static": "headgate"}}]}})
    r.start()
    until("all is there", lambda: len(numbers(out)) >= n)
    assert numbers(out) == list(range(n))  # a batch that failed came again, in its place
    assert b'{"n":0,"by":"headgate"}\n' in out.read_bytes()
    until("the source has ended", lambda: r.get("/sources/gen").get("why") == "ended")
    until("all are counted", lambda: r.stats("file")["messages_processed"] == n)
    assert r.stats("file")["retries"] >= 50 / 3
    assert len(r.hosts()) == (isolation == "process")
    own = r.get("/stats")
    assert own["plugin_processes"] == len(r.hosts()) and (own["plugin_memory_usage"] > 0) == (isolation == "process")
    assert r.stop() == 0 and " debug iggy_sink file consumed " in r.log
    r.start()  # the source stays ended, the sink goes on where it was
    assert r.get("/sources/gen").get("why") == "ended"
    until("the sink runs", lambda: r.get("/sinks/file")["status"] == "running")
    assert r.stop() == 0
    assert numbers(out) == list(range(n))


ahead = pytest.mark.parametrize("ahead", [0, 1])


def under_way(ahead):
    """What a kill of the source's side may repeat."""
    return TOGETHER * BATCH if ahead else BATCH


def flow(r, stream, out, poll_ms=1, ahead=0, **sink):
    r.source("gen", stream, plugin={"messages": BATCH, "poll_ms": poll_ms, "ahead": ahead}, restart={"backoff": "10ms", "max_backoff": "50ms"})
    r.sink("file", stream, plugin={"file": str(out), "fail_every": 3}, batch_length=BATCH, errors={"backoff": "1ms"},
           restart={"backoff": "10ms", "max_backoff": "50ms"}, **sink)


def more_than(out, n):
    return until(f"{n} messages came", lambda: len(numbers(out)) > n and numbers(out))


def finish(r, server, stream, out, source_repeats, sink_repeats):
    """Stops the source, lets the sink come to the end of the topic, and holds both against what there must be."""
    r.post("/sources/gen/pause")
    there = in_topic(server, stream)
    until("the sink has all", lambda: set(numbers(out)) >= set(there))
    check(there, max(there) + 1, source_repeats)
    n = len(there) - len(set(there))
    assert r.stop() == 0
    check(numbers(out), max(there) + 1, n + sink_repeats)


@ahead
def test_sigterm_loses_and_repeats_nothing(runtime, iggy, topic, tmp_path, ahead):
    r, out = runtime(), tmp_path / "out"
    flow(r, topic, out, ahead=ahead)
    for _ in range(4):
        r.start()
        more_than(out, len(numbers(out)) + 3 * BATCH)
        assert r.stop() == 0
    r.start()
    until("it runs", lambda: r.get("/sources/gen")["status"] == "running")
    finish(r, iggy, topic, out, 0, 0)


@ahead
@pytest.mark.parametrize("seed", [int(os.environ.get("HG_SEED", 1))])
def test_kill_9_of_the_runtime(runtime, iggy, topic, tmp_path, ahead, seed):
    r, out, rnd, kills = runtime(), tmp_path / "out", random.Random(seed), 6
    flow(r, topic, out, ahead=ahead)
    r.start()
    for _ in range(kills):
        more_than(out, len(numbers(out)) + rnd.randrange(5 * BATCH))
        hosts = r.hosts()
        r.stop(signal.SIGKILL)
        until("its plugins have gone with it", lambda: not any(os.path.exists(f"/proc/{p}") and "Z" not in status(p) for p in hosts))
        r.start()
    more_than(out, len(numbers(out)) + BATCH)
    finish(r, iggy, topic, out, kills * under_way(ahead), kills * BATCH)


def status(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


@ahead
@pytest.mark.parametrize("seed", [int(os.environ.get("HG_SEED", 1))])
def test_kill_9_of_a_plugins_process(runtime, iggy, topic, tmp_path, ahead, seed):
    r, out, rnd, kills = runtime(), tmp_path / "out", random.Random(seed), 8
    flow(r, topic, out, ahead=ahead)
    r.start()
    for _ in range(kills):
        more_than(out, len(numbers(out)) + rnd.randrange(5 * BATCH))
        r.kill_hosts()
    more_than(out, len(numbers(out)) + BATCH)
    until("both run again", lambda: r.get("/sources/gen")["status"] == r.get("/sinks/file")["status"] == "running")
    assert r.stats("gen")["restarts"] >= 1
    finish(r, iggy, topic, out, kills * under_way(ahead), kills * BATCH)


@ahead
@pytest.mark.parametrize("seed", [int(os.environ.get("HG_SEED", 1))])
def test_kill_9_of_the_server(runtime, tmp_path, ahead, seed):
    # The real server keeps what it has confirmed in memory for a while, unless it is told to fsync: the stand-in does not.
    server, rnd, kills = Server(standin=True), random.Random(seed), 2  # each costs the 5 s that clients wait before they come back
    try:
        with server.client() as c:
            c.create("s", "t")
        r, out = runtime(server), tmp_path / "out"
        flow(r, "s", out, ahead=ahead)
        r.start()
        for _ in range(kills):
            more_than(out, len(numbers(out)) + rnd.randrange(5 * BATCH))
            server.stop()
            server.start()
        more_than(out, len(numbers(out)) + BATCH)
        finish(r, server, "s", out, kills * under_way(ahead), kills * BATCH)
    finally:
        server.close()


def test_kill_9_of_runtime_and_server(runtime, tmp_path):
    """The server comes back with the member that its group had, and keeps the partition for it; the sink comes back as that member."""
    server = Server()
    try:
        with server.client() as c:
            c.create("s", "t")
            c.send("s", "t", [f'{{"n":{i}}}' for i in range(BATCH)])
        r, out = runtime(server), tmp_path / "out"
        r.sink("file", "s", plugin={"file": str(out)}, batch_length=BATCH)
        r.start()
        for life in (1, 2):
            until("all is there", lambda: set(numbers(out)) == set(range(life * BATCH)))
            server.stop()
            r.stop(signal.SIGKILL)
            server.start()
            with server.client() as c:
                c.send("s", "t", [f'{{"n":{life * BATCH + i}}}' for i in range(BATCH)])
            r.start()
        until("all is there", lambda: set(numbers(out)) == set(range(3 * BATCH)))
        check(numbers(out), 3 * BATCH, 2 * BATCH)
        assert r.stop() == 0
    finally:
        server.close()


GROUP = "iggy-connect-sink-file"


class Remembering:
    """A sink behind a server of its own, stopped after `n` messages, all of which it has stored and remembers."""

    def __init__(self, make, tmp_path, n):
        self.server, self.out, self.n = Server(standin=True), tmp_path / "out", 0
        with self.server.client() as c:
            c.create("s", "t")
        self.r = make(self.server)
        self.r.sink("file", "s", plugin={"file": str(self.out)}, batch_length=BATCH)
        self.send(n)
        self.r.start()
        self.settle(n)

    def send(self, n):
        with self.server.client() as c:
            c.send("s", "t", [f'{{"n":{self.n + i}}}' for i in range(n)])
        self.n += n

    def settle(self, messages):
        """So many messages were ever in the topic, and the last one's offset is stored there and here."""
        def stored():
            with self.server.client() as c:
                return c.offset("s", "t", 0, GROUP, True)

        def remembered():
            return [int(f.read_bytes()[11:31] or b"-1") for f in (self.r.dir / "state").glob("sink_file_*.offsets")]

        until("all are stored", lambda: stored() == messages - 1)
        until("and remembered", lambda: remembered() == [messages - 1])

    def lose_offsets(self):
        self.server.stop()
        os.truncate(os.path.join(self.server.dir, "data", "offsets"), 0)
        self.server.start()


@pytest.fixture
def remembering(runtime, tmp_path):
    made = []

    def make(n):
        made.append(Remembering(runtime, tmp_path, n))
        return made[-1]

    yield make
    for m in made:
        m.server.close()


def test_server_that_lost_an_offset(remembering):
    """0.9.0-edge.5 may, when it is killed: what it had confirmed is not read again, whether we run meanwhile or not."""
    w = remembering(3 * BATCH)
    w.lose_offsets()
    w.send(BATCH)
    w.settle(4 * BATCH)
    assert w.r.stop() == 0
    w.lose_offsets()
    w.r.start()
    w.send(BATCH)
    w.settle(5 * BATCH)
    assert numbers(w.out) == list(range(5 * BATCH))
    assert len(re.findall(r"offset_lost .*offset=(299|399)$", w.r.log, re.M)) == 2
    w.lose_offsets()  # and with nothing to come it is stored all the same
    w.settle(5 * BATCH)
    assert w.r.stop() == 0 and numbers(w.out) == list(range(5 * BATCH))


@pytest.mark.parametrize("there", [0, 1, 3, 5])
def test_topic_that_was_emptied(remembering, there):
    """No offset, but other messages, or fewer of them: they are all read, and none is taken for what was there before."""
    w = remembering(3 * BATCH)
    assert w.r.stop() == 0
    with w.server.client() as c:
        c.ask("purge_topic", b"\x02\x01s\x02\x01t")
    w.send(there * BATCH)
    w.r.start()
    if not there:  # the first poll finds that it is another one
        until("it is noticed", lambda: "offset_of_another_topic" in w.r.log)
        w.send(BATCH)
    w.settle(max(there, 1) * BATCH)
    assert numbers(w.out) == list(range(w.n)) and "offset_lost" not in w.r.log
    assert w.r.stop() == 0


def test_offsets_set_by_hand(remembering):
    w = remembering(3 * BATCH)
    assert w.r.stop() == 0
    with w.server.client() as c:
        c.join("s", "t", GROUP)
        c.store_offset("s", "t", BATCH - 1, 0, GROUP, True)
        c.leave("s", "t", GROUP)
    w.r.start()
    w.settle(3 * BATCH)
    assert w.r.stop() == 0 and numbers(w.out) == [*range(3 * BATCH), *range(BATCH, 3 * BATCH)]
    with w.server.client() as c:
        c.ask("delete_group", b"\x02\x01s\x02\x01t" + bytes([2, len(GROUP)]) + GROUP.encode())
    w.r.start()
    w.settle(3 * BATCH)
    assert w.r.stop() == 0 and numbers(w.out)[5 * BATCH:] == list(range(3 * BATCH))
    assert "offset_lost" not in w.r.log


def test_what_the_sink_never_takes(runtime, iggy, topic, tmp_path):
    r, out = runtime(), tmp_path / "out"
    with iggy.client() as c:
        c.send(topic, "t", [f'{{"n":{i}}}' for i in range(3 * BATCH)], headers={"trace": "abc"})
    r.sink("file", topic, plugin={"file": str(out), "fatal_at": 2}, batch_length=BATCH, errors={"on_fatal": "dead_letter", "dead_letter_topic": "dead"})
    r.start()
    until("the others came", lambda: len(numbers(out)) == 2 * BATCH)
    with iggy.client() as c:
        dead = until("dead letters", lambda: c.partitions(topic, "dead") and len(c.read(topic, "dead")) == BATCH and c.read(topic, "dead"))
    headers = str(dead[0].headers)
    assert dead[0].payload == b'{"n":%d}' % BATCH
    for word in ("headgate-error", "refused a batch (-1)", "headgate-offset", "headgate-connector", "trace"):
        assert word in headers, headers
    until("they are counted", lambda: r.stats("file")["dead_letters"] == BATCH)


def test_a_fatal_failure_stops_and_keeps_the_offset(runtime, iggy, topic, tmp_path):
    r, out = runtime(), tmp_path / "out"
    with iggy.client() as c:
        c.send(topic, "t", [f'{{"n":{i}}}' for i in range(3 * BATCH)])
    r.sink("file", topic, plugin={"file": str(out), "fatal_at": 2}, batch_length=BATCH)
    r.start()
    info = until("it stopped", lambda: (i := r.get("/sinks/file")) and i["status"] == "error" and i)
    assert info.get("why") == "failed" and f"stopped before offset {BATCH} of partition" in info["last_error"]["message"]
    assert numbers(out) == list(range(BATCH))
    r.post("/sinks/file/restart")  # counts anew: its second batch is the last one
    until("two batches came", lambda: len(numbers(out)) == 2 * BATCH)
    assert numbers(out) == list(range(2 * BATCH))


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_gathered_for_a_sink_that_wants_more(runtime, iggy, topic, tmp_path, isolation):
    """Batches of exactly so many, whatever a poll brings; what is short of that stays in the topic until the sink's time has come."""
    r, out = runtime(), tmp_path / "out"
    def sizes():
        return [int(n) for n in re.findall(rb"# (\d+)\n", out.read_bytes())] if out.exists() else []
    def send(numbers):
        with iggy.client() as c:
            c.send(topic, "t", [f'{{"n":{i}}}' for i in numbers], batch=BATCH)
    def stored():
        with iggy.client() as c:
            return c.offset(topic, "t", 0, "iggy-connect-sink-file", True)
    send(range(7 * BATCH))
    r.sink("file", topic, plugin={"file": str(out), "marks": 1, "want_messages": 250}, batch_length=BATCH, isolation=isolation)
    r.start()
    until("two are full", lambda: stored() == 499)
    assert sizes() == [250, 250] and numbers(out) == list(range(500))
    send(range(7 * BATCH, 8 * BATCH))  # with the 200 that wait one is full
    until("the third is full", lambda: stored() == 749)
    assert r.stop() == 0
    r.sink("file", topic, plugin={"file": str(out), "marks": 1, "want_messages": 250, "want_ms": 1}, batch_length=BATCH, isolation=isolation)
    r.start()  # the 50 that were gathered come again
    until("all of them", lambda: stored() == 8 * BATCH - 1)
    assert numbers(out) == list(range(8 * BATCH)) and sizes()[:3] == [250] * 3
    assert r.stop() == 0


def test_objects_have_as_many_messages_as_they_are_to(runtime, iggy, topic, bucket):
    r = runtime()
    with iggy.client() as c:
        c.send(topic, "t", [f'{{"n":{i}}}' for i in range(7 * BATCH)])
    r.sink("s3", topic, path=BUILD / "plugins" / "libiggy_connector_s3_sink.so", batch_length=BATCH,
           plugin={"bucket": "bucket", "region": s3.REGION, "endpoint": bucket.url, "access_key_id": s3.KEY_ID, "secret_access_key": s3.SECRET,
                   "path_template": "", "include_metadata": False, "file_rotation": "messages", "max_messages_per_file": 250, "max_file_age": "0s"})
    r.start()
    with iggy.client() as c:
        until("two objects are there", lambda: c.offset(topic, "t", 0, "iggy-connect-sink-s3", True) == 499)
    assert r.stop() == 0
    assert {k: o.body.count(b"\n") for k, o in bucket.objects.items()} == {f"00000-{a:020}-{a + 249:020}.jsonl": 250 for a in (0, 250)}


def test_a_record_that_is_none(runtime, iggy, topic, tmp_path):
    r, out = runtime(), tmp_path / "out"
    with iggy.client() as c:
        c.send(topic, "t", ['{"n":0}', "no json", '{"n":1}'])
    r.sink("file", topic, plugin={"file": str(out)}, errors={"on_record": "dead_letter", "dead_letter_topic": "dead"})
    r.start()
    until("the others came", lambda: numbers(out) == [0, 1])
    with iggy.client() as c:
        dead = until("a dead letter", lambda: c.partitions(topic, "dead") and c.read(topic, "dead"))
    assert [d.payload for d in dead] == [b"no json"]
    assert "headgate-stage" in str(dead[0].headers)


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_records_that_the_plugin_leaves_out(runtime, iggy, topic, tmp_path, isolation):
    """Of two streams: each one's dead letters stay in it."""
    r, out, other = runtime(), tmp_path / "out", topic + "-other"
    with iggy.client() as c:
        c.create(other, "t")
        c.send(topic, "t", [f'{{"n":{i}}}' for i in range(1, 20)])
        c.send(other, "t", ['{"n":40}', '{"n":41}', "no json"])
    streams = [{"stream": s, "topics": ["t"], "poll_interval": "2ms"} for s in (topic, other)]
    r.connector("sink", "file", streams, {"file": str(out), "reject": 10}, isolation=isolation,
                errors={"on_record": "dead_letter", "dead_letter_topic": "dead"})
    r.start()
    until("the others came", lambda: len(numbers(out)) == 19)
    assert sorted(numbers(out)) == [*range(1, 10), *range(11, 20), 41]
    with iggy.client() as c:
        def dead(stream, n):
            return until("dead letters", lambda: c.partitions(stream, "dead") and len(m := c.read(stream, "dead")) == n and m)
        (one,), two = dead(topic, 1), dead(other, 2)
    assert one.payload == b'{"n":10}' and "10 is not wanted" in str(one.headers) and "'consume'" in str(one.headers).replace("b'", "'")
    assert sorted(m.payload for m in two) == [b"no json", b'{"n":40}']
    until("they are counted", lambda: r.stats("file")["dead_letters"] == 3 == r.stats("file")["errors"])
    assert r.stop() == 0


def test_labels_and_the_users_word(runtime, iggy, topic, tmp_path):
    r, out = runtime(), tmp_path / "out"
    r.source("hist", topic, plugin={"messages": BATCH, "batches": 20, "poll_ms": 5}, labels=["history"])
    r.source("live", topic, topic="live", plugin={"messages": BATCH, "poll_ms": 5}, start_after=["history"])
    r.sink("file", topic, plugin={"file": str(out)}, start_after=["history"], batch_length=BATCH)
    r.source("lost", topic, plugin={}, start_after=["histroy"])
    r.start()
    lost = r.get("/sources/lost")
    assert lost["status"] == "error" and "'histroy'" in lost["last_error"]["message"]
    until("history has ended", lambda: r.get("/sources/hist").get("why") == "ended")
    until("live runs", lambda: r.get("/sources/live")["status"] == "running")
    until("the sink has it", lambda: numbers(out) == list(range(20 * BATCH)))
    log = until("the log says so", lambda: "sink/file running" in (text := r.log) and text)
    assert log.index("source/hist ended") < log.index("source/live running") and log.index("source/hist ended") < log.index("sink/file running")
    r.post("/sources/live/pause")
    assert r.get("/sources/live").get("why") == "user"
    n = len(in_topic(iggy, topic, "live"))
    assert r.stop() == 0
    r.start()
    until("the sink runs", lambda: r.get("/sinks/file")["status"] == "running")
    assert r.get("/sources/live").get("why") == "user"  # remembered
    assert len(in_topic(iggy, topic, "live")) == n
    r.post("/sources/live/start")
    until("it goes on", lambda: len(in_topic(iggy, topic, "live")) > n)
    nodes = {c["name"]: c for c in r.get("/orchestration")["connectors"]}
    assert nodes["source/hist"]["finished"] and nodes["source/live"]["start_after"] == ["history"]


def test_a_plugin_that_crashes(runtime, iggy, topic, tmp_path):
    r, out = runtime(), tmp_path / "out"
    r.source("gen", topic, plugin={"messages": BATCH, "batches": 6, "crash_at": 3}, restart={"backoff": "10ms"})
    r.sink("file", topic, plugin={"file": str(out), "crash_at": 4}, batch_length=BATCH, restart={"backoff": "10ms"})
    r.start()
    until("all came", lambda: len(set(numbers(out))) == 6 * BATCH)
    check(numbers(out), 6 * BATCH, 4 * BATCH)
    assert "killed by signal 6" in r.log
    assert r.get("/health") == {"status": "healthy"}


def test_whatever_way_a_plugin_dies(runtime, iggy, topic, tmp_path):
    """Each in a library of its own, as a process has one library: what one does concerns no other."""
    r, ways, hold = runtime(), ("segv", "exit", "close", "fork", "never"), tmp_path / "hold"
    os.mkfifo(hold)
    held = os.open(hold, os.O_RDWR)  # the child that "fork" leaves behind stays as long
    for way in ways:
        lib = tmp_path / f"{way}.so"
        shutil.copy(SCRIPTED, lib)
        r.source(way, topic, topic=way, path=lib, restart={"backoff": "10ms"},
                 plugin={"messages": BATCH, "batches": 6, "crash_at": 9 if way == "never" else 3, "crash": way, "hold": str(hold)})
    r.start()
    for way in ways:
        until(f"'{way}' has ended", lambda: r.get(f"/sources/{way}").get("why") == "ended")
        check(in_topic(iggy, topic, way), 6 * BATCH, 2 * BATCH)
        assert (r.stats(way)["restarts"] > 0) == (way != "never")
    os.close(held)
    for how in ("killed by signal 11", "exit code 7", "killed by signal 6"):
        assert how in r.log
    assert r.stop() == 0


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_a_plugin_that_hangs(runtime, iggy, topic, isolation):
    """Nothing waits for it: its process is killed; in the runtime's own it is said, and the runtime ends around it."""
    r = runtime(headgate={"stop_timeout": "300ms"})
    with iggy.client() as c:
        c.send(topic, "t", ['{"n":0}'])
    r.sink("file", topic, plugin={"slow_ms": 1000000}, isolation=isolation)
    r.start()
    until("it has the batch", lambda: r.stats("file")["messages_consumed"])
    if isolation == "process":
        r.post("/sinks/file/pause")
        assert (r.get("/sinks/file")["status"], r.get("/sinks/file")["why"]) == ("stopped", "user")
        assert r.stop() == 0
    else:
        assert "did not stop within 300 ms" in r.post("/sinks/file/pause", 500)["reason"]
        assert r.get("/sinks/file")["status"] == "stopping"
        assert r.stop() == 1 and "left_behind" in r.log
    with iggy.client() as c:
        assert c.offset(topic, "t", 0, "iggy-connect-sink-file", True) is None


def test_paused_while_it_waits_for_another_try(runtime, topic):
    r = runtime()
    r.sink("refuses", topic, plugin={"open": 1}, restart={"backoff": "1h", "max_backoff": "1h"})
    r.start()
    until("it waits", lambda: r.get("/sinks/refuses")["status"] == "error")
    r.post("/sinks/refuses/pause")
    info = r.get("/sinks/refuses")
    assert (info["status"], info["why"]) == ("stopped", "user") and "last_error" not in info


def test_what_cannot_start_is_shown(runtime, topic):
    r = runtime()
    r.sink("absent", topic, path="/nowhere/plugin")
    r.sink("refuses", topic, plugin={"open": 1}, restart={"max_attempts": 1, "backoff": "1ms"})
    r.sink("wrong", topic, path=__file__ + ".so")
    r.start()
    message = until("an error", lambda: (r.get("/sinks/absent").get("last_error") or {}).get("message"))
    assert message == "Failed to resolve plugin path: there is no plugin '/nowhere/plugin.so'"
    until("given up", lambda: r.get("/sinks/refuses").get("why") == "failed")
    assert r.get("/sinks/refuses")["last_error"]["message"].startswith("Invalid configuration: Plugin initialization failed (ID: ")
    until("it is no library", lambda: r.get("/sinks/wrong")["status"] == "error")
    assert r.stop() == 0
