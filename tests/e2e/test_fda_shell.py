"""`fda shell` on a terminal and from a pipe, `fda bench`."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from hg import FDA, PATIENCE

PROGRAM = """CREATE TABLE numbers (id BIGINT NOT NULL PRIMARY KEY, word VARCHAR) WITH ('materialized' = 'true', 'connectors' = '[
  {"name": "g", "transport": {"name": "datagen", "config": {"plan": [{"limit": 20, "fields": {"word": {"values": ["a"]}}}]}}}]');
"""


class Terminal:
    """A program on a terminal of its own: what it shows, without colours and movements of the cursor."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(str(argv[0]), [str(a) for a in argv], env)
        self.shown = ""

    def expect(self, what):
        """Waits for this text and gives what was shown up to its end."""
        end = time.monotonic() + PATIENCE
        while True:
            m = re.search(what, self.shown)
            if m:
                seen, self.shown = self.shown[:m.end()], self.shown[m.end():]
                return seen
            assert time.monotonic() < end, f"{what!r} is not in {self.shown!r}"
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:  # Linux: the other side is closed
                    data = b""
                assert data or re.search(what, self.shown), f"it ended before {what!r}: {self.shown!r}"
                self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode(errors="replace")).replace("\r", "")

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """Its exit code, after ^D."""
        self.type("\x04")
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


@pytest.fixture(scope="module")
def pipeline(daemon):
    daemon.run("n", PROGRAM)
    yield "n"
    daemon.stop_pipeline("n")


@pytest.fixture
def env(daemon, tmp_path):
    return {**{k: v for k, v in os.environ.items() if not k.startswith("FELDERA_")}, "FELDERA_HOST": daemon.overheard, "FELDERA_RETRIES": "0",
            "XDG_CONFIG_HOME": str(tmp_path), "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "200"}


def test_line_by_line(pipeline, env, tmp_path):
    t = Terminal([FDA, "shell", "n"], env)
    assert 'Type "help" for help' in t.expect(r"/n> ")
    t.type("SELECT 40 + 2 AS answer FROM numbers LIMIT 1\r")
    assert re.search(r"\| answer \|\n.*\n\| 42 ", t.expect(r"/n> "), re.S)
    t.type("SELEC\r")
    assert "ERROR: " in t.expect(r"/n> ")
    t.type("help\r")
    assert "restart" in t.expect(r"/n> ")
    t.type("exit\r")
    assert "Ctrl-D" in t.expect(r"/n> ")
    t.type("program\r")
    assert "CREATE TABLE numbers" in t.expect(r"\n\S*/n> ")
    t.type("pause\r")
    assert "Pipeline paused successfully." in t.expect(r"/n> ")
    t.type("resume\r")
    assert "Pipeline resumed successfully." in t.expect(r"/n> ")
    t.type("half a line\x03")
    assert "^C" in t.expect(r"/n> ")
    t.type("\r")  # nothing
    t.expect(r"/n> ")
    assert t.end() == 0
    path = tmp_path / "fda" / "shell_history"
    assert path.stat().st_mode & 0o77 == 0 and "half" not in path.read_text()
    # the next one has the lines of the first
    t = Terminal([FDA, "shell", "n"], env)
    t.expect(r"/n> ")
    t.type("\x1b[A")
    t.expect("resume")
    t.type("\x03")
    t.expect(r"\^C\n\S*/n> ")
    assert t.end() == 0


def test_completion(pipeline, env):
    t = Terminal([FDA, "shell", "n"], env)
    t.expect(r"/n> ")
    t.type("sel\tcount(*) FR\tnum\tWHER\two\t= 'a'\r")
    assert re.search(r"\n\| 20 +\|", t.expect(r"(?<=\n)\S*/n> "))
    t.type("pau\t\x03")
    assert "pause " in t.expect(r"\^C\n\S*/n> ")
    t.type("SELECT C\t")  # more than one
    shown = t.expect(r"COUNT.*\n")
    assert "CASE" in shown and "CAST" in shown
    t.type("\x03")
    t.expect(r"\^C\n\S*/n> ")
    assert t.end() == 0


def test_a_query_is_interrupted(daemon, env):
    """A query that waits (the pipeline's process is held up) ends with ^C, and the shell goes on."""
    daemon.run("held", PROGRAM)
    pid = daemon.pid_of("held")
    t = Terminal([FDA, "shell", "held"], env)
    t.expect(r"/held> ")
    os.kill(pid, signal.SIGSTOP)
    try:
        t.type("SELECT * FROM numbers\r")
        t.expect(r"numbers\n\n")  # the child asks
        t.type("\x03")
        t.expect("canceling statement")
    finally:
        os.kill(pid, signal.SIGCONT)
    t.expect(r"/held> ")
    t.type("SELECT count(*) AS n FROM numbers\r")
    t.expect(r"\| 20 (.|\n)*/held> ")
    assert t.end() == 0
    daemon.stop_pipeline("held")


def test_from_a_pipe(pipeline, env):
    r = subprocess.run([FDA, "shell", "n"], input="SELECT count(*) AS n FROM numbers\n\nSELEC\nSELECT 1 AS last FROM numbers LIMIT 1", env=env,
                       capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 0 and "| 20 |" in r.stdout and "| last |" in r.stdout and "/n>" not in r.stdout
    assert r.stderr.startswith("ERROR: ")


def test_no_such_pipeline(daemon, env):
    r = subprocess.run([FDA, "shell", "nobody"], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 1 and "fda create nobody" in r.stderr


def test_start_first(daemon, env):
    daemon.create("cold", PROGRAM)
    r = subprocess.run([FDA, "shell", "cold", "-s"], input="SELECT count(*) AS n FROM numbers\n", env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 0 and "Pipeline started successfully." in r.stdout and "| n " in r.stdout, r
    daemon.stop_pipeline("cold")


def test_bench(daemon, env):
    daemon.create("b", PROGRAM)
    r = subprocess.run([FDA, "bench", "b"], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 0, r
    for line in ("Benchmarking b", "Pipeline completed, stopping benchmark", "Benchmark Results:", "Throughput (records/s)", "Uptime [ms]"):
        assert line in r.stdout
    r = subprocess.run([FDA, "--format", "json", "bench", "b", "-n", "--no-transaction"], env=env, capture_output=True, text=True, timeout=PATIENCE)
    figures = json.loads(r.stdout[r.stdout.index("{"):])["b"]
    assert figures["memory"]["value"] >= figures["memory"]["lower_value"] > 0 and figures["throughput"]["value"] > 0
    daemon.wait_status("b", "Stopped")
    endless = PROGRAM.replace('"limit": 20, ', '"rate": 10, ')
    daemon.create("e", endless)
    r = subprocess.run([FDA, "bench", "e", "-d", "1"], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 0 and "Reached duration limit of 1s" in r.stdout, r
    daemon.wait_status("e", "Stopped")
    wrong = 'CREATE TABLE t (a INT) WITH (\'connectors\' = \'[{"transport": {"name": "file_input", "config": {"path": "/nonexistent"}}, "format": {"name": "csv"}}]\');'
    daemon.create("w", wrong)
    r = subprocess.run([FDA, "bench", "w"], env=env, capture_output=True, text=True, timeout=PATIENCE)  # ends, though the input never does
    assert r.returncode == 1 and "Inputs had errors" in r.stderr, r
    r = subprocess.run([FDA, "bench", "w", "-d", "x"], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert r.returncode == 2 and "--duration" in r.stderr
