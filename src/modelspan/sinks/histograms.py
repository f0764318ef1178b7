"""Histograms that many values enter at once: the SDK's `record` costs 10 µs a value, and it has no other way.

The sums go out as points of ordinary OpenTelemetry histograms: cumulative, with the bounds of `semconv`, and
with one exemplar per bucket that leads to a trace, as the SDK's own reservoir keeps them.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import AggregationTemporality, Histogram, HistogramDataPoint
from opentelemetry.sdk.metrics.export import Metric as Collected
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from modelspan.sinks.series_limit import OVERFLOW, admitted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from opentelemetry.metrics import Meter

    from modelspan.semconv import Metric


class Recorder(Protocol):
    """Takes values of one histogram."""

    def record(
        self, values: NDArray[np.float64], attributes: Mapping[str, str], trace_of: Callable[[int], Any]
    ) -> None:
        """Add finite values; `trace_of` gives trace id and span id of the value at a position, or None."""


class SumHistogram:
    """One histogram of ours: counts by bucket for each set of attributes."""

    def __init__(self, metric: Metric, bounds: Sequence[float]) -> None:
        self._metric = metric
        self._bounds = bounds
        self._edges = np.array(bounds)
        self._series: dict[tuple[tuple[str, str], ...] | None, _Series] = {}
        self._lock = threading.Lock()
        self._started_ns = time.time_ns()

    def record(
        self, values: NDArray[np.float64], attributes: Mapping[str, str], trace_of: Callable[[int], Any]
    ) -> None:
        """Add finite values; `trace_of` gives trace id and span id of the value at a position, or None."""
        if not len(values):
            return
        buckets = np.searchsorted(self._edges, values, side="left")  # a bound belongs to the bucket below
        with self._lock:
            key = admitted(tuple(sorted(attributes.items())), self._series)
            if key not in self._series:
                self._series[key] = _Series(len(self._bounds) + 1)
            self._series[key].add(values, buckets, trace_of)

    def collect(self) -> Collected | None:
        """All points; exemplars are given once. None before the first value."""
        now = time.time_ns()
        with self._lock:
            points = [
                HistogramDataPoint(
                    attributes=OVERFLOW if key is None else dict(key),
                    start_time_unix_nano=self._started_ns, time_unix_nano=now,
                    explicit_bounds=self._bounds, **series.point(),
                )
                for key, series in self._series.items()
            ]  # fmt: skip
        if not points:
            return None
        data = Histogram(data_points=points, aggregation_temporality=AggregationTemporality.CUMULATIVE)
        return Collected(self._metric.name, self._metric.description, self._metric.unit, data)


class _Series:
    """Counts, sum, extremes and exemplars of one set of attributes."""

    def __init__(self, buckets: int) -> None:
        self._counts = np.zeros(buckets, np.int64)
        self._sum = 0.0
        self._low, self._high = np.inf, -np.inf
        self._exemplars: dict[int, Exemplar] = {}

    def add(
        self, values: NDArray[np.float64], buckets: NDArray[np.intp], trace_of: Callable[[int], Any]
    ) -> None:
        self._counts += np.bincount(buckets, minlength=len(self._counts))
        self._sum += float(values.sum())
        self._low = min(self._low, float(values.min()))
        self._high = max(self._high, float(values.max()))
        last = np.full(len(self._counts), -1)
        last[buckets] = np.arange(len(buckets))  # of several values in a bucket the last stays
        now = time.time_ns()
        for bucket in np.flatnonzero(last >= 0).tolist():
            index = int(last[bucket])
            ids = trace_of(index)
            if ids is not None:
                self._exemplars[bucket] = Exemplar({}, float(values[index]), now, ids[1], ids[0])

    def point(self) -> dict[str, Any]:
        """Fields of a data point."""
        exemplars, self._exemplars = list(self._exemplars.values()), {}
        counts = self._counts.tolist()
        return {
            "count": sum(counts), "sum": self._sum, "bucket_counts": counts,
            "min": self._low, "max": self._high, "exemplars": exemplars,
        }  # fmt: skip


class SdkHistogram:
    """A histogram of the application's MeterProvider: each value through its `record`."""

    def __init__(self, meter: Meter, metric: Metric, bounds: Sequence[float]) -> None:
        self._record = meter.create_histogram(
            metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=bounds
        ).record

    def record(
        self, values: NDArray[np.float64], attributes: Mapping[str, str], trace_of: Callable[[int], Any]
    ) -> None:
        """Add finite values; `trace_of` gives trace id and span id of the value at a position, or None."""
        for index, value in enumerate(values.tolist()):
            self._record(value, attributes, _exemplar_context(trace_of(index)))


def _exemplar_context(ids: tuple[int, int] | None) -> Context:
    """A context whose span is the prediction's, so that the SDK attaches its trace id as exemplar."""
    if ids is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED)
    span = SpanContext(ids[0], ids[1], is_remote=False, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(span), Context())
