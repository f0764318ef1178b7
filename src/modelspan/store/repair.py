"""What is done about a damaged SQLite file: find out, save the good rows into a new file, count the loss."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from modelspan.store.head import Head, move_counts
from modelspan.store.lost_tail import describe_loss, loss_counts
from modelspan.store.rows import DamagedError, sealed, unsealed
from modelspan.store.sqlite_database import file_of
from modelspan.store.tables import COLUMNS, insert, select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelspan.store.database import Database
    from modelspan.store.head_file import Note
    from modelspan.store.sqlite_database import SqliteDatabase

logger = logging.getLogger("modelspan")

_CHUNK: Final = 500
_SMALL: Final = 10_000
"""Rows past the last good one that are tried in a table whose length is not known."""
_NUMBERED: Final = ("models", "predictions", "keys", "outcomes", "orphans", "ticks")
_NAMED: Final = ("counts", "documents")


def check(database: Database) -> dict[str, int]:
    """Read everything; how many rows each table holds.

    Raises:
        DamagedError: If a row is not what was written, is missing, or cannot be found by its index.
    """
    with database.reading():
        if said := database.complaints():
            raise DamagedError("; ".join(said))
        found = {}
        for table in (*_NUMBERED, *_NAMED, "head"):
            rows = database.rows(select(table))
            found[table] = len(rows)
            for row in rows:
                unsealed(table, row)
        head = Head(database)
    for table in ("predictions", "outcomes", "orphans"):
        if found[table] != getattr(head, table):
            raise DamagedError(f"{table} holds {found[table]} rows instead of {getattr(head, table)}")
    return found


def repair(database: SqliteDatabase, why: str) -> None:
    """Leave the damaged file where it is and go on in a new one with every row that is whole."""
    with database.alone():
        note = database.note.read()
        if note is not None and note.generation != database.generation:
            database.connect(note.generation, create=True)  # another process has done it
            return
        damaged = database.generation
        _remove(database, damaged + 1)  # what an earlier attempt may have left
        database.connect(damaged + 1, create=True)
        lost = _save(database, damaged, note)
        database.remember(Head(database))
    logger.error(
        "modelspan found %s damaged (%s); it stays there, a new file goes on with the whole rows; lost: %s",
        file_of(database.folder, damaged), why, lost,
    )  # fmt: skip


def _save(database: SqliteDatabase, damaged: int, note: Note | None) -> str:
    """Copy the whole rows of generation `damaged`; what was lost."""
    database.run("BEGIN IMMEDIATE")
    saved = _copy(database, damaged, note)
    database.run("DELETE FROM outcomes WHERE prediction NOT IN (SELECT id FROM predictions)")
    database.run("DELETE FROM keys WHERE prediction NOT IN (SELECT id FROM predictions)")
    head = Head(database)
    for table in ("predictions", "outcomes", "orphans"):
        setattr(head, table, database.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - names of ours
    tops = [_top(database, table) for table in ("predictions", "outcomes")]
    head.position = max(*tops, note.position if note else 0, saved["position"])
    head.orphan = max(_top(database, "orphans"), note.orphan if note else 0, saved["orphan"])
    lost: Counter[str] = Counter()
    if note is not None:
        lost["prediction"] = max(0, note.predictions - head.predictions)
        lost["outcome"] = max(0, note.outcomes - head.outcomes) + max(0, note.orphans - head.orphans)
    lost["row"] = saved["bad"]
    _count_again(database)
    move_counts(database, loss_counts(lost))
    head.write(database)
    database.run("COMMIT")
    return describe_loss(lost)


def _top(database: Database, table: str) -> int:
    return int(database.rows(f"SELECT coalesce(max(id), 0) FROM {table}")[0][0])  # noqa: S608 - names of ours


def _copy(database: SqliteDatabase, damaged: int, note: Note | None) -> Counter[str]:
    """Every whole row; `bad` counts the others, the rest is how far the old head had come."""
    saved: Counter[str] = Counter()
    source = sqlite3.connect(f"{file_of(database.folder, damaged).resolve().as_uri()}?mode=ro", uri=True)
    try:
        for table in (*_NUMBERED, *_NAMED, "head"):
            top = max(note.position, note.orphan) if note is not None and table in _NUMBERED else 0
            good = []
            for row in _scan(source, table, top):
                try:
                    cells = unsealed(table, row)
                except DamagedError:
                    saved["bad"] += 1
                    continue
                if table == "head":
                    saved["position"], saved["orphan"] = cells[1], cells[2]
                else:
                    good.append(row)
            database.many(insert(table).replace("INSERT", "INSERT OR IGNORE", 1), good)
    finally:
        source.close()
    return saved


def _scan(source: sqlite3.Connection, table: str, top: int) -> Iterator[tuple[Any, ...]]:
    """Rows in order, past what cannot be read."""
    statement = f"SELECT rowid, {COLUMNS[table]} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608 - names of ours
    last, limit, failed = 0, _CHUNK, 0
    while True:
        try:
            rows = source.execute(statement, (last, limit)).fetchall()
        except (sqlite3.Error, OverflowError):
            if limit > 1:
                limit = 1
                continue
            last, failed = last + 1, failed + 1
            if last > top and failed > _SMALL:
                return
            continue
        if not rows:
            return
        yield from (row[1:] for row in rows)
        last, limit, failed = rows[-1][0], min(2 * limit, _CHUNK), 0


def _count_again(database: SqliteDatabase) -> None:
    """Counts of what rows can tell; the others are taken as they were found."""
    joined = "SELECT prediction FROM outcomes WHERE stale = 0"
    pending = f"SELECT model, count(*) FROM predictions WHERE id NOT IN ({joined}) GROUP BY model"  # noqa: S608 - see above
    wanted = {(model, "prediction.pending"): n for model, n in database.rows(pending)}
    wanted[0, "outcome.orphan"] = database.rows("SELECT count(*) FROM orphans")[0][0]
    database.run("DELETE FROM counts WHERE name IN ('prediction.pending', 'outcome.orphan')")
    database.many(insert("counts"), [sealed("counts", (*key, n)) for key, n in wanted.items()])


def _remove(database: SqliteDatabase, generation: int) -> None:
    path = file_of(database.folder, generation)
    for name in ("", "-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
