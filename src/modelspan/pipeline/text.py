"""Bounded, valid values for the wire: one bad value must not spoil its neighbours in a batch."""

from __future__ import annotations

import math
import sys
import traceback
from typing import Final

import numpy as np

from modelspan import redaction
from modelspan.drift.parts import moment_text
from modelspan.prediction import Failure
from modelspan.snapshot import MOMENTS

MAX_TEXT: Final = 4096
MAX_STACK: Final = 16_384
MAX_ITEMS: Final = 64
_INT64: Final = 2**63
_CANCELLED: Final = frozenset(("CancelledError", "KeyboardInterrupt", "SystemExit", "GeneratorExit"))


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """`text` cut to `limit` characters, lone surrogates replaced, so that it always encodes."""
    return str.__getitem__(text, slice(0, limit)).encode("utf-8", "replace").decode("utf-8")


def told_text(text: str) -> str:
    """A text of the user's that leaves: bounded, valid, and without secrets."""
    return redaction.active.text(clean_text(text))


def clean_value(value: object) -> object | None:
    """`value` as something every signal can carry: bool, int64, finite float, text, or a list of them.

    Dates become ISO 8601, NaN and infinity None, an integer beyond 64 bits a float or None, an unknown
    object the name of its type: its `str()` is never called.
    """
    kind = type(value)
    if issubclass(kind, MOMENTS):
        return moment_text(value)  # type: ignore[arg-type]  # is one
    if issubclass(kind, np.generic):
        value = float(value) if issubclass(kind, np.longdouble) else value.item()  # type: ignore[arg-type, attr-defined]  # a numpy scalar
        kind = type(value)
    if value is None or kind is bool:
        return value
    # not isinstance(): that reads `__class__`, which an unknown object may define
    if issubclass(kind, str):
        return clean_text(value)  # type: ignore[arg-type]  # a str
    if issubclass(kind, (int, float)):
        return _clean_number(value)  # type: ignore[arg-type]  # a number
    if kind in (list, tuple):
        items = [clean_value(item) for item in value[:MAX_ITEMS]]  # type: ignore[index] # list or tuple
        return [item for item in items if type(item) is type(items[0]) and type(item) is not list]
    return f"<{clean_text(kind.__name__, 80)}>"


def _clean_number(value: float) -> object | None:
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return int(value)
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def describe_failure(error: BaseException) -> Failure:
    """Type, message and stack trace of an exception as bounded text, also when its `__str__` is broken."""
    kind = type(error)
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    name = clean_text(f"{module}{kind.__qualname__}", 256)
    cancelled = (
        kind.__name__ in _CANCELLED and not isinstance(error, Exception)
    ) or kind.__name__ == "CancelledError"
    return Failure(
        type=name,
        message=told_text(_message(error)),
        stacktrace=redaction.active.text(_stacktrace(error)),
        exception=error,
        cancelled=cancelled,
    )


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # a broken __str__ may raise anything, SystemExit too; we are on our own thread
        return f"<{type(error).__name__}.__str__ failed>"
    return text if isinstance(text, str) else "<no message>"


def _stacktrace(error: BaseException) -> str:
    """The traceback's text; of a long one, the end, where the fault is."""
    try:
        text = "".join(traceback.format_exception(error, limit=-64))
    except BaseException:  # see _message
        frames = traceback.extract_tb(error.__traceback__, limit=-64)
        text = (
            "".join(traceback.format_list(frames))
            + f"{type(error).__name__} (stack trace of the message failed)\n"
        )
    head = "… cut …\n" if len(text) > MAX_STACK else ""
    return head + clean_text(text[-MAX_STACK:], sys.maxsize)
