"""What became of every record: emitted = delivered + dropped + stored on disk + still waiting, by signal."""

from __future__ import annotations

import threading
from collections import Counter

SIGNALS = ("predictions", "spans", "logs", "metrics")


class Ledger:
    """Exact counts by signal and reason; the lock is re-entrant because a signal handler may count too."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.emitted: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.dropped: Counter[tuple[str, str]] = Counter()
        self.stored: Counter[str] = Counter()
        """Records on disk now; the next process that starts sends those that are left at the end."""

    def emit(self, signal: str, count: int = 1) -> None:
        """Count records made."""
        with self._lock:
            self.emitted[signal] += count

    def deliver(self, signal: str, count: int) -> None:
        """Count records that the endpoint accepted."""
        with self._lock:
            self.delivered[signal] += count

    def drop(self, signal: str, reason: str, count: int = 1) -> None:
        """Count emitted records as lost."""
        if count:
            with self._lock:
                self.dropped[signal, reason] += count

    def lose(self, signal: str, reason: str, count: int = 1) -> None:
        """Count records as emitted and lost: those that never came to where emitted ones are counted."""
        if count:
            with self._lock:
                self.emitted[signal] += count
                self.dropped[signal, reason] += count

    def store(self, signal: str, count: int) -> None:
        """Count records put on disk; a negative count: taken from it."""
        with self._lock:
            self.stored[signal] += count

    def kept(self) -> str:
        """What is on disk, for people; empty when nothing is."""
        with self._lock:
            return ", ".join(f"{count:,} {signal}" for signal, count in sorted(self.stored.items()) if count)

    def lost(self) -> str:
        """What was lost, for people; empty when nothing was."""
        with self._lock:
            return ", ".join(
                f"{count:,} {signal} ({reason})" for (signal, reason), count in sorted(self.dropped.items())
            )
