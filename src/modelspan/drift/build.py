"""Make the features of a reference from the columns of a table."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from modelspan.drift.columns import Columns, column_kind, listed
from modelspan.drift.edges import choose_edges
from modelspan.drift.feature import (
    FeatureReference,
    Values,
    categorical_feature,
    levels_of,
    numbers,
    numeric_feature,
)
from modelspan.drift.values import OTHER
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SCORE = "score"
"""The name under which the model's own score is a feature."""
_BINS = (2, 20)
_MAX_LEVELS = (1, 100)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def check_sizes(*, bins: int, max_levels: int, rows: int) -> None:
    """Raise ConfigError unless the numbers are ones that a reference can be built with."""
    for name, value, (least, most) in (("bins", bins, _BINS), ("max_levels", max_levels, _MAX_LEVELS)):
        if not least <= value <= most:
            raise ConfigError(f"{name}={value} must be from {least} to {most}; leave it out for the default")
    if rows < 2:
        raise ConfigError(f"data has rows={rows}, a reference needs at least 2; thousands are good")


def chosen_features(
    columns: Columns, *, features: Sequence[str] | None, left_out: Sequence[str]
) -> list[str]:
    """The columns that become features, in the order asked for.

    Raises:
        ConfigError: If a name is unknown or is left out, or if nothing remains.
    """
    for name in (*left_out, *(features or ())):
        if name not in columns:
            raise ConfigError(f"column={name!r} is not in the data; it has {listed(columns)}")
    clash = sorted(set(left_out) & set(features or ()))
    if clash:
        raise ConfigError(f"features={clash} are also the target or the score; name each column once")
    chosen = (
        list(dict.fromkeys(features)) if features is not None else [c for c in columns if c not in left_out]
    )
    if not chosen:
        raise ConfigError(
            "features=[] leaves no column; name at least one that is not the target or the score"
        )
    return chosen


def check_kinds(columns: Columns, chosen: Sequence[str]) -> None:
    """Raise ConfigError if a chosen column holds neither numbers nor text, naming all such columns."""
    unreadable = [name for name in chosen if column_kind(columns[name]) is None]
    if unreadable:
        raise ConfigError(
            f"columns={unreadable} hold neither numbers nor text nor bools; leave them out with features=, "
            "or turn them into numbers (a date into days)"
        )


def rows_for_edges(rows: int) -> NDArray[np.bool]:
    """The half of the rows on which edges and levels are chosen, shape ``(rows,)``; the others are counted.

    Winner's curse: a level is chosen *because* it was frequent in these rows, and an edge makes their shares
    exactly equal. Counted again on the same rows, those levels are rarer and those shares more even than
    chance in every later sample, and the test flags undrifted windows (measured: 39 % at a nominal 5 %).
    Alternate rows would do, but for data with a rhythm of two; multiples of the golden ratio share no rhythm
    with anything.
    """
    return np.asarray((np.arange(rows, dtype=np.uint64) * _GOLDEN) >> np.uint64(63) == 0)


def feature_reference(name: str, values: Values, *, bins: int, max_levels: int) -> FeatureReference:
    """The reference of one column; its kind must not be None."""
    first = rows_for_edges(len(values))
    if column_kind(values) == "numeric":
        array = numbers(values)
        edges = choose_edges(array[first & np.isfinite(array)], bins)
        empty = numeric_feature(name, edges, np.zeros(edges.size + 2, dtype=np.int64))
        return numeric_feature(name, edges, empty.count(array[~first]))
    names = np.array([*levels_of(values), None], dtype=object)[:-1]
    levels = frequent_levels(names[first].tolist(), max_levels)
    unset = categorical_feature(name, levels, np.zeros(len(levels) + 2, dtype=np.int64))
    return categorical_feature(name, levels, unset.count(names[~first]))


def frequent_levels(names: Sequence[str | None], most: int) -> list[str]:
    """The most frequent names, the first in the alphabet when equally so; never missing or other."""
    counts = Counter(name for name in names if name is not None and name != OTHER)
    return sorted(counts, key=lambda name: (-counts[name], name))[:most]


def fingerprint(columns: Columns) -> str:
    """SHA-256 of the columns' names and values, the same for the same table from whatever library."""
    digest = hashlib.sha256()
    for name, values in columns.items():
        digest.update(json.dumps(name).encode())
        if column_kind(values) == "numeric":
            array = numbers(values).astype("<f8") + 0.0
            digest.update(np.where(np.isfinite(array), array, np.nan).tobytes())
        else:
            digest.update(json.dumps(list(levels_of(values))).encode())
    return digest.hexdigest()
