"""Names as Prometheus has them after it took a metric by OTLP.

Source: OpenTelemetry specification 1.44, "Prometheus and OpenMetrics compatibility", OTLP metric points to
Prometheus; Prometheus' default `translation_strategy: UnderscoreEscapingWithSuffixes`, as its library
github.com/prometheus/otlptranslator does it. tests/stack/test_names.py asks a real Prometheus.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from modelspan import semconv

if TYPE_CHECKING:
    from modelspan.semconv import Metric

_UNITS: Final = {"s": "seconds", "ms": "milliseconds", "By": "bytes", "%": "percent"}
JOB: Final = "job"
"""`service.namespace/service.name`."""
INSTANCE: Final = "instance"
"""`service.instance.id`: one process, unless somebody has set it."""


def metric_name(metric: Metric) -> str:
    """The name of a metric's series; those of a histogram have `_bucket`, `_sum` or `_count` added."""
    tokens = re.findall(r"[a-zA-Z0-9:]+", metric.name)
    unit = _unit(metric)
    if unit and unit not in tokens:
        tokens.append(unit)
    if metric.kind == "counter":
        tokens = [*(token for token in tokens if token != "total"), "total"]  # noqa: S105 - no password
    return "_".join(tokens)


def label_name(attribute: str) -> str:
    """The name of the label that an attribute becomes."""
    label = re.sub(r"[^a-zA-Z0-9]+", "_", attribute)
    return f"key_{label}" if label[0].isdigit() else label


def _unit(metric: Metric) -> str:
    """The suffix of a unit: none for an annotation in braces, `ratio` for a gauge of unit 1."""
    if metric.unit == "1":
        return "ratio" if metric.kind == "gauge" else ""
    if not metric.unit or "{" in metric.unit:
        return ""
    return _UNITS[metric.unit]


ENVIRONMENT: Final = label_name("deployment.environment.name")
"""There if Prometheus' `promote_resource_attributes` names it; collector/prometheus/prometheus.yml does."""
NAME: Final = label_name(semconv.MODEL_NAME)
VERSION: Final = label_name(semconv.MODEL_VERSION)
VARIANT: Final = label_name(semconv.MODEL_VARIANT)
FEATURE: Final = label_name(semconv.FEATURE_NAME)
BIN: Final = label_name(semconv.FEATURE_BIN)
BIN_INDEX: Final = label_name(semconv.FEATURE_BIN_INDEX)
REFERENCE_ID: Final = label_name(semconv.REFERENCE_ID)
REFERENCE_SEASON: Final = label_name(semconv.REFERENCE_SEASON)
METHOD: Final = label_name(semconv.DRIFT_METHOD)
ERROR: Final = label_name(semconv.ERROR_TYPE)
OPERATION: Final = label_name(semconv.OPERATION)
SIGNAL: Final = label_name(semconv.SIGNAL)
REASON: Final = label_name(semconv.REASON)
MODEL: Final = (JOB, ENVIRONMENT, NAME, VERSION, VARIANT)
"""What tells a model of a service from another; staging is never added to production."""
COLUMN: Final = (*MODEL, REFERENCE_ID, FEATURE)
"""What tells one feature's counts from another's: never add over two references."""
