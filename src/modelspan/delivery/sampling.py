"""The standard samplers for many spans at once; what is not standard goes through the SDK."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_RATES: Final = {"always_on": 1.0, "always_off": 0.0}
LIMITS: Final = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
)  # fmt: skip
"""Variables that want records cut as only the SDK does it."""


@dataclass(frozen=True, slots=True)
class SamplingRule:
    """A standard sampler: always on or off, or by a ratio of trace ids; the parent's decision first if asked.

    The ratio compares the last 8 bytes of a trace id with `bound`, as `TraceIdRatioBased` of the SDK does.
    """

    parent_based: bool
    bound: int

    def keeps(self, trace_id: int, parent: Any) -> bool:
        """Whether one span is sampled; `parent` is the span context of the caller, or None."""
        if self.parent_based and parent is not None:
            return bool(parent.trace_flags.sampled)
        return trace_id & (2**64 - 1) < self.bound

    def keep(self, trace_ids: NDArray[np.uint8], parents: Sequence[Any] | None) -> NDArray[np.bool_]:
        """`keeps` for spans with ids of shape ``(n, 16)``."""
        if self.parent_based and parents is not None:
            return np.array([bool(parent.trace_flags.sampled) for parent in parents])
        if self.bound >= 2**64:
            return np.ones(len(trace_ids), bool)
        low = np.ascontiguousarray(trace_ids[:, 8:]).view(">u8")[:, 0]
        return np.asarray(low < np.uint64(self.bound))


def standard_rule(env: Mapping[str, str] = os.environ) -> SamplingRule | None:
    """The rule that `OTEL_TRACES_SAMPLER` names; None when only the SDK can do what the variables ask."""
    if any(env.get(name) for name in LIMITS):
        return None
    name = env.get("OTEL_TRACES_SAMPLER", "").strip().lower() or "parentbased_always_on"
    kind = name.removeprefix("parentbased_")
    rate = _RATES.get(kind)
    if kind == "traceidratio":
        try:
            rate = float(env.get("OTEL_TRACES_SAMPLER_ARG") or 1.0)
        except ValueError:
            return None
    if rate is None or not 0 <= rate <= 1:
        return None
    return SamplingRule(name.startswith("parentbased_"), round(rate * 2**64))
