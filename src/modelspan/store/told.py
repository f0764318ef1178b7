"""One outcome of a prediction as the store keeps it: what it is of that prediction, and how it was told."""

from __future__ import annotations

import json
from typing import NamedTuple

from modelspan.store.rows import Outcome


class Told(NamedTuple):
    """One stored outcome of a prediction."""

    id: int
    label: str | None
    value: float | None
    weight: float
    at_ns: int
    stale: int
    keyed: str | None = None
    """Told by business key, of this model, if one was named; None if told by prediction id."""
    words: str | None = None
    """JSON of the label or value that was told by key, where the prediction's own kind reads it otherwise."""

    def says(self, label: str | None, value: float | None, weight: float) -> bool:
        """Whether it is the same truth."""
        return (self.label, self.value, self.weight) == (label, value, weight)

    @property
    def meaning(self) -> tuple[object, ...]:
        """What was told by key, to whichever prediction."""
        return (*_read(self), self.weight, self.at_ns, self.keyed)

    def again(self, key: tuple[int, int]) -> Outcome:
        """The same as it was told, for another prediction of its key."""
        label, value = _read(self)
        dated = True
        return Outcome(b"", 0, label, value, self.weight, self.at_ns, dated, key, self.keyed or "")


def words_of(outcome: Outcome, label: str | None, value: float | None) -> str | None:
    """What to keep of how an outcome was told, when its prediction reads it as this label or value."""
    if outcome.key is None or (outcome.label, outcome.value) == (label, value):
        return None
    return json.dumps(outcome.value if outcome.label is None else outcome.label)


def _read(told: Told) -> tuple[str | None, float | None]:
    if told.words is None:
        return told.label, told.value
    said = json.loads(told.words)
    return (said, None) if isinstance(said, str) else (None, float(said))
