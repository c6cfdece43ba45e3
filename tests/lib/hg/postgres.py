"""A real PostgreSQL server in a temporary folder, on loopback. The server refuses root: then it runs as the user that Debian's package makes,
or (where root is but the name of another user: tests/chaos) in a user namespace that gives it another one."""
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from . import PATIENCE, until
from .kafka import free_port

PASSWORD = "geheim-4711"


def bindir():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    return os.path.dirname(found[-1]) if found else None


def root_in_name_only():
    with open("/proc/self/uid_map") as f:
        return os.getuid() == 0 and f.read().split()[1] != "0"


class Server:
    """tls: (certificate, key) files, for connections by TCP."""

    def __init__(self, tls=None):
        self.bin, self.port = bindir(), free_port()
        assert self.bin, "no PostgreSQL server here: ./dev setup test"
        self.dir = tempfile.mkdtemp(prefix="hgp")
        self.prefix = ["unshare", "-U", "--map-user=1000", "--map-group=1000", "--"] if root_in_name_only() else []
        self.user = pwd.getpwnam("postgres") if os.getuid() == 0 and not self.prefix else None
        if self.user:
            os.chown(self.dir, self.user.pw_uid, self.user.pw_gid)
        self.data = os.path.join(self.dir, "data")
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C")
        conf = (f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.dir}'\nfsync = off\n"
                "shared_buffers = 32MB\nmax_connections = 60\n")
        if tls:
            for path, name in zip(tls, ("server.crt", "server.key")):
                to = os.path.join(self.data, name)
                shutil.copy(path, to)
                os.chmod(to, 0o600)
                if self.user:
                    os.chown(to, self.user.pw_uid, self.user.pw_gid)
            conf += "ssl = on\n"
        with open(os.path.join(self.data, "postgresql.conf"), "a") as f:
            f.write(conf)
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as f:
            f.write("local all all trust\nhost all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
        self.proc = None
        self.start()
        self.sql(f"CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '{PASSWORD}'")

    def _as_user(self, argv):
        return ["runuser", "-u", "postgres", "--", *argv] if self.user else [*self.prefix, *argv]

    def _run(self, name, *args):
        subprocess.run(self._as_user([os.path.join(self.bin, name), *args]), check=True, capture_output=True, cwd=self.dir, timeout=PATIENCE)

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.proc = subprocess.Popen([*self.prefix, os.path.join(self.bin, "postgres"), "-D", self.data], stdout=log, stderr=log, cwd=self.dir,
                                         stdin=subprocess.DEVNULL, user=self.user.pw_uid if self.user else None,
                                         group=self.user.pw_gid if self.user else None, extra_groups=[] if self.user else None)
        until("PostgreSQL answers", self._answers)

    def _answers(self):
        assert self.proc.poll() is None, open(os.path.join(self.dir, "log")).read()[-2000:]
        return subprocess.run([os.path.join(self.bin, "pg_isready"), "-q", "-h", self.dir, "-p", str(self.port)], timeout=PATIENCE).returncode == 0

    def stop(self, sig=signal.SIGINT):
        """SIGINT: fast, clients are told; SIGQUIT: at once, as a crash."""
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        self.proc.wait(PATIENCE)

    def close(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.dir, ignore_errors=True)

    def uri(self, port=None, user="postgres", host="127.0.0.1"):
        return f"postgresql://{user}@{host}:{port or self.port}/postgres"

    def sql(self, text):
        """Rows as lists of texts; NULL is None."""
        p = subprocess.run([os.path.join(self.bin, "psql"), "-h", self.dir, "-p", str(self.port), "-U", "postgres", "-XqAt", "-v", "ON_ERROR_STOP=1",
                            "-F", "\x1f", "-P", "null=\x02", "-f", "-"], input=text, capture_output=True, text=True, timeout=PATIENCE)
        assert p.returncode == 0, p.stderr
        return [[None if c == "\x02" else c for c in line.split("\x1f")] for line in p.stdout.split("\n")[:-1]]

    def one(self, text):
        return self.sql(text)[0][0]


def source(name, server, query, port=None, **config):
    members = {k: config.pop(k) for k in ("labels", "start_after", "max_queued_records") if k in config}
    config = {"uri": server.uri(port), "query": query, **config}
    return {"name": name, "transport": {"name": "postgres_input", "config": config}, **members}


def sink(name, server, table, index, port=None, **config):
    return {"name": name, "index": index, "transport": {"name": "postgres_output", "config": {"uri": server.uri(port), "table": table, **config}}}
