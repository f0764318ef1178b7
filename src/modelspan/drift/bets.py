"""What a drift might look like: the alternatives that a sequential test bets on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHAPES = np.array(
    [[1, 0], [-1, 0], [2, 0], [-2, 0], [4, 0], [-4, 0], [0, 0.12], [0, -0.12], [0, 0.25], [0, -0.25]]
)
"""What a numeric feature is bet to do: moves of the mean, in units of the smallest one worth knowing, and
coefficients of the squared score; 0.25 is that of a doubled variance: ln N(x; 0, 2) - ln N(x; 0, 1)."""
_CONSTANT = 1e-12
"""Variance of scores below which all rows are in one bin."""
_RATIOS = np.array([[1 / 3], [2.0], [8.0]])
"""What the odds of a single bin are multiplied by."""
_STAKES = np.array([1 / 12] * 6 + [1 / 16] * 4)
"""Of a numeric feature, on each of its shapes: means move more often. The last quarter is on single bins."""


def log_payoffs(
    pool: NDArray[np.float64], counts: NDArray[np.int64], smallest_effect: float, *, ordered: bool
) -> NDArray[np.float64]:
    """Logarithm of what each bet pays on new rows, shape ``(..., bets)``.

    A numeric feature is bet to move (either way, by 1, 2 and 4 times the smallest shift), to widen or to
    narrow, and every bin of every feature is bet to shrink or to grow. The alternatives depend on the pooled
    counts only, which validity asks for (see `Evidence`).

    Args:
        pool: All rows per bin, the new ones among them, shape ``(..., bins)``; the dots are any axes.
        counts: New rows per bin, shape ``(..., bins)``.
        smallest_effect: PSI worth knowing, above 0; a shift by d standard deviations has a PSI of d squared.
        ordered: Whether the bins are those of a numeric column with ``(missing)`` last.

    Source: Hoeffding (1963), theorem 4; see `Evidence`.
    """
    shares = (pool / pool.sum(axis=-1, keepdims=True))[..., None, :]
    new, rows = counts[..., None, :], counts.sum(axis=-1)[..., None]
    # A bet on one bin: the odds of all others stay, so that the mean over the pool has two terms.
    single = new * np.log(_RATIOS) - rows[..., None] * np.log1p(shares * (_RATIOS - 1))
    single = single.reshape(*single.shape[:-2], -1)
    if not ordered:
        return np.asarray(single)
    tilt = shapes(pool, smallest_effect)
    # Scores of a rare tail reach hundreds, which exp overflows at: the largest one of bins with rows is taken
    # out, and what a bin without rows would add is left at 0.
    most = np.max(tilt, axis=-1, initial=-math.inf, where=shares > 0, keepdims=True)
    fair = np.log((np.exp(np.minimum(tilt - most, 0.0)) @ shares[..., 0, :, None])[..., 0]) + most[..., 0]
    return np.concatenate([(tilt @ counts[..., None])[..., 0] - rows * fair, single], axis=-1)


def shapes(pool: NDArray[np.float64], smallest_effect: float) -> NDArray[np.float64]:
    """Log-likelihood ratios of what bins in order are bet to do, up to a constant, ``(..., shapes, bins)``.

    Args:
        pool: As in `log_payoffs`.
        smallest_effect: As in `log_payoffs`.
    """
    score = normal_scores(pool)
    spread = score**2 - 1
    spread[..., -1] = 0.0
    return np.asarray(_SHAPES @ np.stack([math.sqrt(smallest_effect) * score, spread], axis=-2))


def prior(there: NDArray[np.bool], *, ordered: bool) -> NDArray[np.float64]:
    """The alternatives' shares of the stake, shape ``(..., bets)``; they sum to 1.

    Args:
        there: Which bins the feature has, shape ``(..., bins)``: nothing is staked on the others.
        ordered: As in `log_payoffs`.
    """
    single = np.concatenate(
        [there / there.sum(axis=-1, keepdims=True) / len(_RATIOS)] * len(_RATIOS), axis=-1
    )
    if not ordered:
        return single
    of_shapes = np.broadcast_to(_STAKES, (*there.shape[:-1], _STAKES.size))
    return np.concatenate([of_shapes, (1 - _STAKES.sum()) * single], axis=-1)


def normal_scores(pool: NDArray[np.float64]) -> NDArray[np.float64]:
    """About the normal quantiles of the bins' mid-ranks, with mean 0 and variance 1; 0 for ``(missing)``.

    Ranks, not values: one absurd value must not move the verdict. All 0 when fewer than two bins have rows.

    Source: van der Waerden (1952), Proc. Kon. Ned. Akad. Wet. A 55, 453-458; the quantiles by Tukey's lambda
    with 0.14, Joiner and Rosenblatt (1971), JASA 66, 394-399: no scipy.special, which costs 0.1 s at start.
    """
    there = pool[..., :-1]
    shares = there / np.maximum(there.sum(axis=-1, keepdims=True), 1.0)
    rank = np.clip(np.cumsum(shares, axis=-1) - shares / 2, 1e-6, 1 - 1e-6)
    score = rank**0.14 - (1 - rank) ** 0.14
    score -= (score * shares).sum(axis=-1, keepdims=True)
    variance = (score**2 * shares).sum(axis=-1, keepdims=True)
    score *= np.where(variance > _CONSTANT, 1 / np.sqrt(np.maximum(variance, _CONSTANT)), 0.0)
    return np.concatenate([score, np.zeros_like(pool[..., -1:])], axis=-1)
