#!/usr/bin/env python3
"""A model of the connector orchestrator, and the comparison with the real one.

The model keeps nothing between events: after each event it computes everything from the configuration and the whole
history again, with sets of connectors as bit masks and rules written from the specification. No counters, no
increments, no code shared with orchestrator/. Commands are not modelled as such: they must be exactly the differences
between what two neighbouring histories lead to, in an order that the host can obey.

    orch_model.py DRIVER [--histories N] [--seed S] [--jobs J]

N comes from HG_HISTORIES, else is enough for some 20 seconds. A failing history is made as short as possible before it
is printed; what is printed can be given to `orch_driver run`.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

BATCH = 500
DEFAULT_HISTORIES = 40000


class Config:
    def __init__(self, text):
        self.text = text
        self.conns = []
        for word in text.split(" "):
            labels, after, flags = word.split("/")
            self.conns.append((list(dict.fromkeys(labels)), list(dict.fromkeys(after)), after, flags))
        self.n = len(self.conns)
        self.labels = sorted({l for c in self.conns for l in c[0] + c[1]})
        self.carriers = {l: sum(1 << i for i, c in enumerate(self.conns) if l in c[0]) for l in self.labels}
        self.waiters = {l: sum(1 << i for i, c in enumerate(self.conns) if l in c[1]) for l in self.labels}
        self.pairs = [(self.carriers[l], self.waiters[l]) for l in self.labels if self.waiters[l]]
        self.waiting = sum(1 << i for i, c in enumerate(self.conns) if c[1])
        self.paused = sum(1 << i for i, c in enumerate(self.conns) if "p" in c[3] and not c[1])
        self.marking = sum(1 << i for i, c in enumerate(self.conns) if "m" in c[3] and c[1])


class State:
    """What a history has led to. Each attribute in capitals is a set of connectors."""

    __slots__ = (
        "n started running START PAUSE ACT BYLABEL OPENING OPEN ENDED BUFFERED FAILED OPENS CLOSES"
        " MOVING WANTED ASKED MFAILED PERS DONE taken token held unsettled unfinished".split()
    )


def compute(cfg, history):
    """The state after this history, from nothing."""
    n = cfg.n
    everyone = (1 << n) - 1
    started = running = False
    start = opening = is_open = ended = buffered = failed = moving = 0
    pause, act, wanted = cfg.paused, everyone & ~cfg.waiting, cfg.marking
    asked = mfailed = pers = done = 0
    taken, token = {}, 0  # marks in the order of their tokens
    bylabel = opens = closes = held = 0
    for letter, conn, num in history:
        bit = 1 << conn if conn < n else 0
        bylabel = opens = closes = 0  # what this event did
        if letter == "O":
            if bit & opening:
                opening &= ~bit
                is_open |= bit
                if bit & wanted:
                    wanted &= ~bit
                    asked |= bit
        elif letter == "E":
            ended |= bit & is_open
        elif letter == "B":
            if bit & is_open:
                buffered = buffered | bit if num else buffered & ~bit
        elif letter == "F":
            if bit & (opening | is_open) and not bit & ended & ~buffered:
                failed |= bit
                closes = bit
                opening &= ~bit
                is_open &= ~bit
                ended &= ~bit
                buffered &= ~bit
                wanted |= bit & (asked | mfailed)
                asked &= ~bit
                mfailed &= ~bit
        elif letter == "S":
            start |= bit
            pause &= ~bit
            act |= bit
            failed &= ~bit
            mfailed &= ~bit
        elif letter == "P":
            pause |= bit
            start &= ~bit
        elif letter == "R":
            running = True
        elif letter == "H":
            running = False
        elif letter == "M":
            if bit & (asked | mfailed):
                asked &= ~bit
                mfailed &= ~bit
                pers |= bit
                token += 1
                taken[conn] = token
        elif letter == "N":
            if bit & asked:
                asked &= ~bit
                if not bit & start:
                    mfailed |= bit
        elif letter == "D":
            for c, t in taken.items():
                if t <= num and pers >> c & 1:
                    pers &= ~(1 << c)
                    done |= 1 << c
        elif letter == "X":
            if bit & ended & ~buffered:
                ended &= ~bit
                moving &= ~bit
                closes = bit & (opening | is_open)
                opening &= ~bit
                is_open &= ~bit
                wanted |= bit & (asked | mfailed)
                asked &= ~bit
                mfailed &= ~bit
                if num:
                    for carriers, waiters in cfg.pairs:
                        if carriers & bit:
                            act &= ~waiters
        elif letter == "W" or (letter == "V" and num and not bit & moving):
            moving = moving | bit if letter == "V" else moving & ~bit
            closes = bit & (opening | is_open)
            if letter == "W" or bit & buffered:
                ended &= ~bit
            opening &= ~bit
            is_open &= ~bit
            buffered &= ~bit
            wanted |= bit & (asked | mfailed)
            asked &= ~bit
            mfailed &= ~bit
        elif letter == "V" and not num:
            moving &= ~bit
        elif letter == "T":
            started = True
        elif letter == "A":
            if n < 12:
                everyone |= 1 << n
                act |= 1 << n
                n += 1
        elif letter == "L":
            n = cfg.n
            everyone = (1 << n) - 1
            kept = everyone & ~num
            ended = ended & ~buffered & kept
            start &= kept
            pause = (pause & kept) | (cfg.paused & ~kept)
            act = (act & kept) | (everyone & ~cfg.waiting)
            done = (done | pers) & kept
            wanted = cfg.marking & ~done & ((wanted | asked | mfailed) | ~kept)
            opening = is_open = buffered = failed = moving = asked = mfailed = pers = 0
            taken, token = {}, 0
            started = running = False
        unfinished = everyone & ~(ended & ~buffered)
        unsettled = wanted | asked | mfailed | pers
        blocked = held = 0
        for carriers, waiters in cfg.pairs:
            if carriers & unfinished:
                blocked |= waiters
            if waiters & unsettled:
                held |= carriers
        held &= ~start
        if started:
            bylabel = everyone & ~act & ~blocked
            act |= bylabel
            opens = everyone & ~(opening | is_open | failed | ended | moving | held)
            opening |= opens
    s = State()
    s.n, s.started, s.running = n, started, running
    s.START, s.PAUSE, s.ACT, s.BYLABEL = start, pause, act, bylabel
    s.OPENING, s.OPEN, s.ENDED, s.BUFFERED, s.FAILED = opening, is_open, ended, buffered, failed
    s.OPENS, s.CLOSES, s.MOVING = opens, closes, moving
    s.WANTED, s.ASKED, s.MFAILED, s.PERS, s.DONE = wanted, asked, mfailed, pers, done
    s.taken, s.token = taken, token
    s.held, s.unsettled, s.unfinished = held, unsettled, unfinished
    return s


def blockers(cfg, s, i):
    bit = 1 << i
    text = ""
    if s.ENDED & bit or i >= cfg.n:
        return text
    if not s.ACT & bit:
        for l in cfg.conns[i][1]:
            for k in range(cfg.n):
                if cfg.carriers[l] & s.unfinished & 1 << k:
                    text += f":{l}{k}" + ("!" if s.FAILED >> k & 1 else "")
    if s.held & bit:
        for l in cfg.conns[i][0]:
            for k in range(cfg.n):
                if cfg.waiters[l] & s.unsettled & 1 << k:
                    text += f":{l}{k}m" + ("!" if s.FAILED >> k & 1 else "")
    return text


class Checker:
    """Walks one history and says what the orchestrator should have printed."""

    def __init__(self, text):
        self.cfg = Config(text)
        self.history = [("-", 0, 0)]  # nothing happened yet
        self.reasons, self.reading, self.since = "", 0, []
        self.pers = self.asked = 0
        self.look(compute(self.cfg, self.history))
        self.since = [0] * self.cfg.n

    def look(self, s):
        closed = s.unsettled | s.held
        reasons = ""
        for i in range(s.n):
            bit = 1 << i
            if s.ENDED & bit:
                reasons += "E"
            elif s.FAILED & bit:
                reasons += "F"
            elif s.PAUSE & bit:
                reasons += "U"
            elif not s.ACT & bit:
                reasons += "W"
            elif closed & bit:
                reasons += "M"
            else:
                reasons += "R"
        self.reasons = reasons
        self.allowed = ~s.PAUSE & s.ACT & ~closed
        self.reading = self.allowed & s.OPEN & ~s.ENDED & ~s.FAILED if s.started and s.running else 0

    def event(self, letter, conn, num):
        """Returns (states, list of commands) expected after this event."""
        was, was_reading, was_asked, was_pers = self.reasons, self.reading, self.asked, self.pers
        self.history.append((letter, conn, num))
        now = len(self.history) - 1
        s = compute(self.cfg, self.history)
        self.look(s)
        if letter == "L":
            was, was_reading, was_asked, was_pers = self.reasons, 0, 0, 0
            self.since = [0] * s.n
        if letter == "T" and now not in self.starts():
            self.since = [now] * s.n
            # reasons as of the start are no commands, but what activation changes is
        while len(self.since) < s.n:
            self.since.append(now)
            was += "R"
        self.asked, self.pers = s.ASKED, s.PERS
        cmds, states = [], []
        for i in range(s.n):
            bit = 1 << i
            if s.BYLABEL & bit:
                cmds.append(f"a{i},0")
            if s.CLOSES & bit:
                cmds.append(f"c{i},0")
            if s.OPENS & bit:
                cmds.append(f"o{i},0")
            if s.ASKED & ~was_asked & bit:
                cmds.append(f"k{i},0")
            if s.PERS & ~was_pers & bit:
                cmds.append(f"p{i},{s.taken[i]}")
            if self.reading & ~was_reading & bit:
                cmds.append(f"r{i},0")
            if was_reading & ~self.reading & bit and not (s.ENDED | s.FAILED | s.CLOSES) & bit:
                cmds.append(f"h{i},0")
            if self.reasons[i] != was[i]:
                self.since[i] = now
                cmds.append(f"s{i},{'RUWMFE'.index(self.reasons[i])}")
            flags = (
                (1 if self.reading & bit else 0)
                | (0 if self.allowed & bit else 2)
                | (0 if s.unfinished & bit else 4)
                | (8 if s.ENDED & bit else 0)
            )
            why = blockers(self.cfg, s, i) if (s.held | ~s.ACT) & bit else ""
            states.append(f"{self.reasons[i]}{flags:x}{self.since[i]}{why}")
        return " ".join(states), cmds

    def starts(self):
        """Indices of the events T that come after another T of the same life: they do nothing."""
        second, started = set(), False
        for i, e in enumerate(self.history):
            if e[0] == "L":
                started = False
            elif e[0] == "T":
                if started:
                    second.add(i)
                started = True
        return second


# Within one connector: close, activated, open, mark, persist, run or hold, reason.
RANK = {"c": 0, "a": 1, "o": 2, "k": 3, "p": 4, "r": 5, "h": 5, "s": 6}


def wrong_order(event, cmds):
    """A reason why the host could not obey these commands one after the other, or None."""
    last = {}
    others = False
    for c in cmds:
        who = c[1 : c.index(",")]
        rank = RANK[c[0]]
        if rank < last.get(who, -1):
            return f"{c} comes too late"
        last[who] = rank
        if event[0] in "OEBFSPMNVW":  # events of one connector: its own commands come first
            if who != str(event[1]):
                others = True
            elif others:
                return f"{c} comes after commands for others"
    if event[0] == "X":  # those that wait again are held before it is opened again
        own = [i for i, c in enumerate(cmds) if c == f"o{event[1]},0"]
        holds = [i for i, c in enumerate(cmds) if c[0] == "h"]
        if own and holds and own[0] < holds[-1]:
            return "it is opened before the connectors that wait for it are held"
    return None


# --- configurations ---------------------------------------------------------------------------------------------------


def complaint_problem(text, said):
    """What is wrong with the complaints about this configuration, or None."""
    cfg = Config(text)
    want = []
    for i, (_, after, mentions, flags) in enumerate(cfg.conns):
        if "e" in flags and not mentions:
            want.append(f"e{i}")
        for l in mentions:
            if not cfg.carriers[l]:
                want.append(f"u{i}")
            if any("i" in cfg.conns[k][3] for k in range(cfg.n) if cfg.carriers[l] >> k & 1):
                want.append(f"w{i}")
    waits_for = [
        {k for l in after for k in range(cfg.n) if cfg.carriers[l] >> k & 1} for _, after, _, _ in cfg.conns
    ]
    reach = [set(w) for w in waits_for]
    for _ in range(cfg.n):
        reach = [r | {z for y in r for z in reach[y]} for r in reach]
    deadlock = any(i in r for i, r in enumerate(reach))
    plain = [c for c in said if c[0] != "y"]
    loops = [c for c in said if c[0] == "y"]
    if plain != want:
        return f"expected {want}"
    if len(loops) != deadlock:
        return "expected a cycle" if deadlock else "expected no cycle"
    for loop in loops:
        head, *pairs = loop.split(",")
        for j, p in enumerate(pairs):
            follows = pairs[(j + 1) % len(pairs)]
            labels, after, _, _ = cfg.conns[int(p[:-1])]
            if p[-1] not in labels or follows[-1] not in after or head[1:] != pairs[0][:-1]:
                return "this is no loop"
    return None


# --- comparing --------------------------------------------------------------------------------------------------------


class Difference(Exception):
    def __init__(self, config, events, text):
        super().__init__(text)
        self.config, self.events, self.text = config, events, text


def parse_event(word):
    comma = word.index(",")
    return word[0], int(word[1:comma]), int(word[comma + 1 :])


def compare(lines):
    """Checks the driver's output. Returns (configurations, histories, events)."""
    configs = histories = events = 0
    checker, done = None, []
    for line in lines:
        line = line.rstrip("\n")
        if line.startswith("K "):
            configs += 1
            text, said = line[2:].split("|")
            problem = complaint_problem(text, said.split())
            if problem:
                raise Difference(text, [], f"complaints: {said!r}; {problem}")
            continue
        if line.startswith("H "):
            histories += 1
            checker, done = Checker(line[2:]), []
            continue
        parts = line.split("|")
        done.append(parts[0])
        if len(parts) != 3:
            raise Difference(checker.cfg.text, done, "the program ended here")
        events += 1
        event = parse_event(parts[0])
        states, cmds = checker.event(*event)
        got = parts[2].split()
        if states != parts[1]:
            raise Difference(checker.cfg.text, done, f"states\n  expected {states}\n  got      {parts[1]}")
        if sorted(cmds) != sorted(got):
            raise Difference(checker.cfg.text, done, f"commands\n  expected {sorted(cmds)}\n  got      {sorted(got)}")
        problem = wrong_order(event, got)
        if problem:
            raise Difference(checker.cfg.text, done, f"order of commands: {parts[2]}: {problem}")
    return configs, histories, events


