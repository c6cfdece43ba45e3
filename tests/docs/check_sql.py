"""docs/sql.md: what it says works does, and what it says is refused is, with the words of its comment and a place. Blocks of ad-hoc statements are sent to a
pipeline with the program of the block `sql setup` before them."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from hg import HEADGATE, PATIENCE  # noqa: E402
from hg.daemon import Daemon  # noqa: E402

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "sql.md")


def blocks():
    """(line, kind, text)"""
    with open(PAGE) as f:
        page = f.read()
    for m in re.finditer(r"^```sql ?([a-z -]*)\n(.*?)^```$", page, re.M | re.S):
        yield page[:m.start()].count("\n") + 1, m.group(1), m.group(2)


def words(text):
    m = re.match(r"-- (.*)\n", text)
    assert m, f"the first line is not a comment with the words of the refusal: {text}"
    return m.group(1)


def check(text, refused):
    r = subprocess.run([HEADGATE, "check", "-"], input=text, capture_output=True, text=True, timeout=PATIENCE)
    if not refused:
        return None if r.returncode == 0 else r.stderr
    if r.returncode == 1 and re.search(r"^stdin:\d+:\d+: error: ", r.stderr, re.M) and words(text) in r.stderr:
        return None
    return f"not refused with {words(text)!r} and a place: exit {r.returncode}, {r.stderr}"


def ask(daemon, text, refused):
    sql = text.split("\n", 1)[1] if refused else text
    r = daemon.get("/v0/pipelines/p/query", params={"sql": sql, "format": "json"})
    if not refused:
        return None if r.status_code == 200 and "error" not in r.text else r.text
    return None if r.status_code == 400 and words(text) in r.json()["message"] else f"not refused with {words(text)!r}: {r.status_code} {r.text}"


def main():
    bad = n = 0
    daemon = Daemon()
    try:
        for line, kind, text in blocks():
            if kind == "setup":
                daemon.run("p", text)
            assert kind in ("", "refused", "setup", "ad-hoc", "ad-hoc refused"), kind
            why = ask(daemon, text, "refused" in kind) if "ad-hoc" in kind else check(text, kind == "refused")
            n += 1
            if why:
                bad += 1
                print(f"docs/sql.md:{line}: {why}\n{text}")
    finally:
        daemon.close()
    print(f"{n} blocks, {bad} are not as the page says")
    assert n > 20
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
