"""What each sink makes of predictions, as it leaves the process."""

import math

import numpy as np
import pandas as pd
import pytest

import modelspan
from modelspan import semconv
from modelspan.drift.season import Season

N = 400


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(7)
    frame = {"age": rng.uniform(20, 60, 4000), "job": rng.choice(["clerk", "cook"], 4000)}
    return modelspan.Reference.build(frame, score=rng.uniform(0, 1, 4000))


def watched(reference=None, **settings):
    options = {"task": "binary", "classes": ("good", "bad"), **settings}
    return modelspan.monitor(model="credit", version="1", reference=reference, **options)(
        lambda x: x.get("p", 0.5)
    )


def rows(rng, shift=0.0):
    return [
        {"age": float(age) + shift, "job": str(job), "p": float(p)}
        for age, job, p in zip(
            rng.uniform(20, 60, N), rng.choice(["clerk", "cook"], N), rng.uniform(0, 1, N), strict=True
        )
    ]


def by(points, *names):
    return {tuple(point.attributes[name] for name in names): point.value for point in points}


def test_the_counts_by_bin_are_those_of_a_count_by_hand(telemetry, reference):
    predict = watched(reference)
    made = rows(np.random.default_rng(1))
    for row in made:
        predict(row)
    predict({"age": None, "job": "cook", "p": 0.5})
    predict({"job": "cook", "p": math.nan})
    seen = by(telemetry.points("ml.feature.observations"), "ml.feature.name", "ml.feature.bin")
    assert seen["job", "cook"] == sum(row["job"] == "cook" for row in made) + 2
    edges = reference.features["age"].edges
    first = reference.features["age"].labels[0]
    assert seen["age", first] == sum(row["age"] <= edges[0] for row in made)
    missing = by(telemetry.points("ml.feature.missing"), "ml.feature.name")
    assert missing["age",] == 2
    assert missing["job",] == 0


def test_a_failed_call_counts_as_an_error_and_not_in_the_features(telemetry, reference):
    @modelspan.monitor(model="credit", reference=reference)
    def fail(x):
        raise ValueError

    with pytest.raises(ValueError):
        fail({"age": 30.0, "job": "cook"})
    assert telemetry.points("ml.feature.observations") == []
    (count,) = telemetry.points("ml.inference.predictions")
    assert (count.value, count.attributes["error.type"]) == (1, "ValueError")


def test_the_drift_gauge_is_the_psi_of_the_window_by_hand(telemetry, reference):
    predict = watched(reference, drift_window=N)
    made = rows(np.random.default_rng(2), shift=15.0)
    for row in made:
        predict(row)
    column = reference.features["age"]
    bins = np.searchsorted(column.edges, [row["age"] for row in made], side="left")
    current = np.bincount(bins, minlength=len(column.labels)) + 0.5
    before = column.counts + 0.5
    p, q = current / current.sum(), before / before.sum()
    scores = by(telemetry.points("ml.drift.score"), "ml.feature.name", "ml.drift.method")
    assert scores["age", "psi"] == pytest.approx(np.sum((p - q) * np.log(p / q)))
    assert scores["job", "psi"] < 0.05 < scores["age", "psi"]


def test_an_alarm_opens_on_a_shift_with_traces_of_shifted_predictions_and_closes_after(telemetry, reference):
    predict = watched(reference, drift_window=N)
    rng = np.random.default_rng(3)
    shifted = set()
    for row in rows(rng):
        predict(row)
    telemetry.flush()  # the alarm must not have to come from one drain
    assert telemetry.events("ml.drift.detected") == []
    for row in rows(rng, shift=25.0):
        predict(row)
        if row["age"] > reference.features["age"].edges[-1]:
            shifted.add(modelspan.current_prediction().id[:32])
    (opened,) = telemetry.events("ml.drift.detected")
    assert opened.attributes["ml.feature.name"] == "age"
    assert opened.severity_text == "WARN"
    assert set(opened.attributes["ml.drift.trace_ids"]) <= shifted
    assert len(opened.attributes["ml.drift.trace_ids"]) == 5
    assert by(telemetry.points("ml.drift.detected"), "ml.feature.name") == {
        ("age",): 1, ("job",): 0, ("score",): 0,
    }  # fmt: skip
    for _ in range(2):
        for row in rows(rng):
            predict(row)
        telemetry.flush()
    closed = telemetry.events("ml.drift.detected")[-1]
    assert (closed.attributes["ml.feature.name"], closed.severity_text) == ("age", "INFO")


