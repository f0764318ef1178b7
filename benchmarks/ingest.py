"""How many spans per second `modelspan up` takes, stores and does not lose.

Other processes post batches of 512 spans, encoded by OpenTelemetry's own exporter code, over HTTP with gzip.
Every span that was answered with 200 is then counted in the database.

    python benchmarks/ingest.py --seconds 10 --clients 2
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import http.client
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

BATCH = 512
TICKS = os.sysconf("SC_CLK_TCK")


def make_bodies(count: int) -> list[bytes]:
    """Different encoded batches of spans such as `monitor` makes."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from modelspan import semconv

    bodies = []
    for _ in range(count):
        memory = InMemorySpanExporter()
        provider = TracerProvider(resource=Resource.create({"service.name": "bench"}))
        provider.add_span_processor(SimpleSpanProcessor(memory))
        tracer = provider.get_tracer(semconv.SCOPE)
        for number in range(BATCH):
            attributes = {
                semconv.MODEL_NAME: "credit-risk",
                semconv.MODEL_VERSION: "1.4.2",
                semconv.OPERATION: "predict",
                semconv.BATCH_SIZE: 1,
                semconv.PREDICTION_ID: f"{number:032x}-{number:016x}",
                semconv.MODEL_FRAMEWORK: "sklearn",
            }
            with tracer.start_as_current_span("predict credit-risk", attributes=attributes):
                pass
        bodies.append(encode_spans(memory.get_finished_spans()).SerializeToString())
    return bodies


def renew(body: bytes, number: int) -> bytes:
    """The batch under other trace ids, so that none is a repetition; ids of the SDK are random bytes."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    message = ExportTraceServiceRequest.FromString(body)
    for span in message.resource_spans[0].scope_spans[0].spans:
        span.trace_id = number.to_bytes(8, "big") + span.trace_id[8:]
    return message.SerializeToString()


def offer(url: str, bodies: list[bytes], seconds: float, answers: multiprocessing.Queue) -> None:
    """Post until the time is over; report batches offered and accepted, and refusals by status."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
    offered = accepted = refused = 0
    end = time.monotonic() + seconds
    for body in bodies:
        if time.monotonic() >= end:
            break
        offered += 1
        while True:
            connection.request("POST", "/v1/traces", body, headers)
            reply = connection.getresponse()
            reply.read()
            if reply.status == 200:
                accepted += 1
                break
            refused += 1
            if reply.status != 503 or time.monotonic() >= end:
                break
            time.sleep(float(reply.headers["Retry-After"]))
    answers.put((offered, accepted, refused))


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int) -> float:
    """Largest resident size of a process so far."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def start_up(folder: str) -> tuple[subprocess.Popen[str], str]:
    """A backend of its own, and its OTLP address."""
    command = [sys.executable, "-m", "modelspan", "up", "--port=0", "--otlp-port=0", f"--data={folder}"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    for line in process.stdout:
        if line.startswith("OTLP"):
            return process, line.split()[1]
    raise SystemExit("modelspan up did not start")


def main() -> None:
    """Run once and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--batches", type=int, default=400, help="different batches prepared for each client")
    settings = parser.parse_args()
    patterns = make_bodies(4)
    shares = [
        [
            gzip.compress(renew(patterns[n % 4], client * settings.batches + n), 1)
            for n in range(settings.batches)
        ]
        for client in range(settings.clients)
    ]
    with tempfile.TemporaryDirectory() as folder:
        report(*measure(folder, shares, settings.seconds))


def measure(folder: str, shares: list[list[bytes]], seconds: float) -> tuple[list[int], dict[str, float]]:
    """Run one backend and one client for each share; what the clients counted, and what the backend did."""
    process, url = start_up(folder)
    answers: multiprocessing.Queue = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=offer, args=(url, share, seconds, answers)) for share in shares]
    started, cpu = time.monotonic(), cpu_seconds(process.pid)
    for client in clients:
        client.start()
    counted = [answers.get() for _ in clients]
    done = {
        "seconds": time.monotonic() - started,
        "cpu": cpu_seconds(process.pid) - cpu,
        "peak": resident_mb(process.pid),
    }
    for client in clients:
        client.join()
    process.terminate()
    process.wait()
    database = Path(folder) / "modelspan.sqlite"
    with contextlib.closing(sqlite3.connect(database)) as opened:
        done["stored"] = opened.execute("SELECT COUNT(*) FROM spans").fetchone()[0]
    done["bytes"] = database.stat().st_size
    return [sum(column) for column in zip(*counted, strict=True)], done


def report(counted: list[int], done: dict[str, float]) -> None:
    """Print the table; end with status 1 if an accepted span is missing."""
    offered, accepted, refused = counted
    stored, lost = done["stored"], accepted * BATCH - done["stored"]
    columns = {
        "offered": f"{offered * BATCH:,}",
        "accepted": f"{accepted * BATCH:,}",
        "stored": f"{stored:,}",
        "lost": f"{lost:,}",
        "refused": f"{refused:,}",
        "spans/s": f"{stored / done['seconds']:,.0f}",
        "CPU": f"{done['cpu'] / done['seconds']:.0%}",
        "µs/span": f"{done['cpu'] / max(stored, 1) * 1e6:.0f}",
        "peak MB": f"{done['peak']:.0f}",
        "B/span": f"{done['bytes'] / max(stored, 1):.0f}",
    }
    print(" ".join(f"{name:>9}" for name in columns))
    print(" ".join(f"{value:>9}" for value in columns.values()))
    if lost:
        raise SystemExit(f"{lost} accepted spans are not stored")


if __name__ == "__main__":
    main()
