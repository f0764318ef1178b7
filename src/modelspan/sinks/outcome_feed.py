"""Outcomes of the store for the detectors of this process, each row once, when it joins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan.sinks.performance_book import READER

if TYPE_CHECKING:
    from modelspan.sinks.detectors import DetectorSink
    from modelspan.store.reading import ChangeReader


class OutcomeFeed:
    """Reads on from where performance was measured up to when the process started.

    Every process that shares the store and has such detectors sees all its outcomes. A detector can't take
    a value back, so that only the first outcome of a row counts, not its corrections.
    """

    def __init__(self, store: ChangeReader, detectors: DetectorSink) -> None:
        self._store, self._detectors = store, detectors
        self._position = store.position(READER)

    def __call__(self, *_of_performance: object) -> None:
        """Feed what has joined since the last call."""
        if not self._detectors.wants_outcomes:
            self._position = self._store.position(READER)
            return
        while changes := self._store.changes(self._position):
            for change in changes:
                if change.after.known and not (change.before and change.before.known):
                    self._detectors.learn(change.after)
            self._position = changes[-1].position
