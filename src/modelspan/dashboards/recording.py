"""Recording rules: a fleet's counts per step, and from them what alerts and panels read.

Each process is a series of its own. Every step its increments are added up over the replicas, once; any
window is then a sum over steps, and costs the same for ten replicas as for a thousand.
"""

from __future__ import annotations

from typing import Any, Final

from modelspan import semconv
from modelspan.dashboards import distances
from modelspan.dashboards.names import (
    BIN,
    BIN_INDEX,
    COLUMN,
    ERROR,
    FEATURE,
    JOB,
    METHOD,
    MODEL,
    REASON,
    REFERENCE_ID,
    REFERENCE_SEASON,
    SIGNAL,
    label_name,
    metric_name,
)  # fmt: skip
from modelspan.dashboards.plan import Files, Plan, seconds
from modelspan.dashboards.promql import counted, labels, total
from modelspan.dashboards.yaml_text import to_yaml

OBSERVATIONS: Final = "modelspan:feature_observations:increase"
REFERENCE: Final = "modelspan:feature_reference:max"
CALLS: Final = "modelspan:inference_calls:increase"
ERRORS: Final = "modelspan:inference_errors:increase"
SLOW: Final = "modelspan:inference_slow_calls:increase"
CANCELLED: Final = ("asyncio.exceptions.CancelledError", "KeyboardInterrupt", "SystemExit", "GeneratorExit")
"""Endings that are no defect of the model: the caller went away, or the process ends."""
ROWS: Final = "modelspan:predictions:increase"
DROPPED: Final = "modelspan:telemetry_dropped:increase"
FAULTS: Final = "modelspan:faults:increase"
OUTCOMES: Final = "modelspan:outcomes:increase"
LOSSES: Final = "modelspan:losses:increase"
OUTCOME_WEIGHTS: Final = "modelspan:loss_weights:increase"
WINDOW: Final = "modelspan:feature_observations:window"
WINDOW_ROWS: Final = "modelspan:feature_observations:window_rows"
WINDOW_REFERENCE: Final = "modelspan:feature_reference:window"
SHARE: Final = "modelspan:feature_share:current"
REFERENCE_SHARE: Final = "modelspan:feature_share:reference"
DIFFERENCE: Final = "modelspan:feature_share:difference"
SCORE: Final = "modelspan:drift_score:window"
STATISTIC: Final = "modelspan:drift_statistic:window"
FREEDOM: Final = "modelspan:drift_freedom:window"
LOG_P: Final = "modelspan:drift_log_p:window"
MIN_ROWS: Final = 100
"""Below this many rows a distance is mostly noise, as for the process's own gauge."""
_LATE: Final = 30
_LOOKBACK: Final = 240


def files(plan: Plan) -> Files:
    """One file of rules, a group for the counts and one for each window."""
    groups = [_counts(plan), *(_window(plan, window) for window in plan.windows)]
    return {"prometheus/rules/modelspan-recording.yaml": to_yaml({"groups": groups})}


