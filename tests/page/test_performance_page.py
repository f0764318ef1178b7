"""The performance tab: variants with their interval, and what became of outcomes, by words and JSON."""

import json
import urllib.request

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from modelspan import semconv
from modelspan.viewer.page import render
from modelspan.viewer.views import performance
from modelspan.viewer.views.route import Route, href

MODEL = "credit-risk"
ROLES = {
    semconv.MODEL_NAME: MODEL, semconv.CHAMPION: "champion", semconv.CHAMPION_VERSION: "1",
    semconv.CHALLENGER: "shadow", semconv.CHALLENGER_VERSION: "2",
}  # fmt: skip
STATES = [("prediction", "pending", "", 70), ("outcome", "joined", "", 30), ("outcome", "rejected", "nan", 2)]


def observed(meter):
    """Set what a process with a store shows, the interval of the difference narrower each time."""
    measured = {**ROLES, semconv.COMPARISON_MEASURE: "performance_difference"}
    gauges = {
        metric.name: meter.create_gauge(metric.name, metric.unit)
        for metric in (*semconv.VARIANT_METRICS, semconv.FEEDBACK_STATES)
    }
    for lower in (-0.2, -0.1, 0.05):
        gauges[semconv.COMPARISON.name].set(0.15, measured)
        gauges[semconv.COMPARISON_LOWER.name].set(lower, measured)
        gauges[semconv.COMPARISON_UPPER.name].set(0.3 - lower, measured)
        gauges[semconv.COMPARISON_PAIRS.name].set(400, ROLES)
        gauges[semconv.COMPARISON_OUTCOMES.name].set(300, ROLES)
        for of, state, reason, count in STATES:
            named = {semconv.FEEDBACK_OF: of, semconv.FEEDBACK_STATE: state}
            named |= {semconv.FEEDBACK_REASON: reason} if reason else {semconv.MODEL_NAME: MODEL}
            gauges[semconv.FEEDBACK_STATES.name].set(count, named)
        yield


@pytest.fixture(scope="module")
def told(called):
    exporter = OTLPMetricExporter(f"{called[0].otlp_url}/v1/metrics")
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)])
    for _ in observed(provider.get_meter("modelspan")):
        provider.force_flush()
    provider.shutdown()
    return called


def words(queries, path):
    """What the page says there."""
    return json.dumps(render(queries, Route.parse(path, ""))[1].to_plotly_json(), default=_plain)


def _plain(component):
    return component.to_plotly_json() if hasattr(component, "to_plotly_json") else str(component)


def test_the_endpoint_tells_who_is_better_and_how_the_interval_narrowed(told):
    with urllib.request.urlopen(f"{told[0].page_url}/api/variants?model={MODEL}", timeout=30) as answer:
        (found,) = json.load(answer)["comparisons"]
    assert (found["champion"], found["challenger"], found["challenger_version"]) == (
        "champion",
        "shadow",
        "2",
    )
    assert (found["pairs"], found["outcomes"], found["better"]) == (400, 300, "challenger")
    assert [each["lower"] for each in found["history"]][:3] == [-0.2, -0.1, 0.05]


def test_the_tab_shows_variants_and_states_in_words(told):
    said = words(told[1], href("models", MODEL, "performance"))
    for expected in ("Champion, challenger, shadow", "shadow 2", "against champion 1", "+0.150"):
        assert expected in said
    for state in ("pending", "joined", "superseded", "orphan", "expired", "rejected"):
        assert state in said
    assert "nan (of any model)" in said


def test_states_are_those_of_the_model_and_those_of_none(told):
    found = told[1].performance(MODEL)["feedback"]
    assert found == [
        {"state": "pending", "reason": "", "of_model": True, "predictions": 70, "outcomes": 0},
        {"state": "joined", "reason": "", "of_model": True, "predictions": 0, "outcomes": 30},
        {"state": "rejected", "reason": "nan", "of_model": False, "predictions": 0, "outcomes": 2},
    ]
    assert [each["predictions"] for each in told[1].performance("another")["feedback"]] == [0]


def test_the_estimate_of_a_regression_says_what_it_comes_from_and_why_not_to_trust_it():
    window = {
        "start": 0.0, "end": 60.0, "coverage": 0.0, "realised": {}, "doubts": ["7 % of the rows lie beyond"],
        "estimated": {"mae": {"value": 1.0}, "rmse": {"value": 1.3, "lower": 1.2, "upper": 1.4}},
    }  # fmt: skip
    said = json.dumps([each.to_plotly_json() for each in performance._estimated({"estimates": [window]})],
                      default=_plain)  # fmt: skip
    assert "estimated from a loss model" in said
    assert "RMSE" in said
    assert "7 % of the rows lie beyond" in said
