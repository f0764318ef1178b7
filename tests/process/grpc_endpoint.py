"""An OTLP/gRPC endpoint in a process of its own, that answers as it is told and says what it accepted.

`python grpc_endpoint.py PORT` listens on loopback and writes its port. A line of its input is a list of
answers, of which each signal gets one a request, the last one for ever: `ok`, `unavailable`, `exhausted`, or
`exhausted:1.5`, which asks to come again in 1.5 s. Each request is a line of its output: signal, answer, and,
where it was accepted, the names or ids of what was in it.
"""

import json
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

CODES = {"unavailable": grpc.StatusCode.UNAVAILABLE, "exhausted": grpc.StatusCode.RESOURCE_EXHAUSTED}


class Answers:
    """The answers to come, for each signal its own."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tell("ok")

    def tell(self, line):
        with self.lock:
            self.coming = {name: line.split() for name in ("spans", "logs", "metrics")}

    def give(self, name, ids, context, response):
        with self.lock:
            coming = self.coming[name]
            answer = coming.pop(0) if len(coming) > 1 else coming[0]
            said = {"signal": name, "answer": answer, "ids": ids if answer == "ok" else []}
            print(json.dumps(said), flush=True)
        if answer == "ok":
            return response
        kind, _, seconds = answer.partition(":")
        if seconds:
            delay = Duration()
            delay.FromMilliseconds(int(float(seconds) * 1000))
            info = RetryInfo(retry_delay=delay).SerializeToString()
            context.set_trailing_metadata([("google.rpc.retryinfo-bin", info)])
        return context.abort(CODES[kind], "as told")


class Traces(traces_grpc.TraceServiceServicer):
    def Export(self, request, context):
        spans = [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
        ids = [f"{s.trace_id.hex()}-{s.span_id.hex()}" for s in spans]
        return answers.give("spans", ids, context, traces.ExportTraceServiceResponse())


class Logs(logs_grpc.LogsServiceServicer):
    def Export(self, request, context):
        found = [s for r in request.resource_logs for scope in r.scope_logs for s in scope.log_records]
        ids = [f"{s.trace_id.hex()}-{s.span_id.hex()}" for s in found]
        return answers.give("logs", ids, context, logs.ExportLogsServiceResponse())


class Metrics(metrics_grpc.MetricsServiceServicer):
    def Export(self, request, context):
        return answers.give("metrics", [], context, metrics.ExportMetricsServiceResponse())


if __name__ == "__main__":
    answers = Answers()
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    traces_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    logs_grpc.add_LogsServiceServicer_to_server(Logs(), server)
    metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
    port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print(port, flush=True)
    try:
        for told in sys.stdin:
            answers.tell(told)
            print("told", flush=True)
    finally:
        server.stop(0.2).wait(5)  # tells clients to go away, as a server that is replaced does
