"""Which steps of training are looked at, so that looking costs a bounded share of the training time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from modelspan.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE: Final = 0.01
"""Half of the 2 % that are promised: the rest is for counting steps and for the background thread."""


class Pace:
    """A look is a debt, paid off with `share` of the time of each step; the next look waits until it is paid.

    The first step is looked at. Nothing is saved up, so a long pause brings no burst.
    """

    def __init__(self, share: float = SHARE, clock: Callable[[], float] = time.perf_counter) -> None:
        if not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise ConfigError(f"share={share!r:.60} must be above 0 and at most 1; 0.01 spends 1 % of a step")
        self._share = share
        self._clock = clock
        self._debt = 0.0
        self._last = clock()
        self.seconds = 0.0
        """How long the step took that ended last, looks left out."""

    def resume(self) -> None:
        """Steps begin now: what came before was something else, such as a validation."""
        self._last = self._clock()

    def step(self, spent: float = 0.0) -> bool:
        """A step ended, on which a look cost `spent` seconds (0: none); whether to look at the next one."""
        now = self._clock()
        self.seconds = max(0.0, now - self._last - spent)
        self._last = now
        self._debt = max(0.0, self._debt - self._share * self.seconds) + spent
        return not self._debt
