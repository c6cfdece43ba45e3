"""nats_input against a real NATS server that knows its users by NKey or JWT: credentials files, seeds, what is refused, users that come and go."""
import os
import signal

import pytest

from hg import contents, nkeys, until
from hg.daemon import Daemon
from hg.nats import Server
from test_access import compile_error, logged
from test_nats import fails, is_there, program, refused, rows, source


@pytest.fixture(scope="module")
def operator():
    return nkeys.Operator()


@pytest.fixture(scope="module")
def trusted(operator):
    """A server that trusts one operator; stream s has rows 0 to 9."""
    s = Server(operator.conf(), operator.login())
    s.stream("s", ["s"])
    s.publish("s", *rows(0, 10))
    yield s
    s.close()


@pytest.fixture
def another():
    made = []

    def make(*a):
        made.append(Server(*a))
        return made[-1]
    yield make
    for s in made:
        s.close()


def written(path, jwt, key, **kw):
    path.write_text(nkeys.credentials(jwt, key, **kw))
    os.chmod(path, 0o600)
    return path


def test_users_of_an_operator(daemon, gone, tmp_path, operator, trusted):
    jwt, key = operator.user()
    bearer, other = operator.user(bearer_token=True)
    ways = {"file": {"credentials": {"FromFile": str(written(tmp_path / "u.creds", jwt, key))}},
            "crlf": {"credentials": {"FromFile": str(written(tmp_path / "w.creds", jwt, key, end="\r\n"))}},
            "text": {"credentials": {"FromString": nkeys.credentials(jwt, key)}},
            "jwt": {"jwt": jwt, "nkey": key.seed},
            "bearer": {"jwt": bearer}}
    for name, auth in ways.items():
        daemon.run(gone(name), program(source("n", trusted.url, "s", auth=auth)))
    for name in ways:
        is_there(daemon, name, list(range(10)))
        assert key.seed not in daemon.ok("GET", f"/v0/pipelines/{name}/stats").text


def test_users_by_nkey(own, tmp_path, another):
    key, stranger = nkeys.Key("user"), nkeys.Key("user")
    s = another(f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}", lambda nonce: {"nkey": key.public, "sig": key.sign(nonce)})
    s.stream("s", ["s"])
    s.publish("s", *rows(0, 10))
    own.run("p", program(source("n", s.url, "s", auth={"nkey": key.seed})))
    is_there(own, "p", list(range(10)))
    s.stop()
    s.start()
    s.publish("s", *rows(10, 20))  # each session signs a nonce of its own
    is_there(own, "p", list(range(20)))
    fails(tmp_path, source("n", s.url, "s", auth={"nkey": stranger.seed}), "Authorization Violation")


def test_what_the_server_refuses(tmp_path, operator, trusted, another):
    jwt, key = operator.user()
    elsewhere, its_key = nkeys.Operator().user()
    creds = str(written(tmp_path / "u.creds", elsewhere, its_key))
    fails(tmp_path, source("n", trusted.url, "s", auth={"credentials": {"FromFile": creds}}), "Authorization Violation")
    fails(tmp_path, source("n", trusted.url, "s", auth={"jwt": jwt, "nkey": its_key.seed}), "Authorization Violation")
    fails(tmp_path, source("n", trusted.url, "s", auth={"jwt": jwt}), "Authorization Violation")  # no bearer
    plain = another()
    fails(tmp_path, source("n", plain.url, "s", auth={"nkey": key.seed}), "the server asks for no signature")


def test_files_that_are_refused(tmp_path, operator, trusted):
    jwt, key = operator.user()

    def one(path, *words):
        fails(tmp_path, source("n", trusted.url, "s", auth={"credentials": {"FromFile": str(path)}}), str(path), *words)
    one(tmp_path / "none.creds", "No such file")
    one(tmp_path, "not a regular file")
    os.mkfifo(tmp_path / "fifo")
    one(tmp_path / "fifo", "not a regular file")
    large = tmp_path / "large"
    large.write_text("x" * 70000)
    one(large, "too large")
    other = tmp_path / "other"
    other.write_text("x\n")
    one(other, "BEGIN NATS USER JWT")
    bad = written(tmp_path / "bad", jwt, key)
    bad.write_text(bad.read_text().replace(key.seed, key.seed[:-1]))
    one(bad, "its seed", "has 58 characters, this text has 57")


