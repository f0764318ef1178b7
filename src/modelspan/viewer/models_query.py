"""Models and their traffic, from the spans of modelspan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.viewer import alarm_query

if TYPE_CHECKING:
    from modelspan.viewer.queries import Database

PERCENTILE_CALLS: Final = 10_000
"""Newest calls that the percentiles of a model are taken from."""
TRAFFIC_CALLS: Final = 200_000
"""Newest calls that traffic looks at."""
RATE_SECONDS: Final = 60.0

_MODELS: Final = """
SELECT model, version, COUNT(*) AS calls, SUM(size) AS predictions, SUM(error) AS errors,
  MIN(start_ns) AS first, MAX(start_ns) AS last
FROM spans INDEXED BY spans_calls WHERE operation IS NOT NULL GROUP BY model, version ORDER BY last DESC"""
_NEWEST: Final = """
SELECT variant, operation, service FROM spans INDEXED BY spans_calls
WHERE operation IS NOT NULL AND model = ? AND version = ? ORDER BY start_ns DESC LIMIT 1000"""
_DURATIONS: Final = """
SELECT start_ns, duration_ns FROM spans INDEXED BY spans_calls
WHERE operation IS NOT NULL AND model = ? AND version = ? ORDER BY start_ns DESC LIMIT ?"""
_RATE: Final = """
SELECT COUNT(*) FROM spans INDEXED BY spans_calls
WHERE operation IS NOT NULL AND model = ? AND version = ? AND start_ns > ?"""
_TRAFFIC: Final = """
SELECT start_ns, duration_ns, error FROM spans
WHERE operation IS NOT NULL AND start_ns >= ? AND (? IS NULL OR model = ?) ORDER BY start_ns DESC LIMIT ?"""

Performance = Callable[[str | None, int, str | None], dict[str, Any]]


def models(database: Database, performance: Performance) -> dict[str, Any]:
    """One entry per model and version, the last seen first."""
    return {"models": [_entry(database, row, performance) for row in database.rows(_MODELS)]}


def _entry(database: Database, row: Any, performance: Performance) -> dict[str, Any]:
    model, version, last = row["model"], row["version"], row["last"]
    seen = database.rows(_NEWEST, (model, version))
    durations = [
        each["duration_ns"] for each in database.rows(_DURATIONS, (model, version, PERCENTILE_CALLS))
    ]
    recent = database.rows(_RATE, (model, version, last - int(RATE_SECONDS * 1e9)))[0][0]
    age = (last - row["first"]) / 10**9
    opened = alarm_query.open_features(database, model, version)
    measured = performance(model, 24, version)
    return {
        "model": model,
        "version": version,
        "variants": _distinct(seen, "variant"),
        "operations": _distinct(seen, "operation"),
        "services": _distinct(seen, "service"),
        "calls": row["calls"],
        "predictions": row["predictions"],
        "errors": row["errors"],
        "error_rate": row["errors"] / row["calls"],
        **percentiles(durations),
        # A model seen for ten seconds has a rate over ten seconds.
        "rate_per_second": recent / min(max(age, 1.0), RATE_SECONDS),
        "first_seen": row["first"] / 10**9,
        "last_seen": last / 10**9,
        "drifted": opened,
        "open_alerts": len(opened),
        "accuracy": measured["overall"].get("accuracy"),
        "coverage": measured["coverage"],
    }


def _distinct(rows: Sequence[Any], column: str) -> list[str]:
    return sorted({row[column] for row in rows} - {""})


def percentiles(durations_ns: Sequence[int]) -> dict[str, float | None]:
    """Median, 95th and 99th percentile in milliseconds; None without a call."""
    if not len(durations_ns):
        return {"p50_ms": None, "p95_ms": None, "p99_ms": None}
    p50, p95, p99 = np.percentile(np.asarray(durations_ns, dtype=float) / 1e6, (50, 95, 99)).tolist()
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99}


def traffic(database: Database, model: str | None, seconds: int, buckets: int) -> dict[str, Any]:
    """Calls, errors and latencies in `buckets` of equal length; the range shrinks to the data there is."""
    newest = database.rows(_TRAFFIC, (0, model, model, 1))
    if not newest:
        return {"buckets": []}
    last = newest[0]["start_ns"]
    rows = database.rows(_TRAFFIC, (max(last - int(seconds * 1e9), 0), model, model, TRAFFIC_CALLS))
    starts, durations, errors = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    first = int(starts[-1])
    width = max((last - first) / buckets, 1.0)
    place = np.minimum((starts - first) / width, buckets - 1).astype(int)
    return {
        "buckets": [
            {
                "time": (first + index * width) / 10**9,
                "calls": int(inside.sum()),
                "errors": int(errors[inside].sum()),
                **percentiles(durations[inside]),
            }
            for index in range(buckets)
            for inside in [place == index]
        ]
    }
