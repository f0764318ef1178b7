"""What encoding costs: a span, and a log record with 30 features; columns against the SDK's encoder.

    python benchmarks/encode.py

CPU time of the thread for each record, the least of 15 rounds, in one process. Our batch is of 2,048 calls,
about what waits after a second at 2,000 calls/s, or of 512; the SDK's are of 512, its default. Both take
turns of ten batches, as a busy worker has them, and of one, which finds the caches full of the other's.
"""

from __future__ import annotations

import time

import numpy as np
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from modelspan.delivery.otlp import layout, logs, records, spans

SDK_BATCH, ROUNDS = 512, 15
AROUND = records.envelope({"service.name": "bench"}, "bench")
ATTRIBUTES = {f"a{i}": i for i in range(10)}
FEATURES = [f"ml.feature.value.f{i}" for i in range(30)]


def sdk_spans():
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("bench")
    made = [tracer.start_span("predict credit-risk", attributes=ATTRIBUTES) for _ in range(SDK_BATCH)]
    for span in made:
        span.end()
    return made


def sdk_logs():
    kept = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    for _ in range(SDK_BATCH):
        provider.get_logger("bench").emit(
            timestamp=1, body="x: 0.25", attributes=dict.fromkeys(FEATURES, 0.25), event_name="e"
        )
    return kept.get_finished_logs()


def columns(count):
    rng = np.random.default_rng(7)
    trace, span = rng.integers(0, 255, (count, 16), np.uint8), rng.integers(0, 255, (count, 8), np.uint8)
    times = np.full(count, time.time_ns())
    ours = spans.SpanColumns(
        name="predict credit-risk", attributes=ATTRIBUTES, trace_ids=trace, span_ids=span,
        started_ns=times, ended_ns=times,
    )  # fmt: skip
    values = rng.normal(size=(count, 30))
    logged = logs.LogColumns(
        event="e", severity=9, severity_text="INFO", body=[b"x: ", layout.fractions(np.full(count, 0.25))],
        attributes={}, numbers=[(name, values[:, i]) for i, name in enumerate(FEATURES)],
        trace_ids=trace, span_ids=span, time_ns=times, observed_ns=1, sampled=np.ones(count, bool),
    )  # fmt: skip
    return ours, logged


def cost(function, count, times):
    began = time.thread_time_ns()
    for _ in range(times):
        function()
    return (time.thread_time_ns() - began) / count / 1000 / times


def show(name, count, columnar, sdk):
    for times, how in ((10, "batch after batch"), (1, "in turn, caches cold")):
        pairs = [(cost(columnar, count, times), cost(sdk, SDK_BATCH, times)) for _ in range(ROUNDS)]
        least, theirs = (min(values) for values in zip(*pairs, strict=True))
        ratio = f"{least:.2f} µs, the SDK {theirs:.1f} µs: {theirs / least:.0f}×"
        print(f"{name}, {count:,} a batch, {how}: {ratio}")


def main():
    made, emitted = sdk_spans(), sdk_logs()
    for count in (2048, 512):
        ours, logged = columns(count)

        def log_request(logged=logged):
            return records.request(logs.encode(AROUND, logged))

        def span_request(ours=ours):
            return records.request(spans.encode(AROUND, ours))

        read = ExportLogsServiceRequest.FromString(b"".join(log_request()))
        assert sum(len(each.scope_logs[0].log_records) for each in read.resource_logs) == count
        show("span", count, span_request, lambda: encode_spans(made).SerializeToString())
        show("log, 30 features", count, log_request, lambda: encode_logs(emitted).SerializeToString())


if __name__ == "__main__":
    main()