def replay(driver, config, events):
    """The difference that this history shows, or None."""
    text = "H " + config + "\n" + "".join(e + "\n" for e in events)
    out = subprocess.run([driver, "run"], input=text, capture_output=True, text=True)
    try:
        compare(out.stdout.splitlines())
    except Difference as d:
        return d
    if out.returncode != 0:
        return Difference(config, events, "the program failed: " + out.stderr)
    return None


def shrink(driver, diff):
    """The shortest history found by leaving out events, then connectors' labels and flags, as long as it fails."""
    best = diff
    again = True
    while again:
        again = False
        for i in range(len(best.events)):
            found = replay(driver, best.config, best.events[:i] + best.events[i + 1 :])
            if found:
                best, again = found, True
                break
        for i in range(len(best.config)):
            if again or best.config[i] in "/ ":
                continue
            found = replay(driver, best.config[:i] + best.config[i + 1 :], best.events)
            if found:
                best, again = found, True
    return best


def batch(driver, seed, count):
    cmd = [driver, "gen", str(seed), str(count)]
    out = subprocess.run(cmd, capture_output=True, text=True)
    if out.returncode != 0:
        out = subprocess.run(cmd + ["flush"], capture_output=True, text=True)
    try:
        totals = compare(out.stdout.splitlines())
    except Difference as d:
        return d.config, d.events, d.text
    if out.returncode != 0:
        return "?", [], f"{' '.join(cmd)} failed: {out.stderr}"
    return totals


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("driver")
    ap.add_argument("--histories", type=int, default=int(os.environ.get("HG_HISTORIES", DEFAULT_HISTORIES)))
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--jobs", type=int, default=os.cpu_count())
    args = ap.parse_args()
    batches = max(1, args.histories // BATCH)
    totals = [0, 0, 0]
    with ProcessPoolExecutor(args.jobs) as pool:
        work = [pool.submit(batch, args.driver, args.seed + i, BATCH) for i in range(batches)]
        for w in as_completed(work):
            result = w.result()
            if isinstance(result[0], int):
                totals = [a + b for a, b in zip(totals, result)]
                continue
            pool.shutdown(wait=False, cancel_futures=True)
            config, events, text = result
            best = shrink(args.driver, Difference(config, events, text))
            print("The model and the orchestrator differ. Shortest history found:\n")
            print("H " + best.config)
            print("\n".join(best.events))
            print("\n" + best.text)
            return 1
    print(f"{totals[1]} histories, {totals[2]} events, {totals[0]} configurations: no difference")
    return 0 if totals[1] >= batches * BATCH else 1


if __name__ == "__main__":
    sys.exit(main())
