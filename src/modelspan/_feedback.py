"""The truth about an earlier prediction: kept in the store when there is one, and sent as an event."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from opentelemetry import trace

from modelspan import _setup, semconv
from modelspan.errors import ConfigError
from modelspan.pipeline.text import clean_text
from modelspan.sinks.feedback_events import event
from modelspan.store.rows import QUEUED, REJECTED, UNACKNOWLEDGED, Receipt
from modelspan.store.truth import RefusedError, read_outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan._runtime import Runtime
    from modelspan.store.rows import Outcome

WAIT_SECONDS = 10.0
_COST = 512
_NOTHING = Receipt(state=UNACKNOWLEDGED)
_SENT = Receipt(state=QUEUED)


@overload
def feedback(
    prediction_id: str = "",
    outcome: Any = None,
    *,
    row: int = 0,
    key: Any = None,
    at: Any = None,
    weight: float = 1.0,
    wait: bool | float = False,
    model: str = "",
    version: str = "",
) -> Receipt: ...


@overload
def feedback(
    prediction_id: Sequence[Mapping[str, Any]],
    *,
    wait: bool | float = False,
    model: str = "",
    version: str = "",
) -> list[Receipt]: ...


def feedback(
    prediction_id: str | Sequence[Mapping[str, Any]] = "",
    outcome: Any = None,
    *,
    row: int = 0,
    key: Any = None,
    at: Any = None,
    weight: float = 1.0,
    wait: bool | float = False,
    model: str = "",
    version: str = "",
) -> Receipt | list[Receipt]:
    """Tell the outcome of an earlier prediction, minutes or months later, from any process.

    With a store (`data`, `MODELSPAN_DATA`) it is kept and joined with its prediction; docs/feedback.md says
    which states an outcome can have. The event `ml.prediction.feedback` goes out under the trace id of the
    prediction, with a store once it has joined; a current span gets a link to it.

    Args:
        prediction_id: What `current_prediction().id` gave; or a list of mappings, one for each outcome, with
            these arguments as keys: of those none raises.
        outcome: The truth: a class (text, whole number, boolean) or a value (float, finite).
        row: Position of the row in its batch, from 0.
        key: In place of `prediction_id`: what `monitor(key=…)` found for the prediction.
        at: When the outcome became known: a datetime (UTC unless it says otherwise), ISO 8601 or Unix
            seconds. Of two outcomes the later one counts. Default: now.
        weight: Weight of the row in performance figures, above 0.
        wait: Return when the outcome is committed, after 10 s or so many seconds at most.
        model: Name of the model; with `key`, predictions of other models don't join.
        version: Version of the model, for backends that filter by it.

    Returns:
        A receipt: its `state` is queued, or, after waiting, what the outcome became. `committed` is True only
        if it survives this process.

    Raises:
        ValueError: If an argument of a single outcome has no meaning; it is counted as rejected.
        ConfigError: If `wait` or `key` is used without a store.
    """
    rows = not isinstance(prediction_id, str) and isinstance(prediction_id, Iterable)
    runtime = _setup.current or _setup.start()
    store = runtime.recorder if runtime is not None else None
    if runtime is not None and store is None and (wait or key is not None):
        raise ConfigError("feedback(wait=, key=) needs a store; set data= or MODELSPAN_DATA to a folder")
    names = _names(model, version)
    if rows:
        return _batch(runtime, prediction_id, names, wait)  # type: ignore[arg-type] # checked above
    try:
        told = read_outcome(prediction_id, outcome, row=row, key=key, at=at, weight=weight, model=model)
    except RefusedError as refused:
        if store is not None:
            store.refuse(refused.reason)
        raise
    return _tell(runtime, told, names, wait)


def _names(model: str, version: str) -> dict[str, str]:
    pairs = ((semconv.MODEL_NAME, model), (semconv.MODEL_VERSION, version))
    return {name: clean_text(value, 200) for name, value in pairs if value}


def _tell(runtime: Runtime | None, told: Outcome, names: dict[str, str], wait: bool | float) -> Receipt:
    if runtime is None:
        return _NOTHING
    _link(told)
    if runtime.recorder is None:
        runtime.queue.put(partial(runtime.emit_log, event(told, told.pid, told.row, names)), _COST, "logs")
        return _SENT
    return _ask(runtime, [told], names, wait)[0] if wait else runtime.recorder.tell(told, names)


def _batch(
    runtime: Runtime | None, rows: Iterable[Mapping[str, Any]], names: dict[str, str], wait: bool | float
) -> list[Receipt]:
    receipts: list[Receipt] = []
    good: list[Outcome] = []
    for each in rows:
        told = _read(runtime, each, names.get(semconv.MODEL_NAME, ""))
        receipts.append(told if isinstance(told, Receipt) else _NOTHING)
        if not isinstance(told, Receipt):
            good.append(told)
    answers = iter(_tell_all(runtime, good, names, wait))
    return [receipt if receipt is not _NOTHING else next(answers) for receipt in receipts]


def _read(runtime: Runtime | None, row: Mapping[str, Any], model: str) -> Outcome | Receipt:
    known = {name: row[name] for name in ("row", "key", "at", "weight") if name in row}
    try:
        return read_outcome(row.get("prediction_id", ""), row.get("outcome"), model=model, **known)
    except RefusedError as refused:
        if runtime is not None and runtime.recorder is not None:
            runtime.recorder.refuse(refused.reason)
        return Receipt(state=REJECTED, reason=refused.reason)


def _tell_all(
    runtime: Runtime | None, told: list[Outcome], names: dict[str, str], wait: bool | float
) -> list[Receipt]:
    if not wait or runtime is None:
        return [_tell(runtime, each, names, wait=False) for each in told]
    for each in told:
        _link(each)
    return _ask(runtime, told, names, wait)


def _ask(runtime: Runtime, told: list[Outcome], names: dict[str, str], wait: bool | float) -> list[Receipt]:
    """Commit, after the predictions that this process made before."""
    assert runtime.recorder is not None
    deadline = time.monotonic() + (WAIT_SECONDS if wait is True else wait)
    runtime.settle(deadline)
    return runtime.recorder.ask(told, max(0.0, deadline - time.monotonic()), names)


def _link(told: Outcome) -> None:
    """A link to the prediction's span from the span that is current here, if the prediction is known here."""
    span = trace.get_current_span()
    if told.pid and span.is_recording():
        trace_id, span_id = int.from_bytes(told.pid[:16], "big"), int.from_bytes(told.pid[16:], "big")
        context = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(1))
        span.add_link(context, {semconv.PREDICTION_ID: f"{trace_id:032x}-{span_id:016x}"})
