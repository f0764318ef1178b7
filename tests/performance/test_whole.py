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


def test_an_estimator_of_many_classes_is_given_to_the_decorator(tmp_path):
    random, names = np.random.default_rng(3), ("cat", "dog", "eel")
    table = random.dirichlet(np.ones(3), size=900)
    truth = [names[random.choice(3, p=chances)] for chances in table]
    estimator = Estimator.fit(table, truth, classes=names)
    with modelspan.testing.record(data=str(tmp_path), metric_interval_seconds=3600.0) as telemetry:
        predict = modelspan.monitor(model="pet", classes=names, task="multiclass", estimate=estimator)(
            lambda row: [row["p"]]
        )
        for chances in random.dirichlet(np.ones(3), size=200).tolist():
            predict({"p": chances})
        telemetry.flush()
        # the mean of the largest of three such probabilities is 11/18
        found = latest(telemetry, semconv.ESTIMATE, metric="accuracy", window="all")
        assert found[0] == pytest.approx(11 / 18, abs=0.06)


def test_quantiles_and_beta_are_settings(tmp_path):
    settings = {"performance_quantiles": (0.9,), "performance_beta": 1.0, "metric_interval_seconds": 3600.0}
    with modelspan.testing.record(data=str(tmp_path), **settings) as telemetry:
        predict = modelspan.monitor(model="price", task="regression")(lambda row: [row["x"]])
        classify = modelspan.monitor(model="credit", task="binary", classes=("good", "bad"))(
            lambda row: [row["x"] / 10]
        )
        for x, truth in ((1.0, 3.0), (2.0, 1.0), (9.0, 9.0)):
            predict({"x": x})
            modelspan.feedback(modelspan.current_prediction().id, truth)
            classify({"x": x})
            modelspan.feedback(modelspan.current_prediction().id, "bad")
        telemetry.flush()
        found = latest(telemetry, semconv.PERFORMANCE_SCORE, metric="quantile_loss_0.9", window="all")
        assert found[-1] == pytest.approx((0.9 * 2 + 0.1 * 1) / 3)
        f1 = latest(telemetry, semconv.PERFORMANCE_SCORE, metric="f1", window="all")
        assert latest(telemetry, semconv.PERFORMANCE_SCORE, metric="f_beta", window="all") == f1


@pytest.mark.parametrize("wrong", [(1.5,), (0,), ("0.5",)])
def test_a_quantile_lies_between_0_and_1(wrong):
    with pytest.raises(ConfigError, match="performance_quantiles"):
        modelspan.Config(performance_quantiles=wrong)