def interval(plan: Plan, window: str) -> int:
    """Seconds between two looks at a window: a sixtieth of it, but within what Prometheus looks back."""
    step = seconds(plan.step)
    wanted = min(max(seconds(window) // 60, step), max(_LOOKBACK, step))
    return wanted // step * step


_CLASSES = tuple(
    label_name(a) for a in (semconv.OUTCOME_LABEL, semconv.PREDICTION_LABEL, semconv.OUTCOME_CORRECT)
)
_MEASURE = label_name(semconv.PERFORMANCE_METRIC)
_PERFORMANCE: Final = (
    (OUTCOMES, semconv.PERFORMANCE_PAIRS, (*MODEL, *_CLASSES)),
    (LOSSES, semconv.PERFORMANCE_LOSS, (*MODEL, _MEASURE)),
    (OUTCOME_WEIGHTS, semconv.PERFORMANCE_WEIGHT, (*MODEL, _MEASURE)),
)


def _net(plan: Plan, metric: semconv.Metric, by: tuple[str, ...]) -> str:
    """What outcomes added, less what corrections took away; of whole models, not of segments."""
    state = label_name(semconv.OUTCOME_STATE)
    joined, superseded = (
        total(
            counted(
                metric_name(metric),
                f'{state}="{value}", {label_name(semconv.SEGMENT_NAME)}=""',
                plan.step,
            ),
            by,
        )
        for value in ("joined", "superseded")
    )
    return f"({joined} - {superseded})\nor {joined}\nor 0 - {superseded}"


def _counts(plan: Plan) -> dict[str, Any]:
    """What was added within the last step, over all replicas.

    The query offset waits for samples that are late; those that are later still are not counted.
    """

    def added(metric: semconv.Metric, by: tuple[str, ...], suffix: str = "", matchers: str = "") -> str:
        return total(counted(metric_name(metric) + suffix, matchers, plan.step), by)

    # A window of the fleet has hours in shares of its own; beside a whole week each would look like drift.
    seasonless = f'{metric_name(semconv.FEATURE_REFERENCE)}{{{REFERENCE_SEASON}=""}}'
    reference = f"max by {labels((*COLUMN, BIN, BIN_INDEX))} ({seasonless})"
    failed = f'{ERROR}!~"|{"|".join(CANCELLED)}"'
    fast = f'le="{plan.latency_seconds}"'
    rules = [
        _rule(OBSERVATIONS, added(semconv.FEATURE_OBSERVATIONS, (*COLUMN, BIN))),
        _rule(REFERENCE, reference),
        _rule(CALLS, added(semconv.DURATION, MODEL, "_count")),
        _rule(ERRORS, added(semconv.DURATION, (*MODEL, ERROR), "_count", failed)),
        _rule(SLOW, f"{CALLS} - {added(semconv.DURATION, MODEL, '_bucket', fast)}"),
        _rule(ROWS, added(semconv.PREDICTIONS, MODEL)),
        _rule(DROPPED, added(semconv.DROPPED, (JOB, SIGNAL, REASON))),
        _rule(FAULTS, added(semconv.ERRORS, (JOB,))),
        *(_rule(record, _net(plan, metric, by)) for record, metric, by in _PERFORMANCE),
    ]
    late = min(_LATE, seconds(plan.step) // 2)
    group: dict[str, Any] = {"name": "modelspan counts", "interval": plan.step}
    return group | ({"query_offset": f"{late}s"} if late else {}) | {"rules": rules}


def _window(plan: Plan, window: str) -> dict[str, Any]:
    """Drift of each feature over one window; every rule reads those before it."""
    here = f'{{window="{window}"}}'
    current, reference = WINDOW + here, WINDOW_REFERENCE + here
    shares = (REFERENCE_SHARE + here, SHARE + here)
    features = f"({REFERENCE_ID}, {FEATURE})"
    log_p = distances.log_p(STATISTIC + here, FREEDOM + here)
    family = f"ignoring {features} group_left () ln(count without {features} ({FREEDOM}{here}))"
    steps = [
        (WINDOW, f"sum_over_time({OBSERVATIONS}[{window}])"),
        (WINDOW_REFERENCE, f"last_over_time({REFERENCE}[{window}])"),
        (WINDOW_ROWS, distances.rows(current)),
        (SHARE, distances.share(current)),
        (REFERENCE_SHARE, distances.share(reference)),
        (DIFFERENCE, distances.difference(reference, current)),
        (STATISTIC, distances.statistic(reference, current)),
        (FREEDOM, distances.freedom(current)),
        (LOG_P, f"({log_p})\n  + {family}"),
    ]
    rules = [_rule(name, expression, window=window) for name, expression in steps]
    for method, expression in (
        ("psi", distances.psi(*shares)),
        ("js", distances.jensen_shannon(*shares)),
        ("ks", distances.ks(lambda bins: f"{DIFFERENCE}{{{bins}, {here[1:]}")),
    ):
        enough = f"({expression})\nand {WINDOW_ROWS}{here} >= {MIN_ROWS}"
        rules.append(_rule(SCORE, enough, window=window, **{METHOD: method}))
    return {"name": f"modelspan drift {window}", "interval": f"{interval(plan, window)}s", "rules": rules}


def _rule(record: str, expression: str, **added: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"record": record, "expr": expression}
    return rule | ({"labels": added} if added else {})
