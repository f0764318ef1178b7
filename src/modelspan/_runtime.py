"""Everything that runs in one process for one configuration, put together and taken apart."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.metrics import Meter, NoOpMeterProvider
from opentelemetry.sdk.resources import Resource

from modelspan import semconv
from modelspan.delivery import exporters, logs, metrics, quiet, spans
from modelspan.delivery.accounting import Ledger
from modelspan.delivery.outbox import Outbox
from modelspan.drift.alarm import SpendingRule
from modelspan.guard import guard
from modelspan.pipeline.call import Call, active
from modelspan.pipeline.queue import Queue
from modelspan.pipeline.worker import Worker
from modelspan.sinks.drift import DriftSink
from modelspan.sinks.features import FeatureSink
from modelspan.sinks.internal import InternalMetrics
from modelspan.sinks.logs import LogSink
from modelspan.sinks.metrics import MetricSink
from modelspan.sinks.spans import SpanSink
from modelspan.sinks.stdlog import StandardLogHandler

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from modelspan.config import Config

from modelspan._lifecycle import run_together, seconds_left

logger = logging.getLogger("modelspan")


class Ours:
    """Our providers and outboxes of spans and logs; they live as long as the process tree.

    The API lets a provider be set once, so a forked child and a second `configure` go on with the same ones,
    their outboxes emptied.
    """

    def __init__(self) -> None:
        self.outboxes: dict[str, Outbox] = {}
        self.tracing: Any = None
        self.logging: Any = None


FORK_WAIT_SECONDS = 2.0
_ours = Ours()
Exporters = Mapping[str, Callable[[], Any]]
"""Makers of exporters by signal, in place of those that the settings name; for tests."""


def after_fork() -> None:
    """In a forked child: what the parent had waiting is the parent's to send."""
    for outbox in _ours.outboxes.values():
        outbox.reset(Ledger())


