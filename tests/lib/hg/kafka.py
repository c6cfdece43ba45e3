"""A real Kafka broker (KRaft, one JVM), one per test run: whoever comes first starts it, a small supervisor stops it when the run is over."""
import fcntl
import glob
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import uuid

from . import CACHE, MOCK_BROKER, PATIENCE, until


_keep = []  # as long as this process
KCAT = ("kcat", "-m", "60")  # seconds until a broker that is busy has answered once; kcat's own are 5
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"  # any 16 bytes in base64; a random one may begin with '-'


def free_port():
    """Below the range of which outgoing connections take theirs: a server that is down for a while finds its port free again. It is ours until
    this process ends: tests that run beside this one do not get it, though nothing listens yet."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low = int(f.read().split()[0])
    folder = os.path.join(tempfile.gettempdir(), "headgate-test-ports")
    os.makedirs(folder, exist_ok=True)
    while True:
        port = random.randrange(min(15000, low // 2), low)
        claim = open(os.path.join(folder, str(port)), "w")
        with socket.socket() as s:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                claim.close()
                continue
            _keep.append(claim)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Broker:
    """Real broker in a temporary folder. It has a second listener, `back_port`, that tells clients to come through the port `proxied`.
    It looks for transactions that are too old every 100 ms."""

    def __init__(self, proxied=None, back_port=None):
        self.dir = tempfile.mkdtemp(prefix="hgk")
        self.port, controller = free_port(), free_port()
        names, advertised = f"PLAINTEXT://127.0.0.1:{self.port}", f"PLAINTEXT://127.0.0.1:{self.port}"
        if proxied:
            names += f",PROXIED://127.0.0.1:{back_port}"
            advertised += f",PROXIED://127.0.0.1:{proxied}"
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.conf = os.path.join(self.dir, "server.properties")
        with open(self.conf, "w") as f:
            f.write(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={names},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={self.dir}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=100
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=1000
""")
        self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", self.conf).wait()
        self.proc = None
        self.start()

    def _java(self, main, *args, heap="256m"):
        libs = os.path.join(CACHE, "kafka", "libs", "*")
        assert glob.glob(libs), "the Kafka broker is not installed: run ./dev setup test"
        self.log = open(os.path.join(self.dir, "log"), "ab")
        return subprocess.Popen(
            ["java", "-Xms64m", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", libs, main, *args],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, cwd=self.dir)

    def start(self):
        self.proc = self._java("kafka.Kafka", self.conf)

        def answers():
            assert self.proc.poll() is None, open(self.log.name).read()[-3000:]
            return subprocess.run(["kcat", "-b", self.bootstrap, "-L", "-m", "2"], capture_output=True).returncode == 0
        until("the broker answers", answers, interval=0.1)

    def stop(self, sig=signal.SIGTERM):
        self.proc.send_signal(sig)
        self.proc.wait(PATIENCE)

    def close(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)


def shared():
    """bootstrap servers of the run's broker. The run is the ctest (or pytest) process that is our oldest ancestor with HG_BUILD; its file
    lives beside the build and is valid while its supervisor runs."""
    from . import BUILD
    path = os.path.join(BUILD, "kafka.json")
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            with open(path) as f:
                info = json.load(f)
            os.kill(info["pid"], 0)
            os.kill(info["run"], 0)  # else it is about to stop
            return info["bootstrap"]
        except (OSError, ValueError, KeyError):
            pass
        sup = subprocess.Popen([sys.executable, "-m", "hg.kafka", str(_run_pid())], stdout=subprocess.PIPE, text=True, start_new_session=True,
                               env=dict(os.environ))
        bootstrap = sup.stdout.readline().strip()
        assert bootstrap, "the Kafka supervisor did not start a broker"
        _keep.append(sup)
        with open(path, "w") as f:
            json.dump({"pid": sup.pid, "run": _run_pid(), "bootstrap": bootstrap}, f)
        return bootstrap


def _run_pid():
    """The ctest process above us, else our own: the broker goes when it is gone."""
    pid = os.getpid()
    while pid > 1:
        with open(f"/proc/{pid}/stat") as f:
            name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        if name == "ctest":
            return pid
        pid = int(rest.split()[1])
    return os.getpid()


def _text(s):
    return struct.pack(">h", -1) if s is None else struct.pack(">h", len(s.encode())) + s.encode()


def _ask(bootstrap, api, version, body):
    """One request of Kafka's protocol (a version without tagged fields), for what kcat does not offer and a JVM is too slow for."""
    host, port = bootstrap.split(":")
    with socket.create_connection((host, int(port)), PATIENCE) as c:
        m = struct.pack(">hhi", api, version, 1) + _text("test") + body
        c.sendall(struct.pack(">i", len(m)) + m)
        f = c.makefile("rb")
        n, = struct.unpack(">i", f.read(4))
        return f.read(n)[4:]


class Topic:
    """A fresh topic on a broker."""

    def __init__(self, bootstrap, partitions=1, name=None, config=()):
        self.bootstrap, self.name, self.partitions = bootstrap, name or "t" + uuid.uuid4().hex[:12], partitions
        entries = [c.split("=", 1) for c in config]
        answer = _ask(bootstrap, 19, 2, struct.pack(">i", 1) + _text(self.name) + struct.pack(">ihii", partitions, 1, 0, len(entries)) +
                      b"".join(_text(k) + _text(v) for k, v in entries) + struct.pack(">ib", 30000, 0))
        error, = struct.unpack_from(">h", answer, 8 + len(_text(self.name)))
        assert error == 0, f"CreateTopics: error {error}: {answer!r}"

        def leads():
            r = subprocess.run([*KCAT, "-b", bootstrap, "-L", "-J", "-t", self.name], capture_output=True, text=True)
            parts = json.loads(r.stdout)["topics"][0]["partitions"] if r.returncode == 0 else []
            return len(parts) == partitions and all(p["leader"] >= 0 for p in parts)
        until("every partition has its leader", leads)

    def configure(self, **config):
        """Set options of the topic, named with _ instead of dots (IncrementalAlterConfigs)."""
        body = struct.pack(">ib", 1, 2) + _text(self.name) + struct.pack(">i", len(config))
        for k, v in config.items():
            body += _text(k.replace("_", ".")) + struct.pack(">b", 0) + _text(str(v))
        answer = _ask(self.bootstrap, 44, 0, body + b"\0")
        error, = struct.unpack_from(">h", answer, 8)
        assert error == 0, answer

    def delete_before(self, partition, offset):
        """Let the broker forget everything before this offset, as retention does."""
        answer = _ask(self.bootstrap, 21, 0, struct.pack(">i", 1) + _text(self.name) + struct.pack(">iiq", 1, partition, offset) +
                      struct.pack(">i", 30000))
        low, error = struct.unpack_from(">qh", answer, 8 + len(_text(self.name)) + 8)
        assert (low, error) == (offset, 0), answer

    def produce(self, lines, partition=0, key_delimiter=None):
        cmd = [*KCAT, "-b", self.bootstrap, "-t", self.name, "-p", str(partition), "-P"]
        if key_delimiter:
            cmd += ["-K", key_delimiter, "-Z"]
        subprocess.run(cmd, input="".join(x + "\n" for x in lines), text=True, check=True)

    def produce_bytes(self, *payloads, partition=0):
        """Messages of any bytes: each is a file, which kcat sends as it is."""
        with tempfile.TemporaryDirectory() as d:
            names = []
            for i, p in enumerate(payloads):
                names.append(os.path.join(d, str(i)))
                with open(names[-1], "wb") as f:
                    f.write(p)
            subprocess.run([*KCAT, "-b", self.bootstrap, "-t", self.name, "-p", str(partition), "-P", *names], check=True)

    def read_bytes(self, count=None):
        """[(key, payload, headers)]: bytes or None, headers as {name: text}."""
        cmd = [*KCAT, "-b", self.bootstrap, "-t", self.name, "-C", "-o", "beginning", "-q", "-f", "%K %S %h\\n%k%s\\n",
               "-X", "fetch.wait.max.ms=10", *(["-c", str(count)] if count else ["-e"])]
        out = subprocess.run(cmd, capture_output=True, check=True, timeout=PATIENCE).stdout
        got, at = [], 0
        while at < len(out):
            end = out.index(b"\n", at)
            k, s, headers = out[at:end].decode().split(" ", 2)
            k, s, at = int(k), int(s), end + 1
            key, payload = out[at:at + max(k, 0)], out[at + max(k, 0):at + max(k, 0) + max(s, 0)]
            at += max(k, 0) + max(s, 0) + 1
            got.append((key if k >= 0 else None, payload if s >= 0 else None,
                        dict(h.split("=", 1) for h in headers.split(",") if h)))
        return got

    def read(self, count=None, fmt="%s\\n", options=None):
        """Messages from the beginning: all there are now, or wait for `count`. options: of librdkafka."""
        cmd = [*KCAT, "-b", self.bootstrap, "-t", self.name, "-C", "-o", "beginning", "-f", fmt, "-X", "fetch.wait.max.ms=10"]
        cmd += [x for k, v in (options or {}).items() for x in ("-X", f"{k}={v}")]
        cmd += ["-c", str(count)] if count else ["-e"]
        return subprocess.run(cmd, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.splitlines()


class MockBroker:
    """librdkafka's mock cluster in a process of its own."""

    def __init__(self, *topics):
        self.proc = subprocess.Popen([MOCK_BROKER, *topics], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.bootstrap = self.proc.stdout.readline().split()[1]

    def say(self, *lines):
        self.proc.stdin.write("".join(x + "\n" for x in lines))
        self.proc.stdin.flush()

    def fail(self, request, error, times, ms=0):
        """The next requests of this kind (a number of Kafka's protocol) are answered with this error, after so many ms."""
        self.say(f"fail {request} {error} {times} {ms}")
        assert self.proc.stdout.readline().startswith("failing")

    def produce(self, topic, payloads, partition=0):
        self.say(*(f"produce {topic} {partition} {p}" for p in payloads), "flush")
        assert self.proc.stdout.readline().startswith("flushed")

    def close(self):
        self.proc.stdin.close()
        self.proc.wait(PATIENCE)
        self.proc.stdout.close()


def _supervise(run_pid):
    broker = Broker()
    print(broker.bootstrap, flush=True)
    os.close(1)
    try:
        until("the run is over", lambda: not os.path.exists(f"/proc/{run_pid}"), 5400, 0.5)
    finally:
        broker.close()


if __name__ == "__main__":
    _supervise(int(sys.argv[1]))
