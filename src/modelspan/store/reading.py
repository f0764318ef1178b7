"""What a reader of the store sees: every change of a row once, in commit order, and a place for its sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.outcome import Change


class Read(NamedTuple):
    """What a reader has taken in."""

    reader: str
    start: int
    end: int


class ChangeReader(Protocol):
    """Read changes, then save sums and position in one commit, so that each change counts exactly once.

    Several processes may do so under one name: of those that read from the same position one saves, the
    others are told and read again.
    """

    def changes(self, after: int, limit: int = 10_000) -> Sequence[Change]:
        """Changes past position `after` (0: from the start) in commit order, at most `limit`.

        No change with a position up to the last one returned will ever appear later.
        """

    def position(self, reader: str) -> int:
        """Up to where `reader` has saved; 0 at first."""

    def documents(self, kind: str) -> Mapping[str, str]:
        """Saved documents of one kind (aggregates, thresholds, alarms) by name."""

    def save(self, kind: str, documents: Mapping[str, str | None], read: Read | None = None) -> bool:
        """Write documents (None deletes one) and, with `read`, move a reader's position, in one commit.

        Returns:
            False, and nothing is written, if the reader is no longer at its start: another process was first.
        """
