"""One signal on its way out by OTLP/HTTP: a queue bounded in bytes, and one thread that sends it.

The policy, which docs/reliability.md states for users:

- A full queue refuses what is newest, as the Collector's does; every loss is counted with its reason.
- What an endpoint cannot take now is tried again with growing, jittered pauses, for at most an hour; the
  pause that `Retry-After` asks for is kept, up to a minute.
- A request refused for its content or size is halved until the bad record is alone; it alone is dropped.
- At the end of the process the deadline rules; an endpoint that never took anything gets one last attempt.
"""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from modelspan.delivery.backlog import REQUEST_BYTES, Backlog, records_in
from modelspan.delivery.otlp.records import Records, merged, request
from modelspan.delivery.quiet import Outage
from modelspan.delivery.verdict import Verdict, judge
from modelspan.guard import fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelspan.delivery.accounting import Ledger
    from modelspan.delivery.http import Post

CAPACITY_BYTES: Final = 8 * 1024 * 1024
AGE_SECONDS: Final = 3600.0
PAUSE_SECONDS: Final = (0.25, 15.0)
"""The first pause before another attempt, and the longest."""
GRACE_SECONDS: Final = 0.3
"""Left of the deadline of a close for breaking off what is being sent."""
EVERYTHING: Final = 2**62
Parts = list[Records]


