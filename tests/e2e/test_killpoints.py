"""Every durable action is a named kill point (HG_FAULT=kill:NAME). The names are read from the source; each is walked: die there, start again,
and the end is as if nothing had been. A point that no scene here reaches fails the test. test-labels: long"""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest
import requests

from hg import HEADGATE, PATIENCE, ROOT, s3, until
from hg.daemon import Daemon
from test_durable import FT, Lines, checkpoint, program, storage, wait_out, wait_rows

STEPS = {"hg_dfile_finish": ["written", "synced"], "hg_framelog_sync": ["written", "synced"],
         "hg_file_replace": ["written", "synced", "renamed", "done"], "hg_kill_point": None}
FOLDERS = ["base", "connectors", "data", "s3", "engine", "manager", "net", "orchestrator", "pipeline", "headgate", "compile", "fda"]


def arguments(text, start):
    """Up to the parenthesis that closes the one before `start`."""
    depth, end = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return text[start:end - 1]


def kill_points():
    """Each call of a function that dies on demand; the names are the literals in its arguments."""
    found = set()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.c")):
            text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
            for call in re.finditer(r"(?<!int )(?<!void )\b(%s)\(" % "|".join(STEPS), text):
                args = arguments(text, call.end())
                names = re.findall(r'"([a-z_.]+)"', args)
                if not names and path.name in ("durable.c", "framelog.c"):
                    continue  # the functions themselves, with the caller's name
                assert names, f"{path}: {call.group(1)}({args}): the name of a kill point must stand in the call"
                for name in names:
                    found.update(f"{name}.{s}" for s in STEPS[call.group(1)]) if STEPS[call.group(1)] else found.add(name)
    return sorted(found)


def big_rows(lines):
    """Enough for a segment file of its own."""
    with open(lines.path, "a") as f:
        for i in range(lines.n, lines.n + 20000):
            f.write(json.dumps({"id": i, "s": f"{i} " + "x" * 400}) + "\n")
    lines.n += 20000


class Scene:
    """A pipeline with a checkpoint of 200 rows; 50 rows come while the point is armed, 25 after the restart."""
    config = {**FT, "dev_tweaks": {"headgate": {"restart": "never"}}}
    manager_dies = False
    dead_sink = False

    def __init__(self, folder, point):
        self.point, self.lines, self.out = point, Lines(folder / "in.json"), folder / "out.json"
        if self.dead_sink:
            os.symlink("/dev/full", self.out)
        self.lines.add(200)
        self.d = Daemon()

    def before(self):
        self.d.run("p", program(self.lines, self.out), runtime_config=self.config)
        wait_rows(self.d, 200)
        if not self.dead_sink:
            wait_out(self.d, self.out, 200)
        checkpoint(self.d)
        self.d.stop_pipeline("p")
        self.d.stop()
        self.d.env = {"HG_FAULT": f"kill:{self.point}"}
        self.d.start()

    def arrive(self):
        """Run, take 50 rows, and do what passes the point."""
        self.d.start_pipeline("p")
        self.lines.add(50)
        self.all_read()
        self.act()

    def all_read(self):
        wait_rows(self.d, self.lines.n)

    def act(self):
        raise NotImplementedError

    def say(self, method, path):
        """Whoever is asked may die over it."""
        try:
            self.d.request(method, path, raw=True)
        except requests.RequestException:
            pass

    def died(self):
        if self.manager_dies:
            until("the manager died", lambda: self.d.proc.poll() is not None)
            assert self.d.proc.returncode == -signal.SIGKILL
        else:
            self.pipeline_died()

    def pipeline_died(self):
        e = until("the pipeline died", lambda: self.d.get("/v0/pipelines/p").json()["deployment_error"])
        assert e["error_code"] == "PipelineProcessCrashed" and "signal 9" in e["message"], e

    def after(self):
        self.d.stop()
        self.d.env = {}
        if self.dead_sink:
            os.unlink(self.out)
        self.d.start()
        self.run_again()
        self.lines.add(25)
        wait_rows(self.d, self.lines.n)
        wait_out(self.d, self.out, self.lines.n)

    def run_again(self):
        def runs():
            p = self.d.get("/v0/pipelines/p?selector=status").json()
            if p["deployment_status"] == "Stopped" and p["deployment_desired_status"] == "Stopped":
                self.say("POST", "/v0/pipelines/p/start")
            return p["deployment_status"] == "Running"
        until("the pipeline runs again", runs)

    def walk(self):
        try:
            self.before()
            self.arrive()
            self.died()
            self.after()
        finally:
            if self.d.proc.poll() is not None:  # close() stops what an interrupted walk has left behind
                self.d.stop()
                self.d.env = {}
                self.d.start()
            self.d.close()


class Events(Scene):
    def act(self):
        self.say("POST", "/v0/pipelines/p/tables/b/connectors/src/pause")

    def run_again(self):
        super().run_again()
        if self.point.endswith("synced"):  # the word was durable, the answer was not
            reason = self.d.ok("GET", "/v0/pipelines/p/orchestration").json()["connectors"][0]["reason"]
            assert reason == "user"
        self.d.ok("POST", "/v0/pipelines/p/tables/b/connectors/src/start")


