"""Tables at the edge of sense: each has a stated outcome, in building, comparing and reporting."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import modelspan
from modelspan.cli import app
from modelspan.drift.reference import Reference
from modelspan.errors import ConfigError

RNG = np.random.default_rng(1)
ORDINARY = {"x": RNG.normal(size=1000), "job": RNG.choice(["a", "b"], 1000)}


@pytest.fixture(scope="module")
def reference():
    return Reference.build(ORDINARY)


@pytest.mark.parametrize("data", [{}, {"x": [], "job": []}, np.empty((0, 2))])
def test_an_empty_table_is_refused(reference, data):
    for act in (Reference.build, reference.compare, reference.recount):
        with pytest.raises(ConfigError, match="pass a table that is not empty"):
            act(data)


TABLES = {
    "empty": (pd.DataFrame(ORDINARY)[:0], 2, "pass a table that is not empty"),
    "one row": (pd.DataFrame(ORDINARY)[:1], 0, "only a large drift can be told"),
    "constant": (pd.DataFrame(ORDINARY).assign(x=7.5), 1, "x: 100.0% of groups of 5 rows constant"),
    "all missing": (pd.DataFrame(ORDINARY).assign(x=np.nan, job=None), 1, "values are missing in: job, x"),
    "mixed types": (pd.DataFrame(ORDINARY).assign(x=["oops", "1.5"] * 500), 1, "x: 100.0% of another type"),
    "missing column": (pd.DataFrame(ORDINARY)[["x"]], 2, "columns=['job'] of the reference are not in the"),
    "unseen column": (pd.DataFrame(ORDINARY).assign(new=1), 0, "Not in the reference, so not looked at: new"),
}  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("what", TABLES)
def test_the_command_says_what_is_wrong_and_ends_with_a_stated_status(reference, tmp_path, what, form):
    table, status, said = TABLES[what]
    data = tmp_path / f"data.{form}"
    table.to_csv(data, index=False) if form == "csv" else table.to_parquet(data)
    reference.save(tmp_path / "ref.json")
    found = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, ["report", "--reference", str(tmp_path / "ref.json"), "--current", str(data), "--fail-on-drift"]
    )
    assert (found.exit_code, said in found.output) == (status, True), found.output


def seen_live(reference, calls):
    """Counts that are not 0 by feature and bin, features that alarm, and faults."""
    with modelspan.testing.record() as telemetry:
        predict = modelspan.monitor(model="m", reference=reference)(lambda call: 0.5)
        assert {predict(call) for call in calls} == {0.5}
        counts = {
            (p.attributes["ml.feature.name"], p.attributes["ml.feature.bin"]): p.value
            for p in telemetry.points("ml.feature.observations")
            if p.value
        }
        alarms = {e.attributes["ml.feature.name"] for e in telemetry.events("ml.drift.detected")}
    return counts, alarms


GONE = {("x", "(missing)"): 60, ("job", "(missing)"): 60}
LIVE = {
    "no rows": ([pd.DataFrame(ORDINARY)[:0]] * 60, {}, set()),
    "nothing": ([{}, [], None] * 20, GONE, {"x", "job"}),
    "all missing": ([{"x": None, "job": float("nan")}] * 60, GONE, {"x", "job"}),
    "one row": ([{"x": 99.0, "job": "a"}], {("x", "> 3"): 1, ("job", "a"): 1}, set()),
    "constant": ([{"x": 99.0, "job": "a"}] * 60, {("x", "> 3"): 60, ("job", "a"): 60}, {"x", "job"}),
    "mixed types": (
        [{"x": "oops", "job": 3}, {"x": [1, 2], "job": object()}, {"x": 99, "job": "a"}],
        {("x", "(missing)"): 2, ("x", "> 3"): 1, ("job", "(other)"): 2, ("job", "a"): 1}, set(),
    ),
    "unseen column": ([{"x": 99.0, "job": "a", "new": 1}], {("x", "> 3"): 1, ("job", "a"): 1}, set()),
    "missing column": ([{"x": 99.0}] * 60, {("x", "> 3"): 60, ("job", "(missing)"): 60}, {"x", "job"}),
}  # fmt: skip


@pytest.mark.parametrize("what", LIVE)
def test_a_running_model_counts_them_alarms_where_it_must_and_has_no_fault(reference, what):
    calls, counts, alarms = LIVE[what]  # tests/conftest.py fails a test in which a fault was contained
    assert seen_live(reference, calls) == (counts, alarms)


def test_a_running_model_looks_at_the_first_columns_of_ten_thousand_and_says_so(caplog):
    rng = np.random.default_rng(3)
    wide = rng.normal(size=(60, 10_000))
    reference = Reference.build(wide)
    assert len(reference.compare(wide).features) == 10_000
    counts, alarms = seen_live(reference, [rng.normal(size=(60, 10_000)) for _ in range(5)])
    assert sum(n for (name, _), n in counts.items() if name == "f0") == 300
    assert alarms == set()
    assert "only the first 512 of the 10000 columns" in caplog.text


def test_one_row_makes_no_reference_and_a_comparison_that_says_how_little_it_tells(reference):
    with pytest.raises(ConfigError, match=r"rows=1, a reference needs at least 2"):
        Reference.build({"x": [1.0]})
    report = reference.compare({"x": [1.0], "job": ["a"]})
    assert not report.drifted
    assert report.notes() == ["With 1 rows only a large drift can be told from chance."]
    assert "only a large drift" in report.to_html()


def test_a_column_that_went_missing_altogether_drifted_and_is_named(reference):
    report = reference.compare({"x": [None] * 500, "job": ["a", "b"] * 250})
    assert report.features["x"].drifted
    assert report.features["x"].wasserstein == 0
    assert "All values are missing in: x." in report.notes()


def test_a_column_of_missing_values_makes_a_reference_that_sees_the_first_value():
    reference = Reference.build({"x": [float("nan")] * 400, "y": [None] * 400})
    assert not reference.compare({"x": [float("nan")] * 300, "y": [None] * 300}).drifted
    assert reference.compare({"x": [1.0] * 300, "y": ["a"] * 300}).features["x"].drifted


def test_a_constant_column_has_a_bin_of_its_own():
    reference = Reference.build({"x": [7.0] * 400})
    assert reference.features["x"].labels == ("≤ 6", "7", "≥ 8", "(missing)")
    assert not reference.compare({"x": [7.0] * 300}).drifted
    assert reference.compare({"x": [7.2] * 150 + [9.0] * 150}).drifted


def test_three_thousand_columns_are_built_saved_compared_and_reported(tmp_path):
    rng = np.random.default_rng(2)
    wide = rng.normal(size=(60, 3_000))
    reference = Reference.build(wide)
    reference.save(tmp_path / "wide.json")
    assert (tmp_path / "wide.json").stat().st_size < 3_000 * 1024
    report = Reference.load(tmp_path / "wide.json").compare(wide)
    assert len(report.features) == 3_000
    assert not report.drifted
    assert "1,000 more with a smaller PSI" in report.to_html()


def test_mixed_types_in_a_column_are_categories_if_there_is_text_and_numbers_otherwise():
    mixed = {"text": [1, "a", 2.5, None] * 100, "numbers": [1, True, 2.5, None] * 100}
    reference = Reference.build(mixed)
    assert {name: f.kind for name, f in reference.features.items()} == {
        "text": "categorical", "numbers": "numeric",
    }  # fmt: skip
    assert set(reference.features["text"].levels) == {"1", "a", "2.5"}


def test_a_number_that_becomes_text_counts_as_missing_and_text_that_becomes_numbers_as_other(reference):
    counts = {name: f.count([3.5, "a", None]) for name, f in reference.features.items()}
    assert counts["x"][-1] == 2
    assert counts["job"][-2:].tolist() == [1, 1]


def test_a_missing_column_is_refused_by_name_and_an_unseen_one_is_listed(reference):
    with pytest.raises(
        ConfigError, match=r"columns=\['job'\] of the reference are not in the data; it has x"
    ):
        reference.compare({"x": [1.0, 2.0]})
    report = reference.compare({**ORDINARY, "new": [1] * 1000})
    assert report.unseen == ("new",)
    assert list(report.features) == ["x", "job"]
