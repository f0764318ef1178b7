"""Attributes of foreign senders as the types that an answer promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def finite(value: object) -> float | None:
    """A number, or None for anything else."""
    return float(value) if isinstance(value, int | float) else None


def whole(value: object) -> int | None:
    """A whole number, or None for anything else."""
    return value if type(value) is int else None


def listed(values: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    """The list under `name`; empty when a foreign sender put anything else there."""
    found = values.get(name)
    good = isinstance(found, list) and all(type(each) is kind for each in found)
    return list(found) if good and found else []
