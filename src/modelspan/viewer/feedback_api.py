"""POST /api/feedback: outcomes from where no Python runs; GET: what became of predictions and outcomes."""

from __future__ import annotations

import json
import time
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, request

from modelspan import semconv
from modelspan.sinks.feedback_events import events
from modelspan.store.database import UnavailableError
from modelspan.store.keys import hashed
from modelspan.store.rows import REJECTED, Outcome, Receipt
from modelspan.store.truth import RefusedError, read_outcome
from modelspan.viewer import bodies
from modelspan.viewer.api import answer
from modelspan.viewer.otlp import decode_logs
from modelspan.viewer.storage import Backlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from modelspan.delivery.logs import LogEvent
    from modelspan.store.outcomes import OutcomeStore
    from modelspan.viewer.storage import Writer

MAX_ROWS: Final = 10_000
_FIELDS: Final = frozenset(("prediction_id", "outcome", "row", "key", "at", "weight", "model"))
_SHOW_SECONDS: Final = 8.0


class BadRequestError(ValueError):
    """The request as a whole cannot be read; the message says why."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


def build_feedback(store: Callable[[], OutcomeStore], writer: Writer) -> Blueprint:
    """The blueprint; `store` opens the store at the first use."""
    api = Blueprint("modelspan_feedback", __name__)
    take = lambda: _take(store(), writer)  # noqa: E731 - a view
    api.add_url_rule("/api/feedback", "tell", take, methods=["POST"])
    api.add_url_rule("/api/feedback", "states", lambda: answer(states(store())))
    api.register_error_handler(
        BadRequestError, lambda error: answer({"error": str(error)}, getattr(error, "status", 400))
    )
    api.register_error_handler(UnavailableError, lambda error: _unavailable(str(error)))
    return api


def states(store: OutcomeStore) -> dict[str, Any]:
    """How many predictions and outcomes are in which state, in all and by model."""
    models: dict[tuple[str, str, str], dict[str, int]] = {}
    totals: dict[str, int] = {}
    for facts, name, count in store.states():
        totals[name] = totals.get(name, 0) + count
        if facts is not None:
            of_model = models.setdefault((facts.name, facts.version, facts.variant), {})
            of_model[name] = of_model.get(name, 0) + count
    named = [
        {"model": model, "version": version, "variant": variant, "states": counts}
        for (model, version, variant), counts in sorted(models.items())
    ]
    return {"states": totals, "models": named}


def _take(store: OutcomeStore, writer: Writer) -> Response:
    """Commit what the body tells; 200 means committed."""
    rows, many = _rows()
    read = [_read(store, row) for row in rows]
    told = [each for each in read if isinstance(each, Outcome)]
    refused: dict[str, int] = {}
    for each in read:
        if isinstance(each, RefusedError):
            refused[each.reason] = refused.get(each.reason, 0) + 1
    receipts = store.commit([], told, time.time_ns(), refused)
    answers = iter(receipts)
    results = [_result(next(answers) if isinstance(each, Outcome) else each) for each in read]
    _show(writer, told, receipts)
    if many:
        return answer({"results": results})
    return answer(results[0], 422 if results[0].get("error") else 200)


def _rows() -> tuple[list[Mapping[str, Any]], bool]:
    if request.mimetype != bodies.JSON:
        raise BadRequestError(415, "send application/json")
    if (request.content_length or 0) > bodies.MAX_BODY:
        raise BadRequestError(413, f"the body has more than {bodies.MAX_BODY} bytes; send fewer outcomes")
    try:
        found = json.loads(request.get_data(cache=False))
    except ValueError as error:
        raise BadRequestError(400, f"the body is no JSON: {error}") from None
    rows = found if isinstance(found, list) else [found]
    if len(rows) > MAX_ROWS:
        raise BadRequestError(413, f"{len(rows)} outcomes are more than {MAX_ROWS}; send them in parts")
    for row in rows:
        if not isinstance(row, dict):
            raise BadRequestError(400, "an outcome is an object such as {'prediction_id': …, 'outcome': …}")
        if unknown := sorted(set(row) - _FIELDS):
            raise BadRequestError(400, f"{unknown[0][:60]!r} is unknown; use {', '.join(sorted(_FIELDS))}")
    return rows, isinstance(found, list)


def _read(store: OutcomeStore, row: Mapping[str, Any]) -> Outcome | RefusedError:
    try:
        told = read_outcome(row.get("prediction_id"), row.get("outcome"), **_rest(row))
    except RefusedError as refused:
        return refused
    return told._replace(key=hashed(told.key, store.secret())) if told.key else told


def _rest(row: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in row.items() if name not in ("prediction_id", "outcome")}
    return {**rest, "model": str(rest.get("model") or "")}


def _result(receipt: Receipt | RefusedError) -> dict[str, str]:
    if isinstance(receipt, RefusedError):
        return {"state": REJECTED, "reason": receipt.reason, "error": str(receipt)}
    found = {"state": receipt.state, "reason": receipt.reason}
    if receipt.state == REJECTED and receipt.reason != "duplicate":
        found["error"] = f"the outcome does not fit its prediction: {receipt.reason.replace('_', ' ')}"
    return found


def _show(writer: Writer, told: Sequence[Outcome], receipts: Sequence[Receipt]) -> None:
    """The outcomes as events of their traces, so that the page shows them; the store has them in any case."""
    pairs = zip(told, receipts, strict=True)
    records = [_record(event) for outcome, receipt in pairs for event in events(outcome, receipt, {})]
    if not records:
        return
    scope = {"scope": {"name": semconv.SCOPE}, "logRecords": records}
    body = json.dumps({"resourceLogs": [{"resource": {}, "scopeLogs": [scope]}]}).encode()
    try:
        writer.submit(decode_logs(bodies.parse("logs", bodies.JSON, body))).result(_SHOW_SECONDS)
    except (Backlog, FutureTimeout):  # the page is behind; what was told is committed
        return


def _record(event: LogEvent) -> dict[str, Any]:
    """As OTLP/JSON has it."""
    return {
        "timeUnixNano": str(event.time_ns),
        "eventName": event.event,
        "severityNumber": event.severity,
        "body": {"stringValue": event.body},
        "traceId": f"{event.trace_id:032x}",
        "spanId": f"{event.span_id:016x}",
        "attributes": [{"key": name, "value": _value(each)} for name, each in event.attributes.items()],
    }


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


def _unavailable(said: str) -> Response:
    refused = answer({"error": f"the outcomes are not stored: {said}; try again in a second"}, 503)
    refused.headers["Retry-After"] = "1"
    return refused
