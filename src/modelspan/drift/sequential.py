"""The default rule of alarms: a stated probability of any false one, however long and often one looks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from modelspan.drift.alarm import CALM_P, SEVERE, AlarmChange, Lifecycle, anything, excess_psi
from modelspan.drift.bank import Bank
from modelspan.drift.discovery import e_benjamini_hochberg
from modelspan.drift.gathered import drifts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelspan.drift.compare import FeatureDrift
    from modelspan.drift.feature import Counts, FeatureReference

LOOK_ROWS = 10
"""New rows that make a look by default; more make one as well, so that there is at most one each drain."""


class SequentialRule:
    """Opens at a rate that is bounded over the whole unending stream, however often one looks.

    Every feature has an e-value (`Evidence`), updated each ten rows; e-BH over the features decides. The
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
        self._banks = _banks(columns, smallest_effect, max(window_rows, look_rows))
        self._bank_of = {name: bank for bank in self._banks for name in bank.names}
        self._cell = 0
        self._alarms: dict[str, Lifecycle] = {}

    def update(self, counts: Mapping[str, Counts], cell: int = 0) -> list[AlarmChange]:
        """The alarms that change, given new rows per bin of some features, all of one cell of the season."""
        looked = self._look(1, self._cell) if cell != self._cell else []
        self._cell = cell
        for bank in self._banks:
            bank.add(counts)
        looked += self._look(self._look_rows, cell)
        changes = [self._follow(name, new) for name, new in counts.items() if name in self._alarms]
        return [*filter(None, changes), *(self._open(looked) if looked else ())]

    def _look(self, least: int, cell: int) -> list[str]:
        return [name for bank in self._banks for name in bank.look(least, cell)]

    def _open(self, looked: list[str]) -> list[AlarmChange]:
        log_e = np.concatenate([bank.log_e for bank in self._banks])
        found = e_benjamini_hochberg(log_e, self._rate)
        if not found.any():
            return []
        discovered = {name for name, drifted in zip(self._bank_of, found.tolist(), strict=True) if drifted}
        named = [name for name in dict.fromkeys(looked) if name in discovered]
        since = drifts([self._bank_of[name].since_start(name) for name in named])
        changes = []
        for name, drift in zip(named, since, strict=True):
            if excess_psi(drift) < self._smallest or not self._counts_as(drift):
                continue
            self._alarms[name] = Lifecycle(self._columns[name], self._window_rows, self._calm, self._severe)
            self._bank_of[name].pause(name)
            changes.append(
                AlarmChange(
                    feature=name, state="open", drift=drift, rule="sequential",
                    e_value=self._bank_of[name].e_value(name),
                )
            )  # fmt: skip
        return changes

    def _follow(self, name: str, new: Counts) -> AlarmChange | None:
        changed = self._alarms[name].update(new, self._cell)
        if changed is None:
            return None
        state, drift = changed
        bank = self._bank_of[name]
        e_value = bank.e_value(name)
        if state == "closed":
            del self._alarms[name]
            bank.restart(name)
        return AlarmChange(feature=name, state=state, drift=drift, rule="sequential", e_value=e_value)

    def _calm(self, drift: FeatureDrift) -> bool:
        small = drift.p_value > CALM_P or excess_psi(drift) < self._smallest / 2
        return small or not self._counts_as(drift)

    def _severe(self, drift: FeatureDrift) -> bool:
        return excess_psi(drift) >= SEVERE * self._smallest


def _banks(columns: Mapping[str, FeatureReference], smallest_effect: float, window_rows: int) -> list[Bank]:
    """Features of one kind of bins together."""
    kinds: dict[tuple[bool, int], dict[str, FeatureReference]] = {}
    for name, column in columns.items():
        kinds.setdefault((column.ordered, column.cells), {})[name] = column
    return [Bank(held, smallest_effect=smallest_effect, window_rows=window_rows) for held in kinds.values()]
