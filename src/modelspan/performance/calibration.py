"""Scores to probabilities: fitted on the reference, kept as a few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from modelspan.errors import ConfigError
from modelspan.performance import special

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.performance.measure import Array

Method = Literal["none", "isotonic", "platt"]
_CLIP: Final = 1e-6
_SPLITS: Final = 10
_MANY: Final = 1000
"""With fewer rows isotonic regression follows their noise (Niculescu-Mizil and Caruana 2005, ICML, 625)."""
_BINS: Final = 10
_SEPARATED: Final = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A monotone map from score to probability of the positive class."""

    method: Method = "none"
    knots: tuple[tuple[float, float], ...] = ()
    """Of isotonic: score and probability at the corners; between them it is linear, beyond them constant."""
    slope: float = 1.0
    """Of Platt: the probability is the logistic function of slope · log odds of the score + intercept."""
    intercept: float = 0.0

    @classmethod
    def fit(cls, scores: Array, positive: Array, method: str = "auto") -> Calibration:
        """The map that turns these scores into probabilities.

        Args:
            scores: Shape (rows,), in [0, 1].
            positive: Shape (rows,), 1 where the positive class came true, else 0.
            method: `isotonic`, `platt`, `none`, or `auto`: isotonic if it lowers the calibration error of
                rows it has not seen, else none; below 1,000 rows Platt.

        Raises:
            ConfigError: If scikit-learn is missing, the method is unknown, or a score is no probability.

        Source: Zadrozny and Elkan (2002), KDD, 694 (isotonic); Platt (1999), Advances in Large Margin
        Classifiers, 61; Bialek et al. (2024), arXiv 2401.08348 (when to calibrate).
        """
        if not (scores.size and scores.min() >= 0 and scores.max() <= 1):  # NaN fails as well
            raise ConfigError("scores of the reference must be probabilities from 0 to 1, at least one")
        if method == "auto":
            if len(scores) < _MANY:
                return _platt(scores, positive)  # of two numbers, so it follows no noise
            return _isotonic(scores, positive) if _gains(scores, positive) else cls()
        made = {"isotonic": _isotonic, "platt": _platt, "none": lambda *_: cls()}
        if method not in made:
            raise ConfigError(f"method={method!r:.40} is unknown; use auto, isotonic, platt or none")
        return made[method](scores, positive)

    def __call__(self, scores: Array) -> Array:
        """Probabilities for these scores; NaN stays NaN."""
        if self.method == "isotonic":
            at, probability = np.array(self.knots).T
            chance: Array = np.interp(scores, at, probability)
            return chance
        if self.method == "platt":
            return _logistic(self.slope * _log_odds(scores) + self.intercept)
        return np.clip(scores, 0.0, 1.0)

    def document(self) -> dict[str, Any]:
        """As it stands in a file."""
        knots = [list(knot) for knot in self.knots]
        return {"method": self.method, "knots": knots, "slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Calibration:
        """What `document` gave."""
        knots = tuple((float(score), float(chance)) for score, chance in document["knots"])
        return cls(
            method=document["method"],
            knots=knots,
            slope=float(document["slope"]),
            intercept=float(document["intercept"]),
        )


def _log_odds(scores: Array) -> Array:
    safe = np.clip(scores, _CLIP, 1 - _CLIP)
    odds: Array = np.log(safe / (1 - safe))
    return odds


def _logistic(x: Array) -> Array:
    chance: Array = special.expit(x)
    return chance


def _sklearn(module: str) -> Any:
    import importlib  # noqa: PLC0415 - only fitting needs it

    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError:
        raise ConfigError("calibration needs scikit-learn; pip install 'modelspan[estimate]'") from None


def _isotonic(scores: Array, positive: Array) -> Calibration:
    fitted = _sklearn("isotonic").IsotonicRegression(out_of_bounds="clip").fit(scores, positive)
    corners = zip(fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist(), strict=True)
    return Calibration(method="isotonic", knots=tuple(corners))


def _platt(scores: Array, positive: Array) -> Calibration:
    if positive.min() == positive.max():
        return Calibration()
    model = _sklearn("linear_model").LogisticRegression(C=math.inf, max_iter=1000)
    fitted = model.fit(_log_odds(scores).reshape(-1, 1), positive)
    return Calibration(method="platt", slope=float(fitted.coef_[0, 0]), intercept=float(fitted.intercept_[0]))


def _gains(scores: Array, positive: Array) -> bool:
    """Whether calibration lowers the calibration error of held-out rows."""
    if (
        np.unique(positive).size < 2
        or np.unique(scores).size < 2
        or np.bincount(positive.astype(int)).min() < 2
    ):
        return False
    if _sklearn("metrics").roc_auc_score(positive, scores) > _SEPARATED:
        return False
    splitter = _sklearn("model_selection").StratifiedShuffleSplit(_SPLITS, test_size=0.1, random_state=42)
    held = [
        (positive[test], scores[test], _isotonic(scores[train], positive[train])(scores[test]))
        for train, test in splitter.split(scores, positive)
    ]
    truth, plain, fitted = (np.concatenate(part) for part in zip(*held, strict=True))
    return _error(truth, plain) > _error(truth, fitted)


def _error(truth: Array, scores: Array) -> float:
    """Calibration error over bins of equal numbers of rows."""
    order = np.argsort(scores, kind="stable")
    pairs = zip(np.array_split(truth[order], _BINS), np.array_split(scores[order], _BINS), strict=True)
    return sum(abs(float((t - s).sum())) for t, s in pairs) / len(truth)
