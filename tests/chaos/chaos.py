#!/usr/bin/env python3
"""Random rounds of faults: history from a file and from a URL, then a Kafka topic, through a view, into a Kafka topic and a file, while
processes die, connections break, the disk fills up and the clock jumps. After each round the output must be what the model says:
with exactly_once nothing lost and nothing twice, with at_least_once nothing lost and the final state equal.

    chaos.py N            N rounds from a new seed (printed)
    CHAOS_SEED=s          the seed; CHAOS_ROUND=k: only this round of it; CHAOS_MODEL=at_least_once | exactly_once
"""
import collections
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

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import model  # noqa: E402
import plan  # noqa: E402
from hg import until  # noqa: E402
from hg.kafka import Topic  # noqa: E402
from hg.sql import file_in, file_out, kafka_in, kafka_out, table, url_in, view  # noqa: E402
from world import World  # noqa: E402

IMPATIENT = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "socket.timeout.ms": 5000}
CHANGES = {"update_format": "insert_delete"}


class Round:
    def __init__(self, world, number, the_plan, ft, figures):
        self.w, self.plan, self.ft, self.figures = world, the_plan, ft, figures
        self.name = f"r{number}"
        self.fed, self.paused = 0, False
        self.dir = os.path.join(world.disk, self.name)
        os.mkdir(self.dir)
        self.topics = {t: Topic(world.broker.bootstrap) for t in ("rows", "bag", "rows_out", "bag_out")}
        self.path = {n: os.path.join(self.dir, n) for n in ("history", "rows", "bag")}
        with open(self.path["history"], "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in the_plan.history)
        body = "".join(json.dumps(r) + "\n" for r in the_plan.web).encode()
        world.web.add(f"/{self.name}", body)

    def program(self):
        through = f"127.0.0.1:{self.w.kafka_proxy.port}"
        url = f"http://127.0.0.1:{self.w.web_proxy.port}/{self.name}"

        def inputs(t, fmt_config):
            small = {"max_queued_records": 200}
            return [file_in("file", self.path["history"], labels=[f"{t}1"], **small),
                    url_in("web", url, start_after=[f"{t}1"], labels=[f"{t}2"], **small),
                    kafka_in("live", through, self.topics[t].name, fmt_config=fmt_config, start_after=[f"{t}2"],
                             options={"start_from": "earliest", **IMPATIENT}, **small)]

        def outputs(t):
            return [kafka_out("kafka", through, self.topics[t + "_out"].name, "json", CHANGES, options=IMPATIENT, max_queued_records=300),
                    file_out("file", self.path[t], "json", CHANGES)]
        return (table("rows", "id BIGINT NOT NULL PRIMARY KEY, v BIGINT, src VARCHAR", *inputs("rows", CHANGES), materialized=True) +
                table("bag", "seq BIGINT NOT NULL, v BIGINT", *inputs("bag", None), materialized=True) +
                view("rows_out", "SELECT id, v, src FROM rows", *outputs("rows")) +
                view("bag_out", "SELECT seq, v FROM bag", *outputs("bag")))

    # --- what happens ---
    def feed(self, n):
        part = self.plan.live[self.fed:self.fed + n]
        self.fed += len(part)
        if part:
            self.topics["rows"].produce([json.dumps(m["change"]) for m in part])
            self.topics["bag"].produce([json.dumps({"seq": m["seq"], "v": m["v"]}) for m in part])

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
            if asked:
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
        if what in ("pipeline", "both"):
            self.w.kill_pipeline(self.name)
        if what in ("manager", "both"):
            self.w.kill_manager()
            self.w.free_disk()
            self.w.daemon.start()

    def pause(self):
        """The user's word on the one connector that waits for nobody: on the others a start would end their waiting, another order."""
        path = f"/v0/pipelines/{self.name}/tables/rows/connectors/file/"
        paused = self.w.ask("POST", path + "pause")
        if paused is not None:
            self.paused = True

    def start_failed(self):
        """As an operator would: an output that gave up is started again; it owes what it has not delivered."""
        r = self.w.ask("GET", f"/v0/pipelines/{self.name}/stats")
        for o in r.json()["outputs"] if r is not None and r.status_code == 200 else []:
            if o["fatal_error"]:
                view_name, _, connector = o["endpoint_name"].partition(".")
                r = self.w.ask("POST", f"/v0/pipelines/{self.name}/views/{view_name}/connectors/{connector}/start")
                self.figures["outputs started again"] += r is not None and r.status_code == 200

    def unpause(self):
        def started():
            r = self.w.ask("POST", f"/v0/pipelines/{self.name}/tables/rows/connectors/file/start")
            return r is not None and r.status_code == 200
        if self.paused:
            until("the paused connector is started again", started)

    def do(self, a):
        time.sleep(a.pause)
        proxy = self.w.web_proxy if a.what.endswith("web") else self.w.kafka_proxy
        if a.what.startswith("kill"):
            if a.what == "kill broker":
                self.w.kill_broker()
            else:
                self.kill(a.what.split()[1])
                self.w.ensure_running(self.name)
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
        elif a.what == "hold broker":
            proxy.hold()
        elif a.what == "disk full":
            self.disk_full(**a.arg)
            self.w.ensure_running(self.name)
        elif a.what == "clock jump":
            self.w.move_clock(a.arg["seconds"])
        elif a.what == "feed":
            self.feed(a.arg["n"])
        elif a.what == "checkpoint":
            self.checkpoint()
        elif a.what == "pause":
            self.pause()
        else:
            assert a.what == "stop", a
            self.w.ask("POST", f"/v0/pipelines/{self.name}/stop?force=false")
            self.w.ensure_running(self.name)
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

    def compare(self, want, have):
        """[(what, lost, duplicated, examples)] of everything that is not as it must be, and the duplicates that at_least_once allows."""
        wrong, allowed = [], 0
        for where in ("file", "kafka"):
            n, examples = model.state_differences(want.rows, model.final_state(have["rows", where]))
            seqs = collections.Counter(m["insert"]["seq"] if "insert" in m else "delete" for m in have["bag", where])
            lost, twice = model.differences(want.seqs, seqs)
            twice_rows = model.unclean(have["rows", where])
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

    def verify(self):
        want = model.Model(self.plan.history, self.plan.web)
        want.live(self.plan.live)
        last = []

        def equal():
            self.start_failed()
            wrong, allowed = self.compare(want, self.outputs())
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
                f"  {what}: {lost} lost or wrong, {twice} twice, e.g. {examples}" for what, lost, twice, examples in last))
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
                  "dev_tweaks": {"headgate": {"restart": restart}}}
        self.w.daemon.create(self.name, self.program(), config)
        self.w.ensure_running(self.name)
        for a in self.plan.actions:
            self.do(a)
        self.w.calm()
        self.feed(len(self.plan.live))
        self.w.ensure_running(self.name)
        self.unpause()
        want = self.verify()
        if self.plan.kill_at_end:  # what was right stays right: nothing that was delivered comes again, or changes
            self.kill("pipeline")
            self.w.ensure_running(self.name)
            self.verify()
        self.tables(want)
        self.w.daemon.stop_pipeline(self.name, force=False)
        self.verify()

    def clean(self):
        d = self.w.daemon
        d.stop_pipeline(self.name)
        d.ok("POST", f"/v0/pipelines/{self.name}/clear")
        until("the storage is cleared", lambda: d.get(f"/v0/pipelines/{self.name}").json()["storage_status"] == "Cleared")
        d.ok("DELETE", f"/v0/pipelines/{self.name}")
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
                r.run()
                r.clean()
                figures["rounds"] += 1
                print(f"round {number} {ft}: {len(p.history)} + {len(p.web)} + {len(p.live)} rows; "
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
            assert world.kafka_proxy.cuts or only, "no connection was ever cut: the proxy is not in between"
    finally:
        world.close()
    print(f"{figures['rounds']} rounds equal to the model, {failed} not, in {time.monotonic() - t0:.0f} s; "
          f"lost {figures['lost']}, duplicated {figures['duplicated']}, with at_least_once "
          f"{figures['repeated (allowed)']} repeated")
    print(", ".join(f"{k}: {figures[k]}" for k in [*plan.FAULTS, "checkpoints asked", "checkpoints failed", "outputs started again"]) +
          f", connections cut: {world.kafka_proxy.cuts + world.web_proxy.cuts}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
