"""Duration, count and score of the calls as standard instruments, with exemplars that lead to the trace."""

from __future__ import annotations

import math
from collections import Counter as Tally
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from modelspan import semconv
from modelspan.sinks.attributes import error_type, operation_attributes, outcome_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from modelspan.prediction import Model, Prediction


class MetricSink:
    """Records on the worker what the instruments of `semconv` promise."""

    def __init__(self, meter: Meter, active: Callable[[], Iterable[Model]]) -> None:
        duration, score = semconv.DURATION, semconv.SCORE
        self._duration = meter.create_histogram(
            duration.name, duration.unit, duration.description,
            explicit_bucket_boundaries_advisory=semconv.DURATION_BUCKETS,
        )  # fmt: skip
        self._score = meter.create_histogram(
            score.name,
            score.unit,
            score.description,
            explicit_bucket_boundaries_advisory=semconv.SCORE_BUCKETS,
        )
        predictions = semconv.PREDICTIONS
        self._predictions = meter.create_counter(predictions.name, predictions.unit, predictions.description)
        self._active = active
        self._seen: set[Model] = set()
        running = semconv.ACTIVE
        meter.create_observable_up_down_counter(
            running.name, [self._observe_active], running.unit, running.description
        )

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Record each call."""
        rows: Tally[tuple[Model, str]] = Tally()
        for prediction in predictions:
            kind = error_type(prediction)
            context = _exemplar_context(prediction)
            self._duration.record(prediction.seconds, outcome_attributes(prediction.model, kind), context)
            rows[prediction.model, kind] += prediction.rows
            attributes = operation_attributes(prediction.model)
            for score in prediction.scores:
                if math.isfinite(score):
                    self._score.record(score, attributes, context)
        for (model, kind), count in rows.items():
            self._predictions.add(count, outcome_attributes(model, kind))

    def _observe_active(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Running calls; a model that was ever seen running stays, with 0."""
        running = Tally(self._active())
        self._seen.update(running)
        return [Observation(running[model], operation_attributes(model)) for model in self._seen]


def _exemplar_context(prediction: Prediction) -> Context:
    """A context whose span is the prediction's, so that the SDK attaches its trace id as exemplar."""
    flags = TraceFlags(TraceFlags.SAMPLED if prediction.sampled else TraceFlags.DEFAULT)
    span = SpanContext(prediction.trace_id, prediction.span_id, is_remote=False, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(span), Context())
