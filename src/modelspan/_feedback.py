"""The truth about an earlier prediction, as an event under that prediction's trace id."""

from __future__ import annotations

import math
from typing import Any

from modelspan import _setup, semconv
from modelspan.delivery.logs import LogEvent
from modelspan.errors import ConfigError
from modelspan.pipeline.text import clean_text, clean_value
from modelspan.prediction import parse_prediction_id

_COST = 512


def feedback(prediction_id: str, outcome: Any, *, row: int = 0, model: str = "", version: str = "") -> None:
    """Send the outcome of an earlier prediction, minutes or months later, from any process.

    The event goes the way of all telemetry: bounded memory, best effort, losses counted. The backend joins it
    with its prediction by id and row.

    Args:
        prediction_id: What `current_prediction().id` gave.
        outcome: The truth: a class (text, whole number, boolean) or a value (float, finite).
        row: Position of the row in its batch, from 0.
        model: Name of the model, for backends that filter by it.
        version: Version of the model.

    Raises:
        ValueError: If the id is not one of ours, the outcome has no meaning, or the row is negative.
    """
    trace_id, span_id = parse_prediction_id(prediction_id)
    if type(row) is not int or row < 0:
        raise ValueError(f"row={row!r:.60} is not a position in a batch; count from 0")
    attributes = {semconv.PREDICTION_ID: prediction_id, semconv.PREDICTION_ROW: row, **_outcome(outcome)}
    for name, value in ((semconv.MODEL_NAME, model), (semconv.MODEL_VERSION, version)):
        if value:
            attributes[name] = clean_text(value, 200)
    runtime = _setup.current or _setup.start()
    if runtime is None:
        return
    event = LogEvent(
        event=semconv.FEEDBACK_EVENT.name,
        body=f"outcome {attributes.get(semconv.OUTCOME_LABEL, attributes.get(semconv.OUTCOME_VALUE))}",
        attributes=attributes,
        trace_id=trace_id,
        span_id=span_id,
    )
    runtime.queue.put(lambda: runtime.emit_log(event), _COST, "logs")


def _outcome(outcome: Any) -> dict[str, Any]:
    plain = clean_value(outcome)
    if isinstance(plain, float) and math.isfinite(plain):
        return {semconv.OUTCOME_VALUE: plain}
    if (
        (
            (isinstance(plain, (str, int)) and isinstance(outcome, (str, int)))
            or type(outcome).__module__ == "numpy"
        )
        and plain is not None
        and not isinstance(plain, list)
    ):
        return {semconv.OUTCOME_LABEL: str(plain)}
    raise ConfigError(
        f"outcome={type(outcome).__name__} is not an outcome; pass text, a whole number or a float"
    )
