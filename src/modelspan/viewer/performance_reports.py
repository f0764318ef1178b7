"""What processes with a store report of performance: estimates per window, segments, threshold crossings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.viewer.queries import Database

MAX_EVENTS: Final = 2_000
MAX_SEGMENTS: Final = 100
FEW: Final = 20
"""Predictions that a window needs to be shown beside others: an estimate of fewer says nothing."""
ONLY_REPORTED: Final = ("log_loss", "brier", "roc_auc_macro", "roc_auc_weighted", "quantile_loss")
_OPENS: Final = 13
_CRITICAL: Final = 17

_ENDS: Final = (
    (semconv.PERFORMANCE_SCORE, "value"),
    (semconv.PERFORMANCE_LOWER, "lower"),
    (semconv.PERFORMANCE_UPPER, "upper"),
    (semconv.PERFORMANCE_SHARE, "coverage"),
)
_REPORTS: Final = """
SELECT time_ns, attributes FROM logs WHERE event = ?1 AND model = ?2 AND version = ?3
ORDER BY time_ns DESC, id DESC LIMIT ?4"""
_GAUGES: Final = """
SELECT s.attributes,
  (SELECT value FROM points WHERE series = s.id ORDER BY time_ns DESC, id DESC LIMIT 1) AS value
FROM series AS s WHERE s.name = ?1 AND s.model = ?2 ORDER BY s.seen DESC LIMIT 2000"""
_CROSSINGS: Final = """
SELECT id, time_ns, model, version, severity_number, body, attributes FROM logs
WHERE event = ?1 AND model IS NOT NULL AND (?2 IS NULL OR model = ?2)
ORDER BY time_ns DESC, id DESC LIMIT ?3"""


def estimates(database: Database, model: str | None, version: str | None) -> list[dict[str, Any]]:
    """The newest report of each window of the whole model that has an estimate, by start."""
    found: dict[float, dict[str, Any]] = {}
    for row in database.rows(_REPORTS, (semconv.PERFORMANCE_EVENT.name, model, version, MAX_EVENTS)):
        values = json.loads(row["attributes"])
        start, end = values.get(semconv.PERFORMANCE_START), values.get(semconv.PERFORMANCE_END)
        if semconv.SEGMENT_NAME in values or not _is_number(start) or not _is_number(end) or start in found:
            continue
        expected = _measures(values, semconv.PERFORMANCE_ESTIMATE_PREFIX)
        if expected and (values.get(semconv.PERFORMANCE_PREDICTIONS) or 0) >= FEW:
            found[start] = {
                "start": start,
                "end": end,
                "coverage": values.get(semconv.PERFORMANCE_COVERAGE),
                "estimated": expected,
                "realised": _measures(values, semconv.PERFORMANCE_SCORE_PREFIX),
                "doubts": [
                    each for each in _listed(values.get(semconv.PERFORMANCE_DOUBTS)) if isinstance(each, str)
                ],
            }
    return [found[start] for start in sorted(found)]


def segments(database: Database, model: str | None, version: str | None) -> list[dict[str, Any]]:
    """Each value of each segment with its measures over all windows, by name and value."""
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for metric, key in _ENDS:
        for row in database.rows(_GAUGES, (metric.name, model)):
            named = json.loads(row["attributes"])
            if not _is_segment(named, version) or not _is_number(row["value"]):
                continue
            place = (str(named[semconv.SEGMENT_NAME]), str(named.get(semconv.SEGMENT_VALUE, "")))
            entry = table.setdefault(place, {"segment": place[0], "value": place[1], "measures": {}})
            if key == "coverage":
                entry.setdefault("coverage", row["value"])
            else:
                name = str(named.get(semconv.PERFORMANCE_METRIC))
                entry["measures"].setdefault(name, {}).setdefault(key, row["value"])
    return [table[place] for place in sorted(table)][:MAX_SEGMENTS]


def only_reported(database: Database, model: str | None, version: str | None) -> dict[str, dict[str, float]]:
    """Measures that the page can't compute, over all windows that a process with a store keeps.

    Those of full probabilities, of which telemetry carries the score only, and of the service's quantiles.
    """
    found: dict[str, dict[str, float]] = {}
    for metric, key in _ENDS[:3]:
        for row in database.rows(_GAUGES, (metric.name, model)):
            named = json.loads(row["attributes"])
            name = str(named.get(semconv.PERFORMANCE_METRIC))
            if _is_whole(named, version) and name.startswith(ONLY_REPORTED) and _is_number(row["value"]):
                found.setdefault(name, {}).setdefault(key, row["value"])
    return {name: each for name, each in found.items() if "value" in each}


def crossings(database: Database, model: str | None) -> list[dict[str, Any]]:
    """Threshold alerts, as `drift_query.alerts` describes alerts, newest opened first."""
    finished: list[dict[str, Any]] = []
    opened: dict[Any, dict[str, Any]] = {}
    for row in reversed(database.rows(_CROSSINGS, (semconv.THRESHOLD_EVENT.name, model, MAX_EVENTS))):
        values = json.loads(row["attributes"])
        key = (row["model"], row["version"], *(str(values.get(name)) for name in _NAMED))
        if row["severity_number"] >= _OPENS:
            opened.setdefault(key, _alert(row, values))
        elif key in opened:
            finished.append(
                {
                    **opened.pop(key),
                    "state": "closed",
                    "closed": row["time_ns"] / 10**9,
                    "reason": "back within its limits",
                }
            )
    return sorted([*finished, *opened.values()], key=lambda each: float(each["opened"]), reverse=True)


_NAMED: Final = (semconv.THRESHOLD_NAME, semconv.MODEL_VARIANT, semconv.SEGMENT_NAME, semconv.SEGMENT_VALUE)


def _alert(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    body = json.loads(row["body"])
    return {
        "id": str(row["id"]),
        "model": row["model"],
        "version": row["version"],
        "kind": "threshold",
        "severity": "critical" if row["severity_number"] >= _CRITICAL else "warning",
        "reason": None,
        "feature": str(values.get(semconv.THRESHOLD_NAME, "threshold")),
        "state": "open",
        "opened": row["time_ns"] / 10**9,
        "closed": None,
        "summary": body if isinstance(body, str) else "a threshold was crossed",
        "psi": None,
        "p_value": None,
        "e_value": None,
        "top_bins": [],
        "trace_ids": [],
    }


def _is_segment(named: Mapping[str, Any], version: str | None) -> bool:
    return semconv.SEGMENT_NAME in named and _is_total(named, version)


def _is_whole(named: Mapping[str, Any], version: str | None) -> bool:
    return semconv.SEGMENT_NAME not in named and _is_total(named, version)


def _is_total(named: Mapping[str, Any], version: str | None) -> bool:
    return named.get(semconv.PERFORMANCE_WINDOW) == "all" and (
        named.get(semconv.MODEL_VERSION, "") == (version or "")
    )


def _measures(values: Mapping[str, Any], prefix: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        if name.startswith(prefix) and _is_number(value):
            metric, _, end = name.removeprefix(prefix).partition(".")
            if end in ("", "lower", "upper"):
                found.setdefault(metric, {})[end or "value"] = value
    return {metric: each for metric, each in found.items() if "value" in each}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
