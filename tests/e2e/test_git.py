"""Programs from git: pipelines are kept equal to a branch. Local repositories, http with a token, ssh with a key, and what may go wrong with each.
test-labels: long"""
import asyncio
import base64
import http.server
import json
import os
import shlex
import shutil
import subprocess
import threading
import urllib.parse

import asyncssh
import pytest

from hg import FDA, HEADGATE, contents, until
from hg.daemon import Daemon

TABLE = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR) WITH ('materialized' = 'true');\n"
KEEPS = {"fault_tolerance": {"model": "at_least_once", "checkpoint_interval_secs": None}}
WHO = {"GIT_AUTHOR_NAME": "Ann Lee", "GIT_AUTHOR_EMAIL": "ann@x", "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@x", "GIT_CONFIG_GLOBAL": "/dev/null",
       "GIT_CONFIG_NOSYSTEM": "1"}


class Repo:
    def __init__(self, path):
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *args):
        return subprocess.run(["git", "-C", self.path, *args], check=True, capture_output=True, text=True, env={**os.environ, **WHO}).stdout.strip()

    def write(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if isinstance(text, str) else json.dumps(text))
        return self

    def commit(self, subject="a change"):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path):
    r = Repo(tmp_path / "repo")
    r.write("README", "programs").commit("begin")
    return r


# Under ASan: leaks of libgit2 are told from ours by the functions that they come from (tests/lib/lsan.supp), which have no frame pointers.
UNWIND = {"ASAN_OPTIONS": ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "fast_unwind_on_malloc=0")))}


@pytest.fixture
def follow(tmp_path):
    """follow(source, options…) is a daemon that follows it, and looks ten times a second."""
    started = []

    def start(source, *args, data=None, env=None):
        d = Daemon(data_dir=data, args=["--git", str(source), "--git-interval", "100ms", *args], env={"GIT_CONFIG_NOSYSTEM": "1", **UNWIND, **(env or {})})
        started.append(d)
        return d
    yield start
    for d in started:
        if d.proc.poll() is None:
            d.close()


def state(d):
    return d.ok("GET", "/v0/git").json()


def reached(d, commit, want="ok"):
    """The commit is applied (or refused), whole."""
    def there():
        s = state(d)
        seen = s["refused"] and s["refused"]["commit"]["id"] if want == "refused" else s["commit"] and s["commit"]["id"]
        return s["state"] == want and seen == commit and s
    return until(f"commit {commit[:8]} is {want}", there)


def pipelines(d):
    return {p["name"]: p for p in d.ok("GET", "/v0/pipelines").json()}


def push_row(d, name, row):
    d.wait_token(name, d.ingress(name, "t", json.dumps(row)).json()["token"])


# --- what it does ---

