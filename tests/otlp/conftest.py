"""A real backend on free ports, and a client that speaks OTLP/HTTP to it."""

import gzip
import http.client
import json
import math
import urllib.parse
from contextlib import ExitStack

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from modelspan.viewer.queries import Queries
from modelspan.viewer.serve import Backend, BackendConfig

PROTOBUF = "application/x-protobuf"


class Reply:
    """Status, headers and body of one answer."""

    def __init__(self, reply):
        self.status, self.headers, self.body = reply.status, reply.headers, reply.read()

    def json(self):
        def refuse(word):
            raise AssertionError(f"{word} in an answer")

        return json.loads(self.body, parse_constant=refuse)


def call(url, method="GET", body=None, headers=None):
    """One request; no redirect is followed."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    try:
        path = where.path + (f"?{where.query}" if where.query else "")
        connection.request(method, path or "/", body, headers or {})
        return Reply(connection.getresponse())
    finally:
        connection.close()


def any_value(value):
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list():
            message = AnyValue()
            message.array_value.values.extend(any_value(each) for each in value)
            return message
    return AnyValue(string_value=value)


def pairs(values):
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


class Client:
    """A backend, its questions, and ways to send it telemetry made by hand."""

    def __init__(self, backend):
        self.backend = backend
        self.page, self.otlp = backend.page_url, backend.otlp_url
        self.queries = Queries(backend.path)

    def post(self, signal, body, content_type=PROTOBUF, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(f"{self.otlp}/v1/{signal}", "POST", body, {"Content-Type": content_type, **named})

    def tell(self, body, headers):
        """Outcomes by HTTP."""
        return call(f"{self.page}/api/feedback", "POST", body, headers)

    def post_gzip(self, signal, body, content_type=PROTOBUF):
        return self.post(signal, gzip.compress(body), content_type, Content_Encoding="gzip")

    def get(self, path, **headers):
        return call(self.page + path, headers=headers)

    def spans(self, rows, service="svc"):
        """Send spans given as (trace id, span id, name, start s, duration s, attributes, error)."""
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.extend(pairs({"service.name": service}))
        scope = group.scope_spans.add()
        for trace, span, name, start, seconds, attributes, error in rows:
            added = scope.spans.add(name=name, trace_id=bytes.fromhex(trace), span_id=bytes.fromhex(span))
            added.start_time_unix_nano = math.floor(start * 1e9)
            added.end_time_unix_nano = math.floor((start + seconds) * 1e9)
            added.attributes.extend(pairs(attributes))
            added.status.code = 2 if error else 0
        assert self.post("traces", request.SerializeToString()).status == 200

    def events(self, rows, service="svc"):
        """Send log records given as (event, time s, severity number, attributes)."""
        request = ExportLogsServiceRequest()
        group = request.resource_logs.add()
        group.resource.attributes.extend(pairs({"service.name": service}))
        scope = group.scope_logs.add()
        for event, time, severity, attributes in rows:
            record = scope.log_records.add(event_name=event, severity_number=severity)
            record.time_unix_nano = math.floor(time * 1e9)
            record.attributes.extend(pairs(attributes))
        assert self.post("logs", request.SerializeToString()).status == 200


@pytest.fixture
def start(tmp_path):
    """Start backends; whatever runs at the end of the test is closed."""
    with ExitStack() as opened:

        def begin(folder=None, **settings):
            settings = {"port": 0, "otlp_port": 0, **settings}
            backend = Backend(BackendConfig(data=folder or tmp_path / "data", **settings))
            backend.start()
            opened.callback(backend.close)
            client = Client(backend)
            opened.callback(client.queries.close)
            return client

        yield begin


@pytest.fixture
def client(start):
    return start()
