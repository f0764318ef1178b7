"""A loss model: learns from a reference which errors a regression makes where, and expects them of new rows.

Nothing of it is written to disk: make it when the service starts, from the reference data.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.drift import openmp
from modelspan.drift.coded import plain
from modelspan.drift.table import read_whole
from modelspan.drift.values import number
from modelspan.errors import ConfigError
from modelspan.outcome import ExpectedLoss
from modelspan.performance.loss_columns import Column
from modelspan.performance.loss_estimator import LossEstimator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from modelspan.performance.measure import Array

FEW_ROWS: Final = 500
FEWEST_ROWS: Final = 20
_BINS: Final = 10
WORST_ERROR: Final = 0.1
"""Share of the mean error by which expectations of held-out rows are surely off: they say too little."""
_LARGEST: Final = 1e30
_MISSING: Final = "a loss model needs scikit-learn; pip install 'modelspan[estimate]'"


class LossModel:
    """Two regressors, of the absolute and of the squared error, over the features and the prediction."""

    def __init__(
        self, columns: Sequence[Column], regressors: Sequence[Any], scales: Array, estimator: LossEstimator
    ) -> None:
        self._columns = columns
        self._regressors = regressors
        self._scales = scales
        self._pools = openmp.pools()
        self.estimator = estimator

    @classmethod
    def fit(
        cls,
        data: Any,
        *,
        prediction: str,
        target: str,
        features: Sequence[str] = (),
        regressor: Any = None,
    ) -> LossModel:
        """Learn from rows with outcomes that the monitored model has not been trained on.

        Args:
            data: The reference: data frame, mapping of columns, or path of a .csv or .parquet file; one row
                for each prediction. Rows without a finite prediction and target are left out.
            prediction: Column with what the monitored model predicted.
            target: Column with what came true.
            features: Columns that the monitored function is called with, by their names there. Default: all
                others.
            regressor: Any scikit-learn regressor that takes NaN, not fitted; cloned for each loss. Default:
                histogram gradient boosting with Poisson loss, whose mean is right and never negative.

        Raises:
            ConfigError: If scikit-learn is missing, a column is missing, fewer than 20 rows are left, or
                every prediction is exact.

        Source: NannyML, "Direct Loss Estimation (DLE)",
        https://nannyml.readthedocs.io/en/stable/how_it_works/performance_estimation.html
        """
        columns, predicted, loss = _rows(data, prediction, target, features)
        table = np.column_stack([*(each.read(cells)[0] for each, cells in columns), predicted])
        made = [each for each, _ in columns] + [_of_prediction(predicted)]
        kinds = [bool(each.levels) for each in made]
        scales = loss.mean(axis=0)
        _new(regressor, kinds)  # loads scikit-learn, before its threads are looked for
        new: Callable[[], Any] = lambda: _new(regressor, kinds)  # noqa: E731 - a factory
        with openmp.one_thread(openmp.pools()):
            ratios, doubts = _check(new, table, loss, scales)
            regressors = [new().fit(table, each / scale) for each, scale in zip(loss.T, scales, strict=True)]
        return cls(made, regressors, scales, LossEstimator(ratios=ratios, doubts=doubts))

    def expect(
        self, features: Mapping[str, Sequence[object]], predicted: Sequence[float]
    ) -> list[ExpectedLoss]:
        """What is to be expected of rows.

        Args:
            features: Values by feature, each as long as `predicted`; one left out is missing in all rows.
            predicted: Predicted values, finite.
        """
        nothing = [None] * len(predicted)
        read = [each.read(features.get(each.name, nothing)) for each in self._columns[:-1]]
        read.append(self._columns[-1].read(predicted))
        with openmp.one_thread(self._pools):
            columns = _predict(self._regressors, np.column_stack([cells for cells, _ in read]), self._scales)
        beyond = np.any([outside for _, outside in read], axis=0)
        return [ExpectedLoss(*each) for each in zip(*columns.T.tolist(), beyond.tolist(), strict=True)]


def _rows(
    data: Any, prediction: str, target: str, features: Sequence[str]
) -> tuple[list[tuple[Column, list[Any]]], Array, Array]:
    """Each feature with its values, predictions, and the two losses with shape (rows, 2)."""
    given, _ = read_whole(data)
    names = list(features) or [name for name in given if name not in (prediction, target)]
    if missing := [name for name in (prediction, target, *names) if name not in given]:
        raise ConfigError(f"data has no column {missing[0]!r}; it has {', '.join(given)[:300]}")
    predicted, truth = (
        np.array([number(cell) for cell in plain(given[name])], dtype=np.float64)
        for name in (prediction, target)
    )
    error = np.abs(truth - predicted)
    known = np.isfinite(predicted) & (error < _LARGEST)  # False for NaN
    if known.sum() < FEWEST_ROWS:
        raise ConfigError(
            f"data has {known.sum()} rows with numbers in {prediction!r} and {target!r}; "
            f"a loss model needs {FEWEST_ROWS} at least"
        )
    if not error[known].any():
        raise ConfigError(f"every {prediction!r} equals its {target!r}; pass predictions of unseen rows")
    columns = []
    for name in names:
        cells = [cell for cell, good in zip(plain(given[name]), known.tolist(), strict=True) if good]
        columns.append((Column.of(name, cells), cells))
    return columns, predicted[known], np.column_stack([error[known], error[known] ** 2])


def _of_prediction(predicted: Array) -> Column:
    return Column(name="", lower=float(predicted.min()), upper=float(predicted.max()))


def _new(regressor: Any, kinds: Sequence[bool]) -> Any:
    """A regressor that is not fitted."""
    try:
        from sklearn.base import clone  # noqa: PLC0415 - an extra
        from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - as above
    except ImportError:
        raise ConfigError(_MISSING) from None
    if regressor is not None:
        return clone(regressor)
    return HistGradientBoostingRegressor(loss="poisson", categorical_features=list(kinds), random_state=0)


def _predict(regressors: Sequence[Any], table: Array, scales: Array) -> Array:
    """Expected losses, shape (rows, 2); a squared error is never below the square of the absolute one."""
    found = np.column_stack([np.asarray(each.predict(table), dtype=np.float64) for each in regressors])
    found = np.maximum(np.nan_to_num(found), 0.0) * scales
    found[:, 1] = np.maximum(found[:, 1], found[:, 0] ** 2)
    return found


def _check(new: Callable[[], Any], table: Array, loss: Array, scales: Array) -> tuple[Any, tuple[str, ...]]:
    """How errors scatter about expectations of rows that were held out, and what speaks against them."""
    held = np.empty_like(loss)
    odd = np.arange(len(loss)) % 2 > 0
    for rest, fitted in ((odd, ~odd), (~odd, odd)):
        pair = [new().fit(table[fitted], column[fitted] / scale)
                for column, scale in zip(loss.T, scales, strict=True)]  # fmt: skip
        held[rest] = _predict(pair, table[rest], scales)
    squared = held[:, 1]
    ratios = [
        float((loss[:, 0] ** (2 * power)).mean() / max((squared**power).mean(), 1 / _LARGEST))
        for power in (1.5, 2.0, 3.0)
    ]
    found = []
    if len(loss) < FEW_ROWS:
        found.append(f"the reference is small: {len(loss)} rows; {FEW_ROWS} are needed")
    off = _surely_off(held[:, 0], loss[:, 0])
    if off > WORST_ERROR:
        found.append(f"expected errors of held-out rows are off by {off:.0%} of the mean error or more")
    return tuple(ratios), tuple(found)


def _surely_off(expected: Array, realised: Array) -> float:
    """Distance of mean realised from mean expected error in tenths of the rows, beyond 2 standard errors."""
    order = np.argsort(expected, kind="stable")
    parts = zip(np.array_split(expected[order], _BINS), np.array_split(realised[order], _BINS), strict=True)
    surely = 0.0
    for guess, truth in parts:
        error = float(truth.std(ddof=1)) / math.sqrt(len(truth)) if len(truth) > 1 else math.inf
        surely += max(0.0, abs(float((truth - guess).mean())) - 2 * error) / _BINS
    return surely / float(realised.mean())
