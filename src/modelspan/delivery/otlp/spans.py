"""Spans as bytes: `opentelemetry.proto.trace.v1.Span`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan import semconv
from modelspan.delivery.otlp import layout, wire
from modelspan.delivery.otlp.matrix import assemble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from modelspan.delivery.otlp.records import Envelope, Records

INTERNAL: Final = 1
HAS_IS_REMOTE: Final = 0x100
IS_REMOTE: Final = 0x200
_ATTRIBUTES: Final = 9
ID_LENGTH: Final = 49
"""Characters of a prediction id: 32 of the trace id, a dash, 16 of the span id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanColumns:
    """Spans that differ in ids and times only."""

    name: str
    attributes: Mapping[str, Any]
    """Those that all have; each gets its prediction id besides."""
    trace_ids: layout.Bytes
    """Shape ``(n, 16)``."""
    span_ids: layout.Bytes
    """Shape ``(n, 8)``."""
    started_ns: NDArray[np.int64]
    ended_ns: NDArray[np.int64]
    parent_ids: layout.Bytes | None = None
    """Shape ``(n, 8)``; None where all are roots."""
    parent_remote: NDArray[np.bool_] | None = None


def prediction_id(field: int, trace_ids: layout.Bytes, span_ids: layout.Bytes) -> list[layout.Part]:
    """The attribute that names the prediction: its ids as text."""
    head = wire.block(field, wire.key_value(semconv.PREDICTION_ID, "0" * ID_LENGTH))[:-ID_LENGTH]
    return [head, layout.hexadecimal(trace_ids), b"-", layout.hexadecimal(span_ids)]


def encode(around: Envelope, spans: SpanColumns) -> list[Records]:
    """All spans of one batch."""
    parts: list[layout.Part] = [wire.tag(1) + b"\x10", layout.Column(spans.trace_ids)]
    parts += [wire.tag(2) + b"\x08", layout.Column(spans.span_ids)]
    if spans.parent_ids is not None:
        parts += [wire.tag(4) + b"\x08", layout.Column(spans.parent_ids)]
    parts += [wire.text(5, spans.name) + wire.number(6, INTERNAL)]
    parts += [wire.tag(7, 1), layout.int64s(spans.started_ns), wire.tag(8, 1), layout.int64s(spans.ended_ns)]
    parts += [wire.attributes(_ATTRIBUTES, spans.attributes)]
    parts += prediction_id(_ATTRIBUTES, spans.trace_ids, spans.span_ids)
    parts += [wire.block(15, b""), *_flags(spans)]
    return assemble(around, 2, len(spans.trace_ids), parts)


def _flags(spans: SpanColumns) -> list[layout.Part]:
    if spans.parent_remote is None:
        return [wire.fixed32(16, HAS_IS_REMOTE)]
    flags = HAS_IS_REMOTE + IS_REMOTE * spans.parent_remote.astype(np.int64)
    return [wire.tag(16, 5), layout.int32s(flags)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSpan:
    """A span that has what only some have: events, links, a status, attributes of its own."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int = 0
    parent_remote: bool = False
    trace_state: str = ""
    started_ns: int
    ended_ns: int
    attributes: Mapping[str, Any]
    events: tuple[tuple[str, Mapping[str, Any], int], ...] = ()
    """Name, attributes, Unix time in nanoseconds."""
    links: tuple[tuple[int, int, bool, str, Mapping[str, Any]], ...] = ()
    """Trace id, span id, whether it is remote, trace state, attributes."""
    status: int = 0
    """0 unset, 1 ok, 2 error."""
    status_text: str = ""


def encode_one(span: OneSpan) -> bytes:
    """The content of one `Span`."""
    flags = HAS_IS_REMOTE | (IS_REMOTE if span.parent_remote else 0)
    return b"".join((
        wire.trace_id(1, span.trace_id), wire.span_id(2, span.span_id), wire.text(3, span.trace_state),
        wire.span_id(4, span.parent_id), wire.text(5, span.name), wire.number(6, INTERNAL),
        wire.fixed64(7, span.started_ns), wire.fixed64(8, span.ended_ns),
        wire.attributes(_ATTRIBUTES, span.attributes),
        *(wire.block(11, _event(*event)) for event in span.events),
        *(wire.block(13, _link(*link)) for link in span.links),
        wire.block(15, wire.text(2, span.status_text) + wire.number(3, span.status)),
        wire.fixed32(16, flags),
    ))  # fmt: skip


def _event(name: str, attributes: Mapping[str, Any], time_ns: int) -> bytes:
    return wire.fixed64(1, time_ns) + wire.text(2, name) + wire.attributes(3, attributes)


def _link(trace_id: int, span_id: int, remote: bool, state: str, attributes: Mapping[str, Any]) -> bytes:
    flags = HAS_IS_REMOTE | (IS_REMOTE if remote else 0)
    ids = wire.trace_id(1, trace_id) + wire.span_id(2, span_id) + wire.text(3, state)
    return ids + wire.attributes(4, attributes) + wire.fixed32(6, flags)
