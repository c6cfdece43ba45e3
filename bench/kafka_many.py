"""10,000 connectors of which 500 read Kafka, on librdkafka's mock broker: start, order, stats. Run by bench.py."""
import json
import os
import re
import tempfile
import time

from hg import until
from hg.kafka import MockBroker


def program(folder, bootstrap, topics, n=10000, kafka=500, tables=50):
    """On each table pairs: a carrier (datagen, now and then a file) and one that waits for it (Kafka, or datagen)."""
    path = os.path.join(folder, "two.json")
    with open(path, "w") as f:
        f.write('{"id": 1}\n{"id": 2}\n')
    raw = {"name": "json", "config": {"update_format": "raw"}}
    text, k = [], 0
    every = (n // 2) // kafka  # of the waiting ones, this many are none for each one that reads Kafka
    for t in range(tables):
        c = []
        for i in range(n // tables):
            order = {"labels": [f"l{t}.{i // 2}"]} if i % 2 == 0 else {"start_after": f"l{t}.{i // 2}"}
            one = {"name": f"c{i}", **order, "transport": {"name": "datagen", "config": {"plan": [{"limit": 2}]}}}
            if i % 2 and (i // 2) % every == 0:
                one["transport"] = {"name": "kafka_input", "config": {
                    "topic": topics[k], "bootstrap.servers": bootstrap, "start_from": "earliest", "enable.partition.eof": "true"}}
                one["format"] = raw
                k += 1
            elif i % 40 == 0:
                one["transport"] = {"name": "file_input", "config": {"path": path}}
                one["format"] = raw
            c.append(one)
        text.append(f"CREATE TABLE t{t} (id BIGINT NOT NULL) WITH ('connectors' = '{json.dumps(c)}');")
    assert k == kafka
    return "\n".join(text)


def run(a_daemon, pipeline_pid, rss_mib, cpu_s, quantile, say):
    topics = [f"k{i}" for i in range(500)]
    broker = MockBroker(*(f"{t}:1" for t in topics))
    try:
        for t in topics:
            broker.say(f'produce {t} 0 {{"id": 1}}', f'produce {t} 0 {{"id": 2}}')
        broker.say("flush")
        assert broker.proc.stdout.readline().startswith("flushed")
        with a_daemon() as d, tempfile.TemporaryDirectory() as folder:
            t0 = time.monotonic()
            d.create("m", program(folder, broker.bootstrap, topics))
            compiled = time.monotonic() - t0
            t0 = time.monotonic()
            d.start_pipeline("m", "paused")
            started = time.monotonic() - t0
            pid = pipeline_pid(d, "m")
            t0 = time.monotonic()
            d.ok("POST", "/v0/pipelines/m/resume")
            during = []

            def complete():
                t1 = time.monotonic()
                answer = d.get("/v0/pipelines/m/stats").content
                during.append(time.monotonic() - t1)
                return json.loads(answer)["global_metrics"]["pipeline_complete"]
            until("all input has ended", complete, 300, 0.01)
            took = time.monotonic() - t0
            threads = len(os.listdir(f"/proc/{pid}/task"))
            assert d.stats("m")["global_metrics"]["total_processed_records"] == 20000
            with open(log_of(d)) as f:
                waited = in_order(d.ok("GET", "/v0/pipelines/m/orchestration").json()["connectors"], f.read())
            assert waited == 5000
            stats = []
            for _ in range(20):
                t1 = time.monotonic()
                d.get("/v0/pipelines/m/stats").content
                stats.append(time.monotonic() - t1)
            say("10,000 connectors, 500 of Kafka on one client", f"compile {compiled:.2f} s, start paused {started:.2f} s, resume → complete {took:.2f} s, "
                f"{waited:,} waited in order", f"stats median {quantile(stats, .5) * 1e3:.0f} ms, worst {max(stats) * 1e3:.0f} ms, worst while starting "
                f"{max(during) * 1e3:.0f} ms (budget 100)", f"pipeline {rss_mib(pid):.0f} MiB, {cpu_s(pid):.2f} s CPU, {threads} threads")
    finally:
        broker.close()


def log_of(daemon):
    """the log of the only pipeline"""
    (path,) = (os.path.join(folder, "log") for folder, _, files in os.walk(daemon.data_dir) if "log" in files)
    return path


def in_order(connectors, log):
    """How many waited; each was activated when what it waited for had ended: the log has the one time, the orchestrator the other."""
    ended = {c["name"]: c["since"][:23] for c in connectors if c["finished"]}
    activated = {name: at for at, name in re.findall(r"(?m)^(\S{23})\S* \S+ orchestrator (\S+) activated", log)}
    for name, at in activated.items():
        table, number = name.split(".c")
        assert ended[f"{table}.c{int(number) - 1}"] <= at, name
    return len(activated)
