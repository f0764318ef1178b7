"""A calibrated p-value from counts: do two samples come from one distribution?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelspan.drift.feature import Counts

LEAST_EXPECTED = 5.0
"""Rows that the smaller sample expects in a bin; rarer bins are pooled (Cochran 1954, Biometrics 10, 417)."""


def two_sample_p(reference_counts: Counts, current_counts: Counts, *, ordered: bool = False) -> float:
    """p-value of a test that two samples have the same shares: `two_sample_ps` of one column.

    Args:
        reference_counts: Reference rows per bin, shape ``(bins,)``.
        current_counts: Current rows per bin, shape ``(bins,)``.
        ordered: Whether the bins are those of a numeric column with ``(missing)`` last.

    Returns:
        A probability; 1.0 when a sample is empty or all rows are in one bin.

    Raises:
        ValueError: If the shapes differ.
    """
    if reference_counts.shape != current_counts.shape:
        shapes = f"{reference_counts.shape} and {current_counts.shape}"
        raise ValueError(f"counts must be over the same bins, got shapes {shapes}")
    return float(two_sample_ps(reference_counts[None], current_counts[None], np.array([ordered]))[0])


def two_sample_ps(before: Counts, after: Counts, ordered: NDArray[np.bool]) -> NDArray[np.float64]:
    """p-values of tests that both samples have the same shares: asymptotic, and exact for rare bins.

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
        before: Reference rows per bin, shape ``(columns, bins)``. A column of fewer bins is filled up with
            bins without rows, before its last one.
        after: Current rows per bin, shape ``(columns, bins)``.
        ordered: Whether the bins are those of a numeric column with ``(missing)`` last, shape ``(columns,)``:
            they are then pooled with their neighbours, otherwise the rarest with the next rarest.

    Returns:
        Probabilities, shape ``(columns,)``; 1.0 when a sample is empty or all rows are in one bin. Below ten
        rows nothing can be told, and it is 1.0 or, for one rare value, exact.

    Source: Cressie and Read (1984), JRSS B 46(3), 440-464, power 2/3; Fisher (1935), J. R. Stat. Soc. 98,
    39-82. The pooling rule is ours; benchmarks/calibration.py measures the level of the whole.
    """
    table = np.array((before, after), dtype=np.float64)
    rows, totals = table.sum(axis=-1), table.sum(axis=0)
    least = LEAST_EXPECTED * rows.sum(axis=0) / np.maximum(rows.min(axis=0), 1.0)
    pooled, freedom = pool(table, least, ordered)
    p = _cressie_read(pooled, freedom)
    rare = totals < least[:, None]
    few = (table * rare).sum(axis=-1)
    for at in np.flatnonzero(few.any(axis=0) & ~rare.all(axis=-1) & rows.all(axis=0)).tolist():
        exact = _fisher(few[:, at], rows[:, at])
        p[at] = min(2 * min(exact, p[at]), 1.0) if freedom[at] else exact
    return np.where(rows.all(axis=0), p, 1.0)


def pool(
    table: NDArray[np.float64], least: NDArray[np.float64], ordered: NDArray[np.bool]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Bins put together until each sums to `least` or one is left, and how many there are beyond the first.

    Args:
        table: Both samples' rows, shape ``(2, columns, bins)``; so is what comes back, empty bins last.
        least: What a bin needs, shape ``(columns,)``.
        ordered: As in `two_sample_ps`.
    """
    columns, bins = table.shape[1:]
    totals = table.sum(axis=0)
    # `(missing)` goes first among numbers: large enough it stands alone, else it joins the least values.
    around = np.roll(np.arange(bins), 1)
    order = np.where(ordered[:, None], around, np.argsort(totals, axis=-1, kind="stable"))
    sums = np.take_along_axis(totals, order, axis=-1)
    groups, held, full = np.empty((columns, bins), np.intp), np.zeros(columns), np.zeros(columns, np.intp)
    for position in range(bins):
        held += sums[:, position]
        groups[:, position] = full
        enough = held >= least
        full += enough
        held[enough] = 0.0
    # What is left at the end is too small for a bin of its own.
    freedom = np.maximum(full - 1, 0)
    places = np.minimum(groups, freedom[:, None]) + bins * np.arange(columns)[:, None]
    flat, each = places.ravel(), np.take_along_axis(table, order[None], axis=-1).reshape(2, -1)
    pooled = [np.bincount(flat, sample, columns * bins).reshape(columns, bins) for sample in each]
    return np.array(pooled), freedom


def _cressie_read(table: NDArray[np.float64], freedom: NDArray[np.intp]) -> NDArray[np.float64]:
    """p-values of the power divergence 2/3, shape ``(columns,)``; 1.0 where one bin has all rows."""
    shares = table.sum(axis=-1) / np.maximum(table.sum(axis=(0, 2)), 1.0)
    expected = shares[:, :, None] * table.sum(axis=0)
    ratio = np.divide(table, expected, out=np.ones_like(table), where=expected > 0)
    statistic = 1.8 * (table * (np.cbrt(ratio) ** 2 - 1)).sum(axis=(0, 2))
    return chi_squared_tail(np.maximum(statistic, 0.0), freedom)


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


def chi_squared_tail(
    statistic: NDArray[np.float64], freedom: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Probability that chi-squared variables with whole degrees of freedom exceed the statistics.

    The finite sums for whole degrees: importing scipy.special for them would cost every process 0.1 s at
    start. No degrees of freedom give 1.0. Both arguments and the answer have shape ``(n,)``.

    Source: Abramowitz and Stegun (1964), 26.4.4 (odd) and 26.4.5 (even).
    """
    half, odd, terms = statistic / 2, freedom % 2 == 1, freedom // 2
    there = (freedom > 0) & (half > 0)
    logs = np.log(np.where(there, half, 1.0))
    tail = np.zeros(half.shape)
    tail[odd] = [math.erfc(root) for root in np.sqrt(half[odd]).tolist()]
    for step in range(int(terms.max(initial=0))):
        # By logarithms: exp(-half) alone is no float any more where the whole still is.
        gamma = np.where(odd, math.lgamma(step + 1.5), math.lgamma(step + 1))
        term = np.exp((step + odd / 2) * logs - half - gamma)
        tail += np.where(step < terms, term, 0.0)
    return np.where(there, np.minimum(tail, 1.0), 1.0)
