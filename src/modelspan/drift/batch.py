"""Count short chunks of many features at once: a call of numpy costs as much as counting a hundred values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from modelspan.drift.coded import Values
    from modelspan.drift.feature import Counts, FeatureReference

_LANES: Final = 8
_TILE: Final = 255 * _LANES
"""Eight one-byte sums are added at a time as one 64-bit number; they hold 255 additions."""
_LONGEST: Final = 3 * _TILE
"""From here a call for each feature and edge costs nothing beside the counting."""
_SHORTEST: Final = 64
_TOGETHER: Final = 10
"""Features in one comparison, so that its result stays in cache."""


def count_all(features: Mapping[str, FeatureReference], values: Mapping[str, Values]) -> dict[str, Counts]:
    """What `FeatureReference.count` gives for each feature, faster where many arrays are short.

    Args:
        features: The features by name.
        values: The values of each, by the same names.
    """
    counts: dict[str, Counts] = {}
    groups: dict[tuple[int, int], list[str]] = {}
    for name, feature in features.items():
        given = values[name]
        if _is_short(feature, given):
            groups.setdefault((feature.edges.size, len(given)), []).append(name)
        else:
            counts[name] = feature.count(given)
    for names in groups.values():
        chunk = np.stack([np.asarray(values[name]) for name in names])
        edges = np.stack([features[name].edges for name in names])
        counts |= dict(zip(names, _between(edges, chunk), strict=True))
    return {name: counts[name] for name in features}


def _is_short(feature: FeatureReference, values: Values) -> bool:
    return (
        feature.kind in ("numeric", "integer")
        and isinstance(values, np.ndarray)
        and values.dtype == np.float64
        and values.ndim == 1
        and feature.edges.size > 2
        and _SHORTEST <= values.size <= _LONGEST
    )


def _between(edges: NDArray[np.float64], chunk: NDArray[np.float64]) -> Sequence[Counts]:
    """Values between the edges, then not finite ones; shapes ``(features, edges)``, ``(…, rows)``."""
    least, most = chunk.min(axis=1), chunk.max(axis=1)
    above = np.zeros((len(edges), edges.shape[1] + 2), dtype=np.int64)
    above[:, 0], above[:, 1] = chunk.shape[1], chunk.shape[1]
    above[:, 2:-2] = _above(edges[:, 1:-1], chunk)
    # Hardly a chunk has values out of range, so that the first and last edge are compared with when one has.
    for position in np.flatnonzero(~((least > edges[:, 0]) & (most <= edges[:, -1]))).tolist():
        above[position] = _with_outer(edges[position], chunk[position], above[position])
    return list(np.append(above[:, :-1] - above[:, 1:], chunk.shape[1] - above[:, :1], axis=1))


def _with_outer(edges: NDArray[np.float64], values: NDArray[np.float64], above: Counts) -> Counts:
    """The counts above each edge with those of the outer edges, and only of finite values."""
    high, infinite = np.count_nonzero(values > edges[-1]), np.count_nonzero(values == np.inf)
    whole = above.copy()
    whole[0] = np.count_nonzero(np.isfinite(values))
    whole[1], whole[-2] = np.count_nonzero(values > edges[0]) - infinite, high - infinite
    whole[2:-2] -= infinite
    return whole


def _above(edges: NDArray[np.float64], chunk: NDArray[np.float64]) -> Counts:
    """How many values lie above each edge."""
    (features, rows), found = chunk.shape, np.zeros(edges.shape, dtype=np.int64)
    wide = min(-(-rows // _LANES) * _LANES, _TILE)
    bits = np.empty((_TOGETHER, edges.shape[1], wide), dtype=np.bool)
    for start in range(0, rows, wide):
        bits[:, :, rows - start :] = False
        for first in range(0, features, _TOGETHER):
            tile = chunk[first : first + _TOGETHER, None, start : start + wide]
            some = bits[: len(tile)]
            np.greater(tile, edges[first : first + _TOGETHER, :, None], out=some[:, :, : tile.shape[2]])
            sums = np.add.reduce(some.view(np.uint64), axis=2).view(np.uint8)
            found[first : first + _TOGETHER] += sums.reshape(*some.shape[:2], _LANES).sum(
                axis=2, dtype=np.int64
            )
    return found
