"""Variants of a model on the same traffic, from the gauges of processes with a store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv
from modelspan.viewer.values import finite

if TYPE_CHECKING:
    from modelspan.viewer.queries import Database

HISTORY: Final = 300
_ENDS: Final = (
    (semconv.COMPARISON, "value"),
    (semconv.COMPARISON_LOWER, "lower"),
    (semconv.COMPARISON_UPPER, "upper"),
)
_COUNTS: Final = ((semconv.COMPARISON_PAIRS, "pairs"), (semconv.COMPARISON_OUTCOMES, "outcomes"))
_ROLES: Final = (
    ("champion", semconv.CHAMPION), ("champion_version", semconv.CHAMPION_VERSION),
    ("challenger", semconv.CHALLENGER), ("challenger_version", semconv.CHALLENGER_VERSION),
)  # fmt: skip
_SERIES: Final = """
SELECT id, attributes FROM series WHERE name = ?1 AND model = ?2 ORDER BY seen DESC, id LIMIT 500"""
_POINTS: Final = "SELECT time_ns, value FROM points WHERE series = ? ORDER BY time_ns DESC, id DESC LIMIT ?"
_Key = tuple[str, ...]


def comparisons(database: Database, model: str | None) -> list[dict[str, Any]]:
    """Each pair of variants with its measures now, and how the difference of performance came about.

    Processes that share a store say the same: the one that spoke last is heard.
    """
    found: dict[_Key, dict[str, Any]] = {}
    for metric, end in _ENDS:
        for key, measure, series in _series(database, metric.name, model):
            entry = found.setdefault(key, _empty(key))
            points = _points(database, series, HISTORY)
            named = entry["measures"].setdefault(measure, {})
            if end not in named and points:
                named[end] = points[0][1]
                if measure == "performance_difference":
                    for at, value in points:
                        entry["history"].setdefault(at, {"time": at})[end] = value
    for metric, name in _COUNTS:
        for key, _, series in _series(database, metric.name, model):
            points = _points(database, series, 1)
            if key in found and found[key][name] is None and points:
                found[key][name] = int(points[0][1] or 0)
    return [_finished(found[key]) for key in sorted(found)]


def _series(database: Database, metric: str, model: str | None) -> list[tuple[_Key, str, int]]:
    rows = [(json.loads(row["attributes"]), row["id"]) for row in database.rows(_SERIES, (metric, model))]
    return [
        (tuple(str(named.get(wire, "")) for _, wire in _ROLES),
         str(named.get(semconv.COMPARISON_MEASURE, "")), number)
        for named, number in rows
    ]  # fmt: skip


def _points(database: Database, series: int, most: int) -> list[tuple[float, float | None]]:
    """Time and value, the newest first."""
    rows = database.rows(_POINTS, (series, most))
    return [(each["time_ns"] / 10**9, finite(each["value"])) for each in rows]


def _empty(key: _Key) -> dict[str, Any]:
    roles = {name: value for (name, _), value in zip(_ROLES, key, strict=True)}
    return {**roles, "pairs": None, "outcomes": None, "measures": {}, "history": {}}


def _finished(entry: dict[str, Any]) -> dict[str, Any]:
    difference = entry["measures"].get("performance_difference", {})
    lower, upper = difference.get("lower"), difference.get("upper")
    winner = None
    if lower is not None and upper is not None:
        winner = "challenger" if lower > 0 else "champion" if upper < 0 else None
    history = [entry["history"][time] for time in sorted(entry["history"])]
    return {**entry, "better": winner, "history": [each for each in history if "value" in each]}
