"""redis_output against a real Redis server: keys and values, sessions, what the server refuses, kill -9 on both sides, exactly once."""
import json
import os
import subprocess

import pytest

from hg import certs, contents, until
from hg.kafka import free_port
from hg.redis import Server
from hg.run import headgate, run
from hg.sql import connector, file_in, table, view
from test_durable import checkpoint, kill
from test_exactly_once import EXACTLY, add, durable, wait_count

PASSWORD = "geheim-8125"


@pytest.fixture(scope="module")
def redis():
    s = Server()
    yield s
    s.close()


@pytest.fixture(autouse=True)
def empty(redis):
    if redis.proc.poll() is None:
        redis("FLUSHALL")


@pytest.fixture
def another():
    made = []

    def make(**kw):
        made.append(Server(**kw))
        return made[-1]
    yield make
    for s in made:
        s.close()


def sink(name, uri, key_fields=("id",), fmt="json", fmt_config=None, **options):
    return connector(name, "redis_output", {"connection_string": uri, **options}, fmt, {"key_fields": list(key_fields), **(fmt_config or {})})


def out(d, name="p"):
    (o,) = d.stats(name)["outputs"]
    return o


def values(server, **kw):
    return {k: json.loads(v) for k, v in server.all(**kw).items()}


def rows(first, last):
    return {str(i): {"id": i} for i in range(first, last)}


def numbers(n, s, *more):
    """A program whose file of n numbers goes to the sink s."""
    return table("t", "id BIGINT NOT NULL", *more) + view("v", "SELECT id FROM t", s)


def follows(tmp_path, s, runtime_config, d):
    src = tmp_path / "in.json"
    add(src, range(1000))
    d.run("p", table("t", "id BIGINT NOT NULL", file_in("f", src, follow=True), materialized=True) + view("v", "SELECT id FROM t", s),
          runtime_config=runtime_config)
    wait_count(d, "t", 1000)
    return src


def refused(tmp_path, s, *words, columns="id BIGINT NOT NULL", never=()):
    path = tmp_path / "p.sql"
    path.write_text(table("t", columns) + view("v", "SELECT * FROM t", s))
    r = headgate("check", path)
    assert r.code == 1 and all(w in r.out + r.err for w in words), r
    assert not any(w in line for w in never for line in r.err.splitlines() if "error:" in line), r  # the program's line is shown below


def fails(tmp_path, s, *words):
    src = tmp_path / "one.json"
    src.write_text('{"id": 1}\n')
    r = run(tmp_path, numbers(1, s, file_in("f", src)), "--until-complete")
    assert r.code == 1 and all(w in r.err for w in words), r
    assert PASSWORD not in r.err + r.out
    return r


