"""The benchmarks behind run.sh. Each compares two programs side by side, takes turns, keeps the best of ROUNDS, and prints CPU time beside wall
time: on a machine with neighbours only the CPU time is steady."""
import contextlib
import datetime
import glob
import hashlib
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import requests

from hg import BUILD, CACHE, HEADGATE, shapes, until
from hg.daemon import Daemon

ROWS = int(os.environ.get("HG_BENCH_ROWS", "1000000"))
UPSERTS = os.environ.get("HG_BENCH_UPSERTS", "10000000")
ROUNDS = int(os.environ.get("HG_BENCH_ROUNDS", "3"))
RAM = tempfile.mkdtemp(prefix="hgbench", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
COLUMNS = "id BIGINT NOT NULL, name VARCHAR, price DOUBLE, ts TIMESTAMP, tags VARCHAR ARRAY"


def tool(name):
    return str(BUILD / "bench" / f"bench_{name}")


def say(what, *figures):
    print(f"| {what} | " + " | ".join(figures) + " |", flush=True)


def data(kind, rows=ROWS):
    path = os.path.join(RAM, f"{rows}.{kind}")
    if not os.path.exists(path):
        with open(path, "w") as f:
            subprocess.run([tool("gen"), kind, str(rows)], stdout=f, check=True)
    return path


def fields(text):
    """the last line of a tool: name value name value …"""
    words = text.strip().splitlines()[-1].split()
    return dict(zip(words[::2], words[1::2]))


class Cost:
    def __init__(self, wall, cpu, rss):
        self.wall, self.cpu, self.rss = wall, cpu, rss

    def __str__(self):
        return f"{self.wall:.2f} s wall, {self.cpu:.2f} s CPU, {self.rss:.0f} MiB"


def cost(argv, cwd=RAM):
    """wall, CPU and peak resident memory of one process"""
    t0 = time.monotonic()
    p = subprocess.Popen(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = p.stdout.read()
    _, status, ru = os.wait4(p.pid, 0)
    p.returncode = status
    wall = time.monotonic() - t0
    assert status == 0, out.decode()
    return Cost(wall, ru.ru_utime + ru.ru_stime, ru.ru_maxrss / 1024)


def best(costs):
    return Cost(min(c.wall for c in costs), min(c.cpu for c in costs), min(c.rss for c in costs))


def duck(sql):
    return [sys.executable, "-c", "import duckdb,sys; duckdb.execute(sys.argv[1]).fetchall()", sql]


def rss_mib(pid, which="VmRSS"):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(which + r":\s+(\d+)", f.read()).group(1)) / 1024


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        v = f.read().rsplit(")", 1)[1].split()
    return (int(v[11]) + int(v[12])) / os.sysconf("SC_CLK_TCK")


def pipeline_pid(daemon, name):
    """the process whose command line names the pipeline's folder"""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().decode().split("\0")
            with open(f"/proc/{pid}/stat") as f:
                parent = f.read().rsplit(")", 1)[1].split()[1]
            if "pipeline" in words[1:2] and (parent == str(daemon.proc.pid) or any(daemon.data_dir in w for w in words)):
                return int(pid)
    raise AssertionError(f"no process of pipeline {name}")


class Bare(Daemon):
    """without the checks of answers that the tests make, on one connection"""

    def start(self):
        super().start()
        shapes.forget(self.url)

    def request(self, method, path, **kw):
        if not hasattr(self, "session"):
            self.session = requests.Session()
        return self.session.request(method, self.url + path, **kw)


@contextlib.contextmanager
def a_daemon():
    d = Bare()
    try:
        yield d
    finally:
        d.close()


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))]


# --- the benchmarks ------------------------------------------------------------------------------------------------------

