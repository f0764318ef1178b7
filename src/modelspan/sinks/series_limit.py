"""Series beyond the limit of an instrument count as one; those that came first go on.

After https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits, as the SDK does for its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from modelspan import semconv
from modelspan.sinks.bin_series import MAX_SERIES

if TYPE_CHECKING:
    from collections.abc import Collection

Key = TypeVar("Key")
OVERFLOW: Final = {semconv.OVERFLOW: True}
"""The attributes of the one series for all that is beyond."""


def admitted(key: Key, known: Collection[Key | None]) -> Key | None:
    """The key under which to count, among those `known` so far; None: with all others that are beyond."""
    return key if key in known or len(known) < MAX_SERIES else None
