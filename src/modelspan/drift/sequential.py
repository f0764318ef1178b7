"""The default rule of alarms: a stated probability of any false one, however long and often one looks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from modelspan.drift.alarm import CALM_P, SEVERE, AlarmChange, Lifecycle, anything, excess_psi
from modelspan.drift.discovery import e_benjamini_hochberg
from modelspan.drift.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelspan.drift.compare import FeatureDrift
    from modelspan.drift.feature import Counts, FeatureReference

LOOK_ROWS = 50
"""New rows that make a look by default. Smaller looks find a drift little sooner and cost more."""


class SequentialRule:
    """Opens at a rate that is bounded over the whole unending stream, however often one looks.

    Every feature has an e-value (`Evidence`), updated each fifty rows; e-BH over the features decides. The
    probability that any alarm opens before something drifts is at most `false_alarm_rate`, and among the
    features whose alarms are open at a look the expected share of false ones is at most that as well. An
    alarm opens only if the drift is worth knowing: if PSI since its likeliest begin, less what chance gives
    it, is at least `smallest_effect`.

    It escalates, once, when a window's PSI so reckoned reaches five times `smallest_effect`. It closes after
    two windows in a row with ``p > 0.05`` or less than half of `smallest_effect`; then the test starts anew.

    Args:
        columns: The features by name, with their reference counts.
        false_alarm_rate: Probability of any false alarm between starts of the test, in (0, 1).
        smallest_effect: PSI worth knowing, above 0; a shift by d standard deviations is d squared.
        window_rows: Rows of the windows that escalate and close an alarm.
        look_rows: Rows of a look. What changes within it is no drift: a season's rows where traffic has one.
        counts_as: Which drifts may have an alarm; every one by default.

    With a season each look has rows of one cell, compared with that cell's rows: it ends with the hour.

    Raises:
        ValueError: If an argument is out of its range.

    Source: e-BH: Wang and Ramdas (2022); the e-values: `Evidence`.
    """

    def __init__(
        self,
        columns: Mapping[str, FeatureReference],
        *,
        false_alarm_rate: float = 0.01,
        smallest_effect: float = 0.05,
        window_rows: int = 1000,
        look_rows: int = LOOK_ROWS,
        counts_as: Callable[[FeatureDrift], bool] = anything,
    ) -> None:
        if not 0.0 < false_alarm_rate < 1.0:
            raise ValueError(
                f"false_alarm_rate={false_alarm_rate} is a probability, so set it between 0 and 1"
            )
        if not 0.0 < smallest_effect < math.inf:
            raise ValueError(f"smallest_effect={smallest_effect} must be above 0 and finite, as 0.05")
        self._columns = dict(columns)
        self._rate = false_alarm_rate
        self._smallest = smallest_effect
        self._window_rows = max(window_rows, look_rows)
        self._look_rows = look_rows
        self._counts_as = counts_as
        self._evidence = {
            name: Evidence(column, smallest_effect=smallest_effect, window_rows=max(window_rows, look_rows))
            for name, column in columns.items()
        }
        self._pending = {name: np.zeros_like(column.counts) for name, column in columns.items()}
        self._cell = 0
        self._alarms: dict[str, Lifecycle] = {}

    def update(self, counts: Mapping[str, Counts], cell: int = 0) -> list[AlarmChange]:
        """The alarms that change, given new rows per bin of some features, all of one cell of the season."""
        looked = self._turn(cell)
        looked += [name for name, new in counts.items() if name not in self._alarms and self._look(name, new)]
        changes = [self._follow(name, new) for name, new in counts.items() if name in self._alarms]
        return [*filter(None, changes), *(self._open(looked) if looked else ())]

    def _turn(self, cell: int) -> list[str]:
        """The features that were looked at because another cell of the season has begun."""
        if cell == self._cell:
            return []
        looked = [
            name for name, held in self._pending.items() if held.any() and self._look(name, 0 * held, 1)
        ]
        self._cell = cell
        return looked

    def _look(self, name: str, new: Counts, least: int | None = None) -> bool:
        """Whether the new rows made a look at a feature without an open alarm."""
        self._pending[name] = self._pending[name] + new
        if self._pending[name].sum() < (least or self._look_rows):
            return False
        self._evidence[name].look(self._pending[name], self._cell)
        self._pending[name] = np.zeros_like(new)
        return True

    def _open(self, looked: list[str]) -> list[AlarmChange]:
        found = e_benjamini_hochberg([each.log_e for each in self._evidence.values()], self._rate)
        discovered = {name for name, drifted in zip(self._evidence, found, strict=True) if drifted}
        changes = []
        for name in (each for each in dict.fromkeys(looked) if each in discovered):
            evidence = self._evidence[name]
            drift = evidence.since_start().drift()
            if excess_psi(drift) < self._smallest or not self._counts_as(drift):
                continue
            self._alarms[name] = Lifecycle(self._columns[name], self._window_rows, self._calm, self._severe)
            changes.append(
                AlarmChange(
                    feature=name, state="open", drift=drift, rule="sequential",
                    e_value=math.exp(evidence.log_e),
                )
            )  # fmt: skip
        return changes

    def _follow(self, name: str, new: Counts) -> AlarmChange | None:
        changed = self._alarms[name].update(new, self._cell)
        if changed is None:
            return None
        state, drift = changed
        e_value = math.exp(self._evidence[name].log_e)
        if state == "closed":
            del self._alarms[name]
            self._evidence[name].restart()
        return AlarmChange(feature=name, state=state, drift=drift, rule="sequential", e_value=e_value)

    def _calm(self, drift: FeatureDrift) -> bool:
        small = drift.p_value > CALM_P or excess_psi(drift) < self._smallest / 2
        return small or not self._counts_as(drift)

    def _severe(self, drift: FeatureDrift) -> bool:
        return excess_psi(drift) >= SEVERE * self._smallest
