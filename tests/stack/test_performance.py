"""Each query of the performance dashboard gives, of outcomes told to real models, what scikit-learn gives.

Decorator, store and performance sink run in a process of their own, `outcomes.py`; its metrics go through a
real Collector into a real Prometheus.
"""

import numpy as np
import pytest
from panels import filled, pages
from scipy.stats import binomtest
from sklearn import metrics

POSITIVE = "bad"
AREA = 2e-3
"""The shared store keeps scores in cells of 2⁻¹⁰."""
BINARY = {
    "accuracy": lambda truth, score: metrics.accuracy_score(truth, score > 0.5),
    "balanced_accuracy": lambda truth, score: metrics.balanced_accuracy_score(truth, score > 0.5),
    "precision": lambda truth, score: metrics.precision_score(truth, score > 0.5),
    "recall": lambda truth, score: metrics.recall_score(truth, score > 0.5),
    "f1": lambda truth, score: metrics.f1_score(truth, score > 0.5),
    "mcc": lambda truth, score: metrics.matthews_corrcoef(truth, score > 0.5),
    "roc_auc": metrics.roc_auc_score,
    "pr_auc": metrics.average_precision_score,
    "brier": metrics.brier_score_loss,
    "log_loss": metrics.log_loss,
}
NUMBERS = {
    "mae": metrics.mean_absolute_error,
    "mape": metrics.mean_absolute_percentage_error,
    "rmse": metrics.root_mean_squared_error,
    "r2": metrics.r2_score,
}


class Facts:
    """What is true of a span of windows, from the rows alone."""

    def __init__(self, panels, span):
        self.rows = {
            model: [row for row in rows if span == "all" or row["window"] == max(r["window"] for r in rows)]
            for model, rows in panels.rows.items()
        }
        self.calibrated = panels.loans.estimator.calibrations[0]
        known = [row for row in self.rows["loans"] if "truth" in row]
        self.truth = np.array([row["truth"] == POSITIVE for row in known])
        self.score = np.array([row["p"] for row in known])
        prices = self.rows["price"]
        self.price = [np.array([row[name] for row in prices]) for name in ("truth", "p", "weight")]

    def coverage(self):
        return {model: np.mean(["truth" in row for row in rows]) for model, rows in self.rows.items()}

    def lags(self):
        quantiles = {}
        for model, rows in self.rows.items():
            lags = [row["lag"] for row in rows if "truth" in row]
            for share in (0.5, 0.9) if lags else ():
                quantiles[model, str(share)] = np.quantile(lags, share, method="inverted_cdf")
        return quantiles

    def measure(self, name):
        if name in BINARY:
            return {"loans": BINARY[name](self.truth, self.score)}
        truth, guess, weight = self.price
        return {"price": NUMBERS[name](truth, guess, sample_weight=weight)}

    def estimate(self, name):
        """What calibrated scores expect of all rows, by hand."""
        score = np.array([row["p"] for row in self.rows["loans"]])
        chance, bad = self.calibrated(score), score > 0.5
        hits = chance[bad].sum()
        return {
            "accuracy": np.where(bad, chance, 1 - chance).mean(),
            "precision": hits / bad.sum(),
            "recall": hits / chance.sum(),
        }[name]


@pytest.fixture(scope="module")
def facts(panels):
    return {span: Facts(panels, span) for span in ("last", "all")}


@pytest.fixture(scope="module")
def ask(panels):
    """The answers to the queries of a panel: values by model, and by further labels."""
    (page,) = [each for each in pages(panels.plan) if each["uid"] == "modelspan-performance"]
    targets = {each["title"]: each.get("targets", []) for each in page["panels"] if each["type"] != "row"}

    def answers(title, *labels, **chosen):
        found = []
        for target in targets[title]:
            answer = panels.query(filled(target["expr"], service="loans-api", **chosen))
            keys = [tuple(series[label] for label in ("ml_model_name", *labels)) for series, _ in answer]
            values = [value for _, value in answer]
            found.append(dict(zip(keys if labels else [name for (name,) in keys], values, strict=True)))
        return found

    answers.titles = set(targets)
    return answers


def of(models, found):
    return {key: value for key, value in found.items() if (key if isinstance(key, str) else key[0]) in models}


