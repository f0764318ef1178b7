"""The event `ml.prediction.feedback`: an outcome under the trace of its prediction, once it has joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelspan import semconv
from modelspan.delivery.logs import LogEvent
from modelspan.store.rows import JOINED, ORPHAN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from modelspan.delivery.logs import Emit
    from modelspan.store.rows import ModelFacts, Outcome, Receipt


def announcer(emit: Emit) -> Callable[[Outcome, Receipt, Mapping[str, str]], None]:
    """What sends the events of one outcome."""

    def announce(told: Outcome, receipt: Receipt, names: Mapping[str, str]) -> None:
        for event in events(told, receipt, names):
            emit(event)

    return announce


def events(told: Outcome, receipt: Receipt, names: Mapping[str, str]) -> Iterable[LogEvent]:
    """One for each prediction that the outcome is the truth of, named as the store knows its model.

    One whose prediction is not here yet is told with the names that the caller gave. A repetition, an older
    one than is known, and one without meaning are no news.
    """
    if receipt.state == JOINED:
        for target in receipt.targets:
            yield event(told, target.pid, target.row, _names(target.model))
    elif receipt.state == ORPHAN and told.pid:
        yield event(told, told.pid, told.row, names)


def event(told: Outcome, pid: bytes, row: int, names: Mapping[str, str]) -> LogEvent:
    """The event of one prediction; its time is when the outcome became known."""
    trace_id, span_id = int.from_bytes(pid[:16], "big"), int.from_bytes(pid[16:], "big")
    said = told.label if told.label is not None else told.value
    attributes: dict[str, Any] = {
        semconv.PREDICTION_ID: f"{trace_id:032x}-{span_id:016x}",
        semconv.PREDICTION_ROW: row,
        **names,
        semconv.OUTCOME_LABEL if told.label is not None else semconv.OUTCOME_VALUE: said,
    }
    if told.weight != 1.0:
        attributes[semconv.OUTCOME_WEIGHT] = told.weight
    return LogEvent(
        event=semconv.FEEDBACK_EVENT.name, body=f"outcome {said}", attributes=attributes,
        trace_id=trace_id, span_id=span_id, time_ns=told.at_ns,
    )  # fmt: skip


def _names(model: ModelFacts) -> dict[str, str]:
    pairs = (
        (semconv.MODEL_NAME, model.name),
        (semconv.MODEL_VERSION, model.version),
        (semconv.MODEL_VARIANT, model.variant),
    )
    return {name: value for name, value in pairs if value}
