"""The e-value: its mean by enumeration, its bets by their definitions, its maximum over streams measured."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from modelspan.drift import bets
from modelspan.drift.bank import Bank
from modelspan.drift.evidence import Evidence, start_weight
from modelspan.drift.feature import categorical_feature, numeric_feature

FIRST = np.array([0])


def feature(counts, *, numeric=True, name="x"):
    counts = np.array(counts)
    if numeric:
        return numeric_feature(name, np.arange(counts.size - 2.0), counts)
    return categorical_feature(name, [f"l{i}" for i in range(counts.size - 2)], counts)


def evidence(counts, *, numeric=True):
    """The evidence of features with the same bins, shape ``(features, bins)``."""
    return Evidence(np.atleast_2d(counts)[:, None], ordered=numeric, smallest_effect=0.05)


def one(held, counts):
    """A look at the only feature, and the logarithm of its e-value."""
    held.look(FIRST, np.array(counts)[None])
    return float(held.log_e[0])


def splits(pool, rows):
    """Every way in which `rows` of the pooled rows can be the new ones."""
    return [w for w in itertools.product(*(range(count + 1) for count in pool)) if sum(w) == rows]


@pytest.mark.parametrize("numeric", [True, False])
@pytest.mark.parametrize(
    ("pool", "rows"), [((3, 2, 4, 1), 4), ((7, 0, 1, 2), 5), ((1, 1, 1, 1), 1), ((5, 5, 2, 0), 10)]
)
def test_the_mean_payoff_of_every_bet_is_at_most_one_whatever_the_pool(pool, rows, numeric):
    new = np.array(splits(pool, rows))
    pay = np.exp(bets.log_payoffs(np.tile(pool, (len(new), 1)).astype(float), new, 0.05, ordered=numeric))
    chance = stats.multivariate_hypergeom(pool, rows).pmf(new)
    assert chance.sum() == pytest.approx(1)
    assert (chance @ pay <= 1 + 1e-9).all()
    assert (chance @ pay).max() > 0.3, "bets that never pay would pass as well"


@pytest.mark.parametrize("numeric", [True, False])
def test_the_mean_e_value_after_two_looks_is_at_most_one_whatever_the_pool(numeric):
    """By enumeration: which rows of the pool came in which look is a matter of chance."""
    pool, mean, chance = np.array((5, 3, 3, 1)), 0.0, 0.0
    for last in splits(pool, 2):
        before = pool - last
        of_last = stats.multivariate_hypergeom(pool, 2).pmf(last)
        for first in splits(before, 3):
            held = evidence(before - first, numeric=numeric)
            one(held, first)
            one(held, last)
            of_both = of_last * stats.multivariate_hypergeom(before, 3).pmf(first)
            mean += of_both * float((held._stakes @ held._prior[0])[0])
            chance += of_both
    assert chance == pytest.approx(1)
    assert mean <= float(start_weight(np.array(0), np.array(5))) + 1e-12, "of the stake that was put"


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("pool", [(3, 2, 4, 1), (40, 1, 9), (500, 300, 80, 200)])
def test_a_look_pays_at_most_one_on_average_given_all_rows_before_it(pool, rows):
    """With new rows by the shares so far, as in Polya's urn; shapes exceed it by 1 / rows of the pool."""
    new = np.array(splits((rows,) * len(pool), rows))
    chance = stats.dirichlet_multinomial(np.array(pool, dtype=float), rows).pmf(new)
    assert chance.sum() == pytest.approx(1)
    for ordered, most in ((False, 1 + 1e-12), (True, (1 + 1 / sum(pool)) ** rows)):
        pay = np.exp(bets.log_payoffs(np.array(pool) + new.astype(float), new, 0.05, ordered=ordered))
        assert (chance @ pay <= most).all()


def test_the_weights_of_all_starts_sum_to_one_in_however_many_looks_the_rows_come():
    rows = np.array([10] * 300 + [1_000] * 40)
    before = np.cumsum(rows) - rows
    apart = start_weight(before, rows)
    assert apart.sum() == pytest.approx(float(start_weight(np.array(0), rows.sum())))
    assert (np.diff(apart[:300]) < 0).all()
    # The integral of ln(20) / (t ln(t)^2) from 20 on, by scipy.
    found = integrate.quad(lambda t: math.log(20) / (t * math.log(t) ** 2), 20, 20 + rows.sum() / 50)[0]
    assert apart.sum() == pytest.approx(found)
    assert float(start_weight(np.array(0), np.array(2**60))) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("ordered", [True, False])
