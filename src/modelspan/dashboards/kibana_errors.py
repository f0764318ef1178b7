"""Kibana's dashboard of errors: what predict raised, where, since when; and what telemetry was lost."""

from __future__ import annotations

from modelspan import semconv as s
from modelspan.dashboards.esql import LOGS, METRICS, WHEN, Panel, number, over_time, pipe, table, text

_EXCEPTIONS = (LOGS, f"WHERE event_name == {text(s.EXCEPTION_EVENT.name)}")
_ROWS = s.PREDICTIONS.name
_DROPPED = s.DROPPED.name


def panels() -> list[Panel]:
    """Exceptions from their log records, shares from the metrics, which no sampling thins out."""
    return [*_numbers(), *_charts(), *_tables()]


def _numbers() -> list[Panel]:
    return [
        number("Failed calls", "calls", pipe(*_EXCEPTIONS, "STATS calls = COUNT(*)")),
        number(
            "Kinds of exception", "kinds",
            pipe(*_EXCEPTIONS, f"STATS kinds = COUNT_DISTINCT({s.EXCEPTION_TYPE})"),
        ),
        number(
            "Telemetry records dropped", "dropped",
            pipe(METRICS, f"WHERE {_DROPPED} IS NOT NULL", f"STATS dropped = SUM({_DROPPED})"),
        ),
        number(
            "Faults of modelspan, contained", "faults",
            pipe(METRICS, f"WHERE {s.ERRORS.name} IS NOT NULL", f"STATS faults = SUM({s.ERRORS.name})"),
        ),
    ]  # fmt: skip


def _charts() -> list[Panel]:
    failed = f"failed = SUM(CASE({s.ERROR_TYPE} IS NOT NULL, {_ROWS}, 0))"
    return [
        over_time(
            "Failed calls by exception",
            pipe(*_EXCEPTIONS, f"STATS calls = COUNT(*) BY {WHEN}, {s.EXCEPTION_TYPE}"),
            "calls", split=s.EXCEPTION_TYPE, kind="bar_stacked",
        ),
        over_time(
            "Rows of failed calls by model, %",
            pipe(METRICS, f"WHERE {_ROWS} IS NOT NULL",
                 f"STATS {failed}, rows = SUM({_ROWS}) BY {WHEN}, {s.MODEL_NAME}",
                 "EVAL failed_percent = 100.0 * failed / rows",
                 f"KEEP when, {s.MODEL_NAME}, failed_percent"),
            "failed_percent", split=s.MODEL_NAME,
        ),
    ]  # fmt: skip


def _tables() -> list[Panel]:
    what = f"{s.EXCEPTION_TYPE}, {s.EXCEPTION_MESSAGE}, {s.MODEL_NAME}"
    latest = f"@timestamp, {what}, {s.MODEL_VERSION}, trace_id, {s.PREDICTION_ID}, service.name"
    return [
        table(
            "Exceptions, most frequent first",
            pipe(*_EXCEPTIONS,
                 "STATS calls = COUNT(*), first_seen = MIN(@timestamp), last_seen = MAX(@timestamp) "
                 f"BY {what}",
                 f"SORT calls DESC, {s.EXCEPTION_MESSAGE}", "LIMIT 100"),
            (s.MODEL_NAME, "string"), (s.EXCEPTION_TYPE, "string"), (s.EXCEPTION_MESSAGE, "string"),
            ("calls", "number"), ("first_seen", "date"), ("last_seen", "date"),
        ),
        table(
            "Latest exceptions, with their traces",
            pipe(*_EXCEPTIONS, "SORT @timestamp DESC", f"KEEP {latest}", "LIMIT 100"),
            ("@timestamp", "date"), (s.MODEL_NAME, "string"), (s.MODEL_VERSION, "string"),
            (s.EXCEPTION_TYPE, "string"), (s.EXCEPTION_MESSAGE, "string"), ("service.name", "string"),
            ("trace_id", "string"), (s.PREDICTION_ID, "string"),
        ),
        table(
            "Telemetry dropped, by reason",
            pipe(METRICS, f"WHERE {_DROPPED} IS NOT NULL",
                 f"STATS records = SUM({_DROPPED}) BY {s.SIGNAL}, {s.REASON}", "SORT records DESC"),
            (s.SIGNAL, "string"), (s.REASON, "string"), ("records", "number"),
        ),
    ]  # fmt: skip
