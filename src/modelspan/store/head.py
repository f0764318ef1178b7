"""How far the store has come: the numbers of its rows, and how many entered which state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan.store.rows import DamagedError, sealed, unsealed
from modelspan.store.tables import select, upsert

if TYPE_CHECKING:
    from collections import Counter

    from modelspan.store.database import Database


class Head:
    """The one row that says how far the store has come and how many rows it holds."""

    def __init__(self, database: Database) -> None:
        found = database.rows(select("head"))
        if not found:
            raise DamagedError("the head of the store is missing")
        cells = unsealed("head", found[0])
        self.position: int
        self.orphan: int
        _, self.position, self.orphan, self.predictions, self.outcomes, self.orphans = cells

    @property
    def cells(self) -> tuple[int, ...]:
        """The row without its hash."""
        return 1, self.position, self.orphan, self.predictions, self.outcomes, self.orphans

    def add(self, table: str, count: int) -> None:
        """Move the count of a table's rows, of those that are counted."""
        if table in ("predictions", "outcomes", "orphans"):
            setattr(self, table, getattr(self, table) + count)

    def step(self, database: Database) -> None:
        """Use up a number for a commit without new rows, so that the loss of this one is noticed too."""
        self.position += 1
        self.write(database)

    def write(self, database: Database) -> None:
        """Store it."""
        database.many(upsert("head", "id"), [sealed("head", self.cells)])


def move_counts(database: Database, moves: Counter[tuple[int, str]]) -> None:
    """Add `moves` to the stored counts."""
    if moves:
        models = sorted({model for model, _ in moves})
        found = database.rows(select("counts", "WHERE model IN ?*"), (models,))
        before = {(model, name): n for model, name, n in (unsealed("counts", row) for row in found)}
        rows = [sealed("counts", (*key, before.get(key, 0) + by)) for key, by in moves.items() if by]
        database.many(upsert("counts", "model, name"), rows)
