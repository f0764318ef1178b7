"""Sending some records until each is accepted, dropped, or to be put aside; each is counted once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from modelspan.delivery.attempts import AGE_SECONDS
from modelspan.delivery.otlp.records import count_of, request, split

if TYPE_CHECKING:
    from modelspan.delivery.accounting import Ledger
    from modelspan.delivery.attempts import Attempts
    from modelspan.delivery.otlp.records import Parts
    from modelspan.delivery.verdict import Verdict


class TakenAwayError(Exception):
    """What was being sent has been counted by somebody else meanwhile."""


class Transfer:
    """Used by the thread of a sender, but for `take_away`."""

    def __init__(self, signal: str, ledger: Ledger, attempts: Attempts) -> None:
        self._signal = signal
        self.ledger = ledger
        self._attempts = attempts
        self._pending: list[Parts] = []
        self._on_disk = False
        self._lock = threading.Lock()
        self.failures = 0
        """Grows with every record that was not accepted."""

    def deliver(self, parts: Parts, *, patient: bool, on_disk: bool = False) -> list[Parts]:
        """Send until each record is accepted or dropped; what must be put aside instead is returned.

        Args:
            parts: The records.
            patient: Whether to try again what the endpoint does not take now.
            on_disk: Whether the records are stored, so that nothing is lost when they are not sent.

        Raises:
            TakenAwayError: If `take_away` came in between.
        """
        self._pending, self._on_disk = [parts] if parts else [], on_disk
        pending = self._pending
        try:
            while pending:
                verdict = self._sent(pending[-1], patient=patient)
                with self._lock:
                    self._check(pending)
                    if verdict is None:
                        self._pending = []
                        return pending
                    self._note(pending.pop(), verdict)
        except TakenAwayError:
            raise
        except BaseException:
            self.lose("fault", sum(map(count_of, self.take_away())))
            raise
        return []

    def take_away(self) -> list[Parts]:
        """What is being sent and not on disk, for the caller to count: the thread may hang in it."""
        with self._lock:
            left, self._pending = self._pending, []
        return [] if self._on_disk else left

    def lose(self, reason: str, count: int) -> None:
        """Count records as dropped."""
        if count:
            self.failures += 1
            self.ledger.drop(self._signal, reason, count)

    def _check(self, pending: list[Parts]) -> None:
        if self._pending is not pending:
            raise TakenAwayError

    def _note(self, group: Parts, verdict: Verdict) -> None:
        """What became of one request: accepted, or refused for what is in it."""
        count = count_of(group)
        if verdict.accepted:
            rejected = min(count, verdict.rejected)
            self.ledger.deliver(self._signal, count - rejected)
            self.lose("partial", rejected)
        elif count > 1:
            self._pending.extend(reversed(split(group)))
        else:
            self.lose("rejected", 1)

    def _sent(self, group: Parts, *, patient: bool) -> Verdict | None:
        """Send one request; None when it cannot be sent."""
        pieces, until = request(group), time.monotonic() + AGE_SECONDS
        while True:
            verdict = self._attempts.once(pieces)
            if verdict.accepted or verdict.refused:
                return verdict
            if not patient or not self._attempts.wait() or time.monotonic() > until:
                return None
