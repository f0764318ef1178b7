"""Answers of the queries against counts made by hand or by another library."""

import itertools
import json
import time

import numpy as np
import pytest
from sklearn import metrics

NOW = 1_800_000_000.0
CALL = {"ml.model.name": "credit", "ml.model.version": "2", "ml.operation.name": "predict"}
MODEL = {"ml.model.name": "credit", "ml.model.version": "2"}


def ids(number):
    return f"{number:032x}", f"{number:016x}"


def call(number, start, seconds=0.01, error=False, **attributes):
    named = {name.replace("_", "."): value for name, value in attributes.items()}
    return (*ids(number), "predict credit", start, seconds, {**CALL, **named}, error)


def prediction(number, time, label=None, score=None, *, value=None, row=0):
    given = {"ml.prediction.label": label, "ml.prediction.score": score, "ml.prediction.value": value}
    attributes = {
        **MODEL, "ml.prediction.id": f"p{number}", "ml.prediction.row": row,
        **{name: each for name, each in given.items() if each is not None},
    }  # fmt: skip
    return ("ml.prediction", time, 9, attributes)


def outcome(number, time, label=None, value=None, row=0):
    given = {"ml.outcome.label": label, "ml.outcome.value": value}
    attributes = {
        **MODEL, "ml.prediction.id": f"p{number}", "ml.prediction.row": row,
        **{name: each for name, each in given.items() if each is not None},
    }  # fmt: skip
    return ("ml.prediction.feedback", time, 9, attributes)


def report(feature, time, psi, kind="numeric", **more):
    attributes = {
        **MODEL, "ml.feature.name": feature, "ml.feature.kind": kind, "ml.drift.score.psi": psi,
        "ml.drift.score.ks": 0.1, "ml.drift.score.kl": 0.2, "ml.drift.score.js": 0.3,
        "ml.drift.score.wasserstein": 4.0, "ml.drift.p_value": 0.01, "ml.drift.window.rows": 100,
        "ml.drift.bins": ["low", "high"], "ml.drift.reference.counts": [60, 40],
        "ml.drift.current.counts": [30, 70], **more,
    }  # fmt: skip
    return ("ml.drift.report", time, 9, attributes)


def alarm(feature, time, severity, traces=()):
    return (
        "ml.drift.detected",
        time,
        severity,
        {**report(feature, time, 0.5)[3], "ml.drift.trace_ids": list(traces)},
    )


def test_an_empty_backend_answers_every_question_with_nothing(client):
    assert client.get("/api/models").json() == {"models": []}
    assert client.get("/api/traces").json() == {"traces": []}
    assert client.get("/api/metrics").json() == {"names": []}
    assert client.get("/api/metrics?name=x").json() == {"name": "x", "unit": "", "kind": "", "series": []}
    assert client.get("/api/drift").json() == {"model": None, "version": None, "features": [], "score": None}
    assert client.get("/api/alerts").json() == {"alerts": []}
    assert client.get("/api/traffic").json() == {"buckets": []}
    assert client.get("/api/performance").json()["windows"] == []
    assert client.queries.trace("0" * 32) is None


def test_models_are_counted_with_errors_rows_rate_and_percentiles(client):
    seconds = np.linspace(0.001, 0.2, 120)
    rows = [
        call(number + 1, NOW + number, each, error=number % 10 == 0, ml_inference_batch_size=3)
        for number, each in enumerate(seconds.tolist())
    ]
    client.spans(rows, service="api")
    client.spans([call(999, NOW - 50, ml_model_version="1", ml_model_variant="champion")], service="old")
    newest, older = client.get("/api/models").json()["models"]
    assert (newest["model"], newest["version"], newest["services"]) == ("credit", "2", ["api"])
    assert (newest["calls"], newest["predictions"], newest["errors"], newest["error_rate"]) == (
        120,
        360,
        12,
        0.1,
    )
    assert newest["rate_per_second"] == pytest.approx(60 / 60)
    for name, share in (("p50_ms", 50), ("p95_ms", 95), ("p99_ms", 99)):
        assert newest[name] == pytest.approx(np.percentile(seconds * 1000, share), rel=1e-4)
    assert (newest["first_seen"], newest["last_seen"]) == (NOW, NOW + 119)
    assert (newest["accuracy"], newest["coverage"], newest["drifted"], newest["open_alerts"]) == (
        None,
        None,
        [],
        0,
    )
    assert (older["version"], older["variants"], older["calls"]) == ("1", ["champion"], 1)


