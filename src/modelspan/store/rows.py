"""What goes into the outcome store, what comes back, and the hash that every stored row carries."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

JOINED: Final = "joined"
SUPERSEDED: Final = "superseded"
ORPHAN: Final = "orphan"
REJECTED: Final = "rejected"
QUEUED: Final = "queued"
UNACKNOWLEDGED: Final = "unacknowledged"
_STEP: Final = 0x9E3779B97F4A7C15
_MASK: Final = 2**64 - 1


class DamagedError(Exception):
    """A stored row does not have the content that was written; names the table and the row."""


class ModelFacts(NamedTuple):
    """What all predictions of one decorated function share."""

    name: str
    version: str = ""
    variant: str = ""
    operation: str = ""
    task: str = ""
    classes: tuple[str, ...] = ()

    @property
    def document(self) -> str:
        """The facts as the store keeps them, the same text for the same facts."""
        return json.dumps(self._asdict(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def parse(cls, document: str) -> ModelFacts:
        """The facts in a stored document."""
        found = json.loads(document)
        return cls(**{**found, "classes": tuple(found["classes"])})


class Awaiting(NamedTuple):
    """One predicted row that may get an outcome."""

    pid: bytes
    """Trace id and span id, 24 bytes."""
    row: int
    model: ModelFacts
    predicted_ns: int
    label: str | None = None
    value: float | None = None
    score: float | None = None
    extra: str | None = None
    """JSON of probabilities and segments, when it has any."""
    key: Any = None
    """Keyed hash of its business key, two numbers; its text until the recorder has hashed it."""


class Outcome(NamedTuple):
    """The truth about one row, named by prediction id or by business key."""

    pid: bytes
    """24 bytes, or empty when `key` names the row."""
    row: int
    label: str | None
    value: float | None
    weight: float
    at_ns: int
    """When it became known, Unix time in nanoseconds."""
    dated: bool
    """Whether the caller said so; else it is the newest that is known when it arrives."""
    key: Any = None
    """As in `Awaiting`."""
    model: str = ""
    """With `key`: only predictions of this model."""

    @property
    def lookup(self) -> int:
        """What it is found by."""
        return int(self.key[0]) if self.key else lookup(self.pid, self.row)


class Target(NamedTuple):
    """A prediction that an outcome became the truth of."""

    pid: bytes
    row: int
    model: ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of one outcome."""

    state: str
    """joined, superseded, orphan or rejected; queued, if nobody waited; unacknowledged, if it may be lost."""
    reason: str = ""
    """Why it was rejected: duplicate, invalid_id, nan, wrong_type, unknown_class, future, …"""
    targets: tuple[Target, ...] = field(default=(), repr=False, compare=False)
    """The predictions that it is the truth of now; several, if it was told by business key."""

    @property
    def committed(self) -> bool:
        """Whether the outcome, or its rejection, is stored and survives this process."""
        return self.state not in (QUEUED, UNACKNOWLEDGED)


def lookup(pid: bytes, row: int) -> int:
    """A signed 64-bit number by which a row is found: its span id, moved on by its position."""
    mixed = (int.from_bytes(pid[16:], "big") + row * _STEP) & _MASK
    return mixed - 2**64 if mixed >= 2**63 else mixed


def digest(table: str, cells: tuple[Any, ...]) -> int:
    """64 bits of BLAKE2b over a row; empty cells at its end don't count, so that a table may get new ones."""
    while cells and cells[-1] is None:
        cells = cells[:-1]
    hashed = hashlib.blake2b(f"{table}{cells!r}".encode(), digest_size=8).digest()
    return int.from_bytes(hashed, "big", signed=True)


def sealed(table: str, cells: tuple[Any, ...]) -> tuple[Any, ...]:
    """The cells with their hash as the last one."""
    return (*cells, digest(table, cells))


def unsealed(table: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The cells of a stored row without their hash.

    Raises:
        DamagedError: If they are not what was written.
    """
    cells = row[:-1]
    if digest(table, cells) != row[-1]:
        raise DamagedError(f"{table} {cells[0]!r:.40} is damaged: its content does not have its hash")
    return cells
