"""Arrow's columns as ours, without a Python object per value where numpy can hold them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelspan.drift.coded import Coded, Values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_HEAD: Final = 2000


class Text(Coded):
    """Arrow's text, encoded when codes are asked for; counting known levels needs none."""

    _array: Any

    def __init__(self, array: Any) -> None:
        object.__setattr__(self, "_array", array)

    def __len__(self) -> int:
        return len(self._array)

    @cached_property
    def _coded(self) -> Coded:
        array = self._array
        whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        found = whole.cast(pa.large_string()).dictionary_encode()
        return Coded(_filled(found.indices), found.dictionary.to_pylist())

    @property
    def codes(self) -> NDArray[np.integer]:
        """See `Coded`."""
        return self._coded.codes

    @property
    def levels(self) -> Sequence[object]:
        """See `Coded`."""
        return self._coded.levels

    @property
    def types(self) -> set[type]:
        """See `Coded`."""
        return {str}

    def part(self, start: int, end: int) -> Coded:
        """See `Coded`."""
        return Text(self._array.slice(start, end - start))

    def some(self, rows: NDArray[np.intp]) -> Coded:
        """See `Coded`."""
        return Text(self._array.take(pa.array(rows)))

    def among(self, levels: Sequence[str]) -> NDArray[np.int64] | None:
        """See `Coded`."""
        try:
            wanted = pa.array(levels, self._array.type)
        except UnicodeEncodeError:  # a lone surrogate, which is never found here
            return None
        # Looking up in vain takes twice as long, so that what the first rows hold is looked up as well.
        known = pa.chunked_array([wanted, *_chunks(self._array.slice(0, _HEAD))]).unique().drop_null()
        found = pc.index_in(self._array, value_set=known).fill_null(len(known)).to_numpy()
        counts = np.bincount(found, minlength=len(levels))[: len(levels)]
        missing = self._array.null_count
        return np.append(counts, (len(self) - counts.sum() - missing, missing))


def _chunks(array: Any) -> list[Any]:
    return array.chunks if isinstance(array, pa.ChunkedArray) else [array]


def values_of(column: Any) -> Values:
    """One Arrow array, chunked or not.

    Numbers become arrays (with NaN where one is missing), dates datetime64 in UTC, text and bools codes,
    lists of equally many numbers a 2-D array. Everything else is a list of Python values.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if pa.types.is_boolean(kind):
        return Coded(_filled(array.cast(pa.int8())), (False, True))
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        array, kind = array.cast(pa.float64()), pa.float64()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return np.asarray(array.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False))
    return _encoded(array)


def _encoded(array: Any) -> Values:
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        array = array.cast(pa.large_string()).dictionary_encode()
    if pa.types.is_dictionary(array.type):
        return Coded(_filled(array.indices), array.dictionary.to_pylist())
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _vectors(array)
    return array.to_pylist()  # type: ignore[no-any-return]  # Arrow is untyped


def _filled(codes: Any) -> Any:
    """Codes as an array, -1 where missing."""
    return codes.cast(pa.int32()).fill_null(-1).to_numpy(zero_copy_only=False)


def _vectors(array: Any) -> Values:
    """Lists of equally many numbers as rows; any other lists as they are."""
    flat = array.flatten()
    width = len(flat) // max(len(array), 1)
    same = array.null_count == 0 and flat.null_count == 0 and width * len(array) == len(flat) > 0
    if same and not pa.types.is_fixed_size_list(array.type):
        same = (np.diff(array.offsets.to_numpy()) == width).all()
    if same and (pa.types.is_floating(flat.type) or pa.types.is_integer(flat.type)):
        return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(-1, width)
    return array.to_pylist()  # type: ignore[no-any-return]  # Arrow is untyped
