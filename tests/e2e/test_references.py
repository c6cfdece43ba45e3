"""${env:…} and ${secret:…} in connector configurations: in place where the pipeline runs, nowhere to be read (orchestration §14)."""
import json
import os
import subprocess

import pytest

from hg import HEADGATE, PATIENCE, until
from hg.daemon import Daemon



def program(path="${env:HG_TEST_IN}", out="${secret:kubernetes:sink/out-path}"):
    source = {"name": "f", "transport": {"name": "file_input", "config": {"path": path}}, "format": {"name": "csv"}}
    sink = {"name": "o", "transport": {"name": "file_output", "config": {"path": out}}, "format": {"name": "json"}}
    return (f"CREATE TABLE t (a INT, b VARCHAR) WITH ('connectors' = '{json.dumps([source])}');\n"
            f"CREATE VIEW v WITH ('connectors' = '{json.dumps([sink])}') AS SELECT a, b FROM t;\n")


@pytest.fixture
def env(tmp_path):
    (tmp_path / "in.csv").write_text("1,x\n2,y\n")
    folder = tmp_path / "secrets" / "kubernetes" / "sink"
    folder.mkdir(parents=True)
    (folder / "out-path").write_text(str(tmp_path / "out.json"))
    return {"HG_TEST_IN": str(tmp_path / "in.csv"), "HEADGATE_SECRETS_DIR": str(tmp_path / "secrets")}


def rows(folder):
    with open(folder / "out.json") as f:
        return sorted((r["insert"]["a"], r["insert"]["b"]) for r in map(json.loads, f))


def foreground(tmp_path, text, env):
    (tmp_path / "p.sql").write_text(text)
    return subprocess.run([HEADGATE, "run", tmp_path / "p.sql", "--until-complete"], env={**os.environ, **env}, capture_output=True, text=True, timeout=PATIENCE)


def test_run(tmp_path, env):
    r = foreground(tmp_path, program(), env)
    assert r.returncode == 0, r.stderr
    assert rows(tmp_path) == [(1, "x"), (2, "y")]


def test_only_whole_strings(tmp_path, env):
    """Within a longer text it is a text, and so is what does not end."""
    r = foreground(tmp_path, program(path=str(tmp_path) + "/${env:HG_TEST_IN}"), env)
    assert r.returncode == 1 and "${env:HG_TEST_IN}" in r.stderr, r
    (tmp_path / "${env:X").write_text("5,y\n")
    r = foreground(tmp_path, program(path=str(tmp_path / "${env:X"), out=str(tmp_path / "out.json")), env)
    assert r.returncode == 0 and rows(tmp_path) == [(5, "y")], r


def missing(folder):
    (folder / "out-path").unlink()


def directory(folder):
    missing(folder)
    (folder / "out-path").mkdir()


def not_text(folder):
    (folder / "out-path").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize("spoil, says", [(missing, "does not exist"), (directory, "is not a regular file"), (not_text, "is not UTF-8 text")])
def test_secret_that_cannot_be_had(tmp_path, env, spoil, says):
    spoil(tmp_path / "secrets" / "kubernetes" / "sink")
    r = foreground(tmp_path, program(), env)
    column = program().splitlines()[1].index('"${secret') + 1
    assert r.returncode == 2 and f"p.sql:2:{column}: " in r.stderr.replace(str(tmp_path) + "/", ""), r.stderr
    assert "secret reference '${secret:kubernetes:sink/out-path}' resolution failed: file '" in r.stderr and says in r.stderr, r.stderr


def test_variable_that_is_not_set(tmp_path, env):
    del env["HG_TEST_IN"]
    r = foreground(tmp_path, program(), env)
    assert r.returncode == 2 and "environment variable 'HG_TEST_IN' is not set" in r.stderr, r.stderr


def test_value_that_does_not_fit_is_not_shown(tmp_path, env):
    env["HG_TEST_URL"] = "gopher://secret-host/"
    source = [{"name": "u", "transport": {"name": "url_input", "config": {"path": "${env:HG_TEST_URL}"}}, "format": {"name": "json"}}]
    r = foreground(tmp_path, f"CREATE TABLE t (a INT) WITH ('connectors' = '{json.dumps(source)}');", env)
    assert r.returncode == 2 and "what '${env:HG_TEST_URL}' stands for cannot be used here" in r.stderr and "secret-host" not in r.stderr, r.stderr


