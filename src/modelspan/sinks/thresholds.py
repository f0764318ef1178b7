"""Thresholds on windows that are over: one process announces each crossing, all of them show its state."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.delivery.logs import ERROR, INFO, WARN, Emit, LogEvent
from modelspan.performance.thresholds import Limits, Watch
from modelspan.sinks.attributes import subject_attributes
from modelspan.store.reading import Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from modelspan.performance.window import Window
    from modelspan.sinks.alarms import Alert
    from modelspan.sinks.performance_book import Book, Subject
    from modelspan.store.reading import ChangeReader
    from modelspan.threshold_file import ThresholdRule

STATES: Final = "performance.thresholds"
_SEVERITY: Final = {"warning": WARN, "critical": ERROR}


class _Judged(NamedTuple):
    start: float
    end: float
    value: float
    limits: Limits
    change: str


class ThresholdSink:
    """Listens to `PerformanceSink`; history and state are in the store, shared and durable."""

    def __init__(
        self,
        meter: Meter,
        emit: Emit,
        store: ChangeReader,
        rules: Sequence[ThresholdRule],
        *,
        alert: Alert | None = None,
        kpi: Callable[[str, Subject, float], float | None] | None = None,
    ) -> None:
        self._emit, self._store, self._rules, self._alert, self._kpi = emit, store, rules, alert, kpi
        self._lock = threading.Lock()  # the metric reader observes on a thread of its own
        self._open: dict[tuple[str, Subject], bool] = {}
        metric = semconv.THRESHOLD_CROSSED
        meter.create_observable_gauge(metric.name, [self._observe], metric.unit, metric.description)

    def __call__(self, book: Book, ended: float) -> None:
        """Judge the windows that began up to `ended` and were not judged yet."""
        stored = self._store.documents(STATES)
        for rule in self._rules:
            for subject in book.subjects():
                if _fits(rule, subject):
                    self._follow(rule, subject, book, ended, stored.get(_name(rule, subject)))

    def _follow(
        self, rule: ThresholdRule, subject: Subject, book: Book, ended: float, text: str | None
    ) -> None:
        name = _name(rule, subject)
        empty = {"history": [], "open": False, "quiet": 0, "judged": 0}
        state: dict[str, Any] = json.loads(text) if text else empty
        watch = Watch([(start, value) for start, value in state["history"]], state["open"], state["quiet"])
        judged = state["judged"]
        for start, window in book.of(subject):
            if not judged < start <= ended:
                continue
            value = self._value(rule, subject, start, window, book)
            if value is None:
                continue
            limits, change = watch.judge(rule.threshold, (start, value), rule.cool_down)
            saved = {"history": watch.history, "open": watch.open, "quiet": watch.quiet, "judged": start}
            if not self._store.save(
                STATES,
                {name: json.dumps(saved)},
                Read(f"threshold {name}", int(judged), int(start)),
            ):
                return  # another process was first, and announces it
            judged = start
            if change and limits is not None:
                self._announce(rule, subject, _Judged(start, start + book.seconds, value, limits, change))
        with self._lock:
            self._open[rule.name, subject] = watch.open

    def _value(
        self, rule: ThresholdRule, subject: Subject, start: float, window: Window, book: Book
    ) -> float | None:
        """What the rule is about; None while it is not known, or of too few outcomes."""
        if rule.of == "kpi":
            return self._kpi(rule.metric, subject, start) if self._kpi is not None else None
        options = book.options_of(subject)
        if rule.of == "estimated":
            measures = window.estimated(options)
            return measures[rule.metric].value if rule.metric in measures else None
        coverage = window.sums.coverage
        if rule.metric == "coverage":
            return coverage.value if coverage else None
        if coverage is None or coverage.value < rule.min_coverage:
            return None
        if rule.metric in ("lag_p50", "lag_p90"):
            return window.sums.lags.quantile(0.5 if rule.metric == "lag_p50" else 0.9)
        measures = window.sums.measures(options)
        return measures[rule.metric].value if rule.metric in measures else None

    def _announce(self, rule: ThresholdRule, subject: Subject, judged: _Judged) -> None:
        value, limits, change = judged.value, judged.limits, judged.change
        attributes: dict[str, Any] = {
            **_named(rule, subject),
            semconv.THRESHOLD_KIND: rule.threshold.kind,
            semconv.THRESHOLD_STATE: change,
            semconv.THRESHOLD_VALUE: float(value),
            semconv.PERFORMANCE_START: judged.start,
            semconv.PERFORMANCE_END: judged.end,
        }
        bounds = ((semconv.THRESHOLD_LOWER, limits.lower), (semconv.THRESHOLD_UPPER, limits.upper),
                  (semconv.THRESHOLD_RATE, limits.rate))  # fmt: skip
        attributes |= {name: float(bound) for name, bound in bounds if bound is not None}
        side = _side(value, limits) if change == "open" else "is back"
        said = f"{rule.name}: {rule.metric} {value:.4g} {side}"
        severity = _SEVERITY[rule.severity] if change == "open" else INFO
        self._emit(
            LogEvent(event=semconv.THRESHOLD_EVENT.name, body=said, severity=severity, attributes=attributes)
        )
        if self._alert is not None:
            self._alert(semconv.THRESHOLD_EVENT.name, {"summary": said, "state": change, **attributes})

    def _observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        rules = {rule.name: rule for rule in self._rules}
        with self._lock:
            return [
                Observation(int(o), _named(rules[name], subject)) for (name, subject), o in self._open.items()
            ]


def _fits(rule: ThresholdRule, subject: Subject) -> bool:
    return (subject.model, subject.segment) == (rule.model, rule.segment) and (
        not rule.version or rule.version == subject.version
    )


def _named(rule: ThresholdRule, subject: Subject) -> Mapping[str, str]:
    metric = {semconv.KPI_NAME if rule.of == "kpi" else semconv.PERFORMANCE_METRIC: rule.metric}
    return {**subject_attributes(subject), semconv.THRESHOLD_NAME: rule.name, **metric}


def _name(rule: ThresholdRule, subject: Subject) -> str:
    return json.dumps([rule.name, *subject], separators=(",", ":"))


def _side(value: float, limits: Limits) -> str:
    if limits.lower is not None and value < limits.lower:
        return f"is below {limits.lower:.4g}"
    return f"is above {limits.upper:.4g}"
