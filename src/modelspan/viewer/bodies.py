"""Bodies of OTLP/HTTP requests and answers: inflate within a bound, parse, encode.

Source: OTLP specification 1.9, sections "OTLP/HTTP Request" and "OTLP/HTTP Response". Its JSON differs from
protobuf's own in that trace and span ids are hex.
"""

from __future__ import annotations

import base64
import binascii
import json
import mmap
import zlib
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from modelspan.viewer.bounds import Refused, check_json, check_protobuf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelspan.viewer.bounds import Body

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
MAX_BODY: Final = 8 * 1024**2
"""Bytes of a body on the wire."""
MAX_INFLATED: Final = 16 * 1024**2
"""Bytes of a body after decompression."""
REQUESTS: Final[dict[str, type[Message]]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_RESPONSES: Final[dict[str, Any]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
}
_STEP: Final = 64 * 1024
_GZIP_OR_ZLIB: Final = 47
_HEX_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_RPC_CODES: Final = {400: 3, 413: 3, 415: 3, 503: 14}


def inflate(body: bytes, encoding: str, limit: int = MAX_INFLATED) -> Body:
    """The body without its content encoding; never more than `limit` bytes are made.

    Raises:
        Refused: 415 for an unknown encoding, 413 past the limit, 400 if the data is damaged or cut off.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise Refused(
            415, "content_encoding", f"content-encoding {encoding[:40]!r} is not gzip, deflate or identity"
        )
    try:
        # Measured first, without keeping anything: a bomb then costs one step, and the answer is never moved.
        answer, end = _buffer(_measure(body, limit)), 0
        for piece in _inflated(body):
            answer[end : end + len(piece)] = piece
            end += len(piece)
    except zlib.error as error:
        raise Refused(400, "malformed", f"the {encoding} body is damaged: {error}") from error
    return answer


def _buffer(size: int) -> bytearray | mmap.mmap:
    # A mapping goes back to the system at once; the C allocator would keep 16 MB for the next large body.
    return mmap.mmap(-1, size) if size > _STEP else bytearray(size)


def _measure(body: bytes, limit: int) -> int:
    total = 0
    for piece in _inflated(body):
        total += len(piece)
        if total > limit:
            raise Refused(
                413, "too_large", f"the body inflates to more than {limit} bytes; send smaller batches"
            )
    return total


def _inflated(body: bytes) -> Iterator[bytes]:
    """The inflated body in pieces of at most one step."""
    stream = zlib.decompressobj(_GZIP_OR_ZLIB)
    for start in range(0, len(body), _STEP):
        packed = body[start : start + _STEP]
        while packed:
            if stream.eof:  # a gzip body may have several members
                stream = zlib.decompressobj(_GZIP_OR_ZLIB)
            yield stream.decompress(packed, _STEP)
            packed = stream.unconsumed_tail or stream.unused_data
    while piece := stream.decompress(b"", _STEP):
        yield piece
    if not stream.eof:
        raise Refused(400, "malformed", "the compressed body is cut off")


def parse(signal: str, content_type: str, body: Body) -> Any:
    """The protobuf message of a request.

    Raises:
        Refused: 415 for an unknown content type, 413 for too many parts, 400 if it is not such a message.
    """
    message = REQUESTS[signal]()
    if content_type == PROTOBUF:
        _parse_protobuf(message, body)
    elif content_type == JSON:
        _parse_json(message, body)
    else:
        raise Refused(415, "content_type", f"content-type {content_type[:80]!r} is not {PROTOBUF} or {JSON}")
    return message


def _parse_protobuf(message: Message, body: Body) -> None:
    check_protobuf(body, message.DESCRIPTOR)
    try:
        message.ParseFromString(bytes(body))
    except DecodeError as error:
        raise Refused(
            400, "malformed", f"the body is not an OTLP protobuf message: {_one_line(error)}"
        ) from error


def _parse_json(message: Message, body: Body) -> None:
    check_json(body)
    try:
        document = json.loads(bytes(body))
        if not isinstance(document, dict):
            raise TypeError("it is not an object")  # noqa: TRY301 - answered like every other damage, below
        _ids_to_base64(document)
        json_format.ParseDict(document, message, ignore_unknown_fields=True)
    except RecursionError as error:
        raise Refused(400, "malformed", "the JSON body is nested too deeply") from error
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        raise Refused(400, "malformed", f"the body is not OTLP JSON: {_one_line(error)}") from error


def _ids_to_base64(node: object) -> None:
    """Turn OTLP's hex ids into the base64 that protobuf's JSON reader expects, in place."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in _HEX_IDS and isinstance(value, str):
                node[key] = _to_base64(key, value)
            else:
                _ids_to_base64(value)
    elif isinstance(node, list):
        for value in node:
            _ids_to_base64(value)


def _to_base64(key: str, value: str) -> str:
    try:
        return base64.b64encode(binascii.unhexlify(value)).decode("ascii")
    except ValueError as error:
        raise ValueError(f"{key}={value[:40]!r} is not hex") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def encode_answer(signal: str, content_type: str, rejected: int, reason: str) -> bytes:
    """The body of a 200: empty, or how many records of the request were not taken and why."""
    response, field = _RESPONSES[signal]
    message = response()
    if rejected:
        setattr(message.partial_success, field, rejected)
        message.partial_success.error_message = reason
    return _encode(message, content_type)


def encode_refusal(content_type: str, refused: Refused) -> bytes:
    """The body of an answer that is not 200: a google.rpc.Status, as OTLP asks."""
    text = str(refused).encode("utf-8", "replace").decode()
    return _encode(Status(code=_RPC_CODES.get(refused.status, 2), message=text), content_type)


def _encode(message: Message, content_type: str) -> bytes:
    if content_type == JSON:
        return json.dumps(json_format.MessageToDict(message)).encode()
    return bytes(message.SerializeToString())
