"""`headgate serve` as a fixture: a daemon on a free port with a data directory of its own."""
import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import urllib.parse

import requests

from . import HEADGATE, PATIENCE, shapes, until
from .witness import Witness


class Daemon:
    def __init__(self, data_dir=None, env=None, args=(), key=None, verify=True):
        """env: what the daemon and its pipelines have in their environment beside ours; args: further options of serve; key: the API key to send;
        verify: the certificate to trust."""
        self._own = None
        self.env = env or {}
        self.args = list(args)
        self.key = key
        self.verify = verify
        if data_dir is None:
            self._own = tempfile.TemporaryDirectory(prefix="hg")
            data_dir = self._own.name
        self.data_dir = data_dir
        self.proc = None
        self._witness = None
        self.start()

    def start(self):
        self.err = open(os.path.join(self.data_dir, "daemon.err"), "ab")
        self.proc = subprocess.Popen(
            [HEADGATE, "serve", "--data-dir", self.data_dir, "--port", "0", *self.args],
            stdout=subprocess.PIPE, stderr=self.err, text=True, env={**os.environ, **self.env})
        line = self.proc.stdout.readline()
        m = re.search(r"listening on (https?://[^,]+),", line)
        assert m, f"no ready line, but {line!r}; " + open(self.err.name).read()[-2000:]
        self.ready_line = line.strip()
        self.url = m.group(1)
        shapes.watch(self.url)

    @property
    def overheard(self):
        """The address for clients that are programs of their own: what they are told is held against shapes.py, too. Of a daemon that
        is not started again."""
        if not self._witness:
            self._witness = Witness(self.url)
        return self._witness.url

    def stop(self, sig=signal.SIGTERM, timeout=PATIENCE):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        self.proc.wait(timeout)
        self.proc.stdout.close()
        self.err.close()

    def kill(self):
        self.stop(signal.SIGKILL)

    def close(self):
        """Stop every pipeline, then the daemon; leave nothing running."""
        with contextlib.suppress(Exception):
            if self.proc.poll() is None:
                for p in self.get("/v0/pipelines?selector=status").json():
                    self.post(f"/v0/pipelines/{p['name']}/stop?force=true")
                for p in self.get("/v0/pipelines?selector=status").json():
                    self.wait_status(p["name"], "Stopped")
        self.stop()
        if self._witness:
            before = len(shapes.wrong)
            self._witness.close()
            assert len(shapes.wrong) == before, shapes.wrong[before:]
        try:
            assert self.proc.returncode == 0, f"the daemon ended with {self.proc.returncode}: " + open(self.err.name).read()[-3000:]
            self._no_sanitizer_reports()
        finally:
            if self._own:
                self._own.cleanup()

    def _no_sanitizer_reports(self):
        """What a sanitizer says goes to the standard error of the daemon and into the logs of the pipelines."""
        for folder, _, files in os.walk(self.data_dir):
            for name in files:
                if name not in ("daemon.err", "log"):
                    continue
                with open(os.path.join(folder, name), errors="replace") as f:
                    text = f.read()
                m = re.search(r"^.*(Sanitizer|runtime error:)", text, re.M)
                assert not m, f"{name}: " + text[m.start():m.start() + 6000]

    def tell(self):
        """For a test that failed: what the pipelines say about themselves, and the ends of all logs."""
        out = []
        try:
            for p in self.get("/v0/pipelines?selector=status", raw=True, timeout=5).json():
                out.append(f"{p['name']}: {p['deployment_status']}\n" + self.get(f"/v0/pipelines/{p['name']}/stats", raw=True, timeout=5).text)
        except (requests.RequestException, ValueError, KeyError, TypeError) as e:
            out.append(repr(e))
        for folder, _, files in os.walk(self.data_dir):
            for name in {"daemon.err", "log"} & set(files):
                with open(os.path.join(folder, name), errors="replace") as f:
                    out.append(f"{folder}/{name}:\n" + f.read()[-6000:])
        return "\n".join(out)

    # --- HTTP ---
    def request(self, method, path, **kw):
        """Every answer is held against shapes.py, unless it is not about this API (raw=True)."""
        __tracebackhide__ = True
        kw.setdefault("timeout", PATIENCE)
        kw.setdefault("verify", str(self.verify) if self.verify is not True else True)
        if self.key:
            kw["headers"] = {"Authorization": f"Bearer {self.key}", **kw.get("headers", {})}
        with shapes.unchecked() if kw.pop("raw", False) else contextlib.nullcontext():
            return requests.request(method, self.url + path, **kw)

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, **kw):
        return self.request("POST", path, **kw)

    def ok(self, method, path, **kw):
        r = self.request(method, path, **kw)
        assert r.status_code < 300, f"{method} {path}: {r.status_code} {r.text[:2000]}{self._why_stopped(path) if r.status_code == 503 else ''}"
        return r

    def _why_stopped(self, path):
        p = self.get("/".join(path.split("?")[0].split("/")[:4]) + "?selector=status", raw=True).json()
        return f"; deployment_error: {json.dumps(p.get('deployment_error'))}"

    # --- pipelines ---
    def create(self, name, program, runtime_config=None):
        if "fault_tolerance" in (runtime_config or {}) and "dev_tweaks" not in runtime_config:
            # what a test kills stays dead, unless the test is about supervision
            runtime_config = {**runtime_config, "dev_tweaks": {"headgate": {"restart": "never"}}}
        self.ok("PUT", f"/v0/pipelines/{name}", json={
            "name": name, "program_code": program, "runtime_config": runtime_config or {}, "program_config": {}})

        def compiled():
            p = self.get(f"/v0/pipelines/{name}").json()
            assert p["program_status"] not in ("SqlError", "SystemError", "RustError"), json.dumps(p["program_error"], indent=1)
            return p["program_status"] == "Success"
        until(f"pipeline {name} is compiled", compiled)

    def start_pipeline(self, name, initial="running", **params):
        self.ok("POST", f"/v0/pipelines/{name}/start", params={"initial": initial, **params})
        self.wait_status(name, initial.capitalize())

    def run(self, name, program, initial="running", runtime_config=None):
        self.create(name, program, runtime_config)
        self.start_pipeline(name, initial)

    def wait_status(self, name, status):
        def there():
            p = self.get(f"/v0/pipelines/{name}?selector=status").json()
            assert not p.get("deployment_error") or status == "Stopped", json.dumps(p["deployment_error"])
            return p["deployment_status"] == status
        until(f"pipeline {name} is {status}", there)

    def stop_pipeline(self, name, force=True):
        self.ok("POST", f"/v0/pipelines/{name}/stop?force={'true' if force else 'false'}")
        self.wait_status(name, "Stopped")

    def pid_of(self, name):
        """Process of a pipeline of this daemon, or None."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    args = f.read().split(b"\0")
                if len(args) > 2 and args[1] == b"pipeline" and os.fsencode(self.data_dir) in args[2]:
                    with open(os.path.join(os.fsdecode(args[2]), "deployment.json")) as f:
                        if json.load(f)["name"] == name:
                            return int(pid)
            except OSError:
                continue
        return None

    def stats(self, name):
        return self.ok("GET", f"/v0/pipelines/{name}/stats").json()

    def input(self, name, endpoint):
        return next(i for i in self.stats(name)["inputs"] if i["endpoint_name"] == endpoint)

    def wait_complete(self, name):
        until(f"pipeline {name} is complete", lambda: self.stats(name)["global_metrics"]["pipeline_complete"])

    def query(self, name, sql):
        text = self.ok("GET", f"/v0/pipelines/{name}/query?" + urllib.parse.urlencode({"sql": sql, "format": "json"})).text
        return [json.loads(line) for line in text.splitlines()]

    def ingress(self, name, table, body, **params):
        params.setdefault("format", "json")
        if params["format"] == "json":
            params.setdefault("update_format", "raw")
        return self.post(f"/v0/pipelines/{name}/ingress/{urllib.parse.quote(table)}?" + urllib.parse.urlencode(params), data=body)

    def wait_token(self, name, token):
        until("the completion token is complete", lambda: self.ok(
            "GET", f"/v0/pipelines/{name}/completion_status?" + urllib.parse.urlencode({"token": token})).json()["status"] == "complete")
