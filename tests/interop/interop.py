"""interop.py: Feldera's fda and ours, row by row, against the same daemon (./dev interop).

Each row is a command. Both clients run it against a daemon and pipelines of their own that were brought to the same state, and what they
print, where they print it and how they end is compared, but for what differs from run to run (times, UUIDs, keys, counters). A row is

    same          standard output, standard error and exit code are equal
    words         output and exit code are equal; what is said on standard error has other words (shown with -v)
    different     (shown)
    known         different, and meant to be: KNOWN says why, docs/feldera.md tells users
    unsupported   headgate does not offer it, and says so to both

Every command and option that the real client's help has must be in a row; one that is in none fails the run. A row that begins with ! is done by this
script, on both sides: `!METHOD PATH`, a request to the daemon.

The real client is taken from $FDA, else from .cache/fda, where `./dev interop` has cargo install it."""
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile

from hg import FDA, s3
from hg.daemon import Daemon

PROGRAM = """CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR) WITH ('materialized' = 'true', 'connectors' = '[
  {"name": "g", "transport": {"name": "datagen", "config": {"plan": [{"limit": 3, "fields": {"v": {"values": ["a"]}}}]}}}]');
CREATE MATERIALIZED VIEW v WITH ('connectors' = '[{"name": "o", "transport": {"name": "null_output"}}]') AS SELECT id, v FROM t;
"""
# One line a command; they follow one another on the same daemon. {dir}: a folder with good.sql, bad.sql, more.sql. `< FILE`: its standard input.
# Before the first, both have a pipeline s, whose checkpoints go to a bucket of S3.
ROWS = """
pipelines
create p {dir}/good.sql
create p {dir}/good.sql
create p2 {dir}/good.sql dev --tag a --tag b|00ff00
create bad {dir}/bad.sql
create none {dir}/missing.sql
create q --stdin < {dir}/good.sql
create u {dir}/good.sql --udf-rs {dir}/more.sql --udf-toml {dir}/more.sql
program get u --udf-rs --udf-toml
delete q
delete u
pipelines
copy p2 p3
clone p2 p3
tags p3
set-tags p3 b,c
set-tags p3
program get p
program get p --udf-rs
program status p
program status bad
program errors p
program errors bad
program config p
program set-config p -p dev
program config p
program set p {dir}/more.sql
program set p {dir}/good.sql
program set p --stdin < {dir}/good.sql
program set p {dir}/missing.sql
program set-config p -r v0.1.0
program set-config p -p optimized
config p
set-config p workers 4
set-config p fault_tolerance exactly_once
set-config p fault_tolerance true
set-config p fault_tolerance false
set-config p fault_tolerance none
set-config p checkpoint_interval 5
set-config p dev_tweaks {{"a":1}}
set-config p logging debug
set-config p storage false
set-config p storage true
set-config p nothing 1
set-config p workers many
start bad
start none
start p -i paused -r
status p
start p -i paused
start p -i standby
resume p
pause p
resume p
pause p -n
resume p -n
connector p t g stats
connector p t g pause
connector p t g start
connector p v o pause
connector p v o start
connector p v o stats
connector p t none pause
connector p none g pause
completion-token p t g
completion-token p t none
completion-status p abc
completion-status p
logs none -w
events p none
query p SELECT * FROM v ORDER BY id
query p --stdin < {dir}/query.sql
--format json query p --stdin < {dir}/query.sql
query p SELECT COUNT(*) AS n FROM t
query p INSERT INTO t VALUES (100, 'x')
query p SELEC
query p SELECT * FROM nothing
--format json query p SELECT * FROM v ORDER BY id
--format hash query p SELECT * FROM v ORDER BY id
--format arrow_ipc query p SELECT * FROM v ORDER BY id
--format arrow_ipc query p SELECT REPEAT('x', 100) AS x, id / 0 AS y FROM t
--format arrow_ipc query p SELECT REPEAT('x', 100) AS x, ARRAY[id, NULL] AS y FROM t ORDER BY id
--format parquet query p SELECT * FROM v ORDER BY id
--format parquet query p SELECT * FROM nothing
query p EXPLAIN SELECT id FROM v
query none SELECT 1
stats none
metrics p
--format prometheus metrics none
logs none
checkpoint p
start-transaction p
start-transaction p
commit-transaction p -t 77
commit-transaction p
commit-transaction p
checkpoint p -n
start-compaction p
rebalance p
clock-advance p
heap-profile p -o {dir}/heap.pb.gz
heap-profile p -o {dir}/no/such/folder
heap-profile p -o {dir}/heap.pb.gz -p false
heap-profile p -p true
heap-profile p --pprof false
heap-profile p -p {dir}/missing
events none
event p latest
event p none
validate-program {dir}/good.sql
validate-program {dir}/bad.sql
validate-program --ir --stdin < {dir}/good.sql
validate-program
diff p {dir}/more.sql
diff p --stdin < {dir}/more.sql
diff p {dir}/bad.sql
diff p --runtime-version v0.1.0
diff none
update-runtime p
dismiss-error p
delete p
clear p
stop p
update-runtime p
restart p
restart p -i paused -c
stop p -c -n
stop p -c
start p --no-dismiss-error -b allow
approve p
stop p
delete p
delete -f p
delete p
apikey list
apikey create k
apikey create k
apikey create w --role write
apikey create a --role admin
apikey delete k
apikey delete k
tenant list
tenant get default
tenant get other
tenant create default
tenant create x
tenant rename 00000000-0000-7000-8000-000000000001 x
tenant delete 00000000-0000-7000-8000-000000000001
member list
member add s --role read
member set-role 00000000-0000-7000-8000-000000000001 write
member remove 00000000-0000-7000-8000-000000000001
oidc-trust list
oidc-trust create a --issuer b --subject c
oidc-trust delete a
cluster config
cluster health
cluster events
cluster event latest
cluster event latest all
circuit-profile p2
circuit-profile p2 -o {dir}/circuit.zip
circuit-profile none
heap-profile p2 -o {dir}/heap2.pb.gz
heap-profile none -o {dir}/heap2.pb.gz
support-bundle p2 -o {dir}/bundle.zip
support-bundle p2 -o {dir}/small.zip --no-logs --no-metrics -n 1
support-bundle p2 -o {dir}/small.zip -n 0
support-bundle p2 -o {dir}/none.zip --no-collect
support-bundle p2 -o {dir}/bare.zip --no-circuit-profile --no-heap-profile --no-stats --no-pipeline-config --no-system-config --no-dataflow-graph --no-pipeline-events
shell none
bench p2 -d 1
debug metrics {dir}/missing
debug metrics {dir}/metrics
debug msgp-cat {dir}/missing
debug msgp-cat {dir}/values
debug unbundle {dir}/bundle.zip --dry-run
debug unbundle {dir}/bundle.zip
debug unbundle {dir}/bundle.zip --force
debug unbundle {dir}/missing
checkpoint s
start s -i standby -n
start s -i standby
status s
pipelines
stats s
metrics s
logs s
pause s
resume s -n
checkpoint s
checkpoint s -n
query s SELECT 1
connector s t g stats
connector s t g pause
completion-token s t g
start-transaction s
heap-profile s -o {dir}/standby.pb.gz
circuit-profile s
support-bundle s -o {dir}/standby.zip
config s
delete s
clear s
restart s -i standby
stop s
start s
checkpoint s
!POST /v0/pipelines/s/checkpoint/sync
stop s
start s -i standby
!until "Standby"
!POST /v0/pipelines/s/activate
!until "Running"
status s
query s SELECT COUNT(*) AS n FROM t
stop s
start s --initial sideways
start s -b perhaps
start s --silent-bootstrap --concurrent-bootstrap
start s --recompile --bootstrap-policy allow --silent-bootstrap
restart s --recompile --checkpoint --bootstrap-policy allow --silent-bootstrap --no-dismiss-error
restart s --concurrent-bootstrap --no-wait
!until "Running"
stop s -c
program set s {dir}/more.sql
start s -b reject
dismiss-error s
start s
approve s --concurrent-bootstrap
approve s --silent-bootstrap
!until "Running"
stop s
clear s -n
clear s
set-config s storage true
delete s
create o {dir}/good.sql --runtime-version v0.1.0
create o {dir}/good.sql --use-platform-compiler
create o2 {dir}/good.sql unoptimized
create o3 {dir}/good.sql optimized_symbols
create o4 {dir}/good.sql fastest
program set-config o3 -p optimized_symbols
create o5
create o6 -t {dir}/more.sql
program get o5 -u
program get o5 -t
program set o5 {dir}/good.sql -u {dir}/more.sql -t {dir}/more.sql
program set-config o5 --use-platform-compiler
program cfg o5
program set-cfg o5 -p unoptimized
cfg o5
set-cfg o5 storage false
set-config o5 cpu_profiler true
set-config o5 tracing true
set-config o5 tracing_endpoint_jaeger 127.0.0.1:6831
set-config o5 min_batch_size_records 10
set-config o5 max_buffering_delay_usecs 10
set-config o5 cpu_cores_min 1
set-config o5 cpu_cores_max 2
set-config o5 memory_mb_min 100
set-config o5 memory_mb_max 2000
set-config o5 storage_mb_max 2000
set-config o5 storage_class fast
set-config o5 min_storage_bytes 1000
set-config o5 storage true
set-config o5 min_storage_bytes 1000
set-config o5 clock_resolution_usecs 1000000
set-config o5 http_workers 2
set-config o5 io_workers 2
config o5
diff o5 {dir}/more.sql --stdin
validate-program {dir}/good.sql --runtime-version v0.1.0
logs p --watch < {dir}/query.sql
bench o2 -d 1 --no-recompile --no-transaction
start o2
statistics none
log none
exec o2 SELECT id FROM v ORDER BY id
generate-token o2 t none
generate-completion-token o2 t none
check-token o2 abc
check-completion-token o2 abc
transaction-start o2
transaction-commit o2 --no-wait
commit-transaction o2 --no-wait
commit o2 --tid 5
clock-advance o2 --delta-ms 10
clock-set o2
set-clock o2 --delta-ms x
connector o2 t g status
connector o2 t g stop
connector o2 t g start
events o2
events o2 all
event o2 latest all
shell o2 < {dir}/query.sql
shutdown o2
shell o2 --start -i paused -b allow --silent-bootstrap --no-dismiss-error < {dir}/query.sql
stop o2
shell o2 --start --concurrent-bootstrap < {dir}/query.sql
stop o2
del o2
apikey create d
apikey del d
oidc-trust create a --issuer b --subject c --audience d --description e --role admin
oidc-trust del a
tenant rename 00000000-0000-7000-8000-000000000001 x --displace-existing
tenant rename me x
tenant del 00000000-0000-7000-8000-000000000001
member add s --role read --email a@b.example
member add s
member rm 00000000-0000-7000-8000-000000000001
cluster
cluster event none
nothing
--format nothing pipelines
--format parquet pipelines
--auth apikey:none pipelines
--auth none pipelines
--oidc-token-file {dir}/query.sql pipelines
--oidc-token-file {dir}/missing pipelines
--oidc-token-file {dir}/missing --auth apikey:none pipelines
--insecure tags p2
--tls-cert {dir}/missing tags p2
--tls-cert {dir}/query.sql tags p2
--tls-cert {dir}/missing --insecure tags p2
--timeout 10 tags p2
--timeout x tags p2
--retries 1 tags p2
--retries x tags p2
--tenant default tags p2
--tenant other tags p2
--host http://127.0.0.1:1 tags p2
--host nowhere tags p2
"""
# Rows that print a table or an object are run in both formats.
BOTH = re.compile(r"(pipelines|status|tags|set-tags|program (status|errors|config|set-config|set)|config|set-config|create|copy|connector \S+ \S+ \S+ stats|completion-\w+|"
                  r"start-transaction|commit-transaction|events?|apikey|tenant|member|oidc-trust|cluster)\b")

