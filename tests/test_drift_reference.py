"""References: one result from any table, clear refusals, a report with a known rate of false alarms."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

from modelspan import errors
from modelspan.drift.reference import Reference
from modelspan.drift.sampling import chose_bins


def table(rows=400, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "age": rng.integers(18, 80, rows),
        "income": np.where(rng.random(rows) < 0.1, np.nan, rng.lognormal(8, 1, rows)),
        "job": rng.choice(["clerk", "cook", "smith"], rows).tolist(),
        "owner": rng.random(rows) < 0.5,
        "default": rng.integers(0, 2, rows),
    }


def tables(folder):
    data = table()
    frame = pd.DataFrame(data)
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet")
    lists = {name: list(column) for name, column in data.items()}
    nullable = frame.convert_dtypes()
    return [data, lists, frame, nullable, pl.DataFrame(data), folder / "t.csv", str(folder / "t.parquet")]


def test_the_same_table_gives_the_same_reference_from_whatever_library(tmp_path):
    built = [Reference.build(data, target="default") for data in tables(tmp_path)]
    assert len({reference.fingerprint for reference in built}) == 1
    for reference in built:
        assert list(reference.features) == ["age", "income", "job", "owner"]
        for name, feature in reference.features.items():
            assert feature.labels == built[0].features[name].labels
            assert feature.counts.tolist() == built[0].features[name].counts.tolist()
            kinds = {"age": "integer", "income": "numeric", "job": "categorical", "owner": "boolean"}
            assert feature.kind == kinds[name]


def test_the_fingerprint_changes_with_one_value_or_name():
    data = table()
    changed = {**data, "age": [*data["age"][:-1], 99]}
    renamed = {("years" if name == "age" else name): column for name, column in data.items()}
    assert len({Reference.build(each).fingerprint for each in (data, changed, renamed)}) == 3


def test_counts_are_those_of_the_rows_that_did_not_choose_the_edges():
    data = table()
    counted = ~chose_bins(400)
    for name, feature in Reference.build(data).features.items():
        assert feature.counts.sum() == counted.sum()
        assert feature.counts.tolist() == feature.count(np.array(data[name])[counted]).tolist()


@pytest.mark.parametrize("period", [2, 3, 7, 10])
def test_the_two_halves_share_no_rhythm_with_the_data(period):
    first = chose_bins(10_000)
    shares = [first[start::period].mean() for start in range(period)]
    assert shares == pytest.approx([0.5] * period, abs=0.02)


def test_an_array_has_named_or_numbered_features():
    array = np.random.default_rng(2).normal(size=(50, 2))
    assert list(Reference.build(array).features) == ["f0", "f1"]
    reference = Reference.build(array, features=["a", "b"])
    assert list(reference.features) == ["a", "b"]
    assert reference.compare(array).rows == 50


def test_the_score_is_a_column_or_an_array_and_no_feature():
    data = table() | {"p": np.linspace(0, 1, 400)}
    by_name, by_value = Reference.build(data, score="p"), Reference.build(table(), score=data["p"])
    assert "p" not in by_name.features
    assert by_name.score.counts.tolist() == by_value.score.counts.tolist()
    assert by_name.score.name == by_value.score.name == "score"
    assert by_name.compare(data, score="p").score.kind == "score"
    assert by_name.compare(data).score is None


def test_columns_without_information_stay_and_show_a_move():
    reference = Reference.build({"constant": [7.0] * 400, "empty": [None] * 400, "one": ["a"] * 400})
    same = reference.compare({"constant": [7.0] * 300, "empty": [None] * 300, "one": ["a"] * 300})
    moved = reference.compare({"constant": [8.0] * 300, "empty": [1.0] * 300, "one": ["b"] * 300})
    assert [drift.drifted for drift in same.features.values()] == [False] * 3
    assert [drift.drifted for drift in moved.features.values()] == [True] * 3


def test_levels_are_the_most_frequent_ones_and_the_rest_is_other():
    values = ["often"] * 600 + ["seldom"] * 300 + [f"name {i}" for i in range(100)]
    np.random.default_rng(1).shuffle(values)
    feature = Reference.build({"x": values}, max_levels=2).features["x"]
    assert feature.levels == ("often", "seldom")
    assert feature.counts[2] == pytest.approx(50, abs=20)


def test_undrifted_tables_are_reported_at_the_promised_rate_and_drifted_ones_always():
    rng = np.random.default_rng(31)
    false, found = 0, 0
    for _ in range(150):
        reference = Reference.build(rng.normal(size=(2000, 20)))
        current = rng.normal(size=(500, 20))
        false += reference.compare(current).drifted
        current[:, 3] += 0.5
        report = reference.compare(current)
        found += report.features["f3"].drifted and report.ranked()[0].feature == "f3"
    assert false <= 6  # at most 1 % of 150 are expected; more than 6 have a chance of 0.1 %
    assert found == 150


REFUSED = [
    ({}, {}, "0 rows and 0 columns"),
    ({"a": []}, {}, "0 rows and 1 columns"),
    ({"a": [1]}, {}, "rows=1"),
    ({"a": [1, 2], "b": [1]}, {}, "a has 2, b has 1"),
    ({"a": [1, 2]}, {"bins": 1}, "bins=1 must be from 2 to 20"),
    ({"a": [1, 2]}, {"bins": 21}, "bins=21"),
    ({"a": [1, 2]}, {"max_levels": 0}, "max_levels=0"),
    ({"a": [1, 2]}, {"target": "y"}, "column='y' is not in the data; it has a"),
    ({"a": [1, 2]}, {"score": "p"}, "score='p' is not a column of the data"),
    ({"a": [1, 2]}, {"features": ["b"]}, "column='b' is not in the data"),
    ({"a": [1, 2]}, {"features": []}, "no column"),
    ({"a": [1, 2]}, {"target": "a"}, "no column"),
    ({"a": [1, 2], "y": [0, 1]}, {"target": "y", "features": ["a", "y"]}, "are also the target"),
    ({"a": [1, 2]}, {"score": [0.1]}, "1 values for 2 rows"),
    ({"a": [1, 2]}, {"score": ["x", "y"]}, "score must be numbers"),
    ({"a": [1, 2], "score": [1, 2]}, {"score": [0.1, 0.2]}, "name of the model's score"),
    ({"a": [["x"], [1]]}, {}, "neither numbers, text"),
    ({"a": [object(), 1j]}, {}, "neither numbers, text"),
    ({"a": [1, 2]}, {"kinds": {"a": "float"}}, "no kind"),
    ({"a": [1, 2]}, {"kinds": {"b": "text"}}, "names no feature"),
    (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), {}, r"\['a'\] occur more than once"),
    (np.zeros(3), {}, "1 dimensions"),
    (np.zeros((3, 2)), {"features": ["a"]}, "1 names for 2 columns"),
    ([1, 2], {}, "type list is not a table"),
    ({"a": 5}, {}, "type int has no rows"),
    ("nowhere.csv", {}, "does not exist"),
    ("data.xlsx", {}, "neither .csv nor .parquet"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "options", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_cannot_become_a_reference_is_refused_with_a_way_out(data, options, message):
    with pytest.raises(errors.ConfigError, match=message) as caught:
        Reference.build(data, **options)
    assert ";" in str(caught.value), "rule; way out"


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "t.parquet").write_text("no parquet")
    (tmp_path / "t.csv").write_bytes(b"")
    for name in ("t.parquet", "t.csv"):
        with pytest.raises(errors.ConfigError, match="can't be read as a table"):
            Reference.build(tmp_path / name)


def test_a_file_without_arrow_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("a\n1\n2\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(errors.ConfigError, match=r"pip install 'modelspan\[viewer\]'"):
        Reference.build(tmp_path / "t.csv")


def test_comparing_asks_for_every_column_and_for_a_score_only_if_there_is_one():
    reference = Reference.build(table())
    with pytest.raises(errors.ConfigError, match=r"columns=\['age'\] of the reference are not in the data"):
        reference.compare({name: column for name, column in table().items() if name != "age"})
    with pytest.raises(errors.ConfigError, match="reference with a score"):
        reference.compare(table(), score=[0.1] * 400)


def test_a_comparison_leaves_further_columns_aside():
    report = Reference.build(table(), features=["age"]).compare(table(seed=2))
    assert list(report.features) == ["age"]


def test_progress_hears_of_both_passes():
    heard = []
    Reference.build(table(), progress=lambda *step: heard.append(step))
    assert heard == [("choosing bins", 400, 400), ("counting", 400, 400)]
