"""How good predicted values were, once the outcomes are known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def summarize(predicted: Sequence[float], outcomes: Sequence[float]) -> dict[str, float]:
    """Mean absolute error, root mean squared error and the coefficient of determination.

    Args:
        predicted: Predicted values, one per row.
        outcomes: True values of the same rows, in the same unit. Rows with a value that is not finite are
            left out.

    Returns:
        By name: mae and rmse in the unit of the outcome, r2 at most 1. What is undefined is absent, never NaN
        or infinite: everything for no rows, r2 for outcomes that are all equal.

    Raises:
        ValueError: If the lengths differ.

    Source: Draper and Smith (1998), Applied Regression Analysis, eq. 1.3.6 (R squared about the mean).
    """
    if len(predicted) != len(outcomes):
        raise ValueError(
            f"predicted and outcomes need one entry per row, got {len(predicted)} and {len(outcomes)}"
        )
    guess, truth = np.asarray(predicted, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        error = guess - truth
        known = np.isfinite(error)
        summary = _errors(error[known], truth[known]) if known.any() else {}
    return {name: value for name, value in summary.items() if math.isfinite(value)}


def _errors(
    error: np.ndarray[tuple[int], np.dtype[np.float64]], truth: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> dict[str, float]:
    """The measures of at least one finite row."""
    squares = float(np.square(error).sum())
    summary = {"mae": float(np.abs(error).mean()), "rmse": math.sqrt(squares / error.size)}
    spread = float(np.square(truth - truth.mean()).sum())
    if truth.min() < truth.max() and spread > 0:
        summary["r2"] = 1.0 - squares / spread
    return summary
