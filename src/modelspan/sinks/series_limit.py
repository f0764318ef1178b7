"""Series beyond the limit of an instrument count as one; those that came first go on.

After https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits, as the SDK does for its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from modelspan import semconv

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Key = TypeVar("Key")
MAX_SERIES: Final = 2000
"""Attribute sets that the OpenTelemetry SDK keeps per instrument; it would lump together what is beyond."""
OVERFLOW: Final = {semconv.OVERFLOW: True}
"""The attributes of the one series for all that is beyond."""


def admitted(key: Key, known: Collection[Key | None]) -> Key | None:
    """The key under which to count, among those `known` so far; None: with all others that are beyond."""
    return key if key in known or len(known) < MAX_SERIES else None


class Room:
    """Which columns have series of an instrument, so many each: the first that come, and they keep them.

    The SDK never forgets an attribute set that it has seen, so a column that gave way would leave no room.
    """

    def __init__(self, each: int) -> None:
        self._left = MAX_SERIES // each

    def take(self, names: Sequence[str]) -> frozenset[str]:
        """Those of one more model's columns that have series, in the order in which they are given."""
        taken = frozenset(names[: self._left])
        self._left -= len(taken)
        return taken
