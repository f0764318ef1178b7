"""The p-value keeps its level where its peers do not: measured on data without any drift."""

import numpy as np
import pytest
from scipy import stats

from modelspan.drift.aligned import Aligned
from modelspan.drift.homogeneity import two_sample_p, two_sample_ps
from modelspan.drift.reference import Reference

RUNS = 400


def rate_of_false_alarms(draw, rows, windows, level=0.05, **options):
    """Share of undrifted windows with p <= level, a new reference for every one."""
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(windows):
        feature = Reference.build({"x": draw(rng, rows[0])}, **options).features["x"]
        window = feature.count(draw(rng, rows[1]))
        hits += two_sample_p(feature.counts, window, ordered=feature.kind == "numeric") <= level
    return hits / windows


def is_right(rate, level, runs):
    """Not above the level beyond chance, and not so far below it that the test is asleep."""
    return 0.3 * level <= rate <= level + 4 * np.sqrt(level * (1 - level) / runs)


def normal(rng, rows):
    return rng.normal(size=rows)


def zero_inflated(rng, rows):
    return np.where(rng.random(rows) < 0.9, 0.0, rng.exponential(size=rows))


def with_missing(rng, rows):
    return np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows))


def eight_levels(rng, rows):
    return rng.choice(list("abcdefgh"), rows, p=np.arange(1, 9) / 36)


def thousand_zipf_levels(rng, rows):
    weights = 1 / np.arange(1, 1001)
    return rng.choice(np.arange(1000).astype(str), rows, p=weights / weights.sum())


@pytest.mark.parametrize("draw", [normal, zero_inflated, with_missing, eight_levels, thousand_zipf_levels])
@pytest.mark.parametrize("rows", [(1000, 100), (2000, 1000), (1000, 5000)])
def test_undrifted_windows_are_flagged_at_the_nominal_rate(draw, rows):
    rate = rate_of_false_alarms(draw, rows, RUNS)
    assert is_right(rate, 0.05, RUNS), rate


def test_twenty_bins_keep_the_level_in_windows_of_a_hundred_rows():
    rate = rate_of_false_alarms(normal, (1000, 100), RUNS, bins=20)
    assert is_right(rate, 0.05, RUNS), rate


def test_a_reference_taken_as_exact_would_break_the_level():
    # The mistake that this module exists to avoid: if it passed, the tests above would prove nothing.
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(RUNS):
        reference, window = rng.multinomial(1000, [0.125] * 8), rng.multinomial(500, [0.125] * 8)
        hits += stats.chisquare(window, reference / 2).pvalue <= 0.05
    assert hits / RUNS > 0.15


def test_a_real_move_gives_a_tiny_p():
    rng = np.random.default_rng(2)
    feature = Reference.build({"x": rng.normal(size=4000)}).features["x"]
    assert two_sample_p(feature.counts, feature.count(rng.normal(0.5, 1, 1000)), ordered=True) < 1e-12


@pytest.mark.parametrize("reference_rows", [1000, 100_000])
def test_missing_values_that_appear_from_nothing_are_seen_however_large_the_reference(reference_rows):
    reference, current = np.array([reference_rows // 4] * 4 + [0]), np.array([45, 45, 45, 45, 20])
    assert two_sample_p(reference, current, ordered=True) < 1e-6


def test_a_constant_that_moves_in_a_few_rows_is_seen():
    assert two_sample_p(np.array([0, 5000, 0, 0]), np.array([0, 195, 5, 0]), ordered=True) < 1e-4


def test_rare_levels_are_pooled_and_tested_exactly_by_a_hand_worked_rule():
    # 100 + 100 rows: a level needs 10 in both together. 3 + 4 + 6 are pooled to 13, so three columns remain.
    reference, current = np.array([50, 43, 3, 2, 2]), np.array([40, 54, 0, 2, 4])
    table = [[50, 43, 7], [40, 54, 6]]
    pooled = stats.chi2_contingency(table, correction=False, lambda_="cressie-read").pvalue
    exact = 2 * stats.fisher_exact([[7, 6], [93, 94]], alternative="greater").pvalue
    assert two_sample_p(reference, current) == pytest.approx(min(1, 2 * min(pooled, exact)))


def test_the_tail_keeps_its_level_too():
    # Alarms ask for p-values far below 5 %; a reference of 20,000 rows and eight levels, some of them rare.
    rng = np.random.default_rng(8)
    shares = np.array([0.4, 0.3, 0.2, 0.05, 0.03, 0.015, 0.004, 0.001])
    samples = zip(rng.multinomial(20_000, shares, 20_000), rng.multinomial(500, shares, 20_000), strict=True)
    rate = np.mean([two_sample_p(reference, current) <= 0.001 for reference, current in samples])
    assert is_right(rate, 0.001, 20_000), rate


@pytest.mark.parametrize(
    ("reference", "current"),
    [([0, 0], [3, 4]), ([3, 4], [0, 0]), ([900, 0], [50, 0]), ([1, 1], [1, 1])],
)
@pytest.mark.parametrize("ordered", [True, False])
def test_what_cannot_be_tested_has_p_one(reference, current, ordered):
    assert two_sample_p(np.array(reference), np.array(current), ordered=ordered) == 1.0


def test_columns_beside_each_other_have_the_p_values_that_each_has_alone():
    rng = np.random.default_rng(4)
    sizes = [int(size) for size in rng.integers(2, 23, 60)]
    shares = [rng.dirichlet(np.full(size, 0.4)) for size in sizes]
    before, after = ([rng.multinomial(rows, each) for each in shares] for rows in (2_000, 200))
    aligned, ordered = Aligned(sizes), rng.random(len(sizes)) < 0.5
    found = two_sample_ps(aligned.matrix(before), aligned.matrix(after), ordered)
    alone = [
        two_sample_p(a, b, ordered=bool(each)) for a, b, each in zip(before, after, ordered, strict=True)
    ]
    assert found == pytest.approx(alone, rel=1e-9)
    assert 0 < np.mean(found < 0.3) < 0.6


def test_counts_over_other_bins_are_refused():
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        two_sample_p(np.array([1, 2]), np.array([1, 2, 3]))
