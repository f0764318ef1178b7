import math
import pickle

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import modelspan
from modelspan import semconv
from modelspan.errors import ConfigError
from modelspan.integrations.pace import Pace
from modelspan.integrations.run import MAX_SCORES, MAX_TOLD, TrainingRun


def by_name(telemetry):
    return {span.name: span for span in telemetry.spans}


def values(telemetry, name):
    return [point.value for point in telemetry.points(name)]


def test_a_run_is_one_trace_and_its_epochs_are_children_of_it(telemetry):
    with TrainingRun(model="net", version="2", framework="torch") as run:
        for _ in range(3):
            run.begin()
            run.loss(0.5)
            run.finish(None, **{semconv.TRAINING_STEPS: 7})
    *epochs, whole = telemetry.spans
    assert (whole.name, whole.parent) == ("train net", None)
    assert f"{whole.context.trace_id:032x}" != run.trace_id == ""  # it is over
    assert [e.attributes["ml.training.epoch"] for e in epochs] == [0, 1, 2]
    assert {e.parent.span_id for e in epochs} == {whole.context.span_id}
    assert {e.context.trace_id for e in epochs} == {whole.context.trace_id}
    assert epochs[0].attributes["ml.training.epoch.steps"] == 7
    assert whole.attributes["ml.model.framework"] == "torch"
    assert whole.attributes["ml.training.value.loss"] == 0.5


def test_metrics_lead_to_the_epoch_that_they_come_from(telemetry):
    with TrainingRun(model="net") as run:
        run.begin()
        run.loss(0.25)
        run.record([(semconv.TRAINING_STEP_DURATION, 0.02, {})])
        run.finish(None)
    epoch = by_name(telemetry)["epoch net"]
    (loss,) = telemetry.points("ml.training.loss")
    (duration,) = telemetry.points("ml.training.step.duration")
    assert (loss.value, dict(loss.attributes)) == (
        0.25,
        {"ml.model.name": "net", "ml.training.phase": "train"},
    )
    assert duration.sum == 0.02
    exemplars = [e for point in points_of_all(telemetry, "ml.training.loss") for e in point.exemplars]
    assert {(e.trace_id, e.span_id) for e in exemplars} == {(epoch.context.trace_id, epoch.context.span_id)}


def points_of_all(telemetry, name):
    """Of every collection: an exemplar is in one only."""
    return [
        point
        for data in telemetry._metrics
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_an_event_and_a_count_and_never_a_value(telemetry, value):
    with TrainingRun(model="net") as run:
        run.begin()
        run.count(41)
        for _ in range(3):
            run.loss(value)
        run.finish(None)
    (event,) = telemetry.events("ml.training.nonfinite")
    assert event.severity_number.value == 17
    assert event.trace_id == by_name(telemetry)["epoch net"].context.trace_id
    assert dict(event.attributes) == {
        "ml.model.name": "net", "ml.training.source": "loss", "ml.training.phase": "train",
        "ml.training.epoch": 0, "ml.training.step": 41,
    }  # fmt: skip
    assert ("NaN" if math.isnan(value) else "infinite") in event.body
    assert values(telemetry, "ml.training.nonfinite") == [3]
    assert telemetry.points("ml.training.loss") == []
    assert "ml.training.value.loss" not in by_name(telemetry)["epoch net"].attributes


def test_events_and_names_of_scores_are_bounded(telemetry):
    with TrainingRun(model="net") as run:
        run.begin()
        for number in range(3 * MAX_SCORES):
            run.score(f"s{number}", 1.0)
            run.record([(semconv.LAYER_GRADIENT_NORM, math.nan, {semconv.TRAINING_LAYER: f"l{number}"})])
    names = {point.attributes["ml.training.metric"] for point in telemetry.points("ml.training.score")}
    assert len(names) == MAX_SCORES + 1
    assert "other" in names
    assert len(telemetry.events("ml.training.nonfinite")) == MAX_TOLD
    assert sum(values(telemetry, "ml.training.nonfinite")) == 3 * MAX_SCORES


def test_a_run_that_raises_ends_as_an_error_with_its_open_epoch(telemetry):
    def train():
        with TrainingRun(model="net") as run:
            run.begin()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert {s.name: s.attributes["error.type"] for s in telemetry.spans} == dict.fromkeys(
        ("epoch net", "train net"), "KeyboardInterrupt"
    )


def test_a_run_below_a_span_of_the_application_is_its_child(telemetry):
    span = TracerProvider().get_tracer("app").start_span("nightly")
    with trace.use_span(span, end_on_exit=True), TrainingRun(model="net"):
        pass
    assert by_name(telemetry)["train net"].parent.span_id == span.get_span_context().span_id


def test_a_pickled_run_tells_of_its_part_below_the_same_run(telemetry):
    with TrainingRun(model="net") as run:
        copy = pickle.loads(pickle.dumps(run))
        copy.begin(semconv.SCORING)
        copy.score("auc", 0.7)
        copy.finish(None)
    spans = by_name(telemetry)
    assert spans["score net"].parent.span_id == spans["train net"].context.span_id


def test_without_telemetry_a_run_does_nothing(stopped, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with TrainingRun(model="net") as run:
        run.begin()
        run.loss(1.0)
        run.finish(None)
    assert run.trace_id == ""


@pytest.mark.contained_fault
def test_what_is_no_number_is_contained(telemetry):
    with TrainingRun(model="net") as run:
        run.loss("not a number")
        run.score("auc", None)
    assert telemetry.points("ml.training.loss") == []


@pytest.mark.parametrize("model", ["", None, 3])
def test_a_run_without_a_name_is_refused(model):
    with pytest.raises(ConfigError, match="model="):
        TrainingRun(model=model)


@pytest.mark.parametrize("share", [0, -1, 2, "x", math.nan])
def test_a_share_without_meaning_is_refused(share):
    with pytest.raises(ConfigError, match="share="):
        Pace(share)


@pytest.mark.parametrize("cost", [0.001, 0.01, 0.5])
def test_looks_cost_the_share_of_the_time_of_steps_whatever_a_look_costs(cost):
    """Steps of 10 ms on a clock by hand: 1 % goes to looks."""
    now, spent, trained, looked = [0.0], 0.0, 0.0, True
    pace = Pace(0.01, lambda: now[0])
    for _ in range(200_000):
        spend = cost if looked else 0.0
        spent, trained = spent + spend, trained + 0.01
        now[0] += 0.01 + spend
        looked = pace.step(spend)
    assert 0.008 * trained <= spent <= 0.01 * trained + cost


def test_a_long_pause_brings_no_burst_of_looks():
    now = [0.0]
    pace = Pace(0.01, lambda: now[0])
    pace.step(0.01)
    now[0] += 3600
    looks = 0
    looked = pace.step()
    for _ in range(50):
        now[0] += 0.01 + (0.01 if looked else 0)
        looks += looked
        looked = pace.step(0.01 if looked else 0.0)
    assert looks == 1
    assert modelspan.flush(0)
