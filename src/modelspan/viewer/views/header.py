"""The header of every view: the brand, the lists, and a chooser of models that keeps the kind of view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import dcc, html

from modelspan.viewer.views import parts
from modelspan.viewer.views.route import href

if TYPE_CHECKING:
    from modelspan.viewer.views.request import Request

_LISTS = (("Models", "models", ()), ("Alerts", "alerts", ("alerts",)), ("Traces", "traces", ("traces",)))


def render(request: Request) -> parts.Node:
    """The header for one URL."""
    opened = sum(each["open_alerts"] for each in request.models)
    first = request.route.parts[0] if request.route.parts else "models"
    return _bar(first, opened, _chooser(request))


def plain() -> parts.Node:
    """The header when nothing can be read."""
    return _bar("", 0, None)


def _bar(first: str, opened: int, chooser: parts.Node) -> parts.Node:
    badge = parts.live("alerts-open", parts.badge(opened, "alarm") if opened else None)
    links = [
        dcc.Link([name, badge if key == "alerts" else None], href=href(*where),
                 className="chosen" if key == first else "")
        for name, key, where in _LISTS
    ]  # fmt: skip
    brand = dcc.Link("modelspan", href=href(), className="brand")
    return html.Div([brand, html.Nav(links, **{"aria-label": "main"}), chooser], className="bar")


def _chooser(request: Request) -> parts.Node:
    """The models as links; a refresh leaves it open, a choice draws it anew and so closes it."""
    names = sorted({each["model"] for each in request.models})
    if not names:
        return None
    route = request.route
    chosen = route.model if route.model in names else None
    rest = route.parts[2:] if route.parts[:1] == ("models",) else ()
    links = [
        dcc.Link(name, href=href("models", name, *rest), className="chosen" if name == chosen else "")
        for name in names
    ]
    summary = html.Summary(["model: ", html.Strong(chosen or "choose")])
    menu = html.Div(links, className="menu")
    return parts.fixed("chooser", html.Details([summary, menu], className="chooser"), of=names)
