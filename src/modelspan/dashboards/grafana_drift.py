"""Grafana: have the data changed? Every feature against its reference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from modelspan import semconv
from modelspan.dashboards.distances import rows
from modelspan.dashboards.grafana_parts import Dashboard, Panel, Query, stat, timeseries
from modelspan.dashboards.grafana_scope import CHOSEN, drift_scope, open_alarms
from modelspan.dashboards.names import BIN, BIN_INDEX, FEATURE, METHOD, NAME, VERSION, metric_name
from modelspan.dashboards.promql import labels
from modelspan.dashboards.recording import LOG_P, SCORE, WINDOW, WINDOW_REFERENCE
from modelspan.drift.compare import SMALLEST_PSI
from modelspan.drift.values import MISSING

if TYPE_CHECKING:
    from modelspan.dashboards.plan import Plan
    from modelspan.drift.reference import Reference

_HERE = f'{CHOSEN}, window="$window"'
_OPEN = f"max {{by}} ({metric_name(semconv.DRIFT_DETECTED)}{{{{{CHOSEN}}}}})"
_BY_FEATURE = f"by {labels((NAME, VERSION, FEATURE))}"
_LEGEND = f"{{{{{FEATURE}}}}} ({{{{{VERSION}}}}})"
_SCORE_NAME = "score"


def dashboard(plan: Plan) -> Dashboard:
    """The drift dashboard: by name for the features of references, else for those that are chosen."""
    named = [(_model_title(r), [_histogram(f, r) for f in _features(r)]) for r in plan.references]
    return Dashboard(
        uid="modelspan-drift",
        title="modelspan: drift",
        description="Every feature and the score against the reference, over all replicas.",
        variables=drift_scope(plan),
        rows=(
            ("Alarms", _alarms()),
            ("Distance from the reference", _distances()),
            *named,
            *([] if named else [("Histograms", [_chosen()])]),
        ),
    )


def _model_title(reference: Reference) -> str:
    return f"Histograms of {' '.join(filter(None, (reference.model, reference.version)))}"


def _features(reference: Reference) -> list[str]:
    return [*([_SCORE_NAME] if reference.score else []), *reference.features]


def _alarms() -> list[Panel]:
    is_open = _OPEN.format(by=_BY_FEATURE)
    timeline = {
        "mergeValues": True, "showValue": "never", "rowHeight": 0.9,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
    }  # fmt: skip
    words = {"0": {"text": "calm", "color": "green"}, "1": {"text": "alarm", "color": "red"}}
    return [
        open_alarms(),
        stat(
            "Largest distance",
            "Of any feature, by the chosen distance and window, over all replicas.",
            Query(expr=f'max({SCORE}{{{_HERE}, {METHOD}="$method"}})'),
        ),
        Panel(
            kind="state-timeline",
            title="Alarms over time",
            description="Red while the alarm is open in any process; its rate of false ones is known.",
            queries=[Query(expr=is_open, legend=_LEGEND)],
            options=timeline,
            limits=(1,),
            width=16,
            height=10,
            custom={"fillOpacity": 80, "lineWidth": 0},
            mappings=[{"type": "value", "options": words}],
        ),
    ]


def _distances() -> list[Panel]:
    missing = f'{BIN}="{MISSING}", {_HERE}'
    share = f"{WINDOW}{{{missing}}} / ignoring ({BIN}) group_left () {rows(f'{WINDOW}{{{_HERE}}}')}"
    return [
        timeseries(
            "Distance by feature",
            f"PSI below {SMALLEST_PSI}, the line, is small whatever the rows.",
            Query(expr=f'{SCORE}{{{_HERE}, {METHOD}="$method", {FEATURE}=~"$feature"}}', legend=_LEGEND),
            minimum=0,
            limits=(SMALLEST_PSI,),
            height=10,
        ),
        timeseries(
            "Evidence",
            "Natural logarithm of a bound on the p-value, over all features: the lower, the less is it "
            "chance. An alert needs this and a PSI above the line beside it.",
            Query(expr=f'{LOG_P}{{{_HERE}, {FEATURE}=~"$feature"}}', legend=_LEGEND),
            maximum=0,
            height=10,
        ),
        timeseries(
            "Missing values",
            "Share of the values of a feature that were missing or no number.",
            Query(expr=f"{share}", legend=_LEGEND),
            unit="percentunit",
            minimum=0,
            width=24,
        ),
    ]


def _chosen() -> Panel:
    """One histogram for each feature that is chosen."""
    return _bars("$feature", f'{FEATURE}="$feature", {_HERE}', repeat="feature")


def _histogram(feature: str, reference: Reference) -> Panel:
    model = f"{NAME}={_quoted(reference.model)}, {VERSION}={_quoted(reference.version)}"
    return _bars(feature, f'{FEATURE}={_quoted(feature)}, {model}, window="$window"')


def _quoted(value: str) -> str:
    """A label's value in PromQL, with nothing that Grafana takes for a variable."""
    return json.dumps(value, ensure_ascii=False).replace("$", "\\x24")


def _bars(title: str, matchers: str, repeat: str = "") -> Panel:
    """Shares of the bins, reference beside current, in the order of the bins."""
    before, now = (f"{name}{{{matchers}}}" for name in (WINDOW_REFERENCE, WINDOW))
    bins = labels((BIN, BIN_INDEX))
    shares = (
        f"max by {bins} ({counts} / ignoring {bins} group_left () {rows(counts)})" for counts in (before, now)
    )
    kept = {"include": {"names": [BIN, BIN_INDEX, "Value #A", "Value #B"]}}
    transformations = [
        {"id": "joinByField", "options": {"byField": BIN, "mode": "outer"}},
        {"id": "filterFieldsByName", "options": kept},
        {"id": "sortBy", "options": {"sort": [{"field": BIN_INDEX, "desc": False}]}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {BIN_INDEX: True},
                "renameByName": {"Value #A": "reference", "Value #B": "current", BIN: "bin"},
            },
        },
    ]
    options = {
        "xField": "bin", "orientation": "auto", "showValue": "never", "stacking": "none", "groupWidth": 0.8,
        "barWidth": 0.95, "xTickLabelRotation": -30, "xTickLabelMaxLength": 14, "fullHighlight": False,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }  # fmt: skip
    return Panel(
        kind="barchart", title=title, description="Share of the values by bin, of all replicas.",
        queries=[Query(expr=share, table=True) for share in shares], unit="percentunit", minimum=0,
        options=options, transformations=transformations, repeat=repeat, width=8,
        custom={"fillOpacity": 70, "lineWidth": 1},
    )  # fmt: skip
