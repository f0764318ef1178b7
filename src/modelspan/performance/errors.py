"""Errors of predicted values: sums that add over windows and replicas, and the measures made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from modelspan.performance import special
from modelspan.performance.measure import TINY, Array, Measure, critical
from modelspan.performance.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping

_POWERS: Final = 5
_FITTED: Final = 4
"""Moments that R²'s deviation is made of; as degrees of freedom they are lost to it."""
_LARGEST: Final = 1e30
"""From here on powers would leave the range of floats; nobody's outcome is that large."""


def _table() -> Array:
    return np.zeros((3, _POWERS))


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Moments of each loss, and the joint sums of squared error and outcome that R² needs."""

    absolute: Moments = field(default_factory=Moments)
    squared: Moments = field(default_factory=Moments)
    percentage: Moments = field(default_factory=Moments)
    """Of |error| / |outcome|, over rows whose outcome is not 0 (1e-30 counts as 0)."""
    quantile: Mapping[float, Moments] = field(default_factory=dict)
    """Pinball loss by quantile."""
    origin: float = 0.0
    """What is taken from outcomes before they are raised to a power, so that large ones lose no digits."""
    joint: Array = field(default_factory=_table)
    """Sums of w·e^(2i)·(outcome - origin)^j for i < 3, j < 5."""

    @classmethod
    def of(
        cls, predicted: Array, outcomes: Array, weights: Array, quantiles: tuple[float, ...] = ()
    ) -> Errors:
        """The sums of these rows; rows with a value of 1e30 or more, or NaN, are left out."""
        with np.errstate(over="ignore", invalid="ignore"):
            error = outcomes - predicted
            known = (np.abs(error) < _LARGEST) & (np.abs(outcomes) < _LARGEST)  # False for NaN
        error, truth, weights = error[known], outcomes[known], weights[known]
        size, some = np.abs(error), np.abs(truth) > 1 / _LARGEST
        origin = float(truth[0]) if truth.size else 0.0
        shifted = truth - origin
        return cls(
            absolute=Moments.of(size, weights),
            squared=Moments.of(size**2, weights),
            percentage=Moments.of(size[some] / np.abs(truth[some]), weights[some]),
            quantile={q: Moments.of(np.maximum(q * error, (q - 1) * error), weights) for q in quantiles},
            origin=origin,
            joint=np.array([[float(weights @ (e * shifted**j)) for j in range(_POWERS)]
                            for e in (np.ones_like(error), error**2, error**4)]),
        )  # fmt: skip

    def __add__(self, other: Errors) -> Errors:
        return self._join(other, 1)

    def __sub__(self, other: Errors) -> Errors:
        return self._join(other, -1)

    def _join(self, other: Errors, sign: int) -> Errors:
        def join(a: Moments, b: Moments) -> Moments:
            return a + b if sign > 0 else a - b

        origin = self.origin if self.absolute.weight else other.origin
        none = Moments()
        return Errors(
            absolute=join(self.absolute, other.absolute),
            squared=join(self.squared, other.squared),
            percentage=join(self.percentage, other.percentage),
            quantile={q: join(self.quantile.get(q, none), other.quantile.get(q, none))
                      for q in {*self.quantile, *other.quantile}},
            origin=origin,
            joint=self._about(origin) + sign * other._about(origin),
        )  # fmt: skip

    def _about(self, origin: float) -> Array:
        """The joint sums as if outcomes had been counted from `origin`: the binomial theorem."""
        step = self.origin - origin
        shift = np.array([[special.comb(j, k) * step ** (j - k) if k <= j else 0.0 for j in range(_POWERS)]
                          for k in range(_POWERS)])  # fmt: skip
        return self.joint @ shift if step else self.joint

    def measures(self) -> dict[str, Measure]:
        """MAE, RMSE, MAPE, R² and quantile losses where defined: R² needs outcomes that differ."""
        found = {
            "mae": _not_below_zero(self.absolute.mean()), "rmse": _root(self.squared.mean()),
            "mape": _not_below_zero(self.percentage.mean()), "r2": r2(self),
            **{f"quantile_loss_{q:g}": _not_below_zero(sums.mean()) for q, sums in self.quantile.items()},
        }  # fmt: skip
        return {name: each for name, each in found.items() if each is not None and each.finite()}


def _not_below_zero(found: Measure | None) -> Measure | None:
    if found is None or found.lower is None:
        return found
    return Measure(found.value, max(0.0, found.lower), found.upper)


def _root(squared: Measure | None) -> Measure | None:
    """RMSE: the root of the mean square and of its interval."""
    if squared is None:
        return None
    bounds = [None if each is None else math.sqrt(max(0.0, each)) for each in (squared.lower, squared.upper)]
    return Measure(math.sqrt(max(0.0, squared.value)), *bounds)


def r2(errors: Errors) -> Measure | None:
    """1 - squared error over the squared distance of outcomes from their mean; None unless outcomes differ.

    The interval is the delta method's for the logarithm of 1 - R².

    Source: Draper and Smith (1998), Applied Regression Analysis, eq. 1.3.6; van der Vaart (1998), Asymptotic
    Statistics, theorem 3.1.
    """
    weight = errors.absolute.weight
    if not weight:
        return None
    central = _central(errors, weight)
    (_, _, spread, _, fourth), (squared, _, cross, _, _) = central[0], central[1]
    size = max(abs(errors.joint[0, 2]) / weight, TINY**2)
    if spread <= 1e-12 * size or spread <= 0:
        return None
    ratio = squared / spread
    rows = errors.absolute.rows
    if rows <= _FITTED + 1 or ratio <= 0:
        return Measure(1 - ratio, *((1 - ratio, 1 - ratio) if rows > _FITTED + 1 else ()))
    variance = central[2, 0] / squared**2 - 2 * cross / (squared * spread) + fourth / spread**2
    half = critical(rows) * math.sqrt(max(variance, 0.0) / (rows - _FITTED))
    return Measure(1 - ratio, 1 - ratio * math.exp(half), 1 - ratio * math.exp(-half))


def _central(errors: Errors, weight: float) -> Array:
    """The joint means with outcomes counted from their mean."""
    mean = errors.origin + errors.joint[0, 1] / weight
    return errors._about(float(mean)) / weight  # noqa: SLF001 - its own module
