"""One span for each call as bytes: columns of regular calls, by hand those that have more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode, get_current_span

from modelspan import semconv
from modelspan.delivery.otlp import records, spans
from modelspan.guard import guard
from modelspan.pipeline.text import describe_failure, told_text
from modelspan.sinks.spans import clean_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from modelspan.delivery.otlp.records import Envelope, Records
    from modelspan.delivery.sampling import SamplingRule
    from modelspan.pipeline.block import Block
    from modelspan.prediction import Prediction
    from modelspan.sinks.spans import SpanSink

_STATUS = {StatusCode.UNSET: 0, StatusCode.OK: 1, StatusCode.ERROR: 2}


class NativeSpanSink:
    """Encodes spans and hands them to the sender, past the SDK.

    When the application has put a span processor of its own on our provider, it must see the spans: they go
    through the SDK then, by `through_sdk`.
    """

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        add: Callable[[Records], None],
        around: Envelope,
        rule: SamplingRule,
        through_sdk: SpanSink,
        is_plain: Callable[[], bool],
        lose: Callable[[str, int], None],
    ) -> None:
        self._add = add
        self._around = around
        self._rule = rule
        self._through_sdk = through_sdk
        self._is_plain = is_plain
        self._lose = lose

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """One span each."""
        if not self._is_plain():
            self._through_sdk(predictions)
            return
        for prediction in predictions:
            with guard("making a span"):
                self._one(prediction)

    def take_block(self, block: Block) -> None:
        """The spans of a block."""
        if not self._is_plain():
            self._through_sdk(block.predictions)
            return
        sampled = block.sampled
        keep = block.kept & sampled
        self._lose("spans", int((sampled & ~block.kept).sum()))
        if keep.any():
            for encoded in spans.encode(self._around, self._columns(block, keep)):
                self._add(encoded)

    def _one(self, prediction: Prediction) -> None:
        context = prediction.context
        parent = get_current_span(context if isinstance(context, Context) else Context()).get_span_context()
        given = prediction.sampling
        kept = self._rule.keeps(prediction.trace_id, parent if parent.is_valid else None)
        sampled = kept if given is None else prediction.sampled
        if sampled and not prediction.kept:
            self._lose("spans", 1)
        elif sampled:
            self._add(records.single(self._around, spans.encode_one(self._span(prediction, parent))))

    def _columns(self, block: Block, keep: Any) -> spans.SpanColumns:
        model, parents = block.model, block.parents
        every = bool(keep.all())

        def kept(column: Any) -> Any:
            return column if every else column[keep]

        return spans.SpanColumns(
            name=semconv.span_name(model.operation, model.name),
            attributes=self._through_sdk.attributes(model, "", 1),
            trace_ids=kept(block.trace_ids),
            span_ids=kept(block.span_ids),
            started_ns=kept(block.started_ns),
            ended_ns=kept(block.ended_ns),
            parent_ids=kept(_ids(parents)) if parents is not None else None,
            parent_remote=kept(np.array([p.is_remote for p in parents], bool))
            if parents is not None
            else None,
        )

    def _span(self, prediction: Prediction, parent: Any) -> spans.OneSpan:
        """A prediction's span with all that user code did to it during the call."""
        seen, model, failure = prediction.span, prediction.model, prediction.failure
        code, said = seen.get("status", (StatusCode.UNSET, None))
        attributes = self._through_sdk.attributes(model, failure.type if failure else "", prediction.rows)
        attributes[semconv.PREDICTION_ID] = prediction.id
        for name, value in prediction.annotations.items():
            attributes[semconv.ANNOTATION_PREFIX + name] = value
        return spans.OneSpan(
            name=told_text(seen.get("name", "")) or semconv.span_name(model.operation, model.name),
            trace_id=prediction.trace_id,
            span_id=prediction.span_id,
            parent_id=parent.span_id if parent.is_valid else 0,
            parent_remote=parent.is_valid and parent.is_remote,
            trace_state=parent.trace_state.to_header() if parent.is_valid else "",
            started_ns=prediction.started_ns,
            ended_ns=prediction.started_ns + int(prediction.seconds * 1e9),
            attributes={**attributes, **clean_attributes(seen.get("span_attributes"))},
            events=tuple(_events(seen)),
            links=tuple(_links(seen)),
            status=2 if failure else _STATUS.get(getattr(code, "status_code", code), 0),
            status_text=failure.message
            if failure
            else told_text(said or getattr(code, "description", "") or ""),
        )


def _ids(parents: Sequence[Any]) -> Any:
    joined = b"".join([parent.span_id.to_bytes(8, "big") for parent in parents])
    return np.frombuffer(joined, np.uint8).reshape(-1, 8)


def _events(seen: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any], int]]:
    for name, attributes, time_ns in seen.get("events", ()):
        yield told_text(name), clean_attributes(attributes), time_ns
    for error, attributes, time_ns in seen.get("exceptions", ()):
        failure = describe_failure(error)
        described = {
            semconv.EXCEPTION_TYPE: failure.type,
            semconv.EXCEPTION_MESSAGE: failure.message,
            semconv.EXCEPTION_STACKTRACE: failure.stacktrace,
        }
        yield semconv.SPAN_EXCEPTION, {**described, **clean_attributes(attributes)}, time_ns


def _links(seen: Mapping[str, Any]) -> Iterable[tuple[int, int, bool, str, Mapping[str, Any]]]:
    for context, attributes in seen.get("links", ()):
        state = context.trace_state.to_header()
        yield context.trace_id, context.span_id, context.is_remote, state, clean_attributes(attributes)
