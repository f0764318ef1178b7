"""What arrived at the sink, decoded; for tests and benchmarks, because it needs the OTLP messages."""

import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def bodies_of_spans(sink, path):
    """The spans of each request that came to a path."""
    for body in _bodies(sink, path, ExportTraceServiceRequest):
        yield [span for scope in _scopes(body.resource_spans, "scope_spans") for span in scope.spans]


def spans(sink, path):
    """Every span that came to a path by its span id, so that duplicates count once."""
    return {span.span_id.hex(): span for body in bodies_of_spans(sink, path) for span in body}


def records(sink, path):
    """Every log record that came to a path."""
    bodies = _bodies(sink, path, ExportLogsServiceRequest)
    scopes = [scope for body in bodies for scope in _scopes(body.resource_logs, "scope_logs")]
    return [record for scope in scopes for record in scope.log_records]


def metrics(sink, path):
    """Every metric message that came to a path."""
    bodies = _bodies(sink, path, ExportMetricsServiceRequest)
    scopes = [scope for body in bodies for scope in _scopes(body.resource_metrics, "scope_metrics")]
    return [metric for scope in scopes for metric in scope.metrics]


def _bodies(sink, path, message):
    return [message.FromString(r.body) for r in list(sink.requests) if r.path == path]


def _scopes(resources, name):
    return [scope for resource in resources for scope in getattr(resource, name)]


def attributes(thing):
    """Attributes as a dictionary of plain values."""
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in thing.attributes
    }


def wait_for(found, what, seconds=60):
    """The first true answer of `found()`; fails with `what` after a generous while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"within {seconds} s: {what}; last: {found()!r}")
