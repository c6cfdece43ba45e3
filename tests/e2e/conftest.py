import os
import signal

import pytest

from hg import httpd, kafka, shapes
from hg.daemon import Daemon

# A shell that starts us in the background has us ignore ^C, and whatever we start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def daemon():
    d = Daemon()
    yield d
    d.close()


@pytest.fixture(autouse=True)
def answers():
    """What was wrong with an answer in a thread, or was caught, is told too."""
    shapes.wrong.clear()
    yield
    assert not shapes.wrong, shapes.wrong


@pytest.fixture
def own():
    """A daemon for one test: to be killed, restarted, filled."""
    d = Daemon()
    yield d
    d.close()


@pytest.fixture
def gone(daemon):
    """gone(name) is the name of a pipeline that is stopped after the test: its connectors must not outlive the test's servers."""
    names = []
    yield lambda name: names.append(name) or name
    for n in names:
        daemon.stop_pipeline(n)


@pytest.fixture
def web():
    w = httpd.Httpd()
    yield w
    w.close()


@pytest.fixture(scope="session")
def broker():
    """bootstrap servers of the real broker of this run"""
    return kafka.shared()


@pytest.fixture
def mock_broker():
    started = []

    def start(*topics):
        started.append(kafka.MockBroker(*topics))
        return started[-1]
    yield start
    for b in started:
        b.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """HG_REQUIRE=all (CI): what is missing must be installed, so a skip is a failure; but for what says nothing in a sanitized build.
    A test that failed tells what its daemon has to say."""
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for d in {id(x): x for x in item.funcargs.values() if isinstance(x, Daemon)}.values():
            report.sections.append(("the daemon", d.tell()))
    if report.skipped and os.environ.get("HG_REQUIRE") == "all":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "sanitized build" not in reason:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} may not be skipped here: {reason}"
