"""Parts of a run that become spans: the run itself, an epoch, a scoring."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from modelspan import semconv

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelspan._runtime import Runtime


@dataclass(slots=True)
class Part:
    """A part that is not over."""

    operation: str
    parent: tuple[int, int, bool]
    """Trace id, span id, sampled."""
    ids: tuple[int, int]
    attributes: dict[str, Any]
    started_ns: int = field(default_factory=time.time_ns)
    sampling: Any = None


def span_maker(
    runtime: Runtime, part: Part, name: str, attributes: dict[str, Any], ended_ns: int
) -> Callable[[], None]:
    """What makes the span of a part that is over; for the worker."""

    def make() -> None:
        span = runtime.spans.start(
            name, context_of(part.parent), part.ids, part.sampling,
            attributes=attributes, start_time=part.started_ns,
        )  # fmt: skip
        if semconv.ERROR_TYPE in attributes:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended_ns)

    return make


def context_of(ids: tuple[int, int, bool]) -> Context:
    """A context whose span has these ids: a parent for spans, an exemplar for metrics."""
    trace_id, span_id, sampled = ids
    if not trace_id or not span_id:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    span = SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(span), Context())
