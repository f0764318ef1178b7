"""Thresholds: limits and their false-alarm rate, the file, and what a crossing sets off."""

import json
import math
import threading

import numpy as np
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from scipy import stats

from modelspan import semconv
from modelspan.delivery.logs import ERROR, INFO, WARN
from modelspan.errors import ConfigError
from modelspan.outcome import JoinedRow
from modelspan.performance.sums import Options
from modelspan.performance.thresholds import MEASURES, Limits, Threshold, Watch, is_measure
from modelspan.performance.window import Window
from modelspan.sinks.performance_book import Subject
from modelspan.sinks.thresholds import ThresholdSink
from modelspan.store.outcomes import OutcomeStore
from modelspan.store.sqlite_database import SqliteDatabase
from modelspan.threshold_file import ThresholdRule, load_thresholds, schema

WEEK = 7 * 24 * 3600.0


def points(values, seconds=3600.0):
    return [(at * seconds, value) for at, value in enumerate(values)]


def crossings(threshold, series, seconds=3600.0):
    """Share of windows that cross, of those that had limits; and the promised share."""
    crossed, judged, promised = 0, 0, []
    for values in series:
        watch = Watch([])
        for point in points(values, seconds):
            limits, _ = watch.judge(threshold, point, 0)
            if limits is not None and limits.rate is not None:
                judged += 1
                crossed += limits.crossed(point[1])
                promised.append(limits.rate)
    return crossed / judged, float(np.mean(promised)), judged


@pytest.mark.parametrize("direction", ["below", "both"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("zscore", {"false_alarm_rate": 0.02}),
        ("zscore", {"k": 2.5}),
        ("robust", {"false_alarm_rate": 0.02}),
        ("robust", {"k": 3.0}),
    ],
)
def test_a_dynamic_threshold_crosses_as_often_as_it_says(kind, options, direction):
    random = np.random.default_rng(3)
    threshold = Threshold(kind=kind, direction=direction, history=20, minimum=10, **options)
    found, promised, judged = crossings(threshold, random.normal(0.8, 0.02, (40, 120)))
    slack = 4 * math.sqrt(promised / judged)  # neighbours share their history, hence 4
    assert found == pytest.approx(promised, abs=slack)
    if "false_alarm_rate" in options:
        assert promised == pytest.approx(0.02, rel=0.05)


def test_a_seasonal_threshold_knows_the_hour_of_the_week():
    random = np.random.default_rng(3)
    threshold = Threshold(kind="seasonal", false_alarm_rate=0.02, history=8, minimum=4)
    hours = np.arange(168 * 14)
    series = 0.8 + 0.1 * np.sin(2 * np.pi * hours / 168) + random.normal(0, 0.005, hours.size)
    found, promised, judged = crossings(threshold, [series])
    assert found == pytest.approx(promised, abs=4 * math.sqrt(promised / judged))
    history = points(series)
    assert threshold.limits(history, WEEK * 14).crossed(series[0] + 0.08)
    assert not Threshold(kind="zscore", history=1000).limits(history, WEEK * 14).crossed(series[0] + 0.08)


@pytest.mark.parametrize("threshold", [
    Threshold(kind="static", lower=0.77, upper=0.83, history=100),
    Threshold(kind="relative", reference=0.8, lower=0.04, upper=0.04, history=100),
])  # fmt: skip
def test_a_fixed_threshold_learns_its_rate_from_the_series(threshold):
    random = np.random.default_rng(3)
    assert threshold.limits([], 0).rate is None
    far = 0.03 if threshold.kind == "static" else 0.032
    rates = [threshold.limits(points(random.normal(0.8, 0.015, 100)), 0).rate for _ in range(50)]
    assert np.mean(rates) == pytest.approx(2 * stats.norm.sf(far / 0.015), rel=0.2)
    found, promised, _ = crossings(threshold, random.normal(0.8, 0.015, (20, 200)))
    assert found == pytest.approx(promised, rel=0.35)


