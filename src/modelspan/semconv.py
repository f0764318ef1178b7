"""Every name that leaves the process: metrics, events, attributes, with unit and meaning.

Nothing else in the package spells a wire name. The README table and the tests are made from here.
No official convention exists for non-generative models; these names follow the open proposal
open-telemetry/semantic-conventions#3420 and the naming rules of semantic conventions 1.44.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SCOPE: Final = "modelspan"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

# Attributes. BOUNDED ones have few values and are the only ones that metrics may carry.
MODEL_NAME: Final = "ml.model.name"
MODEL_VERSION: Final = "ml.model.version"
MODEL_VARIANT: Final = "ml.model.variant"
MODEL_FRAMEWORK: Final = "ml.model.framework"
TASK_TYPE: Final = "ml.task.type"
OPERATION: Final = "ml.operation.name"
BATCH_SIZE: Final = "ml.inference.batch.size"
PREDICTION_ID: Final = "ml.prediction.id"
PREDICTION_ROW: Final = "ml.prediction.row"
PREDICTION_LABEL: Final = "ml.prediction.label"
PREDICTION_VALUE: Final = "ml.prediction.value"
PREDICTION_SCORE: Final = "ml.prediction.score"
ANNOTATION_PREFIX: Final = "ml.annotation."
FEATURE_PREFIX: Final = "ml.feature.value."
FEATURE_NAME: Final = "ml.feature.name"
FEATURE_KIND: Final = "ml.feature.kind"
FEATURE_BIN: Final = "ml.feature.bin"
DRIFT_METHOD: Final = "ml.drift.method"
DRIFT_PREFIX: Final = "ml.drift.score."
DRIFT_P_VALUE: Final = "ml.drift.p_value"
DRIFT_WINDOW_ROWS: Final = "ml.drift.window.rows"
DRIFT_BINS: Final = "ml.drift.bins"
DRIFT_REFERENCE_COUNTS: Final = "ml.drift.reference.counts"
DRIFT_CURRENT_COUNTS: Final = "ml.drift.current.counts"
DRIFT_TRACES: Final = "ml.drift.trace_ids"
OUTCOME_LABEL: Final = "ml.outcome.label"
OUTCOME_VALUE: Final = "ml.outcome.value"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
SIGNAL: Final = "modelspan.signal"
REASON: Final = "modelspan.reason"

ATTRIBUTES: Final[dict[str, str]] = {
    MODEL_NAME: "Name of the model, as given to `monitor`.",
    MODEL_VERSION: "Version of the model.",
    MODEL_VARIANT: "Role of the model: champion, challenger, shadow.",
    MODEL_FRAMEWORK: "Library of the model whose bound method is decorated, for example sklearn.",
    TASK_TYPE: "binary, multiclass or regression.",
    OPERATION: "Name of the decorated function: predict, predict_proba, …",
    BATCH_SIZE: "Rows in the call.",
    PREDICTION_ID: "Names one call for feedback; holds its trace id and span id.",
    PREDICTION_ROW: "Position of the row in its batch, from 0.",
    PREDICTION_LABEL: "Predicted class, always a string.",
    PREDICTION_VALUE: "Predicted value of a regression, always a double.",
    PREDICTION_SCORE: "Score of the prediction: probability of the positive or of the chosen class.",
    ANNOTATION_PREFIX + "*": "What the user added with `current_prediction().annotate(...)`.",
    FEATURE_PREFIX + "*": "Value of a feature listed in `log_features`; number or string, never both.",
    FEATURE_NAME: "Name of a feature; `score` is the model's own score.",
    FEATURE_KIND: "numeric, categorical or score.",
    FEATURE_BIN: "Label of a bin of the reference.",
    DRIFT_METHOD: "psi, ks, kl, js or wasserstein.",
    DRIFT_PREFIX + "*": "The distance by that method.",
    DRIFT_P_VALUE: "p-value of the two-sample test of the window against the reference.",
    DRIFT_WINDOW_ROWS: "Rows in the current window.",
    DRIFT_BINS: "Labels of the bins, in order.",
    DRIFT_REFERENCE_COUNTS: "Reference rows per bin.",
    DRIFT_CURRENT_COUNTS: "Rows of the current window per bin.",
    DRIFT_TRACES: "Trace ids of predictions in the bin that grew most.",
    OUTCOME_LABEL: "True class, always a string.",
    OUTCOME_VALUE: "True value of a regression, always a double.",
    ERROR_TYPE: "Class of the exception; only on failures.",
    EXCEPTION_TYPE: "Class of the exception, with its module.",
    EXCEPTION_MESSAGE: "Message of the exception, cut to 4,096 characters.",
    EXCEPTION_STACKTRACE: "Stack trace of the exception, cut to 16,384 characters.",
    SIGNAL: "predictions, spans, logs or metrics.",
    REASON: "Why telemetry was dropped.",
}

_MODEL: Final = (MODEL_NAME, MODEL_VERSION, MODEL_VARIANT)


@dataclass(frozen=True, slots=True)
class Metric:
    """One instrument: what a backend sees and what it means."""

    name: str
    kind: Literal["histogram", "counter", "updowncounter", "gauge"]
    unit: str
    description: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One log record with an event name."""

    name: str
    description: str
    attributes: tuple[str, ...]


