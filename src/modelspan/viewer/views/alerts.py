"""`/alerts`: open and closed alerts, each with the way to its evidence and to example traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from modelspan.viewer.views import frame, parts, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.viewer.views.request import Request

_HEADINGS = ("alert", "model", "PSI#", "e-value#", "opened#", "lasted#", "evidence")
_EXAMPLES = 3
_ID_SHOWN = 8


def render(request: Request) -> parts.Node:
    """Open ones first; none at all is good news and said so."""
    model = request.route.params.get("model")
    found = request.queries.alerts(model)["alerts"]
    title = frame.heading("Alerts", above=frame.scope(model, "alerts"))
    if not found:
        return html.Div([title, _nothing(request)])
    opened = [each for each in found if each["state"] == "open"]
    closed = [each for each in found if each["state"] != "open"]
    sections = [_section("Open", opened, request.now), _section("Closed", closed, request.now)]
    return html.Div([title, parts.live("alerts", *sections)])


def _nothing(request: Request) -> parts.Node:
    if not request.models:
        return parts.no_data()
    why = "An alert opens when a full window of a feature departs from its reference."
    return parts.empty("No alerts", why)


def _section(state: str, alerts: Sequence[Mapping[str, Any]], now: float) -> parts.Node:
    title = f"{state} ({len(alerts):,})"
    if not alerts:
        return parts.card(title, parts.muted("none"))
    return parts.card(title, parts.table(_HEADINGS, [_row(each, now) for each in alerts], kind="alerts"))


def _row(alert: Mapping[str, Any], now: float) -> list[parts.Node]:
    model = parts.link(alert["model"], "models", alert["model"])
    return [
        parts.stack(_what(alert), parts.muted(_said(alert))),
        parts.stack(model, parts.muted(alert["version"] or "no version")),
        text.fixed(alert["psi"]),
        text.evidence(alert["e_value"]),
        html.Span(text.ago(alert["opened"], now), title=text.clock(alert["opened"])),
        text.seconds(max(0.0, (alert["closed"] or now) - alert["opened"])),
        _evidence(alert),
    ]


def _what(alert: Mapping[str, Any]) -> parts.Node:
    tone: parts.Tone = "alarm" if alert["state"] == "open" else "quiet"
    word = f"critical {alert['kind']}" if alert["severity"] == "critical" else alert["kind"]
    return html.Span([html.Strong(text.plain(alert["feature"])), " ", parts.badge(word, tone)])


def _said(alert: Mapping[str, Any]) -> str:
    """The summary, which bins grew, and why it is over."""
    grown = f"; grew: {', '.join(alert['top_bins'])}" if alert["top_bins"] else ""
    over = f"; over: {alert['reason']}" if alert["reason"] else ""
    return f"{alert['summary']}{grown}{over}"


def _evidence(alert: Mapping[str, Any]) -> parts.Node:
    feature, version = alert["feature"], alert["version"]
    if alert["kind"] == "threshold":
        return parts.link("performance", "models", alert["model"], "performance", version=version)
    drift = parts.link("both histograms", "models", alert["model"], "drift", feature=feature, version=version)
    ids = [text.plain(each) for each in alert["trace_ids"][:_EXAMPLES]]
    traces = [parts.link(each[:_ID_SHOWN], "traces", each) for each in ids]
    examples = html.Div([parts.muted("traces"), *traces], className="names") if traces else None
    return parts.stack(drift, examples)
