"""Variants of a model on the same traffic, compared while outcomes come in."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.performance.variants import Comparisons

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelspan.performance.measure import Measure
    from modelspan.performance.variants import Comparison, Roles
    from modelspan.sinks.performance_book import Book
    from modelspan.store.reading import ChangeReader

STEP_SECONDS: Final = 2.0
"""A pass over many changes stops after so long and goes on in the next one."""
BATCH: Final = 5_000
_ENDS: Final = (semconv.COMPARISON, semconv.COMPARISON_LOWER, semconv.COMPARISON_UPPER)
_COUNTS: Final = (semconv.COMPARISON_PAIRS, semconv.COMPARISON_OUTCOMES)
_NAMES: Final = (
    semconv.MODEL_NAME, semconv.CHAMPION, semconv.CHAMPION_VERSION, semconv.CHALLENGER,
    semconv.CHALLENGER_VERSION,
)  # fmt: skip


class VariantSink:
    """Listens to `PerformanceSink`; reads rows only while a model has several variants.

    Every process that shares the store reads the same changes in the same order, so all show the same values.
    """

    def __init__(self, meter: Meter, store: ChangeReader) -> None:
        self._store = store
        self._models: set[str] = set()
        self._position = 0
        self._comparisons = Comparisons()
        self._lock = threading.Lock()  # the metric reader observes on a thread of its own
        self._observed: dict[str, list[Observation]] = {}
        for metric in (*_ENDS, *_COUNTS):
            meter.create_observable_gauge(
                metric.name, [self._observer(metric.name)], metric.unit, metric.description
            )

    def __call__(self, book: Book, _ended: float) -> None:
        """Read what is new and compare."""
        variants = Counter(model for model, _ in {(each.model, each.variant) for each in book.subjects()})
        models = {model for model, count in variants.items() if count > 1}
        if not models <= self._models:
            self._models |= models
            self._position, self._comparisons = 0, Comparisons()
        if self._models:
            self._read(time.monotonic() + STEP_SECONDS)
            observed = _observations(self._comparisons.found)
            with self._lock:
                self._observed = observed

    def _read(self, deadline: float) -> None:
        while changes := self._store.changes(self._position, BATCH):
            for change in changes:
                if change.after.model in self._models:
                    self._comparisons.take(change)
            self._position = changes[-1].position
            if time.monotonic() > deadline:
                return

    def _observer(self, metric: str) -> Any:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            with self._lock:
                return self._observed.get(metric, [])

        return observe


def _observations(found: dict[Roles, Comparison]) -> dict[str, list[Observation]]:
    observed: dict[str, list[Observation]] = {}
    for roles, comparison in found.items():
        named = {name: value for name, value in zip(_NAMES, roles, strict=True) if value}
        for metric, count in zip(_COUNTS, (comparison.pairs, comparison.better.rows), strict=True):
            observed.setdefault(metric.name, []).append(Observation(count, dict(named)))
        for name, measure in comparison.measures().items():
            for metric, value in zip(_ENDS, _values(measure), strict=True):
                attributes = {**named, semconv.COMPARISON_MEASURE: name}
                if value is not None:
                    observed.setdefault(metric.name, []).append(Observation(value, attributes))
    return observed


def _values(measure: Measure) -> tuple[float, float | None, float | None]:
    return measure.value, measure.lower, measure.upper
