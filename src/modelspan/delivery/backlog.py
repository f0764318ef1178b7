"""What waits to be sent: first in, first out, bounded in bytes, with markers of flushes among it."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from modelspan.delivery.otlp.pages import PAGE_BYTES
from modelspan.delivery.otlp.records import Records

REQUEST_BYTES: Final = PAGE_BYTES
"""About how much goes into one request."""
RAW_COST: Final = 2048
"""About what a record of the SDK holds in bytes until it is encoded."""


@dataclass(slots=True)
class Taken:
    """What goes into one request."""

    records: list[Records] = field(default_factory=list)
    raw: list[Any] = field(default_factory=list)
    """Spans or log records of the SDK, to be encoded."""
    markers: list[threading.Event] = field(default_factory=list)
    cost: int = 0

    def add(self, item: Any) -> None:
        """Sort one entry in."""
        if isinstance(item, Records):
            self.records.append(item)
        elif isinstance(item, threading.Event):
            self.markers.append(item)
        else:
            self.raw.append(item)
        self.cost += cost_of(item)


class Backlog:
    """A queue that many threads fill and one empties; what was taken counts as held until it is settled."""

    def __init__(self, capacity_bytes: int) -> None:
        self._items: deque[Any] = deque()
        self._capacity = capacity_bytes
        self._lock = threading.RLock()  # re-entrant: a signal handler may end a span
        self.held = 0
        """Bytes that wait or are being sent."""

    def put(self, item: Any) -> bool:
        """Append records or a record of the SDK; False when there is no room."""
        cost = cost_of(item)
        with self._lock:
            if self.held + cost > self._capacity:
                return False
            self.held += cost
            self._items.append(item)
        return True

    def mark(self) -> threading.Event:
        """Append a marker, past every bound; it is set once all before it is settled."""
        marker = threading.Event()
        self._items.append(marker)
        return marker

    def take(self, most: int = REQUEST_BYTES) -> Taken:
        """The oldest entries, about `most` bytes of them."""
        taken = Taken()
        while taken.cost < most:
            try:
                taken.add(self._items.popleft())
            except IndexError:  # empty, or emptied by a close meanwhile
                break
        return taken

    def settle(self, taken: Taken) -> None:
        """Give back the room of what was taken, and tell the flushes that waited for it."""
        with self._lock:
            self.held -= taken.cost
        for marker in taken.markers:
            marker.set()

    @property
    def half_full(self) -> bool:
        """Whether more than half of the room is used."""
        return self.held > self._capacity // 2

    def __len__(self) -> int:
        return len(self._items)


def cost_of(item: Any) -> int:
    """About the bytes that an entry holds."""
    if isinstance(item, Records):
        return len(item.body) if isinstance(item.body, bytes) else PAGE_BYTES
    return 0 if isinstance(item, threading.Event) else RAW_COST


def records_in(taken: Taken) -> int:
    """Records among the entries."""
    return sum(map(len, taken.records)) + len(taken.raw)
