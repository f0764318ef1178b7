import math

import numpy as np
import pandas as pd
import pytest

from modelspan.capture import capture
from modelspan.pipeline.outputs import interpret


def read(answer, task="", classes=()):
    return interpret(capture(answer, 256), task, classes, 256)


TWO = [[0.9, 0.1], [0.3, 0.7]]


@pytest.mark.parametrize("answer", [TWO, np.array(TWO), pd.DataFrame(TWO)], ids=["list", "array", "frame"])
def test_two_probability_columns_give_the_score_and_label_of_the_second(answer):
    output = read(answer, "binary", ("good", "bad"))
    assert list(output.labels) == ["good", "bad"]
    assert list(output.scores) == [0.1, 0.7]


def test_more_columns_give_the_largest():
    output = read(np.array([[0.2, 0.5, 0.3]]), "multiclass", ("a", "b", "c"))
    assert (output.labels, output.scores) == (["b"], [0.5])
    assert read(np.array([[0.2, 0.5, 0.3]])).labels == ["1"]


def test_labels_values_and_scores_are_told_apart():
    assert read("bad").labels == ["bad"]
    assert read(np.array([0, 1]), classes=("good", "bad")).labels == ["good", "bad"]
    assert read(True).labels == ["True"]
    assert read(np.array([1.5, 2.5])).values == [1.5, 2.5]
    output = read(0.7, "binary", ("good", "bad"))
    assert (output.labels, output.scores) == (["bad"], [0.7])
    assert read([10, 20], "regression").values == [10.0, 20.0]
    assert read(pd.Series([1.0, 0.0]), "multiclass", ("x", "y")).labels == ["y", "x"]


def test_a_dict_may_name_its_parts():
    output = read({"prediction": "bad", "score": 0.7})
    assert (list(output.labels), list(output.scores)) == (["bad"], [0.7])
    assert read({"probability": 0.2}, "binary", ("good", "bad")).labels == ["good"]
    assert read([{"label": "a"}, {"label": "b"}]).labels == ["a", "b"]


def test_a_number_that_is_not_finite_is_no_score():
    output = read(np.array([[math.nan, math.nan], [0.4, 0.6]]), "binary")
    assert math.isnan(output.scores[0])
    assert output.scores[1] == 0.6


@pytest.mark.parametrize("answer", [None, object(), [[1], [2, 3]], [["a", "b"]], [object()], {}, b"x", 2**70])
def test_an_answer_without_meaning_never_fails(answer):
    output = read(answer)
    assert not output.scores


def test_no_answer_has_no_label():
    assert not any(read(None))
