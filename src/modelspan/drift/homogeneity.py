"""A calibrated p-value from counts: do two samples come from one distribution?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelspan.drift.feature import Counts

LEAST_EXPECTED = 5.0
"""Rows that the smaller sample expects in a bin; rarer bins are pooled (Cochran 1954, Biometrics 10, 417)."""


def two_sample_p(reference_counts: Counts, current_counts: Counts, *, ordered: bool = False) -> float:
    """p-value of a test that both samples have the same shares: asymptotic, and exact for rare bins.

    The reference counts as a sample, not as the exact truth: taking it as exact flags a quarter to a half of
    undrifted windows. For Cressie and Read's statistic, bins are pooled until each is large enough. Of the
    power divergences it is the one whose tail is chi-squared's down to expected counts of five; Pearson's
    gives 1.2 times too many p-values below 0.0025 and 1.6 times below 0.0005, where twenty features are
    judged. The bins that were too rare for it also get Fisher's exact test, all of them against the rest: a
    value that appears from nothing is what monitoring is for, and pooling hides it. The smaller p of the two
    counts double.

    Which bins are rare is told by their counts in *both samples together*. Given those sums every split over
    the samples is equally likely when nothing drifted, so that pooling can't favour a verdict; by one
    sample's counts it would (39 % false alarms at a nominal 5 %). It also asks that edges and levels were
    chosen on other rows than those counted, as `Reference.build` does.

    Args:
        reference_counts: Reference rows per bin, shape ``(bins,)``.
        current_counts: Current rows per bin, shape ``(bins,)``.
        ordered: Whether the bins are those of a numeric column with ``(missing)`` last: they are then pooled
            with their neighbours, otherwise the rarest with the next rarest.

    Returns:
        A probability; 1.0 when a sample is empty or all rows are in one bin. Below ten rows nothing can be
        told, and it is 1.0 or, for one rare value, exact.

    Raises:
        ValueError: If the shapes differ.

    Source: Cressie and Read (1984), JRSS B 46(3), 440-464, power 2/3; Fisher (1935), J. R. Stat. Soc. 98,
    39-82. The pooling rule is ours; tests/test_drift_homogeneity.py measures the level of the whole.
    """
    if reference_counts.shape != current_counts.shape:
        shapes = f"{reference_counts.shape} and {current_counts.shape}"
        raise ValueError(f"counts must be over the same bins, got shapes {shapes}")
    table = np.array((reference_counts, current_counts), dtype=np.float64)
    rows = table.sum(axis=1)
    if not rows.all():
        return 1.0
    totals, least = table.sum(axis=0), float(LEAST_EXPECTED * rows.sum() / rows.min())
    pooled = pool(table, least, ordered=ordered)
    rare = totals < least
    if not totals[rare].any() or rare.all():
        return _cressie_read(pooled)
    exact = _fisher(table[:, rare].sum(axis=1), rows)
    return exact if pooled.shape[1] == 1 else min(2 * min(exact, _cressie_read(pooled)), 1.0)


def pool(table: NDArray[np.float64], least: float, *, ordered: bool) -> NDArray[np.float64]:
    """The table, shape ``(2, bins)``, with columns put together until each sums to `least` or one is left."""
    totals = table.sum(axis=0)
    # `(missing)` goes first among numbers: large enough it stands alone, else it joins the least values.
    order = np.roll(np.arange(totals.size), 1) if ordered else np.argsort(totals, kind="stable")
    starts, held = [0], 0.0
    for position, total in enumerate(totals[order].tolist(), start=1):
        held += total
        if held >= least:
            starts.append(position)
            held = 0.0
    # What is left at the end is too small for a column of its own.
    return np.add.reduceat(table[:, order], starts[:-1] or [0], axis=1)


def _cressie_read(table: NDArray[np.float64]) -> float:
    """p-value of the power divergence 2/3 of a table with two rows; 1.0 for one column."""
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = 1.8 * max(0.0, float((table * ((table / expected) ** (2 / 3) - 1)).sum()))
    return chi_squared_tail(statistic, table.shape[1] - 1)


def _fisher(few: NDArray[np.float64], rows: NDArray[np.float64]) -> float:
    """Twice the smaller tail of the hypergeometric count of few events in the current sample, at most 1.

    Args:
        few: Events in reference and current, shape ``(2,)``.
        rows: Rows of reference and current, shape ``(2,)``.
    """
    reference, current = (int(count) for count in few)
    before, after = (int(count) for count in rows)
    if current * before < reference * after:
        reference, current, before, after = current, reference, after, before
    events = reference + current
    chance = math.exp(
        _log_choose(after, current) + _log_choose(before, reference) - _log_choose(before + after, events)
    )
    # Each further event in the current sample multiplies the chance by a ratio.
    more = np.arange(current, min(events, after), dtype=np.float64)
    ratios = (after - more) * (events - more) / ((more + 1) * (before - events + more + 1))
    return min(2 * chance * (1 + float(np.cumprod(ratios).sum())), 1.0)


def _log_choose(total: int, chosen: int) -> float:
    """Logarithm of the binomial coefficient."""
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)


def chi_squared_tail(statistic: float, freedom: int) -> float:
    """Probability that a chi-squared variable with whole degrees of freedom exceeds the statistic.

    The finite sums for whole degrees: importing scipy.special for them would cost every process 0.1 s at
    start. No degrees of freedom give 1.0.

    Source: Abramowitz and Stegun (1964), 26.4.4 (odd) and 26.4.5 (even).
    """
    half, first = statistic / 2, freedom % 2 / 2
    if not freedom or not half:
        return 1.0
    # By logarithms: exp(-half) alone is no float any more where the whole still is.
    powers = (first + step for step in range(freedom // 2))
    terms = (math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers)
    return min(sum(terms, start=math.erfc(math.sqrt(half)) if first else 0.0), 1.0)
