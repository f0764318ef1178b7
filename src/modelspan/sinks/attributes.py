"""The attributes that several sinks put on their telemetry, made once for each model."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from modelspan import semconv

if TYPE_CHECKING:
    from modelspan.prediction import Model, Prediction
    from modelspan.sinks.performance_book import Subject


@lru_cache(maxsize=1024)
def model_attributes(model: Model) -> dict[str, str]:
    """Name, version and variant; empty ones are left out. Copy before changing."""
    pairs = (
        (semconv.MODEL_NAME, model.name),
        (semconv.MODEL_VERSION, model.version),
        (semconv.MODEL_VARIANT, model.variant),
    )
    return {name: value for name, value in pairs if value}


@lru_cache(maxsize=1024)
def operation_attributes(model: Model) -> dict[str, str]:
    """`model_attributes` with the operation. Copy before changing."""
    return {**model_attributes(model), semconv.OPERATION: model.operation}


@lru_cache(maxsize=1024)
def outcome_attributes(model: Model, error_type: str) -> dict[str, str]:
    """`operation_attributes` with `error.type` on failures. Copy before changing."""
    attributes = operation_attributes(model)
    return {**attributes, semconv.ERROR_TYPE: error_type} if error_type else attributes


def error_type(prediction: Prediction) -> str:
    """Type of the failure; empty on success."""
    return prediction.failure.type if prediction.failure else ""


@lru_cache(maxsize=4096)
def subject_attributes(subject: Subject) -> dict[str, str]:
    """Model and segment of a subject of performance; empty ones are left out. Copy before changing."""
    names = (*semconv.MODEL, semconv.SEGMENT_NAME, semconv.SEGMENT_VALUE)
    return {name: value for name, value in zip(names, subject, strict=True) if value}
