"""Data quality of the stream: violations counted beside drift, judged by the same rules, told to people."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import semconv
from modelspan.drift.coded import take
from modelspan.drift.quality.checks import CONSTANT, Check, Checker, share
from modelspan.drift.quality.rows import GROUP
from modelspan.drift.quality.table import quality_said
from modelspan.sinks.alarms import MAX_TRACES, Teller
from modelspan.sinks.attributes import model_attributes
from modelspan.sinks.features import Tracked, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from modelspan.drift.alarm import AlarmChange, AlarmRule
    from modelspan.drift.feature import Counts
    from modelspan.prediction import Model, Prediction
    from modelspan.sinks.drift import MakeRule

LOOKED_ROWS: Final = 200
"""Rows of a drain that are looked at beside each other."""
PAUSE_SECONDS: Final = 1.0
"""Between two verdicts: a look at a check costs the same for one row and for thousands."""


@dataclass(slots=True)
class _Watch:
    """Counts, alarms and what was ever open of one model."""

    tracked: Tracked
    checker: Checker
    rules: Sequence[tuple[list[str], AlarmRule]]
    """Which checks each rule judges."""
    pending: dict[str, Counts] = field(default_factory=dict)
    due: float = 0.0
    open: dict[str, int] = field(default_factory=dict)
    """1 while the alarm is open, 0 once it has closed."""


class QualitySink:
    """Listens to the values of `FeatureSink`; answers of the model are not checked, only its inputs."""

    def __init__(
        self,
        meter: Meter,
        teller: Teller,
        make_rule: MakeRule,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._teller = teller
        self._make_rule = make_rule
        self._clock = clock
        self._watches: dict[Model, _Watch] = {}
        violated = semconv.QUALITY_VIOLATED
        meter.create_observable_gauge(violated.name, [self._observe], violated.unit, violated.description)

    def on_values(self, tracked: Tracked, counts: Mapping[str, Counts], values: Mapping[str, Any]) -> None:
        """Count the violations of one drain; judge them at most once a second."""
        watch = self._watch(tracked)
        by_column = {column: values[each.name] for column, each in watch.checker.columns.items()}
        found = watch.checker.of_values(counts, watch.checker.wrong(by_column))
        found |= watch.checker.of_rows(watch.checker.bits(_first_rows(by_column)))
        for name, new in found.items():
            watch.pending[name] = watch.pending.get(name, 0) + new
        if self._clock() >= watch.due:
            watch.due = self._clock() + PAUSE_SECONDS
            self._judge(watch)

    def _watch(self, tracked: Tracked) -> _Watch:
        model = tracked.target.model
        if model not in self._watches:
            reference: Any = tracked.target.reference
            read = [each for name, each in reference.features.items() if name in tracked.columns]
            checker = Checker(read, reference.quality)
            self._watches[model] = _Watch(tracked, checker, self._rules(checker, tracked.target.drift_window))
        return self._watches[model]

    def _rules(self, checker: Checker, rows: int) -> list[tuple[list[str], AlarmRule]]:
        """Groups of rows have a rule of their own, whose windows are as many rows."""
        in_groups = {n: c.pair for n, c in checker.checks.items() if c.kind == CONSTANT}
        in_rows = {n: c.pair for n, c in checker.checks.items() if n not in in_groups}
        parts = ((in_rows, rows), (in_groups, rows // GROUP))
        return [(list(pairs), self._make_rule(pairs, size)) for pairs, size in parts if pairs]

    def _judge(self, watch: _Watch) -> None:
        pending, watch.pending = watch.pending, {}
        for names, rule in watch.rules:
            for change in rule.update({name: pending[name] for name in names if name in pending}):
                watch.open[change.feature] = int(change.state != "closed")
                self._announce(watch, change)

    def _announce(self, watch: _Watch, change: AlarmChange) -> None:
        check = watch.checker.checks[change.feature]
        rate, before = share(change.drift.current_counts), share(check.before)
        said = quality_said(check.column, check.kind, rate, before)
        said = f"{said} ({change.drift.rows:,} looked at)"
        attributes = {
            **model_attributes(watch.tracked.target.model),
            semconv.FEATURE_NAME: check.column,
            semconv.QUALITY_CHECK: check.kind,
            semconv.QUALITY_RATE: rate,
            semconv.QUALITY_REFERENCE_RATE: before,
            semconv.DRIFT_PREFIX + "psi": change.drift.psi,
            semconv.DRIFT_P_VALUE: change.drift.p_value,
            semconv.DRIFT_WINDOW_ROWS: change.drift.rows,
            semconv.DRIFT_STATE: change.state,
            semconv.DRIFT_RULE: change.rule,
            semconv.DRIFT_TRACES: [] if change.state == "closed" else _traces(watch, check),
            **({} if change.e_value is None else {semconv.DRIFT_E_VALUE: change.e_value}),
        }
        self._teller.tell(semconv.QUALITY_EVENT.name, said, change.state, attributes)

    def _observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        for watch in list(self._watches.values()):
            attributes = model_attributes(watch.tracked.target.model)
            for name, state in list(watch.open.items()):
                check = watch.checker.checks[name]
                named = {semconv.FEATURE_NAME: check.column, semconv.QUALITY_CHECK: check.kind}
                yield Observation(state, {**attributes, **named})


def _first_rows(values: Mapping[str, Any]) -> dict[str, Any]:
    """The first rows of each column, equally many."""
    rows = min(LOOKED_ROWS, *map(len, values.values()))
    return {column: take(each, np.arange(rows)) for column, each in values.items()}


def _traces(watch: _Watch, check: Check) -> list[str]:
    """Trace ids of the newest predictions that violate the check; of rows beside each other, the newest."""
    found = [
        f"{prediction.trace_id:032x}"
        for prediction in reversed(watch.tracked.recent)
        if check.of_rows or _violates(watch, check, prediction)
    ]
    return list(dict.fromkeys(found))[:MAX_TRACES]


def _violates(watch: _Watch, check: Check, prediction: Prediction) -> bool:
    feature = watch.checker.columns[check.column]
    return watch.checker.violates(check, values_of(feature.name, feature, prediction))
