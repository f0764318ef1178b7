"""Counting many columns at once is what a binary search finds in each of them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modelspan.drift.batch import count_all
from modelspan.drift.feature import categorical_feature, numeric_feature

ODD = [np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0]


@settings(deadline=None, max_examples=80)
@given(
    st.integers(1, 7000) | st.sampled_from([2039, 2040, 2041, 4081, 101_999, 102_000, 102_001, 131_072]),
    st.integers(1, 8),
    st.integers(0, 12) | st.just(40),
    st.lists(st.sampled_from(ODD), max_size=6),
    st.integers(0, 2**32 - 1),
)
def test_it_counts_what_each_feature_counts(rows, wide, edges, odd, seed):
    rng = np.random.default_rng(seed)
    features = {
        f"f{i}": numeric_feature(f"f{i}", np.sort(rng.normal(size=edges)), np.ones(edges + 2, dtype=int))
        for i in range(wide)
    }
    types = ["f8", "f4", "i8", "u1", "f2"]
    values = {f"f{i}": rng.normal(0, 2, size=rows).astype(types[i % 5]) for i in range(wide)}
    values["f0"][: len(odd)] = odd[:rows]
    features["job"] = categorical_feature("job", ["a"], np.ones(3, dtype=int))
    values["job"] = ["a", None]
    found = count_all(features, values)
    assert list(found) == list(features)
    for name, feature in features.items():
        assert found[name].tolist() == feature.count(values[name]).tolist() == searched(feature, values[name])


def searched(feature, values):
    """Counts by numpy's binary search, one column at a time; of categories as they are."""
    if feature.kind == "categorical":
        return [1, 0, 1]
    finite = values[np.isfinite(values)].astype(float)
    counts = np.bincount(np.searchsorted(feature.edges, finite), minlength=feature.edges.size + 1)
    return [*counts.tolist(), values.size - finite.size]
