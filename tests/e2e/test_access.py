"""What programs may reach: serve --allow-path, --allow-host, --deny-private-hosts. Refused with its place when the program is compiled, and again where
a file or a connection is opened."""
import contextlib
import json
import os
import subprocess

import pytest

from hg import HEADGATE, PATIENCE, httpd, postgres, until
from hg.daemon import Daemon
from hg.iggy import Server


@contextlib.contextmanager
def limited(*args, env=None):
    d = Daemon(args=args, env=env)
    try:
        yield d
    finally:
        d.close()


def source(name, config, fmt="csv"):
    c = {"name": "c", "transport": {"name": name, "config": config}, **({"format": {"name": fmt}} if fmt else {})}
    return f"CREATE TABLE t (a INT) WITH ('materialized' = 'true', 'connectors' = '\n{json.dumps([c], indent=1)}');\n"


def sink(name, config):
    c = {"name": "c", "transport": {"name": name, "config": config}, "format": {"name": "csv"}}
    return f"CREATE TABLE t (a INT);\nCREATE VIEW v WITH ('connectors' = '\n{json.dumps([c], indent=1)}') AS SELECT a FROM t;\n"


def compile_error(d, text):
    """The one message of a program that is refused, with the line that it points at."""
    d.ok("PUT", "/v0/pipelines/bad", json={"name": "bad", "program_code": text, "runtime_config": {}, "program_config": {}})
    until("it is compiled", lambda: d.get("/v0/pipelines/bad").json()["program_status"] == "SqlError")
    messages = d.get("/v0/pipelines/bad").json()["program_error"]["sql_compilation"]["messages"]
    assert len(messages) == 1, messages
    return messages[0]["message"], text.splitlines()[messages[0]["start_line_number"] - 1]


def connector(d, name, relation="tables/t"):
    return d.ok("GET", f"/v0/pipelines/{name}/{relation}/connectors/c/stats").json()


def failed(d, name, relation="tables/t"):
    """Waits for the fatal error of its connector and gives it."""
    return until("the connector has failed", lambda: connector(d, name, relation)["fatal_error"])


def logged(d, name, what):
    """Waits until the pipeline's log says it."""
    with open(os.path.join(d.data_dir, "pipelines", d.get(f"/v0/pipelines/{name}?selector=status").json()["id"], "log")) as log:
        until(f"the log says {what}", lambda: log.seek(0) or what in log.read())


def count(d, name):
    return d.ok("GET", f"/v0/pipelines/{name}/query", params={"sql": "SELECT count(*) AS n FROM t", "format": "json"}).json()["n"]


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("1\n2\n")
    (tmp_path / "secret.csv").write_text("666\n")
    return tmp_path


def test_files(tree):
    with limited("--allow-path", str(tree / "in")) as d:
        message, line = compile_error(d, source("file_input", {"path": str(tree / "secret.csv")}))
        assert "secret.csv" in message and "--allow-path: " + str(tree / "in") in message and '"path"' in line
        message, line = compile_error(d, sink("file_output", {"path": f"file://{tree}/in/../out.csv"}))
        assert "--allow-path" in message and '"path"' in line
        message, _ = compile_error(d, source("file_input", {"path": "/proc/self/environ"}))
        assert "--allow-path" in message
        message, _ = compile_error(d, source("file_input", {"path": "secret.csv"}))
        assert "--allow-path" in message
        d.run("good", source("file_input", {"path": str(tree / "in" / "a.csv")}))
        until("it is read", lambda: count(d, "good") == 2)
        # hosts are not limited by that
        with contextlib.closing(httpd.Httpd()) as web:
            web.add("/a.csv", b"7\n")
            url = web.url + "/a.csv"
            d.run("web", source("url_input", {"path": url}))
            until("it is read", lambda: count(d, "web") == 1)
            d.stop_pipeline("web")


def test_a_link_that_comes_later(tree):
    """Fine when it was compiled; a link to the outside when it is opened."""
    with limited("--allow-path", str(tree / "in")) as d:
        d.create("p", source("file_input", {"path": str(tree / "in" / "b.csv")}))
        (tree / "in" / "b.csv").symlink_to(tree / "secret.csv")
        d.ok("POST", "/v0/pipelines/p/start")
        error = until("it fails", lambda: d.get("/v0/pipelines/p?selector=status").json()["deployment_error"])
        assert "outside" in error["message"] and "secret.csv" in error["message"], error


def test_a_link_while_it_runs(tree):
    """A paused input has opened nothing yet."""
    path = tree / "in" / "b.csv"
    path.write_text("1\n")
    with limited("--allow-path", str(tree / "in")) as d:
        d.run("p", source("file_input", {"path": str(path)}), initial="paused")
        path.unlink()
        path.symlink_to(tree / "secret.csv")
        d.ok("POST", "/v0/pipelines/p/resume")
        assert "Permission denied" in failed(d, "p")
        d.wait_status("p", "Running")
        assert count(d, "p") == 0


