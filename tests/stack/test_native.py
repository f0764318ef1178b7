"""Spans and log records that modelspan encodes itself, through the real Collector and out of it again."""

import subprocess
import textwrap

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from stack_servers.arrivals import wait_for
from stack_servers.server import answers, free_port

import modelspan
from modelspan import _setup
from modelspan.delivery.http import Post

REGULAR = 60
CONFIG = """
    receivers:
      otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{otlp}"}}}}}}
    exporters:
      otlp_http: {{endpoint: "{out}/native", compression: none}}
    extensions:
      health_check: {{endpoint: "127.0.0.1:{health}"}}
    service:
      extensions: [health_check]
      telemetry: {{metrics: {{level: none}}}}
      pipelines:
        traces: {{receivers: [otlp], exporters: [otlp_http]}}
        logs: {{receivers: [otlp], exporters: [otlp_http]}}
        metrics: {{receivers: [otlp], exporters: [otlp_http]}}
"""


@pytest.fixture
def passing_on(otelcol, sink, tmp_path):
    """The address of a Collector that sends on all that it takes, as it is."""
    ports = {"otlp": free_port(), "health": free_port()}
    path = tmp_path / "config.yaml"
    path.write_text(textwrap.dedent(CONFIG.format(out=sink.url, **ports)))
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen([str(otelcol), f"--config={path}"], stdout=log, stderr=log) as process,
    ):
        try:
            wait_for(lambda: answers(f"http://127.0.0.1:{ports['health']}/"), "the Collector is ready")
            yield f"http://127.0.0.1:{ports['otlp']}"
        finally:
            process.terminate()


@pytest.fixture
def sent(monkeypatch):
    """Requests by path as they left, if they were accepted."""
    requests = []
    send = Post.send

    def watched(self, pieces, seconds):
        answer = send(self, pieces, seconds)
        if answer.status == 200:
            requests.append((self.endpoint.url.rpartition("/")[2], b"".join(pieces)))
        return answer

    monkeypatch.setattr(Post, "send", watched)
    return requests


def regular(x):
    return 0.25 if isinstance(x, dict) else float(abs(x[0, 0]) % 1)


def irregular(x):
    span = trace.get_current_span()
    span.set_attribute("own", [1, 2])
    span.add_event("looked up", {"hit": True}, 5)
    span.add_link(trace.SpanContext(1, 2, is_remote=True))
    modelspan.current_prediction().annotate(case="7", amount=2.5, fine=True)
    if x["a"] == 0:
        raise ValueError("a is 0")
    return np.full((3, 2), 0.5)


def predict_all():
    listed = ["a", "b", "c", "f0", "f1"]
    one = modelspan.monitor(
        model="m", version="1", task="binary", features=["f0", "f1"], log_features=listed
    )(regular)
    other = modelspan.monitor(model="n", log_features=listed)(irregular)
    for i in range(REGULAR):
        one({"a": i + 0.5, "b": f"text {i % 13} ä", "c": i % 2 == 0})
        one(np.array([[i / 7, np.nan if i % 5 == 0 else i]]))
    other({"a": 1, "b": "ö" * 1000})
    with pytest.raises(ValueError, match="a is 0"):
        other({"a": 0})


def everything(bodies, request, resources, scopes, records):
    """Each record with its resource and scope as bytes; sorted, so that none hides."""
    found = []
    for body in bodies:
        for resource in getattr(request.FromString(body), resources):
            for scope in getattr(resource, scopes):
                for record in getattr(scope, records):
                    if records == "spans":
                        record.status.SetInParent()  # empty and left out mean the same
                    whole = (resource.resource, scope.scope, record)
                    around = (resource.schema_url.encode(), scope.schema_url.encode())
                    found.append((*around, *(part.SerializeToString(deterministic=True) for part in whole)))
    return sorted(found)


SPANS = ExportTraceServiceRequest, "resource_spans", "scope_spans", "spans"
LOGS = ExportLogsServiceRequest, "resource_logs", "scope_logs", "log_records"


def test_the_collector_passes_on_exactly_the_spans_and_logs_that_were_sent(passing_on, sink, sent, stopped):
    modelspan.configure(endpoint=passing_on, service_name="native")
    predict_all()
    assert modelspan.flush(30)
    native = _setup.current.ledger
    assert not any(signal in ("spans", "logs") for signal, _ in native.dropped)
    for signal, message, calls in (("traces", SPANS, 2 * REGULAR + 2), ("logs", LOGS, 2 * REGULAR + 4)):
        left = everything([body for path, body in sent if path == signal], *message)
        assert len(left) == calls

        def arrived(signal=signal, message=message):
            path = f"/native/v1/{signal}"
            return everything([r.body for r in list(sink.requests) if r.path == path], *message)

        wait_for(lambda arrived=arrived, left=left: len(arrived()) >= len(left), f"all {signal} arrive")
        assert arrived() == left
