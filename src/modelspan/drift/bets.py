"""What a drift might look like: the alternatives that a sequential test bets on."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BY_SHIFT = np.array([[1.0], [-1.0], [2.0], [-2.0], [4.0], [-4.0]])
"""Moves of the mean, in units of the smallest one worth knowing."""
_BY_SPREAD = np.array([[0.12], [-0.12], [0.25], [-0.25]])
"""Coefficients of the squared score; 0.25 is that of a doubled variance: ln N(x; 0, 2) - ln N(x; 0, 1)."""
_CONSTANT = 1e-12
"""Variance of scores below which all rows are in one bin."""
_RATIOS = (1 / 3, 2.0, 8.0)
"""What the odds of a single bin are multiplied by."""


def log_payoffs(
    pool: NDArray[np.float64], counts: NDArray[np.int64], smallest_effect: float, *, ordered: bool
) -> NDArray[np.float64]:
    """Logarithm of what each bet pays on new rows, shape ``(..., bets)``.

    Args:
        pool: All rows per bin, the new ones among them, shape ``(..., bins)``; the dots are any axes.
        counts: New rows per bin, shape ``(..., bins)``.
        smallest_effect: PSI worth knowing, above 0.
        ordered: Whether the bins are those of a numeric column with ``(missing)`` last.

    Source: Hoeffding (1963), theorem 4; see `Evidence`.
    """
    tilt = tilts(pool, smallest_effect, ordered=ordered)
    shares = pool / pool.sum(axis=-1, keepdims=True)
    fair = np.log((np.exp(tilt) @ shares[..., None])[..., 0])
    return np.asarray((tilt @ counts[..., None])[..., 0] - counts.sum(axis=-1, keepdims=True) * fair)


def tilts(pool: NDArray[np.float64], smallest_effect: float, *, ordered: bool) -> NDArray[np.float64]:
    """Log-likelihood ratios of the alternatives, up to a constant each, shape ``(..., bets, bins)``.

    A numeric feature is bet to move (either way, by 1, 2 and 4 times the smallest shift), to widen or to
    narrow, and every bin of every feature is bet to shrink or to grow. They depend on the pooled counts only,
    which validity asks for (see `Evidence`).

    Args:
        pool: As in `log_payoffs`.
        smallest_effect: PSI worth knowing, above 0; a shift by d standard deviations has a PSI of d squared.
        ordered: As in `log_payoffs`.
    """
    bins = pool.shape[-1]
    single = _single_bins(bins)
    if not ordered:
        return single
    score = normal_scores(pool)[..., None, :]
    spread = (score**2 - 1) * (np.arange(bins) < bins - 1)
    shapes = np.concatenate([_BY_SHIFT * math.sqrt(smallest_effect) * score, _BY_SPREAD * spread], axis=-2)
    return np.concatenate([shapes, np.broadcast_to(single, (*pool.shape[:-1], *single.shape))], axis=-2)


@lru_cache(maxsize=64)
def log_prior(bins: int, *, ordered: bool) -> NDArray[np.float64]:
    """Logarithms of the alternatives' shares of the stake, shape ``(bets,)``; they sum to 1.

    Half on single bins, half on shapes where there are any.
    """
    single, shapes = len(_RATIOS) * bins, len(_BY_SHIFT) + len(_BY_SPREAD)
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
    there = pool[..., :-1]
    shares = there / np.maximum(there.sum(axis=-1, keepdims=True), 1.0)
    rank = np.clip(np.cumsum(shares, axis=-1) - shares / 2, 1e-6, 1 - 1e-6)
    score = rank**0.14 - (1 - rank) ** 0.14
    score -= (score * shares).sum(axis=-1, keepdims=True)
    variance = (score**2 * shares).sum(axis=-1, keepdims=True)
    score *= np.where(variance > _CONSTANT, 1 / np.sqrt(np.maximum(variance, _CONSTANT)), 0.0)
    return np.concatenate([score, np.zeros_like(pool[..., -1:])], axis=-1)