# Rows whose outcomes are different on purpose.
KNOWN = {
    "query p SELEC": "a refused query goes to standard error",
    "query p SELECT * FROM nothing": "a refused query goes to standard error",
    **dict.fromkeys(("config s", "set-config s storage true"), "Feldera's fills in the defaults of sync"),
    "start s": "other words for a pipeline that waits for its approval, and null for what there is not",
    "set-config o5 min_storage_bytes 1000": "Feldera's leaves it out, and says that it did it, where storage is off",
    "--oidc-token-file {dir}/missing pipelines": "Feldera's reads it only where the host is asked over TLS",
    **dict.fromkeys((r for r in ROWS.splitlines() if r.startswith("shell ") and "<" in r), "Feldera's ends at once without a terminal"),
}
# What the real client's help has and no row can show.
NOT_SHOWN = {"--help", "--version"}


def plain(v):
    """JSON without members that are null (the real client leaves some of them in), and without what the real client makes of the connectors
    in program_info, of sync and of checkpoints: it fills in every default that it knows and leaves out what it does not know, ours shows what the daemon
    says. To compile a program anew the real one takes white space off both its ends, ours one blank."""
    if isinstance(v, dict):
        if "program_code" in v:
            v = {**v, "program_code": v["program_code"].strip()}
        return {k: "…" if k in ("program_info", "sync", "checkpoints") else plain(x) for k, x in v.items() if x is not None and k != "dataflow"}
    return [plain(x) for x in v] if isinstance(v, list) else v


