"""Step-up rules against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from modelspan.drift.discovery import benjamini_hochberg, e_benjamini_hochberg


@pytest.mark.parametrize("seed", range(20))
def test_benjamini_hochberg_finds_what_scipys_adjusted_p_values_find(seed):
    rng = np.random.default_rng(seed)
    p = np.concatenate([rng.uniform(size=15), rng.uniform(0, 0.01, size=5)])
    adjusted = stats.false_discovery_control(p, method="bh")
    assert benjamini_hochberg(p, 0.05).tolist() == (adjusted <= 0.05).tolist()


def test_e_values_are_found_by_a_hand_worked_step_up():
    # Four hypotheses at 0.1 ask for 40, 20, 13.3 and 10: the third largest is enough for its place, 35 isn't.
    assert e_benjamini_hochberg(np.log([14, 35, 5, 25]), 0.1).tolist() == [True, True, False, True]
    assert not e_benjamini_hochberg(np.log([35, 12, 1, 2]), 0.1).any()


def test_a_single_e_value_asks_for_one_over_the_rate():
    assert e_benjamini_hochberg([math.log(100.001)], 0.01).tolist() == [True]
    assert e_benjamini_hochberg([math.log(99.999)], 0.01).tolist() == [False]


@pytest.mark.parametrize("find", [benjamini_hochberg, e_benjamini_hochberg])
def test_without_hypotheses_nothing_is_found(find):
    assert find([], 0.05).tolist() == []


def test_under_no_drift_any_discovery_is_as_rare_as_the_rate():
    rng = np.random.default_rng(3)
    hits = np.mean([benjamini_hochberg(rng.uniform(size=20), 0.05).any() for _ in range(4000)])
    assert hits == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 4000))
