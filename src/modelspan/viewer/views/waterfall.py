"""Spans of a trace as nested bars on one time axis; each row opens to what the span says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dash import html

from modelspan.viewer.views import parts, text

Span = Mapping[str, Any]
MOST_ROWS: Final = 500
_DEEPEST_INDENT: Final = 8
_LEAST_WIDTH: Final = 0.4


def waterfall(spans: Sequence[Span], *, chosen: str | None = None) -> parts.Node:
    """Bars in the order of a depth-first walk.

    Args:
        spans: As `Queries.trace` gives them, in any order; a span whose parent is missing is a root.
        chosen: Id of the span that is open at first; else the first failed one, else the root.
    """
    begin = min(each["start"] for each in spans)
    length = max(max(each["start"] + each["duration_ms"] / 1000 for each in spans) - begin, 1e-9)
    walked = list(walk(spans))
    opened = chosen or next(
        (span["span_id"] for span, _ in walked if span["status"] == "error"), walked[0][0]["span_id"]
    )
    rows = [
        _row(span, depth, begin, length, opened=span["span_id"] == opened)
        for span, depth in walked[:MOST_ROWS]
    ]
    cut = f"Showing {MOST_ROWS:,} of {len(walked):,} spans." if len(walked) > MOST_ROWS else None
    return html.Div(
        [_axis(length), *rows, html.P(cut, className="muted") if cut else None], className="waterfall"
    )


def walk(spans: Sequence[Span]) -> Iterator[tuple[Span, int]]:
    """Each span once with its depth, children after their parent by start; cycles and orphans are roots."""
    known = {each["span_id"] for each in spans}
    children: dict[str | None, list[Span]] = {}
    for span in sorted(spans, key=lambda each: each["start"]):
        parent = span["parent_span_id"]
        children.setdefault(parent if parent in known and parent != span["span_id"] else None, []).append(
            span
        )
    seen: set[int] = set()
    for start in (children.get(None, []), spans):
        pending = [(span, 0) for span in reversed(start)]
        while pending:
            span, depth = pending.pop()
            if id(span) in seen:
                continue
            seen.add(id(span))
            yield span, depth
            pending += [(child, depth + 1) for child in reversed(children.get(span["span_id"], []))]


def _axis(length: float) -> parts.Node:
    marks = [html.Span(text.milliseconds(1000 * length * at / 4)) for at in range(5)]
    return html.Div(
        [html.Span("span"), html.Div(marks, className="marks"), html.Span("duration")], className="axis"
    )


def _row(span: Span, depth: int, begin: float, length: float, *, opened: bool) -> parts.Node:
    failed = span["status"] == "error"
    name = html.Span(
        [html.Span(text.plain(span["name"]) or "unnamed", className="name"), parts.muted(span["service"])],
        className="title", style={"paddingLeft": f"{0.8 * min(depth, _DEEPEST_INDENT)}rem"},
    )  # fmt: skip
    bar = html.Span(html.Span(style=_place(span, begin, length), className="stroke"), className="track")
    took = html.Span(text.milliseconds(span["duration_ms"]), className="took")
    summary = html.Summary([name, bar, took])
    return html.Details([summary, _details(span)], open=opened, className="span failed" if failed else "span")


def _place(span: Span, begin: float, length: float) -> dict[str, str]:
    left = min(100 * (span["start"] - begin) / length, 100 - _LEAST_WIDTH)
    width = min(max(100 * span["duration_ms"] / 1000 / length, _LEAST_WIDTH), 100 - left)
    return {"left": f"{left:.3f}%", "width": f"{width:.3f}%"}


def _details(span: Span) -> parts.Node:
    facts = {"kind": span["kind"], "scope": span["scope"], "span id": span["span_id"]}
    said = parts.badge(span["status_message"], "alarm") if span["status_message"] else None
    folds = [_section("Attributes", span["attributes"]), _section("Resource", span["resource"])]
    return html.Div(
        [said, parts.pairs({key: value for key, value in facts.items() if value}), *folds], className="inside"
    )


def _section(title: str, found: Mapping[str, Any]) -> parts.Node:
    return html.Div([html.H3(title), parts.pairs(found)]) if found else None