def test_the_stakes_on_all_alternatives_sum_to_one_and_none_is_on_bins_that_are_not_there(ordered):
    there = np.array([[True] * 12, [True] * 3 + [False] * 8 + [True]])
    stakes = bets.prior(there, ordered=ordered)
    pay = bets.log_payoffs(np.full((2, 12), 100.0), np.ones((2, 12), dtype=int), 0.05, ordered=ordered)
    assert stakes.shape == pay.shape
    assert stakes.sum(axis=1) == pytest.approx([1, 1])
    assert np.count_nonzero(stakes, axis=1).tolist() == [pay.shape[1], pay.shape[1] - 3 * 8]


def test_features_beside_each_other_have_the_e_values_that_each_has_alone():
    rng = np.random.default_rng(6)
    references = rng.multinomial(500, [0.1] * 10, 3)
    together, alone = evidence(references), [evidence(each) for each in references]
    for _ in range(30):
        new = rng.multinomial(20, [0.19] + [0.09] * 9, 3)
        together.look(np.array([0, 2]), new[[0, 2]])
        for at in (0, 2):
            one(alone[at], new[at])
    assert together.log_e == pytest.approx([float(each.log_e[0]) for each in alone])
    assert together.looks.tolist() == [30, 0, 30]


def test_the_scores_are_about_the_normal_quantiles_of_mid_ranks():
    score = bets.normal_scores(np.array([100.0] * 10 + [40.0]))
    exact = stats.norm.ppf((np.arange(10) + 0.5) / 10)
    assert score[:-1] == pytest.approx(exact / math.sqrt(np.mean(exact**2)), abs=0.03)
    assert score[-1] == 0


def test_a_shift_is_bet_on_with_the_log_likelihood_ratio_of_a_shifted_normal():
    pool = np.array([100.0] * 20 + [0.0])
    tilt = bets.shapes(pool, 0.25)[0]
    middle = stats.norm.ppf((np.arange(20) + 0.5) / 20)
    ratio = stats.norm.logpdf(middle, 0.5) - stats.norm.logpdf(middle)
    assert np.diff(tilt[:-1]) == pytest.approx(np.diff(ratio), abs=0.06)


def test_a_doubled_variance_is_bet_on_with_its_log_likelihood_ratio():
    pool = np.array([100.0] * 20 + [0.0])
    tilt = bets.shapes(pool, 0.25)[-2]
    middle = stats.norm.ppf((np.arange(20) + 0.5) / 20)
    ratio = stats.norm.logpdf(middle, scale=math.sqrt(2)) - stats.norm.logpdf(middle)
    assert np.diff(tilt[:-1]) == pytest.approx(np.diff(ratio), abs=0.12)


def test_a_bet_on_a_bin_multiplies_its_odds():
    pool, new = np.array([60.0, 30.0, 10.0]), np.array([3, 1, 1])
    pay = bets.log_payoffs(pool, new, 0.05, ordered=False)
    twice = np.array([0.6 * 2, 0.3, 0.1]) / (0.6 * 2 + 0.3 + 0.1)
    assert pay[3] == pytest.approx(np.log(twice / [0.6, 0.3, 0.1]) @ new)


def test_a_constant_or_an_empty_reference_is_no_trouble():
    held = evidence([[0, 500, 0, 0], [0, 0, 0, 500], [0, 0, 0, 0]])
    for _ in range(2):
        held.look(np.arange(3), np.array([[0, 100, 0, 0]] * 3))
    assert np.isfinite(held.log_e).all()


@pytest.mark.parametrize(
    ("reference", "tail"), [((9_997, 0, 3, 0), 2), ((10, 0, 0, 99_990, 0), 0), ((999_990, 5, 0, 5, 0), 1)]
)
def test_a_tail_of_few_rows_is_watched_as_any_other_bin(reference, tail):
    # Its normal score is in the hundreds, and exp of the square of that no float.
    usual = 1 * (np.array(reference) > 5_000)
    held, grown = evidence(reference), np.eye(len(reference), dtype=int)[tail]
    assert one(held, 10 * usual) < 1
    for _ in range(20):
        last = one(held, 5 * usual + 5 * grown)
    assert last > 20


def test_overwhelming_evidence_stays_finite():
    held = evidence([5000, 0, 0, 0])
    for _ in range(20):
        last = one(held, [0, 0, 5000, 0])
    assert 690 < last <= 700


def bank(rows, *, window_rows=1000, **options):
    return Bank({"x": feature(rows, **options)}, smallest_effect=0.05, window_rows=window_rows)


def look(held, counts):
    held.add({"x": np.array(counts)})
    return held.look(1, 0)


def test_no_rows_are_no_look():
    held, other = bank([50] * 4), bank([50] * 4)
    assert look(held, [0] * 4) == []
    for each in (held, other):
        assert look(each, [90, 5, 5, 0]) == ["x"]
    assert held.log_e[0] == other.log_e[0] > 0


