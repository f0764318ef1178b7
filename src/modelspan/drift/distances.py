"""Distances between two samples counted over the same bins.

All take counts: reference first, current second, shape ``(bins,)``. Bins are frozen on the reference and
never refitted. Every distance is finite; a ValueError says that shapes differ or a sample is empty.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from modelspan.drift.feature import Counts

Shares: TypeAlias = NDArray[np.float64]

PSEUDO_COUNT = 0.5
"""Added to every bin where a logarithm is taken, so that an empty bin costs a finite amount."""


def psi(reference: Counts, current: Counts, *, pseudo_count: float = PSEUDO_COUNT) -> float:
    """Population stability index: ``sum((p - q) ln(p / q))``.

    Returns:
        PSI in nats, ``>= 0`` and symmetric. Without any drift it is about
        ``(bins - 1) (1 / rows of reference + 1 / rows of current)``: noisy below ten values per bin.

    Source: Wu and Olson (2010), JORS 61(2), 179-190; Yurdakul and Naranjo (2020) for its mean. The
    pseudo-count is ours.
    """
    p, q = _smoothed(reference, current, pseudo_count)
    return max(float(np.sum((p - q) * np.log(p / q))), 0.0)


def kl(reference: Counts, current: Counts, *, pseudo_count: float = PSEUDO_COUNT) -> float:
    """Kullback-Leibler divergence of the current sample from the reference: ``sum(q ln(q / p))``, q current.

    Returns:
        Nats, ``>= 0``, not symmetric: what it costs to code current rows with the reference's shares.

    Source: Kullback and Leibler (1951), Ann. Math. Stat. 22(1), eq. 2.2. The pseudo-count is ours.
    """
    p, q = _smoothed(reference, current, pseudo_count)
    return max(float(np.sum(q * np.log(q / p))), 0.0)


def jensen_shannon(reference: Counts, current: Counts, *, pseudo_count: float = PSEUDO_COUNT) -> float:
    """Jensen-Shannon distance: the square root of the divergence in bits.

    Returns:
        A metric in [0, 1].

    Source: Lin (1991), IEEE Trans. Inf. Theory 37(1), eq. 3.1-3.5; Endres and Schindelin (2003) for the root.
    """
    p, q = _smoothed(reference, current, pseudo_count)
    middle = (p + q) / 2
    bits = float(np.sum(p * np.log2(p / middle)) + np.sum(q * np.log2(q / middle))) / 2
    return math.sqrt(min(max(bits, 0.0), 1.0))


def ks(reference: Counts, current: Counts) -> float:
    """Kolmogorov-Smirnov distance at the bins' edges: the largest difference of the cumulative shares.

    Bins must be in order. On counts it is a lower bound of the distance of the raw samples, since the largest
    difference may lie inside a bin.

    Returns:
        A share in [0, 1].

    Source: Smirnov (1948), Ann. Math. Stat. 19(2), 279-281.
    """
    p, q = _shares(reference, current)
    return min(float(np.abs(np.cumsum(p - q)).max()), 1.0)


def total_variation(reference: Counts, current: Counts) -> float:
    """Half the sum of the absolute differences of the shares: the share of rows that changed bin at least.

    It is the Kolmogorov-Smirnov distance over the best order of the bins, and the Wasserstein distance
    where every two bins are one apart; it stands for both where bins have no order.

    Returns:
        A share in [0, 1].

    Source: Levin and Peres (2017), Markov Chains and Mixing Times, prop. 4.2 and 4.7.
    """
    p, q = _shares(reference, current)
    return min(float(np.abs(p - q).sum()) / 2, 1.0)


def wasserstein(reference: Counts, current: Counts, positions: Shares) -> float:
    """First Wasserstein (earth mover's) distance, each bin's rows standing at the bin's position.

    Args:
        reference: Values per bin, shape ``(bins,)``.
        current: Values per bin, shape ``(bins,)``.
        positions: Where the rows of each bin stand, not decreasing, in the unit of the feature:
            `bin_positions`.

    Returns:
        The mean way a row moved, in the unit of the feature; at most the largest float.

    Source: Vallender (1974), Theory Probab. Appl. 18(4), 784-786: the area between the distribution
    functions.
    """
    p, q = _shares(reference, current)
    scale = float(np.abs(positions).max())
    if scale == 0.0:
        return 0.0
    # Scaled first: the distance between two huge edges may not be a float.
    area = float(np.sum(np.abs(np.cumsum(p - q))[:-1] * np.diff(positions / scale)))
    return min(area * scale, sys.float_info.max)


def bin_positions(edges: Shares) -> Shares:
    """One value per bin, shape ``(bins,)``: the middle of its edges; for the two open bins, their only edge.

    With a single edge both bins stand on it, so that Wasserstein is 0; references avoid that where bins
    allow.
    """
    middles = edges[:-1] / 2 + edges[1:] / 2
    return np.concatenate((edges[:1], middles, edges[-1:]))


def _shares(reference: Counts, current: Counts) -> tuple[Shares, Shares]:
    """Both samples as shares."""
    _check(reference, current)
    return reference / reference.sum(), current / current.sum()


def _smoothed(reference: Counts, current: Counts, pseudo_count: float) -> tuple[Shares, Shares]:
    """Both samples as shares, none of them 0."""
    _check(reference, current)
    p, q = reference + pseudo_count, current + pseudo_count
    return p / p.sum(), q / q.sum()


def _check(reference: Counts, current: Counts) -> None:
    if reference.shape != current.shape:
        raise ValueError(
            f"counts must be over the same bins, got shapes {reference.shape} and {current.shape}"
        )
    if not reference.any() or not current.any():
        raise ValueError("a distance needs two samples with at least one row each")
