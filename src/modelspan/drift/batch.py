"""Count columns of many features at once: a call of numpy costs as much as counting hundreds of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelspan.drift.between import between

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.drift.coded import Values
    from modelspan.drift.feature import Counts, FeatureReference


def count_all(features: Mapping[str, FeatureReference], values: Mapping[str, Values]) -> dict[str, Counts]:
    """What `FeatureReference.count` gives for each feature, faster where there are many.

    Args:
        features: The features by name.
        values: The values of each, by the same names.
    """
    counts: dict[str, Any] = dict.fromkeys(features)  # in their order
    groups: dict[tuple[int, int], list[str]] = {}
    for name, feature in features.items():
        given = values[name]
        if feature.kind in ("numeric", "integer") and _is_numbers(given):
            groups.setdefault((feature.edges.size, len(given)), []).append(name)
        else:
            counts[name] = feature.count(given)
    for (size, _), names in groups.items():
        edges = np.concatenate([features[name].edges for name in names]).reshape(len(names), size)
        columns = [np.asarray(values[name]) for name in names]
        counts.update(zip(names, between(edges, columns), strict=True))
    return counts


def _is_numbers(values: Values) -> bool:
    return type(values) is np.ndarray and values.ndim == 1 and values.dtype.kind in "fiu" and values.size > 0
