"""Performance of models as their outcomes come in: gauges with intervals, coverage and lag, and reports."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.delivery.logs import Emit, LogEvent
from modelspan.guard import guard
from modelspan.performance.fairness import gaps
from modelspan.performance.window import Window
from modelspan.sinks.attributes import subject_attributes
from modelspan.sinks.performance_book import Place, Subject
from modelspan.sinks.performance_counters import PerformanceCounters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from modelspan.performance.measure import Measure
    from modelspan.pipeline.block import Block
    from modelspan.prediction import Prediction
    from modelspan.sinks.performance_book import Book, Step

MOVED: Final = 0.05
"""Change of the coverage after which a window is reported again."""
SETTLE_SECONDS: Final = 2.0
"""A window has ended when it has been over for so long: predictions reach the store a little later."""
LAST, ALL = "last", "all"
_BOUNDED: Final = (
    (semconv.PERFORMANCE_SCORE, semconv.PERFORMANCE_LOWER, semconv.PERFORMANCE_UPPER),
    (semconv.ESTIMATE, semconv.ESTIMATE_LOWER, semconv.ESTIMATE_UPPER),
)


class PerformanceSink:
    """Follows the store; told of predictions only to learn which models have an estimator.

    Every process that shares the store shows the same gauges, since windows are kept together; counters
    hold what the process itself has counted, so they may be summed.
    """

    def __init__(self, meter: Meter, emit: Emit, book: Book, listeners: Sequence[Any] = ()) -> None:
        self._emit, self._book, self._listeners = emit, book, listeners
        self._counters = PerformanceCounters(meter)
        self._lock = threading.Lock()  # the metric reader observes on a thread of its own
        self._observed: dict[str, list[Observation]] = {}
        self._reported: dict[Place, tuple[int, bool]] = {}
        self._basis: tuple[float, int] = (0.0, 0)
        self._known: dict[Subject, dict[str, list[Observation]]] = {}
        self._totals: dict[Subject, Any] = {}
        for metric in (*_BOUNDED[0], *_BOUNDED[1], semconv.ESTIMATE_DOUBTS, semconv.PERFORMANCE_SHARE,
                       semconv.PERFORMANCE_LAG):  # fmt: skip
            meter.create_observable_gauge(
                metric.name, [self._observer(metric.name)], metric.unit, metric.description
            )

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Learn of estimators."""
        for target in {
            id(each.target): each.target for each in predictions if each.target is not None
        }.values():
            self._learn(target)

    def take_block(self, block: Block) -> None:
        """Learn of the estimator of a block's function."""
        self._learn(block.target)

    def _learn(self, target: Any) -> None:
        if target.estimator is not None:
            model = target.model
            self._book.offer(Subject(model.name, model.version, model.variant), target.estimator)

    def step(self) -> None:
        """Take in all that is new, then say what it means."""
        more = True
        while more:
            step = self._book.step()
            self._counters.count(step)
            self._report(step)
            for place in step.changed:
                self._known.pop(place.subject, None)
            more = step.more
        observed = self._measure(time.time())
        with self._lock:
            self._observed = observed
        for listener in self._listeners:
            with guard(f"running {type(listener).__name__}"):
                listener(self._book, self._ended(time.time()))

    def _observer(self, metric: str) -> Any:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            with self._lock:
                return self._observed.get(metric, [])

        return observe

    def _ended(self, now: float) -> float:
        """Start of the newest window that is over."""
        seconds = self._book.seconds
        return ((now - SETTLE_SECONDS) // seconds - 1) * seconds

    def _measure(self, now: float) -> dict[str, list[Observation]]:
        """All observations; only what has changed is computed again."""
        basis = (self._ended(now), self._book.loads)
        if basis != self._basis:
            self._basis, self._known = basis, {}
        found: dict[str, list[Observation]] = {}
        for subject in self._book.subjects():
            if subject not in self._known:
                self._known[subject] = self._of(subject, basis[0])
            for metric, observations in self._known[subject].items():
                found.setdefault(metric, []).extend(observations)
        for subject, measures in self._gaps().items():
            named = {**subject_attributes(subject), semconv.PERFORMANCE_WINDOW: ALL}
            _bounded(found, _BOUNDED[0], measures, named)
        return found

    def _of(self, subject: Subject, ended: float) -> dict[str, list[Observation]]:
        """The observations of one subject: its last window that is over, and all of them."""
        found: dict[str, list[Observation]] = {}
        windows = self._book.of(subject)
        over = [window for start, window in windows if start <= ended]
        total = sum((window for _, window in windows), Window())
        self._totals[subject] = total.sums
        for which, window in ((LAST, over[-1] if over else None), (ALL, total)):
            if window is not None:
                named = {**subject_attributes(subject), semconv.PERFORMANCE_WINDOW: which}
                self._observe(found, subject, window, named)
        return found

    def _gaps(self) -> dict[Subject, Mapping[str, Measure]]:
        """Gaps between the values of each segment, over all windows."""
        sums: dict[Subject, dict[str, Any]] = {}
        for subject in self._book.subjects():
            if subject.segment:
                sums.setdefault(subject._replace(value=""), {})[subject.value] = self._totals[subject]
        return {subject: gaps(by_value, self._book.options_of(subject)) for subject, by_value in sums.items()}

    def _observe(
        self, found: dict[str, list[Observation]], subject: Subject, window: Window, named: Mapping[str, str]
    ) -> None:
        options = self._book.options_of(subject)
        _bounded(found, _BOUNDED[0], window.sums.measures(options), named)
        estimated = window.estimated(options)
        _bounded(found, _BOUNDED[1], estimated, named)
        if estimated:
            _put(found, semconv.ESTIMATE_DOUBTS.name, len(self._book.doubts(subject, window)), named)
        coverage = window.sums.coverage
        if coverage is not None:
            _put(found, semconv.PERFORMANCE_SHARE.name, coverage.value, named)
        for share in (0.5, 0.9):
            lag = window.sums.lags.quantile(share)
            if lag is not None:
                quantile = {**named, semconv.PERFORMANCE_QUANTILE: f"{share:g}"}
                _put(found, semconv.PERFORMANCE_LAG.name, lag, quantile)

    def _report(self, step: Step) -> None:
        """Events for windows that have changed since they were last reported, or that have ended."""
        ended = self._ended(time.time())
        for place in step.changed:
            window = self._book.windows[place]
            outcomes, over = self._reported.get(place, (-1, False))
            grown = window.sums.outcomes - outcomes > MOVED * window.sums.predictions
            if outcomes < 0 or grown or (over is not (place.start <= ended)):
                self._reported[place] = (window.sums.outcomes, place.start <= ended)
                with guard("reporting performance"):
                    self._emit(self._event(place, window))
        self._reported = {
            place: each for place, each in self._reported.items() if place in self._book.windows
        }

    def _event(self, place: Place, window: Window) -> LogEvent:
        options, coverage = self._book.options_of(place.subject), window.sums.coverage
        attributes: dict[str, Any] = {
            **subject_attributes(place.subject),
            semconv.PERFORMANCE_START: place.start,
            semconv.PERFORMANCE_END: place.start + self._book.seconds,
            semconv.PERFORMANCE_PREDICTIONS: window.sums.predictions,
            semconv.PERFORMANCE_OUTCOMES: window.sums.outcomes,
            semconv.PERFORMANCE_COVERAGE: coverage.value if coverage else 0.0,
            **_flat(semconv.PERFORMANCE_SCORE_PREFIX, window.sums.measures(options)),
            **_flat(semconv.PERFORMANCE_ESTIMATE_PREFIX, window.estimated(options)),
        }
        if window.expected.predictions:
            attributes[semconv.PERFORMANCE_DOUBTS] = list(self._book.doubts(place.subject, window))
        body = f"{window.sums.outcomes:,} outcomes of {window.sums.predictions:,} predictions"
        return LogEvent(event=semconv.PERFORMANCE_EVENT.name, body=body, attributes=attributes)


def _flat(prefix: str, measures: Mapping[str, Measure]) -> dict[str, float]:
    flat = {}
    for name, measure in measures.items():
        for end, value in (("", measure.value), (".lower", measure.lower), (".upper", measure.upper)):
            if value is not None:
                flat[f"{prefix}{name}{end}"] = float(value)
    return flat


def _bounded(
    found: dict[str, list[Observation]],
    metrics: Any,
    measures: Mapping[str, Measure],
    named: Mapping[str, str],
) -> None:
    """A measure and the ends of its interval, each where it is defined."""
    for name, measure in measures.items():
        attributes = {**named, semconv.PERFORMANCE_METRIC: name}
        for metric, value in zip(metrics, (measure.value, measure.lower, measure.upper), strict=True):
            if value is not None:
                _put(found, metric.name, float(value), attributes)


def _put(
    found: dict[str, list[Observation]], metric: str, value: float, attributes: Mapping[str, str]
) -> None:
    found.setdefault(metric, []).append(Observation(value, dict(attributes)))
