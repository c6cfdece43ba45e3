"""A real Redis server in a temporary folder, on loopback."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from . import PATIENCE, until
from .kafka import free_port


class Server:
    """password: of the default user. tls: (certificate, key) files; then `port` speaks TLS only. More options of redis-server by name."""

    def __init__(self, password=None, tls=None, **options):
        self.bin, self.port, self.password = shutil.which("redis-server"), free_port(), password
        assert self.bin, "no Redis server here: ./dev setup test"
        self.dir = tempfile.mkdtemp(prefix="hgr")
        self.socket = os.path.join(self.dir, "s")
        conf = {"bind": "127.0.0.1", "port": 0 if tls else self.port, "unixsocket": self.socket, "dir": self.dir, "save": "''", "appendonly": "yes",
                "appendfsync": "always", **options}
        if tls:
            conf |= {"tls-port": self.port, "tls-cert-file": tls[0], "tls-key-file": tls[1], "tls-auth-clients": "no"}
        if password:
            conf["requirepass"] = password
        self.argv = [self.bin] + [x for k, v in conf.items() for x in (f"--{k}", str(v))]
        self.proc = None
        self.start()

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.proc = subprocess.Popen(self.argv, stdout=log, stderr=log, cwd=self.dir, stdin=subprocess.DEVNULL)
        until("Redis answers", self._answers)

    def _answers(self):
        assert self.proc.poll() is None, open(os.path.join(self.dir, "log")).read()[-2000:]
        try:
            return self("PING") == "PONG"
        except (OSError, RuntimeError):
            return False

    def stop(self, sig=signal.SIGKILL):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        self.proc.wait(PATIENCE)

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def uri(self, db=0, scheme="redis", port=None, user=""):
        auth = f"{user}:{self.password}@" if self.password else ""
        return f"{scheme}://{auth}127.0.0.1:{port or self.port}/{db}"

    def __call__(self, *args, db=0):
        """One command over the unix socket."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(self.socket)
            f = s.makefile("rwb")
            answer = None
            for command in ([("AUTH", self.password)] if self.password else []) + [("SELECT", db), args]:
                f.write(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in (str(x).encode() for x in command)))
                f.flush()
                answer = self._read(f)
            return answer

    def _read(self, f):
        line = f.readline()
        if not line:
            raise OSError("closed")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise RuntimeError(rest)
        if kind == b"$":
            return None if rest == "-1" else f.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self._read(f) for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def all(self, db=0, pattern="*"):
        """Keys and values, without headgate's own."""
        keys = [k for k in self("KEYS", pattern, db=db) if not k.startswith("headgate:")]
        return dict(zip(keys, self("MGET", *keys, db=db))) if keys else {}
