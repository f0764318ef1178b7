"""The demo's day on several seeds, without its clock: what drifts alarms while it does, nothing else."""

import pandas as pd
import pytest

from modelspan.demo import scoring
from modelspan.demo.run import WINDOW
from modelspan.demo.traffic import DRIFT_FROM, DRIFTED, TARGET, Traffic
from modelspan.drift.quality.checks import Checker, grew
from modelspan.drift.reference import Reference
from modelspan.drift.sequential import SequentialRule

CALLS, DRAIN = 1200, 12
"""A day of 20 seconds, drained each 0.2 s."""


def served(traffic, progress):
    """The rows of one drain; calls that raise are not counted."""
    frames = [traffic.request(progress).frame for _ in range(DRAIN)]
    good = [f for f in frames if "duration_months" in f and (f["credit_amount"] > 0).all()]
    return pd.concat(good, ignore_index=True)


@pytest.mark.parametrize("seed", range(1, 6))
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


@pytest.mark.parametrize("seed", range(1, 6))
def test_no_check_of_data_quality_is_violated_before_the_drift_and_amounts_leave_their_range_in_it(seed):
    held_out = scoring.split(scoring.load(), seed=seed).held_out
    reference = Reference.build(held_out.drop(columns=TARGET))
    checker = Checker(reference.features.values(), reference.quality)
    rule = SequentialRule(
        {name: check.pair for name, check in checker.checks.items()},
        window_rows=WINDOW, counts_as=lambda drift: grew(drift.reference_counts, drift.current_counts),
    )  # fmt: skip
    traffic, opened = Traffic(held_out, seed=seed), {}
    for drain in range(CALLS // DRAIN):
        progress = drain * DRAIN / CALLS
        frame = served(traffic, progress)
        values = {column: frame[column].tolist() for column in checker.columns}
        counts = {name: each.count(values[each.column]) for name, each in reference.features.items()}
        found = checker.of_values(counts, checker.wrong(values)) | checker.of_rows(checker.bits(values))
        for change in rule.update(found):
            opened.setdefault(change.feature, progress)
    assert "out_of_range credit_amount" in opened
    assert min(opened.values()) >= DRIFT_FROM
