"""Alarms with their lives, from the log events of modelspan and the pulse of the processes that sent them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv
from modelspan.viewer.values import finite, listed

if TYPE_CHECKING:
    from modelspan.viewer.queries import Database

MAX_EVENTS: Final = 2_000
"""Newest alarm events that are looked at."""
SILENT_SECONDS: Final = 300.0
"""A process that has sent nothing for so long is taken for dead, and its alarms for over: a living one sends
metrics every `metric_interval_seconds`, ten by default."""
_OPENS: Final = 13
"""Severity WARN: from here up an event opens an alarm, below it closes one."""
_CRITICAL: Final = 17
"""Severity ERROR: the alarm has escalated."""

_ALARMS: Final = """
SELECT * FROM (
  SELECT id, time_ns, model, version, feature, severity_number, body, attributes, resource,
    json_extract(attributes, ?5) AS check_name FROM logs
  WHERE event IN (?1, ?4) AND feature IS NOT NULL AND model IS NOT NULL AND (?2 IS NULL OR model = ?2)
  ORDER BY time_ns DESC, id DESC LIMIT ?3) ORDER BY time_ns, id"""
_CHECK: Final = f'$."{semconv.QUALITY_CHECK}"'
_SEEN: Final = "SELECT seen FROM resources WHERE id = ?"

_Key = tuple[str, str, str, str]


def open_features(database: Database, model: str | None, version: str | None) -> list[str]:
    """Features with an open drift alarm, ascending."""
    found = alerts(database, model)["alerts"]
    return sorted(
        each["feature"]
        for each in found
        if (each["kind"], each["state"], each["version"]) == ("drift", "open", version)
    )


def alerts(database: Database, model: str | None) -> dict[str, Any]:
    """Alarms from the newest 2,000 events, the last opened first.

    An alarm is open while any process that raised it has neither closed it nor fallen silent.
    """
    finished: list[dict[str, Any]] = []
    opened: dict[_Key, dict[str, Any]] = {}
    processes: dict[_Key, set[int]] = {}
    events = semconv.DRIFT_EVENT.name, semconv.QUALITY_EVENT.name
    for row in database.rows(_ALARMS, (events[0], model, MAX_EVENTS, events[1], _CHECK)):
        key = (row["model"], row["version"], row["feature"], row["check_name"] or "")
        if row["severity_number"] >= _OPENS:
            opened[key] = _merged(opened.get(key), _alert(row))
            processes.setdefault(key, set()).add(row["resource"])
        elif key in opened:
            processes[key].discard(row["resource"])
            if not processes[key]:
                finished.append(_closed(opened.pop(key), row["time_ns"] / 10**9, "back to the reference"))
    shown = [*finished, *(_living(database, alert, processes[key]) for key, alert in opened.items())]
    return {"alerts": sorted(shown, key=lambda each: each["opened"], reverse=True)}


def _living(database: Database, alert: dict[str, Any], processes: set[int]) -> dict[str, Any]:
    """The alarm as it is, or closed when none of its processes has been heard of lately."""
    seen = [row["seen"] / 10**9 for each in processes for row in database.rows(_SEEN, (each,))]
    last = max(seen, default=alert["opened"])
    return alert if last > time.time() - SILENT_SECONDS else _closed(alert, last, "its process fell silent")


def _closed(alert: dict[str, Any], moment: float, why: str) -> dict[str, Any]:
    return {**alert, "state": "closed", "closed": moment, "reason": why}


def _merged(before: dict[str, Any] | None, alert: dict[str, Any]) -> dict[str, Any]:
    """Another replica, an escalation or a repetition: keep when it began, show the newest evidence."""
    if before is None:
        return alert
    ids = dict.fromkeys([*alert["trace_ids"], *before["trace_ids"]])
    worst = "critical" if "critical" in (before["severity"], alert["severity"]) else "warning"
    kept = {"id": before["id"], "opened": before["opened"], "severity": worst, "trace_ids": list(ids)}
    return {**alert, **kept}


def _alert(row: Any) -> dict[str, Any]:
    values, body = json.loads(row["attributes"]), json.loads(row["body"])
    check = row["check_name"]
    return {
        "id": str(row["id"]),
        "model": row["model"],
        "version": row["version"],
        "kind": "drift" if check is None else "data quality",
        "check": check,
        "feature": row["feature"],
        "state": "open",
        "severity": "critical" if row["severity_number"] >= _CRITICAL else "warning",
        "opened": row["time_ns"] / 10**9,
        "closed": None,
        "reason": None,
        "summary": body if isinstance(body, str) and body else f"drift of {row['feature']}",
        "psi": finite(values.get(semconv.DRIFT_PREFIX + "psi")),
        "p_value": finite(values.get(semconv.DRIFT_P_VALUE)),
        "e_value": finite(values.get(semconv.DRIFT_E_VALUE)),
        "rate": finite(values.get(semconv.QUALITY_RATE)),
        "reference_rate": finite(values.get(semconv.QUALITY_REFERENCE_RATE)),
        "top_bins": listed(values, semconv.DRIFT_TOP_BINS, str),
        "trace_ids": listed(values, semconv.DRIFT_TRACES, str),
    }
