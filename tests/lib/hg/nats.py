"""A real NATS server with JetStream in a temporary folder, on loopback, and the little of a client that tests need."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile

from . import PATIENCE, until
from .kafka import free_port


class Server:
    """conf: more lines of its configuration file. auth: (user, password), (token,) or what makes options of CONNECT from the server's nonce, for our
    own connections. tls: (certificate, key) files."""

    def __init__(self, conf="", auth=(), tls=None):
        self.bin = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/sbin")
        assert self.bin, "no NATS server here: ./dev setup test"
        self.port, self.auth, self.tls = free_port(), auth, tls
        self.dir = tempfile.mkdtemp(prefix="hgn")
        self.configure(conf)
        self.proc = None
        self.start()

    def configure(self, conf):
        with open(os.path.join(self.dir, "conf"), "w") as f:
            f.write(f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.dir}/js" }}\n{conf}\n')
            if self.tls:
                f.write(f'tls {{ cert_file: "{self.tls[0]}", key_file: "{self.tls[1]}" }}\n')

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.proc = subprocess.Popen([self.bin, "-c", os.path.join(self.dir, "conf")], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until("NATS answers", self._answers)

    def _answers(self):
        assert self.proc.poll() is None, open(os.path.join(self.dir, "log")).read()[-2000:]
        try:
            return "error" not in self.api("INFO")
        except OSError:
            return False

    def stop(self, sig=signal.SIGKILL):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        self.proc.wait(PATIENCE)

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def url(self):
        return f"{'tls' if self.tls else 'nats'}://127.0.0.1:{self.port}"

    def _connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        line = b""
        while not line.endswith(b"\r\n"):
            c = s.recv(1)
            if not c:
                raise OSError("closed")
            line += c
        if self.tls:
            ctx = ssl.create_default_context(cafile=str(self.tls[0]))
            s = ctx.wrap_socket(s, server_hostname="127.0.0.1")
        options = {"verbose": False}
        if callable(self.auth):
            options |= self.auth(json.loads(line[5:])["nonce"])
        elif len(self.auth) == 2:
            options |= {"user": self.auth[0], "pass": self.auth[1]}
        elif self.auth:
            options["auth_token"] = self.auth[0]
        s.sendall(b"CONNECT " + json.dumps(options).encode() + b"\r\nSUB in 1\r\n")
        return s, s.makefile("rb")

    def _answer(self, f):
        while line := f.readline():
            if line.startswith(b"-ERR"):
                raise OSError(line.decode())
            if line.startswith(b"MSG"):
                return json.loads(f.read(int(line.split()[-1]) + 2))
        raise OSError("closed")

    def api(self, subject, body=None):
        s, f = self._connect()
        with s:
            data = json.dumps(body).encode() if body is not None else b""
            s.sendall(b"PUB $JS.API.%s in %d\r\n%s\r\n" % (subject.encode(), len(data), data))
            return self._answer(f)

    def stream(self, name, subjects, **config):
        r = self.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": list(subjects), "storage": "file", "num_replicas": 1, "max_age": 0,
                                               "retention": "limits", "discard": "old", "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, **config})
        assert "error" not in r, r

    def publish(self, subject, *payloads):
        """Each is in the stream when this returns."""
        s, f = self._connect()
        with s:
            for i in range(0, len(payloads), 500):
                part = [p if isinstance(p, bytes) else p.encode() for p in payloads[i:i + 500]]
                s.sendall(b"".join(b"PUB %s in %d\r\n%s\r\n" % (subject.encode(), len(p), p) for p in part))
                for _ in part:
                    assert "error" not in self._answer(f)
