"""Numbers and times written for people; None and NaN become an en dash."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Final

ABSENT: Final = "\u2013"
_SPACE: Final = "\u00a0"
_MINUTE: Final = 60.0
_HOUR: Final = 3_600.0
_DAY: Final = 86_400.0
_SECOND_MS: Final = 1_000.0
_LEAST_P: Final = 0.001
_GREAT_E: Final = 1_000.0


def plain(value: object) -> str:
    """Any telemetry value as text, so that no dictionary from outside can pose as a Dash component."""
    if value is None:
        return ABSENT
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits, thousands separated: `0.0123`, `1.2`, `12,345`."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}" if abs(value) >= 0.0001 or value == 0 else f"{value:.1e}"


def evidence(value: float | None) -> str:
    """An e-value, whose power of ten is what tells: `0.7`, `84`, `2e+07`."""
    return number(value, 2) if value is None or value < _GREAT_E else f"{value:.0e}"


def count(value: int | None) -> str:
    """A whole number with thousands separated."""
    return ABSENT if value is None else f"{value:,}"


def plural(value: int, noun: str) -> str:
    """A count with its noun: `1 span`, `1,024 spans`."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def fixed(value: float | None, digits: int = 3) -> str:
    """A statistic with a fixed number of decimals, so that a column of them lines up."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def share(value: float | None) -> str:
    """A share of 1 as per cent: `0.2 %`, `3.4 %`, `43 %`."""
    if value is None or not math.isfinite(value):
        return ABSENT
    percent = 100 * value
    digits = 0 if percent in (0, 100) or 10 <= percent <= 99 else 1
    return f"{percent:.{digits}f}{_SPACE}%"


def p_value(value: float | None) -> str:
    """A p-value; below 0.001 only that."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return "<" + _SPACE + "0.001" if value < _LEAST_P else f"{value:.3f}"


def milliseconds(value: float | None) -> str:
    """A latency: `0.12 ms`, `1.2 ms`, `340 ms`, `2.5 s`."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{number(value)}{_SPACE}ms" if value < _SECOND_MS else seconds(value / _SECOND_MS)


def seconds(value: float | None) -> str:
    """A span of time in its natural unit: `12 s`, `3.4 min`, `5.2 h`, `3.1 d`."""
    if value is None or not math.isfinite(value):
        return ABSENT
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if value >= length:
            return f"{number(value / length, 2)}{_SPACE}{unit}"
    return f"{number(value, 2)}{_SPACE}s"


def per_second(value: float | None) -> str:
    """A rate of calls; slow ones are told per minute."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{number(value)}{_SPACE}/s" if value >= 1 or not value else f"{number(60 * value)}{_SPACE}/min"


def ago(moment: float | None, now: float) -> str:
    """Distance of a Unix time from now: `12 s ago`."""
    if moment is None:
        return ABSENT
    return "just now" if now - moment < 1 else f"{seconds(float(int(now - moment)))} ago"


def clock(moment: float | None) -> str:
    """A Unix time as date and time of day in UTC."""
    return ABSENT if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
