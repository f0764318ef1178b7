"""Reconstruction error of a principal component analysis: rows that break the reference's correlations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from modelspan.drift.multivariate.matrix import Column, Matrix, encode, learn_columns

if TYPE_CHECKING:
    from modelspan.drift.columns import Columns

EXPLAINED = 0.65


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reconstruction:
    """A frozen encoding, scaling and subspace; how far rows lie from that subspace is their error."""

    encoding: list[Column]
    means: Matrix
    """Shape ``(columns,)``."""
    scales: Matrix
    """Standard deviations, shape ``(columns,)``; 1 where a column is constant."""
    components: Matrix
    """Orthonormal directions, shape ``(kept, columns)``."""

    @classmethod
    def fit(cls, columns: Columns, *, explained: float = EXPLAINED) -> Reconstruction:
        """The subspace that holds more than a share of the variance of the standardised columns.

        Args:
            columns: Values by name, all of one length of at least 2. Missing numbers become the mean, missing
                categories the most frequent one, and categories their share of the rows.
            explained: Share of the variance to keep, in (0, 1). With one column, or if everything is
                constant, nothing is lost and every error of the same rows is 0.

        Raises:
            ValueError: If `explained` is not in (0, 1) or no column can be encoded.

        Source: Jolliffe (2002), Principal Component Analysis, 2nd ed., sec. 6.1.1. The error as a measure of
        drift: NannyML, "Data Reconstruction with PCA"; tests/test_drift_multivariate.py reproduces the values
        published there.
        """
        if not 0.0 < explained < 1.0:
            raise ValueError(f"explained={explained} is a share of the variance; set it between 0 and 1")
        encoding = learn_columns(columns)
        if not encoding:
            raise ValueError(f"columns={list(columns)} hold neither numbers nor text; pass one that does")
        rows = encode(columns, encoding)
        means, scales = rows.mean(axis=0), rows.std(axis=0)
        scales = np.where(scales > 0, scales, 1.0)
        scaled = (rows - means) / scales
        # The eigenvectors of the small covariance matrix are the components, whatever the number of rows.
        variances, directions = np.linalg.eigh(scaled.T @ scaled / len(scaled))
        shares = np.cumsum(variances[::-1]) / max(float(variances.sum()), np.finfo(float).tiny)
        kept = min(int(np.searchsorted(shares, explained, side="right")) + 1, len(encoding))
        return cls(
            encoding=encoding, means=means, scales=scales, components=directions[:, ::-1][:, :kept].T.copy()
        )

    def errors(self, columns: Columns) -> Matrix:
        """Euclidean distance of each row from the subspace, in standard deviations, shape ``(rows,)``.

        Raises:
            KeyError: If a column of the fit is missing.
        """
        scaled = (encode(columns, self.encoding) - self.means) / self.scales
        lost = scaled - (scaled @ self.components.T) @ self.components
        return np.asarray(np.linalg.norm(lost, axis=1))


def mean_shift_p(reference: Matrix, current: Matrix) -> float:
    """p-value of Welch's test that two samples have one mean; 1.0 below two values or without any spread.

    Source: Welch (1947), Biometrika 34, 28-35.
    """
    if min(reference.size, current.size) < 2:
        return 1.0
    spread = reference.var(ddof=1) / reference.size + current.var(ddof=1) / current.size
    if not spread > 0.0:
        return 1.0 if reference[0] == current[0] else 0.0
    p_value = float(stats.ttest_ind(reference, current, equal_var=False).pvalue)
    return p_value if math.isfinite(p_value) else 1.0
