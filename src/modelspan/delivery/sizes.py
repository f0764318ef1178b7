"""About how long a record of the SDK is on the wire, so that a batch stays below what receivers take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

BATCH_BYTES: Final = 3 * 1024 * 1024
"""Of a batch; a gRPC server, the Collector's too, refuses a whole request beyond 4 MiB, its default."""
_FIXED: Final = 512
"""Ids, times, names and status."""
_SCALAR: Final = 16


def wire_bytes(record: Any) -> int:
    """Bytes of an ended span or a log record, estimated from above; 0 for anything else."""
    inner = getattr(record, "log_record", record)
    attributes = getattr(inner, "attributes", None)
    if attributes is None and inner is record:
        return 0
    events = getattr(inner, "events", ())
    return (
        _FIXED
        + _length(attributes)
        + _length(getattr(inner, "body", None))
        + sum(_FIXED + _length(event.attributes) for event in events)
    )


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else 4 * len(value)
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(name) + _SCALAR + _length(each) for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return sum(_SCALAR + _length(each) for each in value)
    return _SCALAR
