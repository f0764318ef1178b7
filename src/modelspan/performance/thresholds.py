"""Limits of a series of window values, each with the share of windows that cross it by chance."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from modelspan.performance import special

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.performance.measure import Array

Kind = Literal["static", "relative", "zscore", "robust", "seasonal"]
Direction = Literal["below", "above", "both"]
Point = tuple[float, float]
"""Start of a window, Unix seconds, and its value."""
HOURS_OF_WEEK: Final = 168
_HOUR: Final = 3600.0
_DRAWS: Final = 100_000
_SAME: Final = 1e-9
"""Values that differ by less, relatively, are equal but for rounding."""
_MAD: Final = 1.4826
"""Makes the median absolute deviation of normal values their standard deviation."""


MEASURES: Final = frozenset((
    "accuracy", "balanced_accuracy", "mcc", "precision", "recall", "specificity", "f1", "f_beta",
    "precision_macro", "recall_macro", "f1_macro", "precision_weighted", "recall_weighted", "f1_weighted",
    "roc_auc", "pr_auc", "brier", "log_loss", "calibration_error", "roc_auc_macro", "roc_auc_weighted",
    "mae", "rmse", "mape", "r2", "coverage", "lag_p50", "lag_p90",
))  # fmt: skip
"""What a threshold can be on, besides pinball losses and KPIs."""
_QUANTILE_LOSS: Final = re.compile(r"quantile_loss_0?\.\d+")


def is_measure(name: str) -> bool:
    """Whether a window of performance can have it."""
    return name in MEASURES or bool(_QUANTILE_LOSS.fullmatch(name))


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a value crosses."""

    lower: float | None = None
    upper: float | None = None
    rate: float | None = None
    """Expected share of windows that cross although nothing changed; None while unknown."""

    def crossed(self, value: float) -> bool:
        """Whether the value lies outside."""
        return (self.lower is not None and value < self.lower) or (
            self.upper is not None and value > self.upper
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """How limits are made of a series; rates hold for independent, normal values of one distribution.

    Source: Hahn and Meeker (1991), Statistical Intervals, sec. 4.7 (limits of a future value from mean and
    standard deviation); Rousseeuw and Croux (1993), JASA 88, 1273 (median and MAD), whose rate is simulated.
    """

    kind: Kind
    direction: Direction = "both"
    lower: float | None = None
    """Of static: the limit itself; of relative: how far below the reference, as a share of it."""
    upper: float | None = None
    reference: float | None = None
    k: float | None = None
    """Standard deviations; None: as many as `false_alarm_rate` asks for."""
    false_alarm_rate: float = 0.001
    history: int = 30
    """Latest values that limits are made of; of seasonal: those of the same hour of the week."""
    minimum: int = 10
    """With fewer there are no limits yet."""

    def limits(self, history: Sequence[Point], start: float) -> Limits | None:
        """Limits for the window that begins at `start`, from earlier ones; None while there are too few."""
        if self.kind in ("static", "relative"):
            return self._fixed(np.array([value for _, value in history][-self.history :]))
        if self.kind == "seasonal":
            history = [point for point in history if _hour_of_week(point[0]) == _hour_of_week(start)]
        values = np.array([value for _, value in history][-self.history :])
        return self._dynamic(values) if len(values) >= max(self.minimum, 3) else None

    def _fixed(self, values: Array) -> Limits:
        if self.kind == "static":
            low, high = self.lower, self.upper
        else:
            middle = self.reference or 0.0
            low = None if self.lower is None else middle - self.lower * abs(middle)
            high = None if self.upper is None else middle + self.upper * abs(middle)
        return Limits(low, high, self._chance(values, low, high))

    def _chance(self, values: Array, low: float | None, high: float | None) -> float | None:
        """That the next value of this series crosses fixed limits."""
        if len(values) < max(self.minimum, 3):
            return None
        middle, spread = float(values.mean()), float(values.std(ddof=1)) * math.sqrt(1 + 1 / len(values))
        if spread <= _SAME * abs(middle):
            return float(Limits(low, high).crossed(middle))
        tails = [(low - middle) / spread if low is not None else -math.inf,
                 (middle - high) / spread if high is not None else -math.inf]  # fmt: skip
        return float(sum(special.stdtr(len(values) - 1, tail) for tail in tails))

    def _dynamic(self, values: Array) -> Limits:
        robust = self.kind == "robust"
        middle = float(np.median(values)) if robust else float(values.mean())
        spread = _MAD * float(np.median(np.abs(values - middle))) if robust else float(values.std(ddof=1))
        spread = max(spread, _SAME * abs(middle))
        sides = 2 if self.direction == "both" else 1
        if robust:
            k, rate = _simulated(len(values), self.k, self.false_alarm_rate, sides)
        else:
            wider, freedom = math.sqrt(1 + 1 / len(values)), len(values) - 1
            k = self.k if self.k is not None else _quantile(freedom, self.false_alarm_rate / sides) * wider
            rate = float(special.stdtr(freedom, -k / wider)) * sides
        below, above = self.direction != "above", self.direction != "below"
        return Limits(middle - k * spread if below else None, middle + k * spread if above else None, rate)


def _quantile(freedom: int, tail: float) -> float:
    return float(-special.stdtrit(freedom, tail))


def _simulated(rows: int, k: float | None, wanted: float, sides: int) -> tuple[float, float]:
    """k, found if it is not given, and the share of new values beyond it on one side or both."""
    ratios = simulated_ratios(rows)
    if k is None:
        k = float(ratios[int(len(ratios) * (1 - 2 / sides * wanted))])
    return k, float(1 - np.searchsorted(ratios, k, "right") / len(ratios)) * sides / 2


def _hour_of_week(moment: float) -> int:
    """0 is the first hour of Monday, UTC."""
    return int(moment // _HOUR + 72) % HOURS_OF_WEEK  # the epoch was a Thursday


@lru_cache(maxsize=256)
def simulated_ratios(rows: int) -> Array:
    """100,000 sorted draws of a normal value's distance from the median of others, in units of their MAD."""
    random = np.random.default_rng(rows)
    found = []
    for _ in range(10):
        values = random.standard_normal((_DRAWS // 10, rows))
        middle = np.median(values, axis=1)
        spread = _MAD * np.median(np.abs(values - middle[:, None]), axis=1)
        found.append(np.abs(random.standard_normal(_DRAWS // 10) - middle) / spread)
    return np.sort(np.concatenate(found))


@dataclass(slots=True)
class Watch:
    """One series under a threshold: its history, and whether it is across."""

    history: list[Point]
    open: bool = False
    quiet: int = 0
    """Windows for which no new crossing is announced."""

    def judge(self, threshold: Threshold, point: Point, cool_down: int) -> tuple[Limits | None, str]:
        """Limits of the point's window, and what is to be announced: `open`, `closed` or nothing."""
        limits = threshold.limits(self.history, point[0])
        self.history.append(point)
        keep = threshold.history * (HOURS_OF_WEEK if threshold.kind == "seasonal" else 1)
        del self.history[:-keep]
        self.quiet = max(0, self.quiet - 1)
        crossed = limits is not None and limits.crossed(point[1])
        if crossed and not self.open and not self.quiet:
            self.open, self.quiet = True, cool_down + 1
            return limits, "open"
        if self.open and not crossed:
            self.open = False
            return limits, "closed"
        return limits, ""