def test_spans_of_others_make_traces_but_no_models(client):
    client.spans(
        [
            (*ids(1), "GET /", NOW + 1, 1.0, {}, False),
            (*ids(2), "train", NOW, 1.0, {"ml.model.name": "m"}, False),
        ]
    )
    assert client.queries.models() == {"models": []}
    assert [each["name"] for each in client.queries.traces()["traces"]] == ["GET /", "train"]
    assert client.queries.traces(model="m") == {"traces": []}


def test_traces_are_newest_first_filtered_limited_and_counted(client):
    client.spans([call(number, NOW + number, error=number in (3, 7)) for number in range(1, 11)])
    client.events([("e", NOW, 9, {})])
    names = [int(each["trace_id"], 16) for each in client.queries.traces(limit=4)["traces"]]
    assert names == [10, 9, 8, 7]
    failed = client.get("/api/traces?errors=true&model=credit").json()["traces"]
    assert [(int(each["trace_id"], 16), each["status"]) for each in failed] == [(7, "error"), (3, "error")]
    assert client.queries.traces(model="other") == {"traces": []}


def test_traffic_counts_every_call_once_and_ends_at_the_newest(client):
    starts = np.sort(np.random.default_rng(7).uniform(0, 600, 300))
    client.spans([call(n + 1, NOW + at, 0.02, error=n % 4 == 0) for n, at in enumerate(starts.tolist())])
    buckets = client.get("/api/traffic?model=credit&seconds=300&buckets=10").json()["buckets"]
    inside = starts >= starts[-1] - 300
    assert len(buckets) == 10
    assert sum(each["calls"] for each in buckets) == pytest.approx(inside.sum(), abs=1)
    assert all(low["time"] < high["time"] for low, high in itertools.pairwise(buckets))
    edges = np.array([each["time"] for each in buckets] + [NOW + starts[-1] + 1])
    assert [each["calls"] for each in buckets] == np.histogram(NOW + starts, edges)[0].tolist()
    assert buckets[-1]["p50_ms"] == pytest.approx(20, rel=1e-3)
    whole = client.queries.traffic(seconds=86_400, buckets=7)["buckets"]
    assert (sum(each["calls"] for each in whole), sum(each["errors"] for each in whole)) == (300, 75)


def test_the_newest_drift_report_of_each_feature_stands_and_the_largest_psi_is_first(client):
    client.spans([call(1, NOW)])
    history = [("age", NOW + n, n / 10) for n in range(5)] + [("income", NOW + 2, 0.9), ("zip", NOW, 0.0)]
    client.events([report(*each) for each in history] + [report("score", NOW, 0.05, kind="score")])
    answer = client.get("/api/drift").json()
    assert [(each["feature"], each["psi"]) for each in answer["features"]] == [
        ("income", 0.9), ("age", 0.4), ("zip", 0.0)
    ]  # fmt: skip
    age = answer["features"][1]
    assert age["history"] == [{"time": NOW + n, "psi": n / 10} for n in range(5)]
    assert (age["ks"], age["kl"], age["js"], age["wasserstein"], age["p_value"]) == (0.1, 0.2, 0.3, 4.0, 0.01)
    assert (age["bins"], age["reference_counts"], age["current_counts"]) == (
        ["low", "high"],
        [60, 40],
        [30, 70],
    )
    assert (age["window_rows"], age["time"], age["kind"], age["detected"]) == (100, NOW + 4, "numeric", False)
    assert (answer["score"]["feature"], answer["score"]["psi"]) == ("score", 0.05)
    assert client.queries.drift("credit", "1")["features"] == []


