"""A prediction and, once it is known, its outcome: what the store keeps and performance is computed from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExpectedLoss(NamedTuple):
    """What a loss model expected of a regression's row when it was predicted."""

    absolute: float
    squared: float
    beyond: bool = False
    """Whether the loss model has never seen such a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedRow:
    """One predicted row; its outcome stands beside it as soon as it has joined."""

    prediction_id: str
    """`<32 hex>-<16 hex>`: trace id and span id of the call."""
    row: int = 0
    """Position of the row in its call, from 0."""
    key: str = ""
    """Keyed hash of its business key, 32 hex digits; empty without one."""
    model: str
    version: str = ""
    variant: str = ""
    operation: str = ""
    task: str = ""
    """binary, multiclass, regression, or empty when unknown."""
    classes: tuple[str, ...] = ()
    """Class labels in the order of the model's probability columns, when they were declared."""
    predicted_ns: int
    """When the prediction was made, Unix time in nanoseconds."""
    label: str | None = None
    """Predicted class."""
    value: float | None = None
    """Predicted value, finite."""
    score: float | None = None
    """Probability of the second class of two, or of the chosen one of many; finite."""
    probabilities: Mapping[str, float] | None = None
    """Probability by class, for models of more than two."""
    expected_loss: ExpectedLoss | None = None
    """With a `LossModel` as `monitor(estimate=…)`."""
    segments: Mapping[str, str] = field(default_factory=dict)
    """Values of the features that `monitor(segments=…)` names."""
    outcome_label: str | None = None
    """True class."""
    outcome_value: float | None = None
    """True value, finite."""
    weight: float = 1.0
    """Weight of the row, as `feedback` was told; finite, above 0."""
    outcome_ns: int | None = None
    """When the outcome became known, Unix time in nanoseconds; None while there is none."""

    @property
    def known(self) -> bool:
        """Whether it has an outcome."""
        return self.outcome_ns is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of one row, in the order of commits: add what `after` gives, take away what `before` gave.

    A new prediction has no `before` and an `after` without outcome; a join has both, the second with its
    outcome; a correction has two with outcomes, of which the first is superseded.
    """

    position: int
    """Grows with every change; read on after it."""
    before: JoinedRow | None
    after: JoinedRow
