"""Whose credentials s3_input asks with: the services of Kubernetes, containers and machines (tests/lib/hg/aws.py), their order, their renewal, what
limits say about them; and whom it trusts (ssl_ca_location)."""
import json
import os
import ssl
import threading

import pytest

from hg import aws, s3, until
from hg.certs import make as make_certs
from hg.run import Foreground
from hg.sql import s3_in, table
from test_access import failed, limited, logged
from test_s3 import fails, fill, lines, no_surroundings, program, reads, result, server  # noqa: F401 (fixtures)


@pytest.fixture
def services():
    s = aws.Services()
    yield s
    s.close()


@pytest.fixture
def asked(server):
    """An object that wants a session token, whichever."""
    server.accept_any_token = True
    return server.add("k", lines(0))


def env(*parts):
    e = dict(os.environ)
    for p in parts:
        e.update(p)
    return e


def unseen(r):
    assert not any(h in r.err + r.out for h in aws.HIDDEN), r


def s3_key(server):
    return s3_in("s", server, key="k", creds=False)


# --- each source -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind, steps", [("web_identity", ["sts"]), ("container", ["task"]), ("machine", ["token", "role", "creds"])])
def test_each_service(tmp_path, server, services, asked, kind, steps):
    more = services.web_identity(tmp_path) if kind == "web_identity" else getattr(services, kind)()
    r = reads(tmp_path, 1, s3_key(server), env=env(more))
    assert services.whats() == steps
    assert [q["x-amz-security-token"] for q in asked.requests] == ["session-1"]
    unseen(r)


def test_what_sts_is_told(tmp_path, server, services, asked):
    more = services.web_identity(tmp_path, arn="arn:aws:iam::1:role/a+b/c d&e")
    reads(tmp_path, 1, s3_key(server), env=env(more))
    reads(tmp_path, 1, s3_key(server), env=env(more, {"AWS_ROLE_SESSION_NAME": "nightly=1"}))
    assert [(f["RoleArn"], f["RoleSessionName"]) for f in services.forms] == [("arn:aws:iam::1:role/a+b/c d&e", "headgate"),
                                                                             ("arn:aws:iam::1:role/a+b/c d&e", "nightly=1")]


