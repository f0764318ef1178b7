"""A place for OTLP/HTTP to arrive: stands where Jaeger, Elasticsearch's OTLP endpoint and Sentry would be."""

from __future__ import annotations

import gzip
import json
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from stack_servers.server import Launch, Server, answers, free_port

KEPT_REQUESTS = 20_000


@dataclass(frozen=True, slots=True)
class Request:
    """One POST, decompressed."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class OtlpSink(ThreadingHTTPServer):
    """Accepts every POST and keeps it; `GET /` tells how many came to each path."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        """Listen; port 0 takes a free one."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.requests: list[Request] = []
        self.paths: Counter[str] = Counter()
        self.status = 200
        """What every POST is answered with; 503 makes senders retry."""
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://127.0.0.1:{self.server_port}"

    def keep(self, request: Request) -> None:
        """Count it, and keep it unless the sink is full."""
        with self._lock:
            self.paths[request.path] += 1
            if len(self.requests) < KEPT_REQUESTS:
                self.requests.append(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: OtlpSink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.server.status == 200:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.server.keep(Request(self.path, headers, body))
        # An empty protobuf message is a full success.
        self._answer(self.server.status, "application/x-protobuf", b"")

    def do_GET(self) -> None:
        self._answer(200, "application/json", json.dumps(self.server.paths).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: requests are many."""


class Sink(Server):
    """The sink as a process of its own, for `scripts/stack start`."""

    name = "sink"
    version = "1"
    start_seconds: ClassVar[float] = 30.0

    @classmethod
    def build(cls, into: Path) -> None:
        """Nothing to install: it is this file."""

    def launch(self, home: Path, state: Path) -> Launch:
        """One HTTP port."""
        del home, state
        port = free_port()
        return Launch(
            command=[sys.executable, "-m", __name__, str(port)],
            ports={"http": port},
            ready=lambda: answers(f"http://127.0.0.1:{port}/"),
            cwd=Path(__file__).resolve().parents[1],
        )


if __name__ == "__main__":
    OtlpSink(int(sys.argv[1])).serve_forever()
