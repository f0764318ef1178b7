"""What waits for the worker: bounded, never blocking, every drop counted."""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelspan.delivery.accounting import Ledger


class Queue:
    """A bounded first-in first-out queue; when full the newest item is dropped and counted.

    `put` takes no lock: `deque.append` is atomic, and the count of bytes is a soft bound that may miss an
    item when two threads race; it is set right whenever the worker has emptied the queue.
    """

    def __init__(self, limit_bytes: int, ledger: Ledger) -> None:
        self.wake = threading.Event()
        self._items: deque[Any] = deque()
        self._limit = self._room = limit_bytes
        self._low: float = limit_bytes // 2
        self._ledger = ledger
        self.closed = False

    def put(self, item: Any, cost: int, signal: str = "predictions") -> None:
        """Append `item`, which holds about `cost` bytes, or count it as a dropped record of `signal`."""
        room = self._room - cost
        if room < self._low and not self._has(room, signal):
            return
        self._room = room
        self._items.append(item)

    def _has(self, room: int, signal: str) -> bool:
        """Whether an item still fits when it leaves `room`; past half, the worker is woken."""
        if self.closed or room < 0:
            self._ledger.lose(signal, "shutdown" if self.closed else "queue_full")
            return False
        if not self.wake.is_set():
            self.wake.set()
        return True

    def close(self) -> None:
        """Take in no more."""
        self.closed, self._low = True, math.inf

    def put_marker(self, marker: threading.Event) -> None:
        """Append a marker past every bound; the worker sets it when all before it is done."""
        self._items.append(marker)
        self.wake.set()

    def drain(self, most: int) -> list[Any]:
        """Up to `most` items, oldest first."""
        take = self._items.popleft
        items = [take() for _ in range(min(most, len(self._items)))]
        if self._items:
            self._room = min(self._limit, self._room + sum([getattr(item, "cost", 0) for item in items]))
        else:
            self._room = self._limit
        return items

    @property
    def half_full(self) -> bool:
        """Whether more than half of the room is used."""
        return self._room < self._limit // 2

    def __len__(self) -> int:
        return len(self._items)
