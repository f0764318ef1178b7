"""Drift reports and alarms, from the log events of modelspan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv
from modelspan.drift.distances import METHODS
from modelspan.viewer import alarm_query
from modelspan.viewer.values import finite, listed, whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelspan.viewer.queries import Database

HISTORY: Final = 200

_LATEST: Final = """
SELECT model, version FROM (
  SELECT model, version, start_ns AS time_ns FROM spans
  WHERE operation IS NOT NULL AND (?1 IS NULL OR model = ?1) AND (?2 IS NULL OR version = ?2)
  ORDER BY start_ns DESC LIMIT 1)"""
_LATEST_REPORT: Final = """
SELECT model, version FROM logs WHERE event = ?3 AND model IS NOT NULL
  AND (?1 IS NULL OR model = ?1) AND (?2 IS NULL OR version = ?2) ORDER BY time_ns DESC LIMIT 1"""
_FEATURES: Final = """
SELECT DISTINCT feature FROM logs WHERE event = ? AND model = ? AND version = ? AND feature IS NOT NULL"""
_NEWEST: Final = """
SELECT time_ns, attributes FROM logs WHERE event = ? AND model = ? AND version = ? AND feature = ?
ORDER BY time_ns DESC, id DESC LIMIT 1"""
_HISTORY: Final = """
SELECT time_ns, value FROM logs WHERE event = ? AND model = ? AND version = ? AND feature = ?
ORDER BY time_ns DESC, id DESC LIMIT ?"""


def latest(database: Database, model: str | None, version: str | None) -> tuple[str | None, str | None]:
    """The model and version that were called last, among those that fit; what was given if nothing fits."""
    found = database.rows(_LATEST, (model, version))
    found = found or database.rows(_LATEST_REPORT, (model, version, semconv.DRIFT_REPORT_EVENT.name))
    return (found[0]["model"], found[0]["version"]) if found else (model, version)


def drift(database: Database, model: str | None, version: str | None) -> dict[str, Any]:
    """The newest report of every feature, the largest PSI first; the model's score apart."""
    model, version = latest(database, model, version)
    event = semconv.DRIFT_REPORT_EVENT.name
    alarmed = alarm_query.open_features(database, model, version)
    features = [
        _report(database, (event, model, version, row["feature"]), alarmed)
        for row in database.rows(_FEATURES, (event, model, version))
    ]
    features.sort(key=lambda each: (each["psi"] is None, -(each["psi"] or 0.0), each["feature"]))
    scores = [each for each in features if each["kind"] == "score"]
    return {
        "model": model,
        "version": version,
        "features": [each for each in features if each["kind"] != "score"],
        "score": scores[0] if scores else None,
    }


def _report(database: Database, key: tuple[Any, ...], alarmed: Iterable[str]) -> dict[str, Any]:
    row = database.rows(_NEWEST, key)[0]
    values = json.loads(row["attributes"])
    history = database.rows(_HISTORY, (*key, HISTORY))
    return {
        "feature": key[-1],
        "kind": str(values.get(semconv.FEATURE_KIND, "numeric")),
        "time": row["time_ns"] / 10**9,
        "window_rows": whole(values.get(semconv.DRIFT_WINDOW_ROWS)),
        **{method: finite(values.get(semconv.DRIFT_PREFIX + method)) for method in METHODS},
        "p_value": finite(values.get(semconv.DRIFT_P_VALUE)),
        "detected": key[-1] in alarmed,
        "bins": listed(values, semconv.DRIFT_BINS, str),
        "reference_counts": listed(values, semconv.DRIFT_REFERENCE_COUNTS, int),
        "current_counts": listed(values, semconv.DRIFT_CURRENT_COUNTS, int),
        "history": [{"time": each["time_ns"] / 10**9, "psi": each["value"]} for each in reversed(history)],
    }
