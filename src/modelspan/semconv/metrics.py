"""Metrics: name, kind, unit, meaning and the attributes that they may carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from modelspan.semconv.attributes import (
    DRIFT_METHOD,
    ERROR_TYPE,
    FEATURE_BIN,
    FEATURE_BIN_INDEX,
    FEATURE_NAME,
    FEEDBACK_OF,
    FEEDBACK_REASON,
    FEEDBACK_STATE,
    MODEL,
    OPERATION,
    QUALITY_CHECK,
    REASON,
    REFERENCE_ID,
    REFERENCE_SEASON,
    SIGNAL,
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One instrument: what a backend sees and what it means."""

    name: str
    kind: Literal["histogram", "counter", "updowncounter", "gauge"]
    unit: str
    description: str
    attributes: tuple[str, ...]


DURATION: Final = Metric(
    "ml.inference.duration", "histogram", "s", "Wall time of one call of the decorated function.",
    (*MODEL, OPERATION, ERROR_TYPE),
)  # fmt: skip
DURATION_BUCKETS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
ACTIVE: Final = Metric(
    "ml.inference.active", "updowncounter", "{call}", "Calls running now.", (*MODEL, OPERATION)
)
PREDICTIONS: Final = Metric(
    "ml.inference.predictions", "counter", "{prediction}", "Rows predicted, those of failed calls too.",
    (*MODEL, OPERATION, ERROR_TYPE),
)  # fmt: skip
SCORE: Final = Metric(
    "ml.prediction.score",
    "histogram",
    "{score}",
    "Scores of the predictions.",
    (*MODEL, OPERATION),
)
SCORE_BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
FEATURE_OBSERVATIONS: Final = Metric(
    "ml.feature.observations", "counter", "{value}", "Values of a feature by bin of the reference.",
    (*MODEL, REFERENCE_ID, FEATURE_NAME, FEATURE_BIN),
)  # fmt: skip
FEATURE_REFERENCE: Final = Metric(
    "ml.feature.reference", "gauge", "{value}", "Values of a feature in the reference by bin.",
    (*MODEL, REFERENCE_ID, FEATURE_NAME, FEATURE_BIN, FEATURE_BIN_INDEX, REFERENCE_SEASON),
)  # fmt: skip
FEATURE_MISSING: Final = Metric(
    "ml.feature.missing",
    "counter",
    "{value}",
    "Missing or NaN values of a feature.",
    (*MODEL, FEATURE_NAME),
)
DRIFT_SCORE: Final = Metric(
    "ml.drift.score", "gauge", "{score}", "Distance of the current window from the reference.",
    (*MODEL, FEATURE_NAME, DRIFT_METHOD),
)  # fmt: skip
DRIFT_DETECTED: Final = Metric(
    "ml.drift.detected", "gauge", "{state}", "1 while a feature's drift alarm is open, else 0.",
    (*MODEL, FEATURE_NAME),
)  # fmt: skip
QUALITY_VIOLATED: Final = Metric(
    "ml.data_quality.violated", "gauge", "{state}",
    "1 while a check's alarm is open, 0 once it has closed; absent where it never opened.",
    (*MODEL, FEATURE_NAME, QUALITY_CHECK),
)  # fmt: skip
FEEDBACK_OUTCOMES: Final = Metric(
    "ml.feedback.outcomes", "counter", "{outcome}", "Outcomes that entered a state, by this process.",
    (*MODEL, FEEDBACK_STATE, FEEDBACK_REASON),
)  # fmt: skip
FEEDBACK_PREDICTIONS: Final = Metric(
    "ml.feedback.predictions", "counter", "{prediction}",
    "Stored predictions that entered a state, by this process.", (*MODEL, FEEDBACK_STATE, FEEDBACK_REASON),
)  # fmt: skip
FEEDBACK_STATES: Final = Metric(
    "ml.feedback.states", "gauge", "{row}", "Predictions and outcomes of the store that are in a state now.",
    (*MODEL, FEEDBACK_OF, FEEDBACK_STATE, FEEDBACK_REASON),
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
STORED: Final = Metric(
    "modelspan.internal.stored", "updowncounter", "{record}", "Records in the spool on disk.", (SIGNAL,)
)
SHARE: Final = Metric(
    "modelspan.internal.share", "gauge", "{share}",
    "Share of the successful calls that get a span and log records: less when the worker costs too much.", (),
)  # fmt: skip
ERRORS: Final = Metric(
    "modelspan.internal.errors", "counter", "{error}", "Faults of modelspan itself, contained.", ()
)

CORE_METRICS: Final = (
    DURATION, ACTIVE, PREDICTIONS, SCORE, FEATURE_OBSERVATIONS, FEATURE_REFERENCE, FEATURE_MISSING,
    DRIFT_SCORE, DRIFT_DETECTED, QUALITY_VIOLATED, EMITTED, DELIVERED, DROPPED, STORED, SHARE, ERRORS,
)  # fmt: skip
