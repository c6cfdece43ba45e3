"""`headgate run` and its relatives as processes, and HTTP over a unix socket to a pipeline in the foreground."""
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

from . import HEADGATE, PATIENCE, until


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def headgate(*args, timeout=PATIENCE, **kw):
    """Run to its end."""
    p = subprocess.run([HEADGATE, *map(str, args)], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **kw)
    return Result(p.returncode, p.stdout, p.stderr)


def run(tmp_path, program, *args, name="prog", **kw):
    """`headgate run` of a program's text."""
    path = tmp_path / f"{name}.sql"
    path.write_text(program)
    return headgate("run", path, *args, **kw)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Foreground:
    """`headgate run` while it runs; its HTTP endpoints are reached through --socket."""

    def __init__(self, tmp_path, program, *args, name="prog"):
        path = tmp_path / f"{name}.sql"
        path.write_text(program)
        self.dir = tempfile.TemporaryDirectory(prefix="hgs")
        self.socket = os.path.join(self.dir.name, "s")
        self.out_path, self.err_path = tmp_path / f"{name}.out", tmp_path / f"{name}.err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.proc = subprocess.Popen([HEADGATE, "run", path, "--socket", self.socket, *args], stdout=out, stderr=err,
                                         stdin=subprocess.DEVNULL)
        until("the pipeline answers", lambda: self.proc.poll() is not None or self._answers())

    def _answers(self):
        try:
            return self.get("/status")
        except OSError:
            return None

    def request(self, method, path):
        c = _UnixConnection(self.socket)
        try:
            c.request(method, path)
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def get(self, path):
        status, body = self.request("GET", path)
        assert status == 200, (status, body)
        return json.loads(body)

    def post(self, path):
        status, body = self.request("POST", path)
        assert status == 200, (status, body)

    def input(self, endpoint):
        return next(i for i in self.get("/stats")["inputs"] if i["endpoint_name"] == endpoint)

    def output(self, endpoint):
        return next(o for o in self.get("/stats")["outputs"] if o["endpoint_name"] == endpoint)

    @property
    def out(self):
        return self.out_path.read_text()

    @property
    def err(self):
        return self.err_path.read_text()

    def signal(self, sig=signal.SIGINT):
        self.proc.send_signal(sig)

    def wait(self, timeout=PATIENCE):
        return Result(self.proc.wait(timeout), self.out, self.err)

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.dir.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class RssSampler:
    """Highest resident size seen of a process, by a thread that looks every 20 ms."""

    def __init__(self, pid):
        import threading
        self.pid, self.peak, self._stop = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self._stop.is_set():
            try:
                self.peak = max(self.peak, rss_bytes(self.pid))
            except (OSError, IndexError, ValueError):
                return
            time.sleep(0.02)

    def stop(self):
        self._stop.set()
        self.thread.join()
        return self.peak
