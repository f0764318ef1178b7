"""Grafana: is the model right? Measures with intervals, coverage and lag; sums over replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from modelspan import semconv
from modelspan.dashboards.grafana_parts import Dashboard, Query, choice, stat, timeseries, variable
from modelspan.dashboards.grafana_scope import CHOSEN, VERSIONED, scope
from modelspan.dashboards.names import NAME, VERSION, label_name, metric_name
from modelspan.dashboards.promql import labels
from modelspan.dashboards.recording import LOSSES, OUTCOME_WEIGHTS, OUTCOMES

if TYPE_CHECKING:
    from modelspan.dashboards.grafana_parts import Panel
    from modelspan.dashboards.plan import Plan
    from modelspan.semconv import Metric

MEASURE = label_name(semconv.PERFORMANCE_METRIC)
SEGMENT = label_name(semconv.SEGMENT_NAME)
SPAN = label_name(semconv.PERFORMANCE_WINDOW)
_QUANTILE = label_name(semconv.PERFORMANCE_QUANTILE)
_TRUE = label_name(semconv.OUTCOME_LABEL)
_PREDICTED = label_name(semconv.PREDICTION_LABEL)
_CORRECT = label_name(semconv.OUTCOME_CORRECT)
_SHARE: Final[dict[str, Any]] = {"unit": "percentunit", "minimum": 0, "maximum": 1}
_BY = labels((NAME, VERSION))
_ALL = f'{CHOSEN}, {SEGMENT}=""'


def dashboard(plan: Plan) -> Dashboard:
    """The performance dashboard."""
    score = metric_name(semconv.PERFORMANCE_SCORE)
    return Dashboard(
        uid="modelspan-performance",
        title="modelspan: performance",
        description="How right the models are, with how much of the truth it is known, and how late.",
        variables=[
            *scope(),
            variable("measure", "Measure", f"label_values({score}{{{CHOSEN}}}, {MEASURE})", many=False),
            choice("span", "Windows", ("last", "all")),
            choice("window", "Span of the sums", plan.windows),
        ],
        rows=(
            ("What is known", _known()),
            ("The chosen measure", _measure()),
            ("Sums over all replicas", _sums()),
        ),
    )


def _gauge(metric: Metric, more: str = "", by: str = _BY) -> str:
    """Processes that share a store show the same value, so the largest and not the sum."""
    return f'max by {by} ({metric_name(metric)}{{{_ALL}, {SPAN}="$span"{more}}})'


def _known() -> list[Panel]:
    lag = labels((NAME, VERSION, _QUANTILE))
    return [
        stat(
            "Coverage",
            "Share of the predictions whose outcome is known; a measure over little of it says little.",
            Query(expr=_gauge(semconv.PERFORMANCE_SHARE), legend=VERSIONED),
            unit="percentunit",
            width=6,
            height=8,
        ),
        timeseries(
            "Coverage over time",
            "It is low at the end because outcomes come late.",
            Query(expr=_gauge(semconv.PERFORMANCE_SHARE), legend=VERSIONED),
            unit="percentunit",
            minimum=0,
            maximum=1,
            width=9,
        ),
        timeseries(
            "Lag",
            "Time from a prediction to its outcome: of half of them, and of 90 %.",
            Query(expr=_gauge(semconv.PERFORMANCE_LAG, by=lag), legend=f"{VERSIONED} {{{{{_QUANTILE}}}}}"),
            unit="s",
            minimum=0,
            width=9,
        ),
    ]


def _measure() -> list[Panel]:
    chosen = f', {MEASURE}="$measure"'
    triples = (
        ("Measured", "From outcomes, with its 95 % interval.",
         (semconv.PERFORMANCE_SCORE, semconv.PERFORMANCE_LOWER, semconv.PERFORMANCE_UPPER)),
        ("Estimated", "What calibrated scores expect before outcomes are known: no measurement.",
         (semconv.ESTIMATE, semconv.ESTIMATE_LOWER, semconv.ESTIMATE_UPPER)),
    )  # fmt: skip
    return [
        timeseries(
            f"{title}: $measure",
            description,
            *(
                Query(expr=_gauge(metric, chosen), legend=f"{VERSIONED}{end}")
                for metric, end in zip(metrics, ("", " lower", " upper"), strict=True)
            ),
        )
        for title, description, metrics in triples
    ]


def _over(record: str, more: str = "", by: str = _BY) -> str:
    return f"sum by {by} (sum_over_time({record}{{{CHOSEN}{more}}}[$window]))"


def _sums() -> list[Panel]:
    right = f', {_CORRECT}="true"'
    loss = labels((NAME, VERSION, MEASURE))
    return [
        timeseries(
            "Accuracy",
            "Share of the outcomes of the span that were predicted; corrections are taken off.",
            Query(expr=f"{_over(OUTCOMES, right)} / {_over(OUTCOMES)}", legend=VERSIONED),
            **_SHARE,
        ),
        _by_class("Precision", "Of those predicted as the class, the share that is of it.", _PREDICTED),
        _by_class("Recall", "Of those of the class, the share that was predicted as it.", _TRUE),
        timeseries(
            "Mean loss",
            "Brier score, log loss, mean absolute and squared error: the lower the better.",
            Query(
                expr=f"{_over(LOSSES, '', loss)} / {_over(OUTCOME_WEIGHTS, '', loss)}",
                legend=f"{VERSIONED} {{{{{MEASURE}}}}}",
            ),
            minimum=0,
        ),
    ]


def _by_class(title: str, description: str, label: str) -> Panel:
    """The share of right ones among the outcomes with each value of a label."""
    right, by = f', {_CORRECT}="true"', labels((NAME, VERSION, label))
    query = Query(
        expr=f"{_over(OUTCOMES, right, by)} / {_over(OUTCOMES, '', by)}",
        legend=f"{VERSIONED} {{{{{label}}}}}",
    )
    return timeseries(f"{title} by class", description, query, **_SHARE)
