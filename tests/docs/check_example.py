"""check_example.py NAME: runs examples/NAME/run.sh and compares what it prints with examples/NAME/expected.txt.
Clock times and durations in the output of `headgate run` count as equal."""
import difflib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def steady(text):
    text = re.sub(r"^\d\d:\d\d:\d\d ", "hh:mm:ss ", text, flags=re.M)
    return re.sub(r"\d+\.\d s$", "t s", text, flags=re.M).splitlines()


def main(name):
    folder = os.path.join(ROOT, "examples", name)
    env = dict(os.environ, PYTHON=sys.executable)
    got = subprocess.run([os.path.join(folder, "run.sh")], env=env, stdout=subprocess.PIPE, text=True, timeout=550)
    with open(os.path.join(folder, "expected.txt")) as f:
        want = f.read()
    diff = list(difflib.unified_diff(steady(want), steady(got.stdout), "expected.txt", "printed", lineterm=""))
    print("\n".join(diff) or f"{name}: as expected")
    return bool(diff) or got.returncode != 0


sys.exit(main(sys.argv[1]))
