"""A reference with a season: cells, mixing, files, `compare`, and alarms on a seasonal stream."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import modelspan
from modelspan.drift.compare import compare_counts
from modelspan.drift.feature import numeric_feature
from modelspan.drift.reference import Reference
from modelspan.drift.reference_document import to_document
from modelspan.drift.reference_file import write_document
from modelspan.drift.season import SLOTS, Season, mixed
from modelspan.drift.sequential import SequentialRule
from modelspan.drift.threshold import ThresholdRule
from modelspan.drift.window import Windows
from modelspan.errors import ConfigError, ReferenceFileError

if TYPE_CHECKING:
    from pathlib import Path

    from modelspan.drift.alarm import AlarmChange, AlarmRule

MONDAY = np.datetime64("2026-01-05T00:00", "s")


def table(rng: np.random.Generator, rows: int, days: int = 28, shift: float = 0.0) -> pd.DataFrame:
    """Rows at even times whose mean follows the hour and, less, the weekday."""
    when = MONDAY + (np.arange(rows) * (days * 86_400 / rows)).astype("timedelta64[s]")
    hour = (when - MONDAY).astype(int) / 3600
    mean = np.sin(2 * np.pi * hour / 24) + 0.5 * (hour // 24 % 7 >= 5)
    levels = np.where(rng.random(rows) < 0.3 + 0.2 * np.sin(2 * np.pi * hour / 24), "web", "shop")
    return pd.DataFrame({"when": when, "x": rng.normal(mean + shift), "channel": levels})


def reference(rows: int = 60_000) -> Reference:
    return Reference.build(table(np.random.default_rng(1), rows), season="when")


def test_a_cell_is_told_alike_from_a_column_and_from_an_instant() -> None:
    season = Season(column="when")
    rng = np.random.default_rng(2)
    seconds = rng.integers(0, 2_000_000_000, 500)
    expected = []
    for second in seconds.tolist():
        when = dt.datetime.fromtimestamp(second, dt.UTC)
        expected.append(7 * when.hour + when.weekday())
    assert season.of(seconds.astype("datetime64[s]")).tolist() == expected
    assert [season.at(second * 10**9 + 999) for second in seconds.tolist()] == expected


def test_thin_cells_are_pooled_with_their_neighbours_until_each_has_a_hundred_rows() -> None:
    rows = np.random.default_rng(3).integers(0, 120, SLOTS)
    season = Season(column="when").pooled(rows)
    sums = np.bincount(season.cells, weights=rows)
    assert 2 < season.size < SLOTS
    assert sums.min() >= 100
    assert list(season.cells) == sorted(season.cells)
    assert Season(column="when").pooled(np.zeros(SLOTS, dtype=np.int64)).size == 1
    assert Season(column="when").pooled(np.full(SLOTS, 100)).size == SLOTS


def test_a_running_model_says_that_its_reference_has_a_season_so_that_fleet_rules_leave_it_out() -> None:
    for built, wanted in ((reference(3_000), "week"), (Reference.build({"x": [1.0, 2.0] * 500}), None)):
        with modelspan.testing.record() as telemetry:
            predict = modelspan.monitor(model="m", reference=built)(lambda row: 0.5)
            predict({"x": 1.0, "channel": "web"})
            points = telemetry.points("ml.feature.reference")
        assert {p.attributes.get("ml.reference.season") for p in points} == {wanted}


def test_a_mix_in_the_references_own_shares_is_the_reference() -> None:
    by_cell = np.array([[10, 20, 0], [300, 60, 40], [7, 0, 3]])
    assert mixed(by_cell, by_cell.sum(axis=1)).tolist() == by_cell.sum(axis=0).tolist()
    assert mixed(by_cell, np.array([0, 5, 0])).tolist() == by_cell[1].tolist()
    assert mixed(by_cell, np.zeros(3, dtype=np.int64)).tolist() == by_cell.sum(axis=0).tolist()


def test_a_mix_of_equal_shares_has_the_mean_share_and_the_rows_that_know_it_as_well() -> None:
    found = mixed(np.array([[1000, 0], [1000, 1000]]), np.array([50, 50]))
    # Cochran: w = 1/2 each, N = 1,000 and 2,000: 1 / (1/4000 + 1/8000) rows, of which (1 + 1/2) / 2.
    assert found.sum() == pytest.approx(1 / (0.25 / 1000 + 0.25 / 2000), abs=1)
    assert found[0] / found.sum() == pytest.approx(0.75, abs=1e-3)


def test_each_cell_counts_what_a_group_by_counts(tmp_path: Path) -> None:
    frame = table(np.random.default_rng(4), 20_000)
    built = Reference.build(frame, season="when").recount(frame)
    assert built.season is not None
    assert "when" not in {each.column for each in built.features.values()}
    cells = np.array(built.season.cells)[7 * frame["when"].dt.hour + frame["when"].dt.day_of_week]
    for name in ("x", "channel"):
        feature = built.features[name]
        assert feature.by_cell is not None
        for cell in (0, 5, built.season.size - 1):
            assert (
                feature.by_cell[cell].tolist() == feature.count(frame[name][cells == cell].tolist()).tolist()
            )
    frame.to_parquet(tmp_path / "data.parquet")
    from_file = Reference.build(tmp_path / "data.parquet", season="when")
    built.save(tmp_path / "ref.json")
    loaded = Reference.load(tmp_path / "ref.json")
    assert from_file.season == built.season == loaded.season
    assert loaded.features["x"].by_cell.tolist() == built.features["x"].by_cell.tolist()  # type: ignore[union-attr]
    assert (tmp_path / "ref.json").stat().st_size < 20_000


def test_merging_halves_counts_what_the_whole_counts() -> None:
    built, frame = reference(), table(np.random.default_rng(5), 8_000)
    whole = built.recount(frame)
    halves = built.recount(frame[:3_000]).merge(built.recount(frame[3_000:]))
    assert halves.season == whole.season
    assert np.array_equal(halves.features["x"].counts_by_cell, whole.features["x"].counts_by_cell)
    with pytest.raises(ConfigError, match="seasons differ"):
        whole.merge(Reference.build(frame))


def test_a_seasons_column_must_hold_times_and_be_there() -> None:
    frame = table(np.random.default_rng(6), 2_000)
    with pytest.raises(ConfigError, match="season='when' has 1 rows without a time"):
        Reference.build(frame.assign(when=frame["when"].where(frame.index > 0)), season="when")
    with pytest.raises(ConfigError, match="column='time' is not in the data"):
        Reference.build(frame, season="time")
    with pytest.raises(ConfigError, match="'when'"):
        Reference.build(frame, season="when").compare(frame.drop(columns="when"))


def test_a_damaged_season_is_refused(tmp_path: Path) -> None:
    for spoil in ({"cells": [0] * 5}, {"cells": [1] * SLOTS}):
        document = json.loads(json.dumps(to_document(reference(3_000))))
        document["season"] |= spoil
        write_document(document, tmp_path / "ref.json")
        with pytest.raises(ReferenceFileError, match="damaged"):
            Reference.load(tmp_path / "ref.json")


def test_an_afternoon_is_no_drift_from_a_reference_with_a_season_and_a_shift_is_one() -> None:
    built, plain = reference(), Reference.build(table(np.random.default_rng(1), 60_000).drop(columns="when"))
    rng = np.random.default_rng(7)
    afternoon = table(rng, 28_000)[500 + 13 * 1000 // 24 : 500 + 17 * 1000 // 24]
    assert plain.compare(afternoon).drifted
    assert not built.compare(afternoon).drifted
    assert built.compare(afternoon.assign(x=afternoon["x"] + 0.6)).features["x"].drifted


def test_p_values_of_seasonal_windows_keep_their_level() -> None:
    """Each window has a reference of its own, so that its error counts; binomial upper limit of 5 %."""
    rng, low, windows = np.random.default_rng(8), 0, 300
    edges = np.linspace(-2, 2, 9)
    for _ in range(windows):
        means = np.sin(np.arange(24))
        cells = np.array([count(rng.normal(mean, size=200), edges) for mean in means])
        feature = numeric_feature("x", edges, cells.sum(axis=0), by_cell=cells)
        rows = np.where(np.arange(24) < 5, 40, 0)
        held = Windows({"x": feature}, rows=200)
        for cell in range(5):
            held.add({"x": count(rng.normal(means[cell], size=40), edges)}, cell)
        assert held.cells.tolist() == rows.tolist()
        low += compare_counts(feature.against(held.cells), held.of("x")).p_value <= 0.05
    assert low <= stats.binom.ppf(0.999, windows, 0.05)


def count(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts between edges and none missing, by numpy's own histogram."""
    return np.append(np.histogram(values, np.array([-np.inf, *edges, np.inf]))[0], 0)


