"""One feature's verdict and the report over all of them."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from modelspan.drift.compare import DriftReport, compare_counts
from modelspan.drift.distances import METHODS
from modelspan.drift.feature import categorical_feature, numeric_feature

NUMERIC = numeric_feature("age", np.array([10.0, 20.0, 40.0]), np.array([100, 200, 300, 400, 50]))
CATEGORICAL = categorical_feature("job", ("a", "b"), np.array([600, 300, 80, 20]))


def test_numeric_distances_are_those_of_a_hand_worked_example():
    current = np.array([40, 30, 20, 10, 0])
    drift = compare_counts(NUMERIC, current)
    p, q = NUMERIC.counts / 1050, current / 100
    assert drift.ks == pytest.approx(np.abs(np.cumsum(p) - np.cumsum(q)).max())
    # bins stand at 10, 15, 30, 40; missing rows stand nowhere
    assert drift.wasserstein == pytest.approx(
        stats.wasserstein_distance([10, 15, 30, 40], [10, 15, 30, 40], [1, 2, 3, 4], [4, 3, 2, 1])
    )
    assert (drift.feature, drift.kind, drift.rows, drift.drifted) == ("age", "numeric", 100, False)


def test_categorical_bins_have_no_order():
    drift = compare_counts(CATEGORICAL, np.array([30, 60, 10, 0]))
    assert drift.ks == drift.wasserstein == pytest.approx(0.5 * (0.3 + 0.3 + 0.02 + 0.02))


def test_the_score_is_named_as_such():
    assert compare_counts(NUMERIC, NUMERIC.counts, kind="score").kind == "score"


@pytest.mark.parametrize("current", [[0, 0, 0, 0, 90], [0, 0, 0, 90, 0], [10**12, 0, 0, 0, 0]])
def test_every_distance_is_finite_whatever_the_window(current):
    drift = compare_counts(NUMERIC, np.array(current))
    assert list(drift.distances()) == list(METHODS)
    assert all(math.isfinite(value) for value in drift.distances().values())
    assert 0 <= drift.p_value < 1e-6


def test_an_empty_window_is_refused():
    with pytest.raises(ValueError, match="at least one row"):
        compare_counts(NUMERIC, np.zeros(5, dtype=np.int64))


def report():
    calm = compare_counts(NUMERIC, NUMERIC.counts)
    moved = compare_counts(CATEGORICAL, np.array([0, 0, 5, 95]))
    return DriftReport(features={"age": calm, "job": moved}, score=None, rows=100, drifted=True)


def test_a_report_ranks_the_largest_psi_first():
    assert [drift.feature for drift in report().ranked()] == ["job", "age"]


def test_a_report_prints_a_line_per_feature():
    lines = str(report()).splitlines()
    assert lines[0] == "0 of 2 drifted in 100 rows"
    assert lines[1].split() == ["feature", "psi", "ks", "js", "p-value", "drifted"]
    assert [line.split()[0] for line in lines[2:]] == ["job", "age"]


def test_a_report_is_plain_json():
    plain = json.loads(json.dumps(report().to_dict(), allow_nan=False))
    assert plain["features"][1]["current_counts"] == [0, 0, 5, 95]
    assert plain["score"] is None
