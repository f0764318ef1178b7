"""What the variables of all Grafana dashboards choose: service, model and version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv
from modelspan.dashboards.grafana_parts import Query, choice, stat, variable
from modelspan.dashboards.names import FEATURE, JOB, NAME, VERSION, metric_name
from modelspan.dashboards.promql import labels

if TYPE_CHECKING:
    from modelspan.dashboards.grafana_parts import Panel
    from modelspan.dashboards.plan import Plan

CHOSEN: Final = f'{JOB}=~"$service", {NAME}=~"$model", {VERSION}=~"$version"'
VERSIONED: Final = f"{{{{{NAME}}}}} {{{{{VERSION}}}}}"
"""Legend of a series by model and version."""


def scope() -> list[dict[str, Any]]:
    """Service, model and version; each offers what the ones before it have."""
    calls = metric_name(semconv.DURATION) + "_count"
    return [
        variable("service", "Service", f"label_values({calls}, {JOB})"),
        variable("model", "Model", f'label_values({calls}{{{JOB}=~"$service"}}, {NAME})'),
        variable(
            "version", "Version", f'label_values({calls}{{{JOB}=~"$service", {NAME}=~"$model"}}, {VERSION})'
        ),
    ]


def drift_scope(plan: Plan) -> list[dict[str, Any]]:
    """And the window, the method and the features."""
    reference = metric_name(semconv.FEATURE_REFERENCE)
    return [
        *scope(),
        choice("window", "Window", plan.windows),
        choice("method", "Distance", ("psi", "js", "ks")),
        variable("feature", "Feature", f"label_values({reference}{{{CHOSEN}}}, {FEATURE})"),
    ]


def open_alarms() -> Panel:
    """How many features have an open alarm, 0 without any."""
    feature = f"max by {labels((NAME, VERSION, FEATURE))} ({metric_name(semconv.DRIFT_DETECTED)}{{{CHOSEN}}})"
    return stat(
        "Open drift alarms",
        "Features whose drift alarm is open in at least one process.",
        Query(expr=f"count({feature} > 0) or vector(0)"),
        limits=(1,),
    )
