"""From what somebody says about the truth to an `Outcome`, or the reason why it is none."""

from __future__ import annotations

import math
import time
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np

from modelspan.pipeline.text import clean_text, clean_value
from modelspan.prediction import parse_prediction_id
from modelspan.store.keys import key_text
from modelspan.store.rows import Outcome

MAX_LABEL: Final = 200
MAX_ROW: Final = 2**31
SKEW_SECONDS: Final = 300.0
"""How far another machine's clock may be ahead of ours."""
_LAST_SECOND: Final = 2**33


class RefusedError(ValueError):
    """An outcome without meaning; `reason` is the word that it is counted under."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(said)
        self.reason = reason


def read_outcome(
    prediction_id: Any,
    outcome: Any,
    *,
    row: Any = 0,
    key: Any = None,
    at: Any = None,
    weight: Any = 1.0,
    model: str = "",
) -> Outcome:
    """The outcome that the arguments describe.

    Raises:
        RefusedError: If one of them has no meaning; the message names it, the rule and the way out.
    """
    pid, named = (b"", _key(key)) if key is not None else (_pid(prediction_id), None)
    if isinstance(row, np.integer):
        row = int(row)
    if type(row) is not int or not 0 <= row < MAX_ROW:
        raise RefusedError("invalid_row", f"row={row!r:.60} is not a position in a batch; count from 0")
    label, value = truth(outcome)
    at_ns = time.time_ns() if at is None else _time(at)
    # the key is text until the recorder, which knows the secret, hashes it
    return Outcome(pid, row, label, value, _weight(weight), at_ns, at is not None, named, model)


def truth(outcome: Any) -> tuple[str | None, float | None]:
    """The outcome as a class or as a value; one of them is None.

    Raises:
        RefusedError: If it is neither: None, NaN, infinite, or of another type.
    """
    plain = clean_value(outcome)
    if isinstance(plain, float) and math.isfinite(plain):
        return None, plain
    if isinstance(outcome, (str, int, np.generic)) and plain is not None and not isinstance(plain, list):
        text = clean_text(str(plain), MAX_LABEL).replace("\0", "\N{REPLACEMENT CHARACTER}")
        if text.strip():
            return text, None
    empty = outcome is None or (isinstance(outcome, str) and not outcome.strip())
    number = isinstance(outcome, (float, np.floating))
    raise RefusedError(
        "missing" if empty else "nan" if number else "wrong_type",
        f"outcome={outcome if number else type(outcome).__name__} is not an outcome; "
        "pass text, a whole number or a finite float",
    )


def _pid(prediction_id: Any) -> bytes:
    try:
        trace_id, span_id = parse_prediction_id(prediction_id if isinstance(prediction_id, str) else "")
        return trace_id.to_bytes(16, "big") + span_id.to_bytes(8, "big")
    except (ValueError, OverflowError) as error:
        raise RefusedError("invalid_id", str(error)) from None


def _key(key: Any) -> str:
    try:
        return key_text(key)
    except ValueError as error:
        raise RefusedError("invalid_key", str(error)) from None


def _weight(weight: Any) -> float:
    known = isinstance(weight, (int, float, np.number)) and not isinstance(weight, bool)
    if known and 0 < float(weight) < 1e300:
        return float(weight)
    raise RefusedError("invalid_weight", f"weight={weight!r:.60} is not a finite number above 0")


def _time(at: Any) -> int:
    """Unix nanoseconds of a datetime (UTC unless it says otherwise), a date, ISO 8601 or Unix seconds."""
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at.strip())
        except ValueError:
            raise _no_time(at) from None
    if isinstance(at, np.datetime64):
        at = at.astype("datetime64[us]").item()
    if isinstance(at, date) and not isinstance(at, datetime):
        at = datetime(at.year, at.month, at.day, tzinfo=UTC)
    try:
        if isinstance(at, datetime):
            seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()  # NaT gives NaN
        else:
            seconds = float(at) if isinstance(at, (int, float, np.number)) else math.nan
    except (ValueError, OverflowError):
        raise _no_time(at) from None
    if not 0 <= seconds < _LAST_SECOND:
        raise _no_time(at)
    if seconds > time.time() + SKEW_SECONDS:
        raise RefusedError("future", f"at={at!s:.60} is in the future; pass when the outcome became known")
    return round(seconds * 1e6) * 1000


def _no_time(at: object) -> RefusedError:
    return RefusedError(
        "invalid_time", f"at={at!r:.60} is no time; pass a datetime, ISO 8601 or Unix seconds"
    )
