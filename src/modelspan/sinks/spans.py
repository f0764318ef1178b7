"""One span for each call, with the ids that the call carried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode

from modelspan import redaction, semconv
from modelspan.guard import guard
from modelspan.pipeline.text import clean_text, clean_value, describe_failure, told_text
from modelspan.sinks.attributes import error_type, outcome_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from modelspan.delivery.spans import SpanMaker
    from modelspan.prediction import Model, Prediction


_ROUTING = ("data_stream.", "elasticsearch.")
"""Attributes by which the Collector's Elasticsearch exporter chooses an index: not for user code to set."""


class SpanSink:
    """Makes the spans through the tracer in use: its sampler, limits and processors apply."""

    def __init__(
        self, maker: SpanMaker, drifting: Callable[[Model], bool], lose: Callable[[str, int], None]
    ) -> None:
        """`drifting` tells whether a model's drift alarm is open; `lose` counts what the guard left out."""
        self._maker = maker
        self._drifting = drifting
        self._lose = lose

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """One span each."""
        for prediction in predictions:
            if not prediction.kept:
                self._lose("spans", 1)
                continue
            with guard("making a span"):
                self._make(prediction)

    def _make(self, prediction: Prediction) -> None:
        model, seen = prediction.model, prediction.span
        context = prediction.context
        span = self._maker.start(
            semconv.span_name(model.operation, model.name),
            context if isinstance(context, Context) else Context(),
            (prediction.trace_id, prediction.span_id),
            prediction.sampling,
            attributes=self._attributes(prediction),
            start_time=prediction.started_ns,
        )
        _replay(span, seen)
        if prediction.failure:
            span.set_status(Status(StatusCode.ERROR, prediction.failure.message))
        span.end(prediction.started_ns + int(prediction.seconds * 1e9))

    def attributes(self, model: Model, kind_of_error: str, rows: int) -> dict[str, Any]:
        """What the spans of a model have; a new dict."""
        attributes: dict[str, Any] = dict(outcome_attributes(model, kind_of_error))
        if model.framework:
            attributes[semconv.MODEL_FRAMEWORK] = model.framework
        if model.task:
            attributes[semconv.TASK_TYPE] = model.task
        if self._drifting(model):
            attributes[semconv.DRIFT_ACTIVE] = True
        attributes[semconv.BATCH_SIZE] = rows
        return attributes

    def _attributes(self, prediction: Prediction) -> dict[str, Any]:
        attributes = self.attributes(prediction.model, error_type(prediction), prediction.rows)
        attributes[semconv.PREDICTION_ID] = prediction.id
        for name, value in prediction.annotations.items():
            attributes[semconv.ANNOTATION_PREFIX + name] = value
        return attributes


def _replay(span: Span, seen: Mapping[str, Any]) -> None:
    """What user code did to the current span during the call."""
    for name, value in clean_attributes(seen.get("span_attributes")).items():
        span.set_attribute(name, value)
    for name, attributes, time_ns in seen.get("events", ()):
        span.add_event(told_text(name), clean_attributes(attributes), time_ns)
    for context, attributes in seen.get("links", ()):
        span.add_link(context, clean_attributes(attributes))
    for exception, attributes, time_ns in seen.get("exceptions", ()):
        failure = describe_failure(exception)
        described = {
            semconv.EXCEPTION_MESSAGE: failure.message,
            semconv.EXCEPTION_STACKTRACE: failure.stacktrace,
        }
        span.record_exception(exception, {**described, **clean_attributes(attributes)}, time_ns)
    if "status" in seen:
        code, said = seen["status"]
        description = said or getattr(code, "description", None)
        code = getattr(code, "status_code", code)
        span.set_status(Status(code, description and told_text(description)))
    if "name" in seen:
        span.update_name(told_text(seen["name"]))


def clean_attributes(attributes: Any) -> dict[str, Any]:
    """Attributes that cannot spoil the batch that they travel in, and tell no secret."""
    cleaned = {
        name: clean_value(value) for name, value in dict(attributes or {}).items() if isinstance(name, str)
    }
    redact = redaction.active.value
    return {
        clean_text(name, 200): redact(name, value)
        for name, value in cleaned.items()
        if value is not None and not name.startswith(_ROUTING)
    }
