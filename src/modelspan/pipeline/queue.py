"""What waits for the worker: bounded, never blocking, every drop counted."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelspan.delivery.accounting import Ledger

MAX_ITEMS = 100_000


class Queue:
    """A bounded first-in first-out queue; when full the newest item is dropped and counted.

    `put` takes no lock: `deque.append` is atomic, and the count of bytes is a soft bound that may miss an
    increment when two threads race. The bound on items is hard. The worker sets the byte count anew.
    """

    def __init__(self, limit_bytes: int, ledger: Ledger) -> None:
        self.wake = threading.Event()
        self._items: deque[Any] = deque()
        self._bytes = 0
        self._limit = limit_bytes
        self._ledger = ledger
        self.closed = False

    def put(self, item: Any, cost: int) -> None:
        """Append `item`, which holds about `cost` bytes, or count it as dropped."""
        if self.closed:
            self._ledger.drop("predictions", "shutdown")
            return
        held = self._bytes + cost
        if held > self._limit or len(self._items) >= MAX_ITEMS:
            self._ledger.drop("predictions", "queue_full")
            return
        self._bytes = held
        self._items.append(item)
        if held > self._limit // 2 and not self.wake.is_set():
            self.wake.set()

    def put_marker(self, marker: threading.Event) -> None:
        """Append a marker past every bound; the worker sets it when all before it is done."""
        self._items.append(marker)
        self.wake.set()

    def drain(self, most: int) -> list[Any]:
        """Up to `most` items, oldest first."""
        items = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        if not self._items:
            self._bytes = 0
        else:
            self._bytes -= sum(getattr(item, "cost", 0) for item in items)
        return items

    def __len__(self) -> int:
        return len(self._items)
