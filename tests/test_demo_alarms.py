"""The demo's day on several seeds, without its clock: what drifts alarms while it does, nothing else."""

import pandas as pd
import pytest

from modelspan.demo import scoring
from modelspan.demo.run import WINDOW
from modelspan.demo.traffic import DRIFT_FROM, DRIFTED, TARGET, Traffic
from modelspan.drift.reference import Reference
from modelspan.drift.sequential import SequentialRule

CALLS, DRAIN = 1200, 12
"""A day of 20 seconds, drained each 0.2 s."""


def served(traffic, progress):
    """The rows of one drain; calls that raise are not counted."""
    frames = [traffic.request(progress).frame for _ in range(DRAIN)]
    good = [f for f in frames if "duration_months" in f and (f["credit_amount"] > 0).all()]
    return pd.concat(good, ignore_index=True)


@pytest.mark.parametrize("seed", range(1, 4))
def test_the_drifted_features_alarm_within_the_drift_and_none_before(seed):
    held_out = scoring.split(scoring.load(), seed=seed).held_out
    columns = Reference.build(held_out.drop(columns=TARGET)).features
    rule = SequentialRule(columns, window_rows=WINDOW)
    traffic, opened = Traffic(held_out, seed=seed), {}
    for drain in range(CALLS // DRAIN):
        progress = drain * DRAIN / CALLS
        frame = served(traffic, progress)
        for change in rule.update({name: column.count(frame[name]) for name, column in columns.items()}):
            if change.state == "open":
                opened.setdefault(change.feature, progress)
    assert set(opened) == set(DRIFTED)
    assert all(DRIFT_FROM <= progress < DRIFT_FROM + 0.2 for progress in opened.values())