def test_references(tree):
    """What is known at the start only is judged then; runtime_config.env gives values and no environment."""
    with limited("--allow-path", str(tree / "in"), "--deny-private-hosts") as d:
        program = source("file_input", {"path": "${env:WHERE}"})
        d.create("p", program, {"env": {"WHERE": str(tree / "secret.csv"), "LD_PRELOAD": "/nowhere.so"}})
        d.ok("POST", "/v0/pipelines/p/start")
        error = until("it fails", lambda: d.get("/v0/pipelines/p?selector=status").json()["deployment_error"])
        assert "${env:WHERE}" in error["message"] and "secret.csv" not in error["message"], error
        d.run("good", program, runtime_config={"env": {"WHERE": str(tree / "in" / "a.csv"), "LD_PRELOAD": "/nowhere.so"}})
        until("it is read", lambda: count(d, "good") == 2)
        with open(f"/proc/{d.pid_of('good')}/environ") as f:
            assert "nowhere" not in f.read()


def test_the_data_directory():
    with limited("--allow-path", "/") as d:
        for path in ("control.db", "new"):
            message, _ = compile_error(d, sink("file_output", {"path": os.path.join(d.data_dir, path)}))
            assert "in the server's own folder" in message or "--allow-path" in message, message


def test_urls(web):
    web.add("/a.csv", b"1\n2\n3\n")
    url = web.url + "/a.csv"
    other = url.replace("127.0.0.1", "127.0.0.2")
    web.add("/away", b"", redirect=other)
    web.add("/named", b"", redirect=url.replace("127.0.0.1", "x.localhost"))
    port = url.split(":")[2].split("/")[0]
    with limited("--allow-host", f"127.0.0.1:{port}", "--allow-host", "*.example.com") as d:
        for bad in ("http://127.0.0.3/", "https://10.0.0.1/x", "http://127.0.0.1:1/"):
            message, line = compile_error(d, source("url_input", {"path": bad}))
            assert "--allow-host" in message and '"path"' in line
        assert "'http://me:***@127.0.0.1:x/' is no URL" in compile_error(d, source("url_input", {"path": "http://me:h1dden@127.0.0.1:x/"}))[0]
        d.run("good", source("url_input", {"path": url}))
        until("it is read", lambda: count(d, "good") == 3)
        d.run("away", source("url_input", {"path": url.replace("a.csv", "away")}))
        assert "127.0.0.2" in failed(d, "away")
        d.run("by-address", source("url_input", {"path": url.replace("a.csv", "named")}))
        until("it is read", lambda: count(d, "by-address") == 3)


def test_private_hosts(web):
    """A name that stands for an address of this machine is refused when it is connected to."""
    web.add("/a.csv", b"1\n")
    url = web.url + "/a.csv"
    with limited("--deny-private-hosts", env={"http_proxy": url}) as d:
        for bad in (url, url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::ffff:127.0.0.1]"), "http://169.254.169.254/latest/",
                    url.replace("127.0.0.1", "2130706433"), url.replace("127.0.0.1", "0x7f.1")):
            message, line = compile_error(d, source("url_input", {"path": bad}))
            assert "--deny-private-hosts" in message and '"path"' in line
        d.run("p", source("url_input", {"path": url.replace("127.0.0.1", "x.localhost")}))
        assert "x.localhost" in failed(d, "p") and "--deny-private-hosts" in failed(d, "p")


def test_kafka(mock_broker):
    b = mock_broker("t:1")
    port = b.bootstrap.split(":")[1]
    with limited("--allow-host", "localhost") as d:
        message, line = compile_error(d, source("kafka_input", {"topic": "t", "bootstrap.servers": f"localhost:{port}, {b.bootstrap}"}))
        assert "127.0.0.1" in message and "bootstrap.servers" in line
        # the broker that may be asked says that it is at an address that may not
        d.run("p", source("kafka_input", {"topic": "t", "bootstrap.servers": f"localhost:{port}", "start_from": "earliest"}))
        logged(d, "p", "--allow-host")
        for key in ("plugin.library.paths", "sasl.kerberos.kinit.cmd", "ssl.engine.location"):
            message, line = compile_error(d, source("kafka_input", {"topic": "t", "bootstrap.servers": "localhost", key: "x"}))
            assert key in message and key in line
    with limited("--allow-host", "127.0.0.0/8", "--allow-path", "/usr") as d:
        message, line = compile_error(d, source("kafka_input", {"topic": "t", "bootstrap.servers": b.bootstrap, "ssl.ca.location": "/etc/passwd"}))
        assert "--allow-path" in message and "ssl.ca.location" in line
        d.run("p", source("kafka_input", {"topic": "t", "bootstrap.servers": f"localhost:{port}", "start_from": "earliest"}))
        b.produce("t", ["5"])
        until("it is read", lambda: count(d, "p") == 1)


