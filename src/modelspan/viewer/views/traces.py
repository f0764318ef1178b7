"""`/traces`: the latest traces, of one model or all, failed ones or all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from modelspan.viewer.views import frame, parts, text
from modelspan.viewer.views.route import href

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.viewer.views.request import Request

SHOWN = 50
_HEADINGS = ("trace", "state", "duration#", "contents#", "started#")
_ID_SHOWN = 8


def render(request: Request) -> parts.Node:
    """The list, or why it is empty."""
    params = request.route.params
    model, errors = params.get("model"), bool(params.get("errors"))
    found = request.queries.traces(model, limit=SHOWN, errors=errors)["traces"]
    choice = error_choice(("traces",), params, errors=errors)
    title = frame.heading("Traces", above=frame.scope(model, "traces"), beside=choice)
    if not found:
        return html.Div([title, _nothing(model, errors=errors)])
    return html.Div([title, parts.live("traces", listing(found, request.now, models=not model))])


def _nothing(model: str | None, *, errors: bool) -> parts.Node:
    if not model and not errors:
        return parts.no_data()
    what = "failed traces" if errors else "traces"
    return parts.empty(f"No {what} are stored", parts.link("All traces of all models", "traces"))


def error_choice(path: tuple[str, ...], params: Mapping[str, str], *, errors: bool) -> parts.Node:
    """All or failed traces; other choices in the URL stay."""
    kept = {key: value for key, value in params.items() if key in ("model", "range")}
    links = [("All", href(*path, **kept), not errors), ("Failed", href(*path, **kept, errors="1"), errors)]
    return parts.choice("which traces", links)


def listing(found: Sequence[Mapping[str, Any]], now: float, *, models: bool = False) -> parts.Node:
    """A row per trace, in the given order; `models` says whose each is."""
    headings = (*_HEADINGS, "model") if models else _HEADINGS
    rows = [[*_row(each, now), *([_model(each)] if models else [])] for each in found]
    return parts.table(headings, rows, kind="traces")


def _row(trace: Mapping[str, Any], now: float) -> list[parts.Node]:
    short = html.Code(trace["trace_id"][:_ID_SHOWN], title=trace["trace_id"])
    return [
        parts.stack(
            parts.link(trace["name"] or "unnamed", "traces", trace["trace_id"]),
            html.Span([short, f" · {trace['service'] or 'no service'}"], className="muted"),
        ),
        state(trace["status"], trace["error_type"]),
        text.milliseconds(trace["duration_ms"]),
        parts.muted(f"{text.plural(trace['spans'], 'span')}, {text.plural(trace['logs'], 'log')}"),
        html.Span(text.ago(trace["start"], now), title=text.clock(trace["start"])),
    ]


def _model(trace: Mapping[str, Any]) -> parts.Node:
    return parts.link(trace["model"], "models", trace["model"]) if trace["model"] else text.ABSENT


def state(status: str, error_type: str | None) -> parts.Node:
    """`ok`, or the class of the exception."""
    return parts.badge(error_type or "error", "alarm") if status == "error" else parts.badge("ok", "good")
