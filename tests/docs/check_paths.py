"""What the pages name is there: files and folders in `code`, links, and the words of ./dev."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = "base|net|git|data|s3|sqlddl|orchestrator|connectors|engine|compile|pipeline|manager|fda|headgate|tests|bench|docs|examples|cmake"


def wrong(page):
    with open(page) as f:
        text = f.read()
    named = set(re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", text))
    yield from (f"names {p}" for p in named if "NAME" not in p and not os.path.exists(os.path.join(ROOT, p)))
    links = {m for m in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) if "://" not in m}
    yield from (f"links to {p}" for p in links if not os.path.exists(os.path.join(os.path.dirname(page), p)))
    with open(os.path.join(ROOT, "dev")) as f:
        words = set(re.findall(r"^(?:asan|[a-z]+)(?=\))", f.read(), re.M))
    yield from (f"names ./dev {w}" for w in set(re.findall(r"`\./dev ([a-z]+)", text)) - words - {"help"})


pages = [p for p in subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()]
assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/ARCHITECTURE.md", "docs/DECISIONS.md"} <= set(pages), pages
found = [f"{p}: {w}, which is not there" for p in pages for w in wrong(os.path.join(ROOT, p))]
print("\n".join(found) or f"{len(pages)} pages name what is there")
sys.exit(bool(found))
