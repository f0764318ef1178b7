"""OpenTelemetry's own SDK and exporters on one end, the queries on the other."""

import json
import math

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

RESOURCE = Resource.create({"service.name": "credit-api", "service.instance.id": "one"})
CALL = {"ml.model.name": "credit", "ml.model.version": "2", "ml.operation.name": "predict"}


@pytest.mark.parametrize("compression", list(Compression))
def test_spans_arrive_with_their_tree_attributes_status_and_events(client, compression):
    provider = TracerProvider(resource=RESOURCE)
    exporter = OTLPSpanExporter(f"{client.otlp}/v1/traces", compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("app")
    with tracer.start_as_current_span("GET /score") as outer:  # noqa: SIM117 - see below
        # Nested on purpose: the failing span ends inside of the other one.
        with pytest.raises(KeyError), tracer.start_as_current_span("predict credit", attributes=CALL):
            raise KeyError("age")
    provider.shutdown()

    trace_id = f"{outer.get_span_context().trace_id:032x}"
    found = client.queries.trace(trace_id)
    root, inner = found["spans"]
    assert (root["name"], root["parent_span_id"], root["service"]) == ("GET /score", None, "credit-api")
    assert inner["parent_span_id"] == root["span_id"]
    assert inner["attributes"] == CALL
    assert inner["resource"]["service.instance.id"] == "one"
    assert (inner["status"], inner["scope"], inner["kind"]) == ("error", "app", "internal")
    assert inner["events"][0]["attributes"]["exception.type"] == "KeyError"
    assert 0 <= inner["duration_ms"] <= root["duration_ms"]
    (summary,) = client.queries.traces(model="credit", errors=True)["traces"]
    assert (summary["trace_id"], summary["name"], summary["spans"]) == (trace_id, "predict credit", 2)


def test_log_events_arrive_under_the_trace_of_their_span(client):
    tracers, loggers = TracerProvider(resource=RESOURCE), LoggerProvider(resource=RESOURCE)
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{client.otlp}/v1/logs")))
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{client.otlp}/v1/traces")))
    with tracers.get_tracer("app").start_as_current_span("predict") as span:
        record = LogRecord(
            timestamp=1_700_000_000_250_000_000,
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            event_name="ml.prediction",
            body={"text": "good", "parts": [1, 2.5, None]},
            attributes={**CALL, "ml.prediction.score": 0.75, "tags": ["a", "b"], "nan": math.nan},
        )
        loggers.get_logger("app").emit(record)
    loggers.shutdown()
    tracers.shutdown()

    trace_id = f"{span.get_span_context().trace_id:032x}"
    (log,) = client.get(f"/api/logs?trace_id={trace_id}").json()["logs"]
    assert log == client.queries.trace(trace_id)["logs"][0]
    assert log["time"] == 1_700_000_000.25
    assert log["span_id"] == f"{span.get_span_context().span_id:016x}"
    assert (log["event"], log["severity"], log["severity_number"]) == ("ml.prediction", "INFO", 9)
    assert log["body"] == {"text": "good", "parts": [1, 2.5, None]}
    assert log["attributes"] == {**CALL, "ml.prediction.score": 0.75, "tags": ["a", "b"], "nan": "NaN"}


def test_metrics_arrive_as_series_with_buckets_and_exemplars(client):
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{client.otlp}/v1/metrics"), math.inf)
    provider = MeterProvider([reader], resource=RESOURCE)
    tracers = TracerProvider(resource=RESOURCE)
    meter = provider.get_meter("app")
    histogram = meter.create_histogram(
        "ml.inference.duration", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1.0]
    )
    counter = meter.create_counter("ml.inference.predictions", unit="{prediction}")
    meter.create_observable_gauge(
        "load", callbacks=[lambda _: [_observation(0.5), _observation(0.25, cpu="1")]]
    )
    with tracers.get_tracer("app").start_as_current_span("predict") as span:
        for seconds in (0.05, 0.5, 5.0):
            histogram.record(seconds, {"ml.model.name": "credit"})
    counter.add(3, {"ml.model.name": "credit"})
    reader.collect()
    counter.add(4, {"ml.model.name": "credit"})
    reader.collect()
    provider.shutdown()

    names = {each["name"]: each for each in client.queries.metrics()["names"]}
    assert names["ml.inference.duration"] == {
        "name": "ml.inference.duration", "unit": "s", "kind": "histogram"
    }  # fmt: skip
    assert names["ml.inference.predictions"]["kind"] == "counter"
    assert names["load"]["kind"] == "gauge"
    (series,) = client.queries.metrics("ml.inference.predictions", model="credit")["series"]
    assert [point["value"] for point in series["points"]] == [3.0, 7.0]
    assert (series["service"], series["instance"]) == ("credit-api", "one")
    (series,) = client.get("/api/metrics?name=ml.inference.duration").json()["series"]
    point = series["points"][0]
    assert (point["count"], point["sum"], point["bounds"], point["counts"]) == (
        3,
        5.55,
        [0.1, 1.0],
        [1, 1, 1],
    )
    assert {each["trace_id"] for each in point["exemplars"]} == {f"{span.get_span_context().trace_id:032x}"}
    gauges = client.get("/api/metrics?name=load").json()["series"]
    values = {json.dumps(each["attributes"]): each["points"][-1]["value"] for each in gauges}
    assert values == {"{}": 0.5, '{"cpu": "1"}': 0.25}


def test_an_exponential_histogram_keeps_every_count_in_its_bucket(client):
    view = View(instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation(max_size=20))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{client.otlp}/v1/metrics"), math.inf)
    provider = MeterProvider([reader], resource=RESOURCE, views=[view])
    values = [0.0, 0.3, 3.0, 3.0, 5.0, 8.0, 700.0]
    histogram = provider.get_meter("app").create_histogram("sizes")
    for value in values:
        histogram.record(value)
    reader.collect()
    provider.shutdown()

    (series,) = client.queries.metrics("sizes")["series"]
    point = series["points"][0]
    assert len(point["counts"]) == len(point["bounds"]) + 1
    assert sorted(point["bounds"]) == point["bounds"]
    edges = [-math.inf, *point["bounds"], math.inf]
    for low, high, count in zip(edges, edges[1:], point["counts"], strict=False):
        assert count == sum(low < value <= high for value in values), (low, high)


def test_the_health_page_counts_what_was_received_on_both_ports(client):
    client.spans([("a1" * 16, "b1" * 8, "x", 1.7e9, 0.1, {}, False)])
    client.events([("e", 1.7e9, 9, {}), ("e", 1.7e9, 9, {})])
    here, there = client.get("/healthz").json(), json.loads(_get(client.otlp + "/healthz"))
    assert here["received"] == there["received"] == {"spans": 1, "logs": 2, "points": 0}
    assert (here["status"], here["backlog"], here["rejected"]) == ("ok", 0, {})
    assert here["database_bytes"] > 4096


def _get(url):
    import urllib.request

    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read()


def _observation(value, **attributes):
    from opentelemetry.metrics import Observation

    return Observation(value, attributes)
