"""A checksum of a table that adds up over its parts, wherever each part is read."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from modelspan.drift import parts
from modelspan.drift.coded import Coded, Values, coded, plain
from modelspan.drift.feature import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Marks: TypeAlias = tuple[int, int]
"""Two sums modulo 2^64."""

_MASK = (1 << 64) - 1
_NOTHING = np.uint64(0x6D697373696E6721)
NO_BITS = (_NOTHING, np.array(np.nan).view(np.uint64)[()], np.uint64(1 << 63), np.uint64((1 << 63) - 1))
"""What `bits_of` gives of a missing category or text, number, and date, and of what is no date."""


def marks(values: Values, kind: str, dimension: int, start: int) -> Marks:
    """The checksum of rows of a column from position `start`; checksums of parts add up (`added`).

    It sees each value and its position, so that a swap of two rows changes it, but not the type of the
    number, the library or the size of the parts. It tells tables apart; it is no proof against forgery.
    """
    bits = bits_of(values, kind, dimension)
    places = np.arange(start + 1, start + 1 + bits.size, dtype=np.uint64)
    both = parts.mixed(bits ^ parts.mixed(places))
    return int(both.sum(dtype=np.uint64)), int(parts.mixed(both).sum(dtype=np.uint64))


def added(one: Marks, other: Marks) -> Marks:
    """The checksum of two parts."""
    return (one[0] + other[0]) & _MASK, (one[1] + other[1]) & _MASK


def bits_of(values: Values, kind: str, dimension: int) -> NDArray[np.uint64]:
    """64 bits for each value, shape ``(rows,)``: the same for equal values, whatever library holds them."""
    if kind in ("numeric", "integer"):
        return _of_floats(numbers(values))
    if kind == "datetime":
        return parts.seconds(values).view(np.uint64)
    if kind == "embedding":
        rows = _of_floats(parts.vectors(values, dimension)).reshape(-1, dimension)
        mixed = parts.mixed(rows ^ np.arange(dimension, dtype=np.uint64))
        return np.asarray(mixed.sum(axis=1, dtype=np.uint64))
    if kind == "text":
        return _of_texts(values)
    names = coded(values)
    of_levels = np.array([*map(_of_text, names.levels), _NOTHING], dtype=np.uint64)
    return np.asarray(of_levels[names.codes])


def _of_texts(values: Values) -> NDArray[np.uint64]:
    """Bits of whole texts: as categories, long ones would all be alike."""
    if isinstance(values, Coded):
        return np.asarray(np.append(_of_texts(values.levels), _NOTHING)[values.codes])
    found = [_of_text(each) if type(each) is str else int(_NOTHING) for each in plain(values)]
    return np.array(found, dtype=np.uint64)


def _of_floats(array: NDArray[np.number]) -> NDArray[np.uint64]:
    floats = array.astype(np.float64) + 0.0
    floats[~np.isfinite(floats)] = np.nan
    return floats.view(np.uint64)


@lru_cache(maxsize=4096)
def _of_text(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def fingerprint(columns: Mapping[str, tuple[str, Marks]], rows: int) -> str:
    """SHA-256 of the names, kinds and checksums of the columns and the number of rows."""
    facts = [rows, [[name, kind, *both] for name, (kind, both) in columns.items()]]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
