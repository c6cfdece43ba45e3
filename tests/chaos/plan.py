"""What one round does, drawn from the seed before anything runs: the data, and the actions in their order."""
import random
from dataclasses import dataclass, field

# Figures are kept per kind. A round begins with the kind whose turn it is, so that any 13 rounds in a row have them all.
FAULTS = ["kill pipeline", "cut broker", "kill manager", "disk full", "delay broker", "clock jump", "cut web", "kill both", "kill broker",
          "hold broker", "delay web", "refuse broker", "refuse web"]
WEIGHTS = [6, 4, 3, 3, 3, 3, 3, 2, 0, 3, 2, 2, 2]  # a broker needs seconds to come back: only when it is its turn
ACTIONS = ["feed", "checkpoint", "stop", "pause"]
ACTION_WEIGHTS = [5, 5, 1, 1]


@dataclass
class Action:
    what: str
    pause: float  # seconds before it: where in the work it hits. Nothing that is checked depends on it
    arg: dict = field(default_factory=dict)

    def __str__(self):
        return f"+{self.pause * 1000:.0f} ms {self.what}" + "".join(f" {k}={v}" for k, v in self.arg.items())


@dataclass
class Plan:
    history: list  # rows of the file
    web: list  # rows of the URL
    live: list  # messages of the stream, in order
    fed_at_start: int
    actions: list
    kill_at_end: bool
    restart: str  # who starts a dead pipeline: "on_failure" the daemon, "never" the test, as an operator


def _action(rnd, what, n_live):
    arg = {}
    if what in ("cut broker", "cut web"):
        arg["after"] = rnd.choice([0, rnd.randrange(200), rnd.randrange(20000), rnd.randrange(200000)])  # bytes
    elif what in ("delay broker", "delay web"):
        arg["ms"] = rnd.randrange(1, 60)
    elif what == "disk full":
        arg["free"] = rnd.choice([0, rnd.randrange(64)]) * 1024
        arg["then"] = rnd.choice(["checkpoint", "kill pipeline", "feed", "pause"])
        arg["n"] = rnd.randrange(1, 60)
    elif what == "clock jump":
        arg["seconds"] = rnd.choice([-1, 1]) * rnd.choice([1, 30, 3600, 86400, 400 * 86400])
    elif what == "feed":
        arg["n"] = rnd.randrange(1, 1 + n_live // 3)
    return Action(what, rnd.choice([0, rnd.random() * 0.05, rnd.random() * 0.3]), arg)


def _change(rnd, seq, known):
    """One message of the stream: a new row, a new version of a known one, or the end of one."""
    how = rnd.random()
    if how < 0.5 or not known:
        i = len(known) + 100000
        known.append(i)
    else:
        i = rnd.choice(known)
    return {"delete": {"id": i}} if how > 0.9 else {"insert": {"id": i, "v": seq * 7 % 1000, "src": "live"}}


def make(seed, number):
    rnd = random.Random(f"{seed}/{number}")
    n_history, n_web, n_live = rnd.randrange(50, 3000), rnd.randrange(50, 3000), rnd.randrange(30, 600)
    history = [{"id": i, "v": i * 3 % 1000, "src": "file", "seq": i} for i in range(n_history)]
    web = [{"id": i, "v": i * 5 % 1000, "src": "web", "seq": 10000 + k}
           for k, i in enumerate(rnd.sample(range(n_history + n_web), n_web))]
    known = sorted({r["id"] for r in history + web})
    live = [{"change": _change(rnd, k, known), "seq": 20000 + k, "v": k % 1000} for k in range(n_live)]
    kinds = [FAULTS[number % len(FAULTS)]]
    kinds += rnd.choices(FAULTS, WEIGHTS, k=rnd.randrange(1, 4)) + rnd.choices(ACTIONS, ACTION_WEIGHTS, k=rnd.randrange(2, 6))
    rnd.shuffle(kinds)
    return Plan(history, web, live, rnd.randrange(n_live), [_action(rnd, k, n_live) for k in kinds], rnd.random() < 0.3,
                rnd.choice(["on_failure", "never"]))