def test_create_update_delete(repo, follow):
    repo.write("orders/program.sql", TABLE)
    repo.write("orders/config.json", {"description": "Orders", "tags": ["prod"], "start": "running", "runtime_config": {**KEEPS, "workers": 2}})
    first = repo.write("idle/program.sql", TABLE).write("docs/notes.md", "no pipeline").commit("two pipelines")
    d = follow(f"{repo.path}#main")
    reached(d, first)
    d.wait_status("orders", "Running")
    p = pipelines(d)
    assert set(p) == {"orders", "idle"} and p["idle"]["deployment_status"] == "Stopped"
    assert p["orders"]["description"] == f"Orders [git main {first[:12]}, Ann Lee: two pipelines]" and p["orders"]["tags"] == ["prod", f"git:{first[:12]}"]
    assert p["orders"]["runtime_config"]["workers"] == 2 and p["orders"]["program_code"] == TABLE
    mark = p["orders"]["deployment_resources_status_details"]["git"]
    assert (mark["commit"], mark["author"], mark["state"]) == (first, "Ann Lee", "applied")
    push_row(d, "orders", {"id": 1, "v": "one"})
    # A running pipeline is stopped, changed, and goes on from its state.
    second = repo.write("orders/program.sql", TABLE + "CREATE MATERIALIZED VIEW w AS SELECT id FROM t;\n").commit("a view")
    reached(d, second)
    d.wait_status("orders", "Running")
    assert d.query("orders", "SELECT * FROM w") == [{"id": 1}]
    assert pipelines(d)["orders"]["program_version"] == 2 and pipelines(d)["idle"]["version"] == 1
    events = d.get("/v0/pipelines/orders/events?selector=all").json()
    assert {e["deployment_resources_status_details"]["git"]["state"] for e in events} == {"applied", "stopping"}
    with d.get("/v0/pipelines/orders/logs", stream=True) as logs:
        assert any(f"git: changed by commit {second[:12]} of Ann Lee: a view" in line for line in logs.iter_lines(decode_unicode=True))
    # A paused one comes back paused; one that never ran stays as it is.
    d.ok("POST", "/v0/pipelines/orders/pause")
    third = repo.write("orders/program.sql", TABLE).write("idle/program.sql", TABLE + "-- x\n").commit("no view")
    reached(d, third)
    d.wait_status("orders", "Paused")
    assert pipelines(d)["idle"]["deployment_status"] == "Stopped" and pipelines(d)["idle"]["program_code"].endswith("-- x\n")
    shutil.rmtree(repo.path / "orders")
    reached(d, repo.commit("no orders"))
    assert set(pipelines(d)) == {"idle"}


def test_a_folder_of_the_repository_and_the_default_branch(repo, follow):
    c = repo.write("deploy/eu/a/program.sql", TABLE).write("b/program.sql", TABLE).commit()
    d = follow(repo.path, "--git-path", "deploy/eu/")
    reached(d, c)
    assert set(pipelines(d)) == {"a"}
    shutil.rmtree(repo.path / "deploy")
    repo.commit("the folder is gone")
    s = until("it says so", lambda: state(d)["error"] and state(d))
    assert "no folder 'deploy/eu'" in s["error"] and s["state"] == "unreachable" and set(pipelines(d)) == {"a"}  # nothing is deleted for it


def test_what_users_change_is_set_back(repo, follow):
    c = repo.write("a/program.sql", TABLE).commit()
    d = follow(repo.path)
    reached(d, c)
    d.ok("PATCH", "/v0/pipelines/a", json={"program_code": TABLE + "-- mine", "tags": ["mine"]})
    until("it is as in git", lambda: pipelines(d)["a"]["program_code"] == TABLE and pipelines(d)["a"]["tags"] == [f"git:{c[:12]}"])
    d.ok("DELETE", "/v0/pipelines/a")
    until("it is there again", lambda: "a" in pipelines(d))
    # Renamed, it is the user's, and git makes its own again.
    d.ok("PATCH", "/v0/pipelines/a", json={"name": "mine"})
    until("both are there", lambda: set(pipelines(d)) == {"a", "mine"})
    shutil.rmtree(repo.path / "a")
    reached(d, repo.commit("gone"))
    assert set(pipelines(d)) == {"mine"}


# --- refused ---

def test_a_commit_that_does_not_compile_changes_nothing(repo, follow):
    good = repo.write("a/program.sql", TABLE).write("b/program.sql", TABLE).commit("good")
    d = follow(repo.path)
    reached(d, good)
    repo.write("a/program.sql", TABLE + "-- changed\n").write("c/program.sql", TABLE)
    bad = repo.write("b/program.sql", TABLE + "CREATE VIEW w AS\n  SELECT nothing FROM t;\n").commit("bad")
    s = reached(d, bad, "refused")
    assert s["refused"]["at"] == "b/program.sql:3:10" and "nothing" in s["refused"]["message"] and s["commit"]["id"] == good
    p = pipelines(d)
    assert set(p) == {"a", "b"} and p["a"]["program_code"] == p["b"]["program_code"] == TABLE and p["a"]["version"] == p["b"]["version"] == 1
    assert p["b"]["description"].startswith(f"[git main {bad[:12]} is refused: b/program.sql:3:10: ") and "git:refused" in p["b"]["tags"]
    event = d.get("/v0/pipelines/b/events/latest?selector=all").json()["deployment_resources_status_details"]["git"]
    assert event["state"] == "refused" and event["refused"] == bad and event["message"].startswith("b/program.sql:3:10: ")
    with open(d.err.name) as f:
        assert "commit_refused" in (log := f.read()) and "b/program.sql:3:10" in log
    fixed = repo.write("b/program.sql", TABLE + "CREATE VIEW w AS\n  SELECT id FROM t;\n").commit("fixed")
    reached(d, fixed)
    assert set(pipelines(d)) == {"a", "b", "c"} and pipelines(d)["b"]["tags"] == [f"git:{fixed[:12]}"]