def test_an_alarm_opens_is_repeated_and_closes_and_marks_its_feature(client):
    client.spans([call(1, NOW)])
    client.events([report("age", NOW, 0.5), report("zip", NOW, 0.5)])
    client.events(
        [
            alarm("age", NOW + 1, 13, ["a" * 32]),
            alarm("age", NOW + 2, 13, ["b" * 32]),
            alarm("zip", NOW + 3, 13),
        ]
    )
    first, second = client.queries.alerts("credit")["alerts"]
    assert (first["feature"], first["state"], first["opened"]) == ("zip", "open", NOW + 3)
    assert (second["opened"], second["closed"], second["trace_ids"]) == (
        NOW + 1,
        None,
        ["b" * 32, "a" * 32],  # the newest evidence first
    )
    assert (second["psi"], second["p_value"], second["kind"]) == (0.5, 0.01, "drift")
    assert {each["feature"]: each["detected"] for each in client.queries.drift()["features"]} == {
        "age": True,
        "zip": True,
    }
    client.events([alarm("zip", NOW + 5, 9), alarm("never opened", NOW + 5, 9)])
    closed = client.get("/api/alerts?model=credit").json()["alerts"][0]
    assert (closed["id"], closed["state"], closed["opened"], closed["closed"]) == (
        first["id"],
        "closed",
        NOW + 3,
        NOW + 5,
    )
    (model,) = client.queries.models()["models"]
    assert (model["drifted"], model["open_alerts"]) == (["age"], 1)
    assert client.queries.alerts("other") == {"alerts": []}


