"""OTLP metrics to rows: one series per instrument, attribute set and sender; one point per collection."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv
from modelspan.viewer.otlp import (
    MAX_INT,
    Batch,
    Resource,
    Row,
    add_resource,
    attributes,
    content_id,
    text,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NO_RECORDED_VALUE: Final = 1
Point = tuple[float | None, int | None, str | None, str | None]
"""value (for a histogram the sum), count, bounds and counts (JSON lists)."""


def decode_metrics(message: Any) -> Batch:
    """Rows of an ExportMetricsServiceRequest; points that say "no value" are passed over."""
    batch = Batch()
    now = time.time_ns()
    for group in message.resource_metrics:
        resource = add_resource(batch, group.resource)
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                _add(batch, metric, resource, now)
    return batch


def _add(batch: Batch, metric: Any, resource: Resource, now: int) -> None:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    shown = _shown_kind(kind, data)
    for point in data.data_points:
        if point.flags & _NO_RECORDED_VALUE:
            continue
        name, row = _series(metric, shown, attributes(point.attributes), resource)
        batch.series[name] = row
        when = min(point.time_unix_nano or now, MAX_INT)
        exemplars = (
            "[]" if kind == "summary" or not point.exemplars else to_json(list(_exemplars(point.exemplars)))
        )
        batch.points.append((name, when, *_POINTS[kind](point), exemplars))


def _shown_kind(kind: str, data: Any) -> str:
    if kind == "sum":
        return "counter" if data.is_monotonic else "updowncounter"
    return "histogram" if kind == "exponential_histogram" else kind


def _series(metric: Any, kind: str, values: dict[str, Any], resource: Resource) -> tuple[int, Row]:
    content = to_json([metric.name, metric.unit, kind, sorted(values.items()), resource.id])
    row = (
        metric.name,
        metric.unit,
        kind,
        to_json(values),
        text(values.get(semconv.MODEL_NAME)),
        resource.service,
        resource.instance,
    )
    return content_id(content), row


def finite(value: float) -> float | None:
    """The number, or None for NaN and infinities."""
    return value if math.isfinite(value) else None


def _number(point: Any) -> Point:
    kind = point.WhichOneof("value")
    value = finite(float(point.as_int if kind == "as_int" else point.as_double)) if kind else None
    return value, None, None, None


def _histogram(point: Any) -> Point:
    bounds = [bound for bound in point.explicit_bounds if math.isfinite(bound)]
    return finite(point.sum), min(point.count, MAX_INT), to_json(bounds), to_json(list(point.bucket_counts))


def _exponential(point: Any) -> Point:
    """An exponential histogram over explicit bounds, an empty bucket on each side of the zero bucket."""
    below, above = _edges(point.negative, point.scale), _edges(point.positive, point.scale)
    bounds = [*(-edge for edge in reversed(below)), point.zero_threshold, *above]
    counts = [*([0] if below else []), *reversed(point.negative.bucket_counts), point.zero_count]
    counts += [*([0] if above else []), *point.positive.bucket_counts, 0]
    return finite(point.sum), min(point.count, MAX_INT), to_json(bounds), to_json(counts)


def _edges(buckets: Any, scale: int) -> list[float]:
    """Both edges of every bucket: bucket i goes from base ** (offset + i) to base ** (offset + i + 1)."""
    width = len(buckets.bucket_counts)
    return [_power(buckets.offset + index, scale) for index in range(width + 1)] if width else []


def _power(exponent: int, scale: int) -> float:
    """The base 2 ** (2 ** -scale) to the power of `exponent`, at most the largest double."""
    try:
        return float(2.0 ** math.ldexp(exponent, -scale))
    except OverflowError:
        return sys.float_info.max


def _summary(point: Any) -> Point:
    return finite(point.sum), min(point.count, MAX_INT), "[]", "[]"


_POINTS: Final = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}


def _exemplars(exemplars: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for exemplar in exemplars:
        kind = exemplar.WhichOneof("value")
        value = exemplar.as_int if kind == "as_int" else exemplar.as_double
        yield {
            "trace_id": exemplar.trace_id.hex(),
            "span_id": exemplar.span_id.hex(),
            "value": finite(float(value)),
            "time": exemplar.time_unix_nano / 10**9,
        }