@pytest.mark.parametrize("files, at, says", [
    ({"bad name/program.sql": TABLE}, "bad name", "Name"),
    ({"-x/program.sql": TABLE}, "-x", "Name"),
    ({"x" * 64 + "/program.sql": TABLE}, "x" * 64, "63"),
    ({"a/program.sql": TABLE, "a/config.json": '{\n  "tags": "x"}'}, "a/config.json:2:11", "an array"),
    ({"a/program.sql": TABLE, "a/config.json": '{"tag": []}'}, "a/config.json:1:9", "did you mean 'tags'"),
    ({"a/program.sql": TABLE, "a/config.json": '{"runtime_config": {"workers": "x"}}'}, "a/config.json:1:20", "workers"),
    ({"a/program.sql": TABLE, "a/config.json": '{"start": "yes"}'}, "a/config.json:1:11", "running"),
    ({"a/program.sql": TABLE, "a/config.json": "{"}, "a/config.json:1:2", "expected"),
    ({"a/program.sql": b"\xff\xfe"}, "a/program.sql", "UTF-8"),
    ({"a/program.sql": b"-" * (16 * 2**20 + 1)}, "a/program.sql", "more than"),
])
def test_unfit_commits(repo, follow, files, at, says):
    good = repo.write("ok/program.sql", TABLE).commit("good")
    d = follow(repo.path)
    reached(d, good)
    for name, text in files.items():
        repo.write(name, "").path.joinpath(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    s = reached(d, repo.commit("bad"), "refused")
    assert s["refused"]["at"] == at and says in s["refused"]["message"], s["refused"]
    assert set(pipelines(d)) == {"ok"}


def test_symbolic_links_are_not_followed(repo, follow, tmp_path):
    (tmp_path / "secret.sql").write_text(TABLE)
    repo.write("a/program.sql", TABLE)
    (repo.path / "link").symlink_to("a")
    c = repo.commit("a link to a folder is passed over")
    d = follow(repo.path)
    reached(d, c)
    assert set(pipelines(d)) == {"a"}
    (repo.path / "b").mkdir()
    (repo.path / "b" / "program.sql").symlink_to(tmp_path / "secret.sql")
    s = reached(d, repo.commit("a program that leads out"), "refused")
    assert s["refused"]["at"] == "b/program.sql" and "symbolic link" in s["refused"]["message"]


def test_a_name_that_somebody_else_has(repo, follow, own):
    own.create("a", TABLE + "-- mine")
    own.stop()
    c = repo.write("a/program.sql", TABLE).write("b/program.sql", TABLE).commit()
    d = follow(repo.path, data=own.data_dir)
    s = reached(d, c)
    assert {p["name"]: p["state"] for p in s["pipelines"]} == {"a": "taken", "b": "applied"}
    assert pipelines(d)["a"]["program_code"] == TABLE + "-- mine" and pipelines(d)["a"]["tags"] == []
    shutil.rmtree(repo.path / "a")
    reached(d, repo.commit("not in git either"))
    assert set(pipelines(d)) == {"a", "b"}
    d.close()


def test_a_change_that_needs_an_empty_storage(repo, follow):
    config = {"start": "running", "runtime_config": {**KEEPS, "workers": 1}}
    c = repo.write("a/program.sql", TABLE).write("a/config.json", config).commit()
    d = follow(repo.path)
    reached(d, c)
    d.wait_status("a", "Running")
    config["runtime_config"]["workers"] = 3
    c = repo.write("a/config.json", config).commit("more workers")
    s = reached(d, c)
    (p,) = s["pipelines"]
    assert p["state"] == "blocked" and "clear" in p["message"] and pipelines(d)["a"]["deployment_status"] == "Running"
    d.stop_pipeline("a")
    d.ok("POST", "/v0/pipelines/a/clear")
    until("it is changed", lambda: pipelines(d)["a"]["runtime_config"]["workers"] == 3)
    assert pipelines(d)["a"]["tags"] == [f"git:{c[:12]}"]


# --- what happens to repositories and daemons ---

def test_rewritten_history_and_a_branch_that_is_gone(repo, follow):
    repo.git("checkout", "-q", "-b", "live")
    repo.write("a/program.sql", TABLE).commit("one")
    c = repo.write("a/program.sql", TABLE + "-- two\n").commit("two")
    d = follow(f"{repo.path}#live")
    reached(d, c)
    repo.git("reset", "-q", "--hard", "HEAD~2")
    c = repo.write("a/program.sql", TABLE + "-- other\n").commit("another history")
    reached(d, c)
    assert pipelines(d)["a"]["program_code"].endswith("-- other\n")
    repo.git("checkout", "-q", "main")
    repo.git("branch", "-q", "-m", "live", "away")
    s = until("the branch is missed", lambda: (s := state(d))["state"] == "unreachable" and s["failures"] > 1 and s)
    assert s["error"] == f"branch 'live' is not in '{repo.path}'" and s["next_look_at"] > s["looked_at"] and set(pipelines(d)) == {"a"}
    repo.git("branch", "-q", "-m", "away", "live")
    until("it is read again", lambda: state(d)["state"] == "ok" and state(d)["failures"] == 0)


@pytest.mark.parametrize("wanted_still", [True, False])
def test_killed_while_a_pipeline_is_stopped_for_a_change(repo, follow, tmp_path, wanted_still):
    """What a pipeline was stopped for is done, if it is still wanted, and it is started again, by the next daemon. What a killed child left is no obstacle."""
    data = tmp_path / "data"
    data.mkdir()
    repo.write("a/config.json", {"start": "running", "runtime_config": KEEPS})
    d = follow(repo.path, data=data)
    reached(d, repo.write("a/program.sql", TABLE).commit())
    d.wait_status("a", "Running")
    push_row(d, "a", {"id": 7, "v": "x"})
    c = repo.write("a/program.sql", TABLE + "-- two\n").commit("two")
    until("it is being stopped", lambda: d.get("/v0/pipelines/a").json()["deployment_resources_status_details"]["git"]["resume"] or
          d.get("/v0/pipelines/a").json()["program_version"] == 2, interval=0.001)
    d.kill()
    if not wanted_still:
        c = repo.write("a/program.sql", TABLE).commit("one again")
    for lock in ("refs/headgate/head.lock", "FETCH_HEAD.lock"):
        (data / "git" / lock).touch()
    d = follow(repo.path, data=data)
    reached(d, c)
    d.wait_status("a", "Running")
    assert d.query("a", "SELECT id FROM t") == [{"id": 7}]
    assert pipelines(d)["a"]["program_code"] == TABLE + ("-- two\n" if wanted_still else "")


def test_a_pipeline_that_keeps_nothing(repo, follow):
    """Without fault tolerance there is no state to go on from; it is started again all the same."""
    d = follow(repo.path)
    reached(d, repo.write("a/program.sql", TABLE).write("a/config.json", {"start": "running"}).commit())
    d.wait_status("a", "Running")
    reached(d, repo.write("a/program.sql", TABLE + "-- two\n").commit())
    d.wait_status("a", "Running")
    assert pipelines(d)["a"]["program_version"] == 2 and pipelines(d)["a"]["deployment_error"] is None


def test_another_source_deletes_nothing(repo, follow, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    d = follow(repo.path, data=data)
    reached(d, repo.write("a/program.sql", TABLE).write("b/program.sql", TABLE).commit())
    d.stop()
    other = Repo(tmp_path / "other")
    c = other.write("a/program.sql", TABLE).commit("only a")
    d = follow(other.path, data=data)
    reached(d, c)
    assert set(pipelines(d)) == {"a", "b"} and pipelines(d)["a"]["tags"] == [f"git:{c[:12]}"]


# --- fda ---

def fda(d, *args, code=0):
    r = subprocess.run([FDA, "--host", d.url, *map(str, args)], capture_output=True, text=True, timeout=100, env={**os.environ, **UNWIND})
    assert r.returncode == code, (r.stdout, r.stderr)
    return r.stderr if code else r.stdout


def test_fda_shows_what_is_followed(repo, follow, own):
    good = repo.write("a/program.sql", TABLE).commit("good")
    d = follow(f"{repo.path}#main")
    reached(d, good)
    said = fda(d, "git")
    assert f"source   {repo.path}#main\nstate    ok\ncommit   {good[:12]}, Ann Lee: good\n" in said and "applied" in said
    bad = repo.write("a/program.sql", "nonsense").commit("bad")
    reached(d, bad, "refused")
    said = fda(d, "git")
    assert f"refused  {bad[:12]}, Ann Lee: bad\n         a/program.sql:1:1: " in said
    assert json.loads(fda(d, "--format", "json", "git"))["state"] == "refused"
    assert "follows no repository" in fda(own, "git", code=1)


def test_fda_sets_a_program_from_git(repo, own, tmp_path, monkeypatch):
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setenv("TMPDIR", str(temp))
    first = repo.write("sql/a.sql", TABLE).commit("first")
    repo.git("tag", "-a", "-m", "x", "v1")
    repo.write("sql/a.sql", TABLE + "-- second\n").commit("second")
    repo.git("checkout", "-q", "-b", "feature/x")
    repo.write("sql/a.sql", TABLE + "-- on a branch\n").commit("third")
    repo.git("checkout", "-q", "main")
    own.create("p", "")
    for ref, ends in (("", "-- second\n"), ("@main", "-- second\n"), ("@v1", "'true');\n"), (f"@{first}", "'true');\n"), (f"@{first[:10]}", "'true');\n"),
                      ("@feature/x", "-- on a branch\n")):
        said = fda(own, "program", "set", "p", "--git", f"{repo.path}{ref}:sql/a.sql")
        assert said.startswith("sql/a.sql at ") and said.endswith("Program updated successfully.\n")
        assert pipelines(own)["p"]["program_code"].endswith(ends), ref
    (repo.path / "link.sql").symlink_to("sql/a.sql")
    repo.commit("a link")
    for source, says in ((f"{repo.path}@none:sql/a.sql", "is not in"), (f"{repo.path}:sql/b.sql", "no file"), (f"{repo.path}:sql", "a folder"),
                         (f"{repo.path}:link.sql", "symbolic link"), (f"{tmp_path}/no:sql/a.sql", "No such file")):
        assert says in fda(own, "program", "set", "p", "--git", source, code=2 if "No such" in says else 1), source
    for source in (f"{repo.path}", f"{repo.path}:../x", "ext::sh -c id:x"):
        assert "--git" in fda(own, "program", "set", "p", "--git", source, code=2)
    assert not list(temp.iterdir())


# --- over a network ---

class GitHttp(http.server.BaseHTTPRequestHandler):
    """git http-backend; token: the password that is asked for."""

    def handle_one(self):
        want = self.server.token
        given = self.headers.get("Authorization", "")
        self.server.asked += 1
        self.server.told |= "Authorization" in self.headers
        if self.server.elsewhere:
            self.send_response(301)
            self.send_header("Location", self.server.elsewhere + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if want and given.removeprefix("Basic ") != base64.b64encode(f"git:{want}".encode()).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        env = {**os.environ, **WHO, "GIT_PROJECT_ROOT": str(self.server.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": url.path, "QUERY_STRING": url.query,
               "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "REMOTE_ADDR": "127.0.0.1"}
        out = subprocess.run(["git", "-c", "safe.directory=*", "http-backend"], env=env, input=body, capture_output=True).stdout
        head, _, content = out.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n") if line]
        self.send_response(int(dict(headers).get("Status", "200").split()[0]))
        for k, v in headers:
            if k != "Status":
                self.send_header(k, v)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = handle_one

    def log_message(self, *args):
        pass


@pytest.fixture
def web_gits(tmp_path):
    made = []

    def make():
        s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), GitHttp)
        s.root, s.token, s.elsewhere, s.asked, s.told = tmp_path, None, None, 0, False
        threading.Thread(target=s.serve_forever, daemon=True).start()
        made.append(s)
        return s
    yield make
    for s in made:
        s.shutdown()
        s.server_close()


@pytest.fixture
def web_git(web_gits):
    return web_gits()


def test_http_with_a_token_and_a_server_that_goes_away(repo, follow, web_git, tmp_path):
    url = f"http://127.0.0.1:{web_git.server_address[1]}/repo/.git"
    token = tmp_path / "token"
    c = repo.write("a/program.sql", TABLE).commit()
    web_git.token = "s3cr3t-t0ken"
    d = follow(url)
    s = until("it is asked for a token", lambda: state(d)["error"] and state(d))
    assert "--git-token" in s["error"]
    d.close()
    token.write_text("wrong\n")
    d = follow(url, "--git-token", str(token))
    s = until("the token is refused", lambda: state(d)["error"] and state(d))
    assert "refuses the token" in s["error"] and "wrong" not in s["error"]
    token.write_text("s3cr3t-t0ken\n")  # read anew at each look
    reached(d, c)
    root, web_git.root = web_git.root, tmp_path / "nowhere"
    s = until("it is away", lambda: state(d)["failures"] > 1 and state(d))
    assert s["state"] == "unreachable" and set(pipelines(d)) == {"a"}
    c = repo.write("b/program.sql", TABLE).commit()
    web_git.root = root
    reached(d, c)
    assert set(pipelines(d)) == {"a", "b"}
    for name, data in contents(d.data_dir):
        assert b"s3cr3t-t0ken" not in data, name


def test_a_token_does_not_follow_a_redirect(repo, follow, web_gits, tmp_path):
    """To another host; without a token it is followed."""
    c = repo.write("a/program.sql", TABLE).commit()
    near, far, token = web_gits(), web_gits(), tmp_path / "token"
    near.elsewhere, far.token = f"http://localhost:{far.server_address[1]}", "s3cr3t-t0ken"
    url = f"http://127.0.0.1:{near.server_address[1]}/repo/.git"
    token.write_text(far.token)
    d = follow(url, "--git-token", str(token))
    s = until("it is refused", lambda: state(d)["error"] and state(d))
    assert "redirect" in s["error"] and near.asked and not far.told and not pipelines(d)
    d.close()
    far.token = None
    d = follow(url)
    reached(d, c)
    assert set(pipelines(d)) == {"a"} and far.asked


@pytest.mark.parametrize("args, says", [
    (["--git", "ftp://x/y"], "no scheme"), (["--git", "https://me:pw@x/y"], "password"), (["--git", "/nowhere/at/all"], "No such file"),
    (["--git", "https://x/y#a b"], "name of a branch"), (["--git", "https://x/y", "--git-path", "../z"], "not a path within"),
    (["--git", "https://x/y", "--git-path", "/z"], "begins with"), (["--git", "https://x/y", "--git-interval", "0"], "no time"),
    (["--git-path", "z"], "without --git"), (["--git", "https://x/y", "--git-token", "/nowhere"], "cannot read"),
])
def test_wrong_options(tmp_path, args, says):
    r = subprocess.run([HEADGATE, "serve", "--data-dir", tmp_path / "d", "--port", "0", *args], capture_output=True, text=True, timeout=60)
    assert r.returncode in (1, 2) and says in r.stderr, r.stderr


def test_a_daemon_without_git_says_so(own):
    r = own.get("/v0/git")
    assert r.status_code == 404 and "--git" in r.json()["message"]


def test_the_daemon_does_not_map_libgit2(repo, follow):
    d = follow(repo.path)
    reached(d, repo.write("a/program.sql", TABLE).commit())
    with open(f"/proc/{d.proc.pid}/maps") as f:
        assert "libgit2" not in f.read()


class SshServer:
    """git-upload-pack over ssh for the one key `me` (a private key file is written to `folder`)."""

    def __init__(self, folder):
        self.host, key = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(folder / "me"))
        key.write_public_key(str(folder / "authorized"))
        self.authorized, self.loop, ready = str(folder / "authorized"), asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(60)

    def _run(self, ready):
        async def serve():
            server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[self.host], authorized_client_keys=self.authorized,
                                           process_factory=self._upload_pack, encoding=None)
            self.port = server.get_port()
            ready.set()
            return server
        self.server = self.loop.run_until_complete(serve())
        self.loop.run_forever()

    async def _upload_pack(self, process):
        program, path = shlex.split(process.command)
        assert program == "git-upload-pack"
        child = await asyncio.create_subprocess_exec("git", "upload-pack", path, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        await process.redirect(stdin=child.stdin, stdout=child.stdout)
        process.exit(await child.wait())

    def known_hosts(self, key=None):
        return f"[127.0.0.1]:{self.port} {(key or self.host).export_public_key().decode()}"

    def close(self):
        async def end():
            self.server.close()
            await self.server.wait_closed()
        asyncio.run_coroutine_threadsafe(end(), self.loop).result(60)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)


def test_ssh_with_a_wrong_key(repo, follow, tmp_path):
    """A host that shows another key than the one that is known, and a host that does not know ours: nothing is read, and it is said why."""
    server, home = SshServer(tmp_path), tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    known = home / ".ssh" / "known_hosts"
    try:
        c = repo.write("a/program.sql", TABLE).commit()
        url = f"ssh://git@127.0.0.1:{server.port}{repo.path}"
        other = asyncssh.generate_private_key("ssh-ed25519")
        known.write_text(server.known_hosts(other))
        d = follow(url, "--git-ssh-key", str(tmp_path / "me"), env={"HOME": str(home)})
        s = until("the host is refused", lambda: state(d)["error"] and state(d))
        assert s["state"] == "unreachable" and "known_hosts" in s["error"] and not pipelines(d)
        known.write_text(server.known_hosts())
        reached(d, c)
        d.close()
        other.write_private_key(str(tmp_path / "other"))
        d = follow(url, "--git-ssh-key", str(tmp_path / "other"), env={"HOME": str(home)})
        s = until("the key is refused", lambda: state(d)["error"] and state(d))
        assert "refuses the key" in s["error"]
    finally:
        server.close()


def test_ssh_with_a_key(repo, follow, tmp_path):
    server, home = SshServer(tmp_path), tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    try:
        c = repo.write("a/program.sql", TABLE).commit()
        url = f"ssh://git@127.0.0.1:{server.port}{repo.path}"
        d = follow(url, "--git-ssh-key", str(tmp_path / "me"), env={"HOME": str(home)})
        s = until("an unknown host is refused", lambda: state(d)["error"] and state(d))
        assert s["state"] == "unreachable" and "known_hosts" in s["error"] and not pipelines(d)
        (home / ".ssh" / "known_hosts").write_text(server.known_hosts())
        reached(d, c)
        assert set(pipelines(d)) == {"a"}
        d.close()
        d = follow(url, env={"HOME": str(home)})
        s = until("it is asked for a key", lambda: state(d)["error"] and state(d))
        assert "--git-ssh-key" in s["error"]
    finally:
        server.close()
