"""About how long records of the SDK are on the wire, against the official encoders."""

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from modelspan.delivery.sizes import wire_bytes

VALUES = ["x" * 10_000, "ü" * 10_000, "\U0001f9ea" * 10_000, list("abc" * 1000), [1.5] * 1000, b"z" * 10_000]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{value[0]!r} of {type(value).__name__}")
def test_the_estimate_is_no_less_than_the_length_on_the_wire(value):
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("app")
    span = tracer.start_span("name", attributes={"a": value, "b": True})
    span.add_event("event", {"c": value})
    span.end()
    kept = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    provider.get_logger("app").emit(
        LogRecord(body={"text": value}, attributes={"a": value}, event_name="event")
    )
    (log,) = kept.get_finished_logs()
    for record, encoded in ((span, encode_spans([span])), (log, encode_logs([log]))):
        assert encoded.ByteSize() <= wire_bytes(record) <= 5 * encoded.ByteSize()
