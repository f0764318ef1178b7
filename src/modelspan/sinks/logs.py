"""One `ml.prediction` event for each predicted row; one `ml.inference.exception` for each failed call."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any

from modelspan import redaction, semconv
from modelspan.delivery.logs import ERROR, WARN, Emit, LogEvent
from modelspan.delivery.otlp import logs
from modelspan.guard import guard
from modelspan.pipeline.rows import rows_of
from modelspan.pipeline.text import clean_value
from modelspan.sinks.attributes import operation_attributes
from modelspan.sinks.log_columns import log_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from modelspan.delivery.otlp.records import Records
    from modelspan.pipeline.block import Block
    from modelspan.prediction import Model, Prediction

MAX_FEATURES = 256


class LogSink:
    """Emits events through the logger in use; only the features that `log_features` lists leave."""

    def __init__(
        self,
        emit: Emit,
        rows: int,
        lose: Callable[[str, int], None],
        add: Callable[[Records], None] | None = None,
        around: Any = None,
    ) -> None:
        self._emit = emit
        self._rows = rows
        self._kinds: dict[tuple[str, str], type] = {}
        self._lose = lose
        self._add = add
        self._around = around

    def __call__(self, predictions: Sequence[Prediction]) -> None:
        """Events of each call."""
        for prediction in predictions:
            if not prediction.kept:
                self._lose("logs", min(self._rows, _sampled(prediction)))
                continue
            with guard("making a log event"):
                for event in self._events(prediction):
                    self._emit(event)

    def take_block(self, block: Block) -> None:
        """Events of regular calls: as bytes where the sender is ours, else one by one."""
        if not self._rows:
            return
        columns = log_columns(block, self._kinds) if self._add is not None else None
        if columns is None or self._add is None:
            self(block.predictions)
        else:
            self._lose("logs", int((~block.kept).sum()))
            for records in logs.encode(self._around, columns):
                self._add(records)

    def _events(self, prediction: Prediction) -> Iterator[LogEvent]:
        if prediction.failure:
            yield _exception(prediction)
            return
        features = self._listed(prediction)
        for row in range(min(self._rows, _sampled(prediction))):
            yield _event(prediction, row, features[row] if row < len(features) else {})

    def _listed(self, prediction: Prediction) -> list[dict[str, Any]]:
        """The listed features of the rows that are logged."""
        columns = {
            name: prediction.features[name]
            for name in prediction.model.log_features
            if name in prediction.features
        }
        return [self._features(prediction.model, row) for row in islice(rows_of(columns), self._rows)]

    def _features(self, model: Model, row: Mapping[str, object]) -> dict[str, Any]:
        """A feature keeps the kind, number or text, it was first seen in: a backend maps a field once."""
        kept: dict[str, Any] = {}
        for name, raw in row.items():
            value = redaction.active.value(name, clean_value(raw))
            plain = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
            if isinstance(plain, (float, str, bool)) and len(self._kinds) < MAX_FEATURES * 16:
                kind = self._kinds.setdefault((model.name, name), type(plain))
                if kind is type(plain):
                    kept[semconv.FEATURE_PREFIX + name] = plain
        return kept


def _sampled(prediction: Prediction) -> int:
    """Rows of the call that are known one by one; a call of which nothing is known is one."""
    return max(len(prediction.labels), len(prediction.values), len(prediction.scores)) or 1


def _event(prediction: Prediction, row: int, features: Mapping[str, Any]) -> LogEvent:
    attributes: dict[str, Any] = _common(prediction)
    attributes[semconv.PREDICTION_ROW] = row * (prediction.row_step or 1)
    attributes[semconv.BATCH_SIZE] = prediction.rows
    said = []
    if row < len(prediction.labels):
        attributes[semconv.PREDICTION_LABEL] = prediction.labels[row]
        said.append(prediction.labels[row])
    for name, column in (
        (semconv.PREDICTION_VALUE, prediction.values),
        (semconv.PREDICTION_SCORE, prediction.scores),
    ):
        if row < len(column) and math.isfinite(column[row]):
            attributes[name] = column[row]
            said.append(shown(column[row]))
    attributes.update(features)
    for name, value in prediction.annotations.items():
        attributes[semconv.ANNOTATION_PREFIX + name] = value
    body = f"{prediction.model.name} {prediction.model.operation}: {' '.join(said) or 'done'}"
    return _log(prediction, semconv.PREDICTION_EVENT.name, body, attributes)


def shown(number: float) -> str:
    """A value or score in a body."""
    return f"{number:.4f}" if 0 <= number <= 1 else f"{number:.4g}"


def _exception(prediction: Prediction) -> LogEvent:
    failure = prediction.failure
    assert failure is not None
    attributes = _common(prediction)
    attributes[semconv.EXCEPTION_TYPE] = failure.type
    attributes[semconv.EXCEPTION_MESSAGE] = failure.message
    attributes[semconv.EXCEPTION_STACKTRACE] = failure.stacktrace
    severity = WARN if failure.cancelled else ERROR
    body = f"{failure.type}: {failure.message}"
    return _log(prediction, semconv.EXCEPTION_EVENT.name, body, attributes, severity)


def _common(prediction: Prediction) -> dict[str, Any]:
    return {**operation_attributes(prediction.model), semconv.PREDICTION_ID: prediction.id}


def _log(
    prediction: Prediction, event: str, body: str, attributes: Mapping[str, Any], severity: int = 9
) -> LogEvent:
    return LogEvent(
        event=event,
        body=body,
        attributes=attributes,
        severity=severity,
        time_ns=prediction.started_ns + int(prediction.seconds * 1e9),
        trace_id=prediction.trace_id,
        span_id=prediction.span_id,
        sampled=prediction.sampled,
    )