def start():
    """create + start of a three-table program until its first row is in; daemon start until it answers"""
    program = """CREATE TABLE a (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR) WITH ('materialized' = 'true', 'connectors' = '[{"name": "g",
      "transport": {"name": "datagen", "config": {"plan": [{"limit": 1000}]}}}]');
    CREATE TABLE b (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR); CREATE TABLE c (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR);
    CREATE MATERIALIZED VIEW d AS SELECT id, upper(v) AS v FROM a UNION ALL SELECT id, v FROM b UNION ALL SELECT id, v FROM c;"""
    boots = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder, socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
            s.close()
            t0 = time.monotonic()
            p = subprocess.Popen([HEADGATE, "serve", "--data-dir", folder, "--port", str(port)], stdout=subprocess.DEVNULL)
            answered = None
            while not answered:
                with contextlib.suppress(OSError):
                    with socket.create_connection(("127.0.0.1", port)) as c:
                        c.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        answered = c.recv(100)
                time.sleep(0.0005)
            boots.append(time.monotonic() - t0)
            assert b" 200 " in answered, answered
            p.terminate()
            p.wait()
    say("daemon start until /healthz answers", f"best {min(boots) * 1e3:.0f} ms, median {quantile(boots, .5) * 1e3:.0f} ms", "budget 50 ms")
    firsts = []
    with a_daemon() as d:
        for i in range(5):
            t0 = time.monotonic()
            d.ok("POST", "/v0/pipelines", json={"name": f"p{i}", "program_code": program})
            d.ok("POST", f"/v0/pipelines/p{i}/start")
            while True:
                r = d.get(f"/v0/pipelines/p{i}/stats")
                if r.status_code == 200 and r.json()["global_metrics"]["total_processed_records"] > 0:
                    break
                time.sleep(0.001)
            firsts.append(time.monotonic() - t0)
            d.stop_pipeline(f"p{i}")
    say("create + start → first row", f"best {min(firsts) * 1e3:.0f} ms, median {quantile(firsts, .5) * 1e3:.0f} ms", "budget 100 ms")


def formats():
    """NDJSON and CSV in memory → typed columns → dropped, one thread, against simdjson On-Demand and DuckDB"""
    def of(argv):
        out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        return re.search(r"checksum (\d+)", out).group(1), float(fields(out)["cpu_s"])

    path = data("json")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(of([tool("format"), "json", path, "5"]))
        if os.path.exists(tool("simdjson")):
            theirs.append(of([tool("simdjson"), path, "5"]))
    assert len({s for s, _ in ours + theirs}) == 1, "the parsers do not agree"
    cpu = min(c for _, c in ours)
    if theirs:
        other = min(c for _, c in theirs)
        say("NDJSON → columns, M records per CPU-second", f"{ROWS / cpu / 1e6:.2f}", f"simdjson {ROWS / other / 1e6:.2f}: ratio {other / cpu:.2f}",
            "budget 1.0 and 4 M")
    csv = data("csv")
    csv_cpu = min(of([tool("format"), "csv", csv, "5"])[1] for _ in range(ROUNDS))
    read_json = f"read_ndjson('{path}', columns={{id: 'BIGINT', name: 'VARCHAR', price: 'DOUBLE', ts: 'TIMESTAMP', tags: 'VARCHAR[]'}})"
    read_csv = f"read_csv('{csv}', header=false, columns={{id: 'BIGINT', name: 'VARCHAR', price: 'DOUBLE', ts: 'TIMESTAMP'}})"
    one = "SET threads = 1; "
    idle = best([cost(duck(one + "SELECT 1"))for _ in range(ROUNDS)]).cpu
    dj = best([cost(duck(one + f"SELECT sum(id), max(name), sum(price), max(ts), sum(len(tags)) FROM {read_json}")) for _ in range(ROUNDS)]).cpu - idle
    dc = best([cost(duck(one + f"SELECT sum(id), max(name), sum(price), max(ts) FROM {read_csv}")) for _ in range(ROUNDS)]).cpu - idle
    say("NDJSON against DuckDB (one thread, without its start)", f"{ROWS / cpu / 1e6:.2f} M/CPU-s", f"DuckDB {ROWS / dj / 1e6:.2f}: ratio {dj / cpu:.2f}")
    say("CSV against DuckDB (the same)", f"{ROWS / csv_cpu / 1e6:.2f} M/CPU-s", f"DuckDB {ROWS / dc / 1e6:.2f}: ratio {dc / csv_cpu:.2f}")


AVRO = {"type": "record", "name": "t", "fields": [
    {"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"]}, {"name": "price", "type": ["null", "double"]},
    {"name": "ts", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
    {"name": "tags", "type": ["null", {"type": "array", "items": "string"}]}]}
FASTAVRO = """
import io, json, struct, sys, time, fastavro
data = open(sys.argv[1], "rb").read()
at, records = 0, []
while at < len(data):
    n, = struct.unpack_from("<I", data, at)
    records.append(data[at + 4:at + 4 + n])
    at += 4 + n
schema = fastavro.parse_schema(json.loads(records.pop(0)))
best = 1e9
for _ in range(2):
    t = time.process_time()
    for r in records:
        fastavro.schemaless_reader(io.BytesIO(r), schema)
    best = min(best, time.process_time() - t)
print("cpu_s", best)
"""