class Checkpoint(Scene):
    def act(self):
        self.say("POST", "/v0/pipelines/p/checkpoint")


class Segment(Checkpoint):
    def arrive(self):
        big_rows(self.lines)
        super().arrive()

    def all_read(self):
        """Without queries: each would end the segment that is being filled."""
        until("all is read", lambda: self.d.stats("p")["global_metrics"]["total_processed_records"] == self.lines.n)


class Owed(Checkpoint):
    dead_sink = True

    def before(self):
        self.d.stop()  # the first checkpoint owes already
        self.d.env = {"HG_FAULT": f"kill:{self.point}"}
        self.d.start()

    def arrive(self):
        self.d.run("p", program(self.lines, self.out), runtime_config=self.config)
        wait_rows(self.d, 200)
        self.act()


class Exit(Scene):
    def act(self):
        self.say("POST", "/v0/pipelines/p/stop?force=false")

    def pipeline_died(self):
        """It was asked to stop and is gone: whether it said so matters to nobody."""
        self.d.wait_status("p", "Stopped")


class Start(Scene):
    def arrive(self):
        self.lines.add(50)
        self.say("POST", "/v0/pipelines/p/start")


class Journal(Start):
    config = {**Scene.config, "fault_tolerance": {"model": "exactly_once", "checkpoint_interval_secs": None}}


class Deployment(Start):
    manager_dies = True


class Respawn(Scene):
    manager_dies = True
    config = {**FT, "dev_tweaks": {"headgate": {"restart": {"policy": "on_failure", "delay_ms": 10}}}}

    def act(self):
        os.kill(self.d.pid_of("p"), signal.SIGKILL)


class AdminKey:
    """The first start of a daemon that wants keys: the next one has a whole key, and the one that was in place already."""

    def __init__(self, folder, point):
        self.data, self.point = folder / "data", point
        self.file = self.data / "admin-key"

    def walk(self):
        serve = [HEADGATE, "serve", "--data-dir", self.data, "--port", "0", "--auth", "keys"]
        r = subprocess.run(serve, env={**os.environ, "HG_FAULT": f"kill:{self.point}"}, capture_output=True, text=True, timeout=PATIENCE)
        assert r.returncode == -signal.SIGKILL, r
        left = self.file.read_text() if self.file.exists() else None
        assert (left is None) == self.point.endswith((".written", ".synced")), self.point
        d = Daemon(data_dir=str(self.data), args=["--auth", "keys"])
        d.key = self.file.read_text().strip()
        assert left is None or left.strip() == d.key
        d.ok("GET", "/v0/pipelines")
        d.close()


class Pages:
    """Generated texts: whole or not there."""

    def __init__(self, folder, point):
        self.folder, self.point, self.command = folder, point, {"page": "pages", "manual": "manual"}[point.split(".")[0]]

    def walk(self):
        there, again = self.folder / "killed", self.folder / "again"
        for d in (there, again):
            d.mkdir()
        r = subprocess.run([HEADGATE, self.command, there], env={**os.environ, "HG_FAULT": f"kill:{self.point}"}, capture_output=True, timeout=PATIENCE)
        assert r.returncode == -signal.SIGKILL, r
        left = {p.name: p.read_text() for p in there.iterdir() if p.suffix in (".md", ".1")}
        assert len(left) == (0 if self.point.endswith((".written", ".synced")) else 1)
        for d in (there, again):
            subprocess.run([HEADGATE, self.command, d], check=True, capture_output=True, timeout=PATIENCE)
        for name, text in left.items():
            assert text == (again / name).read_text()


class Sync(Scene):
    """The checkpoint that is on its way is in the bucket or nobody sees it; the next attempt sends the rest, and the one before goes."""

    def __init__(self, folder, point):
        self.server = s3.Server()
        sync = {"bucket": "bucket/p", "endpoint": self.server.url, "region": s3.REGION, "access_key": s3.KEY_ID, "secret_key": s3.SECRET,
                "retention_min_count": 1, "retention_min_age": 0, "start_from_checkpoint": "latest"}
        self.config = {**self.config, "storage": {"backend": {"name": "file", "config": {"sync": sync}}}}
        super().__init__(folder, point)

    def before(self):
        """One is in the bucket, sent by a process that does not die of it."""
        self.d.run("p", program(self.lines, self.out), runtime_config=self.config)
        wait_rows(self.d, 200)
        wait_out(self.d, self.out, 200)
        checkpoint(self.d)
        self.send()
        self.d.stop_pipeline("p")
        self.d.stop()
        self.d.env = {"HG_FAULT": f"kill:{self.point}"}
        self.d.start()

    def send(self):
        uuid = self.d.ok("POST", "/v0/pipelines/p/checkpoint/sync").json()["checkpoint_uuid"]
        until("it is in the bucket", lambda: self.d.ok("GET", "/v0/pipelines/p/checkpoint/sync_status").json()["success"] == uuid)
        return uuid

    def whole(self):
        """Every description in the bucket names what is there."""
        uuids = [c["uuid"] for c in self.d.ok("GET", "/v0/pipelines/p/checkpoints/remote").json()]
        for u in uuids:
            text = self.server.objects[f"p/checkpoints/{u}.json"].body.split(b"\n", 1)[1]
            assert all(f"p/files/{f['sha256']}" in self.server.objects for f in json.loads(text)["files"])
        return uuids

    def act(self):
        checkpoint(self.d)
        self.say("POST", "/v0/pipelines/p/checkpoint/sync")

    def after(self):
        super().after()
        assert self.whole()
        checkpoint(self.d)
        assert self.whole() and [self.send()] == self.whole()
        assert len([k for k in self.server.objects if k.startswith("p/files/")]) == len({f["sha256"] for k, o in self.server.objects.items()
            if k.startswith("p/checkpoints/") for f in json.loads(o.body.split(b"\n", 1)[1])["files"]})

    def walk(self):
        try:
            super().walk()
        finally:
            self.server.close()