def loose(text):
    """What differs from run to run, and says nothing about the client."""
    try:
        text = json.dumps(plain(json.loads(text)), indent=2, sort_keys=True)
    except ValueError:
        pass
    text = re.sub(r"apikey:[A-Za-z0-9]{128}", "KEY", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00| UTC)?", "TIME", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d+Z", "TIME", text)  # in a name
    text = re.sub(r"^[|+─ -]+$", "RULE", text, flags=re.M)  # between rows, as wide as their numbers
    text = re.sub(r"\(-?\d+s ago\)", "(Ns ago)", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
    text = re.sub(r'("(?:refresh_version|processing_latency_p99_micros|total_processed_steps|token)": )("[^"]*"|\d+)', r"\1…", text)
    text = re.sub(r"(total_processed_steps|processing_latency_p99_micros)( *\|) *\d+ *", r"\1\2 … ", text)
    text = re.sub(r"^eyJ\S+$", "TOKEN", text)
    text = re.sub(r"^(│ (?:Throughput|Memory|Storage|Uptime|State)[^│]*).*$", r"\1│ …", text, flags=re.M)  # of bench
    return "\n".join(re.sub(r"[ ─-]{2,}", "  ", line).rstrip() for line in text.splitlines())


class Side:
    def __init__(self, client, folder):
        self.client, self.folder, self.daemon, self.bucket = client, folder, Daemon(), s3.Server()
        sync = {"bucket": "bucket/s", "endpoint": self.bucket.url, "region": s3.REGION, "access_key": s3.KEY_ID, "secret_key": s3.SECRET, "pull_interval": 1}
        self.daemon.create("s", PROGRAM, {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None},
                                          "storage": {"backend": {"name": "file", "config": {"sync": sync}}}})
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("FELDERA_")}
        self.env.update(FELDERA_HOST=self.daemon.url, FELDERA_RETRIES="0", NO_COLOR="1")

    def close(self):
        self.daemon.close()
        self.bucket.close()

    def do(self, what, arg):
        """A row of this script's own."""
        if what == "until":
            self.daemon.wait_status("s", json.loads(arg))
            return 0, "", ""
        r = self.daemon.request(what, arg)
        return r.status_code, r.text, ""

    def run(self, args):
        if args[0].startswith("!"):
            return self.do(args[0][1:], args[1])
        args = [a.format(dir=self.folder) for a in args]
        given = b""
        if "<" in args[:-1]:
            args, (_, name) = args[:-2], args[-2:]
            with open(name, "rb") as f:
                given = f.read()
        try:
            r = subprocess.run([self.client, *args], env=self.env, input=given, capture_output=True, timeout=60, cwd=self.folder)
        except subprocess.TimeoutExpired:
            return None, "", "did not end within 60 s"
        return r.returncode, *(t.decode(errors="replace").replace(self.folder, "DIR") for t in (r.stdout, r.stderr))


