"""Rules of alarms: how rarely they are wrong, how soon they are right, and how an alarm ends."""

import math

import numpy as np
import pytest
from scipy import stats

from modelspan.drift.alarm import Lifecycle, excess_psi, grown_bins
from modelspan.drift.compare import compare_counts
from modelspan.drift.feature import categorical_feature, numeric_feature
from modelspan.drift.sequential import SequentialRule
from modelspan.drift.threshold import ThresholdRule, parse_threshold

EDGES = stats.norm.ppf(np.arange(1, 10) / 10)


def normal_shares(shift=0.0, scale=1.0):
    """Exact shares of a normal variable in the deciles of the standard normal, and no missing."""
    return np.append(np.diff([0, *stats.norm.cdf((EDGES - shift) / scale), 1]), 0)


CALM = normal_shares()


def references(rng, names, rows=2500):
    return {name: numeric_feature(name, EDGES, rng.multinomial(rows, CALM)) for name in names}


def feed(rule, rng, looks, rows=100, **shares):
    """The changes of so many looks, each with the number of the look."""
    found = []
    for look in range(looks):
        counts = {name: rng.multinomial(rows, share) for name, share in shares.items()}
        found += [(look, change) for change in rule.update(counts)]
    return found


def states(found):
    return [(change.feature, change.state) for _, change in found]


def test_stationary_streams_alarm_no_more_often_than_promised_over_their_whole_life():
    rng, rate, streams, names = np.random.default_rng(17), 0.2, 40, "abc"
    alarmed = 0
    for _ in range(streams):
        rule = SequentialRule(references(rng, names, 500), false_alarm_rate=rate, smallest_effect=0.05)
        alarmed += bool(feed(rule, rng, 100, **dict.fromkeys(names, CALM)))
    assert alarmed <= stats.binom.ppf(0.9999, streams, rate)