class Pull(Sync):
    """A start from the bucket while there is an older state here: the one or the other, whole."""

    def before(self):
        self.d.run("p", program(self.lines, self.out), runtime_config=self.config)
        wait_rows(self.d, 200)
        wait_out(self.d, self.out, 200)
        checkpoint(self.d)
        self.d.stop_pipeline("p")
        kept = storage(self.d)
        shutil.copytree(kept, kept + "-old")
        self.d.start_pipeline("p")
        checkpoint(self.d)
        self.send()
        self.d.stop_pipeline("p")
        shutil.rmtree(kept)
        os.rename(kept + "-old", kept)
        self.d.stop()
        self.d.env = {"HG_FAULT": f"kill:{self.point}"}
        self.d.start()

    def arrive(self):
        self.lines.add(50)
        self.say("POST", "/v0/pipelines/p/start")


SCENES = {"sync.file": Sync, "sync.described": Sync, "sync.forgotten": Sync, "sync.removed": Sync, "pull.file": Pull, "pull.manifest": Pull,
          "pull.mark": Pull, "pull.aside": Pull, "pull.renamed": Pull, "events": Events, "manifest": Checkpoint, "checkpoints": Start, "state.pack": Checkpoint, "state.seg": Segment, "owed": Owed, "exit": Exit, "journal": Journal,
          "deployment": Deployment, "manager.before_spawn": Deployment, "manager.after_spawn": Deployment,
          "admin_key": AdminKey, "page": Pages, "manual": Pages, "manager.before_respawn": Respawn, "manager.after_respawn": Respawn}
POINTS = kill_points()
CONTROL = [p for p in POINTS if p.startswith("control.")]


def scene_of(point):
    return SCENES.get(point) or SCENES.get(point.rpartition(".")[0])


def test_every_point_has_a_scene():
    assert len(POINTS) >= 26, POINTS  # the source is read as it is meant to be
    assert [p for p in POINTS if p not in CONTROL and not scene_of(p)] == []


@pytest.mark.parametrize("point", [p for p in POINTS if p not in CONTROL])
def test_killed(tmp_path, point):
    scene_of(point)(tmp_path, point).walk()


@pytest.mark.parametrize("point", CONTROL)
def test_manager_killed_at_each_commit(tmp_path, point):
    """The life of a pipeline is a row of commits of the control store; the manager dies at the first, then at the second, ..."""
    text = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY) WITH ('materialized' = 'true');"
    deaths = 0
    for nth in range(1, 100):
        d = Daemon(env={"HG_FAULT": f"kill:{point}:{nth}"})
        died = False
        try:
            life(d, text)
        except (requests.RequestException, AssertionError):
            until("the manager died, or else this is an error of its own", lambda: d.proc.poll() == -signal.SIGKILL, 30)
            died = True
        try:
            if died:
                deaths += 1
                d.stop()
                d.env = {}
                d.start()
                if d.get("/v0/pipelines/q").status_code == 200:  # whatever became of it: it can be ended and removed
                    d.stop_pipeline("q")
                    d.ok("POST", "/v0/pipelines/q/clear")
                    until("its storage is cleared", lambda: d.get("/v0/pipelines/q").json()["storage_status"] == "Cleared")
                    d.ok("DELETE", "/v0/pipelines/q")
                life(d, text)
            else:
                break
        finally:
            d.env = {}
            d.close()
    assert deaths >= 8, deaths


def life(d, text):
    d.run("q", text)
    assert d.ingress("q", "t", '{"id": 1}\n').status_code == 200
    d.stop_pipeline("q")
    d.ok("POST", "/v0/pipelines/q/clear")
    until("the storage is cleared", lambda: d.get("/v0/pipelines/q").json()["storage_status"] == "Cleared")
    d.ok("DELETE", "/v0/pipelines/q")
