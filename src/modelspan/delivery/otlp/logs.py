"""Log records as bytes: `opentelemetry.proto.logs.v1.LogRecord`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.delivery.otlp import layout, wire
from modelspan.delivery.otlp.matrix import assemble
from modelspan.delivery.otlp.spans import prediction_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from modelspan.delivery.otlp.records import Envelope, Records

_ATTRIBUTES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class LogColumns:
    """Log records of one event that differ in ids, time, the end of the body, and some attributes."""

    event: str
    severity: int
    severity_text: str
    body: Sequence[bytes | layout.Column]
    """Pieces of the body."""
    attributes: Mapping[str, Any]
    """Those that all have; each gets its prediction id besides."""
    numbers: Sequence[tuple[str, NDArray[np.float64]]] = ()
    """Attributes that are doubles, by key; without those that are not finite."""
    texts: Sequence[tuple[str, layout.Column]] = ()
    """Attributes that are texts, by key."""
    flags: Sequence[tuple[str, NDArray[np.bool_]]] = ()
    """Attributes that are booleans, by key."""
    trace_ids: layout.Bytes
    span_ids: layout.Bytes
    time_ns: NDArray[np.int64]
    observed_ns: int
    sampled: NDArray[np.bool_]

    def only(self, keep: NDArray[np.bool_]) -> LogColumns:
        """The records that `keep` marks."""
        return replace(
            self,
            body=[p if isinstance(p, bytes) else layout.only(p, keep) for p in self.body],
            numbers=[(key, values[keep]) for key, values in self.numbers],
            texts=[(key, layout.only(column, keep)) for key, column in self.texts],
            flags=[(key, values[keep]) for key, values in self.flags],
            trace_ids=self.trace_ids[keep],
            span_ids=self.span_ids[keep],
            time_ns=self.time_ns[keep],
            sampled=self.sampled[keep],
        )


MAX_KINDS: Final = 4
"""Records are sorted by the lengths of their texts, when these are not more than so many."""


def encode(around: Envelope, logs: LogColumns) -> list[Records]:
    """All records of one batch."""
    texts = [column for _, column in logs.texts]
    pieces = [piece for piece in logs.body if isinstance(piece, layout.Column)]
    kinds = layout.of_one_length([*pieces, *texts], MAX_KINDS)
    groups = [logs.only(kind) for kind in kinds] or [logs]
    return [records for group in groups for records in _encode(around, group)]


def _encode(around: Envelope, logs: LogColumns) -> list[Records]:
    parts: list[layout.Part] = [wire.tag(1, 1), layout.int64s(logs.time_ns)]
    parts += [wire.number(2, logs.severity) + wire.text(3, logs.severity_text)]
    parts += layout.text_value(5, logs.body)
    parts += [wire.attributes(_ATTRIBUTES, logs.attributes)]
    parts += prediction_id(_ATTRIBUTES, logs.trace_ids, logs.span_ids)
    parts += layout.double_attributes(_ATTRIBUTES, logs.numbers)
    for key, column in logs.texts:
        parts += layout.text_attribute(_ATTRIBUTES, key, column)
    for key, switches in logs.flags:
        parts += layout.flag_attribute(_ATTRIBUTES, key, switches)
    parts += [wire.tag(8, 5), layout.int32s(logs.sampled.astype(np.int32))]
    parts += [wire.tag(9) + b"\x10", layout.Column(logs.trace_ids)]
    parts += [wire.tag(10) + b"\x08", layout.Column(logs.span_ids)]
    parts += [wire.fixed64(11, logs.observed_ns) + wire.text(12, logs.event)]
    return assemble(around, 2, len(logs.trace_ids), parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneLog:
    """A log record of any content."""

    event: str
    body: str
    attributes: Mapping[str, Any]
    severity: int
    severity_text: str
    time_ns: int
    observed_ns: int
    trace_id: int = 0
    span_id: int = 0
    sampled: bool = True


def encode_one(log: OneLog) -> bytes:
    """The content of one `LogRecord`."""
    return b"".join((
        wire.fixed64(1, log.time_ns), wire.number(2, log.severity), wire.text(3, log.severity_text),
        wire.block(5, wire.any_value(log.body)), wire.attributes(_ATTRIBUTES, log.attributes),
        wire.fixed32(8, int(log.sampled and bool(log.trace_id))),
        wire.trace_id(9, log.trace_id), wire.span_id(10, log.span_id),
        wire.fixed64(11, log.observed_ns), wire.text(12, log.event),
    ))  # fmt: skip