class Runtime:
    """Providers, sinks, queue and worker of this process."""

    def __init__(self, config: Config, given: Exporters | None = None) -> None:
        quiet.install()
        self._given = given
        self._paused: list[threading.Lock] = []
        self.config = config
        self.ledger = Ledger()
        resource = _resource(config)
        self._outboxes: list[Outbox] = []
        self.spans = spans.SpanMaker(self._tracer_provider(resource))
        self.emit_log = logs.emitter(self._logger_provider(resource))
        self._metrics: metrics.MetricsOut | None = None
        meter = self._meter(resource)
        self._drift = DriftSink(
            meter,
            self.emit_log,
            lambda: SpendingRule(false_alarm_rate=config.drift_false_alarm_rate),
        )
        self._sentry = _sentry_sink(config)
        InternalMetrics(meter, self.ledger)
        self.queue = Queue(config.queue_bytes, self.ledger)
        self._worker = Worker(
            self.queue,
            self._sinks(meter),
            self.ledger,
            tick_seconds=config.tick_seconds,
            sample_rows=config.sample_rows,
            crowded=lambda: any(outbox.crowded for outbox in self._outboxes),
        )
        self._handler = StandardLogHandler(config.capture_logs, self.queue, self.emit_log)

    def start(self) -> None:
        """Start the worker, and the bridge from the standard `logging` when it is wanted."""
        self._worker.start()
        self._handler.install()

    def note_failure(self, call: Call) -> None:
        """A call has raised; runs on the caller's thread."""
        if self._sentry is not None:
            self._sentry.note(call)

    def pause(self) -> None:
        """Hold our threads where they hold no lock of others, so that a fork copies none.

        A child inherits even the lock of a module that another thread was importing, and would wait for ever.
        """
        locks = [self._worker.busy, *(outbox.imports for outbox in self._outboxes)]
        if self._metrics is not None:
            locks.append(self._metrics.imports)
        deadline = time.monotonic() + FORK_WAIT_SECONDS
        self._paused = [lock for lock in locks if lock.acquire(timeout=seconds_left(deadline))]

    def resume(self) -> None:
        """Let our threads go on."""
        for lock in self._paused:
            lock.release()

    def flush(self, deadline: float) -> bool:
        """Send all that was recorded before; True only if the endpoint accepted it before `deadline`."""
        if not self._worker.flush(deadline):
            return False
        return run_together([*self._flushes(deadline)], deadline)

    def close(self, deadline: float) -> bool:
        """Send what waits until `deadline`, stop everything, say what was lost."""
        self._handler.remove()
        clean = self._worker.close(deadline - 0.5 * max(0.0, deadline - time.monotonic()))
        with guard("reporting drift at the end"):
            self._drift.close()
        clean = run_together([*self._closes(deadline)], deadline) and clean
        lost = self.ledger.lost()
        if lost:
            logger.warning("modelspan dropped %s; predictions were unaffected", lost)
        return clean and not lost

    def _flushes(self, deadline: float) -> Sequence[Callable[[], bool]]:
        flushes: list[Callable[[], bool]] = [partial(box.flush, deadline) for box in self._outboxes]
        if self._metrics is not None:
            flushes.append(partial(self._metrics.flush, seconds_left(deadline)))
        return flushes

    def _closes(self, deadline: float) -> Sequence[Callable[[], Any]]:
        closes: list[Callable[[], Any]] = [partial(box.close, deadline) for box in self._outboxes]
        if self._metrics is not None:
            closes.append(partial(self._metrics.close, seconds_left(deadline)))
        if self._sentry is not None:
            closes.append(partial(self._sentry.close, seconds_left(deadline)))
        return closes

    def _sinks(self, meter: Meter) -> list[Any]:
        sinks: list[Any] = [
            SpanSink(self.spans),
            LogSink(self.emit_log, self.config.log_rows),
            MetricSink(meter, lambda: [call.target.model for call in list(active)]),
            FeatureSink(meter, self._drift.on_counts),
        ]
        return [*sinks, self._sentry] if self._sentry is not None else sinks

    def _tracer_provider(self, resource: Resource) -> Any:
        provider = spans.application_provider()
        if provider is not None and provider is not _ours.tracing:
            return provider
        outbox = self._outbox("spans")
        if _ours.tracing is None:
            _ours.tracing = spans.own_provider(resource, outbox)
            if spans.is_foreign(trace.get_tracer_provider()):
                logger.warning(
                    "the TracerProvider in use is not the SDK's; modelspan sends its spans by itself"
                )
            elif provider is None:
                trace.set_tracer_provider(_ours.tracing)
        return _ours.tracing

    def _logger_provider(self, resource: Resource) -> Any:
        provider = logs.application_provider()
        if provider is not None and provider is not _ours.logging:
            return provider
        outbox = self._outbox("logs")
        if _ours.logging is None:
            _ours.logging = logs.own_provider(resource, outbox)
            if logs.is_unset():
                logs.register(_ours.logging)
        return _ours.logging

    def _outbox(self, signal: Any) -> Outbox | None:
        factory = self._factory(signal)
        if factory is None:
            return None
        if signal in _ours.outboxes:
            _ours.outboxes[signal].adopt(self.ledger, factory)
        else:
            _ours.outboxes[signal] = Outbox(signal, factory, self.ledger)
        self._outboxes.append(_ours.outboxes[signal])
        return _ours.outboxes[signal]

    def _factory(self, signal: Any) -> Callable[[], Any] | None:
        return self._given[signal] if self._given else exporters.exporter_factory(signal, self.config)

    def _meter(self, resource: Resource) -> Meter:
        application = metrics.application_meter()
        if application is not None:
            return application
        factory = self._factory("metrics")
        if factory is None:
            return NoOpMeterProvider().get_meter(semconv.SCOPE)
        self._metrics = metrics.MetricsOut(
            resource, factory, self.ledger, self.config.metric_interval_seconds
        )
        return self._metrics.meter


def _sentry_sink(config: Config) -> Any:
    """A sink for Sentry when a DSN is configured or the application has set up a client, else None."""
    if not config.sentry_dsn and "sentry_sdk" not in sys.modules:
        return None
    from modelspan.sinks import sentry  # noqa: PLC0415 - importing Sentry costs 100 ms, and few want it

    return sentry.SentrySink(config) if sentry.wanted(config) else None


def _resource(config: Config) -> Resource:
    """Our settings over `OTEL_RESOURCE_ATTRIBUTES` and the SDK's detectors."""
    given = {
        "service.name": config.service_name,
        "service.version": config.service_version,
        "deployment.environment.name": config.environment,
    }
    return Resource.create({name: value for name, value in given.items() if value})
