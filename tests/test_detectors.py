"""Detectors on the signals of a decorated function: fed on the worker, heard, and their faults contained."""

import math
import threading

import numpy as np
import pytest
from river import drift

import modelspan
from modelspan.errors import ConfigError


class Keeps:
    """A detector that keeps what it is fed, and finds a drift at the values it is told."""

    name = "keeps"
    drifted = False

    def __init__(self, *at):
        self.values, self.threads, self.at = [], set(), at

    def update(self, value, /):
        self.values.append(value)
        self.threads.add(threading.current_thread().name)
        self.drifted = value in self.at

    def reset(self):
        self.drifted = False


def serve(function, calls, feedback=None, **settings):
    with modelspan.testing.record() as telemetry:
        predict = modelspan.monitor(model="m", version="1", **settings)(function)
        for call in calls:
            try:
                predict(call)
            except ZeroDivisionError:
                continue
            if feedback:
                modelspan.feedback(modelspan.current_prediction().id, feedback(call))
        telemetry.flush()
        return telemetry.events("ml.drift.detected"), telemetry.points("ml.drift.detected")


def test_features_scores_and_rows_arrive_in_order_on_the_worker_without_missing_and_failed_ones():
    x, score, rows = Keeps(), Keeps(), Keeps()
    calls = [{"x": 1.0, "y": "a"}, {"x": None, "y": "b"}, {"x": 0.0, "y": "c"}, {"x": 4.0, "y": "d"}]
    serve(
        lambda call: 0.5 / (call["x"] if call["x"] is not None else 2.0), calls,
        detectors={"x": x, "score": score, "features": rows}, task="binary", features=["x", "y"],
    )  # fmt: skip
    assert x.values == [1.0, 4.0]
    assert score.values == [0.5, 0.25, 0.125]
    assert rows.values == [(1.0, "a"), (None, "b"), (4.0, "d")]
    assert x.threads == {"modelspan-worker"}


def test_outcomes_give_the_error_and_the_log_loss_of_a_class():
    error, loss = Keeps(), Keeps()
    serve(
        lambda call: call, [0.9, 0.2], feedback=lambda _: "bad",
        detectors={"error": error, "loss": loss}, task="binary", classes=("good", "bad"),
    )  # fmt: skip
    assert error.values == [0.0, 1.0]
    assert loss.values == pytest.approx([-math.log(0.9), -math.log(0.2)])


def test_outcomes_give_the_error_and_the_squared_error_of_a_number():
    error, loss = Keeps(), Keeps()
    serve(
        lambda call: call, [1.0, 4.0], feedback=lambda _: 2.0,
        detectors={"error": error, "loss": loss}, task="regression",
    )  # fmt: skip
    assert error.values == [1.0, 2.0]
    assert loss.values == [1.0, 4.0]


def test_with_a_store_each_outcome_counts_once_whoever_gave_it_and_however_late(tmp_path):
    settings = {"data": str(tmp_path), "metric_interval_seconds": 3600.0}
    with modelspan.testing.record(**settings) as telemetry:
        predict = modelspan.monitor(model="m", task="regression")(lambda call: call)
        predict(1.0)
        early = modelspan.current_prediction().id
        telemetry.flush()
    error, loss = Keeps(9.0), Keeps()
    with modelspan.testing.record(**settings) as telemetry:
        predict = modelspan.monitor(
            model="m", task="regression", detectors={"error": error, "loss": loss}
        )(lambda call: call)  # fmt: skip
        predict(4.0)
        late = modelspan.current_prediction().id
        telemetry.flush()
        modelspan.feedback(early, 3.0)
        telemetry.flush()
        modelspan.feedback(late, 13.0)
        modelspan.feedback(early, 5.0)  # a correction
        telemetry.flush()
        (alarm,) = telemetry.events("ml.drift.detected")
    assert error.values == [2.0, 9.0]
    assert loss.values == [4.0, 81.0]
    assert "modelspan-worker" not in error.threads
    assert alarm.attributes["ml.feature.name"] == "error (keeps)"
    assert alarm.attributes["ml.drift.trace_ids"] == (late[:32],)


def test_a_drift_opens_an_alarm_with_the_trace_that_tipped_it_and_calm_closes_it():
    events, points = serve(
        lambda call: 1.0, [{"x": float(value)} for value in range(120)],
        detectors={"x": Keeps(10.0)}, drift_window=100,
    )  # fmt: skip
    assert [event.attributes["ml.drift.alarm.state"] for event in events] == ["open", "closed"]
    assert [event.severity_number.value for event in events] == [13, 9]
    assert {event.attributes["ml.feature.name"] for event in events} == {"x (keeps)"}
    assert len(events[0].attributes["ml.drift.trace_ids"]) == 1
    assert [point.value for point in points] == [0]


def test_while_its_alarm_is_open_the_gauge_is_one():
    _, points = serve(lambda call: 1.0, [{"x": 1.0}], detectors={"x": Keeps(1.0)})
    assert [(point.attributes["ml.feature.name"], point.value) for point in points] == [("x (keeps)", 1)]


def test_rivers_adwin_finds_a_moved_score():
    rng = np.random.default_rng(3)
    scores = np.clip(np.concatenate([rng.normal(0.3, 0.1, 400), rng.normal(0.7, 0.1, 400)]), 0, 1).tolist()
    events, _ = serve(lambda call: call, scores, detectors={"score": drift.ADWIN()}, task="binary")
    assert [event.attributes["ml.drift.alarm.rule"] for event in events] == ["river ADWIN"]


@pytest.mark.contained_fault
def test_a_detector_that_raises_costs_no_answer_and_stops_no_other_one():
    class Broken(Keeps):
        def update(self, value, /):
            raise RuntimeError("broken")

    good = Keeps()
    serve(lambda call: 1.0, [{"x": 1.0, "y": 2.0}] * 3, detectors={"x": Broken(), "y": good})
    assert good.values == [2.0] * 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (drift.ADWIN(), "pass a mapping"),
        ({"x": object()}, "object is no detector"),
        ({1: drift.ADWIN()}, "pass a mapping"),
        (dict.fromkeys("ab", drift.ADWIN()), "one for each"),
    ],
)
def test_wrong_detectors_are_refused_at_once(wrong, said):
    with pytest.raises(ConfigError, match=said):
        modelspan.monitor(model="m", detectors=wrong)(lambda x: x)
