"""nats_input against a real NATS server with JetStream: where it begins, sessions, what is refused, lost servers, kill -9, exactly once."""
import json

import pytest

from hg import certs, until
from hg.nats import Server
from hg.run import headgate, run
from hg.sql import connector, file_out, table, view
from test_durable import checkpoint, kill
from test_exactly_once import EXACTLY, wait_count, written

PASSWORD = "geheim-3310"


@pytest.fixture(scope="module")
def nats():
    s = Server()
    yield s
    s.close()


@pytest.fixture
def another():
    made = []

    def make(*a, **kw):
        made.append(Server(*a, **kw))
        return made[-1]
    yield make
    for s in made:
        s.close()


def source(name, url, stream, policy="All", auth=None, ca=None, retry=1, consumer=None, **more):
    conn = {"server_url": url, **({"auth": auth} if auth else {}), **({"tls_ca_file": str(ca)} if ca else {})}
    return connector(name, "nats_input", {"connection_config": conn, "stream_name": stream, "retry_interval_secs": retry,
                                          "consumer_config": {"deliver_policy": policy, **(consumer or {})}, **more}, "json", {"update_format": "raw"})


def rows(first, last):
    return [json.dumps({"id": i}) for i in range(first, last)]


def program(s, *outs):
    return table("t", "id BIGINT NOT NULL", s, materialized=True) + view("v", "SELECT id FROM t", *outs)


def ids(d, name="p"):
    return sorted(r["id"] for r in d.query(name, "SELECT id FROM t"))


def is_there(d, name, want):
    until(f"{len(want)} rows", lambda: ids(d, name) == want)


def health(d, name="p"):
    (i,) = d.stats(name)["inputs"]
    return json.dumps(i)


def refused(tmp_path, s, *words, never=()):
    path = tmp_path / "p.sql"
    path.write_text(program(s))
    r = headgate("check", path)
    assert r.code == 1 and all(w in r.out + r.err for w in words), r
    assert not any(w in line for w in never for line in r.err.splitlines() if "error:" in line), r


def fails(tmp_path, s, *words):
    r = run(tmp_path, program(s), "--until-complete")
    assert r.code == 1 and all(w in r.err for w in words), r
    assert PASSWORD not in r.out + r.err


def test_where_it_begins(daemon, gone, nats):
    nats.stream("s", ["s.*"])
    nats.publish("s.a", *rows(1, 6))
    nats.publish("s.b", *rows(6, 11))
    policies = {"all": ("All", {}, list(range(1, 12))), "last": ("Last", {}, [10, 11]), "new": ("New", {}, [11]),
                "per_subject": ("LastPerSubject", {}, [5, 10, 11]), "sequence": ({"ByStartSequence": {"start_sequence": 8}}, {}, [8, 9, 10, 11]),
                "time": ({"ByStartTime": {"start_time": "2020-01-01T00:00:00Z"}}, {}, list(range(1, 12))),
                "filter": ("All", {"filter_subjects": ["s.a"]}, [1, 2, 3, 4, 5, 11])}
    for name, (policy, consumer, want) in policies.items():
        daemon.run(gone(name), program(source("n", nats.url, "s", policy, consumer=consumer)))
    for name, (_, _, want) in policies.items():
        is_there(daemon, name, want[:-1])

    def consumers():
        return [c["config"] for c in nats.api("CONSUMER.LIST.s")["consumers"]]
    # the others have shown that theirs is there; that one begins behind what there is
    until("the one for what is new is there", lambda: any(c.get("opt_start_seq") == 11 for c in consumers()) and len(consumers()) >= len(policies))
    nats.publish("s.a", *rows(11, 12))
    for name, (_, _, want) in policies.items():
        is_there(daemon, name, want)


def test_the_name_of_a_consumer(own, another):
    s = another()
    s.stream("s", ["s"])
    s.publish("s", *rows(0, 10))
    own.run("p", program(source("n", s.url, "s", consumer={"name": "mine", "filter_subjects": ["s"]})))
    is_there(own, "p", list(range(10)))
    (c,) = s.api("CONSUMER.LIST.s")["consumers"]
    assert c["name"].startswith("mine_") and c["name"] == c["config"]["name"]
    s.api(f"CONSUMER.DELETE.s.{c['name']}")  # the next one has a name of its own
    s.publish("s", *rows(10, 20))
    is_there(own, "p", list(range(20)))
    assert all(c["name"].startswith("mine_") for c in s.api("CONSUMER.LIST.s")["consumers"])


def test_many_messages_and_a_pause(daemon, gone, nats):
    name = gone("many")
    nats.stream("many", ["many"])
    nats.publish("many", *rows(0, 20000))
    daemon.run(name, program(source("n", nats.url, "many", consumer={"max_batch": 100})))
    daemon.ok("POST", f"/v0/pipelines/{name}/tables/t/connectors/n/pause")
    daemon.ok("POST", f"/v0/pipelines/{name}/tables/t/connectors/n/start")
    until("all are there", lambda: daemon.query(name, "SELECT count(*) AS n, count(DISTINCT id) AS m FROM t") == [{"n": 20000, "m": 20000}])


