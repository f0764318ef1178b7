"""The verdict on a table: every feature against its reference, as text, plain values, page or notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelspan.drift.columns import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.drift.compare import FeatureDrift
    from modelspan.drift.multivariate.report import MultivariateReport
    from modelspan.drift.quality.table import QualityFinding

FEW_ROWS = 100
"""Below this many rows a report says that it can't see much."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriftReport:
    """All features of a window against a reference."""

    features: Mapping[str, FeatureDrift]
    score: FeatureDrift | None = None
    prediction: FeatureDrift | None = None
    rows: int
    drifted: bool
    """Whether any feature, the score or the predicted class drifted."""
    reference_rows: int = 0
    model: str = ""
    version: str = ""
    unseen: tuple[str, ...] = ()
    """Columns of the data that the reference does not have: they were not looked at."""
    quality: tuple[QualityFinding, ...] = ()
    """Every check of data quality, those violated first."""
    unchecked: str = ""
    """Why some checks of data quality are off; empty if all are on."""
    multivariate: MultivariateReport | None = None
    """What the rows show beyond single columns, where it was asked for."""

    @property
    def violated(self) -> bool:
        """Whether any check of data quality is violated."""
        return any(each.violated for each in self.quality)

    @property
    def name(self) -> str:
        """The model and its version, or what stands for an unnamed one."""
        return " ".join(filter(None, (self.model, self.version))) or "a model without a name"

    def notes(self) -> list[str]:
        """What a reader should know before believing the numbers."""
        notes = []
        if self.rows < FEW_ROWS:
            notes.append(f"With {self.rows:,} rows only a large drift can be told from chance.")
        gone = [each.feature for each in self.ranked() if each.current_counts[-1] == each.rows]
        if gone:
            notes.append(f"All values are missing in: {listed(gone)}.")
        if self.unseen:
            notes.append(f"Not in the reference, so not looked at: {listed(self.unseen)}.")
        if self.unchecked:
            notes.append(self.unchecked)
        return notes

    def violations(self) -> list[QualityFinding]:
        """The checks of data quality that are violated, the largest change first."""
        return [each for each in self.quality if each.violated]

    def ranked(self) -> list[FeatureDrift]:
        """Features and answers, the largest PSI first."""
        answers = [each for each in (self.score, self.prediction) if each]
        return sorted([*self.features.values(), *answers], key=lambda drift: (-drift.psi, drift.feature))

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON, features in order of the reference."""
        return {
            "model": self.model,
            "version": self.version,
            "rows": self.rows,
            "reference_rows": self.reference_rows,
            "drifted": self.drifted,
            "features": [drift.to_dict() for drift in self.features.values()],
            "score": self.score.to_dict() if self.score else None,
            "prediction": self.prediction.to_dict() if self.prediction else None,
            "unseen": list(self.unseen),
            "violated": self.violated,
            "data_quality": [each.to_dict() for each in self.quality],
            "multivariate": self.multivariate.to_dict() if self.multivariate else None,
        }

    def to_html(self) -> str:
        """The report as a page of its own that needs nothing from outside; with Plotly it has histograms."""
        from modelspan.report.page import page  # noqa: PLC0415 - a server compares, but never draws

        return page(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from modelspan.report.page import notebook  # noqa: PLC0415 - see above

        return notebook(self)

    def __str__(self) -> str:
        ranked = self.ranked()
        width = max([7, *(len(drift.feature) for drift in ranked)])
        verdict = f"{sum(d.drifted for d in ranked)} of {len(ranked)} drifted in {self.rows:,} rows"
        head = f"{'feature':<{width}}  {'psi':>8}  {'ks':>6}  {'js':>6}  {'p-value':>8}  drifted"
        lines = [f"{d.feature:<{width}}  {d.row()}" for d in ranked]
        bad = [f"data quality: {each.said}" for each in self.violations()]
        return "\n".join([verdict, head, *lines, *bad])
