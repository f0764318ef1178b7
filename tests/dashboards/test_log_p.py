"""The bound on the p-value of the fleet's drift holds its level, also where chi-squared would not.

tests/stack/test_fleet.py checks that Prometheus computes this very number.
"""

import numpy as np
import pytest
from scipy import stats

DRAWS = 20_000
SHARES = {
    "even": np.full(11, 1 / 11),
    "one common, many rare": np.array([0.97, *np.full(20, 0.0015)]),
    "two bins": np.array([0.999, 0.001]),
}


def log_bounds(reference, current):
    """Logarithm of the bound for each pair of rows of counts."""

    def entropy(n):
        return n * np.log(np.maximum(n, 1))

    both = reference + current
    of_bins = (entropy(reference) + entropy(current) - entropy(both)).sum(axis=1)
    sums = [entropy(counts.sum(axis=1)) for counts in (reference, current, both)]
    x, m = of_bins - sums[0] - sums[1] + sums[2], 2 * (reference.shape[1] - 1)
    return np.where(x > m, m - x + m * np.log(np.maximum(x, 1e-12) / m), 0)


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize(("before", "now"), [(500, 100), (5000, 100), (100_000, 1000), (300, 100_000)])
def test_without_drift_it_is_below_a_level_no_oftener_than_that(shares, before, now):
    rng = np.random.default_rng(11)
    truth = SHARES[shares]
    found = log_bounds(rng.multinomial(before, truth, DRAWS), rng.multinomial(now, truth, DRAWS))
    for level in (0.5, 0.1, 0.01):
        alarms = int((found < np.log(level)).sum())
        assert stats.binomtest(alarms, DRAWS, level, alternative="greater").pvalue > 1e-4, (level, alarms)


def test_chi_squared_would_not_have_held_its_level_there():
    rng = np.random.default_rng(12)
    truth = SHARES["one common, many rare"]
    before, now = rng.multinomial(100_000, truth, 2000), rng.multinomial(1000, truth, 2000)
    both = before + now
    expected = both * (1000 / 101_000)
    with np.errstate(invalid="ignore"):
        statistic = np.nansum((now - expected) ** 2 / expected * (101_000 / 100_000), axis=1)
    alarms = (stats.chi2.sf(statistic, truth.size - 1) < 1e-4).mean()
    assert alarms > 10 * 1e-4


def test_a_drift_that_matters_is_seen_in_a_few_thousand_rows():
    rng = np.random.default_rng(13)
    moved = SHARES["even"] * np.linspace(0.5, 1.5, 11)
    found = log_bounds(rng.multinomial(5000, SHARES["even"], 200), rng.multinomial(3000, moved, 200))
    assert (found < np.log(1e-9)).mean() > 0.95
