"""What tests of changed programs share: one pipeline "p", stopped and started again with another program. `d` is a daemon, `src` what its
connectors read: fixtures, to be imported by name."""
import json
import os
import signal

import pytest

from . import until, whole_lines
from .sql import file_in

FT = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}, "dev_tweaks": {"headgate": {"restart": "never"}}}
COLS = "id BIGINT NOT NULL, s VARCHAR"
P = "/v0/pipelines/p"


class Lines:
    """A file that a followed file_input reads."""

    def __init__(self, path, n=0):
        self.path, self.n = str(path), 0
        open(self.path, "w").close()
        self.add(n)

    def add(self, n):
        with open(self.path, "a") as f:
            for i in range(self.n, self.n + n):
                f.write(json.dumps({"id": i, "s": f"row {i}"}) + "\n")
        self.n += n


@pytest.fixture
def d(own):
    return own


@pytest.fixture
def src(tmp_path):
    return Lines(tmp_path / "in.json", 100)


def src_in(src, name="src", **members):
    return file_in(name, src.path, follow=True, **members)


def ids(path):
    return [json.loads(line)["insert"]["id"] for line in whole_lines(path)]


def count(d, relation):
    return d.query("p", f"SELECT count(*) AS n FROM {relation}")[0]["n"]


def wait_count(d, relation, n):
    until(f"{relation} has {n} rows", lambda: count(d, relation) == n)


def wait_ids(path, want):
    until(f"{len(want)} rows in {path}", lambda: sorted(ids(path)) == sorted(want))


def status(d):
    return d.get(P + "?selector=status").json()


def patch(d, program):
    """A stopped pipeline gets another program."""
    d.ok("PATCH", P, json={"program_code": program})

    def compiled():
        p = d.get(P).json()
        assert p["program_status"] not in ("SqlError", "SystemError", "RustError"), json.dumps(p["program_error"], indent=1)
        return p["program_status"] == "Success"
    until("the program is compiled", compiled)


def first(d, program, relation, n, config=FT):
    """The program runs until the relation has n rows, and is stopped with a checkpoint."""
    d.run("p", program, runtime_config=config)
    wait_count(d, relation, n)
    d.stop_pipeline("p", force=False)
    assert status(d)["deployment_error"] is None


def diff(**changes):
    names = ("tables", "views", "input_connectors", "output_connectors")
    lists = {f"{how}_{what}": changes.pop(f"{how}_{what}", []) for what in names for how in ("added", "removed", "modified")}
    assert not changes, changes
    relations = {k: v for k, v in lists.items() if k.endswith(("tables", "views"))}
    return {"program_diff": relations, "program_diff_error": None, **{k: v for k, v in lists.items() if k not in relations}}


def asked(d, program=None):
    return d.ok("POST", P + "/diff", json={"program_code": program} if program else {}).json()


def start(d, policy=None, **params):
    params = {**({"bootstrap_policy": policy} if policy else {}), **params}
    d.ok("POST", P + "/start", params=params)


def awaiting(d):
    d.wait_status("p", "AwaitingApproval")
    return status(d)["deployment_runtime_status_details"]["approval_diff"]


def approve(d, **params):
    r = d.ok("POST", P + "/approve", params=params)
    assert r.status_code == 200 and isinstance(r.json(), str)
    assert status(d)["deployment_status"] != "AwaitingApproval"


def go_on(d, program, want):
    """The changed program is compared, started, approved; all three say the same."""
    assert asked(d, program) == want
    patch(d, program)
    assert asked(d) == want
    start(d)
    assert awaiting(d) == want
    approve(d)
    d.wait_status("p", "Running")
    assert status(d)["deployment_runtime_status_details"].keys() <= {"connector_stats"}
    assert asked(d) == diff()


def failed(d):
    """The start ends with a deployment error."""
    d.wait_status("p", "Stopped")
    until("the error is there", lambda: status(d)["deployment_error"])
    return status(d)["deployment_error"]


def kill(d):
    os.kill(d.pid_of("p"), signal.SIGKILL)
    d.wait_status("p", "Stopped")
