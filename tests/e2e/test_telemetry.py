"""Log lines of `headgate connectors` at an OpenTelemetry collector, over gRPC and over HTTP.

test-labels: long"""
import os
import re
import signal
import socket
import ssl
import subprocess
import time

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from hg import PATIENCE, certs, until
from hg.connectors import Runtime
from hg.iggy import Server
from hg.otlp import Grpc, Http, Partial

LINE = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\w+) (\S+) (\S+) (\S+) ?(.*)$", re.M)
NUMBER = {"ERROR": 17, "WARN": 13, "INFO": 9, "DEBUG": 5}
QUEUE = 8192  # records that wait at most


@pytest.fixture(scope="module")
def iggy():
    server = Server()
    with server.client() as c:
        c.create("s", "t")
    yield server
    server.close()


@pytest.fixture(params=[Grpc, Http])
def collector(request):
    c = request.param()
    yield c
    (c.place or c).close()


@pytest.fixture
def runtime(tmp_path, iggy):
    runtimes = []

    def make(collector, lines=0, **more):
        r = Runtime(tmp_path, iggy, **{"telemetry": {"enabled": True, "service_name": "lines of ours"},
                                       "telemetry.logs": {"transport": collector.transport, "endpoint": collector.endpoint}}, **more)
        r.env = {"RUST_LOG": "debug"}
        r.sink("file", plugin={"log": 1, "lines": lines})
        runtimes.append(r)
        return r

    yield make
    for r in runtimes:
        r.stop(signal.SIGKILL)


def local(r):
    """(time, level, subsystem, object, event, fields) of the lines that are to be exported."""
    return [m for m in LINE.findall(r.log) if m[2] != "telemetry"]


def said(r, event):
    """Fields of what the exporter has told here."""
    return [m[5] for m in LINE.findall(r.log) if m[2] == "telemetry" and m[4] == event]


def when(record):
    us = record.pb.time_unix_nano // 1000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 1_000_000)) + f".{us % 1_000_000:06}Z"


def shown(record):
    a = record.attrs
    return when(record), record.level.lower(), a["subsystem"], a.get("object", "-"), record.event


def ended(r):
    """What the exporter counted: sent, refused, dropped."""
    return tuple(map(int, re.fullmatch(r"sent=(\d+) refused=(\d+) dropped=(\d+)", said(r, "ended")[-1]).groups()))


def spoken(records):
    """Numbers of the lines that the plugin said."""
    return [int(r.body[5:]) for r in records if r.event == "scripted" and r.body.startswith("line ")]


