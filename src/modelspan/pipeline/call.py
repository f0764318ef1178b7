"""One running call: what the caller's thread writes down, and the current span that user code sees."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context, create_key, get_value
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

from modelspan.pipeline.current import get_current, wall
from modelspan.snapshot import DOUBLE, Snapshot, kind_of_answer

if TYPE_CHECKING:
    from opentelemetry.util import types

    from modelspan.delivery.sampling import SamplingRule
    from modelspan.pipeline.target import Target

MAX_ENTRIES: Final = 64
SPAN_KEY: Final = next(iter(set_span_in_context(INVALID_SPAN, Context())))
CALL_KEY: Final = create_key("modelspan-call")
_last: ContextVar[Call | None] = ContextVar("modelspan-last-call", default=None)
set_last: Final = _last.set
"""Make a call the last finished one of this thread or task."""
Sampling = Any
"""A `SamplingResult` of the OpenTelemetry SDK."""
Decide = Callable[[Context, int, str], Sampling]
decide_sampling: Decide | None = None
"""The sampler of the tracer in use, set by `_setup`; None means: sample."""
sampling_rule: SamplingRule | None = None
"""The standard sampler for calls whose decision nobody has asked for; None means: sample."""


class Call(Span):
    """A call of a decorated function, from its start until the worker has described it.

    It stands in as the current span, because a real one costs 20 µs; ids are drawn when first asked for.
    Defaults stand on the class, so that a call sets only what it has.
    """

    seconds = 0.0
    output: Snapshot | None = None
    atom: Any = None
    """An answer that is immutable, so that it needs no snapshot until the worker reads it."""
    error: BaseException | None = None
    cost = 0
    """About how many bytes a call of several rows holds; of one row: `Queue.each`."""
    touched = False
    """Whether user code added anything to the span or the event."""
    parent: SpanContext | None = None
    """The caller's span, once `shape` has looked for it."""
    raw_ids: bytes | None = None
    sampling: Sampling = None
    """Trace id and span id, 16 and 8 bytes, and the sampler's decision, once somebody has asked for them."""

    row: bytes | dict[Any, Any] | None = None
    """Inputs that are one row of float64, or a dict of immutable values, copied: see `inputs`."""
    features: Snapshot | None = None
    """Inputs of any other kind."""

    def __init__(self, target: Target, features: Snapshot | None) -> None:
        self.target = target
        self.features = features
        self.context = get_current()
        self.clock = perf_counter()

    @property
    def started_ns(self) -> int:
        """Start, Unix time in nanoseconds: the caller reads one clock, the worker adds the distance."""
        return int(self.clock * 1e9) + wall.offset_ns

    @property
    def id(self) -> str:
        """What `feedback` takes: `<trace id>-<span id>` in hex."""
        context = self.get_span_context()
        return f"{context.trace_id:032x}-{context.span_id:016x}"

    def annotate(self, **annotations: Any) -> None:
        """Add facts to the span and the `ml.prediction` event: text, numbers, booleans; at most 64."""
        self._add("annotations", annotations)

    def inputs(self) -> Snapshot | None:
        """What the function was given."""
        row = self.row
        if row is None:
            return self.features
        return Snapshot("row", (DOUBLE, row), 1) if type(row) is bytes else Snapshot("record", row, 1)

    def forget(self) -> None:
        """Let go of the user's data; the ids stay, for `current_prediction()` after the call."""
        self.features = self.row = self.output = self.atom = self.error = None

    def inside(self) -> Context:
        """The context in which the user's function runs: this call is its current span."""
        return Context({**self.context, SPAN_KEY: self, CALL_KEY: self})

    # -- the OpenTelemetry span as user code sees it

    def get_span_context(self) -> SpanContext:
        """Ids of this call, drawn when first asked for."""
        found: SpanContext | None = self.__dict__.get("ids")
        return self.__dict__.setdefault("ids", self._draw()) if found is None else found

    def draw_ids(self) -> bytes:
        """16 bytes of trace id, in the trace of the caller's span, and 8 of span id; drawn once.

        `dict.setdefault` lets only one thread's draw win: user code may ask while the worker does.
        """
        self._finds_parent()
        drawn = secrets.token_bytes(24)
        if self.parent is not None:
            drawn = self.parent.trace_id.to_bytes(16, "big") + drawn[16:]
        return self.__dict__.setdefault("raw_ids", drawn)  # type: ignore[no-any-return]  # bytes, from here only

    def _draw(self) -> SpanContext:
        raw, parent = self.draw_ids(), self.parent
        trace_id = int.from_bytes(raw[:16], "big")
        flags, state = TraceFlags(TraceFlags.SAMPLED), parent.trace_state if parent else TraceState()
        if decide_sampling is not None:
            sampling: Any = self.__dict__.setdefault(
                "sampling", decide_sampling(self.context, trace_id, self.target.model.name)
            )
            flags = flags if sampling.decision.is_sampled() else TraceFlags(TraceFlags.DEFAULT)
            state = sampling.trace_state or TraceState()
        span_id = int.from_bytes(raw[16:], "big")
        return SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags, trace_state=state)

    def shape(self) -> tuple[Any, ...] | None:
        """What the calls of one block have in common; None when this call is not regular."""
        if self.touched or self.error is not None:
            return None
        features, output = self.features, self.output
        row = self.row
        if row is not None:
            inputs: Any = len(row) if type(row) is bytes else tuple(row)
        elif features is None:
            return None
        elif features.kind == "row":
            inputs = (features.payload[0], len(features.payload[1]))
        elif features.kind == "record":
            inputs = tuple(features.payload)
        else:
            return None
        answer = type(self.atom) if output is None else kind_of_answer(output)
        rooted = not self.context or self._finds_parent()
        regular = rooted and answer is not None
        return (id(self.target), inputs, answer, self.parent is None) if regular else None

    def _finds_parent(self) -> bool:
        """Look for the caller's span; False when its trace has a state, which is not regular."""
        parent = get_current_span(self.context).get_span_context()
        self.parent = parent if parent.is_valid else None
        return not parent.trace_state

    def is_recording(self) -> bool:
        """True: what user code sets is kept until the worker has made the real span."""
        return True

    def set_attributes(self, attributes: Any) -> None:
        """Keep span attributes, at most 64."""
        self._add("span_attributes", attributes)

    def set_attribute(self, key: str, value: types.AttributeValue) -> None:
        """Keep one span attribute."""
        self._add("span_attributes", {key: value})

    def add_event(self, name: str, attributes: types.Attributes = None, timestamp: int | None = None) -> None:
        """Keep a span event, at most 64."""
        self._append("events", (name, attributes, timestamp or time_ns()))

    def add_link(self, context: SpanContext, attributes: types.Attributes = None) -> None:
        """Keep a link, at most 64."""
        self._append("links", (context, attributes))

    def record_exception(
        self,
        exception: BaseException,
        attributes: types.Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Keep an exception that user code handled, as a span event made by the worker."""
        del escaped
        self._append("exceptions", (exception, attributes, timestamp or time_ns()))

    def set_status(self, status: Any, description: str | None = None) -> None:
        """Keep the status that user code chose."""
        self.touched = True
        self.__dict__["status"] = (status, description)

    def update_name(self, name: str) -> None:
        """Keep the name that user code chose."""
        self.touched = True
        self.__dict__["name"] = name

    def end(self, end_time: int | None = None) -> None:
        """Nothing: the decorator ends the span."""

    def _add(self, field: str, entries: Any) -> None:
        self.touched = True
        kept = self.__dict__.setdefault(field, {})
        for key, value in dict(entries).items():
            if len(kept) < MAX_ENTRIES:
                kept[key] = value

    def _append(self, field: str, entry: object) -> None:
        self.touched = True
        kept = self.__dict__.setdefault(field, [])
        if len(kept) < MAX_ENTRIES:
            kept.append(entry)

    def __reduce__(self) -> Any:
        """A call is bound to its process; a copy elsewhere is its span context."""
        from opentelemetry.trace import NonRecordingSpan  # noqa: PLC0415 - needed when pickled only

        return NonRecordingSpan, (self.get_span_context(),)


active: set[Call] = set()
"""Calls running in this process; adding to and taking from a set is atomic."""


def finish(call: Call) -> None:
    """Note the duration and make `call` the last finished one of this thread or task."""
    call.seconds = perf_counter() - call.clock
    active.discard(call)
    set_last(call)


def current_prediction() -> Call | None:
    """The prediction that is running, else the last one that finished in this thread or task, else None.

    Its `id` names it for `feedback`; `annotate(...)` adds facts while it runs.
    A prediction made in another thread, or in an asyncio task of its own, is not seen from here: take the id
    inside the function there.
    """
    running = get_value(CALL_KEY)
    return running if isinstance(running, Call) else _last.get()
