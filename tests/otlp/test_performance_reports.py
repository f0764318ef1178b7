"""What the page says of estimates, segments and crossed thresholds, from what OTLP brought."""

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from modelspan import semconv
from modelspan.viewer.views import performance

NOW = 1_790_000_000.0
NAMED = {semconv.MODEL_NAME: "credit", semconv.MODEL_VERSION: "1"}


def report(start, at, coverage, doubts=(), **more):
    estimate, score = semconv.PERFORMANCE_ESTIMATE_PREFIX, semconv.PERFORMANCE_SCORE_PREFIX
    measured = {f"{score}roc_auc": 0.7} if coverage else {}
    attributes = {
        **NAMED, semconv.PERFORMANCE_START: start, semconv.PERFORMANCE_END: start + 60.0,
        semconv.PERFORMANCE_COVERAGE: coverage, semconv.PERFORMANCE_PREDICTIONS: 100,
        semconv.PERFORMANCE_DOUBTS: list(doubts),
        f"{estimate}roc_auc": 0.8, f"{estimate}roc_auc.lower": 0.75, f"{estimate}roc_auc.upper": 0.85,
        **measured, **more,
    }  # fmt: skip
    return semconv.PERFORMANCE_EVENT.name, at, 9, attributes


def crossing(at, severity, name="auc falls"):
    attributes = {**NAMED, semconv.THRESHOLD_NAME: name, semconv.THRESHOLD_STATE: "open"}
    return semconv.THRESHOLD_EVENT.name, at, severity, attributes


def test_the_newest_report_of_a_window_stands_and_segments_are_apart(client):
    client.events([
        report(NOW, NOW + 1, 0.0),
        report(NOW, NOW + 90, 0.5, ["too few"]),
        report(NOW + 60, NOW + 95, 0.0),
        report(NOW, NOW + 99, 1.0, **{semconv.SEGMENT_NAME: "region", semconv.SEGMENT_VALUE: "north"}),
    ])  # fmt: skip
    first, second = client.queries.performance("credit", version="1")["estimates"]
    assert (first["start"], first["coverage"], first["doubts"]) == (NOW, 0.5, ["too few"])
    assert first["estimated"]["roc_auc"] == {"value": 0.8, "lower": 0.75, "upper": 0.85}
    assert first["realised"] == {"roc_auc": {"value": 0.7}}
    assert (second["start"], second["realised"]) == (NOW + 60, {})


def test_a_threshold_opens_and_closes_an_alert(client):
    client.events([crossing(NOW, 13), crossing(NOW + 1, 13), crossing(NOW + 2, 17, "accuracy")])
    critical, plain = client.queries.alerts("credit")["alerts"]
    assert (critical["feature"], critical["severity"]) == ("accuracy", "critical")
    assert (plain["kind"], plain["state"], plain["opened"]) == ("threshold", "open", NOW)
    client.events([crossing(NOW + 5, 9)])
    closed = client.queries.alerts("credit")["alerts"][1]
    assert (closed["state"], closed["closed"]) == ("closed", NOW + 5)


def test_foreign_reports_are_left_out(client):
    client.events(
        [
            report(NOW, NOW, 0.0, **{semconv.PERFORMANCE_END: "soon"}),
            (semconv.PERFORMANCE_EVENT.name, NOW, 9, NAMED),
        ]
    )
    assert client.queries.performance("credit", version="1")["estimates"] == []


def predictions(client, rows):
    """Send predictions with their outcomes: (label, score, outcome)."""
    made = []
    for number, (label, score, outcome) in enumerate(rows):
        named = {**NAMED, semconv.PREDICTION_ID: f"{number:032x}-{1:016x}", semconv.PREDICTION_ROW: 0}
        told = {semconv.OUTCOME_LABEL: outcome}
        made += [
            (semconv.PREDICTION_EVENT.name, NOW + number, 9,
             {**named, semconv.PREDICTION_LABEL: label, semconv.PREDICTION_SCORE: score}),
            (semconv.FEEDBACK_EVENT.name, NOW + number + 1, 9, {**named, **told}),
        ]  # fmt: skip
    client.events(made)


def test_a_class_that_nobody_declared_is_an_error_of_a_model_of_two(client):
    rows = [("good", 0.2, "good"), ("bad", 0.8, "bad"), ("good", 0.4, "bad"), ("bad", 0.9, "bad")]
    predictions(client, 3 * [*rows, ("good", 0.1, "ugly")])
    found = client.queries.performance("credit", version="1")
    assert found["positive"] == "bad"
    assert found["overall"]["accuracy"] == 3 / 5
    assert found["overall"]["recall"] == 2 / 3
    assert found["overall"]["roc_auc"] == 1.0  # of the four whose class has a place in the ranking
    assert "f1_macro" not in found["overall"]


def test_two_predicted_of_three_classes_are_no_model_of_two(client):
    rows = [("a", 0.5, "a"), ("b", 0.6, "c"), ("a", 0.9, "b"), ("b", 0.4, "b")]
    predictions(client, rows)
    found = client.queries.performance("credit", version="1")
    assert found["positive"] is None
    assert "f1_macro" in found["overall"]


def test_measures_of_full_probabilities_come_from_the_service_that_has_them(client):
    predictions(client, [("a", 0.5, "a"), ("b", 0.6, "c"), ("c", 0.9, "c"), ("b", 0.4, "b")])
    exporter = OTLPMetricExporter(f"{client.otlp}/v1/metrics")
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)])
    meter = provider.get_meter("modelspan")
    named = {**NAMED, semconv.PERFORMANCE_METRIC: "log_loss", semconv.PERFORMANCE_WINDOW: "all"}
    segment = {semconv.SEGMENT_NAME: "region", semconv.SEGMENT_VALUE: "north"}
    for metric, value in ((semconv.PERFORMANCE_SCORE, 0.7), (semconv.PERFORMANCE_LOWER, 0.6)):
        gauge = meter.create_gauge(metric.name, metric.unit)
        gauge.set(value, named)
        gauge.set(9.0, {**named, **segment})
        gauge.set(8.0, {**named, semconv.PERFORMANCE_WINDOW: "last"})
        gauge.set(7.0, {**named, semconv.PERFORMANCE_METRIC: "accuracy"})
    provider.shutdown()
    found = client.queries.performance("credit", version="1")
    assert found["kept"] == {"log_loss": {"value": 0.7, "lower": 0.6}}
    said = str(performance._overall(found).to_plotly_json())
    assert "log loss" in said
    assert "of all kept windows" in said
