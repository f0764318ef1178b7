"""Log records through the OpenTelemetry SDK; the only module that touches its unstable logs API."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from modelspan import semconv
from modelspan._version import __version__
from modelspan.delivery.otlp.logs import OneLog, encode_one
from modelspan.delivery.otlp.records import single

if TYPE_CHECKING:
    from modelspan.delivery.otlp.records import Envelope, Records
    from modelspan.delivery.outbox import Box

TRACE, DEBUG, INFO, WARN, ERROR, FATAL = 1, 5, 9, 13, 17, 21
_TEXT = {TRACE: "TRACE", DEBUG: "DEBUG", INFO: "INFO", WARN: "WARN", ERROR: "ERROR", FATAL: "FATAL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One log record on its way out, in plain values."""

    event: str
    body: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    severity: int = INFO
    time_ns: int = 0
    """Unix time in nanoseconds; 0: now."""
    trace_id: int = 0
    span_id: int = 0
    sampled: bool = True
    scope: str = semconv.SCOPE


Emit = Callable[[LogEvent], None]


class OutboxLogProcessor(LogRecordProcessor):
    """Hands log records, the user's OpenTelemetry ones too, to the outbox."""

    def __init__(self, outbox: Box) -> None:
        self.outbox = outbox

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue a record as exporters take it."""
        record = ReadableLogRecord(
            log_record.log_record,
            log_record.resource or Resource({}),
            log_record.instrumentation_scope,
            log_record.limits,
        )
        self.outbox.add(record)

    def shutdown(self) -> None:
        """Nothing: the outbox is closed by its owner, once, within the deadline of the exit."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self.outbox.flush(time.monotonic() + timeout_millis / 1000)


def application_provider() -> LoggerProvider | None:
    """The LoggerProvider that the application has set, if it is the SDK's."""
    provider = _logs.get_logger_provider()
    return provider if isinstance(provider, LoggerProvider) else None


def is_unset() -> bool:
    """Whether no LoggerProvider has been set."""
    return type(_logs.get_logger_provider()).__name__ == "ProxyLoggerProvider"


def register(provider: LoggerProvider) -> None:
    """Make `provider` the application's."""
    _logs.set_logger_provider(provider)


class OwnLoggerProvider(LoggerProvider):
    """A provider of ours; it leaves the exit to us, and knows whether processors besides ours listen."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource=resource, shutdown_on_exit=False)
        self.processors = 0

    def add_log_record_processor(self, log_record_processor: LogRecordProcessor) -> None:
        """Let one more processor see log records."""
        self.processors += 1
        super().add_log_record_processor(log_record_processor)


def attach(provider: LoggerProvider, outbox: Box) -> OutboxLogProcessor:
    """Let `provider` export through `outbox`."""
    processor = OutboxLogProcessor(outbox)
    provider.add_log_record_processor(processor)
    return processor


def emitter(provider: LoggerProvider) -> Emit:
    """A function that emits `LogEvent`s through `provider`."""

    def emit(event: LogEvent) -> None:
        version = __version__ if event.scope == semconv.SCOPE else None
        logger = provider.get_logger(event.scope, version)
        logger.emit(
            timestamp=event.time_ns or time.time_ns(),
            context=_context(event),
            severity_number=SeverityNumber(event.severity),
            severity_text=_TEXT.get(event.severity),
            body=event.body,
            attributes=event.attributes,
            event_name=event.event or None,
        )

    return emit


def native_emitter(add: Callable[[Records], None], around: Callable[[str, str], Envelope]) -> Emit:
    """A function that encodes `LogEvent`s and hands them to `add`, past the SDK."""

    def emit(event: LogEvent) -> None:
        now = time.time_ns()
        encoded = encode_one(
            OneLog(
                event=event.event,
                body=event.body,
                attributes=event.attributes,
                severity=event.severity,
                severity_text=_TEXT.get(event.severity, ""),
                time_ns=event.time_ns or now,
                observed_ns=now,
                trace_id=event.trace_id,
                span_id=event.span_id,
                sampled=event.sampled,
            )
        )
        version = __version__ if event.scope == semconv.SCOPE else ""
        add(single(around(event.scope, version), encoded))

    return emit


def _context(event: LogEvent) -> Context:
    if not event.trace_id:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if event.sampled else TraceFlags.DEFAULT)
    span = SpanContext(event.trace_id, event.span_id, is_remote=False, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(span), Context())


def severity_of(level: int) -> int:
    """OpenTelemetry severity of a level of the standard `logging`."""
    steps = ((logging.CRITICAL, FATAL), (logging.ERROR, ERROR), (logging.WARNING, WARN), (logging.INFO, INFO))
    return next((severity for floor, severity in steps if level >= floor), DEBUG)


def sdk_encoder() -> Callable[[Any], Any]:
    """The SDK's encoder of log records; not imported with modelspan: `loading` does it."""
    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs  # noqa: PLC0415 - see above

    return encode_logs
