"""Windows of counts against the reference: drift scores, reports with both histograms, alarms."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.delivery.logs import INFO, WARN, Emit, LogEvent
from modelspan.drift.compare import FeatureDrift, compare_counts
from modelspan.drift.window import Window
from modelspan.sinks.attributes import model_attributes
from modelspan.sinks.features import SCORE_NAME, Tracked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelspan.drift.alarm import AlarmChange, AlarmRule
    from modelspan.drift.feature import Counts
    from modelspan.prediction import Model

MIN_ROWS = 100
"""Below this many rows a distance is mostly noise and is not exported."""
MAX_TRACES = 5
Alert = Callable[[str, dict[str, Any]], None]
"""Delivers an alarm to people: its event name and its evidence."""


@dataclass(slots=True)
class _Watch:
    """Windows and alarms of one model."""

    tracked: Tracked
    windows: dict[str, Window]
    rule: AlarmRule
    open: frozenset[str] = frozenset()


class DriftSink:
    """Listens to the counts of `FeatureSink`; looks at every full window, never twice at a row."""

    def __init__(
        self, meter: Meter, emit: Emit, make_rule: Callable[[], AlarmRule], alert: Alert | None = None
    ) -> None:
        self._emit = emit
        self._alert = alert
        self._make_rule = make_rule
        self._watches: dict[Model, _Watch] = {}
        self._lock = threading.Lock()  # the metric reader observes on a thread of its own
        score, detected = semconv.DRIFT_SCORE, semconv.DRIFT_DETECTED
        meter.create_observable_gauge(score.name, [self._observe_scores], score.unit, score.description)
        meter.create_observable_gauge(
            detected.name, [self._observe_alarms], detected.unit, detected.description
        )

    def on_counts(self, tracked: Tracked, counts: Mapping[str, Counts]) -> None:
        """Add the counts of one drain."""
        with self._lock:
            full = self._add(self._watch(tracked), counts)
        if full:
            self._look(self._watch(tracked), full)

    def _add(self, watch: _Watch, counts: Mapping[str, Counts]) -> list[str]:
        """Names of the windows that became full."""
        full = []
        for name, counted in counts.items():
            window = watch.windows[name]
            before = window.windows
            window.add(counted)
            if window.windows > before:
                full.append(name)
        return full

    def close(self) -> None:
        """Report what unfinished windows hold, so that a short run shows its drift; it raises no alarm."""
        for watch in self._watches.values():
            if not any(window.windows for window in watch.windows.values()):
                self._report(watch, self._compare(watch, watch.windows))

    def _watch(self, tracked: Tracked) -> _Watch:
        model = tracked.target.model
        if model not in self._watches:
            rows = tracked.target.drift_window
            windows = {name: Window(column, rows) for name, column in tracked.columns.items()}
            self._watches[model] = _Watch(tracked, windows, self._make_rule())
        return self._watches[model]

    def _look(self, watch: _Watch, names: Iterable[str]) -> None:
        drifts = self._compare(watch, names)
        self._report(watch, drifts)
        changes = watch.rule.update(drifts)
        opened = {change.feature for change in changes if change.opened}
        watch.open = (watch.open | opened) - {change.feature for change in changes if not change.opened}
        for change in changes:
            self._announce(watch, change)

    def _compare(self, watch: _Watch, names: Iterable[str]) -> list[FeatureDrift]:
        return [
            compare_counts(watch.windows[name].reference, watch.windows[name].counts, kind=_kind(name, watch))
            for name in names
            if watch.windows[name].rows >= MIN_ROWS
        ]

    def _report(self, watch: _Watch, drifts: list[FeatureDrift]) -> None:
        for drift in drifts:
            body = f"{drift.feature}: psi {drift.psi:.3f} in {drift.rows:,} rows"
            self._emit(
                LogEvent(
                    event=semconv.DRIFT_REPORT_EVENT.name, body=body, attributes=_attributes(watch, drift)
                )
            )

    def _announce(self, watch: _Watch, change: AlarmChange) -> None:
        drift, verb = change.drift, "drifted" if change.opened else "is back"
        traces = _evidence(watch.tracked, drift) if change.opened else []
        attributes = {**_attributes(watch, drift), semconv.DRIFT_TRACES: traces}
        said = f"{drift.feature} {verb}: psi {drift.psi:.3f}, p {drift.p_value:.2g} in {drift.rows:,} rows"
        self._emit(
            LogEvent(
                event=semconv.DRIFT_EVENT.name,
                body=said,
                severity=WARN if change.opened else INFO,
                attributes=attributes,
            )
        )
        if self._alert is not None:
            state = "open" if change.opened else "closed"
            self._alert(semconv.DRIFT_EVENT.name, {"summary": said, "state": state, **attributes})

    def _observe_scores(self, _options: CallbackOptions) -> Iterable[Observation]:
        for watch in list(self._watches.values()):
            attributes = model_attributes(watch.tracked.target.model)
            with self._lock:
                drifts = self._compare(watch, list(watch.windows))
            for drift in drifts:
                for method, value in drift.distances().items():
                    named = {semconv.FEATURE_NAME: drift.feature, semconv.DRIFT_METHOD: method}
                    yield Observation(value, {**attributes, **named})

    def _observe_alarms(self, _options: CallbackOptions) -> Iterable[Observation]:
        for watch in list(self._watches.values()):
            attributes = model_attributes(watch.tracked.target.model)
            for name in list(watch.windows):
                yield Observation(int(name in watch.open), {**attributes, semconv.FEATURE_NAME: name})


def _kind(name: str, watch: _Watch) -> str | None:
    reference = watch.tracked.target.reference
    return "score" if reference is not None and watch.windows[name].reference is reference.score else None


def _attributes(watch: _Watch, drift: FeatureDrift) -> dict[str, object]:
    distances = {semconv.DRIFT_PREFIX + method: value for method, value in drift.distances().items()}
    return {
        **model_attributes(watch.tracked.target.model),
        semconv.FEATURE_NAME: drift.feature,
        semconv.FEATURE_KIND: drift.kind,
        **distances,
        semconv.DRIFT_P_VALUE: drift.p_value,
        semconv.DRIFT_WINDOW_ROWS: drift.rows,
        semconv.DRIFT_BINS: list(drift.labels),
        semconv.DRIFT_REFERENCE_COUNTS: drift.reference_counts.tolist(),
        semconv.DRIFT_CURRENT_COUNTS: drift.current_counts.tolist(),
    }


def _evidence(tracked: Tracked, drift: FeatureDrift) -> list[str]:
    """Trace ids of recent predictions in the bin whose share grew most."""
    current, reference = drift.current_counts, drift.reference_counts
    grown = int(np.argmax(current / current.sum() - reference / reference.sum()))
    column = tracked.columns[drift.feature]
    traces = []
    for prediction in reversed(tracked.recent):
        values = prediction.features.get(
            drift.feature, prediction.scores if drift.feature == SCORE_NAME else ()
        )
        if column.count(list(values))[grown]:
            traces.append(f"{prediction.trace_id:032x}")
        if len(traces) == MAX_TRACES:
            break
    return traces
