"""One POST at a time over a connection that is kept: bounded in time and in what is read.

The standard library's client follows no redirect, reads no netrc and no proxy variable, and decompresses
nothing, which is what is wanted here. What it lacks is a deadline for a whole exchange: its timeout starts
anew with every byte of a dripping server. `_Reader` adds that, on the monotonic clock.
"""

from __future__ import annotations

import base64
import encodings.idna  # noqa: F401 - the first connection would import it: see `loading`
import http.client
import io
import socket
import ssl
import time
import zlib
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

import opentelemetry.proto.collector.trace.v1.trace_service_pb2  # noqa: F401 - `verdict` needs it: as the codec

from modelspan._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.delivery.endpoint import Endpoint
    from modelspan.delivery.otlp.records import Body

    Pieces = Sequence[Body]

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer, headers included, that are read."""
MIN_GZIP: Final = 1024
_GZIP: Final = zlib.MAX_WBITS | 16
_STALE: Final = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a POST; a status of 0 means that nothing was answered."""

    status: int
    reason: str = ""
    body: bytes = b""
    protobuf: bool = False
    html: bool = False
    retry_after: float | None = None
    """Seconds that the server asked to wait."""


class _Reader(io.RawIOBase):
    """Reads an answer until a deadline, and no more than `MAX_ANSWER` bytes of it."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline
        self._left = MAX_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("no whole answer in time")
        self._sock.settimeout(remaining)
        count = self._sock.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise http.client.HTTPException(f"the answer is longer than {MAX_ANSWER:,} bytes")
        return count


class _Socket:
    """What `http.client` needs of a socket, with answers read through `_Reader`."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.deadline = 0.0

    def sendall(self, data: Any) -> None:
        """Send all of it; the timeout of the standard library bounds the whole."""
        self.sock.settimeout(max(0.001, self.deadline - time.monotonic()))
        self.sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """A file from which one answer is read."""
        return io.BufferedReader(_Reader(self.sock, self.deadline))

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


class Post:
    """Posts bodies to one endpoint; made and used by one thread, `abort` may come from another."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        parts = urlsplit(endpoint.url)
        self._path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        self._headers = {
            "content-type": "application/x-protobuf",
            "user-agent": f"modelspan/{__version__}",
            **endpoint.headers,
        }
        if parts.username is not None and "authorization" not in self._headers:
            self._headers["authorization"] = _basic(parts.username, parts.password or "")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._proxy = urlsplit(endpoint.proxy) if endpoint.proxy else None
        self._to_proxy = _proxy_headers(self._proxy) if self._proxy else {}
        if self._proxy and not self._secure:  # a proxy reads the whole address, and its own password
            self._path = f"http://{parts.netloc.rpartition('@')[2]}{self._path}"
            self._headers |= self._to_proxy
        self._context = _tls(endpoint) if self._secure else None
        self._connection: http.client.HTTPConnection | None = None
        self._aborted = False

    def send(self, pieces: Pieces, seconds: float) -> Answer:
        """Post a body in pieces and wait for the answer, `seconds` at most; never raises for the far end."""
        deadline = time.monotonic() + min(seconds, self.endpoint.timeout_seconds)
        headers = self._headers
        if self.endpoint.gzip and sum(map(len, pieces)) >= MIN_GZIP:
            headers = {**headers, "content-encoding": "gzip"}
            pieces = _compressed(pieces)
        headers = {**headers, "content-length": str(sum(map(len, pieces)))}
        kept = self._connection is not None
        try:
            try:
                return self._exchange(pieces, headers, deadline)
            except _STALE:
                self.close()
                if not kept or self._aborted:  # a server may close an idle connection just when it is used
                    raise
                return self._exchange(pieces, headers, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Answer(status=0, reason=_explain(error, self.endpoint))

    def close(self) -> None:
        """Close the connection; the next POST makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abort(self) -> None:
        """Break off what is being sent or waited for, from another thread; nothing is tried again."""
        self._aborted = True
        wrapped = getattr(self._connection, "sock", None)
        try:
            (wrapped.sock if isinstance(wrapped, _Socket) else wrapped).shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]  # AttributeError below
        except (OSError, AttributeError):
            return  # it has ended meanwhile

    def _exchange(self, pieces: Pieces, headers: dict[str, str], deadline: float) -> Answer:
        connection = self._connected(deadline)
        wrapped: Any = connection.sock
        wrapped.deadline = deadline
        connection.request("POST", self._path, pieces, headers)
        response = connection.getresponse()
        try:
            answered = response.read()
        except http.client.HTTPException:
            answered = b""
            self.close()
        if response.will_close:
            self.close()
        kind = response.getheader("content-type") or ""
        return Answer(
            status=response.status,
            reason=response.reason[:100],
            body=answered,
            protobuf="protobuf" in kind,
            html="html" in kind,
            retry_after=_seconds(response.getheader("retry-after")),
        )

    def _connected(self, deadline: float) -> http.client.HTTPConnection:
        if self._connection is None:
            seconds = max(0.001, deadline - time.monotonic())
            proxy = self._proxy
            host, port = (proxy.hostname or "", proxy.port) if proxy else (self._host, self._port)
            made: http.client.HTTPConnection = (
                http.client.HTTPSConnection(host, port, timeout=seconds, context=self._context)
                if self._secure
                else http.client.HTTPConnection(host, port, timeout=seconds)
            )
            if proxy and self._secure:
                made.set_tunnel(self._host, self._port, self._to_proxy)
            self._connection = made
            made.connect()
            made.sock = _Socket(made.sock)
        return self._connection


def _compressed(pieces: Pieces) -> list[bytes]:
    """The pieces as one gzip member, at the cheapest level."""
    stream = zlib.compressobj(1, wbits=_GZIP)
    return [*(stream.compress(piece) for piece in pieces), stream.flush()]


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    """Certificates are always checked; with a client certificate the server may check ours."""
    context = ssl.create_default_context(cafile=endpoint.certificate or None)
    if endpoint.client_certificate:
        context.load_cert_chain(endpoint.client_certificate, endpoint.client_key or None)
    return context


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    return {"proxy-authorization": _basic(proxy.username, proxy.password or "")}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()


def _explain(error: BaseException, endpoint: Endpoint) -> str:
    """The error and the address, without what is secret in it."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{said} ({endpoint.shown})"[:300]


def _seconds(header: str | None) -> float | None:
    """Seconds in a `Retry-After` header: a number or a date; None for neither."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None
