"""What a reader of the store sees: every change of a row once, in commit order, and a place for its sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.outcome import Change


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

    def save(
        self,
        kind: str,
        documents: Mapping[str, str | None],
        *,
        reader: str = "",
        read_from: int = 0,
        read_to: int = 0,
    ) -> bool:
        """Write documents (None deletes one) and, with `reader`, move its position, in one commit.

        Returns:
            False, and nothing is written, if `reader` is no longer at `read_from`: another process was first.
        """
