"""Distances between two samples counted over the same bins, each with its equation and source.

All take counts: reference first, current second, shape ``(bins,)``. Bins are frozen on the reference and
never refitted. In the equations p and q are the shares of rows of reference and current.

Every distance is finite, 0 for equal shares, and the same when both samples' bins are put in another order
(those that need an order say so). An empty bin is no special case for those of shares; where a ratio of
shares is taken, half a row is added to every bin. A ValueError says that shapes differ or that a sample is
empty: there is no distance from nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from modelspan.drift.homogeneity import chi_squared_tail
from modelspan.drift.samples import PSEUDO_COUNT, Bins, Samples, Shares

if TYPE_CHECKING:
    from modelspan.drift.feature import Counts

DISTANCES: Final = ("psi", "ks", "kl", "js", "hellinger", "wasserstein", "total_variation")
METHODS: Final = (*DISTANCES, "chi2", "g")
"""Names of the distances and, last, of the statistics, which grow with the rows; attributes of `Samples`."""


def psi(reference: Counts, current: Counts, *, pseudo_count: float = PSEUDO_COUNT) -> float:
    """Population stability index: ``sum((p - q) ln(p / q))``.

    Returns:
        PSI in nats, ``>= 0`` and symmetric. Without any drift it is about
        ``(bins - 1) (1 / rows of reference + 1 / rows of current)``: noisy below ten values per bin.
        A bin that is empty on one side only costs about ``q ln(2 rows q)``: finite, and growing with rows.

    Source: Wu and Olson (2010), JORS 61(2), 179-190; Yurdakul and Naranjo (2020) for its mean. The
    pseudo-count is ours.
    """
    return float(Samples(reference, current, pseudo_count=pseudo_count).psi[0])


def kl(reference: Counts, current: Counts, *, pseudo_count: float = PSEUDO_COUNT) -> float:
    """Kullback-Leibler divergence of the current sample from the reference: ``sum(q ln(q / p))``.

    Returns:
        Nats, ``>= 0``, not symmetric: what it costs to code current rows with the reference's shares.
        Without the pseudo-count it would be infinite for a bin that only the reference lacks.

    Source: Kullback and Leibler (1951), Ann. Math. Stat. 22(1), eq. 2.2. The pseudo-count is ours.
    """
    return float(Samples(reference, current, pseudo_count=pseudo_count).kl[0])


def jensen_shannon(reference: Counts, current: Counts, *, pseudo_count: float = PSEUDO_COUNT) -> float:
    """Jensen-Shannon distance: ``sqrt(sum(p log2(p / m) + q log2(q / m)) / 2)`` with ``m = (p + q) / 2``.

    Returns:
        A metric in [0, 1]. Without the pseudo-count it is 1 when no bin has rows of both, and an empty bin
        counts as ``0 log 0 = 0``.

    Source: Lin (1991), IEEE Trans. Inf. Theory 37(1), eq. 3.1-3.5; Endres and Schindelin (2003) for the root.
    The pseudo-count is ours.
    """
    return float(Samples(reference, current, pseudo_count=pseudo_count).js[0])


def hellinger(reference: Counts, current: Counts) -> float:
    """Hellinger distance: ``sqrt(sum((sqrt(p) - sqrt(q))^2) / 2)``.

    Returns:
        A metric in [0, 1]; 1 when no bin has rows of both. Empty bins need no care.

    Source: Hellinger (1909), J. reine angew. Math. 136, 210-271; Le Cam and Yang (2000), sec. 3.1.
    """
    return float(Samples(reference, current).hellinger[0])


def ks(reference: Counts, current: Counts) -> float:
    """Kolmogorov-Smirnov distance at the bins' edges: ``max |cumsum(p) - cumsum(q)|``.

    Bins must be in order. On counts it is a lower bound of the distance of the raw samples, since the largest
    difference may lie inside a bin. Empty bins need no care.

    Returns:
        A share in [0, 1].

    Source: Smirnov (1948), Ann. Math. Stat. 19(2), 279-281.
    """
    return float(Samples(reference, current, Bins([reference.size], [np.zeros(reference.size)])).ks[0])


def total_variation(reference: Counts, current: Counts) -> float:
    """Half the sum of the absolute differences: ``sum(|p - q|) / 2``; rows that changed bin at least.

    It is the Kolmogorov-Smirnov distance over the best order of the bins, and the Wasserstein distance
    where every two bins are one apart; it stands for both where bins have no order.

    Returns:
        A share in [0, 1].

    Source: Levin and Peres (2017), Markov Chains and Mixing Times, prop. 4.2 and 4.7.
    """
    return float(Samples(reference, current).total_variation[0])


def wasserstein(reference: Counts, current: Counts, positions: Shares) -> float:
    """First Wasserstein (earth mover's) distance, each bin's rows standing at the bin's position.

    ``sum(|cumsum(p - q)| (next position - position))``. Empty bins need no care.

    Args:
        reference: Values per bin, shape ``(bins,)``.
        current: Values per bin, shape ``(bins,)``.
        positions: Where the rows of each bin stand, not decreasing, in the unit of the feature:
            `bin_positions`.

    Returns:
        The mean way a row moved, in the unit of the feature; at most the largest float. It scales with the
        unit, and two rows that moved inside one bin did not move.

    Source: Vallender (1974), Theory Probab. Appl. 18(4), 784-786: the area between the distribution
    functions.
    """
    return float(Samples(reference, current, Bins([reference.size], [positions])).wasserstein[0])


def chi_squared(reference: Counts, current: Counts) -> tuple[float, float]:
    """Pearson's two-sample statistic ``sum((O - E)^2 / E)`` over both rows of the table, and its p-value.

    Bins without a row in either sample are left out, all others kept: with less than five expected rows in
    some the p-value is too small. The alarms use `two_sample_ps`, which pools them.

    Returns:
        The statistic, growing with the rows for the same difference, and the p-value, 1.0 for one bin.

    Source: Pearson (1911), Biometrika 8, 250-254; no continuity correction.
    """
    return _with_p(Samples(reference, current), "chi2")


def g_test(reference: Counts, current: Counts) -> tuple[float, float]:
    """Likelihood-ratio statistic ``2 sum(O ln(O / E))`` over both rows of the table, and its p-value.

    An empty cell counts as ``0 ln 0 = 0``; else as `chi_squared`.

    Source: Wilks (1935), Ann. Math. Stat. 6(4), 190-196; Sokal and Rohlf (1995), Biometry, sec. 17.2.
    """
    return _with_p(Samples(reference, current), "g")


def _with_p(samples: Samples, method: str) -> tuple[float, float]:
    statistic = float(getattr(samples, method)[0])
    return statistic, float(chi_squared_tail(np.array([statistic]), samples.freedom)[0])


def bin_positions(edges: Shares) -> Shares:
    """One value per bin, shape ``(bins,)``: the middle of its edges; for the two open bins, their only edge.

    With a single edge both bins stand on it, so that Wasserstein is 0; references avoid that where bins
    allow.
    """
    middles = edges[:-1] / 2 + edges[1:] / 2
    return np.concatenate((edges[:1], middles, edges[-1:]))
