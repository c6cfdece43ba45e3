#!/usr/bin/env python3
"""Random rounds of faults: history from a file, a URL, a PostgreSQL table and S3 objects, then a Kafka topic, through a view, into a Kafka
topic, a file and a PostgreSQL table, while processes die, connections break, the disk fills up and the clock jumps; rows are pushed by HTTP, transactions
begin and end anywhere, and clients read resumable change streams. After each round the output must be what the model says:
with exactly_once nothing lost and nothing twice, with at_least_once nothing lost and the final state equal.

    chaos.py N            N rounds from a new seed (printed)
    CHAOS_SEED=s          the seed; CHAOS_ROUND=k: only this round of it; CHAOS_MODEL=at_least_once | exactly_once
"""
import collections
import gzip
import io
import json
import os
import random
import signal
import sys
import time
import traceback

if os.environ.get("CHAOS_INSIDE") != "1":  # a mount namespace of our own: the small disk is seen by us alone and goes with us
    os.environ["CHAOS_INSIDE"] = "1"
    how = ["-m"] if os.getuid() == 0 else ["-U", "-r", "-m"]
    os.execvp("unshare", ["unshare", *how, "--propagation", "private", sys.executable, *sys.argv])

import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import model  # noqa: E402
import plan  # noqa: E402
from hg import postgres, until  # noqa: E402
from hg.kafka import Topic  # noqa: E402
from hg.sql import file_in, file_out, kafka_in, kafka_out, s3_in, table, url_in, view  # noqa: E402
from stream import Stream  # noqa: E402
from world import World  # noqa: E402

IMPATIENT = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "socket.timeout.ms": 5000}
HASTY = {"transaction.timeout.ms": 1000, "socket.timeout.ms": 1000}
CHANGES = {"update_format": "insert_delete"}
OTHERS = ["checkpoints asked", "checkpoints failed", "started again", "transactions", "killed inside one", "pushes", "pushed again",
          "streams gone on with", "streams begun anew", "streams begun anew, exactly_once"]
PARTITIONS = 3  # of what the table without a key reads


def parquet(rows):
    out = io.BytesIO()
    columns = {"id": pa.int64(), "v": pa.int64(), "src": pa.string(), "seq": pa.int64()}
    pq.write_table(pa.table({c: pa.array([r[c] for r in rows], t) for c, t in columns.items()}), out, row_group_size=100)
    return out.getvalue()


