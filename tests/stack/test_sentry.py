"""Exceptions of predict in a real Bugsink, which speaks Sentry's protocol, by a process of its own."""

import json
import subprocess
import sys
import textwrap

import pytest
from stack_servers.bugsink import Project

SERVICE = """
import json, sys, urllib.request
import modelspan
from opentelemetry import propagate, trace

modelspan.configure(
    service_name="credit-api", service_version="7", endpoint=sys.argv[2], sentry_dsn=sys.argv[1],
    exit_timeout_seconds=30.0,
)

@modelspan.monitor(model=sys.argv[3], version="1.4.2")
def predict(features):
    sent.append({})
    propagate.inject(sent[-1])  # what an instrumented HTTP client does
    raise LookupError("no rate in " + sys.argv[3])

sent = []
for _ in range(int(sys.argv[4])):
    try:
        predict({"income": 123456789})
    except LookupError:
        pass
print(json.dumps(sent))
"""


@pytest.fixture(scope="module")
def project(bugsink):
    return Project(bugsink.url)


@pytest.fixture
def endpoint(sink):
    return sink.url


def run(project, endpoint, model, times):
    """What each call gave to the next service, after the process has ended."""
    command = [sys.executable, "-c", textwrap.dedent(SERVICE), project.dsn, endpoint, model, str(times)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def trace_id(headers):
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    return trace


def issue_of(project, model):
    """The one issue that the model's exception, whose message names it, must have become."""
    found = [each for each in project.issues() if each["calculated_value"] == f"no rate in {model}"]
    assert len(found) == 1
    assert found[0]["calculated_type"] == "LookupError"
    return found[0]


def test_an_exception_is_one_issue_with_trace_id_tags_and_release(project, endpoint):
    (headers,) = run(project, endpoint, "one", 1)
    issue = issue_of(project, "one")
    assert issue["digested_event_count"] == 1
    (event,) = project.events(issue["id"])
    assert event["contexts"]["trace"]["trace_id"] == trace_id(headers)
    assert event["tags"]["ml.model.name"] == "one"
    assert event["tags"]["ml.model.version"] == "1.4.2"
    assert event["release"] == "credit-api@7"
    assert "123456789" not in json.dumps(event)


def test_a_hundred_equal_exceptions_are_one_issue_of_a_hundred_traces(project, endpoint):
    sent = run(project, endpoint, "many", 100)
    issue = issue_of(project, "many")
    assert issue["digested_event_count"] == 100
    traces = {event["contexts"]["trace"]["trace_id"] for event in project.events(issue["id"])}
    assert traces == {trace_id(headers) for headers in sent}
    assert len(traces) == 100


def test_a_w3c_traceparent_still_leaves_the_process(project, endpoint):
    (headers,) = run(project, endpoint, "out", 1)
    assert set(headers) == {"traceparent"}
    assert trace_id(headers)
