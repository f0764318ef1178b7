"""Attributes of spans, metrics and log records, with their meaning."""

from __future__ import annotations

from typing import Final

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
FEATURE_BIN_INDEX: Final = "ml.feature.bin.index"
REFERENCE_ID: Final = "ml.reference.id"
REFERENCE_SEASON: Final = "ml.reference.season"
DRIFT_METHOD: Final = "ml.drift.method"
DRIFT_PREFIX: Final = "ml.drift.score."
DRIFT_P_VALUE: Final = "ml.drift.p_value"
DRIFT_WINDOW_ROWS: Final = "ml.drift.window.rows"
DRIFT_BINS: Final = "ml.drift.bins"
DRIFT_REFERENCE_COUNTS: Final = "ml.drift.reference.counts"
DRIFT_CURRENT_COUNTS: Final = "ml.drift.current.counts"
DRIFT_STATE: Final = "ml.drift.alarm.state"
DRIFT_RULE: Final = "ml.drift.alarm.rule"
DRIFT_E_VALUE: Final = "ml.drift.e_value"
DRIFT_TOP_BINS: Final = "ml.drift.top_bins"
DRIFT_TRACES: Final = "ml.drift.trace_ids"
DRIFT_ACTIVE: Final = "ml.drift.active"
QUALITY_CHECK: Final = "ml.data_quality.check"
QUALITY_RATE: Final = "ml.data_quality.rate"
QUALITY_REFERENCE_RATE: Final = "ml.data_quality.reference.rate"
OUTCOME_LABEL: Final = "ml.outcome.label"
OUTCOME_VALUE: Final = "ml.outcome.value"
OUTCOME_WEIGHT: Final = "ml.outcome.weight"
FEEDBACK_STATE: Final = "ml.feedback.state"
FEEDBACK_OF: Final = "ml.feedback.of"
FEEDBACK_REASON: Final = "ml.feedback.reason"
ERROR_TYPE: Final = "error.type"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
SIGNAL: Final = "modelspan.signal"
REASON: Final = "modelspan.reason"
OVERFLOW: Final = "otel.metric.overflow"
"""OpenTelemetry's name of the one series for all attribute sets beyond the limit of an instrument."""

CORE_ATTRIBUTES: Final[dict[str, str]] = {
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
    FEATURE_NAME: "Name of a feature; `score` and `prediction` are the model's own answers.",
    FEATURE_KIND: "numeric, integer, boolean, categorical, datetime, text, embedding, score or class.",
    FEATURE_BIN: "Label of a bin of the reference.",
    FEATURE_BIN_INDEX: "Place of the bin in its column, from 00; absent where bins have no order.",
    REFERENCE_ID: "Digest of the reference's bins and counts: only counts with the same one may be added.",
    REFERENCE_SEASON: "`week` where the hours of the week are counted apart; absent without a season.",
    DRIFT_METHOD: "psi, ks, kl, js, hellinger, wasserstein, total_variation, chi2 or g.",
    DRIFT_PREFIX + "*": "The distance by that method.",
    DRIFT_P_VALUE: "p-value of the two-sample test of the window against the reference.",
    DRIFT_WINDOW_ROWS: "Rows in the current window.",
    DRIFT_BINS: "Labels of the bins, in order.",
    DRIFT_REFERENCE_COUNTS: "Reference rows per bin.",
    DRIFT_CURRENT_COUNTS: "Rows of the current window per bin.",
    DRIFT_STATE: "What became of the alarm: open, escalated or closed.",
    DRIFT_RULE: "What decided: sequential, or a fixed threshold such as psi>0.2.",
    DRIFT_E_VALUE: "Evidence against no drift when the alarm opened: what a stake of 1 has become.",
    DRIFT_TOP_BINS: "Labels of the bins that grew most, at most three.",
    DRIFT_TRACES: "Trace ids of predictions in the bins that grew most.",
    DRIFT_ACTIVE: "true while a drift alarm of the model is open, so that sampling keeps the span.",
    QUALITY_CHECK: "missing, out_of_range, new_level, type, constant or duplicate.",
    QUALITY_RATE: "Share of rows that violate the check, of groups of five rows for a constant column.",
    QUALITY_REFERENCE_RATE: "The same of the reference.",
    OUTCOME_LABEL: "True class, always a string.",
    OUTCOME_VALUE: "True value of a regression, always a double.",
    OUTCOME_WEIGHT: "Weight of the row, where it is not 1.",
    FEEDBACK_STATE: "pending, joined, superseded, orphan, expired, evicted, lost or rejected.",
    FEEDBACK_OF: "prediction or outcome.",
    FEEDBACK_REASON: "Why an outcome or a prediction was rejected: duplicate, unknown_class, future, …",
    ERROR_TYPE: "Class of the exception; only on failures.",
    EXCEPTION_TYPE: "Class of the exception, with its module.",
    EXCEPTION_MESSAGE: "Message of the exception, cut to 4,096 characters.",
    EXCEPTION_STACKTRACE: "Stack trace of the exception, cut to 16,384 characters.",
    SIGNAL: "predictions, spans, logs or metrics.",
    REASON: "Why telemetry was dropped.",
}

MODEL: Final = (MODEL_NAME, MODEL_VERSION, MODEL_VARIANT)
"""What names a model on every signal."""
