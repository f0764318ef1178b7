"""What became of predictions and outcomes in the store: counted by this process, and as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelspan.sinks.performance_book import Book
    from modelspan.store.outcomes import OutcomeStore
    from modelspan.store.rows import ModelFacts


class FeedbackMetrics:
    """Observes the store's counts at each collection; counters of several processes add."""

    def __init__(self, meter: Meter, store: OutcomeStore) -> None:
        for metric, prefix in (
            (semconv.FEEDBACK_OUTCOMES, "outcome."),
            (semconv.FEEDBACK_PREDICTIONS, "prediction."),
        ):
            observe = _observer(store, prefix)
            meter.create_observable_counter(metric.name, [observe], metric.unit, metric.description)


class FeedbackStates:
    """How many are in which state now; listens to `PerformanceSink`: no collection waits for the store.

    Processes that share a store show the same values.
    """

    def __init__(self, meter: Meter, store: OutcomeStore) -> None:
        self._store = store
        self._found: list[Observation] = []  # replaced, never changed: the metric reader has its own thread
        metric = semconv.FEEDBACK_STATES
        observe = lambda _options: self._found  # noqa: E731 - a callback
        meter.create_observable_gauge(metric.name, [observe], metric.unit, metric.description)

    def __call__(self, _book: Book, _ended: float) -> None:
        """Read the counts."""
        found = []
        for facts, name, count in self._store.states():
            side, _, state = name.partition(".")
            found.append(Observation(count, {**_attributes(facts, state), semconv.FEEDBACK_OF: side}))
        self._found = found


def _observer(store: OutcomeStore, prefix: str) -> Any:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(count, _attributes(facts, name.removeprefix(prefix)))
            for (facts, name), count in store.entered.copy().items()
            if name.startswith(prefix)
        ]

    return observe


def _attributes(facts: ModelFacts | None, name: str) -> dict[str, str]:
    state, _, reason = name.partition(":")
    found = {
        semconv.MODEL_NAME: facts.name if facts else "",
        semconv.MODEL_VERSION: facts.version if facts else "",
        semconv.MODEL_VARIANT: facts.variant if facts else "",
        semconv.FEEDBACK_STATE: state,
        semconv.FEEDBACK_REASON: reason,
    }
    return {key: value for key, value in found.items() if value}
