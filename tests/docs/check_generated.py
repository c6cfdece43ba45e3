"""The pages that docs/generate.sh makes are what it makes now, and connector-table.md has each transport."""
import filecmp
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMMITTED = os.path.join(ROOT, "docs")


def pages(folder):
    """What is generated: api.md, functions.md, connectors-options.md, transform-options.md, all of connectors/."""
    return ["api.md", "functions.md", "connectors-options.md", "transform-options.md", *(os.path.join("connectors", n) for n in os.listdir(os.path.join(folder, "connectors")))]


with tempfile.TemporaryDirectory() as made:
    subprocess.run([os.path.join(ROOT, "docs", "generate.sh"), made], check=True)
    names = pages(made)
    assert "connectors/kafka_input.md" in names, names
    stale = [n for n in sorted(set(names) | set(pages(COMMITTED)))
             if not (os.path.exists(os.path.join(made, n)) and os.path.exists(os.path.join(COMMITTED, n))
                     and filecmp.cmp(os.path.join(made, n), os.path.join(COMMITTED, n), shallow=False))]
    with open(os.path.join(COMMITTED, "connector-table.md")) as f:
        table = f.read()
    transports = [n.removesuffix(".md") for n in os.listdir(os.path.join(made, "connectors")) if n.endswith(("put.md", "datagen.md"))]
    unknown = sorted(n for n in transports if f"| `{n}` |" not in table)
    assert transports and not unknown, f"connector-table.md has no row for {unknown}"
print(f"out of date, run ./dev docs: {stale}" if stale else f"{len(names)} pages are up to date")
sys.exit(bool(stale))
