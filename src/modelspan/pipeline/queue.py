"""What waits for the worker: bounded, never blocking, every drop counted."""

from __future__ import annotations

import math
import threading
from collections import deque
from sys import getsizeof
from typing import TYPE_CHECKING, Any, Final

from modelspan.guard import guard

if TYPE_CHECKING:
    from modelspan.delivery.accounting import Ledger

CALL_BYTES: Final = 1024
"""What a call of one row is taken to hold until the first ones have been weighed."""
OWN_BYTES: Final = 256
"""About what a call holds besides its inputs."""
WEIGHED: Final = 32
"""Calls of a drain whose weight is looked at."""


class Queue:
    """A bounded first-in first-out queue; when full the newest item is dropped and counted.

    `put` takes no lock: `deque.append` is atomic, and the count of bytes is a soft bound that may miss an
    item when two threads race; each drain makes it anew from what still waits. Calls of one row are not
    weighed when they come but counted with `each`, the mean of those that were drained lately.
    """

    def __init__(self, limit_bytes: int, ledger: Ledger) -> None:
        self.wake = threading.Event()
        self._items: deque[Any] = deque()
        self.append = self._items.append
        """For the wrapper of plain functions, which has `put` written out."""
        self._arrived: deque[int] = deque()
        self._costs: deque[int] = deque()
        """Of what waits and is no call of one row, as far as the worker has seen it; `_own` is their sum."""
        self._own = 0
        self._limit = self.room = limit_bytes
        self.low: float = limit_bytes // 2
        """With less room than this, ask `has` whether an item fits."""
        self.each = CALL_BYTES
        self._ledger = ledger
        self.closed = False

    def put(self, item: Any, cost: int = 0, signal: str = "predictions") -> None:
        """Append `item`, or count it as a dropped record of `signal`.

        `cost` is about how many bytes it holds; 0 for a call of one row.
        """
        room = self.room - (cost or self.each)
        if room < self.low and not self.has(room, signal):
            return
        self.room = room
        if cost:
            self._arrived.append(cost)  # before the item, so that who takes that finds it
        self._items.append(item)

    def has(self, room: int, signal: str = "predictions") -> bool:
        """Whether an item still fits when it leaves `room`; past half, the worker is woken."""
        if self.closed or room < 0:
            self._ledger.lose(signal, "shutdown" if self.closed else "queue_full")
            return False
        if not self.wake.is_set():
            self.wake.set()
        return True

    def close(self) -> None:
        """Take in no more."""
        self.closed, self.low = True, math.inf

    def put_marker(self, marker: threading.Event) -> None:
        """Append a marker past every bound; the worker sets it when all before it is done."""
        self._items.append(marker)
        self.wake.set()

    def drain(self, most: int) -> list[Any]:
        """Up to `most` items, oldest first."""
        take = self._items.popleft
        items = [take() for _ in range(min(most, len(self._items)))]
        with guard("weighing calls"):
            self._weigh(items[:: max(1, len(items) // WEIGHED)])
            self._count(items)
        return items

    def _count(self, taken: list[Any]) -> None:
        """Make the room anew: what was taken away bit by bit may have been by another mean, or twice."""
        for _ in range(len(self._arrived)):
            cost = self._arrived.popleft()
            self._costs.append(cost)
            self._own += cost
        for _ in range(sum(map(_has_cost, taken)) if self._costs else 0):
            self._own -= self._costs.popleft()
        self.room = self._limit - self._own - self.each * max(0, len(self._items) - len(self._costs))

    def _weigh(self, items: list[Any]) -> None:
        weights = [_weigh(item) for item in items if getattr(item, "cost", 1) == 0]
        if weights:
            mean = sum(weights) // len(weights)
            self.each = max(mean, (3 * self.each + mean) // 4)  # rises at once, falls slowly

    @property
    def half_full(self) -> bool:
        """Whether more than half of the room is used."""
        return self.room < self._limit // 2

    def __len__(self) -> int:
        return len(self._items)


def _has_cost(item: Any) -> bool:
    """Whether it was put with a cost of its own."""
    return type(item) is not threading.Event and getattr(item, "cost", 1) > 0


def _weigh(call: Any) -> int:
    """About how many bytes a call of one row holds: keys, texts and large integers by their true size."""
    held = call.row if call.features is None else call.features.payload
    if type(held) is dict:
        cells = [*(key for key in held if type(key) is str), *held.values()]
    else:
        cells = held if type(held) in (list, tuple) else []
    return OWN_BYTES + getsizeof(held) + sum(map(getsizeof, cells))
