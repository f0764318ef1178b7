"""The arithmetic of all distances, over the bins of one or of many features laid end to end.

Features have different numbers of bins. Their counts stand in one flat array with the start of each, so that
a look at thirty live windows is a handful of array operations instead of hundreds of calls. The equations,
sources and undefined cases are in `modelspan.drift.distances`.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.drift.feature import Counts, FeatureReference

Shares: TypeAlias = NDArray[np.float64]

PSEUDO_COUNT = 0.5
"""Added to every bin where a ratio of shares is taken, so that an empty bin costs a finite amount."""


class Bins:
    """Where the bins of each feature stand in the flat arrays, and how far they are from each other.

    Args:
        sizes: Bins of each feature, shape ``(features,)``.
        positions: For each feature where the rows of each bin stand, or None where bins have no order. A bin
            after the last position is ``(missing)``: it takes no part in Wasserstein.
    """

    def __init__(self, sizes: Sequence[int], positions: Sequence[Shares | None]) -> None:
        self.sizes = np.array(sizes, dtype=np.intp)
        self.starts = np.concatenate(([0], np.cumsum(self.sizes)[:-1])).astype(np.intp)
        self.slices = [slice(int(s), int(s + n)) for s, n in zip(self.starts, self.sizes, strict=True)]
        self.ordered = np.array([each is not None for each in positions])
        self._owner = np.repeat(np.arange(self.sizes.size), self.sizes)
        known = [np.empty(0) if each is None else each for each in positions]
        self.scales = np.array([np.abs(each).max(initial=0.0) for each in known])
        # Scaled first: the distance between two huge edges may not be a float.
        scaled = [each / (scale or 1.0) for each, scale in zip(known, self.scales, strict=True)]
        self.widths = np.concatenate([_steps(each, size) for each, size in zip(scaled, sizes, strict=True)])
        present = [np.arange(size) < each.size for each, size in zip(known, sizes, strict=True)]
        self.present = np.concatenate(present)

    @classmethod
    def of(cls, features: Sequence[FeatureReference]) -> Bins:
        """The bins of these features, in their order."""
        return cls([f.counts.size for f in features], [f.positions for f in features])

    def total(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Sum of each feature's bins, shape ``(features,)``."""
        return np.add.reduceat(flat, self.starts)

    def spread(self, each: NDArray[Any]) -> NDArray[Any]:
        """One number of each feature at all its bins."""
        return each[self._owner]

    def running(self, flat: Shares) -> Shares:
        """Sum of a feature's bins up to each bin."""
        sums = np.cumsum(flat)
        return np.asarray(sums - self.spread(sums[self.starts] - flat[self.starts]))


def _steps(positions: Shares, size: int) -> Shares:
    """The way from each bin to the next one, 0 after the last."""
    steps = np.zeros(size)
    steps[: max(positions.size - 1, 0)] = np.diff(positions)
    return steps


