"""One protocol for detectors that look at one value after another: ours, river's and alibi-detect's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from modelspan.drift.evidence import Evidence

if TYPE_CHECKING:
    from modelspan.drift.feature import FeatureReference

_ONLY = np.zeros(1, dtype=np.intp)
"""The position of a signal that is judged alone."""


@runtime_checkable
class Detector(Protocol):
    """Finds that a signal has changed. Not for several threads."""

    @property
    def name(self) -> str:
        """What the alarm says found it."""

    @property
    def drifted(self) -> bool:
        """Whether the latest update found a drift; then `reset` it."""

    def update(self, value: Any, /) -> None:
        """Take in the signal's next value: a number, for a multivariate detector a row of them."""

    def reset(self) -> None:
        """Forget the signal; a reference stays."""


class RiverDetector:
    """A detector of river: ADWIN, KSWIN, PageHinkley, DDM, EDDM, HDDMA, HDDMW.

    Its false-alarm rate is that of its thresholds, which for some depend on the scale of the signal. On
    10,000 values without drift, at their defaults (tests/contracts): ADWIN, DDM and HDDM none or one,
    PageHinkley about 7 on N(0, 1), KSWIN 10, EDDM 16. The binary ones take errors: 1 for a wrong prediction,
    0 for a right one (FHDDM takes it the other way round, so it is of no use on `error`).

    Args:
        river: The detector, new: it is copied for every reset.
    """

    def __init__(self, river: Any) -> None:
        self._pristine = river.clone()
        self._river = river

    @property
    def name(self) -> str:
        """The class in river."""
        return f"river {type(self._river).__name__}"

    @property
    def drifted(self) -> bool:
        """Whether the latest update found a drift."""
        return bool(self._river.drift_detected)

    def update(self, value: float, /) -> None:
        """Take in the next value."""
        self._river.update(value)

    def reset(self) -> None:
        """Start anew."""
        self._river = self._pristine.clone()


class AlibiDetector:
    """A batch detector of alibi-detect: TabularDrift, KSDrift, ChiSquareDrift, MMDDrift and others.

    It judges windows that share no rows, each at the detector's own p-value: over many windows a false alarm
    is certain, so choose `p_val` as the rate you can bear divided by the windows you expect.

    Args:
        alibi: The detector with its reference.
        rows: Rows of a window.

    Raises:
        ValueError: If `rows` is below 2.
    """

    def __init__(self, alibi: Any, *, rows: int = 500) -> None:
        if rows < 2:
            raise ValueError(f"rows={rows} is no window; hundreds are good")
        self._alibi = alibi
        self._rows = rows
        self._window: list[Any] = []
        self._found = False

    @property
    def name(self) -> str:
        """The class in alibi-detect."""
        return f"alibi-detect {type(self._alibi).__name__}"

    @property
    def drifted(self) -> bool:
        """Whether the latest update filled a window that drifted."""
        return self._found

    def update(self, value: Any, /) -> None:
        """Take in the next row: a number, or one per column in the order of the reference."""
        self._window.append(np.atleast_1d(np.asarray(value)))
        self._found = False
        if len(self._window) == self._rows:
            self._found = bool(self._alibi.predict(np.stack(self._window))["data"]["is_drift"])
            self._window = []

    def reset(self) -> None:
        """Forget the window; the reference stays."""
        self._window, self._found = [], False


class SequentialDetector:
    """The test of `SequentialRule` for a single signal: a stated probability of any false alarm, ever.

    Args:
        reference: The signal's bins and reference counts.
        false_alarm_rate: Probability of any false alarm between resets, in (0, 1).
        smallest_effect: PSI worth knowing, above 0.
        look_rows: Values between two looks.

    Raises:
        ValueError: If the rate is out of its range.
    """

    def __init__(
        self,
        reference: FeatureReference,
        *,
        false_alarm_rate: float = 0.01,
        smallest_effect: float = 0.05,
        look_rows: int = 50,
    ) -> None:
        if not 0.0 < false_alarm_rate < 1.0:
            raise ValueError(
                f"false_alarm_rate={false_alarm_rate} is a probability, so set it between 0 and 1"
            )
        self._reference = reference
        self._asked = -math.log(false_alarm_rate)
        self._look_rows = look_rows
        self._evidence = Evidence(
            reference.counts[None, None], ordered=reference.ordered, smallest_effect=smallest_effect
        )
        self._pending: list[Any] = []

    @property
    def name(self) -> str:
        """Ours."""
        return "sequential"

    @property
    def drifted(self) -> bool:
        """Whether the evidence of the latest look suffices."""
        return bool(self._evidence.log_e[0] >= self._asked)

    def update(self, value: Any, /) -> None:
        """Take in the next value: what the reference counts, text for a categorical one."""
        self._pending.append(value)
        if len(self._pending) == self._look_rows:
            self._evidence.look(_ONLY, self._reference.count(self._pending)[None])
            self._pending = []

    def reset(self) -> None:
        """Back to the reference."""
        self._evidence.restart(_ONLY)
        self._pending = []


def as_detector(found: Any) -> Detector:
    """A detector of this protocol as it is, one of river or alibi-detect in its adapter.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(found, Detector) and not isinstance(found, type):
        return found
    if not isinstance(found, type) and hasattr(found, "drift_detected") and hasattr(found, "clone"):
        return RiverDetector(found)
    if hasattr(found, "predict") and "data_type" in getattr(found, "meta", ()):
        return AlibiDetector(found)
    raise ValueError(
        f"{type(found).__name__} is no detector; pass one of river.drift or alibi_detect.cd, or an object "
        "with update(value), drifted, reset() and name"
    )
