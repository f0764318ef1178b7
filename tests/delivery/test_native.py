"""Telemetry that sinks encode themselves says what the same telemetry through the SDK says."""

import itertools

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import SpanProcessor

import modelspan
from modelspan import _providers, _setup

CALLS = 20
THROUGH_SDK = ("OTEL_SPAN_LINK_COUNT_LIMIT", "128")
"""The default, said: whoever sets limits gets the SDK, which alone keeps them."""


def probability(x):
    return 0.25 if isinstance(x, dict) else float(abs(x[0, 0]) % 1)


def annotated(x):
    modelspan.current_prediction().annotate(case="7", amount=2.5)
    return 0.5


def eventful(x):
    span = trace.get_current_span()
    span.set_attribute("own", [1, 2])
    span.add_event("looked up", {"hit": True}, 5)
    span.add_link(trace.SpanContext(1, 2, is_remote=True))
    span.set_status(trace.Status(trace.StatusCode.ERROR, "meh"))
    span.update_name("renamed")
    return 1.5


def nested(x):
    with trace.get_tracer("app").start_as_current_span("inner"):
        return "cat"


CASES = {
    "dict, probability": (probability, lambda i: {"a": i + 0.5, "b": f"text {i}", "c": i % 2 == 0}, "binary"),
    "array, probability": (probability, lambda i: np.full((1, 3), i / 8), "binary"),
    "two columns": (lambda x: np.array([[0.25, 0.75]]), lambda i: np.full((1, 3), i), ""),
    "three columns": (lambda x: np.array([[0.2, 0.5, 0.3]]), lambda i: {"a": i}, "multiclass"),
    "regression": (lambda x: x["a"] * -1234.5, lambda i: {"a": float(i)}, "regression"),
    "label": (lambda x: "dog", lambda i: {"a": None}, ""),
    "numbers as labels": (lambda x: 3, lambda i: {"a": 1}, ""),
    "nothing": (lambda x: None, lambda i: {"a": 1}, ""),
    "missing values": (probability, lambda i: {"a": float("nan") if i % 2 else 1.0}, "binary"),
    "mixed kinds": (probability, lambda i: {"a": "x" if i % 2 else 1.0}, "binary"),
    "long text": (probability, lambda i: {"b": "ä" * 1000}, "binary"),
    "one value in an array": (lambda x: np.array([2.5]), lambda i: {"a": 1}, ""),
    "numpy scalar": (lambda x: np.float64(2.5), lambda i: {"a": 1}, ""),
    "not finite": (lambda x: float("inf"), lambda i: {"a": 1}, "regression"),
    "batch": (lambda x: np.full((3, 2), 0.5), lambda i: np.zeros((3, 3)), ""),
    "annotated": (annotated, lambda i: {"a": 1}, "binary"),
    "eventful": (eventful, lambda i: {"a": 1}, ""),
    "user span inside": (nested, lambda i: {"a": 1}, ""),
}


@pytest.fixture
def backend(endpoint, stopped, monkeypatch):
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "60000")
    modelspan.configure(endpoint=endpoint.url, tick_seconds=0.5)
    return endpoint


def read(endpoint):
    found = {"spans": [], "logs": [], "metrics": []}
    for path, body in endpoint.accepted:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found["spans"] += [
                    (resource.resource, scope.scope, s) for scope in resource.scope_spans for s in scope.spans
                ]
        elif path == "/v1/logs":
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                found["logs"] += [
                    (resource.resource, scope.scope, r)
                    for scope in resource.scope_logs
                    for r in scope.log_records
                ]
        else:
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                found["metrics"] += [m for scope in resource.scope_metrics for m in scope.metrics]
    endpoint.accepted.clear()
    return found


