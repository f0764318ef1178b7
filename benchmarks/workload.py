"""What the benchmarks have in common: the model, the plain SDK doing the same by hand, a discarding endpoint.

python benchmarks/workload.py sink        # an endpoint that accepts everything; prints its address
python benchmarks/workload.py run CASE …  # one case in this process; used by benchmarks/delivery.py
"""

from __future__ import annotations

import gc
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

FEATURES = 20
KEPT = 1_000_000
"""Latencies that are kept, so that the memory of a long run is the service's."""
ACCEPTED = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-type: application/x-protobuf\r\n\r\n"


def sink(delay=0.0):
    """Accept every request on a free port; runs until killed."""
    server = socket.create_server(("127.0.0.1", 0), backlog=50)
    print(f"http://127.0.0.1:{server.getsockname()[1]}", flush=True)

    def serve(connection):
        buffer = memoryview(bytearray(1 << 20))  # used again: fresh memory would cost more than all else
        while True:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (count := connection.recv_into(buffer)):
                    return
                head += buffer[:count]
            head, _, rest = head.partition(b"\r\n\r\n")
            left = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]) - len(rest)
            while left > 0:
                left -= connection.recv_into(buffer, min(left, len(buffer)))
            time.sleep(delay)
            connection.sendall(ACCEPTED)

    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


def start_sink(delay=0.0):
    """The endpoint in a process of its own: the process and its address."""
    process = subprocess.Popen(
        [sys.executable, __file__, "sink", str(delay)], stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip()


def predict(features):
    return 0.25


def busy_predict(features):
    """About 40 µs of work, as of a small model."""
    total = 0
    for i in range(700):
        total += i
    return 0.25


def providers(url):
    """What an application sets up: providers of spans, logs and metrics that send in batches."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    spans, logs = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{url}/v1/logs")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{url}/v1/metrics"))
    return spans, logs, MeterProvider([reader], shutdown_on_exit=False)


def by_hand(function, url):
    """What a user would write: span with 10 attributes, histogram, 2 counters, log record with features."""
    from opentelemetry._logs import SeverityNumber

    spans, logs, metering = providers(url)
    meter, tracer, logger = (
        metering.get_meter("bench"),
        spans.get_tracer("bench"),
        logs.get_logger("bench"),
    )
    duration = meter.create_histogram("duration", "s")
    calls, rows = meter.create_counter("calls"), meter.create_counter("rows")
    attributes = {"ml.model.name": "credit-risk", "ml.model.version": "1", "ml.operation.name": "predict"}
    span_attributes = {**attributes, **{f"a{i}": i for i in range(7)}}

    def call(features):
        started = time.perf_counter()
        with tracer.start_as_current_span("predict credit-risk", attributes=span_attributes):
            answer = function(features)
            duration.record(time.perf_counter() - started, attributes)
            calls.add(1, attributes)
            rows.add(1, attributes)
            values = features if isinstance(features, dict) else dict(enumerate(features.ravel().tolist()))
            logger.emit(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.INFO,
                event_name="ml.prediction",
                body={"features": {f"{k}": v for k, v in values.items()}, "prediction": answer},
                attributes=attributes,
            )
        return answer

    def flush():
        for provider in (spans, logs, metering):
            provider.force_flush()

    return call, flush


def ours(function, url):
    import modelspan

    modelspan.configure(endpoint=url)
    names = [f"f{i}" for i in range(FEATURES)]
    monitored = modelspan.monitor(
        model="credit-risk", version="1", task="binary", features=names, log_features=names
    )(function)
    return monitored, lambda: modelspan.flush(30)


def counts():
    """What became of everything: the ledger of modelspan in this process."""
    from modelspan import _setup

    ledger = _setup.current.ledger
    dropped = {f"{signal} {reason}": n for (signal, reason), n in ledger.dropped.items()}
    return {"emitted": dict(ledger.emitted), "delivered": dict(ledger.delivered), "dropped": dropped}


def megabytes():
    """Resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def paced(call, rate, seconds, group):
    """Call at `rate` a second, in groups: how many calls, the latencies of the last in µs, and seconds."""
    rows = np.random.default_rng(7).normal(size=(64, 1, FEATURES))
    gap, total = group / rate, int(rate * seconds)
    latencies = np.zeros(min(total, KEPT))
    due = began = time.perf_counter()
    for start in range(0, total, group):
        while (now := time.perf_counter()) < due:
            time.sleep(max(0.0, due - now - 0.00005))
        for i in range(start, min(total, start + group)):
            at = time.perf_counter()
            call(rows[i & 63])
            latencies[i % KEPT] = time.perf_counter() - at
        due += gap
    return total, latencies * 1e6, time.perf_counter() - began


def run(case, url, rate, seconds, *, group, model):
    """One case in this process; a line of JSON with what it cost."""
    function = {"idle": predict, "busy": busy_predict}[model]
    call, flush = (
        {"modelspan": ours, "SDK": by_hand}[case](function, url)
        if case != "bare"
        else (function, lambda: None)
    )
    paced(call, rate, min(1.0, seconds), group)  # imports, connections, caches
    flush()
    gc.collect()  # what the start left behind is not what a call costs
    before, cpu = megabytes(), time.process_time()
    calls, latencies, wall = paced(call, rate, seconds, group)
    flush()
    cpu = time.process_time() - cpu
    percentiles = dict(
        zip(("p50", "p99", "p99.9", "max"), np.percentile(latencies, (50, 99, 99.9, 100)), strict=True)
    )
    print(
        json.dumps({
            "calls": calls, "cpu_us": cpu / calls * 1e6, "cores": cpu / wall,
            "rate": calls / wall, "mb": megabytes() - before, **percentiles,
            **(counts() if case == "modelspan" else {}),
        }),
        flush=True,
    )  # fmt: skip
    os._exit(0)  # the SDK's own exit is not measured here


if __name__ == "__main__":
    if sys.argv[1] == "sink":
        sink(float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
    case, url, rate, seconds, group, model = sys.argv[2:]
    run(case, url, float(rate), float(seconds), group=int(group), model=model)
