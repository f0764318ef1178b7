"""The verdict on a window: its distances from the reference, its p-value, and both histograms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelspan.drift import distances
from modelspan.drift.homogeneity import two_sample_p

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.drift.feature import Counts, FeatureReference


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureDrift:
    """One feature of a window against its reference."""

    feature: str
    kind: str
    """numeric, categorical or score."""
    rows: int
    """Rows of the current window."""
    psi: float
    """Population stability index, nats."""
    ks: float
    """Kolmogorov-Smirnov distance at the edges, missing as the largest; total variation if categorical."""
    kl: float
    """Kullback-Leibler divergence of current from reference, nats."""
    js: float
    """Jensen-Shannon distance, in [0, 1]."""
    wasserstein: float
    """Mean way of a row in the feature's unit, missing rows aside (0.0 if a side has only those);
    total variation if categorical."""
    p_value: float
    """Two-sample test of this window alone (`two_sample_p`): not corrected for other features or windows."""
    labels: tuple[str, ...]
    reference_counts: Counts
    current_counts: Counts
    drifted: bool = False

    def distances(self) -> dict[str, float]:
        """The distances by method, all finite."""
        return {name: getattr(self, name) for name in ("psi", "ks", "kl", "js", "wasserstein")}

    def row(self) -> str:
        """The cells of a printed report after the name: psi, ks, js, p-value, drifted."""
        cells = f"{self.psi:8.4f}  {self.ks:6.3f}  {self.js:6.3f}  {self.p_value:8.1e}"
        return f"{cells}  yes" if self.drifted else cells

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "feature": self.feature,
            "kind": self.kind,
            "rows": self.rows,
            "drifted": self.drifted,
            "p_value": self.p_value,
            **self.distances(),
            "labels": list(self.labels),
            "reference_counts": self.reference_counts.tolist(),
            "current_counts": self.current_counts.tolist(),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriftReport:
    """All features of a window against a reference."""

    features: Mapping[str, FeatureDrift]
    score: FeatureDrift | None
    rows: int
    drifted: bool
    """Whether any feature or the score drifted."""

    def ranked(self) -> list[FeatureDrift]:
        """Features and score, the largest PSI first."""
        everything = [*self.features.values(), *([self.score] if self.score else [])]
        return sorted(everything, key=lambda drift: (-drift.psi, drift.feature))

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON, features in order of the reference."""
        return {
            "rows": self.rows,
            "drifted": self.drifted,
            "features": [drift.to_dict() for drift in self.features.values()],
            "score": self.score.to_dict() if self.score else None,
        }

    def __str__(self) -> str:
        ranked = self.ranked()
        width = max([7, *(len(drift.feature) for drift in ranked)])
        verdict = f"{sum(d.drifted for d in ranked)} of {len(ranked)} drifted in {self.rows:,} rows"
        head = f"{'feature':<{width}}  {'psi':>8}  {'ks':>6}  {'js':>6}  {'p-value':>8}  drifted"
        lines = [f"{d.feature:<{width}}  {d.row()}" for d in ranked]
        return "\n".join([verdict, head, *lines])


def compare_counts(reference: FeatureReference, current: Counts, *, kind: str | None = None) -> FeatureDrift:
    """The drift of one feature's counts from its reference.

    Args:
        reference: The frozen bins and their reference counts.
        current: Current rows per bin, as `FeatureReference.count` gives them, shape ``(len(labels),)``.
        kind: What to report instead of the reference's own kind: ``"score"`` for the model's score.

    Raises:
        ValueError: If the shapes differ or either side has no rows.
    """
    before = reference.counts
    numeric = reference.kind == "numeric"
    apart = 0.0 if numeric else distances.total_variation(before, current)
    return FeatureDrift(
        feature=reference.name,
        kind=kind or reference.kind,
        rows=int(current.sum()),
        psi=distances.psi(before, current),
        ks=distances.ks(before, current) if numeric else apart,
        kl=distances.kl(before, current),
        js=distances.jensen_shannon(before, current),
        wasserstein=_moved(reference, current) if numeric else apart,
        p_value=two_sample_p(before, current, ordered=numeric),
        labels=reference.labels,
        reference_counts=before,
        current_counts=current,
    )


def _moved(reference: FeatureReference, current: Counts) -> float:
    """Wasserstein distance of the values that are there; 0.0 when one side has none."""
    before, after = reference.counts[:-1], current[:-1]
    if not (reference.edges.size and before.any() and after.any()):
        return 0.0
    way = distances.wasserstein(before, after, distances.bin_positions(reference.edges))
    return way if math.isfinite(way) else 0.0
