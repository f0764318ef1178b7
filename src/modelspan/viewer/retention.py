"""What is kept: rows younger than an age, and as many as fit a size; the oldest go first, a few at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

STEP_ROWS: Final = 2_000
STEP_PAGES: Final = 1_000
_TIMES: Final = {"spans": "start_ns", "logs": "time_ns", "points": "time_ns"}
_OLDEST: Final = {table: f"SELECT MIN({time}) FROM {table}" for table, time in _TIMES.items()}  # noqa: S608 - our names
_DELETE: Final = {
    table: (
        f"DELETE FROM {table} WHERE id IN "  # noqa: S608 - our names
        f"(SELECT id FROM {table} WHERE {time} < ? ORDER BY {time} LIMIT ?)"
    )
    for table, time in _TIMES.items()
}
_UNSEEN: Final = ("DELETE FROM series WHERE seen < ?", "DELETE FROM resources WHERE seen < ?")
_FOREVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Bounds of the database."""

    days: float = 7.0
    """Age of the oldest record, by the record's own time."""
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
    horizon = now_ns - int(keep.days * 86_400e9)
    deleted = [_delete(database, table, horizon) for table in _TIMES]
    if max(deleted) < STEP_ROWS and used_bytes(database) > keep.max_bytes:
        deleted.append(_delete_oldest(database))
    if any(deleted):
        database.execute(f"PRAGMA incremental_vacuum({STEP_PAGES})").fetchall()
    # A day more, because records may arrive late and still name them.
    for statement in _UNSEEN:
        database.execute(statement, (horizon - 86_400_000_000_000,))
    return max(deleted) >= STEP_ROWS or (any(deleted) and used_bytes(database) > keep.max_bytes)


def _delete(database: sqlite3.Connection, table: str, before_ns: int) -> int:
    return database.execute(_DELETE[table], (before_ns, STEP_ROWS)).rowcount


def _delete_oldest(database: sqlite3.Connection) -> int:
    """Delete from the table whose oldest row is the oldest of all."""
    times = {table: database.execute(statement).fetchone()[0] for table, statement in _OLDEST.items()}
    filled = {table: time for table, time in times.items() if time is not None}
    return _delete(database, min(filled, key=filled.__getitem__), _FOREVER) if filled else 0
