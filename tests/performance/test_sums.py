"""What stands in for an answer where data is missing, single, constant or of the wrong kind."""

import json
import math

import pytest

from modelspan.outcome import JoinedRow
from modelspan.performance.documents import from_json, to_json
from modelspan.performance.sums import Options, Sums, positive_class

BINARY = Options(positive="1")


def row(number=0, lag=60.0, **fields):
    told = 1_000_000_000 + int(lag * 1e9) if {"outcome_label", "outcome_value"} & set(fields) else None
    return JoinedRow(
        prediction_id=f"{number:032x}-{1:016x}",
        model="m",
        predicted_ns=1_000_000_000,
        outcome_ns=told,
        **fields,
    )


def binary(count):
    return [
        row(n, lag=10 + n, label=str(int(n % 3 > 0)), score=n % 10 / 10, outcome_label=str(int(n % 10 > 4)))
        for n in range(count)
    ]


def measures(rows, options=BINARY):
    return Sums.of(rows, options).measures(options)


def test_without_outcomes_there_is_coverage_zero_and_no_measure():
    sums = Sums.of([row(n, label="1", score=0.9) for n in range(9)], BINARY)
    assert (sums.predictions, sums.outcomes, sums.coverage.value) == (9, 0, 0.0)
    assert sums.measures(BINARY) == {}
    assert sums.lags.quantile(0.5) is None


def test_without_predictions_there_is_no_coverage():
    assert Sums().coverage is None
    assert Sums().measures(BINARY) == {}


def test_of_one_sample_there_are_values_and_no_interval_of_a_mean():
    found = measures([row(label="1", score=0.8, outcome_label="1")])
    assert found["accuracy"].value == 1.0
    assert found["accuracy"].lower < 0.3
    assert (found["brier"].value, found["brier"].lower) == (pytest.approx(0.04), None)
    assert "roc_auc" not in found


def test_of_one_class_there_is_no_ranking_and_no_specificity():
    found = measures([row(n, label="1", score=n / 20, outcome_label="1") for n in range(20)])
    assert {"roc_auc", "pr_auc", "specificity"}.isdisjoint(found)
    assert found["mcc"].value == 0.0
    assert all(each.finite() for each in found.values())


def test_constant_scores_have_an_auc_of_one_half():
    rows = [row(n, label="1", score=0.7, outcome_label=str(n % 2)) for n in range(20)]
    assert measures(rows)["roc_auc"].value == 0.5


def test_an_unknown_class_is_an_error_of_the_prediction_and_has_no_place_in_the_ranking():
    rows = [row(n, label="1", score=0.9, outcome_label=o) for n, o in enumerate(["1", "0", "ugly"])]
    found = measures(rows, Options(positive="1", classes=("0", "1")))
    assert found["accuracy"].value == pytest.approx(1 / 3)
    assert found["brier"].value == pytest.approx((0.01 + 0.81) / 2)


def test_a_score_that_is_no_number_leaves_the_class_counted():
    rows = [row(1, label="1", score=math.nan, outcome_label="1"), row(2, label="0", outcome_label="0")]
    found = measures(rows)
    assert found["accuracy"].value == 1.0
    assert "brier" not in found


@pytest.mark.parametrize(
    ("fields", "mismatched"),
    [
        ({"label": "1", "outcome_value": 1.0}, 0),
        ({"label": "1", "outcome_value": 0.5}, 1),
        ({"value": 2.0, "outcome_label": "3"}, 0),
        ({"value": 2.0, "outcome_label": "three"}, 1),
        ({"value": 2.0, "outcome_label": "nan"}, 1),
        ({"outcome_label": "1"}, 1),
    ],
)
def test_an_outcome_of_another_kind_is_understood_or_counted(fields, mismatched):
    sums = Sums.of([row(**fields)], BINARY)
    assert (sums.outcomes, sums.mismatched) == (1, mismatched)
    assert bool(sums.measures(BINARY)) == (not mismatched)
    assert all(each.finite() for each in sums.measures(BINARY).values())


@pytest.mark.parametrize(
    ("rows", "positive"),
    [
        ([], None),
        ([row(label="good", score=0.1, classes=("good", "bad"))], "bad"),
        ([row(label="a", score=0.1, classes=("a", "b", "c"))], None),
        ([row(label="0", score=0.1)], "1"),
        ([row(label="False", outcome_label="True")], "True"),
        ([row(label="good", score=0.1), row(label="bad", score=0.9)], "bad"),
        ([row(label="good", score=0.1)], None),
        ([row(label="a", score=0.6, outcome_label="c"), row(label="b", score=0.9)], None),
        (6 * [row(label="a", score=0.6, outcome_label="c"), row(label="b", score=0.9)], "b"),
        (
            6 * [row(label="a", score=s, outcome_label="c") for s in (0.6, 0.95)]
            + 6 * [row(label="b", score=0.9)],
            None,
        ),
    ],
)
def test_the_positive_class_is_declared_usual_or_the_one_of_higher_scores(rows, positive):
    assert positive_class(rows) == positive


def test_lags_are_within_five_per_cent():
    sums = Sums.of(binary(1000), BINARY)
    assert sums.lags.quantile(0.5) == pytest.approx(510, rel=0.05)
    assert sums.lags.quantile(0.9) == pytest.approx(910, rel=0.05)


@pytest.mark.parametrize("kind", ["binary", "values"])
def test_sums_survive_the_store(kind):
    values = [row(n, value=float(n), outcome_value=n * 1.1 + n % 7) for n in range(50)]
    options = Options(positive="1" if kind == "binary" else None, quantiles=(0.5,))
    sums = Sums.of(binary(50) if kind == "binary" else values, options)
    text = to_json(sums)
    assert to_json(from_json(text)) == text
    found = {name: each.value for name, each in from_json(text).measures(options).items()}
    assert found == pytest.approx({n: each.value for n, each in sums.measures(options).items()}, rel=1e-3)


@pytest.mark.parametrize("text", ["{}", "[]", json.dumps({"counts": [1]}), "nothing"])
def test_damaged_sums_are_refused(text):
    with pytest.raises(ValueError, match="damaged"):
        from_json(text)


def test_a_correction_takes_the_superseded_outcome_away():
    before, after = row(label="1", score=0.9, outcome_label="1"), row(label="1", score=0.9, outcome_label="0")
    sums = Sums.of(binary(20), BINARY) + Sums.of([before], BINARY)
    corrected = sums - Sums.of([before], BINARY) + Sums.of([after], BINARY)
    expected = Sums.of([*binary(20), after], BINARY)
    assert {n: m.value for n, m in corrected.measures(BINARY).items()} == pytest.approx(
        {n: m.value for n, m in expected.measures(BINARY).items()}
    )
