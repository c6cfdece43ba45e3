"""The surroundings of headgate and everything that can go wrong in them: broker, servers, proxies, disk, clock, processes."""
import errno
import json
import mmap
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import requests

from hg import BUILD, PATIENCE, until
from hg.daemon import Daemon
from hg.httpd import Httpd
from hg.kafka import Broker, free_port
from hg.postgres import Server as Postgres
from hg.proxy import Proxy
from hg.s3 import Server as S3

DISK = 48 << 20  # the data directory's file system
CLOCK = BUILD / "tests" / "chaos_clock.so"


class World:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="hgchaos")
        self.disk = os.path.join(self.dir, "disk")
        os.mkdir(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", self.disk], check=True)
        back = free_port()
        self.kafka_proxy = Proxy(back)
        self.broker = Broker(proxied=self.kafka_proxy.port, back_port=back)
        self.web, self.postgres, self.s3 = Httpd(), Postgres(), S3()
        self.web_proxy, self.postgres_proxy = Proxy(self.web.server.server_port), Proxy(self.postgres.port)
        self.s3_proxy = Proxy(self.s3.port)
        self.proxies = {"broker": self.kafka_proxy, "web": self.web_proxy, "postgres": self.postgres_proxy, "s3": self.s3_proxy}
        clock = os.path.join(self.dir, "clock")
        with open(clock, "wb") as f:
            f.write(bytes(8))
        with open(clock, "r+b") as f:
            self._clock = mmap.mmap(f.fileno(), 8)
        data = os.path.join(self.disk, "d")
        os.mkdir(data)
        self.daemon = Daemon(data, env={"CHAOS_CLOCK": clock, "LD_PRELOAD": str(CLOCK)})

    def close(self):
        self.calm()
        self.daemon.close()
        self.broker.close()
        for server in (self.web, self.postgres, self.s3):
            server.close()
        for p in self.proxies.values():
            p.close()
        subprocess.run(["umount", "-l", self.disk], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    # --- faults ---
    def move_clock(self, seconds):
        now, = struct.unpack("q", self._clock[:8])
        self._clock[:8] = struct.pack("q", now + seconds * 10**9)

    def fill_disk(self, free):
        with open(os.path.join(self.disk, "ballast"), "wb") as f:
            while True:
                st = os.statvfs(self.disk)
                try:
                    os.posix_fallocate(f.fileno(), 0, max(4096, st.f_bavail * st.f_frsize - free))
                    return
                except OSError as e:  # somebody wrote meanwhile
                    if e.errno != errno.ENOSPC:
                        raise

    def free_disk(self):
        path = os.path.join(self.disk, "ballast")
        if os.path.exists(path):
            os.unlink(path)

    def calm(self):
        """Nothing is wrong any more. The clock is set right too: a broker takes no messages from more than an hour ahead."""
        self.free_disk()
        self._clock[:8] = bytes(8)
        self.s3.fails = 0
        for p in self.proxies.values():
            p.heal()
        if self.broker.proc.poll() is not None:
            self.broker.start()
        if self.daemon.proc.poll() is not None:
            self.daemon.start()

    def kill_broker(self):
        self.broker.stop(signal.SIGKILL)
        self.broker.start()

    def kill_postgres(self):
        """As by a crash: what was not committed is gone, what was is recovered."""
        self.postgres.stop(signal.SIGQUIT)
        self.postgres.start()

    def kill_manager(self):
        if self.daemon.proc.poll() is None:
            self.daemon.kill()

    def kill_pipeline(self, name):
        pid = self.daemon.pid_of(name)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        until("the process is gone", lambda: self.daemon.pid_of(name) != pid)
        return True

    # --- the API, where anything may be away for a moment ---
    def ask(self, method, path, **kw):
        """The answer, or None if there was none (in time)."""
        try:
            return self.daemon.request(method, path, **kw)
        except requests.RequestException:
            return None

    def status(self, name):
        r = self.ask("GET", f"/v0/pipelines/{name}?selector=status")
        return r.json() if r is not None and r.status_code == 200 else None

    def ensure_running(self, name, nudge, timeout=PATIENCE):
        """As an operator would: what is stopped is started, whoever or whatever stopped it; nudge() while it does not run. What it needs to
        come up may be away: a replay reads its sources again, and goes on when they are back."""
        away = not all(p.passes() for p in self.proxies.values())
        if away:
            timeout = 2
        last = None
        end = time.monotonic() + timeout
        while True:
            s = self.status(name)
            if s and s["deployment_status"] == s["deployment_desired_status"] == "Running":
                r = self.ask("GET", f"/v0/pipelines/{name}/stats")  # a death may not have been noticed yet
                if r is not None and r.status_code == 200:
                    return
            if s and s["deployment_status"] == "Stopped":
                if s.get("deployment_error"):
                    last = s["deployment_error"]
                    self.ask("POST", f"/v0/pipelines/{name}/dismiss_error", raw=True)
                self.ask("POST", f"/v0/pipelines/{name}/start")
            nudge()
            if time.monotonic() > end and away:
                return
            if time.monotonic() > end:
                raise AssertionError(f"{name} does not run again: {json.dumps(s)[:1500]}; last error: {json.dumps(last)[:1500]}")
            time.sleep(0.02)

    def log_of(self, name):
        for folder, _, files in os.walk(os.path.join(self.daemon.data_dir, "pipelines")):
            if "deployment.json" in files:
                with open(os.path.join(folder, "deployment.json")) as f:
                    if json.load(f)["name"] == name:
                        with open(os.path.join(folder, "log"), errors="replace") as log:
                            return log.read()
        return ""
