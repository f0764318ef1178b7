"""Counting: every value lands in one bin, fast, and no code of a value runs."""

import datetime as dt
import decimal
import enum
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelspan.drift.feature import FeatureReference, categorical_feature, numeric_feature


def numeric(*edges):
    return numeric_feature("x", np.array(edges, dtype=float), np.zeros(len(edges) + 2, dtype=np.int64))


def categorical(*levels):
    return categorical_feature("x", levels, np.zeros(len(levels) + 2, dtype=np.int64))


def explode(*_args, **_kwargs):
    raise RuntimeError("code of a user's object ran")


MAGIC = [
    "__str__",
    "__repr__",
    "__eq__",
    "__ne__",
    "__hash__",
    "__lt__",
    "__bool__",
    "__len__",
    "__iter__",
    "__getattr__",
    "__float__",
    "__int__",
    "__index__",
    "__array__",
    "__format__",
    "__bytes__",
    "__getitem__",
]
Hostile = type("Hostile", (), {**dict.fromkeys(MAGIC, explode), "__class__": property(explode)})
HostileMeta = type(
    "HostileMeta", (type,), dict.fromkeys(("__eq__", "__hash__", "__instancecheck__"), explode)
)
OfHostileClass = HostileMeta("OfHostileClass", (), {})
HOSTILE = [
    Hostile(),
    OfHostileClass(),
    [1, 2],
    {"a": 1},
    object(),
    1j,
    decimal.Decimal(1),
    dt.date(2026, 1, 1),
]

values = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.uint16]), st.integers(0, 300)
)
edge_sets = hnp.arrays(np.float64, st.integers(1, 19), elements=st.floats(-300, 300), unique=True).map(
    np.sort
)


@given(values, edge_sets)
def test_numbers_land_in_the_bins_that_a_binary_search_finds(array, edges):
    finite = array[np.isfinite(array)]
    expected = np.bincount(np.searchsorted(edges, finite, side="left"), minlength=edges.size + 1)
    counts = numeric(*edges).count(array)
    assert counts[:-1].tolist() == expected.tolist()
    assert counts[-1] == array.size - finite.size


@given(values, edge_sets)
def test_a_list_counts_like_the_array_it_came_from(array, edges):
    assert numeric(*edges).count(array.tolist()).tolist() == numeric(*edges).count(array).tolist()


@given(
    st.lists(st.floats() | st.none() | st.text(max_size=3) | st.integers() | st.booleans()),
    st.integers(0, 40),
)
def test_counts_of_parts_add_up_to_the_counts_of_the_whole(items, cut):
    for feature in (numeric(0, 10), categorical("", "a", "True", "1")):
        whole = feature.count(items)
        assert whole.sum() == len(items)
        assert (feature.count(items[:cut]) + feature.count(items[cut:])).tolist() == whole.tolist()


def test_an_edge_belongs_to_the_bin_below_it():
    assert numeric(1, 2).count([1.0, 2.0]).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    "absent",
    [
        None,
        float("nan"),
        np.nan,
        np.float32("nan"),
        pd.NA,
        pd.NaT,
        np.datetime64("NaT"),
        np.timedelta64("NaT"),
    ],
)
def test_every_kind_of_missing_is_missing(absent):
    assert numeric(0).count([absent]).tolist() == [0, 0, 1]
    assert categorical("a").count([absent]).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "absent", [float("inf"), -float("inf"), 10**400, -(10**400), "12.5", b"1", np.longdouble("1e4000")]
)
def test_what_is_no_finite_number_is_missing_in_a_numeric_column(absent):
    assert numeric(0).count([absent, 5.0]).tolist() == [0, 1, 1]


@pytest.mark.parametrize("position", range(len(HOSTILE)))  # pytest itself would run code of the values
def test_a_hostile_value_is_counted_without_running_its_code_and_spares_its_neighbours(position):
    value = HOSTILE[position]
    assert numeric(0).count([1.0, value, -1.0]).tolist() == [1, 1, 1]
    assert categorical("a").count(["a", value, None]).tolist() == [1, 1, 1]
    array = np.empty(2, dtype=object)
    array[0], array[1] = value, "a"
    assert categorical("a").count(array).tolist() == [1, 1, 0]


