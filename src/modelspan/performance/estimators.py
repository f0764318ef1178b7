"""What tells performance before outcomes come, whichever kind of model it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from modelspan.performance.estimate import Estimator
from modelspan.performance.loss_estimator import KIND, LossEstimator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.outcome import JoinedRow
    from modelspan.performance.evidence import Evidence
    from modelspan.performance.sums import Sums


class Expecting(Protocol):
    """Sums with what is expected of rows, and what speaks against it."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why not to trust it, known from the reference already."""

    def expect(self, rows: Sequence[JoinedRow]) -> Sums:
        """Sums with expected outcomes or errors."""

    def judge(self, rows: Sequence[JoinedRow]) -> Evidence:
        """What rows say about the estimate."""

    def document(self) -> dict[str, Any]:
        """As it stands in a file."""


def from_document(document: Mapping[str, Any]) -> Expecting:
    """What `document` gave."""
    kind = LossEstimator if document.get("kind") == KIND else Estimator
    return kind.from_document(document)
