"""From a decorated function and late feedback to what leaves the process."""

import numpy as np
import pytest

import modelspan
from modelspan import semconv
from modelspan.errors import ConfigError
from modelspan.performance.estimate import Estimator

REFERENCE_ROWS = 800


def reference():
    random = np.random.default_rng(1)
    score = random.random(REFERENCE_ROWS)
    truth = np.where(random.random(REFERENCE_ROWS) < score, "bad", "good")
    table = {"amount": random.normal(size=REFERENCE_ROWS), "score": score, "truth": truth}
    return modelspan.Reference.build(table, score="score", target="truth")


def serve(**settings):
    """A model that answers with the score that it is given."""

    @modelspan.monitor(
        model="credit", version="1", task="binary", classes=("good", "bad"), segments=("region",), **settings
    )
    def predict(features):
        return [[1 - features["p"], features["p"]]]

    return predict


def calls(predict, count):
    """Predictions with their ids."""
    random = np.random.default_rng(2)
    made = []
    for number in range(count):
        score = float(random.random())
        predict({"p": score, "amount": 0.0, "region": "north" if number % 2 else "south"})
        made.append((modelspan.current_prediction().id, "bad" if random.random() < score else "good"))
    return made


def latest(telemetry, instrument, **named):
    """Values of the points with these attributes."""
    names = {"metric": semconv.PERFORMANCE_METRIC, "window": semconv.PERFORMANCE_WINDOW,
             "segment": semconv.SEGMENT_VALUE}  # fmt: skip
    wanted = {names[name]: value for name, value in named.items()}
    return [
        p.value for p in telemetry.points(instrument.name) if wanted.items() <= dict(p.attributes).items()
    ]


def test_outcomes_that_come_late_become_performance_and_the_estimate_was_there_before(tmp_path):
    with modelspan.testing.record(data=str(tmp_path), metric_interval_seconds=3600.0) as telemetry:
        made = calls(serve(reference=reference()), 200)
        telemetry.flush()
        expected = latest(telemetry, semconv.ESTIMATE, metric="accuracy", window="all")[0]
        assert expected == pytest.approx(0.75, abs=0.05)
        assert latest(telemetry, semconv.PERFORMANCE_SCORE, metric="accuracy") == []
        assert latest(telemetry, semconv.PERFORMANCE_SHARE, window="all")[-1] == 0
        for prediction_id, truth in made[:150]:
            modelspan.feedback(prediction_id, truth)
        telemetry.flush()
        assert latest(telemetry, semconv.PERFORMANCE_SHARE, window="all", segment="north")[-1] == 0.75
        assert len(latest(telemetry, semconv.PERFORMANCE_SCORE, metric="accuracy", window="all")) >= 3
        assert latest(telemetry, semconv.PERFORMANCE_SCORE, metric="roc_auc", window="all")
        report = telemetry.events(semconv.PERFORMANCE_EVENT.name)[-1]
        assert report.attributes[semconv.MODEL_NAME] == "credit"


def test_without_a_store_nothing_is_measured():
    with modelspan.testing.record() as telemetry:
        calls(serve(), 3)
        telemetry.flush()
        assert latest(telemetry, semconv.PERFORMANCE_SHARE) == []


def test_a_wrong_file_of_thresholds_is_an_error_at_start(tmp_path):
    path = tmp_path / "thresholds.yaml"
    path.write_text("thresholds: [{name: a}]")
    with pytest.raises(ConfigError, match="needs a store"):
        modelspan.Config(thresholds=str(path))
    with pytest.raises(ConfigError, match=r"thresholds\.yaml:1: "):
        modelspan.Config(thresholds=str(path), data=str(tmp_path))


def test_an_estimator_is_part_of_the_reference_file(tmp_path):
    made = reference()
    made.save(tmp_path / "r.json")
    back = modelspan.Reference.load(tmp_path / "r.json")
    assert isinstance(back.estimator, Estimator)
    assert back.estimator == made.estimator
    assert back.estimator.classes == ("good", "bad")
