"""A changed program with a new view, bootstrapped alone and beside steps: how long it takes, and how long nothing is processed meanwhile."""
import os
import time

from hg import until
from hg.sql import connector, file_in, table, view

P = "/v0/pipelines/p"
STORED, LIVE, ROUNDS = 5_000_000, 2_000_000, 3


class Rows:
    """A file that is followed."""

    def __init__(self, path):
        self.path, self.n = path, 0

    def add(self, n):
        with open(self.path, "a") as f:
            for i in range(self.n, self.n + n):
                f.write(f'{{"id":{i},"s":"row number {i} of many"}}\n')
        self.n += n


def program(rows, views):
    text = table("t", "id BIGINT NOT NULL, s VARCHAR", file_in("src", rows.path, follow=True), materialized=True)
    text += view("old", "SELECT id FROM t", connector("n", "null_output"))
    return text + "".join(view(f"v{i}", f"SELECT id + {i} AS id, s FROM t WHERE MOD(id, 2) = 0", connector("n", "null_output"), materialized=True)
                          for i in range(views))


def change(d, text):
    d.ok("PATCH", P, json={"program_code": text})
    until("the program is compiled", lambda: d.get(P).json()["program_status"] == "Success")


def run(d, rows, **params):
    """From the start: seconds until all is computed and stored, seconds until every row is processed, and the longest of them without one more."""
    t0 = time.monotonic()
    d.ok("POST", P + "/start", params={"bootstrap_policy": "allow", **params})
    ready, longest, last, since = None, 0, None, None
    while True:
        r = d.get(P + "/stats")
        now = time.monotonic()
        if r.status_code == 200:
            g = r.json()["global_metrics"]
            done = g["total_processed_records"]
            if done != last and done:
                longest = max(longest, now - since) if since else 0
                last, since = done, now
            if not ready and not g["bootstrap_in_progress"]:
                ready = now - t0
            if ready and done >= rows.n:
                break
        time.sleep(0.003)
    took = time.monotonic() - t0
    d.stop_pipeline("p", force=False)
    return ready, took, longest


def bench(a_daemon, ram, say):
    rows = Rows(os.path.join(ram, "bootstrap.json"))
    rows.add(STORED)
    config = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}
    seen = {"alone": [], "concurrent": [], "concurrent, with rows coming": [], "rows coming, nothing to compute": []}
    with a_daemon() as d:
        d.create("p", program(rows, 0), config)
        run(d, rows)
        views = 0
        for _ in range(ROUNDS):
            for what, results in seen.items():
                if "nothing" not in what:
                    views += 1
                    change(d, program(rows, views))
                if "coming" in what:
                    rows.add(LIVE)
                results.append(run(d, rows, **({"concurrent_bootstrap": "true"} if "concurrent" in what else {})))
    for what, results in seen.items():
        ready, took, longest = min(results)
        say(what, f"ready after {ready:.2f} s, every row after {took:.2f} s", f"longest time without a row {longest * 1e3:.0f} ms")
