#!/usr/bin/env python3
"""clang-tidy over the product's sources, in parallel; what was clean and has not changed since is not looked at again.

A file's verdict depends on what the preprocessor makes of it (headers, macros and comments included), on .clang-tidy and on clang-tidy itself: the
hash of these names an empty file in the cache. One process for each source: over several, clang 14's check of va_list errs.

usage: lint.py BUILD CACHE [FILE…]      BUILD has compile_commands.json; without FILE: everything but the tests
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def preprocessed(entry):
    words = [w for w in shlex.split(entry["command"]) if os.path.basename(w) != "ccache"]
    at = words.index("-o")
    words = ["clang", *words[1:at], *words[at + 2:], "-E", "-CC", "-dD", "-Wno-everything"]
    return subprocess.run(words, cwd=entry["directory"], capture_output=True, check=True).stdout


def main(build, cache, *only):
    began = time.monotonic()
    with open(os.path.join(build, "compile_commands.json")) as f:
        entries = {os.path.relpath(e["file"], ROOT): e for e in json.load(f)}
    files = [os.path.relpath(os.path.abspath(f), ROOT) for f in only] or [f for f in entries if not f.startswith("tests/") and f.endswith(".c")]
    unknown = [f for f in files if f not in entries]
    if unknown:
        sys.exit(f"no part of the build: {', '.join(unknown)}")
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    common = hashlib.sha256(version + (ROOT / ".clang-tidy").read_bytes()).digest()
    os.makedirs(cache, exist_ok=True)

    def look(name):
        """None: was clean already; else what clang-tidy says, nothing if it is clean now."""
        stamp = os.path.join(cache, hashlib.sha256(common + name.encode() + preprocessed(entries[name])).hexdigest())
        if os.path.exists(stamp):
            return None
        r = subprocess.run(["clang-tidy", "-p", build, "--quiet", entries[name]["file"]], capture_output=True, text=True)
        if r.returncode == 0:
            open(stamp, "w").close()
            return ""
        return r.stdout or r.stderr

    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", os.cpu_count()))) as pool:
        said = list(pool.map(look, files))
    bad = [text for text in said if text]
    print("".join(bad), end="")
    print(f"clang-tidy: {len(files)} files, {sum(t is not None for t in said)} of them new or changed, findings in {len(bad)}; "
          f"{time.monotonic() - began:.0f} s")
    return bool(bad)


sys.exit(main(*sys.argv[1:]))
