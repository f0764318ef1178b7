"""Log events and the span: name, meaning and attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from modelspan.semconv.attributes import (
    ANNOTATION_PREFIX,
    BATCH_SIZE,
    DRIFT_ACTIVE,
    DRIFT_BINS,
    DRIFT_CURRENT_COUNTS,
    DRIFT_E_VALUE,
    DRIFT_P_VALUE,
    DRIFT_PREFIX,
    DRIFT_REFERENCE_COUNTS,
    DRIFT_RULE,
    DRIFT_STATE,
    DRIFT_TOP_BINS,
    DRIFT_TRACES,
    DRIFT_WINDOW_ROWS,
    ERROR_TYPE,
    EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
    FEATURE_KIND,
    FEATURE_NAME,
    FEATURE_PREFIX,
    MODEL,
    MODEL_FRAMEWORK,
    MODEL_NAME,
    MODEL_VERSION,
    OPERATION,
    OUTCOME_LABEL,
    OUTCOME_VALUE,
    OUTCOME_WEIGHT,
    PREDICTION_ID,
    PREDICTION_LABEL,
    PREDICTION_ROW,
    PREDICTION_SCORE,
    PREDICTION_VALUE,
    QUALITY_CHECK,
    QUALITY_RATE,
    QUALITY_REFERENCE_RATE,
    TASK_TYPE,
)


@dataclass(frozen=True, slots=True)
class Event:
    """One log record with an event name."""

    name: str
    description: str
    attributes: tuple[str, ...]


_PREDICTION: Final = (*MODEL, OPERATION, PREDICTION_ID)
_DRIFT: Final = (
    *MODEL, FEATURE_NAME, FEATURE_KIND, DRIFT_PREFIX + "*", DRIFT_P_VALUE, DRIFT_WINDOW_ROWS, DRIFT_BINS,
    DRIFT_REFERENCE_COUNTS, DRIFT_CURRENT_COUNTS,
)  # fmt: skip
PREDICTION_EVENT: Final = Event(
    "ml.prediction", "One predicted row: label or value, score, and the features that `log_features` lists.",
    (*_PREDICTION, PREDICTION_ROW, BATCH_SIZE, PREDICTION_LABEL, PREDICTION_VALUE, PREDICTION_SCORE,
     FEATURE_PREFIX + "*", ANNOTATION_PREFIX + "*"),
)  # fmt: skip
EXCEPTION_EVENT: Final = Event(
    "ml.inference.exception", "The exception that a call raised.",
    (*_PREDICTION, EXCEPTION_TYPE, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE),
)  # fmt: skip
FEEDBACK_EVENT: Final = Event(
    "ml.prediction.feedback", "The outcome of an earlier prediction, under that prediction's trace id.",
    (MODEL_NAME, MODEL_VERSION, PREDICTION_ID, PREDICTION_ROW, OUTCOME_LABEL, OUTCOME_VALUE,
     OUTCOME_WEIGHT),
)  # fmt: skip
DRIFT_EVENT: Final = Event(
    "ml.drift.detected", "A drift alarm opened (WARN), escalated (ERROR) or closed (INFO); evidence.",
    (*_DRIFT, DRIFT_STATE, DRIFT_RULE, DRIFT_E_VALUE, DRIFT_TOP_BINS, DRIFT_TRACES),
)  # fmt: skip
DRIFT_REPORT_EVENT: Final = Event(
    "ml.drift.report", "A feature's full window against the reference, with both histograms.", _DRIFT
)
QUALITY_EVENT: Final = Event(
    "ml.data_quality.violation", "An alarm of data quality opened (WARN), escalated (ERROR), closed (INFO).",
    (*MODEL, FEATURE_NAME, QUALITY_CHECK, QUALITY_RATE, QUALITY_REFERENCE_RATE, DRIFT_PREFIX + "psi",
     DRIFT_P_VALUE, DRIFT_WINDOW_ROWS, DRIFT_STATE, DRIFT_RULE, DRIFT_E_VALUE, DRIFT_TRACES),
)  # fmt: skip
CORE_EVENTS: Final = (
    PREDICTION_EVENT, EXCEPTION_EVENT, FEEDBACK_EVENT, DRIFT_EVENT, DRIFT_REPORT_EVENT, QUALITY_EVENT,
)  # fmt: skip

SPAN_ATTRIBUTES: Final = (
    *MODEL, MODEL_FRAMEWORK, TASK_TYPE, OPERATION, BATCH_SIZE, PREDICTION_ID, ANNOTATION_PREFIX + "*",
    ERROR_TYPE, DRIFT_ACTIVE,
)  # fmt: skip

SPAN_EXCEPTION: Final = "exception"
"""Name of a span event that `Span.record_exception` makes, as the OpenTelemetry specification wants it."""


def span_name(operation: str, model: str) -> str:
    """Name of the span of one call: low cardinality, never the version or an id."""
    return f"{operation} {model}"
