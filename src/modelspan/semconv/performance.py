"""Performance, thresholds and KPIs on the wire: attributes, metrics and events."""

from __future__ import annotations

from typing import Final

from modelspan.semconv.attributes import MODEL, OUTCOME_LABEL, PREDICTION_LABEL
from modelspan.semconv.events import Event
from modelspan.semconv.metrics import Metric

PERFORMANCE_METRIC: Final = "ml.performance.metric"
PERFORMANCE_WINDOW: Final = "ml.performance.window"
PERFORMANCE_QUANTILE: Final = "ml.performance.quantile"
PERFORMANCE_START: Final = "ml.performance.window.start"
PERFORMANCE_END: Final = "ml.performance.window.end"
PERFORMANCE_PREDICTIONS: Final = "ml.performance.window.predictions"
PERFORMANCE_OUTCOMES: Final = "ml.performance.window.outcomes"
PERFORMANCE_COVERAGE: Final = "ml.performance.window.coverage"
PERFORMANCE_SCORE_PREFIX: Final = "ml.performance.score."
PERFORMANCE_ESTIMATE_PREFIX: Final = "ml.performance.estimate."
PERFORMANCE_DOUBTS: Final = "ml.performance.doubts"
SEGMENT_NAME: Final = "ml.segment.name"
SEGMENT_VALUE: Final = "ml.segment.value"
OUTCOME_STATE: Final = "ml.outcome.state"
OUTCOME_CORRECT: Final = "ml.outcome.correct"
THRESHOLD_NAME: Final = "ml.threshold.name"
THRESHOLD_KIND: Final = "ml.threshold.kind"
THRESHOLD_STATE: Final = "ml.threshold.state"
THRESHOLD_VALUE: Final = "ml.threshold.value"
THRESHOLD_LOWER: Final = "ml.threshold.lower"
THRESHOLD_UPPER: Final = "ml.threshold.upper"
THRESHOLD_RATE: Final = "ml.threshold.false_alarm_rate"
KPI_NAME: Final = "ml.kpi.name"
KPI_GROUP: Final = "ml.kpi.group"

PERFORMANCE_ATTRIBUTES: Final[dict[str, str]] = {
    PERFORMANCE_METRIC: "accuracy, roc_auc, mae, …: docs/performance.md lists them.",
    PERFORMANCE_WINDOW: "last: the newest window that has ended; all: every window that is kept.",
    PERFORMANCE_QUANTILE: "0.5 or 0.9.",
    PERFORMANCE_START: "Begin of the window of prediction time, Unix seconds.",
    PERFORMANCE_END: "End of the window of prediction time, Unix seconds.",
    PERFORMANCE_PREDICTIONS: "Predicted rows in the window.",
    PERFORMANCE_OUTCOMES: "Those of them whose outcome is known.",
    PERFORMANCE_COVERAGE: "Share of the predictions whose outcome is known.",
    PERFORMANCE_SCORE_PREFIX + "*": "The measure by that name, with `.lower` and `.upper` of its interval.",
    PERFORMANCE_ESTIMATE_PREFIX + "*": "The same, estimated before outcomes are known.",
    PERFORMANCE_DOUBTS: "Why the estimate can't be trusted; empty if nothing speaks against it.",
    SEGMENT_NAME: "Name of a segment that `monitor(segments=…)` names.",
    SEGMENT_VALUE: "Its value.",
    OUTCOME_STATE: "joined: it counts; superseded: a correction took it away, subtract it.",
    OUTCOME_CORRECT: "Whether the predicted class was the true one: true or false.",
    THRESHOLD_NAME: "Name of a threshold.",
    THRESHOLD_KIND: "static, relative, zscore, robust or seasonal.",
    THRESHOLD_STATE: "open or closed.",
    THRESHOLD_VALUE: "The value that was compared.",
    THRESHOLD_LOWER: "Below this it crosses; absent without a lower limit.",
    THRESHOLD_UPPER: "Above this it crosses; absent without an upper limit.",
    THRESHOLD_RATE: "Expected share of windows that cross by chance; absent while unknown.",
    KPI_NAME: "Name of a user's KPI.",
    KPI_GROUP: "Group of a KPI that has several values.",
}

_SUBJECT: Final = (*MODEL, SEGMENT_NAME, SEGMENT_VALUE, PERFORMANCE_WINDOW)
_MEASURED: Final = (*_SUBJECT, PERFORMANCE_METRIC)


def _gauge(
    name: str, description: str, attributes: tuple[str, ...] = _MEASURED, unit: str = "{score}"
) -> Metric:
    return Metric(name, "gauge", unit, description, attributes)


