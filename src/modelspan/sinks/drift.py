"""Windows of counts against the reference: drift scores, reports with both histograms, alarms."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.delivery.logs import LogEvent
from modelspan.drift.compare import compare_all
from modelspan.drift.distances import METHODS
from modelspan.drift.samples import Samples
from modelspan.drift.window import Windows
from modelspan.sinks.alarms import Teller, announce, drift_attributes
from modelspan.sinks.attributes import model_attributes
from modelspan.sinks.series_limit import MAX_SERIES, Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from modelspan.drift.alarm import AlarmRule
    from modelspan.drift.feature import Counts, FeatureReference
    from modelspan.prediction import Model
    from modelspan.sinks.features import Tracked

logger = logging.getLogger("modelspan")

MIN_ROWS = 100
"""Below this many rows a distance is mostly noise and is not exported."""
MakeRule: TypeAlias = "Callable[[Mapping[str, FeatureReference], int], AlarmRule]"
"""Makes the rule of one model's alarms from its columns and the rows of its windows."""


@dataclass(slots=True)
class _Watch:
    """Windows and alarms of one model."""

    tracked: Tracked
    windows: Windows
    rule: AlarmRule
    scored: frozenset[str] = frozenset()
    """Columns whose distances are exported; alarms and reports are of all."""
    open: frozenset[str] = frozenset()


class DriftSink:
    """Listens to the counts of `FeatureSink`: reports every full window, and asks the rule for alarms."""

    def __init__(
        self,
        meter: Meter,
        teller: Teller,
        make_rule: MakeRule,
        also: Sequence[Callable[[CallbackOptions], Iterable[Observation]]] = (),
    ) -> None:
        self._teller = teller
        self._make_rule = make_rule
        self._watches: dict[Model, _Watch] = {}
        self._lock = threading.Lock()  # the metric reader observes on a thread of its own
        self._room = Room(len(METHODS))
        score, detected = semconv.DRIFT_SCORE, semconv.DRIFT_DETECTED
        meter.create_observable_gauge(score.name, [self._observe_scores], score.unit, score.description)
        meter.create_observable_gauge(
            detected.name, [self._observe_alarms, *also], detected.unit, detected.description
        )

    def on_counts(self, tracked: Tracked, counts: Mapping[str, Counts], cell: int = 0) -> None:
        """Add the counts of one drain, of rows of one cell of the reference's season."""
        with self._lock:
            watch = self._watch(tracked)
            before = watch.windows.windows
            watch.windows.add(counts, cell)
        if watch.windows.windows > before:
            self._report(watch)
        self._judge(watch, counts, cell)

    def drifting(self, model: Model) -> bool:
        """Whether a drift alarm of the model is open."""
        watch = self._watches.get(model)
        return watch is not None and bool(watch.open)

    def close(self) -> None:
        """Report what unfinished windows hold, so that a short run shows its drift; it raises no alarm."""
        for watch in self._watches.values():
            if not watch.windows.windows:
                self._report(watch)

    def _watch(self, tracked: Tracked) -> _Watch:
        model = tracked.target.model
        if model not in self._watches:
            rows = tracked.target.drift_window
            windows, rule = Windows(tracked.columns, rows), self._make_rule(tracked.columns, rows)
            self._watches[model] = _Watch(tracked, windows, rule, self._scored(tracked))
        return self._watches[model]

    def _scored(self, tracked: Tracked) -> frozenset[str]:
        """Columns that have series, score and predicted class before all; says so if some have none."""
        names = sorted(tracked.columns, key=lambda name: _kind(name, tracked) is None)
        scored = self._room.take(names)
        if len(scored) < len(names):
            logger.warning(
                "model %s: %d of %d columns have no series of %s (at most %d in a process); "
                "their drift is in alarms and reports",
                tracked.target.model.name, len(names) - len(scored), len(names), semconv.DRIFT_SCORE.name,
                MAX_SERIES,
            )  # fmt: skip
        return scored

    def _judge(self, watch: _Watch, counts: Mapping[str, Counts], cell: int) -> None:
        for change in watch.rule.update(counts, cell):
            name = change.feature
            watch.open = watch.open - {name} if change.state == "closed" else watch.open | {name}
            drift = replace(change.drift, kind=_kind(name, watch.tracked) or change.drift.kind)
            announce(watch.tracked, replace(change, drift=drift), self._teller)

    def _report(self, watch: _Watch) -> None:
        current = {name: watch.windows.of(name) for name in watch.windows.names}
        names = [name for name, counts in current.items() if counts.sum() >= MIN_ROWS]
        columns = [watch.tracked.columns[name].against(watch.windows.cells) for name in names]
        kinds = [_kind(name, watch.tracked) for name in names]
        for drift in compare_all(columns, [current[name] for name in names], kinds):
            body = f"{drift.feature}: psi {drift.psi:.3f} in {drift.rows:,} rows"
            attributes = drift_attributes(watch.tracked.target.model, drift)
            self._teller.emit(
                LogEvent(event=semconv.DRIFT_REPORT_EVENT.name, body=body, attributes=attributes)
            )

    def _observe_scores(self, _options: CallbackOptions) -> Iterable[Observation]:
        for watch in list(self._watches.values()):
            attributes = model_attributes(watch.tracked.target.model)
            for name, distances in self._distances(watch).items():
                for method, value in distances.items():
                    named = {semconv.FEATURE_NAME: name, semconv.DRIFT_METHOD: method}
                    yield Observation(value, {**attributes, **named})

    def _distances(self, watch: _Watch) -> dict[str, dict[str, float]]:
        """All distances of the scored columns whose window has rows enough."""
        windows, columns = watch.windows, watch.tracked.columns
        with self._lock:
            current, cells = windows.counts, windows.cells
        enough = windows.bins.total(current) >= MIN_ROWS
        before = np.concatenate([columns[name].against(cells).counts for name in windows.names])
        # A window without rows has no distance: here it stands for itself and is left out.
        samples = Samples(before, np.where(windows.bins.spread(enough), current, before), windows.bins)
        found = {method: getattr(samples, method).tolist() for method in METHODS}
        return {
            name: {method: values[position] for method, values in found.items()}
            for position, name in enumerate(windows.names)
            if enough[position] and name in watch.scored
        }

    def _observe_alarms(self, _options: CallbackOptions) -> Iterable[Observation]:
        for watch in list(self._watches.values()):
            attributes = model_attributes(watch.tracked.target.model)
            for name in watch.windows.names:
                yield Observation(int(name in watch.open), {**attributes, semconv.FEATURE_NAME: name})


def _kind(name: str, tracked: Tracked) -> str | None:
    held, reference = tracked.columns[name], tracked.target.reference
    if reference is None or held not in (reference.score, reference.prediction):
        return None
    return "score" if held is reference.score else "class"
