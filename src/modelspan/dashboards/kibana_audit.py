"""Kibana's dashboard for audits: which version answered what, for whom, and what turned out to be true."""

from __future__ import annotations

from modelspan import semconv as s
from modelspan.dashboards.esql import LOGS, WHEN, Panel, number, over_time, pipe, table, text

_PREDICTIONS = (LOGS, f"WHERE event_name == {text(s.PREDICTION_EVENT.name)}")
_OUTCOMES = (LOGS, f"WHERE event_name == {text(s.FEEDBACK_EVENT.name)}")
_ROW = f"{s.PREDICTION_ID}, {s.PREDICTION_ROW}"
_JOINED = pipe(
    LOGS,
    f"WHERE event_name IN ({text(s.PREDICTION_EVENT.name)}, {text(s.FEEDBACK_EVENT.name)})",
    (
        f"STATS predicted = MAX({s.PREDICTION_LABEL}), outcome = MAX({s.OUTCOME_LABEL}), "
        f"score = MAX({s.PREDICTION_SCORE}), at = MIN(@timestamp), model = MAX({s.MODEL_NAME}), "
        f"version = MAX({s.MODEL_VERSION}) BY {_ROW}"
    ),
)
"""A prediction and its outcome share id and row, so grouping joins them."""


def panels() -> list[Panel]:
    """Counts, versions over time, predictions with outcomes, alarms, and what the index could not hold."""
    return [*_numbers(), *_versions(), *_outcomes(), *_records()]


def _numbers() -> list[Panel]:
    return [
        number("Logged rows", "rows", pipe(*_PREDICTIONS, "STATS rows = COUNT(*)")),
        number("Outcomes", "outcomes", pipe(*_OUTCOMES, "STATS outcomes = COUNT(*)")),
        number(
            "Logged rows with an outcome, %", "coverage_percent",
            pipe(_JOINED, "WHERE predicted IS NOT NULL",
                 "STATS known = COUNT(outcome), rows = COUNT(*)",
                 "EVAL coverage_percent = 100.0 * known / rows", "KEEP coverage_percent"),
        ),
        number(
            "Versions in service", "versions",
            pipe(*_PREDICTIONS, f"STATS rows = COUNT(*) BY {s.MODEL_NAME}, {s.MODEL_VERSION}",
                 "STATS versions = COUNT(*)"),
        ),
    ]  # fmt: skip


def _versions() -> list[Panel]:
    return [
        over_time(
            "Logged rows by version",
            pipe(*_PREDICTIONS, f"STATS rows = COUNT(*) BY {WHEN}, {s.MODEL_VERSION}"),
            "rows", split=s.MODEL_VERSION, kind="bar_stacked",
        ),
        table(
            "Who answered: service, instance, version",
            pipe(*_PREDICTIONS,
                 "STATS rows = COUNT(*), first_seen = MIN(@timestamp), last_seen = MAX(@timestamp) "
                 f"BY service.name, service.instance.id, {s.MODEL_NAME}, {s.MODEL_VERSION}",
                 f"SORT {s.MODEL_VERSION}, service.instance.id", "LIMIT 100"),
            ("service.name", "string"), ("service.instance.id", "string"), (s.MODEL_NAME, "string"),
            (s.MODEL_VERSION, "string"), ("rows", "number"), ("first_seen", "date"),
            ("last_seen", "date"), width=24,
        ),
    ]  # fmt: skip


def _outcomes() -> list[Panel]:
    return [
        table(
            "Predicted and true labels",
            pipe(_JOINED, "WHERE predicted IS NOT NULL AND outcome IS NOT NULL",
                 "STATS rows = COUNT(*) BY model, version, predicted, outcome",
                 "SORT model, version, predicted, outcome"),
            ("model", "string"), ("version", "string"), ("predicted", "string"), ("outcome", "string"),
            ("rows", "number"), width=24,
        ),
        table(
            "Predictions with their outcomes",
            pipe(_JOINED, "WHERE predicted IS NOT NULL", f"SORT at DESC, {_ROW}", "LIMIT 100"),
            ("at", "date"), ("model", "string"), ("version", "string"), ("predicted", "string"),
            ("outcome", "string"), ("score", "number"), (s.PREDICTION_ID, "string"),
            (s.PREDICTION_ROW, "number"), width=24,
        ),
    ]  # fmt: skip


def _records() -> list[Panel]:
    alarm = f"@timestamp, severity_text, {s.MODEL_NAME}, {s.MODEL_VERSION}, {s.FEATURE_NAME}, body.text"
    return [
        table(
            "Drift alarms, opened (WARN) and closed (INFO)",
            pipe(LOGS, f"WHERE event_name == {text(s.DRIFT_EVENT.name)}", "SORT @timestamp DESC",
                 f"KEEP {alarm}", "LIMIT 100"),
            ("@timestamp", "date"), ("severity_text", "string"), (s.MODEL_NAME, "string"),
            (s.MODEL_VERSION, "string"), (s.FEATURE_NAME, "string"), ("body.text", "string"), width=24,
        ),
        table(
            "Values that did not fit their field: kept in the document, not searchable",
            pipe(f"{LOGS} METADATA _ignored", "WHERE _ignored IS NOT NULL", "MV_EXPAND _ignored",
                 "STATS documents = COUNT(*) BY _ignored", "SORT documents DESC", "LIMIT 100"),
            ("_ignored", "string"), ("documents", "number"), width=24,
        ),
    ]  # fmt: skip