PERFORMANCE_SCORE: Final = _gauge(
    "ml.performance.score", "A measure of performance over a window of prediction time."
)
PERFORMANCE_LOWER: Final = _gauge("ml.performance.score.lower", "Lower end of its 95 % interval.")
PERFORMANCE_UPPER: Final = _gauge("ml.performance.score.upper", "Upper end of its 95 % interval.")
ESTIMATE: Final = _gauge(
    "ml.performance.estimate",
    "The measure that scores or a loss model promise; an estimate, not a measurement.",
)
ESTIMATE_LOWER: Final = _gauge("ml.performance.estimate.lower", "Lower end of its 95 % interval.")
ESTIMATE_UPPER: Final = _gauge("ml.performance.estimate.upper", "Upper end of its 95 % interval.")
ESTIMATE_DOUBTS: Final = _gauge(
    "ml.performance.estimate.doubts", "Reasons not to trust the estimate; 0 is none.", _SUBJECT, "{doubt}"
)
PERFORMANCE_SHARE: Final = _gauge(
    "ml.performance.coverage", "Share of the predictions whose outcome is known.", _SUBJECT, "{share}"
)
PERFORMANCE_LAG: Final = _gauge(
    "ml.performance.lag", "Time from prediction to outcome.", (*_SUBJECT, PERFORMANCE_QUANTILE), "s"
)
PERFORMANCE_ROWS: Final = Metric(
    "ml.performance.predictions", "counter", "{prediction}", "Predicted rows that may get an outcome.", MODEL
)
PERFORMANCE_PAIRS: Final = Metric(
    "ml.performance.outcomes", "counter", "{outcome}", "Weights of outcomes by true and predicted class.",
    (*MODEL, OUTCOME_LABEL, PREDICTION_LABEL, OUTCOME_CORRECT, OUTCOME_STATE),
)  # fmt: skip
PERFORMANCE_LOSS: Final = Metric(
    "ml.performance.loss", "counter", "{loss}", "Sum of a loss over outcomes.",
    (*MODEL, PERFORMANCE_METRIC, OUTCOME_STATE),
)  # fmt: skip
PERFORMANCE_WEIGHT: Final = Metric(
    "ml.performance.loss.weight", "counter", "{outcome}", "Weights in a sum of losses: its divisor.",
    (*MODEL, PERFORMANCE_METRIC, OUTCOME_STATE),
)  # fmt: skip
EXPECTED_PAIRS: Final = Metric(
    "ml.performance.expected", "counter", "{outcome}", "Expected outcomes by true and predicted class.",
    (*MODEL, OUTCOME_LABEL, PREDICTION_LABEL, OUTCOME_CORRECT),
)  # fmt: skip
EXPECTED_LOSS: Final = Metric(
    "ml.performance.expected.loss", "counter", "{loss}", "Sum of the losses that a loss model expects.",
    (*MODEL, PERFORMANCE_METRIC),
)  # fmt: skip
EXPECTED_WEIGHT: Final = Metric(
    "ml.performance.expected.loss.weight", "counter", "{prediction}", "Rows in that sum: its divisor.",
    (*MODEL, PERFORMANCE_METRIC),
)  # fmt: skip
THRESHOLD_CROSSED: Final = _gauge(
    "ml.threshold.crossed", "1 while a value lies beyond its threshold, else 0.",
    (*MODEL, SEGMENT_NAME, SEGMENT_VALUE, THRESHOLD_NAME, PERFORMANCE_METRIC, KPI_NAME), "{state}",
)  # fmt: skip
KPI_VALUE: Final = _gauge(
    "ml.kpi.value", "A user's KPI over the joined rows of a window.",
    (*MODEL, PERFORMANCE_WINDOW, KPI_NAME, KPI_GROUP), "{value}",
)  # fmt: skip
KPI_ERRORS: Final = Metric(
    "ml.kpi.errors", "counter", "{error}", "A KPI raised, or gave no number.", (KPI_NAME,)
)

PERFORMANCE_METRICS: Final = (
    PERFORMANCE_SCORE, PERFORMANCE_LOWER, PERFORMANCE_UPPER, ESTIMATE, ESTIMATE_LOWER, ESTIMATE_UPPER,
    ESTIMATE_DOUBTS, PERFORMANCE_SHARE, PERFORMANCE_LAG, PERFORMANCE_ROWS, PERFORMANCE_PAIRS,
    PERFORMANCE_LOSS, PERFORMANCE_WEIGHT, EXPECTED_PAIRS, EXPECTED_LOSS, EXPECTED_WEIGHT,
    THRESHOLD_CROSSED, KPI_VALUE, KPI_ERRORS,
)  # fmt: skip

PERFORMANCE_EVENT: Final = Event(
    "ml.performance.report", "A window of prediction time: what was measured so far, and what is expected.",
    (*MODEL, SEGMENT_NAME, SEGMENT_VALUE, PERFORMANCE_START, PERFORMANCE_END, PERFORMANCE_PREDICTIONS,
     PERFORMANCE_OUTCOMES, PERFORMANCE_COVERAGE, PERFORMANCE_SCORE_PREFIX + "*",
     PERFORMANCE_ESTIMATE_PREFIX + "*", PERFORMANCE_DOUBTS),
)  # fmt: skip
THRESHOLD_EVENT: Final = Event(
    "ml.threshold.crossed", "A value crossed its threshold (WARN, ERROR if critical) or is back (INFO).",
    (*MODEL, SEGMENT_NAME, SEGMENT_VALUE, THRESHOLD_NAME, THRESHOLD_KIND, THRESHOLD_STATE, THRESHOLD_VALUE,
     THRESHOLD_LOWER, THRESHOLD_UPPER, THRESHOLD_RATE, PERFORMANCE_METRIC, KPI_NAME, PERFORMANCE_START,
     PERFORMANCE_END),
)  # fmt: skip
PERFORMANCE_EVENTS: Final = (PERFORMANCE_EVENT, THRESHOLD_EVENT)
