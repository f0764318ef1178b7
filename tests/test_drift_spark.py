"""A Spark data frame is sampled and counted on its cluster, with the result of one process."""

import os
import shutil
import sys
import warnings

import numpy as np
import pyarrow as pa
import pytest

from modelspan.drift.reference import Reference

pytest.importorskip("pyspark", reason="needs the extra modelspan[spark]")
pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="needs Java 17"),
    pytest.mark.filterwarnings("ignore"),  # PySpark warns of pandas 3, which it does not need here
]


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").appName("modelspan tests")
    for name, value in {
        "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC", "spark.driver.memory": "512m", "spark.log.level": "ERROR",
        "spark.sql.shuffle.partitions": "4", "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    }.items():  # fmt: skip
        builder = builder.config(name, value)
    with warnings.catch_warnings(action="ignore"):
        session = builder.getOrCreate()
        yield session
        session.stop()


def test_the_cluster_gives_the_reference_and_the_report_of_one_process(spark):
    rng = np.random.default_rng(1)
    rows = 50_000
    words = rng.choice(["late", "payment", "again", "thanks", "please"], (rows, 9))
    table = pa.table({
        "x": pa.array(rng.normal(size=rows), mask=rng.random(rows) < 0.1), "k": rng.integers(0, 90, rows),
        "job": rng.choice(["cook", "smith"], rows), "flag": rng.random(rows) < 0.3,
        "when": np.datetime64("2026-01-01", "us") + rng.integers(0, 10**13, rows).astype("timedelta64[us]"),
        "note": [" ".join(row) for row in words], "face": list(rng.normal(size=(rows, 8))),
        "p": rng.random(rows), "label": rng.choice(["good", "bad"], rows),
    })  # fmt: skip
    frame = spark.createDataFrame(table).repartition(5).cache()
    in_order = frame.toArrow()
    answers = {"score": "p", "prediction": "label"}
    cluster, single = Reference.build(frame, **answers), Reference.build(in_order, **answers)
    assert (cluster.rows, cluster.fingerprint) == (single.rows, single.fingerprint)
    for one, other in zip(cluster.all_features(), single.all_features(), strict=True):
        assert one.same_bins(other)
        assert one.counts.tolist() == other.counts.tolist()
    shifted = frame.withColumn("x", frame.x + 1)
    report = cluster.compare(shifted, **answers)
    assert report.features["x"].drifted
    assert "cluster" in report.unchecked
    one, other = report.to_dict(), single.compare(shifted.toArrow(), **answers).to_dict()
    assert {**one, "data_quality": 0} == {**other, "data_quality": 0}
    of_rows = ("type", "constant", "duplicate")
    assert [e["check"] for e in one["data_quality"] if e["check"] in of_rows] == []


def test_a_season_gives_the_cells_of_one_process_and_compares_each_row_with_its_hours(spark):
    rng = np.random.default_rng(2)
    rows = 40_000
    hours = np.arange(rows) * (28 * 24 / rows)
    mean = np.sin(2 * np.pi * hours / 24)
    table = pa.table({
        "when": np.datetime64("2026-01-05", "us") + (hours * 3.6e9).astype("timedelta64[us]"),
        "x": rng.normal(mean), "channel": np.where(rng.random(rows) < 0.3 + 0.2 * mean, "web", "shop"),
    })  # fmt: skip
    frame = spark.createDataFrame(table).repartition(3).cache()
    cluster = Reference.build(frame, season="when")
    single = Reference.build(frame.toArrow(), season="when")
    assert cluster.season == single.season
    assert cluster.season.size > 100
    assert cluster.fingerprint == single.fingerprint
    for one, other in zip(cluster.all_features(), single.all_features(), strict=True):
        assert one.by_cell.tolist() == other.by_cell.tolist()
    afternoon = frame.where("hour(when) between 13 and 17")
    assert not cluster.compare(afternoon).drifted
    one = cluster.compare(afternoon.withColumn("x", afternoon.x + 0.6))
    assert one.features["x"].drifted
    assert not one.features["channel"].drifted
    assert one.to_dict()["features"] == single.compare(
        afternoon.withColumn("x", afternoon.x + 0.6).toArrow()
    ).to_dict()["features"]  # fmt: skip
