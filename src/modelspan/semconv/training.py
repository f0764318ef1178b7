"""Training on the wire: attributes, metrics, the event and the spans of a run."""

from __future__ import annotations

from typing import Final

from modelspan.semconv.attributes import ERROR_TYPE, MODEL, MODEL_FRAMEWORK
from modelspan.semconv.events import Event
from modelspan.semconv.metrics import Metric

TRAINING_PHASE: Final = "ml.training.phase"
TRAINING_METRIC: Final = "ml.training.metric"
TRAINING_LAYER: Final = "ml.training.layer"
TRAINING_GROUP: Final = "ml.training.parameter_group"
TRAINING_SOURCE: Final = "ml.training.source"
TRAINING_EPOCH: Final = "ml.training.epoch"
TRAINING_STEP: Final = "ml.training.step"
TRAINING_STEPS: Final = "ml.training.epoch.steps"
TRAINING_LOOKED: Final = "ml.training.epoch.sampled_steps"
TRAINING_VALUE_PREFIX: Final = "ml.training.value."

TRAINING_ATTRIBUTES: Final[dict[str, str]] = {
    TRAINING_PHASE: "train, validation or test.",
    TRAINING_METRIC: "Name of a score, as the user gave it: at most 50 of a run, the rest is `other`.",
    TRAINING_LAYER: "Name of a layer; layers past the bound are pooled as `other`.",
    TRAINING_GROUP: "Position of the optimizer's parameter group, from 0.",
    TRAINING_SOURCE: "What was NaN or infinite: loss, gradient, activation, learning_rate or score.",
    TRAINING_EPOCH: "Number of the epoch, from 0.",
    TRAINING_STEP: "Number of the step in the run, from 0.",
    TRAINING_STEPS: "Steps of the epoch.",
    TRAINING_LOOKED: "Those of them that were looked at.",
    TRAINING_VALUE_PREFIX + "*": "A loss or score by that name when the epoch, the scoring or the run ended.",
}

_LAYERED: Final = (*MODEL, TRAINING_LAYER)


def _gauge(name: str, unit: str, description: str, attributes: tuple[str, ...]) -> Metric:
    return Metric(name, "gauge", unit, description, attributes)


TRAINING_LOSS: Final = _gauge(
    "ml.training.loss", "{loss}", "Loss of the newest step that was looked at.", (*MODEL, TRAINING_PHASE)
)
TRAINING_SCORE: Final = _gauge(
    "ml.training.score", "{score}", "A score told while training.", (*MODEL, TRAINING_PHASE, TRAINING_METRIC)
)
LEARNING_RATE: Final = _gauge(
    "ml.training.learning_rate", "{rate}", "Learning rate of a parameter group.", (*MODEL, TRAINING_GROUP)
)
GRADIENT_NORM: Final = _gauge(
    "ml.training.gradient.norm", "{norm}", "Euclidean norm of the gradient of all parameters.", MODEL
)
LAYER_GRADIENT_NORM: Final = _gauge(
    "ml.training.layer.gradient.norm", "{norm}", "The same of one layer's parameters.", _LAYERED
)
ACTIVATION_MEAN: Final = _gauge(
    "ml.training.layer.activation.mean", "{value}", "Mean of a layer's output over one batch.", _LAYERED
)
ACTIVATION_SD: Final = _gauge(
    "ml.training.layer.activation.sd", "{value}", "Its standard deviation (divisor n).", _LAYERED
)
DEAD_UNITS: Final = _gauge(
    "ml.training.layer.dead_units", "{share}", "Share of a layer's units that are 0 all over one batch.",
    _LAYERED,
)  # fmt: skip
TRAINING_STEP_DURATION: Final = Metric(
    "ml.training.step.duration", "histogram", "s", "Wall time of a step that was looked at.", MODEL
)
STEP_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TRAINING_STEP_COUNT: Final = Metric("ml.training.steps", "counter", "{step}", "Steps of training.", MODEL)
NONFINITE: Final = Metric(
    "ml.training.nonfinite", "counter", "{value}", "Values that were NaN or infinite where we looked.",
    (*MODEL, TRAINING_SOURCE),
)  # fmt: skip
TRAINING_METRICS: Final = (
    TRAINING_LOSS, TRAINING_SCORE, LEARNING_RATE, GRADIENT_NORM, LAYER_GRADIENT_NORM, ACTIVATION_MEAN,
    ACTIVATION_SD, DEAD_UNITS, TRAINING_STEP_DURATION, TRAINING_STEP_COUNT, NONFINITE,
)  # fmt: skip

NONFINITE_EVENT: Final = Event(
    "ml.training.nonfinite", "A loss, gradient, activation or score became NaN or infinite (ERROR).",
    (*MODEL, TRAINING_SOURCE, TRAINING_PHASE, TRAINING_METRIC, TRAINING_LAYER, TRAINING_EPOCH, TRAINING_STEP),
)  # fmt: skip
TRAINING_EVENTS: Final = (NONFINITE_EVENT,)

TRAINING_SPAN_ATTRIBUTES: Final = (
    *MODEL, MODEL_FRAMEWORK, TRAINING_EPOCH, TRAINING_STEPS, TRAINING_LOOKED,
    TRAINING_VALUE_PREFIX + "*", ERROR_TYPE,
)  # fmt: skip
TRAIN, EPOCH, SCORING = "train", "epoch", "score"
"""What spans of a run are named after: `train {model}`, `epoch {model}`, `score {model}`."""