def test_subclasses_of_builtins_are_read_without_their_own_code():
    text, whole, real, raw = (
        type(
            "Own",
            (base,),
            dict.fromkeys(("__str__", "__repr__", "__eq__", "__hash__", "__getitem__"), explode),
        )
        for base in (str, int, float, bytes)
    )
    assert (
        categorical("a", "7", "0.5", "b").count([text("a"), whole(7), real(0.5), raw(b"b")]).tolist()
        == [1] * 4 + [0] * 2
    )
    assert numeric(1).count([whole(7), real(0.5)]).tolist() == [1, 1, 0]


def test_numpy_scalars_and_enums_count_like_plain_values():
    colour = enum.StrEnum("Colour", ["RED"])
    feature = categorical("red", "3", "2.5", "True")
    assert feature.count([colour.RED, np.str_("red"), np.int8(3), np.float32(2.5), np.True_]).tolist() == [
        2,
        1,
        1,
        1,
        0,
        0,
    ]
    assert numeric(0).count([np.float32(1), np.int64(-1), np.True_, np.longdouble(3), 2**70]).tolist() == [
        1,
        4,
        0,
    ]


def test_whole_floats_are_the_level_of_their_integer():
    assert categorical("1", "2").count([1, 1.0, 2.0, np.float64(2)]).tolist() == [2, 2, 0, 0]


def test_dates_are_not_mistaken_for_numbers():
    dates = np.array(["2026-01-01", "NaT"], dtype="datetime64[ns]")
    assert numeric(0).count(dates).tolist() == [0, 0, 2]
    assert categorical("a").count(dates).tolist() == [0, 1, 1]
    assert numeric(0).count([np.timedelta64(5, "s"), np.datetime64("2026-01-01")]).tolist() == [0, 0, 2]
    assert categorical("5").count([np.timedelta64(5, "s")]).tolist() == [0, 1, 0]


def test_a_text_too_long_for_a_category_is_other_and_never_hashed():
    longest, longer = "a" * 100, "a" * 101
    feature = categorical(longest, longer)
    assert feature.count([longest, longer, longest.encode(), b"a" * 9999]).tolist() == [2, 0, 2, 0]
    huge = "a" * 70_000_000
    started = time.perf_counter()
    feature.count([huge])
    counted = time.perf_counter()
    hash(huge)
    assert counted - started < (time.perf_counter() - counted) / 2


def test_counting_a_hundred_thousand_floats_touches_no_python_value():
    feature = numeric(*range(-5, 5))
    array = np.random.default_rng(1).normal(size=100_000)
    started = time.perf_counter()
    feature.count(array)
    took = time.perf_counter() - started
    started = time.perf_counter()
    [value > 0 for value in array]
    assert took < time.perf_counter() - started


def test_labels_are_short_unique_and_readable():
    assert numeric(12.5, 20, 40).labels == ("≤ 12.5", "12.5 – 20", "20 – 40", "> 40", "(missing)")  # noqa: RUF001
    assert numeric(1 / 3, 13565.5, 2e9).labels[0] == "≤ 0.3333"
    assert numeric(1.00001, 1.00002).labels == ("≤ 1.00001", "1.00001 – 1.00002", "> 1.00002", "(missing)")  # noqa: RUF001
    assert numeric(13565.5).labels[0] == "≤ 13566"


@given(edge_sets)
def test_numeric_labels_are_unique(edges):
    assert len(set(numeric(*edges).labels)) == edges.size + 2


@given(st.lists(st.text(max_size=5), unique=True, max_size=20))
def test_level_labels_are_unique_and_can_be_encoded(levels):
    labels = categorical(*levels).labels
    assert len(set(labels)) == len(levels) + 2
    assert all(label.isprintable() and label for label in labels)
    "".join(labels).encode()


def test_a_level_that_reads_like_a_special_label_is_numbered():
    assert categorical("(missing)", "", "\n", "\ud800").labels == (
        "(missing) (2)", "(empty)", "�", "� (2)", "(other)", "(missing)",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": np.array([1, 2])}, "3 bins"),
        ({"labels": ("a", "a", "b")}, "unique labels"),
        ({"counts": np.array([1, -2, 0])}, "negative"),
        ({"edges": np.array([np.nan])}, "strictly increasing"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    parts = {"edges": np.array([0.0]), "labels": ("a", "b", "c"), "counts": np.array([1, 2, 0])}
    with pytest.raises(ValueError, match=message):
        FeatureReference(name="x", kind="numeric", levels=(), **(parts | changes))
