"""What an answer to an OTLP request means for the records that were in it.

After https://opentelemetry.io/docs/specs/otlp/#otlphttp-response, but stricter and more patient: a redirect
and a web page are no success, and what may pass (a wrong token, a path that is not there yet) is tried again
for as long as the records may wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from modelspan.delivery.http import Answer

MAX_WAIT: Final = 60.0
"""Seconds of `Retry-After` that are honoured at most."""
_REFUSED: Final = (400, 413)


class Verdict(NamedTuple):
    """Accepted, refused for what is in it, or to be tried again."""

    accepted: bool = False
    refused: bool = False
    """The request itself is at fault: one of its records, or its size."""
    rejected: int = 0
    """Records that an accepting endpoint did not take."""
    reason: str = ""
    wait: float = 0.0
    """Seconds before the next attempt, as the endpoint asked."""


def judge(answer: Answer) -> Verdict:
    """The verdict on one answer."""
    if 200 <= answer.status < 300:
        if answer.html:
            return Verdict(reason=f"HTTP {answer.status} with a web page: not an OTLP receiver")
        rejected, said = _partial(answer) if answer.body and answer.protobuf else (0, "")
        return Verdict(accepted=True, rejected=rejected, reason=said)
    reason = f"HTTP {answer.status} {answer.reason}".strip() if answer.status else answer.reason
    wait = min(MAX_WAIT, max(0.0, answer.retry_after or 0.0))
    return Verdict(refused=answer.status in _REFUSED, reason=reason, wait=wait)


def _partial(answer: Answer) -> tuple[int, str]:
    """How many records were rejected, and why; the three responses are alike on the wire."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - `http` has imported both
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - see above
        ExportTraceServiceResponse,
    )

    try:
        partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    except DecodeError:
        return 0, ""
    return max(0, partial.rejected_spans), partial.error_message
