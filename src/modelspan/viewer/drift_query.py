"""Drift reports and alarms, from the log events of modelspan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelspan.viewer.queries import Database

HISTORY: Final = 200
MAX_EVENTS: Final = 2_000
"""Newest alarm events that are looked at."""
_OPENS: Final = 13
"""Severity WARN: from here up an event opens an alarm, below it closes one."""
_METHODS: Final = ("psi", "ks", "kl", "js", "wasserstein")

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
_ALARMS: Final = """
SELECT * FROM (SELECT id, time_ns, model, version, feature, severity_number, body, attributes FROM logs
  WHERE event = ?1 AND feature IS NOT NULL AND model IS NOT NULL AND (?2 IS NULL OR model = ?2)
  ORDER BY time_ns DESC, id DESC LIMIT ?3) ORDER BY time_ns, id"""


def latest(database: Database, model: str | None, version: str | None) -> tuple[str | None, str | None]:
    """The model and version that were called last, among those that fit; what was given if nothing fits."""
    found = database.rows(_LATEST, (model, version))
    found = found or database.rows(_LATEST_REPORT, (model, version, semconv.DRIFT_REPORT_EVENT.name))
    return (found[0]["model"], found[0]["version"]) if found else (model, version)


def drift(database: Database, model: str | None, version: str | None) -> dict[str, Any]:
    """The newest report of every feature, the largest PSI first; the model's score apart."""
    model, version = latest(database, model, version)
    event = semconv.DRIFT_REPORT_EVENT.name
    alarmed = open_features(database, model, version)
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
        "window_rows": _whole(values.get(semconv.DRIFT_WINDOW_ROWS)),
        **{method: _finite(values.get(semconv.DRIFT_PREFIX + method)) for method in _METHODS},
        "p_value": _finite(values.get(semconv.DRIFT_P_VALUE)),
        "detected": key[-1] in alarmed,
        "bins": _listed(values, semconv.DRIFT_BINS, str),
        "reference_counts": _listed(values, semconv.DRIFT_REFERENCE_COUNTS, int),
        "current_counts": _listed(values, semconv.DRIFT_CURRENT_COUNTS, int),
        "history": [{"time": each["time_ns"] / 10**9, "psi": each["value"]} for each in reversed(history)],
    }


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _listed(values: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    """The list under `name`; empty when a foreign sender put anything else there."""
    found = values.get(name)
    good = isinstance(found, list) and all(type(each) is kind for each in found)
    return list(found) if good and found else []


def open_features(database: Database, model: str | None, version: str | None) -> list[str]:
    """Features with an open alarm, ascending."""
    found = alerts(database, model)["alerts"]
    return sorted(each["feature"] for each in found if each["state"] == "open" and each["version"] == version)


def alerts(database: Database, model: str | None) -> dict[str, Any]:
    """Alarms from the newest 2,000 events: WARN opens one, INFO closes it; the last replica speaks."""
    finished: list[dict[str, Any]] = []
    opened: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in database.rows(_ALARMS, (semconv.DRIFT_EVENT.name, model, MAX_EVENTS)):
        key = (row["model"], row["version"], row["feature"])
        if row["severity_number"] >= _OPENS:
            _open(opened, key, row)
        elif key in opened:
            finished.append({**opened.pop(key), "state": "closed", "closed": row["time_ns"] / 10**9})
    shown = [*finished, *opened.values()]
    return {"alerts": sorted(shown, key=lambda each: each["opened"], reverse=True)}


def _open(opened: dict[tuple[str, str, str], dict[str, Any]], key: tuple[str, str, str], row: Any) -> None:
    alert = _alert(row)
    before = opened.get(key)
    if before:  # another replica, or the same alarm repeated: keep when it began, show the newest evidence
        ids = dict.fromkeys([*before["trace_ids"], *alert["trace_ids"]])
        alert = {**alert, "id": before["id"], "opened": before["opened"], "trace_ids": list(ids)}
    opened[key] = alert


def _alert(row: Any) -> dict[str, Any]:
    values, body = json.loads(row["attributes"]), json.loads(row["body"])
    return {
        "id": str(row["id"]),
        "model": row["model"],
        "version": row["version"],
        "kind": "drift",
        "feature": row["feature"],
        "state": "open",
        "opened": row["time_ns"] / 10**9,
        "closed": None,
        "summary": body if isinstance(body, str) and body else f"drift of {row['feature']}",
        "psi": _finite(values.get(semconv.DRIFT_PREFIX + "psi")),
        "p_value": _finite(values.get(semconv.DRIFT_P_VALUE)),
        "trace_ids": _listed(values, semconv.DRIFT_TRACES, str),
    }
