"""Labels, start_after and hand-over on real parts: the examples `numbers` and `price`, and what can go wrong on the way."""
import json
import subprocess
import threading

from hg import FDA, PATIENCE, until
from hg.egress import Egress
from hg.kafka import Topic
from hg.sql import connector, datagen, file_in, kafka_in, table, url_in, view

PRICE = "part BIGINT NOT NULL, vendor BIGINT NOT NULL, price INTEGER"


def why(daemon, pipeline, endpoint):
    t, c = endpoint.split(".")
    return daemon.ok("GET", f"/v0/pipelines/{pipeline}/tables/{t}/connectors/{c}/why").json()


def node(daemon, pipeline, endpoint):
    graph = daemon.ok("GET", f"/v0/pipelines/{pipeline}/orchestration").json()
    return next(c for c in graph["connectors"] if c["name"] == endpoint)


def connector_do(daemon, pipeline, endpoint, action):
    t, c = endpoint.split(".")
    r = daemon.ok("POST", f"/v0/pipelines/{pipeline}/tables/{t}/connectors/{c}/{action}")
    assert r.status_code == 200 and r.text == ""


def total(daemon, pipeline, endpoint):
    return daemon.input(pipeline, endpoint)["metrics"]["total_records"]


def test_numbers(daemon, gone):
    """Two generators on one table, one row per second, without an end: [0, 1000) waits for the user, [1000, 2000) runs; fda swaps them."""
    def fda(*words):
        return subprocess.run([FDA, "--host", daemon.url, "connector", "numbers", "numbers", *words], capture_output=True, text=True, check=True).stdout

    def gen(name, low, **more):
        return datagen(name, {"rate": 1, "fields": {"n": {"range": [low, low + 1000], "strategy": "increment"}}}, **more)
    p = gone("numbers")
    daemon.create(p, table("numbers", "n BIGINT NOT NULL", gen("low", 0, paused=True), gen("high", 1000)))
    daemon.start_pipeline(p, "paused")
    stream = Egress(daemon, p, "numbers")
    daemon.ok("POST", f"/v0/pipelines/{p}/resume")
    daemon.wait_status(p, "Running")
    first = [int(r["n"]) for _, r in stream.wait_updates(2)]
    assert first == [1000 + i for i in range(len(first))]
    assert daemon.input(p, "numbers.low")["paused"] is True and total(daemon, p, "numbers.low") == 0
    assert why(daemon, p, "numbers.low")["reason"] == "user"
    assert fda("low", "start") == "Table numbers connector low started successfully.\n"
    assert fda("high", "pause") == "Table numbers connector high paused successfully.\n"
    assert daemon.input(p, "numbers.low")["paused"] is False and daemon.input(p, "numbers.high")["paused"] is True
    until("a row of the low ones", lambda: total(daemon, p, "numbers.low") >= 1)
    frozen = total(daemon, p, "numbers.high")  # a row that was on its way at the pause came in before
    until("three rows of the low ones", lambda: total(daemon, p, "numbers.low") >= 3)
    assert total(daemon, p, "numbers.high") == frozen
    seen = [int(r["n"]) for _, r in stream.wait_updates(len(first) + 3)]
    assert [n for n in seen if n < 1000] == list(range(len([n for n in seen if n < 1000])))
    assert why(daemon, p, "numbers.high")["text"] == "numbers.high is paused by user"
    stream.close()


def price_rows(vendor, first, n):
    return [{"part": first + i, "vendor": vendor, "price": 10 * (first + i)} for i in range(n)]


def lines(rows):
    return "".join(json.dumps(r) + "\n" for r in rows).encode()


def test_price_as_documented(daemon, web, broker, gone):
    """History from a web server, then Kafka by label, with the options spelled the old way."""
    topic = Topic(broker)
    topic.produce(json.dumps({"insert": r}) for r in price_rows(2, 0, 5))
    web.add("/price.json", b"".join(json.dumps({"insert": r}).encode() + b"\n" for r in price_rows(1, 0, 100)))
    p = gone("price-doc")
    live = connector("live", "kafka_input", {"topics": [topic.name], "bootstrap.servers": broker, "auto.offset.reset": "earliest"},
                     "json", start_after=["price.backfill"])
    daemon.create(p, table("price", PRICE, url_in("hist", web.url + "/price.json", fmt_config={"update_format": "insert_delete"},
                                                  labels=["price.backfill"]), live, materialized=True))
    daemon.start_pipeline(p, "paused")
    stream = Egress(daemon, p, "price")
    daemon.ok("POST", f"/v0/pipelines/{p}/resume")
    rows = [(int(r["vendor"]), int(r["part"])) for _, r in stream.wait_updates(105)]
    assert rows == [(1, i) for i in range(100)] + [(2, i) for i in range(5)]
    topic.produce([json.dumps({"insert": price_rows(3, 7, 1)[0]})])
    assert stream.wait_updates(106)[-1] == ("insert", {"part": "7", "vendor": "3", "price": "70"})
    assert daemon.input(p, "price.hist")["metrics"]["end_of_input"] is True
    assert daemon.query(p, "SELECT COUNT(*) AS n FROM price") == [{"n": 106}]
    stream.close()