def avro():
    """Avro records in memory → typed columns → dropped, one thread, against NDJSON of the same rows and fastavro"""
    import fastavro
    import io
    path, parsed = os.path.join(RAM, "t.avro"), fastavro.parse_schema(AVRO)
    with open(path, "wb") as f:
        text = json.dumps(AVRO).encode()
        f.write(len(text).to_bytes(4, "little") + text)
        for line in open(data("json")):
            row, out = json.loads(line), io.BytesIO()
            row["ts"] = datetime.datetime.fromisoformat(row["ts"] + "+00:00")
            fastavro.schemaless_writer(out, parsed, row)
            f.write(out.tell().to_bytes(4, "little") + out.getvalue())
    ours, lines, other = [], [], []
    for _ in range(ROUNDS):
        for kind, file, to in (("avro", path, ours), ("json", data("json"), lines)):
            out = subprocess.run([tool("format"), kind, file, "5"], capture_output=True, text=True, check=True).stdout
            to.append((re.search(r"checksum (\d+)", out).group(1), float(fields(out)["cpu_s"])))
        other.append(float(fields(subprocess.run([sys.executable, "-c", FASTAVRO, path], capture_output=True, text=True, check=True).stdout)["cpu_s"]))
    assert len({s for s, _ in ours + lines}) == 1, "the parsers do not agree"
    cpu, ndjson, theirs = min(c for _, c in ours), min(c for _, c in lines), min(other)
    say("Avro → columns, M records per CPU-second", f"{ROWS / cpu / 1e6:.2f}", f"NDJSON {ROWS / ndjson / 1e6:.2f}: ratio {ndjson / cpu:.2f}",
        f"fastavro, to Python objects {ROWS / theirs / 1e6:.2f}: ratio {theirs / cpu:.1f}")


def file_program(path, out, table="t", fmt="json", more=""):
    cfg = '"config": {"update_format": "raw", "lines": "single"}' if fmt == "json" else '"config": {}'
    return f"""CREATE TABLE {table} ({COLUMNS}) WITH ('connectors' = '[{{"name": "in",
      "transport": {{"name": "file_input", "config": {{"path": "{path}"}}}}, "format": {{"name": "{fmt}", {cfg}}}{more}}}]');
    CREATE VIEW v WITH ('connectors' = '[{{"name": "out", "transport": {{"name": "file_output", "config": {{"path": "{out}"}}}},
      "format": {{"name": "json"}}}}]') AS SELECT *, price * 1.19 AS gross FROM {table};"""


def view():
    """NDJSON file → a view that adds a field → NDJSON file, two threads, against DuckDB"""
    path, out = data("json"), os.path.join(RAM, "out.json")
    program = os.path.join(RAM, "view.sql")
    with open(program, "w") as f:
        f.write(file_program(path, out))
    copy = duck(f"SET threads = 2; COPY (SELECT *, price * 1.19 AS gross FROM read_ndjson('{path}', columns={{id: 'BIGINT', name: 'VARCHAR', "
                f"price: 'DOUBLE', ts: 'TIMESTAMP', tags: 'VARCHAR[]'}})) TO '{out}.duck' (FORMAT json)")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(cost([HEADGATE, "run", program, "--until-complete"]))
        theirs.append(cost(copy))
    with open(out, "rb") as f:
        assert sum(1 for _ in f) == ROWS
    a, b = best(ours), best(theirs)
    say("file → view → file", str(a), f"DuckDB {b}", f"wall ratio {b.wall / a.wall:.2f} (budget 1.5), CPU ratio {b.cpu / a.cpu:.2f}, {ROWS / a.wall / 1e6:.2f} M/s")


def post_file(d, target, path):
    """by sendfile: what a client works for each byte would count as ours otherwise"""
    host, port = d.url[7:].split(":")
    with socket.create_connection((host, int(port))) as s, open(path, "rb") as f:
        s.sendall(f"POST {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {os.path.getsize(path)}\r\n\r\n".encode())
        s.sendfile(f)
        answer = s.recv(4096)
    assert b" 200 " in answer.split(b"\r\n")[0], answer


