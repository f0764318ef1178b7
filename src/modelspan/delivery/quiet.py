"""One line an outage instead of one a retry: while we send, what the exporters say is kept as the reason."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("modelspan")

_NOISY = (
    "opentelemetry.exporter.otlp.common.http",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "urllib3.connectionpool",
)


_SECRET = re.compile(r"(?<=//)[^/@\s]+(?=@)|(?<=\?)[^\s'\")]+")
"""User and password, and the query, of an address: the exporters log whole ones."""


class _Sending(threading.local):
    active = False
    reason = ""


_sending = _Sending()


def _keep_reason(record: logging.LogRecord) -> bool:
    """A logging filter: False, so not logged, for what an exporter says on a thread that sends for us."""
    if not _sending.active:
        return True
    if record.levelno >= logging.WARNING and not _sending.reason:
        _sending.reason = _SECRET.sub("***", record.getMessage())[:300]
    return False


def install() -> None:
    """Put the filter on the exporters' loggers; records of the user's own exporters pass."""
    # requests tries for SOCKS when it is imported; the warning would be on a service's stderr, or, made an
    # error by -W error, keep the exporter from being imported
    warnings.filterwarnings("ignore", message="SOCKS support in urllib3", category=Warning)
    for name in _NOISY:
        logging.getLogger(name).addFilter(_keep_reason)


@contextmanager
def sending() -> Iterator[None]:
    """Mark this thread as sending for us."""
    _sending.active, _sending.reason = True, ""
    try:
        yield
    finally:
        _sending.active = False


class Outage:
    """Says when delivery of a signal stops and when it works again, once each."""

    def __init__(self, signal: str) -> None:
        self.signal = signal
        self.lasting = False
        """Whether the last attempt failed."""

    def note(self, *, accepted: bool, reason: str = "") -> None:
        """Record the result of an attempt, with the reason that is known for a failure."""
        if accepted and self.lasting:
            logger.warning("modelspan delivers %s again", self.signal)
        if not accepted and not self.lasting:
            logger.warning(
                "modelspan cannot deliver %s: %s. Predictions are unaffected; see `modelspan doctor`",
                self.signal, reason or _sending.reason or "the endpoint refused them",
            )  # fmt: skip
        self.lasting = not accepted
