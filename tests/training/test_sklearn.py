import math
import pickle

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.neural_network import MLPClassifier

from modelspan.integrations.sklearn import FitMonitor, TrackedScorer

X, Y = make_classification(400, 6, random_state=0)


def failing(estimator, x, y):
    raise ZeroDivisionError("mine")


def empty(estimator, x, y):
    return math.nan


def test_cross_validation_gives_the_same_scores_and_a_span_for_each(telemetry):
    plain = cross_val_score(LogisticRegression(), X, Y, scoring="roc_auc", cv=4)
    with TrackedScorer("roc_auc", model="churn", version="3") as scoring:
        told = cross_val_score(LogisticRegression(), X, Y, scoring=scoring, cv=4)
    np.testing.assert_array_equal(told, plain)
    *folds, run = telemetry.spans
    assert [span.name for span in folds] == ["score churn"] * 4
    assert {span.parent.span_id for span in folds} == {run.context.span_id}
    assert [span.attributes["ml.training.value.validation.roc_auc"] for span in folds] == plain.tolist()
    (point,) = telemetry.points("ml.training.score")
    assert point.value == plain[-1]
    assert point.attributes["ml.training.metric"] == "roc_auc"


@pytest.mark.parametrize("threads", [1, 4])
def test_a_search_of_several_scores_chooses_as_without_it(telemetry, threads):
    grid = {"C": [0.01, 1.0]}
    names = ["accuracy", "roc_auc"]
    plain = GridSearchCV(LogisticRegression(), grid, scoring=names, refit="roc_auc", cv=3).fit(X, Y)
    import joblib

    with TrackedScorer(names, model="churn") as scoring, joblib.parallel_config("threading"):
        told = GridSearchCV(
            LogisticRegression(), grid, scoring=scoring, refit="roc_auc", cv=3, n_jobs=threads
        ).fit(X, Y)
    assert told.best_params_ == plain.best_params_
    np.testing.assert_array_equal(
        told.cv_results_["mean_test_accuracy"], plain.cv_results_["mean_test_accuracy"]
    )
    *scored, _ = telemetry.spans
    assert len(scored) == 6
    assert all(f"ml.training.value.validation.{name}" in span.attributes for span in scored for name in names)


def test_it_pickles_and_a_copy_tells_under_the_same_run(telemetry):
    with TrackedScorer("accuracy", model="churn") as scoring:
        copy = pickle.loads(pickle.dumps(scoring))
        copy(LogisticRegression().fit(X, Y), X, Y)
    scored, run = telemetry.spans
    assert scored.parent.span_id == run.context.span_id


def test_an_exception_of_the_scorer_is_the_callers(telemetry):
    with TrackedScorer(failing, model="churn") as scoring, pytest.raises(ZeroDivisionError, match="mine"):
        scoring(None, X, Y)
    scored, _ = telemetry.spans
    assert scored.attributes["error.type"] == "ZeroDivisionError"


def test_a_score_of_nan_is_an_event(telemetry):
    with TrackedScorer(empty, model="churn") as scoring:
        assert np.isnan(cross_validate(LogisticRegression(), X, Y, scoring=scoring, cv=2)["test_score"]).all()
    assert {
        event.attributes["ml.training.source"] for event in telemetry.events("ml.training.nonfinite")
    } == {"score"}
    assert telemetry.points("ml.training.score") == []


def test_an_unknown_score_is_refused_at_once():
    with pytest.raises(ValueError, match="no_such"):
        TrackedScorer("no_such", model="churn")


def test_a_loop_of_partial_fit_tells_loss_and_validation_of_each_epoch(telemetry):
    plain = MLPClassifier((8,), random_state=0)
    watched = MLPClassifier((8,), random_state=0)
    losses = []
    with FitMonitor(watched, model="mlp", validation=(X, Y), scoring="accuracy") as watch:
        for _ in range(3):
            plain.partial_fit(X, Y, classes=[0, 1])
            with watch.epoch():
                watched.partial_fit(X, Y, classes=[0, 1])
            losses.append(plain.loss_)
    np.testing.assert_array_equal(watched.coefs_[0], plain.coefs_[0])
    *epochs, run = telemetry.spans
    assert [span.attributes["ml.training.value.loss"] for span in epochs] == losses
    assert run.attributes["ml.training.value.validation.accuracy"] == plain.score(X, Y)


@pytest.mark.contained_fault
def test_a_scorer_that_fails_after_an_epoch_leaves_the_loop_alone(telemetry):
    from modelspan import guard

    before = guard.fault_count()
    estimator = SGDClassifier()
    with FitMonitor(estimator, model="sgd", validation=(X[:, :2], Y)) as watch, watch.epoch():
        estimator.partial_fit(X, Y, classes=[0, 1])
    assert guard.fault_count() == before + 1
    assert [span.name for span in telemetry.spans] == ["epoch sgd", "train sgd"]
