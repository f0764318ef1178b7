"""Metrics: names, series and points."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from modelspan.viewer.queries import Database

MAX_SERIES: Final = 500
"""Series of one metric in an answer, those with the latest points first."""

_NAMES: Final = """
SELECT name, MIN(unit) AS unit, MIN(kind) AS kind FROM series WHERE ?1 IS NULL OR model = ?1
GROUP BY name ORDER BY name"""
_SERIES: Final = """
SELECT * FROM series WHERE name = ?1 AND (?2 IS NULL OR model = ?2) ORDER BY seen DESC, id LIMIT ?3"""
_POINTS: Final = """
SELECT * FROM (SELECT * FROM points WHERE series = ? AND time_ns >= ? ORDER BY time_ns DESC, id DESC LIMIT ?)
ORDER BY time_ns, id"""


def names(database: Database, model: str | None) -> dict[str, Any]:
    """Every metric by name, ascending."""
    return {"names": [dict(row) for row in database.rows(_NAMES, (model,))]}


def series(
    database: Database, name: str, model: str | None, since: float | None, limit: int
) -> dict[str, Any]:
    """The series of one metric and the newest `limit` points of each, ascending; counters stay counts."""
    since_ns = int((since or 0.0) * 1e9)
    found = database.rows(_SERIES, (name, model, MAX_SERIES))
    return {
        "name": name,
        "unit": found[0]["unit"] if found else "",
        "kind": found[0]["kind"] if found else "",
        "series": [_one(database, row, since_ns, limit) for row in found],
    }


def _one(database: Database, row: Any, since_ns: int, limit: int) -> dict[str, Any]:
    return {
        "attributes": json.loads(row["attributes"]),
        "service": row["service"],
        "instance": row["instance"],
        "points": [_point(point) for point in database.rows(_POINTS, (row["id"], since_ns, limit))],
    }


def _point(row: Any) -> dict[str, Any]:
    if row["count"] is None:
        return {"time": row["time_ns"] / 10**9, "value": row["value"]}
    return {
        "time": row["time_ns"] / 10**9,
        "count": row["count"],
        "sum": row["value"],
        "bounds": json.loads(row["bounds"]),
        "counts": json.loads(row["counts"]),
        "exemplars": json.loads(row["exemplars"]),
    }