DURATION: Final = Metric(
    "ml.inference.duration", "histogram", "s", "Wall time of one call of the decorated function.",
    (*_MODEL, OPERATION, ERROR_TYPE),
)  # fmt: skip
DURATION_BUCKETS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
ACTIVE: Final = Metric(
    "ml.inference.active", "updowncounter", "{call}", "Calls running now.", (*_MODEL, OPERATION)
)
PREDICTIONS: Final = Metric(
    "ml.inference.predictions", "counter", "{prediction}", "Rows predicted, those of failed calls too.",
    (*_MODEL, OPERATION, ERROR_TYPE),
)  # fmt: skip
SCORE: Final = Metric(
    "ml.prediction.score", "histogram", "{score}", "Scores of the predictions.", (*_MODEL, OPERATION)
)
SCORE_BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
FEATURE_OBSERVATIONS: Final = Metric(
    "ml.feature.observations", "counter", "{value}", "Values of a feature by bin of the reference.",
    (*_MODEL, FEATURE_NAME, FEATURE_BIN),
)  # fmt: skip
FEATURE_MISSING: Final = Metric(
    "ml.feature.missing", "counter", "{value}", "Missing or NaN values of a feature.", (*_MODEL, FEATURE_NAME)
)
DRIFT_SCORE: Final = Metric(
    "ml.drift.score", "gauge", "{score}", "Distance of the current window from the reference.",
    (*_MODEL, FEATURE_NAME, DRIFT_METHOD),
)  # fmt: skip
DRIFT_DETECTED: Final = Metric(
    "ml.drift.detected", "gauge", "{state}", "1 while a feature's drift alarm is open, else 0.",
    (*_MODEL, FEATURE_NAME),
)  # fmt: skip
EMITTED: Final = Metric(
    "modelspan.internal.emitted", "counter", "{record}", "Telemetry records made by this process.", (SIGNAL,)
)
DELIVERED: Final = Metric(
    "modelspan.internal.delivered", "counter", "{record}", "Records that the endpoint accepted.", (SIGNAL,)
)
DROPPED: Final = Metric(
    "modelspan.internal.dropped", "counter", "{record}", "Records lost, by reason.", (SIGNAL, REASON)
)
ERRORS: Final = Metric(
    "modelspan.internal.errors", "counter", "{error}", "Faults of modelspan itself, contained.", ()
)

METRICS: Final = (
    DURATION, ACTIVE, PREDICTIONS, SCORE, FEATURE_OBSERVATIONS, FEATURE_MISSING, DRIFT_SCORE, DRIFT_DETECTED,
    EMITTED, DELIVERED, DROPPED, ERRORS,
)  # fmt: skip

_PREDICTION: Final = (*_MODEL, OPERATION, PREDICTION_ID)
_DRIFT: Final = (
    *_MODEL, FEATURE_NAME, FEATURE_KIND, DRIFT_PREFIX + "*", DRIFT_P_VALUE, DRIFT_WINDOW_ROWS, DRIFT_BINS,
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
    (MODEL_NAME, MODEL_VERSION, PREDICTION_ID, PREDICTION_ROW, OUTCOME_LABEL, OUTCOME_VALUE),
)  # fmt: skip
DRIFT_EVENT: Final = Event(
    "ml.drift.detected", "A drift alarm opened (WARN) or closed (INFO); evidence.", (*_DRIFT, DRIFT_TRACES)
)
DRIFT_REPORT_EVENT: Final = Event(
    "ml.drift.report", "A feature's full window against the reference, with both histograms.", _DRIFT
)
EVENTS: Final = (PREDICTION_EVENT, EXCEPTION_EVENT, FEEDBACK_EVENT, DRIFT_EVENT, DRIFT_REPORT_EVENT)

SPAN_ATTRIBUTES: Final = (
    *_MODEL, MODEL_FRAMEWORK, TASK_TYPE, OPERATION, BATCH_SIZE, PREDICTION_ID, ANNOTATION_PREFIX + "*",
    ERROR_TYPE,
)  # fmt: skip


def span_name(operation: str, model: str) -> str:
    """Name of the span of one call: low cardinality, never the version or an id."""
    return f"{operation} {model}"
