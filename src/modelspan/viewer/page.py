"""The web page of `modelspan up`: one Dash application with the URL as its whole state.

Nothing is fetched from outside: scripts and styles come from this process, and a content security policy
makes the browser refuse anything else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dash
from dash import ALL, Input, Output, State, dcc, html

from modelspan.viewer.views import alerts, drift, header, live, overview, parts, performance, trace, traces
from modelspan.viewer.views.request import Request
from modelspan.viewer.views.route import Route

if TYPE_CHECKING:
    import flask

    from modelspan.viewer.queries import Queries

View = Callable[[Request], parts.Node]

logger = logging.getLogger("modelspan")

LIVE_MS: Final = 3_000
CALM_MS: Final = 10_000
"""Milliseconds between refreshes of views that show the moment, and of those that show windows."""

_MOMENT: Final = (overview.render, live.render)
_OF_MODEL: Final[dict[tuple[str, ...], View]] = {
    (): live.render,
    ("drift",): drift.render,
    ("performance",): performance.render,
}
_LISTS: Final[dict[str, View]] = {"alerts": alerts.render, "traces": traces.render}
_INDEX: Final = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    <link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <noscript>This page needs JavaScript; the same data is JSON under /api/.</noscript>
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""
_POLICY: Final = (
    "default-src 'none'; connect-src 'self'; font-src 'self'; img-src 'self' data: blob:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' {hashes}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def build_page(server: flask.Flask, queries: Queries) -> dash.Dash:
    """Add the page to a server that may have routes of its own; those win over the page's catch-all.

    Args:
        server: The application that serves; not started here.
        queries: What the views read. Its faults are shown in the page and logged.

    Returns:
        The Dash application, for `server` to serve.
    """
    app = dash.Dash(
        server=server, title="modelspan", update_title="", index_string=_INDEX, enable_mcp=False,
        assets_folder=str(Path(__file__).parent / "assets"), add_log_handler=False,
    )  # fmt: skip
    app.layout = _layout()

    _connect(app, queries)
    _protect(server, app)
    return app


def _connect(app: dash.Dash, queries: Queries) -> None:
    """One callback draws a URL; one renews its live blocks or, if their set changed, has it drawn anew."""

    def draw(pathname: str | None, search: str | None, _redraw: int | None) -> tuple[Any, Any, int]:
        return render(queries, Route.parse(pathname, search))

    def renew(ticks: int, pathname: str | None, search: str | None, fixed: list[Any]) -> tuple[Any, Any, Any]:
        live, graphs = ([each["id"] for each in ids] for ids in dash.ctx.outputs_list[:2])
        found = _blocks(render(queries, Route.parse(pathname, search)))
        if found.keys() != {_key(each) for each in (*live, *graphs, *fixed)}:
            return [dash.no_update] * len(live), [dash.no_update] * len(graphs), ticks
        children = [found[_key(each)].children for each in live]
        return children, [found[_key(each)].figure for each in graphs], dash.no_update

    url = (Input("url", "pathname"), Input("url", "search"))
    app.callback(
        Output("header", "children"), Output("view", "children"), Output("tick", "interval"),
        *url, Input("redraw", "data"),
    )(draw)  # fmt: skip
    app.callback(
        Output({"kind": "live", "name": ALL}, "children"), Output({"kind": "graph", "name": ALL}, "figure"),
        Output("redraw", "data"),
        Input("tick", "n_intervals"), State("url", "pathname"), State("url", "search"),
        State({"kind": "fixed", "name": ALL}, "id"),
        running=[(Output("tick", "disabled"), True, False)], prevent_initial_call=True,
    )(renew)  # fmt: skip


def _blocks(drawn: tuple[parts.Node, parts.Node, int]) -> dict[tuple[str, str], Any]:
    top, view, _ = drawn
    walks = (root._traverse_ids() for root in (top, view))  # noqa: SLF001 - dash offers no other walk
    return {_key(each.id): each for walk in walks for each in walk}


def _key(name: dict[str, str]) -> tuple[str, str]:
    return name["kind"], name["name"]


def render(queries: Queries, route: Route) -> tuple[parts.Node, parts.Node, int]:
    """Header, view and milliseconds to the next refresh, for one URL."""
    view = view_of(route)
    soon = view in _MOMENT and route.params.get("range") not in live.LONG_RANGES
    milliseconds = LIVE_MS if soon else CALM_MS
    try:
        request = Request(queries=queries, route=route, models=queries.models()["models"], now=time.time())
    except Exception as error:
        logger.exception("reading the models for /%s failed", "/".join(route.parts))
        return header.plain(), parts.failed(error), milliseconds
    return header.render(request), _safely(view, request), milliseconds


def view_of(route: Route) -> View:
    """The view that a URL names."""
    match route.parts:
        case ():
            return overview.render
        case ("models", _, *rest):
            return _OF_MODEL.get(tuple(rest), _unknown)
        case ("traces", _):
            return trace.render
        case (name,):
            return _LISTS.get(name, _unknown)
    return _unknown


def _unknown(request: Request) -> parts.Node:
    path = "/".join(request.route.parts)
    return parts.not_found(f"There is no page /{path}", hint="The address may be mistyped.")


def _safely(view: View, request: Request) -> parts.Node:
    try:
        return view(request)
    except Exception as error:
        logger.exception("showing /%s failed", "/".join(request.route.parts))
        return parts.failed(error)


def _layout() -> parts.Node:
    return html.Div([
        dcc.Location(id="url", refresh=False),
        dcc.Interval(id="tick", interval=LIVE_MS),
        dcc.Store(id="redraw"),
        html.Header(id="header"),
        html.Main(html.P("Loading …", className="muted"), id="view"),
    ])  # fmt: skip


def _protect(server: flask.Flask, app: dash.Dash) -> None:
    policy = _POLICY.format(hashes=" ".join(app.csp_hashes()))

    def set_policy(response: flask.Response) -> flask.Response:
        if response.mimetype == "text/html":
            response.headers["Content-Security-Policy"] = policy
        return response

    server.after_request(set_policy)
