"""Kibana's dashboard of predictions: how many, how fast, what was answered, and each model's own features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan import semconv as s
from modelspan.dashboards.elasticsearch import DRIFT_PSI, feature_fields
from modelspan.dashboards.esql import (
    LOGS,
    METRICS,
    TRACES,
    WHEN,
    Panel,
    Type,
    field,
    number,
    over_time,
    pipe,
    table,
    text,
)
from modelspan.sinks.bin_series import Limits, choose
from modelspan.sinks.features import PREDICTION_NAME, SCORE_NAME
from modelspan.sinks.series_limit import MAX_SERIES

if TYPE_CHECKING:
    from modelspan.drift.reference import Reference
    from modelspan.sinks.bin_series import BinSeries

_ROWS = s.PREDICTIONS.name
_PREDICTIONS = (LOGS, f"WHERE event_name == {text(s.PREDICTION_EVENT.name)}")
_SPANS = (TRACES, f"WHERE {s.PREDICTION_ID} IS NOT NULL")


def panels(references: tuple[Reference, ...]) -> list[Panel]:
    """The common panels, then those of each model with a reference."""
    return [*_numbers(), *_charts(), *(panel for each in references for panel in _model(each))]


def _numbers() -> list[Panel]:
    failed = f"failed = SUM(CASE({s.ERROR_TYPE} IS NOT NULL, {_ROWS}, 0))"
    return [
        number(
            "Predicted rows",
            "rows",
            pipe(METRICS, f"WHERE {_ROWS} IS NOT NULL", f"STATS rows = SUM({_ROWS})"),
        ),
        number(
            "Rows of failed calls, %",
            "failed_percent",
            pipe(METRICS, f"WHERE {_ROWS} IS NOT NULL", f"STATS {failed}, rows = SUM({_ROWS})",
                 "EVAL failed_percent = 100.0 * failed / rows", "KEEP failed_percent"),
        ),
        number(
            "95th percentile of kept traces, ms", "p95_ms",
            pipe(*_SPANS, "STATS p95_ms = PERCENTILE(duration, 95) / 1000000.0"),
        ),
        number(
            "Models", "models",
            pipe(METRICS, f"WHERE {_ROWS} IS NOT NULL", f"STATS models = COUNT_DISTINCT({s.MODEL_NAME})"),
        ),
    ]  # fmt: skip


def _charts() -> list[Panel]:
    quantiles = ", ".join(f"p{q}_ms = PERCENTILE(duration, {q}) / 1000000.0" for q in (50, 95, 99))
    return [
        over_time(
            "Predicted rows by model",
            pipe(METRICS, f"WHERE {_ROWS} IS NOT NULL",
                 f"STATS rows = SUM({_ROWS}) BY {WHEN}, {s.MODEL_NAME}"),
            "rows", split=s.MODEL_NAME, kind="bar_stacked",
        ),
        over_time(
            "Latency of kept traces, ms", pipe(*_SPANS, f"STATS {quantiles} BY {WHEN}"),
            "p50_ms", "p95_ms", "p99_ms",
        ),
        over_time(
            "Logged rows by predicted label",
            pipe(*_PREDICTIONS, f"WHERE {s.PREDICTION_LABEL} IS NOT NULL",
                 f"STATS rows = COUNT(*) BY {WHEN}, {s.PREDICTION_LABEL}"),
            "rows", split=s.PREDICTION_LABEL, kind="bar_stacked",
        ),
        over_time(
            "Median score by model",
            pipe(*_PREDICTIONS, f"WHERE {s.PREDICTION_SCORE} IS NOT NULL",
                 f"STATS score = MEDIAN({s.PREDICTION_SCORE}) BY {WHEN}, {s.MODEL_NAME}"),
            "score", split=s.MODEL_NAME,
        ),
        *_drift(),
        _latest(),
    ]  # fmt: skip


def _drift() -> list[Panel]:
    reports = (LOGS, f"WHERE event_name == {text(s.DRIFT_REPORT_EVENT.name)}")
    return [
        over_time(
            "Drift: largest PSI of a window by feature",
            pipe(*reports, f"STATS psi = MAX({DRIFT_PSI}) BY {WHEN}, {s.FEATURE_NAME}"),
            "psi", split=s.FEATURE_NAME,
        ),
        table(
            "Largest drift of each feature",
            pipe(*reports,
                 f"STATS latest = MAX(@timestamp), largest_psi = MAX({DRIFT_PSI}), "
                 f"smallest_p = MIN({s.DRIFT_P_VALUE}) BY {s.MODEL_NAME}, {s.FEATURE_NAME}",
                 f"SORT largest_psi DESC, {s.FEATURE_NAME}", "LIMIT 50"),
            (s.MODEL_NAME, "string"), (s.FEATURE_NAME, "string"), ("largest_psi", "number"),
            ("smallest_p", "number"), ("latest", "date"), width=24,
        ),
    ]  # fmt: skip


def _latest() -> Panel:
    columns: tuple[tuple[str, Type], ...] = (
        ("@timestamp", "date"), (s.MODEL_NAME, "string"), (s.MODEL_VERSION, "string"),
        (s.PREDICTION_LABEL, "string"), (s.PREDICTION_VALUE, "number"), (s.PREDICTION_SCORE, "number"),
        ("trace_id", "string"), (s.PREDICTION_ID, "string"),
    )  # fmt: skip
    keep = ", ".join(name for name, _ in columns)
    return table(
        "Latest predictions",
        pipe(*_PREDICTIONS, "SORT @timestamp DESC", f"KEEP {keep}", "LIMIT 100"),
        *columns,
    )


def _model(reference: Reference) -> list[Panel]:
    """The bins of all that has series, with the reference's, and the latest rows with their values."""
    columns = dict(reference.features)
    if reference.score is not None:
        columns[SCORE_NAME] = reference.score
    if reference.prediction is not None:
        columns[PREDICTION_NAME] = reference.prediction
    series = choose(columns, SCORE_NAME, Limits(), MAX_SERIES)
    return [*(_bins(reference, name, each) for name, each in series.items()), _values(reference)]


