"""Short unique names of a reference's bins: they are attributes on the wire and ticks in the viewer."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from modelspan.drift.values import MISSING, OTHER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DIGITS = range(4, 18)
_PLAIN = (1e-4, 1e7)


def numeric_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """Labels of the bins between inner edges, with ``(missing)`` last: ``len(edges) + 2`` of them.

    Four significant digits, more only where two edges would read the same.
    """
    for digits in _DIGITS:
        texts = [_short(edge, digits) for edge in edges]
        if len(set(texts)) == len(texts):
            break
    if not texts:
        return ("any", MISSING)
    between = [f"{low} – {high}" for low, high in itertools.pairwise(texts)]  # noqa: RUF001 - a range
    return (f"≤ {texts[0]}", *between, f"> {texts[-1]}", MISSING)


def integer_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """Labels of bins of whole numbers: what is in each, ``4 – 7`` rather than the edges 3.5 and 7.5."""  # noqa: RUF002 - a range
    whole = [math.floor(edge) for edge in edges]
    between = [_range(low + 1, high) for low, high in itertools.pairwise(whole)]
    labels = (f"≤ {whole[0]}", *between, f"≥ {whole[-1] + 1}", MISSING) if whole else ()
    return labels if len(set(labels)) == len(edges) + 2 else numeric_labels(edges)


def _range(low: int, high: int) -> str:
    return str(low) if low >= high else f"{low} – {high}"  # noqa: RUF001 - a range


def _short(edge: float, digits: int) -> str:
    """The number at so many significant digits, without an exponent where people would not write one."""
    low, high = _PLAIN
    if low <= abs(edge) < high:
        whole = math.floor(math.log10(abs(edge))) + 1
        return f"{edge:.{max(digits, whole)}g}"
    return f"{edge:.{digits}g}"


def level_labels(levels: Iterable[str]) -> tuple[str, ...]:
    """Labels of the levels, then ``(other)`` and ``(missing)``; unprintable characters are replaced."""
    taken = {OTHER, MISSING}
    labels = [_unique(_printable(level), taken) for level in levels]
    return (*labels, OTHER, MISSING)


def _printable(level: str) -> str:
    """The level as text that any backend takes: a lone surrogate would spoil the encoding of a batch."""
    return "".join(c if c.isprintable() else "�" for c in level) or "(empty)"


def _unique(label: str, taken: set[str]) -> str:
    """The label, numbered when taken; it is taken afterwards."""
    candidate, number = label, 2
    while candidate in taken:
        candidate, number = f"{label} ({number})", number + 1
    taken.add(candidate)
    return candidate
