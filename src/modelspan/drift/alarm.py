"""When a drift is worth an alarm: rules with a known rate of false ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.drift.compare import FeatureDrift

_CALM_P = 0.05
_CALM_LOOKS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlarmChange:
    """An alarm that opened or closed, with the window that did it."""

    feature: str
    opened: bool
    """False when it closed."""
    drift: FeatureDrift
    threshold: float
    """The p-value that was asked for: at most this to open, more than this to close."""


class AlarmRule(Protocol):
    """Decides after each look at a window; keeps what it needs between looks."""

    def update(self, drifts: Sequence[FeatureDrift]) -> list[AlarmChange]:
        """The alarms that change, given all features of one more window."""
        ...


class SpendingRule:
    """Opens at a rate that is bounded over the whole unending stream, however often one looks.

    Look k gets ``false_alarm_rate * 6 / (pi k)^2``, shared equally by its features. These shares add up to
    `false_alarm_rate`, so by the union bound the probability of *any* false opening, ever, is at most that,
    whatever the dependence between features, windows and their common reference. It rests on each p-value
    being right, and chi-squared p-values are approximate far in the tail; `smallest_psi` makes up for that,
    and keeps drifts shut out that are real but too small to matter (tests/test_drift_alarm.py measures the
    whole). The price: later looks need stronger evidence. Pass full windows without common rows, or the looks
    are spent on the same evidence.

    An alarm closes after two looks in a row with ``p > 0.05``.

    Args:
        false_alarm_rate: Probability of any false alarm over the life of the rule, in (0, 1).
        smallest_psi: PSI below which no alarm opens, ``>= 0``.

    Raises:
        ValueError: If an argument is out of its range.

    Source: union bound over Basel's sum; alpha spending: Lan and DeMets (1983), Biometrika 70(3), 659-663.
    """

    def __init__(self, *, false_alarm_rate: float = 0.01, smallest_psi: float = 0.05) -> None:
        if not 0.0 < false_alarm_rate < 1.0:
            raise ValueError(
                f"false_alarm_rate={false_alarm_rate} is a probability, so set it between 0 and 1"
            )
        if not 0.0 <= smallest_psi < math.inf:
            raise ValueError(f"smallest_psi={smallest_psi} must be 0 or more and finite, for example 0.05")
        self._rate = false_alarm_rate
        self._smallest_psi = smallest_psi
        self._looks = 0
        self._calm: dict[str, int] = {}

    @property
    def open(self) -> frozenset[str]:
        """Features whose alarm is open."""
        return frozenset(self._calm)

    def update(self, drifts: Sequence[FeatureDrift]) -> list[AlarmChange]:
        """The alarms that change, given all features of one more full window; no features is no look."""
        if not drifts:
            return []
        self._looks += 1
        alpha = self._rate * 6.0 / (math.pi * self._looks) ** 2 / len(drifts)
        changes = [self._closing(d) if d.feature in self._calm else self._opening(d, alpha) for d in drifts]
        return [change for change in changes if change]

    def _opening(self, drift: FeatureDrift, alpha: float) -> AlarmChange | None:
        if drift.p_value > alpha or drift.psi < self._smallest_psi:
            return None
        self._calm[drift.feature] = 0
        return AlarmChange(feature=drift.feature, opened=True, drift=drift, threshold=alpha)

    def _closing(self, drift: FeatureDrift) -> AlarmChange | None:
        calm = self._calm[drift.feature] + 1 if drift.p_value > _CALM_P else 0
        self._calm[drift.feature] = calm
        if calm < _CALM_LOOKS:
            return None
        del self._calm[drift.feature]
        return AlarmChange(feature=drift.feature, opened=False, drift=drift, threshold=_CALM_P)
