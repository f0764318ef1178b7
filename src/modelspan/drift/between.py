"""How many numbers lie between edges: what a drift job and a live window spend most of their time on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Floats = NDArray[np.float64]

_LANES: Final = 8
_RUN: Final = 255 * _LANES
"""Eight one-byte sums are added at a time as one 64-bit number; they hold 255 additions."""
_TILE: Final = 50 * _RUN
"""Values at a time: a call of numpy costs as much as hundreds of comparisons."""
_FEW_EDGES: Final = 32


def between(edges: Floats, values: Sequence[NDArray[np.number]]) -> Counts:
    """Finite values between the edges, then how many were not finite, shape ``(features, edges + 2)``.

    Up to about 30 edges, comparing with each of them beats a binary search per value.

    Args:
        edges: Inner edges of each feature, shape ``(features, edges)``.
        values: Numbers of each feature, of any type, shape ``(rows,)`` each.
    """
    found = np.zeros((len(edges), edges.shape[1] + 2), dtype=np.int64)
    if not 0 < edges.shape[1] <= _FEW_EDGES:
        found[:] = [_searched(*each) for each in zip(edges, values, strict=True)]
        return found
    # One piece of memory for all comparisons: touching a new one each time takes as long as they do.
    rows, together = _size(values)
    room = np.empty(max(edges.shape[1], 2) * together * _padded(rows), dtype=np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):  # and what `_above` sets ends with it
        for chosen, tile in _tiles(values):
            found[chosen] += _compared(edges[chosen], tile, room)
    return found


def _size(values: Sequence[NDArray[np.number]]) -> tuple[int, int]:
    """Rows and features in one tile at most."""
    rows = min(len(values[0]), _TILE)
    return rows, min(len(values), _TILE // max(rows, 1))


def _padded(rows: int) -> int:
    """A number of bytes that whole words fill, and runs of words where there is more than one."""
    unit = _LANES if rows <= _RUN else _RUN
    return -(-rows // unit) * unit


def _tiles(values: Sequence[NDArray[np.number]]) -> Iterator[tuple[slice, Floats]]:
    """A part of one long column, or several short ones whole, with which features they are."""
    rows, together = _size(values)
    for first in range(0, len(values), together):
        some = values[first : first + together]
        chosen = slice(first, first + len(some))
        if len(some) > 1:
            yield chosen, np.concatenate(some, dtype=np.float64).reshape(len(some), rows)
            continue
        for start in range(0, len(some[0]), _TILE):
            yield chosen, np.ascontiguousarray(some[0][start : start + _TILE], dtype=np.float64)[None]


def _searched(edges: Floats, values: NDArray[np.number]) -> Counts:
    finite = values[np.isfinite(values)]
    found = np.bincount(np.searchsorted(edges, finite), minlength=edges.size + 1)
    return np.append(found, values.size - finite.size)


def _compared(edges: Floats, tile: Floats, room: NDArray[np.bool]) -> Counts:
    above = np.zeros((len(edges), edges.shape[1] + 2), dtype=np.int64)
    above[:, 0] = rows = tile.shape[1]
    above[:, 1:-1] = _above(edges, tile, room)
    finite = np.isfinite(tile.sum(axis=1))  # only of finite values, and nearly always of those
    if not finite.all():
        rest = np.flatnonzero(~finite)
        ends = np.tile((-np.inf, sys.float_info.max), (rest.size, 1))
        known, infinite = _above(ends, tile if rest.size == len(tile) else tile[rest], room).T
        above[rest, 0] = known
        above[rest, :-1] -= infinite[:, None]
    found = above[:, 0].copy()
    above[:, :-1] -= above[:, 1:]
    above[:, -1] = rows - found
    return above


def _above(edges: Floats, tile: Floats, room: NDArray[np.bool]) -> Counts:
    """How many values lie above each edge."""
    rows = tile.shape[1]
    wide = _padded(rows)
    bits = room[: edges.size * wide].reshape(*edges.shape, wide)
    bits[:, :, rows:] = False
    # For a broadcast over short rows numpy would copy into its buffer, which takes three times as long.
    buffered = np.setbufsize(16)
    np.greater(tile[:, None], edges[:, :, None], out=bits[:, :, :rows])
    np.setbufsize(buffered)
    words = bits.view(np.uint64).reshape(*edges.shape, -(-rows // _RUN), -1)
    return np.asarray(np.add.reduce(words, axis=3).view(np.uint8).sum(axis=2, dtype=np.int64))
