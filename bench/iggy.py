"""The connectors runtime: source → topic, and topic → transform → an ingest endpoint or an HTTP service. Run by bench.py.

IGGY_SERVER names the binary of a real server (else the tests' stand-in serves, which is the slower side); IGGY_CONNECTORS and IGGY_PLUGINS
name Apache Iggy's own runtime and the folder of its plugins: then both take turns over the same configuration files."""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time

import requests

from hg import BUILD
from hg.connectors import THEIRS, Runtime, TheirRuntime
from hg.iggy import Server

MESSAGES = int(os.environ.get("HG_BENCH_MESSAGES", "2000000"))
OURS = str(BUILD / "plugins")
THEIR_PLUGINS = os.environ.get("IGGY_PLUGINS")


def family(pid):
    """a process and its children"""
    found = [pid]
    for p in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children") as f:
                    found += [int(c) for c in f.read().split()]
    return found


def cpu_s(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
            v = f.read().rsplit(")", 1)[1].split()
            total += int(v[11]) + int(v[12])
    return total / os.sysconf("SC_CLK_TCK")


def resident_mib(pids):
    """What is theirs, and of what they share each its part."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as f:
            total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])
    return total / 1024


def counted(runtime, member):
    return sum(c.get(member, 0) for c in runtime.ask("GET", "/stats")[1]["connectors"])


def timed(runtime, done):
    """wall and CPU seconds until done(), the largest resident memory seen"""
    runtime.start()
    t0, largest = time.monotonic(), 0
    while not done(runtime):
        largest = max(largest, resident_mib(family(runtime.proc.pid)))
        time.sleep(0.1)  # what is asked of it costs it something
    return time.monotonic() - t0, cpu_s(family(runtime.proc.pid)), largest


def end(runtime):
    runtime.proc.terminate()
    runtime.proc.wait(60)


@contextlib.contextmanager
def endpoint(*args):
    p = subprocess.Popen([str(BUILD / "bench" / "bench_ingest"), "0", *args], stdout=subprocess.PIPE, text=True)
    url = "http://127.0.0.1:" + p.stdout.readline().split()[1]
    try:
        yield url
    finally:
        p.kill()
        p.wait()


def one(kind, plugins, server, folder, fail_every=None):
    """[(what, messages per second, CPU seconds per million, MiB)] of one runtime, and how many lines arrived"""
    out = []
    r = kind(os.path.join(folder, "source"), server)
    r.source("random", "bench", "t", {"interval": "0s", "messages_range": [1000, 1001], "max_count": MESSAGES, "payload_size": 40},
             path=f"{plugins}/libiggy_connector_random_source")
    wall, cpu, rss = timed(r, lambda x: counted(x, "messages_sent") >= MESSAGES)
    end(r)
    out.append(("source → topic", MESSAGES / wall, cpu / MESSAGES * 1e6, rss))
    quickwit = {"index": "index_id: bench\nversion: 0.8\n", "retry_delay": "10ms"}
    lines = {"batch_mode": "ndjson", "retry_delay": "10ms"}
    sinks = [("topic → add_fields → ingest", "quickwit", quickwit, "0"), ("topic → add_fields → ingest", "quickwit", quickwit, fail_every),
             ("topic → add_fields → HTTP, lines with metadata", "http", lines, "0")]
    for what, plugin, settings, every in sinks:
        if not every:
            continue
        key = f"{plugin}{every}"
        with endpoint(every) as url:
            r = kind(os.path.join(folder, f"sink{key}"), server)
            r.sink(key, "bench", ["t"], {"url": url} | settings, path=f"{plugins}/libiggy_connector_{plugin}_sink",
                   transforms={"add_fields": {"fields": [{"key": "source", "value": {"static": "bench"}},
                                                         {"key": "at", "value": {"computed": "timestamp_millis"}}]}})
            wall, cpu, rss = timed(r, lambda x: counted(x, "messages_consumed") >= MESSAGES and counted(x, "messages_processed") >= MESSAGES)
            got = requests.get(url + "/count").json()
            time.sleep(1)
            idle0, t0 = cpu_s(family(r.proc.pid)), time.monotonic()
            time.sleep(5)
            idle = (cpu_s(family(r.proc.pid)) - idle0) / (time.monotonic() - t0) * 100
            rest = resident_mib(family(r.proc.pid))
            end(r)
        fate = f"{got['lines'] - MESSAGES:+,} of {MESSAGES:,} messages"
        if every != "0":
            what += f", 503 to every {every}rd batch"
            fate = f"{MESSAGES - got['distinct']:,} of {MESSAGES:,} lost, {got['lines'] - got['distinct']:,} twice"
        out.append((what, MESSAGES / wall, cpu / MESSAGES * 1e6, rss, fate, f"then idle: {idle:.1f} % of a core, {rest:.1f} MiB"))
    return out


def run(say):
    """ROUNDS (3) in turn, each on a server of its own; of each row the best one."""
    both = [("headgate", Runtime, OURS)] + ([("iggy-connectors", TheirRuntime, THEIR_PLUGINS)] if THEIRS and THEIR_PLUGINS else [])
    best = {}
    for _ in range(int(os.environ.get("ROUNDS", "3"))):
        for name, kind, plugins in both:
            folder = tempfile.mkdtemp(prefix="hgbi")
            server = Server()
            try:
                for row in one(kind, plugins, server, folder, "3"):
                    best.setdefault((row[0], name), []).append(row)
            finally:
                server.close()
                shutil.rmtree(folder, ignore_errors=True)
    for (what, name), rows in best.items():
        _, rate, cpu, rss, *more = max(rows, key=lambda row: row[1])
        rates = ", ".join(f"{row[1] / 1000:.0f}" for row in rows)
        say(f"{what}, {name}", f"{rate / 1000:.0f} k messages/s (of {rates})", f"{cpu:.2f} CPU-seconds per million", f"{rss:.1f} MiB", *more)
