"""From two decorated functions to gauges: the same traffic by trace and by business key."""

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import modelspan
from modelspan import semconv


def variant(name, version, **more):
    return modelspan.monitor(model="credit", version=version, variant=name, task="binary",
                             classes=("good", "bad"), **more)  # fmt: skip


def points(telemetry, metric, measure=None):
    """Newest value by challenger."""
    return {
        p.attributes[semconv.CHALLENGER]: p.value
        for p in telemetry.points(metric.name)
        if measure in (None, p.attributes.get(semconv.COMPARISON_MEASURE))
    }


def test_variants_called_within_one_request_are_compared(tmp_path):
    champion = variant("champion", "1")(lambda f: [[1 - f["a"], f["a"]]])
    shadow = variant("shadow", "2")(lambda f: [[1 - f["b"], f["b"]]])
    tracer = TracerProvider().get_tracer("application")
    random, said = np.random.default_rng(1), []
    with modelspan.testing.record(data=str(tmp_path), metric_interval_seconds=3600.0) as telemetry:
        for _ in range(200):
            row = {"a": float(random.random()), "b": float(random.random())}
            with tracer.start_as_current_span("request"):
                champion(row)
                named = modelspan.current_prediction().id
                shadow(row)
            truth = "bad" if random.random() < row["b"] else "good"
            modelspan.feedback(named, truth)
            said.append((row["a"] > 0.5, row["b"] > 0.5, truth == "bad", row["b"] - row["a"]))
        telemetry.flush()
        a, b, truth, difference = np.array(said).T
        assert points(telemetry, semconv.COMPARISON_PAIRS) == {"shadow": 200}
        assert points(telemetry, semconv.COMPARISON_OUTCOMES) == {"shadow": 200}
        agreement = points(telemetry, semconv.COMPARISON, "agreement")["shadow"]
        assert agreement == pytest.approx(np.mean(a == b))
        scores = points(telemetry, semconv.COMPARISON, "score_difference")["shadow"]
        assert scores == pytest.approx(difference.mean())
        better = np.mean((b == truth) * 1.0 - (a == truth) * 1.0)
        assert points(telemetry, semconv.COMPARISON, "performance_difference")["shadow"] == pytest.approx(
            better
        )
        low = points(telemetry, semconv.COMPARISON_LOWER, "performance_difference")["shadow"]
        assert low < better < points(telemetry, semconv.COMPARISON_UPPER, "performance_difference")["shadow"]
        last = telemetry.points(semconv.COMPARISON.name)[-1].attributes
        assert last[semconv.CHAMPION] == "champion"
        assert last[semconv.CHALLENGER_VERSION] == "2"
    assert trace.get_current_span().get_span_context().trace_id == 0


def test_a_shadow_that_runs_elsewhere_meets_the_champion_by_business_key(tmp_path):
    key = {"key": lambda row: row["loan"]}
    champion = variant("", "1", **key)(lambda f: [[0.8, 0.2]])
    shadow = variant("shadow", "2", **key)(lambda f: [[0.3, 0.7]])
    with modelspan.testing.record(data=str(tmp_path), metric_interval_seconds=3600.0) as telemetry:
        for loan in range(10):
            champion({"loan": loan})
        for loan in range(5, 15):
            shadow({"loan": loan})
        telemetry.flush()
        for loan in range(5, 8):
            modelspan.feedback(key=loan, outcome="bad")
        telemetry.flush()
        assert points(telemetry, semconv.COMPARISON_PAIRS) == {"shadow": 5}
        assert points(telemetry, semconv.COMPARISON_OUTCOMES) == {"shadow": 3}
        assert points(telemetry, semconv.COMPARISON, "performance_difference") == {"shadow": 1.0}


def test_a_model_with_one_variant_is_compared_with_nothing(tmp_path):
    alone = variant("champion", "1")(lambda f: [[0.8, 0.2]])
    with modelspan.testing.record(data=str(tmp_path), metric_interval_seconds=3600.0) as telemetry:
        alone({"a": 1.0})
        telemetry.flush()
        assert points(telemetry, semconv.COMPARISON_PAIRS) == {}


def test_a_process_that_starts_again_compares_what_the_store_holds(tmp_path):
    for last in (False, True):
        with modelspan.testing.record(data=str(tmp_path), metric_interval_seconds=3600.0) as telemetry:
            for name in ("a", "b"):
                variant(name, "1", key=lambda row: row["loan"])(lambda f: [[0.8, 0.2]])({"loan": int(last)})
            telemetry.flush()
            assert points(telemetry, semconv.COMPARISON_PAIRS) == {"b": 1 + last}


def test_the_states_of_feedback_are_shown_as_they_are_now(tmp_path):
    predict = variant("", "1")(lambda f: [[0.8, 0.2]])
    with modelspan.testing.record(data=str(tmp_path), metric_interval_seconds=3600.0) as telemetry:
        for _ in range(3):
            predict({"a": 1.0})
        modelspan.feedback(modelspan.current_prediction().id, "bad", wait=True)
        modelspan.feedback(f"{1:032x}-{1:016x}", "bad", wait=True)
        telemetry.flush()
        found = {
            (p.attributes[semconv.FEEDBACK_OF], p.attributes[semconv.FEEDBACK_STATE]): p.value
            for p in telemetry.points(semconv.FEEDBACK_STATES.name)
        }
        assert found["prediction", "pending"] == 2
        assert found["outcome", "joined"] == 1
        assert found["outcome", "orphan"] == 1
