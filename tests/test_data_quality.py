"""Data quality: what is found, what is not, and how often it is found where nothing is wrong."""

import json
import math

import numpy as np
import pandas as pd
import pytest

import modelspan
from modelspan import Reference
from modelspan.drift.distances import psi
from modelspan.drift.quality.checks import Checker
from modelspan.drift.quality.rows import GROUP, REMEMBERED, RowChecks
from modelspan.drift.quality.types import foreign
from modelspan.drift.reference_file import _checksum
from modelspan.drift.sequential import SequentialRule
from modelspan.sinks import quality

ROWS = 8_000


def table(rng, rows):
    return pd.DataFrame({
        "age": np.where(rng.random(rows) < 0.02, np.nan, rng.normal(40, 9, rows)),
        "n": rng.integers(0, 40, rows),
        "job": rng.choice(["cook", "smith", "baker"], rows).astype(object), "ok": rng.random(rows) < 0.5,
        "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 10**7, rows), unit="s"),
    })  # fmt: skip


@pytest.fixture(scope="module")
def reference():
    return Reference.build(table(np.random.default_rng(1), ROWS))


def spoil(frame, what):
    tenth = frame.index % 10 == 0
    if what == "missing":
        frame.loc[tenth, "age"] = np.nan
    elif what == "out_of_range":
        frame.loc[tenth, "n"] = 1_000
    elif what == "new_level":
        frame.loc[tenth, "job"] = "astronaut"
    elif what == "type":
        frame["age"] = frame["age"].astype(object)
        frame.loc[tenth, "age"] = "forty"
    elif what == "constant":
        frame["n"] = 7
    elif what == "duplicate":
        frame.iloc[1::2] = frame.iloc[::2].to_numpy()
    return frame


SPOILT = {
    "missing": "age", "out_of_range": "n", "new_level": "job", "type": "age", "constant": "n",
    "duplicate": "(rows)",
}  # fmt: skip


@pytest.mark.parametrize("what", ["missing", "out_of_range", "new_level", "type", "constant"])
def test_a_report_finds_each_violation_and_no_other(reference, what):
    report = reference.compare(spoil(table(np.random.default_rng(2), 2_000), what))
    found = {(each.column, each.check): each for each in report.violations()}
    assert set(found) == {(SPOILT[what], what)}
    (one,) = found.values()
    assert one.rate == pytest.approx(1.0 if what == "constant" else 0.1, abs=0.03)
    assert SPOILT[what] in str(report)
    assert report.violated
    assert report.to_dict()["violated"] is True


def test_a_report_finds_rows_that_come_again(reference):
    few = table(np.random.default_rng(2), 100)
    report = reference.compare(pd.concat([few] * 20, ignore_index=True))
    assert ("(rows)", "duplicate") in {(each.column, each.check) for each in report.violations()}


def test_fewer_violations_than_in_the_reference_are_none():
    rng = np.random.default_rng(5)
    gone = np.where(rng.random(4_000) < 0.3, np.nan, rng.normal(size=4_000))
    assert Reference.build({"x": gone}).compare({"x": rng.normal(size=2_000)}).violations() == []


def test_reports_of_what_did_not_change_are_violated_at_the_stated_rate_at_most():
    """0.2 % of 200 is 0.4; four or more have a probability of 0.08 % (binomial)."""
    rng = np.random.default_rng(6)
    base = Reference.build(table(rng, 2_000))
    assert sum(base.compare(table(rng, 500)).violated for _ in range(200)) < 4


def test_a_sorted_table_neither_stands_still_nor_repeats_itself(reference):
    frame = table(np.random.default_rng(7), 4_000).sort_values(["job", "ok", "n"], ignore_index=True)
    assert reference.compare(frame).violations() == []


@pytest.mark.parametrize(
    "column",
    [
        np.full(600, np.nan),
        np.zeros(600),
        ["a"] * 600,
        [None] * 600,
        [1, "a", None, 2.5, True, math.nan] * 100,
    ],
)
def test_degenerate_columns_compare_with_themselves_without_a_violation(column):
    base = Reference.build({"x": column, "y": np.arange(600)})
    assert base.compare({"x": column, "y": np.arange(600)}).violations() == []


