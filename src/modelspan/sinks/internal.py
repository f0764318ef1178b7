"""modelspan's own health as metrics: what was emitted, delivered, dropped, and its faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.guard import fault_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from modelspan.delivery.accounting import Ledger


class InternalMetrics:
    """Observes the ledger at each collection."""

    def __init__(self, meter: Meter, ledger: Ledger, share: Callable[[], float]) -> None:
        measured = semconv.SHARE
        meter.create_observable_gauge(
            measured.name, [lambda _: [Observation(share())]], measured.unit, measured.description
        )
        self._ledger = ledger
        for metric, callback in (
            (semconv.EMITTED, self._emitted),
            (semconv.DELIVERED, self._delivered),
            (semconv.DROPPED, self._dropped),
            (semconv.ERRORS, self._errors),
        ):
            meter.create_observable_counter(metric.name, [callback], metric.unit, metric.description)
        stored = semconv.STORED
        meter.create_observable_up_down_counter(stored.name, [self._stored], stored.unit, stored.description)

    def _emitted(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, {semconv.SIGNAL: s}) for s, count in self._ledger.emitted.copy().items()]

    def _delivered(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, {semconv.SIGNAL: s}) for s, count in self._ledger.delivered.copy().items()]

    def _dropped(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(count, {semconv.SIGNAL: signal, semconv.REASON: reason})
            for (signal, reason), count in self._ledger.dropped.copy().items()
        ]

    def _stored(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, {semconv.SIGNAL: s}) for s, count in self._ledger.stored.copy().items()]

    def _errors(self, _options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(fault_count())]
