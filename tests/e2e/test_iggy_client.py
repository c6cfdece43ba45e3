"""iggy/client against a server: everything it can ask, producers and consumers, both protocols, TLS, servers that go away. The program is
tests/tools/iggy_client.c. With IGGY_SERVER the real server takes the stand-in's place wherever it can."""
import signal
import subprocess

import pytest

from hg import BUILD, PATIENCE
from hg.certs import make
from hg.iggy import Client, Cluster, Server

PROGRAM = BUILD / "tests" / "iggy_client"
CASES = ("catalog", "server", "tokens", "credentials", "messages", "groups", "alone", "group")
TOTAL = 100_000


def run(address, *what):
    p = subprocess.run([PROGRAM, address, *what], capture_output=True, text=True, timeout=2 * PATIENCE)
    assert p.returncode == 0, p.stdout + p.stderr
    return p.stdout.splitlines()


@pytest.fixture(scope="module", params=["vsr", "classic"])
def server(request):
    s = Server(request.param)
    yield s
    s.close()


@pytest.mark.parametrize("case", CASES)
def test_client(server, case):
    assert f"ok {case}" in run(f"iggy://iggy:iggy@{server.address}", case)


@pytest.mark.parametrize("protocol", ["vsr", "classic"])
def test_named_protocol(protocol):
    """It need not be found out."""
    s = Server(protocol)
    try:
        assert "ok catalog" in run(f"iggy://iggy:iggy@{s.address}?protocol={protocol}", "catalog")
    finally:
        s.close()


def test_tls(tmp_path):
    cert, key = make(tmp_path)
    s = Server(tls=(cert, key))
    who = f"iggy://iggy:iggy@{s.address}?tls=true"
    try:
        assert "ok catalog" in run(f"{who}&tls_ca_file={cert}", "catalog")
        assert "ok catalog" in run(f"iggy://iggy:iggy@localhost:{s.port}?tls=true&tls_ca_file={cert}&tls_domain=127.0.0.1", "catalog")
        for address, why in ((who, "certificate"), (f"{who}&tls_ca_file={cert}&tls_domain=elsewhere", "certificate"), (f"iggy://iggy:iggy@{s.address}", "TLS")):
            p = subprocess.run([PROGRAM, address, "catalog"], capture_output=True, text=True, timeout=PATIENCE)
            assert p.returncode == 1 and why in p.stdout, p.stdout
    finally:
        s.close()


def numbers(server):
    with server.client() as c:
        return [[int(m.payload.split()[0]) for m in c.read("load", "t", p)] for p in range(3)]


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_server_goes_away(sig):
    """Every message arrives, though the server ends in the middle; those of a key in order, but for what is there twice. In a topic
    that is not durable a server that is killed loses what it has confirmed and not saved yet."""
    s = Server()
    p = subprocess.Popen([PROGRAM, f"iggy://iggy:iggy@{s.address}", "produce", str(TOTAL), "durable"], stdout=subprocess.PIPE, text=True)
    try:
        last = []
        for line in p.stdout:
            last = line.split()
            if last == ["at", "20000"]:
                s.stop(sig)
                s.start()
        assert p.wait(PATIENCE) == 0 and last[:2] == ["done", str(TOTAL)]
        got = numbers(s)
        assert sorted({n for part in got for n in part}) == list(range(TOTAL))
        for part in got:
            of_key = {}
            for n in dict.fromkeys(part):
                of_key.setdefault(n % 10, []).append(n)
            assert all(ns == sorted(ns) for ns in of_key.values())
    finally:
        p.kill()
        p.wait()
        s.close()


def test_the_leader_is_found():
    """Whichever node is named. A real cluster loses its leader meanwhile: the next one has all."""
    cluster = Cluster()
    total = TOTAL if cluster.real else TOTAL // 10
    try:
        leader = cluster.leader()
        with Client(leader, ("iggy", "iggy")) as c:
            c.create("probe", "t")
        if why := cluster.stands_still("probe", "t", 1, "0"):
            pytest.skip(f"the server that leads takes no messages from anybody: {why}")
        other = f"iggy://iggy:iggy@127.0.0.1:{next(p for p in cluster.ports if p != leader)}"
        said = run(other, "catalog", "messages", "groups", "group")
        assert [s for s in said if s.startswith("ok")] == ["ok catalog", "ok messages", "ok groups", "ok group"]
        p = subprocess.Popen([PROGRAM, other, "produce", str(total)], stdout=subprocess.PIPE, text=True)
        try:
            last = []
            for line in p.stdout:
                last = line.split()
                if last == ["at", "20000"] and cluster.real:
                    cluster.kill(leader)
                    if why := cluster.stands_still("load", "t", 3, "0"):
                        pytest.skip(f"the servers that are left take no messages from anybody: {why}")
            assert p.wait(PATIENCE) == 0 and last[:2] == ["done", str(total)]
        finally:
            p.kill()
            p.wait()
        with Client(cluster.leader(), ("iggy", "iggy")) as c:
            assert {int(m.payload.split()[0]) for part in range(3) for m in c.read("load", "t", part)} == set(range(total))
    finally:
        cluster.close()
