"""What every detector keeps to, ours and the adapted ones; a new one is added to the list, not to the tests.

The streams fit the detector: errors for binary ones, rows for multivariate ones, numbers for the others.
"""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from river import drift

from modelspan.drift.detectors import (
    AlibiDetector,
    Detector,
    RiverDetector,
    SequentialDetector,
    as_detector,
)
from modelspan.drift.reference import Reference


def numbers(rng, rows, shift):
    return rng.normal(shift, 1, rows).tolist()


def errors(rng, rows, shift):
    """A model that errs in 10 % of its answers, or in half of them."""
    return rng.binomial(1, 0.5 if shift else 0.1, rows).tolist()


def levels(rng, rows, shift):
    return rng.choice(["a", "b", "c"], rows, p=[0.2, 0.2, 0.6] if shift else [0.5, 0.3, 0.2]).tolist()


class MeansDiffer:
    """Stands for a batch detector of alibi-detect, whose answer it gives; real ones: test_alibi.py."""

    def __init__(self):
        self.meta = {"data_type": None}

    def predict(self, rows):
        return {"data": {"is_drift": int(abs(rows.mean()) > 0.5)}}


def ours():
    return SequentialDetector(
        Reference.build({"x": np.random.default_rng(1).normal(size=4000)}).features["x"]
    )


def ours_on_levels():
    data = {"x": levels(np.random.default_rng(1), 4000, 0)}
    return SequentialDetector(Reference.build(data).features["x"])


@dataclass(frozen=True)
class Case:
    make: Any
    stream: Any
    false_alarms: int
    """Of 5,000 values without drift: at most so many alarms, as documented."""
    delay: int
    """Values after which a drift by two standard deviations, or errors five times as often, is found."""


CASES = {
    "ours": Case(ours, numbers, 0, 200),
    "ours on levels": Case(ours_on_levels, levels, 0, 300),
    "ADWIN": Case(lambda: as_detector(drift.ADWIN()), numbers, 1, 150),
    "KSWIN": Case(lambda: as_detector(drift.KSWIN(seed=1)), numbers, 15, 150),
    "PageHinkley": Case(lambda: as_detector(drift.PageHinkley()), numbers, 10, 150),
    "DDM": Case(lambda: as_detector(drift.binary.DDM()), errors, 2, 1000),
    "EDDM": Case(lambda: as_detector(drift.binary.EDDM()), errors, 20, 1000),
    "HDDMA": Case(lambda: as_detector(drift.binary.HDDMA()), errors, 2, 300),
    "HDDMW": Case(lambda: as_detector(drift.binary.HDDMW()), errors, 4, 300),
    "alibi-detect": Case(lambda: AlibiDetector(MeansDiffer(), rows=100), numbers, 0, 100),
}


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return CASES[request.param]


def alarms(detector, values):
    """Positions at which a drift was found; the detector is reset each time."""
    found = []
    for position, value in enumerate(values):
        assert detector.update(value) is None
        if detector.drifted:
            detector.reset()
            found.append(position)
    return found


def test_it_is_a_detector_with_a_name_that_has_found_nothing(case):
    detector = case.make()
    assert isinstance(detector, Detector)
    assert detector.name
    assert detector.drifted is False


def test_without_drift_it_alarms_as_rarely_as_documented(case):
    rng = np.random.default_rng(20)
    assert len(alarms(case.make(), case.stream(rng, 5000, 0))) <= case.false_alarms


def test_a_large_drift_is_found_soon(case):
    rng = np.random.default_rng(21)
    detector = case.make()
    alarms(detector, case.stream(rng, 1000, 0))
    found = alarms(detector, case.stream(rng, 1500, 2))
    assert found
    assert found[0] < case.delay


def test_after_a_reset_it_finds_what_a_new_one_finds(case):
    rng = np.random.default_rng(22)
    used = case.make()
    alarms(used, case.stream(rng, 777, 2))
    used.reset()
    assert used.drifted is False
    values = case.stream(rng, 500, 0) + case.stream(rng, 500, 2)
    assert alarms(used, values) == alarms(case.make(), values)


def published():
    """The stream of river's docstrings."""
    rng = random.Random(12345)
    return rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000)


@pytest.mark.parametrize(
    ("river", "first"),
    [
        (drift.ADWIN(), 1023),
        (drift.PageHinkley(), 1006),
        (drift.KSWIN(alpha=0.0001, seed=42), 1016),
    ],
    ids=["ADWIN", "PageHinkley", "KSWIN"],
)
def test_rivers_published_indices_come_through_the_adapter(river, first):
    assert alarms(RiverDetector(river), published())[0] == first


def test_a_window_of_rows_goes_to_a_batch_detector_whole_and_once():
    seen = []

    class Watching(MeansDiffer):
        def predict(self, rows):
            seen.append(rows.shape)
            return super().predict(rows)

    detector = AlibiDetector(Watching(), rows=50)
    for row in np.random.default_rng(1).normal(size=(120, 3)):
        detector.update(tuple(row))
    assert seen == [(50, 3), (50, 3)]


@pytest.mark.parametrize("wrong", [object(), "ADWIN", drift.ADWIN])
def test_what_is_no_detector_is_refused_with_what_would_be(wrong):
    with pytest.raises(ValueError, match=r"river\.drift"):
        as_detector(wrong)


def test_a_rate_out_of_range_is_refused():
    with pytest.raises(ValueError, match="false_alarm_rate=0"):
        SequentialDetector(Reference.build({"x": [1.0, 2.0]}).features["x"], false_alarm_rate=0)


def test_a_window_of_one_row_is_refused():
    with pytest.raises(ValueError, match="rows=1"):
        AlibiDetector(MeansDiffer(), rows=1)
