#!/usr/bin/env python3
"""Does the corpus of each fuzz target reach every error message of its parser?

tests/fuzz/error_sites.conf names the source files of each target (or of several that share them). A site is every string literal in the arguments of a
call that makes an error (its name says so: fail, bad, error, refuse, …) and every literal that reads like a sentence,
wherever it stands. The targets are built with clang's source coverage in a build of their own, each replays its
corpus, and the count of the region in which a literal stands says whether the message was made. Regions are finer than
lines: `if (x) return bad(...)` and both sides of `a ? "…" : "…"` count apart.

A site that bytes alone cannot reach (no memory, I/O) is listed with its reason; a listed site that is reached, or that
is no longer there, fails the test too, so the list cannot rot.

usage: error_coverage.py [--build DIR] [--list] [TARGET…]
"""
import argparse
import bisect
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUZZ = ROOT / "tests" / "fuzz"

MAKES_ERROR = re.compile(r"\b\w*(?:fail|bad|error|refuse|warn|unsupported|complain)\w*$|^hg_err_\w+$")
SENTENCE = re.compile(r"[A-Za-z'\"}`)]+,? +[A-Za-z%'\"{`(]")
WORD = re.compile(r"[A-Za-z]{3}")
TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<char>'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<hash>^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)|(?P<name>[A-Za-z_]\w*)|(?P<punct>[(){};])""",
    re.S | re.M,
)


class Site:
    def __init__(self, file, line, col, text):
        self.file, self.line, self.col, self.text = file, line, col, text
        self.reached, self.region = False, None

    def __str__(self):
        return f"{self.file}:{self.line}:{self.col}: {self.text}"


def sites_of(file):
    """The message literals of a C file; adjacent literals are one."""
    text = (ROOT / file).read_text()
    starts = [0] + [m.end() for m in re.finditer("\n", text)]
    found, calls, name, last = [], [], None, None
    for m in TOKEN.finditer(text):
        kind = m.lastgroup
        if kind in ("comment", "hash", "char"):
            continue
        if kind == "string":
            if last and re.fullmatch(r"(?:\s|/\*.*?\*/|\bHG_SF\b|\bPRI\w+\b)*", text[last[1] : m.start()], re.S):
                last[1] = m.end()
                last[2] += m.group()[1:-1]
            else:
                last = [m.start(), m.end(), m.group()[1:-1], any(calls)]
                found.append(last)
        elif kind == "name":
            if not re.fullmatch(r"HG_SF|PRI\w+", m.group()):
                name = m.group() if text[m.end() :].lstrip()[:1] == "(" else None
        elif m.group() == "(":
            calls.append(bool(name and MAKES_ERROR.search(name)))
            name = None
        elif m.group() == ")":
            if calls:
                calls.pop()
        else:
            calls.clear()
    out = []
    for at, _, words, in_call in found:
        if SENTENCE.search(words) or (in_call and WORD.search(words)):
            line = bisect.bisect_right(starts, at)
            out.append(Site(file, line, at - starts[line - 1] + 1, words))
    return out


def read_conf():
    """{target: (files, [[file, text, reason]])}"""
    conf, target = {}, None
    for n, line in enumerate((FUZZ / "error_sites.conf").read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            target = line.strip("[]")
            conf[target] = ([], [])
        elif line.startswith("except "):
            parts = [p.strip() for p in line[len("except ") :].split(" | ")]
            if len(parts) != 3:
                sys.exit(f"error_sites.conf:{n}: expected 'except FILE | TEXT | REASON'")
            conf[target][1].append(parts)
        else:
            files = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob(line))
            if not files:
                sys.exit(f"error_sites.conf:{n}: no file is called {line}")
            conf[target][0].extend(files)
    return conf


