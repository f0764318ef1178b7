"""What encoding costs: a span, and a log record with 30 features; columns against the SDK's encoder.

    python benchmarks/encode.py

CPU time of the thread for each record, the least of 15 rounds, in one process. Both take turns of ten batches
one after the other, as a busy worker has them, and of one batch, which finds the caches full of the other's.
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

N, ROUNDS = 512, 15
AROUND = records.envelope({"service.name": "bench"}, "bench")
ATTRIBUTES = {f"a{i}": i for i in range(10)}
FEATURES = [f"ml.feature.value.f{i}" for i in range(30)]


def sdk_spans():
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("bench")
    made = [tracer.start_span("predict credit-risk", attributes=ATTRIBUTES) for _ in range(N)]
    for span in made:
        span.end()
    return made


def sdk_logs():
    kept = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    for _ in range(N):
        provider.get_logger("bench").emit(
            timestamp=1, body="x: 0.25", attributes=dict.fromkeys(FEATURES, 0.25), event_name="e"
        )
    return kept.get_finished_logs()


def columns():
    rng = np.random.default_rng(7)
    trace, span = rng.integers(0, 255, (N, 16), np.uint8), rng.integers(0, 255, (N, 8), np.uint8)
    times = np.full(N, time.time_ns())
    ours = spans.SpanColumns(
        name="predict credit-risk", attributes=ATTRIBUTES, trace_ids=trace, span_ids=span,
        started_ns=times, ended_ns=times,
    )  # fmt: skip
    values = rng.normal(size=(N, 30))
    logged = logs.LogColumns(
        event="e", severity=9, severity_text="INFO", body=[b"x: ", layout.fractions(np.full(N, 0.25))],
        attributes={}, numbers=[(name, values[:, i]) for i, name in enumerate(FEATURES)],
        trace_ids=trace, span_ids=span, time_ns=times, observed_ns=1, sampled=np.ones(N, bool),
    )  # fmt: skip
    return ours, logged


def cost(function, times):
    began = time.thread_time_ns()
    for _ in range(times):
        function()
    return (time.thread_time_ns() - began) / N / 1000 / times


def main():
    (ours, logged), made, emitted = columns(), sdk_spans(), sdk_logs()
    cases = {
        "span": (
            lambda: records.request([spans.encode(AROUND, ours)]),
            lambda: encode_spans(made).SerializeToString(),
        ),
        "log, 30 features": (
            lambda: records.request(logs.encode(AROUND, logged)),
            lambda: encode_logs(emitted).SerializeToString(),
        ),
    }
    read = ExportLogsServiceRequest.FromString(cases["log, 30 features"][0]())
    assert len(read.resource_logs[0].scope_logs[0].log_records) == N
    for name, (columnar, sdk) in cases.items():
        for times, how in (
            (10, "batch after batch"),
            (1, "in turn, caches cold"),
        ):
            pairs = [(cost(columnar, times), cost(sdk, times)) for _ in range(ROUNDS)]
            least, theirs = (min(values) for values in zip(*pairs, strict=True))
            print(f"{name}, {how}: {least:.2f} µs, the SDK {theirs:.1f} µs: {theirs / least:.0f}×")


if __name__ == "__main__":
    main()
