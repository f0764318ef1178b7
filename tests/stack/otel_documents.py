"""OTLP as the documents that the Collector's elasticsearch exporter writes in its otel mapping mode.

The form is that of the exporter's README ("OTel mapping mode") and of testdata/golden/otel_logs.json and
otel_traces.json in open-telemetry/opentelemetry-collector-contrib, exporter/elasticsearchexporter, which its
CI checks. The exporter itself is not here: that it writes this form is its promise, not something tested.
"""

from collections import defaultdict

DATASET = "generic.otel"
KINDS = {1: "Internal", 2: "Server", 3: "Client", 4: "Producer", 5: "Consumer"}


def span_documents(request):
    """`(action, document)` of every span of an ExportTraceServiceRequest."""
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                document = {
                    "@timestamp": _time(span.start_time_unix_nano),
                    "data_stream": _stream("traces"),
                    "trace_id": span.trace_id.hex(),
                    "span_id": span.span_id.hex(),
                    "parent_span_id": span.parent_span_id.hex(),
                    "name": span.name,
                    "kind": KINDS.get(span.kind, "Unspecified"),
                    "duration": span.end_time_unix_nano - span.start_time_unix_nano,
                    "attributes": attributes(span.attributes),
                    "links": [],
                    "status": {
                        "message": span.status.message,
                        "code": ("Unset", "Ok", "Error")[span.status.code],
                    },
                    **_origin(group, scope),
                }
                yield _create("traces"), _filled(document)


def log_documents(request):
    """`(action, document)` of every record of an ExportLogsServiceRequest."""
    for group in request.resource_logs:
        for scope in group.scope_logs:
            for record in scope.log_records:
                document = {
                    "@timestamp": _time(record.time_unix_nano or record.observed_time_unix_nano),
                    "observed_timestamp": _time(record.observed_time_unix_nano),
                    "data_stream": _stream("logs"),
                    "severity_text": record.severity_text,
                    "severity_number": record.severity_number,
                    "trace_id": record.trace_id.hex(),
                    "span_id": record.span_id.hex(),
                    "attributes": attributes(record.attributes),
                    "event_name": record.event_name,
                    "body": {"text": record.body.string_value},
                    **_origin(group, scope),
                }
                yield _create("logs"), _filled(document)


def metric_documents(request):
    """`(action, document)` of the sums and gauges of an ExportMetricsServiceRequest, as deltas.

    One document for all metrics of a resource and scope with equal attributes, time and unit. Histograms are
    left out: the server of the tests has no field type for them.
    """
    grouped = defaultdict(dict)
    for group in request.resource_metrics:
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                points = metric.sum.data_points or metric.gauge.data_points
                for point in points:
                    labels = attributes(point.attributes)
                    key = (
                        id(scope),
                        point.time_unix_nano // 1_000_000,
                        metric.unit,
                        str(sorted(labels.items())),
                    )
                    grouped[key].setdefault("base", (labels, point, metric.unit, group, scope))
                    value = point.as_int if point.HasField("as_int") else point.as_double
                    grouped[key].setdefault("metrics", {})[metric.name] = value
    for each in grouped.values():
        yield _metric_document(*each["base"], metrics=each["metrics"])


def _metric_document(labels, point, unit, group, scope, *, metrics):
    document = {
        "@timestamp": point.time_unix_nano // 1_000_000,
        "start_timestamp": point.start_time_unix_nano // 1_000_000,
        "unit": unit,
        "data_stream": _stream("metrics"),
        "attributes": labels,
        "metrics": metrics,
        "_metric_names_hash": f"{hash(tuple(sorted(metrics))) & 0xFFFFFFFF:x}",
        **_origin(group, scope),
    }
    kinds = {
        name: "gauge_double" if isinstance(value, float) else "gauge_long" for name, value in metrics.items()
    }
    templates = {f"metrics.{name}": kind for name, kind in kinds.items()}
    action = {"create": {**_create("metrics")["create"], "dynamic_templates": templates}}
    return action, _filled(document)


def attributes(pairs):
    """Attributes under their own, dotted names; whole numbers and fractions stay apart."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value):
    match value.WhichOneof("value"):
        case "array_value":
            return [_value(each) for each in value.array_value.values]
        case "kvlist_value":
            return attributes(value.kvlist_value.values)
        case "bytes_value":
            return value.bytes_value.hex()
        case None:
            return None
        case kind:
            return getattr(value, kind)


def _time(nanoseconds):
    """Milliseconds with the nanoseconds behind the point, as text."""
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    return f"{milliseconds}.{rest:06d}"


def _origin(group, scope):
    return {
        "resource": {"schema_url": group.schema_url, "attributes": attributes(group.resource.attributes)},
        "scope": {
            "name": scope.scope.name, "version": scope.scope.version, "schema_url": scope.schema_url,
            "attributes": attributes(scope.scope.attributes),
        },
    }  # fmt: skip


def _stream(signal):
    return {"type": signal, "dataset": DATASET, "namespace": "default"}


def _create(signal):
    return {"create": {"_index": f"{signal}-{DATASET}-default"}}


def _filled(part):
    """Without what is empty, as the exporter leaves it out; numbers stay, and so does an empty `links`."""
    if not isinstance(part, dict):
        return part
    kept = {name: _filled(value) for name, value in part.items()}
    return {name: value for name, value in kept.items() if value not in ("", {}, None)}