def test_spans_say_that_a_drift_alarm_is_open_so_that_sampling_keeps_them(telemetry, reference):
    predict = watched(reference, drift_window=N)
    rng = np.random.default_rng(3)
    for row in rows(rng):
        predict(row)
    telemetry.flush()
    quiet = len(telemetry.spans)
    for row in rows(rng, shift=25.0):
        predict(row)
    assert telemetry.events("ml.drift.detected")
    predict(next(iter(rows(rng))))
    spans = sorted(telemetry.spans, key=lambda span: span.start_time)
    assert not any("ml.drift.active" in span.attributes for span in spans[:quiet])
    assert spans[-1].attributes["ml.drift.active"] is True


def seasoned(now_is):
    """A reference in which the hours about now have another age than all other hours."""
    rng = np.random.default_rng(9)
    when = pd.date_range(
        pd.Timestamp.now(tz="UTC") - pd.Timedelta(days=21), periods=21 * 24 * 20, freq="3min"
    )
    hours = np.abs(((when - when[0]) / pd.Timedelta(hours=1)).to_numpy() % 24)
    near = np.minimum(hours, 24 - hours) < 3
    age = np.where(near, now_is, 60 - now_is) + rng.uniform(-10, 10, len(when))
    return modelspan.Reference.build({"when": when, "age": age}, season="when")


def test_a_prediction_is_compared_with_the_hour_in_which_it_was_made(telemetry):
    for name, reference in (("like", seasoned(20)), ("unlike", seasoned(40))):
        predict = modelspan.monitor(model=name, reference=reference, drift_window=N)(lambda x: 0.5)
        for age in np.random.default_rng(3).uniform(10, 30, N).tolist():
            predict({"age": age})
        telemetry.flush()
    scores = by(telemetry.points("ml.drift.score"), "ml.model.name", "ml.feature.name", "ml.drift.method")
    assert scores["like", "age", "psi"] < 0.1
    assert scores["unlike", "age", "psi"] > 1
    alarms = {event.attributes["ml.model.name"] for event in telemetry.events("ml.drift.detected")}
    assert alarms == {"unlike"}


