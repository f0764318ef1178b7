"""The few building blocks that every view is made of: tables, tiles, badges, charts, empty states.

All text goes through `plain`, so what telemetry sends is only ever shown, never interpreted.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, Literal

from dash import dcc, html

from modelspan import semconv
from modelspan.viewer.views.route import href
from modelspan.viewer.views.text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import plotly.graph_objects as go

_EXCEPTION: Final = {semconv.EXCEPTION_TYPE, semconv.EXCEPTION_MESSAGE, semconv.EXCEPTION_STACKTRACE}

Node = Any
"""A Dash component or a string."""
Tone = Literal["quiet", "good", "alarm", "warn"]


def live(name: str, *children: Node, of: object = "") -> Node:
    """A block that a refresh renews while the rest of the page stays as the reader left it.

    Args:
        name: Unique within a view, together with `of`.
        children: What is renewed.
        of: What the block is about; another subject makes another block, and the view is drawn anew.
    """
    return html.Div(list(children), id=_id("live", name, of))


def fixed(name: str, *children: Node, of: object) -> Node:
    """A block that a refresh leaves alone, until it is about something else."""
    return html.Div(list(children), id=_id("fixed", name, of))


def _id(kind: str, name: str, of: object) -> dict[str, str]:
    digest = hashlib.sha256(repr(of).encode("utf-8", "replace")).hexdigest()[:12]
    return {"kind": kind, "name": f"{name}-{digest}"}


def link(label: object, *parts: str, **params: str | None) -> Node:
    """A link within the page."""
    return dcc.Link(plain(label), href=href(*parts, **params))


def badge(label: object, tone: Tone = "quiet") -> Node:
    """A short state in words; colour only repeats what the word says."""
    return html.Span(plain(label), className=f"badge {tone}")


def muted(label: object) -> Node:
    """A remark."""
    return html.Span(plain(label), className="muted")


def stack(*lines: Node) -> Node:
    """Lines of one table cell."""
    return html.Div([html.Div(line) for line in lines if line is not None], className="lines")


def tiles(entries: Sequence[tuple[str, Node, Node]]) -> Node:
    """Numbers with a label above and a remark below."""
    return html.Div(
        [
            html.Div([html.Div(label, className="label"), html.Div(value, className="value"),
                      html.Div(note, className="muted")], className="tile")
            for label, value, note in entries
        ],
        className="tiles",
    )  # fmt: skip


def table(
    headings: Sequence[str], rows: Sequence[Sequence[Node]], *, kind: str, chosen: int | None = None
) -> Node:
    """A table; on a phone each row becomes a card, with the headings as labels.

    Args:
        headings: One per column; the first column names the row. A heading that ends in `#` is of numbers.
        rows: Cells, already formatted.
        kind: CSS class that says how cards of this table are laid out.
        chosen: Index of the row to mark.
    """
    names = [each.removesuffix("#") for each in headings]
    classes = ["number" if each.endswith("#") else "" for each in headings]
    head = [html.Th(name, className=style, scope="col") for name, style in zip(names, classes, strict=True)]
    body = [
        html.Tr([_cell(*each) for each in zip(row, names, classes, strict=True)],
                className="chosen" if at == chosen else "")
        for at, row in enumerate(rows)
    ]  # fmt: skip
    return html.Div(
        html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className=kind), className="scroll"
    )


def _cell(content: Node, name: str, style: str) -> Node:
    return html.Td(content, className=style, **{"data-label": name})


def chart(title: str, figure: go.Figure, *, height: int = 280, note: str = "") -> Node:
    """A figure with its title as text, which screen readers and searches find."""
    graph = dcc.Graph(
        id=_id("graph", "chart", (title, height)), figure=figure, responsive=True,
        style={"height": f"{height}px"},
        config={"displayModeBar": False, "displaylogo": False, "doubleClick": False, "scrollZoom": False},
    )  # fmt: skip
    return html.Figure(
        [html.Figcaption([html.H2(title), live("note", muted(note), of=title)]), graph], className="card"
    )


def card(title: str, *children: Node) -> Node:
    """A titled section."""
    return html.Section([html.H2(title), *children], className="card")


def choice(label: str, entries: Sequence[tuple[str, str, bool]]) -> Node:
    """Links of which one is chosen: a filter that lives in the URL.

    Args:
        label: What is chosen, for screen readers.
        entries: Text, URL, and whether it is the chosen one.
    """
    links = [
        dcc.Link(text, href=where, className="option chosen" if chosen else "option")
        for text, where, chosen in entries
    ]
    return html.Div(links, className="choice", role="group", **{"aria-label": label})


def fold(title: str, found: Mapping[str, Any]) -> Node:
    """Attributes behind a fold; nothing where there are none."""
    if not found:
        return None
    return html.Details([html.Summary(f"{title} ({len(found)})"), pairs(found)])


def pairs(found: Mapping[str, Any]) -> Node:
    """Names and values, in the order of the names."""
    lines = [html.Div([html.Dt(plain(key)), html.Dd(plain(found[key]))]) for key in sorted(found)]
    return html.Dl(lines, className="pairs")


def exception(found: Mapping[str, Any]) -> list[Node]:
    """Type, message and stack trace among attributes, by the names of OpenTelemetry; else nothing."""
    kind, stack = found.get(semconv.EXCEPTION_TYPE), found.get(semconv.EXCEPTION_STACKTRACE)
    if kind is None and stack is None:
        return []
    message = plain(found.get(semconv.EXCEPTION_MESSAGE, ""))
    words = html.P([html.Strong(plain(kind)), f": {message}"], className="exception")
    if not stack:
        return [words]
    return [
        words,
        html.Details([html.Summary("Stack trace"), html.Pre(plain(stack))], open=True, className="stack"),
    ]


def without_exception(found: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that `exception` does not show."""
    return {key: value for key, value in found.items() if key not in _EXCEPTION}


def empty(title: str, *lines: Node) -> Node:
    """Nothing to show yet: says what to do about it."""
    return html.Div([html.H2(title), *[html.Div(line) for line in lines]], className="empty")


def no_data() -> Node:
    """The state of a fresh installation."""
    return empty(
        "No data yet",
        "Point the program that predicts at this backend:",
        html.Pre("export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"),
        "or see a model being monitored:",
        html.Pre("modelspan demo"),
        "This page refreshes by itself.",
    )


def not_found(what: str, *, hint: str) -> Node:
    """A URL that leads to nothing."""
    return html.Div(
        [html.H1("Not found"), html.P(plain(what)), html.P(hint), html.P(link("All models"))],
        className="empty",
    )


def failed(error: BaseException) -> Node:
    """A view whose query failed."""
    return html.Div(
        [html.H2("This view could not be read"), html.Pre(f"{type(error).__name__}: {error}"),
         html.P("The page tries again by itself; the log of modelspan up has the details.")],
        className="empty error", role="alert",
    )  # fmt: skip