def run(*cmd, **kw):
    r = subprocess.run([str(c) for c in cmd], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    if r.returncode:
        sys.exit(f"{' '.join(str(c) for c in cmd)}: exit code {r.returncode}\n{r.stdout[-6000:]}")
    return r.stdout


def build(where, targets):
    for tool in ("clang", "llvm-cov", "llvm-profdata"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed; './dev setup test' installs it")
    launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    run("cmake", "--preset", "clang", "-B", where, "-DCMAKE_C_FLAGS=-fprofile-instr-generate -fcoverage-mapping",
        "-DHG_WERROR=OFF", *launcher, cwd=ROOT)
    run("ninja", "-C", where, f"-j{os.environ.get('JOBS', os.cpu_count())}", *(f"fuzz_{t}" for t in targets))


def replay(where, target):
    raw = where / f"{target}.profraw"
    run(where / f"tests/fuzz_{target}", FUZZ / "corpus" / target, cwd=ROOT,
        env=dict(os.environ, LLVM_PROFILE_FILE=str(raw)))


def counts(where, section, files):
    """{file: [(line, col, count or None)]}, sorted: what holds from there on."""
    targets = section.split()
    prof = where / f"{targets[0]}.profdata"
    run("llvm-profdata", "merge", "-o", prof, *(where / f"{t}.profraw" for t in targets))
    exe = [str(where / f"tests/fuzz_{t}") for t in targets]
    objects = [exe[0], *(f"-object={e}" for e in exe[1:])]
    out = subprocess.run(
        ["llvm-cov", "export", f"-instr-profile={prof}", *objects, *(str(ROOT / f) for f in files)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout  # it warns of main-like functions
    seen = {}
    for f in json.loads(out)["data"][0]["files"]:
        seen[os.path.relpath(os.path.normpath(f["filename"]), ROOT)] = [
            (s[0], s[1], s[2] if s[3] else None) for s in f["segments"]]
    return seen


def check(where, section, files, excepted, show):
    sites, faults = [], []
    seen = counts(where, section, files)
    for f in files:
        mine = sites_of(f)
        if f not in seen:
            if mine:
                faults.append(f"{f}: the target does not contain this file")
            continue
        places = [(s[0], s[1]) for s in seen[f]]
        for s in mine:
            i = bisect.bisect_right(places, (s.line, s.col)) - 1
            if i < 0 or seen[f][i][2] is None:
                continue  # not in a function: a table, whose reader counts
            s.reached = seen[f][i][2] > 0
            if sites and sites[-1].region == (f, i):  # the parts of one message are one site
                sites[-1].text += " … " + s.text
            else:
                s.region = (f, i)
                sites.append(s)
    for file, text, reason in excepted:
        hit = [s for s in sites if s.file == file and text in s.text]
        if not hit:
            faults.append(f"{file}: no message contains '{text}' any more (excepted: {reason})")
        elif all(s.reached for s in hit):
            faults.append(f"{hit[0]} is reached, but excepted: {reason}")
        for s in hit:
            s.reached = True
    faults += [f"{s}  (no corpus file triggers it)" for s in sites if not s.reached]
    if show:
        for s in sites:
            print("+" if s.reached else "-", s)
    print(f"{section}: {sum(s.reached for s in sites)} of {len(sites)} messages, {len(excepted)} of them excepted")
    return faults


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "error_coverage")
    ap.add_argument("--list", action="store_true", help="show every message")
    ap.add_argument("targets", nargs="*")
    args = ap.parse_args()
    conf = read_conf()
    have = {p.stem[len("fuzz_") :] for p in FUZZ.glob("*/fuzz_*.c")}
    named = {t for section in conf for t in section.split()}
    if have != named:
        sys.exit(f"error_sites.conf and tests/fuzz differ: {', '.join(sorted(have ^ named))}")
    unknown = set(args.targets) - have
    if unknown:
        sys.exit(f"no fuzz target '{unknown.pop()}'; there are {', '.join(sorted(have))}")
    sections = [s for s in conf if not args.targets or set(s.split()) & set(args.targets)]
    targets = sorted({t for s in sections for t in s.split()})
    build(args.build, targets)
    for t in targets:
        replay(args.build, t)
    faults = []
    for s in sections:
        faults += check(args.build, s, *conf[s], args.list)
    for f in faults:
        print(f, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
