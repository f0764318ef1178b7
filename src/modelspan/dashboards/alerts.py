"""All alerts, and the file of Prometheus' alerting rules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from modelspan import semconv
from modelspan.dashboards import budget
from modelspan.dashboards.alert import Alert
from modelspan.dashboards.budget import WHO
from modelspan.dashboards.names import FEATURE, JOB, METHOD, MODEL, REASON, SIGNAL, label_name, metric_name
from modelspan.dashboards.plan import seconds
from modelspan.dashboards.promql import labels
from modelspan.dashboards.recording import DROPPED, FAULTS, LOG_P, SCORE, interval
from modelspan.dashboards.yaml_text import to_yaml
from modelspan.drift.compare import SMALLEST_PSI

if TYPE_CHECKING:
    from modelspan.dashboards.plan import Files, Plan

FALSE_ALARMS: Final = 0.01
"""False fleet alarms of a model in a year, at most in expectation, over all features, windows and looks."""
LEAST_COVERAGE: Final = 0.05
_YEAR: Final = 31_536_000
_DRIFT: Final = "modelspan-drift"
_PERFORMANCE: Final = "modelspan-performance"
_THRESHOLD: Final = label_name(semconv.THRESHOLD_NAME)
_FEATURE: Final = f"{{{{ $labels.{FEATURE} }}}} of {WHO}"
_DRIFT_STEPS = (
    "Open the drift dashboard at the feature: which bins grew, since when, in which replicas?",
    (
        "Ask whether the data changed (a new source, unit, code or default upstream) or the world did; look "
        f"at predictions in a bin that grew by the trace ids in the `{semconv.DRIFT_EVENT.name}` event."
    ),
    (
        "Repair the pipeline if it is the data; if it is the world, check the performance dashboard and "
        "retrain, then build a new reference."
    ),
)


def all_alerts(plan: Plan) -> list[Alert]:
    """Every alert, in the order of the runbooks."""
    models = [_absent(), _drift(), _fleet_drift(plan), _threshold(), _coverage()]
    return [*budget.alerts(plan), *models, _dropped(), _faults()]


def files(plan: Plan) -> Files:
    """One file with one group."""
    rules = [alert.rule(plan, panel) for panel, alert in enumerate(all_alerts(plan), 1)]
    group = {"name": "modelspan alerts", "interval": plan.step, "rules": rules}
    return {"prometheus/rules/modelspan-alerts.yaml": to_yaml({"groups": [group]})}


def drift_threshold(plan: Plan) -> float:
    """What the logarithm of a p-value must be below, so that a year of looks keeps `FALSE_ALARMS`."""
    looks = sum(_YEAR / interval(plan, window) for window in plan.windows)
    return math.log(FALSE_ALARMS / looks)


def _absent() -> Alert:
    return Alert(
        name="ModelTrafficAbsent",
        expression=f"{budget.calls('6h', '15m')} >= 360\nunless {budget.calls('15m')} > 0",
        severity="page",
        summary=f"{WHO} is not called any more",
        description="No call for 15 min, after {{ $value | humanize }} in the 6 h before.",
        dashboard="modelspan-service",
        means="The model had at least one call a minute and now has none for 15 min: either nobody calls "
        "it, or its telemetry does not arrive. It resolves when calls come, or 6 h later.",
        steps=(
            "Is the service up? Look at its own health check and at the caller's errors.",
            "If it answers, run `modelspan doctor` in its environment: it says whether telemetry arrives.",
            (
                "If traffic stops by design, for example at night, mute the alert then by a time interval in "
                "Alertmanager."
            ),
        ),
    )


def _drift() -> Alert:
    return Alert(
        name="ModelDrift",
        expression=f"sum by {labels((*MODEL, FEATURE))} ({metric_name(semconv.DRIFT_DETECTED)}) > 0",
        severity="ticket",
        summary=f"Drift alarm: {_FEATURE}",
        description="The alarm is open in {{ $value }} process(es).",
        dashboard=_DRIFT,
        means="A process has compared its windows of the feature with the reference and found them "
        "different. The alarm has a known rate of false ones, `drift_false_alarm_rate`, for each model in "
        "each process; with many replicas, one process alone may be such a one.",
        steps=_DRIFT_STEPS,
    )


def _fleet_drift(plan: Plan) -> Alert:
    psi = f'{SCORE}{{{METHOD}="psi"}} > {SMALLEST_PSI}'
    limit = f"{LOG_P} < {drift_threshold(plan):.4f}"
    return Alert(
        name="ModelFleetDrift",
        expression=f"{psi}\n  and ignoring ({METHOD}) {limit}",
        keeps=f"{5 * seconds(plan.step)}s",
        severity="ticket",
        summary=f"Drift over all replicas: {_FEATURE}",
        description="PSI {{ $value | humanize }} over the last {{ $labels.window }}.",
        dashboard="modelspan-fleet",
        means="Over all replicas together the feature differs from the reference: PSI is above "
        f"{SMALLEST_PSI}, and the p-value is so small that all looks of a year at all features of a model "
        f"give a false alarm with a probability of at most {FALSE_ALARMS:.0%}. References with a season are "
        "left out: processes compare each row with its own hours, which sums over a window cannot.",
        steps=_DRIFT_STEPS,
    )


def _threshold() -> Alert:
    """Processes that share a store show the same state, so the largest and not the sum."""
    by = labels((*MODEL, _THRESHOLD, label_name(semconv.SEGMENT_NAME), label_name(semconv.SEGMENT_VALUE)))
    return Alert(
        name="ModelThresholdCrossed",
        expression=f"max by {by} ({metric_name(semconv.THRESHOLD_CROSSED)}) > 0",
        severity="ticket",
        summary=f"{{{{ $labels.{_THRESHOLD} }}}}: {WHO} is beyond its threshold",
        description="In the newest window that is over and has enough outcomes.",
        dashboard=_PERFORMANCE,
        means="A measure of performance or a KPI lies beyond a threshold of the file that `thresholds` "
        f"names. Its false-alarm rate stands in the event `{semconv.THRESHOLD_EVENT.name}`. It resolves with "
        "the first judged window that is back.",
        steps=(
            "Read the event: the value, its limits, and the window of prediction time that it is about.",
            "Open the performance dashboard: is coverage usual, and did all segments and versions move?",
            "If the drift dashboard shows a cause upstream, repair that; else retrain, or roll back.",
        ),
    )


def _coverage() -> Alert:
    share = metric_name(semconv.PERFORMANCE_SHARE)
    whole = f'{label_name(semconv.SEGMENT_NAME)}="", {label_name(semconv.PERFORMANCE_WINDOW)}="all"'
    return Alert(
        name="ModelCoverageLow",
        expression=f"max by {labels(MODEL)} ({share}{{{whole}}}) < {LEAST_COVERAGE}",
        lasts="1h",
        severity="ticket",
        summary=f"Outcomes of {WHO} hardly come",
        description="{{ $value | humanizePercentage }} of the predictions have an outcome.",
        dashboard=_PERFORMANCE,
        means=f"Of all predictions that are kept, less than {LEAST_COVERAGE:.0%} have an outcome, for an "
        "hour: measures of performance stand on little, and perhaps on a biased part.",
        steps=(
            "Open the performance dashboard: is the lag long, so that outcomes are merely still to come?",
            "Does the job that calls `feedback` run, and does it use the prediction ids of this model?",
            "If outcomes come for some cases only, by design, watch the estimate, and segments instead.",
        ),
    )


def _dropped() -> Alert:
    return Alert(
        name="ModelspanTelemetryDropped",
        expression=f"sum by {labels((JOB, SIGNAL, REASON))} (sum_over_time({DROPPED}[10m])) > 0",
        lasts="5m",
        severity="ticket",
        summary=f"{{{{ $labels.{JOB} }}}} loses {{{{ $labels.{SIGNAL} }}}}: {{{{ $labels.{REASON} }}}}",
        description="{{ $value | humanize }} records within 10 min; predictions are unaffected.",
        dashboard="modelspan-fleet",
        means="Telemetry was made and not delivered. Predictions go on as before, but counts, traces and "
        "drift are incomplete as long as this lasts.",
        steps=(
            (
                "Read the reason: `queue_full` means more than can be sent, `export_failed` that "
                "the endpoint does not take it."
            ),
            (
                "Is the Collector up, and does it refuse (its own `otelcol_receiver_refused_*`)? Run "
                "`modelspan doctor` beside the service."
            ),
            (
                "If it is plain volume: lower `log_rows`, sample traces, raise `queue_bytes`, or give the "
                "Collector more."
            ),
        ),
    )


def _faults() -> Alert:
    return Alert(
        name="ModelspanFaults",
        expression=f"sum by {labels((JOB,))} (sum_over_time({FAULTS}[15m])) > 0",
        severity="ticket",
        summary=f"modelspan had to contain faults of its own in {{{{ $labels.{JOB} }}}}",
        description="{{ $value | humanize }} within 15 min; predictions are unaffected.",
        dashboard="modelspan-fleet",
        means="Something in modelspan failed and was contained: answers of the model are unaffected, but "
        "part of its telemetry may be missing.",
        steps=(
            (
                "Search the service's log for the logger `modelspan`: each fault is logged with its "
                "traceback, at most once a minute."
            ),
            (
                "If it names an input or answer of yours, see whether its type is one that the documentation "
                "lists."
            ),
            "Report it with the traceback and the versions that `modelspan doctor` prints.",
        ),
    )
