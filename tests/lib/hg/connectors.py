"""The connectors runtime (`headgate connectors`) with its configuration in a folder of its own; and Apache Iggy's own beside it, where
IGGY_CONNECTORS names its binary."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import urllib.error
import urllib.request

from . import BUILD, HEADGATE, PATIENCE, until
from .kafka import free_port

THEIRS = os.environ.get("IGGY_CONNECTORS")
SCRIPTED = BUILD / "tests" / "scripted_plugin.so"


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


class Runtime:
    def __init__(self, folder, iggy, **runtime):
        self.dir, self.iggy, self.runtime, self.proc, self.env = pathlib.Path(folder), iggy, runtime, None, {}
        self.command = [HEADGATE, "connectors", "--config", self.dir / "config.toml"]
        (self.dir / "connectors").mkdir(parents=True, exist_ok=True)

    def connector(self, kind, key, streams, plugin=None, path=SCRIPTED, **more):
        """streams: one table, or several. plugin: its [plugin_config]."""
        streams = streams if isinstance(streams, list) else [streams]
        top = {"type": kind, "key": key, "name": key, "enabled": True, "version": 0, "path": str(path)} | {
            k: v for k, v in more.items() if not isinstance(v, dict)}
        lines = [f"{k} = {toml(v)}" for k, v in top.items()]
        for s in streams:
            lines += ["[[streams]]", *(f"{k} = {toml(v)}" for k, v in ({"schema": "json"} | s).items())]
        tables = {k: v for k, v in more.items() if isinstance(v, dict)}
        for transform, settings in tables.pop("transforms", {}).items():
            tables[f"transforms.{transform}"] = {"enabled": True} | settings
        for k, v in (tables | {"plugin_config": plugin or {}}).items():
            lines += [f"[{k}]", *(f"{a} = {toml(b)}" for a, b in v.items())]
        (self.dir / "connectors" / f"{kind}_{key}.toml").write_text("\n".join(lines) + "\n")

    def source(self, key, stream="s", topic="t", plugin=None, **more):
        self.connector("source", key, {"stream": stream, "topic": topic, "linger_time": "0"}, plugin, **more)

    def sink(self, key, stream="s", topics=("t",), plugin=None, batch_length=1000, **more):
        self.connector("sink", key, {"stream": stream, "topics": topics, "batch_length": batch_length, "poll_interval": "2ms"}, plugin, **more)

    def write(self):
        """config.toml"""
        sections = {"http": {"address": "127.0.0.1:0"}, "iggy": {"address": self.iggy.address, "username": "iggy", "password": "iggy"},
                    "state": {"path": str(self.dir / "state")}, "connectors": {"config_type": "local", "config_dir": str(self.dir / "connectors")}}
        for section, keys in self.runtime.items():
            sections.setdefault(section, {}).update(keys)
        (self.dir / "config.toml").write_text("\n".join(f"[{s}]\n" + "\n".join(f"{k} = {toml(v)}" for k, v in keys.items())
                                                        for s, keys in sections.items()))

    def start(self):
        self.write()
        begin = len(self.log)
        with open(self.dir / "log", "ab") as log:
            self.proc = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.dir,
                                         env=os.environ | self.env)
        found = until("the API listens", lambda: self._ended() or re.search(r'listening url="([^"]+)"', self.log[begin:]))
        self.url = found[1]
        return self

    def _ended(self):
        assert self.proc.poll() is None, self.log
        return None

    @property
    def log(self):
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def ask(self, method, path):
        """(status, answer)"""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method), timeout=PATIENCE) as r:
                body, status = r.read(), r.status
        except urllib.error.HTTPError as e:
            body, status = e.read(), e.code
        return status, json.loads(body) if body else None

    def get(self, path):
        status, answer = self.ask("GET", path)
        assert status == 200, (path, status, answer)
        return answer

    def post(self, path, expect=204):
        status, answer = self.ask("POST", path)
        assert status == expect, (path, status, answer)
        return answer

    def stats(self, key):
        return next(c for c in self.get("/stats")["connectors"] if c["key"] == key)

    def hosts(self):
        """Processes of plugins."""
        found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.proc.pid)], capture_output=True, text=True).stdout
        return [int(line.split()[0]) for line in found.splitlines() if " iggy-plugin " in line]

    def kill_hosts(self):
        for pid in until("a process hosts plugins", self.hosts):
            with contextlib.suppress(ProcessLookupError):  # it had died already
                os.kill(pid, signal.SIGKILL)

    def stop(self, sig=signal.SIGTERM):
        """Its exit code."""
        if self.proc is None:
            return None
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        code = self.proc.wait(PATIENCE)
        self.proc = None
        return code


class TheirRuntime(Runtime):
    """Apache Iggy's, with the same files."""

    def start(self):
        port = free_port()
        self.runtime.setdefault("http", {})["address"] = f"127.0.0.1:{port}"
        self.write()
        with open(self.dir / "log", "ab") as log:
            self.proc = subprocess.Popen([THEIRS], stdout=log, stderr=log, cwd=self.dir,
                                         env=dict(os.environ, IGGY_CONNECTORS_CONFIG_PATH=str(self.dir / "config.toml")))
        self.url = f"http://127.0.0.1:{port}"
        until("the API answers", lambda: self._ended() or self._answers(), interval=0.05)
        return self

    def _answers(self):
        with contextlib.suppress(OSError):
            return self.ask("GET", "/health")[0] == 200
        return False
