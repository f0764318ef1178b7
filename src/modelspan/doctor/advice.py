"""What to do about an answer, or about none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_STATUS: Final = {
    301: "give the final address: an OTLP exporter does not follow redirects",
    400: "the receiver does not understand the request: is this the address of an OTLP/HTTP receiver?",
    401: "set the credentials, such as a token: OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer%20TOKEN'",
    403: "the credentials are not allowed to write here: check token and tenant",
    404: "no OTLP receiver under this path: give the base address, without /v1/traces",
    405: "this is not an OTLP receiver: check the port (usually 4318)",
    413: "a proxy limits the size of requests: raise its limit",
    429: "the receiver is overloaded: give it more room or send less",
    503: "the receiver is up but cannot store: look at its own log",
}
_GRPC: Final = (
    "a port of OTLP/gRPC answers like this: use the one of OTLP/HTTP (usually 4318), "
    "or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc"
)
_BY_WORDS: Final = {
    "CERTIFICATE_VERIFY_FAILED": "name its certificate's authority: OTEL_EXPORTER_OTLP_CERTIFICATE=PEM_FILE",
    "WRONG_VERSION_NUMBER": "the receiver speaks no TLS: use http://, or switch TLS on there",
    "closed connection without response": _GRPC,
    "Connection reset by peer": _GRPC,
    "is not HTTP/1.1": _GRPC,
    "Name or service not known": "the name of the host is not known here: correct the address, or the DNS",
}
_TLS_EXPECTED: Final = "HTTP request to an HTTPS server"
_REFUSED: Final = "start the receiver (modelspan up) or correct the address: OTEL_EXPORTER_OTLP_ENDPOINT"
_BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def about_status(status: int, text: str) -> str:
    """The way out of an HTTP status that is not a success."""
    if _TLS_EXPECTED in text:
        return "the receiver speaks TLS: use https://"
    return _BY_STATUS.get(301 if 300 <= status < 400 else status, "look at the receiver's own log")


def about_silence(said: str, env: Mapping[str, str]) -> str:
    """The way out when no HTTP answer came, by the words of the error."""
    todo = next((todo for words, todo in _BY_WORDS.items() if words in said), _REFUSED)
    overriding = [name for name in _BUNDLES if env.get(name)]
    if "OTLP_CERTIFICATE" in todo and overriding:
        todo += f"; unset {' and '.join(overriding)}, which the HTTP client puts before it"
    return todo
