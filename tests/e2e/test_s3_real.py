"""s3_input against S3 servers of others (tests/lib/hg/s3_real.py): what a stand-in of our own cannot find out, because it has our ideas of S3."""
import concurrent.futures
import gzip
import os

import pytest

from hg import s3_real, until
from hg.proxy import Proxy
from hg.run import run
from hg.sql import s3_in
from test_durable import checkpoint, kill
from test_exactly_once import EXACTLY, LEAST, wait_count, written
from test_s3 import ODD, ids, lines, no_surroundings, program, result, stored  # noqa: F401 (fixture)

pytestmark = pytest.mark.skipif(not s3_real.KINDS, reason="no S3 server of others here: ./dev setup test, or see CONTRIBUTING.md")


@pytest.fixture(scope="module", params=s3_real.KINDS or ["none"])
def real(request):
    r = s3_real.Real(request.param)
    yield r
    r.close()


@pytest.fixture
def folder(request, real):
    """A prefix of its own: put(name, body). What is put into a server that stays is deleted afterwards."""
    prefix, made = request.node.name.replace("[", "/").replace("]", "/"), []

    def put(name, body):
        real.put(prefix + name, body)
        made.append(prefix + name)
    put.prefix = prefix
    yield put
    for key in made if real.kind == "running" else ():
        real.delete(key)


def source(real, port=None, **config):
    where = type("Where", (), {"url": f"http://127.0.0.1:{port}" if port else real.url})
    return s3_in("s", where, bucket=real.bucket, creds=False, **{"region": real.region, "aws_access_key_id": real.id, "aws_secret_access_key": real.secret, **config})


def reads(tmp_path, n, connector, **kw):
    r = run(tmp_path, program(tmp_path, connector), "--until-complete", **kw)
    assert r.code == 0, r
    assert sorted(result(tmp_path)) == list(range(n))


def fails(tmp_path, connector, *words):
    r = run(tmp_path, program(tmp_path, connector), "--until-complete")
    assert r.code == 1 and "t.s failed" in r.err and all(w in r.err for w in words), r


def keys_for(real):
    """versitygw keeps objects as files, whose names cannot be all that a key can."""
    bad = ("//", "..", "\x01", "\\") if real.kind == "versitygw" else ()
    return [k for k in ODD if not any(b in k for b in bad) and not (bad and k.startswith("/"))]


def test_odd_keys(tmp_path, real, folder):
    keys = keys_for(real)
    for i, key in enumerate(keys):
        folder(key, lines(*range(10 * i, 10 * i + 10)))
    reads(tmp_path, 10 * len(keys), source(real, prefix=folder.prefix))
    (tmp_path / "out.json").unlink()
    reads(tmp_path, 10, source(real, key=folder.prefix + keys[0]))


def test_pages(tmp_path, real, folder):
    """More keys than one answer has. Most objects are empty: what is listed counts here."""
    n = real.page + 10
    full = {0: 0, real.page - 1: 1, real.page: 2, n - 1: 3}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: folder(f"{i:05d}", lines(full[i]) if i in full else b""), range(n)))
    reads(tmp_path, len(full), source(real, prefix=folder.prefix))


def test_nothing_and_nobody(tmp_path, real, folder):
    r = run(tmp_path, program(tmp_path, source(real, prefix=folder.prefix + "none/")), "--until-complete")
    assert r.code == 0 and " 0 records" in r.out, r
    fails(tmp_path, source(real, key=folder.prefix + "absent"), "404 NoSuchKey")
    other = source(real, prefix="")
    other["transport"]["config"]["bucket_name"] = "absent-" + real.bucket
    fails(tmp_path, other, "404 NoSuchBucket")
    if real.checks_signatures:
        folder("k", lines(0))
        fails(tmp_path, source(real, prefix=folder.prefix, aws_secret_access_key="wrong-secret"), "SignatureDoesNotMatch")
        fails(tmp_path, source(real, key=folder.prefix + "k", aws_access_key_id="AKIDOTHER"), "403")


