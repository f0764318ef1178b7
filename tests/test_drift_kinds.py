"""Kinds of columns: told from their values, counted by what can be counted of them."""

import datetime as dt
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from modelspan.drift import parts
from modelspan.drift.arrow import Text
from modelspan.drift.columns import read_columns
from modelspan.drift.feature import categorical_feature
from modelspan.drift.reference import Reference
from modelspan.errors import ConfigError

ROWS = 600


def columns(seed=1):
    rng = np.random.default_rng(seed)
    words = rng.choice(["late", "payment", "again", "thanks", "please"], (ROWS, 9))
    start = np.datetime64("2026-01-05T00:00:00", "us")
    return {
        "ratio": rng.normal(size=ROWS),
        "age": rng.integers(18, 80, ROWS),
        "flag": rng.random(ROWS) < 0.3,
        "job": rng.choice(["cook", "smith"], ROWS),
        "when": start + rng.integers(0, 7 * 86_400_000_000, ROWS).astype("timedelta64[us]"),
        "note": [" ".join(row) for row in words],
        "face": rng.normal(size=(ROWS, 16)),
    }


KINDS = {
    "ratio": "numeric", "age": "integer", "flag": "boolean", "job": "categorical", "when.hour": "datetime",
    "when.weekday": "datetime", "when.month": "datetime", "note.length": "text", "face.norm": "embedding",
    "face.p1": "embedding", "face.p2": "embedding", "face.p3": "embedding",
}  # fmt: skip


def as_lists(data):
    return {name: list(values) for name, values in data.items()}


def as_polars(data):
    plain = {
        name: values.tolist() if isinstance(values, np.ndarray) else values for name, values in data.items()
    }
    return pl.DataFrame({**plain, "when": data["when"]})


def as_frame(data):
    return pd.DataFrame({**data, "face": list(data["face"])})


def as_arrow(data):
    face = pa.FixedSizeListArray.from_arrays(pa.array(data["face"].reshape(-1)), 16)
    return pa.table({**{n: pa.array(v) for n, v in data.items() if n != "face"}, "face": face})


@pytest.mark.parametrize(
    "form", [dict, as_lists, as_frame, lambda data: as_frame(data).convert_dtypes(), as_arrow,
             as_polars],
    ids=["arrays", "lists", "pandas", "nullable", "arrow", "polars"],
)  # fmt: skip
def test_every_library_shows_the_same_kinds_counts_and_fingerprint(form):
    expected, found = Reference.build(columns()), Reference.build(form(columns()))
    assert {name: feature.kind for name, feature in found.features.items()} == KINDS
    for name, feature in found.features.items():
        assert feature.same_bins(expected.features[name])
        assert feature.counts.tolist() == expected.features[name].counts.tolist()
    assert found.fingerprint == expected.fingerprint


