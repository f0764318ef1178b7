"""Every query of the Kibana dashboards returns, on a real Elasticsearch, what was sent."""

import json
import math
from collections import Counter, defaultdict

import pytest
from elastic import RANGE, esql

from modelspan import Reference
from modelspan.dashboards import kibana_audit, kibana_errors, kibana_predictions
from modelspan.dashboards.kibana import CONTROLS


class Facts:
    """The documents by what they are."""

    def __init__(self, documents):
        plain = [doc for _, doc in documents]
        self.events = defaultdict(list)
        for doc in plain:
            self.events[doc.get("event_name", "")].append(doc)
        self.spans = [doc for doc in plain if "duration" in doc]
        self.metrics = [doc for doc in plain if "metrics" in doc]

    def total(self, name):
        """Sum of a counter over its series; None, as in ES|QL, when it has none."""
        values = [doc["metrics"][name] for doc in self.metrics if name in doc["metrics"]]
        return sum(values) if values else None


@pytest.fixture(scope="session")
def facts(documents):
    return Facts(documents)


MODELS = {"credit-risk": 12 * 10 + 5 + 20, "churn": 10}
FAILED = {("ValueError", "age is negative"): 3, ("LookupError", "no rate for purpose"): 2}


def near(values, share):
    """A digest of few values interpolates: the quantile lies between the values around its rank."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    return ordered[max(0, math.floor(at) - 1)], ordered[min(len(ordered) - 1, math.ceil(at) + 1)]


def check_number(name, value):
    def check(rows, facts):
        assert rows == [{name: pytest.approx(value(facts) if callable(value) else value)}]

    return check


def check_table(columns, wanted):
    """Rows without their times, in any order."""

    def check(rows, facts):
        want = wanted(facts) if callable(wanted) else wanted
        assert sorted((tuple(row[c] for c in columns) for row in rows), key=str) == sorted(want, key=str)

    return check


def latency(rows, facts):
    durations = [span["duration"] / 1e6 for span in facts.spans]
    (row,) = rows
    for name, value in row.items():
        if name != "when":
            low, high = near(durations, int(name[1:3]) / 100)
            assert low <= value <= high


def drift_psi(facts):
    return [
        (doc["attributes"]["ml.feature.name"], pytest.approx(doc["attributes"]["ml.drift.score.psi"]))
        for doc in facts.events["ml.drift.report"]
    ]


def drift_table(facts):
    return [
        (
            "credit-risk",
            a["ml.feature.name"],
            pytest.approx(a["ml.drift.score.psi"]),
            pytest.approx(a["ml.drift.p_value"]),
        )
        for a in (doc["attributes"] for doc in facts.events["ml.drift.report"])
    ]


def bins(feature, observed, reference):
    """Rows by bin in the reference's order, beside the reference's share."""

    def check(rows, facts):
        labels = list(reference)
        assert [row["ml.feature.bin"] for row in rows] == labels
        assert [row["rows"] for row in rows] == [observed.get(label, 0) for label in labels]
        total = sum(reference.values())
        shares = [100 * n / total for n in reference.values()]
        assert [row["reference_percent"] for row in rows] == pytest.approx(shares, abs=0.001)

    return check


LABELS = {"bad": 12 * 9 + 10, "good": 12 * 1 + 10}
JOINED = {("bad", "bad"): 12, ("bad", "good"): 15, ("good", "good"): 3}
EXPECTED = {
    "Predicted rows": check_number("rows", 155),
    "Rows of failed calls, %": check_number("failed_percent", 100 * 5 / 155),
    "95th percentile of kept traces, ms": latency,
    "Models": check_number("models", 2),
    "Predicted rows by model": check_table(("ml.model.name", "rows"), list(MODELS.items())),
    "Latency of kept traces, ms": latency,
    "Logged rows by predicted label": check_table(("ml.prediction.label", "rows"), list(LABELS.items())),
    "Median score by model": check_table(("ml.model.name", "score"), [("credit-risk", 0.75)]),
    "Drift: largest PSI of a window by feature": check_table(("ml.feature.name", "psi"), drift_psi),
    "Largest drift of each feature": check_table(
        ("ml.model.name", "ml.feature.name", "largest_psi", "smallest_p"), drift_table
    ),
    "Failed calls": check_number("calls", 5),
    "Kinds of exception": check_number("kinds", 2),
    "Telemetry records dropped": check_number("dropped", lambda f: f.total("modelspan.internal.dropped")),
    "Faults of modelspan, contained": check_number("faults", 0),
    "Failed calls by exception": check_table(
        ("exception.type", "calls"), [(kind, n) for (kind, _), n in FAILED.items()]
    ),
    "Rows of failed calls by model, %": check_table(
        ("ml.model.name", "failed_percent"), [("credit-risk", pytest.approx(100 * 5 / 145)), ("churn", 0.0)]
    ),
    "Exceptions, most frequent first": check_table(
        ("exception.type", "exception.message", "ml.model.name", "calls"),
        [(*what, "credit-risk", n) for what, n in FAILED.items()],
    ),
    "Telemetry dropped, by reason": check_table(("modelspan.signal", "modelspan.reason", "records"), []),
    "Logged rows": check_number("rows", 150),
    "Outcomes": check_number("outcomes", 30),
    "Logged rows with an outcome, %": check_number("coverage_percent", 100 * 30 / 140),
    "Versions in service": check_number("versions", 3),
    "Logged rows by version": check_table(
        ("ml.model.version", "rows"), [("1.4.2", 120), ("2.0.0", 20), ("1", 10)]
    ),
    "Who answered: service, instance, version": check_table(
        ("service.name", "ml.model.name", "ml.model.version", "rows"),
        [("credit-api", "credit-risk", "1.4.2", 120), ("credit-api", "credit-risk", "2.0.0", 20),
         ("credit-api", "churn", "1", 10)],
    ),
    "Predicted and true labels": check_table(
        ("model", "version", "predicted", "outcome", "rows"),
        [("credit-risk", "1.4.2", *pair, n) for pair, n in JOINED.items()],
    ),
    "Drift alarms, opened (WARN) and closed (INFO)": check_table(
        ("severity_text", "ml.feature.name", "body.text"),
        lambda f: [(d["severity_text"], d["attributes"]["ml.feature.name"], d["body"]["text"])
                   for d in f.events["ml.drift.detected"]],
    ),
    "Values that did not fit their field: kept in the document, not searchable": check_table(
        ("_ignored", "documents"), []
    ),
}  # fmt: skip


def check_latest(rows, facts):
    assert len(rows) == 100
    stamps = [row["@timestamp"] for row in rows]
    assert stamps == sorted(stamps, reverse=True)
    sent = {doc["trace_id"] for doc in facts.events["ml.prediction"]}
    assert {row["trace_id"] for row in rows} <= sent


def check_exceptions(rows, facts):
    sent = {doc["trace_id"]: doc["attributes"] for doc in facts.events["ml.inference.exception"]}
    assert {row["trace_id"] for row in rows} == set(sent)
    assert all(row["exception.message"] == sent[row["trace_id"]]["exception.message"] for row in rows)
    assert all(row["service.name"] == "credit-api" for row in rows)


def check_joined(rows, facts):
    assert len(rows) == 100
    outcomes = [doc["attributes"] for doc in facts.events["ml.prediction.feedback"]]
    known = {(a["ml.prediction.id"], a["ml.prediction.row"]): a["ml.outcome.label"] for a in outcomes}
    assert all(
        row["outcome"] == known.get((row["ml.prediction.id"], row["ml.prediction.row"])) for row in rows
    )


def check_values(rows, facts):
    assert len(rows) == 100
    pairs = Counter((row["ml.feature.value.age"], row["ml.prediction.label"]) for row in rows)
    assert pairs == {(62.5, "bad"): 90, (69.0, "good"): 10}
    assert Counter(row["ml.feature.value.purpose"] for row in rows) == {"car": 70, "house": 30}


EXPECTED |= {
    "Latest predictions": check_latest,
    "Latest exceptions, with their traces": check_exceptions,
    "Predictions with their outcomes": check_joined,
    "credit-risk: latest rows, features that log_features lists": check_values,
}


def panels(made):
    reference = Reference.load(made / "reference.json")
    built = [*kibana_predictions.panels((reference,)), *kibana_errors.panels(), *kibana_audit.panels()]
    return {panel.title: panel for panel in built}


def expected(made):
    """All expectations; those of the reference's bins are counted by hand from its rows."""
    reference = Reference.load(made / "reference.json")
    told = dict(EXPECTED)
    for name, observed in (
        ("age", {bin_of(reference.features["age"], 62.5): 108, bin_of(reference.features["age"], 69.0): 12}),
        ("purpose", {"car": 84, "house": 36}),
        ("score", {bin_of(reference.score, 0.75): 108, bin_of(reference.score, 0.1): 12}),
    ):
        column = reference.score if name == "score" else reference.features[name]
        counts = dict(zip(column.labels, column.counts.tolist(), strict=True))
        told[f"credit-risk: {name} by bin, with the reference's share in %"] = bins(name, observed, counts)
    return told