def ingress():
    """HTTP ingress through the manager against the file path; 1,000 idle connections"""
    path = data("json")
    sink = f"CREATE TABLE t ({COLUMNS});"
    file = sink.replace(");", f""") WITH ('connectors' = '[{{"name": "in", "transport": {{"name": "file_input", "config": {{"path": "{path}"}}}},
      "format": {{"name": "json", "config": {{"update_format": "raw"}}}}}}]');""")
    by_http, by_file = [], []
    with a_daemon() as d:
        for i in range(ROUNDS):
            d.run("h", sink)
            pid = pipeline_pid(d, "h")
            c0, m0, t0 = cpu_s(pid), cpu_s(d.proc.pid), time.monotonic()
            post_file(d, "/v0/pipelines/h/ingress/t?format=json&update_format=raw", path)
            until("all rows are in", lambda: d.stats("h")["global_metrics"]["total_processed_records"] == ROWS, 120, 0.005)
            by_http.append(Cost(time.monotonic() - t0, cpu_s(pid) - c0, rss_mib(pid, "VmHWM")))
            manager = cpu_s(d.proc.pid) - m0
            d.stop_pipeline("h")
            d.create("f", file)
            d.start_pipeline("f", "paused")
            pid = pipeline_pid(d, "f")
            c0, t0 = cpu_s(pid), time.monotonic()
            d.ok("POST", "/v0/pipelines/f/resume")
            until("all rows are in", lambda: d.stats("f")["global_metrics"]["total_processed_records"] == ROWS, 120, 0.005)
            by_file.append(Cost(time.monotonic() - t0, cpu_s(pid) - c0, rss_mib(pid, "VmHWM")))
            d.stop_pipeline("f")
    a, b = best(by_http), best(by_file)
    say("HTTP ingress through the manager", f"{a} (and {manager:.2f} s CPU in the manager)", f"file {b}", f"wall ratio {b.wall / a.wall:.2f} (budget 0.8)")
    with a_daemon() as d:
        d.run("p", sink)
        host, port = d.url[7:].split(":")
        pid = pipeline_pid(d, "p")
        before = rss_mib(d.proc.pid), rss_mib(pid)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        idle = [socket.create_connection((host, int(port))) for _ in range(1000)]
        for s in idle:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        for s in idle:
            assert b"200" in s.recv(4096)
        after = rss_mib(d.proc.pid), rss_mib(pid)
        say("1,000 idle connections", f"manager {after[0] - before[0]:.1f} MiB, pipeline {after[1] - before[1]:.1f} MiB", "budget 12 MiB")
        # the same, each an ingress request that has sent its head and one record and then rests
        for s in idle:
            s.sendall(b"POST /v0/pipelines/p/ingress/t?format=json&update_format=raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"9\r\n{\"id\": 1}\r\n")
        until("the records are in", lambda: d.stats("p")["global_metrics"]["total_input_records"] == 1000, 60)
        after = rss_mib(d.proc.pid), rss_mib(pid)
        say("1,000 ingress requests at rest", f"manager {after[0] - before[0]:.1f} MiB, pipeline {after[1] - before[1]:.1f} MiB")
        for s in idle:
            s.close()


def kafka():
    """Kafka → Kafka, at least once, against a plain librdkafka loop on the same broker"""
    from hg.kafka import Broker, Topic
    broker = Broker()
    try:
        source = Topic(broker.bootstrap)
        with open(data("json")) as f:
            subprocess.run(["kcat", "-b", broker.bootstrap, "-t", source.name, "-P", "-p", "0"], stdin=f, check=True)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            to = Topic(broker.bootstrap)
            v = fields(subprocess.run([tool("kafka_loop"), broker.bootstrap, source.name, to.name, str(ROWS)], capture_output=True, text=True,
                                      check=True).stdout)
            theirs.append(Cost(float(v["wall_s"]), float(v["cpu_s"]), float(v["rss_mib"])))
            to = Topic(broker.bootstrap)
            program = os.path.join(RAM, "kafka.sql")
            with open(program, "w") as f:
                f.write(f"""CREATE TABLE t ({COLUMNS}) WITH ('connectors' = '[{{"name": "in", "transport": {{"name": "kafka_input", "config": {{
                    "topic": "{source.name}", "bootstrap.servers": "{broker.bootstrap}", "start_from": "earliest", "enable.partition.eof": "true"}}}},
                    "format": {{"name": "json", "config": {{"update_format": "raw"}}}}}}]');
                    CREATE VIEW v WITH ('connectors' = '[{{"name": "out", "transport": {{"name": "kafka_output", "config": {{
                    "topic": "{to.name}", "bootstrap.servers": "{broker.bootstrap}"}}}}, "format": {{"name": "json", "config": {{
                    "buffer_size_records": 1}}}}}}]') AS SELECT * FROM t;""")
            ours.append(cost([HEADGATE, "run", program, "--until-complete"]))
        a, b = best(ours), best(theirs)
        say("Kafka → Kafka", str(a), f"plain loop {b}", f"wall ratio {b.wall / a.wall:.2f} (budget 0.9), CPU ratio {b.cpu / a.cpu:.2f}")
    finally:
        broker.close()


def postgres():
    """A table of a PostgreSQL server → columns → dropped, and → another table with a primary key, against psql's \\copy"""
    from hg.postgres import Server
    pg = Server()
    columns = "id bigint PRIMARY KEY, name text, price float8, ts timestamp, tags text[]"
    fill = f"SELECT g, 'name ' || g, g * 0.25, timestamp '2024-01-01' + g * interval '1 s', ARRAY['a', 'tag' || g % 100] FROM generate_series(1, {ROWS}) g"
    psql = f"{pg.bin}/psql -XqAt -v ON_ERROR_STOP=1 {pg.uri()}"
    source = {"name": "in", "transport": {"name": "postgres_input", "config": {"uri": pg.uri(), "query": "SELECT * FROM src"}}}
    sinks = {"read": {"name": "out", "transport": {"name": "null_output"}},
             "write": {"name": "out", "index": "i", "transport": {"name": "postgres_output", "config": {"uri": pg.uri(), "table": "dst"}}}}
    copies = {"read": f"{psql} -c '\\copy src TO /dev/null WITH (FORMAT binary)'",
              "write": f"{psql} -c '\\copy src TO STDOUT WITH (FORMAT binary)' | {psql} -c '\\copy dst FROM STDIN WITH (FORMAT binary)'"}
    try:
        pg.sql(f"CREATE TABLE src ({columns}); INSERT INTO src {fill}; ANALYZE src; CREATE TABLE dst ({columns})")
        for what, sink in sinks.items():
            program = os.path.join(RAM, f"postgres_{what}.sql")
            with open(program, "w") as f:
                f.write(f"CREATE TABLE t ({COLUMNS}) WITH ('connectors' = '{json.dumps([source])}');\n"
                        f"CREATE VIEW v WITH ('connectors' = '{json.dumps([sink])}') AS SELECT * FROM t;\nCREATE INDEX i ON v(id);")
            ours, theirs = [], []
            for _ in range(ROUNDS):
                for argv, to in (([HEADGATE, "run", program, "--until-complete"], ours), (["sh", "-c", copies[what]], theirs)):
                    pg.sql("TRUNCATE dst; CHECKPOINT")
                    to.append(cost(argv))
                    assert what == "read" or pg.one("SELECT count(*) FROM dst") == str(ROWS)
            a, b = best(ours), best(theirs)
            say(f"PostgreSQL, {what}", f"{ROWS / a.wall / 1e6:.2f} M rows/s, {a}", f"\\copy {ROWS / b.wall / 1e6:.2f} M rows/s, {b}",
                f"wall ratio {b.wall / a.wall:.2f}")
    finally:
        pg.close()


def s3():
    """16 objects of an S3 server (a small one in Python) → columns → dropped, and → blobs → dropped, against curl to /dev/null"""
    from hg import s3
    path, pieces = data("json"), 16
    size = os.path.getsize(path) / 1e6
    # a process of its own: what it holds must not count as the memory of its brothers
    serve = f"""import threading; from hg import s3; s = s3.Server(); lines = open({path!r}, "rb").readlines()
for i in range({pieces}): s.add(f"p/{{i:02d}}", b"".join(lines[i * len(lines) // {pieces}:(i + 1) * len(lines) // {pieces}]))
del lines; print(s.url, flush=True); threading.Event().wait()"""
    server = subprocess.Popen([sys.executable, "-c", serve], stdout=subprocess.PIPE, text=True)
    url = server.stdout.readline().strip()
    config = {"region": s3.REGION, "bucket_name": "bucket", "prefix": "p/", "endpoint_url": url, "aws_access_key_id": s3.KEY_ID,
              "aws_secret_access_key": s3.SECRET}
    curl = ["curl", "-sSf", "--no-progress-meter", "-Z", "--parallel-max", "8", "--aws-sigv4", f"aws:amz:{s3.REGION}:s3", "-u", f"{s3.KEY_ID}:{s3.SECRET}",
            "-H", f"x-amz-content-sha256: {hashlib.sha256(b'').hexdigest()}"]
    for i in range(pieces):
        curl += ["-o", "/dev/null", f"{url}/bucket/p/{i:02d}"]
    try:
        for what, columns, fmt in (("columns", COLUMNS, {"name": "json", "config": {"update_format": "raw", "lines": "single"}}), ("blobs", "b VARBINARY", {"name": "raw", "config": {"mode": "blob"}})):
            source = {"name": "in", "transport": {"name": "s3_input", "config": config}, "format": fmt}
            program = os.path.join(RAM, f"s3_{what}.sql")
            with open(program, "w") as f:
                f.write(f"CREATE TABLE t ({columns}) WITH ('connectors' = '{json.dumps([source])}');\n")
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(cost([HEADGATE, "run", program, "--until-complete"]))
                theirs.append(cost(curl))
            a, b = best(ours), best(theirs)
            say(f"S3 → {what}", f"{size / a.wall:.0f} MB/s, {a}", f"curl {size / b.wall:.0f} MB/s, {b}", f"wall ratio {b.wall / a.wall:.2f}")
    finally:
        server.kill()
        server.wait()


MAKE_PARQUET = """
import json, sys, pyarrow as pa, pyarrow.parquet as pq
rows = [json.loads(line) for line in open(sys.argv[1])]
ts = pa.array([r["ts"] for r in rows]).cast(pa.timestamp("us"))
pq.write_table(pa.table({"id": [r["id"] for r in rows], "name": [r["name"] for r in rows], "price": [float(r["price"]) for r in rows], "ts": ts,
                         "tags": [r["tags"] for r in rows]}), sys.argv[2], row_group_size=100_000)
"""
READ_PARQUET = """
import sys, pyarrow as pa, pyarrow.parquet as pq
f = pq.ParquetFile(sys.argv[1])
print(sum(b.num_rows for b in f.iter_batches(batch_size=8192, use_threads=True)))
"""


def parquet():
    """Parquet file → columns → dropped, two threads, against pyarrow reading the same batches"""
    python, path, program = str(CACHE / "venv" / "bin" / "python"), os.path.join(RAM, "in.parquet"), os.path.join(RAM, "parquet.sql")
    subprocess.run([python, "-c", MAKE_PARQUET, data("json"), path], check=True)
    source = {"name": "in", "transport": {"name": "file_input", "config": {"path": path}}, "format": {"name": "parquet"}}
    with open(program, "w") as f:
        f.write(f"CREATE TABLE t ({COLUMNS}) WITH ('connectors' = '{json.dumps([source])}');\n")
    ours, theirs, empty = [], [], []
    for _ in range(ROUNDS):
        ours.append(cost([HEADGATE, "run", program, "--until-complete"]))
        theirs.append(cost([python, "-c", READ_PARQUET, path]))
        empty.append(cost([python, "-c", "import pyarrow.parquet"]))
    a, b, start = best(ours), best(theirs), best(empty)
    read = Cost(b.wall - start.wall, b.cpu - start.cpu, b.rss)
    say("Parquet → columns", f"{ROWS / a.wall / 1e6:.2f} M/s, {a}", f"pyarrow without its start {ROWS / read.wall / 1e6:.2f} M/s, {read}",
        f"wall ratio {read.wall / a.wall:.2f}, CPU ratio {read.cpu / a.cpu:.2f}")


def upsert():
    """random upserts into a keyed table, the circuit alone"""
    for line in subprocess.run([tool("upsert"), UPSERTS], capture_output=True, text=True, check=True).stdout.splitlines():
        v = fields(line[line.index("rows"):])
        say(f"{line.split()[0]} of {int(v['rows']):,} rows", f"{v['mrec_per_cpu_s']} M rows per CPU-second", f"{v['store_bytes_per_row']} bytes a row in the "
            f"store, {v['rss_mib']} MiB resident", f"CPU of a step of 10,000 rows (median/p99/longest) {v['step_ms']} ms, of merging after it {v['merge_ms']} ms",
            f"longest pause {v['pause_ms']} ms")


def state():
    """checkpoints of a keyed table, restoring it, and upserts while a checkpoint of 2 GiB is being written"""
    for line in subprocess.run([tool("state"), UPSERTS], capture_output=True, text=True, check=True).stdout.splitlines():
        what, *rest = line.split(" ", 1)
        say(what.replace("_", " "), *rest)


def journal():
    """file → view → file with a journal of every step, against none: what fault tolerance costs at full speed"""
    path, out = data("json"), os.path.join(RAM, "journal.json")
    times = {"none": [], "at_least_once": [], "exactly_once": [], "payload": []}
    logs = {}
    with a_daemon() as d:
        for model in times:
            kept = ', "journal": "payload"' if model == "payload" else ""
            d.create(model, file_program(path, f"{out}.{model}", more=kept),
                     {"fault_tolerance": {"model": "exactly_once" if kept else model, "checkpoint_interval_secs": None}})
        for i in range(ROUNDS):
            for model in times:
                d.start_pipeline(model, "paused")
                pid = pipeline_pid(d, model)
                c0, t0 = cpu_s(pid), time.monotonic()
                d.ok("POST", f"/v0/pipelines/{model}/resume")
                d.wait_complete(model)
                times[model].append(Cost(time.monotonic() - t0, cpu_s(pid) - c0, rss_mib(pid, "VmHWM")))
                logs[model] = sum(os.path.getsize(f) for f in glob.glob(os.path.join(d.data_dir, "**", "journal-*"), recursive=True))
                d.stop_pipeline(model)
                d.ok("POST", f"/v0/pipelines/{model}/clear")
                until("the storage is cleared", lambda: d.get(f"/v0/pipelines/{model}").json()["storage_status"] == "Cleared")
    none, least, exactly, payload = (best(times[m]) for m in times)
    say("without", str(none), f"{ROWS / none.wall / 1e6:.2f} M/s")
    say("at_least_once", str(least), f"wall ratio {none.wall / least.wall:.2f}, CPU ratio {none.cpu / least.cpu:.2f}")
    say("exactly_once", str(exactly), f"wall ratio {none.wall / exactly.wall:.2f}, CPU ratio {none.cpu / exactly.cpu:.2f}, "
        f"journal {logs['exactly_once'] / os.path.getsize(path) * 262144:.0f} bytes per 256 KiB")
    say("exactly_once, payload", str(payload), f"wall ratio {none.wall / payload.wall:.2f}, CPU ratio {none.cpu / payload.cpu:.2f}, "
        f"journal {logs['payload'] / os.path.getsize(path):.2f} of what was read")


def idle():
    """resident memory of a daemon and of a pipeline that do nothing"""
    with a_daemon() as d:
        until("it answers", lambda: d.get("/healthz").status_code == 200)
        empty = rss_mib(d.proc.pid)
        d.run("p", "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR) WITH ('materialized' = 'true'); CREATE MATERIALIZED VIEW v AS SELECT * FROM t;")
        pid = pipeline_pid(d, "p")
        d.stats("p")
        say("idle memory", f"manager {empty:.1f} MiB, with a pipeline {rss_mib(d.proc.pid):.1f} MiB (budget 16)", f"pipeline {rss_mib(pid):.1f} MiB (budget 12)")
        time.sleep(2) # idle means idle: what it costs to do nothing for a while
        c0 = cpu_s(pid), cpu_s(d.proc.pid)
        time.sleep(5)
        say("idle CPU in 5 s", f"manager {cpu_s(d.proc.pid) - c0[1]:.2f} s", f"pipeline {cpu_s(pid) - c0[0]:.2f} s")


def pause():
    """API pause of a pipeline and of a connector until the last record"""
    program = """CREATE TABLE t (id BIGINT NOT NULL, v VARCHAR) WITH ('connectors' = '[{"name": "g", "transport": {"name": "datagen", "config":
      {"plan": [{}]}}}]');"""
    pipe, conn, visible = [], [], []
    with a_daemon() as d:
        d.run("p", program)

        def count():
            return d.stats("p")["global_metrics"]["total_input_records"]

        def last_change():
            """after the answer to a pause: how long until the count stands still for 300 ms"""
            t0 = time.monotonic()
            seen, at = count(), t0
            while time.monotonic() - at < 0.3:
                n = count()
                if n != seen:
                    seen, at = n, time.monotonic()
            return at - t0
        for _ in range(10):
            n = count()
            until("it runs", lambda: count() > n)
            t0 = time.monotonic()
            d.ok("POST", "/v0/pipelines/p/tables/t/connectors/g/pause")
            answered = time.monotonic() - t0
            visible.append(d.input("p", "t.g")["paused"])
            conn.append(answered + last_change())
            d.ok("POST", "/v0/pipelines/p/tables/t/connectors/g/start")
            until("it runs", lambda: count() > n)
            t0 = time.monotonic()
            d.ok("POST", "/v0/pipelines/p/pause")
            answered = time.monotonic() - t0
            pipe.append(answered + last_change())
            d.ok("POST", "/v0/pipelines/p/resume")
            d.wait_status("p", "Running")
    say("pause of a connector → last record", f"median {quantile(conn, .5) * 1e3:.0f} ms, worst {max(conn) * 1e3:.0f} ms",
        f"first poll says paused {sum(visible)} of {len(visible)} times", "budget 100 ms")
    say("pause of a pipeline → last record", f"median {quantile(pipe, .5) * 1e3:.0f} ms, worst {max(pipe) * 1e3:.0f} ms", "budget 100 ms")


def many_program(n, tables=50):
    """n connectors: on every table half carry a label, the other half wait for it"""
    text = []
    for t in range(tables):
        c = []
        for i in range(n // tables):
            order = {"labels": [f"l{t}.{i // 2}"]} if i % 2 == 0 else {"start_after": f"l{t}.{i // 2}"}
            c.append({"name": f"c{i}", **order, "transport": {"name": "datagen", "config": {"plan": [{"limit": 2}]}}})
        text.append(f"CREATE TABLE t{t} (id BIGINT NOT NULL) WITH ('connectors' = '{json.dumps(c)}');")
    return "\n".join(text)


def one_by_one(pairs=500, gap_ms=20):
    """1,000 connectors, hand-overs one after the other: from the end of a carrier (its last record stepped) to the end of the one that waited for it,
    which brings one record. The times are the orchestrator's."""
    c = []
    for i in range(pairs):
        c.append({"name": f"hist{i}", "labels": [f"l{i}"], "transport": {"name": "datagen", "config": {
            "plan": [{"limit": 2 + i * gap_ms // 10, "rate": 100}]}}})
        c.append({"name": f"live{i}", "start_after": f"l{i}", "transport": {"name": "datagen", "config": {"plan": [{"limit": 1}]}}})
    with a_daemon() as d:
        d.run("m", f"CREATE TABLE t (id BIGINT NOT NULL) WITH ('connectors' = '{json.dumps(c)}');")
        # a look now and then: rendering what 1,000 connectors have to say takes the time of what is measured
        until("all input has ended", lambda: d.stats("m")["global_metrics"]["pipeline_complete"], 120, 0.5)
        ended = {c["name"]: datetime.datetime.fromisoformat(c["since"].rstrip("Z"))
                 for c in d.ok("GET", "/v0/pipelines/m/orchestration").json()["connectors"] if c["reason"] == "ended"}
    took = [(ended[f"t.live{i}"] - ended[f"t.hist{i}"]).total_seconds() * 1e3 for i in range(pairs)]
    assert len(ended) == 2 * pairs and min(took) > 0
    say("1,000 connectors, end of input → the waiting one's first record", f"median {quantile(took, .5):.2f} ms, p99 {quantile(took, .99):.2f} ms, "
        f"longest {max(took):.2f} ms of {pairs}", "budget 2 ms")


def handover():
    """end_of_input → the waiting connector's start, 1,000 connectors; then 10,000 connectors: start, stats, memory"""
    one_by_one()
    for n in (1000, 10000):
        with a_daemon() as d:
            t0 = time.monotonic()
            d.create("m", many_program(n))
            compiled = time.monotonic() - t0
            t0 = time.monotonic()
            d.start_pipeline("m", "paused")
            started = time.monotonic() - t0
            pid = pipeline_pid(d, "m")
            t0 = time.monotonic()
            d.ok("POST", "/v0/pipelines/m/resume")
            until("all input has ended", lambda: d.stats("m")["global_metrics"]["pipeline_complete"], 300, 0.01)
            complete = time.monotonic() - t0
            assert d.stats("m")["global_metrics"]["total_processed_records"] == 2 * n
            stats = []
            for _ in range(20):
                t0 = time.monotonic()
                d.get("/v0/pipelines/m/stats").content
                stats.append(time.monotonic() - t0)
            say(f"{n:,} connectors, half wait for the other half", f"compile {compiled:.2f} s, start paused {started:.2f} s, resume → complete {complete:.2f} s "
                f"({complete / n * 2e6:.0f} µs per hand-over, wall)", f"stats median {quantile(stats, .5) * 1e3:.0f} ms, p99 {max(stats) * 1e3:.0f} ms (budget 100)",
                f"pipeline {rss_mib(pid):.0f} MiB, {cpu_s(pid):.2f} s CPU")
    if os.path.exists(tool("handover")):
        print(subprocess.run([tool("handover")], capture_output=True, text=True, check=True).stdout, end="")


def kafka_many():
    """10,000 connectors of which 500 read Kafka from a mock broker: start, order, stats"""
    import kafka_many as bench
    bench.run(a_daemon, pipeline_pid, rss_mib, cpu_s, quantile, say)


def iggy():
    """the connectors runtime: source → topic, topic → transform → ingest endpoint; beside Apache Iggy's where its binary is given"""
    import iggy as bench
    bench.run(say)


def bootstrap():
    """a new view over 5 M stored rows: start → computed and stored, alone and beside steps, and the longest stand-still of 2 M rows that come meanwhile"""
    import bootstrap as changed
    changed.bench(a_daemon, RAM, say)


ALL = [start, formats, avro, view, ingress, kafka, postgres, s3, parquet, upsert, state, journal, bootstrap, idle, pause, handover, kafka_many, iggy]


def main(names):
    by_name = {f.__name__: f for f in ALL}
    if names == ["--list"]:
        for f in ALL:
            print(f"{f.__name__:10} {f.__doc__}")
        return
    for n in names:
        if n not in by_name:
            sys.exit(f"bench: no benchmark is called '{n}'; there are: {', '.join(by_name)}")
    try:
        for f in ([by_name[n] for n in names] or ALL):
            print(f"\n{f.__name__}: {f.__doc__} (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)\n")
            f()
    finally:
        shutil.rmtree(RAM, ignore_errors=True)


main(sys.argv[1:])
