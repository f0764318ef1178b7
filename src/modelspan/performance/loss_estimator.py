"""Errors of a regression before outcomes are known: sums of what a loss model expected of each row.

DLE, direct loss estimation: the model of `loss.py` says of each row, when it is predicted, which absolute and
squared error is to be expected. Here these are added up, by the same sums and measures as realised errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.performance.errors import Errors
from modelspan.performance.evidence import Evidence
from modelspan.performance.moments import Moments
from modelspan.performance.sums import Sums, true_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.outcome import JoinedRow
    from modelspan.performance.measure import Array

KIND: Final = "loss"
"""Tells its document from that of an `Estimator`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossEstimator:
    """What is known of a loss model's reference, for those who add up what it expects."""

    ratios: tuple[float, float, float]
    """Mean of |error|³, error⁴ and error⁶ over that of the expected squared error to the power 1.5, 2 and 3:
    how errors scatter about what is expected of them; 1.6, 3 and 15 if they are normal."""
    doubts: tuple[str, ...] = ()
    """Why not to trust it, known from the reference already."""

    def expect(self, rows: Sequence[JoinedRow]) -> Sums:
        """Sums with expected errors; rows of which nothing is expected are left out."""
        absolute, squared = _expected(rows)
        cubed, fourth, sixth = (
            ratio * float((squared**power).sum())
            for ratio, power in zip(self.ratios, (1.5, 2.0, 3.0), strict=True)
        )
        count, square = float(len(absolute)), float(squared.sum())
        return Sums(
            predictions=len(absolute),
            outcomes=len(absolute),
            errors=Errors(
                absolute=Moments((count, count, float(absolute.sum()), square, cubed)),
                squared=Moments((count, count, square, fourth, sixth)),
            ),
        )

    def judge(self, rows: Sequence[JoinedRow]) -> Evidence:
        """What rows say about the estimate: of those with outcomes whether errors are as expected."""
        expected = [row.expected_loss for row in rows if row.expected_loss is not None]
        known = [row for row in rows if row.expected_loss is not None and true_value(row) is not None]
        absolute, squared = _expected(known)
        errors = np.array([abs((true_value(row) or 0.0) - (row.value or 0.0)) for row in known])
        return Evidence(
            rows=len(expected),
            outside=sum(each.beyond for each in expected),
            surprise=float((errors - absolute).sum()),
            variance=float((squared - absolute**2).sum()),
            expected=float(absolute.sum()),
        )

    def document(self) -> dict[str, Any]:
        """As it stands in a file."""
        return {"kind": KIND, "ratios": list(self.ratios), "doubts": list(self.doubts)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> LossEstimator:
        """What `document` gave."""
        cubed, fourth, sixth = document["ratios"]
        return cls(ratios=(float(cubed), float(fourth), float(sixth)), doubts=tuple(document["doubts"]))


def _expected(rows: Sequence[JoinedRow]) -> tuple[Array, Array]:
    """Expected absolute and squared errors of the rows that have them."""
    found = [row.expected_loss[:2] for row in rows if row.expected_loss is not None]
    table = np.array(found, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
