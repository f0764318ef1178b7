"""The e-value: its mean by enumeration, its bets by their definitions, its maximum over streams measured."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from modelspan.drift import bets
from modelspan.drift.evidence import Evidence, start_weight
from modelspan.drift.feature import categorical_feature, numeric_feature


def evidence(counts, *, numeric=True, smallest_effect=0.05, window_rows=1000):
    counts = np.array(counts)
    if numeric:
        feature = numeric_feature("x", np.arange(counts.size - 2.0), counts)
    else:
        feature = categorical_feature("x", [f"l{i}" for i in range(counts.size - 2)], counts)
    return Evidence(feature, smallest_effect=smallest_effect, window_rows=window_rows)


def splits(pool, rows):
    """Every way in which `rows` of the pooled rows can be the new ones."""
    return [w for w in itertools.product(*(range(count + 1) for count in pool)) if sum(w) == rows]


@pytest.mark.parametrize("numeric", [True, False])
@pytest.mark.parametrize(
    ("pool", "rows"), [((3, 2, 4, 1), 4), ((7, 0, 1, 2), 5), ((1, 1, 1, 1), 1), ((5, 5, 2, 0), 10)]
)
def test_the_mean_payoff_of_every_bet_is_at_most_one_whatever_the_pool(pool, rows, numeric):
    mean, chance = 0.0, 0.0
    for new in splits(pool, rows):
        held = evidence(np.subtract(pool, new), numeric=numeric)
        held.look(np.array(new))
        of_split = math.exp(stats.multivariate_hypergeom(pool, rows).logpmf(new))
        mean = mean + of_split * np.exp(held._stakes) / start_weight(0)
        chance += of_split
    assert chance == pytest.approx(1)
    assert (mean <= 1 + 1e-9).all()
    assert mean.max() > 0.3, "bets that never pay would pass as well"


def test_the_weights_of_all_starts_sum_to_one():
    looks = 200_000
    partial = sum(start_weight(look) for look in range(looks))
    rest = 1 / (math.log(looks + 1.5) * 2.1098)  # the integral of 1 / (t ln(t)^2), by the midpoint rule
    assert partial < 1
    assert partial + rest == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("ordered", [True, False])
def test_the_stakes_on_all_alternatives_sum_to_one(ordered):
    tilts = bets.tilts(np.full(12, 100.0), 0.05, ordered=ordered)
    prior = bets.log_prior(12, ordered=ordered)
    assert prior.shape == (len(tilts),)
    assert np.exp(prior).sum() == pytest.approx(1)


def test_the_scores_are_about_the_normal_quantiles_of_mid_ranks():
    score = bets.normal_scores(np.array([100.0] * 10 + [40.0]))
    exact = stats.norm.ppf((np.arange(10) + 0.5) / 10)
    assert score[:-1] == pytest.approx(exact / math.sqrt(np.mean(exact**2)), abs=0.03)
    assert score[-1] == 0


def test_a_shift_is_bet_on_with_the_log_likelihood_ratio_of_a_shifted_normal():
    pool = np.array([100.0] * 20 + [0.0])
    tilt = bets.tilts(pool, 0.25, ordered=True)[0]
    middle = stats.norm.ppf((np.arange(20) + 0.5) / 20)
    ratio = stats.norm.logpdf(middle, 0.5) - stats.norm.logpdf(middle)
    assert np.diff(tilt[:-1]) == pytest.approx(np.diff(ratio), abs=0.06)


def test_a_constant_or_an_empty_reference_is_no_trouble():
    for counts in ([0, 500, 0, 0], [0, 0, 0, 500], [0, 0, 0, 0]):
        held = evidence(counts)
        held.look(np.array([0, 100, 0, 0]))
        held.look(np.array([0, 100, 0, 0]))
        assert math.isfinite(held.log_e)


def test_overwhelming_evidence_stays_finite():
    held = evidence([5000, 0, 0, 0])
    for _ in range(20):
        held.look(np.array([0, 0, 5000, 0]))
    assert held.log_e == 700


def test_no_rows_are_no_look():
    held, other = evidence([50] * 4), evidence([50] * 4)
    held.look(np.zeros(4, dtype=np.int64))
    for each in (held, other):
        each.look(np.array([90, 5, 5, 0]))
    assert held.log_e == other.log_e > 0


def test_the_rows_since_the_begin_leave_out_the_calm_before_it():
    rng = np.random.default_rng(4)
    held = evidence([*rng.multinomial(5000, [0.1] * 10), 0])
    for _ in range(30):
        held.look(np.append(rng.multinomial(100, [0.1] * 10), 0))
    drifted = [np.append(rng.multinomial(100, [0.28] + [0.08] * 9), 0) for _ in range(4)]
    for counts in drifted:
        held.look(counts)
    assert held.since_start().counts.tolist() == np.sum(drifted, axis=0).tolist()


def test_the_rows_since_the_begin_are_at_most_a_window():
    held = evidence([500] * 4, window_rows=300)
    for _ in range(50):
        held.look(np.array([70, 10, 10, 10]))
    assert held.since_start().counts.sum() == 300


@pytest.mark.parametrize("reference_rows", [100, 2500])
def test_the_e_value_of_a_stationary_stream_rarely_ever_gets_large(reference_rows):
    # Ville: at most one stream in five may ever reach 5. Every stream has a reference of its own.
    rng = np.random.default_rng(reference_rows)
    streams, looks = 60, 250
    reached = 0
    for _ in range(streams):
        held = evidence([*rng.multinomial(reference_rows, [0.1] * 10), 0])
        most = 0.0
        for counts in rng.multinomial(100, [0.1] * 10, looks):
            held.look(np.append(counts, 0))
            most = max(most, held.log_e)
        reached += most >= math.log(5)
    assert reached <= stats.binom.ppf(0.9999, streams, 0.2)


def test_a_pool_that_leaves_the_reference_as_exact_would_break_it():
    # The mistake that pooling avoids: against the reference alone its own error repeats at every look.
    rng = np.random.default_rng(8)
    reached = 0
    for _ in range(20):
        held = evidence([*rng.multinomial(250, [0.1] * 10), 0])
        most = 0.0
        for counts in rng.multinomial(100, [0.1] * 10, 250):
            held.look(np.append(counts, 0))
            held._pool = held._reference.counts_by_cell.astype(float)
            most = max(most, held.log_e)
        reached += most >= math.log(5)
    assert reached >= 8