def words(row):
    """The arguments of a row: an SQL text is one of them."""
    m = re.match(r"(.*\bquery \S+) ([^-].*)$", row)
    return [*m.group(1).split(), m.group(2)] if m else row.split()


def outcome(real, ours):
    if "not offered by this version" in real[2]:
        return "unsupported"
    if real[0] != ours[0] or loose(real[1]) != loose(ours[1]):
        return "different"
    return "same" if loose(real[2]) == loose(ours[2]) else "words"


def commands(client, path=()):
    """The commands that have none below them: (path, [{"-o", "--output"}, …]), of the client's help."""
    text = subprocess.run([client, *path, "-h"], capture_output=True, text=True, check=True).stdout
    part = {m[1]: m[2] for m in re.finditer(r"^([A-Z][a-z ]+):\n((?:(?: .*)?\n)+)", text + "\n", re.M)}
    below = [c for c in re.findall(r"^  ([a-z][a-z-]*)", part.get("Commands", ""), re.M) if c != "help"]
    options = [{o for o in m if o} for m in re.findall(r"^ +(-\w)?,? *(--[a-z][a-z-]*)", part.get("Options", "") + part.get("Global Options", "") * (not path), re.M)]
    if not below or not path:
        yield path, [o for o in options if not o & NOT_SHOWN]
    for c in below:
        yield from commands(client, (*path, c))


