"""When a drift is worth an alarm, when it gets worse, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

from modelspan.drift.gathered import Gathered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelspan.drift.compare import FeatureDrift
    from modelspan.drift.feature import Counts, FeatureReference

State: TypeAlias = Literal["open", "escalated", "closed"]

CALM_P = 0.05
"""A window with a larger p-value shows no drift."""
CALM_WINDOWS = 2
"""Windows without drift, in a row, that close an alarm."""
SEVERE = 5.0
"""An alarm escalates at this multiple of what opens one: 5 x 0.05 is PSI's customary 0.25."""
TOP_BINS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlarmChange:
    """An alarm that opened, escalated or closed, with the rows that did it."""

    feature: str
    state: State
    drift: FeatureDrift
    """When it opens: the rows since the likeliest begin of the drift, else the window just full."""
    rule: str
    """What decided: ``sequential``, or a threshold such as ``psi>0.2``."""
    e_value: float | None = None
    """Evidence against "nothing drifted" when it opened; None for a fixed threshold."""


def anything(_drift: FeatureDrift) -> bool:
    """Every drift may have an alarm."""
    return True


class AlarmRule(Protocol):
    """Decides on the stream of one model; keeps what it needs between calls."""

    def update(self, counts: Mapping[str, Counts], cell: int = 0) -> list[AlarmChange]:
        """The alarms that change, given new rows per bin of some features, all of one cell of the season."""
        ...


@dataclass(slots=True)
class Lifecycle:
    """One feature's alarm from opening to closing, judged by full windows that share no rows."""

    reference: FeatureReference
    window_rows: int
    calm: Callable[[FeatureDrift], bool]
    severe: Callable[[FeatureDrift], bool]
    _window: Gathered = field(init=False)
    _calm_windows: int = 0
    _escalated: bool = False

    def __post_init__(self) -> None:
        self._window = Gathered(self.reference)

    def update(self, counts: Counts, cell: int = 0) -> tuple[State, FeatureDrift] | None:
        """What the new rows change; nothing before a window is full."""
        self._window.add(counts, cell)
        if self._window.rows < self.window_rows:
            return None
        drift, self._window = self._window.drift(), Gathered(self.reference)
        self._calm_windows = self._calm_windows + 1 if self.calm(drift) else 0
        if self._calm_windows == CALM_WINDOWS:
            return "closed", drift
        if self._escalated or not self.severe(drift):
            return None
        self._escalated = True
        return "escalated", drift


def excess_psi(drift: FeatureDrift) -> float:
    """PSI less what chance alone gives it, so that small windows do not look drifted; may be negative.

    Source: the mean of PSI without drift, Yurdakul and Naranjo (2020), J. Risk Model Validation 14(3).
    """
    before, after = int(drift.reference_counts.sum()), int(drift.current_counts.sum())
    bins = int(np.count_nonzero(drift.reference_counts + drift.current_counts))
    return drift.psi - (bins - 1) * (1 / max(before, 1) + 1 / max(after, 1))


def grown_bins(drift: FeatureDrift) -> list[int]:
    """Positions of the bins whose share grew most, at most three, the most grown first."""
    shares = [counts / max(int(counts.sum()), 1) for counts in (drift.reference_counts, drift.current_counts)]
    growth = shares[1] - shares[0]
    order = np.argsort(-growth, kind="stable")[:TOP_BINS]
    return [int(position) for position in order if growth[position] > 0]
