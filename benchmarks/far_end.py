"""An OTLP endpoint in a process of its own that misbehaves on command and keeps the ids of what it accepted.

    python benchmarks/far_end.py PORT FILE      # modes on standard input, one a line; 0 chooses a port

Each request leaves a line of ids in FILE before it is answered and another after, so that a SIGKILL between
the two shows: OTLP has no way to know whether such a request was taken.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SIGNALS = ("spans", "logs")
MODES = ("ok", "refused", "black hole", "drip", "reset", "400", "413", "429", "503")
SMALL = 20
"""Records of a request that mode 413 takes."""
ACCEPTED = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-type: application/x-protobuf\r\n\r\n"
RETRY_AFTER = 2


class FarEnd:
    """The endpoint as its owner sees it: start, kill, change the mode, read what arrived."""

    def __init__(self, folder):
        self.file, self.port, self.process = Path(folder) / "received", 0, None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.port), str(self.file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.port = int(self.process.stdout.readline())
        return self

    def mode(self, name):
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Kill it if it runs."""
        if self.process.poll() is None:
            self.kill()

    def wait_for_first(self, seconds=60):
        """Until something has been accepted: what its sender needs from then on is its working set."""
        deadline = time.monotonic() + seconds
        while not self.file.exists() or not self.file.stat().st_size:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing was sent within {seconds} s")
            time.sleep(0.05)

    def counts(self):
        """The newest cumulative count of predictions by instance of a service."""
        newest = {}
        for line in self.file.read_text().splitlines():
            what, instance, *value = line.split(" ")
            if what == "count":
                newest[instance] = int(value[0])
        return newest

    def received(self):
        """Ids by signal with how often each was accepted, and by signal those of requests never answered."""
        seen = {signal: Counter() for signal in SIGNALS}
        open_requests = {}
        for line in self.file.read_text().splitlines():
            what, number, *rest = line.split(" ")
            if what == "count":
                continue
            if what == "answered":
                signal, ids = open_requests.pop(number)
                seen[signal].update(ids)
            else:
                open_requests[number] = (what, rest)
        unsure = {signal: set() for signal in SIGNALS}
        for signal, ids in open_requests.values():
            unsure[signal].update(ids)
        return seen, unsure


class Server:
    """The endpoint itself."""

    def __init__(self, port, file):
        self.mode, self.changed = "ok", threading.Event()
        self.out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.numbers = itertools.count()
        self.connections = set()
        self.port = port
        self.listen()

    def listen(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            self.connections.add(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def switch(self, mode):
        changed, self.changed = self.changed, threading.Event()
        before, self.mode = self.mode, mode
        changed.set()
        if mode == "refused":
            for each in (self.listener, *list(self.connections)):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        elif before == "refused":
            self.listen()

    def serve(self, connection):
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as reader:
            while request := read(reader):
                if not self.answer(connection, *request):
                    break
        self.connections.discard(connection)

    def answer(self, connection, path, body):
        """False when the connection ends with it."""
        mode, changed = self.mode, self.changed
        if mode in ("black hole", "drip"):
            while mode == "drip" and not changed.wait(0.5):
                connection.sendall(b"H")
            changed.wait()
            return False
        if mode == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if mode == "refused":
            return False
        ids = ids_of(path, body)
        if mode in ("429", "503", "400") or (mode == "413" and len(ids) > SMALL):
            wait = f"retry-after: {RETRY_AFTER}\r\n" if mode in ("429", "503") else ""
            connection.sendall(f"HTTP/1.1 {mode} no\r\n{wait}content-length: 0\r\n\r\n".encode())
            return True
        number = f"{os.getpid()}-{next(self.numbers)}"
        signal = {"/v1/traces": "spans", "/v1/logs": "logs"}.get(path)
        if signal:
            self.note(" ".join((signal, number, *ids)))
        connection.sendall(ACCEPTED)
        if signal:
            self.note(f"answered {number}")
        for instance, count in counts_of(path, body):
            self.note(f"count {instance} {count}")
        return True

    def note(self, line):
        os.write(self.out, f"{line}\n".encode())


def read(reader):
    """Path and body of one request; None at the end of the connection."""
    start = reader.readline(65536).split()
    if len(start) < 2:
        return None
    headers = {}
    while line := reader.readline(65536).strip():
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    body = reader.read(int(headers.get(b"content-length", 0)))
    return start[1].decode(), gzip.decompress(body) if headers.get(b"content-encoding") == b"gzip" else body


def ids_of(path, body):
    """The prediction ids of the spans or log records of a request; `-` for one without."""
    if path == "/v1/traces":
        request = ExportTraceServiceRequest.FromString(body)
        records = [r for a in request.resource_spans for s in a.scope_spans for r in s.spans]
    elif path == "/v1/logs":
        request = ExportLogsServiceRequest.FromString(body)
        records = [r for a in request.resource_logs for s in a.scope_logs for r in s.log_records]
    else:
        return []
    return [
        next((a.value.string_value for a in record.attributes if a.key == "ml.prediction.id"), "-")
        for record in records
    ]


def counts_of(path, body):
    """Instance and cumulative count of predictions of a request with metrics."""
    if path != "/v1/metrics":
        return
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
        metrics = (metric for scope in resource.scope_metrics for metric in scope.metrics)
        for metric in metrics:
            if metric.name == "ml.inference.predictions":
                yield attributes["service.instance.id"], sum(p.as_int for p in metric.sum.data_points)


def main():
    server = Server(int(sys.argv[1]), sys.argv[2])
    print(server.port, flush=True)
    for line in sys.stdin:
        server.switch(line.strip())
    while True:  # its owner closed the input, and will kill it
        time.sleep(1)


if __name__ == "__main__":
    main()
