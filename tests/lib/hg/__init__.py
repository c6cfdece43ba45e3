"""What the end-to-end tests share: the product's processes, servers around it, and waiting without sleeping blindly."""
import os
import pathlib
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("HG_BUILD", ROOT / "build" / "release"))
CACHE = pathlib.Path(os.environ.get("HG_CACHE", ROOT / ".cache"))
HEADGATE = BUILD / "headgate"
FDA = BUILD / "fda"
MOCK_BROKER = BUILD / "tests" / "mock_broker"


PATIENCE = 150  # seconds until a wait is in vain. No test is decided by it: what passes has long come, on the slowest machine too


def whole_lines(path):
    """Lines of a file that is still written to: one whose end is not there yet is not there, and neither is a file."""
    try:
        data = pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        return []
    return data[:data.rfind(b"\n") + 1].decode().split("\n")[:-1]


def contents(folder):
    """(path, bytes) of the files below it, without those that go meanwhile."""
    for at, _, names in os.walk(folder):
        for path in (os.path.join(at, name) for name in names):
            try:
                yield path, pathlib.Path(path).read_bytes() if os.path.isfile(path) else b""
            except FileNotFoundError:
                continue


def until(what, condition, timeout=PATIENCE, interval=0.02):
    """Poll `condition` until it returns something true and return that; fail with `what` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"timed out waiting until {what}; last value: {value!r}")
        time.sleep(interval)
