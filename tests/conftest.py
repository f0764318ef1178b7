import contextlib
import os
import time

import pytest

import modelspan
from modelspan import _setup, guard

# On a busy machine threads of OpenMP that wait for each other spin: a small gradient boosting of scikit-learn
# took 30 times as long. Read when scikit-learn is imported, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

with contextlib.suppress(ImportError):  # the environments of PyTorch and alibi-detect have none
    from hypothesis import HealthCheck, settings

    # An example may take long where the machine is busy.
    settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file stays in one process, and so do all tests that share the real servers."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return "tests/stack" if file.startswith("tests/stack/") else file

    return ByFile(config, log)


@pytest.fixture(autouse=True)
def no_fault_of_ours(request):
    """Every test fails when modelspan had to contain a fault of its own, unless the test brings it about."""
    before = guard.fault_count()
    yield
    if not request.node.get_closest_marker("contained_fault"):
        assert guard.fault_count() == before


@pytest.fixture
def telemetry():
    """Telemetry of the test, kept in memory."""
    with modelspan.testing.record() as recorded:
        yield recorded


@pytest.fixture
def stopped():
    """A process in which modelspan does not run yet, and stops after the test."""
    _setup.shutdown(0)
    _setup.allow_start()
    yield
    _setup.shutdown(2)
    _setup.allow_start()


@pytest.fixture
def until():
    """Wait for `condition()` to be true."""

    def wait(condition, seconds=20):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.02)

    return wait
