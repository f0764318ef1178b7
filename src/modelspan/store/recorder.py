"""The thread that writes to the outcome store: many rows in one commit, and only who asks to waits."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from modelspan.guard import fault, guard
from modelspan.store.database import UnavailableError
from modelspan.store.keys import hashed
from modelspan.store.retention import sweep
from modelspan.store.rows import QUEUED, UNACKNOWLEDGED, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from modelspan.delivery.accounting import Ledger
    from modelspan.store.outcomes import OutcomeStore
    from modelspan.store.rows import Awaiting, Outcome

logger = logging.getLogger("modelspan")

GROUP: Final = 5000
"""Rows of one commit at most."""
MAX_WAITING: Final = 100_000
"""Rows of each kind that wait in memory while the store cannot be written; newer ones are dropped."""
RETRY_SECONDS: Final = 1.0
SWEEP_SECONDS: Final = 30.0
KEYS, OUTCOMES = "keys", "outcomes"


class _Waiting:
    """Somebody who wants to know what became of outcomes; without any of them: that all before is stored."""

    def __init__(self, count: int) -> None:
        self.done = threading.Event()
        self.receipts: list[Receipt] = []
        self._count = count

    def add(self, receipt: Receipt) -> None:
        self.receipts.append(receipt)
        if len(self.receipts) >= self._count:
            self.done.set()


class _Item(NamedTuple):
    outcome: Outcome | None
    names: Mapping[str, str] = MappingProxyType({})
    waiting: _Waiting | None = None


class Recorder:
    """Takes predictions from the worker and outcomes from the application, and commits them in groups.

    A store that cannot be written now holds nobody up: rows wait in bounded memory and are tried again.
    """

    def __init__(
        self, store: OutcomeStore, ledger: Ledger, *, tick_seconds: float, window_days: float, max_bytes: int
    ) -> None:
        self.store = store
        self.busy = threading.Lock()
        """Held during a commit."""
        self.announce: Callable[[Outcome, Receipt, Mapping[str, str]], None] | None = None
        """Called with each outcome that is committed or joins later, what became of it, and what `tell` was
        given."""
        self._ledger = ledger
        self._tick = tick_seconds
        self._keep = (window_days, max_bytes)
        self._predictions: deque[Awaiting] = deque()
        self._outcomes: deque[_Item] = deque()
        self._refused: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._secret = b""
        self._down = False
        # A wall clock that is set forward at run time must not expire what was promised a window.
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._next_sweep = time.monotonic()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="modelspan-store", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def await_truth(self, predictions: Sequence[Awaiting]) -> None:
        """Store predictions at once: they are a tick of the worker old, and a kill loses what waits."""
        room = 0 if self._stop.is_set() else max(0, MAX_WAITING - len(self._predictions))
        self._ledger.emit(KEYS, len(predictions))
        self._ledger.drop(KEYS, "store_unavailable", max(0, len(predictions) - room))
        self._predictions.extend(predictions[:room])
        self._wake.set()

    def tell(self, outcome: Outcome, names: Mapping[str, str] = MappingProxyType({})) -> Receipt:
        """Store an outcome with the next commit."""
        if len(self._outcomes) >= MAX_WAITING or self._stop.is_set():
            self._ledger.lose(OUTCOMES, "store_unavailable")
            return Receipt(state=UNACKNOWLEDGED)
        self._ledger.emit(OUTCOMES)
        self._outcomes.append(_Item(outcome, names))
        return Receipt(state=QUEUED)

    def ask(
        self, outcomes: Sequence[Outcome], seconds: float, names: Mapping[str, str] = MappingProxyType({})
    ) -> list[Receipt]:
        """Store outcomes and say what became of them; unacknowledged, those not committed in time."""
        waiting = _Waiting(len(outcomes))
        if self._stop.is_set():
            self._ledger.lose(OUTCOMES, "store_unavailable", len(outcomes))
        elif outcomes:
            self._ledger.emit(OUTCOMES, len(outcomes))
            self._outcomes.extend(_Item(outcome, names, waiting) for outcome in outcomes)
            self._wake.set()
            waiting.done.wait(seconds)
        known = list(waiting.receipts)
        return known + [Receipt(state=UNACKNOWLEDGED)] * (len(outcomes) - len(known))

    def refuse(self, reason: str) -> None:
        """Count an outcome that was refused before it came here."""
        with self._lock:
            self._refused[reason] += 1

    def flush(self, deadline: float) -> bool:
        """Wait until all that was handed over before is committed, until `deadline` (monotonic)."""
        if self._stop.is_set():
            return not (self._predictions or self._outcomes)  # nothing more will be
        waiting = _Waiting(0)
        self._outcomes.append(_Item(None, waiting=waiting))
        self._wake.set()
        return waiting.done.wait(max(0.0, deadline - time.monotonic()))

    def close(self, deadline: float) -> bool:
        """Commit what waits until `deadline`; what is left is counted as lost."""
        clean = self.flush(deadline)
        self._stop.set()
        self._wake.set()
        self._thread.join(max(0.0, deadline - time.monotonic()) + 0.1)
        if not self._thread.is_alive():
            self.store.close()
        self._give_up()
        return clean

    def _give_up(self) -> None:
        """Count what nobody will commit; each row once, also when this is said again."""
        while left := _take(self._predictions):
            self._ledger.drop(KEYS, "exit_timeout", len(left))
        while items := _take(self._outcomes):
            self._ledger.drop(OUTCOMES, "exit_timeout", sum(item.outcome is not None for item in items))

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._tick)
            self._wake.clear()
            try:
                with self.busy:
                    self._drain()
                    self._sweep()
                self._say_up()
            except UnavailableError as error:
                self._say_down(error)
                self._stop.wait(RETRY_SECONDS)
            except Exception:
                fault("writing to the outcome store")
                self._stop.wait(RETRY_SECONDS)
        self._give_up()  # also what a commit that outlived `close` has put back

    def _say_down(self, error: UnavailableError) -> None:
        if not self._down:
            self._down = True
            logger.warning("modelspan cannot write the outcome store (%s); rows wait in memory", error)

    def _say_up(self) -> None:
        if self._down:
            self._down = False
            logger.warning("modelspan writes the outcome store again")

    def _drain(self) -> None:
        while self._predictions or self._outcomes or self._refused:
            predictions = _take(self._predictions)
            items = _take(self._outcomes) if not self._predictions else []
            with self._lock:
                refused, self._refused = self._refused, Counter()
            try:
                self._commit(predictions, items, refused)
            except Exception:
                self._predictions.extendleft(reversed(predictions))
                self._outcomes.extendleft(reversed(items))
                with self._lock:
                    self._refused.update(refused)
                raise

    def _commit(self, predictions: list[Awaiting], items: list[_Item], refused: Counter[str]) -> None:
        outcomes = [item.outcome for item in items if item.outcome is not None]
        now_ns = self._offset_ns + time.monotonic_ns()
        receipts = self.store.commit(self._hash(predictions), self._hash(outcomes), now_ns, refused)
        self._ledger.deliver(KEYS, len(predictions))
        self._ledger.deliver(OUTCOMES, len(outcomes))
        late, self.store.late = self.store.late, []
        for outcome, receipt in late:
            self._announce(outcome, receipt)
        answers = iter(receipts)
        for item in items:
            receipt = next(answers) if item.outcome is not None else Receipt(state=QUEUED)
            if item.outcome is not None:
                self._announce(item.outcome, receipt, item.names)
            if item.waiting is not None:
                item.waiting.add(receipt)

    def _announce(
        self, outcome: Outcome, receipt: Receipt, names: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        if self.announce is not None:
            with guard("announcing an outcome"):
                self.announce(outcome, receipt, names)

    def _hash(self, rows: Sequence[Any]) -> list[Any]:
        """The rows with the keyed hash in the place of a business key."""
        if not any(isinstance(row.key, str) for row in rows):
            return list(rows)
        self._secret = self._secret or self.store.secret()
        return [
            row._replace(key=hashed(row.key, self._secret)) if isinstance(row.key, str) else row
            for row in rows
        ]

    def _sweep(self) -> None:
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + SWEEP_SECONDS
            sweep(self.store, self._offset_ns + time.monotonic_ns(), *self._keep)


def _take(waiting: deque[Any]) -> list[Any]:
    """Up to a commit's worth, oldest first; two threads may take at once."""
    taken: list[Any] = []
    with suppress(IndexError):
        while len(taken) < GROUP:
            taken.append(waiting.popleft())
    return taken
