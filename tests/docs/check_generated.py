"""docs/connectors/ is what docs/generate.sh makes now."""
import filecmp
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMMITTED = os.path.join(ROOT, "docs", "connectors")

with tempfile.TemporaryDirectory() as made:
    subprocess.run([os.path.join(ROOT, "docs", "generate.sh"), made], check=True)
    names = sorted(os.listdir(made))
    assert "kafka_input.md" in names, names
    stale = [n for n in sorted(set(names) | set(os.listdir(COMMITTED)))
             if not (os.path.exists(os.path.join(made, n)) and os.path.exists(os.path.join(COMMITTED, n))
                     and filecmp.cmp(os.path.join(made, n), os.path.join(COMMITTED, n), shallow=False))]
print(f"out of date, run ./dev docs: {stale}" if stale else f"{len(names)} pages are up to date")
sys.exit(bool(stale))
