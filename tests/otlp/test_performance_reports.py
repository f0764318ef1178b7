"""What the page says of estimates, segments and crossed thresholds, from what OTLP brought."""

from modelspan import semconv

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
