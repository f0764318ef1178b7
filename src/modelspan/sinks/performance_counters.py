"""The sums of performance as counters, so that replicas add in PromQL; each change is counted once."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.sinks.attributes import subject_attributes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelspan.performance.confusion import Confusion
    from modelspan.performance.sums import Sums
    from modelspan.performance.window import Window
    from modelspan.sinks.performance_book import Step, Subject

MAX_CLASSES: Final = 20
"""A model with more classes gets one series for right and one for wrong, not one for each pair."""
JOINED, SUPERSEDED = "joined", "superseded"
_Key = tuple[tuple[str, Any], ...]


class PerformanceCounters:
    """Monotonic sums since the start of the process, of the changes that this process counted."""

    def __init__(self, meter: Meter) -> None:
        self._lock = threading.Lock()  # the metric reader observes on a thread of its own
        self._sums: dict[str, Counter[_Key]] = {}
        for metric in (
            semconv.PERFORMANCE_ROWS, semconv.PERFORMANCE_PAIRS, semconv.PERFORMANCE_LOSS,
            semconv.PERFORMANCE_WEIGHT, semconv.EXPECTED_PAIRS, semconv.EXPECTED_LOSS,
            semconv.EXPECTED_WEIGHT,
        ):  # fmt: skip
            self._sums[metric.name] = Counter()
            meter.create_observable_counter(
                metric.name, [self._observer(metric.name)], metric.unit, metric.description
            )

    def count(self, step: Step) -> None:
        """Add what a pass gave; what corrections took is counted apart, for counters only grow."""
        with self._lock:
            for subject, window in step.added.items():
                self._whole(subject, window, step.taken.get(subject))
                self._outcomes(subject, window.sums, JOINED)
            for subject, window in step.taken.items():
                self._outcomes(subject, window.sums, SUPERSEDED)

    def _whole(self, subject: Subject, added: Window, taken: Window | None) -> None:
        """Rows and expectations: a join gives a row again, without changing them."""
        before = taken.sums.predictions if taken else 0
        self._add(semconv.PERFORMANCE_ROWS.name, subject, added.sums.predictions - before, {})
        expected = added.expected.confusion - taken.expected.confusion if taken else added.expected.confusion
        self._pairs(semconv.EXPECTED_PAIRS.name, subject, expected, {})
        errors = added.expected.errors - taken.expected.errors if taken else added.expected.errors
        for name, moments in (("mae", errors.absolute), ("mse", errors.squared)):
            named = {semconv.PERFORMANCE_METRIC: name}
            self._add(semconv.EXPECTED_LOSS.name, subject, moments.sums[2], named)
            self._add(semconv.EXPECTED_WEIGHT.name, subject, moments.weight, named)

    def _outcomes(self, subject: Subject, sums: Sums, state: str) -> None:
        named = {semconv.OUTCOME_STATE: state}
        self._pairs(semconv.PERFORMANCE_PAIRS.name, subject, sums.confusion, named)
        losses = {
            "brier": sums.scores.brier, "log_loss": sums.scores.log_loss, "mae": sums.errors.absolute,
            "mse": sums.errors.squared, "mape": sums.errors.percentage,
            **{f"quantile_loss_{q:g}": each for q, each in sums.errors.quantile.items()},
        }  # fmt: skip
        for name, moments in losses.items():
            if moments.weight:
                attributes = {**named, semconv.PERFORMANCE_METRIC: name}
                self._add(semconv.PERFORMANCE_LOSS.name, subject, moments.sums[2], attributes)
                self._add(semconv.PERFORMANCE_WEIGHT.name, subject, moments.weight, attributes)

    def _pairs(self, metric: str, subject: Subject, cells: Confusion, named: Mapping[str, str]) -> None:
        many = len(cells.labels) > MAX_CLASSES
        for (truth, guess), weight in cells.weights.items():
            attributes = {**named, semconv.OUTCOME_CORRECT: str(truth == guess).lower()}
            if not many:
                attributes |= {semconv.OUTCOME_LABEL: truth, semconv.PREDICTION_LABEL: guess}
            self._add(metric, subject, weight, attributes)

    def _add(self, metric: str, subject: Subject, amount: float, attributes: Mapping[str, str]) -> None:
        if amount > 0:
            key = tuple(sorted({**subject_attributes(subject), **attributes}.items()))
            self._sums[metric][key] += amount  # type: ignore[assignment]  # Counter adds floats as well

    def _observer(self, metric: str) -> Any:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            with self._lock:
                return [Observation(amount, dict(key)) for key, amount in self._sums[metric].items()]

        return observe
