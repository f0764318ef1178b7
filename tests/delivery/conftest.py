"""An OTLP endpoint on loopback that answers as a test says and remembers what it accepted."""

import contextlib
import gzip
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from modelspan.config import Config
from modelspan.delivery.accounting import Ledger
from modelspan.delivery.endpoint import resolve
from modelspan.delivery.http import Post
from modelspan.delivery.otlp import records, spans
from modelspan.delivery.sender import Sender


def names_in(body):
    """Names of the spans in a request."""
    request = ExportTraceServiceRequest.FromString(body)
    return [s.name for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]


def logs_in(body):
    request = ExportLogsServiceRequest.FromString(body)
    return [record for r in request.resource_logs for scope in r.scope_logs for record in scope.log_records]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the connection broke
            return
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.bodies.append((self.path, dict(self.headers), body))
        answer = self.server.script(body) if self.server.script else 200
        if callable(answer):
            answer(self)
            return
        status, headers, content = answer if isinstance(answer, tuple) else (answer, {}, b"")
        if status == 200:
            self.server.accepted.append((self.path, body))
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)

    def log_message(self, *_):
        pass


class Endpoint(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port=0, host="127.0.0.1"):
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)
        self.script = None
        self.bodies, self.accepted, self.sockets = [], [], []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def server_bind(self):
        TCPServer.server_bind(self)  # the one of HTTP asks a name server for the name of the address
        self.server_name, self.server_port = self.server_address[:2]

    def get_request(self):
        made, address = super().get_request()
        self.sockets.append(made)
        return made, address

    def handle_error(self, *_):
        pass  # a client that breaks off is part of these tests

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def names(self):
        return [name for path, body in self.accepted if path == "/v1/traces" for name in names_in(body)]

    def stop(self):
        self.shutdown()
        self.server_close()
        for made in self.sockets:
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
            made.close()


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.stop()


AROUND = records.envelope({"service.name": "s"}, "scope")


def span(name):
    one = spans.OneSpan(name=name, trace_id=1, span_id=2, started_ns=1, ended_ns=2, attributes={"k": "v"})
    return records.single(AROUND, spans.encode_one(one))


class Sending:
    """A sender of spans with its ledger."""

    def __init__(self, url, timeout=10.0, **settings):
        self.ledger = Ledger()
        config = Config(endpoint=url)
        env = {"OTEL_EXPORTER_OTLP_TIMEOUT": str(timeout)}
        self.sender = Sender("spans", lambda: Post(resolve("spans", config, env)), self.ledger, **settings)

    def add(self, *names):
        for name in names:
            self.sender.add(span(name))

    def flush(self, seconds=10.0):
        return self.sender.flush(time.monotonic() + seconds)

    def close(self, seconds=3.0):
        return self.sender.close(time.monotonic() + seconds)

    @property
    def dropped(self):
        return {reason: count for (_, reason), count in self.ledger.dropped.items()}

    @property
    def balanced(self):
        lost = sum(self.dropped.values())
        return self.ledger.emitted["spans"] == self.ledger.delivered["spans"] + lost


@pytest.fixture
def sending(endpoint):
    made = []

    def make(url=None, **settings):
        made.append(Sending(url or endpoint.url, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close(0)
