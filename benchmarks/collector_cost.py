"""What a span costs in the Collector: its CPU time and bytes, for sizing.

Spans of modelspan's shape go in requests of 512 through config.core.yaml (redaction, span metrics, for each
of two backends a queue on disk with fsync) to a local receiver. CPU time is of the Collector alone.

    python benchmarks/collector_cost.py
    python benchmarks/collector_cost.py --requests 400
"""

import argparse
import gzip
import os
import secrets
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from modelspan import semconv

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from stack_servers import Collector, OtlpSink, arrivals  # noqa: E402 - found by the path above

SPANS = 512
ATTRIBUTES = {
    semconv.MODEL_NAME: "credit-risk", semconv.MODEL_VERSION: "1.4.2", semconv.OPERATION: "predict_proba",
    semconv.MODEL_FRAMEWORK: "sklearn", semconv.TASK_TYPE: "binary",
}  # fmt: skip


def request():
    """512 spans with ids of their own."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "cost"
    spans = resource.scope_spans.add().spans
    now = time.time_ns()
    for _ in range(SPANS):
        trace, ident = secrets.token_bytes(16), secrets.token_bytes(8)
        span = spans.add(name="predict_proba credit-risk", trace_id=trace, span_id=ident)
        span.start_time_unix_nano, span.end_time_unix_nano = now, now + 5_000_000
        for key, value in ATTRIBUTES.items():
            span.attributes.add(key=key).value.string_value = value
        span.attributes.add(key=semconv.PREDICTION_ID).value.string_value = f"{trace.hex()}-{ident.hex()}"
        span.attributes.add(key=semconv.BATCH_SIZE).value.int_value = 1
    return message.SerializeToString()


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def measure(requests):
    sink = OtlpSink()
    threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    names = ("JAEGER_URL", "PROMETHEUS_URL", "ELASTICSEARCH_URL")
    env = {name: f"{sink.url}/{name}" for name in names}
    bodies = [request() for _ in range(requests)]
    with tempfile.TemporaryDirectory() as folder, Collector(env=env).start(Path(folder)) as collector:
        before = cpu_seconds(collector.pid)
        for body in bodies:
            headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
            posted = urllib.request.Request(f"{collector.url}/v1/traces", gzip.compress(body, 1), headers)
            urllib.request.urlopen(posted, timeout=60).close()
        total = requests * SPANS
        arrivals.wait_for(lambda: len(arrivals.spans(sink, "/JAEGER_URL/v1/traces")) == total, "all", 300)
        used = cpu_seconds(collector.pid) - before
        figures = {
            "spans": total,
            "CPU us a span": round(used / total * 1e6, 1),
            "spans a second on one core": round(total / used),
            "bytes a span, plain": round(sum(map(len, bodies)) / total),
            "bytes a span, gzip": round(sum(len(gzip.compress(body, 1)) for body in bodies) / total),
            "peak memory MiB": resident_mib(collector.pid),
        }
    sink.shutdown()
    sink.server_close()
    return figures


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200, help="requests of 512 spans")
    for name, value in measure(parser.parse_args().requests).items():
        print(f"{name:<30} {value:>12,}")


if __name__ == "__main__":
    main()
