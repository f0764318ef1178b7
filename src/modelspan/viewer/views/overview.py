"""`/`: every model with its traffic, errors, latency, drift, alerts, and accuracy beside its coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from modelspan.viewer.views import frame, parts, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.viewer.views.request import Request

_HEADINGS = (
    "model", "traffic#", "errors#", "p95#", "accuracy#", "last seen#", "open alerts", "drifted features",
)  # fmt: skip
_NAMED = 3


def render(request: Request) -> parts.Node:
    """One row per model and version, or what to do when there is none."""
    if not request.models:
        return parts.no_data()
    rows = [_row(each, request.now) for each in request.models]
    return html.Div(
        [frame.heading("Models"), parts.live("models", parts.table(_HEADINGS, rows, kind="models"))]
    )


def _row(model: Mapping[str, Any], now: float) -> list[parts.Node]:
    name = model["model"]
    return [
        parts.stack(parts.link(name, "models", name), _identity(model)),
        parts.stack(
            text.per_second(model["rate_per_second"]), parts.muted(f"{text.count(model['calls'])} calls")
        ),
        _errors(model),
        parts.stack(
            text.milliseconds(model["p95_ms"]), parts.muted(f"p50 {text.milliseconds(model['p50_ms'])}")
        ),
        _accuracy(model),
        text.ago(model["last_seen"], now),
        _alerts(name, model["open_alerts"]),
        _drifted(name, model["version"], model["drifted"]),
    ]


def _identity(model: Mapping[str, Any]) -> parts.Node:
    words = [f"version {model['version']}" if model["version"] else "no version", *model["variants"]]
    return parts.muted(" · ".join(words))


def _errors(model: Mapping[str, Any]) -> parts.Node:
    if not model["errors"]:
        return parts.stack(text.share(model["error_rate"]), parts.muted("none failed"))
    words = f"{text.count(model['errors'])} failed"
    return parts.stack(
        text.share(model["error_rate"]), parts.link(words, "traces", model=model["model"], errors="1")
    )


def _drifted(model: str, version: str, features: Sequence[str]) -> parts.Node:
    if not features:
        return parts.muted("none")
    shown = [
        parts.link(each, "models", model, "drift", feature=each, version=version)
        for each in features[:_NAMED]
    ]
    more = len(features) - _NAMED
    return html.Div([*shown, parts.muted(f"+{more} more") if more > 0 else None], className="names")


def _alerts(model: str, number: int) -> parts.Node:
    if not number:
        return parts.muted("none")
    return html.Span(parts.link(f"{number} open", "alerts", model=model), className="badge alarm")


def _accuracy(model: Mapping[str, Any]) -> parts.Node:
    """Never without the share of predictions that it rests on."""
    if model["accuracy"] is None:
        return parts.stack(text.ABSENT, parts.muted("no outcomes"))
    coverage = parts.muted(f"coverage {text.share(model['coverage'])}")
    return parts.stack(text.fixed(model["accuracy"]), coverage)
