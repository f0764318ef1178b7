"""Scores of a two-class model by true class: an additive histogram, fine enough to rank nearly exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from modelspan.performance import calibration_error
from modelspan.performance.calibration_error import Bins
from modelspan.performance.measure import TINY, Array, Measure, effective, logit_interval, wilson
from modelspan.performance.moments import Moments

FINEST: Final = 20
"""Cells are 2 to the power of minus this wide at first: about a millionth."""
MAX_CELLS: Final = 20_000
"""With more, neighbours are joined until they fit; the grids of all windows nest, so that they still add."""
_CLIP: Final = float(np.finfo(np.float64).eps)
_LARGEST: Final = 2.0**30

_Keys = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def _no_keys() -> _Keys:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Sums of weights of positives and negatives per cell of the score, and the moments of their losses."""

    keys: _Keys = field(default_factory=_no_keys)
    positives: Array = field(default_factory=lambda: np.zeros(0))
    negatives: Array = field(default_factory=lambda: np.zeros(0))
    squares: tuple[float, float] = (0.0, 0.0)
    """Sums of squared weights of the positives and of the negatives."""
    fineness: int = FINEST
    brier: Moments = field(default_factory=Moments)
    log_loss: Moments = field(default_factory=Moments)
    bins: Bins = field(default_factory=Bins)
    """Equal-width bins of the probability, for the calibration."""

    @classmethod
    def of(
        cls, scores: Array, positive: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], weights: Array
    ) -> Scores:
        """The sums of these rows; rows whose score is not finite are left out."""
        with np.errstate(invalid="ignore"):
            known = np.abs(scores) < _LARGEST  # False for NaN
        scores, truth, weights = scores[known], positive[known].astype(np.float64), weights[known]
        keys = np.floor(np.ldexp(scores, FINEST)).astype(np.int64)
        inside = (scores >= 0) & (scores <= 1)
        chance, what, by = scores[inside], truth[inside], weights[inside]
        safe = np.clip(chance, _CLIP, 1 - _CLIP)
        return cls._cells(
            keys, truth * weights, (1 - truth) * weights, FINEST,
            squares=(float((truth * weights**2).sum()), float(((1 - truth) * weights**2).sum())),
            brier=Moments.of((chance - what) ** 2, by),
            log_loss=Moments.of(-np.where(what > 0, np.log(safe), np.log1p(-safe)), by),
            bins=Bins.of(chance, what, by),
        )  # fmt: skip

    @classmethod
    def _cells(cls, keys: _Keys, positives: Array, negatives: Array, fineness: int, **rest: object) -> Scores:
        """Equal keys become one cell; cells that rounding has emptied go."""
        while True:
            cells, at = np.unique(keys, return_inverse=True)
            if len(cells) <= MAX_CELLS:
                break
            keys, fineness = keys >> 1, fineness - 1
        sums = [np.bincount(at, weights=each, minlength=len(cells)) for each in (positives, negatives)]
        full = sums[0] + sums[1] > TINY
        return cls(cells[full], sums[0][full], sums[1][full], fineness=fineness, **rest)  # type: ignore[arg-type]  # the fields above

    def __add__(self, other: Scores) -> Scores:
        return self._join(other, 1)

    def __sub__(self, other: Scores) -> Scores:
        return self._join(other, -1)

    def _join(self, other: Scores, sign: int) -> Scores:
        coarse = min(self.fineness, other.fineness)
        keys = [each.keys >> (each.fineness - coarse) for each in (self, other)]
        return self._cells(
            np.concatenate(keys),
            np.concatenate([self.positives, sign * other.positives]),
            np.concatenate([self.negatives, sign * other.negatives]),
            coarse,
            squares=tuple(a + sign * b for a, b in zip(self.squares, other.squares, strict=True)),
            brier=self.brier + other.brier if sign > 0 else self.brier - other.brier,
            log_loss=self.log_loss + other.log_loss if sign > 0 else self.log_loss - other.log_loss,
            bins=self.bins + other.bins if sign > 0 else self.bins - other.bins,
        )

    def coarse(self, fineness: int) -> Scores:
        """The same sums in wider cells."""
        keys = self.keys >> max(0, self.fineness - fineness)
        return self._cells(
            keys, self.positives, self.negatives, min(self.fineness, fineness), squares=self.squares,
            brier=self.brier, log_loss=self.log_loss, bins=self.bins,
        )  # fmt: skip

    def measures(self) -> dict[str, Measure]:
        """ROC AUC and PR AUC if both classes occur; of probabilities Brier, log loss and calibration."""
        found = {
            "roc_auc": roc_auc(self), "pr_auc": pr_auc(self), "brier": _at_most_one(self.brier.mean()),
            "log_loss": self.log_loss.mean(), "calibration_error": calibration_error.measure(self.bins),
        }  # fmt: skip
        return {name: each for name, each in found.items() if each is not None and each.finite()}

    def curves(self) -> tuple[Array, Array]:
        """Sums of weights of positives and of negatives at or above each cell's score, the highest first."""
        return np.cumsum(self.positives[::-1]), np.cumsum(self.negatives[::-1])


def _at_most_one(found: Measure | None) -> Measure | None:
    if found is None or found.lower is None or found.upper is None:
        return found
    return Measure(found.value, max(0.0, found.lower), min(1.0, found.upper))


def roc_auc(scores: Scores) -> Measure | None:
    """Probability that a positive scores above a negative, ties half; None unless both classes occur.

    Source: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44, 837 (variance); Pepe (2003), The
    Statistical Evaluation of Medical Tests, sec. 5.2.3 (interval on the logit). A perfect separation has no
    variance: there the interval is Wilson's over the smaller class.
    """
    up, down = float(scores.positives.sum()), float(scores.negatives.sum())
    if up <= TINY or down <= TINY:
        return None
    below = (np.cumsum(scores.negatives) - scores.negatives / 2) / down
    above = (up - np.cumsum(scores.positives) + scores.positives / 2) / up
    area = float(scores.positives @ below) / up
    rows = [effective(total, square) for total, square in zip((up, down), scores.squares, strict=True)]
    if min(rows) < 2:
        return Measure(area)
    spread = float(scores.positives @ (below - area) ** 2) / up / (rows[0] - 1)
    spread += float(scores.negatives @ (above - area) ** 2) / down / (rows[1] - 1)
    if 0 < area < 1 and spread > 0:
        return logit_interval(area, math.sqrt(spread))
    return wilson(area * min(rows), min(rows))


def pr_auc(scores: Scores) -> Measure | None:
    """Average precision: precision at each score, weighted by the recall gained there; None for one class.

    Source: Boyd, Eng and Page (2013), ECML PKDD, 451 (interval on the logit); the deviation is that of its
    influence function (Hampel 1974, JASA 69, 383), since the binomial one is too wide for good models.
    """
    up, down = float(scores.positives.sum()), float(scores.negatives.sum())
    if up <= TINY or down <= TINY:
        return None
    hits, alarms = scores.curves()
    gained, others = scores.positives[::-1], scores.negatives[::-1]
    precision = hits / (hits + alarms)
    area = float(gained @ precision) / up
    later = gained / (hits + alarms) ** 2
    of_hit = (precision + np.cumsum((later * alarms)[::-1])[::-1] - area) / up
    of_alarm = -np.cumsum((later * hits)[::-1])[::-1] / up
    deff = [square / total for square, total in zip(scores.squares, (up, down), strict=True)]
    spread = deff[0] * float(gained @ of_hit**2) + deff[1] * float(others @ of_alarm**2)
    return logit_interval(area, math.sqrt(spread), effective(up, scores.squares[0]))
