"""url_input against a web server that misbehaves on purpose. test-labels: long"""
import gzip
import json
import os
import re
import zlib
import ssl
import subprocess
import threading

import pytest

from hg import HEADGATE, PATIENCE, certs, httpd, until
from hg.kafka import free_port
from hg.run import Foreground, run
from hg.sql import file_out, table, url_in, view


def program(tmp_path, url, **kw):
    return table("t", "n BIGINT NOT NULL", url_in("u", url, **kw)) + view("v", "SELECT n FROM t", file_out("o", tmp_path / "out.json"))


def body(n):
    return b"".join(b'{"n": %d}\n' % i for i in range(n))


def result(tmp_path):
    return [json.loads(line)["insert"]["n"] for line in (tmp_path / "out.json").read_text().splitlines()]


def reads(tmp_path, url, n):
    r = run(tmp_path, program(tmp_path, url), "--until-complete")
    assert r.code == 0, r
    assert result(tmp_path) == list(range(n))
    return r


def fails(tmp_path, url, *words):
    r = run(tmp_path, program(tmp_path, url), "--until-complete")
    assert r.code == 1 and all(w in r.err for w in words), r


def test_plain(tmp_path, web):
    web.add("/a", body(1000))
    reads(tmp_path, web.url + "/a", 1000)


def test_empty_body(tmp_path, web):
    web.add("/a", b"")
    reads(tmp_path, web.url + "/a", 0)


def test_no_newline_at_the_end(tmp_path, web):
    web.add("/a", b'{"n": 0}\n{"n": 1}')
    reads(tmp_path, web.url + "/a", 2)


def test_redirects(tmp_path, web):
    web.add("/c", body(10))
    web.add("/b", b"", redirect="/c")
    web.add("/a", b"", redirect=web.url + "/b")
    reads(tmp_path, web.url + "/a", 10)


def test_what_trying_again_cannot_mend_is_not_tried_again(tmp_path, web):
    res = web.add("/a", b"", redirect="/a")
    fails(tmp_path, web.url + "/a", "redirects")
    assert len(res.requests) == 11


def test_redirect_circle(tmp_path, web):
    web.add("/a", b"", redirect="/a")
    fails(tmp_path, web.url + "/a", "t.u failed", "redirect")


@pytest.mark.parametrize("status, text", [(404, "404 Not Found"), (403, "403 Forbidden"), (500, "500 Internal Server Error")])
def test_refused(tmp_path, web, status, text):
    web.add("/a", b"", statuses=[status] * 9)
    fails(tmp_path, web.url + "/a", text)


def test_unavailable_for_a_while(tmp_path, web):
    res = web.add("/a", body(100), statuses=[503])
    reads(tmp_path, web.url + "/a", 100)
    assert len(res.requests) == 2


def test_nobody_listens(tmp_path):
    """Tried again with longer and longer pauses, told meanwhile, then it works."""
    port = free_port()
    with Foreground(tmp_path, program(tmp_path, f"http://127.0.0.1:{port}/a"), "--until-complete") as p:
        told = r"retrying since \S+Z, attempt \d+, next in \d+ m?s: "
        until("it complains", lambda: re.match(told, (p.input("t.u")["health"] or {}).get("description", "")))
        assert p.input("t.u")["health"]["status"] == "Unhealthy"
        web = httpd.Httpd(port=port)
        web.add("/a", body(5))
        r = p.wait(PATIENCE)
        web.close()
    assert r.code == 0, r
    assert result(tmp_path) == list(range(5))


def test_cut_connections_are_taken_up_again(tmp_path, web):
    data = body(50000)
    res = web.add("/a", data, cut_after=[1, 100000, 65536, 3, 200000])
    reads(tmp_path, web.url + "/a", 50000)
    starts = [int(r["Range"][6:].split("-")[0]) for r in res.requests[1:]]
    assert len(res.requests) == 6 and starts == [1, 100001, 165537, 165540, 365540]
    assert all(r["If-Range"] == '"v1"' for r in res.requests[1:])