def test_every_panel_is_asked_here(ask):
    assert ask.titles == {
        "Coverage", "Coverage over time", "Lag", "Measured: $measure", "Estimated: $measure",
        "Accuracy", "Precision by class", "Recall by class", "Mean loss",
    }  # fmt: skip


@pytest.mark.parametrize("span", ["last", "all"])
def test_coverage_and_lag_are_those_of_the_rows(ask, facts, span):
    for title in ("Coverage", "Coverage over time"):
        assert ask(title, span=span) == [pytest.approx(facts[span].coverage())]
    (lags,) = ask("Lag", "ml_performance_quantile", span=span)
    wanted = facts[span].lags()
    # of a window that is no longer the last, Prometheus shows the lag for five minutes more
    assert {key: lags[key] for key in wanted} == pytest.approx(wanted, rel=0.06)  # a bin is 9 % wide


@pytest.mark.parametrize("span", ["last", "all"])
@pytest.mark.parametrize("name", [*BINARY, *NUMBERS])
def test_a_measure_is_that_of_scikit_learn_within_its_interval(ask, facts, span, name):
    models = ("price",) if name in NUMBERS else ("loans",)
    value, lower, upper = (of(models, each) for each in ask("Measured: $measure", measure=name, span=span))
    tolerance = {"abs": AREA} if name.endswith("auc") else {"rel": 1e-9}
    assert value == pytest.approx(facts[span].measure(name), **tolerance)
    (model,) = models
    assert lower[model] < value[model] < upper[model]
    if name == "accuracy":
        truth, score = facts[span].truth, facts[span].score
        interval = binomtest(int((truth == (score > 0.5)).sum()), truth.size).proportion_ci(0.95, "wilson")
        assert (lower[model], upper[model]) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("span", ["last", "all"])
@pytest.mark.parametrize("name", ["accuracy", "precision", "recall"])
def test_an_estimate_is_what_calibrated_scores_expect(ask, facts, span, name):
    value, lower, upper = ask("Estimated: $measure", measure=name, span=span)
    assert value == {"loans": pytest.approx(facts[span].estimate(name))}
    assert lower["loans"] < value["loans"] < upper["loans"]


def test_sums_over_replicas_are_those_of_all_rows_with_corrections_taken_off(ask, facts):
    true = facts["all"]
    assert of(["loans"], *ask("Accuracy")) == pytest.approx(true.measure("accuracy"))
    precision, recall, _, _ = metrics.precision_recall_fscore_support(true.truth, true.score > 0.5)
    for title, label, wanted in (
        ("Precision by class", "ml_prediction_label", precision),
        ("Recall by class", "ml_outcome_label", recall),
    ):
        (found,) = ask(title, label)
        classes = {("loans", name): value for name, value in zip(("good", POSITIVE), wanted, strict=True)}
        assert of(["loans"], found) == pytest.approx(classes)


def test_mean_losses_are_those_of_all_rows(ask, facts):
    truth, guess, weight = facts["all"].price
    wanted = {
        ("loans", "brier"): facts["all"].measure("brier")["loans"],
        ("loans", "log_loss"): facts["all"].measure("log_loss")["loans"],
        ("price", "mae"): facts["all"].measure("mae")["price"],
        ("price", "mape"): facts["all"].measure("mape")["price"],
        ("price", "mse"): metrics.mean_squared_error(truth, guess, sample_weight=weight),
    }
    assert of(["loans", "price"], *ask("Mean loss", "ml_performance_metric")) == pytest.approx(wanted)


def test_a_crossed_threshold_fires_and_one_that_is_kept_does_not(panels):
    crossed = {s["ml_threshold_name"]: value for s, value in panels.query("ml_threshold_crossed")}
    assert crossed == {"accuracy falls": 1, "accuracy is kept": 0}
    firing = 'ALERTS{alertname="ModelThresholdCrossed", alertstate="firing"}'
    found = panels.query(firing)
    assert [(s["ml_model_name"], s["ml_threshold_name"]) for s, _ in found] == [("loans", "accuracy falls")]


def test_low_coverage_waits_its_hour_and_usual_coverage_does_not(panels):
    pending = 'ALERTS{alertname="ModelCoverageLow"}'
    found = panels.query(pending)
    assert [(s["ml_model_name"], s["alertstate"]) for s, _ in found] == [("rare", "pending")]