class Samples:
    """Counts of a reference and a current sample over the same bins, and every distance between them.

    Distances have shape ``(features,)`` and are finite.

    Args:
        reference: Rows per bin, all features end to end, shape ``(bins,)``.
        current: The same of the current sample.
        bins: What of the flat arrays belongs to which feature; all of it to one feature without.
        pseudo_count: Added to every bin for PSI, Kullback-Leibler and Jensen-Shannon.

    Raises:
        ValueError: If the shapes differ, or a feature has no rows in one of the samples.
    """

    def __init__(
        self,
        reference: Counts,
        current: Counts,
        bins: Bins | None = None,
        *,
        pseudo_count: float = PSEUDO_COUNT,
    ) -> None:
        if reference.shape != current.shape:
            raise ValueError(
                f"counts must be over the same bins, got shapes {reference.shape} and {current.shape}"
            )
        self.bins = bins or Bins([reference.size], [None])
        self._pseudo_count = pseudo_count
        self._before, self._after = reference.astype(np.float64), current.astype(np.float64)
        self.rows = self.bins.total(self._before), self.bins.total(self._after)
        if not (self.rows[0].all() and self.rows[1].all()):
            raise ValueError("a distance needs two samples with at least one row each")
        self.p = self._before / self.bins.spread(self.rows[0])
        self.q = self._after / self.bins.spread(self.rows[1])

    @cached_property
    def _smoothed(self) -> tuple[Shares, Shares, Shares]:
        """Both samples as shares none of which is 0, and the logarithm of their ratio."""
        extra = self._pseudo_count * self.bins.sizes
        p = (self._before + self._pseudo_count) / self.bins.spread(self.rows[0] + extra)
        q = (self._after + self._pseudo_count) / self.bins.spread(self.rows[1] + extra)
        with np.errstate(divide="ignore", invalid="ignore"):  # only where the user wants no pseudo-count
            return p, q, np.asarray(np.log(p / q))

    @property
    def psi(self) -> Shares:
        """Population stability index."""
        p, q, ratio = self._smoothed
        return np.asarray(np.maximum(self.bins.total((p - q) * ratio), 0.0))

    @property
    def kl(self) -> Shares:
        """Kullback-Leibler divergence of current from reference."""
        _, q, ratio = self._smoothed
        return np.asarray(np.maximum(-self.bins.total(q * ratio), 0.0))

    @cached_property
    def _logs(self) -> tuple[Shares, Shares]:
        """Logarithms of both shares, 0 where a share is 0: there they only meet a factor 0."""
        return _log(self.p), _log(self.q)

    @property
    def js(self) -> Shares:
        """Jensen-Shannon distance."""
        p, q, _ = self._smoothed
        middle = _log((p + q) / 2)
        nats = self.bins.total(p * (_log(p) - middle) + q * (_log(q) - middle)) / 2
        return np.asarray(np.sqrt(np.clip(nats / np.log(2.0), 0.0, 1.0)))

    @property
    def hellinger(self) -> Shares:
        """Hellinger distance."""
        apart = self.bins.total((np.sqrt(self.p) - np.sqrt(self.q)) ** 2)
        return np.sqrt(np.minimum(apart / 2, 1.0))

    @cached_property
    def total_variation(self) -> Shares:
        """Total variation distance."""
        return np.minimum(self.bins.total(np.abs(self.p - self.q)) / 2, 1.0)

    @property
    def ks(self) -> Shares:
        """Kolmogorov-Smirnov distance; total variation where bins have no order."""
        gaps = np.abs(self.bins.running(self.p - self.q))
        largest = np.minimum(np.maximum.reduceat(gaps, self.bins.starts), 1.0)
        return np.where(self.bins.ordered, largest, self.total_variation)

    @property
    def wasserstein(self) -> Shares:
        """First Wasserstein distance of the rows that are not missing; total variation without an order."""
        bins = self.bins
        before, after = self._before * bins.present, self._after * bins.present
        rows = bins.total(before), bins.total(after)
        p, q = (side / bins.spread(np.maximum(n, 1.0)) for side, n in zip((before, after), rows, strict=True))
        way = bins.total(np.abs(bins.running(p - q)) * bins.widths) * (rows[0] > 0) * (rows[1] > 0)
        with np.errstate(over="ignore"):  # two samples at the two ends of the floats are one float apart
            moved = np.minimum(way * bins.scales, sys.float_info.max)
        return np.where(bins.ordered, moved, self.total_variation)

    @property
    def chi2(self) -> Shares:
        """Pearson's statistic of the two-sample table."""
        n, k = self.rows
        weight = self.bins.spread(np.sqrt(k / n))
        apart = weight * self._before - self._after / weight
        return np.asarray(self.bins.total(apart**2 / np.maximum(self._before + self._after, 1.0)))

    @property
    def g(self) -> Shares:
        """Likelihood-ratio statistic of the two-sample table."""
        n, k = self.rows
        log_p, log_q = self._logs
        pooled = _log((self._before + self._after) / self.bins.spread(n + k))
        terms = self._before * (log_p - pooled) + self._after * (log_q - pooled)
        return np.asarray(np.maximum(2 * self.bins.total(terms), 0.0))

    @property
    def freedom(self) -> NDArray[np.int64]:
        """Degrees of freedom of `chi2` and `g`: bins with a row in either sample, less one."""
        filled = (self._before + self._after > 0).astype(np.float64)
        return self.bins.total(filled).astype(np.int64) - 1


def _log(shares: Shares) -> Shares:
    """Logarithms, 0 where a share is 0."""
    return np.asarray(np.log(shares + (shares == 0)))
