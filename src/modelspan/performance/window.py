"""What is kept of one window of prediction time: realised sums, expected ones, and evidence about those."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from modelspan.performance.documents import from_json, to_json
from modelspan.performance.evidence import Evidence
from modelspan.performance.sums import Options, Sums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.outcome import JoinedRow
    from modelspan.performance.estimators import Expecting
    from modelspan.performance.measure import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Sums of the rows of a window, of a segment's share of it, or of several windows together."""

    sums: Sums = field(default_factory=Sums)
    expected: Sums = field(default_factory=Sums)
    """Of all predictions, with and without outcome, by the estimator; empty without one."""
    evidence: Evidence = field(default_factory=Evidence)

    @classmethod
    def of(cls, rows: Sequence[JoinedRow], options: Options, estimator: Expecting | None) -> Window:
        """The sums of these rows."""
        sums = Sums.of(rows, options)
        if estimator is None:
            return cls(sums=sums)
        return cls(sums=sums, expected=estimator.expect(rows), evidence=estimator.judge(rows))

    def __add__(self, other: Window) -> Window:
        return Window(
            sums=self.sums + other.sums,
            expected=self.expected + other.expected,
            evidence=self.evidence + other.evidence,
        )

    def __sub__(self, other: Window) -> Window:
        return Window(
            sums=self.sums - other.sums,
            expected=self.expected - other.expected,
            evidence=self.evidence - other.evidence,
        )

    def estimated(self, options: Options) -> dict[str, Measure]:
        """The measures that are expected; empty without an estimator."""
        return self.expected.measures(options) if self.expected.predictions else {}

    def to_json(self) -> str:
        """For the store."""
        parts = {
            "sums": to_json(self.sums),
            "expected": to_json(self.expected) if self.expected.predictions else None,
            "evidence": asdict(self.evidence),
        }
        return json.dumps(parts, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Window:
        """What `to_json` wrote.

        Raises:
            ValueError: If it is not that.
        """
        parts = json.loads(text)
        expected = parts["expected"]
        return cls(
            sums=from_json(parts["sums"]),
            expected=from_json(expected) if expected else Sums(),
            evidence=_evidence(parts["evidence"]),
        )


def _evidence(stored: Mapping[str, float]) -> Evidence:
    """An older modelspan has called the rows scores."""
    renamed = {"rows" if name == "scores" else name: value for name, value in stored.items()}
    return Evidence(**renamed)  # type: ignore[arg-type]  # numbers of ours
