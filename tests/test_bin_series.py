"""Bins as time series: bounded in number, exact in sum, and apart where references differ."""

import logging

import numpy as np
import pandas as pd
import pytest

import modelspan
from modelspan.drift.distances import METHODS
from modelspan.drift.feature import categorical_feature
from modelspan.sinks.bin_series import Limits, bin_series, choose, reference_id


@pytest.fixture(scope="module")
def wide():
    rng = np.random.default_rng(3)
    frame = {f"x{i:02d}": rng.normal(size=600) for i in range(30)}
    return modelspan.Reference.build(frame, score=rng.random(600))


def levels(counts):
    return categorical_feature("city", [f"c{i}" for i in range(len(counts) - 2)], np.array(counts))


def test_the_rarest_levels_are_counted_as_other_and_nothing_is_lost():
    series = bin_series(levels([5, 90, 1, 40, 7, 2, 3]), levels=3)
    assert series.labels == ("c1", "c3", "c4", "(other)", "(missing)")
    assert series.counts.tolist() == [90, 40, 7, 5 + 1 + 2, 3]
    assert series.fold(np.array([1, 2, 3, 4, 5, 6, 7])).tolist() == [2, 4, 5, 1 + 3 + 6, 7]


def test_columns_within_the_limits_are_exported_as_they_are(wide):
    column = wide.features["x00"]
    series = bin_series(column, levels=1)
    assert series.labels == column.labels
    assert series.ordered
    assert (series.fold(column.counts) == column.counts).all()
    assert not bin_series(levels([1, 2, 3]), levels=1).ordered


def test_the_score_and_the_first_features_get_series_while_there_is_room(wide):
    columns = {**wide.features, "score": wide.score}
    chosen = choose(columns, "score", Limits(features=20), room=10_000)
    assert list(chosen) == ["score", *list(wide.features)[:20]]
    bins = len(wide.score.labels)
    assert list(choose(columns, "score", Limits(features=20), room=bins + 1)) == ["score"]
    assert choose(columns, "score", Limits(features=0), room=10_000) == {}


def test_references_have_the_same_id_only_if_bins_and_counts_agree(wide):
    some = choose(wide.features, "score", Limits(features=2), 1000)
    assert reference_id(some) == reference_id(choose(wide.features, "score", Limits(features=2), 1000))
    assert reference_id(some) != reference_id(choose(wide.features, "score", Limits(features=3), 1000))


def test_a_model_beyond_the_limits_is_told_once_with_the_count_of_series(wide, caplog):
    with modelspan.testing.record() as telemetry:
        predict = modelspan.monitor(model="wide", reference=wide)(lambda row: 0.5)
        with caplog.at_level(logging.WARNING, "modelspan"):
            for _ in range(3):
                predict(dict.fromkeys(wide.features, 0.0))
                telemetry.flush()
        seen = telemetry.points("ml.feature.observations")
        before = telemetry.points("ml.feature.reference")
    said = [record.message for record in caplog.records]
    assert len(said) == 1
    assert f"model wide: {len(seen)} time series" in said[0]
    assert "10 of 31 columns have none" in said[0]
    assert len(seen) == len(before) == 21 * 13


def test_settings_raise_and_lower_what_is_exported(wide):
    with modelspan.testing.record(fleet_features=30) as telemetry:
        modelspan.monitor(model="wide", reference=wide)(lambda row: 0.5)(dict.fromkeys(wide.features, 0.0))
        names = {point.attributes["ml.feature.name"] for point in telemetry.points("ml.feature.observations")}
        assert names == {*wide.features, "score"}
    with modelspan.testing.record(fleet_features=0) as telemetry:
        modelspan.monitor(model="wide", reference=wide)(lambda row: 0.5)(dict.fromkeys(wide.features, 0.0))
        assert telemetry.points("ml.feature.observations") == []
        assert telemetry.points("ml.feature.missing")


def test_the_reference_leaves_by_bin_with_the_place_of_each_ordered_bin(telemetry, wide):
    modelspan.monitor(model="wide", reference=wide)(lambda row: 0.5)(dict.fromkeys(wide.features, 0.0))
    points = [p for p in telemetry.points("ml.feature.reference") if p.attributes["ml.feature.name"] == "x03"]
    by_place = {int(p.attributes["ml.feature.bin.index"]): p for p in points}
    column = wide.features["x03"]
    assert [by_place[i].value for i in range(len(column.labels))] == column.counts.tolist()
    assert [by_place[i].attributes["ml.feature.bin"] for i in range(len(column.labels))] == list(
        column.labels
    )
    seen = telemetry.points("ml.feature.observations")
    assert {p.attributes["ml.reference.id"] for p in [*points, *seen]} == {
        points[0].attributes["ml.reference.id"]
    }


def test_drift_scores_stay_below_what_the_sdk_keeps_and_what_is_left_out_is_told_once(caplog):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(300, 230)), columns=[f"x{i:03d}" for i in range(230)])
    reference = modelspan.Reference.build(frame, score=rng.random(300))
    with (
        modelspan.testing.record(sample_rows=300) as telemetry,
        caplog.at_level(logging.WARNING, "modelspan"),
    ):
        for name in ("first", "second"):
            predict = modelspan.monitor(model=name, reference=reference)(lambda rows: rng.random(len(rows)))
            for _ in range(2):
                predict(frame)
                telemetry.flush()
        seen = [point.attributes for point in telemetry.points("ml.drift.score")]
        alarms = telemetry.points("ml.drift.detected")
    assert not [each for each in seen if "otel.metric.overflow" in each]
    assert len(seen) == 222 * len(METHODS)
    assert {each["ml.feature.name"] for each in seen} == {"score", *frame.columns[:221]}
    assert {each["ml.model.name"] for each in seen} == {"first"}
    assert len(alarms) == 2 * 231
    said = [record.message for record in caplog.records if "ml.drift.score" in record.message]
    assert [line.split(":")[0] for line in said] == ["model first", "model second"]
    assert "9 of 231 columns have no series" in said[0]
    assert "231 of 231 columns have no series" in said[1]
