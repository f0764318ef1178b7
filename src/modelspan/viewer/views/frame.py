"""What surrounds a view: its title, the views of the same model, the choice of a version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import dcc, html

from modelspan.viewer.views import parts
from modelspan.viewer.views.route import href
from modelspan.viewer.views.text import plain

if TYPE_CHECKING:
    from modelspan.viewer.views.request import Request
    from modelspan.viewer.views.route import Route


def heading(title: str, *, above: parts.Node = None, beside: parts.Node = None) -> parts.Node:
    """The title of a view, what it belongs to above it, and the choices that it offers."""
    words = html.Div([html.Div(above, className="above"), html.H1(plain(title))])
    return html.Div([words, html.Div(beside, className="beside")], className="heading")


def unknown_model(model: str) -> parts.Node:
    """There is no such model."""
    hint = "It may have another name, not have predicted yet, or be older than the retention."
    return parts.not_found(f"No telemetry of a model named {model!r} is stored.", hint=hint)


def scope(model: str | None, view: str) -> parts.Node:
    """Which models a list is of, and the way to all of them."""
    if not model:
        return "all models"
    return html.Span(["of ", parts.link(model, "models", model), " · ", parts.link("all models", view)])


def model_tabs(route: Route, active: str) -> parts.Node:
    """The views of one model; a chosen version stays chosen."""
    entries = [("Live", ()), ("Drift", ("drift",)), ("Performance", ("performance",))]
    version = route.params.get("version")
    links = [
        dcc.Link(name, href=href("models", route.parts[1], *rest, version=version),
                 className="view chosen" if name == active else "view")
        for name, rest in entries
    ]  # fmt: skip
    return html.Nav(links, className="views", **{"aria-label": "views of the model"})


def version_choice(request: Request, shown: str | None) -> parts.Node:
    """The versions of the model, where there are several; else the only one in words."""
    versions = [each["version"] for each in request.versions]
    if len(versions) < 2:
        return parts.muted(f"version {shown}" if shown else "no version")
    kept = {key: value for key, value in request.route.params.items() if key == "feature"}
    links = [
        (each or "none", href(*request.route.parts, version=each, **kept), each == shown) for each in versions
    ]
    return parts.fixed("versions", parts.choice("version", links), of=versions)
