"""Laws of the distances, and the same numbers from scipy."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.spatial.distance import jensenshannon

from modelspan import semconv
from modelspan.drift.distances import (
    METHODS,
    PSEUDO_COUNT,
    bin_positions,
    chi_squared,
    g_test,
    hellinger,
    jensen_shannon,
    kl,
    ks,
    psi,
    total_variation,
    wasserstein,
)
from modelspan.drift.feature import numeric_feature
from modelspan.drift.homogeneity import LEAST_EXPECTED, _fisher, chi_squared_tail, pool, two_sample_p
from modelspan.drift.samples import Bins, Samples

SIZES = st.integers(2, 12)


def samples(bins, how_many=2, least=0):
    sample = hnp.arrays(np.int64, bins, elements=st.integers(least, 5000)).filter(lambda c: c.sum() > 0)
    return st.tuples(*[sample] * how_many)


pairs = SIZES.flatmap(samples)


def shares(counts, pseudo_count=0.0):
    return (counts + pseudo_count) / (counts + pseudo_count).sum()


@given(pairs)
def test_psi_is_symmetric_and_never_negative(pair):
    a, b = pair
    assert psi(a, b) >= 0
    assert psi(a, b) == pytest.approx(psi(b, a), rel=1e-9, abs=1e-12)


@given(pairs)
def test_every_distance_of_a_sample_from_itself_is_zero(pair):
    a, _ = pair
    positions = np.arange(a.size, dtype=float)
    found = [
        psi(a, a),
        kl(a, a),
        jensen_shannon(a, a),
        ks(a, a),
        total_variation(a, a),
        wasserstein(a, a, positions),
    ]
    assert found == pytest.approx([0] * 6, abs=1e-7)


@given(pairs)
def test_kl_is_scipys_entropy_of_current_from_reference(pair):
    a, b = pair
    expected = stats.entropy(shares(b, PSEUDO_COUNT), shares(a, PSEUDO_COUNT))
    assert kl(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(pairs)
def test_psi_is_the_sum_of_both_directions_of_kl(pair):
    a, b = pair
    assert psi(a, b) == pytest.approx(kl(a, b) + kl(b, a), rel=1e-9, abs=1e-12)


@given(pairs)
def test_jensen_shannon_is_scipys_distance_in_base_two(pair):
    a, b = pair
    expected = jensenshannon(shares(a, PSEUDO_COUNT), shares(b, PSEUDO_COUNT), base=2)
    # The root of a rounding error of 1e-16 is 1e-8: near zero no more digits exist.
    assert jensen_shannon(a, b) ** 2 == pytest.approx(np.nan_to_num(expected) ** 2, abs=1e-12)


@given(SIZES.flatmap(lambda bins: samples(bins, 3)))
def test_jensen_shannon_is_a_metric(three):
    a, b, c = three
    assert 0 <= jensen_shannon(a, b) <= 1
    assert jensen_shannon(a, c) <= jensen_shannon(a, b) + jensen_shannon(b, c) + 1e-7


@given(pairs, st.integers(2, 50))
def test_ks_and_total_variation_know_shares_only(pair, factor):
    a, b = pair
    assert ks(a * factor, b) == pytest.approx(ks(a, b), abs=1e-12)
    assert total_variation(a * factor, b) == pytest.approx(total_variation(a, b), abs=1e-12)


@given(pairs, st.randoms(use_true_random=False))
def test_total_variation_is_the_largest_ks_over_the_orders_of_the_bins(pair, random):
    a, b = pair
    falling = np.argsort(shares(a) - shares(b))
    assert ks(a[falling], b[falling]) == pytest.approx(total_variation(a, b), abs=1e-12)
    order = random.sample(range(a.size), a.size)
    assert ks(a[order], b[order]) <= total_variation(a, b) + 1e-12


raw = hnp.arrays(np.float64, st.integers(5, 200), elements=st.floats(-100, 100))


@given(raw, raw, hnp.arrays(np.float64, st.integers(1, 19), elements=st.floats(-90, 90), unique=True))
def test_ks_on_bins_never_exceeds_scipys_ks_on_the_raw_values(a, b, edges):
    feature = numeric_feature("x", np.sort(edges), np.zeros(edges.size + 2, dtype=np.int64))
    assert ks(feature.count(a), feature.count(b)) <= stats.ks_2samp(a, b, method="asymp").statistic + 1e-12


@given(raw, raw)
def test_ks_on_bins_equals_scipys_when_every_value_is_an_edge(a, b):
    edges = np.unique(np.concatenate((a, b)))
    feature = numeric_feature("x", edges, np.zeros(edges.size + 2, dtype=np.int64))
    expected = stats.ks_2samp(a, b, method="asymp").statistic
    assert ks(feature.count(a), feature.count(b)) == pytest.approx(expected, abs=1e-12)


@given(
    SIZES.flatmap(
        lambda bins: st.tuples(
            samples(bins), hnp.arrays(float, bins, elements=st.floats(-1e6, 1e6), unique=True)
        )
    )
)
def test_wasserstein_is_scipys_with_counts_as_weights(drawn):
    (a, b), positions = drawn
    positions = np.sort(positions)
    expected = stats.wasserstein_distance(positions, positions, a, b)
    assert wasserstein(a, b, positions) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(SIZES.flatmap(lambda bins: samples(bins, 2, least=1)))
def test_p_is_scipys_when_no_bin_is_rare(pair):
    a, b = (np.asarray(counts) + 5 for counts in pair)
    expected = stats.contingency.expected_freq(np.array((a, b)))
    assume(expected.min() >= LEAST_EXPECTED)
    assert two_sample_p(a, b) == pytest.approx(
        stats.chi2_contingency((a, b), correction=False, lambda_="cressie-read").pvalue, rel=1e-6, abs=1e-200
    )
    assert two_sample_p(a, b, ordered=True) == pytest.approx(two_sample_p(a, b), rel=1e-9)


@given(st.floats(0, 3000), st.integers(1, 101))
@example(1464.0, 36)
@example(1490.0, 101)
@example(0.0, 2)
@example(5e-324, 2)
def test_the_chi_squared_tail_is_scipys(statistic, freedom):
    expected = stats.chi2.sf(statistic, freedom)
    assert chi_squared_tail(np.array([statistic]), np.array([freedom]))[0] == pytest.approx(
        expected, rel=1e-9, abs=1e-300
    )


def pooled_alone(table, least, *, ordered):
    """The pooled bins of one column, shape ``(2, bins left)``."""
    pooled, freedom = pool(table[:, None], np.array([least]), np.array([ordered]))
    return pooled[:, 0, : int(freedom[0]) + 1]


@given(pairs, st.floats(1, 20_000), st.booleans())
@settings(max_examples=300)
def test_pooling_keeps_all_rows_in_columns_that_are_large_enough_or_one(pair, least, ordered):
    table = np.array(pair, dtype=float)
    pooled = pooled_alone(table, least, ordered=ordered)
    assert pooled.sum(axis=1) == pytest.approx(table.sum(axis=1))
    assert pooled.shape[1] == 1 or (pooled.sum(axis=0) >= least).all()


@given(pairs, st.floats(1, 20_000))
def test_pooling_never_joins_two_large_levels(pair, least):
    table = np.array(pair, dtype=float)
    large = int((table.sum(axis=0) >= least).sum())
    assert pooled_alone(table, least, ordered=False).shape[1] >= large


@given(pairs, st.floats(1, 20_000))
def test_numbers_are_pooled_with_their_neighbours(pair, least):
    table = np.array(pair, dtype=float)
    around = np.roll(table, 1, axis=1)  # `(missing)` counts as the neighbour of the least values
    pooled = np.cumsum(pooled_alone(table, least, ordered=True), axis=1)
    whole = np.cumsum(around, axis=1)
    assert all(any(np.array_equal(column, other) for other in whole.T) for column in pooled.T)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 3000), st.integers(0, 3000))
def test_the_exact_test_is_twice_scipys_smaller_tail(reference, current, more_reference, more_current):
    before, after = reference + more_reference, current + more_current
    assume(before and after)
    table = [[current, reference], [after - current, before - reference]]
    tail = min(stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater"))
    found = _fisher(np.array([reference, current]), np.array([before, after]))
    assert found == pytest.approx(min(2 * tail, 1), rel=1e-6, abs=1e-290)


@given(pairs)
def test_p_is_a_probability_and_symmetric_whatever_the_counts(pair):
    a, b = pair
    for ordered in (True, False):
        p = two_sample_p(a, b, ordered=ordered)
        assert 0 <= p <= 1
        assert p == pytest.approx(two_sample_p(b, a, ordered=ordered), rel=1e-9, abs=1e-300)


@given(
    hnp.arrays(
        np.float64, st.integers(1, 20), elements=st.floats(allow_nan=False, allow_infinity=False), unique=True
    )
)
def test_every_bin_stands_inside_itself(edges):
    edges = np.sort(edges)
    positions = bin_positions(edges)
    assert positions.size == edges.size + 1
    assert (positions[:-1] <= edges).all()
    assert (positions[1:] >= edges).all()


@pytest.mark.parametrize("distance", [psi, kl, jensen_shannon, ks, total_variation])
def test_an_empty_sample_or_other_bins_are_refused(distance):
    some, none = np.array([1, 2]), np.array([0, 0])
    with pytest.raises(ValueError, match="at least one row"):
        distance(some, none)
    with pytest.raises(ValueError, match="at least one row"):
        distance(none, some)
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        distance(some, np.array([1, 2, 3]))


def test_psi_of_a_hand_worked_example():
    # shares 0.5, 0.5 and 0.9, 0.1: (0.5 - 0.9) ln(5/9) + (0.5 - 0.1) ln 5 = 0.4 ln 9
    assert psi(np.array([50, 50]), np.array([90, 10]), pseudo_count=0) == pytest.approx(0.4 * np.log(9))


def test_wasserstein_between_the_largest_floats_is_the_largest_float():
    huge = np.finfo(float).max
    assert wasserstein(np.array([1, 0]), np.array([0, 1]), np.array([-huge, huge])) == huge


@given(pairs)
def test_hellinger_is_the_euclidean_distance_of_the_roots(pair):
    a, b = pair
    expected = np.linalg.norm(np.sqrt(shares(a)) - np.sqrt(shares(b))) / np.sqrt(2)
    assert hellinger(a, b) == pytest.approx(min(expected, 1), abs=1e-12)
    assert hellinger(a, b) == pytest.approx(hellinger(b, a), abs=1e-12)
    assert hellinger(a, b) ** 2 <= total_variation(a, b) + 1e-12, "Le Cam's inequality"


@given(pairs)
def test_chi_squared_and_g_are_scipys_over_the_bins_that_are_not_empty(pair):
    a, b = pair
    table = np.array(pair)[:, (a + b) > 0]
    for ours, kind in ((chi_squared(a, b), None), (g_test(a, b), "log-likelihood")):
        if table.shape[1] == 1:
            assert ours == pytest.approx((0, 1), abs=1e-9)
        else:
            expected = stats.chi2_contingency(table, correction=False, lambda_=kind)
            assert ours[0] == pytest.approx(expected.statistic, rel=1e-6, abs=1e-6)
            assert ours[1] == pytest.approx(expected.pvalue, rel=1e-4, abs=1e-200)


@given(pairs, st.randoms(use_true_random=False))
def test_distances_of_shares_do_not_see_the_order_of_the_bins(pair, random):
    a, b = pair
    order = random.sample(range(a.size), a.size)
    for distance in (psi, kl, jensen_shannon, hellinger, total_variation):
        assert distance(a[order], b[order]) == pytest.approx(distance(a, b), rel=1e-9, abs=1e-7)


@given(pairs, st.integers(2, 9))
def test_distances_of_shares_without_pseudo_count_know_shares_only(pair, factor):
    a, b = pair
    assert hellinger(a * factor, b) == pytest.approx(hellinger(a, b), abs=1e-7)
    plain = jensen_shannon(a, b, pseudo_count=0)
    assert jensen_shannon(a * factor, b, pseudo_count=0) == pytest.approx(plain, abs=1e-7)
    assert plain == pytest.approx(np.nan_to_num(jensenshannon(a, b, base=2)), abs=1e-7)


@given(pairs, st.floats(1e-3, 1e3))
def test_wasserstein_scales_with_the_unit_of_the_feature(pair, unit):
    a, b = pair
    positions = np.cumsum(np.arange(1.0, a.size + 1))
    expected = unit * wasserstein(a, b, positions)
    assert wasserstein(a, b, positions * unit) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.lists(pairs, min_size=1, max_size=6))
def test_many_features_at_once_are_each_on_its_own(several):
    positions = [np.arange(a.size, dtype=float) if at % 2 else None for at, (a, _) in enumerate(several)]
    bins = Bins([a.size for a, _ in several], positions)
    together = Samples(*(np.concatenate(side) for side in zip(*several, strict=True)), bins)
    for at, (a, b) in enumerate(several):
        alone = Samples(a, b, Bins([a.size], [positions[at]]))
        for method in METHODS:
            assert getattr(together, method)[at] == pytest.approx(
                getattr(alone, method)[0], abs=1e-7, rel=1e-6
            )


def test_the_wire_names_every_method():
    listed = semconv.ATTRIBUTES[semconv.DRIFT_METHOD]
    assert [name for name in METHODS if name not in listed.replace(".", "").replace(",", "").split()] == []
