"""The OpenTelemetry providers of this process: the application's where it has some, else ours."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.metrics import Meter, NoOpMeterProvider
from opentelemetry.sdk.resources import Resource

from modelspan import semconv
from modelspan.delivery import exporters, logs, metrics, spans
from modelspan.delivery.accounting import Ledger
from modelspan.delivery.endpoint import resolve
from modelspan.delivery.native import NativeWay
from modelspan.delivery.outbox import Outbox
from modelspan.delivery.sampling import standard_rule
from modelspan.delivery.sender import Sender

if TYPE_CHECKING:
    from modelspan.config import Config
    from modelspan.delivery.endpoint import Endpoint

logger = logging.getLogger("modelspan")

Exporters = Mapping[str, Callable[[], Any]]
"""Makers of exporters by signal, in place of those that the settings name; for tests."""


Box = Outbox | Sender
"""One signal's way out: through an exporter of the SDK, or by our own sender."""


class Ours:
    """Our providers, and what their processors hand records to; they live as long as the process tree.

    The API lets a provider be set once, so a forked child and a second `configure` go on with the same ones,
    their queues emptied.
    """

    def __init__(self) -> None:
        self.boxes: dict[str, Box] = {}
        self.processors: dict[str, Any] = {}
        self.tracing: Any = None
        self.logging: Any = None


_ours = Ours()


def after_fork() -> None:
    """In a forked child: what the parent had waiting is the parent's to send."""
    for box in _ours.boxes.values():
        box.reset(Ledger())


class Providers:
    """Where spans, log events and metrics of this process go, and the boxes that are ours to flush."""

    def __init__(self, config: Config, ledger: Ledger, given: Exporters | None) -> None:
        self._config = config
        self._ledger = ledger
        self._given = given
        self.boxes: list[Box] = []
        self.native: dict[str, NativeWay] = {}
        """Signals that sinks may encode themselves."""
        resource = _resource(config)
        self.spans = spans.SpanMaker(self._tracer_provider(resource))
        self.emit_log = self._emitter(logs.emitter(self._logger_provider(resource)))
        self.metrics: metrics.MetricsOut | None = None
        self.meter = self._meter(resource)

    def _tracer_provider(self, resource: Resource) -> Any:
        provider = spans.application_provider()
        if provider is not None and provider is not _ours.tracing:
            return provider
        if _ours.tracing is None:
            _ours.tracing = spans.OwnTracerProvider(resource)
            if spans.is_foreign(trace.get_tracer_provider()):
                logger.warning(
                    "the TracerProvider in use is not the SDK's; modelspan sends its spans by itself"
                )
            elif provider is None:
                trace.set_tracer_provider(_ours.tracing)
        self._attach("spans", lambda box: spans.attach(_ours.tracing, box))
        return _ours.tracing

    def _logger_provider(self, resource: Resource) -> Any:
        provider = logs.application_provider()
        if provider is not None and provider is not _ours.logging:
            return provider
        if _ours.logging is None:
            _ours.logging = logs.OwnLoggerProvider(resource)
            if logs.is_unset():
                logs.register(_ours.logging)
        self._attach("logs", lambda box: logs.attach(_ours.logging, box))
        return _ours.logging

    def _emitter(self, through_sdk: logs.Emit) -> logs.Emit:
        """Log events as bytes where the sender is ours and nobody else listens, else through the SDK."""
        way = self.native.get("logs")
        if way is None:
            return through_sdk
        natively = logs.native_emitter(way.add, way.around)
        return lambda event: natively(event) if way.is_plain() else through_sdk(event)

    def _attach(self, signal: Any, attach: Callable[[Box], Any]) -> None:
        """Put the box of `signal` to work; its processor is attached to our provider once, for good."""
        box = self._box(signal)
        if box is None:
            return
        _ours.boxes[signal] = box
        if signal in _ours.processors:
            _ours.processors[signal].outbox = box
        else:
            _ours.processors[signal] = attach(box)
        self.boxes.append(box)
        if isinstance(box, Sender) and standard_rule() is not None:
            provider = _ours.tracing if signal == "spans" else _ours.logging
            self.native[signal] = NativeWay(provider, box.add)

    def _box(self, signal: Any) -> Box | None:
        """The box that a former runtime used, if it is of the right kind, else a new one."""
        factory, kind = self._factory(signal), Sender if self._is_native(signal) else Outbox
        if factory is None:
            return None
        former = _ours.boxes.get(signal)
        if kind is Outbox:
            if isinstance(former, Outbox):
                former.adopt(self._ledger, factory)
                return former
            return Outbox(signal, factory, self._ledger)
        if isinstance(former, Sender):
            former.adopt(self._ledger, factory, self._shelf(signal))
            return former
        return Sender(signal, factory, self._ledger, make_shelf=self._shelf(signal))

    def _shelf(self, signal: str) -> Callable[[Ledger], Any] | None:
        """What opens the spool of a signal, if there is to be one."""
        if not self._config.spool:
            return None
        from modelspan.delivery.shelf import Shelf  # noqa: PLC0415 - needs file locks, which not every system has

        return partial(Shelf, Path(self._config.spool), signal, self._config.spool_bytes)

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

    def _is_native(self, signal: Any) -> bool:
        return self._given is None and exporters.exporter_kind(signal) == "http/protobuf"

    def _factory(self, signal: Any) -> Callable[[], Any] | None:
        """What makes the exporter of a signal, or the connection of our own sender."""
        if self._given:
            return self._given[signal]
        if not self._is_native(signal):
            return exporters.exporter_factory(signal, self._config)
        endpoint = resolve(signal, self._config)
        return partial(_poster, signal, endpoint, spooled=bool(self._config.spool))


def _poster(signal: str, endpoint: Endpoint, *, spooled: bool) -> Any:
    """What sends requests; made by the thread that does. `loading` has imported the modules before.

    With a spool spans and logs need not wait at the end for an endpoint that refuses; nor shall metrics.
    """
    if signal == "metrics":
        from modelspan.delivery.metric_post import MetricPost  # noqa: PLC0415 - see above

        return MetricPost(endpoint, patient=not spooled)
    from modelspan.delivery.http import Post  # noqa: PLC0415 - see above

    return Post(endpoint)


def _resource(config: Config) -> Resource:
    """Our settings over `OTEL_RESOURCE_ATTRIBUTES` and the SDK's detectors."""
    given = {
        "service.name": config.service_name,
        "service.version": config.service_version,
        "deployment.environment.name": config.environment,
    }
    return Resource.create({name: value for name, value in given.items() if value})