def test_what_a_library_complains_of_is_not_shown(tmp_path):
    """Errors, health, `why`, logs: an address with its password, a key, a path that could not be opened."""
    (tmp_path / "secrets" / "kubernetes" / "in").mkdir(parents=True)
    (tmp_path / "secrets" / "kubernetes" / "in" / "path").write_text("/nonexistent/geheim-1.csv")
    value = "http://user:geheim-2@127.0.0.1:1/a?token=geheim-3"
    url = {"name": "u", "transport": {"name": "url_input", "config": {"path": "${env:HG_TEST_URL}"}}, "format": {"name": "json"}}
    file = {"name": "f", "transport": {"name": "file_input", "config": {"path": "${secret:kubernetes:in/path}"}}, "format": {"name": "csv"}}
    d = Daemon(env={"HG_TEST_URL": value, "HEADGATE_SECRETS_DIR": str(tmp_path / "secrets")})
    try:
        d.create("p", f"CREATE TABLE t (a INT) WITH ('connectors' = '{json.dumps([url, file])}');")
        d.start_pipeline("p")
        until("one has failed", lambda: d.input("p", "t.f")["fatal_error"])
        until("the other tries again", lambda: "${env:HG_TEST_URL}" in json.dumps(d.input("p", "t.u")["health"]))
        assert "'${secret:kubernetes:in/path}'" in d.input("p", "t.f")["fatal_error"]
        told = [d.ok("GET", f"/v0/pipelines/p/{what}").text for what in ("stats", "orchestration")]
        told += [d.ok("GET", f"/v0/pipelines/p/tables/t/connectors/{c}/{what}").text for c in "uf" for what in ("stats", "why")]
        with open(os.path.join(d.data_dir, "pipelines", d.get("/v0/pipelines/p?selector=status").json()["id"], "log")) as log:
            told.append(log.read())
        assert "${env:HG_TEST_URL}" in told[-1] and not any("geheim" in t for t in told), told
    finally:
        d.close()


def test_check_needs_no_surroundings(tmp_path):
    (tmp_path / "p.sql").write_text(program())
    assert subprocess.run([HEADGATE, "check", tmp_path / "p.sql"], capture_output=True, timeout=PATIENCE).returncode == 0


def test_daemon(tmp_path, env):
    """The environment is the daemon's, with runtime_config.env over it. What is published and stored is what the program says."""
    d = Daemon(env={k: v for k, v in env.items() if k != "HG_TEST_IN"})
    d.create("p", program(), {"fault_tolerance": {"model": "at_least_once"}})
    d.ok("POST", "/v0/pipelines/p/start")
    error = until("the start has failed", lambda: d.get("/v0/pipelines/p").json()["deployment_error"])
    assert error["error_code"] == "ConfigError.PipelineConfigParseError" and "'HG_TEST_IN' is not set" in error["message"], error
    d.wait_status("p", "Stopped")
    d.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": {"fault_tolerance": {"model": "at_least_once"}, "env": {"HG_TEST_IN": env["HG_TEST_IN"]}}})
    d.start_pipeline("p")
    d.wait_complete("p")
    assert rows(tmp_path) == [(1, "x"), (2, "y")]
    text = d.get("/v0/pipelines/p").text
    assert "${env:HG_TEST_IN}" in text and "${secret:kubernetes:sink/out-path}" in text and str(tmp_path / "out.json") not in text
    # another value is another secret, not another program: it is resumed
    d.stop_pipeline("p", force=False)
    os.rename(env["HG_TEST_IN"], tmp_path / "moved.csv")
    d.ok("PATCH", "/v0/pipelines/p", json={"runtime_config": {"fault_tolerance": {"model": "at_least_once"}, "env": {"HG_TEST_IN": str(tmp_path / "moved.csv")}}})
    d.start_pipeline("p")
    assert d.stats("p")["inputs"][0]["metrics"]["end_of_input"] is True and rows(tmp_path) == [(1, "x"), (2, "y")]
    d.close()
