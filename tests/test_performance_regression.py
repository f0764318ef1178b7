"""Regression measures against scikit-learn."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from modelspan.performance.regression import summarize

numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
rows = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=80)


@given(rows)
def test_mae_rmse_and_r2_are_scikit_learns(drawn):
    predicted, outcomes = map(list, zip(*drawn, strict=True))
    found = summarize(predicted, outcomes)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(outcomes, predicted))
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(outcomes, predicted))
    assert ("r2" in found) == (len(set(outcomes)) > 1)
    if "r2" in found:
        assert found["r2"] == pytest.approx(metrics.r2_score(outcomes, predicted), rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=30))
def test_whatever_the_values_every_measure_is_finite(drawn):
    found = summarize([a for a, _ in drawn], [b for _, b in drawn])
    assert all(math.isfinite(value) for value in found.values())


def test_what_is_undefined_is_absent():
    assert summarize([], []) == {}
    assert summarize([1.0], [3.0]) == {"mae": 2.0, "rmse": 2.0}
    assert summarize([math.nan], [3.0]) == {}


def test_rows_that_are_no_numbers_are_left_out():
    found = summarize([1.0, math.nan, 5.0, 2.0], [1.0, 2.0, math.inf, 4.0])
    assert found == pytest.approx({"mae": 1.0, "rmse": math.sqrt(2), "r2": 1 - 4 / 4.5})


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="got 2 and 1"):
        summarize([1.0, 2.0], [1.0])
