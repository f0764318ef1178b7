"""Real servers for the tests of this folder: one process each, started when the first test asks for it."""

import contextlib
import os
from pathlib import Path

import pytest
from stack_servers import Alertmanager, Collector, Prometheus, StackError


def pytest_collection_modifyitems(items):
    """Mark the tests of this folder: `pytest -m 'not stack'` leaves them out."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Start a configured server, for example `serve(Prometheus(rules=[path]))`; it ends with the session."""
    with contextlib.ExitStack() as running:

        def start(server):
            try:
                type(server).install()
            except StackError as error:
                missing(error)
            return running.enter_context(server.start(tmp_path_factory.mktemp(server.name)))

        yield start


@pytest.fixture(scope="session")
def prometheus(serve):
    """An empty Prometheus without rules."""
    return serve(Prometheus())


@pytest.fixture(scope="session")
def alertmanager(serve):
    """An Alertmanager that notifies nobody."""
    return serve(Alertmanager())


@pytest.fixture(scope="session")
def promtool():
    """The path of promtool."""
    try:
        return Prometheus.promtool()
    except StackError as error:
        missing(error)


@pytest.fixture(scope="session")
def otelcol():
    """The path of the Collector built from collector/builder-config.yaml."""
    try:
        return Collector.binary()
    except StackError as error:
        missing(error)


def missing(error):
    """In continuous integration a server that is not there is a failure, elsewhere its tests are skipped."""
    if os.environ.get("CI") == "true":
        raise error
    pytest.skip(str(error))
