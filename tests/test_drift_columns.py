"""Columns of objects in a data frame: texts that share objects are coded, and it makes no difference."""

import numpy as np
import pandas as pd
import pytest

from modelspan.drift.coded import Coded
from modelspan.drift.columns import read_columns
from modelspan.drift.reference import Reference

RNG = np.random.default_rng(1)
TEXTS = np.array(["cook", "smith", "x" * 150, None, float("nan")], dtype=object)[RNG.integers(0, 5, 3000)]


def column(values):
    columns, _ = read_columns(pd.DataFrame({"x": pd.Series(values, dtype=object)}))
    return columns["x"]


def test_texts_that_share_objects_are_coded_and_count_like_a_list():
    assert isinstance(column(TEXTS), Coded)
    feature = Reference.build({"x": TEXTS.tolist()}).features["x"]
    assert feature.kind == "categorical"
    assert feature.count(column(TEXTS)).tolist() == feature.count(TEXTS.tolist()).tolist()


@pytest.mark.parametrize("rows", [0, 1, 3, 2999])
def test_a_part_of_them_counts_too(rows):
    feature = Reference.build({"x": TEXTS.tolist()}).features["x"]
    frame = pd.DataFrame({"x": pd.Series(TEXTS[::-1], dtype=object)})[:rows]
    if rows:
        found, _ = read_columns(frame)
        assert feature.count(found["x"]).tolist() == feature.count(TEXTS[::-1][:rows].tolist()).tolist()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2] * 1000, "integer"),
        ([1.5, None, 2.5] * 1000, "numeric"),
        ([True, False] * 1000, "boolean"),
        (["a", 1] * 1000, "categorical"),
        ([pd.Timestamp("2026-01-01"), pd.Timestamp("2026-02-01")] * 1000, "datetime"),
    ],
)
def test_other_objects_that_are_shared_keep_their_kind(values, kind):
    frame = pd.DataFrame({"x": pd.Series(values, dtype=object)})
    (first, *_) = Reference.build(frame).features.values()
    assert first.kind == kind


def test_a_report_is_the_same_for_categories_text_and_objects():
    levels = [f"level {i}" for i in range(60)]
    codes = np.minimum(RNG.zipf(1.3, (2, 8000)) - 1, 59)
    before, after = (pd.DataFrame({"c": pd.Categorical.from_codes(each, levels)}) for each in codes)
    reference = Reference.build(before)
    shared = after.astype({"c": object})
    apart = after.astype({"c": "str"}).astype({"c": object})
    assert isinstance(column(shared["c"]), Coded)
    assert not isinstance(column(apart["c"]), Coded)
    frames = (after, after.astype({"c": "str"}), shared, apart)
    first, *others = [reference.compare(each).to_dict() for each in frames]
    assert others == [first] * 3
