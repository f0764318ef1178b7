"""From the sampled rows of a table to the bins of its features."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from modelspan.drift import parts
from modelspan.drift.coded import Values, coded
from modelspan.drift.columns import listed
from modelspan.drift.edges import choose_edges
from modelspan.drift.feature import (
    BOOLEANS,
    BY_EDGES,
    KINDS,
    FeatureReference,
    categorical_feature,
    numbers,
    numeric_feature,
)
from modelspan.drift.kinds import dimension_of, kind_of
from modelspan.drift.values import OTHER
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from modelspan.drift.sampling import Sample

SCORE = "score"
"""The name under which the model's own score is a feature."""
PREDICTION = "prediction"
"""The name under which the predicted class is a feature."""
_BINS = (2, 20)
_MAX_BINS = 20
_MAX_LEVELS = (1, 100)
_EMBEDDING_BINS = 6
_LEVEL_BYTES = 45
"""Room in the file for a level and its count: 20 of them fit the kilobyte of a column."""


def check_options(bins: int, max_levels: int, kinds: Mapping[str, str], names: Sequence[str]) -> None:
    """Raise ConfigError unless the options are ones that a reference can be built with."""
    for name, value, (least, most) in (("bins", bins, _BINS), ("max_levels", max_levels, _MAX_LEVELS)):
        if not least <= value <= most:
            raise ConfigError(f"{name}={value} must be from {least} to {most}; leave it out for the default")
    for column, kind in kinds.items():
        if kind not in KINDS:
            raise ConfigError(f"kinds={{{column!r}: {kind!r}}} is no kind; use one of {', '.join(KINDS)}")
        if column not in names:
            raise ConfigError(f"kinds={{{column!r}: {kind!r}}} names no feature; they are {listed(names)}")


def check_rows(rows: int) -> None:
    """Raise ConfigError if there are too few rows."""
    if rows < 2:
        raise ConfigError(f"data has rows={rows}, a reference needs at least 2; thousands are good")


def chosen_features(
    columns: Sequence[str], *, features: Sequence[str] | None, left_out: Sequence[str]
) -> list[str]:
    """The columns that become features, in the order asked for.

    Raises:
        ConfigError: If a name is unknown or is left out, or if nothing remains.
    """
    known = set(columns)
    for name in (*left_out, *(features or ())):
        if name not in known:
            raise ConfigError(f"column={name!r} is not in the data; it has {listed(columns)}")
    clash = sorted(set(left_out) & set(features or ()))
    if clash:
        raise ConfigError(
            f"features={clash} are also the target, the score or the prediction; name each column once"
        )
    chosen = (
        list(dict.fromkeys(features)) if features is not None else [c for c in columns if c not in left_out]
    )
    if not chosen:
        raise ConfigError(
            "features=[] leaves no column; name at least one that is not the target or the score"
        )
    return chosen


def kinds_of(sample: Sample, chosen: Sequence[str], asked: Mapping[str, str]) -> dict[str, str]:
    """The kind of each column: the one asked for, or what its values say.

    Raises:
        ConfigError: If columns hold nothing that can be counted; it names all of them.
    """
    found = {name: asked.get(name) or kind_of(sample.holds[name], sample.columns[name]) for name in chosen}
    unreadable = [name for name, kind in found.items() if kind is None]
    if unreadable:
        raise ConfigError(
            f"columns={unreadable} hold neither numbers, text, bools, dates nor vectors of equal length; "
            "leave them out with features=, or turn them into one of these"
        )
    return {name: kind for name, kind in found.items() if kind is not None}


def features_of(
    name: str, kind: str, values: Values, *, bins: int, max_levels: int
) -> list[FeatureReference]:
    """The features of one column, with bins chosen on the sampled values and no counts yet."""
    if kind == "datetime":
        return [
            categorical_feature(f"{name}.{part}", levels, _zeros(levels), kind=kind, column=name, part=part)
            for part, levels in parts.CALENDAR.items()
        ]
    if kind == "embedding":
        dimension = dimension_of(values)
        read = ["norm", *(f"p{number}" for number in range(1, parts.PROJECTIONS + 1))]
        columns = [parts.embedded(number, dimension)(values) for number in range(len(read))]
        facts: dict[str, Any] = {"column": name, "dimension": dimension}
        most = min(bins, _EMBEDDING_BINS)
        return [
            _by_edges(f"{name}.{part}", kind, column, most, part=part, **facts)
            for part, column in zip(read, columns, strict=True)
        ]
    if kind == "text":
        return [_by_edges(f"{name}.length", kind, parts.lengths(values), bins, part="length", column=name)]
    if kind in BY_EDGES:
        return [_by_edges(name, kind, numbers(values), bins)]
    levels = BOOLEANS if kind == "boolean" else frequent_levels(values, max_levels)
    return [categorical_feature(name, levels, _zeros(levels), kind=kind)]


def _by_edges(
    name: str, kind: str, array: NDArray[np.number], bins: int, **facts: str | int
) -> FeatureReference:
    finite = array[np.isfinite(array)].astype(np.float64)
    edges = choose_edges(finite, min(bins, _MAX_BINS - 2))
    return numeric_feature(name, edges, np.zeros(edges.size + 2, dtype=np.int64), kind=kind, **facts)


def _zeros(levels: Sequence[str]) -> NDArray[np.int64]:
    return np.zeros(len(levels) + 2, dtype=np.int64)


def frequent_levels(values: Values, most: int) -> list[str]:
    """The most frequent names, the first in the alphabet when equally so; never missing or other.

    Long names leave room for fewer: what does not fit is counted with the rest.
    """
    names = coded(values)
    sums = np.bincount(names.codes[names.codes >= 0], minlength=len(names.levels)).tolist()
    counts = Counter({str(name): count for name, count in zip(names.levels, sums, strict=True) if count})
    counts.pop(OTHER, None)
    found = sorted(counts, key=lambda name: (-counts[name], name))[:most]
    room = np.cumsum([len(json.dumps(name)) + 8 for name in found]) <= _LEVEL_BYTES * most
    return [name for name, fits in zip(found, room.tolist(), strict=True) if fits]