def test_compressed_and_headed(tmp_path, real, folder):
    folder("a.gz", gzip.compress(lines(*range(5000))))
    folder("b.json", lines(*range(5000, 5010)))
    folder("empty", b"")
    reads(tmp_path, 5010, source(real, prefix=folder.prefix))


def test_cut_in_the_middle(tmp_path, real, folder):
    """The rest is asked for by range and ETag, as the server wants them."""
    folder("large", b"".join(b'{"n": %d, "pad": "%s"}\n' % (i, b"x" * 200) for i in range(15000)))
    p = Proxy(real.port)
    try:
        p.cut_in = 1 << 20
        reads(tmp_path, 15000, source(real, p.port, prefix=folder.prefix))
        assert p.cuts
    finally:
        p.close()


def test_killed_in_the_middle(own, tmp_path, real, folder):
    each = 3000
    for i in range(6):
        folder(f"{i}", b"".join(b'{"id": %d, "pad": "%s"}\n' % (j, b"x" * 200) for j in range(i * each, (i + 1) * each)))
    p = Proxy(real.port)
    try:
        p.hold_in = 1 << 20
        own.run("p", stored(tmp_path, source(real, p.port, prefix=folder.prefix, max_concurrent_fetches=2, max_retries=1000)), runtime_config=EXACTLY)
        until("some are in", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] > 1000)
        checkpoint(own)
        kill(own)
        p.heal()
        own.start_pipeline("p")
        wait_count(own, "t", 6 * each)
        own.wait_complete("p")
        until("the file has all", lambda: len(written(tmp_path / "out.json")) >= 6 * each)
        assert sorted(written(tmp_path / "out.json")) == list(range(6 * each))
    finally:
        p.close()


@pytest.mark.parametrize("change", ["other", "gone"])
def test_changed_over_a_restart(own, tmp_path, real, folder, change):
    """What a server answers to If-Match of an object that is another one by now, or none."""
    body = b"".join(b'{"id": %d, "pad": "%s"}\n' % (j, b"x" * 200) for j in range(12000))
    folder("k", body)
    p = Proxy(real.port)
    try:
        p.hold_in = 1 << 20
        own.run("p", stored(tmp_path, source(real, p.port, key=folder.prefix + "k", max_retries=1000)), runtime_config=LEAST)
        until("some are in", lambda: own.query("p", "SELECT count(*) AS n FROM t")[0]["n"] > 1000)
        checkpoint(own)
        kill(own)
        if change == "other":
            real.put(folder.prefix + "k", body.replace(b"11999,", b"11998,"))
        else:
            real.delete(folder.prefix + "k")
        p.heal()
        own.start_pipeline("p")
        error = until("it has failed", lambda: own.input("p", "t.s")["fatal_error"])
        assert ("has changed since" if change == "other" else "404") in error, error
    finally:
        p.close()


@pytest.mark.parametrize("real", [k for k in s3_real.KINDS if k == "moto"], indirect=True)
@pytest.mark.parametrize("how", ["web identity", "profile"])
def test_roles(tmp_path, real, folder, how):
    """moto is STS as well."""
    folder("k", lines(0, 1))
    (tmp_path / "token").write_text("eyJ.a.token")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile p]\nrole_arn = arn:aws:iam::123456789012:role/reader\nsource_profile = base\nexternal_id = x\n"
                                              f"[profile base]\naws_access_key_id = {real.id}\naws_secret_access_key = {real.secret}\n")
    env = {"AWS_PROFILE": "p"} if how == "profile" else {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/reader", "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    config = source(real, key=folder.prefix + "k")
    for name in ("aws_access_key_id", "aws_secret_access_key"):
        del config["transport"]["config"][name]
    reads(tmp_path, 2, config, env={**os.environ, **env, "AWS_ENDPOINT_URL_STS": real.url})
