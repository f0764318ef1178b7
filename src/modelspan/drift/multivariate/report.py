"""The multivariate report of one table against another: three views, each with a calibrated p-value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modelspan.drift.coded import take
from modelspan.drift.columns import listed
from modelspan.drift.kinds import column_kind
from modelspan.drift.multivariate.correlation import CorrelationChange, correlation_changes
from modelspan.drift.multivariate.domain import DomainVerdict, domain_classifier
from modelspan.drift.multivariate.reconstruction import Reconstruction, mean_shift_p
from modelspan.drift.sampling import chose_bins
from modelspan.drift.table import read_whole
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.drift.columns import Columns

SAMPLE_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MultivariateReport:
    """What one table shows against another beyond its single columns."""

    rows: tuple[int, int]
    """Sampled rows of reference and current."""
    reconstruction_error: tuple[float, float]
    """Mean error of reference and current, in standard deviations."""
    reconstruction_p_value: float
    domain: DomainVerdict
    correlations: Sequence[CorrelationChange]
    """Pairs of numeric columns, the smallest p-value first."""
    drifted: bool
    """Whether any of the three views found a change, at the false-alarm rate asked for in all."""

    def lines(self) -> list[tuple[str, str, float]]:
        """The three views as people read them: what, how it changed, and its p-value."""
        before, after = self.reconstruction_error
        found = [
            ("reconstruction error", f"{before:.3f} to {after:.3f}", self.reconstruction_p_value),
            ("domain classifier", f"AUC {self.domain.auc:.3f}", self.domain.p_value),
        ]
        for most in self.correlations[:1]:
            name = f"correlation of {most.first} and {most.second}"
            p_value = min(1.0, most.p_value * len(self.correlations))
            found.append((name, f"{most.reference:.3f} to {most.current:.3f}", p_value))
        return found

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "rows": {"reference": self.rows[0], "current": self.rows[1]},
            "drifted": self.drifted,
            "reconstruction": {
                "reference": self.reconstruction_error[0],
                "current": self.reconstruction_error[1],
                "p_value": self.reconstruction_p_value,
            },
            "domain_classifier": {
                "auc": self.domain.auc,
                "p_value": self.domain.p_value,
                "importance": self.domain.importance,
            },
            "correlations": [
                {
                    "first": c.first,
                    "second": c.second,
                    "reference": c.reference,
                    "current": c.current,
                    "p_value": c.p_value,
                }
                for c in self.correlations
            ],
        }


def compare_rows(
    reference: Any,
    current: Any,
    *,
    features: Sequence[str] | None = None,
    false_alarm_rate: float = 0.01,
    sample_rows: int = SAMPLE_ROWS,
    seed: int = 0,
) -> MultivariateReport:
    """Compare two tables in what single histograms cannot show: reconstruction, separability, correlations.

    A third of the false-alarm rate goes to each view, and among correlations a share to each pair, so that
    when nothing drifted the probability of ``drifted`` is at most the rate (Bonferroni).

    Args:
        reference: Rows of the reference, as `Reference.build` takes them. They are needed themselves: the
            small reference file keeps no joint distribution.
        current: Rows to compare, with the same columns.
        features: Columns to look at; all that hold numbers, text or bools by default.
        false_alarm_rate: Probability of ``drifted`` when nothing drifted, in (0, 1).
        sample_rows: The most rows of each table that are looked at, drawn at random; at least 40.
        seed: Of the sample and of the classifier's split.

    Raises:
        ConfigError: If the tables can't be read, share no usable column or have too few rows, or scikit-learn
            is missing.
    """
    if not 0.0 < false_alarm_rate < 1.0:
        raise ConfigError(f"false_alarm_rate={false_alarm_rate} is a probability; set it between 0 and 1")
    before, after = (_sample(data, features, sample_rows, seed) for data in (reference, current))
    _check_columns(before, after)
    learnt = chose_bins(len(next(iter(before.values()))))
    fitted = Reconstruction.fit(_rows(before, learnt))
    errors = fitted.errors(_rows(before, ~learnt)), fitted.errors(after)
    try:
        domain = domain_classifier(before, after, seed=seed)
    except ValueError as few:
        raise ConfigError(str(few)) from few
    correlations = correlation_changes(before, after)
    shift = mean_shift_p(*errors)
    least = min((c.p_value for c in correlations), default=1.0) * len(correlations)
    return MultivariateReport(
        rows=(len(learnt), errors[1].size),
        reconstruction_error=(float(errors[0].mean()), float(errors[1].mean())),
        reconstruction_p_value=shift,
        domain=domain,
        correlations=correlations,
        drifted=min(shift, domain.p_value, least if correlations else 1.0) <= false_alarm_rate / 3,
    )


def _sample(data: Any, features: Sequence[str] | None, most: int, seed: int) -> Columns:
    """At most so many rows, drawn without replacement, of the columns that can be compared."""
    columns, rows = read_whole(data, features)
    names = list(features) if features is not None else list(columns)
    absent = [name for name in names if name not in columns]
    if absent:
        raise ConfigError(f"features={absent} are not in the data; it has {listed(columns)}")
    usable = {name: columns[name] for name in names if column_kind(columns[name]) is not None}
    if rows <= most:
        return usable
    return _rows(usable, np.sort(np.random.default_rng(seed).choice(rows, size=most, replace=False)))


def _rows(columns: Columns, chosen: Any) -> Columns:
    """The chosen rows of every column, by positions or by a mask."""
    return {name: take(values, np.arange(len(values))[chosen]) for name, values in columns.items()}


def _check_columns(before: Columns, after: Columns) -> None:
    absent = [name for name in before if name not in after]
    if absent or not before:
        raise ConfigError(
            f"columns={absent} of the reference are not in the current data, or hold neither numbers nor "
            f"text there; it has {listed(after)}"
        )
