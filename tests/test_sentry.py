"""Exceptions in Sentry: a real sentry-sdk client sends envelopes to a server on this machine."""

import gzip
import json
import subprocess
import sys
import textwrap

import pytest

import modelspan
from tests.serving import Answers, serving


class Ingest(Answers):
    """The envelope endpoint that every Sentry DSN leads to."""

    def do_POST(self):
        body = self.body()
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        lines = body.split(b"\n")
        for head, payload in zip(lines[1::2], lines[2::2], strict=False):
            if json.loads(head).get("type") == "event":
                self.server.events.append(json.loads(payload))
        self.answer(200, {})


@pytest.fixture
def sentry():
    with serving(Ingest, events=[]) as server:
        server.dsn = f"http://publickey@127.0.0.1:{server.server_port}/1"
        yield server


def test_an_exception_is_one_event_with_trace_id_tags_and_release(sentry):
    @modelspan.monitor(model="credit-risk", version="1.4.2")
    def predict(x):
        secret_income = x["income"]
        raise LookupError(f"no rate for {type(secret_income).__name__}")

    settings = {"sentry_dsn": sentry.dsn, "service_name": "credit-api", "service_version": "7"}
    with modelspan.testing.record(**settings) as telemetry:
        with pytest.raises(LookupError):
            predict({"income": int("12345" + "6789")})
        (span,) = telemetry.spans
    (event,) = sentry.events
    assert event["contexts"]["trace"]["trace_id"] == f"{span.context.trace_id:032x}"
    assert event["contexts"]["trace"]["span_id"] == f"{span.context.span_id:016x}"
    assert event["tags"]["ml.model.name"] == "credit-risk"
    assert event["tags"]["ml.model.version"] == "1.4.2"
    assert event["release"] == "credit-api@7"
    assert event["exception"]["values"][-1]["type"] == "LookupError"
    assert "12345" + "6789" not in json.dumps(event)


def test_a_cancelled_or_exiting_call_is_no_event(sentry):
    @modelspan.monitor(model="m")
    def predict(x):
        raise SystemExit(1)

    with modelspan.testing.record(sentry_dsn=sentry.dsn), pytest.raises(SystemExit):
        predict({})
    assert sentry.events == []


APPLICATION = """
import sys, sentry_sdk
from sentry_sdk.scope import Scope
sentry_sdk.init(dsn=sys.argv[1], release="shop@1", default_integrations=False)
import modelspan
from opentelemetry import propagate

@modelspan.monitor(model="m", version="2")
def predict(x):
    raise KeyError(x)

def handled():
    try:
        predict("handled")
    except KeyError:
        pass

def reported():
    try:
        predict("reported")
    except KeyError as error:
        sentry_sdk.capture_exception(error)   # what an integration of a web framework does

with modelspan.testing.record():
    handled()
    reported()
carrier = {}
from opentelemetry import trace
with trace.get_tracer("t").start_as_current_span("s"):
    propagate.inject(carrier)
assert list(carrier) == ["traceparent"], carrier
sentry_sdk.flush(5)
"""


def test_with_the_applications_own_client_each_exception_is_reported_once_and_tagged(sentry):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(APPLICATION), sentry.dsn],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    messages = sorted(event["exception"]["values"][-1]["value"] for event in sentry.events)
    assert messages == ["'handled'", "'reported'"]
    assert all(event["tags"]["ml.model.version"] == "2" for event in sentry.events)
    assert all(event["release"] == "shop@1" for event in sentry.events)
    assert len({event["contexts"]["trace"]["trace_id"] for event in sentry.events}) == 2
