"""A window holds the last rows, in whole panes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelspan.drift.feature import numeric_feature
from modelspan.drift.window import Window

FEATURE = numeric_feature("x", np.array([0.0]), np.array([5, 5, 0]))


def rows(count, bin_=0):
    counts = np.zeros(3, dtype=np.int64)
    counts[bin_] = count
    return counts


def test_a_window_is_full_at_its_size_and_stays_so():
    window = Window(FEATURE, rows=100, panes=10)
    for seen in range(1, 500):
        window.add(rows(1))
        assert window.full == (seen >= 100)
        assert window.rows == (seen if seen < 110 else 100 + seen % 10)


def test_old_rows_leave_and_new_ones_stay():
    window = Window(FEATURE, rows=100, panes=10)
    for _ in range(100):
        window.add(rows(1, 0))
    for _ in range(100):
        window.add(rows(1, 1))
    assert window.counts.tolist() == [0, 100, 0]
    assert window.counts.dtype == np.int64


def test_a_large_call_replaces_all_older_rows():
    window = Window(FEATURE, rows=100, panes=10)
    window.add(rows(50, 0))
    window.add(rows(5000, 1))
    assert window.counts.tolist() == [0, 5000, 0]


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 12))
def test_a_full_window_holds_the_smallest_recent_past_that_fills_it(calls, panes):
    window = Window(FEATURE, rows=120, panes=panes)
    for position, count in enumerate(calls):
        window.add(rows(count, position % 3))
        held = window.rows
        assert held == window.counts.sum()
        assert held == sum(calls[: position + 1]) or held >= 120
        assert held < 120 + 120 / panes + max(calls)


@given(st.lists(st.integers(0, 90), max_size=80))
def test_windows_counts_full_windows_without_common_rows(calls):
    window = Window(FEATURE, rows=100, panes=4)
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
    window = Window(FEATURE, rows=10, panes=1)
    window.add(rows(3))
    window.counts[0] = 99
    assert window.counts.tolist() == [3, 0, 0]


@pytest.mark.parametrize(("size", "panes"), [(0, 1), (10, 0), (5, 10)])
def test_a_window_without_a_row_per_pane_is_refused(size, panes):
    with pytest.raises(ValueError, match="a pane needs a row"):
        Window(FEATURE, rows=size, panes=panes)
