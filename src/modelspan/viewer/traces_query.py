"""Traces, spans and log records."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from modelspan.viewer.queries import Database

SPANS_PER_TRACE: Final = 200
"""Spans looked at for each trace that is asked for, before a list of traces is cut short."""
TRACE_SPANS: Final = 5_000
TRACE_LOGS: Final = 5_000

_NEWEST: Final = {
    (False, False): "SELECT trace_id FROM spans ORDER BY start_ns DESC",
    (False, True): "SELECT trace_id FROM spans WHERE error ORDER BY start_ns DESC",
    (
        True,
        False,
    ): "SELECT trace_id FROM spans WHERE model = ?1 AND operation IS NOT NULL ORDER BY start_ns DESC",
    (True, True): """
SELECT trace_id FROM spans WHERE model = ?1 AND operation IS NOT NULL AND error ORDER BY start_ns DESC""",
}
# The span that describes a trace: modelspan's own, of the wanted model, failed ones first; else the root.
_SHOWN: Final = """
SELECT trace_id, name, service, model, version, start_ns, duration_ns, prediction_id, error_type,
  (SELECT COUNT(*) FROM spans WHERE trace_id = ?1) AS spans,
  (SELECT COUNT(*) FROM logs WHERE trace_id = ?1 AND trace_id <> '') AS logs,
  (SELECT MAX(error) FROM spans WHERE trace_id = ?1) AS failed
FROM spans WHERE trace_id = ?1
ORDER BY operation IS NULL, model IS NOT ?2, NOT error, parent_span_id IS NOT NULL, start_ns LIMIT 1"""
_SPANS: Final = """
SELECT spans.*, resources.attributes AS resource_attributes
FROM spans LEFT JOIN resources ON resources.id = spans.resource
WHERE trace_id = ? ORDER BY start_ns, spans.id LIMIT ?"""
_LOG_FILTERS: Final = {
    "trace_id": "trace_id = ? AND trace_id <> ''",
    "model": "model = ?",
    "event": "event = ?",
}


def traces(database: Database, model: str | None, limit: int, *, errors: bool) -> dict[str, Any]:
    """The newest traces; a trace has failed if any of its spans has."""
    found: dict[str, None] = {}
    parameters = () if model is None else (model,)
    for row in islice(
        database.stream(_NEWEST[model is not None, errors], parameters), limit * SPANS_PER_TRACE
    ):
        found[row["trace_id"]] = None
        if len(found) == limit:
            break
    shown = [_summary(row) for trace_id in found for row in database.rows(_SHOWN, (trace_id, model))]
    return {"traces": sorted(shown, key=lambda each: each["start"], reverse=True)}


def _summary(row: Any) -> dict[str, Any]:
    return {
        "trace_id": row["trace_id"],
        "name": row["name"],
        "service": row["service"],
        "model": row["model"],
        "version": row["version"],
        "start": row["start_ns"] / 10**9,
        "duration_ms": row["duration_ns"] / 1e6,
        "status": "error" if row["failed"] else "ok",
        "error_type": row["error_type"],
        "spans": row["spans"],
        "logs": row["logs"],
        "prediction_id": row["prediction_id"],
    }


def trace(database: Database, trace_id: str) -> dict[str, Any] | None:
    """One trace, at most 5,000 spans and 5,000 records of it; None if nothing of it is stored."""
    spans = [_span(row) for row in database.rows(_SPANS, (trace_id, TRACE_SPANS))]
    records = logs(database, trace_id, None, None, TRACE_LOGS)["logs"]
    if not spans and not records:
        return None
    return {"trace_id": trace_id, "spans": spans, "logs": records}


def _span(row: Any) -> dict[str, Any]:
    return {
        "span_id": row["span_id"],
        "parent_span_id": row["parent_span_id"],
        "name": row["name"],
        "kind": row["kind"],
        "service": row["service"],
        "scope": row["scope"],
        "start": row["start_ns"] / 10**9,
        "duration_ms": row["duration_ns"] / 1e6,
        "status": "error" if row["error"] else "ok",
        "status_message": row["status_message"],
        "attributes": json.loads(row["attributes"]),
        "events": json.loads(row["events"]),
        "resource": json.loads(row["resource_attributes"] or "{}"),
    }


def logs(
    database: Database, trace_id: str | None, model: str | None, event: str | None, limit: int
) -> dict[str, Any]:
    """The newest log records that match every given filter."""
    given = {"trace_id": trace_id, "model": model, "event": event}
    filters = {_LOG_FILTERS[name]: value for name, value in given.items() if value is not None}
    where = f"WHERE {' AND '.join(filters)}" if filters else ""
    # Only the constants above are put together; values are bound.
    statement = f"SELECT * FROM logs {where} ORDER BY time_ns DESC, id DESC LIMIT ?"  # noqa: S608 - see the line above
    return {"logs": [_log(row) for row in database.rows(statement, (*filters.values(), limit))]}


def _log(row: Any) -> dict[str, Any]:
    return {
        "time": row["time_ns"] / 10**9,
        "trace_id": row["trace_id"],
        "span_id": row["span_id"],
        "event": row["event"],
        "severity": row["severity"],
        "severity_number": row["severity_number"],
        "body": json.loads(row["body"]),
        "service": row["service"],
        "attributes": json.loads(row["attributes"]),
    }
