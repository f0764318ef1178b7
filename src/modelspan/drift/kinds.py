"""What a column holds, told from its values: the same answer from whatever library they come."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from modelspan.drift.coded import Coded, Values, coded, plain
from modelspan.drift.feature import numbers
from modelspan.drift.values import level, number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

TEXT_CHARACTERS: Final = 20
"""Mean length from which texts of which most differ are no categories."""
_TYPED: Final = {
    "f": "number",
    "i": "number",
    "u": "number",
    "b": "bool",
    "U": "text",
    "S": "text",
    "M": "date",
}
_MIN_TEXTS: Final = 20


def holds(values: Values) -> set[str]:
    """What is among the values: text, bool, number, date, vector, other; nothing if all are missing."""
    if isinstance(values, np.ndarray):
        if values.ndim > 1:
            return {"vector"} if values.ndim == 2 and values.dtype.kind in "fiu" else {"other"}
        if values.dtype.kind != "O":
            return {_TYPED.get(values.dtype.kind, "other")}
    items = values.levels if isinstance(values, Coded) else plain(values)
    found = {what_is(value) for value in items} - {"missing"}
    # Numbers that somebody made categories of stay categories.
    return {"text"} if isinstance(values, Coded) and found == {"number"} else found


def what_is(value: object) -> str:
    """What one value is: text, bool, number, date, vector, missing or other; none of its own code runs."""
    kind = type(value)
    if issubclass(kind, str | bytes):
        return "text"
    if issubclass(kind, bool | np.bool_):
        return "bool"
    if issubclass(kind, list | tuple | np.ndarray):
        return "vector"
    if level(value) is None:
        return "missing"
    if issubclass(kind, dt.date | np.datetime64):
        return "date"
    return "other" if np.isnan(number(value)) else "number"


def kind_of(found: set[str], sample: Values) -> str | None:
    """The kind of a column that holds these, None for what can't be counted.

    Text beside anything makes categories, numbers beside anything but text make numbers. Whole numbers are
    integers. Texts of which most differ and that are long are counted by their length.
    """
    if "text" in found:
        return "text" if _is_prose(sample) else "categorical"
    if not found or "number" in found:
        return "integer" if found and _whole(numbers(sample)) else "numeric"
    for what, kind in (("bool", "boolean"), ("date", "datetime"), ("vector", "embedding")):
        if what in found:
            return kind if kind != "embedding" or dimension_of(sample) else None
    return None


def column_kind(values: Values) -> Literal["numeric", "categorical"] | None:
    """Whether a column holds numbers, or text and bools; None for all else."""
    kind = kind_of(holds(values), values)
    if kind in ("text", "categorical", "boolean"):
        return "categorical"
    return "numeric" if kind in ("numeric", "integer") else None


def _whole(array: NDArray[np.number]) -> bool:
    """Whether all finite numbers are whole, and there is one."""
    finite = array[np.isfinite(array)]
    return finite.size > 0 and (finite.dtype.kind in "iu" or bool((finite == np.floor(finite)).all()))


def _is_prose(sample: Values) -> bool:
    """Whether the texts are too many and too long to be categories."""
    names = coded(sample)
    present = int(np.count_nonzero(names.codes >= 0))
    held: Iterable[object] = sample.levels if isinstance(sample, Coded) else plain(sample)
    texts = [value for value in held if type(value) is str]
    distinct = len(set(texts))
    if present < _MIN_TEXTS or distinct * 2 < present:
        return False
    return sum(map(len, texts)) >= TEXT_CHARACTERS * len(texts)


def dimension_of(values: Values) -> int:
    """Numbers in a vector: those of the first one; 0 if there is none of numbers."""
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return int(values.shape[1])
    for value in plain(values):
        if isinstance(value, list | tuple | np.ndarray):
            array = np.array(value, dtype=object) if isinstance(value, list | tuple) else value
            good = array.ndim == 1 and all(isinstance(each, int | float | np.number) for each in array)
            return int(array.size) if good else 0
    return 0
