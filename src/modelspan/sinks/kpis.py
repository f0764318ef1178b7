"""Users' KPIs over the rows of the windows that are kept: computed after each pass, contained, exported."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from modelspan import kpis, semconv
from modelspan.guard import fault
from modelspan.sinks.attributes import subject_attributes
from modelspan.sinks.performance_book import subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelspan.kpis import Function, Kpi
    from modelspan.outcome import JoinedRow
    from modelspan.sinks.performance_book import Book, Subject
    from modelspan.store.reading import ChangeReader

MAX_ROWS: Final = 50_000
"""Newest rows of a model that are kept in memory; a KPI over all windows is over these at most."""
MAX_GROUPS: Final = 50
_LAST, _ALL = "last", "all"


class KpiSink:
    """Listens to `PerformanceSink`; keeps rows only while a KPI is registered."""

    def __init__(
        self, meter: Meter, store: ChangeReader, configured: Mapping[str, Function] = MappingProxyType({})
    ) -> None:
        self._store = store
        self._configured = {name: kpis.Kpi(name, "", function) for name, function in configured.items()}
        self._position = 0
        self._rows: dict[Subject, dict[tuple[str, int], JoinedRow]] = {}
        self._lock = threading.Lock()  # the metric reader observes on a thread of its own
        self._found: list[Observation] = []
        self._errors: Counter[str] = Counter()
        value, errors = semconv.KPI_VALUE, semconv.KPI_ERRORS
        meter.create_observable_gauge(value.name, [self._observe], value.unit, value.description)
        meter.create_observable_counter(errors.name, [self._observe_errors], errors.unit, errors.description)

    def __call__(self, book: Book, ended: float) -> None:
        """Read what is new and compute every KPI."""
        if not self._all:
            return
        self._read()
        found: list[Observation] = []
        for subject, rows in self._rows.items():
            for kpi in self._of(subject):
                for which, chosen in (
                    (_LAST, _between(rows, ended, book.seconds)),
                    (_ALL, list(rows.values())),
                ):
                    found += self._observations(kpi, subject, which, chosen)
        with self._lock:
            self._found = found

    def value(self, name: str, subject: Subject, start: float, seconds: float) -> float | None:
        """A KPI of one window, for thresholds; None if it has none or several."""
        kpi = self._all.get(name)
        rows = self._rows.get(subject)
        if kpi is None or not rows:
            return None
        return self._compute(kpi, _between(rows, start, seconds)).get("")

    @property
    def _all(self) -> dict[str, Kpi]:
        return {**kpis.registered, **self._configured}

    def _read(self) -> None:
        while changes := self._store.changes(self._position):
            for change in changes:
                row = change.after
                kept = self._rows.setdefault(subject_of(row), {})
                kept[row.prediction_id, row.row] = row
            for kept in self._rows.values():
                for key in list(kept)[: max(0, len(kept) - MAX_ROWS)]:
                    del kept[key]
            self._position = changes[-1].position

    def _of(self, subject: Subject) -> list[Kpi]:
        return [each for each in self._all.values() if each.model in ("", subject.model)]

    def _observations(
        self, kpi: Kpi, subject: Subject, which: str, rows: Sequence[JoinedRow]
    ) -> Iterable[Observation]:
        named = {**subject_attributes(subject), semconv.PERFORMANCE_WINDOW: which, semconv.KPI_NAME: kpi.name}
        for group, value in self._compute(kpi, rows).items():
            yield Observation(value, {**named, semconv.KPI_GROUP: group} if group else named)

    def _compute(self, kpi: Kpi, rows: Sequence[JoinedRow]) -> dict[str, float]:
        """Values by group, the only one under no name; none when it raises or has nothing to say."""
        if not rows:
            return {}
        try:
            answer = kpi.function(rows)
            if answer is None:
                return {}
            groups = answer if isinstance(answer, Mapping) else {"": answer}
            return {str(group): _number(value) for group, value in list(groups.items())[:MAX_GROUPS]}
        except Exception:
            with self._lock:
                self._errors[kpi.name] += 1
            fault(f"computing the KPI {kpi.name}")
            return {}

    def _observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            return list(self._found)

    def _observe_errors(self, _options: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            return [Observation(count, {semconv.KPI_NAME: name}) for name, count in self._errors.items()]


def _between(rows: Mapping[Any, JoinedRow], start: float, seconds: float) -> list[JoinedRow]:
    return [row for row in rows.values() if start <= row.predicted_ns / 1e9 < start + seconds]


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no value of a KPI; return None for not enough data")
    return number