@pytest.mark.parametrize("encoding, encode", [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_decoded(tmp_path, web, encoding, encode):
    res = web.add("/a", encode(body(20000)), encoding=encoding)
    reads(tmp_path, web.url + "/a", 20000)
    assert res.requests[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_compressed_body_that_is_cut_is_read_as_a_whole_again(tmp_path, web, ranges):
    """Offsets count decoded bytes, ranges the encoded ones."""
    packed = gzip.compress(body(20000))
    res = web.add("/a", packed, cut_after=[len(packed) // 2], ranges=ranges, encoding="gzip")
    reads(tmp_path, web.url + "/a", 20000)
    assert len(res.requests) == 2 and "Range" not in res.requests[1]


def test_a_body_that_is_not_what_its_encoding_says(tmp_path, web):
    web.add("/a", b'{"n": 1}', encoding="gzip")
    fails(tmp_path, web.url + "/a", "t.u failed")


def test_cut_and_no_ranges(tmp_path, web):
    """A server without ranges sends everything again: no row twice."""
    res = web.add("/a", body(20000), cut_after=[100000], ranges=False)
    reads(tmp_path, web.url + "/a", 20000)
    assert len(res.requests) == 2


def test_cut_behind_the_last_byte(tmp_path, web):
    """All was read and the connection broke before that was clear: 416 is an end."""
    data = body(100)
    res = web.add("/a", data)
    res.lie = 10  # promises ten bytes more than it has
    reads(tmp_path, web.url + "/a", 100)


def test_changed_in_the_middle(tmp_path, web):
    gate = threading.Event()
    data = body(20000)
    res = web.add("/a", data, cut_after=[len(data) // 2 + 1], gate=gate, gate_at=len(data) // 2)
    with Foreground(tmp_path, program(tmp_path, web.url + "/a")) as p:
        until("half of it is in", lambda: p.input("t.u")["metrics"]["total_records"] > 9000)
        res.etag = '"v2"'
        gate.set()
        error = until("it has failed", lambda: p.input("t.u")["fatal_error"])
        assert "changed" in error and '"v2"' in error
        assert p.input("t.u")["metrics"]["total_records"] <= data[:len(data) // 2 + 1].count(b"\n") + 1


def test_cut_again_and_again_is_given_up(tmp_path, web):
    web.add("/a", body(20000), cut_after=[1000] + [0] * 20)
    fails(tmp_path, web.url + "/a", "t.u failed")


def test_pause_drops_the_connection_and_goes_on(tmp_path, web):
    n = 1500000
    gate = threading.Event()
    res = web.add("/a", body(n), gate=gate, gate_at=1000000)
    with Foreground(tmp_path, program(tmp_path, web.url + "/a", pause_timeout=1), "--until-complete") as p:
        until("it reads", lambda: p.input("t.u")["metrics"]["total_records"] > 50000)
        p.request("GET", "/input_endpoints/t.u/pause")
        gate.set()
        until("the connection is dropped", lambda: res.broken)
        held = p.input("t.u")["metrics"]["total_records"]
        assert held < n and p.input("t.u")["metrics"]["end_of_input"] is False
        p.request("GET", "/input_endpoints/t.u/start")
        r = p.wait(PATIENCE)
    assert r.code == 0, r
    assert "Range" in res.requests[1] and len(res.requests) == 2
    assert result(tmp_path) == list(range(n))


def test_not_a_url(tmp_path):
    r = run(tmp_path, program(tmp_path, "ftp://x/y"), "--until-complete")
    assert r.code == 2 and "http://" in r.err, r


# --- TLS ---------------------------------------------------------------------------------------------------------------

@pytest.fixture
def tls(tmp_path):
    cert, key = certs.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    w = httpd.Httpd(tls=context)
    w.cert = cert
    yield w
    w.close()


def test_untrusted_certificate(tmp_path, tls):
    tls.add("/a", body(5))
    fails(tmp_path, tls.url + "/a", "t.u failed", "certificate")


def test_trusted_certificate(tmp_path, tls):
    """The system's list of authorities, in a mount namespace of our own."""
    system = "/etc/ssl/certs/ca-certificates.crt"
    tls.add("/a", body(5))
    (tmp_path / "p.sql").write_text(program(tmp_path, tls.url + "/a"))
    wrap = ["unshare", "-m", "sh", "-c", f'mount --bind "{tls.cert}" {system} && exec "$@"', "sh"]
    if os.geteuid() != 0 or not os.path.exists(system) or subprocess.run([*wrap, "true"], capture_output=True).returncode:
        pytest.skip("needs a mount namespace of its own")
    r = subprocess.run([*wrap, HEADGATE, "run", tmp_path / "p.sql", "--until-complete"], capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 0, r
    assert result(tmp_path) == list(range(5))
