"""What must have come out. Computed from what went in alone: file, URL, PostgreSQL table and S3 objects in
the order of the plan, then the messages of the stream; what was pushed has keys of its own."""
import collections
import json


class Model:
    def __init__(self, plan):
        self.rows = {}
        self.seqs = collections.Counter()
        for r in (r for source in plan.order for r in plan.history(source)):
            self.put(r["id"], (r["v"], r["src"]))
            self.seqs[r["seq"]] += 1
        self.live(plan.live)
        for r in plan.pushed:
            self.put(r["id"], (r["v"], r["src"]))

    def put(self, key, row):
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row

    def live(self, messages):
        for m in messages:
            change = m["change"]
            if "insert" in change:
                self.put(change["insert"]["id"], (change["insert"]["v"], change["insert"]["src"]))
            else:
                self.put(change["delete"]["id"], None)
            self.seqs[m["seq"]] += 1


def parse(lines):
    """insert_delete messages; a torn last line is not there yet."""
    out = []
    for line in lines:
        if not line.strip():
            continue
        try:
            out.append(json.loads(line))
        except ValueError:
            break
    return out


def final_state(messages):
    """The table at the other end, kept by key: the last word about a key counts."""
    rows = {}
    for m in messages:
        if "insert" in m:
            rows[m["insert"]["id"]] = (m["insert"]["v"], m["insert"]["src"])
        else:
            rows.pop(m["delete"]["id"], None)
    return rows


def unclean(messages):
    """Changes that say twice what was said: a row inserted that is there, a row deleted that is not."""
    there, bad = set(), 0
    for m in messages:
        (op, r), = m.items()
        row = (r["id"], r["v"], r["src"])
        bad += (row in there) == (op == "insert")
        (there.add if op == "insert" else there.discard)(row)
    return bad


def differences(want, have):
    """lost and duplicated of counted things"""
    return sum((want - have).values()), sum((have - want).values())


def state_differences(want, have, limit=5):
    """Keys whose row is not the wanted one."""
    keys = sorted(k for k in want.keys() | have.keys() if want.get(k) != have.get(k))
    return len(keys), [f"id {k}: want {want.get(k)}, have {have.get(k)}" for k in keys[:limit]]