def test_two_rows_make_a_reference_whose_rows_are_not_compared():
    base = Reference.build({"x": [1.0, 2.0]})
    checks = {each.check for each in base.compare({"x": [1.0, 2.0]}).quality}
    assert "duplicate" not in checks
    assert "missing" in checks


def test_a_reference_of_an_earlier_version_checks_what_it_can_and_says_what_it_cannot(reference, tmp_path):
    path = tmp_path / "ref.json"
    reference.save(path)
    assert Reference.load(path).quality == reference.quality
    document = json.loads(path.read_text())
    del document["quality"], document["checksum"]
    document["checksum"] = _checksum(document)
    path.write_text(json.dumps(document))
    old = Reference.load(path)
    assert old.quality is None
    report = old.compare(spoil(spoil(table(np.random.default_rng(2), 2_000), "missing"), "constant"))
    assert {(each.column, each.check) for each in report.violations()} == {("age", "missing")}
    assert any("build it again" in note for note in report.notes())


def test_numbers_that_are_categories_in_the_reference_are_their_type():
    codes = pd.Categorical(np.random.default_rng(3).integers(1, 4, 2_000))
    base = Reference.build(pd.DataFrame({"zone": codes}))
    checker = Checker(base.features.values(), base.quality)
    for values, violating in (([1, 2, None, 3], 0), (["1", "2", None, "3"], 3)):
        counts = {"zone": base.features["zone"].count(values)}
        found = checker.of_values(counts, checker.wrong({"zone": values}))
        assert found["type zone"].tolist() == [4 - violating, violating]


@pytest.mark.parametrize(
    ("name", "values", "wrong"),
    [
        ("age", [1.0, None, math.nan, True, 3, np.float32(2)], 0),
        ("age", ["1", b"2", [3], object(), np.datetime64("2026-01-01")], 5),
        ("job", ["cook", None, math.nan, "new", True], 0),
        ("job", [1, 2.5, ("a",)], 3),
        ("ok", [True, 0, 1.0, None, "yes"], 1),
        ("when.hour", [pd.Timestamp("2026-01-01"), "2026-01-01", None, 5, "soon"], 2),
        ("age", np.array([1.0, np.nan]), 0),
        ("job", np.array([1.0, np.nan]), 1),
    ],
)
def test_values_of_another_type_are_counted(reference, name, values, wrong):
    assert foreign(reference.features[name], values) == wrong


@pytest.mark.parametrize("chunk", [1, 3, 7, 1_000])
def test_groups_and_duplicates_are_those_of_a_count_by_hand(chunk):
    rng = np.random.default_rng(4)
    bits = rng.integers(0, 2, (1_003, 2)).astype(np.uint64)
    bits[:, 1] = rng.integers(0, 300, 1_003)
    checks, constant, sums = RowChecks(2), np.zeros(2, dtype=int), np.zeros(3, dtype=int)
    for start in range(0, len(bits), chunk):
        found = checks.add(bits[start : start + chunk])
        constant += found.constant
        sums += (found.groups, found.rows, found.duplicates)
    groups = [bits[at : at + GROUP] for at in range(0, len(bits) - GROUP + 1, GROUP)]
    assert constant.tolist() == [sum(len(set(g[:, c].tolist())) == 1 for g in groups) for c in (0, 1)]
    rows = [tuple(row) for row in bits.tolist()]
    again = sum(rows[at] in rows[at - REMEMBERED : at] for at in range(REMEMBERED, len(rows)))
    assert sums.tolist() == [len(groups), len(rows) - REMEMBERED, again]


