"""Send a span and a log record as a service does, by our own sender, and show what became of them."""

from __future__ import annotations

import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from modelspan import semconv
from modelspan.delivery.accounting import Ledger
from modelspan.delivery.endpoint import resolve
from modelspan.delivery.exporters import exporter_kind
from modelspan.delivery.http import Post
from modelspan.delivery.otlp import logs, records, spans
from modelspan.delivery.sender import Sender
from modelspan.doctor.checks import Check
from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.config import Config

NAME: Final = "accounting"
_SECONDS: Final = 2.0
_TEXT: Final = "modelspan doctor"


def check_sender(config: Config, env: Mapping[str, str]) -> Check:
    """One line for both signals: emitted = delivered + dropped, as `modelspan.internal.*` counts."""
    ledger, senders = Ledger(), {}
    for signal in ("spans", "logs"):
        try:
            if exporter_kind(signal, env) == "http/protobuf":
                senders[signal] = Sender(signal, partial(Post, resolve(signal, config, env)), ledger)
        except ConfigError as error:
            return Check(name=NAME, state="failed", found=str(error), todo="correct that variable")
    _send(senders)
    said = [_line(signal, ledger) for signal in senders]
    if not said:
        return Check(name=NAME, state="note", found="spans and logs leave through exporters of the SDK")
    lost = ledger.lost()
    todo = "the lines of delivery above say why" if lost else ""
    return Check(name=NAME, state="failed" if lost else "ok", found="; ".join(said), todo=todo)


def _send(senders: Mapping[str, Sender]) -> None:
    """All at once, so that an endpoint that does not answer is waited for once."""
    around = records.envelope({"service.name": "modelspan-doctor"}, semconv.SCOPE)
    made = {"spans": _span, "logs": _log}
    deadline = time.monotonic() + _SECONDS
    for signal, sender in senders.items():
        sender.add(records.single(around, made[signal]()))
    for sender in senders.values():
        sender.flush(deadline)
    for sender in senders.values():
        sender.close(deadline)


def _line(signal: str, ledger: Ledger) -> str:
    dropped = {reason: count for (kind, reason), count in ledger.dropped.items() if kind == signal}
    lost = f"{sum(dropped.values())} dropped" + (f" ({', '.join(dropped)})" if dropped else "")
    return f"{signal}: {ledger.emitted[signal]} emitted = {ledger.delivered[signal]} delivered + {lost}"


def _span() -> bytes:
    now = time.time_ns()
    return spans.encode_one(
        spans.OneSpan(
            name=_TEXT, trace_id=secrets.randbits(128) or 1, span_id=secrets.randbits(64) or 1,
            started_ns=now, ended_ns=now, attributes={},
        )
    )  # fmt: skip


def _log() -> bytes:
    now = time.time_ns()
    return logs.encode_one(
        logs.OneLog(
            event="",
            body=_TEXT,
            attributes={},
            severity=9,
            severity_text="INFO",
            time_ns=now,
            observed_ns=now,
        )
    )  # fmt: skip
