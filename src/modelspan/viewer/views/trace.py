"""`/traces/<trace_id>`: the spans as a waterfall, each opening to its attributes, and the trace's logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from modelspan import semconv
from modelspan.viewer.views import frame, parts, text, traces
from modelspan.viewer.views.waterfall import waterfall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.viewer.views.request import Request

_ERROR = 17
_WARN = 13
"""Severity numbers of OpenTelemetry."""


def render(request: Request) -> parts.Node:
    """One trace, or that it isn't here."""
    trace_id = request.route.parts[1]
    found = request.queries.trace(trace_id.lower())
    if found is None or not (found["spans"] or found["logs"]):
        hint = "It may be on its way, sampled out, or older than the retention."
        return parts.not_found(f"No trace {trace_id!r} is stored.", hint=hint)
    origin = _origin(found)
    return html.Div([
        frame.heading(_name(found), above=_above(found), beside=_state(found)),
        _facts(found, origin),
        parts.fixed("records", _spans(found, request.route.params.get("span")),
                    _logs(sorted(found["logs"], key=lambda each: each["time"]), origin), of=_records(found)),
    ])  # fmt: skip


def _records(found: Mapping[str, Any]) -> tuple[int, int]:
    """What tells that more of the trace has arrived."""
    return len(found["spans"]), len(found["logs"])


def _origin(found: Mapping[str, Any]) -> float:
    return float(min([each["start"] for each in found["spans"]] or [each["time"] for each in found["logs"]]))


def _root(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    known = {each["span_id"] for each in found["spans"]}
    roots = [each for each in found["spans"] if each["parent_span_id"] not in known]
    return min(roots, key=lambda each: each["start"], default=None)


def _name(found: Mapping[str, Any]) -> str:
    root = _root(found)
    return root["name"] or "unnamed" if root else "Trace without spans"


def _attribute(found: Mapping[str, Any], key: str) -> str | None:
    records = [*found["spans"], *found["logs"]]
    return next((text.plain(each["attributes"][key]) for each in records if key in each["attributes"]), None)


def _above(found: Mapping[str, Any]) -> parts.Node:
    model = _attribute(found, semconv.MODEL_NAME)
    return html.Span(["trace of ", parts.link(model, "models", model)]) if model else "trace"


def _state(found: Mapping[str, Any]) -> parts.Node:
    failed = any(each["status"] == "error" for each in found["spans"])
    return traces.state(
        "error" if failed else "ok", _attribute(found, semconv.ERROR_TYPE) if failed else None
    )


def _facts(found: Mapping[str, Any], origin: float) -> parts.Node:
    end = max([each["start"] + each["duration_ms"] / 1000 for each in found["spans"]] or [origin])
    entries = {
        "started": text.clock(origin),
        "duration": text.milliseconds(1000 * (end - origin)),
        "trace id": found["trace_id"],
        "prediction id": _attribute(found, semconv.PREDICTION_ID),
        "version": _attribute(found, semconv.MODEL_VERSION),
    }
    pairs = [html.Div([html.Dt(key), html.Dd(value)]) for key, value in entries.items() if value]
    return html.Dl(pairs, className="facts")


def _spans(found: Mapping[str, Any], chosen: str | None) -> parts.Node:
    count = len(found["spans"])
    if not count:
        return parts.card("Spans", html.P("Only log records of this trace are stored.", className="muted"))
    return parts.card(f"Spans ({count:,})", waterfall(found["spans"], chosen=chosen))


def _logs(logs: Sequence[Mapping[str, Any]], origin: float) -> parts.Node:
    if not logs:
        return parts.card("Logs", html.P("No log record has this trace id.", className="muted"))
    return parts.card(
        f"Logs ({len(logs):,})", html.Div([_log(each, origin) for each in logs], className="logs")
    )


def _log(log: Mapping[str, Any], origin: float) -> parts.Node:
    offset = f"+{text.milliseconds(max(0.0, 1000 * (log['time'] - origin)))}"
    event = html.Strong(text.plain(log["event"])) if log["event"] else None
    raised = parts.exception(log["attributes"])
    body = text.plain(log["body"]) if log["body"] and not raised else None
    line = html.Div(
        [parts.muted(offset), _severity(log), event, html.Span(body, className="body")], className="line"
    )
    return html.Article([line, *raised, parts.fold("Attributes", parts.without_exception(log["attributes"]))])


def _severity(log: Mapping[str, Any]) -> parts.Node:
    number = log["severity_number"] or 0
    tone: parts.Tone = "alarm" if number >= _ERROR else "warn" if number >= _WARN else "quiet"
    return parts.badge(log["severity"] or "log", tone)