def test_limits_of_the_mean_are_those_of_a_future_value():
    values = [0.80, 0.82, 0.79, 0.81, 0.83, 0.80]
    found = Threshold(kind="zscore", minimum=5, false_alarm_rate=0.01).limits(points(values), 0)
    half = stats.t.ppf(0.995, 5) * np.std(values, ddof=1) * math.sqrt(1 + 1 / 6)
    assert (found.lower, found.upper) == pytest.approx((np.mean(values) - half, np.mean(values) + half))
    assert found.rate == pytest.approx(0.01)


def test_an_outlier_in_the_history_hardly_moves_robust_limits():
    values = [0.80, 0.81, 0.79, 0.80, 0.82, 0.78, 0.80, 0.81, 0.79, 0.10]
    robust, plain = (Threshold(kind=kind, k=3.0).limits(points(values), 0) for kind in ("robust", "zscore"))
    assert robust.crossed(0.7)
    assert not plain.crossed(0.7)


@pytest.mark.parametrize("kind", ["zscore", "robust", "seasonal"])
def test_before_its_minimum_history_a_threshold_has_no_limits(kind):
    threshold = Threshold(kind=kind, minimum=5)
    assert threshold.limits(points([0.8] * 4, WEEK), 4 * WEEK) is None
    assert threshold.limits(points([0.8] * 5, WEEK), 5 * WEEK) is not None


def test_a_constant_series_crosses_at_its_first_change_and_is_never_nan():
    for kind in ("zscore", "robust"):
        limits = Threshold(kind=kind, minimum=3).limits(points([0.8] * 12), 0)
        assert math.isfinite(limits.rate)
        assert limits.crossed(0.9)
        assert not limits.crossed(0.8)
    assert Threshold(kind="static", lower=0.7).limits(points([0.8] * 12), 0) == Limits(0.7, None, 0.0)


def test_a_crossing_opens_once_closes_once_and_then_cools_down():
    threshold, watch = Threshold(kind="static", lower=0.5), Watch([])
    said = [watch.judge(threshold, point, 3)[1] for point in points([0.6, 0.4, 0.4, 0.6, 0.4, 0.6, 0.4])]
    assert said == ["", "open", "", "closed", "", "", "open"]


# -- the file

GOOD = """
thresholds:
  - name: auc falls
    model: credit
    metric: roc_auc
    kind: zscore
    direction: below
    false_alarm_rate: 0.001
    cool_down: 3
  - {name: accuracy, model: credit, metric: accuracy, kind: static, lower: 0.7, severity: critical}
  - {name: mae, model: price, metric: mae, kind: relative, reference: 10, upper: 0.2, segment: region}
"""


def write(tmp_path, text):
    path = tmp_path / "thresholds.yaml"
    path.write_text(text)
    return str(path)


def test_a_file_gives_its_rules(tmp_path):
    first, second, third = load_thresholds(write(tmp_path, GOOD))
    assert (first.name, first.threshold.kind, first.cool_down) == ("auc falls", "zscore", 3)
    assert (second.threshold.lower, second.severity, second.min_coverage) == (0.7, "critical", 0.5)
    assert (third.threshold.reference, third.segment) == (10, "region")


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("kind: zscore", "kind: magic"), 6, r"thresholds\[0\].kind: 'magic' is not one of"),
        (("kind: zscore", "kind: zscore\n    lower: 1"), 3, r"thresholds\[0\]"),
        (("lower: 0.7", "lower: low"), 10, r"thresholds\[1\].lower: 'low' is not of type 'number'"),
        (("lower: 0.7, ", ""), 10, r"thresholds\[1\]"),
        (("cool_down: 3", "cool_dwon: 3"), 3, "cool_dwon"),
        (("false_alarm_rate: 0.001", "false_alarm_rate: 2"), 8, "less than or equal|maximum"),
        (("name: accuracy", "name: auc falls"), 10, "used twice"),
        (("reference: 10, ", ""), 11, "reference"),
        (("model: credit\n", "model: [\n"), None, "not YAML"),
        (("thresholds:", "limits:"), 2, "thresholds"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_field(tmp_path, change, line, said):
    path = write(tmp_path, GOOD.replace(*change, 1))
    with pytest.raises(ConfigError, match=said) as refused:
        load_thresholds(path)
    if line is not None:
        assert f"thresholds.yaml:{line}: " in str(refused.value)


@pytest.mark.parametrize("text", ["", "- a", "a: !!python/object/apply:os.system ['true']", "thresholds: {}"])
def test_what_is_no_list_of_thresholds_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match=r"thresholds\.yaml"):
        load_thresholds(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="can't be read"):
        load_thresholds(str(tmp_path / "none.yaml"))