def bin_of(column, value):
    """The bins are (-inf, e1], (e1, e2], …: counted by hand."""
    return column.labels[sum(value > edge for edge in column.edges.tolist())]


def test_every_panel_of_every_dashboard_returns_the_expected_numbers(indexed, made, facts):
    told, drawn = expected(made), panels(made)
    assert set(told) == set(drawn)
    for title, panel in drawn.items():
        rows = esql(indexed, panel.query)
        try:
            told[title](rows, facts)
        except AssertionError as wrong:
            raise AssertionError(f"panel {title!r}\n{panel.query}\n{rows[:5]}") from wrong
        if rows:
            assert {name for name, _ in panel.columns} <= set(rows[0]), title


def test_the_queries_in_the_files_are_those_that_were_tested(made):
    asked = set()
    for path in sorted((made / "kibana").glob("*.ndjson")):
        for line in path.read_text().splitlines():
            saved = json.loads(line)
            if saved["type"] == "dashboard":
                for panel in json.loads(saved["attributes"]["panelsJSON"]):
                    asked.add(panel["embeddableConfig"]["attributes"]["state"]["query"]["esql"])
    assert asked == {panel.query for panel in panels(made).values()}


@pytest.mark.parametrize(("field", "calls"), [
    ("ml.model.name", {"credit-risk": 120 + 5 + 20, "churn": 10}),
    ("ml.model.version", {"1.4.2": 120 + 5, "2.0.0": 20, "1": 10}),
])  # fmt: skip
def test_the_filters_of_the_dashboards_offer_the_values_there_are(indexed, facts, field, calls):
    assert field in dict(CONTROLS)
    body = {"size": 0, "query": RANGE, "aggs": {"suggestions": {"terms": {"field": field, "size": 10}}}}
    answer = indexed.call("POST", "/logs-*.otel-*/_search", body)
    got = {each["key"]: each["doc_count"] for each in answer["aggregations"]["suggestions"]["buckets"]}
    extra = Counter(
        d["attributes"].get(field)
        for name in ("ml.drift.report", "ml.drift.detected")
        for d in facts.events[name]
    )
    assert got == dict(Counter(calls) + extra)


def test_a_filter_of_the_dashboard_narrows_every_signal(indexed):
    chosen = {"bool": {"filter": [RANGE, {"match_phrase": {"ml.model.name": "churn"}}]}}
    for pattern, rows in (("logs", 10), ("traces", 10)):
        query = f"FROM {pattern}-*.otel-* | STATS n = COUNT(*)"
        answer = indexed.call("POST", "/_query", {"query": query, "filter": chosen})
        assert answer["values"] == [[rows]]
