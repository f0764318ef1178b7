"""Classification measures against scikit-learn."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics

from modelspan.performance.classification import confusion, summarize

classes = st.sampled_from(["bad", "good", "ugly"])
rows = st.lists(st.tuples(classes, classes, st.floats(0, 1)), min_size=1, max_size=80)
mixed = rows.filter(lambda drawn: len({name for row in drawn for name in row[:2]}) > 1)
binary = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("ab"), st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0])),
    min_size=2,
    max_size=80,
)


@given(rows)
def test_accuracy_precision_recall_and_f1_are_scikit_learns(drawn):
    predicted, outcomes, _ = map(list, zip(*drawn, strict=True))
    found = summarize(predicted, outcomes, positive="good")
    guess, truth = (np.array(column) == "good" for column in (predicted, outcomes))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(outcomes, predicted))
    expected = {
        "precision": metrics.precision_score(truth, guess) if guess.any() else None,
        "recall": metrics.recall_score(truth, guess) if truth.any() else None,
        "f1": metrics.f1_score(truth, guess) if guess.any() or truth.any() else None,
    }
    assert {name: found.get(name) for name in expected} == pytest.approx(expected)


@given(binary)
def test_roc_auc_is_scikit_learns_with_ties(drawn):
    predicted, outcomes, scores = map(list, zip(*drawn, strict=True))
    assume(len(set(outcomes)) == 2)
    expected = metrics.roc_auc_score([outcome == "b" for outcome in outcomes], scores)
    assert summarize(predicted, outcomes, scores, "b")["roc_auc"] == pytest.approx(expected)


@given(mixed)
def test_confusion_is_scikit_learns(drawn):
    predicted, outcomes, _ = map(list, zip(*drawn, strict=True))
    labels, table = confusion(predicted, outcomes)
    assert labels == sorted(set(predicted) | set(outcomes))
    assert table == metrics.confusion_matrix(outcomes, predicted, labels=labels).tolist()


def test_what_is_undefined_is_absent():
    assert summarize([], []) == {}
    assert summarize(["a"], ["a"]) == {"accuracy": 1.0}
    assert summarize(["a"], ["a"], [0.5], "b") == {"accuracy": 1.0}
    assert "roc_auc" not in summarize(["a", "a"], ["a", "a"], [0.1, 0.9], "a")
    assert "roc_auc" not in summarize(["a"] * 3, ["a", "b", "c"], [0.1, 0.9, 0.3], "a")


def test_scores_that_are_no_numbers_leave_their_rows_out_of_the_auc():
    found = summarize(["a"] * 4, ["a", "b", "b", "a"], [0.1, 0.9, float("nan"), float("inf")], "b")
    assert found["roc_auc"] == 1.0


def test_confusion_of_no_rows_is_empty_and_of_one_class_a_single_cell():
    assert confusion([], []) == ([], [])
    assert confusion(["a", "a"], ["a", "a"]) == (["a"], [[2]])


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="one entry per row, got 2, 1"):
        summarize(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="got 1, 1, 2"):
        summarize(["a"], ["a"], [0.1, 0.2], "a")
    with pytest.raises(ValueError, match="got 0, 1"):
        confusion([], ["a"])
