"""Errors of a regression estimated before outcomes come: closed forms, published values, and when not to."""

import json
import math
import os
import threading
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.tree import DecisionTreeRegressor

import modelspan
from modelspan import _setup, semconv
from modelspan.errors import ConfigError
from modelspan.outcome import ExpectedLoss, JoinedRow
from modelspan.performance.evidence import Evidence
from modelspan.performance.loss import LossModel
from modelspan.performance.loss_columns import MAX_LEVELS, Column
from modelspan.performance.loss_estimator import LossEstimator
from modelspan.performance.sums import Options, Sums
from modelspan.performance.window import Window
from tests.published import car_price

NORMAL = LossEstimator(ratios=(math.sqrt(8 / math.pi), 3.0, 15.0))
# RMSE that NannyML estimated of its car price data, chunks of 6,000, in its tutorial "Estimating Performance
# for Regression"; its regressor is LightGBM, ours scikit-learn's.
PUBLISHED = (
    1067.212885, 1063.129715, 1054.158749, 1060.665742, 1055.230227,
    928.513388, 928.915961, 927.915836, 930.426206,
)  # fmt: skip


def draw(random, rows, middle=0.0, worse=1.0):
    """y = 3x + noise, whose standard deviation is 1 + |x|; the monitored model predicts 3x."""
    x = random.normal(middle, 1.0, rows)
    return pd.DataFrame({
        "x": x, "kind": random.choice(["a", "b"], rows), "p": 3 * x,
        "y": 3 * x + worse * random.normal(size=rows) * (1 + np.abs(x)),
    })  # fmt: skip


def expected_errors(middle):
    """MAE and RMSE of such rows: E|e| is sd·√(2/π), and |x| is folded normal (Leone et al. 1961)."""
    folded = math.sqrt(2 / math.pi) * math.exp(-(middle**2) / 2) + middle * math.erf(middle / math.sqrt(2))
    return math.sqrt(2 / math.pi) * (1 + folded), math.sqrt(1 + 2 * folded + middle**2 + 1)


