"""Choose the edges of a numeric column: bins of about equal counts, cut only between distinct values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Edges = NDArray[np.float64]

_CONSTANT_HALF_WIDTH = (1e-6, 1e-3, 0.5)
"""Half the width of a constant's own bin: least and usual share of its size; the most, to leave out the next
integer."""


def choose_edges(values: Edges, bins: int) -> Edges:
    """Edges of at most `bins` bins with about equal counts of the values, and of the values' range.

    Values below and above the range have a bin each, so that there are at most ``bins + 1`` edges, strictly
    increasing. An edge lies between two neighbouring values, in the middle half of their gap: a value that
    lost digits on its way (float32, CSV) stays in its bin. Of that half it is the number with the fewest
    digits, for short labels and files. A value more frequent than a bin gets a bin of its own, and the rest
    is shared by the others.

    Args:
        values: Finite values, shape ``(n,)``; none gives the one edge 0, so that the first values count as a
            move.
        bins: Bins wanted, at least 2.

    Returns:
        At least one edge; two for a constant column, below and above it.
    """
    distinct, counts = np.unique(values.astype(np.float64) + 0.0, return_counts=True)
    if distinct.size == 0:
        return np.zeros(1)
    if distinct.size == 1:
        return _around(float(distinct[0]))
    cuts = _cuts(np.cumsum(counts), bins)
    return _closed(_between(distinct[cuts], distinct[cuts + 1]), distinct)


def _cuts(cumulative: NDArray[np.int64], bins: int) -> NDArray[np.intp]:
    """Positions of the last distinct value of each bin but the last one; at least one."""
    cuts: list[int] = []
    done, total, last = 0, int(cumulative[-1]), cumulative.size - 1
    for left in range(bins, 1, -1):
        goal = done + (total - done) / left
        cut = int(np.searchsorted(cumulative, goal))
        before = cut - 1
        if before > (cuts[-1] if cuts else -1) and goal - cumulative[before] <= cumulative[cut] - goal:
            cut = before
        if cut >= last:
            break
        cuts.append(cut)
        done = int(cumulative[cut])
    return np.array(cuts or [last - 1], dtype=np.intp)


def _between(low: Edges, high: Edges) -> Edges:
    """A number in [low, high) for each pair."""
    return np.array([_roundest(*pair) for pair in zip(low.tolist(), high.tolist(), strict=True)])


def _roundest(low: float, high: float) -> float:
    """The number with the fewest digits in the middle half; `low` itself where floats are too coarse."""
    middle, quarter = low / 2 + high / 2, high / 4 - low / 4
    for digits in range(1, 18):
        rounded = float(f"{middle:.{digits}g}")
        if abs(rounded - middle) <= quarter and low <= rounded < high:
            return rounded
    return middle if low <= middle < high else low


def _closed(edges: Edges, distinct: Edges) -> Edges:
    """The edges with one more below the least and above the largest value, half a step away."""
    first, second, *_ = distinct[:2].tolist()
    *_, before, last = distinct[-2:].tolist()
    low = _roundest(first - (second / 2 - first / 2) * 1.5, first - (second / 2 - first / 2) / 2)
    high = _roundest(last + (last / 2 - before / 2) / 2, last + (last / 2 - before / 2) * 1.5)
    closed = np.array([low, *edges, high])
    closed = closed[np.isfinite(closed)]
    return np.asarray(np.unique(closed))


def _around(constant: float) -> Edges:
    """Two edges that hold a constant between them."""
    least, usual, most = _CONSTANT_HALF_WIDTH
    size = abs(constant)
    half = max(min(usual * size, most), least * size) or least
    edges = np.array([constant - half, constant + half])
    return np.asarray(edges[np.isfinite(edges)])
