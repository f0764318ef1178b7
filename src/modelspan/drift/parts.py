"""What is counted of a value that is neither number nor category: hour, weekday, length, norm and such."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from modelspan.drift.coded import Coded, Values, plain
from modelspan.drift.values import is_missing_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CALENDAR: Final = {"hour": HOURS, "weekday": WEEKDAYS, "month": MONTHS}
"""Levels of each part of a date."""
PROJECTIONS: Final = 3
"""Projections of an embedding; with its norm they fit the kilobyte of a column."""
_DAY: Final = 86_400
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MAX_ISO: Final = 40
_KNOWN_ZONES: Final = ("datetime", "zoneinfo", "pytz", "dateutil", "pandas")
UNREADABLE: Final = np.iinfo(np.int64).max


def seconds(values: Values) -> NDArray[np.int64]:
    """Dates as whole seconds since 1970; the smallest integer when missing, the largest when unreadable.

    Dates with a zone are taken to UTC, others as they stand. Text is read if it is ISO 8601. Numbers are no
    dates: nobody knows their unit.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return values.reshape(-1).astype("datetime64[s]").astype(np.int64)
    if isinstance(values, Coded):
        return np.asarray(np.append(seconds(values.levels), _MISSING)[values.codes])
    return np.array([_second(value) for value in plain(values)], dtype=np.int64)


_MISSING: Final = int(np.iinfo(np.int64).min)


def _second(value: object) -> int:
    """One date as seconds, without running code of an unknown type."""
    kind = type(value)
    if value is None or is_missing_marker(value) or (kind is float and value != value):  # noqa: PLR0124 - NaN
        return _MISSING
    if issubclass(kind, np.datetime64):
        return int(np.datetime64(value, "s").astype(np.int64))  # type: ignore[call-overload]  # is one
    if kind is str and len(value) <= _MAX_ISO:  # type: ignore[arg-type]  # is text
        try:
            value = dt.datetime.fromisoformat(value)  # type: ignore[arg-type]  # is text
        except ValueError:
            return UNREADABLE
        kind = dt.datetime
    if issubclass(kind, dt.datetime):
        return _instant(value)  # type: ignore[arg-type]  # is one
    if issubclass(kind, dt.date):
        return (dt.date.toordinal(value) - _EPOCH.toordinal()) * _DAY  # type: ignore[arg-type]  # is one
    return UNREADABLE


def _instant(value: dt.datetime) -> int:
    """A datetime as seconds; one with a zone of unknown make can't be read."""
    fields = [getattr(dt.datetime, name).__get__(value) for name in ("hour", "minute", "second", "tzinfo")]
    hour, minute, second, zone = fields
    local = (dt.datetime.toordinal(value) - _EPOCH.toordinal()) * _DAY + hour * 3600 + minute * 60 + second
    if zone is None:
        return int(local)
    if not _is_known(zone):
        return UNREADABLE
    offset = dt.datetime.utcoffset(value)
    return int(local - (offset.total_seconds() if offset else 0))


def _is_known(zone: object) -> bool:
    """Whether a zone is of a library whose code may run."""
    return zone is None or type(zone).__module__.partition(".")[0] in _KNOWN_ZONES


def moment_text(value: dt.date | np.datetime64) -> str | None:
    """A date or time in ISO 8601; None when it is missing, in a zone of unknown make or without a unit."""
    if is_missing_marker(value):
        return None
    if issubclass(type(value), np.datetime64):
        unit, _ = np.datetime_data(np.generic.dtype.__get__(value))
        return None if unit == "generic" else str(np.datetime64(value))
    if not issubclass(type(value), dt.datetime):
        return dt.date.isoformat(value)  # type: ignore[arg-type]  # is one
    known = _is_known(dt.datetime.tzinfo.__get__(value))
    return dt.datetime.isoformat(value) if known else None  # type: ignore[arg-type]  # is one


def calendar(values: Values, part: str) -> NDArray[np.int64]:
    """Position of each date's hour, weekday or month in its levels; -1 missing, -2 unreadable."""
    instants = seconds(values)
    if part == "hour":
        found = instants % _DAY // 3600
    elif part == "weekday":
        found = (instants // _DAY + 3) % 7  # 1970 began on a Thursday
    else:
        found = np.array(instants, dtype="datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12
    found = np.where(instants == _MISSING, -1, found)
    return np.where(instants == UNREADABLE, -2, found)


def lengths(values: Values) -> Numbers:
    """Characters of each text, NaN for what is no text."""
    if isinstance(values, Coded):
        return np.asarray(np.append(lengths(values.levels), np.nan)[values.codes])
    return np.array([_length(value) for value in plain(values)], dtype=np.float64)


def _length(value: object) -> float:
    return float(str.__len__(value)) if issubclass(type(value), str) else np.nan  # type: ignore[arg-type]  # is text


def vectors(values: Values, dimension: int) -> Numbers:
    """Embeddings as rows, shape ``(rows, dimension)``; a row of NaN for what is no such vector of numbers."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu" and values.shape[1:] == (dimension,):
        return values.astype(np.float64)
    rows = [_vector(value, dimension) for value in plain(values)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), dimension)


def _vector(value: object, dimension: int) -> NDArray[np.generic] | Sequence[float]:
    kind = type(value)
    if kind is np.ndarray and value.shape == (dimension,) and value.dtype.kind in "fiu":  # type: ignore[attr-defined]  # is one
        return value  # type: ignore[return-value]  # is one
    if kind in (list, tuple) and len(value) == dimension and set(map(type, value)) <= {float, int}:  # type: ignore[arg-type,call-overload]  # is one
        return value  # type: ignore[return-value]  # is one
    return [np.nan] * dimension


def norms(rows: Numbers) -> Numbers:
    """Euclidean length of each row."""
    return np.asarray(np.sqrt((rows * rows).sum(axis=1)))


def projection(rows: Numbers, number: int) -> Numbers:
    """Each row along one frozen direction of random signs, over the root of the dimension.

    The signs follow from number and dimension alone, so that a reference need not store them and two
    references agree. A shift of the mean shows in a random direction with the size that it has in most.

    Source: Achlioptas (2003), J. Comput. Syst. Sci. 66(4), 671-687.
    """
    signs = _signs(number, rows.shape[1])
    # A product summed row by row, not a matrix product: the same bits whatever the number of rows.
    return np.asarray((rows * signs).sum(axis=1) / np.sqrt(signs.size))


@lru_cache(maxsize=64)
def _signs(number: int, dimension: int) -> Numbers:
    """Signs by a mixing function of the position, the same on every machine and version."""
    return np.where(
        mixed(np.arange(dimension, dtype=np.uint64) + np.uint64(number << 32)) >> np.uint64(63), -1.0, 1.0
    )


def mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each number mixed so that every bit depends on all bits.

    Source: Steele, Lea and Flood (2014), OOPSLA, the finaliser of SplitMix.
    """
    x = numbers + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def embedded(number: int, dimension: int) -> Callable[[Values], Numbers]:
    """What reads the norm (number 0) or a projection (from 1) of embeddings."""
    if number:
        return lambda values: projection(vectors(values, dimension), number)
    return lambda values: norms(vectors(values, dimension))
