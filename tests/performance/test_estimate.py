"""The estimate before outcomes come: NannyML's published values, and when it must not be trusted."""

import csv
import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from modelspan.errors import ConfigError
from modelspan.outcome import JoinedRow
from modelspan.performance.calibration import Calibration
from modelspan.performance.estimate import Estimator
from modelspan.performance.sums import Options, Sums

DATA = Path(__file__).parent / "data/car_loan_scores.csv"
BINARY = Options(positive="1")
# Published in NannyML's tutorial "Estimating Standard Performance Metrics", chunks 0 to 9.
PUBLISHED = {
    "roc_auc": (
        0.970744,
        0.971011,
        0.971407,
        0.971091,
        0.971123,
        0.961090,
        0.961825,
        0.961073,
        0.962533,
        0.961316,
    ),
    "accuracy": (
        0.941792,
        0.943321,
        0.945492,
        0.944816,
        0.944645,
        0.910714,
        0.911149,
        0.911193,
        0.914389,
        0.911731,
    ),
    "f1": (0.943030, None, None, None, None, None, None, None, None, 0.914751),
}
REALISED = (
    0.970962,
    0.970248,
    0.976282,
    0.967721,
    0.969886,
    0.960050,
    0.958530,
    0.959041,
    0.963094,
    0.957556,
)
THRESHOLDS = (0.963317, 0.97866)


def joined(score, label, outcome=None, **fields):
    told = None if outcome is None else 1
    return JoinedRow(
        prediction_id="x", model="m", predicted_ns=0, score=score, label=label, outcome_label=outcome,
        outcome_ns=told, **fields,
    )  # fmt: skip


@pytest.fixture(scope="module")
def loans():
    """Rows of each chunk of 5,000, by part of the data."""
    chunks = {"reference": [[] for _ in range(10)], "analysis": [[] for _ in range(10)]}
    with DATA.open() as file:
        for line in csv.DictReader(file):
            one = joined(float(line["score"]), line["predicted"], line["outcome"])
            chunks[line["part"]][int(line["chunk"])] += [one] * int(line["rows"])
    return chunks


@pytest.fixture(scope="module")
def estimator(loans):
    rows = [row for chunk in loans["reference"] for row in chunk]
    return Estimator.fit([row.score for row in rows], [row.outcome_label for row in rows])


def test_the_published_estimates_are_met_to_four_digits(loans, estimator):
    assert estimator.calibrations[0].method == "isotonic"
    for at, rows in enumerate(loans["analysis"]):
        found = estimator.expect(rows).measures(BINARY)
        for name, values in PUBLISHED.items():
            if values[at] is not None:
                assert found[name].value == pytest.approx(values[at], abs=5e-5), (name, at)


def test_the_published_realised_auc_is_met_to_six_digits(loans):
    found = [Sums.of(rows, BINARY).measures(BINARY)["roc_auc"].value for rows in loans["analysis"]]
    assert found == pytest.approx(list(REALISED), abs=5e-7)


def test_the_published_thresholds_and_alerts_are_met(loans, estimator):
    reference = [Sums.of(rows, BINARY).measures(BINARY)["roc_auc"].value for rows in loans["reference"]]
    middle, deviation = statistics.fmean(reference), statistics.pstdev(reference)
    low, high = middle - 3 * deviation, middle + 3 * deviation
    assert (low, high) == pytest.approx(THRESHOLDS, abs=5e-6)
    found = [estimator.expect(rows).measures(BINARY)["roc_auc"].value for rows in loans["analysis"]]
    assert [at for at, value in enumerate(found) if not low <= value <= high] == [5, 6, 7, 8, 9]


def test_the_interval_holds_the_realised_values(loans, estimator):
    for name in ("roc_auc", "accuracy", "f1"):
        for rows in loans["analysis"]:
            interval = estimator.expect(rows).measures(BINARY)[name]
            realised = Sums.of(rows, BINARY).measures(BINARY)[name].value
            # wider than 95 %, for ten chunks of three measures
            assert abs(realised - interval.value) < 2 * (interval.upper - interval.lower) / 2


def test_estimates_of_windows_add(loans, estimator):
    first, second = loans["analysis"][:2]
    found = (estimator.expect(first) + estimator.expect(second)).measures(BINARY)
    whole = estimator.expect([*first, *second]).measures(BINARY)
    assert {n: m.value for n, m in found.items()} == pytest.approx({n: m.value for n, m in whole.items()})


def test_an_estimator_survives_its_file(estimator, loans):
    back = Estimator.from_document(json.loads(json.dumps(estimator.document())))
    rows = loans["analysis"][0]
    assert back.expect(rows).measures(BINARY) == estimator.expect(rows).measures(BINARY)