def plain(about, scope, record):
    """A record without what differs from run to run: ids and times."""
    copy = type(record).FromString(record.SerializeToString())
    for field in ("trace_id", "span_id", "parent_span_id", "start_time_unix_nano", "end_time_unix_nano",
                  "time_unix_nano", "observed_time_unix_nano"):  # fmt: skip
        if field in record.DESCRIPTOR.fields_by_name:
            copy.ClearField(field)
    pairs = sorted(
        (pair.SerializeToString() for pair in copy.attributes if pair.key != "ml.prediction.id"), key=repr
    )
    copy.ClearField("attributes")
    return (about.SerializeToString(), scope.SerializeToString(), str(copy), tuple(pairs))


def run(case, endpoint):
    function, make, task = CASES[case]
    predict = modelspan.monitor(
        model="m", version="1", task=task, operation="predict", classes=("good", "bad"),
        log_features=("a", "b", "c", "f0"),
    )(function)  # fmt: skip
    for i in range(CALLS):
        predict(make(i))
    assert modelspan.flush(20)
    return read(endpoint)


@pytest.mark.parametrize("case", CASES)
def test_native_spans_and_logs_say_what_the_sdks_say(endpoint, stopped, monkeypatch, case):
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "60000")
    told = []
    for sdk in (False, True):
        if sdk:
            monkeypatch.setenv(*THROUGH_SDK)
        modelspan.configure(endpoint=endpoint.url, tick_seconds=0.5)
        assert (set(_setup.current._providers.native) == set()) is sdk
        told.append(run(case, endpoint))
        _setup.shutdown(5)
        _setup.allow_start()
        endpoint.accepted.clear()
    for signal in ("spans", "logs"):
        assert sorted(plain(*r) for r in told[0][signal]) == sorted(plain(*r) for r in told[1][signal])
    assert len(told[0]["spans"]) >= CALLS


def test_ids_of_span_log_and_current_prediction_are_the_same(backend):
    predict = modelspan.monitor(model="m", task="binary")(probability)
    ids = []
    for i in range(40):
        predict({"a": i})
        if i % 3 == 0:  # of some calls the id is asked for before the worker draws it
            ids.append(modelspan.current_prediction().id)
    last = modelspan.current_prediction()
    assert modelspan.flush(30)
    ids.append(last.id)  # and of one after
    found = read(backend)
    spans = {f"{s.trace_id.hex()}-{s.span_id.hex()}" for _, _, s in found["spans"]}
    logs = {f"{r.trace_id.hex()}-{r.span_id.hex()}" for _, _, r in found["logs"]}
    named = {a.value.string_value for _, _, s in found["spans"] for a in s.attributes if a.key.endswith("id")}
    assert len(spans) == 40
    assert spans == logs == named
    assert set(ids) <= spans


def test_calls_that_somebody_keeps_know_their_ids_afterwards_and_let_go_of_their_data(backend):
    predict = modelspan.monitor(model="m", task="binary")(probability)
    kept = []
    for i in range(40):
        predict(np.full((1, 3), i / 8))
        if i % 4 == 0:
            kept.append(modelspan.current_prediction())
    assert modelspan.flush(30)
    spans = {f"{s.trace_id.hex()}-{s.span_id.hex()}" for _, _, s in read(backend)["spans"]}
    assert len(spans) == 40
    assert len({call.id for call in kept} & spans) == len(kept)
    assert not any(call.inputs() or call.output or call.atom for call in kept)


def test_calls_under_a_users_span_have_it_as_parent(backend):
    predict = modelspan.monitor(model="m")(lambda x: 1.0)
    with trace.get_tracer("app").start_as_current_span("request") as request:
        for _ in range(CALLS):
            predict({"a": 1})
    assert modelspan.flush(30)
    ours = [s for _, scope, s in read(backend)["spans"] if scope.name == "modelspan"]
    context = request.get_span_context()
    assert len(ours) == CALLS
    assert {s.parent_span_id for s in ours} == {context.span_id.to_bytes(8, "big")}
    assert {s.trace_id for s in ours} == {context.trace_id.to_bytes(16, "big")}