def test_the_token_of_a_container_from_a_file(tmp_path, server, services, asked):
    file = tmp_path / "token"
    file.write_text(aws.TASK_TOKEN + "\n")
    more = services.container(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(file), AWS_CONTAINER_AUTHORIZATION_TOKEN="of no use")
    reads(tmp_path, 1, s3_key(server), env=env(more))
    file.write_text("a\r\nX-Injected: b")
    r = fails(tmp_path, s3_key(server), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE has a control character", env=env(more))
    unseen(r)
    assert services.whats() == ["task"]


def test_the_first_one_is_taken_and_no_other_asked(tmp_path, server, services, asked):
    folder = tmp_path / ".aws"
    folder.mkdir()
    keys = f"aws_access_key_id = {s3.KEY_ID}\naws_secret_access_key = {s3.SECRET}\n"
    (folder / "credentials").write_text(f"[default]\n{keys}aws_session_token = of-the-file\n")
    named = {"AWS_ACCESS_KEY_ID": s3.KEY_ID, "AWS_SECRET_ACCESS_KEY": s3.SECRET, "AWS_SESSION_TOKEN": "of-the-environment"}
    rest = [named, services.web_identity(tmp_path), {}, services.container(), services.machine()]
    want = [("of-the-environment", []), ("session-1", ["sts"]), ("of-the-file", []), ("session-2", ["task"]), ("session-3", ["token", "role", "creds"])]
    for token, steps in want:
        services.asked.clear()
        reads(tmp_path, 1, s3_key(server), env=env(*rest))
        (tmp_path / "out.json").unlink()
        assert asked.requests[-1]["x-amz-security-token"] == token and services.whats() == steps
        rest.pop(0)
        if token == "of-the-file":
            (folder / "credentials").unlink()


# --- none, or not these ------------------------------------------------------------------------------------------------

def test_none_says_what_was_tried(tmp_path, server, services):
    r = fails(tmp_path, s3_key(server), "there are no AWS credentials (no_sign_request reads public buckets)", "options (aws_access_key_id not given)",
              "environment (AWS_ACCESS_KEY_ID not set)", "web identity (AWS_WEB_IDENTITY_TOKEN_FILE not set)", "shared files (no keys for profile 'default' in",
              "container (AWS_CONTAINER_CREDENTIALS_", "EC2 metadata (AWS_EC2_METADATA_DISABLED set)")
    half = {"AWS_ACCESS_KEY_ID": "A", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent"}
    r = fails(tmp_path, s3_key(server), "environment (AWS_SECRET_ACCESS_KEY not set)", "web identity (AWS_ROLE_ARN not set)", env=env(half))
    services.refuse["role"] = (404, "")
    fails(tmp_path, s3_key(server), "EC2 metadata (the machine has no role: status 404)", env=env(services.machine()))
    services.refuse["token"] = (403, "")
    r = fails(tmp_path, s3_key(server), "EC2 metadata (PUT /latest/api/token: status 403)", env=env(services.machine()))
    unseen(r)


def test_a_machine_that_does_not_answer_costs_a_second(tmp_path, server, services):
    services.silent.clear()
    fails(tmp_path, s3_key(server), "EC2 metadata (", "timed out", env=env(services.machine()))
    assert services.whats() == ["token"]


@pytest.mark.parametrize("kind, what, answer, words", [
    ("web_identity", "sts", (403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error></ErrorResponse>"),
     "web identity: STS answered status 403 AccessDenied: Not authorized"),
    ("web_identity", "sts", (200, "<html></html>"), "expected <AssumeRole…Response> or <ErrorResponse>, found <html>"),
    ("container", "task", (401, ""), "container: '"),
    ("container", "task", (200, json.dumps({"AccessKeyId": "A", "SecretAccessKey": s3.SECRET + "\n"})), "container: expected an answer with AccessKeyId"),
    ("container", "task", (200, "not json " + s3.SECRET), "expected an answer that is a JSON object"),
    ("container", "task", (200, json.dumps({"Code": "AccessDenied", "Message": "go away"})), "AccessDenied: go away"),
])
def test_one_that_is_set_up_and_fails_is_an_error(tmp_path, server, services, kind, what, answer, words):
    """Nobody acts with the machine's role because a pod's was refused."""
    services.refuse[what] = answer
    more = services.web_identity(tmp_path) if kind == "web_identity" else services.container()
    r = fails(tmp_path, s3_key(server), words, env=env(services.machine(), more))
    assert services.whats() == [what]
    unseen(r)


@pytest.mark.parametrize("url, words", [
    ("http://example.com/creds", "over http only loopback"),
    ("http://127.0.0.1@example.com/creds", "over http only loopback"),
    ("ftp://127.0.0.1/", "begins with http:// or https://"),
])
def test_where_a_container_is_not_asked(tmp_path, server, url, words):
    fails(tmp_path, s3_key(server), "AWS_CONTAINER_CREDENTIALS_FULL_URI", words, env=env({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}))


def test_a_service_that_is_busy_is_asked_again(tmp_path, server, services, asked):
    services.refuse["task"], services.times = (503, "busy"), 2
    reads(tmp_path, 1, s3_key(server), env=env(services.container()))
    assert services.whats() == ["task"] * 3
    services.times = 10**9
    fails(tmp_path, s3_in("s", server, key="k", creds=False, max_retries=1), "failed after 2 attempts", "answered status 503", env=env(services.container()))


def test_expired_on_arrival(tmp_path, server, services):
    services.life = -10
    fails(tmp_path, s3_in("s", server, key="k", creds=False, max_retries=0), "credentials that have expired already", env=env(services.container()))


# --- profiles ----------------------------------------------------------------------------------------------------------

KEYS = f"aws_access_key_id = {s3.KEY_ID}\naws_secret_access_key = {s3.SECRET}\n"


def profiles(tmp_path, services, config, credentials=""):
    """The environment in which profile `p` is used."""
    folder = tmp_path / ".aws"
    folder.mkdir(exist_ok=True)
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)
    return env({"AWS_PROFILE": "p", "AWS_ENDPOINT_URL_STS": services.url + "/sts"})


def writes(tmp_path, services, **more):
    """A credential_process with what the services give."""
    c = services.new()
    (tmp_path / "new.json").write_text(json.dumps({"Version": 1, **{k: c[k] for k in ("AccessKeyId", "SecretAccessKey", "Expiration")},
                                                   "SessionToken": c["Token"], **more}))
    return f"credential_process = echo run >>'{tmp_path}/runs'; cat '{tmp_path}/new.json'\n"


def test_the_role_of_a_profile(tmp_path, server, services, asked):
    """With the keys of another one; then by two roles, the second of which the first one assumes."""
    role = "[profile p]\nrole_arn = arn:aws:iam::1:role/a+b c\nsource_profile = base\nexternal_id = x=1&\nduration_seconds = 900\nregion = eu-1\n"
    r = reads(tmp_path, 1, s3_key(server), env=profiles(tmp_path, services, role, f"[base]\n{KEYS}"))
    assert services.forms == [{"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": "arn:aws:iam::1:role/a+b c", "RoleSessionName": "headgate",
                               "ExternalId": "x=1&", "DurationSeconds": "900"}]
    assert asked.requests[-1]["x-amz-security-token"] == "session-1" and services.signed_by == [""]
    unseen(r)
    (tmp_path / "out.json").unlink()
    chain = "[profile p]\nrole_arn = two\nsource_profile = q\nrole_session_name = me\n[profile q]\nrole_arn = one\nsource_profile = q\n" + KEYS
    reads(tmp_path, 1, s3_key(server), env=profiles(tmp_path, services, chain.replace("= q\n" + KEYS, "= base\n"), f"[base]\n{KEYS}"))
    assert [(f["RoleArn"], f["RoleSessionName"]) for f in services.forms[1:]] == [("one", "headgate"), ("two", "me")]
    assert services.signed_by[1:] == ["", "session-2"] and asked.requests[-1]["x-amz-security-token"] == "session-3"
    (tmp_path / "out.json").unlink()
    reads(tmp_path, 1, s3_key(server), env=profiles(tmp_path, services, f"[profile p]\nrole_arn = own\nsource_profile = p\n{KEYS}"))
    assert services.signed_by[3:] == [""] and services.forms[-1]["RoleArn"] == "own"


def test_a_role_with_what_the_surroundings_give(tmp_path, server, services, asked):
    role = "[profile p]\nrole_arn = r\ncredential_source = {}\n"
    e = profiles(tmp_path, services, role.format("EcsContainer"))
    reads(tmp_path, 1, s3_key(server), env={**e, **services.container()})
    (tmp_path / "out.json").unlink()
    e = profiles(tmp_path, services, role.format("Ec2InstanceMetadata"))
    reads(tmp_path, 1, s3_key(server), env={**e, **services.machine()})
    (tmp_path / "out.json").unlink()
    token = tmp_path / "web"
    token.write_text(aws.WEB_TOKEN)
    reads(tmp_path, 1, s3_key(server), env=profiles(tmp_path, services, f"[profile p]\nrole_arn = r\nweb_identity_token_file = {token}\n"))
    assert services.signed_by == ["session-1", "session-3"]
    assert services.whats() == ["task", "sts", "token", "role", "creds", "sts", "sts"]


def test_a_process_of_a_profile(tmp_path, server, services, asked):
    config = "[profile p]\n" + writes(tmp_path, services)
    r = reads(tmp_path, 1, s3_key(server), env=profiles(tmp_path, services, config))
    assert asked.requests[-1]["x-amz-security-token"] == "session-1"
    unseen(r)
    (tmp_path / "out.json").unlink()
    reads(tmp_path, 1, s3_key(server), env=profiles(tmp_path, services, "[profile p]\nrole_arn = r\nsource_profile = q\n" + config.replace(" p]", " q]")))
    assert services.signed_by == ["session-1"] and (tmp_path / "runs").read_text() == "run\n" * 2


@pytest.mark.parametrize("config, words", [
    ("role_arn = r\nsource_profile = q\n", "there is no profile 'q', the source_profile of 'p'"),
    ("role_arn = r\nsource_profile = q\n[profile q]\nregion = x\n", "source_profile 'q' of profile 'p' has no credentials"),
    ("role_arn = r\nsource_profile = q\n[profile q]\nrole_arn = s\nsource_profile = p\n", "profile 'p' is its own source_profile in the end"),
    ("role_arn = r\n", "one of source_profile, credential_source and web_identity_token_file"),
    ("role_arn = r\nsource_profile = q\ncredential_source = Environment\n", "one of source_profile, credential_source and web_identity_token_file"),
    ("role_arn = r\ncredential_source = Elsewhere\n", "none of Environment, Ec2InstanceMetadata, EcsContainer"),
    ("role_arn = r\ncredential_source = Environment\n", "credential_source Environment of profile 'p' has none: AWS_ACCESS_KEY_ID not set"),
    ("role_arn = r\nsource_profile = q\nmfa_serial = m\n", "the code of an MFA device (mfa_serial)"),
    ("role_arn = r\nsource_profile = p\nduration_seconds = 1h\n" + KEYS, "duration_seconds of profile 'p' is no number"),
    ("role_arn = r\nsource_profile = p\n" + KEYS.replace(s3.SECRET, "wrong-secret"), "STS answered status 403 SignatureDoesNotMatch: Not yours"),
    ("sso_session = s\n", "credential_process = aws configure export-credentials --profile p"),
    ("credential_process = echo wrong-secret; echo no ticket >&2; exit 3\n", "credential_process of profile 'p': it ended with status 3: no ticket"),
    ("credential_process = kill -9 $$\n", "it was ended by signal 9"),
    ("credential_process = echo wrong-secret\n", "expected a JSON object on its standard output"),
    ("credential_process = head -c 100000 /dev/zero\n", "it has written more than 65536 bytes"),
])
def test_profiles_that_give_none(tmp_path, server, services, config, words):
    """They are errors: nobody reads as somebody else."""
    r = fails(tmp_path, s3_key(server), words, env={**profiles(tmp_path, services, "[profile p]\n" + config), **services.machine()})
    assert "role" not in services.whats()
    unseen(r)


def test_a_process_that_does_not_end(tmp_path, server, services, monkeypatch):
    """Who stops the pipeline does not wait for it, and it does not live on."""
    config = f"[profile p]\ncredential_process = echo $$ >'{tmp_path}/pid'; while :; do sleep 1000; done\n"
    for name, value in profiles(tmp_path, services, config).items():
        monkeypatch.setenv(name, value)
    with Foreground(tmp_path, program(tmp_path, s3_key(server))) as p:
        pid = int(until("it runs", lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()))
        p.signal()
        p.wait()
    until("it is gone", lambda: not os.path.exists(f"/proc/{pid}"))


def test_limits_run_no_process(tmp_path, server, services, asked):
    text = table("t", "n BIGINT", s3_key(server)).replace('"name": "s"', '"name": "c"')
    e = profiles(tmp_path, services, "[profile p]\n" + writes(tmp_path, services))
    with limited("--allow-host", "*", env=e) as d:
        d.run("p", text)
        assert "credential_process of profile 'p': it is not run where the server limits what programs may reach" in failed(d, "p")
    assert not (tmp_path / "runs").exists()


# --- renewal -----------------------------------------------------------------------------------------------------------

def test_renewed_before_they_expire(tmp_path, server, services, monkeypatch):
    """While one object waits, new ones come by themselves; what is asked for later is asked with them."""
    server.accept_any_token = True
    gate = threading.Event()
    server.add("p/1", lines(0, 1), gate=gate, gate_at=1)
    second = server.add("p/2", lines(2))
    services.life = 1
    for name, value in services.container().items():
        monkeypatch.setenv(name, value)
    with Foreground(tmp_path, program(tmp_path, s3_in("s", server, prefix="p/", creds=False, max_concurrent_fetches=1)), "--until-complete") as p:
        until("they were renewed", lambda: services.given >= 3)  # the third are asked for when the second are there
        gate.set()
        assert p.wait().code == 0
    assert sorted(result(tmp_path)) == [0, 1, 2]
    assert int(second.requests[0]["x-amz-security-token"].split("-")[1]) >= 2


def test_a_renewal_that_fails_costs_nothing_yet(tmp_path, server, services, monkeypatch):
    server.accept_any_token = True
    gate = threading.Event()
    server.add("p/1", lines(0, 1), gate=gate, gate_at=1)
    services.life = 4
    for name, value in services.container().items():
        monkeypatch.setenv(name, value)
    with Foreground(tmp_path, program(tmp_path, s3_in("s", server, prefix="p/", creds=False)), "--until-complete") as p:
        until("it reads", lambda: server.open == 1)
        services.refuse["task"] = (500, "")
        until("a renewal was refused", lambda: len(services.asked) >= 2)
        assert p.input("t.s")["fatal_error"] is None
        gate.set()
        assert p.wait().code == 0


# --- limits ------------------------------------------------------------------------------------------------------------

def test_limits_decide_about_services(tmp_path, server, services, asked):
    """The attacker of SECURITY.md would have the daemon's role read for him."""
    text = table("t", "n BIGINT", s3_key(server)).replace('"name": "s"', '"name": "c"')
    bucket = f"127.0.0.1:{server.port}"
    for kind in ("machine", "container", "web_identity"):
        more = services.web_identity(tmp_path) if kind == "web_identity" else getattr(services, kind)()
        with limited("--deny-private-hosts", "--allow-host", bucket, env=env(more)) as d:
            d.run("p", text)
            error = json.dumps(failed(d, "p"))
            assert "127.0.0.1 is not a public address: this server does not let programs reach it" in error, error
        assert not services.asked, kind
    with limited("--deny-private-hosts", "--allow-host", bucket, "--allow-host", f"127.0.0.1:{services.port}", env=env(services.machine())) as d:
        d.run("p", text)
        d.wait_complete("p")
        logged(d, "p", "found in EC2 metadata")
    assert services.whats() == ["token", "role", "creds"]


# --- whom it trusts ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    return make_certs(tmp_path_factory.mktemp("s3tls"))


@pytest.fixture
def tls(certs):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(*certs)
    return c


def test_a_certificate_authority_of_ones_own(tmp_path, certs, tls):
    safe = s3.Server(tls=tls)
    try:
        safe.add("k", lines(0))
        fails(tmp_path, s3_in("s", safe, key="k"), "certificate")
        reads(tmp_path, 1, s3_in("s", safe, key="k", ssl_ca_location=str(certs[0])))
        (tmp_path / "out.json").unlink()
        reads(tmp_path, 1, s3_in("s", safe, prefix=""), env=env({"AWS_CA_BUNDLE": str(certs[0])}))
        fails(tmp_path, s3_in("s", safe, key="k", ssl_ca_location="/nonexistent/ca.pem"), "option 'ssl_ca_location': cannot read '/nonexistent/ca.pem'")
    finally:
        safe.close()


def test_sts_is_trusted_by_the_same(tmp_path, server, certs, tls):
    server.accept_any_token = True
    server.add("k", lines(0))
    safe = aws.Services(tls=tls)
    try:
        r = fails(tmp_path, s3_in("s", server, key="k", creds=False, max_retries=0), "web identity", "certificate", env=env(safe.web_identity(tmp_path)))
        unseen(r)
        reads(tmp_path, 1, s3_key(server), env=env(safe.web_identity(tmp_path), {"AWS_CA_BUNDLE": str(certs[0])}))
    finally:
        safe.close()
