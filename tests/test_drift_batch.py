"""Counting many short chunks at once is counting them one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modelspan.drift.batch import count_all
from modelspan.drift.feature import categorical_feature, numeric_feature

ODD = [np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 7000) | st.sampled_from([63, 64, 2039, 2040, 2041, 4081, 6120, 6121]),
    st.integers(1, 25),
    st.integers(1, 12),
    st.lists(st.sampled_from(ODD), max_size=6),
    st.integers(0, 2**32 - 1),
)
def test_it_counts_what_each_feature_counts(rows, wide, edges, odd, seed):
    rng = np.random.default_rng(seed)
    features = {
        f"f{i}": numeric_feature(f"f{i}", np.sort(rng.normal(size=edges)), np.ones(edges + 2, dtype=int))
        for i in range(wide)
    }
    values = {name: rng.normal(size=rows) for name in features}
    values["f0"][: len(odd)] = odd[:rows]
    features["job"] = categorical_feature("job", ["a"], np.ones(3, dtype=int))
    values["job"] = ["a", None]
    found = count_all(features, values)
    assert list(found) == list(features)
    for name, feature in features.items():
        assert found[name].tolist() == feature.count(values[name]).tolist()
