"""What Elasticsearch's own OpenTelemetry templates lack for our documents: retention, and types of fields.

Elasticsearch 8.16 and newer bring index templates for `logs-*.otel-*`, `traces-*.otel-*` and
`metrics-*.otel-*`, which include a component template `<signal>-otel@custom` where there is one. Ours keep to
settings and dynamic templates: naming `attributes` there would not add to the built-in definition but replace
it. Fields that panels ask for before the first document has them are in `fields.json`, which
collector/elasticsearch/setup.py merges with the cluster's own definition.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv

if TYPE_CHECKING:
    from modelspan.dashboards.plan import Files, Plan
    from modelspan.drift.reference import Reference

RETENTION: Final = "30d"
SIGNALS: Final = ("logs", "traces", "metrics")
MAX_FEATURES: Final = 20
"""Logged features of a model that panels name."""

_KEYWORD: Final = {"type": "keyword", "ignore_above": 1024}
_DOUBLE: Final = {"type": "double", "ignore_malformed": True}
_LONG: Final = {"type": "long", "ignore_malformed": True}
_MODEL: Final = dict.fromkeys((*semconv.MODEL, semconv.OPERATION, semconv.ERROR_TYPE), _KEYWORD)
DRIFT_PSI: Final = semconv.DRIFT_PREFIX + "psi"

_LOGS: Final = {
    **_MODEL,
    **dict.fromkeys(
        (semconv.PREDICTION_ID, semconv.PREDICTION_LABEL, semconv.OUTCOME_LABEL, semconv.FEATURE_NAME),
        _KEYWORD,
    ),
    **dict.fromkeys(
        (semconv.PREDICTION_VALUE, semconv.PREDICTION_SCORE, semconv.OUTCOME_VALUE, DRIFT_PSI,
         semconv.DRIFT_P_VALUE), _DOUBLE
    ),
    **dict.fromkeys((semconv.PREDICTION_ROW, semconv.BATCH_SIZE, semconv.DRIFT_WINDOW_ROWS), _LONG),
}  # fmt: skip
_TRACES: Final = {**_MODEL, semconv.PREDICTION_ID: _KEYWORD, semconv.BATCH_SIZE: _LONG}
_DIMENSION: Final = {"type": "keyword", "time_series_dimension": True}
_METRICS: Final = dict.fromkeys(
    (*_MODEL, semconv.FEATURE_NAME, semconv.FEATURE_BIN, semconv.SIGNAL, semconv.REASON), _DIMENSION
)
# Counters arrive as deltas, which the exporter stores as gauges: they add up over any span of time.
_COUNT: Final = {"type": "long", "time_series_metric": "gauge"}
_COUNTERS: Final = (semconv.PREDICTIONS, semconv.FEATURE_OBSERVATIONS, semconv.DROPPED, semconv.ERRORS)


def files(plan: Plan) -> Files:
    """A component template for each signal, safe to put as it is, and the fields that set-up adds to them."""
    made = {f"elasticsearch/{signal}-otel@custom.json": _text(_component(signal)) for signal in SIGNALS}
    return {**made, "elasticsearch/fields.json": _text(fields(plan))}


def fields(plan: Plan) -> dict[str, dict[str, dict[str, Any]]]:
    """Types of the fields that panels ask for: by signal, then by the object that holds them."""
    features = {name: kind for each in plan.references for name, kind in feature_fields(each).items()}
    return {
        "logs": {"attributes": {**_LOGS, **features}},
        "traces": {"attributes": dict(_TRACES)},
        "metrics": {"attributes": dict(_METRICS), "metrics": {each.name: _COUNT for each in _COUNTERS}},
    }


def feature_fields(reference: Reference) -> dict[str, dict[str, Any]]:
    """The fields of a model's logged features; several features may be read from one column."""
    columns = {each.column: each.kind for each in reference.features.values() if each.kind != "embedding"}
    return {
        semconv.FEATURE_PREFIX + name: _DOUBLE if kind in ("numeric", "integer") else _KEYWORD
        for name, kind in list(columns.items())[:MAX_FEATURES]
    }


def _component(signal: str) -> dict[str, Any]:
    settings = {
        # logs and metrics have an ILM policy from the built-in templates; without this it would win
        "index.lifecycle.prefer_ilm": False,
        # a value that does not fit its field is left out of the index; the document stays, with its source
        "index.mapping.ignore_malformed": True,
        "index.mapping.total_fields.ignore_dynamic_beyond_limit": True,
    }
    template: dict[str, Any] = {"lifecycle": {"data_retention": RETENTION}, "settings": settings}
    if signal != "metrics":  # those have types by the exporter's own dynamic templates
        template["mappings"] = {"dynamic_templates": _dynamic_templates()}
    return {
        "_meta": {
            "managed_by": "modelspan",
            "description": f"Retention and field types for {signal} of models",
        },
        "template": template,
    }


def _dynamic_templates() -> list[dict[str, Any]]:
    """They stand before the built-in ones, which would take a feature `client_ip` for an address."""
    values = [f"attributes.{prefix}*" for prefix in (semconv.FEATURE_PREFIX, semconv.ANNOTATION_PREFIX)]
    ours = "attributes.ml.*"
    return [
        # a whole number seen first must not cut the fractions that follow
        {"modelspan_whole_values": {"path_match": values, "match_mapping_type": "long", "mapping": _DOUBLE}},
        {"modelspan_numbers": {"path_match": ours, "match_mapping_type": "double", "mapping": _DOUBLE}},
        {"modelspan_texts": {"path_match": ours, "match_mapping_type": "string", "mapping": _KEYWORD}},
    ]


def _text(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