def rows_of(model, table, features=("x", "kind"), prediction="p", target="y"):
    columns = {name: table[name].tolist() for name in features}
    expected = model.expect(columns, table[prediction].tolist())
    return [
        JoinedRow(prediction_id="i", model="m", predicted_ns=0, value=p, expected_loss=loss,
                  outcome_value=y, outcome_ns=1)
        for p, loss, y in zip(table[prediction], expected, table[target], strict=True)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return LossModel.fit(draw(np.random.default_rng(1), 12_000), prediction="p", target="y")


@pytest.mark.parametrize("middle", [0.0, 0.5, -1.0])
def test_the_estimate_follows_the_data_to_where_errors_are_larger(model, middle):
    rows = rows_of(model, draw(np.random.default_rng(2), 8_000, middle))
    found = model.estimator.expect(rows).measures(Options())
    mae, rmse = expected_errors(abs(middle))
    assert found["mae"].value == pytest.approx(mae, rel=0.04)
    assert found["rmse"].value == pytest.approx(rmse, rel=0.04)
    assert set(found) == {"mae", "rmse"}


def test_published_estimates_and_realised_values_are_met_within_one_percent():
    reference, analysis = car_price("reference"), car_price("analysis")
    truth = car_price("analysis_targets")["y_true"].to_numpy()
    features = ("car_age", "km_driven", "price_new", "accident_count", "door_count", "fuel", "transmission")
    model = LossModel.fit(
        reference[::3], prediction="y_pred", target="y_true", features=features
    )  # a third of the rows: the whole takes three times as long and says the same
    assert model.estimator.doubts == ()
    for at, published in enumerate(PUBLISHED):
        chunk = slice(at * 6_000, (at + 1) * 6_000)
        rows = rows_of(model, analysis[chunk].assign(y=truth[chunk]), features, "y_pred")
        found = model.estimator.expect(rows).measures(Options())["rmse"]
        assert found.value == pytest.approx(published, rel=0.012), at
        realised = Sums.of(rows, Options()).measures(Options())["rmse"].value
        assert found.value == pytest.approx(realised, rel=0.04), at
        assert model.estimator.judge(rows).doubts() == ()


def test_the_interval_holds_what_a_window_of_so_many_rows_realises():
    random = np.random.default_rng(3)
    held = {"mae": 0, "rmse": 0}
    for _ in range(400):
        sd = 1 + np.abs(random.normal(size=200))
        error = random.normal(size=200) * sd
        rows = [
            JoinedRow(prediction_id="i", model="m", predicted_ns=0, value=0.0, outcome_value=e, outcome_ns=1,
                      expected_loss=ExpectedLoss(s * math.sqrt(2 / math.pi), s**2))
            for s, e in zip(sd.tolist(), error.tolist(), strict=True)
        ]  # fmt: skip
        found = NORMAL.expect(rows).measures(Options())
        real = Sums.of(rows, Options()).measures(Options())
        for name in held:
            held[name] += found[name].lower <= real[name].value <= found[name].upper
    # a little more than 95 %: the rows of a window move what is expected of them along
    assert all(0.93 <= count / 400 <= 0.995 for count in held.values()), held


def test_the_ratios_of_normal_errors_are_those_of_the_normal_distribution(model):
    assert model.estimator.ratios == pytest.approx(NORMAL.ratios, rel=0.25)


def test_estimates_of_windows_add_and_survive_the_store(model):
    rows = rows_of(model, draw(np.random.default_rng(4), 400))
    parts = [Window.of(each, Options(), model.estimator) for each in (rows[:150], rows[150:])]
    whole = Window.of(rows, Options(), model.estimator)
    both = Window.from_json((parts[0] + parts[1]).to_json())
    for name, measure in whole.estimated(Options()).items():
        assert both.estimated(Options())[name].value == pytest.approx(measure.value)
        assert both.estimated(Options())[name].lower == pytest.approx(measure.lower)
    assert both.evidence.rows == 400
    again = LossEstimator.from_document(json.loads(json.dumps(model.estimator.document())))
    assert again == model.estimator
    assert Window.of([], Options(), model.estimator).estimated(Options()) == {}


def test_a_good_reference_gives_no_doubts_and_worse_ones_do():
    random = np.random.default_rng(5)
    given = {"prediction": "p", "target": "y"}
    small = LossModel.fit(draw(random, 200), regressor=DummyRegressor(), **given)
    assert "the reference is small" in small.estimator.doubts[0]
    overfitted = LossModel.fit(draw(random, 3_000), regressor=DecisionTreeRegressor(random_state=0), **given)
    assert "held-out rows are off" in overfitted.estimator.doubts[0]


def test_outcomes_that_contradict_the_estimate_and_rows_beyond_the_reference_are_said(model):
    random = np.random.default_rng(6)
    assert model.estimator.judge(rows_of(model, draw(random, 3_000))).doubts() == ()
    worse = model.estimator.judge(rows_of(model, draw(random, 3_000, worse=1.5)))
    assert "contradict it" in worse.doubts()[0]
    far = model.estimator.judge(rows_of(model, draw(random, 1_000, middle=6.0)))
    assert "lie beyond" in far.doubts()[0]
    unknown = model.estimator.judge(rows_of(model, draw(random, 100).assign(kind="c")))
    assert unknown.outside == 100


def test_a_difference_of_a_few_percent_is_no_contradiction_however_many_rows_show_it():
    assert Evidence(rows=10**6, surprise=3e4, variance=1e6, expected=1e6).doubts() == ()
    assert Evidence(rows=10**6, surprise=6e4, variance=1e6, expected=1e6).doubts() != ()


def test_a_column_reads_numbers_categories_and_gaps():
    numbers = Column.of("n", [1, 2.5, True])
    assert numbers.read([0, 2, None, "x"])[1].tolist() == [True, False, True, True]
    gaps = Column.of("n", [1.0, None, float("nan")])
    assert gaps.read([None, 1])[1].tolist() == [False, False]
    levels = Column.of("l", ["b", "a", "b", None, 7])
    read, beyond = levels.read(["a", "b", "7", "z", None])
    assert read.tolist()[:3] == [1.0, 2.0, 0.0]
    assert np.isnan(read[3:]).all()
    assert beyond.tolist() == [False, False, False, True, False]
    assert len(Column.of("l", [f"v{n}" for n in range(400)]).levels) == MAX_LEVELS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"target": "z"}, "no column 'z'"),
        ({"features": ["x", "w"]}, "no column 'w'"),
        ({"data": {"x": [1.0] * 30, "p": [1.0] * 30, "y": [math.nan] * 30}}, "0 rows with numbers"),
        ({"data": {"x": [1.0] * 30, "p": [1.0] * 30, "y": [1.0] * 30}}, "every 'p' equals"),
    ],
)
def test_a_reference_that_teaches_nothing_is_refused(changed, said):
    given = {"data": draw(np.random.default_rng(1), 30), "prediction": "p", "target": "y"} | changed
    with pytest.raises(ConfigError, match=said):
        LossModel.fit(given.pop("data"), **given)


