"""The thread that follows the store of outcomes."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from modelspan.guard import guard
from modelspan.store.database import UnavailableError

if TYPE_CHECKING:
    from modelspan.sinks.performance import PerformanceSink


logger = logging.getLogger("modelspan")


class Follower:
    """Steps a sink at intervals on a thread of its own."""

    def __init__(self, sink: PerformanceSink, seconds: float) -> None:
        self.sink, self._seconds = sink, seconds
        self._down = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="modelspan-performance", daemon=True)
        self.busy = threading.Lock()
        """Held during a step; see `Runtime.pause`."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def flush(self, seconds: float) -> bool:
        """One step now, on the caller's thread; False if another one took too long."""
        if not self.busy.acquire(timeout=max(0.0, seconds)):
            return False
        try:
            with guard("measuring performance"):
                self._step()
        finally:
            self.busy.release()
        return True

    def _step(self) -> None:
        """A store that is away for a while is no fault: said once, and tried again."""
        try:
            self.sink.step()
            self._down = False
        except UnavailableError as error:
            if not self._down:
                logger.warning("modelspan cannot measure performance now (%s); it is tried again", error)
            self._down = True

    def close(self, seconds: float) -> None:
        """One last step, then stop, within `seconds`."""
        self.flush(seconds / 2)
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(max(0.0, seconds / 2))

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self.flush(self._seconds)
