"""Measures of classes and scores against scikit-learn, weights too, and their additivity."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from modelspan.performance.confusion import Confusion, f_beta
from modelspan.performance.measure import wilson
from modelspan.performance.scores import MAX_CELLS, Scores

names = st.sampled_from(["bad", "good", "ugly"])
weights = st.sampled_from([0.5, 1.0, 2.0, 3.5])
rows = st.lists(st.tuples(names, names, weights), min_size=1, max_size=60)
scored = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]), weights), min_size=1, max_size=60
)


def columns(drawn):
    return [list(column) for column in zip(*drawn, strict=True)]


def quietly(score, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return score(*arguments, **options)


@given(rows)
def test_measures_of_one_class_are_scikit_learns(drawn):
    truth, guess, weight = columns(drawn)
    found = Confusion.of(truth, guess, weight).measures("good")
    actual, claimed = ([each == "good" for each in column] for column in (truth, guess))
    expected = {
        "accuracy": metrics.accuracy_score(truth, guess, sample_weight=weight),
        "mcc": quietly(metrics.matthews_corrcoef, truth, guess, sample_weight=weight),
        "balanced_accuracy": quietly(metrics.balanced_accuracy_score, truth, guess, sample_weight=weight),
    }
    if any(claimed):
        expected["precision"] = metrics.precision_score(actual, claimed, sample_weight=weight)
    if any(actual):
        expected["recall"] = metrics.recall_score(actual, claimed, sample_weight=weight)
    if any(actual) or any(claimed):
        expected["f1"] = metrics.f1_score(actual, claimed, sample_weight=weight)
        expected["f_beta"] = metrics.fbeta_score(actual, claimed, beta=2, sample_weight=weight)
    if not all(actual):
        expected["specificity"] = metrics.recall_score(actual, claimed, pos_label=False, sample_weight=weight)
    assert {name: each.value for name, each in found.items()} == pytest.approx(expected)


@given(rows)
def test_averages_over_classes_are_scikit_learns(drawn):
    truth, guess, weight = columns(drawn)
    found = Confusion.of(truth, guess, weight).measures()
    for average in ("macro", "weighted"):
        options = {"average": average, "zero_division": 0, "sample_weight": weight}
        expected = metrics.precision_recall_fscore_support(truth, guess, **options)[:3]
        given_ = [found[f"{name}_{average}"].value for name in ("precision", "recall", "f1")]
        assert given_ == pytest.approx(list(expected))


@given(rows)
def test_every_interval_holds_its_value_and_stays_in_range(drawn):
    truth, guess, weight = columns(drawn)
    confusion = Confusion.of(truth, guess, weight)
    for name, each in {**confusion.measures("good"), **confusion.measures()}.items():
        if each.lower is not None:
            assert (-1 if name == "mcc" else -1e-9) <= each.lower <= each.value + 1e-9, name
            assert each.value - 1e-9 <= each.upper <= 1 + 1e-9, name


@given(scored)
def test_measures_of_scores_are_scikit_learns(drawn):
    truth, score, weight = columns(drawn)
    found = {
        name: each.value
        for name, each in Scores.of(np.array(score), np.array(truth), np.array(weight)).measures().items()
    }
    options = {"sample_weight": weight}
    expected = {
        "brier": metrics.brier_score_loss(truth, score, **options),
        "log_loss": metrics.log_loss(truth, score, labels=[False, True], **options),
    }
    if len(set(truth)) == 2:
        expected["roc_auc"] = metrics.roc_auc_score(truth, score, **options)
        expected["pr_auc"] = metrics.average_precision_score(truth, score, **options)
    assert found.pop("calibration_error") >= 0
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_calibration_error_is_a_hand_count():
    score, truth = np.array([0.12, 0.18, 0.91, 0.95]), np.array([False, True, True, True])
    found = Scores.of(score, truth, np.ones(4)).measures()["calibration_error"]
    assert found.value == pytest.approx(0.5 * abs(0.5 - 0.15) + 0.5 * abs(1 - 0.93))


@settings(max_examples=50)
@given(scored, scored)
def test_sums_of_windows_are_the_sums_of_all_rows_and_can_be_taken_apart(first, second):
    def scores(drawn):
        truth, score, weight = columns(drawn)
        return Scores.of(np.array(score), np.array(truth), np.array(weight))

    def confusion(drawn):
        truth, score, weight = columns(drawn)
        return Confusion.of([str(t) for t in truth], [str(s > 0.5) for s in score], weight)

    for make in (scores, confusion):
        whole, part = make(first + second), make(first)
        for found, expected in ((part + make(second), whole), (whole - make(second), part)):
            values = {name: each.value for name, each in found.measures().items()}
            assert values == pytest.approx(
                {n: each.value for n, each in expected.measures().items()}, abs=1e-7
            )


def test_too_many_different_scores_are_joined_and_still_rank():
    random = np.random.default_rng(1)
    truth = random.random(3 * MAX_CELLS) < 0.3
    score = random.beta(1 + truth, 2)
    parts = [Scores.of(score[at::3], truth[at::3], np.ones(MAX_CELLS)) for at in range(3)]
    found = parts[0] + parts[1] + parts[2]
    assert len(found.keys) <= MAX_CELLS
    assert found.measures()["roc_auc"].value == pytest.approx(metrics.roc_auc_score(truth, score), abs=1e-5)


def test_wilsons_interval_is_the_one_of_scipy():
    from scipy.stats import binomtest

    for part, whole in ((0, 10), (3, 10), (10, 10), (480, 1000)):
        expected = binomtest(part, whole).proportion_ci(method="wilson")
        assert wilson(part, whole).lower == pytest.approx(expected.low)
        assert wilson(part, whole).upper == pytest.approx(expected.high)


def test_equal_weights_of_any_size_give_the_same_interval():
    truth, guess = ["a", "b", "a", "b", "b"], ["a", "b", "b", "b", "a"]
    plain, scaled = (Confusion.of(truth, guess, [w] * 5).measures("a") for w in (1.0, 7.0))
    for name, each in plain.items():
        assert scaled[name].lower == pytest.approx(each.lower), name
        assert scaled[name].upper == pytest.approx(each.upper), name


def test_what_is_undefined_is_absent():
    assert Confusion().measures("a") == {}
    assert Scores().measures() == {}
    assert "precision" not in Confusion.of(["a"], ["b"], [1.0]).measures("a")
    assert "roc_auc" not in Scores.of(np.array([0.2, 0.4]), np.array([True, True]), np.ones(2)).measures()
    assert f_beta(0, 0, 0, 1.0) is None


def test_constant_scores_rank_nothing_and_a_perfect_order_is_not_certain():
    constant = Scores.of(np.full(20, 0.3), np.arange(20) < 8, np.ones(20)).measures()
    assert constant["roc_auc"].value == 0.5
    perfect = Scores.of(np.arange(20) / 20, np.arange(20) >= 8, np.ones(20)).measures()["roc_auc"]
    assert (perfect.value, perfect.upper) == (1.0, 1.0)
    assert 0.5 < perfect.lower < 0.9


def test_scores_that_are_no_numbers_leave_their_rows_out():
    score = np.array([0.1, 0.9, math.nan, math.inf])
    found = Scores.of(score, np.array([False, True, True, False]), np.ones(4)).measures()
    assert found["roc_auc"].value == 1.0
    assert all(each.finite() for each in found.values())


def test_scores_outside_0_and_1_are_ranked_and_are_no_probabilities():
    found = Scores.of(np.array([-3.0, 5.0]), np.array([False, True]), np.ones(2)).measures()
    assert set(found) == {"roc_auc", "pr_auc"}
