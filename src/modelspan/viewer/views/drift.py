"""`/models/<model>/drift`: features ranked by drift, and the evidence of the chosen one.

The model's score comes first, whatever its rank: it is the one column that every model has, and the first
to tell that inputs moved in a way that matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import dcc, html

from modelspan.viewer import figures
from modelspan.viewer.views import frame, parts, text
from modelspan.viewer.views.route import href

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.viewer.views.request import Request

_HEADINGS = ("feature", "PSI#", "KS#", "JS#", "Wasserstein#", "p-value#", "state")
_BAR_PX = 22
_HEIGHT_PX = 300


def render(request: Request) -> parts.Node:
    """The ranking and the chosen feature, side by side where there is room."""
    model, params = request.route.parts[1], request.route.params
    if not request.versions:
        return frame.unknown_model(model)
    answer = request.queries.drift(model, params.get("version"))
    columns = ranked(answer)
    beside = html.Div(
        [parts.live("verdict", _verdict(columns)), frame.version_choice(request, answer["version"])],
        className="names",
    )
    top = [frame.heading(model, above="model", beside=beside), frame.model_tabs(request.route, "Drift")]
    if not columns:
        return html.Div([*top, _nothing()])
    chosen = _chosen(columns, params.get("feature"))
    panel = html.Div(_evidence(columns[chosen], request.now), className="evidence")
    ranking = parts.live("ranking", _ranking(request, columns, chosen))
    return html.Div([*top, html.Div([ranking, panel], className="ranked")])


def ranked(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The score, then the features as the query ranked them."""
    return [*([answer["score"]] if answer["score"] else []), *answer["features"]]


def _verdict(columns: Sequence[Mapping[str, Any]]) -> parts.Node:
    alarms = sum(1 for each in columns if each["detected"])
    words = f"{alarms} of {len(columns)} drifted"
    return parts.badge(words, "alarm" if alarms else "good") if columns else None


def _nothing() -> parts.Node:
    return parts.empty(
        "No drift report yet",
        "Build a reference from training data:",
        html.Pre("modelspan reference build train.csv -o ref.json"),
        "and name it in the decorator:",
        html.Pre('@modelspan.monitor(model=…, reference="ref.json")'),
        "A report comes with each full window of predictions.",
    )


def _chosen(columns: Sequence[Mapping[str, Any]], feature: str | None) -> int:
    """The feature that the URL names, else the one with the largest PSI."""
    names = [each["feature"] for each in columns]
    if feature in names:
        return names.index(feature)
    return max(range(len(columns)), key=lambda at: columns[at]["psi"] or 0.0)


def _ranking(request: Request, columns: Sequence[Mapping[str, Any]], chosen: int) -> parts.Node:
    model, version = request.route.parts[1], request.route.params.get("version")
    rows = [
        _row(each, href("models", model, "drift", feature=each["feature"], version=version))
        for each in columns
    ]
    return parts.card("Features by PSI", parts.table(_HEADINGS, rows, kind="drift", chosen=chosen))


def _row(column: Mapping[str, Any], where: str) -> list[parts.Node]:
    name = dcc.Link(text.plain(column["feature"]), href=where)
    return [
        parts.stack(name, parts.muted(column["kind"])),
        text.fixed(column["psi"]),
        text.fixed(column["ks"]),
        text.fixed(column["js"]),
        text.number(column["wasserstein"]),
        text.p_value(column["p_value"]),
        parts.badge("drifted", "alarm") if column["detected"] else parts.badge("no alarm", "good"),
    ]


def _evidence(column: Mapping[str, Any], now: float) -> list[parts.Node]:
    name, bins = text.plain(column["feature"]), len(column["bins"])
    rows, reference = sum(column["current_counts"]), sum(column["reference_counts"])
    note = f"{rows:,} current rows against {reference:,} of the reference, {text.ago(column['time'], now)}"
    flat = figures.is_flat(column)
    height = max(_HEIGHT_PX, 110 + 2 * _BAR_PX * bins) if flat else _HEIGHT_PX
    habit = "dotted: the customary 0.2, for orientation only"
    return [
        parts.chart(f"{name}: reference and current", figures.histograms(column), height=height, note=note),
        parts.chart(f"{name}: PSI over time", figures.psi_history(column), height=220, note=habit),
    ]
