"""Metrics through the OpenTelemetry SDK: the application's MeterProvider when it has one, else ours."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)

from modelspan import semconv
from modelspan._version import __version__
from modelspan.delivery.quiet import Outage, sending
from modelspan.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.metrics.export import Metric
    from opentelemetry.sdk.resources import Resource

    from modelspan.delivery.accounting import Ledger


class CountedExporter(MetricExporter):
    """Makes the real exporter on the reader's thread, counts what became of the points, stays in one process.

    A forked child inherits the reader together with the sums of its parent; it must never send them.
    """

    def __init__(self, make_exporter: Callable[[], MetricExporter], ledger: Ledger) -> None:
        super().__init__()
        self._make_exporter = make_exporter
        self._ledger = ledger
        self._exporter: MetricExporter | None = None
        self._pid = os.getpid()
        self._closed = self._ending = False
        self._outage = Outage("metrics")
        self.sources: list[Callable[[], Metric | None]] = []
        """What collects metrics that are not the SDK's."""
        self._mine = threading.local()
        self.last_thread: int | None = None
        """The one thread whose collections still count once the process ends: others bring nothing newer."""

    @property
    def accepted(self) -> bool:
        """Whether the endpoint took this thread's last export; ticks of the reader come in between."""
        return getattr(self._mine, "accepted", True)

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any
    ) -> MetricExportResult:
        """Send one collection."""
        if self._closed or os.getpid() != self._pid or self._comes_late():
            self._mine.accepted = False
            return MetricExportResult.FAILURE
        self._add_ours(metrics_data)
        points = _points(metrics_data)
        self._ledger.emit("metrics", points)
        self._mine.accepted = False
        with guard("sending metrics"), sending():
            self._exporter = self._exporter or self._make_exporter()
            if self._ending:
                self.end()
            result = self._exporter.export(metrics_data, timeout_millis=timeout_millis)
            self._mine.accepted = result is MetricExportResult.SUCCESS
        if self.accepted or not self._closed:  # at the end, one line says what was lost
            self._outage.note(accepted=self.accepted, reason=getattr(self._exporter, "reason", ""))
        if self.accepted:
            self._ledger.deliver("metrics", points)
        else:
            self._ledger.drop("metrics", "export_failed", points)
        return MetricExportResult.SUCCESS if self.accepted else MetricExportResult.FAILURE

    def _comes_late(self) -> bool:
        return self._ending and self.last_thread not in {None, threading.get_ident()}

    def _add_ours(self, metrics_data: MetricsData) -> None:
        """Put metrics that the SDK did not collect among those that it did."""
        found = [metric for collect in self.sources if (metric := collect()) is not None]
        for resource in metrics_data.resource_metrics:
            for scope in resource.scope_metrics:
                if scope.scope.name == semconv.SCOPE:
                    cast("list[Metric]", scope.metrics).extend(found)
                    return

    def end(self) -> None:
        """The process ends: what is sent from now on is the last."""
        self._ending = True
        end = getattr(self._exporter, "end", None)  # ours has one
        if end is not None:
            end()

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing waits here."""
        del timeout_millis
        return self.accepted

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Send no more; break off a retry that is waiting."""
        if self._exporter is not None and not self._closed:
            self._closed = True
            self._exporter.shutdown(timeout_millis=timeout_millis)
        self._closed = True


def _points(data: MetricsData) -> int:
    return sum(
        len(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


class MetricsOut:
    """Our own meter and the way its points leave."""

    def __init__(
        self, resource: Resource, make_exporter: Callable[[], MetricExporter], ledger: Ledger, seconds: float
    ) -> None:
        self._exporter = CountedExporter(make_exporter, ledger)
        self.sources = self._exporter.sources
        interval = None if "OTEL_METRIC_EXPORT_INTERVAL" in os.environ else seconds * 1000
        self._reader = PeriodicExportingMetricReader(self._exporter, export_interval_millis=interval)
        self._provider = MeterProvider(
            metric_readers=[self._reader], resource=resource, shutdown_on_exit=False
        )
        self.meter = self._provider.get_meter(semconv.SCOPE, __version__, semconv.SCHEMA_URL)

    def flush(self, seconds: float) -> bool:
        """Collect and send now; True only if the endpoint accepted it within `seconds`."""
        done = threading.Event()
        accepted = []

        def collect() -> None:
            self._exporter.last_thread = threading.get_ident()
            with guard("collecting metrics"):
                self._reader.collect(timeout_millis=max(1.0, seconds * 1000))
                accepted.append(self._exporter.accepted)
            done.set()

        threading.Thread(target=collect, name="modelspan-flush", daemon=True).start()
        return done.wait(seconds) and accepted == [True]

    def close(self, seconds: float) -> bool:
        """Flush within `seconds`, then stop the reader."""
        self._exporter.end()
        clean = self.flush(seconds)
        self._exporter.shutdown(timeout_millis=0)
        with guard("stopping the metric reader"):
            self._provider.shutdown(timeout_millis=500)
        return clean


def application_meter() -> Meter | None:
    """A meter of the MeterProvider that the application has set, if it is the SDK's."""
    provider = metrics.get_meter_provider()
    if not isinstance(provider, MeterProvider):
        return None
    return provider.get_meter(semconv.SCOPE, __version__, semconv.SCHEMA_URL)
