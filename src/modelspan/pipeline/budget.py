"""The resource guard: what the worker may cost, and what it leaves out when it would cost more."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelspan.delivery.accounting import Ledger

LEAST: Final = 0.01
"""Share of the calls that get a span and log records in the worst case."""
WINDOW_SECONDS: Final = 1.0


class Budget:
    """Share of the successful calls that get a span and log records; counts and errors are never thinned.

    Every second the CPU time of the worker's thread is compared with `cores`; above it, or with a queue that
    is more than half full after a drain, the share shrinks in proportion; below, it grows back by a quarter.
    """

    def __init__(self, cores: float, ledger: Ledger) -> None:
        self._cores = cores
        self._ledger = ledger
        self.share = 1.0
        self._since: tuple[float, float] | None = None
        self._crowded = False

    def note(self, *, crowded: bool) -> None:
        """Look at the clocks, on the worker's thread, once a drain."""
        now, cpu = time.monotonic(), time.thread_time()
        self._crowded = self._crowded or crowded
        if self._since is None:
            self._since = now, cpu
            return
        seconds = now - self._since[0]
        if seconds >= WINDOW_SECONDS:
            self._adjust((cpu - self._since[1]) / seconds)
            self._since, self._crowded = (now, cpu), False

    def _adjust(self, used: float) -> None:
        if used > self._cores or self._crowded:
            factor = min(0.7, self._cores / used) if used > 0 else 0.7
            self.share = max(LEAST, self.share * factor)
        else:
            self.share = min(1.0, self.share * 1.25)

    def keep(self, count: int) -> NDArray[np.bool_]:
        """Which of so many calls get a span and log records."""
        if self.share >= 1.0:
            return np.ones(count, bool)
        drawn: Any = np.frombuffer(secrets.token_bytes(2 * count), np.uint16)
        return np.asarray(drawn < self.share * 2**16)

    def lose(self, signal: str, count: int) -> None:
        """Count what was left out."""
        self._ledger.lose(signal, "over_budget", count)