def test_classification_is_joined_by_id_and_row_and_agrees_with_scikit_learn(client):
    rng = np.random.default_rng(11)
    truth = rng.integers(0, 2, 400)
    scores = np.clip(0.3 * truth + rng.normal(0.35, 0.2, 400), 0, 1)
    labels = np.where(scores > 0.5, "bad", "good")
    outcomes = np.where(truth == 1, "bad", "good")
    client.spans([call(1, NOW)])
    client.events([
        prediction(n // 2, NOW + n, str(labels[n]), float(scores[n]), row=n % 2) for n in range(400)
    ])  # fmt: skip
    known = [n for n in range(400) if n % 4]
    # The first answer was wrong and is corrected later; the correction arrives first.
    client.events([outcome(n // 2, NOW + n + 60, str(outcomes[n]), row=n % 2) for n in known])
    client.events([outcome(n // 2, NOW + n + 30, "mistake", row=n % 2) for n in known])
    client.events([outcome(12345, NOW, "bad")])
    answer = client.get("/api/performance?model=credit&windows=8").json()
    predicted, actual = labels[known], outcomes[known]
    assert (answer["predictions"], answer["outcomes"], answer["coverage"]) == (400, 300, 0.75)
    assert answer["positive"] == "bad"
    scored = answer["overall"]
    assert scored["accuracy"] == pytest.approx(metrics.accuracy_score(actual, predicted))
    assert scored["precision"] == pytest.approx(metrics.precision_score(actual, predicted, pos_label="bad"))
    assert scored["recall"] == pytest.approx(metrics.recall_score(actual, predicted, pos_label="bad"))
    assert scored["f1"] == pytest.approx(metrics.f1_score(actual, predicted, pos_label="bad"))
    assert scored["roc_auc"] == pytest.approx(metrics.roc_auc_score(actual == "bad", scores[known]))
    assert answer["confusion"]["labels"] == ["bad", "good"]
    assert answer["confusion"]["matrix"] == metrics.confusion_matrix(actual, predicted).tolist()
    assert (answer["lag_p50_seconds"], answer["lag_p90_seconds"]) == (pytest.approx(60), pytest.approx(60))
    windows = answer["windows"]
    assert [each["predictions"] for each in windows] == [50] * 8
    for number, window in enumerate(windows):
        inside = [n for n in known if number * 50 <= n < number * 50 + 50]
        assert window["outcomes"] == len(inside)
        assert window["accuracy"] == pytest.approx(np.mean(labels[inside] == outcomes[inside]))
        assert window["end"] - window["start"] == pytest.approx(399 / 8)


def test_regression_is_measured_and_a_version_can_be_chosen(client):
    rng = np.random.default_rng(5)
    truth = rng.normal(10, 3, 50)
    guess = truth + rng.normal(0, 1, 50)
    client.spans([call(1, NOW)])
    client.events([prediction(n, NOW + n, value=float(guess[n])) for n in range(50)] * 2)
    client.events([outcome(n, NOW + 100, value=float(truth[n])) for n in range(50)])
    answer = client.queries.performance("credit", version="2")
    assert (answer["predictions"], answer["outcomes"], answer["confusion"], answer["positive"]) == (
        50,
        50,
        None,
        None,
    )
    assert answer["overall"]["mae"] == pytest.approx(metrics.mean_absolute_error(truth, guess))
    assert answer["overall"]["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, guess))
    assert answer["overall"]["r2"] == pytest.approx(metrics.r2_score(truth, guess))
    assert client.queries.performance("credit", version="9")["predictions"] == 0


def test_logs_are_filtered_by_every_given_parameter(client):
    client.events(
        [("a", NOW, 9, MODEL), ("b", NOW + 1, 17, MODEL), ("a", NOW + 2, 9, {"ml.model.name": "other"})]
    )
    shown = [each["time"] for each in client.queries.logs()["logs"]]
    assert shown == [NOW + 2, NOW + 1, NOW]
    assert len(client.get("/api/logs?model=credit").json()["logs"]) == 2
    assert [each["time"] for each in client.get("/api/logs?event=a&model=credit").json()["logs"]] == [NOW]
    assert len(client.queries.logs(limit=1)["logs"]) == 1
    assert client.queries.logs(trace_id="")["logs"] == []


@pytest.mark.parametrize("hostile", ["' OR 1=1 --", '"; DROP TABLE spans; --', "\x00", "%", "ü\u202e"])
def test_hostile_names_are_values_and_nothing_else(client, hostile):
    client.spans([(*ids(1), hostile, NOW, 1.0, {**CALL, "ml.model.name": hostile, hostile: hostile}, False)])
    (model,) = client.queries.models()["models"]
    assert model["model"] == hostile
    (trace,) = client.queries.traces(model=hostile)["traces"]
    assert trace["name"] == hostile
    assert client.queries.traces(model=hostile + "x") == {"traces": []}
    assert client.queries.trace(trace["trace_id"])["spans"][0]["attributes"][hostile] == hostile


def test_no_answer_holds_nan_or_infinity_whatever_was_sent(client):
    values = {"ml.prediction.score": float("nan"), "ml.prediction.value": float("inf"), "x": float("-inf")}
    client.spans([(*ids(1), "predict credit", NOW, 1.0, {**CALL, **values}, False)])
    client.events([("ml.prediction", NOW, 9, {**MODEL, **values, "ml.prediction.id": "p1"})])
    client.events([report("age", NOW, float("nan"), **{"ml.drift.p_value": float("inf")})])
    client.events([outcome(1, NOW, value=1.0)])
    for path in (
        "models",
        "traces",
        "logs",
        "drift",
        "alerts",
        "performance",
        "traffic",
        f"traces/{ids(1)[0]}",
    ):
        assert client.get(f"/api/{path}").json(), path
    (age,) = client.queries.drift()["features"]
    assert (age["psi"], age["p_value"]) == (None, None)
    assert client.queries.trace(ids(1)[0])["spans"][0]["attributes"]["x"] == "-Infinity"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("traces?limit=abc", "limit=abc is not a whole number from 1 to 1000"),
        ("traces?limit=0", "limit=0 is not a whole number from 1 to 1000"),
        ("traces?limit=1001", "limit=1001 is not a whole number from 1 to 1000"),
        ("traces?limit=-1", "limit=-1 is not a whole number from 1 to 1000"),
        ("logs?limit=1e2", "limit=1e2 is not a whole number from 1 to 1000"),
        ("logs?limit=%C2%B2", "limit=² is not a whole number from 1 to 1000"),
        ("traces?errors=maybe", "errors=maybe is not 0, 1, true or false"),
        ("metrics?name=x&since=nan", "since=nan is not a time in Unix seconds"),
        ("metrics?name=x&since=-1", "since=-1 is not a time in Unix seconds"),
        ("traffic?seconds=0", "seconds=0 is not a whole number from 1 to 31536000"),
    ],
)
def test_a_wrong_parameter_gets_400_and_says_what_it_may_be(client, query, message):
    reply = client.get(f"/api/{query}")
    assert (reply.status, reply.json()) == (400, {"error": message})


def test_an_unknown_trace_gets_404_and_trace_ids_may_be_upper_case(client):
    assert client.get(f"/api/traces/{'ab' * 16}").status == 404
    client.spans([("ab" * 16, "cd" * 8, "x", NOW, 1.0, {}, False)])
    assert client.get(f"/api/traces/{'AB' * 16}").json()["trace_id"] == "ab" * 16


def test_metrics_can_be_asked_since_a_time_and_by_count(client):
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="g")
    for second in range(5):
        metric.gauge.data_points.add(as_double=second, time_unix_nano=int(NOW + second) * 10**9)
    metric.gauge.data_points.add(flags=1, time_unix_nano=int(NOW + 9) * 10**9)
    metric.gauge.data_points.add(as_double=float("nan"), time_unix_nano=int(NOW + 5) * 10**9)
    assert client.post("metrics", request.SerializeToString()).status == 200
    (series,) = client.get(f"/api/metrics?name=g&since={NOW + 2}").json()["series"]
    assert [each["value"] for each in series["points"]] == [2, 3, 4, None]
    (series,) = client.get("/api/metrics?name=g&limit=2").json()["series"]
    assert [each["time"] for each in series["points"]] == [NOW + 4, NOW + 5]
    assert json.loads(client.get("/api/metrics?model=m").body) == {"names": []}


def test_a_costly_answer_is_reused_for_ten_times_what_it_took_and_then_renewed(client):
    asked = []

    def ask():
        time.sleep(0.03)
        asked.append(time.monotonic())
        return {"n": len(asked)}

    first = client.queries._reuse(("q",), ask)
    assert client.queries._reuse(("q",), ask) is first
    deadline = time.monotonic() + 20
    while len(asked) < 2 and time.monotonic() < deadline:
        client.queries._reuse(("q",), ask)
    assert asked[1] - asked[0] >= 10 * 0.03


@pytest.mark.parametrize("foreign", [7, "text", True, ["a", 1], [[1]]])
def test_a_drift_event_of_a_foreign_sender_with_wrong_types_spoils_no_view(client, foreign):
    names = ["bins", "reference.counts", "current.counts", "trace_ids", "window.rows", "score.psi"]
    wrong = dict.fromkeys(["ml.feature.kind", *(f"ml.drift.{name}" for name in names)], foreign)
    event, time, _, attributes = report("age", NOW, 0.5)
    repeated = [("ml.drift.detected", NOW + i, 13, {**attributes, **wrong}) for i in range(2)]
    client.events([(event, time, 9, {**attributes, **wrong}), *repeated])
    for path in ("/api/drift", "/api/alerts", "/api/models"):
        assert client.get(path).status == 200
    (alert,) = client.get("/api/alerts").json()["alerts"]
    assert alert["trace_ids"] == []