def test_rows_are_keys(daemon, gone, redis):
    name = gone("rows")
    daemon.run(name, table("t", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR, d DATE, n DECIMAL(10, 2), b BOOLEAN") +
               view("v", "SELECT * FROM t", sink("r", redis.uri(db=3), ["s", "id", "d", "n", "b"], key_separator="/")))

    def push(text):
        daemon.wait_token(name, daemon.ingress(name, "t", text, format="json", update_format="insert_delete").json()["token"])
    push('{"insert":{"id":1,"s":"a b","d":"2024-02-29","n":1.50,"b":true}}\n{"insert":{"id":2,"s":null,"d":null,"n":null,"b":null}}\n'
         '{"insert":{"id":3,"s":"\\"q\\"\\n","d":null,"n":-7,"b":false}}')
    assert redis.all() == {}
    assert redis.all(db=3) == {
        "a b/1/2024-02-29/1.5/true": '{"id":1,"s":"a b","d":"2024-02-29","n":1.5,"b":true}\n',
        "null/2/null/null/null": '{"id":2,"s":null,"d":null,"n":null,"b":null}\n',
        '"q"\n/3/null/-7/false': '{"id":3,"s":"\\"q\\"\\n","d":null,"n":-7,"b":false}\n'}
    push('{"insert":{"id":1,"s":"a b","d":"2024-02-29","n":1.50,"b":false}}\n{"delete":{"id":2}}')
    assert set(redis.all(db=3)) == {"a b/1/2024-02-29/1.5/false", '"q"\n/3/null/-7/false'}


def test_an_update_replaces_the_value(daemon, gone, redis):
    name = gone("updates")
    daemon.run(name, table("t", "id BIGINT NOT NULL PRIMARY KEY, n BIGINT") + view("v", "SELECT * FROM t", sink("r", redis.uri())))
    for n in range(3):
        text = "".join(f'{{"id":{i},"n":{n}}}\n' for i in range(5000))
        daemon.wait_token(name, daemon.ingress(name, "t", text, format="json", update_format="raw").json()["token"])
        assert values(redis) == {str(i): {"id": i, "n": n} for i in range(5000)}


def test_a_large_step(tmp_path, redis):
    """More than goes into one transaction, and than a socket takes at once."""
    src = tmp_path / "in.json"
    src.write_text("".join('{"id": %d, "s": "%s"}\n' % (i, "x" * 400) for i in range(60000)))
    r = run(tmp_path, table("t", "id BIGINT NOT NULL, s VARCHAR", file_in("f", src)) + view("v", "SELECT * FROM t", sink("r", redis.uri())), "--until-complete")
    assert r.code == 0, r
    assert redis("DBSIZE") == 60000


@pytest.mark.parametrize("how", ["password", "user", "resp3", "socket", "socket of a user"])
def test_sessions(tmp_path, another, how):
    s = another(password=PASSWORD)
    uri = s.uri(db=2)
    if how.startswith("socket"):
        uri = f"unix://{s.socket}?db=2&pass={PASSWORD}&protocol=resp3"
    if how.endswith("user"):
        s("ACL", "SETUSER", "writer", "on", ">" + PASSWORD, "~*", "+set", "+del", "+multi", "+exec", "+select")
        uri = f"redis+unix://{s.socket}?db=2&user=writer&pass={PASSWORD}" if how.startswith("socket") else s.uri(db=2, user="writer")
    elif how == "resp3":
        uri += "?protocol=resp3"
    src = tmp_path / "in.json"
    add(src, range(100))
    r = run(tmp_path, numbers(100, sink("r", uri), file_in("f", src)), "--until-complete")
    assert r.code == 0, r
    assert values(s, db=2) == rows(0, 100)


def test_what_the_server_refuses(tmp_path, another):
    s = another(password=PASSWORD)
    fails(tmp_path, sink("r", f"redis://:not-{PASSWORD}@127.0.0.1:{s.port}"), "WRONGPASS")
    fails(tmp_path, sink("r", f"redis://127.0.0.1:{s.port}"), "NOAUTH")
    fails(tmp_path, sink("r", s.uri(db=99)), "DB index is out of range")
    s("ACL", "SETUSER", "reader", "on", ">" + PASSWORD, "~*", "+get", "+multi", "+exec")
    fails(tmp_path, sink("r", s.uri(user="reader")), "error committing Redis transaction", "NOPERM")


def test_a_cluster_is_refused(tmp_path, another):
    s = another(**{"cluster-enabled": "yes", "cluster-port": free_port()})
    fails(tmp_path, sink("r", s.uri()), "Redis Cluster", "not supported")


def test_a_sentinel_is_refused(tmp_path, another):
    """It answers much of what a server does, so it is told by what it says it is; also where a database is selected, which it knows nothing of."""
    s = another()
    conf = os.path.join(s.dir, "sentinel.conf")
    port = free_port()
    with open(conf, "w") as f:
        f.write(f"port {port}\nbind 127.0.0.1\ndir {s.dir}\nsentinel monitor m 127.0.0.1 {s.port} 1\n")
    with subprocess.Popen([s.bin, conf, "--sentinel"], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as sentinel:
        try:
            for db in ("", "/3"):  # until it is there the connector tries again
                fails(tmp_path, sink("r", f"redis://127.0.0.1:{port}{db}"), "127.0.0.1 is a Redis Sentinel, which is not asked for its master; name the master")
        finally:
            sentinel.kill()


def test_tls(tmp_path, another):
    cert, key = certs.make(tmp_path)
    s = another(password=PASSWORD, tls=(cert, key))
    src = tmp_path / "in.json"
    add(src, range(20000))
    uri = s.uri(scheme="rediss")
    for i, good in enumerate([sink("r", uri, tls_ca_file=str(cert)), sink("r", uri + "#insecure")]):
        s("FLUSHALL")
        r = run(tmp_path, numbers(1, good, file_in("f", src)), "--until-complete")
        assert r.code == 0, r
        assert values(s) == rows(0, 20000)
    fails(tmp_path, sink("r", uri), "the certificate of the server is refused", "self-signed")
    other = tmp_path / "other"
    other.mkdir()
    fails(tmp_path, sink("r", uri, tls_ca_file=str(certs.make(other, "other")[0])), "certificate")
    fails(tmp_path, sink("r", uri, tls_ca_file=str(tmp_path / "none.pem")), "none.pem")


def test_configurations_that_are_refused(tmp_path):
    good = "redis://h"
    refused(tmp_path, connector("r", "redis_output", {}, "json", {"key_fields": ["id"]}), "connection_string")
    refused(tmp_path, sink("r", good, fmt="csv"), "'csv' format not yet supported")
    refused(tmp_path, connector("r", "redis_output", {"connection_string": good}, "json"), "'key_fields' is required")
    refused(tmp_path, sink("r", good, ["nope"]), "'nope'")
    refused(tmp_path, sink("r", good, fmt_config={"array": True}), "'array'")
    refused(tmp_path, sink("r", good, tls_ca_file="/x.pem"), "rediss:// only")
    for bad, words in ((f"http://:{PASSWORD}@h", "redis:// or rediss://"), (f"redis://:{PASSWORD}@h:x", "port"), (f"redis://:{PASSWORD}@h/a", "database"),
                       (f"redis://:{PASSWORD}@", "no host"), (f"redis://:{PASSWORD}@h?a=b", "protocol=resp3"), (f"redis://:{PASSWORD}@h#x", "insecure"),
                       (f"redis://:{PASSWORD}%zz@h", "%-escape"), (f"redis+sentinel://:{PASSWORD}@h/m", "Redis Sentinel is not supported"), (f"redis://:{PASSWORD}@[::1", "host")):
        refused(tmp_path, sink("r", bad), words, never=[PASSWORD])


def test_the_password_is_shown_nowhere(own, tmp_path, another):
    s = another(password=PASSWORD)
    own.stop()
    os.environ["REDIS_URI"] = s.uri()
    try:
        own.start()
        follows(tmp_path, sink("r", "${env:REDIS_URI}"), None, own)
        until("the keys are there", lambda: s("DBSIZE") == 1000)
        for path in ("p", "p/stats", "p/orchestration"):
            assert PASSWORD not in own.ok("GET", f"/v0/pipelines/{path}").text
        s.stop()
        until("it says that it tries again", lambda: "retrying" in json.dumps(out(own).get("health")))
        assert PASSWORD not in own.ok("GET", "/v0/pipelines/p/stats").text
        for path, data in contents(own.data_dir):
            assert PASSWORD.encode() not in data, path
    finally:
        del os.environ["REDIS_URI"]


def test_a_server_that_is_killed(own, tmp_path, another):
    """Several times, with rows on their way; nothing is missing and nothing that was removed is left."""
    s = another()
    own.run("p", table("t", "id BIGINT NOT NULL PRIMARY KEY, n BIGINT", materialized=True) + view("v", "SELECT * FROM t", sink("r", s.uri())))
    for n in range(4):
        text = "".join(f'{{"insert":{{"id":{i},"n":{n}}}}}\n' for i in range(20000)) + f'{{"delete":{{"id":{n}}}}}\n'
        token = own.ingress("p", "t", text, format="json", update_format="insert_delete").json()["token"]
        s.stop()
        until("it says that it tries again", lambda: "retrying" in json.dumps(out(own).get("health")))
        s.start()
        own.wait_token("p", token)
        assert values(s) == {str(i): {"id": i, "n": n} for i in range(20000) if i != n}
    until("it says that all is well", lambda: "retrying" not in json.dumps(out(own).get("health")))


def test_a_server_without_memory(own, tmp_path, another):
    """Its refusal costs nothing: the rows are there when it has room again."""
    s = another()
    follows(tmp_path, sink("r", s.uri()), None, own)
    until("the keys are there", lambda: s("DBSIZE") == 1000)
    s("CONFIG", "SET", "maxmemory", "1")
    add(tmp_path / "in.json", range(1000, 2000))
    until("it says why it waits", lambda: "OOM" in json.dumps(out(own).get("health")))
    s("CONFIG", "SET", "maxmemory", "0")
    until("the keys are there", lambda: s("DBSIZE") == 2000)


def log_of(server):
    """Commands that the server has done, in order, from its append-only file."""
    folder = os.path.join(server.dir, "appendonlydir")
    commands = []
    for f in sorted(os.listdir(folder)):
        if not f.endswith(".incr.aof"):
            continue
        data = open(os.path.join(folder, f), "rb").read()
        at = 0
        while at < len(data):
            n, at = int(data[at + 1:data.index(b"\r\n", at)]), data.index(b"\r\n", at) + 2
            args = []
            for _ in range(n):
                k, at = int(data[at + 1:data.index(b"\r\n", at)]), data.index(b"\r\n", at) + 2
                args.append(data[at:at + k].decode())
                at += k + 2
            commands.append(args)
    return commands


def test_exactly_once(own, tmp_path, another):
    """kill -9 of the pipeline and of the server, in turn: the server has done each row's SET once, and each step once."""
    s = another()
    src = follows(tmp_path, sink("r", s.uri()), EXACTLY, own)
    n = 1000
    for round in range(6):
        add(src, range(n, n + 3000))
        n += 3000
        if round % 3 == 1:
            checkpoint(own)
        if round % 3 == 2:
            s.stop()
            until("it says that it tries again", lambda: "retrying" in json.dumps(out(own).get("health")))
            s.start()
        if round % 2 == 0:
            kill(own)
            own.start_pipeline("p")
        wait_count(own, "t", n)
    durable(own, "t", "f")
    assert values(s) == rows(0, n)
    done = log_of(s)
    sets = [c[1] for c in done if c[0] == "SET" and not c[1].startswith("headgate:")]
    assert sorted(map(int, sets)) == list(range(n))
    steps = [tuple(map(int, c[2].split()[:2])) for c in done if c[0] == "SET" and c[1].startswith("headgate:")]
    assert [x for _, x in steps] == sorted(x for _, x in steps) and len({life for life, _ in steps}) == 1


def test_a_server_that_has_lost_steps(own, tmp_path, another):
    s = another()
    follows(tmp_path, sink("r", s.uri()), EXACTLY, own)
    durable(own, "t", "f")
    assert s("DBSIZE") == 1001
    s.stop()
    until("it says that it tries again", lambda: "retrying" in json.dumps(out(own).get("health")))
    for f in os.listdir(os.path.join(s.dir, "appendonlydir")):
        os.unlink(os.path.join(s.dir, "appendonlydir", f))
    s.start()
    until("it says what is wrong", lambda: "it has lost data" in json.dumps(out(own)["metrics"] | {"e": out(own).get("fatal_error")}))


def test_another_writer_is_noticed(own, tmp_path, another):
    """Somebody else changes the key of the steps: the transaction under way is thrown away, then done again in a new session."""
    s = another()
    src = follows(tmp_path, sink("r", s.uri()), EXACTLY, own)
    durable(own, "t", "f")
    (key,) = [k for k in s("KEYS", "headgate:*")]
    s("SET", key, s("GET", key))
    add(src, range(1000, 1100))
    until("the keys are there", lambda: s("DBSIZE") == 1101)
    assert values(s) == rows(0, 1100)
