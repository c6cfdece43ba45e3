#!/usr/bin/env python3
"""A source that counts → a topic → a sink that refuses every third batch, while the runtime, the plugins' processes and the server are killed
(-9) at random moments, both at once too, and the runtime is told to end now and then. Nothing may be lost; what is there twice may only be the batch that was
under way at a kill, and after a SIGTERM nothing is.

    kills.py [MESSAGES [KILLS]]       so many kills of each kind; HG_SEED repeats their moments; IGGY_SERVER: a real server;
                                      HG_AHEAD=1: the source works ahead of results, the sink stops at gates
                                      Exit code 2: the server has lost what it had confirmed. What shows it is kept, as after any failure.
"""
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import time

import numpy as np
from hg import PATIENCE, until
from hg.connectors import SCRIPTED, Runtime
from hg.iggy import Server, wire
from hg.iggy.wire import Error

BATCH = 1000
AHEAD = int(os.environ.get("HG_AHEAD", "0"))
UNDER_WAY = 4 * BATCH if AHEAD else BATCH  # of the source, at a kill: batches go together
STREAM, TOPIC, GROUP = "kills", "t", "iggy-connect-sink-file"
NUMBER = re.compile(rb'\{"n":(\d+)\}\n')
IN_TOPIC = re.compile(rb'\{"n":(\d+)\}')
KINDS = ("runtime", "source's plugin", "sink's plugin", "server", "both", "SIGTERM")


class ServerLost(Exception):
    """The server does not have what it had confirmed."""


def say(*words):
    print(f"{time.monotonic() - START:7.1f} s ", *words, flush=True)


class Written:
    """How many lines the sink has written so far."""

    def __init__(self, path):
        self.path, self.at, self.lines = path, 0, 0

    def count(self):
        if os.path.exists(self.path):
            with open(self.path, "rb") as f:
                f.seek(self.at)
                while block := f.read(1 << 24):
                    self.at += len(block)
                    self.lines += block.count(b"\n")
        return self.lines


def of_file(path):
    """(its numbers, the byte each stands at); of a line that a kill has cut nothing"""
    n, at, base, rest = [], [], 0, b""
    with open(path, "rb") as f:
        while block := f.read(1 << 24):
            data = rest + block
            end = data.rfind(b"\n") + 1
            found = list(NUMBER.finditer(data, 0, end))
            n.append(np.array([int(m[1]) for m in found], np.int64))
            at.append(np.array([base + m.start() for m in found], np.int64))
            base, rest = base + end, data[end:]
    return np.concatenate(n or [np.empty(0, np.int64)]), np.concatenate(at or [np.empty(0, np.int64)])


def of_topic(client):
    """the numbers of its messages, in order"""
    n, at, there = [], 0, client.partitions(STREAM, TOPIC)[0][0]
    while at < there:  # a busy server may answer that there is nothing, though there is
        body = client.ask("poll", wire.consumer(1, False) + wire.ident(STREAM) + wire.ident(TOPIC) + wire.some_partition(0) +
                          wire.strategy("offset", at) + wire.u32(20 * BATCH) + wire.u8(0))
        count = int.from_bytes(body[12:16], "little")
        found = IN_TOPIC.findall(body, 16)
        assert len(found) == count, f"{count} messages from offset {at} on, and {len(found)} that a source has sent"
        n.append(np.array(found, "S20").astype(np.int64))
        at += count
    return np.concatenate(n or [np.empty(0, np.int64)])


def same(a, i, b, k):
    """how far a[i:] is b[k:]"""
    n = 0
    while i + n < len(a) and k + n < len(b):
        step = min(1 << 20, len(a) - i - n, len(b) - k - n)
        differ = np.flatnonzero(a[i + n:i + n + step] != b[k + n:k + n + step])
        if len(differ):
            return n + int(differ[0])
        n += step
    return n