class Sender:
    """Sends what is added from one daemon thread; never blocks the caller.

    Takes encoded `Records`, and spans or log records of the SDK, which the thread encodes. Among them wait
    markers of flushes: once one is reached, all that was added before is settled. Connection and imports are
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
    ) -> None:
        self.signal = signal
        self._make_post = make_post
        self._capacity = capacity_bytes
        self._delay = delay_seconds
        self.reset(ledger)

    def reset(self, ledger: Ledger) -> None:
        """Start empty, as in a new process: no thread, no socket, no lock of the parent is kept."""
        self._ledger = ledger
        self.outage = Outage(self.signal)
        self._backlog = Backlog(self._capacity)
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._closing_at: float | None = None
        self._failures = 0
        self._ever_accepted = False
        self._post: Post | None = None
        self._thread: threading.Thread | None = None
        self.imports = threading.Lock()
        """Held while the thread imports modules; see `Runtime.pause`."""

    def adopt(self, ledger: Ledger, make_post: Callable[[], Post]) -> None:
        """Work for a new runtime: go on after a fork, start empty after a close."""
        if self._closing_at is not None:
            self.reset(ledger)
        self._ledger, self._make_post = ledger, make_post

    @property
    def held_bytes(self) -> int:
        """Bytes that wait, those of a request on its way too."""
        return self._backlog.held

    @property
    def crowded(self) -> bool:
        """Whether a producer that can wait should: half full, and the endpoint takes what it gets."""
        return self._backlog.half_full and not self.outage.lasting and self._closing_at is None

    def add(self, item: Any) -> None:
        """Queue records or one record of the SDK, or count them as dropped."""
        count = len(item) if isinstance(item, Records) else 1
        self._ledger.emit(self.signal, count)
        closed = self._closing_at is not None
        if closed or not self._backlog.put(item):
            self._lose("shutdown" if closed else "queue_full", count)
            return
        if self._thread is None:
            self._start()
        if self._backlog.held >= REQUEST_BYTES and not self._wake.is_set():
            self._wake.set()

    def flush(self, deadline: float) -> bool:
        """Send what waits now; True only if the endpoint accepted all of it before `deadline` (monotonic)."""
        if self._thread is None:
            return True
        failures, settled = self._failures, self._backlog.mark()
        self._wake.set()
        self._hurry.set()
        return settled.wait(max(0.0, deadline - time.monotonic())) and self._failures == failures

    def close(self, deadline: float) -> bool:
        """Send what waits until `deadline`, then drop and count the rest."""
        self._closing_at = deadline - GRACE_SECONDS
        clean = self.flush(self._closing_at)
        if self._post is not None:
            self._post.abort()
        self._wake.set()
        self._hurry.set()
        self._lose("exit_timeout", records_in(self._backlog.take(EVERYTHING)))
        if self._thread is not None:
            self._thread.join(GRACE_SECONDS)  # it counts what it was sending
        return clean

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, args=(self._backlog,), name=f"modelspan-{self.signal}", daemon=True
                )
                self._thread.start()

    def _run(self, backlog: Backlog) -> None:
        while backlog is self._backlog and not (self._closing_at is not None and not backlog):
            try:
                self._wake.wait(self._delay)
                self._wake.clear()
                self._send_waiting(backlog)
            except BaseException:
                fault(f"sending {self.signal}")
        if self._post is not None:
            self._post.close()

    def _send_waiting(self, backlog: Backlog) -> None:
        while backlog:
            taken = backlog.take()
            try:
                self._deliver(merged([*taken.records, *self._encoded(taken.raw)]))
            finally:
                backlog.settle(taken)

    def _encoded(self, raw: Sequence[Any]) -> Parts:
        """Records of the SDK as bytes."""
        if not raw:
            return []
        try:
            with self.imports:
                from modelspan.delivery.otlp import sdk  # noqa: PLC0415 - protobuf; not on a caller's thread
            parts, bad = sdk.encode(self.signal, raw)
        except Exception:
            fault(f"encoding {self.signal}")
            parts, bad = [], len(raw)
        self._lose("encoding", bad)
        return parts

    def _deliver(self, parts: Parts) -> None:
        """Send until each record is accepted or dropped."""
        pending = [parts] if parts else []
        try:
            while pending:
                if self._sent(pending[-1]):
                    pending.pop()
                elif _count(pending[-1]) > 1:
                    pending.extend(reversed(_split(pending.pop())))
                else:
                    pending.pop()
                    self._lose("rejected", 1)
        except BaseException:
            self._lose("fault", sum(map(_count, pending)))
            raise

    def _sent(self, group: Parts) -> bool:
        """Send one request; False when the endpoint refuses it for what is in it."""
        body, count = request(group), _count(group)
        give_up_at, pause = time.monotonic() + AGE_SECONDS, PAUSE_SECONDS[0]
        while True:
            verdict = self._attempt(body)
            if verdict.accepted:
                rejected = min(count, verdict.rejected)
                self._ledger.deliver(self.signal, count - rejected)
                self._lose("partial", rejected)
                return True
            if verdict.refused:
                return False
            jittered = pause * (0.5 + secrets.randbits(16) / 2**16)
            if not self._wait(max(verdict.wait, jittered), give_up_at):
                self._lose("expired" if self._closing_at is None else "exit_timeout", count)
                return True
            pause = min(PAUSE_SECONDS[1], pause * 2)

    def _attempt(self, body: bytes) -> Verdict:
        with self.imports:
            self._post = self._post or self._make_post()
        self._hurry.clear()
        closing = self._closing_at
        seconds = AGE_SECONDS if closing is None else closing - time.monotonic()
        if seconds <= 0:
            return Verdict(reason="the process ends")
        verdict = judge(self._post.send(body, seconds))
        self._ever_accepted = self._ever_accepted or verdict.accepted
        if verdict.accepted or self._closing_at is None:  # at the end, one line says what was lost
            self.outage.note(accepted=verdict.accepted or verdict.refused, reason=verdict.reason)
        return verdict

    def _wait(self, seconds: float, give_up_at: float) -> bool:
        """Pause before another attempt; False when there will be none. A flush cuts the pause short."""
        if self._closing_at is None:
            self._hurry.wait(seconds)
        closing = self._closing_at
        if closing is None:
            return time.monotonic() < give_up_at
        if self._ever_accepted and time.monotonic() + seconds < closing:
            time.sleep(seconds)
            return True
        return False

    def _lose(self, reason: str, count: int) -> None:
        if count:
            self._failures += 1
            self._ledger.drop(self.signal, reason, count)


def _count(group: Parts) -> int:
    return sum(map(len, group))


def _split(group: Parts) -> list[Parts]:
    if len(group) > 1:
        return [group[: len(group) // 2], group[len(group) // 2 :]]
    return [[half] for half in group[0].halves()]
