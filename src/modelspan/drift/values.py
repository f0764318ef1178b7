"""Read one value without running its code: only builtins, their subclasses and numpy scalars are read."""

from __future__ import annotations

import math
import sys
from typing import Any, Final

import numpy as np

OTHER: Final = "(other)"
MISSING: Final = "(missing)"
MAX_LEVEL_CHARACTERS: Final = 100
"""A longer text is no category; it also must not be hashed on every call."""
_EXACT_INTEGERS: Final = 2.0**53
_NUMPY_NUMBERS: Final = (np.bool_, np.integer, np.floating)
_NUMPY_TIMES: Final = (np.datetime64, np.timedelta64)


def number(value: Any) -> float:
    """The value as a float; NaN for anything that is not a number, infinite ones included by the caller.

    Booleans are 0 and 1. Text is no number, even ``"12.5"``: a model would not take it either.
    """
    kind = type(value)
    if kind is float:
        return float(value)
    # Not isinstance(): that would read `__class__`, which a hostile object may define.
    if issubclass(kind, int):
        return _float_of_integer(value)
    if issubclass(kind, float):
        return float.__float__(value)
    if issubclass(kind, _NUMPY_TIMES):  # numpy calls a difference of times an integer
        return math.nan
    if issubclass(kind, _NUMPY_NUMBERS):
        return float(np.float64(value))
    return math.nan


def _float_of_integer(value: Any) -> float:
    """An integer as a float, NaN beyond the range of floats."""
    try:
        return int.__float__(value)
    except OverflowError:
        return math.nan


def level(value: Any) -> str | None:
    """The value as the name of a category: None when missing, ``(other)`` when it can't be one.

    Whole floats read as integers, because one missing value turns a column of integers into floats.
    """
    kind = type(value)
    if kind is str:
        return _bounded(value)
    if value is None or is_missing_marker(value):
        return None
    if issubclass(kind, str):
        return _bounded(str.__str__(value))
    if issubclass(kind, bytes):
        start = bytes.__getitem__(value, slice(4 * MAX_LEVEL_CHARACTERS + 4))
        return _bounded(start.decode("utf-8", "replace"))
    if issubclass(kind, (bool, np.bool_)):
        return "True" if value else "False"
    return _number_level(value)


def _number_level(value: Any) -> str | None:
    """The name of a number, `(other)` for everything else."""
    kind = type(value)
    if issubclass(kind, _NUMPY_TIMES) or not issubclass(kind, (int, float, *_NUMPY_NUMBERS)):
        return OTHER
    as_float = number(value)
    if math.isnan(as_float):
        return OTHER if issubclass(kind, int) else None
    if abs(as_float) < _EXACT_INTEGERS and as_float == int(as_float):
        return str(int(as_float))
    return repr(as_float)


def _bounded(text: str) -> str:
    """The text itself unless it is too long to be a category."""
    return text if len(text) <= MAX_LEVEL_CHARACTERS else OTHER


def is_missing_marker(value: Any) -> bool:
    """Whether the value is NaT or one of pandas' own markers; by identity, pandas is never imported."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and any(value is getattr(pandas, name, None) for name in ("NA", "NaT")):
        return True
    return issubclass(type(value), _NUMPY_TIMES) and bool(np.isnat(value))
