"""The OpenTelemetry providers of this process: the application's where it has some, else ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.metrics import Meter, NoOpMeterProvider
from opentelemetry.sdk.resources import Resource

from modelspan import semconv
from modelspan.delivery import exporters, logs, metrics, spans
from modelspan.delivery.accounting import Ledger
from modelspan.delivery.outbox import Outbox

if TYPE_CHECKING:
    from modelspan.config import Config

logger = logging.getLogger("modelspan")

Exporters = Mapping[str, Callable[[], Any]]
"""Makers of exporters by signal, in place of those that the settings name; for tests."""


class Ours:
    """Our providers and outboxes of spans and logs; they live as long as the process tree.

    The API lets a provider be set once, so a forked child and a second `configure` go on with the same ones,
    their outboxes emptied.
    """

    def __init__(self) -> None:
        self.outboxes: dict[str, Outbox] = {}
        self.tracing: Any = None
        self.logging: Any = None


_ours = Ours()


def after_fork() -> None:
    """In a forked child: what the parent had waiting is the parent's to send."""
    for outbox in _ours.outboxes.values():
        outbox.reset(Ledger())


class Providers:
    """Where spans, log events and metrics of this process go, and the outboxes that are ours to flush."""

    def __init__(self, config: Config, ledger: Ledger, given: Exporters | None) -> None:
        self._config = config
        self._ledger = ledger
        self._given = given
        self.outboxes: list[Outbox] = []
        resource = _resource(config)
        self.spans = spans.SpanMaker(self._tracer_provider(resource))
        self.emit_log = logs.emitter(self._logger_provider(resource))
        self.metrics: metrics.MetricsOut | None = None
        self.meter = self._meter(resource)

    def _tracer_provider(self, resource: Resource) -> Any:
        provider = spans.application_provider()
        if provider is not None and provider is not _ours.tracing:
            return provider
        if _ours.tracing is None:
            _ours.tracing = spans.own_provider(resource)
            if spans.is_foreign(trace.get_tracer_provider()):
                logger.warning(
                    "the TracerProvider in use is not the SDK's; modelspan sends its spans by itself"
                )
            elif provider is None:
                trace.set_tracer_provider(_ours.tracing)
        self._outbox("spans", lambda box: _ours.tracing.add_span_processor(spans.OutboxSpanProcessor(box)))
        return _ours.tracing

    def _logger_provider(self, resource: Resource) -> Any:
        provider = logs.application_provider()
        if provider is not None and provider is not _ours.logging:
            return provider
        if _ours.logging is None:
            _ours.logging = logs.own_provider(resource)
            if logs.is_unset():
                logs.register(_ours.logging)
        self._outbox("logs", lambda box: logs.attach(_ours.logging, box))
        return _ours.logging

    def _outbox(self, signal: Any, attach: Callable[[Outbox], Any]) -> None:
        """Put our outbox of `signal` to work: a new one is attached to our provider, for good."""
        factory = self._factory(signal)
        if factory is None:
            return
        if signal in _ours.outboxes:
            _ours.outboxes[signal].adopt(self._ledger, factory)
        else:
            _ours.outboxes[signal] = Outbox(signal, factory, self._ledger)
            attach(_ours.outboxes[signal])
        self.outboxes.append(_ours.outboxes[signal])

    def _meter(self, resource: Resource) -> Meter:
        application = metrics.application_meter()
        if application is not None:
            return application
        factory = self._factory("metrics")
        if factory is None:
            return NoOpMeterProvider().get_meter(semconv.SCOPE)
        seconds = self._config.metric_interval_seconds
        self.metrics = metrics.MetricsOut(resource, factory, self._ledger, seconds)
        return self.metrics.meter

    def _factory(self, signal: Any) -> Callable[[], Any] | None:
        return self._given[signal] if self._given else exporters.exporter_factory(signal, self._config)


def _resource(config: Config) -> Resource:
    """Our settings over `OTEL_RESOURCE_ATTRIBUTES` and the SDK's detectors."""
    given = {
        "service.name": config.service_name,
        "service.version": config.service_version,
        "deployment.environment.name": config.environment,
    }
    return Resource.create({name: value for name, value in given.items() if value})