@pytest.mark.parametrize("kind", ["sequential", "threshold"])
def test_a_seasonal_stream_raises_no_alarm_until_it_drifts(kind: str) -> None:
    built = reference()
    rng = np.random.default_rng(9)
    columns = dict(built.features)
    rule = SequentialRule(columns) if kind == "sequential" else ThresholdRule(columns, rule="psi>0.2")
    plain = SequentialRule({name: replace(column, by_cell=None) for name, column in columns.items()})
    assert built.season is not None
    assert feed(rule, built, table(rng, 28_000)) == []
    assert feed(plain, built, table(rng, 4_000, days=4), seasoned=False) != []
    drifted = feed(rule, built, table(rng, 6_000, days=7, shift=0.7))
    assert next(change.state for change in drifted if change.feature == "x") == "open"
    assert not [change for change in drifted if change.feature == "channel"]


def feed(
    rule: AlarmRule, built: Reference, frame: pd.DataFrame, *, seasoned: bool = True
) -> list[AlarmChange]:
    """The changes, given the rows in turns of one cell and 25 rows at most."""
    cells = built.season.of(frame["when"].to_numpy())  # type: ignore[union-attr] # checked
    ends = np.flatnonzero(np.diff(cells)) + 1
    changes = []
    for part in np.split(np.arange(len(frame)), np.union1d(ends, np.arange(25, len(frame), 25))):
        values = {name: frame[name].to_numpy()[part].tolist() for name in built.features}
        counts = {name: feature.count(values[name]) for name, feature in built.features.items()}
        changes += rule.update(counts, int(cells[part[0]]) if seasoned else 0)
    return changes
