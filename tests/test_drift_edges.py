"""Edges: equal counts where the data allow, atoms alone, always between values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelspan.drift.edges import choose_edges

finite = st.floats(allow_nan=False, allow_infinity=False)


def counts(values, edges):
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=edges.size + 1)


@given(
    hnp.arrays(np.float64, st.integers(0, 200), elements=finite | st.sampled_from([0.0, 1.0, 2.0])),
    st.integers(2, 20),
)
def test_edges_are_finite_increasing_and_close_at_most_that_many_bins(values, bins):
    edges = choose_edges(values, bins)
    assert np.isfinite(edges).all()
    assert (edges[1:] > edges[:-1]).all()
    assert 1 <= edges.size <= bins + 1


@given(hnp.arrays(np.float64, st.integers(2, 200), elements=finite), st.integers(2, 20))
def test_two_different_values_are_never_all_in_one_bin(values, bins):
    if np.unique(values).size > 1:
        assert np.count_nonzero(counts(values, choose_edges(values, bins))) > 1


@pytest.mark.parametrize("bins", [2, 3, 10, 20])
def test_distinct_values_are_shared_equally(bins):
    values = np.random.default_rng(3).normal(size=997)
    found = counts(values, choose_edges(values, bins))
    assert found.size == bins + 2
    assert found[0] == found[-1] == 0, "nothing is out of the range of the values themselves"
    assert np.ptp(found[1:-1]) <= 1


def test_edges_lie_in_the_middle_between_values_and_outside_of_them():
    assert choose_edges(np.arange(1.0, 13.0), 3).tolist() == [0.5, 4.5, 8.5, 12.5]


def test_an_edge_is_the_shortest_number_in_the_middle_half_of_its_gap():
    assert choose_edges(np.array([1.0, 2.71828, 3.14159, 7.0]), 2)[1] == 3.0
    values = np.random.default_rng(8).normal(size=2000)
    assert max(len(repr(edge)) for edge in choose_edges(values, 10).tolist()) <= 9


@given(
    hnp.arrays(np.float64, st.integers(2, 100), elements=st.integers(-(10**6), 10**6).map(float)),
    st.integers(2, 20),
)
def test_no_value_is_out_of_its_own_range(values, bins):
    found = counts(values, choose_edges(values, bins))
    if np.unique(values).size > 1:
        assert found[0] == found[-1] == 0


def test_values_that_lost_digits_on_their_way_stay_in_their_bin():
    values = np.random.default_rng(4).integers(0, 100, 5000) / 10
    edges = choose_edges(values, 10)
    assert counts(values.astype(np.float32), edges).tolist() == counts(values, edges).tolist()


def test_a_frequent_value_has_a_bin_of_its_own_and_the_others_share_the_rest():
    rng = np.random.default_rng(5)
    values = np.concatenate((np.zeros(9000), rng.exponential(size=900) + 0.1))
    found = counts(values, choose_edges(values, 10))
    assert found.tolist() == [0, 9000, *[100] * 9, 0]
    middle = np.concatenate((rng.uniform(-2, -1, 500), np.zeros(1000), rng.uniform(1, 2, 500)))
    assert counts(middle, choose_edges(middle, 8)).max() == 1000


def test_few_values_have_a_bin_each_and_the_range_is_closed():
    assert choose_edges(np.array([0.0, 1.0, 1.0, 0.0]), 10).tolist() == [-0.5, 0.5, 1.5]


@pytest.mark.parametrize(
    ("constant", "moved"),
    [(5.0, 5.1), (5.0, 4.9), (2024.0, 2025.0), (0.0, 0.01), (-3.0, 3.0), (1e300, 1.1e300), (1e-9, 2e-9)],
)
def test_a_constant_that_moves_is_seen(constant, moved):
    edges = choose_edges(np.full(50, constant), 10)
    assert edges.size == 2
    assert np.searchsorted(edges, constant) == 1
    assert np.searchsorted(edges, moved) != 1


def test_a_constant_at_the_end_of_the_floats_keeps_an_edge():
    assert choose_edges(np.full(9, np.finfo(float).max), 10).size == 1


def test_no_values_give_one_edge():
    assert choose_edges(np.empty(0), 10).tolist() == [0.0]
