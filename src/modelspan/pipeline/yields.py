"""What a generator has yielded, as a bounded sample."""

from __future__ import annotations

from modelspan.capture import capture
from modelspan.snapshot import ATOMS, MAX_COLUMNS, Snapshot


class Yields:
    """Counts the items; keeps the first scalar ones."""

    __slots__ = ("_count", "_sample")

    def __init__(self) -> None:
        self._count = 0
        self._sample: list[object] = []

    def add(self, item: object) -> None:
        """Note one item."""
        self._count += 1
        if len(self._sample) < MAX_COLUMNS:
            self._sample.append(item if type(item) in ATOMS else capture(item, 1).payload)

    def snapshot(self) -> Snapshot:
        """The items as one vector; opaque when one of them was no scalar."""
        if ATOMS.issuperset(map(type, self._sample)):
            return Snapshot("vector", self._sample, self._count)
        return Snapshot("opaque", "generator", self._count)