def _bins(reference: Reference, name: str, series: BinSeries) -> Panel:
    total = max(1, int(series.counts.sum()))
    shares = zip(series.labels, series.counts.tolist(), strict=True)
    percent = ", ".join(f"{s.FEATURE_BIN} == {text(b)}, {100 * count / total:.3f}" for b, count in shares)
    order = ", ".join(f"{s.FEATURE_BIN} == {text(b)}, {i}" for i, b in enumerate(series.labels))
    rows = s.FEATURE_OBSERVATIONS.name
    where = f"{_of(reference)} AND {s.FEATURE_NAME} == {text(name)} AND {rows} IS NOT NULL"
    query = pipe(
        METRICS,
        f"WHERE {where}",
        f"STATS rows = SUM({rows}) BY {s.FEATURE_BIN}",
        f"EVAL reference_percent = CASE({percent}, 0.0), position = CASE({order}, {len(series.labels)})",
        "SORT position",
        f"KEEP {s.FEATURE_BIN}, rows, reference_percent",
    )
    return Panel(
        title=f"{reference.model}: {name} by bin, with the reference's share in %", kind="bar", query=query,
        columns=((s.FEATURE_BIN, "string"), ("rows", "number"), ("reference_percent", "number")),
        x=s.FEATURE_BIN, y=("rows", "reference_percent"), right="reference_percent", width=16,
    )  # fmt: skip


def _values(reference: Reference) -> Panel:
    named: list[tuple[str, Type]] = [
        (name, "number" if mapping["type"] == "double" else "string")
        for name, mapping in feature_fields(reference).items()
    ]
    columns: list[tuple[str, Type]] = [
        ("@timestamp", "date"), ("trace_id", "string"), (s.PREDICTION_LABEL, "string"),
        (s.PREDICTION_SCORE, "number"), *named,
    ]  # fmt: skip
    keep = ", ".join(field(name) for name, _ in columns)
    query = pipe(
        *_PREDICTIONS, f"WHERE {_of(reference)}", "SORT @timestamp DESC", f"KEEP {keep}", "LIMIT 100"
    )
    return table(f"{reference.model}: latest rows, features that log_features lists", query, *columns)


def _of(reference: Reference) -> str:
    version = f" AND {s.MODEL_VERSION} == {text(reference.version)}" if reference.version else ""
    return f"{s.MODEL_NAME} == {text(reference.model)}{version}"
