"""Real servers for the tests of this folder: one process each, started when the first test asks for it."""

import contextlib
import os
import threading
from pathlib import Path

import pytest
from elastic import client, documents, indexed, made, requests  # noqa: F401 - fixtures
from panels import panels  # noqa: F401 - a fixture
from stack_servers import (
    Alertmanager,
    Bugsink,
    Collector,
    Compose,
    Elasticsearch,
    OtlpSink,
    Prometheus,
    StackError,
    jruby,
)


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
def sink():
    """Where Jaeger (/jaeger), Elasticsearch (/es) and Sentry (/sentry) would be."""
    server = OtlpSink()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def elasticsearch(serve):
    """An empty Elasticsearch."""
    return serve(Elasticsearch())


@pytest.fixture(scope="session")
def bugsink(serve):
    """A Bugsink with one project."""
    return serve(Bugsink())


@pytest.fixture(scope="session")
def collector(serve, prometheus, sink):
    """The Collector between a process, Prometheus and the sink; quick to send on."""
    return serve(
        Collector(
            "sentry.yaml",
            env={
                "PROMETHEUS_URL": prometheus.url,
                "JAEGER_URL": f"{sink.url}/jaeger",
                "ELASTICSEARCH_URL": f"{sink.url}/es",
                "ELASTICSEARCH_API_KEY": "key-of-elasticsearch",
                "SENTRY_OTLP_URL": f"{sink.url}/sentry",
                "SENTRY_PUBLIC_KEY": "key-of-sentry",
                "BATCH_TIMEOUT": "200ms",
                "SPAN_METRICS_INTERVAL": "1s",
            },
        )
    )


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


@pytest.fixture(scope="session")
def compose():
    """The command `docker compose`, as a list."""
    try:
        return Compose.command()
    except StackError as error:
        missing(error)


@pytest.fixture(scope="session")
def ruby():
    """The command of JRuby, as a list."""
    try:
        return jruby.command()
    except StackError as error:
        missing(error)


def missing(error):
    """In continuous integration a server that is not there is a failure, elsewhere its tests are skipped."""
    if os.environ.get("CI") == "true":
        raise error
    pytest.skip(str(error))
