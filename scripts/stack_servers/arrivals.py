"""What arrived at the sink, decoded; for tests and benchmarks, because it needs the OTLP messages."""

import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def bodies_of_spans(sink, path):
    """The spans of each request that came to a path."""
    bodies = [ExportTraceServiceRequest.FromString(r.body) for r in list(sink.requests) if r.path == path]
    for body in bodies:
        scopes = [scope for resource in body.resource_spans for scope in resource.scope_spans]
        yield [span for scope in scopes for span in scope.spans]


def spans(sink, path):
    """Every span that came to a path by its span id, so that duplicates count once."""
    return {span.span_id.hex(): span for body in bodies_of_spans(sink, path) for span in body}


def records(sink, path):
    """Every log record that came to a path."""
    bodies = [ExportLogsServiceRequest.FromString(r.body) for r in list(sink.requests) if r.path == path]
    return [
        record
        for body in bodies
        for resource in body.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def metrics(sink, path):
    """Every metric message that came to a path."""
    bodies = [ExportMetricsServiceRequest.FromString(r.body) for r in list(sink.requests) if r.path == path]
    return [
        metric
        for body in bodies
        for resource in body.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]


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
