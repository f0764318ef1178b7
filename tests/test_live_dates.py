"""Dates inside records count live as they do in the reference, whatever class they are of."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import modelspan
from modelspan.drift.quality.types import foreign
from modelspan.pipeline.text import clean_value

PARIS = ZoneInfo("Europe/Paris")
TEXTS = [
    f"2026-{month:02}-{day:02}T{hour:02}:30:00+0{1 + (3 < month < 10)}:00"
    for month, day, hour in zip([1, 2, 5, 7, 11] * 10, range(1, 28), list(range(24)) * 2, strict=False)
]


class Foreign(dt.tzinfo):
    """A zone of the user's own: its code must not run."""

    def utcoffset(self, _when):
        raise RuntimeError


def of_class(text, name):
    """The instant that a text says, as an object."""
    when = dt.datetime.fromisoformat(text)
    made = {
        "text": text,
        "datetime": when,
        "datetime in a zone": when.astimezone(PARIS),
        "Timestamp": pd.Timestamp(when),
        "Timestamp in a zone": pd.Timestamp(when).tz_convert("America/New_York"),
        "datetime64": np.datetime64(when.astimezone(dt.UTC).replace(tzinfo=None), "ns"),
    }
    return made[name]


NAMES = ["text", "datetime", "datetime in a zone", "Timestamp", "Timestamp in a zone", "datetime64"]


def counted(reference, calls):
    """Counts by feature and bin of these calls."""
    with modelspan.testing.record(fleet_levels=24) as telemetry:
        predict = modelspan.monitor(model="m", reference=reference)(lambda call: 0.5)
        for call in calls:
            predict(call)
        seen = telemetry.points("ml.feature.observations")
    return {(p.attributes["ml.feature.name"], p.attributes["ml.feature.bin"]): p.value for p in seen}


@pytest.fixture(scope="module")
def reference():
    times = np.datetime64("2026-01-01", "s") + np.arange(4000) * np.timedelta64(7919, "s")
    return modelspan.Reference.build({"when": times, "x": np.arange(4000.0)})


@pytest.mark.parametrize("shape", ["dict", "rows", "columns"])
@pytest.mark.parametrize("name", NAMES)
def test_a_date_counts_as_its_iso_text_does_in_the_reference(reference, name, shape):
    rows = [{"when": of_class(text, name), "x": 1.0} for text in TEXTS]
    calls = {"dict": rows, "rows": [rows], "columns": [{k: [r[k] for r in rows] for k in rows[0]}]}
    wanted = {
        (feature.name, label): count
        for feature in reference.features.values()
        for label, count in zip(feature.labels, feature.count(TEXTS).tolist(), strict=True)
        if feature.column == "when"
    }
    found = counted(reference, calls[shape])
    assert {key: count for key, count in found.items() if key[0] != "x"} == wanted
    assert sum(count for (_, label), count in wanted.items() if label == "(other)") == 0


def test_a_missing_date_is_missing_and_a_strange_one_is_other(reference):
    strange = dt.datetime(2026, 1, 1, 3, tzinfo=Foreign())
    whens = [pd.NaT, pd.NA, np.datetime64("NaT"), None, dt.date(2026, 3, 2), strange, dt.timedelta(1)]
    found = counted(reference, [{"when": when, "x": 1.0} for when in whens])
    assert found["when.hour", "(missing)"] == 4
    assert found["when.hour", "00"] == 1
    assert found["when.month", "Mar"] == 1
    assert found["when.hour", "(other)"] == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_date_is_of_the_right_type(reference, name):
    assert foreign(reference.features["when.hour"], [of_class(text, name) for text in TEXTS]) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.datetime(2026, 3, 2, 23, 30, tzinfo=PARIS), "2026-03-02T23:30:00+01:00"),
        (pd.Timestamp("2026-03-02T23:30"), "2026-03-02T23:30:00"),
        (np.datetime64("2026-03-02T23:30"), "2026-03-02T23:30"),
        (dt.date(2026, 3, 2), "2026-03-02"),
        (pd.NaT, None),
        (dt.datetime(2026, 1, 1, tzinfo=Foreign()), None),
    ],
)
def test_a_date_leaves_as_iso_text(value, text):
    assert clean_value(value) == text
