"""Backends with pages: one that saw nothing, one that saw two models, of which one is named to do harm."""

import math
import time
from contextlib import contextmanager

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from modelspan import semconv
from modelspan.viewer.queries import Queries
from modelspan.viewer.serve import Backend, BackendConfig

MODEL, VERSION = "credit-risk", "1.4.2"
HOSTILE = "<script>window.planted=1</script><img src=x onerror='window.planted=1'>/../&?"
POSING = {"type": "Script", "namespace": "dash_html_components", "props": {"children": "window.planted=1"}}
CALLS, FAILED, ANSWERED = 40, 4, 9
"""Every tenth call fails; of the others the first nine get an outcome, of which one says otherwise."""
STACK = (
    'Traceback (most recent call last):\n  File "score.py", line 7, in predict\nValueError: age <b>lacks</b>'
)


class Source:
    """Sends telemetry through OpenTelemetry's own SDK, at times of its choosing."""

    def __init__(self, url):
        resource = Resource.create({"service.name": "credit-api"})
        self.spans, self.logs = TracerProvider(resource=resource), LoggerProvider(resource=resource)
        self.spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
        self.logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{url}/v1/logs")))
        self.tracer, self.logger = self.spans.get_tracer("modelspan"), self.logs.get_logger("modelspan")

    def call(self, model, version, at, *, failed=False):
        """One call with a step inside it; the answer is its context and prediction id."""
        names = {semconv.MODEL_NAME: model, semconv.MODEL_VERSION: version, semconv.OPERATION: "predict"}
        span = self.tracer.start_span(semconv.span_name("predict", model), start_time=nanoseconds(at))
        ids = span.get_span_context()
        prediction_id = f"{ids.trace_id:032x}-{ids.span_id:016x}"
        span.set_attributes({**names, semconv.PREDICTION_ID: prediction_id})
        context = set_span_in_context(span)
        step = self.tracer.start_span("load features", context, start_time=nanoseconds(at + 0.001))
        step.end(nanoseconds(at + 0.003))
        if failed:
            span.set_attribute(semconv.ERROR_TYPE, "ValueError")
            span.set_status(Status(StatusCode.ERROR, "age is missing"))
        span.end(nanoseconds(at + 0.004))
        return context, prediction_id

    def event(self, name, at, attributes, *, context=None, severity=SeverityNumber.INFO, body=None):
        self.logger.emit(
            LogRecord(
                timestamp=nanoseconds(at), context=context, severity_number=severity,
                severity_text=severity.name, event_name=name, body=body, attributes=attributes,
            )
        )  # fmt: skip

    def close(self):
        self.spans.shutdown()
        self.logs.shutdown()


def nanoseconds(moment):
    return math.floor(moment * 1e9)


def send_calls(source, now):
    names = {semconv.MODEL_NAME: MODEL, semconv.MODEL_VERSION: VERSION}
    answered = 0
    for number in range(CALLS):
        at, failed = now - 200 + 4 * number, number % (CALLS // FAILED) == 3
        context, prediction_id = source.call(MODEL, VERSION, at, failed=failed)
        mine = {**names, semconv.PREDICTION_ID: prediction_id, semconv.PREDICTION_ROW: 0}
        if failed:
            raised = {semconv.EXCEPTION_TYPE: "ValueError", semconv.EXCEPTION_MESSAGE: "age <b>lacks</b>"}
            stack = {semconv.EXCEPTION_STACKTRACE: STACK}
            event = semconv.EXCEPTION_EVENT.name
            source.event(
                event, at, {**mine, **raised, **stack}, context=context, severity=SeverityNumber.ERROR
            )
            source.event("", at + 0.002, {}, context=context, body=POSING)
            continue
        label = "good" if number % 3 else "bad"
        predicted = {
            semconv.PREDICTION_LABEL: label,
            semconv.PREDICTION_SCORE: 0.9 if label == "bad" else 0.2,
        }
        source.event(semconv.PREDICTION_EVENT.name, at, {**mine, **predicted}, context=context, body=HOSTILE)
        if answered < ANSWERED:
            truth = {semconv.OUTCOME_LABEL: "good" if answered == 0 else label}
            source.event(semconv.FEEDBACK_EVENT.name, at + 60, {**mine, **truth}, context=context)
            answered += 1


def send_drift(source, model, *, version, feature, at, psi, bins, kind="numeric", alarm=None):
    report = {
        semconv.MODEL_NAME: model, semconv.MODEL_VERSION: version, semconv.FEATURE_NAME: feature,
        semconv.FEATURE_KIND: kind, semconv.DRIFT_WINDOW_ROWS: 200, semconv.DRIFT_P_VALUE: 0.0001,
        semconv.DRIFT_BINS: bins, semconv.DRIFT_REFERENCE_COUNTS: [60, 30, 10],
        semconv.DRIFT_CURRENT_COUNTS: [20, 60, 120],
        **{f"{semconv.DRIFT_PREFIX}{name}": psi for name in ("psi", "ks", "kl", "js", "wasserstein")},
    }  # fmt: skip
    source.event(semconv.DRIFT_REPORT_EVENT.name, at - 30, {**report, f"{semconv.DRIFT_PREFIX}psi": psi / 2})
    source.event(semconv.DRIFT_REPORT_EVENT.name, at, report)
    if alarm:
        event = {**report, semconv.DRIFT_TRACES: [f"{7:032x}"]}
        source.event(semconv.DRIFT_EVENT.name, at, event, severity=SeverityNumber.WARN)
    if alarm == "closed":
        source.event(semconv.DRIFT_EVENT.name, at + 5, report, severity=SeverityNumber.INFO)


def send_all(url):
    source, now = Source(url), time.time()
    send_calls(source, now)
    source.call(HOSTILE, HOSTILE, now - 250)
    at, plain = now - 20, ["low", "mid", "high"]
    hostile = [HOSTILE, "<a href='https://elsewhere'>", "c"]
    mine = {"model": MODEL, "version": VERSION, "at": at, "bins": plain}
    send_drift(source, **mine, feature="score", psi=0.02, kind="score")
    send_drift(source, **mine, feature="age", psi=0.01, alarm="closed")
    send_drift(source, **mine, feature="amount", psi=0.8, alarm="open")
    theirs = {"model": HOSTILE, "version": HOSTILE, "at": at, "bins": hostile}
    send_drift(source, **theirs, feature=HOSTILE, psi=0.5, alarm="open")
    source.close()


@contextmanager
def running(folder):
    backend = Backend(BackendConfig(data=folder, port=0, otlp_port=0))
    backend.start()
    queries = Queries(backend.path)
    try:
        yield backend, queries
    finally:
        queries.close()
        backend.close()


@pytest.fixture(scope="module")
def called(tmp_path_factory):
    """A backend that saw one call, for tests that send the rest themselves."""
    with running(tmp_path_factory.mktemp("called")) as both:
        source = Source(both[0].otlp_url)
        source.call(MODEL, VERSION, time.time())
        source.close()
        yield both


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    with running(tmp_path_factory.mktemp("filled")) as (backend, queries):
        send_all(backend.otlp_url)
        yield backend, queries


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    with running(tmp_path_factory.mktemp("empty")) as (backend, queries):
        yield backend, queries


@pytest.fixture(scope="module")
def names():
    """What the filled backend was told, for tests to compare with."""
    return {
        "model": MODEL, "version": VERSION, "hostile": HOSTILE, "calls": CALLS, "failed": FAILED,
        "answered": ANSWERED, "stack": STACK,
    }  # fmt: skip
