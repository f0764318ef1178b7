"""Spans and log records that the OpenTelemetry SDK made, by its own encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from modelspan.delivery.otlp.records import Envelope, Records
from modelspan.delivery.otlp.wire import block, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def encoder(signal: str) -> Callable[[Sequence[Any]], Any]:
    """The SDK's encoder of a signal: objects in, a request message out."""
    if signal == "spans":
        return encode_spans
    from modelspan.delivery.logs import sdk_encoder  # noqa: PLC0415 - the home of the unstable logs API

    return sdk_encoder()


def encode(signal: str, items: Sequence[Any]) -> tuple[list[Records], int]:
    """Encoded records, and how many could not be: one bad value must not spoil its neighbours."""
    encode_request = encoder(signal)
    try:
        return list(_records(encode_request(items))), 0
    except Exception:  # any of the values, whatever the SDK's encoder raises for it
        if len(items) == 1:
            return [], 1
    halves = [encode(signal, items[: len(items) // 2]), encode(signal, items[len(items) // 2 :])]
    return [part for parts, _ in halves for part in parts], sum(bad for _, bad in halves)


def _records(message: Any) -> Iterable[Records]:
    """The records of a request message, by scope; the field numbers of all signals are alike."""
    for resource in message.ListFields()[0][1] if message.ListFields() else ():
        fields = {field.number: value for field, value in resource.ListFields()}
        head = block(1, resource.resource.SerializeToString()) + text(3, resource.schema_url)
        for scope in fields[2]:
            inner = {field.number: value for field, value in scope.ListFields()}
            bodies = [block(2, record.SerializeToString()) for record in inner.get(2, ())]
            about = block(1, scope.scope.SerializeToString()) + text(3, scope.schema_url)
            yield Records(Envelope(head, about), b"".join(bodies), _ends(bodies))


def _ends(bodies: Sequence[bytes]) -> list[int]:
    ends, end = [], 0
    for body in bodies:
        end += len(body)
        ends.append(end)
    return ends
