"""The little that the outcome store asks of a database; SQLite and PostgreSQL give it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

Row = tuple[Any, ...]


class UnavailableError(Exception):
    """The database cannot be written or read now: full disk, lock, lost server; try again later."""


class Database(Protocol):
    """Statements with `?` for a value and `IN ?*` for a list of whole numbers.

    Every method raises `UnavailableError` for what may pass and `DamagedError` for what will not.
    """

    def writing(self) -> AbstractContextManager[None]:
        """A transaction that no other writer shares: committed at its end, undone by an exception.

        What it commits survives the process, and a loss of power.
        """

    def reading(self) -> AbstractContextManager[None]:
        """A transaction whose queries all see one moment."""

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Execute a statement; how many rows it changed."""

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a statement for each of `rows`."""

    def complaints(self) -> list[str]:
        """What the database's own check finds wrong."""

    def size(self) -> int:
        """Bytes that the stored rows take."""

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