@pytest.mark.parametrize(
    ("change", "most_rows"), [({"shift": 0.5}, 500), ({"scale": math.sqrt(2)}, 700), ({"shift": 0.3}, 1200)]
)
def test_a_drift_opens_an_alarm_soon_even_after_a_long_calm(change, most_rows):
    rng = np.random.default_rng(23)
    for _ in range(5):
        rule = SequentialRule(references(rng, "ab"))
        assert feed(rule, rng, 100, a=CALM, b=CALM) == []
        found = feed(rule, rng, most_rows // 100, a=CALM, b=normal_shares(**change))
        assert states(found)[0] == ("b", "open")
        assert all(feature == "b" for feature, _ in states(found))


def test_a_new_level_opens_an_alarm():
    rng = np.random.default_rng(5)
    shares = np.array([0.5, 0.3, 0.2, 0.0, 0.0])
    feature = categorical_feature("x", ["a", "b", "c"], rng.multinomial(2500, shares))
    rule = SequentialRule({"x": feature})
    assert feed(rule, rng, 50, x=shares) == []
    (_, change), *_ = feed(rule, rng, 4, x=[0.475, 0.285, 0.19, 0.05, 0.0])
    assert change.state == "open"
    assert change.e_value >= 100
    assert change.drift.labels[grown_bins(change.drift)[0]] == "(other)"


def test_an_alarm_carries_the_rows_since_the_drift_began():
    rng = np.random.default_rng(9)
    rule = SequentialRule(references(rng, "a"))
    feed(rule, rng, 40, a=CALM)
    (look, change), *_ = feed(rule, rng, 10, a=normal_shares(0.5))
    assert change.drift.rows == pytest.approx(100 * (look + 1), abs=100)
    assert change.rule == "sequential"


def test_a_drift_that_is_real_but_not_worth_knowing_does_not_open():
    rng = np.random.default_rng(2)
    rule = SequentialRule(references(rng, "a", 100_000), smallest_effect=0.05)
    assert feed(rule, rng, 60, rows=2000, a=normal_shares(0.1)) == []


def test_an_alarm_escalates_once_and_closes_after_two_calm_windows():
    rng = np.random.default_rng(11)
    rule = SequentialRule(references(rng, "a"), window_rows=500)
    found = feed(rule, rng, 6, rows=500, a=normal_shares(1.0))
    assert states(found) == [("a", "open"), ("a", "escalated")]
    assert states(feed(rule, rng, 1, rows=500, a=CALM)) == []
    assert states(feed(rule, rng, 1, rows=500, a=normal_shares(1.0))) == []
    assert states(feed(rule, rng, 2, rows=500, a=CALM)) == [("a", "closed")]
    assert states(feed(rule, rng, 20, rows=500, a=CALM)) == []
    assert states(feed(rule, rng, 2, rows=500, a=normal_shares(1.0)))[0] == ("a", "open")


def test_the_life_of_an_alarm_by_a_hand_made_sequence():
    feature = categorical_feature("x", ["a"], np.array([500, 500, 0]))
    severity = {10: 0.0, 30: 1.0, 60: 2.0}
    held = Lifecycle(
        feature, 100,
        calm=lambda drift: severity[int(drift.current_counts[0])] == 0,
        severe=lambda drift: severity[int(drift.current_counts[0])] == 2,
    )  # fmt: skip
    changed = [held.update(np.array([first, 100 - first, 0])) for first in (30, 10, 30, 60, 60, 10, 10)]
    assert [change and change[0] for change in changed] == [
        None, None, None, "escalated", None, None, "closed",
    ]  # fmt: skip


def test_the_excess_of_psi_is_about_zero_on_average_without_drift():
    rng = np.random.default_rng(13)
    found = []
    for _ in range(400):
        reference = numeric_feature("x", EDGES, rng.multinomial(1000, CALM))
        found.append(excess_psi(compare_counts(reference, rng.multinomial(200, CALM))))
    assert np.mean(found) == pytest.approx(0, abs=5 * np.std(found) / 20 + 0.003)


def test_the_bins_that_grew_come_most_grown_first_and_no_others():
    feature = categorical_feature("x", ["a", "b", "c"], np.array([10, 10, 10, 0, 0]))
    assert grown_bins(compare_counts(feature, np.array([20, 50, 10, 0, 0]))) == [1]
    assert grown_bins(compare_counts(feature, np.array([5, 5, 5, 20, 65]))) == [4, 3]


def test_a_fixed_threshold_opens_at_each_distance_that_exceeds_it():
    reference = {"x": categorical_feature("x", ["a", "b"], np.array([500, 500, 0, 0]))}
    drifted = np.array([90, 10, 0, 0])
    psi = compare_counts(reference["x"], drifted).psi
    below, above = (
        ThresholdRule(reference, rule=f"psi>{psi + by:.4f}", window_rows=100) for by in (-0.01, 0.01)
    )
    assert [change.state for change in below.update({"x": drifted})] == ["open"]
    assert above.update({"x": drifted}) == []
    even = np.array([50, 50, 0, 0])
    assert [[c.state for c in below.update({"x": even})] for _ in range(2)] == [[], ["closed"]]


def test_a_fixed_threshold_waits_for_a_full_window():
    reference = {"x": categorical_feature("x", ["a", "b"], np.array([500, 500, 0, 0]))}
    rule = ThresholdRule(reference, rule="ks>0.1", window_rows=100)
    assert rule.update({"x": np.array([99, 0, 0, 0])}) == []
    (change,) = rule.update({"x": np.array([1, 0, 0, 0])})
    assert (change.rule, change.e_value) == ("ks>0.1", None)


@pytest.mark.parametrize("rule", ["psi", "psi>", "psi>-1", "PSI>0.1", "psi<0.1", "chi2>3", "psi>0.1 or ks>1"])
def test_a_rule_that_cannot_be_read_is_refused_with_an_example(rule):
    with pytest.raises(ValueError, match=r"psi>0\.2"):
        parse_threshold(rule)


@pytest.mark.parametrize(
    "options",
    [
        {"false_alarm_rate": 0},
        {"false_alarm_rate": 1.0},
        {"smallest_effect": 0.0},
        {"smallest_effect": float("nan")},
    ],
)
def test_options_out_of_range_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"{name}="):
        SequentialRule({}, **options)
