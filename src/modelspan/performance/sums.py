"""All that performance needs of a set of rows: sums that add over windows, segments' rows and replicas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from modelspan.performance.confusion import Confusion
from modelspan.performance.errors import Errors
from modelspan.performance.lags import Lags
from modelspan.performance.measure import Measure, wilson
from modelspan.performance.multiclass import Probabilities
from modelspan.performance.scores import Scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelspan.outcome import JoinedRow

_POSITIVE: Final = ({"0", "1"}, {"False", "True"}, {"false", "true"}, {"no", "yes"}, {"negative", "positive"})
_FEW: Final = 6
"""Scores of so many rows of each of two classes do not overlap by chance once in 462 times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a set of rows is measured by."""

    positive: str | None = None
    """The class that precision, recall and scores are about; None for more than two classes."""
    classes: tuple[str, ...] = ()
    """All classes, when they were declared; another true class is an error, and has no place in a ranking."""
    beta: float = 2.0
    quantiles: tuple[float, ...] = ()
    """Of the pinball loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Counts of rows and the sums of each kind of measure."""

    predictions: int = 0
    outcomes: int = 0
    mismatched: int = 0
    """Outcomes of another kind than the prediction: a text for a value, or none where one was predicted."""
    confusion: Confusion = field(default_factory=Confusion)
    predicted: Confusion = field(default_factory=Confusion)
    """Predicted classes of all rows, those without outcome too, as pairs of a class with itself."""
    scores: Scores = field(default_factory=Scores)
    errors: Errors = field(default_factory=Errors)
    lags: Lags = field(default_factory=Lags)
    probabilities: Probabilities = field(default_factory=Probabilities)
    """Of models of more than two classes, where they are kept."""

    @classmethod
    def of(cls, rows: Sequence[JoinedRow], options: Options) -> Sums:
        """The sums of these rows."""
        known = [row for row in rows if row.known]
        classified = [(row, truth) for row in known if (truth := true_label(row)) is not None]
        measured = [(row, real) for row in known if (real := true_value(row)) is not None]
        labels = [row.label for row in rows if row.label is not None]
        return cls(
            predictions=len(rows),
            outcomes=len(known),
            mismatched=len(known) - len(classified) - len(measured),
            confusion=Confusion.of([t for _, t in classified], [row.label or "" for row, _ in classified],
                                   [row.weight for row, _ in classified]),
            predicted=Confusion.of(labels, labels, [1.0] * len(labels)),
            scores=_scores(classified, options),
            errors=_errors(measured, options),
            lags=Lags.of(np.array([((r.outcome_ns or 0) - r.predicted_ns) / 1e9 for r in known])),
            probabilities=Probabilities.of(classified),
        )  # fmt: skip

    def __add__(self, other: Sums) -> Sums:
        return self._join(other, 1)

    def __sub__(self, other: Sums) -> Sums:
        return self._join(other, -1)

    def _join(self, other: Sums, sign: int) -> Sums:
        def join(name: str) -> object:
            mine, theirs = getattr(self, name), getattr(other, name)
            return mine + theirs if sign > 0 else mine - theirs

        return Sums(**{name: join(name) for name in self.__slots__})  # type: ignore[arg-type]  # its own fields

    @property
    def coverage(self) -> Measure | None:
        """Share of the predictions whose outcome is known; None without predictions."""
        return wilson(self.outcomes, self.predictions)

    def measures(self, options: Options) -> dict[str, Measure]:
        """Every measure that is defined, by name; without outcomes none, and never NaN."""
        found = self.confusion.measures(options.positive, options.beta)
        if options.positive is not None or not found:
            found |= self.scores.measures()
        return found | self.probabilities.measures() | self.errors.measures()


def true_label(row: JoinedRow) -> str | None:
    """The true class of a row with a predicted class; a whole number told as 1.0 is the class 1."""
    if row.label is None:
        return None
    if row.outcome_label is not None:
        return row.outcome_label
    value = row.outcome_value
    return str(int(value)) if value is not None and value.is_integer() else None


def true_value(row: JoinedRow) -> float | None:
    """The true value of a row with a predicted value; text that is a number is that number."""
    if row.value is None or row.label is not None:
        return None
    if row.outcome_value is not None:
        return row.outcome_value
    try:
        value = float(row.outcome_label or "")
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def positive_class(rows: Iterable[JoinedRow]) -> str | None:
    """The second of two declared classes; else the usual one of a known pair; else that of the higher scores.

    None when there are more classes, or when only one was seen. Two predicted classes that a limit of the
    score separates are all the model knows, whatever else came true: of more classes, scores of the chosen
    one overlap, unless there are few.
    """
    scores: dict[str, list[float]] = {}
    labels: set[str] = set()
    for row in rows:
        if row.classes or row.task == "multiclass":
            return row.classes[1] if len(row.classes) == 2 else None
        labels |= {each for each in (row.label, row.outcome_label) if each is not None}
        if row.label is not None and row.score is not None:
            scores.setdefault(row.label, []).append(row.score)
    for pair in _POSITIVE:
        if labels and labels <= pair:
            return max(pair)
    if len(scores) != 2:
        return None
    low, high = sorted(scores, key=lambda label: sum(scores[label]) / len(scores[label]))
    apart = min(map(len, scores.values())) >= _FEW and max(scores[low]) < min(scores[high])
    return high if len(labels) == 2 or apart else None


def _scores(classified: Sequence[tuple[JoinedRow, str]], options: Options) -> Scores:
    if options.positive is None:
        return Scores()
    rows = [
        (row.score, truth == options.positive, row.weight)
        for row, truth in classified
        if row.score is not None and (not options.classes or truth in options.classes)
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return Scores.of(table[:, 0], table[:, 1] > 0, table[:, 2])


def _errors(measured: Sequence[tuple[JoinedRow, float]], options: Options) -> Errors:
    if not measured:
        return Errors()
    table = np.array([(row.value, truth, row.weight) for row, truth in measured], dtype=np.float64)
    return Errors.of(table[:, 0], table[:, 1], table[:, 2], options.quantiles)
