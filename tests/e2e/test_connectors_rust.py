"""A plugin written in Rust, on the `postcard` crate itself, in `headgate connectors`: what one side writes the other reads. Built here by cargo
(tests/rust_plugin)."""
import os
import re
import shutil
import signal
import subprocess

import pytest
from hg import CACHE, ROOT, until
from hg.connectors import Runtime
from hg.iggy import Server


@pytest.fixture(scope="module")
def plugin():
    cargo = shutil.which("cargo") or shutil.which("cargo", path=os.path.expanduser("~/.cargo/bin"))
    if not cargo:
        pytest.skip("there is no cargo (Debian: apt install cargo-web)")
    target = CACHE / "rust_plugin"
    built = subprocess.run([cargo, "build", "--release", "--locked", "--quiet", "--target-dir", target], cwd=ROOT / "tests" / "rust_plugin",
                           capture_output=True, text=True)
    if built.returncode and re.search(r"failed to (download|get|fetch)|Could not resolve|index\.crates\.io", built.stderr):
        pytest.skip("crates.io cannot be reached: " + built.stderr.strip().splitlines()[-1])
    assert built.returncode == 0, built.stderr
    return target / "release" / "librust_plugin.so"


@pytest.fixture
def runtime(tmp_path):
    server = Server()
    r = Runtime(tmp_path, server)
    yield r
    r.stop(signal.SIGKILL)
    server.close()


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_both_ways(runtime, plugin, tmp_path, isolation):
    out = tmp_path / "out"
    runtime.source("rust", plugin={"count": 500}, path=plugin, isolation=isolation)
    runtime.sink("rust", plugin={"file": str(out)}, path=plugin, isolation=isolation)
    runtime.start()
    until("all is there", lambda: out.exists() and out.read_bytes().count(b"\n") >= 500)
    lines = out.read_text().splitlines()
    assert len(lines) == 500
    for n, line in enumerate(lines):
        number = list(n.to_bytes(8, "little"))
        assert line == f"s t 0 {n} Json {(1 << 100) + n:x} 0 true true [lang=rust,n=Uint64:{number}] {{\"n\":{n}}}"
    assert runtime.get("/stats")["connectors"][0]["version"] == "0.3.1"
    assert "opened in Rust" in runtime.log
    state = tmp_path / "state" / "source_rust.state"  # written when the topic has what it stands for
    until("its state is kept", lambda: state.exists() and state.read_bytes() == (500).to_bytes(8, "little"))
    with runtime.iggy.client() as c:
        first = c.read("s", "t")[0]
    assert first.id == 1 << 100 and first.payload == b'{"n":0}'
    assert runtime.stop() == 0


KINDS = {"Raw": [0, 255], "String": list(b"abc"), "Bool": [1], "Int8": [255], "Int16": [254, 255], "Int32": [1, 0, 0, 128],
         "Int64": [1, 2, 3, 4, 5, 6, 7, 128], "Int128": [9] * 16, "Uint8": [200], "Uint16": [1, 200], "Uint32": [1, 2, 3, 200], "Uint64": [255] * 8,
         "Uint128": [254] * 16, "Float32": [0, 0, 128, 63], "Float64": [0, 0, 0, 0, 0, 0, 240, 63]}
# A plugin's tag, and the schema of the stream that takes it unchanged.
TAGS = ["json", "raw", "text", "raw", "flat_buffer", "avro"]


def payload_of(tag, n):
    return f'{{"n":{n}}}'.encode() if tag == 0 else f"t\u00ebxt {n}".encode() if tag == 2 else bytes([0xff, 0x80, tag, 128 + n])


def id_of(n):
    return (1 << 128) - 1 - n


def test_each_type(runtime, plugin, tmp_path):
    """Every schema, every kind of header, and every option there and not: from Rust into topics, and from topics to Rust."""
    sinks = {"json": 0, "raw": 1, "text": 2}  # to plugins nothing else is sent as it is
    for tag, schema in enumerate(TAGS):
        runtime.connector("source", f"tag{tag}", {"stream": "s", "topic": f"t{tag}", "schema": schema, "linger_time": "0"},
                          plugin={"count": 10, "tag": tag}, path=plugin)
    for schema, tag in sinks.items():
        runtime.connector("sink", schema, {"stream": "s", "topics": [f"t{tag}"], "schema": schema, "poll_interval": "2ms"},
                          plugin={"file": str(tmp_path / schema)}, path=plugin)
    count = len(KINDS) + 2
    with runtime.iggy.client() as c:
        for tag in range(len(TAGS)):
            c.create("s", f"t{tag}")
        runtime.start()
        for tag in range(len(TAGS)):
            until(f"topic {tag} is full", lambda: c.partitions("s", f"t{tag}")[0][0] >= count)
            got = c.read("s", f"t{tag}")
            assert [m.payload for m in got] == [payload_of(tag, n) for n in range(count)]
            assert [m.id for m in got[1::2]] == [id_of(n) for n in range(1, count, 2)]
    for schema, tag in sinks.items():
        out = tmp_path / schema
        until("all is there", lambda: out.exists() and out.read_bytes().count(b"\n") >= count)
        for n, line in enumerate(out.read_text().splitlines()):
            headers = [f"k={kind}:{value}" for kind, value in [*KINDS.items()][n:n + 1]]
            headers = ["k=abc"] if n == 1 else headers + ["Uint32:[7, 0, 0, 0]=by number"] * (n == 0)
            payload = payload_of(tag, n).decode(errors="backslashreplace").replace("\1", "\\x01")
            begin, end = f"s t{tag} 0 {n} {schema.capitalize()} ", f" true true [{','.join(headers)}] {payload}"
            assert line.startswith(begin + (f"{id_of(n):x} " if n & 1 else "")) and line.endswith(end), (line, begin, end)


def test_killed_and_gone_on(runtime, plugin, tmp_path):
    """The plugin's process dies at any instant; its state brings it back to where it was."""
    out = tmp_path / "out"
    runtime.source("rust", plugin={"count": 3000}, path=plugin, restart={"backoff": "10ms"})
    runtime.sink("rust", plugin={"file": str(out)}, path=plugin, restart={"backoff": "10ms"})
    runtime.start()
    for part in (300, 1200, 2100):
        until("some are there", lambda: out.exists() and out.read_bytes().count(b"\n") >= part)
        runtime.kill_hosts()
    found = re.compile(rb'\{"n":(\d+)\}\n')
    until("all are there", lambda: len(set(found.findall(out.read_bytes()))) == 3000)
    runtime.stop()
