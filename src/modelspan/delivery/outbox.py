"""One signal on its way out: a bounded buffer and one thread that sends batches.

The SDK's batch processors ignore the timeout of a flush, hold the exit for 30 s a signal and tell nobody
what they lost (open-telemetry/opentelemetry-python#4555, #4568); hence this one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from modelspan.delivery.quiet import Outage, sending
from modelspan.delivery.sizes import BATCH_BYTES, wire_bytes
from modelspan.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelspan.delivery.accounting import Ledger


GRACE_SECONDS = 0.3
"""Left of the deadline of a close for breaking off the batch that is being sent."""


class Exporter(Protocol):
    """What the OpenTelemetry exporters of spans and logs have in common."""

    def export(self, batch: Sequence[Any], /) -> Any:
        """Send a batch and block until it is accepted or given up."""

    def shutdown(self) -> None:
        """Stop; break off a retry that is waiting."""


class Box(Protocol):
    """Takes records of one signal and promises to send them, or to count them as dropped."""

    def add(self, item: Any, /) -> None:
        """Queue one entry."""

    def flush(self, deadline: float, /) -> bool:
        """Send what waits; True only if all of it was accepted before `deadline` (monotonic)."""


class Outbox:
    """Sends what is added, in batches, from one daemon thread; never blocks the caller.

    Among the records wait markers of flushes: once one is reached, all that was added before has been sent.
    When `capacity` records wait, further ones are dropped and counted. The exporter is made on the thread,
    when first needed, because importing and connecting takes too long for a caller's thread, and anew in
    a forked child, because sockets must not be shared.
    """

    def __init__(
        self,
        signal: str,
        make_exporter: Callable[[], Exporter],
        ledger: Ledger,
        *,
        capacity: int = 16_384,
        batch: int = 512,
        delay_seconds: float = 0.5,
    ) -> None:
        self.signal = signal
        self._make_exporter = make_exporter
        self._capacity = capacity
        self._batch = batch
        self._delay = delay_seconds
        self.reset(ledger)

    def reset(self, ledger: Ledger) -> None:
        """Start empty, as in a new process: no thread, no socket, no lock of the parent is kept."""
        self._ledger = ledger
        self.outage = Outage(self.signal)
        self._items: deque[Any] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._failures = 0
        self._exporter: Exporter | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def adopt(self, ledger: Ledger, make_exporter: Callable[[], Exporter]) -> None:
        """Work for a new runtime: go on after a fork, start empty after a close."""
        if self._closing:
            self.reset(ledger)
        self._ledger, self._make_exporter = ledger, make_exporter

    @property
    def backlog(self) -> int:
        """Records that wait."""
        return len(self._items)

    @property
    def crowded(self) -> bool:
        """Whether a producer that can wait should: half full, and the endpoint takes what it gets."""
        return len(self._items) > self._capacity // 2 and not self.outage.lasting and not self._closing

    def add(self, item: Any) -> None:
        """Queue one record, or count it as dropped."""
        self._ledger.emit(self.signal)
        if self._closing or len(self._items) >= self._capacity:
            self._ledger.drop(self.signal, "shutdown" if self._closing else "queue_full")
            return
        self._items.append(item)
        if self._thread is None:
            self._start()
        if len(self._items) >= self._batch and not self._wake.is_set():
            self._wake.set()

    def flush(self, deadline: float) -> bool:
        """Send what waits now; True only if the endpoint accepted all of it before `deadline` (monotonic)."""
        if self._thread is None:
            return True
        failures, sent = self._failures, threading.Event()
        self._items.append(sent)
        self._wake.set()
        return sent.wait(max(0.0, deadline - time.monotonic())) and self._failures == failures

    def close(self, deadline: float) -> bool:
        """Send what waits until `deadline`, then drop and count the rest."""
        self._closing = True
        clean = self.flush(deadline - GRACE_SECONDS)
        if self._exporter is not None:
            with guard(f"closing the exporter of {self.signal}"):
                self._exporter.shutdown()
        self._wake.set()
        left = 0
        with suppress(IndexError):  # the thread takes, too
            while True:
                left += not isinstance(self._items.popleft(), threading.Event)
        self._ledger.drop(self.signal, "exit_timeout", left)
        if self._thread is not None:
            self._thread.join(GRACE_SECONDS)  # it counts the batch that it is sending
        return clean

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, args=(self._items,), name=f"modelspan-{self.signal}", daemon=True
                )
                self._thread.start()

    def _run(self, items: deque[Any]) -> None:
        while items is self._items and not (self._closing and not items):  # a reset ends the thread before it
            self._wake.wait(self._delay)
            self._wake.clear()
            self._send_waiting()

    def _send_waiting(self) -> None:
        while self._items:
            taken = self._taken()
            batch = [item for item in taken if not isinstance(item, threading.Event)]
            if batch:
                self._send(batch)
            for item in taken:
                if isinstance(item, threading.Event):
                    item.set()

    def _taken(self) -> list[Any]:
        """The oldest entries, up to a batch of them; the deque may be emptied by the other thread meanwhile.

        One that alone is larger than `BATCH_BYTES` comes alone, so that it spoils no neighbour.
        """
        taken: list[Any] = []
        size = 0
        with suppress(IndexError):
            while len(taken) < self._batch:
                size += wire_bytes(self._items[0])
                if taken and size > BATCH_BYTES:
                    break
                taken.append(self._items.popleft())
        return taken

    def _send(self, batch: list[Any]) -> None:
        accepted = False
        with guard(f"sending {self.signal}"), sending():
            self._exporter = self._exporter or self._make_exporter()
            accepted = getattr(self._exporter.export(batch), "name", "") == "SUCCESS"
        if accepted or not self._closing:  # at the end, one line says what was lost
            self.outage.note(accepted=accepted)
        if accepted:
            self._ledger.deliver(self.signal, len(batch))
        else:
            self._failures += 1
            reason = "exit_timeout" if self._closing else "export_failed"
            self._ledger.drop(self.signal, reason, len(batch))