def test_only_a_loss_model_of_a_regression_is_taken(model):
    with pytest.raises(ConfigError, match="estimate is a str"):
        modelspan.monitor(model="m", estimate="file")(print)
    with pytest.raises(ConfigError, match="is for regression"):
        modelspan.monitor(model="m", task="binary", estimate=model)(print)


def serve(model, rows=60):
    """Predictions of a decorated function, with their ids."""

    @modelspan.monitor(model="price", task="regression", estimate=model)
    def predict(features):
        return [3 * features["x"]]

    random, made = np.random.default_rng(7), []
    for _ in range(rows):
        x = float(random.normal())
        assert predict({"x": x, "kind": "a"}) == [3 * x]
        made.append((modelspan.current_prediction().id, 3 * x + random.normal() * (1 + abs(x))))
    return made


def values(telemetry, metric, measure):
    found = telemetry.points(metric.name)
    wanted = {semconv.PERFORMANCE_METRIC: measure, semconv.PERFORMANCE_WINDOW: "all"}
    return [each.value for each in found if wanted.items() <= dict(each.attributes).items()]


def test_the_estimate_is_there_before_outcomes_and_the_realised_value_after_them(model, tmp_path):
    with modelspan.testing.record(data=str(tmp_path), metric_interval_seconds=3600.0) as telemetry:
        made = serve(model)
        telemetry.flush()
        early = values(telemetry, semconv.ESTIMATE, "mae")[-1]
        assert early == pytest.approx(expected_errors(0.0)[0], rel=0.25)
        assert values(telemetry, semconv.ESTIMATE_LOWER, "rmse")
        assert values(telemetry, semconv.PERFORMANCE_SCORE, "mae") == []
        for prediction_id, truth in made:
            modelspan.feedback(prediction_id, float(truth))
        telemetry.flush()
        assert values(telemetry, semconv.PERFORMANCE_SCORE, "mae")
        assert values(telemetry, semconv.ESTIMATE, "mae")[-1] == pytest.approx(early)
        sums = {dict(p.attributes)[semconv.PERFORMANCE_METRIC]: p.value
                for p in telemetry.points(semconv.EXPECTED_LOSS.name)}  # fmt: skip
        assert sums["mae"] / 60 == pytest.approx(early)


@pytest.mark.contained_fault
@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
def test_a_regressor_that_raises_costs_the_estimate_only_and_is_counted(model, tmp_path, error):
    class Broken:
        def predict(self, table):
            raise error

    broken = LossModel(model._columns, [Broken(), Broken()], model._scales, model.estimator)
    with modelspan.testing.record(data=str(tmp_path)) as telemetry:
        serve(broken, 5)
        telemetry.flush()
        assert values(telemetry, semconv.ESTIMATE, "mae") == []
        assert _setup.current.ledger.dropped["expected losses", "loss_model"] == 5


def test_a_slow_regressor_is_asked_less(model, tmp_path):
    class Slow:
        asked = 0

        def predict(self, table):
            Slow.asked += 1
            time.sleep(0.6)
            return np.ones(len(table))

    slow = LossModel(model._columns, [Slow(), Slow()], model._scales, model.estimator)
    with modelspan.testing.record(data=str(tmp_path), cpu_budget=0.01) as telemetry:
        for _ in range(3):
            serve(slow, 2)
            telemetry.flush()
        assert Slow.asked == 2  # once for each loss; what it took beyond a second is owed
        assert _setup.current.ledger.dropped["expected losses", "over_budget"] == 4


def test_a_forked_child_can_ask_what_a_thread_of_its_parent_has_asked(model):
    columns = {"x": [0.1], "kind": ["a"]}
    thread = threading.Thread(target=model.expect, args=(columns, [0.3]))
    thread.start()
    thread.join()
    child = os.fork()
    if child == 0:
        model.expect(columns, [0.3])
        os._exit(0)
    deadline = time.monotonic() + 60
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended and time.monotonic() < deadline:
        time.sleep(0.02)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert (ended, status) == (child, 0)