def running(r):
    until("the sink runs", lambda: r.get("/sinks/file")["status"] == "running")


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_every_line_in_its_order(runtime, collector, isolation):
    n = 1300
    r = runtime(collector, n, headgate={"isolation": isolation})
    r.start()
    until("most are there", lambda: len(spoken(collector.records)) > n // 2)  # while it runs
    assert r.stop() == 0
    records = collector.records  # the end of the runtime has sent the rest
    assert sorted(map(shown, records)) == sorted(m[:5] for m in local(r))
    assert spoken(records) == list(range(n))
    assert ended(r) == (len(records), 0, 0)
    assert all(x.number == NUMBER[x.level] and x.pb.observed_time_unix_nano == x.pb.time_unix_nano for x in records)
    levels = [x.level for x in records if x.body.startswith("line ")]
    assert levels == ["DEBUG", "DEBUG", "INFO", "WARN", "ERROR"] * (n // 5)
    # a line of our own: what it says is its body
    listening = next(x for x in records if x.event == "listening")
    assert listening.body == "listening " + next(m[5] for m in local(r) if m[4] == "listening")
    assert {len(b) <= 512 for b in collector.batches} == {True}
    version = subprocess.run([r.command[0], "--version"], capture_output=True, text=True).stdout.split()[1]
    assert all(x.resource == {"service.name": "lines of ours", "service.version": version, "telemetry.sdk.name": "headgate",
                              "telemetry.sdk.language": "c", "telemetry.sdk.version": version} for x in records)
    assert {(x.scope.name, x.scope.version) for x in records} == {("headgate", version)}
    if collector.transport == "http":
        assert set(collector.paths) == {"/v1/logs"} and not collector.broken
        assert collector.metadata[0]["content-type"] == "application/x-protobuf"
    else:
        assert collector.metadata[0]["user-agent"] == f"headgate/{version}"


def test_secrets_stay_here(runtime, collector):
    secret = "geheime-worte"
    r = runtime(collector, http={"api_key": secret})
    r.env |= {"IGGY_DISPLAY_CONFIG": "1", "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{secret}, x-two = b",
              "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test%20bed,service.name=not this"}
    r.start()
    assert r.stop() == 0
    config = [x.body for x in collector.records if x.event == "config"]
    assert config and any("api_key" in c for c in config)
    assert not any(secret.encode() in x.pb.SerializeToString() for x in collector.records) and secret not in r.log
    assert collector.metadata[0]["authorization"] == f"Bearer {secret}" and collector.metadata[0]["x-two"] == "b"
    assert collector.records[0].resource["deployment.environment.name"] == "test bed"
    assert collector.records[0].resource["service.name"] == "lines of ours"


def test_a_collector_that_is_away_for_a_while(runtime, collector):
    n = 3000
    collector.away()
    r = runtime(collector, n)
    r.start()
    until("it waits", lambda: said(r, "waiting"))
    running(r)
    collector.back()
    until("all came", lambda: len(spoken(collector.records)) == n)
    collector.away()
    r.post("/sinks/file/restart")
    until("it waits again", lambda: len(said(r, "waiting")) == 2)
    running(r)
    collector.back()
    until("all came", lambda: len(spoken(collector.records)) == 2 * n)
    assert r.stop() == 0
    assert spoken(collector.records) == 2 * list(range(n))
    assert len(said(r, "waiting")) == len(said(r, "well_again")) == 2  # not with each try
    assert ended(r) == (len(local(r)), 0, 0) == (len(collector.records), 0, 0)


def test_more_lines_than_may_wait(runtime, collector):
    n = QUEUE + 2000
    collector.away()
    r = runtime(collector, n)
    r.start()
    running(r)
    until("it says that it leaves out lines", lambda: said(r, "queue_full"))
    collector.back()
    until("it says how many", lambda: said(r, "dropped"))
    assert r.stop() == 0
    records, dropped = collector.records, ended(r)[2]
    assert len(said(r, "queue_full")) == 1 and dropped >= 2000
    assert sum(int(re.search(r"records=(\d+)", d)[1]) for d in said(r, "dropped")) == dropped
    assert len(records) + dropped == len(local(r))
    assert spoken(records)[:QUEUE - 100] == list(range(QUEUE - 100))  # the first ones: those that the failure began with


def refusals(collector, grpc_answer, http_answer):
    return grpc_answer if collector.transport == "grpc" else http_answer


def test_a_collector_that_refuses(runtime, collector):
    collector.answers = [refusals(collector, (grpc.StatusCode.UNAUTHENTICATED, "nicht, ohne 100% \u2026"), (401, "nicht, ohne 100% \u2026"))]
    r = runtime(collector)
    r.start()
    reason, = until("it says so", lambda: said(r, "refused"))
    assert "nicht, ohne 100% \u2026" in reason and refusals(collector, "UNAUTHENTICATED", "401") in reason
    assert r.stop() == 0
    sent, refused, dropped = ended(r)
    assert refused > 0 and dropped == 0 and sent == len(collector.records) > 0 and sent + refused == len(local(r))
    assert said(r, "well_again")


def retry_info(seconds):
    """google.rpc.Status with a RetryInfo, as gRPC's servers send it."""
    def message(field, data):
        return bytes([field << 3 | 2, len(data)]) + data
    delay = duration_pb2.Duration(seconds=seconds).SerializeToString()
    detail = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=message(1, delay)).SerializeToString()
    return b"\x08\x08" + message(2, b"later") + message(3, detail)


def test_a_collector_that_asks_for_patience(runtime, collector):
    collector.answers = refusals(
        collector, [(grpc.StatusCode.RESOURCE_EXHAUSTED, "later", (("grpc-status-details-bin", retry_info(1)),)), (grpc.StatusCode.UNAVAILABLE, "no")],
        [(429, "later", {"Retry-After": "1"}), (503, "no")])
    n = len(collector.answers)
    came, take = [], collector.came
    collector.came = lambda metadata: (came.append(time.monotonic()), take(metadata))[1]
    r = runtime(collector, 600)
    r.start()
    until("they came", lambda: len(spoken(collector.records)) == 600)
    assert came[1] - came[0] >= 1  # as it was asked
    assert r.stop() == 0 and len(came) > n
    assert ended(r) == (len(local(r)), 0, 0) and spoken(collector.records) == list(range(600))
    assert len(said(r, "waiting")) == len(said(r, "well_again")) == 1


def test_exhausted_without_a_time_is_a_refusal(runtime):
    c = Grpc()
    c.answers = [(grpc.StatusCode.RESOURCE_EXHAUSTED, "for good")]
    r = runtime(c)
    r.start()
    until("it is told", lambda: said(r, "refused"))
    assert r.stop() == 0 and ended(r)[1] > 0
    c.close()


def test_a_collector_that_takes_a_part(runtime, collector):
    collector.answers = [Partial(1, "too old"), Partial(0, "by the way")]
    r = runtime(collector)
    r.start()
    reason, = until("it is told", lambda: said(r, "partly_taken"))
    assert "the collector left out 1: too old" in reason
    assert r.stop() == 0
    assert ended(r) == (len(local(r)) - 1, 1, 0)


def test_the_end_does_not_wait_for_ever(runtime, collector):
    collector.away()
    r = runtime(collector)
    r.start()
    until("it waits", lambda: said(r, "waiting"))
    assert r.stop() == 0
    assert ended(r) == (0, 0, len(local(r)))


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_a_collector_that_says_nothing(runtime, transport):
    mute = socket.create_server(("127.0.0.1", 0))  # the system takes connections for it
    c = type("mute", (), {"transport": transport, "endpoint": f"http://127.0.0.1:{mute.getsockname()[1]}/v1/logs"})
    r = runtime(c)
    r.env["OTEL_EXPORTER_OTLP_TIMEOUT"] = "200"
    r.start()
    reason, = until("it waits", lambda: said(r, "waiting"))
    assert "imed out" in reason, reason
    assert r.stop() == 0 and ended(r) == (0, 0, len(local(r)))
    del r.env["OTEL_EXPORTER_OTLP_TIMEOUT"]  # longer than the end may take
    r.start()
    assert r.stop() == 0
    mute.close()


def test_tls(runtime, tmp_path):
    made = certs.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made)
    for c in (Grpc(tls=made), Http(tls=context)):
        r = runtime(c, 1100)
        r.start()  # nobody has told whom to trust
        reason, = until("it waits", lambda: said(r, "waiting"))
        assert "certificate" in reason, reason
        r.stop(signal.SIGKILL)
        (r.dir / "log").unlink()
        assert not c.records
        r.env["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(made[0])
        r.start()
        assert r.stop() == 0
        assert sorted(map(shown, c.records)) == sorted(m[:5] for m in local(r))
        c.close()
        (r.dir / "log").unlink()


def outcome(r):
    """Of a start that is to fail: (exit code, what it said)."""
    r.write()
    p = subprocess.run(r.command, capture_output=True, text=True, cwd=r.dir, env=os.environ | r.env, timeout=PATIENCE)
    return p.returncode, p.stderr


@pytest.mark.parametrize("transport, endpoint, says", [
    ("grpc", "localhost:4317", "it begins with neither http:// nor https://"), ("http", "http://", "there is no host"),
    ("http", "http://h:70000/v1/logs", "the port is no number from 1 to 65535")])
def test_endpoints_that_are_none(runtime, transport, endpoint, says):
    c = type("nobody", (), {"transport": transport, "endpoint": endpoint})
    r = runtime(c)
    code, told = outcome(r)
    line = next(i for i, text in enumerate((r.dir / "config.toml").read_text().splitlines(), 1) if endpoint in text)
    assert code == 1 and re.search(rf"config\.toml:{line}:\d+: telemetry\.logs\.endpoint: '{re.escape(endpoint)}' is no endpoint: {says}", told), told


def test_variables_that_are_none(runtime, collector):
    r = runtime(collector)
    for name, value in (("OTEL_EXPORTER_OTLP_HEADERS", "geheim"), ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "10s")):
        r.env = {name: value}
        code, told = outcome(r)
        assert code == 1 and f"telemetry: the variable {name} is" in told and "geheim" not in told, told


def test_complaints_about_the_configuration(runtime, collector):
    r = runtime(collector)
    r.sink("odd", enabled=False, nonsense=1)
    r.start()
    assert r.stop() == 0
    told = [x for x in collector.records if x.event == "configuration"]
    assert [x.level for x in told] == ["WARN"] and 'unknown field "nonsense"' in told[0].body, told


def test_why_it_did_not_start(runtime, collector):
    r = runtime(collector, state={"path": "/dev/null/state"})
    code, told = outcome(r)
    assert code == 1 and "/dev/null/state" in told
    assert any("/dev/null/state" in x.body and x.level == "ERROR" for x in collector.records)


def test_nothing_of_it_where_it_is_off(runtime, collector):
    r = runtime(collector)
    r.runtime["telemetry"]["enabled"] = False
    r.start()
    running(r)
    pid = r.proc.pid
    threads = subprocess.run(["ps", "-T", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True).stdout.split()
    assert "hg-iggy" in threads and "hg-otlp" not in threads and "libcurl" not in open(f"/proc/{pid}/maps").read()
    assert r.stop() == 0 and not collector.requests
