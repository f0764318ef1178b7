"""OTLP messages to rows of the database: spans and log records. Decoded once, in plain loops."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import time
from dataclasses import dataclass, field
from typing import Any, Final

from modelspan import semconv

MAX_INT: Final = 2**63 - 1
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_ERROR: Final = 2
_NON_FINITE: Final = {math.inf: "Infinity", -math.inf: "-Infinity"}

Row = tuple[Any, ...]


@dataclass(slots=True, kw_only=True)
class Batch:
    """Rows of one request, in the order of the columns in `storage`."""

    spans: list[Row] = field(default_factory=list)
    logs: list[Row] = field(default_factory=list)
    points: list[Row] = field(default_factory=list)
    series: dict[int, Row] = field(default_factory=dict)
    resources: dict[int, str] = field(default_factory=dict)
    size: int = 0
    """Bytes of the body it came from."""
    rejected: int = 0
    reason: str = ""

    def __len__(self) -> int:
        return len(self.spans) + len(self.logs) + len(self.points)

    def reject(self, reason: str) -> None:
        """Count one record that cannot be stored."""
        self.rejected += 1
        self.reason = reason


@dataclass(slots=True, kw_only=True)
class Resource:
    """Who sent a record."""

    id: int
    service: str
    instance: str


def any_value(value: Any) -> Any:
    """An OTLP AnyValue as JSON can hold it: bytes become base64, NaN and infinities their names."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "double_value":
        number = value.double_value
        return number if math.isfinite(number) else _NON_FINITE.get(number, "NaN")
    if kind == "array_value":
        return [any_value(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    return getattr(value, kind) if kind else None


def attributes(pairs: Any) -> dict[str, Any]:
    """Attributes as a dict; of a key given twice the last one stands."""
    return {pair.key: any_value(pair.value) for pair in pairs}


def to_json(value: object) -> str:
    """Compact JSON without NaN."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def text(value: object) -> str | None:
    """The attribute if it is a non-empty string."""
    return value if isinstance(value, str) and value else None


def number(value: object) -> float | None:
    """The attribute if it is a number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def whole(value: object, default: int) -> int:
    """The attribute if it is a whole number >= 0, else `default`."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def content_id(content: str) -> int:
    """A 64-bit signed name for `content`."""
    return int.from_bytes(hashlib.blake2b(content.encode(), digest_size=8).digest(), "big", signed=True)


def add_resource(batch: Batch, resource: Any) -> Resource:
    """Remember the resource of a group of records."""
    values = attributes(resource.attributes)
    content = to_json(values)
    name = content_id(content)
    batch.resources[name] = content
    return Resource(
        id=name,
        service=text(values.get("service.name")) or "unknown_service",
        instance=text(values.get("service.instance.id")) or "",
    )


def decode_traces(message: Any) -> Batch:
    """Rows of an ExportTraceServiceRequest; a span without valid ids is rejected, not the request."""
    batch = Batch()
    for group in message.resource_spans:
        resource = add_resource(batch, group.resource)
        for scope in group.scope_spans:
            for span in scope.spans:
                if len(span.trace_id) != TRACE_ID_BYTES or len(span.span_id) != SPAN_ID_BYTES:
                    batch.reject("a span needs a trace id of 16 bytes and a span id of 8")
                    continue
                batch.spans.append(_span(span, scope.scope.name, resource))
    return batch


def _span(span: Any, scope: str, resource: Resource) -> Row:
    values = attributes(span.attributes)
    start = min(span.start_time_unix_nano, MAX_INT)
    model = text(values.get(semconv.MODEL_NAME))
    return (
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex() or None,
        span.name,
        _KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else _KINDS[0],
        resource.service,
        scope,
        start,
        max(min(span.end_time_unix_nano, MAX_INT) - start, 0),
        int(span.status.code == _ERROR),
        span.status.message,
        model,
        text(values.get(semconv.MODEL_VERSION)) or "",
        text(values.get(semconv.MODEL_VARIANT)) or "",
        text(values.get(semconv.OPERATION)) if model else None,
        whole(values.get(semconv.BATCH_SIZE), 1),
        text(values.get(semconv.PREDICTION_ID)),
        text(values.get(semconv.ERROR_TYPE)),
        to_json(values),
        to_json([_event(event) for event in span.events]) if span.events else "[]",
        resource.id,
    )


def _event(event: Any) -> dict[str, Any]:
    return {
        "time": event.time_unix_nano / 10**9,
        "name": event.name,
        "attributes": attributes(event.attributes),
    }


def decode_logs(message: Any) -> Batch:
    """Rows of an ExportLogsServiceRequest."""
    batch = Batch()
    now = time.time_ns()
    for group in message.resource_logs:
        resource = add_resource(batch, group.resource)
        for scope in group.scope_logs:
            batch.logs.extend(_log(record, resource, now) for record in scope.log_records)
    return batch


def _log(record: Any, resource: Resource, now: int) -> Row:
    values = attributes(record.attributes)
    event = record.event_name or text(values.get("event.name")) or ""
    return (
        min(record.time_unix_nano or record.observed_time_unix_nano or now, MAX_INT),
        record.trace_id.hex(),
        record.span_id.hex(),
        event,
        record.severity_text,
        record.severity_number,
        to_json(any_value(record.body)),
        resource.service,
        text(values.get(semconv.MODEL_NAME)),
        text(values.get(semconv.MODEL_VERSION)) or "",
        text(values.get(semconv.FEATURE_NAME)),
        text(values.get(semconv.PREDICTION_ID)),
        whole(values.get(semconv.PREDICTION_ROW), 0),
        *_columns(event, values),
        to_json(values),
        resource.id,
    )


def _columns(event: str, values: dict[str, Any]) -> tuple[str | None, float | None, float | None]:
    """Label, value and score of an event: real columns, because they are joined and drawn over many rows."""
    if event == semconv.FEEDBACK_EVENT.name:
        return text(values.get(semconv.OUTCOME_LABEL)), number(values.get(semconv.OUTCOME_VALUE)), None
    if event == semconv.DRIFT_REPORT_EVENT.name:
        return None, number(values.get(semconv.DRIFT_PREFIX + "psi")), None
    label, value = text(values.get(semconv.PREDICTION_LABEL)), number(values.get(semconv.PREDICTION_VALUE))
    return label, value, number(values.get(semconv.PREDICTION_SCORE))
