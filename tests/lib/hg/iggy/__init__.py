"""An Iggy server for the tests: the real one when IGGY_SERVER names its binary and a test has nothing against it, else our stand-in
(`python -m hg.iggy`), which can also be trouble."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from .. import PATIENCE, ROOT, until
from ..kafka import free_port
from .client import Client
from .wire import Error, Reader

__all__ = ["Client", "Cluster", "Error", "Server"]
REAL = os.environ.get("IGGY_SERVER")


def real(folder, log, env, *args):
    env = dict(os.environ, IGGY_SYSTEM_PATH=os.path.join(folder, "data"), IGGY_HTTP_ENABLED="false", IGGY_QUIC_ENABLED="false",
               IGGY_WEBSOCKET_ENABLED="false", IGGY_SYSTEM_SHARDING_CPU_ALLOCATION="1", IGGY_ROOT_USERNAME="iggy", IGGY_ROOT_PASSWORD="iggy", **env)
    return subprocess.Popen([REAL, *args], cwd=folder, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


class Server:
    """standin: this test needs what only the stand-in does. protocol: "vsr" or "classic" (stand-in). tls: (certificate, key) files.
    options: more of the stand-in's command line."""

    def __init__(self, protocol="vsr", tls=None, standin=False, options=()):
        self.real = REAL and not standin and protocol == "vsr" and not options
        self.protocol, self.tls, self.options = protocol, tls, list(options)
        self.port, self.dir, self.proc = free_port(), tempfile.mkdtemp(prefix="hgi"), None
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            if self.real:
                env = {"IGGY_TCP_ADDRESS": self.address}
                if self.tls:
                    env |= {"IGGY_TCP_TLS_ENABLED": "true", "IGGY_TCP_TLS_CERT_FILE": str(self.tls[0]), "IGGY_TCP_TLS_KEY_FILE": str(self.tls[1])}
                self.proc = real(self.dir, log, env)
            else:
                args = ["--port", str(self.port), "--dir", os.path.join(self.dir, "data"), "--wire", self.protocol, "--orders", *self.options]
                args += ["--tls", *map(str, self.tls)] if self.tls else []
                self.proc = subprocess.Popen([sys.executable, "-m", "hg.iggy", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                             text=True, env=dict(os.environ, PYTHONPATH=str(ROOT / "tests" / "lib")))
                assert self.proc.stdout.readline(), self.log
        until("Iggy answers", self._answers)

    @property
    def log(self):
        with open(os.path.join(self.dir, "log"), errors="replace") as f:
            return re.sub("\x1b\\[[0-9;]*m", "", f.read())[-3000:]

    def _answers(self):
        assert self.proc.poll() is None, self.log
        try:
            self.client().close()
            return True
        except OSError:
            return False

    def client(self, *login):
        return Client(self.port, login or ("iggy", "iggy"), self.protocol, self.tls and self.tls[0])

    def order(self, do, **more):
        """An order to the stand-in; its answer."""
        self.proc.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.proc.stdin.flush()
        answer = json.loads(self.proc.stdout.readline())
        assert "error" not in answer, answer
        return answer

    def fault(self, on, action, **more):
        """on: a request (wire.COMMANDS) or "*"; action: drop_before, drop_after, delay (seconds), status and status_after (code), evict (reason),
        silent, cut; times (1) of them after `skip` others; topic: only requests that name it."""
        self.order("fault", on=on, action=action, **more)

    def told(self):
        """What the stand-in has seen: counts of requests by name, connections, malformed batches, …"""
        return self.order("ask")

    def stop(self, sig=signal.SIGKILL):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        self.proc.wait(PATIENCE)
        for f in (self.proc.stdin, self.proc.stdout):
            if f:
                f.close()

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Cluster:
    """Three real servers; else two stand-ins, one of which says that the other leads."""

    def __init__(self):
        self.real = bool(REAL)
        self.servers = [] if self.real else [Server(), Server()]
        self.ports = [free_port() for _ in range(3)] if self.real else [s.port for s in self.servers]
        self.dir, self.procs = tempfile.mkdtemp(prefix="hgi"), []
        env = {"IGGY_CLUSTER_ENABLED": "true", "IGGY_CLUSTER_NAME": "hg"}
        for i, port in enumerate(self.ports if self.real else []):
            env |= {f"IGGY_CLUSTER_NODES_{i}_{k}": str(v) for k, v in {"NAME": f"n{i}", "IP": "127.0.0.1", "REPLICA_ID": i, "PORTS_TCP": port}.items()}
            env |= {f"IGGY_CLUSTER_NODES_{i}_PORTS_{k}": str(free_port()) for k in ("TCP_REPLICA", "QUIC", "HTTP", "WEBSOCKET")}
        for i in range(len(self.ports) if self.real else 0):
            folder = os.path.join(self.dir, str(i))
            os.makedirs(folder)
            with open(os.path.join(folder, "log"), "ab") as log:
                self.procs.append(real(folder, log, env, "--replica-id", str(i)))
        for s in self.servers:
            s.order("nodes", nodes=[[f"n{i}", "127.0.0.1", p, int(i == 0), 0] for i, p in enumerate(self.ports)])

    def nodes(self):
        """{port: leads}, or {} while nobody answers."""
        for port in self.ports:
            try:
                with Client(port, ("iggy", "iggy"), patience=10) as c:
                    r = Reader(c.ask("cluster"))
                    r.take(r.u32())
                    found = {}
                    for _ in range(r.u32()):
                        r.take(r.u32()), r.take(r.u32())
                        tcp = int.from_bytes(r.take(8)[:2], "little")
                        found[tcp] = (r.u8(), r.u8()) == (0, 0)
                    return found
            except (OSError, Error):
                continue
        return {}

    def leader(self):
        return until("somebody leads", lambda: next((p for p, leads in self.nodes().items() if leads), None), PATIENCE / 2)

    def stands_still(self, stream, topic, partitions, payload):
        """Why the nodes that are left take no message, asked as plainly as can be: each partition's leader for one. None once all took it.
        Real servers before September 2026 can stand still for good when they have elected a leader (apache/iggy issue 4075, pull requests 3985,
        4006 to 4008)."""
        why, end = "", time.monotonic() + PATIENCE / 2
        while time.monotonic() < end:
            try:
                port = self.leader()
                with Client(port, ("iggy", "iggy"), patience=10) as c:
                    for p in range(partitions):
                        c.send(stream, topic, [payload], p)
                return None
            except (OSError, Error, AssertionError) as e:
                why = f"{e!r}"
                time.sleep(0.2)
        return why

    def kill(self, port):
        p = self.procs[self.ports.index(port)]
        p.kill()
        p.wait(PATIENCE)

    def close(self):
        for p in self.procs:
            p.kill()
            p.wait(PATIENCE)
        for s in self.servers:
            s.close()
        shutil.rmtree(self.dir, ignore_errors=True)
