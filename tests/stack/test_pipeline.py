"""Demo traffic through the real Collector into the real Prometheus: counts, exemplars, routes, redaction."""

import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from stack_servers import arrivals
from stack_servers.arrivals import wait_for

from modelspan import semconv
from modelspan.demo.scoring import MODEL

HERE = "pipeline"
"""Namespace of this file's traffic: other tests send to the same servers."""
LABELS = f'job=~"{HERE}/.*",ml_model_name="{MODEL}"'


@pytest.fixture(scope="module")
def demo(collector):
    """What the demo itself counted: rows, calls, failed calls."""
    done = subprocess.run(
        [sys.executable, "-m", "modelspan", "demo", "--seconds", "6", "--exit", "--endpoint", collector.url],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "COLUMNS": "200", "OTEL_RESOURCE_ATTRIBUTES": f"service.namespace={HERE}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows, calls = re.search(r"([\d,]+) rows in ([\d,]+) calls", done.stdout).groups()
    (errors,) = re.search(r"(\d+) calls raised", done.stdout).groups()
    assert "nothing dropped" in done.stdout
    return {
        name: int(n.replace(",", "")) for name, n in (("rows", rows), ("calls", calls), ("errors", errors))
    }


def query(prometheus, path, **parameters):
    url = f"{prometheus.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def value(prometheus, promql):
    found = query(prometheus, "query", query=promql)["result"]
    return float(found[0]["value"][1]) if found else None


DURATIONS = f"ml_inference_duration_seconds_count{{{LABELS}"
SPANS = f'traces_span_metrics_calls_total{{job=~"{HERE}/.*",span_name=~".* {MODEL}"'


@pytest.mark.parametrize(
    ("promql", "counted"),
    [
        (f"sum(ml_inference_predictions_total{{{LABELS}}})", "rows"),
        (f"sum({DURATIONS}}})", "calls"),
        (f'sum({DURATIONS},error_type!=""}})', "errors"),
        (f"sum({SPANS}}})", "calls"),
        (f'sum({SPANS},status_code="STATUS_CODE_ERROR"}})', "errors"),
    ],
)
def test_prometheus_counts_what_was_sent(demo, prometheus, promql, counted):
    wait_for(lambda: value(prometheus, promql) == demo[counted], f"{promql} is {demo[counted]}")


def test_every_exemplar_of_the_duration_leads_to_a_trace_that_exists(demo, prometheus, sink):
    name = f"ml_inference_duration_seconds_bucket{{{LABELS}}}"
    wait_for(
        lambda: len(arrivals.spans(sink, "/jaeger/v1/traces")) >= demo["calls"], "all spans are at Jaeger"
    )
    found = wait_for(
        lambda: query(prometheus, "query_exemplars", query=name, start="0", end="9999999999"), "exemplars"
    )
    exemplars = [e["labels"]["trace_id"] for series in found for e in series["exemplars"]]
    traces = {span.trace_id.hex() for span in arrivals.spans(sink, "/jaeger/v1/traces").values()}
    assert exemplars
    assert set(exemplars) <= traces


@pytest.mark.parametrize("place", ["/jaeger", "/es/_otlp", "/sentry"])
def test_each_span_and_each_record_arrives_once_at_every_backend_that_takes_it(demo, sink, place):
    def ours():
        found = arrivals.spans(sink, f"{place}/v1/traces").values()
        return [span for span in found if span.name.endswith(f" {MODEL}")]

    wait_for(lambda: len(ours()) == demo["calls"], f"{demo['calls']} spans at {place}")
    if place == "/jaeger":
        return

    def failures():
        found = arrivals.records(sink, f"{place}/v1/logs")
        return [record for record in found if record.event_name == semconv.EXCEPTION_EVENT.name]

    wait_for(lambda: len(failures()) == demo["errors"], f"{demo['errors']} exception records at {place}")


def test_elasticsearch_gets_changes_and_never_running_totals(demo, sink):
    def totals(kind):
        found = arrivals.metrics(sink, "/es/_otlp/v1/metrics")
        return [getattr(m, kind) for m in found if m.HasField(kind) and m.name != semconv.ACTIVE.name]

    for kind in ("histogram", "sum"):
        seen = {each.aggregation_temporality for each in wait_for(lambda kind=kind: totals(kind), kind)}
        assert seen == {AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA}, kind
    durations = [m for m in arrivals.metrics(sink, "/es/_otlp/v1/metrics") if m.name == semconv.DURATION.name]
    points = [point for metric in durations for point in metric.histogram.data_points]
    mine = [p.count for p in points if arrivals.attributes(p)[semconv.MODEL_NAME] == MODEL]
    assert sum(mine) == demo["calls"]


def test_credentials_go_where_they_belong(demo, sink):
    for place, header, secret in (
        ("/sentry/", "x-sentry-auth", "sentry sentry_key=key-of-sentry"),
        ("/es/", "authorization", "ApiKey key-of-elasticsearch"),
    ):
        requests = [r for r in sink.requests if r.path.startswith(place)]
        assert {r.headers.get(header) for r in requests} == {secret}
    assert not [r for r in sink.requests if r.path.startswith("/jaeger") and "authorization" in r.headers]


def test_personal_data_in_attributes_is_masked_and_ids_are_not(collector, sink):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces")))
    card = "4111111111111111"  # the usual test number; a span id may be 16 such digits too
    with provider.get_tracer("test").start_as_current_span("redaction") as span:
        span.set_attributes({
            semconv.PREDICTION_ID: f"4bf92f3577b34da6a3ce929d0e0e4736-{card}",
            semconv.ANNOTATION_PREFIX + "note": f"paid with {card}",
            semconv.EXCEPTION_MESSAGE: "no account of ada@example.org, tried Bearer abcdefgh12345678",
            "db.password": "hunter2",
            semconv.PREDICTION_SCORE: 0.25,
        })  # fmt: skip
    provider.shutdown()

    def arrived():
        found = arrivals.spans(sink, "/jaeger/v1/traces").values()
        return [arrivals.attributes(span) for span in found if span.name == "redaction"]

    (seen,) = wait_for(arrived, "the span is at Jaeger")
    assert seen[semconv.PREDICTION_ID].endswith(card)
    assert seen[semconv.ANNOTATION_PREFIX + "note"] == "paid with ****"
    assert seen[semconv.EXCEPTION_MESSAGE] == "no account of ****, tried ****"
    assert seen["db.password"] == "****"
    assert seen[semconv.PREDICTION_SCORE] == 0.25
