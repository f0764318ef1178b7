"""`/models/<model>`: traffic, errors and latency as they happen, and the latest traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from modelspan.viewer import figures
from modelspan.viewer.views import frame, parts, text, traces
from modelspan.viewer.views.route import href

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.viewer.views.request import Request

RANGES = {
    "5m": ("5 min", 300, 60),
    "1h": ("1 h", 3_600, 60),
    "24h": ("24 h", 86_400, 96),
    "7d": ("7 d", 604_800, 84),
}
"""Key in the URL: label, seconds, buckets."""
LONG_RANGES = ("24h", "7d")
"""Ranges that change little between two refreshes and cost the most to read."""
LATEST = 12
_VERSIONS = ("version", "calls#", "errors#", "p50#", "p95#", "p99#", "last seen#")


def render(request: Request) -> parts.Node:
    """The live view of the model that the route names."""
    model = request.route.parts[1]
    if not request.versions:
        return frame.unknown_model(model)
    chosen = request.route.params.get("range", "")
    key = chosen if chosen in RANGES else "5m"
    _, seconds, buckets = RANGES[key]
    answer = request.queries.traffic(model, seconds=seconds, buckets=buckets)
    return html.Div([
        frame.heading(model, above="model", beside=_range_choice(request, key)),
        frame.model_tabs(request.route, "Live"),
        parts.live("tiles", _tiles(answer["buckets"], request)),
        html.Div([parts.chart("Traffic", figures.traffic(answer)),
                  parts.chart("Latency", figures.latency(answer))], className="pair"),
        parts.live("versions", _versions(request)),
        parts.live("latest", _latest(request, model)),
    ])  # fmt: skip


def _range_choice(request: Request, key: str) -> parts.Node:
    kept = {name: value for name, value in request.route.params.items() if name == "errors"}
    model = request.route.parts[1]
    links = [
        (label, href("models", model, range=each, **kept), each == key)
        for each, (label, *_) in RANGES.items()
    ]
    return parts.choice("time range", links)


def _tiles(buckets: Sequence[Mapping[str, Any]], request: Request) -> parts.Node:
    newest = request.versions[0]
    calls, errors = (sum(each[key] for each in buckets) for key in ("calls", "errors"))
    note = f"newest calls of {newest['version']}" if newest["version"] else "newest calls"
    last = f"last call {text.ago(newest['last_seen'], request.now)}"
    rate = errors / calls if calls else None
    return parts.tiles([
        ("traffic", text.per_second(newest["rate_per_second"]), last),
        ("calls", text.count(calls), "in the range shown"),
        ("errors", text.share(rate), f"{text.count(errors)} failed in the range"),
        ("latency p50", text.milliseconds(newest["p50_ms"]), note),
        ("latency p95", text.milliseconds(newest["p95_ms"]), note),
        ("latency p99", text.milliseconds(newest["p99_ms"]), note),
    ])  # fmt: skip


def _versions(request: Request) -> parts.Node:
    if len(request.versions) < 2:
        return None
    rows = [_version(each, request.now) for each in request.versions]
    return parts.card("Versions", parts.table(_VERSIONS, rows, kind="numbers"))


def _version(each: Mapping[str, Any], now: float) -> list[parts.Node]:
    latencies = [text.milliseconds(each[key]) for key in ("p50_ms", "p95_ms", "p99_ms")]
    name = each["version"] or "none"
    return [
        name, text.count(each["calls"]), text.share(each["error_rate"]), *latencies,
        text.ago(each["last_seen"], now),
    ]  # fmt: skip


def _latest(request: Request, model: str) -> parts.Node:
    errors = bool(request.route.params.get("errors"))
    found = request.queries.traces(model, limit=LATEST, errors=errors)["traces"]
    choice = traces.error_choice(("models", model), request.route.params, errors=errors)
    top = html.Div([html.H2("Latest traces"), choice], className="row")
    if not found:
        return html.Section([top, html.P("No such call is stored.", className="muted")], className="card")
    more = parts.link("More traces of this model", "traces", model=model, errors="1" if errors else None)
    return html.Section(
        [top, traces.listing(found, request.now), html.P(more, className="more")], className="card"
    )