@pytest.mark.parametrize("how", ["user", "token", "url"])
def test_sessions(tmp_path, own, another, how):
    if how == "token":
        s, auth = another(f'authorization {{ token: "{PASSWORD}" }}', (PASSWORD,)), {"token": PASSWORD}
    else:
        s = another(f'authorization {{ user: "me", password: "{PASSWORD}" }}', ("me", PASSWORD))
        auth = {"user_and_password": {"user": "me", "password": PASSWORD}} if how == "user" else None
    s.stream("s", ["s"])
    s.publish("s", *rows(0, 10))
    url = s.url.replace("//", f"//me:{PASSWORD}@") if how == "url" else s.url
    own.run("p", program(source("n", url, "s", auth=auth)))
    is_there(own, "p", list(range(10)))
    assert PASSWORD not in own.ok("GET", "/v0/pipelines/p/stats").text
    wrong = {"token": "no"} if how == "token" else {"user_and_password": {"user": "me", "password": "no"}}
    fails(tmp_path, source("n", s.url, "s", auth=wrong), "Authorization Violation")


def test_tls(tmp_path, own, another):
    cert, key = certs.make(tmp_path)
    s = another(tls=(cert, key))
    s.stream("s", ["s"])
    s.publish("s", *rows(0, 1000))
    own.run("p", program(source("n", s.url, "s", ca=cert)))
    is_there(own, "p", list(range(1000)))
    fails(tmp_path, source("n", s.url, "s"), "the certificate of the server is refused")
    fails(tmp_path, source("n", s.url.replace("tls:", "nats:"), "s"), "the server wants TLS")


def test_configurations_that_are_refused(tmp_path):
    def one(*words, url="nats://h", stream="s", policy="All", never=(), **more):
        refused(tmp_path, source("n", url, stream, policy, **more), *words, never=never)
    for url, words in ((f"http://u:{PASSWORD}@h", "nats:// or tls://"), (f"nats://u:{PASSWORD}@", "no host"), (f"nats://u:{PASSWORD}@h:x", "port"),
                       ("nats://a,nats://b", "name one"), (f"nats://u:{PASSWORD}%zz@h", "%-escape"), ("nats://[::1", "']'")):
        one(words, url=url, never=[PASSWORD])
    one("stream_name", stream="a.b")
    one("deliver_policy", policy="Newest")
    one("deliver_policy", policy={"ByStartTime": {"start_time": "yesterday"}})
    one("max_expires", consumer={"max_expires": 5})
    one("rate_limit", consumer={"rate_limit": 10})
    one("replay_policy", consumer={"replay_policy": "Fast"})
    one("'name'", "a consumer's name has no blanks", consumer={"name": "a b"})
    one("'tokn' is not known; did you mean 'token'", auth={"tokn": "x"})
    one("tls:// only", ca="/x.pem")
    refused(tmp_path, connector("n", "nats_input", {"stream_name": "s"}, "json"), "connection_config", "consumer_config")


def test_a_server_that_is_killed(own, another):
    s = another()
    s.stream("s", ["s"])
    own.run("p", program(source("n", s.url, "s")))
    for n in range(3):
        s.publish("s", *rows(n * 1000, n * 1000 + 1000))
        until("they are there", lambda: len(ids(own)) == n * 1000 + 1000)
        s.stop()
        until("it says that it tries again", lambda: "retrying" in health(own))
        s.start()
    until("it says that all is well", lambda: "retrying" not in health(own))
    s.publish("s", *rows(3000, 3001))
    is_there(own, "p", list(range(3001)))


def test_a_stream_that_is_not_there(own, another):
    """Waited for, with the reason; one that is made anew under the same name is another one."""
    s = another()
    own.run("p", program(source("n", s.url, "late", inactivity_timeout_secs=1)))
    until("it says what it waits for", lambda: "stream not found" in health(own))
    s.stream("late", ["late"])
    s.publish("late", *rows(0, 10))
    is_there(own, "p", list(range(10)))
    s.api("STREAM.DELETE.late")
    until("it notices", lambda: "stream not found" in health(own) and "retrying" in health(own))
    s.stream("late", ["late"])
    until("it is not read on", lambda: "was made anew" in health(own))
    assert ids(own) == list(range(10))


def test_what_comes_next_is_gone(own, another):
    s = another()
    s.stream("s", ["s"])
    s.publish("s", *rows(0, 10))
    own.run("p", program(source("n", s.url, "s")), runtime_config=EXACTLY)
    is_there(own, "p", list(range(10)))
    checkpoint(own)
    own.stop_pipeline("p", force=False)
    s.publish("s", *rows(10, 20))
    s.api("STREAM.PURGE.s", {"seq": 15})
    own.start_pipeline("p")
    until("it says what is missing", lambda: "message 11 of stream 's', which comes next, is not there: it has 15 to 20" in health(own))


def test_exactly_once(own, tmp_path, another):
    s, out = another(), tmp_path / "out.json"
    s.stream("s", ["s.*"])
    own.run("p", program(source("n", s.url, "s", consumer={"filter_subjects": ["s.a"]}), file_out("o", out)), runtime_config=EXACTLY)
    n = 0
    for round in range(5):
        for part in range(3):
            s.publish("s.a", *rows(n, n + 200))
            s.publish("s.b", *rows(0, 7))  # gaps
            n += 200
        if round != 1:
            wait_count(own, "t", n)
        if round == 2:
            checkpoint(own)
        if round == 3:
            s.stop()
            s.start()
        kill(own)
        own.start_pipeline("p")
    wait_count(own, "t", n)
    until("the file has all", lambda: len(written(out)) >= n)
    assert sorted(written(out)) == list(range(n))
