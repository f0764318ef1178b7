"""Acknowledged rows that SQLite no longer has and says nothing about: a cut or damaged write-ahead log."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from modelspan.store.head import Head, move_counts

if TYPE_CHECKING:
    from modelspan.store.sqlite_database import SqliteDatabase

logger = logging.getLogger("modelspan")


def note_lost_tail(database: SqliteDatabase) -> None:
    """Count rows that were acknowledged and are gone without a trace; inside `SqliteDatabase.alone`.

    Their numbers are not given again, so that no reader mistakes a new row for one that it has seen.
    """
    note, head = database.note.read(), Head(database)
    if note is None or (head.position >= note.position and head.orphan >= note.orphan):
        return
    database.run("BEGIN IMMEDIATE")
    lost = Counter(
        {"prediction": note.predictions - head.predictions, "outcome": note.outcomes - head.outcomes}
    )
    lost["outcome"] += note.orphans - head.orphans
    lost["number"] = max(note.position - head.position, 1)
    head.position, head.orphan = max(head.position, note.position), max(head.orphan, note.orphan)
    move_counts(database, loss_counts(lost))
    head.write(database)
    database.run("COMMIT")
    database.remember(head)
    logger.error("modelspan lost the end of %s; lost: %s", database.path, describe_loss(lost))


def loss_counts(lost: Counter[str]) -> Counter[tuple[int, str]]:
    """The loss as moves of the stored counts."""
    return Counter({(0, f"{name}.lost"): count for name, count in lost.items() if count > 0})


def describe_loss(lost: Counter[str]) -> str:
    """The loss for people."""
    return ", ".join(f"{count:,} {name}s" for name, count in lost.items() if count > 0) or "nothing"