def test_a_processor_that_the_application_adds_to_our_provider_sees_every_span(backend):
    class Ear(SpanProcessor):
        heard = 0

        def on_end(self, span):
            self.heard += 1

    ear, provider = Ear(), _providers._ours.tracing
    provider.add_span_processor(ear)
    try:
        predict = modelspan.monitor(model="m")(lambda x: 1.0)
        for _ in range(CALLS):
            predict({"a": 1})
        assert modelspan.flush(30)
        assert ear.heard == CALLS == len(read(backend)["spans"])
    finally:
        processors = provider._active_span_processor
        processors._span_processors = tuple(p for p in processors._span_processors if p is not ear)
        provider.processors -= 1


def test_histograms_hold_every_call_and_exemplars_lead_to_traces(backend):
    predict = modelspan.monitor(model="m", task="binary")(probability)
    for i in range(100):
        predict(np.full((1, 2), i / 100))
    assert modelspan.flush(30)
    assert modelspan.flush(30)
    found = read(backend)
    traces = {s.trace_id for _, _, s in found["spans"]}
    metrics = {m.name: m for m in found["metrics"]}
    (duration,) = metrics["ml.inference.duration"].histogram.data_points
    (score,) = metrics["ml.prediction.score"].histogram.data_points
    assert duration.count == score.count == sum(score.bucket_counts) == 100
    assert score.sum == pytest.approx(sum(i / 100 for i in range(100)))
    bounds = [0.0, *score.explicit_bounds]
    by_hand = [sum(low < i / 100 <= high for i in range(100)) for low, high in itertools.pairwise(bounds)]
    by_hand[0] += 1  # the score 0 itself
    assert list(score.bucket_counts) == [*by_hand, 0]
    first = next(m for m in found["metrics"] if m.name == "ml.inference.duration")
    exemplars = first.histogram.data_points[0].exemplars
    assert exemplars
    assert {e.trace_id for e in exemplars} <= traces
    (rows,) = metrics["ml.inference.predictions"].sum.data_points
    assert rows.as_int == 100


@pytest.mark.parametrize(
    ("sampler", "argument", "least", "most"),
    [("always_off", "", 0, 0), ("always_on", "", 400, 400), ("parentbased_traceidratio", "0.5", 120, 280)],
)
def test_standard_samplers_thin_spans_and_never_counts(  # noqa: PLR0917 - its cases
    endpoint, tmp_path, sampler, argument, least, most
):
    import os
    import subprocess
    import sys

    program = tmp_path / "program.py"
    program.write_text("""
import modelspan
from opentelemetry import trace
from modelspan import _setup

@modelspan.monitor(model="m")
def predict(x):
    if x["a"] % 2:  # half of the calls ask for the decision while they run
        with trace.get_tracer("app").start_as_current_span("inner"):
            return 1.0
    return 1.0

for i in range(400): predict({"a": i})
assert _setup.current._providers.native
assert modelspan.flush(20)
""")
    env = {**os.environ, "OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument,
           "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint.url}  # fmt: skip
    done = subprocess.run(
        [sys.executable, program], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = read(endpoint)
    ours = {s.span_id: s for _, scope, s in found["spans"] if scope.name == "modelspan"}
    inner = [s for _, scope, s in found["spans"] if scope.name == "app"]
    assert least <= len(ours) <= most  # binomial(400, 0.5): 8 standard deviations either side
    assert all(s.parent_span_id in ours for s in inner)
    assert {r.span_id for _, _, r in found["logs"] if r.flags & 1} == set(ours), "no other span is promised"
    (duration,) = [m for m in found["metrics"] if m.name == "ml.inference.duration"][-1].histogram.data_points
    assert {e.span_id for e in duration.exemplars} <= set(ours)
    rows = [m for m in found["metrics"] if m.name == "ml.inference.predictions"][-1]
    assert rows.sum.data_points[0].as_int == 400