def test_price_gapless(daemon, web, broker, gone):
    """The whole hand-over: marks before the backfill opens, a cut connection, messages while it runs, no gap, in order."""
    topic = Topic(broker, partitions=2)
    topic.produce((json.dumps(r) for r in price_rows(8, 1000, 3)), partition=0)  # before the mark: never read
    hist = lines(price_rows(1, 0, 20000))
    gate = threading.Event()
    res = web.add("/price.json", hist, cut_after=[100000, 70000], gate=gate, gate_at=len(hist) // 2)
    p = gone("price")
    daemon.create(p, table("price", PRICE + ", PRIMARY KEY (part, vendor)",
                           url_in("hist", web.url + "/price.json", labels=["price.backfill"]),
                           kafka_in("live", broker, topic.name, start_after="price.backfill", handoff="gapless"), materialized=True) +
                  view("low_price", "SELECT part, vendor, price FROM price WHERE price < 100000", materialized=True))
    daemon.start_pipeline(p)
    until("half the history is in", lambda: total(daemon, p, "price.hist") > 9000)

    # waiting, and every way to ask why
    assert daemon.input(p, "price.live")["paused"] is True
    w = why(daemon, p, "price.live")
    assert w["reason"] == "waiting" and w["endpoint_name"] == "price.live"
    assert w["text"].startswith("price.live is paused: waiting for label 'price.backfill'") and "price.hist" in w["text"], w
    (blocker,) = w["waiting_for"]
    assert blocker["connector"] == "price.hist" and blocker["label"] == "price.backfill" and blocker["failed"] is False
    assert 0 < blocker["progress"]["fraction"] < 1 and blocker["progress"]["total"] == len(hist)
    assert "It will start from its mark" in w["text"] and w["mark"], w
    assert daemon.input(p, "price.live")["mark"] == w["mark"] == {f"{topic.name}[0]": 3, f"{topic.name}[1]": 0}
    assert "mark" not in daemon.input(p, "price.hist")
    n = node(daemon, p, "price.live")
    assert n["reason"] == "waiting" and n["handoff"] == "done" and n["start_after"] == ["price.backfill"], n
    assert node(daemon, p, "price.hist")["labels"] == ["price.backfill"]

    # what is produced meanwhile arrives after the history, all of it
    topic.produce((json.dumps(r) for r in price_rows(2, 0, 50)), partition=0)
    topic.produce((json.dumps(r) for r in price_rows(3, 0, 50)), partition=1)
    topic.produce([json.dumps({"part": 5, "vendor": 1, "price": 999})], partition=1)  # converges by key
    assert total(daemon, p, "price.live") == 0
    gate.set()
    until("the messages are in", lambda: total(daemon, p, "price.live") == 101)
    until("all of it is processed", lambda: daemon.stats(p)["global_metrics"]["total_processed_records"] == 20101)
    assert daemon.query(p, "SELECT COUNT(*) AS n FROM price") == [{"n": 20100}]
    assert daemon.query(p, "SELECT COUNT(*) AS n FROM price WHERE vendor = 8") == [{"n": 0}]
    assert daemon.query(p, "SELECT price FROM price WHERE part = 5 AND vendor = 1") == [{"price": 999}]
    assert daemon.query(p, "SELECT COUNT(*) AS n FROM low_price") == [{"n": 10100}]
    assert len(res.requests) == 3 and res.requests[1]["Range"].startswith("bytes=") and res.requests[1]["If-Range"] == '"v1"'
    assert daemon.input(p, "price.live")["paused"] is False
    assert why(daemon, p, "price.hist")["text"] == "price.hist has reached its end of input: 20000 records"
    assert node(daemon, p, "price.hist")["reason"] == "ended" and node(daemon, p, "price.live")["reason"] == "running"

    # the stream stays open
    topic.produce([json.dumps(price_rows(4, 0, 1)[0])], partition=1)
    until("the late message is in", lambda: daemon.query(p, "SELECT price FROM price WHERE vendor = 4") == [{"price": 0}])


def test_latest_of_a_waiting_connector_means_pipeline_start(daemon, web, broker, gone):
    topic = Topic(broker)
    topic.produce([json.dumps({"n": 1})])
    gate = threading.Event()
    web.add("/h", b'{"n": 100}\n{"n": 101}\n', gate=gate, gate_at=5)
    p = gone("latest")
    daemon.run(p, table("t", "n BIGINT NOT NULL", url_in("hist", web.url + "/h", labels=["h"]),
                        kafka_in("live", broker, topic.name, options={"start_from": "latest"}, start_after="h"), materialized=True))
    until("its mark is taken", lambda: why(daemon, p, "t.live").get("mark"))
    topic.produce([json.dumps({"n": 2})])
    gate.set()
    until("the message since the start is in", lambda: total(daemon, p, "t.live") == 1)
    until("all are in", lambda: sorted(r["n"] for r in daemon.query(p, "SELECT n FROM t")) == [2, 100, 101])


def test_a_mark_that_cannot_be_taken_yet_is_explained(daemon, mock_broker, gone, tmp_path):
    """The broker is away: everyone says whose mark they wait for and why it is not there; whoever waits from outside goes on waiting."""
    b = mock_broker("in:1")
    b.say("down")
    (tmp_path / "h.json").write_text('{"n": 1}\n')
    p = gone("unmarked")
    options = {"start_from": "latest", "reconnect.backoff.max.ms": "200"}
    daemon.run(p, table("t", "n BIGINT NOT NULL", file_in("hist", tmp_path / "h.json", labels=["h"]),
                        kafka_in("live", b.bootstrap, "in", options=options, start_after="h"), materialized=True))
    until("it tries again", lambda: "First of all it is taking its hand-off mark: retrying since" in why(daemon, p, "t.live")["text"])
    w = why(daemon, p, "t.live")
    assert [(x["connector"], x["until"], x["failed"]) for x in w["waiting_for"]] == [("t.hist", "finished", False)], w
    w = why(daemon, p, "t.hist")
    assert w["reason"] == "mark" and "waits until these have taken their hand-off mark\n  t.live   taking its hand-off mark: retrying" in w["text"], w
    n = node(daemon, p, "t.hist")
    assert [(x["connector"], x["until"], x["failed"]) for x in n["waiting_for"]] == [("t.live", "marked", False)], n
    graph = subprocess.run([FDA, "--host", daemon.url, "graph", p], capture_output=True, text=True, timeout=PATIENCE).stdout
    assert "waiting for the mark of t.live" in graph, graph
    waits = subprocess.Popen([FDA, "--host", daemon.url, "wait", p, "t", "live", "--for", "running"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    b.say("up")
    assert waits.wait(PATIENCE) == 0, waits.stdout.read()
    until("the row is in", lambda: daemon.query(p, "SELECT n FROM t") == [{"n": 1}])


def test_failed_carrier_blocks_and_explains(daemon, web, gone, tmp_path):
    (tmp_path / "live.json").write_text('{"n": 1}\n')
    p = gone("blocked")
    daemon.run(p, table("t", "n BIGINT NOT NULL", url_in("hist", web.url + "/missing.json", labels=["h"]),
                        file_in("live", tmp_path / "live.json", start_after="h"),
                        file_in("audit", tmp_path / "live.json", start_after="h"), materialized=True))
    until("the carrier has failed", lambda: daemon.input(p, "t.hist")["fatal_error"])
    assert "404" in daemon.input(p, "t.hist")["fatal_error"]
    w = why(daemon, p, "t.live")
    assert w["reason"] == "waiting" and "blocked, it will not start by itself" in w["text"] and "404" in w["text"], w
    assert w["waiting_for"][0]["failed"] is True
    assert why(daemon, p, "t.hist")["reason"] == "failed"
    assert daemon.input(p, "t.live")["paused"] is True and total(daemon, p, "t.live") == 0
    assert daemon.stats(p)["global_metrics"]["pipeline_complete"] is False

    # the user's word: one skips the wait …
    connector_do(daemon, p, "t.live", "start")
    until("it has run", lambda: daemon.input(p, "t.live")["metrics"]["end_of_input"])
    assert daemon.input(p, "t.audit")["paused"] is True
    # … and a repaired carrier is tried again by start, which frees the other
    web.add("/missing.json", b'{"n": 2}\n{"n": 3}\n')
    connector_do(daemon, p, "t.hist", "start")
    daemon.wait_complete(p)
    assert sorted(r["n"] for r in daemon.query(p, "SELECT n FROM t")) == [1, 1, 2, 3]
    assert daemon.input(p, "t.hist")["fatal_error"] is None


def test_user_pause_of_a_waiting_connector_holds(daemon, web, gone, tmp_path):
    (tmp_path / "live.json").write_text('{"n": 1}\n')
    gate = threading.Event()
    web.add("/h", b'{"n": 100}\n{"n": 101}\n', gate=gate, gate_at=5)
    p = gone("held")
    daemon.run(p, table("t", "n BIGINT NOT NULL", url_in("hist", web.url + "/h", labels=["h"]),
                        file_in("live", tmp_path / "live.json", start_after="h"),
                        file_in("free", tmp_path / "live.json", start_after="h")))
    connector_do(daemon, p, "t.live", "pause")
    assert why(daemon, p, "t.live")["reason"] == "user"
    gate.set()
    until("the other one has run", lambda: daemon.input(p, "t.free")["metrics"]["end_of_input"])
    assert daemon.input(p, "t.live")["paused"] is True and total(daemon, p, "t.live") == 0
    connector_do(daemon, p, "t.live", "start")
    daemon.wait_complete(p)


def test_two_labels_two_carriers_and_a_chain(daemon, gone, tmp_path):
    for name, n in (("a", 1), ("b", 2), ("c", 3), ("d", 4)):
        (tmp_path / name).write_text('{"n": %d}\n' % n * 1000)
    p = gone("chain")
    daemon.create(p, table("t", "n BIGINT NOT NULL", file_in("d", tmp_path / "d", start_after="z"),
                           file_in("c", tmp_path / "c", start_after=["x", "y"], labels=["mid"]),
                           connector("empty", "empty_input", start_after="mid", labels=["z"]),
                           file_in("a", tmp_path / "a", labels=["x"], paused=True), file_in("a2", tmp_path / "a", labels=["x"])) +
                  table("other", "n BIGINT NOT NULL", file_in("b", tmp_path / "b", labels=["y", "unrelated"])) +
                  view("v", "SELECT n FROM t UNION ALL SELECT n FROM other"))
    daemon.start_pipeline(p, "paused")
    stream = Egress(daemon, p, "v")
    daemon.ok("POST", f"/v0/pipelines/{p}/resume")
    until("the free ones have ended", lambda: daemon.input(p, "t.a2")["metrics"]["end_of_input"] and
          daemon.input(p, "other.b")["metrics"]["end_of_input"])
    w = why(daemon, p, "t.c")
    assert [b["connector"] for b in w["waiting_for"]] == ["t.a"] and "paused by user" in w["text"], w
    assert total(daemon, p, "t.c") == 0
    connector_do(daemon, p, "t.a", "start")
    daemon.wait_complete(p)
    seen = [r["n"] for _, r in stream.wait_updates(5000)]
    assert seen[-2000:] == ["3"] * 1000 + ["4"] * 1000
    stream.close()


def test_unknown_label_needs_leave(daemon, gone):
    bad = table("t", "n BIGINT NOT NULL", datagen("g", {"limit": 3}, start_after="nobody"))
    r = daemon.request("PUT", "/v0/pipelines/unknown-label", json={"name": "unknown-label", "program_code": bad})
    assert r.status_code == 201

    def failed():
        p = daemon.get("/v0/pipelines/unknown-label").json()
        return p["program_status"] == "SqlError" and p["program_error"]["sql_compilation"]
    (message,) = [m for m in until("the program is refused", failed)["messages"] if not m["warning"]]
    assert "nobody" in message["message"] and message["start_line_number"] == 1
    p = gone("unknown-label")
    daemon.run(p, "SET HEADGATE_UNKNOWN_LABEL = 'warn';\n" + bad)
    daemon.wait_complete(p)
    assert total(daemon, p, "t.g") == 3


def test_a_thousand_connectors_hand_over(daemon, gone, tmp_path):
    """One carrier, 999 dependents: all start and end, and stats and graph still answer."""
    (tmp_path / "x").write_text('{"n": 1}\n')
    p = gone("thousand")
    daemon.run(p, table("t", "n BIGINT NOT NULL", datagen("hist", {"limit": 1000}, labels=["h"]),
                        *(file_in(f"d{i}", tmp_path / "x", start_after="h") for i in range(999))))
    daemon.wait_complete(p)
    assert daemon.stats(p)["global_metrics"]["total_input_records"] == 1999
    assert len(daemon.ok("GET", f"/v0/pipelines/{p}/orchestration").json()["connectors"]) == 1000