def test_the_schema_is_one():
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(schema())


# -- the sink

SUBJECT = Subject("credit", "1", "")


class Days:
    """A book of windows of ten rows, each with a given number of right predictions."""

    seconds = 100.0

    def __init__(self, right, known=10):
        self._windows = [(100.0 * (at + 1), self._window(count, known)) for at, count in enumerate(right)]

    def _window(self, right, known):
        rows = [
            JoinedRow(prediction_id=str(n), model="credit", version="1", predicted_ns=0, label="1",
                      outcome_label=str(int(n < right)) if n < known else None,
                      outcome_ns=1 if n < known else None)
            for n in range(10)
        ]  # fmt: skip
        return Window.of(rows, Options(positive="1"), None)

    def subjects(self):
        return [SUBJECT, Subject("other", "1", "")]

    def options_of(self, subject):
        return Options(positive="1")

    def of(self, subject):
        return self._windows if subject == SUBJECT else []


@pytest.fixture
def store(tmp_path):
    store = OutcomeStore(SqliteDatabase(tmp_path))
    yield store
    store.close()


def sink(store, events, alerts=None, **rule):
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("test")
    given = {"threshold": Threshold(kind="static", lower=0.5), "metric": "accuracy", **rule}
    made = ThresholdSink(
        meter, events.append, store, [ThresholdRule(name="low", model="credit", **given)],
        alert=None if alerts is None else lambda kind, data: alerts.append((kind, data)),
    )  # fmt: skip
    return made, reader


def gauge(reader):
    (metric,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    assert metric.name == semconv.THRESHOLD_CROSSED.name
    return [(dict(p.attributes), p.value) for p in metric.data.data_points]


def test_a_crossing_is_an_event_an_alert_and_a_gauge(store):
    events, alerts = [], []
    made, reader = sink(store, events, alerts, severity="critical")
    made(Days([8, 3]), ended=300.0)
    (event,) = events
    assert (event.event, event.severity) == (semconv.THRESHOLD_EVENT.name, ERROR)
    assert event.body == "low: accuracy 0.3 is below 0.5"
    assert event.attributes[semconv.THRESHOLD_VALUE] == 0.3
    assert event.attributes[semconv.PERFORMANCE_START] == 200.0
    ((kind, data),) = alerts
    assert (kind, data["state"]) == (semconv.THRESHOLD_EVENT.name, "open")
    json.dumps(data, allow_nan=False)
    ((attributes, value),) = gauge(reader)
    assert value == 1
    assert attributes[semconv.THRESHOLD_NAME] == "low"
    made(Days([8, 3, 9]), ended=300.0)
    assert [each.severity for each in events] == [ERROR, INFO]
    assert gauge(reader)[0][1] == 0


def test_e14_each_crossing_is_announced_once_whatever_the_processes_and_restarts(store):
    events, alerts = [], []
    for _ in range(3):
        made, reader = sink(store, events, alerts)
        made(Days([8, 3, 3]), ended=300.0)
    assert [each.severity for each in events] == [WARN]
    assert len(alerts) == 1
    assert gauge(reader)[0][1] == 1


def test_e14_of_processes_that_judge_a_window_at_once_one_announces_it(tmp_path):
    events, start = [], threading.Barrier(4)

    def judge():
        own = OutcomeStore(SqliteDatabase(tmp_path, busy_seconds=60))
        made, _ = sink(own, events)
        start.wait()
        made(Days([8, 3]), ended=300.0)
        own.close()

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.severity for each in events] == [WARN]


