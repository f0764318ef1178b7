"""The verdict on a window: its distances from the reference, its p-value, and both histograms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from modelspan.drift.aligned import Aligned
from modelspan.drift.discovery import benjamini_hochberg
from modelspan.drift.distances import METHODS
from modelspan.drift.homogeneity import chi_squared_tail, two_sample_ps
from modelspan.drift.report import DriftReport
from modelspan.drift.samples import Bins, Samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.drift.feature import Counts, FeatureReference
    from modelspan.drift.quality.table import TableQuality
    from modelspan.drift.reference import Reference

FALSE_DISCOVERY_RATE = 0.01
"""Of a report: drift and data quality share it."""
SMALLEST_PSI = 0.05
P_MARGIN = 0.95
"""Share of a rate at which p-values are judged, since they are approximate: of exact ones the rate would be
used up, and a p-value 2 % too small would exceed it. To be found, a drift needs less than 1 % more rows."""
QUALITY_SHARE = 0.2
"""Share of a false-alarm rate that data quality uses; drift has the rest, so that both together keep it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureDrift:
    """One feature of a window against its reference."""

    feature: str
    kind: str
    """The kind of the reference's feature; score or class for the model's answers."""
    rows: int
    """Rows of the current window."""
    psi: float
    """Population stability index, nats."""
    ks: float
    """Kolmogorov-Smirnov distance at the edges, missing as the largest; total variation without an order."""
    kl: float
    """Kullback-Leibler divergence of current from reference, nats."""
    js: float
    """Jensen-Shannon distance, in [0, 1]."""
    wasserstein: float
    """Mean way of a row in the feature's unit, missing rows aside (0.0 if a side has only those);
    total variation without an order."""
    hellinger: float = 0.0
    """Hellinger distance, in [0, 1]."""
    total_variation: float = 0.0
    """Share of rows that changed bin at least, in [0, 1]."""
    chi2: float = 0.0
    """Pearson's two-sample statistic over all bins; grows with the rows."""
    g: float = 0.0
    """Likelihood-ratio statistic over all bins; grows with the rows."""
    p_value: float
    """Two-sample test of this window alone (`two_sample_ps`): not corrected for other features or windows."""
    labels: tuple[str, ...]
    reference_counts: Counts
    current_counts: Counts
    drifted: bool = False

    def distances(self) -> dict[str, float]:
        """The distances by method, all finite."""
        return {name: getattr(self, name) for name in METHODS}

    def test_p_values(self) -> dict[str, float]:
        """p-values of the statistics `chi2` and `g`, with no bins pooled: too small where bins are rare."""
        freedom = int(np.count_nonzero(self.reference_counts + self.current_counts)) - 1
        tails = chi_squared_tail(np.array([self.chi2, self.g]), np.array([freedom, freedom]))
        return dict(zip(("chi2", "g"), tails.tolist(), strict=True))

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
            **{f"{name}_p_value": value for name, value in self.test_p_values().items()},
            "labels": list(self.labels),
            "reference_counts": self.reference_counts.tolist(),
            "current_counts": self.current_counts.tolist(),
        }


def compare_counts(reference: FeatureReference, current: Counts, *, kind: str | None = None) -> FeatureDrift:
    """The drift of one feature's counts from its reference.

    Args:
        reference: The frozen bins and their reference counts.
        current: Current rows per bin, as `FeatureReference.count` gives them, shape ``(len(labels),)``.
        kind: What to report instead of the reference's own kind: ``"score"`` for the model's score.

    Raises:
        ValueError: If the shapes differ or either side has no rows.
    """
    return compare_all([reference], [current], [kind])[0]


def compare_all(
    references: Sequence[FeatureReference], currents: Sequence[Counts], kinds: Sequence[str | None]
) -> list[FeatureDrift]:
    """The drift of many features' counts from their references, as `compare_counts`."""
    if not references:
        return []
    before, after = np.concatenate([each.counts for each in references]), np.concatenate(currents)
    samples = Samples(before, after, Bins.of(references))
    found = {name: getattr(samples, name).tolist() for name in METHODS}
    aligned = Aligned([each.counts.size for each in references])
    tables = (aligned.matrix([each.counts for each in references]), aligned.matrix(currents))
    p_values = two_sample_ps(*tables, np.array([each.ordered for each in references])).tolist()
    return [
        FeatureDrift(
            feature=reference.name,
            kind=kind or reference.kind,
            rows=int(current.sum()),
            p_value=p_values[position],
            labels=reference.labels,
            reference_counts=reference.counts,
            current_counts=current,
            **{name: values[position] for name, values in found.items()},
        )
        for position, (reference, current, kind) in enumerate(zip(references, currents, kinds, strict=True))
    ]


def report(
    reference: Reference,
    counts: Mapping[str, Counts],
    *,
    rows: int,
    unseen: Sequence[str],
    quality: TableQuality,
) -> DriftReport:
    """The verdict on all features and checks that were counted; `counts` have shape ``(cells, bins)``."""
    kinds = {id(reference.score): "score", id(reference.prediction): "class"}
    held = [each for each in reference.all_features() if each.name in counts]
    sums = {each.name: counts[each.name].sum(axis=0) for each in held}
    drifts = compare_all(
        [each.against(counts[each.name].sum(axis=1)) for each in held],
        list(sums.values()),
        [kinds.get(id(each)) for each in held],
    )
    judged = judge(drifts, (1 - QUALITY_SHARE) * FALSE_DISCOVERY_RATE)
    answers = {each.kind: each for each in judged if each.kind in ("score", "class")}
    return DriftReport(
        features={each.feature: each for each in judged if each.kind not in answers},
        score=answers.get("score"),
        prediction=answers.get("class"),
        rows=rows,
        drifted=any(each.drifted for each in judged),
        reference_rows=reference.rows,
        model=reference.model,
        version=reference.version,
        unseen=tuple(unseen),
        quality=tuple(quality.checked(sums, QUALITY_SHARE * FALSE_DISCOVERY_RATE)),
        unchecked=quality.unchecked,
    )


def judge(drifts: list[FeatureDrift], rate: float) -> list[FeatureDrift]:
    """The drifts with their verdict at the false discovery rate."""
    found = benjamini_hochberg([drift.p_value for drift in drifts], P_MARGIN * rate).tolist()
    return [
        replace(drift, drifted=discovered and drift.psi >= SMALLEST_PSI)
        for drift, discovered in zip(drifts, found, strict=True)
    ]
