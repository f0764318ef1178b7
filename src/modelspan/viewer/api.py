"""The JSON endpoints: a thin layer over `queries.Queries`."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelspan.viewer.queries import Queries

_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no", "")


class ParameterError(ValueError):
    """A parameter of the address is wrong; the message says which, and what it may be."""


def answer(payload: dict[str, Any], status: int = 200) -> Response:
    """The payload as JSON; NaN in it is a defect of ours and raises."""
    return Response(json.dumps(payload, allow_nan=False), status, mimetype="application/json")


def build_api(queries: Queries, health: Callable[[], Response]) -> Blueprint:
    """The blueprint with every endpoint of DESIGN.md."""
    api = Blueprint("modelspan_api", __name__)
    routes: dict[str, Callable[[], dict[str, Any]]] = {
        "models": queries.models,
        "traces": lambda: queries.traces(_text("model"), _whole("limit", 50), _flag("errors")),
        "logs": lambda: queries.logs(_text("trace_id"), _text("model"), _text("event"), _whole("limit", 100)),
        "metrics": lambda: queries.metrics(
            _text("name"), _text("model"), _seconds("since"), _whole("limit", 500)
        ),
        "drift": lambda: queries.drift(_text("model"), _text("version")),
        "alerts": lambda: queries.alerts(_text("model")),
        "performance": lambda: queries.performance(_text("model"), _whole("windows", 24), _text("version")),
        "variants": lambda: queries.variants(_text("model")),
        "traffic": lambda: queries.traffic(
            _text("model"), _whole("seconds", 3600, 31_536_000), _whole("buckets", 60)
        ),
    }
    for name, route in routes.items():
        api.add_url_rule(f"/api/{name}", name, _view(route))
    api.add_url_rule("/api/traces/<trace_id>", "trace", lambda trace_id: _trace(queries, trace_id))
    api.add_url_rule("/healthz", "health", health)
    api.register_error_handler(ParameterError, lambda error: answer({"error": str(error)}, 400))
    return api


def _view(route: Callable[[], dict[str, Any]]) -> Callable[[], Response]:
    return lambda: answer(route())


def _trace(queries: Queries, trace_id: str) -> Response:
    found = queries.trace(trace_id.lower())
    return answer(found) if found else answer({"error": f"trace_id={trace_id[:64]} is not stored here"}, 404)


def _text(name: str) -> str | None:
    return request.args.get(name) or None


def _whole(name: str, default: int, most: int = 1000) -> int:
    given = request.args.get(name, "")
    if not given:
        return default
    if given.isascii() and given.isdigit() and len(given) <= len(str(most)) and 1 <= int(given) <= most:
        return int(given)
    raise ParameterError(f"{name}={given[:80]} is not a whole number from 1 to {most}")


def _seconds(name: str) -> float | None:
    given = request.args.get(name, "")
    if not given:
        return None
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and 0 <= value <= time.time() * 2:
        return value
    raise ParameterError(f"{name}={given[:80]} is not a time in Unix seconds")


def _flag(name: str) -> bool:
    given = request.args.get(name, "").lower()
    if given in _TRUE or given in _FALSE:
        return given in _TRUE
    raise ParameterError(f"{name}={given[:80]} is not 0, 1, true or false")
