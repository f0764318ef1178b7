"""How long the outcome store keeps what: a promised window, and a size beyond which settled rows go first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from modelspan.store.head import Head, move_counts
from modelspan.store.outcomes import READER
from modelspan.store.rows import unsealed
from modelspan.store.tables import select

if TYPE_CHECKING:
    from modelspan.store.database import Database
    from modelspan.store.outcomes import OutcomeStore

CHUNK: Final = 2000
"""Rows deleted in one transaction, so that other writers wait for milliseconds."""
DAY_NS: Final = 86_400 * 10**9
Moves = Counter[tuple[int, str]]
_ORPHAN: Final = (0, "outcome.orphan")


def sweep(store: OutcomeStore, now_ns: int, window_days: float, max_bytes: int) -> int:
    """Let go of what is older than the window, then of settled rows while the store is too large.

    A prediction without outcome is kept for the whole window, whatever the size: beyond it `store.full` is
    set and new predictions are refused.

    Returns:
        Rows that are gone.
    """
    horizon_ns = now_ns - int(window_days * DAY_NS)
    store.commit([], [], now_ns)  # time passes also while nothing is stored
    gone = 0
    while moves := store.move(lambda database: _expire(database, horizon_ns)):
        gone += sum(count for count in moves.values() if count > 0)
    while store.size() > max_bytes and (moves := store.move(_evict)):
        gone += sum(count for count in moves.values() if count > 0)
    store.full = store.size() > max_bytes
    return gone


def _expire(database: Database, horizon_ns: int) -> Moves:
    """Delete the first rows that were stored before the horizon."""
    found = database.rows(select("ticks", "WHERE stored_ns <= ? ORDER BY id DESC LIMIT 1"), (horizon_ns,))
    if not found:
        return Counter()
    number, position, orphan, _ = unsealed("ticks", found[0])
    database.run("DELETE FROM ticks WHERE id < ?", (number,))
    rows = database.rows(select("predictions", "WHERE id < ? ORDER BY id LIMIT ?"), (position, CHUNK))
    moves: Moves = Counter()
    settled = _delete(database, [unsealed("predictions", row) for row in rows], moves)
    moves.update((model, "prediction.forgotten") for _, model in settled)
    lone = database.rows("SELECT id FROM orphans WHERE id < ? ORDER BY id LIMIT ?", (orphan, CHUNK))
    _delete_orphans(database, [row[0] for row in lone], moves)
    move_counts(database, moves)
    return moves


def _evict(database: Database) -> Moves:
    """Delete the oldest settled rows that every reader has seen."""
    seen = [int(unsealed("documents", row)[2]) for row in
            database.rows(select("documents", "WHERE kind = ?"), (READER,))]  # fmt: skip
    top = min(seen) if seen else Head(database).position
    oldest = (
        "WHERE id IN (SELECT prediction FROM outcomes GROUP BY prediction HAVING max(id) <= ? "
        "ORDER BY prediction LIMIT ?)"
    )
    rows = database.rows(select("predictions", oldest), (top, CHUNK))
    moves: Moves = Counter()
    settled = _delete(database, [unsealed("predictions", row) for row in rows], moves)
    moves.update((model, "prediction.evicted") for _, model in settled)
    move_counts(database, moves)
    return moves


def _delete(database: Database, cells: list[tuple[Any, ...]], moves: Moves) -> list[tuple[int, int]]:
    """Delete predictions and what hangs on them; number and model of those that had an outcome."""
    numbers = [each[0] for each in cells]
    if not numbers:
        return []
    told = "SELECT DISTINCT prediction FROM outcomes WHERE prediction IN ?* AND stale = 0"
    joined = {row[0] for row in database.rows(told, (numbers,))}
    for each in cells:
        if each[0] not in joined:
            moves[each[4], "prediction.pending"] -= 1
            moves[each[4], "prediction.expired"] += 1
    head = Head(database)
    head.outcomes -= database.run("DELETE FROM outcomes WHERE prediction IN ?*", (numbers,))
    database.run("DELETE FROM keys WHERE prediction IN ?*", (numbers,))
    head.predictions -= database.run("DELETE FROM predictions WHERE id IN ?*", (numbers,))
    head.write(database)
    return [(each[0], each[4]) for each in cells if each[0] in joined]


def _delete_orphans(database: Database, numbers: list[int], moves: Moves) -> None:
    if not numbers:
        return
    head = Head(database)
    head.orphans -= database.run("DELETE FROM orphans WHERE id IN ?*", (numbers,))
    head.write(database)
    moves[_ORPHAN] -= len(numbers)
    moves[0, "outcome.expired"] += len(numbers)
