"""What one round does, drawn from the seed before anything runs: the data, and the actions in their order."""
import random
from dataclasses import dataclass, field

# Figures are kept per kind, each with how often it is drawn. A round begins with the kind whose turn it is, so that any 22 rounds in a row have
# them all. A broker needs seconds to come back: only when it is its turn.
WEIGHTS = {"kill pipeline": 8, "cut broker": 4, "kill manager": 3, "disk full": 3, "delay broker": 2, "clock jump": 3, "cut web": 3,
           "kill both": 2, "kill broker": 0, "hold broker": 2, "delay web": 2, "refuse broker": 2, "refuse web": 2,
           "cut postgres": 4, "kill postgres": 2, "hold postgres": 2, "delay postgres": 2, "refuse postgres": 2,
           "cut s3": 4, "delay s3": 2, "refuse s3": 2, "fail s3": 2}
FAULTS = list(WEIGHTS)
ACTIONS = ["feed", "checkpoint", "stop", "pause"]
ACTION_WEIGHTS = [5, 5, 1, 1]
PUSHED = 300000  # ids of pushed rows, which nobody else has


@dataclass
class Action:
    what: str
    pause: float  # seconds before it: where in the work it hits. Nothing that is checked depends on it
    arg: dict = field(default_factory=dict)

    def __str__(self):
        return f"+{self.pause * 1000:.0f} ms {self.what}" + "".join(f" {k}={v}" for k, v in self.arg.items())


@dataclass
class Plan:
    order: list  # of the sources of history: one begins when the one before it has ended
    file: list  # rows of the file
    web: list  # rows of the URL
    postgres: list  # rows of the table
    ranges: int  # that it is read in at the same time
    s3: list  # of objects: (key, rows); those of one prefix come in any order
    fetches: int  # objects read at the same time
    parquet: bool  # its objects are Parquet files, in row groups of 100
    live: list  # messages of the stream, in order
    pushed: list  # rows that come by HTTP, in the order of their pushes
    payload: list  # connectors whose payload is in the journal
    hasty: bool  # the broker ends Kafka transactions that are older than a second
    fed_at_start: int
    actions: list
    kill_at_end: bool
    disorder: int  # not 0: what may happen in any order does (base/fault.h)
    restart: str  # who starts a dead pipeline: "on_failure" the daemon, "never" the test, as an operator

    def history(self, source):
        return [r for _, rows in self.s3 for r in rows] if source == "s3" else getattr(self, source)


def _action(rnd, what, n_live):
    arg = {}
    if what.startswith("cut"):
        arg["after"] = rnd.choice([0, rnd.randrange(200), rnd.randrange(20000), rnd.randrange(200000)])  # bytes
    elif what.startswith("delay"):
        arg["ms"] = rnd.randrange(1, 60)
    elif what == "disk full":
        arg["free"] = rnd.choice([0, rnd.randrange(64)]) * 1024
        arg["then"] = rnd.choice(["checkpoint", "kill pipeline", "feed", "pause"])
        arg["n"] = rnd.randrange(1, 60)
    elif what == "clock jump":
        arg["seconds"] = rnd.choice([-1, 1]) * rnd.choice([1, 30, 3600, 86400, 400 * 86400])
    elif what == "fail s3":
        arg["times"] = rnd.randrange(1, 4)
    elif what == "feed":
        arg["n"] = rnd.randrange(1, 1 + n_live // 3)
    elif what == "push":
        arg["n"] = rnd.randrange(1, 60)
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


def _rows(src, first_seq, ids, factor):
    return [{"id": i, "v": i * factor % 1000, "src": src, "seq": first_seq + k} for k, i in enumerate(ids)]


def _objects(rnd, rows):
    """Cut anywhere, between records; some are compressed."""
    cuts = sorted(rnd.randrange(len(rows) + 1) for _ in range(rnd.randrange(6)))
    return [(f"{k:03}{rnd.choice(['', '', '.gz'])}", rows[a:b]) for k, (a, b) in enumerate(zip([0, *cuts], [*cuts, len(rows)]))]


def _with_transactions(rnd, actions, n_live):
    """Pushes anywhere; transactions of the API around whatever is between two places, one in two with a kill or more rows for certain."""
    for _ in range(rnd.randrange(4)):
        actions.insert(rnd.randrange(len(actions) + 1), _action(rnd, "push", n_live))
    for _ in range(rnd.choice([0, 1, 1, 2])):
        a, b = sorted(rnd.randrange(len(actions) + 1) for _ in range(2))
        inside = rnd.choice([[], ["push", "feed"], ["push", "kill pipeline"], ["feed", "kill both", "push"]])
        actions[b:b] = [_action(rnd, k, n_live) for k in [*inside, "commit"]]
        actions.insert(a, _action(rnd, "begin", n_live))
    return actions


def make(seed, number):
    rnd = random.Random(f"{seed}/{number}")
    n_file, n_web, n_postgres, n_s3 = (rnd.randrange(50, n) for n in (3000, 3000, 2000, 2000))
    n_live = rnd.randrange(30, 600)
    file = _rows("file", 0, range(n_file), 3)
    web = _rows("web", 10000, rnd.sample(range(n_file + n_web), n_web), 5)
    postgres = _rows("postgres", 30000, rnd.sample(range(n_file + n_web + n_postgres), n_postgres), 11)
    s3 = _rows("s3", 40000, rnd.sample(range(n_file + n_web + n_postgres + n_s3), n_s3), 13)
    known = sorted({r["id"] for r in file + web + postgres + s3})
    live = [{"change": _change(rnd, k, known), "seq": 20000 + k, "v": k % 1000} for k in range(n_live)]
    kinds = [FAULTS[number % len(FAULTS)]]
    kinds += rnd.choices(FAULTS, list(WEIGHTS.values()), k=rnd.randrange(1, 5))
    kinds += rnd.choices(ACTIONS, ACTION_WEIGHTS, k=rnd.randrange(2, 6))
    rnd.shuffle(kinds)
    plan = Plan(order=rnd.sample(["file", "web", "postgres", "s3"], 4), file=file, web=web, postgres=postgres, ranges=rnd.choice([1, 1, 3]),
                s3=_objects(rnd, s3), fetches=rnd.choice([1, 4]), parquet=rnd.random() < 0.4, live=live, fed_at_start=rnd.randrange(n_live),
                actions=[_action(rnd, k, n_live) for k in kinds], kill_at_end=rnd.random() < 0.3,
                disorder=rnd.choice([0, rnd.randrange(1, 1000)]), restart=rnd.choice(["on_failure", "never"]), pushed=[], payload=[], hasty=False)
    plan.actions = _with_transactions(rnd, plan.actions, n_live)
    n_pushed = sum(a.arg["n"] for a in plan.actions if a.what == "push")
    plan.pushed = [{"id": PUSHED + i, "v": i * 17 % 1000, "src": "push"} for i in range(n_pushed)]
    plan.payload = [c for c in ("file", "web", "live") if rnd.random() < 0.25]
    plan.hasty = rnd.random() < 0.25
    return plan