def test_iggy_cluster():
    """A node that the cluster names, and that may not be reached, is passed over: the one that was given comes back."""
    server = Server(standin=True)
    nodes = [["given", "127.0.0.1", server.port, 0, 0], ["other", "127.0.0.2", server.port, 1, 0]]
    try:
        server.order("nodes", nodes=nodes)
        with server.client() as c:
            c.create("s", "t")
            c.send("s", "t", ["1", "2"])
        config = {"address": server.address, "username": "iggy", "password": "iggy", "stream": "s", "topic": "t", "start_from": "earliest",
                  "reconnect_interval": "100ms"}
        with limited("--allow-host", "127.0.0.1") as d:
            d.run("p", source("iggy_input", config))
            until("what is there is read", lambda: count(d, "p") == 2)
            server.stop()
            logged(d, "p", "--allow-host")
            server.start()
            with server.client() as c:
                c.send("s", "t", ["3"])
            until("the rest is read", lambda: count(d, "p") == 3)
    finally:
        server.close()


def test_kafka_by_address(mock_broker):
    """What a name stands for shows when a connection is opened: this one is another way to write 127.0.0.1."""
    port = mock_broker("t:1").bootstrap.split(":")[1]
    with limited("--deny-private-hosts") as d:
        d.run("p", source("kafka_input", {"topic": "t", "bootstrap.servers": f"0x7f.1:{port}"}))
        logged(d, "p", "--deny-private-hosts")
        d.stop_pipeline("p")


@pytest.fixture(scope="module")
def server():
    s = postgres.Server()
    yield s
    s.close()


def test_postgres(server):
    server.sql("CREATE TABLE src (a int); INSERT INTO src VALUES (1), (2)")
    local = f"postgresql://postgres@localhost:{server.port}/postgres"

    def table(config):
        return source("postgres_input", {"query": "SELECT a FROM src", **config}, fmt=None)
    with limited("--allow-host", "127.0.0.1", "--allow-host", "db.example") as d:
        for bad in ("postgresql://u@10.0.0.1/x", "host=db.example hostaddr=10.0.0.1", "postgresql://u@127.0.0.1,10.0.0.2/x",
                    f"host={server.dir} user=postgres", "service=prod host=127.0.0.1"):
            message, line = compile_error(d, table({"uri": bad}))
            assert '"uri"' in line, (bad, message)
        d.run("good", table({"uri": local}))
        until("it is read", lambda: count(d, "good") == 2)
    with limited("--deny-private-hosts") as d:
        message, _ = compile_error(d, table({"uri": local}))
        assert "--deny-private-hosts" in message
        d.create("p", table({"uri": "${env:URI}"}), {"env": {"URI": local}})
        d.ok("POST", "/v0/pipelines/p/start")
        error = until("it fails", lambda: d.get("/v0/pipelines/p?selector=status").json()["deployment_error"])
        assert "${env:URI}" in error["message"], error
        d.run("q", table({"uri": local.replace("localhost", "0x7f.1")}))
        assert "0x7f.1" in failed(d, "q") and "--deny-private-hosts" in failed(d, "q")


def test_the_passwords_of_whoever_runs_the_daemon(server, tmp_path):
    """libpq would look into ~/.pgpass, which goes by the host's name, whatever address the program says it has."""
    server.sql("CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)")
    (tmp_path / ".pgpass").write_text(f"db.example:*:*:guarded:{postgres.PASSWORD}\n")
    (tmp_path / ".pgpass").chmod(0o600)
    uri = f"host=db.example hostaddr=127.0.0.1 port={server.port} user=guarded dbname=postgres"
    text, env = source("postgres_input", {"query": "SELECT a FROM kept", "uri": uri}, fmt=None), {"HOME": str(tmp_path)}
    with limited(env=env) as d:
        d.run("p", text)
        until("it is read", lambda: count(d, "p") == 1)
    with limited("--allow-host", "127.0.0.1", env=env) as d:
        d.run("p", text)
        assert "no password supplied" in failed(d, "p")


@pytest.mark.parametrize("args,what", [
    (["--allow-path", "/no/such/folder"], "No such file"), (["--allow-host", "a b"], "is no host"), (["--allow-host", "10.0.0.0/40"], "is no host")])
def test_wrong_options(tmp_path, args, what):
    r = subprocess.run([HEADGATE, "serve", "--data-dir", str(tmp_path / "d"), *args], capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 2 and what in r.stderr and r.stderr.count("\n") == 1, r
    assert not (tmp_path / "d").exists()