class Round:
    def __init__(self, world, number, the_plan, ft, figures):
        self.w, self.plan, self.ft, self.figures = world, the_plan, ft, figures
        self.name = f"r{number}"
        self.fed, self.pushed, self.paused, self.stopping = 0, 0, False, False
        self.in_transaction = False  # or maybe: an answer may have been lost
        self.owed = []  # pushes that are not known to be durable: [rows, token or None]
        self.streams = {}
        self.dir = os.path.join(world.disk, self.name)
        os.mkdir(self.dir)
        # Messages carry the time of the clock that jumps: a topic that keeps a week would forget what it says is a year old.
        self.topics = {t: Topic(world.broker.bootstrap, partitions=PARTITIONS if t == "bag" else 1, config=["retention.ms=-1"]) for t in ("rows", "bag", "rows_out", "bag_out")}
        self.path = {n: os.path.join(self.dir, n) for n in ("history", "rows", "bag")}
        with open(self.path["history"], "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in the_plan.file)
        body = "".join(json.dumps(r) + "\n" for r in the_plan.web).encode()
        world.web.add(f"/{self.name}", body)
        self.s3_keys = [f"{self.name}/{key}" for key, _ in the_plan.s3]
        for key, (_, rows) in zip(self.s3_keys, the_plan.s3):
            body = parquet(rows) if the_plan.parquet else "".join(json.dumps(r) + "\n" for r in rows).encode()
            world.s3.add(key, gzip.compress(body, mtime=0) if key.endswith(".gz") else body)
        values = ", ".join(f"({r['id']}, {r['v']}, '{r['src']}', {r['seq']})" for r in the_plan.postgres)
        world.postgres.sql(f"""CREATE TABLE {self.name}_in (id BIGINT PRIMARY KEY, v BIGINT, src TEXT, seq BIGINT UNIQUE);
            INSERT INTO {self.name}_in VALUES {values};
            CREATE TABLE {self.name}_rows (id BIGINT PRIMARY KEY, v BIGINT, src TEXT);
            CREATE TABLE {self.name}_bag (seq BIGINT, v BIGINT, __feldera_op TEXT, __feldera_ts TIMESTAMP);""")

    def program(self):
        through = f"127.0.0.1:{self.w.kafka_proxy.port}"
        url = f"http://127.0.0.1:{self.w.web_proxy.port}/{self.name}"

        s3_url = f"http://127.0.0.1:{self.w.s3_proxy.port}"
        server, port = self.w.postgres, self.w.postgres_proxy.port

        def inputs(t, key, fmt_config):
            small = {"max_queued_records": 200}
            made = {"file": file_in("file", self.path["history"], **small),
                    "web": url_in("web", url, **small),
                    "postgres": postgres.source("postgres", server, f"SELECT * FROM {self.name}_in", port, key_column=key,
                                                parallel=self.plan.ranges, **small),
                    "s3": s3_in("s3", self.w.s3, prefix=self.name + "/", endpoint_url=s3_url, max_concurrent_fetches=self.plan.fetches,
                                max_retries=1000, **({"fmt": "parquet", "fmt_config": {}} if self.plan.parquet else {}), **small),
                    "live": kafka_in("live", through, self.topics[t].name, fmt_config=fmt_config,
                                     options={"start_from": "earliest", **IMPATIENT}, **small)}
            for name in self.plan.payload:
                made[name]["journal"] = "payload"
            line = [made[name] for name in (*self.plan.order, "live")]
            for before, after in zip(line, line[1:]):  # each begins when the one before it has ended
                before["labels"] = after["start_after"] = [f"{t}_{before['name']}"]
            return line

        def outputs(t, **config):
            options = {**IMPATIENT, **(HASTY if self.plan.hasty and self.ft == "exactly_once" else {})}
            return [kafka_out("kafka", through, self.topics[t + "_out"].name, "json", CHANGES, options=options, max_queued_records=300),
                    file_out("file", self.path[t], "json", CHANGES),
                    postgres.sink("postgres", server, f"{self.name}_{t}", t + "_key", port, max_buffer_size_bytes=4096, **config)]
        return (table("rows", "id BIGINT NOT NULL PRIMARY KEY, v BIGINT, src VARCHAR", *inputs("rows", "id", CHANGES), materialized=True) +
                table("bag", "seq BIGINT NOT NULL, v BIGINT", *inputs("bag", "seq", None), materialized=True) +
                view("rows_out", "SELECT id, v, src FROM rows", *outputs("rows")) +
                view("bag_out", "SELECT seq, v FROM bag", *outputs("bag", mode="cdc")) +
                "CREATE INDEX rows_key ON rows_out(id);\nCREATE INDEX bag_key ON bag_out(seq);\n")

    # --- what happens ---
    def feed(self, n):
        part = self.plan.live[self.fed:self.fed + n]
        self.fed += len(part)
        if part:
            self.topics["rows"].produce([json.dumps(m["change"]) for m in part])
            for k in range(PARTITIONS):  # its records may come in any order
                if part[k::PARTITIONS]:
                    self.topics["bag"].produce([json.dumps({"seq": m["seq"], "v": m["v"]}) for m in part[k::PARTITIONS]], partition=k)

    def push(self, rows):
        r = self.w.ask("POST", f"/v0/pipelines/{self.name}/ingress/rows?format=json&update_format=insert_delete", timeout=2,
                       data="".join(json.dumps({"insert": row}) + "\n" for row in rows))
        self.owed.append([rows, r.json()["token"] if r is not None and r.status_code == 200 else None])
        self.figures["pushes"] += 1

    def pushes_arrive(self):
        """What is not known to be durable is pushed again: its keys make that harmless."""
        owed, self.owed = self.owed, []
        for rows, token in owed:
            r = self.w.ask("GET", f"/v0/pipelines/{self.name}/completion_status", params={"token": token}, timeout=5) if token else None
            if r is not None and r.status_code == 200:
                if r.json()["status"] != "complete":
                    self.owed.append([rows, token])
            elif token and (r is None or r.status_code not in (400, 410)):
                self.owed.append([rows, token])
            else:
                self.figures["pushed again"] += 1
                self.push(rows)
        return not self.owed

    def begin(self):
        r = self.w.ask("POST", f"/v0/pipelines/{self.name}/start_transaction", timeout=5)
        self.in_transaction |= r is None or r.status_code == 200
        self.figures["transactions"] += r is not None and r.status_code == 200

    def commit(self):
        self.w.ask("POST", f"/v0/pipelines/{self.name}/commit_transaction", timeout=5)

    def transactions_end(self):
        """One whose beginning had no answer, too."""
        r = self.w.ask("GET", f"/v0/pipelines/{self.name}/stats")
        m = r.json()["global_metrics"] if r is not None and r.status_code == 200 else {}
        self.in_transaction = m.get("transaction_id") != 0
        if m.get("transaction_status") == "TransactionInProgress":
            self.commit()
        return not self.in_transaction

    def ensure_running(self):
        def nudge():
            if self.stopping and self.in_transaction:  # a graceful stop waits for the commit
                self.commit()
        self.w.ensure_running(self.name, nudge)
        self.stopping = False

    def checkpoint(self):
        r = self.w.ask("POST", f"/v0/pipelines/{self.name}/checkpoint")
        if r is None or r.status_code != 200:
            return None
        self.figures["checkpoints asked"] += 1
        return r.json()

    def checkpoint_ends(self, asked):
        """Success or a failure that is told: never silence."""
        def over():
            r = self.w.ask("GET", f"/v0/pipelines/{self.name}/checkpoint_status?incarnation_uuid={asked['incarnation_uuid']}")
            if r is None or r.status_code != 200:
                return "gone"
            s, n = r.json(), asked["checkpoint_sequence_number"]
            if s["failure"] and s["failure"]["sequence_number"] >= n:
                self.figures["checkpoints failed"] += 1
                return s["failure"]["error"]
            return "done" if (s["success"] or 0) >= n else None
        return until("the checkpoint ends in a success or a failure", over)

    def disk_full(self, free, then, n):
        self.w.fill_disk(free)
        if then == "checkpoint":
            asked = self.checkpoint()
            if asked and not self.in_transaction:  # else it waits for the commit, which may wait for the disk
                error = self.checkpoint_ends(asked)
                assert error in ("done", "gone") or "No space left" in error, error
        elif then == "kill pipeline":
            self.kill("pipeline")
        elif then == "feed":
            self.feed(n)
        else:
            self.pause()
        self.w.free_disk()

    def kill(self, what):
        self.figures["killed inside one"] += self.in_transaction
        if what in ("pipeline", "both"):
            self.w.kill_pipeline(self.name)
        if what in ("manager", "both"):
            self.w.kill_manager()
            self.w.free_disk()
            self.w.daemon.start()

    def pause(self):
        """The user's word on the one connector that waits for nobody: on the others a start would end their waiting, another order."""
        paused = self.w.ask("POST", f"/v0/pipelines/{self.name}/tables/rows/connectors/{self.plan.order[0]}/pause")
        if paused is not None:
            self.paused = True

    def start_failed(self):
        """As an operator would: what gave up is started again. An output owes what it has not delivered, an input goes on where it was (a URL
        that is away for seven seconds is given up)."""
        r = self.w.ask("GET", f"/v0/pipelines/{self.name}/stats")
        told = r.json() if r is not None and r.status_code == 200 else {"inputs": [], "outputs": []}
        for kind, all_ in ("tables", told["inputs"]), ("views", told["outputs"]):
            for name, _, connector in (c["endpoint_name"].partition(".") for c in all_ if c["fatal_error"]):
                r = self.w.ask("POST", f"/v0/pipelines/{self.name}/{kind}/{name}/connectors/{connector}/start")
                self.figures["started again"] += r is not None and r.status_code == 200

    def unpause(self):
        def started():
            r = self.w.ask("POST", f"/v0/pipelines/{self.name}/tables/rows/connectors/{self.plan.order[0]}/start")
            return r is not None and r.status_code == 200
        if self.paused:
            until("the paused connector is started again", started)

    def do(self, a):
        time.sleep(a.pause)
        proxy = self.w.proxies.get(a.what.split()[-1])
        if a.what.startswith("kill"):
            if a.what == "kill broker":
                self.w.kill_broker()
            elif a.what == "kill postgres":
                self.w.kill_postgres()
            else:
                self.kill(a.what.split()[1])
                self.ensure_running()
        elif a.what.startswith("cut"):
            if a.arg["after"]:
                proxy.cut_in = a.arg["after"]
            else:
                proxy.cut()
        elif a.what.startswith("delay"):
            proxy.delay = a.arg["ms"] / 1000
        elif a.what.startswith("refuse"):
            proxy.refuse = True
            proxy.cut()
        elif a.what.startswith("hold"):
            proxy.hold()
        elif a.what == "fail s3":
            self.w.s3.fails = a.arg["times"]
        elif a.what == "disk full":
            self.disk_full(**a.arg)
            self.ensure_running()
        elif a.what == "clock jump":
            self.w.move_clock(a.arg["seconds"])
        elif a.what == "feed":
            self.feed(a.arg["n"])
        elif a.what == "push":
            self.push(self.plan.pushed[self.pushed:self.pushed + a.arg["n"]])
            self.pushed += a.arg["n"]
        elif a.what == "begin":
            self.begin()
        elif a.what == "commit":
            self.commit()
        elif a.what == "checkpoint":
            self.checkpoint()
        elif a.what == "pause":
            self.pause()
        else:
            assert a.what == "stop", a
            self.stopping = True
            self.w.ask("POST", f"/v0/pipelines/{self.name}/stop?force=false")
            self.ensure_running()
        if a.what in plan.FAULTS:
            self.figures[a.what] += 1

    # --- what must have come out ---
    def outputs(self):
        out = {}
        for t in ("rows", "bag"):
            with open(self.path[t], errors="replace") as f:
                out[t, "file"] = model.parse(f.read().splitlines())
            out[t, "kafka"] = model.parse(self.topics[t + "_out"].read())
        return out

    def in_postgres(self):
        rows = {int(i): (int(v), src) for i, v, src in self.w.postgres.sql(f"SELECT id, v, src FROM {self.name}_rows")}
        return rows, collections.Counter(int(seq) if op == "i" else op for seq, op in self.w.postgres.sql(f"SELECT seq, __feldera_op FROM {self.name}_bag"))

    def in_streams(self):
        rows, bag = (self.streams[t].copy() for t in ("rows", "bag"))
        return {i: (r["v"], r["src"]) for i, r in rows.items()}, collections.Counter(bag.keys())

    def compare(self, want, have, places):
        """[(what, lost, duplicated, examples)] of everything that is not as it must be, and the duplicates that at_least_once allows."""
        wrong, allowed = [], 0
        for where in places:
            if where in ("postgres", "change streams"):  # a table is a state: only its log can have something twice; clients have checked each change
                (rows, seqs), twice_rows = have, 0
            else:
                rows, twice_rows = model.final_state(have["rows", where]), model.unclean(have["rows", where])
                seqs = collections.Counter(m["insert"]["seq"] if "insert" in m else "delete" for m in have["bag", where])
            n, examples = model.state_differences(want.rows, rows)
            lost, twice = model.differences(want.seqs, seqs)
            if n:
                wrong.append((f"final state of rows in {where}", n, 0, examples))
            if lost:
                wrong.append((f"bag in {where}", lost, 0, sorted((want.seqs - seqs).elements())[:5]))
            if twice or twice_rows:
                if self.ft == "exactly_once":
                    wrong.append((f"{where}", 0, twice + twice_rows, sorted(map(str, (seqs - want.seqs).elements()))[:5]))
                else:
                    allowed += twice + twice_rows
        return wrong, allowed

    def surroundings(self):
        """For whoever looks for the cause: what the outputs say, and what stands in their topics without a transaction's end."""
        r = self.w.ask("GET", f"/v0/pipelines/{self.name}/stats")
        told = [f"\n  {json.dumps(o)}" for o in r.json()["outputs"]] if r is not None and r.status_code == 200 else ["\n  no stats"]
        for t in ("rows_out", "bag_out"):
            ended, all_ = len(self.topics[t].read()), len(self.topics[t].read(options={"isolation.level": "read_uncommitted"}))
            told.append(f"\n  {t}: {ended} messages read committed, {all_} read uncommitted")
        return "".join(told)

    def verify(self):
        want = model.Model(self.plan)
        last = []

        def equal():
            self.start_failed()
            wrong, allowed = self.compare(want, self.outputs(), ["file", "kafka"])
            if not wrong:
                wrong, _ = self.compare(want, self.in_streams(), ["change streams"])
            if not wrong:  # asking PostgreSQL is the dearest
                wrong, more = self.compare(want, self.in_postgres(), ["postgres"])
                allowed += more
            last[:] = wrong
            if any(lost == 0 for _, lost, _, _ in wrong):  # what is there twice stays there twice
                return "never"
            return ("equal", allowed) if not wrong else None
        try:
            result = until("the output is what the model says", equal, interval=0.05)
        except AssertionError:
            result = "never"
        if result == "never":
            self.figures["lost"] += sum(x[1] for x in last)
            self.figures["duplicated"] += sum(x[2] for x in last)
            raise AssertionError("the output is not what the model says:\n" + "\n".join(
                f"  {what}: {lost} lost or wrong, {twice} twice, e.g. {examples}" for what, lost, twice, examples in last) + self.surroundings())
        self.figures["repeated (allowed)"] += result[1]
        return want

    def tables(self, want):
        """What queries say is the same truth."""
        q = self.w.daemon.query
        assert q(self.name, "SELECT count(*) AS n, sum(v) AS s FROM rows")[0] == {
            "n": len(want.rows), "s": sum(v for v, _ in want.rows.values()) if want.rows else None}
        assert q(self.name, "SELECT count(*) AS n, count(DISTINCT seq) AS d FROM bag")[0] == {
            "n": sum(want.seqs.values()), "d": len(want.seqs)}

    def run(self):
        self.feed(self.plan.fed_at_start)
        restart = {"policy": self.plan.restart, "delay_ms": 20, "max_delay_ms": 200, "max_attempts": None}
        config = {"fault_tolerance": {"model": self.ft, "checkpoint_interval_secs": 1}, "workers": 2,
                  "dev_tweaks": {"headgate": {"restart": restart}},
                  "env": {"HG_FAULT": f"disorder:{self.plan.disorder}"} if self.plan.disorder else {}}
        self.w.daemon.create(self.name, self.program(), config)
        self.ensure_running()
        for t, key in (("rows", "id"), ("bag", "seq")):
            self.streams[t] = Stream(self.w, self.name, t, key, self.ft == "exactly_once", self.figures)
        for a in self.plan.actions:
            self.do(a)
        self.w.calm()
        self.feed(len(self.plan.live))
        self.ensure_running()
        self.unpause()
        until("no transaction is open", self.transactions_end)
        until("what was pushed is durable", lambda: self.start_failed() or self.pushes_arrive())
        want = self.verify()
        if self.plan.kill_at_end:  # what was right stays right: nothing that was delivered comes again, or changes
            self.kill("pipeline")
            self.ensure_running()
            self.verify()
        self.tables(want)
        self.w.daemon.stop_pipeline(self.name, force=False)
        self.verify()

    def close(self):
        for s in self.streams.values():
            s.close()

    def clean(self):
        d = self.w.daemon
        d.stop_pipeline(self.name)
        d.ok("POST", f"/v0/pipelines/{self.name}/clear")
        until("the storage is cleared", lambda: d.get(f"/v0/pipelines/{self.name}").json()["storage_status"] == "Cleared")
        d.ok("DELETE", f"/v0/pipelines/{self.name}")
        self.w.postgres.sql(f"DROP TABLE {self.name}_in, {self.name}_rows, {self.name}_bag")
        for key in self.s3_keys:
            del self.w.s3.objects[key]
        for p in self.path.values():
            if os.path.exists(p):
                os.unlink(p)


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    only = os.environ.get("CHAOS_ROUND")
    models = [os.environ["CHAOS_MODEL"]] if os.environ.get("CHAOS_MODEL") else ["exactly_once", "at_least_once"]
    print(f"CHAOS_SEED={seed}: {n} rounds, {' and '.join(models)} in turn", flush=True)
    figures, t0, failed = collections.Counter({k: 0 for k in [*plan.FAULTS, "lost", "duplicated"]}), time.monotonic(), 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))  # whoever ends us, nothing is left running
    world = World()
    try:
        for number in [int(only)] if only else range(n):
            ft, p = models[number % len(models)], plan.make(seed, number)
            t1, r = time.monotonic(), Round(world, number, p, ft, figures)
            try:
                try:
                    r.run()
                finally:
                    r.close()
                r.clean()
                figures["rounds"] += 1
                print(f"round {number} {ft}: {', '.join(f'{src} {len(p.history(src))}' for src in p.order)}{', in Parquet' if p.parquet else ''}{', payload of ' + ' and '.join(p.payload) if p.payload else ''}{', hasty' if p.hasty else ''}, live {len(p.live)} rows; "
                      f"{'; '.join(map(str, p.actions))}; {time.monotonic() - t1:.1f} s", flush=True)
            except Exception:
                failed += 1
                traceback.print_exc()
                log = [x for x in world.log_of(r.name).splitlines(True) if " checkpoint number=" not in x]
                print(f"--- log of {r.name}, without checkpoints\n{''.join(log)[-8000:]}")
                print(f"round {number} {ft} FAILED: {'; '.join(map(str, p.actions))}\n"
                      f"again: CHAOS_SEED={seed} CHAOS_ROUND={number} CHAOS_MODEL={ft} ./dev chaos", flush=True)
                if not os.environ.get("CHAOS_GO_ON"):
                    break
                world.close()
                world = World()
        if not failed:
            unused = [k for k in ("broker", "postgres") if not world.proxies[k].cuts]  # those whose connections stay open
            assert only or n < len(plan.FAULTS) or not unused, f"no connection to {unused} was ever cut: is the proxy in between?"
    finally:
        world.close()
    print(f"{figures['rounds']} rounds equal to the model, {failed} not, in {time.monotonic() - t0:.0f} s; "
          f"lost {figures['lost']}, duplicated {figures['duplicated']}, with at_least_once "
          f"{figures['repeated (allowed)']} repeated")
    print(", ".join(f"{k}: {figures[k]}" for k in [*plan.FAULTS, *OTHERS]) +
          "; connections cut: " + ", ".join(f"{k} {p.cuts}" for k, p in world.proxies.items()))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