def test_all_kinds_survive_the_file_and_the_pickle(tmp_path):
    reference = Reference.build(columns(), prediction=["good", "bad"] * (ROWS // 2), score=[0.1, 0.9] * 300)
    reference.save(tmp_path / "ref.json")
    loaded = Reference.load(tmp_path / "ref.json")
    current = columns(2)
    before, after = reference.compare(current), loaded.compare(current)
    assert before.to_dict() == after.to_dict()
    assert loaded.prediction.levels == reference.prediction.levels
    assert (tmp_path / "ref.json").stat().st_size < 1024 * len(columns())


def test_dates_count_by_hour_weekday_and_month_from_whatever_form():
    utc = dt.datetime(2026, 3, 2, 23, 30, tzinfo=dt.UTC)
    paris = utc.astimezone(zoneinfo.ZoneInfo("Europe/Paris"))
    forms = [
        utc, paris, pd.Timestamp(utc), np.datetime64("2026-03-02T23:30"), "2026-03-02T23:30:00Z",
        "2026-03-03T00:30:00+01:00", dt.datetime(2026, 3, 2, 23, 30),  # noqa: DTZ001 - as it stands
    ]  # fmt: skip
    for form in forms:
        for part, expected in (("hour", 23), ("weekday", 0), ("month", 2)):
            assert parts.calendar([form], part).tolist() == [expected], form
    odd = [None, pd.NaT, float("nan"), "yesterday", 1772494200, dt.date(2026, 3, 2)]
    assert parts.calendar(odd, "weekday").tolist() == [-1, -1, -1, -2, -2, 0]


def test_weekdays_are_those_of_the_standard_library():
    days = [dt.date(1960, 1, 1) + dt.timedelta(days=97 * step) for step in range(400)]
    assert parts.calendar(days, "weekday").tolist() == [day.weekday() for day in days]
    assert parts.calendar(days, "month").tolist() == [day.month - 1 for day in days]


class Zone(dt.tzinfo):
    def utcoffset(self, _when):
        raise RuntimeError("code of a user's object ran")


def test_a_zone_of_unknown_make_is_not_asked():
    assert parts.calendar([dt.datetime(2026, 1, 1, tzinfo=Zone())], "hour").tolist() == [-2]


def test_norm_and_projections_are_those_of_the_matrix_product():
    rows = np.random.default_rng(3).normal(size=(50, 32))
    signs = np.array([parts._signs(1, 32), parts._signs(2, 32)])
    assert set(signs.reshape(-1)) == {-1.0, 1.0}
    assert abs(signs[0] @ signs[1]) < 20, "directions differ"
    assert parts.embedded(0, 32)(rows) == pytest.approx(np.linalg.norm(rows, axis=1))
    assert parts.embedded(1, 32)(rows) == pytest.approx(rows @ signs[0] / np.sqrt(32))


def test_a_vector_of_another_length_is_missing():
    feature = Reference.build({"face": np.random.default_rng(4).normal(size=(200, 4))}).features["face.norm"]
    odd = [[1.0, 2.0, 3.0, 4.0], [1.0], None, "text", [1.0, 2.0, 3.0, "x"], np.ones(4)]
    assert feature.count(odd)[-1] == 4


def test_an_embedding_that_turns_is_seen():
    rng = np.random.default_rng(5)
    reference = Reference.build({"face": rng.normal(size=(4000, 64))})
    moved = rng.normal(size=(1000, 64)) + 2 * parts._signs(2, 64) / 8
    report = reference.compare({"face": moved})
    assert report.features["face.p2"].drifted
    assert not reference.compare({"face": rng.normal(size=(1000, 64))}).drifted


def test_whole_numbers_read_as_ranges_and_booleans_take_zero_and_one():
    reference = Reference.build(columns())
    labels = reference.features["age"].labels
    assert labels[0] == "≤ 17"
    assert labels[-2] == "≥ 80"
    assert reference.features["flag"].count([0, 1, 1.0, True, None, 2]).tolist() == [1, 3, 1, 1]


def test_a_value_out_of_the_range_has_a_bin_on_its_side():
    counts = Reference.build(columns()).features["ratio"].count([-99.0, 99.0, 99.0])
    assert (counts[0], counts[-2]) == (1, 2)


@pytest.mark.parametrize("bins", [2, 10, 20])
def test_numbers_have_at_most_twenty_bins_and_the_missing_one(bins):
    feature = Reference.build(columns(), bins=bins).features["ratio"]
    assert len(feature.labels) == min(bins + 2, 20) + 1


def test_the_kind_can_be_said_where_values_do_not_show_it():
    data = {"zip": [10115, 20095, 80331] * 100, "note": ["ok", "fine"] * 150}
    asked = Reference.build(data, kinds={"zip": "categorical", "note": "text"})
    assert set(asked.features["zip"].levels) == {"10115", "20095", "80331"}
    assert asked.features["note.length"].kind == "text"
    with pytest.raises(ConfigError, match="is no kind; use one of numeric"):
        Reference.build(data, kinds={"zip": "number"})


def test_predicted_classes_are_a_feature():
    rng = np.random.default_rng(6)
    data = {"x": rng.normal(size=2000), "class": rng.choice(["a", "b"], 2000)}
    reference = Reference.build(data, prediction="class")
    assert list(reference.features) == ["x"]
    shifted = {"x": data["x"], "class": ["a"] * 2000}
    report = reference.compare(shifted, prediction="class")
    assert (report.prediction.kind, report.prediction.drifted) == ("class", True)
    assert reference.compare(shifted).prediction is None


def test_long_level_names_are_pooled_so_that_a_column_stays_below_a_kilobyte(tmp_path):
    rng = np.random.default_rng(7)
    names = [f"{'name of a level ' * 4}{number:02d}" for number in range(20)]
    reference = Reference.build({"x": rng.choice(names, 3000)}, kinds={"x": "categorical"})
    reference.save(tmp_path / "ref.json")
    assert 5 < len(reference.features["x"].levels) < 20
    assert len((tmp_path / "ref.json").read_text().splitlines()[4]) < 1024


@pytest.mark.parametrize("form", ["text", "slices", "many levels"])
def test_text_that_arrow_holds_is_counted_as_the_same_list_is(form):
    levels = [f"level {n}" for n in range(300 if form == "many levels" else 20)]
    rng = np.random.default_rng(5)
    choices = [*levels[:30], None, "", "x" * 300, "(other)", "(missing)", "ärger", "never seen"]
    values = [choices[at] for at in rng.integers(0, len(choices), 5000)]
    column = categorical_feature("x", levels, np.zeros(len(levels) + 2, dtype=np.int64))
    held = Text(pa.chunked_array([values[:1700], values[1700:]], pa.large_string()))
    parts = [held.part(0, 1234), held.part(1234, 5000)] if form == "slices" else [held]
    assert sum(column.count(part) for part in parts).tolist() == column.count(values).tolist()
    frame = pd.DataFrame({"x": pd.array(values, dtype="str")})
    assert column.count(read_columns(frame)[0]["x"]).tolist() == column.count(values).tolist()
    assert [None if code < 0 else held.levels[code] for code in held.codes.tolist()] == values
