"""Trying to send: one connection, growing and jittered pauses, and the deadline of the process's end."""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, Final

from modelspan.delivery.quiet import Outage
from modelspan.delivery.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelspan.delivery.http import Post
    from modelspan.delivery.otlp.records import Body

AGE_SECONDS: Final = 3600.0
"""How long a request is tried again when there is no spool."""
PAUSE_SECONDS: Final = (0.25, 15.0)
"""The first pause before another attempt, and the longest."""


class Attempts:
    """The attempts of one sender; used by its thread, but for `hurry`, `end_at` and `abort`."""

    def __init__(self, signal: str, make_post: Callable[[], Post]) -> None:
        self._make_post = make_post
        self._post: Post | None = None
        self.outage = Outage(signal)
        self.hurry = threading.Event()
        """Cuts a pause short: somebody waits for a flush."""
        self._ever_accepted = False
        self._pause = PAUSE_SECONDS[0]
        self._next_at = 0.0
        self.end_at: float | None = None
        """When the last attempt must be over (monotonic), once the process ends."""

    @property
    def due(self) -> bool:
        """Whether an attempt may be made now, so that a pause is over or cut short."""
        return time.monotonic() >= self._next_at or self.hurry.is_set()

    def once(self, pieces: Sequence[Body]) -> Verdict:
        """Send the pieces of a request and judge the answer."""
        self._post = self._post or self._make_post()
        self.hurry.clear()
        left = AGE_SECONDS if self.end_at is None else self.end_at - time.monotonic()
        if left <= 0:
            return Verdict(reason="the process ends")
        verdict = judge(self._post.send(pieces, left))
        self._ever_accepted = self._ever_accepted or verdict.accepted
        if verdict.accepted or self.end_at is None:  # at the end, one line says what was lost
            self.outage.note(accepted=verdict.accepted or verdict.refused, reason=verdict.reason)
        self._plan(verdict)
        return verdict

    def _plan(self, verdict: Verdict) -> None:
        """When the next attempt may be, after this verdict."""
        if verdict.accepted or verdict.refused:
            self._pause, self._next_at = PAUSE_SECONDS[0], 0.0
            return
        jittered = self._pause * (0.5 + secrets.randbits(16) / 2**16)
        self._next_at = time.monotonic() + max(verdict.wait, jittered)
        self._pause = min(PAUSE_SECONDS[1], self._pause * 2)

    def wait(self) -> bool:
        """Pause until the next attempt is due; False when the process ends before.

        At the end an endpoint that never took anything gets no further attempt.
        """
        if self.end_at is None:
            self.hurry.wait(max(0.0, self._next_at - time.monotonic()))
        end = self.end_at
        if end is None:
            return True
        if not self._ever_accepted or self._next_at >= end:
            return False
        time.sleep(max(0.0, self._next_at - time.monotonic()))
        return True

    def abort(self) -> None:
        """Break off the attempt that is being made, from another thread."""
        if self._post is not None:
            self._post.abort()

    def close(self) -> None:
        """Close the connection."""
        if self._post is not None:
            self._post.close()