def without_a_row(client):
    """Commands and options of which no row has any."""
    rows = [r.split() for r in ROWS.splitlines()]
    for path, options in commands(client):
        mine = [r for r in rows if tuple(r[:len(path)]) == path]
        if path and path[0] == "connector":  # its own commands are behind its arguments
            mine = [r for r in rows if r[:1] == ["connector"]]
        if not mine:
            yield " ".join(path)
        yield from (f"{' '.join(path)} {max(o, key=len)}" for o in options if mine and not any(o & set(r) for r in mine))


def shown(real, ours):
    """The lines that differ, Feldera's with -, ours with +."""
    yield f"    exit {real[0]} / {ours[0]}"
    for name, a, b in (("stdout", real[1], ours[1]), ("stderr", real[2], ours[2])):
        lines = difflib.unified_diff(loose(a).splitlines(), loose(b).splitlines(), lineterm="", n=0)
        yield from (f"    {name} {line[:160]}" for line in lines if line[:3] not in ("---", "+++") and line[:2] != "@@")


def main():
    real = os.environ.get("FDA") or sys.exit("interop: FDA does not name Feldera's client")
    missing = list(without_a_row(real))
    for m in missing:
        print(f"{'no row':12} {m}")
    count = {"no row": len(missing)} if missing else {}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        for folder in (one, two):
            for name, text in (("good", PROGRAM), ("bad", "CREATE TABLE t (a INTT);"), ("more", PROGRAM + "CREATE VIEW w AS SELECT id FROM t;"),
                               ("query", "SELECT id FROM v WHERE id < 2 ORDER BY id")):
                with open(os.path.join(folder, name + ".sql"), "w") as f:
                    f.write(text)
            with open(os.path.join(folder, "values"), "wb") as f:
                f.write(bytes.fromhex("83a16101a16293c0c3cb3ff8000000000000a163c4020 1ffd1fffbd605010203 04ca3dcccccd90".replace(" ", "")))
            with open(os.path.join(folder, "metrics"), "w") as f:
                f.write('# TYPE a counter\na{pipeline="1",endpoint="t.c"} 2\nb{pipeline="1",endpoint="t.c"} 0.5\na{pipeline="1"} 3\n')
        sides = Side(real, one), Side(str(FDA), two)
        try:
            for row in filter(None, ROWS.splitlines()):
                for prefix in ([], ["--format", "json"]) if BOTH.match(row) and " create " not in f" {row}" else ([],):
                    answers = [s.run([*prefix, *words(row)]) for s in sides]
                    what = outcome(*answers)
                    if what == "different" and row in KNOWN:
                        what = "known"
                    count[what] = count.get(what, 0) + 1
                    print(f"{what:12} {' '.join([*prefix, row])}", flush=True)
                    if what == "different" or (what == "words" and "-v" in sys.argv):
                        print("\n".join(shown(*answers)), flush=True)
        finally:
            for s in sides:
                s.close()
    print(", ".join(f"{n} {k}" for k, n in sorted(count.items())))
    return 1 if count.get("different") or missing else 0


if __name__ == "__main__":
    sys.exit(main())
