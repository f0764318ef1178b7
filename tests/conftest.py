import os
import time

import pytest

import modelspan
from modelspan import _setup, guard

# On a busy machine threads of OpenMP that wait for each other spin: a small gradient boosting of scikit-learn
# took 30 times as long. Read when scikit-learn is imported, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    """With pytest-xdist: a file stays in one process, and so do the tests that share real servers."""
    for item in items:
        folder, file = item.path.parent.name, item.path.relative_to(item.config.rootpath).as_posix()
        item.add_marker(pytest.mark.xdist_group("stack" if folder == "stack" else file))


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
