"""Alarms by a fixed threshold on a distance, for those who must keep one: its false-alarm rate is unknown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelspan.drift.alarm import SEVERE, AlarmChange, Lifecycle, anything
from modelspan.drift.distances import DISTANCES
from modelspan.drift.gathered import Gathered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelspan.drift.compare import FeatureDrift
    from modelspan.drift.feature import Counts, FeatureReference

_RULE = re.compile(rf"({'|'.join(DISTANCES)})\s*>\s*(\d+(?:\.\d+)?)\Z")


def parse_threshold(rule: str) -> tuple[str, float]:
    """The distance and the limit in a rule such as ``psi>0.2``.

    Raises:
        ValueError: If the text is none.
    """
    found = _RULE.match(rule.strip())
    if found is None:
        raise ValueError(
            f"drift_rule={rule!r:.60} is no rule; leave it empty for the calibrated one, or name a distance "
            f"and a limit: psi>0.2 ({', '.join(DISTANCES)})"
        )
    return found[1], float(found[2])


class ThresholdRule:
    """Opens when a full window's distance is above the limit, whatever chance would give it.

    Without any drift PSI is about ``(bins - 1) (1 / reference rows + 1 / window rows)``, so that ``psi>0.1``
    alarms in most windows of 50 rows and in none of 5,000. It escalates at five times the limit, and closes
    after two windows in a row at or below it.

    Args:
        columns: The features by name, with their reference counts.
        rule: A distance and a limit, such as ``psi>0.2``.
        window_rows: Rows of a window.
        counts_as: Which drifts may have an alarm; every one by default.

    Raises:
        ValueError: If the rule is none.
    """

    def __init__(
        self,
        columns: Mapping[str, FeatureReference],
        *,
        rule: str,
        window_rows: int = 1000,
        counts_as: Callable[[FeatureDrift], bool] = anything,
    ) -> None:
        self._method, self._limit = parse_threshold(rule)
        self._rule = f"{self._method}>{self._limit:g}"
        self._columns = dict(columns)
        self._window_rows = window_rows
        self._counts_as = counts_as
        self._windows = {name: Gathered(column) for name, column in columns.items()}
        self._alarms: dict[str, Lifecycle] = {}

    def update(self, counts: Mapping[str, Counts], cell: int = 0) -> list[AlarmChange]:
        """The alarms that change, given new rows per bin of some features, all of one cell of the season."""
        changes = [
            (self._follow if name in self._alarms else self._look)(name, new, cell)
            for name, new in counts.items()
        ]
        return [change for change in changes if change]

    def _look(self, name: str, new: Counts, cell: int) -> AlarmChange | None:
        self._windows[name].add(new, cell)
        if self._windows[name].rows < self._window_rows:
            return None
        drift, self._windows[name] = self._windows[name].drift(), Gathered(self._columns[name])
        if self._calm(drift):
            return None
        self._alarms[name] = Lifecycle(self._columns[name], self._window_rows, self._calm, self._severe)
        return AlarmChange(feature=name, state="open", drift=drift, rule=self._rule)

    def _follow(self, name: str, new: Counts, cell: int) -> AlarmChange | None:
        changed = self._alarms[name].update(new, cell)
        if changed is None:
            return None
        state, drift = changed
        if state == "closed":
            del self._alarms[name]
        return AlarmChange(feature=name, state=state, drift=drift, rule=self._rule)

    def _calm(self, drift: FeatureDrift) -> bool:
        return drift.distances()[self._method] <= self._limit or not self._counts_as(drift)

    def _severe(self, drift: FeatureDrift) -> bool:
        return drift.distances()[self._method] > SEVERE * self._limit