def steps_back(got, want, most):
    """[(index in got, how many are there again)]: got must be want, but that it may go back so many now and then"""
    at = pos = 0
    found = []
    while at < len(got):
        n = same(got, at, want, pos)
        at, pos = at + n, pos + n
        if at == len(got):
            break
        back = max(range(1, min(most, pos) + 1), key=lambda j: (same(got[at:at + 2 * most], 0, want[pos - j:pos - j + 2 * most], 0), -j), default=0)
        if not back or got[at] != want[pos - back]:
            raise AssertionError(f"behind {want[pos - 1] if pos else 'nothing'} comes {got[at]}, which is neither the next "
                                 f"({want[pos] if pos < len(want) else 'none'}) nor of the last {most}")
        found.append((at, back))
        pos -= back
    assert pos == len(want), f"{len(want) - pos} are lost, from {want[pos]} on"
    return found


class Kill:
    def __init__(self, kind, in_topic, lines, written):
        self.kind, self.in_topic, self.lines, self.written = kind, in_topic, lines, written  # what was there just before
        self.twice = {"topic": 0, "sink": 0}


class World:
    def __init__(self, messages, folder):
        self.messages, self.dir = messages, folder
        self.server = Server()
        with self.server.client() as c:
            c.create(STREAM, TOPIC)  # such that what is confirmed outlives a kill of the server
        plugins = {}
        for name in ("source", "sink"):  # a process each
            plugins[name] = shutil.copy(SCRIPTED, folder / f"{name}.so")
        self.out = folder / "out"
        self.written = Written(self.out)
        self.r = Runtime(folder / "runtime", self.server)
        soon = {"backoff": "10ms", "max_backoff": "50ms", "max_attempts": 1000}
        self.r.source("gen", STREAM, TOPIC, plugin={"messages": BATCH, "batches": messages // BATCH, "ahead": AHEAD}, path=plugins["source"], restart=soon)
        self.r.sink("file", STREAM, (TOPIC,), plugin={"file": str(self.out), "fail_every": 3, "gate": AHEAD}, path=plugins["sink"], batch_length=BATCH,
                    errors={"backoff": "1ms"}, restart=soon)
        self.r.start()

    def come_to(self, n):
        """until the sink has written so many"""
        last, since = -1, time.monotonic()
        while (now := self.written.count()) < n:
            if now != last:
                last, since = now, time.monotonic()
            assert time.monotonic() - since < PATIENCE, f"{now} of {n} messages, and no more come: {self.r.log[-3000:]}"
            time.sleep(0.002)

    def recover(self, k):
        """until both sides are well past where they were, so that what is there twice is this kill's"""
        until("the source is past it", lambda: self.in_topic() >= min(self.messages, k.in_topic + 3 * UNDER_WAY))
        self.come_to(min(self.messages, k.lines + 3 * UNDER_WAY))

    def in_topic(self):
        with self.server.client() as c:
            return c.partitions(STREAM, TOPIC)[0][0]

    def stored(self):
        """where the sink's group stands; None: nowhere yet"""
        with self.server.client() as c, contextlib.suppress(Error):
            return c.offset(STREAM, TOPIC, 0, GROUP, True)
        return None

    def kill(self, kind):
        k = Kill(kind, self.in_topic(), self.written.count(), os.path.getsize(self.out) if self.out.exists() else 0)
        k.stored = self.stored()
        if kind == "server":
            self.kill_server(k)
        elif kind == "both":  # the server does not hear that the runtime is gone
            self.server.stop()
            self.kill_runtime()
            self.kill_server(k)
            self.r.start()
        elif kind == "SIGTERM":
            assert self.r.stop() == 0, self.r.log[-3000:]
            self.r.start()
        elif kind == "runtime":
            self.kill_runtime()
            self.r.start()
        else:
            name = "source.so" if kind == "source's plugin" else "sink.so"
            for pid in self.r.hosts():
                if name in command(pid):
                    os.kill(pid, signal.SIGKILL)
        return k

    def kill_runtime(self):
        hosts = self.r.hosts()
        self.r.stop(signal.SIGKILL)
        until("its plugins have gone with it", lambda: not any(alive(p) for p in hosts))

    def kill_server(self, k):
        if self.server.proc.poll() is None:
            self.server.stop()
        state = self.r.dir / "state" / "source_gen.state"
        confirmed = int(state.read_bytes() or b"0") if state.exists() else 0  # behind the last batch whose confirmation has come
        try:
            self.server.start()
        except AssertionError as e:
            raise ServerLost(f"it does not start any more: {e}") from e
        with self.server.client() as c:
            kept = self.stored()
            if k.stored is not None and kept is not None and kept < k.stored:  # as if somebody had set it; one that is gone the sink remembers
                raise ServerLost(f"it had said that the sink's group stands at {k.stored}; started again it says {kept}")
            there = c.partitions(STREAM, TOPIC)[0][0]
            newest = there and until("its last message can be read", lambda: c.poll(STREAM, TOPIC, 0, "offset", there - 1, 1)[2])
            last = int(newest[0].payload[5:-1]) + 1 if there else 0
        if last < confirmed:
            raise ServerLost(f"it had said that the topic has {k.in_topic} messages, and confirmed those below {confirmed}; started again it has "
                             f"{there}, below {last}")


def command(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def blame(where, steps, kills, before):
    """Each step back is of the last kill before it, and each kill has one of them at most."""
    for at, back in steps:
        k = [k for k in kills if before(k) <= at]
        assert k, f"{back} messages are in the {where} twice, at {at}, before anything was killed"
        assert k[-1].kind != "SIGTERM", f"{back} messages are in the {where} twice, at {at}, after a SIGTERM"
        assert not k[-1].twice[where], f"messages are in the {where} twice for a second time after one kill of the {k[-1].kind}, at {at}"
        k[-1].twice[where] = back


def check(w, kills):
    with w.server.client() as c:
        topic = of_topic(c)
    got, at = of_file(w.out)
    blame("topic", steps_back(topic, np.arange(w.messages), UNDER_WAY), kills, lambda k: k.in_topic)
    blame("sink", [(int(at[i]), back) for i, back in steps_back(got, topic, BATCH)], kills, lambda k: k.written)
    say(f"{len(topic)} messages in the topic, {len(got)} written: 0 lost")


def run(messages, each, seed, folder):
    rnd = random.Random(seed)
    w = World(messages, folder)
    try:
        plan = [k for k in KINDS for _ in range(each)]
        rnd.shuffle(plan)
        moments = sorted(rnd.randrange(messages * 6 // 10) for _ in plan)
        kills = []
        for kind, moment in zip(plan, moments):
            w.come_to(moment)
            time.sleep(rnd.random() * 0.02)  # anywhere in a batch; nothing waits for this
            kills.append(w.kill(kind))
            say(f"{kind}, {w.written.count()} of {messages} written, {kills[-1].in_topic} in the topic")
            w.recover(kills[-1])
        w.come_to(messages)
        until("the source has ended", lambda: w.r.get("/sources/gen").get("why") == "ended")
        n = w.in_topic()
        with w.server.client() as c:
            until("the sink has all of them", lambda: c.offset(STREAM, TOPIC, 0, GROUP, True) == n - 1)
        assert w.r.stop() == 0
        check(w, kills)
        for kind in KINDS:
            of = [k.twice for k in kills if k.kind == kind]
            print(f"  {kind}: {len(of)} kills; messages twice in the topic {sum(t['topic'] for t in of)} ({max(t['topic'] for t in of)} at most), "
                  f"by the sink {sum(t['sink'] for t in of)} ({max(t['sink'] for t in of)} at most)")
    except Exception as e:
        w.r.stop(signal.SIGKILL)
        w.server.stop()
        e.add_note(f"HG_SEED={seed}; the server's files are in {w.server.dir}, ours in {folder}")
        raise
    w.server.close()


def main():
    messages = int(sys.argv[1]) // BATCH * BATCH if len(sys.argv) > 1 else 1000000
    each = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    seed = int(os.environ.get("HG_SEED") or random.randrange(1 << 30))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hgkills"))
    say(f"{messages} messages, {each} kills of each kind, HG_SEED={seed}")
    try:
        run(messages, each, seed, folder)
    except ServerLost as e:
        say("the server has lost what it had confirmed:", e, *e.__notes__)
        return 2
    shutil.rmtree(folder)
    return 0


START = time.monotonic()
if __name__ == "__main__":
    sys.exit(main())
