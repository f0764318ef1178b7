"""The one background thread of a process: drains the queue at each tick and runs the sinks."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from modelspan.guard import fault, guard
from modelspan.pipeline.assemble import assemble
from modelspan.pipeline.block import held, into_blocks
from modelspan.pipeline.call import Call
from modelspan.pipeline.current import wall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelspan.delivery.accounting import Ledger
    from modelspan.pipeline.block import Block
    from modelspan.pipeline.budget import Budget
    from modelspan.pipeline.queue import Queue
    from modelspan.prediction import Prediction

BATCH: Final = 4096
"""Calls that are looked at together; about as many are waited for, when they come within a tick."""
CROWD_WAIT_SECONDS: Final = 0.02
LEAST_SECONDS: Final = 0.02
BREATH_SECONDS: Final = 0.00005
"""Slept after each sink that had many calls, so that who waits for the interpreter's lock gets it."""


class Sink(Protocol):
    """Turns predictions into one kind of telemetry; knows no other sink.

    One that knows columns has a method `take_block(block)` besides, which gets the regular calls of a drain;
    it is called with the others after that.
    """

    def __call__(self, predictions: Sequence[Prediction], /) -> None:
        """Handle predictions, in the order in which they finished."""


class Worker:
    """Runs until stopped; a fault of one record or sink is counted and leaves the others alone."""

    def __init__(
        self,
        queue: Queue,
        sinks: Sequence[Sink],
        ledger: Ledger,
        *,
        tick_seconds: float,
        sample_rows: int,
        crowded: Callable[[], bool],
        budget: Budget,
    ) -> None:
        self._queue = queue
        self._sinks = sinks
        self._ledger = ledger
        self._tick = tick_seconds
        self._rows = sample_rows
        self._crowded = crowded
        self._budget = budget
        self.busy = threading.Lock()
        """Held while calls are described, and while one sink has them; see `Runtime.pause`."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="modelspan-worker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def flush(self, deadline: float) -> bool:
        """Wait for the sinks to have seen all that was queued before, until `deadline` (monotonic)."""
        marker = threading.Event()
        self._queue.put_marker(marker)
        return marker.wait(max(0.0, deadline - time.monotonic()))

    def close(self, deadline: float) -> bool:
        """Take in no more, finish what waits until `deadline`, count the rest as dropped, stop."""
        self._queue.close()
        clean = self.flush(deadline)
        self._stop.set()
        self._queue.wake.set()
        self._thread.join(max(0.0, min(1.0, deadline - time.monotonic())))
        left = [item for item in self._queue.drain(len(self._queue)) if not isinstance(item, threading.Event)]
        calls = sum(isinstance(item, Call) for item in left)
        self._ledger.lose("predictions", "exit_timeout", calls)
        self._ledger.lose("logs", "exit_timeout", len(left) - calls)
        return clean

    def _run(self) -> None:
        pause, before = self._tick, time.monotonic()
        while not self._stop.is_set():
            try:
                self._queue.wake.wait(pause)
                self._queue.wake.clear()
                waiting, now = len(self._queue), time.monotonic()
                pause, before = self._pause(waiting, now - before), now
                self._drain(waiting)
                self._budget.note(crowded=self._queue.half_full)
            except BaseException:
                fault("running the worker")

    def _pause(self, came: int, seconds: float) -> float:
        """How long to wait, when so many calls came in the last `seconds`: a tick, or less for a batch."""
        soon = BATCH * seconds / came if came else self._tick
        return min(self._tick, max(LEAST_SECONDS, soon))

    def _drain(self, waiting: int) -> None:
        """One tick: what waited at its start, not "until empty", so that batches stay large."""
        while waiting > 0 and not self._stop.is_set():
            while self._crowded() and not self._queue.closed:
                time.sleep(CROWD_WAIT_SECONDS)
            items = self._queue.drain(min(waiting, BATCH))
            waiting -= len(items)
            markers = [item for item in items if type(item) is threading.Event]
            self._process(items, held(items))
            del items  # user data is not kept until the next drain
            for marker in markers:
                marker.set()

    def _process(self, items: list[Any], known: Sequence[Call]) -> None:
        calls = [item for item in items if type(item) is Call]
        with self.busy:
            for call in known:
                with guard("drawing the ids of a call"):
                    call.draw_ids()  # before anything is told of it
            wall.read()
            self._run_queued(items if len(calls) < len(items) else ())
            blocks, single, predictions = self._described(calls)
        self._ledger.emit("predictions", len(calls))
        for sink in self._sinks:
            with self.busy, guard(f"running {type(sink).__name__}"):
                _run(sink, predictions, blocks)
            if blocks:
                time.sleep(BREATH_SECONDS)
        self._ledger.deliver("predictions", len(calls))
        for call in (*known, *single, *(call for block in blocks for call in block.told)):
            call.forget()

    def _run_queued(self, items: Sequence[Any]) -> None:
        for item in items:
            if type(item) is not Call and type(item) is not threading.Event:
                with guard("running what was queued"):
                    item()

    def _described(self, calls: list[Call]) -> tuple[list[Block], list[Call], list[Prediction]]:
        """Calls of regular shape as columns; the others, and what is told of each."""
        blocks, single = into_blocks(calls, self._rows, self._budget)
        predictions = []
        for call, kept in zip(single, self._budget.keep(len(single)).tolist(), strict=True):
            with guard("describing a prediction"):
                predictions.append(assemble(call, self._rows, kept=kept))
        return blocks, single, predictions


def _run(sink: Any, predictions: list[Prediction], blocks: Sequence[Block]) -> None:
    """Blocks first, where a sink knows them; then every sink once with the rest, also when it is empty."""
    take_block = getattr(sink, "take_block", None)
    if take_block is None:
        sink([*(each for block in blocks for each in block.predictions), *predictions])
        return
    for block in blocks:
        take_block(block)
    sink(predictions)