def test_streams_without_a_change_hardly_ever_alarm():
    """At a rate of 2 %, of 40 streams of 100 looks more than 3 alarm with a probability of 0.8 %."""
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        keys = rng.geometric(0.02, (4_000, 2)).astype(np.uint64)
        checks = RowChecks(2)
        first = checks.add(keys)
        base = Reference.build({"x": rng.normal(size=4_000)})
        checker = Checker(base.features.values(), base.quality)
        pair = checker.checks["duplicate (rows)"]
        usual = type(pair.pair)(
            name="d", kind="categorical", edges=np.empty(0), levels=(), labels=("right", "duplicate"),
            counts=np.array([first.rows - first.duplicates, first.duplicates]),
        )  # fmt: skip
        rule, live = SequentialRule({"d": usual}, false_alarm_rate=0.02), RowChecks(2)
        opened = False
        for _ in range(100):
            found = live.add(rng.geometric(0.02, (50, 2)).astype(np.uint64))
            opened |= bool(rule.update({"d": np.array([found.rows - found.duplicates, found.duplicates])}))
        alarms += opened
    assert alarms <= 3


def records(frame):
    return [
        {"age": r.age, "n": r.n, "job": r.job, "ok": r.ok, "when": str(r.when)}
        for r in frame.itertuples(index=False)
    ]


def violations(telemetry):
    return telemetry.events("ml.data_quality.violation")


def gauge(telemetry):
    points = telemetry.points("ml.data_quality.violated")
    return {point.attributes["ml.data_quality.check"]: point.value for point in points}


def watched(reference):
    return modelspan.monitor(model="credit", version="1", reference=reference, drift_window=400)(
        lambda x: 0.5
    )


def send(telemetry, predict, frame):
    """In parts, because drains look at 200 rows beside each other."""
    for at, row in enumerate(records(frame)):
        predict(row)
        if at % 200 == 199:
            telemetry.flush()


@pytest.mark.parametrize("what", list(SPOILT))
def test_a_live_violation_opens_an_alarm_with_its_evidence_and_closes(
    telemetry, reference, monkeypatch, what
):
    monkeypatch.setattr(quality, "PAUSE_SECONDS", 0.0)
    predict, rng = watched(reference), np.random.default_rng(9)
    send(telemetry, predict, table(rng, 1_000))
    assert violations(telemetry) == []
    send(telemetry, predict, spoil(table(rng, 1_000), what))
    opened = next(e for e in violations(telemetry) if e.attributes["ml.data_quality.check"] == what)
    found = {
        (e.attributes["ml.feature.name"], e.attributes["ml.data_quality.check"])
        for e in violations(telemetry)
    }
    # Each row twice: also the five rows of a group hold one category more often.
    assert found - {("job", "constant"), ("ok", "constant")} == {(SPOILT[what], what)}
    assert opened.severity_text == "WARN"
    assert opened.attributes["ml.data_quality.rate"] > opened.attributes["ml.data_quality.reference.rate"]
    assert 1 <= len(opened.attributes["ml.drift.trace_ids"]) <= 5
    assert gauge(telemetry)[what] == 1
    send(telemetry, predict, table(rng, 2_000))
    assert violations(telemetry)[-1].severity_text == "INFO"
    assert gauge(telemetry)[what] == 0


def test_a_column_that_stops_coming_is_missing(telemetry, reference, monkeypatch):
    monkeypatch.setattr(quality, "PAUSE_SECONDS", 0.0)
    predict = watched(reference)
    for row in records(table(np.random.default_rng(9), 400)):
        del row["n"]
        predict(row)
    found = {e.attributes["ml.feature.name"] for e in violations(telemetry)}
    assert found == {"n"}


def test_the_distance_of_a_check_is_that_of_its_pair_of_counts(reference):
    report = reference.compare(spoil(table(np.random.default_rng(2), 2_000), "out_of_range"))
    found = next(each for each in report.quality if (each.column, each.check) == ("n", "out_of_range"))
    counts = reference.features["n"].counts
    outside = int(counts[0] + counts[-2])
    current = round(found.rate * found.rows)
    expected = psi(np.array([counts.sum() - outside, outside]), np.array([found.rows - current, current]))
    assert found.psi == pytest.approx(expected)
