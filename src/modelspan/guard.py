"""Keep a fault of ours from becoming a failed prediction: count it, log it once a minute, go on."""

from __future__ import annotations

import itertools
import logging
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("modelspan")

QUIET_SECONDS = 60.0

_faults = itertools.count(1)
_count = 0
_last_logged: dict[str, float] = {}


def fault(doing: str) -> None:
    """Count the exception being handled and log it, at most once a minute for each `doing`."""
    global _count
    _count = next(_faults)
    now = time.monotonic()
    if now - _last_logged.get(doing, -QUIET_SECONDS) >= QUIET_SECONDS:
        _last_logged[doing] = now
        with suppress(Exception):  # a handler of the application may raise, and it is counted above
            logger.log(
                logging.ERROR, "modelspan failed while %s; the prediction is unaffected", doing, exc_info=True
            )


def fault_count() -> int:
    """Faults of modelspan since the process began."""
    return _count


@contextmanager
def guard(doing: str) -> Iterator[None]:
    """Contain any exception of the block; `doing` completes "modelspan failed while …"."""
    try:
        yield
    except Exception:
        fault(doing)
