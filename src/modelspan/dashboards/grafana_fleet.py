"""Grafana: what each replica does, drift over a choice of replicas, and the health of the telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan import semconv
from modelspan.dashboards import fleet
from modelspan.dashboards.grafana_parts import PER_SECOND, Dashboard, Query, stat, timeseries, variable
from modelspan.dashboards.grafana_scope import CHOSEN, drift_scope
from modelspan.dashboards.names import FEATURE, INSTANCE, JOB, REASON, SIGNAL, VERSION, metric_name
from modelspan.dashboards.promql import counted, labels, total

if TYPE_CHECKING:
    from modelspan.dashboards.grafana_parts import Panel
    from modelspan.dashboards.plan import Plan

_REPLICAS = f'{CHOSEN}, {INSTANCE}=~"$instance"'
_SERVICE = f'{JOB}=~"$service"'
_DURATION = metric_name(semconv.DURATION)
_WHO = f"{{{{{INSTANCE}}}}}"


def dashboard(plan: Plan) -> Dashboard:
    """The fleet dashboard."""
    replicas = variable("instance", "Replica", f"label_values({_DURATION}_count{{{CHOSEN}}}, {INSTANCE})")
    return Dashboard(
        uid="modelspan-fleet",
        title="modelspan: fleet",
        description="Replicas side by side, drift over those that are chosen, and whether telemetry is lost.",
        variables=[*drift_scope(plan), replicas],
        rows=(
            ("Replicas", _replicas()),
            ("Drift of the chosen replicas", _drift()),
            ("Telemetry", _telemetry()),
        ),
    )


def _replicas() -> list[Panel]:
    calls = f"rate({_DURATION}_count{{{_REPLICAS}}}[$__rate_interval])"
    buckets = f"rate({_DURATION}_bucket{{{_REPLICAS}}}[$__rate_interval])"
    alive = f"count(count by ({INSTANCE}) ({_DURATION}_count{{{CHOSEN}}}))"
    return [
        stat("Replicas", "Processes that have sent within the last 5 min.", Query(expr=alive)),
        timeseries(
            "Calls by replica",
            "Calls per second; a replica far below the others gets no traffic.",
            Query(expr=f"sum by ({INSTANCE}) ({calls})", legend=_WHO),
            unit=PER_SECOND,
            minimum=0,
            width=10,
        ),
        timeseries(
            "90th percentile by replica",
            "90 % of a replica's calls end within this time.",
            Query(expr=f"histogram_quantile(0.9, sum by (le, {INSTANCE}) ({buckets}))", legend=_WHO),
            unit="s",
            minimum=0,
            width=10,
        ),
    ]


def _drift() -> list[Panel]:
    legend = f"{{{{{FEATURE}}}}} ({{{{{VERSION}}}}})"
    alarms = f"max by {labels((INSTANCE,))} ({metric_name(semconv.DRIFT_DETECTED)}{{{_REPLICAS}}})"
    rows = f"sum by {labels((FEATURE, VERSION))} ({fleet.current_counts(_REPLICAS, '$window')})"
    return [
        timeseries(
            "PSI of the chosen replicas",
            "Over the chosen window, from the counts of the chosen replicas only.",
            Query(expr=fleet.drift("psi", _REPLICAS, "$window"), legend=legend),
            minimum=0,
        ),
        timeseries(
            "Jensen-Shannon distance of the chosen replicas",
            "From 0, the same shares, to 1, no bin in common.",
            Query(expr=fleet.drift("js", _REPLICAS, "$window"), legend=legend),
            minimum=0,
            maximum=1,
        ),
        timeseries(
            "Rows behind it",
            "Values counted in the window; below a hundred a distance is mostly noise.",
            Query(expr=rows, legend=legend),
            minimum=0,
        ),
        timeseries(
            "Replicas with an open alarm",
            "1 while any feature's alarm is open in the replica's own windows.",
            Query(expr=alarms, legend=_WHO),
            minimum=0,
            maximum=1,
            limits=(1,),
        ),
    ]


def _telemetry() -> list[Panel]:
    dropped, faults = metric_name(semconv.DROPPED), metric_name(semconv.ERRORS)
    added = counted(dropped, _SERVICE, "$__rate_interval")
    return [
        _records("made", "Spans, log records and metric points per second.", semconv.EMITTED),
        _records("delivered", "Of those, what the endpoint has accepted, per second.", semconv.DELIVERED),
        timeseries(
            "Records lost",
            "By reason; predictions are unaffected, but traces, counts and drift are incomplete.",
            Query(expr=total(added, (SIGNAL, REASON)), legend=f"{{{{{SIGNAL}}}}}: {{{{{REASON}}}}}"),
            minimum=0,
            limits=(1,),
            width=8,
        ),
        timeseries(
            "Faults of modelspan",
            "Contained and logged; none is normal.",
            Query(expr=f"sum by ({JOB}) ({faults}{{{_SERVICE}}})", legend=f"{{{{{JOB}}}}}"),
            minimum=0,
            limits=(1,),
            width=24,
            height=6,
        ),
    ]


def _records(what: str, description: str, metric: semconv.Metric) -> Panel:
    """Records per second, by signal."""
    rate = f"rate({metric_name(metric)}{{{_SERVICE}}}[$__rate_interval])"
    query = Query(expr=f"sum by ({SIGNAL}) ({rate})", legend=f"{{{{{SIGNAL}}}}}")
    return timeseries(f"Records {what}", description, query, unit=PER_SECOND, minimum=0, width=8)
