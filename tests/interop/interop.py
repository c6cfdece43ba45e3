"""interop.py: Feldera's fda and ours, row by row, against the same daemon (./dev interop).

Each row is a command. Both clients run it against a daemon and pipelines of their own that were brought to the same state, and what they
print, where they print it and how they end is compared, but for what differs from run to run (times, UUIDs, keys, counters). A row is

    same          standard output, standard error and exit code are equal
    words         output and exit code are equal; what is said on standard error has other words (shown with -v)
    different     (shown)
    unsupported   headgate does not offer it: both clients say so, or ours has no such command

The real client is taken from $FDA, else from .cache/fda, where `./dev interop` has cargo install it."""
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile

from hg import FDA
from hg.daemon import Daemon

PROGRAM = """CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR) WITH ('materialized' = 'true', 'connectors' = '[
  {"name": "g", "transport": {"name": "datagen", "config": {"plan": [{"limit": 3, "fields": {"v": {"values": ["a"]}}}]}}}]');
CREATE MATERIALIZED VIEW v WITH ('connectors' = '[{"name": "o", "transport": {"name": "null_output"}}]') AS SELECT id, v FROM t;
"""
# One line a command; they follow one another on the same daemon. {dir}: a folder with good.sql, bad.sql, more.sql. `< FILE`: its standard input.
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
heap-profile p2 -o {dir}/heap2.pb.gz
support-bundle p2 -o {dir}/bundle.zip
support-bundle p2 -o {dir}/small.zip --no-logs --no-metrics -n 1
support-bundle p2 -o {dir}/small.zip -n 0
shell none
bench p2 -d 1
debug metrics {dir}/missing
debug metrics {dir}/metrics
debug msgp-cat {dir}/missing
debug msgp-cat {dir}/values
debug unbundle {dir}/bundle.zip --dry-run
"""
# Rows that print a table or an object are run in both formats.
BOTH = re.compile(r"(pipelines|status|tags|set-tags|program (status|errors|config|set-config|set)|config|set-config|create|copy|connector \S+ \S+ \S+ stats|completion-\w+|"
                  r"start-transaction|commit-transaction|events?|apikey|tenant|member|oidc-trust|cluster)\b")


def plain(v):
    """JSON without members that are null (the real client leaves some of them in), and without what the real client makes of the connectors
    in program_info: it fills in every default of the transports it knows, ours shows what the daemon says."""
    if isinstance(v, dict):
        return {k: "…" if k == "program_info" else plain(x) for k, x in v.items() if x is not None and k != "dataflow"}
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
        self.client, self.folder, self.daemon = client, folder, Daemon()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("FELDERA_")}
        self.env.update(FELDERA_HOST=self.daemon.url, FELDERA_RETRIES="0", NO_COLOR="1")

    def run(self, args):
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
    if "not offered by this version" in real[2] or "unrecognized subcommand" in ours[2]:
        return "unsupported"
    if real[0] != ours[0] or loose(real[1]) != loose(ours[1]):
        return "different"
    return "same" if loose(real[2]) == loose(ours[2]) else "words"


def shown(real, ours):
    """The lines that differ, Feldera's with -, ours with +."""
    yield f"    exit {real[0]} / {ours[0]}"
    for name, a, b in (("stdout", real[1], ours[1]), ("stderr", real[2], ours[2])):
        lines = difflib.unified_diff(loose(a).splitlines(), loose(b).splitlines(), lineterm="", n=0)
        yield from (f"    {name} {line[:160]}" for line in lines if line[:3] not in ("---", "+++") and line[:2] != "@@")


def main():
    real = os.environ.get("FDA") or sys.exit("interop: FDA does not name Feldera's client")
    count = {}
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
                    count[what] = count.get(what, 0) + 1
                    print(f"{what:12} {' '.join([*prefix, row])}", flush=True)
                    if what == "different" or (what == "words" and "-v" in sys.argv):
                        print("\n".join(shown(*answers)), flush=True)
        finally:
            for s in sides:
                s.daemon.close()
    print(", ".join(f"{n} {k}" for k, n in sorted(count.items())))
    return 1 if count.get("different") else 0


if __name__ == "__main__":
    sys.exit(main())
