"""What a drift might look like: the alternatives that a sequential test bets on."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHIFTS = (1.0, 2.0, 4.0)
"""Moves of the mean, in units of the smallest one worth knowing."""
_SPREADS = (0.12, 0.25)
"""Coefficients of the squared score; 0.25 is that of a doubled variance: ln N(x; 0, 2) - ln N(x; 0, 1)."""
_RATIOS = (1 / 3, 2.0, 8.0)
"""What the odds of a single bin are multiplied by."""


def tilts(pool: NDArray[np.float64], smallest_effect: float, *, ordered: bool) -> NDArray[np.float64]:
    """Log-likelihood ratios of the alternatives, up to a constant each, shape ``(bets, bins)``.

    A numeric feature is bet to move (either way, by 1, 2 and 4 times the smallest shift), to widen or to
    narrow, and every bin of every feature is bet to shrink or to grow. They depend on the pooled counts only,
    which validity asks for (see `evidence`).

    Args:
        pool: Pooled rows per bin, shape ``(bins,)``.
        smallest_effect: PSI worth knowing, above 0; a shift by d standard deviations has a PSI of d squared.
        ordered: Whether the bins are those of a numeric column with ``(missing)`` last.
    """
    single = _single_bins(pool.size)
    if not ordered:
        return single
    score = normal_scores(pool)
    least = math.sqrt(smallest_effect)
    shifts = np.outer([sign * least * size for size in _SHIFTS for sign in (1, -1)], score)
    there = np.arange(pool.size) < pool.size - 1
    spreads = np.outer([sign * size for size in _SPREADS for sign in (1, -1)], (score**2 - 1) * there)
    return np.concatenate([shifts, spreads, single])


@lru_cache(maxsize=64)
def log_prior(bins: int, *, ordered: bool) -> NDArray[np.float64]:
    """Logarithms of the alternatives' shares of the stake, shape ``(bets,)``; they sum to 1.

    Half on single bins, half on shapes where there are any.
    """
    single, shapes = len(_RATIOS) * bins, 2 * (len(_SHIFTS) + len(_SPREADS))
    if not ordered:
        return np.full(single, -math.log(single))
    return np.concatenate([np.full(shapes, -math.log(2 * shapes)), np.full(single, -math.log(2 * single))])


@lru_cache(maxsize=64)
def _single_bins(bins: int) -> NDArray[np.float64]:
    return np.concatenate([np.eye(bins) * math.log(ratio) for ratio in _RATIOS])


def normal_scores(pool: NDArray[np.float64]) -> NDArray[np.float64]:
    """About the normal quantiles of the bins' mid-ranks, with mean 0 and variance 1; 0 for ``(missing)``.

    Ranks, not values: one absurd value must not move the verdict. All 0 when fewer than two bins have rows.

    Source: van der Waerden (1952), Proc. Kon. Ned. Akad. Wet. A 55, 453-458; the quantiles by Tukey's lambda
    with 0.14, Joiner and Rosenblatt (1971), JASA 66, 394-399: no scipy.special, which costs 0.1 s at start.
    """
    there = pool[:-1]
    total = there.sum()
    if np.count_nonzero(there) < 2:
        return np.zeros_like(pool)
    rank = np.clip((np.cumsum(there) - there / 2) / total, 1e-6, 1 - 1e-6)
    score = rank**0.14 - (1 - rank) ** 0.14
    score -= score @ there / total
    score /= math.sqrt(score**2 @ there / total)
    return np.append(score, 0.0)
