"""For tests of services that use modelspan: run a block and look at the telemetry that it made.

with modelspan.testing.record() as telemetry:
predict({"age": 40})
assert telemetry.spans[0].name == "predict credit-risk"
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace.export import SpanExportResult

from modelspan import _setup
from modelspan.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FLUSH_SECONDS = 30.0
_KEEP_ALL: dict[str, Any] = {"cpu_budget": 64.0, "queue_bytes": 2**30}
"""A test wants every record, also of a burst that the resource guard would thin in production."""


class _Keep:
    """An exporter of spans or logs that keeps what it gets."""

    def __init__(self, kept: list[Any]) -> None:
        self._kept = kept

    def export(self, batch: Sequence[Any], /) -> SpanExportResult:
        self._kept.extend(batch)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to close."""


class _KeepMetrics(MetricExporter):
    def __init__(self, kept: list[MetricsData]) -> None:
        super().__init__()
        self._kept = kept

    def export(self, metrics_data: MetricsData, timeout_millis: float = 0, **_: Any) -> MetricExportResult:
        del timeout_millis
        self._kept.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        """Nothing to close."""


@dataclass(slots=True)
class Telemetry:
    """What a recorded block emitted; reading waits until all of it has arrived."""

    _spans: list[Any]
    _logs: list[Any]
    _metrics: list[MetricsData]

    @property
    def spans(self) -> list[Any]:
        """Ended spans (`ReadableSpan`), in order of their end."""
        self.flush()
        return list(self._spans)

    @property
    def logs(self) -> list[Any]:
        """Log records (`LogRecord`: body, attributes, event_name, trace_id, …)."""
        self.flush()
        return [readable.log_record for readable in self._logs]

    def events(self, name: str) -> list[Any]:
        """Log records with event name `name`, for example `ml.prediction`."""
        return [record for record in self.logs if record.event_name == name]

    def points(self, name: str) -> list[Any]:
        """Data points of the metric `name` at the newest collection; empty when it has none."""
        self.flush()
        newest = self._metrics[-1:]
        return [
            point
            for data in newest
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def flush(self) -> None:
        """Wait for everything recorded so far.

        Raises:
            TimeoutError: If it has not arrived within 30 s.
        """
        runtime = _setup.current
        if runtime is not None and not runtime.flush(time.monotonic() + _FLUSH_SECONDS):
            raise TimeoutError(f"telemetry did not arrive within {_FLUSH_SECONDS:g} s")


@contextmanager
def record(**settings: Any) -> Iterator[Telemetry]:
    """Run a block with exporters that keep telemetry in memory; nothing leaves the process.

    Where the application has set OpenTelemetry providers of its own, telemetry goes there instead.

    Args:
        **settings: Fields of `Config`; here `cpu_budget` and `queue_bytes` are large: nothing is thinned.

    Raises:
        ConfigError: If a setting is wrong.
    """
    spans: list[Any] = []
    logs: list[Any] = []
    metrics: list[MetricsData] = []
    telemetry = Telemetry(spans, logs, metrics)
    _setup.shutdown(0)
    _setup.restart(
        Config(**{**_KEEP_ALL, **settings}),
        {
            "spans": lambda: _Keep(spans),
            "logs": lambda: _Keep(logs),
            "metrics": lambda: _KeepMetrics(metrics),
        },
    )
    try:
        yield telemetry
        telemetry.flush()
    finally:
        _setup.shutdown(1)
        _setup.allow_start()
