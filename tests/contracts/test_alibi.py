"""Real detectors of alibi-detect through the adapter.

It asks for numpy below 2, so it has an environment of its own: `ALIBI=1 ./test` makes it and runs this file
there; elsewhere the file is skipped. MMD needs PyTorch besides: `pip install torch` there.
"""

import warnings

import numpy as np
import pytest

import modelspan
from modelspan.drift.detectors import AlibiDetector, Detector, as_detector

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its imports use what PyTorch and others will remove
    cd = pytest.importorskip("alibi_detect.cd", reason="alibi-detect lives in an environment of its own")
pytestmark = pytest.mark.filterwarnings("ignore")


def rows(seed, count, shift=0.0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.normal(shift, 1, count), rng.binomial(1, 0.8 if shift else 0.3, count)])


def tabular():
    return cd.TabularDrift(rows(0, 1000), p_val=0.001, categories_per_feature={1: None})


def mmd():
    pytest.importorskip("torch", reason="MMD needs PyTorch")
    return cd.MMDDrift(rows(0, 200).astype("float32"), p_val=0.01, backend="pytorch")


@pytest.mark.parametrize("make", [tabular, mmd])
def test_it_finds_a_drift_in_the_first_window_after_it_and_nothing_before(make):
    detector = AlibiDetector(make(), rows=100)
    assert isinstance(detector, Detector)
    for shift, wanted in ((0.0, 0), (2.0, 1)):
        found = 0
        for row in rows(1, 100, shift).astype("float32"):
            detector.update(row)
            found += detector.drifted
        assert found == wanted
    detector.reset()
    assert not detector.drifted


def test_it_is_taken_as_it_is_and_fed_all_features_as_a_row():
    assert as_detector(tabular()).name == "alibi-detect TabularDrift"
    with modelspan.testing.record() as telemetry:
        predict = modelspan.monitor(
            model="m", features=["x", "y"], detectors={"features": AlibiDetector(tabular(), rows=100)}
        )(lambda row: 1.0)
        for row in [*rows(2, 100), *rows(3, 100, 2.0)]:
            predict({"x": float(row[0]), "y": float(row[1])})
        (event,) = telemetry.events("ml.drift.detected")
    assert event.attributes["ml.feature.name"] == "features (alibi-detect TabularDrift)"


def test_our_own_drift_runs_beside_it_on_the_older_numpy():
    before, after = ({"x": part[:, 0], "y": part[:, 1]} for part in (rows(4, 2000), rows(5, 2000, 2.0)))
    reference = modelspan.Reference.build(before)
    assert not reference.compare({"x": rows(6, 500)[:, 0], "y": rows(6, 500)[:, 1]}).drifted
    assert reference.compare(after).features["x"].drifted
    with modelspan.testing.record() as telemetry:
        predict = modelspan.monitor(model="m", reference=reference)(lambda row: 1.0)
        for row in rows(7, 300, 2.0):
            predict({"x": float(row[0]), "y": float(row[1])})
        predict(rows(8, 300, 2.0))
        named = {event.attributes["ml.feature.name"] for event in telemetry.events("ml.drift.detected")}
        faults = [point.value for point in telemetry.points("modelspan.internal.errors")]
    assert named == {"x", "y"}
    assert sum(faults) == 0
