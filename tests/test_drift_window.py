"""A window holds the last rows, in whole panes."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelspan.drift.feature import numeric_feature
from modelspan.drift.window import Windows

FEATURES = {"x": numeric_feature("x", np.array([0.0]), np.array([5, 5, 0]))}


def rows(count, bin_=0):
    counts = np.zeros(3, dtype=np.int64)
    counts[bin_] = count
    return {"x": counts}


def test_a_window_is_full_at_its_size_and_stays_so():
    window = Windows(FEATURES, rows=100, panes=10)
    for seen in range(1, 500):
        window.add(rows(1))
        assert window.full == (seen >= 100)
        assert window.rows == (seen if seen < 110 else 100 + seen % 10)


def test_old_rows_leave_and_new_ones_stay():
    window = Windows(FEATURES, rows=100, panes=10)
    for _ in range(100):
        window.add(rows(1, 0))
    for _ in range(100):
        window.add(rows(1, 1))
    assert window.counts.tolist() == [0, 100, 0]
    assert window.counts.dtype == np.int64


def test_a_large_call_replaces_all_older_rows():
    window = Windows(FEATURES, rows=100, panes=10)
    window.add(rows(50, 0))
    window.add(rows(5000, 1))
    assert window.counts.tolist() == [0, 5000, 0]


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 12))
def test_a_full_window_holds_the_smallest_recent_past_that_fills_it(calls, panes):
    window = Windows(FEATURES, rows=120, panes=panes)
    for position, count in enumerate(calls):
        window.add(rows(count, position % 3))
        held = window.rows
        assert held == window.counts.sum()
        assert held == sum(calls[: position + 1]) or held >= 120
        assert held <= 120 + 120 / panes + max(calls)


@given(st.lists(st.integers(0, 90), max_size=80))
def test_windows_counts_full_windows_without_common_rows(calls):
    window = Windows(FEATURES, rows=100, panes=4)
    looked_at, seen, done = 0, 0, 0
    for count in calls:
        window.add(rows(count))
        seen += count
        if window.windows > done:
            done = window.windows
            assert 100 <= window.rows <= seen - looked_at, "no row of an earlier look"
            looked_at = seen
    assert seen - looked_at < 100 + 25 + 90


def test_the_counts_are_a_copy():
    window = Windows(FEATURES, rows=10, panes=1)
    window.add(rows(3))
    window.counts[0] = 99
    assert window.counts.tolist() == [3, 0, 0]


@pytest.mark.parametrize(("size", "panes"), [(0, 1), (10, 0), (5, 10)])
def test_a_window_without_a_row_per_pane_is_refused(size, panes):
    with pytest.raises(ValueError, match="a pane needs a row"):
        Windows(FEATURES, rows=size, panes=panes)


def test_features_share_their_time_and_keep_their_own_counts():
    more = {**FEATURES, "y": numeric_feature("y", np.array([0.0, 1.0]), np.ones(4, dtype=int))}
    windows = Windows(more, rows=100)
    for _ in range(12):
        windows.add({"x": np.array([10, 0, 0]), "y": np.array([0, 2, 3, 0])})
    assert (windows.rows, windows.windows) == (120, 1)
    assert windows.of("x").tolist() == [120, 0, 0]
    assert windows.of("y").tolist() == [0, 24, 36, 0]
    assert windows.counts.tolist() == [120, 0, 0, 0, 24, 36, 0]


def test_a_feature_and_window_take_at_most_512_bytes():
    features = {f"f{i}": numeric_feature(f"f{i}", np.arange(19.0), np.ones(21, dtype=int)) for i in range(30)}
    shared = Windows(features, rows=1000)
    tracemalloc.start()
    held = [Windows(features, rows=1000, bins=shared.bins) for _ in range(50)]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size / 50 / len(held[0].names) <= 512
