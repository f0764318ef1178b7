"""Grafana: is the service well? Traffic, errors, latency, scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelspan import semconv
from modelspan.dashboards.budget import OBJECTIVE
from modelspan.dashboards.grafana_parts import PER_SECOND, Dashboard, Query, heatmap, stat, timeseries
from modelspan.dashboards.grafana_scope import CHOSEN, VERSIONED, open_alarms, scope
from modelspan.dashboards.names import ERROR, NAME, OPERATION, VERSION, metric_name
from modelspan.dashboards.promql import labels
from modelspan.dashboards.recording import CALLS, ERRORS, SLOW

if TYPE_CHECKING:
    from modelspan.dashboards.grafana_parts import Panel
    from modelspan.dashboards.plan import Plan

_DURATION = metric_name(semconv.DURATION)
_SCORE = metric_name(semconv.SCORE)
_PREDICTIONS = metric_name(semconv.PREDICTIONS)
_ALLOWED = 1 - OBJECTIVE
_VERSION = f"by {labels((NAME, VERSION))}"


def dashboard(plan: Plan) -> Dashboard:
    """The service dashboard."""
    return Dashboard(
        uid="modelspan-service",
        title="modelspan: service",
        description="Traffic, errors, latency and scores of the models of a service.",
        variables=scope(),
        rows=(
            ("Now", _now(plan)),
            ("Traffic", _traffic()),
            ("Errors", _errors()),
            ("Latency", _latency(plan)),
            ("Scores", _scores()),
        ),
    )


def _rate(metric: str) -> str:
    return f"rate({metric}{{{CHOSEN}}}[$__rate_interval])"


def _quantile(share: float, by: str = "") -> str:
    return f"histogram_quantile({share}, sum by (le{by}) ({_rate(_DURATION + '_bucket')}))"


def _share(bad: str, window: str) -> str:
    """Bad calls among all calls; 0 when there are none of them."""
    among = f"sum(sum_over_time({CALLS}{{{CHOSEN}}}[{window}]))"
    return f"(sum(sum_over_time({bad}{{{CHOSEN}}}[{window}])) or 0 * {among}) / ({among} > 0)"


def _now(plan: Plan) -> list[Panel]:
    slower = f"Slower than {plan.latency_seconds:g} s"
    return [
        stat(
            "Predictions",
            "Rows predicted per second, those of failed calls too.",
            Query(expr=f"sum({_rate(_PREDICTIONS)})"),
            unit=PER_SECOND,
        ),
        stat(
            "Failed calls",
            "Share of the calls of the last 5 min that raised an exception; cancelled ones aside.",
            Query(expr=_share(ERRORS, "5m")),
            unit="percentunit",
            limits=(_ALLOWED, 6 * _ALLOWED),
        ),
        stat(
            slower,
            "Share of the calls of the last 5 min that took longer.",
            Query(expr=_share(SLOW, "5m")),
            unit="percentunit",
            limits=(_ALLOWED, 6 * _ALLOWED),
        ),
        stat(
            "99th percentile",
            "99 % of the calls end within this time.",
            Query(expr=_quantile(0.99)),
            unit="s",
            limits=(plan.latency_seconds, 4 * plan.latency_seconds),
        ),
        stat(
            "Running",
            "Calls running now, over all replicas.",
            Query(expr=f"sum({metric_name(semconv.ACTIVE)}{{{CHOSEN}}}) or vector(0)"),
        ),
        open_alarms(),
    ]


def _traffic() -> list[Panel]:
    return [
        timeseries(
            "Predictions by version",
            "Rows predicted per second.",
            Query(expr=f"sum {_VERSION} ({_rate(_PREDICTIONS)})", legend=VERSIONED),
            unit=PER_SECOND,
            minimum=0,
        ),
        timeseries(
            "Calls by function",
            "Calls of the decorated functions per second.",
            Query(
                expr=f"sum by ({OPERATION}) ({_rate(_DURATION + '_count')})", legend=f"{{{{{OPERATION}}}}}"
            ),
            unit=PER_SECOND,
            minimum=0,
        ),
    ]


def _errors() -> list[Panel]:
    failed = f'rate({_DURATION}_count{{{CHOSEN}, {ERROR}!=""}}[$__rate_interval])'
    return [
        timeseries(
            "Failures by type",
            "Calls that raised, per second, by class of the exception.",
            Query(expr=f"sum by ({ERROR}) ({failed})", legend=f"{{{{{ERROR}}}}}", exemplar=True),
            unit=PER_SECOND,
            minimum=0,
        ),
        timeseries(
            "Share of failed calls",
            f"Over an hour and over six; above {_ALLOWED:.0%} the objective is missed, "
            "above the upper line a month's allowance is gone within two days.",
            *(Query(expr=_share(ERRORS, window), legend=window) for window in ("1h", "6h")),
            unit="percentunit",
            minimum=0,
            limits=(_ALLOWED, 14.4 * _ALLOWED),
        ),
    ]


def _latency(plan: Plan) -> list[Panel]:
    levels = ((0.5, "half"), (0.9, "90 %"), (0.99, "99 %"))
    return [
        timeseries(
            "Latency",
            "So many calls end within this time. The dots are exemplars: a click opens the trace.",
            *(Query(expr=_quantile(q), legend=name, exemplar=True) for q, name in levels),
            unit="s",
            minimum=0,
            limits=(plan.latency_seconds,),
        ),
        heatmap(
            "All durations",
            "Calls per second and bucket; a click on an exemplar opens its trace.",
            f"sum by (le) ({_rate(_DURATION + '_bucket')})",
            unit="s",
        ),
        timeseries(
            "99th percentile by version",
            "Did a new version become slower?",
            Query(
                expr=_quantile(0.99, f", {NAME}, {VERSION}"),
                legend=VERSIONED,
            ),
            unit="s",
            minimum=0,
        ),
        timeseries(
            "Share of slow calls",
            f"Calls longer than {plan.latency_seconds:g} s, over an hour and over six.",
            *(Query(expr=_share(SLOW, window), legend=window) for window in ("1h", "6h")),
            unit="percentunit",
            minimum=0,
            limits=(_ALLOWED, 14.4 * _ALLOWED),
        ),
    ]


def _scores() -> list[Panel]:
    mean = f"sum {_VERSION} ({_rate(_SCORE + '_sum')}) / sum {_VERSION} ({_rate(_SCORE + '_count')})"
    return [
        timeseries(
            "Mean score",
            "A step that no release explains is worth a look at the drift dashboard.",
            Query(expr=mean, legend=VERSIONED),
        ),
        heatmap(
            "Scores",
            "Predictions per second and bucket of the score.",
            f"sum by (le) ({_rate(_SCORE + '_bucket')})",
        ),
    ]