def test_rows_wait_until_they_make_a_look_and_paused_features_are_left_out():
    columns = {name: feature([50] * 4, name=name) for name in "ab"}
    held = Bank(columns, smallest_effect=0.05, window_rows=100)
    held.add({"a": np.array([6, 0, 0, 0])})
    assert held.look(10, 0) == []
    held.pause("b")
    held.add({"a": np.array([0, 4, 0, 0]), "b": np.array([50, 0, 0, 0])})
    assert held.look(10, 0) == ["a"]
    held.restart("b")
    held.add({"b": np.array([50, 0, 0, 0])})
    assert held.look(10, 0) == ["b"]


def test_features_with_other_numbers_of_bins_have_the_e_values_that_each_has_alone():
    rng = np.random.default_rng(3)
    for numeric in (True, False):
        sizes = {"a": 4, "b": 12, "c": 7}
        held = {
            n: feature(rng.multinomial(300, [1 / k] * k), name=n, numeric=numeric) for n, k in sizes.items()
        }
        together = Bank(held, smallest_effect=0.05, window_rows=100)
        alone = {
            name: Bank({name: each}, smallest_effect=0.05, window_rows=100) for name, each in held.items()
        }
        for _ in range(20):
            new = {
                name: rng.multinomial(30, [0.7] + [0.3 / (size - 1)] * (size - 1))
                for name, size in sizes.items()
            }
            together.add(new)
            together.look(10, 0)
            for name, each in alone.items():
                each.add({name: new[name]})
                each.look(10, 0)
        assert together.log_e == pytest.approx([float(each.log_e[0]) for each in alone.values()])
        assert together.log_e.max() > 1
        assert together.since_start("c").counts.tolist() == alone["c"].since_start("c").counts.tolist()


def test_the_rows_since_the_begin_leave_out_the_calm_before_it():
    rng = np.random.default_rng(4)
    held = bank([*rng.multinomial(5000, [0.1] * 10), 0])
    for _ in range(30):
        look(held, np.append(rng.multinomial(100, [0.1] * 10), 0))
    drifted = [np.append(rng.multinomial(100, [0.28] + [0.08] * 9), 0) for _ in range(4)]
    for counts in drifted:
        look(held, counts)
    assert held.since_start("x").counts.tolist() == np.sum(drifted, axis=0).tolist()


def test_the_rows_since_the_begin_of_small_looks_have_few_calm_ones():
    rng = np.random.default_rng(4)
    held = bank([*rng.multinomial(5000, [0.1] * 10), 0])
    for _ in range(301):
        look(held, np.append(rng.multinomial(10, [0.1] * 10), 0))
    for _ in range(30):
        look(held, [9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0])
    assert 300 <= held.since_start("x").rows < 330


def test_the_rows_since_the_begin_are_at_most_a_window():
    held = bank([500] * 4, window_rows=300)
    for _ in range(50):
        look(held, [70, 10, 10, 10])
    assert held.since_start("x").rows == 300


def test_what_was_before_a_restart_is_forgotten():
    held = bank([500] * 4)
    for _ in range(9):
        look(held, [10, 0, 0, 0])
    held.restart("x")
    assert held.log_e[0] == 0
    look(held, [0, 30, 0, 0])
    assert held.since_start("x").counts.tolist() == [0, 30, 0, 0]


@pytest.mark.parametrize("rows", [1, 10, 100])
@pytest.mark.parametrize("reference_rows", [100, 2500])
def test_the_e_value_of_a_stationary_stream_rarely_ever_gets_large(reference_rows, rows):
    # Ville: at most one stream in five may ever reach 5. Every stream has a reference of its own.
    rng = np.random.default_rng([reference_rows, rows])
    streams, shares = 400, [0.1] * 10 + [0.0]
    held, most = evidence(rng.multinomial(reference_rows, shares, streams)), np.zeros(streams)
    for _ in range(500):
        held.look(np.arange(streams), rng.multinomial(rows, shares, streams))
        np.maximum(most, held.log_e, out=most)
    reached = int((most >= math.log(5)).sum())
    assert 0 < reached <= stats.binom.ppf(0.9999, streams, 0.2)


def test_a_pool_that_leaves_the_reference_as_exact_would_break_it():
    # The mistake that pooling avoids: against the reference alone its own error repeats at every look.
    rng = np.random.default_rng(8)
    streams, shares = 100, [0.1] * 10 + [0.0]
    held, most = evidence(rng.multinomial(250, shares, streams)), np.zeros(streams)
    for _ in range(250):
        held.look(np.arange(streams), rng.multinomial(100, shares, streams))
        held._pool[:] = held._reference
        np.maximum(most, held.log_e, out=most)
    assert (most >= math.log(20)).mean() >= 0.2