def draw(random, rows, flip=0.0):
    score = random.beta(1.2, 1.8, rows)
    truth = random.random(rows) < np.where(random.random(rows) < flip, 1 - score, score)
    return score, truth.astype(int).astype(str)


def test_a_good_reference_gives_no_doubts_and_a_concept_drift_contradicts_the_estimate():
    random = np.random.default_rng(1)
    estimator = Estimator.fit(*draw(random, 4000))
    assert estimator.doubts == ()
    for flip, doubtful in ((0.0, False), (0.4, True)):
        score, truth = draw(random, 1000, flip)
        rows = [joined(s, str(int(s >= 0.5)), t) for s, t in zip(score, truth, strict=True)]
        evidence = estimator.judge(rows[:500]) + estimator.judge(rows[500:])
        assert evidence.rows == 1000
        assert bool(evidence.doubts()) is doubtful


def test_a_small_reference_and_foreign_scores_are_doubts():
    random = np.random.default_rng(1)
    small = Estimator.fit(*draw(random, 100))
    assert "small" in small.doubts[0]
    score, truth = draw(random, 2000)
    narrow = Estimator.fit(score * 0.4, truth)
    rows = [joined(0.9, "1") for _ in range(20)]
    assert "beyond" in narrow.judge(rows).doubts()[0]


def test_scores_that_no_map_calibrates_are_a_doubt():
    random = np.random.default_rng(1)
    score, truth = draw(random, 4000)
    assert "not calibrated" in Estimator.fit(score**3, truth, method="none").doubts[0]
    assert Estimator.fit(score**3, truth).doubts == ()


def test_isotonic_calibration_is_scikit_learns():
    random = np.random.default_rng(1)
    score, truth = draw(random, 500)
    outcome = truth.astype(float)
    expected = IsotonicRegression(out_of_bounds="clip").fit(score, outcome)
    grid = np.linspace(0, 1, 201)
    found = Calibration.fit(score, outcome, "isotonic")
    assert found(grid) == pytest.approx(expected.predict(grid))
    assert Calibration.from_document(json.loads(json.dumps(found.document()))) == found


def test_platt_calibration_undoes_a_logistic_distortion():
    random = np.random.default_rng(1)
    score, truth = draw(random, 20_000)
    odds = np.log(score / (1 - score))
    distorted = 1 / (1 + np.exp(-(2 * odds + 1)))
    found = Calibration.fit(distorted, truth.astype(float), "platt")
    assert found(distorted) == pytest.approx(score, abs=0.02)


def test_of_three_classes_the_estimate_meets_what_happens():
    random = np.random.default_rng(1)
    classes = ("a", "b", "c")
    chances = random.dirichlet((2, 1, 1), 6000)
    truth = [classes[random.choice(3, p=p)] for p in chances]
    estimator = Estimator.fit(chances[:3000], truth[:3000], classes=classes)
    rows = [
        joined(
            float(p.max()), classes[p.argmax()], t, probabilities=dict(zip(classes, p.tolist(), strict=True))
        )
        for p, t in zip(chances[3000:], truth[3000:], strict=True)
    ]
    expected, happened = (
        each.measures(Options()) for each in (estimator.expect(rows), Sums.of(rows, Options()))
    )
    for name in ("accuracy", "f1_macro", "mcc"):
        assert expected[name].value == pytest.approx(happened[name].value, abs=0.03)
    assert estimator.judge(rows).doubts() == ()


@pytest.mark.parametrize("rows", [[], [joined(None, "1")], [joined(0.5, None)], [joined(float("nan"), "1")]])
def test_rows_without_class_or_score_have_no_estimate(rows):
    estimator = Estimator(classes=("0", "1"), calibrations=(Calibration(),))
    assert estimator.expect(rows).measures(BINARY) == {}
    assert estimator.judge(rows).doubts() == ()


@pytest.mark.parametrize(
    ("scores", "outcomes", "options", "said"),
    [
        ([0.1, 1.5], ["0", "1"], {}, "from 0 to 1"),
        ([0.1, float("nan")], ["0", "1"], {}, "from 0 to 1"),
        ([0.1, 0.2], ["0", "2"], {}, r"lack \['2'\]"),
        ([0.1, 0.2, 0.3], ["0", "1"], {}, "shape"),
        ([0.1, 0.2], ["0", "1"], {"method": "magic"}, "magic"),
    ],
)
def test_a_reference_that_cannot_be_used_says_why(scores, outcomes, options, said):
    with pytest.raises(ConfigError, match=said):
        Estimator.fit(scores, outcomes, **options)
