"""Where a pipeline's memory and time go: heap profiles as pprof reads them, CPU profiles as Firefox's profiler does."""
import os
import pathlib
import re
import time

from hg import BUILD, until
from hg.daemon import Daemon
from hg.firefox import CpuProfile
from hg.pprof import Profile
from hg.sql import datagen, table, view

ROWS = 200_000
PROGRAM = (table("t", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR", materialized=True) + view("v", "SELECT id, s FROM t WHERE id >= 0", materialized=True))


def fill(d, name):
    d.run(name, PROGRAM)
    body = "".join('{"id": %d, "s": "%s"}\n' % (i, f"{i:060d}") for i in range(ROWS))
    d.wait_token(name, d.ingress(name, "t", body).json()["token"])


def test_heap_profile(daemon):
    fill(daemon, "heap")
    r = daemon.ok("GET", "/v0/pipelines/heap/heap_profile")
    assert r.headers["Content-Type"] == "application/protobuf"
    p = Profile(r.content)
    assert p.types == [("inuse_objects", "count"), ("inuse_space", "bytes")] and p.period == (("space", "bytes"), 512 << 10)
    assert abs(p.time - time.time()) < 600
    # 200,000 rows of 68 bytes, twice, are 27 MB, in blocks of which few are too small to be in the sample.
    count, total = p.total()
    rss = daemon.ok("GET", "/v0/pipelines/heap/stats").json()["global_metrics"]["rss_bytes"]
    assert count > 0 and 10 << 20 < total < max(2 * rss, 1 << 30), (total, rss)
    assert any(re.search(r"process: \d+ bytes resident", c) for c in p.comments)
    # Stacks lead through code that has names, to where threads begin.
    (exe,) = {m for m, x in p.mappings.items() if os.path.realpath(x["file"]) == os.path.realpath(BUILD / "headgate")}
    assert p.mappings[exe]["named"] and re.fullmatch("[0-9a-f]{40}", p.mappings[exe]["build_id"])
    for address, mapping, function in p.locations.values():
        if mapping is not None:
            assert p.mappings[mapping]["start"] <= address < p.mappings[mapping]["limit"]
        assert mapping != exe or function, hex(address)
    assert p.named("circuit_main")[1] + p.named("worker_main")[1] > 10 << 20
    assert all(len(frames) >= 2 for frames, _ in p.samples)
    # Those that are not to be shown are the allocator's.
    drop = re.compile(p.drop)
    assert drop.fullmatch("hg_xzero") and not drop.fullmatch("circuit_main") and not drop.fullmatch("hg_xzero_x")
    daemon.stop_pipeline("heap")
    assert daemon.get("/v0/pipelines/heap/heap_profile").status_code in (400, 503)
    assert daemon.get("/v0/pipelines/none/heap_profile").status_code == 404


def test_heap_profiles_by_the_users_word():
    """Of a pipeline's own environment: none; one that cannot be; a finer one."""
    d = Daemon()
    try:
        for name, value in (("none", "0"), ("odd", "12x"), ("fine", "1000")):
            d.run(name, PROGRAM, runtime_config={"env": {"HEADGATE_HEAP_SAMPLE": value}})
        r = d.get("/v0/pipelines/none/heap_profile")
        assert r.status_code == 400 and r.json()["error_code"] == "HeapProfilerError" and "HEADGATE_HEAP_SAMPLE=0" in r.json()["message"]
        assert Profile(d.ok("GET", "/v0/pipelines/odd/heap_profile").content).period[1] == 512 << 10
        logs = [f.read_text() for f in pathlib.Path(d.data_dir).rglob("log")]
        assert sum("HEADGATE_HEAP_SAMPLE is '12x'; it must be a number of bytes" in log for log in logs) == 1
        fine = Profile(d.ok("GET", "/v0/pipelines/fine/heap_profile").content)
        assert fine.period[1] == 1000 and len(fine.samples) > 20
    finally:
        d.close()


# --- time ---

BUSY = (table("t", "id BIGINT NOT NULL PRIMARY KEY, s VARCHAR", datagen("g", {"limit": 1 << 50, "fields": {"id": {"range": [0, 1000]}}}), materialized=True)
        + view("v", "SELECT id, s FROM t WHERE id >= 0", materialized=True))


def take(d, name, seconds=1):
    """A profile that begins now."""
    d.ok("POST", f"/v0/pipelines/{name}/samply_profile?duration_secs={seconds}")
    found = []

    def ready():
        r = d.ok("GET", f"/v0/pipelines/{name}/samply_profile?latest=true")
        assert r.status_code == 200 or 1 <= int(r.headers["Retry-After"]) <= seconds + 1
        found.append(r)
        return r.status_code == 200
    until("the profile is complete", ready)
    assert found[-1].headers["Content-Type"] == "application/gzip"
    assert re.fullmatch(r'attachment; filename="[^"]+\.json\.gz"', found[-1].headers["Content-Disposition"])
    return CpuProfile(found[-1].content)


def test_cpu_profile(daemon):
    daemon.run("cpu", BUSY)
    seen = []

    def circuit_was_seen():
        """On a busy machine it may not have computed at all in that second."""
        seen.append(take(daemon, "cpu"))
        return seen[-1].milliseconds("circuit_main") > 0
    until("the circuit has computed in a profile's time", circuit_was_seen)
    p = seen[-1]
    # Stacks lead from where the thread begins through our code.
    stack = next(stack for _, stack, _ in p.threads["hg-circuit"] if "circuit_main" in stack)
    assert len(stack) >= 3 and stack.index("circuit_main") >= 1
    assert all(0 <= at for t in p.threads.values() for at, _, _ in t)
    assert abs(p.json["meta"]["startTime"] / 1000 - time.time()) < 600
    (exe,) = [x for x in p.json["libs"] if os.path.realpath(x["path"]) == os.path.realpath(BUILD / "headgate")]
    build_id = exe["codeId"]
    assert exe["breakpadId"] == "".join(bytes.fromhex(build_id)[i:j][::-1].hex() for i, j in ((0, 4), (4, 6), (6, 8))).upper() + build_id[16:32].upper() + "0"
    # The old one is there while the next is being taken.
    daemon.ok("POST", "/v0/pipelines/cpu/samply_profile?duration_secs=600")
    assert CpuProfile(daemon.ok("GET", "/v0/pipelines/cpu/samply_profile").content).json == p.json
    assert int(daemon.ok("GET", "/v0/pipelines/cpu/samply_profile?latest=true").headers["Retry-After"]) > 100
    r = daemon.post("/v0/pipelines/cpu/samply_profile")
    assert r.status_code == 409 and "already" in r.json()["message"]
    # It does not hold up the end of the process.
    daemon.stop_pipeline("cpu", force=False)
    daemon.start_pipeline("cpu")
    r = daemon.get("/v0/pipelines/cpu/samply_profile")
    assert r.status_code == 400 and "There is no CPU profile of this process" in r.json()["message"]
    daemon.stop_pipeline("cpu")


def test_cpu_profiles_that_cannot_be(daemon):
    daemon.run("bad", PROGRAM)
    for query, word in (("duration_secs=0", "1 to 600 seconds, not 0"), ("duration_secs=601", "not 601"), ("duration_secs=x", "duration_secs"), ("ordinal=1", "one process, 0")):
        r = daemon.post("/v0/pipelines/bad/samply_profile?" + query)
        assert r.status_code == 400 and word in r.json()["message"], r.text
    for query in ("latest=perhaps", "ordinal=7", ""):
        assert daemon.get("/v0/pipelines/bad/samply_profile?" + query).status_code == 400, query
    daemon.stop_pipeline("bad")
