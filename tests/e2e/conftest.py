import pytest

from hg import httpd, kafka
from hg.daemon import Daemon


@pytest.fixture(scope="module")
def daemon():
    d = Daemon()
    yield d
    d.close()


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
