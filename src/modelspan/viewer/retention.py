"""What is kept: records younger than an age, and as many as fit a size; the oldest go first, a few at a time.

Age counts from arrival, not from a record's own time: last year's telemetry, replayed today, stays as long as
any. Row ids grow with arrival, so it is enough to mark once a minute which ids have been reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

STEP_ROWS: Final = 5_000
STEP_PAGES: Final = 1_000
STEP_SHARE: Final = 100
"""A step towards the size deletes this fraction of every table: all signals reach back equally far."""
MARK_NS: Final = 60 * 10**9
_DAY_NS: Final = 86_400 * 10**9
_TABLES: Final = ("spans", "logs", "points")
_DELETE: Final = {
    "spans": "DELETE FROM spans WHERE id <= ? AND id < (SELECT MIN(id) FROM spans) + ?",
    "logs": "DELETE FROM logs WHERE id <= ? AND id < (SELECT MIN(id) FROM logs) + ?",
    "points": "DELETE FROM points WHERE id <= ? AND id < (SELECT MIN(id) FROM points) + ?",
}
_RANGE: Final = {
    "spans": "SELECT MIN(id), MAX(id) FROM spans",
    "logs": "SELECT MIN(id), MAX(id) FROM logs",
    "points": "SELECT MIN(id), MAX(id) FROM points",
}
_MARK: Final = """
INSERT INTO marks SELECT ?1, IFNULL((SELECT MAX(id) FROM spans), 0),
  IFNULL((SELECT MAX(id) FROM logs), 0), IFNULL((SELECT MAX(id) FROM points), 0)
WHERE NOT EXISTS (SELECT 1 FROM marks WHERE time_ns > ?1 - ?2)"""
_EXPIRED: Final = "SELECT spans, logs, points FROM marks WHERE time_ns < ? ORDER BY time_ns DESC LIMIT 1"
_FORGET: Final = (
    "DELETE FROM marks WHERE time_ns < ?",
    # A day later, because what is kept may name them although they were last seen before it.
    "DELETE FROM series WHERE seen < ? - 86400000000000",
    "DELETE FROM resources WHERE seen < ? - 86400000000000",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Bounds of the database."""

    days: float = 7.0
    """Age of the oldest record, from its arrival."""
    max_bytes: int = 2 * 1024**3
    """Pages in use, in bytes; the file's free pages are given back to the system."""


def used_bytes(database: sqlite3.Connection) -> int:
    """Bytes of the pages that hold data."""
    pages, free, size = (
        int(database.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def sweep(database: sqlite3.Connection, keep: Keep, now_ns: int) -> bool:
    """Take one small step towards the bounds; True if another one is needed.

    A step deletes at most `STEP_ROWS` rows of each table, so that requests wait milliseconds for it.
    """
    database.execute(_MARK, (now_ns, MARK_NS))
    horizon = now_ns - int(keep.days * _DAY_NS)
    deleted = _delete_expired(database, horizon)
    if not deleted:
        for statement in _FORGET:
            database.execute(statement, (horizon,))
        if used_bytes(database) > keep.max_bytes:
            deleted = _delete_share(database)
    if deleted:
        # As a script: a single statement is stepped once, which frees one page only.
        database.executescript(f"PRAGMA incremental_vacuum({STEP_PAGES})")
    return deleted > 0


def _delete_expired(database: sqlite3.Connection, horizon: int) -> int:
    mark = database.execute(_EXPIRED, (horizon,)).fetchone()
    if mark is None:
        return 0
    return sum(
        database.execute(_DELETE[table], (last, STEP_ROWS)).rowcount
        for table, last in zip(_TABLES, mark, strict=True)
    )


def _delete_share(database: sqlite3.Connection) -> int:
    """Delete the oldest rows of every table, in proportion to its length."""
    deleted = 0
    for table in _TABLES:
        first, last = database.execute(_RANGE[table]).fetchone()
        if first is not None:
            rows = min(max((last - first) // STEP_SHARE, 1), STEP_ROWS)
            deleted += database.execute(_DELETE[table], (last, rows)).rowcount
    return deleted
