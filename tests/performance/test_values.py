"""Measures of predicted values against scikit-learn, weights too, and their additivity."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from modelspan.performance.errors import Errors

numbers = st.floats(-1e5, 1e5).map(lambda value: round(value, 2))
weights = st.sampled_from([0.5, 1.0, 3.0])
rows = st.lists(st.tuples(numbers, numbers, weights), min_size=2, max_size=60)


def measured(drawn, **options):
    return errors(drawn, **options).measures()


def errors(drawn, **options):
    return Errors.of(*(np.array(column, dtype=float) for column in zip(*drawn, strict=True)), **options)


@given(rows)
def test_measures_are_scikit_learns(drawn):
    guess, truth, weight = (list(column) for column in zip(*drawn, strict=True))
    found = measured(drawn, quantiles=(0.9,))
    options = {"sample_weight": weight}
    assert found["mae"].value == pytest.approx(metrics.mean_absolute_error(truth, guess, **options))
    assert found["rmse"].value == pytest.approx(metrics.root_mean_squared_error(truth, guess, **options))
    pinball = metrics.mean_pinball_loss(truth, guess, alpha=0.9, **options)
    assert found["quantile_loss_0.9"].value == pytest.approx(pinball)
    assert ("r2" in found) == (len(set(truth)) > 1)
    if "r2" in found:
        expected = metrics.r2_score(truth, guess, **options)
        assert found["r2"].value == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(rows.map(lambda drawn: [(g, t, w) for g, t, w in drawn if t] or [(1.0, 2.0, 1.0)]))
def test_mape_is_scikit_learns_where_no_outcome_is_zero(drawn):
    guess, truth, weight = (list(column) for column in zip(*drawn, strict=True))
    expected = metrics.mean_absolute_percentage_error(truth, guess, sample_weight=weight)
    assert measured(drawn)["mape"].value == pytest.approx(expected)


@settings(max_examples=50)
@given(rows, rows)
def test_sums_of_windows_are_the_sums_of_all_rows_and_can_be_taken_apart(first, second):
    whole = measured(first + second)
    added = (errors(first) + errors(second)).measures()
    apart = (errors(first + second) - errors(second)).measures()
    assert {n: m.value for n, m in added.items()} == pytest.approx(
        {n: m.value for n, m in whole.items()}, rel=1e-5, abs=1e-6
    )
    assert apart["mae"].value == pytest.approx(measured(first)["mae"].value, rel=1e-6, abs=1e-4)


def test_outcomes_far_from_zero_lose_no_digits():
    random = np.random.default_rng(1)
    truth = 1e7 + random.normal(size=500)
    guess = truth + random.normal(size=500) * 0.5
    halves = [
        errors(list(zip(guess[h], truth[h], np.ones(250), strict=True)))
        for h in (slice(250), slice(250, 500))
    ]
    found = (halves[0] + halves[1]).measures()["r2"]
    assert found.value == pytest.approx(metrics.r2_score(truth, guess), rel=1e-6)
    assert found.lower < found.value < found.upper


@given(st.lists(st.tuples(st.floats(), st.floats(), weights), min_size=1, max_size=30))
def test_whatever_the_values_every_measure_is_finite(drawn):
    assert all(each.finite() for each in measured(drawn).values())


def test_what_is_undefined_is_absent():
    assert Errors().measures() == {}
    one = measured([(1.0, 3.0, 1.0)])
    assert (one["mae"].value, one["mae"].lower, one["rmse"].value) == (2.0, None, 2.0)
    assert "r2" not in one
    assert measured([(math.nan, 3.0, 1.0)]) == {}
    assert "mape" not in measured([(1.0, 0.0, 1.0)])


def test_equal_errors_have_an_interval_of_no_width():
    found = measured([(1.0, 3.0, 1.0), (5.0, 7.0, 1.0), (0.0, 2.0, 1.0)])["mae"]
    assert (found.lower, found.value, found.upper) == (2.0, 2.0, 2.0)