def test_an_hour_that_begins_within_a_drain_loses_no_row(telemetry, monkeypatch):
    monkeypatch.setattr(Season, "at", lambda _, started_ns: started_ns // 20_000 % 2)
    predict = modelspan.monitor(model="hours", reference=seasoned(20))(lambda x: 0.5)
    for age in range(N):
        predict({"age": float(age)})
    assert sum(point.value for point in telemetry.points("ml.feature.observations")) == N


def test_a_report_carries_both_histograms(telemetry, reference):
    predict = watched(reference, drift_window=N)
    rng = np.random.default_rng(4)
    for row in [*rows(rng), *rows(rng)[: N // 10]]:  # several drains may leave the last pane unfinished
        predict(row)
    reports = {e.attributes["ml.feature.name"]: e.attributes for e in telemetry.events("ml.drift.report")}
    assert set(reports) == {"age", "job", "score"}
    assert reports["score"]["ml.feature.kind"] == "score"
    age = reports["age"]
    assert list(age["ml.drift.bins"]) == list(reference.features["age"].labels)
    assert list(age["ml.drift.reference.counts"]) == reference.features["age"].counts.tolist()
    assert sum(age["ml.drift.current.counts"]) == age["ml.drift.window.rows"] >= N


def test_only_listed_features_leave_and_a_field_keeps_its_kind(telemetry):
    predict = watched(log_features=("age",))
    for age in (40, "forty", 41.5, True):
        predict({"age": age, "name": "secret"})
    events = telemetry.events("ml.prediction")
    assert [e.attributes.get("ml.feature.value.age") for e in events] == [40.0, None, 41.5, None]
    everything = repr(
        [dict(r.attributes) for r in telemetry.logs] + [dict(s.attributes) for s in telemetry.spans]
    )
    assert "secret" not in everything


def test_by_default_no_feature_value_leaves(telemetry, reference):
    predict = watched(reference)
    predict({"age": 33.123456, "job": "clerk"})
    everything = repr(
        [dict(r.attributes) for r in telemetry.logs] + [dict(s.attributes) for s in telemetry.spans]
    )
    assert "33.123456" not in everything


def test_a_batch_is_counted_in_rows_and_logged_up_to_the_limit():
    with modelspan.testing.record(log_rows=3) as telemetry:
        predict = modelspan.monitor(model="m", classes=("good", "bad"))(
            lambda x: np.tile([0.4, 0.6], (len(x), 1))
        )
        predict(pd.DataFrame({"a": range(1000)}))
        events = telemetry.events("ml.prediction")
        # at most 256 of 1000 rows are looked at, spread over all of them: every fourth one
        assert [e.attributes["ml.prediction.row"] for e in events] == [0, 4, 8]
        assert [e.attributes["ml.inference.batch.size"] for e in events] == [1000] * 3
        assert telemetry.spans[0].attributes["ml.inference.batch.size"] == 1000
        (count,) = telemetry.points("ml.inference.predictions")
        assert count.value == 1000


def test_duration_and_score_are_histograms_with_exemplars_that_lead_to_the_trace(telemetry):
    predict = watched()
    predict({"p": 0.25})
    (duration,), (score,) = telemetry.points("ml.inference.duration"), telemetry.points("ml.prediction.score")
    assert duration.count == 1
    assert list(duration.explicit_bounds) == list(semconv.DURATION_BUCKETS)
    assert score.sum == 0.25
    assert {e.trace_id for e in [*duration.exemplars, *score.exemplars]} == {
        telemetry.spans[0].context.trace_id
    }


def test_every_metric_and_event_that_leaves_stands_in_semconv(telemetry, reference):
    predict = watched(reference, drift_window=100)
    for row in rows(np.random.default_rng(5), shift=30.0):
        predict(row)
    modelspan.feedback(modelspan.current_prediction().id, "bad")
    telemetry.flush()
    metrics = {m.name: m for m in semconv.METRICS}
    events = {e.name: e for e in semconv.EVENTS}
    for data in telemetry._metrics:
        for scope in data.resource_metrics[0].scope_metrics:
            for metric in scope.metrics:
                assert metric.unit == metrics[metric.name].unit
                assert metric.description == metrics[metric.name].description
                for point in metric.data.data_points:
                    assert set(point.attributes) <= set(metrics[metric.name].attributes)
    for record in telemetry.logs:
        known = events[record.event_name].attributes
        prefixes = tuple(name[:-1] for name in known if name.endswith("*"))
        assert all(name in known or name.startswith(prefixes) for name in record.attributes), (
            record.event_name
        )
    seen = {record.event_name for record in telemetry.logs}
    elsewhere = {event.name for event in (*semconv.PERFORMANCE_EVENTS, *semconv.TRAINING_EVENTS)}
    assert seen == set(events) - elsewhere - {"ml.inference.exception"}


def test_what_was_emitted_is_delivered_or_dropped(telemetry):
    predict = watched()
    for _ in range(50):
        predict({"p": 0.5})
    telemetry.flush()
    telemetry.flush()  # the second collection reports what the first one sent
    emitted = by(telemetry.points("modelspan.internal.emitted"), "modelspan.signal")
    delivered = by(telemetry.points("modelspan.internal.delivered"), "modelspan.signal")
    assert emitted["predictions",] == delivered["predictions",] == 50
    assert emitted["spans",] == delivered["spans",] == 50
    assert telemetry.points("modelspan.internal.dropped") == []


def test_a_full_queue_drops_the_newest_and_counts_every_drop():
    with modelspan.testing.record(queue_bytes=64 * 1024, tick_seconds=10.0) as telemetry:
        predict = modelspan.monitor(model="m")(lambda x: 1)
        big = np.zeros((50, 100))
        for _ in range(100):
            predict(big)
        telemetry.flush()
        telemetry.flush()
        kept = len(telemetry.spans)
        dropped = by(telemetry.points("modelspan.internal.dropped"), "modelspan.signal", "modelspan.reason")
        assert 1 <= kept < 100
        assert dropped["predictions", "queue_full"] == 100 - kept
