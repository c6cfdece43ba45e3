"""Reads CPU profiles: https://github.com/firefox-devtools/profiler/blob/main/docs-developer/processed-profile-format.md, version 62."""
import gzip
import json
import os

META = set("""version preprocessedProfileVersion interval startTime profilingStartTime profilingEndTime product oscpu stackwalk processType debug symbolicated usesOnlyOneStackType
    sourceCodeIsNotOnSearchfox categories extensions sampleUnits markerSchema extra""".split())  # of ProfileMeta in src/types/profile.ts, those that are written


class CpuProfile:
    def __init__(self, data):
        self.json = top = json.loads(gzip.decompress(data))
        meta = top["meta"]
        assert meta["preprocessedProfileVersion"] == 62 and meta["version"] == 24 and meta["stackwalk"] == 1
        assert meta["profilingStartTime"] == 0 < meta["profilingEndTime"] and meta["oscpu"] == " ".join(os.uname()[i] for i in (0, 4))
        assert set(meta) <= META and all(isinstance(v, str) for x in top["libs"] for v in x.values())
        self.shared = top["shared"]
        for table in (*(v for k, v in self.shared.items() if k != "stringArray"), *(t["samples"] for t in top["threads"])):
            assert all(len(column) == table["length"] for column in table.values() if isinstance(column, list)), table
        frames, funcs, stacks, strings = (self.shared[k] for k in ("frameTable", "funcTable", "stackTable", "stringArray"))
        assert all(r == -1 or r < len(top["libs"]) for r in funcs["resource"])
        self.stacks = []  # the functions of each stack, the leaf first
        for prefix, frame in zip(stacks["prefix"], stacks["frame"]):
            assert prefix is None or prefix < len(self.stacks)  # parents come first
            name = strings[funcs["name"][frames["func"][frame]]]
            self.stacks.append([name] + (self.stacks[prefix] if prefix is not None else []))
        self.threads = {}  # name -> [(ms, functions, weight)]
        for t in top["threads"]:
            assert t["samples"]["weightType"] == "samples" and t["pid"].isdigit() and t["tid"].isdigit()
            at = 0
            for delta, stack, weight in zip(t["samples"]["timeDeltas"], t["samples"]["stack"], t["samples"]["weight"]):
                at += delta
                assert delta >= 0 and weight >= 1
                self.threads.setdefault(t["name"], []).append((at, self.stacks[stack], weight))
            assert at <= meta["profilingEndTime"] + 1

    def milliseconds(self, function):
        """How long it, and what it called, have computed."""
        return self.json["meta"]["interval"] * sum(w for t in self.threads.values() for _, stack, w in t if function in stack)
