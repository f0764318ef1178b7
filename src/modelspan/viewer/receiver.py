"""The OTLP/HTTP receiver: /v1/traces, /v1/logs and /v1/metrics, protobuf or JSON, gzip or plain."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, request

from modelspan.viewer import bodies
from modelspan.viewer.bounds import Refused
from modelspan.viewer.otlp import Batch, decode_logs, decode_traces
from modelspan.viewer.otlp_metrics import decode_metrics
from modelspan.viewer.storage import Backlog, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

STORE_SECONDS: Final = 8.0
"""Wait for a commit; exporters give up after 10 s."""
_DECODERS: Final[dict[str, Callable[[Any], Batch]]] = {
    "traces": decode_traces,
    "logs": decode_logs,
    "metrics": decode_metrics,
}


class Counts:
    """What was received and what was turned away since the process began."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = Counter(spans=0, logs=0, points=0)
        self._rejected: Counter[str] = Counter()

    def received(self, batch: Batch) -> None:
        """Count a stored batch."""
        with self._lock:
            self._received.update(spans=len(batch.spans), logs=len(batch.logs), points=len(batch.points))
            if batch.rejected:
                self._rejected["invalid_id"] += batch.rejected

    def rejected(self, reason: str) -> None:
        """Count a refused request."""
        with self._lock:
            self._rejected[reason] += 1

    def snapshot(self) -> dict[str, dict[str, int]]:
        """Both counts, for the health page."""
        with self._lock:
            return {"received": dict(self._received), "rejected": dict(self._rejected)}


class Receiver:
    """Turns requests into committed rows."""

    def __init__(self, writer: Writer, counts: Counts) -> None:
        self._writer = writer
        self._counts = counts
        # One thread takes all bodies apart: the interpreter would not do two faster, and the allocator keeps
        # what it took once for every thread, 15 MB for each that met a large body.
        self._decoder = ThreadPoolExecutor(1, "modelspan-decode")

    def close(self) -> None:
        """End the thread that decodes."""
        self._decoder.shutdown()

    def take(self, signal: str) -> Response:
        """Answer one OTLP request: 200 only after its rows are committed."""
        content_type = request.mimetype
        try:
            batch = self._read(signal, content_type)
        except Refused as refused:
            return self._refuse(refused, content_type)
        self._counts.received(batch)
        body = bodies.encode_answer(signal, content_type, batch.rejected, batch.reason)
        return Response(body, mimetype=content_type)

    def _read(self, signal: str, content_type: str) -> Batch:
        if content_type not in (bodies.PROTOBUF, bodies.JSON):
            bodies.parse(signal, content_type, b"")
        if (request.content_length or 0) > bodies.MAX_BODY:
            raise Refused(
                413, "too_large", f"the body has more than {bodies.MAX_BODY} bytes; send smaller batches"
            )
        encoding = request.headers.get("Content-Encoding", "").strip().lower()
        body = request.get_data(cache=False)
        batch = self._decoder.submit(_decode, signal, content_type, encoding, body).result()
        if len(batch):
            self._store(batch)
        return batch

    def _store(self, batch: Batch) -> None:
        try:
            future = self._writer.submit(batch)
        except Backlog as error:
            raise Refused(503, "backlog", f"{error}; try again in a second") from error
        try:
            self._wait(future)
        except Refused:
            raise
        except Exception as error:
            raise Refused(
                503, "storage", f"the records could not be stored ({error}); try again in a second"
            ) from error

    @staticmethod
    def _wait(future: Future[None]) -> None:
        try:
            future.result(STORE_SECONDS)
        except FutureTimeout:
            if future.cancel():
                raise Refused(503, "backlog", "the writer is busy; try again in a second") from None
            future.result()  # the writer has begun: only waiting tells how it ends

    def _refuse(self, refused: Refused, content_type: str) -> Response:
        self._counts.rejected(refused.reason)
        if refused.status == 415:
            return Response(f"{refused}\n", 415, mimetype="text/plain")
        answer = Response(bodies.encode_refusal(content_type, refused), refused.status, mimetype=content_type)
        if refused.status == 503:
            answer.headers["Retry-After"] = "1"
        return answer


def _decode(signal: str, content_type: str, encoding: str, packed: bytes) -> Batch:
    body = bodies.inflate(packed, encoding)
    batch = _DECODERS[signal](bodies.parse(signal, content_type, body))
    batch.size = len(body)
    return batch


def build_receiver(receiver: Receiver, health: Callable[[], Response]) -> Flask:
    """The WSGI application of the OTLP port."""
    app = Flask("modelspan.receiver", static_folder=None)
    app.add_url_rule("/healthz", "health", health)
    app.add_url_rule("/v1/<any(traces, logs, metrics):signal>", "take", receiver.take, methods=["POST"])
    return app
