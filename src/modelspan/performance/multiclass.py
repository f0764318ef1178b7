"""Probabilities of a model of more than two classes: sums that add, one set of scores per class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from modelspan.performance.measure import Measure
from modelspan.performance.moments import Moments
from modelspan.performance.scores import Scores, roc_auc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.outcome import JoinedRow

MAX_CLASSES: Final = 20
"""A model with more has log loss and Brier score, but no areas: their sums would fill the store."""
_CLIP: Final = float(np.finfo(np.float64).eps)
_BRIER_MOST: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Probabilities:
    """Losses of the full probabilities, and the scores of each class against the rest."""

    log_loss: Moments = field(default_factory=Moments)
    brier: Moments = field(default_factory=Moments)
    classes: Mapping[str, Scores] = field(default_factory=dict)

    @classmethod
    def of(cls, classified: Sequence[tuple[JoinedRow, str]]) -> Probabilities:
        """The sums of these rows; those without probabilities for their true class do not count."""
        rows = [
            (r.probabilities, t, r.weight) for r, t in classified if r.probabilities and t in r.probabilities
        ]
        names = sorted({name for given, _, _ in rows for name in given})
        if len(names) <= 2:
            return cls()
        table = np.array([[given.get(name, 0.0) for name in names] for given, _, _ in rows])
        truth = np.array([[name == true for name in names] for _, true, _ in rows])
        weights = np.array([weight for _, _, weight in rows])
        chance = np.clip(table[truth], _CLIP, 1.0)
        scored = zip(names, table.T, truth.T, strict=True) if len(names) <= MAX_CLASSES else ()
        return cls(
            log_loss=Moments.of(-np.log(chance), weights),
            brier=Moments.of(((table - truth) ** 2).sum(axis=1), weights),
            classes={name: Scores.of(column, hits, weights) for name, column, hits in scored},
        )

    def __add__(self, other: Probabilities) -> Probabilities:
        return Probabilities(
            self.log_loss + other.log_loss, self.brier + other.brier, self._join(other, add=True)
        )

    def __sub__(self, other: Probabilities) -> Probabilities:
        return Probabilities(
            self.log_loss - other.log_loss, self.brier - other.brier, self._join(other, add=False)
        )

    def _join(self, other: Probabilities, *, add: bool) -> dict[str, Scores]:
        none = Scores()
        pairs = {
            name: (self.classes.get(name, none), other.classes.get(name, none))
            for name in {**self.classes, **other.classes}
        }
        return {name: one + two if add else one - two for name, (one, two) in pairs.items()}

    def measures(self) -> dict[str, Measure]:
        """Log loss, Brier score (0 to 2) and ROC AUC of each class against the rest, plain and by true rows.

        An area needs every class to occur among the outcomes. Its interval has the mean of the classes'
        bounds as its own: it holds however the areas hang together, and so is on the safe side.

        Source: Brier (1950), Monthly Weather Review 78, 1, eq. 2; Provost and Domingos (2000), CeDER Working
        Paper 00-04 (areas weighted by the class's share).
        """
        found = {"log_loss": _within(self.log_loss.mean()), "brier": _within(self.brier.mean(), _BRIER_MOST)}
        areas = [roc_auc(scores) for scores in self.classes.values()]
        known = [area for area in areas if area is not None]
        if known and len(known) == len(areas):
            rows = np.array([scores.positives.sum() for scores in self.classes.values()])
            found["roc_auc_macro"] = _mean(known, np.full(len(known), 1 / len(known)))
            found["roc_auc_weighted"] = _mean(known, rows / rows.sum())
        return {name: each for name, each in found.items() if each is not None and each.finite()}


def _mean(areas: Sequence[Measure], shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Measure:
    value = float(shares @ [each.value for each in areas])
    lower = [each.lower for each in areas if each.lower is not None]
    upper = [each.upper for each in areas if each.upper is not None]
    if len(lower) < len(areas) or len(upper) < len(areas):
        return Measure(value)
    return Measure(value, float(shares @ lower), float(shares @ upper))


def _within(found: Measure | None, most: float = np.inf) -> Measure | None:
    if found is None or found.lower is None or found.upper is None:
        return found
    return Measure(found.value, max(0.0, found.lower), min(most, found.upper))
