"""Choose the edges of a numeric column: bins of about equal counts, cut only between distinct values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Edges = NDArray[np.float64]

_CONSTANT_HALF_WIDTH = (1e-6, 1e-3, 0.5)
"""Half the width of a constant's own bin: least and usual share of its size; the most, to leave out the next
integer."""


def choose_edges(values: Edges, bins: int) -> Edges:
    """Inner edges for at most `bins` bins with about equal counts of the values, strictly increasing.

    An edge lies in the middle between two neighbouring values, never on one: a value that lost digits on its
    way (float32, CSV) stays in its bin. A value more frequent than a bin gets a bin of its own, and the rest
    is shared by the others. With bins to spare, the values' range is closed too, so that values outside are
    seen.

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
    edges = _between(distinct[cuts], distinct[cuts + 1])
    return _closed(edges, distinct) if edges.size + 3 <= bins else edges


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
    """A number in [low, high) for each pair: the middle unless floats are too coarse for one."""
    middle = low / 2 + high / 2
    return np.asarray(np.where((low <= middle) & (middle < high), middle, low))


def _closed(edges: Edges, distinct: Edges) -> Edges:
    """The edges with one more below the least and above the largest value, half a step away."""
    first, second, *_ = distinct[:2].tolist()
    *_, before, last = distinct[-2:].tolist()
    low = first - (second / 2 - first / 2)
    high = last + (last / 2 - before / 2)
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
