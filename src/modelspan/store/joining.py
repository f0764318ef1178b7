"""One commit of the outcome store: predictions come in, outcomes find them, each outcome gets its state.

The rule for a prediction's outcomes: the latest known one counts. One with a date that says the same as one
of the same date is a duplicate; one that is older than the current one is superseded on arrival. One without
a date is the newest when it arrives, and a duplicate if it repeats the current one.

The rule for outcomes by business key: one is the truth of every prediction of its key that is stored when it
is told, and of every one that is stored later and was made at or before its time. If there is none yet, it
waits for the first that comes, whenever that was made. Each prediction reads it by its own model's classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan.store.fitting import fit
from modelspan.store.rows import (
    JOINED,
    ORPHAN,
    REJECTED,
    SUPERSEDED,
    Outcome,
    Receipt,
    Target,
    lookup,
    sealed,
)
from modelspan.store.told import Told, words_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from modelspan.store.rows import Awaiting
    from modelspan.store.transaction import Known, Transaction

DUPLICATE = Receipt(state=REJECTED, reason="duplicate")
_JOINED, _SUPERSEDED = Receipt(state=JOINED), Receipt(state=SUPERSEDED)
_PREDICTION, _OUTCOME = "prediction.", "outcome."
PENDING = _PREDICTION + "pending"


class Joining:
    """Applies predictions and outcomes within one transaction, in the order in which they are given."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction
        self._outcomes: list[tuple[object, ...]] = []
        self._orphans: list[tuple[object, ...]] = []
        self.late: list[tuple[Outcome, Receipt]] = []
        """Outcomes by key that have joined predictions which are stored after them."""

    def add(self, predictions: Sequence[Awaiting]) -> None:
        """Store predictions; the outcomes that were waiting for them join."""
        tx = self._tx
        tx.find_predictions([lookup(each.pid, each.row) for each in predictions])
        rows, keys, fresh = [], [], []
        for each in predictions:
            found = tx.known_row(each.pid, each.row)
            if found is not None:
                tx.count(found.model, _PREDICTION + "rejected:reused_id")
                continue
            known = tx.new_prediction(each)
            fresh.append((each, known))
            rows.append(_prediction_row(each, known))
            if each.key is not None:
                keys.append(sealed("keys", (known.id, *each.key)))
            tx.count(known.model, PENDING)
        tx.insert("predictions", rows)
        tx.insert("keys", keys)
        self._adopt(fresh)

    def _adopt(self, fresh: Sequence[tuple[Awaiting, Known]]) -> None:
        tx = self._tx
        lookups = [lookup(each.pid, each.row) for each, _ in fresh]
        tx.find_orphans(lookups + [each.key[0] for each, _ in fresh if each.key is not None])
        for refuses in (False, True):  # one by key is refused when none of these predictions can have it
            for each, known in fresh:
                for number, outcome in tx.waiting_for(each):
                    if refuses or not self._fit(known, outcome)[2]:
                        tx.take_orphan(number, outcome)
                        tx.count(0, _OUTCOME + ORPHAN, -1)
                        self._tell_late(known, outcome)
        self._follow([(each, known) for each, known in fresh if each.key is not None])

    def _follow(self, fresh: Sequence[tuple[Awaiting, Known]]) -> None:
        """What was told by key before these were stored, and after they were made, is their truth too."""
        tx = self._tx
        keys = {each.key for each, _ in fresh}
        tx.find_keyed([key[0] for key in keys])
        tx.find_outcomes([known.id for key in keys for known in tx.of_key(key)])
        told = {key: self._told_by(key) for key in keys}
        for each, known in fresh:
            meant = [
                outcome
                for outcome in told[each.key]
                if outcome.at_ns >= each.predicted_ns and outcome.keyed in ("", each.model.name)
            ]
            found = max(meant, key=lambda outcome: (outcome.at_ns, outcome.id), default=None)
            if found is not None and not self._has(known, found.again(each.key)):
                self._tell_late(known, found.again(each.key))

    def _has(self, known: Known, outcome: Outcome) -> bool:
        """Whether a prediction was told this truth of this time."""
        label, value, _ = self._fit(known, outcome)
        return any(
            mine.at_ns == outcome.at_ns and mine.says(label, value, outcome.weight)
            for mine in self._tx.told[known.id]
        )

    def _tell_late(self, known: Known, outcome: Outcome) -> None:
        receipt = self._tell(known, outcome)
        if outcome.key is not None and receipt.state == JOINED:
            self.late.append((outcome, Receipt(state=JOINED, targets=(self._target(known),))))

    def _target(self, known: Known) -> Target:
        return Target(known.pid, known.row, self._tx.facts[known.model])

    def _told_by(self, key: tuple[int, int]) -> Collection[Told]:
        """What was told by a business key: once, though all predictions of the key have it."""
        known = sorted(told for each in self._tx.of_key(key) for told in self._tx.told[each.id])
        return {told.meaning: told for told in known if told.keyed is not None}.values()

    def tell(self, outcomes: Sequence[Outcome]) -> list[Receipt]:
        """Give each outcome its state."""
        tx = self._tx
        tx.find_predictions([each.lookup for each in outcomes if each.key is None])
        tx.find_keyed([each.lookup for each in outcomes if each.key is not None])
        targets = [tx.targets(each) for each in outcomes]
        tx.find_outcomes([known.id for found in targets for known in found])
        tx.find_orphans([each.lookup for each, found in zip(outcomes, targets, strict=True) if not found])
        return [
            self._tell_all(found, each) if found else self._wait(each)
            for each, found in zip(outcomes, targets, strict=True)
        ]

    def _tell_all(self, targets: Sequence[Known], outcome: Outcome) -> Receipt:
        """An outcome by business key is the truth of every prediction of that key."""
        receipts = [self._tell(known, outcome) for known in targets]
        joined = tuple(
            self._target(known)
            for known, receipt in zip(targets, receipts, strict=True)
            if receipt.state == JOINED
        )
        if joined:
            return Receipt(state=JOINED, targets=joined)
        return min(receipts, key=lambda receipt: (SUPERSEDED, REJECTED).index(receipt.state))

    def _tell(self, known: Known, outcome: Outcome) -> Receipt:
        label, value, reason = self._fit(known, outcome)
        receipt = (
            Receipt(state=REJECTED, reason=reason) if reason else self._place(known, outcome, label, value)
        )
        self._tx.count(
            known.model, _OUTCOME + receipt.state + (":" + receipt.reason if receipt.reason else "")
        )
        return receipt

    def _fit(self, known: Known, outcome: Outcome) -> tuple[str | None, float | None, str]:
        return fit(known, self._tx.facts[known.model], outcome)

    def _place(self, known: Known, outcome: Outcome, label: str | None, value: float | None) -> Receipt:
        tx = self._tx
        told = tx.told.setdefault(known.id, [])
        current = next((each for each in reversed(told) if not each.stale), None)
        same = [each for each in told if each.says(label, value, outcome.weight)]
        if any(each.at_ns == outcome.at_ns or (each is current and not outcome.dated) for each in same):
            return DUPLICATE
        at_ns = outcome.at_ns
        if current is not None and not outcome.dated:
            at_ns = max(at_ns, current.at_ns + 1)  # a clock that was set back must not make it the older one
        stale = current is not None and at_ns < current.at_ns
        keyed = None if outcome.key is None else outcome.model
        words = words_of(outcome, label, value)
        new = Told(tx.next_position(), label, value, outcome.weight, at_ns, int(stale), keyed, words)
        told.append(new)
        replaces = current.id if current is not None and not stale else 0
        cells = (new.id, known.id, label, value, new.weight, at_ns, new.stale, replaces, keyed, words)
        self._outcomes.append(sealed("outcomes", cells))
        if stale:
            return _SUPERSEDED
        if current is None:
            tx.count(known.model, PENDING, -1)
        else:
            tx.count(known.model, _OUTCOME + JOINED, -1)
            tx.count(known.model, _OUTCOME + SUPERSEDED)
        return _JOINED

    def _wait(self, outcome: Outcome) -> Receipt:
        """Keep an outcome whose prediction is not here."""
        tx = self._tx
        waiting = tx.orphans.setdefault(outcome.lookup, {})
        ours = [each for each in waiting.values() if _same_row(each, outcome)]
        if any(_repeats(each, outcome, newest=each is ours[-1]) for each in ours):
            tx.count(0, f"{_OUTCOME}{REJECTED}:{DUPLICATE.reason}")
            return DUPLICATE
        number = tx.next_orphan()
        waiting[number] = outcome
        self._orphans.append(sealed("orphans", _orphan_row(number, outcome)))
        tx.count(0, _OUTCOME + ORPHAN)
        return Receipt(state=ORPHAN)

    def finish(self) -> None:
        """Write what was decided."""
        self._tx.insert("outcomes", self._outcomes)
        self._tx.insert("orphans", self._orphans)
        self._tx.finish()


def _same_row(one: Outcome, other: Outcome) -> bool:
    return (one.pid, one.row, one.key, one.model) == (other.pid, other.row, other.key, other.model)


def _repeats(one: Outcome, other: Outcome, *, newest: bool) -> bool:
    same = (one.label, one.value, one.weight) == (other.label, other.value, other.weight)
    return same and (one.at_ns == other.at_ns or (newest and not other.dated))


def _prediction_row(each: Awaiting, known: Known) -> tuple[object, ...]:
    cells = (
        known.id, lookup(each.pid, each.row), each.pid, each.row, known.model, each.predicted_ns, each.label,
        each.value, each.score, each.extra,
    )  # fmt: skip
    return sealed("predictions", cells)


def _orphan_row(number: int, each: Outcome) -> tuple[object, ...]:
    head = (number, each.lookup, each.pid, each.row, each.label, each.value, each.weight, each.at_ns)
    return (*head, int(each.dated), each.key[1] if each.key else None, each.model or None)
