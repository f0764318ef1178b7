"""Performance before outcomes are known: what calibrated scores expect it to be. Always only an estimate.

CBPE, confidence-based performance estimation: a row with probability p of the positive class counts as p
positives and 1 - p negatives. The sums are those of realised performance, so they add over windows and
replicas, and every measure and interval is computed by the same code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.errors import ConfigError
from modelspan.performance.calibration import Calibration
from modelspan.performance.calibration_error import Bins, measure
from modelspan.performance.confusion import Confusion
from modelspan.performance.evidence import Evidence
from modelspan.performance.moments import Moments
from modelspan.performance.scores import Scores
from modelspan.performance.sums import Sums, true_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.outcome import JoinedRow
    from modelspan.performance.measure import Array

FEW_ROWS: Final = 500
FEW_OF_A_CLASS: Final = 50
WORST_CALIBRATION: Final = 0.05
"""Calibration error of held-out reference rows that is surely above this: the scores say too little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """One calibration per class, and what the reference says about whether they can be trusted."""

    classes: tuple[str, ...]
    """Class labels; of two, the second is the one that scores are about."""
    calibrations: tuple[Calibration, ...]
    """One for two classes, else one per class."""
    score_range: tuple[float, float] = (0.0, 1.0)
    doubts: tuple[str, ...] = ()
    """Why not to trust it, known from the reference already."""

    @classmethod
    def fit(
        cls,
        scores: Any,
        outcomes: Sequence[object],
        *,
        classes: Sequence[str] = ("0", "1"),
        method: str = "auto",
    ) -> Estimator:
        """An estimator from a reference with outcomes, of rows that the model has not learned from.

        Args:
            scores: Probabilities: shape (rows,) of the second class, or (rows, classes).
            outcomes: True class of each row.
            classes: Labels, in the order of the columns of `scores`.
            method: As in `Calibration.fit`.

        Raises:
            ConfigError: If shapes or classes don't fit, or as `Calibration.fit` says.
        """
        table, truth = _columns(scores, outcomes, tuple(classes))
        maps = tuple(Calibration.fit(s, t, method) for s, t in zip(table, truth, strict=True))
        doubts = _doubts(table, truth, method)
        return cls(
            classes=tuple(classes), calibrations=maps, doubts=doubts,
            score_range=(float(table.min()), float(table.max())),
        )  # fmt: skip

    def expect(self, rows: Sequence[JoinedRow]) -> Sums:
        """Sums with expected outcomes; rows without a class and its probabilities are left out."""
        usable, chances = self._chances(rows)
        if not usable:
            return Sums()
        scores = np.array([row.score if row.score is not None else math.nan for row in usable])
        return Sums(
            predictions=len(usable),
            outcomes=len(usable),
            confusion=_expected_confusion([row.label or "" for row in usable], chances, self.classes),
            scores=_expected_scores(scores, chances[:, 1]) if len(self.classes) == 2 else Scores(),
        )

    def judge(self, rows: Sequence[JoinedRow]) -> Evidence:
        """What rows say about the estimate: of those with outcomes whether they came as expected."""
        scores = np.array([row.score for row in rows if row.score is not None])
        low, high = self.score_range
        known, chances = self._chances([row for row in rows if row.known])
        place = {label: at for at, label in enumerate(self.classes)}
        expected = np.array([c[place[r.label]] if r.label in place else 0.0
                             for r, c in zip(known, chances, strict=True)])  # fmt: skip
        happened = np.array([float(true_label(row) == row.label) for row in known])
        return Evidence(
            rows=scores.size,
            outside=int(((scores < low) | (scores > high)).sum()),
            surprise=float((happened - expected).sum()),
            variance=float((expected * (1 - expected)).sum()),
        )

    def _chances(self, rows: Sequence[JoinedRow]) -> tuple[list[JoinedRow], Array]:
        """The rows that have a class and probabilities, and those, calibrated: shape (rows, classes)."""
        usable = [row for row in rows if row.label is not None]
        table = np.array([self._given(row) for row in usable]).reshape(-1, len(self.calibrations))
        known = np.isfinite(table).all(axis=1)
        kept = [row for row, good in zip(usable, known, strict=True) if good]
        chances = np.column_stack(
            [f(column) for f, column in zip(self.calibrations, table[known].T, strict=True)]
        )
        if len(self.classes) == 2:
            return kept, np.column_stack([1 - chances, chances])
        total = chances.sum(axis=1, keepdims=True)
        even = np.full_like(chances, 1 / len(self.classes))
        return kept, np.divide(chances, total, out=even, where=total > 0)

    def _given(self, row: JoinedRow) -> list[float]:
        """What the model said: the score, or a probability for each class."""
        if len(self.classes) == 2:
            return [math.nan if row.score is None else row.score]
        given = row.probabilities or {}
        return [given.get(label, math.nan) for label in self.classes]

    def document(self) -> dict[str, Any]:
        """As it stands in a file."""
        return {
            "classes": list(self.classes),
            "calibrations": [each.document() for each in self.calibrations],
            "score_range": list(self.score_range),
            "doubts": list(self.doubts),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Estimator:
        """What `document` gave."""
        low, high = document["score_range"]
        return cls(
            classes=tuple(document["classes"]),
            calibrations=tuple(Calibration.from_document(each) for each in document["calibrations"]),
            score_range=(float(low), float(high)),
            doubts=tuple(document["doubts"]),
        )


def _columns(scores: Any, outcomes: Sequence[object], classes: tuple[str, ...]) -> tuple[Array, Array]:
    """Scores and truth, one row per calibration."""
    table = np.asarray(scores, dtype=np.float64)
    labels = [str(each) for each in outcomes]
    unknown = sorted(set(labels) - set(classes))
    if len(classes) < 2 or unknown:
        raise ConfigError(f"classes={classes!r:.80} lack {unknown[:3]} of the outcomes; name every class")
    if table.ndim == 2 and table.shape[1] == 2:
        table = table[:, 1]
    if table.shape != ((len(labels),) if len(classes) == 2 else (len(labels), len(classes))):
        raise ConfigError(
            f"scores have shape {table.shape} for {len(labels)} outcomes of {len(classes)} classes"
        )
    wanted = classes[1:] if len(classes) == 2 else classes
    truth = np.array([[label == each for label in labels] for each in wanted], dtype=np.float64)
    return table.T.reshape(len(wanted), -1), truth


def _doubts(table: Array, truth: Array, method: str) -> tuple[str, ...]:
    """What speaks against it already: a small reference, or scores that no map makes probabilities."""
    rows, found = truth.shape[1], []
    if rows < FEW_ROWS or min(truth.sum(axis=1).min(), (1 - truth).sum(axis=1).min()) < FEW_OF_A_CLASS:
        found.append(
            f"the reference is small: {rows} rows; {FEW_ROWS} and {FEW_OF_A_CLASS} of each class are needed"
        )
    odd, even = np.arange(rows) % 2 > 0, np.arange(rows) % 2 == 0
    for scores, outcome in zip(table, truth, strict=True):
        if rows < 4:
            continue
        held = np.empty(rows)
        for fitted, rest in ((odd, even), (even, odd)):
            held[rest] = Calibration.fit(scores[fitted], outcome[fitted], method)(scores[rest])
        error = measure(Bins.of(held, outcome, np.ones(rows)))
        if error is not None and error.lower is not None and error.lower > WORST_CALIBRATION:
            found.append(
                f"scores are not calibrated even after {method}: error {error.value:.2f} on held-out rows"
            )
    return tuple(found)


def _expected_confusion(labels: Sequence[str], chances: Array, classes: tuple[str, ...]) -> Confusion:
    """Each row counts as one, shared out over the true classes."""
    cells: dict[tuple[str, str], float] = {}
    for label in set(labels):
        sums = chances[[each == label for each in labels]].sum(axis=0)
        cells |= {(truth, label): float(each) for truth, each in zip(classes, sums, strict=True) if each > 0}
    return Confusion(cells, cells)


def _expected_scores(scores: Array, chance: Array) -> Scores:
    """Both outcomes of each row, weighted by their probability; together they are one row, not more."""
    sums = Scores.of(np.tile(scores, 2), np.repeat([True, False], len(scores)), np.r_[chance, 1 - chance])
    bins = sums.bins.sums.copy()
    bins[3] = bins[0]
    return replace(
        sums,
        squares=(float(chance.sum()), float((1 - chance).sum())),
        brier=_as_rows(sums.brier),
        log_loss=_as_rows(sums.log_loss),
        bins=Bins(bins),
    )


def _as_rows(moments: Moments) -> Moments:
    return Moments((moments.sums[0], *moments.sums[:1], *moments.sums[2:]))