def test_e13_a_value_that_flaps_opens_once_a_cool_down_through_restarts_and_a_clock_that_is_set_back(store):
    events, alerts, flapping = [], [], [8, 3] * 10
    for seen in range(1, len(flapping) + 1):
        made, _ = sink(store, events, alerts, cool_down=6)
        made(Days(flapping[:seen]), ended=100.0 * seen)
        made(Days(flapping[:seen]), ended=100.0 * max(1, seen - 3))  # the clock steps back
    opened = [each.attributes[semconv.PERFORMANCE_START] for each in events if each.severity == WARN]
    assert opened == [200.0, 1000.0, 1800.0]  # 6 windows of peace, and then the next that crosses
    assert len(events) == len(alerts) == 6  # each of them is back once


def test_a_window_that_runs_or_has_few_outcomes_is_not_judged(store):
    events = []
    made, _ = sink(store, events)
    made(Days([8, 3]), ended=100.0)
    made(Days([3], known=4), ended=300.0)
    assert events == []
    made(Days([8, 3]), ended=300.0)
    assert len(events) == 1


def test_coverage_lag_and_unknown_metrics(store):
    events = []
    made, _ = sink(store, events, metric="coverage")
    made(Days([0], known=1), ended=300.0)
    assert "coverage 0.1 is below" in events[0].body
    made, _ = sink(store, events, metric="nothing")
    made(Days([0]), ended=300.0)
    assert len(events) == 1


def joined(label, outcome, **fields):
    return JoinedRow(prediction_id="i", model="m", predicted_ns=0, label=label, outcome_label=outcome,
                     outcome_ns=10**9, **fields)  # fmt: skip


def test_every_measure_that_a_window_can_have_can_be_watched_and_no_other():
    two = [joined(p, t, score=s) for p, t, s in (("0", "0", 0.1), ("1", "0", 0.6), ("1", "1", 0.8))]
    names = ("a", "b", "c")
    three = [
        joined(p, t, probabilities=dict(zip(names, c, strict=True)), task="multiclass")
        for p, t, c in (("a", "a", (0.8, 0.1, 0.1)), ("b", "b", (0.1, 0.8, 0.1)), ("c", "c", (0.2, 0.2, 0.6)))
    ]
    values = [
        JoinedRow(prediction_id="i", model="m", predicted_ns=0, value=v, outcome_value=t, outcome_ns=1)
        for v, t in ((1.0, 2.0), (2.0, 2.5), (3.0, 1.0))
    ]
    found = {"coverage", "lag_p50", "lag_p90"}
    for rows, options in ((two, Options(positive="1")), (three, Options(classes=names)), (values, Options())):
        found |= set(Window.of(rows, options, None).sums.measures(options))
    assert found == MEASURES
    quantiles = Options(quantiles=(0.5, 0.975))
    for name in set(Window.of(values, quantiles, None).sums.measures(quantiles)) - MEASURES:
        assert is_measure(name)
    assert not is_measure("quantile_loss_2")


@pytest.mark.parametrize(("of", "fits"), [("realised", False), ("estimated", False), ("kpi", True)])
def test_a_misspelt_measure_is_refused_at_start(tmp_path, of, fits):
    path = tmp_path / "thresholds.yaml"
    path.write_text(
        f"thresholds:\n  - name: a\n    model: m\n    metric: acuracy\n    of: {of}\n"
        "    kind: static\n    lower: 0.7\n"
    )
    if fits:
        assert load_thresholds(str(path))[0].metric == "acuracy"
        return
    with pytest.raises(ConfigError, match=r"thresholds\.yaml:4: metric='acuracy' is no measure"):
        load_thresholds(str(path))
