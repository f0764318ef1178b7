"""One signal on its way out by OTLP/HTTP: a queue bounded in bytes, and one thread that sends it.

The policy, which docs/reliability.md states for users:

- A full queue refuses what is newest, as the Collector's does; every loss is counted with its reason.
- What an endpoint cannot take now is tried again with growing, jittered pauses, for at most an hour; the
  pause that `Retry-After` asks for is kept, up to a minute. With a spool it is put on disk meanwhile.
- A request refused for its content or size is halved until the bad record is alone; it alone is dropped.
- At the end of the process the deadline rules; an endpoint that never took anything gets a last attempt.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from modelspan.delivery.attempts import Attempts
from modelspan.delivery.backlog import REQUEST_BYTES, Backlog
from modelspan.delivery.otlp.records import Parts, Records, count_of, merged
from modelspan.delivery.transfer import TakenAwayError, Transfer
from modelspan.guard import fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelspan.delivery.accounting import Ledger
    from modelspan.delivery.http import Post
    from modelspan.delivery.shelf import Shelf

CAPACITY_BYTES: Final = 8 * 1024 * 1024
GRACE_SECONDS: Final = 0.3
"""Left of the deadline of a close for breaking off what is being sent."""
EVERYTHING: Final = 2**62


class Sender:
    """Sends what is added from one daemon thread; never blocks the caller.

    Takes encoded `Records`, and spans or log records of the SDK, which the thread encodes. Among them wait
    markers of flushes: once one is reached, all that was added before is settled. The connection is
    made on the thread, when first needed, and anew in a forked child, because sockets must not be shared.
    """

    def __init__(
        self,
        signal: str,
        make_post: Callable[[], Post],
        ledger: Ledger,
        *,
        capacity_bytes: int = CAPACITY_BYTES,
        delay_seconds: float = 0.5,
        make_shelf: Callable[[Ledger], Shelf] | None = None,
    ) -> None:
        self.signal = signal
        self._make_post, self._make_shelf = make_post, make_shelf
        self._capacity = capacity_bytes
        self._delay = delay_seconds
        self._shelf: Shelf | None = None
        self.reset(ledger)

    def reset(self, ledger: Ledger) -> None:
        """Start empty, as in a new process: no thread, no socket, no file, no lock of the parent is kept."""
        self._ledger = ledger
        self._backlog = Backlog(self._capacity)
        self._attempts = Attempts(self.signal, self._make_post)
        self._transfer = Transfer(self.signal, ledger, self._attempts)
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        if self._shelf is not None:
            self._shelf.close()
        self._shelf = None

    def adopt(
        self,
        ledger: Ledger,
        make_post: Callable[[], Post],
        make_shelf: Callable[[Ledger], Shelf] | None = None,
    ) -> None:
        """Work for a new runtime: go on after a fork, start empty after a close."""
        self._make_post, self._make_shelf = make_post, make_shelf
        if self._closing or self._thread is None:
            self.reset(ledger)
        self._ledger = self._transfer.ledger = ledger

    @property
    def held_bytes(self) -> int:
        """Bytes that wait in memory, those of a request on its way too."""
        return self._backlog.held

    @property
    def crowded(self) -> bool:
        """Whether a producer that can wait should: half full, and the endpoint takes what it gets."""
        return self._backlog.half_full and not self._attempts.outage.lasting and not self._closing

    @property
    def _closing(self) -> bool:
        return self._attempts.end_at is not None

    def add(self, item: Any) -> None:
        """Queue records or one record of the SDK, or count them as dropped."""
        count = len(item) if isinstance(item, Records) else 1
        self._ledger.emit(self.signal, count)
        closed = self._closing
        if closed or not self._backlog.put(item):
            self._transfer.lose("shutdown" if closed else "queue_full", count)
            return
        if self._thread is None:
            self._start()
        if self._backlog.held >= REQUEST_BYTES and not self._wake.is_set():
            self._wake.set()

    def flush(self, deadline: float) -> bool:
        """Send what waits now; True only if the endpoint accepted all of it before `deadline` (monotonic)."""
        if self._thread is None:
            return True
        failures, settled = self._transfer.failures, self._backlog.mark()
        self._attempts.hurry.set()
        self._wake.set()
        return settled.wait(max(0.0, deadline - time.monotonic())) and self._transfer.failures == failures

    def close(self, deadline: float) -> bool:
        """Send what waits until `deadline`, then store or drop, and count, the rest."""
        self._attempts.end_at = deadline - GRACE_SECONDS
        clean = self.flush(self._attempts.end_at)
        self._attempts.abort()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(GRACE_SECONDS)  # it counts what it was sending, if it can
        hanging, left = self._transfer.take_away(), self._backlog.take(EVERYTHING)
        self._put_aside([*hanging, [*left.records, *self._encoded(left.raw)]], "exit_timeout")
        if self._shelf is not None:
            self._shelf.close()
        return clean

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, args=(self._backlog,), name=f"modelspan-{self.signal}", daemon=True
                )
                self._thread.start()

    def _run(self, backlog: Backlog) -> None:
        if self._make_shelf is not None:
            try:
                self._shelf = self._make_shelf(self._ledger)
            except OSError:
                fault("opening the spool; what cannot be sent stays in memory")
        while backlog is self._backlog and not (self._closing and not backlog):
            try:
                self._wake.wait(self._delay)
                self._wake.clear()
                self._send_waiting(backlog)
            except TakenAwayError:
                break
            except BaseException:
                fault(f"sending {self.signal}")
        self._attempts.close()

    def _send_waiting(self, backlog: Backlog) -> None:
        down = self._shelf is not None and not self._replayed(self._shelf)
        while backlog:
            taken = backlog.take()
            try:
                parts = merged([*taken.records, *self._encoded(taken.raw)])
                left = [parts] if down else self._transfer.deliver(parts, patient=self._shelf is None)
                down = down or bool(left)
                self._put_aside(left, "exit_timeout" if self._closing else "expired")
            finally:
                backlog.settle(taken)

    def _replayed(self, shelf: Shelf) -> bool:
        """Send what is on disk, the oldest first; False when the endpoint does not take it now."""
        while (records := shelf.oldest()) is not None:
            if not self._attempts.due:
                return False
            left = self._transfer.deliver([records], patient=False, on_disk=True)
            if left and sum(map(count_of, left)) == len(records):
                return False
            self._put_aside(left, "expired")
            shelf.settle()
        return True

    def _put_aside(self, groups: Sequence[Parts], reason: str) -> None:
        """Store what the endpoint does not take now, or drop it."""
        for records in (part for group in groups for part in group):
            self._transfer.failures += 1
            if self._shelf is None:
                self._ledger.drop(self.signal, reason, len(records))
            elif not self._shelf.put(records):
                self._ledger.drop(self.signal, "spool_full", len(records))

    def _encoded(self, raw: Sequence[Any]) -> Parts:
        """Records of the SDK as bytes."""
        if not raw:
            return []
        try:
            from modelspan.delivery.otlp import sdk  # noqa: PLC0415 - protobuf; `loading` has imported it

            parts, bad = sdk.encode(self.signal, raw)
        except Exception:
            fault(f"encoding {self.signal}")
            parts, bad = [], len(raw)
        self._transfer.lose("encoding", bad)
        return parts