def test_configurations_that_are_refused(tmp_path, operator):
    jwt, key = operator.user()

    def one(auth, *words):
        refused(tmp_path, source("n", "nats://h", "s", auth=auth), *words, never=[key.seed, key.seed[:-1], jwt])
    one({"credentials": {"FromFile": "a", "FromString": "b"}}, "'credentials': expected")
    one({"credentials": "a"}, "'credentials': expected an object")
    one({"credentials": {"FromString": jwt}}, "'FromString'", "BEGIN NATS USER JWT")
    one({"credentials": {"FromString": nkeys.credentials("a.b", key)}}, "its JWT", "three parts")
    one({"nkey": key.public}, "'nkey'", "public key")
    one({"nkey": key.seed[:-1]}, "58 characters")
    one({"nkey": key.seed[:-1] + ("A" if key.seed[-1] != "A" else "E")}, "a character is wrong")
    one({"nkey": nkeys.Key("account").seed}, "something else than a user")
    one({"jwt": "a..b", "nkey": key.seed}, "'jwt'", "three parts")
    one({"token": "x", "nkey": key.seed}, "'token' and 'nkey' are two ways")
    one({"credentials": {"FromFile": "a"}, "jwt": jwt}, "'credentials' and 'jwt' are two ways")


def test_limits_and_references(tmp_path, operator, trusted):
    """Only what --allow-path names is read; a text from a secret is shown nowhere."""
    jwt, key = operator.user()
    (tmp_path / "in").mkdir()
    inside = written(tmp_path / "in" / "u.creds", jwt, key)
    outside = written(tmp_path / "u.creds", jwt, key)
    secret = tmp_path / "secrets" / "kubernetes" / "nats"
    secret.mkdir(parents=True)
    written(secret / "user", jwt, key)
    (secret / "seed").write_text(key.seed + "\n")
    d = Daemon(env={"HEADGATE_SECRETS_DIR": str(tmp_path / "secrets"), "NATS_JWT": jwt}, args=["--allow-path", str(tmp_path / "in")])
    try:
        message, line = compile_error(d, program(source("n", trusted.url, "s", auth={"credentials": {"FromFile": str(outside)}})))
        assert "--allow-path" in message and "FromFile" in line
        ways = {"file": {"credentials": {"FromFile": str(inside)}}, "secret": {"credentials": {"FromString": "${secret:kubernetes:nats/user}"}},
                "two": {"jwt": "${env:NATS_JWT}", "nkey": "${secret:kubernetes:nats/seed}"}}
        for name, auth in ways.items():
            d.run(name, program(source("n", trusted.url, "s", auth=auth)))
        for name in ways:
            is_there(d, name, list(range(10)))
            for path in (name, f"{name}/stats"):
                assert key.seed not in d.ok("GET", f"/v0/pipelines/{path}").text
        for path, data in contents(d.data_dir):
            assert key.seed.encode() not in data, path
    finally:
        d.close()


def test_a_user_that_is_revoked(own, tmp_path, another):
    """A credentials file is read anew for each session: the next one in it takes over, without anybody's hand."""
    o = nkeys.Operator()
    s = another(o.conf(), o.login())
    s.stream("s", ["s"])
    s.publish("s", *rows(0, 10))
    jwt, key = o.user()
    creds = written(tmp_path / "u.creds", jwt, key)
    own.run("p", program(source("n", s.url, "s", auth={"credentials": {"FromFile": str(creds)}})))
    is_there(own, "p", list(range(10)))
    o.revoke(key)
    written(tmp_path / "new", *o.user())
    os.replace(tmp_path / "new", creds)
    s.configure(o.conf())
    s.proc.send_signal(signal.SIGHUP)
    until("the server has ended the session", lambda: own.stats("p")["inputs"][0]["metrics"]["num_transport_errors"] > 0)
    s.publish("s", *rows(10, 20))
    is_there(own, "p", list(range(20)))
    logged(own, "p", "Revoked")
