"""Records of the standard `logging`, sent with the trace id of the prediction in which they were made."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from opentelemetry.trace import get_current_span

from modelspan import redaction
from modelspan.delivery.logs import Emit, LogEvent, severity_of
from modelspan.pipeline.text import clean_text

if TYPE_CHECKING:
    from modelspan.pipeline.queue import Queue

_NOT_OURS = ("modelspan", "opentelemetry", "urllib3")
_COST = 1024


class StandardLogHandler(logging.Handler):
    """A handler of the root logger that only queues; loggers of the delivery itself are left out."""

    def __init__(self, level: str, queue: Queue, emit: Emit) -> None:
        super().__init__(logging.getLevelNamesMapping()[level] if level else logging.NOTSET)
        self._wanted = bool(level)
        self._queue = queue
        self._emit = emit

    def install(self) -> None:
        """Add this handler to the root logger, if a level was set."""
        if self._wanted:
            logging.getLogger().addHandler(self)

    def remove(self) -> None:
        """Take this handler off."""
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one record; the message is made here, while its arguments are what they were."""
        if record.name.partition(".")[0] in _NOT_OURS:
            return
        try:
            span = get_current_span().get_span_context()
            event = LogEvent(
                event="",
                body=clean_text(record.getMessage()),
                severity=severity_of(record.levelno),
                time_ns=int(record.created * 1e9),
                trace_id=span.trace_id,
                span_id=span.span_id,
                sampled=bool(span.trace_flags.sampled),
                scope=record.name,
            )
        except Exception:
            self.handleError(record)
            return
        self._queue.put(
            lambda: self._emit(replace(event, body=redaction.active.text(str(event.body)))), _COST, "logs"
        )
